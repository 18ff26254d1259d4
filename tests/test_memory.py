"""Scratch stays within 4 MiB a worker, beyond inputs, output and packed kernel."""
import sys

import pytest

from .processes import python

# A process that was forked starts with its parent's peak in ru_maxrss; Linux tells its own, and starts it again.
PEAK = """
import ctypes, resource, sys, numpy as np, fastconv
def restart():
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).malloc_trim(0)
        open("/proc/self/clear_refs", "w").write("5")
def peak():
    if sys.platform.startswith("linux"):
        return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
"""


def scratch(measure):
    """MiB that a process takes beside its arrays, as it prints them."""
    done = python("-c", PEAK + measure)
    assert not done.returncode, done.stderr
    return float(done.stdout)


MEASURE = """
x, w = np.ones({image}, "{given}"), np.ones({kernel}, "{given}")
out = np.ones([n - k + 1 for n, k in zip(x.shape, w.shape)] if "{mode}" == "valid" else x.shape, "{dtype}")
fastconv.correlate(x[:9], w[:9], "same", "direct", dtype="{dtype}")    # loads what there is to load
restart()
before = peak()
fastconv.correlate(x, w, "{mode}", "direct", boundary="{boundary}", dtype="{dtype}", workers=2, out=out)
print((peak() - before - w.size * out.itemsize * (2 if out.dtype.kind == "c" else 1)) / 2**20)
"""


