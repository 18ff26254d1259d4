"""The kernels of layers and filters run on a small stack: threads of musl have 128 KB, of which callers need some."""
import sys

import pytest

from .processes import python

IN_A_SMALL_THREAD = """
import threading
import numpy as np
import fastconv
from fastconv import grad

r = np.random.default_rng(0)
dtype = "{dtype}"
x, w, g = r.random((2, 40, 12, 13)).astype(dtype), r.random((30, 40, 3, 3)).astype(dtype), r.random((2, 30, 12, 13))
g, deep = g.astype(dtype), r.random((30, 400, 3, 3)).astype(dtype)
one, many = r.random((40, 1, 3, 3)).astype(dtype), r.random((12, 13, 5, 40, 3, 3)).astype(dtype)
large, image = r.random((40, 1, 40, 50)).astype(dtype), r.random((60, 70)).astype(dtype)
batch = r.random((40, 40, 12, 13)).astype(dtype)

def work():
    for algorithm in ("filters", "pixels") + (("winograd",) if dtype in "fdFD" else ()):
        fastconv.conv(x, w, padding=1, algorithm=algorithm, workers=1)
        fastconv.conv(r.random((1, 400, 5, 6)).astype(dtype), deep, padding=1, algorithm=algorithm, workers=1)
        fastconv.Conv(w, padding=1, algorithm=algorithm)(x, workers=1)
    fastconv.conv(x, one, padding=1, groups=40, algorithm="depthwise", workers=1)
    fastconv.conv(x, large, padding=30, groups=40, algorithm="depthwise", workers=1)
    fastconv.conv_transpose(x, w.swapaxes(0, 1), stride=2, workers=1)
    fastconv.tiled_conv(x, many[:2, :2], padding=1, workers=1)
    fastconv.local_conv(x, many, padding=1, workers=1)
    fastconv.local_conv(batch, many, padding=1, workers=1)
    y = fastconv.local_conv(batch, many, padding=1, workers=1)
    for n in (2, 40):
        grad.local_conv_weight(batch[:n], many.shape, y[:n], padding=1, workers=1)
        grad.local_conv_input(batch[:n].shape, many, y[:n], padding=1, workers=1)
    grad.conv_weight(x, w.shape, g, padding=1, workers=1)
    grad.conv_input(x.shape, w, g, padding=1, workers=1)
    for kernel in ((3, 3), (1, 40), (45, 50)):
        fastconv.correlate(image, image[:kernel[0], :kernel[1]], "same", "direct", workers=1)
    print("well")

threading.stack_size(64 * 1024)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="threads have other stacks there")
@pytest.mark.parametrize("dtype", "fgFB")
def test_kernels_on_64_kilobytes(dtype):
    done = python("-c", IN_A_SMALL_THREAD.format(dtype=dtype))
    assert done.stdout == "well\n", done.stderr
