"""Rewrite the benchmark's part of README.md: the first case of each group, which ``run.py --quick`` measures too.

``python bench/readme.py [RESULT ...]`` reads the results of a machine, all in ``bench/results`` unless told.
"""
import argparse
from math import prod
from pathlib import Path

from cases import SUITES
from results import label, named, own, ratio, read, rivals, seconds, speed
from table import short

HERE = Path(__file__).parent
PLAIN, EQUAL = "fastconv", "torch"    # layers from plain arrays in every call
BEGIN, END = "<!-- benchmark:begin -->", "<!-- benchmark:end -->"


def _times(figure: float | None) -> str:
    return f"{figure:.3g}x" if figure else ""


def _over_best(result: dict, row: dict, workers: str, into: bool = False) -> float | None:
    return ratio(row, own(result, into), rivals(result, into), workers)


def _ratios(result: dict, row: dict) -> dict[str, float | None]:
    """By column: over SciPy's best if it is there, over the best peer, and that again for more threads.

    For layers and pools also what writes into an array, and for layers a function of plain arrays over the peer that
    takes the same.
    """
    first, *more = result["workers"]
    scipy, layers = named(result, "peer", False, "scipy"), SUITES[result["suite"]].unit
    figures = {"faster than SciPy": ratio(row, own(result), scipy, first)} if scipy else {}
    figures["than the best peer"] = _over_best(result, row, first)
    if layers:
        figures["with `out=`"] = _over_best(result, row, first, into=True)
    if PLAIN in result["methods"] and own(result) != PLAIN:
        figures[f"`conv` over {EQUAL}"] = ratio(row, PLAIN, [EQUAL], first)
    for workers in more:
        figures[f"with {workers} workers"] = _over_best(result, row, workers)
        if layers:
            figures[f"with {workers} and `out=`"] = _over_best(result, row, workers, into=True)
    return figures


def _mean(figures) -> float | None:
    found = [figure for figure in figures if figure]
    return prod(found) ** (1 / len(found)) if found else None


def _speed(result: dict, row: dict, method: str) -> str:
    figure = speed(result["suite"], row, method, result["workers"][0])
    return f"{figure:.3g}" if figure else ""


def _facts(result: dict, row: dict) -> dict[str, str]:
    """The columns before the ratios: our time and who comes next, with their GFLOP/s or GB/s."""
    first = result["workers"][0]
    best = row["best peer"].get(first, "")
    facts = {"case": label(result["suite"], row), own(result): short(seconds(row, own(result), first))}
    unit = SUITES[result["suite"]].unit
    if not unit:
        return facts | {"best peer": best}
    return facts | {unit: _speed(result, row, own(result)), "best peer": best, f"its {unit}": _speed(result, row, best)}


def _suite(result: dict) -> str:
    """A table: some cases, and the geometric mean of all."""
    first, rows = result["workers"][0], result["rows"]
    facts, ratios = _facts(result, rows[0]), [_ratios(result, row) for row in rows]
    means = [_times(_mean(figures)) for figures in zip(*(found.values() for found in ratios), strict=True)]
    lines = [[*_facts(result, row).values(), *map(_times, found.values())]
             for row, found in zip(rows, ratios, strict=True) if row["first"]]
    lines.append([f"*geometric mean of all {len(rows)}*", *[""] * (len(facts) - 1), *means])
    rule = ["---" if name in ("case", "best peer") else "---:" for name in (*facts, *ratios[0])]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in [[*facts, *ratios[0]], rule, *lines])
    return f"{result['title']}, workers: {first}\n\n{table}"


def text(results: list[dict]) -> str:
    """The part of README.md between its two comment lines."""
    last = results[-1]
    machine = last["machine"]
    versions = {name: version for result in results for name, version in result["versions"].items()}
    source = (f"{machine['cpu']}, {machine['cpus']} CPUs, {last['isa']} kernels, Python {machine['python']}, "
              + ", ".join(f"{name} {version}" for name, version in versions.items()) + f"; {last['date']}.")
    return "\n\n".join([*map(_suite, results), source])


def rewritten(readme: str, part: str) -> str:
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"the file needs a line {BEGIN} and below it a line {END}")
    return f"{before}{BEGIN}\n{part}\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", nargs="*", type=Path, metavar="RESULT", help="JSON files that run.py wrote")
    parser.add_argument("--readme", type=Path, default=HERE.parent / "README.md")
    options = parser.parse_args()
    results = {result["suite"]: result for result in map(read, options.results or sorted(HERE.glob("results/*.json")))}
    if not results:
        parser.error("no results: run bench/run.py first")
    shown = [results[name] for name, suite in SUITES.items() if suite.public and name in results]
    options.readme.write_text(rewritten(options.readme.read_text(), text(shown)))


if __name__ == "__main__":
    main()
