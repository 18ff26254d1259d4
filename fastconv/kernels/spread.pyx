"""Values put, or added, to where indices say: y[n, at[n, i]] = or += x[n, i], all three contiguous.

Booleans are added as NumPy adds them: or.
"""
from cython.parallel cimport prange
from libc.stdint cimport int64_t

import numpy as np

ctypedef fused Number:
    signed char
    unsigned char
    short
    unsigned short
    int
    unsigned int
    long long
    unsigned long long
    float
    double
    long double


cdef enum:
    PUT, ADD, OR


cdef void put_item(Number* y, const int64_t* at, const Number* x, Py_ssize_t n, int how) noexcept nogil:
    cdef Py_ssize_t i
    if how == OR:
        for i in range(n):
            if x[i] != 0:
                y[at[i]] = 1
    elif how == ADD:
        for i in range(n):
            y[at[i]] += x[i]
    else:
        for i in range(n):
            y[at[i]] = x[i]


def put(Number[:, ::1] y, const int64_t[:, ::1] at, const Number[:, ::1] x, int how, int workers):
    """On `workers` threads, each with items of its own; `how` is what `way` says."""
    cdef Py_ssize_t n = at.shape[1], items = at.shape[0], i
    if items == 0 or n == 0:
        return
    cdef Number* to = &y[0, 0]
    cdef const int64_t* where = &at[0, 0]
    cdef const Number* values = &x[0, 0]
    cdef Py_ssize_t size = y.shape[1]
    with nogil:
        if workers <= 1:
            for i in range(items):
                put_item(to + i * size, where + i * n, values + i * n, n, how)
        else:
            for i in prange(items, schedule="static", num_threads=workers):
                put_item(to + i * size, where + i * n, values + i * n, n, how)


def way(dtype, bint add):
    """How values of a dtype are put, or added."""
    return PUT if not add else OR if dtype.kind == "b" else ADD


def as_numbers(y, at, x):
    """The same memory as numbers that `put` knows; float16 and booleans are only ever moved."""
    if y.dtype.kind == "c":    # real and imaginary parts side by side
        at = np.stack([2 * at, 2 * at + 1], axis=-1).reshape(at.shape[0], 2 * at.shape[1])
        real = y.real.dtype
        return y.view(real), at, x.view(real)
    if y.dtype.kind == "b" or y.dtype.char == "e":
        moved = np.uint8 if y.dtype.kind == "b" else np.uint16
        return y.view(moved), at, x.view(moved)
    return y, at, x
