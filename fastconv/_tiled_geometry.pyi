from collections.abc import Iterable, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastconv._layer_geometry import Window
from fastconv.kernels.layer import Convolution

@final
class Tiled:
    @property
    def window(self) -> Window: ...
    @property
    def tiles(self) -> tuple[int, ...]: ...
    @property
    def outputs(self) -> tuple[int, ...]: ...
    @property
    def wanted(self) -> int: ...
    @property
    def rank(self) -> int: ...
    @property
    def banks(self) -> int: ...
    @property
    def outputs_of_a_bank(self) -> int: ...
    @property
    def result(self) -> NDArray[Any]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def weight_bytes(self) -> int: ...
    @property
    def products(self) -> int: ...
    def __init__(self, window: Window, tiles: tuple[int, ...], wanted: int) -> None: ...
    def banked_layers(self) -> list[Convolution]: ...
    def plain_layers(self) -> Iterable[Convolution]: ...
    def input_phases(self) -> Iterable[Convolution]: ...
    def unshared(self) -> Convolution: ...
    def finished(self, out: NDArray[Any] | None) -> NDArray[Any]: ...

def tiled_conv(
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
    local: bool,
) -> Tiled: ...
def tiled_conv_input(
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
    local: bool,
) -> Tiled: ...
def tiled_conv_weight(
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
    local: bool,
) -> Tiled: ...
def tiled_conv_bias(
    grad_output: ArrayLike,
    tiles: Sequence[int] | None,
    rank: int | None,
    layout: str,
    out: NDArray[Any] | None,
    dtype: DTypeLike | None,
) -> NDArray[Any]: ...
