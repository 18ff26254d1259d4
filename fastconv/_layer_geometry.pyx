"""The gate of the layers: their arguments, checked and normalised once, become records for the kernels.

Layouts, groups, flips and transpositions are views of the caller's arrays here, so that the kernels know one layer:
x (..., groups, channels, *spatial), weight (groups, filters, channels, *kernel), out (..., groups, filters, *spatial).
"""
from itertools import product
from math import gcd, prod
from operator import index

cimport numpy as cnp
import numpy as np

from fastconv._windows import fold

from fastconv._geometry cimport (
    COMPUTED, PART, SIZE, as_array, check_dtype, check_out, computes_into, named, reads_by_lines,
)
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
cdef object MOST = 2**31    # so that products of sizes, strides and dilations stay numbers of the machine
# Strides whose phases are computed together: what a tile takes grows with it.
cdef Py_ssize_t MOST_WOVEN = 8
cdef tuple PADDINGS = ("valid", "same", "same_lower", "full", "causal")


# ---------------------------------------------------------------- numbers

cdef bint is_sequence(object value):
    """Whether it speaks of the axes one by one; a 0-d array is a number."""
    return not isinstance(value, (int, str, bytes)) and hasattr(value, "__len__") and getattr(value, "ndim", 1) > 0


cdef object whole_number(object value, str name, Py_ssize_t least):
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"`{name}` must be made of whole numbers, got {value!r}") from None
    if not least <= number < MOST:
        raise ValueError(f"`{name}` must be at least {least} and less than 2**31, got {number}")
    return number


cdef tuple per_axis(object value, int rank, str name, Py_ssize_t least):
    """A whole number for each axis, from one for all or a sequence of them."""
    if not is_sequence(value):
        return (whole_number(value, name, least),) * rank
    if len(value) != rank:
        raise ValueError(f"`{name}` must be one number, or one for each of the {rank} spatial axes, got {value!r}")
    return tuple([whole_number(v, name, least) for v in value])


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
        if isinstance(padding, str):
            if padding not in PADDINGS:
                raise ValueError(
                    f"`padding` must be numbers or one of {', '.join(map(repr, PADDINGS))}, got {padding!r}")
            both = [named_pads(padding, n, d * (k - 1) + 1, s)
                    for n, k, d, s in zip(sizes, kernel, self.dilation, self.stride)]
        elif is_sequence(padding):
            if len(padding) != rank:
                raise ValueError("`padding` must be one number, or a number or a pair (before, after) for each of the "
                                 f"{rank} spatial axes, got {padding!r}")
            both = [pads(p) for p in padding]
        else:
            both = [pads(padding)] * rank
        self.before = tuple([p[0] for p in both])
        self.after = tuple([p[1] for p in both])
        if self.boundary != FILL and not all([n or not any(p) for n, p in zip(sizes, both)]):
            raise ValueError(f"`padding_mode`: an empty axis can only be padded with 'zeros', got {padding_mode!r} for "
                             f"spatial sizes {sizes}")

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
    return a if reads_by_lines(a, dtype) else a.astype(dtype)


cdef object result_dtype(tuple inputs, object dtype):
    if dtype is not None:
        dtype = np.dtype(dtype)
        check_dtype(dtype, "dtype")
    else:
        first = inputs[0].dtype
        dtype = first
        for a in inputs:
            if a is not None and a.dtype is not first:
                dtype = np.result_type(*[a for a in inputs if a is not None])
                break
    return dtype if dtype.isnative else dtype.newbyteorder("=")


