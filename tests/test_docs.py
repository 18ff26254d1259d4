"""The reference tells of every public name, and of no other."""
import inspect
import re
from pathlib import Path

import fastconv

REFERENCE = Path(__file__).parents[1] / "docs" / "api.rst"


def documented():
    """The names in the reference's lists, each with the module that is current there."""
    module = None
    for line in REFERENCE.read_text(encoding="utf-8").splitlines():
        if line.startswith(".. currentmodule:: "):
            module = line.split()[-1]
        elif re.fullmatch(r"   [A-Za-z]\w*", line):
            yield f"{module}.{line.strip()}"


def test_reference_is_complete():
    names = [f"fastconv.{name}" for name in fastconv.__all__ if name != "grad"]
    names += [f"fastconv.grad.{name}" for name, value in vars(fastconv.grad).items()
              if inspect.isfunction(value) and not name.startswith("_")]
    assert sorted(documented()) == sorted(names)
