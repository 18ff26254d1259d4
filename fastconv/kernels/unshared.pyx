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

Bits: a sum over t is added up in as many lanes as a vector has, and those in pairs. Where there are as many samples as
lanes, vectors run along samples, and what would be a lane is a vector of them: the same sums. Parts of a long sum come
after each other; a sum over samples or filters is made in their order. Nothing depends on batch, blocks or workers.
"""
from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from fastconv.kernels.activation cimport activate
from fastconv.kernels.blocks cimport aligned
from fastconv.kernels.border cimport share, whole
from fastconv.kernels.layer cimport INPUT, RESULT, WEIGHT, Banks, Convolution, Layer, Pass
from fastconv.kernels.lines cimport (
    BOOL, FLOAT32, FLOAT64, LONGDOUBLE, UINT16, UINT32, UINT64, line_copier, line_copy, same_bits,
)
from fastconv.kernels.patch cimport (
    Cut, Patch, cut_of, gather, item_origin, item_target, next_cut, next_taps, outer_origin, patch_of, tap_offset,
    terms_of,
)
from fastconv.kernels.simd cimport (
    COLUMNS, V, ZEROS, add, add_across, add_elements, add_spread, adds_across, element_size, first_elements,
    multiply_add, multiply_add_vectors, prefetch, turn, vbool, vdouble, vfloat, vint16, vint32, vint64, vlongdouble,
)
from fastconv.kernels.weights cimport tap_origin

cdef enum:
    MAX_SUMS = 16              # of a tile
    RUN = 64                   # positions of a row that are taken together: long rows of x are read at once
    SHORT_RUN = 16             # not to be cut further for the sake of workers
    TASKS_A_WORKER = 4         # for an even split
    TERMS = 2048               # of a sum taken at once
    ROWS = 4                   # of a tile of a gradient
    SEEN = 64 * 1024           # bytes of rows that the samples see at some positions: part of a second-level cache
    SUMS = 256 * 1024          # bytes of results, or of what they are computed from
    PATCH = 512 * 1024         # bytes of x gathered at once
    COPIED = 256 * 1024        # bytes of weights that are not read where they lie
    SLACK = 4096               # bytes
    AHEAD = 2048               # bytes: memory is asked for weights that early, by which a sum no longer waits
    AHEAD_OF_ROWS = 8192       # where a tile reads several rows

cdef struct Plan:
    const Layer* s
    const Banks* banks
    Pass wanted
    Py_ssize_t size            # of an element
    Py_ssize_t lanes
    Py_ssize_t planes
    Py_ssize_t samples
    Py_ssize_t outers          # output indices along the outer axes
    Cut cut                    # the largest part of a sum
    bint in_place              # weights are read where they lie
    Py_ssize_t row             # bytes of a part's terms, whole vectors and one more
    Py_ssize_t samples_at_once
    Py_ssize_t filters_at_once
    Py_ssize_t run             # positions
    Py_ssize_t positions       # of those the ones whose rows are held at the same time
    Py_ssize_t copied          # filters whose weights are copied at once
    Py_ssize_t pitch           # bytes of a sample's results of a run
    Py_ssize_t filter_blocks
    Py_ssize_t runs            # of a row of banks
    Py_ssize_t bank_rows
    Py_ssize_t repeats         # outputs of a bank at most
    Patch patch
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
    Py_ssize_t bank
    Py_ssize_t weight          # bytes

# What a worker is at.
cdef struct Task:
    const Plan* p
    Py_ssize_t group
    Py_ssize_t filter          # the first of those computed
    Py_ssize_t filters
    Py_ssize_t sample
    Py_ssize_t samples
    Place place
    Cut cut
    Py_ssize_t done            # terms of the sum before the cut, planes counted
    char* patches              # of the samples
    char* turned               # of whole vectors of samples: [vector][element of a patch][sample]
    char* seen                 # rows [position][sample][plane]
    char* seen_by_all          # by a vector of samples [term][sample]
    char* weights              # rows [position][filter]
    char* sums                 # [sample][plane][position][filter]; whole vectors of samples are innermost
    char* rows                 # of a gradient: by the weight [position][filter], by the input [sample][plane]
    Py_ssize_t* lines          # where the first column of each row of the kernel is in a patch
    Py_ssize_t n_lines
    Py_ssize_t* columns        # and from there, each column
    bint adjacent              # columns are neighbours
    char* end


# ---------------------------------------------------------------- tiles: vectors only

cdef inline Py_ssize_t sums_of_tile(V* like) noexcept nogil:
    """As many as a vector has elements, so that they are added across to one; at least 4 where they are not."""
    return sizeof(V) // element_size(like) if adds_across(like) else 4


cdef inline Py_ssize_t samples_of_tile(V* like) noexcept nogil:
    return min(4, sums_of_tile(like))


cdef inline void put(V* like, char* to, const V* sum, Py_ssize_t n, bint resumed) noexcept nogil:
    """n elements, added or stored."""
    cdef Py_ssize_t size = element_size(like)
    if resumed:
        add_elements(like, to, size, <const char*> sum, size, n)
    else:
        memcpy(to, <const char*> sum, n * size)


cdef inline void dot(V* like, char* to, Py_ssize_t to_pitch, const char** weights, const char** seen,
                     Py_ssize_t seen_pitch, Py_ssize_t bytes, const char* end, bint resumed, Py_ssize_t n,
                     const int rows, const int samples) noexcept nogil:
    """Sums of products of a few rows of weights, each with what it meets, for some samples; n of the rows count."""
    cdef V total[MAX_SUMS]
    cdef V w
    cdef Py_ssize_t i = 0, last = bytes - bytes % <Py_ssize_t> sizeof(V), size = element_size(like)
    cdef int r, s
    for r in range(rows * samples):
        total[r] = (<volatile V*> ZEROS)[0]
    while i < last:
        for r in range(rows):
            prefetch(weights[r] + i + AHEAD_OF_ROWS, 0)
            w = (<volatile V*> (weights[r] + i))[0]
            for s in range(samples):
                total[s * rows + r] = multiply_add_vectors(
                    total[s * rows + r], w, (<const V*> (seen[r] + s * seen_pitch + i))[0])
        i += sizeof(V)
    if i < bytes:
        for r in range(rows):
            w = first_elements(like, weights[r] + i, bytes - i, end)
            for s in range(samples):
                total[s * rows + r] = multiply_add_vectors(
                    total[s * rows + r], w, (<const V*> (seen[r] + s * seen_pitch + i))[0])
    if adds_across(like):
        total[0] = add_across(total)
    else:
        for r in range(rows * samples):
            add_one_across(total, r)
    for s in range(samples):
        if n == rows:
            put(like, to + s * to_pitch, <V*> (<char*> total + s * rows * size), rows, resumed)
        else:
            put(like, to + s * to_pitch, <V*> (<char*> total + s * rows * size), n, resumed)


cdef inline void add_one_across(V* totals, Py_ssize_t index) noexcept nogil:
    """The sum of a vector's elements, as element `index` of the first vector. Ascending: it was read before."""
    cdef Py_ssize_t size = element_size(totals), i
    cdef V vector = totals[index]
    for i in range(1, <Py_ssize_t> sizeof(V) // size):
        add_elements(totals, <char*> &vector, size, <char*> &vector + i * size, size, 1)
    memcpy(<char*> totals + index * size, &vector, size)


cdef inline void dot_by_samples(V* like, char* to, const char* weights, const V* seen, Py_ssize_t n, bint resumed,
                                const int lanes) noexcept nogil:
    """A sum of n products for each of a vector's samples, in the order of `dot`."""
    cdef V total[MAX_SUMS]
    cdef V sums
    cdef Py_ssize_t i = 0, size = element_size(like)
    cdef int r
    for r in range(lanes):
        total[r] = (<volatile V*> ZEROS)[0]
    while i + lanes <= n:
        prefetch(weights + i * size + AHEAD, 0)
        for r in range(lanes):
            total[r] = multiply_add(total[r], (<volatile V*> seen)[i + r], weights + (i + r) * size)
        i += lanes
    for r in range(lanes):
        if i + r < n:
            total[r] = multiply_add(total[r], (<volatile V*> seen)[i + r], weights + (i + r) * size)
    if lanes >= 16:
        add_upper_half(total, 8)
    if lanes >= 8:
        add_upper_half(total, 4)
    if lanes >= 4:
        add_upper_half(total, 2)
    add_upper_half(total, 1)
    sums = total[0]
    if resumed:
        sums = add((<V*> to)[0], sums)
    (<V*> to)[0] = sums


cdef inline void add_upper_half(V* totals, const int n) noexcept nogil:
    cdef int i
    for i in range(n):
        totals[i] = add(totals[i], totals[i + n])


cdef inline void combine(V* like, char* to, Py_ssize_t to_pitch, const char* factors, Py_ssize_t by_result,
                         Py_ssize_t by_row, const char* rows, Py_ssize_t pitch, Py_ssize_t n, Py_ssize_t bytes,
                         const char* end, bint resumed, const int results, const int columns) noexcept nogil:
    """Some vectors of sums of n rows, each times a factor, for a few results; `bytes` of the last vector count."""
    cdef V total[MAX_SUMS]
    cdef V column[4]
    cdef int r, c
    for r in range(results):
        for c in range(columns):
            total[r * columns + c] = (
                (<volatile V*> (to + r * to_pitch))[c] if resumed else (<volatile V*> ZEROS)[0])
    for _ in range(n):
        for c in range(columns):
            if columns == 1 and bytes < <Py_ssize_t> sizeof(V):
                column[c] = first_elements(like, rows, bytes, end)
            else:
                column[c] = (<volatile V*> rows)[c]
        for r in range(results):
            for c in range(columns):
                total[r * columns + c] = multiply_add(total[r * columns + c], column[c], factors + r * by_result)
        factors += by_row
        rows += pitch
    for r in range(results):
        for c in range(columns):
            (<volatile V*> (to + r * to_pitch))[c] = total[r * columns + c]


cdef void combine_rows(V* like, char* to, Py_ssize_t to_pitch, Py_ssize_t results, const char* factors,
                       Py_ssize_t by_result, Py_ssize_t by_row, const char* rows, Py_ssize_t pitch, Py_ssize_t n,
                       Py_ssize_t bytes, const char* end, bint resumed) noexcept nogil:
    """results[r] (+)= sum over i < n of factors[r, i] * rows[i], of `bytes` each."""
    cdef Py_ssize_t r = 0, i, left
    while r < results:
        i, left = 0, bytes
        while left > 0:
            if results - r >= ROWS and left >= COLUMNS * <Py_ssize_t> sizeof(V):
                combine(like, to + i, to_pitch, factors, by_result, by_row, rows + i, pitch, n, left, end, resumed,
                        ROWS, COLUMNS)
                i += COLUMNS * sizeof(V)
            elif left >= COLUMNS * <Py_ssize_t> sizeof(V):
                combine(like, to + i, to_pitch, factors, by_result, by_row, rows + i, pitch, n, left, end, resumed,
                        1, COLUMNS)
                i += COLUMNS * sizeof(V)
            elif results - r >= ROWS:
                combine(like, to + i, to_pitch, factors, by_result, by_row, rows + i, pitch, n, left, end, resumed,
                        ROWS, 1)
                i += sizeof(V)
            else:
                combine(like, to + i, to_pitch, factors, by_result, by_row, rows + i, pitch, n, left, end, resumed,
                        1, 1)
                i += sizeof(V)
            left = bytes - i
        left = ROWS if results - r >= ROWS else 1
        r += left
        to += left * to_pitch
        factors += left * by_result


# ---------------------------------------------------------------- positions and their banks

cdef Py_ssize_t repeats_along(const Plan* p, int axis) noexcept nogil:
    """How often the tile comes along an axis, the last time perhaps cut off."""
    return (p.s.out_size[axis] + p.banks.tiles[axis] - 1) // p.banks.tiles[axis]


cdef bint find_place(const Plan* p, Py_ssize_t bank_row, Py_ssize_t first, Py_ssize_t repeat, Place* at) noexcept nogil:
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
        else:
            at.outer += o * step
            step *= p.s.out_size[axis]
        repeat //= n
        bank_row //= p.banks.tiles[axis]
    return inside and at.n > 0


cdef Py_ssize_t bank_row_of(const Plan* p, Py_ssize_t outer, Py_ssize_t row, Py_ssize_t* repeat) noexcept nogil:
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


cdef inline bint next_samples(Task* t) noexcept nogil:
    """False if there are no more."""
    t.sample += t.samples
    t.samples = min(t.p.samples_at_once, t.p.samples - t.sample)
    return t.samples > 0


# ---------------------------------------------------------------- what the samples see

cdef void list_lines(Task* t) noexcept nogil:
    """Where the rows of the kernel begin in a patch, in the order of the weights."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t c, outer, row, column, n = 0
    for c in range(t.cut.channels // p.planes):
        for outer in range(t.cut.outers):
            for row in range(t.cut.rows):
                t.lines[n] = c * p.planes * p.patch.channel_pitch + tap_offset(&p.patch, outer, row, 0)
                n += 1
    t.n_lines, t.adjacent = n, True
    for column in range(t.cut.columns):
        t.columns[column] = tap_offset(&p.patch, 0, 0, column) - tap_offset(&p.patch, 0, 0, 0)
        t.adjacent = t.adjacent and t.columns[column] == column * p.size


cdef void gather_samples(Task* t) noexcept nogil:
    cdef const Plan* p = t.p
    cdef Py_ssize_t i
    for i in range(t.samples):
        gather(&p.patch, &t.cut, t.group, (t.sample + i) * p.outers + t.place.outer, t.place.row, t.place.column,
               t.patches + i * p.patch.item_pitch)
    list_lines(t)


cdef inline Py_ssize_t whole_vectors(const Plan* p, Py_ssize_t samples, V* like) noexcept nogil:
    """Of samples that are summed side by side."""
    return samples // p.lanes if adds_across(like) and p.planes == 1 else 0


cdef void turn_samples(V* like, const Task* t) noexcept nogil:
    """Transposes the patches of whole vectors of samples."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t size = element_size(like), pitch = p.patch.item_pitch, at, half, e
    cdef V rows[8]
    cdef const char* patches = t.patches
    cdef char* to = t.turned
    for _ in range(whole_vectors(p, t.samples, like)):
        for at in range(pitch // <Py_ssize_t> sizeof(V)):
            for half in range((p.lanes + 7) // 8):
                turn_rows(rows, patches + at * sizeof(V) + 8 * half * pitch, min(8, p.lanes - 8 * half), pitch)
                for e in range(p.lanes):
                    memcpy(to + (e * p.lanes + 8 * half) * size, <char*> rows + 8 * e * size,
                           min(8, p.lanes - 8 * half) * size)
            to += p.lanes * sizeof(V)
        patches += p.lanes * pitch


cdef inline void turn_rows(V* to, const char* rows, Py_ssize_t n, Py_ssize_t pitch) noexcept nogil:
    """`turn` of vectors of numbers."""
    if V is vfloat or V is vint32:
        turn(<vint32*> to, <const vint32*> rows, n, pitch // <Py_ssize_t> sizeof(V))
    elif V is vdouble or V is vint64:
        turn(<vint64*> to, <const vint64*> rows, n, pitch // <Py_ssize_t> sizeof(V))


cdef void see_by_all(V* like, const Task* t, Py_ssize_t position, Py_ssize_t vector) noexcept nogil:
    """What a vector of samples sees at a position, term by term."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t k, column
    cdef const char* patch = t.turned + p.lanes * (
        vector * p.patch.item_pitch + position * p.patch.columns.out_step * p.patch.column_pitch)
    cdef V* to = <V*> t.seen_by_all
    for k in range(t.n_lines):
        for column in range(t.cut.columns):
            to[0] = (<const V*> (patch + p.lanes * (t.lines[k] + t.columns[column])))[0]
            to += 1


cdef inline void copy_line(V* like, char* to, const char* line, const Task* t) noexcept nogil:
    """A row of the kernel. What is copied too far is written over."""
    cdef Py_ssize_t i = 0, size = element_size(like), bytes = t.cut.columns * size
    if t.adjacent:
        while i < bytes:
            (<volatile V*> (to + i))[0] = (<const V*> (line + i))[0]
            i += sizeof(V)
    else:
        for i in range(t.cut.columns):
            memcpy(to + i * size, line + t.columns[i], size)


cdef inline void copy_pairs(V* like, char* real, char* imaginary, const char* line, const Task* t) noexcept nogil:
    """A row of the kernel of complex numbers: as (re, -im), and as (im, re)."""
    cdef Py_ssize_t i, size = element_size(like)
    cdef const char* re
    cdef const char* im
    for i in range(t.cut.columns):
        re = line + t.columns[i]
        im = re + t.p.patch.channel_pitch
        memcpy(real + 2 * i * size, re, size)
        memcpy(imaginary + 2 * i * size, im, size)
        memcpy(imaginary + (2 * i + 1) * size, re, size)
        if V is vfloat:
            (<float*> real)[2 * i + 1] = -(<const float*> im)[0]
        elif V is vdouble:
            (<double*> real)[2 * i + 1] = -(<const double*> im)[0]
        elif V is vlongdouble:
            (<long double*> real)[2 * i + 1] = -(<const long double*> im)[0]


cdef void see(V* like, const Task* t, Py_ssize_t position, Py_ssize_t sample, char* to) noexcept nogil:
    """The rows of the samples from `sample` on at a position of the run."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t k, size = element_size(like), bytes = t.cut.columns * size * p.planes, at
    cdef const char* patch = t.patches + position * p.patch.columns.out_step * p.patch.column_pitch
    patch += sample * p.patch.item_pitch
    for _ in range(t.samples - sample):
        at = 0
        for k in range(t.n_lines):
            if p.planes == 1:
                copy_line(like, to + at, patch + t.lines[k], t)
            else:
                copy_pairs(like, to + at, to + p.row + at, patch + t.lines[k], t)
            at += bytes
        for k in range(p.planes):
            (<volatile V*> (to + k * p.row + at))[0] = (<volatile V*> ZEROS)[0]
        to += p.planes * p.row
        patch += p.patch.item_pitch


# ---------------------------------------------------------------- weights

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


cdef const char* bank_rows(const Task* t, Py_ssize_t position, Py_ssize_t filter, Py_ssize_t n, char* to,
                           Py_ssize_t* pitch) noexcept nogil:
    """The rows of n filters: where they lie, or copied. Sets the bytes from one to the next."""
    cdef Py_ssize_t f
    if t.p.in_place:
        pitch[0] = t.p.s.weight_filter
        return weights_at(t, position, filter)
    for f in range(n):
        copy_filter(t, weights_at(t, position, filter + f), to + f * t.p.row)
    pitch[0] = t.p.row
    return to


cdef inline const char* readable_until(const Task* t) noexcept nogil:
    """The end of what may be read of rows of weights."""
    return t.p.s.weight_end if t.p.in_place else t.end


# ---------------------------------------------------------------- results, and the gradient by them

cdef inline char* results_at(const Task* t, Py_ssize_t sample, Py_ssize_t plane) noexcept nogil:
    """In memory: a sample's first filter at the first position."""
    cdef const Layer* s = t.p.s
    return (item_target(s, (t.sample + sample) * t.p.outers + t.place.outer) + t.group * s.out_group
            + t.filter * s.out_filter + plane * s.out_plane + t.place.row * s.out_stride[s.rank - 2]
            + t.place.column * s.out_stride[s.rank - 1])


cdef inline bint rows_are_nearer(const Layer* s) noexcept nogil:
    """Whether positions of a row lie nearer to each other than filters do."""
    cdef Py_ssize_t position = s.out_stride[s.rank - 1], filter = s.out_filter
    return max(position, -position) <= max(filter, -filter)


cdef void store_results(V* like, const Task* t) noexcept nogil:
    cdef const Plan* p = t.p
    cdef Py_ssize_t i, k, position = p.s.out_stride[p.s.rank - 1], filter = p.s.out_filter, step
    cdef Py_ssize_t side_by_side = whole_vectors(p, t.samples, like) * p.lanes
    cdef const char* sums
    cdef char* out
    for i in range(t.samples * p.planes):
        out, sums, step = results_at(t, i // p.planes, i % p.planes), t.sums + i * p.pitch, p.size
        if i < side_by_side:
            sums, step = t.sums + i // p.lanes * p.lanes * p.pitch + i % p.lanes * p.size, p.lanes * p.size
        if rows_are_nearer(p.s):
            for k in range(t.filters):
                p.copy_out(out + k * filter, position, sums + k * step, t.filters * step, t.place.n)
        else:
            for k in range(t.place.n):
                p.copy_out(out + k * position, filter, sums + k * t.filters * step, step, t.filters)


cdef void fetch_results(const Task* t) noexcept nogil:
    """The gradient by the results, to where their sums would be."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t i, k, position = p.s.out_stride[p.s.rank - 1], filter = p.s.out_filter
    cdef const char* out
    cdef char* sums
    for i in range(t.samples * p.planes):
        out, sums = results_at(t, i // p.planes, i % p.planes), t.sums + i * p.pitch
        if rows_are_nearer(p.s):
            for k in range(t.filters):
                p.copy_out_back(sums + k * p.size, t.filters * p.size, out + k * filter, position, t.place.n)
        else:
            for k in range(t.place.n):
                p.copy_out_back(sums + k * t.filters * p.size, p.size, out + k * position, filter, t.filters)


cdef inline const char* bias_at(const Task* t, Py_ssize_t position, Py_ssize_t plane) noexcept nogil:
    cdef const Plan* p = t.p
    return (p.s.bias + (t.place.bank + position) * p.banks.bias_bank
            + ((t.group * p.planes + plane) * p.s.filters + t.filter) * p.size)


cdef void finish(V* like, const Task* t) noexcept nogil:
    """Bias and activation."""
    cdef const Plan* p = t.p
    cdef const Layer* s = p.s
    cdef Py_ssize_t i, q, f, vectors = whole_vectors(p, t.samples, like), n = t.place.n * t.filters
    cdef V* at
    for i in range(vectors):
        at = <V*> (t.sums + i * p.lanes * p.pitch)
        if s.bias != NULL:
            for q in range(t.place.n):
                for f in range(t.filters):
                    at[q * t.filters + f] = add_spread(at[q * t.filters + f], bias_at(t, q, 0) + f * p.size)
        activate(<char*> at, n * p.lanes, s.element, s.out_element, s.activation, s.slope)
    for i in range(vectors * p.lanes, t.samples * p.planes):
        if s.bias != NULL:
            for q in range(t.place.n):
                add_elements(like, t.sums + i * p.pitch + q * t.filters * p.size, p.size,
                             bias_at(t, q, i % p.planes), p.size, t.filters)
        activate(t.sums + i * p.pitch, n, s.element, s.out_element, s.activation, s.slope)


# ---------------------------------------------------------------- the layer

cdef inline void sum_rows(V* like, const Task* t, Py_ssize_t first, Py_ssize_t positions, Py_ssize_t filter,
                          Py_ssize_t filters, Py_ssize_t sample, Py_ssize_t stop, const int rows,
                          const int samples) noexcept nogil:
    """A part of the sums of some filters at some positions, for samples up to `stop`, planes counted."""
    cdef const Plan* p = t.p
    cdef const char* weights[MAX_SUMS]
    cdef const char* seen[MAX_SUMS]
    cdef Py_ssize_t n = positions * filters, i = 0, q = 0, f = 0, k, bytes = terms_of(&t.cut) * p.size
    cdef Py_ssize_t by_position = filters * p.row, by_filter = p.row
    cdef Py_ssize_t side_by_side = whole_vectors(p, t.samples, like) * p.lanes
    cdef Py_ssize_t held = (t.samples - side_by_side) * p.planes * p.row
    cdef const char* bank = t.weights
    cdef char* to = t.sums + (first * t.filters + filter - t.filter) * p.size
    cdef int r
    if p.in_place:
        bank = weights_at(t, first, filter)
        by_position, by_filter = p.banks.weight_tile[p.s.rank - 1], p.s.weight_filter
    while i < n:
        for r in range(rows):
            weights[r] = bank + q * by_position + f * by_filter
            seen[r] = t.seen + q * held + (sample - side_by_side) * p.row
            if i + r < n - 1:    # else the last one again
                f += 1
                if f == filters:
                    f = 0
                    q += 1
        k = sample
        while k < stop:
            dot(like, to + k * p.pitch + i * p.size, p.pitch, weights, seen, p.row, bytes, readable_until(t),
                t.done > 0, min(rows, n - i), rows, samples)
            for r in range(rows):
                seen[r] += samples * p.row
            k += samples
        i += rows


cdef void sum_by_samples(V* like, const Task* t, Py_ssize_t position, Py_ssize_t filter, Py_ssize_t filters,
                         const char* rows, Py_ssize_t pitch) noexcept nogil:
    """A part of the sums of some filters at a position, for all whole vectors of samples."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t vector, f, n = terms_of(&t.cut)
    cdef char* to
    for vector in range(whole_vectors(p, t.samples, like)):
        see_by_all(like, t, position, vector)
        to = t.sums + p.lanes * (vector * p.pitch + (position * t.filters + filter - t.filter) * p.size)
        for f in range(filters):
            dot_by_samples(like, to + f * p.lanes * p.size, rows + f * pitch, <V*> t.seen_by_all, n, t.done > 0,
                           <int> min(MAX_SUMS, sizeof(V) // element_size(like)))


cdef void sum_positions(V* like, const Task* t, Py_ssize_t first, Py_ssize_t positions) noexcept nogil:
    """A part of the sums of all filters at some positions."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t q, f = t.filter, n, samples = t.samples * p.planes, many = samples_of_tile(like), pitch = 0
    cdef Py_ssize_t side_by_side = whole_vectors(p, t.samples, like) * p.lanes, left = samples - side_by_side
    for q in range(positions):
        see(like, t, first + q, side_by_side, t.seen + q * left * p.row)
    while f < t.filter + t.filters:
        n = min(p.copied, t.filter + t.filters - f)
        if not p.in_place:
            for q in range(positions):
                bank_rows(t, first + q, f, n, t.weights + q * n * p.row, &pitch)
        for q in range(positions):
            sum_by_samples(like, t, first + q, f, n, weights_at(t, first + q, f) if p.in_place
                           else t.weights + q * n * p.row, p.s.weight_filter if p.in_place else p.row)
        sum_rows(like, t, first, positions, f, n, side_by_side, samples - left % many,
                 <int> (sums_of_tile(like) // samples_of_tile(like)), <int> samples_of_tile(like))
        sum_rows(like, t, first, positions, f, n, samples - left % many, samples, <int> sums_of_tile(like), 1)
        f += n


cdef void sum_run(V* like, Task* t) noexcept nogil:
    """All sums of a run, part by part."""
    cdef Py_ssize_t q
    cdef bint more = True
    t.cut, t.done = t.p.cut, 0
    while more:
        gather_samples(t)
        turn_samples(like, t)
        q = 0
        while q < t.place.n:
            sum_positions(like, t, q, min(t.p.positions, t.place.n - q))
            q += t.p.positions
        t.done += terms_of(&t.cut)
        more = next_cut(t.p.s, &t.p.cut, &t.cut)


cdef void compute_result(V* like, Task* t, Py_ssize_t bank_row, Py_ssize_t first) noexcept nogil:
    """Wherever a run of banks is used."""
    cdef Py_ssize_t repeat
    for repeat in range(t.p.repeats):
        if find_place(t.p, bank_row, first, repeat, &t.place):
            t.sample = t.samples = 0
            while next_samples(t):
                sum_run(like, t)
                finish(like, t)
                store_results(like, t)


# ---------------------------------------------------------------- the gradient by the weight

cdef void add_run(V* like, const Task* t) noexcept nogil:
    """What the samples add to the rows of a run of banks."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t q, samples = t.samples * p.planes
    for q in range(t.place.n):
        see(like, t, q, 0, t.seen)
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
                    gather_samples(t)
                    fetch_results(t)
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
    cdef Py_ssize_t f, n, pitch = 0
    cdef const char* rows
    cdef bint more = True
    while more:
        f = 0
        while f < t.filters:
            n = min(p.copied, t.filters - f)
            rows = bank_rows(t, position, f, n, t.weights, &pitch)
            combine_rows(like, t.rows, p.row, t.samples * p.planes, t.sums + (position * t.filters + f) * p.size,
                         p.pitch, p.size, rows, pitch, n, terms_of(&t.cut) * p.size, readable_until(t), f > 0)
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
                fetch_results(t)
                for q in range(t.place.n):
                    spread_position(like, t, q)
                column += t.place.n


# ---------------------------------------------------------------- the plan

cdef bint lie_in_order(const Layer* s, Py_ssize_t size) noexcept nogil:
    """Whether a filter's weights are what is computed with, in the order of the sum, without gaps."""
    cdef int axis
    cdef Py_ssize_t step = size * s.planes
    for axis in range(s.rank - 1, -1, -1):
        if s.kernel_size[axis] > 1 and s.weight_stride[axis] != step:
            return False
        step *= s.kernel_size[axis]
    return (same_bits(s.weight_element, s.element) and s.element != BOOL    # a boolean may be any byte
            and (s.channels == 1 or s.weight_channel == step) and s.weight_plane == size)


cdef void lay_out(Plan* p) noexcept nogil:
    p.row = whole(terms_of(&p.cut) * p.size, p.size * p.lanes) + p.size * p.lanes
    p.patch = patch_of(p.s, p.size, &p.cut, 1, p.run, False, False)
    p.patch.padded = False
    p.pitch = whole(p.run * p.filters_at_once * p.size, 64) + 64
    p.runs = (p.banks.tiles[p.s.rank - 1] + p.run - 1) // p.run
    p.filter_blocks = (p.s.filters + p.filters_at_once - 1) // p.filters_at_once


cdef bint too_large(const Plan* p) noexcept nogil:
    """Whether a worker's scratch is."""
    return (p.samples_at_once * p.planes * p.pitch > SUMS
            or p.wanted == WEIGHT and p.run * p.filters_at_once * p.row > SUMS
            or p.wanted != INPUT and p.samples_at_once * p.patch.item_pitch > PATCH)


cdef void fit(Plan* p) noexcept nogil:
    """Fewer positions at once until scratch is small enough; then fewer filters, if they are apart; then samples."""
    lay_out(p)
    while too_large(p):
        if p.run > 1:
            p.run = (p.run + 1) // 2
        elif p.filters_at_once > 1 and p.wanted != INPUT:
            p.filters_at_once = (p.filters_at_once + 1) // 2
        elif p.samples_at_once > 1:
            p.samples_at_once = (p.samples_at_once + 1) // 2
        else:
            return
        lay_out(p)


cdef Plan planned(const Layer* s, Pass wanted, Py_ssize_t size, Py_ssize_t lanes, Py_ssize_t workers) noexcept nogil:
    cdef Plan p
    cdef const Banks* banks = &s.banks
    cdef int axis
    memset(&p, 0, sizeof(p))
    p.s, p.banks, p.wanted, p.size, p.lanes, p.planes = s, banks, wanted, size, lanes, s.planes
    p.samples = p.outers = p.bank_rows = p.repeats = 1
    for axis in range(s.leading):
        p.samples *= s.leading_size[axis]
    for axis in range(s.rank):
        p.repeats *= repeats_along(&p, axis)
        if axis < s.rank - 1:
            p.bank_rows *= banks.tiles[axis]
        if axis < s.rank - 2:
            p.outers *= s.out_size[axis]
    p.cut, p.filters_at_once, p.run = cut_of(s, TERMS), max(1, s.filters), min(RUN, banks.tiles[s.rank - 1])
    p.samples_at_once = 1
    lay_out(&p)
    p.samples_at_once = share(p.samples, max(1, SEEN // (p.row * p.planes)))
    while wanted == INPUT and p.cut.channels > p.planes and inputs_apart(&p) < workers:
        p.cut.channels = share(s.channels, p.cut.channels // p.planes // 2) * p.planes
    fit(&p)
    while wanted != INPUT and workers > 1 and p.run > SHORT_RUN and tasks(&p) < TASKS_A_WORKER * workers:
        p.run = (p.run + 1) // 2
        fit(&p)
    p.in_place = wanted != WEIGHT and lie_in_order(s, size)
    p.positions = max(1, min(p.run, SEEN // (p.samples_at_once * p.planes * p.row)))
    p.copied = p.filters_at_once
    if not p.in_place:
        p.positions = max(1, min(p.positions, COPIED // (p.filters_at_once * p.row)))
        p.copied = max(1, min(p.copied, COPIED // p.row))
    p.copy_weights = line_copier(s.weight_element, s.element)
    p.copy_weights_back = line_copier(s.element, s.weight_element)
    p.copy_out, p.copy_out_back = line_copier(s.element, s.out_element), line_copier(s.out_element, s.element)
    return p


cdef Py_ssize_t inputs_apart(const Plan* p) noexcept nogil:
    """Parts of the input whose gradients have no sums in common."""
    return (p.s.groups * ((p.s.channels * p.planes + p.cut.channels - 1) // p.cut.channels)
            * ((p.samples + p.samples_at_once - 1) // p.samples_at_once))


cdef Task laid_out(const Plan* p, char* memory) noexcept nogil:
    """A worker's scratch."""
    cdef Task t
    cdef Py_ssize_t samples = p.samples_at_once * p.planes, banks = p.run * p.filters_at_once
    memset(&t, 0, sizeof(t))
    t.p, t.patches = p, memory
    t.turned = t.patches + (0 if p.wanted == INPUT else whole(p.samples_at_once * p.patch.item_pitch, 64))
    t.seen_by_all = t.turned + (p.samples_at_once * p.patch.item_pitch if p.wanted == RESULT else 0)
    t.seen = t.seen_by_all + (p.lanes * p.row if p.wanted == RESULT else 0)
    t.weights = t.seen + whole((0 if p.wanted == INPUT else p.positions) * samples * p.row, 64) + SLACK
    t.sums = t.weights + (0 if p.in_place else whole(p.positions * p.copied * p.row, 64))
    t.rows = t.sums + samples * p.pitch
    t.lines = <Py_ssize_t*> (
        t.rows + whole((0 if p.wanted == RESULT else (banks if p.wanted == WEIGHT else samples)) * p.row, 64) + 64)
    t.columns = t.lines + terms_of(&p.cut)
    t.end = <char*> (t.columns + terms_of(&p.cut)) + SLACK
    return t


cdef Py_ssize_t tasks(const Plan* p) noexcept nogil:
    if p.wanted == INPUT:
        return inputs_apart(p)
    return p.s.groups * p.filter_blocks * p.bank_rows * p.runs


cdef void compute_task(V* like, const Plan* p, Py_ssize_t index, char* memory) noexcept nogil:
    cdef Task t = laid_out(p, memory)
    cdef Py_ssize_t n = (p.s.channels * p.planes + p.cut.channels - 1) // p.cut.channels
    if p.wanted == INPUT:
        t.filters, t.group = p.s.filters, index // n % p.s.groups
        t.sample = index // n // p.s.groups * p.samples_at_once
        t.samples = min(p.samples_at_once, p.samples - t.sample)
        compute_input(like, &t, index % n * p.cut.channels)
        return
    n = index // p.runs // p.bank_rows
    t.filter, t.group = n % p.filter_blocks * p.filters_at_once, n // p.filter_blocks
    t.filters = min(p.filters_at_once, p.s.filters - t.filter)
    if p.wanted == WEIGHT:
        compute_weight(like, &t, index // p.runs % p.bank_rows, index % p.runs * p.run)
    else:
        compute_result(like, &t, index // p.runs % p.bank_rows, index % p.runs * p.run)


cdef int run(V* like, const Layer* s, Pass wanted, Py_ssize_t workers) noexcept nogil:
    """Returns -1 without memory, before any work."""
    cdef Py_ssize_t size = element_size(like), per_worker, n, i
    cdef Plan p = planned(s, wanted, size, sizeof(V) // size, workers)
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
