"""Convolutional layers: cross-correlation of many channels with torch's names and arguments, for any rank and dtype."""
from dataclasses import KW_ONLY, dataclass, fields
from functools import partial

import numpy as np

from fastconv import _layer_geometry as gate
from fastconv import _route, _windows
from fastconv import _tiled_geometry as tiled_gate

# ---------------------------------------------------------------- conv

def _conv(rank, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm, out,
          dtype, workers):
    """A layer whose rank is checked unless it is 0."""
    _route.check_workers(workers)
    _route.check_algorithm(algorithm)
    records, y = gate.conv(x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, out,
                           dtype, rank)
    _route.run_layers(records, algorithm, workers)
    return gate.finished(y, out)


def conv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
         layout="channels_first", activation=None, algorithm="auto", out=None, dtype=None, workers=None):
    """Correlate all channels: ``y[k, o] = bias[k] + sum(x[c, o * stride + t * dilation - pad] * weight[k, c, t])``.

    The sum is over the channels ``c`` and the index tuples ``t`` of the kernel, axis by axis; ``pad`` is the padding
    before each axis. This is the layer that deep-learning libraries call a convolution [1]_: the kernel is neither
    flipped nor conjugated. The number of spatial axes is that of the kernel; `conv2d` and its like check it.

    Parameters
    ----------
    x : array_like
        The input, of shape ``(..., C, *spatial)`` with any number of leading axes, none included: boolean, integer,
        floating or complex.
    weight : array_like
        The filters, of shape ``(K, C // groups, *kernel)``, whatever the `layout`.
    bias : array_like, optional
        What is added to each output channel, of shape ``(K,)``.
    stride : int or tuple of int, optional
        Elements of `x` from one window to the next; one number, or one for each spatial axis.
    padding : int, str or tuple, optional
        Elements by which `x` is continued on both sides of its spatial axes: one number, or for each spatial axis a
        number or a pair ``(before, after)``, such as ``((0, 1), (2, 2))`` in two dimensions. Or one of these words,
        where a window reaches over ``extent = dilation * (kernel - 1) + 1`` elements:

        ``'valid'``
            none;
        ``'same'``
            so that an axis of ``n`` elements has ``ceil(n / stride)`` outputs: ``max(0, (ceil(n / stride) - 1) *
            stride + extent - n)`` elements, half of them before, and the odd one after;
        ``'same_lower'``
            the same, with the odd one before;
        ``'full'``
            ``extent - 1`` on both sides: all windows that touch `x`;
        ``'causal'``
            ``extent - 1`` before, none after: no output looks ahead.
    dilation : int or tuple of int, optional
        Elements of `x` from one tap of the kernel to the next; one number, or one for each spatial axis.
    groups : int, optional
        Cuts the channels, and likewise the filters, into that many equal parts; the filters of each part see its
        channels only. With ``groups=C`` every channel has filters of its own (a depthwise layer).
    padding_mode : {'zeros', 'reflect', 'replicate', 'circular', 'symmetric'}, optional
        How `x` goes on outside, by any number of elements; here for a row ``a b c d``:

        ``'zeros'``
            ``0 0 | a b c d | 0 0``;
        ``'reflect'``
            ``c b | a b c d | c b``, mirrored at the edge's centre;
        ``'replicate'``
            ``a a | a b c d | d d``;
        ``'circular'``
            ``c d | a b c d | a b``;
        ``'symmetric'``
            ``b a | a b c d | d c``, mirrored, the edge doubled.
    layout : {'channels_first', 'channels_last'}, optional
        Where `x` and the result have their channels: ``(..., C, *spatial)`` or ``(..., *spatial, C)``.
    activation : str or tuple, optional
        A function that the sums go through while they are still in cache: ``'relu'``, ``max(y, 0)``; ``'relu6'``,
        ``min(max(y, 0), 6)``; ``'leaky_relu'``, ``y`` or, if that is negative, ``slope * y`` with a slope of 0.01, or
        another one given as ``('leaky_relu', slope)``; ``'sigmoid'``, ``1 / (1 + exp(-y))``; ``'tanh'``; or
        ``'silu'``, ``y / (1 + exp(-y))``. Integers have the first two, booleans and complex numbers none.
    algorithm : {'auto', 'filters', 'pixels', 'depthwise', 'winograd'}, optional
        For comparisons: what the vectors of the sum run along, ``'filters'`` (output channels) or ``'pixels'``
        (outputs of one channel); ``'depthwise'``, one filter at a time, where a group has one channel and the kernel
        is not enormous; or ``'winograd'``, with 16 products in place of 36 [5]_, where a floating-point kernel ends
        in 3 x 3 (or 4 in place of 6, for 1 x 3 or a signal's 3), without stride and dilation, and a group has at most
        about a thousand channels. ``'auto'`` chooses
        by the geometry of one sample, the dtype and the kernels' build.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the inputs.
    dtype : dtype, optional
        Multiply, add and return in this dtype, as in `numpy.sum`: ``np.int64`` makes sums of small integers exact.
        The default is ``numpy.result_type(x, weight, bias)``, where integers wrap as NumPy's do. Booleans multiply and
        add as *and* and *or*. float16 is summed in float32 and rounded once, after bias and activation.
    workers : int, optional
        Threads for this call; negative numbers count back from the CPUs. The default is `get_workers`. Small work
        stays on the calling thread.

    Returns
    -------
    ndarray
        The result, of shape ``(..., K, *outputs)``, or ``(..., *outputs, K)`` with channels last. A spatial axis of
        ``n`` elements has ``(n + before + after - extent) // stride + 1`` outputs.

    Raises
    ------
    ValueError
        If shapes, `groups` and `layout` do not fit each other, a kernel has no elements, a window is larger than the
        padded input, a number is out of its range, a word is unknown, an empty axis should be continued by itself,
        `algorithm` is not one for this layer, `out` has another shape or is read-only, or `workers` is zero.
    TypeError
        If a dtype cannot be computed with, or does not have the `activation`, a number is not whole, or `out` cannot
        take the result by a same-kind cast.

    See Also
    --------
    conv1d, conv2d, conv3d : the same for one, two or three spatial axes.
    Conv : a layer to keep, which prepares its weights once.
    conv_transpose : the adjoint, which goes from the shape of a result back to that of an input.
    fastconv.grad.conv_input, fastconv.grad.conv_weight, fastconv.grad.conv_bias : its gradients.
    im2col : the windows themselves.
    correlate : one channel and one kernel.

    Notes
    -----
    The bits of a result depend neither on the number of threads, nor on the strides of the arrays, nor on what else
    is in the batch.

    The padding is part of the sum, so that an infinite weight times a zero of the padding is NaN. Products with those
    zeros may be left out, but only where all weights are finite: NaN and infinity come out where a plain sum of
    products has them, and nowhere else.

    Floating-point layers of 3 x 3 kernels with many channels, and of 1 x 3, are computed by Winograd's minimal
    filtering F(2 x 2, 3 x 3) or F(2, 3) [5]_. Its factors are powers of two: sums of small whole numbers are exact, as
    by the plain sum, and rounding errors about as large. A sample whose results are not all finite is summed anew,
    product by product.

    No matrix of windows is ever written down. Besides the result, a call takes at most 4 MiB a worker and 4 MiB for
    weights that it prepares; inputs that are byte-swapped, unaligned, real where the result is complex, or cast to
    another kind or to float16, are copied first.

    References
    ----------
    .. [1] https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv2d.html
    .. [2] V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016,
       https://arxiv.org/abs/1603.07285
    .. [3] ``'same'`` is SAME_UPPER, and ``'same_lower'`` SAME_LOWER, of https://onnx.ai/onnx/operators/onnx__Conv.html
    .. [4] The words of `padding_mode` are those of `numpy.pad`, where ``'replicate'`` is called ``'edge'`` and
       ``'circular'`` ``'wrap'``.
    .. [5] A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", 2015,
       https://arxiv.org/abs/1509.09308

    Examples
    --------
    An image of one channel, dark on the left and bright on the right, and two filters that look for changes, one from
    left to right, one from top to bottom. Each filter gives a channel:

    >>> import numpy as np
    >>> from fastconv import conv
    >>> image = np.array([[[0, 0, 5, 5], [0, 0, 5, 5], [0, 0, 5, 5]]])
    >>> weight = np.array([[[[-1, 1], [-1, 1]]], [[[-1, -1], [1, 1]]]])
    >>> image.shape, weight.shape
    ((1, 3, 4), (2, 1, 2, 2))
    >>> conv(image, weight)
    array([[[ 0, 10,  0],
            [ 0, 10,  0]],
    <BLANKLINE>
           [[ 0,  0,  0],
            [ 0,  0,  0]]])

    Stride and padding set the size of the result; a bias and an activation come last:

    >>> conv(image, weight, stride=2, padding="same").shape
    (2, 2, 2)
    >>> conv(image, weight[:1], [-7], activation="relu")
    array([[[0, 3, 0],
            [0, 3, 0]]])

    A filter sums over all channels, unless they are in groups:

    >>> x = [[1, 2, 3, 4], [10, 20, 30, 40]]
    >>> conv(x, [[[1, 1], [1, 1]]])
    array([[33, 55, 77]])
    >>> conv(x, [[[1, 1]], [[1, -1]]], groups=2)
    array([[  3,   5,   7],
           [-10, -10, -10]])
    """
    return _conv(0, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm,
                 out, dtype, workers)


