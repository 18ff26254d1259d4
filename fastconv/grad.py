"""Gradients of the layers and of pooling: their adjoints, in the argument style of `torch.nn.grad`.

For a number that depends on a layer's result ``y``, each function takes ``dy``, the derivatives of that number by
``y``, and returns those by one of the layer's arguments. If the layer has an activation, multiply ``dy`` by its
derivative first.
"""
import numpy as np

from fastconv import _layer_geometry as gate
from fastconv import _pool_geometry as pool_gate
from fastconv import _route, pooling
from fastconv import _tiled_geometry as tiled_gate


def conv_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
               layout="channels_first", out=None, dtype=None, workers=None):
    """Gradient by the input: ``dx[c, o * stride + t * dilation - pad] += dy[k, o] * conj(weight[k, c, t])``.

    That is done for all filters ``k`` and index tuples ``o`` of `grad_output` and ``t`` of the kernel, on zeros. It is
    the adjoint of `fastconv.conv` as a function of its input: ``vdot(conv(x, weight), dy) == vdot(x, dx)``. As in
    `torch.nn.grad` [1]_, for any number of spatial axes.

    Parameters
    ----------
    input_size : tuple of int
        The whole shape of the layer's input, leading axes and channels included.
    weight : array_like
        The layer's weight, of shape ``(K, C // groups, *kernel)``.
    grad_output : array_like
        ``dy``, of the shape of the layer's result.
    stride, padding, dilation, groups, padding_mode, layout : optional
        Those of the layer; see `fastconv.conv`. Where the padding copies elements of the input, its share of the
        gradient goes to them.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the inputs.
    dtype : dtype, optional
        Multiply, add and return in this dtype; see `fastconv.conv`. The default is
        ``numpy.result_type(weight, grad_output)``.
    workers : int, optional
        Threads for this call, as in `fastconv.conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        ``dx``, of shape `input_size`.

    Raises
    ------
    ValueError
        As `fastconv.conv`, and if `grad_output` does not have the shape of that layer's result.
    TypeError
        As `fastconv.conv`.

    See Also
    --------
    fastconv.conv_transpose : the same without conjugation, with a bias and an activation, and sizes from `stride`.

    Notes
    -----
    Where the padding copies elements, the gradient of the padded input, or of what windows hold if that is less, is an
    array besides.

    References
    ----------
    .. [1] https://github.com/pytorch/pytorch/blob/main/torch/nn/grad.py

    Examples
    --------
    Each element of the input is told its weight in every window that holds it; the first is only in the first window,
    the second in two:

    >>> import numpy as np
    >>> from fastconv import conv, grad
    >>> x, weight = np.array([[3, 1, 4, 1]]), np.array([[[1, 10]]])
    >>> y = conv(x, weight)
    >>> y
    array([[13, 41, 14]])
    >>> dx = grad.conv_input(x.shape, weight, np.ones_like(y))
    >>> dx
    array([[ 1, 11, 11, 10]])

    The layer is linear: the sum of its results is the sum of the inputs times those numbers.

    >>> bool(y.sum() == (x * dx).sum())
    True
    """
    _route.check_workers(workers)
    layer, y, window, dtype = gate.conv_input(input_size, weight, grad_output, stride, padding, dilation, groups,
                                              padding_mode, layout, out, dtype)
    _route.run_transposed(layer, "auto", workers)
    if window is not None:
        y = gate.rounded(gate.folded(y, window, padding_mode, layout), dtype, out)
    return gate.finished(y, out)


