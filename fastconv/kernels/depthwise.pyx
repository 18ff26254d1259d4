"""A convolutional layer one filter at a time, for groups of one channel.

    out[o] = activation(bias + sum over k of x[o * stride + k * dilation - offset] * weight[k])

A channel's part of x is gathered into a patch (see patch.pxd) that stays in the first cache. A tile of 4 rows by a few
vectors of output stays in registers while the rows of the patch pass by: with e the stride in units of the dilation,
row y of the patch meets kernel row y - r * e at output row r, so a vector that is loaded serves up to 4 sums. The
rows of a tile lie so far apart that a dilation is whole in these units.

Every output is summed in one order, whatever the tile, the block or the worker: planes, outer taps, rows, columns. A
long sum is cut into K blocks of these, whose sums are added to totals in scratch (see compensated.pxd).
"""
from cython.parallel cimport parallel, prange, threadid
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from fastconv.kernels.activation cimport activate
from fastconv.kernels.blocks cimport aligned
from fastconv.kernels.border cimport share, whole
from fastconv.kernels.compensated cimport (
    K_BLOCK, Extent, Part, add_block, compensate, k_block_of, next_part, part_from, rounds,
)
from fastconv.kernels.depthwise_last cimport (
    LastPlan, LastScratch, last_block, last_plan, last_scratch, last_scratch_bytes, long_block, pack_groups,
    runs_along_groups, weights_are_finite,
)
from fastconv.kernels.layer cimport IDENTITY, Convolution, Layer
from fastconv.kernels.lines cimport (
    BOOL, FLOAT32, FLOAT64, LONGDOUBLE, UINT16, UINT32, UINT64, line_copier, line_copy, same_bits,
)
from fastconv.kernels.patch cimport Cut, Patch, gather, item_target, outer_taps, patch_of, tap_offset
from fastconv.kernels.problem cimport FILL
from fastconv.kernels.simd cimport (
    COLUMNS, V, ZEROS, add_spread, element_size, vbool, vdouble, vfloat, vint16, vint32, vint64, vlongdouble,
)
from fastconv.kernels.slide cimport SLIDE_ROWS as ROWS, pass_kernel, pass_rows
from fastconv.kernels.weights cimport all_finite, outer_offset, pack_panel

cdef enum:
    MAX_VECTORS = 16           # a tile's sums
    MAX_TAPS = 1024            # columns of a kernel
    PATCH = 24 * 1024          # bytes of x gathered at once: most of a first-level cache
    LARGEST_PATCH = 2 * 1024 * 1024
    SLACK = 4096               # bytes: a tile may read that far beyond the patch
    BLOCKS_A_WORKER = 8        # for an even split

cdef struct Plan:
    const Layer* s
    Py_ssize_t size            # of an element
    Py_ssize_t lanes
    Py_ssize_t kh
    Py_ssize_t kw
    Py_ssize_t outers
    Py_ssize_t planes
    Py_ssize_t filters         # of a group, those of imaginary parts counted
    Py_ssize_t terms           # of a sum
    bint in_blocks             # which is cut
    Py_ssize_t totals          # bytes of the totals of a row of tiles; 0 if nothing waits
    Py_ssize_t spacing         # rows from one row of a tile to the next
    Py_ssize_t step            # and of the kernel
    Cut cut                    # all of it
    Py_ssize_t items
    Py_ssize_t rows            # of a block
    Py_ssize_t columns
    Py_ssize_t bands
    Py_ssize_t pieces
    Patch patch
    Py_ssize_t* at             # where a kernel's column finds its factors, from the output's place in a row
    bint store_in_place
    bint skips_padding         # weights are finite: products with the border's zeros may be left out
    line_copy scatter

# Rows of x that a tile meets, low..high-1 of them.
cdef struct Range:
    Py_ssize_t low
    Py_ssize_t high


# ---------------------------------------------------------------- tiles: vectors only

