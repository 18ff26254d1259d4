"""
Convolution and correlation
===========================

A kernel is a small array of weights. It is laid on every place of a signal or an image in turn; there, each weight is
multiplied with the number under it, and the sum of the products becomes one number of the result. That is
*correlation*. *Convolution* does the same with the kernel turned round. This page computes both in one and in two
dimensions, follows them window by window, and finds a word on a photographed page.
"""
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skimage
from drawing import BLUE, GREEN, GREY, ORANGE, PALE, RED, cells, frame, show
from matplotlib.animation import FuncAnimation, PillowWriter

import fastconv

# sphinx_gallery_thumbnail_number = 2
pictures = Path("gallery-output")
pictures.mkdir(exist_ok=True)

# %%
# One dimension
# -------------
# With a signal ``x`` and a kernel ``w``, and zeros wherever an index is outside:
#
# * correlation: ``y[n] = sum(x[n + t] * w[t])``, the weights in their order;
# * convolution: ``y[n] = sum(x[n - t] * w[t])``, the weights in the opposite order.
#
# ``n`` runs over all places where the two meet; :doc:`the next page </gallery/02_padding>` tells of other choices.
#
# So the convolution puts a copy of the kernel, as it is, where the signal has a single one. In the correlation the
# copy is turned round. Turn the kernel round first, and each becomes the other.

x = np.array([0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0])
w = np.array([4, 2, 1])
convolved, correlated = fastconv.convolve(x, w), fastconv.correlate(x, w)
print("signal     ", x, "\nkernel     ", w, "\nconvolution", convolved, "\ncorrelation", correlated)

by_hand = np.zeros(len(x) + len(w) - 1, int)
for n in range(len(by_hand)):
    for t in range(len(w)):
        if 0 <= n - t < len(x):
            by_hand[n] += x[n - t] * w[t]
assert (convolved == by_hand).all()
assert (convolved == np.convolve(x, w)).all()
assert (correlated == fastconv.convolve(x, w[::-1])).all()

# %%
# In a convolution, signal and kernel may change places. In a correlation they may not: the result is turned round.

assert (fastconv.convolve(w, x) == convolved).all()
assert (fastconv.correlate(w, x) == correlated[::-1]).all()
assert (correlated != correlated[::-1]).any()

figure, rows = plt.subplots(4, 1, figsize=(10, 6), sharex=True, sharey=True, layout="constrained")
for axes, values, colour, title in zip(rows, [x, w, convolved, correlated], [GREY, ORANGE, BLUE, GREEN], [
        "The signal", "The kernel", "Convolution: the kernel as it is, at each one; at a two, twice as high",
        "Correlation: the kernel turned round"], strict=True):
    axes.bar(np.arange(len(values)), values, color=colour)
    axes.set_title(title, loc="left", fontsize=12)
rows[-1].set(xlabel="index in the result", xticks=range(len(convolved)), yticks=[0, 4, 8])
figure.savefig(pictures / "01_convolution.png")

# %%
# Two dimensions, window by window
# --------------------------------
# An image of 5 x 5 pixels, and a kernel of 3 x 3 that is an L. It fits in nine places. Where the image has an L, all
# five ones of the kernel meet ones: the correlation is largest there. The convolution, whose kernel is turned by 180
# degrees, is largest where the L stands on its head.

image = np.array([[1, 0, 1, 1, 1],
                  [1, 0, 0, 0, 1],
                  [1, 1, 1, 0, 1],
                  [0, 1, 0, 0, 0],
                  [0, 1, 0, 1, 1]])
kernel = np.array([[1, 0, 0],
                   [1, 0, 0],
                   [1, 1, 1]])
correlation = fastconv.correlate2d(image, kernel, "valid")
convolution = fastconv.convolve2d(image, kernel, "valid")
print(f"correlation\n{correlation}\nconvolution\n{convolution}")
turned = kernel[::-1, ::-1]
for r, c in np.ndindex(3, 3):
    window = image[r:r + 3, c:c + 3]
    assert correlation[r, c] == (window * kernel).sum()
    assert convolution[r, c] == (window * turned).sum()


