"""Tiled and local layers and their gradients are what the specification gives, which is what the definition says."""
from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import _reference_layers, grad

from .cases import DTYPES, KINDS, LAYOUTS, equal, numbers, reals
from .layer_cases import LAYOUTS as CHANNELS
from .layer_cases import NAMED_PADDINGS, PADDING_MODES, compute, function
from .tiled_cases import (
    CASES,
    FEW,
    PADDED,
    Layer,
    Tiled,
    agree,
    algorithms,
    all_agree,
    calls,
    depths,
    operands,
    random_tiled,
    specified,
)


def written_out(x, w, b, stride, pad, dilation, groups):
    """The definition in two dimensions, one product after the other."""
    (th, tw, filters, channels, kh, kw), (sh, sw), (dh, dw) = w.shape, stride, dilation
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    oh, ow = ((n - d * (k - 1) - 1) // s + 1 for n, d, k, s in zip(padded.shape[2:], dilation, (kh, kw), stride,
                                                                  strict=True))
    y = np.zeros((len(x), filters, oh, ow), int)
    for n, k, i, j in np.ndindex(*y.shape):
        bank, first = w[i % th, j % tw, k], k // (filters // groups) * channels
        y[n, k, i, j] = b[k] if b.ndim == 1 else b[i % th, j % tw, k]
        for c, u, v in np.ndindex(channels, kh, kw):
            y[n, k, i, j] += padded[n, first + c, i * sh + u * dh, j * sw + v * dw] * bank[c, u, v]
    return y


@pytest.mark.parametrize(("tiles", "bias"), [((1, 1), 1), ((2, 3), 1), ((2, 3), 3), ((5, 4), 3), ((9, 1), 3)])
def test_definition(tiles, bias):
    x, w = numbers((2, 4, 7, 6), "l", 1), numbers((*tiles, 6, 2, 3, 2), "l", 2)
    b = numbers((6,) if bias == 1 else (*tiles, 6), "l", 3)
    wanted = written_out(x, w, b, (1, 2), 1, (2, 1), 2)
    equal(_reference_layers.tiled_conv(x, w, b, (1, 2), 1, (2, 1), 2), wanted)
    for algorithm in ("auto", "unshared", "filters", "pixels"):
        equal(fastconv.tiled_conv(x, w, b, (1, 2), 1, (2, 1), 2, algorithm=algorithm), wanted, algorithm)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_cases(dtype, channels):
    for seed, case in enumerate(CASES if dtype in KINDS else FEW):
        all_agree(case, dtype, channels, seed)


@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize("dtype", "fDb")
def test_padding(dtype, mode):
    for seed, case in enumerate(PADDED):
        for padding in (2, ((1, 3),) * case.rank, *NAMED_PADDINGS):
            layer = case.layer._replace(padding=padding, padding_mode=mode)
            for name, arguments, keywords in calls(case._replace(layer=layer), dtype, seed=seed):
                agree(name, arguments, keywords, layer)


@pytest.mark.parametrize("dtype", "?Bhifdgle" "FDG")
def test_around_whole_vectors(dtype):
    for seed, case in enumerate(depths(dtype)):
        all_agree(case, dtype, seed=seed)


@pytest.mark.parametrize("seed", range(12))
def test_random(seed):
    rng = np.random.default_rng(seed)
    for i in range(12):
        all_agree(random_tiled(rng), rng.choice(list(DTYPES)), str(rng.choice(CHANNELS)), i)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", KINDS)
def test_any_layout(dtype, layout):
    for case in FEW:
        for name, arguments, keywords in calls(case, dtype):
            arranged = [LAYOUTS[layout](a) if isinstance(a, np.ndarray) else a for a in arguments]
            wanted = specified(name, arguments, keywords)
            equal(function(name)(*arranged, **keywords), wanted, f"{name}, {case}")
            out = LAYOUTS[layout](np.ones_like(wanted))
            if out.flags.writeable and 0 not in out.strides and out.dtype.isnative:
                assert function(name)(*arguments, **keywords, out=out) is out
                equal(out, wanted, f"{name}, out, {case}")


def test_out_of_another_dtype_and_in_place():
    x, w = numbers((2, 3, 8, 8), "h", 1), numbers((2, 2, 3, 3, 3, 3), "h", 2)
    wanted = _reference_layers.tiled_conv(x, w, padding=1)
    equal(fastconv.tiled_conv(x, w, padding=1, out=np.empty(wanted.shape, "d")), wanted.astype("d"))
    equal(fastconv.tiled_conv(x, w, padding=1, dtype="l"), _reference_layers.tiled_conv(x, w, padding=1, dtype="l"))
    inside = x.copy()
    assert fastconv.tiled_conv(inside, w, padding=1, out=inside) is inside
    equal(inside, wanted)


@pytest.mark.parametrize("activation", ["relu", "relu6", ("leaky_relu", 0.25)])
def test_activation(activation):
    for case in FEW:
        x, w, b, _ = operands(case, "f", 1)
        for algorithm in ("auto", "unshared", "filters"):
            equal(fastconv.tiled_conv(x, w, b, **case.layer.where, activation=activation, algorithm=algorithm),
                  _reference_layers.tiled_conv(x, w, b, **case.layer.where, activation=activation))


