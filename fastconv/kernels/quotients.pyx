"""Exact sums of integers of 64 bits, in two words, over whole numbers: correctly rounded to double precision."""
from cython.parallel cimport prange
from libc.math cimport INFINITY, NAN, ldexp
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef struct Words:             # a whole number of 128 bits
    uint64_t upper
    uint64_t lower


cdef inline int bits(uint64_t n) noexcept nogil:
    """Up to the first one."""
    cdef int count = 0
    while n >= 256:
        n >>= 8
        count += 8
    while n:
        n >>= 1
        count += 1
    return count


cdef inline Words shifted(Words n, int left) noexcept nogil:
    cdef Words to
    if left == 0:
        return n
    if left >= 64:
        to.upper, to.lower = n.lower << (left - 64), 0
    else:
        to.upper, to.lower = n.upper << left | n.lower >> (64 - left), n.lower << left
    return to


cdef inline uint64_t digit(uint64_t* rest, uint64_t next, uint64_t by) noexcept nogil:
    """One digit of 32 bits of a quotient; `by` has 64. D. E. Knuth, "The Art of Computer Programming", 4.3.1, D."""
    cdef uint64_t high = by >> 32, low = <uint32_t> by, q = rest[0] // high, left = rest[0] - q * high
    while q >> 32 or q * low > (left << 32 | next):
        q -= 1
        left += high
        if left >> 32:
            break
    rest[0] = (rest[0] << 32) + next - q * by
    return q


cdef inline uint64_t divided(Words n, uint64_t by) noexcept nogil:
    """The quotient, which has at most 64 bits, with its lowest bit set if there is a remainder."""
    cdef int left = 64 - bits(by)
    cdef uint64_t q, rest
    n = shifted(n, left)
    by <<= left
    rest = n.upper
    q = digit(&rest, n.lower >> 32, by) << 32
    q |= digit(&rest, <uint32_t> n.lower, by)
    return q | (rest != 0)


cdef double quotient(int64_t high, int64_t low, int64_t by) noexcept nogil:
    """(high * 2**32 + low) / by, rounded once. Of 62 bits or more and a remainder's, so that the
    conversion to double precision rounds as the quotient would be."""
    cdef Words n
    cdef bint negative
    cdef uint64_t d = <uint64_t> -by if by < 0 else <uint64_t> by
    cdef double result
    cdef int more
    n.lower = (<uint64_t> high << 32) + <uint64_t> low
    n.upper = <uint64_t> (high >> 32) + <uint64_t> (low >> 63) + (n.lower < <uint64_t> low)
    negative = n.upper >> 63
    if negative:
        n.upper, n.lower = ~n.upper + (n.lower == 0), ~n.lower + 1
    if n.upper == 0 and n.lower == 0:
        return NAN if by == 0 else (-0.0 if by < 0 else 0.0)
    if by == 0:
        return -INFINITY if negative else INFINITY
    more = 62 - (64 + bits(n.upper) if n.upper else bits(n.lower)) + bits(d)
    if more >= 0:
        n = shifted(n, more)
    else:
        d <<= -more
    result = ldexp(<double> divided(n, d), -more)
    return -result if negative != (by < 0) else result


def round_quotients(const int64_t[::1] high, const int64_t[::1] low, const int64_t[::1] divisor, Py_ssize_t inner,
                    double[::1] out, int workers):
    """out[n, o, c] = (high * 2**32 + low)[n, o, c] / divisor[o], `inner` elements c."""
    cdef Py_ssize_t n = out.shape[0], outputs = divisor.shape[0], i
    if n == 0:
        return
    cdef const int64_t* by = &divisor[0]
    cdef const int64_t* upper = &high[0]
    cdef const int64_t* lower = &low[0]
    cdef double* to = &out[0]
    with nogil:
        if workers <= 1:
            for i in range(n):
                to[i] = quotient(upper[i], lower[i], by[i // inner % outputs])
        else:
            for i in prange(n, schedule="static", num_threads=workers):
                to[i] = quotient(upper[i], lower[i], by[i // inner % outputs])
