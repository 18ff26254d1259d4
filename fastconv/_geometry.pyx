"""The gate: every argument is checked and normalised here, once, into the record that the kernels read.

Compiled, because on small arrays the checks cost more than the sums.
"""
from libc.stdlib cimport malloc
from libc.string cimport memset

cimport numpy as cnp
import numpy as np

from fastconv.kernels.lines cimport (
    BOOL, ELEMENTS, FLOAT16, FLOAT32, FLOAT64, INT8, INT16, INT32, INT64, LONGDOUBLE,
    UINT8, UINT16, UINT32, UINT64, line_copier, line_copy,
)
from fastconv.kernels.problem cimport (
    EDGE, FILL, MAX_RANK, REFLECT, SYMMETRIC, WRAP, Boundary, Problem, Sliding,
)

cnp.import_array()

cdef enum:
    FULL, SAME, VALID

cdef enum:
    NARROW = 64                # bytes of a row of outputs that fill no vector: 2 to 50 times the time of long rows
    FAR = 512                  # bytes from an element of a row to the next
    FEWEST_FAR = 6             # of them
    LONG = 64                  # outputs along an axis that is worth taking for the rows instead

cdef dict MODES = {"full": FULL, "same": SAME, "valid": VALID}
cdef dict BOUNDARIES = {"fill": FILL, "wrap": WRAP, "symm": SYMMETRIC, "symmetric": SYMMETRIC,
                        "reflect": REFLECT, "edge": EDGE,
                        "pad": FILL, "circular": WRAP}    # SciPy's other names
cdef tuple PAD_MODES = ("constant", "wrap", "symmetric", "reflect", "edge")    # numpy.pad's names, by Boundary

# By NumPy's type number: what a (complex) dtype's parts are, -1 for what cannot be computed with.
cdef int[64] PART
# By element: what it is computed as, and its size.
cdef int[<int> ELEMENTS] COMPUTED = [
    BOOL, UINT16, UINT16, UINT16, UINT16, UINT32, UINT32, UINT64, UINT64, FLOAT32, FLOAT32, FLOAT64, LONGDOUBLE]
cdef Py_ssize_t[<int> ELEMENTS] SIZE = [1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8, sizeof(long double)]


cdef int named(dict choices, object value, str name) except -1:
    try:
        return choices[value]
    except (KeyError, TypeError):
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, choices))}, got {value!r}") from None


cdef void fill_tables():
    cdef int i
    for i in range(64):
        PART[i] = -1
    for code, element in zip("?bBhHiIlLqQefdgFDG", (
            BOOL, INT8, UINT8, INT16, UINT16, INT32, UINT32, INT64 if sizeof(long) == 8 else INT32,
            UINT64 if sizeof(long) == 8 else UINT32, INT64, UINT64, FLOAT16, FLOAT32, FLOAT64, LONGDOUBLE,
            FLOAT32, FLOAT64, LONGDOUBLE)):
        PART[(<cnp.dtype> np.dtype(code)).type_num] = element

fill_tables()


# ---------------------------------------------------------------- sizes
# A product of sizes is taken as a double first: that does not wrap. Below these limits, those that the kernels take as
# integers do not wrap either: an input cast to any dtype, the sum of two of its axes, a result.

cdef double MOST_ELEMENTS = 2.0**57
cdef double MOST_BYTES = 2.0**62


cdef double product(const Py_ssize_t* sizes, int n, double itemsize) noexcept:
    """An empty axis counts as one, as it does for NumPy."""
    cdef int i
    for i in range(n):
        itemsize *= max(1, sizes[i])
    return itemsize


cdef int check_size(tuple shape, double itemsize, str name, str what) except -1:
    """An error where `what`, an array that follows from the arguments, would be larger than any may be."""
    cdef double nbytes = itemsize
    for n in shape:
        nbytes *= max(1, <double> n)
    if nbytes >= MOST_BYTES:
        raise ValueError(f"`{name}`: array is too big: {what} must have less than 2**62 bytes, got shape {shape}")
    return 0


