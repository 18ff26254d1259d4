"""conv_transpose, im2col and col2im equal their specification; each is the adjoint of its partner, exactly."""
from itertools import product
from math import prod

import numpy as np
import pytest

import fastconv
from fastconv import _reference_layers

from .cases import DTYPES, KINDS, REALS, equal, numbers, reals
from .layer_cases import (
    ALGORITHMS,
    LAYOUTS,
    NAMED_PADDINGS,
    PADDED,
    PADDING_MODES,
    SHAPES,
    Layer,
    adjoint_operands,
    agree,
    arranged,
    calls,
    compute,
    depthwise_edges,
    filled,
    near,
    pads,
    random_layer,
    tile_edges,
)


def agrees(layer, dtype, seed=0, layout="channels_first", with_bias=True, **keywords):
    """The transposed of a layer, from its result back to its image."""
    y, w, bias = adjoint_operands(layer, dtype, seed)
    keywords.setdefault("output_size", layer.image)
    agree("conv_transpose", arranged(y, layer.rank, layout), w, bias if with_bias else None, **layer.where,
          layout=layout, message=layer, **keywords)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", KINDS)
def test_shapes(dtype, layout):
    for i, layer in enumerate(SHAPES):
        agrees(layer, dtype, i, layout, with_bias=i % 2)


@pytest.mark.parametrize("padding_mode", PADDING_MODES)
@pytest.mark.parametrize("dtype", "?hlfD")
def test_paddings(dtype, padding_mode):
    """Every form in every mode: the border is added back to where it was copied from."""
    for layer in PADDED:
        for i, padding in enumerate(pads(layer.rank)):
            agrees(layer._replace(padding=padding, padding_mode=padding_mode), dtype, i, LAYOUTS[i % 2])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", KINDS)
def test_tile_edges(dtype, layout):
    for layer in tile_edges(dtype):
        if layer.weight[0] % 2:    # any edge with some of the channels
            agrees(layer, dtype, layer.weight[0], layout, with_bias=False)


# Strides whose phases are computed together, and around: x, weight, stride, padding, output_padding.
STRIDES = [
    ((2, 5, 19, 23), (5, 17, 2, 2), 2, 0, 0),                 # rows of x follow each other
    ((1, 20, 7, 37), (20, 9, 2, 2), 2, 0, 0),
    ((20, 3, 16), (20, 9, 2, 2), 2, 0, 1),
    ((1, 17, 9, 50), (17, 9, 3, 3), 2, 1, (0, 1)),            # a phase has fewer rows, or columns
    ((3, 17, 6, 5), (17, 33, 3, 3), 2, 1, (1, 0)),
    ((4, 9, 8), (4, 18, 3, 4), (3, 4), (1, 0), (2, 1)),
    ((4, 9, 8), (4, 18, 3, 5), (1, 2), 1, 0),
    ((4, 9, 8), (4, 18, 4, 3), (2, 1), 1, 0),
    ((3, 5, 6), (3, 4, 1, 2), 3, 0, 2),                       # a phase without taps
    ((3, 70), (3, 9, 16), 8, 4, 0),
    ((3, 7), (3, 9, 16), 9, 4, 0),
    ((2, 3, 3, 4, 5), (3, 4, 2, 3, 3), 2, (0, 1, 1), 1),
    ((240, 5, 6), (240, 18, 3, 3), 2, 1, 1),                  # sums in parts: channels, and taps
    ((2, 5, 6), (2, 3, 40, 40), 2, 11, 0),
]


