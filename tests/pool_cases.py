"""What the tests of pooling run over: windows and images, every function on them, and the comparison.

Numbers are integers, small ones in floating point, so that sums are exact and results compare with ==.
"""
from itertools import product
from typing import NamedTuple

import numpy as np

import fastconv
from fastconv import _reference_pooling as reference
from fastconv import grad

from .cases import equal, numbers
from .layer_cases import LAYOUTS as LAYOUTS
from .layer_cases import arranged

NAMED_PADDINGS = ("valid", "same", "same_lower")


class Pool(NamedTuple):
    """The shape of x (spatial axes last), a window, and where it stands."""
    x: tuple
    kernel: tuple
    stride: int | tuple | None = None
    padding: int | tuple | str = 0
    dilation: int | tuple = 1
    ceil_mode: bool = False

    @property
    def rank(self):
        return len(self.kernel)

    @property
    def image(self):
        return self.x[-self.rank:]

    @property
    def where(self):
        """Keywords of every pool."""
        return {name: getattr(self, name) for name in self._fields[2:]}

    @property
    def windows(self):
        return reference._sliding(
            self.image, self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode)

    @property
    def y(self):
        """The shape of the result."""
        return *self.x[:-self.rank], *self.windows.exists.shape[:-1]

    @property
    def possible(self):
        """Whether there is an output, each window has an element, and padding is less than the window."""
        spans = np.multiply(self.dilation, np.subtract(self.kernel, 1)) + 1
        stride, padding, dilation = (
            reference._each(value, self.rank) for value in (self.stride or self.kernel, self.padding, self.dilation))
        pads = [reference._widths(p, n, k, s, d)
                for n, k, s, p, d in zip(self.image, self.kernel, stride, padding, dilation, strict=True)]
        room = [n + sum(p) - span + (s - 1 if self.ceil_mode else 0)
                for n, p, span, s in zip(self.image, pads, spans, stride, strict=True)]
        return min(room) >= 0 and (np.array(pads).max(1) < spans).all() and self.windows.exists.any(-1).all()


# ---------------------------------------------------------------- every function

class Call(NamedTuple):
    """A function by its name (those of fastconv.grad with "grad." in front), and what it is given."""
    name: str
    arguments: tuple
    keywords: dict

    def __str__(self):
        shown = [getattr(a, "shape", a) for a in self.arguments]
        return f"{self.name}{shown} {self.keywords}"

    @property
    def function(self):
        return getattr(grad, self.name[5:]) if self.name.startswith("grad.") else getattr(fastconv, self.name)

    def ours(self, **how):
        return self.function(*self.arguments, **self.keywords, **how)

    def wanted(self):
        name = f"{self.name[5:]}_gradient" if self.name.startswith("grad.") else self.name
        return getattr(reference, name)(*self.arguments, **self.keywords)

    def check(self, **how):
        """Ours is what the specification gives; `how` holds what must not change a result."""
        same(self.ours(**how), self.wanted(), f"{self} {how}")

    def on(self, change):
        """The same call on arrays otherwise in memory."""
        return self._replace(arguments=tuple(change(a) if isinstance(a, np.ndarray) else a for a in self.arguments))


def same(got, wanted, message=""):
    """Equal, pairs of values and indices too."""
    if not isinstance(wanted, tuple):
        return equal(got, wanted, message)
    assert isinstance(got, tuple), message
    for ours, theirs in zip(got, wanted, strict=True):
        equal(ours, theirs, message)


def filled(shape, dtype, seed):
    """Integers: few different ones, so that there are ties, or any that an integer dtype holds."""
    return numbers(shape, dtype, seed, 4 if seed % 2 else None)


def extremes(pool, dtype, layout="channels_first", seed=0, make=filled):
    x = arranged(make(pool.x, dtype, seed), pool.rank, layout)
    how = pool.where | {"layout": layout}
    return [Call(name, (x, pool.kernel), how | more) for name in ("max_pool", "min_pool")
            for more in ({}, {"return_indices": True})]


def sums(pool, dtype, layout="channels_first", seed=0, make=filled):
    x = arranged(make(pool.x, dtype, seed), pool.rank, layout)
    how = pool.where | {"layout": layout}
    return [Call("sum_pool", (x, pool.kernel), how), Call("avg_pool", (x, pool.kernel), how),
            Call("avg_pool", (x, pool.kernel), how | {"count_include_pad": False}),
            Call("avg_pool", (x, pool.kernel), how | {"divisor_override": 3})]


def norms(pool, dtype, layout="channels_first", seed=0):
    """The norms that are exact on small integers."""
    x = arranged(numbers(pool.x, dtype, seed), pool.rank, layout)
    return [Call("lp_pool", (x, p, pool.kernel), pool.where | {"layout": layout}) for p in (1, 2)]


def can_unpool(pool):
    """Whether the image is less than a stride from the size that is taken when none is given, as torch wants it."""
    if isinstance(pool.padding, str):
        return pool.padding == "valid" and can_unpool(pool._replace(padding=0))
    least = reference._unpooled(pool.y[-pool.rank:], pool.kernel, pool.stride, pool.padding)
    return (np.abs(np.subtract(list(least), pool.image)) < (pool.stride or pool.kernel)).all()


