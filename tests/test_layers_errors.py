"""Errors of layers name the argument in backticks, the rule, what was expected and what came, with shapes."""
import numpy as np
import pytest

import fastconv
from fastconv import grad

X, W, BIAS = np.ones((2, 4, 6, 7)), np.ones((6, 2, 3, 3)), np.ones(6)
Y = np.ones((2, 6, 4, 5))
COLUMNS = np.ones((2, 36, 20))


def spelt(value):
    """A short name for a test: arrays by their shapes."""
    if not isinstance(value, dict):
        return str(value) if isinstance(value, tuple) else ""
    return ",".join(f"{name}={getattr(given, 'shape', given)}" for name, given in value.items())


def refused(function, given, error, names, says):
    """The call raises, and the message begins with one of `names` in backticks and holds what it must say."""
    with pytest.raises(error) as caught:
        function(**given)
    message = str(caught.value)
    assert any(message.startswith(f"`{name}`") for name in names.split(" or ")), message
    for word in says:
        assert word in message, message


# What every function with windows refuses; shapes are of rank 2.
WINDOWS = [
    ({"stride": 0}, ValueError, "stride", ["0"]), ({"stride": (1, -2)}, ValueError, "stride", ["-2"]),
    ({"stride": (1, 2, 3)}, ValueError, "stride", ["2", "(1, 2, 3)"]),
    ({"stride": (2,) * 3}, ValueError, "stride", ["(2, 2, 2)"]),
    ({"stride": 1.5}, TypeError, "stride", ["1.5"]), ({"stride": "2"}, TypeError, "stride", ["'2'"]),
    ({"stride": None}, TypeError, "stride", ["None"]), ({"stride": (1, 2.5)}, TypeError, "stride", ["2.5"]),
    ({"dilation": 0}, ValueError, "dilation", ["0"]), ({"dilation": (1, -1)}, ValueError, "dilation", ["-1"]),
    ({"dilation": (1, 1, 1)}, ValueError, "dilation", ["(1, 1, 1)"]),
    ({"dilation": 0.5}, TypeError, "dilation", ["0.5"]),
    ({"padding": -1}, ValueError, "padding", ["-1"]), ({"padding": (0, -3)}, ValueError, "padding", ["-3"]),
    ({"padding": ((0, 0), (1, -1))}, ValueError, "padding", ["-1"]),
    ({"padding": (1, 2, 3)}, ValueError, "padding", ["(1, 2, 3)"]),
    ({"padding": (1,) * 3}, ValueError, "padding", ["(1, 1, 1)"]),
    ({"padding": ((1, 1),) * 3}, ValueError, "padding", ["((1, 1), (1, 1), (1, 1))"]),
    ({"padding": ((1, 1, 1), (1, 1, 1))}, ValueError, "padding", ["(1, 1, 1)"]),
    ({"padding": "all"}, ValueError, "padding", ["'valid'", "'same'", "'same_lower'", "'full'", "'causal'", "'all'"]),
    ({"padding": 1.5}, TypeError, "padding", ["1.5"]), ({"padding": None}, TypeError, "padding", ["None"]),
    ({"padding_mode": "mirror"}, ValueError, "padding_mode",
     ["'zeros'", "'reflect'", "'replicate'", "'circular'", "'symmetric'", "'mirror'"]),
    ({"padding_mode": None}, ValueError, "padding_mode", ["None"]),
    ({"layout": "NCHW"}, ValueError, "layout", ["'channels_first'", "'channels_last'", "'NCHW'"]),
    ({"layout": ["channels_last"]}, ValueError, "layout", ["channels_last"]),
    ({"dtype": object}, TypeError, "dtype", ["object"]), ({"dtype": "M8[s]"}, TypeError, "dtype", ["datetime64[s]"]),
    ({"workers": 0}, ValueError, "workers", ["at least 1", "got 0"]), ({"workers": 1.5}, TypeError, "workers", ["1.5"]),
    ({"out": 3}, TypeError, "out", ["array", "int"]),
    ({"out": np.ones((3, 3))}, ValueError, "out", ["shape", "(3, 3)"]),
]
GROUPS = [
    ({"groups": 0}, ValueError, "groups", ["0"]), ({"groups": -1}, ValueError, "groups", ["-1"]),
    ({"groups": 1.5}, TypeError, "groups", ["1.5"]), ({"groups": (2,)}, TypeError, "groups", ["(2,)"]),
]
ACTIVATIONS = [
    ({"activation": "gelu"}, ValueError, "activation",
     ["'relu'", "'relu6'", "'sigmoid'", "'tanh'", "'silu'", "'leaky_relu'", "'gelu'"]),
    ({"activation": 3}, (TypeError, ValueError), "activation", ["3"]),
    ({"activation": ("leaky_relu",)}, (TypeError, ValueError), "activation", ["('leaky_relu',)"]),
    ({"activation": ("relu", 0.5)}, (TypeError, ValueError), "activation", ["('relu', 0.5)"]),
    ({"activation": ("leaky_relu", "steep")}, (TypeError, ValueError), "activation", ["'steep'"]),
    ({"activation": "relu", "dtype": bool}, TypeError, "activation", ["'relu'", "bool"]),
    ({"activation": "relu", "dtype": complex}, TypeError, "activation", ["'relu'", "complex128"]),
    ({"activation": "tanh", "dtype": np.int16}, TypeError, "activation", ["'tanh'", "int16"]),
    ({"activation": "leaky_relu", "dtype": np.uint8}, TypeError, "activation", ["'leaky_relu'", "uint8"]),
    ({"algorithm": "fast"}, ValueError, "algorithm", ["'auto'", "'fast'"]),
    ({"algorithm": None}, ValueError, "algorithm", ["None"]),
]
RESULTS = [
    ({"out": np.broadcast_to(1.0, Y.shape)}, ValueError, "out", ["writable", "read-only"]),
    ({"out": np.ones(Y.shape, int)}, TypeError, "out", ["same-kind", "float64", "int64"]),
    ({"out": np.ones((2, 6, 4, 6))}, ValueError, "out", ["(2, 6, 4, 5)", "(2, 6, 4, 6)"]),
    ({"out": np.ones((6, 4, 5))}, ValueError, "out", ["(2, 6, 4, 5)", "(6, 4, 5)"]),
]


