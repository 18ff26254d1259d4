"""Draws docs/accuracy.png: errors of long float32 sums by each kernel, against sums in extended precision."""
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import fastconv
from fastconv import grad

INK, PALE = "#30343b", "#b8c0cc"
EPS = float(np.finfo(np.float32).eps)
CHUNK = 10**6    # products that the referee holds at once


def image(n):
    return (n // 100, 100) if n > 5000 else (n // 10, 10)


def twice(x):
    return np.stack((x, x))


# A sum of n products by each kernel: how it is called, and the most terms that it is for.
KERNELS = {
    "direct": (lambda x, w: fastconv.correlate(x, w, "valid", "direct"), 10**8),
    "layer": (lambda x, w: fastconv.conv(x[:, None], w[None, :, None], algorithm="filters"), 10**8),
    "weight gradient": (lambda x, w: grad.conv_weight(x[None, None], (1, 1, 1), w[None, None]), 10**8),
    "depthwise": (lambda x, w: fastconv.conv(
        x.reshape(1, *image(x.size)), w.reshape(1, 1, *image(x.size)), algorithm="depthwise"), 10**5),
    "local": (lambda x, w: fastconv.local_conv(twice(x).T, twice(w)[:, None, :, None]), 10**7),
    "local weight gradient": (lambda x, w: grad.local_conv_weight(
        twice(x).T[:, None], (2, 1, 1, 1), twice(w).T[:, None]), 10**7),
    "Winograd": (lambda x, w: fastconv.conv(
        x.reshape(-1, 3), w.reshape(1, -1, 3), algorithm="winograd"), 3 * 10**3),
}
ONE_ACCUMULATOR = "one accumulator"


def noise(rng, n):
    return rng.standard_normal((2, n), np.float32)


def positive(rng, n):
    return rng.random((2, n), np.float32)


def decades(rng, n):
    return (10 ** rng.uniform(-6, 6, n)).astype(np.float32), rng.standard_normal(n, np.float32)


def constant(rng, n):
    return np.full(n, np.float32(0.1)), np.ones(n, np.float32)


def referee(x, w):
    """The sum of the products, which double precision holds, and that of their absolute values."""
    total = size = np.longdouble(0)
    for start in range(0, x.size, CHUNK):
        products = x[start:start + CHUNK].astype(np.float64) * w[start:start + CHUNK]
        total += products.sum(dtype=np.longdouble)
        size += np.abs(products).sum(dtype=np.longdouble)
    return total, size


def one_accumulator(x, w):
    return np.add.accumulate(x * w)[-1]


def measure(kind, n, repeats):
    """The root of the mean squared error by each kernel, in eps times the sum of the absolute values."""
    rng, errors = np.random.default_rng(n), {name: [] for name in (*KERNELS, ONE_ACCUMULATOR)}
    for _ in range(repeats):
        x, w = kind(rng, n)
        total, size = referee(x, w)
        for name, (call, most) in {**KERNELS, ONE_ACCUMULATOR: (one_accumulator, 10**8)}.items():
            if n <= most and (name != "Winograd" or n % 3 == 0):
                errors[name].append(float((np.longdouble(call(x, w).flat[0]) - total) / size) / EPS)
    return {name: np.sqrt(np.mean(np.square(e))) for name, e in errors.items() if e}


def draw(ax, kind, sizes):
    lines = {}
    for n in sizes:
        for name, error in measure(kind, n, max(1, min(20, 10**6 // n))).items():
            lines.setdefault(name, []).append((n, max(error, 1e-3)))
    for name, points in lines.items():
        plain = name == ONE_ACCUMULATOR
        ax.loglog(*zip(*points, strict=True), label=name, lw=2.5 if plain else 1.4, marker="." if not plain else None,
                  color=PALE if plain else None, zorder=1 if plain else 2)
    ax.axvline(1024, color=INK, lw=0.8, ls=":")
    ax.set_title(kind.__name__, color=INK)
    ax.set_xlabel("terms")


def main():
    sizes = [10, 30, 90, 300, 900, 3000, 9000, 10**5, 10**6, 10**7, 10**8]
    figure, axes = plt.subplots(1, 4, figsize=(14, 4.2), sharey=True, layout="constrained")
    for ax, kind in zip(axes, (noise, positive, decades, constant), strict=True):
        draw(ax, kind, sizes)
    axes[0].set_ylabel("error / (eps * sum of |products|)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=8, frameon=False, fontsize=9)
    figure.savefig(Path(__file__).with_name("accuracy.png"), dpi=90)


if __name__ == "__main__":
    main()
