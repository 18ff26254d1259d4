"""How a layer is cut for its product of matrices: blocks of pixels, panels of filters, parts of the sum, scratch."""
from libc.string cimport memset

from fastconv.kernels.blocks cimport (
    Block, Grid, blocks, cut_blocks, grid_of, halve, halve_filters, of_phase, pixels_of, take_filters,
)
from fastconv.kernels.border cimport share, whole
from fastconv.kernels.epilogue cimport Epilogue, epilogue_of
from fastconv.kernels.layer cimport Layer
from fastconv.kernels.lines cimport BOOL, same_bits
from fastconv.kernels.patch cimport Cut, Patch, cut_of, elements_met, first_met, outer_taps, patch_of, terms_of
from fastconv.kernels.problem cimport FILL
from fastconv.kernels.simd cimport FILTER_COLUMNS, FILTER_ROWS, PAIRS, PIXEL_COLUMNS, PIXEL_ROWS, THIN_ROWS
from fastconv.kernels.tile cimport MAX_VECTORS, Tap, rows_of_tile

cdef enum:
    TERMS = 900                # of a sum taken at once: a panel of weights is a quarter of a second-level cache
    PATCH = 512 * 1024         # bytes of x gathered at once: half of it
    # bytes of a sample of which no patch is made, but which stays in a first-level cache, wherever its channels are:
    # 5x5 6->16 at 14 x 14 takes 0.95 of the time, 3x3 16->16 at 28 x 28 0.93; but at 32 x 32, where all channels of a
    # pixel fall into one set of the cache, 1.16
    SAMPLE = 32 * 1024
    PIXELS = 896               # outputs of a block, over all of which a panel of weights is used
    SUMS = 1024 * 1024         # bytes of totals that wait between parts, and as many of their errors
    # times as much of x and of outputs where all banks are packed for each block: 8x8 tiles of 64 to 64 3x3 at 56 x 56
    # take half the time, 12x12 two fifths
    BANKED = 4
    FEW_PIXELS = 128           # not to be cut further while there are filters to cut
    BLOCKS_A_WORKER = 4        # for an even split
    SLACK = 4096               # bytes

cdef struct Plan:
    const Layer* s
    bint along_pixels
    Py_ssize_t size            # of an element
    Py_ssize_t lanes
    Grid grid
    Py_ssize_t banks           # of filters, in turn along the last two axes
    Py_ssize_t row_phases      # of outputs
    Py_ssize_t woven           # phases of columns: a tile computes those of its pixels side by side
    Py_ssize_t padded_filters  # whole vectors of them
    Py_ssize_t panel           # filters of a tile at most
    Py_ssize_t tile_rows       # and pixels, if vectors run along filters
    Py_ssize_t tile_sums       # vectors of a tile, of one phase, at most
    Cut cut                    # the largest part of a sum
    Py_ssize_t terms           # of a whole sum
    Patch patch
    bint copies_tiles          # there is no patch: what a tile sees is copied for it, and used for all filters
    bint in_place              # x is its own patch
    bint in_parts              # the sum is cut
    Py_ssize_t sums_bytes
    Py_ssize_t packed_bytes    # scratch for weights that are not packed ahead
    Epilogue epilogue

# A tile's pixels: which outputs they are at most, each axis counted within a phase, and where.
cdef struct Place:
    Py_ssize_t item
    Py_ssize_t last_item
    Py_ssize_t row
    Py_ssize_t last_row
    Py_ssize_t column
    Py_ssize_t last_column
    Py_ssize_t bank
    Py_ssize_t row_phase
    Py_ssize_t pixels
    Py_ssize_t left            # along pixels: those of its row from the first on; others are in rows below
    Py_ssize_t index           # in `at`, and in `out` times the phases of columns

cdef struct Scratch:
    char* patch
    char* weights
    char* sums
    char* turned               # a tile transposed, or its phases woven; before that, its part of the sum
    Place* places              # of the block's tiles
    Py_ssize_t* first_place    # of each bank
    Py_ssize_t* at             # by pixel (by tile, along pixels): where it is in the patch
    char** out                 # and in out, of each phase of columns; NULL if that has no such pixel
    Tap* taps                  # of the part of the sum, phase by phase
    Py_ssize_t* first_tap      # of each
    Tap* kept                  # those that do not lie wholly on padding for a tile
    Py_ssize_t* inner          # from a tap, to the terms that follow
    Py_ssize_t* in_x           # the same in x, where tiles are copied from it
    char* end


cdef inline Py_ssize_t panel_width(const Plan* p, Py_ssize_t filters) noexcept nogil:
    """How many of the filters that are left the next panel holds."""
    return rows_of_tile(filters, PIXEL_ROWS) if p.along_pixels else min(p.panel, whole(filters, p.lanes))