def conv_weight(x, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
                layout="channels_first", out=None, dtype=None, workers=None):
    """Gradient by the weight: ``dw[k, c, t] = sum(dy[n, k, o] * conj(x[n, c, o * stride + t * dilation - pad]))``.

    The sum is over the samples ``n``, all leading axes, and the index tuples ``o`` of `grad_output`. It is the adjoint
    of `fastconv.conv` as a function of its weight: ``vdot(conv(x, weight), dy) == vdot(weight, dw)``. As in
    `torch.nn.grad` [1]_, for any number of spatial axes.

    Parameters
    ----------
    x : array_like
        The layer's input.
    weight_size : tuple of int
        The shape of the layer's weight, ``(K, C // groups, *kernel)``.
    grad_output : array_like
        ``dy``, of the shape of the layer's result.
    stride, padding, dilation, groups, padding_mode, layout : optional
        Those of the layer; see `fastconv.conv`.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the inputs.
    dtype : dtype, optional
        Multiply, add and return in this dtype; see `fastconv.conv`. The default is
        ``numpy.result_type(x, grad_output)``.
    workers : int, optional
        Threads for this call, as in `fastconv.conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        ``dw``, of shape `weight_size`.

    Raises
    ------
    ValueError
        As `fastconv.conv`, and if `grad_output` does not have the shape of that layer's result.
    TypeError
        As `fastconv.conv`.

    Notes
    -----
    It is a layer itself: the samples are its channels, `grad_output` is its weight, and `stride` and `dilation` change
    places.

    References
    ----------
    .. [1] https://github.com/pytorch/pytorch/blob/main/torch/nn/grad.py

    Examples
    --------
    A line ``y = a * x + b`` that goes through three points, found by walking downhill on the squared error:

    >>> import numpy as np
    >>> from fastconv import conv, grad
    >>> x, y = np.array([[[-1.0, 0, 1]]]), np.array([[[-3.0, 1, 5]]])
    >>> weight, bias = np.zeros((1, 1, 1)), np.zeros(1)
    >>> for step in range(30):
    ...     error = conv(x, weight, bias) - y
    ...     weight -= 0.2 * grad.conv_weight(x, weight.shape, error)
    ...     bias -= 0.2 * grad.conv_bias(error)
    >>> print(weight.round(3), bias.round(3))
    [[[4.]]] [1.]
    """
    _route.check_workers(workers)
    records, y = gate.conv_weight(x, weight_size, grad_output, stride, padding, dilation, groups, padding_mode, layout,
                                  out, dtype)
    _route.run_layers(records, "auto", workers)
    return gate.finished(y, out)


def conv_bias(grad_output, *, rank=None, layout="channels_first", out=None, dtype=None, workers=None):
    """Gradient of a layer by its bias: ``db[k] = sum(dy[n, k, o])``.

    The sum is over the samples ``n``, all leading axes, and the positions ``o``: everything but the channels.

    Parameters
    ----------
    grad_output : array_like
        ``dy``, of the shape of the layer's result.
    rank : int, optional
        The number of spatial axes. By default all axes are spatial but the first two (with channels last, the first
        and the last).
    layout : {'channels_first', 'channels_last'}, optional
        That of the layer.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap `grad_output`.
    dtype : dtype, optional
        Add and return in this dtype, by default that of `grad_output`; see `fastconv.conv`.
    workers : int, optional
        As in `fastconv.conv`.

    Returns
    -------
    ndarray
        ``db``, of shape ``(K,)``.

    Raises
    ------
    ValueError
        If `grad_output` has too few axes, `layout` is unknown, `out` has another shape or is read-only, or `workers` is
        zero.
    TypeError
        If a dtype cannot be computed with, or `out` cannot take the result by a same-kind cast.

    See Also
    --------
    conv_weight, conv_input : the gradients by the layer's other arguments.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import grad
    >>> grad.conv_bias(np.arange(12).reshape(1, 2, 2, 3))
    array([15, 51])
    """
    _route.check_workers(workers)
    g, sizes, dtype = gate.conv_bias(grad_output, rank, layout, out, dtype)
    return gate.finished(_sum_but_channels(g, sizes, layout, dtype, workers), out)


def _sum_but_channels(g, sizes, layout, dtype, workers):
    """Sums of each sample's channels first, then of those: in blocks, so that errors do not grow with their number."""
    channels = g.shape[-1 if layout == "channels_last" else -len(sizes) - 1]
    if not g.size:
        return np.zeros(channels, dtype)
    summed = np.dtype(np.float32 if dtype.char == "e" else dtype)
    planes = pooling.sum_pool(g, sizes, layout=layout, dtype=summed, workers=workers).reshape(-1, channels)
    sums = pooling.sum_pool(planes.T, (len(planes),), dtype=summed, workers=workers)[:, 0]
    with np.errstate(all="ignore"):
        return sums.astype(dtype, copy=False)


