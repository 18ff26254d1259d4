"""The plan of `unshared`: where banks of filters are used, how the work is cut, and a worker's scratch."""
from libc.string cimport memset

from fastconv.kernels.border cimport share, whole
from fastconv.kernels.compensated cimport K_BLOCK
from fastconv.kernels.dots cimport TERMS_OF_TILE
from fastconv.kernels.layer cimport INPUT, RESULT, WEIGHT, Banks, Layer, Pass
from fastconv.kernels.lines cimport BOOL, line_copier, line_copy, same_bits
from fastconv.kernels.patch cimport Cut, Patch, cut_of, outer_taps, patch_of, terms_of

cdef enum:
    RUN = 64                   # positions of a row that are taken together: long rows of x are read at once
    MOST_ROWS = 4              # and rows, which see much in common
    SHORT_RUN = 16             # not to be cut further for the sake of workers
    TASKS_A_WORKER = 4         # for an even split
    TERMS = 2048               # of a sum taken at once
    VECTORS = 4                # of samples side by side
    FEW_SAMPLES = 4            # whose gradient by the weight is mostly the writing of it: rows are written as they lie
    SEEN = 64 * 1024           # bytes of rows that the samples see at some positions: part of a second-level cache
    SUMS = 256 * 1024          # bytes of results, or of what they are computed from
    PATCH = 1024 * 1024        # bytes of x gathered at once: half of a second-level cache
    COPIED = 256 * 1024        # bytes of weights that are not read where they lie
    SLACK = 4096               # bytes

cdef struct Plan:
    const Layer* s
    const Banks* banks
    Pass wanted
    Py_ssize_t size            # of an element
    Py_ssize_t lanes
    Py_ssize_t planes
    Py_ssize_t samples
    Py_ssize_t outers          # output indices along the outer axes
    Py_ssize_t outer_tiles     # banks along those
    Cut cut                    # the largest part of a sum
    bint in_place              # weights are read where they lie
    bint by_samples            # vectors run along samples where there are enough of them
    bint by_positions          # vectors run along the positions of a run
    bint held                  # a gradient by the weight is added up in scratch
    bint in_blocks             # sums are cut into K blocks
    Py_ssize_t totals          # bytes of what K blocks are added up in; 0 if sums are not cut
    Py_ssize_t row             # bytes of a part's terms, in whole vectors and whole tiles, and a vector more
    Py_ssize_t samples_at_once
    Py_ssize_t alone           # samples of those, at most, that are in no vector
    Py_ssize_t filters_at_once
    Py_ssize_t run             # positions
    Py_ssize_t rows            # and rows of them that are gathered at once
    Py_ssize_t positions       # of those the ones whose rows are held at the same time
    Py_ssize_t copied          # filters whose weights are copied at once, to rows or from them
    Py_ssize_t pitch           # bytes of a sample's results of a run
    Py_ssize_t filter_blocks
    Py_ssize_t runs            # of a row of banks
    Py_ssize_t row_blocks      # of banks
    Py_ssize_t repeats         # outputs of a bank at most
    Patch patch                # of one sample
    Py_ssize_t slices          # of a patch that are transposed one after the other: channels, or all at once
    Py_ssize_t slice_bytes     # of one, in a patch
    Py_ssize_t slice_pitch     # elements of one, transposed
    line_copy copy_weights
    line_copy copy_weights_back
    line_copy copy_out
    line_copy copy_out_back

# A run of positions in a row, and the first one's bank.
cdef struct Place:
    Py_ssize_t outer           # output index along the outer axes
    Py_ssize_t row
    Py_ssize_t column
    Py_ssize_t n
    Py_ssize_t rows            # that follow each other, this one counted
    Py_ssize_t bank
    Py_ssize_t weight          # bytes

