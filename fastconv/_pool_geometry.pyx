"""The gate of pooling: its arguments, checked and normalised once, become records for the kernels.

Layouts are strides, complex numbers two real parts along an axis in front, adaptive windows tables, and gradients
sums of windows themselves, so that the kernels know one pooling: x (*leading, *spatial, inner).
"""
from math import gcd, isfinite, prod

cimport numpy as cnp
import numpy as np
from numpy.lib.stride_tricks import as_strided

from fastconv._geometry cimport (
    PART, SIZE, along_memory, as_array, cast, check_out, check_size, given_dtype, named, own_order, reads_by_lines,
    rows_in_memory,
)
from fastconv._layer_geometry cimport (
    LAYOUTS, SIZES, Window, channels_first, is_sequence, new_or_given, per_axis, whole_number,
)
from fastconv.kernels.lines cimport (
    BOOL, FLOAT16, FLOAT32, FLOAT64, INT16, INT32, INT64, LONGDOUBLE, UINT16, UINT32, UINT64,
)
from fastconv.kernels.order cimport LARGEST, SMALLEST, TOTAL
from fastconv.kernels.pooling cimport (
    ALL, AS_IT_IS, LOWER, MEAN, PAIRS, PLACE, ROOT, UPPER, Part, Pool, Pooling, by_windows, is_all, is_whole,
)
from fastconv.kernels.problem cimport MAX_RANK

cnp.import_array()

cdef tuple PADDINGS = ("valid", "same", "same_lower")
cdef object EXACT = 2**53    # whole numbers below it are numbers of float64
# Elements of a row that costs more by itself than its elements do, and rows from which on others are worth while: 3x1
# windows on an image of one column took 37 times as long as on one of one row.
cdef Py_ssize_t LONGEST_ROW = 2**18    # bytes
cdef int NARROW = 5
cdef int MANY_ROWS = 128


# ---------------------------------------------------------------- windows

cdef class Axes:
    """What the spatial axes are reduced by: one tuple element for each of them."""
    cdef readonly int rank
    cdef readonly tuple kernel, stride, dilation, before, outputs
    cdef readonly tuple tables      # (starts, counts), or None where windows are regular
    cdef readonly tuple padded      # elements up to which padding is counted, for the divisors
    cdef readonly tuple apart       # positions from one element to the next, nothing between them
    cdef readonly tuple divisors    # what elements are divided by before they are added: tables, or None

    def __init__(self, tuple kernel, tuple stride, tuple dilation, tuple before, tuple outputs, tuple padded,
                 tuple tables=None, tuple apart=None, tuple divisors=None):
        self.rank, self.kernel, self.stride, self.dilation = len(kernel), kernel, stride, dilation
        self.before, self.outputs, self.padded = before, outputs, padded
        self.tables = (None,) * self.rank if tables is None else tables
        self.apart = (1,) * self.rank if apart is None else apart
        self.divisors = (None,) * self.rank if divisors is None else divisors

    cdef Axes without_rows(self):
        """All axes, and a last one of a single element."""
        return Axes(self.kernel + (1,), self.stride + (1,), self.dilation + (1,), self.before + (0,),
                    self.outputs + (1,), self.padded + (1,), self.tables + (None,), self.apart + (1,),
                    self.divisors + (None,))

    cdef Axes ordered(self, tuple order):
        return Axes(*[tuple([a[i] for i in order]) for a in (
            self.kernel, self.stride, self.dilation, self.before, self.outputs, self.padded, self.tables, self.apart,
            self.divisors)])


cdef int check_shape(tuple shape, int rank, bint last, str name) except -1:
    cdef int least = rank + 1 if last else rank
    if not least <= len(shape) < MAX_RANK - 2:
        raise ValueError(f"`{name}` must have {rank} spatial axes{' and channels' if last else ''}, got shape {shape}")
    return 0


cdef tuple spatial_of(tuple shape, int rank, bint last):
    n = len(shape)
    return shape[n - rank - 1:n - 1] if last else shape[n - rank:]


cdef tuple result_shape(tuple shape, int rank, bint last, tuple outputs):
    n = len(shape)
    return shape[:n - rank - 1] + outputs + shape[n - 1:] if last else shape[:n - rank] + outputs


cdef int rank_for(object sizes, tuple shape, int rank, str name, str array="x") except -1:
    """The rank asked for, or that of a tuple, or all axes after the first two."""
    if rank:
        return rank
    if is_sequence(sizes):
        if not len(sizes):
            raise ValueError(f"`{name}` must hold one number for each spatial axis of `{array}`, got {sizes!r} for "
                             f"shape {shape}")
        return len(sizes)
    n = len(shape) - 2
    if n < 1:
        raise ValueError(f"`{array}` must have more than two axes, unless `{name}` is a tuple with a number for each "
                         f"spatial axis: a single one is for all after the first two; got shape {shape} and {sizes!r}")
    return n


cdef bint truth(object value, str name) except -1:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"`{name}` must be True or False, got {value!r}")
    return value


cdef int check_name(str padding) except -1:
    if padding not in PADDINGS:
        raise ValueError(f"`padding` must be numbers or one of {', '.join(map(repr, PADDINGS))}, got {padding!r}")
    return 0


cdef object usual_stride(object stride, tuple kernel):
    """That asked for; of none, and of an empty sequence as in torch, the window's sizes."""
    return kernel if stride is None or is_sequence(stride) and not len(stride) else stride


cdef Axes window_axes(tuple sizes, kernel_size, stride, padding, dilation, ceil_mode, str name="x"):
    """The windows of arguments in torch's style on images of these sizes."""
    cdef int rank = len(sizes)
    cdef bint ceil = truth(ceil_mode, "ceil_mode")
    kernel = per_axis(kernel_size, rank, "kernel_size", 1)
    if isinstance(padding, str):
        check_name(padding)
    cdef Window window = Window(kernel, usual_stride(stride, kernel), padding, dilation, "zeros", sizes, name)
    outputs = []
    for n, extent, s, before, after in zip(sizes, window.extents(), window.stride, window.before, window.after):
        if before >= extent or after >= extent:
            raise ValueError("`padding` must be smaller than the window, its dilation included, along each axis, got "
                             f"{padding!r} for a window of {window.extents()}")
        count = (n + before + after - extent + (s - 1 if ceil else 0)) // s + 1
        if count < 1:
            raise ValueError(f"`{name}`, with its padding, must be at least as large as the window, "
                             f"{window.extents()}, along each axis, got {window.padded()}, {sizes} of it without")
        if ceil and count > 1 and (count - 1) * s - before >= n:
            count -= 1
        outputs.append(count)
    return Axes(kernel, window.stride, window.dilation, window.before, tuple(outputs),
                tuple([n + after for n, after in zip(sizes, window.after)]))


