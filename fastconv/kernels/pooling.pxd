"""The record of one pooling on one array: what the gate fills in and the kernels read."""
from fastconv.kernels.problem cimport MAX_RANK

cdef enum Finish:
    AS_IT_IS, MEAN, ROOT, PLACE

cdef enum:
    PAIRS = 100                # an element beside those of lines.pxd: keys of 128 bits

cdef enum Part:                # of the whole numbers of 64 bits that are summed
    ALL, UPPER, LOWER          # or their upper or their lower 32

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
    Py_ssize_t period[MAX_RANK]          # taps from one that meets an element of x to the next that does
    Py_ssize_t inverse[MAX_RANK]         # of the dilation, by which the first of them is found: see `in_window`
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
    bint first_zero                      # among zeros of both signs the first is the result, as its index says
    Finish finish
    double power                         # of |x| before the sum; 0: x itself
    Part part
    const char* x
    const char* x_end                    # behind its last byte
    char* out
    # Where places are sought, keys are reduced: of values of an element, which are compared so.
    int compared
    bint smallest
    Py_ssize_t index_of[MAX_RANK]        # elements of the flat index from one position to the next

cdef struct Taps:              # along an axis: positions of x
    Py_ssize_t first
    Py_ssize_t step
    Py_ssize_t n


cdef inline bint by_windows(Py_ssize_t kernel, Py_ssize_t stride, Py_ssize_t dilation, Py_ssize_t size) noexcept nogil:
    """Whether a row's windows, of elements of `size` bytes, are long and hardly overlap: then each is merged by itself,
    many elements at once. Such sums have an order of their own, so that channels may not be summed side by side."""
    return dilation == 1 and kernel * size >= 128 and stride * 2 >= kernel


cdef inline bint is_all(Py_ssize_t kernel, Py_ssize_t n, Py_ssize_t before, Py_ssize_t outputs) noexcept nogil:
    """Whether one window is all of a row: these sums, too, have an order of their own."""
    return kernel == n and before == 0 and outputs == 1


cdef inline bint is_whole(const Pool* s) noexcept nogil:
    """Whether each row is one window, and nothing else is merged."""
    return (s.rank == 2 and s.inner == 1 and s.start[1] == NULL and s.divisor[1] == NULL and not s.divides_x
            and s.apart[1] == 1
            and is_all(s.kernel[1], s.x_size[1], s.before[1], s.out_size[1]))


cdef inline Taps in_window(const Pool* s, int axis, Py_ssize_t at) noexcept nogil:
    """Of a window that starts at some position, the taps that meet elements of x.

    With g the greatest common divisor of the dilation d and of the elements' distance a, tap t meets an element if
    t * d = -at modulo a: if g divides `at`, each (a / g)-th tap does. With `at` that of the first tap inside, the first
    of them is -at / g times the inverse of d / g, modulo a / g."""
    cdef Py_ssize_t d = s.dilation[axis], apart = s.apart[axis], every = s.period[axis]
    cdef Py_ssize_t size = (s.x_size[axis] - 1) * apart + 1, high = s.kernel[axis], common = apart // every
    cdef Py_ssize_t low = 0 if at >= 0 else (-at + d - 1) // d, rest
    cdef Taps t
    if at + (high - 1) * d >= size:
        high = (size - at + d - 1) // d if at < size else 0
    if apart > 1:
        rest = at + low * d
        if common > 1 and rest % common:
            low = high
        else:
            rest = rest // common % every
            low += (every - rest) * s.inverse[axis] % every
    t.first, t.step = (at + low * d) // apart, every * d // apart
    t.n = (high - low + every - 1) // every if low < high else 0
    return t


cdef inline Taps window_of(const Pool* s, int axis, Py_ssize_t o) noexcept nogil:
    """The taps of an output."""
    cdef Taps t
    if s.start[axis] == NULL:
        return in_window(s, axis, o * s.stride[axis] - s.before[axis])
    t.first, t.step, t.n = s.start[axis][o], s.dilation[axis], s.count[axis][o]
    return t


cdef class Pooling:
    cdef Pool pool
    cdef readonly object x, out          # the arrays that the record points into
    cdef readonly object tables          # and those of its axes
    cdef readonly object order           # of the spatial axes, if it is not that of the caller's
    cdef readonly double work            # elements read and written
    cdef readonly double bytes           # of x, or of the result, the larger
