"""Pools of inputs that lie anywhere in memory: right results, nothing modified, nothing read or written outside."""
import sys

import numpy as np
import pytest

import fastconv
from fastconv import _reference_pooling as reference
from fastconv import grad

from .cases import DTYPES, LAYOUTS, equal, numbers
from .pool_cases import FEW, Pool, everything, extremes, row_edges, same, sums
from .pool_cases import LAYOUTS as CHANNELS
from .processes import python
from .test_layouts import LARGE_STRIDE, guarded


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", "?BlegF")
def test_values(dtype, channels):
    for pool in FEW:
        for call in everything(pool, dtype, channels, 1):
            wanted = call.wanted()
            for layout, how in LAYOUTS.items():
                same(call.on(how).ours(), wanted, f"{call} {layout}")


@pytest.mark.parametrize("dtype", "hfd")
def test_swapped_rows_of_any_length(dtype):
    for pool in list(row_edges(dtype))[::4]:
        for call in (*extremes(pool, dtype)[:1], *sums(pool, dtype)[:1]):
            wanted = call.wanted()
            for layout in ("swapped", "reversed", "unaligned"):
                same(call.on(LAYOUTS[layout]).ours(), wanted, f"{call} {layout}")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_inputs_stay_as_they_are(dtype, layout):
    for call in everything(FEW[0], dtype, CHANNELS[DTYPES.index(dtype) % 2]):
        call = call.on(LAYOUTS[layout])
        arrays = [argument for argument in call.arguments if isinstance(argument, np.ndarray)]

        def state(arrays=arrays):
            return [(a.tobytes(), a.strides, a.dtype, a.flags.writeable) for a in arrays]

        before = state()
        call.ours()
        assert state() == before


@pytest.mark.parametrize("dtype", "BldD")
def test_zero_strides(dtype):
    for pool in FEW:
        for axis in range(2):
            x = numbers(pool.x, dtype, 1)
            x = np.broadcast_to(x.take([0], -1 - axis), x.shape)
            for name in ("sum_pool", "avg_pool") + (() if dtype == "D" else ("max_pool", "min_pool")):
                equal(getattr(fastconv, name)(x, pool.kernel, **pool.where),
                      getattr(reference, name)(x, pool.kernel, **pool.where), str(pool))


def test_overlapping_windows():
    """A batch of windows that slide along one signal."""
    x = np.lib.stride_tricks.sliding_window_view(numbers(300, "l", 1), 50)
    for given in (x, x.T, x[::-1, ::-1]):
        same(fastconv.max_pool(given, (5,), 2, 1, return_indices=True),
             reference.max_pool(given, (5,), 2, 1, return_indices=True))
        equal(fastconv.sum_pool(given, (3, 3)), reference.sum_pool(given, (3, 3)))


def test_lists_and_buffers():
    x = numbers((2, 3, 4, 6), "h", 1)
    for given in (x.tolist(), memoryview(x)):
        like = np.asarray(given)
        for name in ("max_pool", "min_pool", "avg_pool", "sum_pool", "adaptive_max_pool", "adaptive_avg_pool"):
            equal(getattr(fastconv, name)(given, 2), getattr(reference, name)(like, (2, 2)))
        equal(fastconv.lp_pool(given, 1, 2), reference.lp_pool(like, 1, (2, 2)))
        equal(fastconv.global_max_pool(given), reference.global_max_pool(like))
    y, indices = reference.max_pool(x, (2, 2), return_indices=True)
    equal(fastconv.max_unpool(memoryview(y), memoryview(indices), 2), reference.max_unpool(y, indices, 2))
    equal(grad.sum_pool(list(x.shape), memoryview(y), 2), reference.sum_pool_gradient(x.shape, y, 2))


def test_subclasses_become_arrays(tmp_path):
    x = np.memmap(tmp_path / "x", "d", "w+", shape=(3, 4, 5))
    x[...] = numbers((3, 4, 5), "d", 1)
    for got in (fastconv.max_pool2d(x, 2), fastconv.avg_pool2d(x, 2), *fastconv.max_pool2d(x, 2, return_indices=True)):
        assert type(got) is np.ndarray
    equal(fastconv.max_pool2d(x, 2), reference.max_pool(np.asarray(x), (2, 2)))


@pytest.mark.parametrize("dtype", "Bf")
def test_huge_strides(dtype):
    """Steps beyond 32 bits, forwards and backwards. Memory that is never touched costs nothing."""
    try:
        memory = np.zeros(2 * LARGE_STRIDE + 400, np.uint8)
    except MemoryError:
        pytest.skip("the system does not promise memory before it is used")
    size = np.dtype(dtype).itemsize
    x = np.ndarray((3, 4, 10), dtype, memory, 0, (LARGE_STRIDE, 10 * size, size))
    x[...] = numbers(x.shape, dtype, 1)
    for given in (x, x[::-1], x.T, x.swapaxes(0, 1)):
        for name in ("max_pool", "sum_pool", "avg_pool"):
            equal(getattr(fastconv, name)(given, (2, 2), 1, 1), getattr(reference, name)(given, (2, 2), 1, 1))
    equal(fastconv.max_pool(x, (2, 2), layout="channels_last"), reference.max_pool(x, (2, 2), layout="channels_last"))


def stays_inside():
    """Run in a process of its own, which a read or write outside the arrays would kill."""
    widths = [Pool((2, 3, width), (k, k), s, p) for width in (1, 2, 7, 15, 16, 17, 31, 33, 63, 64, 65, 130)
              for k, s, p in ((1, 1, 0), (2, 2, 1), (3, 1, 1), (3, 2, 1))]
    pools = [*FEW, *widths, Pool((1, 20, 70), (9, 15), 1, (4, 7)), Pool((3, 13, 13), (13, 13), 1, 6)]
    for dtype in "?BhfdF":
        for i, pool in enumerate(pools):
            for call in everything(pool, dtype, CHANNELS[i % 2], i):
                wanted = call.wanted()
                values = wanted[0] if isinstance(wanted, tuple) else wanted
                for at_end in (False, True):
                    out = guarded(np.zeros(values.shape, values.dtype), at_end)
                    same(call.on(lambda a, at_end=at_end: guarded(a, at_end)).ours(out=out), wanted, str(call))
    print("inside")


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="protects memory by Linux's mprotect")
def test_nothing_outside_is_touched():
    done = python("-c", f"from {stays_inside.__module__} import stays_inside; stays_inside()")
    assert done.stdout.split() == ["inside"], (done.returncode, done.stderr)
