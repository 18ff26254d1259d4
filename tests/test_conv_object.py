"""A layer to keep is a value: it tells what it is, does not change, and its copies are layers of their own."""
import copy
import dataclasses
import pickle

import numpy as np
import pytest

import fastconv

from .cases import equal, numbers

WEIGHT, BIAS, X = numbers((6, 2, 3, 2), "f"), numbers(6, "f"), numbers((3, 4, 9, 8), "f")
GIVEN = {"stride": (2, 1), "padding": ((0, 1), 1), "groups": 2, "padding_mode": "circular", "activation": "relu"}
COPIES = {
    "pickle": lambda layer: pickle.loads(pickle.dumps(layer)), "copy": copy.copy, "deepcopy": copy.deepcopy,
    "replace": dataclasses.replace,
}


@pytest.mark.parametrize("how", COPIES)
def test_copies(how):
    layer = fastconv.Conv(WEIGHT, BIAS, **GIVEN)
    wanted = layer(X)    # from here on it holds packed weights
    other = COPIES[how](layer)
    assert repr(other) == repr(layer)
    assert not np.shares_memory(other.weight, layer.weight)
    equal(other.weight, WEIGHT)
    equal(other(X), wanted)
    del layer
    equal(other(X), wanted)


def test_tells_what_was_given():
    layer = fastconv.Conv(WEIGHT, BIAS, **GIVEN)
    for name, value in GIVEN.items():
        assert getattr(layer, name) == value
    equal(layer.weight, WEIGHT)
    equal(layer.bias, BIAS)
    assert repr(layer) == ("Conv(4 -> 6 channels, kernel 3 x 2, float32, bias, stride=(2, 1), padding=((0, 1), 1), "
                           "groups=2, padding_mode='circular', activation='relu')")
    assert repr(fastconv.Conv(WEIGHT)) == "Conv(2 -> 6 channels, kernel 3 x 2, float32)"


def test_does_not_change():
    weight = WEIGHT.copy()
    layer = fastconv.Conv(weight, BIAS, **GIVEN)
    wanted = layer(X)
    weight[...] = 0
    equal(layer(X), wanted)
    for change in (layer.weight, layer.bias, pickle.loads(pickle.dumps(layer)).weight):
        with pytest.raises(ValueError, match="read-only"):
            change[0] = 1
    for name in ("weight", "bias", *GIVEN, "layout", "algorithm"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(layer, name, 1)


def test_another_with_one_change():
    layer = dataclasses.replace(fastconv.Conv(WEIGHT, BIAS, **GIVEN), activation=None)
    equal(layer(X), fastconv.conv(X, WEIGHT, BIAS, **GIVEN | {"activation": None}))
