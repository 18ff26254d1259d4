"""What a block of outputs sees of x. See patch.pxd for the layout."""
from libc.string cimport memset

from fastconv.kernels.border cimport whole, within
from fastconv.kernels.layer cimport Layer
from fastconv.kernels.lines cimport line_copier
from fastconv.kernels.problem cimport FILL


# ---------------------------------------------------------------- layout

cdef Span span(Py_ssize_t outputs, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation, bint phases) noexcept nogil:
    cdef Span s
    cdef Py_ssize_t extent = (outputs - 1) * stride + (taps - 1) * dilation + 1
    s.dilation = dilation
    s.shared = extent < taps * outputs or stride == 1 and dilation == 1
    s.phases = stride if phases and s.shared else 1
    if s.shared:
        s.runs, s.length = s.phases, (extent + s.phases - 1) // s.phases
        s.offset, s.step = 1, s.phases
        s.out_step = 1 if phases else stride
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


cdef Patch patch_of(const Layer* s, Py_ssize_t size, const Cut* cut, Py_ssize_t rows, Py_ssize_t columns,
                    bint phases) noexcept nogil:
    """The layout for a block of rows x columns outputs of one item and the largest cut of the sum."""
    cdef Patch p
    cdef int axis = s.rank - 1
    cdef Py_ssize_t lines, elements
    p.s, p.size = s, size
    p.rows = span(rows, cut.rows, s.stride[axis - 1], s.dilation[axis - 1], False)
    p.columns = span(columns, cut.columns, s.stride[axis], s.dilation[axis], phases)
    p.channels_inner = not phases and s.planes == 1 and cut.channels > 1 and s.x_channel <= s.x_stride[axis]
    p.copy = line_copier(s.x_element, s.element)
    lines, elements = p.rows.runs * p.rows.length, p.columns.runs * p.columns.length
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


cdef Py_ssize_t tap_offset(const Patch* p, Py_ssize_t outer, Py_ssize_t row, Py_ssize_t column) noexcept nogil:
    """Bytes from an output's place in the patch to what it meets at a tap, counted from the cut's first."""
    return (outer * p.outer_pitch + position(&p.rows, row) * p.row_pitch
            + position(&p.columns, column) * p.column_pitch)


# ---------------------------------------------------------------- items: samples x output indices along the outer axes

cdef Py_ssize_t outer_taps(const Layer* s) noexcept nogil:
    cdef Py_ssize_t n = 1
    cdef int axis
    for axis in range(s.rank - 2):
        n *= s.kernel_size[axis]
    return n


cdef const char* item_origin(const Layer* s, Py_ssize_t item) noexcept nogil:
    """Where the item's sample starts in x."""
    cdef const char* at = s.x
    cdef int axis
    for axis in range(s.rank - 2):
        item //= s.out_size[axis]
    for axis in range(s.leading - 1, -1, -1):
        at += item % s.leading_size[axis] * s.x_leading[axis]
        item //= s.leading_size[axis]
    return at


cdef char* item_target(const Layer* s, Py_ssize_t item) noexcept nogil:
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


cdef bint outer_origin(const Layer* s, Py_ssize_t item, Py_ssize_t tap, Py_ssize_t* bytes) noexcept nogil:
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

