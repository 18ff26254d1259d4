"""The table of a suite, as plain text."""
from results import label, own, ratio, rivals, seconds


def short(t: float | None) -> str:
    """A time with three digits."""
    if t is None:
        return "-"
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if t >= size or unit == "µs":
            return f"{t / size:.3g} {unit}" if t / size < 1000 else f"{t / size:.0f} {unit}"
    return ""


def _cells(result: dict, row: dict, workers: str, methods: list[str]) -> list[str]:
    figure = ratio(row, own(result), rivals(result), workers)
    times = ["wrong" if any(e.startswith(f"{m},") for e in row["errors"]) else short(seconds(row, m, workers))
             for m in methods]
    return [label(result["suite"], row), workers, *times, row["best peer"].get(workers, "-"),
            f"{figure:.2f}" if figure else "-"]


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
    lines = _header(["case", "workers", *methods, "best peer", "ratio"])
    lines += [_cells(result, row, w, methods) for row in result["rows"] for w in result["workers"]]
    return "\n".join([f"\n{result['suite']}: {result['title']}", *_columns(lines), *notes(result)])


def notes(result: dict) -> list[str]:
    """What was left out, what was not run and what failed."""
    out = [f"left out: {name} ({reason})" for name, reason in result["left out"].items()]
    for row in result["rows"]:
        out += [f"FAILED: {label(result['suite'], row)}: {who}: {why}" for who, why in row["errors"].items()]
    skipped = {(name, why) for row in result["rows"] for name, why in row["skipped"].items()}
    out += [f"not run: {name} {why}" for name, why in sorted(skipped)]
    return out


