from typing import Any

from numpy.typing import NDArray

from fastconv._isa import isa as isa
from fastconv.kernels.layer import Convolution
from fastconv.kernels.problem import Problem

ALGORITHMS: tuple[str, ...]

def run(problem: Problem, method: str, workers: int | None) -> NDArray[Any]: ...
def check_workers(workers: int | None) -> None: ...
def check_algorithm(algorithm: str) -> None: ...
def run_layers(
    problems: list[Convolution], algorithm: str, workers: int | None, packed: dict[Any, Any] | None = None
) -> None: ...
