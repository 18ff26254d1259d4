"""Errors of pools name the argument in backticks, the rule, what was expected and what came; out stays untouched."""
import numpy as np
import pytest

import fastconv
from fastconv import grad

from .cases import equal
from .test_layers_errors import refused, spelt

X = np.ones((2, 4, 6, 7))
Y, INDICES = np.ones((2, 4, 3, 3)), np.arange(9).reshape(3, 3) * np.ones((2, 4, 1, 1), int)
EXTREMES = ("max_pool", "min_pool")
WINDOWED = (*EXTREMES, "avg_pool", "sum_pool", "lp_pool")
SHAPE = "x or kernel_size or padding or dilation"

# What every function with windows refuses; x has two spatial axes.
SIZES = [
    ({"kernel_size": 0}, ValueError, "kernel_size", ["0"]),
    ({"kernel_size": (3, -1)}, ValueError, "kernel_size", ["-1"]),
    ({"kernel_size": 1.5}, TypeError, "kernel_size", ["1.5"]),
    ({"kernel_size": (2, 2.0)}, TypeError, "kernel_size", ["2.0"]),
    ({"kernel_size": "2"}, TypeError, "kernel_size", ["'2'"]),
    ({"kernel_size": None}, TypeError, "kernel_size", ["None"]),
    ({"kernel_size": ()}, ValueError, "x or kernel_size", []),
    ({"stride": 0}, ValueError, "stride", ["0"]), ({"stride": (1, -2)}, ValueError, "stride", ["-2"]),
    ({"stride": (1, 2, 3)}, ValueError, "stride", ["2", "(1, 2, 3)"]),
    ({"stride": (2,) * 3}, ValueError, "stride", ["(2, 2, 2)"]),
    ({"stride": 1.5}, TypeError, "stride", ["1.5"]), ({"stride": "2"}, TypeError, "stride", ["'2'"]),
    ({"padding": -1}, ValueError, "padding", ["-1"]), ({"padding": (0, -3)}, ValueError, "padding", ["-3"]),
    ({"padding": ((0, 0), (1, -1))}, ValueError, "padding", ["-1"]),
    ({"padding": (1, 1, 1)}, ValueError, "padding", ["(1, 1, 1)"]),
    ({"padding": (1,) * 3}, ValueError, "padding", ["(1, 1, 1)"]),
    ({"padding": ((1, 1),) * 3}, ValueError, "padding", ["((1, 1), (1, 1), (1, 1))"]),
    ({"padding": ((1, 1, 1), (1, 1, 1))}, ValueError, "padding", ["(1, 1, 1)"]),
    ({"padding": 1.5}, TypeError, "padding", ["1.5"]), ({"padding": None}, TypeError, "padding", ["None"]),
    ({"padding": "all"}, ValueError, "padding", ["'valid'", "'same'", "'same_lower'", "'all'"]),
    ({"padding": "full"}, ValueError, "padding", ["'full'"]),
    ({"padding": "causal"}, ValueError, "padding", ["'causal'"]),
]
DILATIONS = [
    ({"dilation": 0}, ValueError, "dilation", ["0"]), ({"dilation": (1, -1)}, ValueError, "dilation", ["-1"]),
    ({"dilation": (1, 1, 1)}, ValueError, "dilation", ["(1, 1, 1)"]),
    ({"dilation": 0.5}, TypeError, "dilation", ["0.5"]), ({"dilation": None}, TypeError, "dilation", ["None"]),
]
# Padding as wide as the window, before or after.
WIDE = [
    ({"padding": 2}, ValueError, "padding", ["2"]), ({"padding": (0, 2)}, ValueError, "padding", ["2"]),
    ({"padding": ((0, 0), (0, 2))}, ValueError, "padding", ["2"]),
    ({"padding": ((3, 0), 0)}, ValueError, "padding", ["3"]),
    ({"padding": 3, "dilation": 2}, ValueError, "padding", ["3"]),
    ({"kernel_size": 1, "padding": 1}, ValueError, "padding", ["1"]),
]
COMMON = [
    ({"layout": "NCHW"}, ValueError, "layout", ["'channels_first'", "'channels_last'", "'NCHW'"]),
    ({"layout": ["channels_last"]}, ValueError, "layout", ["channels_last"]),
    ({"dtype": object}, TypeError, "dtype", ["object"]), ({"dtype": "M8[s]"}, TypeError, "dtype", ["datetime64[s]"]),
    ({"workers": 0}, ValueError, "workers", ["at least 1", "got 0"]), ({"workers": 1.5}, TypeError, "workers", ["1.5"]),
    ({"workers": "2"}, TypeError, "workers", ["'2'"]),
    ({"out": 3}, TypeError, "out", ["array", "int"]), ({"out": [[1.0]]}, TypeError, "out", ["array", "list"]),
    ({"out": np.ones((3, 3))}, ValueError, "out", ["shape", "(3, 3)"]),
]
RESULTS = [
    ({"out": np.broadcast_to(1.0, Y.shape)}, ValueError, "out", ["writable", "read-only"]),
    ({"out": np.ones(Y.shape, int)}, TypeError, "out", ["same-kind", "float64", "int64"]),
    ({"out": np.ones((2, 4, 3, 4))}, ValueError, "out", ["(2, 4, 3, 3)", "(2, 4, 3, 4)"]),
    ({"out": np.ones((4, 3, 3))}, ValueError, "out", ["(2, 4, 3, 3)", "(4, 3, 3)"]),
]
WRONG_X = [
    ({"x": X.astype(object)}, TypeError, "x", ["object"]), ({"x": X.astype("U3")}, TypeError, "x", ["<U3"]),
    ({"x": X.astype("m8[D]")}, TypeError, "x", ["timedelta64[D]"]), ({"x": None}, TypeError, "x", ["object"]),
]


