"""
Tiled convolution: filters that take turns
==========================================
An ordinary convolution has one filter for all positions; a locally connected layer has one for each. A tiled
convolution [1]_ is in between: position ``p`` takes the filter ``p mod tiles`` of a bank, so neighbours differ and the
pattern repeats. It costs as much as one filter, and it can do what one filter cannot: if the filters of a tile are
rotated versions of each other, a pool over the tile finds an edge of any direction. The network need not care how its
input is turned.

.. [1] Q. Le et al., "Tiled convolutional neural networks", NIPS 2010.
"""
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from drawing import BLUE, GREEN, RED, show
from scipy import ndimage

import fastconv

pictures = Path("gallery-output")
pictures.mkdir(exist_ok=True)

# %%
# Two filters in turn
# -------------------
# The sum of two neighbours at even positions, their difference at odd ones. The weight has the tiles' axis in front:
# (tiles, output channels, input channels, taps).
signal = np.array([1, 2, 4, 8, 16, 32])
two = np.array([[1, 1], [-1, 1]])
in_turn = fastconv.tiled_conv(signal[None], two[:, None, None, :])[0]
assert in_turn.tolist() == [1 + 2, 4 - 2, 4 + 8, 16 - 8, 16 + 32]
print(f"{signal} -> {in_turn}: sum, difference, sum, ...")

# %%
# Sixteen filters that are one, turned
# ------------------------------------
# An edge detector of 11 x 11 pixels, turned in steps of 180/16 degrees. Each row and column of a tile of 4 x 4 has
# many directions.
side, size, turns = 4, 11, 16
order = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
y, x = np.mgrid[:size, :size] - size // 2
filters = []
for turn in range(turns):
    angle = np.pi * turn / turns
    across, along = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    edge = across * np.exp(-across**2 / 8 - along**2 / 32)
    filters.append(edge / np.abs(edge).sum())
bank = np.array(filters)[order][:, :, None, None]              # (4, 4, 1, 1, 11, 11)
single, every = bank[:1, :1], np.array(filters)[:, None]
ordinary = {"one filter": single[0, 0], "all 16 everywhere": every}


def features(photo, name):
    """The squares of the filters' answers, averaged over 4 x 4 positions (and over the filters, if there are many)."""
    if name == "16 in turn":
        answers = fastconv.tiled_conv(photo[None], bank, padding="same", padding_mode="reflect")
    else:
        answers = fastconv.conv(photo[None], ordinary[name], padding="same", padding_mode="reflect")
    return fastconv.avg_pool(answers**2, (side, side)).mean(0)


# %%
# Is that what a tiled convolution is? At each position the sum must be that of the filter whose turn it is.
photo = skimage.data.brick().astype(float)
answers = fastconv.tiled_conv(photo[None], bank)[0]
rng = np.random.default_rng(0)
for row, column in rng.integers(0, answers.shape[0], (200, 2)):
    window = photo[row:row + size, column:column + size]
    turn = order[row % side, column % side]
    assert np.isclose(answers[row, column], (window * filters[turn]).sum())

# %%
# Turned by a right angle
# -----------------------
# Features of the turned picture, against the turned features of the picture: if turning makes no difference they are
# equal. The difference is relative, ``norm(a - b) / norm(b)``. All 16 filters at every position would be exact here,
# for 16 times the work; filters that take turns look at slightly different places, and come close for the work of one.
products = {"one filter": size**2, "16 in turn": size**2, "all 16 everywhere": turns * size**2}
names = list(products)
print("\nmultiplications for a position:", ",  ".join(f"{name}: {count}" for name, count in products.items()))


def difference(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


print("turned by 90 degrees, the features differ by")
for scene in ("brick", "camera", "grass", "gravel"):
    image = getattr(skimage.data, scene)().astype(float)
    differ = {name: difference(features(np.rot90(image), name), np.rot90(features(image, name))) for name in names}
    print(f"  {scene:7}", ",  ".join(f"{name}: {value:4.0%}" for name, value in differ.items()))
    assert differ["one filter"] > 0.9
    assert differ["16 in turn"] < 0.25
    assert differ["all 16 everywhere"] < 1e-9

# %%
# Turned by any angle
# -------------------
# Other angles need interpolation, of the picture and of the features. What that alone changes is small if the features
# are averaged over 5 x 5 of their places, in the disc that turning keeps inside the picture.
angles = np.arange(0, 181, 15)
places = np.arange(124) - 61.5
disc = np.hypot(places[:, None], places) < 54


def turned(a, angle, spline):
    return ndimage.rotate(a, angle, reshape=False, order=spline, mode="reflect")


def wide(a):
    return fastconv.avg_pool(a, (5, 5), stride=1)[disc]


curves = {name: [] for name in names}
for name in names:
    upright = features(photo, name)
    for angle in angles:
        of_turned = features(turned(photo, angle, 3), name)
        curves[name].append(difference(wide(of_turned), wide(turned(upright, angle, 1))))
    print(f"brick, turned by 0 to 180 degrees: {name}: {max(curves[name]):.0%} at most")
assert max(curves["one filter"]) > 0.8
assert max(curves["16 in turn"]) < 0.12

# %%
# The tile, a photograph and its features, upright and turned.
figure, axes = plt.subplots(2, 4, figsize=(14, 7.4), layout="constrained")
tile = np.pad(bank[:, :, 0, 0], [(0, 0)] * 2 + [(1, 1)] * 2, constant_values=np.nan)
tile = tile.transpose(0, 2, 1, 3).reshape(side * (size + 2), -1)
show(axes[0, 0], tile, "One filter, turned 16 ways:\none for each position of a 4 x 4 tile")
for name, colour, style in zip(names, (RED, BLUE, GREEN), ("o-", "s-", "^--"), strict=True):
    axes[1, 0].plot(angles, [100 * value for value in curves[name]], style, color=colour, label=name)
axes[1, 0].set(xlabel="picture turned by (degrees)", ylabel="features differ by (per cent)", xticks=angles[::3])
axes[1, 0].legend(frameon=False)
axes[1, 0].set_title("One filter sees the turn, 16 hardly do", loc="left", fontsize=12)
sides = {"upright": photo, "turned": np.rot90(photo)}
for line, (way, picture) in zip(axes, sides.items(), strict=True):
    show(line[1], picture, f"The photograph, {way}")
    show(line[2], features(picture, "one filter"), f"One filter, {way}", vmax=300)
    show(line[3], features(picture, "16 in turn"), f"16 filters in turn, {way}", vmax=300)
figure.savefig(pictures / "07_tiled.png", dpi=100)
