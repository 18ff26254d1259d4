"""One array added to another of its shape and dtype, of any strides: NumPy's +=, without its iterators.

Those do not check whether they get memory (as of NumPy 2.4): where they do not, a strided += ends the process.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cimport numpy as cnp

cnp.import_array()

ctypedef long double longdouble

ctypedef fused Number:
    uint8_t
    uint16_t
    uint32_t
    uint64_t
    float
    double
    longdouble


cdef void add_line(Number* to, Py_ssize_t to_step, const Number* values, Py_ssize_t step, Py_ssize_t n) noexcept nogil:
    """Steps in bytes."""
    cdef Py_ssize_t i
    if to_step == sizeof(Number) and step == sizeof(Number):    # the compiler vectorises this one
        for i in range(n):
            to[i] += values[i]
    else:
        for i in range(n):
            (<Number*> (<char*> to + i * to_step))[0] += (<const Number*> (<const char*> values + i * step))[0]


cdef void or_line(char* to, Py_ssize_t to_step, const char* values, Py_ssize_t step, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        to[i * to_step] = to[i * to_step] or values[i * step]


cdef void add_part(str kind, Py_ssize_t size, char* to, Py_ssize_t to_step, const char* values, Py_ssize_t step,
                   Py_ssize_t n):
    """A line of real numbers, or of real or imaginary parts."""
    if kind == "b": or_line(to, to_step, values, step, n)
    elif kind in "iu":
        if size == 1: add_line(<uint8_t*> to, to_step, <const uint8_t*> values, step, n)
        elif size == 2: add_line(<uint16_t*> to, to_step, <const uint16_t*> values, step, n)
        elif size == 4: add_line(<uint32_t*> to, to_step, <const uint32_t*> values, step, n)
        else: add_line(<uint64_t*> to, to_step, <const uint64_t*> values, step, n)
    elif size == sizeof(float): add_line(<float*> to, to_step, <const float*> values, step, n)
    elif size == sizeof(double): add_line(<double*> to, to_step, <const double*> values, step, n)
    else: add_line(<longdouble*> to, to_step, <const longdouble*> values, step, n)


cdef int nearest(cnp.ndarray a):
    """The axis whose elements lie nearest to each other."""
    cdef int axis, found = a.ndim - 1
    for axis in range(a.ndim - 1):
        if a.shape[axis] > 1 and (a.shape[found] == 1 or abs(a.strides[axis]) < abs(a.strides[found])):
            found = axis
    return found


def add(cnp.ndarray target, cnp.ndarray values):
    """`target` += `values`, of one shape, with an axis at least; of any dtype but float16, in this machine's order."""
    cdef int inner = nearest(target), axis
    cdef Py_ssize_t n = target.shape[inner], line, left, part, parts = 2 if target.dtype.kind == "c" else 1
    cdef Py_ssize_t lines = cnp.PyArray_SIZE(target) // n if n else 0, size = target.itemsize // parts
    cdef str kind = target.dtype.kind
    cdef char* to
    cdef const char* at
    if not cnp.PyArray_ISBEHAVED_RO(values) or values.dtype != target.dtype:
        values = values.astype(target.dtype)
    for line in range(lines):
        to, at, left = <char*> cnp.PyArray_DATA(target), <const char*> cnp.PyArray_DATA(values), line
        for axis in range(target.ndim - 1, -1, -1):
            if axis != inner:
                to += left % target.shape[axis] * target.strides[axis]
                at += left % target.shape[axis] * values.strides[axis]
                left //= target.shape[axis]
        for part in range(parts):
            add_part(kind, size, to + part * size, target.strides[inner], at + part * size, values.strides[inner], n)
