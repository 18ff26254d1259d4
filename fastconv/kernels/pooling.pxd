"""The record of one pooling on one array: what the gate fills in and the kernels read."""
from fastconv.kernels.problem cimport MAX_RANK

cdef enum Finish:
    AS_IT_IS, MEAN, ROOT

# out[n, o, c] = reduction over t of x[n, o * stride + t * dilation - before, c], taps outside the image left out;
# where an axis has a table, the taps of output o are start[o] and the count[o] - 1 elements behind it. In gradients
# x's elements may stand `apart` positions from each other, with nothing between, and be divided before they are added.
# The inner axis c is the channels of channels_last, or one element. Ranks start at 2. Strides are in bytes.
cdef struct Pool:
    int rank
    Py_ssize_t x_size[MAX_RANK]
    Py_ssize_t out_size[MAX_RANK]
    Py_ssize_t x_stride[MAX_RANK]
    Py_ssize_t out_stride[MAX_RANK]
    Py_ssize_t kernel[MAX_RANK]
    Py_ssize_t stride[MAX_RANK]
    Py_ssize_t dilation[MAX_RANK]
    Py_ssize_t before[MAX_RANK]
    const Py_ssize_t* start[MAX_RANK]    # NULL: no table
    const Py_ssize_t* count[MAX_RANK]
    Py_ssize_t apart[MAX_RANK]
    const double* x_divisor[MAX_RANK]    # by element of x, NULL where they are all 1
    bint divides_x
    const double* divisor[MAX_RANK]      # by output, NULL where all are in `divided_by`
    double divided_by                    # what all outputs are divided by
    int leading
    Py_ssize_t leading_size[MAX_RANK]
    Py_ssize_t x_leading[MAX_RANK]
    Py_ssize_t out_leading[MAX_RANK]
    Py_ssize_t inner
    Py_ssize_t x_inner
    Py_ssize_t out_inner
    int reduction                        # of order.pxd
    int element                          # what is reduced: x is converted to it
    int x_element
    int out_element
    Finish finish
    double power                         # of |x| before the sum; 0: x itself
    const char* x
    const char* x_end                    # behind its last byte
    char* out
    bint finds                           # for indices.pyx, not pool.pyx
    Py_ssize_t index_of[MAX_RANK]        # elements of the flat index from one position to the next


cdef inline bint by_windows(Py_ssize_t kernel, Py_ssize_t stride, Py_ssize_t dilation, Py_ssize_t size) noexcept nogil:
    """Whether a row's windows, of elements of `size` bytes, are long and hardly overlap: then each is merged by itself,
    many elements at once. Such sums have an order of their own, so that channels may not be summed side by side."""
    return dilation == 1 and kernel * size >= 128 and stride * 2 >= kernel


cdef inline bint is_all(Py_ssize_t kernel, Py_ssize_t n, Py_ssize_t before, Py_ssize_t outputs) noexcept nogil:
    """Whether one window is all of a row: these sums, too, have an order of their own."""
    return kernel == n and before == 0 and outputs == 1


cdef class Pooling:
    cdef Pool pool
    cdef readonly object x, out          # the arrays that the record points into
    cdef readonly object tables          # and those of its axes
    cdef readonly double work            # elements read and written
    cdef readonly double bytes           # of x, or of the result, the larger
