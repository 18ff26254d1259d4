"""The layers' specification itself: against its definition written as loops, and against sums by hand."""
from itertools import product

import numpy as np
import pytest

from fastconv import _reference_layers as reference

from .cases import DTYPES, equal, numbers
from .layer_cases import PADDED, PADDING_MODES, Layer, arranged, operands

# ---------------------------------------------------------------- loops


def source(i, n, mode):
    """The element that the continued axis repeats at `i`, or None for a zero: one period of each axis written out."""
    once = list(range(n))
    if mode == "zeros":
        return i if i in once else None
    if mode == "replicate":
        return min(max(i, 0), n - 1)
    period = once + {"symmetric": once[::-1], "reflect": once[-2:0:-1], "circular": []}[mode]
    return period[i % len(period)]


def products(layer):
    """Where each product that a layer adds up comes from: the places in y, in x and in the weight.

    Every axis has its pads written out in `layer`.
    """
    *lead, _ = layer.x[:-layer.rank]
    outputs, inputs, *kernel = layer.weight
    axes = list(zip(layer.x[-layer.rank:], kernel, layer.stride, layer.padding, layer.dilation, strict=True))
    out = [(n + sum(pads) - d * (size - 1) - 1) // s + 1 for n, size, s, pads, d in axes]
    for sample in np.ndindex(*lead):
        for k, c in product(range(outputs), range(inputs)):
            channel = k // (outputs // layer.groups) * inputs + c
            for o, tap in product(np.ndindex(*out), np.ndindex(*kernel)):
                place = [source(i * s - before + t * d, n, layer.padding_mode)
                         for i, t, (n, _, s, (before, _), d) in zip(o, tap, axes, strict=True)]
                if None not in place:
                    yield (*sample, k, *o), (*sample, channel, *place), (k, c, *tap)


LOOPED = [
    Layer((2, 2, 5), (3, 2, 3), (1,), ((1, 2),), (1,)), Layer((4, 6), (2, 2, 2), (3,), ((0, 5),), (2,), 2),
    Layer((1, 1, 1), (1, 1, 3), (1,), ((4, 2),), (1,)),
    Layer((2, 3, 4), (3, 2, 2, 3), (2, 1), ((1, 0), (3, 2)), (1, 2)),
    Layer((3, 3, 2), (6, 1, 2, 1), (1, 1), ((0, 2), (1, 1)), (1, 1), 3),
    Layer((2, 2, 2, 3, 2), (2, 1, 2, 2, 1), (2, 1, 1), ((1, 1), (0, 2), (2, 0)), (1, 2, 1), 2),
    Layer((1, 1, 2, 2, 3, 2), (2, 1, 2, 1, 2, 2), (1, 1, 2, 1), ((1, 0), (0, 1), (2, 2), (0, 0)), (1, 1, 1, 1)),
]


@pytest.mark.parametrize("dtype", "lD")
@pytest.mark.parametrize("padding_mode", PADDING_MODES)
@pytest.mark.parametrize("layer", LOOPED, ids=lambda layer: f"{layer.x} {layer.weight}")
def test_against_loops(layer, padding_mode, dtype):
    layer = layer._replace(padding_mode=padding_mode)
    shapes = layer.x, layer.weight, layer.weight[:1], layer.y
    x, w, bias, g = (numbers(shape, dtype, seed) for seed, shape in enumerate(shapes))
    y, dx, dw = np.zeros(layer.y, dtype), np.zeros_like(x), np.zeros_like(w)
    for at_y, at_x, at_w in products(layer):
        y[at_y] += x[at_x] * w[at_w]
        dx[at_x] += g[at_y] * np.conj(w[at_w])
        dw[at_w] += g[at_y] * np.conj(x[at_x])
    equal(reference.conv(x, w, **layer.where), y)
    equal(reference.conv(x, w, bias, **layer.where), y + bias.reshape(-1, *(1,) * layer.rank))
    equal(reference.conv_input(x.shape, w, g, **layer.where), dx)
    equal(reference.conv_weight(x, w.shape, g, **layer.where), dw)
    # the transposed layer takes g, and its gradients are those of x and g exchanged, each conjugated once
    size = layer.x[-layer.rank:]
    equal(reference.conv_transpose(g, np.conj(w), output_size=size, **layer.where), dx)
    equal(reference.conv_transpose_input(g.shape, np.conj(w), x, **layer.where), y)
    equal(reference.conv_transpose_weight(g, w.shape, x, **layer.where), np.conj(dw))


@pytest.mark.parametrize("padding_mode", PADDING_MODES)
@pytest.mark.parametrize("layer", LOOPED, ids=lambda layer: f"{layer.x} {layer.weight}")
def test_columns_against_loops(layer, padding_mode):
    """A layer whose weight is the identity copies its windows."""
    c = layer.x[-layer.rank - 1]
    kernel = layer.weight[2:]
    rows = c * np.prod(kernel)
    copies = layer._replace(weight=(rows, c, *kernel), groups=1, padding_mode=padding_mode)
    identity = np.eye(rows, dtype=int).reshape(copies.weight)
    x = numbers(layer.x, "l", 1)
    columns = reference.im2col(x, kernel, **copies.windows)
    y = reference.conv(x, identity, **copies.where)
    equal(columns, y.reshape(*y.shape[:-layer.rank], -1))
    g = numbers(columns.shape, "l", 2)
    equal(reference.col2im(g, layer.x[-layer.rank:], kernel, **copies.windows),
          reference.conv_input(x.shape, identity, g.reshape(y.shape), **copies.where))


def test_booleans_are_and_and_or():
    for layer in PADDED:
        x, w, bias = operands(layer, "?")
        count = reference.conv(x.astype(int), w.astype(int), **layer.where)
        equal(reference.conv(x, w, **layer.where), count > 0)
        equal(reference.conv(x, w, bias, **layer.where), (count > 0) | bias.reshape(-1, *(1,) * layer.rank))
        g = count == 2
        equal(reference.conv_input(x.shape, w, g, **layer.where),
              reference.conv_input(x.shape, w.astype(int), g.astype(int), **layer.where) > 0)
        equal(reference.conv_weight(x, w.shape, g, **layer.where),
              reference.conv_weight(x.astype(int), w.shape, g.astype(int), **layer.where) > 0)
        equal(reference.conv_bias(g, rank=layer.rank), reference.conv_bias(g.astype(int), rank=layer.rank) > 0)


def test_half_is_summed_in_single():
    x = np.array([[2048, 1, 1, 1, -2048]], np.float16)
    w = np.ones((1, 1, 5), np.float16)
    equal(reference.conv(x, w), np.array([[3]], np.float16))
    equal(reference.conv(x, w, np.array([0.25], np.float16)), np.array([[3.25]], np.float16))
    equal(reference.conv_weight(x, (1, 1, 1), np.ones((1, 5), np.float16)), np.full((1, 1, 1), 3, np.float16))
    equal(reference.conv_bias(x, rank=1), np.array([3], np.float16))
    equal(reference.conv_transpose(np.ones((1, 5), np.float16), x[None], padding=4), np.array([[3]], np.float16))


# ---------------------------------------------------------------- by hand

ROW, TAPS = np.arange(1, 7)[None], np.array([[[1, 10, 100]]])


@pytest.mark.parametrize(("padding", "stride", "dilation", "wanted"), [
    (0, 1, 1, [321, 432, 543, 654]), ("valid", 3, 1, [321, 654]), (1, 2, 1, [210, 432, 654]),
    (((0, 1),), 1, 1, [321, 432, 543, 654, 65]), (((2, 0),), 3, 1, [100, 432]), ((2,), 4, 1, [100, 543]),
    ("same", 1, 1, [210, 321, 432, 543, 654, 65]), ("same", 2, 1, [321, 543, 65]),
    ("same_lower", 2, 1, [210, 432, 654]), ("same", 3, 1, [321, 654]), ("same", 4, 1, [321, 65]),
    ("same_lower", 4, 1, [210, 654]), ("same", 7, 1, [321]),
    ("same", 1, 2, [310, 420, 531, 642, 53, 64]), ("same", 4, 2, [420, 64]),
    ("causal", 1, 1, [100, 210, 321, 432, 543, 654]), ("causal", 2, 2, [100, 310, 531]),
    ("full", 1, 1, [100, 210, 321, 432, 543, 654, 65, 6]), ("full", 3, 2, [100, 420, 53, 6]),
])
def test_paddings(padding, stride, dilation, wanted):
    equal(reference.conv(ROW, TAPS, None, stride, padding, dilation), np.array([wanted]))


@pytest.mark.parametrize(("taps", "same", "same_lower"), [
    ([1, 10], [21, 32, 43, 54, 65, 6], [10, 21, 32, 43, 54, 65]),
    ([1, 10, 100, 1000], [3210, 4321, 5432, 6543, 654, 65], [2100, 3210, 4321, 5432, 6543, 654]),
])
def test_the_odd_one(taps, same, same_lower):
    """One element more behind, or in front."""
    weight = np.reshape(taps, (1, 1, -1))
    equal(reference.conv(ROW, weight, padding="same"), np.array([same]))
    equal(reference.conv(ROW, weight, padding="same_lower"), np.array([same_lower]))


@pytest.mark.parametrize(("padding_mode", "wanted"), [
    ("zeros", [10, 21, 32, 3]), ("reflect", [12, 21, 32, 23]), ("replicate", [11, 21, 32, 33]),
    ("circular", [13, 21, 32, 13]), ("symmetric", [11, 21, 32, 33]),
])
def test_borders(padding_mode, wanted):
    equal(reference.conv(ROW[:, :3], np.array([[[1, 10]]]), padding=1, padding_mode=padding_mode), np.array([wanted]))


def test_pairs_belong_to_their_axes():
    x = np.array([[[1, 2], [3, 4]]])
    equal(reference.conv(x, np.ones((1, 1, 1, 1), int), padding=((1, 2), (0, 1))),
          np.array([[[0, 0, 0], [1, 2, 0], [3, 4, 0], [0, 0, 0], [0, 0, 0]]]))
    equal(reference.conv(x, np.ones((1, 1, 1, 1), int), padding=(0, 1)), np.array([[[0, 1, 2, 0], [0, 3, 4, 0]]]))


@pytest.mark.parametrize(("arguments", "wanted"), [
    ({}, [1, 12, 120, 200]), ({"stride": 2}, [1, 10, 102, 20, 200]), ({"stride": 2, "padding": 1}, [10, 102, 20]),
    ({"stride": 2, "padding": ((0, 1),)}, [1, 10, 102, 20]), ({"stride": 2, "padding": "valid"}, [1, 10, 102, 20, 200]),
    ({"stride": 2, "padding": "same"}, [1, 10, 102, 20]), ({"stride": 2, "padding": "same_lower"}, [10, 102, 20, 200]),
    ({"stride": 2, "padding": "same", "output_size": (3,)}, [10, 102, 20]),
    ({"stride": 4, "padding": "same"}, [1, 10, 100, 0, 2, 20, 200, 0]),
    ({"stride": 3, "padding": "causal"}, [100, 2, 20, 200]), ({"stride": 5, "padding": "full"}, [100, 0, 0, 2]),
    ({"stride": 2, "output_padding": 1}, [1, 10, 102, 20, 200, 0]),
    ({"stride": 2, "output_size": (6,)}, [1, 10, 102, 20, 200, 0]),
    ({"dilation": 2, "output_padding": 1}, [1, 2, 10, 20, 100, 200, 0]),
    ({"padding": 1, "padding_mode": "replicate"}, [13, 320]), ({"padding": 1, "padding_mode": "circular"}, [212, 121]),
    ({"padding": 1, "padding_mode": "reflect"}, [212, 121]), ({"padding": 1, "padding_mode": "symmetric"}, [13, 320]),
], ids=str)
def test_transposed(arguments, wanted):
    equal(reference.conv_transpose(np.array([[1, 2]]), TAPS, **arguments), np.array([wanted]))


def test_columns_are_unfolded_channel_by_channel():
    x = np.arange(8).reshape(2, 2, 2)
    columns = np.array([[0, 1, 2, 3], [1, 0, 3, 0], [4, 5, 6, 7], [5, 0, 7, 0]])
    where = {"kernel_size": (1, 2), "padding": ((0, 0), (0, 1))}
    equal(reference.im2col(x, **where), columns)
    equal(reference.im2col(arranged(x, 2, "channels_last"), **where, layout="channels_last"), columns.T)
    folded = x * [1, 2]    # each right-hand element is in two columns
    equal(reference.col2im(columns, (2, 2), **where), folded)
    equal(reference.col2im(columns.T, (2, 2), **where, layout="channels_last"), arranged(folded, 2, "channels_last"))


@pytest.mark.parametrize(("activation", "wanted"), [
    (None, [-2, 0, 8]), ("relu", [0, 0, 8]), ("relu6", [0, 0, 6]), ("tanh", [-0.96402758, 0, 0.99999977]),
    ("sigmoid", [0.11920292, 0.5, 0.99966465]), ("silu", [-0.23840584, 0, 7.9973172]), ("leaky_relu", [-0.02, 0, 8]),
    (("leaky_relu", 0.25), [-0.5, 0, 8]),
], ids=str)
def test_activations(activation, wanted):
    """After the bias."""
    x, weight, bias = np.array([[0.0, 1, 5]]), np.full((1, 1, 1), 2.0), np.array([-2.0])
    got = reference.conv(x, weight, bias, activation=activation)
    np.testing.assert_allclose(got, [wanted], rtol=1e-7)
    equal(reference.conv_transpose(x, weight, bias, activation=activation), got)


@pytest.mark.parametrize("dtype", DTYPES)
def test_layouts(dtype):
    """Channels last is the same with an axis moved."""
    for layer in PADDED:
        def last(a, rank=layer.rank):
            return arranged(a, rank, "channels_last")

        x, w, bias = operands(layer, dtype)
        y, how = reference.conv(x, w, bias, **layer.where), {**layer.where, "layout": "channels_last"}
        equal(reference.conv(last(x), w, bias, **how), last(y))
        equal(reference.conv_transpose(last(y), w, **how), last(reference.conv_transpose(y, w, **layer.where)))
        equal(reference.conv_input(last(x).shape, w, last(y), **how),
              last(reference.conv_input(x.shape, w, y, **layer.where)))
        equal(reference.conv_weight(last(x), w.shape, last(y), **how),
              reference.conv_weight(x, w.shape, y, **layer.where))
        equal(reference.conv_transpose_input(last(y).shape, w, last(x), **how),
              last(reference.conv_transpose_input(y.shape, w, x, **layer.where)))
        equal(reference.conv_transpose_weight(last(y), w.shape, last(x), **how),
              reference.conv_transpose_weight(y, w.shape, x, **layer.where))
        equal(reference.conv_bias(last(y), rank=layer.rank, layout="channels_last"),
              reference.conv_bias(y, rank=layer.rank))


def test_bias_of_any_leading_axes():
    g = np.arange(48).reshape(2, 3, 2, 4)
    equal(reference.conv_bias(g), g.sum((0, 2, 3)))
    equal(reference.conv_bias(g, rank=3), g.sum((1, 2, 3)))
    equal(reference.conv_bias(g, rank=1), g.sum((0, 1, 3)))
    equal(reference.conv_bias(g, layout="channels_last"), g.sum((0, 1, 2)))
    equal(reference.conv_bias(np.full((1, 1, 2), 200, np.uint8)), np.array([144], np.uint8))
