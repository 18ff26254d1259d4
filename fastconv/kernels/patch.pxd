"""What a block of outputs sees of x: gathered into a buffer, so that the tiles find every product by an offset.

Inline, for the copies to be vectorised by each build.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from fastconv.kernels.border cimport share, whole, within
from fastconv.kernels.layer cimport Layer
from fastconv.kernels.lines cimport BOOL, line_copier, line_copy, same_bits
from fastconv.kernels.problem cimport FILL
from fastconv.kernels.simd cimport vbool

cdef enum:
    SHORT_ROW = 1024           # bytes

# Part of a sum: some channels, outer taps, kernel rows and kernel columns, each `size` from `start`.
cdef struct Cut:
    Py_ssize_t channel
    Py_ssize_t channels
    Py_ssize_t outer
    Py_ssize_t outers
    Py_ssize_t row
    Py_ssize_t rows
    Py_ssize_t column
    Py_ssize_t columns


cdef inline Py_ssize_t terms_of(const Cut* cut) noexcept nogil:
    return cut.channels * cut.outers * cut.rows * cut.columns


cdef inline Cut cut_of(const Layer* s, Py_ssize_t most) noexcept nogil:
    """The largest part of a sum cut evenly: whole taps if they fit, then as many channels as do."""
    cdef Cut cut = Cut(0, 0, 0, 0, 0, 0, 0, 0)
    most //= s.planes    # real and imaginary parts stay together
    cut.columns = share(s.kernel_size[s.rank - 1], most)
    most //= cut.columns
    cut.rows = share(s.kernel_size[s.rank - 2], most)
    most //= cut.rows
    cut.outers = share(outer_taps(s), most)
    most //= cut.outers
    cut.channels = share(s.channels, most) * s.planes
    return cut


cdef inline bint next_start(Py_ssize_t* start, Py_ssize_t* size, Py_ssize_t most,
                            Py_ssize_t all_of_them) noexcept nogil:
    """Steps along one axis; False if it starts again."""
    cdef bint more = start[0] + size[0] < all_of_them
    start[0] = start[0] + size[0] if more else 0
    size[0] = min(most, all_of_them - start[0])
    return more


cdef inline bint next_taps(const Layer* s, const Cut* largest, Cut* cut) noexcept nogil:
    """The next part of the same channels: outer taps outside, columns inside; False if it starts again."""
    return (next_start(&cut.column, &cut.columns, largest.columns, s.kernel_size[s.rank - 1])
            or next_start(&cut.row, &cut.rows, largest.rows, s.kernel_size[s.rank - 2])
            or next_start(&cut.outer, &cut.outers, largest.outers, outer_taps(s)))


cdef inline bint next_cut(const Layer* s, const Cut* largest, Cut* cut) noexcept nogil:
    """The next part in the order of the sum, channels outside; False if it starts again."""
    return (next_taps(s, largest, cut)
            or next_start(&cut.channel, &cut.channels, largest.channels, s.channels * s.planes))


# One axis of a patch. Run i holds the input's elements start + i * offset + e * step, e < length.
# Either all taps share what they read (one run; or one for each phase of the stride, so that neighbouring outputs
# read neighbours), or they lie too far apart for that, and each has a run of its own.
cdef struct Span:
    Py_ssize_t runs
    Py_ssize_t length
    Py_ssize_t offset
    Py_ssize_t step
    Py_ssize_t out_step        # stored elements from one output to the next
    bint shared
    Py_ssize_t dilation
    Py_ssize_t phases

cdef struct Patch:
    const Layer* s
    Span rows
    Span columns
    bint channels_inner        # [outer tap][row][column][channel], else [channel][outer tap][row][column]
    Py_ssize_t channel_pitch   # bytes
    Py_ssize_t outer_pitch
    Py_ssize_t row_pitch
    Py_ssize_t column_pitch
    Py_ssize_t item_pitch      # of a sample, or of an output index along the outer axes
    line_copy copy
    bint same_bytes            # elements are copied as they are
    bint parted                # the phases of a row in one pass
    bint padded                # the zeros before and behind all rows are there already
    Py_ssize_t size            # of an element


# ---------------------------------------------------------------- what taps meet

cdef inline Py_ssize_t first_met(const Layer* s, int axis, Py_ssize_t tap) noexcept nogil:
    """The first element of x that outputs from the first on meet at taps from `tap` on."""
    cdef Py_ssize_t way = tap * s.dilation[axis] - s.offset[axis], up = s.up[axis]
    if up == 1:
        return way
    return (way + up - 1) // up if way > 0 else -(-way // up)


cdef inline Py_ssize_t elements_met(const Layer* s, int axis, Py_ssize_t taps) noexcept nogil:
    """How many elements, a dilation apart, are met from an output of each phase at so many taps at most."""
    if taps == s.kernel_size[axis]:
        return (first_met(s, axis, taps - 1) - first_met(s, axis, 0)) // s.dilation[axis] + 1
    return (taps + s.up[axis] - 2) // s.up[axis] + 1


cdef inline Py_ssize_t element_met(const Layer* s, int axis, Py_ssize_t phase, Py_ssize_t start,
                                   Py_ssize_t tap) noexcept nogil:
    """Which of the elements from `start`'s first on is met at the `tap`-th after it, or -1."""
    cdef Py_ssize_t way
    if s.up[axis] == 1:
        return tap
    way = start + tap - s.offset[axis] + phase - first_met(s, axis, start) * s.up[axis]
    return way // s.up[axis] if way % s.up[axis] == 0 else -1


