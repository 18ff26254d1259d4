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
what would be a lane is a vector of them: the same sums. Parts of a long sum come after each other; a sum over samples
or filters is made in their order. Nothing depends on batch, blocks or workers.
"""
from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from fastconv.kernels.activation cimport activate
from fastconv.kernels.banks cimport (
    Plan, Task, bank_row_of, find_place, first_bank_row, laid_out, next_row, next_samples, planned, tasks,
)
from fastconv.kernels.blocks cimport aligned
from fastconv.kernels.border cimport whole
from fastconv.kernels.dots cimport (
    MAX_SUMS, combine_rows, dot, dot_by_samples, rows_by_samples, samples_of_tile, sums_of_tile, vectors_of_tile,
)
from fastconv.kernels.layer cimport INPUT, RESULT, WEIGHT, Convolution, Layer, Pass
from fastconv.kernels.lines cimport BOOL, FLOAT32, FLOAT64, LONGDOUBLE, UINT16, UINT32, UINT64
from fastconv.kernels.patch cimport item_origin, item_target, next_cut, next_taps, outer_origin, terms_of
from fastconv.kernels.seen cimport gather_samples, position_offset, see, turn_rows
from fastconv.kernels.simd cimport (
    V, add_elements, add_spread, adds_across, element_size, prefetch, vbool, vdouble, vfloat, vint16, vint32, vint64,
    vlongdouble,
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


# ---------------------------------------------------------------- results, and the gradient by them

# How a sample's results of a run are walked: lines along whichever of positions and filters lie nearer in out.
cdef struct Walk:
    Py_ssize_t lines
    Py_ssize_t n               # results of a line
    Py_ssize_t out_line        # bytes in out from a line to the next
    Py_ssize_t out_step        # and within one
    Py_ssize_t line            # results, as they are kept, from a line to the next
    Py_ssize_t step


cdef inline Walk walk_of(const Task* t) noexcept nogil:
    cdef Py_ssize_t position = t.p.s.out_stride[t.p.s.rank - 1], filter = t.p.s.out_filter
    if max(position, -position) <= max(filter, -filter):
        return Walk(t.filters, t.place.n, filter, position, 1, t.filters)
    return Walk(t.place.n, t.filters, position, filter, t.filters, 1)


cdef inline char* results_at(const Task* t, Py_ssize_t sample, Py_ssize_t plane) noexcept nogil:
    """In memory: a sample's first filter at the first position."""
    cdef const Layer* s = t.p.s
    return (item_target(s, (t.sample + sample) * t.p.outers + t.place.outer) + t.group * s.out_group
            + t.filter * s.out_filter + plane * s.out_plane + t.place.row * s.out_stride[s.rank - 2]
            + t.place.column * s.out_stride[s.rank - 1])