# What a worker is at, and its scratch. By positions, `rows` are vectors [vector][tile of terms][filter][term].
cdef struct Task:
    const Plan* p
    Py_ssize_t group
    Py_ssize_t filter          # the first of those computed
    Py_ssize_t filters
    Py_ssize_t sample
    Py_ssize_t samples
    Py_ssize_t vectors         # of samples; the last may have lanes to spare
    Py_ssize_t aside           # samples that are in vectors; the others follow
    Place place
    Cut cut
    Py_ssize_t done            # terms of the sum before the cut, planes counted
    Py_ssize_t patch_row       # of the place, counted from the first that was gathered
    char* patches              # of the samples that are in no vector
    char* slices               # of a patch of all that are: [sample]
    char* turned               # transposed: [element][vector][sample]
    char* seen                 # rows [position][sample][plane]
    char* weights              # rows [position][filter]
    char* sums                 # [sample][plane][position][filter] of samples in no vector
    char* sums_by_samples      # [position][filter][vector][sample]
    char* totals               # of sums and sums_by_samples, or of the rows of a gradient
    char* errors               # likewise
    char* rows                 # of a gradient: by the weight [position][filter], by the input [sample][plane]
    Py_ssize_t* lines          # where the first column of each row of the kernel is in a patch
    Py_ssize_t n_lines
    Py_ssize_t* columns        # and from there, each column
    Py_ssize_t* terms          # where each term is from a position's place in `turned` or in a patch, bytes
    bint adjacent              # columns are neighbours
    char* end


# ---------------------------------------------------------------- positions and their banks

cdef inline Py_ssize_t repeats_along(const Plan* p, int axis) noexcept nogil:
    """How often the tile comes along an axis, the last time perhaps cut off."""
    return (p.s.out_size[axis] + p.banks.tiles[axis] - 1) // p.banks.tiles[axis]


cdef inline bint find_place(const Plan* p, Py_ssize_t bank_row, Py_ssize_t first, Py_ssize_t repeat,
                            Place* at) noexcept nogil:
    """Where banks `first` and on of a row of banks are used for the repeat-th time; False if that is cut off."""
    cdef int axis = p.s.rank - 1
    cdef Py_ssize_t tile = p.banks.tiles[axis], step = 1, n, o
    cdef bint inside = True
    at.bank = bank_row * tile + first
    at.weight = first * p.banks.weight_tile[axis]
    at.outer = at.row = 0
    at.column = repeat % repeats_along(p, axis) * tile + first
    at.n = min(min(p.run, tile - first), p.s.out_size[axis] - at.column)
    repeat //= repeats_along(p, axis)
    for axis in range(p.s.rank - 2, -1, -1):
        n = repeats_along(p, axis)
        o = repeat % n * p.banks.tiles[axis] + bank_row % p.banks.tiles[axis]
        at.weight += bank_row % p.banks.tiles[axis] * p.banks.weight_tile[axis]
        inside = inside and o < p.s.out_size[axis]
        if axis == p.s.rank - 2:
            at.row = o
            at.rows = min(min(p.rows, p.banks.tiles[axis] - bank_row % p.banks.tiles[axis]), p.s.out_size[axis] - o)
        else:
            at.outer += o * step
            step *= p.s.out_size[axis]
        repeat //= n
        bank_row //= p.banks.tiles[axis]
    return inside and at.n > 0


cdef inline void next_row(const Plan* p, Place* at) noexcept nogil:
    """Of the rows of the place."""
    at.rows -= 1
    at.row += 1
    at.bank += p.banks.tiles[p.s.rank - 1]
    at.weight += p.banks.weight_tile[p.s.rank - 2]


cdef inline Py_ssize_t first_bank_row(const Plan* p, Py_ssize_t block) noexcept nogil:
    """Of a block of rows of banks."""
    cdef Py_ssize_t rows = p.banks.tiles[p.s.rank - 2], blocks = (rows + p.rows - 1) // p.rows
    return block // blocks * rows + block % blocks * p.rows


cdef inline Py_ssize_t bank_row_of(const Plan* p, Py_ssize_t outer, Py_ssize_t row,
                                   Py_ssize_t* repeat) noexcept nogil:
    """The row of banks of a row of outputs, and sets which time it comes, for the first column."""
    cdef int axis
    cdef Py_ssize_t bank_row = 0, step = 1, times = repeats_along(p, p.s.rank - 1), o = row
    repeat[0] = 0
    for axis in range(p.s.rank - 2, -1, -1):
        if axis < p.s.rank - 2:
            o = outer % p.s.out_size[axis]
            outer //= p.s.out_size[axis]
        bank_row += o % p.banks.tiles[axis] * step
        step *= p.banks.tiles[axis]
        repeat[0] += o // p.banks.tiles[axis] * times
        times *= repeats_along(p, axis)
    return bank_row


