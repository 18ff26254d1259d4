"""Gradients of pools equal their specification, are exact adjoints, and agree with finite differences."""
from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import _reference_pooling as reference
from fastconv import grad

from .cases import DTYPES, REALS, equal, numbers, reals
from .pool_cases import FEW, LAYOUTS, SHAPES, Pool, arranged, gradients, grid, random_pool


@pytest.mark.parametrize("dtype", "?bHlefdgFD")
def test_shapes(dtype):
    for i, pool in enumerate([*SHAPES, *FEW]):
        layout = LAYOUTS[i % 2 if len(pool.x) > pool.rank else 0]
        for call in gradients(pool, dtype, layout, i):
            call.check()


@pytest.mark.parametrize("dtype", "lf")
def test_grid(dtype):
    """Half of it for each."""
    for i, pool in enumerate(list(grid())[dtype == "f"::2]):
        for call in gradients(pool, dtype, LAYOUTS[i % 2], i)[i % 2::2]:
            call.check()


@pytest.mark.parametrize("seed", range(3))
def test_random_pools(seed):
    rng = np.random.default_rng(seed)
    for i in range(40):
        for call in gradients(random_pool(rng), str(rng.choice(list(DTYPES))), "channels_first", i):
            call.check()


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("dtype", "efdgFD" "i")
def test_averages(dtype, include):
    """With the divisors of the forward, which are no powers of two: equal but for rounding."""
    for i, pool in enumerate([*SHAPES, *FEW]):
        g, how = numbers(pool.y, dtype, i), pool.where | {"count_include_pad": include}
        got = grad.avg_pool(pool.x, g, pool.kernel, **how)
        high = np.clongdouble if got.dtype.kind == "c" else np.longdouble
        wanted = reference.avg_pool_gradient(pool.x, g.astype(high), pool.kernel, **how)
        assert got.dtype == (dtype if dtype != "i" else "d")
        eps = float(np.finfo(np.float32 if dtype == "e" else got.dtype).eps)
        np.testing.assert_allclose(got.astype(high), wanted, float(np.finfo(got.dtype).eps) * (dtype == "e"),
                                   20 * eps * np.prod(pool.kernel) ** 0.5, err_msg=str(pool))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", "lfdD")
def test_adaptive_averages(dtype, layout):
    rng = np.random.default_rng(1)
    for rank in (1, 2, 2, 3, 4):
        image, size = rng.integers(1, 12, (2, rank)).tolist()
        shape, g = (2, 3, *image), arranged(numbers((2, 3, *size), dtype, 1), rank, layout)
        shape = arranged(np.empty(shape, "?"), rank, layout).shape
        for how in ({}, {"rank": rank}):
            got = grad.adaptive_avg_pool(shape, g, layout=layout, **how)
            wanted = reference.adaptive_avg_pool_gradient(shape, g, layout=layout)
            assert got.dtype == wanted.dtype
            np.testing.assert_allclose(got, wanted, 0, 50 * np.finfo(wanted.dtype).eps)
    got = grad.adaptive_avg_pool((3, 8, 6), numbers((3, 4, 3), "l", 1), rank=2)
    equal(got, np.repeat(np.repeat(numbers((3, 4, 3), "l", 1) / 4, 2, 1), 2, 2))


@pytest.mark.parametrize("p", [1.5, 2, 3])
@pytest.mark.parametrize("dtype", "fd")
def test_norms(dtype, p):
    for pool in FEW:
        x, g = reals(pool.x, dtype, 1), reals(pool.y, dtype, 2)
        got = grad.lp_pool(x, p, g, pool.kernel, **pool.where)
        wanted = reference.lp_pool_gradient(x.astype("g"), p, g.astype("g"), pool.kernel, **pool.where)
        assert got.dtype == dtype
        np.testing.assert_allclose(got, wanted.astype(float), 0, 200 * float(np.finfo(dtype).eps), err_msg=str(pool))


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_norms_of_zeros(p):
    """Where the norm is zero, and where an element is, the gradient is zero."""
    x = np.array([0.0, 0, 3, 0, 4, 0])
    got = grad.lp_pool(x, p, np.array([5.0, 7, 7]), (2,))
    assert np.isfinite(got).all()
    equal(got[[0, 1, 3, 5]], np.zeros(4))
    np.testing.assert_allclose(got[[2, 4]], 7, 1e-14)


# ---------------------------------------------------------------- maxima

def every_index(kind, pool, layout="channels_first"):
    x = arranged(numbers(pool.x, "l", 1), pool.rank, layout)
    return getattr(fastconv, kind)(x, pool.kernel, **pool.where, layout=layout, return_indices=True)


