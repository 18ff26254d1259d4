"""Every pooling function: the same bits for any workers, byte order, alignment, strides and split; value and index of
the same element; and booleans added as NumPy adds them."""
import numpy as np
import pytest

import fastconv
from fastconv import grad

from .cases import LAYOUTS as MEMORY
from .cases import equal, reals
from .pool_cases import Pool, everything

POOLS = [Pool((3, 2, 9, 41), (3, 3), 2, 1), Pool((2, 3, 11, 12), (2, 2)), Pool((2, 20, 21), (6, 6), 1, 2),
         Pool((2, 19, 23), (7, 7), 3, 3), Pool((2, 9, 10, 11), (2, 3, 4), 1, 1), Pool((2, 9, 9, 10), (7, 5, 6), 2, 2),
         Pool((2, 3, 300), (70,), 40), Pool((2, 2, 40, 50), (40, 50))]
CASTS = [("e", None), ("f", None), ("F", None), ("f", "d"), ("d", "f"), ("e", "f"), ("l", "d"), ("f", "F"), ("d", "g")]


def functions(pool, given, dtype):
    """By name, functions of x, of which some round."""
    how, kind = pool.where, np.dtype(dtype or given).kind
    more = {} if dtype is None else {"dtype": dtype}
    yield "sum_pool", lambda x, **w: fastconv.sum_pool(x, pool.kernel, **how, **more, **w)
    if kind == "f":
        yield "lp_pool", lambda x, **w: fastconv.lp_pool(x, 3, pool.kernel, **how, **more, **w)
    if kind != "c" and np.dtype(given).kind != "c":
        yield "max_pool", lambda x, **w: fastconv.max_pool(x, pool.kernel, **how, **more, **w)
        yield "min_pool", lambda x, **w: fastconv.min_pool(x, pool.kernel, **how, **more, return_indices=True, **w)
        yield "adaptive_max_pool", lambda x, **w: fastconv.adaptive_max_pool(x, (3,) * pool.rank, **more, **w)
    if dtype is None or kind in "fc":
        yield "avg_pool", lambda x, **w: fastconv.avg_pool(x, pool.kernel, **how, **more, **w)
        yield "adaptive_avg_pool", lambda x, **w: fastconv.adaptive_avg_pool(x, (3,) * pool.rank, **more, **w)
        yield "global", lambda x, **w: fastconv.adaptive_avg_pool(x, (1,) * pool.rank, **more, **w)


def adjoints(pool, given, dtype):
    """Functions of the result's gradient."""
    how, shape = pool.where, pool.x
    more = {} if dtype is None else {"dtype": dtype}
    x = reals(shape, "d", 5)
    yield "grad.sum_pool", lambda g, **w: grad.sum_pool(shape, g, pool.kernel, **how, **more, **w)
    if dtype is None or np.dtype(dtype).kind in "fc":
        yield "grad.avg_pool", lambda g, **w: grad.avg_pool(shape, g, pool.kernel, **how, **more, **w)
        yield "grad.adaptive_avg_pool", lambda g, **w: grad.adaptive_avg_pool(shape, g, rank=pool.rank, **more, **w)
    if np.dtype(given).kind != "c" and np.dtype(dtype or given).kind != "c":
        _, indices = fastconv.max_pool(x, pool.kernel, **how, return_indices=True)
        yield "grad.max_pool", lambda g, **w: grad.max_pool(shape, indices, g, rank=pool.rank, **more, **w)
        if np.dtype(dtype or given).kind == "f":
            yield "grad.lp_pool", lambda g, **w: grad.lp_pool(x, 3, g, pool.kernel, **how, **more, **w)


def rough(shape, dtype):
    """Numbers that round, and zeros of both signs."""
    x = reals(shape, dtype, 3) if np.dtype(dtype).kind in "fc" else np.random.default_rng(3).integers(
        -2**15, 2**15, shape).astype(dtype)
    x.flat[::3] *= 0
    x.flat[::6] *= np.dtype(dtype).type(-1)
    return x


def same_bits(got, wanted, message, of_zeros=True):
    """The same values, and signs; without indices, an extreme may be a zero of either sign."""
    pairs = zip(got, wanted, strict=True) if isinstance(got, tuple) else ((got, wanted),)
    for ours, theirs in pairs:
        equal(ours, theirs, message)
        if ours.dtype.kind == "f":
            counted = (ours != 0) | of_zeros
            equal(np.signbit(ours) & counted, np.signbit(theirs) & counted, message)


