"""SciPy's answers, wherever SciPy gives one: shapes x modes x boundaries x dtypes."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

import fastconv

from .cases import FUNCTIONS, INTEGERS, MODES, PLANAR, close, equal, numbers

DTYPES = INTEGERS + "fdgFDG"    # SciPy refuses booleans and half precision
SIDES = st.integers(1, 7)


def both(name, a, b, mode, *border, method="direct"):
    """Ours and SciPy's. The planar pair has no `method`, the other no border in SciPy."""
    how = {} if name in PLANAR else {"method": method}
    got = getattr(fastconv, name)(a, b, mode, *border, **how)
    wanted = getattr(signal, name)(a, b, mode, *border, **how)
    if name == "correlate2d" and mode == "valid" and np.any(np.less(a.shape, b.shape)):
        wanted = np.conj(wanted).astype(got.dtype)    # SciPy's correlate gives this; its correlate2d forgets it
    return got, wanted


@st.composite
def shapes(draw, rank, mode):
    """Two shapes; for "valid" one contains the other."""
    a = draw(st.lists(SIDES, min_size=rank, max_size=rank))
    b = draw(st.lists(SIDES, min_size=rank, max_size=rank))
    if mode == "valid":
        a, b = np.maximum(a, b).tolist(), np.minimum(a, b).tolist()
    return draw(st.permutations([tuple(a), tuple(b)]))


@given(st.data(), st.sampled_from(["correlate", "convolve"]), st.sampled_from(DTYPES), st.sampled_from(MODES),
       st.integers(0, 4))
def test_any_rank(data, name, dtype, mode, rank):
    a, b = data.draw(shapes(rank, mode))
    equal(*both(name, numbers(a, dtype, 1), numbers(b, dtype, 2), mode))


@given(st.data(), st.sampled_from(PLANAR), st.sampled_from(DTYPES), st.sampled_from(MODES),
       st.sampled_from(["fill", "wrap", "symm", "symmetric"]), st.integers(0, 3))
def test_two_dimensions(data, name, dtype, mode, boundary, fillvalue):
    a, b = data.draw(shapes(2, mode))
    equal(*both(name, numbers(a, dtype, 1), numbers(b, dtype, 2), mode, boundary, fillvalue))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_images(name, dtype, mode):
    equal(*both(name, numbers((33, 67), dtype, 1), numbers((3, 4), dtype, 2), mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_mixed_dtypes(name, mode):
    for one in DTYPES:
        for other in DTYPES:
            a, b = numbers((3, 5), one, 1), numbers((2, 2), other, 2)
            got, wanted = both(name, a, b, mode)
            equal(got, wanted.astype(np.result_type(a, b)), f"{one} {other}")


@pytest.mark.parametrize("mode", MODES)
def test_swapped_valid_conjugates(mode):
    """For complex inputs correlate2d gives what SciPy's own correlate gives."""
    a, b = numbers((2, 3), "D", 1), numbers((5, 5), "D", 2)
    equal(fastconv.correlate2d(a, b, "valid"), signal.correlate(a, b, "valid", method="direct"))


@pytest.mark.parametrize("dtype", "lHdfF")
def test_large_images_by_default(dtype):
    """Enough work for the transform, if that is chosen: integers are exact all the same."""
    a, b = numbers((150, 160), dtype, 1), numbers((40, 41), dtype, 2)
    for function in ("correlate2d", "correlate"):
        got, wanted = getattr(fastconv, function)(a, b, "full"), signal.correlate2d(a, b, "full")
        if dtype in INTEGERS:
            equal(got, wanted)
        else:
            close(got, wanted, a, b, name=function)


@pytest.mark.parametrize("fillvalue", [1.75, -1.75, 3.0, True])
@pytest.mark.parametrize("dtype", "bih")
def test_fillvalue_is_cast(dtype, fillvalue):
    """As SciPy does: integers drop the fraction."""
    a, b = numbers((5, 6), dtype, 1), numbers((3, 2), dtype, 2)
    for name in ("correlate2d", "convolve2d"):
        equal(*both(name, a, b, "full", "fill", fillvalue))


@pytest.mark.parametrize("boundary", ["pad", "circular", "symmetric"])
def test_other_names_of_boundaries(boundary):
    a, b = numbers((5, 6), "i", 1), numbers((3, 2), "i", 2)
    equal(*both("correlate2d", a, b, "full", boundary, 0))
