"""Pooling against PyTorch, where it is installed: results, indices, gradients; the specification's, too."""
import numpy as np
import pytest

import fastconv
from fastconv import _reference_pooling as reference
from fastconv import grad

from .cases import equal, numbers
from .pool_cases import random_pool, same


@pytest.fixture
def torch():
    """One thread for PyTorch; its own number afterwards."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)


def pools(seed, count, **changes):
    """Random pools of a batch, that torch takes too."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        yield i, random_pool(rng, (1, 2, 3), (2, 2), torch=True)._replace(**changes)


def leaf(torch, a):
    return torch.from_numpy(a).requires_grad_(a.dtype.kind == "f")


def both(name):
    return getattr(fastconv, name), getattr(reference, name)


@pytest.mark.parametrize("dtype", "lfd")
def test_maxima(torch, dtype):
    for seed, pool in pools(1, 60):
        x = numbers(pool.x, dtype, seed, 2)    # with many ties
        given = leaf(torch, x)
        y, indices = getattr(torch.nn.functional, f"max_pool{pool.rank}d")(
            given, pool.kernel, **pool.where, return_indices=True)
        for function in both("max_pool"):
            same(function(x, pool.kernel, **pool.where, return_indices=True),
                 (y.detach().numpy(), indices.numpy()), str(pool))
        if dtype != "l":
            g = numbers(y.shape, dtype, seed + 1)
            y.backward(torch.from_numpy(g))
            for function in (grad.max_pool, reference.max_pool_gradient):
                equal(function(x.shape, indices.numpy(), g), given.grad.numpy(), str(pool))


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("dtype", "fd")
def test_averages(torch, dtype, include):
    for seed, pool in pools(2, 60, dilation=1):
        if not pool.possible or (pool.rank == 3 and (np.array(pool.image) < pool.kernel).any()):
            continue    # torch refuses the latter, padded or not
        x = numbers(pool.x, dtype, seed)
        how = {"stride": pool.stride, "padding": pool.padding, "ceil_mode": pool.ceil_mode,
               "count_include_pad": include}
        more = {"divisor_override": 4} if seed % 3 == 0 and pool.rank > 1 else {}
        given = leaf(torch, x)
        y = getattr(torch.nn.functional, f"avg_pool{pool.rank}d")(given, pool.kernel, **how, **more)
        g = numbers(y.shape, dtype, seed + 1)
        y.backward(torch.from_numpy(g))
        rounding = np.finfo(dtype).eps * 8
        for function in both("avg_pool"):
            got = function(x, pool.kernel, **how, **more)
            assert got.shape == tuple(y.shape), pool
            np.testing.assert_allclose(got, y.detach().numpy(), 0, 2 * rounding, err_msg=str(pool))
        for function in (grad.avg_pool, reference.avg_pool_gradient):
            got = function(x.shape, g, pool.kernel, **how, **more)
            np.testing.assert_allclose(got, given.grad.numpy(), 0, 100 * rounding, err_msg=str(pool))


def test_adaptive(torch):
    rng = np.random.default_rng(3)
    for seed in range(60):
        rank = 1 + seed % 3
        image, size = rng.integers(1, 12, (2, rank)).tolist()
        x = numbers((2, 3, *image), "d", seed)
        given = leaf(torch, x)
        y = getattr(torch.nn.functional, f"adaptive_avg_pool{rank}d")(given, size)
        g = numbers(y.shape, "d", seed)
        y.backward(torch.from_numpy(g))
        for function in both("adaptive_avg_pool"):
            np.testing.assert_allclose(function(x, tuple(size)), y.detach().numpy(), 0, 1e-14)
        for function in (grad.adaptive_avg_pool, reference.adaptive_avg_pool_gradient):
            np.testing.assert_allclose(function(x.shape, g), given.grad.numpy(), 0, 1e-13)
        y, indices = getattr(torch.nn.functional, f"adaptive_max_pool{rank}d")(
            torch.from_numpy(x), size, return_indices=True)
        for function in both("adaptive_max_pool"):
            same(function(x, tuple(size), True), (y.numpy(), indices.numpy()))


def test_sizes_left_as_they_are(torch):
    x = numbers((2, 3, 7, 9), "d", 1)
    wanted = torch.nn.functional.adaptive_max_pool2d(torch.from_numpy(x), (None, 4)).numpy()
    for function in both("adaptive_max_pool"):
        equal(function(x, (None, 4)), wanted)


def test_unpool(torch):
    for seed, pool in pools(4, 60, dilation=1, ceil_mode=False):
        if not pool.possible:
            continue
        x = torch.from_numpy(numbers(pool.x, "d", seed))
        y, indices = getattr(torch.nn.functional, f"max_pool{pool.rank}d")(
            x, pool.kernel, pool.stride, pool.padding, return_indices=True)
        how = {"stride": pool.stride, "padding": pool.padding}
        unpool = getattr(torch.nn.functional, f"max_unpool{pool.rank}d")
        wanted = unpool(y, indices, pool.kernel, output_size=pool.image, **how).numpy()
        for function in both("max_unpool"):
            equal(function(y.numpy(), indices.numpy(), pool.kernel, output_size=pool.image, **how), wanted, str(pool))
    y, indices = np.array([[[5.0, 7.0]]]), np.array([[[1, 3]]])
    for function in both("max_unpool"):
        equal(function(y, indices, (2,)), torch.nn.functional.max_unpool1d(
            torch.from_numpy(y), torch.from_numpy(indices), 2).numpy())


@pytest.mark.parametrize("p", [2, 4])
def test_norms(torch, p):
    """Of even p and whole windows: torch's odd ones keep the sign, and its sums count a cut window as whole."""
    for seed, pool in pools(5, 40, dilation=1, padding=0, ceil_mode=False):
        if not pool.possible:
            continue
        x = numbers(pool.x, "d", seed) + 0.5
        given = leaf(torch, x)
        y = getattr(torch.nn.functional, f"lp_pool{pool.rank}d")(
            given, p, pool.kernel if pool.rank > 1 else pool.kernel[0], pool.stride)
        g = numbers(y.shape, "d", seed)
        y.backward(torch.from_numpy(g))
        for function in both("lp_pool"):
            np.testing.assert_allclose(function(x, p, pool.kernel, pool.stride), y.detach().numpy(), 1e-13)
        for function in (grad.lp_pool, reference.lp_pool_gradient):
            np.testing.assert_allclose(function(x, p, g, pool.kernel, pool.stride), given.grad.numpy(), 1e-11, 1e-12)


def test_positional_arguments(torch):
    """In torch's order, defaults as there."""
    functional, x = torch.nn.functional, numbers((2, 3, 9, 10), "d", 1)
    t = torch.from_numpy(x)
    y, indices = functional.max_pool2d(t, 3, 2, 1, 2, True, True)
    same(fastconv.max_pool2d(x, 3, 2, 1, 2, True, True), (y.numpy(), indices.numpy()))
    np.testing.assert_allclose(fastconv.avg_pool2d(x, 3, 2, 1, True, False, 5),
                               functional.avg_pool2d(t, 3, 2, 1, True, False, 5).numpy(), 0, 1e-14)
    np.testing.assert_allclose(fastconv.lp_pool2d(x, 2, 3, 2), functional.lp_pool2d(t, 2, 3, 2).numpy(), 1e-14)
    y, indices = functional.max_pool2d(t, 2, return_indices=True)
    equal(fastconv.max_unpool2d(y.numpy(), indices.numpy(), 2, 2, 0, (9, 10)),
          functional.max_unpool2d(y, indices, 2, 2, 0, (9, 10)).numpy())
