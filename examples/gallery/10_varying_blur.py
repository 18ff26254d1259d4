"""
Beyond networks: a blur that changes across the picture
=======================================================
The two layers whose filters depend on the position are of use without any network. When a camera on a telescope turns
during an exposure, a star near the edge is smeared more than one at the centre: every pixel has a filter of its own,
which is `local_conv`. A camera's sensor sees one colour at each pixel, in a pattern of 2 x 2: the filters that fill in
the other two repeat with the pattern, which is `tiled_conv`.
"""
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from drawing import BLUE, GREEN, PALE, RED, cells, frame, show
from scipy import ndimage

import fastconv

pictures = Path("gallery-output")
pictures.mkdir(exist_ok=True)

# %%
# A filter for each pixel
# -----------------------
# The camera turns about the picture's centre. So the blur at each pixel is a small streak across the line to the
# centre, and longer the further out: a Gaussian of 9 x 9 taps with two widths.
n, size = 200, 9
sky = skimage.data.hubble_deep_field()[478:478 + n, 652:652 + n].astype(float).transpose(2, 0, 1)
row, column = (np.mgrid[:n, :n] - (n - 1) / 2)[..., None, None]
radius = np.hypot(row, column)
dy, dx = np.mgrid[:size, :size] - size // 2
along = (dx * row - dy * column) / radius            # offset of a tap along the streak, and across it
across = (dx * column + dy * row) / radius
blurs = np.exp(-(along / (0.5 + 0.025 * radius))**2 / 2 - (across / 0.6)**2 / 2)
blurs /= blurs.sum((2, 3), keepdims=True)            # (200, 200, 9, 9): each pixel's taps add up to 1

# %%
# The weight of `local_conv` has the output's rows and columns in front of what an ordinary weight has, output channels,
# input channels, and the taps' rows and columns. There is one channel; the three colours are a batch.
weight = blurs[:, :, None, None]
turned = fastconv.local_conv(sky[:, None], weight, padding="same", padding_mode="replicate")[:, 0]
print(f"{weight.size} weights of shape {weight.shape}, a picture of {sky.shape} -> {turned.shape}")

# The same by NumPy, tap by tap.
padded = np.pad(sky, [(0, 0), (4, 4), (4, 4)], mode="edge")
expected = sum(blurs[:, :, i, j] * padded[:, i:i + n, j:j + n] for i, j in np.ndindex(size, size))
assert np.allclose(turned, expected)
spread = np.sqrt((blurs * along**2).sum((2, 3)))
print(f"streaks' standard deviation: {spread[n // 2, n // 2]:.1f} pixels at the centre, {spread[0, 0]:.1f} at a corner")

figure, axes = plt.subplots(1, 3, figsize=(14, 5), layout="constrained")
show(axes[0], sky.transpose(1, 2, 0) / 255, "Stars and galaxies")
some = blurs[12::25, 12::25]
drawn = np.pad(some / some.max((2, 3), keepdims=True), [(0, 0)] * 2 + [(1, 1)] * 2, constant_values=0.25)
show(axes[1], drawn.transpose(0, 2, 1, 3).reshape(8 * 11, 8 * 11), "Every 25th pixel's filter")
show(axes[2], turned.transpose(1, 2, 0) / 255, "The camera turned: each pixel by its own filter")
figure.savefig(pictures / "10_varying_blur.png", dpi=100)

# %%
# Filters that repeat with a sensor's pattern
# -------------------------------------------
# A sensor has a red, green or blue filter before each pixel: of a photograph it sees one number of three.
pattern = np.array([[0, 1], [1, 2]])                  # red, green / green, blue, repeated


def sensor(photo):
    """(rows, columns, 3) -> (1, rows, columns), for even numbers of rows and columns."""
    seen = np.empty(photo.shape[:2])
    for i, j in np.ndindex(2, 2):
        seen[i::2, j::2] = photo[i::2, j::2, pattern[i, j]]
    return seen[None]


