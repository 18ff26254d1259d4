"""Tiles of `unshared`: sums of products with rows of weights, which stay in registers. Vectors only.

A sum over terms is added up in as many lanes as a vector has: lane l takes terms l, l + lanes, l + 2 * lanes, ...; then
the upper half of the lanes is added to the lower, and so on. `dot` has vectors of terms. `dot_by_samples` has vectors
of samples and takes one lane after the other: the same sums, in the same order.

Inline, for each build to have its own.
"""
from libc.string cimport memcpy

from fastconv.kernels.simd cimport (
    COLUMNS, PIXEL_ROWS, V, ZEROS, add, add_across, add_elements, adds_across, element_size, first_elements,
    multiply_add, multiply_add_vectors, prefetch,
)

cdef enum:
    MAX_SUMS = 16              # of a tile
    MAX_ROWS = 8               # of weights, of a tile by samples
    LEVELS = 5                 # at which lanes wait for their partners, one more than 16 lanes need
    ROWS = 4                   # of a tile of a gradient
    TERMS_OF_TILE = 8          # of a gradient by the weight, by positions: they are transposed at once
    AHEAD = 8192               # bytes: memory is asked for weights that early, by which a sum no longer waits


# ---------------------------------------------------------------- vectors of terms

cdef inline Py_ssize_t sums_of_tile(V* like) noexcept nogil:
    """As many as a vector has elements, so that they are added across to one; at least 4 where they are not."""
    return sizeof(V) // element_size(like) if adds_across(like) else 4


cdef inline Py_ssize_t samples_of_tile(V* like) noexcept nogil:
    return min(4, sums_of_tile(like))


