"""
Pooling: what stays when the input moves
========================================
A pool slides a window over the outputs of a detector and keeps one number of each window: the largest, or the average.
When the input moves by one position, every detector has a new value; most maxima are the old ones, and the averages
change less. So a network that pools asks whether a feature is there, not where exactly.

First five numbers, which can be followed by hand, then a photograph.
"""
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from drawing import BLUE, GREY, INK, RED, show
from matplotlib.colors import ListedColormap
from scipy import ndimage

import fastconv

pictures = Path("gallery-output")
pictures.mkdir(exist_ok=True)

# %%
# Five detectors, moved by one
# ----------------------------
# Five detectors look at five places. Then the input moves to the right by one: each detector sees what its left
# neighbour saw, and the first one sees something new. Windows of three with stride 1 make three outputs.
before = np.array([2, 4, 9, 5, 1])
after = np.array([3, *before[:-1]])

largest = [fastconv.max_pool(values, (3,), stride=1) for values in (before, after)]
average = [fastconv.avg_pool(values, (3,), stride=1) for values in (before, after)]

# The same by Python's own means, window by window.
for values, maxima, means in zip((before, after), largest, average, strict=True):
    windows = [[int(value) for value in values[start:start + 3]] for start in range(3)]
    assert maxima.tolist() == [max(window) for window in windows]
    assert means.tolist() == [sum(window) / 3 for window in windows]

moved = before != after
others = largest[0] != largest[1]
assert moved.sum() == 5
assert others.sum() == 1
print(f"detectors  {before} -> {after}   {moved.sum()} of {moved.size} changed")
print(f"maxima     {largest[0]} -> {largest[1]}       {others.sum()} of {others.size} changed")
print(f"averages   {average[0]} -> {average[1]}    all changed, by {np.abs(average[0] - average[1]).mean():.2f} each, "
      f"the detectors by {np.abs(before - after).mean():.2f}")


def draw_pools(axes, rows, changed, title):
    """Detectors in the middle, their maxima above and their averages below; `changed` says which are orange."""
    for window in range(3):
        for place in range(window, window + 3):
            axes.plot([window + 1, place, window + 1], [1, 0, -1], color=GREY, lw=1.2, zorder=0)
    names = "largest\nof three", "detectors", "average\nof three"
    for height, first, name, values, marks in zip((1, 0, -1), (1, 0, 1), names, rows, changed, strict=True):
        axes.text(-0.6, height, name, ha="right", va="center", fontsize=12, color=INK)
        for place, (value, mark) in enumerate(zip(values, marks, strict=True), first):
            axes.scatter(place, height, s=1000, color=RED if mark else BLUE, zorder=2)
            axes.text(place, height, f"{value:g}", ha="center", va="center", fontsize=16, color="white")
    axes.set(xlim=(-1.5, 4.4), ylim=(-1.35, 1.35))
    axes.set_title(title, fontsize=13)
    axes.axis("off")


rows = [(largest[i], (before, after)[i], average[i]) for i in (0, 1)]
changed = [first != second for first, second in zip(*rows, strict=True)]
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
draw_pools(left, rows[0], [mark & False for mark in changed], "Five detectors and their pools")
draw_pools(right, rows[1], changed, "The input moved by one: orange has changed,\n5 of 5 detectors, but 1 of 3 maxima")
figure.savefig(pictures / "05_pooling.png", dpi=100)

# %%
# A photograph, moved by one pixel
# --------------------------------
# The detector is now a filter for upright edges, and the window is of 5 x 5 pixels. We take the filter's answers for
# the photograph, and for the photograph moved by one pixel, and count how many pixels are others.
photo = skimage.data.camera().astype(np.int32)
edge = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
answers = np.abs(fastconv.correlate2d(photo, edge, "valid"))


def pair(values):
    """The values before and after the move, where both are known."""
    return values[:, 1:], values[:, :-1]


sides = [1, 2, 3, 5, 9, 15]
maxima = {side: fastconv.max_pool(answers, (side, side), stride=1) for side in sides}
means = {side: fastconv.avg_pool(answers, (side, side), stride=1) for side in sides}
assert (maxima[1] == answers).all()
assert (maxima[5] == ndimage.maximum_filter(answers, 5)[2:-2, 2:-2]).all()
assert np.allclose(means[5], ndimage.uniform_filter(answers.astype(float), 5)[2:-2, 2:-2])

share = [np.not_equal(*pair(maxima[side])).mean() for side in sides]
drift = [np.abs(np.subtract(*pair(means[side]))).mean() for side in sides]
for side, part, change in zip(sides, share, drift, strict=True):
    print(f"window {side:2} x {side:<2}  {part:4.0%} of the maxima changed; averages change by {change:4.1f} levels")
assert share[0] > 0.85
assert share[3] < 0.4
assert sorted(share, reverse=True) == share
assert sorted(drift, reverse=True) == drift

# %%
# Pools mostly have a stride, so that a layer hands on fewer numbers than it got: here one of 25.
small = fastconv.max_pool(answers, (5, 5))
print(f"{answers.shape} answers, {small.shape} maxima of windows side by side")
assert small.shape == (102, 102)
assert (small == answers[:510, :510].reshape(102, 5, 102, 5).max((1, 3))).all()

figure, axes = plt.subplots(2, 3, figsize=(12, 8), layout="constrained")
bright = {"vmin": 0, "vmax": 500}
show(axes[0, 0], photo, "A photograph")
show(axes[0, 1], answers, f"Upright edges: {answers.shape[0]} x {answers.shape[1]} answers", **bright)
show(axes[0, 2], small, f"Largest of 5 x 5: {small.shape[0]} x {small.shape[1]} are left", **bright)
for place, side, name in ((0, 1, "answers"), (1, 5, "maxima of 5 x 5")):
    other = np.not_equal(*pair(maxima[side]))
    show(axes[1, place], other, f"Moved by one pixel: {other.mean():.0%} of the\n{name} changed (orange)",
         cmap=ListedColormap([BLUE, RED]))
axes[1, 2].plot(sides, [100 * part for part in share], "o-", color=RED, label="maxima that changed")
axes[1, 2].plot(sides, [100 * change / drift[0] for change in drift], "s--", color=BLUE,
                label="mean change of the averages,\nrelative to that of the answers")
axes[1, 2].set(xlabel="side of the window (pixels)", ylabel="per cent", ylim=(0, 104), xticks=sides)
axes[1, 2].set_title("The larger the window, the less changes", loc="left", fontsize=12)
axes[1, 2].legend(frameon=False)
figure.savefig(pictures / "05_pooling_photograph.png", dpi=100)
