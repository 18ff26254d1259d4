"""Layers of inputs that lie anywhere in memory: right results, nothing modified, nothing read or written outside."""
import sys
from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import _reference_layers, grad

from .cases import DTYPES, LAYOUTS, equal, numbers, reals
from .layer_cases import FEW, PADDED, Layer, agree, algorithms, arranged, calls, compute, function, operands
from .layer_cases import LAYOUTS as CHANNELS
from .processes import python
from .test_layouts import LARGE_STRIDE, guarded


def laid(arguments, how, which=None):
    """The arguments with arrays (all, or the first or the second) otherwise in memory."""
    seen = [i for i, argument in enumerate(arguments) if isinstance(argument, np.ndarray)]
    chosen = seen if which is None else seen[which:which + 1]
    return [LAYOUTS[how](argument) if i in chosen else argument for i, argument in enumerate(arguments)]


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", "?hlegF")
def test_values(dtype, channels):
    """All arrays laid out otherwise, or one of them."""
    for layer in FEW:
        for name, arguments, keywords in calls(layer, dtype, channels):
            wanted = getattr(_reference_layers, name)(*arguments, **keywords)
            for algorithm, layout, which in product(algorithms(name), LAYOUTS, (None, 0, 1)):
                got = compute(name, *laid(arguments, layout, which), **keywords, algorithm=algorithm)
                if got is not None:
                    equal(got, wanted, f"{name}, {algorithm}, {layout}, {layer}")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_borders(layout):
    """Lines of any stride continued by themselves."""
    for layer in PADDED:
        for mode in ("reflect", "circular", "replicate"):
            for name, arguments, keywords in calls(layer._replace(padding=3, padding_mode=mode), "l"):
                agree(name, *laid(arguments, layout), **keywords, message=layer)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_inputs_stay_as_they_are(dtype, layout, channels):
    for name, arguments, keywords in calls(FEW[0], dtype, channels):
        arguments = laid(arguments, layout)
        arrays = [argument for argument in arguments if isinstance(argument, np.ndarray)]

        def state(arrays=arrays):
            return [(a.tobytes(), a.strides, a.dtype, a.flags.writeable) for a in arrays]

        before = state()
        function(name)(*arguments, **keywords)
        assert state() == before


@pytest.mark.parametrize("dtype", "BldD")
def test_zero_strides(dtype):
    for layer in FEW:
        for name, arguments, keywords in calls(layer, dtype):
            for axis in range(2):
                same = [np.broadcast_to(a.take([0], -1 - axis), a.shape) if np.ndim(a) > 1 else a for a in arguments]
                agree(name, *same, **keywords, message=layer)


def test_overlapping_windows():
    """A batch of windows that slide along one signal."""
    x = np.lib.stride_tricks.sliding_window_view(numbers(300, "l", 1), 50)
    agree("conv", x[:, None], numbers((3, 1, 7), "l", 2), padding="same", padding_mode="reflect")
    agree("conv", x.T, numbers((3, 50, 2), "l", 2))


def test_lists_and_buffers():
    x, w, bias = numbers((2, 4, 6), "h", 1), numbers((3, 2, 2, 2), "h", 2), numbers(3, "h", 3)
    agree("conv", x.tolist(), w.tolist(), bias.tolist())
    agree("conv", memoryview(x), memoryview(w), memoryview(bias))
    agree("conv", x.tolist(), w)
    y = numbers((3, 3, 5), "h", 4)
    agree("conv_transpose", y.tolist(), memoryview(w))
    agree("conv_input", list(x.shape), w.tolist(), y.tolist())
    agree("conv_weight", x.tolist(), list(w.shape), memoryview(y))
    agree("im2col", x.tolist(), [2, 2])
    agree("conv_bias", y.tolist(), rank=2)
    equal(fastconv.Conv(w.tolist(), bias.tolist())(x.tolist()), _reference_layers.conv(x.astype(int), w, bias))


