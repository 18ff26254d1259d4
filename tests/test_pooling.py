"""Pools equal their specification: every function, dtype, layout, rank and window, wherever it stands."""
import numpy as np
import pytest

import fastconv
from fastconv import _reference_pooling as reference

from .cases import DTYPES, INTEGERS, KINDS, REALS, equal, numbers, reals
from .pool_cases import (
    FEW,
    LAYOUTS,
    NAMED_PADDINGS,
    SHAPES,
    Call,
    Pool,
    adaptive,
    arranged,
    extremes,
    forward,
    grid,
    norms,
    random_pool,
    row_edges,
    same,
    sums,
)


def fits(pool, layout):
    """Channels last needs an axis of channels."""
    return layout == "channels_first" or len(pool.x) > pool.rank


@pytest.mark.parametrize("dtype", DTYPES)
def test_shapes(dtype):
    """In the one layout or the other."""
    for i, pool in enumerate(SHAPES, DTYPES.index(dtype)):
        layout = LAYOUTS[i % 2 if len(pool.x) > pool.rank else 0]
        for call in forward(pool, dtype, layout, i):
            call.check()


@pytest.mark.parametrize("dtype", "Bf")
def test_grid(dtype):
    """Each window with each stride, padding, dilation and ceil_mode."""
    for i, pool in enumerate(grid()):
        for call in forward(pool, dtype, LAYOUTS[i % 2], i)[i % 2::2]:
            call.check()


@pytest.mark.parametrize("dtype", KINDS)
def test_row_edges(dtype):
    for i, pool in enumerate(row_edges(dtype)):
        calls = [*sums(pool, dtype, LAYOUTS[i % 2], i)[1:2],
                 *(extremes(pool, dtype, LAYOUTS[i % 2], i)[i % 4:][:1] if dtype not in "FDG" else ())]
        for call in calls:
            call.check()


@pytest.mark.parametrize("dtype", "?bHlefd" "F")
def test_channels_of_any_number(dtype):
    """Around whole vectors of channels, in channels_last."""
    for channels in (1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 63, 64, 65, 129):
        for pool in [Pool((1, channels, 6, 7), (3, 3), 2, 1), Pool((channels, 5, 9), (2, 2), 2)]:
            for call in forward(pool, dtype, "channels_last", channels):
                call.check()


@pytest.mark.parametrize("dtype", INTEGERS + REALS + "?")
def test_norms(dtype):
    for i, pool in enumerate([*FEW, *SHAPES[::3]]):
        for layout in LAYOUTS:
            if fits(pool, layout):
                for call in norms(pool, dtype, layout, i):
                    call.check()


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 3, 4, 7.25])
@pytest.mark.parametrize("dtype", "efdg" "i")
def test_norms_of_any_power(dtype, p):
    """To a few units in the last place, of odd powers too, which take absolute values."""
    for pool in [*FEW, Pool((3, 40, 50), (15, 15), 1, 7)]:
        x = reals(pool.x, dtype) if dtype != "i" else numbers(pool.x, dtype)
        wanted = reference.lp_pool(x, p, pool.kernel, **pool.where, dtype=np.longdouble)
        got = fastconv.lp_pool(x, p, pool.kernel, **pool.where)
        assert got.dtype == (dtype if dtype != "i" else "d")
        eps = np.finfo(np.float32 if dtype == "e" else got.dtype).eps
        terms = np.prod(pool.kernel)
        rtol = float(eps * (16 + terms ** 0.5) * max(1, 2 / p)
                     + np.finfo(got.dtype).eps)
        np.testing.assert_allclose(got.astype(np.longdouble), wanted, rtol, float(rtol), err_msg=str(pool))


