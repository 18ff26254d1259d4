from typing import Any

from numpy.typing import NDArray

def add(target: NDArray[Any], values: NDArray[Any]) -> None: ...
