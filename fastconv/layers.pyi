from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, TypeAlias

from numpy.typing import ArrayLike, DTypeLike, NDArray

_Numbers: TypeAlias = int | Sequence[int]
_Padding: TypeAlias = int | Sequence[int | Sequence[int]] | Literal["valid", "same", "same_lower", "full", "causal"]
_PaddingMode: TypeAlias = Literal["zeros", "reflect", "replicate", "circular", "symmetric"]
_Layout: TypeAlias = Literal["channels_first", "channels_last"]
_Activation: TypeAlias = (
    Literal["relu", "relu6", "sigmoid", "tanh", "silu", "leaky_relu"] | tuple[Literal["leaky_relu"], float]
)
_Algorithm: TypeAlias = Literal["auto", "filters", "pixels", "depthwise", "winograd"]
_TiledAlgorithm: TypeAlias = _Algorithm | Literal["unshared"]

def conv(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _Numbers = 1,
    padding: _Padding = 0,
    dilation: _Numbers = 1,
    groups: int = 1,
    *,
    padding_mode: _PaddingMode = "zeros",
    layout: _Layout = "channels_first",
    activation: _Activation | None = None,
    algorithm: _Algorithm = "auto",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def conv1d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _Numbers = 1,
    padding: _Padding = 0,
    dilation: _Numbers = 1,
    groups: int = 1,
    *,
    padding_mode: _PaddingMode = "zeros",
    layout: _Layout = "channels_first",
    activation: _Activation | None = None,
    algorithm: _Algorithm = "auto",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _Numbers = 1,
    padding: _Padding = 0,
    dilation: _Numbers = 1,
    groups: int = 1,
    *,
    padding_mode: _PaddingMode = "zeros",
    layout: _Layout = "channels_first",
    activation: _Activation | None = None,
    algorithm: _Algorithm = "auto",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def conv3d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _Numbers = 1,
    padding: _Padding = 0,
    dilation: _Numbers = 1,
    groups: int = 1,
    *,
    padding_mode: _PaddingMode = "zeros",
    layout: _Layout = "channels_first",
    activation: _Activation | None = None,
    algorithm: _Algorithm = "auto",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def conv_transpose(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _Numbers = 1,
    padding: _Padding = 0,
    output_padding: _Numbers = 0,
    groups: int = 1,
    dilation: _Numbers = 1,
    *,
    output_size: _Numbers | None = None,
    padding_mode: _PaddingMode = "zeros",
    layout: _Layout = "channels_first",
    activation: _Activation | None = None,
    algorithm: _Algorithm = "auto",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def conv_transpose1d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _Numbers = 1,
    padding: _Padding = 0,
    output_padding: _Numbers = 0,
    groups: int = 1,
    dilation: _Numbers = 1,
    *,
    output_size: _Numbers | None = None,
    padding_mode: _PaddingMode = "zeros",
    layout: _Layout = "channels_first",
    activation: _Activation | None = None,
    algorithm: _Algorithm = "auto",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def conv_transpose2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _Numbers = 1,
    padding: _Padding = 0,
    output_padding: _Numbers = 0,
    groups: int = 1,
    dilation: _Numbers = 1,
    *,
    output_size: _Numbers | None = None,
    padding_mode: _PaddingMode = "zeros",
    layout: _Layout = "channels_first",
    activation: _Activation | None = None,
    algorithm: _Algorithm = "auto",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def conv_transpose3d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _Numbers = 1,
    padding: _Padding = 0,
    output_padding: _Numbers = 0,
    groups: int = 1,
    dilation: _Numbers = 1,
    *,
    output_size: _Numbers | None = None,
    padding_mode: _PaddingMode = "zeros",
    layout: _Layout = "channels_first",
    activation: _Activation | None = None,
    algorithm: _Algorithm = "auto",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def tiled_conv(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _Numbers = 1,
    padding: _Padding = 0,
    dilation: _Numbers = 1,
    groups: int = 1,
    *,
    padding_mode: _PaddingMode = "zeros",
    layout: _Layout = "channels_first",
    activation: _Activation | None = None,
    algorithm: _TiledAlgorithm = "auto",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def local_conv(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _Numbers = 1,
    padding: _Padding = 0,
    dilation: _Numbers = 1,
    groups: int = 1,
    *,
    padding_mode: _PaddingMode = "zeros",
    layout: _Layout = "channels_first",
    activation: _Activation | None = None,
    algorithm: _TiledAlgorithm = "auto",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def im2col(
    x: ArrayLike,
    kernel_size: _Numbers,
    stride: _Numbers = 1,
    padding: _Padding = 0,
    dilation: _Numbers = 1,
    *,
    padding_mode: _PaddingMode = "zeros",
    layout: _Layout = "channels_first",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...
def col2im(
    cols: ArrayLike,
    output_size: _Numbers,
    kernel_size: _Numbers,
    stride: _Numbers = 1,
    padding: _Padding = 0,
    dilation: _Numbers = 1,
    *,
    padding_mode: _PaddingMode = "zeros",
    layout: _Layout = "channels_first",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    workers: int | None = None,
) -> NDArray[Any]: ...

@dataclass(frozen=True, eq=False, repr=False)
class Conv:
    weight: NDArray[Any]
    bias: NDArray[Any] | None = None
    stride: _Numbers = 1
    padding: _Padding = 0
    dilation: _Numbers = 1
    groups: int = 1
    _: KW_ONLY
    padding_mode: _PaddingMode = "zeros"
    layout: _Layout = "channels_first"
    activation: _Activation | None = None
    algorithm: _Algorithm = "auto"
    def __init__(
        self,
        weight: ArrayLike,
        bias: ArrayLike | None = None,
        stride: _Numbers = 1,
        padding: _Padding = 0,
        dilation: _Numbers = 1,
        groups: int = 1,
        *,
        padding_mode: _PaddingMode = "zeros",
        layout: _Layout = "channels_first",
        activation: _Activation | None = None,
        algorithm: _Algorithm = "auto",
    ) -> None: ...
    def __post_init__(self) -> None: ...
    def __call__(
        self,
        x: ArrayLike,
        out: NDArray[Any] | None = None,
        workers: int | None = None,
    ) -> NDArray[Any]: ...
