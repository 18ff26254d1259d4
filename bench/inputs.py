"""Inputs, SciPy's answers to them, and the comparison of a library's result with that answer."""
from math import prod

import numpy as np

# Largest difference from SciPy's result, over that result's largest element. Fourier transforms need the room.
TOLERANCE = {"e": 1e-2, "f": 1e-5, "d": 1e-12, "g": 1e-12, "F": 1e-5, "D": 1e-12, "G": 1e-12}
# SciPy's direct sum in any rank takes about 12 ns a product; beyond half a second the transform is the reference.
DIRECT_PRODUCTS = 5e7

generator = np.random.default_rng


def _floats(rng, shape, dtype):
    if dtype.kind == "c":
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def _pair(case, rng, shape, kernel):
    """An array and a kernel. Sums of integers stay within the dtype: cv2 saturates where NumPy wraps.

    No weight of the kernel is zero, because some libraries skip those.
    """
    dtype = np.dtype(case["dtype"])
    if dtype.kind not in "iu":
        return _floats(rng, shape, dtype), _floats(rng, kernel, dtype)
    largest = min(np.iinfo(dtype).max, 2**24)
    weight = int(min(9, max(1, largest // (20 * prod(kernel)))))
    value = int(min(100, max(1, largest // (weight * prod(kernel)))))
    return rng.integers(0, value + 1, shape).astype(dtype), rng.integers(1, weight + 1, kernel).astype(dtype)


def signal(case, rng):
    return _pair(case, rng, (case["length"],), (case["kernel"],))


def image(case, rng):
    return _pair(case, rng, (case["image"],) * 2, (case["kernel"],) * 2)


def volume(case, rng):
    return _pair(case, rng, (case["volume"],) * 3, (case["kernel"],) * 3)


def pair(case, rng):
    a = _floats(rng, (case["image"],) * 2, np.dtype(case["dtype"]))
    return a, a


def same_products(x, w):
    return x.size * w.size


def full_products(x, w):
    return w.size * prod(n + k - 1 for n, k in zip(x.shape, w.shape, strict=True))


# ---------------------------------------------------------------- references

def _wide(a):
    """In the widest type of its kind that SciPy computes at speed."""
    return a.astype({"f": np.float64, "c": np.complex128}.get(a.dtype.kind, np.int64))


def _method(x, w):
    return "direct" if x.size * w.size < DIRECT_PRODUCTS else "fft"


def same_reference(x, w):
    from scipy import signal
    return signal.correlate(_wide(x), _wide(w), "same", _method(x, w)).astype(x.dtype)


def convolve_reference(x, w):
    from scipy import signal
    return signal.convolve(_wide(x), _wide(w), "same", _method(x, w)).astype(x.dtype)


def wrap_by_fft(a, b):
    """``correlate2d(a, b, "full", "wrap")`` for two real images of one shape: one period, repeated."""
    from scipy import fft
    period = fft.irfft2(fft.rfft2(a) * np.conj(fft.rfft2(b)), a.shape)
    wrapped = np.roll(period, [n - 1 for n in a.shape], (0, 1))
    return np.pad(wrapped, [(0, n - 1) for n in a.shape], mode="wrap")


def wrap_reference(a, b):
    from scipy import signal
    if full_products(a, b) < DIRECT_PRODUCTS:
        return signal.correlate2d(a, b, "full", "wrap")
    return wrap_by_fft(a, b)


# ---------------------------------------------------------------- comparison

def difference(result, reference) -> float:
    """The largest difference, over the reference's largest element; infinite for another shape."""
    result = np.asarray(result)
    if result.size != reference.size:
        return float("inf")
    wide = np.complex128 if reference.dtype.kind == "c" else np.float64
    apart = np.subtract(result.reshape(reference.shape), reference, dtype=wide)
    largest = np.abs(reference, dtype=None).max()
    return float(np.abs(apart).max() / max(float(largest), np.finfo(np.float64).tiny))


def tolerance(dtype) -> float:
    return TOLERANCE.get(dtype.char, 0.0)