def test_subclasses_become_arrays(tmp_path):
    x = np.memmap(tmp_path / "x", "d", "w+", shape=(3, 4, 5))
    x[...] = numbers((3, 4, 5), "d", 1)
    got = fastconv.conv(x, np.ones((2, 3, 2, 2)))
    assert type(got) is np.ndarray
    equal(got, _reference_layers.conv(np.asarray(x), np.ones((2, 3, 2, 2))))


@pytest.mark.parametrize("stride", [1, [2, 1], (1, 2), np.int64(2), (np.int8(1), np.int16(3))], ids=str)
def test_numbers_of_any_kind(stride):
    x, w = numbers((3, 9, 8), "l", 1), numbers((2, 3, 2, 3), "l", 2)
    agree("conv", x, w, None, stride, stride, stride)
    agree("conv", x, w, padding=[[1, np.int64(2)], (0, 1)], groups=np.int64(1))
    agree("im2col", x, [2, 3], stride, [(1, 2), [0, 1]])


@pytest.mark.parametrize("dtype", "Bf")
def test_huge_strides(dtype):
    """Steps beyond 32 bits between channels. Memory that is never touched costs nothing."""
    try:
        memory = np.zeros(2 * LARGE_STRIDE + 400, np.uint8)
    except MemoryError:
        pytest.skip("the system does not promise memory before it is used")
    size = np.dtype(dtype).itemsize
    x = np.ndarray((3, 4, 10), dtype, memory, 0, (LARGE_STRIDE, 10 * size, size))
    x[...] = numbers(x.shape, dtype, 1)
    for groups, weight in [(1, (5, 3, 2, 2)), (3, (3, 1, 2, 2))]:
        agree("conv", x[::-1], numbers(weight, dtype, 2), padding=1, groups=groups)
    agree("conv", np.moveaxis(x, 0, -1), numbers((5, 3, 2, 2), dtype, 2), layout="channels_last")
    y = x[:, 1:, 2:]
    agree("conv_input", (2, *x.shape[1:]), numbers((3, 2, 2, 3), dtype, 2), y)
    agree("conv_weight", x, (3, 3, 2, 3), y)


def stays_inside():
    """Run in a process of its own, which a read or write outside the arrays would kill."""
    layers = [*FEW, *PADDED, *(Layer((1, c, 3, width), (c, 1 if c == groups else c, 3, 3), 1, 1, 1, groups)
                               for c, groups in ((1, 1), (5, 1), (16, 1), (5, 5), (33, 33))
                               for width in (1, 2, 7, 15, 16, 17, 31, 33, 48, 63, 65, 130))]
    for dtype in "?hfdF":
        for layer in layers:
            for channels in CHANNELS:
                for name, arguments, keywords in calls(layer, dtype, channels):
                    wanted = getattr(_reference_layers, name)(*arguments, **keywords)
                    for at_end in (False, True):
                        given = [guarded(a, at_end) if isinstance(a, np.ndarray) else a for a in arguments]
                        for algorithm in algorithms(name):
                            out = guarded(np.zeros(wanted.shape, wanted.dtype), at_end)
                            got = compute(name, *given, **keywords, out=out, algorithm=algorithm)
                            assert got is None or (got == wanted).all(), (name, layer, channels, algorithm)
    print("inside")


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="protects memory by Linux's mprotect")
def test_nothing_outside_is_touched():
    done = python("-c", f"from {stays_inside.__module__} import stays_inside; stays_inside()")
    assert done.stdout.split() == ["inside"], (done.returncode, done.stderr)


def depthwise_layers(dtype, seed=0):
    """One channel a group, channels around whole vectors, rows around tiles of 8 and of 4 pixels, any rank, steps."""
    rng = np.random.default_rng(seed)
    lanes = 64 // np.dtype(dtype).itemsize
    channels = [lanes + d for d in (-1, 0, 1)] + [2 * lanes, 3 * lanes + 5]
    for c, width, kernel in product(channels, (1, 3, 4, 5, 8, 11, 20), (1, 2, 3, 5)):
        rank = int(rng.choice([1, 2, 2, 2, 3]))
        steps = (int(rng.integers(1, 3)), int(rng.integers(1, 3))) if rng.random() < 0.4 else (1, 1)
        sizes = (int(rng.integers(1, 4)), int(rng.integers(1, 7)), width)[3 - rank:]
        yield Layer((2, c, *sizes), (c * int(rng.choice([1, 1, 2])), 1, *[kernel] * rank), steps[0], 5, steps[1], c,
                    str(rng.choice(["zeros", "zeros", "reflect", "circular"])))