cdef inline bint is_product(const Layer* s, Py_ssize_t size) noexcept nogil:
    """Whether each phase is a product of matrices, and the pixels in x are side by side and what is computed with."""
    cdef int axis = s.rank - 1, i
    for i in range(s.rank):
        if (s.kernel_size[i] != s.up[i] or s.stride[i] != 1 or s.offset[i] != s.up[i] - 1
                or of_phase(s, i, 0) != s.x_size[i]):
            return False
    return (s.rank == 2 and s.planes == 1 and s.x_stride[axis] == size and same_bits(s.x_element, s.element)
            and s.element != BOOL)


cdef inline bint fills_a_patch(const Layer* s, Py_ssize_t size) noexcept nogil:
    """Whether tiles find x where it is as well as in a patch: its elements are what is computed with, no window meets
    a border, and the channels of a pixel lie side by side or a sample is small."""
    cdef int axis
    for axis in range(s.rank):
        if first_met(s, axis, 0) < 0 or s.x_size[axis] <= (of_phase(s, axis, 0) - 1) * s.stride[axis] + first_met(
                s, axis, s.kernel_size[axis] - 1):
            return False
    return (s.rank == 2 and s.planes == 1 and same_bits(s.x_element, s.element) and s.element != BOOL
            and (s.x_channel == size or s.channels * max(s.x_channel, -s.x_channel) <= SAMPLE))


cdef inline void lay_out(Plan* p) noexcept nogil:
    """The patch of a block."""
    cdef int axis = p.s.rank - 1
    p.patch = patch_of(p.s, p.size, &p.cut, p.grid.rows, p.grid.columns, p.along_pixels, p.in_place)
    if p.copies_tiles:
        p.patch.channel_pitch = PIXEL_COLUMNS * p.lanes * p.size
        p.patch.item_pitch = p.cut.channels * p.patch.channel_pitch
    elif p.in_place:
        p.patch.channel_pitch, p.patch.item_pitch = p.s.x_channel, 0
        p.patch.row_pitch, p.patch.column_pitch = p.s.x_stride[axis - 1], p.s.x_stride[axis]


cdef inline bint halve_pixels(Plan* p) noexcept nogil:
    """Makes blocks smaller; False if they are as small as they may be."""
    if not halve(&p.grid, p.lanes * PIXEL_COLUMNS if p.along_pixels else FILTER_ROWS):
        return False
    lay_out(p)
    return True


