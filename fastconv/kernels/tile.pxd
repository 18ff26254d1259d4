"""A tile of sums that stays in registers while the terms pass by: vectors only.

Its vectors run along filters, with one pixel's value at a time spread over a vector; or along pixels, with one weight
at a time spread. Inline, for each kernel and build to have its own.
"""
from fastconv.kernels.simd cimport (
    FILTER_COLUMNS, FILTER_ROWS, PAIRS, PIXEL_COLUMNS, PIXEL_ROWS, TERMS_A_TURN, THIN_ROWS, V, ZEROS, element_size,
    multiply_add, prefetch, prefetch_to_second,
)

cdef enum:
    MAX_ROWS = 10
    MAX_COLUMNS = 4
    MAX_VECTORS = 32           # a tile's sums
    LINE = 64                  # bytes of the cache

# Where a tap's part of the sum starts: bytes from a pixel's place in the patch, and rows of a panel of weights.
cdef struct Tap:
    Py_ssize_t x
    Py_ssize_t weight
    Py_ssize_t outer
    Py_ssize_t row
    Py_ssize_t column

# What a tile multiplies, a part of its sum.
cdef struct Factors:
    const char* patch
    const Py_ssize_t* at       # by pixel (along pixels, of the first): bytes from the patch
    const Tap* taps
    Py_ssize_t n_taps
    const Py_ssize_t* inner    # bytes from a tap, to the terms that follow
    Py_ssize_t n_inner
    const char* weights        # a panel: for each term, a row of them

# Memory that a tile asks for while it is summed, so that it has come when it is needed.
cdef struct Ahead:
    const char* at             # of x or of weights, what is needed next: a line each term,
    Py_ssize_t pitch           # bytes apart
    char* results              # of a whole tile along pixels: where its results belong, rows
    Py_ssize_t step            # bytes apart


