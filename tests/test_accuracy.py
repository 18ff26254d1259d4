"""Long sums: their error is that of a K block, however many terms there are, for every kernel and kind of numbers; and
the same bits for any workers, strides and layouts.

The referee adds the products, which are exact in twice the precision, in extended precision.
"""
from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import _reference_layers, grad

from .cases import LAYOUTS, equal, numbers, reals
from .test_nonfinite import QUIETLY

# Of eps times the sum of the products' absolute values: K blocks have at most 1024 terms, or 2048 of a local layer in
# lanes. What is added to them does not grow with the terms.
WORST = 1024
# And of terms whose errors are as often positive as negative.
USUAL = 24
FLOATS = "fdF"


def kinds(n, dtype):
    """Noise, positive noise, a number that is rounded, and numbers of many decades."""
    rng = np.random.default_rng(n)
    yield "noise", reals(n, dtype, 1), reals(n, dtype, 2)
    yield "positive", rng.random(n).astype(dtype), rng.random(n).astype(dtype)
    yield "decades", (10 ** rng.uniform(-6, 6, n)).astype(dtype), reals(n, dtype, 3)
    yield "constant", np.full(n, 0.1, dtype), np.ones(n, dtype)


# Each kernel's sum of n products of two arrays: what to call, for how many terms at most.
def _gemm(algorithm):
    return lambda x, w: fastconv.conv(x.reshape(-1, 1), w.reshape(1, -1, 1), algorithm=algorithm)