# ---------------------------------------------------------------- layout

cdef inline Span span(Py_ssize_t outputs, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation, bint phases,
                      bint shared) noexcept nogil:
    cdef Span s
    cdef Py_ssize_t extent = (outputs - 1) * stride + (taps - 1) * dilation + 1
    s.dilation = dilation
    s.shared = shared or extent < taps * outputs or stride == 1 and dilation == 1
    s.phases = stride if phases and s.shared and outputs > 1 else 1
    if s.shared:
        s.runs, s.length = s.phases, (extent + s.phases - 1) // s.phases
        s.offset, s.step = 1, s.phases
        s.out_step = 1 if s.phases > 1 else stride
    else:
        s.runs, s.length = taps, outputs
        s.offset, s.step = dilation, stride
        s.out_step = 1
    return s


cdef inline Py_ssize_t position(const Span* s, Py_ssize_t tap) noexcept nogil:
    """The stored element that the first output finds at a tap."""
    if not s.shared:
        return tap * s.length
    return tap * s.dilation % s.phases * s.length + tap * s.dilation // s.phases


cdef inline Patch patch_of(const Layer* s, Py_ssize_t size, const Cut* cut, Py_ssize_t rows, Py_ssize_t columns,
                           bint phases, bint shared) noexcept nogil:
    """The layout for a block of rows x columns outputs of one item and the largest cut of the sum."""
    cdef Patch p
    cdef int axis = s.rank - 1
    cdef Py_ssize_t lines, elements
    p.s, p.size = s, size
    p.rows = span(rows, elements_met(s, axis - 1, cut.rows), s.stride[axis - 1], s.dilation[axis - 1], False, shared)
    p.columns = span(columns, elements_met(s, axis, cut.columns), s.stride[axis], s.dilation[axis], phases, shared)
    p.channels_inner = not phases and s.planes == 1 and cut.channels > 1 and s.x_channel <= s.x_stride[axis]
    p.copy = line_copier(s.x_element, s.element)
    p.same_bytes = same_bits(s.x_element, s.element) and s.element != BOOL    # a boolean may be any byte
    lines, elements = p.rows.runs * p.rows.length, p.columns.runs * p.columns.length
    p.parted = parts_rows(&p)
    p.column_pitch = cut.channels * size if p.channels_inner else size
    p.row_pitch = elements * p.column_pitch
    p.outer_pitch = lines * p.row_pitch
    if p.channels_inner:
        p.channel_pitch = size
        p.item_pitch = whole(cut.outers * p.outer_pitch, 64) | 64
    else:    # an odd number of cache lines, so that the channels of a pixel do not fall into one set of the cache
        p.channel_pitch = whole(cut.outers * p.outer_pitch, 64) | 64
        p.item_pitch = cut.channels * p.channel_pitch
    return p


cdef inline Py_ssize_t tap_offset(const Patch* p, Py_ssize_t outer, Py_ssize_t row, Py_ssize_t column) noexcept nogil:
    """Bytes from an output's place in the patch to what it meets at a tap, counted from the cut's first."""
    return (outer * p.outer_pitch + position(&p.rows, row) * p.row_pitch
            + position(&p.columns, column) * p.column_pitch)


# ---------------------------------------------------------------- items: samples x output indices along the outer axes

