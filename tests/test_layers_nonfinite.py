"""NaN and infinity come out of a layer as from a plain sum of products: from the windows that hold them, no others."""
import numpy as np
import pytest

import fastconv
from fastconv import _reference_layers

from . import tiled_cases
from .cases import equal, numbers
from .layer_cases import (
    ALGORITHMS,
    FEW,
    LAYOUTS,
    PADDED,
    PADDING_MODES,
    Layer,
    agree,
    algorithms,
    arranged,
    calls,
    compute,
)
from .test_nonfinite import QUIETLY, spoiled

# Channels, taps and pixels that fill no tile: what fills up the tiles meets NaN, and must not come out.
ODD = [
    Layer((2, 3, 7, 9), (5, 3, 3, 3), padding=1), Layer((3, 17, 5, 5), (9, 17, 3, 3), 2, 1),
    Layer((2, 5, 41), (3, 5, 4)), Layer((2, 9, 6, 35), (9, 1, 3, 3), padding=1, groups=9),
    Layer((2, 6, 5, 6), (4, 3, 2, 2), 1, 0, 2, 2), Layer((1, 70, 1, 3), (35, 70, 1, 1)),
    Layer((2, 2, 3, 4, 5), (3, 2, 2, 2, 2)), Layer((1, 1, 9, 80), (1, 1, 5, 5), 1, 2),
]
# Of each function the argument that only meets finite numbers and, in the windows that hold it, never the padding.
IMAGE = {"conv": 0, "conv_transpose": 0, "im2col": 0, "col2im": 0, "conv_input": 2, "conv_weight": 0, "conv_bias": 0,
         "conv_transpose_input": 2, "conv_transpose_weight": 2, "conv_transpose_bias": 0}


@QUIETLY
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", "efdgFDG")
def test_in_the_image(dtype, layout):
    for seed, layer in enumerate([*ODD, *FEW, *PADDED]):
        for mode in ("zeros", PADDING_MODES[seed % 5]):
            where = layer.where | {"padding_mode": mode}
            x, w = spoiled(numbers(layer.x, dtype, seed), seed), numbers(layer.weight, dtype, seed)
            agree("conv", arranged(x, layer.rank, layout), w, **where, layout=layout, message=layer)
            y = spoiled(numbers(layer.y, dtype, seed), seed)
            agree("conv_transpose", arranged(y, layer.rank, layout), w, **where, output_size=layer.image, layout=layout,
                  message=layer)


@QUIETLY
@pytest.mark.parametrize("dtype", "efdgFDG")
def test_in_gradients_and_columns(dtype):
    for seed, layer in enumerate([*ODD, *PADDED]):
        for name, arguments, keywords in calls(layer, dtype, LAYOUTS[seed % 2]):
            given = list(arguments)
            given[IMAGE[name]] = spoiled(given[IMAGE[name]], seed)
            agree(name, *given, **keywords, message=layer)


@QUIETLY
@pytest.mark.parametrize("dtype", "efdFD")
def test_in_the_weight(dtype):
    """Infinite taps meet the zeros of the padding, which are part of the sum."""
    for seed, layer in enumerate([*ODD, *PADDED]):
        w = spoiled(numbers(layer.weight, dtype, seed), seed)
        agree("conv", numbers(layer.x, dtype, seed + 1), w, **layer.where, message=layer)


# Strides that are woven, bundled, or wider than the kernel.
BACK = [Layer((2, 3, 9, 8), (4, 3, 3, 4), (1, 2), 1), Layer((1, 2, 70), (3, 2, 25), 12, 5),
        Layer((2, 2, 40), (1, 2, 30), 10, 3), Layer((1, 2, 30), (3, 2, 4), 7),
        Layer((1, 20, 9, 9), (24, 20, 3, 3), 1, 1), Layer((1, 2, 30), (3, 2, 5), (4,), ((3, 8),), 3)]


@QUIETLY
@pytest.mark.parametrize("dtype", "efdgFD")
def test_in_the_weight_of_an_adjoint(dtype):
    """A tap that meets no input contributes nothing."""
    for seed, layer in enumerate([*ODD, *FEW, *PADDED, *BACK]):
        for mode in ("zeros", PADDING_MODES[seed % 5]):
            where = layer.where | {"padding_mode": mode, "layout": LAYOUTS[seed % 2]}
            w = spoiled(numbers(layer.weight, dtype, seed), seed)
            y = arranged(numbers(layer.y, dtype, seed + 1), layer.rank, where["layout"])
            bias = numbers(layer.weight[1] * layer.groups, dtype, 3)
            agree("conv_transpose", y, w, bias, **where, output_size=layer.image, message=layer)
            shape = arranged(np.empty(layer.x), layer.rank, where["layout"]).shape
            agree("conv_input", shape, w, y, **where, message=layer)


