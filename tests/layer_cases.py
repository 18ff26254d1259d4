"""What the tests of layers run over: shapes, algorithms, layouts, and the comparison with the specification.

Numbers are integers, small ones in floating point, so that sums are exact and results compare with ==.
"""
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

import fastconv
from fastconv import _reference_layers, _route, grad

from .cases import equal, numbers

ALGORITHMS = ("auto", *(name for name in _route.ALGORITHMS if name != "auto"))
LAYOUTS = ("channels_first", "channels_last")
PADDING_MODES = ("zeros", "reflect", "replicate", "circular", "symmetric")
NAMED_PADDINGS = ("valid", "same", "same_lower", "full", "causal")


class Layer(NamedTuple):
    """The shapes of x (channels first) and of the weight of a layer, and where its windows lie."""
    x: tuple
    weight: tuple
    stride: int | tuple = 1
    padding: int | tuple | str = 0
    dilation: int | tuple = 1
    groups: int = 1
    padding_mode: str = "zeros"

    @property
    def rank(self):
        return len(self.weight) - 2

    @property
    def image(self):
        """Spatial sizes."""
        return self.x[-self.rank:]

    @property
    def where(self):
        """Keywords of conv, and of its adjoints."""
        return {name: getattr(self, name) for name in self._fields[2:]}

    @property
    def windows(self):
        """Keywords of im2col and col2im."""
        return {name: value for name, value in self.where.items() if name != "groups"}

    @property
    def y(self):
        """The shape of the result."""
        windows = _reference_layers._Windows(
            self.image, self.weight[2:], self.stride, self.padding, self.dilation, self.padding_mode)
        return *self.x[:-self.rank - 1], self.weight[0], *windows.out


# ---------------------------------------------------------------- arrays

def arranged(a, rank, layout):
    """The array, given with channels first, in `layout`."""
    return a if layout == "channels_first" else np.ascontiguousarray(np.moveaxis(a, -rank - 1, -1))


def filled(shape, dtype, seed, terms):
    """Integers, any that an integer dtype holds; booleans so rare that sums of `terms` products are of both kinds."""
    if np.dtype(dtype).kind == "b":
        return np.random.default_rng(seed).random(shape) < min(0.5, (0.7 / max(1, terms)) ** 0.5)
    return numbers(shape, dtype, seed, None)


def operands(layer, dtype, seed=0):
    """x, weight and bias."""
    terms = prod(layer.weight[1:])
    shapes = layer.x, layer.weight, layer.weight[:1]
    return [filled(shape, dtype, seed + i, terms) for i, shape in enumerate(shapes)]


def adjoint_operands(layer, dtype, seed=0):
    """A gradient of conv's result (which is what conv_transpose takes), the weight, and conv_transpose's bias."""
    terms = prod(layer.weight[2:])
    shapes = layer.y, layer.weight, (layer.weight[1] * layer.groups,)
    return [filled(shape, dtype, seed + i, terms) for i, shape in enumerate(shapes)]


def calls(layer, dtype, layout="channels_first", make=filled):
    """Every function: its name, its arguments and its keywords, about one layer and the transposed layer back.

    `make` fills a shape with numbers of a dtype; it is given a seed and the number of products that will be summed.
    """
    rank, where, windows, kernel = layer.rank, layer.where, layer.windows, layer.weight[2:]
    terms = prod(layer.weight[1:])
    x, y = (arranged(make(shape, dtype, seed, terms), rank, layout) for seed, shape in enumerate([layer.x, layer.y]))
    w, bias = make(layer.weight, dtype, 2, terms), make(layer.weight[0], dtype, 3, terms)
    spread = _reference_layers.im2col(x, kernel, **windows, layout=layout)
    back = where | {"output_padding": transposed_padding(layer)}
    return [(name, arguments, {**keywords, "layout": layout}) for name, arguments, keywords in [
        ("conv", (x, w, bias), where),
        ("conv_transpose", (y, w), where | {"output_size": layer.image}),
        ("im2col", (x, kernel), windows),
        ("col2im", (spread, layer.image, kernel), windows),
        ("conv_input", (x.shape, w, y), where),
        ("conv_weight", (x, w.shape, y), where),
        ("conv_bias", (y,), {"rank": rank}),
        ("conv_transpose_input", (y.shape, w, x), back),
        ("conv_transpose_weight", (y, w.shape, x), back),
        ("conv_transpose_bias", (x,), {"rank": rank}),
    ] if "conv_transpose_" not in name or "output_padding" not in keywords or keywords["output_padding"] is not None]


