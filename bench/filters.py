"""Ways to compute the cases of images, signals and volumes.

A function takes the inputs of a case and returns the call to time, without arguments: what need not be repeated for
every image (a flipped view of the kernel, an array for the result) is done before. Imports are inside, because each
library is loaded in its own process only.
"""
from functools import partial
from importlib import import_module

import numpy as np
from inputs import wrap_by_fft
from libraries import FLOATS, method


def _flip(w):
    return w[(slice(None, None, -1),) * w.ndim]


# ---------------------------------------------------------------- fastconv

def _same(name, x, w, **options):
    """A call of fastconv's function of that name."""
    return partial(getattr(import_module("fastconv"), name), x, w, "same", **options)


@method("fastconv", "fastconv", "tiny", "filters", role="ours", threaded=True)
def fastconv_2d(x, w):
    return _same("correlate2d", x, w)


@method("fastconv out=", "fastconv", "tiny", "filters", role="ours", threaded=True, into=True)
def fastconv_2d_into(x, w):
    return _same("correlate2d", x, w, out=np.empty_like(x))


@method("fastconv", "fastconv", "signals", role="ours", threaded=True)
def fastconv_1d(x, w):
    return _same("convolve", x, w)


@method("fastconv out=", "fastconv", "signals", role="ours", threaded=True, into=True)
def fastconv_1d_into(x, w):
    return _same("convolve", x, w, out=np.empty_like(x))


@method("fastconv", "fastconv", "volumes", role="ours", threaded=True)
def fastconv_3d(x, w):
    return _same("correlate", x, w)


@method("fastconv out=", "fastconv", "volumes", role="ours", threaded=True, into=True)
def fastconv_3d_into(x, w):
    return _same("correlate", x, w, out=np.empty_like(x))


@method("fastconv direct", "fastconv", "peak", role="ours")
def fastconv_direct(x, w):
    return _same("correlate", x, w, method="direct")


@method("fastconv direct out=", "fastconv", "peak", role="ours", into=True)
def fastconv_direct_into(x, w):
    return _same("correlate", x, w, method="direct", out=np.empty_like(x))


@method("fastconv", "fastconv", "wrap", role="ours", threaded=True)
def fastconv_wrap(x, w):
    return partial(import_module("fastconv").correlate2d, x, w, "full", "wrap")


method("fastconv", "fastconv", "builds", role="ours")(fastconv_direct)
for _isa in ("x86-64-v3", "baseline"):
    method(_isa, f"fastconv {_isa}", "builds")(fastconv_direct)


# ---------------------------------------------------------------- what no competitor reaches

@method("FMA peak", "peak", "peak", role="bound", dtypes="fd")
def fma_peak(x, w):
    """The time that the multiply-adds of the direct algorithm take at the peak of one core."""
    from peak import multiply_adds
    return multiply_adds(x.size * w.size, x.dtype)


# ---------------------------------------------------------------- peers

@method("numpy.convolve", "numpy", "signals")
def numpy_convolve(x, w):
    return partial(np.convolve, x, w, "same")


@method("scipy.signal.correlate2d", "scipy", "tiny", "filters", most=1.2e9)
def scipy_correlate2d(x, w):
    from scipy import signal
    return partial(signal.correlate2d, x, w, "same")


@method("scipy.signal.correlate2d", "scipy", "wrap", most=1.2e9)
def scipy_wrap(x, w):
    from scipy import signal
    return partial(signal.correlate2d, x, w, "full", "wrap")


@method("scipy.fft by hand", "scipy.fft", "wrap", threaded=True)
def scipy_wrap_by_fft(x, w):
    return partial(wrap_by_fft, x, w)


@method("scipy.signal.convolve direct", "scipy", "signals", most=3e9)
def scipy_convolve(x, w):
    from scipy import signal
    return partial(signal.convolve, x, w, "same", "direct")


@method("scipy.signal.correlate direct", "scipy", "volumes", most=3e8)
def scipy_correlate(x, w):
    from scipy import signal
    return partial(signal.correlate, x, w, "same", "direct")


@method("scipy.signal.correlate fft", "scipy", "volumes", threaded=True)
def scipy_correlate_fft(x, w):
    from scipy import signal
    return partial(signal.correlate, x, w, "same", "fft")


@method("scipy.ndimage.correlate", "scipy", "tiny", "filters", "volumes", most=3e9)
def scipy_ndimage(x, w):
    from scipy import ndimage
    return partial(ndimage.correlate, x, w, mode="constant")


@method("scipy.ndimage.convolve1d", "scipy", "signals", most=3e9)
def scipy_ndimage_1d(x, w):
    from scipy import ndimage
    return partial(ndimage.convolve1d, x, w, mode="constant")


@method("scipy.signal.fftconvolve", "scipy", "filters", threaded=True, dtypes=FLOATS)
def scipy_fftconvolve(x, w):
    from scipy import signal
    return partial(signal.fftconvolve, x, _flip(w), "same")


@method("scipy.signal.oaconvolve", "scipy", "filters", "volumes", threaded=True, dtypes=FLOATS)
def scipy_oaconvolve(x, w):
    from scipy import signal
    return partial(signal.oaconvolve, x, _flip(w), "same")


@method("scipy.signal.oaconvolve", "scipy", "signals", threaded=True, dtypes=FLOATS)
def scipy_oaconvolve_1d(x, w):
    from scipy import signal
    return partial(signal.oaconvolve, x, w, "same")


def _cv2_filter(x, w, **options):
    """OpenCV wants the kernel of an integer image as floats."""
    import cv2
    weights = w.astype(np.float32) if x.dtype.kind in "iu" else w
    return partial(cv2.filter2D, x, -1, weights, borderType=cv2.BORDER_CONSTANT, **options)


@method("cv2.filter2D", "cv2", "tiny", "filters", threaded=True, dtypes="BHhfd")
def cv2_filter(x, w):
    return _cv2_filter(x, w)


@method("cv2.filter2D dst=", "cv2", "tiny", "filters", threaded=True, dtypes="BHhfd", into=True)
def cv2_filter_into(x, w):
    return _cv2_filter(x, w, dst=np.empty_like(x))


# In double precision torch unrolls the image: 8 bytes a multiply-add.
@method("torch conv", "torch", "tiny", "filters", "volumes", threaded=True, dtypes="fd", most=5e8)
def torch_conv(x, w):
    import torch
    function = {2: torch.nn.functional.conv2d, 3: torch.nn.functional.conv3d}[x.ndim]
    return partial(function, torch.from_numpy(x)[None, None], torch.from_numpy(w)[None, None], padding="same")


@method("torch conv", "torch", "signals", threaded=True, dtypes="fd")
def torch_conv1d(x, w):
    import torch
    weights = torch.from_numpy(_flip(w).copy())[None, None]
    return partial(torch.nn.functional.conv1d, torch.from_numpy(x)[None, None], weights, padding="same")


@method("astropy.convolve", "astropy", "tiny", "filters", "volumes", dtypes="fd", most=1.2e9)
def astropy_convolve(x, w):
    from astropy.convolution import convolve
    return partial(convolve, x, _flip(w), boundary="fill", normalize_kernel=False, nan_treatment="fill")


@method("astropy.convolve", "astropy", "signals", dtypes="fd", most=1.2e9)
def astropy_convolve_1d(x, w):
    from astropy.convolution import convolve
    return partial(convolve, x, w, boundary="fill", normalize_kernel=False, nan_treatment="fill")
