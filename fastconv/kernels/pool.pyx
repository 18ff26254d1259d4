"""Pooling: out[o] = the largest, the smallest or the sum of x[o * stride + t * dilation - before] over t.

Taps outside the image do not count. The axes are reduced one after the other, so that a window costs its sides, not
its area, and each of them by overlapping or adjoining windows of a quarter of the size, so that a side costs its
logarithm; sums are never taken apart again, which would cost accuracy.

A block of outputs is computed in a box in cache. Rows of x are gathered into it, several merged to one where windows
are small or hardly overlap (a "direct" axis), and what is outside is filled with what changes no result. Then the
box is reduced along its other axes, and its rows, at last, along themselves.

Every output is reduced in one order, whatever the block or the worker. Loops over data are compiled for each type and
reduction, and called by address; all else exists once.
"""
from cython.parallel cimport prange, threadid
from libc.math cimport pow, powl, sqrt, sqrtl
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from fastconv.kernels.blocks cimport aligned
from fastconv.kernels.border cimport share, whole
from fastconv.kernels.lines cimport (
    BOOL, FLOAT32, FLOAT64, INT8, INT16, INT32, INT64, LONGDOUBLE, UINT8, UINT16, UINT32, UINT64, line_copier,
    line_copy, same_bits,
)
from fastconv.kernels.order cimport (
    LARGEST, SMALLEST, TOTAL, Ordered, element_bytes, even, head, merge, odd, vsigned8, vsigned16, vsigned32,
    vsigned64,
)
from fastconv.kernels.pooling cimport MEAN, ROOT, Pool, Pooling
from fastconv.kernels.problem cimport MAX_RANK
from fastconv.kernels.simd cimport vbool, vdouble, vfloat, vint16, vint32, vint64, vlongdouble

cdef enum:
    MOST_LANES = 64
    FEW_TAPS = 7               # of an outer axis that are merged while x is read
    MERGED = 4                 # rows at once
    GROUP = 32                 # rows that are summed one after the other; then groups, and so on
    LEVELS = 7
    MAX_PASSES = 64
    ROW = 64 * 1024            # bytes of a row of the box: half a second-level cache for the rows a window needs
    BOX = 32 * 1024            # half a first-level cache
    LARGEST_BOX = 512 * 1024   # where windows overlap so far that a smaller one would be read again and again
    SLACK = 512                # bytes: loops may read and write that far beyond a row
    BLOCKS_A_WORKER = 4

# The first three do that for so many lines.
# to[i] = a[i] merged with the m - 1 rows behind it, `step` apart, and with to[i] itself if it is to be added to.
ctypedef void (*rows_loop)(char* to, const char* a, Py_ssize_t step, Py_ssize_t m, Py_ssize_t n, bint add,
                           const char* end, const char* none, Py_ssize_t lines, Py_ssize_t to_line,
                           Py_ssize_t a_line) noexcept nogil
# to[i] = a[i], a[i + shift], ... merged, m of them, and `extra` of x, `next` apart. Writes n elements if that is to be
# exact, else whole vectors; then `to` may be `a`.
ctypedef void (*slide_loop)(char* to, const char* a, Py_ssize_t shift, Py_ssize_t m, const char* x, Py_ssize_t next,
                            Py_ssize_t extra, Py_ssize_t n, bint exact, Py_ssize_t lines, Py_ssize_t to_line,
                            Py_ssize_t a_line) noexcept nogil
# to[i] = a[2 * i] merged with the k - 1 <= 2 elements behind it.
ctypedef void (*halve_loop)(char* to, const char* a, Py_ssize_t k, Py_ssize_t n, Py_ssize_t lines, Py_ssize_t to_line,
                            Py_ssize_t a_line) noexcept nogil
# Each of `count` lines of n elements becomes one element.
ctypedef void (*fold_loop)(char* to, Py_ssize_t to_step, const char* a, Py_ssize_t step, Py_ssize_t n, Py_ssize_t count,
                           const char* end, const char* none) noexcept nogil
# to[i] = the count[i] elements of a from start[i] - origin merged.
ctypedef void (*scan_loop)(char* to, const char* a, const Py_ssize_t* start, const Py_ssize_t* count, Py_ssize_t origin,
                           Py_ssize_t n, const char* none) noexcept nogil

cdef struct Loops:
    Py_ssize_t size
    rows_loop rows
    slide_loop slide
    halve_loop halve
    fold_loop fold
    scan_loop scan
    char none[MOST_LANES]      # a vector of what changes no result


# ---------------------------------------------------------------- loops over vectors

cdef inline Ordered merged(const char* a, Py_ssize_t step, const int m, const int how, Ordered* like) noexcept nogil:
    cdef Ordered v = (<const Ordered*> a)[0]
    cdef int r
    for r in range(1, m):
        v = merge(v, (<const Ordered*> (a + r * step))[0], how)
    return v


cdef inline Ordered single(const char* a, Ordered* like) noexcept nogil:
    """A vector whose first element is a's; the others are of no interest."""
    cdef Ordered v = like[0]
    memcpy(&v, a, element_bytes(like))
    return v


cdef inline void put(char* to, Ordered v, Py_ssize_t n) noexcept nogil:
    """The first n elements of v."""
    cdef Py_ssize_t i
    for i in range(n):
        memcpy(to + i * element_bytes(&v), <const char*> &v + i * element_bytes(&v), element_bytes(&v))


