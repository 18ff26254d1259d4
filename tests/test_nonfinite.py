"""NaN and infinity come out as from a plain sum of products, whatever the method, and without a warning."""
import numpy as np
import pytest
from scipy import signal

import fastconv
from fastconv import _reference

from .cases import BOUNDARIES, METHODS, MODES, PLANAR, WAYS, agree, close, equal, numbers, reals

BAD = (np.nan, np.inf, -np.inf)
# Warnings have a test of their own; here they would only hide wrong values. The specification and SciPy warn too.
QUIETLY = pytest.mark.filterwarnings("ignore::RuntimeWarning")
SHAPES = [((9,), (4,)), ((6, 7), (2, 3)), ((3, 4), (3, 5)), ((4, 3, 5), (2, 2, 3))]


def spoiled(a, seed, count=2):
    """Some elements replaced; the parts of complex ones separately."""
    a = a.copy()
    rng = np.random.default_rng(seed)
    flat = a.reshape(-1).view(a.real.dtype)
    for value in rng.choice(BAD, count):
        flat[rng.integers(flat.size)] = value
    return a


@QUIETLY
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", "efdgFDG")
def test_in_the_image(dtype, method, boundary):
    for seed in range(8):
        for image, kernel in SHAPES:
            x, w = spoiled(numbers(image, dtype, seed), seed), numbers(kernel, dtype, seed + 1)
            agree("correlate", x, w, "same", boundary, method=method, exactly=method != "fft")
            agree("convolve", x, w, "same", boundary, method=method, exactly=method != "fft")


@QUIETLY
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("name", "method"), WAYS)
def test_in_either_as_scipy(name, method, mode):
    """Also in taps that only meet the border: which input slides then shows, as infinity times zero is NaN."""
    # SciPy's planar pair multiplies complex infinities by C's rules, its N-D pair by NumPy's
    for dtype in "d" if name in PLANAR else "dD":
        for seed in range(20):
            a, b = spoiled(numbers((4, 6), dtype, seed), seed), spoiled(numbers((2, 3), dtype, seed), seed + 1)
            for one, other in [(a, b), (b, a)]:
                wanted = getattr(signal, name)(one, other, mode, **({} if name in PLANAR else {"method": "direct"}))
                got = getattr(fastconv, name)(one, other, mode, method=method)
                if method == "fft":
                    close(got, wanted, one, other, mode, name=name)
                else:
                    equal(got, wanted)


@QUIETLY
def test_infinite_taps_meet_the_border():
    """The border is part of the sum, in one dimension too, where numpy.convolve leaves out its products."""
    x, w = np.array([3.0, 2, 1]), np.array([np.inf, 1])
    for name in ("correlate", "convolve"):
        for mode in MODES:
            agree(name, x, w, mode, method="direct")
            planar = getattr(signal, f"{name}2d")(x[None], w[None], mode)[0]
            if mode != "same":    # centred otherwise for even kernels
                equal(getattr(fastconv, name)(x, w, mode, "direct"), planar)


@pytest.mark.parametrize("value", [*BAD, "largest"])
@pytest.mark.parametrize("dtype", "efdgFDG")
def test_no_warnings(dtype, value):
    """Nor from the transform. One element of `value`, or of the largest number that there is."""
    value = np.finfo(dtype).max if value == "largest" else value
    for where in ("image", "kernel"):
        x, w = reals((20, 20), dtype, 1), reals((5, 5), dtype, 2)
        {"image": x, "kernel": w}[where][3, 3] = value
        with np.errstate(all="ignore"):
            wanted = np.isfinite(_reference.correlate(x, w))
        for method in ("direct", "fft"):
            equal(np.isfinite(fastconv.correlate(x, w, "full", method)), wanted)


@pytest.mark.parametrize("method", ["direct", "fft"])
def test_only_the_touched_sums(method):
    """One NaN spoils as many sums as the kernel has taps, in a signal long enough for many blocks."""
    x = np.ones(200_000)
    x[150_000] = np.nan
    got = fastconv.correlate(x, np.ones(301), "same", method)
    assert np.flatnonzero(np.isnan(got)).tolist() == list(range(149_850, 150_151))
    np.testing.assert_allclose(np.delete(got, range(149_850, 150_151))[150:-150], 301)


@QUIETLY
@pytest.mark.parametrize(("dtype", "huge"), [("e", 3e4), ("f", 2e38), ("d", 1e308), ("F", 2e38), ("D", 1e308)])
@pytest.mark.parametrize("method", ["direct", "fft"])
def test_overflow_is_infinity(dtype, huge, method):
    x = np.full(9, huge, dtype)
    assert np.isinf(fastconv.correlate(x, np.ones(4, dtype), "valid", method).real).all()
    assert np.isfinite(fastconv.correlate(x, np.array([1, -1, 1], dtype), "valid", method)).all()
