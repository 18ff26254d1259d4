"""A pytest plugin that runs SciPy's own tests on our four functions; test_scipy_suite.py starts it.

Selected are the tests whose code or parameters name one of the functions. After collection their modules get ours
under the names that they imported, and as attributes of what they call `signal`. Each call is counted.
"""
import json
from collections import Counter
from functools import wraps
from types import CodeType, SimpleNamespace

import pytest
from scipy import signal

import fastconv

from .cases import FUNCTIONS

# Class or function, and why ours is not meant to pass. Slow tests are left out too: among them one that wants 4 GB.
LEFT_OUT = {
    "TestConvolve2d::test_fillvalue_errors": "wants the wording of SciPy's messages",
    "TestFFTConvolve::test_fft_nan": "wants a warning that the transform spreads NaN; ours sums those directly",
}

calls = Counter()
left_out = set()


def counted(name):
    ours = getattr(fastconv, name)

    @wraps(ours)
    def function(*args, **kwargs):
        calls[name] += 1
        return ours(*args, **kwargs)
    return function


OURS = {getattr(signal, name): counted(name) for name in FUNCTIONS}
SIGNAL = SimpleNamespace(**vars(signal) | {function.__name__: function for function in OURS.values()})


def ours_for(value):
    if value is signal:
        return SIGNAL
    return OURS.get(value, value) if callable(value) and value.__hash__ else value


def parameters(item):
    return item.callspec.params if hasattr(item, "callspec") else {}


def named(code):
    """The names in a function's code and in the functions within it."""
    return set(code.co_names).union(*(named(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


def selected(item):
    for name in LEFT_OUT:
        if name in item.nodeid:
            left_out.add(name)
            return False
    return named(item.function.__code__).intersection(FUNCTIONS) or any(
        ours_for(value) is not value for value in parameters(item).values())


def pytest_collection_modifyitems(config, items):
    others = [item for item in items if not selected(item)]
    items[:] = [item for item in items if item not in others]
    config.hook.pytest_deselected(items=others)
    for module in {item.module for item in items}:
        for name, value in list(vars(module).items()):
            setattr(module, name, ours_for(value))
    for item in items:
        for name, value in parameters(item).items():
            parameters(item)[name] = ours_for(value)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    passed = len(terminalreporter.stats.get("passed", []))
    terminalreporter.write_line(json.dumps({"calls": calls, "passed": passed, "left out": sorted(left_out)}))
