"""The targets: figures that the results must show, met or missed."""
import tomllib
from math import prod
from pathlib import Path

from results import label, ratio, seconds

TARGETS = Path(__file__).with_name("targets.toml")


def targets() -> list[dict]:
    return tomllib.loads(TARGETS.read_text())["target"]


def _fits(value, wanted) -> bool:
    return wanted[0] <= value <= wanted[1] if isinstance(wanted, list) else value == wanted


def _rows(target: dict, result: dict) -> list[dict]:
    return [row for row in result["rows"] if all(_fits(row["case"][name], w) for name, w in target["rows"].items())]


def _figure(target: dict, row: dict, workers: str) -> float | None:
    ours = target.get("ours", "fastconv")
    if target["statistic"] == "max":
        return seconds(row, ours, workers)
    return ratio(row, ours, target["peers"], workers, target.get("over", ""))


STATISTICS = {
    "min": min,
    "max": max,
    "geometric mean": lambda figures: prod(figures) ** (1 / len(figures)),
}


def _failed(target: dict, row: dict) -> bool:
    """Whether ours or one of the peers, or the reference for all, failed in a row."""
    names = (target.get("ours", "fastconv"), *target.get("peers", ()), "reference")
    return any(who.partition(",")[0] in names for who in row["errors"])


def _judged(target: dict, result: dict, workers: str) -> dict:
    """One target on one number of threads."""
    rows = _rows(target, result)
    figures = {label(result["suite"], row): f for row in rows if (f := _figure(target, row, workers))}
    failed = sum(_failed(target, row) for row in rows)
    verdict = {"target": target, "workers": workers, "rows": len(figures), "failed": failed, "figure": None,
               "met": None, "where": ""}
    if not figures or target.get("isa", result["isa"]) != result["isa"]:
        return verdict | {"met": False if failed else None}
    figure = STATISTICS[target["statistic"]](list(figures.values()))
    met = figure >= target["least"] if "least" in target else figure <= target["most"]
    where = next((name for name, f in figures.items() if f == figure), "")
    return verdict | {"figure": figure, "met": met and not failed, "where": where}


def judge(results: list[dict]) -> list[dict]:
    """Every target of the suites at hand, on each of its numbers of threads that was measured."""
    by_suite = {result["suite"]: result for result in results}
    return [_judged(target, by_suite[target["suite"]], w)
            for target in targets() if target["suite"] in by_suite
            for w in target["workers"] if w in by_suite[target["suite"]]["workers"]]


def _bound(verdict: dict) -> str:
    target, figure = verdict["target"], verdict["figure"]
    said = "least" if "least" in target else "most"
    unit = "x" if said == "least" else " s"
    return f"{figure:.3g}{unit} (at {said} {target[said]:g}{unit})"


def line(verdict: dict) -> str:
    """A verdict in words."""
    name = f"{verdict['target']['name']}, workers {verdict['workers']}"
    if verdict["figure"] is None:
        return f"MISSED        {name}: all rows failed" if verdict["failed"] else f"not measured  {name}"
    where = f", {verdict['where']}" if verdict["where"] else ""
    failed = f", {verdict['failed']} rows failed" if verdict["failed"] else ""
    return f"{'met' if verdict['met'] else 'MISSED':<12}  {name}: {_bound(verdict)}{where}{failed}"
