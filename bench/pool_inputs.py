"""Pools: their geometry, inputs, and NumPy's answers, an axis and a tap after the other."""
from dataclasses import dataclass
from math import prod

import numpy as np


@dataclass(frozen=True)
class Pool:
    """The geometry of a pool of square windows; shapes as in torch."""

    kind: str
    dtype: np.dtype
    x_shape: tuple[int, ...]
    kernel: int
    stride: int
    padding: int

    @property
    def y_shape(self) -> tuple[int, ...]:
        return *self.x_shape[:2], *((n + 2 * self.padding - self.kernel) // self.stride + 1 for n in self.x_shape[2:])

    @property
    def result_dtype(self) -> np.dtype:
        """Averages of integers are float64."""
        return np.dtype(np.float64) if self.kind == "avg" and self.dtype.kind in "iu" else self.dtype

    @property
    def least(self) -> float:
        """What the border of a maximum is made of."""
        return np.iinfo(self.dtype).min if self.dtype.kind in "iu" else -np.inf

    @property
    def traffic(self) -> int:
        """Bytes that must be read and written."""
        return prod(self.x_shape) * self.dtype.itemsize + prod(self.y_shape) * self.result_dtype.itemsize


def geometry(case: dict) -> Pool:
    """The pool that a line describes."""
    shape = case["batch"], case["channels"], case["image"], case["image"]
    return Pool(case["kind"], np.dtype(case["dtype"]), shape, case["kernel"], case["stride"], case["padding"])


def traffic(case: dict) -> int:
    return geometry(case).traffic


def label(case: dict) -> str:
    """A pool in words, without its dtype: ``max 3x3 s2 64 @112 batch 8``."""
    pads = f" padding {case['padding']}" if case["padding"] not in (0, case["kernel"] // 2) else ""
    batch = f" batch {case['batch']}" if case["batch"] > 1 else ""
    return (f"{case['kind']} {case['kernel']}x{case['kernel']} s{case['stride']} "
            f"{case['channels']} @{case['image']}{pads}{batch}")


def typed_label(case: dict) -> str:
    return f"{case['dtype']} {label(case)}"


def arrays(case: dict, rng) -> tuple:
    """x and the geometry."""
    pool = geometry(case)
    if pool.dtype.kind in "iu":
        return rng.integers(0, 100, pool.x_shape).astype(pool.dtype), pool
    return rng.standard_normal(pool.x_shape, np.float32).astype(pool.dtype), pool


def products(x, pool: Pool) -> int:
    """Elements that the windows hold, those of the border included."""
    return prod(pool.y_shape) * pool.kernel**2


def _reduced(x, axis: int, pool: Pool, border: float, merge):
    """Every window along an axis as one element."""
    pads = [(0, 0)] * x.ndim
    pads[axis] = (pool.padding, pool.padding)
    lines = np.moveaxis(np.pad(x, pads, constant_values=border), axis, 0)
    last = (pool.y_shape[axis] - 1) * pool.stride + 1
    y = lines[:last:pool.stride].copy()
    for tap in range(1, pool.kernel):
        merge(y, lines[tap:tap + last:pool.stride], out=y)
    return np.moveaxis(y, 0, axis)


def reference(x, pool: Pool):
    """What the pool gives; sums in double precision."""
    border, merge = (pool.least, np.maximum) if pool.kind == "max" else (0, np.add)
    y = x if pool.kind == "max" else x.astype(np.float64)
    for axis in (2, 3):
        y = _reduced(y, axis, pool, border, merge)
    return np.ascontiguousarray(y if pool.kind == "max" else y / pool.kernel**2, pool.result_dtype)
