"""Phases of a transposed layer, axis by axis: which of its outputs are those of which plain layer.

Output o meets input i at tap j where o = i * stride + j * dilation - before. With g the greatest common divisor of
stride and dilation, outputs of one phase, o % stride, meet every (stride / g)-th tap from some j < stride / g on, with
inputs dilation / g apart. Phases are listed by that first tap, so that there are never more of them than taps: outputs
of other phases meet no input at all.

A part of an axis is a tuple (outputs, taps, dilation, offset, up): slices, the taps backwards, and what `record` wants.
"""
from math import gcd


cdef Py_ssize_t floor_divide(Py_ssize_t a, Py_ssize_t b):
    """a // b for b > 0, rounded down for a < 0, too."""
    return a // b if a >= 0 else -((b - 1 - a) // b)


cdef list phases_of_axis(Py_ssize_t n, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation, Py_ssize_t before,
                         Py_ssize_t tiles=1):
    """The phases that meet taps. With `tiles`, a phase is cut into the outputs of inputs that are so many apart."""
    cdef Py_ssize_t g = gcd(stride, dilation), step = stride // g, apart = dilation // g, j, first, last, m
    cdef list parts = []
    for j in range(min(step, taps)):
        first = j * dilation - before
        first -= floor_divide(first, stride) * stride
        m = (taps - j + step - 1) // step
        last = j + (m - 1) * step
        for _ in range(tiles):
            if first >= n:
                break
            parts.append((slice(first, n, stride * tiles), slice(last, j - 1 if j else None, -step), apart,
                          (m - 1) * apart - (first + before - j * dilation) // stride, 1))
            first += stride
    return parts


cdef list bundles_of_axis(Py_ssize_t n, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation, Py_ssize_t before):
    """Neighbouring phases with equally many taps and the same inputs, tuples (first tap, phases, taps of a phase,
    outputs of a phase, the first of them, dilation, offset).

    The phases' first outputs lie `dilation` apart. There are at most four bundles where the dilation is 1.
    """
    cdef Py_ssize_t g = gcd(stride, dilation), step = stride // g, apart = dilation // g, j, m, low, high
    cdef list bundles = []
    cdef tuple key, last_key = None
    for j in range(min(step, taps)):
        m = (taps - j + step - 1) // step
        low = -floor_divide(j * dilation - before, stride)    # outputs low * stride + j * dilation - before and on
        high = floor_divide(n - 1 + before - j * dilation, stride)
        key = m, low, high
        if key == last_key:
            bundles[len(bundles) - 1][1] += 1
        elif low <= high:
            bundles.append([j, 1, m, high - low + 1, low * stride + j * dilation - before, apart,
                            (m - 1) * apart - low])
        last_key = key if low <= high else None
    return bundles


cdef list inside(tuple part, Py_ssize_t n, Py_ssize_t inputs, Py_ssize_t step=1):
    """A phase cut where windows reach over the ends of `inputs` elements: pieces whose taps all meet one.

    What meets none is left out. Output u of the phase meets, at its tap t, element u * step + t * dilation - offset.
    """
    cdef list pieces = []
    cdef Py_ssize_t dilation = part[2], offset = part[3], u = 0, low, high, stop, first, way, tap, back
    outputs, taps = range(*part[0].indices(n)), part[1]
    first, way, tap, back = outputs.start, outputs.step, taps.start, -taps.step
    cdef Py_ssize_t last = (tap - (-1 if taps.stop is None else <Py_ssize_t> taps.stop) - 1) // back
    while u < len(outputs):
        low = max(0, -floor_divide(u * step - offset, dilation))
        high = min(last, floor_divide(inputs - 1 + offset - u * step, dilation))
        stop = floor_divide(inputs - 1 + offset - high * dilation, step) + 1
        if low:
            stop = min(stop, floor_divide(offset - (low - 1) * dilation - 1, step) + 1)
        stop = min(stop, <Py_ssize_t> len(outputs))
        if low <= high:
            pieces.append((slice(first + u * way, first + (stop - 1) * way + 1, way),
                           slice(tap - low * back, tap - high * back - 1 if tap - high * back else None, -back),
                           dilation, offset - u * step - low * dilation, part[4]))
        u = stop
    return pieces


cdef Py_ssize_t outputs_of(list parts, Py_ssize_t n):
    """How many of an axis's n outputs the parts hold."""
    return sum([len(range(*part[0].indices(n))) for part in parts])
