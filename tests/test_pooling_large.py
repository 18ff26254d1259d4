"""Results larger than caches, which are stored past them: at any address, of any width, on any number of threads. And
large windows."""
import numpy as np
import pytest

import fastconv

from .cases import equal, numbers

WIDTH = 4099
BYTES = 9e6    # of a result
WINDOWS = [(2, 2, 0), (3, 2, 1), (3, 2, 0), (2, 2, 1), (3, 1, 1), (1, 2, 0)]


def slid(x, kernel, stride, padding, border, merge):
    """NumPy's answer, a tap after the other."""
    padded = np.pad(x, padding, constant_values=border)
    outputs = [(n - kernel) // stride + 1 for n in padded.shape]
    taps = [padded[tuple(slice(i, i + (n - 1) * stride + 1, stride) for i, n in zip(at, outputs, strict=True))]
            for at in np.ndindex(kernel, kernel)]
    y = taps[0].copy()
    for tap in taps[1:]:
        y = merge(y, tap)
    return y


def misplaced(shape, dtype, elements):
    """An array some elements behind an allocation's beginning, and what is around it."""
    n = int(np.prod(shape))
    memory = np.full(n + 128, 77, dtype)
    return memory[elements:elements + n].reshape(shape), memory


@pytest.mark.parametrize(("kernel", "stride", "padding"), WINDOWS)
@pytest.mark.parametrize("dtype", "fdhB")
def test_right_wherever_they_are_stored(dtype, kernel, stride, padding):
    bytes_a_row = WIDTH // stride * (np.dtype(dtype).itemsize if dtype in "fd" else 8)
    x = numbers((int(BYTES // bytes_a_row + 1) * stride + 1, WIDTH), dtype, 1)
    least = np.iinfo(dtype).min if x.dtype.kind in "iu" else -np.inf
    largest = slid(x, kernel, stride, padding, least, np.maximum)
    mean = slid(x.astype(np.float64), kernel, stride, padding, 0, np.add) / kernel**2
    mean = mean.astype(x.dtype if x.dtype.kind == "f" else np.float64)
    for workers in (1, 2):
        for elements in (0, 1, 5):
            for function, wanted in ((fastconv.max_pool, largest), (fastconv.avg_pool, mean)):
                out, memory = misplaced(wanted.shape, wanted.dtype, elements)
                function(x, (kernel, kernel), stride, padding, out=out, workers=workers)
                equal(out, wanted, f"{function.__name__}, {workers} workers, {elements} elements on")
                assert (np.delete(memory, slice(elements, elements + out.size)) == 77).all()


@pytest.mark.parametrize("kernel", [17, 31, 40])
@pytest.mark.parametrize("dtype", "fdh")
def test_windows_of_many_passes(dtype, kernel):
    """Boxes of several strips, and of several blocks."""
    x = numbers((331, 1030), dtype, 3)
    padding = kernel // 2
    least = np.iinfo(dtype).min if x.dtype.kind in "iu" else -np.inf
    largest = slid(x, kernel, 1, padding, least, np.maximum)
    mean = slid(x.astype(np.float64), kernel, 1, padding, 0, np.add) / kernel**2
    mean = mean.astype(x.dtype if x.dtype.kind == "f" else np.float64)
    for workers in (1, 2):
        equal(fastconv.max_pool(x, (kernel, kernel), 1, padding, workers=workers), largest, f"max, {workers} workers")
        equal(fastconv.avg_pool(x, (kernel, kernel), 1, padding, workers=workers), mean, f"mean, {workers} workers")


def test_rows_apart_and_channels_last():
    x = numbers((2200, 700, 6), "f", 2)
    wanted = np.maximum.reduce([x[i::2, j::2] for i in (0, 1) for j in (0, 1)])
    memory = np.full((1100, 1024, 6), 77, np.float32)
    fastconv.max_pool2d(x, 2, layout="channels_last", out=memory[:, :350])
    equal(memory[:, :350], wanted)
    assert (memory[:, 350:] == 77).all()
    equal(fastconv.max_pool2d(x, 2, layout="channels_last", out=memory[::-1, :350]), wanted)
