from typing import Any

from numpy.typing import NDArray

from fastconv.kernels.pooling import Pooling

def spread_slopes(problem: Pooling, chosen: NDArray[Any], dy: NDArray[Any], dx: NDArray[Any]) -> None: ...