@pytest.mark.parametrize(("given", "dtype"), CASTS)
def test_same_bits(given, dtype):
    for pool in POOLS:
        for shape, calls in ((pool.x, functions), (pool.y, adjoints)):
            x = rough(shape, given)
            for name, function in calls(pool, given, dtype):
                wanted, message = function(x, workers=1), f"{name}, {pool}"
                of_zeros = name not in ("max_pool", "adaptive_max_pool")    # without indices
                for workers in (None, 3):
                    same_bits(function(x, workers=workers), wanted, f"{message}, {workers} workers", of_zeros)
                for how in ("fortran", "reversed", "spaced", "unaligned", "swapped"):
                    same_bits(function(MEMORY[how](x), workers=1), wanted, f"{message}, {how}", of_zeros)
                if calls is functions and len(shape) > pool.rank:
                    alone = function(x[:1], workers=1)
                    same_bits(alone, tuple(a[:1] for a in wanted) if isinstance(wanted, tuple) else wanted[:1],
                              f"{message}, alone", of_zeros)


@pytest.mark.parametrize("dtype", "efdg")
def test_value_and_index_are_of_one_element(dtype):
    """Its sign, too, of zeros; without indices, that may be either."""
    rng = np.random.default_rng(2)
    for pool in POOLS:
        zeros = rng.choice(np.array([0.0, -0.0, -1], dtype), pool.x)
        for function, x in ((fastconv.max_pool, zeros), (fastconv.min_pool, -zeros)):
            values, indices = function(x, pool.kernel, **pool.where, return_indices=True)
            flat = x.reshape(*x.shape[:-pool.rank], -1)
            found = np.take_along_axis(flat, indices.reshape(*flat.shape[:-1], -1), -1).reshape(values.shape)
            same_bits(values, found, str(pool))
            same_bits(function(x, pool.kernel, **pool.where), values, str(pool), of_zeros=False)
    values, index = fastconv.max_pool1d(np.array([[[-0.0, 0.0]]], dtype), 2, return_indices=True)
    assert index == 0
    assert np.signbit(values)


@pytest.mark.parametrize("shape", [(2, 3, 64, 65), (2, 5, 2100, 17), (1, 70, 30, 31)])
@pytest.mark.parametrize("dtype", "?bhefdg")
def test_global_pools_of_channels_last(dtype, shape):
    """Channels side by side are reduced in the order of rows."""
    x = rough(shape, dtype) if dtype != "?" else np.random.default_rng(1).random(shape) < 1e-3
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    for function in (fastconv.global_max_pool2d, fastconv.global_avg_pool2d):
        for workers in (1, 2):
            got = np.moveaxis(function(last, layout="channels_last", workers=workers), -1, 1)
            same_bits(got, function(x, workers=1), function.__name__, of_zeros="avg" in function.__name__)
    _, indices = fastconv.global_max_pool2d(last, True, layout="channels_last")
    equal(np.moveaxis(indices, -1, 1), fastconv.global_max_pool2d(x, True)[1])


def test_booleans_are_added_as_or():
    at = np.array([[0, 0, 2, 2]])
    for g in ([[3, -3, 0, 0]], [[128, 128, 0, 0]], [[True, True, False, False]], [[0.5, 0, 0, 0]]):
        equal(grad.max_pool((1, 4), at, np.array(g), rank=1, dtype=bool), np.array([[True, False, False, False]]))


@pytest.mark.parametrize("dtype", "feF")
def test_short_rows_and_fortran_order(dtype):
    """Axes are taken in another order: values, indices and gradients are those of the definition."""
    for pool in [Pool((2, 200, 1), (3, 1), 1, (1, 0)), Pool((200, 3), (3, 2), 2, 1), Pool((2, 150, 4), (5, 3), 1, 1),
                 Pool((140, 3, 2), (3, 2, 2), 1, (1, 1, 0)), Pool((9, 8, 9), (3, 3, 3), 1, 1), Pool((9, 30), (9, 30)),
                 Pool((2, 12, 40), (3, 5), 2, 1, 2, True), Pool((40, 2, 12), (4, 2, 3))]:
        for call in everything(pool, dtype):
            call.check()
            call.on(MEMORY["fortran"]).check()
