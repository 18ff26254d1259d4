"""Rows, windows and lines merged, each by one loop over vectors: the innermost loops of pooling.

Inline, for each build to have its own, and each type and reduction: `like` is NULL and tells the type.
"""
from libc.string cimport memcpy

from fastconv.kernels.order cimport TOTAL, Ordered, after_first, element_bytes, even, head, merge, odd
from fastconv.kernels.simd cimport ZEROS, prefetch, stream, vdouble, vfloat, vlongdouble

cdef enum:
    MOST_LANES = 64            # and bytes of a vector
    MERGED = 4                 # rows at once
    LINE = 64                  # bytes of a cache's line
    STRIPS = 8                 # vectors of lines side by side, at most
    AHEAD = 3072               # to be fetched: 0.95 of the time for 3x3 s2 on 64 MB of float32; 2048 to 6144 are alike


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


cdef inline Ordered divided(Ordered v, double by, const bint multiplies) noexcept nogil:
    """Sums of floats; or multiplied, for the same result."""
    cdef Ordered all = (<const Ordered*> ZEROS)[0]
    if Ordered is vfloat or Ordered is vdouble or Ordered is vlongdouble:
        if Ordered is vfloat: all = all + <float> by
        elif Ordered is vdouble: all = all + by
        else: all = all + <long double> by
        v = v * all if multiplies else v / all
    return v


cdef inline Ordered slid(const char* a, Py_ssize_t shift, const char* x, Py_ssize_t next, Py_ssize_t extra, double by,
                         Ordered* like, const int m, const int how) noexcept nogil:
    cdef Ordered v = merged(a, shift, m, how, like)
    cdef Py_ssize_t e
    for e in range(extra):
        v = merge(v, (<const Ordered*> (x + e * next))[0], how)
    return divided(v, by, False) if how == TOTAL and by != 1 else v


cdef inline void slide_line(char* to, const char* a, Py_ssize_t shift, const char* x, Py_ssize_t next, Py_ssize_t extra,
                            Py_ssize_t n, bint exact, double by, Ordered* like, const int m,
                            const int how) noexcept nogil:
    cdef Py_ssize_t at = 0, bytes = n * element_bytes(like), width = sizeof(Ordered)
    cdef Py_ssize_t stop = bytes - width if exact else bytes - 1
    while at <= stop:
        (<Ordered*> (to + at))[0] = slid(a + at, shift, x + at, next, extra, by, like, m, how)
        at += width
    if at < bytes:
        if bytes >= width:    # moved back over its neighbour
            at = bytes - width
            (<Ordered*> (to + at))[0] = slid(a + at, shift, x + at, next, extra, by, like, m, how)
        else:
            put(to, slid(a, shift, x, next, extra, by, like, m, how), n)


cdef inline void slide_of(char* to, const char* a, Py_ssize_t shift, const char* x, Py_ssize_t next, Py_ssize_t extra,
                          Py_ssize_t n, bint exact, Py_ssize_t lines, Py_ssize_t to_line, Py_ssize_t a_line,
                          double by, Ordered* like, const int m, const int how) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(lines):
        slide_line(to + i * to_line, a + i * a_line, shift, x + i * a_line, next, extra, n, exact, by, like, m, how)


cdef inline void slide(char* to, const char* a, Py_ssize_t shift, Py_ssize_t m, const char* x, Py_ssize_t next,
                       Py_ssize_t extra, Py_ssize_t n, bint exact, Py_ssize_t lines, Py_ssize_t to_line,
                       Py_ssize_t a_line, double by, Ordered* like, const int how) noexcept nogil:
    if m == 1: slide_of(to, a, shift, x, next, extra, n, exact, lines, to_line, a_line, by, like, 1, how)
    elif m == 2: slide_of(to, a, shift, x, next, extra, n, exact, lines, to_line, a_line, by, like, 2, how)
    elif m == 3: slide_of(to, a, shift, x, next, extra, n, exact, lines, to_line, a_line, by, like, 3, how)
    elif m == 4: slide_of(to, a, shift, x, next, extra, n, exact, lines, to_line, a_line, by, like, 4, how)
    elif m == 5: slide_of(to, a, shift, x, next, extra, n, exact, lines, to_line, a_line, by, like, 5, how)
    elif m == 6: slide_of(to, a, shift, x, next, extra, n, exact, lines, to_line, a_line, by, like, 6, how)
    elif m == 7: slide_of(to, a, shift, x, next, extra, n, exact, lines, to_line, a_line, by, like, 7, how)
    else: slide_of(to, a, shift, x, next, extra, n, exact, lines, to_line, a_line, by, like, 8, how)


