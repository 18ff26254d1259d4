"""conv equals its specification: every algorithm, dtype, layout, rank and shape; bias, activation, dtype=, Conv."""
from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import _reference_layers

from .cases import DTYPES, INTEGERS, KINDS, REALS, equal, numbers, reals
from .layer_cases import (
    ALGORITHMS,
    LAYOUTS,
    PADDED,
    PADDING_MODES,
    SHAPES,
    Layer,
    agree,
    arranged,
    block_edges,
    compute,
    depthwise_edges,
    near,
    operands,
    pads,
    random_layer,
    thin_edges,
    tile_edges,
)


def agrees(layer, dtype, seed=0, layout="channels_first", with_bias=True, **keywords):
    x, w, bias = operands(layer, dtype, seed)
    agree("conv", arranged(x, layer.rank, layout), w, bias if with_bias else None, **layer.where, layout=layout,
          message=layer, **keywords)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_shapes(dtype, layout):
    for i, layer in enumerate(SHAPES):
        agrees(layer, dtype, i, layout, with_bias=i % 2)


@pytest.mark.parametrize("padding_mode", PADDING_MODES)
@pytest.mark.parametrize("dtype", "?hlfD")
def test_paddings(dtype, padding_mode):
    """Every form in every mode, wider than the image too."""
    for layer in PADDED:
        for i, padding in enumerate(pads(layer.rank)):
            agrees(layer._replace(padding=padding, padding_mode=padding_mode), dtype, i, LAYOUTS[i % 2])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", KINDS)
def test_tile_edges(dtype, layout):
    for layer in tile_edges(dtype):
        agrees(layer, dtype, layer.weight[0], layout, with_bias=False)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", KINDS)
def test_thin_edges(dtype, layout):
    for layer in thin_edges():
        agrees(layer, dtype, layer.weight[0], layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", "?BilefdF")
def test_block_edges(dtype, layout):
    for layer in list(block_edges())[::4 if dtype == "F" else 1]:    # complex specifications take long
        agrees(layer, dtype, 1, layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", KINDS)
def test_depthwise(dtype, layout):
    for layer in depthwise_edges(dtype):
        agrees(layer, dtype, 1, layout, with_bias=False)


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (3, 5), (5, 3), (4, 4), (2, 3, 3), (5,), (3,)], ids=str)
@pytest.mark.parametrize("dtype", "?hldgF")
def test_depthwise_kernels(dtype, kernel):
    """The sizes whose loops are written out and their neighbours; whole tiles of rows, and what is left of them."""
    for seed, (height, width) in enumerate(product((3, 4, 5, 8, 11, 25), (1, 16, 70))):
        image = (3, height, width)[-len(kernel):]
        stride, dilation = [(1, 1), (1, 2), ((2, 1, 1)[-len(kernel):], 1), (2, 1)][seed % 4]
        agrees(Layer((2, 2, *image), (4, 1, *kernel), stride, tuple((d, d - 1) for d in kernel), dilation, 2),
               dtype, seed, LAYOUTS[seed % 2], how={"workers": 1 + seed % 3})


@pytest.mark.parametrize("seed", range(8))
def test_random_layers(seed):
    """A few hundred of anything that the gate lets through."""
    rng = np.random.default_rng(seed)
    for i in range(50):
        layer = random_layer(rng)
        dtype, layout = str(rng.choice(list(DTYPES))), str(rng.choice(LAYOUTS))
        activation = [None, "relu", "relu6"][rng.integers(3)] if dtype not in "?FDG" else None
        agrees(layer, dtype, i, layout, with_bias=i % 2, activation=activation)


def test_every_algorithm_computes_something():
    """And gives a reason in its own name when it does not."""
    for algorithm in ALGORITHMS:
        done = [compute("conv", *operands(layer, "f"), algorithm=algorithm, **layer.where) for layer in SHAPES]
        assert any(y is not None for y in done), algorithm


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", "efdgFDG")
def test_rounding(dtype, layout):
    """Sums that round are as good as sums can be, relative to the sum of absolute products."""
    for layer in [*PADDED, Layer((1, 64, 9, 10), (48, 64, 3, 3), padding=1), Layer((1, 700, 5), (17, 700, 1)),
                  Layer((1, 24, 30, 31), (24, 1, 5, 5), padding=2, groups=24)]:
        x, w, bias = (reals(shape, dtype, seed) for seed, shape in enumerate([layer.x, layer.weight, layer.weight[:1]]))
        high = np.clongdouble if np.dtype(dtype).kind == "c" else np.longdouble
        wanted = _reference_layers.conv(x, w, bias, **layer.where, dtype=high)
        sizes = _reference_layers.conv(*(np.abs(a.astype(high)) for a in (x, w, bias)), **layer.where)
        for algorithm in ALGORITHMS:
            got = compute("conv", arranged(x, layer.rank, layout), w, bias, **layer.where, layout=layout,
                          algorithm=algorithm)
            if got is not None:
                near(got, *(arranged(a, layer.rank, layout) for a in (wanted, sizes)), dtype, np.prod(layer.weight[1:]))


