"""What happens to lines of terms before they are added, and to lines of sums: powers, quotients and roots, and the way
past the caches."""
from libc.math cimport INFINITY, fabs, fma, fmal, ldexp, ldexpl, log, logl, pow, powl, sqrt, sqrtl
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from fastconv.kernels.lines cimport (
    FLOAT16, FLOAT32, FLOAT64, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64,
    line_copy,
)
from fastconv.kernels.pooling cimport LOWER, Part
from fastconv.kernels.simd cimport VECTOR, stream

cdef extern from "<float.h>" nogil:
    enum:
        DBL_MAX_EXP
        LDBL_MAX_EXP

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


cdef inline void split(int64_t* a, Part part, int element, Py_ssize_t n) noexcept nogil:
    """Whole numbers of 64 bits become their upper or their lower 32, for sums that are exact."""
    cdef Py_ssize_t i
    if part == LOWER:
        for i in range(n):
            a[i] = <int64_t> <uint32_t> a[i]
    elif element == UINT64:
        for i in range(n):
            a[i] = <int64_t> (<uint64_t> a[i] >> 32)
    else:
        for i in range(n):
            a[i] = a[i] >> 32


cdef inline Floating power(Floating a, Floating p) noexcept nogil:
    if Floating is longdouble:
        return powl(a, p)
    else:
        return <Floating> pow(a, p)


# Sums of powers are as exact as can be while they, and all terms but zeros, are between these, 2 to the power of so
# many below the ends of the type: fewer than 2**62 terms then neither overflow nor vanish beside the sum. Other sums
# are computed again, of elements over the largest: norms.pxd. So are those of powers whose roots make the rounding of a
# sum several times larger.
cdef enum:
    MARGIN = 62
    LEAST_POWER = 16           # as its reciprocal
    WITHOUT_HARM = 1 << 30     # of sums, and its reciprocal, between which the rounding of 1 / p does not count

cdef inline Floating large(Floating like) noexcept nogil:
    if Floating is longdouble:
        return ldexpl(1, LDBL_MAX_EXP - MARGIN)
    else:
        return <Floating> ldexp(1, DBL_MAX_EXP - MARGIN)


cdef inline bint leaves_range(Floating total, Floating p) noexcept nogil:
    """Whether the sum of p-th powers is to be computed again."""
    return p * LEAST_POWER < 1 or total < 1 / large(total) or total == INFINITY


cdef inline bint any_power_leaves(int element, double p) noexcept nogil:
    """Whether a power of some number of a type, in double precision, may be out of the range."""
    cdef int bits = 1100       # the most that its exponents differ from 0
    if element == FLOAT16: bits = 24
    elif element == FLOAT32: bits = 149
    elif element < FLOAT16: bits = 64
    return p * bits > DBL_MAX_EXP - MARGIN or p * LEAST_POWER < 1


cdef inline bint powers_leave_range(const Floating* a, Floating p, Floating most, Py_ssize_t n) noexcept nogil:
    """Whether that of any but zeros and infinity does, so that sums may have to be computed again; `most` is the
    largest number whose power does not."""
    cdef Floating least = 1 / most, x
    cdef Py_ssize_t i
    cdef int64_t leaves = p * LEAST_POWER < 1, m, low, high, infinite
    if Floating is double:    # by bits, whose order is that of magnitudes: differences' signs, which are vectors
        x = INFINITY
        memcpy(&low, &least, 8)
        memcpy(&high, &most, 8)
        memcpy(&infinite, &x, 8)
        leaves = -leaves
        for i in range(n):
            memcpy(&m, &a[i], 8)
            m = <int64_t> (<uint64_t> m << 1 >> 1)
            leaves |= ((m - low) & -m) | ((high - m) & (m - infinite))
        return leaves < 0
    for i in range(n):
        x = -a[i] if a[i] < 0 else a[i]
        leaves |= (x > 0) & (x < least)
        leaves |= (x > most) & (x < <Floating> INFINITY)
    return leaves != 0


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


cdef inline Floating root(Floating total, Floating p) noexcept nogil:
    cdef Floating q = 1 / p, y
    if p == 2:
        return <Floating> sqrt(total) if Floating is not longdouble else sqrtl(total)
    if p == 1:
        return total
    y = power(total, q)
    if 1 / <Floating> WITHOUT_HARM < total < WITHOUT_HARM or total == 0 or not y < <Floating> INFINITY:
        return y
    # What 1 / p lost to rounding counts as many times as the sum's logarithm has units.
    if Floating is longdouble:
        return y + y * (q * fmal(-q, p, 1) * logl(total))
    else:
        return y + y * <Floating> (q * fma(-q, p, 1) * log(total))


cdef inline void take_root(Floating* a, Floating p, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    if p == 2:
        for i in range(n):
            a[i] = root(a[i], 2)
    elif p != 1:
        for i in range(n):
            a[i] = root(a[i], p)
