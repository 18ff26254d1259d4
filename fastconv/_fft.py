"""Correlation through the Fourier transform, for every border.

The transform of a block of the image, times the conjugate of the kernel's, is that of their circular correlation.
Two ways lead from there to the output:

* *blocks* (overlap-save): a block of outputs needs a stretch of the continued image, kernel length - 1 longer; the
  sums are the correlation's first elements, and the rest, which has wrapped around, is dropped;
* *circular*: the output is the correlation itself. So it is for a periodic image ("wrap"), whose kernel is summed
  modulo the period, and for an image among zeros once the period has room for the zeros that the kernel meets.

What a transform cannot sum well, data of many magnitudes, is prepared for it in `_magnitudes`.

The transforms are SciPy's when it is installed, else NumPy's. SciPy is imported when it is first needed.
"""
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import compress, product
from math import ceil, log2, prod

import numpy as np

from fastconv import _magnitudes
from fastconv._geometry import part
from fastconv._magnitudes import Kernel, Transform, Windows, scaled, split_kernel


def _find_scipy_fft():
    if not find_spec("scipy"):
        return None
    from scipy import fft
    return fft


_scipy_fft = cache(_find_scipy_fft)    # SciPy's transforms, None without SciPy


# Seconds for one real transform of m elements, per m * log2(m): 1024 x 1024 and 128 x 128 x 128, one core of a
# Zen 4 at 3.6 GHz, with SciPy and without. Complex ones cost twice that.
_SECONDS = {True: {"f": 1.8e-10, "d": 3.3e-10, "g": 60e-10}, False: {"f": 2.5e-10, "d": 4.5e-10, "g": 80e-10}}
_BLOCK_SECONDS = 10e-6         # what a block costs in Python,
_BATCH_SECONDS = 40e-6         # what a batch of blocks does,
_PLAN_SECONDS = 100e-6         # and a plan
_BATCH = 1 << 17               # elements of the blocks transformed together, if there are several
_LARGEST = 1 << 24             # elements of a block, unless the kernel asks for more
_SAMPLED = 1 << 22             # elements of an image looked at before it is cut into blocks, at most


def _fast_len(n: int) -> int:
    """The next length that the transforms like: a product of small primes."""
    if _scipy_fft():
        return _scipy_fft().next_fast_len(n, real=True)
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
    size, seconds = prod(shape), _SECONDS[bool(_scipy_fft())][_precision(problem)]
    return seconds * (2 if problem.dtype.kind == "c" else 1) * size * log2(max(size, 2))


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
        self._shape, self._axes, self._workers = shape, tuple(range(-len(shape), 0)), workers
        library = _scipy_fft() or np.fft
        self._forward, self._back = (
            (library.fftn, library.ifftn) if complex_input else (library.rfftn, library.irfftn))

    def _run(self, transform, a):
        if _scipy_fft() is None:
            return transform(a, self._shape, self._axes)
        try:
            return transform(a, self._shape, self._axes, workers=self._workers)
        except RuntimeError:    # its threads are gone after a fork, or refused by the system
            self._workers = 1
            return transform(a, self._shape, self._axes, workers=1)

    def spectrum(self, kernel):
        """What the image's spectrum is multiplied with, so that each element meets these taps."""
        spectrum = self._run(self._forward, np.conj(kernel) if kernel.dtype.kind == "c" else kernel)
        return np.conj(spectrum, out=spectrum)

    def filtered(self, a, spectrum):
        """The circular correlation of `a`, or of each array in a stack, with the kernel that has this spectrum."""
        transformed = self._run(self._forward, a)
        transformed *= spectrum
        return self._run(self._back, transformed)


def _multiplied_with(problem, dtype):
    """The kernel as elements of the image are multiplied with it: conj(transform(w)) correlates with conj(w)."""
    w = problem.kernel.astype(dtype, copy=False)
    return np.conj(w) if w.dtype.kind == "c" and (problem.conjugate_kernel or problem.conjugate_x) else w


def _store(problem, sums, target):
    """Sums to their place in the output, as its dtype wants them."""
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


def _placed(a, shape, start):
    """`a` among zeros."""
    if a.shape == shape:
        return a
    placed = np.zeros(shape, a.dtype)
    placed[tuple(slice(s, s + n) for s, n in zip(start, a.shape, strict=True))] = a
    return placed


# ---------------------------------------------------------------- one stretch of the image

