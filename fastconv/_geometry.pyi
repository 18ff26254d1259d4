from typing import Any

from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastconv.kernels.problem import Problem

def sliding(
    in1: ArrayLike,
    in2: ArrayLike,
    mode: str,
    boundary: str,
    fillvalue: complex,
    out: NDArray[Any] | None,
    dtype: DTypeLike | None,
    convolve: bool,
    planar: bool,
) -> Problem: ...
def part(whole: Problem, x: NDArray[Any], out: NDArray[Any]) -> Problem: ...
