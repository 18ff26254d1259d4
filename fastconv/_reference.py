"""The executable specification: what every fast path must equal, written to be read.

The border is numpy.pad's, the windows are numpy's sliding_window_view, the sum is one einsum.
"""
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

_PAD_MODE = {"fill": "constant", "symm": "symmetric"}


def _padded(x, pads, boundary, fillvalue):
    if boundary == "fill":
        return np.pad(x, pads, constant_values=np.asarray(fillvalue).astype(x.dtype))
    return np.pad(x, pads, mode=_PAD_MODE.get(boundary, boundary))


def _correlate(in1, in2, mode, boundary, fillvalue, dtype, before):
    """Slide in2, not conjugated, over in1; "same" starts `before(k)` elements ahead of the first."""
    dtype = np.result_type(np.asarray(in1), np.asarray(in2)) if dtype is None else np.dtype(dtype)
    dtype = dtype.newbyteorder("=")    # einsum knows no other
    summed = np.float32 if dtype == np.float16 else dtype
    x, w = (np.atleast_1d(a).astype(dtype).astype(summed) for a in (in1, in2))
    pads = {
        "full": [(k - 1, k - 1) for k in w.shape],
        "same": [(before(k), k - 1 - before(k)) for k in w.shape],
        "valid": [(0, 0)] * w.ndim,
    }[mode]
    windows = sliding_window_view(_padded(x, pads, boundary, fillvalue), w.shape)
    axes = list(range(windows.ndim))
    result = np.einsum(windows, axes, w, axes[w.ndim:], axes[:w.ndim], dtype=summed).astype(dtype)
    return result.reshape(result.shape if np.ndim(in1) else ())


def _contains(in1, in2, mode):
    return mode != "valid" or all(n >= k for n, k in zip(np.shape(in1), np.shape(in2), strict=True))


def _flipped(a):
    return np.flip(np.asarray(a))


def _conjugate(a):
    return np.conj(a) if np.iscomplexobj(a) else np.asarray(a)    # numpy.conj makes int8 of booleans


def correlate(in1, in2, mode="full", boundary="fill", fillvalue=0, dtype=None, before=lambda k: k // 2):
    if not _contains(in1, in2, mode):
        return _conjugate(_flipped(correlate(in2, in1, mode, boundary, fillvalue, dtype, before)))
    return _correlate(in1, _conjugate(in2), mode, boundary, fillvalue, dtype, before)


def convolve(in1, in2, mode="full", boundary="fill", fillvalue=0, dtype=None):
    if not _contains(in1, in2, mode):
        in1, in2 = in2, in1
    return _correlate(in1, _flipped(in2), mode, boundary, fillvalue, dtype, lambda k: k // 2)


def correlate2d(in1, in2, mode="full", boundary="fill", fillvalue=0, dtype=None):
    return correlate(in1, in2, mode, boundary, fillvalue, dtype, before=lambda k: (k - 1) // 2)


convolve2d = convolve
