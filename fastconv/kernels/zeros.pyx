"""The signs of zeros among largest and smallest elements: zeros are equal, and the first in its window is the result.

What merges elements keeps either. So rows of results are looked at; only where one is zero is x looked at, and only
where that has -0. are windows searched.
"""
from libc.stdint cimport uint16_t, uint32_t, uint64_t

from fastconv.kernels.lines cimport FLOAT16, FLOAT32, FLOAT64
from fastconv.kernels.pooling cimport Taps, window_of

ctypedef long double longdouble

cdef enum:
    HELD = 64                  # elements at once

ctypedef fused Bits:           # of floating point
    uint16_t
    uint32_t
    uint64_t


cdef bint any_zero(const Bits* a, Py_ssize_t step, Py_ssize_t n, bint minus) noexcept nogil:
    cdef Py_ssize_t i
    cdef Bits found = 0, sign = (<Bits> 1) << (8 * sizeof(Bits) - 1), ignored = 0 if minus else sign
    if step == sizeof(Bits):
        for i in range(n):
            found |= (a[i] | ignored) == sign
    else:
        for i in range(n):
            found |= ((<const Bits*> (<const char*> a + i * step))[0] | ignored) == sign
    return found != 0


cdef bint has_zero(int element, const char* a, Py_ssize_t step, Py_ssize_t n, bint minus) noexcept nogil:
    cdef Py_ssize_t i
    cdef longdouble x
    if element == FLOAT16: return any_zero(<const uint16_t*> a, step, n, minus)
    if element == FLOAT32: return any_zero(<const uint32_t*> a, step, n, minus)
    if element == FLOAT64: return any_zero(<const uint64_t*> a, step, n, minus)
    for i in range(n):
        x = (<const longdouble*> (a + i * step))[0]
        if x == 0 and (1 / x < 0 or not minus):
            return True
    return False


cdef bint line_has_minus_zero(const Pool* s, line_copy gather, const char* x, Py_ssize_t n) noexcept nogil:
    """n positions of the last axis, one of the inner elements of each."""
    cdef longdouble held[HELD]
    cdef Py_ssize_t size = 4 if s.element == FLOAT32 else 8 if s.element == FLOAT64 else sizeof(longdouble), m
    cdef Py_ssize_t step = s.x_stride[s.rank - 1]
    if s.x_element == s.element or s.x_element == FLOAT16:
        return has_zero(s.x_element, x, step, n, True)
    while n > 0:
        m = min(HELD, n)
        gather(<char*> held, size, x, step, m)
        if has_zero(s.element, <const char*> held, size, m, True):
            return True
        x += m * step
        n -= m
    return False


cdef bint has_minus_zero(const Pool* s, line_copy gather, line_test test, const Py_ssize_t* low, const Py_ssize_t* n,
                         int axis, const char* x) noexcept nogil:
    cdef Py_ssize_t i, size = 4 if s.element == FLOAT32 else 8
    cdef int last = s.rank - 1
    cdef bint contiguous = test != NULL and s.x_element == s.element and s.inner == 1 and s.x_stride[last] == size
    x += low[axis] * s.x_stride[axis]
    if (contiguous and axis == last - 1 and n[last] == s.x_size[last] and s.x_stride[axis] == n[last] * size):
        return test(x, n[axis] * n[last])    # whole rows without a gap
    if contiguous and axis == last:
        return test(x, n[last])
    if axis < last:
        for i in range(n[axis]):
            if has_minus_zero(s, gather, test, low, n, axis + 1, x + i * s.x_stride[axis]):
                return True
        return False
    if s.inner > 1 and s.x_inner * s.inner == s.x_stride[axis] and s.x_element == s.element:    # all in one line
        return has_zero(s.element, x, s.x_inner, n[axis] * s.inner, True)
    for i in range(s.inner):
        if line_has_minus_zero(s, gather, x + i * s.x_inner, n[axis]):
            return True
    return False


cdef int next_axis(const Pool* s, int axis) noexcept nogil:
    """From one axis to the next inner one in the caller's order; from -1 to the outermost; `rank` behind the last."""
    cdef int other, found = s.rank
    for other in range(s.rank):
        if axis >= 0 and (s.index_of[other] > s.index_of[axis]
                          or s.index_of[other] == s.index_of[axis] and other <= axis):
            continue
        if found == s.rank or s.index_of[other] > s.index_of[found]:
            found = other
    return found


cdef int first_is_minus(const Pool* s, line_copy gather, const Py_ssize_t* at, int axis, const char* x) noexcept nogil:
    cdef int inner = next_axis(s, axis)
    cdef Taps taps = window_of(s, axis, at[axis])
    cdef Py_ssize_t step = taps.step * s.x_stride[axis], i
    cdef longdouble value
    cdef int found
    x += taps.first * s.x_stride[axis]
    for i in range(taps.n):
        if inner < s.rank:
            found = first_is_minus(s, gather, at, inner, x + i * step)
            if found < 2:
                return found
            continue
        gather(<char*> &value, 0, x + i * step, 0, 1)
        if has_zero(s.element, <const char*> &value, 0, 1, False):
            return has_zero(s.element, <const char*> &value, 0, 1, True)
    return 2