def transposed_padding(layer):
    """The output_padding with which conv_transpose goes from the layer's result back to its image, if it can."""
    if str(layer.padding).startswith("same"):    # which gives multiples of the stride
        steps = np.broadcast_to(layer.stride, layer.rank)
        return 0 if (np.multiply(layer.y[-layer.rank:], steps) == layer.image).all() else None
    least = _reference_layers._transposed_size(
        layer.y[-layer.rank:], layer.weight[2:], layer.stride, layer.padding, 0, layer.dilation)
    return tuple(np.subtract(layer.image, least).tolist())


# ---------------------------------------------------------------- comparison

def function(name):
    return getattr(fastconv, name, None) or getattr(grad, name)


def algorithms(name):
    """Those that a function can be asked for."""
    return ALGORITHMS if name in ("conv", "conv_transpose") else ALGORITHMS[:1]


def compute(name, *arguments, algorithm="auto", **keywords):
    """Our result; None if `algorithm` says that it cannot do this."""
    if algorithm == "auto":
        return function(name)(*arguments, **keywords)
    try:
        return function(name)(*arguments, algorithm=algorithm, **keywords)
    except ValueError as error:
        if str(error).startswith("`algorithm`"):
            return None
        raise


def agree(name, *arguments, message="", how=None, **keywords):
    """Ours, by every algorithm, is what the specification gives; `how` holds what must not change a result."""
    wanted = getattr(_reference_layers, name)(*arguments, **keywords)
    for algorithm in algorithms(name):
        got = compute(name, *arguments, algorithm=algorithm, **keywords, **how or {})
        if got is not None:
            equal(got, wanted, f"{name}, {algorithm}, {keywords}, {how}; {message}")


def near(got, wanted, sizes, dtype, terms):
    """As near to the exact result as rounded sums of `terms` products come; `sizes` sums the absolute values."""
    assert got.dtype == dtype
    summed = np.float32 if got.dtype == np.float16 else got.dtype
    atol = np.finfo(summed).eps * (8 + 2 * terms ** 0.5) * sizes + np.finfo(dtype).eps * np.abs(wanted)
    assert (np.abs(got.astype(wanted.dtype) - wanted) <= atol).all()


# ---------------------------------------------------------------- layers

