"""Every border in every mode and rank, kernels many times larger than the image, and every fill value."""
import numpy as np
import pytest

import fastconv
from fastconv import _reference

from .cases import BOUNDARIES, DTYPES, FUNCTIONS, MODES, agree, equal, numbers

LARGE_KERNELS = [((1, 1), (5, 4)), ((2, 1), (1, 9)), ((2, 3), (9, 13)), ((3, 40), (8, 3)), ((40, 3), (3, 8)),
                 ((4, 4), (4, 5)), ((1, 70), (1, 150))]


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", "?BhefgF")
def test_kernels_larger_than_the_image(name, boundary, dtype):
    for image, kernel in LARGE_KERNELS:
        for mode in ("full", "same"):
            agree(name, numbers(image, dtype, 1), numbers(kernel, dtype, 2), mode, boundary)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("dtype", "BldD")
@pytest.mark.parametrize(("image", "kernel"), [
    ((3,), (11,)), ((2, 3, 4), (5, 3, 2)), ((1, 2, 1, 3), (2, 3, 2, 4)), ((2, 1, 2, 1, 2), (2, 2, 3, 1, 2))], ids=str)
def test_ranks(image, kernel, dtype, boundary):
    for mode in ("full", "same"):
        agree("correlate", numbers(image, dtype, 1), numbers(kernel, dtype, 2), mode, boundary, method="direct")
        agree("convolve", numbers(image, dtype, 1), numbers(kernel, dtype, 2), mode, boundary, method="direct")


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("mode", MODES)
def test_symmetric_is_symm(name, mode):
    x, w = numbers((4, 5), "l", 1), numbers((3, 4), "l", 2)
    equal(getattr(fastconv, name)(x, w, mode, boundary="symmetric"), getattr(_reference, name)(x, w, mode, "symm"))


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_valid_needs_no_border(name, boundary):
    """Not even where the inputs change places."""
    x, w = numbers((7, 6), "l", 1), numbers((3, 4), "l", 2)
    for a, b in [(x, w), (w, x)]:
        equal(getattr(fastconv, name)(a, b, "valid", boundary=boundary, fillvalue=5),
              getattr(_reference, name)(a, b, "valid"))


@pytest.mark.parametrize("method", ["direct", "fft"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_fillvalue(dtype, method):
    w = numbers((4, 3), dtype, 2)
    for fillvalue in (0, 1, True, np.array(1, dtype), np.float32(1), np.array([[1]]), -0.0):
        for x in (numbers((2, 3), dtype, 1), numbers((9, 70), dtype, 1)):
            got = fastconv.correlate(x, w, "full", method, fillvalue=fillvalue)
            wanted = _reference.correlate(x, w, "full", fillvalue=np.asarray(fillvalue).item())
            if method == "fft" and np.dtype(dtype).kind in "fc":
                np.testing.assert_allclose(got, wanted, atol=1e-4)
            else:
                equal(got, wanted)


@pytest.mark.parametrize(("dtype", "fillvalue"), [
    ("b", -128), ("B", 255), ("H", 65535), ("i", -2**31), ("q", 2**53 + 1), ("q", -2**63), ("Q", 2**64 - 1),
    ("e", 0.5), ("f", 2.0**100), ("d", -2.5e300), ("d", np.inf), ("g", np.longdouble(1) + np.finfo("g").eps),
    ("F", 2 - 3j), ("D", 1e200j), ("G", np.clongdouble(0.25 + 8j))])
def test_fillvalue_keeps_its_value(dtype, fillvalue):
    x, w = numbers((2, 3), dtype, 1), np.array([[0, 0, 0], [0, 1, 0]], dtype)
    with np.errstate(invalid="ignore"):    # the specification multiplies infinity by zero
        agree("correlate2d", x, w, "full", "fill", fillvalue)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_fillvalue_in_full_mode_slides_the_second_input(name):
    """A border around the first input only, even if the second one is larger."""
    agree(name, numbers((2, 3), "l", 1), numbers((5, 4), "l", 2), "full", "fill", 3)


def test_fillvalue_of_the_result_dtype():
    """The border belongs to the sum, so it may be what the image's own dtype cannot hold."""
    x, w = numbers((3, 3), "B", 1), np.array([[0.5, 1], [2, 4]])
    agree("correlate2d", x, w, "full", "fill", -2.5)
    agree("correlate2d", x, x, "full", "fill", -7, dtype="l")


@pytest.mark.parametrize(("image", "kernel"), [
    ((0,), (3,)), ((0, 4), (3, 2)), ((4, 0), (3, 2)), ((2, 0, 3), (2, 2, 2))], ids=str)
def test_empty_image_is_all_border(image, kernel):
    agree("correlate", np.zeros(image), numbers(kernel, "d", 2), "full", "fill", 2)
