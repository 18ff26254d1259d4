"""Winograd's algorithm: where it is taken, how exact it is, and what becomes of numbers that it cannot bear."""
from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import _reference_layers

from .cases import equal, numbers, reals
from .layer_cases import LAYOUTS, PADDING_MODES, arranged
from .test_nonfinite import QUIETLY

LARGE = (2, 32, 28, 27), (40, 32, 3, 3)


def winograd(x, w, *args, **keywords):
    return fastconv.conv(x, w, *args, **keywords, algorithm="winograd")


def plain(x, w, *args, **keywords):
    return fastconv.conv(x, w, *args, **keywords, algorithm="filters")


# ---------------------------------------------------------------- values

@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", "efdFD")
def test_every_size(dtype, layout):
    """Windows that reach beyond the image on any side, blocks of one window, of one row, of many."""
    for seed, (height, width) in enumerate(product((1, 2, 3, 4, 7, 33), (1, 2, 5, 6, 34, 67))):
        mode = PADDING_MODES[seed % 5]
        x, w, bias = (numbers(shape, dtype, seed) for shape in ((2, 3, height, width), (5, 3, 3, 3), 5))
        x = arranged(x, 2, layout)
        how = {"padding": ((1, 2), (2, 0)), "padding_mode": mode, "layout": layout, "activation": None}
        equal(winograd(x, w, bias, **how), _reference_layers.conv(x, w, bias, **how), (height, width, mode))


@pytest.mark.parametrize("dtype", "fd")
def test_every_number_of_channels(dtype):
    for channels, filters in product((1, 2, 15, 33, 70), (1, 3, 16, 17, 49, 130)):
        x, w = numbers((1, channels, 6, 9), dtype, channels), numbers((filters, channels, 3, 3), dtype, filters)
        equal(winograd(x, w, padding=1), _reference_layers.conv(x, w, padding=1), (channels, filters))


def test_volumes_groups_and_small_images_in_batches():
    for x, w, groups in [((2, 4, 5, 6, 7), (6, 4, 2, 3, 3), 1), ((1, 6, 3, 4, 4, 5), (4, 3, 2, 1, 3, 3), 2),
                         ((37, 8, 5, 4), (6, 4, 3, 3), 2), ((3, 2, 4, 5, 5), (7, 4, 3, 3), 1)]:
        a, b = numbers(x, "f", 0), numbers(w, "f", 1)
        for layout in LAYOUTS:
            how = {"padding": 1, "groups": groups, "layout": layout}
            given = arranged(a, len(w) - 2, layout)
            equal(winograd(given, b, **how), _reference_layers.conv(given, b, **how), (x, w, layout))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", "efdFD")
def test_kernels_of_one_row(dtype, layout):
    """Signals, and the rows of images and volumes, of every length."""
    for seed, (before, length) in enumerate(product([(), (1,), (5,), (4, 3)], (1, 2, 3, 4, 5, 31, 34, 67, 300))):
        kernel = (2, 1, 3)[-1 - len(before):]
        x, w, bias = (numbers(shape, dtype, seed) for shape in ((2, 3, *before, length), (5, 3, *kernel), 5))
        x = arranged(x, len(kernel), layout)
        how = {"padding": ((1, 0), (0, 1), (1, 2))[-len(kernel):], "padding_mode": PADDING_MODES[seed % 5],
               "layout": layout}
        equal(winograd(x, w, bias, **how), _reference_layers.conv(x, w, bias, **how), (before, length))


