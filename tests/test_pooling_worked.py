"""Pools worked out by hand, for the specification and for ours: ceil_mode, padding, divisors, indices, unpooling."""
import numpy as np
import pytest

import fastconv
from fastconv import _reference_pooling as reference

from .cases import equal

ROW = np.array([1, 2, 4, 8, 16, 32], float)
BOTH = pytest.mark.parametrize("pooling", [reference, fastconv], ids=["specification", "ours"])


@BOTH
@pytest.mark.parametrize(("where", "largest", "total"), [
    ({}, [2, 8, 32], [3, 12, 48]),
    ({"stride": 1}, [2, 4, 8, 16, 32], [3, 6, 12, 24, 48]),
    ({"stride": 3}, [2, 16], [3, 24]),
    ({"stride": 5}, [2], [3]),
    ({"padding": 1}, [1, 4, 16, 32], [1, 6, 24, 32]),
    ({"padding": ((1, 0),)}, [1, 4, 16], [1, 6, 24]),
    ({"padding": ((0, 1),)}, [2, 8, 32], [3, 12, 48]),
    ({"stride": 4, "padding": "same"}, [2, 32], [3, 48]),
    ({"stride": 1, "padding": "same"}, [2, 4, 8, 16, 32, 32], [3, 6, 12, 24, 48, 32]),
    ({"stride": 1, "padding": "same_lower"}, [1, 2, 4, 8, 16, 32], [1, 3, 6, 12, 24, 48]),
    ({"padding": "valid", "stride": 4}, [2, 32], [3, 48]),
    ({"dilation": 3, "stride": 1}, [8, 16, 32], [9, 18, 36]),
    ({"dilation": 2, "stride": 2, "padding": 1}, [2, 8, 32], [2, 10, 40]),
], ids=str)
def test_windows_of_two(pooling, where, largest, total):
    equal(pooling.max_pool(ROW, (2,), **where), np.array(largest, float))
    equal(pooling.sum_pool(ROW, (2,), **where), np.array(total, float))
    equal(pooling.min_pool(-ROW, (2,), **where), -np.array(largest, float))


@BOTH
@pytest.mark.parametrize(("n", "kernel", "stride", "padding", "largest", "average", "within"), [
    # the last window is cut: as many as it has are counted
    (6, 3, 2, 0, [4, 16, 32], [7 / 3, 28 / 3, 24], [7 / 3, 28 / 3, 24]),
    (5, 2, 2, 0, [2, 8, 16], [1.5, 6, 16], [1.5, 6, 16]),
    # padding counts, but not what is beyond it: 16, 32 and one of padding
    (6, 3, 2, 1, [2, 8, 32, 32], [1, 14 / 3, 56 / 3, 16], [1.5, 14 / 3, 56 / 3, 32]),
    # another would start in the padding behind, and is dropped
    (6, 2, 3, 1, [1, 8, 32], [0.5, 6, 16], [1, 6, 32]),
    (5, 2, 2, 1, [1, 4, 16], [0.5, 3, 12], [1, 3, 12]),
    (4, 2, 3, 1, [1, 8], [0.5, 6], [1, 6]),
    # a window larger than the image has one output where the stride is large enough
    (2, 3, 2, 0, [2], [1.5], [1.5]),
    (3, 4, 3, ((0, 0),), [4], [7 / 3], [7 / 3]),
    (6, 4, 4, ((0, 1),), [8, 32], [3.75, 16], [3.75, 24]),
], ids=str)
def test_ceil_mode(pooling, n, kernel, stride, padding, largest, average, within):
    x = ROW[:n]
    equal(pooling.max_pool(x, (kernel,), stride, padding, ceil_mode=True), np.array(largest, float))
    equal(pooling.avg_pool(x, (kernel,), stride, padding, True), np.array(average, float))
    equal(pooling.avg_pool(x, (kernel,), stride, padding, True, False), np.array(within, float))


