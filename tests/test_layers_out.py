"""out= of layers: any layout and same-kind dtype, overlapping the inputs or not; an error leaves it as it was."""
from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import _reference_layers, grad

from .cases import DTYPES, LAYOUTS, equal, numbers
from .layer_cases import ALGORITHMS, FEW, Layer, algorithms, calls, compute, function
from .layer_cases import LAYOUTS as CHANNELS


def specified(name, arguments, keywords):
    return getattr(_reference_layers, name)(*arguments, **keywords)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_layout(dtype, channels):
    for layer in FEW[:3]:
        for name, arguments, keywords in calls(layer, dtype, channels):
            wanted = specified(name, arguments, keywords)
            for algorithm, layout in product(algorithms(name), LAYOUTS.keys() - {"read_only"}):
                out = LAYOUTS[layout](numbers(wanted.shape, dtype, 3))
                got = compute(name, *arguments, **keywords, out=out, algorithm=algorithm)
                if got is not None:
                    assert got is out
                    np.testing.assert_array_equal(out, wanted, f"{name}, {algorithm}, {layout}, {layer}")


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", "?Bhildeg" "D")
def test_nothing_around_it_is_written(dtype, channels):
    """out is every second column of a part of a larger array."""
    for layer in FEW:
        for name, arguments, keywords in calls(layer, dtype, channels):
            wanted = specified(name, arguments, keywords)
            if wanted.ndim < 2:
                continue
            for algorithm in algorithms(name):
                rows, columns = int(np.prod(wanted.shape[:-1])), wanted.shape[-1]
                frame = numbers((rows + 4, 2 * columns + 7), dtype, 5)
                before, inner = frame.copy(), (slice(2, -2), slice(3, -4, 2))
                out = frame[inner].reshape(wanted.shape)
                if compute(name, *arguments, **keywords, out=out, algorithm=algorithm) is None:
                    continue
                equal(out, wanted, f"{name}, {algorithm}, {layer}")
                frame[inner] = before[inner]
                equal(frame, before)


@pytest.mark.parametrize("given", DTYPES)
def test_same_kind_casts(given):
    """As numpy's ufuncs: whatever numpy.can_cast allows, and nothing else."""
    for wanted in DTYPES:
        for name, arguments, keywords in calls(FEW[0], given, make=lambda *a: numbers(a[0], a[1], a[2])):
            y = specified(name, arguments, keywords)
            out = np.full(y.shape, 1, wanted)
            if np.can_cast(given, wanted, "same_kind"):
                function(name)(*arguments, **keywords, out=out)
                equal(out, y.astype(wanted))
            else:
                with pytest.raises(TypeError, match=r"^`out`.* same-kind .*" + np.dtype(wanted).name):
                    function(name)(*arguments, **keywords, out=out)
                assert (out == 1).all()


def test_dtype_then_out():
    """Accumulated in `dtype`, cast into out's; bias and activation come before the cast."""
    x, out = np.full((1, 3, 3), 200, np.uint8), np.zeros((1, 1, 1), np.float32)
    fastconv.conv(x, x[None], np.array([7]), dtype=np.int64, out=out, activation="relu")
    assert out == 9 * 200 * 200 + 7


# ---------------------------------------------------------------- overlap

@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", "?BhlfF")
def test_in_place(dtype, algorithm):
    for layer in [Layer((2, 3, 9, 20), (3, 3, 3, 3), padding=1), Layer((2, 17, 40), (17, 1, 5), 1, "same", 1, 17),
                  Layer((20, 5, 6), (20, 20, 1, 1)), Layer((3, 4, 5, 6), (3, 3, 3, 3, 3), 1, "same", 1, 1, "circular")]:
        for name in ("conv", "conv_transpose"):
            x, w = numbers(layer.x, dtype, 1), numbers(layer.weight, dtype, 2)
            wanted = specified(name, (x, w), layer.where)
            got = compute(name, x, w, **layer.where, algorithm=algorithm, out=x)
            assert got is None or got is x
            if got is not None:
                equal(x, wanted, f"{name}, {layer}")


@pytest.mark.parametrize("shift", [-130, -35, -1, 1, 7, 35, 130])
def test_partial_overlap(shift):
    layer = Layer((2, 5, 30), (5, 5, 3), padding=1)
    for name in ("conv", "conv_transpose"):
        memory, w = numbers(800, "l", 1), numbers(layer.weight, "l", 2)
        x, out = (memory[start:start + 300].reshape(layer.x) for start in (200, 200 + shift))
        wanted = specified(name, (x, w), {"padding": 1})
        equal(function(name)(x, w, padding=1, out=out), wanted)


