"""Benchmark fastconv against the libraries that are installed.

Each library runs in a process of its own for each number of threads. Every result is compared with SciPy's before it
is timed; the libraries are timed in turns, so that a slow minute of the machine hits all; the minimum counts.
"""
import argparse
import re
from pathlib import Path

from cases import SUITES, Case, cases
from children import Children
from libraries import LIBRARIES
from measure import Effort, Way, measure, ways
from methods import METHODS
from plot import plot
from results import result, with_ratios, write
from table import table
from targets import judge, line
from tqdm import tqdm

RESULTS = Path(__file__).with_name("results")
FULL = Effort(rounds=10, seconds=0.015, share=1.25)
QUICK = Effort(rounds=3, seconds=0.005, share=0.3)


def count(text: str) -> str:
    """A number of threads, kept as text: it names columns, and goes into environments."""
    if int(text) < 1:
        raise ValueError
    return str(int(text))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("suites", nargs="*", metavar="suite", help=f"of {', '.join(SUITES)}; all if none is named")
    parser.add_argument("--workers", nargs="+", type=count, default=["1", "2"], metavar="N",
                        help="thread counts (default: 1 2)")
    parser.add_argument("--peers", nargs="+", metavar="LIBRARY", help="compare with these only: "
                        + ", ".join(name for name in LIBRARIES if not name.startswith("fastconv")))
    parser.add_argument("--quick", action="store_true", help="the first case of each group, a few runs of each")
    parser.add_argument("--match", metavar="REGEX", default="", help="only the cases whose table label matches")
    parser.add_argument("--output", type=Path, metavar="DIR",
                        help=f"where JSON and plots go (default: {RESULTS.name}/ beside this file for a full run, "
                        "nowhere for --quick, --match and --peers)")
    options = parser.parse_args()
    for asked, there in (options.suites, SUITES), (options.peers or (), LIBRARIES):
        if unknown := set(asked) - set(there):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(there)}")
    return options


def chosen_cases(suite: str, options) -> list[Case]:
    return [case for case in cases(suite)
            if (case.first or not options.quick) and re.search(options.match, str(case))]


def chosen_ways(suite: str, options, children: Children) -> list[Way]:
    """What to time: fastconv, and the peers asked for, as far as they are installed."""
    asked = options.peers or LIBRARIES
    return [way for way in ways(suite, options.workers)
            if (way.method.library in asked or way.method.library.startswith("fastconv"))
            and children.has(*way.process)]


def run(suite: str, chosen: list[Case], options, children: Children, bar: tqdm) -> dict:
    """Measure a suite."""
    found, rows = chosen_ways(suite, options, children), []
    for case in chosen:
        bar.set_description(f"{suite}: {case}")
        rows.append(measure(children, case, found, QUICK if options.quick else FULL))
        bar.update()
    methods = {name: m for name, m in METHODS[suite].items() if any(way.name == name for way in found)}
    return with_ratios(result(suite, rows, options.workers, children, methods))


def keep(measured: dict, options) -> list[Path]:
    """Write what is asked for: a part of the cases does not replace the results of all."""
    partial = options.quick or options.match or options.peers
    folder = options.output or (None if partial else RESULTS)
    if folder is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    return [write(folder, measured), plot(folder, measured)]


def main() -> None:
    options = arguments()
    plan = {suite: chosen_cases(suite, options) for suite in options.suites or SUITES}
    results = []
    with Children() as children, tqdm(total=sum(map(len, plan.values())), unit="case") as bar:
        if children.load > 0.5:
            bar.write(f"load {children.load}: something else runs here, and several workers need as many idle CPUs")
        for suite, chosen in plan.items():
            if chosen:
                results.append(run(suite, chosen, options, children, bar))
                bar.write(table(results[-1]))
                for file in keep(results[-1], options):
                    bar.write(f"written: {file}")
    print("\ntargets", *map(line, judge(results)), sep="\n")


if __name__ == "__main__":
    main()
