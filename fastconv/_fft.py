"""Correlation through the Fourier transform, for every border.

The transform of a block of the image, times the conjugate of the kernel's, is that of their circular correlation.
Two ways lead from there to the output:

* *blocks* (overlap-save): a block of outputs needs a stretch of the continued image, kernel length - 1 longer; the
  sums are the correlation's first elements, and the rest, which has wrapped around, is dropped;
* *circular*: the output is the correlation itself, read modulo its period. So it is for a periodic image ("wrap"), and
  for an image among zeros once the period has room for the zeros that the kernel meets, on both sides the same ones.

The transforms are SciPy's when it is installed, else NumPy's.
"""
from concurrent.futures import ThreadPoolExecutor
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
_BLOCK_SECONDS = 10e-6         # what a block costs in Python,
_BATCH_SECONDS = 40e-6         # what a batch of blocks does,
_PLAN_SECONDS = 100e-6         # and a plan
_BATCH = 1 << 17               # elements of the blocks transformed together, if there are several
_LARGEST = 1 << 24             # elements of a block, unless the kernel asks for more


def _fast_len(n: int) -> int:
    """The next length that the transforms like: a product of small primes."""
    if _scipy_fft:
        return _scipy_fft.next_fast_len(n, real=True)
    return min(
        (power * 2 ** max(0, ceil(log2(n / power)))
         for power in (3**i * 5**j for i in range(20) for j in range(14)) if power < 2 * n),
    )


def _precision(problem) -> str:
    """The real type to transform in, as a dtype character: float64 for integers, also among float32."""
    if problem.dtype.kind in "iu" or (problem.from_integers and problem.dtype.char not in "gG"):
        return "d"
    return {"e": "f", "F": "f", "D": "d", "G": "g"}.get(problem.dtype.char, problem.dtype.char)


@dataclass(frozen=True)
class Plan:
    """A transform's shape, the outputs of a block, whether they are read modulo the period, and the seconds in all."""

    shape: tuple[int, ...]
    step: tuple[int, ...]
    circular: bool
    seconds: float


def _transform_seconds(problem, shape):
    size = prod(shape)
    return _SECONDS[_precision(problem)] * (2 if problem.dtype.kind == "c" else 1) * size * log2(max(size, 2))


def least_seconds(problem) -> float:
    """What no plan can undercut: planning itself, and one transform there and back."""
    return _PLAN_SECONDS + 2 * _transform_seconds(problem, problem.out.shape)


def _cuts(outputs: int, taps: int):
    """Ways to cut an axis: (outputs of a block, length of its transform, blocks), the overlap never the larger part."""
    count, cuts = 1, []
    while count == 1 or outputs > taps * count:
        step = ceil(outputs / count)
        cuts.append((step, _fast_len(step + taps - 1), ceil(outputs / step)))
        count *= 2
    return cuts