@pytest.mark.parametrize("kind", ["max_pool", "min_pool"])
@pytest.mark.parametrize("dtype", "bHlefdg")
def test_maxima(dtype, kind):
    """Overlapping windows add up at the maxima that they share."""
    for pool, layout in product([*FEW, SHAPES[1], Pool((2, 3, 40, 41), (9, 9), 1, 4)], LAYOUTS):
        y, indices = every_index(kind, pool, layout)
        g, shape = numbers(y.shape, dtype, 2), arranged(np.empty(pool.x, "?"), pool.rank, layout).shape
        how = {"layout": layout, "rank": pool.rank}
        equal(grad.max_pool(shape, indices, g, **how), reference.max_pool_gradient(shape, indices, g, **how))


def test_rank_of_maxima():
    """All axes after the first two, unless `rank` says otherwise."""
    for rank in (1, 2, 3):
        x = numbers((2, 3, *(6, 5, 4)[:rank]), "d", 1)
        y, indices = fastconv.max_pool(x, 2, return_indices=True)
        g = numbers(y.shape, "d", 2)
        wanted = reference.max_pool_gradient(x.shape, indices, g, rank=rank)
        equal(grad.max_pool(x.shape, indices, g), wanted)
        equal(grad.max_pool(list(x.shape), indices.tolist(), g.tolist(), rank=rank), wanted)
        equal(grad.max_pool(x.shape[1:], indices[0], g[0], rank=rank), wanted[0])


def test_maxima_of_every_kind():
    """Indices say it all: of global and adaptive pools too."""
    x = reals((2, 3, 7, 9), "d", 1)
    for y, indices in (fastconv.global_max_pool(x, True), fastconv.adaptive_max_pool(x, (3, 4), True),
                       fastconv.min_pool(x, 3, 1, return_indices=True)):
        got = grad.max_pool(x.shape, indices, np.ones(y.shape))
        wanted = np.zeros((6, 63))
        np.add.at(wanted, (np.arange(6)[:, None], indices.reshape(6, -1)), 1)
        equal(got, wanted.reshape(x.shape))


def test_ties():
    """The first maximum takes it all, as in torch."""
    y, indices = fastconv.max_pool(np.zeros((1, 1, 3, 3)), 2, 1, return_indices=True)
    equal(grad.max_pool((1, 1, 3, 3), indices, np.ones(y.shape)), np.array([[[[1.0, 1, 0], [1, 1, 0], [0, 0, 0]]]]))


# ---------------------------------------------------------------- adjoints

@pytest.mark.parametrize("dtype", "lD")
def test_adjoints(dtype):
    """<pool(x), g> is <x, gradient(g)>, exactly; averages by powers of two."""
    rng = np.random.default_rng(5)
    for pool in [*SHAPES, *FEW, *(random_pool(rng) for _ in range(60))]:
        x, g = numbers(pool.x, dtype, 1), numbers(pool.y, dtype, 2)
        assert np.vdot(fastconv.sum_pool(x, pool.kernel, **pool.where), g) == np.vdot(
            x, grad.sum_pool(pool.x, g, pool.kernel, **pool.where)), pool
        how = pool.where | {"divisor_override": 8}
        assert np.vdot(fastconv.avg_pool(x, pool.kernel, **how), g) == np.vdot(
            x, grad.avg_pool(pool.x, g, pool.kernel, **how)), pool


def test_adjoints_of_other_averages():
    rng = np.random.default_rng(6)
    for pool in [*FEW, *(random_pool(rng) for _ in range(40))]:
        x, g = reals(pool.x, "d", 1), reals(pool.y, "d", 2)
        for include in (True, False):
            how = pool.where | {"count_include_pad": include}
            np.testing.assert_allclose(np.vdot(fastconv.avg_pool(x, pool.kernel, **how), g),
                                       np.vdot(x, grad.avg_pool(pool.x, g, pool.kernel, **how)), 0, 1e-11)
    for size in [(1, 1), (3, 4), (9, 13)]:
        x, g = reals((2, 3, 9, 10), "d", 1), reals((2, 3, *size), "d", 2)
        np.testing.assert_allclose(np.vdot(fastconv.adaptive_avg_pool(x, size), g),
                                   np.vdot(x, grad.adaptive_avg_pool(x.shape, g)), 0, 1e-12)


def test_unpooling_is_the_adjoint_of_taking():
    """<max_unpool(y), x> is <y, x at the indices>, where no index comes twice."""
    x, y = numbers((2, 3, 8, 9), "l", 1), numbers((2, 3, 4, 4), "l", 2)
    _, indices = fastconv.max_pool(x, 2, return_indices=True)
    taken = np.take_along_axis(x.reshape(2, 3, -1), indices.reshape(2, 3, -1), -1).reshape(y.shape)
    assert np.vdot(fastconv.max_unpool(y, indices, 2, output_size=(8, 9)), x) == np.vdot(y, taken)


# ---------------------------------------------------------------- finite differences

def differences(function, at, h):
    """Central differences at every element."""
    result = np.empty_like(at)
    for i in np.ndindex(*at.shape):
        step = np.zeros_like(at)
        step[i] = h
        result[i] = (function(at + step) - function(at - step)) / (2 * h)
    return result


