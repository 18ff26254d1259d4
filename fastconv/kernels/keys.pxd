"""Values and their places as one number each, whose largest holds the index that is sought: of the largest value, or
the smallest, and of equal ones the first place. So indices are maxima like others, at the price of maxima.

Up to 32 bits a value and its place share 64, wider ones are pairs. Inline, for each build to have its own.
"""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from fastconv.kernels.lines cimport (
    BOOL, FLOAT32, FLOAT64, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64,
)
from fastconv.kernels.order cimport vpair

cdef extern from "<float.h>" nogil:
    enum:
        LDBL_MANT_DIG

ctypedef long double longdouble

ctypedef fused Narrow:
    int8_t
    uint8_t
    int16_t
    uint16_t
    int32_t
    uint32_t
    float

ctypedef fused Wide:
    int64_t
    uint64_t
    double
    longdouble

cdef enum:
    EXTENDED_PLACE = 48        # bits of a place beside a long double of 80


cdef inline uint32_t ordered(Narrow value) noexcept nogil:
    """A number whose order is that of the values."""
    cdef uint32_t bits
    if Narrow is float:
        memcpy(&bits, &value, sizeof(float))
        bits = 0 if value == 0 else bits    # of both signs
        return ~bits if bits >> 31 else bits | <uint32_t> 1 << 31
    elif Narrow is int8_t or Narrow is int16_t or Narrow is int32_t:
        return <uint32_t> value ^ <uint32_t> 1 << 31
    else:
        return <uint32_t> value


cdef inline uint64_t ordered_wide(Wide value) noexcept nogil:
    cdef uint64_t bits
    if Wide is double:
        memcpy(&bits, &value, sizeof(double))
        bits = 0 if value == 0 else bits
        return ~bits if bits >> 63 else bits | <uint64_t> 1 << 63
    elif Wide is int64_t:
        return <uint64_t> value ^ <uint64_t> 1 << 63
    elif Wide is uint64_t:
        return value
    else:
        return 0


cdef inline vpair extended(longdouble value, uint64_t place, bint smallest) noexcept nogil:
    """Sign, exponent and mantissa of a long double of 80 bits, and its place."""
    cdef uint64_t mantissa
    cdef uint16_t upper
    cdef vpair pair
    memcpy(&mantissa, &value, 8)
    memcpy(&upper, <const char*> &value + 8, 2)
    if value != value:
        upper, mantissa, smallest = 0xFFFF, ~(<uint64_t> 0), False
    elif upper >> 15 and value != 0:
        upper, mantissa = ~upper, ~mantissa
    else:
        upper |= <uint16_t> 0x8000
    if smallest:
        upper, mantissa = ~upper, ~mantissa
    pair.high = <uint64_t> upper << EXTENDED_PLACE | mantissa >> (64 - EXTENDED_PLACE)
    pair.low = mantissa << EXTENDED_PLACE | (~place & (((<uint64_t> 1) << EXTENDED_PLACE) - 1))
    return pair


cdef inline vpair wide_key(Wide value, int64_t place, uint64_t flip) noexcept nogil:
    cdef vpair key
    if Wide is longdouble:
        return extended(value, <uint64_t> place, flip != 0)
    else:
        key.high, key.low = ordered_wide(value) ^ flip, ~(<uint64_t> place)
        if Wide is double:
            key.high = ~(<uint64_t> 0) if value != value else key.high
        return key


cdef inline void narrow_keys(uint64_t* to, const Narrow* a, Py_ssize_t n, Py_ssize_t inner, int64_t place,
                             int64_t step, bint smallest) noexcept nogil:
    """n positions of `inner` values each, the first of which is at a place and the others `step` apart."""
    cdef Py_ssize_t i, c
    cdef uint32_t flip = ~(<uint32_t> 0) if smallest else 0, value
    if inner == 1:
        for i in range(n):
            value = ordered(a[i]) ^ flip
            if Narrow is float:
                value = ~(<uint32_t> 0) if a[i] != a[i] else value
            to[i] = <uint64_t> value << 32 | <uint32_t> ~(place + i * step)
        return
    for i in range(n):
        for c in range(inner):
            value = ordered(a[i * inner + c]) ^ flip
            if Narrow is float:
                value = ~(<uint32_t> 0) if a[i * inner + c] != a[i * inner + c] else value
            to[i * inner + c] = <uint64_t> value << 32 | <uint32_t> ~(place + i * step)


cdef inline void wide_keys(vpair* to, const Wide* a, Py_ssize_t n, Py_ssize_t inner, int64_t place,
                           int64_t step, bint smallest) noexcept nogil:
    cdef Py_ssize_t i, c
    cdef uint64_t flip = ~(<uint64_t> 0) if smallest else 0
    if inner == 1:
        for i in range(n):
            to[i] = wide_key(a[i], place + i * step, flip)
        return
    for i in range(n):
        for c in range(inner):
            to[i * inner + c] = wide_key(a[i * inner + c], place + i * step, flip)


cdef inline void keys_of(int element, char* to, const char* a, Py_ssize_t n, Py_ssize_t inner, int64_t place,
                         int64_t step, bint smallest) noexcept nogil:
    """By the element of the values; a long double is one of 80 bits, or double precision."""
    cdef uint64_t* narrow = <uint64_t*> to
    cdef vpair* wide = <vpair*> to
    if element == INT8: narrow_keys(narrow, <const int8_t*> a, n, inner, place, step, smallest)
    elif element == BOOL or element == UINT8: narrow_keys(narrow, <const uint8_t*> a, n, inner, place, step, smallest)
    elif element == INT16: narrow_keys(narrow, <const int16_t*> a, n, inner, place, step, smallest)
    elif element == UINT16: narrow_keys(narrow, <const uint16_t*> a, n, inner, place, step, smallest)
    elif element == INT32: narrow_keys(narrow, <const int32_t*> a, n, inner, place, step, smallest)
    elif element == UINT32: narrow_keys(narrow, <const uint32_t*> a, n, inner, place, step, smallest)
    elif element == FLOAT32: narrow_keys(narrow, <const float*> a, n, inner, place, step, smallest)
    elif element == INT64: wide_keys(wide, <const int64_t*> a, n, inner, place, step, smallest)
    elif element == UINT64: wide_keys(wide, <const uint64_t*> a, n, inner, place, step, smallest)
    elif element == FLOAT64 or LDBL_MANT_DIG == 53: wide_keys(wide, <const double*> a, n, inner, place, step, smallest)
    else: wide_keys(wide, <const longdouble*> a, n, inner, place, step, smallest)


cdef inline void places_of(int element, bint pairs, char* line, Py_ssize_t n) noexcept nogil:
    """Keys become the places in them, in the same memory."""
    cdef int64_t* to = <int64_t*> line
    cdef const vpair* wide = <const vpair*> line
    cdef Py_ssize_t i
    cdef uint64_t bits = ~(<uint64_t> 0)
    if not pairs:
        for i in range(n):
            to[i] = <int64_t> <uint32_t> ~to[i]
        return
    if element != INT64 and element != UINT64 and element != FLOAT64 and LDBL_MANT_DIG != 53:
        bits = ((<uint64_t> 1) << EXTENDED_PLACE) - 1
    for i in range(n):
        to[i] = <int64_t> (~wide[i].low & bits)