@pytest.mark.parametrize("name", ["conv1d", "conv2d", "conv3d"])
def test_names_with_a_rank(name):
    for layer in SHAPES:
        if layer.rank == int(name[4]):
            x, w, bias = operands(layer, "h")
            equal(getattr(fastconv, name)(x, w, bias, **layer.where), _reference_layers.conv(x, w, bias, **layer.where))


def test_positional_arguments_as_in_torch():
    x, w, bias = numbers((2, 4, 9, 9), "l", 1), numbers((6, 2, 3, 3), "l", 2), numbers(6, "l", 3)
    equal(fastconv.conv2d(x, w, bias, 2, 3, 2, 2),
          fastconv.conv(x, w, bias=bias, stride=2, padding=3, dilation=2, groups=2))


# ---------------------------------------------------------------- bias and activation

SMALL = Layer((2, 3, 5, 40), (7, 3, 3, 3), padding=1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_bias(dtype):
    """Added in the type of the sum; of any layout."""
    x, w, bias = operands(SMALL, dtype)
    for given in (bias, bias[::-1], np.repeat(bias, 3)[::3], np.broadcast_to(bias[:1], 7)):
        agree("conv", x, w, given, padding=1)
    x, w = (numbers(shape, dtype, seed) for seed, shape in enumerate([SMALL.x, SMALL.weight]))
    agree("conv", x, w, [3, 1, 4, 1, 5, 9, 2], padding=1)


def test_half_is_rounded_once():
    """After bias and activation: 2048 + 1 is not a half, 2048 + 1 - 2049 is nothing."""
    x, w = np.array([[2048, 1]], np.float16), np.ones((1, 1, 2), np.float16)
    equal(fastconv.conv(x, w, np.array([-2047], np.float16)), np.array([[2]], np.float16))
    equal(fastconv.conv(x, w, np.array([-2050], np.float16), activation=("leaky_relu", 4096)),
          np.array([[-4096]], np.float16))


@pytest.mark.parametrize(("activation", "dtypes"), [
    ("relu", INTEGERS + REALS), ("relu6", INTEGERS + REALS), ("leaky_relu", REALS), (("leaky_relu", 0.25), REALS),
    (("leaky_relu", -3), REALS),
], ids=str)
def test_piecewise_linear_activations(activation, dtypes):
    depthwise = SMALL._replace(x=(2, 7, 5, 40), weight=(7, 1, 3, 3), groups=7)
    for dtype, layout, layer in product(dtypes, LAYOUTS, (SMALL, depthwise, Layer((3, 9), (2, 3, 1)))):
        agrees(layer, dtype, 1, layout, activation=activation)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "silu"])
@pytest.mark.parametrize("dtype", "efdg")
def test_smooth_activations(dtype, activation):
    """To a few units in the last place, far from zero and near it."""
    x = np.concatenate([np.linspace(-30, 30, 601), np.linspace(-1e-3, 1e-3, 201), [0, -200, 200, 1e-5, -1e-7, 5e4]])
    x = x.astype(dtype)[None]
    one, bias = np.ones((1, 1, 1), dtype), np.zeros(1, dtype)
    wanted = _reference_layers.conv(x, one, activation=activation, dtype=np.longdouble)
    info = np.finfo(dtype)
    for algorithm in ALGORITHMS:
        got = compute("conv", x, one, bias, activation=activation, algorithm=algorithm)
        if got is not None:
            assert got.dtype == dtype
            np.testing.assert_allclose(
                got.astype(np.longdouble), wanted, float(8 * info.eps), float(info.smallest_normal), err_msg=algorithm)


