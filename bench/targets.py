"""The targets: figures that the results must show, met or missed."""
import tomllib
from math import prod
from pathlib import Path

from results import fastest, label, ratio, speed

TARGETS = Path(__file__).with_name("targets.toml")


def targets() -> list[dict]:
    return tomllib.loads(TARGETS.read_text())["target"]


def _fits(value, wanted) -> bool:
    return wanted[0] <= value <= wanted[1] if isinstance(wanted, list) else value == wanted


def _rows(target: dict, result: dict) -> list[dict]:
    return [row for row in result["rows"]
            if all(_fits((row | row["case"])[name], w) for name, w in target["rows"].items())]


def _modes(target: dict) -> list[tuple[str, list[str]]]:
    """What is compared with whom; of several, the best figure counts."""
    modes = target.get("modes", [target])
    return [(mode.get("ours", "fastconv"), mode.get("peers", [])) for mode in modes]


def _beside(target: dict, row: dict, result: dict, workers: str, ours: str) -> float | None:
    """Our bytes per second in a row, over those in the row that differs in the columns of `than`."""
    wanted = row["case"] | target["than"]
    other = next((other for other in result["rows"] if other["case"] == wanted), row)
    mine, base = (speed(result["suite"], one, ours, workers) for one in (row, other))
    return mine / base if mine and base and other is not row else None


def _figure(target: dict, row: dict, result: dict, workers: str) -> tuple[float, str] | None:
    """A row's figure, and the method of ours that it is for."""
    modes = _modes(target)
    if "than" in target:
        figures = [(_beside(target, row, result, workers, ours), ours) for ours, _ in modes]
        return max((found for found in figures if found[0]), default=None)
    if target["statistic"] == "max":
        return fastest(row, [ours for ours, _ in modes], workers)
    figures = [(ratio(row, ours, peers, workers, target.get("over", "")), ours) for ours, peers in modes]
    return max((found for found in figures if found[0]), default=None)


STATISTICS = {
    "min": min,
    "max": max,
    "geometric mean": lambda figures: prod(figures) ** (1 / len(figures)),
}


def _failed(target: dict, row: dict) -> bool:
    """Whether ours or one of the peers, or the reference for all, failed in a row."""
    names = {"reference", *(name for ours, peers in _modes(target) for name in (ours, *peers))}
    return any(who.partition(",")[0] in names for who in row["errors"])


def _where(target: dict, figures: dict, figure: float) -> str:
    """The row whose figure it is, and of several modes, which."""
    for name, (found, ours) in figures.items():
        if found == figure:
            return f"{name}, {ours}" if "modes" in target else name
    return ""


def _judged(target: dict, result: dict, workers: str) -> dict:
    """One target on one number of threads."""
    rows = _rows(target, result)
    figures = {label(result["suite"], row): f for row in rows if (f := _figure(target, row, result, workers))}
    failed = sum(_failed(target, row) for row in rows)
    verdict = {"target": target, "workers": workers, "rows": len(figures), "failed": failed, "figure": None,
               "met": None, "where": ""}
    if not figures or target.get("isa", result["isa"]) != result["isa"]:
        return verdict | {"met": False if failed else None}
    figure = STATISTICS[target["statistic"]]([found for found, _ in figures.values()])
    met = figure >= target["least"] if "least" in target else figure <= target["most"]
    return verdict | {"figure": figure, "met": met and not failed, "where": _where(target, figures, figure)}


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