def conv1d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
           layout="channels_first", activation=None, algorithm="auto", out=None, dtype=None, workers=None):
    """`conv` of one spatial axis: `x` is ``(..., C, w)``, `weight` ``(K, C // groups, kw)``.

    Parameters
    ----------
    x, weight, bias, stride, padding, dilation, groups : array_like and numbers
        As in `conv`.
    padding_mode, layout, activation, algorithm, out, dtype, workers : optional
        As in `conv`.

    Returns
    -------
    ndarray
        The result, of shape ``(..., K, ow)``.

    Raises
    ------
    ValueError, TypeError
        As `conv`, and if `weight` has another number of axes.

    See Also
    --------
    conv : any number of spatial axes, and the meaning of the arguments.

    Examples
    --------
    >>> from fastconv import conv1d
    >>> conv1d([[1, 2, 3, 4, 5]], [[[1, 0, -1]]], padding="causal")
    array([[-1, -2, -2, -2, -2]])
    """
    return _conv(1, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm,
                 out, dtype, workers)


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
           layout="channels_first", activation=None, algorithm="auto", out=None, dtype=None, workers=None):
    """`conv` of two spatial axes: `x` is ``(..., C, h, w)``, `weight` ``(K, C // groups, kh, kw)``.

    Parameters
    ----------
    x, weight, bias, stride, padding, dilation, groups : array_like and numbers
        As in `conv`.
    padding_mode, layout, activation, algorithm, out, dtype, workers : optional
        As in `conv`.

    Returns
    -------
    ndarray
        The result, of shape ``(..., K, oh, ow)``.

    Raises
    ------
    ValueError, TypeError
        As `conv`, and if `weight` has another number of axes.

    See Also
    --------
    conv : any number of spatial axes, and the meaning of the arguments.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import conv2d
    >>> conv2d(np.arange(12).reshape(1, 3, 4), np.ones((1, 1, 2, 2), int), stride=(1, 2))
    array([[[10, 18],
            [26, 34]]])
    """
    return _conv(2, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm,
                 out, dtype, workers)


