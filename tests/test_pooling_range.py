"""Norms of numbers whose powers are no numbers of their type, and the gradients of these: against long doubles, whose
exponents are wider, and against what is known."""
import numpy as np
import pytest

import fastconv
from fastconv import _reference_pooling as reference
from fastconv import grad

from .cases import LAYOUTS as MEMORY
from .cases import equal
from .pool_cases import FEW, LAYOUTS, Pool, arranged

POWERS = (0.5, 1, 2, 3, 20, 700)
SIZES = {dtype: [np.ldexp(np.dtype(dtype).type(1), n) for n in (
    np.finfo(dtype).maxexp - 4, 0, np.finfo(dtype).minexp - np.finfo(dtype).nmant)] for dtype in "efdg"}
WIDE = np.finfo(np.longdouble).maxexp > 2000


def of_all_sizes(shape, dtype, seed):
    """Numbers between the ends of a type, by their exponents, and zeros."""
    rng, info = np.random.default_rng(seed), np.finfo(dtype)
    spread = np.ldexp(np.longdouble(1), rng.integers(info.minexp, info.maxexp - 20, shape))
    return (rng.standard_normal(shape) * spread * (rng.random(shape) > 0.2)).astype(dtype)


def exactly(x, p, window):
    """One norm, in long doubles, by the largest."""
    held = np.abs(x.astype(np.longdouble)).ravel()
    largest = held.max()
    return largest * ((held / largest) ** np.longdouble(p)).sum() ** (1 / np.longdouble(p)) if largest else largest


def near(got, wanted, dtype):
    info = np.finfo(dtype)
    with np.errstate(all="ignore"):
        wanted = wanted.astype(dtype)
    np.testing.assert_allclose(got, wanted, 40 * info.eps, 4 * info.smallest_subnormal)
    assert got.dtype == wanted.dtype


@pytest.mark.parametrize("dtype", "efdg")
@pytest.mark.parametrize("p", POWERS)
def test_two_numbers(dtype, p):
    """3 and 4 times anything; the gradient by two equal ones."""
    for size in SIZES[dtype]:
        x = np.array([[3, 4], [4, 3], [0, 4], [0, 0]]).astype(dtype) * size
        wanted = [[exactly(row, p, 2)] for row in x]
        near(fastconv.lp_pool(x, p, (2,)), np.array(wanted), dtype)
        if dtype == "g":    # whose slopes are no longer double
            continue
        x = np.full((1, 2), size, dtype)
        np.testing.assert_allclose(grad.lp_pool(x, p, np.ones((1, 1), dtype), (2,)), 2 ** (1 / p - 1),
                                   (8 + p / 4) * np.finfo(dtype).eps)
        equal(grad.lp_pool(-x * np.array([1, 0], dtype), p, np.ones((1, 1), dtype), (2,)), np.array([[-1, 0]], dtype))


def test_figures():
    near(fastconv.lp_pool1d(np.array([[[3e200, 4e200]]]), 2, 2), np.array([[[5e200]]]), "d")
    near(fastconv.lp_pool1d(np.array([[[3e-200, 4e-200]]]), 2, 2), np.array([[[5e-200]]]), "d")
    equal(fastconv.lp_pool1d(np.full((1, 1, 2), 1e20, np.float32), 20, 2),
          np.full((1, 1, 1), np.float32(1e20) * 2**0.05, np.float32))
    equal(fastconv.lp_pool1d(np.array([[[5.0, 0]]]), 1e-300, 2), np.array([[[5.0]]]))
    assert np.isposinf(fastconv.lp_pool(np.full((1, 2), 5.0), 1e-300, (2,)))
    assert np.isposinf(fastconv.lp_pool(np.full((1, 2), 1.7e308), 2, (2,)))
    x = np.array([[np.inf, 1e300], [np.nan, np.inf], [-np.inf, 1e-300], [np.nan, 0], [0, -0.0]])
    for p in (1e-300, 2, 700):
        equal(fastconv.lp_pool(x, p, (2,))[:, 0], np.array([np.inf, np.nan, np.inf, np.nan, 0]))


@pytest.mark.skipif(not WIDE, reason="long doubles have no wider exponents here")
@pytest.mark.parametrize("dtype", "efd")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_window(dtype, layout):
    """Of every rank, stride, padding and dilation, in any memory; each of numbers of its own size."""
    pools = [*FEW, Pool((3, 9, 12), (3, 3), 1, 0, 2), Pool((2, 300), (64,), 64), Pool((4, 7, 8), (7, 8)),
             Pool((2, 3, 20, 9), (2, 9), 1, (1, 3), 1, True)]
    for seed, pool in enumerate(pools):
        x = arranged(of_all_sizes(pool.x, dtype, seed), pool.rank, layout)
        for p in (0.5, 2, 3, 30):
            how = pool.where | {"layout": layout}
            wanted = reference.lp_pool(x.astype(np.longdouble), p, pool.kernel, **how)
            got = fastconv.lp_pool(x, p, pool.kernel, **how)
            near(got, wanted, dtype)
            equal(fastconv.lp_pool(MEMORY["reversed"](x), p, pool.kernel, **how), got)
            equal(fastconv.lp_pool(x, p, pool.kernel, **how, workers=3), got)


@pytest.mark.skipif(not WIDE, reason="long doubles have no wider exponents here")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_gradient(layout):
    for seed, pool in enumerate([*FEW, Pool((2, 9, 12), (3, 3), 1, 0, 2)]):
        x = arranged(of_all_sizes(pool.x, "d", seed), pool.rank, layout)
        g = arranged(of_all_sizes(pool.y, "f", seed).astype("d"), pool.rank, layout)
        for p in (1, 1.5, 2, 9):
            how = pool.where | {"layout": layout}
            wide = [a.astype(np.longdouble) for a in (x, g)]
            wanted = reference.lp_pool_gradient(wide[0], p, wide[1], pool.kernel, **how)
            sizes = reference.lp_pool_gradient(wide[0], p, abs(wide[1]), pool.kernel, **how)
            got = grad.lp_pool(x, p, g, pool.kernel, **how)
            assert (abs(got - wanted) <= 1e-13 * abs(sizes) + 1e-150 * abs(g).max()).all(), f"{pool} {p}"


@pytest.mark.parametrize("p", [1e-300, 0.01, 700])
def test_gradient_of_powers_that_leave_the_range(p):
    """The largest element has it where there is one, and all equal ones share it."""
    with np.errstate(over="ignore"):
        each = np.float64(2) ** (1 / p - 1)
    x = np.array([[3, 0], [3, 3], [-1e-9, 0], [0, 0]])
    got = grad.lp_pool(x, p, np.ones((4, 1)), (2,))
    np.testing.assert_allclose(got, [[1, 0], [each, each], [-1, 0], [0, 0]], 1e-12)
    np.testing.assert_allclose(reference.lp_pool_gradient(x, p, np.ones((4, 1)), (2,)), got, 1e-12)


def test_gradient_dtypes():
    """That of both inputs together, or float64 for integers."""
    for a, g, wanted in ["Hef", "Bee", "Bff", "lBd", "?ee", "gfg"]:
        assert grad.lp_pool(np.ones((1, 2), a), 2, np.ones((1, 1), g), (2,)).dtype == np.dtype(wanted)
        assert reference.lp_pool_gradient(np.ones((1, 2), a), 2, np.ones((1, 1), g), (2,)).dtype == np.dtype(wanted)