cdef inline void cut_pixels(Plan* p) noexcept nogil:
    """Blocks of pixels: as near to a square as long rows allow, several items if they are small."""
    cdef Grid* g = &p.grid
    cdef Py_ssize_t times = BANKED if p.banks > 1 and p.s.packed == NULL and not p.in_parts else 1
    cdef Py_ssize_t most = times * PIXELS
    cdef Py_ssize_t columns = share(g.all_columns, max(128, most // max(1, g.all_rows)))
    cdef Py_ssize_t rows = share(g.all_rows, max(1, most // columns)), items = 1
    if rows == g.all_rows and columns == g.all_columns:
        items = share(g.all_items, max(1, most // (rows * columns)))
    cut_blocks(g, items, rows, columns)
    lay_out(p)
    while g.items * p.patch.item_pitch > times * PATCH and halve_pixels(p):
        pass


cdef inline void cut_filters(Plan* p) noexcept nogil:
    """All filters at once, unless the totals that wait between parts would be too many."""
    cdef Py_ssize_t most = p.padded_filters
    if p.in_parts:
        most = min(most, max(1, SUMS // (pixels_of(&p.grid) * p.row_phases * p.woven * p.size * p.panel)) * p.panel)
    take_filters(&p.grid, most)


cdef inline Py_ssize_t tiles(const Plan* p) noexcept nogil:
    """Tiles of a block at most."""
    cdef Py_ssize_t panels = (p.grid.filters_at_once + p.panel - 1) // p.panel, wide = PIXEL_COLUMNS * p.lanes
    if p.along_pixels:    # the last panel may be cut in three; one tile more where whole vectors are copied
        return (panels + 2) * p.row_phases * p.grid.items * p.grid.rows * ((p.grid.columns + wide - 1) // wide + 1)
    return panels * p.row_phases * (pixels_of(&p.grid) // FILTER_ROWS + 3 * p.banks)


cdef inline Py_ssize_t sums_of(const Plan* p) noexcept nogil:
    """Bytes of a tile's sums, or of all totals that wait between parts, with their errors."""
    return p.tile_sums * p.woven * p.lanes * p.size * (2 * tiles(p) if p.in_parts else 1)


cdef inline void divide(Plan* p, Py_ssize_t workers) noexcept nogil:
    """Cuts further until there are enough blocks for an even split: filters if pixels are few, else pixels.

    Blocks of the same filters each pack their weights, if those are not packed ahead: then a block a worker will do.
    """
    cdef Py_ssize_t pixels, wanted = BLOCKS_A_WORKER * workers
    while workers > 1 and blocks(&p.grid) < wanted:
        pixels = pixels_of(&p.grid)
        if p.grid.filters_at_once > p.panel and (
                pixels <= FEW_PIXELS or p.s.packed == NULL or p.grid.filters_at_once >= 4 * p.panel):
            halve_filters(&p.grid, p.panel)
        elif pixels <= FEW_PIXELS or p.s.packed == NULL and blocks(&p.grid) >= workers or not halve_pixels(p):
            return


cdef inline Plan planned(const Layer* s, Py_ssize_t size, Py_ssize_t lanes, bint along_pixels,
                         Py_ssize_t workers) noexcept nogil:
    cdef Plan p
    cdef int axis = s.rank - 1
    memset(&p, 0, sizeof(p))
    p.s, p.size, p.lanes, p.along_pixels = s, size, lanes, along_pixels
    p.grid, p.banks = grid_of(s), s.banks.tiles[axis - 1] * s.banks.tiles[axis]
    p.row_phases, p.woven = s.up[axis - 1], s.up[axis]
    p.panel = PIXEL_ROWS if along_pixels else share((p.grid.filters + lanes - 1) // lanes, FILTER_COLUMNS) * lanes
    p.tile_rows = THIN_ROWS if p.panel == lanes else FILTER_ROWS
    p.tile_sums = (PIXEL_ROWS * PIXEL_COLUMNS if along_pixels
                   else max(THIN_ROWS, 2 * PAIRS) if p.panel == lanes else FILTER_ROWS * (p.panel // lanes))
    p.padded_filters = p.grid.filters if along_pixels else whole(p.grid.filters, lanes)
    if along_pixels and workers == 1:    # several are better served by equal blocks
        p.grid.tile = PIXEL_COLUMNS * lanes
    p.epilogue = epilogue_of(s, size, lanes)
    p.copies_tiles = along_pixels and s.packed != NULL and is_product(s, size) and s.x_size[1] >= lanes
    p.in_place = not along_pixels and fills_a_patch(s, size)
    p.cut = cut_of(s, TERMS)
    p.terms = s.channels * s.planes * outer_taps(s) * s.kernel_size[axis - 1] * s.kernel_size[axis]
    p.in_parts = terms_of(&p.cut) < p.terms
    cut_pixels(&p)
    cut_filters(&p)
    while sums_of(&p) > 3 * SUMS and halve_pixels(&p):    # tiles are not full, and phases many
        pass
    divide(&p, workers)
    p.sums_bytes = sums_of(&p)
    # scratch starts with zeros, and those of the border stay
    p.patch.padded = p.grid.pieces == 1 and p.cut.columns == s.kernel_size[axis] and s.boundary == FILL
    if s.packed == NULL:
        p.packed_bytes = terms_of(&p.cut) * p.panel * size
    return p


# Scratch, a worker's part: patch (with room to read a tile too far), weights, sums, turned, tables.
cdef inline Scratch laid_out(const Plan* p, char* memory) noexcept nogil:
    cdef Scratch s
    cdef Py_ssize_t pixels = pixels_of(&p.grid) * p.row_phases
    s.patch = memory
    s.weights = s.patch + whole(p.grid.items * p.patch.item_pitch, 64) + SLACK
    s.sums = s.weights + whole(p.packed_bytes, 64)
    s.turned = s.sums + p.sums_bytes
    s.places = <Place*> (s.turned + MAX_VECTORS * p.woven * p.lanes * p.size + SLACK)
    s.first_place = <Py_ssize_t*> (s.places + pixels)
    s.at = s.first_place + p.banks + 1
    s.out = <char**> (s.at + pixels)
    s.taps = <Tap*> (s.out + pixels * p.woven)
    s.kept = s.taps + TERMS
    s.first_tap = <Py_ssize_t*> (s.kept + TERMS)
    s.inner = s.first_tap + p.row_phases * p.woven + 1
    s.in_x = s.inner + TERMS
    s.end = <char*> (s.in_x + TERMS)
    return s


cdef inline Scratch prepared(const Plan* p, char* memory) noexcept nogil:
    cdef Scratch s = laid_out(p, memory)
    memset(s.patch, 0, s.weights - s.patch)
    return s
