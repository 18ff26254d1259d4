"""Ways to compute the cases of pooling. A function takes x and the geometry and returns the call to time."""
from functools import partial
from importlib import import_module

import numpy as np
from layers import _run_bound, _torch
from libraries import method, threads

POOLS = "pools", "pool_dtypes"


def _result(pool):
    """An array for the result, its pages touched."""
    return np.full(pool.y_shape, 1, pool.result_dtype)


@method("fastconv", "fastconv", *POOLS, role="ours", threaded=True)
def fastconv_pool(x, pool, **out):
    function = getattr(import_module("fastconv"), f"{pool.kind}_pool2d")
    return partial(function, x, pool.kernel, pool.stride, pool.padding, **out)


@method("fastconv out=", "fastconv", *POOLS, role="ours", threaded=True, into=True)
def fastconv_pool_into(x, pool):
    return fastconv_pool(x, pool, out=_result(pool))


@method("read", "read", *POOLS, role="bound")
def read(x, pool):
    """The time in which one core reads x, and does nothing with it."""
    from read import reader
    return reader(x)


@method("torch", "torch", *POOLS, threaded=True, dtypes="fd")
def torch_pool(x, pool):
    torch = _torch()
    function = getattr(torch.nn.functional, f"{pool.kind}_pool2d")
    return partial(function, torch.from_numpy(x), pool.kernel, pool.stride, pool.padding)


@method("scipy.ndimage", "scipy", *POOLS, where={"stride": 1})
def scipy_filter(x, pool):
    """The same windows, one around each pixel."""
    from scipy import ndimage
    size = 1, 1, pool.kernel, pool.kernel
    if pool.kind == "max":
        return partial(ndimage.maximum_filter, x, size, mode="constant", cval=pool.least)
    return partial(ndimage.uniform_filter, x, size, pool.result_dtype, "constant")


# ---------------------------------------------------------------- ONNX Runtime

def _new_session(x, pool):
    import onnxruntime
    from onnx import helper
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    counted = {"count_include_pad": 1} if pool.kind == "avg" else {}
    node = helper.make_node("MaxPool" if pool.kind == "max" else "AveragePool", ["x"], ["y"],
                            kernel_shape=[pool.kernel] * 2, strides=[pool.stride] * 2, pads=[pool.padding] * 4,
                            **counted)
    graph = helper.make_graph([node], "pool", [helper.make_tensor_value_info("x", kind, x.shape)],
                              [helper.make_tensor_value_info("y", kind, pool.y_shape)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


LATEST = []    # the latest x, and what pools it


def _session(x, pool):
    """One for both methods of a case: its threads spin after a run, and would disturb those of another."""
    if not (LATEST and LATEST[0] is x):
        LATEST[:] = x, _new_session(x, pool)
    return LATEST[1]


@method("onnxruntime", "onnxruntime", *POOLS, threaded=True, dtypes="f")
def onnxruntime_run(x, pool):
    session = _session(x, pool)
    return lambda: session.run(None, {"x": x})[0]


@method("onnxruntime binding", "onnxruntime", *POOLS, threaded=True, dtypes="f", into=True)
def onnxruntime_bound(x, pool):
    """Inputs and outputs stay where NumPy has them."""
    session, out = _session(x, pool), _result(pool)
    binding = session.io_binding()
    binding.bind_input("x", "cpu", 0, x.dtype, x.shape, x.ctypes.data)
    binding.bind_output("y", "cpu", 0, out.dtype, out.shape, out.ctypes.data)
    return partial(_run_bound, session, binding, x, out)
