"""Weights in the order in which the tiles read them: [tap][channel][filter], a few filters at a time.

A complex layer is a real one: its filters are those of the real parts of the output, then those of the imaginary
parts; each channel is a real and an imaginary one. With w a weight, the real part of x * w is a sum over them with
weights (w.real, -w.imag), the imaginary part with (w.imag, w.real).
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from fastconv.kernels.layer cimport Layer
from fastconv.kernels.lines cimport FLOAT32, FLOAT64, LONGDOUBLE, line_copier, line_copy
from fastconv.kernels.patch cimport Cut

ctypedef long double longdouble

ctypedef fused Real:
    float
    double
    longdouble


cdef void negate(Real* values, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        values[i] = -values[i]


cdef bint all_finite(int element, const char* values, Py_ssize_t n) noexcept nogil:
    """Whether no exponent is all ones. Written so that the compiler vectorises it."""
    cdef Py_ssize_t i
    cdef uint32_t found = 0
    cdef uint64_t found_long = 0
    cdef longdouble value
    if element == FLOAT32:
        for i in range(n):
            found |= ((<const uint32_t*> values)[i] & 0x7F800000u) == 0x7F800000u
    elif element == FLOAT64:
        for i in range(n):
            found_long |= ((<const uint64_t*> values)[i] & 0x7FF0000000000000u) == 0x7FF0000000000000u
    elif element == LONGDOUBLE:
        for i in range(n):
            value = (<const longdouble*> values)[i]
            found |= value - value != 0
    return not (found or found_long)


cdef const char* tap_origin(const Layer* s, const Cut* cut, Py_ssize_t outer, Py_ssize_t row,
                            Py_ssize_t column) noexcept nogil:
    cdef int axis = s.rank - 1
    cdef const char* at = s.weight
    at += (cut.column + column) * s.weight_stride[axis] + (cut.row + row) * s.weight_stride[axis - 1]
    outer += cut.outer
    for axis in range(s.rank - 3, -1, -1):
        at += outer % s.kernel_size[axis] * s.weight_stride[axis]
        outer //= s.kernel_size[axis]
    return at


cdef void pack_filters(const Layer* s, line_copy copy, Py_ssize_t size, const char* at, Py_ssize_t channel,
                       Py_ssize_t first, Py_ssize_t width, char* to) noexcept nogil:
    """What `width` filters hold at one tap for one channel; zeros beyond the last filter."""
    cdef Py_ssize_t plane, part = channel % s.planes, f = first, n
    at += channel // s.planes * s.weight_channel
    while width > 0 and f < s.planes * s.filters:
        plane = f // s.filters
        n = min(width, (plane + 1) * s.filters - f)
        copy(to, size, at + (part ^ plane) * s.weight_plane + f % s.filters * s.weight_filter, s.weight_filter, n)
        if part and not plane:
            if s.element == FLOAT32:
                negate(<float*> to, n)
            elif s.element == FLOAT64:
                negate(<double*> to, n)
            else:
                negate(<longdouble*> to, n)
        to += n * size
        f += n
        width -= n
    memset(to, 0, width * size)


cdef bint pack_panel(const Layer* s, Py_ssize_t size, Py_ssize_t group, const Cut* cut, Py_ssize_t first,
                     Py_ssize_t width, char* to) noexcept nogil:
    """Packs `width` filters' part of the sum. Whether all weights are finite."""
    cdef line_copy copy = line_copier(s.weight_element, s.element)
    cdef Py_ssize_t outer, row, column, c
    cdef const char* at
    cdef const char* start = to
    for outer in range(cut.outers):
        for row in range(cut.rows):
            for column in range(cut.columns):
                at = tap_origin(s, cut, outer, row, column) + group * s.weight_group
                for c in range(cut.channels):
                    pack_filters(s, copy, size, at, cut.channel + c, first, width, to)
                    to += width * size
    return all_finite(s.element, start, (to - start) // size)
