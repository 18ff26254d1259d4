"""Layers: the same bits for any number of threads, any split of the batch, any strides; shared by Python's threads."""
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import _reference_layers, grad

from .cases import DTYPES, LAYOUTS, equal, numbers, reals
from .layer_cases import ALGORITHMS, FEW, Layer, algorithms, arranged, calls, compute, function
from .layer_cases import LAYOUTS as CHANNELS
from .processes import python

# Enough work for several threads, in many pixels, many channels, many taps, many samples, or one line.
WORK = [
    Layer((5, 8, 30, 31), (13, 8, 3, 3), padding=1), Layer((3, 96, 7, 7), (65, 96, 3, 3), 1, 1),
    Layer((2, 130, 9, 10), (50, 130, 1, 1)), Layer((3, 33, 28, 29), (33, 1, 3, 3), 1, 1, 1, 33),
    Layer((2, 3, 9000), (5, 3, 9), 2, 4), Layer((2, 4, 12, 13, 14), (6, 4, 3, 3, 3), 1, "same", 1, 1, "reflect"),
    Layer((2, 12, 20, 21), (24, 3, 5, 5), 2, 2, 1, 4),
]


def real(shape, dtype, seed, terms):
    return reals(shape, dtype, seed) if np.dtype(dtype).kind in "fc" else numbers(shape, dtype, seed, None)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", "efdF")
def test_same_bits_for_any_number(dtype, channels):
    for layer in WORK:
        for name, arguments, keywords in calls(layer, dtype, channels, real):
            for algorithm in algorithms(name):
                one, *others = (compute(name, *arguments, **keywords, algorithm=algorithm, workers=workers)
                                for workers in (1, 2, 3))
                for other in others:
                    if one is not None:
                        equal(other, one, f"{name}, {algorithm}, {layer}")


@pytest.mark.parametrize("workers", [5, 16, -1, None, np.int64(2)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_right_values(dtype, workers):
    for layer in FEW:
        for name, arguments, keywords in calls(layer, dtype):
            equal(function(name)(*arguments, **keywords, workers=workers),
                  getattr(_reference_layers, name)(*arguments, **keywords), f"{name}, {layer}")


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", "efdF")
def test_each_sample_alone(dtype, channels):
    """In a batch, or by itself without a leading axis, or as one of many leading axes."""
    for layer, algorithm in product(WORK, ALGORITHMS):
        x, y = (arranged(reals(shape, dtype, 1), layer.rank, channels) for shape in (layer.x, layer.y))
        w, bias = reals(layer.weight, dtype, 2), reals(layer.weight[0], dtype, 3)
        how = layer.where | {"layout": channels, "algorithm": algorithm}
        batch = compute("conv", x, w, bias, **how)
        if batch is not None:
            for sample, wanted in zip(x, batch, strict=True):
                equal(compute("conv", sample, w, bias, **how), wanted, f"{algorithm}, {layer}")
            equal(compute("conv", x[:, None], w, bias, **how)[:, 0], batch)
            equal(compute("conv", np.stack([x] * 3), w, bias, **how)[1], batch)
        how["output_size"] = layer.image
        batch = compute("conv_transpose", y, w, **how)
        if batch is not None:
            for sample, wanted in zip(y, batch, strict=True):
                equal(compute("conv_transpose", sample, w, **how), wanted, f"{algorithm}, {layer}")
        if algorithm == "auto":
            how = layer.where | {"layout": channels}
            batch = grad.conv_input(x.shape, w, y, **how)
            for sample, wanted in zip(y, batch, strict=True):
                equal(grad.conv_input(x.shape[1:], w, sample, **how), wanted)


@pytest.mark.parametrize("dtype", "efdF")
def test_strides(dtype):
    """The order of a sum does not depend on the memory's."""
    layouts = {"every other": lambda a: np.repeat(a, 2, -1)[..., ::2],
               **{name: LAYOUTS[name] for name in ("fortran", "transposed", "reversed", "unaligned", "swapped")}}
    for layer in WORK:
        for name, arguments, keywords in calls(layer._replace(x=(1, *layer.x[1:])), dtype, make=real):
            for algorithm in algorithms(name):
                wanted = compute(name, *arguments, **keywords, algorithm=algorithm)
                if wanted is not None:
                    for layout, how in layouts.items():
                        given = [how(a) if isinstance(a, np.ndarray) else a for a in arguments]
                        got = compute(name, *given, **keywords, algorithm=algorithm)
                        equal(got, wanted, f"{name}, {algorithm}, {layout}, {layer}")


def test_packed_layers_for_any_number():
    for layer in WORK:
        x, w = reals(layer.x, "f", 1), reals(layer.weight, "f", 2)
        packed = fastconv.Conv(w, **layer.where)
        wanted = fastconv.conv(x, w, **layer.where, workers=1)
        for workers in (1, 2, 3, 7, -1, None):
            equal(packed(x, workers=workers), wanted)
        with fastconv.set_workers(2):
            equal(packed(x), wanted)
            equal(fastconv.conv(x, w, **layer.where), wanted)
        for sample, y in zip(x, wanted, strict=True):
            equal(packed(sample, workers=3), y)


def test_shared_by_python_threads():
    """One packed layer and all functions, from eight threads at once."""
    layers = WORK[:4]
    inputs = [(numbers(layer.x, "f", 1), numbers(layer.weight, "f", 2)) for layer in layers]
    wanted = [_reference_layers.conv(x, w, **layer.where) for layer, (x, w) in zip(layers, inputs, strict=True)]
    packed = [fastconv.Conv(w, **layer.where) for layer, (_, w) in zip(layers, inputs, strict=True)]
    start = threading.Barrier(8)

    def work(thread):
        start.wait()
        for repeat in range(12):
            i = (thread + repeat) % len(layers)
            equal(packed[i](inputs[i][0], workers=1 + repeat % 3), wanted[i])
            equal(fastconv.conv(*inputs[i], **layers[i].where, workers=1 + repeat % 3), wanted[i])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


FORK = """
import os, numpy as np, fastconv
from fastconv import grad
x, w = np.ones((4, 16, 40, 40), np.float32), np.ones((16, 16, 3, 3), np.float32)
packed = fastconv.Conv(w)

def right():
    y = packed(x, workers=4)
    back = grad.conv_input(x.shape, w, y, workers=4)
    return (y == 144).all() and back[0, 0, 9, 9] == 144 * 144 and (fastconv.conv(x, w, workers=4) == y).all()

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
