from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from numpy.typing import ArrayLike, DTypeLike, NDArray

_Numbers: TypeAlias = int | Sequence[int]
_Padding: TypeAlias = int | Sequence[int | Sequence[int]] | Literal["valid", "same", "same_lower", "full", "causal"]
_PoolPadding: TypeAlias = int | Sequence[int | Sequence[int]] | Literal["valid", "same", "same_lower"]
_PaddingMode: TypeAlias = Literal["zeros", "reflect", "replicate", "circular", "symmetric"]
_Layout: TypeAlias = Literal["channels_first", "channels_last"]

def conv_input(
    input_size: Sequence[int],
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: _Numbers = 1,
    padding: _Padding = 0,
    dilation: _Numbers = 1,
    groups: int = 1,
    *,
    padding_mode: _PaddingMode = "zeros",
    layout: _Layout = "channels_first",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def conv_weight(
    x: ArrayLike,
    weight_size: Sequence[int],
    grad_output: ArrayLike,
    stride: _Numbers = 1,
    padding: _Padding = 0,
    dilation: _Numbers = 1,
    groups: int = 1,
    *,
    padding_mode: _PaddingMode = "zeros",
    layout: _Layout = "channels_first",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def conv_bias(
    grad_output: ArrayLike,
    *,
    rank: int | None = None,
    layout: _Layout = "channels_first",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def conv_transpose_input(
    input_size: Sequence[int],
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: _Numbers = 1,
    padding: _Padding = 0,
    output_padding: _Numbers = 0,
    groups: int = 1,
    dilation: _Numbers = 1,
    *,
    padding_mode: _PaddingMode = "zeros",
    layout: _Layout = "channels_first",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def conv_transpose_weight(
    x: ArrayLike,
    weight_size: Sequence[int],
    grad_output: ArrayLike,
    stride: _Numbers = 1,
    padding: _Padding = 0,
    output_padding: _Numbers = 0,
    groups: int = 1,
    dilation: _Numbers = 1,
    *,
    padding_mode: _PaddingMode = "zeros",
    layout: _Layout = "channels_first",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def conv_transpose_bias(
    grad_output: ArrayLike,
    *,
    rank: int | None = None,
    layout: _Layout = "channels_first",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def max_pool(
    input_size: Sequence[int],
    indices: ArrayLike,
    grad_output: ArrayLike,
    *,
    rank: int | None = None,
    layout: _Layout = "channels_first",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def avg_pool(
    input_size: Sequence[int],
    grad_output: ArrayLike,
    kernel_size: _Numbers,
    stride: _Numbers | None = None,
    padding: _PoolPadding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: _Numbers = 1,
    layout: _Layout = "channels_first",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def sum_pool(
    input_size: Sequence[int],
    grad_output: ArrayLike,
    kernel_size: _Numbers,
    stride: _Numbers | None = None,
    padding: _PoolPadding = 0,
    ceil_mode: bool = False,
    *,
    dilation: _Numbers = 1,
    layout: _Layout = "channels_first",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def lp_pool(
    x: ArrayLike,
    norm_type: float,
    grad_output: ArrayLike,
    kernel_size: _Numbers,
    stride: _Numbers | None = None,
    ceil_mode: bool = False,
    *,
    padding: _PoolPadding = 0,
    dilation: _Numbers = 1,
    layout: _Layout = "channels_first",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def adaptive_avg_pool(
    input_size: Sequence[int],
    grad_output: ArrayLike,
    *,
    rank: int | None = None,
    layout: _Layout = "channels_first",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