def conv3d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
           layout="channels_first", activation=None, algorithm="auto", out=None, dtype=None, workers=None):
    """`conv` of three spatial axes: `x` is ``(..., C, d, h, w)``, `weight` ``(K, C // groups, kd, kh, kw)``.

    Parameters
    ----------
    x, weight, bias, stride, padding, dilation, groups : array_like and numbers
        As in `conv`.
    padding_mode, layout, activation, algorithm, out, dtype, workers : optional
        As in `conv`.

    Returns
    -------
    ndarray
        The result, of shape ``(..., K, od, oh, ow)``.

    Raises
    ------
    ValueError, TypeError
        As `conv`, and if `weight` has another number of axes.

    See Also
    --------
    conv : any number of spatial axes, and the meaning of the arguments.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import conv3d
    >>> conv3d(np.ones((1, 2, 2, 3)), np.ones((1, 1, 2, 2, 2)))
    array([[[[8., 8.]]]])
    """
    return _conv(3, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm,
                 out, dtype, workers)


# ---------------------------------------------------------------- conv_transpose

def _conv_transpose(rank, x, weight, bias, stride, padding, output_padding, groups, dilation, output_size, padding_mode,
                    layout, activation, algorithm, out, dtype, workers):
    _route.check_workers(workers)
    _route.check_algorithm(algorithm)
    layer, y, window, dtype = gate.conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation,
                                                  output_size, padding_mode, layout, activation, out, dtype, rank)
    _route.run_transposed(layer, algorithm, workers)
    if window is not None:    # a border that is not zeros: what fell onto it goes where it was copied from
        y = gate.folded(y, window, padding_mode, layout)
        if bias is not None or activation is not None:
            records, y = gate.pointwise(y, bias, activation, layout, window.rank)
            _route.run_layers(records, "auto", workers)
        y = gate.rounded(y, dtype, out)
    return gate.finished(y, out)