def conv_transpose_input(input_size, weight, grad_output, stride=1, padding=0, output_padding=0, groups=1, dilation=1,
                         *, padding_mode="zeros", layout="channels_first", out=None, dtype=None, workers=None):
    """Gradient by the input: ``dx[c, i] = sum(dy[k, i * stride + t * dilation - pad] * conj(weight[c, k, t]))``.

    The sum is over the output channels ``k`` and the index tuples ``t`` of the kernel: this is `fastconv.conv` of
    `grad_output`, with the weight conjugated. It is the adjoint of `fastconv.conv_transpose` [1]_ as a function of its
    input: ``vdot(conv_transpose(x, weight), dy) == vdot(x, dx)``.

    Parameters
    ----------
    input_size : tuple of int
        The whole shape of the layer's input, leading axes and channels included.
    weight : array_like
        The layer's weight, of shape ``(C, K // groups, *kernel)``.
    grad_output : array_like
        ``dy``, of the shape of the layer's result.
    stride, padding, output_padding, groups, dilation, padding_mode, layout : optional
        Those of the layer; see `fastconv.conv_transpose`. `output_padding` may be left out, as the shape of
        `grad_output` tells it.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the inputs.
    dtype : dtype, optional
        Multiply, add and return in this dtype; see `fastconv.conv`. The default is
        ``numpy.result_type(weight, grad_output)``.
    workers : int, optional
        Threads for this call, as in `fastconv.conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        ``dx``, of shape `input_size`.

    Raises
    ------
    ValueError
        As `fastconv.conv_transpose`, and if `grad_output` does not have the shape of that layer's result.
    TypeError
        As `fastconv.conv_transpose`.

    See Also
    --------
    fastconv.conv : the same without conjugation, with a bias and an activation.

    References
    ----------
    .. [1] https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose2d.html

    Examples
    --------
    Each input is told the sum of the weights with which it went into the result:

    >>> import numpy as np
    >>> from fastconv import conv_transpose, grad
    >>> x, weight = np.array([[1, 2]]), np.array([[[1, 10, 100]]])
    >>> y = conv_transpose(x, weight, stride=2)
    >>> y
    array([[  1,  10, 102,  20, 200]])
    >>> grad.conv_transpose_input(x.shape, weight, np.ones_like(y), stride=2)
    array([[111, 111]])
    """
    _route.check_workers(workers)
    records, y = gate.conv_transpose_input(input_size, weight, grad_output, stride, padding, output_padding, groups,
                                           dilation, padding_mode, layout, out, dtype)
    _route.run_layers(records, "auto", workers)
    return gate.finished(y, out)


def conv_transpose_weight(x, weight_size, grad_output, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *,
                          padding_mode="zeros", layout="channels_first", out=None, dtype=None, workers=None):
    """Gradient by the weight: ``dw[c, k, t] = sum(conj(x[n, c, i]) * dy[n, k, i * stride + t * dilation - pad])``.

    The sum is over the samples ``n``, all leading axes, and the index tuples ``i`` of `x`. It is the adjoint of
    `fastconv.conv_transpose` [1]_ as a function of its weight:
    ``vdot(conv_transpose(x, weight), dy) == vdot(weight, dw)``.

    Parameters
    ----------
    x : array_like
        The layer's input.
    weight_size : tuple of int
        The shape of the layer's weight, ``(C, K // groups, *kernel)``.
    grad_output : array_like
        ``dy``, of the shape of the layer's result.
    stride, padding, output_padding, groups, dilation, padding_mode, layout : optional
        Those of the layer; see `fastconv.conv_transpose`. `output_padding` may be left out, as the shape of
        `grad_output` tells it.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the inputs.
    dtype : dtype, optional
        Multiply, add and return in this dtype; see `fastconv.conv`. The default is
        ``numpy.result_type(x, grad_output)``.
    workers : int, optional
        Threads for this call, as in `fastconv.conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        ``dw``, of shape `weight_size`.

    Raises
    ------
    ValueError
        As `fastconv.conv_transpose`, and if `grad_output` does not have the shape of that layer's result.
    TypeError
        As `fastconv.conv_transpose`.

    See Also
    --------
    conv_weight : the same for `fastconv.conv`, with `x` and `grad_output` in each other's place.

    References
    ----------
    .. [1] https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose2d.html

    Examples
    --------
    >>> from fastconv import grad
    >>> grad.conv_transpose_weight([[1, 2]], (1, 1, 3), [[1, 0, 1, 0, 1]], stride=2)
    array([[[3, 0, 3]]])
    """
    _route.check_workers(workers)
    records, y = gate.conv_transpose_weight(x, weight_size, grad_output, stride, padding, output_padding, groups,
                                            dilation, padding_mode, layout, out, dtype)
    _route.run_layers(records, "auto", workers)
    return gate.finished(y, out)


