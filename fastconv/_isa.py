"""Which build of the kernels this process uses: the best that the CPU runs, or the one that FASTCONV_ISA names."""
import os
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from fastconv.kernels import cpu

_PACKAGES = {
    "baseline": "fastconv.kernels",
    "x86-64-v3": "fastconv.kernels.v3",
    "x86-64-v4": "fastconv.kernels.v4",
}


def built() -> tuple[str, ...]:
    """The builds that this installation holds, best last."""
    return tuple(isa for isa, package in _PACKAGES.items() if find_spec(f"{package}.direct"))


def available() -> tuple[str, ...]:
    """The builds that this installation holds and this CPU runs, best last."""
    return tuple(isa for isa in built() if isa in cpu.runs())


def _chosen() -> str:
    wanted = os.environ.get("FASTCONV_ISA")
    if not wanted:
        return available()[-1]
    if wanted not in available():
        why = "this CPU does not run it" if wanted in built() else "this installation was built without it"
        raise ImportError(f"FASTCONV_ISA must be one of {', '.join(available())}, got {wanted!r}: {why}")
    return wanted


isa = _chosen()


def kernels(name: str) -> ModuleType:
    """The kernels of that name in the build in use."""
    return import_module(f"{_PACKAGES[isa]}.{name}")
