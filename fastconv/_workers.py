"""How many threads a call may use: its own word, the block it is in, the environment, the CPUs it has."""
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from operator import index

_in_force: ContextVar[int | None] = ContextVar("fastconv_workers", default=None)
# libgomp's threads do not survive a fork, and waiting for them in the child never ends.
_forked = False


def _after_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def cpus() -> int:
    """The CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _from_environment() -> int:
    for name in ("FASTCONV_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "").split(",")[0].strip()    # OpenMP takes a list, one number a nesting level
        if value.isdigit() and int(value) > 0:
            return int(value)
        if value and name.startswith("FASTCONV"):
            raise ImportError(f"{name} must be a positive whole number, got {value!r}")
    return cpus()


_default = _from_environment()


def _counted(workers: int) -> int:
    """`workers` as scipy.fft takes it: a negative number counts back from the CPUs."""
    try:
        n = index(workers)
    except TypeError:
        raise TypeError(f"`workers` must be a whole number, got {workers!r}") from None
    total = n if n > 0 else cpus() + 1 + n
    if n == 0 or total < 1:
        raise ValueError(f"`workers` must be at least 1, or from -1 to -{cpus()} to count back from all CPUs, got {n}")
    return total


def get_workers() -> int:
    """Threads that a call uses when its `workers` is not given.

    Returns
    -------
    int
        The number of the `set_workers` block in force, else that of the environment variable
        ``FASTCONV_NUM_THREADS``, else ``OMP_NUM_THREADS``, else the CPUs that this process may use.

    Examples
    --------
    >>> import fastconv
    >>> with fastconv.set_workers(2):
    ...     fastconv.get_workers()
    2
    """
    chosen = _in_force.get()
    return _default if chosen is None else chosen


@contextmanager
def set_workers(workers: int) -> Iterator[None]:
    """Set the number of threads for the calls within a ``with`` block, in this thread or task.

    Parameters
    ----------
    workers : int
        Threads a call; a negative number counts back from the CPUs, so that -1 means all, as in `scipy.fft`.

    Raises
    ------
    TypeError, ValueError
        If `workers` is not a whole number, or counts back to less than one.

    Examples
    --------
    >>> import fastconv
    >>> with fastconv.set_workers(1):
    ...     y = fastconv.correlate([1, 2, 3], [1, 1])
    """
    token = _in_force.set(_counted(workers))
    try:
        yield
    finally:
        _in_force.reset(token)


def threads(workers: int | None, useful: int) -> int:
    """The threads for one call whose work is worth `useful` of them. In a forked child, one.

    Never far more than there are CPUs: OpenMP ends the process when the system refuses it a thread.
    """
    allowed = get_workers() if workers is None else _counted(workers)
    if _forked or useful <= 1 or allowed == 1:    # asking for the CPUs takes as long as a tiny call's sums
        return 1
    return min(allowed, useful, 4 * cpus() + 60)
