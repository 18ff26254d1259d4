"""The last axis: a row of the box becomes a row of outputs, which is divided and stored.

Inline, for each build to have its own.
"""
from libc.math cimport fabs, frexp
from libc.string cimport memcpy

from fastconv.kernels.box cimport Block, Pass, Plan, extent, in_lines, span
from fastconv.kernels.finish cimport (
    divide_line, leaves_range, longdouble, quotient_line, root, stream_line, stream_quotients, take_root,
)
from fastconv.kernels.keys cimport places_of
from fastconv.kernels.lines cimport FLOAT32, FLOAT64, LONGDOUBLE, line_copier
from fastconv.kernels.merge cimport MOST_LANES, Halving
from fastconv.kernels.norms cimport scaled_long_norm, scaled_norm
from fastconv.kernels.order cimport any_minus_zero_d, any_minus_zero_f, any_zero_d, any_zero_f
from fastconv.kernels.pooling cimport MEAN, PAIRS, ROOT, Pool
from fastconv.kernels.problem cimport MAX_RANK
from fastconv.kernels.zeros cimport first_is_minus, has_minus_zero, has_zero, line_test, next_axis


cdef inline Halving halving(const Plan* p, Py_ssize_t n) noexcept nogil:
    """n windows along a row of the box, results as they are."""
    return Halving(1, 0, 0, p.s.kernel[p.s.rank - 1], n, False, 1, False, False)


cdef inline void divides(Halving* h, double by) noexcept nogil:
    """By multiplication if that is the same."""
    cdef int exponent
    h.by, h.multiplies = by, fabs(frexp(by, &exponent)) == 0.5 and -64 < exponent < 64
    if h.multiplies:
        h.by = 1 / by


cdef inline void reduce_table_row(const Plan* p, const Block* b, const char* row, char* to) noexcept nogil:
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


cdef inline double reduce_windows(const Plan* p, const Block* b, const char* row, char* to, double by) noexcept nogil:
    """The last axis by all its passes, at every position, and then one position of each stride."""
    cdef const Pool* s = p.s
    cdef const Pass* q
    cdef int last = s.rank - 1, j, passes = p.passes[last].n
    cdef Py_ssize_t d = s.dilation[last] * p.pitch[last], outs = b.outs[last], i, n, size = p.f.size
    cdef Py_ssize_t length = (outs - 1) * s.stride[last] + extent(s, last)
    cdef bint strided = s.stride[last] > 1 and outs > 1, exact
    cdef bint divides = not strided and p.last_element == s.element and s.divisor[last] == NULL
    cdef char* target
    for j in range(passes):
        q = &p.passes[last].of[j]
        exact = j == passes - 1 and not strided
        target = to if exact else b.row
        n = outs * p.u if exact else (length - (q.size - 1) * s.dilation[last]) * p.u
        p.f.slide(target, row if j == 0 else b.row, q.shift * d, q.m, row + q.offset * d, d, q.extra, n, exact, 1, 0,
                  0, by if exact and divides else 1)
    if strided and p.u == 1 and s.element != PAIRS:
        line_copier(s.element, s.element)(to, size, b.row, s.stride[last] * size, outs)
    elif strided:
        for i in range(outs):
            memcpy(to + i * p.u * size, b.row + i * s.stride[last] * p.u * size, p.u * size)
    return 1 if divides else by


cdef inline const char* spread_row(const Plan* p, const Block* b, const char* row) noexcept nogil:
    """Elements apart from each other, in a row that holds nothing else."""
    cdef Py_ssize_t pitch = p.pitch[p.s.rank - 1], step = p.s.apart[p.s.rank - 1] * pitch, i
    cdef char* to = b.spread + b.ahead * pitch
    if p.u == 1 and p.s.element != PAIRS:
        line_copier(p.s.element, p.s.element)(to, step, row, pitch, b.elements)
    else:
        for i in range(b.elements):
            memcpy(to + i * step, row + i * pitch, pitch)
    return b.spread


cdef inline double reduce_row(const Plan* p, const Block* b, const char* row, char* to, double by) noexcept nogil:
    """A row of the box becomes one of the outputs; returns what these are still to be divided by."""
    cdef const Pool* s = p.s
    cdef int last = s.rank - 1
    cdef Py_ssize_t i, k = s.kernel[last], size = p.f.size, step = s.stride[last] * p.u * size
    cdef Halving h
    if s.apart[last] > 1:
        row = spread_row(p, b, row)
    if s.start[last] != NULL:
        reduce_table_row(p, b, row, to)
    elif p.u == 1 and s.stride[last] == 2 and k <= 3 and s.dilation[last] == 1:
        h = halving(p, b.outs[last])
        p.f.halve(to, row, p.f.none, &h, 1, 0, 0)
    elif in_lines(p):
        p.f.fold(to, size, row, step, k, b.outs[last], row + p.row_bytes, p.f.none)
    elif p.u * size >= MOST_LANES and s.stride[last] > 1 and k <= 8:    # channels last
        for i in range(b.outs[last]):
            p.f.slide(to + i * p.u * size, row + i * step, s.dilation[last] * p.u * size, k, row, 0, 0, p.u, True,
                      1, 0, 0, 1)
    else:
        by = reduce_windows(p, b, row, to, by)
    return by


ctypedef fused Real:
    double
    longdouble