MEASURE_LAYER = """
from fastconv import grad
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
restart()
before = peak()
run(x, y, w)
padded = x.nbytes * 232**2 / 224**2 if "{name}" == "conv_input" and "{mode}" != "zeros" else 0    # as its notes say
print((peak() - before - w.nbytes - padded) / 2**20)
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
    assert scratch(MEASURE.format(image=image, kernel=kernel, mode=mode, boundary=boundary, given=given,
                                  dtype=dtype)) < 2 * 4


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
    assert scratch(MEASURE_LAYER.format(name=name, c=c, k=k, groups=groups, layout=layout, mode=mode,
                                        dtype=dtype)) < 2 * 4


MEASURE_SWAPPED = """
from fastconv import grad
x, y = (np.ones((16, 24, {c}, 48, 48), "f").swapaxes(0, 1) for _ in range(2))
w = np.ones(({c}, {c}, {kernel}, {kernel}), "f")
grad.conv_weight(x[:1, :1], w.shape, y[:1, :1], padding={kernel} // 2)    # loads what there is to load
restart()
before = peak()
grad.conv_weight(x, w.shape, y, padding={kernel} // 2, workers=2)
print((peak() - before) / 2**20)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is Unix's")
@pytest.mark.parametrize("kernel", [1, 3])
def test_scratch_of_batch_axes_that_are_not_one(kernel):
    """A weight gradient of arrays of 14 MB, whose batch axes are swapped."""
    assert scratch(MEASURE_SWAPPED.format(c=4, kernel=kernel)) < 2 * 4


MEASURE_DEEP = """
x, w = np.ones((4, {channels}, {size}, {size}), "{dtype}"), np.ones(({filters}, {channels}, 3, 3), "{dtype}")
x[1, 0, 0, 0] = {first}
y = fastconv.conv(x, w, padding=1)    # loads what there is to load
restart()
before = peak()
fastconv.conv(x, w, padding=1, out=y, workers=2)
print((peak() - before) / 2**20)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is Unix's")
@pytest.mark.parametrize(("channels", "filters", "size", "dtype", "first"), [
    (512, 512, 14, "f", 1), (512, 512, 14, "f", "np.nan"), (512, 512, 28, "d", 1), (512, 512, 14, "D", 1),
    (1500, 100, 40, "f", 1), (100, 1500, 40, "F", 1)], ids=str)
def test_scratch_of_large_weights(channels, filters, size, dtype, first):
    """Weights of up to 75 MB, of layers by Winograd's algorithm and, with NaN, by the plain sum after that."""
    assert scratch(MEASURE_DEEP.format(channels=channels, filters=filters, size=size, dtype=dtype,
                                       first=first)) < 2 * 4


MEASURE_POOL = """
from fastconv import grad
x = np.ones({image}, "{dtype}")
how = dict(padding={padding}, stride={stride}, layout="{layout}", workers=2)
def pool(x, out=None):
    match "{name}":
        case "lp_pool": return fastconv.lp_pool(x, 3, {kernel}, **how, out=out)
        case "global_avg_pool": return fastconv.global_avg_pool2d(x, workers=2, out=out)
        case "grad.avg_pool": return grad.avg_pool(x.shape, g, {kernel}, **how, out=out)
        case "grad.avg_pool of x":
            return grad.avg_pool(x.shape, g, {kernel}, **how, count_include_pad=False, out=out)
        case "grad.sum_pool": return grad.sum_pool(x.shape, g, {kernel}, **how, out=out)
        case "grad.adaptive_avg_pool": return grad.adaptive_avg_pool(x.shape, g, workers=2, out=out)
        case name: return getattr(fastconv, name)(x, {kernel}, **how, out=out)
if "adaptive" in "{name}":
    g = fastconv.adaptive_avg_pool(x, {kernel})
else:
    g = fastconv.sum_pool(x, {kernel}, **how, dtype="{dtype}")
y = pool(x)    # loads what there is to load
y[...] = 0
restart()
before = peak()
pool(x, y)
print((peak() - before) / 2**20)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is Unix's")
@pytest.mark.parametrize(("name", "image", "kernel", "stride", "padding", "layout", "dtype"), [
    ("max_pool", (8, 16, 224, 224), (3, 3), 2, 1, "channels_first", "f"),
    ("max_pool", (8, 224, 224, 16), (3, 3), 2, 1, "channels_last", "f"),
    ("max_pool", (3000, 3000), (31, 31), 1, 15, "channels_first", "f"),
    ("min_pool", (3000, 3000), (201, 201), 1, 100, "channels_first", "B"),
    ("max_pool", (20, 40000, 6), (301, 3), 1, 1, "channels_first", "d"),
    ("avg_pool", (3000, 3000), (31, 31), 1, 15, "channels_first", "f"),
    ("avg_pool", (2000, 2000), (31, 31), 1, 15, "channels_first", "B"),
    ("sum_pool", (1500, 1500), (201, 201), 1, 100, "channels_first", "d"),
    ("avg_pool", (8, 224, 224, 16), (7, 7), 1, 3, "channels_last", "e"),
    ("lp_pool", (8, 16, 224, 224), (3, 3), 1, 1, "channels_first", "f"),
    ("global_avg_pool", (4, 16, 512, 512), (1, 1), 1, 0, "channels_first", "f"),
    ("grad.avg_pool", (8, 16, 224, 224), (9, 9), 1, 4, "channels_first", "f"),
    ("grad.avg_pool", (8, 224, 224, 16), (9, 9), 1, 4, "channels_last", "e"),
    ("grad.avg_pool", (8, 16, 224, 224), (3, 3), 2, 1, "channels_first", "f"),
    ("grad.avg_pool", (8, 224, 224, 16), (3, 3), 2, 1, "channels_last", "d"),
    ("grad.avg_pool", (3000, 3000), (31, 31), 2, 15, "channels_first", "F"),
    ("grad.avg_pool of x", (8, 16, 224, 224), (3, 3), 2, 1, "channels_first", "f"),
    ("grad.avg_pool of x", (2000, 2000), (201, 201), 3, 100, "channels_first", "d"),
    ("grad.avg_pool of x", (8, 224, 224, 16), (9, 9), 1, 4, "channels_last", "f"),
    ("grad.sum_pool", (8, 16, 224, 224), (9, 9), 3, 4, "channels_first", "f"),
    ("grad.sum_pool", (2000, 2000), (31, 31), 2, 15, "channels_first", "i"),
    ("grad.adaptive_avg_pool", (8, 16, 224, 224), (100, 100), 1, 0, "channels_first", "f"),
    ("grad.adaptive_avg_pool", (8, 16, 224, 224), (112, 112), 1, 0, "channels_first", "d"),
], ids=str)
def test_scratch_of_a_pool(name, image, kernel, stride, padding, layout, dtype):
    """Large windows and large images, beside results that are there already."""
    assert scratch(MEASURE_POOL.format(
        name=name, image=image, kernel=kernel, stride=stride, padding=padding, layout=layout, dtype=dtype)) < 2 * 4


MEASURE_TILED = """
from fastconv import grad
x, w = np.ones(({samples}, 16, 96, 96), "{dtype}"), np.ones((*{tiles}, 16, 16, 3, 3), "{dtype}")
y = fastconv.tiled_conv(x, w, padding=1)
def run(x, y):
    match "{name}":
        case "tiled_conv": fastconv.tiled_conv(x, w, padding=1, out=y, workers=2)
        case "tiled_conv_input": grad.tiled_conv_input(x.shape, w, y, padding=1, out=x, workers=2)
        case "tiled_conv_weight": grad.tiled_conv_weight(x, w.shape, y, padding=1, out=w, workers=2)
run(x[:1], y[:1])    # loads what there is to load
restart()
before = peak()
run(x, y)
print((peak() - before) / 2**20)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is Unix's")
@pytest.mark.parametrize("name", ["tiled_conv", "tiled_conv_input", "tiled_conv_weight"])
@pytest.mark.parametrize(("tiles", "samples", "dtype"), [
    ((96, 96), 1, "f"), ((96, 96), 40, "f"), ((96, 96), 5, "D"), ((32, 96), 3, "d"), ((2, 2), 40, "f")], ids=str)
def test_scratch_of_a_tiled_layer(tiles, samples, dtype, name):
    """Weights of up to 340 MB are read where they lie."""
    took = scratch(MEASURE_TILED.format(name=name, tiles=tiles, samples=samples, dtype=dtype))
    assert took < 2 * 4 + 4    # and weights that are prepared
