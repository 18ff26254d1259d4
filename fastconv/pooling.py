"""Pooling: the largest, the smallest, the sum, the mean or a norm of each window, for any rank and dtype."""
from inspect import signature

import numpy as np

from fastconv import _pool_geometry as gate
from fastconv import _route
from fastconv._layer_geometry import finished

# ---------------------------------------------------------------- what the names have in common

def _with_indices(records, y, found, out, workers):
    _route.run_pools(records, workers)
    y = finished(y, out)
    return y if found is None else (y, found)


def _plain(records, y, out, workers):
    _route.run_pools(records, workers)
    return finished(y, out)


def _rounded(records, y, rest, out, workers):
    """Means; those of integers too large for floating point come as two exact sums."""
    _route.run_pools(records, workers)
    if rest is not None:
        high, low, divisor, inner = rest
        quotients = y if y.dtype == np.float64 and y.flags.carray else np.empty(y.shape)
        _route.round_quotients(high.reshape(-1), low.reshape(-1), divisor, inner, quotients.reshape(-1), workers)
        if quotients is not y:
            with np.errstate(all="ignore"):
                y[...] = quotients
    return finished(y, out)


def _max_pool(rank, x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False, *,
              layout="channels_first", out=None, dtype=None, workers=None):
    _route.check_workers(workers)
    return _with_indices(*gate.max_pool(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout,
                                        out, dtype, rank, False), out, workers)


def _min_pool(rank, x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False, *,
              layout="channels_first", out=None, dtype=None, workers=None):
    _route.check_workers(workers)
    return _with_indices(*gate.max_pool(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout,
                                        out, dtype, rank, True), out, workers)


def _avg_pool(rank, x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
              divisor_override=None, *, dilation=1, layout="channels_first", out=None, dtype=None, workers=None):
    _route.check_workers(workers)
    return _rounded(*gate.avg_pool(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override,
                                   dilation, layout, out, dtype, rank), out, workers)


def _sum_pool(rank, x, kernel_size, stride=None, padding=0, ceil_mode=False, *, dilation=1, layout="channels_first",
              out=None, dtype=None, workers=None):
    _route.check_workers(workers)
    return _plain(*gate.sum_pool(x, kernel_size, stride, padding, dilation, ceil_mode, layout, out, dtype, rank), out,
                  workers)


def _lp_pool(rank, x, norm_type, kernel_size, stride=None, ceil_mode=False, *, padding=0, dilation=1,
             layout="channels_first", out=None, dtype=None, workers=None):
    _route.check_workers(workers)
    return _plain(*gate.lp_pool(x, norm_type, kernel_size, stride, padding, dilation, ceil_mode, layout, out, dtype,
                                rank), out, workers)


def _global_max_pool(rank, x, return_indices=False, *, layout="channels_first", out=None, dtype=None, workers=None):
    _route.check_workers(workers)
    return _with_indices(*gate.global_max_pool(x, return_indices, layout, out, dtype, rank), out, workers)


def _global_avg_pool(rank, x, *, layout="channels_first", out=None, dtype=None, workers=None):
    _route.check_workers(workers)
    return _rounded(*gate.global_avg_pool(x, layout, out, dtype, rank), out, workers)


def _adaptive_max_pool(rank, x, output_size, return_indices=False, *, layout="channels_first", out=None, dtype=None,
                       workers=None):
    _route.check_workers(workers)
    return _with_indices(*gate.adaptive_max_pool(x, output_size, return_indices, layout, out, dtype, rank), out,
                         workers)


def _adaptive_avg_pool(rank, x, output_size, *, layout="channels_first", out=None, dtype=None, workers=None):
    _route.check_workers(workers)
    return _rounded(*gate.adaptive_avg_pool(x, output_size, layout, out, dtype, rank), out, workers)


def _max_unpool(rank, x, indices, kernel_size, stride=None, padding=0, output_size=None, *, layout="channels_first",
                out=None, dtype=None, workers=None):
    _route.check_workers(workers)
    values, at, zeros, y, _ = gate.max_unpool(x, indices, kernel_size, stride, padding, output_size, layout, out, dtype,
                                              rank)
    _route.put(zeros, at, values, False, workers)
    return finished(y, out)


# ---------------------------------------------------------------- the public names

