"""Layers: their geometry, inputs, and NumPy's answers, tap by tap in double precision."""
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

COUNTS = 100    # integers lie below this: sums are exact in float64, and wrap in dtypes too narrow for them


@dataclass(frozen=True)
class Layer:
    """The geometry of a layer or of a gradient; shapes as in torch, sizes along axes as tuples.

    For a gradient ``x_shape``, ``weight_shape`` and ``y_shape`` are those of the forward layer.
    """

    kind: str
    x_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    stride: int
    padding: int
    dilation: int
    groups: int
    output_padding: int

    @property
    def rank(self) -> int:
        return len(self.x_shape) - 2

    @property
    def y_shape(self) -> tuple[int, ...]:
        reach = [self.dilation * (k - 1) for k in self.weight_shape[2:]]
        sizes = zip(self.x_shape[2:], reach, strict=True)
        if self.kind == "transposed":
            channels, into = self.weight_shape[1] * self.groups, self._transposed
        else:
            channels, into = self.weight_shape[0], self._forward
        return self.x_shape[0], channels, *(into(n, d) for n, d in sizes)

    def _forward(self, n: int, reach: int) -> int:
        return (n + 2 * self.padding - reach - 1) // self.stride + 1

    def _transposed(self, n: int, reach: int) -> int:
        return (n - 1) * self.stride - 2 * self.padding + reach + 1 + self.output_padding

    @property
    def result_shape(self) -> tuple[int, ...]:
        return {"input_gradient": self.x_shape, "weight_gradient": self.weight_shape}.get(self.kind, self.y_shape)

    @property
    def options(self) -> dict[str, int]:
        """The keywords that fastconv and torch share."""
        names = ["stride", "padding", "dilation", "groups", *["output_padding"] * (self.kind == "transposed")]
        return {name: getattr(self, name) for name in names}

    @property
    def products(self) -> int:
        """Multiply-adds of the direct algorithm, those with the border's zeros included."""
        positions = self.x_shape if self.kind == "transposed" else self.y_shape
        return prod(self.weight_shape) * positions[0] * prod(positions[2:])


def _image(case: dict) -> tuple[int, ...]:
    """The spatial shape: a number stands for all axes."""
    sizes = [int(n) for n in str(case["image"]).split("x")]
    return tuple(sizes * case.get("rank", 2) if len(sizes) == 1 else sizes)


