"""What pooling is good for, on photographs: statistics of blocks, thumbnails, peaks, and small shifts made smaller.

    python examples/pooling.py [folder]

A pool slides a window over an image, like a filter, and keeps one number of each: the largest, the smallest or the
average. The photographs come with scikit-image: a cup of coffee, the astronaut Eileen Collins, grass, and the Hubble
Deep Field. What is computed is checked against NumPy and SciPy. The pictures go to `folder`, pooling-output unless
given: pooling.png has all of them on one page.
"""
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from matplotlib.patches import Circle, ConnectionPatch
from scipy import ndimage

import fastconv

BLOCK = 20                                                # pixels: the side of a block of the statistics
HALVINGS = 4                                              # of the side of a thumbnail, one after the other
WINDOW = 5                                                # pixels that a maximum is taken over, where images shift
ROW, FIRST, CELLS = 260, 481, 24                          # the part of a row of the grass that is drawn
REACH = 25                                                # pixels around a peak in which nothing is brighter
FAINTEST = 200                                            # grey levels of the faintest peak
CHANGED, SAME, FOUND = "#e8590c", "#9aa8b8", "#ffd23f"    # colours of bars, and of circles


# ---------------------------------------------------------------- what is computed

def luminance(photo):
    """How bright red, green and blue look together, in whole grey levels (ITU-R BT.601)."""
    return np.rint(photo @ [0.299, 0.587, 0.114]).astype(np.uint8)


def statistics(gray):
    """The darkest, the average and the brightest of each block, and the spread: the standard deviation."""
    size = (BLOCK, BLOCK)
    mean = fastconv.avg_pool(gray, size)
    square = fastconv.avg_pool(gray.astype(np.uint16) ** 2, size)    # from an exact sum, like every average of integers
    return fastconv.min_pool(gray, size), mean, fastconv.max_pool(gray, size), np.sqrt(square - mean**2)


def thumbnails(photo):
    """The photograph at a half, a quarter, ... of its size: each pixel is the average of four."""
    sizes = [photo.astype(np.float32)]
    for _ in range(HALVINGS):
        sizes.append(fastconv.avg_pool(sizes[-1], (2, 2), layout="channels_last"))
    return sizes[1:]


def upright(gray):
    """What a detector of thin upright lines answers, pixel by pixel, in exact whole numbers."""
    return fastconv.correlate2d(gray, np.array([[-1, 2, -1], [-2, 4, -2], [-1, 2, -1]], np.int16), "valid")


def pooled(answers):
    """Whether the detector saw a line anywhere near."""
    return fastconv.max_pool(answers, (WINDOW, WINDOW), 1)


def peaks(gray):
    """Rows and columns of the pixels that are the first maximum of the window around themselves, and bright."""
    side = 2 * REACH + 1
    brightest, where = fastconv.max_pool(gray, (side, side), 1, "same", return_indices=True)
    own = np.arange(gray.size).reshape(gray.shape)
    return np.argwhere((where == own) & (brightest >= FAINTEST))


# ---------------------------------------------------------------- the checks

def check_statistics(gray, darkest, mean, brightest, spread):
    rows, columns = (n // BLOCK for n in gray.shape)
    blocks = gray.reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2).reshape(rows, columns, -1)
    assert (darkest == blocks.min(-1)).all()
    assert (brightest == blocks.max(-1)).all()
    assert (mean == blocks.mean(-1)).all()
    assert np.allclose(spread, blocks.std(-1), rtol=0, atol=1e-6)


