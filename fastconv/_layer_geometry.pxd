"""The gate's tools for layers, for the gates of tiled layers and of pooling."""
cimport numpy as cnp

from fastconv.kernels.layer cimport Convolution

cdef dict LAYOUTS

cdef class Window:
    cdef readonly int rank
    cdef readonly int boundary
    cdef readonly tuple kernel, stride, dilation, before, after, sizes
    cdef str name    # of the argument that `sizes` come from

    cdef int check_sizes(self, tuple sizes, str padded) except -1
    cpdef tuple extents(self)
    cpdef tuple padded(self)
    cpdef tuple outputs(self)
    cpdef bint folds(self)
    cpdef Window apart(self)


cdef class Transposed:
    cdef readonly cnp.ndarray x, weight, bias, out
    cdef readonly tuple before, activation
    cdef readonly tuple sizes    # of the outputs
    cdef readonly Window window

    cdef list phases(self, int i)
    cdef bint weaves(self, int i)
    cpdef bint bundles(self)
    cpdef bint finite(self)
    cpdef bint covers(self, str how)
    cdef cnp.ndarray packed_bias(self)
    cdef cnp.ndarray bundled_bias(self, list bundle, Py_ssize_t first, Py_ssize_t filters)
    cdef cnp.ndarray bundled_weight(self, tuple axis, list bundle, Py_ssize_t first, Py_ssize_t filters)
    cdef cnp.ndarray bundled_out(self, tuple axis, list bundle, Py_ssize_t first, Py_ssize_t filters)


cdef bint is_sequence(object value)
# Bits of whole numbers: products of strides, dilations and padding stay numbers of the machine; sizes are an array's.
cdef enum:
    STEPS = 31
    SIZES = 63

cdef object whole_number(object value, str name, Py_ssize_t least, int bits=*)
cdef tuple per_axis(object value, int rank, str name, Py_ssize_t least, int bits=*)
cdef cnp.ndarray new_or_given(object out, tuple shape, cnp.dtype dtype, tuple inputs)
cdef cnp.ndarray channels_first(cnp.ndarray a, int rank, bint channels_last)
cdef cnp.ndarray in_groups(cnp.ndarray a, int rank, Py_ssize_t groups)
cdef cnp.ndarray grouped(cnp.ndarray a, int rank, bint last, Py_ssize_t groups)
cdef cnp.ndarray readable(cnp.ndarray a, cnp.dtype dtype)
cdef Convolution samples_gradient(cnp.ndarray x, cnp.ndarray g, cnp.ndarray target, tuple stride, tuple dilation,
                                  tuple before, int boundary)
cdef cnp.ndarray packed_bias(cnp.ndarray bias, Py_ssize_t groups, cnp.dtype dtype)
cdef object result_dtype(tuple inputs, object dtype)
cdef tuple activated(object activation, cnp.dtype dtype)
cdef tuple whole_shape(object size, str name)
cdef tuple split_shape(tuple shape, int rank, bint last)
cdef tuple shape_of(tuple leading, Py_ssize_t channels, tuple spatial, bint last)
cdef int spatial_axes(cnp.ndarray g, object rank) except -1
cdef int check_channels(cnp.ndarray x, int rank, Py_ssize_t channels, bint last, str name) except -1
cdef Py_ssize_t check_groups(object groups, Py_ssize_t n, str what) except -1
cdef Py_ssize_t of_groups(object channels, Py_ssize_t groups) except -1
cdef cnp.ndarray adjoint_array(Window window, tuple leading, Py_ssize_t channels, bint last, object out,
                               cnp.dtype dtype, object sums, tuple inputs)
cdef Convolution record(cnp.ndarray x, cnp.ndarray weight, cnp.ndarray bias, cnp.ndarray out, tuple stride,
                        tuple dilation, tuple offset, int boundary, tuple activation, int banked=*, tuple up=*)
cdef Convolution with_terms(cnp.ndarray x, cnp.ndarray weight, cnp.ndarray bias, cnp.ndarray out, tuple stride,
                            tuple dilation, tuple offset, int boundary, tuple activation, int banked=*, tuple up=*)
