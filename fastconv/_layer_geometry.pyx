"""The gate of the layers: their arguments, checked and normalised once, become records for the kernels.

Layouts, groups, flips and transpositions are views of the caller's arrays here, so that the kernels know one layer:
x (..., groups, channels, *spatial), weight (groups, filters, channels, *kernel), out (..., groups, filters, *spatial).
"""
from itertools import product
from math import gcd, prod
from operator import index

cimport numpy as cnp
import numpy as np

from numpy.lib.stride_tricks import as_strided

from fastconv._windows import fold

from fastconv._geometry cimport (
    COMPUTED, PART, SIZE, as_array, cast, check_out, check_size, computes_into, given_dtype, named, own_order,
    reads_by_lines,
)
from fastconv._phases cimport bundles_of_axis, inside, outputs_of, phases_of_axis
from fastconv.kernels.layer cimport (
    IDENTITY, LEAKY_RELU, RELU, RELU6, SIGMOID, SILU, TANH, Activation, Convolution, Layer,
)
from fastconv.kernels.problem cimport EDGE, FILL, MAX_RANK, REFLECT, SYMMETRIC, WRAP, Boundary

cnp.import_array()

cdef dict PADDING_MODES = {"zeros": FILL, "reflect": REFLECT, "replicate": EDGE, "circular": WRAP,
                           "symmetric": SYMMETRIC}
cdef dict LAYOUTS = {"channels_first": False, "channels_last": True}
cdef dict ACTIVATIONS = {None: IDENTITY, "relu": RELU, "relu6": RELU6, "leaky_relu": LEAKY_RELU, "sigmoid": SIGMOID,
                         "tanh": TANH, "silu": SILU}
cdef object MOST = 2**31    # of STEPS bits
cdef object MOST_ALONG_AXIS = 2**62
cdef double MOST_PACKED = 2.0**56    # bytes: whole vectors of filters, and a transform, take less than 64 times that
# Strides whose phases are computed together: what a tile takes grows with it.
cdef Py_ssize_t MOST_WOVEN = 8
# Columns of an image that is seen as one row: fewer than fill a vector. And taps, as many as `depthwise` takes.
cdef Py_ssize_t MOST_NARROW = 16
cdef Py_ssize_t MOST_TAPS = 1024
cdef Py_ssize_t FEW_WEIGHTS = 2048
# Channels and filters of a group with a weight gradient that wants them one by one: of 2 to 32 samples with 256 groups
# at 64 x 64 it takes a fortieth of the time.
cdef Py_ssize_t FEW_CHANNELS = 4
cdef tuple PADDINGS = ("valid", "same", "same_lower", "full", "causal")


# ---------------------------------------------------------------- numbers

cdef bint is_sequence(object value):
    """Whether it speaks of the axes one by one; a 0-d array is a number."""
    return not isinstance(value, (int, str, bytes)) and hasattr(value, "__len__") and getattr(value, "ndim", 1) > 0


cdef object whole_number(object value, str name, Py_ssize_t least, int bits=STEPS):
    """At least `least`, and of fewer than so many bits."""
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"`{name}` must be made of whole numbers, got {value!r}") from None
    if number < least or number >= MOST and (bits == STEPS or number >> bits):
        raise ValueError(f"`{name}` must be at least {least} and less than 2**{bits}, got {number}")
    return number


cdef tuple per_axis(object value, int rank, str name, Py_ssize_t least, int bits=STEPS):
    """A whole number for each axis, from one for all, be it a sequence of one, or a sequence of them."""
    if not is_sequence(value):
        return (whole_number(value, name, least, bits),) * rank
    if len(value) != rank and len(value) != 1:
        raise ValueError(f"`{name}` must be one number, or one for each of the {rank} spatial axes, got {value!r}")
    numbers = tuple([whole_number(v, name, least, bits) for v in value])
    return numbers if len(numbers) == rank else numbers * rank


cdef tuple pads(object value):
    """Before and after, from one number for both or a pair."""
    if is_sequence(value):
        if len(value) != 2:
            raise ValueError(f"`padding` must hold a number or a pair (before, after) for each axis, got {value!r}")
        return whole_number(value[0], "padding", 0), whole_number(value[1], "padding", 0)
    number = whole_number(value, "padding", 0)
    return number, number


