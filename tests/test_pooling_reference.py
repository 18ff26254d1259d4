"""The specification of pooling against plain loops, worked examples and scipy.ndimage."""
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy import ndimage

from fastconv import _reference_pooling as reference

from .cases import DTYPES, INTEGERS, REALS, equal, numbers
from .pool_cases import FEW, LAYOUTS, SHAPES, Pool, adaptive, arranged, everything, filled, random_pool, same


def by_loops(x, pool):
    """For every plane and output: the window's elements in order, their flat numbers, and the taps within the padding.

    Written from the definition: a window starts at each multiple of the stride, counted from the padding before.
    """
    strides, paddings, dilations = (reference._each(v, pool.rank) for v in (
        pool.stride or pool.kernel, pool.padding, pool.dilation))
    for plane in x.reshape(-1, *pool.image):
        for place in product(*map(range, pool.y[-pool.rank:])):
            elements, numbers, counted = [], [], 0
            for tap in product(*map(range, pool.kernel)):
                at, padded = [], []
                for o, t, n, s, p, d in zip(place, tap, pool.image, strides, paddings, dilations, strict=True):
                    before, after = p if isinstance(p, tuple) else (p, p)
                    at.append(o * s - before + t * d)
                    padded.append(at[-1] < n + after)
                counted += all(padded)
                if all(0 <= i < n for i, n in zip(at, pool.image, strict=True)):
                    elements.append(plane[tuple(at)].item())
                    numbers.append(int(np.ravel_multi_index(at, pool.image)))
            yield elements, numbers, counted


@pytest.mark.parametrize("seed", range(4))
def test_loops(seed):
    rng = np.random.default_rng(seed)
    for i in range(12):
        pool = random_pool(rng)
        while isinstance(pool.padding, str) or np.prod(pool.y) * np.prod(pool.kernel) > 3000:
            pool = random_pool(rng)
        x = filled(pool.x, "l", i)
        windows = list(by_loops(x, pool))
        for name, best in ("max_pool", max), ("min_pool", min):
            values, indices = getattr(reference, name)(x, pool.kernel, **pool.where, return_indices=True)
            assert values.shape == indices.shape == pool.y
            assert values.ravel().tolist() == [best(elements) for elements, *_ in windows], pool
            assert indices.ravel().tolist() == [
                numbers[elements.index(best(elements))] for elements, numbers, _ in windows], pool
        wanted = [int(np.int64(np.uint64(sum(elements) % 2**64))) for elements, *_ in windows]
        assert reference.sum_pool(x, pool.kernel, **pool.where).ravel().tolist() == wanted
        for how, divisor in [({}, lambda elements, counted: counted),
                             ({"count_include_pad": False}, lambda elements, counted: len(elements)),
                             ({"divisor_override": 7}, lambda elements, counted: 7)]:
            got = reference.avg_pool(x, pool.kernel, **pool.where, **how)
            assert got.ravel().tolist() == [
                float(Fraction(sum(elements), divisor(elements, counted))) for elements, _, counted in windows], pool


