"""Importing: in a subinterpreter, too, and without what is not needed yet."""
import subprocess
import sys

import pytest

from .processes import python

RUN = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
failed = interpreters.run_string(interpreters.create(), sys.argv[1])    # from Python 3.13 on; before, it raises
if failed is not None:
    raise SystemExit(failed.formatted)
"""

CALLS = """
import warnings
warnings.simplefilter("ignore")    # NumPy's, about subinterpreters
import fastconv, numpy as np
x, w = np.ones((300, 300), np.float32), np.ones((5, 5), np.float32)
for workers in (None, 1, 2):
    assert (fastconv.correlate(x, w, "valid", "direct", workers=workers) == 25).all()
    assert fastconv.max_pool2d(x, 2, workers=workers).sum() == 150 * 150
    assert (fastconv.conv(np.stack([x] * 8), np.ones((8, 8, 3, 3), np.float32), workers=workers) == 72).all()
print("finished", flush=True)
"""


def in_a_subinterpreter(program, *, then=""):
    """What the program prints there; NumPy, or Python, may refuse, with an ImportError."""
    try:
        done = python("-c", RUN + then, program, timeout=30)
    except subprocess.TimeoutExpired:
        pytest.fail("it hangs")
    if "ImportError" in done.stderr or "ModuleNotFoundError" in done.stderr:
        assert "fastconv.kernels" not in done.stderr.splitlines()[-1] or "subinterpreter" in done.stderr
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_in_a_subinterpreter():
    program = """
import warnings
warnings.simplefilter("ignore")    # NumPy's, about subinterpreters
import fastconv
print(fastconv.correlate([1, 2, 3], [1, 1]).sum(), flush=True)
"""
    assert in_a_subinterpreter(program) == ["12"]


def test_calls_in_a_subinterpreter():
    """Also on several threads, and in the process's first interpreter afterwards."""
    assert in_a_subinterpreter(CALLS) == ["finished"]
    assert in_a_subinterpreter("pass", then=CALLS) == ["finished"]


@pytest.mark.skipif(sys.flags.optimize > 1, reason="docstrings are stripped")
def test_scipy_is_imported_when_it_is_needed():
    done = python("-c", "import sys, fastconv, numpy as np\n"
                        "fastconv.correlate2d(np.ones((9, 9)), np.ones((3, 3)))\n"
                        "print('scipy.fft' in sys.modules)\n"
                        "fastconv.correlate(np.ones(999), np.ones(99), method='fft')\n"
                        "print('scipy.fft' in sys.modules)")
    assert done.stdout.split() == ["False", "True"], done.stderr