def untouched(function, given, error, names, says):
    """Refused, and an array for the result is as it was."""
    out = given.get("out")
    before = out.copy() if isinstance(out, np.ndarray) else None
    refused(function, given, error, names, says)
    if before is not None:
        equal(np.array(out), before)


def pool(name, **given):
    return {"x": X, "kernel_size": 2, **({"norm_type": 2} if name == "lp_pool" else {}), **given}


@pytest.mark.parametrize("name", WINDOWED)
@pytest.mark.parametrize(("wrong", "error", "names", "says"), [
    *SIZES, *DILATIONS, *WIDE, *COMMON, *RESULTS, *WRONG_X,
    ({"kernel_size": (2, 2, 2, 2, 2)}, ValueError, "x or kernel_size", ["(2, 4, 6, 7)"]),
    ({"kernel_size": (2,), "x": np.ones(())}, ValueError, "x or kernel_size", ["()"]),
    ({"x": np.ones((6, 7))}, ValueError, "x or kernel_size", ["(6, 7)"]),
    ({"x": np.ones((2, 7)), "kernel_size": (2, 2), "layout": "channels_last"}, ValueError, "x or kernel_size",
     ["(2, 7)"]),
    # no output
    ({"kernel_size": (7, 2)}, ValueError, SHAPE, ["6", "7"]), ({"kernel_size": (2, 8)}, ValueError, SHAPE, ["7", "8"]),
    ({"x": np.ones((0, 4, 1, 7))}, ValueError, SHAPE, ["1", "2"]),
    ({"dilation": (1, 7)}, ValueError, SHAPE, ["7", "8"]),
    ({"kernel_size": 9, "stride": 1, "ceil_mode": True}, ValueError, SHAPE, ["9"]),
    ({"kernel_size": (1, 10), "stride": (1, 3), "ceil_mode": True}, ValueError, SHAPE, ["10"]),
], ids=spelt)
def test_windows(name, wrong, error, names, says):
    """With an array for the result wherever that is not what is wrong."""
    given = pool(name, **wrong)
    untouched(getattr(fastconv, name), {"out": np.full(Y.shape, 7.0), **given}, error, names, says)
    if np.ndim(given["kernel_size"]) == 0 and np.ndim(given["x"]) == 4:
        untouched(getattr(fastconv, f"{name}2d"), {"out": np.full(Y.shape, 7.0), **given}, error, names, says)


