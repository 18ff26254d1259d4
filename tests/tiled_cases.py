"""What the tests of tiled and local layers run over: shapes, calls, and the comparison with the specification."""
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from fastconv import _reference_layers

from .cases import equal
from .layer_cases import Layer, arranged, compute, filled, random_layer

ALGORITHMS = ("auto", "unshared", "filters", "pixels", "depthwise", "winograd")


class Tiled(NamedTuple):
    """A layer, and how many banks of filters take turns along each axis; None for a bank of each output."""
    layer: Layer
    tiles: tuple | None = None

    @property
    def rank(self):
        return self.layer.rank

    @property
    def out(self):
        """The result's spatial sizes."""
        return self.layer.y[-self.rank:]

    @property
    def banks(self):
        return self.out if self.tiles is None else self.tiles

    @property
    def is_local(self):
        return self.banks == self.out

    @property
    def weight(self):
        """The shape of all banks."""
        return *self.banks, *self.layer.weight

    def of(self, *lead):
        """The same of other leading axes."""
        return self._replace(layer=self.layer._replace(x=(*lead, *self.layer.x[-self.rank - 1:])))


def algorithms(name):
    """Those that a function can be asked for."""
    return ALGORITHMS if name.endswith("_conv") else ALGORITHMS[:1]


def operands(case, dtype, seed=0, make=filled):
    """x, the banks, a bias (of each bank, or of all), and a gradient of the result."""
    layer = case.layer
    bias = (*case.banks, layer.weight[0]) if seed % 2 else layer.weight[:1]
    terms = prod(layer.weight[1:])
    return [make(shape, dtype, seed + i, terms) for i, shape in enumerate([layer.x, case.weight, bias, layer.y])]


def calls(case, dtype, layout="channels_first", seed=0, make=filled):
    """Every function about one case: name, arguments, keywords; those of local layers too where a case is one."""
    x, w, bias, y = operands(case, dtype, seed, make)
    x, y = (arranged(a, case.rank, layout) for a in (x, y))
    where, rank = {**case.layer.where, "layout": layout}, {"rank": case.rank, "layout": layout}
    return [(f"{kind}_conv{name}", arguments, keywords) for kind in ("tiled", "local")[:1 + case.is_local]
            for name, arguments, keywords in [
        ("", (x, w, bias), where),
        ("_input", (x.shape, w, y), where),
        ("_weight", (x, w.shape, y), where),
        ("_bias", (y, case.banks) if kind == "tiled" else (y,), rank),
    ]]


def specified(name, arguments, keywords):
    return getattr(_reference_layers, name)(*arguments, **keywords)


def agree(name, arguments, keywords, message=""):
    """Ours, by every algorithm that can do it, is what the specification gives."""
    wanted = specified(name, arguments, keywords)
    for algorithm in algorithms(name):
        got = compute(name, *arguments, **keywords, algorithm=algorithm)
        if got is not None:
            equal(got, wanted, f"{name}, {algorithm}, {keywords}; {message}")


def all_agree(case, dtype, layout="channels_first", seed=0, **keywords):
    for name, arguments, where in calls(case, dtype, layout, seed):
        agree(name, arguments, where | keywords, case)


# ---------------------------------------------------------------- shapes