cdef inline void add_term(V* total, const char* const* row, Py_ssize_t offset, Py_ssize_t pitch, const char* w,
                          char* copy, const int rows, const int columns, const int run, const bint along_pixels,
                          const bint copies) noexcept nogil:
    """Adds a term to rows x columns sums: along pixels, `row[0]` is where those are."""
    cdef V column[MAX_COLUMNS]
    cdef Py_ssize_t size = element_size(total)
    cdef int r, c
    for c in range(columns):
        # volatile: load once and keep, or the compiler reloads the vector for each row of the tile
        column[c] = (<volatile V*> (row[0] + offset if along_pixels else w))[c]
        if copies:
            (<volatile V*> copy)[c] = column[c]
    for r in range(rows):
        for c in range(run * columns):
            total[r * run * columns + c] = multiply_add(
                total[r * run * columns + c], column[c % columns],
                w + r * size if along_pixels else row[r] + (offset + c // columns * pitch))


cdef inline void tile_of(V* sums, Py_ssize_t step, bint resumed, const Factors* f, const Ahead* ahead, char* copy,
                         const int rows, const int columns, const int run, const bint along_pixels,
                         const bint copies) noexcept nogil:
    """A part of the sums of rows x columns vectors, whose rows are `step` bytes apart, added to them if `resumed`.

    Rows are pixels, or runs of them that are evenly spaced in the patch, and columns vectors of filters; or rows are
    filters and columns vectors of pixels. On the way all but thin tiles ask for memory `ahead`; and with `copies`, the
    vectors of pixels are left at `copy`, side by side.
    """
    cdef V total[MAX_VECTORS]
    cdef const char* row[MAX_ROWS]
    cdef const Py_ssize_t* inner = f.inner
    cdef const Py_ssize_t* at = f.at
    cdef const Tap* taps = f.taps
    cdef const char* patch = f.patch
    cdef const char* weights = f.weights
    cdef const char* w
    cdef const char* needed = ahead.at
    cdef size_t asked = 0      # results; all at once would wait for each other
    cdef Py_ssize_t i, t, way, line = (
        rows * element_size(sums) if along_pixels else columns * <Py_ssize_t> sizeof(V))
    cdef Py_ssize_t copied = columns * sizeof(V), n_taps = f.n_taps, n = f.n_inner
    cdef Py_ssize_t pitch = at[1] - at[0] if run > 1 else 0
    cdef int r, c, u, terms = TERMS_A_TURN if rows < THIN_ROWS else 1
    cdef bint asks = along_pixels and rows == PIXEL_ROWS and columns == PIXEL_COLUMNS
    # volatile here, too: else these loops become calls of memcpy, and the sums pass through memory
    for r in range(rows):
        for c in range(run * columns):
            total[r * run * columns + c] = (
                (<volatile V*> (<char*> sums + (r * run + c // columns) * step))[c % columns] if resumed
                else (<volatile V*> ZEROS)[0])
    for r in range(1 if along_pixels else rows):
        row[r] = patch + at[r * run]
    for i in range(n_taps):
        way = taps[i].x
        if run > 1:    # the way to a tap is in the pointers: no register is left for it
            way = 0
            for r in range(rows):
                row[r] = patch + taps[i].x + at[r * run]
        w = weights + taps[i].weight * line
        t = 0
        while t + terms <= n:    # what is done once a term but for the sums takes turns with them
            if asks and asked < <size_t> (rows * (columns + 1)):    # vectors begin within lines, and end in the next
                prefetch(ahead.results + asked % rows * ahead.step + asked // rows * sizeof(V), 1)
                asked += 1
            for u in range(terms):
                if rows < THIN_ROWS:
                    prefetch_to_second(needed)
                    needed += ahead.pitch
                add_term(total, row, way + inner[t + u], pitch, w + u * line, copy + u * copied, rows, columns, run,
                         along_pixels, copies)
            t += terms
            w += terms * line
            copy += terms * copied
        while t < n and terms > 1:
            prefetch_to_second(needed)
            needed += ahead.pitch
            add_term(total, row, way + inner[t], pitch, w, copy, rows, columns, run, along_pixels, copies)
            t += 1
            w += line
            copy += copied
    for r in range(rows):
        for c in range(run * columns):
            (<volatile V*> (<char*> sums + (r * run + c // columns) * step))[c % columns] = (
                total[r * run * columns + c])


cdef inline void tile_rows(V* sums, Py_ssize_t step, bint resumed, const Factors* f, const Ahead* ahead,
                           Py_ssize_t rows, const int columns, const bint along_pixels) noexcept nogil:
    """`tile_of` with its rows made a constant, so that the sums they index are registers."""
    if PAIRS and columns == 1 and not along_pixels and rows == 2 * PAIRS:
        tile_of(sums, step, resumed, f, ahead, NULL, PAIRS, columns, 2, along_pixels, False)
    elif columns == 1 and not along_pixels and rows == THIN_ROWS:
        tile_of(sums, step, resumed, f, ahead, NULL, THIN_ROWS, columns, 1, along_pixels, False)
    elif rows == (PIXEL_ROWS if along_pixels else FILTER_ROWS):
        tile_of(sums, step, resumed, f, ahead, NULL, PIXEL_ROWS if along_pixels else FILTER_ROWS, columns, 1,
                along_pixels, False)
    elif rows == 4:
        tile_of(sums, step, resumed, f, ahead, NULL, 4, columns, 1, along_pixels, False)
    elif rows == 2:
        tile_of(sums, step, resumed, f, ahead, NULL, 2, columns, 1, along_pixels, False)
    else:
        tile_of(sums, step, resumed, f, ahead, NULL, 1, columns, 1, along_pixels, False)


cdef inline Py_ssize_t rows_of_tile(Py_ssize_t left, Py_ssize_t most) noexcept nogil:
    """Rows of a tile, of the numbers that tiles are compiled for."""
    return most if left >= most else (4 if left >= 4 else (2 if left >= 2 else 1))


cdef inline void tile_along_filters(V* sums, Py_ssize_t step, bint resumed, const Factors* f, const Ahead* ahead,
                                    Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """And with its columns. Of any number of pixels and vectors of filters up to a whole tile."""
    if columns == 4 and FILTER_COLUMNS >= 4: tile_rows(sums, step, resumed, f, ahead, rows, 4, False)
    elif columns == 3 and FILTER_COLUMNS >= 3: tile_rows(sums, step, resumed, f, ahead, rows, 3, False)
    elif columns == 2: tile_rows(sums, step, resumed, f, ahead, rows, 2, False)
    else: tile_rows(sums, step, resumed, f, ahead, rows, 1, False)


cdef inline void tile_along_pixels(V* sums, Py_ssize_t step, const Factors* f, const Ahead* ahead, Py_ssize_t rows,
                                   Py_ssize_t columns) noexcept nogil:
    """The same of filters and vectors of pixels."""
    if columns == 3 and PIXEL_COLUMNS >= 3: tile_rows(sums, step, False, f, ahead, rows, 3, True)
    elif columns == 2: tile_rows(sums, step, False, f, ahead, rows, 2, True)
    else: tile_rows(sums, step, False, f, ahead, rows, 1, True)


cdef inline void whole_tile_along_pixels(V* sums, Py_ssize_t step, const Factors* f, const Ahead* ahead,
                                         char* copy) noexcept nogil:
    """Of a product of matrices: its pixels, of all terms, are left at `copy` on the way."""
    tile_of(sums, step, False, f, ahead, copy, PIXEL_ROWS, PIXEL_COLUMNS, 1, True, True)
