"""The direct kernels equal the specification: every dtype, around every edge of tiles, pieces and bands, every rank."""
import numpy as np
import pytest

import fastconv

from .cases import BOUNDARIES, COMPLEX, DTYPES, FUNCTIONS, KINDS, MODES, agree, equal, numbers, ranks, tile_edges


def operands(image, kernel, dtype):
    return numbers(image, dtype, 1, None), numbers(kernel, dtype, 2, None)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tile_edges(dtype):
    for image, kernel, mode, boundary in tile_edges(dtype):
        agree("correlate", *operands(image, kernel, dtype), mode, boundary, method="direct")


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_and_modes(name, dtype):
    for kernel in [(1, 1), (1, 4), (4, 1), (2, 3), (3, 2), (3, 3)]:
        for mode in MODES:
            agree(name, *operands((5, 9), kernel, dtype), mode)
            if mode != "valid" or kernel != (4, 1):
                agree(name, *operands(kernel, (5, 9), dtype), mode)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("name", ["correlate", "convolve"])
def test_ranks(name, dtype):
    for i, (image, kernel) in enumerate(ranks()):
        x, w = operands(image, kernel, dtype)
        agree(name, x, w, MODES[i % 3], BOUNDARIES[i % 5], method="direct")
        agree(name, w, x, MODES[i % 3], method="direct")


@pytest.mark.parametrize("dtype", "?Bhfdg" + COMPLEX)
@pytest.mark.parametrize(("image", "kernel"), [
    ((40, 40), (1, 31)), ((40, 40), (31, 1)), ((40, 40), (31, 31)), ((7, 200), (1, 150)), ((200, 7), (150, 1)),
    ((33, 70), (20, 60)), ((20, 20, 20), (10, 11, 12)), ((300,), (299,)), ((3000,), (500,)), ((5, 5), (16, 17)),
], ids=str)
def test_large_kernels(image, kernel, dtype):
    x, w = operands(image, kernel, dtype)
    if dtype in "e":
        w = np.sign(w)
    agree("correlate", x, w, "same", method="direct")
    agree("convolve", x, w, "valid", method="direct")


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("taps", [63, 64, 65, 95, 96, 97, 127, 128, 129, 191, 255, 256, 257, 300, 512, 513])
def test_folded_kernels(taps, dtype):
    """Kernels of one row that are twice as long as a tile is wide, and lines around whole tiles of four rows."""
    for width in (1, taps, 255, 256, 257, 511, 513, 1024, 1300):
        agree("correlate", *operands((2, width), (1, taps), dtype), "same", "edge", method="direct")


@pytest.mark.parametrize("dtype", "?BldD")
@pytest.mark.parametrize(("image", "kernel"), [
    ((400_007,), (400_000,)), ((3, 300_010), (2, 300_000)), ((905, 903), (900, 897)), ((33, 163, 167), (31, 160, 161)),
    ((3, 60, 70, 71), (3, 58, 70, 66)),
], ids=str)
def test_kernels_summed_in_parts(image, kernel, dtype):
    """Kernels so large that the lines they meet are gathered a part at a time."""
    x, w = numbers(image, dtype, 1), numbers(kernel, dtype, 2)
    agree("correlate", x, w, "valid", method="direct")
    if dtype == "d":    # every other column: never read in place
        agree("correlate", np.repeat(x, 2, -1)[..., ::2], w, "valid", method="direct", workers=2)


@pytest.mark.parametrize("boundary", ["fill", "wrap"])
@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize(("image", "kernel"), [
    ((5, 4999), (2, 3)), ((3, 1700), (9, 9)), ((131, 70), (3, 3)), ((257, 5), (5, 2)), ((70, 1300), (4, 5)),
    ((25001,), (3,)), ((2, 3, 70, 300), (2, 2, 3, 3)), ((3, 1, 12289), (1, 1, 2)),
], ids=str)
def test_pieces_and_bands(image, kernel, dtype, boundary):
    """Images that are cut into pieces of columns and bands of rows."""
    agree("correlate", *operands(image, kernel, dtype), "same", boundary, method="direct")


@pytest.mark.parametrize("dtype", "hld")
def test_kernel_longer_than_a_piece(dtype):
    x, w = numbers(30_011, dtype, 1), numbers(20_011, dtype, 2)
    for mode in ("same", "valid"):
        equal(fastconv.convolve(x, w, mode, "direct"), np.convolve(x, w, mode))


def test_one_element():
    for rank in range(8):
        agree("correlate", np.full((1,) * rank, 3), np.full((1,) * rank, -2))
        agree("convolve", np.full((1,) * rank, 3j), np.full((1,) * rank, 2 - 1j))


def test_small_calls_repeat():
    """The short way for small work keeps nothing between calls."""
    for seed in range(50):
        agree("correlate", numbers(11, "d", seed), numbers(3, "d", seed + 1))
        agree("correlate2d", numbers((2, 11), "i", seed), numbers((2, 3), "i", seed + 1), "same")
