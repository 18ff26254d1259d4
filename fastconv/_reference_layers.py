"""The executable specification of the layers: what every fast path must equal, written to be read.

A layer gathers the windows of the padded image as columns and multiplies them by the weight. Its adjoints multiply
first, then scatter the columns back, which only adds and so is written without a window. The rest is bookkeeping:
inside, images are (..., C, *spatial) and columns are (..., C * taps, *out).
"""
from math import prod

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

_PAD_MODE = {"reflect": "reflect", "replicate": "edge", "circular": "wrap", "symmetric": "symmetric"}


def _each(value, rank):
    return tuple(value) if np.ndim(value) else (value,) * rank


def _widths(padding, n, k, stride, dilation):
    """How far one axis of `n` elements is continued: before, after."""
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
    """The windows of a kernel in images of `size`; of `gather` and `scatter` each is the other's adjoint."""

    def __init__(self, size, kernel, stride, padding, dilation, mode, out=None):
        self.rank, self.size, self.kernel, self.mode = len(kernel), size, kernel, mode
        self.stride, self.dilation, padding = (_each(value, self.rank) for value in (stride, dilation, padding))
        axes = list(zip(padding, size, kernel, self.stride, self.dilation, strict=True))
        self.widths = [_widths(*axis) for axis in axes]
        self.padded = [n + before + after for n, (before, after) in zip(size, self.widths, strict=True)]
        self.spans = tuple(d * (k - 1) + 1 for _, _, k, _, d in axes)
        # an output_padding beyond the stride leaves room for windows that a transposed layer does not have
        self.out = out or tuple((n - span) // s + 1 for n, span, s in zip(
            self.padded, self.spans, self.stride, strict=True))

    def gather(self, x):
        padded = _pad(x, [(0, 0)] * (x.ndim - self.rank) + self.widths, self.mode)
        windows = sliding_window_view(padded, self.spans, tuple(range(-self.rank, 0)))
        windows = windows[(..., *(slice(None, None, step) for step in self.stride + self.dilation))]
        windows = windows[(..., *map(slice, self.out), *map(slice, self.kernel))]
        columns = np.moveaxis(windows, range(-2 * self.rank, -self.rank), range(-self.rank, 0))
        *lead, channels = x.shape[:-self.rank]
        return columns.reshape(*lead, channels * prod(self.kernel), *self.out)

    def scatter(self, columns):
        *lead, rows = columns.shape[:-self.rank]
        lead = *lead, rows // prod(self.kernel)
        columns = columns.reshape(*lead, *self.kernel, *self.out)
        padded = np.zeros((*lead, *self.padded), columns.dtype)
        for tap in np.ndindex(*self.kernel):
            place = [slice(d * t, d * t + s * o, s) for d, t, s, o in zip(
                self.dilation, tap, self.stride, self.out, strict=True)]
            padded[(..., *place)] += columns[(*(slice(None),) * len(lead), *tap)]
        return self._folded(padded)

    def _folded(self, padded):
        """numpy.pad's adjoint: each element is added to the one that it was copied from; zeros come from a bin."""
        for axis, (n, widths) in enumerate(zip(self.size, self.widths, strict=True), -self.rank):
            sources = _pad(np.arange(n), widths, self.mode, zero=n)
            lines = np.moveaxis(padded, axis, 0)
            folded = np.zeros((n + 1, *lines.shape[1:]), lines.dtype)
            for source, line in zip(sources, lines, strict=True):
                folded[source] += line
            padded = np.moveaxis(folded[:n], 0, axis)
        return padded


# ---------------------------------------------------------------- products