def max_pool(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False,
             *, layout="channels_first", out=None,
             dtype=None, workers=None):
    """The largest of each window: ``y[o] = max(x[o * stride + t * dilation - pad])`` over ``t``.

    The index tuples ``t`` are those of the window, axis by axis; ``pad`` is the padding before each axis. Padding is
    never the largest [1]_; NaN in a window is.

    Parameters
    ----------
    x : array_like
        The input: spatial axes last, or before the channels (`layout`), and any number of axes in front, none included.
        Boolean, integer or floating.
    kernel_size : int or tuple of int
        The window's sizes. A tuple says how many axes are spatial; a single number is for all axes after the first two.
    stride : int or tuple of int, optional
        Elements from one window to the next; the default is `kernel_size`.
    padding : int, str or tuple, optional
        Elements by which `x` is continued on both sides: one number, or for each spatial axis a number or a pair
        ``(before, after)``; ``'valid'``, ``'same'`` or ``'same_lower'`` as in `conv`. Less than the window on each
        side.
    dilation : int or tuple of int, optional
        Elements from one tap of a window to the next.
    ceil_mode : bool, optional
        Also have a last window that is not all inside the padded input, unless it would start in the padding behind.
    return_indices : bool, optional
        Also return where the largest elements are.
    layout : {'channels_first', 'channels_last'}, optional
        Whether the spatial axes are the last ones, or are followed by one of channels.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the input. With `return_indices`, the values'.
    dtype : dtype, optional
        Compare and return in this dtype; the default is the input's.
    workers : int, optional
        Threads for this call, as in `conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        The result; a spatial axis of ``n`` elements has ``(n + before + after - extent) // stride + 1``, rounded up
        with `ceil_mode`, where ``extent = dilation * (kernel - 1) + 1``.
    indices : ndarray of int64
        With `return_indices`: positions in the spatial axes of `x` as if these were one, as in torch.
        The first of several equal largest ones, in the order of memory.

    Raises
    ------
    ValueError
        If numbers are out of their range or not one for each spatial axis, `x` has too few axes or is, with its
        padding, smaller than the window, a word is unknown, `out` has another shape or is read-only, or `workers` is
        zero.
    TypeError
        If a dtype cannot be computed with, a number is not whole, or `out` cannot take the result by a same-kind cast.

    See Also
    --------
    min_pool : the other extreme.
    global_max_pool, adaptive_max_pool : windows by the size of the input.
    max_unpool : back, by the indices.
    fastconv.grad.max_pool : the gradient.

    Notes
    -----
    The bits of a result depend neither on the number of threads, nor on strides, nor on what else is in the batch. The
    cost of a window is that of its sides' logarithms, not its area, with indices, too.

    Of equal elements an index names the first, and of zeros of both signs the result then has its sign; without indices
    it may have either.
    A new result lies in memory as `x` does, if that is a Fortran-ordered array.

    References
    ----------
    .. [1] https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html
    .. [2] M. van Herk, "A fast algorithm for local minimum and maximum filters on rectangular and octagonal kernels",
       1992, and J. Gil, M. Werman, 1993: windows from smaller ones.

    Examples
    --------
    >>> from fastconv import max_pool
    >>> x = [[1, 5, 2, 0], [3, 4, 8, 6]]
    >>> max_pool(x, (2, 2))
    array([[5, 8]])
    >>> max_pool(x, (2, 2), stride=1, padding="same", return_indices=True)[1]
    array([[1, 6, 6, 7],
           [5, 6, 6, 7]])
    """
    return _max_pool(0, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout=layout, out=out,
                     dtype=dtype, workers=workers)