def conv_transpose(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *,
                   output_size=None, padding_mode="zeros", layout="channels_first", activation=None,
                   algorithm="auto", out=None, dtype=None, workers=None):
    """Spread inputs over outputs: ``y[k, i * stride + t * dilation - pad] += x[c, i] * weight[c, k, t]``, plus bias.

    That is done for all channels ``c`` and index tuples ``i`` of `x` and ``t`` of the kernel, axis by axis; ``pad`` is
    the padding before each axis, and what falls outside is dropped. It is the adjoint of `conv` with the same
    arguments, without conjugation: ``sum(conv(y, weight) * x) == sum(y * conv_transpose(x, weight))``. So it goes from
    the shape of a result of `conv` back to that of its input, and is not its inverse. As in `torch` [1]_, for any
    number of spatial axes.

    Parameters
    ----------
    x : array_like
        The input, of shape ``(..., C, *spatial)``, or ``(..., *spatial, C)`` for ``layout='channels_last'``.
    weight : array_like
        Of shape ``(C, K // groups, *kernel)``, whatever the `layout`: the weight of the layer back.
    bias : array_like, optional
        What is added to each output channel, of shape ``(K,)``.
    stride : int or tuple of int, optional
        Elements of the result from one input's share to the next; one number, or one for each spatial axis.
    padding : int, str or tuple, optional
        What `conv` would add to the result before it goes back; so much is cut off here. The forms and words are those
        of `conv`. ``'same'`` and ``'same_lower'`` give ``n * stride`` outputs for ``n`` inputs, unless `output_size`
        says otherwise; ``'full'`` and ``'causal'`` cut off what they would have added.
    output_padding : int or tuple of int, optional
        Elements by which the result is longer at its end, smaller than the larger of `stride` and `dilation`: where a
        stride is rounded off, inputs of several sizes give a result of `conv` of the same size. Not used with the
        words ``'same'`` and ``'same_lower'``, nor with `output_size`.
    groups : int, optional
        As in `conv`, from channels of `x` to output channels.
    dilation : int or tuple of int, optional
        Elements of the result from one tap of the kernel to the next; one number, or one for each spatial axis.
    output_size : int or tuple of int, optional
        The spatial sizes of the result, from which `output_padding` follows; one number, or one for each spatial axis.
    padding_mode : {'zeros', 'reflect', 'replicate', 'circular', 'symmetric'}, optional
        Where the padding of `conv` copies elements, what is cut off here is added to the elements that it would have
        been copied from, before bias and activation; with ``'zeros'`` it is dropped.
    layout, activation, algorithm, out, dtype, workers : optional
        As in `conv`.

    Returns
    -------
    ndarray
        The result, of shape ``(..., K, *outputs)``, or ``(..., *outputs, K)`` with channels last. A spatial axis of
        ``n`` elements has ``(n - 1) * stride + dilation * (kernel - 1) + 1 - before - after + output_padding`` outputs.

    Raises
    ------
    ValueError
        As `conv`, and if `output_padding` is not smaller than the larger of `stride` and `dilation`, `output_size` is
        out of reach, or the padding is larger than the result.
    TypeError
        As `conv`.

    See Also
    --------
    conv_transpose1d, conv_transpose2d, conv_transpose3d : the same for one, two or three spatial axes.
    conv : the layer that this is the adjoint of.
    fastconv.grad.conv_input : the gradient by the input, which conjugates the weight.
    fastconv.grad.conv_transpose_input, fastconv.grad.conv_transpose_weight : the gradients of this layer.

    Notes
    -----
    The zeros that drawings of this layer put between the inputs [2]_ are neither stored nor multiplied: the outputs
    are computed as plain layers, one for each remainder modulo `stride`, which share the kernel's taps among them;
    with wide strides, neighbouring columns are filters of one. Outputs that meet no input are filled. A tap that meets
    no input contributes nothing, whatever its weight. Bits, threads and memory are as in `conv`; only a `padding_mode`
    other than ``'zeros'`` takes an array of the padded size, or of what the windows hold if that is less, besides.

    References
    ----------
    .. [1] https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose2d.html
    .. [2] V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016,
       https://arxiv.org/abs/1603.07285

    Examples
    --------
    Each input writes its multiple of the kernel, `stride` further on; where they overlap they add up:

    >>> import numpy as np
    >>> from fastconv import conv, conv_transpose
    >>> conv_transpose([[1, 2]], [[[1, 10, 100]]], stride=2)
    array([[  1,  10, 102,  20, 200]])

    With as many ones as the stride it repeats its input:

    >>> conv_transpose([[[1, 2], [3, 4]]], np.ones((1, 1, 2, 2), int), stride=2)
    array([[[1, 1, 2, 2],
            [1, 1, 2, 2],
            [3, 3, 4, 4],
            [3, 3, 4, 4]]])

    It is the adjoint of `conv`, and knows the way back to each size that `conv` may have come from:

    >>> y, weight = np.arange(6).reshape(1, 6), np.array([[[1, 2, 3]]])
    >>> x = np.array([[5, 7]])
    >>> there, back = conv(y, weight, stride=2), conv_transpose(x, weight, stride=2, output_size=6)
    >>> there.shape, back.shape
    ((1, 2), (1, 6))
    >>> bool(np.vdot(there, x) == np.vdot(y, back))
    True
    """
    return _conv_transpose(0, x, weight, bias, stride, padding, output_padding, groups, dilation, output_size,
                           padding_mode, layout, activation, algorithm, out, dtype, workers)


def conv_transpose1d(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *,
                     output_size=None, padding_mode="zeros", layout="channels_first", activation=None,
                     algorithm="auto", out=None, dtype=None, workers=None):
    """`conv_transpose` of one spatial axis: `x` is ``(..., C, w)``, `weight` ``(C, K // groups, kw)``.

    Parameters
    ----------
    x, weight, bias, stride, padding, output_padding, groups, dilation : array_like and numbers
        As in `conv_transpose`.
    output_size, padding_mode, layout, activation, algorithm, out, dtype, workers : optional
        As in `conv_transpose`.

    Returns
    -------
    ndarray
        The result, of shape ``(..., K, ow)``.

    Raises
    ------
    ValueError, TypeError
        As `conv_transpose`, and if `weight` has another number of axes.

    See Also
    --------
    conv_transpose : any number of spatial axes, and the meaning of the arguments.

    Examples
    --------
    >>> from fastconv import conv_transpose1d
    >>> conv_transpose1d([[1, 0, 2]], [[[1, 2, 1]]], stride=2, padding=1, output_padding=1)
    array([[2, 1, 0, 2, 4, 2]])
    """
    return _conv_transpose(1, x, weight, bias, stride, padding, output_padding, groups, dilation, output_size,
                           padding_mode, layout, activation, algorithm, out, dtype, workers)


