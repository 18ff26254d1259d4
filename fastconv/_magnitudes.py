"""Sums over windows of data of many magnitudes, by transforms that err everywhere as their largest element demands.

A Fourier transform errs at every output in proportion to the largest element of all. What is promised is an error in
proportion to the largest element of an output's own window, an exact zero where a window holds nothing else, and that
NaN, infinities and huge values reach no window but those that hold them. So the data of one transform are made even:

* NaN is replaced by 0, and given to the outputs whose windows held one;
* few elements that are infinite, or stand out, are replaced by 0, and their products added where they belong;
* a few outputs whose windows hold only small elements are named, to be summed directly;
* else elements are divided into bands by the least of the maxima of the windows that hold them. Each band is
  transformed by itself, and added only to outputs whose windows reach up to it.

Data are even when no window's largest element is `reach` times smaller than the largest of all. That is found out from
a few intervals of each axis, of which every window holds one, so that it costs little more than a pass over the data.

An error is then at most 4 eps log2(4 n) sum(|kernel|) max(|x| in the window) for n taps.
"""
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from math import log2, prod
from typing import Any

import numpy as np

from fastconv import _pool_geometry
from fastconv._isa import kernels

_reduce = kernels("pool").reduce

_REACH = 3                    # times log2(taps): transforms alone err by less than 2 eps times the largest element
_ROUNDS = 3                   # of setting elements aside, each of which may show others that stand out
_MOST_ASIDE = 256             # elements: their products are added one after the other, each with its own rounding
_ADDED_SECONDS = 5e-6         # what adding an element's products costs in Python,
_BOX_SECONDS = 30e-6          # and what a box of outputs does that is summed directly
_PRODUCT_SECONDS = 1e-9       # an element's products, one by one
_SAFE = {"f": 20, "d": 200, "g": 4000}    # exponents of magnitudes whose transforms are far from the ends of the range


def reach(taps) -> float:
    """How far below the largest element of all that of a window may be."""
    return _REACH * max(1.0, log2(prod(taps)))


def magnitudes(x):
    """The absolute values, of complex numbers those of the larger part."""
    return np.abs(x) if x.dtype.kind != "c" else np.maximum(np.abs(x.real), np.abs(x.imag))


def largest_magnitude(x):
    """Of all elements, without an array of magnitudes; NaN where there is one."""
    if x.dtype.kind == "c":
        return np.maximum(largest_magnitude(x.real), largest_magnitude(x.imag))
    return np.maximum(x.max(), -x.min())


def exponent(largest, dtype) -> int:
    """The power of two by which to divide data with this largest magnitude before they are transformed."""
    power = int(np.frexp(largest)[1])
    return power if abs(power) > _SAFE[np.dtype(dtype).char.lower()] else 0


def scaled(x, power):
    """x times a power of two, which may itself be too large to be a number."""
    if not power:
        return x
    if x.dtype.kind != "c":
        return np.ldexp(x, power)
    return np.ldexp(x.view(x.real.dtype), power).view(x.dtype)


# ---------------------------------------------------------------- windows

