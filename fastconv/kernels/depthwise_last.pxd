"""A convolutional layer one filter at a time, for groups of one channel that lie side by side in x (channels last).

    out[o, g] = activation(bias[g] + sum over k of x[o * stride + k * dilation - offset, g] * weight[k, g])

Vectors run along the groups. A tile of a few pixels by a few vectors, a chunk, stays in registers while the taps pass
by; what it meets is read where it is in x, or, on a border of zeros, from zeros. Weights are packed
[filter][chunk][tap][vector], with the bias behind the taps; those of long sums are read where they are. Where groups do
not fill the last vector, it is moved back over its neighbour: the same bits.

Sums run in the order of `depthwise`, outer taps, rows, columns, and leave out the same rows that lie on padding; so the
bits are the same; long ones in the same K blocks (see compensated.pxd). Inline, for each build's vectors.
"""
from libc.string cimport memset

from fastconv.kernels.activation cimport activate
from fastconv.kernels.border cimport share, within
from fastconv.kernels.compensated cimport (
    K_BLOCK, Extent, Part, add_block, compensate, k_block_of, next_part, part_from,
)
from fastconv.kernels.layer cimport IDENTITY, Layer
from fastconv.kernels.lines cimport BOOL, line_copier, line_copy, same_bits
from fastconv.kernels.patch cimport item_origin, item_target, outer_origin, outer_taps
from fastconv.kernels.simd cimport COLUMNS, V, ZEROS, add, multiply_add_vectors
from fastconv.kernels.weights cimport all_finite, outer_offset

cdef enum:
    PIXELS = 4                 # of a tile
    WIDE = 8                   # or so many, where registers are enough
    CHUNK = 2                  # vectors of a tile
    ROWS = 4                   # of tiles, before the next chunk: what one loads is in a first-level cache for the next
    SEEN = 256 * 1024          # bytes of x that a row of outputs meets: a part of a second-level cache
    BLOCKS = 8                 # a worker, for an even split

cdef struct LastPlan:
    const Layer* s
    Py_ssize_t size            # of an element
    Py_ssize_t lanes
    Py_ssize_t kw
    Py_ssize_t lines           # of x that an output row meets
    Py_ssize_t taps
    Extent kernel_extent
    Extent k_block
    bint in_blocks             # the sum is cut into K blocks; weights are read in place
    Py_ssize_t rows            # of a block of outputs
    Py_ssize_t columns
    Py_ssize_t bands
    Py_ssize_t pieces
    Py_ssize_t chunks
    Py_ssize_t blocks
    Py_ssize_t weight_bytes    # of a filter
    Py_ssize_t inner           # columns of outputs inner..outer-1 meet no border
    Py_ssize_t outer
    Py_ssize_t kernel          # columns of a kernel that slides without steps, if tiles are made for it, else 0
    bint store_in_place
    bint skips_padding         # weights are finite: products with the border's zeros may be left out
    line_copy scatter

# A row of x that a row of outputs meets, NULL for zeros, and its first tap.
cdef struct Line:
    const char* x
    Py_ssize_t tap

cdef struct LastScratch:
    char* sums                 # of a tile
    char* zeros
    Line* lines                # of each row of tiles
    Py_ssize_t n_lines[ROWS]
    char* totals               # of long sums: totals, errors, and the sums of a K block
    Py_ssize_t* at             # by column of the kernel and pixel of a tile: the column of x, -1 for zeros


# ---------------------------------------------------------------- tiles: vectors only

# What a tile multiplies.
cdef struct Terms:
    const Line* lines
    Py_ssize_t n_lines
    Py_ssize_t kw
    const Py_ssize_t* at
    Py_ssize_t pitch           # bytes from a column of x to the next
    Py_ssize_t pixel           # to what the next output meets, and the next tap
    Py_ssize_t tap
    Py_ssize_t first           # from a line's beginning to the first column met, if none is on a border
    Py_ssize_t chunk           # to the tile's first group
    const char* zeros
    const char* weights        # of the chunk
    const char* bias           # NULL for none
    Py_ssize_t weight_tap      # from a weight in place to the next tap's
    Py_ssize_t end             # from the first vector to the last


