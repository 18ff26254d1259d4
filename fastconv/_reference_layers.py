"""The executable specification of the layers: what every fast path must equal, written to be read.

A layer gathers the windows of the padded image as columns and multiplies them by the weight. Its adjoint multiplies
first, then scatters the columns: it adds each to the places it would be gathered from, and never looks at a window.
Inside, images are (..., C, *spatial) and columns (..., C * taps, *out).
"""
from math import prod

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

_PAD_MODE = {"reflect": "reflect", "replicate": "edge", "circular": "wrap", "symmetric": "symmetric"}


def _each(value, rank):
    return tuple(value) if np.ndim(value) else (value,) * rank


def _widths(padding, n, k, stride, dilation):
    """How far an axis of `n` elements is continued: before, after."""
    reach = dilation * (k - 1)
    if padding in ("same", "same_lower"):
        total = max((-(-n // stride) - 1) * stride + reach + 1 - n, 0)
        less, more = total // 2, total - total // 2
        return (less, more) if padding == "same" else (more, less)
    named = {"valid": (0, 0), "full": (reach, reach), "causal": (reach, 0)}
    return named[padding] if isinstance(padding, str) else _each(padding, 2)


def _pad(a, widths, mode, zero=0):
    return np.pad(a, widths, constant_values=zero) if mode == "zeros" else np.pad(a, widths, _PAD_MODE[mode])


class _Windows:
    """The windows of a kernel in images of `size`, `out` of them: as many as fit unless that is given."""

    def __init__(self, size, kernel, stride, padding, dilation, mode, out=None):
        self.rank, self.size, self.kernel, self.mode = len(kernel), size, kernel, mode
        self.stride, self.dilation, padding = (_each(value, self.rank) for value in (stride, dilation, padding))
        self.widths = list(map(_widths, padding, size, kernel, self.stride, self.dilation))
        self.padded = [n + before + after for n, (before, after) in zip(size, self.widths, strict=True)]
        self.spans = [d * (k - 1) + 1 for d, k in zip(self.dilation, kernel, strict=True)]
        self.out = out or tuple((n - span) // s + 1 for n, span, s in zip(
            self.padded, self.spans, self.stride, strict=True))

    def gather(self, x):
        padded = _pad(x, [(0, 0)] * (x.ndim - self.rank) + self.widths, self.mode)
        windows = sliding_window_view(padded, self.spans, tuple(range(-self.rank, 0)))
        windows = windows[(..., *(slice(None, None, step) for step in self.stride + self.dilation))]
        windows = windows[(..., *map(slice, self.out + self.kernel))]
        columns = np.moveaxis(windows, range(-2 * self.rank, -self.rank), range(-self.rank, 0))
        *lead, channels = x.shape[:-self.rank]
        return columns.reshape(*lead, channels * prod(self.kernel), *self.out)

    def scatter(self, columns):
        *lead, rows = columns.shape[:-self.rank]
        lead = *lead, rows // prod(self.kernel)
        columns = columns.reshape(*lead, *self.kernel, *self.out)
        padded = np.zeros((*lead, *self.padded), columns.dtype)
        for tap in np.ndindex(*self.kernel):
            place = (slice(d * t, d * t + s * o, s) for d, t, s, o in zip(
                self.dilation, tap, self.stride, self.out, strict=True))
            padded[(..., *place)] += columns[(*(slice(None),) * len(lead), *tap)]
        return self._folded(padded)

    def _folded(self, padded):
        """Each element of the border is added to the one that it was copied from; zeros go to a bin behind the last."""
        for axis, (n, widths) in enumerate(zip(self.size, self.widths, strict=True), -self.rank):
            lines = np.moveaxis(padded, axis, 0)
            folded = np.zeros((n + 1, *lines.shape[1:]), lines.dtype)
            for source, line in zip(_pad(np.arange(n), widths, self.mode, zero=n), lines, strict=True):
                folded[source] += line
            padded = np.moveaxis(folded[:n], 0, axis)
        return padded


# ---------------------------------------------------------------- before and after the sums

def _cast(dtype, *arrays):
    """The arrays as what they are summed in, half precision as single; and the result's dtype."""
    arrays = [None if a is None else np.asarray(a) for a in arrays]
    dtype = np.result_type(*(a for a in arrays if a is not None)) if dtype is None else np.dtype(dtype)
    dtype = dtype.newbyteorder("=")
    summed = np.float32 if dtype == np.float16 else dtype
    return *(None if a is None else a.astype(dtype).astype(summed) for a in arrays), dtype


def _first(a, rank, layout):
    return np.moveaxis(a, -1, -rank - 1) if layout == "channels_last" else a


def _last(a, rank, layout):
    return np.moveaxis(a, -rank - 1, -1) if layout == "channels_last" else a


def _conjugate(a):
    return np.conj(a) if np.iscomplexobj(a) else a    # numpy.conj makes int8 of booleans


def _split(a, groups, rank):
    """(..., channels, *positions) as (..., groups, channels of one, positions)."""
    *lead, channels = a.shape[:-rank]
    return a.reshape(*lead, groups, channels // groups, prod(a.shape[-rank:]))


def _joined(a, positions):
    *lead, groups, channels, _ = a.shape
    return a.reshape(*lead, groups * channels, *positions)


def _matrix(weight, groups):
    return weight.reshape(groups, weight.shape[0] // groups, prod(weight.shape[1:]))


def _sigmoid(y):
    e = np.exp(-np.abs(y))
    return np.where(y < 0, e, y.dtype.type(1)) / (1 + e)


_ACTIVATIONS = {
    None: lambda y, slope: y,
    "relu": lambda y, slope: np.maximum(y, 0),
    "relu6": lambda y, slope: np.minimum(np.maximum(y, 0), 6),
    "leaky_relu": lambda y, slope: np.where(y < 0, y * y.dtype.type(slope), y),
    "tanh": lambda y, slope: np.tanh(y),
    "sigmoid": lambda y, slope: _sigmoid(y),
    "silu": lambda y, slope: np.where(y == -np.inf, y.dtype.type(-0.0), y * _sigmoid(y)),
}


def _activated(y, activation):
    name, slope = activation if isinstance(activation, tuple) else (activation, 0.01)
    with np.errstate(over="ignore", invalid="ignore"):
        return _ACTIVATIONS[name](y, slope)


def _finished(y, bias, activation, rank, layout, dtype):
    if bias is not None:
        y = y + bias.reshape(-1, *(1,) * rank)
    return _last(_activated(y, activation).astype(dtype), rank, layout)


# ---------------------------------------------------------------- layers

def conv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *,
         padding_mode="zeros", layout="channels_first", activation=None, dtype=None):
    x, weight, bias, dtype = _cast(dtype, x, weight, bias)
    kernel, rank = weight.shape[2:], weight.ndim - 2
    x = _first(x, rank, layout)
    windows = _Windows(x.shape[-rank:], kernel, stride, padding, dilation, padding_mode)
    columns = _split(windows.gather(x), groups, rank)
    y = np.einsum("gkj,...gjl->...gkl", _matrix(weight, groups), columns)
    return _finished(_joined(y, windows.out), bias, activation, rank, layout, dtype)


def conv_transpose(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *,
                   output_size=None, padding_mode="zeros", layout="channels_first", activation=None, dtype=None):
    x, weight, bias, dtype = _cast(dtype, x, weight, bias)
    kernel, rank = weight.shape[2:], weight.ndim - 2
    x = _first(x, rank, layout)
    n = x.shape[-rank:]
    size = output_size or _transposed_size(n, kernel, stride, padding, output_padding, dilation)
    windows = _Windows(tuple(size), kernel, stride, padding, dilation, padding_mode, n)
    columns = np.einsum("gkj,...gkl->...gjl", _matrix(weight, groups), _split(x, groups, rank))
    return _finished(windows.scatter(_joined(columns, n)), bias, activation, rank, layout, dtype)


def _transposed_size(n, kernel, stride, padding, output_padding, dilation):
    axes = zip(n, kernel, *(_each(a, len(n)) for a in (stride, padding, output_padding, dilation)), strict=True)
    return tuple(
        n * s if p in ("same", "same_lower") else (n - 1) * s - sum(_widths(p, n, k, s, d)) + d * (k - 1) + 1 + more
        for n, k, s, p, more, d in axes)


def _bank(position, tiles):
    return tuple(p % t for p, t in zip(position, tiles, strict=True))


def _unshared(banks, out):
    """(*tiles, ...) as (*out, ...): what each position takes of what the tiles hold."""
    places = [_bank(position, banks.shape[:len(out)]) for position in np.ndindex(*out)]
    return np.array([banks[place] for place in places], banks.dtype).reshape(*out, *banks.shape[len(out):])


def _sums_of_products(a, b):
    """Over the last axis. (NumPy 2.4's einsum writes beyond arrays of nothing here.)"""
    return np.add.reduce(a * b, -1, a.dtype)


def _by_position(a):
    """(..., groups, channels, positions) as (..., positions, groups, channels), and back."""
    return np.moveaxis(a, -1, -3)


def _by_channel(a):
    return np.moveaxis(a, -3, -1)


def _matrices(weight, groups, out):
    """A weight (*tiles, K, C, *kernel) as a matrix for each position and group."""
    filters, *terms = weight.shape[len(out):]
    return _unshared(weight, out).reshape(prod(out), groups, filters // groups, prod(terms))


def tiled_conv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *,
               padding_mode="zeros", layout="channels_first", activation=None, dtype=None):
    x, weight, bias, dtype = _cast(dtype, x, weight, bias)
    rank = weight.ndim // 2 - 1
    x = _first(x, rank, layout)
    windows = _Windows(x.shape[-rank:], weight.shape[rank + 2:], stride, padding, dilation, padding_mode)
    columns = _split(windows.gather(x), groups, rank)
    y = _sums_of_products(_matrices(weight, groups, windows.out), _by_position(columns)[..., None, :])
    y = _joined(_by_channel(y), windows.out)
    if bias is not None:
        y = y + (bias.reshape(-1, *(1,) * rank) if bias.ndim == 1 else np.moveaxis(_unshared(bias, windows.out), -1, 0))
    return _finished(y, None, activation, rank, layout, dtype)


local_conv = tiled_conv


def im2col(x, kernel_size, stride=1, padding=0, dilation=1, *,
           padding_mode="zeros", layout="channels_first", dtype=None):
    x, dtype = _cast(dtype, x)
    kernel = _each(kernel_size, x.ndim - 2)
    x = _first(x, len(kernel), layout)
    windows = _Windows(x.shape[-len(kernel):], kernel, stride, padding, dilation, padding_mode)
    return _last(_split(windows.gather(x), 1, len(kernel))[..., 0, :, :].astype(dtype), 1, layout)


def col2im(cols, output_size, kernel_size, stride=1, padding=0, dilation=1, *,
           padding_mode="zeros", layout="channels_first", dtype=None):
    cols, dtype = _cast(dtype, cols)
    cols = _first(cols, 1, layout)
    rank = np.size(output_size) if np.ndim(output_size) else np.size(kernel_size)
    windows = _Windows(
        _each(output_size, rank), _each(kernel_size, rank), stride, padding, dilation, padding_mode)
    image = windows.scatter(cols.reshape(*cols.shape[:-1], *windows.out))
    return _last(image.astype(dtype), rank, layout)


# ---------------------------------------------------------------- gradients

def conv_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1, *,
               padding_mode="zeros", layout="channels_first", dtype=None):
    rank = np.ndim(weight) - 2
    size = input_size[-rank - 1:-1] if layout == "channels_last" else input_size[-rank:]
    return conv_transpose(grad_output, _conjugate(weight), None, stride, padding, 0, groups, dilation,
                          output_size=size, padding_mode=padding_mode, layout=layout, dtype=dtype)


def conv_weight(x, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1, *,
                padding_mode="zeros", layout="channels_first", dtype=None):
    x, y, dtype = _cast(dtype, _conjugate(x), grad_output)
    kernel, rank = tuple(weight_size[2:]), len(weight_size) - 2
    x, y = _first(x, rank, layout), _first(y, rank, layout)
    windows = _Windows(x.shape[-rank:], kernel, stride, padding, dilation, padding_mode, y.shape[-rank:])
    sums = np.einsum("...gkl,...gjl->...gkj", _split(y, groups, rank), _split(windows.gather(x), groups, rank))
    samples = tuple(range(sums.ndim - 3))
    return np.add.reduce(sums, samples, sums.dtype).reshape(weight_size).astype(dtype)


def conv_bias(grad_output, *, rank=None, layout="channels_first", dtype=None):
    y, dtype = _cast(dtype, grad_output)
    y = _first(y, rank or y.ndim - 2, layout)
    channels = y.ndim - rank - 1 if rank else 1
    others = tuple(axis for axis in range(y.ndim) if axis != channels)
    return np.add.reduce(y, others, y.dtype).astype(dtype)


def conv_transpose_input(input_size, weight, grad_output, stride=1, padding=0, output_padding=0, groups=1, dilation=1,
                         *, padding_mode="zeros", layout="channels_first", dtype=None):
    x = conv(grad_output, _conjugate(weight), None, stride, padding, dilation, groups,
             padding_mode=padding_mode, layout=layout, dtype=dtype)
    return x[tuple(map(slice, input_size))]    # a large output_padding leaves room for windows that it does not have


def conv_transpose_weight(x, weight_size, grad_output, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *,
                          padding_mode="zeros", layout="channels_first", dtype=None):
    return _conjugate(conv_weight(grad_output, weight_size, x, stride, padding, dilation, groups,
                                  padding_mode=padding_mode, layout=layout, dtype=dtype))


conv_transpose_bias = conv_bias


def tiled_conv_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1, *,
                     padding_mode="zeros", layout="channels_first", dtype=None):
    y, weight, dtype = _cast(dtype, grad_output, _conjugate(weight))
    rank = weight.ndim // 2 - 1
    y = _first(y, rank, layout)
    size = input_size[-rank - 1:-1] if layout == "channels_last" else input_size[-rank:]
    windows = _Windows(tuple(size), weight.shape[rank + 2:], stride, padding, dilation, padding_mode)
    matrices = _matrices(weight, groups, windows.out).swapaxes(-1, -2)
    columns = _by_channel(_sums_of_products(matrices, _by_position(_split(y, groups, rank))[..., None, :]))
    return _last(windows.scatter(_joined(columns, windows.out)).astype(dtype), rank, layout)


def _by_bank(positions, tiles, out):
    """The adjoint of `_unshared`: (*out, ...) added up to (*tiles, ...)."""
    banks = np.zeros((*tiles, *positions.shape[len(out):]), positions.dtype)
    for position in np.ndindex(*out):
        banks[_bank(position, tiles)] += positions[position]
    return banks


def tiled_conv_weight(x, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1, *,
                      padding_mode="zeros", layout="channels_first", dtype=None):
    x, y, dtype = _cast(dtype, _conjugate(x), grad_output)
    rank = len(weight_size) // 2 - 1
    x, y = _first(x, rank, layout), _first(y, rank, layout)
    windows = _Windows(x.shape[-rank:], tuple(weight_size[rank + 2:]), stride, padding, dilation, padding_mode)
    seen = _by_position(_split(windows.gather(x), groups, rank))
    products = _by_position(_split(y, groups, rank))[..., None] * seen[..., None, :]
    sums = np.add.reduce(products, tuple(range(products.ndim - 4)), products.dtype)
    return _by_bank(sums.reshape(*windows.out, *weight_size[rank:]), weight_size[:rank], windows.out).astype(dtype)


def tiled_conv_bias(grad_output, tiles=None, *, rank=None, layout="channels_first", dtype=None):
    if tiles is None:
        return conv_bias(grad_output, rank=rank, layout=layout, dtype=dtype)
    y, dtype = _cast(dtype, grad_output)
    y = _first(y, len(tiles), layout)
    y = np.add.reduce(y, tuple(range(y.ndim - len(tiles) - 1)), y.dtype)
    return _by_bank(np.moveaxis(y, 0, -1), tiles, y.shape[1:]).astype(dtype)


local_conv_input = tiled_conv_input
local_conv_weight = tiled_conv_weight


def local_conv_bias(grad_output, *, rank=None, layout="channels_first", dtype=None):
    y = _first(np.asarray(grad_output), rank or np.ndim(grad_output) - 2, layout)
    size = y.shape[-rank:] if rank else y.shape[2:]
    return tiled_conv_bias(grad_output, size, layout=layout, dtype=dtype)
