"""An ordinary call of every public function that computes, and the same with nothing to compute."""
from inspect import Parameter, signature

import numpy as np

import fastconv
from fastconv import grad


def floats(*shape):
    """Small whole numbers, of both signs."""
    return (np.arange(np.prod(shape, dtype=int)) * 7 % 11 - 4.0).reshape(shape)


def _conv_object(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, out=None, workers=None, **options):
    return fastconv.Conv(weight, bias, stride, padding, dilation, groups, **options)(x, out=out, workers=workers)


def _options(*functions):
    """Arguments of functions, by name."""
    names = [name for function in functions for name, parameter in signature(function).parameters.items()
             if parameter.kind is not Parameter.VAR_KEYWORD and name != "self"]
    return tuple(dict.fromkeys(names))


class Call:
    """A function, an ordinary call's arguments, and those that leave it nothing to compute."""

    def __init__(self, function, given, empty, options=None):
        self.function, self.given, self.empty = function, given, {**given, **empty}
        self.options = _options(function) if options is None else options

    def __call__(self, **more):
        return self.function(**{**self.given, **more})


SIZES = (6, 4, 4)    # of spatial axes, as many as there are


def _layers(rank, suffix):
    """Layers of `rank` axes."""
    n, kernel = SIZES[:rank], (2,) * rank
    x, weight = floats(2, 4, *n), floats(6, 2, *kernel)
    none = {"x": x[:0]}
    given = {"x": x, "weight": weight, "bias": floats(6), "groups": 2}
    back = {"x": x, "weight": floats(4, 3, *kernel), "bias": floats(6), "groups": 2}
    yield f"conv{suffix}", Call(getattr(fastconv, f"conv{suffix}"), given, none)
    function = getattr(fastconv, f"conv_transpose{suffix}")
    yield f"conv_transpose{suffix}", Call(function, back, none)


def _pools(rank, suffix):
    """Pools of `rank` axes."""
    x = floats(2, 3, *SIZES[:rank])
    kernel = 2 if suffix else (2,) * rank
    for name in ("max_pool", "min_pool", "avg_pool", "sum_pool", "lp_pool"):
        power = {"norm_type": 2} if name == "lp_pool" else {}
        yield name + suffix, {"x": x, "kernel_size": kernel, **power}, {"x": x[:0]}
    for name in ("global_max_pool", "global_avg_pool"):
        yield name + suffix, {"x": x}, {"x": x[:0]}
    for name in ("adaptive_max_pool", "adaptive_avg_pool"):
        yield name + suffix, {"x": x, "output_size": kernel}, {"x": x[:0]}
    y, indices = getattr(fastconv, f"max_pool{rank}d")(x, 2, return_indices=True)
    yield f"max_unpool{suffix}", {"x": y, "indices": indices, "kernel_size": kernel}, {
        "x": y[:0], "indices": indices[:0]}


def _gradients():
    """Of layers and of pools, in two dimensions."""
    x, weight, y = floats(2, 4, 6, 5), floats(6, 2, 2, 2), floats(2, 6, 5, 4)
    none, by_input, by_weight = {"grad_output": y[:0]}, {"input_size": (0, 4, 6, 5)}, {"x": x[:0]}
    yield "conv_input", {"input_size": x.shape, "weight": weight, "grad_output": y, "groups": 2}, {**none, **by_input}
    yield "conv_weight", {"x": x, "weight_size": weight.shape, "grad_output": y, "groups": 2}, {**none, **by_weight}
    back, z = floats(4, 3, 2, 2), floats(2, 6, 7, 6)
    yield "conv_transpose_input", {"input_size": x.shape, "weight": back, "grad_output": z, "groups": 2}, {
        "grad_output": z[:0], **by_input}
    yield "conv_transpose_weight", {"x": x, "weight_size": back.shape, "grad_output": z, "groups": 2}, {
        "grad_output": z[:0], **by_weight}
    for name, tiles in (("tiled", (2, 2)), ("local", (5, 4))):
        banks = floats(*tiles, *weight.shape)
        yield f"{name}_conv_input", {"input_size": x.shape, "weight": banks, "grad_output": y, "groups": 2}, {
            **none, **by_input}
        yield f"{name}_conv_weight", {"x": x, "weight_size": banks.shape, "grad_output": y, "groups": 2}, {
            **none, **by_weight}
    for name in ("conv_bias", "conv_transpose_bias", "tiled_conv_bias", "local_conv_bias"):
        yield name, {"grad_output": y, **({"tiles": (2, 2)} if name.startswith("tiled") else {})}, none
    image, means, peaks = floats(2, 3, 6, 5), floats(2, 3, 3, 2), np.zeros((2, 3, 3, 2), int)
    none = {"input_size": (0, 3, 6, 5), "grad_output": means[:0]}
    yield "max_pool", {"input_size": image.shape, "indices": peaks, "grad_output": means}, {
        **none, "indices": peaks[:0]}
    yield "adaptive_avg_pool", {"input_size": image.shape, "grad_output": means}, none
    for name in ("avg_pool", "sum_pool"):
        yield name, {"input_size": image.shape, "grad_output": means, "kernel_size": (2, 2)}, none
    yield "lp_pool", {"x": image, "norm_type": 2, "grad_output": means, "kernel_size": (2, 2)}, {
        "x": image[:0], "grad_output": means[:0]}


def _calls():
    for name in ("correlate", "convolve", "correlate2d", "convolve2d"):
        yield name, Call(getattr(fastconv, name), {"in1": floats(6, 5), "in2": floats(2, 3)}, {"in1": floats(0, 5)})
    for rank, suffix in ((2, ""), (1, "1d"), (2, "2d"), (3, "3d")):
        yield from _layers(rank, suffix)
        for name, given, empty in _pools(rank, suffix):
            yield name, Call(getattr(fastconv, name), given, empty)
    x, weight = floats(2, 4, 6, 5), floats(6, 2, 2, 2)
    given = {"x": x, "bias": floats(6), "groups": 2}
    yield "Conv", Call(_conv_object, {**given, "weight": weight}, {"x": x[:0]},
                       _options(fastconv.Conv, fastconv.Conv.__call__))
    for name, tiles in (("tiled_conv", (2, 2)), ("local_conv", (5, 4))):
        yield name, Call(getattr(fastconv, name), {**given, "weight": floats(*tiles, 6, 2, 2, 2)}, {"x": x[:0]})
    yield "im2col", Call(fastconv.im2col, {"x": x, "kernel_size": (2, 2)}, {"x": x[:0]})
    cols = floats(2, 12, 20)
    yield "col2im", Call(fastconv.col2im, {"cols": cols, "output_size": (6, 5), "kernel_size": (2, 2)},
                         {"cols": cols[:0]})
    for name, given, empty in _gradients():
        yield f"grad.{name}", Call(getattr(grad, name), given, empty)


CALLS = dict(_calls())
# What does not compute.
OTHERS = {"grad", "get_workers", "set_workers", "show_config"}


def public():
    """The names of all public functions, and of the class, that compute."""
    of_grad = {name for name, value in vars(grad).items()
               if not name.startswith("_") and getattr(value, "__module__", None) == grad.__name__}
    return set(fastconv.__all__) - OTHERS | {f"grad.{name}" for name in of_grad}