def conv_transpose2d(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *,
                     output_size=None, padding_mode="zeros", layout="channels_first", activation=None,
                     algorithm="auto", out=None, dtype=None, workers=None):
    """`conv_transpose` of two spatial axes: `x` is ``(..., C, h, w)``, `weight` ``(C, K // groups, kh, kw)``.

    Parameters
    ----------
    x, weight, bias, stride, padding, output_padding, groups, dilation : array_like and numbers
        As in `conv_transpose`.
    output_size, padding_mode, layout, activation, algorithm, out, dtype, workers : optional
        As in `conv_transpose`.

    Returns
    -------
    ndarray
        The result, of shape ``(..., K, oh, ow)``.

    Raises
    ------
    ValueError, TypeError
        As `conv_transpose`, and if `weight` has another number of axes.

    See Also
    --------
    conv_transpose : any number of spatial axes, and the meaning of the arguments.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import conv_transpose2d
    >>> conv_transpose2d([[[1, 0], [0, 2]]], np.ones((1, 1, 2, 2), int))
    array([[[1, 1, 0],
            [1, 3, 2],
            [0, 2, 2]]])
    """
    return _conv_transpose(2, x, weight, bias, stride, padding, output_padding, groups, dilation, output_size,
                           padding_mode, layout, activation, algorithm, out, dtype, workers)


def conv_transpose3d(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *,
                     output_size=None, padding_mode="zeros", layout="channels_first", activation=None,
                     algorithm="auto", out=None, dtype=None, workers=None):
    """`conv_transpose` of three spatial axes: `x` is ``(..., C, d, h, w)``, `weight` ``(C, K // groups, kd, kh, kw)``.

    Parameters
    ----------
    x, weight, bias, stride, padding, output_padding, groups, dilation : array_like and numbers
        As in `conv_transpose`.
    output_size, padding_mode, layout, activation, algorithm, out, dtype, workers : optional
        As in `conv_transpose`.

    Returns
    -------
    ndarray
        The result, of shape ``(..., K, od, oh, ow)``.

    Raises
    ------
    ValueError, TypeError
        As `conv_transpose`, and if `weight` has another number of axes.

    See Also
    --------
    conv_transpose : any number of spatial axes, and the meaning of the arguments.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import conv_transpose3d
    >>> conv_transpose3d(np.ones((8, 1, 4, 4)), np.ones((8, 3, 2, 2, 2)), stride=2).shape
    (3, 2, 8, 8)
    """
    return _conv_transpose(3, x, weight, bias, stride, padding, output_padding, groups, dilation, output_size,
                           padding_mode, layout, activation, algorithm, out, dtype, workers)


# ---------------------------------------------------------------- tiled_conv, local_conv