# Wide strides, whose columns are the filters of a layer: x, weight, stride, padding, output_padding, dilation, groups.
WIDE = [
    ((2, 3, 7), (3, 1, 12), 10, 0, 3, 1, 1),                  # the first phases have a tap more
    ((20, 9), (20, 1, 64), 16, 24, 0, 1, 1),                  # all have four, and the ends are cut off
    ((2, 3, 7), (3, 2, 40), 9, (5,), 4, 1, 1),
    ((1, 6, 8), (6, 3, 23), 11, 1, 0, 1, 3),                  # filters of groups one by one
    ((1, 4, 8), (4, 1, 5), 20, 0, 19, 1, 4),                  # phases without taps
    ((1, 2, 4), (2, 1, 30), 12, 7, 0, 5, 1),                  # taps far apart
    ((1, 2, 6), (2, 2, 30), 12, 3, 2, 8, 1),                  # and such that phases meet none
    ((2, 3, 4, 5), (3, 2, 12, 20), (9, 10), (4, 3), (1, 9), 1, 1),
    ((2, 3, 4, 5), (3, 1, 3, 20), (2, 16), 1, 0, (2, 1), 1),
    ((3, 2, 3, 3), (3, 2, 2, 5, 11), (3, 1, 10), 0, (2, 0, 5), 1, 1),
    ((2, 3, 4), (2, 30, 5, 5), 12, 2, 1, 1, 1),               # more filters than columns
]


def agrees_back(x, weight, dtype, seed, layout, groups=1, **where):
    """The transposed layer of any numbers, and the layer's gradient."""
    rank, terms = len(weight) - 2, prod(weight) // weight[1]
    x, w = arranged(filled(x, dtype, seed, terms), rank, layout), filled(weight, dtype, seed + 1, terms)
    bias = filled(weight[1] * groups, dtype, 3, 1) if seed % 2 else None
    agree("conv_transpose", x, w, bias, groups=groups, layout=layout, **where)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", KINDS)
def test_phases(dtype, layout):
    for i, (x, weight, stride, padding, output_padding) in enumerate(STRIDES):
        agrees_back(x, weight, dtype, i, layout, stride=stride, padding=padding, output_padding=output_padding)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", KINDS)
def test_wide_strides(dtype, layout):
    for i, (x, weight, stride, padding, output_padding, dilation, groups) in enumerate(WIDE):
        agrees_back(x, weight, dtype, i, layout, groups, stride=stride, padding=padding, dilation=dilation,
                    output_padding=output_padding)


@pytest.mark.parametrize("activation", ["relu6", "sigmoid"])
def test_wide_strides_end_in_an_activation(activation):
    for i, (x, weight, stride, padding, output_padding, dilation, groups) in enumerate(WIDE):
        x, w, bias = numbers(x, "d", i), numbers(weight, "d", i + 1), numbers(weight[1] * groups, "d", 3)
        where = {"stride": stride, "padding": padding, "dilation": dilation, "output_padding": output_padding}
        got = fastconv.conv_transpose(x, w, bias, groups=groups, activation=activation, **where)
        wanted = _reference_layers.conv_transpose(x, w, bias, groups=groups, activation=activation, **where)
        np.testing.assert_allclose(got, wanted, rtol=1e-15)


@pytest.mark.parametrize("dtype", "efdD")
def test_bits_of_wide_strides(dtype):
    """They depend on one sample and its values."""
    for i, (x, weight, stride, padding, output_padding, dilation, groups) in enumerate(WIDE):
        rank = len(weight) - 2
        x, w, bias = reals((3, *x[-rank - 1:]), dtype, i), reals(weight, dtype, i + 1), reals(weight[1] * groups, dtype)
        where = {"stride": stride, "padding": padding, "dilation": dilation, "output_padding": output_padding,
                 "groups": groups}
        wanted = fastconv.conv_transpose(x, w, bias, **where, workers=1)
        equal(fastconv.conv_transpose(x, w, bias, **where, workers=3), wanted)
        equal(np.stack([fastconv.conv_transpose(sample, w, bias, **where) for sample in x]), wanted)
        last = fastconv.conv_transpose(arranged(x, rank, "channels_last"), w, bias, layout="channels_last", **where)
        equal(np.moveaxis(last, -1, -rank - 1), wanted)


