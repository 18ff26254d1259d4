"""The libraries that are timed, how each is told its threads, and the table of the ways to call them.

The ways themselves, one small function each, are in ``filters.py``, ``layers.py``, ``pools.py`` and ``tiled.py``;
``methods.py`` has them all.
"""
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import import_module

import numpy as np


@dataclass(frozen=True)
class Library:
    """A module to import, with the environment of its process, and modules that its methods need besides."""

    module: str
    environment: dict[str, str] = field(default_factory=dict)
    besides: tuple[str, ...] = ()


def _build(isa: str) -> Library:
    return Library("fastconv", {"FASTCONV_ISA": isa})


LIBRARIES = {
    "fastconv": Library("fastconv"),
    "fastconv x86-64-v3": _build("x86-64-v3"),
    "fastconv baseline": _build("baseline"),
    "numpy": Library("numpy"),
    "scipy": Library("scipy"),
    "scipy.fft": Library("scipy"),    # what a user builds of its transforms is not SciPy's own answer
    "cv2": Library("cv2"),
    "torch": Library("torch"),
    "onnxruntime": Library("onnxruntime", besides=("onnx",)),
    "astropy": Library("astropy"),
    "jax": Library("jax", {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}),
    "peak": Library("peak"),
    "peak x86-64-v3": Library("peak", {"FASTCONV_ISA": "x86-64-v3"}),
    "read": Library("read"),
}
FLOATS = "fdFD"
THREAD_VARIABLES = (
    "FASTCONV_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "NPROC")    # XLA's


# By default glibc returns blocks of some MiB to the system, or not, as the process's history has it; whoever is unlucky
# pays for new pages in every call, at half the speed. Here up to 1 GiB stays with the process, for all libraries alike.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**28), "MALLOC_TRIM_THRESHOLD_": str(2**30)}


def environment(library: str, workers: str) -> dict[str, str]:
    """The environment of the process that runs a library on so many threads; "default" says nothing of them."""
    kept = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    told = {} if workers == "default" else dict.fromkeys(THREAD_VARIABLES, workers)
    return kept | told | MEMORY | LIBRARIES[library].environment


STANDING = ExitStack()    # contexts of this process: one that nothing refers to would be left at once


def threads() -> int:
    """This process's number of threads, for what must be told with every call; 0 if nothing was said."""
    return int(os.environ.get("OMP_NUM_THREADS", 0))


def _set_scipy_threads(n):
    from scipy import fft
    STANDING.enter_context(fft.set_workers(n))


def _set_cv2_threads(n):
    import cv2
    cv2.setNumThreads(n)


def _set_torch_threads(n):
    import torch
    torch.set_num_threads(n)


SET_THREADS = {"scipy": _set_scipy_threads, "scipy.fft": _set_scipy_threads, "cv2": _set_cv2_threads,
               "torch": _set_torch_threads}


def load(library: str, workers: str) -> dict[str, str]:
    """Import a library, tell it its threads where the environment does not, and return its versions."""
    module, *_ = map(import_module, (LIBRARIES[library].module, *LIBRARIES[library].besides))
    if workers != "default" and library in SET_THREADS:
        SET_THREADS[library](int(workers))
    return {module.__name__: module.__version__} if hasattr(module, "__version__") else {}


# ---------------------------------------------------------------- the table of methods

@dataclass(frozen=True)
class Method:
    """A way to compute the cases of a suite.

    Attributes
    ----------
    role : str
        "ours", "peer", or "bound" for what is no competitor.
    into : bool
        Whether the result goes to an array that exists already.
    threaded : bool
        Whether the thread count matters; if not, one measurement stands for all.
    dtypes : str
        The dtype characters that it takes; empty for all.
    where : dict
        The columns that a case must have.
    most : float
        The multiply-adds beyond which it is not run, because a call would take more than a few seconds.
    """

    library: str
    prepare: Callable
    role: str = "peer"
    into: bool = False
    threaded: bool = False
    dtypes: str = ""
    where: dict = field(default_factory=dict)
    most: float = float("inf")

    def refuses(self, columns: dict, products: float) -> str:
        """Why this method is not run on a case; empty if it is."""
        if self.dtypes and np.dtype(columns["dtype"]).char not in self.dtypes:
            return f"for {columns['dtype']}"
        for name, value in self.where.items():
            if columns[name] != value:
                return f"for a {name} other than {value}"
        if products > self.most:
            return f"beyond {self.most:.2g} multiply-adds, where a call takes seconds"
        return ""


METHODS: dict[str, dict[str, Method]] = {}    # by suite and name, in the order of the tables


def method(name, library, *suites, **options):
    """Enter the decorated function in the table, under that name in those suites."""
    def enter(prepare):
        for suite in suites:
            METHODS.setdefault(suite, {})[name] = Method(library, prepare, **options)
        return prepare
    return enter
