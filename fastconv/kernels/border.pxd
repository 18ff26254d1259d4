"""Where an index outside the image leads."""
from fastconv.kernels.problem cimport FILL, REFLECT, SYMMETRIC, WRAP


cdef inline Py_ssize_t within(Py_ssize_t i, Py_ssize_t n, int boundary) noexcept nogil:
    """The index that index i of the continued axis stands for; -1 for the fill value."""
    cdef Py_ssize_t period
    if 0 <= i < n:
        return i
    if boundary == FILL:
        return -1
    if boundary == WRAP:
        i %= n
        return i + n if i < 0 else i
    if boundary == SYMMETRIC or boundary == REFLECT:
        period = 2 * n if boundary == SYMMETRIC else max(2 * n - 2, 1)
        i %= period
        if i < 0:
            i += period
        return i if i < n else (period - 1 - i if boundary == SYMMETRIC else period - i)
    return 0 if i < 0 else n - 1


cdef inline Py_ssize_t whole(Py_ssize_t n, Py_ssize_t unit) noexcept nogil:
    """`n` rounded up to a multiple of `unit`."""
    return (n + unit - 1) // unit * unit


cdef inline Py_ssize_t share(Py_ssize_t n, Py_ssize_t most) noexcept nogil:
    """The size of the fewest equal parts of n that are no larger than `most`; at least 1."""
    cdef Py_ssize_t parts
    if n <= 1 or most <= 1:
        return 1
    parts = (n + most - 1) // most
    return (n + parts - 1) // parts
