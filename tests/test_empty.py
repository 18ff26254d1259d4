"""Sizes of zero: a sum of nothing is zero, in the shape that the formula gives."""
import numpy as np
import pytest
from scipy import signal

import fastconv

from .cases import DTYPES, MODES, PLANAR, WAYS, equal, numbers

SHAPES = [((0,), (3,)), ((3,), (0,)), ((0,), (0,)), ((1,), (0,)), ((2, 0), (2, 3)), ((0, 5), (3, 3)), ((5, 5), (3, 0)),
          ((0, 0), (2, 2)), ((3, 2), (0, 0)), ((2, 0, 3), (1, 2, 2)), ((2, 3, 3), (2, 0, 2))]


def outputs(image, kernel, mode):
    return {"full": np.maximum(0, np.add(image, kernel) - 1), "same": np.array(image),
            "valid": abs(np.subtract(image, kernel)) + 1}[mode]


def contained(image, kernel):
    return np.greater_equal(image, kernel).all() or np.less_equal(image, kernel).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("name", "method"), WAYS)
def test_zeros(name, method, mode):
    for image, kernel in SHAPES:
        if (name in PLANAR and len(image) != 2) or (mode == "valid" and not contained(image, kernel)):
            continue
        for dtype in DTYPES:
            got = getattr(fastconv, name)(numbers(image, dtype), numbers(kernel, dtype), mode, method=method)
            equal(got, np.zeros(outputs(image, kernel, mode), dtype))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PLANAR)
def test_as_scipy(name, mode):
    for image, kernel in SHAPES:
        # SciPy refuses a full result of a negative size
        if len(image) == 2 and np.add(image, kernel).all() and (mode != "valid" or contained(image, kernel)):
            x, w = np.ones(image), np.ones(kernel)
            equal(getattr(fastconv, name)(x, w, mode), getattr(signal, name)(x, w, mode))


@pytest.mark.parametrize("boundary", ["wrap", "symm", "reflect", "edge"])
def test_nothing_has_no_border_but_fill(boundary):
    with pytest.raises(ValueError, match="`boundary`: an empty input"):
        fastconv.correlate(np.ones(0), np.ones(3), boundary=boundary)
    equal(fastconv.correlate(np.ones(0), np.ones(3), "same", boundary=boundary), np.zeros(0))
