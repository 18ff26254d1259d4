"""Weights in the order in which the tiles read them: [tap][channel][filter], a few filters at a time.

A complex layer is a real one: its filters are those of the real parts of the output, then those of the imaginary
parts; each channel is a real and an imaginary one. With w a weight, the real part of x * w is a sum over them with
weights (w.real, -w.imag), the imaginary part with (w.imag, w.real).

Inline, for each build to shuffle with its own vectors.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from fastconv.kernels.layer cimport Layer
from fastconv.kernels.lines cimport FLOAT32, FLOAT64, LONGDOUBLE, line_copier, line_copy, same_bits
from fastconv.kernels.patch cimport Cut
from fastconv.kernels.simd cimport CAN_TURN, Word, prefetch, turn, vint32, vint64

cdef enum:
    MOST_TERMS = 1024          # of a part of a sum that is transposed at once
    FEWEST_TERMS = 4           # with fewer, filters are better copied tap by tap
    AHEAD = 6                  # vectors: memory is asked for weights that early


ctypedef long double longdouble

ctypedef fused Real:
    float
    double
    longdouble


cdef inline void negate(Real* values, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        values[i] = -values[i]


cdef inline bint all_finite(int element, const char* values, Py_ssize_t n) noexcept nogil:
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


cdef inline Py_ssize_t outer_offset(const Layer* s, Py_ssize_t outer) noexcept nogil:
    cdef Py_ssize_t bytes = 0
    cdef int axis
    for axis in range(s.rank - 3, -1, -1):
        bytes += outer % s.kernel_size[axis] * s.weight_stride[axis]
        outer //= s.kernel_size[axis]
    return bytes


cdef inline const char* tap_origin(const Layer* s, const Cut* cut, Py_ssize_t outer, Py_ssize_t row,
                                   Py_ssize_t column) noexcept nogil:
    cdef int axis = s.rank - 1
    return (s.weight + (cut.column + column) * s.weight_stride[axis] + (cut.row + row) * s.weight_stride[axis - 1]
            + outer_offset(s, cut.outer + outer))


cdef inline void pack_filters(const Layer* s, line_copy copy, Py_ssize_t size, const char* at, Py_ssize_t channel,
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


# ---------------------------------------------------------------- dense weights: transposed by vectors

cdef inline bint fills_a_line(const Layer* s, Py_ssize_t size, const Cut* cut, Py_ssize_t channels, Py_ssize_t* low,
                              Py_ssize_t* order) noexcept nogil:
    """Whether the weights of the cut's first channels, of `size` bytes each, lie without gaps.

    Sets the first one's place, and the cut's terms in memory's order.
    """
    cdef int axis = s.rank - 1
    cdef Py_ssize_t n = channels * cut.outers * cut.rows * cut.columns, tap = 0, outer, row, column, c
    cdef Py_ssize_t all_channels = cut.channels // s.planes, bytes, at, first, place, step
    first = (cut.channel // s.planes * s.weight_channel + cut.column * s.weight_stride[axis]
             + cut.row * s.weight_stride[axis - 1] + outer_offset(s, cut.outer))
    at = (first + (channels - 1) * s.weight_channel + (cut.columns - 1) * s.weight_stride[axis]
          + (cut.rows - 1) * s.weight_stride[axis - 1]
          + outer_offset(s, cut.outer + cut.outers - 1) - outer_offset(s, cut.outer))
    low[0] = min(first, at)
    if n < FEWEST_TERMS or n * s.planes > MOST_TERMS or max(first, at) - low[0] != (n - 1) * size:
        return False
    step = s.weight_channel // size
    if step * size != s.weight_channel:
        return False
    for outer in range(cut.outers):
        at = first + outer_offset(s, cut.outer + outer) - outer_offset(s, cut.outer) - low[0]
        for row in range(cut.rows):
            for column in range(cut.columns):
                bytes = at + row * s.weight_stride[axis - 1] + column * s.weight_stride[axis]
                place = bytes // size
                if (place * size != bytes or min(place, place + (channels - 1) * step) < 0
                        or max(place, place + (channels - 1) * step) >= n):
                    return False
                for c in range(channels):
                    order[place + c * step] = tap * all_channels + c
                tap += 1
    return True


cdef inline void part_planes(Py_ssize_t* order, Py_ssize_t n, Py_ssize_t plane) noexcept nogil:
    """From the order of complex terms to that of their parts, for real or imaginary parts of the result."""
    cdef Py_ssize_t e, t
    for e in range(n - 1, -1, -1):
        t = 2 * order[e]
        order[2 * e] = t + plane
        order[2 * e + 1] = t + 1 - plane


cdef inline void place_terms(char* to, const Word* turned, const Py_ssize_t* order, Py_ssize_t pitch, Py_ssize_t n,
                             const Py_ssize_t filters) noexcept nogil:
    """n transposed terms to order[0] * pitch, ...: rows of 8 filters, then those of the other 8."""
    cdef Py_ssize_t size = 4 if Word is vint32 else 8
    cdef Py_ssize_t i
    for i in range(n):
        memcpy(to + order[i] * pitch, <const char*> turned + i * 8 * size, min(8, filters) * size)
        memcpy(to + order[i] * pitch + 8 * size, <const char*> (turned + 8) + i * 8 * size, max(0, filters - 8) * size)


cdef inline void turn_line(const char* at, Py_ssize_t step, Py_ssize_t filters, Py_ssize_t n, const Py_ssize_t* order,
                           Py_ssize_t pitch, const char* end, char* to, Word* like) noexcept nogil:
    """Transposes n neighbouring weights of some filters, `step` apart: place e of memory goes to order[e] * pitch.

    Nothing is read from `end` on.
    """
    cdef Word rows[8]
    cdef Word turned[16]
    cdef Py_ssize_t size = 4 if Word is vint32 else 8, lanes = sizeof(Word) // size, e, f = 0, i, m, half
    cdef const char* row
    while f < filters:    # whole cache lines of the panel, 16 filters: the streams of memory that are followed at once
        m = min(16, filters - f)
        e = 0
        while e < n:
            for half in range(0, m, 8):
                for i in range(min(8, m - half)):
                    row = at + (f + half + i) * step + e * size
                    if row + sizeof(Word) <= end:    # what is read too far is not used
                        prefetch(row + AHEAD * sizeof(Word), 0)
                        rows[i] = (<volatile Word*> row)[0]
                    else:
                        memcpy(&rows[i], row, min(lanes, n - e) * size)
                turn(turned + half, rows, m - half, 1)
            if m == 16 and n - e >= lanes: place_terms(to + f * size, turned, order + e, pitch, lanes, 16)
            elif m == 8 and n - e >= lanes: place_terms(to + f * size, turned, order + e, pitch, lanes, 8)
            elif m == 4: place_terms(to + f * size, turned, order + e, pitch, min(lanes, n - e), 4)
            else: place_terms(to + f * size, turned, order + e, pitch, min(lanes, n - e), m)
            e += lanes
        f += 16


cdef inline bint pack_lines(const Layer* s, Py_ssize_t size, Py_ssize_t origin, const Cut* cut, Py_ssize_t channels,
                            Py_ssize_t filter, Py_ssize_t filters, Py_ssize_t pitch, char* to) noexcept nogil:
    """The weights of some filters of one plane, if those of so many channels lie without gaps."""
    cdef Py_ssize_t[<int> MOST_TERMS] order
    cdef Py_ssize_t low, n = channels * cut.outers * cut.rows * cut.columns, plane = filter // s.filters
    cdef const char* at = s.weight + origin + filter % s.filters * s.weight_filter
    if not fills_a_line(s, size * s.planes, cut, channels, &low, order):
        return False
    if s.planes == 2:
        part_planes(order, n, plane)
    at += low
    for _ in range(cut.channels // s.planes // channels):
        if size == 4:
            turn_line(at, s.weight_filter, filters, n * s.planes, order, pitch, s.weight_end, to, <vint32*> NULL)
        else:
            turn_line(at, s.weight_filter, filters, n * s.planes, order, pitch, s.weight_end, to, <vint64*> NULL)
        at += channels * s.weight_channel
        to += channels * s.planes * pitch
    return True


cdef inline bint pack_plane(const Layer* s, Py_ssize_t size, Py_ssize_t origin, const Cut* cut, Py_ssize_t filter,
                            Py_ssize_t filters, Py_ssize_t pitch, char* to) noexcept nogil:
    """Filters of one plane: all channels of the cut, or one after the other. False if there are gaps in either."""
    cdef Py_ssize_t terms = cut.channels * cut.outers * cut.rows * cut.columns, t
    if not (pack_lines(s, size, origin, cut, cut.channels // s.planes, filter, filters, pitch, to)
            or pack_lines(s, size, origin, cut, 1, filter, filters, pitch, to)):
        return False
    if s.planes == 2 and filter < s.filters:    # imaginary times imaginary
        for t in range(1, terms, 2):
            if size == 4:
                negate(<float*> (to + t * pitch), filters)
            else:
                negate(<double*> (to + t * pitch), filters)
    return True


cdef inline bint pack_dense(const Layer* s, Py_ssize_t size, Py_ssize_t origin, const Cut* cut, Py_ssize_t first,
                            Py_ssize_t width, char* to) noexcept nogil:
    """The panel of weights that lie without gaps and want no conversion. Else False."""
    cdef Py_ssize_t filter = first, stop = min(first + width, s.planes * s.filters), pitch = width * size, n
    if (not CAN_TURN or not same_bits(s.weight_element, s.element) or size != 4 and size != 8
            or cut.channel % s.planes or cut.channels % s.planes):
        return False
    if stop < first + width:
        memset(to, 0, cut.channels * cut.outers * cut.rows * cut.columns * pitch)
    while filter < stop:
        n = min(stop, (filter // s.filters + 1) * s.filters) - filter
        if not pack_plane(s, size, origin, cut, filter, n, pitch, to + (filter - first) * size):
            return False
        filter += n
    return True


cdef inline bint pack_panel(const Layer* s, Py_ssize_t size, Py_ssize_t origin, const Cut* cut, Py_ssize_t first,
                            Py_ssize_t width, char* to) noexcept nogil:
    """Packs `width` filters' part of the sum. Whether all weights are finite, as far as that matters: a single tap is
    never left out. `origin` is where those of the group, and of the bank, begin: bytes from the first."""
    cdef line_copy copy = line_copier(s.weight_element, s.element)
    cdef Py_ssize_t outer, row, column, c
    cdef const char* at
    cdef const char* start = to
    cdef bint one_tap = cut.outers * cut.rows * cut.columns == 1
    if pack_dense(s, size, origin, cut, first, width, to):
        return one_tap or all_finite(s.element, start, cut.channels * cut.outers * cut.rows * cut.columns * width)
    for outer in range(cut.outers):
        for row in range(cut.rows):
            for column in range(cut.columns):
                at = tap_origin(s, cut, outer, row, column) + origin
                for c in range(cut.channels):
                    pack_filters(s, copy, size, at, cut.channel + c, first, width, to)
                    to += width * size
    return one_tap or all_finite(s.element, start, (to - start) // size)