cdef struct Halving:           # windows that are two elements apart
    Py_ssize_t rows            # up to three, that are merged before
    Py_ssize_t step            # bytes from one to the next
    Py_ssize_t next            # and to those of the next outputs
    Py_ssize_t k               # elements of a window, up to three
    Py_ssize_t n               # windows
    bint padded                # the first one begins an element before the row, where nothing is
    double by                  # what sums are divided by,
    bint multiplies            # or multiplied, for the same result
    bint streams               # past the caches


cdef inline Ordered halved(const char* a, const Halving* h, Ordered* like, const int m, const int k,
                           const int how) noexcept nogil:
    """A vector of results."""
    cdef Ordered low = merged(a, h.step, m, how, like), high = merged(a + sizeof(Ordered), h.step, m, how, like)
    cdef Ordered v = even(low, high)
    if k >= 2:
        v = merge(v, odd(low, high), how)
    if k == 3:
        a += 2 * element_bytes(like)
        low, high = merged(a, h.step, m, how, like), merged(a + sizeof(Ordered), h.step, m, how, like)
        v = merge(v, even(low, high), how)
    return divided(v, h.by, h.multiplies) if how == TOTAL and h.by != 1 else v


cdef inline Ordered halved_padded(const char* a, const char* none, const Halving* h, Ordered* like, const int m,
                                  const int k, const int how) noexcept nogil:
    """The first of a row whose first window begins before it."""
    cdef Ordered row[4]
    row[0] = row[3] = (<const Ordered*> none)[0]
    row[1], row[2] = merged(a, h.step, m, how, like), merged(a + sizeof(Ordered), h.step, m, how, like)
    return halved(<const char*> &row[1] - element_bytes(like), h, like, 1, k, how)