def conv_transpose_bias(grad_output, *, rank=None, layout="channels_first", out=None, dtype=None, workers=None):
    """Gradient of `conv_transpose` by its bias: ``db[k] = sum(dy[n, k, o])``, as `conv_bias`.

    Parameters
    ----------
    grad_output, rank, layout, out, dtype, workers
        As in `conv_bias`.

    Returns
    -------
    ndarray
        ``db``, of shape ``(K,)``.

    Raises
    ------
    ValueError, TypeError
        As `conv_bias`.

    See Also
    --------
    conv_bias : the same sum.

    Examples
    --------
    >>> from fastconv import grad
    >>> grad.conv_transpose_bias([[1, 2, 3], [4, 5, 6]], rank=1)
    array([ 6, 15])
    """
    return conv_bias(grad_output, rank=rank, layout=layout, out=out, dtype=dtype, workers=workers)


def tiled_conv_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1, *,
                     padding_mode="zeros", layout="channels_first", out=None, dtype=None, workers=None):
    """Gradient by the input: ``dx[c, o * stride + t * dilation - pad] += dy[k, o] * conj(weight[o % tiles, k, c, t])``.

    That is done for all filters ``k`` and index tuples ``o`` of `grad_output` and ``t`` of the kernel, on zeros. It is
    the adjoint of `fastconv.tiled_conv` as a function of its input, the layer's transposed form:
    ``vdot(tiled_conv(x, weight), dy) == vdot(x, dx)``.

    Parameters
    ----------
    input_size : tuple of int
        The whole shape of the layer's input, leading axes and channels included.
    weight : array_like
        The layer's weight, of shape ``(*tiles, K, C // groups, *kernel)``.
    grad_output : array_like
        ``dy``, of the shape of the layer's result.
    stride, padding, dilation, groups, padding_mode, layout : optional
        Those of the layer; see `fastconv.conv`.
    out, dtype, workers : optional
        As in `conv_input`.

    Returns
    -------
    ndarray
        ``dx``, of shape `input_size`.

    Raises
    ------
    ValueError, TypeError
        As `fastconv.tiled_conv`, and if `grad_output` does not have the shape of that layer's result.

    Notes
    -----
    Where the padding copies elements, the gradient of the padded input, or of what windows hold if that is less, is an
    array besides; so are the sums where hardly any outputs share a bank and the result is float16 or of 8-bit integers.

    Examples
    --------
    Of two filters that take turns, the first meets the elements 0 and 1, 2 and 3, the second 1 and 2:

    >>> import numpy as np
    >>> from fastconv import grad
    >>> weight = np.array([[[[1, 10]]], [[[100, 1000]]]])
    >>> grad.tiled_conv_input((1, 4), weight, [[1, 1, 1]])
    array([[   1,  110, 1001,   10]])
    """
    return _tiled_conv_input(False, input_size, weight, grad_output, stride, padding, dilation, groups, padding_mode,
                             layout, out, dtype, workers)


def tiled_conv_weight(x, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1, *,
                      padding_mode="zeros", layout="channels_first", out=None, dtype=None, workers=None):
    """Gradient by the weight: ``dw[o % tiles, k, c, t] += dy[k, o] * conj(x[c, o * stride + t * dilation - pad])``.

    That is done for all samples ``n``, all leading axes, and all index tuples ``o`` of `grad_output`, on zeros. It is
    the adjoint of `fastconv.tiled_conv` as a function of its weight:
    ``vdot(tiled_conv(x, weight), dy) == vdot(weight, dw)``.

    Parameters
    ----------
    x : array_like
        The layer's input.
    weight_size : tuple of int
        The shape of the layer's weight, ``(*tiles, K, C // groups, *kernel)``.
    grad_output : array_like
        ``dy``, of the shape of the layer's result.
    stride, padding, dilation, groups, padding_mode, layout : optional
        Those of the layer; see `fastconv.conv`.
    out, dtype, workers : optional
        As in `conv_weight`.

    Returns
    -------
    ndarray
        ``dw``, of shape `weight_size`; zeros for banks that no output uses.

    Raises
    ------
    ValueError, TypeError
        As `fastconv.tiled_conv`, and if `grad_output` does not have the shape of that layer's result.

    Examples
    --------
    The first bank of two sees the elements 1 and 2, and 4 and 8, the second 2 and 4:

    >>> from fastconv import grad
    >>> grad.tiled_conv_weight([[1, 2, 4, 8]], (2, 1, 1, 2), [[1, 1, 1]])
    array([[[[ 5, 10]]],
    <BLANKLINE>
    <BLANKLINE>
           [[[ 2,  4]]]])
    """
    return _tiled_conv_weight(False, x, weight_size, grad_output, stride, padding, dilation, groups, padding_mode,
                              layout, out, dtype, workers)


