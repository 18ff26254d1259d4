"""Convolution and correlation of NumPy arrays: `scipy.signal`'s answers, at the speed of the machine."""
from fastconv._config import show_config
from fastconv._version import __version__ as __version__
from fastconv._workers import get_workers, set_workers
from fastconv.signal import convolve, convolve2d, correlate, correlate2d

__all__ = [
    "convolve",
    "convolve2d",
    "correlate",
    "correlate2d",
    "get_workers",
    "set_workers",
    "show_config",
]