@QUIETLY
@pytest.mark.parametrize("dtype", "efdgFD")
def test_in_the_weight_of_a_tiled_adjoint(dtype):
    for seed, layer in enumerate([*ODD, *FEW, *PADDED, *BACK]):
        for tiles in (2, 3, 1, 2)[:layer.rank], layer.y[-layer.rank:]:
            w = spoiled(numbers((*tiles, *layer.weight), dtype, seed), seed)
            y = numbers(layer.y, dtype, seed + 1)
            agree("tiled_conv_input", layer.x, w, y, **layer.where, message=(layer, tiles))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", "efd")
def test_only_the_touched_sums(dtype, bad):
    """One element of one channel of one sample reaches all channels of the result around it, and nothing else."""
    for layer in ODD[:3]:
        x, w = np.ones(layer.x, dtype), np.ones(layer.weight, dtype)
        x[1, 1, ..., 3] = bad
        zeros = np.zeros(layer.x, int)
        zeros[1, 1, ..., 3] = 1
        touched = _reference_layers.conv(zeros, w.astype(int), **layer.where) > 0
        for algorithm in ALGORITHMS:
            y = compute("conv", x, w, **layer.where, algorithm=algorithm)
            if y is not None:
                equal(~np.isfinite(y), touched, algorithm)
                assert np.isnan(bad) or (y[touched] == bad).all()


@pytest.mark.parametrize("bad", ["nan", "inf", "-inf", "largest"])
@pytest.mark.parametrize("dtype", "efdgFD")
def test_no_warnings(dtype, bad):
    bad = np.finfo(dtype).max if bad == "largest" else float(bad)
    for layer in FEW:
        for name, arguments, keywords in calls(layer, dtype):
            for i, argument in enumerate(arguments):
                if isinstance(argument, np.ndarray):
                    given = argument.copy()
                    given.flat[0] = bad
                    for algorithm in algorithms(name):
                        with np.errstate(all="raise"):
                            compute(name, *arguments[:i], given, *arguments[i + 1:], **keywords, algorithm=algorithm)


@pytest.mark.parametrize(("dtype", "narrow"), ["fe", "df", "ge", "DF"])
def test_no_errors_on_the_way_to_out(dtype, narrow):
    """NumPy's casts raise where they overflow, if they are told to: whole results come out, and nothing is raised."""
    huge = np.finfo(dtype).max / 1000
    for layer, tiled in zip([*FEW[:2], *PADDED], tiled_cases.PADDED, strict=False):
        for mode in "zeros", "reflect":
            here, there = (one._replace(padding=1, padding_mode=mode) for one in (layer, tiled.layer))
            banks = tiled._replace(layer=there)
            for name, arguments, keywords in [*calls(here, dtype), *tiled_cases.calls(banks, dtype)]:
                arguments = [a * huge if isinstance(a, np.ndarray) and a.dtype == dtype else a for a in arguments]
                with np.errstate(all="ignore"):
                    wanted = compute(name, *arguments, **keywords).astype(narrow)
                out = np.zeros(wanted.shape, narrow)
                with np.errstate(all="raise"):
                    compute(name, *arguments, **keywords, out=out)
                    compute(name, *arguments, **keywords, dtype=narrow)
                equal(out, wanted, name)


@pytest.mark.parametrize(("dtype", "huge"), [("e", 3e4), ("f", 2e38), ("d", 1e308), ("F", 2e38), ("D", 1e308)])
def test_overflow_is_infinity(dtype, huge):
    x = np.full((1, 9), huge, dtype)
    for algorithm in ALGORITHMS:
        y = compute("conv", x, np.ones((1, 1, 4), dtype), algorithm=algorithm)
        assert y is None or np.isinf(y.real).all()
        y = compute("conv", x, np.array([[[1, -1, 1]]], dtype), algorithm=algorithm)
        assert y is None or np.isfinite(y).all()


@QUIETLY
def test_bias_and_activation():
    x, w = np.array([[1.0, -1, np.nan]]), np.ones((2, 1, 1))
    for bias in (np.nan, np.inf, -np.inf):
        agree("conv", x, w, np.array([0, bias]))
        agree("conv", x, w, np.array([0, bias]), activation="relu")
        agree("conv_transpose", x, w.swapaxes(0, 1), np.array([0, bias]), activation="relu6")
    assert fastconv.conv(x, np.full((1, 1, 1), np.inf)).tolist()[0][:2] == [np.inf, -np.inf]