cdef void move_results(const Task* t, bint back) noexcept nogil:
    """From sums to out, or back, of the samples that are in no vector."""
    cdef const Plan* p = t.p
    cdef Walk w = walk_of(t)
    cdef Py_ssize_t i, k
    cdef char* out
    cdef char* sums = t.sums
    for i in range((t.samples - t.aside) * p.planes):
        out = results_at(t, t.aside + i // p.planes, i % p.planes)
        for k in range(w.lines):
            if back:
                p.copy_out_back(sums + k * w.line * p.size, w.step * p.size, out + k * w.out_line, w.out_step, w.n)
            else:
                p.copy_out(out + k * w.out_line, w.out_step, sums + k * w.line * p.size, w.step * p.size, w.n)
        sums += p.pitch


cdef void store_turned(V* like, const Task* t, const Walk* w, char** out, const char* sums, Py_ssize_t samples,
                       Py_ssize_t line) noexcept nogil:
    """A line of results of a vector of samples, transposed eight at a time."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t size = element_size(like), step = w.step * t.vectors * sizeof(V), k = 0, i, n
    cdef bint dense = p.s.out_element == p.s.element and w.out_step == size
    cdef V rows[8]
    while k < w.n:
        n = min(8, w.n - k)
        turn_rows(rows, sums + k * step, n, step)
        for i in range(samples):
            if dense and n == 8:
                memcpy(out[i] + line + k * size, <char*> rows + 8 * i * size, 8 * size)
            else:
                p.copy_out(out[i] + line + k * w.out_step, w.out_step, <char*> rows + 8 * i * size, size, n)
        k += 8


cdef inline void fetch_line(char** out, Py_ssize_t samples, Py_ssize_t line, Py_ssize_t bytes) noexcept nogil:
    """Asks for what will be stored next."""
    cdef Py_ssize_t i, at
    for i in range(samples):
        for at in range(0, bytes, 64):
            prefetch(out[i] + line + at, 1)


cdef void store_by_samples(V* like, const Task* t) noexcept nogil:
    """The results of samples in vectors."""
    cdef const Plan* p = t.p
    cdef Walk w = walk_of(t)
    cdef Py_ssize_t vector, i, k, samples, pitch = t.vectors * sizeof(V)
    cdef bint dense = w.out_step == element_size(like)
    cdef char* out[64]
    for vector in range(t.vectors):
        samples = min(p.lanes, t.aside - vector * p.lanes)
        for i in range(samples):
            out[i] = results_at(t, vector * p.lanes + i, 0)
        for k in range(w.lines):
            if k + 1 < w.lines and dense:
                fetch_line(out, samples, (k + 1) * w.out_line, w.n * p.size)
            store_turned(like, t, &w, out, t.sums_by_samples + vector * sizeof(V) + k * w.line * pitch, samples,
                         k * w.out_line)


cdef inline const char* bias_at(const Task* t, Py_ssize_t position, Py_ssize_t plane) noexcept nogil:
    cdef const Plan* p = t.p
    return (p.s.bias + (t.place.bank + position) * p.banks.bias_bank
            + ((t.group * p.planes + plane) * p.s.filters + t.filter) * p.size)


cdef void add_bias(V* like, const Task* t) noexcept nogil:
    cdef const Plan* p = t.p
    cdef Py_ssize_t i, q, f, v
    cdef V* sums = <V*> t.sums_by_samples
    for q in range(t.place.n):
        for i in range((t.samples - t.aside) * p.planes):
            add_elements(like, t.sums + i * p.pitch + q * t.filters * p.size, p.size, bias_at(t, q, i % p.planes),
                         p.size, t.filters)
        for f in range(t.filters):
            for v in range(t.vectors):
                sums[0] = add_spread(sums[0], bias_at(t, q, 0) + f * p.size)
                sums += 1


cdef void finish(V* like, const Task* t) noexcept nogil:
    """Bias and activation."""
    cdef const Layer* s = t.p.s
    cdef Py_ssize_t i, n = t.place.n * t.filters
    if s.bias != NULL:
        add_bias(like, t)
    activate(t.sums_by_samples, n * t.vectors * t.p.lanes, s.element, s.out_element, s.activation, s.slope)
    for i in range((t.samples - t.aside) * t.p.planes):
        activate(t.sums + i * t.p.pitch, n, s.element, s.out_element, s.activation, s.slope)


cdef void store(V* like, const Task* t) noexcept nogil:
    finish(like, t)
    store_by_samples(like, t)
    move_results(t, False)


# ---------------------------------------------------------------- the layer

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
            dot(like, to + k * p.pitch + i * p.size, p.pitch, weights, seen, p.row, bytes, w.end, t.done > 0,
                min(rows, n - i), rows, samples)
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
        dot_by_samples(like, to + f * pitch, pitch, weights + f * by_filter, by_filter, seen, t.terms, n, t.done > 0,
                       filters - f, following, <int> min(MAX_SUMS, sizeof(V) // element_size(like)),
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
        t.done += terms_of(&t.cut)
        more = next_cut(t.p.s, &t.p.cut, &t.cut)
    store(like, t)


cdef void compute_result(V* like, Task* t, Py_ssize_t bank_row, Py_ssize_t first) noexcept nogil:
    """Wherever a run of banks is used."""
    cdef Py_ssize_t repeat
    for repeat in range(t.p.repeats):
        t.sample = t.samples = 0
        while next_samples(t) and find_place(t.p, bank_row, first, repeat, &t.place):
            sum_place(like, t)


# ---------------------------------------------------------------- the gradient by the weight

cdef void add_run(V* like, const Task* t) noexcept nogil:
    """What the samples add to the rows of a run of banks."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t q, samples = t.samples * p.planes
    for q in range(t.place.n):
        see(like, t, q, t.seen)
        combine_rows(like, t.rows + q * t.filters * p.row, p.row, t.filters, t.sums + q * t.filters * p.size, p.size,
                     p.pitch, t.seen, p.row, samples, terms_of(&t.cut) * p.size, t.end, True)


cdef void store_rows(const Task* t, Py_ssize_t banks) noexcept nogil:
    cdef const Plan* p = t.p
    cdef Py_ssize_t q, f
    for q in range(banks):
        for f in range(t.filters):
            p.copy_weights_back(weights_at(t, q, t.filter + f), p.s.weight_plane,
                                t.rows + (q * t.filters + f) * p.row, p.size, terms_of(&t.cut))


cdef void compute_weight(V* like, Task* t, Py_ssize_t bank_row, Py_ssize_t first) noexcept nogil:
    """The gradient by a run of banks."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t repeat, banks = min(p.run, p.banks.tiles[p.s.rank - 1] - first)
    cdef bint more = True
    t.cut, t.done = p.cut, 0
    while more:
        memset(t.rows, 0, banks * t.filters * p.row)
        for repeat in range(p.repeats):
            if find_place(p, bank_row, first, repeat, &t.place):
                t.sample = t.samples = 0
                while next_samples(t):
                    gather_samples(like, t)
                    move_results(t, True)
                    add_run(like, t)
        store_rows(t, banks)
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
            w = rows_of(t, position, 1, f, n)
            combine_rows(like, t.rows, p.row, t.samples * p.planes, t.sums + (position * t.filters + f) * p.size,
                         p.pitch, p.size, w.first, w.by_filter, n, terms_of(&t.cut) * p.size, w.end, f > 0)
            f += n
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


cdef int run(V* like, const Layer* s, Pass wanted, Py_ssize_t workers) noexcept nogil:
    """Returns -1 without memory, before any work."""
    cdef Py_ssize_t per_worker, n, i
    cdef Plan p = planned(like, s, wanted, workers)
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