cdef inline Py_ssize_t outer_taps(const Layer* s) noexcept nogil:
    cdef Py_ssize_t n = 1
    cdef int axis
    for axis in range(s.rank - 2):
        n *= s.kernel_size[axis]
    return n


cdef inline const char* item_origin(const Layer* s, Py_ssize_t item) noexcept nogil:
    """Where the item's sample starts in x."""
    cdef const char* at = s.x
    cdef int axis
    for axis in range(s.rank - 2):
        item //= s.out_size[axis]
    for axis in range(s.leading - 1, -1, -1):
        at += item % s.leading_size[axis] * s.x_leading[axis]
        item //= s.leading_size[axis]
    return at


cdef inline char* item_target(const Layer* s, Py_ssize_t item) noexcept nogil:
    """Where the item's first output is."""
    cdef char* at = s.out
    cdef int axis
    for axis in range(s.rank - 3, -1, -1):
        at += item % s.out_size[axis] * s.out_stride[axis]
        item //= s.out_size[axis]
    for axis in range(s.leading - 1, -1, -1):
        at += item % s.leading_size[axis] * s.out_leading[axis]
        item //= s.leading_size[axis]
    return at


cdef inline bint outer_origin(const Layer* s, Py_ssize_t item, Py_ssize_t tap, Py_ssize_t* bytes) noexcept nogil:
    """Sets the way to what the item meets at a tap, flat over the outer axes; False if that is the border's zeros."""
    cdef Py_ssize_t i
    cdef int axis
    bytes[0] = 0
    for axis in range(s.rank - 3, -1, -1):
        i = within(item % s.out_size[axis] * s.stride[axis] + tap % s.kernel_size[axis] * s.dilation[axis]
                   - s.offset[axis], s.x_size[axis], s.boundary)
        if i < 0:
            return False
        bytes[0] += i * s.x_stride[axis]
        item //= s.out_size[axis]
        tap //= s.kernel_size[axis]
    return True


# ---------------------------------------------------------------- gathering

# A run of a row: elements left..right-1 are inside x, the first of them at input element `first`; the others border.
cdef struct Stretch:
    Py_ssize_t start           # input element of element 0
    Py_ssize_t left
    Py_ssize_t right
    Py_ssize_t first


