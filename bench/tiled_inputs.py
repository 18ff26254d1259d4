"""Tiled and local layers: geometry and inputs, those of layers with banks of filters, and NumPy's answers."""
from dataclasses import dataclass

import layer_inputs
import numpy as np
from layer_inputs import Layer, _inner, _padded, _taps


@dataclass(frozen=True)
class Tiled(Layer):
    """A layer of two axes with ``tiles`` banks of filters along each, which divide the outputs."""

    tiles: tuple[int, int]

    @property
    def options(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in ("stride", "padding", "dilation")}

    @property
    def banks_shape(self) -> tuple[int, ...]:
        """The weights' shape; with tiles of one position that of `conv`."""
        return self.weight_shape if self.tiles == (1, 1) else self.tiles + self.weight_shape

    @property
    def result_shape(self) -> tuple[int, ...]:
        return self.banks_shape if self.kind == "weight_gradient" else super().result_shape


def geometry(case: dict) -> Tiled:
    """The layer that a line describes."""
    layer, tiles = layer_inputs.geometry(case), case["tiles"]
    return Tiled(**vars(layer), tiles=layer.y_shape[2:] if tiles == "all" else (tiles, tiles))


def label(case: dict) -> str:
    """A layer in words, without its dtype: ``3x3 64→64 @56, tiles 2x2``."""
    tiles = case["tiles"]
    banks = {"all": ", local", 1: ""}.get(tiles, f", tiles {tiles}x{tiles}")
    return layer_inputs.label(case) + banks


def typed_label(case: dict) -> str:
    return f"{case['dtype']} {label(case)}"


def arrays(case: dict, rng) -> tuple:
    """The two arrays of a layer, in the order of its formula, and its geometry; see `layer_inputs.arrays`."""
    layer = geometry(case)
    first = layer.y_shape if layer.kind == "input_gradient" else layer.x_shape
    second = layer.y_shape if layer.kind == "weight_gradient" else layer.banks_shape
    return *(rng.standard_normal(shape).astype(case["dtype"]) for shape in (first, second)), layer


# ---------------------------------------------------------------- references

def _in_tiles(a, tiles: tuple[int, int]):
    """(n, channels, h, i, w, j): tiles h, w, and positions i, j in one; n samples, c inputs, k outputs."""
    *outer, rows, columns = a.shape
    return a.reshape(*outer, rows // tiles[0], tiles[0], columns // tiles[1], tiles[1])


def _bordered(x, layer: Tiled):
    padded = np.zeros(_padded(x.shape, layer.padding))
    padded[_inner(x.shape, layer.padding)] = x
    return padded


def _forward(x, banks, layer: Tiled):
    padded, y = _bordered(x, layer), _in_tiles(np.zeros(layer.y_shape), layer.tiles)
    for tap, met in _taps(layer, layer.y_shape[2:]):
        y += np.einsum("nchiwj,ijkc->nkhiwj", _in_tiles(padded[met], layer.tiles), banks[tap])
    return y


def _input_gradient(y, banks, layer: Tiled):
    padded = np.zeros(_padded(layer.x_shape, layer.padding))
    for tap, met in _taps(layer, layer.y_shape[2:]):
        part = np.einsum("nkhiwj,ijkc->nchiwj", _in_tiles(y, layer.tiles), banks[tap])
        padded[met] += part.reshape(padded[met].shape)
    return padded[_inner(layer.x_shape, layer.padding)]


def _weight_gradient(x, y, layer: Tiled):
    padded, banks = _bordered(x, layer), np.empty(layer.tiles + layer.weight_shape)
    for tap, met in _taps(layer, layer.y_shape[2:]):
        banks[tap] = np.einsum("nchiwj,nkhiwj->ijkc", _in_tiles(padded[met], layer.tiles), _in_tiles(y, layer.tiles))
    return banks


def reference(a, b, layer: Tiled):
    """What the layer, or its gradient, gives: tap by tap, in double precision."""
    first, second = a.astype(np.float64), b.astype(np.float64)
    if layer.kind == "weight_gradient":
        result = _weight_gradient(first, second, layer)
    else:
        function = _input_gradient if layer.kind == "input_gradient" else _forward
        result = function(first, second.reshape(layer.tiles + layer.weight_shape), layer)
    return result.reshape(layer.result_shape).astype(a.dtype)
