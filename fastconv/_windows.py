"""Windows as columns and back, and the adjoint of padding: moves and sums of whole slices, which NumPy does well.

Work and memory grow with the columns and with what they are made of, not with the padding or with steps: positions are
computed, one for each column and tap, and loops run over the taps of an axis or over its outputs, whichever are fewer.
"""
from itertools import product

import numpy as np

from fastconv.kernels.add import add


def _within(i, n, padding_mode):
    """Of an axis of `n` elements, the one that index `i` of its continuation is copied from."""
    if padding_mode == "circular":
        return i % n
    if padding_mode == "replicate":
        return np.clip(i, 0, n - 1)
    period = max(2 * n - 2 * (padding_mode == "reflect"), 1)
    i = i % period
    return np.where(i < n, i, period - i - (padding_mode == "symmetric"))


def _axes(window):
    """What there is to know of each axis: size, taps, stride, dilation, padding before, outputs."""
    return zip(window.sizes, window.kernel, window.stride, window.dilation, window.before, window.outputs(),
               strict=True)


def _met(n, first, step, count):
    """Of elements first + i * step, i < count, those within n: a slice of i, and the elements as a slice."""
    low = max(0, -(first // step))
    high = max(low, min(count, (n - 1 - first) // step + 1))
    return slice(low, high), slice(first + low * step, first + (high - 1) * step + 1, step) if low < high else slice(0)


def _moves(window, padding_mode):
    """For each axis a list of moves (taps, outputs, elements): a tap and many outputs, or an output and many taps.

    The elements are a slice; where the padding is copied from the input, an array.
    """
    axes = []
    for n, k, s, d, before, m in _axes(window):
        moves = []
        for i in range(min(k, m)):
            first, step, count = (i * d - before, s, m) if k <= m else (i * s - before, d, k)
            many, elements = slice(None), None
            if padding_mode == "zeros":
                many, elements = _met(n, first, step, count)
            else:
                elements = _within(np.arange(count) * step + first, n, padding_mode)
            moves.append((i, many, elements) if k <= m else (many, i, elements))
        axes.append(moves)
    return axes


def _pairs(x, columns, window, padding_mode):
    """Views of columns (..., C, *kernel, *outputs), and of what of x (..., C, *spatial) they meet, move by move."""
    first = x.ndim - window.rank
    axes = _moves(window, padding_mode)
    # in columns, the taps of all axes come first
    order = sorted(range(window.rank), key=lambda axis: window.kernel[axis] <= window.outputs()[axis])
    order = (*range(first), *(first + axis for axis in order))
    for moves in product(*axes):
        taps, outputs, elements = zip(*moves, strict=True)
        elements = elements if padding_mode == "zeros" else np.ix_(*elements)
        yield columns[(Ellipsis, *taps, *outputs)], x[(Ellipsis, *elements)].transpose(order)


def gather_columns(x, columns, window, padding_mode):
    """Writes windows of x (..., C, *spatial) to columns (..., C, *kernel, *outputs)."""
    if padding_mode == "zeros" and any(window.before + window.after):
        columns[...] = 0
    with np.errstate(all="ignore"):
        for target, seen in _pairs(x, columns, window, padding_mode):
            np.copyto(target, seen, casting="unsafe")


def scatter_columns(columns, x, window):
    """Adds columns (..., C, *kernel, *outputs) to where they came from in x, which holds zeros."""
    with np.errstate(all="ignore"):
        for column, target in _pairs(x, columns, window, "zeros"):
            add(target, column)


def _add_along(target, values, positions, axis):
    """Adds slices of `values` along an axis to those of `target` at `positions`, of which many may be the same."""
    order = np.argsort(positions, kind="stable")
    places, starts = np.unique(positions[order], return_index=True)
    lead = (slice(None),) * axis
    target[(*lead, places)] += np.add.reduceat(values[(*lead, order)], starts, axis, target.dtype)


def fold(spread, window, padding_mode):
    """The adjoint of padding, of what windows were added up to: see `Window.apart`, which says where.

    Each element of the border is added to the one that it was copied from.
    """
    sizes = window.apart().sizes
    with np.errstate(all="ignore"):
        for axis, (n, k, s, d, before, m) in enumerate(_axes(window)):
            after, at = window.after[axis], spread.ndim - window.rank + axis
            lead = (slice(None),) * at
            if sizes[axis] == before + n + after:
                inner, places = spread[(*lead, slice(before, before + n))], np.r_[:before, before + n:sizes[axis]]
                border = places - before
            else:    # window by window
                inner = np.zeros((*spread.shape[:at], n, *spread.shape[at + 1:]), spread.dtype)
                places, border = slice(None), np.add.outer(np.arange(m) * s, np.arange(k) * d).ravel() - before
            if border.size:
                _add_along(inner, spread[(*lead, places)], _within(border, n, padding_mode), at)
            spread = inner
    return spread