@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize(("wrong", "error", "names", "says"), [
    ({"x": X.astype("F")}, TypeError, "x", ["complex64"]), ({"x": X.astype("D")}, TypeError, "x", ["complex128"]),
    ({"x": X.astype("G")}, TypeError, "x", ["complex"]), ({"dtype": complex}, TypeError, "dtype", ["complex128"]),
    # windows that see nothing
    ({"x": np.ones((2, 4, 2, 2)), "stride": 1, "dilation": 4, "padding": 2}, ValueError, SHAPE, []),
    ({"x": np.ones((2, 4, 0, 7)), "stride": 1, "padding": 1}, ValueError, SHAPE, []),
], ids=spelt)
def test_maxima(name, wrong, error, names, says):
    refused(getattr(fastconv, name), pool(name, **wrong), error, names, says)


@pytest.mark.parametrize(("wrong", "error", "says"), [
    ({"divisor_override": 0}, ValueError, ["0"]), ({"divisor_override": "3"}, TypeError, ["'3'"]),
    ({"divisor_override": (2, 2)}, TypeError, ["(2, 2)"]),
], ids=spelt)
def test_divisors(wrong, error, says):
    refused(fastconv.avg_pool, pool("avg_pool", **wrong), error, "divisor_override", says)
    refused(grad.avg_pool, {"input_size": X.shape, "grad_output": Y, "kernel_size": 2, **wrong}, error,
            "divisor_override", says)


@pytest.mark.parametrize(("wrong", "error", "names", "says"), [
    ({"norm_type": 0}, ValueError, "norm_type", ["0"]), ({"norm_type": -1.5}, ValueError, "norm_type", ["-1.5"]),
    ({"norm_type": np.nan}, ValueError, "norm_type", ["nan"]), ({"norm_type": "2"}, TypeError, "norm_type", ["'2'"]),
    ({"norm_type": None}, TypeError, "norm_type", ["None"]),
    ({"norm_type": (2, 2)}, TypeError, "norm_type", ["(2, 2)"]),
    ({"x": X.astype("D")}, TypeError, "x", ["complex128"]), ({"dtype": complex}, TypeError, "dtype", ["complex128"]),
], ids=spelt)
def test_norms(wrong, error, names, says):
    refused(fastconv.lp_pool, pool("lp_pool", **wrong), error, names, says)
    refused(grad.lp_pool, {**pool("lp_pool", **wrong), "grad_output": Y}, error, names, says)


@pytest.mark.parametrize("name", WINDOWED)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_names_with_a_rank(name, rank):
    function = getattr(fastconv, f"{name}{rank}d")
    x = np.ones((2, 3, *(5,) * rank))
    for other in {2, 3, 4} - {rank}:    # a tuple of one is for all axes
        refused(function, pool(name, x=x, kernel_size=(2,) * other), ValueError, "kernel_size", [str((2,) * other)])
    if rank > 1:
        refused(function, pool(name, x=np.ones((5,) * (rank - 1))), ValueError, "x", [str((5,) * (rank - 1))])


# ---------------------------------------------------------------- global and adaptive pools

