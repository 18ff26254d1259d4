from fastconv.kernels.lines cimport line_copy
from fastconv.kernels.pooling cimport Pool

ctypedef long double longdouble

# The norm of the window of an output `at`, of an item of x that is gathered as the type that is returned.
cdef double scaled_norm(const Pool* s, line_copy gather, const Py_ssize_t* at, const char* x, double p) noexcept nogil
cdef longdouble scaled_long_norm(const Pool* s, line_copy gather, const Py_ssize_t* at, const char* x,
                                 longdouble p) noexcept nogil