@pytest.mark.parametrize(("wrong", "error", "names", "says"), [
    *WINDOWS, *GROUPS, *ACTIVATIONS, *RESULTS,
    ({"x": np.ones((6, 7))}, ValueError, "x", ["(6, 7)"]), ({"x": 3.0}, ValueError, "x", ["()"]),
    ({"x": np.ones((2, 5, 6, 7))}, ValueError, "x or weight", ["4", "(2, 5, 6, 7)"]),
    ({"x": np.ones((2, 6, 7, 4))}, ValueError, "x or weight", ["4", "(2, 6, 7, 4)"]),
    ({"layout": "channels_last"}, ValueError, "x or weight", ["4", "(2, 4, 6, 7)"]),
    ({"groups": 1}, ValueError, "x or weight or groups", ["4", "2"]),
    ({"groups": 4}, ValueError, "groups or weight or x", ["4", "6"]),
    ({"x": np.ones((2, 8, 6, 7)), "groups": 4}, ValueError, "groups or weight", ["4", "6"]),
    ({"weight": np.ones((6, 4))}, ValueError, "weight", ["(6, 4)"]), ({"weight": 1.0}, ValueError, "weight", ["()"]),
    ({"weight": np.ones((6, 2, 0, 3))}, ValueError, "weight", ["(6, 2, 0, 3)"]),
    ({"x": np.ones((2, 4, 2, 7))}, ValueError, "x or weight", ["2", "3"]),
    ({"x": np.ones((0, 4, 2, 7))}, ValueError, "x or weight", ["2", "3"]),
    ({"weight": np.ones((0, 2, 3, 8)), "bias": None}, ValueError, "x or weight", ["8"]),
    ({"dilation": (1, 4)}, ValueError, "x or weight or dilation", []),
    ({"x": np.ones((2, 4, 0, 7)), "padding": 2, "padding_mode": "reflect"}, ValueError, "x or padding_mode",
     ["'reflect'"]),
    ({"x": np.ones((2, 4, 0, 7)), "padding": 2, "padding_mode": "circular"}, ValueError, "x or padding_mode",
     ["'circular'"]),
    ({"bias": np.ones(5)}, ValueError, "bias", ["6", "(5,)"]), ({"bias": 1.0}, ValueError, "bias", ["6", "()"]),
    ({"bias": np.ones(1)}, ValueError, "bias", ["6", "(1,)"]),
    ({"bias": np.ones((6, 1))}, ValueError, "bias", ["(6, 1)"]),
    ({"x": X.astype(object)}, TypeError, "x", ["object"]), ({"weight": W.astype("U3")}, TypeError, "weight", ["<U3"]),
    ({"bias": BIAS.astype("m8[D]")}, TypeError, "bias", ["timedelta64[D]"]), ({"x": None}, TypeError, "x", ["object"]),
    ({"x": [["a"]]}, TypeError, "x", ["<U1"]),
    ({"x": X.astype("F"), "activation": "relu"}, TypeError, "activation", ["complex"]),
    ({"x": X > 0, "weight": W > 0, "bias": BIAS > 0, "activation": "relu6"}, TypeError, "activation", ["bool"]),
], ids=spelt)
def test_conv(wrong, error, names, says):
    given = {"x": X, "weight": W, "bias": BIAS, "groups": 2, **wrong}
    refused(fastconv.conv, given, error, names, says)
    if np.ndim(given["weight"]) != 4:
        says = []    # these know better what is expected
    refused(fastconv.conv2d, given, error, names, says)