@pytest.mark.parametrize("name", ["max", "avg"])
@pytest.mark.parametrize(("wrong", "error", "names", "says"), [
    *COMMON, *WRONG_X,
    ({"output_size": (3, -1)}, ValueError, "output_size", ["-1"]),
    ({"output_size": -2}, ValueError, "output_size", ["-2"]),
    ({"output_size": 1.5}, TypeError, "output_size", ["1.5"]),
    ({"output_size": "3"}, TypeError, "output_size", ["'3'"]),
    ({"output_size": (2, 2.0)}, TypeError, "output_size", ["2.0"]),
    ({"output_size": ()}, ValueError, "x or output_size", []),
    ({"output_size": (2,) * 5}, ValueError, "x or output_size", ["(2, 4, 6, 7)"]),
    ({"x": np.ones((6, 7))}, ValueError, "x or output_size", ["(6, 7)"]),
    ({"x": np.ones((2, 4, 0, 7))}, ValueError, "x", ["0, 7)"]),
    ({"out": np.ones((2, 4, 3, 4))}, ValueError, "out", ["(2, 4, 3, 3)", "(2, 4, 3, 4)"]),
    ({"out": np.broadcast_to(1.0, Y.shape)}, ValueError, "out", ["writable", "read-only"]),
], ids=spelt)
def test_adaptive(name, wrong, error, names, says):
    untouched(getattr(fastconv, f"adaptive_{name}_pool"), {"x": X, "output_size": 3, **wrong}, error, names, says)


@pytest.mark.parametrize("name", ["max", "avg"])
@pytest.mark.parametrize(("wrong", "error", "names", "says"), [
    *COMMON, *WRONG_X, ({"x": np.ones((6, 7))}, ValueError, "x", ["(6, 7)"]),
    ({"x": np.ones((2, 4, 0, 7))}, ValueError, "x", ["0, 7)"]),
    ({"out": np.ones((2, 4))}, ValueError, "out", ["(2, 4, 1, 1)", "(2, 4)"]),
], ids=spelt)
def test_global(name, wrong, error, names, says):
    untouched(getattr(fastconv, f"global_{name}_pool"), {"x": X, **wrong}, error, names, says)


@pytest.mark.parametrize("name", ["adaptive", "global"])
def test_complex_maxima(name):
    size = {"output_size": 2} if name == "adaptive" else {}
    refused(getattr(fastconv, f"{name}_max_pool"), {"x": X.astype("D"), **size}, TypeError, "x", ["complex128"])


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_adaptive_and_global_with_a_rank(rank):
    for name in ("max", "avg"):
        refused(getattr(fastconv, f"adaptive_{name}_pool{rank}d"), {"x": np.ones((5,) * 5), "output_size": (2,) * 4},
                ValueError, "output_size", ["(2, 2, 2, 2)"])
        if rank > 1:
            refused(getattr(fastconv, f"global_{name}_pool{rank}d"), {"x": np.ones((5,) * (rank - 1))}, ValueError, "x",
                    [str((5,) * (rank - 1))])


# ---------------------------------------------------------------- unpooling

def changed(place, value):
    indices = INDICES.copy()
    indices[place] = value
    return indices


