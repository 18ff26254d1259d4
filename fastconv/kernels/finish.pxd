"""What happens to lines of terms before they are added, and to lines of sums: powers, quotients and roots."""
from libc.math cimport pow, powl, sqrt, sqrtl

from fastconv.kernels.lines cimport FLOAT32, FLOAT64

ctypedef long double longdouble

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