def unpools(pool, dtype, layout="channels_first", seed=0):
    """Back to the places of the maxima, if there is a way."""
    if not can_unpool(pool):
        return []
    x = arranged(numbers(pool.x, "l", seed), pool.rank, layout)
    _, indices = reference.max_pool(x, pool.kernel, **pool.where, layout=layout, return_indices=True)
    y = arranged(numbers(pool.y, dtype, seed + 1), pool.rank, layout)
    where = {name: pool.where[name] for name in ("stride", "padding")}
    size = {"layout": layout, "output_size": pool.image}
    return [Call("max_unpool", (y, indices, pool.kernel), where | size)]


def gradients(pool, dtype, layout="channels_first", seed=0):
    """With divisors, and norms, that keep small integers exact."""
    x, g = (arranged(numbers(shape, dtype, seed), pool.rank, layout) for shape in (pool.x, pool.y))
    how, shape = pool.where | {"layout": layout}, x.shape
    calls = [Call("grad.sum_pool", (shape, g, pool.kernel), how),
             Call("grad.avg_pool", (shape, g, pool.kernel), how | {"divisor_override": 4})]
    if np.dtype(dtype).kind != "c":
        _, indices = reference.max_pool(x, pool.kernel, **how, return_indices=True)
        calls += [Call("grad.max_pool", (shape, indices, g), {"rank": pool.rank, "layout": layout}),
                  Call("grad.lp_pool", (x, 1, g, pool.kernel), how)]
    return calls


def adaptive(shape, size, dtype, layout="channels_first", seed=0):
    """Adaptive and global pools of the last axes of a shape."""
    rank = len(size)
    x, how = arranged(filled(shape, dtype, seed), rank, layout), {"layout": layout}
    calls = [Call("adaptive_avg_pool", (x, size), how)]
    if np.dtype(dtype).kind != "c":
        calls += [Call("adaptive_max_pool", (x, size, indices), how) for indices in (False, True)]
    if x.ndim == rank + 2:
        calls.append(Call("global_avg_pool", (x,), how))
        if np.dtype(dtype).kind != "c":
            calls += [Call("global_max_pool", (x,), how), Call("global_max_pool", (x,), how | {"return_indices": True})]
    return calls


def forward(pool, dtype, layout="channels_first", seed=0):
    """Everything that a pool of a dtype can be asked for."""
    calls = sums(pool, dtype, layout, seed)
    return calls if np.dtype(dtype).kind == "c" else calls + extremes(pool, dtype, layout, seed)


def everything(pool, dtype, layout="channels_first", seed=0):
    """All functions, gradients too."""
    calls = forward(pool, dtype, layout, seed) + gradients(pool, dtype, layout, seed)
    calls += unpools(pool, dtype, layout, seed) + adaptive(pool.x, pool.y[-pool.rank:], dtype, layout, seed)
    return calls if np.dtype(dtype).kind == "c" else calls + norms(pool, dtype, layout, seed)


# ---------------------------------------------------------------- windows

