"""Ways to compute the cases of tiled and local layers, and their gradients; see ``layers.py``."""
from functools import partial
from importlib import import_module

from layers import _result
from libraries import method


def _function(layer):
    """fastconv's, by the name of the layer."""
    local = layer.tiles == layer.y_shape[2:]
    name = "local_conv" if local else "conv" if layer.tiles == (1, 1) else "tiled_conv"
    if layer.kind == "conv":
        return getattr(import_module("fastconv"), name)
    return getattr(import_module("fastconv.grad"), f"{name}_{layer.kind.removesuffix('_gradient')}")


@method("fastconv", "fastconv", "tiled", role="ours", threaded=True)
def fastconv_tiled(a, b, layer, **out):
    arguments = {"conv": (a, b), "input_gradient": (layer.x_shape, b, a),
                 "weight_gradient": (a, layer.banks_shape, b)}[layer.kind]
    return partial(_function(layer), *arguments, **layer.options, **out)


@method("fastconv out=", "fastconv", "tiled", role="ours", threaded=True, into=True)
def fastconv_tiled_into(a, b, layer):
    return fastconv_tiled(a, b, layer, out=_result(a, layer))


@method("read", "read", "tiled", role="bound", where={"tiles": "all", "kind": "conv"})
def read(x, banks, layer):
    """The time in which one core reads the weights, and does nothing with them."""
    from read import reader
    return reader(banks)


def _ready(function, *arrays):
    """The array, computed: JAX returns one before that."""
    return function(*arrays).block_until_ready()


@method("jax", "jax", "tiled", threaded=True, where={"tiles": "all"})
def jax_local(a, b, layer):
    """Compiled by the call that is checked. The weights lie as ours do: in another order it is slower."""
    import jax
    local = partial(
        jax.lax.conv_general_dilated_local, window_strides=[layer.stride] * 2, padding=[(layer.padding,) * 2] * 2,
        filter_shape=layer.weight_shape[2:], rhs_dilation=[layer.dilation] * 2,
        dimension_numbers=("NCHW", "HWOI", "NCHW"))
    flat = *layer.banks_shape[:3], -1
    x, banks = (jax.ShapeDtypeStruct(shape, a.dtype) for shape in (layer.x_shape, layer.banks_shape))

    def of_banks(x, banks):
        return local(x, banks.reshape(flat))

    function = {
        "conv": of_banks,
        "input_gradient": lambda y, banks: jax.linear_transpose(lambda x: of_banks(x, banks), x)(y)[0],
        "weight_gradient": lambda x, y: jax.linear_transpose(lambda banks: of_banks(x, banks), banks)(y)[0],
    }[layer.kind]
    return partial(_ready, jax.jit(function), *map(jax.device_put, (a, b)))
