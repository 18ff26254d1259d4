"""Which algorithm computes a call, and on how many threads: a few ifs, each threshold beside its measurement.

The algorithm is chosen by sizes, dtype and build alone, so that the bits of a result never depend on the workers.
"""
from fastconv import _fft
from fastconv._isa import isa, kernels
from fastconv._workers import threads

_direct = kernels("direct").correlate

# Products that the direct kernels add up in a second: 1024 x 1024 with 15 x 15, one core of a Zen 4 at 3.6 GHz.
_FLOAT_PRODUCTS = {"baseline": 14e9, "x86-64-v3": 46e9, "x86-64-v4": 52e9}[isa]
_PRODUCTS = {
    "e": _FLOAT_PRODUCTS, "f": _FLOAT_PRODUCTS, "d": _FLOAT_PRODUCTS / 2, "g": 0.3e9,
    "F": _FLOAT_PRODUCTS / 4, "D": _FLOAT_PRODUCTS / 8, "G": 0.07e9,
    "b": _FLOAT_PRODUCTS, "h": _FLOAT_PRODUCTS, "i": _FLOAT_PRODUCTS / 2, "l": _FLOAT_PRODUCTS / 8, "q": _FLOAT_PRODUCTS / 8,
}

# Below this many taps no transform has ever won: not even in three dimensions, in float64.
_FEWEST_TAPS = 64
# Waking a thread takes about 5 microseconds: one more for every 20 microseconds of work.
_PRODUCTS_A_THREAD = 20e-6 * _FLOAT_PRODUCTS


def _products_a_second(dtype) -> float:
    return _PRODUCTS[dtype.char.lower() if dtype.kind in "iu" else dtype.char]


def _transforms(problem, method: str):
    """The plan of the Fourier transforms if they are to be used, else None."""
    kind = problem.dtype.kind
    if method == "direct" or kind == "b" or method != "fft" and problem.kernel.size < _FEWEST_TAPS:
        return None
    plan = _fft.plan(problem)
    if method != "fft" and problem.out.size * problem.kernel.size < plan.seconds * _products_a_second(problem.dtype):
        return None
    return None if kind in "iu" and not _fft.exact(problem, plan.shape) else plan


def run(problem, method: str, workers: int | None):
    """Compute the record's output and return what the caller gets."""
    work = problem.out.size * problem.kernel.size
    n = threads(workers, 1 + int(work / _PRODUCTS_A_THREAD))
    if not work:
        problem.out[...] = 0
    elif plan := _transforms(problem, method):
        _fft.correlate(problem, plan, n, lambda part: _direct(part, n))
    else:
        _direct(problem, n)
    return problem.finish()
