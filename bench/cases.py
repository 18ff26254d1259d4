"""The cases: one line of a shapes file each, and what a line means to its suite."""
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import inputs
import layer_inputs
import pool_inputs
import tiled_inputs

SHAPES = Path(__file__).parent / "shapes"


@dataclass(frozen=True)
class Suite:
    """What the lines of ``shapes/<suite>.txt`` mean.

    Attributes
    ----------
    title : str
        What is measured, for tables and plots.
    label : str or callable
        How a case is written: a format string over the columns, or ``label(columns)``.
    arrays : callable
        ``arrays(case, rng)``: the inputs.
    reference : callable
        ``reference(*inputs)``: SciPy's or NumPy's result, which every timed result must equal.
    products : callable
        ``products(*inputs)``: multiply-adds of the direct algorithm.
    axes : tuple of str
        The columns that the plot shows as panels, as colours and along the axis; an empty name for none, "layer",
        "pool" or "tiled" for one in words.
    workers : tuple of str
        Thread counts that replace those of the command line.
    public : bool
        Whether README.md shows it.
    rates : bool
        Whether GFLOP/s stand beside the times: two for a multiply-add of the direct algorithm.
    traffic : callable, optional
        ``traffic(columns)``: bytes that must be read and written; then GB/s stand beside the times.
    """

    title: str
    label: str | Callable[[dict], str]
    arrays: Callable
    reference: Callable = inputs.same_reference
    products: Callable = inputs.same_products
    axes: tuple[str, str, str] = ("dtype", "", "kernel")
    workers: tuple[str, ...] = ()
    public: bool = True
    rates: bool = False
    traffic: Callable[[dict], int] | None = None

    @property
    def unit(self) -> str:
        """What stands beside the times."""
        return "GFLOP/s" if self.rates else "GB/s" if self.traffic else ""


def _layers(title: str, label=layer_inputs.label, axes=("", "", "layer"), **options) -> Suite:
    return Suite(title, label, layer_inputs.arrays, layer_inputs.reference, layer_inputs.products, axes, rates=True,
                 **options)


def _pools(title: str, label, axes) -> Suite:
    return Suite(title, label, pool_inputs.arrays, pool_inputs.reference, pool_inputs.products, axes,
                 traffic=pool_inputs.traffic)


IMAGE = "{dtype} {image} x {image}, {kernel} x {kernel}"

SUITES = {
    "tiny": Suite("one call on a tiny image", IMAGE, inputs.image, axes=("dtype", "kernel", "image"),
                  workers=("default",)),
    "filters": Suite("2-D, mode same, zero border", IMAGE, inputs.image, axes=("dtype", "image", "kernel")),
    "signals": Suite("1-D, mode same, zero border", "{dtype} {length}, {kernel}", inputs.signal,
                     reference=inputs.convolve_reference, axes=("dtype", "length", "kernel")),
    "volumes": Suite("3-D, mode same, zero border", "{dtype} {volume}³, {kernel}³", inputs.volume,
                     axes=("dtype", "volume", "kernel")),
    "peak": Suite("direct kernels and the FMA peak", IMAGE, inputs.image, axes=("dtype", "image", "kernel"),
                  workers=("1",), public=False),
    "builds": Suite("the build in use and the lesser ones", IMAGE, inputs.image, axes=("", "image", "dtype"),
                    workers=("1",), public=False),
    "wrap": Suite("autocorrelation, mode full, periodic", "{dtype} {image} x {image}", inputs.pair,
                  reference=inputs.wrap_reference, products=inputs.full_products, axes=("dtype", "", "image")),
    "layers": _layers("layers, float32, channels first"),
    "layer_dtypes": _layers("layers in other dtypes", layer_inputs.typed_label, ("", "dtype", "layer")),
    "layer_kinds": _layers("transposed, 1-D and 3-D layers, float32"),
    "layer_gradients": _layers("gradients of layers, float32"),
    "layer_builds": _layers("layers with the build in use and the lesser ones", workers=("1",), public=False),
    "tiled": Suite("tiled and local layers", tiled_inputs.typed_label, tiled_inputs.arrays, tiled_inputs.reference,
                   layer_inputs.products, ("", "dtype", "tiled"), rates=True),
    "pools": _pools("pooling, float32, channels first", pool_inputs.label, ("", "", "pool")),
    "pool_dtypes": _pools("pooling in other dtypes", pool_inputs.typed_label, ("", "dtype", "pool")),
}


@dataclass(frozen=True)
class Case:
    """One line: its columns, and whether it is the first of its group."""

    suite: str
    columns: dict[str, str | int]
    first: bool

    def __str__(self) -> str:
        label = SUITES[self.suite].label
        return label(self.columns) if callable(label) else label.format(**self.columns)

    def arrays(self) -> tuple:
        """The inputs, the same ones every time and in every process."""
        seed = zlib.crc32(json.dumps(self.columns).encode())
        return SUITES[self.suite].arrays(self.columns, inputs.generator(seed))


def _value(text: str) -> str | int:
    return int(text) if text.isdigit() else text


def cases(suite: str) -> Iterator[Case]:
    """The cases of a shapes file: comments, the columns' names, and groups of lines parted by blank ones."""
    names, first = [], True
    for line in (SHAPES / f"{suite}.txt").read_text().splitlines():
        words = line.split("#")[0].split()
        if words and not names:
            names = words
        elif words:
            yield Case(suite, dict(zip(names, map(_value, words), strict=True)), first)
            first = False
        elif not line.strip():
            first = True