@pytest.mark.parametrize("dtype", "?Bhlefdg" "FD")
def test_adaptive_and_global(dtype):
    rng = np.random.default_rng(1)
    shapes = [((2, 3, *rng.integers(1, 20, rank).tolist()), tuple(rng.integers(1, 12, rank).tolist()))
              for rank in (1, 1, 2, 2, 2, 3, 4)]
    shapes += [((7, 9), (3, 3)), ((4, 7, 9), (1, 1)), ((2, 1, 3, 5), (7, 2)), ((2, 3, 4, 5, 6), (2, 3)), ((40,), (7,)),
               ((5, 33, 7, 7), (1, 1)), ((2, 3, 64, 65), (1, 1)), ((0, 3, 4, 4), (2, 2)), ((2, 3, 8, 8), (8, 8))]
    for i, (shape, size) in enumerate(shapes):
        for layout in LAYOUTS:
            if len(shape) > len(size) or layout == "channels_first":
                for call in adaptive(shape, size, dtype, layout, i):
                    call.check()


@pytest.mark.parametrize("seed", range(6))
def test_random_pools(seed):
    """A few hundred of anything that is allowed."""
    rng = np.random.default_rng(seed)
    for i in range(50):
        pool, dtype, layout = random_pool(rng), str(rng.choice(list(DTYPES))), str(rng.choice(LAYOUTS))
        if fits(pool, layout):
            calls = forward(pool, dtype, layout, i)
            for at in rng.choice(len(calls), 3):
                calls[at].check()


# ---------------------------------------------------------------- names, ranks, padding by name, dtypes

@pytest.mark.parametrize("rank", [1, 2, 3])
def test_names_with_a_rank(rank):
    """One number is for all axes of that rank, whatever is in front of them."""
    ones = (1,) * rank
    for lead in [(), (2,), (2, 3), (2, 1, 2)]:
        x, size = numbers((*lead, *(8, 6, 4)[:rank]), "l", 1), (2,) * rank
        for name in ("max_pool", "min_pool", "avg_pool", "sum_pool"):
            function = getattr(fastconv, f"{name}{rank}d")
            for kernel in (2, size):
                same(function(x, kernel, padding=1), getattr(reference, name)(x, size, padding=1))
        same(getattr(fastconv, f"lp_pool{rank}d")(x, 1, 2), reference.lp_pool(x, 1, size))
        for name in ("max", "avg"):
            for given in (2, size):
                same(getattr(fastconv, f"adaptive_{name}_pool{rank}d")(x, given),
                     getattr(reference, f"adaptive_{name}_pool")(x, size))
            same(getattr(fastconv, f"global_{name}_pool{rank}d")(x),
                 getattr(reference, f"adaptive_{name}_pool")(x, ones))
        y, indices = getattr(fastconv, f"max_pool{rank}d")(x, 2, return_indices=True)
        same(getattr(fastconv, f"max_unpool{rank}d")(y, indices, 2), reference.max_unpool(y, indices, size))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_one_number_is_for_all_axes_after_the_first_two(rank, layout):
    x, size = arranged(numbers((2, 3, *(8, 6, 4, 2)[:rank]), "l", 1), rank, layout), (2,) * rank
    for name in ("max_pool", "min_pool", "avg_pool", "sum_pool", "adaptive_max_pool", "adaptive_avg_pool"):
        same(getattr(fastconv, name)(x, 2, layout=layout), getattr(reference, name)(x, size, layout=layout))
    y, indices = fastconv.max_pool(x, 2, return_indices=True, layout=layout)
    same(fastconv.max_unpool(y, indices, 2, layout=layout), reference.max_unpool(y, indices, size, layout=layout))


