"""The layers' specification against PyTorch, where it is installed: results, gradients, complex numbers."""
from itertools import product

import numpy as np
import pytest

from fastconv import _reference_layers as reference

from .cases import equal, numbers
from .layer_cases import random_layer


@pytest.fixture
def torch():
    """One thread for PyTorch; its own number afterwards."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)


TORCH_PADS = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


def torch_layer(rng, padding_mode):
    """A layer that PyTorch can be asked for: one leading axis, pads not too wide, and the pads written out."""
    while True:
        layer = random_layer(rng, (1, 2, 3), [padding_mode])
        image = layer.x[-layer.rank:]
        windows = reference._Windows(image, layer.weight[2:], layer.stride, layer.padding, layer.dilation, "zeros")
        widest = {"reflect": min(image) - 1, "circular": min(image)}.get(padding_mode, 99)
        if np.max(windows.widths) <= widest:
            return layer._replace(x=(2, *layer.x[-layer.rank - 1:])), [w for pads in windows.widths[::-1] for w in pads]


@pytest.mark.parametrize("dtype", "lfdFD")
@pytest.mark.parametrize("padding_mode", TORCH_PADS)
def test_against_torch(torch, dtype, padding_mode):
    """Results and, in floating point, gradients, complex ones too."""
    rng = np.random.default_rng(1)
    for seed in range(15):
        layer, widths = torch_layer(rng, padding_mode)
        shapes = layer.x, layer.weight, layer.weight[:1]
        x, w, bias = (numbers(shape, dtype, seed + i) for i, shape in enumerate(shapes))
        tensors = [torch.from_numpy(a).requires_grad_(dtype != "l") for a in (x, w, bias)]
        padded = torch.nn.functional.pad(tensors[0], widths, TORCH_PADS[padding_mode])
        y = getattr(torch.nn.functional, f"conv{layer.rank}d")(
            padded, *tensors[1:], stride=layer.stride, dilation=layer.dilation, groups=layer.groups)
        equal(reference.conv(x, w, bias, **layer.where), y.detach().numpy(), str(layer))
        if dtype != "l":
            g = numbers(y.shape, dtype, seed + 3)
            y.backward(torch.from_numpy(g))
            for got, tensor in zip([reference.conv_input(x.shape, w, g, **layer.where),
                                    reference.conv_weight(x, w.shape, g, **layer.where), reference.conv_bias(g)],
                                   tensors, strict=True):
                equal(got, tensor.grad.numpy(), str(layer))


@pytest.mark.parametrize("dtype", "lfdFD")
def test_transposed_against_torch(torch, dtype):
    rng = np.random.default_rng(2)
    for seed in range(60):
        rank, groups = 1 + seed % 3, int(rng.integers(1, 4))
        k, c = groups * rng.integers(1, 5), rng.integers(1, 5)
        kernel, stride, dilation = (rng.integers(1, 4, rank) for _ in range(3))
        padding = rng.integers(0, dilation * (kernel - 1) // 2 + 1)
        more = rng.integers(0, np.maximum(stride, dilation))
        x, w, bias = (numbers([int(n) for n in shape], dtype, seed + i) for i, shape in enumerate(
            [(2, k, *rng.integers(1, 6, rank)), (k, c, *kernel), (c * groups,)]))
        stride, padding, more, dilation = (tuple(a.tolist()) for a in (stride, padding, more, dilation))
        how = {"stride": stride, "padding": padding, "output_padding": more, "groups": groups, "dilation": dilation}
        tensors = [torch.from_numpy(a).requires_grad_(dtype != "l") for a in (x, w, bias)]
        y = getattr(torch.nn.functional, f"conv_transpose{rank}d")(*tensors, **how)
        got = reference.conv_transpose(x, w, bias, **how)
        equal(got, y.detach().numpy(), str(how))
        del how["output_padding"]
        equal(reference.conv_transpose(x, w, bias, output_size=got.shape[2:], **how), got)
        if dtype != "l":
            g = numbers(y.shape, dtype, seed + 3)
            y.backward(torch.from_numpy(g))
            for got, tensor in zip([reference.conv_transpose_input(x.shape, w, g, **how),
                                    reference.conv_transpose_weight(x, w.shape, g, **how),
                                    reference.conv_transpose_bias(g)], tensors, strict=True):
                equal(got, tensor.grad.numpy(), str(how))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_named_paddings_as_torch(torch, padding):
    for rank, kernel, dilation in product((1, 2, 3), (1, 2, 3, 4), (1, 2, 3)):
        x, w = numbers((2, 3, *(10, 11, 12)[:rank]), "d", 1), numbers((2, 3, *(kernel,) * rank), "d", 2)
        wanted = getattr(torch.nn.functional, f"conv{rank}d")(
            *map(torch.from_numpy, (x, w)), padding=padding, dilation=dilation)
        equal(reference.conv(x, w, padding=padding, dilation=dilation), wanted.numpy())


def test_columns_against_torch(torch):
    rng = np.random.default_rng(3)
    for seed in range(60):
        kernel, stride, dilation = (rng.integers(1, 4, 2).tolist() for _ in range(3))
        padding = rng.integers(0, 3, 2).tolist()
        x = numbers((2, 3, *rng.integers(7, 12, 2).tolist()), "d", seed)
        columns = reference.im2col(x, kernel, stride, padding, dilation)
        how = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}
        equal(columns, torch.nn.functional.unfold(torch.from_numpy(x), **how).numpy())
        equal(reference.col2im(columns, x.shape[2:], kernel, stride, padding, dilation),
              torch.nn.functional.fold(torch.from_numpy(columns), x.shape[2:], **how).numpy())


@pytest.mark.parametrize("activation", ["relu", "relu6", "tanh", "sigmoid", "silu", "leaky_relu"])
def test_activations_against_torch(torch, activation):
    x = np.array([np.nan, *np.linspace(-40, 40, 801), -1e5, 1e5])
    wanted = getattr(torch.nn.functional, activation)(torch.from_numpy(x))
    np.testing.assert_allclose(reference.conv(x[None], np.ones((1, 1, 1)), activation=activation)[0], wanted, 1e-15)


def test_infinite_taps_meet_the_padding_as_in_torch(torch):
    """The border is part of the sum; a transposed layer has none."""
    for x, w in [(np.ones((1, 1, 4)), np.full((1, 1, 3), np.inf)), (np.full((1, 1, 4), np.inf), np.ones((1, 1, 3)))]:
        for name in ("conv", "conv_transpose"):
            with np.errstate(invalid="ignore"):
                got = getattr(reference, name)(x, w, padding=1)
            equal(got, getattr(torch.nn.functional, f"{name}1d")(*map(torch.from_numpy, (x, w)), padding=1).numpy())