cdef inline V load(const char* x, const Terms* t, V* like, const int c, const int columns) noexcept nogil:
    """Vector c of a pixel. volatile: load once and keep."""
    return (<volatile V*> (x + (t.end if c == columns - 1 else c * <Py_ssize_t> sizeof(V))))[0]


cdef inline void begin(V* total, const int n) noexcept nogil:
    cdef int i
    for i in range(n):
        total[i] = (<volatile V*> ZEROS)[0]


cdef inline void end_tile(V* total, char* out, Py_ssize_t step, const Terms* t, Py_ssize_t pixels,
                          Py_ssize_t columns) noexcept nogil:
    """Bias, and the way to out, pixels `step` bytes apart."""
    cdef Py_ssize_t p, c
    for p in range(pixels):
        for c in range(columns):
            if t.bias != NULL:
                total[p * columns + c] = add(total[p * columns + c], (<const V*> t.bias)[c])
            (<volatile V*> (out + p * step + (t.end if c == columns - 1 else c * <Py_ssize_t> sizeof(V))))[0] = (
                total[p * columns + c])


cdef inline void pass_column(V* total, const V* weight, const char* x, const Terms* t, const int e, const int pixels,
                             const int columns, const int kernel) noexcept nogil:
    """Adds column e of those that a tile sees to the pixels that meet it, if any."""
    cdef V column[CHUNK]
    cdef int c, j
    if e < pixels + kernel - 1:
        for c in range(columns):
            column[c] = load(x + e * t.pitch, t, total, c, columns)
        for j in range(max(0, e - pixels + 1), min(kernel, e + 1)):
            for c in range(columns):
                total[(e - j) * columns + c] = multiply_add_vectors(
                    total[(e - j) * columns + c], column[c], weight[j * columns + c])


cdef inline void pass_line(V* total, const char* x, const char* weights, const Terms* t, const int pixels,
                           const int columns, const int kernel) noexcept nogil:
    """Adds a line times a row of a kernel that slides without steps: a column that is loaded serves up to `kernel`
    pixels. Written out, so that the sums are registers."""
    cdef V weight[5 * CHUNK]
    cdef int i
    for i in range(kernel * columns):
        weight[i] = (<volatile V*> weights)[i]
    pass_column(total, weight, x, t, 0, pixels, columns, kernel)
    pass_column(total, weight, x, t, 1, pixels, columns, kernel)
    pass_column(total, weight, x, t, 2, pixels, columns, kernel)
    pass_column(total, weight, x, t, 3, pixels, columns, kernel)
    pass_column(total, weight, x, t, 4, pixels, columns, kernel)
    pass_column(total, weight, x, t, 5, pixels, columns, kernel)
    pass_column(total, weight, x, t, 6, pixels, columns, kernel)
    pass_column(total, weight, x, t, 7, pixels, columns, kernel)
    pass_column(total, weight, x, t, 8, pixels, columns, kernel)
    pass_column(total, weight, x, t, 9, pixels, columns, kernel)
    pass_column(total, weight, x, t, 10, pixels, columns, kernel)
    pass_column(total, weight, x, t, 11, pixels, columns, kernel)


