"""
From a dense layer to a convolution
===================================

A dense layer multiplies every input with every output's weights. A picture needs less. First, what a pixel means is
seen from its neighbours, so each output may look at a few inputs only: the layer is *locally connected*. Second, what
is worth finding in one place is worth finding in all, so all outputs may use the same weights: the layer is a
*convolution*. All three are one matrix times the input; this page draws the matrices and counts.
"""
from pathlib import Path
from string import ascii_lowercase

import matplotlib.pyplot as plt
import numpy as np
from drawing import BLUE, GREEN, INK, ORANGE, cells, connections, frame, show
from matplotlib import colormaps
from matplotlib.colors import to_hex
from scipy.linalg import toeplitz

import fastconv

pictures = Path("gallery-output")
pictures.mkdir(exist_ok=True)

# %%
# Three layers of 5 inputs and 5 outputs
# --------------------------------------
# The locally connected layer and the convolution see three inputs at a time, with a zero of padding on each side. The
# weights are whole numbers, all different, so that it is seen which are the same.

n, k = 5, 3
x = np.array([3, 1, 4, 1, 5])
dense_weights = np.arange(1, n * n + 1).reshape(n, n)
local_weights = np.arange(1, n * k + 1).reshape(n, 1, 1, k)    # for each output: one filter, of one channel
shared_weights = np.arange(1, k + 1).reshape(1, 1, k)          # the filter of all outputs


def dense(x):
    return x @ dense_weights.T


def local(x):
    return fastconv.local_conv(x, local_weights, padding="same")


def convolution(x):
    return fastconv.conv(x, shared_weights, padding="same")


# %%
# A layer's matrix is read off by sending single ones through it: the answer to a one at input j is column j.

matrices = {layer.__name__: layer(np.eye(n, dtype=int)[:, None])[:, 0].T for layer in (dense, local, convolution)}
for layer in (dense, local, convolution):
    matrix = matrices[layer.__name__]
    assert (layer(x[None])[0] == matrix @ x).all()
    print(f"{layer.__name__}: {layer(x[None])[0]}, by the matrix\n{matrix}")
assert (matrices["dense"] == dense_weights).all()
for i, j in np.ndindex(n, n):
    near = 0 <= j - i + 1 < k
    assert matrices["local"][i, j] == (local_weights[i, 0, 0, j - i + 1] if near else 0)
assert (matrices["convolution"] == toeplitz([2, 1, 0, 0, 0], [2, 3, 0, 0, 0])).all()

# %%
# The dense matrix is full. The local one is a *band*: all else is zero and is not computed. The convolution's band has
# the same number all along each diagonal: such a matrix is called a *Toeplitz* matrix.
#
# Each of the n outputs takes k multiplications. Two of these 15 are with the padding and not in the matrix.


def counts(n, k):
    """The multiplications and the weights of each layer."""
    return {"dense": (n * n, n * n), "local": (n * k, n * k), "convolution": (n * k, k)}


for size in (5, 25):
    for name, (multiplications, weights) in counts(size, k).items():
        print(f"{size} -> {size}, {name:12}{multiplications:4} multiplications {weights:4} weights")
assert counts(5, 3) == {"dense": (25, 25), "local": (15, 15), "convolution": (15, 3)}
assert counts(25, 3) == {"dense": (625, 625), "local": (75, 75), "convolution": (75, 3)}
for name, weights in {"dense": dense_weights, "local": local_weights, "convolution": shared_weights}.items():
    assert weights.size == counts(n, k)[name][1]
    assert set(matrices[name].ravel()) - {0} <= set(weights.ravel())

# %%
# One letter and one colour is one weight. The grey circles, and the columns outside the frame, are the padding: two
# more inputs, which are zero.

wide = np.eye(n + 2, dtype=int)[:, None]
drawn = {
    "Dense: everything with everything": np.pad(dense_weights, ((0, 0), (1, 1))),
    "Locally connected: neighbours only": fastconv.local_conv(wide, local_weights)[:, 0].T,
    "Convolution: the same weights everywhere": fastconv.conv(wide, shared_weights)[:, 0].T,
}


