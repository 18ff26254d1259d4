"""A layer whose filters change with the position, and its gradients.

    out[n, f, o] = activation(bias[f] + sum over t of seen[n, o, t] * weight[b(o), f, t])

b(o) is o % tiles, axis by axis; t runs over the channels and, within each, over the taps of the kernel, in the order of
the weights in memory. seen[n, o, t] is x where the window of output o has its element t (see patch.pxd).

At each position this is a product of matrices, what the samples see by the filters of its bank, and so are both
gradients. Weights are what there is most of: each is read once, where it lies, for all samples.

    result   out = seen * weight'            of a run of outputs: filters of a bank, and of its neighbours
    weight   weight = out' * seen            of a run of banks
    input    seen = out * weight             of all outputs, added to where x was seen, for some channels

A complex weight is a pair, so that a row of them has twice the terms; a complex sample is two real ones. It is seen as
(re, -im), whose product with the pairs is the real part of the result, and as (im, re), which gives the imaginary part.
The same two give the gradients: by the weight with x conjugated, by the input with the weight conjugated.

Bits: a sum over t is added up in lanes (see dots.pxd); where there are enough samples, vectors run along samples, and
what would be a lane is a vector of them: the same sums. Parts of a long sum, K blocks, are added to totals one after
the other, with compensation (see compensated.pxd); a sum over samples or filters is made in their order, and cut into K
blocks, too. Nothing depends on batch, blocks or workers.
"""
from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from fastconv.kernels.banks cimport (
    Plan, Task, bank_row_of, find_place, first_bank_row, held_bytes, laid_out, next_row, next_samples, planned,
    run_pitch, tasks,
)
from fastconv.kernels.blocks cimport aligned
from fastconv.kernels.border cimport whole
from fastconv.kernels.compensated cimport K_BLOCK, add_block, compensate, rounds
from fastconv.kernels.dots cimport (
    MAX_SUMS, TERMS_OF_TILE, combine_rows, dot, dot_by_samples, filters_of_tile, multiply_pairs, rows_by_samples,
    samples_of_tile, sums_of_tile, vectors_of_tile,
)
from fastconv.kernels.layer cimport INPUT, WEIGHT, Convolution, Layer, Pass
from fastconv.kernels.lines cimport (
    BOOL, FLOAT32, FLOAT64, LONGDOUBLE, UINT16, UINT32, UINT64,
)
from fastconv.kernels.patch cimport item_origin, next_cut, next_taps, outer_origin, terms_of
from fastconv.kernels.results cimport finish, move_results, store_by_samples
from fastconv.kernels.seen cimport gather_samples, position_offset, see, turn_rows
from fastconv.kernels.simd cimport (
    V, add_elements, adds_across, element_size, vbool, vdouble, vfloat, vint16, vint32, vint64, vlongdouble,
)
from fastconv.kernels.weights cimport tap_origin


# ---------------------------------------------------------------- weights

# Rows of weights of some filters at some positions.
cdef struct Rows:
    const char* first
    Py_ssize_t by_position     # bytes
    Py_ssize_t by_filter
    const char* end            # of what may be read


cdef inline char* weights_at(const Task* t, Py_ssize_t position, Py_ssize_t filter) noexcept nogil:
    """In memory: the first of a filter of a position's bank, that the cut begins with."""
    cdef const Layer* s = t.p.s
    return <char*> (tap_origin(s, &t.cut, 0, 0, 0) + t.cut.channel // s.planes * s.weight_channel
                    + t.place.weight + position * t.p.banks.weight_tile[s.rank - 1]
                    + t.group * s.weight_group + filter * s.weight_filter)


