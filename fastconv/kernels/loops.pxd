"""The loops of merge.pxd by address: one for each element and reduction, all of one signature.

So that all else about pooling exists once in each build.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from fastconv.kernels.lines cimport (
    BOOL, FLOAT32, FLOAT64, INT8, INT16, INT32, INT64, LONGDOUBLE, UINT8, UINT16, UINT32, UINT64,
)
from fastconv.kernels.merge cimport MOST_LANES, Halving, fold, halve, rows, scan, slide, stack
from fastconv.kernels.order cimport (
    LARGEST, SMALLEST, TOTAL, Ordered, element_bytes, vpair, vsigned8, vsigned16, vsigned32, vsigned64,
)
from fastconv.kernels.pooling cimport PAIRS
from fastconv.kernels.simd cimport vbool, vdouble, vfloat, vint16, vint32, vint64, vlongdouble

# to[i] = a[i] merged with the m - 1 rows behind it, `step` apart, and with to[i] itself if it is to be added to.
ctypedef void (*rows_loop)(char* to, const char* a, Py_ssize_t step, Py_ssize_t m, Py_ssize_t n, bint add,
                           const char* end, const char* none, Py_ssize_t lines, Py_ssize_t to_line,
                           Py_ssize_t a_line) noexcept nogil
# to[i] = a[i], a[i + shift], ... merged, m of them, and `extra` of x, `next` apart; sums of floats divided. Writes n
# elements if that is to be exact, else whole vectors; then `to` may be `a`.
ctypedef void (*slide_loop)(char* to, const char* a, Py_ssize_t shift, Py_ssize_t m, const char* x, Py_ssize_t next,
                            Py_ssize_t extra, Py_ssize_t n, bint exact, Py_ssize_t lines, Py_ssize_t to_line,
                            Py_ssize_t a_line, double by) noexcept nogil
# to[i] = a[2 * i] merged with the elements behind it, for each line.
ctypedef void (*halve_loop)(char* to, const char* a, const char* none, const Halving* h, Py_ssize_t lines,
                            Py_ssize_t to_line, Py_ssize_t a_line) noexcept nogil
# Each of `count` lines of n elements becomes one element.
ctypedef void (*fold_loop)(char* to, Py_ssize_t to_step, const char* a, Py_ssize_t step, Py_ssize_t n, Py_ssize_t count,
                           const char* end, const char* none) noexcept nogil
# The same of lines side by side, whole vectors of them and of results.
ctypedef void (*stack_loop)(char* to, const char* a, Py_ssize_t step, Py_ssize_t n, Py_ssize_t strips, const char* none,
                            char* scratch) noexcept nogil
# to[i] = the count[i] elements of a from start[i] - origin merged.
ctypedef void (*scan_loop)(char* to, const char* a, const Py_ssize_t* start, const Py_ssize_t* count, Py_ssize_t origin,
                           Py_ssize_t n, const char* none) noexcept nogil

cdef struct Loops:
    Py_ssize_t size            # bytes of an element, and of the vector that is computed with
    Py_ssize_t width
    rows_loop rows
    slide_loop slide
    halve_loop halve
    fold_loop fold
    stack_loop stack
    scan_loop scan
    char none[MOST_LANES]      # a vector of what changes no result


cdef inline void rows_largest(char* to, const char* a, Py_ssize_t step, Py_ssize_t m, Py_ssize_t n, bint add,
                              const char* end, const Ordered* none, Py_ssize_t lines, Py_ssize_t to_line,
                              Py_ssize_t a_line) noexcept nogil:
    rows(to, a, step, m, n, add, end, <const char*> none, lines, to_line, a_line, <Ordered*> NULL, LARGEST)

cdef inline void rows_smallest(char* to, const char* a, Py_ssize_t step, Py_ssize_t m, Py_ssize_t n, bint add,
                               const char* end, const Ordered* none, Py_ssize_t lines, Py_ssize_t to_line,
                               Py_ssize_t a_line) noexcept nogil:
    rows(to, a, step, m, n, add, end, <const char*> none, lines, to_line, a_line, <Ordered*> NULL, SMALLEST)

cdef inline void rows_total(char* to, const char* a, Py_ssize_t step, Py_ssize_t m, Py_ssize_t n, bint add,
                            const char* end, const Ordered* none, Py_ssize_t lines, Py_ssize_t to_line,
                            Py_ssize_t a_line) noexcept nogil:
    rows(to, a, step, m, n, add, end, <const char*> none, lines, to_line, a_line, <Ordered*> NULL, TOTAL)

cdef inline void slide_largest(Ordered* to, const char* a, Py_ssize_t shift, Py_ssize_t m, const char* x,
                               Py_ssize_t next, Py_ssize_t extra, Py_ssize_t n, bint exact, Py_ssize_t lines,
                               Py_ssize_t to_line, Py_ssize_t a_line, double by) noexcept nogil:
    slide(<char*> to, a, shift, m, x, next, 0, n, exact, lines, to_line, a_line, 1, <Ordered*> NULL, LARGEST)

cdef inline void slide_smallest(Ordered* to, const char* a, Py_ssize_t shift, Py_ssize_t m, const char* x,
                                Py_ssize_t next, Py_ssize_t extra, Py_ssize_t n, bint exact, Py_ssize_t lines,
                                Py_ssize_t to_line, Py_ssize_t a_line, double by) noexcept nogil:
    slide(<char*> to, a, shift, m, x, next, 0, n, exact, lines, to_line, a_line, 1, <Ordered*> NULL, SMALLEST)

cdef inline void slide_total(Ordered* to, const char* a, Py_ssize_t shift, Py_ssize_t m, const char* x, Py_ssize_t next,
                             Py_ssize_t extra, Py_ssize_t n, bint exact, Py_ssize_t lines, Py_ssize_t to_line,
                             Py_ssize_t a_line, double by) noexcept nogil:
    slide(<char*> to, a, shift, m, x, next, extra, n, exact, lines, to_line, a_line, by, <Ordered*> NULL, TOTAL)

cdef inline void halve_largest(Ordered* to, const char* a, const char* none, const Halving* h, Py_ssize_t lines,
                               Py_ssize_t to_line, Py_ssize_t a_line) noexcept nogil:
    halve(<char*> to, a, none, h, lines, to_line, a_line, <Ordered*> NULL, LARGEST)

cdef inline void halve_smallest(Ordered* to, const char* a, const char* none, const Halving* h, Py_ssize_t lines,
                                Py_ssize_t to_line, Py_ssize_t a_line) noexcept nogil:
    halve(<char*> to, a, none, h, lines, to_line, a_line, <Ordered*> NULL, SMALLEST)

cdef inline void halve_total(Ordered* to, const char* a, const char* none, const Halving* h, Py_ssize_t lines,
                             Py_ssize_t to_line, Py_ssize_t a_line) noexcept nogil:
    halve(<char*> to, a, none, h, lines, to_line, a_line, <Ordered*> NULL, TOTAL)

cdef inline void fold_largest(Ordered* to, Py_ssize_t to_step, const char* a, Py_ssize_t step, Py_ssize_t n,
                              Py_ssize_t count, const char* end, const char* none) noexcept nogil:
    fold(<char*> to, to_step, a, step, n, count, end, none, <Ordered*> NULL, LARGEST)

cdef inline void fold_smallest(Ordered* to, Py_ssize_t to_step, const char* a, Py_ssize_t step, Py_ssize_t n,
                               Py_ssize_t count, const char* end, const char* none) noexcept nogil:
    fold(<char*> to, to_step, a, step, n, count, end, none, <Ordered*> NULL, SMALLEST)

cdef inline void fold_total(Ordered* to, Py_ssize_t to_step, const char* a, Py_ssize_t step, Py_ssize_t n,
                            Py_ssize_t count, const char* end, const char* none) noexcept nogil:
    fold(<char*> to, to_step, a, step, n, count, end, none, <Ordered*> NULL, TOTAL)

cdef inline void stack_largest(Ordered* to, const char* a, Py_ssize_t step, Py_ssize_t n, Py_ssize_t strips,
                               const char* none, char* scratch) noexcept nogil:
    stack(<char*> to, a, step, n, strips, none, scratch, <Ordered*> NULL, LARGEST)

cdef inline void scan_largest(Ordered* to, const char* a, const Py_ssize_t* start, const Py_ssize_t* count,
                              Py_ssize_t origin, Py_ssize_t n, const char* none) noexcept nogil:
    scan(<char*> to, a, start, count, origin, n, none, <Ordered*> NULL, LARGEST)

cdef inline void stack_smallest(Ordered* to, const char* a, Py_ssize_t step, Py_ssize_t n, Py_ssize_t strips,
                                const char* none, char* scratch) noexcept nogil:
    stack(<char*> to, a, step, n, strips, none, scratch, <Ordered*> NULL, SMALLEST)

cdef inline void scan_smallest(Ordered* to, const char* a, const Py_ssize_t* start, const Py_ssize_t* count,
                               Py_ssize_t origin, Py_ssize_t n, const char* none) noexcept nogil:
    scan(<char*> to, a, start, count, origin, n, none, <Ordered*> NULL, SMALLEST)

cdef inline void stack_total(Ordered* to, const char* a, Py_ssize_t step, Py_ssize_t n, Py_ssize_t strips,
                             const char* none, char* scratch) noexcept nogil:
    stack(<char*> to, a, step, n, strips, none, scratch, <Ordered*> NULL, TOTAL)

cdef inline void scan_total(Ordered* to, const char* a, const Py_ssize_t* start, const Py_ssize_t* count,
                            Py_ssize_t origin, Py_ssize_t n, const char* none) noexcept nogil:
    scan(<char*> to, a, start, count, origin, n, none, <Ordered*> NULL, TOTAL)


cdef inline void ordered_loops(Loops* f, int how, Ordered* like) noexcept nogil:
    f.size, f.width = element_bytes(like), sizeof(Ordered)
    if how == LARGEST:
        f.rows, f.slide = <rows_loop> rows_largest[Ordered], <slide_loop> slide_largest[Ordered]
        f.halve, f.fold = <halve_loop> halve_largest[Ordered], <fold_loop> fold_largest[Ordered]
        f.scan, f.stack = <scan_loop> scan_largest[Ordered], <stack_loop> stack_largest[Ordered]
    else:
        f.rows, f.slide = <rows_loop> rows_smallest[Ordered], <slide_loop> slide_smallest[Ordered]
        f.halve, f.fold = <halve_loop> halve_smallest[Ordered], <fold_loop> fold_smallest[Ordered]
        f.scan, f.stack = <scan_loop> scan_smallest[Ordered], <stack_loop> stack_smallest[Ordered]


ctypedef fused Summed:
    vint16
    vint32
    vint64
    vfloat
    vdouble
    vlongdouble


cdef inline void summing_loops(Loops* f, Summed* like) noexcept nogil:
    f.size, f.width = element_bytes(like), sizeof(Summed)
    f.rows, f.slide = <rows_loop> rows_total[Summed], <slide_loop> slide_total[Summed]
    f.halve, f.fold = <halve_loop> halve_total[Summed], <fold_loop> fold_total[Summed]
    f.scan, f.stack = <scan_loop> scan_total[Summed], <stack_loop> stack_total[Summed]


cdef inline void pair_loops(Loops* f, vpair* like) noexcept nogil:
    """Of pairs, of which only the largest is sought."""
    f.size = f.width = element_bytes(like)
    f.rows, f.slide = <rows_loop> rows_largest[vpair], <slide_loop> slide_largest[vpair]
    f.halve, f.fold = <halve_loop> halve_largest[vpair], <fold_loop> fold_largest[vpair]
    f.scan, f.stack = <scan_loop> scan_largest[vpair], <stack_loop> stack_largest[vpair]


cdef inline void fill_none(Loops* f, int element, int how) noexcept nogil:
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
        elif f.size == 8: (<uint64_t*> f.none)[i] = bits
        else: (<vpair*> f.none)[i].high = (<vpair*> f.none)[i].low = bits


cdef inline void loops_for(Loops* f, int element, int how) noexcept nogil:
    if how == TOTAL:
        if element == INT16 or element == UINT16: summing_loops(f, <vint16*> NULL)
        elif element == INT32 or element == UINT32: summing_loops(f, <vint32*> NULL)
        elif element == INT64 or element == UINT64: summing_loops(f, <vint64*> NULL)
        elif element == FLOAT32: summing_loops(f, <vfloat*> NULL)
        elif element == FLOAT64: summing_loops(f, <vdouble*> NULL)
        else: summing_loops(f, <vlongdouble*> NULL)
    elif element == PAIRS: pair_loops(f, NULL)
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