cdef inline void mend_norms(const Plan* p, const Block* b, Real* line, Real power) noexcept nogil:
    """Roots of a row of sums, and norms computed by themselves in place of those that are not exact."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t i, c
    cdef int last = s.rank - 1
    cdef const char* x = b.x
    for i in range(b.outs[last]):
        if p.whole:    # outputs are rows
            b.at[0], b.at[1], x = 0, 0, b.x + i * s.x_stride[0]
        else:
            b.at[last] = b.first[last] + i
        for c in range(p.u):
            if leaves_range(line[i * p.u + c], power):
                if Real is longdouble:
                    line[i * p.u + c] = scaled_long_norm(s, p.gather, b.at, x + c * s.x_inner, power)
                else:
                    line[i * p.u + c] = scaled_norm(s, p.gather, b.at, x + c * s.x_inner, power)
            else:
                line[i * p.u + c] = root(line[i * p.u + c], power)


cdef inline void take_roots(const Plan* p, const Block* b, char* line) noexcept nogil:
    cdef Py_ssize_t n = b.outs[p.s.rank - 1] * p.u
    if p.s.element == LONGDOUBLE:
        if b.leaves_range[0]: mend_norms(p, b, <longdouble*> line, p.s.power)
        else: take_root(<longdouble*> line, p.s.power, n)
    else:
        if b.leaves_range[0]: mend_norms(p, b, <double*> line, p.s.power)
        else: take_root(<double*> line, p.s.power, n)


cdef inline bint sees_minus_zero(const Plan* p, const Block* b) noexcept nogil:
    """Of what of x a block sees."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t low[MAX_RANK]
    cdef Py_ssize_t n[MAX_RANK]
    cdef Py_ssize_t first, reach
    cdef int axis
    for axis in range(s.rank):
        if s.start[axis] != NULL:
            first, reach = s.start[axis][b.first[axis]], span(s, axis, b.first[axis], b.outs[axis])
        else:
            first = b.first[axis] * s.stride[axis] - s.before[axis]
            reach = (b.outs[axis] - 1) * s.stride[axis] + extent(s, axis)
        low[axis] = max(0, first)
        n[axis] = min(first + reach, s.x_size[axis]) - low[axis]
    return has_minus_zero(s, p.gather, <line_test> any_minus_zero_f if s.element == FLOAT32 else
                          <line_test> any_minus_zero_d if s.element == FLOAT64 else NULL, low, n, 0, b.x)


cdef inline bint any_zero(int element, const char* line, Py_ssize_t n) noexcept nogil:
    if element == FLOAT32: return any_zero_f(line, n)
    if element == FLOAT64: return any_zero_d(line, n)
    return has_zero(element, line, sizeof(longdouble), n, False)


cdef inline void mend_zeros(const Plan* p, const Block* b, char* line) noexcept nogil:
    """A row of extremes, of which zeros take the sign of the first in their windows."""
    cdef const Pool* s = p.s
    cdef Py_ssize_t i, c, size = p.f.size
    cdef int last = s.rank - 1
    cdef char* at
    cdef double zero
    cdef bint minus
    cdef const char* x = b.x
    if b.minus_zeros[0] == 0 or not any_zero(s.element, line, b.outs[last] * p.u):
        return
    if b.minus_zeros[0] < 0:
        b.minus_zeros[0] = p.whole or sees_minus_zero(p, b)
    if b.minus_zeros[0] == 0:
        return
    for i in range(b.outs[last]):
        if p.whole:    # outputs are rows
            b.at[0], b.at[1], x = 0, 0, b.x + i * s.x_stride[0]
        else:
            b.at[last] = b.first[last] + i
        for c in range(p.u):
            at = line + (i * p.u + c) * size
            if has_zero(s.element, at, size, 1, False):
                minus = first_is_minus(s, p.gather, b.at, next_axis(s, -1), x + c * s.x_inner) == 1
                zero = -0.0 if minus else 0.0
                line_copier(FLOAT64, s.element)(at, 0, <const char*> &zero, 0, 1)


cdef inline void finish_row(const Plan* p, const Block* b, char* line, char* out, double by_all) noexcept nogil:
    """Divides, takes roots, and stores."""
    cdef const Pool* s = p.s
    cdef int last = s.rank - 1
    cdef Py_ssize_t n = b.outs[last], i
    cdef const double* by = s.divisor[last]
    if p.finds:
        places_of(s.compared, s.element == PAIRS, line, n * p.u)
    elif p.last_element != s.element and p.streams and by == NULL:
        stream_quotients(s.element, p.f.size, out, line, <double*> b.wide, by_all, n * p.u)
        return
    elif p.last_element != s.element:    # means of whole numbers
        quotient_line(s.element, <double*> b.wide, line, by if by == NULL else by + b.first[last], by_all, n, p.u)
        line = b.wide
    elif s.finish == MEAN:
        divide_line(p.last_element, line, by if by == NULL else by + b.first[last], by_all, n, p.u)
    elif s.finish == ROOT:
        take_roots(p, b, line)
    elif p.signs:
        mend_zeros(p, b, line)
    if line == out:
        return
    if p.streams:
        stream_line(out, line, n * p.u * p.last_size)
        return
    if s.inner == 1:
        p.scatter(out, s.out_stride[last], line, p.last_size, n)
    elif p.out_contiguous:
        p.scatter(out, s.out_inner, line, p.last_size, n * s.inner)
    else:
        for i in range(n):
            p.scatter(out + i * s.out_stride[last], s.out_inner, line + i * s.inner * p.last_size, p.last_size,
                      s.inner)
