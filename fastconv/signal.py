"""Correlation and convolution with `scipy.signal`'s names, arguments and answers."""
from fastconv._geometry import sliding
from fastconv._route import run


def correlate2d(in1, in2, mode="full", boundary="fill", fillvalue=0, *, method="auto", out=None, dtype=None,
                workers=None):
    """Cross-correlate two 2-D arrays: ``y[i, j] = sum(in1[i + m - a, j + n - b] * conj(in2[m, n]))``.

    The sum is over all ``m, n`` of `in2`; `mode` sets the offsets ``a, b``, and `boundary` what `in1` is outside its
    edges. Values, shapes and dtypes are those of `scipy.signal.correlate2d` [1]_.

    Parameters
    ----------
    in1, in2 : array_like
        The image, of shape ``(h, w)``, and the kernel, of shape ``(kh, kw)``: boolean, integer, floating or complex.
    mode : {'full', 'same', 'valid'}, optional
        Which part of the sum is returned:

        ``'full'``
            wherever the kernel touches the image: shape ``(h + kh - 1, w + kw - 1)``; ``a = kh - 1``;
        ``'same'``
            the shape of `in1`; ``a = (kh - 1) // 2``, so that an odd kernel is centred on its pixel;
        ``'valid'``
            wherever the kernel lies within the image: shape ``(h - kh + 1, w - kw + 1)``; ``a = 0``. If `in2` is the
            larger one, the image slides within the kernel, and the shape is that of the kernel's positions.
    boundary : {'fill', 'wrap', 'symm', 'symmetric', 'reflect', 'edge'}, optional
        How the image goes on outside, here for a row ``a b c d``:

        ``'fill'``
            ``k k | a b c d | k k`` with ``k`` = `fillvalue`;
        ``'wrap'``
            ``c d | a b c d | a b``, periodic;
        ``'symm'`` or ``'symmetric'``
            ``b a | a b c d | d c``, mirrored, the edge doubled;
        ``'reflect'``
            ``c b | a b c d | c b``, mirrored at the edge's centre;
        ``'edge'``
            ``a a | a b c d | d d``.
    fillvalue : scalar, optional
        The border's value for ``boundary='fill'``, cast to the result's dtype.
    method : {'auto', 'direct', 'fft'}, optional
        ``'direct'`` sums products, ``'fft'`` goes through the Fourier transform where that can be exact enough, and
        ``'auto'`` takes ``'direct'`` unless the other is much faster; see Notes.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the inputs.
    dtype : dtype, optional
        Multiply, add and return in this dtype, as in `numpy.sum`: ``np.int64`` makes sums of small integers exact.
        The default is ``numpy.result_type(in1, in2)``, where integers wrap as NumPy's do. Booleans multiply and add
        as *and* and *or*. float16 is summed in float32.
    workers : int, optional
        Threads for this call; negative numbers count back from the CPUs. The default is `get_workers`. Small work
        stays on the calling thread, and the result's bits never depend on the number.

    Returns
    -------
    ndarray
        The correlation.

    Raises
    ------
    ValueError
        If an input is not 2-D, `mode` or `boundary` is unknown, neither input holds the other in ``'valid'`` mode,
        `fillvalue` cannot be cast to the dtype, an empty image should be continued by itself, `out` has another shape
        or is read-only, or `workers` is zero.
    TypeError
        If a dtype cannot be computed with, or `out` cannot take the result by a same-kind cast.

    See Also
    --------
    convolve2d : the same with the kernel flipped.
    correlate : any number of dimensions, and a choice of method.

    Notes
    -----
    For floating and complex inputs a large kernel goes through the Fourier transform where that is much faster (twice
    as fast and by milliseconds, or ten times); integers never do, unless ``method='fft'`` asks for it and it is exact.
    Whatever the method, the error of an output is at rounding level of what its own window holds: at most ``4 * eps *
    log2(4 * n) * sum(abs(in2)) * max(abs(window))`` for ``n`` taps. A window of zeros gives 0; infinities, NaN and
    huge values appear only in the outputs whose windows hold them.
    The border is part of the sum: an infinite tap times a border of zeros is NaN.

    SciPy 1.17 does not conjugate `in2` for ``'valid'`` with swapped complex inputs; here the result is that of
    `scipy.signal.correlate`.

    References
    ----------
    .. [1] https://docs.scipy.org/doc/scipy/reference/generated/scipy.signal.correlate2d.html

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import correlate2d
    >>> image = np.array([[1, 0, 0, 1, 2], [0, 0, 0, 3, 0], [0, 1, 2, 1, 1], [1, 1, 3, 0, 0], [3, 0, 0, 0, 1]])
    >>> kernel = np.array([[0, 0, 1], [0, 2, 0], [1, 1, 0]])
    >>> correlate2d(image, kernel, "valid")
    array([[ 1,  4, 11],
           [ 4, 11,  5],
           [ 7,  7,  1]])
    """
    return run(sliding(in1, in2, mode, boundary, fillvalue, out, dtype, False, True), method, workers)