def _batch(shape) -> int:
    """How many blocks to transform together: small ones would cost more in Python than in the transforms."""
    return max(1, _BATCH // prod(shape))


def _circular_plan(problem):
    """The plan for the whole output at once, where the border allows it."""
    if problem.boundary == "wrap":
        shape = problem.x.shape
    elif problem.boundary == "constant" and not problem.fill:
        # output o reads x[o - before] to x[o - before + taps - 1]: that must not meet the image a second time
        axes = zip(problem.x.shape, problem.offset, problem.out.shape, problem.kernel.shape, strict=True)
        shape = tuple(_fast_len(max(n + before, outputs - before + taps - 1)) for n, before, outputs, taps in axes)
    else:
        return None
    seconds = 3 * _transform_seconds(problem, shape) + _BATCH_SECONDS
    return Plan(shape, problem.out.shape, True, seconds) if prod(shape) <= 4 * _LARGEST else None


def plan(problem) -> Plan:
    """The cheapest way to compute the output."""
    best = _circular_plan(problem)
    if problem.boundary == "wrap" and best:
        return best
    for cuts in product(*map(_cuts, problem.out.shape, problem.kernel.shape)):    # from one block to many
        step, shape, counts = zip(*cuts, strict=True)
        blocks, size = prod(counts), prod(shape)
        seconds = (2 * blocks + 1) * _transform_seconds(problem, shape) + blocks * _BLOCK_SECONDS
        seconds += ceil(blocks / _batch(shape)) * _BATCH_SECONDS
        if best is None or (seconds < best.seconds and size <= _LARGEST) or size < prod(best.shape) > _LARGEST:
            best = Plan(shape, step, False, seconds)
    assert best is not None
    return best


def exact(problem, shape) -> bool:
    """Whether transforms of this shape, rounded, give exact results for integers.

    The error is at most a small multiple of eps * log2(m) * norm(x) * norm(kernel) (Higham, Accuracy and Stability
    of Numerical Algorithms, 24.1); 8 is generous, and the sum itself must be an exact float64.
    """
    def largest(a):
        return max(abs(int(a.max())), abs(int(a.min()))) if a.size else 0

    size, taps = prod(shape), problem.kernel.size
    turns = prod(ceil(k / n) for k, n in zip(problem.kernel.shape, shape, strict=True))    # taps added up by _modulo
    x, w = max(largest(problem.x), abs(int(problem.fill))), largest(problem.kernel)
    norms = x * w * (size * taps * turns) ** 0.5
    return 8 * 2**-53 * log2(size + 1) * norms < 0.25 and x * w * taps < 2**53


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
    """Forward and back for one shape."""

    def __init__(self, problem, shape, workers):
        complex_input = problem.dtype.kind == "c"
        self.dtype = np.dtype(_precision(problem).upper() if complex_input else _precision(problem))
        self._shape, self._axes = shape, tuple(range(-len(shape), 0))
        library, self._options = (_scipy_fft, {"workers": workers}) if _scipy_fft else (np.fft, {})
        self._forward, self._back = (
            (library.fftn, library.ifftn) if complex_input else (library.rfftn, library.irfftn))

    def forward(self, a):
        return self._forward(a.astype(self.dtype, copy=False), self._shape, self._axes, **self._options)

    def filtered(self, a, spectrum):
        """The circular correlation of `a`, or of each array in a stack, with the kernel that has this spectrum."""
        with np.errstate(all="ignore"):    # infinities and NaN are looked for, and mended, afterwards
            transformed = self.forward(a)
            transformed *= spectrum
            return self._back(transformed, self._shape, self._axes, **self._options)


def _kernel_spectrum(problem, kernel, transforms):
    """What the image's spectrum is multiplied with; conj(transform(w)) correlates with conj(w)."""
    conjugates = problem.conjugate_kernel or problem.conjugate_x or problem.dtype.kind != "c"
    spectrum = transforms.forward(kernel if conjugates else np.conj(kernel))
    return np.conj(spectrum, out=spectrum)


def _store(problem, sums, target):
    """Sums to their place in the output, as its dtype wants them."""
    with np.errstate(all="ignore"):    # float16 may overflow, as in a direct sum
        if problem.dtype.kind in "iu":
            target[...] = np.rint(sums).astype(np.int64)
        else:
            target[...] = np.conj(sums) if problem.conjugate_x else sums


def _modulo(kernel, shape):
    """The kernel summed modulo the period, where it is longer than that."""
    for axis, n in enumerate(shape):
        if kernel.shape[axis] > n:
            pads = [(0, 0)] * kernel.ndim
            pads[axis] = (0, -kernel.shape[axis] % n)
            kernel = np.pad(kernel, pads)
            kernel = kernel.reshape(*kernel.shape[:axis], -1, n, *kernel.shape[axis + 1:]).sum(axis)
    return kernel


def _turns(outputs, offset, period):
    """Pieces of an axis of the output, and where they are in the period: pairs of slices."""
    pieces, start = [], 0
    while start < outputs:
        source = (start - offset) % period
        length = min(outputs - start, period - source)
        pieces.append((slice(start, start + length), slice(source, source + length)))
        start += length
    return pieces


def _correlate_circular(problem, chosen, workers, direct):
    transforms = _Transforms(problem, chosen.shape, workers)
    kernel = _modulo(problem.kernel.astype(transforms.dtype, copy=False), chosen.shape)
    sums = transforms.filtered(problem.x, _kernel_spectrum(problem, kernel, transforms))
    turns = [_turns(*axis) for axis in zip(problem.out.shape, problem.offset, chosen.shape, strict=True)]
    if not all(np.isfinite(sums[tuple(source for _, source in piece)]).all() for piece in product(*turns)):
        direct(problem, workers)
        return
    for piece in product(*turns):
        target, source = zip(*piece, strict=True)
        _store(problem, sums[source], problem.out[target])


def _correlate_blocks(problem, chosen, workers, direct):
    taps, batch = problem.kernel.shape, _batch(chosen.shape)
    corners = list(product(*(range(0, o, b) for o, b in zip(problem.out.shape, chosen.step, strict=True))))
    batches = [corners[i:i + batch] for i in range(0, len(corners), batch)]
    threads = min(workers, len(batches))
    transforms = _Transforms(problem, chosen.shape, workers // threads)
    spectrum = _kernel_spectrum(problem, problem.kernel, transforms)

    def block(corner, outputs):
        start = [c - before for c, before in zip(corner, problem.offset, strict=True)]
        return _continued(problem, start, [b + k - 1 for b, k in zip(outputs, taps, strict=True)])

    def compute(corners):
        sums = transforms.filtered(np.stack([block(corner, chosen.step) for corner in corners]), spectrum)
        for corner, some in zip(corners, sums, strict=True):
            target = problem.out[tuple(slice(c, c + b) for c, b in zip(corner, chosen.step, strict=True))]
            some = some[tuple(map(slice, target.shape))]
            if np.isfinite(some).all():
                _store(problem, some, target)
            else:
                direct(part(problem, block(corner, target.shape), target), workers // threads)

    if threads == 1:
        for some in batches:
            compute(some)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(compute, batches))


def correlate(problem, chosen: Plan, workers: int, direct) -> None:
    """Compute `problem.out`. What holds, or overflows to, infinity or NaN goes to `direct(part, workers)` instead."""
    (_correlate_circular if chosen.circular else _correlate_blocks)(problem, chosen, workers, direct)
