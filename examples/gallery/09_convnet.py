"""
A network learns to read digits
===============================
A convolutional network in the manner of LeNet is trained from nothing on 1347 handwritten digits of 8 x 8 pixels, and
reads 450 others that it has never seen: at least 98 % of them correctly, after a few seconds. Forward and backward are
fastconv's layers and gradients; the rest is NumPy. Each layer is a class of a few lines, and finite differences check
the gradients before they are used. Then the first layer is exchanged for a *tiled* one, whose filters alternate from
pixel to pixel, and both networks read digits that are turned.
"""
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits
from tqdm import tqdm

import fastconv
from fastconv import grad

pictures = Path("gallery-output")
pictures.mkdir(exist_ok=True)
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"    # told apart by colour-blind readers, too
threadpool_limits(1, "blas")    # NumPy's threads and fastconv's would wait for each other, and its products are small

# %%
# The data
# --------
# A batch has the axes sample, channel, row, column; a digit has one channel. A quarter is held out, each digit in the
# same share. (The same 13 people wrote both parts: strangers' digits would be harder.)

digits = load_digits()
images = (digits.images[:, None] / 8).astype(np.float32)    # grey levels 0 to 16 become 0 to 2: squares of about 1
train_x, test_x, train_t, test_t = train_test_split(
    images, digits.target, test_size=0.25, stratify=digits.target, random_state=0)
print("training", train_x.shape, "held out", test_x.shape)

# %%
# The layers
# ----------
# `forward` computes a layer's result ``y`` of its input ``x`` and remembers what `backward` needs. `backward` is given
# ``dy``, how the loss changes with each element of ``y``. It keeps the same for the parameters in `gradients` and
# returns it for ``x``, where it is the ``dy`` of the layer before. That is the chain rule, and all of backpropagation.


class Convolution:
    """Each of the feature maps is the input, filtered by 3 x 3 weights for each channel."""

    def __init__(self, rng, channels, maps):
        self.parameters = [rng.normal(0, np.sqrt(2 / (9 * channels)), (maps, channels, 3, 3)), np.zeros(maps)]

    def forward(self, x):
        self.x = x
        return fastconv.conv2d(x, *self.parameters, padding=1)

    def backward(self, dy):
        weight = self.parameters[0]
        self.gradients = [grad.conv_weight(self.x, weight.shape, dy, padding=1), grad.conv_bias(dy)]
        return grad.conv_input(self.x.shape, weight, dy, padding=1)


class MaxPool:
    """The largest of each 2 x 2; the gradient goes to where it was."""
    parameters = gradients = ()

    def forward(self, x):
        self.shape = x.shape
        y, self.where = fastconv.max_pool2d(x, 2, return_indices=True)
        return y

    def backward(self, dy):
        return grad.max_pool(self.shape, self.where, dy)


class Relu:
    """Negative numbers become 0, and pass no gradient."""
    parameters = gradients = ()

    def forward(self, x):
        self.y = np.maximum(x, 0)
        return self.y

    def backward(self, dy):
        return dy * (self.y > 0)


class Dense:
    """Each output is a weighted sum of all inputs: a product of matrices."""

    def __init__(self, rng, inputs, outputs):
        self.parameters = [rng.normal(0, np.sqrt(2 / inputs), (inputs, outputs)), np.zeros(outputs)]

    def forward(self, x):
        self.shape = x.shape
        self.x = x.reshape(len(x), -1)
        return self.x @ self.parameters[0] + self.parameters[1]

    def backward(self, dy):
        self.gradients = [self.x.T @ dy, dy.sum(0)]
        return (dy @ self.parameters[0].T).reshape(self.shape)


# %%
# The network is a list of them. Pooling halves the sides of the maps: 8 x 8, 4 x 4, 2 x 2.


def network(rng, first, maps, dtype=np.float32):
    """Layers from a picture to ten scores; `first` is the class of the first one, which has so many feature maps."""
    layers = [first(rng, 1, maps), Relu(), MaxPool(), Convolution(rng, maps, 64), Relu(), MaxPool(),
              Dense(rng, 64 * 2 * 2, 64), Relu(), Dense(rng, 64, 10)]
    for layer in layers:
        layer.parameters = [p.astype(dtype) for p in layer.parameters]
    return layers