@pytest.mark.parametrize(("wrong", "error", "names", "says"), [
    *WINDOWS, *GROUPS, *ACTIVATIONS,
    ({"x": np.ones((2, 5, 4, 5))}, ValueError, "x or weight", ["6", "(2, 5, 4, 5)"]),
    ({"x": np.ones((4, 5))}, ValueError, "x", ["(4, 5)"]),
    ({"weight": np.ones((6, 2))}, ValueError, "weight", ["(6, 2)"]),
    ({"layout": "channels_last"}, ValueError, "x or weight", ["6", "(2, 6, 4, 5)"]),
    ({"groups": 4}, ValueError, "groups or weight or x", ["4", "6"]),
    ({"bias": np.ones(6)}, ValueError, "bias", ["4", "(6,)"]),
    ({"weight": np.ones((6, 2, 0, 3))}, ValueError, "weight", ["(6, 2, 0, 3)"]),
    ({"output_padding": 1}, ValueError, "output_padding", ["1"]),
    ({"output_padding": (1, 2), "stride": 2}, ValueError, "output_padding", ["(1, 2)"]),
    ({"output_padding": 3, "stride": 2, "dilation": 3}, ValueError, "output_padding", ["3"]),
    ({"output_padding": -1}, ValueError, "output_padding", ["-1"]),
    ({"output_padding": (0, 0, 0)}, ValueError, "output_padding", ["(0, 0, 0)"]),
    ({"output_padding": 0.5}, TypeError, "output_padding", ["0.5"]),
    ({"output_size": (5, 7)}, ValueError, "output_size", ["(5, 7)"]),
    ({"output_size": (7, 7)}, ValueError, "output_size", ["(7, 7)"]),
    ({"output_size": (8, 11), "stride": 2}, ValueError, "output_size", ["(8, 11)"]),
    ({"output_size": (9, 13), "stride": 2}, ValueError, "output_size", ["(9, 13)"]),
    ({"output_size": (8, 11), "stride": 2, "padding": "same"}, ValueError, "output_size", ["11"]),
    ({"output_size": (9, 10), "stride": 2, "padding": "same"}, ValueError, "output_size", ["(9, 10)"]),
    ({"output_size": (6,) * 3}, ValueError, "output_size", ["(6, 6, 6)"]),
    ({"output_size": (2, 4, 6, 7)}, ValueError, "output_size", ["(2, 4, 6, 7)"]),
    ({"output_size": (6, 7.0)}, TypeError, "output_size", ["7.0"]),
    ({"padding": 4}, ValueError, "padding or x or weight or output_size", []),
    ({"x": Y.astype(object)}, TypeError, "x", ["object"]), ({"weight": W.astype("U3")}, TypeError, "weight", ["<U3"]),
    ({"out": np.ones((2, 4, 6, 8))}, ValueError, "out", ["(2, 4, 6, 7)", "(2, 4, 6, 8)"]),
    ({"out": np.ones((2, 4, 6, 7), bool)}, TypeError, "out", ["same-kind", "float64", "bool"]),
], ids=spelt)
def test_conv_transpose(wrong, error, names, says):
    given = {"x": Y, "weight": W, "groups": 2, **wrong}
    refused(fastconv.conv_transpose, given, error, names, says)
    if np.ndim(given["weight"]) == 4:
        refused(fastconv.conv_transpose2d, given, error, names, says)