cdef inline Py_ssize_t first_inside(Py_ssize_t start, Py_ssize_t step, Py_ssize_t bound, Py_ssize_t n) noexcept nogil:
    """The first e < n with start + e * step >= bound; n if there is none."""
    return min(n, max(0, (bound - start + step - 1) // step)) if start < bound else 0


cdef void gather_run(const Patch* p, const char* row, Py_ssize_t start, char* to) noexcept nogil:
    """One run of a row of one channel: elements start, start + step, ... of the continued row."""
    cdef const Span* s = &p.columns
    cdef int axis = p.s.rank - 1
    cdef Py_ssize_t size = p.size, n = p.s.x_size[axis], stride = p.s.x_stride[axis], e, i
    cdef Py_ssize_t left = first_inside(start, s.step, 0, s.length)
    cdef Py_ssize_t right = max(left, first_inside(start, s.step, n, s.length))
    if p.s.boundary == FILL:
        memset(to, 0, left * size)
        memset(to + right * size, 0, (s.length - right) * size)
    else:
        for e in range(s.length):
            if e < left or e >= right:
                i = within(start + e * s.step, n, p.s.boundary)
                p.copy(to + e * size, size, row + i * stride, stride, 1)
    if right > left:
        p.copy(to + left * size, size, row + (start + left * s.step) * stride, s.step * stride, right - left)


cdef void gather_pixels(const Patch* p, const char* row, Py_ssize_t start, Py_ssize_t channels,
                        char* to) noexcept nogil:
    """One run of a row with all its channels, which are nearer to each other in x than pixels are."""
    cdef const Span* s = &p.columns
    cdef int axis = p.s.rank - 1
    cdef Py_ssize_t size = p.size, n = p.s.x_size[axis], stride = p.s.x_stride[axis], e = 0, i, m
    while e < s.length:
        i = start + e * s.step
        m = 1
        if s.step == 1 and channels * size == p.column_pitch and channels * p.s.x_channel == stride and 0 <= i < n:
            # whole rows at once
            m = min(s.length - e, n - i)
        i = within(i, n, p.s.boundary)
        if i < 0:
            memset(to + e * p.column_pitch, 0, channels * size)
        else:
            p.copy(to + e * p.column_pitch, size, row + i * stride, p.s.x_channel, m * channels)
        e += m


cdef void gather_row(const Patch* p, const Cut* cut, const char* row, Py_ssize_t column, char* to) noexcept nogil:
    """A row of x as a row of the patch, for all channels of the cut; a row of zeros if `row` is NULL."""
    cdef int axis = p.s.rank - 1
    cdef Py_ssize_t start = column * p.s.stride[axis] + cut.column * p.s.dilation[axis] - p.s.offset[axis]
    cdef Py_ssize_t run, c, channel
    cdef Py_ssize_t runs = p.columns.runs if p.columns.shared else cut.columns
    for run in range(runs):
        if p.channels_inner:
            if row == NULL:
                memset(to, 0, p.columns.length * p.column_pitch)
            else:
                gather_pixels(p, row + cut.channel * p.s.x_channel, start + run * p.columns.offset, cut.channels, to)
        else:
            for c in range(cut.channels):
                channel = cut.channel + c
                if row == NULL:
                    memset(to + c * p.channel_pitch, 0, p.columns.length * p.size)
                else:
                    gather_run(p, row + channel // p.s.planes * p.s.x_channel + channel % p.s.planes * p.s.x_plane,
                               start + run * p.columns.offset, to + c * p.channel_pitch)
        to += p.columns.length * p.column_pitch


cdef void gather(const Patch* p, const Cut* cut, Py_ssize_t group, Py_ssize_t item, Py_ssize_t row,
                 Py_ssize_t column, char* to) noexcept nogil:
    """Fills an item's patch for the outputs from (row, column) on."""
    cdef const Layer* s = p.s
    cdef const Span* rows = &p.rows
    cdef int axis = s.rank - 2
    cdef Py_ssize_t start = row * s.stride[axis] + cut.row * s.dilation[axis] - s.offset[axis]
    cdef Py_ssize_t runs = rows.runs if rows.shared else cut.rows
    cdef Py_ssize_t outer, run, e, i, way
    cdef const char* origin = item_origin(s, item) + group * s.x_group
    cdef bint inside
    for outer in range(cut.outers):
        inside = outer_origin(s, item, cut.outer + outer, &way)
        for run in range(runs):
            for e in range(rows.length):
                i = within(start + run * rows.offset + e * rows.step, s.x_size[axis], s.boundary)
                gather_row(p, cut, origin + way + i * s.x_stride[axis] if inside and i >= 0 else NULL, column,
                           to + outer * p.outer_pitch + (run * rows.length + e) * p.row_pitch)
