"""Layouts: what each public function takes for the same numbers otherwise in memory, over its time for C order.

One process, one worker, float32, the layouts of a function in turns, the fastest call of each. Results are compared
with that of C order before they are timed. Images one pixel wide are compared with the same pixels as a row. A cell
above `LIMIT` is named at the end, with its reason.
"""
import argparse
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from libraries import load
from results import machine, slug

RESULTS = Path(__file__).with_name("results")
LIMIT = 3.0
ROUNDS = 12
SIDES = {1: (65536,), 2: (256, 256), 3: (40, 40, 40)}
# Why cells may be above the limit: functions and layouts as regular expressions.
REASONS = {(".*", "every second"): "reads two, four or eight times the cache lines"}


# ---------------------------------------------------------------- the same numbers, otherwise in memory

def every_second(a):
    larger = np.zeros([2 * n for n in a.shape], a.dtype)
    view = larger[(slice(None, None, 2),) * a.ndim]
    view[...] = a
    return view


LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "reversed": lambda a: np.flip(np.flip(a).copy()),
    "every second": every_second,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
}
COLUMNS = (*LAYOUTS, "channels_last", "one pixel wide")


# ---------------------------------------------------------------- the functions

@dataclass(frozen=True)
class Entry:
    """A function, its spatial axes, x's channels (0: no such axis), the taps of an axis, and call(x, kernel, ...)."""

    name: str
    rank: int
    channels: int
    taps: int
    call: Callable[..., Any]

    def x(self):
        lead = (1, self.channels) if self.channels else ()
        return np.random.default_rng(0).standard_normal(lead + SIDES[self.rank], np.float32)


def ones(*shape):
    return np.ones(shape, np.float32)


def filters(fc) -> Iterator[Entry]:
    def filtered(name, x, kernel):
        return getattr(fc, name)(x, ones(*kernel), "same", method="direct")

    for name in ("correlate", "convolve"):
        for rank in SIDES:
            yield Entry(f"{name}, rank {rank}", rank, 0, 5, partial(filtered, name))
        yield Entry(f"{name}2d", 2, 0, 5, partial(filtered, f"{name}2d"))


