"""Arrays whose sizes, multiplied or added, are no numbers of the machine: an error before work, and no memory written.

A broadcast view may have 2**60 elements in one byte. Where the result is small and the work bounded, such views work.
"""
import numpy as np
import pytest

import fastconv
from fastconv import grad

from .cases import equal

MOST = 2**31 - 1    # of strides, dilations and padding


def wide(*shape, dtype="u1", value=1):
    return np.broadcast_to(np.array(value, dtype), shape)


ONE = np.ones((1, 1, 1), np.uint8)

# Function, arguments by name, and the argument that the error speaks of first.
TOO_BIG = [
    # packed kernels and results whose bytes wrap to 0 or to little
    (fastconv.correlate, {"in1": wide(2**60), "in2": wide(2**60), "mode": "valid", "dtype": "g"}, "in1"),
    (fastconv.correlate2d, {"in1": wide(2**30, 2**31), "in2": wide(2**30, 2**31), "mode": "valid", "dtype": "f8"},
     "in1"),
    (fastconv.correlate, {"in1": wide(2**62 + 5), "in2": wide(2**62 + 5)}, "in1"),
    (fastconv.convolve, {"in1": wide(0, 2**62), "in2": wide(0, 2**62)}, "in1"),
    (fastconv.convolve2d, {"in1": wide(2**56, 1), "in2": wide(1, 2**56)}, "in1"),
    (fastconv.conv, {"x": wide(2**60, 1), "weight": wide(1, 2**60, 1), "dtype": "f8"}, "x"),
    (fastconv.conv, {"x": wide(2**56, 1), "weight": wide(1, 2**56, 1), "dtype": "f4"}, "weight"),
    (fastconv.conv1d, {"x": wide(2**56, 1), "weight": wide(1, 2**56, 1), "algorithm": "pixels", "dtype": "f4"},
     "weight"),
    (fastconv.conv, {"x": wide(0, 2**62 + 1), "weight": wide(1, 0, 1)}, "x"),
    (fastconv.conv3d, {"x": wide(1, 1, 1, 1), "weight": wide(1, 1, 1, 1, 1), "padding": MOST}, "out"),
    (fastconv.conv, {"x": ONE, "weight": wide(0, 2**55, 1), "groups": MOST}, "groups"),
    (fastconv.conv, {"x": wide(1, 4), "weight": wide(1, 1, 2**40), "dilation": MOST}, "x"),
    (fastconv.conv, {"x": wide(1, 4), "weight": wide(1, 1, 2**40), "dilation": MOST, "padding": "full"}, "x"),
    (fastconv.conv_transpose, {"x": wide(1, 2**56), "weight": ONE, "stride": MOST}, "x"),
    (fastconv.conv_transpose, {"x": wide(1, 2**30, 2**25), "weight": wide(1, 1, 1, 1), "stride": 2**10}, "out"),
    (fastconv.conv_transpose, {"x": ONE, "weight": wide(1, 1, 2**40), "dilation": MOST}, "x"),
    (fastconv.conv_transpose, {"x": ONE, "weight": wide(1, 2**55, 1), "groups": 1, "dtype": "G", "padding": 0,
                               "stride": 2**10, "output_padding": 2**10 - 1}, "out"),
    (fastconv.tiled_conv, {"x": wide(2**54, 4), "weight": wide(2, 1, 2**54, 1), "dtype": "f8"}, "weight"),
    (fastconv.tiled_conv, {"x": ONE, "weight": wide(2, 0, 2**55, 1), "groups": MOST}, "groups"),
    (fastconv.tiled_conv, {"x": wide(1, 4), "weight": wide(2**32, 1, 1, 1), "stride": MOST}, "stride"),
    (fastconv.local_conv, {"x": wide(2**53, 8), "weight": wide(8, 1, 2**53, 1), "dtype": "f8"}, "weight"),
    (fastconv.im2col, {"x": wide(1, 1, 2**31, 2**25), "kernel_size": (2**20, 2**20)}, "out"),
    (fastconv.im2col, {"x": ONE, "kernel_size": (2**62,), "dilation": 2}, "x"),
    (fastconv.col2im, {"cols": wide(1, 0), "output_size": (2**62, 1), "kernel_size": (1, 1)}, "output_size"),
    (fastconv.max_unpool, {"x": wide(1, 1, 2**40), "indices": wide(1, 1, 2**40), "kernel_size": MOST}, "x"),
    (grad.conv_input, {"input_size": (1, 1, 2**63 - 1), "weight": ONE, "grad_output": ONE}, "input_size"),
    (grad.conv_input, {"input_size": (1, 2**40, 2**30), "weight": wide(1, 2**40, 1), "dtype": "G",
                       "grad_output": wide(1, 1, 2**30)}, "out"),
    (grad.conv_weight, {"x": ONE, "weight_size": (1, 1, 2**62), "grad_output": ONE, "dilation": MOST}, "x"),
    (grad.conv_weight, {"x": wide(1, 1, 2**56 + 1), "weight_size": (1, 1, 2), "grad_output": wide(1, 1, 2**56),
                        "dtype": "f4"}, "weight"),
    (grad.conv_weight, {"x": ONE, "weight_size": (0, 2**62, 1), "grad_output": wide(1, 0, 1), "groups": MOST},
     "groups"),
    (grad.conv_transpose_input, {"input_size": (1, 1, 2**62), "weight": ONE, "grad_output": ONE, "stride": 4}, "x"),
    (grad.conv_transpose_weight, {"x": wide(1, 0, 1), "weight_size": (0, 2**62, 1), "grad_output": ONE, "groups": MOST},
     "groups"),
    (grad.tiled_conv_weight, {"x": wide(1, 1, 4), "weight_size": (4, 1, 2**62, 1), "grad_output": wide(1, 1, 4)},
     "groups"),
    (grad.tiled_conv_bias, {"grad_output": wide(1, 8, 4), "tiles": (2**60,)}, "tiles"),
]


