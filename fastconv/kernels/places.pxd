"""Where the tiles of a block are: a few pixels of one bank, anywhere in it, or vectors of pixels of a row.

One that would reach too far is moved back over its neighbour: the same bits.
"""
from fastconv.kernels.blocks cimport Block, of_phase
from fastconv.kernels.layer cimport Layer
from fastconv.kernels.patch cimport first_met, item_origin, item_target
from fastconv.kernels.gemm_plan cimport Place, Plan, Scratch
from fastconv.kernels.simd cimport PAIRS, PIXEL_COLUMNS, THIN_ROWS
from fastconv.kernels.tile cimport rows_of_tile


cdef inline Py_ssize_t row_at(const Plan* p, const Block* b, Py_ssize_t item, Py_ssize_t row) noexcept nogil:
    """Where the first pixel of a block's row is in its patch; in x, if there is none."""
    cdef const Layer* s = p.s
    cdef int axis = s.rank - 1
    if not (p.copies_tiles or p.in_place):
        return item * p.patch.item_pitch + row * p.patch.rows.out_step * p.patch.row_pitch
    return (item_origin(s, b.item + item) - s.x + b.group * s.x_group
            + (b.column * s.stride[axis] + first_met(s, axis, 0)) * s.x_stride[axis]
            + ((b.row + row) * s.stride[axis - 1] + first_met(s, axis - 1, 0)) * s.x_stride[axis - 1])


cdef inline char* row_target(const Plan* p, const Block* b, Py_ssize_t item, Py_ssize_t row,
                             Py_ssize_t row_phase) noexcept nogil:
    """And in out."""
    cdef int axis = p.s.rank - 1
    return (item_target(p.s, b.item + item) + b.group * p.s.out_group
            + ((b.row + row) * p.row_phases + row_phase) * p.s.out_stride[axis - 1]
            + b.column * p.woven * p.s.out_stride[axis])


# Of the rows, or the columns, of a block those that use one bank: first, first + step, ...
cdef struct Turns:
    Py_ssize_t first
    Py_ssize_t n
    Py_ssize_t step


