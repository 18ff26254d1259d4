"""show_config tells what a bug report needs; `python -m fastconv` prints the same."""
import sys
from importlib.metadata import version

import numpy as np
import pytest

import fastconv
from fastconv import _isa
from fastconv.kernels import cpu

from .processes import python


def facts(text):
    return {name: value.strip() for name, value in (line.split("  ", 1) for line in text.splitlines())}


@pytest.fixture
def shown(capsys):
    fastconv.show_config()
    return capsys.readouterr().out


def test_facts(shown):
    told = facts(shown)
    assert told["fastconv"] == fastconv.__version__
    assert told["kernels in use"] == _isa.isa
    assert told["kernels available"].split(", ") == list(_isa.available())
    assert told["compiler"] == cpu.compiler()
    assert told["OpenMP"].startswith(("yes", "no: "))
    assert told["workers"] == str(fastconv.get_workers())
    assert told["NumPy"] == np.__version__
    assert version("scipy") in told["SciPy (for its FFT)"]


def test_workers_in_force(capsys):
    with fastconv.set_workers(7):
        fastconv.show_config()
    assert facts(capsys.readouterr().out)["workers"] == "7"


def test_command(shown):
    done = python("-m", "fastconv")
    assert done.stderr == ""
    assert done.stdout == shown


@pytest.mark.parametrize("isa", _isa.available())
def test_command_under_a_forced_build(isa):
    assert facts(python("-m", "fastconv", FASTCONV_ISA=isa).stdout)["kernels in use"] == isa


WITHOUT_SCIPY = """
import sys
sys.modules["scipy"] = None
import numpy as np, fastconv
x, w = np.arange(20_000) % 7, np.arange(3000) % 5
assert (fastconv.correlate(x, w, method="fft") == np.correlate(x, w, "full")).all()
assert np.allclose(fastconv.convolve(x * 1.0, w), np.convolve(x, w))
fastconv.show_config()
"""


def test_numpy_alone_is_enough():
    done = python("-c", WITHOUT_SCIPY)
    assert done.returncode == 0, done.stderr


def test_importing_loads_nothing_but_numpy():
    done = python("-c", "import sys, fastconv; print(*sys.modules)")
    assert not {"scipy", "scipy.fft", "scipy.signal", "matplotlib", "torch"} & set(done.stdout.split())


def test_scipys_transforms_are_used_when_they_are_needed():
    pytest.importorskip("scipy")
    done = python("-c", "import sys, numpy as np, fastconv\n"
                  "fastconv.correlate(np.ones(50), np.ones(9), method='fft'); print(*sys.modules)")
    assert "scipy.fft" in done.stdout.split(), done.stderr


@pytest.mark.skipif(sys.flags.optimize > 1, reason="docstrings are stripped")
def test_public_names():
    assert {"correlate", "convolve", "correlate2d", "convolve2d", "set_workers", "get_workers", "show_config"} <= set(
        fastconv.__all__)
    assert all(hasattr(fastconv, name) for name in fastconv.__all__)
