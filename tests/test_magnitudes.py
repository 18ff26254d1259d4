"""An output's error is at rounding level of what its own window holds, whatever the algorithm and the other data.

Compared with sums in twice the precision, or in long doubles, within the bound of `cases.close`; windows of zeros give
exactly 0, infinities and NaN are where a plain sum has them.
"""
from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import _fft, _magnitudes

from .cases import BOUNDARIES, FUNCTIONS, close, equal, reals

QUIETLY = pytest.mark.filterwarnings("ignore::RuntimeWarning")
SHAPES = [((300,), (41,)), ((60,), (60,)), ((40, 34), (9, 12)), ((10, 9, 8), (5, 4, 3))]
TINY = {"f": 1e-30, "d": 1e-290, "g": 1e-290, "F": 1e-30, "D": 1e-290, "e": 1e-6, "G": 1e-290}
HUGE = {"f": 1e20, "d": 1e150, "g": 1e150, "F": 1e15, "D": 1e100, "e": 3e4, "G": 1e100}


def data(name, shape, dtype, seed=0):
    """Arrays that a transform alone gets wrong."""
    rng, x = np.random.default_rng(seed), reals(shape, dtype, seed)
    low, middle = tuple(slice(n // 3) for n in shape), tuple(n // 2 for n in shape)
    if name == "point":
        x[...] = 0
        x[middle] = 1
    elif name == "mask":
        x[...] = 0
        x[tuple(slice(n // 4, n // 2) for n in shape)] = 1
    elif name == "hot pixel":
        x[...] = 1
        x[middle] = HUGE[dtype]
    elif name == "hot corner":
        x[(0,) * len(shape)] = HUGE[dtype]
    elif name == "dark part":
        x[low] *= np.asarray(TINY[dtype] ** 0.3, x.real.dtype)
    elif name == "dark corner":
        x[(-1,) * len(shape)] = TINY[dtype]
    elif name == "hole":
        x[low] = 0
    elif name == "decades":
        x *= 10.0 ** np.linspace(np.log10(TINY[dtype]) / 2, 0, shape[-1])
    elif name == "wild decades":
        x = (x * 10.0 ** rng.uniform(np.log10(TINY[dtype]) / 2, 0, shape)).astype(dtype)
    elif name == "tiny":
        x *= np.asarray(TINY[dtype], x.real.dtype)
    elif name == "nothing":
        x[...] = 0
    return x


DATA = ["even", "point", "mask", "hot pixel", "hot corner", "dark part", "dark corner", "hole", "decades",
        "wild decades", "tiny", "nothing"]


def wide(a):
    return a.astype({"e": "d", "f": "d", "F": "D"}.get(a.dtype.char, "G" if a.dtype.kind == "c" else "g"))


def check(name, x, w, mode, boundary, method):
    """Ours against sums of wide products, which are not transformed."""
    got = getattr(fastconv, name)(x, w, mode, boundary=boundary, method=method)
    wanted = getattr(fastconv, name)(wide(x), wide(w), mode, boundary=boundary, method="direct")
    with np.errstate(all="ignore"):
        close(got, wanted.astype(got.dtype), x, w, mode, boundary, 0, name)


# Doubles, whose sums are compared with long doubles, with less.
EACH = [*product("efF", DATA), *product("dD", ["even", "dark part", "decades"])]


@QUIETLY
@pytest.mark.parametrize(("dtype", "name"), EACH)
def test_data_of_many_magnitudes(dtype, name):
    for i, (image, kernel) in enumerate(SHAPES):
        x, w = data(name, image, dtype, i), reals(kernel, dtype, i + 1)
        for boundary in ("fill", "wrap", BOUNDARIES[2 + i % 3]):
            check(FUNCTIONS[i % 2], x, w, "same", boundary, "fft")
        check("correlate", x, w, "full", "fill", "fft")
        check("convolve", x, w, "full", "wrap", "fft")
        check("correlate", x, w, "valid", "fill", "fft")


@QUIETLY
@pytest.mark.parametrize("name", DATA)
def test_long_doubles(name):
    """Against exact sums: of few bits, small whole numbers times powers of two."""
    x = np.rint(data(name, (40,), "d") * 8) if name in ("even", "mask", "point", "hole") else data(name, (40,), "d")
    x = np.ldexp(np.rint(np.ldexp(np.frexp(x)[0], 10)), np.frexp(x)[1] - 10).astype("g")
    w = np.arange(-4, 8).astype("g")
    got = fastconv.correlate(x, w, "same", "fft")
    close(got, fastconv.correlate(x, w, "same", "direct"), x, w, "same")


@QUIETLY
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("method", ["auto", "direct", "fft"])
@pytest.mark.parametrize("kind", DATA)
def test_all_four_functions(kind, method, name):
    """Large enough for transforms by default."""
    x, w = data(kind, (150, 160), "f"), reals((31, 29), "f", 1)
    check(name, x, w, "same", "fill", method)


@QUIETLY
@pytest.mark.parametrize(("dtype", "kind"), [each for each in EACH if each[0] in "fD"])
def test_blocks(dtype, kind, monkeypatch):
    monkeypatch.setattr(_fft, "_LARGEST", 4096)
    for image, kernel in [((6000,), (70,)), ((90, 160), (13, 12))]:
        x, w = data(kind, image, dtype), reals(kernel, dtype, 1)
        for boundary in ("fill", "reflect"):
            check("correlate", x, w, "same", boundary, "fft")
        check("convolve", x, w, "full", "fill", "fft")


@QUIETLY
@pytest.mark.parametrize("boundary", ["fill", "wrap", "edge"])
@pytest.mark.parametrize("dtype", "fF")
@pytest.mark.parametrize("bad", [[np.nan], [np.inf], [-np.inf, np.inf], [np.nan, np.inf], "many"])
def test_nonfinite_among_many_magnitudes(bad, dtype, boundary):
    rng = np.random.default_rng(3)
    for i, (image, kernel) in enumerate(SHAPES):
        for name in ("even", "dark part"):
            x = data(name, image, dtype, i)
            flat = x.reshape(-1).view(x.real.dtype)
            chosen = rng.choice([np.nan, np.inf], flat.size // 2) if bad == "many" else bad
            flat[rng.choice(flat.size, len(chosen), replace=False)] = chosen
            for w in (reals(kernel, dtype, i + 1), np.ones(kernel, dtype), -np.ones(kernel, dtype)):
                check("correlate", x, w, "same", boundary, "fft")


@QUIETLY
@pytest.mark.parametrize("dtype", "fD")
@pytest.mark.parametrize("bad", [1e9, np.inf, -np.inf, np.nan])
def test_taps_that_stand_out(bad, dtype):
    """A huge tap is added apart, so that it does not reach outputs where it meets nothing."""
    for i, (image, kernel) in enumerate(SHAPES):
        for name in ("even", "dark part", "hot pixel"):
            x, w = data(name, image, dtype, i), reals(kernel, dtype, i + 1)
            w[(1,) * w.ndim] = bad
            for boundary in ("fill", "wrap", "symm"):
                check("correlate", x, w, "same", boundary, "fft")
            check("convolve", x, w, "full", "fill", "fft")


def test_masks_grow_and_are_counted():
    mask = np.zeros((512, 512))
    mask[256, 256] = 1
    for name in FUNCTIONS:
        grown = getattr(fastconv, name)(mask, np.ones((31, 31)), "same", method="fft")
        assert (grown > 0).sum() == 961
        assert np.count_nonzero(grown) == 961
        assert (getattr(fastconv, name)(mask, np.ones((31, 31)), "same") > 0).sum() == 961


def test_a_fill_value_does_not_reach_far():
    image = np.ones((512, 512), np.float32)
    image[100, 100] = 1e20
    mean = fastconv.correlate2d(image, np.full((31, 31), 1 / 961, np.float32), "same", "symm", method="fft")
    seen = np.zeros(image.shape, bool)
    seen[85:116, 85:116] = True
    np.testing.assert_allclose(mean[~seen], 1, rtol=1e-5)
    np.testing.assert_allclose(mean[seen], 1e20 / 961, rtol=1e-5)


def test_both_inputs_end_huge():
    a = np.zeros((1, 10010))
    a[0, -2:] = 1, 1e30
    for method in ("auto", "direct", "fft"):
        np.testing.assert_allclose(fastconv.convolve2d(a, a, method=method)[0, -3:], [1, 2e30, 1e60], rtol=1e-15)
        np.testing.assert_allclose(fastconv.convolve(a[0], a[0], method=method)[-3:], [1, 2e30, 1e60], rtol=1e-15)


@pytest.mark.parametrize("where", ["first", "second", "both"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_bad_sample_among_many(value, where):
    """n squared products would take minutes."""
    a = np.random.default_rng(0).standard_normal(400_000)
    b = a[::-1].copy()
    for array, name in ((a, "first"), (b, "second")):
        if where in (name, "both"):
            array[12345] = value
    with np.errstate(all="ignore"):
        got = fastconv.correlate(a, b, "full")
    if where == "first":
        assert np.isfinite(got[:12345]).all()
        assert not np.isfinite(got[12345:12345 + 400_000]).any()
        assert np.isfinite(got[12345 + 400_000:]).all()
    else:
        assert not np.isfinite(got).any()


@QUIETLY
@pytest.mark.parametrize("periodic", [False, True])
def test_every_interval_is_in_its_windows(periodic):
    for n in range(1, 24):
        for taps in range(1, 30):
            for before, outputs in {(taps - 1, n + taps - 1), (taps // 2, n), ((taps - 1) // 2, n), (0, n - taps + 1)}:
                if outputs < 1:
                    continue
                starts, lengths, firsts = _magnitudes._intervals(n, outputs, taps, before)
                assert firsts[0] == 0
                assert firsts[-1] == outputs
                for start, length, first, stop in zip(starts, lengths, firsts[:-1], firsts[1:], strict=True):
                    assert length > 0
                    for output in range(first, stop):
                        assert max(0, output - before) <= start
                        assert start + length <= min(n, output - before + taps)


@pytest.mark.parametrize("dtype", "fdgFDG")
def test_same_bits_for_any_workers(dtype):
    """Small calls skip the choice of an algorithm, where it would be the same."""
    for image, kernel in [((3000,), (300,)), ((200,), (200,)), ((900,), (20,)), ((60, 60), (9, 9))]:
        for kind in ("even", "dark part"):
            x, w = data(kind, image, dtype), reals(kernel, dtype, 1)
            wanted = fastconv.correlate(x, w, "same", workers=1)
            for workers in (None, 2, 3):
                equal(fastconv.correlate(x, w, "same", workers=workers), wanted)