cdef bint few_taps_far_apart(cnp.ndarray x, Axes axes, Py_ssize_t size) except -1:
    """Whether the last axis' windows reach much further than what they hold of x: then no row of the box is as long as
    these, and elements are taken one by one."""
    cdef int last = axes.rank - 1
    if axes.tables[last] is not None:
        return False
    n, outputs = x.shape[x.ndim - 2], axes.outputs[last]
    reach = (axes.kernel[last] - 1) * axes.dilation[last] + 1
    if reach * size <= LONGEST_ROW:
        return False
    held = min(axes.kernel[last], n * axes.apart[last] // axes.dilation[last] + 1)
    return outputs * held * 16 <= reach and not (
        is_all(axes.kernel[last], n, axes.before[last], outputs))


cdef Axes whole_axes(tuple sizes):
    cdef int rank = len(sizes)
    ones = (1,) * rank
    if not all(sizes):
        raise ValueError(f"`x` must have at least one element along each spatial axis, got {sizes}")
    return Axes(sizes, sizes, ones, (0,) * rank, ones, sizes)


def shares(n, o):
    """Where each of o equal parts of n elements starts, and how many elements it meets. In remainders, whose products
    are numbers of the machine."""
    each, rest = divmod(n, o)
    i = np.arange(o, dtype=np.intp)
    starts = i * each + i * rest // o
    i += 1
    return starts, i * each - i * rest // -o - starts


cdef tuple adaptive_outputs(tuple sizes, output_size):
    cdef int rank = len(sizes)
    if is_sequence(output_size):
        if len(output_size) != rank:
            raise ValueError("`output_size` must be one number, or one for each of the "
                             f"{rank} spatial axes, got {output_size!r}")
        wanted = [n if o is None else o for o, n in zip(output_size, sizes)]
    else:
        wanted = [n if output_size is None else output_size for n in sizes]
    return per_axis(wanted, rank, "output_size", 0)


cdef Axes adaptive_axes(tuple sizes, tuple outputs, str name="x"):
    """Output o of n takes the elements from floor(o * size / n) to ceil((o + 1) * size / n)."""
    cdef int rank = len(sizes)
    if not all(sizes) and all(outputs):
        raise ValueError(f"`{name}` must have at least one element along each spatial axis, got {sizes}")
    tables = []
    kernel = []
    for n, o in zip(sizes, outputs):
        if o == 0 or n % o == 0:    # no windows, or all alike
            kernel.append(n // o if o else 1)
            tables.append(None)
            continue
        table = shares(n, o)
        tables.append(table)
        kernel.append(int(table[1].max()))
    kernel = tuple(kernel)
    return Axes(kernel, kernel, (1,) * rank, (0,) * rank, outputs, sizes, tuple(tables))


cdef tuple inside(Axes axes, int axis, Py_ssize_t n):
    """For each output the first tap inside an axis of n elements, and how many there are."""
    if axes.tables[axis] is not None:
        return 0, axes.tables[axis][1]
    k, d = axes.kernel[axis], axes.dilation[axis]
    start = np.arange(axes.outputs[axis], dtype=np.intp) * axes.stride[axis] - axes.before[axis]
    low = np.maximum(0, -(start // d))
    return low, np.maximum(0, np.minimum(k, -((start - n) // d)) - low)


cdef tuple divisors(Axes axes, tuple sizes, bint count_padding):
    """What to divide all sums by, and for each axis a table of further factors or None."""
    cdef list tables = []
    everywhere = 1.0
    for axis in range(axes.rank):
        before, counted = (0, axes.padded[axis]) if count_padding else (axes.before[axis], sizes[axis])
        if axes.tables[axis] is None and before == 0 and (
                (axes.outputs[axis] - 1) * axes.stride[axis] - axes.before[axis]
                + (axes.kernel[axis] - 1) * axes.dilation[axis] < counted):
            counts = None
        elif count_padding:
            start = np.arange(axes.outputs[axis], dtype=np.intp) * axes.stride[axis] - axes.before[axis]
            counts = np.minimum(axes.kernel[axis], -((start - axes.padded[axis]) // axes.dilation[axis]))
        else:
            counts = inside(axes, axis, sizes[axis])[1]
        if counts is None or (counts == axes.kernel[axis]).all():
            everywhere *= axes.kernel[axis]
            tables.append(None)
        else:
            tables.append(counts.astype(np.float64))
    return everywhere, tuple(tables)


# ---------------------------------------------------------------- arrays

cdef cnp.ndarray view_of(cnp.ndarray a, int rank, bint last):
    """(*leading, *spatial, inner), the inner axis the channels of channels_last or a new one."""
    return a if last else a[..., np.newaxis]


cdef cnp.ndarray parts(cnp.ndarray a):
    """Real and imaginary parts of complex numbers, along an axis in front."""
    real = a.real
    return as_strided(real, (2, *real.shape), (real.dtype.itemsize, *real.strides))


cdef bint covers_all(cnp.ndarray x, Axes axes):
    """Whether a window is all of x, and nothing else is to be done with it."""
    cdef int rank = axes.rank, lead = x.ndim - rank - 1
    return not (axes.tables != (None,) * rank or axes.kernel != (<object> x).shape[lead:lead + rank]
                or any(axes.before) or max(axes.dilation) > 1 or max(axes.outputs) > 1 or max(axes.apart) > 1
                or axes.divisors != (None,) * rank)


cdef tuple flat_weights(cnp.ndarray x, int rank):
    """Elements of a flat index from one position to the next, for each spatial axis."""
    cdef list weights = []
    flat = 1
    for i in range(x.ndim - 2, x.ndim - 2 - rank, -1):
        weights.append(flat)
        flat *= x.shape[i]
    weights.reverse()
    return tuple(weights)


cdef tuple merged_whole(cnp.ndarray x, cnp.ndarray y, Axes axes):
    """Windows that are all of x, as windows of one axis. Never by strides, so that bits do not depend on them."""
    cdef int rank = axes.rank, lead = x.ndim - rank - 1
    shape = (<object> x).shape
    if rank == 1:
        return x, y, axes
    n = prod(axes.kernel)
    out = (<object> y).shape
    return (x.reshape(shape[:lead] + (n,) + shape[lead + rank:]),
            y.reshape(out[:lead] + (1,) + out[lead + rank:]),    # axes of one element: a view
            Axes((n,), (n,), (1,), (0,), (1,), (n,)))


cdef tuple axis_order(cnp.ndarray x, Axes axes, int reduction):
    """The order in which the spatial axes are taken, or None if it is theirs: the last one is for rows, so that it must
    not be short, nor its elements far from each other. Where sums depend on it, by sizes alone, never by strides."""
    cdef int rank = axes.rank, lead = x.ndim - rank - 1, row
    if rank == 1:
        return None
    sizes = [max(x.shape[lead + i], axes.outputs[i]) for i in range(rank)]
    order = list(range(rank))
    if reduction == TOTAL:
        row = max(order, key=sizes.__getitem__)
        if sizes[rank - 1] > NARROW or sizes[row] < MANY_ROWS:
            return None
    else:
        if sizes[rank - 1] * x.shape[lead + rank] > NARROW and along_memory(x, lead, rank):
            return None
        steps = [abs(x.strides[lead + i]) for i in order]
        order.sort(key=steps.__getitem__, reverse=True)
        wide = [i for i in order if sizes[i] * x.shape[lead + rank] > NARROW] or order
        row = wide[len(wide) - 1]
    order.remove(row)
    order.append(row)
    return tuple(order) if order != list(range(rank)) else None


cdef tuple in_order(cnp.ndarray x, cnp.ndarray y, Axes axes, tuple order):
    """Views of the arrays, and the windows, with the spatial axes in another order."""
    cdef int lead = x.ndim - axes.rank - 1
    if order is None:
        return x, y, axes
    to = (*range(lead), *[lead + i for i in order], x.ndim - 1)
    return x.transpose(to), y.transpose(to), axes.ordered(order)


cdef bint summed_along_rows(Axes axes, Py_ssize_t n, Py_ssize_t size):
    """Whether each window of a row of n is summed by itself: then channels must not be side by side, or bits would
    depend on the layout."""
    cdef int last = axes.rank - 1
    return (axes.tables[last] is not None
            or axes.rank == 1 and is_all(axes.kernel[0], n, axes.before[0], axes.outputs[0])
            or by_windows(axes.kernel[last], axes.stride[last], axes.dilation[last], size))


cdef int add_axis(Pool* s, Py_ssize_t n, Py_ssize_t x_step, Py_ssize_t out_step) except -1:
    """An axis that nothing is merged along; those that follow each other are one."""
    cdef int i = s.leading - 1
    if i >= 0 and (s.leading_size[i] == 1 or s.x_leading[i] == n * x_step and s.out_leading[i] == n * out_step):
        s.leading_size[i] *= n
        s.x_leading[i], s.out_leading[i] = x_step, out_step
    elif n > 1 or i < 0:
        s.leading_size[i + 1], s.x_leading[i + 1], s.out_leading[i + 1] = n, x_step, out_step
        s.leading += 1
    return 0


cdef tuple recurrence(object dilation, object apart):
    """Of taps: see `in_window`."""
    common = gcd(dilation, apart)
    every = apart // common
    return every, pow(dilation // common, -1, every) if every > 1 else 0


cdef Pooling record(cnp.ndarray x, cnp.ndarray y, Axes axes, int reduction, int element, bint finds=False):
    """x and y are (*leading, *spatial, inner)."""
    cdef Pooling p = Pooling.__new__(Pooling)
    cdef Pool* s = &p.pool
    cdef int rank, lead, i, axis
    cdef Py_ssize_t end
    cdef tuple order = None
    weights = flat_weights(x, axes.rank) if reduction != TOTAL else (1,) * axes.rank
    if reduction != TOTAL and not (finds and axes.rank > 1 and covers_all(x, axes)):
        order = axis_order(x, axes, reduction)
        x, y, axes = in_order(x, y, axes, order)
    if covers_all(x, axes) and (order is None or element < FLOAT16):    # of zeros the first is to be found
        x, y, axes = merged_whole(x, y, axes)
        weights = (1,)
    if reduction == TOTAL:
        order = axis_order(x, axes, reduction)
        x, y, axes = in_order(x, y, axes, order)
    if order is not None:
        weights = [weights[i] for i in order] if len(weights) == len(order) else weights
        p.order = order
    if few_taps_far_apart(x, axes, SIZE[element] if element < PAIRS else 16):
        x, y, axes = x[..., np.newaxis, :], y[..., np.newaxis, :], axes.without_rows()
        weights = (*weights, 0)
    rank, lead = axes.rank, x.ndim - axes.rank - 1
    if x.shape[lead + rank] > 1 and (
            summed_along_rows(axes, x.shape[lead + rank - 1], SIZE[element]) if reduction == TOTAL else
            rank == 1 and axes.tables[0] is None and axes.apart[0] == 1 and (
                is_all(axes.kernel[0], x.shape[lead], axes.before[0], axes.outputs[0]))):
        x, y = np.moveaxis(x, -1, lead)[..., np.newaxis], np.moveaxis(y, -1, lead)[..., np.newaxis]
        lead += 1
    p.x, p.out, p.tables = x, y, [axes]
    s.rank = rank + 1
    s.leading = 0
    for i in range(lead):
        add_axis(s, x.shape[i], x.strides[i], y.strides[i])
    if s.leading == 0:
        add_axis(s, 1, 0, 0)
    s.leading -= 1
    s.x_size[0] = s.out_size[0] = s.leading_size[s.leading]
    s.x_stride[0], s.out_stride[0] = s.x_leading[s.leading], s.out_leading[s.leading]
    s.kernel[0] = s.stride[0] = s.dilation[0] = 1
    s.before[0] = s.index_of[0] = 0    # of one tap
    s.start[0] = s.count[0] = NULL
    s.divisor[0] = s.x_divisor[0] = NULL
    s.apart[0] = s.period[0] = 1
    s.inverse[0], s.divides_x = 0, False
    for i in range(rank - 1, -1, -1):
        axis = i + 1
        s.x_size[axis], s.x_stride[axis] = x.shape[lead + i], x.strides[lead + i]
        s.out_size[axis], s.out_stride[axis] = y.shape[lead + i], y.strides[lead + i]
        s.kernel[axis], s.stride[axis], s.dilation[axis] = axes.kernel[i], axes.stride[i], axes.dilation[i]
        s.before[axis], s.index_of[axis] = axes.before[i], weights[i]
        s.start[axis] = s.count[axis] = NULL
        s.divisor[axis] = s.x_divisor[axis] = NULL
        s.apart[axis] = axes.apart[i]
        s.period[axis], s.inverse[axis] = recurrence(axes.dilation[i], axes.apart[i]) if s.apart[axis] > 1 else (1, 0)
        if axes.divisors[i] is not None:
            s.x_divisor[axis], s.divides_x = <const double*> cnp.PyArray_DATA(axes.divisors[i]), True
        if axes.tables[i] is not None:
            s.start[axis] = <const Py_ssize_t*> cnp.PyArray_DATA(axes.tables[i][0])
            s.count[axis] = <const Py_ssize_t*> cnp.PyArray_DATA(axes.tables[i][1])
    s.divided_by, s.power, s.finish, s.part, s.compared, s.smallest = 1, 0, AS_IT_IS, ALL, element, False
    s.first_zero = False
    s.inner, s.x_inner, s.out_inner = x.shape[x.ndim - 1], x.strides[x.ndim - 1], y.strides[y.ndim - 1]
    if s.inner == 1 and lead + rank:    # of no interest, but looked at
        s.x_inner, s.out_inner = x.itemsize, y.itemsize
    s.reduction, s.element = reduction, element
    s.x_element, s.out_element = PART[cnp.PyArray_TYPE(x)], PART[cnp.PyArray_TYPE(y)]
    s.x, s.out = <const char*> cnp.PyArray_DATA(x), <char*> cnp.PyArray_DATA(y)
    end = x.itemsize
    for i in range(x.ndim):
        end += max(0, (x.shape[i] - 1) * x.strides[i])
    s.x_end = s.x + end
    p.work = <double> cnp.PyArray_SIZE(x) + cnp.PyArray_SIZE(y)
    p.bytes = <double> cnp.PyArray_SIZE(x) * x.itemsize + <double> cnp.PyArray_SIZE(y) * y.itemsize
    if not cnp.PyArray_SIZE(y):
        p.work = 0
    if is_whole(s):    # results are stored as one row
        s.out_stride[1] = s.out_stride[0]
    return p


cdef Pooling divided(Pooling p, double by_all, tuple tables):
    cdef int i
    p.pool.finish, p.pool.divided_by = MEAN, by_all
    if p.order is not None:
        tables = tuple([tables[i] for i in p.order])
    p.tables.append(tables)
    for i in range(len(tables)):
        if tables[i] is not None:
            p.pool.divisor[1 + i] = <const double*> cnp.PyArray_DATA(tables[i])
    return p


# ---------------------------------------------------------------- dtypes

cdef object asked(object dtype):
    return given_dtype(dtype)


cdef int compared_as(object dtype) except -1:
    cdef int element = PART[(<cnp.dtype> dtype).type_num]
    return FLOAT32 if element == FLOAT16 else element


cdef int summed_as(object from_, object dtype, terms):
    """The element of a sum of so many terms for a result of some dtype: integers in the fewest bits that hold it."""
    cdef int element = PART[(<cnp.dtype> dtype).type_num]
    if dtype.kind in "fc":
        return FLOAT32 if element == FLOAT16 else element
    bits = 8 * from_.itemsize if from_.kind in "iu" else 1 if from_.kind == "b" else 64
    bits += int(terms).bit_length()
    size = 2 if bits <= 16 else 4 if bits <= 32 else 8
    signed = from_.kind == "i"
    size = min(size, max(2, dtype.itemsize))
    return {2: INT16, 4: INT32, 8: INT64}[size] if signed else {2: UINT16, 4: UINT32, 8: UINT64}[size]


cdef int not_complex(object dtype, str what, str name="x") except -1:
    if dtype.kind == "c":
        raise TypeError(f"`{name}`: {what} is not defined for complex numbers, got {dtype}")
    return 0


# ---------------------------------------------------------------- largest and smallest

cdef cnp.ndarray new_like(cnp.ndarray a, tuple shape, int rank, bint last, object dtype):
    """A new array whose spatial axes lie in memory in the order of those of `a`, if another one is its last."""
    cdef int lead = a.ndim - rank - last, i
    if along_memory(a, lead, rank):
        return np.empty(shape, dtype)
    order = sorted(range(lead, lead + rank), key=lambda i: -abs((<object> a).strides[i]))
    to = [*range(lead), *order, *range(lead + rank, len(shape))]
    return np.empty([shape[i] for i in to], dtype).transpose(np.argsort(to))


cdef tuple extreme(cnp.ndarray a, Axes axes, bint last, bint smallest, return_indices, out, dtype):
    cdef int rank = axes.rank
    cdef cnp.ndarray y, found
    cdef bint finds = truth(return_indices, "return_indices")
    what = "the smallest" if smallest else "the largest"
    result = own_order(a.dtype) if dtype is None else asked(dtype)
    not_complex(a.dtype, what)
    not_complex(result, what, "dtype")
    sizes = spatial_of((<object> a).shape, rank, last)
    shape = result_shape((<object> a).shape, rank, last, axes.outputs)
    if not all(sizes) and prod(shape):
        raise ValueError(f"`x` must have at least one element along each spatial axis, got {sizes}")
    for axis in range(rank):
        if axes.dilation[axis] > 1 and sizes[axis] < (axes.kernel[axis] - 1) * axes.dilation[axis] + 1 and not (
                inside(axes, axis, sizes[axis])[1].all()):
            raise ValueError(f"`padding`: each window must hold an element of `x`, got {axes.before} before spatial "
                             f"sizes {sizes}, for a window of {axes.kernel} and a dilation of {axes.dilation}")
    y = new_or_given(out, shape, result, (a,)) if out is not None else new_like(a, shape, rank, last, result)
    a = as_it_lies(a, result)
    cdef int how = SMALLEST if smallest else LARGEST
    cdef Pooling values = record(view_of(a, rank, last), view_of(y, rank, last), axes, how, compared_as(result))
    if not finds:
        return [values], y, None
    values.pool.first_zero = True
    found = new_like(a, shape, rank, last, np.dtype(np.int64))
    places = finding(view_of(a, rank, last), view_of(found, rank, last), axes, prod(sizes), smallest,
                     compared_as(result))
    return [values, places], y, found


cdef Pooling finding(cnp.ndarray x, cnp.ndarray found, Axes axes, object places, bint smallest, int compared):
    """The record of the places of extremes: those of the largest of keys, which hold them."""
    cdef Pooling p
    if compared == LONGDOUBLE and np.finfo(np.longdouble).nmant > 63:    # a key has no room for it and its place
        x, compared = ranks(x, smallest), INT64
    p = record(x, found, axes, LARGEST, UINT64 if SIZE[compared] <= 4 and places < 2**32 - 1 else PAIRS, True)
    p.pool.finish, p.pool.compared, p.pool.smallest = PLACE, compared, smallest
    return p


def ranks(cnp.ndarray x, bint smallest):
    """Whole numbers in the order of real ones; NaN is the largest, or the smallest."""
    found = np.unique(x, return_inverse=True)[1].reshape((<object> x).shape)
    return np.where(np.isnan(x), -1, found) if smallest else found


def max_pool(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, out, dtype, int rank,
             bint smallest):
    """The records, the array that they compute, and that of the indices or None."""
    cdef cnp.ndarray a = as_array(x, "x")
    cdef bint last = named(LAYOUTS, layout, "layout")
    rank = rank_for(kernel_size, (<object> a).shape, rank, "kernel_size")
    check_shape((<object> a).shape, rank, last, "x")
    axes = window_axes(spatial_of((<object> a).shape, rank, last), kernel_size, stride, padding, dilation, ceil_mode)
    return extreme(a, axes, last, smallest, return_indices, out, dtype)


def global_max_pool(x, return_indices, layout, out, dtype, int rank):
    cdef cnp.ndarray a = as_array(x, "x")
    cdef bint last = named(LAYOUTS, layout, "layout")
    rank = global_rank((<object> a).shape, rank)
    check_shape((<object> a).shape, rank, last, "x")
    return extreme(a, whole_axes(spatial_of((<object> a).shape, rank, last)), last, False, return_indices, out,
                   dtype)


cdef int global_rank(tuple shape, int rank) except -1:
    if not rank and len(shape) < 3:
        raise ValueError("`x` must have spatial axes after the first two; global_max_pool2d and its like say how many "
                         f"are spatial; got shape {shape}")
    return rank if rank else len(shape) - 2


cdef int afforded(tuple shape, object out, object dtype) except -1:
    """An error for a result that is too large, before the tables of its windows are made."""
    check_size(shape, 16, "output_size", "the result")
    if out is None:
        np.empty(shape, dtype)
    return 0


def adaptive_max_pool(x, output_size, return_indices, layout, out, dtype, int rank):
    cdef cnp.ndarray a = as_array(x, "x")
    cdef bint last = named(LAYOUTS, layout, "layout")
    rank = rank_for(output_size, (<object> a).shape, rank, "output_size")
    check_shape((<object> a).shape, rank, last, "x")
    sizes = spatial_of((<object> a).shape, rank, last)
    outputs = adaptive_outputs(sizes, output_size)
    afforded(result_shape((<object> a).shape, rank, last, outputs), out, a.dtype if dtype is None else asked(dtype))
    return extreme(a, adaptive_axes(sizes, outputs), last, False, return_indices, out, dtype)


def extremes_within(cnp.ndarray x, list tables, bint smallest):
    """The record of the largest or smallest elements of intervals of the last axes, by their starts and lengths, and
    its array."""
    cdef int rank = len(tables), lead = x.ndim - rank
    shape = (<object> x).shape
    kernel = tuple([int(lengths.max()) for _, lengths in tables])
    outputs = tuple([len(starts) for starts, _ in tables])
    cdef cnp.ndarray y = np.empty(shape[:lead] + outputs, x.dtype)
    axes = Axes(kernel, kernel, (1,) * rank, (0,) * rank, outputs, shape[lead:], tuple(tables))
    return record(view_of(x, rank, False), view_of(y, rank, False), axes, SMALLEST if smallest else LARGEST,
                  compared_as(x.dtype)), y


# ---------------------------------------------------------------- sums and averages

cdef cnp.ndarray in_dtype(cnp.ndarray a, object dtype):
    """`a` itself, or a copy."""
    return a if a.dtype is dtype else cast(a, dtype)


cdef cnp.ndarray as_it_lies(cnp.ndarray a, object dtype):
    """What the kernels read, converted by them or in a copy: by the dtypes alone, on which a sum's order depends."""
    if reads_by_lines(a, dtype):
        return a
    own = own_order(a.dtype)
    copy = a.astype(own) if own != dtype and not cnp.PyArray_ISBEHAVED_RO(a) else a
    return copy if reads_by_lines(copy, dtype) else in_dtype(np.array(a), dtype)


cdef Pooling total(cnp.ndarray a, cnp.ndarray y, Axes axes, bint last, object dtype, int element):
    """The record of the sums of `a`, converted to `dtype`, in y."""
    cdef int rank = axes.rank
    cdef int lead = a.ndim - rank - last
    cdef cnp.ndarray x = view_of(rows_in_memory(as_it_lies(a, dtype), lead, rank), rank, last)
    cdef cnp.ndarray to = view_of(y, rank, last)
    if dtype.kind == "c":
        x, to = parts(x), parts(to)
    return record(x, to, axes, LARGEST if element == BOOL else TOTAL, element)


cdef object numpys_sum(object dtype):
    """The dtype that numpy.sum returns."""
    return np.add.reduce(np.zeros(1, dtype)).dtype if dtype.kind in "biu" else own_order(dtype)


cdef tuple summed(cnp.ndarray a, Axes axes, bint last, out, dtype):
    cdef cnp.ndarray y
    cdef int element
    result = numpys_sum(a.dtype) if dtype is None else asked(dtype)
    y = new_or_given(out, result_shape((<object> a).shape, axes.rank, last, axes.outputs), result, (a,))
    source = result if a.dtype.kind not in "biu" or result.kind not in "iu" else own_order(a.dtype)
    element = BOOL if result.kind == "b" else summed_as(source, result, prod(axes.kernel))
    return [total(a, y, axes, last, source, element)], y


def sum_pool(x, kernel_size, stride, padding, dilation, ceil_mode, layout, out, dtype, int rank):
    """The records of the sums, and the array that they compute."""
    cdef cnp.ndarray a = as_array(x, "x")
    cdef bint last = named(LAYOUTS, layout, "layout")
    rank = rank_for(kernel_size, (<object> a).shape, rank, "kernel_size")
    check_shape((<object> a).shape, rank, last, "x")
    axes = window_axes(spatial_of((<object> a).shape, rank, last), kernel_size, stride, padding, dilation, ceil_mode)
    return summed(a, axes, last, out, dtype)


cdef object average_dtype(cnp.ndarray a, object dtype):
    result = np.dtype(np.float64) if a.dtype.kind in "biu" else own_order(a.dtype)
    if dtype is not None:
        result = asked(dtype)
        if result.kind not in "fc":
            raise TypeError(f"`dtype` of a mean must be floating or complex, got {result}")
    return result


cdef tuple averaged(cnp.ndarray a, Axes axes, bint last, tuple by, out, dtype):
    """The records of the sums, divided; the array that they compute; and None, or what is left to be rounded."""
    cdef cnp.ndarray y
    result = average_dtype(a, dtype)
    cdef int element
    shape = result_shape((<object> a).shape, axes.rank, last, axes.outputs)
    y = new_or_given(out, shape, result, (a,))
    if a.dtype.kind not in "biu" or result.kind == "c" or result.char == "g":
        element = summed_as(result, result, 1)
        return [divided(total(a, y, axes, last, result, element), by[0], by[1])], y, None
    source = own_order(a.dtype)
    terms = prod(axes.kernel)
    if by[0] * prod([table.max() for table in by[1] if table is not None]) >= 2.0**62:    # of little but padding
        return [divided(total(a, y, axes, last, np.dtype(np.float64), FLOAT64), by[0], by[1])], y, None
    most = 2**(8 * a.itemsize) if a.itemsize < 8 else max(-int(a.min()), int(a.max())) if a.size else 0
    if most * terms <= EXACT:
        if a.itemsize == 8:
            element = INT64 if source.kind == "i" else UINT64
        else:
            element = summed_as(source, np.dtype(np.int64), terms)
        return [divided(total(a, y, axes, last, source, element), by[0], by[1])], y, None
    return in_two_words(a, axes, last, shape, by, y)


cdef Pooling words(cnp.ndarray a, cnp.ndarray y, Axes axes, bint last, Part part):
    cdef Pooling p = total(a, y, axes, last, own_order(a.dtype), INT64)
    p.pool.part = part
    return p


cdef tuple in_two_words(cnp.ndarray a, Axes axes, bint last, tuple shape, tuple by, cnp.ndarray y):
    """Integers whose sums have more than 53 bits: sums of their upper and of their lower 32 bits, exact apart."""
    high, low = np.zeros(shape, np.int64), np.empty(shape, np.int64)
    if a.itemsize == 8:
        records = [words(a, high, axes, last, UPPER), words(a, low, axes, last, LOWER)]
    else:
        records = [words(a, low, axes, last, ALL)]
    return records, y, (high, low, whole_divisors(by, axes.outputs), shape[len(shape) - 1] if last else 1)


cdef cnp.ndarray whole_divisors(tuple by, tuple outputs):
    """One for each output of an image, or one for all."""
    everywhere, tables = by
    divisor = np.full((), int(everywhere), np.int64)
    for axis, table in enumerate(tables):
        if table is not None:
            divisor = divisor * table.astype(np.int64).reshape((-1,) + (1,) * (len(outputs) - axis - 1))
    return (np.broadcast_to(divisor, outputs) if divisor.ndim else divisor).reshape(-1)


cdef tuple override(object divisor_override, tuple by):
    if divisor_override is None:
        return by
    number = whole_number(divisor_override, "divisor_override", -2**31)
    if number == 0:
        raise ValueError("`divisor_override` must not be zero, got 0")
    return float(number), (None,) * len(by[1])


def avg_pool(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation, layout, out,
             dtype, int rank):
    """The records of the means, the array that they compute, and what `rounded` is still to make of them."""
    cdef cnp.ndarray a = as_array(x, "x")
    cdef bint last = named(LAYOUTS, layout, "layout")
    rank = rank_for(kernel_size, (<object> a).shape, rank, "kernel_size")
    check_shape((<object> a).shape, rank, last, "x")
    sizes = spatial_of((<object> a).shape, rank, last)
    axes = window_axes(sizes, kernel_size, stride, padding, dilation, ceil_mode)
    by = override(divisor_override, divisors(axes, sizes, truth(count_include_pad, "count_include_pad")))
    return averaged(a, axes, last, by, out, dtype)


def global_avg_pool(x, layout, out, dtype, int rank):
    cdef cnp.ndarray a = as_array(x, "x")
    cdef bint last = named(LAYOUTS, layout, "layout")
    rank = global_rank((<object> a).shape, rank)
    check_shape((<object> a).shape, rank, last, "x")
    sizes = spatial_of((<object> a).shape, rank, last)
    return averaged(a, whole_axes(sizes), last, (float(prod(sizes)), (None,) * rank), out, dtype)


def adaptive_avg_pool(x, output_size, layout, out, dtype, int rank):
    cdef cnp.ndarray a = as_array(x, "x")
    cdef bint last = named(LAYOUTS, layout, "layout")
    rank = rank_for(output_size, (<object> a).shape, rank, "output_size")
    check_shape((<object> a).shape, rank, last, "x")
    sizes = spatial_of((<object> a).shape, rank, last)
    outputs = adaptive_outputs(sizes, output_size)
    afforded(result_shape((<object> a).shape, rank, last, outputs), out, average_dtype(a, dtype))
    axes = adaptive_axes(sizes, outputs)
    return averaged(a, axes, last, divisors(axes, sizes, False), out, dtype)


cdef double checked_power(object norm_type) except -1:
    try:
        if isinstance(norm_type, (str, bytes)):
            raise TypeError
        power = float(norm_type)
    except (TypeError, ValueError):
        raise TypeError(f"`norm_type` must be a number, got {norm_type!r}") from None
    if not (isfinite(power) and power > 0):
        raise ValueError(f"`norm_type` must be positive and finite, got {norm_type!r}")
    return power


def lp_pool(x, norm_type, kernel_size, stride, padding, dilation, ceil_mode, layout, out, dtype, int rank):
    """The records of the norms, and the array that they compute: in double precision at least."""
    cdef cnp.ndarray a = as_array(x, "x"), y
    cdef double power = checked_power(norm_type)
    cdef bint last = named(LAYOUTS, layout, "layout")
    not_complex(a.dtype, "the norm")
    result = average_dtype(a, dtype)
    not_complex(result, "the norm", "dtype")
    rank = rank_for(kernel_size, (<object> a).shape, rank, "kernel_size")
    check_shape((<object> a).shape, rank, last, "x")
    axes = window_axes(spatial_of((<object> a).shape, rank, last), kernel_size, stride, padding, dilation, ceil_mode)
    y = new_or_given(out, result_shape((<object> a).shape, rank, last, axes.outputs), result, (a,))
    a = a if cnp.PyArray_ISBEHAVED_RO(a) else a.astype(own_order(a.dtype))
    return [norms(a, y, axes, last, power)], y


cdef Pooling norms(cnp.ndarray x, cnp.ndarray y, Axes axes, bint last, double power):
    cdef Pooling p = record(view_of(x, axes.rank, last), view_of(y, axes.rank, last), axes, TOTAL,
                            LONGDOUBLE if y.dtype.char == "g" else FLOAT64)
    p.pool.power, p.pool.finish = power, ROOT
    return p


# ---------------------------------------------------------------- unpooling and the gradients

cdef tuple flat_sizes(tuple shape, int rank, bint last):
    """(*leading, inner) sizes."""
    n = len(shape)
    return (shape[:n - rank - 1] + shape[n - 1:]) if last else shape[:n - rank]


cdef cnp.ndarray by_items(cnp.ndarray a, int rank, bint last):
    """A contiguous array (items, elements), a view if it can be."""
    first = np.ascontiguousarray(channels_first(a, rank, last))
    return first.reshape(prod(first.shape[:first.ndim - rank]), prod(first.shape[first.ndim - rank:]))


cdef cnp.ndarray checked_indices(object indices, cnp.ndarray a, str other, Py_ssize_t most):
    cdef cnp.ndarray i = as_array(indices, "indices")
    if i.dtype.kind not in "iu":
        raise TypeError(f"`indices` must be whole numbers, got {i.dtype}")
    if (<object> i).shape != (<object> a).shape:
        raise ValueError(f"`indices` must have the shape of `{other}`, {(<object> a).shape}, got {(<object> i).shape}")
    if i.size and not (i.min() >= 0 and i.max() < most):
        raise ValueError(f"`indices` must be from 0 to {most - 1}, flat over the result's spatial axes, got "
                         f"{i.min()} to {i.max()}")
    return i


cdef object spatial_asked(object output_size, tuple shape, int rank, bint last):
    """`output_size`, or the spatial part of a whole shape."""
    if not is_sequence(output_size) or len(output_size) != len(shape) or len(shape) == rank:
        return output_size
    asked_for = tuple(output_size)
    spatial = spatial_of(asked_for, rank, last)
    if asked_for != result_shape(shape, rank, last, spatial):
        raise ValueError(f"`output_size` must hold the spatial sizes, or be the whole shape of the result, with x's "
                         f"other axes; got {output_size!r} for x of shape {shape}")
    return spatial


cdef tuple unpooled_sizes(tuple shape, int rank, bint last, kernel_size, stride, padding, output_size):
    sizes = spatial_of(shape, rank, last)
    kernel = per_axis(kernel_size, rank, "kernel_size", 1)
    cdef Window window = Window(kernel, usual_stride(stride, kernel), 0, 1, "zeros", sizes)
    if output_size is not None:
        wanted = per_axis(spatial_asked(output_size, shape, rank, last), rank, "output_size", 0)
    if isinstance(padding, str):
        check_name(padding)
        if padding == "valid":
            padding = 0
        elif output_size is None:
            raise ValueError(f"`output_size` must be given for `padding` by name, got {padding!r}")
        else:
            return wanted
    window = Window(kernel, window.stride, padding, 1, "zeros", sizes)
    usual = tuple([(n - 1) * s - before - after + k for n, s, k, before, after in zip(
        sizes, window.stride, kernel, window.before, window.after)])
    if output_size is None:
        if min(usual) < 0:
            raise ValueError(f"`padding` must not be larger than the result: it leaves spatial sizes {usual}")
        return usual
    for n, u, s in zip(wanted, usual, window.stride):
        if not u - s < n < u + s:
            raise ValueError(f"`output_size` must be less than a stride, {window.stride}, from {usual} for spatial "
                             f"sizes {sizes}, got {output_size!r}")
    return wanted


def max_unpool(x, indices, kernel_size, stride, padding, output_size, layout, out, dtype, int rank):
    """Values, indices and zeros to put them to, all (items, elements), and what the zeros are a view of."""
    cdef cnp.ndarray a = as_array(x, "x"), i
    cdef bint last = named(LAYOUTS, layout, "layout")
    rank = rank_for(kernel_size, (<object> a).shape, rank, "kernel_size")
    check_shape((<object> a).shape, rank, last, "x")
    sizes = unpooled_sizes((<object> a).shape, rank, last, kernel_size, stride, padding, output_size)
    check_size(result_shape((<object> a).shape, rank, last, sizes), 16,
               "output_size" if output_size is not None else "x", "the result")
    i = checked_indices(indices, a, "x", prod(sizes))
    result = own_order(a.dtype) if dtype is None else asked(dtype)
    return scattering(a, i, result, result, result_shape((<object> a).shape, rank, last, sizes), rank, last, out)


cdef tuple scattering(cnp.ndarray a, cnp.ndarray i, object result, object kept, tuple shape, int rank, bint last,
                      out):
    if out is not None:
        check_out(out, shape, result)
    check_size(shape, kept.itemsize, "out", "the result")
    n = len(shape)
    first = (shape[:n - rank - 1] + shape[n - 1:] + shape[n - rank - 1:n - 1]) if last else shape
    zeros = np.zeros(first, kept)
    return (in_dtype(by_items(a, rank, last), kept), by_items(i, rank, last).astype(np.int64, copy=False),
            zeros.reshape(prod(first[:n - rank]), prod(first[n - rank:])),
            np.moveaxis(zeros, n - rank - 1, -1) if last else zeros, result)


cdef tuple input_shape(object input_size, str name="input_size"):
    if not is_sequence(input_size):
        raise TypeError(f"`{name}` must be the whole shape of an input, got {input_size!r}")
    shape = tuple([whole_number(n, name, 0, SIZES) for n in input_size])
    check_size(shape, 16, name, "an input")
    return shape


cdef int whole_rank(tuple shape, cnp.ndarray g, rank, bint last) except -1:
    """How many axes are spatial, of an input and of a result that has its other axes."""
    cdef Py_ssize_t axes = len(shape) - 2 if rank is None else whole_number(rank, "rank", 1)
    if not 1 <= axes <= len(shape) or g.ndim != len(shape):
        raise ValueError("`grad_output` must have as many axes as `input_size`, and `rank` of them be spatial (if it "
                         f"is not given, all but the first two), got {(<object> g).shape} for {shape}")
    check_shape(shape, axes, last, "input_size")
    if flat_sizes(shape, axes, last) != flat_sizes((<object> g).shape, axes, last):
        raise ValueError(f"`grad_output` must have the axes of `input_size` {shape} but for the {axes} spatial ones, "
                         f"got {(<object> g).shape}")
    return axes


def max_pool_gradient(input_size, indices, grad_output, rank, layout, out, dtype):
    """As `max_unpool`, to be added up."""
    shape = input_shape(input_size)
    cdef cnp.ndarray g = as_array(grad_output, "grad_output"), i
    cdef bint last = named(LAYOUTS, layout, "layout")
    cdef int axes = whole_rank(shape, g, rank, last)
    i = checked_indices(indices, g, "grad_output", prod(spatial_of(shape, axes, last)))
    result = own_order(g.dtype) if dtype is None else asked(dtype)
    kept = np.dtype(np.float32) if result.char == "e" else result
    return scattering(g, i, result, kept, shape, axes, last, out)


cdef Axes adjoint(Axes axes, tuple sizes, tuple divisors):
    """The windows, on outputs a stride apart, of the outputs that an element of x is in."""
    return Axes(axes.kernel, (1,) * axes.rank, axes.dilation,
                tuple([(k - 1) * d - before for k, d, before in zip(axes.kernel, axes.dilation, axes.before)]),
                sizes, sizes, None, tuple([s if n > 1 else 1 for s, n in zip(axes.stride, axes.outputs)]), divisors)


cdef tuple spread(cnp.ndarray g, Axes axes, tuple sizes, bint last, object result, out, cnp.ndarray read):
    """The record of an adjoint of sums, and its result, from derivatives of these sums."""
    cdef cnp.ndarray y = new_or_given(
        out, result_shape((<object> g).shape, axes.rank, last, sizes), result, (read, g))
    element = BOOL if result.kind == "b" else summed_as(result, result, 1)
    return [total(g, y, adjoint(axes, sizes, None), last, computed_in(result), element)], y


cdef object computed_in(object result):
    return np.dtype(np.float32) if result.char == "e" else result


cdef Pooling averages_back(cnp.ndarray g, cnp.ndarray y, Axes back, bint last, object result, double everywhere):
    """The record of sums of derivatives, each over its own divisor, or all of them over one."""
    return divided(total(g, y, back, last, computed_in(result), summed_as(result, result, 1)), everywhere,
                   (None,) * back.rank)


cdef tuple before_or_after(tuple by):
    """What sums of derivatives are divided by, and tables by which the derivatives are, where they have others."""
    everywhere, tables = by
    for axis, table in enumerate(tables):
        if table is not None:    # one division for each: whole numbers, exact
            return 1.0, tables[:axis] + (table * everywhere,) + tables[axis + 1:]
    return by


cdef tuple gradient_axes(object input_size, cnp.ndarray g, kernel_size, stride, padding, dilation, ceil_mode,
                         bint last):
    shape = input_shape(input_size)
    cdef int rank = rank_for(kernel_size, shape, 0, "kernel_size", "input_size")
    check_shape(shape, rank, last, "input_size")
    sizes = spatial_of(shape, rank, last)
    axes = window_axes(sizes, kernel_size, stride, padding, dilation, ceil_mode, "input_size")
    expected = result_shape(shape, rank, last, axes.outputs)
    if (<object> g).shape != expected:
        raise ValueError(f"`grad_output` must have the shape of the pooling's result, {expected} for an input of "
                         f"{shape}, got {(<object> g).shape}")
    return axes, sizes


def sum_pool_gradient(input_size, grad_output, kernel_size, stride, padding, dilation, ceil_mode, layout, out, dtype):
    cdef cnp.ndarray g = as_array(grad_output, "grad_output")
    cdef bint last = named(LAYOUTS, layout, "layout")
    axes, sizes = gradient_axes(input_size, g, kernel_size, stride, padding, dilation, ceil_mode, last)
    result = own_order(g.dtype) if dtype is None else asked(dtype)
    return spread(as_it_lies(g, result), axes, sizes, last, result, out, g)


def avg_pool_gradient(input_size, grad_output, kernel_size, stride, padding, ceil_mode, count_include_pad,
                      divisor_override, dilation, layout, out, dtype):
    cdef cnp.ndarray g = as_array(grad_output, "grad_output")
    cdef bint last = named(LAYOUTS, layout, "layout")
    axes, sizes = gradient_axes(input_size, g, kernel_size, stride, padding, dilation, ceil_mode, last)
    by = override(divisor_override, divisors(axes, sizes, truth(count_include_pad, "count_include_pad")))
    result = average_dtype(g, dtype)
    y = new_or_given(out, result_shape((<object> g).shape, axes.rank, last, sizes), result, (g,))
    everywhere, tables = before_or_after(by)
    return [averages_back(g, y, adjoint(axes, sizes, tables), last, result, everywhere)], y


def adaptive_avg_pool_gradient(input_size, grad_output, rank, layout, out, dtype):
    """Each element is in the windows of a few outputs in a row: sums of those."""
    shape = input_shape(input_size)
    cdef cnp.ndarray g = as_array(grad_output, "grad_output"), y
    cdef bint last = named(LAYOUTS, layout, "layout")
    cdef int axes_given = whole_rank(shape, g, rank, last)
    sizes, outs = spatial_of(shape, axes_given, last), spatial_of((<object> g).shape, axes_given, last)
    axes = adaptive_axes(sizes, outs, "input_size")
    result = average_dtype(g, dtype)
    if not all(outs):
        y = new_or_given(out, shape, result, (g,))
        y.fill(0)
        return [], y
    everywhere, divisor = before_or_after(divisors(axes, sizes, False))
    y = new_or_given(out, shape, result, (g,))
    tables = []
    for n, o in zip(sizes, outs):
        tables.append(shares(o, n))
    back = Axes(tuple([int(t[1].max()) for t in tables]), (1,) * axes_given, (1,) * axes_given, (0,) * axes_given,
                sizes, sizes, tuple(tables), None, divisor)
    return [averages_back(g, y, back, last, result, everywhere)], y


def lp_pool_gradient(x, norm_type, grad_output, kernel_size, stride, padding, dilation, ceil_mode, layout, out, dtype):
    """What is needed for x |x|^(p - 2) * sum of (dy * y^(1 - p)): x, dy, p, the result and its record's maker."""
    cdef cnp.ndarray a = as_array(x, "x"), g = as_array(grad_output, "grad_output")
    cdef double power = checked_power(norm_type)
    cdef bint last = named(LAYOUTS, layout, "layout")
    not_complex(a.dtype, "the norm")
    not_complex(g.dtype, "the norm", "grad_output")
    axes, sizes = gradient_axes((<object> a).shape, g, kernel_size, stride, padding, dilation, ceil_mode, last)
    result = np.result_type(a, g) if dtype is None else average_dtype(g, dtype)
    result = np.dtype(np.float64) if result.kind in "biu" else own_order(result)
    not_complex(result, "the norm", "dtype")
    if out is not None:
        check_out(out, (<object> a).shape, result)
    wide = result if result.char == "g" else np.dtype(np.float64)
    return (np.ascontiguousarray(in_dtype(a, wide)), np.ascontiguousarray(in_dtype(g, wide)), power, axes, sizes, last,
            wide, result)


def norm_records(cnp.ndarray x, y, Axes axes, bint last, double power):
    """The record of norms of x in y."""
    return [norms(x, y, axes, last, power)]


def spread_norms(g, axes, sizes, last, wide):
    """The record of the sums of `lp_pool_gradient`, and their array."""
    return spread(g, axes, sizes, last, wide, None, g)
