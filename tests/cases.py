"""What the tests run over: dtypes, numbers, shapes, layouts, and the comparison with the specification.

Numbers are small integers, in every dtype, so that every correct sum is exact and results compare with ==.
"""
from itertools import product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import fastconv
from fastconv import _reference

MODES = ("full", "same", "valid")
BOUNDARIES = ("fill", "wrap", "symm", "reflect", "edge")
PLANAR = ("correlate2d", "convolve2d")
FUNCTIONS = ("correlate", "convolve", *PLANAR)
METHODS = ("auto", "direct", "fft")
# Each function with each method.
WAYS = [*product(FUNCTIONS, METHODS)]

# NumPy's type characters: long and long long are different dtypes even where they are the same size.
INTEGERS = "bBhHiIlLqQ"
REALS = "efdg"
COMPLEX = "FDG"
DTYPES = "?" + INTEGERS + REALS + COMPLEX
# One dtype for each way in which lines of x are read, computed with and written.
KINDS = "?BhIlefdgFDG"


def numbers(shape, dtype, seed=0, largest=4):
    """Random integers from -largest (0 if unsigned) to largest.

    `largest=None` takes the whole range of an integer dtype: sums modulo 2**n are exact too.
    """
    rng, dtype = np.random.default_rng(seed), np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu" and largest is None:
        return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    largest = largest or 4
    if dtype.kind == "u":
        return rng.integers(0, largest, shape, dtype, endpoint=True)
    real, imaginary = rng.integers(-largest, largest, (2, *np.atleast_1d(shape)), endpoint=True)
    return (real + 1j * imaginary if dtype.kind == "c" else real).astype(dtype)


def reals(shape, dtype, seed=0):
    """Random numbers whose sums round, for tests of rounding and of bits."""
    rng, dtype = np.random.default_rng(seed), np.dtype(dtype)
    real, imaginary = rng.standard_normal((2, *np.atleast_1d(shape)))
    return (real + 1j * imaginary if dtype.kind == "c" else real).astype(dtype)


def equal(got, wanted, message=""):
    """Same shape, dtype and values; NaN equals NaN."""
    np.testing.assert_array_equal(got, wanted, err_msg=message, strict=True)


def largest_seen(x, taps, mode, boundary, fillvalue, before):
    """The largest finite magnitude in each output's window, axis by axis."""
    pads = {"full": [(k - 1, k - 1) for k in taps], "same": [(before(k), k - 1 - before(k)) for k in taps],
            "valid": [(0, 0) for _ in taps]}[mode]
    wide = np.abs(np.where(np.isfinite(x), x, 0).astype(np.clongdouble))
    seen = np.pad(wide, pads, **({"constant_values": abs(fillvalue)} if boundary == "fill" else {
        "mode": "symmetric" if boundary == "symm" else boundary}))
    for axis, k in enumerate(taps):
        seen = sliding_window_view(seen, k, axis).max(-1)
    return seen


def close(got, wanted, x, w, mode="full", boundary="fill", fillvalue=0, name="correlate"):
    """What is promised of an output whatever the algorithm: an error at rounding level of what its own window holds.

    That is 4 eps log2(4 n) sum(|kernel|) max(|x| in the window); the same infinities and NaN; 0 for zeros.
    Where the inputs may change places, the larger one is seen.
    """
    assert got.dtype == wanted.dtype
    swaps = w.size > x.size and (mode == "valid" or (mode == "full" and boundary == "fill" and not fillvalue))
    x, w = (w, x) if swaps else (x, w)
    seen = largest_seen(x, w.shape, mode, boundary, fillvalue,
                        lambda k: (k - 1) // 2 if name == "correlate2d" else k // 2)
    seen = np.flip(seen) if swaps and name.startswith("correlate") else seen
    kernel = np.abs(np.where(np.isfinite(w), w, 0).astype(np.clongdouble)).sum()
    limit = 4 * np.finfo(wanted.dtype).eps * np.log2(4 * w.size) * kernel * seen
    finite = np.isfinite(wanted)
    equal(np.where(finite, 0, got), np.where(finite, 0, wanted), "infinities and NaN")
    off = np.abs(np.where(finite, got, 0).astype(np.clongdouble) - np.where(finite, wanted, 0))
    assert (off <= limit).all(), f"{name}, {mode}, {boundary}: {(off / limit).max()} of the limit"


def agree(name, in1, in2, mode="full", boundary="fill", fillvalue=0, dtype=None, *, exactly=True, **how):
    """Ours is what the specification gives; `how` holds the keywords that must not change a result."""
    got = getattr(fastconv, name)(in1, in2, mode, boundary=boundary, fillvalue=fillvalue, dtype=dtype, **how)
    wanted = getattr(_reference, name)(in1, in2, mode, boundary, fillvalue, dtype)
    message = f"{name} of {np.shape(in1)} and {np.shape(in2)}, {mode}, {boundary}, {how}"
    if exactly:
        equal(got, wanted, message)
    else:
        close(got, wanted, np.asarray(in1), np.asarray(in2), mode, boundary, fillvalue, name)


# ---------------------------------------------------------------- shapes

def tile_edges(dtype, seed=0):
    """Shapes around every edge of a tile: (image, kernel, mode, boundary).

    A tile is 4 rows by 3 or 4 vectors, or one row of up to 12. A vector has at most 64 bytes; shorter ones divide it.
    """
    rng = np.random.default_rng(seed)
    lanes = 64 // {"?": 1, "b": 2, "B": 2, "e": 4}.get(dtype, min(np.dtype(dtype.lower()).itemsize, 16))
    widths = {m * lanes + d for m in range(14) for d in (-2, -1, 0, 1)} | set(range(1, 18))
    for width, kh in product(sorted(w for w in widths if w > 0), range(1, 10)):
        for kw in rng.choice(np.arange(1, 10), 3, replace=False):
            image = (int(rng.integers(1, 10)), width)
            mode = str(rng.choice(MODES))
            if mode == "valid":    # as many outputs as the other modes have
                image = (image[0] + kh - 1, width + int(kw) - 1)
            yield image, (kh, int(kw)), mode, str(rng.choice(BOUNDARIES))


def ranks(seed=0):
    """Shapes of rank 1 to 6: (image, kernel), the image at least as large."""
    rng = np.random.default_rng(seed)
    for rank, _ in product(range(1, 7), range(6)):
        kernel = rng.integers(1, (10, 6, 4, 4, 3, 3)[rank - 1], rank)
        image = kernel + rng.integers(0, (80, 20, 8, 5, 4, 3)[rank - 1], rank)
        yield tuple(image.tolist()), tuple(kernel.tolist())


# ---------------------------------------------------------------- layouts

def _unaligned(a):
    buffer = np.zeros(a.nbytes + 1, np.uint8)[1:]
    buffer[:] = np.frombuffer(a.tobytes(), np.uint8)
    return buffer.view(a.dtype).reshape(a.shape)


def _spaced(a):
    """Every third element of a larger array, along each axis."""
    larger = numbers([3 * n for n in a.shape], a.dtype, seed=9)
    view = larger[(slice(1, None, 3),) * a.ndim]
    view[...] = a
    return view


def _reversed(a):
    return np.flip(np.flip(a).copy())


def _read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


# The same numbers, otherwise in memory.
LAYOUTS = {
    "contiguous": np.ascontiguousarray,
    "fortran": np.asfortranarray,
    "transposed": lambda a: np.moveaxis(np.moveaxis(a, 0, -1).copy(), -1, 0),
    "reversed": _reversed,
    "spaced": _spaced,
    "unaligned": _unaligned,
    "swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "read_only": _read_only,
}