cdef inline void inner_tile(char* out, Py_ssize_t step, const Terms* t, V* like, const int pixels, const int columns,
                            const int kernel) noexcept nogil:
    """`pixels` x `columns` vectors that meet no border. `kernel` is 0 for one of any size and steps."""
    cdef V total[WIDE * CHUNK]
    cdef V weight[CHUNK]
    cdef const char* x
    cdef const char* w
    cdef Py_ssize_t i
    cdef int p, c
    begin(total, pixels * columns)
    for i in range(t.n_lines):
        x = t.lines[i].x + (t.first + t.chunk)
        w = t.weights + t.lines[i].tap * (columns * <Py_ssize_t> sizeof(V))
        if kernel:
            pass_line(total, x, w, t, pixels, columns, kernel)
        else:
            for _ in range(t.kw):
                for c in range(columns):
                    weight[c] = (<volatile V*> w)[c]
                for p in range(pixels):
                    for c in range(columns):
                        total[p * columns + c] = multiply_add_vectors(
                            total[p * columns + c], load(x + p * t.pixel, t, like, c, columns), weight[c])
                x += t.tap
                w += columns * sizeof(V)
    end_tile(total, out, step, t, pixels, columns)


cdef inline void add_taps(V* total, const Terms* t, const int pixels, const int columns,
                          const bint in_place) noexcept nogil:
    """Adds all lines to pixels that may meet a border: each column is looked up. Weights are packed, or `in_place`."""
    cdef V weight[CHUNK]
    cdef const char* x
    cdef const char* w
    cdef const Py_ssize_t* at
    cdef Py_ssize_t i, step = t.weight_tap if in_place else columns * <Py_ssize_t> sizeof(V)
    cdef int p, c
    for i in range(t.n_lines):
        w = t.weights + (t.lines[i].tap if in_place else t.lines[i].tap * step)
        at = t.at
        for _ in range(t.kw):
            for c in range(columns):
                weight[c] = load(w, t, total, c, columns) if in_place else (<volatile V*> w)[c]
            for p in range(pixels):
                x = t.zeros
                if t.lines[i].x != NULL and at[p] >= 0:
                    x = t.lines[i].x + (at[p] * t.pitch + t.chunk)
                for c in range(columns):
                    total[p * columns + c] = multiply_add_vectors(
                        total[p * columns + c], load(x, t, total, c, columns), weight[c])
            at += PIXELS
            w += step


cdef inline void border_tile(char* out, Py_ssize_t step, const Terms* t, V* like, const int pixels,
                             const int columns) noexcept nogil:
    """The same of pixels that may meet a border."""
    cdef V total[PIXELS * CHUNK]
    begin(total, pixels * columns)
    add_taps(total, t, pixels, columns, False)
    end_tile(total, out, step, t, pixels, columns)


cdef inline void block_tile(V* sums, const Terms* t, const int pixels, const int columns) noexcept nogil:
    """The sums of a K block, with weights in place."""
    cdef V total[PIXELS * CHUNK]
    cdef int i
    begin(total, pixels * columns)
    add_taps(total, t, pixels, columns, True)
    for i in range(pixels * columns):
        (<volatile V*> sums)[i] = total[i]


cdef inline void block_tile_of(V* sums, const Terms* t, Py_ssize_t pixels, Py_ssize_t columns) noexcept nogil:
    """`block_tile` with its sizes made constants."""
    if columns == 2:
        if pixels == 4: block_tile(sums, t, 4, 2)
        elif pixels == 3: block_tile(sums, t, 3, 2)
        elif pixels == 2: block_tile(sums, t, 2, 2)
        else: block_tile(sums, t, 1, 2)
    elif pixels == 4: block_tile(sums, t, 4, 1)
    elif pixels == 3: block_tile(sums, t, 3, 1)
    elif pixels == 2: block_tile(sums, t, 2, 1)
    else: block_tile(sums, t, 1, 1)


# Pixels side by side, and the tiles for them.
cdef struct Stretch:
    Py_ssize_t column
    Py_ssize_t pixels
    bint inner
    Py_ssize_t kernel          # of inner ones


cdef inline void tile_by_kernel(char* out, Py_ssize_t step, const Terms* t, V* like, Py_ssize_t kernel,
                                const int pixels, const int columns) noexcept nogil:
    if kernel == 3: inner_tile(out, step, t, like, pixels, columns, 3)
    elif kernel == 5: inner_tile(out, step, t, like, pixels, columns, 5)
    else: inner_tile(out, step, t, like, pixels, columns, 0)


