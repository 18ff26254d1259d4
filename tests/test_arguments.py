"""Every option of every public function: a wrong value is refused before work, in one way, with empty input too."""
import numpy as np
import pytest

import fastconv
from fastconv import grad

from .calls import CALLS, public
from .cases import equal

TALL = np.broadcast_to(np.uint8(1), (2**29, 2**30))    # too big
NOT_NUMBERS = [(np.ones((2, 3), object), TypeError), (["a"], TypeError), (np.zeros(3, "M8[s]"), TypeError),
               ([[1], [1, 2]], ValueError), (TALL, ValueError)]
NOT_WHOLE = [(1.5, TypeError), ("1", TypeError), (b"1", TypeError), (None, TypeError), (1j, TypeError),
             (np.float64(1), TypeError), ([1.5], TypeError), ([None], TypeError)]
TOO_LARGE = [(2**63, ValueError), (2**64 + 1, ValueError), (10**30, ValueError), (-2**63 - 1, ValueError)]
STEPS = [(0, ValueError), (-1, ValueError), (2**31, ValueError), ((0,), ValueError), ((1,) * 7, ValueError),
         *NOT_WHOLE, *TOO_LARGE]
WORDS = [("spam", ValueError), ("", ValueError), (3, ValueError), (["spam"], ValueError), (b"fill", ValueError)]
TRUTHS = [(1, TypeError), (None, TypeError), ("yes", TypeError), ([True], TypeError)]
SHAPES = [(3, TypeError), ("3", TypeError), ((-1, 4, 6, 5), ValueError), ((2, 4, 6, 2**63), ValueError),
          ((), ValueError), ((2.5, 4, 6, 5), TypeError), (None, TypeError), ((2, 4, 6), ValueError),
          ((2, 4, 6, 99), ValueError)]

# By option: wrong values, and what is raised. Where two arguments do not fit each other, the error names one of them.
WRONG = {
    **{name: [(None, TypeError), *NOT_NUMBERS] for name in ("x", "in1", "in2", "weight", "grad_output", "cols")},
    "bias": [*NOT_NUMBERS, (np.ones(5), ValueError), (1.0, ValueError)],
    "indices": [(None, TypeError), *NOT_NUMBERS, (np.ones((2, 3, 3, 2)), TypeError), (np.zeros(3, int), ValueError)],
    "mode": [*WORDS, (None, ValueError)],
    "method": [*WORDS, (None, ValueError)],
    "boundary": [*WORDS, (None, ValueError)],
    "padding_mode": [*WORDS, (None, ValueError)],
    "layout": [*WORDS, (None, ValueError)],
    "algorithm": [*WORDS, (None, ValueError)],
    "activation": [*WORDS, (("leaky_relu",), ValueError), (("relu", 1), ValueError), (("leaky_relu", "1"), TypeError),
                   (("leaky_relu", 10**400), TypeError), (np.array(["relu", "relu"]), ValueError)],
    "fillvalue": [([1, 2], ValueError), ([], ValueError), (1j, ValueError), ("0", TypeError), (None, TypeError),
                  (10**400, TypeError), ([[1], [1, 2]], ValueError)],
    "stride": [case for case in STEPS if case[0] is not None],
    "dilation": STEPS,
    "padding": [(-1, ValueError), (2**31, ValueError), ((1,) * 7, ValueError), ("all", ValueError), ("", ValueError),
                ([(1, 2, 3)], ValueError), ([(-1, 0)], ValueError), ((), ValueError), ("1", ValueError),
                *[case for case in NOT_WHOLE if case[0] != "1"], *TOO_LARGE],
    "output_padding": [(-1, ValueError), (2, ValueError), ((0,) * 7, ValueError), *NOT_WHOLE, *TOO_LARGE],
    "groups": [(0, ValueError), (-1, ValueError), (5, ValueError), (2**31, ValueError), ((2,), TypeError),
               *NOT_WHOLE, *TOO_LARGE],
    "kernel_size": [case for case in STEPS if case[0] != 2**31],
    "output_size": [(-1, ValueError), ((-1,), ValueError), ((2,) * 7, ValueError), ((), ValueError),
                    *[case for case in NOT_WHOLE if case[0] is not None and type(case[0]) is not list], *TOO_LARGE],
    "input_size": SHAPES,
    "weight_size": [*SHAPES, ((6, 2, 0, 2), ValueError)],
    "tiles": [(2, TypeError), ("2", TypeError), ((), TypeError), ((0, 2), ValueError), ((1.5, 2), TypeError),
              ((2**63, 1), ValueError)],
    "rank": [(0, ValueError), (-1, ValueError), (9, ValueError), (2**31 - 2, ValueError), (2**31 - 1, ValueError),
             (2**31, ValueError), *[case for case in NOT_WHOLE if case[0] is not None], *TOO_LARGE],
    "norm_type": [(0, ValueError), (-1, ValueError), (np.inf, ValueError), (np.nan, ValueError), ("2", TypeError),
                  (None, TypeError), (1j, TypeError)],
    "ceil_mode": TRUTHS,
    "return_indices": TRUTHS,
    "count_include_pad": TRUTHS,
    "divisor_override": [(0, ValueError), (1.5, TypeError), ("1", TypeError), *TOO_LARGE],
    "dtype": [("spam", TypeError), (object, TypeError), ("U3", TypeError), ("M8[s]", TypeError), (3, TypeError),
              ("f4,f4", TypeError), (",", TypeError), ([("a", "f4")], TypeError), (np.ones(3), TypeError)],
    "workers": [(0, ValueError), (-10**6, ValueError), (-2**70, ValueError), (1.5, TypeError), ("2", TypeError),
                ([2], TypeError)],
    "out": [(3, TypeError), ([1.0], TypeError), (np.full((1,) * 9, 5.0), ValueError)],    # and see below
}

