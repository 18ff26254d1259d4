"""The worked example: one image, one kernel, and the three results written out."""
import numpy as np
import pytest

import fastconv

IMAGE = [[1, 0, 0, 1, 2], [0, 0, 0, 3, 0], [0, 1, 2, 1, 1], [1, 1, 3, 0, 0], [3, 0, 0, 0, 1]]
KERNEL = [[0, 0, 1], [0, 2, 0], [1, 1, 0]]
VALID = [[1, 4, 11], [4, 11, 5], [7, 7, 1]]
EVERY_SECOND_OF_SAME = [[2, 0, 7], [1, 11, 2], [7, 0, 2]]


@pytest.mark.parametrize("correlate", [fastconv.correlate, fastconv.correlate2d])
def test_worked_example(correlate):
    full = correlate(IMAGE, KERNEL)
    assert full.shape == (7, 7)
    np.testing.assert_array_equal(full[2:-2, 2:-2], VALID)
    np.testing.assert_array_equal(correlate(IMAGE, KERNEL, "valid"), VALID)
    np.testing.assert_array_equal(correlate(IMAGE, KERNEL, "same"), full[1:-1, 1:-1])
    np.testing.assert_array_equal(correlate(IMAGE, KERNEL, "same")[::2, ::2], EVERY_SECOND_OF_SAME)


@pytest.mark.parametrize("convolve", [fastconv.convolve, fastconv.convolve2d])
def test_worked_example_by_convolution(convolve):
    np.testing.assert_array_equal(convolve(IMAGE, np.flip(KERNEL), "valid"), VALID)
