from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from fastconv.kernels.pooling import Pooling

@final
class Axes:
    @property
    def rank(self) -> int: ...
    @property
    def kernel(self) -> tuple[Any, ...]: ...
    @property
    def stride(self) -> tuple[Any, ...]: ...
    @property
    def dilation(self) -> tuple[Any, ...]: ...
    @property
    def before(self) -> tuple[Any, ...]: ...
    @property
    def outputs(self) -> tuple[Any, ...]: ...
    @property
    def tables(self) -> tuple[Any, ...]: ...
    @property
    def apart(self) -> tuple[Any, ...]: ...
    @property
    def divisors(self) -> tuple[Any, ...]: ...
    @property
    def padded(self) -> tuple[Any, ...]: ...
    def __init__(
        self,
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        dilation: tuple[int, ...],
        before: tuple[int, ...],
        outputs: tuple[int, ...],
        padded: tuple[int, ...],
        tables: tuple[Any, ...] | None = ...,
    ) -> None: ...

def shares(n: int, o: int) -> tuple[NDArray[Any], NDArray[Any]]: ...
def ranks(x: NDArray[Any], smallest: bool) -> NDArray[Any]: ...
def max_pool(
    x: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    return_indices: Any,
    layout: Any,
    out: Any,
    dtype: Any,
    rank: int,
    smallest: bool,
) -> tuple[list[Pooling], NDArray[Any], NDArray[Any] | None]: ...
def global_max_pool(
    x: Any,
    return_indices: Any,
    layout: Any,
    out: Any,
    dtype: Any,
    rank: int,
) -> tuple[list[Pooling], NDArray[Any], NDArray[Any] | None]: ...
def adaptive_max_pool(
    x: Any,
    output_size: Any,
    return_indices: Any,
    layout: Any,
    out: Any,
    dtype: Any,
    rank: int,
) -> tuple[list[Pooling], NDArray[Any], NDArray[Any] | None]: ...
def extremes_within(
    x: NDArray[Any], tables: list[tuple[NDArray[np.intp], NDArray[np.intp]]], smallest: bool
) -> tuple[Pooling, NDArray[Any]]: ...
def sum_pool(
    x: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    layout: Any,
    out: Any,
    dtype: Any,
    rank: int,
) -> tuple[list[Pooling], NDArray[Any]]: ...
def avg_pool(
    x: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: Any,
    count_include_pad: Any,
    divisor_override: Any,
    dilation: Any,
    layout: Any,
    out: Any,
    dtype: Any,
    rank: int,
) -> tuple[list[Pooling], NDArray[Any], Any]: ...
def global_avg_pool(
    x: Any,
    layout: Any,
    out: Any,
    dtype: Any,
    rank: int,
) -> tuple[list[Pooling], NDArray[Any], Any]: ...
def adaptive_avg_pool(
    x: Any,
    output_size: Any,
    layout: Any,
    out: Any,
    dtype: Any,
    rank: int,
) -> tuple[list[Pooling], NDArray[Any], Any]: ...
def lp_pool(
    x: Any,
    norm_type: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    layout: Any,
    out: Any,
    dtype: Any,
    rank: int,
) -> tuple[list[Pooling], NDArray[Any]]: ...
def max_unpool(
    x: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
    layout: Any,
    out: Any,
    dtype: Any,
    rank: int,
) -> tuple[Any, ...]: ...
def max_pool_gradient(
    input_size: Any,
    indices: Any,
    grad_output: Any,
    rank: Any,
    layout: Any,
    out: Any,
    dtype: Any,
) -> tuple[Any, ...]: ...
def sum_pool_gradient(
    input_size: Any,
    grad_output: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    layout: Any,
    out: Any,
    dtype: Any,
) -> tuple[list[Pooling], NDArray[Any]]: ...
def avg_pool_gradient(
    input_size: Any,
    grad_output: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: Any,
    count_include_pad: Any,
    divisor_override: Any,
    dilation: Any,
    layout: Any,
    out: Any,
    dtype: Any,
) -> tuple[list[Pooling], NDArray[Any]]: ...
def adaptive_avg_pool_gradient(
    input_size: Any,
    grad_output: Any,
    rank: Any,
    layout: Any,
    out: Any,
    dtype: Any,
) -> tuple[list[Pooling], NDArray[Any]]: ...
def lp_pool_gradient(
    x: Any,
    norm_type: Any,
    grad_output: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    layout: Any,
    out: Any,
    dtype: Any,
) -> tuple[Any, ...]: ...
def norm_records(x: NDArray[Any], y: NDArray[Any], axes: Axes, last: bool, power: float) -> list[Pooling]: ...
def spread_norms(g: Any, axes: Any, sizes: Any, last: Any, wide: Any) -> tuple[list[Pooling], NDArray[Any]]: ...
