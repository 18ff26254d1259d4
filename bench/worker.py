"""The child process: one library on one number of threads, asked through lines of JSON.

``python worker.py LIBRARY WORKERS`` reads a request a line, ``{"do": "time", ...}``, and answers with a line each:
a dictionary, which holds "error" if that is how it went.
"""
import ctypes
import gc
import json
import os
import signal
import sys
from contextlib import redirect_stdout
from io import StringIO
from itertools import repeat
from math import ceil
from time import perf_counter

import numpy as np
from cases import SUITES, Case
from inputs import difference, tolerance
from libraries import load
from methods import METHODS

SAMPLE_SECONDS = 2e-4    # a sample is as many calls as take so long that the clock does not matter


def _config() -> dict[str, str]:
    """What fastconv says of itself: the columns of show_config()."""
    import fastconv
    with redirect_stdout(StringIO()) as printed:
        fastconv.show_config()
    return {name: value.strip() for name, value in
            (line.split("  ", 1) for line in printed.getvalue().splitlines())}


def _seconds(call, calls: int) -> float:
    """Seconds a call, in one sample."""
    start = perf_counter()
    for _ in repeat(None, calls):
        call()
    return (perf_counter() - start) / calls


class Bench:
    """The case at hand: its inputs, and the calls that were found right."""

    def __init__(self, library: str, workers: str):
        self.library, self.workers = library, workers
        self.case = None

    def hello(self) -> dict:
        """Import the library: versions, and what fastconv says of itself."""
        versions = load(self.library, self.workers)
        return {"versions": versions, "config": _config() if "fastconv" in versions else {}}

    def take(self, suite: str, columns: dict) -> dict:
        """Make the inputs of a case."""
        self.case = Case(suite, columns, False)
        self.arrays = self.case.arrays()
        self.calls = {}
        return {"products": SUITES[suite].products(*self.arrays)}

    def refer(self, path: str) -> dict:
        """Write the suite's reference to a file, for all to compare with."""
        np.save(path, SUITES[self.case.suite].reference(*self.arrays))
        return {}

    def check(self, method: str, path: str) -> dict:
        """Call once, and compare with the reference; only then may the method be timed."""
        entry = METHODS[self.case.suite][method]
        call = entry.prepare(*self.arrays)
        start = perf_counter()
        result = call()
        first = perf_counter() - start
        if entry.role != "bound":
            reference = np.load(path, mmap_mode="r")
            apart = difference(result, reference)
            if not apart <= tolerance(reference.dtype):
                raise ArithmeticError(f"wrong by {apart:.2g} of the largest element")
        del result
        slow = first > 100 * SAMPLE_SECONDS
        self.calls[method] = call, 1 if slow else ceil(SAMPLE_SECONDS / _seconds(call, 1))
        return {}

    def time(self, method: str, seconds: float) -> dict:
        """The shortest sample of those that fit into some seconds, one at least, and the time they all took."""
        call, calls = self.calls[method]
        start, best = perf_counter(), float("inf")
        gc.disable()
        while True:
            best = min(best, _seconds(call, calls))
            spent = perf_counter() - start
            if spent >= seconds:
                gc.enable()
                return {"seconds": best, "spent": spent}


def _die_with_parent() -> None:
    """A process that is stopped would outlive its parent's sudden death."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def main() -> None:
    _die_with_parent()
    bench = Bench(*sys.argv[1:])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)    # what a library prints must not come between the answers
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(bench, request.pop("do"))(**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
