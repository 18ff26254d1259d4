"""What a layer does to its sums before they are stored. Inline, for the loops to be vectorised by each build."""
from libc.math cimport exp, expf, tanh, tanhf
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from fastconv.kernels.layer cimport IDENTITY, LEAKY_RELU, RELU, RELU6, SIGMOID, TANH, Activation
from fastconv.kernels.lines cimport (
    FLOAT32, FLOAT64, INT8, INT16, INT32, INT64, LONGDOUBLE, UINT8, UINT16, UINT32, UINT64,
)

cdef extern from "math.h" nogil:
    long double expl(long double)
    long double tanhl(long double)

ctypedef long double longdouble

ctypedef fused Real:
    float
    double
    longdouble

ctypedef fused Unsigned:
    uint16_t
    uint32_t
    uint64_t


cdef inline Real exponential(Real x) noexcept nogil:
    if Real is float: return expf(x)
    elif Real is double: return exp(x)
    else: return expl(x)


cdef inline Real hyperbolic_tangent(Real x) noexcept nogil:
    if Real is float: return tanhf(x)
    elif Real is double: return tanh(x)
    else: return tanhl(x)


cdef inline void activate_reals(Real* values, Py_ssize_t n, Activation activation, Real slope) noexcept nogil:
    """Comparisons are written so that NaN stays NaN."""
    cdef Py_ssize_t i
    cdef Real e
    if activation == RELU:
        for i in range(n):
            values[i] = 0 if values[i] < 0 else values[i]
    elif activation == RELU6:
        for i in range(n):
            values[i] = 0 if values[i] < 0 else (6 if values[i] > 6 else values[i])
    elif activation == LEAKY_RELU:
        for i in range(n):
            values[i] = values[i] * slope if values[i] < 0 else values[i]
    elif activation == TANH:
        for i in range(n):
            values[i] = hyperbolic_tangent(values[i])
    elif activation == SIGMOID:    # no exponential of a positive number, which might overflow
        for i in range(n):
            e = exponential(-values[i] if values[i] > 0 else values[i])
            values[i] = (e if values[i] < 0 else 1) / (1 + e)
    else:
        for i in range(n):
            e = exponential(-values[i] if values[i] > 0 else values[i])
            if values[i] < 0:
                values[i] = values[i] * e if e > 0 else -0.0    # not infinity times 0
            values[i] = values[i] / (1 + e)


cdef inline void activate_integers(Unsigned* values, Py_ssize_t n, bint six, int bits, bint signed) noexcept nogil:
    """On numbers of the result's `bits`, which may be fewer than those computed with."""
    cdef Py_ssize_t i
    cdef Unsigned all_ones = ~<Unsigned> 0, mask = all_ones >> (8 * <int> sizeof(Unsigned) - bits)
    cdef Unsigned sign = (mask >> 1) + 1 if signed else 0, most = 6 if six else mask
    for i in range(n):
        values[i] = 0 if values[i] & sign else min(values[i] & mask, most)


cdef inline void activate(char* values, Py_ssize_t n, int element, int out_element, Activation activation,
                          double slope) noexcept nogil:
    """`n` values of type `element`, which will be stored as `out_element`, in place."""
    cdef bint six = activation == RELU6, signed = out_element in (INT8, INT16, INT32, INT64)
    cdef int bits = (8 if out_element in (INT8, UINT8) else 16 if out_element in (INT16, UINT16)
                     else 32 if out_element in (INT32, UINT32) else 64)
    if activation == IDENTITY: return
    if element == FLOAT32: activate_reals(<float*> values, n, activation, <float> slope)
    elif element == FLOAT64: activate_reals(<double*> values, n, activation, slope)
    elif element == LONGDOUBLE: activate_reals(<longdouble*> values, n, activation, slope)
    elif element == UINT16: activate_integers(<uint16_t*> values, n, six, bits, signed)
    elif element == UINT32: activate_integers(<uint32_t*> values, n, six, bits, signed)
    elif element == UINT64: activate_integers(<uint64_t*> values, n, six, bits, signed)
