"""Layers of 3x3 kernels by Winograd's minimal filtering F(2x2, 3x3): 16 products for 4 outputs in place of 36. Those of
1x3 kernels, signals among them, by F(2, 3): 4 products for 2 outputs in place of 6.

    out[2x2 of them] = A' (sum over channels of (G w G') * (B' x[4x4 of them] B)) A, with * element by element and

         1  0 -1  0          1  0  0           1 1/2 1/2  0
    B' = 0  1  1  0      G = 1  1  1      A' = 0 1/2-1/2 -1
         0 -1  1  0          1 -1  1
         0  1  0 -1          0  0  1

(Winograd 1980; Lavin and Gray 2015, arXiv:1509.09308.) With kernels of one row nothing is multiplied from the left, and
windows have 4 elements (`planar` is false). All factors are powers of two: small whole numbers give exact
results, and rounding errors are about those of the plain sum. Larger tiles would save more, but have neither. The
halves, usually among the weights, are taken of the sums: half a weight next to the smallest number would lose its bits.

The windows of the 2x2 outputs are those of a layer of kernel 4x4 and stride 2, whose patches (see patch.pxd) are
transformed to `image`; each of the elements of a window then has its product of matrices, pixels by channels times
channels by filters, computed by the tiles of tile.pxd; the products are transformed back, panel by panel of filters.
Weights are transformed ahead or, if they are large and not kept, in use: some channels of a panel at a time.

Infinity and NaN would spread over a window's outputs, and large numbers overflow in the transforms. Results that are
not finite are told of, by sample, for the caller to compute otherwise.

Every output is computed from its own window in one order, whatever the block or the worker.
"""
from cython.parallel cimport parallel, prange, threadid
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from fastconv.kernels.blocks cimport (
    Block, Grid, aligned, block_at, blocks, cut_blocks, grid_of, halve, halve_filters, pixels_of,
    take_filters,
)
from fastconv.kernels.border cimport share, whole
from fastconv.kernels.epilogue cimport TURNED, Epilogue, epilogue_of, finish, store_pixels
from fastconv.kernels.layer cimport Convolution, Layer, Packed
from fastconv.kernels.lines cimport FLOAT32, FLOAT64
from fastconv.kernels.patch cimport Cut, Patch, gather, item_target, outer_taps, patch_of, tap_offset
from fastconv.kernels.problem cimport FILL
from fastconv.kernels.simd cimport FILTER_COLUMNS, FILTER_ROWS, element_size, vdouble, vfloat
from fastconv.kernels.tile cimport LINE, Ahead, Factors, Tap, rows_of_tile, tile_along_filters
from fastconv.kernels.weights cimport pack_panel

cdef enum:
    ELEMENTS = 16              # of a window, at most
    TAPS = 9                   # of a kernel, at most
    IMAGE = 1024 * 1024        # bytes of a block's transformed windows: half of a second-level cache, or all of it
    MOST_WINDOWS = 128         # of a block
    FEWEST_WINDOWS = 16
    FEW_WINDOWS = 64           # not to be cut further if there is a block for each worker
    GATHERED = 24 * 1024       # bytes of x gathered at once: half of a first-level cache
    LARGE_WEIGHTS = 4 * 1024 * 1024    # bytes of them, transformed, from which blocks may be twice as large
    CHANNELS = 8               # of weights packed at once: their taps stay in the first cache
    TRANSFORMED = 512 * 1024   # bytes of weights transformed at once, in use: a quarter of a second-level cache
    BLOCKS_A_WORKER = 4        # for an even split
    SLACK = 4096               # bytes

ctypedef fused R:
    vfloat
    vdouble

cdef struct Plan:
    const Layer* s
    bint planar                # kernels are 3x3, not 1x3
    Py_ssize_t elements        # of a window
    Layer windows              # the layer whose outputs are the windows
    Epilogue epilogue
    Py_ssize_t size            # of an element
    Py_ssize_t lanes
    Grid grid                  # of windows
    Py_ssize_t padded_filters  # whole vectors of them
    Py_ssize_t panel           # filters of a tile at most
    Py_ssize_t channels        # of a group, likewise
    Py_ssize_t terms           # of a sum: channels x outer taps
    Py_ssize_t channels_in_use     # whose weights are transformed at once; 0 if all of them were ahead
    Cut cut                    # the channels that are gathered at once
    Patch patch
    Py_ssize_t from_first[ELEMENTS]    # bytes from a window's first element to the others, in the patch
    Py_ssize_t window_pitch    # bytes in the image: [element][term][window], or [element][window][term]
    Py_ssize_t term_pitch
    Py_ssize_t element_pitch