def tiled_conv_bias(grad_output, tiles=None, *, rank=None, layout="channels_first", out=None, dtype=None,
                    workers=None):
    """Gradient of a tiled layer by its bias: ``db[o % tiles, k] += dy[n, k, o]``, or `conv_bias` if banks share it.

    Parameters
    ----------
    grad_output : array_like
        ``dy``, of the shape of the layer's result.
    tiles : tuple of int, optional
        The layer's tiles, for a bias of shape ``(*tiles, K)``. By default the bias is one of shape ``(K,)``.
    rank, layout, out, dtype, workers : optional
        As in `conv_bias`.

    Returns
    -------
    ndarray
        ``db``, of shape ``(*tiles, K)`` or ``(K,)``.

    Raises
    ------
    ValueError, TypeError
        As `conv_bias`, and if `tiles` are not whole numbers of at least one.

    Examples
    --------
    >>> from fastconv import grad
    >>> grad.tiled_conv_bias([[1, 10, 100, 1000, 10000]], (2,), rank=1)
    array([[10101],
           [ 1010]])
    """
    _route.check_workers(workers)
    if tiles is None:
        return conv_bias(grad_output, rank=rank, layout=layout, out=out, dtype=dtype, workers=workers)
    return tiled_gate.tiled_conv_bias(grad_output, tiles, rank, layout, out, dtype)


def local_conv_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1, *,
                     padding_mode="zeros", layout="channels_first", out=None, dtype=None, workers=None):
    """Gradient by the input: ``dx[c, o * stride + t * dilation - pad] += dy[k, o] * conj(weight[o, k, c, t])``.

    The adjoint of `fastconv.local_conv` as a function of its input, the layer's transposed form.

    Parameters
    ----------
    input_size, weight, grad_output, stride, padding, dilation, groups
        As in `tiled_conv_input`, with a weight of shape ``(*outputs, K, C // groups, *kernel)``.
    padding_mode, layout, out, dtype, workers : optional
        As in `tiled_conv_input`.

    Returns
    -------
    ndarray
        ``dx``, of shape `input_size`.

    Raises
    ------
    ValueError, TypeError
        As `tiled_conv_input`, and if `weight` does not have a bank for each output.

    Examples
    --------
    Each output hands what it is told to the elements that it saw, times its own weights:

    >>> import numpy as np
    >>> from fastconv import grad
    >>> weight = np.array([[[[1, 10]]], [[[100, 1000]]]])
    >>> grad.local_conv_input((1, 3), weight, [[1, 2]])
    array([[   1,  210, 2000]])
    """
    return _tiled_conv_input(True, input_size, weight, grad_output, stride, padding, dilation, groups, padding_mode,
                             layout, out, dtype, workers)


def local_conv_weight(x, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1, *,
                      padding_mode="zeros", layout="channels_first", out=None, dtype=None, workers=None):
    """Gradient by the weight: ``dw[o, k, c, t] = sum(dy[n, k, o] * conj(x[n, c, o * stride + t * dilation - pad]))``.

    The sum is over the samples ``n``, all leading axes. The adjoint of `fastconv.local_conv` as a function of its
    weight.

    Parameters
    ----------
    x, weight_size, grad_output, stride, padding, dilation, groups
        As in `tiled_conv_weight`, with `weight_size` ``(*outputs, K, C // groups, *kernel)``.
    padding_mode, layout, out, dtype, workers : optional
        As in `tiled_conv_weight`.

    Returns
    -------
    ndarray
        ``dw``, of shape `weight_size`.

    Raises
    ------
    ValueError, TypeError
        As `tiled_conv_weight`, and if `weight_size` does not have a bank for each output.

    Examples
    --------
    >>> from fastconv import grad
    >>> grad.local_conv_weight([[1, 2, 4]], (2, 1, 1, 2), [[1, 100]])
    array([[[[  1,   2]]],
    <BLANKLINE>
    <BLANKLINE>
           [[[200, 400]]]])
    """
    return _tiled_conv_weight(True, x, weight_size, grad_output, stride, padding, dilation, groups, padding_mode,
                              layout, out, dtype, workers)


