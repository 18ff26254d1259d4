"""Convolution and correlation of NumPy arrays: `scipy.signal`'s answers, at the speed of the machine."""
from fastconv._config import show_config
from fastconv._workers import get_workers, set_workers
from fastconv.signal import convolve, convolve2d, correlate, correlate2d

__version__ = "0.1.0"

__all__ = [
    "convolve",
    "convolve2d",
    "correlate",
    "correlate2d",
    "get_workers",
    "set_workers",
    "show_config",
]