def _intervals(n, outputs, taps, before):
    """Intervals of an axis of n elements such that each output's window holds the one that is chosen for it.

    Returns their starts, their lengths, and the first output of each, whose outputs follow each other. Whole windows
    hold one of the cells that are half as long; those cut off by an end of the axis hold a power of two next to it.
    """
    cell, whole = (taps + 1) // 2, min(n - taps + before, outputs - 1)    # the last output of a whole window
    starts, lengths, firsts, output = [], [], [], 0
    while output < min(before, whole + 1):    # windows that begin before the axis
        stop = output - before + taps
        length = cell if stop >= cell else 1 << (stop.bit_length() - 1)
        starts.append(0)
        lengths.append(length)
        firsts.append(output)
        output = min(before, whole + 1, output + ((taps if length == cell else min(2 * length, cell)) - stop))
    if output < min(before, outputs):    # windows that hold all of it
        starts.append(0)
        lengths.append(n)
        firsts.append(output)
        output = min(before, outputs)
    if output <= whole:
        first, last = -(-(output - before) // cell), -(-(whole - before) // cell)
        cells = range(first, last + 1)
        starts += [i * cell for i in cells]
        lengths += [cell] * len(cells)
        firsts += [max(output, (i - 1) * cell + before + 1) for i in cells]
        output = whole + 1
    while output < outputs:    # windows that end behind it
        left = n - (output - before)
        length = min(cell, n) if left >= cell else 1 << (left.bit_length() - 1)
        starts.append(n - length)
        lengths.append(length)
        firsts.append(output)
        output += left - length + 1
    return np.array(starts, np.intp), np.array(lengths, np.intp), np.array([*firsts, outputs], np.intp)


def _periodic_intervals(n, taps):
    """Intervals of a periodic axis of which every window holds one; they say nothing of outputs."""
    cell = n if taps >= n else (taps + 2) // 3
    starts = np.arange(n // cell, dtype=np.intp) * cell
    return starts, np.full(len(starts), cell, np.intp), None


_known_intervals = lru_cache(maxsize=256)(_intervals)
_known_periodic_intervals = lru_cache(maxsize=256)(_periodic_intervals)


@dataclass(frozen=True)
class Windows:
    """Where the windows on an array are: output o of an axis sees as many elements as there are taps, from o - before.

    Beyond the ends there is nothing. If the array is periodic, it goes on there, has an output for each of its
    elements, and no more taps than elements.
    """

    sizes: tuple[int, ...]
    outputs: tuple[int, ...]
    taps: tuple[int, ...]
    before: tuple[int, ...]
    periodic: bool = False

    @cached_property
    def intervals(self):
        if self.periodic:
            return tuple(map(_known_periodic_intervals, self.sizes, self.taps))
        return tuple(map(_known_intervals, self.sizes, self.outputs, self.taps, self.before))

    def _extremes(self, x, smallest):
        tables = [(starts, lengths) for starts, lengths, _ in self.intervals]
        record, y = _pool_geometry.extremes_within(x, tables, smallest)
        _reduce(record, 1)
        return y

    def reached(self, x):
        """The largest magnitudes in the intervals of all axes."""
        if x.dtype.kind == "c":
            return np.maximum(self.reached(x.real), self.reached(x.imag))
        return np.maximum(self._extremes(x, False), -self._extremes(x, True))

    def largest(self, a):
        """The largest element of each output's window."""
        pads = [(b, o + t - 1 - b - n) for n, o, t, b in
                zip(self.sizes, self.outputs, self.taps, self.before, strict=True)]
        if self.periodic:
            a, pads = np.pad(a, pads, mode="wrap"), 0
        (record,), y, _ = _pool_geometry.max_pool(
            a, self.taps, 1, pads, 1, False, False, "channels_first", None, None, a.ndim, False)
        _reduce(record, 1)
        return y

    def least(self, y):
        """The smallest of the outputs whose windows hold an element, for each element."""
        before = tuple(t - 1 - b for t, b in zip(self.taps, self.before, strict=True))
        return -Windows(self.outputs, self.sizes, self.taps, before, self.periodic).largest(-y)

    def turns(self, axis):
        """The periods in which a window meets the array, if it is periodic: elements to add to their places."""
        return (-self.sizes[axis], 0, self.sizes[axis]) if self.periodic else (0,)

    def seeing(self, place):
        """Outputs that see an element, and the taps, counted backwards, at which they do: pairs of tuples of slices."""
        axes = []
        for axis, (outputs, taps, before) in enumerate(zip(self.outputs, self.taps, self.before, strict=True)):
            firsts = [place[axis] + turn + before - taps + 1 for turn in self.turns(axis)]
            axes.append(_overlaps(firsts, outputs, taps))
        return [tuple(zip(*piece, strict=True)) for piece in product(*axes)]

    def meeting(self, tap):
        """Outputs at which a tap meets an element, and those elements: pairs of tuples of slices."""
        axes = []
        for axis, (outputs, size, before) in enumerate(zip(self.outputs, self.sizes, self.before, strict=True)):
            firsts = [before - tap[axis] + turn for turn in self.turns(axis)]
            axes.append(_overlaps(firsts, outputs, size))
        return [tuple(zip(*piece, strict=True)) for piece in product(*axes)]


def _overlaps(firsts, outputs, size):
    """Where stretches of `size` that begin at `firsts` lie among the outputs, and which part of a stretch does."""
    return [(slice(max(0, first), min(outputs, first + size)), slice(max(0, -first), min(outputs - first, size)))
            for first in firsts if first < outputs and first + size > 0]


# ---------------------------------------------------------------- kernels

_MOST_APART = 8
_STANDS_OUT = 2.0**10


@dataclass(frozen=True)
class Kernel:
    """A kernel as elements are multiplied with it: `even` is transformed, after a division by 2 to the `exponent`;
    `apart` holds the few taps that stand out, by their places."""

    given: np.ndarray
    even: np.ndarray
    apart: tuple[tuple[tuple[int, ...], Any], ...] = ()
    exponent: int = 0
    is_zero: bool = False

    @property
    def sign(self):
        """That of all taps, 0 if there are several or taps of zero."""
        return 0 if self.given.dtype.kind == "c" else int((self.given > 0).all()) - int((self.given < 0).all())

    def products(self, value):
        """An element times all taps but those apart, backwards."""
        products = value * self.even
        for place, _ in self.apart:
            products[place] = 0    # where an infinite element times 0 would not be
        return np.flip(products)


def _apart(a):
    """Indices of the few taps of these magnitudes that are not finite or far above all others; None if those that are
    not finite are too many."""
    a = np.where(np.isnan(a), np.inf, a)
    few = min(_MOST_APART, a.size)
    order = np.argpartition(a, a.size - few)[a.size - few:]
    order = order[np.argsort(-a[order], kind="stable")]
    down = np.array([*a[order], np.delete(a, order).max(initial=0)])
    if np.isinf(down[-1]):
        return None
    gaps = np.flatnonzero(np.isinf(down[:-1]) | (down[:-1] > _STANDS_OUT * down[1:]))
    return order[:gaps[-1] + 1] if gaps.size else ()


def split_kernel(w):
    """The kernel with the taps that stand out apart; None if too many are not finite."""
    top = largest_magnitude(w)
    some = magnitudes(w.ravel()[:4096])
    if np.isfinite(top) and np.count_nonzero(some > top / _STANDS_OUT) > _MOST_APART:    # more than could stand out
        return Kernel(w, w, exponent=exponent(top, w.dtype))
    a = magnitudes(w).ravel()
    apart = _apart(a)
    if apart is None:
        return None
    places = [tuple(map(int, np.unravel_index(i, w.shape))) for i in apart]
    even = w.copy() if places else w
    for i, place in zip(apart, places, strict=True):
        even[place] = a[i] = 0
    top = a.max()
    return Kernel(w, even, tuple((place, w[place]) for place in places), exponent(top, w.dtype), top == 0)


# ---------------------------------------------------------------- sums

@dataclass(frozen=True)
class Transform:
    """Sums over windows by a transform: `apply(x)` is for data that are even. Seconds of that, and of a product."""

    apply: Callable[[np.ndarray], np.ndarray]
    seconds: float
    product_seconds: float


class _Stretch:
    """The data of one transform, made even: what is left of `x` as elements are set aside, and its magnitudes `a`."""

    def __init__(self, x, windows, kernel, transform):
        self.x, self.windows, self.kernel, self.transform = x, windows, kernel, transform
        self.given, self.known = x, []    # outputs that are known to be a value: pairs of a mask and the value
        self.aside = []    # elements: pairs of place and value
        taps = prod(windows.taps)
        self.room = min(_MOST_ASIDE, int(transform.seconds / (_ADDED_SECONDS + _PRODUCT_SECONDS * taps)) + 1)
        self.reach = reach(windows.taps)
        self.output_seconds = transform.product_seconds * (taps + 8)

    @cached_property
    def a(self):
        return magnitudes(self.x)

    def set_aside(self, which):
        """Takes elements out, to be added by themselves; False if they are too many."""
        if len(self.aside) + np.count_nonzero(which) > self.room:
            return False
        self.aside += [(tuple(place), self.x[tuple(place)]) for place in np.argwhere(which)]
        self.blank(which)
        return True

    def blank(self, which):
        if self.x is self.given:
            self.x = self.given.copy()
        self.x[which] = self.a[which] = 0

    def know(self, which, value):
        """Takes elements out whose windows' sums are a value, whatever else they hold, but for those known later."""
        if which.any():
            self.known.append((self.windows.largest(which), value))
            self.blank(which)

    def take_out_nonfinite(self):
        """NaN and infinities; False if there are too many infinities whose products have different signs."""
        if np.isfinite(largest_magnitude(self.x)):
            return True
        missing = np.isnan(self.a)
        if not self.set_aside(np.isinf(self.a)):
            if not self.kernel.sign:
                return False
            for value in (np.inf, -np.inf):
                self.know(self.x == value, value * self.kernel.sign)
            if len(self.known) == 2:
                self.known.append((self.known[0][0] & self.known[1][0], np.nan))
        self.know(missing, np.nan)
        return True

    def level(self):
        """Sets aside what stands out. Returns the intervals' largest elements, and the largest of all."""
        for _ in range(_ROUNDS):
            reached, top = self.windows.reached(self.x), largest_magnitude(self.x)
            limit = reached.min() * self.reach
            if top <= limit or not self.set_aside(self.a > limit):
                return reached, top
        return self.windows.reached(self.x), largest_magnitude(self.x)

    def low_boxes(self, low):
        """Boxes of outputs whose intervals are low, or None if another way is better."""
        if self.windows.periodic:
            return None
        firsts = [axis[2] for axis in self.windows.intervals]
        found = np.argwhere(low)
        sizes = np.prod([np.diff(axis)[index] for axis, index in zip(firsts, found.T, strict=True)], axis=0)
        if len(found) * _BOX_SECONDS + sizes.sum() * self.output_seconds > self.transform.seconds / 2:
            return None
        return [tuple(slice(int(axis[i]), int(axis[i + 1])) for axis, i in zip(firsts, index, strict=True))
                for index in found]

    def transformed(self, x, top):
        """The sums of even data, None if they overflow."""
        power = exponent(top, x.dtype)
        y = scaled(self.transform.apply(scaled(x, -power)), power + self.kernel.exponent)
        return y if np.isfinite(y).all() else None

    def banded(self, top):
        """The sums band by band, None if direct ones are better or they overflow."""
        seen = self.windows.largest(self.a)
        level, y, seconds = self.windows.least(seen), 0, 0.0
        while top > 0:
            bottom = top / self.reach
            band = level >= bottom
            level[band] = -1
            x = np.where(band, self.x, 0)
            if not (np.count_nonzero(x) <= self.room // 4 and self.set_aside(x != 0)):
                seconds += self.transform.seconds
                sums = self.transformed(x, top)
                if sums is None or seconds > seen.size * self.output_seconds:
                    return None
                y = y + np.where(seen >= bottom, sums, 0)
            top = level.max()
        return np.zeros(self.windows.outputs, self.x.dtype) + y

    def add_apart(self, y):
        """Adds the products of elements that were set aside, and of taps that stand out."""
        for place, value in self.aside:
            products = self.kernel.products(value)
            for outputs, taps in self.windows.seeing(place):
                y[outputs] += products[taps]
        for tap, weight in self.kernel.apart:
            term = np.full(y.shape, weight * 0, y.dtype) if not np.isfinite(weight) else y
            for outputs, elements in self.windows.meeting(tap):
                if term is y:
                    y[outputs] += weight * self.given[elements]
                else:
                    term[outputs] = weight * self.given[elements]
            if term is not y:
                y += term
        for which, value in self.known:
            y[which] = value
        return y

    def sums(self):
        if not self.take_out_nonfinite():
            return None, []
        reached, top = self.level()
        low, boxes = reached * self.reach < top, []
        if top == 0 or self.kernel.is_zero:
            y = np.zeros(self.windows.outputs, self.x.dtype)
        elif not low.any() or (boxes := self.low_boxes(low)):
            y = self.transformed(self.x, top)
        else:
            boxes, y = [], self.banded(top)
        return (None, []) if y is None else (self.add_apart(y), boxes)


def summed(x, windows, kernel, transform):
    """The sums of each output, or None if a direct sum is better; and boxes of outputs that want one in any case."""
    return _Stretch(x, windows, kernel, transform).sums()


_SAMPLES = 8                  # of a cell that tell enough of data that are even


def sampling(cell):
    """Steps along the axes that leave some elements of each cell, and the cells, whole steps of them."""
    steps, left = [], prod(cell) // _SAMPLES
    for n in cell:    # rows first, which spares their cache lines
        steps.append(max(1, min(n, left)))
        left //= steps[-1]
    return tuple(steps), tuple(n // step * step for n, step in zip(cell, steps, strict=True))


def even(stack, cell, inside, taps, steps=None):
    """Which arrays of a stack can be transformed as they are, if each window holds one of the cells `inside` them.

    With `steps`, cells are told by elements so far apart.
    """
    axes, steps = tuple(range(1, stack.ndim)), steps or (1,) * len(cell)
    sampled = magnitudes(stack[(slice(None), *(slice(None, None, step) for step in steps))])
    kernel = tuple(n // step for n, step in zip(cell, steps, strict=True))
    (record,), cells, _ = _pool_geometry.max_pool(
        sampled, kernel, kernel, 0, 1, False, False, "channels_first", None, None, len(cell), False)
    _reduce(record, 1)
    least = np.array([some[held].min() for some, held in zip(cells, inside, strict=True)])
    parts = (stack.real, stack.imag) if stack.dtype.kind == "c" else (stack,)
    top = np.max([np.maximum(part.max(axes), -part.min(axes)) for part in parts], axis=0)
    most = np.ldexp(top.dtype.type(1), _SAFE[top.dtype.char])
    return (top <= least * reach(taps)) & (top < most) & (top > 1 / most)
