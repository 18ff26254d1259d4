"""Docstrings keep up with the code: their examples run, and they describe every argument."""
import doctest
import inspect
import re

import pytest

import fastconv
from fastconv import _config, _workers, grad, layers, pooling, signal

MODULES = (signal, layers, pooling, grad, _workers, _config)
NAMED = [getattr(module, name) for module in (fastconv, grad) for name in dir(module) if not name.startswith("_")]
OURS = {f"{f.__module__}.{f.__qualname__}": f for f in [*filter(callable, NAMED), layers.Conv.__call__]}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples(module):
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed


@pytest.mark.parametrize("name", OURS)
def test_arguments(name):
    function = OURS[name]
    first, *parts = re.split(r"\n\n(\w[\w ]*)\n-+\n", inspect.getdoc(function))
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    told = re.findall(r"^\w.*?(?= :|$)", sections.get("Parameters", ""), re.MULTILINE)
    arguments = [name for name in inspect.signature(function).parameters if name != "self"]
    assert [name for names in told for name in names.split(", ")] == arguments
    assert first.partition("\n")[0].endswith(".")
