"""What a call costs grows with its data: not with its window, its stride or its stack; and sizes are checked first."""
import tracemalloc
from time import perf_counter

import numpy as np
import pytest

import fastconv
from fastconv import _pool_geometry, grad
from fastconv import _reference_pooling as reference

from .cases import equal, numbers
from .processes import python

SMALL_STACK = """
import threading
import numpy as np
import fastconv
from fastconv import grad

done = []

def call():
    for dtype in "fdB":
        x = (np.arange(2 * 3 * 40 * 41) % 97).reshape(2, 3, 40, 41).astype(dtype)
        for kernel, stride in ((2, 2), (3, 2), (9, 1), ((40, 41), 1)):
            y, indices = fastconv.max_pool2d(x, kernel, stride, return_indices=True)
            fastconv.avg_pool2d(x, kernel, stride)
            fastconv.avg_pool2d(np.moveaxis(x, 1, -1), kernel, stride, layout="channels_last")
            grad.sum_pool(x.shape, y, kernel if np.ndim(kernel) else (kernel, kernel), stride)
            grad.max_pool(x.shape, indices, y)
        fastconv.max_unpool2d(y, indices, (40, 41))
        fastconv.adaptive_avg_pool2d(x, 7), fastconv.adaptive_max_pool2d(x, (3, 50), return_indices=True)
        fastconv.global_avg_pool2d(np.moveaxis(x, 1, -1), layout="channels_last")
        fastconv.lp_pool2d(x.astype("d") * 1e200, 3, 2)
        grad.lp_pool(x.astype("d") * 1e200, 3, x[..., :20, :20].astype("d"), (2, 2), 2)
    done.append(True)

call()
done.clear()
threading.stack_size(64 * 1024)
thread = threading.Thread(target=call)
thread.start()
thread.join()
assert done
"""


def test_small_stacks():
    """Every kernel in a thread with 64 KB."""
    run = python("-c", SMALL_STACK, FASTCONV_NUM_THREADS="1")
    assert run.returncode == 0, run.stderr