def min_pool(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False,
             *, layout="channels_first", out=None,
             dtype=None, workers=None):
    """The smallest of each window: ``y[o] = min(x[o * stride + t * dilation - pad])`` over ``t``.

    The index tuples ``t`` are those of the window, axis by axis; ``pad`` is the padding before each axis. Padding is
    never the smallest [1]_; NaN in a window is.

    Parameters
    ----------
    x : array_like
        The input: spatial axes last, or before the channels (`layout`), and any number of axes in front, none included.
        Boolean, integer or floating.
    kernel_size : int or tuple of int
        The window's sizes. A tuple says how many axes are spatial; a single number is for all axes after the first two.
    stride : int or tuple of int, optional
        Elements from one window to the next; the default is `kernel_size`.
    padding : int, str or tuple, optional
        Elements by which `x` is continued on both sides: one number, or for each spatial axis a number or a pair
        ``(before, after)``; ``'valid'``, ``'same'`` or ``'same_lower'`` as in `conv`. Less than the window on each
        side.
    dilation : int or tuple of int, optional
        Elements from one tap of a window to the next.
    ceil_mode : bool, optional
        Also have a last window that is not all inside the padded input, unless it would start in the padding behind.
    return_indices : bool, optional
        Also return where the smallest elements are.
    layout : {'channels_first', 'channels_last'}, optional
        Whether the spatial axes are the last ones, or are followed by one of channels.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the input. With `return_indices`, the values'.
    dtype : dtype, optional
        Compare and return in this dtype; the default is the input's.
    workers : int, optional
        Threads for this call, as in `conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        The result; a spatial axis of ``n`` elements has ``(n + before + after - extent) // stride + 1``, rounded up
        with `ceil_mode`, where ``extent = dilation * (kernel - 1) + 1``.
    indices : ndarray of int64
        With `return_indices`: positions in the spatial axes of `x` as if these were one, as in torch.
        The first of several equal smallest ones, in the order of memory.

    Raises
    ------
    ValueError
        If numbers are out of their range or not one for each spatial axis, `x` has too few axes or is, with its
        padding, smaller than the window, a word is unknown, `out` has another shape or is read-only, or `workers` is
        zero.
    TypeError
        If a dtype cannot be computed with, a number is not whole, or `out` cannot take the result by a same-kind cast.

    See Also
    --------
    max_pool : the other extreme.
    global_max_pool, adaptive_max_pool : windows by the size of the input.
    max_unpool : back, by the indices.
    fastconv.grad.max_pool : the gradient.

    Notes
    -----
    The bits of a result depend neither on the number of threads, nor on strides, nor on what else is in the batch. The
    cost of a window is that of its sides' logarithms, not its area, with indices, too.

    Of equal elements an index names the first, and of zeros of both signs the result then has its sign; without indices
    it may have either.
    A new result lies in memory as `x` does, if that is a Fortran-ordered array.

    References
    ----------
    .. [1] https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html
    .. [2] M. van Herk, "A fast algorithm for local minimum and maximum filters on rectangular and octagonal kernels",
       1992, and J. Gil, M. Werman, 1993: windows from smaller ones.

    Examples
    --------
    >>> from fastconv import min_pool
    >>> min_pool([[1, 5, 2, 0], [3, 4, 8, 6]], (2, 2))
    array([[1, 0]])
    """
    return _min_pool(0, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout=layout, out=out,
                     dtype=dtype, workers=workers)


