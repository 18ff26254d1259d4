"""Results: a dictionary a suite, what can be read off it, and its file."""
import json
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

from cases import SUITES, Case
from measure import ANY, thread_counts
from methods import METHODS


def cpu() -> str:
    """The CPU's name as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists() and (name := re.search(r"^model name\s*:\s*(.+)", info.read_text(), re.M)):
        return name[1]
    return platform.processor() or platform.machine()


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def machine() -> dict:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": cpu(), "cpus": cpus, "system": platform.system(), "python": platform.python_version()}


def result(suite: str, rows: list[dict], workers: list[str], children, methods: dict) -> dict:
    """All that is known of a suite's run."""
    wanted = {method.library for method in METHODS[suite].values()}
    return {
        "suite": suite,
        "title": SUITES[suite].title,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": machine(),
        "load before": children.load,
        "isa": children.config.get("kernels in use", ""),
        "versions": dict(sorted(children.versions.items())),
        "fastconv": children.config,
        "workers": thread_counts(suite, workers),
        "left out": {name: why for name, why in children.left_out.items() if name in wanted},
        "methods": {name: {"role": m.role, "into": m.into, "library": m.library} for name, m in methods.items()},
        "rows": rows,
    }


# ---------------------------------------------------------------- reading

def label(suite: str, row: dict) -> str:
    return str(Case(suite, row["case"], row["first"]))


def seconds(row: dict, method: str, workers: str) -> float | None:
    """A method's time on so many threads; the only one that it has, if it has no threads."""
    times = row["seconds"].get(method, {})
    return times.get(workers, times.get(ANY))


def fastest(row: dict, methods: list[str], workers: str) -> tuple[float, str] | None:
    """The shortest time among some methods, and whose it is."""
    times = [(t, name) for name in methods if (t := seconds(row, name, workers))]
    return min(times, default=None)


def named(result: dict, role: str, into: bool | None = None, library: str = "") -> list[str]:
    """The methods of a role that give a fresh result, write into an array, or both."""
    return [name for name, m in result["methods"].items()
            if m["role"] == role and into in (None, m["into"]) and library in ("", m["library"])]


def rivals(result: dict, into: bool = False) -> list[str]:
    """Whom ours are compared with: peers in the same mode, those that have only fresh results so; else the bound."""
    peers = named(result, "peer", into)
    libraries = {result["methods"][name]["library"] for name in peers}
    peers += [name for name in named(result, "peer", False) if result["methods"][name]["library"] not in libraries]
    return peers or named(result, "bound")


def own(result: dict, into: bool = False) -> str:
    """The method of ours that the ratios are for: the first with a fresh result, or into an array; empty if none."""
    return next(iter(named(result, "ours", into)), "")


def ratio(row: dict, ours: str, others: list[str], workers: str, over: str = "") -> float | None:
    """How many times faster than the fastest of some others; None where either was not timed."""
    mine, best = seconds(row, ours, workers), fastest(row, others, over or workers)
    return best[0] / mine if mine and best else None


def rate(row: dict, method: str, workers: str) -> float | None:
    """GFLOP/s, two for each multiply-add of the direct algorithm."""
    time = seconds(row, method, workers)
    return 2e-9 * row["products"] / time if time else None


def speed(suite: str, row: dict, method: str, workers: str) -> float | None:
    """GFLOP/s or GB/s, as the suite has it; None where it has neither."""
    time, traffic = seconds(row, method, workers), SUITES[suite].traffic
    if SUITES[suite].rates:
        return rate(row, method, workers)
    return 1e-9 * traffic(row["case"]) / time if time and traffic else None


def share(result: dict, row: dict, workers: str) -> float | None:
    """The share of what one core can do that the better of ours reaches, where that was measured beside peers."""
    bound = named(result, "bound")[:1] if named(result, "peer") else []
    found = [r for into in (False, True) if (r := ratio(row, own(result, into), bound, workers))]
    return max(found, default=None)


def with_ratios(result: dict) -> dict:
    """The result with each row's best peer and the ratio to it, by thread count, with fresh results and into arrays."""
    for row in result["rows"]:
        for mode, into in ("", False), (" out=", True):
            ours, others = own(result, into), rivals(result, into)
            best = {w: fastest(row, others, w) for w in result["workers"] if seconds(row, ours, w)}
            row["best peer" + mode] = {w: found[1] for w, found in best.items() if found}
            row["ratio" + mode] = {w: round(ratio(row, ours, others, w), 3) for w in row["best peer" + mode]}
    return result


# ---------------------------------------------------------------- files

def path(folder: Path, result: dict, suffix: str) -> Path:
    return folder / f"{slug(result['machine']['cpu'])}-{result['suite']}{suffix}"


def write(folder: Path, result: dict) -> Path:
    """JSON with a row a line, small and easy to compare."""
    rows = ",\n".join("  " + json.dumps(_rounded(row)) for row in result["rows"])
    head = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in result.items() if key != "rows")
    target = path(folder, result, ".json")
    target.write_text(f'{{\n{head},\n "rows": [\n{rows}\n ]\n}}\n')
    return target


def _rounded(row: dict) -> dict:
    times = {name: {w: float(f"{t:.4g}") for w, t in by.items()} for name, by in row["seconds"].items()}
    return {key: value for key, value in (row | {"seconds": times}).items() if value != {}}


def read(file: Path) -> dict:
    result = json.loads(file.read_text())
    missing = {"products": 0, "skipped": {}, "errors": {}, "seconds": {}, "best peer": {}, "best peer out=": {}}
    result["rows"] = [missing | row for row in result["rows"]]
    return result
