"""Convolution of NumPy arrays, `scipy.signal`'s answers and torch's layers, at the speed of the machine."""
from fastconv import grad
from fastconv._config import show_config
from fastconv._version import __version__ as __version__
from fastconv._workers import get_workers, set_workers
from fastconv.layers import (
    Conv,
    col2im,
    conv,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    im2col,
)
from fastconv.signal import convolve, convolve2d, correlate, correlate2d

__all__ = [
    "Conv",
    "col2im",
    "conv",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolve",
    "convolve2d",
    "correlate",
    "correlate2d",
    "get_workers",
    "grad",
    "im2col",
    "set_workers",
    "show_config",
]