SMALL = [Pool((2, 9), (3,), 2, 1), Pool((2, 4, 5), (2, 3), 1, ((0, 1), (2, 0))), Pool((5, 6), (3, 3), 2, 1, 1, True),
         Pool((3, 3, 4), (2, 2, 2), (1, 2, 3), 1), Pool((6, 7), (2, 2), 1, 1, 2), Pool((7,), (3,), 2, "same", 1, True)]


@pytest.mark.parametrize("pool", SMALL, ids=str)
def test_finite_differences(pool):
    """Of sum(result * g); the maxima do not change places within a step."""
    rng = np.random.default_rng(1)
    x = rng.permutation(np.prod(pool.x)).reshape(pool.x) / 8 + 0.3
    x *= rng.choice([-1, 1], x.shape)
    g, where = reals(pool.y, "d", 2), pool.where
    for extreme in (fastconv.max_pool, fastconv.min_pool):
        _, indices = extreme(x, pool.kernel, **where, return_indices=True)
        wanted = differences(lambda a, extreme=extreme: (extreme(a, pool.kernel, **where) * g).sum(), x, 1 / 32)
        np.testing.assert_allclose(grad.max_pool(x.shape, indices, g, rank=pool.rank), wanted, 0, 1e-11)
    for how in ({}, {"count_include_pad": False}, {"divisor_override": 5}):
        wanted = differences(lambda a, how=how: (fastconv.avg_pool(a, pool.kernel, **where, **how) * g).sum(), x, 0.5)
        np.testing.assert_allclose(grad.avg_pool(x.shape, g, pool.kernel, **where, **how), wanted, 0, 1e-11)
    wanted = differences(lambda a: (fastconv.sum_pool(a, pool.kernel, **where) * g).sum(), x, 0.5)
    np.testing.assert_allclose(grad.sum_pool(x.shape, g, pool.kernel, **where), wanted, 0, 1e-11)
    for p in (1, 2, 3, 4.5):
        wanted = differences(lambda a, p=p: (fastconv.lp_pool(a, p, pool.kernel, **where) * g).sum(), x, 1e-5)
        np.testing.assert_allclose(grad.lp_pool(x, p, g, pool.kernel, **where), wanted, 1e-6, 1e-6)


# ---------------------------------------------------------------- dtypes and arguments

@pytest.mark.parametrize("dtype", REALS + "l")
def test_dtype_keyword(dtype):
    """What is given is cast first."""
    pool = FEW[0]
    for given in "?BhlefdgF"[:8 if dtype not in "FD" else 9]:
        g, x = numbers(pool.y, given, 1), numbers(pool.x, given, 2)
        equal(grad.sum_pool(pool.x, g, pool.kernel, **pool.where, dtype=dtype),
              reference.sum_pool_gradient(pool.x, g, pool.kernel, **pool.where, dtype=dtype))
        _, indices = every_index("max_pool", pool)
        equal(grad.max_pool(pool.x, indices, g, dtype=dtype),
              reference.max_pool_gradient(pool.x, indices, g, dtype=dtype))
        if dtype != "l":
            how = pool.where | {"divisor_override": 2, "dtype": dtype}
            equal(grad.avg_pool(pool.x, g, pool.kernel, **how),
                  reference.avg_pool_gradient(pool.x, g, pool.kernel, **how))
            how = pool.where | {"dtype": dtype}
            equal(grad.lp_pool(x, 1, g, pool.kernel, **how), reference.lp_pool_gradient(x, 1, g, pool.kernel, **how))


def test_positional_arguments():
    """After the gradient come the forward's arguments, in its order."""
    x = numbers((2, 3, 9, 10), "d", 1)
    y = fastconv.avg_pool(x, 3, 2, 1, True, False, 4)
    g = numbers(y.shape, "d", 2)
    equal(grad.avg_pool(x.shape, g, 3, 2, 1, True, False, 4),
          reference.avg_pool_gradient(x.shape, g, (3, 3), 2, 1, True, False, 4))
    equal(grad.sum_pool(list(x.shape), g, [3, 3], 2, 1, True),
          reference.sum_pool_gradient(x.shape, g, (3, 3), 2, 1, True))
    y = fastconv.lp_pool(x, 1, 3, 2, True)
    g = numbers(y.shape, "d", 2)
    equal(grad.lp_pool(x, 1, g, 3, 2, True), reference.lp_pool_gradient(x, 1, g, (3, 3), 2, True))


def test_half_is_rounded_once():
    g = np.array([2048, 1, 1, 1, -2048], np.float16)
    equal(grad.sum_pool((5,), g, (5,), 1, 2), reference.sum_pool_gradient((5,), g, (5,), 1, 2))
    equal(grad.sum_pool((5,), g, (5,), 1, 2)[2], np.float16(3))
    equal(grad.max_pool((3,), np.zeros(5, int), g, rank=1), np.array([3, 0, 0], np.float16))
