from typing import Any

from numpy.typing import NDArray

from fastconv._isa import isa as isa
from fastconv.kernels.problem import Problem

def run(problem: Problem, method: str, workers: int | None) -> NDArray[Any]: ...
