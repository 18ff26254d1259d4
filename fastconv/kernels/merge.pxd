"""Rows, windows and lines merged, each by one loop over vectors: the innermost loops of pooling.

Inline, for each build to have its own, and each type and reduction: `like` is NULL and tells the type.
"""
from libc.string cimport memcpy

from fastconv.kernels.order cimport Ordered, element_bytes, even, head, merge, odd

cdef enum:
    MOST_LANES = 64            # and bytes of a vector
    MERGED = 4                 # rows at once


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