def test_cost_of_a_stride():
    """Outputs without an input are filled, however many they are, and a bias may overlap the result."""
    y = fastconv.conv_transpose(np.ones((1, 1, 3, 3), "f"), np.ones((1, 1, 2, 2), "f"), stride=1000)
    assert y.shape == (1, 1, 2002, 2002)
    assert y.sum() == 36
    assert y[0, 0, 2001, 2001] == y[0, 0, 1000, 1] == 1
    out = np.full((2, 200_002), 7, "f")
    y = fastconv.conv_transpose(np.ones((1, 3), "f"), np.ones((1, 2, 2), "f"), out[:, 0], stride=100_000, out=out)
    assert y is out
    assert (np.unique(y, return_counts=True)[1] == [400_004 - 12, 12]).all()
    dx = fastconv.grad.conv_input((1, 10**6), np.ones((1, 1, 3)), np.ones((1, 10)), stride=10**5, dilation=3)
    assert np.flatnonzero(dx).tolist() == [i * 10**5 + 3 * j for i in range(10) for j in range(3)]
    y = fastconv.grad.tiled_conv_input((1, 10**6), np.ones((2, 1, 1, 3)), np.ones((1, 10)), stride=10**5)
    assert y.sum() == 30
    assert y[0, ::10**5].sum() == 10


@pytest.mark.parametrize("dtype", "?Befdg")
def test_what_a_phase_lacks_is_not_written(dtype):
    """Rows of out that end before their last phase does, a column apart."""
    x, w = numbers((20, 5, 18), dtype, 1), numbers((20, 9, 3, 3), dtype, 2)
    for stride, columns in (2, 35), (3, 52):
        frame = numbers((9, 4 * stride + 1, columns + 1), dtype, 3)
        gap = frame[..., -1].copy()
        for algorithm in "filters", "pixels":
            fastconv.conv_transpose(x, w, stride=stride, padding=1, algorithm=algorithm, out=frame[..., :-1])
            equal(frame[..., :-1].copy(), _reference_layers.conv_transpose(x, w, stride=stride, padding=1), algorithm)
            equal(frame[..., -1], gap)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", "?Befd")
def test_depthwise(dtype, layout):
    for layer in list(depthwise_edges(dtype))[::2]:
        agrees(layer, dtype, 1, layout)


@pytest.mark.parametrize("seed", range(6))
def test_random_layers(seed):
    rng = np.random.default_rng(seed)
    for i in range(50):
        layer = random_layer(rng)
        dtype, layout = str(rng.choice(list(DTYPES))), str(rng.choice(LAYOUTS))
        activation = [None, "relu", "relu6"][rng.integers(3)] if dtype not in "?FDG" else None
        agrees(layer, dtype, i, layout, with_bias=i % 2, activation=activation)


@pytest.mark.parametrize("dtype", KINDS)
def test_sizes_without_output_size(dtype):
    """Each padding gives the size of its formula; what output_padding adds is bias alone."""
    for i, layer in enumerate(PADDED):
        steps = [np.broadcast_to(step, layer.rank) for step in (layer.stride, layer.dilation)]
        for padding in pads(layer.rank):
            layer = layer._replace(padding=padding)
            more = tuple((np.maximum(*steps) - 1).tolist())
            for extra in [0, more] if not str(padding).startswith("same") else [0]:
                y, w, bias = adjoint_operands(layer, dtype, i)
                where = layer.where | {"padding": padding, "output_padding": extra}
                size = _reference_layers._transposed_size(
                    y.shape[-layer.rank:], w.shape[2:], layer.stride, padding, extra, layer.dilation)
                if min(size) > 0:
                    agree("conv_transpose", y, w, bias, **where, message=layer)


@pytest.mark.parametrize("dtype", "fdil")
def test_rows_and_samples_unevenly_spaced(dtype):
    """The second rows of a phase, one column wide: 2 and then 10 elements on, where columns of a phase are 4 apart."""
    x, w = numbers((2, 3, 2, 1), dtype, 1), numbers((3, 2, 3, 1), dtype, 2)
    for dilation in 1, 2:
        agree("conv_transpose", x, w, stride=(2, 4), dilation=(1, dilation))