def _split(a, groups, rank):
    """(..., channels, *spatial) as (..., groups, channels of one, positions)."""
    *lead, channels = a.shape[:-rank]
    return a.reshape(*lead, groups, channels // groups, prod(a.shape[-rank:]))


def _joined(a, spatial):
    *lead, groups, channels, _ = a.shape
    return a.reshape(*lead, groups * channels, *spatial)


def _matrix(weight, groups):
    return weight.reshape(groups, weight.shape[0] // groups, prod(weight.shape[1:]))


def _layer(x, weight, groups, windows):
    columns = _split(windows.gather(x), groups, windows.rank)
    return _joined(np.einsum("gkj,...gjl->...gkl", _matrix(weight, groups), columns), windows.out)


def _transposed(y, weight, groups, windows):
    columns = np.einsum("gkj,...gkl->...gjl", _matrix(weight, groups), _split(y, groups, windows.rank))
    return windows.scatter(_joined(columns, windows.out))


def _products(x, y, weight_size, groups, windows):
    """The sum over samples and positions of each channel of y times each row of x's columns."""
    rank = windows.rank
    sums = np.einsum("...gkl,...gjl->...gkj", _split(y, groups, rank), _split(windows.gather(x), groups, rank))
    return np.add.reduce(sums, tuple(range(sums.ndim - 3)), sums.dtype).reshape(weight_size)


# ---------------------------------------------------------------- before and after

def _cast(dtype, *arrays):
    """The arrays as what they are summed in, half precision as single, and the result's dtype."""
    arrays = [None if a is None else np.asarray(a) for a in arrays]
    dtype = np.result_type(*(a for a in arrays if a is not None)) if dtype is None else np.dtype(dtype)
    dtype = dtype.newbyteorder("=")
    summed = np.float32 if dtype == np.float16 else dtype
    return *(None if a is None else a.astype(dtype).astype(summed) for a in arrays), dtype


def _first(a, rank, layout):
    return np.moveaxis(a, -1, -rank - 1) if layout == "channels_last" else a


def _last(a, rank, layout):
    return np.moveaxis(a, -rank - 1, -1) if layout == "channels_last" else a


def _spatial(shape, rank, layout):
    return tuple(shape[-rank - 1:-1] if layout == "channels_last" else shape[-rank:])


def _conjugate(a):
    return np.conj(a) if np.iscomplexobj(a) else a    # numpy.conj makes int8 of booleans


def _activated(y, activation):
    name, slope = (activation, 0.01) if activation is None or isinstance(activation, str) else activation
    if name in ("relu", "relu6"):
        y = np.maximum(y, 0)
        return np.minimum(y, 6) if name == "relu6" else y
    with np.errstate(over="ignore", invalid="ignore"):
        return {
            None: lambda: y,
            "leaky_relu": lambda: np.where(y < 0, y * y.dtype.type(slope), y),
            "tanh": lambda: np.tanh(y),
            "sigmoid": lambda: 1 / (1 + np.exp(-y)),
            "silu": lambda: y / (1 + np.exp(-y)),
        }[name]()


def _finished(y, bias, activation, rank, layout, dtype):
    if bias is not None:
        y = y + bias.reshape(-1, *(1,) * rank)
    return _last(_activated(y, activation).astype(dtype), rank, layout)


# ---------------------------------------------------------------- layers

def conv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *,
         padding_mode="zeros", layout="channels_first", activation=None, dtype=None):
    x, weight, bias, dtype = _cast(dtype, x, weight, bias)
    rank = weight.ndim - 2
    x = _first(x, rank, layout)
    windows = _Windows(x.shape[-rank:], weight.shape[2:], stride, padding, dilation, padding_mode)
    return _finished(_layer(x, weight, groups, windows), bias, activation, rank, layout, dtype)


def conv_transpose(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *,
                   output_size=None, padding_mode="zeros", layout="channels_first", activation=None, dtype=None):
    x, weight, bias, dtype = _cast(dtype, x, weight, bias)
    kernel, rank = weight.shape[2:], weight.ndim - 2
    x = _first(x, rank, layout)
    n = x.shape[-rank:]
    if output_size is None:
        output_size = _transposed_size(n, kernel, stride, padding, output_padding, dilation)
    windows = _Windows(_each(output_size, rank), kernel, stride, padding, dilation, padding_mode, n)
    return _finished(_transposed(x, weight, groups, windows), bias, activation, rank, layout, dtype)


def _transposed_size(n, kernel, stride, padding, output_padding, dilation):
    axes = zip(n, kernel, *(_each(a, len(n)) for a in (stride, padding, output_padding, dilation)), strict=True)
    return tuple(
        n * s if p in ("same", "same_lower") else (n - 1) * s - sum(_widths(p, n, k, s, d)) + d * (k - 1) + 1 + more
        for n, k, s, p, more, d in axes)


def im2col(x, kernel_size, stride=1, padding=0, dilation=1, *,
           padding_mode="zeros", layout="channels_first", dtype=None):
    x, dtype = _cast(dtype, x)
    kernel = _each(kernel_size, x.ndim - 2)
    x = _first(x, len(kernel), layout)
    windows = _Windows(x.shape[-len(kernel):], kernel, stride, padding, dilation, padding_mode)
    columns = windows.gather(x)
    return _last(_split(columns, 1, len(kernel))[..., 0, :, :].astype(dtype), 1, layout)


def col2im(cols, output_size, kernel_size, stride=1, padding=0, dilation=1, *,
           padding_mode="zeros", layout="channels_first", dtype=None):
    cols, dtype = _cast(dtype, cols)
    rank = np.size(output_size) if np.ndim(output_size) else np.size(kernel_size)
    size, kernel = _each(output_size, rank), _each(kernel_size, rank)
    windows = _Windows(size, kernel, stride, padding, dilation, padding_mode)
    cols = _first(cols, 1, layout)
    image = windows.scatter(cols.reshape(*cols.shape[:-1], *windows.out))
    return _last(image.astype(dtype), rank, layout)


# ---------------------------------------------------------------- gradients

def conv_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1, *,
               padding_mode="zeros", layout="channels_first", dtype=None):
    weight, y, dtype = _cast(dtype, weight, grad_output)
    rank = weight.ndim - 2
    size = _spatial(input_size, rank, layout)
    windows = _Windows(size, weight.shape[2:], stride, padding, dilation, padding_mode)
    x = _transposed(_first(y, rank, layout), _conjugate(weight), groups, windows)
    return _last(x.astype(dtype), rank, layout)