cdef void copy_filter(const Task* t, const char* at, char* to) noexcept nogil:
    """A filter's part of the sum, in the order of its terms."""
    cdef const Plan* p = t.p
    cdef const Layer* s = p.s
    cdef Py_ssize_t c, outer, row, plane
    cdef const char* origin = tap_origin(s, &t.cut, 0, 0, 0)
    cdef const char* line
    for c in range(t.cut.channels // p.planes):
        for outer in range(t.cut.outers):
            for row in range(t.cut.rows):
                line = at + c * s.weight_channel + (tap_origin(s, &t.cut, outer, row, 0) - origin)
                for plane in range(p.planes):
                    p.copy_weights(to + plane * p.size, p.planes * p.size, line + plane * s.weight_plane,
                                   s.weight_stride[s.rank - 1], t.cut.columns)
                to += t.cut.columns * p.planes * p.size


cdef Rows rows_of(const Task* t, Py_ssize_t position, Py_ssize_t positions, Py_ssize_t filter,
                  Py_ssize_t n) noexcept nogil:
    """Those of n filters from `filter` on: where they lie, or copied."""
    cdef Py_ssize_t q, f, row = t.p.row
    if t.p.in_place:
        return Rows(weights_at(t, position, filter), t.p.banks.weight_tile[t.p.s.rank - 1], t.p.s.weight_filter,
                    t.p.s.weight_end)
    for q in range(positions):
        for f in range(n):
            copy_filter(t, weights_at(t, position + q, filter + f), t.weights + (q * n + f) * row)
    return Rows(t.weights, n * row, row, t.end)


# ---------------------------------------------------------------- the layer

cdef void store(V* like, const Task* t) noexcept nogil:
    finish(like, t)
    store_by_samples(like, t)
    move_results(t, False)


cdef inline void sum_rows(V* like, const Task* t, const Rows* w, Py_ssize_t first, Py_ssize_t positions,
                          Py_ssize_t filter, Py_ssize_t filters, Py_ssize_t sample, Py_ssize_t stop, const int rows,
                          const int samples) noexcept nogil:
    """A part of the sums of some filters at some positions, for samples up to `stop`, planes counted."""
    cdef const Plan* p = t.p
    cdef const char* weights[MAX_SUMS]
    cdef const char* seen[MAX_SUMS]
    cdef Py_ssize_t n = positions * filters, i = 0, q = 0, f = 0, k, bytes = terms_of(&t.cut) * p.size
    cdef Py_ssize_t held = (t.samples - t.aside) * p.planes * p.row
    cdef char* to = t.sums + (first * t.filters + filter - t.filter) * p.size
    cdef int r
    while i < n:
        for r in range(rows):
            weights[r] = w.first + q * w.by_position + f * w.by_filter
            seen[r] = t.seen + q * held + sample * p.row
            if i + r < n - 1:    # else the last one again
                f += 1
                if f == filters:
                    f = 0
                    q += 1
        k = sample
        while k < stop:
            dot(like, to + k * p.pitch + i * p.size, p.pitch, weights, seen, p.row, bytes, w.end, min(rows, n - i),
                rows, samples)
            for r in range(rows):
                seen[r] += samples * p.row
            k += samples
        i += rows


cdef inline void sum_vectors(V* like, const Task* t, const char* weights, Py_ssize_t by_filter, const char* ahead,
                             const char* seen, char* to, Py_ssize_t filters, const int vectors) noexcept nogil:
    """A part of the sums of some filters for some vectors of samples. `ahead` are the weights that come next."""
    cdef Py_ssize_t f = 0, pitch = t.vectors * sizeof(V), n = terms_of(&t.cut), rows = rows_by_samples(vectors)
    cdef const char* following
    while f < filters:
        if f + rows >= filters:
            following = ahead
        else:
            following = weights + (f + rows) * by_filter
        dot_by_samples(like, to + f * pitch, pitch, weights + f * by_filter, by_filter, seen, t.terms, n, filters - f,
                       following, <int> min(MAX_SUMS, sizeof(V) // element_size(like)),
                       <int> rows_by_samples(vectors), vectors)
        f += rows


cdef void sum_by_samples(V* like, const Task* t, const Rows* w, Py_ssize_t first, Py_ssize_t positions,
                         Py_ssize_t filter, Py_ssize_t filters) noexcept nogil:
    """A part of the sums of some filters at some positions, for all vectors of samples."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t q, v, n
    cdef const char* weights
    cdef const char* seen
    cdef char* to
    for q in range(positions):
        weights, v = w.first + q * w.by_position, 0
        seen = t.turned + position_offset(t, first + q) * t.vectors * p.lanes
        to = t.sums_by_samples + ((first + q) * t.filters + filter - t.filter) * t.vectors * sizeof(V)
        while v < t.vectors:
            n = vectors_of_tile(t.vectors - v)
            if n == 4:
                sum_vectors(like, t, weights, w.by_filter, weights + w.by_position, seen, to, filters, 4)
            elif n == 2:
                sum_vectors(like, t, weights, w.by_filter, weights + w.by_position, seen, to, filters, 2)
            else:
                sum_vectors(like, t, weights, w.by_filter, weights + w.by_position, seen, to, filters, 1)
            seen += n * sizeof(V)
            to += n * sizeof(V)
            v += n


cdef void sum_positions(V* like, const Task* t, Py_ssize_t first, Py_ssize_t positions) noexcept nogil:
    """A part of the sums of all filters at some positions."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t q, f = t.filter, n, alone = (t.samples - t.aside) * p.planes, many = samples_of_tile(like)
    cdef Rows w
    if alone:
        for q in range(positions):
            see(like, t, first + q, t.seen + q * alone * p.row)
    while f < t.filter + t.filters:
        n = min(p.copied, t.filter + t.filters - f)
        w = rows_of(t, first, positions, f, n)
        if t.vectors:
            sum_by_samples(like, t, &w, first, positions, f, n)
        sum_rows(like, t, &w, first, positions, f, n, 0, alone - alone % many,
                 <int> (sums_of_tile(like) // samples_of_tile(like)), <int> samples_of_tile(like))
        sum_rows(like, t, &w, first, positions, f, n, alone - alone % many, alone, <int> sums_of_tile(like), 1)
        f += n


cdef void sum_run(V* like, const Task* t) noexcept nogil:
    """A part of the sums of a run."""
    cdef Py_ssize_t q = 0
    while q < t.place.n:
        sum_positions(like, t, q, min(t.p.positions, t.place.n - q))
        q += t.p.positions


# ---------------------------------------------------------------- totals, of what sums hold

cdef inline void add_sums(V* like, const Task* t, char* sums, bint first) noexcept nogil:
    """Adds the sums of a K block to the totals."""
    cdef Py_ssize_t n = t.p.totals // <Py_ssize_t> sizeof(V)
    if first:
        memcpy(t.totals, sums, t.p.totals)
        memset(t.errors, 0, t.p.totals)
    else:
        add_block(<V*> t.totals, <V*> t.errors, <const V*> sums, n)


cdef inline void take_totals(V* like, const Task* t, char* sums) noexcept nogil:
    """What they add up to, in place of the sums."""
    compensate(<V*> t.totals, <const V*> t.errors, t.p.totals // <Py_ssize_t> sizeof(V))
    memcpy(sums, t.totals, t.p.totals)


cdef void sum_place(V* like, Task* t) noexcept nogil:
    """All sums of a run, in one row after the other, or part by part."""
    cdef bint more = True
    t.cut, t.done = t.p.cut, 0
    while more:
        gather_samples(like, t)
        t.patch_row = 0
        sum_run(like, t)
        while t.place.rows > 1:
            store(like, t)
            next_row(t.p, &t.place)
            t.patch_row += 1
            sum_run(like, t)
        if t.p.totals:
            add_sums(like, t, t.sums, t.done == 0)
        t.done += terms_of(&t.cut)
        more = next_cut(t.p.s, &t.p.cut, &t.cut)
    if t.p.totals:
        take_totals(like, t, t.sums)
    store(like, t)


cdef void compute_result(V* like, Task* t, Py_ssize_t bank_row, Py_ssize_t first) noexcept nogil:
    """Wherever a run of banks is used."""
    cdef Py_ssize_t repeat
    for repeat in range(t.p.repeats):
        t.sample = t.samples = 0
        while next_samples(t, repeat) and find_place(t.p, bank_row, first, repeat, &t.place):
            sum_place(like, t)


# ---------------------------------------------------------------- the gradient by the weight

cdef void add_rows_of_run(V* like, const Task* t) noexcept nogil:
    """What the samples add to the rows of a run of banks."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t q, samples = t.samples * p.planes
    for q in range(t.place.n):
        see(like, t, q, t.seen)
        combine_rows(like, t.rows + q * t.filters * p.row, p.row, t.filters, t.sums + q * t.filters * p.size, p.size,
                     p.pitch, t.seen, p.row, samples, terms_of(&t.cut) * p.size, t.end, True)


cdef void store_rows(const Task* t, const char* rows, Py_ssize_t position, Py_ssize_t positions, Py_ssize_t filter,
                     Py_ssize_t filters) noexcept nogil:
    """To the banks."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t q, f
    for q in range(positions):
        for f in range(filters):
            p.copy_weights_back(weights_at(t, position + q, t.filter + filter + f), p.s.weight_plane, rows, p.size,
                                terms_of(&t.cut))
            rows += p.row


cdef inline Py_ssize_t tiles_of_terms(const Task* t) noexcept nogil:
    return (terms_of(&t.cut) + TERMS_OF_TILE - 1) // TERMS_OF_TILE


cdef inline V* held_sums(V* like, const Task* t, Py_ssize_t position, Py_ssize_t filter,
                         Py_ssize_t tile) noexcept nogil:
    """Where sums wait for those of other samples."""
    return <V*> t.rows + ((position // t.p.lanes * tiles_of_terms(t) + tile) * t.filters + filter) * TERMS_OF_TILE


cdef inline void turn_terms(V* like, const Task* t, const V* sums, char* row, Py_ssize_t by_position) noexcept nogil:
    """A tile's terms of one filter at a vector of positions, to rows."""
    cdef Py_ssize_t size = element_size(like), q
    cdef V turned[8]
    turn_rows(turned, <const char*> sums, TERMS_OF_TILE, sizeof(V))
    for q in range(t.p.lanes):
        memcpy(row + q * by_position, <char*> turned + TERMS_OF_TILE * q * size, TERMS_OF_TILE * size)


cdef inline void sum_terms(V* like, const Task* t, Py_ssize_t position, Py_ssize_t filter, Py_ssize_t term, char* rows,
                           Py_ssize_t by_position, const int filters) noexcept nogil:
    """A tile of the gradient: some terms of some filters at a vector of positions, added to those held, or to rows."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t by_filter = run_pitch(p) * p.size, inside = min(p.lanes, t.place.n - position) * p.size
    cdef V sums[MAX_SUMS]
    cdef V* held = held_sums(like, t, position, filter, term // TERMS_OF_TILE) if p.held else sums
    cdef int i
    if p.held:
        memcpy(sums, held, filters * TERMS_OF_TILE * sizeof(V))
    multiply_pairs(sums, p.held, t.sums + filter * by_filter + position * p.size, by_filter, p.pitch,
                   t.patches + position * p.size, t.terms + term, p.patch.item_pitch, t.samples, filters)
    if p.held:
        for i in range(filters * TERMS_OF_TILE):    # banks beyond the border keep theirs
            memcpy(held + i, sums + i, inside)
    else:
        for i in range(filters):
            turn_terms(like, t, sums + i * TERMS_OF_TILE, rows + i * p.row, by_position)


cdef void add_vector(V* like, const Task* t, Py_ssize_t position, Py_ssize_t filter, Py_ssize_t n) noexcept nogil:
    """What the samples add to n filters of the banks at a vector of positions. What is not held is stored."""
    cdef Py_ssize_t i, term, f, most = filters_of_tile(), size = t.p.size, row = t.p.row
    for i in range(tiles_of_terms(t)):
        term, f = i * TERMS_OF_TILE, 0
        while f + most <= n:
            sum_terms(like, t, position, filter + f, term, t.weights + f * row + term * size, n * row,
                      <int> filters_of_tile())
            f += most
        if f < n:
            sum_terms(like, t, position, filter + f, term, t.weights + f * row + term * size, n * row, 1)
    if not t.p.held:
        store_rows(t, t.weights, position, min(t.p.lanes, t.place.n - position), filter, n)


cdef void store_vector(V* like, const Task* t, Py_ssize_t position, Py_ssize_t positions, Py_ssize_t filter,
                       Py_ssize_t n) noexcept nogil:
    """What was held."""
    cdef Py_ssize_t i, f
    for i in range(tiles_of_terms(t)):
        for f in range(n):
            turn_terms(like, t, held_sums(like, t, position, filter + f, i),
                       t.weights + f * t.p.row + i * TERMS_OF_TILE * t.p.size, n * t.p.row)
    store_rows(t, t.weights, position, positions, filter, n)


cdef void add_by_positions(V* like, const Task* t, Py_ssize_t banks, bint finished) noexcept nogil:
    """What the samples add to the banks of a run, a vector of positions at a time; or stores what was held."""
    cdef Py_ssize_t q = 0, f, n
    while q < banks:
        f = 0
        while f < t.filters:
            n = min(t.p.copied, t.filters - f)
            if finished:
                store_vector(like, t, q, min(t.p.lanes, banks - q), f, n)
            else:
                add_vector(like, t, q, f, n)
            f += n
        q += t.p.lanes


cdef void compute_weight(V* like, Task* t, Py_ssize_t bank_row, Py_ssize_t first) noexcept nogil:
    """The gradient by a run of banks."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t repeat, blocks, banks = min(p.run, p.banks.tiles[p.s.rank - 1] - first)
    cdef bint more = True
    t.cut, t.done = p.cut, 0
    while more:
        memset(t.rows, 0, held_bytes(p))
        blocks = 0
        for repeat in range(p.repeats):
            t.sample = t.samples = 0
            while next_samples(t, repeat) and find_place(p, bank_row, first, repeat, &t.place):
                if p.totals and (repeat * p.samples + t.sample) // K_BLOCK > blocks:
                    add_sums(like, t, t.rows, blocks == 0)
                    memset(t.rows, 0, p.totals)
                    blocks = (repeat * p.samples + t.sample) // K_BLOCK
                gather_samples(like, t)
                move_results(t, True)
                if p.by_positions:
                    add_by_positions(like, t, t.place.n, False)
                else:
                    add_rows_of_run(like, t)
        if p.totals:
            add_sums(like, t, t.rows, blocks == 0)
            take_totals(like, t, t.rows)
        if p.held:
            find_place(p, bank_row, first, 0, &t.place)
            if p.by_positions:
                add_by_positions(like, t, banks, True)
            else:
                store_rows(t, t.rows, 0, banks, 0, t.filters)
        more = next_cut(p.s, &p.cut, &t.cut)


# ---------------------------------------------------------------- the gradient by the input

cdef inline void join_pairs(V* like, char* a, const char* b, Py_ssize_t n) noexcept nogil:
    """From the products of weights with the real and with the imaginary parts to those of the conjugates."""
    cdef Py_ssize_t i
    for i in range(n // 2):
        if V is vfloat:
            (<float*> a)[2 * i] += (<const float*> b)[2 * i + 1]
            (<float*> a)[2 * i + 1] = (<const float*> b)[2 * i] - (<float*> a)[2 * i + 1]
        elif V is vdouble:
            (<double*> a)[2 * i] += (<const double*> b)[2 * i + 1]
            (<double*> a)[2 * i + 1] = (<const double*> b)[2 * i] - (<double*> a)[2 * i + 1]
        elif V is vlongdouble:
            (<long double*> a)[2 * i] += (<const long double*> b)[2 * i + 1]
            (<long double*> a)[2 * i + 1] = (<const long double*> b)[2 * i] - (<long double*> a)[2 * i + 1]


cdef inline void add_line(V* like, const Task* t, char* x, Py_ssize_t position, const char* line) noexcept nogil:
    """A row of the kernel to a row of x; what falls on the border is dropped."""
    cdef const Plan* p = t.p
    cdef int axis = p.s.rank - 1
    cdef Py_ssize_t size = element_size(like), d = p.s.dilation[axis], n = p.s.x_size[axis], plane
    cdef Py_ssize_t start = (t.place.column + position) * p.s.stride[axis] + t.cut.column * d - p.s.offset[axis]
    cdef Py_ssize_t low = min(t.cut.columns, (-start + d - 1) // d) if start < 0 else 0
    cdef Py_ssize_t high = min(t.cut.columns, (n - start + d - 1) // d) if start < n else 0
    for plane in range(p.planes):
        add_elements(like, x + (start + low * d) * p.s.x_stride[axis] + plane * p.s.x_plane, d * p.s.x_stride[axis],
                     line + (low * p.planes + plane) * size, p.planes * size, high - low)


cdef void add_rows(V* like, const Task* t, Py_ssize_t position) noexcept nogil:
    """The samples' rows of a position to where they saw x."""
    cdef const Plan* p = t.p
    cdef const Layer* s = p.s
    cdef int axis = s.rank - 2
    cdef Py_ssize_t i, c, outer, row, y, item, way = 0
    cdef const char* line
    cdef char* x
    for i in range(t.samples):
        line, item = t.rows + i * p.planes * p.row, (t.sample + i) * p.outers + t.place.outer
        if p.planes == 2:
            join_pairs(like, <char*> line, line + p.row, terms_of(&t.cut))
        for c in range(t.cut.channel // p.planes, (t.cut.channel + t.cut.channels) // p.planes):
            x = <char*> item_origin(s, item) + t.group * s.x_group + c * s.x_channel
            for outer in range(t.cut.outer, t.cut.outer + t.cut.outers):
                for row in range(t.cut.row, t.cut.row + t.cut.rows):
                    y = t.place.row * s.stride[axis] + row * s.dilation[axis] - s.offset[axis]
                    if 0 <= y < s.x_size[axis] and outer_origin(s, item, outer, &way):
                        add_line(like, t, x + way + y * s.x_stride[axis], position, line)
                    line += t.cut.columns * p.planes * p.size


cdef void spread_position(V* like, Task* t, Py_ssize_t position) noexcept nogil:
    """What a position tells the inputs that it saw, of some channels."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t f, n
    cdef Rows w
    cdef bint more = True
    while more:
        f = 0
        while f < t.filters:
            n = min(p.copied, t.filters - f)
            if p.totals:
                n = min(n, K_BLOCK - f % K_BLOCK)
            w = rows_of(t, position, 1, f, n)
            combine_rows(like, t.rows, p.row, t.samples * p.planes, t.sums + (position * t.filters + f) * p.size,
                         p.pitch, p.size, w.first, w.by_filter, n, terms_of(&t.cut) * p.size, w.end,
                         f % K_BLOCK > 0 if p.totals else f > 0)
            f += n
            if p.totals and (f % K_BLOCK == 0 or f == t.filters):
                add_sums(like, t, t.rows, f <= K_BLOCK)
        if p.totals:
            take_totals(like, t, t.rows)
        add_rows(like, t, position)
        more = next_taps(p.s, &p.cut, &t.cut)


cdef void compute_input(V* like, Task* t, Py_ssize_t channel) noexcept nogil:
    """The gradient by some channels of some samples: one position after the other adds its share."""
    cdef const Plan* p = t.p
    cdef int axis = p.s.rank - 1
    cdef Py_ssize_t outer, row, column, tile = p.banks.tiles[axis], repeat = 0, bank_row, q
    t.cut = p.cut
    t.cut.channel, t.cut.channels = channel, min(p.cut.channels, p.s.channels * p.planes - channel)
    for outer in range(p.outers):
        for row in range(p.s.out_size[axis - 1]):
            bank_row, column = bank_row_of(p, outer, row, &repeat), 0
            while column < p.s.out_size[axis]:
                find_place(p, bank_row, column % tile, repeat + column // tile, &t.place)
                move_results(t, True)
                for q in range(t.place.n):
                    spread_position(like, t, q)
                column += t.place.n


# ---------------------------------------------------------------- the pieces of work

cdef void compute_task(V* like, const Plan* p, Py_ssize_t index, char* memory) noexcept nogil:
    cdef Task t = laid_out(p, memory)
    cdef Py_ssize_t n = (p.s.channels * p.planes + p.cut.channels - 1) // p.cut.channels
    if p.wanted == INPUT:
        t.filters, t.group = p.s.filters, index // n % p.s.groups
        t.sample = index // n // p.s.groups * p.samples_at_once
        t.samples = min(p.samples_at_once, p.samples - t.sample)
        compute_input(like, &t, index % n * p.cut.channels)
        return
    n = index // p.runs // p.row_blocks
    t.filter, t.group = n % p.filter_blocks * p.filters_at_once, n // p.filter_blocks
    t.filters = min(p.filters_at_once, p.s.filters - t.filter)
    if p.wanted == WEIGHT:
        compute_weight(like, &t, first_bank_row(p, index // p.runs % p.row_blocks), index % p.runs * p.run)
    else:
        compute_result(like, &t, first_bank_row(p, index // p.runs % p.row_blocks), index % p.runs * p.run)


cdef Plan plan_of(const Layer* s, Pass wanted, Py_ssize_t size, Py_ssize_t lanes, bint rounded, bint across,
                  Py_ssize_t workers) noexcept nogil:
    """Compiled once, not inline for each element type."""
    return planned(s, wanted, size, lanes, rounded, across, workers)


cdef int run(V* like, const Layer* s, Pass wanted, Py_ssize_t workers) noexcept nogil:
    """Returns -1 without memory, before any work."""
    cdef Py_ssize_t per_worker, n, i
    cdef Py_ssize_t size = element_size(like), lanes = sizeof(V) // size
    cdef Plan p = plan_of(s, wanted, size, lanes, rounds(like), adds_across(like), workers)
    cdef char* memory
    cdef char* scratch
    n = tasks(&p)
    workers = max(1, min(workers, n))
    per_worker = whole(laid_out(&p, NULL).end - <char*> NULL, 64)
    memory = <char*> malloc(workers * per_worker + 64)
    if memory == NULL:
        return -1
    scratch = aligned(memory)
    if workers == 1:
        for i in range(n):
            compute_task(like, &p, i, scratch)
    else:
        for i in prange(n, schedule="dynamic", num_threads=<int> workers):
            compute_task(like, &p, i, scratch + threadid() * per_worker)
    free(memory)
    return 0


def compute(Convolution problem, Pass wanted, Py_ssize_t workers):
    """Computes the array that is wanted on `workers` threads. A gradient by the input is added to what is there."""
    cdef const Layer* s = &problem.layer
    cdef int failed = -1
    with nogil:
        if s.element == BOOL: failed = run(<vbool*> NULL, s, wanted, workers)
        elif s.element == UINT16: failed = run(<vint16*> NULL, s, wanted, workers)
        elif s.element == UINT32: failed = run(<vint32*> NULL, s, wanted, workers)
        elif s.element == UINT64: failed = run(<vint64*> NULL, s, wanted, workers)
        elif s.element == FLOAT32: failed = run(<vfloat*> NULL, s, wanted, workers)
        elif s.element == FLOAT64: failed = run(<vdouble*> NULL, s, wanted, workers)
        elif s.element == LONGDOUBLE: failed = run(<vlongdouble*> NULL, s, wanted, workers)
    if failed:
        raise MemoryError(f"no memory for the scratch of {workers} workers")