def test_shares_of_any_size():
    """Windows of adaptive pools, where index times size is no number of the machine."""
    for n, o in [(2**62, 3), (2**62 - 1, 1000), (2**61 + 7, 2**16 + 1), (7, 20), (20, 7), (5, 5)]:
        starts, counts = _pool_geometry.shares(n, o)
        for i in {0, 1, o // 2, o - 1}:
            start, stop = i * n // o, -(-(i + 1) * n // o)
            assert (int(starts[i]), int(counts[i])) == (start, stop - start)


def test_too_big():
    """Refused before anything is made of it."""
    x = np.ones((1, 1, 4, 4))
    start = perf_counter()
    for call in (lambda: fastconv.adaptive_avg_pool(x, 2**31 - 1), lambda: fastconv.adaptive_max_pool(x, 2**31 - 1),
                 lambda: grad.max_pool((2**31 - 1,) * 4, np.zeros((2**5,) * 4, int), np.zeros((2**5,) * 4), rank=2),
                 lambda: grad.sum_pool((2**31 - 1,) * 4, x, (2, 2)),
                 lambda: fastconv.max_unpool(x, np.zeros(x.shape, int), 2**31 - 1, 2**31 - 1)):
        with pytest.raises(ValueError, match="big"):
            call()
    assert perf_counter() - start < 1


def test_strides_of_gradients():
    """Elements far apart, on the axis of rows and on others; any dilation, with common divisors and without."""
    dx = grad.sum_pool((1, 1, 10**5, 1), np.ones((1, 1, 2, 1)), (1, 1), (5 * 10**4, 1))
    equal(np.flatnonzero(dx), np.array([0, 50000]))
    rng = np.random.default_rng(1)
    for _ in range(200):
        kernel, stride, dilation = rng.integers(1, 7, 2), rng.integers(1, 13, 2), rng.integers(1, 13, 2)
        size = (kernel - 1) * dilation + 1 + rng.integers(0, 30, 2)
        padding = tuple(int(rng.integers(0, (k - 1) * d + 1)) for k, d in zip(kernel, dilation, strict=True))
        where = {"stride": tuple(map(int, stride)), "padding": padding, "dilation": tuple(map(int, dilation))}
        kernel = tuple(map(int, kernel))
        shape = (2, *map(int, size))
        g = numbers(reference.sum_pool(np.zeros(shape), kernel, **where).shape, "l", 1)
        equal(grad.sum_pool(shape, g, kernel, **where), reference.sum_pool_gradient(shape, g, kernel, **where),
              str(where))


@pytest.mark.parametrize("name", ["max_pool", "sum_pool", "avg_pool", "lp_pool"])
def test_windows_larger_than_the_data(name):
    """By their scratch, and by their values where the same is asked of small windows."""
    x = np.array([[3.0, 1, 4, 2]])
    more = (2,) if name == "lp_pool" else ()
    function = getattr(fastconv, name)
    how = {"divisor_override": 5} if name == "avg_pool" else {}
    wanted = function(x, *more, (4,), **how)
    tracemalloc.start()
    equal(function(x, *more, (10**8,), 10**8, padding=((10**8 - 4, 0),), **how), wanted)
    equal(function(x, *more, (2,), 10**8, padding=((0, 10**8 - 3),), dilation=10**8, **how),
          function(x[:, :1], *more, (1,), **how))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22
    far = np.broadcast_to(np.float32(2), (1, 2**40))
    equal(function(far, *more, (2,), 2**30, dilation=2**31 - 1, **how)[0, :3],
          function(far[:, :4], *more, (2,), 1, **how)[0, :3])


def test_empty_results_as_in_torch():
    x = numbers((2, 3, 5, 6), "f", 1)
    assert fastconv.adaptive_avg_pool2d(x, 0).shape == (2, 3, 0, 0)
    assert fastconv.adaptive_max_pool2d(x, (0, 2)).shape == (2, 3, 0, 2)
    values, indices = fastconv.adaptive_max_pool2d(x, (2, 0), return_indices=True)
    assert values.shape == indices.shape == (2, 3, 2, 0)
    equal(grad.adaptive_avg_pool(x.shape, np.ones((2, 3, 0, 2), np.float32)), np.zeros_like(x))


def test_no_stride_is_the_windows():
    x = numbers((2, 3, 8, 9), "d", 1)
    for stride in ((), []):
        equal(fastconv.max_pool2d(x, 2, stride), fastconv.max_pool2d(x, 2))
        equal(fastconv.avg_pool2d(x, 2, stride), fastconv.avg_pool2d(x, 2))
        equal(grad.sum_pool(x.shape, np.ones((2, 3, 4, 4)), (2, 2), stride),
              grad.sum_pool(x.shape, np.ones((2, 3, 4, 4)), (2, 2)))


def test_large_windows_with_indices():
    """Of rows, columns and planes: what the window's area would take minutes for."""
    x = np.random.default_rng(1).standard_normal((1, 400, 500)).astype(np.float32)
    for kernel in ((200, 1), (1, 300), (150, 200)):
        for a in (x, x.astype(np.float64)):
            values, indices = fastconv.max_pool(a, kernel, 1, return_indices=True)
            equal(a.reshape(-1)[indices], values)
    x = np.random.default_rng(1).integers(0, 3, 10**5).astype(np.uint8)
    values, indices = fastconv.max_pool(x, (10**4,), 1, return_indices=True)
    equal(indices, np.array([i + x[i:i + 30].argmax() for i in range(len(indices))]))


@pytest.mark.parametrize("dtype", "fdeBlF")
def test_no_floating_point_errors(dtype):
    """Whatever NumPy is told to raise; `out` is written in full."""
    x = numbers((2, 3, 8, 9), dtype, 1)
    if x.dtype.kind == "f":
        x.flat[::5], x.flat[1::7] = np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal
        x.flat[3], x.flat[11] = np.inf, np.nan
    with np.errstate(all="raise"):
        y = fastconv.avg_pool2d(x, 2)
        fastconv.sum_pool2d(x, 3, 1, 1)
        g = y if dtype != "l" else y.astype(int)
        grad.avg_pool(x.shape, g, (2, 2)), grad.sum_pool(x.shape, g, (2, 2)), grad.adaptive_avg_pool(x.shape, g)
        if dtype == "F":
            return
        _, indices = fastconv.max_pool2d(x, 2, return_indices=True)
        grad.max_pool(x.shape, indices, g), fastconv.max_unpool2d(g, indices, 2, output_size=(8, 9))
        for p in (0.5, 2, 3, 700):
            fastconv.lp_pool2d(x, p, 2), grad.lp_pool(x, p, g, (2, 2))
            if x.dtype.kind == "f":
                for to in "efd":
                    out = np.full((2, 3, 4, 4), 7, to)
                    wide = x.astype(np.longdouble)
                    fastconv.lp_pool2d(wide, p, 2, dtype=to, out=out)
                    assert not (out == 7).any()
        if x.dtype.kind == "f":
            for to in "efd":
                fastconv.sum_pool2d(x.astype("g"), 2, dtype=to), fastconv.max_pool2d(x.astype("g"), 2, dtype=to)
                grad.sum_pool(x.shape, g.astype("g"), (2, 2), dtype=to)
                grad.max_pool(x.shape, indices, g.astype("g"), dtype=to)


def test_ranks():
    """What stands for long doubles that leave no room for a place: their order, NaN first or last, zeros alike."""
    x = np.array([1, np.nan, -0.0, 0, -np.inf, np.inf, np.nan, 1], np.longdouble)
    for smallest, order in ((False, [2, 4, 1, 1, 0, 3, 4, 2]), (True, [2, -1, 1, 1, 0, 3, -1, 2])):
        equal(np.asarray(_pool_geometry.ranks(x, smallest)), np.array(order))
