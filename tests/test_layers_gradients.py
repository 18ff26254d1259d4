"""Gradients equal their specification, are adjoints of the layers, and agree with finite differences."""

import numpy as np
import pytest

import fastconv
from fastconv import _reference_layers, grad

from .cases import DTYPES, KINDS, equal, numbers, reals
from .layer_cases import (
    LAYOUTS,
    PADDED,
    PADDING_MODES,
    SHAPES,
    Layer,
    agree,
    arranged,
    depthwise_edges,
    filled,
    near,
    pads,
    random_layer,
    transposed_padding,
)

BIASES = ("conv_bias", "conv_transpose_bias")


def operands(layer, dtype, seed=0):
    """x, the weight and a gradient of the result."""
    terms = np.prod(layer.weight[2:])
    return [filled(shape, dtype, seed + i, terms) for i, shape in enumerate([layer.x, layer.weight, layer.y])]


def transposed(layer):
    """Keywords with which conv_transpose goes from the layer's result back to its image; None if it never does."""
    more = transposed_padding(layer)
    return None if more is None else layer.where | {"output_padding": more}


def agrees(layer, dtype, seed=0, layout="channels_first", **keywords):
    """All gradients of a layer and of the transposed layer that goes back."""
    rank = layer.rank
    x, w, y = operands(layer, dtype, seed)
    x, y = arranged(x, rank, layout), arranged(y, rank, layout)
    how = {"layout": layout, "message": layer, **keywords}
    agree("conv_input", x.shape, w, y, **layer.where, **how)
    agree("conv_weight", x, w.shape, y, **layer.where, **how)
    for name, image in zip(BIASES, (y, x), strict=True):
        agree(name, image, rank=rank, **how)
    if where := transposed(layer):
        agree("conv_transpose_input", y.shape, w, x, **where, **how)
        agree("conv_transpose_weight", y, w.shape, x, **where, **how)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", "?Bhlefg" "F")
def test_shapes(dtype, layout):
    for i, layer in enumerate(SHAPES):
        agrees(layer, dtype, i, layout)


@pytest.mark.parametrize("padding_mode", PADDING_MODES)
@pytest.mark.parametrize("dtype", "?hlfD")
def test_paddings(dtype, padding_mode):
    for layer in PADDED:
        for i, padding in enumerate(pads(layer.rank)):
            agrees(layer._replace(padding=padding, padding_mode=padding_mode), dtype, i, LAYOUTS[i % 2])


@pytest.mark.parametrize("dtype", KINDS)
def test_depthwise(dtype):
    for i, layer in enumerate(depthwise_edges(dtype)):
        if i % 3 == 0:
            agrees(layer, dtype, i, LAYOUTS[i % 2])