def test_adaptive_loops():
    """Window i of o is from floor(i n / o) to ceil((i + 1) n / o)."""
    for n, o in product(range(1, 12), range(1, 14)):
        x = filled((3, n), "l", n)
        parts = [x[:, i * n // o:-(-(i + 1) * n // o)] for i in range(o)]
        y, indices = reference.adaptive_max_pool(x, (o,), True)
        equal(y, np.stack([part.max(1) for part in parts], 1))
        equal(indices, np.stack([i * n // o + part.argmax(1) for i, part in enumerate(parts)], 1))
        whole = numbers((3, n), "l", n)
        equal(reference.adaptive_avg_pool(whole, (o,)),
              np.stack([whole[:, i * n // o:-(-(i + 1) * n // o)].mean(1) for i in range(o)], 1))


@pytest.mark.parametrize("name", ["max", "min"])
def test_against_ndimage(name):
    """Stride 1, windows centred, borders on which nothing wins."""
    least = -np.inf if name == "max" else np.inf
    for kernel in product((1, 3, 4, 5), (1, 2, 3, 7)):
        x = numbers((9, 11), "d", 1)
        pads = tuple((k // 2, k - 1 - k // 2) for k in kernel)
        wanted = getattr(ndimage, f"{name}imum_filter")(x, kernel, mode="constant", cval=least)
        equal(getattr(reference, f"{name}_pool")(x, kernel, 1, pads), wanted)


def test_averages_against_ndimage():
    for kernel in product((1, 3, 4, 5), (1, 2, 3, 7)):
        x = numbers((9, 11), "d", 1)
        pads = tuple((k // 2, k - 1 - k // 2) for k in kernel)
        wanted = ndimage.uniform_filter(x, kernel, mode="constant")
        np.testing.assert_allclose(reference.avg_pool(x, kernel, 1, pads), wanted, atol=1e-14)


def test_channels_last():
    """Is the same with an axis moved."""
    for pool in [pool for pool in SHAPES + FEW if len(pool.x) > pool.rank]:
        for first, last in zip(*(everything(pool, "l", layout) for layout in LAYOUTS), strict=True):
            wanted = first.wanted()
            wanted = wanted if isinstance(wanted, tuple) else (wanted,)
            got = last.wanted()
            rank = pool.rank
            if "global" in first.name:
                rank = len(pool.x) - 2
            same(got if isinstance(got, tuple) else (got,),
                 tuple(arranged(a, rank, "channels_last") for a in wanted), str(first))


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_of_results(dtype):
    pool, of_sum = FEW[0], np.zeros(1, dtype).sum().dtype
    of_average = np.dtype(dtype) if np.dtype(dtype).kind in "fc" else np.float64
    for call in everything(pool, dtype):
        y = call.wanted()
        if isinstance(y, tuple):
            y, indices = y
            assert indices.dtype == np.int64
        kept = {"grad.sum_pool", "grad.max_pool"}
        wanted = of_sum if call.name == "sum_pool" else (
            of_average if ("avg" in call.name or "lp" in call.name) and call.name not in kept else np.dtype(dtype))
        assert y.dtype == wanted, call


@pytest.mark.parametrize("dtype", INTEGERS)
def test_averages_are_rounded_once(dtype):
    """From sums that no integer of 64 bits holds."""
    x = filled((4, 9, 9), dtype, 2)
    got = reference.avg_pool(x, (3, 3))
    sums = x.astype(object).reshape(4, 3, 3, 3, 3).sum((2, 4))
    assert got.ravel().tolist() == [float(Fraction(int(s), 9)) for s in sums.ravel()]


@pytest.mark.parametrize("dtype", REALS)
def test_norms(dtype):
    x = numbers((2, 6, 8), dtype, 1)
    parts = np.abs(x.astype(np.longdouble)).reshape(2, 3, 2, 4, 2)
    for p in (1, 2, 3, 0.5, 4.5):
        wanted = (parts ** p).sum((2, 4)) ** (1 / np.longdouble(p))
        eps = np.finfo(np.float32 if dtype == "e" else dtype).eps
        got = reference.lp_pool(x, p, (2, 2))
        np.testing.assert_allclose(got.astype(np.longdouble), wanted, float(16 * eps + np.finfo(dtype).eps))


def test_windows_of_nothing():
    x = np.ones(2)
    with pytest.raises(ValueError, match="no element"):
        reference.max_pool(x, (2,), 1, 2, 4)
    equal(reference.sum_pool(x, (2,), 1, 2, dilation=4), np.array([0.0, 0.0]))
    assert np.isnan(reference.avg_pool(x, (2,), 1, 2, count_include_pad=False, dilation=4)).all()


def test_pools_of_these_tests_are_possible():
    for pool in SHAPES + FEW:
        assert pool.possible, pool
    assert not Pool((2, 3), (2, 2), 1, 2).possible
    assert not Pool((2, 3), (3, 3)).possible
    assert {call.name for call in adaptive((2, 3, 4, 5), (2, 2), "d")} == {
        "adaptive_avg_pool", "adaptive_max_pool", "global_avg_pool", "global_max_pool"}
