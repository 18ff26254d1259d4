"""Memory that ends in the middle of a call: MemoryError, and the process goes on."""
import numpy as np
import pytest

from fastconv.kernels.add import add

from .cases import LAYOUTS, equal, numbers
from .processes import python

# Python's own allocators fail once, at the first, the second, ... request of a call. NumPy asks them for its iterators,
# and for the buffers in which these cast.
FAIL = """
import sys
import numpy as np, fastconv
try:
    import _testcapi
except ImportError:
    sys.exit("skipped")

def result(start, call):
    _testcapi.set_nomemory(start, start + 1)
    try:
        return call()
    except (MemoryError, SystemError):
        return None
    finally:
        _testcapi.remove_mem_hooks()

for given, dtype in (("f4", "f4"), ("f2", "f2"), (">f8", "f4"), ("c8", "c16"), ("?", "?")):
    cols = np.ones((2, 12, 64), given)[:, :, ::2]    # of 3 channels, 2 x 2 taps and 4 x 8 windows
    call = lambda: fastconv.col2im(cols, (5, 9), 2, dtype=np.dtype(dtype))
    wanted = call()
    for start in range(1, 250):
        right = result(start, call)
        assert right is None or (right == wanted).all()
print("finished")
"""


def test_columns_added_up():
    done = python("-c", FAIL, timeout=60)
    if "skipped" in done.stderr:
        pytest.skip("this Python has no _testcapi")
    assert done.stdout.split() == ["finished"], done.stderr


# ---------------------------------------------------------------- the sums that are made instead

@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout != "read_only"])
@pytest.mark.parametrize("dtype", "?bBhHiIqQfdgFDG")
def test_arrays_added(dtype, layout):
    for shape in ((7,), (3, 5), (1, 4, 1), (2, 3, 4, 5), (0, 3), (3, 0)):
        x, y = numbers(shape, dtype, 1), numbers(shape, dtype, 2)
        target = x.copy()
        add(target, LAYOUTS[layout](y))
        equal(target, x + y)
        if layout not in ("swapped", "unaligned"):
            target = LAYOUTS[layout](x.copy())
            add(target, y)
            equal(target, x + y)
    target = np.zeros((3, 8), dtype)
    add(target[:, 1::2], numbers((3, 4), dtype, 3))
    equal(target, np.stack([np.zeros((3, 4), dtype), numbers((3, 4), dtype, 3)], axis=-1).reshape(3, 8))