CHANNELS = (1, 3, 5, 17, 65)
SHAPES = [
    # every rank, and any leading axes
    Layer((2, 3, 20), (4, 3, 3), padding=1), Layer((2, 3, 7, 9), (5, 3, 3, 3), 2, 1),
    Layer((1, 2, 4, 5, 6), (3, 2, 2, 3, 2), padding=1), Layer((2, 2, 3, 4, 3, 4), (3, 2, 2, 1, 3, 2), (1, 2, 1, 3), 1),
    Layer((3, 20), (4, 3, 3), 2), Layer((3, 7, 9), (4, 3, 3, 3)), Layer((3, 4, 5, 6), (2, 3, 2, 2, 2)),
    Layer((2, 1, 3, 4, 7, 9), (5, 4, 3, 3)), Layer((2, 2, 2, 3, 9), (2, 3, 2)),
    # sizes of nothing and of one
    Layer((0, 3, 5, 5), (2, 3, 3, 3)), Layer((2, 0, 3, 5, 5), (2, 3, 3, 3)), Layer((2, 3, 5, 5), (0, 3, 3, 3)),
    Layer((2, 0, 5, 5), (4, 0, 3, 3)), Layer((2, 3, 0, 4), (2, 3, 2, 2), padding=1), Layer((0, 0, 5), (0, 0, 3)),
    Layer((2, 3, 1, 1), (4, 3, 1, 1)), Layer((2, 3, 1, 9), (4, 3, 1, 3)), Layer((2, 3, 9, 1), (4, 3, 3, 1)),
    Layer((1, 1, 1), (1, 1, 1)), Layer((1, 1), (1, 1, 1)), Layer((1, 300, 1, 1), (65, 300, 1, 1)),
    Layer((3, 129, 1, 1), (17, 129, 3, 3), padding=1), Layer((2, 3, 1), (2, 3, 5), padding="same"),
    # kernels as large as the padded image, padding wider than the image, steps beyond it
    Layer((2, 3, 5, 6), (4, 3, 5, 6)), Layer((2, 3, 3, 4), (4, 3, 5, 6), padding=1), Layer((2, 3, 40), (2, 3, 40)),
    Layer((1, 2, 3, 2), (2, 2, 2, 3), padding=9), Layer((2, 3, 5, 6), (4, 3, 2, 2), 7),
    Layer((2, 3, 5, 6), (4, 3, 1, 1), (9, 2)), Layer((2, 3, 9, 9), (4, 3, 3, 3), 1, 12, 12),
    Layer((1, 2, 60), (3, 2, 3), 2, 0, 20), Layer((2, 3, 11, 12), (2, 3, 2, 3), 3, 2, (4, 2)),
    Layer((1, 3, 30, 31), (9, 3, 7, 7), 2, 3), Layer((1, 2, 13, 14), (3, 2, 11, 9), 1, 4),
    # groups; as many as channels, with and without a multiplier
    Layer((2, 6, 7, 9), (4, 3, 3, 3), groups=2), Layer((1, 15, 7, 7), (10, 3, 2, 2), groups=5, padding=1),
    Layer((2, 4, 6, 7), (8, 1, 3, 3), groups=4, padding=1), Layer((2, 17, 9, 20), (17, 1, 3, 3), 2, 1, groups=17),
    Layer((1, 65, 5, 6), (195, 1, 2, 2), groups=65), Layer((2, 5, 40), (5, 1, 5), groups=5, padding="causal"),
    Layer((1, 3, 12, 12), (3, 1, 7, 5), 1, (6, 4), 2, 3), Layer((2, 3, 4, 5, 6), (6, 1, 2, 3, 2), groups=3, padding=1),
    Layer((1, 4, 5, 6), (4, 1, 1, 1), groups=4), Layer((1, 64, 5, 5), (96, 2, 3, 3), groups=32, padding=1),
    # long rows, and few pixels of many channels
    Layer((1, 2, 1, 5000), (3, 2, 1, 5)), Layer((1, 1, 30011), (1, 1, 7), 3), Layer((2, 3, 3, 1030), (5, 3, 3, 3)),
    Layer((1, 1, 4001, 1), (2, 1, 3, 1), padding=1), Layer((1, 160, 7, 7), (65, 160, 3, 3), padding=1),
    Layer((1, 257, 7, 7), (17, 257, 1, 1)), Layer((1, 96, 7, 7), (33, 96, 3, 3), 2, 1),
    Layer((3, 40, 14, 14), (20, 40, 1, 1), 2),
    *(Layer((2, c, 6, 7), (k, c, 3, 3), padding=1) for c, k in product(CHANNELS, CHANNELS)),
    *(Layer((1, c, 9, 5), (k, c, 1, 1)) for c, k in product(CHANNELS, CHANNELS)),
]
# For what does not depend on the shape: several groups, one for each channel, whole tiles of channels, other ranks.
FEW = [
    Layer((2, 6, 7, 19), (4, 3, 3, 2), (1, 2), 1, groups=2), Layer((2, 17, 6, 20), (17, 1, 3, 3), 1, 1, groups=17),
    Layer((2, 33, 5, 6), (20, 33, 1, 1)), Layer((1, 3, 40), (5, 3, 3), 1, 2, 2), Layer((4, 3, 4, 9), (2, 4, 2, 3, 2)),
]
# Small ones of every rank; each mode and form of padding is run over these.
PADDED = [
    Layer((2, 3, 11), (4, 3, 4)), Layer((2, 7), (4, 1, 3), 2, groups=2), Layer((2, 6, 7), (3, 2, 3, 2), (1, 2)),
    Layer((1, 4, 5, 9), (6, 2, 2, 3), (3, 2), 0, (2, 1), 2), Layer((1, 4, 6, 9), (4, 1, 3, 3), 1, 0, 1, 4),
    Layer((2, 1, 2, 1, 3, 4), (2, 2, 1, 2, 3), (1, 1, 2), 0, (1, 2, 1)), Layer((2, 3, 2, 4, 3), (2, 2, 2, 1, 2, 2), 2),
]


def pads(rank):
    """Every form of `padding`."""
    return [*NAMED_PADDINGS, 0, 3, (3, 1, 0, 2)[:rank], [2, 1, 3, 0][:rank],
            ((1, 2), (0, 3), (2, 0), (1, 1))[:rank], ((5, 0), (1, 7), (0, 2), (3, 0))[:rank], np.int64(2)]


def tile_edges(dtype, seed=0):
    """Layers whose results are around whole tiles of 1 to 16 channels by 1 to 4 vectors of at most 64 bytes."""
    rng = np.random.default_rng(seed)
    lanes = 64 // {"?": 1, "e": 4}.get(dtype, min(np.dtype(dtype.lower()).itemsize, 16))
    widths = {m * lanes + d for m in range(1, 5) for d in (-1, 0, 1)} | set(range(1, 9))
    for width, k in product(sorted(w for w in widths if w > 0), range(1, 18)):
        c, h, kh, kw, stride, before = (int(rng.integers(1, high + 1)) for high in (4, 3, 3, 3, 2, 2))
        image = stride * (h - 1) + kh, max(1, stride * (width - 1) + kw - before)
        yield Layer((1, c, *image), (k, c, kh, kw), stride, ((0, 0), (before, 0)))