cdef inline void rows_tail(char* to, const char* a, Py_ssize_t step, Py_ssize_t left, bint add, const char* end,
                           const char* none, Ordered* like, const int m, const int how) noexcept nogil:
    """The last `left` elements of a row, and `none` behind them, to the end of the vector."""
    cdef Py_ssize_t size = element_bytes(like), i, r
    cdef Ordered v, rest = (<const Ordered*> none)[0]
    if a + max(0, (m - 1) * step) + sizeof(Ordered) <= end:
        v = merged(a, step, m, how, like)
        if add:
            v = merge((<Ordered*> to)[0], v, how)
        (<Ordered*> to)[0] = head(v, rest, <int> left)
        return
    for i in range(left):
        v = single(a + i * size, <Ordered*> none)
        for r in range(1, m):
            v = merge(v, single(a + i * size + r * step, <Ordered*> none), how)
        if add:
            v = merge(single(to + i * size, <Ordered*> none), v, how)
        put(to + i * size, v, 1)
    put(to + left * size, rest, sizeof(Ordered) // size - left)


cdef inline void rows_line(char* to, const char* a, Py_ssize_t step, Py_ssize_t n, bint add, const char* end,
                           const char* none, Ordered* like, const int m, const int how) noexcept nogil:
    cdef Py_ssize_t at = 0, bytes = n * element_bytes(like)
    if add:
        while at + <Py_ssize_t> sizeof(Ordered) <= bytes:
            (<Ordered*> (to + at))[0] = merge((<Ordered*> (to + at))[0], merged(a + at, step, m, how, like), how)
            at += sizeof(Ordered)
    else:
        while at + <Py_ssize_t> sizeof(Ordered) <= bytes:
            (<Ordered*> (to + at))[0] = merged(a + at, step, m, how, like)
            at += sizeof(Ordered)
    if at < bytes:
        rows_tail(to + at, a + at, step, (bytes - at) // element_bytes(like), add, end, none, like, m, how)


cdef inline void rows_of(char* to, const char* a, Py_ssize_t step, Py_ssize_t n, bint add, const char* end,
                         const char* none, Py_ssize_t lines, Py_ssize_t to_line, Py_ssize_t a_line, Ordered* like,
                         const int m, const int how) noexcept nogil:
    cdef Py_ssize_t line
    for line in range(lines):
        rows_line(to + line * to_line, a + line * a_line, step, n, add, end, none, like, m, how)


cdef inline void rows(char* to, const char* a, Py_ssize_t step, Py_ssize_t m, Py_ssize_t n, bint add, const char* end,
                      const char* none, Py_ssize_t lines, Py_ssize_t to_line, Py_ssize_t a_line, Ordered* like,
                      const int how) noexcept nogil:
    """A few rows at once, and what is left is added to them."""
    cdef Py_ssize_t part
    while m > 0:
        part = min(m, MERGED)
        if part == 1: rows_of(to, a, step, n, add, end, none, lines, to_line, a_line, like, 1, how)
        elif part == 2: rows_of(to, a, step, n, add, end, none, lines, to_line, a_line, like, 2, how)
        elif part == 3: rows_of(to, a, step, n, add, end, none, lines, to_line, a_line, like, 3, how)
        else: rows_of(to, a, step, n, add, end, none, lines, to_line, a_line, like, 4, how)
        a += part * step
        m -= part
        add = True


cdef inline Ordered slid(const char* a, Py_ssize_t shift, const char* x, Py_ssize_t next, Py_ssize_t extra,
                         Ordered* like, const int m, const int how) noexcept nogil:
    cdef Ordered v = merged(a, shift, m, how, like)
    cdef Py_ssize_t e
    for e in range(extra):
        v = merge(v, (<const Ordered*> (x + e * next))[0], how)
    return v


cdef inline void slide_line(char* to, const char* a, Py_ssize_t shift, const char* x, Py_ssize_t next, Py_ssize_t extra,
                            Py_ssize_t n, bint exact, Ordered* like, const int m, const int how) noexcept nogil:
    cdef Py_ssize_t at = 0, bytes = n * element_bytes(like), width = sizeof(Ordered)
    cdef Py_ssize_t stop = bytes - width if exact else bytes - 1
    while at <= stop:
        (<Ordered*> (to + at))[0] = slid(a + at, shift, x + at, next, extra, like, m, how)
        at += width
    if at < bytes:
        if bytes >= width:    # moved back over its neighbour
            at = bytes - width
            (<Ordered*> (to + at))[0] = slid(a + at, shift, x + at, next, extra, like, m, how)
        else:
            put(to, slid(a, shift, x, next, extra, like, m, how), n)


cdef inline void slide_of(char* to, const char* a, Py_ssize_t shift, const char* x, Py_ssize_t next, Py_ssize_t extra,
                          Py_ssize_t n, bint exact, Py_ssize_t lines, Py_ssize_t to_line, Py_ssize_t a_line,
                          Ordered* like, const int m, const int how) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(lines):
        slide_line(to + i * to_line, a + i * a_line, shift, x + i * a_line, next, extra, n, exact, like, m, how)


cdef inline void slide(char* to, const char* a, Py_ssize_t shift, Py_ssize_t m, const char* x, Py_ssize_t next,
                       Py_ssize_t extra, Py_ssize_t n, bint exact, Py_ssize_t lines, Py_ssize_t to_line,
                       Py_ssize_t a_line, Ordered* like, const int how) noexcept nogil:
    if m == 1: slide_of(to, a, shift, x, next, extra, n, exact, lines, to_line, a_line, like, 1, how)
    elif m == 2: slide_of(to, a, shift, x, next, extra, n, exact, lines, to_line, a_line, like, 2, how)
    elif m == 3: slide_of(to, a, shift, x, next, extra, n, exact, lines, to_line, a_line, like, 3, how)
    elif m == 4: slide_of(to, a, shift, x, next, extra, n, exact, lines, to_line, a_line, like, 4, how)
    elif m == 5: slide_of(to, a, shift, x, next, extra, n, exact, lines, to_line, a_line, like, 5, how)
    elif m == 6: slide_of(to, a, shift, x, next, extra, n, exact, lines, to_line, a_line, like, 6, how)
    elif m == 7: slide_of(to, a, shift, x, next, extra, n, exact, lines, to_line, a_line, like, 7, how)
    else: slide_of(to, a, shift, x, next, extra, n, exact, lines, to_line, a_line, like, 8, how)


cdef inline Ordered halved(const char* a, const int k, const int how, Ordered* like) noexcept nogil:
    cdef const Ordered* pair = <const Ordered*> a
    cdef Ordered v = even(pair[0], pair[1])
    if k >= 2:
        v = merge(v, odd(pair[0], pair[1]), how)
    if k == 3:
        pair = <const Ordered*> (a + 2 * element_bytes(like))
        v = merge(v, even(pair[0], pair[1]), how)
    return v


cdef inline void halve_line(char* to, const char* a, Py_ssize_t n, Ordered* like, const int k,
                            const int how) noexcept nogil:
    cdef Py_ssize_t at = 0, bytes = n * element_bytes(like), width = sizeof(Ordered)
    while at + width <= bytes:
        (<Ordered*> (to + at))[0] = halved(a + 2 * at, k, how, like)
        at += width
    if at < bytes:
        if bytes >= width:
            at = bytes - width
            (<Ordered*> (to + at))[0] = halved(a + 2 * at, k, how, like)
        else:
            put(to, halved(a, k, how, like), n)


cdef inline void halve_of(char* to, const char* a, Py_ssize_t n, Py_ssize_t lines, Py_ssize_t to_line,
                          Py_ssize_t a_line, Ordered* like, const int k, const int how) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(lines):
        halve_line(to + i * to_line, a + i * a_line, n, like, k, how)


cdef inline void halve(char* to, const char* a, Py_ssize_t k, Py_ssize_t n, Py_ssize_t lines, Py_ssize_t to_line,
                       Py_ssize_t a_line, Ordered* like, const int how) noexcept nogil:
    if k == 1: halve_of(to, a, n, lines, to_line, a_line, like, 1, how)
    elif k == 2: halve_of(to, a, n, lines, to_line, a_line, like, 2, how)
    else: halve_of(to, a, n, lines, to_line, a_line, like, 3, how)


cdef inline Ordered folded_block(const char* a, Py_ssize_t bytes, const char* end, const char* none, Ordered* like,
                                 const int how) noexcept nogil:
    """The elements of a line, merged lane by lane."""
    cdef Ordered total = (<const Ordered*> none)[0], b, c, d
    cdef Py_ssize_t at = 0, width = sizeof(Ordered), left
    cdef char last[MOST_LANES]
    if bytes >= 4 * width:
        total, b = (<const Ordered*> a)[0], (<const Ordered*> a)[1]
        c, d = (<const Ordered*> a)[2], (<const Ordered*> a)[3]
        at = 4 * width
        while at + 4 * width <= bytes:
            total = merge(total, (<const Ordered*> (a + at))[0], how)
            b = merge(b, (<const Ordered*> (a + at))[1], how)
            c = merge(c, (<const Ordered*> (a + at))[2], how)
            d = merge(d, (<const Ordered*> (a + at))[3], how)
            at += 4 * width
        total = merge(merge(total, b, how), merge(c, d, how), how)
    while at + width <= bytes:
        total = merge(total, (<const Ordered*> (a + at))[0], how)
        at += width
    if at < bytes:
        left = bytes - at
        if a + at + width <= end:
            b = head((<const Ordered*> (a + at))[0], (<const Ordered*> none)[0], <int> (left // element_bytes(like)))
        else:
            memcpy(last, none, width)
            memcpy(last, a + at, left)
            b = (<const Ordered*> last)[0]
        total = merge(total, b, how)
    return total


cdef inline Ordered folded(const char* a, Py_ssize_t bytes, const char* end, const char* none, Ordered* like,
                           const int how) noexcept nogil:
    """In blocks, so that the error of a sum does not grow with its length."""
    cdef Py_ssize_t most = 256 * sizeof(Ordered), at = most
    cdef Ordered total = folded_block(a, min(bytes, most), end, none, like, how)
    while at < bytes:
        total = merge(total, folded_block(a + at, min(bytes - at, most), end, none, like, how), how)
        at += most
    return total


cdef inline void fold(char* to, Py_ssize_t to_step, const char* a, Py_ssize_t step, Py_ssize_t n, Py_ssize_t count,
                      const char* end, const char* none, Ordered* like, const int how) noexcept nogil:
    """As many lines at once as a vector has lanes: pairs of vectors become one until one is left, in order."""
    cdef Ordered total[MOST_LANES]
    cdef Py_ssize_t size = element_bytes(like), lanes = sizeof(Ordered) // size, i, lines, width
    while count > 0:
        lines = min(count, lanes)
        for i in range(lines):
            total[i] = folded(a + i * step, n * size, end, none, like, how)
        for i in range(lines, lanes):
            total[i] = total[0]
        width = lanes
        while width > 1:
            width //= 2
            for i in range(width):
                total[i] = merge(even(total[2 * i], total[2 * i + 1]), odd(total[2 * i], total[2 * i + 1]), how)
        if to_step == size:
            if lines == lanes:
                (<Ordered*> to)[0] = total[0]
            else:
                put(to, total[0], lines)
        else:
            for i in range(lines):
                memcpy(to + i * to_step, <const char*> total + i * size, size)
        count -= lines
        a += lines * step
        to += lines * to_step


cdef inline void scan(char* to, const char* a, const Py_ssize_t* start, const Py_ssize_t* count, Py_ssize_t origin,
                      Py_ssize_t n, const char* none, Ordered* like, const int how) noexcept nogil:
    cdef Py_ssize_t size = element_bytes(like), i, t
    cdef Ordered v
    cdef const char* at
    for i in range(n):
        at = a + (start[i] - origin) * size
        v = (<const Ordered*> none)[0]
        for t in range(count[i]):
            v = merge(v, single(at + t * size, <Ordered*> none), how)
        put(to + i * size, v, 1)


# ---------------------------------------------------------------- their addresses

cdef void rows_largest(char* to, const char* a, Py_ssize_t step, Py_ssize_t m, Py_ssize_t n, bint add, const char* end,
                       const Ordered* none, Py_ssize_t lines, Py_ssize_t to_line, Py_ssize_t a_line) noexcept nogil:
    rows(to, a, step, m, n, add, end, <const char*> none, lines, to_line, a_line, <Ordered*> NULL, LARGEST)

cdef void rows_smallest(char* to, const char* a, Py_ssize_t step, Py_ssize_t m, Py_ssize_t n, bint add, const char* end,
                        const Ordered* none, Py_ssize_t lines, Py_ssize_t to_line, Py_ssize_t a_line) noexcept nogil:
    rows(to, a, step, m, n, add, end, <const char*> none, lines, to_line, a_line, <Ordered*> NULL, SMALLEST)

cdef void rows_total(char* to, const char* a, Py_ssize_t step, Py_ssize_t m, Py_ssize_t n, bint add, const char* end,
                     const Ordered* none, Py_ssize_t lines, Py_ssize_t to_line, Py_ssize_t a_line) noexcept nogil:
    rows(to, a, step, m, n, add, end, <const char*> none, lines, to_line, a_line, <Ordered*> NULL, TOTAL)

cdef void slide_largest(Ordered* to, const char* a, Py_ssize_t shift, Py_ssize_t m, const char* x, Py_ssize_t next,
                        Py_ssize_t extra, Py_ssize_t n, bint exact, Py_ssize_t lines, Py_ssize_t to_line,
                        Py_ssize_t a_line) noexcept nogil:
    slide(<char*> to, a, shift, m, x, next, 0, n, exact, lines, to_line, a_line, <Ordered*> NULL, LARGEST)

cdef void slide_smallest(Ordered* to, const char* a, Py_ssize_t shift, Py_ssize_t m, const char* x, Py_ssize_t next,
                         Py_ssize_t extra, Py_ssize_t n, bint exact, Py_ssize_t lines, Py_ssize_t to_line,
                         Py_ssize_t a_line) noexcept nogil:
    slide(<char*> to, a, shift, m, x, next, 0, n, exact, lines, to_line, a_line, <Ordered*> NULL, SMALLEST)

cdef void slide_total(Ordered* to, const char* a, Py_ssize_t shift, Py_ssize_t m, const char* x, Py_ssize_t next,
                      Py_ssize_t extra, Py_ssize_t n, bint exact, Py_ssize_t lines, Py_ssize_t to_line,
                      Py_ssize_t a_line) noexcept nogil:
    slide(<char*> to, a, shift, m, x, next, extra, n, exact, lines, to_line, a_line, <Ordered*> NULL, TOTAL)

cdef void halve_largest(Ordered* to, const char* a, Py_ssize_t k, Py_ssize_t n, Py_ssize_t lines, Py_ssize_t to_line,
                        Py_ssize_t a_line) noexcept nogil:
    halve(<char*> to, a, k, n, lines, to_line, a_line, <Ordered*> NULL, LARGEST)

cdef void halve_smallest(Ordered* to, const char* a, Py_ssize_t k, Py_ssize_t n, Py_ssize_t lines, Py_ssize_t to_line,
                         Py_ssize_t a_line) noexcept nogil:
    halve(<char*> to, a, k, n, lines, to_line, a_line, <Ordered*> NULL, SMALLEST)

cdef void halve_total(Ordered* to, const char* a, Py_ssize_t k, Py_ssize_t n, Py_ssize_t lines, Py_ssize_t to_line,
                      Py_ssize_t a_line) noexcept nogil:
    halve(<char*> to, a, k, n, lines, to_line, a_line, <Ordered*> NULL, TOTAL)

cdef void fold_largest(Ordered* to, Py_ssize_t to_step, const char* a, Py_ssize_t step, Py_ssize_t n, Py_ssize_t count,
                       const char* end, const char* none) noexcept nogil:
    fold(<char*> to, to_step, a, step, n, count, end, none, <Ordered*> NULL, LARGEST)

cdef void fold_smallest(Ordered* to, Py_ssize_t to_step, const char* a, Py_ssize_t step, Py_ssize_t n, Py_ssize_t count,
                        const char* end, const char* none) noexcept nogil:
    fold(<char*> to, to_step, a, step, n, count, end, none, <Ordered*> NULL, SMALLEST)

cdef void fold_total(Ordered* to, Py_ssize_t to_step, const char* a, Py_ssize_t step, Py_ssize_t n, Py_ssize_t count,
                     const char* end, const char* none) noexcept nogil:
    fold(<char*> to, to_step, a, step, n, count, end, none, <Ordered*> NULL, TOTAL)

cdef void scan_largest(Ordered* to, const char* a, const Py_ssize_t* start, const Py_ssize_t* count, Py_ssize_t origin,
                       Py_ssize_t n, const char* none) noexcept nogil:
    scan(<char*> to, a, start, count, origin, n, none, <Ordered*> NULL, LARGEST)

cdef void scan_smallest(Ordered* to, const char* a, const Py_ssize_t* start, const Py_ssize_t* count, Py_ssize_t origin,
                        Py_ssize_t n, const char* none) noexcept nogil:
    scan(<char*> to, a, start, count, origin, n, none, <Ordered*> NULL, SMALLEST)

cdef void scan_total(Ordered* to, const char* a, const Py_ssize_t* start, const Py_ssize_t* count, Py_ssize_t origin,
                     Py_ssize_t n, const char* none) noexcept nogil:
    scan(<char*> to, a, start, count, origin, n, none, <Ordered*> NULL, TOTAL)


cdef inline void ordered_loops(Loops* f, int how, Ordered* like) noexcept nogil:
    f.size = element_bytes(like)
    if how == LARGEST:
        f.rows, f.slide = <rows_loop> rows_largest[Ordered], <slide_loop> slide_largest[Ordered]
        f.halve, f.fold = <halve_loop> halve_largest[Ordered], <fold_loop> fold_largest[Ordered]
        f.scan = <scan_loop> scan_largest[Ordered]
    else:
        f.rows, f.slide = <rows_loop> rows_smallest[Ordered], <slide_loop> slide_smallest[Ordered]
        f.halve, f.fold = <halve_loop> halve_smallest[Ordered], <fold_loop> fold_smallest[Ordered]
        f.scan = <scan_loop> scan_smallest[Ordered]


ctypedef fused Summed:
    vint16
    vint32
    vint64
    vfloat
    vdouble
    vlongdouble


cdef inline void summing_loops(Loops* f, Summed* like) noexcept nogil:
    f.size = element_bytes(like)
    f.rows, f.slide = <rows_loop> rows_total[Summed], <slide_loop> slide_total[Summed]
    f.halve, f.fold = <halve_loop> halve_total[Summed], <fold_loop> fold_total[Summed]
    f.scan = <scan_loop> scan_total[Summed]


cdef void fill_none(Loops* f, int element, int how) noexcept nogil:
    """A vector of what is smaller than anything else, or larger, or zero."""
    cdef double sign = 0 if how == TOTAL else (-1 if how == LARGEST else 1)
    cdef double infinite = sign * (1e300 * 1e300) if sign else 0.0
    cdef uint64_t bits = 0
    cdef Py_ssize_t i
    cdef bint signed_ = element == INT8 or element == INT16 or element == INT32 or element == INT64
    if element == FLOAT32 or element == FLOAT64 or element == LONGDOUBLE:
        for i in range(MOST_LANES // f.size):
            if element == FLOAT32: (<float*> f.none)[i] = <float> infinite
            elif element == FLOAT64: (<double*> f.none)[i] = infinite
            else: (<long double*> f.none)[i] = <long double> infinite
        return
    if how != TOTAL and signed_:
        bits = (<uint64_t> 1) << (8 * f.size - 1)      # the smallest
        bits = ~bits if how == SMALLEST else bits
    elif how == SMALLEST:
        bits = 1 if element == BOOL else ~(<uint64_t> 0)
    for i in range(MOST_LANES // f.size):
        if f.size == 1: (<uint8_t*> f.none)[i] = <uint8_t> bits
        elif f.size == 2: (<uint16_t*> f.none)[i] = <uint16_t> bits
        elif f.size == 4: (<uint32_t*> f.none)[i] = <uint32_t> bits
        else: (<uint64_t*> f.none)[i] = bits


cdef void loops_for(Loops* f, int element, int how) noexcept nogil:
    if how == TOTAL:
        if element == INT16 or element == UINT16: summing_loops(f, <vint16*> NULL)
        elif element == INT32 or element == UINT32: summing_loops(f, <vint32*> NULL)
        elif element == INT64 or element == UINT64: summing_loops(f, <vint64*> NULL)
        elif element == FLOAT32: summing_loops(f, <vfloat*> NULL)
        elif element == FLOAT64: summing_loops(f, <vdouble*> NULL)
        else: summing_loops(f, <vlongdouble*> NULL)
    elif element == BOOL or element == UINT8: ordered_loops(f, how, <vbool*> NULL)
    elif element == INT8: ordered_loops(f, how, <vsigned8*> NULL)
    elif element == UINT16: ordered_loops(f, how, <vint16*> NULL)
    elif element == INT16: ordered_loops(f, how, <vsigned16*> NULL)
    elif element == UINT32: ordered_loops(f, how, <vint32*> NULL)
    elif element == INT32: ordered_loops(f, how, <vsigned32*> NULL)
    elif element == UINT64: ordered_loops(f, how, <vint64*> NULL)
    elif element == INT64: ordered_loops(f, how, <vsigned64*> NULL)
    elif element == FLOAT32: ordered_loops(f, how, <vfloat*> NULL)
    elif element == FLOAT64: ordered_loops(f, how, <vdouble*> NULL)
    else: ordered_loops(f, how, <vlongdouble*> NULL)
    fill_none(f, element, how)


# ---------------------------------------------------------------- what happens to a sum

ctypedef long double longdouble

ctypedef fused Floating:
    float
    double
    longdouble


cdef void divide(Floating* a, const double* by, double by_all, Py_ssize_t n, Py_ssize_t inner) noexcept nogil:
    """Each run of `inner` elements by its own number, times that of all."""
    cdef Py_ssize_t i, c
    cdef Floating d = <Floating> by_all
    if by == NULL:
        if d != 1:
            for i in range(n * inner):
                a[i] = a[i] / d
    elif inner == 1:
        for i in range(n):
            a[i] = a[i] / <Floating> (by[i] * by_all)
    else:
        for i in range(n):
            d = <Floating> (by[i] * by_all)
            for c in range(inner):
                a[i * inner + c] = a[i * inner + c] / d


cdef inline Floating power(Floating a, Floating p) noexcept nogil:
    if Floating is longdouble:
        return powl(a, p)
    else:
        return <Floating> pow(a, p)


cdef void raise_to(Floating* a, Floating p, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = -a[i] if a[i] < 0 else a[i]
    if p == 2:
        for i in range(n):
            a[i] = a[i] * a[i]
    elif p != 1:
        for i in range(n):
            a[i] = power(a[i], p)


cdef void take_root(Floating* a, Floating p, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    if p == 2:
        for i in range(n):
            a[i] = <Floating> sqrt(a[i]) if Floating is not longdouble else sqrtl(a[i])
    elif p != 1:
        for i in range(n):
            a[i] = power(a[i], 1 / p)


# ---------------------------------------------------------------- the plan

cdef struct Pass:              # windows of some size, merged to larger ones
    Py_ssize_t shift           # taps from one to the next
    Py_ssize_t m               # of them
    Py_ssize_t offset          # taps to single elements, which sums need for the rest
    Py_ssize_t extra           # of those
    Py_ssize_t size            # taps of the windows that come out

cdef struct Passes:
    int n
    Pass of[MAX_PASSES]

cdef struct Plan:
    const Pool* s
    Loops f
    Py_ssize_t u               # elements from one tap of a row to the next
    bint direct[MAX_RANK]
    Passes passes[MAX_RANK]
    Py_ssize_t outs[MAX_RANK]  # of a block
    Py_ssize_t blocks[MAX_RANK]
    Py_ssize_t box[MAX_RANK]   # positions of the box
    Py_ssize_t pitch[MAX_RANK]  # bytes from one to the next; for the last axis those of an element
    Py_ssize_t box_bytes
    Py_ssize_t row_bytes       # of scratch for a row, whatever is made of it
    Py_ssize_t items
    Py_ssize_t total           # blocks
    bint two_boxes
    bint many_rows
    bint many_at_once
    int chained                # axes
    bint as_it_is              # x's elements need no conversion
    bint reads_in_place        # nor its rows to be gathered
    bint stores_in_place
    bint x_contiguous          # a row is one line; so is one of out
    bint out_contiguous
    int last_element           # of what is divided and stored
    Py_ssize_t last_size
    line_copy gather
    line_copy widen
    line_copy scatter

cdef struct Block:
    Py_ssize_t first[MAX_RANK]  # outputs
    Py_ssize_t outs[MAX_RANK]
    Py_ssize_t position[MAX_RANK]    # of the box's first element in x
    Py_ssize_t low             # of the row's positions, those inside x
    Py_ssize_t high
    const char* x
    char* out
    char* box
    char* other                # a second one
    char* row                  # rows of scratch
    char* wide
    char* converted
    char* levels


cdef void add_pass(Passes* p, Py_ssize_t shift, Py_ssize_t m, Py_ssize_t offset, Py_ssize_t extra,
                   Py_ssize_t size) noexcept nogil:
    p.of[p.n] = Pass(shift, m, offset, extra, size)
    p.n += 1


cdef void plan_passes(Passes* p, Py_ssize_t k, int how) noexcept nogil:
    """Windows of k from ever larger ones: overlapping, or for sums four that adjoin, and up to three elements."""
    cdef Py_ssize_t size = 1, m, parts[MAX_PASSES]
    cdef int n = 0
    p.n = 0
    if how == TOTAL:
        parts[0] = k
        while parts[n] > 8:
            parts[n + 1] = parts[n] // 4
            n += 1
        add_pass(p, 1, parts[n], 0, 0, parts[n])
        while n:
            n -= 1
            size = parts[n + 1]
            add_pass(p, size, 4, 4 * size, parts[n] - 4 * size, parts[n])
        return
    if k <= 5:
        add_pass(p, 1, k, 0, 0, k)
        return
    while size < k:
        m = min(4, k // size)
        if m > 1:
            add_pass(p, size, m, 0, 0, size * m)
            size *= m
        else:
            add_pass(p, k - size, 2, 0, 0, k)
            size = k


cdef inline Py_ssize_t extent(const Pool* s, int axis) noexcept nogil:
    return (s.kernel[axis] - 1) * s.dilation[axis] + 1


cdef inline Py_ssize_t reach(const Pool* s, int axis, Py_ssize_t outs) noexcept nogil:
    """Positions of x that so many outputs see; with a table, the most that any do."""
    cdef Py_ssize_t o = 0, most = 0
    if s.start[axis] == NULL:
        return (outs - 1) * s.stride[axis] + extent(s, axis)
    while o < s.out_size[axis]:
        most = max(most, span(s, axis, o, min(outs, s.out_size[axis] - o)))
        o += outs
    return most


cdef inline Py_ssize_t span(const Pool* s, int axis, Py_ssize_t o, Py_ssize_t outs) noexcept nogil:
    return s.start[axis][o + outs - 1] + s.count[axis][o + outs - 1] - s.start[axis][o]


cdef bint is_direct(const Plan* p, int axis) noexcept nogil:
    cdef const Pool* s = p.s
    cdef Py_ssize_t k = s.kernel[axis]
    if s.start[axis] != NULL or k <= s.stride[axis] or extent(s, axis) * p.pitch[p.s.rank - 2] > LARGEST_BOX:
        return True
    # By dtypes, never by strides: a sum's bits depend on its order.
    return p.as_it_is and (k <= FEW_TAPS or k <= 2 * s.stride[axis])


cdef void lay_out(Plan* p) noexcept nogil:
    """The box's sizes from the outputs of a block."""
    cdef const Pool* s = p.s
    cdef int axis, last = s.rank - 1
    p.box[last] = reach(s, last, p.outs[last])
    p.pitch[last] = p.f.size * p.u
    p.row_bytes = whole(max(p.box[last], p.outs[last]) * p.u * max(p.f.size, p.last_size), 64) + SLACK
    p.box_bytes = whole(p.box[last] * p.pitch[last], 64) + 64
    for axis in range(last - 1, -1, -1):
        p.box[axis] = p.outs[axis] if p.direct[axis] else reach(s, axis, p.outs[axis])
        p.pitch[axis] = p.box_bytes
        p.box_bytes *= p.box[axis]
    p.total = p.items
    for axis in range(s.rank):
        p.blocks[axis] = (s.out_size[axis] + p.outs[axis] - 1) // p.outs[axis]
        p.total *= p.blocks[axis]


cdef void shape_blocks(Plan* p, Py_ssize_t workers) noexcept nogil:
    """As many outputs a block as keep its box in cache, from the last axis outward."""
    cdef const Pool* s = p.s
    cdef int axis, last = s.rank - 1
    cdef Py_ssize_t n, most = BOX
    for axis in range(s.rank):
        p.outs[axis] = 1
        p.direct[axis] = True
    n = s.out_size[last]
    p.outs[last] = n
    lay_out(p)
    while p.outs[last] > 1 and p.box[last] * p.pitch[last] > max(ROW, 2 * extent(s, last) * p.pitch[last]):
        n = (n + 1) // 2
        p.outs[last] = share(s.out_size[last], n)
        lay_out(p)
    for axis in range(last):
        p.direct[axis] = is_direct(p, axis)
        if not p.direct[axis]:
            most = LARGEST_BOX
    lay_out(p)
    for axis in range(last):    # too much for any box: rows are merged one by one
        if not p.direct[axis] and p.box_bytes > LARGEST_BOX:
            p.direct[axis] = True
            lay_out(p)
    for axis in range(last - 1, -1, -1):
        n = 1
        while n < s.out_size[axis]:
            p.outs[axis] = share(s.out_size[axis], 2 * n)
            lay_out(p)
            if p.box_bytes > (most if not p.direct[axis] else BOX) or workers > 1 and (
                    p.total < BLOCKS_A_WORKER * workers and p.direct[axis]):
                p.outs[axis] = share(s.out_size[axis], n)
                lay_out(p)
                break
            n *= 2
        if n < s.out_size[axis]:
            break


cdef void make_plan(Plan* p, const Pool* s, Py_ssize_t workers) noexcept nogil:
    cdef int axis, last = s.rank - 1
    p.s, p.u = s, s.inner
    loops_for(&p.f, s.element, s.reduction)
    p.x_contiguous = (s.inner == 1 or s.x_inner * s.inner == s.x_stride[last]) or s.x_size[last] == 1
    p.out_contiguous = s.inner == 1 or s.out_inner * s.inner == s.out_stride[last] or s.out_size[last] == 1
    p.as_it_is = same(s.x_element, s.element) and s.power == 0
    p.reads_in_place = (p.as_it_is and p.x_contiguous
                        and (s.x_inner == p.f.size if s.inner > 1 or s.x_size[last] == 1 else
                             s.x_stride[last] == p.f.size))
    p.last_element, p.last_size = s.element, p.f.size
    if s.finish == MEAN and s.element != FLOAT32 and s.element != FLOAT64 and s.element != LONGDOUBLE:
        p.last_element, p.last_size = FLOAT64, 8
    # Booleans may be any byte; stored by lines, they are 0 or 1.
    p.stores_in_place = (same(s.out_element, s.element) and s.out_element != BOOL
                         and p.last_element == s.element and p.out_contiguous
                         and (s.out_inner if s.inner > 1 else s.out_stride[last]) == p.f.size)
    p.gather, p.widen = line_copier(s.x_element, s.element), line_copier(s.element, p.last_element)
    p.scatter = line_copier(p.last_element, s.out_element)
    p.items = 1
    for axis in range(s.leading):
        p.items *= s.leading_size[axis]
    shape_blocks(p, workers)
    p.two_boxes = p.many_rows = False
    p.chained = 0
    for axis in range(s.rank):
        if s.start[axis] == NULL:
            plan_passes(&p.passes[axis], s.kernel[axis], s.reduction)
        if axis < last and not p.direct[axis]:
            p.chained += 1
            p.two_boxes = p.two_boxes or s.reduction == TOTAL
        if axis < last and p.direct[axis] and s.kernel[axis] > GROUP:
            p.many_rows = True
    p.many_at_once = rows_at_once(p)


cdef inline bint same(int a, int b) noexcept nogil:
    """Whether elements can be taken for each other as they are."""
    return a == b or same_bits(a, b) or same_bits(b, a) or a == UINT8 and b == INT8 or a == INT8 and b == UINT8


# ---------------------------------------------------------------- rows of x into the box

cdef inline void convert_row(const Plan* p, char* to, const char* x, Py_ssize_t n) noexcept nogil:
    """n positions of a row of x as elements that can be merged."""
    cdef const Pool* s = p.s
    cdef int last = s.rank - 1
    cdef Py_ssize_t i
    if s.inner == 1:
        p.gather(to, p.f.size, x, s.x_stride[last], n)
    elif p.x_contiguous:
        p.gather(to, p.f.size, x, s.x_inner, n * s.inner)
    else:
        for i in range(n):
            p.gather(to + i * s.inner * p.f.size, p.f.size, x + i * s.x_stride[last], s.x_inner, s.inner)
    if s.power != 0:
        if s.element == LONGDOUBLE: raise_to(<longdouble*> to, s.power, n * s.inner)
        else: raise_to(<double*> to, s.power, n * s.inner)


cdef void merge_rows(const Plan* p, const Block* b, char* to, const char* x, Py_ssize_t step, Py_ssize_t m, bint add,
                     int level) noexcept nogil:
    """m rows of x become one of the box, or are merged with it."""
    cdef Py_ssize_t n = (b.high - b.low) * p.u, r = 0, part = GROUP
    cdef char* group
    if m > GROUP and p.s.reduction == TOTAL:
        group = b.levels + level * p.row_bytes
        while part * GROUP < m:
            part *= GROUP
        while r < m:
            merge_rows(p, b, group, x + r * step, step, min(part, m - r), False, level + 1)
            p.f.rows(to, group, 0, 1, n, add or r > 0, group + p.row_bytes, p.f.none, 1, 0, 0)
            r += part
    elif p.reads_in_place:
        p.f.rows(to, x, step, m, n, add, p.s.x_end, p.f.none, 1, 0, 0)
    elif m == 1 and not add:
        convert_row(p, to, x, b.high - b.low)
    else:    # in the same order
        while r < m:
            for part in range(min(MERGED, m - r)):
                convert_row(p, b.converted + part * p.row_bytes, x + (r + part) * step, b.high - b.low)
            p.f.rows(to, b.converted, p.row_bytes, min(MERGED, m - r), n, add or r > 0, b.levels, p.f.none, 1, 0,
                     0)
            r += MERGED


cdef inline void empty(const Plan* p, char* to, Py_ssize_t bytes) noexcept nogil:
    cdef Py_ssize_t at
    for at in range(bytes // MOST_LANES):
        memcpy(to + at * MOST_LANES, p.f.none, MOST_LANES)


cdef inline Py_ssize_t inner_lines(const Plan* p, const Block* b, int axis, Py_ssize_t n,
                                   Py_ssize_t* stop) noexcept nogil:
    """Of the box's n positions along an axis, the stretch whose rows are merged by one call."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t step = s.stride[axis] if p.direct[axis] else 1, at = b.position[axis], first
    cdef Py_ssize_t room = s.x_size[axis] - at - (extent(s, axis) if p.direct[axis] else 1)
    stop[0] = 0
    if axis != s.rank - 2 or not p.reads_in_place or s.start[axis] != NULL or room < 0 or (
            p.direct[axis] and s.kernel[axis] > GROUP):
        return 0
    first = 0 if at >= 0 else (-at + step - 1) // step
    stop[0] = min(n, room // step + 1)
    return first


cdef void fill_box(const Plan* p, const Block* b, int axis, const char* x, char* to, bint add) noexcept nogil:
    """From this axis inward. Where nothing of x is to be merged, rows hold what changes nothing."""
    cdef const Pool* s = p.s
    cdef int last = s.rank - 1
    cdef Py_ssize_t i, o, t, low, high, at, d = s.dilation[axis], n = b.outs[axis]
    cdef Py_ssize_t inside = -1, outside = -1
    if axis == last:
        merge_rows(p, b, to, x, 0, 1, add, 0)
        return
    if not p.direct[axis]:
        n = (n - 1) * s.stride[axis] + extent(s, axis)
    low = inner_lines(p, b, axis, n, &high)    # windows that are all inside
    if low < high:
        at = b.position[axis] + low * (s.stride[axis] if p.direct[axis] else 1)
        p.f.rows(to + low * p.pitch[axis], x + at * s.x_stride[axis], d * s.x_stride[axis],
                 s.kernel[axis] if p.direct[axis] else 1, (b.high - b.low) * p.u, add, s.x_end, p.f.none, high - low,
                 p.pitch[axis], s.x_stride[axis] * (s.stride[axis] if p.direct[axis] else 1))
        inside, outside = low, high
    i = -1
    while i + 1 < n:
        i += 1
        if i == inside:
            i = outside
            if i >= n:
                return
        if p.direct[axis] and s.start[axis] != NULL:
            o = b.first[axis] + i
            at, low, high = s.start[axis][o], 0, s.count[axis][o]
        elif p.direct[axis]:
            at = (b.first[axis] + i) * s.stride[axis] - s.before[axis]
            low = 0 if at >= 0 else (-at + d - 1) // d
            high = s.kernel[axis]
            if at + (high - 1) * d >= s.x_size[axis]:
                high = (s.x_size[axis] - at + d - 1) // d if at < s.x_size[axis] else 0
        else:
            at, low = b.position[axis] + i, 0
            high = 1 if 0 <= at < s.x_size[axis] else 0
        if low >= high:
            if not add:
                empty(p, to + i * p.pitch[axis], p.pitch[axis])
        elif axis == last - 1:
            merge_rows(p, b, to + i * p.pitch[axis], x + (at + low * d) * s.x_stride[axis], d * s.x_stride[axis],
                       high - low, add, 0)
        else:
            for t in range(low, high):
                fill_box(p, b, axis + 1, x + (at + t * d) * s.x_stride[axis], to + i * p.pitch[axis], add or t > low)


# ---------------------------------------------------------------- the box, axis by axis

cdef void reduce_axis(const Plan* p, Block* b, int axis) noexcept nogil:
    """Windows along an outer axis: each pass is one loop over all that follows a position."""
    cdef const Pool* s = p.s
    cdef const Pass* q
    cdef Py_ssize_t outer = 1, i, n, d = s.dilation[axis], pitch = p.pitch[axis], length, block
    cdef char* source
    cdef char* target
    cdef int j
    for j in range(axis):
        outer *= b.outs[j] if p.direct[j] else (b.outs[j] - 1) * s.stride[j] + extent(s, j)
    length = (b.outs[axis] - 1) * s.stride[axis] + extent(s, axis)
    block = p.box[axis] * pitch
    for i in range(outer if axis else 1):
        source = b.box + i * block
        target = b.other + i * block if s.reduction == TOTAL else source
        for j in range(p.passes[axis].n):
            q = &p.passes[axis].of[j]
            n = (length - (q.size - 1) * d) * pitch // p.f.size
            p.f.slide(target, source if j == 0 else target, q.shift * d * pitch, q.m, source + q.offset * d * pitch,
                      d * pitch, q.extra, n, False, 1, 0, 0)
    if s.reduction == TOTAL:
        b.box, b.other = b.other, b.box


cdef inline bint by_windows(const Pool* s, Py_ssize_t lanes) noexcept nogil:
    """Whether a row's windows are long and hardly overlap."""
    cdef int last = s.rank - 1
    return s.inner == 1 and s.dilation[last] == 1 and s.kernel[last] >= 2 * lanes and (
        s.stride[last] * 2 >= s.kernel[last])


cdef void reduce_table_row(const Plan* p, const Block* b, const char* row, char* to) noexcept nogil:
    cdef const Pool* s = p.s
    cdef int last = s.rank - 1
    cdef const Py_ssize_t* start = s.start[last] + b.first[last]
    cdef const Py_ssize_t* count = s.count[last] + b.first[last]
    cdef Py_ssize_t i, size = p.f.size
    if p.u == 1 and s.kernel[last] * size <= 64:
        p.f.scan(to, row, start, count, b.position[last], b.outs[last], p.f.none)
        return
    for i in range(b.outs[last]):
        if p.u == 1:
            p.f.fold(to + i * size, size, row + (start[i] - b.position[last]) * size, 0, count[i], 1,
                     row + p.row_bytes, p.f.none)
        else:
            p.f.rows(b.wide, row + (start[i] - b.position[last]) * p.u * size, p.u * size, count[i], p.u, False,
                     row + p.row_bytes, p.f.none, 1, 0, 0)
            memcpy(to + i * p.u * size, b.wide, p.u * size)


cdef void reduce_windows(const Plan* p, const Block* b, const char* row, char* to) noexcept nogil:
    """The last axis by all its passes, at every position, and then one position of each stride."""
    cdef const Pool* s = p.s
    cdef const Pass* q
    cdef int last = s.rank - 1, j, passes = p.passes[last].n
    cdef Py_ssize_t d = s.dilation[last] * p.pitch[last], outs = b.outs[last], i, n, size = p.f.size
    cdef Py_ssize_t length = (outs - 1) * s.stride[last] + extent(s, last)
    cdef bint strided = s.stride[last] > 1 and outs > 1, exact
    cdef char* target
    for j in range(passes):
        q = &p.passes[last].of[j]
        exact = j == passes - 1 and not strided
        target = to if exact else b.row
        n = outs * p.u if exact else (length - (q.size - 1) * s.dilation[last]) * p.u
        p.f.slide(target, row if j == 0 else b.row, q.shift * d, q.m, row + q.offset * d, d, q.extra, n, exact, 1, 0,
                  0)
    if strided and p.u == 1:
        line_copier(s.element, s.element)(to, size, b.row, s.stride[last] * size, outs)
    elif strided:
        for i in range(outs):
            memcpy(to + i * p.u * size, b.row + i * s.stride[last] * p.u * size, p.u * size)


cdef void reduce_row(const Plan* p, const Block* b, const char* row, char* to) noexcept nogil:
    """A row of the box becomes one of the outputs, not yet divided."""
    cdef const Pool* s = p.s
    cdef int last = s.rank - 1
    cdef Py_ssize_t i, k = s.kernel[last], size = p.f.size, step = s.stride[last] * p.u * size
    if s.start[last] != NULL:
        reduce_table_row(p, b, row, to)
    elif p.u == 1 and s.stride[last] == 2 and k <= 3 and s.dilation[last] == 1:
        p.f.halve(to, row, k, b.outs[last], 1, 0, 0)
    elif by_windows(s, MOST_LANES // size):
        p.f.fold(to, size, row, step, k, b.outs[last], row + p.row_bytes, p.f.none)
    elif p.u * size >= MOST_LANES and s.stride[last] > 1 and k <= 8:    # channels last
        for i in range(b.outs[last]):
            p.f.slide(to + i * p.u * size, row + i * step, s.dilation[last] * p.u * size, k, row, 0, 0, p.u, True,
                      1, 0, 0)
    else:
        reduce_windows(p, b, row, to)


cdef void finish_row(const Plan* p, const Block* b, char* line, char* out, double by_all) noexcept nogil:
    """Divides, takes roots, and stores."""
    cdef const Pool* s = p.s
    cdef int last = s.rank - 1
    cdef Py_ssize_t n = b.outs[last], i
    cdef const double* by = s.divisor[last]
    if p.last_element != s.element:
        p.widen(b.wide, p.last_size, line, p.f.size, n * p.u)
        line = b.wide
    if s.finish == MEAN:
        if by != NULL:
            by += b.first[last]
        if p.last_element == FLOAT32: divide(<float*> line, by, by_all, n, p.u)
        elif p.last_element == FLOAT64: divide(<double*> line, by, by_all, n, p.u)
        else: divide(<longdouble*> line, by, by_all, n, p.u)
    elif s.finish == ROOT:
        if s.element == LONGDOUBLE: take_root(<longdouble*> line, s.power, n * p.u)
        else: take_root(<double*> line, s.power, n * p.u)
    if line == out:
        return
    if s.inner == 1:
        p.scatter(out, s.out_stride[last], line, p.last_size, n)
    elif p.out_contiguous:
        p.scatter(out, s.out_inner, line, p.last_size, n * s.inner)
    else:
        for i in range(n):
            p.scatter(out + i * s.out_stride[last], s.out_inner, line + i * s.inner * p.last_size, p.last_size,
                      s.inner)


cdef inline void divide_all(const Plan* p, char* line, double by, Py_ssize_t n) noexcept nogil:
    if p.last_element == FLOAT32: divide(<float*> line, NULL, by, n, 1)
    elif p.last_element == FLOAT64: divide(<double*> line, NULL, by, n, 1)
    else: divide(<longdouble*> line, NULL, by, n, 1)


cdef bint rows_at_once(const Plan* p) noexcept nogil:
    """Whether rows of outputs are made by one loop each, and all divided by one number."""
    cdef const Pool* s = p.s
    cdef int last = s.rank - 1
    if (not p.stores_in_place or s.finish == ROOT or s.divisor[last] != NULL or s.divisor[last - 1] != NULL
            or s.start[last] != NULL):
        return False
    if p.u == 1 and s.stride[last] == 2 and s.dilation[last] == 1:
        return s.kernel[last] <= 3
    return s.stride[last] == 1 and p.passes[last].n == 1 and s.kernel[last] <= 8 and (
        not by_windows(s, MOST_LANES // p.f.size))


cdef void reduce_rows(const Plan* p, const Block* b, int axis, const char* box, char* out,
                      double by_all) noexcept nogil:
    """From this axis inward: all rows of outputs."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t i, step, n
    cdef int last = s.rank - 1
    cdef char* line
    if axis == last:
        line = out if p.stores_in_place else b.converted
        reduce_row(p, b, box, line)
        finish_row(p, b, line, out, by_all)
        return
    step = p.pitch[axis] * (1 if p.direct[axis] else s.stride[axis])
    if axis == last - 1 and p.many_at_once and b.outs[axis] > 1:
        n = b.outs[last] * p.u
        if s.stride[last] == 2 and p.u == 1:
            p.f.halve(out, box, s.kernel[last], n, b.outs[axis], s.out_stride[axis], step)
        else:
            p.f.slide(out, box, s.dilation[last] * p.pitch[last], s.kernel[last], box, 0, 0, n, True, b.outs[axis],
                      s.out_stride[axis], step)
        if s.finish == MEAN:
            if s.out_stride[axis] == n * p.f.size:
                divide_all(p, out, by_all, n * b.outs[axis])
            else:
                for i in range(b.outs[axis]):
                    divide_all(p, out + i * s.out_stride[axis], by_all, n)
        return
    for i in range(b.outs[axis]):
        reduce_rows(p, b, axis + 1, box + i * step, out + i * s.out_stride[axis],
                    by_all if s.divisor[axis] == NULL else by_all * s.divisor[axis][b.first[axis] + i])


# ---------------------------------------------------------------- blocks

cdef void place(const Plan* p, Block* b, Py_ssize_t index) noexcept nogil:
    """Which outputs, and what of x they see."""
    cdef const Pool* s = p.s
    cdef int axis, last = s.rank - 1
    cdef Py_ssize_t o
    b.x, b.out = s.x, s.out
    for axis in range(last, -1, -1):
        o = index if p.blocks[axis] == 1 else index % p.blocks[axis]
        if p.blocks[axis] == 1:
            o = 0
        else:
            index //= p.blocks[axis]
        b.first[axis] = o * p.outs[axis]
        b.outs[axis] = min(p.outs[axis], s.out_size[axis] - b.first[axis])
        b.position[axis] = b.first[axis] * s.stride[axis] - s.before[axis]
        if s.start[axis] != NULL:
            b.position[axis] = s.start[axis][b.first[axis]]
        b.out += b.first[axis] * s.out_stride[axis]
    for axis in range(s.leading - 1, -1, -1):
        o = index % s.leading_size[axis]
        index //= s.leading_size[axis]
        b.x += o * s.x_leading[axis]
        b.out += o * s.out_leading[axis]
    b.low = max(0, -b.position[last])
    if s.start[last] != NULL:
        o = span(s, last, b.first[last], b.outs[last])
    else:
        o = (b.outs[last] - 1) * s.stride[last] + extent(s, last)
    b.high = max(b.low, min(o, s.x_size[last] - b.position[last]))


cdef void run_block(const Plan* p, Py_ssize_t index, char* scratch, bint fresh) noexcept nogil:
    cdef const Pool* s = p.s
    cdef int axis, last = s.rank - 1
    cdef Block b
    cdef Py_ssize_t box = p.box_bytes + SLACK
    place(p, &b, index)
    b.box = scratch
    b.other = scratch + (box if p.two_boxes else 0)
    b.row = b.other + box
    b.wide, b.converted = b.row + p.row_bytes, b.row + 2 * p.row_bytes
    b.levels = b.converted + MERGED * p.row_bytes
    if fresh or p.blocks[last] > 1 or p.two_boxes and p.chained > 1:    # else the borders of rows are still there
        empty(p, b.box, box)
    fill_box(p, &b, 0, b.x + (b.position[last] + b.low) * s.x_stride[last], b.box + b.low * p.pitch[last], False)
    for axis in range(last):
        if not p.direct[axis]:
            reduce_axis(p, &b, axis)
    reduce_rows(p, &b, 0, b.box, b.out, s.divided_by)


cdef int run(const Pool* s, Py_ssize_t workers) noexcept nogil:
    """Returns -1 without memory, before any work."""
    cdef Plan p
    cdef Py_ssize_t per_worker, i, chunks, chunk, rows
    cdef char* memory
    cdef char* scratch
    make_plan(&p, s, workers)
    workers = max(1, min(workers, p.total))
    rows = 2 + MERGED + (LEVELS if p.many_rows else 0)
    per_worker = whole((2 if p.two_boxes else 1) * (p.box_bytes + SLACK) + rows * p.row_bytes, 64)
    memory = <char*> malloc(64 + workers * per_worker)
    if memory == NULL:
        return -1
    scratch = aligned(memory)
    if workers == 1:
        for i in range(p.total):
            run_block(&p, i, scratch, i == 0)
    else:
        chunk = max(1, p.total // (workers * 8))
        chunks = (p.total + chunk - 1) // chunk
        for i in prange(chunks, schedule="dynamic", num_threads=<int> workers):
            run_chunk(&p, i * chunk, min(p.total, (i + 1) * chunk), scratch + threadid() * per_worker)
    free(memory)
    return 0


cdef void run_chunk(const Plan* p, Py_ssize_t start, Py_ssize_t stop, char* scratch) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(start, stop):
        run_block(p, i, scratch, i == start)


# ---------------------------------------------------------------- one window for a whole item

cdef bint is_whole(const Pool* s) noexcept nogil:
    """Whether each row is one window, and nothing else is merged."""
    cdef int axis, last = s.rank - 1
    for axis in range(last):
        if s.kernel[axis] != 1 or s.start[axis] != NULL or s.x_size[axis] != s.out_size[axis]:
            return False
    return (s.rank == 2 and s.leading == 0 and s.inner == 1 and s.start[last] == NULL and s.out_size[last] == 1
            and s.kernel[last] == s.x_size[last] and s.before[last] == 0 and s.dilation[last] == 1
            and s.divisor[last] == NULL)


cdef void fold_rows(const Plan* p, Py_ssize_t first, Py_ssize_t count, char* scratch) noexcept nogil:
    """Rows in pieces, the pieces' results in a row, and that to one element."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t n = s.x_size[1], size = p.f.size, piece = BOX // size, pieces = (n + piece - 1) // piece, r, i, m
    cdef char* results = scratch + BOX + SLACK
    cdef char* row = results + whole((pieces + count) * size, 64) + SLACK
    cdef const char* x = s.x + first * s.x_stride[0]
    cdef Block b
    if p.reads_in_place and pieces == 1:
        p.f.fold(results, size, x, s.x_stride[0], n, count, s.x_end, p.f.none)
    else:
        for r in range(count):
            for i in range(pieces):
                m = min(piece, n - i * piece)
                if p.reads_in_place:
                    p.f.fold(row, size, x + i * piece * size, 0, m, 1, s.x_end, p.f.none)
                else:
                    convert_row(p, scratch, x + i * piece * s.x_stride[1], m)
                    p.f.fold(row, size, scratch, 0, m, 1, scratch + BOX + SLACK, p.f.none)
                memcpy(results + (count + i) * size, row, size)
            if pieces > 1:
                p.f.fold(row, size, results + count * size, 0, pieces, 1, row, p.f.none)
            memcpy(results + r * size, row, size)
            x += s.x_stride[0]
    b.first[1], b.outs[1], b.wide = 0, count, row + SLACK
    finish_row(p, &b, results, s.out + first * s.out_stride[0], s.divided_by)


cdef int run_whole(const Pool* given, Py_ssize_t workers) noexcept nogil:
    cdef Plan p
    cdef Pool s = given[0]
    cdef Py_ssize_t chunk, chunks, per_worker, i, count = s.out_size[0]
    cdef char* memory
    cdef char* scratch
    make_plan(&p, &s, 1)
    s.out_stride[1] = s.out_stride[0]    # results of a chunk are stored as one row
    chunk = max(1, min(1024, 4 * BOX // max(1, s.x_size[1] * p.f.size) // MOST_LANES * MOST_LANES))
    chunks = (count + chunk - 1) // chunk
    workers = max(1, min(workers, chunks))
    per_worker = whole(BOX + 4 * SLACK + (chunk + s.x_size[1] // (BOX // p.f.size) + 2) * p.f.size + chunk * 16, 64)
    memory = <char*> malloc(64 + workers * per_worker)
    if memory == NULL:
        return -1
    scratch = aligned(memory)
    if workers == 1:
        for i in range(chunks):
            fold_rows(&p, i * chunk, min(chunk, count - i * chunk), scratch)
    else:
        for i in prange(chunks, schedule="dynamic", num_threads=<int> workers):
            fold_rows(&p, i * chunk, min(chunk, count - i * chunk), scratch + threadid() * per_worker)
    free(memory)
    return 0


# ---------------------------------------------------------------- indices

ctypedef fused Scalar:
    int8_t
    uint8_t
    int16_t
    uint16_t
    int32_t
    uint32_t
    int64_t
    uint64_t
    float
    double
    longdouble

ctypedef void (*find_row)(const Pool* s, const char* x, int64_t flat, char* best, int64_t* at) noexcept nogil


cdef inline void compare(Scalar* best, int64_t* at, Scalar value, int64_t flat, bint smallest) noexcept nogil:
    """The first of the largest stays; NaN is larger and smaller than any number."""
    if at[0] < 0 or (value < best[0] if smallest else value > best[0]) or value != value and best[0] == best[0]:
        best[0] = value
        at[0] = flat


cdef void find_in_row(const Pool* s, const Scalar* row, int64_t flat, char* best_line, int64_t* at) noexcept nogil:
    """Compares what is best so far in each output's window, and where, with what one row of x has."""
    cdef int last = s.rank - 1
    cdef Py_ssize_t o, t, c, start, n = s.x_size[last], d = s.dilation[last], inner = s.inner, count, low
    cdef const char* x
    cdef Scalar* best = <Scalar*> best_line
    cdef bint smallest = s.reduction == SMALLEST
    for o in range(s.out_size[last]):
        if s.start[last] != NULL:
            start, count, low = s.start[last][o], s.count[last][o], 0
        else:
            start, count = o * s.stride[last] - s.before[last], s.kernel[last]
            low = 0 if start >= 0 else (-start + d - 1) // d
            if start + (count - 1) * d >= n:
                count = (n - start + d - 1) // d
        for t in range(low, count):
            x = <const char*> row + (start + t * d) * s.x_stride[last]
            for c in range(inner):
                compare(best + o * inner + c, at + o * inner + c, (<const Scalar*> (x + c * s.x_inner))[0],
                        flat + start + t * d, smallest)


cdef find_row finder(int element) noexcept nogil:
    if element == INT8: return <find_row> find_in_row[int8_t]
    if element == BOOL or element == UINT8: return <find_row> find_in_row[uint8_t]
    if element == INT16: return <find_row> find_in_row[int16_t]
    if element == UINT16: return <find_row> find_in_row[uint16_t]
    if element == INT32: return <find_row> find_in_row[int32_t]
    if element == UINT32: return <find_row> find_in_row[uint32_t]
    if element == INT64: return <find_row> find_in_row[int64_t]
    if element == UINT64: return <find_row> find_in_row[uint64_t]
    if element == FLOAT32: return <find_row> find_in_row[float]
    if element == FLOAT64: return <find_row> find_in_row[double]
    return <find_row> find_in_row[longdouble]


cdef void find_axes(const Pool* s, find_row find, int axis, const char* x, int64_t flat, const Py_ssize_t* output,
                    char* best, int64_t* at) noexcept nogil:
    """All rows of x that the windows of a row of outputs see, from this axis inward."""
    cdef Py_ssize_t start, count, t, d = s.dilation[axis]
    if axis == s.rank - 1:
        find(s, x, flat, best, at)
        return
    if s.start[axis] != NULL:
        start, count = s.start[axis][output[axis]], s.count[axis][output[axis]]
    else:
        start, count = output[axis] * s.stride[axis] - s.before[axis], s.kernel[axis]
    for t in range(count):
        if 0 <= start + t * d < s.x_size[axis]:
            find_axes(s, find, axis + 1, x + (start + t * d) * s.x_stride[axis],
                      flat + (start + t * d) * s.index_of[axis], output, best, at)


cdef void find_output_row(const Pool* s, find_row find, Py_ssize_t index, char* scratch) noexcept nogil:
    cdef int axis, last = s.rank - 1
    cdef Py_ssize_t output[MAX_RANK]
    cdef Py_ssize_t o, i, c
    cdef const char* x = s.x
    cdef char* out = s.out
    cdef int64_t* at = <int64_t*> scratch
    for axis in range(last - 1, -1, -1):
        output[axis] = index % s.out_size[axis]
        index //= s.out_size[axis]
        out += output[axis] * s.out_stride[axis]
    for axis in range(s.leading - 1, -1, -1):
        o = index % s.leading_size[axis]
        index //= s.leading_size[axis]
        x += o * s.x_leading[axis]
        out += o * s.out_leading[axis]
    for i in range(s.out_size[last] * s.inner):
        at[i] = -1
    find_axes(s, find, 0, x, 0, output, scratch + s.out_size[last] * s.inner * 8, at)
    for i in range(s.out_size[last]):
        for c in range(s.inner):
            (<int64_t*> (out + i * s.out_stride[last] + c * s.out_inner))[0] = at[i * s.inner + c]


cdef int run_find(const Pool* s, Py_ssize_t workers) noexcept nogil:
    cdef Py_ssize_t rows = 1, i, per_worker = whole(s.out_size[s.rank - 1] * s.inner * 24, 64)
    cdef int axis
    cdef find_row find = finder(s.x_element)
    cdef char* memory
    for axis in range(s.leading):
        rows *= s.leading_size[axis]
    for axis in range(s.rank - 1):
        rows *= s.out_size[axis]
    workers = max(1, min(workers, rows))
    memory = <char*> malloc(workers * per_worker)
    if memory == NULL:
        return -1
    if workers == 1:
        for i in range(rows):
            find_output_row(s, find, i, memory)
    else:
        for i in prange(rows, schedule="static", num_threads=<int> workers):
            find_output_row(s, find, i, memory + threadid() * per_worker)
    free(memory)
    return 0


def reduce(Pooling problem, Py_ssize_t workers):
    """Computes the record's output on `workers` threads."""
    cdef const Pool* s = &problem.pool
    cdef int failed
    with nogil:
        if s.finds: failed = run_find(s, workers)
        elif is_whole(s): failed = run_whole(s, workers)
        else: failed = run(s, workers)
    if failed:
        raise MemoryError(f"no memory for the scratch of {workers} workers")
