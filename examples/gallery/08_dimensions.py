"""
One call for sound, pictures, films and light fields
====================================================
The rank of the filter is the rank of the convolution: the same `conv` slides along one axis of a sound, two of a
picture, three of a film and four of a light field. What is in front of the spatial axes, such as colours, is a batch
or channels. Each part asks its data a question: which notes, which edges, what moves, how far away?
"""
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from drawing import BLUE, RED, YELLOW, show
from matplotlib.patches import Circle
from scipy import ndimage

import fastconv

pictures = Path("gallery-output")
pictures.mkdir(exist_ok=True)
rng = np.random.default_rng(0)

# %%
# One axis: which notes?
# ----------------------
# A scale and its chord, made of sines with overtones, in noise. Each filter is a wave of one note, 0.1 s long; complex,
# so that the answer's size does not depend on where the wave starts. (The overtone of the first note is the last one.)
rate = 4000
notes = {"C4": 261.63, "D4": 293.66, "E4": 329.63, "F4": 349.23, "G4": 392.0, "A4": 440.0, "B4": 493.88, "C5": 523.25}
played = [["C4"], ["D4"], ["E4"], ["F4"], ["G4"], ["A4"], ["B4"], ["C5"], ["C4", "E4", "G4", "C5"]]
time = np.arange(rate // 4) / rate
sound = np.concatenate([
    sum(np.sin(2 * np.pi * notes[n] * time) + 0.4 * np.sin(4 * np.pi * notes[n] * time + 1) for n in chord)
    for chord in played])
sound += rng.normal(scale=0.5, size=sound.size)
length = 401
window = np.hanning(length) / np.hanning(length).sum()
waves = np.exp(2j * np.pi * np.outer(list(notes.values()), np.arange(length) / rate)) * window
loud = np.abs(fastconv.conv(sound[None], waves[:, None], padding="same"))
print(f"sound    {sound.shape} * {waves[:, None].shape} -> {loud.shape}")

for wave, row in zip(waves, loud, strict=True):                  # the referee: numpy.correlate conjugates its second
    assert np.allclose(row, np.abs(np.correlate(sound, wave.conj(), "same")))
heard = [[n for n, value in zip(notes, loud[:, rate // 4 * i + rate // 8], strict=True) if value > 0.35]
         for i in range(len(played))]
print("         heard:", " ".join("+".join(chord) for chord in heard))
assert heard == played

# %%
# Two axes: which edges?
# ----------------------
# The three colours are the input's channels, and each filter adds up what it finds in them.
photo = skimage.data.coffee().astype(float).transpose(2, 0, 1)
upright = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 24
edges = np.array([[upright] * 3, [upright.T] * 3])
found = fastconv.conv(photo, edges, padding="same", padding_mode="reflect")
print(f"picture  {photo.shape} * {edges.shape} -> {found.shape}")
for filters, answer in zip(edges, found, strict=True):
    by_channel = [ndimage.correlate(*pair, mode="mirror") for pair in zip(photo, filters, strict=True)]
    assert np.allclose(answer, sum(by_channel))

# %%
# Three axes: what moves?
# -----------------------
# A film of a part of the sky, twelve noisy frames in which an asteroid, too faint to be seen in any of them, moves by
# one row and two columns from frame to frame. We take away what stands still, the mean of the frames, and try filters
# that follow 25 velocities: a tap for each frame, along the path.
frames, start, velocity, noise = 12, (30, 24), (1, 2), 10
sky = skimage.data.hubble_deep_field()[430:502, 680:788].mean(-1)
film = np.tile(sky, (frames, 1, 1))
for t in range(frames):
    film[t, start[0] + velocity[0] * t, start[1] + velocity[1] * t] += 2.5 * noise
film += rng.normal(scale=noise, size=film.shape)

velocities = [(v, u) for v in range(-2, 3) for u in range(-2, 3)]
reach = 2 * (frames - 1)
paths = np.zeros((25, 1, frames, 2 * reach + 1, 2 * reach + 1))
for path, (v, u) in zip(paths[:, 0], velocities, strict=True):
    for t in range(frames):
        path[t, reach + v * t, reach + u * t] = 1 / frames
moving = film - film.mean(0)
answers = fastconv.conv(moving[None], paths, padding=(0, reach, reach))[:, 0]
print(f"film     {moving[None].shape} * {paths.shape} -> {answers[:, None].shape}")
best = np.unravel_index(answers.argmax(), answers.shape)
print(f"         found at {tuple(map(int, best[1:]))}, moving by {velocities[best[0]]} a frame")
assert (velocities[best[0]], best[1:]) == (velocity, start)

# The filter that found it, by hand: the mean of what lies on the path. In single frames many pixels are brighter.
v, u = velocity
rows, columns = sky.shape[0] - v * (frames - 1), sky.shape[1] - u * (frames - 1)
on_path = np.mean([moving[t, v * t:v * t + rows, u * t:u * t + columns] for t in range(frames)], axis=0)
assert np.allclose(answers[best[0], :rows, :columns], on_path)
brighter = [(frame > frame[start[0] + v * t, start[1] + u * t]).sum() for t, frame in enumerate(moving)]
print(f"         in a single frame, {np.mean(brighter):.0f} pixels of {sky.size} are brighter than it, on average")
assert np.mean(brighter) > 50

# %%
# Four axes: how far away?
# ------------------------
# A light field is a picture from each of 5 x 5 places of a lens: two axes say where, two are the picture's. We make one
# of a photograph of a motorcycle whose distances were measured: near things shift one way from place to place, far
# ones the other. A filter that adds up the views along a slope sees one distance sharp, as a camera with a wide lens.
left, _, shift = skimage.data.stereo_motorcycle()
known = np.isfinite(shift)
filled = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
shift = ((shift[tuple(filled)] - 34) / 13)[::2, ::2]              # from -2 (far) to 2 (near), pixels from view to view
view = fastconv.avg_pool(left.transpose(2, 0, 1).astype(np.float32), (2, 2))
shift = shift[:view.shape[1], :view.shape[2]]
place = np.arange(-2, 3)
y, x = np.indices(shift.shape)
field = np.array([[[ndimage.map_coordinates(colour, (y + v * shift, x + u * shift), order=1, mode="nearest")
                    for u in place] for v in place] for colour in view])

slopes = {"far": -2, "near": 2}
lens = np.zeros((2, 1, 5, 5, 9, 9), np.float32)
for i, slope in enumerate(slopes.values()):
    for v, u in np.ndindex(5, 5):
        lens[i, 0, v, u, 4 - slope * (v - 2), 4 - slope * (u - 2)] = 1 / 25
focused = fastconv.conv(field[:, None], lens, padding=(0, 0, 4, 4), padding_mode="replicate")[:, :, 0, 0]
print(f"light    {field[:, None].shape} * {lens.shape} -> {focused[:, :, None, None].shape}")
inner = np.s_[..., 8:-8, 8:-8]
for i, slope in enumerate(slopes.values()):
    added = sum(np.roll(field[:, v, u], (slope * (v - 2), slope * (u - 2)), (1, 2)) for v, u in np.ndindex(5, 5)) / 25
    assert np.allclose(focused[:, i][inner], added[inner], atol=1e-3)


def sharpness(picture, where):
    """The mean size of the brightness' steps, from pixel to pixel."""
    return np.hypot(*np.gradient(picture.mean(0)))[where].mean()


for name, where in (("far", shift < -1), ("near", shift > 1)):
    of = [sharpness(focused[:, i], where) for i in (0, 1)]
    print(f"         {name} things: sharpness {of[0]:.1f} when focused far, {of[1]:.1f} when near")
    assert (of[1] > 1.3 * of[0]) == (name == "near")

# %%
# A row for each: the data first, then what its filters found.
figure, axes = plt.subplots(4, 3, figsize=(13, 14), layout="constrained")
seconds = np.arange(sound.size) / rate
axes[0, 0].plot(seconds, sound, color=BLUE, lw=0.3)
axes[0, 0].set_title("1-D, a sound: a scale and its chord, in noise", loc="left", fontsize=12)
axes[0, 1].plot(np.arange(length) / rate, waves.real[0], color=RED)
axes[0, 1].set_title("One of 8 filters: the note C4", loc="left", fontsize=12)
axes[0, 2].imshow(loud, aspect="auto", origin="lower", cmap="magma", extent=(0, seconds[-1], -0.5, 7.5))
axes[0, 2].set_yticks(range(8), notes)
axes[0, 2].set_title("Which notes, and when", loc="left", fontsize=12)
for panel in axes[0]:
    panel.set(xlabel="seconds")
for panel in axes[0, :2]:
    panel.set(yticks=[])

show(axes[1, 0], photo.transpose(1, 2, 0).astype(np.uint8), "2-D, a picture: a cup of coffee")
show(axes[1, 1], np.abs(found[0]), "Upright edges", vmax=60)
show(axes[1, 2], np.abs(found[1]), "Level edges", vmax=60)

levels = {"vmin": -answers.max() / 2, "vmax": answers.max()}
show(axes[2, 0], film[0], "3-D, a film: one of 12 noisy frames", vmin=-20, vmax=150)
show(axes[2, 1], moving[0], "Without what stands still: where is it?", vmin=-3 * noise, vmax=3 * noise)
show(axes[2, 2], answers[best[0]], "Added up along its path: the asteroid", **levels)
for panel in axes[2, 1:]:
    panel.add_patch(Circle(start[::-1], 5, fill=False, color=YELLOW, lw=2))

scenes = {"4-D, a light field: one of 5 x 5 views": field[:, 2, 2], "Focused far: the shelf": focused[:, 0],
          "Focused near: the motorcycle": focused[:, 1]}
for panel, (title, picture) in zip(axes[3], scenes.items(), strict=True):
    show(panel, picture.transpose(1, 2, 0) / 255, title)
figure.savefig(pictures / "08_dimensions.png", dpi=100)