cdef inline Py_ssize_t first_inside(Py_ssize_t start, Py_ssize_t step, Py_ssize_t bound, Py_ssize_t n) noexcept nogil:
    """The first e < n with start + e * step >= bound; n if there is none."""
    if start >= bound:
        return 0
    return min(n, bound - start if step == 1 else (bound - start + step - 1) // step)


cdef inline Stretch stretch_of(const Span* s, Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    cdef Stretch t
    t.start = start
    t.left = first_inside(start, s.step, 0, s.length)
    t.right = max(t.left, first_inside(start, s.step, n, s.length))
    t.first = start + t.left * s.step
    return t


cdef inline void clear(char* to, Py_ssize_t bytes) noexcept nogil:
    """Zeros, mostly one or two. volatile: else the loop becomes a call of memset."""
    cdef Py_ssize_t i
    if bytes > 32 or bytes % 4:
        memset(to, 0, bytes)
        return
    for i in range(bytes // 4):
        (<volatile uint32_t*> to)[i] = 0


cdef inline void copy_row(char* to, const char* row, Py_ssize_t bytes) noexcept nogil:
    """memcpy without its call, which costs as much as a short row: by vectors, the last one over its neighbour."""
    cdef Py_ssize_t i = 0, last = bytes - <Py_ssize_t> sizeof(vbool)
    if 0 <= last and bytes <= SHORT_ROW:
        while i < last:
            (<volatile vbool*> (to + i))[0] = (<const vbool*> (row + i))[0]    # volatile: else a call after all
            i += sizeof(vbool)
        (<volatile vbool*> (to + last))[0] = (<const vbool*> (row + last))[0]
    elif 16 <= bytes <= 32:
        memcpy(to, row, 16)
        memcpy(to + bytes - 16, row + bytes - 16, 16)
    elif 32 < bytes <= 64:
        memcpy(to, row, 32)
        memcpy(to + bytes - 32, row + bytes - 32, 32)
    else:
        memcpy(to, row, bytes)


cdef inline void gather_border(const Patch* p, const Stretch* t, const char* row, char* to) noexcept nogil:
    """A run's elements outside x, where the border is not zeros."""
    cdef int axis = p.s.rank - 1
    cdef Py_ssize_t e = 0, i, stride = p.s.x_stride[axis]
    while e < p.columns.length:
        if e == t.left:
            e = t.right
            if e == p.columns.length:
                break
        i = within(t.start + e * p.columns.step, p.s.x_size[axis], p.s.boundary)
        p.copy(to + e * p.size, p.size, row + i * stride, stride, 1)
        e += 1


cdef inline void gather_run(const Patch* p, const Stretch* t, const char* row, char* to) noexcept nogil:
    """A run of a row of one channel."""
    cdef Py_ssize_t size = p.size, stride = p.s.x_stride[p.s.rank - 1], n = t.right - t.left
    if p.s.boundary != FILL:
        gather_border(p, t, row, to)
    elif not p.padded:
        clear(to, t.left * size)
        clear(to + t.right * size, (p.columns.length - t.right) * size)
    if p.same_bytes and stride * p.columns.step == size:
        copy_row(to + t.left * size, row + t.first * stride, n * size)
    elif n > 0:
        p.copy(to + t.left * size, size, row + t.first * stride, p.columns.step * stride, n)


cdef inline void gather_pixels(const Patch* p, const Stretch* t, const char* row, Py_ssize_t channels,
                               char* to) noexcept nogil:
    """A run of a row with all its channels, which are nearer to each other in x than pixels are."""
    cdef int axis = p.s.rank - 1
    cdef Py_ssize_t size = p.size, stride = p.s.x_stride[axis], e = 0, i, m
    cdef bint whole_rows = (p.columns.step == 1 and channels * size == p.column_pitch
                            and channels * p.s.x_channel == stride)
    while e < p.columns.length:
        m = 1
        if t.left <= e < t.right:
            i = t.start + e * p.columns.step
            m = t.right - e if whole_rows else 1
        else:
            i = within(t.start + e * p.columns.step, p.s.x_size[axis], p.s.boundary)
        if i < 0:
            memset(to + e * p.column_pitch, 0, channels * size)
        elif p.same_bytes and p.s.x_channel == size:
            memcpy(to + e * p.column_pitch, row + i * stride, m * channels * size)
        else:
            p.copy(to + e * p.column_pitch, size, row + i * stride, p.s.x_channel, m * channels)
        e += m


# ---------------------------------------------------------------- a stride of 2: the phases parted in one pass

ctypedef fused Word:
    uint32_t
    uint64_t


cdef inline void part_words(const Word* source, Word* even, Word* odd, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        even[i] = source[2 * i]
        odd[i] = source[2 * i + 1]


cdef inline void part_lines(const char* row, Py_ssize_t x_step, Py_ssize_t low, Py_ssize_t high, Py_ssize_t length,
                            Word* to, Py_ssize_t step, Py_ssize_t lines) noexcept nogil:
    """Elements low..high-1 of runs of two phases. `row` is where the first line's element 0 would be."""
    cdef Py_ssize_t first = low + low % 2, pairs = (high - first) // 2
    cdef const Word* source
    for _ in range(lines):
        source = <const Word*> row
        if low < first <= high:
            to[length + low // 2] = source[low]
        part_words(source + first, to + first // 2, to + length + first // 2, pairs)
        if first + 2 * pairs < high:
            to[high // 2] = source[high - 1]
        row += x_step
        to = <Word*> (<char*> to + step)


cdef inline bint parts_rows(const Patch* p) noexcept nogil:
    return (p.same_bytes and p.columns.phases == 2 and p.s.x_stride[p.s.rank - 1] == p.size and p.s.boundary == FILL
            and (p.size == 4 or p.size == 8) and p.s.planes == 1)


cdef inline void part_rows(const Patch* p, Py_ssize_t start, const char* row, Py_ssize_t x_step, Py_ssize_t lines,
                           char* to) noexcept nogil:
    """Rows of x, from input element `start` on."""
    cdef Py_ssize_t n = p.s.x_size[p.s.rank - 1], length = p.columns.length
    cdef Py_ssize_t low = min(max(0, -start), 2 * length), high = max(low, min(2 * length, n - start))
    if not p.padded:
        memset(to, 0, lines * p.row_pitch)
    if p.size == 4:
        part_lines(row + start * 4, x_step, low, high, length, <uint32_t*> to, p.row_pitch, lines)
    else:
        part_lines(row + start * 8, x_step, low, high, length, <uint64_t*> to, p.row_pitch, lines)


# ---------------------------------------------------------------- rows and items

cdef inline void gather_channel(const Patch* p, const Stretch* t, const char* row, Py_ssize_t x_step,
                                Py_ssize_t lines, char* to) noexcept nogil:
    """A run of some rows, `x_step` bytes apart in x, of one channel; zeros if `row` is NULL."""
    cdef Py_ssize_t i, size = p.size, bytes = (t.right - t.left) * size
    if row == NULL:
        for i in range(lines):
            memset(to + i * p.row_pitch, 0, p.columns.length * (p.columns.runs if p.parted else 1) * size)
    elif p.parted:
        part_rows(p, t.start, row, x_step, lines, to)
    elif p.padded and p.same_bytes and p.columns.step * p.s.x_stride[p.s.rank - 1] == size:
        row += t.first * p.s.x_stride[p.s.rank - 1]
        to += t.left * size
        for i in range(lines):
            copy_row(to + i * p.row_pitch, row + i * x_step, bytes)
    else:
        for i in range(lines):
            gather_run(p, t, row + i * x_step, to + i * p.row_pitch)


cdef inline void gather_rows(const Patch* p, const Cut* cut, const Stretch* t, const char* row, Py_ssize_t x_step,
                             Py_ssize_t lines, char* to) noexcept nogil:
    """And of all channels of the cut."""
    cdef Py_ssize_t c, i, channel
    if p.channels_inner:
        for i in range(lines):
            if row == NULL:
                memset(to + i * p.row_pitch, 0, p.columns.length * p.column_pitch)
            else:
                gather_pixels(p, t, row + cut.channel * p.s.x_channel + i * x_step, cut.channels, to + i * p.row_pitch)
        return
    for c in range(cut.channels):
        channel = cut.channel + c
        gather_channel(p, t, NULL if row == NULL else (
            row + channel * p.s.x_channel if p.s.planes == 1
            else row + channel // 2 * p.s.x_channel + channel % 2 * p.s.x_plane),
            x_step, lines, to + c * p.channel_pitch)


cdef inline void gather_columns(const Patch* p, const Cut* cut, const Stretch* t, const char* origin, Py_ssize_t item,
                                Py_ssize_t start, char* to) noexcept nogil:
    """One run of columns of all rows, the first of them at input row `start`. Rows inside x come at once."""
    cdef const Layer* s = p.s
    cdef const Span* rows = &p.rows
    cdef int axis = s.rank - 2
    cdef Py_ssize_t outer, run, e, i, m, n = s.x_size[axis], way = 0, runs = rows.runs if rows.shared else cut.rows
    cdef Py_ssize_t x_step = rows.step * s.x_stride[axis]
    cdef bint inside = True
    cdef char* line
    for outer in range(cut.outers):
        if s.rank > 2:
            inside = outer_origin(s, item, cut.outer + outer, &way)
        line = to + outer * p.outer_pitch
        for run in range(runs):
            e = 0
            while e < rows.length:
                i, m = start + run * rows.offset + e * rows.step, 1
                if 0 <= i < n:
                    m = min(rows.length - e, (n - i + rows.step - 1) // rows.step)
                else:
                    i = within(i, n, s.boundary)
                gather_rows(p, cut, t, origin + way + i * s.x_stride[axis] if inside and i >= 0 else NULL, x_step, m,
                            line)
                e += m
                line += m * p.row_pitch


cdef inline void gather(const Patch* p, const Cut* cut, Py_ssize_t group, Py_ssize_t item, Py_ssize_t row,
                        Py_ssize_t column, char* to) noexcept nogil:
    """Fills an item's patch for the outputs from (row, column) on."""
    cdef const Layer* s = p.s
    cdef int axis = s.rank - 1
    cdef Py_ssize_t start = column * s.stride[axis] + first_met(s, axis, cut.column)
    cdef Py_ssize_t first_row = row * s.stride[axis - 1] + first_met(s, axis - 1, cut.row)
    cdef Py_ssize_t run, runs = 1 if p.parted else (p.columns.runs if p.columns.shared else cut.columns)
    cdef const char* origin = item_origin(s, item) + group * s.x_group
    cdef Stretch t
    for run in range(runs):
        t = stretch_of(&p.columns, start + run * p.columns.offset, s.x_size[axis])
        gather_columns(p, cut, &t, origin, item, first_row, to + run * p.columns.length * p.column_pitch)
