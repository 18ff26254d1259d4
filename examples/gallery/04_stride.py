"""
Stride
======

The stride is how far the window moves from one result to the next. With stride 1 it stops everywhere, and the feature
map is as large as the image, but for its border. With stride 2 it stops at every second place, along rows and columns,
and the feature map has a quarter of the numbers, for a quarter of the work. This page counts the places, and compares
the maps of a photograph.
"""
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skimage
from drawing import BLUE, GREEN, ORANGE, PALE, PURPLE, cells, frame, show
from scipy import signal

import fastconv

# sphinx_gallery_thumbnail_number = 2
pictures = Path("gallery-output")
pictures.mkdir(exist_ok=True)

# %%
# Where the window stops
# ----------------------
# An image of 7 x 7 and a kernel of 3 x 3. On an axis of n numbers, padded by p on both sides, a kernel of k numbers
# stops (n + 2p - k) // s + 1 times with stride s.

image = np.arange(49).reshape(7, 7)
kernel = np.ones((3, 3), int)
maps = {s: fastconv.conv2d(image[None], kernel[None, None], stride=s)[0] for s in (1, 2)}
for s, y in maps.items():
    print(f"stride {s}: {y.shape[0]} x {y.shape[1]} sums\n{y}")
    assert len(y) == (7 - 3) // s + 1
    for r, c in np.ndindex(y.shape):
        assert y[r, c] == image[s * r:s * r + 3, s * c:s * c + 3].sum()

# %%
# So stride 2 keeps every second number of every second row of stride 1's result, and computes no others.

assert (maps[2] == maps[1][::2, ::2]).all()

colours = [BLUE, ORANGE, GREEN, PURPLE]
figure, grid = plt.subplots(2, 2, figsize=(10, 8.5), width_ratios=[7, 5], layout="constrained")
for (left, right), (s, y) in zip(grid, maps.items(), strict=True):
    cells(left, image, f"Stride {s} x {s}: the first windows", size=11)
    fill = np.full(y.shape, PALE, object)
    for i, ((r, c), colour) in enumerate(zip(np.ndindex(2, 2), colours, strict=True)):
        inset = 0.07 * i    # so that no frame hides another
        frame(left, s * r + inset, s * c + inset, 3 - 2 * inset, 3 - 2 * inset, colour)
        fill[r, c] = colour
    cells(right, y, f"and their sums: {y.shape[0]} x {y.shape[1]} of them", fill, size=11)
    right.set(xlim=(-0.6, 4.6), ylim=(4.6, -0.6))
figure.savefig(pictures / "04_stride.png")

# %%
# On a photograph
# ---------------
# An edge detector, with the photograph padded so that stride 1 keeps its size. With stride 2 there is half of it along
# each axis, with stride 4 a quarter, and the edges are still there: what a feature map says changes little from a pixel
# to the next. That is why networks make their maps smaller on the way, and use the time for more filters.

camera = skimage.data.camera()
sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.int32)
filters = np.stack([sobel, sobel.T])[:, None]    # one for edges that stand, one for those that lie
edges = {}
for s in (1, 2, 4):
    y = fastconv.conv2d(camera[None], filters, stride=s, padding=1)
    assert y.shape == (2, 512 // s, 512 // s)
    for found, kernel in zip(y, filters[:, 0], strict=True):
        every = signal.correlate2d(camera.astype(np.int32), kernel, "same")
        assert (found == every[::s, ::s]).all()
    edges[s] = np.hypot(*y)
    print(f"stride {s}: {y.shape[1]} x {y.shape[2]} places, {9 * y.size:,} multiplications")
assert edges[2].size * 4 == edges[1].size

figure, panels = plt.subplot_mosaic([["photograph", 1, 2], ["photograph", 1, 4]], figsize=(14, 6), layout="constrained",
                                    width_ratios=[2, 2, 1], height_ratios=[5, 3])
show(panels["photograph"], camera, "The photograph: 512 x 512")
for s, strength in edges.items():
    title = f"stride {s}: {len(strength)} x {len(strength)}"
    show(panels[s], -strength, f"Its edges, {title}" if s == 1 else title.capitalize(), vmin=-500, vmax=0)
panels[4].set(xlim=(-0.5, 255.5), anchor="NW")    # as wide as the panel above
figure.savefig(pictures / "04_stride_photograph.png")
