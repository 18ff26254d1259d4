"""Pools: the same bits for any number of threads, any split of the batch, any strides; shared by Python's threads."""
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastconv
from fastconv import _reference_pooling as reference
from fastconv import grad

from .cases import DTYPES, equal, numbers, reals
from .cases import LAYOUTS as MEMORY
from .pool_cases import FEW, LAYOUTS, Pool, arranged, can_unpool, everything, same
from .processes import python

# Enough work for several threads, in many planes, a large plane, long rows, or large windows.
WORK = [Pool((5, 7, 30, 41), (3, 3), 2, 1), Pool((1, 300, 301), (2, 2)), Pool((2, 130, 120), (15, 15), 1, 7),
        Pool((3, 17, 40, 21), (3, 3), 1, 1), Pool((2, 9001), (9,), 3, 4), Pool((2, 3, 12, 13, 14), (3, 2, 3), 1, 1),
        Pool((4, 33, 13, 13), (13, 13), 1, 6), Pool((1, 70, 80), (5, 4), 1, 0, 3)]


def calls(pool, dtype, layout="channels_first"):
    """Sums that round; maxima with their indices; the gradients."""
    x, g = (arranged(reals(shape, dtype, 1), pool.rank, layout) for shape in (pool.x, pool.y))
    how = pool.where | {"layout": layout}
    yield lambda **more: fastconv.avg_pool(x, pool.kernel, **how, **more)
    yield lambda **more: fastconv.sum_pool(x, pool.kernel, **how, **more)
    yield lambda **more: grad.avg_pool(x.shape, g, pool.kernel, **how, **more)
    yield lambda **more: grad.avg_pool(x.shape, g, pool.kernel, **how, count_include_pad=False, **more)
    yield lambda **more: grad.sum_pool(x.shape, g, pool.kernel, **how, **more)
    yield lambda **more: grad.adaptive_avg_pool(x.shape, g, rank=pool.rank, layout=layout, **more)
    yield lambda **more: fastconv.adaptive_avg_pool(x, (3,) * pool.rank, layout=layout, **more)
    yield lambda **more: fastconv.adaptive_avg_pool(x, (1,) * pool.rank, layout=layout, **more)
    if np.dtype(dtype).kind == "f":
        yield lambda **more: fastconv.max_pool(x, pool.kernel, **how, return_indices=True, **more)
        yield lambda **more: fastconv.min_pool(x, pool.kernel, **how, **more)
        yield lambda **more: fastconv.lp_pool(x, 3, pool.kernel, **how, **more)
        _, indices = fastconv.max_pool(x, pool.kernel, **how, return_indices=True)
        yield lambda **more: grad.max_pool(x.shape, indices, g, rank=pool.rank, layout=layout, **more)
        yield lambda **more: grad.lp_pool(x, 3, g, pool.kernel, **how, **more)
        if can_unpool(pool):
            where = {"stride": pool.stride, "padding": pool.padding, "output_size": pool.image, "layout": layout}
            yield lambda **more: fastconv.max_unpool(g, indices, pool.kernel, **where, **more)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", "efdF")
def test_same_bits_for_any_number(dtype, layout):
    for pool in WORK:
        for i, call in enumerate(calls(pool, dtype, layout)):
            one, *others = (call(workers=workers) for workers in (1, 2, 3))
            for other in others:
                same(other, one, f"{i}, {pool}")


