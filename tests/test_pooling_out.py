"""out= of pools: any layout and same-kind dtype, overlapping the inputs or not; an error leaves it as it was."""
import numpy as np
import pytest

import fastconv
from fastconv import _reference_pooling as reference
from fastconv import grad

from .cases import DTYPES, LAYOUTS, equal, numbers
from .pool_cases import FEW, Pool, everything, forward
from .pool_cases import LAYOUTS as CHANNELS


def values(result):
    """Without the indices."""
    return result[0] if isinstance(result, tuple) else result


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_layout(dtype):
    channels = CHANNELS[DTYPES.index(dtype) % 2]
    for pool in FEW[:3]:
        for call in everything(pool, dtype, channels, 1):
            wanted = call.wanted()
            for layout in LAYOUTS.keys() - {"read_only"}:
                out = LAYOUTS[layout](numbers(values(wanted).shape, values(wanted).dtype, 3))
                got = call.ours(out=out)
                assert values(got) is out, call
                np.testing.assert_array_equal(out, values(wanted), f"{call} {layout}")
                if isinstance(wanted, tuple):
                    equal(got[1], wanted[1])


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", "?BildegD")
def test_nothing_around_it_is_written(dtype, channels):
    """out is every second column of a part of a larger array."""
    for pool in FEW:
        for call in everything(pool, dtype, channels, 1):
            wanted = values(call.wanted())
            rows, columns = int(np.prod(wanted.shape[:-1])), wanted.shape[-1]
            frame = numbers((rows + 4, 2 * columns + 7), wanted.dtype, 5)
            before, inner = frame.copy(), (slice(2, -2), slice(3, -4, 2))
            out = frame[inner].reshape(wanted.shape)
            call.ours(out=out)
            equal(out, wanted, str(call))
            frame[inner] = before[inner]
            equal(frame, before)


@pytest.mark.parametrize("given", DTYPES)
def test_same_kind_casts(given):
    """As numpy's ufuncs: whatever numpy.can_cast allows from the result's dtype, and nothing else."""
    for call in everything(FEW[0], given, seed=1):
        y = values(call.wanted())
        for wanted in DTYPES:
            out = np.full(y.shape, 1, wanted)
            if np.can_cast(y.dtype, wanted, "same_kind"):
                call.ours(out=out)
                equal(out, y.astype(wanted), str(call))
            else:
                with pytest.raises(TypeError, match=r"^`out`.* same-kind .*" + np.dtype(wanted).name):
                    call.ours(out=out)
                assert (out == 1).all()


def test_dtype_then_out():
    """Summed in `dtype`, cast into out's."""
    x, out = np.full((1, 3, 3), 200, np.uint8), np.zeros((1, 1, 1), np.float32)
    fastconv.sum_pool(x, (3, 3), dtype=np.uint8, out=out)
    assert out == 9 * 200 % 256
    fastconv.avg_pool(x, (3, 3), out=out)
    assert out == 200


# ---------------------------------------------------------------- overlap

@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", "?BhlfF")
def test_in_place(dtype, channels):
    """Windows of stride 1 with padding "same": out is x."""
    for pool in [Pool((2, 3, 9, 40), (3, 3), 1, "same"), Pool((2, 17, 40), (5,), 1, "same"),
                 Pool((20, 15, 16), (15, 9), 1, "same"), Pool((3, 4, 5, 6), (2, 3, 2), 1, "same"),
                 Pool((3, 40, 70), (1, 1), 1)]:
        for call in forward(pool, dtype, channels, 1):
            wanted = call.wanted()
            call = call._replace(arguments=(call.arguments[0].copy(), *call.arguments[1:]))
            x = call.arguments[0]
            if np.can_cast(values(wanted).dtype, x.dtype, "same_kind"):
                got = call.ours(out=x)
                assert values(got) is x
                equal(x, values(wanted).astype(x.dtype), str(call))
                if isinstance(wanted, tuple):
                    equal(got[1], wanted[1])


@pytest.mark.parametrize("name", ["max_pool", "sum_pool", "min_pool"])
def test_on_a_part_of_the_input(name):
    """Smaller results, over the beginning, the middle or the end of what they are made of, or shifted in memory."""
    for start in (0, 1, 7, 60, 149, 150):
        memory = numbers(600, "l", 1)
        x = memory[:200 + 200].reshape(4, 10, 10)
        wanted = getattr(reference, name)(x, (2, 2))
        out = memory[start:start + 100].reshape(4, 5, 5)
        equal(getattr(fastconv, name)(x, (2, 2), out=out), wanted)
    for shift in (-130, -35, -1, 1, 7, 35, 130):
        memory = numbers(800, "l", 1)
        x, out = (memory[at:at + 300].reshape(2, 5, 30) for at in (200, 200 + shift))
        wanted = getattr(reference, name)(x, (3, 3), 1, 1)
        equal(getattr(fastconv, name)(x, (3, 3), 1, 1, out=out), wanted)


def test_other_views_of_the_memory():
    """Transposed, reversed, of another dtype."""
    for view in (lambda a: a.swapaxes(1, 2), np.flip, lambda a: a[::-1]):
        x = numbers((4, 9, 9), "l", 1)
        wanted = reference.max_pool(x, (3, 3), 1, 1)
        equal(fastconv.max_pool(x, (3, 3), 1, 1, out=view(x)), wanted)
    x = numbers((2, 3, 8), "d", 1)
    wanted = reference.avg_pool(x, (2,), 1, "same").astype("f")
    equal(fastconv.avg_pool(x, (2,), 1, "same", out=x.view("f")[..., :8]), wanted)


def test_unpool_and_gradients():
    """Over the values, the indices or the gradient."""
    x = numbers((2, 3, 8, 8), "l", 1)
    y, indices = reference.max_pool(x, (3, 3), 1, 1, return_indices=True)
    wanted = reference.max_unpool(y, indices, (3, 3), 1, 1)
    gradient = reference.max_pool_gradient(x.shape, indices, y)
    for over in (0, 1):
        given = y.copy(), indices.copy()
        equal(fastconv.max_unpool(*given, (3, 3), 1, 1, out=given[over]), wanted)
        given = y.copy(), indices.copy()
        equal(grad.max_pool(x.shape, given[1], given[0], out=given[over]), gradient)
    for name, arguments in (("sum_pool", ((3, 3), 1, 1)), ("avg_pool", ((3, 3), 1, 1, False, True, 1))):
        g = y.astype(float)
        wanted = getattr(reference, f"{name}_gradient")(x.shape, g, *arguments)
        equal(getattr(grad, name)(x.shape, g, *arguments, out=g), wanted)
    x, g = x.astype(float), y.astype(float)
    wanted = reference.lp_pool_gradient(x, 1, g, (3, 3), 1, padding=1)
    for over in (0, 1):
        given = x.copy(), g.copy()
        equal(grad.lp_pool(given[0], 1, given[1], (3, 3), 1, padding=1, out=given[over]), wanted)
    wanted = reference.adaptive_max_pool(x, (8, 8))
    equal(fastconv.adaptive_max_pool(x, (8, 8), out=x), wanted)


@pytest.mark.parametrize("pool", [Pool((0, 3, 5, 5), (2, 2)), Pool((2, 0, 4), (2,))], ids=str)
def test_nothing_to_do(pool):
    for call in everything(pool, "d"):
        wanted = values(call.wanted())
        out = np.full(wanted.shape, 7.0)
        assert values(call.ours(out=out)) is out
