"""Where the tiles of a block are: a few pixels of one bank, anywhere in it, or vectors of pixels of a row.

One that would reach too far is moved back over its neighbour: the same bits.
"""
from fastconv.kernels.blocks cimport Block
from fastconv.kernels.layer cimport Layer
from fastconv.kernels.patch cimport item_origin, item_target
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
            + (b.column * s.stride[axis] - s.offset[axis]) * s.x_stride[axis]
            + ((b.row + row) * s.stride[axis - 1] - s.offset[axis - 1]) * s.x_stride[axis - 1])


cdef inline char* row_target(const Plan* p, const Block* b, Py_ssize_t item, Py_ssize_t row) noexcept nogil:
    """And in out."""
    cdef int axis = p.s.rank - 1
    return (item_target(p.s, b.item + item) + b.group * p.s.out_group
            + (b.row + row) * p.s.out_stride[axis - 1] + b.column * p.s.out_stride[axis])


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


cdef inline void list_row(Py_ssize_t* at, char** out, Py_ssize_t n, Py_ssize_t first, Py_ssize_t step, char* target,
                          Py_ssize_t out_step) noexcept nogil:
    """Of n pixels of a row."""
    cdef Py_ssize_t i
    for i in range(n):
        at[i] = first
        first += step
    for i in range(n):
        out[i] = target
        target += out_step


cdef inline Py_ssize_t list_pixels(const Plan* p, const Block* b, Scratch* scratch, const Turns* rows,
                                   const Turns* columns, Py_ssize_t index) noexcept nogil:
    """Where a bank's pixels are in the patch and in out, from `index` on in the tables. Returns how many."""
    cdef Py_ssize_t n = index, item, first, axis = p.s.rank - 1, out_step = p.s.out_stride[axis]
    cdef Py_ssize_t step = p.patch.columns.out_step * p.patch.column_pitch
    cdef char* out
    for item in range(b.items):
        first = row_at(p, b, item, rows.first) + columns.first * step
        out = row_target(p, b, item, rows.first) + columns.first * out_step
        for _ in range(rows.n):
            list_row(scratch.at + n, scratch.out + n, columns.n, first, columns.step * step, out,
                     columns.step * out_step)
            first += rows.step * p.patch.rows.out_step * p.patch.row_pitch
            out += rows.step * p.s.out_stride[axis - 1]
            n += columns.n
    return n - index


cdef inline Py_ssize_t pixels_of_tile(const Plan* p, const Turns* columns, Py_ssize_t left,
                                      Py_ssize_t all_of_them) noexcept nogil:
    """How many of a bank's pixels the next tile takes: a whole one may take some again."""
    if PAIRS and p.tile_rows == THIN_ROWS and columns.n % 2 == 0 and left > THIN_ROWS and all_of_them >= 2 * PAIRS:
        return 2 * PAIRS
    return p.tile_rows if all_of_them >= p.tile_rows else rows_of_tile(left, p.tile_rows)


cdef inline Py_ssize_t find_pixels(const Plan* p, const Block* b, Scratch* scratch) noexcept nogil:
    """Tiles of a few pixels of one bank, wherever in the block they are. Returns how many."""
    cdef Py_ssize_t tile = p.s.banks.tiles[p.s.rank - 1], index = 0, bank, pixels, q, taken, n = 0
    cdef Turns rows, columns
    cdef Spot spot
    for bank in range(p.banks):
        scratch.first_place[bank] = n
        rows = turns_of(bank // tile, p.s.banks.tiles[p.s.rank - 2], b.row, b.rows)
        columns = turns_of(bank % tile, tile, b.column, b.columns)
        pixels, q = list_pixels(p, b, scratch, &rows, &columns, index), 0
        spot = Spot(0, 0, 0)
        while q < pixels:
            taken = pixels_of_tile(p, &columns, pixels - q, pixels)
            if q > pixels - taken:
                q = pixels - taken
                spot = spot_of(&rows, &columns, q)
            scratch.places[n] = place_of(b, &rows, &columns, spot, taken)
            scratch.places[n].bank, scratch.places[n].index = bank, index + q
            spot = after(spot, taken, &rows, &columns)
            q += taken
            n += 1
        index += pixels
    scratch.first_place[p.banks] = n
    return n


cdef inline Py_ssize_t find_runs(const Plan* p, const Block* b, Scratch* scratch) noexcept nogil:
    """Tiles of vectors of pixels of a row. Returns how many."""
    cdef Py_ssize_t length = b.columns, run, q, n = 0, columns, at
    cdef Turns all_rows = Turns(0, b.rows, 1), all_columns = Turns(0, b.columns, 1)
    cdef char* out
    for run in range(b.items * b.rows):
        at, out = row_at(p, b, run // b.rows, run % b.rows), row_target(p, b, run // b.rows, run % b.rows)
        q = 0
        while q < length:
            columns = min(PIXEL_COLUMNS, (length - q + p.lanes - 1) // p.lanes)
            if p.copies_tiles:    # nothing is read beyond x, and a vector may reach back into the block before
                columns = max(1, min(columns, length // p.lanes))
                q = min(q, length - columns * p.lanes)
            else:
                q = max(0, min(q, length - columns * p.lanes))
            scratch.places[n] = place_of(b, &all_rows, &all_columns, Spot(run // b.rows, run % b.rows, q),
                                         min(length - q, columns * p.lanes))
            scratch.places[n].bank, scratch.places[n].index = 0, n
            scratch.at[n] = at + q * p.size
            scratch.out[n] = out + q * p.s.out_stride[p.s.rank - 1]
            q += columns * p.lanes
            n += 1
    scratch.first_place[0], scratch.first_place[1] = 0, n
    return n