cdef inline void add_one_across(V* totals, Py_ssize_t index) noexcept nogil:
    """The sum of a vector's elements, as element `index` of the first vector. Ascending: it was read before."""
    cdef Py_ssize_t size = element_size(totals), i
    cdef V vector = totals[index]
    for i in range(1, <Py_ssize_t> sizeof(V) // size):
        add_elements(totals, <char*> &vector, size, <char*> &vector + i * size, size, 1)
    memcpy(<char*> totals + index * size, &vector, size)


cdef inline void dot(V* like, char* to, Py_ssize_t to_pitch, const char** weights, const char** seen,
                     Py_ssize_t seen_pitch, Py_ssize_t bytes, const char* end, Py_ssize_t n,
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
            prefetch(weights[r] + i + AHEAD, 0)
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
            memcpy(to + s * to_pitch, <char*> total + s * rows * size, rows * size)
        else:
            memcpy(to + s * to_pitch, <char*> total + s * rows * size, n * size)


# ---------------------------------------------------------------- vectors of samples

cdef inline Py_ssize_t vectors_of_tile(Py_ssize_t left) noexcept nogil:
    """How many of the vectors of samples that are left the next tile takes."""
    return 4 if left >= 4 else (2 if left >= 2 else 1)


cdef inline Py_ssize_t rows_by_samples(Py_ssize_t vectors) noexcept nogil:
    """And rows of weights: 16 sums where there are 32 registers, 8 where there are 16."""
    return PIXEL_ROWS // 2 if vectors == 4 else PIXEL_ROWS


cdef inline void sum_lane(V* total, const char** weights, const char* seen, const Py_ssize_t* at, Py_ssize_t lane,
                          Py_ssize_t n, const char* ahead, const int lanes, const int rows,
                          const int vectors) noexcept nogil:
    """The products of one lane. `ahead` is a row of weights that will be needed soon."""
    cdef V column[4]
    cdef Py_ssize_t size = element_size(total)
    cdef int r, v
    for r in range(rows * vectors):
        total[r] = (<volatile V*> ZEROS)[0]
    while lane < n:
        prefetch(ahead + lane * size, 0)
        for v in range(vectors):
            column[v] = (<volatile V*> (seen + at[lane]))[v]
        for r in range(rows):
            for v in range(vectors):
                total[r * vectors + v] = multiply_add(total[r * vectors + v], column[v], weights[r] + lane * size)
        lane += lanes


cdef inline void dot_by_samples(V* like, char* to, Py_ssize_t pitch, const char* weights, Py_ssize_t by_row,
                                const char* seen, const Py_ssize_t* at, Py_ssize_t n, Py_ssize_t filters,
                                const char* ahead, const int lanes, const int rows, const int vectors) noexcept nogil:
    """Sums of n products of rows of weights for vectors of samples, which see term i at[i] bytes from `seen`.

    Of the rows, `filters` count. A lane's sums wait for those half of the lanes from it: in the order of its bits
    reversed, at most one waits at each level.
    """
    cdef V total[MAX_SUMS]
    cdef V waiting[LEVELS * MAX_SUMS]
    cdef const char* row[MAX_ROWS]
    cdef Py_ssize_t lane = 0, bit, level
    cdef int r, v, k
    for r in range(rows):
        row[r] = weights + min(r, filters - 1) * by_row
    for k in range(lanes):
        sum_lane(total, row, seen, at, lane, n, ahead, lanes, rows, vectors)
        if k < rows - 1:
            ahead += by_row
        level, bit = 0, lanes // 2
        while lane & bit:
            for r in range(rows * vectors):
                total[r] = add(waiting[level * rows * vectors + r], total[r])
            lane ^= bit
            level += 1
            bit //= 2
        for r in range(rows * vectors):
            waiting[level * rows * vectors + r] = total[r]
        lane |= bit
    for r in range(rows):
        if r < filters:
            for v in range(vectors):
                (<volatile V*> (to + r * pitch))[v] = total[r * vectors + v]


# ---------------------------------------------------------------- vectors of positions

cdef inline Py_ssize_t filters_of_tile() noexcept nogil:
    """2 where there are 32 registers, 1 where there are 16."""
    return PIXEL_ROWS // 4


cdef inline void multiply_pairs(V* sums, bint resumed, const char* factors, Py_ssize_t by_filter,
                                Py_ssize_t factors_pitch, const char* seen, const Py_ssize_t* at,
                                Py_ssize_t seen_pitch, Py_ssize_t n, const int filters) noexcept nogil:
    """sums[f, t] (+)= the sum over n samples of factors[f] * seen[at[t]], with * position by position."""
    cdef V total[MAX_SUMS]
    cdef V factor[2]
    cdef V x
    cdef int f, t
    for f in range(filters * TERMS_OF_TILE):
        total[f] = (<volatile V*> sums)[f] if resumed else (<volatile V*> ZEROS)[0]
    for _ in range(n):
        for f in range(filters):
            factor[f] = (<volatile V*> (factors + f * by_filter))[0]
        for t in range(TERMS_OF_TILE):
            x = (<volatile V*> (seen + at[t]))[0]
            for f in range(filters):
                total[f * TERMS_OF_TILE + t] = multiply_add_vectors(total[f * TERMS_OF_TILE + t], x, factor[f])
        factors += factors_pitch
        seen += seen_pitch
    for f in range(filters * TERMS_OF_TILE):
        (<volatile V*> sums)[f] = total[f]


# ---------------------------------------------------------------- sums of rows

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


cdef inline void combine_line(V* like, char* to, Py_ssize_t to_pitch, const char* factors, Py_ssize_t by_result,
                              Py_ssize_t by_row, const char* rows, Py_ssize_t pitch, Py_ssize_t n, Py_ssize_t bytes,
                              const char* end, bint resumed, const int results) noexcept nogil:
    """Whole rows of a few results."""
    while bytes >= COLUMNS * <Py_ssize_t> sizeof(V):
        combine(like, to, to_pitch, factors, by_result, by_row, rows, pitch, n, bytes, end, resumed, results, COLUMNS)
        to += COLUMNS * sizeof(V)
        rows += COLUMNS * sizeof(V)
        bytes -= COLUMNS * sizeof(V)
    while bytes > 0:
        combine(like, to, to_pitch, factors, by_result, by_row, rows, pitch, n, bytes, end, resumed, results, 1)
        to += sizeof(V)
        rows += sizeof(V)
        bytes -= sizeof(V)


cdef inline void combine_rows(V* like, char* to, Py_ssize_t to_pitch, Py_ssize_t results, const char* factors,
                              Py_ssize_t by_result, Py_ssize_t by_row, const char* rows, Py_ssize_t pitch,
                              Py_ssize_t n, Py_ssize_t bytes, const char* end, bint resumed) noexcept nogil:
    """results[r] (+)= sum over i < n of factors[r, i] * rows[i], of `bytes` each."""
    while results >= ROWS:
        combine_line(like, to, to_pitch, factors, by_result, by_row, rows, pitch, n, bytes, end, resumed, ROWS)
        to += ROWS * to_pitch
        factors += ROWS * by_result
        results -= ROWS
    while results > 0:
        combine_line(like, to, to_pitch, factors, by_result, by_row, rows, pitch, n, bytes, end, resumed, 1)
        to += to_pitch
        factors += by_result
        results -= 1
