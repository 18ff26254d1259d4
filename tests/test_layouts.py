"""Inputs of any layout: right results, the same bits, nothing modified, nothing read or written outside the arrays."""
import ctypes
import mmap
import os
import sys

import numpy as np
import pytest

import fastconv
from fastconv import _reference

from .cases import BOUNDARIES, DTYPES, FUNCTIONS, LAYOUTS, MODES, agree, equal, numbers, reals
from .processes import python

LARGE_STRIDE = 2**31 + 8


@pytest.mark.parametrize("of_image", LAYOUTS)
@pytest.mark.parametrize("of_kernel", LAYOUTS)
@pytest.mark.parametrize("dtype", "?BhldegDG")
def test_values(of_image, of_kernel, dtype):
    x = LAYOUTS[of_image](numbers((6, 37), dtype, 1))
    w = LAYOUTS[of_kernel](numbers((3, 2), dtype, 2))
    for name, mode, boundary in zip(FUNCTIONS, ("full", "same", "valid", "same"), BOUNDARIES, strict=False):
        agree(name, x, w, mode, boundary)
    agree("correlate", w, x, "valid")
    if dtype in "?Bhl":
        agree("correlate", x, w, method="fft")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", "lfD")
@pytest.mark.parametrize("shapes", [((50,), (3,)), ((3, 4, 5), (2, 2, 2)), ((2, 3, 4, 5), (1, 2, 2, 3))], ids=str)
def test_ranks(layout, dtype, shapes):
    for mode in MODES:
        agree("convolve", *(LAYOUTS[layout](numbers(shape, dtype, 1)) for shape in shapes), mode, method="direct")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", "BefdgF")
def test_volumes(layout, dtype):
    """Large enough for rows that lie across memory to be copied first."""
    x, w = reals((20, 24, 41), "d", 1) * 20, reals((3, 2, 3), "d", 2) * 20
    x, w = (a.astype(np.int8).astype(dtype) for a in (x, w))
    for mode, boundary in (("same", "fill"), ("full", "wrap"), ("valid", "fill")):
        agree("correlate", LAYOUTS[layout](x), w, mode, boundary, method="direct")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("method", ["direct", "fft"])
@pytest.mark.parametrize("dtype", "efdgFD")
def test_bits(layout, method, dtype):
    """The order of a sum does not depend on the memory's."""
    x, w = reals((23, 70), dtype, 1), reals((5, 4), dtype, 2)
    for boundary in BOUNDARIES:
        wanted = fastconv.correlate(x, w, "same", method, boundary=boundary)    # whose values test_fft checks
        equal(fastconv.correlate(LAYOUTS[layout](x), LAYOUTS[layout](w), "same", method, boundary=boundary), wanted)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_inputs_stay_as_they_are(name, layout, dtype):
    x, w = LAYOUTS[layout](numbers((5, 40), dtype, 1)), LAYOUTS[layout](numbers((3, 3), dtype, 2))
    before = x.tobytes(), w.tobytes(), x.strides, w.strides, x.flags.writeable
    getattr(fastconv, name)(x, w, "same", boundary="wrap")
    assert (x.tobytes(), w.tobytes(), x.strides, w.strides, x.flags.writeable) == before


@pytest.mark.parametrize("dtype", "BldD")
def test_zero_strides(dtype):
    row, column = numbers((1, 30), dtype, 1), numbers((6, 1), dtype, 2)
    for x in (row, column, row[:, :1]):
        x = np.broadcast_to(x, (6, 30))
        agree("correlate2d", x, x[:3, :2], "same")
        agree("convolve", x[:3, :2], x, "full", "reflect", method="direct")


def test_overlapping_windows():
    x = np.lib.stride_tricks.sliding_window_view(numbers(200, "l", 1), 50)
    for boundary in BOUNDARIES:
        agree("correlate", x, x[:3, :3], "same", boundary)


@pytest.mark.parametrize("dtype", "Bf")
def test_huge_strides(dtype):
    """Steps beyond 32 bits, forwards and backwards. Memory that is never touched costs nothing."""
    try:
        memory = np.zeros(2 * LARGE_STRIDE + 400, np.uint8)
    except MemoryError:
        pytest.skip("the system does not promise memory before it is used")
    x = np.ndarray((3, 40), dtype, memory, 0, (LARGE_STRIDE, np.dtype(dtype).itemsize))
    x[...] = numbers(x.shape, dtype, 1)
    w = numbers((2, 2), dtype, 2)
    agree("correlate2d", x, w, "same")
    agree("convolve", x[::-1].T, w, "full", "wrap")
    if dtype == "f":
        out = np.ndarray((3, 40), dtype, memory, 200, x.strides)
        equal(fastconv.correlate2d(x, w, "same", out=out), _reference.correlate2d(x, w, "same"))


def guarded(array, at_end):
    """A copy whose last (or first) byte lies at the edge of memory that may not be touched."""
    page = mmap.PAGESIZE
    inner = -(-array.nbytes // page) * page
    memory = mmap.mmap(-1, inner + 2 * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    for edge in (address, address + page + inner):
        assert libc.mprotect(ctypes.c_void_p(edge), ctypes.c_size_t(page), 0) == 0
    start = page + inner - array.nbytes if at_end else page
    copy = np.frombuffer(memory, array.dtype, array.size, start).reshape(array.shape)
    copy[...] = array
    return copy


def stays_inside():
    """Run in a process of its own, which a read or write outside the arrays would kill."""
    for dtype in "?Bhifdeg" "F":
        for width in [*range(1, 20), 31, 32, 33, 63, 64, 65, 100, 128, 129, 200, 257, 300, 513, 1500]:
            for kernel in [(1, 1), (1, 3), (2, 4), (3, 3), (5, 1), (1, 70)]:
                x, w = numbers((5, width), dtype, 1), numbers(kernel, dtype, 2)
                for at_end in (False, True):
                    out = guarded(np.zeros(x.shape, dtype), at_end)
                    got = fastconv.correlate(guarded(x, at_end), guarded(w, at_end), "same", "direct", out=out)
                    equal(got, _reference.correlate(x, w, "same"))
    print("inside")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="protects memory by Linux's mprotect")
def test_nothing_outside_is_touched():
    done = python("-c", f"from {stays_inside.__module__} import stays_inside; stays_inside()")
    assert done.stdout.split() == ["inside"], (done.returncode, done.stderr)


def test_buffers_and_memoryviews():
    x, w = numbers((4, 6), "h", 1), numbers((2, 2), "h", 2)
    equal(fastconv.convolve2d(memoryview(x), w.tolist()), _reference.convolve2d(x, w.astype(int)))
    equal(fastconv.correlate(memoryview(b"\1\2\3"), memoryview(b"\4\5")), np.array([5, 14, 23, 12], np.uint8))


def test_subclasses_become_arrays(tmp_path):
    x = np.memmap(os.fspath(tmp_path / "x"), "d", "w+", shape=(4, 5))
    x[...] = numbers((4, 5), "d", 1)
    got = fastconv.correlate2d(x, np.ones((2, 2)))
    assert type(got) is np.ndarray
    equal(got, _reference.correlate2d(np.asarray(x), np.ones((2, 2))))
