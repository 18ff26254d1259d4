from fastconv.kernels.lines cimport line_copy
from fastconv.kernels.pooling cimport Pool

# Whether a line of floating-point numbers, `step` bytes apart, has a zero, or -0.
cdef bint has_zero(int element, const char* a, Py_ssize_t step, Py_ssize_t n, bint minus) noexcept nogil
# Whether n elements in a line have -0.: those of what is compared.
ctypedef bint (*line_test)(const char* a, Py_ssize_t n) noexcept nogil
# Whether a part of an item of x, of n positions along each axis from `low` on, has -0. once it is what is compared.
cdef bint has_minus_zero(const Pool* s, line_copy gather, line_test test, const Py_ssize_t* low, const Py_ssize_t* n,
                         int axis, const char* x) noexcept nogil
# Whether the first zero in the window of an output is -0.; 2 if there is no zero. From an axis inward in the caller's
# order, the outermost of which is `next_axis(s, -1)`.
cdef int next_axis(const Pool* s, int axis) noexcept nogil
cdef int first_is_minus(const Pool* s, line_copy gather, const Py_ssize_t* at, int axis, const char* x) noexcept nogil
