"""What this installation is and what it found: the text behind a bug report."""
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from fastconv import _isa, _workers
from fastconv._version import __version__
from fastconv.kernels import cpu


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def config() -> dict[str, str]:
    """The facts that `show_config` prints, by name."""
    return {
        "fastconv": __version__,
        "kernels in use": _isa.isa,
        "kernels available": ", ".join(_isa.available()),
        "kernels built": ", ".join(_isa.built()),
        "compiler": cpu.compiler(),
        "OpenMP": cpu.openmp(),
        "workers": str(_workers.get_workers()),
        "CPUs of this process": str(_workers.cpus()),
        "NumPy": np.__version__,
        "SciPy (for its FFT)": _installed("scipy"),
    }


def show_config() -> None:
    """Print version, kernels, compiler, OpenMP, workers, NumPy and the optional parts found.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.show_config()    # doctest: +ELLIPSIS
    fastconv ...
    """
    facts = config()
    width = max(map(len, facts))
    print("\n".join(f"{name:<{width}}  {value}" for name, value in facts.items()))
