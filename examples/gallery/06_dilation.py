"""
Dilation: seeing more at the same cost
======================================
A dilated filter leaves gaps between its taps, *trous*, holes, in French, where the method comes from. Each output then
sees a wider part of the input, with as many weights and as many multiplications as before. Layers whose dilations
double, 1, 2, 4, ..., see a part that doubles with every layer [1]_ [2]_.

.. [1] M. Holschneider et al., "A real-time algorithm for signal analysis with the help of the wavelet transform", 1989.
.. [2] A. van den Oord et al., "WaveNet: a generative model for raw audio", arXiv:1609.03499, 2016.
"""
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from drawing import BLUE, INK, RED, SKY, YELLOW, frame, show
from scipy import ndimage

import fastconv

pictures = Path("gallery-output")
pictures.mkdir(exist_ok=True)

# %%
# Three taps, close together and apart
# ------------------------------------
# The filter is the same, and so is the number of products in each sum.
signal = np.arange(1, 11) ** 2
taps = np.array([1, -2, 1])
for dilation in (1, 2, 4):
    result = fastconv.conv(signal[None], taps[None, None], dilation=dilation)[0]
    by_hand = [int(sum(taps[t] * signal[start + t * dilation] for t in range(3)))
               for start in range(len(signal) - 2 * dilation)]
    assert result.tolist() == by_hand
    print(f"dilation {dilation}: 3 taps see {2 * dilation + 1} numbers of {signal.tolist()} -> {result.tolist()}")

# %%
# Three layers
# ------------
# How far does the last layer see? We follow one output back to the input: `fastconv.grad.conv_input` carries it through
# a layer, and what it reaches is not zero.
n, middle = 21, 10


def reached(dilations):
    """For the input and each layer, which of its `n` places the middle output of the last layer depends on."""
    marks = np.zeros((1, n))
    marks[0, middle] = 1
    layers = [marks[0] > 0]
    for dilation in reversed(dilations):
        weight = np.ones((1, 1, 3))
        marks = fastconv.grad.conv_input((1, n), weight, marks, padding="same", dilation=dilation)
        layers.append(marks[0] > 0)
    return layers[::-1]


plain, dilated = reached([1, 1, 1]), reached([1, 2, 4])
for name, layers in (("1, 1, 1", plain), ("1, 2, 4", dilated)):
    print(f"dilations {name}: 9 weights, 9 multiplications, and an output sees {layers[0].sum()} inputs")
assert plain[0].sum() == 1 + 2 * (1 + 1 + 1) == 7
assert dilated[0].sum() == 1 + 2 * (1 + 2 + 4) == 15

# Another way to find out: change one input at a time, and watch the output.
impulses = np.eye(n)[:, None]
for dilation in (1, 2, 4):
    impulses = fastconv.conv(impulses, np.ones((1, 1, 3)), padding="same", dilation=dilation)
assert ((impulses[:, 0, middle] != 0) == dilated[0]).all()


def draw_layers(axes, layers, dilations, title):
    """The places of all layers, the input at the bottom; what the topmost one depends on is in colour."""
    for height, (dilation, seen) in enumerate(zip([*dilations, 0], layers, strict=True)):
        for place in range(n):
            axes.scatter(place, height, s=70, color=RED if seen[place] else "#d5dae0", zorder=2)
        for place in np.flatnonzero(layers[height + 1]) if dilation else ():
            for tap in (-dilation, 0, dilation):
                axes.plot([place + tap, place], [height, height + 1], color=BLUE, lw=1.2, zorder=1)
        name = "input" if height == 0 else f"layer {height},\ndilation {dilations[height - 1]}"
        axes.text(-1, height, name, ha="right", va="center", fontsize=11, color=INK)
    axes.set(xlim=(-4.5, n), ylim=(-0.7, 3.4))
    axes.set_title(title, fontsize=13)
    axes.axis("off")
    seen = np.flatnonzero(layers[0])
    axes.annotate("", (seen[0] - 0.4, -0.4), (seen[-1] + 0.4, -0.4), arrowprops={"arrowstyle": "<->", "color": RED})


figure, (above, below) = plt.subplots(2, 1, figsize=(10, 7), layout="constrained")
draw_layers(above, plain, (1, 1, 1), "Three layers of three taps: an output sees 7 inputs ...")
draw_layers(below, dilated, (1, 2, 4), "... and with dilations 1, 2, 4 it sees 15, with the same 9 weights")
figure.savefig(pictures / "06_dilation.png", dpi=100)

# %%
# A picture, from stars to galaxies
# ---------------------------------
# Astronomers sort a picture by size this way (the *à trous* wavelet transform): blur it, and keep what the blur took
# away; blur the rest again with the same 25 weights twice as far apart, and so on. Fine details are in the first
# difference, wide ones in the last, and all together with the rest are the picture again.
photo = skimage.data.hubble_deep_field()[430:670, 560:920].mean(-1)
row = np.array([1, 4, 6, 4, 1]) / 16
blur = np.outer(row, row)
smooth, details, reaches, reach = [photo], [], {}, 1
for dilation in (1, 2, 4, 8):
    before = smooth[-1]
    after = fastconv.conv(before[None], blur[None, None], padding="same", dilation=dilation, padding_mode="reflect")[0]
    holes = np.zeros((4 * dilation + 1, 4 * dilation + 1))    # as an ordinary filter: the same taps, and zeros between
    holes[::dilation, ::dilation] = blur
    assert np.allclose(after, ndimage.correlate(before, holes, mode="mirror"))
    reach = reaches[dilation] = reach + 4 * dilation
    print(f"dilation {dilation}: 25 weights span {len(holes)} x {len(holes)} pixels of the last blur, "
          f"and see {reach} x {reach} of the picture")
    smooth.append(after)
    details.append(before - after)
assert reach == 61
assert np.allclose(sum(details) + smooth[-1], photo)

figure, axes = plt.subplots(2, 3, figsize=(13, 6.6), layout="constrained")
panels = [photo, *details, smooth[-1]]
titles = [f"Details at dilation {dilation}: {seen} x {seen} pixels seen" for dilation, seen in reaches.items()]
titles = ["Hubble Deep Field", *titles, "The rest"]
for place, (panel, picture, title) in enumerate(zip(axes.flat, panels, titles, strict=True)):
    brightest = 150 if place in (0, 5) else 30
    show(panel, picture, title, vmin=0, vmax=brightest)
for panel, (dilation, seen) in zip(axes.flat[1:], reaches.items(), strict=False):
    apart = dilation * np.arange(-2, 3)
    panel.scatter(*np.meshgrid(40 + apart, 200 + apart), s=3, color=YELLOW)
    frame(panel, 200 - seen // 2, 40 - seen // 2, seen, seen, SKY, lw=2)
axes[0, 1].text(60, 200, "yellow: the 25 taps\nblue: what they see of the picture", color="white", va="center",
                bbox={"color": "black"})
figure.savefig(pictures / "06_dilation_photograph.png", dpi=100)