cdef struct Scratch:
    char* patch
    char* image
    char* products             # [window][element][filter of the panel]
    char* results              # two rows of pixels: [row][column][filter of the panel]
    char* turned               # a tile transposed
    Py_ssize_t* at             # by window: where it is in the image
    Py_ssize_t* inner          # by term: how far from there
    char* weights              # transformed in use, and as they are packed for that
    char* taps
    char* end


# ---------------------------------------------------------------- the three transforms, of a vector of windows each

cdef inline void transform_window(R* like, const char* x, const Py_ssize_t* from_first, char* to,
                                  Py_ssize_t element_pitch, const bint planar) noexcept nogil:
    """B' x B."""
    cdef R d[ELEMENTS]
    cdef R t[ELEMENTS]
    cdef int i, n = ELEMENTS if planar else 4
    for i in range(n):
        d[i] = (<const R*> (x + from_first[i]))[0]
    for i in range(4):
        t[i] = d[i] - d[8 + i] if planar else d[i]
        if planar:
            t[4 + i] = d[4 + i] + d[8 + i]
            t[8 + i] = d[8 + i] - d[4 + i]
            t[12 + i] = d[4 + i] - d[12 + i]
    for i in range(0, n, 4):
        (<R*> (to + i * element_pitch))[0] = t[i] - t[i + 2]
        (<R*> (to + (i + 1) * element_pitch))[0] = t[i + 1] + t[i + 2]
        (<R*> (to + (i + 2) * element_pitch))[0] = t[i + 2] - t[i + 1]
        (<R*> (to + (i + 3) * element_pitch))[0] = t[i + 1] - t[i + 3]


cdef inline void transform_weights(const R* w, Py_ssize_t tap_pitch, R* to, Py_ssize_t element_pitch,
                                   const bint planar) noexcept nogil:
    """G w G'. Pitches in vectors."""
    cdef R t[12]
    cdef int i
    for i in range(3):
        t[i] = w[i * tap_pitch]
        if planar:
            t[9 + i] = w[(6 + i) * tap_pitch]
            t[3 + i] = t[i] + t[9 + i] + w[(3 + i) * tap_pitch]
            t[6 + i] = t[i] + t[9 + i] - w[(3 + i) * tap_pitch]
    for i in range(4 if planar else 1):
        to[4 * i * element_pitch] = t[3 * i]
        to[(4 * i + 1) * element_pitch] = t[3 * i] + t[3 * i + 2] + t[3 * i + 1]
        to[(4 * i + 2) * element_pitch] = t[3 * i] + t[3 * i + 2] - t[3 * i + 1]
        to[(4 * i + 3) * element_pitch] = t[3 * i + 2]


cdef inline void transform_products(const R* m, Py_ssize_t pitch, R* upper, R* lower,
                                    const bint planar) noexcept nogil:
    """A' m A: two pixels of two rows, or of one. Pitch in vectors, also from pixel to pixel."""
    cdef R t[8]
    cdef int i
    for i in range(4):
        if planar:
            t[i] = m[i * pitch] + (m[(4 + i) * pitch] + m[(8 + i) * pitch]) * 0.5
            t[4 + i] = (m[(4 + i) * pitch] - m[(8 + i) * pitch]) * 0.5 - m[(12 + i) * pitch]
        else:
            t[i] = m[i * pitch]
    upper[0] = t[0] + (t[1] + t[2]) * 0.5
    upper[pitch] = (t[1] - t[2]) * 0.5 - t[3]
    if planar:
        lower[0] = t[4] + (t[5] + t[6]) * 0.5
        lower[pitch] = (t[5] - t[6]) * 0.5 - t[7]


cdef inline bint finite(const R* values, Py_ssize_t n) noexcept nogil:
    """Whether n vectors hold numbers only: a number less itself is zero, all else is NaN."""
    cdef R total = values[0] - values[0]
    cdef Py_ssize_t i
    cdef Py_ssize_t lanes = sizeof(R) // element_size(<R*> NULL)
    cdef bint found = True
    for i in range(1, n):
        total += values[i] - values[i]
    for i in range(lanes):
        if R is vfloat:
            found = found and (<float*> &total)[i] == 0
        else:
            found = found and (<double*> &total)[i] == 0
    return found