cdef inline Turns turns_of(Py_ssize_t bank, Py_ssize_t tile, Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    """Of outputs start, start + 1, ..., counted from the start."""
    cdef Turns t
    t.first, t.step = (bank + tile - start % tile) % tile, tile
    t.n = max(0, (n - t.first + tile - 1) // tile)
    return t


# One of a bank's pixels in a block, its rows and columns counted among the bank's.
cdef struct Spot:
    Py_ssize_t item
    Py_ssize_t row
    Py_ssize_t column


cdef inline Spot spot_of(const Turns* rows, const Turns* columns, Py_ssize_t q) noexcept nogil:
    """Pixel q in the order of rows."""
    return Spot(q // (rows.n * columns.n), q % (rows.n * columns.n) // columns.n, q % columns.n)


cdef inline Spot after(Spot spot, Py_ssize_t pixels, const Turns* rows, const Turns* columns) noexcept nogil:
    """The pixel that follows some others. Few of them: steps cost less than divisions."""
    spot.column += pixels
    while spot.column >= columns.n:
        spot.column -= columns.n
        spot.row += 1
        if spot.row == rows.n:
            spot.item, spot.row = spot.item + 1, 0
    return spot


cdef inline Place place_of(const Block* b, const Turns* rows, const Turns* columns, Spot first,
                           Py_ssize_t pixels) noexcept nogil:
    """Of some pixels of a bank from `first` on, in the order of rows."""
    cdef Place place
    cdef Spot last = after(first, pixels - 1, rows, columns)
    place.pixels = pixels
    place.item, place.last_item = b.item + first.item, b.item + last.item
    place.row = b.row + rows.first + first.row * rows.step
    place.last_row = b.row + rows.first + last.row * rows.step
    place.column = b.column + columns.first + first.column * columns.step
    place.last_column = b.column + columns.first + last.column * columns.step
    if place.row != place.last_row:
        place.column = b.column + columns.first
        place.last_column = place.column + (columns.n - 1) * columns.step
    return place


cdef inline void list_row(const Plan* p, const Block* b, Py_ssize_t at, char* out, const Turns* columns,
                          Py_ssize_t* to_at, char** to_out) noexcept nogil:
    """Where a row's pixels are in the patch and, those of each phase of columns, in out."""
    cdef int axis = p.s.rank - 1
    cdef Py_ssize_t step = p.patch.columns.out_step * p.patch.column_pitch, n = columns.n, woven = p.woven, i, phase
    cdef Py_ssize_t last = (b.column + columns.first + (n - 1) * columns.step) * woven
    at += columns.first * step
    out += columns.first * woven * p.s.out_stride[axis]
    step *= columns.step
    for i in range(n):
        to_at[i] = at + i * step
    step = columns.step * woven * p.s.out_stride[axis]
    for phase in range(woven):
        for i in range(n):
            to_out[i * woven + phase] = out + i * step
        if n > 0 and last + phase >= p.s.out_size[axis]:
            to_out[(n - 1) * woven + phase] = NULL
        out += p.s.out_stride[axis]


cdef inline Py_ssize_t list_pixels(const Plan* p, const Block* b, Scratch* scratch, const Turns* rows,
                                   const Turns* columns, Py_ssize_t row_phase, Py_ssize_t index) noexcept nogil:
    """Where a bank's pixels are, or those of a phase of rows, from `index` on in the tables. Returns how many."""
    cdef Py_ssize_t n = index, item, row, i
    for item in range(b.items):
        for i in range(rows.n):
            row = rows.first + i * rows.step
            list_row(p, b, row_at(p, b, item, row), row_target(p, b, item, row, row_phase), columns, scratch.at + n,
                     scratch.out + n * p.woven)
            n += columns.n
    return n - index


cdef inline Py_ssize_t pixels_of_tile(const Plan* p, const Turns* columns, Py_ssize_t left,
                                      Py_ssize_t all_of_them) noexcept nogil:
    """How many of a bank's pixels the next tile takes: a whole one may take some again."""
    if PAIRS and p.tile_rows == THIN_ROWS and columns.n % 2 == 0 and left > THIN_ROWS and all_of_them >= 2 * PAIRS:
        return 2 * PAIRS
    return p.tile_rows if all_of_them >= p.tile_rows else rows_of_tile(left, p.tile_rows)


cdef inline Py_ssize_t cut_tiles(const Plan* p, const Block* b, const Turns* rows, const Turns* columns,
                                 Py_ssize_t pixels, const Place* like, Place* places) noexcept nogil:
    """Tiles of the bank and the phase of rows that `like` says, pixels listed from its index on. Returns how many."""
    cdef Py_ssize_t q = 0, n = 0, taken
    cdef Spot spot = Spot(0, 0, 0)
    while q < pixels:
        taken = pixels_of_tile(p, columns, pixels - q, pixels)
        if q > pixels - taken:
            q = pixels - taken
            spot = spot_of(rows, columns, q)
        places[n] = place_of(b, rows, columns, spot, taken)
        places[n].bank, places[n].row_phase, places[n].index = like.bank, like.row_phase, like.index + q
        spot = after(spot, taken, rows, columns)
        q += taken
        n += 1
    return n


cdef inline Py_ssize_t rows_of_phase(const Plan* p, const Block* b, Py_ssize_t row_phase) noexcept nogil:
    """Of a block: at the end of out, a phase may have one less."""
    return min(b.rows, of_phase(p.s, p.s.rank - 2, row_phase) - b.row)


cdef inline Py_ssize_t find_pixels(const Plan* p, const Block* b, Scratch* scratch) noexcept nogil:
    """Tiles of a few pixels of one bank and phase of rows, wherever in the block they are. Returns how many."""
    cdef Py_ssize_t tile = p.s.banks.tiles[p.s.rank - 1], bank, phase, pixels, n = 0
    cdef Turns rows, columns
    cdef Place like
    like.index = 0
    for bank in range(p.banks):
        scratch.first_place[bank] = n
        columns = turns_of(bank % tile, tile, b.column, b.columns)
        for phase in range(p.row_phases):
            rows = turns_of(bank // tile, p.s.banks.tiles[p.s.rank - 2], b.row, rows_of_phase(p, b, phase))
            like.bank, like.row_phase = bank, phase
            pixels = list_pixels(p, b, scratch, &rows, &columns, phase, like.index)
            n += cut_tiles(p, b, &rows, &columns, pixels, &like, scratch.places + n)
            like.index += pixels
    scratch.first_place[p.banks] = n
    return n


cdef inline Py_ssize_t find_runs_from(const Plan* p, const Block* b, Scratch* scratch, Py_ssize_t item,
                                      Py_ssize_t row, Py_ssize_t row_phase, Py_ssize_t length,
                                      Py_ssize_t n) noexcept nogil:
    """Tiles of vectors of `length` pixels from the start of a row on, the n-th tile and more. Returns how many."""
    cdef Py_ssize_t q = 0, columns, below, column, at = row_at(p, b, item, row)
    cdef Turns all_rows = Turns(0, b.rows, 1), all_columns = Turns(0, b.columns, 1)
    cdef Py_ssize_t out_row = p.row_phases * p.s.out_stride[p.s.rank - 2]
    cdef Py_ssize_t out_column = p.woven * p.s.out_stride[p.s.rank - 1]
    cdef char* out = row_target(p, b, item, row, row_phase)
    cdef Place* place
    while q < length:
        columns = min(PIXEL_COLUMNS, (length - q + p.lanes - 1) // p.lanes)
        if p.copies_tiles:    # nothing is read beyond x, and a vector may reach back into the block before
            columns = max(1, min(columns, length // p.lanes))
            q = min(q, length - columns * p.lanes)
        else:
            q = max(0, min(q, length - columns * p.lanes))
        below = 0 if q < b.columns else q // b.columns
        column = q - below * b.columns
        place = scratch.places + n
        place[0] = place_of(b, &all_rows, &all_columns, Spot(item, row + below, column),
                            min(length - q, columns * p.lanes))
        place.bank, place.row_phase, place.index, place.left = 0, row_phase, n, b.columns - column
        scratch.at[n] = at + q * p.size
        scratch.out[n * p.woven] = out + below * out_row + column * out_column
        q += columns * p.lanes
        n += 1
    return n


cdef inline Py_ssize_t find_runs(const Plan* p, const Block* b, Scratch* scratch) noexcept nogil:
    """Tiles of vectors of pixels of a row, or of several that follow each other in what is read. Returns how many."""
    cdef bint follow = row_at(p, b, 0, 1) - row_at(p, b, 0, 0) == b.columns * p.size
    cdef Py_ssize_t phase, item, row, rows, n = 0
    for phase in range(p.row_phases):
        rows = rows_of_phase(p, b, phase)
        for item in range(b.items):
            if follow:
                n = find_runs_from(p, b, scratch, item, 0, phase, rows * b.columns, n)
            for row in range(0 if follow else rows):
                n = find_runs_from(p, b, scratch, item, row, phase, b.columns, n)
    scratch.first_place[0], scratch.first_place[1] = 0, n
    return n
