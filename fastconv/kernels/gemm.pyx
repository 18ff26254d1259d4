"""A convolutional layer as a product of matrices, of which only the weights' is ever written down.

    out[pixel, filter] = activation(bias[filter] + sum over t of x[at(pixel) + offset(t)] * weight[t, filter])

t runs over the taps of the kernel and, within a tap, over the channels. The matrix of windows that the textbooks
multiply with (im2col) is a table of offsets here: a block's part of x is gathered once into a patch (see patch.pxd),
with its border and in the element type computed with, and each tile finds its factors there.

A *tile* of sums stays in registers while t passes by. Its vectors run along filters, with one pixel's value at a
time spread over a vector; or along pixels, with one weight at a time spread (`along_pixels`). The latter suits few
filters or short sums, whose results the former would have to transpose.

Filters may take turns along the last two axes (see Banks in layer.pxd): then a tile's pixels, which may be anywhere in
a block if its vectors run along filters, are those of one bank.

Outputs of a transposed layer meet every `up`-th tap, from one on that depends on their phase (see layer.pxd). A tile's
pixels are those of one phase of rows. It sums all phases of columns, one after the other, side by side in its sums, so
that what it stores are rows of neighbours: with vectors along filters, they need not even be woven.

The sum is cut into parts, K blocks whose weights and patch stay in the caches. Each part is summed from zero and added
to the totals, which wait in scratch, with compensation (see compensated.pxd). Every output is summed in the order of t,
whatever the tile, the block or the worker.
"""
import numpy as np

from cython.parallel cimport parallel, prange, threadid
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from fastconv.kernels.blocks cimport Block, aligned, block_at, blocks
from fastconv.kernels.border cimport whole
from fastconv.kernels.compensated cimport add_block, compensate
from fastconv.kernels.epilogue cimport Rows, filter_offset, finish, store_filters, store_pixels
from fastconv.kernels.gemm_plan cimport Place, Plan, Scratch, laid_out, panel_width, planned, prepared
from fastconv.kernels.layer cimport IDENTITY, Convolution, Layer, Packed
from fastconv.kernels.lines cimport (
    BOOL, FLOAT32, FLOAT64, LONGDOUBLE, UINT16, UINT32, UINT64, line_copier, line_copy,
)
from fastconv.kernels.patch cimport (
    Cut, element_met, elements_met, first_met, gather, next_cut, outer_origin, outer_taps, tap_offset, terms_of,
)
from fastconv.kernels.places cimport find_pixels, find_runs
from fastconv.kernels.problem cimport FILL
from fastconv.kernels.simd cimport (
    PIXEL_COLUMNS, PIXEL_ROWS, V, element_size, vbool, vdouble, vfloat, vint16, vint32, vint64, vlongdouble,
)
from fastconv.kernels.tile cimport (
    LINE, Ahead, Factors, Tap, tile_along_filters, tile_along_pixels, whole_tile_along_pixels,
)
from fastconv.kernels.weights cimport all_finite, pack_panel, tap_origin

cdef enum:
    FEW_CHANNELS = 16          # below which a tap's channels make too short a loop

cdef Py_ssize_t AT_ITS_START = 0

# Of the sums of a block.
cdef struct Part:
    Cut cut
    Py_ssize_t done            # terms before it
    bint first
    bint last
    const char* x              # what `at`, taps and inner terms count from
    Py_ssize_t first_row       # of x, that an output's taps meet; those of output 0
    Py_ssize_t first_column
    Py_ssize_t inner
    bint finite                # weights: taps on padding may be left out
    Ahead ahead
    const char* copied         # a tile's pixels in x, to be copied while its first filters are summed; NULL: they were


# ---------------------------------------------------------------- tiles: functions of their own, for their registers

cdef void sum_filters(V* sums, Py_ssize_t step, const Factors* f, const Ahead* ahead, Py_ssize_t rows,
                      Py_ssize_t columns) noexcept nogil:
    tile_along_filters(sums, step, False, f, ahead, rows, columns)


