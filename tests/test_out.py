"""out=: any layout and same-kind dtype, overlapping the inputs or not; an error leaves it as it was."""
import numpy as np
import pytest

import fastconv
from fastconv import _reference

from .cases import DTYPES, FUNCTIONS, LAYOUTS, MODES, equal, numbers


def outputs(name, shape, kernel, mode, dtype):
    """Inputs, and the result that belongs in out."""
    x, w = numbers(shape, dtype, 1), numbers(kernel, dtype, 2)
    return x, w, getattr(_reference, name)(x, w, mode)


def framed(shape, dtype):
    """An array within a larger one, every second column, and the larger one."""
    frame = numbers((shape[0] + 4, 2 * shape[1] + 7), dtype, 5)
    return frame[2:-2, 3:-4:2], frame


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("layout", sorted(LAYOUTS.keys() - {"read_only"}))
def test_any_layout(name, mode, layout):
    for dtype in DTYPES:
        x, w, wanted = outputs(name, (5, 70), (3, 4), mode, dtype)
        out = LAYOUTS[layout](numbers(wanted.shape, dtype, 3))
        assert getattr(fastconv, name)(x, w, mode, out=out) is out
        np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize("method", ["direct", "fft"])
@pytest.mark.parametrize("shape", [(3, 5), (9, 33), (70, 140)])
@pytest.mark.parametrize("dtype", "?Bhild")
def test_nothing_around_it_is_written(shape, method, dtype):
    x, w, wanted = outputs("correlate", shape, (3, 3), "same", dtype)
    out, frame = framed(shape, dtype)
    before = frame.copy()
    fastconv.correlate(x, w, "same", method, out=out)
    np.testing.assert_allclose(out, wanted, atol=1e-12 if dtype == "d" else 0)
    out[...] = before[2:-2, 3:-4:2]
    equal(frame, before)


@pytest.mark.parametrize("rank", range(6))
def test_ranks(rank):
    x, w = numbers((4, 3, 2, 3, 2)[:rank], "l", 1), numbers((2, 3, 1, 2, 2)[:rank], "l", 2)
    wanted = _reference.correlate(x, w)
    out = LAYOUTS["spaced"](np.zeros_like(wanted)) if rank else np.zeros((), "l")
    assert fastconv.correlate(x, w, out=out) is out
    equal(out, wanted)


@pytest.mark.parametrize("given", DTYPES)
def test_same_kind_casts(given):
    """As numpy's ufuncs: whatever numpy.can_cast allows, and nothing else."""
    for wanted in DTYPES:
        x, w = numbers((4, 6), given, 1), numbers((2, 2), given, 2)
        out = np.full((4, 6), 1, wanted)
        if np.can_cast(given, wanted, "same_kind"):
            fastconv.convolve2d(x, w, "same", out=out)
            equal(out, _reference.convolve2d(x, w, "same").astype(wanted))
        else:
            with pytest.raises(TypeError, match=r"`out`.* same-kind .*" + np.dtype(wanted).name):
                fastconv.convolve2d(x, w, "same", out=out)
            assert (out == 1).all()


def test_dtype_then_out():
    """Accumulated in `dtype`, cast into out's."""
    x, out = np.full((3, 3), 200, np.uint8), np.zeros((1, 1), np.float32)
    fastconv.correlate2d(x, x, "valid", dtype=np.int64, out=out)
    assert out == 9 * 200 * 200


@pytest.mark.parametrize("method", ["direct", "fft"])
@pytest.mark.parametrize("name", ["correlate", "convolve"])
@pytest.mark.parametrize("dtype", "BhlF")
def test_in_place(name, method, dtype):
    for shape, kernel in [((40,), (5,)), ((9, 70), (3, 4)), ((5, 6, 7), (2, 2, 2))]:
        x, w, wanted = outputs(name, shape, kernel, "same", dtype)
        got = getattr(fastconv, name)(x, w, "same", method, out=x)
        assert got is x
        np.testing.assert_allclose(got, wanted, atol=1e-3 if dtype == "F" else 0)


@pytest.mark.parametrize("shift", [-35, -1, 1, 7, 35])
@pytest.mark.parametrize("boundary", ["fill", "wrap"])
def test_partial_overlap(shift, boundary):
    memory = numbers(600, "l", 1)
    x = memory[100:400].reshape(10, 30)
    out = memory[100 + shift:400 + shift].reshape(10, 30)
    w = numbers((3, 3), "l", 2)
    wanted = _reference.correlate2d(x, w, "same", boundary)
    equal(fastconv.correlate2d(x, w, "same", boundary, out=out), wanted)


def test_overlap_with_other_views_of_the_memory():
    """Transposed, reversed, of another dtype, and of the kernel."""
    w = numbers((3, 3), "l", 2)
    for view in (np.transpose, np.flip, lambda a: a[:, ::-1]):
        x = numbers((20, 20), "l", 1)
        wanted = _reference.correlate2d(x, w, "same")
        equal(fastconv.correlate2d(x, w, "same", out=view(x)), wanted)
    x = numbers((8, 8), "d", 1)
    wanted = _reference.correlate2d(x, x[:3, :3], "same").astype("f")
    out = x.view("f")[:, :8]
    equal(fastconv.correlate2d(x, x[:3, :3], "same", out=out), wanted)
    x, w = numbers((2, 2), "l", 1), numbers((9, 9), "l", 2)
    wanted = _reference.correlate(x, w, "same")
    equal(fastconv.correlate(x, w, "same", out=w[4:6, 3:5]), wanted)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shapes", [((0, 3), (2, 2)), ((3, 3), (0, 2)), ((0, 0), (2, 2))])
def test_empty_sums_are_zero(name, shapes):
    x, w = map(np.ones, shapes)
    shape = tuple(n + k - 1 for n, k in zip(*shapes, strict=True))
    out = np.full(shape, 7.0)
    getattr(fastconv, name)(x, w, out=out)
    equal(out, np.zeros(shape))


@pytest.mark.parametrize(("wrong", "error"), [
    ({"out": np.zeros((5, 6))}, ValueError),
    ({"out": np.zeros((4, 6, 1))}, ValueError),
    ({"out": np.zeros((1, 6))}, ValueError),
    ({"out": np.zeros((4, 6), int)}, TypeError),
    ({"out": [[0.0] * 6] * 4}, TypeError),
    ({"out": np.broadcast_to(0.0, (4, 6))}, ValueError),
    ({"mode": "some"}, ValueError),
    ({"boundary": "none"}, ValueError),
    ({"method": "slow"}, ValueError),
    ({"fillvalue": 1j}, ValueError),
    ({"workers": 0}, ValueError),
    ({"workers": 1.5}, TypeError),
    ({"dtype": object}, TypeError),
    ({"dtype": complex}, TypeError),
    ({"in2": np.ones((2, 2, 2))}, ValueError),
    ({"in1": np.ones((4, 6), object)}, TypeError),
], ids=str)
def test_errors_leave_it_untouched(wrong, error):
    given = {"in1": np.ones((4, 6)), "in2": np.ones((2, 2)), "mode": "same", "out": np.full((4, 6), 7.0), **wrong}
    before = np.array(given["out"])
    with pytest.raises(error, match="`"):
        fastconv.correlate(**given)
    equal(np.array(given["out"]), before)
