"""What happens to lines of terms before they are added, and to lines of sums: powers, quotients and roots, and the way
past the caches."""
from libc.math cimport fabs, fma, ldexp, pow, powl, sqrt, sqrtl
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from fastconv.kernels.lines cimport (
    FLOAT32, FLOAT64, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, line_copy,
)
from fastconv.kernels.simd cimport VECTOR, stream

ctypedef long double longdouble

cdef enum:
    PIECE = 512                # elements

ctypedef fused Floating:
    float
    double
    longdouble


cdef inline void divide(Floating* a, const double* by, double by_all, Py_ssize_t n, Py_ssize_t inner) noexcept nogil:
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


cdef inline void divide_line(int element, char* line, const double* by, double by_all, Py_ssize_t n,
                             Py_ssize_t inner) noexcept nogil:
    if element == FLOAT32: divide(<float*> line, by, by_all, n, inner)
    elif element == FLOAT64: divide(<double*> line, by, by_all, n, inner)
    else: divide(<longdouble*> line, by, by_all, n, inner)


ctypedef fused Narrow:
    int8_t
    uint8_t
    int16_t
    uint16_t

ctypedef fused Wider:
    uint16_t
    uint32_t


cdef inline void widen(Wider* to, Py_ssize_t to_step, const Narrow* a, Py_ssize_t step, Py_ssize_t n) noexcept nogil:
    """A line of whole numbers to a contiguous one, `step` bytes apart."""
    cdef Py_ssize_t i
    if step == sizeof(Narrow):
        for i in range(n):
            to[i] = <Wider> a[i]
    else:
        for i in range(n):
            to[i] = <Wider> (<const Narrow*> (<const char*> a + i * step))[0]


cdef inline line_copy widener(int source, int to) noexcept nogil:
    """What lines.pyx has for all builds alike, for each; NULL for what it has not."""
    if to == INT16 or to == UINT16:
        if source == INT8: return <line_copy> widen[uint16_t, int8_t]
        if source == UINT8: return <line_copy> widen[uint16_t, uint8_t]
    if to == INT32 or to == UINT32:
        if source == INT8: return <line_copy> widen[uint32_t, int8_t]
        if source == UINT8: return <line_copy> widen[uint32_t, uint8_t]
        if source == INT16: return <line_copy> widen[uint32_t, int16_t]
        if source == UINT16: return <line_copy> widen[uint32_t, uint16_t]
    return NULL


ctypedef fused Whole:
    int16_t
    uint16_t
    int32_t
    uint32_t
    int64_t
    uint64_t

cdef struct Reciprocal:        # of a whole number d: high + low, as exact as double precision can tell
    double high
    double low


cdef inline Reciprocal reciprocal(double d, int bits) noexcept nogil:
    """With a product of `high` and a whole number of so many bits exact."""
    cdef Reciprocal r
    cdef uint64_t upper
    r.high = 1 / d
    memcpy(&upper, &r.high, sizeof(double))
    upper = upper >> bits << bits
    memcpy(&r.high, &upper, sizeof(double))
    r.low = fma(-d, r.high, 1) / d
    return r


cdef inline void quotients(double* to, const Whole* a, const double* by, double by_all, Py_ssize_t n,
                           Py_ssize_t inner) noexcept nogil:
    """As `divide`, of whole numbers, by whole numbers.

    Two products are correctly rounded, as a division is, while |by_all| * 2**bits < 2**50: they are off by less than
    2**(bits - 51) of a unit in the last place, and a / d cannot be as near as that to a number halfway between two of
    double precision: it is 1 / (2 d) of a unit away at least."""
    cdef int bits = 8 * sizeof(Whole)
    cdef Py_ssize_t i, c
    cdef Reciprocal r
    cdef double d = by_all
    if by != NULL:
        for i in range(n):
            d = by[i] * by_all
            for c in range(inner):
                to[i * inner + c] = <double> a[i * inner + c] / d
    elif bits < 50 and 0 < fabs(d) < ldexp(1, 50 - bits):
        r = reciprocal(d, bits)
        for i in range(n * inner):
            to[i] = <double> a[i] * r.high + <double> a[i] * r.low
    else:
        for i in range(n * inner):
            to[i] = <double> a[i] / d


cdef inline void quotient_line(int element, double* to, const char* a, const double* by, double by_all, Py_ssize_t n,
                               Py_ssize_t inner) noexcept nogil:
    if element == INT16: quotients(to, <const int16_t*> a, by, by_all, n, inner)
    elif element == UINT16: quotients(to, <const uint16_t*> a, by, by_all, n, inner)
    elif element == INT32: quotients(to, <const int32_t*> a, by, by_all, n, inner)
    elif element == UINT32: quotients(to, <const uint32_t*> a, by, by_all, n, inner)
    elif element == INT64: quotients(to, <const int64_t*> a, by, by_all, n, inner)
    else: quotients(to, <const uint64_t*> a, by, by_all, n, inner)


cdef inline void stream_line(char* to, const char* a, Py_ssize_t bytes) noexcept nogil:
    """A copy past the caches, but for the parts of lines at both ends."""
    cdef Py_ssize_t at = min(bytes, (VECTOR - <Py_ssize_t> (<size_t> to % VECTOR)) % VECTOR)
    memcpy(to, a, at)
    while at + VECTOR <= bytes:
        stream(to + at, a + at)
        at += VECTOR
    memcpy(to + at, a + at, bytes - at)


cdef inline void stream_quotients(int element, Py_ssize_t size, char* to, const char* a, double* wide, double by_all,
                                  Py_ssize_t n) noexcept nogil:
    """In pieces so small that stores of one go on while the next is computed, and that end where lines do."""
    cdef Py_ssize_t m
    while n > 0:
        m = min(n, PIECE - <Py_ssize_t> (<size_t> to % 64) // 8)
        quotient_line(element, wide, a, NULL, by_all, m, 1)
        stream_line(to, <const char*> wide, 8 * m)
        to += 8 * m
        a += size * m
        n -= m


cdef inline Floating power(Floating a, Floating p) noexcept nogil:
    if Floating is longdouble:
        return powl(a, p)
    else:
        return <Floating> pow(a, p)


cdef inline void raise_to(Floating* a, Floating p, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = -a[i] if a[i] < 0 else a[i]
    if p == 2:
        for i in range(n):
            a[i] = a[i] * a[i]
    elif p != 1:
        for i in range(n):
            a[i] = power(a[i], p)


cdef inline void take_root(Floating* a, Floating p, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    if p == 2:
        for i in range(n):
            a[i] = <Floating> sqrt(a[i]) if Floating is not longdouble else sqrtl(a[i])
    elif p != 1:
        for i in range(n):
            a[i] = power(a[i], 1 / p)