@pytest.mark.parametrize("name", ["conv", "conv_transpose"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_names_with_a_rank(name, rank):
    """The rank is the weight's, and must be the name's."""
    for other in {1, 2, 3, 4} - {rank}:
        shape = (4, 3, *(2,) * other)
        given = {"x": np.ones((2, 4 if name.endswith("transpose") else 3, *(5,) * other)), "weight": np.ones(shape)}
        getattr(fastconv, name)(**given)
        refused(getattr(fastconv, f"{name}{rank}d"), given, ValueError, "weight", [str(shape), str(rank + 2)])


@pytest.mark.parametrize(("wrong", "error", "names", "says"), [
    *WINDOWS,
    ({"kernel_size": 0}, ValueError, "kernel_size", ["0"]),
    ({"kernel_size": (3, -1)}, ValueError, "kernel_size", ["-1"]),
    ({"kernel_size": 1.5}, TypeError, "kernel_size", ["1.5"]),
    ({"kernel_size": None}, TypeError, "kernel_size", ["None"]),
    ({"kernel_size": ()}, ValueError, "x or kernel_size", []),
    ({"kernel_size": (2, 2, 2, 2)}, ValueError, "x or kernel_size", ["(2, 4, 6, 7)"]),
    ({"x": np.ones((4, 6)), "kernel_size": 2}, ValueError, "x or kernel_size", ["2"]),
    ({"kernel_size": (7, 3)}, ValueError, "x or kernel_size", ["6", "7"]),
    ({"x": np.ones((2, 4, 0, 7)), "padding": 2, "padding_mode": "reflect"}, ValueError, "x or padding_mode",
     ["'reflect'"]),
    ({"x": X.astype(object)}, TypeError, "x", ["object"]),
    ({"out": np.ones((2, 36, 21))}, ValueError, "out", ["(2, 36, 20)", "(2, 36, 21)"]),
], ids=spelt)
def test_im2col(wrong, error, names, says):
    refused(fastconv.im2col, {"x": X, "kernel_size": (3, 3), **wrong}, error, names, says)


@pytest.mark.parametrize(("wrong", "error", "names", "says"), [
    *WINDOWS,
    ({"kernel_size": 0}, ValueError, "kernel_size", ["0"]),
    ({"kernel_size": (3,) * 3}, ValueError, "output_size or kernel_size", ["3 spatial axes"]),
    ({"output_size": (6, 7, 8)}, ValueError, "output_size or kernel_size", []),
    ({"output_size": (6, -7)}, ValueError, "output_size", ["-7"]),
    ({"output_size": (6, 7.5)}, TypeError, "output_size", ["7.5"]),
    ({"output_size": (2, 7)}, ValueError, "output_size or kernel_size", ["2", "3"]),
    ({"output_size": (6, 8)}, ValueError, "cols", ["(2, 36, 20)"]),
    ({"cols": np.ones((2, 35, 20))}, ValueError, "cols", ["(2, 35, 20)"]),
    ({"cols": np.ones(20)}, ValueError, "cols", ["(20,)"]),
    ({"cols": COLUMNS.astype(object)}, TypeError, "cols", ["object"]),
    ({"layout": "channels_last"}, ValueError, "cols", ["(2, 36, 20)"]),
    ({"out": np.ones((2, 4, 6, 8))}, ValueError, "out", ["(2, 4, 6, 7)", "(2, 4, 6, 8)"]),
], ids=spelt)
def test_col2im(wrong, error, names, says):
    given = {"cols": COLUMNS, "output_size": (6, 7), "kernel_size": (3, 3), **wrong}
    refused(fastconv.col2im, given, error, names, says)


GRADIENTS = {
    "conv_input": {"input_size": X.shape, "weight": W, "grad_output": Y},
    "conv_weight": {"x": X, "weight_size": W.shape, "grad_output": Y},
    "conv_transpose_input": {"input_size": Y.shape, "weight": W, "grad_output": X},
    "conv_transpose_weight": {"x": Y, "weight_size": W.shape, "grad_output": X},
}


@pytest.mark.parametrize("name", GRADIENTS)
@pytest.mark.parametrize(("wrong", "error", "names", "says"), [
    *WINDOWS, *GROUPS,
    ({"grad_output": np.ones((2, 6, 4, 4))}, ValueError, "grad_output", ["(2, 6, 4, 4)"]),
    ({"grad_output": np.ones((1, 6, 4, 5))}, ValueError, "grad_output", ["(1, 6, 4, 5)"]),
    ({"grad_output": np.ones((6, 4, 5))}, ValueError, "grad_output", ["(6, 4, 5)"]),
    ({"grad_output": np.ones((2, 5, 4, 5))}, ValueError, "grad_output", ["(2, 5, 4, 5)"]),
    ({"grad_output": Y.astype(object)}, TypeError, "grad_output", ["object"]),
    ({"layout": "channels_last"}, ValueError, "input_size or x or weight or weight_size or grad_output", []),
    ({"groups": 1}, ValueError, "input_size or x or weight or weight_size or grad_output or groups", []),
], ids=spelt)
def test_gradients(name, wrong, error, names, says):
    given = {**GRADIENTS[name], "groups": 2, **wrong}
    if wrong == {"groups": 1} and "transpose" in name:    # right, with twice as many channels
        given["grad_output"] = Y
    refused(getattr(grad, name), given, error, names, says)


@pytest.mark.parametrize("name", ["conv_input", "conv_transpose_input"])
@pytest.mark.parametrize(("wrong", "error"), [
    ((2, 5, 6, 7), ValueError), ((6, 7), ValueError), ((), ValueError), ((2, 4, -6, 7), ValueError),
    ((2, 4, 60, 7), ValueError),
    ((2, 4, 6.0, 7), TypeError), (None, TypeError), ("abcd", TypeError),
], ids=spelt)
def test_input_size(name, wrong, error):
    names = "input_size or grad_output" if error is ValueError else "input_size"
    refused(getattr(grad, name), {**GRADIENTS[name], "groups": 2, "input_size": wrong}, error, names, [])


@pytest.mark.parametrize("name", ["conv_weight", "conv_transpose_weight"])
@pytest.mark.parametrize(("wrong", "error"), [
    ((6, 3, 3, 3), ValueError), ((6, 4), ValueError), ((6, 2, 0, 3), ValueError), ((6, 2, -3, 3), ValueError),
    ((), ValueError),
    ((7, 2, 3, 3), ValueError), ((6, 2, 3.0, 3), TypeError), (None, TypeError), (6, TypeError),
], ids=spelt)
def test_weight_size(name, wrong, error):
    names = "weight_size or x or grad_output or groups" if error is ValueError else "weight_size"
    refused(getattr(grad, name), {**GRADIENTS[name], "groups": 2, "weight_size": wrong}, error, names, [])


@pytest.mark.parametrize("name", ["conv_transpose_input", "conv_transpose_weight"])
@pytest.mark.parametrize(("wrong", "error", "names"), [
    ({"output_padding": 1}, ValueError, "output_padding"), ({"output_padding": -1}, ValueError, "output_padding"),
    ({"output_padding": 1, "dilation": 2}, ValueError, "grad_output"),
    ({"output_padding": 0.5}, TypeError, "output_padding"),
], ids=spelt)
def test_output_padding_of_gradients(name, wrong, error, names):
    refused(getattr(grad, name), {**GRADIENTS[name], "groups": 2, **wrong}, error, names, [])


@pytest.mark.parametrize("name", ["conv_bias", "conv_transpose_bias"])
@pytest.mark.parametrize(("wrong", "error", "names", "says"), [
    ({"grad_output": np.ones((2, 3))}, ValueError, "grad_output", ["(2, 3)"]),
    ({"grad_output": np.ones((2, 3)), "rank": 2}, ValueError, "grad_output or rank", ["(2, 3)"]),
    ({"rank": 0}, ValueError, "rank", ["0"]), ({"rank": 1.5}, TypeError, "rank", ["1.5"]),
    ({"grad_output": Y.astype("U3")}, TypeError, "grad_output", ["<U3"]),
    ({"layout": "NHWC"}, ValueError, "layout", ["'NHWC'"]), ({"dtype": object}, TypeError, "dtype", ["object"]),
    ({"out": np.ones(5)}, ValueError, "out", ["(6,)", "(5,)"]), ({"workers": 0}, ValueError, "workers", ["0"]),
], ids=spelt)
def test_bias(name, wrong, error, names, says):
    refused(getattr(grad, name), {"grad_output": Y, **wrong}, error, names, says)


@pytest.mark.parametrize(("wrong", "error", "names", "says"), [
    *(case for case in WINDOWS if not case[0].keys() & {"dtype", "workers", "out"}), *GROUPS,
    *(case for case in ACTIVATIONS if "dtype" not in case[0]),
    ({"weight": np.ones((6, 4))}, ValueError, "weight", ["(6, 4)"]),
    ({"weight": np.ones((6, 2, 0, 3))}, ValueError, "weight", ["(6, 2, 0, 3)"]),
    ({"groups": 4}, ValueError, "groups or weight", ["4", "6"]),
    ({"weight": W.astype(object)}, TypeError, "weight", ["object"]),
    ({"bias": np.ones(5)}, ValueError, "bias", ["6", "(5,)"]),
    ({"bias": BIAS.astype(object)}, TypeError, "bias", ["object"]),
], ids=spelt)
def test_packed_layers_when_made(wrong, error, names, says):
    refused(fastconv.Conv, {"weight": W, "groups": 2, **wrong}, error, names, says)


@pytest.mark.parametrize(("wrong", "error", "names", "says"), [
    ({"x": np.ones((2, 5, 6, 7))}, ValueError, "x", ["4", "(2, 5, 6, 7)"]),
    ({"x": np.ones((6, 7))}, ValueError, "x", ["(6, 7)"]),
    ({"x": np.ones((4, 2, 7))}, ValueError, "x or weight", ["2", "3"]),
    ({"x": X.astype(object)}, TypeError, "x", ["object"]),
    ({"x": X.astype("F")}, TypeError, "activation", ["'relu'", "complex128"]),
    ({"workers": 0}, ValueError, "workers", ["0"]), ({"workers": "2"}, TypeError, "workers", ["'2'"]), *RESULTS,
], ids=spelt)
def test_packed_layers_when_called(wrong, error, names, says):
    packed = fastconv.Conv(W, BIAS, groups=2, activation="relu")
    refused(packed, {"x": X, **wrong}, error, names, says)
    assert packed(X).shape == Y.shape


@pytest.mark.parametrize(("function", "most"), [
    (fastconv.conv, (X, W, None, 1, 0, 1, 2)), (fastconv.conv2d, (X, W, None, 1, 0, 1, 2)),
    (fastconv.conv_transpose, (Y, W, None, 1, 0, 0, 2, 1)), (fastconv.im2col, (X, (3, 3), 1, 0, 1)),
    (fastconv.col2im, (COLUMNS, (6, 7), (3, 3), 1, 0, 1)), (fastconv.Conv, (W, None, 1, 0, 1, 2)),
    (grad.conv_input, (X.shape, W, Y, 1, 0, 1, 2)), (grad.conv_weight, (X, W.shape, Y, 1, 0, 1, 2)),
    (grad.conv_bias, (Y,)),
    (grad.conv_transpose_input, (Y.shape, W, X, 1, 0, 0, 2, 1)),
    (grad.conv_transpose_weight, (Y, W.shape, X, 1, 0, 0, 2, 1)), (grad.conv_transpose_bias, (Y,)),
], ids=lambda value: getattr(value, "__name__", ""))
def test_extras_are_keyword_only(function, most):
    function(*most)
    with pytest.raises(TypeError, match="positional"):
        function(*most, None)


def test_a_complex_slope_is_no_number():
    """NumPy's complex numbers become real ones with a warning only."""
    for slope in (1j, np.complex64(1), np.complex128(1)):
        with pytest.raises(TypeError, match="`activation`: the slope must be a number"):
            fastconv.conv(X, W, groups=2, activation=("leaky_relu", slope))