# The first two have the most pixels of one block and one more row, with small weights; the third the largest weights
# that are transformed ahead, for float32; the others, in use: channels in several parts, the last one short, several
# outer taps, a signal.
DEEP = [((2, 24, 8, 16), (24, 24, 3, 3), 1), ((2, 24, 9, 16), (24, 24, 3, 3), 1),
        ((1, 256, 9, 29), (256, 256, 3, 3), 1), ((1, 257, 9, 29), (256, 257, 3, 3), 1),
        ((2, 290, 9, 8), (283, 290, 3, 3), 1), ((1, 262, 3, 4, 5), (160, 131, 3, 3, 3), 2),
        ((1, 600, 150), (500, 600, 3), 1)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", "fdF")
def test_weights_ahead_or_in_use(dtype, layout):
    for x, w, groups in DEEP:
        a, b, bias = (numbers(shape, dtype, seed) for seed, shape in enumerate((x, w, w[0])))
        how = {"padding": 1, "groups": groups, "layout": layout}
        given = arranged(a, len(w) - 2, layout)
        y = winograd(given, b, bias, **how, workers=1)
        equal(y, _reference_layers.conv(given, b, bias, **how), (x, w))
        equal(winograd(given, b, bias, **how, workers=3), y, (x, w))


@pytest.mark.parametrize("dtype", "fdFD")
def test_kept_weights_of_any_size_give_the_same_bits(dtype):
    for x, w in [((2, 128, 11, 10), (96, 128, 3, 3)), ((2, 290, 11, 10), (300, 290, 3, 3)),
                 ((2, 96, 300), (80, 96, 3))]:
        a, b = reals(x, dtype, 0), reals(w, dtype, 1)
        y = fastconv.conv(a, b, padding=1)
        equal(y, fastconv.Conv(b, padding=1)(a))
        equal(y, winograd(a, b, padding=1))
        assert (y != plain(a, b, padding=1)).any()


@pytest.mark.parametrize("dtype", "fdFD")
def test_rounding(dtype):
    """Errors are about those of the plain sum."""
    x, w = (reals(shape, dtype, seed) for seed, shape in enumerate(LARGE))
    wide = "G" if np.dtype(dtype).kind == "c" else "g"
    exact = plain(x.astype(wide), w.astype(wide), padding=1)
    error, usual = (np.abs(f(x, w, padding=1) - exact).max() for f in (winograd, plain))
    assert error < 3 * usual


# ---------------------------------------------------------------- where it is taken

@pytest.mark.parametrize("dtype", "fdFD")
def test_chosen_for_many_channels_and_pixels(dtype):
    x, w = (reals(shape, dtype, seed) for seed, shape in enumerate(LARGE))
    y = fastconv.conv(x, w, padding=1)
    equal(y, winograd(x, w, padding=1))
    equal(y, fastconv.Conv(w, padding=1)(x))
    assert (y != plain(x, w, padding=1)).any()


def test_not_chosen_where_it_loses():
    for x, w in [((1, 3, 40, 40), (64, 3, 3, 3)), ((8, 64, 5, 5), (64, 64, 3, 3)), ((1, 64, 40, 40), (4, 64, 3, 3)),
                 ((1, 79, 1000), (90, 79, 3))]:
        a, b = reals(x, "f", 0), reals(w, "f", 1)
        assert (fastconv.conv(a, b, padding=1) != winograd(a, b, padding=1)).any()


@pytest.mark.parametrize(("weight", "how", "dtype"), [
    ((4, 3, 5, 5), {}, "f"), ((4, 3, 3, 1), {}, "f"), ((4, 3, 3, 3), {"stride": 2}, "f"),
    ((4, 3, 3, 3), {"dilation": 2}, "f"), ((4, 3, 3, 3), {}, "i"), ((4, 3, 3, 3), {}, "g"),
])
def test_error_where_it_cannot_be(weight, how, dtype):
    out = np.full((1, 4, 9, 9), 7, dtype)
    with pytest.raises(ValueError, match=r"^`algorithm`: 'winograd' is for .* got a weight of shape"):
        winograd(np.ones((1, 3, 9, 9), dtype), np.ones(weight, dtype), padding="same", **how,
                 out=out if "stride" not in how else None)
    assert (out == 7).all()


# ---------------------------------------------------------------- numbers that it cannot bear

@QUIETLY
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", "fdF")
def test_a_bad_sample_is_summed_and_the_others_stay_as_they_are(dtype, bad):
    x, w = (reals(shape, dtype, seed) for seed, shape in enumerate([(4, 2, 32, 20, 20), LARGE[1]]))
    good = fastconv.conv(x, w, padding=1)
    spoilt = x.copy()
    spoilt[1, 1, 3, 10, 11] = bad
    for workers in (1, 3):
        y = fastconv.conv(spoilt, w, padding=1, workers=workers)
        equal(y[1, 1], plain(spoilt[1, 1], w, padding=1))
        y[1, 1] = good[1, 1]
        equal(y, good)


@QUIETLY
@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("shapes", [LARGE, ((2, 40, 5, 6), (50, 40, 3, 3)), ((1, 8, 3, 200), (20, 8, 1, 3))],
                         ids=["ahead", "in use", "a row"])
def test_bad_weights(dtype, shapes):
    """At any tap of the kernel."""
    x, w = (numbers(shape, dtype, seed) for seed, shape in enumerate(shapes))
    for tap, bad in enumerate((np.nan, np.inf, -np.inf) * 3):
        w[5, 3] = 1
        w[5, 3, tap // 3 % w.shape[2], tap % 3] = bad
        equal(winograd(x, w, padding="same"), _reference_layers.conv(x, w, padding="same"))
        equal(fastconv.Conv(w, padding="same", algorithm="winograd")(x), winograd(x, w, padding="same"))


@pytest.mark.parametrize("dtype", "fd")
def test_what_overflows_in_the_transforms_only(dtype):
    """A window of large numbers of which each sum takes one."""
    largest = np.finfo(dtype).max
    x = np.ones((2, 3, 8, 8), dtype)
    x[1] = largest * 0.9 * (-1) ** np.add.outer(np.arange(8), np.arange(8))
    w = np.zeros((2, 3, 3, 3), dtype)
    w[:, 0, 1, 1] = 1
    y = winograd(x, w)
    equal(y, np.stack([x[:, 0, 1:-1, 1:-1]] * 2, 1))
    w *= largest
    equal(winograd(x[:1], w), plain(x[:1], w))