# ---------------------------------------------------------------- one layer as another

@pytest.mark.parametrize("dtype", "fdF")
def test_one_bank_is_conv(dtype):
    for layer in (Layer((2, 24, 12, 13), (32, 24, 3, 3), 1, 1), Layer((3, 4, 9), (6, 2, 4), 2, 3, 1, 2),
                  Layer((2, 40, 3, 3), (17, 40, 3, 3))):
        x, w = reals(layer.x, dtype, 1), reals(layer.weight, dtype, 2)
        equal(fastconv.tiled_conv(x, w[(None,) * layer.rank], **layer.where), fastconv.conv(x, w, **layer.where))


def test_alike_banks_are_conv():
    x, w, b = numbers((2, 6, 9, 10), "i", 1), numbers((4, 3, 3, 3), "i", 2), numbers(4, "i", 3)
    wanted = fastconv.conv(x, w, b, 1, 1, groups=2)
    for tiles in ((2, 3), (9, 10)):
        banks = np.broadcast_to(w, (*tiles, *w.shape))
        equal(fastconv.tiled_conv(x, banks, b, 1, 1, groups=2), wanted)
        equal(fastconv.tiled_conv(x, banks, np.broadcast_to(b, (*tiles, 4)), 1, 1, groups=2), wanted)


def test_local_is_tiled_and_a_product_of_matrices():
    x, w = reals((2, 1, 6), "d", 1), reals((4, 5, 1, 3), "d", 2)
    equal(fastconv.local_conv(x, w), fastconv.tiled_conv(x, w))
    matrix = np.zeros((5, 4, 6))
    for o in range(4):
        matrix[:, o, o:o + 3] = w[o, :, 0]
    np.testing.assert_allclose(fastconv.local_conv(x, w), np.einsum("koi,ni->nko", matrix, x[:, 0]), rtol=1e-13)


