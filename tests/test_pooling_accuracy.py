"""Integers are exact at the extremes of their types; averages of reals are as good as rounded sums can be."""
from fractions import Fraction

import numpy as np
import pytest

import fastconv
from fastconv import _reference_pooling as reference

from .cases import INTEGERS, equal, reals
from .pool_cases import FEW, Pool

LARGE = [Pool((1, 40, 50), (15, 15), 1, 7), Pool((1, 45, 50), (31, 31), 1, (15, 0)), Pool((1, 64, 64), (64, 64)),
         Pool((1, 2000), (101,), 1, 50), Pool((1, 4000), (1000,), 7), Pool((1, 50, 60), (49, 3), 2),
         Pool((1, 5000), (5000,)), Pool((1, 14, 13, 12), (9, 8, 7), 1)]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_extremes_of_integers(dtype):
    """Windows of the least and the greatest, alone and together."""
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    rng = np.random.default_rng(1)
    for pool in [*FEW, LARGE[0], Pool((1, 300), (260,), 1)]:
        for values in ([least], [most], [least, most], [most, most - 1], [least, least + 1]):
            x = rng.choice(np.array(values, dtype), pool.x)
            for name in ("max_pool", "min_pool", "sum_pool", "avg_pool"):
                equal(getattr(fastconv, name)(x, pool.kernel, **pool.where),
                      getattr(reference, name)(x, pool.kernel, **pool.where), f"{name} {pool} {values}")
            equal(fastconv.adaptive_avg_pool(x, (1,) * pool.rank), reference.adaptive_avg_pool(x, (1,) * pool.rank))


@pytest.mark.parametrize("dtype", "lLqQ")
def test_averages_of_integers_are_rounded_once(dtype):
    """From the exact sum: 2**53 + 1 and 1 have the average 2**52 + 1, and neither is rounded before."""
    odd = 2**53 + 1
    x = np.array([odd, 1, odd, odd, odd, odd + 2], dtype)
    equal(fastconv.avg_pool(x, (2,)), np.array([float(Fraction(int(a) + int(b), 2)) for a, b in x.reshape(3, 2)]))
    x = np.random.default_rng(1).integers(2**60, 2**63 - 1, (3, 5, 7)).astype(dtype)
    wanted = [float(Fraction(sum(map(int, plane.ravel())), 35)) for plane in x]
    assert fastconv.global_avg_pool2d(x).ravel().tolist() == wanted
    got = fastconv.avg_pool(x, (5, 7), divisor_override=3)
    assert got.ravel().tolist() == [float(Fraction(sum(map(int, plane.ravel())), 3)) for plane in x]


def test_sums_of_integers_wrap_in_64_bits():
    x = np.full((2, 4), 2**62)
    equal(fastconv.sum_pool(x, (4,)), np.zeros((2, 1), int))
    equal(fastconv.sum_pool(x.astype(np.uint64), (3,)), np.full((2, 1), 3 * 2**62, np.uint64))
    equal(fastconv.sum_pool(np.full((2, 200), -128, np.int8), (200,)), np.full((2, 1), -25600))
    equal(fastconv.sum_pool(np.full((1, 300), 2**31 - 1, np.int32), (300,)), np.array([[300 * (2**31 - 1)]]))


def within(x, pool, name="avg_pool"):
    """The error is at the level of rounding, against the average of absolute values of the same window."""
    high = np.clongdouble if x.dtype.kind == "c" else np.longdouble
    got = getattr(fastconv, name)(x, pool.kernel, **pool.where)
    wanted = getattr(reference, name)(x.astype(high), pool.kernel, **pool.where)
    sizes = getattr(reference, name)(np.abs(x.astype(high)), pool.kernel, **pool.where)
    summed = np.finfo(np.float32 if x.dtype == np.float16 else x.dtype)
    eps = summed.eps * (4 + np.prod(pool.kernel) ** 0.5 / 2)
    bound = eps * sizes + np.finfo(x.dtype).eps * np.abs(wanted) + np.finfo(x.dtype).smallest_subnormal
    worst = (np.abs(got.astype(high) - wanted) / bound).max()
    assert worst <= 1, f"{name} {pool}: {float(worst):.3g} times what is allowed"


@pytest.mark.parametrize("name", ["avg_pool", "sum_pool"])
@pytest.mark.parametrize("dtype", "efdFD")
def test_rounding(dtype, name):
    """Of windows up to thousands of elements, centred on zero and far from it."""
    for pool in [*LARGE, *FEW]:
        x = reals(pool.x, dtype, 1)
        if dtype != "e" or name == "avg_pool":
            within(x, pool, name)
            within(x + x.dtype.type(20), pool, name)


@pytest.mark.parametrize(("dtype", "small", "large"), [
    ("d", 1e-8, 1e8), ("d", 1e-300, 1e290), ("f", 1e-6, 1e6), ("f", 1e-30, 1e30), ("D", 1e-8, 1e8),
    ("F", 1e-6, 1e6)])
def test_large_beside_small(dtype, small, large):
    """A large number that leaves a running sum must leave nothing behind."""
    for pool in [*LARGE, Pool((1, 6000), (99,), 1), Pool((1, 4, 5, 300), (3, 5, 31), 1)]:
        x = np.full(pool.x, small, dtype)
        x.reshape(-1)[[7, x.size // 3]] = large
        within(x, pool)
        within(x, pool, "sum_pool")


@pytest.mark.parametrize("dtype", "fd")
def test_no_drift(dtype):
    """The windows at the end of a long row are summed as well as those at its beginning."""
    x = np.full((1, 60000), 0.1, dtype)
    y = fastconv.avg_pool(x, (63,), 1)
    assert (np.abs(y - x[0, 0]) <= 4 * np.finfo(dtype).eps * x[0, 0]).all()


@pytest.mark.parametrize("dtype", "fd")
def test_overflow_of_sums(dtype):
    """A sum beyond the type is infinite, and the next window knows nothing of it."""
    x = np.ones((1, 40), dtype)
    x[0, 5:7] = np.finfo(dtype).max
    y = fastconv.sum_pool(x, (4,), 1)
    assert np.isposinf(y[0, 3:6]).all()
    equal(y[0, 7:], np.full(30, 4, dtype))


@pytest.mark.parametrize("dtype", "efdFD")
def test_averages_over_whole_images(dtype):
    for shape in [(2, 3, 300, 301), (2, 100, 7, 7), (1, 1, 70000)]:
        x = reals(shape, dtype, 2) + np.dtype(dtype).type(3)
        high = np.clongdouble if x.dtype.kind == "c" else np.longdouble
        axes = tuple(range(2, len(shape)))
        wanted = x.astype(high).mean(axes, keepdims=True)
        eps = max(float(np.finfo(x.dtype).eps) * 2, 1e3 * float(np.finfo(np.float32 if dtype == "e" else dtype).eps))
        np.testing.assert_allclose(fastconv.global_avg_pool(x).astype(high), wanted, eps / 50 if dtype != "e" else eps)