cdef tuple named_pads(str padding, Py_ssize_t n, Py_ssize_t extent, Py_ssize_t stride):
    """Before and after for an axis of size n and a window that reaches over `extent` elements."""
    cdef Py_ssize_t total
    if padding == "valid":
        return 0, 0
    if padding == "full":
        return extent - 1, extent - 1
    if padding == "causal":
        return extent - 1, 0
    total = max(0, ((n + stride - 1) // stride - 1) * stride + extent - n)
    return (total // 2, total - total // 2) if padding == "same" else (total - total // 2, total // 2)


# ---------------------------------------------------------------- the window

cdef class Window:
    """A layer's window on images of one size: sizes per axis, checked."""
    def __init__(self, tuple kernel, stride, padding, dilation, padding_mode, tuple sizes, str name="x"):
        self.name = name
        cdef int rank = len(kernel)
        self.rank, self.kernel, self.sizes = rank, kernel, sizes
        self.stride = per_axis(stride, rank, "stride", 1)
        self.dilation = per_axis(dilation, rank, "dilation", 1)
        self.boundary = named(PADDING_MODES, padding_mode, "padding_mode")
        self.check_sizes(sizes, "")
        if isinstance(padding, str):
            if padding not in PADDINGS:
                raise ValueError(
                    f"`padding` must be numbers or one of {', '.join(map(repr, PADDINGS))}, got {padding!r}")
            both = [named_pads(padding, n, d * (k - 1) + 1, s)
                    for n, k, d, s in zip(sizes, kernel, self.dilation, self.stride)]
        elif is_sequence(padding):
            if len(padding) != rank and len(padding) != 1:
                raise ValueError("`padding` must be one number, or a number or a pair (before, after) for each of the "
                                 f"{rank} spatial axes, got {padding!r}")
            both = [pads(p) for p in padding]
            if len(both) != rank:
                both *= rank
        else:
            both = [pads(padding)] * rank
        self.before = tuple([p[0] for p in both])
        self.after = tuple([p[1] for p in both])
        if self.boundary != FILL and not all([n or not any(p) for n, p in zip(sizes, both)]):
            raise ValueError(f"`padding_mode`: an empty axis can only be padded with 'zeros', got {padding_mode!r} for "
                             f"spatial sizes {sizes}")
        self.check_sizes(self.padded(), ", padded,")

    cdef int check_sizes(self, tuple sizes, str padded) except -1:
        """After this, sizes and what a window reaches over may be added."""
        cdef double most = 0
        cdef int i
        for i in range(self.rank):
            most = max(most, (<double> self.kernel[i] - 1) * <double> self.dilation[i] + 1)
            most = max(most, <double> sizes[i])
        if most >= 2.0**62:
            raise ValueError(f"`{self.name}`: array is too big: an axis{padded} and what a window reaches over must "
                             f"have less than 2**62 elements, got {sizes} and {self.extents()}")
        return 0

    cpdef tuple extents(self):
        return tuple([d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation)])

    cpdef tuple padded(self):
        return tuple([n + b + a for n, b, a in zip(self.sizes, self.before, self.after)])

    cpdef tuple outputs(self):
        """The number of the window's positions along each axis."""
        cdef list sizes = []
        cdef Py_ssize_t i, n, extent, stride
        for i in range(self.rank):
            n, stride = self.sizes[i] + self.before[i] + self.after[i], self.stride[i]
            extent = self.dilation[i] * (self.kernel[i] - 1) + 1
            if n < extent:
                raise ValueError(f"`{self.name}`, with its padding, must be at least as large as the window, "
                                 f"{self.extents()}, along each axis, got {self.padded()}, {self.sizes} of it without")
            sizes.append((n - extent) // stride + 1)
        return tuple(sizes)

    cpdef bint folds(self):
        """Whether a gradient by the input is computed with a border, which is folded back."""
        return self.boundary != FILL and max(self.before + self.after) > 0

    cpdef Window apart(self):
        """That of a gradient with its border: on the padded input or, along an axis of which windows hold less than
        that, on one where they follow each other without gaps."""
        cdef list steps = []
        for k, s, d, n, m in zip(self.kernel, self.stride, self.dilation, self.padded(), self.outputs()):
            steps.append((k * m, k, 1) if k * m < n else (n, s, d))
        sizes, stride, dilation = zip(*steps)
        return Window(self.kernel, stride, 0, dilation, "zeros", sizes)


# ---------------------------------------------------------------- arrays

cdef cnp.ndarray channels_first(cnp.ndarray a, int rank, bint channels_last):
    """A view with the channels in front of the spatial axes."""
    if not channels_last:
        return a
    return a.transpose(*range(a.ndim - rank - 1), a.ndim - 1, *range(a.ndim - rank - 1, a.ndim - 1))


cdef cnp.ndarray in_groups(cnp.ndarray a, int rank, Py_ssize_t groups):
    """A view (..., groups, channels, *spatial)."""
    cdef int axis = a.ndim - rank - 1
    shape = (<object> a).shape
    return a.reshape(shape[:axis] + (groups, shape[axis] // groups) + shape[axis + 1:])


cdef cnp.ndarray readable(cnp.ndarray a, cnp.dtype dtype):
    """`a`, or a copy that the kernels can read."""
    return a if reads_by_lines(a, dtype) else cast(a, dtype)


cdef object result_dtype(tuple inputs, object dtype):
    if dtype is not None:
        return given_dtype(dtype)
    first = inputs[0].dtype
    dtype = first
    for a in inputs:
        if a is not None and a.dtype is not first:
            dtype = np.result_type(*[a for a in inputs if a is not None])
            break
    return own_order(dtype)


cdef tuple activated(object activation, cnp.dtype dtype):
    """The activation and its slope, if the dtype has it."""
    cdef double slope = 0.01
    name = activation
    if isinstance(activation, tuple) and len(activation) == 2 and isinstance(activation[0], str) and (
            activation[0] == "leaky_relu"):
        name = activation[0]
        try:
            if np.iscomplexobj(activation[1]):    # of which NumPy would drop a part
                raise TypeError
            slope = activation[1]
        except (TypeError, OverflowError):
            raise TypeError(f"`activation`: the slope must be a number, got {activation[1]!r}") from None
    try:
        code = named(ACTIVATIONS, name, "activation")
    except ValueError as error:
        raise ValueError(str(error).replace(", got", ", or ('leaky_relu', slope), got", 1)) from None
    if code != IDENTITY and (dtype.kind in "bc" or dtype.kind != "f" and code not in (RELU, RELU6)):
        raise TypeError(f"`activation`: {name!r} is not defined for the result's dtype {dtype}")
    return code, slope


cdef cnp.ndarray packed_bias(cnp.ndarray bias, Py_ssize_t groups, cnp.dtype dtype):
    """The bias in the type computed with, [bank][group][plane][filter], and a vector's room behind each bank's."""
    cdef cnp.ndarray values = np.ascontiguousarray(cast(bias, dtype))    # in which parts and banks follow each other
    banks = prod((<object> bias).shape[:bias.ndim - 1])
    if dtype.char == "e":
        values = cast(values, np.float32)
    elif dtype.kind in "iu" and dtype.itemsize == 1:
        values = values.astype(np.uint16)
    if dtype.kind == "c":
        values = values.view(values.real.dtype).reshape(banks, groups, bias.shape[bias.ndim - 1] // groups, 2)
        values = values.transpose(0, 1, 3, 2)
    return np.hstack((values.reshape(banks, values.size // banks), np.zeros((banks, 64), values.dtype)))


# ---------------------------------------------------------------- records

cdef void axis_of(Layer* s, int to, cnp.ndarray x, cnp.ndarray weight, cnp.ndarray out, int i, Py_ssize_t stride,
                  Py_ssize_t dilation, Py_ssize_t offset, Py_ssize_t up):
    """Spatial axis i of the arrays, counted from the last, becomes axis `to` of the record."""
    s.x_size[to] = x.shape[x.ndim - i]
    s.x_stride[to] = x.strides[x.ndim - i]
    s.kernel_size[to] = weight.shape[weight.ndim - i]
    s.weight_stride[to] = weight.strides[weight.ndim - i]
    s.out_size[to] = out.shape[out.ndim - i]
    s.out_stride[to] = out.strides[out.ndim - i]
    s.stride[to], s.dilation[to], s.offset[to], s.up[to] = stride, dilation, offset, up
    s.banks.tiles[to], s.banks.weight_tile[to] = 1, 0


cdef bint follow(const Layer* s, int axis):
    """Whether the layer does the same to each row of an axis, and the rows follow each other without a gap."""
    cdef int i
    for i in range(axis, axis + 2):
        if (s.kernel_size[i] != 1 or s.stride[i] != 1 or s.up[i] != 1 or s.offset[i] != 0
                or s.x_size[i] != s.out_size[i]):
            return False
    return (s.x_stride[axis] == s.x_size[axis + 1] * s.x_stride[axis + 1]
            and s.out_stride[axis] == s.out_size[axis + 1] * s.out_stride[axis + 1])


cdef void as_one_row(Layer* s):
    """A layer that is a product of matrices, pixels by channels, becomes one on images of one row."""
    cdef int axis
    for axis in range(s.rank - 1):
        if not follow(s, axis):
            return
    for axis in range(s.rank - 1):
        s.x_size[s.rank - 1] *= s.x_size[axis]
    s.out_size[1] = s.x_size[1] = s.x_size[s.rank - 1]
    s.x_stride[1], s.out_stride[1] = s.x_stride[s.rank - 1], s.out_stride[s.rank - 1]
    s.kernel_size[1] = s.stride[1] = s.dilation[1] = 1
    s.offset[1] = 0
    s.x_size[0] = s.out_size[0] = s.kernel_size[0] = s.stride[0] = s.dilation[0] = 1
    s.x_stride[0] = s.out_stride[0] = s.offset[0] = 0
    s.rank = 2


cdef bint is_single(const Layer* s, int axis):
    """Whether an axis has one element in x, in the kernel and in out: then it may stand anywhere."""
    return (s.x_size[axis] == s.kernel_size[axis] == s.out_size[axis] == s.up[axis] == 1 and s.offset[axis] == 0)


cdef void move_axis(Layer* s, int to, int axis):
    """An axis of a plain layer becomes axis `to`."""
    s.x_size[to], s.x_stride[to] = s.x_size[axis], s.x_stride[axis]
    s.kernel_size[to], s.weight_stride[to] = s.kernel_size[axis], s.weight_stride[axis]
    s.out_size[to], s.out_stride[to] = s.out_size[axis], s.out_stride[axis]
    s.stride[to], s.dilation[to], s.offset[to], s.up[to] = s.stride[axis], s.dilation[axis], s.offset[axis], s.up[axis]


cdef void make_single(Layer* s, int axis):
    s.x_size[axis] = s.kernel_size[axis] = s.out_size[axis] = s.stride[axis] = s.dilation[axis] = s.up[axis] = 1
    s.x_stride[axis] = s.out_stride[axis] = s.weight_stride[axis] = s.offset[axis] = 0


cdef void singles_first(Layer* s):
    """Axes of one element go before the others: an image of one column becomes one of one row."""
    cdef int axis, to = s.rank - 1
    for axis in range(s.rank - 1, -1, -1):
        if not is_single(s, axis):
            if to != axis:
                move_axis(s, to, axis)
            to -= 1
    for axis in range(min(to + 1, s.rank - 1)):
        make_single(s, axis)


cdef void narrow_as_one_row(Layer* s):
    """A layer along the columns of a narrow image, whose rows follow each other without a gap, becomes one on images
    of one row: what was a row apart lies as many elements apart as that has, and rows of padding are padding."""
    cdef int axis = s.rank - 1
    cdef Py_ssize_t n = s.x_size[axis]
    if not (1 < n <= MOST_NARROW and s.kernel_size[axis] == 1 and s.stride[axis] == 1 and s.stride[axis - 1] == 1
            and s.offset[axis] == 0 and s.out_size[axis] == n and s.up[axis] == s.up[axis - 1] == 1
            and 1 < s.kernel_size[axis - 1] <= MOST_TAPS and s.boundary == FILL
            and s.x_stride[axis - 1] == n * s.x_stride[axis] and s.out_stride[axis - 1] == n * s.out_stride[axis]):
        return
    s.x_size[axis], s.out_size[axis] = n * s.x_size[axis - 1], n * s.out_size[axis - 1]
    s.kernel_size[axis], s.weight_stride[axis] = s.kernel_size[axis - 1], s.weight_stride[axis - 1]
    s.dilation[axis], s.offset[axis] = n * s.dilation[axis - 1], n * s.offset[axis - 1]
    make_single(s, axis - 1)


cdef Convolution record(cnp.ndarray x, cnp.ndarray weight, cnp.ndarray bias, cnp.ndarray out, tuple stride,
                        tuple dilation, tuple offset, int boundary, tuple activation, int banked=0, tuple up=None):
    """x (..., groups, channels, *spatial), weight (groups, filters, channels, *kernel), out in the dtype asked for.

    With `banked` axes, the last ones, weight is (*tiles, groups, ...), and bias (banks, filters) or of one bank.
    """
    cdef Convolution p = Convolution.__new__(Convolution)
    cdef cnp.ndarray banks = weight
    cdef Layer* s = &p.layer
    weight = weight[(0,) * banked] if banked else weight
    cdef int rank = weight.ndim - 3, front = 1 if rank == 1 else 0, i, channel = x.ndim - rank - 1
    cdef Py_ssize_t phases
    cdef int filter = out.ndim - rank - 1
    p.dtype = out.dtype
    p.x, p.weight, p.bias, p.out = x, weight, bias, out
    s.rank = rank + front
    if front:
        s.x_size[0] = s.kernel_size[0] = s.out_size[0] = s.stride[0] = s.dilation[0] = s.up[0] = 1
        s.x_stride[0] = s.out_stride[0] = s.weight_stride[0] = s.offset[0] = 0
        s.banks.tiles[0], s.banks.weight_tile[0] = 1, 0
    for i in range(rank):
        axis_of(s, i + front, x, weight, out, rank - i, stride[i], dilation[i], offset[i],
                up[i] if up is not None else 1)
    s.boundary = <Boundary> boundary
    if not banked:
        singles_first(s)
        as_one_row(s)
        narrow_as_one_row(s)
    for i in range(banked):
        s.banks.tiles[s.rank - banked + i] = banks.shape[i]
        s.banks.weight_tile[s.rank - banked + i] = banks.strides[i]
    s.banks.bias_bank = bias.strides[0] if bias is not None and bias.ndim > 1 and bias.shape[0] > 1 else 0
    s.leading = channel - 1
    for i in range(s.leading):
        s.leading_size[i], s.x_leading[i], s.out_leading[i] = x.shape[i], x.strides[i], out.strides[i]
    s.groups, s.filters, s.channels = weight.shape[0], weight.shape[1], weight.shape[2]
    s.weight_group, s.weight_filter, s.weight_channel = weight.strides[0], weight.strides[1], weight.strides[2]
    s.x_group, s.x_channel = x.strides[channel - 1], x.strides[channel]
    s.out_group, s.out_filter = out.strides[filter - 1], out.strides[filter]
    s.activation, s.slope = <Activation> <int> activation[0], activation[1]
    s.x_element, s.weight_element = PART[cnp.PyArray_TYPE(x)], PART[cnp.PyArray_TYPE(weight)]
    s.out_element = PART[cnp.PyArray_TYPE(out)]
    s.element = COMPUTED[s.out_element]
    s.planes = 2 if cnp.PyTypeNum_ISCOMPLEX(cnp.PyArray_TYPE(out)) else 1
    s.x_plane, s.weight_plane, s.out_plane = SIZE[s.x_element], SIZE[s.weight_element], SIZE[s.out_element]
    s.x, s.weight = <const char*> cnp.PyArray_DATA(x), <const char*> cnp.PyArray_DATA(weight)
    s.weight_end = s.weight + cnp.PyArray_ITEMSIZE(weight)
    for i in range(banks.ndim):
        s.weight_end += max(0, (banks.shape[i] - 1) * banks.strides[i])
    s.out = <char*> cnp.PyArray_DATA(out)
    s.bias = <const char*> cnp.PyArray_DATA(bias) if bias is not None else NULL
    s.packed = NULL
    s.skips_padding = False
    p.element_size = SIZE[s.element]
    phases = s.up[s.rank - 2] * s.up[s.rank - 1]
    p.terms = <double> cnp.PyArray_SIZE(weight) / max(1, s.groups * s.filters * phases) * s.planes    # of one bank
    p.pixels = <double> cnp.PyArray_SIZE(out) / max(1, s.groups * s.filters * phases)
    p.weight_bytes = <double> cnp.PyArray_SIZE(banks) * s.planes * s.planes * p.element_size
    if p.weight_bytes >= MOST_PACKED:
        raise ValueError("`weight`, or `grad_output` in its place: array is too big: it must have less than 2**56 "
                         f"bytes in the dtype computed with, got shape {(<object> banks).shape}")
    p.work = p.terms * cnp.PyArray_SIZE(out) * s.planes
    return p


cdef Convolution with_terms(cnp.ndarray x, cnp.ndarray weight, cnp.ndarray bias, cnp.ndarray out, tuple stride,
                            tuple dilation, tuple offset, int boundary, tuple activation, int banked=0,
                            tuple up=None):
    """`record`, also where there is nothing to sum: then the product of a zero with a zero."""
    if cnp.PyArray_SIZE(weight) or not cnp.PyArray_SIZE(out):
        return record(x, weight, bias, out, stride, dilation, offset, boundary, activation, banked, up)
    rank = weight.ndim - 3 - banked
    shape, filters = (<object> out).shape, (<object> weight).shape[banked:banked + 2]
    lead = out.ndim - rank - 2
    zero = np.zeros(1, out.dtype)
    return record(np.broadcast_to(zero, shape[:lead] + (filters[0], 1) + shape[lead + 2:]),
                  np.broadcast_to(zero, (<object> weight).shape[:banked] + filters + (1,) * (rank + 1)), bias, out,
                  (1,) * rank, (1,) * rank, (0,) * rank, FILL, activation, banked)


# ---------------------------------------------------------------- what the layers have in common

cdef cnp.ndarray new_or_given(object out, tuple shape, cnp.dtype dtype, tuple inputs):
    """Where the kernels write: `out`, or an array that is copied to it afterwards."""
    check_size(shape, dtype.itemsize, "out", "the result")
    if out is None:
        return np.empty(shape, dtype)
    check_out(out, shape, dtype)
    for a in inputs:
        if not computes_into(out, dtype, a, a):
            return np.empty(shape, dtype)
    return out


def finished(cnp.ndarray computed, out):
    """What the caller gets."""
    if out is None or out is computed:
        return computed
    with np.errstate(all="ignore"):
        np.copyto(out, computed, casting="same_kind")
    return out


cdef int check_channels(cnp.ndarray x, int rank, Py_ssize_t channels, bint last, str name) except -1:
    axes = f"(..., {'*spatial, C' if last else 'C, *spatial'})"
    if x.ndim < rank + 1 or x.ndim >= MAX_RANK - 1:
        raise ValueError(f"`{name}` must be of shape {axes} with {rank} spatial axes, got shape {(<object> x).shape}")
    n = x.shape[x.ndim - 1 if last else x.ndim - rank - 1]
    if n != channels:
        raise ValueError(f"`{name}` must have {channels} channels, as the weight's shape and `groups` say, in {axes}; "
                         f"got {n} in shape {(<object> x).shape}")
    return 0


cdef cnp.ndarray checked_bias(object bias, Py_ssize_t filters):
    if bias is None:
        return None
    cdef cnp.ndarray b = as_array(bias, "bias")
    if b.ndim != 1 or b.shape[0] != filters:
        raise ValueError(f"`bias` must hold one value for each of the {filters} output channels, got shape "
                         f"{(<object> b).shape}")
    return b


cdef tuple check_kernel(tuple shape, int rank, str name):
    """The kernel's sizes in a weight's shape of the rank asked for, or of any if that is 0."""
    if len(shape) < 3 or rank and len(shape) != rank + 2:
        raise ValueError(f"`{name}` must have {rank + 2 if rank else 'at least 3'} axes, two of channels and then the "
                         f"kernel's, got shape {shape}")
    if not all(shape[2:]):
        raise ValueError(f"`{name}`: the kernel must have at least one element along each axis, got shape {shape}")
    return shape[2:]


cdef Py_ssize_t check_groups(object groups, Py_ssize_t n, str what) except -1:
    cdef Py_ssize_t number = whole_number(groups, "groups", 1)
    if n % number:
        raise ValueError(f"`groups` must divide the {n} {what}, got {number}")
    return number


cdef Py_ssize_t of_groups(object channels, Py_ssize_t groups) except -1:
    """The channels of all groups."""
    if channels * <object> groups >= MOST_ALONG_AXIS:
        raise ValueError("`groups`: array is too big: it must have less than 2**62 channels, got "
                         f"{groups} groups of {channels}")
    return channels * groups


cdef tuple split_shape(tuple shape, int rank, bint last):
    """Leading and spatial sizes."""
    n = len(shape)
    return shape[:n - rank - 1], shape[n - rank - 1:n - 1] if last else shape[n - rank:]


cdef tuple shape_of(tuple leading, Py_ssize_t channels, tuple spatial, bint last):
    return leading + spatial + (channels,) if last else leading + (channels,) + spatial


cdef cnp.ndarray grouped(cnp.ndarray a, int rank, bint last, Py_ssize_t groups):
    """A view (..., groups, channels, *spatial) of an array in the caller's layout."""
    return in_groups(channels_first(a, rank, last), rank, groups)


# ---------------------------------------------------------------- conv

def conv(x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, out, dtype, int rank):
    """The records of a layer, and the array that they compute."""
    cdef cnp.ndarray a = as_array(x, "x"), w = as_array(weight, "weight"), b, y
    cdef bint last = named(LAYOUTS, layout, "layout")
    kernel = check_kernel((<object> w).shape, rank, "weight")
    cdef Py_ssize_t filters = w.shape[0], n = check_groups(groups, filters, "filters of `weight`")
    rank = w.ndim - 2
    b = checked_bias(bias, filters)
    check_channels(a, rank, of_groups(w.shape[1], n), last, "x")
    dtype = result_dtype((a, w, b), dtype)
    kind = activated(activation, dtype)
    leading, sizes = split_shape((<object> a).shape, rank, last)
    cdef Window window = Window(kernel, stride, padding, dilation, padding_mode, sizes)
    y = new_or_given(out, shape_of(leading, filters, window.outputs(), last), dtype, (a, w))
    if b is not None:
        b = packed_bias(b, n, dtype)
    w = readable(w, dtype)
    return [with_terms(
        grouped(readable(a, dtype), rank, last, n), w.reshape((n, filters // n) + (<object> w).shape[1:]), b,
        grouped(y, rank, last, n), window.stride, window.dilation, window.before, window.boundary, kind)], y


# ---------------------------------------------------------------- conv_transpose: the adjoint

cdef tuple transposed_sizes(tuple sizes, tuple kernel, stride, padding, dilation, output_padding, output_size):
    """The sizes of the transposed layer's result, the input of the layer that it is the adjoint of."""
    cdef int rank = len(kernel)
    s, d = per_axis(stride, rank, "stride", 1), per_axis(dilation, rank, "dilation", 1)
    extra = per_axis(output_padding, rank, "output_padding", 0)
    for e, ss, dd in zip(extra, s, d):
        if e >= max(ss, dd):
            raise ValueError("`output_padding` must be smaller than `stride` or `dilation`, the larger of them, along "
                             f"each axis, got {output_padding!r} for stride {s} and dilation {d}")
    extents = [dd * (k - 1) + 1 for k, dd in zip(kernel, d)]
    if padding in ("same", "same_lower"):
        least = [(n - 1) * ss + 1 for n, ss in zip(sizes, s)]
        usual = tuple([n * ss for n, ss in zip(sizes, s)])
        reach = [ss - 1 for ss in s]
    else:
        window = Window(kernel, stride, padding, dilation, "zeros", sizes)
        least = [(n - 1) * ss + extent - before - after
                 for n, ss, extent, before, after in zip(sizes, s, extents, window.before, window.after)]
        usual = tuple([n + e for n, e in zip(least, extra)])
        reach = [max(ss, dd) - 1 for ss, dd in zip(s, d)]
    if output_size is not None:
        usual = per_axis(output_size, rank, "output_size", 0, SIZES)
        for n, low, more in zip(usual, least, reach):
            if not low <= n <= low + more:
                raise ValueError(f"`output_size` must be from {tuple(least)} to "
                                 f"{tuple([a + b for a, b in zip(least, reach)])} for an input of spatial "
                                 f"sizes {sizes}, got {output_size!r}")
    if min(usual, default=0) < 0:
        raise ValueError(f"`padding` must not be larger than the result: it leaves spatial sizes {usual}")
    return usual


cdef bint all_finite(cnp.ndarray a):
    """Of numbers that are not whole. Small arrays without NumPy, whose two calls take a few microseconds."""
    cdef const float* values = <const float*> cnp.PyArray_DATA(a)
    cdef Py_ssize_t i
    cdef float zero = 0
    if cnp.PyArray_TYPE(a) != cnp.NPY_FLOAT or cnp.PyArray_SIZE(a) > FEW_WEIGHTS or not (
            cnp.PyArray_ISALIGNED(a) and cnp.PyArray_ISNOTSWAPPED(a)
            and (cnp.PyArray_IS_C_CONTIGUOUS(a) or cnp.PyArray_IS_C_CONTIGUOUS(a.swapaxes(1, 2)))):
        return np.isfinite(a).all()
    for i in range(cnp.PyArray_SIZE(a)):
        zero += values[i] * 0
    return zero == 0


cdef class Transposed:
    """A transposed layer, checked, of views x (..., groups, channels, *spatial), weight (groups, filters, channels,
    *kernel) and out (..., groups, filters, *outputs), and a bias (groups * filters) of its own."""

    def __init__(self, cnp.ndarray x, cnp.ndarray weight, cnp.ndarray bias, cnp.ndarray out, tuple before,
                 tuple activation, Window window):
        self.x, self.weight, self.bias, self.out = x, weight, bias, out
        self.before, self.activation, self.window = before, activation, window
        self.sizes = (<object> out).shape[out.ndim - window.rank:]

    cdef list phases(self, int i):
        """The parts of axis i, a phase each."""
        return phases_of_axis(self.sizes[i], self.weight.shape[3 + i], self.window.stride[i], self.window.dilation[i],
                              self.before[i])

    cdef bint weaves(self, int i):
        """Whether a record can have all phases of axis i."""
        return (i >= self.window.rank - 2 and 1 < self.window.stride[i] <= MOST_WOVEN
                and self.window.dilation[i] == 1)

    cpdef bint bundles(self):
        """Whether neighbouring columns, of one input each, do better as the filters of a layer than outputs of a filter
        that lie a stride apart: where they are more."""
        cdef int i = self.window.rank - 1
        stride, dilation = self.window.stride[i], self.window.dilation[i]
        return stride > MOST_WOVEN and self.weight.shape[1] <= min(self.weight.shape[3 + i],
                                                                   stride // gcd(stride, dilation))

    cpdef bint finite(self):
        """Whether products of the weight with zeros of a border are zeros."""
        return self.weight.dtype.kind not in "fc" or all_finite(self.weight)

    cpdef bint covers(self, str how):
        """Whether `layers` computes all outputs: those of a phase without taps it leaves out."""
        cdef int i
        cdef Py_ssize_t stride
        if how == "inside":
            return False
        for i in range(self.window.rank):
            stride = self.window.stride[i]
            if stride == 1 or how == "woven" and self.weaves(i):
                continue
            if self.window.dilation[i] > 1 or self.weight.shape[3 + i] < stride:
                if outputs_of(self.phases(i), self.sizes[i]) < self.sizes[i]:
                    return False
        return True

    def fill(self):
        """What an output without a tap is: bias and activation of zero. A record and its array, one of each channel."""
        cdef cnp.ndarray value = np.empty((<object> self.weight).shape[:2] + (1,) * self.window.rank, self.out.dtype)
        return with_terms(value, self.weight[:, :, :0], self.packed_bias(), value,
                          (1,) * self.window.rank, (1,) * self.window.rank, (0,) * self.window.rank, FILL,
                          self.activation), value

    cdef cnp.ndarray packed_bias(self):
        return None if self.bias is None else packed_bias(self.bias, self.weight.shape[0], self.out.dtype)

    cdef cnp.ndarray bundled_bias(self, list bundle, Py_ssize_t first, Py_ssize_t filters):
        """That of some filters of each group, each for all phases of the bundle."""
        cdef cnp.ndarray bias = self.bias
        cdef Py_ssize_t groups = self.weight.shape[0]
        if bias is None:
            return None
        bias = bias.reshape(groups, self.weight.shape[1])[:, first:first + filters].repeat(bundle[1])
        return packed_bias(bias, groups * filters, self.out.dtype)

    def layers(self, str how):
        """The records of layers without stride that compute it, one by one: for each phase of the stride that meets
        taps.

        ``'woven'``: all phases of the last two axes are one record, as far as strides are small and taps near.
        ``'bundled'``: neighbouring columns are the filters of one. ``'inside'``: outputs whose windows reach over the
        ends of x have records of their own, so that no tap meets a border.
        """
        cdef int rank = self.window.rank, i
        cdef list axes = []
        for i in range(rank - (how == "bundled")):
            if how == "woven" and self.weaves(i):
                axes.append([(slice(None), slice(None, None, -1), 1,
                              self.weight.shape[3 + i] - 1 - self.before[i], self.window.stride[i])])
            elif how == "inside":
                inputs = self.x.shape[self.x.ndim - rank + i]
                axes.append([piece for part in self.phases(i) for piece in inside(part, self.sizes[i], inputs)])
            else:
                axes.append(self.phases(i))
        for axis in product(*axes):
            if how == "bundled":
                yield from self.bundled_layers(axis)
                continue
            outputs, taps, dilations, offsets, up = zip(*axis)
            yield with_terms(self.x, self.weight[(Ellipsis, *taps)], self.packed_bias(),
                             self.out[(Ellipsis, *outputs)], (1,) * rank, dilations, offsets, FILL, self.activation, 0,
                             up)

    def bundled_layers(self, tuple axis):
        """The records of outputs in a part of each axis but the last: their columns, in bundles, are filters of a group
        for each filter."""
        cdef int rank = self.window.rank
        cdef cnp.ndarray x = self.x
        filters = self.weight.shape[1]
        at_once = filters if self.weight.shape[0] == 1 else 1
        if at_once > 1:
            shape = (<object> x).shape
            x = np.broadcast_to(x, shape[:x.ndim - rank - 2] + (filters,) + shape[x.ndim - rank - 1:])
        dilations, offsets = [part[2] for part in axis], [part[3] for part in axis]
        columns = bundles_of_axis(self.sizes[rank - 1], self.weight.shape[2 + rank], self.window.stride[rank - 1],
                                  self.window.dilation[rank - 1], self.before[rank - 1])
        for bundle, first in product(columns, range(0, filters, at_once)):
            yield with_terms(x, self.bundled_weight(axis, bundle, first, at_once),
                             self.bundled_bias(bundle, first, at_once),
                             self.bundled_out(axis, bundle, first, at_once), (1,) * rank,
                             (*dilations, bundle[5]), (*offsets, bundle[6]), FILL, self.activation)

    cdef cnp.ndarray bundled_weight(self, tuple axis, list bundle, Py_ssize_t first, Py_ssize_t filters):
        """(groups * filters, phases, channels, *kernel): a view, the taps of all phases backwards."""
        cdef cnp.ndarray w = self.weight[(slice(None), slice(first, first + filters), slice(None),
                                          *[part[1] for part in axis])]
        start, phases, taps = bundle[:3]
        step = self.window.stride[self.window.rank - 1] // gcd(self.window.stride[self.window.rank - 1],
                                                               self.window.dilation[self.window.rank - 1])
        w = w[..., start + (taps - 1) * step:]
        groups, filters, *shape, _ = (<object> w).shape
        group, filter, *strides, tap = (<object> w).strides
        return as_strided(w, (groups * filters, phases, *shape, taps),
                          (filter if filters > 1 else group, tap, *strides, -step * tap), writeable=False)

    cdef cnp.ndarray bundled_out(self, tuple axis, list bundle, Py_ssize_t first, Py_ssize_t filters):
        """(..., groups * filters, phases, *outputs) of the outputs of a bundle."""
        cdef int rank = self.window.rank, group = self.out.ndim - rank - 2
        cdef cnp.ndarray y = self.out[(*(slice(None),) * (group + 1), slice(first, first + filters),
                                       *[part[0] for part in axis])]
        start, phases, outputs = bundle[4], bundle[1], bundle[3]
        y = y[..., start:]
        shape, strides = (<object> y).shape, (<object> y).strides
        column = strides[group + rank + 1]
        return as_strided(
            y, (*shape[:group], shape[group] * filters, phases, *shape[group + 2:group + rank + 1], outputs),
            (*strides[:group], strides[group + (filters > 1)], column * self.window.dilation[rank - 1],
             *strides[group + 2:group + rank + 1], column * self.window.stride[rank - 1]))


cdef cnp.ndarray adjoint_array(Window window, tuple leading, Py_ssize_t channels, bint last, object out,
                               cnp.dtype dtype, object sums, tuple inputs):
    """What a gradient by the input is computed in: the result, unless its border or its sums want an array apart."""
    shape = shape_of(leading, channels, window.sizes, last)
    if not window.folds() and sums == dtype:
        return new_or_given(out, shape, dtype, inputs)
    if out is not None:
        check_out(out, shape, dtype)
    if window.folds():
        shape = shape_of(leading, channels, window.apart().sizes, last)
    check_size(shape, sums.itemsize, "padding", "the padded result")
    return np.empty(shape, sums)


cdef tuple conv_adjoint(cnp.ndarray x, cnp.ndarray w, cnp.ndarray bias, Window window, Py_ssize_t groups, bint last,
                        tuple activation, object out, cnp.dtype dtype, bint conjugate):
    """A transposed layer, the array that it computes, and the window if padding is to be folded.

    With a border other than zeros that is the result as `Window.apart` has it, without bias and activation.
    """
    cdef int rank = window.rank
    cdef bint folds = window.folds()
    cdef cnp.ndarray y = adjoint_array(
        window, split_shape((<object> x).shape, rank, last)[0], w.shape[1] * groups, last, out, dtype,
        np.dtype(np.float32) if folds and dtype.char == "e" else dtype, (x, w))
    before = window.before
    if folds:
        bias, activation, before = None, (IDENTITY, 0.0), (0,) * rank
    elif bias is not None:
        with np.errstate(all="ignore"):
            bias = bias.astype(dtype)    # `out` may overlap it
    w = readable(w.conj() if conjugate and w.dtype.kind == "c" else w, dtype)
    w = w.reshape((groups, w.shape[0] // groups) + (<object> w).shape[1:]).swapaxes(1, 2)
    layer = Transposed(grouped(readable(x, dtype), rank, last, groups), w, bias, grouped(y, rank, last, groups), before,
                       activation, window.apart() if folds else window)
    return layer, y, window if folds else None, dtype


def conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation, output_size, padding_mode,
                   layout, activation, out, dtype, int rank):
    """What `conv_adjoint` returns for the arguments of a transposed layer."""
    cdef cnp.ndarray a = as_array(x, "x"), w = as_array(weight, "weight"), b
    cdef bint last = named(LAYOUTS, layout, "layout")
    kernel = check_kernel((<object> w).shape, rank, "weight")
    cdef Py_ssize_t n = check_groups(groups, w.shape[0], "channels of `weight`")
    rank = w.ndim - 2
    b = checked_bias(bias, of_groups(w.shape[1], n))
    check_channels(a, rank, w.shape[0], last, "x")
    dtype = result_dtype((a, w, b), dtype)
    kind = activated(activation, dtype)
    results = transposed_sizes(split_shape((<object> a).shape, rank, last)[1], kernel, stride, padding, dilation,
                               output_padding, output_size)
    window = Window(kernel, stride, padding, dilation, padding_mode, results)
    return conv_adjoint(a, w, b, <Window> window, n, last, kind, out, dtype, False)


# ---------------------------------------------------------------- gradients

cdef tuple whole_shape(object size, str name):
    if not is_sequence(size):
        raise TypeError(f"`{name}` must be a whole shape, got {size!r}")
    return tuple([whole_number(n, name, 0, SIZES) for n in size])


def conv_input(input_size, weight, grad_output, stride, padding, dilation, groups, padding_mode, layout, out, dtype):
    """`conv_transpose` to an input of that shape, which must be the one that gives the gradient's shape."""
    shape = whole_shape(input_size, "input_size")
    cdef cnp.ndarray g = as_array(grad_output, "grad_output"), w = as_array(weight, "weight")
    cdef bint last = named(LAYOUTS, layout, "layout")
    kernel = check_kernel((<object> w).shape, 0, "weight")
    cdef int rank = w.ndim - 2
    cdef Py_ssize_t n = check_groups(groups, w.shape[0], "filters of `weight`")
    if len(shape) < rank + 1:
        raise ValueError(f"`input_size` must be the whole shape of an input with {rank} spatial axes, got {shape}")
    leading, spatial = split_shape(shape, rank, last)
    cdef Window window = Window(kernel, stride, padding, dilation, padding_mode, spatial, "input_size")
    expected = shape_of(leading, w.shape[0], window.outputs(), last)
    if (<object> g).shape != expected or shape != shape_of(leading, of_groups(w.shape[1], n), spatial, last):
        raise ValueError(f"`grad_output` must have the shape of the layer's result: {expected} for `input_size` "
                         f"{shape} and a weight of shape {(<object> w).shape} in {n} groups, got {(<object> g).shape}")
    return conv_adjoint(g, w, None, window, n, last, (IDENTITY, 0.0), out, result_dtype((g, w), dtype), True)


def conv_weight(x, weight_size, grad_output, stride, padding, dilation, groups, padding_mode, layout, out, dtype):
    """What `weight_gradient` returns for the arguments of a layer."""
    shape = whole_shape(weight_size, "weight_size")
    cdef cnp.ndarray a = as_array(x, "x"), g = as_array(grad_output, "grad_output")
    cdef bint last = named(LAYOUTS, layout, "layout")
    kernel = check_kernel(shape, 0, "weight_size")
    cdef int rank = len(kernel)
    cdef Py_ssize_t n = check_groups(groups, shape[0], "filters of `weight_size`")
    check_channels(a, rank, of_groups(shape[1], n), last, "x")
    leading, sizes = split_shape((<object> a).shape, rank, last)
    cdef Window window = Window(kernel, stride, padding, dilation, padding_mode, sizes)
    expected = shape_of(leading, shape[0], window.outputs(), last)
    if (<object> g).shape != expected:
        raise ValueError(f"`grad_output` must have the shape of the layer's result: {expected} for `x` of shape "
                         f"{(<object> a).shape} and `weight_size` {shape}, got {(<object> g).shape}")
    return weight_gradient(a, g, shape, window, n, last, True, out, dtype)


cdef tuple weight_gradient(cnp.ndarray x, cnp.ndarray g, tuple shape, Window window, Py_ssize_t groups, bint last,
                           bint conjugate_x, object out, object dtype):
    """The record of a layer's gradient by its weight, and the array that it computes.

    It is a layer on the batch: samples are its channels and channels its samples, `g`, the gradient by the result,
    is its weight, and stride and dilation change places.
    """
    cdef int rank = window.rank
    dtype = result_dtype((x, g), dtype)
    cdef cnp.ndarray y = new_or_given(out, shape, dtype, (x, g))
    if dtype.kind == "c":
        x, g = (x.conj(), g) if conjugate_x else (x, g.conj())
    x, g = grouped(readable(x, dtype), rank, last, groups), grouped(readable(g, dtype), rank, last, groups)
    target = in_groups(y, rank + 1, groups)
    if is_product(window):
        return [product_gradient(x, g, target, rank)], y
    return [samples_gradient(x, g, target.transpose(2, 0, 1, *range(3, rank + 3)), window.dilation, window.stride,
                             window.before, window.boundary)], y


cdef Convolution samples_gradient(cnp.ndarray x, cnp.ndarray g, cnp.ndarray target, tuple stride, tuple dilation,
                                  tuple before, int boundary):
    """The record of a weight gradient, of views by groups: target (channels, groups, filters, *kernel).

    Samples along the longest leading axis are channels; other leading axes, which need not be evenly spaced with it,
    are axes of the kernel. All of them are where a group has a few weights only: then it is a layer of one channel.
    """
    cdef int rank = len(stride), more, sample = 0
    if max(x.shape[x.ndim - rank - 1], g.shape[g.ndim - rank - 1]) < FEW_CHANNELS or x.ndim == rank + 2:
        x, g = x[None], g[None]
    else:
        lead = (<object> x).shape[:x.ndim - rank - 2]
        sample = lead.index(max(lead))
    more = x.ndim - rank - 3
    target = target[(slice(None), slice(None), slice(None), *(None,) * more)]
    return with_terms(samples_inside(x, rank, sample, (2, 1, 0)), samples_inside(g, rank, sample, (1, 2, 0)), None,
                      target, (1,) * more + stride, (1,) * more + dilation, (0,) * more + before, boundary,
                      (IDENTITY, 0.0))


cdef Convolution product_gradient(cnp.ndarray x, cnp.ndarray g, cnp.ndarray target, int rank):
    """The weight gradient of a layer that is a product of matrices: another one, summed over pixels and samples.

    Pixels are its channels, a window over all samples its kernel, and the channels of the smaller factor its filters.
    """
    shape, axes = (<object> x).shape, x.ndim - rank - 2
    lead, pixels = shape[:axes] or (1,), prod(shape[axes + 2:])
    x = x.reshape(lead + shape[axes:axes + 2] + (pixels,))
    g = g.reshape(lead + (shape[axes], g.shape[axes + 1], pixels))
    axes = len(lead)
    target = target[(..., *(0,) * rank)]
    if g.shape[axes + 1] > x.shape[axes + 1]:
        x, g, target = g, x, target.swapaxes(1, 2)
    target = target[(slice(None), slice(None), *(None,) * axes)]
    return with_terms(x.transpose(axes, axes + 2, *range(axes), axes + 1),
                      g.transpose(axes, axes + 1, axes + 2, *range(axes))[..., None], None, target, (1,) * (axes + 1),
                      (1,) * (axes + 1), (0,) * (axes + 1), FILL, (IDENTITY, 0.0))


def conv_transpose_input(input_size, weight, grad_output, stride, padding, output_padding, groups, dilation,
                         padding_mode, layout, out, dtype):
    """The record of `conv` back from the transposed layer's result, as far as its input went."""
    shape = whole_shape(input_size, "input_size")
    cdef cnp.ndarray g = as_array(grad_output, "grad_output"), w = as_array(weight, "weight"), y
    cdef bint last = named(LAYOUTS, layout, "layout")
    kernel = check_kernel((<object> w).shape, 0, "weight")
    cdef int rank = w.ndim - 2
    cdef Py_ssize_t n = check_groups(groups, w.shape[0], "channels of `weight`")
    if len(shape) < rank + 1:
        raise ValueError(f"`input_size` must be the whole shape of an input with {rank} spatial axes, got {shape}")
    check_channels(g, rank, of_groups(w.shape[1], n), last, "grad_output")
    leading, spatial = split_shape(shape, rank, last)
    cdef Window window = transposed_window(g, spatial, kernel, stride, padding, dilation, output_padding, padding_mode,
                                           last)
    check_transposed(g, shape, shape_of(leading, w.shape[0], spatial, last), leading, rank, last)
    dtype = result_dtype((g, w), dtype)
    y = new_or_given(out, shape, dtype, (g, w))
    w = readable(w.conj() if w.dtype.kind == "c" else w, dtype)
    return [with_terms(
        grouped(readable(g, dtype), rank, last, n), w.reshape((n, w.shape[0] // n) + (<object> w).shape[1:]), None,
        grouped(y, rank, last, n), window.stride, window.dilation, window.before, window.boundary, (IDENTITY, 0.0))], y


cdef Window transposed_window(cnp.ndarray g, tuple sizes, tuple kernel, stride, padding, dilation, output_padding,
                              padding_mode, bint last):
    """The window of a transposed layer from `sizes` to the spatial sizes of `g`, which must be within its reach."""
    cdef int rank = len(kernel)
    spatial = split_shape((<object> g).shape, rank, last)[1]
    given = any(per_axis(output_padding, rank, "output_padding", 0))
    try:
        fits = spatial == transposed_sizes(sizes, kernel, stride, padding, dilation, output_padding,
                                           None if given else spatial)
    except ValueError as error:
        if "output_size" not in str(error):
            raise
        fits = False
    if not fits:
        raise ValueError(f"`grad_output` must have spatial sizes that the layer gives for an input of {sizes}: "
                         f"{transposed_sizes(sizes, kernel, stride, padding, dilation, output_padding, None)}"
                         f"{'' if given else ' or as many more as `output_size` may ask for'}, got {spatial}")
    return Window(kernel, stride, padding, dilation, padding_mode, spatial)


cdef int check_transposed(cnp.ndarray g, tuple given, tuple shape, tuple leading, int rank, bint last) except -1:
    if given != shape or split_shape((<object> g).shape, rank, last)[0] != leading:
        raise ValueError(f"`grad_output` must be of the shape of the layer's result: for an input of shape {given} and "
                         f"this weight, got {(<object> g).shape}")
    return 0


def conv_transpose_weight(x, weight_size, grad_output, stride, padding, output_padding, groups, dilation, padding_mode,
                          layout, out, dtype):
    """The record of the gradient by the weight: that of `conv`, whose input is this layer's result."""
    shape = whole_shape(weight_size, "weight_size")
    cdef cnp.ndarray a = as_array(x, "x"), g = as_array(grad_output, "grad_output")
    cdef bint last = named(LAYOUTS, layout, "layout")
    kernel = check_kernel(shape, 0, "weight_size")
    cdef int rank = len(kernel)
    cdef Py_ssize_t n = check_groups(groups, shape[0], "channels of `weight_size`")
    check_channels(a, rank, shape[0], last, "x")
    check_channels(g, rank, of_groups(shape[1], n), last, "grad_output")
    leading, spatial = split_shape((<object> a).shape, rank, last)
    window = transposed_window(g, spatial, kernel, stride, padding, dilation, output_padding, padding_mode, last)
    check_transposed(g, (<object> a).shape, (<object> a).shape, leading, rank, last)
    return weight_gradient(g, a, shape, window, n, last, False, out, dtype)


cdef bint is_product(Window window):
    """Whether a layer is a product of matrices: no kernel to speak of, no stride, no padding."""
    return max(window.kernel) == 1 and max(window.stride) == 1 and not max(window.before + window.after)


cdef cnp.ndarray samples_inside(cnp.ndarray a, int rank, int sample, tuple order):
    """(*leading, groups, channels, *spatial) as samples, along leading axis `sample`, groups and channels in another
    order, then the other leading axes and the spatial ones."""
    cdef int lead = a.ndim - rank - 2
    axes = sample, lead, lead + 1
    return a.transpose(*[axes[i] for i in order], *range(sample), *range(sample + 1, lead), *range(lead + 2, a.ndim))


# ---------------------------------------------------------------- windows as columns

cdef int rank_of(object kernel_size, int axes) except -1:
    """The spatial axes that `kernel_size` speaks of; a single number speaks of all after the first two."""
    cdef int rank = len(kernel_size) if is_sequence(kernel_size) else axes - 2
    if rank < 1:
        raise ValueError("`kernel_size` must name at least one spatial axis; a single number takes all axes after the "
                         f"first two, got {kernel_size!r} for an array with {axes} axes")
    return rank


cdef cnp.ndarray columns_of(cnp.ndarray a, Window window, bint last):
    """A view (..., C, *kernel, *outputs) of columns in the caller's layout."""
    view = a.swapaxes(-1, -2) if last else a
    shape = view.shape
    return view.reshape((*shape[:len(shape) - 2], shape[len(shape) - 2] // prod(window.kernel), *window.kernel,
                         *window.outputs()))


def im2col(x, kernel_size, stride, padding, dilation, padding_mode, layout, out, dtype):
    """Views (..., C, *spatial) of x and (..., C, *kernel, *outputs) of the result, the result, and the window."""
    cdef cnp.ndarray a = as_array(x, "x"), y
    cdef bint last = named(LAYOUTS, layout, "layout")
    cdef int rank = rank_of(kernel_size, a.ndim)
    kernel = per_axis(kernel_size, rank, "kernel_size", 1, SIZES)
    if a.ndim < rank + 1:
        raise ValueError(f"`x` must have channels and {rank} spatial axes, got shape {(<object> a).shape}")
    leading, sizes = split_shape((<object> a).shape, rank, last)
    cdef Window window = Window(kernel, stride, padding, dilation, padding_mode, sizes)
    dtype = result_dtype((a,), dtype)
    if a.dtype.kind == "c" and dtype.kind != "c":    # NumPy's warning comes before work
        a = cast(a, dtype)
    first = channels_first(a, rank, last)
    rows, length = first.shape[first.ndim - rank - 1] * prod(kernel), prod(window.outputs())
    y = new_or_given(out, leading + ((length, rows) if last else (rows, length)), dtype, (a,))
    return first, columns_of(y, window, last), y, window


def col2im(cols, output_size, kernel_size, stride, padding, dilation, padding_mode, layout, out, dtype):
    """The view of the columns, zeros of the result or of what is folded to it, the dtype, and the window."""
    cdef cnp.ndarray a = as_array(cols, "cols")
    cdef bint last = named(LAYOUTS, layout, "layout")
    sizes = [s for s in (output_size, kernel_size) if is_sequence(s)]
    if not sizes:
        raise ValueError("`output_size` must hold one number for each spatial axis (a tuple), or `kernel_size` must, "
                         f"got {output_size!r} and {kernel_size!r}")
    cdef int rank = max([rank_of(s, 0) for s in sizes])    # one number stands for all axes
    kernel = per_axis(kernel_size, rank, "kernel_size", 1, SIZES)
    cdef Window window = Window(kernel, stride, padding, dilation, padding_mode,
                                per_axis(output_size, rank, "output_size", 0, SIZES), "output_size")
    area, length = prod(kernel), prod(window.outputs())
    leading, given = (<object> a).shape[:max(0, a.ndim - 2)], (<object> a).shape[max(0, a.ndim - 2):]
    if last:
        given = tuple(reversed(given))
    if a.ndim < 2 or given[0] % area or given[1] != length:
        raise ValueError(f"`cols` must have {length} columns of channels x {area} elements, for `output_size` "
                         f"{window.sizes} and `kernel_size` {kernel}, got shape {(<object> a).shape}")
    dtype = result_dtype((a,), dtype)
    channels = given[0] // area
    if out is not None:
        check_out(out, shape_of(leading, channels, window.sizes, last), dtype)
    summed = np.float32 if dtype.char == "e" else dtype
    shape = leading + (channels,) + (window.apart().sizes if window.folds() else window.sizes)
    check_size(shape, np.dtype(summed).itemsize, "padding", "the padded result")
    spread = np.zeros(shape, summed)
    if a.dtype != dtype:
        a = cast(a, dtype)
    return columns_of(a, window, last), spread, dtype, window


def in_layout(cnp.ndarray a, int rank, layout):
    """Channels first to the caller's layout."""
    return np.moveaxis(a, a.ndim - rank - 1, -1) if LAYOUTS[layout] else a


# ---------------------------------------------------------------- transposed layers with a border other than zeros

def folded(cnp.ndarray spread, Window window, padding_mode, layout):
    """The result of a transposed layer with its border folded back, in the type of the sums."""
    cdef bint last = LAYOUTS[layout]
    return in_layout(fold(channels_first(spread, window.rank, last), window, padding_mode), window.rank, layout)


def pointwise(cnp.ndarray x, bias, activation, layout, int rank):
    """The record of bias and activation alone, and the array that it computes: one weight, 1, for each channel."""
    cdef bint last = LAYOUTS[layout]
    cdef Py_ssize_t channels = x.shape[x.ndim - 1 if last else x.ndim - rank - 1]
    if bias is not None:
        with np.errstate(all="ignore"):
            bias = np.asarray(bias).astype(x.dtype)
    if x.dtype.kind == "c":    # no products with 1: infinity times its imaginary part is NaN
        with np.errstate(all="ignore"):
            x += bias.reshape((channels,) + (1,) * (0 if last else rank))
        return [], x
    one = np.broadcast_to(np.ones(1, x.dtype), (channels, 1) + (1,) * rank)
    return conv(x, one, bias, 1, 0, 1, channels, "zeros", layout,
                activation, None, x.dtype, rank)


def check_layer(weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation):
    """The errors of a layer that can be told without its input."""
    cdef cnp.ndarray w = as_array(weight, "weight"), b = None
    named(LAYOUTS, layout, "layout")
    kernel = check_kernel((<object> w).shape, 0, "weight")
    check_groups(groups, w.shape[0], "filters of `weight`")
    b = checked_bias(bias, w.shape[0])
    activated(activation, result_dtype((w, b), None))
    Window(kernel, stride, padding, dilation, padding_mode, (1,) * (w.ndim - 2))


cdef int spatial_axes(cnp.ndarray g, object rank) except -1:
    """How many axes of a gradient are spatial."""
    cdef Py_ssize_t spatial = g.ndim - 2 if rank is None else whole_number(rank, "rank", 1)
    if g.ndim < spatial + 1 or spatial < 1:
        raise ValueError(f"`grad_output` must have channels and {max(1, spatial)} spatial axes (`rank`; if it is not "
                         f"given, all axes but two are spatial), got shape {(<object> g).shape}")
    return spatial


def conv_bias(grad_output, rank, layout, out, dtype):
    """The gradient to be summed over everything but the channels, the sizes of its spatial axes, and the dtype."""
    cdef cnp.ndarray g = as_array(grad_output, "grad_output")
    cdef bint last = named(LAYOUTS, layout, "layout")
    cdef int spatial = spatial_axes(g, rank)
    dtype = result_dtype((g,), dtype)
    if out is not None:
        check_out(out, (g.shape[g.ndim - 1 if last else g.ndim - spatial - 1],), dtype)
    return g, split_shape((<object> g).shape, spatial, last)[1], dtype


def rounded(cnp.ndarray sums, dtype, out):
    """The sums as an array of their own, or in `out`: they were part of a padded one, those of float16 in float32."""
    with np.errstate(all="ignore"):
        if out is not None and sums.dtype == dtype:
            return finished(sums, out)
        return sums.astype(dtype, order="C", copy=False)