@pytest.mark.parametrize("dtype", "efdhl")
def test_bits_of_depthwise_layers(dtype):
    """The same for channels first and last, whose vectors run along the channels: signs of zero, too."""
    for i, layer in enumerate(depthwise_layers(dtype)):
        x, w, bias = (make(shape, dtype, i) for shape in (layer.x, layer.weight, layer.weight[:1])
                      for make in [reals if dtype in "efd" else numbers])
        if i % 5 == 0 and dtype in "efd":
            w.flat[i % w.size], x.flat[i % x.size] = np.inf, np.nan
        how = {"workers": 1 + i % 2, "activation": "relu" if i % 3 == 1 else None, **layer.where}
        bias = None if i % 2 else bias
        first = fastconv.conv(x, w, bias, **how)
        last = fastconv.conv(arranged(x, layer.rank, "channels_last"), w, bias, **how, layout="channels_last")
        last = np.moveaxis(last, -1, -layer.rank - 1)
        equal(last, first, layer)
        equal(np.signbit(last[last == 0]), np.signbit(first[last == 0]), layer)
        if not i % 4 and i % 5:
            small = numbers(layer.x, dtype, i), numbers(layer.weight, dtype, i + 1)
            agree("conv", arranged(small[0], layer.rank, "channels_last"), *small[1:], **layer.where,
                  layout="channels_last", message=layer)


@pytest.mark.parametrize("dtype", "fdhl")
def test_bits_of_depthwise_weight_gradients(dtype):
    """Sums over many pixels and samples, in K blocks, and kernels as large."""
    lanes = 64 // np.dtype(dtype).itemsize
    sizes = (3, 4), (7, 150), (33, 32)
    for n, c, size, kernel, stride in product((1, 3), (lanes, 2 * lanes + 3), sizes, (1, 3), (1, 2)):
        where = {"padding": kernel // 2, "stride": stride, "groups": c, "padding_mode": ("zeros", "circular")[n // 3]}
        outputs = tuple((m - 1) // stride + 1 for m in size)
        x, y = ((numbers if dtype in "hl" else reals)((n, c, *image), dtype, n) for image in (size, outputs))
        if n == 3 and dtype in "fd":
            y[1, 2, 1, 1] = np.inf
        first = grad.conv_weight(x, (c, 1, kernel, kernel), y, **where)
        x_last, y_last = (arranged(a, 2, "channels_last") for a in (x, y))
        last = grad.conv_weight(x_last, first.shape, y_last, **where, layout="channels_last", workers=2)
        equal(last, first)
        if dtype in "hl":
            equal(first, _reference_layers.conv_weight(x, first.shape, y, **where))
        if stride == 1 and n == 1:
            w, bias = y.reshape(c, 1, *size), y[0, :, 0, 0]
            how = {"padding": 2, "groups": c, "activation": "relu"}
            first = fastconv.conv(x, w, bias, **how)
            w_last = np.moveaxis(y_last[0], -1, 0)[:, None]    # side by side, too
            equal(np.moveaxis(fastconv.conv(x_last, w_last, bias, **how, layout="channels_last"), -1, 1), first)


def test_packed_layers_take_any_layout():
    for layer in FEW:
        x, w, bias = operands(layer, "d")
        for channels in CHANNELS:
            given = arranged(x, layer.rank, channels)
            wanted = compute("conv", given, w, bias, **layer.where, layout=channels)
            for how in LAYOUTS.values():
                equal(fastconv.Conv(how(w), how(bias), **layer.where, layout=channels)(how(given)), wanted)
