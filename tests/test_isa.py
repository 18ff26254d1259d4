"""Every build of the kernels that this CPU runs is right, and one that it does not run is refused by name."""
from pathlib import Path

import pytest

from fastconv import _isa

from .processes import python

# Stands for a CPU that runs nothing but the baseline.
OLD_CPU = """
import sys, types
cpu = types.ModuleType("fastconv.kernels.cpu")
cpu.runs, cpu.compiler, cpu.openmp = lambda: ("baseline",), lambda: "none", lambda: "no"
sys.modules[cpu.__name__] = cpu
import fastconv
from fastconv import _isa
print(_isa.isa, *_isa.available())
"""


@pytest.mark.parametrize("isa", _isa.available())
def test_each_build(isa):
    """The tests of the direct kernels once more, in a process that uses this build."""
    tests = Path(__file__).with_name("test_direct.py")
    done = python("-m", "pytest", "-p", "no:cacheprovider", str(tests), "-k", "edges or ranks or functions",
                  FASTCONV_ISA=isa, timeout=600)
    assert done.returncode == 0, done.stdout
    assert f"kernels: {isa} of " in done.stdout


@pytest.mark.parametrize("isa", _isa.available())
def test_forced(isa):
    done = python("-c", "from fastconv import _isa; print(_isa.isa, _isa.kernels('direct').__name__)", FASTCONV_ISA=isa)
    wanted = {"baseline": "fastconv.kernels", "x86-64-v3": "fastconv.kernels.v3", "x86-64-v4": "fastconv.kernels.v4"}
    assert done.stdout.split() == [isa, wanted[isa] + ".direct"], done.stderr


@pytest.mark.parametrize("value", [None, ""])
def test_the_best_is_taken(value):
    done = python("-c", "from fastconv import _isa; print(_isa.isa)", FASTCONV_ISA=value)
    assert done.stdout.strip() == _isa.available()[-1], done.stderr


@pytest.mark.parametrize("isa", ["x86-64-v9", "V3", "avx2"])
def test_one_that_was_not_built(isa):
    done = python("-c", "import fastconv", FASTCONV_ISA=isa)
    assert done.returncode
    assert "ImportError: FASTCONV_ISA must be one of " + ", ".join(_isa.available()) in done.stderr
    assert repr(isa) in done.stderr
    assert "built without it" in done.stderr


@pytest.mark.parametrize("isa", [isa for isa in _isa.built() if isa != "baseline"])
def test_one_that_the_cpu_lacks(isa):
    done = python("-c", OLD_CPU, FASTCONV_ISA=isa)
    assert done.returncode
    assert f"ImportError: FASTCONV_ISA must be one of baseline, got {isa!r}: this CPU does not run it" in done.stderr


@pytest.mark.parametrize("value", [None, "baseline"])
def test_an_old_cpu_gets_the_baseline(value):
    assert python("-c", OLD_CPU, FASTCONV_ISA=value).stdout.split() == ["baseline", "baseline"]


def test_the_baseline_is_always_there():
    assert _isa.available()[0] == "baseline"
    assert set(_isa.available()) <= set(_isa.built())
