from collections.abc import Iterator, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastconv.kernels.layer import Convolution

@final
class Window:
    @property
    def rank(self) -> int: ...
    @property
    def boundary(self) -> int: ...
    @property
    def kernel(self) -> tuple[int, ...]: ...
    @property
    def stride(self) -> tuple[int, ...]: ...
    @property
    def dilation(self) -> tuple[int, ...]: ...
    @property
    def before(self) -> tuple[int, ...]: ...
    @property
    def after(self) -> tuple[int, ...]: ...
    @property
    def sizes(self) -> tuple[int, ...]: ...
    def __init__(
        self,
        kernel: tuple[int, ...],
        stride: int | Sequence[int],
        padding: Any,
        dilation: int | Sequence[int],
        padding_mode: str,
        sizes: tuple[int, ...],
        name: str = ...,
    ) -> None: ...
    def extents(self) -> tuple[int, ...]: ...
    def padded(self) -> tuple[int, ...]: ...
    def outputs(self) -> tuple[int, ...]: ...
    def folds(self) -> bool: ...
    def apart(self) -> Window: ...

@final
class Transposed:
    @property
    def x(self) -> NDArray[Any]: ...
    @property
    def weight(self) -> NDArray[Any]: ...
    @property
    def bias(self) -> NDArray[Any] | None: ...
    @property
    def out(self) -> NDArray[Any]: ...
    @property
    def before(self) -> tuple[int, ...]: ...
    @property
    def activation(self) -> tuple[Any, ...]: ...
    @property
    def sizes(self) -> tuple[int, ...]: ...
    @property
    def window(self) -> Window: ...
    def __init__(
        self,
        x: NDArray[Any],
        weight: NDArray[Any],
        bias: NDArray[Any] | None,
        out: NDArray[Any],
        before: tuple[int, ...],
        activation: tuple[Any, ...],
        window: Window,
    ) -> None: ...
    def bundles(self) -> bool: ...
    def finite(self) -> bool: ...
    def covers(self, how: str) -> bool: ...
    def fill(self) -> tuple[Convolution, NDArray[Any]]: ...
    def bundled_layers(self, axis: tuple[Any, ...]) -> Iterator[Convolution]: ...
    def layers(self, how: str) -> Iterator[Convolution]: ...

def finished(computed: NDArray[Any], out: NDArray[Any] | None) -> NDArray[Any]: ...
def conv(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None,
    stride: int | Sequence[int],
    padding: Any,
    dilation: int | Sequence[int],
    groups: int,
    padding_mode: str,
    layout: str,
    activation: Any,
    out: NDArray[Any] | None,
    dtype: DTypeLike | None,
    rank: int,
) -> tuple[list[Convolution], NDArray[Any]]: ...
def conv_transpose(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None,
    stride: int | Sequence[int],
    padding: Any,
    output_padding: int | Sequence[int],
    groups: int,
    dilation: int | Sequence[int],
    output_size: int | Sequence[int] | None,
    padding_mode: str,
    layout: str,
    activation: Any,
    out: NDArray[Any] | None,
    dtype: DTypeLike | None,
    rank: int,
) -> tuple[Transposed, NDArray[Any], Window | None, np.dtype[Any]]: ...
def conv_input(
    input_size: Sequence[int],
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: int | Sequence[int],
    padding: Any,
    dilation: int | Sequence[int],
    groups: int,
    padding_mode: str,
    layout: str,
    out: NDArray[Any] | None,
    dtype: DTypeLike | None,
) -> tuple[Transposed, NDArray[Any], Window | None, np.dtype[Any]]: ...
def conv_weight(
    x: ArrayLike,
    weight_size: Sequence[int],
    grad_output: ArrayLike,
    stride: int | Sequence[int],
    padding: Any,
    dilation: int | Sequence[int],
    groups: int,
    padding_mode: str,
    layout: str,
    out: NDArray[Any] | None,
    dtype: DTypeLike | None,
) -> tuple[list[Convolution], NDArray[Any]]: ...
def conv_transpose_input(
    input_size: Sequence[int],
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: int | Sequence[int],
    padding: Any,
    output_padding: int | Sequence[int],
    groups: int,
    dilation: int | Sequence[int],
    padding_mode: str,
    layout: str,
    out: NDArray[Any] | None,
    dtype: DTypeLike | None,
) -> tuple[list[Convolution], NDArray[Any]]: ...
def conv_transpose_weight(
    x: ArrayLike,
    weight_size: Sequence[int],
    grad_output: ArrayLike,
    stride: int | Sequence[int],
    padding: Any,
    output_padding: int | Sequence[int],
    groups: int,
    dilation: int | Sequence[int],
    padding_mode: str,
    layout: str,
    out: NDArray[Any] | None,
    dtype: DTypeLike | None,
) -> tuple[list[Convolution], NDArray[Any]]: ...
def im2col(
    x: ArrayLike,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int],
    padding: Any,
    dilation: int | Sequence[int],
    padding_mode: str,
    layout: str,
    out: NDArray[Any] | None,
    dtype: DTypeLike | None,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], Window]: ...
def col2im(
    cols: ArrayLike,
    output_size: int | Sequence[int],
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int],
    padding: Any,
    dilation: int | Sequence[int],
    padding_mode: str,
    layout: str,
    out: NDArray[Any] | None,
    dtype: DTypeLike | None,
) -> tuple[NDArray[Any], NDArray[Any], np.dtype[Any], Window]: ...
def in_layout(a: NDArray[Any], rank: int, layout: str) -> NDArray[Any]: ...
def folded(spread: NDArray[Any], window: Window, padding_mode: str, layout: str) -> NDArray[Any]: ...
def pointwise(
    x: NDArray[Any],
    bias: ArrayLike | None,
    activation: Any,
    layout: str,
    rank: int,
) -> tuple[list[Convolution], NDArray[Any]]: ...
def check_layer(
    weight: ArrayLike,
    bias: ArrayLike | None,
    stride: int | Sequence[int],
    padding: Any,
    dilation: int | Sequence[int],
    groups: int,
    padding_mode: str,
    layout: str,
    activation: Any,
) -> None: ...
def conv_bias(
    grad_output: ArrayLike,
    rank: int | None,
    layout: str,
    out: NDArray[Any] | None,
    dtype: DTypeLike | None,
) -> tuple[NDArray[Any], tuple[int, ...], np.dtype[Any]]: ...
def rounded(sums: NDArray[Any], dtype: DTypeLike, out: NDArray[Any] | None) -> NDArray[Any]: ...