@pytest.mark.parametrize(("wrong", "error", "names", "says"), [
    *SIZES, *COMMON,
    ({"x": Y.astype(object)}, TypeError, "x", ["object"]), ({"x": np.ones((3, 3))}, ValueError, "x or kernel_size", []),
    ({"indices": changed((1, 3, 2, 2), 36)}, ValueError, "indices", ["36"]),
    ({"indices": changed((0, 0, 0, 0), -1)}, ValueError, "indices", ["-1"]),
    ({"indices": changed((1, 2, 1, 1), 2**40)}, ValueError, "indices", [str(2**40)]),
    ({"indices": changed((0, 0, 0, 0), 26), "output_size": (5, 5), "out": None}, ValueError, "indices", ["26"]),
    ({"padding": "same", "stride": 1}, ValueError, "output_size", ["'same'"]),
    ({"indices": INDICES[0]}, ValueError, "indices", ["(2, 4, 3, 3)", "(4, 3, 3)"]),
    ({"indices": INDICES[..., :2]}, ValueError, "indices", ["(2, 4, 3, 3)", "(2, 4, 3, 2)"]),
    ({"indices": INDICES.astype(float)}, TypeError, "indices", ["float64"]),
    ({"indices": INDICES.astype(object)}, TypeError, "indices", ["object"]),
    ({"indices": None}, TypeError, "indices", []),
    ({"output_size": (6, 8)}, ValueError, "output_size", ["(6, 8)"]),
    ({"output_size": (4, 6)}, ValueError, "output_size", ["(4, 6)"]),
    ({"output_size": (6, 6, 6)}, ValueError, "output_size", ["(6, 6, 6)"]),
    ({"output_size": (9, 9, 6, 6)}, ValueError, "output_size", ["(9, 9, 6, 6)", "(2, 4, 3, 3)"]),
    ({"output_size": (6, -6)}, ValueError, "output_size", ["-6"]),
    ({"output_size": (6, 6.0)}, TypeError, "output_size", ["6.0"]),
    ({"out": np.ones((2, 4, 6, 7))}, ValueError, "out", ["(2, 4, 6, 6)", "(2, 4, 6, 7)"]),
    ({"out": np.ones((2, 4, 6, 6), int)}, TypeError, "out", ["same-kind", "float64", "int64"]),
], ids=spelt)
def test_unpool(wrong, error, names, says):
    size = {"output_size": (6, 6)} if wrong.get("padding") in ("all", "full", "causal") else {}    # needs to be told
    given = {"x": Y, "indices": INDICES, "kernel_size": 2, "out": np.full((2, 4, 6, 6), 7.0), **size, **wrong}
    untouched(fastconv.max_unpool, given, error, names, says)
    if np.ndim(given["kernel_size"]) == 0 and given["x"].ndim == 4:
        untouched(fastconv.max_unpool2d, given, error, names, says)


# ---------------------------------------------------------------- gradients

WINDOWED_GRADIENTS = {
    "avg_pool": {"input_size": X.shape, "grad_output": Y, "kernel_size": 2},
    "sum_pool": {"input_size": X.shape, "grad_output": Y, "kernel_size": 2},
    "lp_pool": {"x": X, "norm_type": 2, "grad_output": Y, "kernel_size": 2},
}
WRONG_GRADIENTS = [
    ({"grad_output": np.ones((2, 4, 3, 4))}, ValueError, "grad_output", ["(2, 4, 3, 4)"]),
    ({"grad_output": np.ones((4, 3, 3))}, ValueError, "grad_output", ["(4, 3, 3)"]),
    ({"grad_output": np.ones((1, 4, 3, 3))}, ValueError, "grad_output", ["(1, 4, 3, 3)"]),
    ({"grad_output": Y.astype(object)}, TypeError, "grad_output", ["object"]),
    ({"out": np.ones((2, 4, 6, 6))}, ValueError, "out", ["(2, 4, 6, 7)", "(2, 4, 6, 6)"]),
    ({"out": np.ones(X.shape, int)}, TypeError, "out", ["same-kind", "float64", "int64"]),
    ({"out": np.broadcast_to(1.0, X.shape)}, ValueError, "out", ["writable", "read-only"]),
]
WRONG_SIZES = [
    ({"input_size": (2, 5, 6, 7)}, ValueError), ({"input_size": (6, 7)}, ValueError), ({"input_size": ()}, ValueError),
    ({"input_size": (2, 4, -6, 7)}, ValueError), ({"input_size": (2, 4, 6.0, 7)}, TypeError),
    ({"input_size": None}, TypeError), ({"input_size": "abcd"}, TypeError),
]


@pytest.mark.parametrize("name", WINDOWED_GRADIENTS)
@pytest.mark.parametrize(("wrong", "error", "names", "says"), [
    *SIZES, *DILATIONS, *WIDE, *COMMON, *WRONG_GRADIENTS,
    ({"kernel_size": (7, 2)}, ValueError, f"input_size or {SHAPE}", ["6", "7"]),
], ids=spelt)
def test_gradients(name, wrong, error, names, says):
    given = {"out": np.full(X.shape, 7.0), **WINDOWED_GRADIENTS[name], **wrong}
    untouched(getattr(grad, name), given, error, names, says)


