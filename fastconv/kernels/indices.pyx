"""Pooling's indices: where in x the largest or the smallest element of each window is, flat over the spatial axes.

Of equal elements the first is taken. A row of outputs sees one row of x after the other.
"""
from cython.parallel cimport prange, threadid
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from fastconv.kernels.border cimport whole
from fastconv.kernels.lines cimport (
    BOOL, FLOAT32, FLOAT64, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64,
)
from fastconv.kernels.order cimport SMALLEST
from fastconv.kernels.pooling cimport Pool, Pooling
from fastconv.kernels.problem cimport MAX_RANK

ctypedef long double longdouble

ctypedef fused Scalar:
    int8_t
    uint8_t
    int16_t
    uint16_t
    int32_t
    uint32_t
    int64_t
    uint64_t
    float
    double
    longdouble

ctypedef void (*find_row)(const Pool* s, const char* x, int64_t flat, char* best, int64_t* at) noexcept nogil


cdef inline void compare(Scalar* best, int64_t* at, Scalar value, int64_t flat, bint smallest) noexcept nogil:
    """The first of the largest stays; NaN is larger and smaller than any number."""
    if at[0] < 0 or (value < best[0] if smallest else value > best[0]) or value != value and best[0] == best[0]:
        best[0] = value
        at[0] = flat


cdef void find_in_row(const Pool* s, const Scalar* row, int64_t flat, char* best_line, int64_t* at) noexcept nogil:
    """Compares what is best so far in each output's window, and where, with what one row of x has."""
    cdef int last = s.rank - 1
    cdef Py_ssize_t o, t, c, start, n = s.x_size[last], d = s.dilation[last], inner = s.inner, count, low
    cdef const char* x
    cdef Scalar* best = <Scalar*> best_line
    cdef bint smallest = s.reduction == SMALLEST
    for o in range(s.out_size[last]):
        if s.start[last] != NULL:
            start, count, low = s.start[last][o], s.count[last][o], 0
        else:
            start, count = o * s.stride[last] - s.before[last], s.kernel[last]
            low = 0 if start >= 0 else (-start + d - 1) // d
            if start + (count - 1) * d >= n:
                count = (n - start + d - 1) // d
        for t in range(low, count):
            x = <const char*> row + (start + t * d) * s.x_stride[last]
            for c in range(inner):
                compare(best + o * inner + c, at + o * inner + c, (<const Scalar*> (x + c * s.x_inner))[0],
                        flat + start + t * d, smallest)


cdef find_row finder(int element) noexcept nogil:
    if element == INT8: return <find_row> find_in_row[int8_t]
    if element == BOOL or element == UINT8: return <find_row> find_in_row[uint8_t]
    if element == INT16: return <find_row> find_in_row[int16_t]
    if element == UINT16: return <find_row> find_in_row[uint16_t]
    if element == INT32: return <find_row> find_in_row[int32_t]
    if element == UINT32: return <find_row> find_in_row[uint32_t]
    if element == INT64: return <find_row> find_in_row[int64_t]
    if element == UINT64: return <find_row> find_in_row[uint64_t]
    if element == FLOAT32: return <find_row> find_in_row[float]
    if element == FLOAT64: return <find_row> find_in_row[double]
    return <find_row> find_in_row[longdouble]


cdef void find_axes(const Pool* s, find_row find, int axis, const char* x, int64_t flat, const Py_ssize_t* output,
                    char* best, int64_t* at) noexcept nogil:
    """All rows of x that the windows of a row of outputs see, from this axis inward."""
    cdef Py_ssize_t start, count, t, d = s.dilation[axis]
    if axis == s.rank - 1:
        find(s, x, flat, best, at)
        return
    if s.start[axis] != NULL:
        start, count = s.start[axis][output[axis]], s.count[axis][output[axis]]
    else:
        start, count = output[axis] * s.stride[axis] - s.before[axis], s.kernel[axis]
    for t in range(count):
        if 0 <= start + t * d < s.x_size[axis]:
            find_axes(s, find, axis + 1, x + (start + t * d) * s.x_stride[axis],
                      flat + (start + t * d) * s.index_of[axis], output, best, at)


cdef void find_output_row(const Pool* s, find_row find, Py_ssize_t index, char* scratch) noexcept nogil:
    cdef int axis, last = s.rank - 1
    cdef Py_ssize_t output[MAX_RANK]
    cdef Py_ssize_t o, i, c
    cdef const char* x = s.x
    cdef char* out = s.out
    cdef int64_t* at = <int64_t*> scratch
    for axis in range(last - 1, -1, -1):
        output[axis] = index % s.out_size[axis]
        index //= s.out_size[axis]
        out += output[axis] * s.out_stride[axis]
    for axis in range(s.leading - 1, -1, -1):
        o = index % s.leading_size[axis]
        index //= s.leading_size[axis]
        x += o * s.x_leading[axis]
        out += o * s.out_leading[axis]
    for i in range(s.out_size[last] * s.inner):
        at[i] = -1
    find_axes(s, find, 0, x, 0, output, scratch + s.out_size[last] * s.inner * 8, at)
    for i in range(s.out_size[last]):
        for c in range(s.inner):
            (<int64_t*> (out + i * s.out_stride[last] + c * s.out_inner))[0] = at[i * s.inner + c]


cdef int run_find(const Pool* s, Py_ssize_t workers) noexcept nogil:
    cdef Py_ssize_t rows = 1, i, per_worker = whole(s.out_size[s.rank - 1] * s.inner * 24, 64)
    cdef int axis
    cdef find_row find = finder(s.x_element)
    cdef char* memory
    for axis in range(s.leading):
        rows *= s.leading_size[axis]
    for axis in range(s.rank - 1):
        rows *= s.out_size[axis]
    workers = max(1, min(workers, rows))
    memory = <char*> malloc(workers * per_worker)
    if memory == NULL:
        return -1
    if workers == 1:
        for i in range(rows):
            find_output_row(s, find, i, memory)
    else:
        for i in prange(rows, schedule="static", num_threads=<int> workers):
            find_output_row(s, find, i, memory + threadid() * per_worker)
    free(memory)
    return 0


def find(Pooling problem, Py_ssize_t workers):
    """Writes the indices to the record's output, on `workers` threads."""
    cdef const Pool* s = &problem.pool
    cdef int failed
    with nogil:
        failed = run_find(s, workers)
    if failed:
        raise MemoryError(f"no memory for the scratch of {workers} workers")
