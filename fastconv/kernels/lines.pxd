from libc.stdint cimport (
    int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t,
)

# Every kernel runs without the GIL. Before a parallel region Cython asks whether it is held, to release it; Python 3.11
# always says yes in a process that has ever had a subinterpreter, and releasing what is not held ends the process.
cdef extern from *:
    """
    #if PY_VERSION_HEX < 0x030C0000
      #define PyGILState_Check() 0
    #endif
    """

# What an array's elements are. Complex arrays are two planes of one of these.
cdef enum Element:
    BOOL, INT8, UINT8, INT16, UINT16, INT32, UINT32, INT64, UINT64, FLOAT16, FLOAT32, FLOAT64, LONGDOUBLE, ELEMENTS

# Copies `n` elements from one line to another, strides in bytes, converting as C does.
ctypedef void (*line_copy)(char* to, Py_ssize_t to_stride, const char* source, Py_ssize_t stride,
                           Py_ssize_t n) noexcept nogil

cdef line_copy line_copier(int source, int to) noexcept nogil


cdef inline bint same_bits(int element, int computed) noexcept nogil:
    """Whether lines of `element` can be read and written as they are."""
    return (element == computed or element == INT16 and computed == UINT16
            or element == INT32 and computed == UINT32 or element == INT64 and computed == UINT64)