# ---------------------------------------------------------------- a block: windows in, products, pixels out

cdef inline void to_image(R* like, const Plan* p, const char* x, char* to) noexcept nogil:
    """A vector of windows."""
    if p.planar:
        transform_window(like, x, p.from_first, to, p.element_pitch, True)
    else:
        transform_window(like, x, p.from_first, to, p.element_pitch, False)


cdef void transform_rows(R* like, const Plan* p, const Block* b, const Cut* cut, const char* patch,
                         char* to) noexcept nogil:
    """The windows of one item's gathered channels, many at once: along a row, or else along the channels."""
    cdef bint along_channels = p.patch.channels_inner
    cdef Py_ssize_t row, column, channel, v, n = 0
    cdef Py_ssize_t vectors = ((cut.channels if along_channels else b.columns) + p.lanes - 1) // p.lanes
    cdef const char* x
    for row in range(b.rows):
        x = patch + row * p.patch.rows.out_step * p.patch.row_pitch
        # a last vector is too wide: what it writes too far is written again, or is nobody's
        if along_channels:
            for column in range(b.columns):
                for v in range(vectors):
                    to_image(like, p, x + 2 * column * p.patch.column_pitch + v * sizeof(R),
                             to + (n + column) * p.window_pitch + v * sizeof(R))
        else:
            for channel in range(cut.channels):
                for v in range(vectors):
                    to_image(like, p, x + channel * p.patch.channel_pitch + v * sizeof(R),
                             to + channel * p.term_pitch + n * p.window_pitch + v * sizeof(R))
        n += b.columns