def local_conv_bias(grad_output, *, rank=None, layout="channels_first", out=None, dtype=None, workers=None):
    """Gradient of a local layer by a bias of each position: ``db[o, k] = sum(dy[n, k, o])`` over the samples ``n``.

    For a bias of shape ``(K,)``, which all positions share, it is `conv_bias`.

    Parameters
    ----------
    grad_output : array_like
        ``dy``, of the shape of the layer's result.
    rank, layout, out, dtype, workers : optional
        As in `conv_bias`.

    Returns
    -------
    ndarray
        ``db``, of shape ``(*outputs, K)``.

    Raises
    ------
    ValueError, TypeError
        As `conv_bias`.

    Examples
    --------
    >>> from fastconv import grad
    >>> grad.local_conv_bias([[[1, 2, 3]], [[10, 20, 30]]])    # two samples, one filter
    array([[11],
           [22],
           [33]])
    """
    _route.check_workers(workers)
    return tiled_gate.tiled_conv_bias(grad_output, None, rank, layout, out, dtype)


def _tiled_conv_input(local, input_size, weight, grad_output, stride, padding, dilation, groups, padding_mode, layout,
                      out, dtype, workers):
    _route.check_workers(workers)
    tiled = tiled_gate.tiled_conv_input(input_size, weight, grad_output, stride, padding, dilation, groups,
                                        padding_mode, layout, out, dtype, local)
    return _route.run_tiled(tiled, "auto", workers, out)


def _tiled_conv_weight(local, x, weight_size, grad_output, stride, padding, dilation, groups, padding_mode, layout,
                       out, dtype, workers):
    _route.check_workers(workers)
    tiled = tiled_gate.tiled_conv_weight(x, weight_size, grad_output, stride, padding, dilation, groups, padding_mode,
                                         layout, out, dtype, local)
    return _route.run_tiled(tiled, "auto", workers, out)


# ---------------------------------------------------------------- pooling

def max_pool(input_size, indices, grad_output, *, rank=None, layout="channels_first", out=None, dtype=None,
             workers=None):
    """Gradient of a pooling that chooses: ``dx[indices[o]] += dy[o]``, on zeros.

    That of `fastconv.max_pool`, `min_pool`, `global_max_pool` and `adaptive_max_pool`: the indices say it all. Of
    several equal elements the first, whose index it is, gets all, as in torch [1]_; windows that overlap add up.

    Parameters
    ----------
    input_size : tuple of int
        The whole shape of the pooling's input.
    indices : array_like of int
        What the pooling returns with ``return_indices=True``.
    grad_output : array_like
        ``dy``, of the shape of the pooling's result.
    rank : int, optional
        How many axes are spatial; the default is all after the first two.
    layout : {'channels_first', 'channels_last'}, optional
        That of the pooling.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the inputs.
    dtype : dtype, optional
        Add and return in this dtype; the default is that of `grad_output`.
    workers : int, optional
        Threads for this call, as in `fastconv.conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        ``dx``, of shape `input_size`.

    Raises
    ------
    ValueError
        If shapes do not fit each other, an index is not inside, `out` has another shape or is read-only, or `workers`
        is zero.
    TypeError
        If a dtype cannot be computed with, or `out` cannot take the result by a same-kind cast.

    See Also
    --------
    fastconv.max_unpool : one element for each index, not their sum.

    References
    ----------
    .. [1] https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html

    Examples
    --------
    >>> import fastconv
    >>> from fastconv import grad
    >>> y, indices = fastconv.max_pool([[1, 7, 7, 0, 3]], (1, 3), stride=1, return_indices=True)
    >>> grad.max_pool((1, 5), indices, [[1.0, 1.0, 1.0]], rank=2)
    array([[0., 2., 1., 0., 0.]])
    """
    _route.check_workers(workers)
    values, at, zeros, dx, dtype = pool_gate.max_pool_gradient(input_size, indices, grad_output, rank, layout, out,
                                                                  dtype)
    _route.put(zeros, at, values, True, workers)
    return gate.finished(gate.rounded(dx, dtype, out), out)