@BOTH
def test_divisors_in_two_dimensions(pooling):
    x = np.ones((3, 3))
    equal(pooling.avg_pool(x, (2, 2), 1, 1), np.outer([1, 2, 2, 1], [1, 2, 2, 1]) / 4)
    equal(pooling.avg_pool(x, (2, 2), 1, 1, False, False), np.ones((4, 4)))
    equal(pooling.avg_pool(x, (2, 2), 1, 1, False, True, 1), np.outer([1.0, 2, 2, 1], [1, 2, 2, 1]))
    equal(pooling.avg_pool(x, (2, 2), divisor_override=-2), np.array([[-2.0]]))
    equal(pooling.avg_pool(x, (2, 2), 2, 0, True), np.ones((2, 2)))
    equal(pooling.avg_pool(x, (2, 2), 2, 0, True, True, 4), np.array([[1, 0.5], [0.5, 0.25]]))


@BOTH
def test_pads_belong_to_their_axes(pooling):
    x = np.array([[1, 2], [3, 4]])
    equal(pooling.max_pool(x, (2, 3), 1, ((1, 0), (0, 2))), np.array([[2, 2], [4, 4]]))
    equal(pooling.sum_pool(x, (2, 1), 1, (1, 0)), np.array([[1, 2], [4, 6], [3, 4]]))


@BOTH
def test_indices(pooling):
    """Flat over the spatial axes of the image without its padding; of equal ones the first."""
    x = np.array([[[5, 1, 5, 5], [5, 7, 0, 5], [0, 0, 0, 0]]])
    values, indices = pooling.max_pool(x, (2, 2), 1, return_indices=True)
    equal(values, np.array([[[7, 7, 5], [7, 7, 5]]]))
    equal(indices, np.array([[[5, 5, 2], [5, 5, 7]]]))
    values, indices = pooling.min_pool(x, (2, 2), 1, 1, return_indices=True)
    equal(values[0, 0], np.array([5, 1, 1, 5, 5]))
    equal(indices[0, 0], np.array([0, 1, 1, 2, 3]))
    equal(pooling.max_pool(np.zeros((1, 4)), (3,), 1, 1, return_indices=True)[1], np.array([[0, 0, 1, 2]]))


@BOTH
def test_indices_of_channels_last(pooling):
    """Count the spatial axes alone."""
    x = np.array([[[1, 9], [2, 8]], [[3, 7], [4, 6]]])    # rows, columns, channels
    values, indices = pooling.max_pool(x, (2, 2), return_indices=True, layout="channels_last")
    equal(values, np.array([[[4, 9]]]))
    equal(indices, np.array([[[3, 0]]]))


@BOTH
def test_unpool(pooling):
    y, indices = np.array([[5.0, 7.0]]), np.array([[1, 2]])
    equal(pooling.max_unpool(y, indices, (2,)), np.array([[0, 5.0, 7, 0]]))
    equal(pooling.max_unpool(y, indices, (3,), 2), np.array([[0, 5.0, 7, 0, 0]]))
    equal(pooling.max_unpool(y, indices, (3,), 2, 1), np.array([[0, 5.0, 7]]))
    equal(pooling.max_unpool(y, indices, (2,), output_size=(5,)), np.array([[0, 5.0, 7, 0, 0]]))
    equal(pooling.max_unpool(y, np.array([[1, 1]]), (2,)), np.array([[0, 7.0, 0, 0]]))    # the last stays


@BOTH
def test_norms_are_of_absolute_values(pooling):
    x = np.array([[-1.0, 1, -3, -4], [0, 0, 0, 0]])
    equal(pooling.lp_pool(x, 1, (2,)), np.array([[2.0, 7], [0, 0]]))
    equal(pooling.lp_pool(x, 2, (2,)), np.array([[2**0.5, 5], [0, 0]]))
    np.testing.assert_allclose(pooling.lp_pool(x, 3, (2,)), [[2 ** (1 / 3), 91 ** (1 / 3)], [0, 0]], 1e-15)
    equal(pooling.lp_pool(np.array([-128, 0], np.int8), 1, (2,)), np.array([128.0]))
    equal(pooling.lp_pool(x[0], 1, (3,), 2, True), np.array([5.0, 7]))


@BOTH
def test_adaptive(pooling):
    """Seven elements in three parts, which overlap."""
    x = np.arange(7.0)
    equal(pooling.adaptive_max_pool(x, (3,)), np.array([2.0, 4, 6]))
    equal(pooling.adaptive_avg_pool(x, (3,)), np.array([1.0, 3, 5]))
    equal(pooling.adaptive_avg_pool(x[:2], (3,)), np.array([0, 0.5, 1]))