def tiled_conv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
               layout="channels_first", activation=None, algorithm="auto", out=None, dtype=None, workers=None):
    """`conv` whose filters change with the position, periodically: output ``o`` uses bank ``o % tiles``.

    ``y[k, o] = bias[o % tiles, k] + sum(x[c, o * stride + t * dilation - pad] * weight[o % tiles, k, c, t])``, with the
    sum over the channels ``c`` and the index tuples ``t`` of the kernel, axis by axis. A tiled convolutional layer [1]_
    lies between a convolutional one, whose tiles have one position, and a locally connected one (`local_conv`), whose
    tile is as large as the result. Features that are pooled together may then see the same thing in different ways.

    Parameters
    ----------
    x : array_like
        The input, of shape ``(..., C, *spatial)`` with any number of leading axes: boolean, integer, floating or
        complex.
    weight : array_like
        The banks of filters, of shape ``(*tiles, K, C // groups, *kernel)``, whatever the `layout`; as many tile sizes
        as kernel sizes, one for each spatial axis. Tiles may be cut off by the end of the result.
    bias : array_like, optional
        What is added to each output channel, of shape ``(K,)``, or ``(*tiles, K)`` for one of each bank.
    stride, padding, dilation, groups, padding_mode, layout, activation : optional
        As in `conv`.
    algorithm : {'auto', 'filters', 'pixels', 'depthwise', 'winograd', 'unshared'}, optional
        For comparisons. ``'unshared'`` goes from position to position and reads each position's filters once for all
        samples. The others are those of `conv`: the positions of each bank make a layer with ``tiles`` times the
        stride. ``'auto'`` chooses by the geometry of one sample.
    out, dtype, workers : optional
        As in `conv`.

    Returns
    -------
    ndarray
        The result, of the shape that `conv` gives: ``(..., K, *outputs)``, or ``(..., *outputs, K)`` with channels
        last.

    Raises
    ------
    ValueError, TypeError
        As `conv`, and if `weight` does not have as many tile sizes as kernel sizes.

    See Also
    --------
    conv : one bank of filters for all positions; with tiles of one position this is `conv`, to the last bit.
    local_conv : a bank of filters for each position.
    fastconv.grad.tiled_conv_input, fastconv.grad.tiled_conv_weight, fastconv.grad.tiled_conv_bias : its gradients.

    Notes
    -----
    Bits, threads and memory are as in `conv`; no copy of the weights is made for ``'unshared'``, unless they are
    byte-swapped, unaligned, real where the result is complex, or cast to another kind or to float16.

    References
    ----------
    .. [1] Q. V. Le, J. Ngiam, Z. Chen, D. Chia, P. W. Koh, A. Y. Ng, "Tiled convolutional neural networks", Advances in
       Neural Information Processing Systems 23, 2010.

    Examples
    --------
    Two filters that take turns, a sum of neighbours and their difference:

    >>> import numpy as np
    >>> from fastconv import tiled_conv
    >>> weight = np.array([[[[1, 1]]], [[[1, -1]]]])
    >>> weight.shape    # tiles, filters, channels, kernel
    (2, 1, 1, 2)
    >>> tiled_conv([[1, 2, 4, 8, 16, 32]], weight)
    array([[ 3, -2, 12, -8, 48]])

    Each may have its own bias:

    >>> tiled_conv([[1, 2, 4, 8, 16, 32]], weight, [[100], [0]])
    array([[103,  -2, 112,  -8, 148]])
    """
    return _tiled_conv(False, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation,
                       algorithm, out, dtype, workers)


def local_conv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
               layout="channels_first", activation=None, algorithm="auto", out=None, dtype=None, workers=None):
    """`conv` without sharing: each output position ``o`` has filters of its own, a locally connected layer.

    ``y[k, o] = bias[o, k] + sum(x[c, o * stride + t * dilation - pad] * weight[o, k, c, t])``, with the sum over the
    channels ``c`` and the index tuples ``t`` of the kernel, axis by axis. Known as ``LocallyConnected`` layers [1]_ and
    as ``conv_general_dilated_local`` [2]_; also a filter that changes across an image, such as a blur that depends on
    the place.

    Parameters
    ----------
    x : array_like
        The input, of shape ``(..., C, *spatial)`` with any number of leading axes: boolean, integer, floating or
        complex.
    weight : array_like
        The filters, of shape ``(*outputs, K, C // groups, *kernel)``, whatever the `layout`, where ``outputs`` are the
        spatial sizes of the result.
    bias : array_like, optional
        What is added, of shape ``(K,)``, or ``(*outputs, K)`` for one of each position.
    stride, padding, dilation, groups, padding_mode, layout, activation, algorithm, out, dtype, workers : optional
        As in `tiled_conv`.

    Returns
    -------
    ndarray
        The result, of shape ``(..., K, *outputs)``, or ``(..., *outputs, K)`` with channels last.

    Raises
    ------
    ValueError, TypeError
        As `tiled_conv`, and if the result has other spatial sizes than `weight` says.

    See Also
    --------
    tiled_conv : any number of banks of filters, which take turns.
    fastconv.grad.local_conv_input, fastconv.grad.local_conv_weight, fastconv.grad.local_conv_bias : its gradients.

    Notes
    -----
    The weights are what such a layer is made of: they are read once for all samples, where they lie. See `tiled_conv`.

    References
    ----------
    .. [1] K. Gregor, Y. LeCun, "Emergence of complex-like cells in a temporal product network with local receptive
       fields", 2010, https://arxiv.org/abs/1006.0448
    .. [2] https://docs.jax.dev/en/latest/_autosummary/jax.lax.conv_general_dilated_local.html

    Examples
    --------
    A difference that is taken over a longer and longer way, and the same as sums of products:

    >>> import numpy as np
    >>> from fastconv import local_conv
    >>> weight = np.array([[-1, 1, 0, 0], [-1, 0, 1, 0], [-1, 0, 0, 1]])[:, None, None]
    >>> weight.shape    # outputs, filters, channels, kernel
    (3, 1, 1, 4)
    >>> local_conv([[1, 2, 4, 8, 16, 32]], weight)
    array([[ 1,  6, 28]])
    """
    return _tiled_conv(True, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation,
                       algorithm, out, dtype, workers)


def _tiled_conv(local, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm,
                out, dtype, workers):
    _route.check_workers(workers)
    _route.check_algorithm(algorithm, _route.TILED_ALGORITHMS)
    tiled = tiled_gate.tiled_conv(x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation,
                                  out, dtype, local)
    return _route.run_tiled(tiled, algorithm, workers, out)


