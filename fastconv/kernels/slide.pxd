"""One row of an image slid under a few rows of output: the innermost loops of the kernels that take a filter at a time.

A vector of x that is loaded is used by each row of output that meets it.
"""
from fastconv.kernels.simd cimport V, element_size, multiply_add

cdef enum:
    SLIDE_ROWS = 4             # of output
    SLIDE_COLUMNS = 16         # vectors side by side, at most


cdef inline void pass_row(V* total, const char* x, const Py_ssize_t* at, const char* weights, Py_ssize_t start,
                          Py_ssize_t stop, Py_ssize_t row_step, Py_ssize_t end, const int first, const int last,
                          const int columns) noexcept nogil:
    """Adds one row of x, times taps start..stop-1 of the kernel's rows, to output rows first..last-1.

    `weights` is the kernel row that meets output row 0, and output row 1 meets the one `row_step` elements before.
    Tap j meets x at at[j] bytes, or j elements if that is NULL. The vectors are neighbours, but for the last one,
    which is `end` bytes from the first: what is left of a row may be less than a vector.
    """
    cdef const char* place
    cdef V column[SLIDE_COLUMNS]
    cdef Py_ssize_t j, size = element_size(total)
    cdef int r, c
    for j in range(start, stop):
        place = x + (j * size if at == NULL else at[j])
        for c in range(columns):
            # volatile: load once and keep, or the compiler reloads x for each row of the tile
            column[c] = (<volatile V*> (place + (end if c == columns - 1 else c * <Py_ssize_t> sizeof(V))))[0]
        for r in range(first, last):
            for c in range(columns):
                total[r * columns + c] = multiply_add(
                    total[r * columns + c], column[c], weights + (j - r * row_step) * size)


cdef inline void pass_rows(V* total, const char* x, const Py_ssize_t* at, const char* weights, Py_ssize_t start,
                           Py_ssize_t stop, Py_ssize_t row_step, Py_ssize_t end, Py_ssize_t first, Py_ssize_t last,
                           const int columns) noexcept nogil:
    """`pass_row` with its output rows made constants, so that the sums they index are registers."""
    cdef int rows = <int> (first * 8 + last)
    if rows == 0o04: pass_row(total, x, at, weights, start, stop, row_step, end, 0, 4, columns)
    elif rows == 0o01: pass_row(total, x, at, weights, start, stop, row_step, end, 0, 1, columns)
    elif rows == 0o02: pass_row(total, x, at, weights, start, stop, row_step, end, 0, 2, columns)
    elif rows == 0o03: pass_row(total, x, at, weights, start, stop, row_step, end, 0, 3, columns)
    elif rows == 0o12: pass_row(total, x, at, weights, start, stop, row_step, end, 1, 2, columns)
    elif rows == 0o13: pass_row(total, x, at, weights, start, stop, row_step, end, 1, 3, columns)
    elif rows == 0o14: pass_row(total, x, at, weights, start, stop, row_step, end, 1, 4, columns)
    elif rows == 0o23: pass_row(total, x, at, weights, start, stop, row_step, end, 2, 3, columns)
    elif rows == 0o24: pass_row(total, x, at, weights, start, stop, row_step, end, 2, 4, columns)
    elif rows == 0o34: pass_row(total, x, at, weights, start, stop, row_step, end, 3, 4, columns)


cdef inline void pass_if(V* total, const char* x, Py_ssize_t line, const Py_ssize_t* at, const char* weights,
                         Py_ssize_t low, Py_ssize_t high, Py_ssize_t end, const int y, const int kernel,
                         const int columns) noexcept nogil:
    """`pass_row` with row y of x, if that is one of low..high-1 and meets any output."""
    cdef int first = max(0, y - kernel + 1), last = min(SLIDE_ROWS, y + 1)
    if first < last and low <= y < high:
        pass_row(total, x + y * line, at, weights + y * kernel * element_size(total), 0, kernel, kernel, end, first,
                 last, columns)


cdef inline void pass_kernel(V* total, const char* x, Py_ssize_t line, const Py_ssize_t* at, const char* weights,
                             Py_ssize_t low, Py_ssize_t high, Py_ssize_t end, const int kernel,
                             const int columns) noexcept nogil:
    """All rows of x, `line` bytes apart, that SLIDE_ROWS rows of output meet by a kernel of `kernel` x `kernel`.

    `kernel` is at most 5. Written out, so that all that is decided is a constant.
    """
    pass_if(total, x, line, at, weights, low, high, end, 0, kernel, columns)
    pass_if(total, x, line, at, weights, low, high, end, 1, kernel, columns)
    pass_if(total, x, line, at, weights, low, high, end, 2, kernel, columns)
    pass_if(total, x, line, at, weights, low, high, end, 3, kernel, columns)
    pass_if(total, x, line, at, weights, low, high, end, 4, kernel, columns)
    pass_if(total, x, line, at, weights, low, high, end, 5, kernel, columns)
    pass_if(total, x, line, at, weights, low, high, end, 6, kernel, columns)
    pass_if(total, x, line, at, weights, low, high, end, 7, kernel, columns)