# And arguments that a value does not fit, of which the error may speak instead.
FIT = {
    "weight": ("x", "groups"), "x": ("weight", "groups", "kernel_size", "grad_output", "indices"),
    "in1": ("in2",), "in2": ("in1",), "grad_output": ("rank", "x"), "cols": ("output_size",),
    "input_size": ("grad_output", "weight"), "weight_size": ("grad_output", "x", "groups"),
    "kernel_size": ("x", "padding", "output_size", "grad_output", "input_size", "indices"),
    "output_size": ("kernel_size", "cols", "indices", "x"), "rank": ("grad_output",), "tiles": ("grad_output",),
    "dilation": ("output_padding",), "stride": ("output_padding",),
}


def faults(call, arguments, option, error):
    """What is wrong with how the call refuses its arguments: nothing, or one sentence."""
    out = arguments.get("out")
    before = out.copy() if isinstance(out, np.ndarray) else None
    try:
        call.function(**arguments)
    except error as caught:
        if not any(f"`{name}`" in str(caught) for name in (option, *FIT.get(option, ()))):
            return [(option, arguments[option], str(caught))]
        return [] if before is None or (out == before).all() else [(option, arguments[option], "has written to out")]
    except Exception as caught:
        return [(option, arguments[option], repr(caught))]
    return [(option, arguments[option], "is taken")]


def test_every_function_and_option_is_here():
    assert set(CALLS) == public()
    for name, call in CALLS.items():
        assert set(call.options) <= set(WRONG), name


@pytest.mark.parametrize("name", CALLS)
def test_ordinary_calls(name):
    call = CALLS[name]
    assert call().size
    assert call.function(**call.empty) is not None


@pytest.mark.parametrize("name", CALLS)
def test_wrong_values(name):
    call, found = CALLS[name], []
    for arguments in (call.given, call.empty):
        out = {"out": np.full_like(call.function(**arguments), 77)}
        for option in call.options:
            for value, error in WRONG[option]:
                found += faults(call, {**arguments, **out, option: value}, option, error)
    assert not found


@pytest.mark.parametrize("name", CALLS)
def test_wrong_out(name):
    call, found = CALLS[name], []
    for arguments in (call.given, call.empty):
        shape = call.function(**arguments).shape
        for out, error in (
                (np.full((*shape, 2), 5.0), ValueError), (np.broadcast_to(np.float64(5), shape), ValueError),
                (np.ones(shape, bool), TypeError), (np.ones(shape, int), TypeError), (np.ones(shape, "U3"), TypeError)):
            found += faults(call, {**arguments, "out": out}, "out", error)
    assert not found