def draw_window(axes, weights, r, c, title):
    """The image with the kernel laid on it: its ones are coloured, dark where they meet a one."""
    fill = np.full(image.shape, PALE, object)
    fill[r:r + 3, c:c + 3] = np.where(weights == 0, "#d5dbe2", np.where(image[r:r + 3, c:c + 3], BLUE, "#a6cee3"))
    cells(axes, image, title, fill)
    frame(axes, r, c, 3, 3)


figure = plt.figure(figsize=(11, 7.5), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[3, 1])
for (r, c), axes in np.ndenumerate(left.subplots(3, 3)):
    draw_window(axes, kernel, r, c, f"{correlation[r, c]} of 5 meet a one")
top, bottom = right.subplots(2, 1)
cells(top, kernel, "The kernel", np.where(kernel, BLUE, "#d5dbe2"))
cells(bottom, correlation, "The correlation", np.where(correlation == 5, RED, PALE))
figure.savefig(pictures / "01_convolution_windows.png")

# %%
# The same as a film, with the convolution below.

figure, grid = plt.subplots(2, 3, figsize=(9, 6), width_ratios=[5, 3, 3], layout="constrained")


def draw_step(step):
    for (name, weights, result), axes in zip([("correlation", kernel, correlation),
                                              ("convolution", turned, convolution)], grid, strict=True):
        for ax in axes:
            ax.clear()
        r, c = divmod(step, 3)
        sofar = np.where(np.arange(9).reshape(3, 3) <= step, result, np.nan)
        draw_window(axes[0], weights, r, c, f"{name.capitalize()}: {result[r, c]} of 5 meet a one")
        cells(axes[1], weights, "kernel" if weights is kernel else "kernel, turned", np.where(weights, BLUE, "#d5dbe2"))
        cells(axes[2], sofar, "result", np.where(sofar == 5, RED, PALE))
        frame(axes[2], r, c, 1, 1)


film = FuncAnimation(figure, draw_step, frames=9, interval=900)
film.save(pictures / "01_convolution.gif", PillowWriter(fps=1))

# %%
# What correlation finds
# ----------------------
# The kernel may be a piece of a picture, here a word cut from a photographed page. Then the correlation tells how much
# each place looks like it, but two things must be taken care of. On white paper all products are large: so the mean of
# the template is subtracted, and even light then adds up to nothing. And strong contrast makes larger sums than weak
# contrast: so the sum is divided by the contrast of the window, whose sums are correlations too, with a kernel of ones.
# What is left is between -1 and 1.

page = skimage.data.page().astype(float)
template = page[49:64, 167:221]
naive = fastconv.correlate2d(page, template, "valid")
weights = template - template.mean()
ones = np.ones_like(weights)
contrast = fastconv.correlate2d(page**2, ones, "valid") - fastconv.correlate2d(page, ones, "valid")**2 / ones.size
score = fastconv.correlate2d(page, weights, "valid") / np.sqrt(contrast * (weights**2).sum())
assert np.allclose(score, skimage.feature.match_template(page, template), atol=1e-9)

highest = (score > 0.6) & (score == fastconv.max_pool2d(score, 31, stride=1, padding=15))
found = np.argwhere(highest)
print("the word:", *(f"row {r}, column {c}: {score[r, c]:.2f};" for r, c in found))
assert found.tolist() == [[49, 167], [67, 133], [100, 29]]
r, c = np.unravel_index(naive.argmax(), naive.shape)
paper = page[r:r + template.shape[0], c:c + template.shape[1]]
print(f"with the mean left in, the largest sum is at row {r}, column {c}: blank paper, of {paper.min():.0f} and more")
assert paper.min() > 230

figure, (top, bottom) = plt.subplots(2, 1, figsize=(10, 10), layout="constrained")
show(top, page, f"The word 'markers', cut out at the thick frame, and where it was found ({len(found)} times)")
for r, c in found:
    frame(top, r, c, *template.shape, lw=4 if score[r, c] > 0.99 else 2)
    bottom.annotate(f"{score[r, c]:.2f}", (c + 1, r - 1), (15, 22), textcoords="offset points", fontsize=12,
                    color="white", weight="bold", arrowprops={"arrowstyle": "->", "color": "white", "lw": 1.5})
bar = show(bottom, score, "How much each place looks like it: correlation, with the light taken out", cmap="viridis")
figure.colorbar(bar, ax=bottom, shrink=0.6)
figure.savefig(pictures / "01_convolution_template.png")
