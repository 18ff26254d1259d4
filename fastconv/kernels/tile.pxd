"""A tile of sums that stays in registers while the terms pass by: vectors only.

Its vectors run along filters, with one pixel's value at a time spread over a vector; or along pixels, with one weight
at a time spread. Inline, for each kernel and build to have its own.
"""
from fastconv.kernels.simd cimport (
    FILTER_COLUMNS, FILTER_ROWS, PAIRS, PIXEL_COLUMNS, PIXEL_ROWS, TERMS_A_TURN, THIN_ROWS, V, ZEROS, element_size,
    multiply_add, prefetch_to_second,
)

cdef enum:
    MAX_ROWS = 10
    MAX_COLUMNS = 4
    MAX_VECTORS = 32           # a tile's sums

# Where a tap's part of the sum starts: bytes from a pixel's place in the patch, and rows of a panel of weights.
cdef struct Tap:
    Py_ssize_t x
    Py_ssize_t weight
    Py_ssize_t outer
    Py_ssize_t row
    Py_ssize_t column


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


cdef inline void tile_of(V* sums, const char* patch, const Py_ssize_t* at, const Tap* taps, Py_ssize_t n_taps,
                         const Py_ssize_t* inner, Py_ssize_t n_inner, const char* weights, bint resumed,
                         Py_ssize_t step, const char* ahead, Py_ssize_t ahead_pitch, char* copy, const int rows,
                         const int columns, const int run, const bint along_pixels, const bint copies) noexcept nogil:
    """Adds a part of the sum to rows x columns vectors, whose rows are `step` bytes apart.

    Rows are pixels and columns vectors of filters, or the other way round. For each of `taps` and, within it, each of
    `inner`, bytes from a pixel's place `at` in the patch, a row of the panel of weights follows. With each, but for
    thin tiles, a line of memory is asked for that will be needed soon: `ahead`, and on by `ahead_pitch`. With `copies`,
    the vectors of pixels are left at `copy`, side by side. Pixels come in runs, evenly spaced in the patch.
    """
    cdef V total[MAX_VECTORS]
    cdef const char* row[MAX_ROWS]
    cdef const char* w
    cdef Py_ssize_t i, t, x, line = (
        rows * element_size(sums) if along_pixels else columns * <Py_ssize_t> sizeof(V))
    cdef Py_ssize_t copied = columns * sizeof(V), pitch = at[1] - at[0] if run > 1 else 0
    cdef int r, c, u, terms = TERMS_A_TURN if rows < THIN_ROWS else 1
    # volatile here, too: else these loops become calls of memcpy, and the sums pass through memory
    for r in range(rows):
        for c in range(run * columns):
            total[r * run * columns + c] = (
                (<volatile V*> (<char*> sums + r * run * step))[c] if resumed else (<volatile V*> ZEROS)[0])
    for r in range(1 if along_pixels else rows):
        row[r] = patch + at[r * run]
    for i in range(n_taps):
        x = taps[i].x
        if run > 1:    # the way to a tap is in the pointers: no register is left for it
            x = 0
            for r in range(rows):
                row[r] = patch + taps[i].x + at[r * run]
        w = weights + taps[i].weight * line
        t = 0
        while t + terms <= n_inner:    # what is done once a term but for the sums takes turns with them
            for u in range(terms):
                if rows < THIN_ROWS:
                    prefetch_to_second(ahead)
                    ahead += ahead_pitch
                add_term(total, row, x + inner[t + u], pitch, w + u * line, copy + u * copied, rows, columns,
                         run, along_pixels, copies)
            t += terms
            w += terms * line
            copy += terms * copied
        while t < n_inner and terms > 1:
            prefetch_to_second(ahead)
            ahead += ahead_pitch
            add_term(total, row, x + inner[t], pitch, w, copy, rows, columns, run, along_pixels, copies)
            t += 1
            w += line
            copy += copied
    for r in range(rows):
        for c in range(run * columns):
            (<volatile V*> (<char*> sums + r * run * step))[c] = total[r * run * columns + c]


