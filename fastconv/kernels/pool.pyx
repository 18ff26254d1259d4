"""Pooling: out[o] = the largest, the smallest or the sum of x[o * stride + t * dilation - before] over t.

Taps outside the image do not count. The axes are reduced one after the other, so that a window costs its sides, not
its area, and each of them by overlapping or adjoining windows of a quarter of the size, so that a side costs its
logarithm; sums are never taken apart again, which would cost accuracy.

A block of outputs is computed in a box in cache. Rows of x are gathered into it, several merged to one where windows
are small or hardly overlap (a "direct" axis), and what is outside is filled with what changes no result. Then the
box is reduced along its other axes, and its rows, at last, along themselves. Gradients are such sums too, of elements
that are divided on their way into the box and that may stand a stride apart: along outer axes what is between is rows
of zeros or no row at all, along rows it is put between when they are reduced.

Every output is reduced in one order, whatever the block or the worker. Loops over data are compiled for each type and
reduction, and called by address; all else exists once.
"""
from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from fastconv.kernels.blocks cimport aligned
from fastconv.kernels.border cimport whole
from fastconv.kernels.box cimport (
    BOX, GROUP, SLACK, Block, Pass, Plan, extent, go_to_item, make_plan, period, place, positions,
)
from fastconv.kernels.finish cimport divide_line, longdouble, raise_to
from fastconv.kernels.lines cimport LONGDOUBLE
from fastconv.kernels.merge cimport MERGED, MOST_LANES, Halving
from fastconv.kernels.order cimport TOTAL
from fastconv.kernels.pooling cimport Pool, Pooling, is_all
from fastconv.kernels.simd cimport fence
from fastconv.kernels.windows cimport divides, finish_row, halving, reduce_row

cdef enum:
    LEVELS = 7                 # of groups of rows
    # Bytes of the narrowest strip of a box: maxima of 31x31 s1 on 1024 x 1024, in three passes, take 0.93 of the time
    # in strips; sums, in two, took 1.05.
    STRIP = 128
    # Bytes of x, of a thread, that stay in its cache: 3x3 s1 on 256 planes of 28 x 28, on two threads, takes 0.95 of
    # the time where each has its own planes. Larger ones go to whoever is free.
    CACHE = 2 * 1024 * 1024

cdef struct Taps:              # along an axis: positions of x
    Py_ssize_t first
    Py_ssize_t step
    Py_ssize_t n

cdef struct Rows:              # of x, that become one of the box
    const char* x
    Py_ssize_t step            # bytes from one to the next
    const double* by           # each has a divisor of its own, or NULL,
    Py_ssize_t by_step
    double by_all              # times that of all


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


cdef inline void read_row(const Plan* p, const Block* b, char* to, const Rows* rows, Py_ssize_t r) noexcept nogil:
    """One of them, of elements as they are to be merged."""
    cdef int last = p.s.rank - 1
    cdef const double* by = p.s.x_divisor[last]
    convert_row(p, to, rows.x + r * rows.step, b.high - b.low)
    if p.s.divides_x:
        divide_line(p.s.element, to, by if by == NULL else by + b.position[last] + b.low,
                    rows.by_all if rows.by == NULL else rows.by_all * rows.by[r * rows.by_step], b.high - b.low, p.u)


