"""Draws docs/how-it-works.png: a tile of the result in registers while rows of the image pass by."""
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, Rectangle

INK, PALE = "#30343b", "#eef1f5"
KERNEL = ["#d1495b", "#edae49", "#3a7ca5"]     # a colour for each of the kernel's three rows
PASSING = 2                                     # the row of the image that is drawn passing


def grid(ax, left, top, rows, columns, colour, size=1.0, step=1.0):
    for r in range(rows):
        for c in range(columns):
            fill = colour(r, c) if callable(colour) else colour
            ax.add_patch(Rectangle((left + c * step, top - (r + 1) * size), step, size, fc=fill, ec="white", lw=1.2))


def label(ax, x, y, text, **options):
    ax.text(x, y, text, ha="center", va="center", **{"color": INK, "fontsize": 10.5, **options})


def arrow(ax, start, end, colour):
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=13, lw=2, color=colour,
                                 connectionstyle="arc3,rad=-0.05", shrinkA=3, shrinkB=3))


def draw(ax):
    # the image: six rows that a tile of four needs, and its padding-free neighbours
    grid(ax, 0, 7, 8, 10, PALE)
    grid(ax, 1, 6, 6, 7, lambda r, c: "#2a9d8f" if r == PASSING else "#cfd8e3")
    label(ax, 5, 7.6, "the image, read where it is", fontsize=12, weight="bold")
    label(ax, 4.5, 6 - PASSING - 0.5, f"row {PASSING}: each vector is loaded once", color="white", weight="bold")
    for r in range(6):
        if r != PASSING:
            label(ax, 4.5, 5.5 - r, f"row {r}", color="#7a8694")
    # the kernel
    grid(ax, 12.2, 1.6, 3, 3, lambda r, c: KERNEL[r], size=0.8, step=0.8)
    label(ax, 13.4, 2.2, "the kernel", fontsize=12, weight="bold")
    for r in range(3):
        label(ax, 16.2, 1.2 - 0.8 * r, f"kernel row {r}", fontsize=9.5, color=KERNEL[r], weight="bold")
    # the tile
    grid(ax, 15, 6, 4, 4, lambda r, c: KERNEL[PASSING - r] if 0 <= PASSING - r < 3 else "#dfe4ea", step=1.6)
    label(ax, 18.2, 7.6, "a tile of the result, in registers", fontsize=12, weight="bold")
    label(ax, 18.2, 6.6, "4 rows x 4 vectors of 16 floats", fontsize=9.5, color="#7a8694")
    for r in range(4):
        k = PASSING - r
        text = f"+= row {PASSING} x kernel row {k}" if 0 <= k < 3 else "its turn comes with row 3"
        label(ax, 18.2, 5.5 - r, text, color="white" if 0 <= k < 3 else "#7a8694", weight="bold")
        if 0 <= k < 3:
            arrow(ax, (8.05, 6 - PASSING - 0.5), (14.95, 5.5 - r), KERNEL[k])
    label(ax, 11.5, 6.1, "one load,\nup to four sums", fontsize=11, style="italic")
    ax.set(xlim=(-0.4, 21.9), ylim=(-1.3, 8.1), aspect="equal")
    ax.axis("off")


def main():
    figure, ax = plt.subplots(figsize=(11, 4.8), layout="constrained")
    draw(ax)
    figure.savefig(Path(__file__).with_name("how-it-works.png"), dpi=110)


if __name__ == "__main__":
    main()
