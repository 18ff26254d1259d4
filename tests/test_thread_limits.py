"""Where the system refuses threads, a call takes fewer of them, or raises MemoryError: OpenMP would end the process."""
import os
import sys
import threading

import numpy as np
import pytest

import fastconv
from fastconv import _workers
from fastconv.kernels import cpu, threads

from .processes import python

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limits are Linux's"),
    pytest.mark.skipif(cpu.openmp() != "yes", reason=f"OpenMP: {cpu.openmp()}"),
]

# One call for each kernel, large enough for several threads; each returns the array to compare.
CALLS = """
import os, resource, numpy as np, fastconv
from fastconv import grad

rng = np.random.default_rng(0)
def whole(*shape):
    return rng.integers(-3, 4, shape).astype(np.float32)

image, kernel, signal, batch, weight = [whole(*shape) for shape in (
    (400, 400), (9, 9), (30_000,), (2, 16, 60, 60), (16, 16, 3, 3))]
maxima, where = fastconv.max_pool2d(batch, 2, return_indices=True, workers=1)
CALLS = {
    "direct": lambda n: fastconv.correlate(image, kernel, "same", "direct", workers=n),
    "fft": lambda n: np.rint(fastconv.correlate(signal, signal[:9000], "same", "fft", workers=n)),
    "filters": lambda n: fastconv.conv(batch, weight, algorithm="filters", workers=n),
    "pixels": lambda n: fastconv.Conv(weight, algorithm="pixels")(batch, workers=n),
    "winograd": lambda n: fastconv.conv(batch, weight, padding=1, algorithm="winograd", workers=n),
    "depthwise": lambda n: fastconv.conv(batch, weight[:, :1], groups=16, algorithm="depthwise", workers=n),
    "transposed": lambda n: fastconv.conv_transpose(batch, weight, stride=2, workers=n),
    "weight": lambda n: grad.conv_weight(batch, weight.shape, batch, padding=1, workers=n),
    "unshared": lambda n: fastconv.tiled_conv(batch, np.stack([weight] * 40)[None], padding=1, algorithm="unshared",
                                              workers=n),
    "pool": lambda n: fastconv.max_pool2d(np.concatenate([batch] * 9), 3, 1, workers=n),
    "indices": lambda n: fastconv.max_pool2d(np.concatenate([batch] * 9), 3, 1, return_indices=True, workers=n)[1],
    "spread": lambda n: fastconv.max_unpool2d(maxima, where, 2, workers=n),
}
wanted = {name: call(1) for name, call in CALLS.items()}

def size():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmSize"))

def threads():
    return len(os.listdir("/proc/self/task"))
"""

# Processes of this user and their threads; root, which has no such limit, becomes nobody.
NO_THREADS = CALLS + """
before = threads()
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
for name, call in CALLS.items():
    assert (call(4) == wanted[name]).all(), name
    assert threads() == before, name
print("finished")
"""

NO_ADDRESSES = CALLS + """
for name, call in CALLS.items():
    resource.setrlimit(resource.RLIMIT_AS, (size() + 2**22, -1))    # stacks of threads take 2**23
    try:
        assert (call(4) == wanted[name]).all(), name
    except MemoryError:
        pass
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
print("finished")
"""


@pytest.mark.parametrize("program", [NO_THREADS, NO_ADDRESSES], ids=["processes", "addresses"])
def test_every_kernel(program):
    done = python("-c", program, timeout=60)
    assert done.stdout.split() == ["finished"], done.stderr[-2000:]


# As many threads as there is room for.
SOME_THREADS = CALLS + """
import sys
if os.getuid() != 0:
    sys.exit("skipped")
os.setgid(60_987)
os.setuid(60_987)    # a user of no other process
before = threads()
seen = []
for allowed in (2, 1):
    resource.setrlimit(resource.RLIMIT_NPROC, (before + allowed, before + 2))
    assert (CALLS["direct"](6) == wanted["direct"]).all()
    seen.append(threads() - before)
print(*seen)
"""


def test_as_many_as_are_allowed():
    done = python("-c", SOME_THREADS, timeout=60)
    if "skipped" in done.stderr:
        pytest.skip("needs a user of its own")
    assert done.stdout.split() == ["2", "2"], done.stderr    # the threads that there are stay


# ---------------------------------------------------------------- when it is tried

@pytest.fixture
def tried(monkeypatch):
    """A system that grants `tried.most` threads beside the calling one, and the numbers that it was asked for."""
    class Asked(list):
        most = 100

    asked = Asked()

    def startable(n, stack):
        asked.append(n)
        return min(n, asked.most)

    monkeypatch.setattr(_workers, "startable", startable)
    monkeypatch.setattr(_workers, "_crew", _workers._Crew())
    return asked


def test_once_for_each_size(tried):
    assert [_workers.threads(n, 9) for n in (1, 3, 2, 3, 5, 4, 3)] == [1, 3, 2, 3, 5, 4, 3]
    assert _workers.threads(8, 1) == 1    # nothing to share out
    assert tried == [2, 4]


def test_once_for_each_calling_thread(tried):
    def call():
        _workers.threads(3, 9)
        _workers.threads(3, 9)

    for _ in range(2):
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
    assert tried == [2, 2]


def test_refusals(tried, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(_workers, "monotonic", lambda: now[0])
    tried.most = 1
    assert [_workers.threads(n, 9) for n in (5, 5, 7, 2)] == [2, 2, 2, 2]
    assert tried == [4]
    tried.most = 100
    now[0] += 0.5
    assert _workers.threads(5, 9) == 2
    now[0] += 1
    assert _workers.threads(5, 9) == 5
    assert tried == [4, 4]


def test_a_trial_leaves_nothing():
    before = len(os.listdir("/proc/self/task"))
    assert threads.startable(7, 0) == 7
    assert threads.startable(3, 2**16) == 3
    assert len(os.listdir("/proc/self/task")) <= before    # those of other tests may end meanwhile


@pytest.mark.parametrize(("value", "stack"), [
    ("", 0), ("512", 2**19), ("64k", 2**16), (" 2 M ", 2**21), ("1G", 2**30), ("100000B", 100_000), ("many", 0),
    ("²", 0),
])
def test_stack_size_of_openmp(monkeypatch, value, stack):
    monkeypatch.setenv("GOMP_STACKSIZE", "3M")
    monkeypatch.setenv("OMP_STACKSIZE", value)
    assert _workers._stack_size() == (stack or 3 * 2**20)
    monkeypatch.delenv("GOMP_STACKSIZE")
    assert _workers._stack_size() == stack


def test_large_stacks_are_tried():
    """Stacks as large as OpenMP's are asked for, so that a limit of the address space is met in the trial."""
    program = CALLS + """
resource.setrlimit(resource.RLIMIT_AS, (size() + 2**29, -1))
before = threads()
assert (CALLS["direct"](2) == wanted["direct"]).all()
print(threads() - before)
"""
    assert python("-c", program, OMP_STACKSIZE="1G").stdout.split() == ["0"]


def test_tiny_calls_try_nothing(tried):
    fastconv.correlate(np.ones(100), np.ones(3))
    assert tried == []
