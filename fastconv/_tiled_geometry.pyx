"""The gate of tiled layers, whose weight has a bank of filters for each position of a tile.

Output o uses bank o % tiles, axis by axis. The outputs of one bank are those of a plain layer with `tiles` times the
stride, and so are its gradients: `plain_layers` says which. Where hardly any outputs share a bank, that would be too
many layers; `unshared` is the record of all banks at once.
"""
from itertools import product
from math import prod

cimport numpy as cnp
import numpy as np

from fastconv._layer_geometry import finished, folded, rounded

from fastconv._geometry cimport COMPUTED, PART, SIZE, as_array, check_out, check_size, named
from fastconv._layer_geometry cimport (
    LAYOUTS, SIZES, Window, activated, adjoint_array, channels_first, check_channels, check_groups, grouped, in_groups,
    is_sequence, new_or_given, of_groups, packed_bias, readable, record, result_dtype, samples_gradient, shape_of,
    spatial_axes, split_shape, whole_number, whole_shape, with_terms,
)
from fastconv._phases cimport inside, outputs_of, phases_of_axis
from fastconv.kernels.layer cimport IDENTITY, INPUT, RESULT, WEIGHT, Convolution
from fastconv.kernels.problem cimport FILL

cnp.import_array()

cdef tuple NO_ACTIVATION = (IDENTITY, 0.0)
cdef object MOST_STEP = 2**62    # from one output of a bank to the next
# What shares of a gradient by the input are added up in, where that is not its dtype.
cdef dict SUMS = {"e": np.dtype(np.float32), "b": np.dtype(np.uint16), "B": np.dtype(np.uint16)}


# ---------------------------------------------------------------- what is to be computed

