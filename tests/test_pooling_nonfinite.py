"""NaN is the greatest and the least; infinities, signed zeros and the least of a type are numbers like others."""
import numpy as np
import pytest

import fastconv
from fastconv import _reference_pooling as reference

from .cases import INTEGERS, REALS, equal, numbers
from .pool_cases import FEW, LAYOUTS, SHAPES, Pool, arranged, random_pool
from .test_nonfinite import QUIETLY, spoiled

FILLED = [pool for pool in SHAPES if np.prod(pool.x)]
POOLS = ("max_pool", "min_pool")
# Windows that lie on the padding with all but one element, along one axis or both, of every size.
EDGES = [Pool((2, 5, 37), (3, 3), 1, 2), Pool((2, 4, 6), (2, 2), 2, 1), Pool((1, 9, 40), (7, 5), 1, (6, 4)),
         Pool((2, 20), (15,), 1, 14), Pool((2, 3, 4, 5), (2, 3, 2), 1, (1, 2, 1)), Pool((2, 9, 12), (3, 3), 1, 2, 2),
         Pool((1, 40, 41), (15, 15), 1, 14), Pool((3, 1, 33), (3, 3), 1, 1), Pool((2, 6, 7), (2, 2), 2, 1, 1, True)]


@QUIETLY
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", "efdg")
def test_maxima(dtype, layout):
    """Values, and the indices of the first NaN."""
    for seed, pool in enumerate([*FEW, *EDGES, *FILLED[layout == "channels_last"::2]]):
        if len(pool.x) > pool.rank or layout == "channels_first":
            x = arranged(spoiled(numbers(pool.x, dtype, seed), seed), pool.rank, layout)
            for name in POOLS:
                how = pool.where | {"layout": layout}
                values, indices = getattr(reference, name)(x, pool.kernel, **how, return_indices=True)
                got = getattr(fastconv, name)(x, pool.kernel, **how, return_indices=True)
                equal(got[0], values, str(pool))
                equal(got[1], indices, str(pool))
                equal(getattr(fastconv, name)(x, pool.kernel, **how), values, str(pool))


@QUIETLY
@pytest.mark.parametrize("dtype", "efdgFD")
def test_sums(dtype):
    """Only the windows that hold NaN or infinity have it: sums do not run past it."""
    for seed, pool in enumerate([*FEW, *EDGES, *FILLED]):
        x = spoiled(numbers(pool.x, dtype, seed), seed)
        for name in ("sum_pool", "avg_pool"):
            equal(getattr(fastconv, name)(x, pool.kernel, **pool.where),
                  getattr(reference, name)(x, pool.kernel, **pool.where), f"{name} {pool}")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", "efd")
def test_only_the_windows_that_hold_it(dtype, bad):
    for kernel in (2, 3, 5, 15, 31):
        x = np.ones((40, 70), dtype)
        x[20, 33] = bad
        where = np.zeros((40, 70), int)
        where[20, 33] = 1
        held = reference.sum_pool(where, (kernel, kernel), 1) > 0
        for name in ("sum_pool", "avg_pool"):
            y = getattr(fastconv, name)(x, (kernel, kernel), 1)
            equal(y[held], np.full(held.sum(), bad, dtype))
            assert np.isfinite(y[~held]).all()
        y = fastconv.max_pool(x, (kernel, kernel), 1)
        equal(y[held], np.full(held.sum(), 1 if bad < 0 else bad, dtype))
        assert (y[~held] == 1).all()


@pytest.mark.parametrize("dtype", INTEGERS + REALS + "?")
def test_padding_never_wins(dtype):
    """Where all is the least, or the greatest, of its type."""
    kind = np.dtype(dtype).kind
    ends = (False, True) if kind == "b" else (-np.inf, np.inf) if kind == "f" else (
        np.iinfo(dtype).min, np.iinfo(dtype).max)
    for name, end in zip(POOLS, ends, strict=True):
        for pool in EDGES:
            x = np.full(pool.x, end, dtype)
            wanted = np.full(pool.y, end, dtype)
            values, indices = getattr(fastconv, name)(x, pool.kernel, **pool.where, return_indices=True)
            equal(values, wanted, str(pool))
            equal(indices, getattr(reference, name)(x, pool.kernel, **pool.where, return_indices=True)[1], str(pool))
            equal(getattr(fastconv, name)(x, pool.kernel, **pool.where), wanted, str(pool))


@pytest.mark.parametrize("dtype", "efdg")
def test_zeros_of_both_signs(dtype):
    """They are equal: the first is the one that the index names, and the result; without indices, either may be."""
    rng = np.random.default_rng(3)
    for _ in range(40):
        pool = random_pool(rng)
        x = rng.choice(np.array([0.0, -0.0], dtype), pool.x)
        for name in POOLS:
            wanted, first = getattr(reference, name)(x, pool.kernel, **pool.where, return_indices=True)
            got, indices = getattr(fastconv, name)(x, pool.kernel, **pool.where, return_indices=True)
            equal(indices, first, str(pool))
            equal(got, wanted, str(pool))
            equal(np.signbit(got), np.signbit(wanted), str(pool))
            equal(getattr(fastconv, name)(x, pool.kernel, **pool.where), wanted, str(pool))


@QUIETLY
@pytest.mark.parametrize("dtype", "efdg")
def test_norms(dtype):
    x = np.array([[np.nan, 1], [np.inf, 1], [-np.inf, 2], [0, -0.0]], dtype)
    for p in (1, 2, 3, 0.5):
        equal(fastconv.lp_pool(x, p, (2,)), np.array([[np.nan], [np.inf], [np.inf], [0]], dtype))


@pytest.mark.parametrize("bad", ["nan", "inf", "-inf", "largest"])
@pytest.mark.parametrize("dtype", "efdgFD")
def test_no_warnings(dtype, bad):
    bad = np.finfo(dtype).max if bad == "largest" else float(bad)
    for pool in FEW:
        x = numbers(pool.x, dtype, 1)
        x.flat[::3] = bad
        for name in ("sum_pool", "avg_pool") + (() if dtype in "FD" else POOLS):
            getattr(fastconv, name)(x, pool.kernel, **pool.where)
        if dtype not in "FD":
            fastconv.lp_pool(x, 3, pool.kernel, **pool.where)
            fastconv.adaptive_max_pool(x, (2,) * pool.rank)
        fastconv.adaptive_avg_pool(x, (2,) * pool.rank)


@QUIETLY
def test_adaptive():
    x = spoiled(numbers((3, 20, 31), "d", 1), 1)
    for size in [(1, 1), (3, 4), (20, 31), (25, 40)]:
        equal(fastconv.adaptive_avg_pool(x, size), reference.adaptive_avg_pool(x, size))
        for got, wanted in zip(fastconv.adaptive_max_pool(x, size, True), reference.adaptive_max_pool(x, size, True),
                               strict=True):
            equal(got, wanted)