class _Convolver:
    """A kernel and its transform; sums of stretches of the image are computed and stored, directly where need be."""

    def __init__(self, problem, chosen, workers, direct, product_seconds):
        self.problem, self.direct, self.workers = problem, direct, workers
        self.product_seconds = product_seconds
        self.transforms = _Transforms(problem, chosen.shape, workers)
        self.seconds = 2 * _transform_seconds(problem, chosen.shape)
        self.exact = problem.dtype.kind in "iu"

    def use(self, w, shift=None):
        """Takes this kernel, rolled by `shift` if it is periodic; False if it is better summed directly."""
        self.kernel = Kernel(w, w) if self.exact else split_kernel(w)
        if self.kernel is None:
            return False
        even = scaled(self.kernel.even, -self.kernel.exponent)
        if shift is not None:
            even = np.roll(_placed(even, self.problem.x.shape, (0,) * w.ndim), [-n for n in shift], range(w.ndim))
        self.spectrum = self.transforms.spectrum(even)
        return True

    def filtered(self, x):
        return self.transforms.filtered(x, self.spectrum)

    def target(self, corner, outputs):
        """A box of the output."""
        return self.problem.out[tuple(slice(c, c + n) for c, n in zip(corner, outputs, strict=True))]

    def start(self, corner):
        """The first element of the image that an output sees."""
        return [c - before for c, before in zip(corner, self.problem.offset, strict=True)]

    def sum_directly(self, corner, outputs):
        """Computes a box of outputs by the direct kernels."""
        problem = self.problem
        sizes = [n + k - 1 for n, k in zip(outputs, problem.kernel.shape, strict=True)]
        seen = _continued(problem, self.start(corner), sizes)
        self.direct(part(problem, seen, self.target(corner, outputs)), self.workers)

    def compute(self, x, windows, apply, corner):
        """Sums a stretch `x` of the image into the outputs from `corner` on."""
        transform = Transform(apply, self.seconds, self.product_seconds)
        sums, boxes = _magnitudes.summed(x, windows, self.kernel, transform)
        if sums is None:
            self.sum_directly(corner, windows.outputs)
            return
        _store(self.problem, sums, self.target(corner, windows.outputs))
        for box in boxes:
            self.sum_directly([c + b.start for c, b in zip(corner, box, strict=True)], [b.stop - b.start for b in box])


# ---------------------------------------------------------------- the whole image at once

def _repeat(out, period):
    """Fills a periodic output from its first period."""
    for axis, n in enumerate(period):
        lead = (slice(None),) * axis
        for start in range(n, out.shape[axis], n):
            stop = min(start + n, out.shape[axis])
            out[(*lead, slice(start, stop))] = out[(*lead, slice(0, stop - start))]


def _correlate_circular(convolver, chosen):
    problem, dtype = convolver.problem, convolver.transforms.dtype
    w, before = _multiplied_with(problem, dtype), problem.offset
    periodic = problem.boundary == "wrap" and any(
        o > n - k + 1 for o, n, k in zip(problem.out.shape, problem.x.shape, w.shape, strict=True))
    x, start, shift = problem.x.astype(dtype, copy=False), before, None
    outputs = problem.out.shape
    if problem.boundary == "wrap":
        w, start = _modulo(w, chosen.shape), (0,) * w.ndim
        shift = tuple(b % n for b, n in zip(before, chosen.shape, strict=True))
        outputs = tuple(map(min, outputs, chosen.shape))
    if not convolver.use(w, shift):
        convolver.direct(problem, convolver.workers)
        return
    first = tuple(slice(0, n) for n in outputs)

    def apply(x):
        return convolver.filtered(_placed(x, chosen.shape, start))[first]

    if convolver.exact:
        _store(problem, apply(x), problem.out[first])
    else:
        windows = Windows(x.shape, outputs, w.shape, before if shift is None else shift, periodic)
        convolver.compute(x, windows, apply, (0,) * w.ndim)
    if shift is not None:
        _repeat(problem.out, chosen.shape)


# ---------------------------------------------------------------- blocks