SHAPES = [
    # every rank, and any leading axes
    Pool((2, 3, 20), (3,), 2, 1), Pool((2, 3, 7, 9), (3, 3), 2, 1), Pool((1, 2, 4, 5, 6), (2, 3, 2), 1, 1),
    Pool((2, 2, 3, 4, 3, 5), (2, 1, 3, 2), (1, 2, 1, 3), (1, 0, 1, 1)), Pool((20,), (4,)), Pool((7, 9), (2, 3)),
    Pool((4, 5, 6), (2, 2, 2)), Pool((3, 4, 3, 5), (2, 2, 2, 2), 1), Pool((2, 1, 3, 4, 7, 9), (3, 3), 1),
    Pool((3, 7, 9), (2, 2)), Pool((3, 9), (2,)),
    # sizes of nothing and of one
    Pool((0, 3, 5, 5), (3, 3)), Pool((2, 0, 3, 5, 5), (2, 2), 1, 1), Pool((1, 1), (1, 1)), Pool((1,), (1,)),
    Pool((2, 3, 1, 9), (1, 3)), Pool((2, 3, 9, 1), (3, 1), 1, (1, 0)), Pool((2, 3, 1, 1), (3, 3), 1, 1),
    # windows as large as the padded image and the image alone, strides beyond the window, padding just below it
    Pool((2, 3, 5, 6), (5, 6)), Pool((2, 3, 3, 4), (5, 6), 1, 1), Pool((2, 3, 13, 13), (13, 13), 1, 6),
    Pool((2, 40), (40,)), Pool((3, 5, 6), (2, 2), 3), Pool((3, 9, 17), (1, 1), (4, 3)),
    Pool((3, 9, 11), (2, 3), (5, 4)), Pool((2, 3, 4), (3, 4), 1, (2, 3)), Pool((2, 5), (4,), 1, 3),
    Pool((2, 5, 6), (3, 3), 2, ((2, 0), (0, 2))),
    # ceil_mode: whole windows, parts of them, one that would start in the padding, one larger than the image
    Pool((2, 6, 7), (3, 3), 2, 0, 1, True), Pool((2, 6, 7), (2, 2), 2, 1, 1, True), Pool((3, 8), (2,), 2, 1, 1, True),
    Pool((2, 2, 3), (3, 4), 4, 0, 1, True), Pool((2, 7, 8), (3, 2), (2, 3), ((1, 2), (1, 0)), 1, True),
    Pool((2, 4, 5, 6), (3, 2, 2), (2, 3, 4), 1, 1, True), Pool((9, 9), (1, 1), 4, 0, 1, True),
    # dilation
    Pool((2, 9, 12), (3, 3), 1, 0, 2), Pool((2, 9, 40), (3, 3), 2, 2, (1, 3)), Pool((1, 60), (3,), 2, 1, 20),
    Pool((2, 11, 12), (2, 3), 3, (1, 2), (4, 2), True), Pool((1, 3, 6, 7, 8), (2, 2, 2), 1, 0, (1, 2, 3)),
    # large windows, where running maxima and sums pay; long rows, columns and many planes
    Pool((2, 30, 41), (7, 9), 1, 3), Pool((1, 40, 50), (15, 15), 1, 7), Pool((1, 33, 35), (31, 31), 1, 15),
    Pool((1, 300), (100,), 1), Pool((1, 1, 3000), (2,)), Pool((1, 3011), (7,), 3), Pool((4001, 1), (3, 1), 1, (1, 0)),
    Pool((70, 3, 3), (2, 2), 1), Pool((1, 20, 31), (9, 3), 4, 1), Pool((2, 12, 14, 13), (6, 5, 7), 1, 2),
]
# For what does not depend on the shape.
FEW = [Pool((2, 3, 7, 19), (3, 3), 2, 1), Pool((2, 3, 8, 18), (2, 2)), Pool((3, 4, 5, 6), (2, 3, 2), 1, 1, 1, True),
       Pool((5, 40), (5,), 1, 2, 2), Pool((2, 12, 20), (9, 8), 1, ((4, 3), (0, 7)))]


def grid(seed=0):
    """Windows, strides, paddings, dilations and ceil_mode, each with each, on small images."""
    rng = np.random.default_rng(seed)
    kernels, strides = [(1, 1), (2, 2), (3, 3), (2, 3), (5, 4)], [None, 1, 2, 3, (1, 2), (4, 3)]
    paddings = [0, 1, (1, 0), ((0, 1), (2, 1)), *NAMED_PADDINGS]
    for kernel, stride, padding, dilation, ceil_mode in product(
            kernels, strides, paddings, (1, 2, (1, 3)), (False, True)):
        image = rng.integers(1, 14, 2).tolist()
        pool = Pool((2, *image), kernel, stride, padding, dilation, ceil_mode)
        if pool.possible:
            yield pool


def row_edges(dtype):
    """Rows around whole vectors of 1 to 64 bytes, with the windows that networks use."""
    lanes = 64 // {"?": 1, "e": 2}.get(dtype, min(np.dtype(dtype.lower()).itemsize, 16))
    outputs = sorted({m * lanes + d for m in (1, 2, 4) for d in (-1, 0, 1)} | {1, 2, 3, 5, 7})
    for width, (k, s, p) in product(outputs, [(2, 2, 0), (3, 2, 1), (3, 1, 1), (3, 3, 0), (5, 1, 2)]):
        columns = max(1, (width - 1) * s + k - 2 * p)
        yield Pool((2, max(k - p, 4), columns), (k, k), s, p)


def random_pool(rng, ranks=(1, 2, 3, 4), lead=None, torch=False):
    """Anything that is allowed; for `torch` what it allows, too."""
    def some(low, high, size=None):
        return rng.integers(low, high, size, endpoint=True).tolist()

    def one_or_each(low, high):
        return some(low, high) if rng.random() < 0.4 else tuple(some(low, high, rank))

    while True:
        rank = int(rng.choice(ranks))
        kernel = tuple(some(1, (30, 9, 4, 3)[rank - 1], rank))
        stride = None if rng.random() < 0.2 else one_or_each(1, 4)
        padding = [str(rng.choice(NAMED_PADDINGS)), one_or_each(0, 5), tuple(map(tuple, some(0, 4, (rank, 2))))][
            1 if torch else some(0, 2)]
        dilation = 1 if rng.random() < 0.6 else one_or_each(1, 3)
        image = some(1, (90, 24, 9, 6)[rank - 1], rank)
        front = tuple(some(1, 3, some(0, 2))) if lead is None else lead
        pool = Pool((*front, *image), kernel, stride, padding, dilation, bool(rng.integers(2)))
        if torch:
            pool = pool._replace(padding=tuple(np.minimum(padding, np.array(kernel) // 2).tolist()))
        if pool.possible:
            return pool