cdef inline void tile_rows(V* sums, const char* patch, const Py_ssize_t* at, const Tap* taps, Py_ssize_t n_taps,
                           const Py_ssize_t* inner, Py_ssize_t n_inner, const char* weights, bint resumed,
                           Py_ssize_t step, const char* ahead, Py_ssize_t ahead_pitch, Py_ssize_t rows,
                           const int columns, const bint along_pixels) noexcept nogil:
    """`tile_of` with its rows made a constant, so that the sums they index are registers."""
    if PAIRS and columns == 1 and not along_pixels and rows == 2 * PAIRS:
        tile_of(sums, patch, at, taps, n_taps, inner, n_inner, weights, resumed, step, ahead, ahead_pitch, NULL, PAIRS,
                columns, 2, along_pixels, False)
    elif columns == 1 and not along_pixels and rows == THIN_ROWS:
        tile_of(sums, patch, at, taps, n_taps, inner, n_inner, weights, resumed, step, ahead, ahead_pitch, NULL,
                THIN_ROWS, columns, 1, along_pixels, False)
    elif rows == (PIXEL_ROWS if along_pixels else FILTER_ROWS):
        tile_of(sums, patch, at, taps, n_taps, inner, n_inner, weights, resumed, step, ahead,
                ahead_pitch, NULL, PIXEL_ROWS if along_pixels else FILTER_ROWS, columns, 1, along_pixels, False)
    elif rows == 4:
        tile_of(sums, patch, at, taps, n_taps, inner, n_inner, weights, resumed, step, ahead, ahead_pitch, NULL, 4,
                columns, 1, along_pixels, False)
    elif rows == 2:
        tile_of(sums, patch, at, taps, n_taps, inner, n_inner, weights, resumed, step, ahead, ahead_pitch, NULL, 2,
                columns, 1, along_pixels, False)
    else:
        tile_of(sums, patch, at, taps, n_taps, inner, n_inner, weights, resumed, step, ahead, ahead_pitch, NULL, 1,
                columns, 1, along_pixels, False)


cdef inline Py_ssize_t rows_of_tile(Py_ssize_t left, Py_ssize_t most) noexcept nogil:
    """Rows of a tile, of the numbers that tiles are compiled for."""
    return most if left >= most else (4 if left >= 4 else (2 if left >= 2 else 1))


cdef inline void tile_along_filters(V* sums, const char* patch, const Py_ssize_t* at, const Tap* taps,
                                    Py_ssize_t n_taps, const Py_ssize_t* inner, Py_ssize_t n_inner,
                                    const char* weights, bint resumed, Py_ssize_t step, const char* ahead,
                                    Py_ssize_t ahead_pitch, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """And with its columns. Of any number of pixels and vectors of filters up to a whole tile."""
    if columns == 4 and FILTER_COLUMNS >= 4:
        tile_rows(sums, patch, at, taps, n_taps, inner, n_inner, weights, resumed, step, ahead, ahead_pitch, rows, 4,
                  False)
    elif columns == 3 and FILTER_COLUMNS >= 3:
        tile_rows(sums, patch, at, taps, n_taps, inner, n_inner, weights, resumed, step, ahead, ahead_pitch, rows, 3,
                  False)
    elif columns == 2:
        tile_rows(sums, patch, at, taps, n_taps, inner, n_inner, weights, resumed, step, ahead, ahead_pitch, rows, 2,
                  False)
    else:
        tile_rows(sums, patch, at, taps, n_taps, inner, n_inner, weights, resumed, step, ahead, ahead_pitch, rows, 1,
                  False)


cdef inline void whole_tile_along_pixels(V* sums, const char* x, const Py_ssize_t* channels, Py_ssize_t n,
                                         const char* weights, bint resumed, Py_ssize_t step,
                                         char* copy) noexcept nogil:
    """A product of matrices: a whole tile, whose pixels, of all channels, are left at `copy` on the way."""
    cdef Tap tap = Tap(0, 0, 0, 0, 0)
    cdef Py_ssize_t at = 0
    tile_of(sums, x, &at, &tap, 1, channels, n, weights, resumed, step, x, 0, copy, PIXEL_ROWS, PIXEL_COLUMNS, 1,
            True, True)


cdef inline void tile_along_pixels(V* sums, const char* patch, const Py_ssize_t* at, const Tap* taps,
                                   Py_ssize_t n_taps, const Py_ssize_t* inner, Py_ssize_t n_inner,
                                   const char* weights, bint resumed, Py_ssize_t step, const char* ahead,
                                   Py_ssize_t ahead_pitch, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """The same of filters and vectors of pixels."""
    if columns == 3 and PIXEL_COLUMNS >= 3:
        tile_rows(sums, patch, at, taps, n_taps, inner, n_inner, weights, resumed, step, ahead, ahead_pitch, rows, 3,
                  True)
    elif columns == 2:
        tile_rows(sums, patch, at, taps, n_taps, inner, n_inner, weights, resumed, step, ahead, ahead_pitch, rows, 2,
                  True)
    else:
        tile_rows(sums, patch, at, taps, n_taps, inner, n_inner, weights, resumed, step, ahead, ahead_pitch, rows, 1,
                  True)