def geometry(case: dict) -> Layer:
    """The layer that a line describes."""
    image, kind = _image(case), case.get("kind", "conv")
    first, second = (case["in"], case["out"]) if kind == "transposed" else (case["out"], case["in"])
    return Layer(
        kind, (case["batch"], case["in"], *image),
        (first, second // case["groups"], *[case["kernel"]] * len(image)),
        case["stride"], case["padding"], case["dilation"], case["groups"], case.get("output_padding", 0))


# ---------------------------------------------------------------- labels

KINDS = {"conv": "", "transposed": "transposed ", "input_gradient": "input gradient ",
         "weight_gradient": "weight gradient "}


def _depthwise(case: dict) -> bool:
    return 1 < case["groups"] == case["in"]


def _words(case: dict) -> list[str]:
    """What differs from a plain layer, and its sizes."""
    depthwise = _depthwise(case)
    unpadded = case["padding"] == 0 and case["kernel"] > 1 and case.get("kind", "conv") != "transposed"
    return [word for word, said in (
        (f"s{case['stride']}", case["stride"] > 1),
        (f"dilation {case['dilation']}", case["dilation"] > 1),
        (f"groups {case['groups']}", case["groups"] > 1 and not depthwise),
        (f"{case['in']}" if depthwise else f"{case['in']}→{case['out']}", True),
        (f"@{case['image']}", True),
        ("no padding", unpadded),
        (f"batch {case['batch']}", case["batch"] > 1)) if said]


def label(case: dict) -> str:
    """A layer in words, without its dtype: ``depthwise 3x3 s2 64 @112``."""
    kind = KINDS[case.get("kind", "conv")]
    depthwise = "depthwise " if _depthwise(case) else ""
    kernel = "x".join([str(case["kernel"])] * case.get("rank", 2))
    rank = {1: "1-D ", 3: "3-D "}.get(case.get("rank", 2), "")
    return f"{kind}{rank}{depthwise}{kernel} {' '.join(_words(case))}"


def typed_label(case: dict) -> str:
    return f"{case['dtype']} {label(case)}"


# ---------------------------------------------------------------- inputs

def _values(rng, shape: tuple[int, ...], dtype: np.dtype):
    if dtype.kind in "iu":
        return rng.integers(0, COUNTS, shape).astype(dtype)
    values = rng.standard_normal(shape)
    return (values + 1j * rng.standard_normal(shape) if dtype.kind == "c" else values).astype(dtype)


def arrays(case: dict, rng) -> tuple:
    """The two arrays of a layer, in the order of its formula, and its geometry.

    (x, weight), but (gradient of y, weight) for the gradient of x, and (x, gradient of y) for that of the weight.
    """
    layer, dtype = geometry(case), np.dtype(case["dtype"])
    first = layer.y_shape if layer.kind == "input_gradient" else layer.x_shape
    second = layer.y_shape if layer.kind == "weight_gradient" else layer.weight_shape
    return _values(rng, first, dtype), _values(rng, second, dtype), layer


def products(a, b, layer: Layer) -> int:
    return layer.products


# ---------------------------------------------------------------- references

def _wide(a):
    return a.astype(np.complex128 if a.dtype.kind == "c" else np.float64)


def _narrow(a, dtype: np.dtype):
    """The result in the layer's dtype; integers wrap."""
    return a.astype(np.int64).astype(dtype) if dtype.kind in "iu" else a.astype(dtype)


def _padded(shape: tuple[int, ...], padding: int) -> tuple[int, ...]:
    return *shape[:2], *(n + 2 * padding for n in shape[2:])


def _inner(shape: tuple[int, ...], padding: int) -> tuple:
    """Where the array of a shape lies within its padded self."""
    return ..., *(slice(padding, padding + n) for n in shape[2:])


def _taps(layer: Layer, positions: tuple[int, ...]):
    """Each tap of the kernel, and the elements of the padded input that it meets."""
    for tap in product(*map(range, layer.weight_shape[2:])):
        starts = [layer.dilation * t for t in tap]
        yield (..., *tap), (..., *(slice(start, start + (n - 1) * layer.stride + 1, layer.stride)
                                   for start, n in zip(starts, positions, strict=True)))


def _matrices(a, groups: int):
    """Channels by positions: (batch, groups, channels of a group, positions)."""
    return a.reshape(a.shape[0], groups, a.shape[1] // groups, -1)


def _of_groups(weight, groups: int):
    """A tap's weights: (groups, outputs of a group, inputs of a group)."""
    return weight.reshape(groups, -1, weight.shape[1])


def _forward(x, weight, layer: Layer):
    padded = np.zeros(_padded(x.shape, layer.padding), x.dtype)
    padded[_inner(x.shape, layer.padding)] = x
    y = _matrices(np.zeros(layer.y_shape, x.dtype), layer.groups)
    for tap, met in _taps(layer, layer.y_shape[2:]):
        y += _of_groups(weight[tap], layer.groups) @ _matrices(padded[met], layer.groups)
    return y.reshape(layer.y_shape)


def _adjoint(y, weight, layer: Layer, shape: tuple[int, ...]):
    """The gradient of the input, of that shape; a transposed layer is the same sum."""
    padded = np.zeros(_padded(shape, layer.padding), y.dtype)
    for tap, met in _taps(layer, y.shape[2:]):
        part = _of_groups(weight[tap], layer.groups).swapaxes(1, 2) @ _matrices(y, layer.groups)
        padded[met] += part.reshape(padded[met].shape)
    return padded[_inner(shape, layer.padding)]


def _weight_gradient(x, y, layer: Layer):
    padded = np.zeros(_padded(x.shape, layer.padding), x.dtype)
    padded[_inner(x.shape, layer.padding)] = x
    weight = np.empty(layer.weight_shape, x.dtype)
    for tap, met in _taps(layer, layer.y_shape[2:]):
        sums = _matrices(y, layer.groups) @ _matrices(padded[met], layer.groups).swapaxes(2, 3)
        weight[tap] = sums.sum(0).reshape(weight[tap].shape)
    return weight


def reference(a, b, layer: Layer):
    """What the layer, or its gradient, gives."""
    wide = _wide(a), _wide(b), layer
    if layer.kind == "conv":
        result = _forward(*wide)
    elif layer.kind == "weight_gradient":
        result = _weight_gradient(*wide)
    else:
        result = _adjoint(*wide, layer.result_shape)
    return _narrow(result, a.dtype)