cdef void sum_pixels(V* sums, Py_ssize_t step, const Factors* f, const Ahead* ahead, Py_ssize_t rows,
                     Py_ssize_t columns) noexcept nogil:
    tile_along_pixels(sums, step, f, ahead, rows, columns)


cdef void sum_and_copy_pixels(V* sums, Py_ssize_t step, const Factors* f, const Ahead* ahead,
                              char* copy) noexcept nogil:
    whole_tile_along_pixels(sums, step, f, ahead, copy)


# ---------------------------------------------------------------- totals, to which the parts of a sum are added

cdef inline V* place_of_part(V* totals, const Part* part, Scratch* scratch) noexcept nogil:
    """Where a tile sums a part: the first in place of the totals."""
    return totals if part.first else <V*> scratch.turned


cdef inline void add_part(V* totals, const Plan* p, const Part* part, Scratch* scratch, Py_ssize_t n) noexcept nogil:
    """Adds a tile's part of the sum, n vectors, to its totals, which their errors follow."""
    cdef V* errors = totals + p.tile_sums * p.woven
    if part.first:
        memset(errors, 0, n * sizeof(V))
    else:
        add_block(totals, errors, <const V*> scratch.turned, n)
    if part.last:
        compensate(totals, errors, n)


# ---------------------------------------------------------------- which taps a tile needs

cdef inline bint on_padding(const Layer* s, int axis, Py_ssize_t first, Py_ssize_t last, Py_ssize_t start,
                            Py_ssize_t tap) noexcept nogil:
    """Whether outputs first..last of a phase all meet the border at a tap, on the same side. Output 0 would meet
    elements of x from `start` on."""
    cdef Py_ssize_t way = start + tap * s.dilation[axis]
    return last * s.stride[axis] + way < 0 or first * s.stride[axis] + way >= s.x_size[axis]


cdef inline bint in_reach(const Layer* s, int axis, Py_ssize_t first, Py_ssize_t last, Py_ssize_t start,
                          Py_ssize_t taps) noexcept nogil:
    """Whether none of the taps lies on padding for all outputs first..last."""
    return not (on_padding(s, axis, first, last, start, 0)
                or on_padding(s, axis, first, last, start, elements_met(s, axis, taps) - 1))


cdef const Tap* keep_taps(const Plan* p, const Part* part, Scratch* scratch, const Place* place, const Tap* taps,
                          Py_ssize_t* n_taps) noexcept nogil:
    """Those of the taps that do not lie wholly on padding for a tile."""
    cdef const Layer* s = p.s
    cdef const Cut* cut = &part.cut
    cdef int axis = s.rank - 1
    cdef Py_ssize_t i, n = 0, way
    cdef const Tap* tap
    if place.last_item != place.item or s.rank == 2 and (
            in_reach(s, axis, place.column, place.last_column, part.first_column, cut.columns)
            and in_reach(s, axis - 1, place.row, place.last_row, part.first_row, cut.rows)):
        return taps
    for i in range(n_taps[0]):
        tap = taps + i
        if not (on_padding(s, axis, place.column, place.last_column, part.first_column, tap.column)
                or on_padding(s, axis - 1, place.row, place.last_row, part.first_row, tap.row)
                or s.rank > 2 and not outer_origin(s, place.item, cut.outer + tap.outer, &way)):
            scratch.kept[n] = tap[0]
            n += 1
    n_taps[0] = n
    return scratch.kept


cdef inline const Tap* taps_of(const Plan* p, const Part* part, Scratch* scratch, const Place* place,
                               Py_ssize_t phase, Py_ssize_t* n_taps) noexcept nogil:
    """The taps that a tile needs for a phase of columns."""
    cdef const Py_ssize_t* first = scratch.first_tap + place.row_phase * p.woven + phase
    cdef const Tap* taps = scratch.taps + first[0]
    n_taps[0] = first[1] - first[0]
    if part.finite and n_taps[0] > 1 and p.s.boundary == FILL and not p.in_place:
        return keep_taps(p, part, scratch, place, taps, n_taps)
    return taps