cdef tuple activated(object activation, cnp.dtype dtype):
    """The activation and its slope, if the dtype has it."""
    cdef double slope = 0.01
    name = activation
    if isinstance(activation, tuple) and len(activation) == 2 and activation[0] == "leaky_relu":
        name = activation[0]
        try:
            slope = activation[1]
        except TypeError:
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
    cdef cnp.ndarray values = bias.astype(dtype, order="C")    # in which parts and banks follow each other
    banks = prod((<object> bias).shape[:bias.ndim - 1])
    if dtype.char == "e":
        values = values.astype(np.float32)
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
    if not banked:
        as_one_row(s)
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
    s.boundary = <Boundary> boundary
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
        raise ValueError(f"`groups` must divide the {n} {what}, got {groups}")
    return number


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
    check_channels(a, rank, w.shape[1] * n, last, "x")
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
        usual = per_axis(output_size, rank, "output_size", 0)
        for n, low, more in zip(usual, least, reach):
            if not low <= n <= low + more:
                raise ValueError(f"`output_size` must be from {tuple(least)} to "
                                 f"{tuple([a + b for a, b in zip(least, reach)])} for an input of spatial "
                                 f"sizes {sizes}, got {output_size!r}")
    if min(usual, default=0) < 0:
        raise ValueError(f"`padding` must not be larger than the result: it leaves spatial sizes {usual}")
    return usual


