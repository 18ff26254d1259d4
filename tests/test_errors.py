"""Errors name the argument in backticks, the rule, what was expected and what came, with shapes."""
import numpy as np
import pytest

import fastconv

from .cases import FUNCTIONS, PLANAR

A, K = np.ones((4, 5)), np.ones((2, 3))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("wrong", "error", "says"), [
    ({"mode": "spam"}, ValueError, ["`mode`", "'full'", "'same'", "'valid'", "'spam'"]),
    ({"mode": None}, ValueError, ["`mode`", "None"]),
    ({"mode": ["full"]}, ValueError, ["`mode`", "['full']"]),
    ({"boundary": "mirror"}, ValueError,
     ["`boundary`", "'fill'", "'wrap'", "'symm'", "'symmetric'", "'reflect'", "'edge'", "'mirror'"]),
    ({"fillvalue": [1, 2]}, ValueError, ["`fillvalue`", "scalar", "(2,)"]),
    ({"fillvalue": []}, ValueError, ["`fillvalue`", "scalar", "(0,)"]),
    ({"fillvalue": 1j}, ValueError, ["`fillvalue`", "float64", "1j"]),
    ({"fillvalue": "0"}, TypeError, ["`fillvalue`", "<U1"]),
    ({"in1": np.ones((2, 2), np.uint8), "in2": np.ones((2, 2), np.uint8), "fillvalue": np.nan}, ValueError,
     ["`fillvalue`", "uint8", "nan"]),
    ({"workers": 0}, ValueError, ["`workers`", "at least 1", "got 0"]),
    ({"workers": -100_000}, ValueError, ["`workers`", "-100000"]),
    ({"workers": 1.5}, TypeError, ["`workers`", "whole number", "1.5"]),
    ({"workers": "2"}, TypeError, ["`workers`", "whole number", "'2'"]),
    ({"in1": np.ones((4, 5), object)}, TypeError, ["`in1`", "object"]),
    ({"in2": np.ones((2, 3), object)}, TypeError, ["`in2`", "object"]),
    ({"in1": [["a", "b"]]}, TypeError, ["`in1`", "<U1"]),
    ({"in2": [[b"a", b"b"]]}, TypeError, ["`in2`", "S1"]),
    ({"in1": np.zeros((4, 5), "M8[s]")}, TypeError, ["`in1`", "datetime64[s]"]),
    ({"in2": np.zeros((2, 3), "m8[D]")}, TypeError, ["`in2`", "timedelta64[D]"]),
    ({"in2": np.zeros((2, 3), [("a", "f4")])}, TypeError, ["`in2`", "'a'"]),
    ({"in1": None}, TypeError, ["`in1`", "object"]),
    ({"dtype": object}, TypeError, ["`dtype`", "object"]),
    ({"dtype": "U3"}, TypeError, ["`dtype`", "<U3"]),
    ({"dtype": "M8[s]"}, TypeError, ["`dtype`", "datetime64[s]"]),
    ({"in1": np.ones((1, 5)), "in2": np.ones((2, 3)), "mode": "valid"}, ValueError, ["(1, 5)", "(2, 3)", "'valid'"]),
    ({"in1": np.ones((0, 3)), "boundary": "wrap"}, ValueError, ["`boundary`", "empty", "'fill'", "'wrap'", "(0, 3)"]),
    ({"out": np.ones((4, 5))}, ValueError, ["`out`", "shape", "(5, 7)", "(4, 5)"]),
    ({"out": 3}, TypeError, ["`out`", "array", "int"]),
    ({"out": np.broadcast_to(1.0, (5, 7))}, ValueError, ["`out`", "writable", "read-only"]),
    ({"out": np.ones((5, 7), np.int64)}, TypeError, ["`out`", "same-kind", "float64", "int64"]),
], ids=str)
def test_says_what_is_wrong(name, wrong, error, says):
    with pytest.raises(error) as caught:
        getattr(fastconv, name)(**{"in1": A, "in2": K, **wrong})
    message = str(caught.value)
    assert message.startswith("`")
    for word in says:
        assert word in message


@pytest.mark.parametrize("name", PLANAR)
@pytest.mark.parametrize("shapes", [((3,), (2,)), ((3, 3), (2,)), ((2,), (3, 3)), ((2, 2, 2), (2, 2, 2)), ((), ())])
def test_two_dimensions_only(name, shapes):
    with pytest.raises(ValueError, match="`in1` and `in2` must both be 2-D") as caught:
        getattr(fastconv, name)(*map(np.ones, shapes))
    assert all(str(shape) in str(caught.value) for shape in shapes)


@pytest.mark.parametrize("name", ["correlate", "convolve"])
@pytest.mark.parametrize("shapes", [((3,), (2, 2)), ((), (1,)), ((2, 2, 2), (2, 2))])
def test_equal_ranks_only(name, shapes):
    with pytest.raises(ValueError, match="`in1` and `in2` must have the same number of dimensions") as caught:
        getattr(fastconv, name)(*map(np.ones, shapes))
    assert all(str(shape) in str(caught.value) for shape in shapes)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("method", ["bacon", None, 3])
def test_method(name, method):
    with pytest.raises(ValueError, match="`method` must be one of 'auto', 'direct', 'fft', got"):
        getattr(fastconv, name)(A, K, method=method)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_extras_are_keyword_only(name):
    borders = ("fill", 0) if name in PLANAR else ("direct",)
    getattr(fastconv, name)(A, K, "full", *borders)
    with pytest.raises(TypeError, match="positional"):
        getattr(fastconv, name)(A, K, "full", *borders, None)


def test_dtype_that_is_none():
    with pytest.raises(TypeError):
        fastconv.correlate(A, K, dtype="nonsense")
