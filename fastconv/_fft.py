"""Correlation through the Fourier transform, block by block (overlap-save), for every border.

A block of outputs needs a stretch of the continued image, kernel length - 1 longer: its transform, times the
conjugate of the kernel's, holds the block's sums in its first elements; the rest wraps around and is dropped. A
periodic image ("wrap") is its own circular correlation: one transform of its own size, the kernel folded into it.

The transforms are SciPy's when it is installed, else NumPy's.
"""
from dataclasses import dataclass
from itertools import product
from math import ceil, log2, prod

import numpy as np

from fastconv._geometry import part

try:
    from scipy import fft as _scipy_fft
except ImportError:
    _scipy_fft = None

# Seconds for one real transform of m elements, per m * log2(m): 1024 x 1024 and 128 x 128 x 128, one core of a
# Zen 4 at 3.6 GHz. Complex ones cost twice that.
_SECONDS = {"f": 1.8e-10, "d": 3.3e-10, "g": 60e-10} if _scipy_fft else {"f": 2.5e-10, "d": 4.5e-10, "g": 80e-10}
_BLOCK_SECONDS = 40e-6         # what a block costs in Python and set-up
_PLAN_SECONDS = 100e-6         # and a plan
_LARGEST = 1 << 24             # elements of a block, unless the kernel asks for more


def _fast_len(n: int) -> int:
    """The next length that the transforms like: a product of small primes."""
    if _scipy_fft:
        return _scipy_fft.next_fast_len(n, real=True)
    return min(
        (power * 2 ** max(0, ceil(log2(n / power)))
         for power in (3**i * 5**j for i in range(20) for j in range(14)) if power < 2 * n),
    )


def precision(dtype: np.dtype) -> str:
    """The real type that transforms of this dtype are computed in, as a dtype character."""
    if dtype.kind in "iu":
        return "d"
    return {"e": "f", "F": "f", "D": "d", "G": "g"}.get(dtype.char, dtype.char)


@dataclass(frozen=True)
class Plan:
    """The transform's shape, the outputs it yields, how many of them there are, and the seconds it should take."""

    shape: tuple[int, ...]
    step: tuple[int, ...]
    periodic: bool
    seconds: float


def _transform_seconds(shape, dtype):
    size = prod(shape)
    return _SECONDS[precision(dtype)] * (2 if dtype.kind == "c" else 1) * size * log2(max(size, 2))


def least_seconds(problem) -> float:
    """What no plan can undercut: planning itself, and one transform there and back."""
    return _PLAN_SECONDS + 2 * _transform_seconds((problem.out.size,), problem.dtype)


def _cuts(outputs: int, taps: int):
    """Ways to cut an axis: (outputs of a block, length of its transform, blocks), the overlap never the larger part."""
    count, cuts = 1, []
    while count == 1 or outputs > taps * count:
        step = ceil(outputs / count)
        cuts.append((step, _fast_len(step + taps - 1), ceil(outputs / step)))
        count *= 2
    return cuts


def plan(problem) -> Plan:
    """The cheapest way to cut the output into blocks."""
    taps, outputs = problem.kernel.shape, problem.out.shape or (1,)
    if problem.boundary == "wrap" and problem.x.size <= 4 * _LARGEST:
        seconds = 3 * _transform_seconds(problem.x.shape, problem.dtype)
        return Plan(problem.x.shape, outputs, True, seconds + _BLOCK_SECONDS)
    best = None
    for cuts in product(*map(_cuts, outputs, taps)):    # from one block to many
        step, shape, counts = zip(*cuts, strict=True)
        blocks, size = prod(counts), prod(shape)
        seconds = (2 * blocks + 1) * _transform_seconds(shape, problem.dtype) + blocks * _BLOCK_SECONDS
        if best is None or (seconds < best.seconds and size <= _LARGEST) or size < prod(best.shape) > _LARGEST:
            best = Plan(shape, step, False, seconds)
    return best


def exact(problem, shape) -> bool:
    """Whether transforms of this shape, rounded, give exact results for integers.

    The error is at most a small multiple of eps * log2(m) * norm(x) * norm(kernel) (Higham, Accuracy and Stability
    of Numerical Algorithms, 24.1); 8 is generous, and the sum itself must be an exact float64.
    """
    def largest(a):
        return max(abs(int(a.max())), abs(int(a.min()))) if a.size else 0

    size = prod(shape)
    x, w = max(largest(problem.x), abs(int(problem.fill))), largest(problem.kernel)
    norms = x * w * (size * problem.kernel.size) ** 0.5
    return 8 * 2**-53 * log2(size + 1) * norms < 0.25 and x * w * problem.kernel.size < 2**53


# ---------------------------------------------------------------- the image, continued