def check_thumbnails(photo, sizes):
    """Four times a half is a sixteenth, and no light is lost."""
    side = 2**HALVINGS
    at_once = fastconv.avg_pool(photo, (side, side), layout="channels_last")
    assert sizes[-1].shape == (photo.shape[0] // side, photo.shape[1] // side, 3)
    assert np.array_equal(sizes[-1], at_once)
    assert np.isclose(at_once.mean(), photo.mean(), rtol=1e-12)


def changes(answers):
    """How many of the detector's answers, and of their maxima, are others when the image moves by one pixel."""
    return [float((a[:, 1:] != a[:, :-1]).mean()) for a in (answers, pooled(answers))]


def check_peaks(gray, found):
    side = 2 * REACH + 1
    alike = gray == ndimage.maximum_filter(gray, side)
    assert alike[tuple(found.T)].all()
    apart = np.abs(found[:, None] - found).max(-1) + gray.size * np.eye(len(found), dtype=int)
    assert apart.min() > REACH, "two peaks in one window"
    _, clusters = ndimage.label(alike & (gray >= FAINTEST), np.ones((3, 3)))
    assert len(found) <= clusters, "a plateau was counted twice"


# ---------------------------------------------------------------- pictures

def show(axes, picture, title, **options):
    axes.imshow(picture, **options)
    axes.set_title(title, loc="left", fontsize=13)
    axes.axis("off")


def draw_statistics(figure, photo, darkest, brightest, spread):
    (whole, low), (busy, high) = figure.subplots(2, 2)
    show(whole, photo, f"The photograph, in blocks of {BLOCK} x {BLOCK} pixels")
    for axis, n in (("x", photo.shape[1]), ("y", photo.shape[0])):
        line = whole.axvline if axis == "x" else whole.axhline
        for at in range(BLOCK, n, BLOCK):
            line(at - 0.5, color="white", lw=0.5, alpha=0.6)
    show(low, darkest, "The darkest pixel of each (min_pool)", cmap="gray", vmin=0, vmax=255)
    show(high, brightest, "The brightest (max_pool)", cmap="gray", vmin=0, vmax=255)
    show(busy, spread, "How much they differ (avg_pool, twice)", cmap="magma")


def draw_thumbnails(figure, photo, sizes):
    """The sizes side by side; below, the smallest but one large, beside one that took a pixel of many."""
    above, below = figure.subplots(2, 1, height_ratios=[1, 1.1])
    height, width = photo.shape[:2]
    canvas, at = np.full((height, 2 * width, 3), 255, np.uint8), 0
    for picture in (photo, *sizes):
        rows, columns = picture.shape[:2]
        canvas[height - rows:, at:at + columns] = as_photo(picture)
        at += columns
    show(above, canvas[:, :at], "Half the size, and half again (avg_pool)")
    step = 2 ** (HALVINGS - 1)
    gap = np.full((height // step, 2, 3), 255, np.uint8)
    show(below, np.hstack([as_photo(sizes[-2]), gap, photo[::step, ::step]]),
         f"Enlarged: averages of {step} x {step} pixels; beside it, every {step}th pixel", interpolation="nearest")


def as_photo(colours):
    return np.rint(colours).clip(0, 255).astype(np.uint8)


def draw_bars(axes, values, left, changed, ceiling):
    axes.bar(np.arange(len(values)) + left, values, 0.86, color=np.where(changed, CHANGED, SAME))
    axes.axhline(0, color="black", lw=0.8)
    axes.set(xlim=(-0.7, CELLS + 0.5), ylim=(-0.25 * ceiling, 1.1 * ceiling))
    axes.axis("off")


def draw_shift(figure, answers):
    """A row before and after the image moved by a pixel, and the maxima of both."""
    rows = figure.subplots(4, 1, height_ratios=[1, 0.8, 1, 0.8])
    before, after = (answers[ROW, FIRST - shift:][:CELLS] for shift in (0, 1))
    maxima = [fastconv.max_pool(a, (WINDOW,), 1) for a in (before, after)]
    moved, other = before != after, maxima[0] != maxima[1]
    middle, ceiling = WINDOW // 2, before.max()
    draw_bars(rows[0], before.clip(-0.25 * ceiling), 0, moved & False, ceiling)
    draw_bars(rows[1], maxima[0], middle, other & False, ceiling)
    draw_bars(rows[2], after.clip(-0.25 * ceiling), 0, moved, ceiling)
    draw_bars(rows[3], maxima[1], middle, other, ceiling)
    for axes, title in zip(rows, [
            "A detector's answers along a row of grass", "The maximum of each five (max_pool)",
            f"Moved by one pixel: {moved.sum()} of {moved.size} answers are others ...",
            f"... but {other.sum()} of {other.size} maxima"], strict=True):
        axes.set_title(title, loc="left" if axes in rows[::2] else "right", fontsize=13)
    for upper, lower in (rows[:2], rows[2:]):    # what the first maximum is taken over
        for end, to in ((-0.5, middle - 0.5), (WINDOW - 0.5, middle + 0.5)):
            lower.add_artist(ConnectionPatch((end, 0), (to, maxima[0][0]), coordsA=upper.transData,
                                             coordsB=lower.transData, color=SAME))
    tallest = int(before.argmax())
    rows[2].annotate("", (tallest + 1, 1.05 * ceiling), (tallest, 1.05 * ceiling), annotation_clip=False,
                     arrowprops={"arrowstyle": "-|>", "lw": 2})


def draw_peaks(figure, photo, found):
    axes = figure.subplots()
    show(axes, photo, f"{len(found)} stars and galaxies: each is the maximum of its window (max_pool)")
    for row, column in found:
        axes.add_patch(Circle((column, row), REACH / 2, fill=False, color=FOUND, lw=1.3))


def save(folder, parts):
    """Each part by itself, and all on one page."""
    page = plt.figure(figsize=(19, 15), layout="constrained")
    frames = page.subfigures(2, 2, wspace=0.03, hspace=0.03).ravel()
    for frame, (name, size, draw, *arguments) in zip(frames, parts, strict=True):
        draw(frame, *arguments)
        alone = plt.figure(figsize=size, layout="constrained")
        draw(alone, *arguments)
        alone.savefig(folder / f"{name}.png", dpi=100)
        plt.close(alone)
    page.savefig(folder / "pooling.png", dpi=90)


# ---------------------------------------------------------------- the job

def main(folder):
    coffee, astronaut, grass, sky = (
        getattr(skimage.data, name)() for name in ("coffee", "astronaut", "grass", "hubble_deep_field"))

    gray = luminance(coffee)
    blocks = statistics(gray)
    check_statistics(gray, *blocks)
    flattest, busiest = (np.unravel_index(pick(blocks[-1]), blocks[-1].shape) for pick in (np.argmin, np.argmax))
    print(f"Coffee: {blocks[0].size} blocks; the spread is {blocks[-1].min():.1f} grey levels in block "
          f"{tuple(map(int, flattest))} and {blocks[-1].max():.1f} in block {tuple(map(int, busiest))}.")

    sizes = thumbnails(astronaut)
    check_thumbnails(astronaut, sizes)
    print(f"Astronaut: thumbnails of {', '.join('{} x {}'.format(*a.shape) for a in sizes)} pixels, no light lost.")

    answers = upright(grass)
    inputs, maxima = changes(answers)
    assert inputs > 0.99
    assert 0.32 < maxima < 0.36
    print(f"Grass: moved by one pixel, {inputs:.1%} of the detector's answers are others, "
          f"but only {maxima:.1%} of the maxima of {WINDOW} x {WINDOW}.")

    stars = luminance(sky)
    found = peaks(stars)
    check_peaks(stars, found)
    print(f"Hubble Deep Field: {len(found)} peaks of at least {FAINTEST} grey levels, {REACH} pixels apart.")

    folder.mkdir(parents=True, exist_ok=True)
    parts = [("blocks", (11, 7.6), draw_statistics, coffee, blocks[0], *blocks[2:]),
             ("peaks", (10, 9), draw_peaks, sky, found),
             ("thumbnails", (10, 10), draw_thumbnails, astronaut, sizes), ("shift", (10, 8), draw_shift, answers)]
    save(folder, parts)
    names = ["pooling", *(name for name, *_ in parts)]
    print(f"\nPictures: {', '.join(str(folder / f'{name}.png') for name in names)}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "pooling-output"))
