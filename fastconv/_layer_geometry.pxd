"""The window of a layer, for the gate of pooling."""
cimport numpy as cnp

cdef dict LAYOUTS

cdef bint is_sequence(object value)
cdef object whole_number(object value, str name, Py_ssize_t least)
cdef tuple per_axis(object value, int rank, str name, Py_ssize_t least)
cdef cnp.ndarray new_or_given(object out, tuple shape, cnp.dtype dtype, tuple inputs)
cdef cnp.ndarray channels_first(cnp.ndarray a, int rank, bint channels_last)
cdef cnp.ndarray readable(cnp.ndarray a, cnp.dtype dtype)

cdef class Window:
    cdef readonly int rank
    cdef readonly int boundary
    cdef readonly tuple kernel, stride, dilation, before, after, sizes
    cdef str name    # of the argument that `sizes` come from

    cpdef tuple extents(self)
    cpdef tuple padded(self)
    cpdef tuple outputs(self)