@pytest.mark.parametrize("workers", [5, 16, -1, None, np.int64(2)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_right_values(dtype, workers):
    for pool in FEW[:3]:
        for call in everything(pool, dtype)[::2]:
            call.check(workers=workers)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", "efdF")
def test_each_sample_alone(dtype, layout):
    """In a batch, by itself, or as one of many leading axes."""
    for pool in [pool for pool in WORK if len(pool.x) > pool.rank + 1]:
        x = arranged(reals(pool.x, dtype, 1), pool.rank, layout)
        how = pool.where | {"layout": layout}
        functions = [(fastconv.avg_pool, (pool.kernel,), how), (fastconv.sum_pool, (pool.kernel,), how),
                     (fastconv.adaptive_avg_pool, ((2,) * pool.rank,), {"layout": layout})]
        if dtype != "F":
            functions += [(fastconv.max_pool, (pool.kernel,), how), (fastconv.lp_pool, (3, pool.kernel), how)]
        for function, arguments, keywords in functions:
            batch = function(x, *arguments, **keywords)
            for sample, wanted in zip(x, batch, strict=True):
                equal(function(sample, *arguments, **keywords), wanted, str(pool))
            equal(function(x[:, None], *arguments, **keywords)[:, 0], batch)
            equal(function(np.stack([x] * 2), *arguments, **keywords)[1], batch)
            if layout == "channels_first":
                equal(function(x[0, 0], *arguments, **keywords), batch[0, 0])


@pytest.mark.parametrize("dtype", "efdF")
def test_layouts(dtype):
    """Channels last has the bits of channels first."""
    for pool in WORK:
        for first, last in zip(calls(pool, dtype), calls(pool, dtype, "channels_last"), strict=True):
            first, last = first(), last()
            if isinstance(first, tuple):
                first, last = first[1], last[1]
            equal(last, arranged(first, pool.rank, "channels_last"))


@pytest.mark.parametrize("how", ["fortran", "transposed", "reversed", "spaced", "unaligned", "swapped"])
@pytest.mark.parametrize("dtype", "efdF")
def test_strides(dtype, how):
    """The order of a sum does not depend on the memory's."""
    for pool in WORK[::2]:
        x = reals(pool.x, dtype, 1)
        for name in ("avg_pool", "sum_pool"):
            function = getattr(fastconv, name)
            equal(function(MEMORY[how](x), pool.kernel, **pool.where), function(x, pool.kernel, **pool.where))
        equal(fastconv.adaptive_avg_pool(MEMORY[how](x), (1,) * pool.rank),
              fastconv.adaptive_avg_pool(x, (1,) * pool.rank))


def test_shared_by_python_threads():
    inputs = [numbers(pool.x, "f", 1) for pool in WORK]
    wanted = [(reference.max_pool(x, pool.kernel, **pool.where), reference.sum_pool(x, pool.kernel, **pool.where))
              for pool, x in zip(WORK, inputs, strict=True)]
    start = threading.Barrier(8)

    def work(thread):
        start.wait()
        for repeat in range(12):
            i = (thread + repeat) % len(WORK)
            given = inputs[i], WORK[i].kernel
            how = WORK[i].where | {"workers": 1 + repeat % 3}
            equal(fastconv.max_pool(*given, **how), wanted[i][0])
            equal(fastconv.sum_pool(*given, **how), wanted[i][1])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


FORK = """
import os, numpy as np, fastconv
x = np.ones((4, 16, 200, 200), np.float32)

def right():
    y = fastconv.max_pool(x, 3, workers=4)
    return (y == 1).all() and (fastconv.sum_pool(x, 9, 1, workers=4) == 81).all()

assert right()
child = os.fork()
if child == 0:
    os._exit(not right())
assert os.waitpid(child, 0)[1] == 0
assert right()
print("finished")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_forked_children_finish():
    """libgomp's threads do not live on in a child; a call there must not wait for them."""
    done = python("-c", FORK, timeout=60)
    assert done.stdout.split() == ["finished"], done.stderr


def test_layouts_of_what_is_converted():
    """Long windows of integers, whose norms are summed as doubles, many at once."""
    x = numbers((2, 3, 4, 85), "B", 1)
    first = fastconv.lp_pool(x, 2.5, (1, 20), stride=20)
    last = fastconv.lp_pool(np.moveaxis(x, 1, -1), 2.5, (1, 20), stride=20, layout="channels_last")
    equal(np.moveaxis(last, -1, 1), first)


@pytest.mark.parametrize("dtype", "efd")
def test_whole_windows(dtype):
    """One window for all of a row: the same sum in both layouts, and for any axes in front."""
    for n in [*range(1, 40), 100, 9001, 40_000]:
        x = reals((3, 4, n), dtype, n)
        wanted = fastconv.global_avg_pool(x)
        equal(fastconv.global_avg_pool(np.moveaxis(x, 1, -1), layout="channels_last"), np.moveaxis(wanted, 1, -1))
        equal(fastconv.global_avg_pool(np.ascontiguousarray(np.moveaxis(x, 1, -1)), layout="channels_last")[:, 0],
              wanted[..., 0])
        equal(fastconv.global_avg_pool(np.stack([x, x], 2)[:, :, 1]), wanted)