cdef Py_ssize_t list_taps(const Plan* p, const Cut* cut, Tap* taps, Py_ssize_t row_phase,
                          Py_ssize_t phase) noexcept nogil:
    """The taps at which outputs of a phase of rows and of columns meet elements of x. Returns how many."""
    cdef int axis = p.s.rank - 1
    cdef Py_ssize_t n = 0, t = 0, outer, row, column, x, y
    for outer in range(cut.outers):
        for row in range(cut.rows):
            y = element_met(p.s, axis - 1, row_phase, cut.row, row)
            for column in range(cut.columns):
                x = element_met(p.s, axis, phase, cut.column, column)
                if x >= 0 and y >= 0:
                    taps[n] = Tap(tap_offset(&p.patch, outer, y, x), t * cut.channels, outer, y, x)
                    n += 1
                t += 1
    return n


cdef void list_terms(const Plan* p, Part* part, Scratch* scratch) noexcept nogil:
    """Fills the tables of a part of the sum: taps outside, channels inside; all inside if channels are few."""
    cdef const Cut* cut = &part.cut
    cdef Py_ssize_t n = 0, phases = p.row_phases * p.woven, phase, c, t
    for phase in range(phases):
        scratch.first_tap[phase] = n
        n += list_taps(p, cut, scratch.taps + n, phase // p.woven, phase % p.woven)
    scratch.first_tap[phases] = n
    part.inner = cut.channels
    for c in range(cut.channels):
        scratch.inner[c], scratch.in_x[c] = c * p.patch.channel_pitch, c * p.s.x_channel
    if cut.channels < FEW_CHANNELS and phases == 1:
        for t in range(n):
            for c in range(cut.channels):
                scratch.inner[t * cut.channels + c] = scratch.taps[t].x + c * p.patch.channel_pitch
        scratch.taps[0] = Tap(0, 0, 0, 0, 0)
        scratch.first_tap[1], part.inner = 1, n * cut.channels


# ---------------------------------------------------------------- blocks

cdef inline Py_ssize_t origin_of(const Layer* s, Py_ssize_t bank, Py_ssize_t group) noexcept nogil:
    """Where the weights of a group of a bank begin: bytes from the first."""
    cdef Py_ssize_t columns = s.banks.tiles[s.rank - 1]
    return (group * s.weight_group + bank // columns * s.banks.weight_tile[s.rank - 2]
            + bank % columns * s.banks.weight_tile[s.rank - 1])


cdef inline const char* packed_at(const Plan* p, const Block* b, const Part* part, Py_ssize_t bank, Py_ssize_t filter,
                                  Py_ssize_t width) noexcept nogil:
    """A panel's part of the sum, of weights that are packed ahead."""
    return p.s.packed + (((bank * p.s.groups + b.group) * p.padded_filters + filter) * p.terms
                         + part.done * width) * p.size


cdef const char* panel_of(const Plan* p, const Block* b, Part* part, Scratch* scratch, Py_ssize_t bank,
                          Py_ssize_t filter, Py_ssize_t width) noexcept nogil:
    """The panel's weights for a part of the sum, packed ahead or now."""
    if p.s.packed != NULL:
        return packed_at(p, b, part, bank, filter, width)
    part.finite = pack_panel(p.s, p.size, origin_of(p.s, bank, b.group), &part.cut, filter, width, scratch.weights)
    return scratch.weights


cdef void tile_filters(V* sums, const Plan* p, const Block* b, const Part* part, Scratch* scratch, const Place* place,
                       const char* weights, Py_ssize_t filter, Py_ssize_t width) noexcept nogil:
    """A few pixels, of each phase of columns, by a panel of vectors of filters: [pixel][phase][vector]."""
    cdef Py_ssize_t columns = width // p.lanes, results = place.pixels * p.woven, phase
    cdef char** out = scratch.out + place.index * p.woven
    cdef V* to = place_of_part(sums, part, scratch)
    cdef Factors f
    f.patch, f.at = part.x, scratch.at + place.index
    f.inner, f.n_inner, f.weights = scratch.inner, part.inner, weights
    for phase in range(p.woven):
        f.taps = taps_of(p, part, scratch, place, phase, &f.n_taps)
        sum_filters(to + phase * columns, p.woven * columns * sizeof(V), &f, &part.ahead, place.pixels, columns)
    if p.in_parts:
        add_part(sums, p, part, scratch, results * columns)
    if part.last:
        finish(sums, &p.epilogue, b.group, place.bank, filter, results, columns, False)
        store_pixels(sums, &p.epilogue, scratch.turned, out, filter, results, columns)


cdef inline Rows rows_of(const Plan* p, const Block* b, const Place* place) noexcept nogil:
    """Where a tile along pixels is in out."""
    cdef int axis = p.s.rank - 1
    return Rows(place.left, b.columns, min(b.columns * p.woven, p.s.out_size[axis] - b.column * p.woven),
                p.row_phases * p.s.out_stride[axis - 1])


cdef inline bint is_plain(const Plan* p, const Place* place, Py_ssize_t columns) noexcept nogil:
    """Whether the sums of a tile along pixels are results, whole vectors of them."""
    return (p.epilogue.store_in_place and not p.in_parts and p.s.bias == NULL and p.s.activation == IDENTITY
            and p.woven == 1 and place.pixels == columns * p.lanes and place.pixels <= place.left)


cdef inline void sum_phases(V* sums, Py_ssize_t step, const Plan* p, Part* part, Scratch* scratch, const Place* place,
                            const char* weights, Py_ssize_t width, Py_ssize_t columns) noexcept nogil:
    """The sums of a tile along pixels, of each phase of columns: [filter][phase][vector]."""
    cdef Py_ssize_t phase
    cdef Factors f    # set field by field: a copy of it would wait in line behind the results just stored
    f.at = &AT_ITS_START if p.copies_tiles else scratch.at + place.index
    f.n_inner, f.weights = part.inner, weights
    for phase in range(p.woven):
        f.taps = taps_of(p, part, scratch, place, phase, &f.n_taps)
        if part.copied != NULL:
            f.patch, f.inner = part.copied, scratch.in_x
            sum_and_copy_pixels(sums + phase * columns, step, &f, &part.ahead, scratch.patch)
            part.copied = NULL
        else:
            f.patch, f.inner = part.x, scratch.inner
            sum_pixels(sums + phase * columns, step, &f, &part.ahead, width, columns)
        part.ahead.results += columns * sizeof(V)


cdef void tile_pixels(V* sums, const Plan* p, const Block* b, Part* part, Scratch* scratch, const Place* place,
                      const char* weights, Py_ssize_t filter, Py_ssize_t width) noexcept nogil:
    """A panel of a few filters by vectors of pixels."""
    cdef Py_ssize_t columns = (place.pixels + p.lanes - 1) // p.lanes, step = p.woven * columns * sizeof(V)
    cdef bint plain = is_plain(p, place, columns)
    cdef char* out = scratch.out[place.index * p.woven]
    cdef V* to = place_of_part(sums, part, scratch)
    cdef Rows rows
    part.ahead.results, part.ahead.step = <char*> to, step
    if part.last and p.epilogue.store_in_place:
        part.ahead.results, part.ahead.step = out + filter_offset(p.s, filter), p.s.out_filter
    if plain:    # stored where they belong at once
        to, step = <V*> part.ahead.results, part.ahead.step
    sum_phases(to, step, p, part, scratch, place, weights, width, columns)
    if p.in_parts:
        add_part(sums, p, part, scratch, width * p.woven * columns)
    if part.last and not plain:
        rows = rows_of(p, b, place)
        finish(sums, &p.epilogue, b.group, place.bank, filter, width, p.woven * columns, True)
        store_filters(sums, &p.epilogue, &rows, scratch.turned, out, filter, place.pixels, width, columns)


cdef V* add_tile(V* sums, const Plan* p, const Block* b, Part* part, Scratch* scratch, const Place* place,
                 const char* weights, Py_ssize_t filter, Py_ssize_t width) noexcept nogil:
    """Adds a part of the sum to one tile. Returns where the next one's totals are."""
    if p.along_pixels:
        tile_pixels(sums, p, b, part, scratch, place, weights, filter, width)
    else:
        tile_filters(sums, p, b, part, scratch, place, weights, filter, width)
    return sums + 2 * p.tile_sums * p.woven if p.in_parts else sums


# ---------------------------------------------------------------- products of matrices: what a tile sees is copied

cdef inline void copy_rows(V* to, const char* x, Py_ssize_t pitch, Py_ssize_t n, const int columns) noexcept nogil:
    cdef int c
    for _ in range(n):
        for c in range(columns):
            (<volatile V*> to)[c] = (<const V*> x)[c]
        x += pitch
        to += PIXEL_COLUMNS


cdef inline void copy_tile(V* to, const char* x, const Plan* p, const Part* part,
                           const Place* place) noexcept nogil:
    """A tile's pixels of all channels, side by side, in the place of a patch."""
    if place.pixels == 3 * p.lanes and PIXEL_COLUMNS >= 3: copy_rows(to, x, p.s.x_channel, part.cut.channels, 3)
    elif place.pixels == 2 * p.lanes: copy_rows(to, x, p.s.x_channel, part.cut.channels, 2)
    else: copy_rows(to, x, p.s.x_channel, part.cut.channels, 1)


# ---------------------------------------------------------------- parts of a block

cdef void see(const Plan* p, const Block* b, Part* part, Scratch* scratch) noexcept nogil:
    """Gathers what a part of the sum needs of x, if that is not found there, and finds its terms."""
    cdef const Layer* s = p.s
    cdef int axis = s.rank - 1
    cdef Py_ssize_t item
    part.first_row, part.first_column = first_met(s, axis - 1, part.cut.row), first_met(s, axis, part.cut.column)
    part.x = scratch.patch
    if p.in_place:
        part.x = (s.x + part.cut.channel * s.x_channel
                  + (part.first_column - first_met(s, axis, 0)) * s.x_stride[axis]
                  + (part.first_row - first_met(s, axis - 1, 0)) * s.x_stride[axis - 1])
    elif not p.copies_tiles:
        for item in range(b.items):
            gather(&p.patch, &part.cut, b.group, b.item + item, b.row, b.column,
                   scratch.patch + item * p.patch.item_pitch)
    list_terms(p, part, scratch)


cdef V* sum_tile(V* sums, const Plan* p, const Block* b, Part* part, Scratch* scratch, const Place* place,
                 const Place* next_place) noexcept nogil:
    """Adds a part of the sum to all filters of a tile: what it sees is copied, and stays in the first cache."""
    cdef Py_ssize_t filter = b.first_filter, stop = filter + b.filters, width, line = 0
    cdef const char* x = p.s.x + part.cut.channel * p.s.x_channel
    part.copied = x + scratch.at[place.index]
    if place.pixels < PIXEL_COLUMNS * p.lanes or b.filters < PIXEL_ROWS:
        copy_tile(<V*> scratch.patch, part.copied, p, part, place)
        part.copied = NULL
    while filter < stop:
        width = panel_width(p, stop - filter)
        part.ahead.at, part.ahead.pitch = scratch.patch, 0
        if line < next_place.pixels * p.size + LINE:    # a panel, a line of every channel
            part.ahead.at = x + scratch.at[next_place.index] + min(line, next_place.pixels * p.size - 1)
            part.ahead.pitch = p.s.x_channel
            line += LINE
        sums = add_tile(sums, p, b, part, scratch, place, panel_of(p, b, part, scratch, 0, filter, width),
                        filter, width)
        filter += width
    return sums


# Of memory, to be asked for.
cdef struct Lines:
    const char* at
    Py_ssize_t bytes


cdef Lines weights_ahead(const Plan* p, const Block* b, const Part* part, Py_ssize_t filter) noexcept nogil:
    """The weights that the panel from `filter` on holds, or is packed from: large ones come from far."""
    cdef const Layer* s = p.s
    cdef Py_ssize_t left = b.first_filter + b.filters - filter, bytes = terms_of(&part.cut) * p.size, n
    if left <= 0 or p.banks > 1:
        return Lines(NULL, 0)
    n = min(left, panel_width(p, left))
    if s.packed != NULL:
        return Lines(packed_at(p, b, part, 0, filter, panel_width(p, left)), n * bytes)
    if p.in_parts or s.planes > 1 or s.weight_filter < 0 or s.weight_filter > bytes:    # not side by side
        return Lines(NULL, 0)
    return Lines(s.weight + origin_of(s, 0, b.group) + filter * s.weight_filter, n * s.weight_filter)


cdef inline void look_ahead(Part* part, const Scratch* scratch, Py_ssize_t phase, Lines* lines) noexcept nogil:
    """A tile asks for as many of the lines as its sum has terms, that of its first phase of columns."""
    cdef Py_ssize_t bytes = (scratch.first_tap[phase + 1] - scratch.first_tap[phase]) * part.inner * LINE
    part.ahead.at, part.ahead.pitch = scratch.patch, 0
    if lines.bytes >= bytes:
        part.ahead.at, part.ahead.pitch = lines.at, LINE
        lines.at += bytes
        lines.bytes -= bytes


cdef void sum_part(V* sums, const Plan* p, const Block* b, Part* part, Scratch* scratch,
                   Py_ssize_t tiles) noexcept nogil:
    """Adds a part of the sum to all outputs of a block."""
    cdef Py_ssize_t filter = b.first_filter, stop = filter + b.filters, width, bank, i
    cdef const char* weights
    cdef Lines lines
    see(p, b, part, scratch)
    part.copied = NULL
    if p.copies_tiles:
        for i in range(tiles):
            sums = sum_tile(sums, p, b, part, scratch, scratch.places + i, scratch.places + min(i + 1, tiles - 1))
        return
    while filter < stop:
        width = panel_width(p, stop - filter)
        for bank in range(p.banks):
            if scratch.first_place[bank] == scratch.first_place[bank + 1]:
                continue
            weights = panel_of(p, b, part, scratch, bank, filter, width)
            lines = weights_ahead(p, b, part, filter + width)
            for i in range(scratch.first_place[bank], scratch.first_place[bank + 1]):
                look_ahead(part, scratch, scratch.places[i].row_phase * p.woven, &lines)
                sums = add_tile(sums, p, b, part, scratch, scratch.places + i, weights, filter, width)
        filter += width


cdef void block(V* like, const Plan* p, Py_ssize_t index, Scratch* scratch) noexcept nogil:
    """Computes one block of the output, the sum part by part."""
    cdef Block b = block_at(&p.grid, index)
    cdef Part part
    cdef Py_ssize_t n, tiles = find_runs(p, &b, scratch) if p.along_pixels else find_pixels(p, &b, scratch)
    part.cut, part.done, part.last, part.finite = p.cut, 0, False, p.s.skips_padding
    while not part.last:
        n = terms_of(&part.cut)
        part.first, part.last = part.done == 0, part.done + n == p.terms
        sum_part(<V*> scratch.sums, p, &b, &part, scratch, tiles)
        part.done += n
        next_cut(p.s, &p.cut, &part.cut)


cdef Plan plan_of(const Layer* s, Py_ssize_t size, Py_ssize_t lanes, bint along_pixels,
                  Py_ssize_t workers) noexcept nogil:
    """Compiled once, not inline for each element type."""
    return planned(s, size, lanes, along_pixels, workers)


cdef int run(V* like, const Layer* s, bint along_pixels, Py_ssize_t workers) noexcept nogil:
    """Returns -1 without memory, before any work."""
    cdef Py_ssize_t size = element_size(like), lanes = sizeof(V) // size, per_worker, n, i
    cdef Plan p = plan_of(s, size, lanes, along_pixels, workers)
    cdef Scratch scratch
    cdef char* memory
    n = blocks(&p.grid)
    workers = max(1, min(workers, n))
    per_worker = whole(laid_out(&p, NULL).end - <char*> NULL, 64)
    memory = <char*> malloc(workers * per_worker + 64)
    if memory == NULL:
        return -1
    if workers == 1:
        scratch = prepared(&p, aligned(memory))
        for i in range(n):
            block(like, &p, i, &scratch)
    else:
        with parallel(num_threads=<int> workers):
            scratch = prepared(&p, aligned(memory) + threadid() * per_worker)
            for i in prange(n, schedule="dynamic"):
                block(like, &p, i, &scratch)
    free(memory)
    return 0


cdef bint pack_filters(const Plan* p, Py_ssize_t bank, Py_ssize_t group, Py_ssize_t filter, Py_ssize_t stop,
                       char* to) noexcept nogil:
    """[panel][part of the sum][term][filter], of some filters. Whether all weights are finite."""
    cdef Cut cut
    cdef Py_ssize_t width, origin = origin_of(p.s, bank, group)
    cdef bint finite = True, more
    while filter < stop:
        width = panel_width(p, stop - filter)
        cut = p.cut
        more = True
        while more:
            finite = pack_panel(p.s, p.size, origin, &cut, filter, width, to) and finite
            to += terms_of(&cut) * width * p.size
            more = next_cut(p.s, &p.cut, &cut)
        filter += width
    return finite


cdef Py_ssize_t run_packing(V* like, const Layer* s, bint along_pixels, char* to, bint* finite,
                            Py_ssize_t workers) noexcept nogil:
    """Packs the weights to `to`, if that is not NULL; returns the bytes it takes."""
    cdef Py_ssize_t size = element_size(like), i, n, filter, panels, bytes, infinite = 0
    cdef Plan p = plan_of(s, size, sizeof(V) // size, along_pixels, 1)
    panels = (p.grid.filters + p.panel - 1) // p.panel
    bytes = p.terms * size
    n = p.banks * s.groups * panels
    if to != NULL:
        for i in prange(n, num_threads=<int> max(1, min(workers, n))):
            filter = i % panels * p.panel
            infinite += not pack_filters(&p, i // panels // s.groups, i // panels % s.groups, filter,
                                         min(p.grid.filters, filter + p.panel),
                                         to + (i // panels * p.padded_filters + filter) * bytes)
        finite[0] = infinite == 0
    return p.banks * s.groups * p.padded_filters * bytes


cdef Py_ssize_t packing(const Layer* s, bint along_pixels, char* to, bint* finite, Py_ssize_t workers) noexcept nogil:
    if s.element == BOOL: return run_packing(<vbool*> NULL, s, along_pixels, to, finite, workers)
    if s.element == UINT16: return run_packing(<vint16*> NULL, s, along_pixels, to, finite, workers)
    if s.element == UINT32: return run_packing(<vint32*> NULL, s, along_pixels, to, finite, workers)
    if s.element == UINT64: return run_packing(<vint64*> NULL, s, along_pixels, to, finite, workers)
    if s.element == FLOAT32: return run_packing(<vfloat*> NULL, s, along_pixels, to, finite, workers)
    if s.element == FLOAT64: return run_packing(<vdouble*> NULL, s, along_pixels, to, finite, workers)
    return run_packing(<vlongdouble*> NULL, s, along_pixels, to, finite, workers)


def packed(Convolution problem, Py_ssize_t workers):
    """The weights of the record in the order in which `convolve` reads them."""
    cdef const Layer* s = &problem.layer
    cdef bint along_pixels = problem.algorithm == "pixels"
    cdef Packed weights = Packed.__new__(Packed)
    with nogil:
        weights.memory = <char*> malloc(packing(s, along_pixels, NULL, NULL, 1) + 64)
        if weights.memory != NULL:
            weights.at = aligned(weights.memory)
            packing(s, along_pixels, weights.at, &weights.finite, workers)
    if weights.memory == NULL:
        raise MemoryError("no memory to pack the weights")
    return weights


def finite(Convolution problem):
    """Whether all weights of the record are finite."""
    weight = problem.weight
    return weight.dtype.kind not in "fc" or bool(np.isfinite(weight).all())


cdef void leave_out(Layer* s, tuple taps):
    """All taps but those between two along each axis."""
    cdef int axis
    for axis, (first, last) in enumerate(taps):
        s.weight += <Py_ssize_t> first * s.weight_stride[axis]
        s.offset[axis] -= <Py_ssize_t> first * s.dilation[axis]
        s.kernel_size[axis] = last - first + 1


cdef bint copy_taps(const Layer* s, Py_ssize_t size, const char* weight, Py_ssize_t bytes, char* to) noexcept nogil:
    """A copy of the weights that are left, [group][filter][channel][tap][plane]: filter by filter, `bytes` each from
    `weight` on, while they are in cache. False if weights, also of those left out, are not finite."""
    cdef line_copy copy = line_copier(s.weight_element, s.weight_element)
    cdef Cut all_taps = Cut(0, 0, 0, outer_taps(s), 0, s.kernel_size[s.rank - 2], 0, s.kernel_size[s.rank - 1])
    cdef Py_ssize_t step = all_taps.outers * all_taps.rows * all_taps.columns * s.planes * size
    cdef Py_ssize_t f, outer, row, column, plane
    cdef const char* at
    for f in range(s.groups * s.filters):
        if not all_finite(s.weight_element, weight + f * bytes, bytes // size):
            return False
        for outer in range(all_taps.outers):
            for row in range(all_taps.rows):
                for column in range(all_taps.columns):
                    at = tap_origin(s, &all_taps, outer, row, column) + f * bytes
                    for plane in range(s.planes):
                        copy(to, step, at + plane * size, s.weight_channel, s.channels)
                        to += size
        to += (s.channels - 1) * step
    return True


def crop(Convolution problem, tuple taps, bint are_finite):
    """Leaves out the taps that lie on padding for all outputs, unless there are weights that are not finite. Whether it
    did. Weights that lie side by side are copied: those of some taps are far from each other."""
    cdef Layer* s = &problem.layer
    cdef Layer given = s[0]
    cdef Py_ssize_t size, step
    cdef int axis
    weight = problem.weight
    if are_finite or weight.dtype.char == "e" or not (weight.flags.c_contiguous and weight.dtype.isnative):
        if are_finite or finite(problem):
            leave_out(s, taps)
            return True
        return False
    leave_out(s, taps)
    copy = np.empty(weight.shape[:3] + tuple([s.kernel_size[axis] for axis in range(s.rank)]), weight.dtype)
    size = weight.itemsize // s.planes
    if not copy_taps(s, size, given.weight, weight.nbytes // (s.groups * s.filters), <char*> <size_t> copy.ctypes.data):
        s[0] = given
        return False
    step = weight.itemsize
    for axis in range(s.rank - 1, -1, -1):
        s.weight_stride[axis] = step
        step *= s.kernel_size[axis]
    s.weight_channel, s.weight_filter = step, step * s.channels
    s.weight_group = s.weight_filter * s.filters
    s.weight, problem.weight = <const char*> <size_t> copy.ctypes.data, copy
    s.weight_end = s.weight + <Py_ssize_t> copy.nbytes
    return True


def convolve(Convolution problem, Py_ssize_t workers):
    """Computes the record's output on `workers` threads."""
    cdef const Layer* s = &problem.layer
    cdef bint along_pixels = problem.algorithm == "pixels"
    cdef int failed = -1
    with nogil:
        if s.element == BOOL: failed = run(<vbool*> NULL, s, along_pixels, workers)
        elif s.element == UINT16: failed = run(<vint16*> NULL, s, along_pixels, workers)
        elif s.element == UINT32: failed = run(<vint32*> NULL, s, along_pixels, workers)
        elif s.element == UINT64: failed = run(<vint64*> NULL, s, along_pixels, workers)
        elif s.element == FLOAT32: failed = run(<vfloat*> NULL, s, along_pixels, workers)
        elif s.element == FLOAT64: failed = run(<vdouble*> NULL, s, along_pixels, workers)
        elif s.element == LONGDOUBLE: failed = run(<vlongdouble*> NULL, s, along_pixels, workers)
    if failed:
        raise MemoryError(f"no memory for the scratch of {workers} workers")