cdef void transform_block(R* like, const Plan* p, const Block* b, Scratch* scratch) noexcept nogil:
    cdef Cut cut = p.cut
    cdef Py_ssize_t item, term
    for item in range(b.items):
        for cut.outer in range(p.terms // p.channels):
            cut.channel = 0
            while cut.channel < p.channels:
                cut.channels = min(p.cut.channels, p.channels - cut.channel)
                gather(&p.patch, &cut, b.group, b.item + item, b.row, b.column, scratch.patch)
                term = cut.outer * p.channels + cut.channel
                transform_rows(like, p, b, &cut, scratch.patch, scratch.image + term * p.term_pitch
                               + item * b.rows * b.columns * p.window_pitch)
                cut.channel += cut.channels


cdef bint transform_channels(R* to, const Plan* p, Py_ssize_t group, Py_ssize_t filter, Py_ssize_t width,
                             const Cut* part, Py_ssize_t element_pitch, char* scratch) noexcept nogil:
    """Some channels' weights of a panel: [element][channel][filter], elements `element_pitch` vectors apart.

    Whether the weights are finite.
    """
    cdef Cut cut = part[0]
    cdef Py_ssize_t columns = width // p.lanes, stop = part.channel + part.channels, c, j
    cdef bint finite = True
    while cut.channel < stop:
        cut.channels = min(CHANNELS, stop - cut.channel)    # CHANNELS is even: complex ones are pairs
        finite = pack_panel(p.s, p.size, group * p.s.weight_group, &cut, filter, width, scratch) and finite
        for c in range(cut.channels):
            for j in range(columns):
                if p.planar:
                    transform_weights(<R*> scratch + c * columns + j, cut.channels * columns, to + j, element_pitch,
                                      True)
                else:
                    transform_weights(<R*> scratch + c * columns + j, cut.channels * columns, to + j, element_pitch,
                                      False)
            to += columns
        cut.channel += cut.channels
    return finite


cdef void multiply(R* products, const Plan* p, Scratch* scratch, Py_ssize_t windows, const char* weights,
                   Py_ssize_t pitch, Py_ssize_t first, Py_ssize_t terms, Py_ssize_t columns) noexcept nogil:
    """Adds terms first..first+terms-1 to the sums, for each element and a panel of filters.

    The weights of elements are `pitch` vectors apart. While those of one are used, the next are asked for: large ones
    come from far.
    """
    cdef Tap tap = Tap(0, 0, 0, 0, 0)
    cdef Factors f = Factors(scratch.image + first * p.term_pitch, scratch.at, &tap, 1, scratch.inner, terms, weights)
    cdef Ahead ahead = Ahead(NULL, LINE, NULL, 0)
    cdef Py_ssize_t element, q, rows, step = p.elements * columns
    for element in range(p.elements):
        q = 0
        ahead.at = f.weights + pitch * sizeof(R)
        while q < windows:
            rows = rows_of_tile(windows - q, FILTER_ROWS)
            f.at = scratch.at + q
            tile_along_filters(products + q * step + element * columns, step * sizeof(R), first > 0, &f, &ahead, rows,
                               columns)
            q += rows
            ahead.at += terms * LINE
        f.weights += pitch * sizeof(R)
        f.patch += p.element_pitch


cdef void multiply_in_use(R* products, const Plan* p, Scratch* scratch, Py_ssize_t windows, Py_ssize_t group,
                          Py_ssize_t filter, Py_ssize_t width) noexcept nogil:
    """The same of all terms, a panel's weights transformed some channels at a time."""
    cdef Cut cut = Cut(0, 0, 0, 1, 0, 3 if p.planar else 1, 0, 3)
    cdef Py_ssize_t columns = width // p.lanes, pitch = p.channels_in_use * columns + 1    # not into one set of a cache
    for cut.outer in range(p.terms // p.channels):
        cut.channel = 0
        while cut.channel < p.channels:
            cut.channels = min(p.channels_in_use, p.channels - cut.channel)
            transform_channels(<R*> scratch.weights, p, group, filter, width, &cut, pitch, scratch.taps)
            multiply(products, p, scratch, windows, scratch.weights, pitch, cut.outer * p.channels + cut.channel,
                     cut.channels, columns)
            cut.channel += cut.channels


cdef void store_row(R* sums, const Plan* p, const Block* b, char* out, char* turned, Py_ssize_t filter,
                    Py_ssize_t pixels, Py_ssize_t columns) noexcept nogil:
    """A row of pixels of a panel of filters."""
    cdef Py_ssize_t q = 0, rows, i, step = p.s.out_stride[p.s.rank - 1]
    cdef char* at[TURNED]
    finish(sums, &p.epilogue, b.group, 0, filter, pixels, columns, False)
    while q < pixels:
        rows = rows_of_tile(pixels - q, TURNED)
        for i in range(rows):
            at[i] = out + (q + i) * step
        store_pixels(sums + q * columns, &p.epilogue, turned, at, filter, rows, columns)
        q += rows


cdef bint finish_panel(const R* products, const Plan* p, const Block* b, Scratch* scratch, Py_ssize_t filter,
                       Py_ssize_t columns) noexcept nogil:
    """Transforms a panel's products back and stores them. Whether all of them were finite."""
    cdef int axis = p.s.rank - 1
    cdef Py_ssize_t item, row, q, c, y, x = 2 * b.column, pixels = min(2 * b.columns, p.s.out_size[axis] - x)
    cdef R* upper = <R*> scratch.results
    cdef R* lower = upper + 2 * b.columns * columns
    cdef char* out
    cdef bint good = True
    for item in range(b.items):
        out = item_target(p.s, b.item + item) + b.group * p.s.out_group + x * p.s.out_stride[axis]
        for row in range(b.rows):
            for q in range(b.columns):
                for c in range(columns):
                    if p.planar:
                        transform_products(products + c, columns, upper + 2 * q * columns + c,
                                           lower + 2 * q * columns + c, True)
                    else:
                        transform_products(products + c, columns, upper + 2 * q * columns + c, <R*> NULL, False)
                products += p.elements * columns
            y = (b.row + row) * p.windows.stride[axis - 1]
            good = finite(upper, pixels * columns) and good
            store_row(upper, p, b, out + y * p.s.out_stride[axis - 1], scratch.turned, filter, pixels, columns)
            if p.planar and y + 1 < p.s.out_size[axis - 1]:
                good = finite(lower, pixels * columns) and good
                store_row(lower, p, b, out + (y + 1) * p.s.out_stride[axis - 1], scratch.turned, filter, pixels,
                          columns)
    return good


cdef void block(R* like, const Plan* p, Py_ssize_t index, Scratch* scratch, char* not_finite) noexcept nogil:
    """Computes one block of the output. Tells of the samples with results that are not finite."""
    cdef Block b = block_at(&p.grid, index)
    cdef Py_ssize_t filter = b.first_filter, windows = b.items * b.rows * b.columns, width, i, outer_items = 1
    cdef const char* weights
    cdef bint good = True
    transform_block(like, p, &b, scratch)
    while filter < b.first_filter + b.filters:
        width = min(p.panel, whole(b.first_filter + b.filters - filter, p.lanes))
        if p.channels_in_use:
            multiply_in_use(<R*> scratch.products, p, scratch, windows, b.group, filter, width)
        else:
            weights = p.s.packed + (b.group * p.padded_filters + filter) * p.elements * p.terms * p.size
            multiply(<R*> scratch.products, p, scratch, windows, weights, p.terms * (width // p.lanes), 0, p.terms,
                     width // p.lanes)
        good = finish_panel(<R*> scratch.products, p, &b, scratch, filter, width // p.lanes) and good
        filter += width
    if not good:
        for i in range(p.s.rank - 2):
            outer_items *= p.s.out_size[i]
        for i in range(b.item, b.item + b.items):
            not_finite[i // outer_items] = 1


# ---------------------------------------------------------------- the plan

cdef void lay_out(Plan* p) noexcept nogil:
    """The patch and the image of a block."""
    cdef int axis = p.s.rank - 1, i
    cdef bint along_channels = p.channels > 1 and p.s.planes == 1 and p.s.x_channel <= p.s.x_stride[axis]
    cdef Py_ssize_t windows = pixels_of(&p.grid), too_far = whole(p.grid.columns, p.lanes) - p.grid.columns
    p.cut = Cut(0, p.channels, 0, 1, 0, 4 if p.planar else 1, 0, 4)
    p.patch = patch_of(&p.windows, p.size, &p.cut, p.grid.rows, p.grid.columns, not along_channels, True)
    p.cut.channels = max(1, min(p.channels, GATHERED * p.channels // p.patch.item_pitch))
    p.patch = patch_of(&p.windows, p.size, &p.cut, p.grid.rows, p.grid.columns, not along_channels, True)
    for i in range(p.elements):
        p.from_first[i] = tap_offset(&p.patch, 0, i // 4, i % 4)
    # odd numbers of cache lines, so that what is written together does not fall into one set of the cache
    if p.patch.channels_inner:
        p.term_pitch, p.window_pitch = p.size, whole((p.terms + p.lanes) * p.size, 64) | 64
        p.element_pitch = whole(windows * p.window_pitch, 4096) + 5 * 64
    else:
        p.window_pitch, p.term_pitch = p.size, whole((windows + too_far) * p.size, 64) | 64
        p.element_pitch = whole(p.terms * p.term_pitch, 4096) + 5 * 64
    # scratch starts with zeros, and those of the border stay
    p.patch.padded = p.grid.pieces == 1 and p.s.boundary == FILL and not p.patch.channels_inner


cdef void take_windows(Plan* p, Py_ssize_t most) noexcept nogil:
    """So many at most: several items if they are small."""
    cdef Grid* g = &p.grid
    cdef Py_ssize_t columns = share(g.all_columns, most), items = 1
    cdef Py_ssize_t rows = share(g.all_rows, max(1, most // columns))
    if rows == g.all_rows and columns == g.all_columns:
        items = share(g.all_items, max(1, most // (rows * columns)))
    cut_blocks(g, items, rows, columns)
    lay_out(p)


cdef void cut_windows(Plan* p) noexcept nogil:
    """Blocks whose windows, transformed, stay in the second cache, or fill it if weights are large."""
    cdef Py_ssize_t room = IMAGE, most
    if p.elements * p.terms * p.padded_filters * p.size > LARGE_WEIGHTS:    # all of which each block wants
        room = 2 * IMAGE
    most = min(MOST_WINDOWS, max(FEWEST_WINDOWS, room // (p.elements * p.terms * p.size)))
    take_filters(&p.grid, p.padded_filters)
    take_windows(p, most)
    while p.elements * p.element_pitch > room + 3 * IMAGE // 4 and most > FEWEST_WINDOWS // 2:    # what fills up lines
        most //= 2
        take_windows(p, most)


cdef void divide(Plan* p, Py_ssize_t workers) noexcept nogil:
    """Cuts further until there are enough blocks for an even split: filters if windows are few, else windows.

    Blocks of the same windows each transform them: then a block a worker will do.
    """
    cdef Py_ssize_t windows
    while workers > 1 and blocks(&p.grid) < BLOCKS_A_WORKER * workers:
        windows = pixels_of(&p.grid)
        if windows <= FEWEST_WINDOWS or windows <= FEW_WINDOWS and blocks(&p.grid) >= workers:
            return
        if windows <= FEW_WINDOWS and p.grid.filters_at_once > p.panel:
            halve_filters(&p.grid, p.panel)
        else:
            halve(&p.grid, FEWEST_WINDOWS // 2)
            lay_out(p)


cdef void plan(Plan* p, const Layer* s, Py_ssize_t size, Py_ssize_t lanes, Py_ssize_t workers) noexcept nogil:
    cdef int axis
    memset(p, 0, sizeof(Plan))
    p.s, p.size, p.lanes = s, size, lanes
    p.windows, p.planar = s[0], s.kernel_size[s.rank - 2] == 3
    p.elements = ELEMENTS if p.planar else 4
    for axis in range(s.rank - 2 if p.planar else s.rank - 1, s.rank):
        p.windows.kernel_size[axis], p.windows.stride[axis] = 4, 2
        p.windows.out_size[axis] = (s.out_size[axis] + 1) // 2
    p.epilogue = epilogue_of(s, size, lanes)
    p.grid, p.channels = grid_of(&p.windows), s.channels * s.planes
    p.terms = p.channels * outer_taps(s)
    p.panel = share((p.grid.filters + lanes - 1) // lanes, FILTER_COLUMNS) * lanes
    p.padded_filters = whole(p.grid.filters, lanes)
    if s.packed == NULL:
        p.channels_in_use = min(p.channels, whole(TRANSFORMED // (p.elements * p.panel * size), 2))
    cut_windows(p)
    divide(p, workers)


# Scratch, a worker's part: patch (with room to read a vector too far), image, products, results, turned, tables and
# weights.
cdef Scratch laid_out(const Plan* p, char* memory) noexcept nogil:
    cdef Scratch s
    cdef Py_ssize_t windows = pixels_of(&p.grid), vector = p.lanes * p.size
    cdef Py_ssize_t columns = p.panel // p.lanes
    s.patch = memory
    s.image = s.patch + whole(p.patch.item_pitch, 64) + SLACK
    s.products = s.image + whole(p.elements * p.element_pitch, 64) + SLACK
    s.results = s.products + windows * p.elements * columns * vector
    s.turned = s.results + 4 * p.grid.columns * columns * vector
    s.at = <Py_ssize_t*> (s.turned + SLACK)
    s.inner = s.at + whole(windows, 8)
    s.weights = <char*> (s.inner + whole(p.terms, 8))
    s.taps = s.weights + p.elements * (p.channels_in_use * columns + 1) * vector
    s.end = s.taps + TAPS * min(CHANNELS, p.channels_in_use) * p.panel * p.size
    return s


cdef Scratch prepared(const Plan* p, char* memory) noexcept nogil:
    cdef Scratch s = laid_out(p, memory)
    cdef Py_ssize_t i
    memset(s.patch, 0, s.image - s.patch)
    for i in range(pixels_of(&p.grid)):
        s.at[i] = i * p.window_pitch
    for i in range(p.terms):
        s.inner[i] = i * p.term_pitch
    return s


cdef int run(R* like, const Layer* s, char* not_finite, Py_ssize_t workers) noexcept nogil:
    """Returns -1 without memory, before any work."""
    cdef Py_ssize_t size = element_size(like), per_worker, n, i
    cdef Plan p
    cdef Scratch scratch
    cdef char* memory
    plan(&p, s, size, sizeof(R) // size, workers)
    n = blocks(&p.grid)
    workers = max(1, min(workers, n))
    per_worker = whole(laid_out(&p, NULL).end - <char*> NULL, 64)
    memory = <char*> malloc(workers * per_worker + 64)
    if memory == NULL:
        return -1
    if workers == 1:
        scratch = prepared(&p, aligned(memory))
        for i in range(n):
            block(like, &p, i, &scratch, not_finite)
    else:
        with parallel(num_threads=<int> workers):
            scratch = prepared(&p, aligned(memory) + threadid() * per_worker)
            for i in prange(n, schedule="dynamic"):
                block(like, &p, i, &scratch, not_finite)
    free(memory)
    return 0


# ---------------------------------------------------------------- weights

cdef bint pack_filters(R* to, const Plan* p, Py_ssize_t group, Py_ssize_t filter, char* scratch) noexcept nogil:
    """A panel's weights, transformed: [element][term][filter]. Whether the weights are finite."""
    cdef Cut cut = Cut(0, p.channels, 0, 1, 0, 3 if p.planar else 1, 0, 3)
    cdef Py_ssize_t width = min(p.panel, whole(p.grid.filters - filter, p.lanes)), columns = width // p.lanes
    cdef bint finite = True
    for cut.outer in range(p.terms // p.channels):
        finite = transform_channels(to + cut.outer * p.channels * columns, p, group, filter, width, &cut,
                                    p.terms * columns, scratch) and finite
    return finite


cdef Py_ssize_t run_packing(R* like, const Layer* s, char* to, bint* all_are_finite,
                            Py_ssize_t workers) noexcept nogil:
    """Packs the weights to `to`, if that is not NULL; returns the bytes it takes, with scratch behind the weights.

    [group][panel][element][term][filter]
    """
    cdef Py_ssize_t size = element_size(like), i, panels, bytes, room, infinite = 0, filter
    cdef Plan p
    plan(&p, s, size, sizeof(R) // size, 1)
    panels = (p.grid.filters + p.panel - 1) // p.panel
    bytes = p.elements * p.terms * size
    room = TAPS * CHANNELS * p.panel * size
    workers = max(1, min(workers, s.groups * panels))
    if to != NULL:
        for i in prange(s.groups * panels, num_threads=<int> workers):
            filter = i % panels * p.panel
            infinite += not pack_filters(<R*> (to + (i // panels * p.padded_filters + filter) * bytes), &p,
                                         i // panels, filter,
                                         to + s.groups * p.padded_filters * bytes + threadid() * room)
        all_are_finite[0] = infinite == 0
    return s.groups * p.padded_filters * bytes + workers * room


def packed(Convolution problem, Py_ssize_t workers):
    """The weights of the record, transformed, in the order in which `convolve` reads them."""
    cdef const Layer* s = &problem.layer
    cdef Packed weights = Packed.__new__(Packed)
    cdef bint single = s.element == FLOAT32
    cdef Py_ssize_t bytes
    with nogil:
        bytes = (run_packing(<vfloat*> NULL, s, NULL, NULL, workers) if single
                 else run_packing(<vdouble*> NULL, s, NULL, NULL, workers))
        weights.memory = <char*> malloc(bytes + 64)
        if weights.memory != NULL:
            weights.at = aligned(weights.memory)
            if single: run_packing(<vfloat*> NULL, s, weights.at, &weights.finite, workers)
            else: run_packing(<vdouble*> NULL, s, weights.at, &weights.finite, workers)
    if weights.memory == NULL:
        raise MemoryError("no memory to pack the weights")
    return weights


def fits(Convolution problem):
    """Whether the layer is one of this kind, and so few channels that a block's windows stay in cache."""
    cdef const Layer* s = &problem.layer
    cdef int axis
    cdef Py_ssize_t rows = s.kernel_size[s.rank - 2]
    for axis in range(s.rank - 2, s.rank):
        if s.stride[axis] != 1 or s.up[axis] != 1 or s.dilation[axis] != 1 and s.kernel_size[axis] > 1:
            return False
    return (s.kernel_size[s.rank - 1] == 3 and (rows == 3 or rows == 1)
            and (s.element == FLOAT32 or s.element == FLOAT64)
            and ELEMENTS * FEWEST_WINDOWS * problem.terms / (3 * rows) * problem.element_size <= 2 * IMAGE)


def convolve(Convolution problem, bytearray not_finite, Py_ssize_t workers):
    """Computes the record's output on `workers` threads; its weights, if they are packed, must be finite.

    `not_finite` has an element for each sample, which becomes 1 if the sample's results are not all finite: then they
    are wrong. Weights that are not finite leave no result of theirs finite.
    """
    cdef const Layer* s = &problem.layer
    cdef char* told = not_finite
    cdef int failed
    with nogil:
        if s.element == FLOAT32: failed = run(<vfloat*> NULL, s, told, workers)
        else: failed = run(<vdouble*> NULL, s, told, workers)
    if failed:
        raise MemoryError(f"no memory for the scratch of {workers} workers")