def convolve2d(in1, in2, mode="full", boundary="fill", fillvalue=0, *, method="auto", out=None, dtype=None,
               workers=None):
    """Convolve two 2-D arrays: ``y[i, j] = sum(in1[i + a - m, j + b - n] * in2[m, n])``.

    The sum is over all ``m, n`` of `in2`: the kernel slides over the image flipped in both directions, and is not
    conjugated. Values, shapes and dtypes are those of `scipy.signal.convolve2d` [1]_.

    Parameters
    ----------
    in1, in2 : array_like
        The image, of shape ``(h, w)``, and the kernel, of shape ``(kh, kw)``: boolean, integer, floating or complex.
    mode : {'full', 'same', 'valid'}, optional
        Which part of the sum is returned: ``'full'``, of shape ``(h + kh - 1, w + kw - 1)`` with ``a = 0``;
        ``'same'``, of the shape of `in1`, ``a = (kh - 1) // 2``; or ``'valid'``, of shape ``(h - kh + 1, w - kw + 1)``
        with ``a = kh - 1``, where the inputs change places if `in2` is the larger one.
    boundary : {'fill', 'wrap', 'symm', 'symmetric', 'reflect', 'edge'}, optional
        How the image goes on outside; see `correlate2d`.
    fillvalue : scalar, optional
        The border's value for ``boundary='fill'``, cast to the result's dtype.
    method : {'auto', 'direct', 'fft'}, optional
        How to compute it; see `correlate2d`.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the inputs.
    dtype : dtype, optional
        Multiply, add and return in this dtype; see `correlate2d`.
    workers : int, optional
        Threads for this call; negative numbers count back from the CPUs. The default is `get_workers`.

    Returns
    -------
    ndarray
        The convolution.

    Raises
    ------
    ValueError, TypeError
        As `correlate2d`.

    See Also
    --------
    correlate2d : the same without the flip, the kernel conjugated.
    convolve : any number of dimensions, and a choice of method.

    References
    ----------
    .. [1] https://docs.scipy.org/doc/scipy/reference/generated/scipy.signal.convolve2d.html

    Examples
    --------
    A point is spread into the kernel, not into its mirror image:

    >>> import numpy as np
    >>> from fastconv import convolve2d
    >>> point = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    >>> convolve2d(point, [[1, 2, 3], [4, 5, 6], [7, 8, 9]], "same")
    array([[1, 2, 3],
           [4, 5, 6],
           [7, 8, 9]])
    """
    return run(sliding(in1, in2, mode, boundary, fillvalue, out, dtype, True, True), method, workers)


