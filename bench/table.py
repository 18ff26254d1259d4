"""The table of a suite, as plain text."""
from cases import SUITES
from results import label, named, own, ratio, rivals, seconds, share, speed


def short(t: float | None) -> str:
    """A time with three digits."""
    if t is None:
        return "-"
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if t >= size or unit == "µs":
            return f"{t / size:.3g} {unit}" if t / size < 1000 else f"{t / size:.0f} {unit}"
    return ""


def _time(result: dict, row: dict, method: str, workers: str) -> str:
    """A method's time, with its GFLOP/s or GB/s where the suite has them."""
    if any(error.startswith(f"{method},") for error in row["errors"]):
        return "wrong"
    time, figure = short(seconds(row, method, workers)), speed(result["suite"], row, method, workers)
    return f"{time} {figure:5.3g}" if figure else time


def _figure(figure: float | None, form: str = ".2f") -> str:
    return format(figure, form) if figure else "-"


def _better(fresh: float | None, into: float | None) -> str:
    """The mode in which ours compare better."""
    return "-" if not (fresh and into) else "fresh" if fresh >= into else "out="


def _figures(result: dict, row: dict, workers: str) -> dict[str, str]:
    """The columns behind the times, by name: all that the suite has."""
    fresh, into = (ratio(row, own(result, mode), rivals(result, mode), workers) for mode in (False, True))
    cells = {"best peer": row["best peer"].get(workers, "-"), "ratio": _figure(fresh)}
    if own(result, True):
        cells |= {"best peer out=": row["best peer out="].get(workers, "-"), "ratio out=": _figure(into),
                  "better mode": _better(fresh, into)}
    if named(result, "peer") and named(result, "bound"):
        cells[f"of one core's {named(result, 'bound')[0].split()[-1]}"] = _figure(share(result, row, workers), ".0%")
    return cells


def _cells(result: dict, row: dict, workers: str, methods: list[str]) -> list[str]:
    return [label(result["suite"], row), workers, *(_time(result, row, m, workers) for m in methods),
            *_figures(result, row, workers).values()]


def _columns(lines: list[list[str]]) -> list[str]:
    """Lines of cells, aligned: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                      for i, (cell, width) in enumerate(zip(cells, widths, strict=True))) for cells in lines]


def _header(names: list[str]) -> list[list[str]]:
    """Long names broken at points and spaces, one part a line, at the bottom of the header."""
    parts = [name.replace(".", ". ").split() for name in names]
    height = max(map(len, parts))
    return [list(line) for line in zip(*([""] * (height - len(part)) + part for part in parts), strict=True)]


def table(result: dict) -> str:
    """Every row and thread count: the times of all methods, the best peer, the ratio to it."""
    methods = [name for name in result["methods"] if any(name in row["seconds"] for row in result["rows"])]
    lines = _header(["case", "workers", *methods, *_figures(result, result["rows"][0], result["workers"][0])])
    lines += [_cells(result, row, w, methods) for row in result["rows"] for w in result["workers"]]
    unit = SUITES[result["suite"]].unit
    rates = f" (behind the times {unit})" if unit else ""
    return "\n".join([f"\n{result['suite']}: {result['title']}{rates}", *_columns(lines), *notes(result)])


def notes(result: dict) -> list[str]:
    """What was left out, what was not run and what failed."""
    out = [f"left out: {name} ({reason})" for name, reason in result["left out"].items()]
    for row in result["rows"]:
        out += [f"FAILED: {label(result['suite'], row)}: {who}: {why}" for who, why in row["errors"].items()]
    skipped = {(name, why) for row in result["rows"] for name, why in row["skipped"].items()}
    out += [f"not run: {name} {why}" for name, why in sorted(skipped)]
    return out
