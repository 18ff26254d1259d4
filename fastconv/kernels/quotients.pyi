from typing import Any

from numpy.typing import NDArray

def round_quotients(
    high: NDArray[Any], low: NDArray[Any], divisor: NDArray[Any], inner: int, out: NDArray[Any], workers: int,
) -> None: ...