@pytest.mark.parametrize("name", ["avg_pool", "sum_pool", "max_pool", "adaptive_avg_pool"])
@pytest.mark.parametrize(("wrong", "error"), WRONG_SIZES, ids=spelt)
def test_input_size(name, wrong, error):
    given = {"max_pool": {"indices": INDICES, "grad_output": Y}, "adaptive_avg_pool": {"grad_output": Y}}.get(
        name, {"grad_output": Y, "kernel_size": 2})
    names = "input_size or grad_output or indices" if error is ValueError else "input_size"
    refused(getattr(grad, name), {**given, **wrong}, error, names, [])


@pytest.mark.parametrize(("wrong", "error", "names", "says"), [
    *COMMON, *WRONG_GRADIENTS[1:],
    ({"grad_output": np.ones((2, 4, 3, 4))}, ValueError, "grad_output or indices", ["(2, 4, 3, 4)"]),
    ({"indices": changed((1, 3, 2, 2), 42)}, ValueError, "indices", ["42"]),
    ({"indices": changed((0, 0, 0, 0), -1)}, ValueError, "indices", ["-1"]),
    ({"indices": INDICES.astype(float)}, TypeError, "indices", ["float64"]),
    ({"indices": INDICES[0]}, ValueError, "indices or grad_output", ["(4, 3, 3)"]),
    ({"rank": 0}, ValueError, "rank", ["0"]), ({"rank": 1.5}, TypeError, "rank", ["1.5"]),
], ids=spelt)
def test_gradient_of_maxima(wrong, error, names, says):
    names = f"{names} or indices" if "grad_output" in wrong and error is ValueError else names
    given = {"input_size": X.shape, "indices": INDICES, "grad_output": Y, "out": np.full(X.shape, 7.0), **wrong}
    untouched(grad.max_pool, given, error, names, says)


# ---------------------------------------------------------------- all

@pytest.mark.parametrize(("function", "most"), [
    (fastconv.max_pool, (X, 2, 1, 0, 1, False, False)), (fastconv.min_pool, (X, 2, 1, 0, 1, False, False)),
    (fastconv.avg_pool, (X, 2, 1, 0, False, True, None)), (fastconv.sum_pool, (X, 2, 1, 0, False)),
    (fastconv.lp_pool, (X, 2, 2, 1, False)), (fastconv.max_pool2d, (X, 2, 1, 0, 1, False, False)),
    (fastconv.adaptive_max_pool, (X, 2, False)), (fastconv.adaptive_avg_pool, (X, 2)), (fastconv.global_avg_pool, (X,)),
    (fastconv.max_unpool, (Y, INDICES, 2, 2, 0, (6, 7))), (grad.max_pool, (X.shape, INDICES, Y)),
    (grad.avg_pool, (X.shape, Y, 2, 2, 0, False, True, None)), (grad.sum_pool, (X.shape, Y, 2, 2, 0, False)),
    (grad.lp_pool, (X, 2, Y, 2, 2, False)), (grad.adaptive_avg_pool, (X.shape, Y)),
], ids=lambda value: getattr(value, "__name__", ""))
def test_extras_are_keyword_only(function, most):
    function(*most)
    with pytest.raises(TypeError, match="positional"):
        function(*most, None)


@pytest.mark.parametrize("name", ["max_pool", "avg_pool", "sum_pool", "lp_pool"])
def test_ranks_that_are_too_many(name):
    """As many spatial axes as the kernels know, or an error that says how many; never a wrong result."""
    x = np.ones((2,) * 9)
    said = ""
    try:
        y = getattr(fastconv, name)(**pool(name, x=x, kernel_size=(2,) * 9))
    except ValueError as error:
        said = str(error)
    assert said.startswith(("`kernel_size`", "`x`")) if said else y.shape == (1,) * 9