# %%
# The missing colours are averages of the nearest pixels that have them. Which ones these are depends on the position
# in the pattern: 2 x 2 positions, three colours to find, one channel to look at, 3 x 3 taps.
near = {0: [[1, 2, 1], [2, 4, 2], [1, 2, 1]], 1: [[0, 1, 0], [1, 4, 1], [0, 1, 0]]}
near[2] = near[0]
averages = np.zeros((2, 2, 3, 1, 3, 3))
for i, j, colour in np.ndindex(2, 2, 3):
    tap = np.arange(-1, 2)
    has = pattern[(i + tap[:, None]) % 2, (j + tap) % 2] == colour
    averages[i, j, colour, 0] = np.where(has, near[colour], 0) / 4
photo = skimage.data.astronaut().astype(float)
mosaic = sensor(photo)
simple = fastconv.tiled_conv(mosaic, averages, padding="same", padding_mode="reflect")

# The same another way: of each colour, the pixels that were seen, and zeros between them, blurred.
for colour in range(3):
    seen = np.where(np.tile(pattern, (256, 256)) == colour, mosaic[0], 0)
    assert np.allclose(simple[colour], ndimage.correlate(seen, np.array(near[colour]) / 4, mode="mirror"))

# %%
# Better filters can be learned. From two other photographs we know what the sensor sees and what was there; for each of
# the 2 x 2 positions, the 5 x 5 taps that come closest are a problem of least squares.
learned = np.zeros((2, 2, 3, 1, 5, 5))
examples = [skimage.data.coffee().astype(float), skimage.data.chelsea()[:, :450].astype(float)]
columns = [fastconv.im2col(sensor(p), (5, 5), padding="same", padding_mode="reflect").reshape(25, *p.shape[:2])
           for p in examples]
for i, j in np.ndindex(2, 2):
    windows = np.concatenate([c[:, i::2, j::2].reshape(25, -1).T for c in columns])
    colours = np.concatenate([p[i::2, j::2].reshape(-1, 3) for p in examples])
    taps = np.linalg.lstsq(windows, colours)[0]
    learned[i, j, :, 0] = taps.T.reshape(3, 5, 5)
better = fastconv.tiled_conv(mosaic, learned, padding="same", padding_mode="reflect")


def error(found):
    """Root mean square, in grey levels."""
    return np.sqrt(np.mean((found.transpose(1, 2, 0) - photo)**2))


print(f"astronaut: the colours are wrong by {error(simple):.1f} grey levels with averages, "
      f"by {error(better):.1f} with learned filters")
assert error(better) < 0.75 * error(simple)

# %%
# Numbers of the sensor, the filters of one colour, and a part of the photograph.
figure, axes = plt.subplots(2, 4, figsize=(15, 8), layout="constrained")
part = np.s_[352:416, 136:200]
squares = np.tile(np.array([RED, GREEN, BLUE])[pattern], (3, 3))
cells(axes[0, 0], mosaic[0][part][:6, :6], "What the sensor sees, close up", squares, 10)
apart = np.pad(averages[:, :, 0, 0], [(0, 0)] * 2 + [(0, 1)] * 2, constant_values=np.nan)
apart = apart.transpose(0, 2, 1, 3).reshape(8, 8)[:7, :7]
fill = np.select([np.isnan(apart), apart > 0], ["white", RED], PALE)
cells(axes[0, 1], apart, "How red is found: averages,\nby the position in the pattern", fill, 10)
tile = np.pad(learned[:, :, 0, 0], [(0, 0)] * 2 + [(0, 1)] * 2, constant_values=np.nan)
show(axes[0, 2], tile.transpose(0, 2, 1, 3).reshape(12, 12)[:11, :11], "How red is found: learned\n(blue: negative)",
     cmap="RdBu_r", vmin=-0.8, vmax=0.8)
colours = np.zeros(photo.shape)
np.put_along_axis(colours, np.tile(pattern, (256, 256))[..., None], mosaic[0][..., None], 2)
show(axes[0, 3], photo.astype(np.uint8), "The photograph")
frame(axes[0, 3], 352, 136, 64, 64, "white")
panels = {"The sensor's picture of the part": colours,
          f"Averages: photograph wrong by {error(simple):.1f}": simple.transpose(1, 2, 0),
          f"Learned: photograph wrong by {error(better):.1f}": better.transpose(1, 2, 0), "What was there": photo}
for panel, (title, picture) in zip(axes[1], panels.items(), strict=True):
    show(panel, picture[part].clip(0, 255).round().astype(np.uint8), title)
figure.savefig(pictures / "10_varying_blur_sensor.png", dpi=100)