def _rows(n):
    return (n // 100, 100) if n > 5000 else (n // 10, 10)


def _twice(x):    # of two positions: one alone has no filters of its own
    return np.stack((x, x), -1)


KERNELS = {
    "direct": (lambda x, w: fastconv.correlate(x, w.conj(), "valid", "direct"), 10**6),
    "direct of images": (lambda x, w: fastconv.correlate(
        x.reshape(_rows(x.size)), w.conj().reshape(_rows(x.size)), "valid", "direct"), 10**5),
    "filters": (_gemm("filters"), 10**5),
    "pixels": (_gemm("pixels"), 10**5),
    "weight gradient": (lambda x, w: grad.conv_weight(
        x.conj().reshape(1, 1, -1), (1, 1, 1), w.reshape(1, 1, -1)), 10**6),
    "depthwise": (lambda x, w: fastconv.conv(
        x.reshape(1, *_rows(x.size)), w.reshape(1, 1, *_rows(x.size)), algorithm="depthwise"), 10**5),
    "local": (lambda x, w: fastconv.local_conv(_twice(x), _twice(w).T[:, None, :, None]), 10**5),
    "local weight gradient": (lambda x, w: grad.local_conv_weight(
        _twice(x.conj())[:, None], (2, 1, 1, 1), _twice(w)[:, None]), 10**5),
    "local input gradient": (lambda x, w: grad.local_conv_input(
        (1, 2), _twice(w.conj()).T[:, :, None, None], _twice(x)), 10**5),
}


def error(name, x, w):
    """In eps times the sum of the absolute values."""
    got, wide = KERNELS[name][0](x, w), np.result_type(x, np.longdouble)
    products = x.astype(wide) * w.astype(wide)
    assert (got == got.flat[0]).all()
    assert got.dtype == x.dtype
    return float(abs(got.flat[0].astype(wide) - products.sum()) / np.abs(products).sum() / np.finfo(x.dtype).eps)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", KERNELS)
def test_bound(name, dtype):
    """Around the ends of K blocks, and far beyond them."""
    most = KERNELS[name][1] if dtype == "f" else 10**5
    for n in (10, 900, 910, 1020, 1030, 2040, 2050, 9000, most):
        for kind, x, w in kinds(n, dtype):
            assert error(name, x, w) < (WORST if kind == "constant" else USUAL), (n, kind)


def test_sums_that_one_accumulator_loses():
    x = np.ones(2**25, np.float32)
    assert fastconv.correlate(x, x, "valid", "direct").tolist() == [2**25]
    o = np.broadcast_to(np.float32(1), (1, 1, 5000, 5000))
    assert grad.conv_weight(o, (1, 1, 1, 1), o).item() == 25e6


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("dtype", "fdFDgG")
def test_small_whole_numbers_stay_exact(name, dtype):
    for n in (1030, 10**4):
        x, w = numbers(n, dtype, 1), numbers(n, dtype, 2)
        assert KERNELS[name][0](x, w).flat[0] == (x * w).sum()


@QUIETLY
@pytest.mark.parametrize("name", KERNELS)
def test_totals_that_are_not_finite(name):
    """They stay what the plain sum gives, in whatever block they are."""
    n, most = 5000, np.finfo(np.float32).max
    for places, wanted in [({3: np.inf}, np.inf), ({4900: -np.inf}, -np.inf), ({2500: np.nan}, np.nan),
                           ({3: np.inf, 4900: -np.inf}, np.nan), ({3: most, 4900: most}, np.inf),
                           ({3: np.inf, 4900: 5.0}, np.inf)]:
        x = np.ones(n, np.float32)
        for place, value in places.items():
            x[place] = value
        equal(KERNELS[name][0](x, np.ones(n, np.float32)).flat[0], np.float32(wanted), f"{places}")


# ---------------------------------------------------------------- bits

@pytest.mark.parametrize("dtype", "fF")
def test_bits_of_long_direct_sums(dtype):
    for image, kernel, mode in [
            ((3000,), (2500,), "same"), ((60, 300), (40, 50), "same"), ((9, 4000), (2, 1500), "same"),
            ((20, 21, 40), (9, 10, 17), "valid"), ((1300, 40), (1100, 2), "same")]:
        x, w = reals(image, dtype, 1), reals(kernel, dtype, 2)
        wanted = fastconv.correlate(x, w, mode, "direct", workers=1)
        equal(fastconv.correlate(x, w, mode, "direct", workers=3), wanted)
        for name in ("fortran", "reversed", "spaced", "unaligned", "swapped"):
            equal(fastconv.correlate(LAYOUTS[name](x), w, mode, "direct"), wanted, name)
        spaced = np.zeros((*wanted.shape, 2), dtype)[..., 0]
        equal(fastconv.correlate(x, w, mode, "direct", out=spaced), wanted)


LONG = [
    ("conv", ((2, 300, 5, 20), (20, 300, 3, 3)), {"padding": 1}),
    ("conv", ((2, 3, 40, 41), (3, 1, 35, 36)), {"groups": 3}),
    ("local_conv", ((3, 300, 5, 4), (3, 2, 5, 300, 3, 3)), {}),
    ("local_conv", ((20, 300, 3, 4), (1, 2, 5, 300, 3, 3)), {}),
    ("conv_transpose", ((2, 600, 5, 9), (600, 5, 4, 4)), {"stride": 2}),
]


@pytest.mark.parametrize("dtype", "fF")
def test_bits_of_long_layers(dtype):
    for name, shapes, how in LONG:
        x, w = (reals(shape, dtype, seed) for seed, shape in enumerate(shapes))
        for algorithm in ("auto", "filters", "pixels") if name != "local_conv" else ("auto",):
            call = getattr(fastconv, name)
            wanted = call(x, w, **how, algorithm=algorithm, workers=1)
            equal(call(x, w, **how, algorithm=algorithm, workers=3), wanted, (name, algorithm))
            equal(call(np.asfortranarray(x), w, **how, algorithm=algorithm), wanted, (name, algorithm))
            if name != "local_conv":    # whose samples may lie side by side
                equal(call(x[1], w, **how, algorithm=algorithm), wanted[1], (name, algorithm))


@pytest.mark.parametrize("dtype", "fF")
def test_bits_of_long_local_gradients(dtype):
    x, y = reals((2500, 2, 3, 5), dtype, 1), reals((2500, 3, 2, 4), dtype, 2)
    for size in ((2, 4, 3, 2, 2, 2), (1, 2, 3, 2, 2, 2)):
        wanted = grad.tiled_conv_weight(x, size, y, workers=1)
        equal(grad.tiled_conv_weight(np.asfortranarray(x), size, y, workers=3), wanted)


# ---------------------------------------------------------------- activations at the ends of their range

@QUIETLY
@pytest.mark.parametrize("dtype", "efdg")
@pytest.mark.parametrize("activation", ["relu", "relu6", "sigmoid", "tanh", "silu", "leaky_relu"])
def test_activations_at_their_limits(activation, dtype):
    info = np.finfo(dtype)
    x = np.array([-np.inf, info.min, -1e3, -20, -info.tiny, -info.smallest_subnormal, -0.0, 0.0, info.tiny, 20, 1e3,
                  info.max, np.inf, np.nan], dtype)
    limits = {"relu": (0, np.inf), "relu6": (0, 6), "sigmoid": (0, 1), "tanh": (-1, 1), "silu": (0, np.inf),
              "leaky_relu": (-np.inf, np.inf)}[activation]
    for w in (np.ones((1, 1, 1), dtype), np.ones((1, 1, 1, 1), dtype)):
        call = fastconv.conv if w.ndim == 3 else fastconv.tiled_conv
        got = call(x[None], w, activation=activation)[0]
        assert np.isnan(got[-1])
        assert (got[[0, -2]] == limits).all()
        wanted = _reference_layers.conv(x[None].astype("g"), w.astype("g").reshape(1, 1, 1), activation=activation)[0]
        assert (np.abs(got - wanted)[1:-2] <= 4 * info.eps * np.abs(wanted)[1:-2] + 200 * info.smallest_subnormal).all()


# ---------------------------------------------------------------- Winograd's algorithm near the ends of the range

@pytest.mark.parametrize("dtype", "fdF")
@pytest.mark.parametrize("rows", [1, 3])
def test_winograd_of_tiny_and_huge_weights(dtype, rows):
    """As right as the plain sum: weights next to the smallest normal number, below it, and at the upper end."""
    info = np.finfo(dtype)
    x = reals((1, 4, 6 if rows > 1 else 1, 18), dtype, 1)
    for scale, by in [(info.tiny, 2.0**60), (info.tiny * 3, 2.0**100), (info.smallest_subnormal * 100, 2.0**60),
                      (info.max / 16, 2.0**-30), (info.max / 4, 2.0**-100)]:
        w = (reals((3, 4, rows, 3), dtype, 2) * (0.2 * scale)).astype(dtype)
        a = (x * by).astype(dtype)
        wide = np.result_type(dtype, "d" if dtype != "d" else "g")
        exact = fastconv.conv(a.astype(wide), w.astype(wide), padding=(rows // 2, 1), algorithm="filters")
        sizes = fastconv.conv(np.abs(a).astype(np.longdouble), np.abs(w).astype(np.longdouble), padding=(rows // 2, 1),
                              algorithm="filters")
        for algorithm in ("winograd", "filters"):
            got = fastconv.conv(a, w, padding=(rows // 2, 1), algorithm=algorithm)
            assert (np.abs(got - exact) <= 8 * info.eps * sizes.max()).all(), (scale, algorithm)


# ---------------------------------------------------------------- a bias of any layout

@pytest.mark.parametrize("dtype", "BefgFG")
def test_bias_of_any_layout(dtype):
    x, w = numbers((2, 4, 5, 6), dtype, 1), numbers((4, 2, 3, 3), dtype, 2)
    tiles, banks = numbers((2, 3, 4, 2, 3, 3), dtype, 3), numbers((2, 3, 4), dtype, 4)
    for (name, arrange), groups in product(LAYOUTS.items(), (1, 2)):
        shared = arrange(banks[0, 0])
        one, two = (a if groups == 2 else np.concatenate((a, a), -3) for a in (w, tiles))
        for call, args in [("conv", (x, one, shared)), ("tiled_conv", (x, two, shared)),
                           ("tiled_conv", (x, two, arrange(banks))),
                           ("conv_transpose", (x, w, arrange(banks[0, 0, :2 * groups])))]:
            equal(getattr(fastconv, call)(*args, groups=groups), getattr(_reference_layers, call)(*args, groups=groups),
                  f"{call}, {name}")
        equal(fastconv.Conv(one, shared, groups=groups)(x), _reference_layers.conv(x, one, shared, groups=groups), name)


# ---------------------------------------------------------------- taps that lie on padding for all outputs

CROPPED = [
    ((2, 40, 1, 1), (30, 40, 3, 3), {"padding": 1}), ((1, 5, 1, 7), (4, 5, 3, 3), {"padding": 1}),
    ((2, 3, 2), (4, 3, 9), {"padding": 4}), ((2, 3, 3, 3), (4, 3, 5, 5), {"padding": 12, "dilation": 6}),
    ((1, 6, 1, 2, 3), (4, 3, 3, 3, 5), {"padding": (1, 1, 2), "groups": 2, "stride": (1, 1, 2)}),
    ((2, 4, 1, 1), (4, 1, 5, 5), {"padding": 2, "groups": 4}),
    ((2, 3, 2, 2), (4, 3, 2, 2), {"padding": 4, "stride": 5}),
    ((2, 3, 1, 1), (4, 3, 4, 4), {"padding": ((3, 0), (0, 3))}),
    ((2, 3, 1, 1), (4, 3, 2, 2), {"padding": 1, "stride": 2}),
]


@QUIETLY
@pytest.mark.parametrize("dtype", "Bhfdg" + "FD")
def test_taps_on_padding_only(dtype):
    for x_shape, w_shape, how in CROPPED:
        x, w, bias = numbers(x_shape, dtype, 1), numbers(w_shape, dtype, 2), numbers(w_shape[0], dtype, 3)
        for weight in (w, np.asfortranarray(w), np.repeat(w, 2, -1)[..., ::2]):
            equal(fastconv.conv(x, weight, bias, **how), _reference_layers.conv(x, w, bias, **how), (x_shape, how))
        if np.dtype(dtype).kind == "f":
            spoilt = w.copy()
            spoilt[1, 0].flat[0] = np.inf
            equal(fastconv.conv(x, spoilt, **how), _reference_layers.conv(x, spoilt, **how), (x_shape, how))
            equal(fastconv.Conv(spoilt, **how)(x), _reference_layers.conv(x, spoilt, **how), (x_shape, how))


def test_kept_weights_serve_images_of_all_sizes():
    w = reals((40, 200, 3, 3), "f", 1)
    layer = fastconv.Conv(w, padding=1)
    for shape in [(2, 200, 1, 1), (200, 1, 9), (200, 9, 1), (2, 200, 5, 5), (200, 1, 1), (200, 2, 1)]:
        x = reals(shape, "f", 2)
        equal(layer(x), fastconv.conv(x, w, padding=1), str(shape))
