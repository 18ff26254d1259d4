from typing import Any, Literal, TypeAlias

from numpy.typing import ArrayLike, DTypeLike, NDArray

_Mode: TypeAlias = Literal["full", "same", "valid"]
_Boundary: TypeAlias = Literal["fill", "wrap", "symm", "symmetric", "reflect", "edge", "pad", "circular"]
_Method: TypeAlias = Literal["auto", "direct", "fft"]

def correlate2d(
    in1: ArrayLike,
    in2: ArrayLike,
    mode: _Mode = "full",
    boundary: _Boundary = "fill",
    fillvalue: complex = 0,
    *,
    method: _Method = "auto",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def convolve2d(
    in1: ArrayLike,
    in2: ArrayLike,
    mode: _Mode = "full",
    boundary: _Boundary = "fill",
    fillvalue: complex = 0,
    *,
    method: _Method = "auto",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...

# Two 0-d inputs give a NumPy scalar, as in NumPy and SciPy. The type tells of arrays, which is what callers have.
def correlate(
    in1: ArrayLike,
    in2: ArrayLike,
    mode: _Mode = "full",
    method: _Method = "auto",
    *,
    boundary: _Boundary = "fill",
    fillvalue: complex = 0,
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def convolve(
    in1: ArrayLike,
    in2: ArrayLike,
    mode: _Mode = "full",
    method: _Method = "auto",
    *,
    boundary: _Boundary = "fill",
    fillvalue: complex = 0,
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
