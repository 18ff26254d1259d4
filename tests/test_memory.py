"""Scratch stays within 4 MiB a worker, beyond inputs, output and packed kernel."""
import sys

import pytest

from .processes import python

MEASURE = """
import resource, numpy as np, fastconv
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * {unit}
x, w = np.ones({image}, "{given}"), np.ones({kernel}, "{given}")
out = np.zeros([n - k + 1 for n, k in zip(x.shape, w.shape)] if "{mode}" == "valid" else x.shape, "{dtype}")
fastconv.correlate(x[:9], w[:9], "same", "direct", dtype="{dtype}")    # loads what there is to load
before = peak()
fastconv.correlate(x, w, "{mode}", "direct", boundary="{boundary}", dtype="{dtype}", workers=2, out=out)
print((peak() - before - w.size * out.itemsize * (2 if out.dtype.kind == "c" else 1)) / 2**20)
"""


MEASURE_LAYER = """
import resource, numpy as np, fastconv
from fastconv import grad
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * {unit}
def image(channels):
    shape = (16, 224, 224, channels) if "{layout}" == "channels_last" else (16, channels, 224, 224)
    return np.ones(shape, "{dtype}")
x, y, w = image({c}), image({k}), np.ones(({k}, {c} // {groups}, 9, 9), "{dtype}")
def run(x, y, w):
    how = dict(padding=4, groups={groups}, padding_mode="{mode}", layout="{layout}")
    match "{name}":
        case "conv": fastconv.conv(x, w, out=y, workers=2, **how)
        case "Conv": fastconv.Conv(w, **how)(x, out=y, workers=2)
        case "conv_transpose": fastconv.conv_transpose(y, w, out=x, workers=2, **how)
        case "conv_input": grad.conv_input(x.shape, w, y, out=x, workers=2, **how)
        case "conv_weight": grad.conv_weight(x, w.shape, y, out=w, workers=2, **how)
run(x[:1, :, :12], y[:1, :, :12], w)    # loads what there is to load
before = peak()
run(x, y, w)
print((peak() - before - w.nbytes) / 2**20)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is Unix's")
@pytest.mark.parametrize(("image", "kernel", "mode", "boundary", "given", "dtype"), [
    ((1005, 1011), (1000, 1000), "valid", "fill", "b", "l"),
    ((1005, 1011), (1000, 1000), "valid", "fill", "d", "d"),
    ((2_000_009,), (2_000_000,), "valid", "fill", "b", "d"),
    ((105, 107, 109), (100, 100, 100), "valid", "fill", "f", "f"),
    ((3000, 4000), (3, 3), "same", "symm", "B", "d"),
    ((3000, 4000), (3, 3), "same", "wrap", "f", "f"),
    ((80, 200, 300), (5, 5, 5), "same", "reflect", "b", "i"),
    ((1500, 1500), (5, 5), "same", "fill", "D", "D"),
], ids=str)
def test_scratch(image, kernel, mode, boundary, given, dtype):
    done = python("-c", MEASURE.format(image=image, kernel=kernel, mode=mode, boundary=boundary, given=given,
                                       dtype=dtype, unit=1 if sys.platform == "darwin" else 1024))
    assert not done.returncode, done.stderr
    assert float(done.stdout) < 2 * 4


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is Unix's")
@pytest.mark.parametrize(("name", "c", "k", "groups", "layout", "mode", "dtype"), [
    ("conv", 8, 16, 1, "channels_first", "zeros", "f"),
    ("conv", 8, 16, 1, "channels_last", "reflect", "f"),
    ("conv", 4, 8, 1, "channels_first", "circular", "e"),
    ("conv", 4, 4, 1, "channels_first", "zeros", "D"),
    ("conv", 16, 16, 16, "channels_first", "replicate", "f"),
    ("conv", 16, 16, 16, "channels_last", "zeros", "d"),
    ("Conv", 8, 16, 1, "channels_first", "symmetric", "f"),
    ("conv_transpose", 8, 16, 1, "channels_first", "zeros", "f"),
    ("conv_input", 8, 16, 1, "channels_last", "reflect", "f"),
    ("conv_weight", 8, 8, 1, "channels_first", "zeros", "f"),
    ("conv_weight", 8, 8, 1, "channels_last", "reflect", "d"),
], ids=str)
def test_scratch_of_a_layer(name, c, k, groups, layout, mode, dtype):
    """A 9x9 layer of a batch of 16, whose windows written out would take 16 * 224**2 * 81 * c elements."""
    done = python("-c", MEASURE_LAYER.format(name=name, c=c, k=k, groups=groups, layout=layout, mode=mode, dtype=dtype,
                                             unit=1 if sys.platform == "darwin" else 1024))
    assert not done.returncode, done.stderr
    assert float(done.stdout) < 2 * 4
