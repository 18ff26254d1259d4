"""Threads: as many as asked for, the same bits for any number, from many Python threads and in forked children."""
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from scipy import fft as scipy_fft

import fastconv
from fastconv import _reference, _workers
from fastconv.kernels import cpu

from .cases import BOUNDARIES, DTYPES, METHODS, agree, equal, numbers, reals
from .processes import python

CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into Linux's /proc and affinity")
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")


# ---------------------------------------------------------------- the same bits

@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", "efdgFDG")
def test_same_bits_for_any_number(dtype, method):
    for i, (image, kernel) in enumerate([((300, 301), (7, 6)), ((70_000,), (31,)), ((3, 5, 40, 50), (2, 3, 3, 3))]):
        x, w = reals(image, dtype, 1), reals(kernel, dtype, 2)
        one, *others = [fastconv.correlate(x, w, "same", method, boundary=BOUNDARIES[i], workers=workers)
                        for workers in (1, 2, 3, 7, 16, -1, None)]
        for other in others:
            equal(other, one)


@pytest.mark.parametrize("workers", [2, 5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_right_values(dtype, workers):
    x, w = numbers((200, 210), dtype, 1, None), numbers((5, 4), dtype, 2, None)
    for boundary in BOUNDARIES:
        agree("correlate", x, w, "same", boundary, method="direct", workers=workers)


@pytest.mark.parametrize("shape", [(1,), (5, 5), (0, 3), (2000, 3), (3, 2000), (64, 64)])
@pytest.mark.parametrize("workers", [1, 2, 64, -1, np.int64(2), None])
def test_more_workers_than_work(shape, workers):
    agree("convolve", numbers(shape, "l", 1), numbers((2,) * len(shape), "l", 2), workers=workers)


# ---------------------------------------------------------------- how many

def test_counted_from_the_end_as_in_scipy_fft():
    for workers in (1, 3, -1, -CPUS):
        with fastconv.set_workers(workers), scipy_fft.set_workers(workers):
            assert fastconv.get_workers() == scipy_fft.get_workers()


@pytest.mark.parametrize(("workers", "error"), [
    (0, ValueError), (-CPUS - 1, ValueError), (1.5, TypeError), ("2", TypeError)])
def test_wrong_numbers(workers, error):
    before = fastconv.get_workers()
    with pytest.raises(error, match="`workers`"), fastconv.set_workers(workers):
        raise AssertionError("the block must not be entered")
    assert fastconv.get_workers() == before


def test_blocks_nest_and_end():
    before = fastconv.get_workers()
    with fastconv.set_workers(3):
        assert fastconv.get_workers() == 3
        with suppress(KeyError), fastconv.set_workers(5):
            assert fastconv.get_workers() == 5
            raise KeyError
        assert fastconv.get_workers() == 3
    assert fastconv.get_workers() == before


def test_blocks_belong_to_their_thread():
    seen = []
    with fastconv.set_workers(CPUS + 3):
        other = threading.Thread(target=lambda: seen.append(fastconv.get_workers()))
        other.start()
        other.join()
    assert seen == [fastconv.get_workers()]


@pytest.mark.parametrize(("environment", "workers"), [
    ({}, CPUS),
    ({"FASTCONV_NUM_THREADS": "3"}, 3),
    ({"OMP_NUM_THREADS": "5"}, 5),
    ({"FASTCONV_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3),
    ({"OMP_NUM_THREADS": "4,2"}, 4),
    ({"OMP_NUM_THREADS": " 2 "}, 2),
    ({"FASTCONV_NUM_THREADS": "", "OMP_NUM_THREADS": ""}, CPUS),
], ids=str)
def test_environment(environment, workers):
    variables = {"FASTCONV_NUM_THREADS": None, "OMP_NUM_THREADS": None, **environment}
    done = python("-c", "import fastconv; print(fastconv.get_workers())", **variables)
    assert done.stdout.strip() == str(workers), done.stderr


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_wrong_environment(value):
    done = python("-c", "import fastconv", FASTCONV_NUM_THREADS=value)
    assert "FASTCONV_NUM_THREADS" in done.stderr
    assert repr(value) in done.stderr
    assert done.returncode


@pytest.mark.parametrize("value", ["²", "٣", "1_0", "+1", "0x2", "0", "9" * 5000])
def test_digits_that_are_no_number(monkeypatch, value):
    monkeypatch.setenv("FASTCONV_NUM_THREADS", value)
    with pytest.raises(ImportError, match="FASTCONV_NUM_THREADS must be a positive whole number"):
        _workers._from_environment()
    monkeypatch.delenv("FASTCONV_NUM_THREADS")
    monkeypatch.setenv("OMP_NUM_THREADS", value)    # of others: not for us to refuse
    assert _workers._from_environment() == CPUS


@LINUX
def test_the_cpus_this_process_may_use():
    done = python("-c", "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
                  "import fastconv; print(fastconv.get_workers())", FASTCONV_NUM_THREADS=None, OMP_NUM_THREADS=None)
    assert done.stdout.strip() == "1", done.stderr


COUNT_THREADS = """
import os, numpy as np, fastconv
x, w = np.ones((700, 700), np.float32), np.ones((9, 9), np.float32)
counts = [len(os.listdir("/proc/self/task"))]
for workers in (1, None, 3):
    fastconv.correlate(x, w, "same", "direct", workers=workers)
    counts.append(len(os.listdir("/proc/self/task")))
with fastconv.set_workers(5):
    fastconv.correlate2d(x[:, :90], w, method="direct")
    fastconv.correlate(x, w, "same", "direct")
counts.append(len(os.listdir("/proc/self/task")))
print(*(count - counts[0] for count in counts))
"""


@LINUX
@pytest.mark.skipif(cpu.openmp() != "yes", reason=f"OpenMP: {cpu.openmp()}")
def test_threads_are_started_as_asked():
    done = python("-c", COUNT_THREADS, FASTCONV_NUM_THREADS="1")
    assert done.stdout.split() == ["0", "0", "0", "2", "4"], done.stderr


# ---------------------------------------------------------------- company

@pytest.mark.parametrize("method", ["direct", "fft"])
def test_many_python_threads(method):
    problems = [(numbers((60 + i, 300), dtype, i), numbers((5, 3), dtype, i + 1)) for i, dtype in enumerate("?Bhlfd")]
    wanted = [_reference.correlate(x, w, "same", "wrap") for x, w in problems]
    start = threading.Barrier(8)

    def work(thread):
        start.wait()
        for repeat in range(24):
            i = (thread + repeat) % len(problems)
            got = fastconv.correlate(*problems[i], "same", method, boundary="wrap", workers=1 + repeat % 3)
            np.testing.assert_allclose(got, wanted[i], atol=1e-3 if method == "fft" else 0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


FORK = """
import os, sys, numpy as np, fastconv
method, workers = sys.argv[1], int(sys.argv[2])
x, w = np.ones((512, 512), np.float32), np.ones((5, 5), np.float32)

def right():
    got = fastconv.correlate(x, w, "valid", method, workers=workers)
    return np.allclose(got, 25)

assert right()
child = os.fork()
if child == 0:
    grandchild = os.fork()
    if grandchild == 0:
        os._exit(not right())
    os._exit(not right() or os.waitpid(grandchild, 0)[1])
assert os.waitpid(child, 0)[1] == 0
assert right()
print("finished")
"""


@FORKS
@pytest.mark.parametrize("method", ["direct", "fft"])
@pytest.mark.parametrize("workers", [1, 4])
def test_forked_children_finish(method, workers):
    """libgomp's threads do not live on in a child; a call there must not wait for them."""
    done = python("-c", FORK, method, str(workers), timeout=60)
    assert done.stdout.split() == ["finished"], done.stderr


POOL = """
import multiprocessing, numpy as np, fastconv

def total(n):
    return float(fastconv.correlate2d(np.ones((400, n)), np.ones((3, 3)), "same", "wrap", workers=2).sum())

if __name__ == "__main__":
    assert total(300) == 9 * 400 * 300
    with multiprocessing.get_context("{method}").Pool(3) as pool:
        assert pool.map(total, [100, 200, 300]) == [9 * 400 * n for n in (100, 200, 300)]
    print("finished")
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_process_pools_finish(method, tmp_path):
    if method == "fork" and not hasattr(os, "fork"):
        pytest.skip("the system does not fork")
    script = tmp_path / "script.py"
    script.write_text(POOL.format(method=method))
    done = python(str(script), timeout=60)
    assert done.stdout.split() == ["finished"], done.stderr