def avg_pool(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None, *,
             dilation=1, layout="channels_first", out=None,
             dtype=None, workers=None):
    """The mean of each window: ``y[o] = sum(x[o * stride + t * dilation - pad]) / divisor[o]`` over ``t``.

    The index tuples ``t`` are those of the window, axis by axis; ``pad`` is the padding before each axis. Torch's
    arguments and rules [1]_.

    Parameters
    ----------
    x : array_like
        The input: spatial axes last, or before the channels (`layout`), and any number of axes in front, none included.
        Boolean, integer, floating or complex.
    kernel_size : int or tuple of int
        The window's sizes. A tuple says how many axes are spatial; a single number is for all axes after the first two.
    stride : int or tuple of int, optional
        Elements from one window to the next; the default is `kernel_size`.
    padding : int, str or tuple, optional
        Elements by which `x` is continued on both sides: one number, or for each spatial axis a number or a pair
        ``(before, after)``; ``'valid'``, ``'same'`` or ``'same_lower'`` as in `conv`. Less than the window on each
        side.
    ceil_mode : bool, optional
        Also have a last window that is not all inside the padded input, unless it would start in the padding behind.
    count_include_pad : bool, optional
        Whether the divisor counts a window's taps on the padding. Those behind the padding, which a last window of
        `ceil_mode` may have, are never counted.
    divisor_override : int, optional
        Divide all sums by this number, other than zero, instead.
    dilation : int or tuple of int, optional
        Elements from one tap of a window to the next.
    layout : {'channels_first', 'channels_last'}, optional
        Whether the spatial axes are the last ones, or are followed by one of channels.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the input.
    dtype : dtype, optional
        Compute and return in this floating or complex dtype. The default is the input's, and float64 for integers and
        booleans, whose means are correctly rounded from exact sums. float16 is summed in float32.
    workers : int, optional
        Threads for this call, as in `conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        The result; a spatial axis of ``n`` elements has ``(n + before + after - extent) // stride + 1``, rounded up
        with `ceil_mode`, where ``extent = dilation * (kernel - 1) + 1``.

    Raises
    ------
    ValueError
        If numbers are out of their range or not one for each spatial axis, `x` has too few axes or is, with its
        padding, smaller than the window, a word is unknown, `out` has another shape or is read-only, or `workers` is
        zero.
    TypeError
        If a dtype cannot be computed with, a number is not whole, or `out` cannot take the result by a same-kind cast.

    See Also
    --------
    sum_pool : without the division.
    global_avg_pool, adaptive_avg_pool : windows by the size of the input.
    fastconv.grad.avg_pool : the gradient.

    Notes
    -----
    The divisor of a window is, in this order: `divisor_override` if given; with `count_include_pad`, the number of its
    taps on the input and its padding; else the number of its taps on the input.

    The bits of a result depend neither on the number of threads, nor on strides, nor on what else is in the batch. The
    cost of a window is that of its sides' logarithms, not its area. Sums
    are made of sums of smaller windows and never taken apart again, so errors stay at the level of rounding.

    Means of integers of 64 bits whose sums may have more than 53 are rounded one by one, as Python divides; that takes
    time, and copies of `x`.

    References
    ----------
    .. [1] https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool2d.html

    Examples
    --------
    >>> from fastconv import avg_pool
    >>> x = [[1, 5, 2, 0], [3, 7, 8, 6]]
    >>> avg_pool(x, (2, 2))
    array([[4., 4.]])
    >>> avg_pool(x, (2, 2), padding=(0, 1))
    array([[1. , 5.5, 1.5]])
    >>> avg_pool(x, (2, 2), padding=(0, 1), count_include_pad=False)
    array([[2. , 5.5, 3. ]])
    """
    return _avg_pool(0, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override,
       dilation=dilation,
                     layout=layout, out=out,
                     dtype=dtype, workers=workers)


def sum_pool(x, kernel_size, stride=None, padding=0, ceil_mode=False, *, dilation=1, layout="channels_first", out=None,
             dtype=None, workers=None):
    """The sum of each window: ``y[o] = sum(x[o * stride + t * dilation - pad])`` over ``t``.

    The index tuples ``t`` are those of the window, axis by axis; ``pad`` is the padding, of zeros, before each axis.

    Parameters
    ----------
    x : array_like
        The input: spatial axes last, or before the channels (`layout`), and any number of axes in front, none included.
        Boolean, integer, floating or complex.
    kernel_size : int or tuple of int
        The window's sizes. A tuple says how many axes are spatial; a single number is for all axes after the first two.
    stride : int or tuple of int, optional
        Elements from one window to the next; the default is `kernel_size`.
    padding : int, str or tuple, optional
        Elements by which `x` is continued on both sides: one number, or for each spatial axis a number or a pair
        ``(before, after)``; ``'valid'``, ``'same'`` or ``'same_lower'`` as in `conv`. Less than the window on each
        side.
    ceil_mode : bool, optional
        Also have a last window that is not all inside the padded input, unless it would start in the padding behind.
    dilation : int or tuple of int, optional
        Elements from one tap of a window to the next.
    layout : {'channels_first', 'channels_last'}, optional
        Whether the spatial axes are the last ones, or are followed by one of channels.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the input.
    dtype : dtype, optional
        Add and return in this dtype. The default is that of `numpy.sum`: small integers become int64 or uint64.
    workers : int, optional
        Threads for this call, as in `conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        The result; a spatial axis of ``n`` elements has ``(n + before + after - extent) // stride + 1``, rounded up
        with `ceil_mode`, where ``extent = dilation * (kernel - 1) + 1``.

    Raises
    ------
    ValueError
        If numbers are out of their range or not one for each spatial axis, `x` has too few axes or is, with its
        padding, smaller than the window, a word is unknown, `out` has another shape or is read-only, or `workers` is
        zero.
    TypeError
        If a dtype cannot be computed with, a number is not whole, or `out` cannot take the result by a same-kind cast.

    See Also
    --------
    avg_pool : divided by the size.
    lp_pool : of powers.
    fastconv.grad.sum_pool : the gradient.

    Notes
    -----
    The bits of a result depend neither on the number of threads, nor on strides, nor on what else is in the batch. The
    cost of a window is that of its sides' logarithms, not its area. Integers
    wrap in the result's dtype as in `numpy.sum`; booleans, if that is asked for, add as *or*.

    References
    ----------
    .. [1] As `avg_pool`, https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool2d.html, with a
       divisor of 1

    Examples
    --------
    >>> from fastconv import sum_pool
    >>> sum_pool([[1, 5, 2, 0], [3, 7, 8, 6]], (2, 3), stride=1)
    array([[26, 28]])
    """
    return _sum_pool(0, x, kernel_size, stride, padding, ceil_mode, dilation=dilation, layout=layout, out=out,
                     dtype=dtype, workers=workers)


