"""The executable specification of pooling: what every fast path must equal, written to be read.

Along each axis a row of numbers for every output says which elements its window holds, and which of these exist. What
a window holds is gathered by these rows, then reduced; an adjoint adds each value to the place that it came from.
Inside, images are (..., *spatial) and windows (..., *out, taps).
"""
from functools import reduce
from math import prod
from typing import NamedTuple

import numpy as np

from fastconv._reference_layers import _each, _first, _last, _widths


class _Axis(NamedTuple):
    """Where the windows lie along an axis: (out, taps), and which taps exist, and which are an element or padding."""
    size: int
    taps: np.ndarray
    exists: np.ndarray
    counts: np.ndarray


def _axis(n, k, stride, padding, dilation, ceil_mode):
    before, after = _widths(padding, n, k, stride, dilation)
    spare = n + before + after - dilation * (k - 1) - 1
    out = (-(-spare // stride) if ceil_mode else spare // stride) + 1
    if ceil_mode and (out - 1) * stride >= n + before:    # the last would start in the padding behind
        out -= 1
    taps = np.arange(out)[:, None] * stride - before + dilation * np.arange(k)
    return _Axis(n, taps, (taps >= 0) & (taps < n), taps < n + after)


def _share(n, out):
    """Adaptive pooling: a window for each of `out` equal parts, of all elements of which the part has any."""
    start, stop = np.arange(out) * n // out, -(-np.arange(1, out + 1) * n // out)
    taps = start[:, None] + np.arange(max(stop - start))
    exists = taps < stop[:, None]
    return _Axis(n, taps, exists, exists)


class _Windows:
    """The windows in images of `size`: what they hold, and the way back."""

    def __init__(self, size, axes):
        self.size, self.axes, self.rank = size, list(axes), len(size)
        self.exists, self.counts = self._all("exists"), self._all("counts")

    def _all(self, name):
        """(*out, taps): whether it is so along every axis."""
        return self._taps_last(reduce(np.logical_and.outer, (getattr(axis, name) for axis in self.axes)))

    def _taps_last(self, a):
        """(..., out, taps, out, taps, ...) as (..., *out, all taps)."""
        lead = a.ndim - 2 * self.rank
        a = a.transpose(*range(lead), *range(lead, a.ndim, 2), *range(lead + 1, a.ndim, 2))
        return a.reshape(*a.shape[:lead + self.rank], prod(a.shape[lead + self.rank:]))

    def gather(self, a):
        """What the windows hold; where nothing exists, anything."""
        lead = a.ndim - self.rank
        for axis in self.axes:
            a = np.moveaxis(a, lead, -1)[..., axis.taps.clip(0, axis.size - 1)]
        return self._taps_last(a)

    def places(self):
        """The flat numbers of what they hold."""
        return self.gather(np.arange(prod(self.size)).reshape(self.size))

    def first(self, arg, windows):
        """The first tap that holds the maximum or the minimum."""
        if not self.exists.any(-1).all():
            raise ValueError("a window holds no element, so it has no maximum")
        # a tap that does not exist stands for the first that does
        tap = np.where(self.exists, np.arange(self.exists.shape[-1]), self.exists.argmax(-1)[..., None])
        tap = np.broadcast_to(tap, windows.shape)
        found = arg(np.take_along_axis(windows, tap, -1), -1, keepdims=True)    # NaN is the greatest, and the least
        return np.take_along_axis(tap, found, -1)

    def scatter(self, values):
        """The adjoint of `gather`."""
        return _scattered(np.where(self.exists, values, values.dtype.type(0)), self.places(), self.size, self.rank + 1)


def _scattered(values, places, size, rank):
    """Images of `size`: the sums of the values at each place. The last `rank` axes are those of one image."""
    lead = values.shape[:values.ndim - rank]
    places = np.broadcast_to(places, values.shape)
    image = np.zeros((prod(lead), prod(size)), values.dtype)
    np.add.at(image, (np.arange(prod(lead))[:, None], places.reshape(prod(lead), prod(values.shape[len(lead):]))),
              values.reshape(prod(lead), -1) if image.size else 0)
    return image.reshape(*lead, *size)


# ---------------------------------------------------------------- before and after

def _rank(ndim, sizes):
    return len(sizes) if np.ndim(sizes) else ndim - 2


def _cast(x, dtype):
    """x as what it is computed in, half precision as single; and the result's dtype."""
    x = np.asarray(x)
    dtype = np.dtype(x.dtype if dtype is None else dtype).newbyteorder("=")
    return x.astype(dtype).astype(np.float32 if dtype == np.float16 else dtype), dtype


def _sliding(size, kernel, stride, padding, dilation, ceil_mode):
    each = (_each(value, len(kernel)) for value in (kernel if stride is None else stride, padding, dilation))
    return _Windows(size, (_axis(*axis, ceil_mode) for axis in zip(size, kernel, *each, strict=True)))


def _adaptive(size, out):
    out = [n if o is None else o for n, o in zip(size, _each(out, len(size)), strict=True)]
    return _Windows(size, map(_share, size, out))


def _spatial(shape, rank, layout):
    return tuple(shape[-rank - 1:-1] if layout == "channels_last" else shape[-rank:])


# ---------------------------------------------------------------- maxima and minima

def _extremes(arg, x, windows, return_indices, layout, dtype):
    x, dtype = _cast(x, dtype)
    held = windows.gather(_first(x, windows.rank, layout))
    tap = windows.first(arg, held)
    y = np.take_along_axis(held, tap, -1)[..., 0].astype(dtype)
    indices = np.take_along_axis(np.broadcast_to(windows.places(), held.shape), tap, -1)[..., 0]
    y, indices = (_last(a, windows.rank, layout) for a in (y, indices))
    return (y, indices) if return_indices else y


def max_pool(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False, *,
             layout="channels_first", dtype=None, arg=np.argmax):
    kernel = _each(kernel_size, _rank(np.ndim(x), kernel_size))
    size = _spatial(np.shape(x), len(kernel), layout)
    windows = _sliding(size, kernel, stride, padding, dilation, ceil_mode)
    return _extremes(arg, x, windows, return_indices, layout, dtype)


def min_pool(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False, **how):
    return max_pool(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, arg=np.argmin, **how)


def adaptive_max_pool(x, output_size, return_indices=False, *, layout="channels_first", dtype=None):
    size = _spatial(np.shape(x), _rank(np.ndim(x), output_size), layout)
    return _extremes(np.argmax, x, _adaptive(size, output_size), return_indices, layout, dtype)


def global_max_pool(x, return_indices=False, *, rank=None, **how):
    return adaptive_max_pool(x, (1,) * (rank or np.ndim(x) - 2), return_indices, **how)


def max_unpool(x, indices, kernel_size, stride=None, padding=0, output_size=None, *,
               layout="channels_first", dtype=None):
    x, dtype = _cast(x, dtype)
    kernel = _each(kernel_size, _rank(x.ndim, kernel_size))
    rank = len(kernel)
    x, indices = _first(x, rank, layout), _first(np.asarray(indices), rank, layout)
    size = tuple(output_size or _unpooled(x.shape[-rank:], kernel, stride, padding))
    flat = prod(x.shape[:-rank]), prod(x.shape[-rank:])
    image = np.zeros((flat[0], prod(size)), x.dtype)
    for row, places, values in zip(image, indices.reshape(flat), x.reshape(flat), strict=True):
        for place, value in zip(places, values, strict=True):
            row[place] = value    # of several at one place, the last
    return _last(image.reshape(*x.shape[:-rank], *size).astype(dtype), rank, layout)


def _unpooled(size, kernel, stride, padding):
    each = (_each(value, len(kernel)) for value in (kernel if stride is None else stride, padding))
    return ((n - 1) * s + k - sum(_widths(p, n, k, s, 1)) for n, k, s, p in zip(size, kernel, *each, strict=True))


# ---------------------------------------------------------------- sums and averages

def _divided(a, divisor):
    """One rounding for the real and one for the imaginary part."""
    divisor = np.asarray(divisor).astype(a.real.dtype)
    with np.errstate(invalid="ignore", divide="ignore"):    # a window may hold nothing
        if a.dtype.kind != "c":
            return a / divisor
        result = np.empty_like(a)
        result.real, result.imag = a.real / divisor, a.imag / divisor
    return result


def _exact(held):
    """The sums of integers as numbers of any length."""
    held = held if held.dtype == np.uint64 else held.astype(np.int64)
    high, low = held >> 32, held & 0xFFFFFFFF
    return high.sum(-1).astype(object) * 2**32 + low.sum(-1).astype(object)


def _quotients(sums, divisors, dtype):
    """Whole numbers divided, rounded once: Python's division is."""
    divisors = np.broadcast_to(divisors, sums.shape)
    quotients = [s / d if d else float("nan") for s, d in zip(sums.flat, divisors.astype(object).flat, strict=True)]
    return np.array(quotients, float).reshape(sums.shape).astype(dtype)


def _whole(x, dtype):
    return dtype is None and np.asarray(x).dtype.kind in "biu"


def _average(x, windows, divisors, layout, dtype):
    if _whole(x, dtype):
        held = windows.gather(_first(np.asarray(x), windows.rank, layout))
        return _last(_quotients(_exact(held * windows.exists), divisors, np.float64), windows.rank, layout)
    x, dtype = _cast(x, dtype)
    return _last(_divided(_total(x, windows, layout), divisors).astype(dtype), windows.rank, layout)


def _total(x, windows, layout):
    held = windows.gather(_first(x, windows.rank, layout))
    return np.add.reduce(np.where(windows.exists, held, x.dtype.type(0)), -1, x.dtype)


def _divisors(windows, count_include_pad, divisor_override):
    counted = windows.counts if count_include_pad else windows.exists
    return counted.sum(-1) if divisor_override is None else divisor_override


def avg_pool(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None, *,
             dilation=1, layout="channels_first", dtype=None):
    kernel = _each(kernel_size, _rank(np.ndim(x), kernel_size))
    size = _spatial(np.shape(x), len(kernel), layout)
    windows = _sliding(size, kernel, stride, padding, dilation, ceil_mode)
    return _average(x, windows, _divisors(windows, count_include_pad, divisor_override), layout, dtype)


def sum_pool(x, kernel_size, stride=None, padding=0, ceil_mode=False, *,
             dilation=1, layout="channels_first", dtype=None):
    x = np.asarray(x)
    kernel = _each(kernel_size, _rank(x.ndim, kernel_size))
    windows = _sliding(_spatial(x.shape, len(kernel), layout), kernel, stride, padding, dilation, ceil_mode)
    x, dtype = _cast(x, np.add.reduce(x[..., :0], -1).dtype if dtype is None else dtype)
    return _last(_total(x, windows, layout).astype(dtype), windows.rank, layout)


def adaptive_avg_pool(x, output_size, *, layout="channels_first", dtype=None):
    windows = _adaptive(_spatial(np.shape(x), _rank(np.ndim(x), output_size), layout), output_size)
    return _average(x, windows, windows.exists.sum(-1), layout, dtype)


def global_avg_pool(x, *, rank=None, **how):
    return adaptive_avg_pool(x, (1,) * (rank or np.ndim(x) - 2), **how)


def lp_pool(x, norm_type, kernel_size, stride=None, ceil_mode=False, *,
            padding=0, dilation=1, layout="channels_first", dtype=None):
    x, dtype = _cast(x, np.float64 if _whole(x, dtype) else dtype)
    kernel = _each(kernel_size, _rank(x.ndim, kernel_size))
    windows = _sliding(_spatial(x.shape, len(kernel), layout), kernel, stride, padding, dilation, ceil_mode)
    return _last(_norm(x, norm_type, windows, layout).astype(dtype), windows.rank, layout)


def _norm(x, p, windows, layout):
    return _parts_of_norm(x, p, windows, layout)[0]


def _parts_of_norm(x, p, windows, layout):
    """The norms; and the largest elements, and the sums of powers of what the others are to these."""
    power = x.dtype.type(p)
    with np.errstate(all="ignore"):
        sums = _total(np.abs(x) ** power, windows, layout)
        held = np.where(windows.exists, windows.gather(_first(np.abs(x), windows.rank, layout)), 0)
        largest = held.max(-1)
        shares = np.where(np.isfinite(largest) & (largest > 0), ((held / largest[..., None]) ** power).sum(-1), 1)
        safe = (power >= 1 / 16) & (np.finfo(x.dtype).tiny * 1e20 < sums) & (sums < np.finfo(x.dtype).max)
        norms = (np.sqrt if p == 2 else lambda s: s ** (1 / power))(np.where(safe, sums, shares))
        return np.where(safe, norms, norms * largest), largest, shares


# ---------------------------------------------------------------- gradients

def _placed(input_size, image, rank, layout, dtype):
    """A gradient in its layout, of the shape asked for."""
    image = _last(image.astype(dtype), rank, layout)
    assert image.shape == tuple(input_size)
    return image


def max_pool_gradient(input_size, indices, grad_output, *, rank=None, layout="channels_first", dtype=None):
    g, dtype = _cast(grad_output, dtype)
    rank = rank or len(input_size) - 2
    g, indices = _first(g, rank, layout), _first(np.asarray(indices), rank, layout)
    image = _scattered(g, indices, _spatial(input_size, rank, layout), rank)
    return _placed(input_size, image, rank, layout, dtype)


def _spread(input_size, grad_output, windows, divisors, layout, dtype):
    """Each output's gradient, divided, to all that its window holds."""
    g, dtype = _cast(grad_output, dtype)
    g = _first(g, windows.rank, layout)
    g = g if divisors is None else _divided(g, divisors)
    image = windows.scatter(np.broadcast_to(g[..., None], (*g.shape, windows.exists.shape[-1])))
    return _placed(input_size, image, windows.rank, layout, dtype)


def avg_pool_gradient(input_size, grad_output, kernel_size, stride=None, padding=0, ceil_mode=False,
                      count_include_pad=True, divisor_override=None, *,
                      dilation=1, layout="channels_first", dtype=None):
    kernel = _each(kernel_size, _rank(len(input_size), kernel_size))
    windows = _sliding(_spatial(input_size, len(kernel), layout), kernel, stride, padding, dilation, ceil_mode)
    return _spread(input_size, grad_output, windows, _divisors(windows, count_include_pad, divisor_override), layout,
                   np.float64 if _whole(grad_output, dtype) else dtype)


def sum_pool_gradient(input_size, grad_output, kernel_size, stride=None, padding=0, ceil_mode=False, *,
                      dilation=1, layout="channels_first", dtype=None):
    kernel = _each(kernel_size, _rank(len(input_size), kernel_size))
    windows = _sliding(_spatial(input_size, len(kernel), layout), kernel, stride, padding, dilation, ceil_mode)
    return _spread(input_size, grad_output, windows, None, layout, dtype)


def adaptive_avg_pool_gradient(input_size, grad_output, *, rank=None, layout="channels_first", dtype=None):
    rank = rank or len(input_size) - 2
    windows = _adaptive(_spatial(input_size, rank, layout), _spatial(np.shape(grad_output), rank, layout))
    return _spread(input_size, grad_output, windows, windows.exists.sum(-1), layout,
                   np.float64 if _whole(grad_output, dtype) else dtype)


def lp_pool_gradient(x, norm_type, grad_output, kernel_size, stride=None, ceil_mode=False, *,
                     padding=0, dilation=1, layout="channels_first", dtype=None):
    """g |x|^(p-1) sign(x) y^(1-p), summed over the windows; 0 where x is."""
    common = np.result_type(np.asarray(x), np.asarray(grad_output)) if dtype is None else np.dtype(dtype)
    common = np.dtype(np.float64) if common.kind in "biu" else common
    (x, dtype), (g, _) = _cast(x, common), _cast(grad_output, common)
    kernel = _each(kernel_size, _rank(x.ndim, kernel_size))
    rank = len(kernel)
    windows = _sliding(_spatial(x.shape, rank, layout), kernel, stride, padding, dilation, ceil_mode)
    (_, largest, shares), p = _parts_of_norm(x, norm_type, windows, layout), x.dtype.type(norm_type)
    held = windows.gather(_first(x, rank, layout))
    with np.errstate(all="ignore"):
        slope = (np.abs(held) / largest[..., None]) ** (p - 1) * shares[..., None] ** (1 / p - 1) * np.sign(held)
        slope = np.where((held == 0) | (largest[..., None] == 0), 0, slope)
    image = windows.scatter((_first(g, rank, layout)[..., None] * slope).astype(x.dtype))
    return _placed(x.shape, image, rank, layout, dtype)
