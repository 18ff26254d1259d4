"""Pooling: out[o] = the largest, the smallest or the sum of x[o * stride + t * dilation - before] over t.

Taps outside the image do not count. The axes are reduced one after the other, so that a window costs its sides, not
its area, and each of them by overlapping or adjoining windows of a quarter of the size, so that a side costs its
logarithm; sums are never taken apart again, which would cost accuracy.

A block of outputs is computed in a box in cache. Rows of x are gathered into it, several merged to one where windows
are small or hardly overlap (a "direct" axis), and what is outside is filled with what changes no result. Then the
box is reduced along its other axes, and its rows, at last, along themselves. Gradients are such sums too, of elements
that are divided on their way into the box and that may stand a stride apart: along outer axes what is between is rows
of zeros or no row at all, along rows it is put between when they are reduced. And so are the places of the largest
elements: they are in the lower bits of what is compared.

Every output is reduced in one order, whatever the block or the worker. Loops over data are compiled for each type and
reduction, and called by address; all else exists once.
"""
from cython.parallel cimport prange, threadid
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from fastconv.kernels.blocks cimport aligned
from fastconv.kernels.border cimport whole
from fastconv.kernels.box cimport (
    BOX, GROUP, SLACK, Block, Pass, Plan, extent, go_to_item, new_plan, place, positions,
)
from fastconv.kernels.finish cimport divide_line, longdouble, powers_leave_range, raise_to, split
from fastconv.kernels.keys cimport keys_of
from fastconv.kernels.lines cimport LONGDOUBLE
from fastconv.kernels.merge cimport MERGED, MOST_LANES, STRIPS, Halving
from fastconv.kernels.order cimport TOTAL
from fastconv.kernels.pooling cimport ALL, Pool, Pooling, Taps, in_window, is_whole
from fastconv.kernels.problem cimport MAX_RANK
from fastconv.kernels.simd cimport fence
from fastconv.kernels.windows cimport divides, any_zero, finish_row, halving, mend_zeros, reduce_row

cdef enum:
    LEVELS = 7                 # of groups of rows
    # Bytes of the narrowest strip of a box: maxima of 31x31 s1 on 1024 x 1024, in three passes, take 0.93 of the time
    # in strips; sums, in two, took 1.05.
    STRIP = 128
    # Bytes of x, of a thread, that stay in its cache: 3x3 s1 on 256 planes of 28 x 28, on two threads, takes 0.95 of
    # the time where each has its own planes. Larger ones go to whoever is free.
    CACHE = 2 * 1024 * 1024

cdef struct Rows:              # of x, that become one of the box
    const char* x
    Py_ssize_t step            # bytes from one to the next
    const double* by           # each has a divisor of its own, or NULL,
    Py_ssize_t by_step
    double by_all              # times that of all
    int64_t index              # of the first one's place in the flat x, and to the next one's
    int64_t index_step


# ---------------------------------------------------------------- rows of x into the box

cdef inline void gather_row(const Plan* p, char* to, Py_ssize_t size, const char* x, Py_ssize_t n) noexcept nogil:
    cdef const Pool* s = p.s
    cdef int last = s.rank - 1
    cdef Py_ssize_t i
    if s.inner == 1:
        p.gather(to, size, x, s.x_stride[last], n)
    elif p.x_contiguous:
        p.gather(to, size, x, s.x_inner, n * s.inner)
    else:
        for i in range(n):
            p.gather(to + i * s.inner * size, size, x + i * s.x_stride[last], s.x_inner, s.inner)


cdef inline void convert_row(const Plan* p, const Block* b, char* to, const char* x, Py_ssize_t n,
                             int64_t index) noexcept nogil:
    """n positions of a row of x as elements that can be merged."""
    cdef const Pool* s = p.s
    if p.finds:
        gather_row(p, b.values, p.value_size, x, n)
        keys_of(s.compared, to, b.values, n, s.inner, index, s.index_of[s.rank - 1], s.smallest)
        return
    gather_row(p, to, p.f.size, x, n)
    if s.part != ALL:
        split(<int64_t*> to, s.part, s.x_element, n * s.inner)
    if s.power == 0:
        return
    if p.may_leave_range and not b.leaves_range[0]:
        b.leaves_range[0] = (
            powers_leave_range(<longdouble*> to, s.power, p.largest_base, n * s.inner) if s.element == LONGDOUBLE else
            powers_leave_range(<double*> to, s.power, <double> p.largest_base, n * s.inner))
    if s.element == LONGDOUBLE: raise_to(<longdouble*> to, s.power, n * s.inner)
    else: raise_to(<double*> to, s.power, n * s.inner)