cdef inline void tile_by_columns(char* out, Py_ssize_t step, const Terms* t, V* like, const Stretch* at,
                                 const int columns) noexcept nogil:
    """A tile with its sizes made constants."""
    if at.inner and at.pixels == WIDE: tile_by_kernel(out, step, t, like, at.kernel, WIDE, columns)
    elif at.inner: tile_by_kernel(out, step, t, like, at.kernel, PIXELS, columns)
    elif at.pixels == PIXELS: border_tile(out, step, t, like, PIXELS, columns)
    else: border_tile(out, step, t, like, 1, columns)


# ---------------------------------------------------------------- chunks of groups

cdef inline Py_ssize_t chunk_of(const LastPlan* p, Py_ssize_t group) noexcept nogil:
    """How many vectors the chunk from a group on has."""
    return min(CHUNK, (p.s.groups - group + p.lanes - 1) // p.lanes)


cdef inline Py_ssize_t end_of(const LastPlan* p, Py_ssize_t group, Py_ssize_t columns) noexcept nogil:
    """Bytes from a chunk's first group to its last vector; before it if a single one is moved back."""
    return (min(columns * p.lanes, p.s.groups - group) - p.lanes) * p.size


cdef inline void store_groups(const LastPlan* p, char* out, char* sums, Py_ssize_t step, Py_ssize_t pixels,
                              Py_ssize_t n, Py_ssize_t end) noexcept nogil:
    """A tile in scratch to n groups of each pixel, with what is still to be done to it."""
    cdef Py_ssize_t i
    activate(sums + min(end, 0), (pixels * step - min(end, 0)) // p.size, p.s.element, p.s.out_element, p.s.activation,
             p.s.slope)
    for i in range(pixels):
        p.scatter(out + i * p.s.out_stride[p.s.rank - 1], p.s.out_group, sums + i * step, p.size, n)


cdef inline void tile_rows(V* like, const LastPlan* p, Terms* t, const Stretch* at, Py_ssize_t columns, char* out,
                           Py_ssize_t rows, LastScratch* scratch) noexcept nogil:
    """A chunk of a filter, of some pixels of a few rows."""
    cdef Py_ssize_t n = min(columns * p.lanes, p.s.groups - t.chunk // p.size), r, step
    cdef char* to
    for r in range(rows):
        t.lines, t.n_lines = scratch.lines + r * p.lines, scratch.n_lines[r]
        to, step = out, p.s.out_stride[p.s.rank - 1]
        if not p.store_in_place:
            to, step = scratch.sums, columns * sizeof(V)
        if columns == 2: tile_by_columns(to, step, t, like, at, 2)
        else: tile_by_columns(to, step, t, like, at, 1)
        if not p.store_in_place:
            store_groups(p, out, scratch.sums, step, at.pixels, n, t.end)
        out += p.s.out_stride[p.s.rank - 2]


cdef inline void tile_groups(V* like, const LastPlan* p, Terms* t, const Stretch* at, const char* weights, char* out,
                             Py_ssize_t rows, LastScratch* scratch) noexcept nogil:
    """A filter of some pixels of a few rows, of all groups."""
    cdef Py_ssize_t group = 0, columns
    while group < p.s.groups:
        columns = chunk_of(p, group)
        t.end, t.chunk, t.weights = end_of(p, group, columns), group * p.size, weights
        weights += p.taps * columns * <Py_ssize_t> sizeof(V)
        if p.s.bias != NULL:
            t.bias = weights
            weights += columns * sizeof(V)
        tile_rows(like, p, t, at, columns, out + group * p.s.out_group, rows, scratch)
        group += columns * p.lanes


cdef inline void pack_groups(const LastPlan* p, Py_ssize_t filter, char* to) noexcept nogil:
    """The weights of a filter of all groups, and its bias."""
    cdef const Layer* s = p.s
    cdef int axis = s.rank - 1
    cdef line_copy copy = line_copier(s.weight_element, s.element), move = line_copier(s.element, s.element)
    cdef Py_ssize_t group = 0, columns, tap, c, first, kh = s.kernel_size[axis - 1]
    cdef const char* at
    while group < s.groups:
        columns = chunk_of(p, group)
        for tap in range(p.taps + (s.bias != NULL)):
            for c in range(columns):
                first = group + (end_of(p, group, columns) // p.size if c == columns - 1 else c * p.lanes)
                if tap < p.taps:
                    at = (s.weight + outer_offset(s, tap // p.kw // kh) + tap // p.kw % kh * s.weight_stride[axis - 1]
                          + tap % p.kw * s.weight_stride[axis] + filter * s.weight_filter)
                    copy(to, p.size, at + first * s.weight_group, s.weight_group, p.lanes)
                else:
                    move(to, p.size, s.bias + (first * s.filters + filter) * p.size, s.filters * p.size, p.lanes)
                to += p.lanes * p.size
        group += columns * p.lanes


# ---------------------------------------------------------------- rows

cdef inline Py_ssize_t find_lines(const LastPlan* p, Py_ssize_t item, Py_ssize_t row, const Part* part,
                                  Line* lines) noexcept nogil:
    """The rows of x that an output row and a part of the kernel meet, and how many."""
    cdef const Layer* s = p.s
    cdef int axis = s.rank - 2
    cdef Py_ssize_t outer, r, i, way = 0, n = 0, kh = s.kernel_size[axis]
    cdef const char* origin = item_origin(s, item)
    cdef bint inside = True
    for outer in range(part.group, part.group + part.n.groups):
        if s.rank > 2:
            inside = outer_origin(s, item, outer, &way)
        for r in range(part.row, part.row + part.n.rows):
            i = within(row * s.stride[axis] + r * s.dilation[axis] - s.offset[axis], s.x_size[axis], s.boundary)
            if i < 0 and p.skips_padding:
                continue
            lines[n].x, lines[n].tap = NULL, (outer * kh + r) * p.kw
            if inside and i >= 0:
                lines[n].x = origin + way + i * s.x_stride[axis]
            if p.in_blocks:    # weights are in place
                lines[n].tap = (outer_offset(s, outer) + r * s.weight_stride[axis]
                                + part.column * s.weight_stride[axis + 1])
            n += 1
    return n


cdef inline void find_columns(const LastPlan* p, const Stretch* at, Py_ssize_t* columns) noexcept nogil:
    """The columns of x that pixels meet, tap by tap; -1 for zeros."""
    cdef const Layer* s = p.s
    cdef int axis = s.rank - 1
    cdef Py_ssize_t j, i
    for j in range(p.kw):
        for i in range(at.pixels):
            columns[j * PIXELS + i] = within(
                (at.column + i) * s.stride[axis] + j * s.dilation[axis] - s.offset[axis], s.x_size[axis], s.boundary)


cdef inline Stretch next_stretch(const LastPlan* p, Py_ssize_t start, Py_ssize_t column, Py_ssize_t stop,
                                 bint no_zeros) noexcept nogil:
    """The pixels of the tile at a column. It may be moved back over its neighbour, but not beyond `start`: the same
    bits."""
    cdef Py_ssize_t inner_stop = min(stop, p.outer), left = min(stop, p.inner) - column
    if no_zeros and p.inner <= column < inner_stop:
        if inner_stop - column >= WIDE and COLUMNS >= 4:    # of registers that are enough
            return Stretch(column, WIDE, True, p.kernel)
        if inner_stop - PIXELS >= max(start, p.inner):
            return Stretch(min(column, inner_stop - PIXELS), PIXELS, True, p.kernel)
    if column + PIXELS <= stop and (left >= PIXELS - 1 or column >= p.inner and stop - column >= PIXELS):
        return Stretch(column, PIXELS, False, 0)
    return Stretch(column, 1, False, 0)


cdef inline void last_rows(V* like, const LastPlan* p, Py_ssize_t item, Py_ssize_t row, Py_ssize_t rows,
                           Py_ssize_t start, Py_ssize_t stop, const char* weights, LastScratch* scratch) noexcept nogil:
    """Columns start..stop-1 of a few rows of outputs."""
    cdef const Layer* s = p.s
    cdef int axis = s.rank - 1
    cdef Py_ssize_t pitch = s.x_stride[axis], column = start, f, i
    cdef Terms t = Terms(NULL, 0, p.kw, scratch.at, pitch, pitch * s.stride[axis], pitch * s.dilation[axis], 0, 0,
                         scratch.zeros, NULL, NULL, 0, 0)
    cdef char* out = item_target(s, item) + row * s.out_stride[axis - 1]
    cdef Part all_of_it = Part(0, 0, 0, p.kernel_extent)
    cdef bint no_zeros = True
    cdef Stretch at
    for i in range(rows):
        scratch.n_lines[i] = find_lines(p, item, row + i, &all_of_it, scratch.lines + i * p.lines)
        for f in range(scratch.n_lines[i]):
            no_zeros = no_zeros and scratch.lines[i * p.lines + f].x != NULL
    while column < stop:
        at = next_stretch(p, start, column, stop, no_zeros)
        t.first = (at.column * s.stride[axis] - s.offset[axis]) * pitch
        if not at.inner:
            find_columns(p, &at, scratch.at)
        for f in range(s.filters):
            tile_groups(like, p, &t, &at, weights + f * p.weight_bytes,
                        out + at.column * s.out_stride[axis] + f * s.out_filter, rows, scratch)
        column = at.column + at.pixels


cdef inline void last_block(V* like, const LastPlan* p, Py_ssize_t index, const char* weights,
                            LastScratch* scratch) noexcept nogil:
    cdef int axis = p.s.rank - 1
    cdef Py_ssize_t column = index % p.pieces * p.columns, row = index // p.pieces % p.bands * p.rows
    cdef Py_ssize_t stop = min(row + p.rows, p.s.out_size[axis - 1])
    while row < stop:
        last_rows(like, p, index // p.pieces // p.bands, row, min(ROWS, stop - row), column,
                  min(column + p.columns, p.s.out_size[axis]), weights, scratch)
        row += ROWS


# ---------------------------------------------------------------- long sums

cdef inline void bias_of(V* to, const LastPlan* p, Py_ssize_t group, Py_ssize_t filter,
                         Py_ssize_t columns) noexcept nogil:
    """That of a chunk of groups."""
    cdef line_copy move = line_copier(p.s.element, p.s.element)
    cdef Py_ssize_t c, first, filters = p.s.filters
    for c in range(columns):
        first = group + (end_of(p, group, columns) // p.size if c == columns - 1 else c * p.lanes)
        move(<char*> (to + c), p.size, p.s.bias + (first * filters + filter) * p.size, filters * p.size, p.lanes)


cdef inline void sum_blocks(V* totals, const LastPlan* p, Terms* t, Py_ssize_t item, Py_ssize_t row, Py_ssize_t rows,
                            Py_ssize_t pixels, Py_ssize_t columns, LastScratch* scratch) noexcept nogil:
    """Some pixels of a few rows, K block by K block: what one reads stays in cache for all rows."""
    cdef Py_ssize_t n = pixels * columns, r
    cdef V* errors = totals + ROWS * PIXELS * CHUNK
    cdef V* sums = totals
    cdef Part at = Part(0, 0, 0, p.k_block)
    cdef bint more = True
    begin(errors, ROWS * PIXELS * CHUNK)
    while more:
        at = part_from(&at, &p.kernel_extent, &p.k_block)
        t.kw, t.at = at.n.columns, scratch.at + at.column * PIXELS
        for r in range(rows):
            t.lines, t.n_lines = scratch.lines, find_lines(p, item, row + r, &at, scratch.lines)
            block_tile_of(sums + r * n, t, pixels, columns)
        if sums != totals:
            add_block(totals, errors, sums, rows * n)
        sums = totals + 2 * ROWS * PIXELS * CHUNK
        more = next_part(&at, &p.kernel_extent)
    compensate(totals, errors, rows * n)


cdef inline void long_block(V* like, const LastPlan* p, Py_ssize_t index, LastScratch* scratch) noexcept nogil:
    """A few outputs of a chunk of groups."""
    cdef const Layer* s = p.s
    cdef int axis = s.rank - 1
    cdef Py_ssize_t group = index % p.chunks * CHUNK * p.lanes, columns = chunk_of(p, group), f, r, step
    cdef Py_ssize_t n = min(columns * p.lanes, s.groups - group), row, rows, item = index // p.chunks
    cdef Stretch at = Stretch(item % p.pieces * p.columns, 0, False, 0)
    cdef Terms t = Terms(NULL, 0, 0, NULL, s.x_stride[axis], 0, 0, 0, group * p.size, scratch.zeros, NULL, NULL,
                         s.weight_stride[axis], end_of(p, group, columns))
    cdef V bias[CHUNK]
    cdef V* totals = <V*> scratch.totals
    cdef char* out
    cdef char* to
    item //= p.pieces
    row, item = item % p.bands * p.rows, item // p.bands
    rows, at.pixels = min(p.rows, s.out_size[axis - 1] - row), min(p.columns, s.out_size[axis] - at.column)
    find_columns(p, &at, scratch.at)
    for f in range(s.filters):
        t.weights = s.weight + group * p.size + f * s.weight_filter
        sum_blocks(totals, p, &t, item, row, rows, at.pixels, columns, scratch)
        if s.bias != NULL:
            bias_of(bias, p, group, f, columns)
            t.bias = <const char*> bias
        out = (item_target(s, item) + row * s.out_stride[axis - 1] + at.column * s.out_stride[axis]
               + f * s.out_filter + group * s.out_group)
        for r in range(rows):
            to, step = out + r * s.out_stride[axis - 1], s.out_stride[axis]
            if not p.store_in_place:
                to, step = scratch.sums, columns * sizeof(V)
            end_tile(totals + r * at.pixels * columns, to, step, &t, at.pixels, columns)
            if not p.store_in_place:
                store_groups(p, out + r * s.out_stride[axis - 1], scratch.sums, step, at.pixels, n, t.end)


# ---------------------------------------------------------------- the plan

cdef inline bint runs_along_groups(const Layer* s, Py_ssize_t size, Py_ssize_t lanes) noexcept nogil:
    """Whether vectors of x along groups are there to be read, and lie nearer to each other than columns do."""
    cdef int axis = s.rank - 1
    cdef Py_ssize_t step = s.x_stride[axis]
    return (s.planes == 1 and lanes > 1 and s.groups >= lanes and s.x_group == size and s.element != BOOL
            and same_bits(s.x_element, s.element) and (step > size or step < -size or s.x_size[axis] <= 1)
            and (outer_taps(s) * s.kernel_size[axis - 1] * s.kernel_size[axis] <= K_BLOCK
                 or s.weight_group == size and same_bits(s.weight_element, s.element)))


cdef inline bint weights_are_finite(const Layer* s) noexcept nogil:
    """Of weights in place."""
    cdef int axis = s.rank - 1
    cdef Py_ssize_t outer, row, column, f
    for f in range(s.filters):
        for outer in range(outer_taps(s)):
            for row in range(s.kernel_size[axis - 1]):
                for column in range(s.kernel_size[axis]):
                    if not all_finite(s.element, s.weight + outer_offset(s, outer) + row * s.weight_stride[axis - 1]
                                      + column * s.weight_stride[axis] + f * s.weight_filter, s.groups):
                        return False
    return True


cdef inline LastPlan last_plan(const Layer* s, Py_ssize_t size, Py_ssize_t lanes, Py_ssize_t workers) noexcept nogil:
    cdef LastPlan p
    cdef int axis = s.rank - 1, i
    cdef Py_ssize_t items = 1, group = 0, way
    p.s, p.size, p.lanes = s, size, lanes
    p.kw, p.lines = s.kernel_size[axis], outer_taps(s) * s.kernel_size[axis - 1]
    p.taps = p.lines * p.kw
    p.store_in_place = (same_bits(s.out_element, s.element) and s.out_group == size and s.activation == IDENTITY)
    p.scatter = line_copier(s.element, s.out_element)
    p.kernel_extent = Extent(outer_taps(s), s.kernel_size[axis - 1], s.kernel_size[axis])
    p.in_blocks, p.k_block = p.taps > K_BLOCK, k_block_of(&p.kernel_extent)
    p.chunks = (s.groups + CHUNK * lanes - 1) // (CHUNK * lanes)
    p.skips_padding = False
    p.weight_bytes = 0
    while group < s.groups and not p.in_blocks:
        p.weight_bytes += (p.taps + (s.bias != NULL)) * chunk_of(&p, group) * lanes * size
        group += chunk_of(&p, group) * lanes
    for i in range(s.leading):
        items *= s.leading_size[i]
    for i in range(s.rank - 2):
        items *= s.out_size[i]
    way = (p.kw - 1) * s.dilation[axis] - s.offset[axis]    # from an output to its last tap
    p.inner = max(0, (s.offset[axis] + s.stride[axis] - 1) // s.stride[axis])
    p.outer = (s.x_size[axis] - way + s.stride[axis] - 1) // s.stride[axis] if way < s.x_size[axis] else 0
    p.kernel = p.kw if s.stride[axis] == 1 and s.dilation[axis] == 1 and (p.kw == 3 or p.kw == 5) else 0
    p.columns = share(s.out_size[axis], max(4 * PIXELS, SEEN // max(1, p.lines * s.groups * size * s.stride[axis])))
    p.rows = s.out_size[axis - 1]
    if p.in_blocks:
        p.columns, p.rows = share(s.out_size[axis], PIXELS), share(p.rows, ROWS)
        items *= p.chunks
    p.pieces = (s.out_size[axis] + p.columns - 1) // p.columns
    if workers > 1 and not p.in_blocks:
        p.rows = share(p.rows, max(1, items * p.rows * p.pieces // (BLOCKS * workers)))
    p.bands = (s.out_size[axis - 1] + p.rows - 1) // p.rows
    p.blocks = items * p.bands * p.pieces
    return p


cdef inline Py_ssize_t last_scratch_bytes(const LastPlan* p) noexcept nogil:
    """A worker's."""
    return ((2 * (WIDE * CHUNK + 1) + 3 * ROWS * PIXELS * CHUNK) * p.lanes * p.size
            + ROWS * p.lines * <Py_ssize_t> sizeof(Line)
            + p.kw * PIXELS * <Py_ssize_t> sizeof(Py_ssize_t) + 64) // 64 * 64


cdef inline LastScratch last_scratch(const LastPlan* p, char* memory) noexcept nogil:
    cdef LastScratch s
    cdef Py_ssize_t vector = p.lanes * p.size, tile = (WIDE * CHUNK + 1) * vector
    memset(memory, 0, 2 * tile)
    s.sums, s.zeros = memory + vector, memory + tile + vector    # a vector may be moved back
    s.totals = memory + 2 * tile
    s.lines = <Line*> (s.totals + 3 * ROWS * PIXELS * CHUNK * vector)
    s.at = <Py_ssize_t*> (s.lines + ROWS * p.lines)
    return s
