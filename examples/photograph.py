"""Edges, a blur and a template match on real photographs, by fastconv and by scipy.signal side by side.

    python examples/photograph.py [folder]

The photographs are what the left and the right eye see of a motorcycle: a pair of the Middlebury 2014 stereo
benchmark, which comes with scikit-image. The engine, cut from the left view, is found in the right one. How far it
moved between the eyes tells how far away it is, and the pair's ground truth tells whether that is right.

Each computation takes the library as its first argument: names, arguments and answers are the same in both.
Answers are compared before they are timed. The pictures go to `folder`, photograph-output unless given.
"""
import sys
from pathlib import Path
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import scipy.signal
import skimage.data
from matplotlib.colors import hsv_to_rgb

import fastconv

ENGINE = np.s_[245:365, 338:428]                                 # rows and columns of the left view
BASELINE, FOCAL_LENGTH, PRINCIPAL_DX = 0.193, 994.978, 31.086    # metres, pixels, pixels: the pair's calibration
SOUGHT, FOUND = "#ffd23f", "#3df5ff"                             # colours of the outlines


# ---------------------------------------------------------------- what is computed

def luminance(photo):
    """How bright red, green and blue look together, in whole grey levels (ITU-R BT.601)."""
    return np.rint(photo @ [0.299, 0.587, 0.114]).astype(np.uint8)


def edges(signal, gray):
    """Sobel's two gradients, across and down, in exact whole numbers."""
    across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.int16)
    gray = gray.astype(np.int16)
    return np.stack([signal.correlate2d(gray, kernel, "same", boundary="symm") for kernel in (across, across.T)])


def blur(signal, photo, sigma=4):
    """Gaussian blur, colour by colour; the mirrored border keeps the rim of the picture from darkening."""
    bell = np.exp(-0.5 * (np.arange(-3 * sigma, 3 * sigma + 1) / sigma) ** 2)
    kernel = np.outer(bell, bell / bell.sum() ** 2).astype(np.float32)
    colours = np.moveaxis(photo, 2, 0)
    return np.dstack([signal.convolve2d(colour, kernel, "same", boundary="symm") for colour in colours])


def match(signal, gray, template):
    """Correlation coefficient of the template with each window of the photograph that it fits in: 1 is perfect."""
    gray, template = gray.astype(float), template - template.mean()
    window = np.full(template.shape, 1 / template.size)
    mean = signal.correlate(gray, window, "valid")
    variance = signal.correlate(gray**2, window, "valid") - mean**2
    covariance = signal.correlate(gray, template / template.size, "valid")
    return covariance / (np.sqrt(variance) * template.std())


def peak(score):
    """Row and column of the best match."""
    return tuple(map(int, np.unravel_index(np.argmax(score), score.shape)))


def distance(disparity):
    """Metres to a thing that lies `disparity` pixels further left for the right eye."""
    return BASELINE * FOCAL_LENGTH / (disparity + PRINCIPAL_DX)


# ---------------------------------------------------------------- SciPy beside fastconv

def milliseconds(job):
    """The best of as many runs as fit in a second."""
    times = []
    while sum(times) < 1:
        start = perf_counter()
        job()
        times.append(perf_counter() - start)
    return 1000 * min(times)


def compare(what, job, same):
    """fastconv's answer, once it is the same as SciPy's. Prints a row of the table."""
    ours, theirs = job(fastconv), job(scipy.signal)
    assert same(ours, theirs), f"{what}: fastconv and SciPy differ"
    slow, fast = milliseconds(lambda: job(scipy.signal)), milliseconds(lambda: job(fastconv))
    print(f"{what:<50}{slow:>9.2f}{fast:>10.2f}{slow / fast:>8.1f} x")
    return ours


def close(a, b):
    """The same but for rounding: sums of floating-point numbers, taken in another order."""
    return np.allclose(a, b, rtol=0, atol=1e-5 * np.abs(b).max())


# ---------------------------------------------------------------- pictures

def as_photo(colours):
    return np.rint(colours).clip(0, 255).astype(np.uint8)


def as_edges(gradient):
    """The direction of an edge as its hue, its strength as its brightness."""
    across, down = gradient.astype(float)
    strength = np.hypot(across, down)
    hue = np.arctan2(down, across) / np.pi % 1
    return hsv_to_rgb(np.dstack([hue, np.full(hue.shape, 0.75), (strength / strength.max()) ** 0.5]))