def correlate(in1, in2, mode="full", method="auto", *, boundary="fill", fillvalue=0, out=None, dtype=None,
              workers=None):
    """Cross-correlate two N-D arrays: ``y[i] = sum(in1[i + m - a] * conj(in2[m]))``.

    The sum is over all index tuples ``m`` of `in2`; `mode` sets the offsets ``a``, and `boundary` what `in1` is
    outside its edges. Values, shapes and dtypes are those of `scipy.signal.correlate` [1]_, for every border.

    Parameters
    ----------
    in1, in2 : array_like
        The signal and the kernel, of the same number of dimensions: boolean, integer, floating or complex.
    mode : {'full', 'same', 'valid'}, optional
        Which part of the sum is returned, for axes of length ``n`` and ``k``: ``'full'``, of length ``n + k - 1`` with
        ``a = k - 1``; ``'same'``, of length ``n`` with ``a = k // 2``; or ``'valid'``, of length ``n - k + 1`` with
        ``a = 0``, where the inputs change places if `in2` is the larger one.
    method : {'auto', 'direct', 'fft'}, optional
        ``'direct'`` adds up the products, ``'fft'`` multiplies Fourier transforms, SciPy's if it is installed and
        otherwise NumPy's. ``'auto'`` takes the faster one by a model of their costs. Integer results are exact:
        transforms are only used for them where rounding cannot change the result; booleans are always direct.
    boundary : {'fill', 'wrap', 'symm', 'symmetric', 'reflect', 'edge'}, optional
        How `in1` goes on outside; see `correlate2d`. (SciPy's function has ``'fill'`` with zeros only.)
    fillvalue : scalar, optional
        The border's value for ``boundary='fill'``, cast to the result's dtype.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the inputs.
    dtype : dtype, optional
        Multiply, add and return in this dtype; see `correlate2d`.
    workers : int, optional
        Threads for this call; negative numbers count back from the CPUs. The default is `get_workers`.

    Returns
    -------
    ndarray or scalar
        The correlation; a scalar for 0-d inputs.

    Raises
    ------
    ValueError
        If the inputs differ in their number of dimensions, `mode`, `method` or `boundary` is unknown, neither input
        holds the other in ``'valid'`` mode, `fillvalue` cannot be cast to the dtype, an empty input should be
        continued by itself, `out` has another shape or is read-only, or `workers` is zero.
    TypeError
        If a dtype cannot be computed with, or `out` cannot take the result by a same-kind cast.

    See Also
    --------
    convolve : the same with the kernel flipped and not conjugated.
    correlate2d : images, with SciPy's centring of ``'same'`` for even kernels (``a = (k - 1) // 2``).

    Notes
    -----
    Transforms work on blocks (overlap-save). Whatever the method, the error of an output is at rounding level of what
    its own window holds; see `correlate2d`: data of many magnitudes are transformed in bands, and the products of a few
    elements that stand out are added apart, as those of infinities are. The border is part of the sum: an infinite tap
    times a border of zeros is NaN (`numpy.convolve`, and with it SciPy in one dimension, leaves out such products).

    References
    ----------
    .. [1] https://docs.scipy.org/doc/scipy/reference/generated/scipy.signal.correlate.html

    Examples
    --------
    Where in a signal is the pattern? The largest correlation tells:

    >>> import numpy as np
    >>> from fastconv import correlate
    >>> signal = np.array([0, 1, 0, 2, 5, 3, 0, 1])
    >>> correlate(signal, [2, 5, 3], "valid")
    array([ 5,  8, 25, 38, 25,  9])
    """
    return run(sliding(in1, in2, mode, boundary, fillvalue, out, dtype, False, False), method, workers)


def convolve(in1, in2, mode="full", method="auto", *, boundary="fill", fillvalue=0, out=None, dtype=None,
             workers=None):
    """Convolve two N-D arrays: ``y[i] = sum(in1[i + a - m] * in2[m])``.

    The sum is over all index tuples ``m`` of `in2`: the kernel slides flipped along every axis, and is not
    conjugated. Values, shapes and dtypes are those of `scipy.signal.convolve` [1]_, for every border.

    Parameters
    ----------
    in1, in2 : array_like
        The signal and the kernel, of the same number of dimensions: boolean, integer, floating or complex.
    mode : {'full', 'same', 'valid'}, optional
        Which part of the sum is returned, for axes of length ``n`` and ``k``: ``'full'``, of length ``n + k - 1`` with
        ``a = 0``; ``'same'``, of length ``n`` with ``a = (k - 1) // 2``; or ``'valid'``, of length ``n - k + 1`` with
        ``a = k - 1``, where the inputs change places if `in2` is the larger one.
    method : {'auto', 'direct', 'fft'}, optional
        How to compute it; see `correlate`.
    boundary : {'fill', 'wrap', 'symm', 'symmetric', 'reflect', 'edge'}, optional
        How `in1` goes on outside; see `correlate2d`.
    fillvalue : scalar, optional
        The border's value for ``boundary='fill'``, cast to the result's dtype.
    out : ndarray, optional
        Receives the result and is returned. Any strides; it may overlap the inputs.
    dtype : dtype, optional
        Multiply, add and return in this dtype; see `correlate2d`.
    workers : int, optional
        Threads for this call; negative numbers count back from the CPUs. The default is `get_workers`.

    Returns
    -------
    ndarray or scalar
        The convolution; a scalar for 0-d inputs.

    Raises
    ------
    ValueError, TypeError
        As `correlate`.

    See Also
    --------
    correlate : the same without the flip, the kernel conjugated.
    convolve2d : images.

    References
    ----------
    .. [1] https://docs.scipy.org/doc/scipy/reference/generated/scipy.signal.convolve.html

    Examples
    --------
    Polynomials multiply by convolving their coefficients, (1 + x)(1 - x + x²) = 1 + x³:

    >>> from fastconv import convolve
    >>> convolve([1, 1], [1, -1, 1])
    array([1, 0, 0, 1])
    """
    return run(sliding(in1, in2, mode, boundary, fillvalue, out, dtype, True, False), method, workers)