def test_size_by_name():
    """"same" undoes the stride, however long the kernel; the others pad as they say."""
    for n, kernel, stride, dilation in product((1, 4, 7), (1, 2, 3, 6), (1, 2, 5), (1, 3)):
        x, w, reach = np.ones((1, n)), np.ones((1, 1, kernel)), dilation * (kernel - 1)
        whole = (n - 1) * stride + reach + 1
        for padding, size in {"same": n * stride, "same_lower": n * stride, "valid": whole, "causal": whole - reach,
                              "full": whole - 2 * reach}.items():
            if size > 0:
                got = fastconv.conv_transpose(x, w, stride=stride, padding=padding, dilation=dilation)
                assert got.shape == (1, size)


def test_every_size_in_reach():
    """From the least that the windows cover to just before another would fit."""
    x, w = numbers((2, 3, 5, 6), "l", 1), numbers((3, 4, 3, 2), "l", 2)
    for size in product((15, 16, 17), (16, 17, 18)):
        agree("conv_transpose", x, w, output_size=size, stride=3, padding=1, dilation=2)


@pytest.mark.parametrize("name", ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"])
def test_names_with_a_rank(name):
    for layer in SHAPES:
        if layer.rank == int(name[-2]):
            y, w, bias = adjoint_operands(layer, "h")
            where = layer.where | {"output_size": layer.image}
            equal(getattr(fastconv, name)(y, w, bias, **where), _reference_layers.conv_transpose(y, w, bias, **where))


def test_positional_arguments_as_in_torch():
    """Groups before dilation, unlike conv's."""
    x, w, bias = numbers((2, 4, 5, 5), "l", 1), numbers((4, 3, 3, 3), "l", 2), numbers(6, "l", 3)
    equal(fastconv.conv_transpose2d(x, w, bias, 2, 1, 1, 2, 3),
          fastconv.conv_transpose(x, w, bias=bias, stride=2, padding=1, output_padding=1, groups=2, dilation=3))


@pytest.mark.parametrize("dtype", REALS + "FDG")
def test_rounding(dtype):
    for layer in [*PADDED, Layer((1, 24, 9, 10), (64, 24, 3, 3), 2),
                  Layer((1, 9, 12, 13), (9, 1, 5, 5), 1, 2, groups=9)]:
        y, w = reals(layer.y, dtype, 1), reals(layer.weight, dtype, 2)
        high = np.clongdouble if np.dtype(dtype).kind == "c" else np.longdouble
        where = layer.where | {"output_size": layer.image}
        wanted = _reference_layers.conv_transpose(y, w, **where, dtype=high)
        sizes = _reference_layers.conv_transpose(*(np.abs(a.astype(high)) for a in (y, w)), **where)
        for layout, algorithm in product(LAYOUTS, ALGORITHMS):
            given = arranged(y, layer.rank, layout)
            got = compute("conv_transpose", given, w, **where, layout=layout, algorithm=algorithm)
            if got is not None:
                held = tile_sizes(sizes, layer.rank) if algorithm == "winograd" else sizes
                near(got, *(arranged(a, layer.rank, layout) for a in (wanted, held)), dtype, w.size)


def tile_sizes(sizes, rank):
    """The largest of direct neighbours: outputs of a tile of Winograd's algorithm share their products' rounding."""
    for axis in range(sizes.ndim - rank, sizes.ndim):
        pads = [(1, 1) if i == axis else (0, 0) for i in range(sizes.ndim)]
        sizes = np.lib.stride_tricks.sliding_window_view(np.pad(sizes, pads), 3, axis).max(-1)
    return sizes


def test_half_is_rounded_once():
    x, w = np.array([[2048], [1], [-2048]], np.float16), np.ones((3, 1, 1), np.float16)
    equal(fastconv.conv_transpose(x, w), np.array([[1]], np.float16))
    equal(fastconv.conv_transpose(x[:2], w[:2], np.array([-2047], np.float16)), np.array([[2]], np.float16))


@pytest.mark.parametrize("dtype", "efd")
@pytest.mark.parametrize("activation", ["leaky_relu", ("leaky_relu", -3), "relu6"], ids=str)
def test_activations(dtype, activation):
    for layer in PADDED:
        agrees(layer, dtype, activation=activation)


# ---------------------------------------------------------------- columns

@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", KINDS)
def test_columns(dtype, layout):
    """There and back."""
    for layer in [*PADDED, *(layer for layer in SHAPES if layer.groups == 1)]:
        kernel = layer.weight[2:]
        x = arranged(numbers(layer.x, dtype, 1), layer.rank, layout)
        agree("im2col", x, kernel, **layer.windows, layout=layout, message=layer)
        columns = _reference_layers.im2col(x, kernel, **layer.windows, layout=layout)
        columns = numbers(columns.shape, dtype, 2)
        agree("col2im", columns, layer.image, kernel, **layer.windows, layout=layout, message=layer)


@pytest.mark.parametrize("padding_mode", PADDING_MODES)
@pytest.mark.parametrize("dtype", "?BfD")
def test_columns_with_paddings(dtype, padding_mode):
    for layer in PADDED:
        for i, padding in enumerate(pads(layer.rank)):
            layer = layer._replace(padding=padding, padding_mode=padding_mode)
            layout, kernel = LAYOUTS[i % 2], layer.weight[2:]
            x = arranged(numbers(layer.x, dtype, 1), layer.rank, layout)
            agree("im2col", x, kernel, **layer.windows, layout=layout, message=layer)
            columns = numbers(_reference_layers.im2col(x, kernel, **layer.windows, layout=layout).shape, dtype, 2)
            agree("col2im", columns, layer.image, kernel, **layer.windows, layout=layout, message=layer)


def test_rank_of_a_number():
    """A kernel_size that is a number means all axes after the first two, or those between the first and the last."""
    for rank in range(1, 5):
        x = numbers((2, 3, *(4, 5, 3, 4)[:rank]), "l", 1)
        for layout in LAYOUTS:
            image = arranged(x, rank, layout)
            columns = fastconv.im2col(image, 2, layout=layout)
            equal(columns, _reference_layers.im2col(image, (2,) * rank, layout=layout))
            for sizes in [(x.shape[2:], 2), (x.shape[2:], (2,) * rank)]:
                equal(fastconv.col2im(columns, *sizes, layout=layout),
                      _reference_layers.col2im(columns, *sizes, layout=layout))
    square = numbers((2, 12, 16), "l", 2)
    equal(fastconv.col2im(square, 5, (2, 2)), _reference_layers.col2im(square, (5, 5), (2, 2)))


def test_columns_times_the_weight_are_the_layer():
    x, w = numbers((2, 3, 6, 7), "l", 1), numbers((5, 3, 3, 2), "l", 2)
    columns = fastconv.im2col(x, (3, 2), 2, 1)
    y = fastconv.conv(x, w, None, 2, 1)
    equal(w.reshape(5, -1) @ columns, y.reshape(2, 5, -1))


def test_columns_take_a_dtype():
    x = np.full((1, 1, 3), 200, np.uint8)
    equal(fastconv.im2col(x, (2,), dtype=float), np.full((1, 2, 2), 200.0))
    equal(fastconv.col2im(fastconv.im2col(x, (2,)), (3,), (2,)), np.array([[[200, 144, 200]]], np.uint8))
    equal(fastconv.col2im(fastconv.im2col(x, (2,)), (3,), (2,), dtype=np.int64), np.array([[[200, 400, 200]]]))


def test_folded_halves_are_rounded_once():
    columns = np.array([[1, 2048, 1]], np.float16).repeat(3, 0)
    equal(fastconv.col2im(columns, (3,), (3,), padding=1), np.array([[2048, 2050, 2048]], np.float16))


# ---------------------------------------------------------------- adjoints

def total(a, b):
    return (a * b).sum()


@pytest.mark.parametrize("padding_mode", PADDING_MODES)
@pytest.mark.parametrize("dtype", "lD")
def test_transposed_is_the_adjoint(dtype, padding_mode):
    """<conv(x), y> is <x, conv_transpose(y)>, without conjugation, whatever the layer."""
    rng = np.random.default_rng(5)
    layers = [layer._replace(padding=padding) for layer in PADDED for padding in pads(layer.rank)]
    layers += [random_layer(rng) for _ in range(100)]
    for layer in layers:
        layer = layer._replace(padding_mode=padding_mode)
        x, w, y = (numbers(shape, dtype, seed) for seed, shape in enumerate([layer.x, layer.weight, layer.y]))
        back = fastconv.conv_transpose(y, w, **layer.where, output_size=layer.image)
        assert total(fastconv.conv(x, w, **layer.where), y) == total(x, back), layer


@pytest.mark.parametrize("padding", NAMED_PADDINGS)
@pytest.mark.parametrize("padding_mode", PADDING_MODES)
def test_columns_are_adjoint(padding, padding_mode):
    for layer in PADDED:
        where = layer._replace(padding=padding, padding_mode=padding_mode).windows
        x = numbers(layer.x, "l", 1)
        columns = fastconv.im2col(x, layer.weight[2:], **where)
        y = numbers(columns.shape, "l", 2)
        assert total(columns, y) == total(x, fastconv.col2im(y, layer.image, layer.weight[2:], **where))


# Windows that hold less than the padded image does, along some axes or all; fewer outputs than taps, and more.
SPARSE = [
    Layer((1, 2, 5), (3, 2, 2), 40, 90), Layer((2, 3, 4), (2, 3, 3), 7, 30, 9), Layer((1, 2, 3), (2, 2, 2), 2, 3, 5),
    Layer((1, 2, 5, 4), (3, 2, 2, 3), (30, 1), (40, 3)), Layer((1, 4, 3, 6), (4, 1, 2, 2), (1, 9), (2, 20), (1, 3), 4),
    Layer((1, 2, 2, 5, 4), (3, 2, 1, 2, 3), (3, 30, 5), (4, 20, 3)), Layer((1, 2, 30), (2, 2, 31), 1, 1),
    Layer((1, 2, 9, 30), (2, 2, 2, 31), 1, 1), Layer((1, 2, 1), (2, 2, 3), 2, 4),
]


@pytest.mark.parametrize("padding_mode", PADDING_MODES)
@pytest.mark.parametrize("dtype", "?Bhefg")
def test_sparse_windows(dtype, padding_mode):
    for i, layer in enumerate(SPARSE):
        layer = layer._replace(padding_mode=padding_mode)
        for name, arguments, keywords in calls(layer, dtype, LAYOUTS[i % 2], filled):
            if "conv_transpose_" not in name:
                agree(name, *arguments, **keywords, message=layer)
        w, y = filled((2, *[2] * (layer.rank - 1), *layer.weight), dtype, i, 9), filled(layer.y, dtype, i + 1, 9)
        agree("tiled_conv_input", layer.x, w, y, **layer.where, message=layer)


@pytest.mark.parametrize(("padding_mode", "period"), [
    ("zeros", None), ("circular", [0, 1, 2, 3]), ("symmetric", [0, 1, 2, 3, 3, 2, 1, 0]),
    ("reflect", [0, 1, 2, 3, 2, 1]), ("replicate", None)])
def test_cost_of_padding(padding_mode, period):
    """Padding of a thousand million elements costs nothing where windows are few."""
    pad, stride, dilation = 10**9, 10**8 + 1, 3 * 10**7
    where = {"stride": stride, "padding": pad, "dilation": dilation, "padding_mode": padding_mode}
    x = np.array([[1, 2, 4, 8]])
    places = np.add.outer(np.arange(3) * dilation, np.arange(20) * stride) - pad
    met = np.zeros((*places.shape, 4), int)    # 1 where a tap meets an element
    met[..., 0], met[..., 3] = places <= 0, places >= 3
    if padding_mode == "zeros":
        met = places[..., None] == np.arange(4)
    elif period:
        met = np.array(period)[places % len(period)][..., None] == np.arange(4)
    columns = fastconv.im2col(x, (3,), **where)
    equal(columns, (met * x[0]).sum(-1))
    weights = numbers((3, 20), int)
    back = fastconv.col2im(weights, (4,), (3,), **where)
    equal(back, np.einsum("ij,ijk->k", weights, met)[None])
    ones = np.ones((1, 1, 3), int)
    equal(fastconv.grad.conv_input(x.shape, ones, weights[:1], **where),
          np.einsum("j,ijk->k", weights[0], met)[None])