@pytest.mark.parametrize(("function", "given", "name"), TOO_BIG,
                         ids=[f"{i}-{case[0].__name__}" for i, case in enumerate(TOO_BIG)])
def test_too_big(function, given, name):
    with pytest.raises(ValueError, match=f"^`{name}`") as caught:
        function(**given)
    assert "too big" in str(caught.value) or "less than 2**62" in str(caught.value)


def test_no_memory_is_no_crash():
    """Sizes that are numbers of the machine, and larger than it."""
    for function, given in [
        (fastconv.correlate, {"in1": wide(2**53), "in2": wide(2**53), "mode": "valid", "dtype": "g"}),
        (fastconv.correlate, {"in1": wide(2**52), "in2": wide(3)}),
        (fastconv.conv, {"x": wide(1, 2**52), "weight": ONE}),
        (fastconv.conv_transpose, {"x": ONE, "weight": wide(1, 2**52, 1)}),
        (fastconv.im2col, {"x": wide(1, 1, 2**52), "kernel_size": 3}),
        (fastconv.max_pool1d, {"x": wide(2**52), "kernel_size": 2}),
    ]:
        with pytest.raises(MemoryError):
            function(**given)


# ---------------------------------------------------------------- large views and small results

@pytest.mark.parametrize("algorithm", ["auto", "filters", "pixels"])
def test_enormous_steps(algorithm):
    """Four windows of four taps each, of which one meets the only element."""
    x, weight = np.full((1, 1, 1), 3.0), np.arange(1.0, 5).reshape(1, 1, 2, 2)
    y = fastconv.conv2d(x, weight, stride=MOST, padding=MOST, dilation=MOST, algorithm=algorithm)
    equal(y, 3 * weight[0, :, ::-1, ::-1])
    equal(fastconv.tiled_conv(x, weight[None, None], stride=MOST, padding=MOST, dilation=MOST), y)


def test_enormous_axes():
    equal(fastconv.conv(wide(1, 2**40), np.full((2, 1, 3), [[[2]], [[3]]], np.uint8), stride=2**30),
          np.repeat(np.uint8([[6], [9]]), 2**10, 1))
    equal(fastconv.conv(wide(2, 2**33, dtype="f4"), np.ones((1, 2, 1), "f4"), stride=2**30), np.full((1, 8), 2, "f4"))
    equal(fastconv.correlate(wide(2**20), wide(2**20), "valid", dtype="i8"), np.array([2**20]))
    equal(grad.conv_input((1, 1, 3), ONE, wide(1, 1, 3)), wide(1, 1, 3))
