"""What the definition implies, for any shapes and numbers: linearity, shifts, symmetries, one mode within another."""
import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastconv
from fastconv import _reference

from .cases import BOUNDARIES, FUNCTIONS, MODES, PLANAR, equal

FLIPPED = {"correlate": "convolve", "convolve": "correlate", "correlate2d": "convolve2d", "convolve2d": "correlate2d"}
DTYPES = st.sampled_from([np.int8, np.uint16, np.int64, np.float32, np.float64, np.complex64, np.complex128])
BORDERS = st.sampled_from(BOUNDARIES)
SMALL = st.integers(-9, 9)


def ours(name, *inputs, **options):
    """By sums of products, which are exact for small integers of every dtype."""
    how = {} if name in PLANAR else {"method": "direct"}
    return getattr(fastconv, name)(*inputs, **how, **options)


def arrays(shape, dtype=np.int64, elements=SMALL):
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        parts = st.tuples(arrays(shape), arrays(shape))
        return parts.map(lambda p: (p[0] + 1j * p[1]).astype(dtype))
    return hnp.arrays(dtype, shape, elements=elements if dtype.kind != "u" else st.integers(0, 9))


@st.composite
def problems(draw, names=FUNCTIONS, images=1, kernels=1, dtypes=DTYPES, least=1):
    """A function's name, images of one shape and kernels of one shape."""
    name, dtype = draw(st.sampled_from(names)), draw(dtypes)
    rank = 2 if name in PLANAR else draw(st.integers(1, 4))
    shapes = [draw(hnp.array_shapes(min_dims=rank, max_dims=rank, min_side=least, max_side=side)) for side in (9, 5)]
    made = zip(shapes, (images, kernels), strict=True)
    return name, *(draw(arrays(shape, dtype)) for shape, count in made for _ in range(count))


def cut(full, starts, lengths):
    return full[tuple(slice(start, start + n) for start, n in zip(starts, lengths, strict=True))]


@given(problems(), st.sampled_from(["full", "same"]), BORDERS, st.integers(0, 5))
def test_equals_the_specification(problem, mode, boundary, fillvalue):
    name, x, w = problem
    equal(ours(name, x, w, mode, boundary=boundary, fillvalue=fillvalue),
          getattr(_reference, name)(x, w, mode, boundary, fillvalue))


@given(problems(images=2), SMALL, SMALL, st.sampled_from(["full", "same"]), BORDERS)
def test_linear_in_the_image(problem, a, b, mode, boundary):
    name, x, y, w = problem
    a, b = np.array([a, b]).astype(x.dtype)
    equal(ours(name, a * x + b * y, w, mode, boundary=boundary),
          a * ours(name, x, w, mode, boundary=boundary) + b * ours(name, y, w, mode, boundary=boundary))


@given(problems(kernels=2), SMALL, SMALL, st.sampled_from(["full", "same"]), BORDERS)
def test_linear_in_the_kernel(problem, a, b, mode, boundary):
    name, x, v, w = problem
    a, b = np.array([a, b]).astype(x.dtype)
    equal(ours(name, x, a * v + b * w, mode, boundary=boundary),
          a * ours(name, x, v, mode, boundary=boundary) + b * ours(name, x, w, mode, boundary=boundary))


@given(problems(), st.lists(st.integers(-9, 9), min_size=4, max_size=4))
def test_shift_around(problem, shifts):
    """A periodic image, rolled, gives the result, rolled."""
    name, x, w = problem
    axes = tuple(range(x.ndim))
    equal(ours(name, np.roll(x, shifts[:x.ndim], axes), w, "same", boundary="wrap"),
          np.roll(ours(name, x, w, "same", boundary="wrap"), shifts[:x.ndim], axes))


@given(problems(), st.integers(0, 3), st.integers(0, 3))
def test_shift_between_zeros(problem, before, after):
    name, x, w = problem
    equal(ours(name, np.pad(x, (before, after)), w), np.pad(ours(name, x, w), (before, after)))


@given(problems(), BORDERS)
def test_full_contains_same_contains_valid(problem, boundary):
    name, x, w = problem
    full, same = (ours(name, x, w, mode, boundary=boundary, fillvalue=2) for mode in ("full", "same"))
    assert full.shape == tuple(np.add(x.shape, w.shape) - 1)
    first = [k // 2 if name == "correlate2d" else (k - 1) // 2 for k in w.shape]
    equal(same, cut(full, first, x.shape))
    assume(np.greater_equal(x.shape, w.shape).all())
    valid = ours(name, x, w, "valid", boundary=boundary)
    assert valid.shape == tuple(np.subtract(x.shape, w.shape) + 1)
    equal(valid, cut(full, np.subtract(w.shape, 1), valid.shape))


@given(problems(), st.sampled_from(MODES), BORDERS)
def test_convolve_is_correlate_of_the_flipped(problem, mode, boundary):
    """And conjugated. The planar pair centres "same" differently if a side is even."""
    name, x, w = problem
    assume(mode != "valid" or np.greater_equal(x.shape, w.shape).all())
    assume(mode != "same" or name not in PLANAR or all(k % 2 for k in w.shape))
    flipped = np.conj(np.flip(w))
    equal(ours(name, x, w, mode, boundary=boundary), ours(FLIPPED[name], x, flipped, mode, boundary=boundary))


@given(problems(names=["convolve", "convolve2d"]))
def test_convolution_commutes(problem):
    name, x, w = problem
    equal(ours(name, x, w), ours(name, w, x))


@given(problems(names=["convolve", "convolve2d"], kernels=2, dtypes=st.sampled_from([np.int8, np.int64, np.uint16])))
def test_convolution_is_associative(problem):
    """Also where integers wrap."""
    name, x, v, w = problem
    equal(ours(name, ours(name, x, v), w), ours(name, x, ours(name, v, w)))


@given(problems(names=["correlate", "correlate2d"]))
def test_exchanged_inputs_of_a_correlation(problem):
    name, x, w = problem
    equal(ours(name, x, w), np.conj(np.flip(ours(name, w, x))))


@given(problems(), BORDERS)
def test_one_tap(problem, boundary):
    name, x, _ = problem
    for mode in MODES:
        equal(ours(name, x, np.ones((1,) * x.ndim, x.dtype), mode, boundary=boundary), x)


@given(problems(dtypes=st.just(np.int64)))
def test_total(problem):
    name, x, w = problem
    assert ours(name, x, w).sum() == x.sum() * w.sum()


@given(problems(names=["correlate", "convolve"], dtypes=st.just(np.int64)), BORDERS)
def test_axes_may_be_permuted(problem, boundary):
    name, x, w = problem
    equal(ours(name, x.T, w.T, "same", boundary=boundary), ours(name, x, w, "same", boundary=boundary).T)


@given(problems(names=["correlate", "convolve"], dtypes=st.just(np.int64)), BORDERS)
def test_added_axes_of_one(problem, boundary):
    name, x, w = problem
    equal(ours(name, x[None, ..., None], w[None, ..., None], "same", boundary=boundary),
          ours(name, x, w, "same", boundary=boundary)[None, ..., None])


@given(arrays((7, 9)), arrays(3), arrays(4), BORDERS)
def test_separable_kernels(x, column, row, boundary):
    """Border after border is the border of both, as borders continue each axis by itself."""
    both = ours("correlate", x, np.outer(column, row), "same", boundary=boundary)
    equal(both, ours("correlate", ours("correlate", x, column[:, None], "same", boundary=boundary), row[None], "same",
                     boundary=boundary))