def forward(layers, x):
    for layer in layers:
        x = layer.forward(x)
    return x


def backward(layers, dy):
    for layer in reversed(layers):
        dy = layer.backward(dy)
    return dy


def softmax(scores):
    """Probabilities of scores: positive numbers whose sum is 1."""
    p = np.exp(scores - scores.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def loss(scores, truth):
    """Cross-entropy, minus the logarithm of the true digit's probability on average, and its gradient."""
    p, rows = softmax(scores), np.arange(len(truth))
    value = -np.log(p[rows, truth]).mean()
    p[rows, truth] -= 1
    return value, p / len(truth)


# %%
# Are the gradients right?
# ------------------------
# If all numbers of a parameter move a little, by ``step`` times a random direction, the loss moves by ``step`` times
# the dot product of the gradient and that direction. One number tests the whole array, in float64. The input is
# tested like a parameter, so that each layer's `backward` is. The pictures are noise: the empty corners of digits lie
# just where `Relu` bends, and have no derivative.


def parameters(layers):
    """Pairs of a parameter and its gradient."""
    return [pair for layer in layers for pair in zip(layer.parameters, layer.gradients, strict=True)]


def check_gradients(first):
    rng = np.random.default_rng(1)
    layers = network(rng, first, 16, np.float64)
    x, truth, step = rng.standard_normal((4, 1, 8, 8)), np.array([3, 1, 4, 1]), 1e-6
    dx = backward(layers, loss(forward(layers, x), truth)[1])
    for array, gradient in [(x, dx), *parameters(layers)]:
        direction = rng.standard_normal(array.shape)
        array += step * direction
        ahead = loss(forward(layers, x), truth)[0]
        array -= 2 * step * direction
        behind = loss(forward(layers, x), truth)[0]
        array += step * direction
        measured, computed = (ahead - behind) / (2 * step), np.vdot(gradient, direction)
        print(f"{array.shape!s:>20}  measured {measured:+.8f}  computed {computed:+.8f}")
        assert abs(measured - computed) < 1e-6 * max(1, abs(computed))


check_gradients(Convolution)

# %%
# Training
# --------
# 32 digits at a time, each moved by up to a pixel, go forward and their gradients back. Adam takes steps that are about
# the same for all parameters, whatever the size of their gradients. All weights shrink a little in each step, so that
# only those stay large that the digits need. Steps become smaller along half a cosine.

EPOCHS, BATCH, RATE, DECAY = 40, 32, 0.005, 0.1


class Adam:
    """Steps along the recent mean of the gradient, divided by its recent size."""

    def __init__(self, layers):
        self.means = [np.zeros_like(p) for layer in layers for p in layer.parameters]
        self.squares = [m.copy() for m in self.means]
        self.steps = 0

    def step(self, layers, rate):
        self.steps += 1
        for (p, gradient), mean, square in zip(parameters(layers), self.means, self.squares, strict=True):
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            size = np.sqrt(square / (1 - 0.999**self.steps)) + 1e-8    # both began at zero: divide by what is there
            p -= rate * (mean / (1 - 0.9**self.steps) / size + DECAY * p)


def epochs(layers, rng):
    """Train, and stop after each epoch for whoever wants to look."""
    adam, total = Adam(layers), EPOCHS * (len(train_x) // BATCH)
    padded = np.pad(train_x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (8, 8), (2, 3))
    for _ in range(EPOCHS):
        order = rng.permutation(len(train_x))
        for batch in order[:total // EPOCHS * BATCH].reshape(-1, BATCH):
            down, right = rng.integers(0, 3, (2, BATCH))
            _, dy = loss(forward(layers, windows[batch, :, down, right]), train_t[batch])
            backward(layers, dy)
            adam.step(layers, RATE / 2 * (1 + np.cos(np.pi * adam.steps / total)))
        yield


rng = np.random.default_rng(0)
plain = network(rng, Convolution, 16)
history = []
for _ in tqdm(epochs(plain, rng), "training", EPOCHS):
    for x, truth in ((train_x, train_t), (test_x, test_t)):
        scores = forward(plain, x)
        history.append((loss(scores, truth)[0], (scores.argmax(1) == truth).mean()))
history = np.array(history).reshape(EPOCHS, 2, 2)    # epoch, training or held out, loss or accuracy
print("loss, accuracy: training", history[-1, 0].round(4), "held out", history[-1, 1].round(4))
assert history[-1, 1, 1] >= 0.98

# %%
# An epoch is once through the training digits. The curve of the held-out digits follows that of the training: what is
# learnt is digits, not these digits.

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
for part, name, color in ((0, "training", BLUE), (1, "held out", ORANGE)):
    left.semilogy(np.arange(1, EPOCHS + 1), history[:, part, 0], color=color, label=name)
    right.plot(np.arange(1, EPOCHS + 1), 100 * history[:, part, 1], color=color, label=name)
left.set(title="The loss falls ...", xlabel="epoch", ylabel="loss, logarithmic")
right.set(title=f"... until {100 * history[-1, 1, 1]:.1f} % of the held-out digits are read correctly",
          xlabel="epoch", ylabel="read correctly, %", ylim=(79, 100.5), yticks=range(80, 101, 5))
left.legend()
right.grid(alpha=0.3)
figure.savefig(pictures / "09_convnet.png")

# %%
# What the first layer has learnt
# -------------------------------
# Orange weights add ink, purple ones subtract it. A filter that has both on opposite sides answers where the ink ends.


def mosaic(part, title, array, **style):
    """A square of small pictures, all on one scale."""
    part.suptitle(title)
    side = int(len(array) ** 0.5)
    for axes, picture in zip(part.subplots(side, side, squeeze=False).flat, array, strict=True):
        axes.imshow(picture, **style)
        axes.set(xticks=[], yticks=[])


filters = plain[0].parameters[0][:, 0]
limit = abs(filters).max()
maps = plain[1].forward(plain[0].forward(test_x[:1]))[0]
figure = plt.figure(figsize=(11, 4.2), layout="constrained")
parts = figure.subfigures(1, 3, width_ratios=[0.8, 1, 1])
mosaic(parts[0], "A held-out digit", test_x[:1, 0], cmap="gray_r")
mosaic(parts[1], "The filters: orange adds, purple subtracts", filters, cmap="PuOr_r", vmin=-limit, vmax=limit)
mosaic(parts[2], "Where each of them answers", maps, cmap="gray_r", vmin=0, vmax=maps.max())
figure.savefig(pictures / "09_convnet-filters.png")

# %%
# What it gets wrong
# ------------------
# Those first, then those that it reads correctly but is the least sure of.

probability = softmax(forward(plain, test_x))
read, rows = probability.argmax(1), np.arange(len(test_t))
hardest = np.lexsort((probability[rows, test_t], read == test_t))[:12]
figure, axes = plt.subplots(2, 6, figsize=(11, 4.5), layout="constrained")
for place, i in zip(axes.flat, hardest, strict=True):
    right = read[i] == test_t[i]
    place.imshow(test_x[i, 0], cmap="gray_r")
    place.set_title(f"{read[i]}, {100 * probability[i].max():.0f} % sure" if right
                    else f"{test_t[i]}, read as {read[i]}", color="black" if right else ORANGE)
    place.set(xticks=[], yticks=[])
figure.suptitle(f"{(read != test_t).sum()} of {len(test_t)} are read wrongly (orange); "
                "then come those of which the network is the least sure")
figure.savefig(pictures / "09_convnet-errors.png")

# %%
# A tiled first layer
# -------------------
# A convolution uses the same filters everywhere. A tiled layer has several banks of them, here 2 x 2, which alternate
# like the fields of a chessboard: the output at ``(r, c)`` uses bank ``(r % 2, c % 2)``. The pool behind it then takes
# the largest of four *different* filters' answers. If these were turned copies of each other, its result would depend
# less on how the digit is turned. Nobody tells them to be that: do they learn it?


class TiledConvolution:
    """As `Convolution`, but each position in a tile of 2 x 2 has weights and biases of its own."""

    def __init__(self, rng, channels, maps):
        self.parameters = [rng.normal(0, np.sqrt(2 / (9 * channels)), (2, 2, maps, channels, 3, 3)),
                           np.zeros((2, 2, maps))]

    def forward(self, x):
        self.x = x
        return fastconv.tiled_conv(x, *self.parameters, padding=1)

    def backward(self, dy):
        weight = self.parameters[0]
        self.gradients = [grad.tiled_conv_weight(self.x, weight.shape, dy, padding=1), grad.tiled_conv_bias(dy, (2, 2))]
        return grad.tiled_conv_input(self.x.shape, weight, dy, padding=1)


check_gradients(TiledConvolution)

# %%
# All networks learn upright digits only, three times from other random weights, and then read digits that are turned. A
# fair comparison has the same number of feature maps, or the same number of weights in the first layer: here are both.

SEEDS = 3
RIVALS = ((Convolution, 16, "plain", BLUE), (TiledConvolution, 16, "tiled", ORANGE),
          (TiledConvolution, 4, "tiled", GREEN))
angles = np.arange(-45, 46, 5)
turned = [ndimage.rotate(test_x, angle, (3, 2), reshape=False, order=1) for angle in angles]


def trained(first, maps, seed):
    rng = np.random.default_rng(seed)
    layers = network(rng, first, maps)
    for _ in epochs(layers, rng):
        pass
    return layers


jobs = [(first, maps, seed) for first, maps, *_ in RIVALS for seed in range(SEEDS)]
networks = [plain] + [trained(*job) for job in tqdm(jobs[1:], "comparing")]
correct = np.array([[(forward(layers, x).argmax(1) == test_t).mean() for x in turned] for layers in networks])
correct = 100 * correct.reshape(len(RIVALS), SEEDS, len(angles))

figure = plt.figure(figsize=(12, 6), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[2, 1])
curves, *samples = left.subplot_mosaic([["curves"] * 7, list("abcdefg")], height_ratios=[6, 1]).values()
for (_, _, name, color), layers, runs in zip(RIVALS, networks[::SEEDS], correct, strict=True):
    weight, bias = layers[0].parameters
    label = f"{name}, {bias.shape[-1]} maps, {weight.size} weights"
    print(f"{label:<27}", "read correctly, %, at -45, -30, ... 45 degrees:", *runs.mean(0)[::3].round(1))
    curves.plot(angles, runs.mean(0), color=color, label=label)
    curves.fill_between(angles, runs.min(0), runs.max(0), color=color, alpha=0.15, lw=0)
curves.set(title="Tiling the first layer does not make the network read turned digits", xlabel="turned by, degrees",
           ylabel="read correctly, %", xticks=angles[::3], xlim=(-52.5, 52.5), ylim=(0, 102))
curves.grid(alpha=0.3)
curves.legend(title="first layer (mean and range of three trainings)", loc="lower center")
for axes, x in zip(samples, turned[::3], strict=True):
    axes.imshow(x[0, 0], cmap="gray_r")
    axes.set(xticks=[], yticks=[])
banks = networks[SEEDS][0].parameters[0][:, :, :4, 0].reshape(4, 4, 3, 3).swapaxes(0, 1).reshape(16, 3, 3)
mosaic(right, "Four maps of a tiled layer, a row each:\nthe four filters of a map have little in common", banks,
       cmap="PuOr_r", vmin=-limit, vmax=limit)
figure.savefig(pictures / "09_convnet-turned.png")

# %%
# They do not. With as many maps, and four times the weights, the tiled layer is no better than the plain one, upright
# or turned; with as many weights, and a quarter of the maps, it is a little worse. Tiling gives the freedom to learn
# more than shifts, but upright digits give no reason to. It also takes something away: each filter sees only a quarter
# of the positions, so that it has fewer examples to learn from.

upright = correct[:, :, list(angles).index(0)]
print("upright, each training:", *upright.round(1))
assert (upright.min(1) >= [98, 97, 95]).all()
assert (correct[:, :, [0, -1]] < 50).all()
means = correct.mean((1, 2))
print("on average over the angles:", *means.round(1))
assert abs(means[0] - means[1]) < 6
assert means[2] < means[0] + 1
