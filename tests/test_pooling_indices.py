"""Indices lead back to the values, ties go to the first, and unpooling puts every maximum back where it was."""
from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import _reference_pooling as reference

from .cases import INTEGERS, LAYOUTS, REALS, equal, numbers, reals
from .layer_cases import LAYOUTS as CHANNELS
from .pool_cases import FEW, SHAPES, Pool, arranged, can_unpool, random_pool, same, unpools


def at(x, indices, rank):
    """The elements that indices point to."""
    lead = x.shape[:-rank]
    flat, places = (a.reshape(*lead, np.prod(a.shape[-rank:])) for a in (x, indices))
    return np.take_along_axis(flat, places, -1).reshape(indices.shape)


@pytest.mark.parametrize("dtype", "?" + INTEGERS + REALS)
def test_lead_to_the_values(dtype):
    """Of every shape; the values are the same as without indices."""
    for i, pool in enumerate(SHAPES):
        x = (reals if np.dtype(dtype).kind == "f" and i % 2 else numbers)(pool.x, dtype, i)
        for name in ("max_pool", "min_pool"):
            function = getattr(fastconv, name)
            values, indices = function(x, pool.kernel, **pool.where, return_indices=True)
            assert indices.dtype == np.int64
            equal(values, at(x, indices, pool.rank), str(pool))
            equal(function(x, pool.kernel, **pool.where), values, str(pool))


@pytest.mark.parametrize("dtype", "?bHlefdg")
def test_ties(dtype):
    """Everything is equal, or one of two numbers."""
    rng = np.random.default_rng(1)
    for i in range(25):
        pool = random_pool(rng)
        for x in (np.ones(pool.x, dtype), numbers(pool.x, dtype, i, 1)):
            for name in ("max_pool", "min_pool"):
                how = pool.where | {"return_indices": True}
                same(getattr(fastconv, name)(x, pool.kernel, **how),
                     getattr(reference, name)(x, pool.kernel, **how), str(pool))


def test_planes_of_many_elements():
    """Indices beyond 16 bits, and around them."""
    x = np.zeros((2, 300, 301), np.float32)
    x[0, 217, 259] = x[1, 299, 300] = 1
    _, indices = fastconv.max_pool(x, (300, 301), return_indices=True)
    equal(indices, np.array([[[217 * 301 + 259]], [[299 * 301 + 300]]]))
    x = numbers((1, 70000), "b", 1, 100)
    same(fastconv.max_pool(x, (7,), 2, return_indices=True), reference.max_pool(x, (7,), 2, return_indices=True))
    same(fastconv.max_pool(x, (40000,), 10000, return_indices=True),
         reference.max_pool(x, (40000,), 10000, return_indices=True))


# ---------------------------------------------------------------- unpooling

@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", "?BhlefdgFD")
def test_unpool(dtype, channels):
    for i, pool in enumerate([*FEW, *SHAPES[::2]]):
        if len(pool.x) > pool.rank or channels == "channels_first":
            for call in unpools(pool, dtype, channels, i):
                call.check()


@pytest.mark.parametrize("dtype", "bHld")
def test_round_trip(dtype):
    """What is unpooled holds the maxima at their places, and pools to the same again."""
    rng = np.random.default_rng(2)
    for i in range(60):
        pool = random_pool(rng)
        if not can_unpool(pool):
            continue
        x = np.abs(numbers(pool.x, dtype, i)) + np.dtype(dtype).type(1)    # above the zeros of what is unpooled
        how = pool.where | {"return_indices": True}
        y, indices = fastconv.max_pool(x, pool.kernel, **how)
        back = fastconv.max_unpool(y, indices, pool.kernel, pool.stride, pool.padding, output_size=pool.image)
        assert back.shape == x.shape
        equal(at(back, indices, pool.rank), y)
        kept = np.zeros(pool.x, bool).reshape(*pool.x[:-pool.rank], -1)
        np.put_along_axis(kept, indices.reshape(*kept.shape[:-1], -1), True, -1)
        equal(back, np.where(kept.reshape(pool.x), x, x.dtype.type(0)))
        again = fastconv.max_pool(back, pool.kernel, **pool.where)
        equal(again, y)


@pytest.mark.parametrize("kind", INTEGERS)
def test_indices_of_any_integer(kind):
    x, indices = numbers((2, 3, 4), "d", 1), np.tile(np.arange(12, dtype=kind)[::-1].reshape(3, 4), (2, 1, 1))
    equal(fastconv.max_unpool(x, indices, (1, 1)), np.flip(x.reshape(2, 12), 1).reshape(2, 3, 4))


def test_memory_of_any_layout():
    pool = Pool((2, 3, 8, 10), (2, 2))
    x = numbers(pool.x, "f", 1)
    y, indices = reference.max_pool(x, pool.kernel, return_indices=True)
    wanted = reference.max_unpool(y, indices, pool.kernel)
    for one, other in product(LAYOUTS.values(), repeat=2):
        equal(fastconv.max_unpool(one(y), other(indices), pool.kernel), wanted)
    y, indices, wanted = (arranged(a, 2, "channels_last") for a in (y, indices, wanted))
    equal(fastconv.max_unpool(y.tolist(), indices.tolist(), (2, 2), layout="channels_last"), wanted.astype(float))