def lp_pool(x, norm_type, kernel_size, stride=None, ceil_mode=False, *, padding=0, dilation=1,
            layout="channels_first", out=None,
            dtype=None, workers=None):
    """The norm of each window: ``y[o] = sum(abs(x[o * stride + t * dilation - pad]) ** p) ** (1 / p)`` over ``t``.

    The index tuples ``t`` are those of the window, axis by axis; ``pad`` is the padding before each axis. Absolute
    values are taken, as the definition has it and ONNX does [2]_; torch [1]_ does not, so that its results differ for
    odd ``p`` and negative elements.

    Parameters
    ----------
    x : array_like
        The input: spatial axes last, or before the channels (`layout`), and any number of axes in front, none included.
        Boolean, integer or floating.
    norm_type : float
        The norm's ``p``, positive and finite.
    kernel_size : int or tuple of int
        The window's sizes. A tuple says how many axes are spatial; a single number is for all axes after the first two.
    stride : int or tuple of int, optional
        Elements from one window to the next; the default is `kernel_size`.
    ceil_mode : bool, optional
        Also have a last window that is not all inside the padded input, unless it would start in the padding behind.
    padding : int, str or tuple, optional
        Elements by which `x` is continued on both sides: one number, or for each spatial axis a number or a pair
        ``(before, after)``; ``'valid'``, ``'same'`` or ``'same_lower'`` as in `conv`. Less than the window on each
        side.
    dilation : int or tuple of int, optional
        Elements from one tap of a window to the next.
    layout : {'channels_first', 'channels_last'}, optional
        Whether the spatial axes are the last ones, or are followed by one of channels.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the input.
    dtype : dtype, optional
        Compute and return in this floating dtype. The default is the input's, and float64 for integers and
        booleans. Powers are summed in float64 at least.
    workers : int, optional
        Threads for this call, as in `conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        The result; a spatial axis of ``n`` elements has ``(n + before + after - extent) // stride + 1``, rounded up
        with `ceil_mode`, where ``extent = dilation * (kernel - 1) + 1``.

    Raises
    ------
    ValueError
        If numbers are out of their range or not one for each spatial axis, `x` has too few axes or is, with its
        padding, smaller than the window, a word is unknown, `out` has another shape or is read-only, or `workers` is
        zero.
    TypeError
        If a dtype cannot be computed with, a number is not whole, or `out` cannot take the result by a same-kind cast.

    See Also
    --------
    avg_pool : the mean.
    fastconv.grad.lp_pool : the gradient.

    Notes
    -----
    The bits of a result depend neither on the number of threads, nor on strides, nor on what else is in the batch. The
    cost of a window is that of its sides' logarithms, not its area.

    Computed in float64 at least. Where powers leave its range, as of 1e200, the norm is computed of elements over the
    largest, so that it is right wherever it is a number of the type; that costs the window's area.

    References
    ----------
    .. [1] https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.lp_pool2d.html
    .. [2] https://onnx.ai/onnx/operators/onnx__LpPool.html

    Examples
    --------
    >>> from fastconv import lp_pool
    >>> lp_pool([[3, -4, 0, 1]], 2, (1, 2))
    array([[5., 1.]])
    """
    return _lp_pool(0, x, norm_type, kernel_size, stride, ceil_mode, padding=padding, dilation=dilation,
                    layout=layout, out=out,
                    dtype=dtype, workers=workers)


