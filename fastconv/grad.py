"""Gradients of the layers: their adjoints, in the argument style of `torch.nn.grad`."""
from fastconv import _layer_geometry as gate
from fastconv import _route


def conv_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
               layout="channels_first", out=None, dtype=None, workers=None):
    """DOC"""
    records, y, window = gate.conv_input(input_size, weight, grad_output, stride, padding, dilation, groups,
                                         padding_mode, layout, out, dtype)
    _route.run_layers(records, "auto", workers)
    if window is not None:
        y = gate.folded(y, window, padding_mode, layout)
    return gate.finished(y, out)


def conv_weight(x, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
                layout="channels_first", out=None, dtype=None, workers=None):
    """DOC"""
    records, y = gate.conv_weight(x, weight_size, grad_output, stride, padding, dilation, groups, padding_mode, layout,
                                  out, dtype)
    _route.run_layers(records, "auto", workers)
    return gate.finished(y, out)


def conv_bias(grad_output, *, rank=None, layout="channels_first", out=None, dtype=None, workers=None):
    """DOC"""
    _route.check_workers(workers)
    return gate.conv_bias(grad_output, rank, layout, out, dtype)


def conv_transpose_input(input_size, weight, grad_output, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *,
                         padding_mode="zeros", layout="channels_first", out=None, dtype=None, workers=None):
    """DOC"""
    records, y = gate.conv_transpose_input(input_size, weight, grad_output, stride, padding, output_padding, groups,
                                           dilation, padding_mode, layout, out, dtype)
    _route.run_layers(records, "auto", workers)
    return gate.finished(y, out)


def conv_transpose_weight(x, weight_size, grad_output, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *,
                          padding_mode="zeros", layout="channels_first", out=None, dtype=None, workers=None):
    """DOC"""
    records, y = gate.conv_transpose_weight(x, weight_size, grad_output, stride, padding, output_padding, groups,
                                            dilation, padding_mode, layout, out, dtype)
    _route.run_layers(records, "auto", workers)
    return gate.finished(y, out)


def conv_transpose_bias(grad_output, *, rank=None, layout="channels_first", out=None, dtype=None, workers=None):
    """DOC"""
    return conv_bias(grad_output, rank=rank, layout=layout, out=out, dtype=dtype, workers=workers)
