"""Ways to compute the cases of layers and their gradients.

A function takes the two arrays of a case and its geometry and returns the call to time. What a user does once for a
layer (packing the weights, loading a model) is done before; an array for the result, too, where one is given.
"""
from functools import cache, partial
from importlib import import_module

import numpy as np
from libraries import STANDING, method, threads

LAYERS = "layers", "layer_dtypes", "layer_kinds"
GRADIENTS = "layer_gradients"


def _result(a, layer):
    """An array for the result, its pages touched."""
    return np.zeros(layer.result_shape, a.dtype)


# ---------------------------------------------------------------- fastconv

@method("fastconv Conv", "fastconv", "layers", role="ours", threaded=True)
def fastconv_layer(x, w, layer):
    return partial(import_module("fastconv").Conv(w, **layer.options), x)


@method("fastconv Conv out=", "fastconv", "layers", role="ours", threaded=True, into=True)
def fastconv_layer_into(x, w, layer):
    return partial(import_module("fastconv").Conv(w, **layer.options), x, out=_result(x, layer))


@method("fastconv", "fastconv", *LAYERS, role="ours", threaded=True)
def fastconv_function(x, w, layer, **out):
    fastconv = import_module("fastconv")
    function = fastconv.conv_transpose if layer.kind == "transposed" else fastconv.conv
    return partial(function, x, w, **layer.options, **out)


@method("fastconv out=", "fastconv", *LAYERS, role="ours", threaded=True, into=True)
def fastconv_function_into(x, w, layer):
    return fastconv_function(x, w, layer, out=_result(x, layer))


@method("fastconv", "fastconv", GRADIENTS, role="ours", threaded=True)
def fastconv_gradient(a, b, layer, **out):
    grad = import_module("fastconv.grad")
    if layer.kind == "input_gradient":
        return partial(grad.conv_input, layer.x_shape, b, a, **layer.options, **out)
    return partial(grad.conv_weight, a, layer.weight_shape, b, **layer.options, **out)


@method("fastconv out=", "fastconv", GRADIENTS, role="ours", threaded=True, into=True)
def fastconv_gradient_into(a, b, layer):
    return fastconv_gradient(a, b, layer, out=_result(a, layer))


method("fastconv", "fastconv", "layer_builds", role="ours")(fastconv_layer)
method("fastconv out=", "fastconv", "layer_builds", role="ours", into=True)(fastconv_layer_into)
for _isa in ("x86-64-v3", "baseline"):
    method(_isa, f"fastconv {_isa}", "layer_builds")(fastconv_layer)
    method(f"{_isa} out=", f"fastconv {_isa}", "layer_builds", into=True)(fastconv_layer_into)


# ---------------------------------------------------------------- what the direct algorithm cannot exceed

@method("FMA peak", "peak", *LAYERS, GRADIENTS, "layer_builds", role="bound", dtypes="fd")
@method("FMA peak x86-64-v3", "peak x86-64-v3", "layer_builds", role="bound", dtypes="fd")
def fma_peak(a, b, layer):
    """The time that the multiply-adds of the direct algorithm take at the peak of one core."""
    from peak import multiply_adds
    return multiply_adds(layer.products, a.dtype)


# ---------------------------------------------------------------- torch

@cache
def _torch():
    """torch, for good in the mode that keeps nothing for gradients."""
    import torch
    STANDING.enter_context(torch.inference_mode())
    return torch


@method("torch", "torch", *LAYERS, threaded=True)
def torch_layer(x, w, layer):
    torch = _torch()
    name = f"conv_transpose{layer.rank}d" if layer.kind == "transposed" else f"conv{layer.rank}d"
    return partial(getattr(torch.nn.functional, name), torch.from_numpy(x), torch.from_numpy(w), **layer.options)


@method("torch", "torch", GRADIENTS, threaded=True)
def torch_gradient(a, b, layer):
    torch = _torch()
    first, second = torch.from_numpy(a), torch.from_numpy(b)
    if layer.kind == "input_gradient":
        function = getattr(torch.nn.grad, f"conv{layer.rank}d_input")
        return partial(function, layer.x_shape, second, first, **layer.options)
    return partial(getattr(torch.nn.grad, f"conv{layer.rank}d_weight"), first, layer.weight_shape, second,
                   **layer.options)


# ---------------------------------------------------------------- ONNX Runtime

def _attributes(layer) -> dict:
    every = {"strides": [layer.stride], "dilations": [layer.dilation], "pads": [layer.padding] * 2}
    if layer.kind == "transposed":
        every["output_padding"] = [layer.output_padding]
    return {name: value * layer.rank for name, value in every.items()} | {"group": layer.groups}


def _model(x, w, layer) -> bytes:
    """A model of one node, whose weights are constant."""
    from onnx import helper, numpy_helper
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    node = helper.make_node("ConvTranspose" if layer.kind == "transposed" else "Conv", ["x", "weight"], ["y"],
                            **_attributes(layer))
    graph = helper.make_graph(
        [node], "layer",
        [helper.make_tensor_value_info("x", kind, x.shape)],
        [helper.make_tensor_value_info("y", kind, layer.result_shape)],
        [numpy_helper.from_array(w, "weight")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def _new_session(x, w, layer):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads()
    return onnxruntime.InferenceSession(_model(x, w, layer), options, providers=["CPUExecutionProvider"])


LATEST = []    # the weights of the latest model, and what runs it


def _session(x, w, layer):
    """One for all methods of a case: its threads spin after a run, and would disturb those of another."""
    if not (LATEST and LATEST[0] is w):
        LATEST[:] = w, _new_session(x, w, layer)
    return LATEST[1]


@method("onnxruntime", "onnxruntime", "layers", "layer_kinds", threaded=True, dtypes="f")
def onnxruntime_run(x, w, layer):
    session = _session(x, w, layer)
    return lambda: session.run(None, {"x": x})[0]


def _run_bound(session, binding, x, out):
    """The binding knows addresses only: x is here to be kept."""
    session.run_with_iobinding(binding)
    return out


@method("onnxruntime binding", "onnxruntime", "layers", "layer_kinds", threaded=True, dtypes="f", into=True)
def onnxruntime_bound(x, w, layer):
    """Inputs and outputs stay where NumPy has them."""
    session, out = _session(x, w, layer), _result(x, layer)
    binding = session.io_binding()
    binding.bind_input("x", "cpu", 0, x.dtype, x.shape, x.ctypes.data)
    binding.bind_output("y", "cpu", 0, out.dtype, out.shape, out.ctypes.data)
    return partial(_run_bound, session, binding, x, out)