def thin_edges(seed=0):
    """Layers of few filters whose rows, all samples' together, are around whole tiles of neighbours in pairs.

    Some windows meet a border; others do not, and find small samples, or samples too large for that, where x has them.
    """
    rng = np.random.default_rng(seed)
    rows = [(1, 9), (1, 19), (1, 20), (1, 22), (2, 5), (2, 10), (2, 11), (3, 10), (5, 4), (7, 3), (4, 14), (10, 10)]
    for (h, w), c, padding in product(rows, (3, 17, 30), (0, 1)):
        k, kernel, stride, dilation = (int(rng.integers(1, high + 1)) for high in (17, 3, 2, 2))
        image = (max(1, stride * (n - 1) + dilation * (kernel - 1) + 1 - 2 * padding) for n in (h, w))
        yield Layer((int(rng.integers(1, 4)), c, *image), (k, c, kernel, kernel), stride, padding, dilation)
    yield Layer((2, 30, 25, 24), (12, 30, 3, 3))


def depthwise_edges(dtype, seed=0):
    """Layers of as many groups as channels, with rows and numbers of channels around whole vectors."""
    rng = np.random.default_rng(seed)
    lanes = 64 // {"?": 1, "e": 4}.get(dtype, min(np.dtype(dtype.lower()).itemsize, 16))
    lengths = sorted({m * lanes + d for m in (1, 2) for d in (-1, 0, 1)} | {1, 2, 3, 7})
    for c, width, kernel in product(lengths, lengths, (1, 3, 5, 7)):
        stride, h, multiplier = int(rng.integers(1, 3)), int(rng.integers(1, 6)), int(rng.integers(4)) // 3 + 1
        yield Layer((1, c, h, width), (c * multiplier, 1, kernel, kernel), stride, kernel // 2, groups=c)


def block_edges(seed=0):
    """Layers around whole blocks of taps (channels times kernel), pixels and channels of the result."""
    rng = np.random.default_rng(seed)
    blocks = [(28, 3), (29, 3), (32, 3), (57, 3), (64, 3), (65, 3), (127, 3), (21, 5), (255, 1), (257, 1), (513, 1),
              (577, 1), (1025, 1)]
    sides = [(1, 1), (4, 4), (7, 7), (14, 14), (16, 16), (19, 20), (11, 35), (24, 33), (27, 29)]
    for c, kernel in blocks:
        for side in rng.choice(sides, 3, replace=False).tolist():
            k = int(rng.integers(1, 40))
            yield Layer((int(rng.integers(1, 3)), c, *side), (k, c, kernel, kernel), 1, kernel // 2)


def random_layer(rng, ranks=(1, 2, 3, 4), padding_modes=PADDING_MODES):
    """Anything that the gate lets through, with few products."""
    def some(low, high, size=None):
        return rng.integers(low, high, size, endpoint=True).tolist()

    def one_or_each(low, high):
        return some(low, high) if rng.random() < 0.4 else tuple(some(low, high, rank))

    rank = int(rng.choice(ranks))
    groups = int(rng.choice([1, 1, 2, 3, 7]))
    c, k = (1 if groups == 7 else some(1, 6)), (some(1, 2) if groups == 7 else some(1, 9))
    kernel = some(1, (9, 5, 3, 3)[rank - 1], rank)
    stride, dilation = one_or_each(1, 3), one_or_each(1, 3)
    padding = [str(rng.choice(NAMED_PADDINGS)), one_or_each(0, 4), tuple(map(tuple, some(0, 4, (rank, 2))))][some(0, 2)]
    outputs = some(1, (60, 12, 5, 3)[rank - 1], rank)
    image = []
    for axis, (o, size) in enumerate(zip(outputs, kernel, strict=True)):
        s, d, p = (value[axis] if isinstance(value, tuple) else value for value in (stride, dilation, padding))
        pads = 0 if isinstance(p, str) else int(np.sum(p) * (1 if isinstance(p, tuple) else 2))
        image.append(max(1, (o - 1) * s + d * (size - 1) + 1 + some(0, s - 1) - pads))
    lead = some(1, 3, some(0, 2))
    mode = str(rng.choice(padding_modes))
    return Layer((*lead, c * groups, *image), (k * groups, c, *kernel), stride, padding, dilation, groups, mode)