@pytest.mark.parametrize("name", CALLS)
def test_complex_numbers_and_a_real_out(name):
    """The error that is promised, rather than NumPy's warning."""
    call = CALLS[name]
    inputs = {option: value * (1 + 1j) for option, value in call.given.items()
              if isinstance(value, np.ndarray) and value.dtype.kind == "f"}
    found = faults(call, {**call.given, **inputs, "out": np.full(call().shape, 7.0)}, "out", TypeError)
    assert all("complex numbers, got" in said for _, _, said in found)    # or the function is not defined for them


@pytest.mark.parametrize("shapes", [((1, 0), (1, 1, 1)), ((1, 5), (1, 0, 1)), ((0, 5), (0, 1, 1))])
@pytest.mark.parametrize("wrong", [{"workers": 0}, {"algorithm": "spam"}, {"dtype": "spam"}], ids=str)
def test_nothing_to_compute(shapes, wrong):
    x, weight = map(np.ones, shapes)
    fastconv.conv_transpose(x, weight)
    with pytest.raises((TypeError, ValueError), match=f"`{next(iter(wrong))}`"):
        fastconv.conv_transpose(x, weight, **wrong)


# ---------------------------------------------------------------- one number for all axes

@pytest.mark.parametrize("name", CALLS)
def test_a_sequence_of_one_number(name):
    """As in torch, it stands for all axes, unless its length tells how many these are."""
    call = CALLS[name]
    if name.startswith("grad.") or "unpool" in name or name in ("local_conv", "col2im"):    # the shapes are given
        values = {"stride": 2 if "pool" in name else 1, "dilation": 1, "padding": 0, "output_padding": 0}
    else:
        values = {"stride": 2, "dilation": 2, "padding": 1, "output_padding": 0}
    if name[-1] == "d" or name == "col2im":
        values["kernel_size"] = 2
    for option in values.keys() & set(call.options):
        wanted = call(**{option: values[option]})
        for given in ((values[option],), [values[option]], np.array([values[option]])):
            equal(call(**{option: given}), wanted)


def test_a_sequence_of_one_pair():
    x, weight = np.ones((1, 4, 5)), np.ones((1, 1, 2, 2))
    equal(fastconv.conv2d(x, weight, padding=[(1, 2)]), fastconv.conv2d(x, weight, padding=[(1, 2), (1, 2)]))


@pytest.mark.parametrize(("name", "sizes"), [
    ("conv_transpose", (7, 7)), ("conv_transpose3d", (7, 7, 7)), ("col2im", (6, 6)), ("max_unpool2d", (7, 7))])
def test_one_output_size(name, sizes):
    call = CALLS[name]
    given = dict(call.given)
    if name == "col2im":
        given["cols"] = given["cols"][:, :, :4].repeat(7, 2)[:, :, :25]
    elif name.startswith("conv"):
        given |= {"x": given["x"][(slice(None),) * 2 + (slice(3),) * len(sizes)], "stride": 2}
    else:
        given |= {"x": given["x"].repeat(2, 3)[..., :3], "indices": given["indices"].repeat(2, 3)[..., :3]}
    wanted = call.function(**{**given, "output_size": sizes})
    for size in (sizes[0], (sizes[0],), [sizes[0]]):
        equal(call.function(**{**given, "output_size": size}), wanted)


def test_shapes_of_more_than_2_to_the_31():
    """Axes that layers take, their gradients take, too."""
    n, one = 2**31 + 6, np.ones((1, 1, 1), np.uint8)
    x = np.broadcast_to(np.uint8(1), (0, 1, n))
    equal(fastconv.conv(x, one), x)
    equal(grad.conv_input((0, 1, n), one, x), x)
    equal(grad.conv_transpose_input((0, 1, n), one, x), x)
    equal(grad.tiled_conv_input((0, 1, n), one[None], x), x)
    equal(fastconv.conv_transpose(x, one, output_size=n), x)
    equal(fastconv.col2im(x, (n,), 1), x)
    equal(grad.sum_pool((0, 1, n), x, (1,)), x)
    none = np.ones((4, 0, 3), np.uint8)    # filters
    equal(grad.conv_weight(np.broadcast_to(np.uint8(1), (4, n, 3)), (0, n, 1), none), np.ones((0, n, 1), np.uint8))
