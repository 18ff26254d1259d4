"""Which algorithm computes a call, and on how many threads: a few ifs, each threshold beside its measurement.

The algorithm is chosen by sizes, dtype and build alone, so that the bits of a result never depend on the workers.
Compiled, as the gate is, for the sake of small arrays.
"""
from fastconv import _fft
from fastconv._isa import isa, kernels
from fastconv._workers import threads

from fastconv.kernels.problem cimport Problem

cdef object _direct = kernels("direct").correlate

# Products that the direct kernels add up in a second: 1024 x 1024 with 15 x 15, one core of a Zen 4 at 3.6 GHz.
_FLOAT_PRODUCTS = {"baseline": 14e9, "x86-64-v3": 46e9, "x86-64-v4": 52e9}[isa]
_PRODUCTS = {
    "e": _FLOAT_PRODUCTS, "f": _FLOAT_PRODUCTS, "d": _FLOAT_PRODUCTS / 2, "g": 0.3e9,
    "F": _FLOAT_PRODUCTS / 4, "D": _FLOAT_PRODUCTS / 8, "G": 0.07e9,
    "b": _FLOAT_PRODUCTS, "h": _FLOAT_PRODUCTS, "i": _FLOAT_PRODUCTS / 2, "l": _FLOAT_PRODUCTS / 8, "q": _FLOAT_PRODUCTS / 8,
}

cdef tuple _METHODS = ("auto", "direct", "fft")
# Waking a thread takes about 5 microseconds: one more for every 20 microseconds of work.
cdef double _PRODUCTS_A_THREAD = 20e-6 * _FLOAT_PRODUCTS


cdef double _products_a_second(dtype):
    return _PRODUCTS[dtype.char.lower() if dtype.kind in "iu" else dtype.char]


cdef object _transforms(Problem problem, method):
    """The plan of the Fourier transforms if they are to be used, else None."""
    kind = problem.dtype.kind
    if method == "direct" or kind == "b" or problem.planar and kind in "iu":
        return None
    direct_seconds = problem.work / _products_a_second(problem.dtype)
    if method == "auto" and direct_seconds < _fft.least_seconds(problem):
        return None
    plan = _fft.plan(problem)
    if method == "auto" and direct_seconds < plan.seconds or kind in "iu" and not _fft.exact(problem, plan.shape):
        return None
    return plan


def run(Problem problem, method, workers):
    """Compute the record's output and return what the caller gets."""
    if method not in _METHODS:
        raise ValueError(f"`method` must be one of {', '.join(map(repr, _METHODS))}, got {method!r}")
    work = problem.work
    if work < _PRODUCTS_A_THREAD and method != "fft" and workers is None:    # the short way
        _direct(problem, 1)
        return problem.finish()
    n = threads(workers, 1 + int(work / _PRODUCTS_A_THREAD))
    if plan := _transforms(problem, method):
        _fft.correlate(problem, plan, n, _direct)
    else:
        _direct(problem, n)
    return problem.finish()