cdef class Tiled:
    """A tiled layer, or a gradient of one, checked: of the arrays x, weight and out one is computed from the others.

    They are views: x (..., groups, channels, *spatial), weight (*tiles, groups, filters, channels, *kernel) and out
    (..., groups, filters, *outputs).
    """
    def __init__(self, Window window, tuple tiles, int wanted):
        if max([s * t for s, t in zip(window.stride, tiles)]) >= MOST_STEP:
            raise ValueError("`stride`, times the tiles, must be less than 2**62 along each axis, got "
                             f"{window.stride} for {tiles} tiles")
        self.window, self.tiles, self.wanted, self.rank = window, tiles, wanted, window.rank
        self.outputs = window.outputs()
        self.before, self.activation = window.before, NO_ACTIVATION
        self.banks = prod(tiles)
        self.outputs_of_a_bank = prod([(n + t - 1) // t for n, t in zip(self.outputs, tiles)])
        self.padding_mode = None

    @property
    def weight_bytes(self):
        return self.weight.nbytes

    @property
    def products(self):
        """How many are summed."""
        shape = self.weight.shape
        return self.out.size * prod(shape[self.rank + 2:]) * (4 if self.dtype.kind == "c" else 1)

    def banked_layers(self):
        """The records of layers that compute it, their banks in turn along the last two axes."""
        cdef int outers = max(0, self.rank - 2), banked = self.rank - outers
        steps = tuple([s * t for s, t in zip(self.window.stride, self.tiles)])[:outers] + self.window.stride[outers:]
        layers = []
        for place in product(*map(range, self.tiles[:outers])):
            out = self.out[(Ellipsis, *[slice(p, None, t) for p, t in zip(place, self.tiles)],
                            *(slice(None),) * banked)]
            bias, banks = self.bias, prod(self.tiles[outers:])
            if bias is not None and len(bias) > 1:
                first = np.ravel_multi_index((*place, *(0,) * banked), self.tiles)
                bias = bias[first:first + banks]
            if out.size:
                before = [b - p * s for b, p, s in zip(self.before, place, self.window.stride)]
                layers.append(with_terms(self.x, self.weight[place], bias, out, steps, self.window.dilation,
                                         (*before, *self.before[outers:]), self.window.boundary, self.activation,
                                         banked))
        return layers

    def plain_layers(self):
        """The records of layers that compute it bank by bank, or phase by phase, one by one."""
        if self.wanted == INPUT:
            yield from self.input_phases()
            return
        steps = tuple([s * t for s, t in zip(self.window.stride, self.tiles)])
        x = self.x.conj() if self.wanted == WEIGHT and self.x.dtype.kind == "c" else self.x
        for place in product(*map(range, self.tiles)):
            part = self.bank(place, steps, x)
            if part is not None:
                yield part

    cdef Convolution bank(self, tuple place, tuple steps, cnp.ndarray x):
        """The layer of one bank's outputs."""
        cdef cnp.ndarray out, bias = None, weight = self.weight[place]
        before = tuple([b - p * s for b, p, s in zip(self.before, place, self.window.stride)])
        out = self.out[(Ellipsis, *[slice(p, None, t) for p, t in zip(place, self.tiles)])]
        if self.wanted == RESULT:
            if self.bias is not None:
                bias = self.bias[np.ravel_multi_index(place, self.tiles) if len(self.bias) > 1 else 0]
            return with_terms(x, weight, bias, out, steps, self.window.dilation, before, self.window.boundary,
                              self.activation) if out.size else None
        return samples_gradient(x, out, weight.transpose(2, 0, 1, *range(3, self.rank + 3)), self.window.dilation,
                                steps, before, self.window.boundary)

    def input_phases(self):
        """The adjoint: inputs `steps` apart meet the same taps of the same banks, with outputs `tiles` apart.

        Where a weight is not finite, also those whose windows reach over the ends of the outputs apart from others, so
        that no tap meets a border. Inputs that no output saw are in no phase.
        """
        cdef list axes = []
        cdef int i
        sizes = self.x.shape[self.x.ndim - self.rank:]
        finite = self.weight.dtype.kind not in "fc" or np.isfinite(self.weight).all()
        for i in range(self.rank):
            parts = phases_of_axis(sizes[i], self.window.kernel[i], self.window.stride[i], self.window.dilation[i],
                                   self.before[i], self.tiles[i])
            axes.append(parts if finite else [piece for part in parts for piece in inside(
                part, sizes[i], self.outputs[i], self.tiles[i])])
        if prod([outputs_of(parts, n) for parts, n in zip(axes, sizes)]) < prod(sizes):
            self.x.fill(0)
        for parts in product(*axes):
            outputs, taps, dilations, offsets, _ = zip(*parts)
            yield with_terms(self.out, self.weight_of_phase(taps, dilations, offsets), None,
                             self.x[(Ellipsis, *outputs)], self.tiles, dilations, offsets, FILL, NO_ACTIVATION)

    cdef cnp.ndarray weight_of_phase(self, tuple parts, tuple dilations, tuple offsets):
        """A copy of the taps that a phase meets, each from its bank, and conjugated: (groups, C, K, *taps)."""
        cdef list banks = [], taps = []
        for part, dilation, offset, kernel, tiles in zip(parts, dilations, offsets, self.window.kernel, self.tiles):
            taps.append(np.arange(kernel)[part])
            banks.append((np.arange(taps[len(taps) - 1].size) * dilation - offset) % tiles)
        everything = slice(None)
        weight = self.weight[(*np.ix_(*banks), everything, everything, everything, *np.ix_(*taps))]
        if weight.dtype.kind == "c":
            np.conj(weight, out=weight)
        return weight.transpose(self.rank, self.rank + 2, self.rank + 1, *range(self.rank))

    def unshared(self):
        """The record of all banks at once."""
        cdef Convolution p = record(self.x, self.weight, self.bias, self.out, self.window.stride, self.window.dilation,
                                    self.before, FILL if self.wanted == INPUT else self.window.boundary,
                                    self.activation, self.rank)
        result = self.x if self.wanted == INPUT else (self.weight if self.wanted == WEIGHT else self.out)
        p.layer.element = COMPUTED[PART[cnp.PyArray_TYPE(result)]]
        p.element_size = SIZE[p.layer.element]
        return p

    def finished(self, out):
        """What was computed, its border folded back, in the caller's dtype, or in `out`."""
        y = self.result
        if self.padding_mode is not None:
            y = folded(y, self.border, self.padding_mode, "channels_last" if self.last else "channels_first")
        if y is not self.result or y.dtype != self.dtype:
            y = rounded(y, self.dtype, out)
        return finished(y, out)


# ---------------------------------------------------------------- checks

cdef tuple check_weight(tuple shape, str name):
    """Tiles and kernel."""
    if len(shape) < 4 or len(shape) % 2:
        raise ValueError(f"`{name}` must be of shape (*tiles, K, C // groups, *kernel) with as many tiles as kernel "
                         f"sizes, one for each spatial axis, got {shape}")
    rank = len(shape) // 2 - 1
    if not all(shape[:rank]) or not all(shape[rank + 2:]):
        raise ValueError(f"`{name}`: the tiles and the kernel must have at least one element along each axis, got "
                         f"shape {shape}")
    return shape[:rank], shape[rank + 2:]


cdef int check_local(tuple tiles, tuple outputs, str name, bint local) except -1:
    if local and tiles != outputs:
        raise ValueError(f"`{name}` must have a bank of filters for each output, (*outputs, K, C // groups, *kernel) "
                         f"with outputs {outputs}, got {tiles}; `tiled_conv` takes any number of them")
    return 0


cdef cnp.ndarray checked_bias(object bias, tuple tiles, Py_ssize_t filters):
    if bias is None:
        return None
    cdef cnp.ndarray b = as_array(bias, "bias")
    if (<object> b).shape != (filters,) and (<object> b).shape != (*tiles, filters):
        raise ValueError(f"`bias` must hold one value for each of the {filters} output channels, ({filters},), or for "
                         f"those of each bank, {(*tiles, filters)}, got shape {(<object> b).shape}")
    return b


cdef cnp.ndarray banks_of(cnp.ndarray weight, int rank, Py_ssize_t groups):
    """A view (*tiles, groups, filters, channels, *kernel)."""
    return in_groups(weight, rank + 1, groups)


# ---------------------------------------------------------------- the layer and its gradients

def tiled_conv(x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, out, dtype,
               bint local):
    """The layer."""
    cdef cnp.ndarray a = as_array(x, "x"), w = as_array(weight, "weight")
    cdef bint last = named(LAYOUTS, layout, "layout")
    tiles, kernel = check_weight((<object> w).shape, "weight")
    cdef int rank = len(tiles)
    cdef Py_ssize_t filters = w.shape[rank], n = check_groups(groups, filters, "filters of `weight`")
    cdef cnp.ndarray b = checked_bias(bias, tiles, filters)
    check_channels(a, rank, of_groups(w.shape[rank + 1], n), last, "x")
    dtype = result_dtype((a, w, b), dtype)
    kind = activated(activation, dtype)
    leading, sizes = split_shape((<object> a).shape, rank, last)
    cdef Tiled t = Tiled(Window(kernel, stride, padding, dilation, padding_mode, sizes), tiles, RESULT)
    check_local(tiles, t.outputs, "weight", local)
    t.result = new_or_given(out, shape_of(leading, filters, t.outputs, last), dtype, (a, w))
    t.x, t.weight = grouped(readable(a, dtype), rank, last, n), banks_of(readable(w, dtype), rank, n)
    t.bias = None if b is None else packed_bias(b, n, dtype)
    t.out, t.activation, t.dtype, t.last = grouped(t.result, rank, last, n), kind, dtype, last
    return t


def tiled_conv_input(input_size, weight, grad_output, stride, padding, dilation, groups, padding_mode, layout, out,
                     dtype, bint local):
    """The gradient by the input."""
    shape = whole_shape(input_size, "input_size")
    cdef cnp.ndarray g = as_array(grad_output, "grad_output"), w = as_array(weight, "weight")
    cdef bint last = named(LAYOUTS, layout, "layout")
    tiles, kernel = check_weight((<object> w).shape, "weight")
    cdef int rank = len(tiles)
    cdef Py_ssize_t n = check_groups(groups, w.shape[rank], "filters of `weight`")
    if len(shape) < rank + 1:
        raise ValueError(f"`input_size` must be the whole shape of an input with {rank} spatial axes, got {shape}")
    leading, spatial = split_shape(shape, rank, last)
    cdef Tiled t = Tiled(Window(kernel, stride, padding, dilation, padding_mode, spatial, "input_size"), tiles, INPUT)
    check_local(tiles, t.outputs, "weight", local)
    check_gradient(g, shape_of(leading, w.shape[rank], t.outputs, last), shape,
                   shape_of(leading, of_groups(w.shape[rank + 1], n), spatial, last), (<object> w).shape)
    dtype = result_dtype((g, w), dtype)
    t.result = adjoint_array(t.window, leading, w.shape[rank + 1] * n, last, out, dtype,
                             SUMS.get(dtype.char, dtype), (g, w))
    if t.window.folds():
        t.padding_mode, t.before, t.border = padding_mode, (0,) * rank, t.window
        t.window = t.window.apart()
    t.x, t.out = grouped(t.result, rank, last, n), grouped(readable(g, dtype), rank, last, n)
    t.weight, t.dtype, t.last = banks_of(readable(w, dtype), rank, n), dtype, last
    return t


cdef int check_gradient(cnp.ndarray g, tuple expected, tuple shape, tuple input_shape, tuple weight) except -1:
    if (<object> g).shape != expected or shape != input_shape:
        raise ValueError(f"`grad_output` must have the shape of the layer's result: {expected} for an input of shape "
                         f"{shape} and a weight of shape {weight}, got {(<object> g).shape}")
    return 0


def tiled_conv_weight(x, weight_size, grad_output, stride, padding, dilation, groups, padding_mode, layout, out,
                      dtype, bint local):
    """The gradient by the weight."""
    shape = whole_shape(weight_size, "weight_size")
    cdef cnp.ndarray a = as_array(x, "x"), g = as_array(grad_output, "grad_output")
    cdef bint last = named(LAYOUTS, layout, "layout")
    tiles, kernel = check_weight(shape, "weight_size")
    cdef int rank = len(tiles)
    cdef Py_ssize_t n = check_groups(groups, shape[rank], "filters of `weight_size`")
    check_channels(a, rank, of_groups(shape[rank + 1], n), last, "x")
    leading, sizes = split_shape((<object> a).shape, rank, last)
    cdef Tiled t = Tiled(Window(kernel, stride, padding, dilation, padding_mode, sizes), tiles, WEIGHT)
    check_local(tiles, t.outputs, "weight_size", local)
    check_gradient(g, shape_of(leading, shape[rank], t.outputs, last), (<object> a).shape, (<object> a).shape, shape)
    dtype = result_dtype((a, g), dtype)
    t.result = new_or_given(out, shape, dtype, (a, g))
    if not cnp.PyArray_IS_C_CONTIGUOUS(t.result):
        t.result = np.empty(shape, dtype)
    t.x, t.out = grouped(readable(a, dtype), rank, last, n), grouped(readable(g, dtype), rank, last, n)
    t.weight, t.dtype, t.last = banks_of(t.result, rank, n), dtype, last
    return t


# ---------------------------------------------------------------- the gradient by the bias

cdef object add_up(cnp.ndarray g, tuple tiles, tuple outputs, cnp.dtype dtype):
    """Of g (samples, K, *outputs) what each bank's outputs add up to, (K, *tiles): bank by bank, or tile by tile."""
    cdef int rank = len(tiles)
    check_size((<object> g).shape[1:2] + tiles, dtype.itemsize, "tiles", "the result")
    total = np.zeros((<object> g).shape[1:2] + tiles, dtype)
    if not cnp.PyArray_SIZE(g):
        return total
    repeats = [(n + t - 1) // t for n, t in zip(outputs, tiles)]
    if prod(tiles) <= prod(repeats):
        axes = (0, *range(2, rank + 2))
        for place in product(*map(range, tiles)):
            part = g[(Ellipsis, *[slice(p, None, t) for p, t in zip(place, tiles)])]
            total[(Ellipsis, *place)] = part.sum(axes, dtype=dtype)
        return total
    for place in product(*map(range, repeats)):
        part = g[(Ellipsis, *[slice(p * t, (p + 1) * t) for p, t in zip(place, tiles)])].sum(0, dtype=dtype)
        total[tuple(map(slice, part.shape))] += part
    return total


def tiled_conv_bias(grad_output, tiles, rank, layout, out, dtype):
    """The sums over samples and each bank's outputs, (*tiles, K); with `tiles` None, those are the outputs."""
    cdef cnp.ndarray g = as_array(grad_output, "grad_output")
    cdef bint last = named(LAYOUTS, layout, "layout")
    if tiles is not None:
        tiles = whole_tiles(tiles)
        if rank is not None and whole_number(rank, "rank", 1) != len(tiles):
            raise ValueError(f"`rank` must be the number of `tiles`, got {rank} for {tiles}")
    cdef int spatial = spatial_axes(g, rank if tiles is None else len(tiles))
    g = channels_first(g, spatial, last)
    outputs = (<object> g).shape[g.ndim - spatial:]
    tiles = outputs if tiles is None else tiles
    dtype = result_dtype((g,), dtype)
    if out is not None:
        check_out(out, (*tiles, g.shape[g.ndim - spatial - 1]), dtype)
    g = g.reshape(prod((<object> g).shape[:g.ndim - spatial - 1]), *(<object> g).shape[g.ndim - spatial - 1:])
    with np.errstate(all="ignore"):
        total = add_up(g, tiles, outputs, np.dtype(np.float32) if dtype.char == "e" else dtype)
        total = np.moveaxis(total, 0, -1).astype(dtype, order="C", copy=False)
    return finished(total, out)


cdef tuple whole_tiles(object tiles):
    if not is_sequence(tiles) or not len(tiles):
        raise TypeError(f"`tiles` must be a tuple of whole numbers, one for each spatial axis, got {tiles!r}")
    return tuple([whole_number(n, "tiles", 1, SIZES) for n in tiles])