def global_max_pool(x, return_indices=False, *, layout="channels_first", out=None, dtype=None, workers=None):
    """The largest element of each image: ``max(x)`` over the spatial axes, which stay, with size 1.

    All axes after the first two are spatial; `global_max_pool1d` and its like say how many are, and take images without
    these two.

    Parameters
    ----------
    x : array_like
        The input: spatial axes last, or before the channels (`layout`), and any number of axes in front, none included.
        Boolean, integer or floating.
    return_indices : bool, optional
        Also return where the largest elements are.
    layout : {'channels_first', 'channels_last'}, optional
        Whether the spatial axes are the last ones, or are followed by one of channels.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the input. With `return_indices`, the values'.
    dtype : dtype, optional
        Compare and return in this dtype; the default is the input's.
    workers : int, optional
        Threads for this call, as in `conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        The result, with spatial sizes of 1.
    indices : ndarray of int64
        With `return_indices`: positions in the spatial axes of `x` as if these were one; the first of several equal
        ones.

    Raises
    ------
    ValueError
        If `x` has too few axes or an empty spatial axis, a size is less than one, a word is unknown, `out` has another
        shape or is read-only, or `workers` is zero.
    TypeError
        If a dtype cannot be computed with, a number is not whole, or `out` cannot take the result by a same-kind cast.

    See Also
    --------
    max_pool : windows of any size.
    adaptive_max_pool : several outputs.

    Notes
    -----
    NaN in an image gives NaN.

    References
    ----------
    .. [1] https://onnx.ai/onnx/operators/onnx__GlobalMaxPool.html

    Examples
    --------
    >>> from fastconv import global_max_pool
    >>> global_max_pool([[[1, 5, 2, 0], [3, 7, 8, 6]]])
    array([[[5],
            [8]]])
    """
    return _global_max_pool(0, x, return_indices, layout=layout, out=out, dtype=dtype, workers=workers)


def global_avg_pool(x, *, layout="channels_first", out=None, dtype=None, workers=None):
    """The mean of each image: ``sum(x) / n`` over the spatial axes, which stay, with size 1.

    All axes after the first two are spatial; `global_avg_pool1d` and its like say how many are, and take images without
    these two.

    Parameters
    ----------
    x : array_like
        The input: spatial axes last, or before the channels (`layout`), and any number of axes in front, none included.
        Boolean, integer, floating or complex.
    layout : {'channels_first', 'channels_last'}, optional
        Whether the spatial axes are the last ones, or are followed by one of channels.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the input.
    dtype : dtype, optional
        Compute and return in this floating or complex dtype. The default is the input's, and float64 for integers and
        booleans, whose means are correctly rounded from exact sums. float16 is summed in float32.
    workers : int, optional
        Threads for this call, as in `conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        The result, with spatial sizes of 1.

    Raises
    ------
    ValueError
        If `x` has too few axes or an empty spatial axis, a size is less than one, a word is unknown, `out` has another
        shape or is read-only, or `workers` is zero.
    TypeError
        If a dtype cannot be computed with, a number is not whole, or `out` cannot take the result by a same-kind cast.

    See Also
    --------
    avg_pool : windows of any size.
    adaptive_avg_pool : several outputs.

    Notes
    -----
    Sums are made of partial sums, so errors stay at the level of rounding.

    References
    ----------
    .. [1] https://onnx.ai/onnx/operators/onnx__GlobalAveragePool.html

    Examples
    --------
    >>> from fastconv import global_avg_pool
    >>> global_avg_pool([[[1, 5, 2, 0], [3, 7, 8, 6]]])
    array([[[2.],
            [6.]]])
    """
    return _global_avg_pool(0, x, layout=layout, out=out, dtype=dtype, workers=workers)