def show(axes, picture, title, **options):
    axes.imshow(picture, **options)
    axes.set_title(title, loc="left", fontsize=15)
    axes.axis("off")


def outline(axes, corner, shape, color, **style):
    """A rectangle around `shape` pixels, the first of them at `corner`."""
    (row, column), (height, width) = corner, shape
    axes.add_patch(plt.Rectangle((column - 0.5, row - 0.5), width, height, fill=False, color=color, lw=2.5,
                                 clip_on=False, **style))


def compose(left, right, blurred, gradient, score, cut, found):
    """The whole story on one page."""
    shape = height, width = left[ENGINE].shape[:2]
    moved = cut[1] - found[1]
    figure, axes = plt.subplots(2, 3, figsize=(18, 8.8), layout="constrained")
    (sought, soft, lines), (seen, glow, both) = axes

    show(sought, left, "Left eye: find this engine")
    outline(sought, cut, shape, SOUGHT)

    show(seen, right, f"Right eye: {moved} pixels further left, so {distance(moved):.1f} m away")
    outline(seen, cut, shape, SOUGHT, linestyle=":")
    outline(seen, found, shape, FOUND)

    # a window's score stands at its centre
    heat = np.pad(score, [(n // 2, n - 1 - n // 2) for n in shape]).clip(0, 1)
    show(glow, luminance(right), "Match with the engine, place by place", cmap="gray", vmax=700)
    glow.imshow(heat, cmap="inferno", vmax=1, alpha=heat)
    glow.annotate(f"{score.max():.2f}", (found[1] + width // 2, found[0] + height // 2), (50, 50), color="w",
                  textcoords="offset points", fontsize=15, arrowprops={"arrowstyle": "->", "lw": 2, "color": "w"})

    window = right[found[0]:, found[1]:][:height, :width]
    gap = np.full((height, 4, 3), 255, np.uint8)
    show(both, np.hstack([left[ENGINE], gap, window]), "Cut from the left, found in the right")
    outline(both, (0, 0), shape, SOUGHT)
    outline(both, (0, width + 4), shape, FOUND)

    show(soft, as_photo(blurred), "Gaussian blur")
    show(lines, as_edges(gradient), "Sobel edges, coloured by direction")
    return figure


# ---------------------------------------------------------------- the job

def main(folder):
    left, right, disparity = skimage.data.stereo_motorcycle()
    gray, other = luminance(left), luminance(right)
    engine = gray[ENGINE]
    size = "{} x {}".format(*engine.shape)

    print("Photographs of {} x {} pixels. Milliseconds, best of several, one thread:\n".format(*gray.shape))
    print(f"{'':<50}{'SciPy':>9}{'fastconv':>10}{'faster':>10}")
    with fastconv.set_workers(1):
        gradient = compare("Sobel edges: two 3 x 3, int16", lambda signal: edges(signal, gray), np.array_equal)
        blurred = compare("Gaussian blur: three 25 x 25, uint8 and float32", lambda signal: blur(signal, left), close)
        score = compare(f"template match: three {size}, float64", lambda signal: match(signal, other, engine), close)
        compare(f"one of these three, by correlate2d ({size})",
                lambda signal: signal.correlate2d(other, engine - engine.mean(), "valid"), close)

    cut, found = tuple(s.start for s in ENGINE), peak(score)
    moved = cut[1] - found[1]
    truth = np.median(disparity[ENGINE][np.isfinite(disparity[ENGINE])])
    assert found == peak(match(scipy.signal, other, engine)), "SciPy finds the engine elsewhere"
    assert found == (cut[0], cut[1] - round(truth)), "the ground truth has the engine elsewhere"
    print(f"\nThe engine, cut from {cut} of the left view, is at {found} of the right: correlation {score.max():.3f}.")
    print(f"It moved {moved} pixels (ground truth: {truth:.1f}), so it is {distance(moved):.2f} m away "
          f"(ground truth: {distance(truth):.2f} m).")

    folder.mkdir(parents=True, exist_ok=True)
    plt.imsave(folder / "blur.png", as_photo(blurred))
    plt.imsave(folder / "edges.png", as_edges(gradient))
    compose(left, right, blurred, gradient, score, cut, found).savefig(folder / "photograph.png", dpi=100)
    print(f"\nPictures: {', '.join(str(folder / name) for name in ('photograph.png', 'blur.png', 'edges.png'))}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "photograph-output"))