cdef inline void fetch_ahead(const char* a, Py_ssize_t at, const Halving* h, const int m, Ordered* like) noexcept nogil:
    """What vectors of results some way ahead are made of, in these rows and then in the next: rows side by side are
    more streams than processors see coming. Those but the last two are there from the outputs before."""
    cdef int r, line
    if m > 1:
        at += AHEAD
        if at > 2 * h.n * element_bytes(like):
            at += h.next - 2 * h.n * element_bytes(like)
        for r in range(m - 2, m):
            for line in range(max(1, 2 * <int> sizeof(Ordered) // LINE)):
                prefetch(a + r * h.step + at + line * LINE, 0)


cdef inline void keep(char* to, Ordered v, bint streams) noexcept nogil:
    """Streamed vectors go to memory of their alignment."""
    if streams:
        stream(to, <const char*> &v)
    else:
        (<Ordered*> to)[0] = v


cdef inline Py_ssize_t halve_threes(char* to, const char* a, Py_ssize_t at, const Halving* h, Ordered* like,
                                    const int m, const int how) noexcept nogil:
    """Windows of three but for the last vector: what those of one share with the next is kept. Returns the bytes."""
    cdef Py_ssize_t width = sizeof(Ordered), last = h.n * element_bytes(like) - 2 * width
    cdef Ordered low, high, first, third
    if at > last:
        return at
    low, high = merged(a + 2 * at, h.step, m, how, like), merged(a + 2 * at + width, h.step, m, how, like)
    first = even(low, high)
    while at <= last:
        fetch_ahead(a, 2 * at, h, m, like)
        third, first = first, merge(first, odd(low, high), how)
        at += width
        low, high = merged(a + 2 * at, h.step, m, how, like), merged(a + 2 * at + width, h.step, m, how, like)
        first = merge(first, after_first(third, even(low, high)), how)
        if how == TOTAL and h.by != 1:
            first = divided(first, h.by, h.multiplies)
        keep(to + at - width, first, h.streams)
        first = even(low, high)
    return at


cdef inline void halve_line(char* to, const char* a, const char* none, const Halving* h, Ordered* like, const int m,
                            const int k, const int how) noexcept nogil:
    cdef Py_ssize_t size = element_bytes(like), at = 0, bytes = h.n * size, width = sizeof(Ordered)
    cdef Ordered v
    if bytes < width or h.streams or h.padded:    # streamed: up to where a vector of memory begins
        v = halved_padded(a, none, h, like, m, k, how) if h.padded else halved(a, h, like, m, k, how)
        at = min(bytes, width - (<Py_ssize_t> (<size_t> to % width) if h.streams else 0))
        memcpy(to, <const char*> &v, at)
    if h.padded:
        a -= size
    if k == 3:
        at = halve_threes(to, a, at, h, like, m, how)
    while at + width <= bytes:
        fetch_ahead(a, 2 * at, h, m, like)
        keep(to + at, halved(a + 2 * at, h, like, m, k, how), h.streams)
        at += width
    if at < bytes:    # the rest of a vector that ends here
        v = halved(a + 2 * (bytes - width), h, like, m, k, how)
        memcpy(to + at, <const char*> &v + width - (bytes - at), bytes - at)


cdef inline void halve_of(char* to, const char* a, const char* none, Halving h, Py_ssize_t lines, Py_ssize_t to_line,
                          Py_ssize_t a_line, Ordered* like, const int m, const int how) noexcept nogil:
    for _ in range(lines):
        if h.k == 1: halve_line(to, a, none, &h, like, m, 1, how)
        elif h.k == 2: halve_line(to, a, none, &h, like, m, 2, how)
        else: halve_line(to, a, none, &h, like, m, 3, how)
        to += to_line
        a += a_line


cdef inline void halve(char* to, const char* a, const char* none, const Halving* h, Py_ssize_t lines,
                       Py_ssize_t to_line, Py_ssize_t a_line, Ordered* like, const int how) noexcept nogil:
    if h.rows == 1: halve_of(to, a, none, h[0], lines, to_line, a_line, like, 1, how)
    elif h.rows == 2: halve_of(to, a, none, h[0], lines, to_line, a_line, like, 2, how)
    else: halve_of(to, a, none, h[0], lines, to_line, a_line, like, 3, how)


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


cdef inline void stack_block(Ordered* total, Ordered* four, const char* a, Py_ssize_t step, Py_ssize_t n,
                             Py_ssize_t strips, const char* none, const int how) noexcept nogil:
    """What `folded_block` does, of lines that stand side by side: vectors of them for each of its lanes."""
    cdef Py_ssize_t lanes = sizeof(Ordered) // element_bytes(total), at = 0, i, s
    for i in range(lanes * strips):
        total[i] = (<const Ordered*> none)[0]
    if n >= 4 * lanes:
        for i in range(4 * lanes):
            for s in range(strips):
                four[i * strips + s] = (<const Ordered*> (a + i * step))[s]
        at = 4 * lanes
        while at + 4 * lanes <= n:
            for i in range(4 * lanes):
                for s in range(strips):
                    four[i * strips + s] = merge(four[i * strips + s], (<const Ordered*> (a + (at + i) * step))[s], how)
            at += 4 * lanes
        for i in range(lanes * strips):
            total[i] = merge(merge(four[i], four[lanes * strips + i], how),
                             merge(four[2 * lanes * strips + i], four[3 * lanes * strips + i], how), how)
    while at < n:
        for i in range(lanes * strips):
            total[i] = merge(total[i], (<const Ordered*> (a + (at + i // strips) * step))[i % strips]
                             if at + i // strips < n else (<const Ordered*> none)[0], how)
        at += lanes


cdef inline void stack(char* to, const char* a, Py_ssize_t step, Py_ssize_t n, Py_ssize_t strips, const char* none,
                       char* scratch, Ordered* like, const int how) noexcept nogil:
    """A few vectors of results, of lines that stand side by side and whose elements are `step` apart: those of `fold`,
    in its order. Scratch is of six times as many vectors for each lane."""
    cdef Ordered* total = <Ordered*> scratch
    cdef Py_ssize_t lanes = sizeof(Ordered) // element_bytes(like), most = 256 * lanes, at = 0, i, s, width = lanes
    cdef Ordered* block = total + lanes * strips
    while at == 0 or at < n:
        stack_block(total if at == 0 else block, block + lanes * strips, a + at * step, step, min(n - at, most), strips,
                    none, how)
        if at > 0:
            for i in range(lanes * strips):
                total[i] = merge(total[i], block[i], how)
        at += most
    while width > 1:
        width //= 2
        for i in range(width):
            for s in range(strips):
                total[i * strips + s] = merge(total[2 * i * strips + s], total[(2 * i + 1) * strips + s], how)
    for s in range(strips):
        (<Ordered*> to)[s] = total[s]


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