def adaptive_max_pool(x, output_size, return_indices=False, *, layout="channels_first", out=None, dtype=None,
                      workers=None):
    """The largest element of each of `output_size` windows: ``max(x[a:b])``.

    Output ``o`` of ``m`` takes, of an axis of ``n`` elements, those from ``a = floor(o * n / m)`` to ``b = ceil((o + 1)
    * n / m)``, as in torch [1]_.

    Parameters
    ----------
    x : array_like
        The input: spatial axes last, or before the channels (`layout`), and any number of axes in front, none included.
        Boolean, integer or floating.
    output_size : int or tuple of int
        The result's spatial sizes. A tuple says how many axes are spatial, with None for a size that stays.
    return_indices : bool, optional
        Also return where the largest elements are.
    layout : {'channels_first', 'channels_last'}, optional
        Whether the spatial axes are the last ones, or are followed by one of channels.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the input. With `return_indices`, the values'.
    dtype : dtype, optional
        Compare and return in this dtype; the default is the input's.
    workers : int, optional
        Threads for this call, as in `conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        The result, with spatial sizes of `output_size`.
    indices : ndarray of int64
        With `return_indices`: positions in the spatial axes of `x` as if these were one; the first of several equal
        ones.

    Raises
    ------
    ValueError
        If `x` has too few axes or an empty spatial axis, a size is less than one, a word is unknown, `out` has another
        shape or is read-only, or `workers` is zero.
    TypeError
        If a dtype cannot be computed with, a number is not whole, or `out` cannot take the result by a same-kind cast.

    See Also
    --------
    max_pool : windows of one size.
    global_max_pool : one window.
    fastconv.grad.max_pool : the gradient.

    Notes
    -----
    Where the sizes divide, windows are those of `max_pool` with a stride of ``n / m``.

    References
    ----------
    .. [1] https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool2d.html

    Examples
    --------
    >>> from fastconv import adaptive_max_pool
    >>> adaptive_max_pool([[1, 5, 2, 0, 4]], (1, 2))
    array([[5, 4]])
    """
    return _adaptive_max_pool(0, x, output_size, return_indices, layout=layout, out=out, dtype=dtype,
                              workers=workers)


def adaptive_avg_pool(x, output_size, *, layout="channels_first", out=None, dtype=None, workers=None):
    """The mean of each of `output_size` windows: ``mean(x[a:b])``.

    Output ``o`` of ``m`` takes, of an axis of ``n`` elements, those from ``a = floor(o * n / m)`` to ``b = ceil((o + 1)
    * n / m)``, as in torch [1]_.

    Parameters
    ----------
    x : array_like
        The input: spatial axes last, or before the channels (`layout`), and any number of axes in front, none included.
        Boolean, integer, floating or complex.
    output_size : int or tuple of int
        The result's spatial sizes. A tuple says how many axes are spatial, with None for a size that stays.
    layout : {'channels_first', 'channels_last'}, optional
        Whether the spatial axes are the last ones, or are followed by one of channels.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the input.
    dtype : dtype, optional
        Compute and return in this floating or complex dtype. The default is the input's, and float64 for integers and
        booleans, whose means are correctly rounded from exact sums. float16 is summed in float32.
    workers : int, optional
        Threads for this call, as in `conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        The result, with spatial sizes of `output_size`.

    Raises
    ------
    ValueError
        If `x` has too few axes or an empty spatial axis, a size is less than one, a word is unknown, `out` has another
        shape or is read-only, or `workers` is zero.
    TypeError
        If a dtype cannot be computed with, a number is not whole, or `out` cannot take the result by a same-kind cast.

    See Also
    --------
    avg_pool : windows of one size.
    global_avg_pool : one window.
    fastconv.grad.adaptive_avg_pool : the gradient.

    Notes
    -----
    Where the sizes divide, windows are those of `avg_pool` with a stride of ``n / m``.

    References
    ----------
    .. [1] https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool2d.html

    Examples
    --------
    >>> from fastconv import adaptive_avg_pool
    >>> adaptive_avg_pool([[1, 5, 2, 0, 4]], (1, 2))
    array([[2.66666667, 2.        ]])
    """
    return _adaptive_avg_pool(0, x, output_size, layout=layout, out=out, dtype=dtype, workers=workers)