cdef inline void add_plane(V* total, const char* x, const char* weights, const Plan* p, Py_ssize_t rows,
                           const Range* inside, Py_ssize_t end, const int columns) noexcept nogil:
    """Adds the rows of a patch, times one plane and outer tap of the kernel, to `rows` <= ROWS rows of output."""
    cdef Py_ssize_t line = p.s.dilation[p.s.rank - 2] * p.patch.row_pitch, size = element_size(total)
    cdef Py_ssize_t y, first = 0, last = 0
    for y in range((rows - 1) * p.step + p.kh):    # meets output rows first..last-1
        if last < rows and y == last * p.step:
            last += 1
        if y == first * p.step + p.kh:
            first += 1
        if inside.low <= y < inside.high:
            pass_rows(total, x + y * line, p.at, weights + y * p.kw * size, 0, p.kw, p.step * p.kw, end, first, last,
                      columns)


cdef inline void tile(char* out, Py_ssize_t out_stride, const char* patch, const char* weights, const char* bias,
                      const Plan* p, Py_ssize_t rows, const Range* inside, Py_ssize_t end, V* like, const int kernel,
                      const int columns) noexcept nogil:
    """`rows` <= ROWS output rows of `columns` vectors, the last of them `end` bytes from the first.

    Of the patch's rows that they meet, those `inside` are needed. If `kernel` is not 0, the kernel's rows and columns
    are so many, it goes on by a row for each output row, and these are ROWS.
    """
    cdef V total[MAX_VECTORS]
    cdef Py_ssize_t plane, outer, size = element_size(like)
    cdef const char* x
    cdef char* to
    cdef int r, c
    for r in range(ROWS * columns):
        total[r] = (<volatile V*> ZEROS)[0]
    for plane in range(p.planes):
        for outer in range(p.outers):
            x = patch + plane * p.patch.channel_pitch + outer * p.patch.outer_pitch
            if kernel:
                pass_kernel(total, x, p.s.dilation[p.s.rank - 2] * p.patch.row_pitch, p.at, weights, inside.low,
                            inside.high, end, kernel, columns)
            else:
                add_plane(total, x, weights, p, rows, inside, end, columns)
            weights += p.kh * p.kw * size
    for r in range(ROWS):
        if kernel or r < rows:
            for c in range(columns):
                if bias != NULL:
                    total[r * columns + c] = add_spread(total[r * columns + c], bias)
                to = out + r * out_stride + (end if c == columns - 1 else c * <Py_ssize_t> sizeof(V))
                (<volatile V*> to)[0] = total[r * columns + c]


cdef inline void tile_of(char* out, Py_ssize_t out_stride, const char* patch, const char* weights, const char* bias,
                         const Plan* p, Py_ssize_t rows, const Range* inside, Py_ssize_t end, V* like,
                         const int columns) noexcept nogil:
    """`tile`, with the sizes of usual kernels made constants: 1.15 to 1.25 times as fast on 28 x 28 pixels."""
    cdef Py_ssize_t kernel = p.kh if p.kw == p.kh and p.step == 1 and rows == ROWS else 0
    if kernel == 3: tile(out, out_stride, patch, weights, bias, p, rows, inside, end, like, 3, columns)
    elif kernel == 5: tile(out, out_stride, patch, weights, bias, p, rows, inside, end, like, 5, columns)
    else: tile(out, out_stride, patch, weights, bias, p, rows, inside, end, like, 0, columns)


# ---------------------------------------------------------------- rows of tiles