def test_overlap_with_other_views_of_the_memory():
    """Transposed, reversed, of another dtype; of the weight and of the bias."""
    w = numbers((4, 4, 3, 3), "l", 2)
    for view in (lambda a: a.swapaxes(1, 2), np.flip, lambda a: a[::-1]):
        x = numbers((4, 9, 9), "l", 1)
        wanted = specified("conv", (x, w), {"padding": 1})
        equal(fastconv.conv(x, w, padding=1, out=view(x)), wanted)
    x = numbers((2, 3, 8), "d", 1)
    wanted = specified("conv", (x, np.ones((3, 3, 1))), {}).astype("f")
    equal(fastconv.conv(x, np.ones((3, 3, 1)), out=x.view("f")[..., :8]), wanted)
    x, w = numbers((2, 4, 5), "l", 1), numbers((2, 2, 2, 2), "l", 2)
    wanted = specified("conv", (x, w), {})
    large = np.zeros((2, 2, 3, 4), "l")
    weight = large[..., :2, :2]
    weight[...] = w
    equal(fastconv.conv(x, weight, out=large[0]), wanted)
    bias = numbers(12, "l", 3)
    wanted = specified("conv", (x, w, bias[:2]), {})[:1]
    equal(fastconv.conv(x, w[:1], bias[:1], out=bias.reshape(1, 3, 4)), wanted)


def test_gradients_in_place():
    w = numbers((3, 3, 3, 3), "l", 1)
    for name in ("conv_input", "conv_transpose_input"):
        y = numbers((2, 3, 7, 8), "l", 2)
        wanted = specified(name, (y.shape, w, y), {"padding": 1})
        assert function(name)(y.shape, w, y, padding=1, out=y) is y
        equal(y, wanted)
    x, y = numbers((1, 3, 4, 4), "l", 3), numbers((1, 3, 2, 2), "l", 4)
    wanted = specified("conv_weight", (x, w.shape, y), {})
    memory = np.concatenate([x.ravel(), np.zeros(33, int)])
    equal(grad.conv_weight(memory[:48].reshape(x.shape), w.shape, y, out=memory.reshape(w.shape)), wanted)
    wanted = specified("conv_bias", (y,), {})
    equal(grad.conv_bias(y, out=y[0, :, 1, 1]), wanted)


def test_columns_in_place():
    x = numbers((1, 4, 6), "l", 1)
    wanted = specified("im2col", (x, (1,)), {})
    equal(fastconv.im2col(x, (1,), out=x), wanted)
    signal = numbers(30, "l", 1)
    wanted = specified("im2col", (signal[None], (3,)), {})[:, ::10]
    equal(fastconv.im2col(signal[None], (3,), stride=10, out=signal[:9].reshape(3, 3)), wanted)
    columns = numbers((6, 5), "l", 2)
    wanted = specified("col2im", (columns, (5,), (3,)), {"padding": 1})
    equal(fastconv.col2im(columns, (5,), (3,), padding=1, out=columns[:2]), wanted)


def test_packed_layers_in_place():
    x, w = numbers((2, 5, 6, 7), "f", 1), numbers((5, 5, 3, 3), "f", 2)
    wanted = specified("conv", (x, w), {"padding": 1})
    assert fastconv.Conv(w, padding=1)(x, out=x) is x
    equal(x, wanted)


# ---------------------------------------------------------------- nothing, and errors

@pytest.mark.parametrize("layer", [
    Layer((2, 0, 5, 5), (4, 0, 3, 3)), Layer((0, 3, 5, 5), (4, 3, 3, 3)), Layer((2, 3, 5, 5), (0, 3, 3, 3))], ids=str)
def test_empty_sums_are_zero(layer):
    for name, arguments, keywords in calls(layer, "d"):
        wanted = specified(name, arguments, keywords)
        out = np.full(wanted.shape, 7.0)
        function(name)(*arguments, **keywords, out=out)
        equal(out, wanted)


@pytest.mark.parametrize(("wrong", "error"), [
    ({"out": np.zeros((2, 3, 4, 7))}, ValueError), ({"out": np.zeros((3, 4, 6))}, ValueError),
    ({"out": np.zeros((1, 2, 3, 4, 6))}, ValueError), ({"out": np.zeros((2, 3, 4, 6), int)}, TypeError),
    ({"out": [[0.0] * 6] * 4}, TypeError), ({"out": np.broadcast_to(0.0, (2, 3, 4, 6))}, ValueError),
    ({"stride": 0}, ValueError), ({"padding": -1}, ValueError), ({"padding_mode": "none"}, ValueError),
    ({"activation": "gelu"}, ValueError), ({"algorithm": "slow"}, ValueError), ({"workers": 0}, ValueError),
    ({"workers": 1.5}, TypeError), ({"dtype": object}, TypeError), ({"dtype": complex}, TypeError),
    ({"bias": np.ones(4)}, ValueError), ({"x": np.ones((2, 4, 5, 7), object)}, TypeError),
], ids=str)
def test_errors_leave_it_untouched(wrong, error):
    given = {"x": np.ones((2, 4, 5, 7)), "weight": np.ones((3, 4, 2, 2)), "out": np.full((2, 3, 4, 6), 7.0), **wrong}
    before = np.array(given["out"])
    with pytest.raises(error, match=r"^`"):
        fastconv.conv(**given)
    equal(np.array(given["out"]), before)
