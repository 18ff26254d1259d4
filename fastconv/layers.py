"""Convolutional layers: cross-correlation of many channels, with torch's names and arguments, for any rank and dtype."""
import numpy as np

from fastconv import _layer_geometry as gate
from fastconv import _route, _windows


# ---------------------------------------------------------------- conv

def _conv(rank, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm, out,
          dtype, workers):
    """A layer whose rank is checked unless it is 0."""
    records, y = gate.conv(x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, out,
                           dtype, rank)
    _route.run_layers(records, algorithm, workers)
    return gate.finished(y, out)


def conv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
         layout="channels_first", activation=None, algorithm="auto", out=None, dtype=None, workers=None):
    """DOC"""
    return _conv(0, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm,
                 out, dtype, workers)


def conv1d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
           layout="channels_first", activation=None, algorithm="auto", out=None, dtype=None, workers=None):
    """`conv` with one spatial axis, checked."""
    return _conv(1, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm,
                 out, dtype, workers)


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
           layout="channels_first", activation=None, algorithm="auto", out=None, dtype=None, workers=None):
    """`conv` with two spatial axes, checked."""
    return _conv(2, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm,
                 out, dtype, workers)


def conv3d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
           layout="channels_first", activation=None, algorithm="auto", out=None, dtype=None, workers=None):
    """`conv` with three spatial axes, checked."""
    return _conv(3, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm,
                 out, dtype, workers)


# ---------------------------------------------------------------- conv_transpose

def _conv_transpose(rank, x, weight, bias, stride, padding, output_padding, groups, dilation, output_size, padding_mode,
                    layout, activation, algorithm, out, dtype, workers):
    records, y, window = gate.conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation,
                                             output_size, padding_mode, layout, activation, out, dtype, rank)
    _route.run_layers(records, algorithm, workers)
    if window is not None:    # a border that is not zeros: what fell onto it goes where it was copied from
        y = gate.folded(y, window, padding_mode, layout)
        if bias is not None or activation is not None:
            records, y = gate.pointwise(y, bias, activation, layout, window.rank)
            _route.run_layers(records, "auto", workers)
    return gate.finished(y, out)


def conv_transpose(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *,
                   output_size=None, padding_mode="zeros", layout="channels_first", activation=None,
                   algorithm="auto", out=None, dtype=None, workers=None):
    """DOC"""
    return _conv_transpose(0, x, weight, bias, stride, padding, output_padding, groups, dilation, output_size,
                           padding_mode, layout, activation, algorithm, out, dtype, workers)


def conv_transpose1d(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *,
                     output_size=None, padding_mode="zeros", layout="channels_first", activation=None,
                     algorithm="auto", out=None, dtype=None, workers=None):
    """`conv_transpose` with one spatial axis, checked."""
    return _conv_transpose(1, x, weight, bias, stride, padding, output_padding, groups, dilation, output_size,
                           padding_mode, layout, activation, algorithm, out, dtype, workers)


def conv_transpose2d(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *,
                     output_size=None, padding_mode="zeros", layout="channels_first", activation=None,
                     algorithm="auto", out=None, dtype=None, workers=None):
    """`conv_transpose` with two spatial axes, checked."""
    return _conv_transpose(2, x, weight, bias, stride, padding, output_padding, groups, dilation, output_size,
                           padding_mode, layout, activation, algorithm, out, dtype, workers)


def conv_transpose3d(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *,
                     output_size=None, padding_mode="zeros", layout="channels_first", activation=None,
                     algorithm="auto", out=None, dtype=None, workers=None):
    """`conv_transpose` with three spatial axes, checked."""
    return _conv_transpose(3, x, weight, bias, stride, padding, output_padding, groups, dilation, output_size,
                           padding_mode, layout, activation, algorithm, out, dtype, workers)


# ---------------------------------------------------------------- windows as columns

def im2col(x, kernel_size, stride=1, padding=0, dilation=1, *, padding_mode="zeros", layout="channels_first", out=None,
           dtype=None, workers=None):
    """DOC"""
    _route.check_workers(workers)
    x, columns, y, window = gate.im2col(x, kernel_size, stride, padding, dilation, padding_mode, layout, out, dtype)
    _windows.gather_columns(x, columns, window, padding_mode)
    return gate.finished(y, out)


def col2im(cols, output_size, kernel_size, stride=1, padding=0, dilation=1, *, padding_mode="zeros",
           layout="channels_first", out=None, dtype=None, workers=None):
    """DOC"""
    _route.check_workers(workers)
    columns, padded, dtype, window = gate.col2im(cols, output_size, kernel_size, stride, padding, dilation, padding_mode,
                                                 layout, out, dtype)
    _windows.scatter_columns(columns, padded, window)
    y = _windows.fold(padded, window, padding_mode).astype(dtype, copy=False)
    return gate.finished(np.ascontiguousarray(gate.in_layout(y, window.rank, layout)), out)


# ---------------------------------------------------------------- a layer to keep

class Conv:
    """DOC"""

    def __init__(self, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
                 layout="channels_first", activation=None, algorithm="auto"):
        self.weight = np.array(weight)
        self.bias = None if bias is None else np.array(bias)
        self._arguments = stride, padding, dilation, groups, padding_mode, layout, activation
        self.algorithm = algorithm
        self._packed = {}
        gate.check_layer(self.weight, self.bias, *self._arguments)
        _route.check_algorithm(algorithm)

    def __call__(self, x, out=None, workers=None):
        """Apply the layer to `x`, of shape ``(..., C, *spatial)`` or, with channels last, ``(..., *spatial, C)``."""
        records, y = gate.conv(x, self.weight, self.bias, *self._arguments, out, None, self.weight.ndim - 2)
        _route.run_layers(records, self.algorithm, workers, self._packed)
        return gate.finished(y, out)
