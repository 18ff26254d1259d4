"""method="fft" against the specification: exact for integers, at rounding level for floats, every border, both FFTs."""
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv
from fastconv import _fft

from . import cases
from .cases import BOUNDARIES, COMPLEX, INTEGERS, MODES, equal, numbers, ranks, reals

FLOATS = "efdg" + COMPLEX
# Image and kernel; some kernels many times larger than the image.
SHAPES = [((50,), (7,)), ((3,), (17,)), ((1,), (6,)), ((12, 9), (3, 4)), ((4, 3), (9, 14)), ((1, 30), (5, 1)),
          ((20, 20), (20, 20)), ((6, 5, 7), (2, 3, 4)), ((3, 2, 4), (5, 5, 5)), ((3, 4, 2, 3), (2, 2, 2, 2))]


@pytest.fixture(params=["scipy", "numpy"], autouse=True)
def transforms(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(_fft, "_scipy_fft", lambda: None)
    return request.param


agree = partial(cases.agree, method="fft")


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_floats(dtype, boundary):
    for i, (image, kernel) in enumerate(SHAPES):
        for name in ("correlate", "convolve"):
            for mode in MODES[:2]:
                agree(name, reals(image, dtype, i), reals(kernel, dtype, i + 1), mode, boundary, 1.5, exactly=False)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["correlate", "convolve"])
def test_valid_floats(name, dtype):
    for i, (image, kernel) in enumerate(ranks()):
        x, w = reals(image, dtype, i), reals(kernel, dtype, i + 1)
        agree(name, x, w, "valid", exactly=False)
        agree(name, w, x, "valid", exactly=False)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers(dtype, boundary):
    for i, (image, kernel) in enumerate(SHAPES):
        for largest in (4, 100, None):
            x, w = numbers(image, dtype, i, largest), numbers(kernel, dtype, i + 1, largest)
            agree("correlate", x, w, MODES[i % 2], boundary)
            agree("convolve", x, w, MODES[i % 2], boundary)


def test_booleans_are_never_transformed():
    for image, kernel in SHAPES:
        agree("correlate", numbers(image, "?", 1), numbers(kernel, "?", 2))


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("bits", range(1, 63, 3))
def test_integers_of_any_size(bits, boundary):
    """Where a float64 transform could round wrongly, the sum must be computed otherwise."""
    rng = np.random.default_rng(bits)
    for image, kernel in [(200, 100), (1000, 9), (7, 3000)]:
        x, w = rng.integers(2 ** (bits - 1), 2**bits, image), rng.integers(2 ** (bits - 1), 2**bits, kernel)
        agree("correlate", x, w, "same", boundary)


@pytest.mark.parametrize("bits", [15, 16, 17, 18])
def test_integers_of_any_size_many_periods(bits):
    """The kernel, folded into one period of a small image, is itself a sum of many."""
    rng = np.random.default_rng(bits)
    x, w = rng.integers(2 ** (bits - 1), 2**bits, 7), rng.integers(2 ** (bits - 1), 2**bits, 100_000)
    agree("correlate", x, w, "same", "wrap")


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("dtype", "hdF")
@pytest.mark.parametrize(("image", "kernel"), [((30_000,), (101,)), ((4000, 12), (50, 5)), ((200, 210), (19, 18))],
                         ids=str)
def test_blocks(image, kernel, dtype, boundary, monkeypatch):
    """Outputs cut into many blocks, the last ones smaller; blocks inside the image and at its border."""
    monkeypatch.setattr(_fft, "_LARGEST", 4096)
    x, w = numbers(image, dtype, 1), numbers(kernel, dtype, 2)
    agree("correlate", x, w, "same", boundary, 2, exactly=dtype in INTEGERS)


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 12)), min_size=1, max_size=3),
       st.sampled_from(BOUNDARIES), st.sampled_from(["full", "same"]), st.sampled_from(["correlate", "convolve"]))
def test_any_shape(sides, boundary, mode, name):
    image, kernel = zip(*sides, strict=True)
    agree(name, numbers(image, "i", 1), numbers(kernel, "i", 2), mode, boundary)
    agree(name, numbers(image, "D", 1), numbers(kernel, "D", 2), mode, boundary, exactly=False)


@pytest.mark.parametrize("dtype", "fdFD")
@pytest.mark.parametrize("name", ["correlate2d", "convolve2d"])
def test_chosen_by_default(name, dtype):
    x, w = reals((150, 160), dtype, 1), reals((40, 41), dtype, 2)
    for boundary in ("fill", "wrap", "reflect"):
        cases.agree(name, x, w, "same", boundary, exactly=False)


def test_mixed_dtypes():
    for one in "?Bhlefd":
        for other in "?Bhlefd":
            x, w = numbers((9, 9), one, 1), numbers((4, 3), other, 2)
            agree("convolve", x, w, "same", dtype="l")
            agree("convolve", x, w, "same", dtype="d", exactly=False)


@pytest.mark.parametrize("dtype", "lfD")
def test_rank_zero(dtype):
    for mode in MODES:
        equal(fastconv.correlate(np.array(2, dtype), np.array(3, dtype), mode, "fft"), np.array(6, dtype))


def test_threads_that_scipy_cannot_have(monkeypatch):
    """Its pool is gone once any thread has forked, and a system may refuse threads: then one worker does it."""
    library = _fft._scipy_fft()
    if library is None:
        pytest.skip("SciPy's transforms are switched off")

    class Refused:
        def __getattr__(self, name):
            def transform(*arguments, workers=None, **options):
                if workers is not None and workers > 1:
                    raise RuntimeError("no threads")
                return getattr(library, name)(*arguments, **options)
            return getattr(library, name) if name == "next_fast_len" else transform

    x, w = reals((600, 600), "d", 1), reals((60, 60), "d", 2)
    wanted = fastconv.correlate(x, w, "full", "fft", workers=1)
    refused = Refused()
    monkeypatch.setattr(_fft, "_scipy_fft", lambda: refused)
    equal(fastconv.correlate(x, w, "full", "fft", workers=4), wanted)


def test_threads_that_python_cannot_have(monkeypatch):
    x, w = reals((3000, 400), "d", 1), reals((30, 30), "d", 2)
    wanted = fastconv.correlate(x, w, "same", "fft", workers=1)

    def submit(self, function, *arguments):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_fft.ThreadPoolExecutor, "submit", submit)
    equal(fastconv.correlate(x, w, "same", "fft", workers=4), wanted)