def colour(weight, of):
    if weight == 0:
        return "white"
    return [BLUE, ORANGE, GREEN][weight - 1] if of == 3 else to_hex(colormaps["viridis"]((weight - 1) / (of - 1)))


figure, (above, below) = plt.subplots(2, 3, figsize=(13, 7.5), height_ratios=[4, 5], layout="constrained")
for graph, table, (title, matrix), (name, square) in zip(above, below, drawn.items(), matrices.items(), strict=True):
    assert (matrix[:, 1:-1] == square).all()
    multiplications, weights = counts(n, k)[name]
    assert np.count_nonzero(matrix) == multiplications
    fill = np.array([[colour(weight, weights) for weight in row] for row in matrix], object)
    connections(graph, matrix, fill)
    graph.set_title(title, loc="left", fontsize=12)
    letters = np.array(["", *ascii_lowercase])[matrix]
    cells(table, letters, f"{multiplications} multiplications, {weights} weights", fill, text="{}")
    frame(table, 0, 1, n, n, INK, lw=2)
    table.text(3, 4.75, "a row for each output, a column for each input", ha="center", va="center")
    table.set_ylim(5, -0.6)
figure.savefig(pictures / "03_dense_to_convolution.png")

# %%
# 25 inputs and 25 outputs
# ------------------------
# The longer the input, the more is saved. As a row of 25, the convolution has 3 weights; as a picture of 5 x 5 with a
# kernel of 3 x 3, it has 9, and the matrix has bands within bands.

ones, kernel = np.eye(25, dtype=int), np.arange(1, 10).reshape(1, 1, 3, 3)
unshared = np.arange(1, 76).reshape(25, 1, 1, 3)
separate = fastconv.local_conv(ones[:, None], unshared, padding="same")
picture = fastconv.conv2d(ones.reshape(25, 1, 5, 5), kernel, padding="same")
large = {
    "Dense:\n625 multiplications, 625 weights": np.arange(1, 626).reshape(25, 25),
    "Locally connected:\n25 x 3 multiplications, 25 x 3 weights": separate[:, 0].T,
    "Convolution:\n25 x 3 multiplications, 3 weights": convolution(ones[:, None])[:, 0].T,
    "Convolution of 5 x 5 pixels:\n25 x 9 multiplications, 9 weights": picture.reshape(25, 25).T,
}
assert counts(25, 9)["convolution"] == (25 * 9, 9)
assert [len(np.unique(matrix[matrix > 0])) for matrix in large.values()] == [625, 75 - 2, 3, 9]
figure, row = plt.subplots(1, 4, figsize=(14, 4.2), layout="constrained")
for axes, (title, matrix) in zip(row, large.items(), strict=True):
    show(axes, np.where(matrix, matrix, np.nan), title, cmap="viridis")
    axes.set(xticks=[], yticks=[], frame_on=True)
    axes.axis("on")
figure.savefig(pictures / "03_dense_to_convolution_25.png")

# %%
# What sharing means
# ------------------
# Move the input by one, and the convolution's answer moves by one. The locally connected layer answers differently,
# because it has other weights there.

before, after = np.array([[0, 1, 2, 0, 0]]), np.array([[0, 0, 1, 2, 0]])
print("convolution:", convolution(before)[0], "then", convolution(after)[0])
print("local:      ", local(before)[0], "then", local(after)[0])
assert (convolution(after)[0, 1:] == convolution(before)[0, :-1]).all()
assert (local(after)[0, 1:] != local(before)[0, :-1]).any()

# %%
# For a photograph of 512 x 512 pixels there is no choice:

pixels = 512 * 512
print(f"dense: {pixels**2:,} weights, {4 * pixels**2 / 1e9:.0f} GB in float32")
print(f"with windows of 3 x 3: locally connected {9 * pixels:,} weights, convolution 9")
assert pixels**2 == 68_719_476_736
