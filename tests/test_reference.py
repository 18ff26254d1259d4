"""The specification itself: against the definition written as loops, against SciPy, and against scipy.ndimage."""
import numpy as np
import pytest
from scipy import ndimage, signal

from fastconv import _reference, _reference_layers, _reference_pooling

from .calls import CALLS
from .cases import BOUNDARIES, FUNCTIONS, INTEGERS, MODES, PLANAR, equal, numbers, ranks

SHAPES = [((7,), (3,)), ((3,), (7,)), ((1,), (4,)), ((), ()), ((4, 5), (2, 3)), ((2, 3), (4, 5)), ((1, 3), (5, 2)),
          ((3, 3), (1, 1)), ((3, 4, 2), (2, 2, 2)), ((2, 2, 2), (3, 1, 5)), ((2, 3, 2, 2), (1, 2, 2, 1))]


def continued(x, index, boundary, fillvalue):
    """The continued image at any index, from one period of each axis written out."""
    found = []
    for i, n in zip(index, x.shape, strict=True):
        once = list(range(n))
        period = once + {"symm": once[::-1], "reflect": once[-2:0:-1]}.get(boundary, [])
        if boundary == "fill" and i not in once:
            return fillvalue
        found.append(min(max(i, 0), n - 1) if boundary == "edge" else period[i % len(period)])
    return x[tuple(found)]


def by_loops(name, a, b, mode, boundary, fillvalue):
    if mode == "valid" and any(n < k for n, k in zip(a.shape, b.shape, strict=True)):
        if name.startswith("correlate"):
            return np.conj(np.flip(by_loops(name, b, a, mode, boundary, fillvalue)))
        a, b = b, a
    w = np.conj(b) if name.startswith("correlate") else np.flip(b)
    before = {"full": lambda k: k - 1, "same": lambda k: (k - (name == "correlate2d")) // 2, "valid": lambda k: 0}[mode]
    outputs = {"full": lambda n, k: n + k - 1, "same": lambda n, k: n, "valid": lambda n, k: n - k + 1}[mode]
    result = np.empty([outputs(n, k) for n, k in zip(a.shape, b.shape, strict=True)], a.dtype)
    for o in np.ndindex(*result.shape):
        result[o] = sum(
            continued(a, [i + j - before(n) for i, j, n in zip(o, k, w.shape, strict=True)], boundary, fillvalue) * w[k]
            for k in np.ndindex(*w.shape))
    return result


def orders(image, kernel, mode):
    """The two shapes in both orders, if `mode` takes them."""
    contained = all(n <= k for n, k in zip(image, kernel, strict=True))
    return [] if mode == "valid" and not contained and any(
        n < k for n, k in zip(image, kernel, strict=True)) else [(image, kernel), (kernel, image)]


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", "lD")
def test_against_loops(name, mode, boundary, dtype):
    for shapes in SHAPES:
        if name in PLANAR and len(shapes[0]) != 2:
            continue
        for image, kernel in orders(*shapes, mode):
            a, b = numbers(image, dtype, 1), numbers(kernel, dtype, 2)
            equal(getattr(_reference, name)(a, b, mode, boundary, 3), by_loops(name, a, b, mode, boundary, 3),
                  f"{image} {kernel}")


@pytest.mark.parametrize("name", ["correlate", "convolve"])
@pytest.mark.parametrize("dtype", INTEGERS + "fdgFDG")
def test_against_scipy(name, dtype):
    for i, shapes in enumerate([*SHAPES, *ranks()]):
        for image, kernel in orders(*shapes, mode := MODES[i % 3]):
            a, b = numbers(image, dtype, 1, None), numbers(kernel, dtype, 2, None)
            equal(getattr(_reference, name)(a, b, mode), getattr(signal, name)(a, b, mode, method="direct"))


@pytest.mark.parametrize("boundary", ["fill", "wrap", "symm"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PLANAR)
@pytest.mark.parametrize("dtype", INTEGERS + "fdgFDG")
def test_against_scipy_in_two_dimensions(name, mode, boundary, dtype):
    for shapes in [((5, 8), (3, 3)), ((5, 8), (2, 4)), ((2, 3), (4, 5)), ((4, 4), (4, 4)), ((3, 2), (5, 1))]:
        for image, kernel in orders(*shapes, mode):
            a, b = numbers(image, dtype, 1), numbers(kernel, dtype, 2)
            got = getattr(_reference, name)(a, b, mode, boundary, 2)
            wanted = getattr(signal, name)(a, b, mode, boundary, 2)
            if name == "correlate2d" and mode == "valid" and image < kernel:
                wanted = np.conj(wanted).astype(dtype)    # which SciPy's correlate gives and its correlate2d forgets
            equal(got, wanted, f"{image} {kernel}")


@pytest.mark.parametrize(("boundary", "ndimage_mode"), [
    ("fill", "constant"), ("wrap", "wrap"), ("symm", "reflect"), ("reflect", "mirror"), ("edge", "nearest")])
@pytest.mark.parametrize("name", ["correlate", "convolve"])
def test_against_ndimage(name, boundary, ndimage_mode):
    for image, kernel in [((9,), (5,)), ((7, 8), (3, 5)), ((5, 6, 7), (3, 3, 5)), ((4, 4, 4, 4), (3, 1, 3, 3))]:
        a, b = numbers(image, "d", 1), numbers(kernel, "d", 2)
        equal(getattr(_reference, name)(a, b, "same", boundary, 7),
              getattr(ndimage, name)(a, b, mode=ndimage_mode, cval=7))


# ---------------------------------------------------------------- byte order

def specified():
    """Each function of the specification, and the arguments of an ordinary call."""
    for name, call in CALLS.items():
        pooling = name.endswith("pool") or "unpool" in name
        module = _reference if "in1" in call.given else _reference_pooling if pooling else _reference_layers
        name = name.removeprefix("grad.") + "_gradient" * (pooling and name.startswith("grad."))
        if hasattr(module, name):
            yield f"{module.__name__}.{name}", getattr(module, name), call.given


SPECIFIED = {name: call for name, *call in specified()}


@pytest.mark.parametrize("name", SPECIFIED)
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "i4"])
def test_byte_order(name, dtype):
    """Of inputs and of `dtype`: it changes nothing, and results are in the machine's."""
    function, given = SPECIFIED[name]
    if dtype == "c8" and any(part in name for part in ("max_", "min_", "lp_")):
        pytest.skip("not defined for complex numbers")
    if dtype == "i4" and "lp_" in name:
        pytest.skip("norms are floating-point numbers")
    wanted = function(**given, dtype=np.dtype(dtype))
    equal(function(**given, dtype=np.dtype(dtype).newbyteorder(">")), wanted)
    swapped = {option: value.astype(value.dtype.newbyteorder(">")) if isinstance(value, np.ndarray) else value
               for option, value in given.items()}
    equal(function(**swapped, dtype=np.dtype(dtype)), wanted)
    assert function(**swapped).dtype.isnative


def test_every_specification_is_tested():
    names = {name.rpartition(".")[2] for name in SPECIFIED}
    assert {"correlate", "convolve2d", "conv", "conv_transpose", "tiled_conv", "local_conv", "im2col", "col2im",
            "conv_input", "conv_weight", "conv_bias", "tiled_conv_input", "local_conv_weight", "max_pool", "lp_pool",
            "adaptive_avg_pool", "max_unpool", "max_pool_gradient", "lp_pool_gradient"} <= names
