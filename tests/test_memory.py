"""Scratch stays within 4 MiB a worker, beyond inputs, output and packed kernel."""
import sys

import pytest

from .processes import python

MEASURE = """
import resource, numpy as np, fastconv
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * {unit}
x, w = np.ones({image}, "{given}"), np.ones({kernel}, "{given}")
out = np.zeros([n - k + 1 for n, k in zip(x.shape, w.shape)] if "{mode}" == "valid" else x.shape, "{dtype}")
fastconv.correlate(x[:9], w[:9], "same", "direct", dtype="{dtype}")    # loads what there is to load
before = peak()
fastconv.correlate(x, w, "{mode}", "direct", boundary="{boundary}", dtype="{dtype}", workers=2, out=out)
print((peak() - before - w.size * out.itemsize * (2 if out.dtype.kind == "c" else 1)) / 2**20)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is Unix's")
@pytest.mark.parametrize(("image", "kernel", "mode", "boundary", "given", "dtype"), [
    ((1005, 1011), (1000, 1000), "valid", "fill", "b", "l"),
    ((1005, 1011), (1000, 1000), "valid", "fill", "d", "d"),
    ((2_000_009,), (2_000_000,), "valid", "fill", "b", "d"),
    ((105, 107, 109), (100, 100, 100), "valid", "fill", "f", "f"),
    ((3000, 4000), (3, 3), "same", "symm", "B", "d"),
    ((3000, 4000), (3, 3), "same", "wrap", "f", "f"),
    ((80, 200, 300), (5, 5, 5), "same", "reflect", "b", "i"),
    ((1500, 1500), (5, 5), "same", "fill", "D", "D"),
], ids=str)
def test_scratch(image, kernel, mode, boundary, given, dtype):
    done = python("-c", MEASURE.format(image=image, kernel=kernel, mode=mode, boundary=boundary, given=given,
                                       dtype=dtype, unit=1 if sys.platform == "darwin" else 1024))
    assert not done.returncode, done.stderr
    assert float(done.stdout) < 2 * 4
