"""Norms of single windows, of elements over the largest, so that no power leaves the range of numbers; and gradients.

norm = scale * (sum of (|x| / scale) ** p) ** (1 / p), and d norm / d x = sign(x) * (|x| / norm) ** (p - 1). The scale
is the largest element, or the power of two below it, which does not round, where powers of up to 2 are no matter.
"""
from libc.math cimport INFINITY, frexpl, ldexpl
from libc.stdint cimport uint8_t

from fastconv.kernels.finish cimport power, root
from fastconv.kernels.lines cimport line_copier, line_copy
from fastconv.kernels.pooling cimport Pool, Pooling, Taps, window_of
from fastconv.kernels.problem cimport MAX_RANK

cdef enum:
    HELD = 64                  # elements at once
    MOST = 64                  # p up to which elements are divided by a power of two

ctypedef fused Real:
    double
    longdouble

cdef struct Norm:              # of a window, in the larger of the types
    longdouble largest
    longdouble scale           # what elements are divided by before they are raised
    longdouble total           # of the powers
    longdouble left            # what rounding took from it


cdef inline Real magnitude(Real x) noexcept nogil:
    return -x if x < 0 else x


cdef inline void add_elements(Norm* norm, const Real* held, Py_ssize_t n, Real p, bint adds) noexcept nogil:
    """To the largest; or, when that is known, to the sum."""
    cdef Py_ssize_t i
    cdef Real x, total, scale = <Real> norm.scale
    for i in range(n):
        x = magnitude(held[i])
        if not adds:
            if x > norm.largest or x != x:
                norm.largest = x
            if norm.largest != norm.largest:
                return
        elif x > 0:
            x = power(x / scale, p) + <Real> norm.left
            total = <Real> norm.total + x
            norm.left = x - (total - <Real> norm.total)
            norm.total = total


cdef void add_window(const Pool* s, line_copy gather, const Py_ssize_t* at, int axis, const char* x, Norm* norm,
                     Real p, bint adds) noexcept nogil:
    """Of the window of the output `at`, from an axis inward."""
    cdef Taps taps = window_of(s, axis, at[axis])
    cdef Py_ssize_t step = taps.step * s.x_stride[axis], i, n
    cdef Real held[HELD]
    x += taps.first * s.x_stride[axis]
    if axis < s.rank - 1:
        for i in range(taps.n):
            add_window(s, gather, at, axis + 1, x + i * step, norm, p, adds)
        return
    while taps.n > 0:
        n = min(HELD, taps.n)
        gather(<char*> held, sizeof(Real), x, step, n)
        add_elements(norm, held, n, p, adds)
        x += n * step
        taps.n -= n


cdef Norm norm_of(const Pool* s, line_copy gather, const Py_ssize_t* at, const char* x, Real p) noexcept nogil:
    """The largest element, and the sum of what the others are to it."""
    cdef Norm norm
    cdef int exponent
    norm.largest = norm.total = norm.left = 0
    add_window(s, gather, at, 0, x, &norm, p, False)
    norm.scale = norm.largest
    if 0 < norm.largest < <longdouble> INFINITY:
        if 1 <= p <= MOST:
            frexpl(norm.largest, &exponent)
            norm.scale = ldexpl(1, exponent - 1)
        add_window(s, gather, at, 0, x, &norm, p, True)
    else:
        norm.total = 1
    return norm


cdef Real scaled(const Pool* s, line_copy gather, const Py_ssize_t* at, const char* x, Real p) noexcept nogil:
    cdef Norm norm = norm_of(s, gather, at, x, p)
    return <Real> norm.scale * root(<Real> norm.total, p)


cdef double scaled_norm(const Pool* s, line_copy gather, const Py_ssize_t* at, const char* x, double p) noexcept nogil:
    return scaled(s, gather, at, x, p)


cdef longdouble scaled_long_norm(const Pool* s, line_copy gather, const Py_ssize_t* at, const char* x,
                                 longdouble p) noexcept nogil:
    return scaled(s, gather, at, x, p)


# ---------------------------------------------------------------- the gradient

cdef void spread_window(const Pool* s, const Py_ssize_t* at, int axis, const char* x, char* dx, Real dy,
                        const Norm* norm, Real p) noexcept nogil:
    """dx += dy * sign(x) * (|x| / norm) ** (p - 1), from an axis inward; dx lies as x does."""
    cdef Taps taps = window_of(s, axis, at[axis])
    cdef Py_ssize_t first = taps.first * s.x_stride[axis], step = taps.step * s.x_stride[axis], i
    cdef Real value
    cdef longdouble slope
    for i in range(taps.n):
        if axis < s.rank - 1:
            spread_window(s, at, axis + 1, x + first + i * step, dx + first + i * step, dy, norm, p)
            continue
        value = (<const Real*> (x + first + i * step))[0]
        if value != 0:
            # The slope alone may leave the range, too.
            slope = power(magnitude(<longdouble> value) / norm.scale, <longdouble> p - 1)
            slope *= dy * power(norm.total, 1 / <longdouble> p - 1)
            (<Real*> (dx + first + i * step))[0] += <Real> (-slope if value < 0 else slope)


cdef void spread_item(const Pool* s, Py_ssize_t index, const uint8_t* chosen, const Real* dy, Real* dx,
                      Real p) noexcept nogil:
    """All chosen outputs of an item, which are numbered from its first on."""
    cdef Py_ssize_t at[MAX_RANK]
    cdef Py_ssize_t i, c, left, outputs = 1, offset = 0
    cdef int axis
    cdef Norm norm
    cdef line_copy gather = line_copier(s.x_element, s.element)
    for axis in range(s.leading - 1, -1, -1):
        offset += index % s.leading_size[axis] * s.x_leading[axis]
        index //= s.leading_size[axis]
    for axis in range(s.rank):
        outputs *= s.out_size[axis]
    for i in range(outputs * s.inner):
        if not chosen[i]:
            continue
        c, left = i % s.inner, i // s.inner
        for axis in range(s.rank - 1, -1, -1):
            at[axis] = left % s.out_size[axis]
            left //= s.out_size[axis]
        norm = norm_of(s, gather, at, s.x + offset + c * s.x_inner, p)
        if norm.largest != 0:
            spread_window(s, at, 0, s.x + offset + c * s.x_inner, <char*> dx + offset + c * s.x_inner, dy[i], &norm, p)


cdef void spread_all(const Pool* s, const uint8_t* chosen, const Real* dy, Real* dx) noexcept nogil:
    cdef Py_ssize_t items = 1, outputs = s.inner, i
    cdef int axis
    for axis in range(s.leading):
        items *= s.leading_size[axis]
    for axis in range(s.rank):
        outputs *= s.out_size[axis]
    for i in range(items):
        spread_item(s, i, chosen + i * outputs, dy + i * outputs, dx, <Real> s.power)


def spread_slopes(Pooling problem, const uint8_t[::1] chosen, const Real[::1] dy, Real[::1] dx):
    """Adds the derivatives of the chosen norms of a record to dx. All arrays are contiguous, x of the record too."""
    cdef const Pool* s = &problem.pool
    if dy.shape[0] and dx.shape[0]:
        with nogil:
            spread_all(s, &chosen[0], &dy[0], &dx[0])