CASES = [
    # every rank, tiles that the border cuts off, any leading axes
    Tiled(Layer((2, 3, 20), (4, 3, 3), padding=1), (3,)), Tiled(Layer((2, 3, 7, 9), (5, 3, 3, 3), 2, 1), (3, 2)),
    Tiled(Layer((1, 2, 4, 5, 6), (3, 2, 2, 3, 2), padding=1), (2, 1, 3)),
    Tiled(Layer((2, 2, 3, 4, 3, 4), (3, 2, 2, 1, 3, 2), (1, 2, 1, 3), 1), (2, 1, 2, 2)),
    Tiled(Layer((3, 20), (4, 3, 3), 2), (2,)), Tiled(Layer((2, 1, 3, 2, 7, 9), (5, 2, 3, 3)), (2, 2)),
    Tiled(Layer((2, 3, 11), (4, 3, 3))), Tiled(Layer((2, 3, 5, 6), (5, 3, 3, 2), padding=1)),
    Tiled(Layer((2, 3, 4, 3), (3, 2, 2, 2, 2))), Tiled(Layer((3, 2, 3, 3, 3, 4), (2, 2, 1, 2, 3, 2))),
    # one bank, one along an axis, as many as outputs along an axis, more than outputs
    Tiled(Layer((2, 3, 7, 9), (4, 3, 3, 3), padding=1), (1, 1)), Tiled(Layer((2, 3, 7, 9), (4, 3, 3, 3)), (5, 1)),
    Tiled(Layer((2, 3, 7, 9), (4, 3, 3, 3)), (1, 7)), Tiled(Layer((2, 3, 5, 6), (4, 3, 3, 3)), (5, 7)),
    Tiled(Layer((1, 2, 9), (3, 2, 2)), (30,)),
    # sizes of nothing and of one
    Tiled(Layer((0, 3, 5, 5), (2, 3, 3, 3)), (2, 2)), Tiled(Layer((2, 0, 3, 5, 5), (2, 3, 3, 3))),
    Tiled(Layer((2, 3, 5, 5), (0, 3, 3, 3)), (2, 3)), Tiled(Layer((2, 0, 5, 5), (4, 0, 3, 3))),
    Tiled(Layer((2, 0, 5, 6), (4, 0, 3, 3)), (2, 1)),
    Tiled(Layer((1, 1, 1), (1, 1, 1))), Tiled(Layer((1, 1), (1, 1, 1))),
    Tiled(Layer((2, 3, 1, 9), (4, 3, 1, 3)), (1, 2)), Tiled(Layer((2, 3, 1, 1), (4, 3, 1, 1)), (2, 2)),
    Tiled(Layer((3, 1, 1, 1), (65, 1, 1, 1))), Tiled(Layer((2, 3, 1), (2, 3, 5), padding="same")),
    # groups; as many as channels, with and without a multiplier
    Tiled(Layer((2, 6, 7, 9), (4, 3, 3, 3), groups=2), (2, 3)), Tiled(Layer((2, 6, 5, 4), (4, 3, 3, 2), groups=2)),
    Tiled(Layer((2, 4, 6, 7), (8, 1, 3, 3), groups=4, padding=1), (2, 2)),
    Tiled(Layer((2, 17, 6, 7), (17, 1, 3, 3), 1, 1, groups=17), (2, 2)), Tiled(Layer((2, 5, 9), (5, 1, 3), groups=5)),
    Tiled(Layer((2, 5, 40), (5, 1, 5), groups=5, padding="causal"), (4,)),
    # steps, wide pads, channels and samples around whole vectors
    Tiled(Layer((2, 3, 11, 12), (2, 3, 2, 3), 3, 2, (4, 2)), (2, 3)), Tiled(Layer((1, 2, 60), (3, 2, 3), 2, 0, 20)),
    Tiled(Layer((1, 2, 3, 2), (2, 2, 2, 3), padding=7), (4, 4)),
    Tiled(Layer((2, 3, 5, 6), (4, 3, 1, 1), (4, 2)), (1, 2)),
    Tiled(Layer((2, 17, 4, 5), (33, 17, 3, 3), padding=1)), Tiled(Layer((2, 33, 4, 5), (16, 33, 1, 1)), (2, 2)),
    Tiled(Layer((17, 3, 4, 5), (5, 3, 2, 2))), Tiled(Layer((64, 2, 6), (3, 2, 3))),
    Tiled(Layer((33, 3, 4, 5), (5, 3, 2, 2), padding=1), (3, 2)), Tiled(Layer((1, 2, 700), (3, 2, 5)), (3,)),
    Tiled(Layer((1, 16, 20, 21), (16, 16, 3, 3), padding=1), (2, 2)),
]
# Small ones of every rank; each mode and form of padding is run over these.
PADDED = [
    Tiled(Layer((2, 3, 11), (4, 3, 4)), (3,)), Tiled(Layer((2, 7), (4, 1, 3), 2, groups=2)),
    Tiled(Layer((2, 6, 7), (3, 2, 3, 2), (1, 2))),
    Tiled(Layer((1, 4, 5, 9), (6, 2, 2, 3), (3, 2), 0, (2, 1), 2), (2, 2)),
    Tiled(Layer((2, 2, 4, 3), (2, 2, 2, 1, 2), 2), (1, 2, 2)),
    Tiled(Layer((2, 1, 2, 1, 3, 2), (2, 2, 1, 2, 2), (1, 1, 2), 0, (1, 2, 1))),
    Tiled(Layer((1, 2, 4, 2, 3), (2, 1, 2, 1, 2, 2), 2), (2, 1, 1, 2)),
]
# For what does not depend on the shape.
FEW = [
    Tiled(Layer((2, 6, 7, 19), (4, 3, 3, 2), (1, 2), 1, groups=2), (2, 3)),
    Tiled(Layer((2, 3, 4, 9), (5, 3, 3, 3), 1, 1)),
    Tiled(Layer((2, 17, 6, 8), (17, 1, 3, 3), 1, 1, groups=17), (2, 1)), Tiled(Layer((18, 2, 12), (5, 2, 3), 1, 2, 2)),
]


def depths(dtype, seed=0):
    """Cases of channels, outputs, taps and samples around whole vectors."""
    rng = np.random.default_rng(seed)
    lanes = 64 // {"?": 1, "e": 4}.get(dtype, min(np.dtype(dtype.lower()).itemsize, 16))
    edges = sorted({m * lanes + d for m in (1, 2) for d in (-1, 0, 1)} - {0} | {1, 2, 3, 5})
    for size, what in product(edges, range(4)):
        n, c, k, width = (size if what == i else int(rng.integers(1, 5)) for i in range(4))
        kernel = int(rng.integers(1, 4))
        tiles = None if rng.random() < 0.5 else (2, int(rng.integers(1, 4)))
        yield Tiled(Layer((n, c, 2, width), (k, c, 1, kernel), 1, ((0, 0), (kernel - 1, 0))), tiles)


def random_tiled(rng):
    """Any layer, with tiles that are one, few, as many as there are outputs, or more."""
    layer = random_layer(rng)
    out = layer.y[-layer.rank:]
    if rng.random() < 0.3 and prod(out) < 500:    # the specification takes its time
        return Tiled(layer)
    return Tiled(layer, tuple(int(rng.choice([1, 2, 3, min(n, 9), min(n, 9) + 1])) for n in out))
