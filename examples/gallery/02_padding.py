"""
Padding
=======

A window that must lie inside the image cannot have its middle at the border. So the result is smaller than the image,
and after a few layers nothing is left. Padding puts numbers around the image first. This page compares how much of it
there is (*valid*, *same*, *full*, *causal*), sees a picture shrink from layer to layer, and shows what the padding may
be made of.
"""
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skimage
from drawing import GREY, ORANGE, PALE, RED, SKY, frame, show

import fastconv

# sphinx_gallery_thumbnail_number = 3
pictures = Path("gallery-output")
pictures.mkdir(exist_ok=True)

# %%
# How much
# --------
# A signal of n = 6 numbers and a kernel of k = 3. With p zeros in front and q behind, the kernel fits in
# n + p + q - k + 1 places:
#
# * *valid*: no padding, so n - k + 1 results;
# * *same*: as many as make n results, k // 2 on each side if k is odd;
# * *full*: k - 1 on each side, so n + k - 1 results: all places where kernel and signal meet;
# * *causal*: k - 1, all in front, so n results, none of which has seen a later number; for signals in time.

x, w = np.array([1, 2, 0, 3, 1, 2]), np.array([1, 2, 3])
n, k = len(x), len(w)
padded = {"valid": (0, 0), "same": (k // 2, k // 2), "full": (k - 1, k - 1), "causal": (k - 1, 0)}
result = {name: fastconv.conv(x[None], w[None, None], padding=name)[0] for name in padded}
for name, (before, after) in padded.items():
    y = result[name]
    print(f"{name:7}{before} before, {after} after, {len(y)} results: {y}")
    assert len(y) == n + before + after - k + 1
    if name != "causal":
        assert (y == np.convolve(x, w[::-1], name)).all()
assert (result["causal"] == result["full"][:n]).all()


def line(axes, values, left, top, colour):
    """Numbers in a line of cells that starts at column `left`."""
    for at, value in enumerate(values, left):
        axes.text(at, top, value, ha="center", va="center", fontsize=13, zorder=4)
        frame(axes, top, at, 1, 1, fill=True, fc=colour, ec="white", lw=1.5, zorder=2)


figure, grid = plt.subplots(2, 2, figsize=(11, 5.6), layout="constrained")
for axes, (name, (before, after)) in zip(grid.ravel(), padded.items(), strict=True):
    under = k - 1 if name == "causal" else k // 2    # where in its window a result is drawn
    line(axes, x, 0, 0, SKY)
    line(axes, [0] * before, -before, 0, "#d5dbe2")
    line(axes, [0] * after, n, 0, "#d5dbe2")
    line(axes, result[name], under - before, 2.2, ORANGE)
    for first in (-before, n + after - k):    # the outermost windows, and what comes of them
        frame(axes, 0, first, 1, k)
        axes.annotate("", (first + under, 1.65), (first + under, 0.55),
                      arrowprops={"arrowstyle": "-|>", "color": RED, "lw": 2})
    axes.set(xlim=(-2.7, 7.7), ylim=(2.9, -0.8), aspect="equal")
    axes.set_title(f"{name}: {n} numbers, {before} + {after} zeros, {len(result[name])} results", loc="left")
    axes.axis("off")
figure.suptitle(f"The first and the last window of the kernel {w}, and their results")
figure.savefig(pictures / "02_padding.png")

# %%
# Layer after layer
# -----------------
# A photograph of 32 x 32 pixels goes through layers with kernels of 5 x 5, a slight blur. Without padding, each layer
# takes 4 rows and 4 columns away, and the outermost pixels have had little say: 7 layers leave 4 x 4 pixels, and an
# eighth is not possible. With *same* padding the depth is free. Its zeros are seen, though: black comes in from the
# border.

astronaut = skimage.data.astronaut()[:256, 96:352].mean(axis=-1)
small = fastconv.avg_pool2d(astronaut, 8)
blur = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])[None, None] / 256
layers = {name: [small[None]] for name in ("valid", "same")}
for name, pile in layers.items():
    for _ in range(7):
        pile.append(fastconv.conv2d(pile[-1], blur, padding=name))
    print(f"{name}: rows after each layer:", *(len(y[0]) for y in pile))
assert [len(y[0]) for y in layers["valid"]] == [32 - 4 * depth for depth in range(8)]
assert {y.shape for y in layers["same"]} == {(1, 32, 32)}
assert np.allclose(layers["same"][7][0, 14:18, 14:18], layers["valid"][7][0])    # the middle has not seen the padding

figure, grid = plt.subplots(2, 8, figsize=(12, 3.7), layout="constrained")
for row, (name, pile) in zip(grid, layers.items(), strict=True):
    for axes, (y,) in zip(row, pile, strict=True):
        edge = 16 - len(y) / 2 - 0.5
        extent = (edge, edge + len(y), edge + len(y), edge)
        show(axes, y, f"{len(y)} x {len(y)}", vmin=0, vmax=255, extent=extent)
        axes.set(xlim=(-1, 33), ylim=(33, -1))
        frame(axes, 0, 0, 32, 32, GREY, lw=1)
    row[0].text(-0.2, 0.5, f"{name}", transform=row[0].transAxes, rotation=90, va="center", fontsize=13)
figure.suptitle("A picture before and after each of seven layers of 5 x 5, without and with padding")
figure.savefig(pictures / "02_padding_layers.png")

# %%
# What it is made of
# ------------------
# Zeros are the usual choice; a copy of the image's own pixels changes less at the border. A kernel of a single one
# changes nothing at all, so its result is the padded image itself. *Reflect* and *symmetric* mirror the image, the
# first at the middle of its outermost pixels, the second at their outer edge, so that they come twice.

cat = skimage.data.chelsea()[20:240, 80:430]
one = np.ones((3, 1, 1, 1), np.uint8)
modes = {"zeros": "constant", "replicate": "edge", "reflect": "reflect", "symmetric": "symmetric", "circular": "wrap"}
figure, grid = plt.subplots(2, 3, figsize=(12, 7), layout="constrained")
show(grid[0, 0], cat, f"The picture, {cat.shape[0]} x {cat.shape[1]}")
for axes, (mode, name) in zip(grid.ravel()[1:], modes.items(), strict=True):
    wide = fastconv.conv2d(cat, one, padding=80, padding_mode=mode, groups=3, layout="channels_last")
    assert (wide == np.pad(cat, ((80, 80), (80, 80), (0, 0)), name)).all()
    show(axes, wide, f"padding_mode={mode!r}")
    frame(axes, 80, 80, *cat.shape[:2], PALE, lw=1.5)
figure.savefig(pictures / "02_padding_modes.png")

# %%
# And what it does: the blur again, 7 layers of it, whose border now keeps its light.

edge_of = {}
for mode in modes:
    y = small[None]
    for _ in range(7):
        y = fastconv.conv2d(y, blur, padding="same", padding_mode=mode)
    edge_of[mode] = np.concatenate([y[0, 0], y[0, -1], y[0, :, 0], y[0, :, -1]]).mean()
    print(f"{mode:10} mean grey level at the border after 7 layers: {edge_of[mode]:.1f}")
assert edge_of["zeros"] < 0.5 * min(level for mode, level in edge_of.items() if mode != "zeros")
