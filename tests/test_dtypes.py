"""Every pair of dtypes as NumPy has it; dtype=; booleans as and / or; half precision to the last bit."""
import numpy as np
import pytest

import fastconv
from fastconv import _reference

from .cases import DTYPES, FUNCTIONS, INTEGERS, METHODS, agree, equal, numbers


@pytest.mark.parametrize("one", DTYPES)
def test_pairs_as_numpy(one):
    for other in DTYPES:
        a, b = numbers(11, one, 1), numbers(3, other, 2)
        equal(fastconv.convolve(a, b), np.convolve(a, b))
        equal(fastconv.correlate(a, b), np.correlate(a, b, "full"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_dtype_keyword(name, dtype):
    """Accumulate and return in `dtype`, whatever the inputs are."""
    for given in DTYPES:
        if np.dtype(given).kind == "c" and np.dtype(dtype).kind != "c":
            continue    # which warns, as astype does
        agree(name, numbers((3, 40), given, 1), numbers((2, 3), given, 2), "same", dtype=dtype)


@pytest.mark.parametrize("how", [np.int64, "int64", "<i8", ">i8", int, np.dtype("q")])
def test_dtype_spellings(how):
    got = fastconv.correlate2d(np.full((9, 9), 255, np.uint8), np.full((9, 9), 255, np.uint8), "valid", dtype=how)
    equal(got, np.array([[81 * 255 * 255]]))
    assert got.dtype.isnative


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_wrap(dtype):
    """Like NumPy's, in every mode and however large the sum."""
    a, b = numbers(300, dtype, 1, None), numbers(300, dtype, 2, None)
    for method in METHODS:
        equal(fastconv.correlate(a, b, "full", method), np.correlate(a, b, "full"))


def test_exact_where_the_inputs_would_wrap():
    x = numbers((16, 16), "H", 1, None)
    equal(fastconv.correlate2d(x, x, "valid", dtype=np.int64), [[(x.astype(np.int64) ** 2).sum()]])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_booleans(name):
    for density in (0.02, 0.5):
        rng = np.random.default_rng(1)
        a, b = rng.random((40, 150)) < density, rng.random((3, 5)) < density
        got = getattr(fastconv, name)(a, b)
        equal(got, getattr(_reference, name)(a.astype(int), b.astype(int)) > 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_booleans_stored_as_any_byte(dtype):
    """A view of bytes as booleans is true wherever a byte is not 0."""
    odd = np.array([0, 1, 2, 3, 128, 255, 0, 4] * 20, np.uint8).view(bool)
    true = odd.astype(np.uint8) != 0
    with np.errstate(over="ignore"):
        for method in ("direct", "fft"):
            got = fastconv.correlate(odd, odd[:5], "full", method, dtype=dtype)
            np.testing.assert_allclose(got, np.correlate(true.astype(dtype), true[:5].astype(dtype), "full"), atol=1e-5)
            assert dtype != "?" or set(got.view(np.uint8)) <= {0, 1}


def test_every_half_is_read():
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    for x in (halves, halves.reshape(256, 256).T, halves[::-3]):
        equal(fastconv.correlate(x, np.ones((1,) * x.ndim, np.float32), "same", "direct"), x.astype(np.float32))


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid value:RuntimeWarning")    # NumPy's own
@pytest.mark.parametrize("weight", [0.5, -0.5, 0.4998, 0.5005, -0.4998, -0.5005, 1.5, 0.25])
def test_rounding_to_half(weight):
    """Every half, plus a part of its distance to the next: ties go to the even one, 65520 and more to infinity."""
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    x, weights = np.stack([halves, np.spacing(halves)]), np.array([[1], [weight]], np.float16)
    sums = x[0].astype(np.float32) + x[1].astype(np.float32) * weights[1].astype(np.float32)    # the product is exact
    equal(fastconv.correlate(x, weights, "valid", "direct")[0], sums.astype(np.float16))


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid value:RuntimeWarning")    # NumPy's own
@pytest.mark.parametrize("weight", [1, -1, 3, 1.25, 2**-10, 2**-24, 6e-5, 0.3333, 1000, 65504, 0, np.inf, np.nan])
def test_products_of_every_half(weight):
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    weight = np.array([weight], np.float16)
    product = halves.astype(np.float32) * weight.astype(np.float32)    # exact
    equal(fastconv.correlate(halves, weight, "same", "direct"), product.astype(np.float16))


def test_half_is_computed_in_single():
    """4096 + 1 thrice, minus 4096: half precision alone would lose every 1."""
    x = np.array([4096, 1, 1, 1, -4096], np.float16)
    assert fastconv.correlate(x, np.ones(5, np.float16), "valid").tolist() == [3]
    large = np.array([60000, 60000, -60000, -60000], np.float16)
    assert fastconv.correlate(large, np.ones(4, np.float16), "valid").tolist() == [0]


def test_single_out_of_half():
    out = np.empty(5, np.float16)
    fastconv.correlate(np.array([0.1, 0.2, 1e-7, 3, 1e4], np.float32), np.ones(1, np.float32), "same", out=out)
    equal(out, np.array([0.1, 0.2, 1e-7, 3, 1e4], np.float32).astype(np.float16))


def test_longdouble_keeps_its_digits():
    tiny = np.finfo(np.longdouble).eps
    x = np.array([1, tiny, 1], np.longdouble)
    equal(fastconv.correlate(x, np.ones(2, np.longdouble), "valid"), np.array([1 + tiny, 1 + tiny]))


def test_python_numbers_and_lists():
    equal(fastconv.correlate(3, 4), np.int64(12))
    equal(fastconv.convolve([1, 2], (3.0, 4)), np.array([3.0, 10, 8]))
    equal(fastconv.convolve2d([[True]], [[True, False]]), np.array([[True, False]]))
    equal(fastconv.correlate(2j, 3j), np.complex128(6))