@pytest.mark.parametrize("padding", NAMED_PADDINGS)
def test_padding_by_name(padding):
    """The same has ceil(n / stride) outputs, the odd element of padding behind, or in front."""
    for n in range(1, 12):
        for k in range(1, 6):
            for stride in range(1, 8):
                pool = Pool((2, n), (k,), stride, padding)
                if pool.possible:
                    x = numbers(pool.x, "l", n)
                    got = fastconv.max_pool(x, (k,), stride, padding)
                    equal(got, reference.max_pool(x, (k,), stride, padding))
                    assert padding == "valid" or got.shape == (2, -(-n // stride))


@pytest.mark.parametrize("number", [2, np.int64(2), [2, 2], (np.int8(2), np.uint16(2)), np.array([2, 2])], ids=repr)
def test_numbers_of_any_kind(number):
    x = numbers((2, 3, 9, 8), "l", 1)
    for name in ("max_pool", "avg_pool", "sum_pool"):
        equal(getattr(fastconv, name)(x, number, number), getattr(reference, name)(x, (2, 2), 2))
    equal(fastconv.max_pool(x, (3, 3), number, number, number), reference.max_pool(x, (3, 3), 2, 2, 2))
    equal(fastconv.avg_pool(x, [3, 3], padding=[[1, np.int64(0)], (0, 2)]),
          reference.avg_pool(x, (3, 3), padding=((1, 0), (0, 2))))
    equal(fastconv.adaptive_max_pool(x, number), reference.adaptive_max_pool(x, (2, 2)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_keyword(dtype):
    """x is cast first, however it was given."""
    pool, real = FEW[0], np.dtype(dtype).kind in "fc"
    for given in DTYPES:
        if np.dtype(given).kind == "c" and np.dtype(dtype).kind != "c":
            continue    # astype warns
        x = numbers(pool.x, given, 1)
        Call("sum_pool", (x, pool.kernel), pool.where | {"dtype": dtype}).check()
        if real:
            Call("avg_pool", (x, pool.kernel), pool.where | {"dtype": dtype}).check()
        if np.dtype(dtype).kind != "c":
            for name in ("max_pool", "min_pool"):
                Call(name, (x, pool.kernel), pool.where | {"dtype": dtype, "return_indices": True}).check()
        if np.dtype(dtype).kind == "f":
            Call("lp_pool", (x, 2, pool.kernel), pool.where | {"dtype": dtype}).check()


@pytest.mark.parametrize("how", [np.int64, "int64", ">i8", int])
def test_dtypes_by_any_name(how):
    x = np.full((3, 9, 9), 255, np.uint8)
    equal(fastconv.sum_pool(x, (9, 9), dtype=how), np.full((3, 1, 1), 81 * 255))
    equal(fastconv.sum_pool(x, (9, 9), dtype=np.uint8), np.full((3, 1, 1), 81 * 255 % 256, np.uint8))
    equal(fastconv.max_pool(x, (9, 9), dtype=how), np.full((3, 1, 1), 255))


def test_booleans_stored_as_any_byte():
    odd = np.array([0, 1, 2, 3, 128, 255, 0, 0] * 6, np.uint8).view(bool).reshape(2, 24)
    true = odd.view(np.uint8) != 0
    for name in ("max_pool", "min_pool", "sum_pool", "avg_pool"):
        for size in (1, 2, 3, 12):
            got = getattr(fastconv, name)(odd, (size,))
            equal(got, getattr(reference, name)(true, (size,)))
            assert got.dtype != bool or set(got.view(np.uint8).ravel()) <= {0, 1}


def test_half_is_rounded_once():
    """2048 + 1 is not a half; sums are single precision, the average is rounded at the end."""
    x = np.array([2048, 1, 1, 1, 1, -2048], np.float16)
    equal(fastconv.sum_pool(x, (6,)), np.array([4], np.float16))
    equal(fastconv.avg_pool(x, (4,), 9), np.array([2051 / 4], np.float16))
    equal(fastconv.avg_pool(np.full(64, 60000, np.float16), (64,)), np.array([60000], np.float16))


def test_a_view_of_the_whole_image():
    """A global pool is one window as large as the image."""
    x = numbers((2, 3, 9, 11), "d", 1)
    equal(fastconv.global_max_pool(x), x.max((2, 3), keepdims=True))
    equal(fastconv.global_avg_pool(x), x.sum((2, 3), keepdims=True) / 99)
    value, index = fastconv.global_max_pool(x, True)
    equal(index[..., 0, 0], x.reshape(2, 3, -1).argmax(-1))
    equal(value[..., 0, 0], x.max((2, 3)))