# ---------------------------------------------------------------- windows as columns

def im2col(x, kernel_size, stride=1, padding=0, dilation=1, *, padding_mode="zeros", layout="channels_first", out=None,
           dtype=None, workers=None):
    """Write all windows as columns: ``cols[(c, t), o] = x[c, o * stride + t * dilation - pad]``.

    A row is for a channel ``c`` and a tap ``t`` of the kernel, with ``c`` first; a column for a position ``o`` of the
    window, the last spatial axis running fastest. This is `torch.nn.functional.unfold` [1]_ for any number of spatial
    axes and every padding. `conv` needs no such matrix; this is for sums that are not a layer's, and to look at.

    Parameters
    ----------
    x : array_like
        The input, of shape ``(..., C, *spatial)``, or ``(..., *spatial, C)`` for ``layout='channels_last'``.
    kernel_size : int or tuple of int
        The size of the window. A tuple tells the number of spatial axes; a number makes all axes spatial but the
        first two (with channels last, the first and the last).
    stride, padding, dilation, padding_mode, layout : optional
        As in `conv`.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap `x`.
    dtype : dtype, optional
        The result's dtype, by default that of `x`.
    workers : int, optional
        As in `conv`; one thread does all the work at present.

    Returns
    -------
    ndarray
        The windows, of shape ``(..., C * taps, positions)``, or ``(..., positions, C * taps)`` with channels last;
        ``taps`` is the number of the kernel's elements.

    Raises
    ------
    ValueError, TypeError
        As `conv`.

    See Also
    --------
    col2im : the adjoint, which adds the columns up.
    conv : the product of a weight with this matrix, without the matrix.

    References
    ----------
    .. [1] https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.unfold.html
    .. [2] K. Chellapilla, S. Puri, P. Simard, "High performance convolutional neural networks for document
       processing", 2006, https://inria.hal.science/inria-00112631

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import conv, im2col
    >>> image = np.arange(9).reshape(1, 3, 3)
    >>> cols = im2col(image, (2, 2))
    >>> cols
    array([[0, 1, 3, 4],
           [1, 2, 4, 5],
           [3, 4, 6, 7],
           [4, 5, 7, 8]])

    A layer is a product with that matrix:

    >>> weight = np.array([[[[1, 2], [3, 4]]]])
    >>> weight.reshape(1, 4) @ cols
    array([[27, 37, 57, 67]])
    >>> conv(image, weight)
    array([[[27, 37],
            [57, 67]]])
    """
    _route.check_workers(workers)
    x, columns, y, window = gate.im2col(x, kernel_size, stride, padding, dilation, padding_mode, layout, out, dtype)
    with np.errstate(all="ignore"):
        _windows.gather_columns(x, columns, window, padding_mode)
    return gate.finished(y, out)


def col2im(cols, output_size, kernel_size, stride=1, padding=0, dilation=1, *, padding_mode="zeros",
           layout="channels_first", out=None, dtype=None, workers=None):
    """Add columns up where their windows lie: ``x[c, o * stride + t * dilation - pad] += cols[(c, t), o]``.

    The adjoint of `im2col` with the same arguments: ``sum(im2col(x) * cols) == sum(x * col2im(cols))``. This is
    `torch.nn.functional.fold` [1]_ for any number of spatial axes and every padding.

    Parameters
    ----------
    cols : array_like
        Windows as `im2col` writes them, of shape ``(..., C * taps, positions)``, or ``(..., positions, C * taps)`` for
        ``layout='channels_last'``.
    output_size : int or tuple of int
        The spatial sizes of the result.
    kernel_size : int or tuple of int
        The size of the window. This or `output_size` must be a tuple, which tells the number of spatial axes.
    stride, padding, dilation : optional
        Those of `im2col`, whose input has the size of this result; see `conv`.
    padding_mode : {'zeros', 'reflect', 'replicate', 'circular', 'symmetric'}, optional
        With ``'zeros'``, what falls on the padding is dropped; otherwise it is added to the elements that the padding
        would have been copied from.
    layout : {'channels_first', 'channels_last'}, optional
        As in `conv`.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap `cols`.
    dtype : dtype, optional
        Add and return in this dtype, by default that of `cols`. float16 is summed in float32.
    workers : int, optional
        As in `conv`; one thread does all the work at present.

    Returns
    -------
    ndarray
        The sums, of shape ``(..., C, *output_size)``, or ``(..., *output_size, C)`` with channels last.

    Raises
    ------
    ValueError
        As `conv`, and if `cols` does not have the shape that the sizes ask for.
    TypeError
        As `conv`.

    See Also
    --------
    im2col : the windows as columns.
    conv_transpose : a product with a weight, then this.

    Notes
    -----
    Where the padding copies elements, the sums are made in an array of the padded size, or as large as the columns if
    that is less.

    References
    ----------
    .. [1] https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.fold.html

    Examples
    --------
    Of columns of ones it counts the windows over each element:

    >>> import numpy as np
    >>> from fastconv import col2im, im2col
    >>> count = col2im(np.ones((4, 4), int), (3, 3), (2, 2))
    >>> count
    array([[[1, 2, 1],
            [2, 4, 2],
            [1, 2, 1]]])

    So it undoes `im2col` after a division:

    >>> image = np.arange(9).reshape(1, 3, 3)
    >>> col2im(im2col(image, (2, 2)), (3, 3), (2, 2)) // count
    array([[[0, 1, 2],
            [3, 4, 5],
            [6, 7, 8]]])
    """
    _route.check_workers(workers)
    columns, spread, dtype, window = gate.col2im(cols, output_size, kernel_size, stride, padding, dilation,
                                                 padding_mode, layout, out, dtype)
    _windows.scatter_columns(columns, spread, window.apart() if window.folds() else window)
    y = _windows.fold(spread, window, padding_mode) if window.folds() else spread
    y = gate.rounded(gate.in_layout(y, window.rank, layout), dtype, None)
    return gate.finished(y, out)


