"""What the gallery's pages draw with: pictures, small arrays as cells with numbers, frames around windows, graphs.

Row 0 is on top, and the cell of row ``r`` and column ``c`` has its middle at ``(c, r)``, as in `matplotlib`'s `imshow`.
"""
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

INK, PALE, GREY = "#222222", "#eef1f5", "#9aa4b0"
# Okabe and Ito's colours, which the colour-blind tell apart
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442")
COLOURS = [BLUE, ORANGE, GREEN, PURPLE, SKY, RED, YELLOW]


def show(axes, picture, title, **options):
    """A photograph or a feature map, in grey unless told otherwise, without axes."""
    image = axes.imshow(picture, **{"cmap": "gray", "interpolation": "nearest", **options})
    axes.set_title(title, loc="left", fontsize=12)
    axes.axis("off")
    return image


def cells(axes, values, title="", fill=PALE, size=13, text="{:g}"):
    """A small array as squares with numbers. `fill`: one colour, or an array of colours; NaN leaves a square empty."""
    values = np.atleast_2d(values)
    fill = np.broadcast_to(np.asarray(fill, dtype=object), values.shape)
    for (row, column), value in np.ndenumerate(values):
        colour = fill[row, column]
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fc=colour, ec="white", lw=1.5))
        if value == value:
            axes.text(column, row, text.format(value), ha="center", va="center", fontsize=size, color=readable(colour))
    axes.set(xlim=(-0.6, values.shape[1] - 0.4), ylim=(values.shape[0] - 0.4, -0.6), aspect="equal")
    axes.set_title(title, loc="left", fontsize=12)
    axes.axis("off")


def readable(colour):
    """Black or white, whichever is read better on this colour."""
    red, green, blue = to_rgb(colour)
    return "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.5 else INK


def frame(axes, row, column, rows, columns, colour=RED, **options):
    """An outline around the `rows` x `columns` cells whose first is at `row`, `column`."""
    outline = Rectangle((column - 0.5, row - 0.5), columns, rows,
                        **{"fill": False, "ec": colour, "lw": 3, "zorder": 3, **options})
    return axes.add_patch(outline)


def connections(axes, matrix, colours):
    """The graph of a layer: a line for each weight but zero. The first and the last column are those of the padding."""
    outputs, inputs = matrix.shape
    for i, j in np.argwhere(matrix):
        axes.plot([j, i + 1], [0, 1], color=colours[i, j], lw=2.5, zorder=1)
    padding = range(0, inputs, inputs - 1) if matrix[:, 0].any() else ()
    for height, nodes, colour in (
            (0, range(1, inputs - 1), PALE), (0, padding, GREY), (1, range(1, outputs + 1), PALE)):
        axes.scatter(nodes, [height] * len(nodes), s=420, color=colour, edgecolors=INK, zorder=2)
        for node in nodes:
            axes.text(node, height, node if colour == PALE else 0, ha="center", va="center", zorder=3)
    for height, label in ((-0.4, "input"), (1.4, "output")):
        axes.text((inputs - 1) / 2, height, label, ha="center", va="center", fontsize=11)
    axes.set(xlim=(-0.5, inputs - 0.5), ylim=(-0.55, 1.55))
    axes.axis("off")