class _Blocks:
    """The image in overlapping blocks: which outputs each computes, and what it sees."""

    def __init__(self, convolver, chosen):
        self.convolver, self.problem, self.step, self.shape = convolver, convolver.problem, chosen.step, chosen.shape
        self.taps = self.problem.kernel.shape
        self.among_zeros = self.problem.boundary == "constant" and not self.problem.fill
        self.full = tuple(s + k - 1 for s, k in zip(self.step, self.taps, strict=True))
        # in mode "full", windows at the border may hold a single element: blocks there are looked at one by one
        cut = self._cell(True)
        self.inner_only = self.among_zeros and cut is None
        self.cell = cut if self.among_zeros and cut else self._cell(False)
        self.all_even = convolver.exact or self._all_even(self.cell if self.inner_only else cut)

    def _cell(self, cut_off):
        """Sizes of cells of which each window holds one, also where the border cuts it off; None if they are few."""
        least = self.taps
        if cut_off:
            axes = zip(self.problem.x.shape, self.problem.out.shape, self.taps, self.problem.offset, strict=True)
            least = tuple(min(k, n, k - b, n - (o - 1 - b)) for n, o, k, b in axes)
        if any(4 * some < k for some, k in zip(least, self.taps, strict=True)):
            return None
        return tuple((some + 1) // 2 for some in least)

    def _all_even(self, cell):
        """Whether the whole image is even, so that there is no need to look at blocks."""
        problem, kernel = self.problem, self.convolver.kernel
        if cell is None or problem.fill or kernel.apart or kernel.exponent or problem.x.dtype.char not in "fdgFDG":
            return False
        if any(n < c for n, c in zip(problem.x.shape, cell, strict=True)):
            return False
        steps, cell = _magnitudes.sampling(cell)
        if problem.x.size > _SAMPLED * prod(steps):    # blocks need less memory
            return False
        inside = tuple(slice(0, n // c) for n, c in zip(problem.x.shape, cell, strict=True))
        return _magnitudes.even(problem.x[None], cell, [inside], self.taps, steps)[0]

    def inner(self, corner):
        """Whether a block lies within the image."""
        axes = zip(self.convolver.start(corner), self.full, self.problem.x.shape, strict=True)
        return all(s >= 0 and s + f <= n for s, f, n in axes)

    def block(self, corner):
        return _continued(self.problem, self.convolver.start(corner), self.full)

    def outputs(self, corner):
        return tuple(min(c + s, o) - c for c, s, o in zip(corner, self.step, self.problem.out.shape, strict=True))

    def compute_one(self, corner):
        """A block whose data may be of many magnitudes, or that may meet the image's end."""
        problem, outputs, start = self.problem, self.outputs(corner), self.convolver.start(corner)
        stop = [s + o + k - 1 for s, o, k in zip(start, outputs, self.taps, strict=True)]
        if self.among_zeros:    # of those the border's are left out
            inside = [(max(0, s), min(n, e)) for s, e, n in zip(start, stop, problem.x.shape, strict=True)]
        else:
            inside = list(zip(start, stop, strict=True))
        before = tuple(a - s for (a, _), s in zip(inside, start, strict=True))
        sizes = tuple(b - a for a, b in inside)
        x = _continued(problem, [a for a, _ in inside], sizes).astype(self.convolver.transforms.dtype, copy=False)
        first = tuple(map(slice, outputs))

        def apply(x):
            return self.convolver.filtered(_placed(x, self.shape, before))[first]

        self.convolver.compute(x, Windows(sizes, outputs, self.taps, before), apply, corner)

    def cells_inside(self, corner):
        """Which cells of a block lie within it and the image."""
        if not self.among_zeros or self.inner_only:
            return tuple(slice(0, f // c) for f, c in zip(self.full, self.cell, strict=True))
        axes = zip(self.convolver.start(corner), self.full, self.problem.x.shape, self.cell, strict=True)
        return tuple(slice(-(min(s, 0) // c), min(f, n - s) // c) for s, f, n, c in axes)

    def simple(self, stack, corners):
        """Which blocks can be transformed together, as they are."""
        kernel, simple = self.convolver.kernel, np.ones(len(corners), bool)
        if self.inner_only and not self.convolver.exact:
            simple &= [self.inner(corner) for corner in corners]
        if self.all_even:
            return simple
        if kernel.apart or kernel.exponent:
            return ~np.ones(len(corners), bool)
        inside = [self.cells_inside(corner) for corner in corners]
        return simple & _magnitudes.even(stack, self.cell, inside, self.taps)

    def compute(self, corners):
        convolver = self.convolver
        with np.errstate(all="ignore"):    # infinities and NaN are wanted where they belong
            stack = np.stack([self.block(corner) for corner in corners]).astype(convolver.transforms.dtype, copy=False)
            simple = self.simple(stack, corners)
            sums = convolver.filtered(stack if simple.all() else stack[simple]) if simple.any() else ()
            for some, corner in zip(sums, compress(corners, simple), strict=True):
                outputs = self.outputs(corner)
                _store(convolver.problem, some[tuple(map(slice, outputs))], convolver.target(corner, outputs))
            for corner in compress(corners, ~simple):
                self.compute_one(corner)


def _correlate_blocks(convolver, chosen, workers):
    problem = convolver.problem
    batch = _batch(chosen.shape)
    corners = list(product(*(range(0, o, b) for o, b in zip(problem.out.shape, chosen.step, strict=True))))
    batches = [corners[i:i + batch] for i in range(0, len(corners), batch)]
    threads = min(workers, len(batches))
    convolver.workers = convolver.transforms._workers = workers // threads
    if not convolver.use(_multiplied_with(problem, convolver.transforms.dtype)):
        convolver.direct(problem, workers)
        return
    with np.errstate(all="ignore"):
        blocks = _Blocks(convolver, chosen)
    _each(blocks.compute, batches, threads)


def _each(function, items, threads):
    """Calls the function with each item, on threads if the system grants them."""
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            try:
                calls = [pool.submit(function, item) for item in items]
            except RuntimeError:    # a thread was refused
                calls = None
        if calls is not None:
            for call in calls:
                call.result()
            return
    for item in items:
        function(item)


def correlate(problem, chosen: Plan, workers: int, direct, product_seconds: float) -> None:
    """Compute `problem.out`, by `direct(part, workers)` what is better summed directly, at those seconds a product."""
    convolver = _Convolver(problem, chosen, workers, direct, product_seconds)
    with np.errstate(all="ignore"):    # infinities and NaN are wanted where they belong
        if chosen.circular:
            _correlate_circular(convolver, chosen)
        else:
            _correlate_blocks(convolver, chosen, workers)