def avg_pool(input_size, grad_output, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
             divisor_override=None, *, dilation=1, layout="channels_first", out=None, dtype=None, workers=None):
    """Gradient of `fastconv.avg_pool`: ``dx[o * stride + t * dilation - pad] += dy[o] / divisor[o]``, on zeros.

    That is done for all outputs ``o`` and taps ``t`` of the window. It is the adjoint of the mean:
    ``vdot(avg_pool(x), dy) == vdot(x, dx)``.

    Parameters
    ----------
    input_size : tuple of int
        The whole shape of the pooling's input.
    grad_output : array_like
        ``dy``, of the shape of the pooling's result.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation, layout : optional but first
        Those of the pooling; see `fastconv.avg_pool`.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the input.
    dtype : dtype, optional
        Compute and return in this dtype; the default is that of `grad_output`, or float64 if that is whole numbers.
    workers : int, optional
        Threads for this call, as in `fastconv.conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        ``dx``, of shape `input_size`.

    Raises
    ------
    ValueError, TypeError
        As `fastconv.avg_pool`, and if `grad_output` does not have the shape of its result.

    See Also
    --------
    sum_pool : without the division.

    Examples
    --------
    >>> from fastconv import grad
    >>> grad.avg_pool((1, 5), [[3.0, 6.0]], (1, 3), stride=2)
    array([[1., 1., 3., 2., 2.]])
    """
    _route.check_workers(workers)
    records, dx = pool_gate.avg_pool_gradient(input_size, grad_output, kernel_size, stride, padding, ceil_mode,
                                              count_include_pad, divisor_override, dilation, layout, out, dtype)
    _route.run_pools(records, workers)
    return gate.finished(dx, out)


def sum_pool(input_size, grad_output, kernel_size, stride=None, padding=0, ceil_mode=False, *, dilation=1,
             layout="channels_first", out=None, dtype=None, workers=None):
    """Gradient of `fastconv.sum_pool`: ``dx[o * stride + t * dilation - pad] += dy[o]``, on zeros.

    That is done for all outputs ``o`` and taps ``t`` of the window. It is the adjoint of the sum:
    ``vdot(sum_pool(x), dy) == vdot(x, dx)``.

    Parameters
    ----------
    input_size : tuple of int
        The whole shape of the pooling's input.
    grad_output : array_like
        ``dy``, of the shape of the pooling's result.
    kernel_size, stride, padding, ceil_mode, dilation, layout : optional but first
        Those of the pooling; see `fastconv.sum_pool`.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the input.
    dtype : dtype, optional
        Add and return in this dtype; the default is that of `grad_output`.
    workers : int, optional
        Threads for this call, as in `fastconv.conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        ``dx``, of shape `input_size`.

    Raises
    ------
    ValueError, TypeError
        As `fastconv.sum_pool`, and if `grad_output` does not have the shape of its result.

    See Also
    --------
    avg_pool : of the mean.

    Examples
    --------
    >>> from fastconv import grad
    >>> grad.sum_pool((1, 5), [[3, 6]], (1, 3), stride=2)
    array([[3, 3, 9, 6, 6]])
    """
    _route.check_workers(workers)
    records, dx = pool_gate.sum_pool_gradient(input_size, grad_output, kernel_size, stride, padding, dilation,
                                              ceil_mode, layout, out, dtype)
    _route.run_pools(records, workers)
    return gate.finished(dx, out)