cdef void merge_rows(const Plan* p, const Block* b, char* to, const Rows* rows, Py_ssize_t r, Py_ssize_t m, bint add,
                     int level) noexcept nogil:
    """The m rows from r on become one of the box, or are merged with it."""
    cdef Py_ssize_t n = (b.high - b.low) * p.u, stop = r + m, part = GROUP, i
    cdef char* group
    if m > GROUP and p.s.reduction == TOTAL:
        group = b.levels + level * p.row_bytes
        while part * GROUP < m:
            part *= GROUP
        while r < stop:
            merge_rows(p, b, group, rows, r, min(part, stop - r), False, level + 1)
            p.f.rows(to, group, 0, 1, n, add, group + p.row_bytes, p.f.none, 1, 0, 0)
            add = True
            r += part
    elif p.reads_in_place:
        p.f.rows(to, rows.x + r * rows.step, rows.step, m, n, add, p.s.x_end, p.f.none, 1, 0, 0)
    elif m == 1 and not add:
        read_row(p, b, to, rows, r)
    else:    # in the same order
        while r < stop:
            for i in range(min(MERGED, stop - r)):
                read_row(p, b, b.converted + i * p.row_bytes, rows, r + i)
            p.f.rows(to, b.converted, p.row_bytes, min(MERGED, stop - r), n, add, b.levels, p.f.none, 1, 0, 0)
            add = True
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
    if axis != s.rank - 2 or not p.reads_in_place or s.start[axis] != NULL or s.apart[axis] > 1 or room < 0 or (
            p.direct[axis] and s.kernel[axis] > GROUP):
        return 0
    first = 0 if at >= 0 else (-at + step - 1) // step
    stop[0] = min(n, room // step + 1)
    return first


cdef inline Taps in_window(const Pool* s, int axis, Py_ssize_t at) noexcept nogil:
    """Of a window that starts at some position, the taps that meet elements of x."""
    cdef Py_ssize_t d = s.dilation[axis], apart = s.apart[axis], every = period(s, axis)
    cdef Py_ssize_t size = (s.x_size[axis] - 1) * apart + 1, high = s.kernel[axis]
    cdef Py_ssize_t low = 0 if at >= 0 else (-at + d - 1) // d
    cdef Taps t
    if at + (high - 1) * d >= size:
        high = (size - at + d - 1) // d if at < size else 0
    while low < high and (at + low * d) % apart:
        low += 1
    t.first, t.step, t.n = (at + low * d) // apart, every * d // apart, (high - low + every - 1) // every
    return t


cdef inline Taps taps_at(const Plan* p, const Block* b, int axis, Py_ssize_t i) noexcept nogil:
    """What of x position i of the box is made of."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t o = b.first[axis] + i, at = b.position[axis] + i
    cdef Taps t
    if p.direct[axis] and s.start[axis] == NULL:
        return in_window(s, axis, o * s.stride[axis] - s.before[axis])
    if p.direct[axis]:
        t.first, t.step, t.n = s.start[axis][o], s.dilation[axis], s.count[axis][o]
    else:
        t.first, t.step, t.n = at // s.apart[axis], 1, 0
        if at >= 0 and at % s.apart[axis] == 0 and t.first < s.x_size[axis]:
            t.n = 1
    return t


cdef void fill_position(const Plan* p, const Block* b, int axis, Py_ssize_t i, const char* x, double by, char* to,
                        bint add) noexcept nogil:
    cdef Taps taps = taps_at(p, b, axis, i)
    cdef Py_ssize_t t
    cdef Rows rows
    rows.x, rows.step = x + taps.first * p.s.x_stride[axis], taps.step * p.s.x_stride[axis]
    rows.by, rows.by_step, rows.by_all = p.s.x_divisor[axis], taps.step, by
    if rows.by != NULL:
        rows.by += taps.first
    if taps.n <= 0:
        if not add:
            empty(p, to, p.pitch[axis])
    elif axis == p.s.rank - 2:
        merge_rows(p, b, to, &rows, 0, taps.n, add, 0)
    else:
        for t in range(taps.n):
            fill_box(p, b, axis + 1, rows.x + t * rows.step, by if rows.by == NULL else by * rows.by[t * taps.step],
                     to, add or t > 0)


cdef void fill_box(const Plan* p, const Block* b, int axis, const char* x, double by, char* to,
                   bint add) noexcept nogil:
    """From this axis inward. Where nothing of x is to be merged, rows hold what changes nothing."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t i, low, high, at, n = positions(p, b, axis), step = s.stride[axis] if p.direct[axis] else 1
    low = inner_lines(p, b, axis, n, &high)    # windows that are all inside
    if low < high:
        at = b.position[axis] + low * step
        p.f.rows(to + low * p.pitch[axis], x + at * s.x_stride[axis], s.dilation[axis] * s.x_stride[axis],
                 s.kernel[axis] if p.direct[axis] else 1, (b.high - b.low) * p.u, add, s.x_end, p.f.none, high - low,
                 p.pitch[axis], s.x_stride[axis] * step)
    else:
        low = high = n
    for i in range(low):
        fill_position(p, b, axis, i, x, by, to + i * p.pitch[axis], add)
    for i in range(high, n):
        fill_position(p, b, axis, i, x, by, to + i * p.pitch[axis], add)


# ---------------------------------------------------------------- the box, axis by axis

cdef inline void reduce_strip(const Plan* p, int axis, char* source, char* target, Py_ssize_t bytes,
                              Py_ssize_t length) noexcept nogil:
    """All passes along an outer axis, over so many bytes of each of its positions."""
    cdef const Pass* q
    cdef Py_ssize_t pitch = p.pitch[axis], next = p.s.dilation[axis] * pitch
    cdef int j
    for j in range(p.passes[axis].n):
        q = &p.passes[axis].of[j]
        p.f.slide(target, source if j == 0 else target, q.shift * next, q.m, source + q.offset * next, next, q.extra,
                  bytes // p.f.size, False, length - (q.size - 1) * p.s.dilation[axis], pitch, pitch, 1)


cdef void reduce_axis(const Plan* p, Block* b, int axis) noexcept nogil:
    """Windows along an outer axis; where passes are many, in strips that stay in the first-level cache."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t outer = 1, i, at, pitch = p.pitch[axis], length = positions(p, b, axis), strip
    cdef Py_ssize_t block = p.box[axis] * pitch
    cdef char* source
    cdef char* target
    cdef int j
    for j in range(axis):
        outer *= positions(p, b, j)
    strip = pitch if p.passes[axis].n < 3 else max(STRIP, BOX // length // STRIP * STRIP)
    for i in range(outer):
        source = b.box + i * block
        target = b.other + i * block if s.reduction == TOTAL else source
        at = 0
        while at < pitch:
            reduce_strip(p, axis, source + at, target + at, min(strip, pitch - at), length)
            at += strip
    if s.reduction == TOTAL:
        b.box, b.other = b.other, b.box


cdef void reduce_rows(const Plan* p, const Block* b, int axis, const char* box, char* out,
                      double by_all) noexcept nogil:
    """From this axis inward: all rows of outputs."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t i, step, n
    cdef int last = s.rank - 1
    cdef char* line
    cdef Halving h
    if axis == last:
        line = out if p.stores_in_place else b.converted
        by_all = reduce_row(p, b, box, line, by_all)
        finish_row(p, b, line, out, by_all)
        return
    step = p.pitch[axis] * (1 if p.direct[axis] else s.stride[axis])
    if axis == last - 1 and p.many_at_once and b.outs[axis] > 1:
        n = b.outs[last] * p.u
        if s.stride[last] == 2 and p.u == 1:
            h = halving(p, n)
            divides(&h, by_all)
            p.f.halve(out, box, p.f.none, &h, b.outs[axis], s.out_stride[axis], step)
        else:
            p.f.slide(out, box, s.dilation[last] * p.pitch[last], s.kernel[last], box, 0, 0, n, True, b.outs[axis],
                      s.out_stride[axis], step, by_all)
        return
    for i in range(b.outs[axis]):
        reduce_rows(p, b, axis + 1, box + i * step, out + i * s.out_stride[axis],
                    by_all if s.divisor[axis] == NULL else by_all * s.divisor[axis][b.first[axis] + i])


# ---------------------------------------------------------------- rows of x straight to rows of outputs

cdef inline void halve_edge(const Plan* p, const Block* b, char* line, const char* x, const Taps* rows, Halving h,
                            Py_ssize_t i, Py_ssize_t n) noexcept nogil:
    """n outputs from i on by way of the box: their windows, or the vectors that hold these, may reach beyond x."""
    cdef const Pool* s = p.s
    cdef int last = s.rank - 1
    cdef Py_ssize_t size = p.f.size, position = b.position[last] + 2 * i, seen = 2 * (n - 1) + h.k
    cdef Py_ssize_t low = max(0, -position), high = min(seen, s.x_size[last] - position)
    empty(p, b.box, whole(seen * size, MOST_LANES))
    if low < high and rows.n > 0:
        p.f.rows(b.box + low * size, x + (position + low) * size, rows.step, rows.n, high - low, False, s.x_end,
                 p.f.none, 1, 0, 0)
    h.rows, h.n, h.streams = 1, n, False
    p.f.halve(line + i * size, b.box, p.f.none, &h, 1, 0, 0)


cdef inline void halve_in_place(const Plan* p, const Block* b, char* line, const char* x, const Taps* rows, Halving h,
                                Py_ssize_t lines) noexcept nogil:
    """Rows of outputs of x's rows where they lie."""
    cdef const Pool* s = p.s
    cdef int last = s.rank - 1
    cdef Py_ssize_t size = p.f.size, outs = b.outs[last], position = b.position[last], i
    cdef Py_ssize_t next = s.stride[last - 1] * s.x_stride[last - 1], to_next = s.out_stride[last - 1]
    cdef const char* end = x + max(0, (rows.n - 1) * rows.step) + max(0, (lines - 1) * next)
    cdef Py_ssize_t room = (s.x_end - end) // size - max(0, position)    # for whole vectors
    cdef Py_ssize_t low = max(0, -position) // 2
    cdef Py_ssize_t high = min(min(outs, (s.x_size[last] - position - h.k) // 2 + 1), room // 2 - (1 if h.k > 2 else 0))
    if rows.n <= 0 or (high - low) * size < MOST_LANES:
        low = high = outs
    for i in range(lines):
        if low > 0:
            halve_edge(p, b, line + i * to_next, x + i * next, rows, h, 0, low)
        if high < outs:
            halve_edge(p, b, line + i * to_next, x + i * next, rows, h, high, outs - high)
    if low < high:
        position += 2 * low
        h.rows, h.step, h.next, h.n, h.padded = rows.n, rows.step, next, high - low, position < 0
        p.f.halve(line + low * size, x + max(0, position) * size, p.f.none, &h, lines, to_next, next)


cdef inline void halve_gathered(const Plan* p, const Block* b, char* line, const char* x, const Taps* rows,
                                Halving h) noexcept nogil:
    """A row of outputs of x's rows, converted; between what is outside, which is there."""
    cdef int last = p.s.rank - 1
    cdef Py_ssize_t r
    for r in range(rows.n):
        convert_row(p, b.converted + r * p.row_bytes + b.low * p.f.size,
                    x + r * rows.step + (b.position[last] + b.low) * p.s.x_stride[last], b.high - b.low)
    h.rows, h.step = rows.n, p.row_bytes
    if rows.n > 0:
        p.f.halve(line, b.converted, p.f.none, &h, 1, 0, 0)
    else:
        halve_edge(p, b, line, x, rows, h, 0, h.n)


cdef inline Py_ssize_t lines_alike(const Plan* p, const Block* b, int axis, Py_ssize_t i,
                                   Py_ssize_t taps) noexcept nogil:
    """Outputs along an axis, from i on, whose windows are all inside, if i's is."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t at = (b.first[axis] + i) * s.stride[axis] - s.before[axis]
    if not p.halves_to_memory or not p.reads_in_place or s.divisor[axis] != NULL or taps < s.kernel[axis]:
        return 1
    return min(b.outs[axis] - i, (s.x_size[axis] - extent(s, axis) - at) // s.stride[axis] + 1)


cdef inline Py_ssize_t halve_rows(const Plan* p, const Block* b, Py_ssize_t i, char* out, const char* x,
                                  double by) noexcept nogil:
    """Rows of outputs from i on; returns how many."""
    cdef int last = p.s.rank - 1
    cdef Taps rows = taps_at(p, b, last - 1, i)
    cdef Py_ssize_t lines = lines_alike(p, b, last - 1, i, rows.n)
    cdef Halving h = halving(p, b.outs[last])
    cdef char* line = out if p.halves_to_memory else b.row
    rows.step *= p.s.x_stride[last - 1]
    x += rows.first * p.s.x_stride[last - 1]
    if p.halves_to_memory:
        divides(&h, by)
        h.streams = p.streams
    if p.reads_in_place:
        halve_in_place(p, b, line, x, &rows, h, lines)
    else:
        halve_gathered(p, b, line, x, &rows, h)
    if not p.halves_to_memory:
        finish_row(p, b, line, out, by)
    return lines


cdef void halve_axes(const Plan* p, const Block* b, int axis, const char* x, char* out, double by_all) noexcept nogil:
    """From this axis inward: all rows of outputs."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t i = 0, step = s.out_stride[axis]
    cdef double by
    while i < b.outs[axis]:
        by = by_all if s.divisor[axis] == NULL else by_all * s.divisor[axis][b.first[axis] + i]
        if axis == s.rank - 2:
            i += halve_rows(p, b, i, out + i * step, x, by)
        else:
            halve_axes(p, b, axis + 1, x + taps_at(p, b, axis, i).first * s.x_stride[axis], out + i * step, by)
            i += 1


# ---------------------------------------------------------------- blocks

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
    b.spread = b.levels = b.converted + MERGED * p.row_bytes
    if p.halves:
        if not p.reads_in_place and (fresh or p.blocks[last] > 1):
            empty(p, b.converted, MERGED * p.row_bytes)
        halve_axes(p, &b, 0, b.x, b.out, s.divided_by)
        return
    if s.apart[last] > 1:
        b.levels += p.row_bytes
        empty(p, b.spread, p.row_bytes)
    if fresh or p.blocks[last] > 1 or p.two_boxes and p.chained > 1:    # else the borders of rows are still there
        empty(p, b.box, box)
    fill_box(p, &b, 0, b.x + (b.position[last] + b.low) * s.x_stride[last], 1, b.box + b.low * p.pitch[last], False)
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
    rows = 2 + MERGED + (1 if s.apart[s.rank - 1] > 1 else 0) + (LEVELS if p.many_rows else 0)
    per_worker = whole((2 if p.two_boxes else 1) * (p.box_bytes + SLACK) + rows * p.row_bytes, 64)
    memory = <char*> malloc(64 + workers * per_worker)
    if memory == NULL:
        return -1
    scratch = aligned(memory)
    if workers == 1:
        run_chunk(&p, 0, p.total, scratch)
    else:
        chunk = max(1, p.total // (workers * 8))
        chunks = (p.total + chunk - 1) // chunk
        if s.x_end - s.x < workers * CACHE:    # what a thread has read or written it finds again in the next call
            for i in prange(chunks, schedule="static", num_threads=<int> workers):
                run_chunk(&p, i * chunk, min(p.total, (i + 1) * chunk), scratch + threadid() * per_worker)
        else:
            for i in prange(chunks, schedule="dynamic", num_threads=<int> workers):
                run_chunk(&p, i * chunk, min(p.total, (i + 1) * chunk), scratch + threadid() * per_worker)
    free(memory)
    return 0


cdef void run_chunk(const Plan* p, Py_ssize_t start, Py_ssize_t stop, char* scratch) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(start, stop):
        run_block(p, i, scratch, i == start)
    if p.streams:
        fence()


# ---------------------------------------------------------------- one window for a whole item

cdef bint is_whole(const Pool* s) noexcept nogil:
    """Whether each row is one window, and nothing else is merged."""
    return (s.rank == 2 and s.inner == 1 and s.start[1] == NULL and s.divisor[1] == NULL and not s.divides_x
            and s.apart[1] == 1
            and is_all(s.kernel[1], s.x_size[1], s.before[1], s.out_size[1]))


cdef inline void fold_in_pieces(const Plan* p, const char* x, char* to, char* results, char* scratch) noexcept nogil:
    """A row, a cacheful after the other, whose results are a line that is folded in its turn."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t n = s.x_size[1], size = p.f.size, piece = BOX // size, pieces = (n + piece - 1) // piece, i, m
    for i in range(pieces):
        m = min(piece, n - i * piece)
        if p.reads_in_place:
            p.f.fold(to, size, x + i * piece * size, 0, m, 1, s.x_end, p.f.none)
        else:
            convert_row(p, scratch, x + i * piece * s.x_stride[1], m)
            p.f.fold(to, size, scratch, 0, m, 1, scratch + BOX + SLACK, p.f.none)
        memcpy(results + i * size, to, size)
    if pieces > 1:
        p.f.fold(to, size, results, 0, pieces, 1, to, p.f.none)


cdef void fold_rows(const Plan* p, Py_ssize_t index, Py_ssize_t first, Py_ssize_t count, char* scratch) noexcept nogil:
    """Some rows of an item."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t size = p.f.size, r
    cdef char* results = scratch + BOX + SLACK
    cdef char* row = results + whole((s.x_size[1] // (BOX // size) + 1 + count) * size, 64) + SLACK
    cdef Block b
    b.x, b.out = s.x + first * s.x_stride[0], s.out + first * s.out_stride[0]
    go_to_item(s, &b, index)
    if p.reads_in_place and s.x_size[1] * size <= BOX:
        p.f.fold(results, size, b.x, s.x_stride[0], s.x_size[1], count, s.x_end, p.f.none)
    else:
        for r in range(count):
            fold_in_pieces(p, b.x + r * s.x_stride[0], row, results + count * size, scratch)
            memcpy(results + r * size, row, size)
    b.first[1], b.outs[1], b.wide = 0, count, row + SLACK
    finish_row(p, &b, results, b.out, s.divided_by)


cdef int run_whole(const Pool* given, Py_ssize_t workers) noexcept nogil:
    cdef Plan p
    cdef Pool s = given[0]
    cdef Py_ssize_t chunk, chunks, total, per_worker, i, count = s.out_size[0]
    cdef char* memory
    cdef char* scratch
    make_plan(&p, &s, 1)
    s.out_stride[1] = s.out_stride[0]    # results of a chunk are stored as one row
    chunk = max(1, min(1024, 4 * BOX // max(1, s.x_size[1] * p.f.size) // MOST_LANES * MOST_LANES))
    chunks = (count + chunk - 1) // chunk
    total = p.items * chunks
    workers = max(1, min(workers, total))
    per_worker = whole(BOX + 4 * SLACK + (chunk + s.x_size[1] // (BOX // p.f.size) + 2) * p.f.size + chunk * 16, 64)
    memory = <char*> malloc(64 + workers * per_worker)
    if memory == NULL:
        return -1
    scratch = aligned(memory)
    if workers == 1:
        for i in range(total):
            fold_rows(&p, i // chunks, i % chunks * chunk, min(chunk, count - i % chunks * chunk), scratch)
    else:
        for i in prange(total, schedule="dynamic", num_threads=<int> workers):
            fold_rows(&p, i // chunks, i % chunks * chunk, min(chunk, count - i % chunks * chunk),
                      scratch + threadid() * per_worker)
    free(memory)
    return 0


def reduce(Pooling problem, Py_ssize_t workers):
    """Computes the record's output on `workers` threads."""
    cdef const Pool* s = &problem.pool
    cdef int failed
    with nogil:
        failed = run_whole(s, workers) if is_whole(s) else run(s, workers)
    if failed:
        raise MemoryError(f"no memory for the scratch of {workers} workers")