# ---------------------------------------------------------------- inputs

cdef cnp.ndarray as_array(object value, str name):
    cdef cnp.ndarray array
    try:
        array = cnp.PyArray_FROM_OF(value, cnp.NPY_ARRAY_ENSUREARRAY)
    except (TypeError, ValueError) as error:
        raise type(error)(f"`{name}` must be an array, or what numpy.asarray makes one of: {error}") from None
    check_dtype(array.dtype, name)
    if product(<Py_ssize_t*> array.shape, array.ndim, 1) >= MOST_ELEMENTS:
        raise ValueError(f"`{name}`: array is too big: it must have less than 2**57 elements, got shape "
                         f"{(<object> array).shape}")
    return array


cdef bint is_number(cnp.dtype dtype):
    """Whether it can be computed with."""
    return 0 <= dtype.type_num < 64 and PART[dtype.type_num] >= 0


cdef int check_dtype(cnp.dtype dtype, str name) except -1:
    if not is_number(dtype):
        raise TypeError(f"`{name}`: the dtype must be boolean, integer, floating or complex, got {dtype}")
    return 0


cdef object own_order(object dtype):
    """In this machine's byte order. The same object if it is: inputs of it are read in place."""
    return dtype if dtype.isnative else dtype.newbyteorder("=")


cdef object given_dtype(object dtype):
    """The dtype asked for, in this machine's byte order."""
    try:
        given = np.dtype(dtype)
    except Exception:    # NumPy raises what comes of reading the argument
        raise TypeError(f"`dtype` must be a boolean, integer, floating or complex dtype, got {dtype!r}") from None
    check_dtype(given, "dtype")
    return own_order(given)


cdef object common_dtype(cnp.ndarray a, cnp.ndarray b, object dtype):
    """What is computed in and returned, in this machine's byte order."""
    if dtype is not None:
        return given_dtype(dtype)
    return own_order(a.dtype if a.dtype is b.dtype else np.result_type(a, b))


cdef cnp.ndarray cast(cnp.ndarray a, object dtype):
    """A copy. What does not fit into the dtype becomes what NumPy makes of it, whatever `numpy.errstate` is."""
    with np.errstate(all="ignore"):
        return a.astype(dtype)


cdef bint reads_by_lines(cnp.ndarray a, object dtype):
    """Whether the kernels can convert `a` while they read it, as `a.astype(dtype)` would."""
    if a.dtype is dtype:
        return cnp.PyArray_ISALIGNED(a)
    return (cnp.PyArray_ISALIGNED(a) and cnp.PyArray_ISNOTSWAPPED(a) and dtype.kind != "c"
            and dtype.char != "e" and np.can_cast(a.dtype, dtype, "same_kind"))


cdef bint along_memory(cnp.ndarray a, int lead, int rank):
    """Whether the last of `rank` axes behind `lead` others is the one whose elements are closest."""
    cdef int i
    for i in range(lead, lead + rank - 1):
        if a.shape[i] > 1 and abs(a.strides[i]) < abs(a.strides[lead + rank - 1]):
            return False
    return True


cdef cnp.ndarray rows_in_memory(cnp.ndarray a, int lead, int rank):
    """`a`, or a copy whose rows are rows in memory: sums go along them in any case, and elements of a line of the cache
    would each be fetched alone. A few columns at a time, whose lines stay in the cache: a third of the time."""
    cdef int last = lead + rank - 1
    cdef Py_ssize_t i
    if (rank < 2 or abs(a.strides[last]) < FAR or a.shape[last] < FEWEST_FAR or along_memory(a, lead, rank)
            or overlaps_itself(a)):
        return a
    copy = np.empty((<object> a).shape, a.dtype)
    to, x = (np.moveaxis(b, last, 0) for b in (copy, a))
    for i in range(0, a.shape[last], 16):
        to[i:i + 16] = x[i:i + 16]
    return copy


