"""Errors of tiled and local layers name the argument, the rule and what came, before any work."""
import numpy as np
import pytest

import fastconv
from fastconv import grad

from .test_layers_errors import refused

X, W, LOCAL, Y = np.ones((2, 4, 6, 7)), np.ones((2, 3, 6, 2, 3, 3)), np.ones((4, 5, 6, 2, 3, 3)), np.ones((2, 6, 4, 5))
HOW = {"groups": 2}

FORWARD = [
    ({"weight": np.ones((2, 3, 6, 2, 3))}, ValueError, "weight",
     ["(*tiles, K, C // groups, *kernel)", "(2, 3, 6, 2, 3)"]),
    ({"weight": np.ones((2, 3))}, ValueError, "weight", ["(2, 3)"]),
    ({"weight": np.ones((0, 3, 6, 2, 3, 3))}, ValueError, "weight", ["at least one", "(0, 3, 6, 2, 3, 3)"]),
    ({"weight": np.ones((2, 3, 6, 2, 3, 0))}, ValueError, "weight", ["at least one"]),
    ({"bias": np.ones(5)}, ValueError, "bias", ["(6,)", "(5,)"]),
    ({"bias": np.ones((3, 2, 6))}, ValueError, "bias", ["6)", "(3, 2, 6)"]),
    ({"groups": 4}, ValueError, "groups", ["6", "4"]), ({"groups": 3}, ValueError, "x", ["6 channels"]),
    ({"x": np.ones((2, 5, 6, 7))}, ValueError, "x", ["4 channels", "5"]),
    ({"x": np.ones((2, 4, 2, 7))}, ValueError, "x", ["(3, 3)", "(2, 7)"]),
    ({"x": np.ones((6, 7))}, ValueError, "x", ["(6, 7)"]),
    ({"x": X.astype(object)}, TypeError, "x", ["object"]), ({"stride": 0}, ValueError, "stride", ["0"]),
    ({"padding": "much"}, ValueError, "padding", ["much"]),
    ({"layout": "sideways"}, ValueError, "layout", ["sideways"]),
    ({"padding_mode": "ones"}, ValueError, "padding_mode", ["ones"]),
    ({"activation": "loud"}, ValueError, "activation", ["loud"]),
    ({"activation": "tanh", "dtype": complex}, TypeError, "activation", ["tanh", "complex128"]),
    ({"algorithm": "magic"}, ValueError, "algorithm", ["'unshared'", "magic"]),
    ({"algorithm": "winograd"}, ValueError, "algorithm", ["winograd"]),
    ({"algorithm": "depthwise"}, ValueError, "algorithm", ["depthwise"]),
    ({"workers": 0}, ValueError, "workers", ["0"]), ({"dtype": "M8[s]"}, TypeError, "dtype", ["datetime64"]),
    ({"out": np.ones((2, 6, 4, 6))}, ValueError, "out", ["(2, 6, 4, 5)", "(2, 6, 4, 6)"]),
    ({"out": np.ones((2, 6, 4, 5), "i")}, TypeError, "out", ["int32"]),
]


@pytest.mark.parametrize(("wrong", "error", "names", "says"), FORWARD, ids=str)
def test_forward(wrong, error, names, says):
    out = np.full(Y.shape, 7.0)
    refused(fastconv.tiled_conv, {"x": X, "weight": W, **HOW, "out": out, **wrong}, error, names, says)
    assert (out == 7).all()


@pytest.mark.parametrize("function", [fastconv.local_conv, grad.local_conv_input, grad.local_conv_weight])
def test_local_wants_a_bank_for_each_output(function):
    given = {"input": {"input_size": X.shape, "weight": W, "grad_output": Y},
             "weight": {"x": X, "weight_size": W.shape, "grad_output": Y}}.get(
                 function.__name__.rpartition("_")[2], {"x": X, "weight": W})
    refused(function, {**given, **HOW}, ValueError, "weight or weight_size", ["(4, 5)", "(2, 3)", "tiled_conv"])


def test_read_only_out():
    out = np.full(Y.shape, 7.0)
    out.flags.writeable = False
    refused(fastconv.local_conv, {"x": X, "weight": LOCAL, **HOW, "out": out}, ValueError, "out", ["read-only"])


@pytest.mark.parametrize(("wrong", "error", "names"), [
    ({"grad_output": np.ones((2, 6, 4, 4))}, ValueError, "grad_output"),
    ({"grad_output": Y[0]}, ValueError, "grad_output"),
    ({"grad_output": Y.astype(str)}, TypeError, "grad_output"), ({"workers": 0}, ValueError, "workers"),
    ({"padding_mode": "ones"}, ValueError, "padding_mode"), ({"layout": 3}, ValueError, "layout"),
    ({"groups": 5}, ValueError, "groups"), ({"stride": 1.5}, TypeError, "stride"),
])
@pytest.mark.parametrize("kind", ["tiled", "local"])
def test_gradients(kind, wrong, error, names):
    w = W if kind == "tiled" else LOCAL
    out = np.full(X.shape, 7.0)
    refused(getattr(grad, f"{kind}_conv_input"),
            {"input_size": X.shape, "weight": w, "grad_output": Y, **HOW, "out": out, **wrong}, error, names, [])
    assert (out == 7).all()
    out = np.full(w.shape, 7.0)
    refused(getattr(grad, f"{kind}_conv_weight"),
            {"x": X, "weight_size": w.shape, "grad_output": Y, **HOW, "out": out, **wrong}, error, names, [])
    assert (out == 7).all()


def test_sizes():
    given = {"input_size": 5, "weight": W, "grad_output": Y, **HOW}
    refused(grad.tiled_conv_input, given, TypeError, "input_size", ["5"])
    refused(grad.tiled_conv_input, {**given, "input_size": (6, 7)}, ValueError, "input_size", ["(6, 7)"])
    given = {"x": X, "weight_size": 5, "grad_output": Y, **HOW}
    refused(grad.tiled_conv_weight, given, TypeError, "weight_size", ["5"])
    refused(grad.tiled_conv_weight, {**given, "weight_size": (2, 6, 2, 3)}, ValueError, "x or grad_output", [])


@pytest.mark.parametrize(("tiles", "error"), [
    (2, TypeError), ((), TypeError), ((0, 2), ValueError), ((1.5, 2), TypeError)])
def test_tiles_of_a_bias(tiles, error):
    refused(grad.tiled_conv_bias, {"grad_output": Y, "tiles": tiles}, error, "tiles", [])
    refused(grad.tiled_conv_bias, {"grad_output": np.ones(3), "tiles": (2, 2)}, ValueError, "grad_output", ["(3,)"])
