"""The plot of a suite: every case a bar, how many times faster than the best peer; SciPy's best a point.

Where there is no peer but a bound, a bar is the share of it that is reached.
"""
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from cases import SUITES
from layer_inputs import label as layer
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator, PercentFormatter
from pool_inputs import label as pool
from results import named, own, path, ratio, rivals
from tiled_inputs import label as tiled

SLOWER = "#f6dcd8"
NEAR = [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.4, 1.7, 2, 2.5, 3, 4]    # ticks where all ratios are near 1
WORDS = {"layer": layer, "pool": pool, "tiled": tiled}    # columns that are no columns
LONG = {"rotation": 40, "ha": "right", "rotation_mode": "anchor", "fontsize": 8}    # for what is many words


def _value(row: dict, column: str):
    """What a row has in a column; empty for no column."""
    return WORDS[column](row["case"]) if column in WORDS else row["case"].get(column, "")


def _values(result: dict, column: str, **at) -> list:
    """A column's values: sizes in their order, names in the file's; one empty value for no column."""
    rows = [row for row in result["rows"] if all(_value(row, k) == v for k, v in at.items())]
    found = dict.fromkeys(_value(row, column) for row in rows)
    return sorted(found) if all(isinstance(value, int) for value in found) else list(found)


def _ratios(result: dict, row: dict, workers: str) -> tuple[float | None, float | None]:
    """How many times faster than the best peer, and than SciPy's best."""
    scipy = named(result, "peer", False, "scipy")
    return ratio(row, own(result), rivals(result), workers), ratio(row, own(result), scipy, workers)


def _colours(values: list) -> list:
    return [plt.colormaps["viridis"](0.15 + 0.7 * i / max(1, len(values) - 1)) for i in range(len(values))]


def _bounded(result: dict) -> bool:
    return not named(result, "peer")


def _bar(ax, x: float, width: float, bottom: int, colour, over_best: float, over_scipy: float | None) -> None:
    ax.bar(x, over_best - bottom, 0.92 * width, bottom=bottom, color=colour)
    if over_scipy:
        ax.plot(x, over_scipy, "o", color="black", markersize=3.5, markerfacecolor="white", markeredgewidth=0.8)


def _panel(ax, result: dict, panel, workers: str) -> None:
    """Grouped bars: a group for each value along the axis, a colour for each of the series."""
    columns = SUITES[result["suite"]].axes
    series, along = _values(result, columns[1]), _values(result, columns[2], **{columns[0]: panel})
    colours, width = _colours(series), 0.8 / len(series)
    for row in result["rows"]:
        at, one, x = (_value(row, column) for column in columns)
        over_best, over_scipy = _ratios(result, row, workers)
        if at == panel and over_best:
            i = series.index(one)
            place = along.index(x) + (i - (len(series) - 1) / 2) * width
            _bar(ax, place, width, 0 if _bounded(result) else 1, colours[i], over_best, over_scipy)
    ax.set_xticks(range(len(along)), along, **(LONG if columns[2] in WORDS else {}))
    ax.set_xlim(-0.6, len(along) - 0.4)


def _range(result: dict) -> tuple[float, float]:
    """The ends of the scale: around 1, and around all bars and points."""
    found = [r for row in result["rows"] for w in result["workers"] for r in _ratios(result, row, w) if r]
    return min([0.7, *(0.85 * r for r in found)]), max([1.5, *(1.2 * r for r in found)])


def _share_scale(ax) -> None:
    ax.set_ylim(0, 1.05)
    ax.yaxis.set_major_formatter(PercentFormatter(1))


def _ratio_scale(ax, lowest: float, highest: float) -> None:
    """Logarithmic; what is slower than the best peer lies in the coloured part."""
    ax.set_yscale("log", base=2)
    near = highest < 4 * lowest
    ax.yaxis.set_major_locator(FixedLocator(NEAR) if near else LogLocator(base=2))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}x"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    if near:
        ax.yaxis.set_minor_locator(NullLocator())
    ax.set_ylim(lowest, highest)
    ax.axhspan(lowest, 1, color=SLOWER, zorder=0)


def _dress(ax, result: dict) -> None:
    if _bounded(result):
        _share_scale(ax)
    else:
        _ratio_scale(ax, *_range(result))
    ax.axhline(1, color="black", linewidth=1)
    ax.grid(axis="y", linewidth=0.4, alpha=0.5)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def _legend(figure, result: dict) -> None:
    column = SUITES[result["suite"]].axes[1]
    series = _values(result, column)
    marks = [Line2D([], [], color=colour, linewidth=6, label=f"{column} {value}")
             for colour, value in zip(_colours(series), series, strict=True) if column]
    if named(result, "peer", False, "scipy"):
        marks.append(Line2D([], [], color="black", marker="o", linestyle="", markerfacecolor="white",
                            label="over the best of SciPy"))
    figure.legend(handles=marks, loc="outside lower center", ncols=min(4, max(1, len(marks))), frameon=False)


def _title(result: dict) -> str:
    others = rivals(result)
    said = f"share of the {others[0]}" if _bounded(result) else "times faster than the best peer"
    return f"{result['title']}: {said}\n{result['machine']['cpu']}, {result['isa']} kernels, {result['date']}"


def plot(folder: Path, result: dict) -> Path:
    """Panels: across, the first of the suite's columns; down, the numbers of threads. A bar needs somebody to beat."""
    matplotlib.use("Agg")
    result = result | {"rows": [row for row in result["rows"] if row["best peer"]] or result["rows"]}
    columns, counts = SUITES[result["suite"]].axes, result["workers"]
    panels = _values(result, columns[0])
    each = 0.5 if columns[2] in WORDS else 0.9
    width = max(6.5, 2 + 3.2 * len(panels), each * len(_values(result, columns[2])))
    height = 1.8 + 2.4 * len(counts) + (1.2 if columns[2] in WORDS else 0)
    figure, axes = plt.subplots(len(counts), len(panels), sharex="col", sharey=True, squeeze=False,
                                layout="constrained", figsize=(width, height))
    for line, workers in zip(axes, counts, strict=True):
        for ax, panel in zip(line, panels, strict=True):
            _panel(ax, result, panel, workers)
            _dress(ax, result)
            ax.set_title(f"{panel} workers: {workers}".strip(), fontsize=9)
            ax.set_xlabel(columns[2] if ax in axes[-1] else "")
    figure.suptitle(_title(result), fontsize=10)
    _legend(figure, result)
    target = path(folder, result, ".png")
    figure.savefig(target, dpi=110)
    plt.close(figure)
    return target