cdef inline void store(const Plan* p, char* sums, char* out, Py_ssize_t out_stride, Py_ssize_t rows,
                       Py_ssize_t stride, Py_ssize_t pixels) noexcept nogil:
    """A tile in scratch to rows of out, with what is still to be done to it."""
    cdef Py_ssize_t r
    activate(sums, rows * stride // p.size, p.s.element, p.s.out_element, p.s.activation, p.s.slope)
    for r in range(rows):
        p.scatter(out + r * out_stride, p.s.out_stride[p.s.rank - 1], sums + r * stride, p.size, pixels)


# Where a row of tiles goes: rows of out, or of totals.
cdef struct Target:
    char* at
    Py_ssize_t row             # bytes from a row to the next
    bint in_place
    bint room                  # for whole vectors, however short rows are


cdef void tile_row(V* sums, const Plan* p, const char* patch, const char* weights, const char* bias,
                   const Target* out, Py_ssize_t rows, const Range* inside, Py_ssize_t pixels) noexcept nogil:
    """A row of tiles, as many vectors in each as there are left. The last vector is moved back over its neighbour:
    the same bits."""
    cdef Py_ssize_t q = 0, step, columns, n, end
    cdef bint in_place
    cdef char* to
    while q < pixels:
        columns = min(COLUMNS, (pixels - q + p.lanes - 1) // p.lanes)
        n = min(columns * p.lanes, pixels - q)
        end = max(0, n - p.lanes) * p.size
        in_place = out.in_place and (n >= p.lanes or out.room)
        step = out.row if in_place else COLUMNS * sizeof(V)
        to = out.at + q * p.size if in_place else <char*> sums
        if columns == 4: tile_of(to, step, patch + q * p.size, weights, bias, p, rows, inside, end, sums, 4)
        elif columns == 3: tile_of(to, step, patch + q * p.size, weights, bias, p, rows, inside, end, sums, 3)
        elif columns == 2: tile_of(to, step, patch + q * p.size, weights, bias, p, rows, inside, end, sums, 2)
        else: tile_of(to, step, patch + q * p.size, weights, bias, p, rows, inside, end, sums, 1)
        if not in_place:
            store(p, to, out.at + q * p.s.out_stride[p.s.rank - 1], out.row, rows, step, n)
        q += n


cdef inline Range rows_inside(const Plan* p, Py_ssize_t start, Py_ssize_t rows) noexcept nogil:
    """Of the rows of x that a tile meets, `start` and on in steps of the dilation, those that are not all padding."""
    cdef int axis = p.s.rank - 2
    cdef Py_ssize_t n = (rows - 1) * p.step + p.kh, d = p.s.dilation[axis]
    cdef Range inside
    inside.low, inside.high = 0, n
    if p.skips_padding:
        if start < 0:
            inside.low = min(n, (-start + d - 1) // d)
        if start + (n - 1) * d >= p.s.x_size[axis]:
            inside.high = max(inside.low, (p.s.x_size[axis] - start + d - 1) // d)
    return inside


# ---------------------------------------------------------------- long sums

cdef void finish_totals(V* totals, const V* errors, const Plan* p, const char* bias, const Target* out, Py_ssize_t rows,
                        Py_ssize_t stride, Py_ssize_t pixels) noexcept nogil:
    cdef Py_ssize_t i, n = rows * stride // <Py_ssize_t> sizeof(V)
    compensate(totals, errors, n)
    if bias != NULL:
        for i in range(n):
            totals[i] = add_spread(totals[i], bias)
    store(p, <char*> totals, out.at, out.row, rows, stride, pixels)


cdef void sum_in_blocks(V* totals, const Plan* p, const char* patch, const char* weights, const char* bias,
                        const Target* out, Py_ssize_t start, Py_ssize_t rows, Py_ssize_t pixels) noexcept nogil:
    """A row of tiles, K block by K block. Sums of tiles are before the totals, errors and sums of blocks behind."""
    cdef Py_ssize_t stride = whole(p.columns, p.lanes) * p.size, n = p.totals // <Py_ssize_t> sizeof(V), plane
    cdef Py_ssize_t d = p.s.dilation[p.s.rank - 2]
    cdef V* sums = totals
    cdef Extent kernel = Extent(p.outers, p.kh, p.kw), k = k_block_of(&kernel)
    cdef Part at = Part(0, 0, 0, k)
    cdef Plan block = p[0]
    cdef Target to
    cdef Range inside
    cdef bint more
    memset(totals + n, 0, p.totals)
    block.planes = 1
    for plane in range(p.planes):
        at.group, more = 0, True
        while more:
            at = part_from(&at, &kernel, &k)
            block.outers, block.kh = at.n.groups, at.n.rows
            to = Target(<char*> sums, stride, True, True)
            inside = rows_inside(&block, start + at.row * d, rows)
            tile_row(totals - MAX_VECTORS, &block, patch + plane * p.patch.channel_pitch
                     + at.group * p.patch.outer_pitch + at.row * d * p.patch.row_pitch, weights, NULL, &to, rows,
                     &inside, pixels)
            if sums != totals:
                add_block(totals, totals + n, sums, n)
            sums = totals + 2 * n
            weights += at.n.groups * at.n.rows * p.kw * p.size
            more = next_part(&at, &kernel)
    finish_totals(totals, totals + n, p, bias, out, rows, stride, pixels)


# ---------------------------------------------------------------- blocks of outputs

cdef void block(V* like, const Plan* p, Py_ssize_t index, const char* weights, char* scratch) noexcept nogil:
    """Computes one block of all filters of a group."""
    cdef const Layer* s = p.s
    cdef int axis = s.rank - 1
    cdef Py_ssize_t piece = index % p.pieces, band = index // p.pieces % p.bands
    cdef Py_ssize_t group = index // p.pieces // p.bands % s.groups, item = index // p.pieces // p.bands // s.groups
    cdef Py_ssize_t row = band * p.rows, rows = min(p.rows, s.out_size[axis - 1] - row)
    cdef Py_ssize_t column = piece * p.columns, columns = min(p.columns, s.out_size[axis] - column)
    cdef Py_ssize_t f, q, r, m, start
    cdef char* out = item_target(s, item) + group * s.out_group + column * s.out_stride[axis]
    cdef char* patch = scratch + MAX_VECTORS * sizeof(V) + 3 * p.totals
    cdef char* to
    cdef const char* x
    cdef Target target
    cdef const char* bias = NULL
    cdef Range inside
    gather(&p.patch, &p.cut, group, item, row, column, patch)
    weights += group * p.filters * p.terms * p.size
    for f in range(p.filters):
        to = out + f // s.filters * s.out_plane + f % s.filters * s.out_filter
        if s.bias != NULL:
            bias = s.bias + (group * p.filters + f) * p.size
        for q in range(min(p.spacing, rows)):    # tiles of every spacing-th row
            r = q
            while r < rows:
                m = min(ROWS, (rows - r + p.spacing - 1) // p.spacing)
                start = (row + r) * s.stride[axis - 1] - s.offset[axis - 1]
                x = patch + r * s.stride[axis - 1] * p.patch.row_pitch
                target = Target(to + (row + r) * s.out_stride[axis - 1], p.spacing * s.out_stride[axis - 1],
                                p.store_in_place, False)
                if p.in_blocks:
                    sum_in_blocks(<V*> scratch + MAX_VECTORS, p, x, weights + f * p.terms * p.size, bias, &target,
                                  start, m, columns)
                else:
                    inside = rows_inside(p, start, m)
                    tile_row(<V*> scratch, p, x, weights + f * p.terms * p.size, bias, &target, m, &inside,
                             columns)
                r += m * p.spacing


# ---------------------------------------------------------------- the plan

cdef Py_ssize_t greatest_common_divisor(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    while b:
        a, b = b, a % b
    return a


cdef void lay_out(Plan* p, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    cdef int axis = p.s.rank - 1
    p.rows, p.columns = rows, columns
    p.bands = (p.s.out_size[axis - 1] + rows - 1) // rows
    p.pieces = (p.s.out_size[axis] + columns - 1) // columns
    p.patch = patch_of(p.s, p.size, &p.cut, rows, columns, True, True)


cdef Plan planned(const Layer* s, bint rounded, Py_ssize_t size, Py_ssize_t lanes, Py_ssize_t workers) noexcept nogil:
    cdef Plan p
    cdef int axis = s.rank - 1
    cdef Py_ssize_t divisor = greatest_common_divisor(s.stride[axis - 1], s.dilation[axis - 1]), j, unit
    p.s, p.size, p.lanes = s, size, lanes
    p.kh, p.kw, p.outers, p.planes = s.kernel_size[axis - 1], s.kernel_size[axis], outer_taps(s), s.planes
    p.filters, p.terms = s.filters * s.planes, s.planes * outer_taps(s) * p.kh * p.kw
    p.spacing, p.step = s.dilation[axis - 1] // divisor, s.stride[axis - 1] // divisor
    p.cut = Cut(0, p.planes, 0, p.outers, 0, p.kh, 0, p.kw)
    p.store_in_place = (same_bits(s.out_element, s.element) and s.planes == 1 and s.out_stride[axis] == size
                        and s.activation == IDENTITY)
    p.scatter = line_copier(s.element, s.out_element)
    p.items = 1
    for j in range(s.leading):
        p.items *= s.leading_size[j]
    for j in range(s.rank - 2):
        p.items *= s.out_size[j]
    unit = ROWS * p.spacing
    lay_out(&p, s.out_size[axis - 1], share(s.out_size[axis], 16 * COLUMNS * lanes))
    while p.rows > unit and (p.patch.item_pitch > PATCH or workers > 1 and (
            p.items * s.groups * p.bands * p.pieces < BLOCKS_A_WORKER * workers)):
        lay_out(&p, whole(share(s.out_size[axis - 1], p.rows // 2), unit), p.columns)
    while p.columns > COLUMNS * lanes and p.patch.item_pitch > LARGEST_PATCH:
        lay_out(&p, p.rows, share(s.out_size[axis], p.columns // 2))
    p.in_blocks = rounded and p.terms > K_BLOCK
    p.totals = ROWS * whole(p.columns, lanes) * size if p.in_blocks else 0
    p.patch.padded = p.pieces == 1 and s.boundary == FILL    # scratch starts with zeros, and those of the border stay
    return p


cdef inline bint packed_already(const Layer* s) noexcept nogil:
    """Whether the weights lie in memory as the tiles read them."""
    cdef int axis
    cdef Py_ssize_t size
    if s.planes == 2 or not same_bits(s.weight_element, s.element):
        return False
    size = s.weight_plane
    for axis in range(s.rank - 1, -1, -1):
        if s.kernel_size[axis] > 1 and s.weight_stride[axis] != size:
            return False
        size *= s.kernel_size[axis]
    return (s.filters == 1 or s.weight_filter == size) and (s.groups == 1 or s.weight_group == s.filters * size)


cdef char* pack_rows(const Layer* s, Py_ssize_t size, const char* weights, char* to) noexcept nogil:
    """A filter of real numbers, row by row. Returns where the next one goes."""
    cdef line_copy copy = line_copier(s.weight_element, s.element)
    cdef int axis = s.rank - 1
    cdef Py_ssize_t outer, row
    for outer in range(outer_taps(s)):
        for row in range(s.kernel_size[axis - 1]):
            copy(to, size, weights + outer_offset(s, outer) + row * s.weight_stride[axis - 1], s.weight_stride[axis],
                 s.kernel_size[axis])
            to += s.kernel_size[axis] * size
    return to


cdef void pack(const Layer* s, Py_ssize_t size, char* to) noexcept nogil:
    """[group][filter][plane][outer tap][row][column]."""
    cdef Cut cut = Cut(0, 1, 0, outer_taps(s), 0, s.kernel_size[s.rank - 2], 0, s.kernel_size[s.rank - 1])
    cdef Py_ssize_t group, f
    for group in range(s.groups):
        for f in range(s.filters * s.planes):
            if s.planes == 1:
                to = pack_rows(s, size, s.weight + group * s.weight_group + f * s.weight_filter, to)
                continue
            for cut.channel in range(s.planes):
                pack_panel(s, size, group * s.weight_group, &cut, f, 1, to)
                to += cut.outers * cut.rows * cut.columns * size


cdef void block_of_groups(V* like, const LastPlan* p, Py_ssize_t index, const char* weights,
                          LastScratch* scratch) noexcept nogil:
    """Compiled once, not inline where it is called."""
    if p.in_blocks:
        long_block(like, p, index, scratch)
    else:
        last_block(like, p, index, weights, scratch)


cdef int run_along_groups(V* like, const Layer* s, Py_ssize_t workers) noexcept nogil:
    """`run` where groups lie side by side: see depthwise_last.pxd."""
    cdef LastPlan p = last_plan(s, element_size(like), sizeof(V) // element_size(like), workers)
    cdef Py_ssize_t per_worker = last_scratch_bytes(&p), i, weight_bytes = whole(s.filters * p.weight_bytes, 64)
    cdef LastScratch scratch
    cdef char* memory
    cdef char* weights
    workers = max(1, min(workers, p.blocks))
    memory = <char*> malloc(64 + weight_bytes + workers * per_worker)
    if memory == NULL:
        return -1
    weights = aligned(memory)
    if not p.in_blocks:
        for i in range(s.filters):
            pack_groups(&p, i, weights + i * p.weight_bytes)
    p.skips_padding = s.boundary == FILL and (
        weights_are_finite(s) if p.in_blocks
        else all_finite(s.element, weights, s.filters * p.weight_bytes // p.size))
    if workers == 1:
        scratch = last_scratch(&p, weights + weight_bytes)
        for i in range(p.blocks):
            block_of_groups(like, &p, i, weights, &scratch)
    else:
        with parallel(num_threads=<int> workers):
            scratch = last_scratch(&p, weights + weight_bytes + threadid() * per_worker)
            for i in prange(p.blocks, schedule="static"):
                block_of_groups(like, &p, i, weights, &scratch)
    free(memory)
    return 0


cdef int run(V* like, const Layer* s, Py_ssize_t workers) noexcept nogil:
    """Returns -1 without memory, before any work."""
    if V is vfloat or V is vdouble:    # other types would make the module larger by a half
        if runs_along_groups(s, element_size(like), sizeof(V) // element_size(like)):
            return run_along_groups(like, s, workers)
    cdef Py_ssize_t size = element_size(like), lanes = sizeof(V) // size, per_worker, blocks, i, weight_bytes
    cdef Plan p = planned(s, rounds(like), size, lanes, workers)
    cdef const char* weights = s.packed if s.packed != NULL else s.weight
    cdef char* memory
    cdef char* scratch
    blocks = p.items * s.groups * p.bands * p.pieces
    workers = max(1, min(workers, blocks))
    weight_bytes = 0 if s.packed != NULL or packed_already(s) else whole(s.groups * p.filters * p.terms * size, 64)
    per_worker = whole(MAX_VECTORS * sizeof(V) + 3 * p.totals + p.patch.item_pitch, 64) + SLACK
    memory = <char*> malloc(64 + whole(p.kw * sizeof(Py_ssize_t), 64) + weight_bytes + workers * per_worker)
    if memory == NULL:
        return -1
    scratch = aligned(memory)
    p.at = <Py_ssize_t*> scratch
    for i in range(p.kw):
        p.at[i] = tap_offset(&p.patch, 0, 0, i)
    scratch += whole(p.kw * sizeof(Py_ssize_t), 64)
    if weight_bytes:
        pack(s, size, scratch)
        weights = scratch
        scratch += weight_bytes
    memset(scratch, 0, workers * per_worker)
    p.skips_padding = s.boundary == FILL and all_finite(s.element, weights, s.groups * p.filters * p.terms)
    if workers == 1:
        for i in range(blocks):
            block(like, &p, i, weights, scratch)
    else:
        # all cost the same, and a plane stays with its thread from call to call, in that one's cache: 78 us to 61
        for i in prange(blocks, schedule="static", num_threads=<int> workers):
            block(like, &p, i, weights, scratch + threadid() * per_worker)
    free(memory)
    return 0


def fits(Convolution problem):
    """Whether the layer is one of this kind, and its kernel small enough for patches to stay in cache."""
    cdef const Layer* s = &problem.layer
    cdef int axis = s.rank - 1
    cdef double height = (<double> s.kernel_size[axis - 1] - 1 + s.stride[axis - 1] * ROWS) * s.dilation[axis - 1]
    cdef double width = (<double> s.kernel_size[axis] - 1) * s.dilation[axis] + s.stride[axis] * 64
    return s.channels == 1 and s.kernel_size[axis] <= MAX_TAPS and (
        height * width * outer_taps(s) * s.planes * s.out_plane <= LARGEST_PATCH)


def convolve(Convolution problem, Py_ssize_t workers):
    """Computes the record's output on `workers` threads."""
    cdef const Layer* s = &problem.layer
    cdef int failed = -1
    with nogil:
        if s.element == BOOL: failed = run(<vbool*> NULL, s, workers)
        elif s.element == UINT16: failed = run(<vint16*> NULL, s, workers)
        elif s.element == UINT32: failed = run(<vint32*> NULL, s, workers)
        elif s.element == UINT64: failed = run(<vint64*> NULL, s, workers)
        elif s.element == FLOAT32: failed = run(<vfloat*> NULL, s, workers)
        elif s.element == FLOAT64: failed = run(<vdouble*> NULL, s, workers)
        elif s.element == LONGDOUBLE: failed = run(<vlongdouble*> NULL, s, workers)
    if failed:
        raise MemoryError(f"no memory for the scratch of {workers} workers")