def test_jax():
    lax = pytest.importorskip("jax.lax")
    for layer in (Layer((2, 5, 9, 10), (7, 5, 3, 3), 1, 1), Layer((3, 4, 11), (6, 4, 4), 2, 2),
                  Layer((1, 3, 8, 9), (4, 3, 2, 3), (1, 2), ((0, 1), (2, 0)), (2, 1))):
        case = Tiled(layer)
        x, w = reals(layer.x, "f", 1), reals(case.weight, "f", 2)
        stride, padding, dilation = (value if isinstance(value, tuple) else (value,) * case.rank
                                     for value in (layer.stride, layer.padding, layer.dilation))
        theirs = np.moveaxis(w.reshape(*case.out, layer.weight[0], -1), (-2, -1), (0, 1))
        axes = {1: ("NCW", "OIW", "NCW"), 2: ("NCHW", "OIHW", "NCHW")}[case.rank]
        wanted = lax.conv_general_dilated_local(
            x, theirs, stride, [p if isinstance(p, tuple) else (p, p) for p in padding], layer.weight[2:],
            rhs_dilation=dilation, dimension_numbers=axes, precision="highest")
        np.testing.assert_allclose(fastconv.local_conv(x, w, **layer.where), wanted, rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------- gradients

@pytest.mark.parametrize("dtype", "lD")
def test_adjoints(dtype):
    """<layer(x, w), y> is <x, input gradient> and <w, weight gradient>, exactly."""
    for seed, case in enumerate(CASES + PADDED):
        x, w, b, y = operands(case, dtype, seed, lambda shape, dtype, seed, terms: numbers(shape, dtype, seed))
        where = case.layer.where
        forward = np.vdot(fastconv.tiled_conv(x, w, **where), y)
        assert forward == np.vdot(x, grad.tiled_conv_input(x.shape, w, y, **where)), case
        assert forward == np.vdot(w, grad.tiled_conv_weight(x, w.shape, y, **where)), case
        tiles = case.banks if b.ndim > 1 else None
        with_bias = np.vdot(fastconv.tiled_conv(x, w, b, **where), y)
        assert with_bias - forward == np.vdot(b, grad.tiled_conv_bias(y, tiles, rank=case.rank)), case


def test_finite_differences():
    """Linear in each argument: a difference of any width is the derivative but for rounding."""
    case = FEW[0]
    x, w, y = (reals(shape, "d", i) for i, shape in enumerate((case.layer.x, case.weight, case.layer.y)))
    where, rng = case.layer.where, np.random.default_rng(5)
    gradients = (grad.tiled_conv_input(x.shape, w, y, **where), grad.tiled_conv_weight(x, w.shape, y, **where))
    for which, gradient in enumerate(gradients):
        for _ in range(20):
            at = tuple(int(rng.integers(n)) for n in gradient.shape)
            moved = [[a.copy() for a in (x, w)] for _ in range(2)]
            moved[0][which][at] += 0.5
            moved[1][which][at] -= 0.5
            up, down = (np.vdot(fastconv.tiled_conv(*pair, **where), y) for pair in moved)
            np.testing.assert_allclose(up - down, gradient[at], rtol=1e-9, atol=1e-9)


def test_unused_banks_have_no_gradient():
    x, y = numbers((2, 3, 5), "f", 1), numbers((2, 4, 4), "f", 2)
    gradient = grad.tiled_conv_weight(x, (9, 4, 3, 2), y)
    assert not gradient[4:].any()
    assert gradient[:4].any((1, 2, 3)).all()


# ---------------------------------------------------------------- bits

WORK = [Tiled(Layer((2, 16, 12, 21), (16, 16, 3, 3), 1, 1)), Tiled(Layer((40, 3, 9, 18), (5, 3, 3, 3), 1, 1)),
        Tiled(Layer((2, 20, 30, 31), (33, 20, 3, 3), 1, 1), (2, 2)), Tiled(Layer((3, 2, 5000), (3, 2, 7)), (400,)),
        Tiled(Layer((2, 70, 6, 6), (9, 70, 6, 6), 1, 3)),
        Tiled(Layer((5, 8, 6, 7, 8), (6, 4, 3, 3, 3), 1, 1, 1, 2), (2, 3, 8)),
        Tiled(Layer((2, 24, 30, 35), (24, 24, 3, 3), 1, 1), (7, 8))]    # its banks are packed in use


def rounding(shape, dtype, seed, terms):
    return reals(shape, dtype, seed) if dtype in "fdF" else numbers(shape, dtype, seed)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", "fdF")
def test_same_bits_for_any_workers(dtype, channels):
    for case in WORK:
        for name, arguments, keywords in calls(case, dtype, channels, make=rounding):
            for algorithm in algorithms(name):
                one, *others = (compute(name, *arguments, **keywords, algorithm=algorithm, workers=workers)
                                for workers in (1, 2, 3, 5))
                for other in others:
                    if one is not None:
                        equal(other, one, f"{name}, {algorithm}, {case}")


@pytest.mark.parametrize(("dtype", "samples"), list(product("fdlF", (3, 5, 16, 17, 23, 40))))
def test_same_bits_alone(dtype, samples):
    for case in (Tiled(Layer((1, 5, 6, 9), (7, 5, 3, 3), 1, 1)), Tiled(Layer((1, 2, 30), (3, 2, 4)), (9,)),
                 Tiled(Layer((1, 150, 3, 3), (2, 150, 3, 3), 1, 1))):
        case = case.of(samples)
        x, w, b, y = operands(case, dtype, 1, rounding)
        where = {**case.layer.where, "workers": 2}
        for algorithm in ("auto", "unshared", "filters"):
            together = fastconv.tiled_conv(x, w, b, **where, algorithm=algorithm)
            for i in range(samples):
                alone = fastconv.tiled_conv(x[i], w, b, **where, algorithm=algorithm)
                equal(alone, together[i], f"{algorithm}, {case}")
        together = grad.tiled_conv_input(x.shape, w, y, **where)
        for i in range(samples):
            equal(grad.tiled_conv_input(x[i].shape, w, y[i], **where), together[i], f"{case}")


def test_not_finite():
    """NaN and infinity come out where the sums of their products have them, and nowhere else."""
    for samples in (2, 20):
        x, w = numbers((samples, 3, 6, 7), "f", 1, 3) + 4, numbers((4, 5, 5, 3, 3, 3), "f", 2, 3) + 4
        x[1, 2, 3, 3], w[1, 2, 4, 0, 1, 1], w[3, 3, 0, 2, 2, 2] = np.nan, np.inf, -np.inf
        with np.errstate(invalid="ignore"):
            wanted = _reference_layers.local_conv(x, w)
            for algorithm in ("unshared", "filters", "pixels"):
                equal(fastconv.local_conv(x, w, algorithm=algorithm), wanted, algorithm)
        assert not np.isfinite(wanted).all()
        assert np.isfinite(wanted[0]).sum() == wanted[0].size - 2


@pytest.mark.parametrize("dtype", "fd")
def test_what_no_window_sees_does_not_matter(dtype):
    """A column of x beyond the last window, behind which banks are left that this row does not use."""
    x, y = numbers((6, 2, 3, 8), dtype, 1), numbers((6, 3, 3, 3), dtype, 2)
    x[..., 7] = np.inf
    for tiles in ((2, 5), (3, 2), (3, 16)):
        where = {"stride": (1, 2)}
        equal(grad.tiled_conv_weight(x, (*tiles, 3, 2, 1, 3), y, **where),
              _reference_layers.tiled_conv_weight(x, (*tiles, 3, 2, 1, 3), y, **where))


def test_bias_gradients_of_nothing():
    for shape in (2, 3, 0), (0, 3, 5), (2, 0, 5), (2, 3, 0, 4):
        for dtype in "?hefD":
            y = np.zeros(shape, dtype)
            equal(fastconv.grad.local_conv_bias(y), np.zeros((*shape[2:], shape[1]), dtype))
            equal(fastconv.grad.tiled_conv_bias(y, (2,) * (len(shape) - 2)),
                  np.zeros((*(2,) * (len(shape) - 2), shape[1]), dtype))