def max_unpool(x, indices, kernel_size, stride=None, padding=0, output_size=None, *, layout="channels_first",
               out=None, dtype=None, workers=None):
    """Elements back to where `max_pool` found them: ``y[indices[o]] = x[o]``, and zeros elsewhere.

    As in torch [1]_. Of several elements with one index, the last in memory stays.

    Parameters
    ----------
    x : array_like
        The input: spatial axes last, or before the channels (`layout`), and any number of axes in front, none included.
        Boolean, integer, floating or complex.
    indices : array_like of int
        Of the shape of `x`: positions in the spatial axes of the result as if these were one.
    kernel_size : int or tuple of int
        The window's sizes. A tuple says how many axes are spatial; a single number is for all axes after the first two.
    stride : int or tuple of int, optional
        Elements from one window to the next; the default is `kernel_size`.
    padding : int, str or tuple, optional
        That of `max_pool`, for the result's size.
    output_size : int or tuple of int, optional
        The result's spatial sizes, of which several belong to one size of `x`; a whole shape may be given, too. The
        default is ``(n - 1) * stride - before - after + kernel``; less than a stride more or less is accepted.
    layout : {'channels_first', 'channels_last'}, optional
        Whether the spatial axes are the last ones, or are followed by one of channels.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap an input.
    dtype : dtype, optional
        Return in this dtype; the default is the input's.
    workers : int, optional
        Threads for this call, as in `conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        The result.

    Raises
    ------
    ValueError
        If `indices` are not inside the result or of another shape, `output_size` is none of those possible, or as
        `max_pool`.
    TypeError
        As `max_pool`.

    See Also
    --------
    max_pool : with ``return_indices=True``.
    fastconv.grad.max_pool : the sum of all that have one index.

    References
    ----------
    .. [1] https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_unpool2d.html

    Examples
    --------
    >>> from fastconv import max_pool, max_unpool
    >>> y, indices = max_pool([[1, 5, 2, 0], [3, 4, 8, 6]], (2, 2), return_indices=True)
    >>> max_unpool(y, indices, (2, 2))
    array([[0, 5, 0, 0],
           [0, 0, 8, 0]])
    """
    return _max_unpool(0, x, indices, kernel_size, stride, padding, output_size, layout=layout, out=out,
                       dtype=dtype, workers=workers)


# ---------------------------------------------------------------- the names with a rank

def _of_rank(rank, call, like):
    """`like` with its rank fixed, its signature, and a docstring that refers to it."""
    def pool(*args, **kwargs):
        return call(rank, *args, **kwargs)

    arguments = ", ".join(signature(like).parameters)
    pool.__name__ = pool.__qualname__ = f"{like.__name__}{rank}d"
    pool.__signature__ = signature(like)
    axes = ("``(..., w)``", "``(..., h, w)``", "``(..., d, h, w)``")[rank - 1]
    pool.__doc__ = f"""`{like.__name__}` of {rank} spatial {'axis' if rank == 1 else 'axes'}: `x` is {axes}.

    With channels last, the channels follow. A single number speaks of these axes.

    Parameters
    ----------
    {arguments} : optional but for the first ones
        As in `{like.__name__}`.

    Returns
    -------
    ndarray
        As `{like.__name__}`.

    Raises
    ------
    ValueError, TypeError
        As `{like.__name__}`.

    See Also
    --------
    {like.__name__} : any number of spatial axes, and the meaning of the arguments.
    """
    return pool


def _of_ranks(call, like):
    return [_of_rank(rank, call, like) for rank in (1, 2, 3)]


max_pool1d, max_pool2d, max_pool3d = _of_ranks(_max_pool, max_pool)
min_pool1d, min_pool2d, min_pool3d = _of_ranks(_min_pool, min_pool)
avg_pool1d, avg_pool2d, avg_pool3d = _of_ranks(_avg_pool, avg_pool)
sum_pool1d, sum_pool2d, sum_pool3d = _of_ranks(_sum_pool, sum_pool)
lp_pool1d, lp_pool2d, lp_pool3d = _of_ranks(_lp_pool, lp_pool)
global_max_pool1d, global_max_pool2d, global_max_pool3d = _of_ranks(_global_max_pool, global_max_pool)
global_avg_pool1d, global_avg_pool2d, global_avg_pool3d = _of_ranks(_global_avg_pool, global_avg_pool)
adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = _of_ranks(_adaptive_max_pool, adaptive_max_pool)
adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = _of_ranks(_adaptive_avg_pool, adaptive_avg_pool)
max_unpool1d, max_unpool2d, max_unpool3d = _of_ranks(_max_unpool, max_unpool)
