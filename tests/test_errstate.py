"""Under `numpy.errstate(all="raise")` no function raises, and each gives what it gives otherwise, in `out` too."""
import numpy as np
import pytest

import fastconv

from .calls import CALLS

VALUES = np.array([
    1e300, -1e-300, 3.0, 1e5, -7e4, 5e-324, 1e38, 1e-40, -1e308, 0.5, 1e-7, np.inf, 2.0, np.nan, 65504.0])


def extreme(shape, dtype, spread):
    """Huge, tiny, ordinary and no numbers: `spread` says how many of the table's follow each other."""
    values = np.resize(np.resize(VALUES, spread), shape)
    with np.errstate(all="ignore"):
        return values.astype(dtype) if dtype != "D" else values * (1 - 1e-9j)


def arguments(call, dtype, spread):
    inputs = {name: extreme(value.shape, dtype, spread) for name, value in call.given.items()
              if isinstance(value, np.ndarray) and value.dtype.kind == "f"}
    return {**call.given, **inputs}


def same(call, given, out=None):
    """What the call does under errstate(all="raise") is what it does under errstate(all="ignore")."""
    results = []
    for state in ("ignore", "raise"):
        written = {} if out is None else {"out": out.copy()}
        with np.errstate(all=state):
            results.append(call.function(**given, **written))
    np.testing.assert_array_equal(*results)
    assert results[0].dtype == results[1].dtype


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", ["e", "f", "d", "g", ">f4", "D"])
def test_values(name, dtype):
    call = CALLS[name]
    if dtype == "D" and ("max" in name or "min" in name or "lp_" in name):
        pytest.skip("not defined for complex numbers")
    for spread in (4, 7, len(VALUES)):
        same(call, arguments(call, dtype, spread))


@pytest.mark.parametrize("name", CALLS)
def test_narrowing(name):
    """A narrower `out` or `dtype`: what does not fit becomes infinity or zero."""
    call = CALLS[name]
    shape = call().shape
    for spread in (4, 7, len(VALUES)):
        given = arguments(call, "d", spread)
        for narrow in ("f", "e"):
            same(call, given, np.ones(shape, narrow))
            same(call, given, np.ones(shape[::-1], narrow).T)
            if "dtype" in call.options:
                same(call, {**given, "dtype": narrow})


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", ["i4", "u1"])
def test_whole_numbers(name, dtype):
    """Floating-point numbers that no integer is."""
    call = CALLS[name]
    if "avg" in name or "lp_" in name or "dtype" not in call.options:
        pytest.skip("means are floating-point numbers, and `Conv` takes no dtype")
    same(call, {**arguments(call, "d", 3), "dtype": dtype})
    same(call, {**arguments(call, "f", 7), "dtype": dtype})


@pytest.mark.parametrize("name", ["correlate", "convolve", "correlate2d", "convolve2d"])
def test_borders(name):
    call = CALLS[name]
    for dtype, value in (("f", 1e300), ("e", 1e5), ("e", 1e-20), ("f", -1e-300), ("d", np.nan), ("i4", 1e20),
                         ("F", 1e99j)):
        same(call, {**call.given, "dtype": dtype, "fillvalue": value})


def test_methods():
    """Transforms overflow, too."""
    x, w = np.full(3000, 1e300), np.full(900, 1e-300)
    x[::500] = 1e308
    for method in ("direct", "fft"):
        results = []
        for state in ("ignore", "raise"):
            with np.errstate(all=state):
                results.append(fastconv.correlate(x, w, "same", method))
                results.append(fastconv.correlate(x, x[:900], "same", method, out=np.empty(3000, "f")))
        np.testing.assert_array_equal(*results[::2])
        np.testing.assert_array_equal(*results[1::2])
