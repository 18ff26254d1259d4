from typing import Any

from numpy.typing import NDArray

def put(y: NDArray[Any], at: NDArray[Any], x: NDArray[Any], add: bool, workers: int) -> None: ...
def as_numbers(
    y: NDArray[Any], at: NDArray[Any], x: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]: ...