def _continued(problem, start, length):
    """x[start : start + length] of the continued image, in the dtype of the transform."""
    x = problem.x
    stop = [s + n for s, n in zip(start, length, strict=True)]
    inside = tuple(slice(min(max(a, 0), n), min(max(b, 0), n)) for a, b, n in zip(start, stop, x.shape, strict=True))
    if all(s.stop - s.start == n for s, n in zip(inside, length, strict=True)):
        return x[inside]
    if problem.boundary == "constant":
        block = np.full(length, problem.fill, problem.dtype)
        block[tuple(slice(s.start - a, s.stop - a) for s, a in zip(inside, start, strict=True))] = x[inside]
        return block
    return x[np.ix_(*(_indices(n, a, b, problem.boundary) for n, a, b in zip(x.shape, start, stop, strict=True)))]


def _indices(n, start, stop, boundary):
    """Which elements of an axis of n the continued axis holds at start..stop-1."""
    before, after = max(0, -start), max(0, stop - n)
    return np.pad(np.arange(n), (before, after), mode=boundary)[start + before:stop + before]


# ---------------------------------------------------------------- transforms

class _Transforms:
    """Forward and back for one shape and dtype."""

    def __init__(self, shape, dtype, workers):
        complex_input = dtype.kind == "c"
        self.dtype = np.dtype(precision(dtype).upper() if complex_input else precision(dtype))
        self._shape, self._axes = shape, tuple(range(len(shape)))
        library, self._options = (_scipy_fft, {"workers": workers}) if _scipy_fft else (np.fft, {})
        self._forward, self._back = (
            (library.fftn, library.ifftn) if complex_input else (library.rfftn, library.irfftn))

    def forward(self, a):
        return self._forward(a.astype(self.dtype, copy=False), self._shape, self._axes, **self._options)

    def filtered(self, a, spectrum):
        """The circular correlation of `a` with the kernel that has this spectrum."""
        transformed = self.forward(a)
        transformed *= spectrum
        return self._back(transformed, self._shape, self._axes, **self._options)


def _kernel_spectrum(problem, kernel, transforms):
    """What the image's spectrum is multiplied with; conj(transform(w)) correlates with conj(w)."""
    conjugates = problem.conjugate_kernel or problem.conjugate_x or problem.dtype.kind != "c"
    spectrum = transforms.forward(kernel if conjugates else np.conj(kernel))
    return np.conj(spectrum, out=spectrum)


def _finished(problem, sums):
    """A block of sums as the dtype wants it."""
    if problem.dtype.kind in "iu":
        return np.rint(sums).astype(np.int64).astype(problem.dtype)
    return np.conj(sums) if problem.conjugate_x else sums


def _folded(kernel, offset, shape):
    """The kernel wrapped around a period, its tap `offset` at index 0."""
    for axis, (shift, n) in enumerate(zip(offset, shape, strict=True)):
        pads = [(0, 0)] * kernel.ndim
        before = -shift % n
        pads[axis] = (before, -(before + kernel.shape[axis]) % n)
        kernel = np.pad(kernel, pads)
        kernel = kernel.reshape(*kernel.shape[:axis], -1, n, *kernel.shape[axis + 1:]).sum(axis)
    return kernel


def _periodic(problem, chosen, workers, direct):
    transforms = _Transforms(chosen.shape, problem.dtype, workers)
    kernel = _folded(problem.kernel.astype(transforms.dtype), problem.offset, chosen.shape)
    sums = transforms.filtered(problem.x, _kernel_spectrum(problem, kernel, transforms))
    if not np.isfinite(sums).all():
        direct(problem, workers)
        return
    sums = _finished(problem, sums)
    for corner in product(*(range(0, o, n) for o, n in zip(problem.out.shape, chosen.shape, strict=True))):
        target = problem.out[tuple(slice(c, c + n) for c, n in zip(corner, chosen.shape, strict=True))]
        target[...] = sums[tuple(map(slice, target.shape))]


def correlate(problem, chosen: Plan, workers: int, direct) -> None:
    """Compute `problem.out`. A block that holds, or overflows to, infinity or NaN goes to `direct(part, workers)`."""
    if chosen.periodic:
        _periodic(problem, chosen, workers, direct)
        return
    transforms = _Transforms(chosen.shape, problem.dtype, workers)
    spectrum = _kernel_spectrum(problem, problem.kernel, transforms)
    out = problem.out
    for corner in product(*(range(0, o, b) for o, b in zip(out.shape, chosen.step, strict=True))):
        target = out[tuple(slice(c, c + b) for c, b in zip(corner, chosen.step, strict=True))]
        start = [c - shift for c, shift in zip(corner, problem.offset, strict=True)]
        block = _continued(problem, start, [b + k - 1 for b, k in zip(target.shape, problem.kernel.shape, strict=True)])
        sums = transforms.filtered(block, spectrum)[tuple(map(slice, target.shape))]
        if np.isfinite(sums).all():
            target[...] = _finished(problem, sums)
        else:
            direct(part(problem, block, target), workers)