cdef tuple phase(Py_ssize_t first, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation, Py_ssize_t before):
    """One axis of the outputs first, first + stride, ... of a transposed layer, which are those of a plain layer.

    Output o meets input i at tap j where o = i * stride + j * dilation - before: for these outputs, at every
    (stride / g)-th tap from some j on, with inputs dilation / g apart, g the greatest common divisor.

    Returns those taps, backwards, the plain layer's dilation, and its offset.
    """
    cdef Py_ssize_t g = gcd(stride, dilation), step = stride // g, j = 0, n
    while j < min(step, taps) and (first + before - j * dilation) % stride:
        j += 1
    if j >= min(step, taps):
        return slice(0, 0), 1, 0
    n = (taps - j + step - 1) // step
    last = j + (n - 1) * step
    return (slice(last, j - 1 if j else None, -step), dilation // g,
            (n - 1) * (dilation // g) - (first + before - j * dilation) // stride)


cdef list phases_of_axis(Py_ssize_t n, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation, Py_ssize_t before):
    """What `record` wants of an axis, phase by phase: its outputs, its taps, dilation, offset, and `up`."""
    return [(slice(first, None, stride), *phase(first, taps, stride, dilation, before), 1)
            for first in range(min(stride, n))]


cdef class Transposed:
    """A transposed layer, checked, of views x (..., groups, channels, *spatial), weight (groups, filters, channels,
    *kernel) and out (..., groups, filters, *outputs)."""

    def __init__(self, cnp.ndarray x, cnp.ndarray weight, cnp.ndarray bias, cnp.ndarray out, tuple before,
                 tuple activation, Window window):
        self.x, self.weight, self.bias, self.out = x, weight, bias, out
        self.before, self.activation, self.window = before, activation, window

    cpdef list layers(self, bint woven):
        """The records of layers without stride that compute it, one for each phase of the stride.

        With `woven`, all phases of the last two axes are one record, as far as strides are small and taps near.
        """
        cdef int rank = self.window.rank, i
        cdef list axes = [], records = []
        shape, sizes = (<object> self.weight).shape[3:], (<object> self.out).shape[self.out.ndim - rank:]
        for i in range(rank):
            stride, dilation = self.window.stride[i], self.window.dilation[i]
            if woven and i >= rank - 2 and 1 < stride <= MOST_WOVEN and dilation == 1:
                axes.append([(slice(None), slice(None, None, -1), 1, shape[i] - 1 - self.before[i], stride)])
            else:
                axes.append(phases_of_axis(sizes[i], shape[i], stride, dilation, self.before[i]))
        for axis in product(*axes):
            outputs, taps, dilations, offsets, up = zip(*axis)
            records.append(with_terms(self.x, self.weight[(Ellipsis, *taps)], self.bias,
                                      self.out[(Ellipsis, *outputs)], (1,) * rank, dilations, offsets, FILL,
                                      self.activation, 0, up))
        return records


cdef cnp.ndarray adjoint_array(Window window, tuple leading, Py_ssize_t channels, bint last, object out,
                               cnp.dtype dtype, object sums, tuple inputs):
    """What a gradient by the input is computed in: the result, unless its border or its sums want an array apart."""
    shape = shape_of(leading, channels, window.sizes, last)
    if not window.folds() and sums == dtype:
        return new_or_given(out, shape, dtype, inputs)
    if out is not None:
        check_out(out, shape, dtype)
    return np.empty(shape_of(leading, channels, window.padded(), last) if window.folds() else shape, sums)


cdef tuple conv_adjoint(cnp.ndarray x, cnp.ndarray w, cnp.ndarray bias, Window window, Py_ssize_t groups, bint last,
                        tuple activation, object out, cnp.dtype dtype, bint conjugate):
    """A transposed layer, the array that it computes, and the window if padding is to be folded.

    With a border other than zeros that is the padded result, without bias and activation.
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
        bias = packed_bias(bias, groups, dtype)
    w = readable(w.conj() if conjugate and w.dtype.kind == "c" else w, dtype)
    w = w.reshape((groups, w.shape[0] // groups) + (<object> w).shape[1:]).swapaxes(1, 2)
    layer = Transposed(grouped(readable(x, dtype), rank, last, groups), w, bias, grouped(y, rank, last, groups), before,
                       activation, window)
    return layer, y, window if folds else None, dtype


def conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation, output_size, padding_mode,
                   layout, activation, out, dtype, int rank):
    """What `conv_adjoint` returns for the arguments of a transposed layer."""
    cdef cnp.ndarray a = as_array(x, "x"), w = as_array(weight, "weight"), b
    cdef bint last = named(LAYOUTS, layout, "layout")
    kernel = check_kernel((<object> w).shape, rank, "weight")
    cdef Py_ssize_t n = check_groups(groups, w.shape[0], "channels of `weight`")
    rank = w.ndim - 2
    b = checked_bias(bias, w.shape[1] * n)
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
    return tuple([whole_number(n, name, 0) for n in size])


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
    if (<object> g).shape != expected or shape != shape_of(leading, w.shape[1] * n, spatial, last):
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
    check_channels(a, rank, shape[1] * n, last, "x")
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
    x = samples_inside(x, rank, (2, 1, 0))
    g = samples_inside(g, rank, (1, 2, 0))
    target = target.transpose(2, 0, 1, *range(3, rank + 3))
    return [with_terms(x, g, None, target, window.dilation, window.stride, window.before, window.boundary,
                       (IDENTITY, 0.0))], y


cdef Convolution product_gradient(cnp.ndarray x, cnp.ndarray g, cnp.ndarray target, int rank):
    """The weight gradient of a layer that is a product of matrices: another one, summed over pixels and samples.

    Pixels are its channels, a window over all samples its kernel, and the channels of the smaller factor its filters.
    """
    shape, axes = (<object> x).shape, x.ndim - rank - 2
    x = x.reshape((prod(shape[:axes]),) + shape[axes:axes + 2] + (prod(shape[axes + 2:]),))
    g = g.reshape((<object> x).shape[:2] + (g.shape[axes + 1], x.shape[3]))
    target = target[(..., *(0,) * rank)]
    if g.shape[2] > x.shape[2]:
        x, g, target = g, x, target.swapaxes(1, 2)
    return with_terms(x.transpose(1, 3, 0, 2), g.transpose(1, 2, 3, 0)[..., None], None, target[:, :, None], (1, 1),
                      (1, 1), (0, 0), FILL, (IDENTITY, 0.0))


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
    check_channels(g, rank, w.shape[1] * n, last, "grad_output")
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
    check_channels(g, rank, shape[1] * n, last, "grad_output")
    leading, spatial = split_shape((<object> a).shape, rank, last)
    window = transposed_window(g, spatial, kernel, stride, padding, dilation, output_padding, padding_mode, last)
    check_transposed(g, (<object> a).shape, (<object> a).shape, leading, rank, last)
    return weight_gradient(g, a, shape, window, n, last, False, out, dtype)


cdef bint is_product(Window window):
    """Whether a layer is a product of matrices: no kernel to speak of, no stride, no padding."""
    return max(window.kernel) == 1 and max(window.stride) == 1 and not max(window.before + window.after)


cdef cnp.ndarray samples_inside(cnp.ndarray a, int rank, tuple order):
    """(*leading, groups, channels, *spatial) with all leading axes as one, in another order of the first three."""
    shape = (<object> a).shape
    cdef int lead = a.ndim - rank - 2
    samples = 1
    for n in shape[:lead]:
        samples *= n
    return a.reshape((samples,) + shape[lead:]).transpose(*order, *range(3, rank + 3))


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
    kernel = per_axis(kernel_size, rank, "kernel_size", 1)
    if a.ndim < rank + 1:
        raise ValueError(f"`x` must have channels and {rank} spatial axes, got shape {(<object> a).shape}")
    first = channels_first(a, rank, last)
    leading, sizes = split_shape((<object> a).shape, rank, last)
    cdef Window window = Window(kernel, stride, padding, dilation, padding_mode, sizes)
    dtype = result_dtype((a,), dtype)
    rows, length = first.shape[first.ndim - rank - 1] * prod(kernel), prod(window.outputs())
    y = new_or_given(out, leading + ((length, rows) if last else (rows, length)), dtype, (a,))
    return first, columns_of(y, window, last), y, window


def col2im(cols, output_size, kernel_size, stride, padding, dilation, padding_mode, layout, out, dtype):
    """The view of the columns, the padded result full of zeros, and what becomes of it: dtype, layout, window."""
    cdef cnp.ndarray a = as_array(cols, "cols")
    cdef bint last = named(LAYOUTS, layout, "layout")
    sizes = [s for s in (output_size, kernel_size) if is_sequence(s)]
    if not sizes:
        raise ValueError("`output_size` must hold one number for each spatial axis (a tuple), or `kernel_size` must, "
                         f"got {output_size!r} and {kernel_size!r}")
    cdef int rank = rank_of(sizes[0], 0)
    kernel = per_axis(kernel_size, rank, "kernel_size", 1)
    cdef Window window = Window(kernel, stride, padding, dilation, padding_mode,
                                per_axis(output_size, rank, "output_size", 0), "output_size")
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
    padded = np.zeros(leading + (channels,) + window.padded(), summed)
    return columns_of(a, window, last).astype(dtype, copy=False), padded, dtype, window


def in_layout(cnp.ndarray a, int rank, layout):
    """Channels first to the caller's layout."""
    return np.moveaxis(a, a.ndim - rank - 1, -1) if LAYOUTS[layout] else a


# ---------------------------------------------------------------- transposed layers with a border other than zeros

def folded(cnp.ndarray padded, Window window, padding_mode, layout):
    """The padded result of a transposed layer with its border folded back, in the type of the sums."""
    cdef bint last = LAYOUTS[layout]
    return in_layout(fold(channels_first(padded, window.rank, last), window, padding_mode), window.rank, layout)


def pointwise(cnp.ndarray x, bias, activation, layout, int rank):
    """The record of bias and activation alone, and the array that it computes: one weight, 1, for each channel."""
    cdef bint last = LAYOUTS[layout]
    cdef Py_ssize_t channels = x.shape[x.ndim - 1 if last else x.ndim - rank - 1]
    if x.dtype.kind == "c":    # no products with 1: infinity times its imaginary part is NaN
        x += np.asarray(bias).reshape((channels,) + (1,) * (0 if last else rank))
        return [], x
    one = np.broadcast_to(np.ones(1, x.dtype), (channels, 1) + (1,) * rank)
    return conv(x, one, None if bias is None else np.asarray(bias).astype(x.dtype), 1, 0, 1, channels, "zeros", layout,
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
    cdef int spatial = g.ndim - 2 if rank is None else whole_number(rank, "rank", 1)
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
    with np.errstate(over="ignore"):
        if out is not None and sums.dtype == dtype:
            return finished(sums, out)
        return sums.astype(dtype, order="C", copy=False)
