"""Windows as columns and back, and the adjoint of padding: moves and sums of whole slices, which NumPy does well."""
from itertools import product

import numpy as np

_PAD_MODES = {"circular": "wrap", "replicate": "edge"}


def _positions(window, padding_mode):
    """For each axis and tap, the input elements that the window's positions meet; -1 for a border of zeros."""
    how = {"constant_values": -1} if padding_mode == "zeros" else {"mode": _PAD_MODES.get(padding_mode, padding_mode)}
    maps = []
    axes = zip(window.sizes, window.kernel, window.stride, window.dilation, window.before, window.after,
               window.outputs(), strict=True)
    for n, k, s, d, before, after, outputs in axes:
        padded = np.pad(np.arange(n), (before, after), **how)
        maps.append([padded[j * d:j * d + (outputs - 1) * s + 1:s] for j in range(k)])
    return maps


def _inside(positions, stride):
    """The outputs whose element is inside, and those elements, as slices."""
    inside = np.flatnonzero(positions >= 0)
    if not inside.size:
        return slice(0, 0), slice(0, 0)
    first, last = inside[0], inside[-1]
    return slice(first, last + 1), slice(positions[first], positions[last] + 1, stride)


def gather_columns(x, columns, window, padding_mode):
    """Writes windows of x (..., C, *spatial) to columns (..., C, *kernel, *outputs)."""
    maps, rank = _positions(window, padding_mode), window.rank
    if padding_mode == "zeros":
        columns[...] = 0
    for tap in product(*map(range, window.kernel)):
        positions = [maps[axis][j] for axis, j in enumerate(tap)]
        target = columns[(Ellipsis, *tap, *[slice(None)] * rank)]
        if padding_mode == "zeros":
            outputs, elements = zip(*map(_inside, positions, window.stride), strict=True)
            np.copyto(target[(Ellipsis, *outputs)], x[(Ellipsis, *elements)], casting="unsafe")
        else:
            np.copyto(target, x[(Ellipsis, *np.ix_(*positions))], casting="unsafe")


def scatter_columns(columns, padded, window):
    """Adds columns (..., C, *kernel, *outputs) to where they came from in the padded array, which holds zeros."""
    rank, outputs = window.rank, window.outputs()
    for tap in product(*map(range, window.kernel)):
        taken = [slice(j * d, j * d + (n - 1) * s + 1, s)
                 for j, d, s, n in zip(tap, window.dilation, window.stride, outputs, strict=True)]
        padded[(Ellipsis, *taken)] += columns[(Ellipsis, *tap, *[slice(None)] * rank)]


def fold(padded, window, padding_mode):
    """The adjoint of padding: adds each element of the border to the one that it was copied from."""
    rank = window.rank
    for axis, (n, before, after) in enumerate(zip(window.sizes, window.before, window.after, strict=True)):
        lead = (slice(None),) * (padded.ndim - rank + axis)
        inner = padded[(*lead, slice(before, before + n))]
        if padding_mode != "zeros" and before + after:
            sources = np.pad(np.arange(n), (before, after), mode=_PAD_MODES.get(padding_mode, padding_mode))
            for i in (*range(before), *range(before + n, before + n + after)):
                inner[(*lead, sources[i])] += padded[(*lead, i)]
        padded = inner
    return padded
