"""Rewrite the benchmark's part of README.md: the first case of each group, which ``run.py --quick`` measures too.

``python bench/readme.py [RESULT ...]`` reads the results of a machine, all in ``bench/results`` unless told.
"""
import argparse
from math import prod
from pathlib import Path

from cases import SUITES
from results import label, named, own, ratio, read, rivals, seconds
from table import short

HERE = Path(__file__).parent
BEGIN, END = "<!-- benchmark:begin -->", "<!-- benchmark:end -->"


def _times(figure: float | None) -> str:
    return f"{figure:.3g}x" if figure else ""


def _ratios(result: dict, row: dict) -> list[float | None]:
    """Over SciPy's best and over the best peer, and the latter again for every further number of threads."""
    first, *more = result["workers"]
    scipy = named(result, "peer", False, "scipy")
    return [ratio(row, own(result), scipy, first),
            *(ratio(row, own(result), rivals(result), workers) for workers in (first, *more))]


def _mean(figures) -> float | None:
    found = [figure for figure in figures if figure]
    return prod(found) ** (1 / len(found)) if found else None


def _row(result: dict, row: dict) -> list[str]:
    first = result["workers"][0]
    return [label(result["suite"], row), short(seconds(row, own(result), first)), row["best peer"].get(first, ""),
            *map(_times, _ratios(result, row))]


def _suite(result: dict) -> str:
    """A table: some cases, and the geometric mean of all."""
    first, *more = result["workers"]
    header = ["case", own(result), "best peer", "faster than SciPy", "than the best peer",
              *(f"with {workers} workers" for workers in more)]
    means = map(_mean, zip(*(_ratios(result, row) for row in result["rows"]), strict=True))
    lines = [_row(result, row) for row in result["rows"] if row["first"]]
    lines.append([f"*geometric mean of all {len(result['rows'])}*", "", "", *map(_times, means)])
    rule = ["---", "---:", "---", *["---:"] * (len(header) - 3)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *lines])
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