# ---------------------------------------------------------------- a layer to keep

def _kept(a):
    """A copy that nobody can change."""
    if a is not None:
        a = np.array(a)
        a.flags.writeable = False
    return a


@dataclass(frozen=True, eq=False, repr=False)
class Conv:
    """A layer to keep: ``Conv(weight, bias, ...)(x)`` is ``conv(x, weight, bias, ...)``, to the last bit.

    The weights are copied, and put into the order in which the kernels read them at the first call rather than at every
    one: again only for inputs of another dtype, or of sizes that ask for another order.

    Parameters
    ----------
    weight, bias, stride, padding, dilation, groups : array_like and numbers
        As in `conv`.
    padding_mode, layout, activation, algorithm : optional
        As in `conv`.

    Attributes
    ----------
    weight : ndarray
        A copy of the weight, read-only.
    bias : ndarray or None
        A copy of the bias, read-only.
    stride, padding, dilation, groups, padding_mode, layout, activation, algorithm
        As they were given. A layer does not change; ``dataclasses.replace(layer, stride=2)`` makes another one.

    Raises
    ------
    ValueError, TypeError
        As `conv`, as far as the errors do not depend on the input.

    See Also
    --------
    conv : the layer as a function, and the meaning of the arguments.

    Notes
    -----
    A layer can be called from several threads at once, copied and pickled; copies prepare their weights anew.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import Conv
    >>> layer = Conv([[[1, 2, 1]]], [10], stride=2, padding="same", activation="relu")
    >>> layer
    Conv(1 -> 1 channels, kernel 3, int64, bias, stride=2, padding='same', activation='relu')
    >>> layer([[1, 2, 3, 4, -50]])
    array([[14, 22,  0]])
    >>> layer(np.ones((7, 1, 30))).shape
    (7, 1, 15)
    """

    weight: np.ndarray
    bias: np.ndarray | None = None
    stride: int | tuple = 1
    padding: int | str | tuple = 0
    dilation: int | tuple = 1
    groups: int = 1
    _: KW_ONLY
    padding_mode: str = "zeros"
    layout: str = "channels_first"
    activation: str | tuple | None = None
    algorithm: str = "auto"

    def __post_init__(self):
        _route.check_algorithm(self.algorithm)
        vars(self)["_arguments"] = tuple(getattr(self, field.name) for field in fields(self)[2:-1])
        gate.check_layer(self.weight, self.bias, *self._arguments)
        vars(self).update(weight=_kept(self.weight), bias=_kept(self.bias), _packed={})

    def __call__(self, x, out=None, workers=None):
        """Apply the layer to `x`.

        Parameters
        ----------
        x : array_like
            The input, of shape ``(..., C, *spatial)``, or ``(..., *spatial, C)`` with channels last.
        out, workers : optional
            As in `conv`.

        Returns
        -------
        ndarray
            The result, of dtype ``numpy.result_type(x, weight, bias)``.

        Raises
        ------
        ValueError, TypeError
            As `conv`.
        """
        _route.check_workers(workers)
        records, y = gate.conv(x, self.weight, self.bias, *self._arguments, out, None, self.weight.ndim - 2)
        _route.run_layers(records, self.algorithm, workers, self._packed)
        return gate.finished(y, out)

    def __repr__(self):
        filters, channels, *kernel = self.weight.shape
        told = [f"{channels * self.groups} -> {filters} channels", f"kernel {' x '.join(map(str, kernel))}",
                str(self.weight.dtype), *["bias"] * (self.bias is not None)]
        given = [(field.name, getattr(self, field.name)) for field in fields(self)[2:]]
        told += [f"{name}={value!r}" for name, value in given if repr(value) != repr(getattr(Conv, name))]
        return f"Conv({', '.join(told)})"

    def __reduce__(self):    # what is packed stays behind
        return partial(type(self), **{field.name: getattr(self, field.name) for field in fields(self)}), ()