def conv_weight(x, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1, *,
                padding_mode="zeros", layout="channels_first", dtype=None):
    x, y, dtype = _cast(dtype, x, grad_output)
    rank = len(weight_size) - 2
    x, y = _first(x, rank, layout), _first(y, rank, layout)
    windows = _Windows(x.shape[-rank:], weight_size[2:], stride, padding, dilation, padding_mode)
    return _products(_conjugate(x), y, weight_size, groups, windows).astype(dtype)


def conv_bias(grad_output, *, rank=None, layout="channels_first", dtype=None):
    y, dtype = _cast(dtype, grad_output)
    y = _first(y, y.ndim - 2 if rank is None else rank, layout)
    channel = 1 if rank is None else y.ndim - rank - 1
    axes = tuple(axis for axis in range(y.ndim) if axis != channel)
    return np.add.reduce(y, axes, y.dtype).astype(dtype)


def conv_transpose_input(input_size, weight, grad_output, stride=1, padding=0, output_padding=0, groups=1, dilation=1,
                         *, padding_mode="zeros", layout="channels_first", dtype=None):
    weight, y, dtype = _cast(dtype, weight, grad_output)
    rank = weight.ndim - 2
    y, n = _first(y, rank, layout), _spatial(input_size, rank, layout)
    windows = _Windows(y.shape[-rank:], weight.shape[2:], stride, padding, dilation, padding_mode, n)
    return _last(_layer(y, _conjugate(weight), groups, windows).astype(dtype), rank, layout)


def conv_transpose_weight(x, weight_size, grad_output, stride=1, padding=0, output_padding=0, groups=1, dilation=1,
                          *, padding_mode="zeros", layout="channels_first", dtype=None):
    x, y, dtype = _cast(dtype, x, grad_output)
    rank = len(weight_size) - 2
    x, y = _first(x, rank, layout), _first(y, rank, layout)
    windows = _Windows(y.shape[-rank:], weight_size[2:], stride, padding, dilation, padding_mode, x.shape[-rank:])
    return _products(y, _conjugate(x), weight_size, groups, windows).astype(dtype)


conv_transpose_bias = conv_bias