# ---------------------------------------------------------------- samples
# Where a vector would be filled to a quarter, it pays: its lanes share the work of loading weights, and nothing is
# copied row by row.

cdef inline Py_ssize_t vectors_of(const Plan* p, Py_ssize_t samples) noexcept nogil:
    return (samples + p.lanes - (p.lanes + 3) // 4) // p.lanes if p.by_samples else 0


cdef inline bint next_samples(Task* t, Py_ssize_t repeat) noexcept nogil:
    """Of a repeat of the tile; False if there are no more."""
    t.sample += t.samples
    t.samples = min(t.p.samples_at_once, t.p.samples - t.sample)
    if t.p.wanted == WEIGHT and t.p.totals:    # K blocks, which begin anywhere in a repeat, have whole ones
        t.samples = min(t.samples, K_BLOCK - (repeat * t.p.samples + t.sample) % K_BLOCK)
    t.vectors = vectors_of(t.p, t.samples)
    t.aside = min(t.samples, t.vectors * t.p.lanes)
    return t.samples > 0


# ---------------------------------------------------------------- the plan

cdef inline bint lie_in_order(const Layer* s, Py_ssize_t size) noexcept nogil:
    """Whether a filter's weights are what is computed with, in the order of the sum, without gaps."""
    cdef int axis
    cdef Py_ssize_t step = size * s.planes
    for axis in range(s.rank - 1, -1, -1):
        if s.kernel_size[axis] > 1 and s.weight_stride[axis] != step:
            return False
        step *= s.kernel_size[axis]
    return (same_bits(s.weight_element, s.element) and s.element != BOOL    # a boolean may be any byte
            and (s.channels == 1 or s.weight_channel == step) and s.weight_plane == size)


cdef inline void take_samples(Plan* p, Py_ssize_t samples) noexcept nogil:
    """At once; whole vectors of them if there are as many."""
    if p.by_samples and samples > p.lanes:
        samples = whole(samples, p.lanes)
    p.samples_at_once = samples
    p.alone = min(samples, (p.lanes + 3) // 4 - 1) if p.by_samples else samples


cdef inline Py_ssize_t whole_samples(const Plan* p) noexcept nogil:
    """Lanes of the vectors of samples."""
    return whole(p.samples_at_once, p.lanes) if p.by_samples else 0


cdef inline Py_ssize_t turned_bytes(const Plan* p) noexcept nogil:
    return whole_samples(p) * (p.slices * p.slice_pitch + p.lanes) * p.size


cdef inline Py_ssize_t run_pitch(const Plan* p) noexcept nogil:
    """Positions of a run, or the lanes of their vectors."""
    return whole(p.run, p.lanes) if p.by_positions else p.run


cdef inline bint all_banks_once(const Plan* p) noexcept nogil:
    cdef int axis
    for axis in range(p.s.rank):
        if p.banks.tiles[axis] != p.s.out_size[axis]:
            return False
    return True


cdef inline Py_ssize_t held_bytes(const Plan* p) noexcept nogil:
    """Of a gradient by the weight."""
    if not p.held:
        return 0
    if p.by_positions:
        return run_pitch(p) * p.filters_at_once * whole(terms_of(&p.cut), TERMS_OF_TILE) * p.size
    return p.run * p.filters_at_once * p.row


cdef inline void lay_out(Plan* p) noexcept nogil:
    p.row = whole(terms_of(&p.cut), max(p.lanes, TERMS_OF_TILE)) * p.size + p.size * p.lanes
    p.patch = patch_of(p.s, p.size, &p.cut, p.rows, p.run, p.by_positions, False)
    p.patch.padded = False
    p.patch.item_pitch |= 64    # an odd number of cache lines: samples do not fall into one set of the cache
    p.slices = 1 if p.patch.channels_inner else p.cut.channels
    p.slice_bytes = p.patch.item_pitch if p.patch.channels_inner else p.patch.channel_pitch
    # odd: the channels of a pixel do not fall into one set of the cache
    p.slice_pitch = p.cut.outers * p.patch.outer_pitch // p.size | 1
    p.pitch = whole(run_pitch(p) * p.filters_at_once * p.size, 64) + 64
    p.held = p.wanted == WEIGHT and (not p.by_positions or p.samples > p.samples_at_once or not all_banks_once(p)
                                     or p.in_blocks)
    p.totals = 0
    if p.in_blocks:
        p.totals = (held_bytes(p) if p.wanted == WEIGHT else p.alone * p.planes * p.row if p.wanted == INPUT
                    else (p.alone * p.planes + whole_samples(p)) * p.pitch)
    p.row_blocks = (p.banks.tiles[p.s.rank - 2] + p.rows - 1) // p.rows * p.outer_tiles
    p.runs = (p.banks.tiles[p.s.rank - 1] + p.run - 1) // p.run
    p.filter_blocks = (p.s.filters + p.filters_at_once - 1) // p.filters_at_once


cdef inline bint too_large(const Plan* p) noexcept nogil:
    """Whether a worker's scratch is."""
    return ((p.alone * p.planes + whole_samples(p)) * p.pitch > SUMS
            or held_bytes(p) > SUMS
            or p.wanted != INPUT and p.alone * p.patch.item_pitch > PATCH
            or p.by_samples and max(p.samples_at_once * p.slice_bytes, turned_bytes(p)) > PATCH)


cdef inline void fit(Plan* p) noexcept nogil:
    """Fewer positions at once until scratch is small enough; then fewer filters, if they are apart; then samples."""
    lay_out(p)
    while too_large(p):
        if p.rows > 1 and p.run <= 8 * p.rows:
            p.rows = (p.rows + 1) // 2
        elif p.run > 1:
            p.run = (p.run + 1) // 2
        elif p.filters_at_once > 1 and p.wanted != INPUT:
            p.filters_at_once = (p.filters_at_once + 1) // 2
        elif p.samples_at_once > 1:
            take_samples(p, (p.samples_at_once + 1) // 2)
        else:
            return
        lay_out(p)


cdef inline Py_ssize_t inputs_apart(const Plan* p) noexcept nogil:
    """Parts of the input whose gradients have no sums in common."""
    return (p.s.groups * ((p.s.channels * p.planes + p.cut.channels - 1) // p.cut.channels)
            * ((p.samples + p.samples_at_once - 1) // p.samples_at_once))


cdef inline Py_ssize_t tasks(const Plan* p) noexcept nogil:
    if p.wanted == INPUT:
        return inputs_apart(p)
    return p.s.groups * p.filter_blocks * p.row_blocks * p.runs


cdef inline void count(Plan* p) noexcept nogil:
    """Samples, rows of banks, and how often they come."""
    cdef int axis
    p.samples = p.outers = p.outer_tiles = p.repeats = 1
    for axis in range(p.s.leading):
        p.samples *= p.s.leading_size[axis]
    for axis in range(p.s.rank):
        p.repeats *= repeats_along(p, axis)
        if axis < p.s.rank - 2:
            p.outers *= p.s.out_size[axis]
            p.outer_tiles *= p.banks.tiles[axis]


cdef inline Py_ssize_t taps_of(const Layer* s) noexcept nogil:
    return outer_taps(s) * s.kernel_size[s.rank - 2] * s.kernel_size[s.rank - 1]


cdef inline void divide(Plan* p, Py_ssize_t workers) noexcept nogil:
    """Samples, filters, positions and channels at once."""
    cdef Py_ssize_t most
    p.filters_at_once, p.run, p.rows = max(1, p.s.filters), min(RUN, p.banks.tiles[p.s.rank - 1]), 1
    if p.wanted == RESULT and terms_of(&p.cut) == p.s.channels * p.planes * taps_of(p.s):
        p.rows = min(MOST_ROWS, p.banks.tiles[p.s.rank - 2])    # else the sums of all rows would wait for their parts
    take_samples(p, 1)
    lay_out(p)
    most = max(1, SEEN // (p.row * p.planes))
    take_samples(p, share(p.samples, max(most, VECTORS * p.lanes) if p.by_samples or p.by_positions else most))
    while p.wanted == INPUT and p.cut.channels > p.planes and inputs_apart(p) < workers:
        p.cut.channels = share(p.s.channels, p.cut.channels // p.planes // 2) * p.planes
    fit(p)
    while p.wanted != INPUT and workers > 1 and tasks(p) < TASKS_A_WORKER * workers:
        if p.rows > 1:
            p.rows = (p.rows + 1) // 2
        elif p.run > SHORT_RUN:
            p.run = (p.run + 1) // 2
        else:
            return
        fit(p)


cdef inline Plan planned(const Layer* s, Pass wanted, Py_ssize_t size, Py_ssize_t lanes, bint rounded, bint across,
                         Py_ssize_t workers) noexcept nogil:
    """For elements of a size, whose sums are `rounded` or not, and in vectors that can be added `across` or not."""
    cdef Plan p
    memset(&p, 0, sizeof(p))
    p.s, p.banks, p.wanted, p.planes = s, &s.banks, wanted, s.planes
    p.size, p.lanes = size, lanes
    p.by_samples = wanted == RESULT and across and s.planes == 1
    p.cut = cut_of(s, TERMS)
    count(&p)
    if wanted == RESULT:    # parts of integer sums are added likewise
        p.in_blocks = terms_of(&p.cut) < s.channels * p.planes * taps_of(s)
    elif wanted == WEIGHT:
        p.in_blocks = rounded and p.samples * p.repeats > K_BLOCK
    else:
        p.in_blocks = rounded and s.filters > K_BLOCK
    p.by_positions = (wanted == WEIGHT and across and s.planes == 1 and p.samples >= FEW_SAMPLES
                      and 4 * s.banks.tiles[s.rank - 1] >= p.lanes)
    divide(&p, workers)
    p.in_place = wanted != WEIGHT and lie_in_order(s, p.size)
    p.positions = max(1, min(p.run, SEEN // max(1, p.alone * p.planes * p.row))) if wanted == RESULT else 1
    if p.by_positions:
        p.positions = p.lanes
    p.copied = p.filters_at_once
    if not p.in_place:
        if wanted == RESULT:
            p.positions = max(1, min(p.positions, COPIED // (p.filters_at_once * p.row)))
        p.copied = max(1, min(p.copied, COPIED // (p.positions * p.row)))
    p.copy_weights = line_copier(s.weight_element, s.element)
    p.copy_weights_back = line_copier(s.element, s.weight_element)
    p.copy_out, p.copy_out_back = line_copier(s.element, s.out_element), line_copier(s.out_element, s.element)
    return p


cdef inline Task laid_out(const Plan* p, char* memory) noexcept nogil:
    """A worker's scratch."""
    cdef Task t
    cdef Py_ssize_t alone = p.alone * p.planes, terms = terms_of(&p.cut)
    memset(&t, 0, sizeof(t))
    t.p, t.patches = p, memory
    t.slices = t.patches + (0 if p.wanted == INPUT else whole(p.alone * p.patch.item_pitch, 64))
    t.turned = t.slices + (p.samples_at_once * p.slice_bytes if p.by_samples else 0)
    t.seen = t.turned + (turned_bytes(p) if p.by_samples else 0)
    t.weights = t.seen + whole((0 if p.wanted == INPUT else p.positions) * alone * p.row, 64) + SLACK
    t.sums = t.weights + (0 if p.in_place else whole(p.positions * p.copied * p.row, 64))
    t.sums_by_samples = t.sums + alone * p.pitch
    t.totals = t.sums_by_samples + whole_samples(p) * p.pitch
    t.errors = t.totals + p.totals
    t.rows = t.errors + p.totals
    t.lines = <Py_ssize_t*> (t.rows + whole(alone * p.row if p.wanted == INPUT else held_bytes(p), 64) + 64)
    t.columns = t.lines + terms
    t.terms = t.columns + terms
    t.end = <char*> (t.terms + terms + TERMS_OF_TILE) + SLACK
    return t
