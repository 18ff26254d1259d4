"""Scratch memory of layers and pools: how far a fresh process grows during one call, in MiB a worker.

The second call is measured: the inputs, the result (where the call takes one) and weights that a layer or a model
packed are there before; a fresh result is not counted. A function of plain arrays prepares its weights in every call,
for which it may take 4 MiB more. Exact to 0.2 MiB. Linux.
"""
import argparse
import ctypes
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from cases import SUITES, Case, cases
from libraries import LIBRARIES, environment, load
from methods import METHODS, Method

LIMIT = 4.0       # MiB a worker
WEIGHTS = 4.0     # MiB a call, of a function that does not hold them
MIB = 2**20
LAYERS = [name for name, suite in SUITES.items() if suite.unit and suite.public]    # and pools
# A library that unrolls the images of this one into columns needs 744 MiB.
LARGE = Case("layers", {"dtype": "float32", "kernel": 9, "stride": 1, "padding": 4, "dilation": 1, "groups": 1,
                        "in": 3, "out": 16, "image": 224, "batch": 16}, True)
# Blocks of 64 KiB and more come from the system and go back, so that none is taken for scratch that was there before.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**16), "MALLOC_TRIM_THRESHOLD_": "0",
          "MALLOC_TOP_PAD_": "0"}


# ---------------------------------------------------------------- the child

def _status() -> dict[str, int]:
    """This process's memory in bytes: VmHWM is the most so far, VmRSS what is, RssFile the part that files back."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return {name: int(text.split()[0]) * 1024 for name, text in (line.split(":", 1) for line in lines)
            if text.endswith(" kB")}


def _growth(call) -> tuple[int, int]:
    """By how many bytes memory grew at most during a call, program text aside, and the bytes of the result."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")    # VmHWM starts again
    before = _status()
    result = call()
    after = _status()
    read = after["RssFile"] - before["RssFile"]
    return max(0, after["VmHWM"] - before["VmRSS"] - read), result.nbytes


def _child(suite: str, name: str, workers: str, columns: str) -> None:
    entry = METHODS[suite][name]
    load(entry.library, workers)
    arrays = Case(suite, json.loads(columns), False).arrays()
    _growth(lambda: arrays[0])    # this program's own text and first blocks
    call = entry.prepare(*arrays)
    call()
    growth, result = _growth(call)
    print(growth if entry.into else max(0, growth - result))


# ---------------------------------------------------------------- the parent

def _measured(case: Case, name: str, workers: str) -> float | None:
    """MiB a worker; None where the method refuses or fails."""
    entry = METHODS[case.suite][name]
    if entry.refuses(case.columns, 0):
        return None
    done = subprocess.run(
        [sys.executable, __file__, "--child", case.suite, name, workers, json.dumps(case.columns)],
        env=environment(entry.library, workers) | MEMORY, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"FAILED: {case}, {name}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        return None
    return int(done.stdout.split()[-1]) / MIB / int(workers)


def _methods(suite: str, peers: list[str]) -> Iterator[tuple[str, Method]]:
    """Ours, and those of the peers asked for, that write into an array; else those with a fresh result."""
    found = {name: m for name, m in METHODS[suite].items() if m.role == "ours" or m.library in peers}
    into = {m.library for m in found.values() if m.into}
    for name, m in found.items():
        if (m.into or m.library not in into) and find_spec(LIBRARIES[m.library].module):
            yield name, m


def _chosen(options) -> Iterator[Case]:
    for suite in options.suites or LAYERS:
        yield from (case for case in cases(suite) if re.search(options.match, str(case)))
    if not options.suites and re.search(options.match, str(LARGE)):
        yield LARGE


def _line(case: Case, options) -> list[float]:
    """Print a case, and return what ours took beyond what weights may take; infinity for a failure."""
    ours, cells = [], []
    for name, entry in _methods(case.suite, options.peers):
        for workers in options.workers:
            found = _measured(case, name, workers)
            cells.append(f"{name}, {workers}: {'-' if found is None else f'{found:.2f}'}")
            if entry.role == "ours":
                allowed = WEIGHTS / int(workers) if not case.suite.startswith("pool") and "Conv" not in name else 0
                ours.append(float("inf") if found is None else found - allowed)
    print(f"{case!s:<44}  {'  '.join(cells)}", flush=True)
    return ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("suites", nargs="*", metavar="suite", help=f"of {', '.join(LAYERS)}; all if none is named")
    parser.add_argument("--workers", nargs="+", default=["1", "2"], metavar="N", help="thread counts (default: 1 2)")
    parser.add_argument("--peers", nargs="+", default=[], metavar="LIBRARY", help="these too: torch onnxruntime")
    parser.add_argument("--match", metavar="REGEX", default="", help="only the cases whose label matches")
    options = parser.parse_args()
    print("MiB a worker, by method and workers")
    most = max((found for case in _chosen(options) for found in _line(case, options)), default=0.0)
    print(f"{'met' if most <= LIMIT else 'MISSED'}: at most {most:.2f} MiB a worker (limit {LIMIT:g})")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _child(*sys.argv[2:])
    else:
        main()