def lp_pool(x, norm_type, grad_output, kernel_size, stride=None, ceil_mode=False, *, padding=0, dilation=1,
            layout="channels_first", out=None, dtype=None, workers=None):
    """Gradient of `fastconv.lp_pool`: ``dx[i] = sign(x[i]) * sum(dy[o] * (abs(x[i]) / y[o]) ** (p - 1))``.

    The sum is over the windows ``o`` that hold ``i``, and ``y`` is their norm. A zero, where there is no derivative or
    where it is zero, gets 0.

    Parameters
    ----------
    x : array_like
        The pooling's input.
    norm_type : float
        The norm's ``p``.
    grad_output : array_like
        ``dy``, of the shape of the pooling's result.
    kernel_size, stride, ceil_mode, padding, dilation, layout : optional but first
        Those of the pooling; see `fastconv.lp_pool`.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the inputs.
    dtype : dtype, optional
        Return in this floating dtype; the default is ``numpy.result_type(x, grad_output)``, or float64 where that is
        integer or boolean.
    workers : int, optional
        Threads for this call, as in `fastconv.conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        ``dx``, of the shape of `x`.

    Raises
    ------
    ValueError, TypeError
        As `fastconv.lp_pool`, and if `grad_output` does not have the shape of its result.

    See Also
    --------
    sum_pool : the gradient of a plain sum.

    Notes
    -----
    Computed in float64 at least, with a few arrays as large as the input; windows whose powers leave the range of
    numbers are computed again, of elements over the largest.

    Examples
    --------
    >>> from fastconv import grad
    >>> grad.lp_pool([[3.0, -4.0]], 2, [[5.0]], (1, 2))
    array([[ 3., -4.]])
    """
    _route.check_workers(workers)
    x, dy, p, axes, sizes, last, dtype, result = pool_gate.lp_pool_gradient(
        x, norm_type, grad_output, kernel_size, stride, padding, dilation, ceil_mode, layout, out, dtype)
    y = np.empty_like(dy)
    norms = pool_gate.norm_records(x, y, axes, last, p)
    _route.run_pools(norms, workers)
    with np.errstate(all="ignore"):
        share, exact = _norm_shares(y, dy, p)
        records, sums = pool_gate.spread_norms(share, axes, sizes, last, dtype)
        _route.run_pools(records, workers)
        dx = abs(x)
        if p != 2:
            np.power(dx, p - 1, out=dx)
        dx = np.copysign(dx, x, out=dx)
        dx *= sums
        np.copyto(dx, 0, where=(x == 0) | (sums == 0))
        if not exact.all():
            _route.spread_slopes(norms[0], ~exact, dy, dx)
        dx = dx.astype(result)
    return gate.finished(dx, out)


def _norm_shares(y, dy, p):
    """``dy * y ** (1 - p)``, or 0 where that, or a slope, may leave the range of numbers; and where it does not."""
    largest = np.finfo(y.dtype).maxexp
    low, high = (np.ldexp(y.dtype.type(1), sign * largest // 2) for sign in (-1, 1))
    factor = y ** (1 - y.dtype.type(p))
    share = dy * factor
    sizes = abs(share)
    if p >= 1 / 16 and factor.size and (low < factor.min() and factor.max() < high and low**1.9 < sizes.min()
                                        and sizes.max() < high**1.9):
        return share, np.True_
    exact = (low < factor) & (factor < high) & (p >= 1 / 16)
    exact &= (dy == 0) | (low**1.9 < sizes) & (sizes < high**1.9)
    exact |= y == 0
    return np.where(exact & (y != 0), share, 0), exact


def adaptive_avg_pool(input_size, grad_output, *, rank=None, layout="channels_first", out=None, dtype=None,
                      workers=None):
    """Gradient of `fastconv.adaptive_avg_pool`, and of `global_avg_pool`: ``dx[a[o]:b[o]] += dy[o] / n[o]``, on zeros.

    That is done for all outputs ``o``, whose windows hold the ``n`` elements from ``a`` to ``b``.

    Parameters
    ----------
    input_size : tuple of int
        The whole shape of the pooling's input.
    grad_output : array_like
        ``dy``, of the shape of the pooling's result.
    rank : int, optional
        How many axes are spatial; the default is all after the first two.
    layout : {'channels_first', 'channels_last'}, optional
        That of the pooling.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the input.
    dtype : dtype, optional
        Compute and return in this dtype; the default is that of `grad_output`, or float64 if that is whole numbers.
    workers : int, optional
        Threads for this call, as in `fastconv.conv`. The bits of the result do not depend on them.

    Returns
    -------
    ndarray
        ``dx``, of shape `input_size`.

    Raises
    ------
    ValueError, TypeError
        As `fastconv.adaptive_avg_pool`, and if `grad_output` has other axes than `input_size`.

    See Also
    --------
    avg_pool : windows of one size.

    Examples
    --------
    >>> from fastconv import grad
    >>> grad.adaptive_avg_pool((1, 5), [[3.0, 6.0]], rank=1)
    array([[1., 1., 3., 2., 2.]])
    """
    _route.check_workers(workers)
    records, dx = pool_gate.adaptive_avg_pool_gradient(input_size, grad_output, rank, layout, out, dtype)
    _route.run_pools(records, workers)
    return gate.finished(dx, out)