@pytest.mark.parametrize("seed", range(6))
def test_random_layers(seed):
    rng = np.random.default_rng(seed)
    for i in range(40):
        agrees(random_layer(rng), str(rng.choice(list(DTYPES))), i, str(rng.choice(LAYOUTS)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_keyword(dtype):
    """Inputs are cast first, however they were given."""
    layer = Layer((2, 4, 5, 6), (6, 2, 3, 2), 2, 1, 1, 2)
    for given in DTYPES:
        if np.dtype(given).kind != "c" or np.dtype(dtype).kind == "c":    # otherwise astype warns
            x, w, y = (numbers(shape, given, seed) for seed, shape in enumerate([layer.x, layer.weight, layer.y]))
            agree("conv_input", x.shape, w, y, **layer.where, dtype=dtype)
            agree("conv_weight", x, w.shape, y, **layer.where, dtype=dtype)
            agree("conv_bias", y, dtype=dtype)


@pytest.mark.parametrize("one", "?Blefdg" "D")
def test_pairs_of_dtypes(one):
    layer = Layer((2, 3, 9), (4, 3, 2))
    for other in DTYPES:
        x, w, y, z = (numbers(shape, kind, 1) for shape, kind in [
            (layer.x, one), (layer.weight, one), (layer.y, other), (layer.x, other)])
        agree("conv_input", x.shape, w, y)
        agree("conv_weight", x, w.shape, y)
        agree("conv_transpose_input", y.shape, w, z)
        agree("conv_transpose_weight", y, w.shape, x)


# ---------------------------------------------------------------- adjoints

def dot(a, b):
    return np.vdot(a, b)


@pytest.mark.parametrize("dtype", "lD")
def test_adjoints(dtype):
    """<conv(x, w), y> is <x, conv_input(w, y)> and <w, conv_weight(x, y)>; transposed, the same. Conjugates, too."""
    rng = np.random.default_rng(7)
    layers = [layer._replace(padding_mode=mode, padding=padding)
              for layer in PADDED for mode in PADDING_MODES for padding in ("same", 2)]
    for layer in layers + [random_layer(rng) for _ in range(100)]:
        x, w, y = (numbers(shape, dtype, seed) for seed, shape in enumerate([layer.x, layer.weight, layer.y]))
        product = dot(fastconv.conv(x, w, **layer.where), y)
        assert dot(x, grad.conv_input(x.shape, w, y, **layer.where)) == product, layer
        assert dot(w, grad.conv_weight(x, w.shape, y, **layer.where)) == product, layer
        if where := transposed(layer):
            product = dot(fastconv.conv_transpose(y, w, **where), x)
            assert dot(y, grad.conv_transpose_input(y.shape, w, x, **where)) == product, layer
            assert dot(w, grad.conv_transpose_weight(y, w.shape, x, **where)) == product, layer
        bias = numbers(layer.weight[0], dtype, 4)
        spread = np.broadcast_to(bias.reshape(-1, *(1,) * layer.rank), layer.y)
        assert dot(spread, y) == dot(bias, grad.conv_bias(y, rank=layer.rank)), layer


def differences(function, at, h=0.5):
    """Central differences of a function, which is linear in each argument, at every element."""
    result = np.empty_like(at)
    for i in np.ndindex(*at.shape):
        step = np.zeros_like(at)
        step[i] = h
        result[i] = (function(at + step) - function(at - step)) / (2 * h)
    return result


@pytest.mark.parametrize("padding_mode", PADDING_MODES)
@pytest.mark.parametrize("layer", [
    Layer((2, 2, 6), (3, 2, 3), 2, ((2, 1),)), Layer((4, 3, 4), (2, 2, 2, 3), (2, 1), "same", 1, 2),
    Layer((2, 3, 3, 4), (3, 1, 2, 2), 1, "causal", (1, 2), 3), Layer((1, 2, 3, 2, 3), (1, 2, 2, 1, 2), 1, 1),
], ids=lambda layer: f"{layer.x} {layer.weight}")
def test_finite_differences(layer, padding_mode):
    """With the gradients of sum(result * g); the numbers are arbitrary reals."""
    layer = layer._replace(padding_mode=padding_mode)
    where = layer.where
    x, w, bias, g = (reals(shape, "d", seed) for seed, shape in enumerate(
        [layer.x, layer.weight, layer.weight[0], layer.y]))

    def loss(x, w, bias):
        return (fastconv.conv(x, w, bias, **where) * g).sum()

    for got, wanted in [
        (grad.conv_input(x.shape, w, g, **where), differences(lambda a: loss(a, w, bias), x)),
        (grad.conv_weight(x, w.shape, g, **where), differences(lambda a: loss(x, a, bias), w)),
        (grad.conv_bias(g, rank=layer.rank), differences(lambda a: loss(x, w, a), bias)),
    ]:
        np.testing.assert_allclose(got, wanted, atol=1e-11)
    where = transposed(layer)
    if where is None:
        return
    bias = reals(layer.weight[1] * layer.groups, "d", 5)

    def back(y, w, bias):
        return (fastconv.conv_transpose(y, w, bias, **where) * x).sum()

    for got, wanted in [
        (grad.conv_transpose_input(g.shape, w, x, **where), differences(lambda a: back(a, w, bias), g)),
        (grad.conv_transpose_weight(g, w.shape, x, **where), differences(lambda a: back(g, a, bias), w)),
        (grad.conv_transpose_bias(x, rank=layer.rank), differences(lambda a: back(g, w, a), bias)),
    ]:
        np.testing.assert_allclose(got, wanted, atol=1e-11)


# ---------------------------------------------------------------- sums

@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", BIASES)
def test_rank_of_a_bias(name, layout):
    """All axes after the first two, or between the first and the last, unless `rank` says otherwise."""
    for shape in [(2, 3, 5), (2, 3, 4, 5), (2, 3, 4, 5, 2), (1, 1, 1), (0, 3, 4), (2, 0, 4), (2, 3, 0)]:
        g = arranged(numbers(shape, "l", 1), len(shape) - 2, layout)
        agree(name, g, layout=layout)
        for rank in range(1, len(shape)):
            agree(name, g, rank=rank, layout=layout)


@pytest.mark.parametrize("dtype", "efdgFDG")
def test_rounding(dtype):
    """Also of long sums: over a batch, or over a hundred thousand pixels."""
    high = np.clongdouble if np.dtype(dtype).kind == "c" else np.longdouble
    for layer in [*PADDED, Layer((4, 20, 21, 22), (16, 20, 3, 3), padding=1), Layer((1, 1, 300, 301), (1, 1, 3, 3)),
                  Layer((2, 9, 40, 41), (9, 1, 5, 5), 1, 2, 1, 9)]:
        x, w, y = (reals(shape, dtype, seed) for seed, shape in enumerate([layer.x, layer.weight, layer.y]))
        x, w, y = (a.astype(dtype) / 4 if dtype == "e" else a for a in (x, w, y))
        size = [np.abs(a.astype(high)) for a in (x, w, y)]
        for name, given, sizes, terms in [
            ("conv_input", (x.shape, w, y), (x.shape, *size[1:]), w.size),
            ("conv_weight", (x, w.shape, y), (size[0], w.shape, size[2]), y.size),
        ]:
            near(getattr(grad, name)(*given, **layer.where),
                 getattr(_reference_layers, name)(*given, **layer.where, dtype=high),
                 getattr(_reference_layers, name)(*sizes, **layer.where), dtype, terms)
        near(grad.conv_bias(y, rank=layer.rank), _reference_layers.conv_bias(y, rank=layer.rank, dtype=high),
             _reference_layers.conv_bias(size[2], rank=layer.rank), dtype, y.size)


def test_half_is_rounded_once():
    y, one = np.array([[[2048, 1, 1, 1, -2048]]], np.float16), np.ones((1, 1, 5), np.float16)
    three = np.full((1, 1, 1), 3, np.float16)
    equal(grad.conv_weight(one, (1, 1, 1), y), three)
    equal(grad.conv_transpose_weight(y, (1, 1, 1), one), three)
    equal(grad.conv_transpose_input((1, 1, 1), one, y), three)
    equal(grad.conv_input((1, 1, 1), one, y, padding=4), three)
    equal(grad.conv_bias(y), three[0, 0])


def test_integers_wrap():
    y = np.full((1, 1, 300), 255, np.uint8)
    equal(grad.conv_bias(y), np.array([(300 * 255) % 256], np.uint8))
    equal(grad.conv_bias(y, dtype=np.int64), np.array([300 * 255]))
    equal(grad.conv_weight(y, (1, 1, 1), y), np.array([[[300]]]).astype(np.uint8))
    equal(grad.conv_bias(np.array([[[False, True]], [[False, False]]])), np.array([True]))


def test_positional_arguments_as_in_torch():
    """As torch.nn.grad has them; the transposed take output_padding, and groups before dilation."""
    x, w = numbers((2, 4, 9, 9), "l", 1), numbers((6, 2, 3, 3), "l", 2)
    y = numbers(fastconv.conv(x, w, None, 2, 3, 2, 2).shape, "l", 3)
    how = {"stride": 2, "padding": 3, "dilation": 2, "groups": 2}
    equal(grad.conv_input(x.shape, w, y, 2, 3, 2, 2),
          grad.conv_input(input_size=list(x.shape), weight=w, grad_output=y, **how))
    equal(grad.conv_weight(x, w.shape, y, 2, 3, 2, 2),
          grad.conv_weight(x=x, weight_size=list(w.shape), grad_output=y, **how))
    g = numbers(fastconv.conv_transpose(y, w, None, 2, 3, 1, 2, 2).shape, "l", 4)
    how["output_padding"] = 1
    equal(grad.conv_transpose_input(y.shape, w, g, 2, 3, 1, 2, 2), grad.conv_transpose_input(y.shape, w, g, **how))
    equal(grad.conv_transpose_weight(y, w.shape, g, 2, 3, 1, 2, 2), grad.conv_transpose_weight(y, w.shape, g, **how))