@pytest.mark.parametrize("dtype", "efdg")
def test_activations_of_the_nonfinite(dtype):
    """NaN stays NaN, and none of them warns."""
    x = np.array([[np.nan, np.inf, -np.inf]], dtype)
    for activation, wanted in {"relu": [np.inf, 0], "relu6": [6, 0], "tanh": [1, -1], "sigmoid": [1, 0],
                               "leaky_relu": [np.inf, -np.inf], "silu": [np.inf]}.items():
        got = fastconv.conv(x, np.ones((1, 1, 1), dtype), activation=activation)[0]
        equal(got[:len(wanted) + 1], np.array([np.nan, *wanted], dtype), activation)


# ---------------------------------------------------------------- dtypes

@pytest.mark.parametrize("one", DTYPES)
def test_pairs_of_dtypes(one):
    """Computed in what NumPy's result_type says, of the bias too."""
    for other in DTYPES:
        x, w, y = numbers((2, 3, 9), one, 1), numbers((4, 3, 2), one, 2), numbers((4, 3, 2), other, 3)
        agree("conv", x, y)
        agree("conv", x, w, y[:, 0, 0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_keyword(dtype):
    """Inputs are cast first, however they were given."""
    for given in DTYPES:
        if np.dtype(given).kind != "c" or np.dtype(dtype).kind == "c":    # otherwise astype warns
            x, w, bias = (numbers(shape, given, seed) for seed, shape in enumerate([SMALL.x, SMALL.weight, 7]))
            agree("conv", x, w, bias, padding=1, dtype=dtype)


@pytest.mark.parametrize("how", [np.int64, "int64", ">i8", int])
def test_exact_where_the_inputs_would_wrap(how):
    x, w = np.full((3, 9, 9), 255, np.uint8), np.full((2, 3, 9, 9), 255, np.uint8)
    equal(fastconv.conv(x, w, dtype=how), np.full((2, 1, 1), 243 * 255 * 255))


def test_booleans_stored_as_any_byte():
    odd = np.array([0, 1, 2, 3, 128, 255, 0, 4] * 6, np.uint8).view(bool).reshape(2, 24)
    true = odd.view(np.uint8) != 0
    for layout in LAYOUTS:
        got = fastconv.conv(arranged(odd, 1, layout), odd[:, :6].reshape(2, 2, 3), layout=layout)
        equal(got, arranged(_reference_layers.conv(true, true[:, :6].reshape(2, 2, 3)), 1, layout))
        assert set(got.view(np.uint8).ravel()) <= {0, 1}


# ---------------------------------------------------------------- Conv

@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", KINDS)
def test_packed_layers_give_the_same_bits(dtype, layout):
    for seed, layer in enumerate(SHAPES):
        made = reals if np.dtype(dtype).kind in "fc" else numbers
        x, w, bias = (made(shape, dtype, seed + i) for i, shape in enumerate([layer.x, layer.weight, layer.weight[:1]]))
        x = arranged(x, layer.rank, layout)
        for algorithm in ALGORITHMS:
            wanted = compute("conv", x, w, bias, **layer.where, layout=layout, algorithm=algorithm)
            if wanted is not None:
                packed = fastconv.Conv(w, bias, **layer.where, layout=layout, algorithm=algorithm)
                equal(packed(x), wanted, str(layer))


def test_packed_layers_serve_any_image():
    """Of any size, dtype and number of leading axes, again and again."""
    w, bias = reals((5, 3, 3, 3), "f", 1), reals(5, "f", 2)
    packed = fastconv.Conv(w, bias, 2, 1, activation="relu")
    for shape in [(3, 9, 9), (2, 3, 9, 9), (3, 1, 1), (2, 2, 3, 30, 40), (0, 3, 9, 9), (3, 9, 9), (4, 3, 70, 80)]:
        for dtype in "fdehl?":
            x = numbers(shape, dtype, 3)
            wanted = fastconv.conv(x, w, bias, 2, 1, activation="relu")
            equal(packed(x), wanted)
            out = np.full(wanted.shape, 7, wanted.dtype)
            assert packed(x, out=out, workers=2) is out
            equal(out, wanted)


def test_packed_layers_keep_their_weight():
    """What was packed does not follow later changes of the arrays."""
    x, w, bias = numbers((2, 3, 9, 9), "d", 1), numbers((4, 3, 3, 3), "d", 2), numbers(4, "d", 3)
    wanted = fastconv.conv(x, w, bias)
    packed = fastconv.Conv(w, bias)
    w[...], bias[...] = 0, 0
    equal(packed(x), wanted)
    equal(packed(x.astype("f")), wanted)
