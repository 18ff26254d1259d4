"""SciPy's own tests of the four functions, which ship inside its wheel, pass with ours in their place."""
import json
import os
from pathlib import Path

import pytest
import scipy.signal

from .processes import python
from .scipy_suite_plugin import LEFT_OUT

TESTS = Path(scipy.signal.__file__).with_name("tests")
FILES = ("test_signaltools.py", "test_fir_filter_design.py")
# What the tests of SciPy 1.17 make, and a little less for those of other versions.
CALLS = {"convolve": 1200, "convolve2d": 30, "correlate": 200, "correlate2d": 10}


@pytest.mark.skipif(not TESTS.is_dir(), reason="this SciPy was installed without its tests")
def test_scipys_own_tests():
    done = python(
        "-m", "pytest", "-p", "tests.scipy_suite_plugin", "-p", "no:cacheprovider", "-c", os.devnull,
        "--rootdir", str(TESTS.parents[1]), "-q", "-m", "not slow", *(str(TESTS / file) for file in FILES),
        SCIPY_ARRAY_API=None, timeout=600)
    assert done.returncode == 0, done.stdout
    told = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert told["left out"] == sorted(LEFT_OUT)
    assert told["passed"] >= 150
    for name, least in CALLS.items():
        assert told["calls"][name] >= least