def layers(fc) -> Iterator[Entry]:
    def layer(function, groups, x, kernel, **layout):
        return function(x, ones(16, 16 // groups, *kernel), groups=groups, padding="same", **layout)

    def by_input(groups, x, kernel, **layout):
        return fc.grad.conv_input(x.shape, ones(16, 16 // groups, *kernel), x, padding="same", groups=groups, **layout)

    def by_weight(groups, x, kernel, **layout):
        return fc.grad.conv_weight(np.sign(x), (16, 16 // groups, *kernel), np.sign(x), padding="same", groups=groups,
                                   **layout)

    for groups, what in ((1, ""), (16, ", depthwise")):
        for rank in SIDES:
            yield Entry(f"conv{what}, rank {rank}", rank, 16, 5, partial(layer, fc.conv, groups))
        yield Entry(f"conv_transpose{what}", 2, 16, 5, partial(layer, fc.conv_transpose, groups))
        yield Entry(f"grad.conv_input{what}", 2, 16, 5, partial(by_input, groups))
        yield Entry(f"grad.conv_weight{what}", 2, 16, 5, partial(by_weight, groups))
    yield Entry("grad.conv_bias", 2, 16, 1, lambda x, kernel, **layout: fc.grad.conv_bias(np.sign(x), **layout))
    yield Entry("tiled_conv", 2, 16, 5, lambda x, kernel, **layout: fc.tiled_conv(
        x, ones(*(1,) * (len(kernel) - 1), 2, 8, 16, *kernel), padding="same", **layout))
    yield Entry("im2col", 2, 4, 3, lambda x, kernel, **layout: fc.im2col(x, kernel, **layout))


def pools(fc) -> Iterator[Entry]:
    def pool(name, x, kernel, **layout):
        return getattr(fc, name)(x, kernel, 1, padding="same", **layout)

    for name in ("max_pool", "min_pool", "avg_pool", "sum_pool"):
        for rank in SIDES:
            yield Entry(f"{name}, rank {rank}", rank, 16, 3, partial(pool, name))
    yield Entry("max_pool, indices", 2, 16, 3, lambda x, kernel, **layout: fc.max_pool(
        x, kernel, 1, padding="same", return_indices=True, **layout)[1])
    yield Entry("lp_pool", 2, 16, 3, lambda x, kernel, **layout: fc.lp_pool(x, 3, kernel, 1, **layout))
    for name in ("global_max_pool", "global_avg_pool"):
        yield Entry(name, 2, 16, 1, lambda x, kernel, name=name, **layout: getattr(fc, name)(x, **layout))
    for name in ("adaptive_max_pool", "adaptive_avg_pool"):
        yield Entry(name, 2, 16, 60, lambda x, kernel, name=name, **layout: getattr(fc, name)(x, kernel, **layout))
    yield Entry("grad.avg_pool", 2, 16, 3, lambda x, kernel, **layout: fc.grad.avg_pool(
        x.shape, x, kernel, 1, padding="same", **layout))


# ---------------------------------------------------------------- times

def best(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """The fastest call of each, in turns."""
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = perf_counter()
            call()
            least[name] = min(least[name], perf_counter() - start)
    return least


def by_layout(entry: Entry) -> tuple[float, dict[str, float]]:
    """Seconds for C order, and the other layouts' times over that."""
    x, kernel = entry.x(), (entry.taps,) * entry.rank
    calls = {name: partial(entry.call, lay_out(x), kernel) for name, lay_out in LAYOUTS.items()}
    wanted = calls["C"]()
    for name, call in calls.items():
        np.testing.assert_array_equal(call(), wanted, err_msg=f"{entry.name}, {name}")
    if entry.channels:
        last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
        calls["channels_last"] = partial(entry.call, last, kernel, layout="channels_last")
    least = best(calls)
    return least["C"], {name: time / least["C"] for name, time in least.items() if name != "C"}


def one_pixel_wide(entry: Entry) -> dict[str, float]:
    """The time of a column of pixels over that of the same pixels as a row."""
    if entry.rank == 1:
        return {}
    x, ones_behind = entry.x(), (1,) * (entry.rank - 1)
    pixels = x.reshape(*x.shape[:x.ndim - entry.rank], -1)
    column, row = (pixels.reshape(*pixels.shape[:-1], *shape) for shape in ((-1, *ones_behind), (*ones_behind, -1)))
    least = best({"column": partial(entry.call, column, (entry.taps, *ones_behind)),
                  "row": partial(entry.call, row, (*ones_behind, entry.taps))})
    return {"one pixel wide": least["column"] / least["row"]}


def reason(name: str, layout: str) -> str:
    return next((why for (functions, layouts), why in REASONS.items()
                 if re.fullmatch(functions, name) and re.fullmatch(layouts, layout)), "NO REASON GIVEN")


def lines_of(chosen: list[Entry]) -> Iterator[str]:
    """The table, a line as soon as it is known, and the cells above the limit."""
    width, above = max(len(entry.name) for entry in chosen), []
    yield " ".join([f"{'':<{width}} {'C':>10}", *(f"{name:>14}" for name in COLUMNS[1:])])
    for entry in chosen:
        seconds, ratios = by_layout(entry)
        ratios |= one_pixel_wide(entry)
        cells = (f"{ratios[name]:.2f}" if name in ratios else "-" for name in COLUMNS[1:])
        yield " ".join([f"{entry.name:<{width}} {seconds * 1e6:>7.0f} µs", *(f"{cell:>14}" for cell in cells)])
        above += [f"above {LIMIT:g}: {entry.name}, {name}: {ratio:.2f} ({reason(entry.name, name)})"
                  for name, ratio in ratios.items() if ratio > LIMIT]
    yield from above


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--match", metavar="REGEX", default="", help="only the functions whose name matches")
    options = parser.parse_args()
    load("fastconv", "1")
    import fastconv
    chosen = [entry for family in (filters, layers, pools) for entry in family(fastconv)
              if re.search(options.match, entry.name)]
    lines = [f"{machine()['cpu']}, {fastconv.__version__}, one worker, float32, times over C order"]
    with fastconv.set_workers(1):
        for line in lines_of(chosen):
            print(line, flush=True)
            lines.append(line)
    if not options.match:
        target = RESULTS / f"{slug(machine()['cpu'])}-layouts.txt"
        target.write_text("\n".join(lines) + "\n")
        print(f"written: {target}")


if __name__ == "__main__":
    main()