cdef inline void read_row(const Plan* p, const Block* b, char* to, const Rows* rows, Py_ssize_t r) noexcept nogil:
    """One of them, of elements as they are to be merged."""
    cdef int last = p.s.rank - 1
    cdef const double* by = p.s.x_divisor[last]
    convert_row(p, b, to, rows.x + r * rows.step, b.high - b.low, rows.index + r * rows.index_step)
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


cdef void fill_position(const Plan* p, const Block* b, int axis, Py_ssize_t i, const char* x, double by,
                        int64_t index, char* to, bint add) noexcept nogil:
    cdef Taps taps = taps_at(p, b, axis, i)
    cdef Py_ssize_t t
    cdef Rows rows
    rows.x, rows.step = x + taps.first * p.s.x_stride[axis], taps.step * p.s.x_stride[axis]
    rows.index, rows.index_step = index + taps.first * p.s.index_of[axis], taps.step * p.s.index_of[axis]
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
                     rows.index + t * rows.index_step, to, add or t > 0)


cdef void fill_box(const Plan* p, const Block* b, int axis, const char* x, double by, int64_t index, char* to,
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
        fill_position(p, b, axis, i, x, by, index, to + i * p.pitch[axis], add)
    for i in range(high, n):
        fill_position(p, b, axis, i, x, by, index, to + i * p.pitch[axis], add)


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


cdef inline void mend_rows(const Plan* p, const Block* b, int axis, Py_ssize_t first, Py_ssize_t n,
                           char* out) noexcept nogil:
    """Rows of extremes that were made at once."""
    cdef Py_ssize_t i, step = p.s.out_stride[axis], elements = b.outs[axis + 1] * p.u
    if step == elements * p.f.size and not any_zero(p.s.element, out, n * elements):
        return
    for i in range(n):
        b.at[axis] = b.first[axis] + first + i
        mend_zeros(p, b, out + i * step)


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
        if p.signs:
            mend_rows(p, b, axis, 0, b.outs[axis], out)
        return
    for i in range(b.outs[axis]):
        b.at[axis] = b.first[axis] + i
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
        convert_row(p, b, b.converted + r * p.row_bytes + b.low * p.f.size,
                    x + r * rows.step + (b.position[last] + b.low) * p.s.x_stride[last], b.high - b.low, 0)
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
    b.at[last - 1] = b.first[last - 1] + i
    if not p.halves_to_memory:
        finish_row(p, b, line, out, by)
    elif p.signs:
        mend_rows(p, b, last - 1, i, lines, out)
    return lines


cdef void halve_axes(const Plan* p, const Block* b, int axis, const char* x, char* out, double by_all) noexcept nogil:
    """From this axis inward: all rows of outputs."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t i = 0, step = s.out_stride[axis]
    cdef double by
    while i < b.outs[axis]:
        by = by_all if s.divisor[axis] == NULL else by_all * s.divisor[axis][b.first[axis] + i]
        b.at[axis] = b.first[axis] + i
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
    cdef Py_ssize_t at[MAX_RANK]
    cdef bint leaves_range = False
    cdef int minus_zeros = -1
    cdef Py_ssize_t box = p.box_bytes + SLACK
    place(p, &b, index)
    b.at, b.leaves_range, b.minus_zeros = at, &leaves_range, &minus_zeros
    b.box = scratch
    b.other = scratch + (box if p.two_boxes else 0)
    b.row = b.other + box
    b.wide, b.converted = b.row + p.row_bytes, b.row + 2 * p.row_bytes
    b.spread = b.values = b.levels = b.converted + MERGED * p.row_bytes
    if p.halves:
        if not p.reads_in_place and (fresh or p.blocks[last] > 1):
            empty(p, b.converted, MERGED * p.row_bytes)
        halve_axes(p, &b, 0, b.x, b.out, s.divided_by)
        return
    if s.apart[last] > 1 or p.finds:
        b.levels += p.row_bytes
    if s.apart[last] > 1:
        empty(p, b.spread, p.row_bytes)
    if fresh or p.blocks[last] > 1 or p.two_boxes and p.chained > 1:    # else the borders of rows are still there
        empty(p, b.box, box)
    fill_box(p, &b, 0, b.x + (b.position[last] + b.low) * s.x_stride[last], 1,
             (b.position[last] + b.low) * s.index_of[last], b.box + b.low * p.pitch[last], False)
    for axis in range(last):
        if not p.direct[axis]:
            reduce_axis(p, &b, axis)
    reduce_rows(p, &b, 0, b.box, b.out, s.divided_by)


cdef int run(const Pool* s, Py_ssize_t workers) noexcept nogil:
    """Returns -1 without memory, before any work."""
    cdef Plan* p = new_plan(s, workers)
    cdef Py_ssize_t per_worker, i, chunks, chunk, rows
    cdef char* memory
    cdef char* scratch
    if p == NULL:
        return -1
    workers = max(1, min(workers, p.total))
    rows = 2 + MERGED + (1 if s.apart[s.rank - 1] > 1 or p.finds else 0) + (LEVELS if p.many_rows else 0)
    per_worker = whole((2 if p.two_boxes else 1) * (p.box_bytes + SLACK) + rows * p.row_bytes, 64)
    memory = <char*> malloc(64 + workers * per_worker)
    if memory == NULL:
        free(p)
        return -1
    scratch = aligned(memory)
    if workers == 1:
        run_chunk(p, 0, p.total, scratch)
    else:
        chunk = max(1, p.total // (workers * 8))
        chunks = (p.total + chunk - 1) // chunk
        if s.x_end - s.x < workers * CACHE:    # what a thread has read or written it finds again in the next call
            for i in prange(chunks, schedule="static", num_threads=<int> workers):
                run_chunk(p, i * chunk, min(p.total, (i + 1) * chunk), scratch + threadid() * per_worker)
        else:
            for i in prange(chunks, schedule="dynamic", num_threads=<int> workers):
                run_chunk(p, i * chunk, min(p.total, (i + 1) * chunk), scratch + threadid() * per_worker)
    free(memory)
    free(p)
    return 0


cdef void run_chunk(const Plan* p, Py_ssize_t start, Py_ssize_t stop, char* scratch) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(start, stop):
        run_block(p, i, scratch, i == start)
    if p.streams:
        fence()


# ---------------------------------------------------------------- one window for a whole item

cdef struct Whole:             # how these are shared out, and what of a worker's scratch is for what
    Py_ssize_t piece           # elements that are folded to one at a time; then such results are
    Py_ssize_t pieces
    Py_ssize_t lines           # of a chunk, which are side by side or behind each other
    Py_ssize_t width           # bytes of those side by side, in whole vectors
    bint side_by_side
    Py_ssize_t converted       # bytes of elements of x as they are merged
    Py_ssize_t results
    Py_ssize_t row
    Py_ssize_t per_worker


cdef inline Py_ssize_t magnitude(Py_ssize_t n) noexcept nogil:
    return -n if n < 0 else n


cdef inline Whole share_out(const Plan* p) noexcept nogil:
    cdef const Pool* s = p.s
    cdef Whole w
    cdef Py_ssize_t size = p.f.size, width
    w.piece = BOX // size
    w.pieces = (s.x_size[1] + w.piece - 1) // w.piece
    # A few lines side by side are several lines of the cache; one alone has no neighbours to be read with.
    w.side_by_side = (s.out_size[0] > 1 and magnitude(s.x_stride[0]) < magnitude(s.x_stride[1])
                      and p.f.width > size)
    if w.side_by_side:
        w.lines = min(s.out_size[0], STRIPS * p.f.width // size)
        width = whole(w.lines * size, p.f.width)
        w.converted = w.piece * width
    else:
        w.lines = max(1, min(1024, 4 * BOX // max(1, s.x_size[1] * size) // MOST_LANES * MOST_LANES))
        w.converted, width = BOX, size
    w.width = width
    w.converted += SLACK
    w.results = whole((w.pieces + 1) * width + w.lines * size, 64) + SLACK
    w.row = w.lines * 16 + SLACK
    w.per_worker = whole(2 * w.converted + w.results + 2 * w.row + 6 * STRIPS * MOST_LANES * MOST_LANES, 64)
    return w


cdef inline void fold_in_pieces(const Plan* p, const Whole* w, const Block* b, const char* x, char* to,
                                char* results) noexcept nogil:
    """A row, a cacheful after the other, whose results are a line that is folded in its turn."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t n = s.x_size[1], size = p.f.size, i, m
    for i in range(w.pieces):
        m = min(w.piece, n - i * w.piece)
        if p.reads_in_place:
            p.f.fold(to, size, x + i * w.piece * size, 0, m, 1, s.x_end, p.f.none)
        else:
            convert_row(p, b, b.converted, x + i * w.piece * s.x_stride[1], m, i * w.piece * s.index_of[1])
            p.f.fold(to, size, b.converted, 0, m, 1, b.converted + BOX + SLACK, p.f.none)
        memcpy(results + i * size, to, size)
    if w.pieces > 1:
        p.f.fold(to, size, results, 0, w.pieces, 1, to, p.f.none)


cdef inline void stack_piece(const Plan* p, const Whole* w, const Block* b, const char* x, Py_ssize_t first,
                             Py_ssize_t count, char* to) noexcept nogil:
    """`count` rows side by side: their elements from `first` on become one each."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t size = p.f.size, width = w.width, step = s.x_stride[1], i, c
    cdef Py_ssize_t m = min(w.piece, s.x_size[1] - first), strips = width // p.f.width
    x += first * step
    if p.as_it_is and s.x_stride[0] == size and x + (max(0, (m - 1) * step)) + width <= s.x_end:
        p.f.stack(to, x, step, m, strips, p.f.none, b.levels)
        return
    if p.gathers_alone:
        for i in range(m):
            p.gather(b.converted + i * width, size, x + i * step, s.x_stride[0], count)
    else:
        for i in range(m):
            for c in range(count):
                convert_row(p, b, b.converted + i * width + c * size, x + i * step + c * s.x_stride[0], 1,
                            (first + i) * s.index_of[1])
    p.f.stack(to, b.converted, width, m, strips, p.f.none, b.levels)


cdef inline void stack_rows(const Plan* p, const Whole* w, const Block* b, Py_ssize_t count, char* results,
                            char* scratch) noexcept nogil:
    """As `fold_in_pieces`, of rows side by side."""
    cdef Py_ssize_t i, size = p.f.size, width = w.width
    for i in range(w.pieces):
        stack_piece(p, w, b, b.x, i * w.piece, count, scratch + i * width)
    if w.pieces > 1:
        p.f.stack(scratch + w.pieces * width, scratch, width, w.pieces, width // p.f.width, p.f.none, b.levels)
        scratch += w.pieces * width
    memcpy(results, scratch, count * size)


cdef void fold_rows(const Plan* p, const Whole* w, Py_ssize_t index, Py_ssize_t first, Py_ssize_t count,
                    char* scratch) noexcept nogil:
    """Some rows of an item."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t size = p.f.size, r
    cdef char* results = scratch + 2 * w.converted
    cdef char* row = results + w.results
    cdef bint leaves_range = False
    cdef int minus_zeros = -1
    cdef Py_ssize_t at[MAX_RANK]
    cdef Block b
    b.x, b.out = s.x + first * s.x_stride[0], s.out + first * s.out_stride[0]
    go_to_item(s, &b, index)
    b.at, b.leaves_range, b.minus_zeros = at, &leaves_range, &minus_zeros
    b.converted, b.values, b.levels = scratch, scratch + w.converted, row + 2 * w.row
    b.first[1], b.outs[1], b.wide = 0, count, row + w.row
    if w.side_by_side:
        stack_rows(p, w, &b, count, results, results + whole(w.lines * size, 64))
    elif p.reads_in_place and s.x_size[1] * size <= BOX:
        p.f.fold(results, size, b.x, s.x_stride[0], s.x_size[1], count, s.x_end, p.f.none)
    else:
        for r in range(count):
            fold_in_pieces(p, w, &b, b.x + r * s.x_stride[0], row, results + count * size)
            memcpy(results + r * size, row, size)
    finish_row(p, &b, results, b.out, s.divided_by)


cdef int run_whole(const Pool* s, Py_ssize_t workers) noexcept nogil:
    cdef Plan* p = new_plan(s, 1)
    cdef Whole w
    cdef Py_ssize_t chunks, total, i, count = s.out_size[0]
    cdef char* memory
    cdef char* scratch
    if p == NULL:
        return -1
    w = share_out(p)
    chunks = (count + w.lines - 1) // w.lines
    total = p.items * chunks
    workers = max(1, min(workers, total))
    memory = <char*> malloc(64 + workers * w.per_worker)
    if memory == NULL:
        free(p)
        return -1
    scratch = aligned(memory)
    if workers == 1:
        for i in range(total):
            fold_rows(p, &w, i // chunks, i % chunks * w.lines, min(w.lines, count - i % chunks * w.lines), scratch)
    else:
        for i in prange(total, schedule="dynamic", num_threads=<int> workers):
            fold_rows(p, &w, i // chunks, i % chunks * w.lines, min(w.lines, count - i % chunks * w.lines),
                      scratch + threadid() * w.per_worker)
    free(memory)
    free(p)
    return 0


def reduce(Pooling problem, Py_ssize_t workers):
    """Computes the record's output on `workers` threads."""
    cdef const Pool* s = &problem.pool
    cdef int failed
    with nogil:
        failed = run_whole(s, workers) if is_whole(s) else run(s, workers)
    if failed:
        raise MemoryError(f"no memory for the scratch of {workers} workers")
