from typing import Any

import numpy as np
from numpy.typing import NDArray

def put(y: NDArray[Any], at: NDArray[Any], x: NDArray[Any], how: int, workers: int) -> None: ...
def way(dtype: np.dtype[Any], add: bool) -> int: ...
def as_numbers(
    y: NDArray[Any], at: NDArray[Any], x: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]: ...