cdef object scalar_fill(object fillvalue, object dtype):
    """`fillvalue` as a 0-d array of `dtype`, cast as SciPy casts it: to integers by dropping the fraction."""
    cdef object value = as_array(fillvalue, "fillvalue")
    if value.size != 1:
        raise ValueError(f"`fillvalue` must be a scalar, got an array of shape {value.shape}")
    if value.dtype.kind == "c" and dtype.kind != "c" or dtype.kind in "iu" and not np.isfinite(value).all():
        raise ValueError(f"`fillvalue` must be castable to the result's dtype {dtype}, got {fillvalue!r}")
    with np.errstate(all="ignore"):
        return value.reshape(()).astype(dtype)


# ---------------------------------------------------------------- outputs

cdef int check_out(object out, tuple shape, object dtype) except -1:
    if not isinstance(out, np.ndarray):
        raise TypeError(f"`out` must be an array, got {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"`out` must have the result's shape {shape}, got {out.shape}")
    if not cnp.PyArray_ISWRITEABLE(out):
        raise ValueError("`out` must be writable, got a read-only array")
    if (<cnp.ndarray> out).dtype is not dtype and not (
            is_number((<cnp.ndarray> out).dtype) and np.can_cast(dtype, out.dtype, "same_kind")):    # not to text
        raise TypeError(f"`out` must take the result's dtype {dtype} by a same-kind cast, got {out.dtype}")
    return 0


cdef bint may_overlap(cnp.ndarray a, cnp.ndarray b):
    """Whether the stretches of memory between the arrays' first and last bytes meet."""
    cdef char* start[2]
    cdef char* stop[2]
    cdef cnp.ndarray array
    cdef int i, axis
    for i in range(2):
        array = b if i else a
        if cnp.PyArray_SIZE(array) == 0:
            return False
        start[i] = stop[i] = <char*> cnp.PyArray_DATA(array)
        for axis in range(array.ndim):
            if array.strides[axis] < 0:
                start[i] += (array.shape[axis] - 1) * array.strides[axis]
            else:
                stop[i] += (array.shape[axis] - 1) * array.strides[axis]
        stop[i] += cnp.PyArray_ITEMSIZE(array)
    return start[0] < stop[1] and start[1] < stop[0]


cdef bint overlaps_itself(cnp.ndarray a):
    """Whether elements share memory because a stride is zero. (Others that do are for the caller to answer for.)"""
    cdef int axis
    for axis in range(a.ndim):
        if a.strides[axis] == 0 and a.shape[axis] > 1:
            return True
    return False


cdef bint computes_into(cnp.ndarray out, object dtype, cnp.ndarray a, cnp.ndarray b):
    """Whether the kernels can write straight into `out`: no cast, and nothing that is still to be read."""
    return ((out.dtype is dtype or out.dtype == dtype) and cnp.PyArray_ISBEHAVED(out) and not overlaps_itself(out)
            and not may_overlap(out, a) and not may_overlap(out, b))


# ---------------------------------------------------------------- the sliding window

cdef bint swaps(int mode, cnp.ndarray a, cnp.ndarray b) except -1:
    """For "valid", whether the second input contains the first, as SciPy decides."""
    cdef bint first = True, second = True
    cdef int i
    if mode != VALID:
        return False
    for i in range(a.ndim):
        first = first and a.shape[i] >= b.shape[i]
        second = second and b.shape[i] >= a.shape[i]
    if not (first or second):
        raise ValueError("`mode`: for 'valid', one input must be at least as large as the other in every "
                         f"dimension, got shapes {(<object> a).shape} and {(<object> b).shape}")
    return not first


cdef void place(Sliding* s, int axis, Py_ssize_t n, Py_ssize_t k, int mode, bint planar_same):
    """An axis of the record: how many outputs, and the first one's place."""
    s.x_size[axis] = n
    s.kernel_size[axis] = k
    if mode == FULL:
        s.out_size[axis] = max(0, n + k - 1)
        s.offset[axis] = k - 1
    elif mode == SAME:
        s.out_size[axis] = n
        s.offset[axis] = (k - 1) // 2 if planar_same else k // 2
    else:
        s.out_size[axis] = n - k + 1
        s.offset[axis] = 0


cdef inline void negate(int element, char* values, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        if element == FLOAT32:
            (<float*> values)[i] = -(<float*> values)[i]
        elif element == FLOAT64:
            (<double*> values)[i] = -(<double*> values)[i]
        else:
            (<long double*> values)[i] = -(<long double*> values)[i]


cdef int pack_weights(Problem p) except -1:
    """The kernel in the element type computed with, [plane of out][outer axes][plane of x][rows][columns].

    With v the kernel, conjugated for a correlation, the real and the imaginary part of x * v are two sums over the
    planes of x: of (v.real, -v.imag) and of (v.imag, v.real).
    """
    cdef cnp.ndarray kernel = p.given_kernel
    cdef Sliding* s = &p.sliding
    cdef int source = PART[cnp.PyArray_TYPE(kernel)], last = kernel.ndim - 1, axis
    cdef Py_ssize_t size = SIZE[s.element], kw = kernel.shape[last], kh = s.kernel_size[s.rank - 2]
    cdef Py_ssize_t rows = kernel.size // kw, row, left, k, c, part, nbytes = s.planes * s.planes * size
    cdef line_copy copier = line_copier(source, s.element)
    cdef Py_ssize_t column_step = -kernel.strides[last] if p.reverse_kernel else kernel.strides[last]
    cdef const char* at
    cdef char* to
    cdef bint minus
    check_size((<object> kernel).shape, nbytes, "in2", "a packed kernel")
    p.weights = <char*> malloc(kernel.size * nbytes)
    if p.weights == NULL:
        raise MemoryError(f"no memory to pack a kernel of shape {(<object> kernel).shape}")
    s.weights = p.weights
    for row in range(rows):
        at = <const char*> cnp.PyArray_DATA(kernel)
        left = row
        if p.reverse_kernel:
            left = rows - 1 - row
            at += (kw - 1) * kernel.strides[last]
        for axis in range(last - 1, -1, -1):
            at += left % kernel.shape[axis] * kernel.strides[axis]
            left //= kernel.shape[axis]
        for k in range(s.planes):
            for c in range(s.planes):
                part = k ^ c
                to = p.weights + (((k * (rows // kh) + row // kh) * s.planes + c) * kh + row % kh) * kw * size
                copier(to, size, at + part * SIZE[source], column_step, kw)
                if p.conjugate_x:
                    minus = k and c
                else:
                    minus = part and (c if not p.conjugate_kernel else k)
                if minus:
                    negate(s.element, to, kw)
    return 0


cdef void set_sizes(Sliding* s, cnp.ndarray x, cnp.ndarray kernel, int mode, bint planar_same):
    """The rank is 2 at least."""
    cdef int rank = x.ndim, i, front = 1 if rank == 1 else 0
    s.rank = rank + front
    if front:
        s.x_size[0] = s.kernel_size[0] = s.out_size[0] = 1
        s.x_stride[0] = s.out_stride[0] = s.offset[0] = 0
    for i in range(rank):
        place(s, i + front, x.shape[i], kernel.shape[i], mode, planar_same)


cdef void read_from(Problem p, cnp.ndarray x, cnp.ndarray kernel):
    cdef Sliding* s = &p.sliding
    cdef int i
    p.x, p.given_kernel = x, kernel
    s.x = <const char*> cnp.PyArray_DATA(x)
    s.x_element = PART[cnp.PyArray_TYPE(x)]
    s.x_plane = SIZE[s.x_element]
    for i in range(x.ndim):
        s.x_stride[i + s.rank - x.ndim] = x.strides[i]


cdef int set_dtype(Problem p, cnp.dtype dtype) except -1:
    cdef Sliding* s = &p.sliding
    p.dtype = dtype
    s.out_element = PART[dtype.type_num]
    s.out_plane = SIZE[s.out_element]
    s.element = COMPUTED[s.out_element]
    s.planes = 2 if cnp.PyTypeNum_ISCOMPLEX(dtype.type_num) else 1
    return 0


cdef int set_border(Problem p, Boundary boundary, object fillvalue) except -1:
    cdef cnp.ndarray value
    cdef Sliding* s = &p.sliding
    memset(s.fill, 0, sizeof(s.fill))
    s.boundary = boundary
    p.boundary = PAD_MODES[<int> boundary]
    s.fill_is_zero = fillvalue is 0
    if s.fill_is_zero:
        p.fill = 0
        return 0
    value = scalar_fill(fillvalue, p.dtype)
    p.fill = value
    line_copier(s.out_element, s.element)(
        s.fill, SIZE[s.element], <const char*> cnp.PyArray_DATA(value), SIZE[s.out_element], s.planes)
    return 0


cdef void write_into(Problem p, cnp.ndarray out):
    cdef Sliding* s = &p.sliding
    cdef int i
    p.out = out
    s.out = <char*> cnp.PyArray_DATA(out)
    for i in range(out.ndim):
        s.out_stride[i + s.rank - out.ndim] = out.strides[i]


cdef int set_out(Problem p, object out, cnp.ndarray a, cnp.ndarray b, object order) except -1:
    cdef Sliding* s = &p.sliding
    cdef int rank = a.ndim, front = s.rank - rank, i
    cdef Py_ssize_t itemsize = (<cnp.dtype> p.dtype).itemsize
    if product(s.out_size + front, rank, itemsize) >= MOST_BYTES:
        check_size(tuple([s.out_size[i + front] for i in range(rank)]), itemsize, "in1` and `in2", "the result")
    if out is None and order is None:
        write_into(p, cnp.PyArray_EMPTY(
            rank, <cnp.npy_intp*> s.out_size + front, (<cnp.dtype> p.dtype).type_num, 0))
        return 0
    shape = tuple([s.out_size[i + front] for i in (range(rank) if order is None else p.back)])
    if out is not None:
        check_out(out, shape, p.dtype)
        p.result = out
    y = out if out is not None and computes_into(out, p.dtype, a, b) else np.empty(shape, p.dtype)
    p.in_out = y is out
    write_into(p, y if order is None else y.transpose(order))
    return 0


cdef tuple along_rows(cnp.ndarray x, cnp.ndarray kernel, int mode, Py_ssize_t size):
    """An order of the axes with the longest one last, if rows of outputs, `size` bytes each, fill no vector.

    By shapes and the dtype alone, so that bits do not depend on strides. None: the order stays.
    """
    cdef int last = x.ndim - 1, longest = 0, i
    if last < 1 or outputs(x, kernel, last, mode) >= NARROW // size:
        return None
    for i in range(last):
        if outputs(x, kernel, i, mode) >= outputs(x, kernel, longest, mode):
            longest = i
    if outputs(x, kernel, longest, mode) < LONG:
        return None
    order = list(range(last + 1))
    order.append(order.pop(longest))
    return tuple(order)


cdef inline Py_ssize_t outputs(cnp.ndarray x, cnp.ndarray kernel, int axis, int mode):
    """How many there are along an axis, roughly: sizes are not checked yet."""
    return x.shape[axis] + (kernel.shape[axis] if mode == FULL else -kernel.shape[axis] if mode == VALID else 0)


cdef bint all_finite(cnp.ndarray a):
    return a.dtype.kind in "biu" or bool(np.isfinite(a).all())


cdef bint smaller_slides(Problem p, int mode, cnp.ndarray a, cnp.ndarray b):
    """Whether to exchange the inputs of a "full" sum, which is symmetric in them, to save products with the border.

    Infinities then meet the border's zeros in other places: SciPy's N-D pair does so, its two-dimensional pair not.
    """
    return (mode == FULL and b.size > a.size and p.sliding.boundary == FILL and not p.fill
            and (not p.planar or all_finite(a) and all_finite(b)))


cdef void set_work(Problem p):
    p.work = <double> cnp.PyArray_SIZE(p.out) * (cnp.PyArray_SIZE(p.given_kernel) + 8)


def sliding(in1, in2, mode, boundary, fillvalue, out, dtype, bint convolve, bint planar):
    """The record of one correlation (or convolution) with SciPy's meaning of `mode` and of swapped inputs.

    `planar` asks for the rules of SciPy's two-dimensional pair: rank 2, and their centring of "same".
    """
    cdef cnp.ndarray a = as_array(in1, "in1"), b = as_array(in2, "in2")
    cdef Problem p = Problem.__new__(Problem)
    cdef int m, rank = a.ndim
    cdef bint swapped
    if planar and (rank != 2 or b.ndim != 2):
        raise ValueError("`in1` and `in2` must both be 2-D arrays, got shapes "
                         f"{(<object> a).shape} and {(<object> b).shape}")
    if rank != b.ndim or rank >= MAX_RANK:
        raise ValueError("`in1` and `in2` must have the same number of dimensions, got shapes "
                         f"{(<object> a).shape} and {(<object> b).shape}")
    p.planar = planar
    m = named(MODES, mode, "mode")
    set_dtype(p, common_dtype(a, b, dtype))
    set_border(p, <Boundary> named(BOUNDARIES, boundary, "boundary"), fillvalue)
    swapped = swaps(m, a, b) or smaller_slides(p, m, a, b)
    p.conjugate_x = swapped and not convolve
    p.conjugate_kernel = not swapped and not convolve
    p.from_integers = a.dtype.kind in "biu" or b.dtype.kind in "biu"
    x, kernel = (b, a) if swapped else (a, b)
    if p.conjugate_x:    # sum of x[n + k] conj(w[k]) with x slid along w: both read backwards
        x = np.flip(x)
    p.reverse_kernel = convolve or p.conjugate_x
    if rank == 0:
        x, kernel = x.reshape(1), kernel.reshape(1)
    order = along_rows(x, kernel, m, SIZE[p.sliding.element])
    if order is not None:
        x, kernel = x.transpose(order), kernel.transpose(order)
        p.back = tuple([order.index(axis) for axis in range(rank)])
    set_sizes(&p.sliding, x, kernel, m, planar and not convolve)
    set_out(p, out, a, b, order)
    read_from(p, rows_in_memory(x if reads_by_lines(x, p.dtype) else cast(x, p.dtype), 0, x.ndim),
              kernel if reads_by_lines(kernel, p.dtype) else cast(kernel, p.dtype))
    if cnp.PyArray_SIZE(p.out) and cnp.PyArray_SIZE(p.given_kernel):
        set_work(p)
        if cnp.PyArray_SIZE(p.x) == 0 and p.sliding.boundary != FILL:
            raise ValueError(f"`boundary`: an empty input can only be continued by 'fill', got {boundary!r} for shape "
                             f"{(<object> a).shape}")
        pack_weights(p)
    return p


def part(Problem whole, cnp.ndarray x, cnp.ndarray out):
    """The record of a block of another: its kernel slid over `x`, a stretch of the continued image, into `out`."""
    cdef Problem p = Problem.__new__(Problem)
    p.reverse_kernel = whole.reverse_kernel
    p.conjugate_x, p.conjugate_kernel = whole.conjugate_x, whole.conjugate_kernel
    set_dtype(p, whole.dtype)
    set_border(p, FILL, 0)
    set_sizes(&p.sliding, x, whole.given_kernel, VALID, False)
    read_from(p, x, whole.given_kernel)
    write_into(p, out)
    set_work(p)
    pack_weights(p)
    return p
