"""How many threads a call may use: its own word, the block it is in, the environment, the CPUs it has."""
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from operator import index
from threading import local
from time import monotonic

from fastconv.kernels.threads import startable

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
        if re.fullmatch("[0-9]{1,18}", value) and int(value) > 0:
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

    Notes
    -----
    Where the system refuses threads (a limit on processes, or on the address space), a call takes as many as there are.
    That is found out before the first call of each size from each Python thread, by starting threads for a trial. A
    window is left: if the limit is reached by others between the trial and the call, or if the system's limit is
    lowered afterwards and OpenMP has to start its threads anew, OpenMP ends the process. ``set_workers(1)``, or
    ``FASTCONV_NUM_THREADS=1``, never starts a thread.

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

    Never far more than there are CPUs, and never more than the system has been seen to start.
    """
    allowed = get_workers() if workers is None else _counted(workers)
    if _forked or useful <= 1 or allowed == 1:    # asking for the CPUs takes as long as a tiny call's sums
        return 1
    return _granted(min(allowed, useful, 4 * cpus() + 60))


# ---------------------------------------------------------------- what the system grants

def _stack_size() -> int:
    """Bytes of the stacks of OpenMP's threads; 0 for the system's usual ones."""
    for name in ("OMP_STACKSIZE", "GOMP_STACKSIZE"):
        given = re.fullmatch(r"\s*([0-9]{1,12})\s*([bkmg]?)\s*", os.environ.get(name, "").lower(), re.ASCII)
        if given:
            return int(given[1]) << {"b": 0, "": 10, "k": 10, "m": 20, "g": 30}[given[2]]
    return 0


_STACK = _stack_size()
_AGAIN = 1.0    # seconds until more threads are asked for after a refusal


class _Crew(local):
    """The threads of calls from one Python thread: OpenMP keeps a pool for each thread that calls it."""

    size = 1       # of a call that the system has been seen to have threads for, the calling one counted
    again = 0.0    # when more may be asked for


_crew = _Crew()


def _granted(count: int) -> int:
    """`count`, or fewer if the system refuses to start that many threads.

    OpenMP would end the process then. So before the first call of a size from a Python thread, threads are started for
    a trial and end again: 30 microseconds for one, on two CPUs.
    """
    if count <= _crew.size:
        return count
    if monotonic() >= _crew.again:
        _crew.size = max(_crew.size, 1 + startable(count - 1, _STACK))
        if count > _crew.size:
            _crew.again = monotonic() + _AGAIN
    return min(count, _crew.size)
