"""Which algorithm computes a call, and on how many threads: a few ifs, each threshold beside its measurement.

The algorithm is chosen by sizes, dtype and build alone, so that the bits of a result never depend on the workers.
Compiled, as the gate is, for the sake of small arrays.
"""
from functools import partial

cimport numpy as cnp

from fastconv import _fft
from fastconv._isa import isa, kernels
from fastconv._workers import threads
from fastconv.kernels import quotients, spread
from fastconv.kernels.norms import spread_slopes as spread_windows

from fastconv._layer_geometry cimport Transposed
from fastconv._tiled_geometry cimport Tiled
from fastconv.kernels.blocks cimport of_phase
from fastconv.kernels.layer cimport INPUT, RESULT, Convolution, Layer
from fastconv.kernels.lines cimport BOOL, ELEMENTS, FLOAT32, FLOAT64, LONGDOUBLE, UINT16, UINT32, UINT64
from fastconv.kernels.pooling cimport Pooling
from fastconv.kernels.problem cimport FILL, Problem

cnp.import_array()

cdef object _direct = kernels("direct").correlate

# Products that the direct kernels add up in a second: 1024 x 1024 with 15 x 15, one core of a Zen 4 at 3.6 GHz.
_FLOAT_PRODUCTS = {"baseline": 14e9, "x86-64-v3": 46e9, "x86-64-v4": 52e9}[isa]
_PRODUCTS = {
    "?": _FLOAT_PRODUCTS, "b": _FLOAT_PRODUCTS, "h": _FLOAT_PRODUCTS, "i": _FLOAT_PRODUCTS / 2,
    "l": _FLOAT_PRODUCTS / 8, "q": _FLOAT_PRODUCTS / 8,
    "e": _FLOAT_PRODUCTS, "f": _FLOAT_PRODUCTS, "d": _FLOAT_PRODUCTS / 2, "g": 0.3e9,
    "F": _FLOAT_PRODUCTS / 4, "D": _FLOAT_PRODUCTS / 8, "G": 0.07e9,
}

cdef tuple _METHODS = ("auto", "direct", "fft")
# Waking a thread takes about 5 microseconds: one more for every 20 microseconds of work.
cdef double _SECONDS_A_THREAD = 20e-6
# Transforms go to Python's threads, or to those of SciPy: 1-D signals of 1e5 elements were slower on two.
cdef double _TRANSFORM_SECONDS_A_THREAD = 2e-3
# SciPy's two-dimensional pair always sums directly, with errors relative to the products of each output rather than to
# the largest of its window. Ours gives that up only where transforms are twice as fast and that is felt, or ten times.
cdef double _PLANAR_SECONDS = 5e-3
# Products that are summed directly before a transform has begun, by element computed with, real and complex.
cdef double[<int> ELEMENTS][2] _SMALL_WORK

cdef void fill_small_work():
    cdef int element
    for element in range(<int> ELEMENTS):
        _SMALL_WORK[element][0] = _SMALL_WORK[element][1] = _SECONDS_A_THREAD * <double> _PRODUCTS["F"]
    for element, kinds in ((FLOAT32, "fF"), (FLOAT64, "dD"), (LONGDOUBLE, "gG"), (UINT16, "hh"), (UINT32, "ii"),
                           (UINT64, "ll"), (BOOL, "??")):
        for planes in range(2):
            _SMALL_WORK[<int> element][<int> planes] = _SECONDS_A_THREAD * <double> _PRODUCTS[kinds[planes]]

fill_small_work()


cdef double _seconds(double products, dtype):
    """What the direct kernels take for them."""
    return products / <double> _PRODUCTS[dtype.char.lower() if dtype.kind in "iu" else dtype.char]


cdef object _transforms(Problem problem, method, double direct_seconds):
    """The plan of the Fourier transforms if they are to be used, else None."""
    kind = problem.dtype.kind
    if method == "direct" or kind == "b" or problem.planar and kind in "iu" and method == "auto":
        return None
    if not problem.work or not problem.out.ndim:
        return None
    if method == "auto" and direct_seconds < _fft.least_seconds(problem):
        return None
    plan = _fft.plan(problem)
    worth = min(max(2 * plan.seconds, _PLANAR_SECONDS), 10 * plan.seconds) if problem.planar else plan.seconds
    if method == "auto" and direct_seconds < worth or kind in "iu" and not _fft.exact(problem, plan.shape):
        return None
    return plan


def run(Problem problem, method, workers):
    """Compute the record's output and return what the caller gets."""
    if method not in _METHODS:
        raise ValueError(f"`method` must be one of {', '.join(map(repr, _METHODS))}, got {method!r}")
    if (problem.work < _SMALL_WORK[problem.sliding.element][problem.sliding.planes - 1] and workers is None
            and method != "fft"):    # the short way
        _direct(problem, 1)
        return problem.finish()
    seconds = _seconds(problem.work, problem.dtype)
    plan = _transforms(problem, method, seconds)
    if plan:
        count = threads(workers, 1 + int(plan.seconds / _TRANSFORM_SECONDS_A_THREAD))
        _fft.correlate(problem, plan, count, _direct, seconds / problem.work)
    else:
        _direct(problem, threads(workers, 1 + int(seconds / _SECONDS_A_THREAD)))
    return problem.finish()


# ---------------------------------------------------------------- layers

ALGORITHMS = ("filters", "pixels", "depthwise", "winograd")
TILED_ALGORITHMS = (*ALGORITHMS, "unshared")
_gemm, _depthwise, _winograd = kernels("gemm"), kernels("depthwise"), kernels("winograd")
cdef Py_ssize_t _VECTOR = {"baseline": 16, "x86-64-v3": 32, "x86-64-v4": 64}[isa]    # bytes

# Weights are packed before the pixels are cut into blocks if they are small, or if many pixels use them; else in use,
# panel by panel, while they are in cache: 3x3 256->256 at 14 x 14 gains a tenth. Scratch stays bounded either way.
cdef double _SMALL_WEIGHTS = 3e5
cdef double _LARGE_WEIGHTS = 2**22
cdef double _MANY_PIXELS = 3000
# Those of Winograd's algorithm in use, too, if all pixels are one block: by a fifth for 256->256 at 14 x 14.
cdef double _ONE_BLOCK = 256


def check_workers(workers):
    """An error for a number of threads that no call takes."""
    threads(workers, 1)


def check_algorithm(algorithm, algorithms=ALGORITHMS):
    if not isinstance(algorithm, str) or algorithm != "auto" and algorithm not in algorithms:
        raise ValueError(f"`algorithm` must be 'auto' or one of {', '.join(map(repr, algorithms))}, got {algorithm!r}")


# What a tile's end costs, in terms of its sum, when its vectors run along filters and must be transposed to pixels:
# 1x1 64->256 at 56 x 56 reaches 0.66 of the peak, 3x3 64->64 0.94. Six times that where the rows of all filters fall
# into one set of the first-level cache: 3x3 32->32 at 256 x 256 reaches 0.65. Phases of a stride share the lines.
cdef double _TURNING = 36
# And what the end of a tile along pixels costs: 1x1 256->64 at 56 x 56 reaches 0.96 of what full vectors would. Where
# results are not side by side, they are stored one by one, too, and phases of a transposed layer are woven one by one
# if its stride is not a power of two: 3x3 64->64 with stride 3 at 28 x 28 takes 1.1 times as long along pixels.
cdef double _ALONG_PIXELS = 0.96
# A tile of one vector of pixels, or of two, takes so many times as long for each as one of three, whose sums hide the
# latency of multiply-adds: 2x2 256->64 at one, two and three vectors' pixels squared, against tiles along filters.
# Likewise rows of 14: tiles along filters take 0.86 of the time for 3x3 16->32, 0.80 for 1x1 64->128 with stride 2.
cdef tuple _NARROW = {"baseline": (1, 1.35, 1.06), "x86-64-v3": (1, 1.75, 1.2), "x86-64-v4": (1, 1.3, 1.06)}[isa]

# Filters of a group of one channel from which tiles along pixels win, which load pixels once for several filters.
cdef Py_ssize_t _FEW_FILTERS = 4


cdef double _filled(Py_ssize_t n, Py_ssize_t lanes):
    """The part of the vectors' lanes that n elements in a row use."""
    return n / <double> ((n + lanes - 1) // lanes * lanes)


cdef double _filled_tiles(Py_ssize_t n, Py_ssize_t lanes):
    """And of what tiles of three vectors of pixels would do."""
    cdef Py_ssize_t vectors = (n + lanes - 1) // lanes, narrow = vectors % 3
    return _filled(n, lanes) * vectors / (vectors - narrow + narrow * <double> _NARROW[narrow])


cdef Py_ssize_t _run(const Layer* s, Py_ssize_t lanes):
    """Outputs of a bank, or of a phase, that tiles along pixels see side by side: those of a row, or of all rows."""
    cdef int axis = s.rank - 1
    cdef Py_ssize_t steps = s.banks.tiles[axis] * s.up[axis], n = (s.out_size[axis] + steps - 1) // steps
    if (lanes <= n == s.x_size[axis] and s.kernel_size[axis] == s.up[axis] and s.stride[axis] == 1
            and s.stride[axis - 1] == 1):
        n *= of_phase(s, axis - 1, 0)
    return n


# Winograd's algorithm wins where its transforms are used often enough: by 1.3 to 1.6 for 64 channels and filters and
# images of 28 x 28, 1.06 at 10 x 10; for 32 of each by 1.3 at 28 x 28, but it loses at 14 x 14; 16 of each never win.
# With kernels of one row, which save a third, it wins by 1.1 for 80 of each and by 1.2 to 1.4 for 256.
cdef Py_ssize_t _FEW_CHANNELS = 24
cdef Py_ssize_t _FEW_CHANNELS_OF_ROWS = 80
cdef Py_ssize_t _FEW_PIXELS = 100
cdef double _FEW_TRANSFORMED = 8000


cdef bint _saves_products(Convolution problem):
    """Whether Winograd's algorithm wins."""
    cdef const Layer* s = &problem.layer
    cdef Py_ssize_t pixels = s.out_size[s.rank - 1] * s.out_size[s.rank - 2]
    cdef Py_ssize_t fewer = min(s.channels, s.filters) * s.planes
    cdef Py_ssize_t few = _FEW_CHANNELS if s.kernel_size[s.rank - 2] > 1 else _FEW_CHANNELS_OF_ROWS
    return (fewer >= few and pixels >= _FEW_PIXELS and fewer * pixels >= _FEW_TRANSFORMED
            and _winograd.fits(problem))


cdef str _sum_chosen(Convolution problem):
    """The direction of the tiles that win."""
    cdef const Layer* s = &problem.layer
    cdef int axis = s.rank - 1
    cdef Py_ssize_t lanes = _VECTOR // problem.element_size
    cdef double terms = problem.terms, along_filters, along_pixels
    if abs(s.out_filter) < abs(s.out_stride[axis]):    # channels last
        return "filters"
    along_filters = _filled(s.filters * s.planes, lanes) * terms / (
        terms + _TURNING * (max(1, 6 / s.up[axis]) if s.out_filter % 4096 == 0 else 1))
    along_pixels = _ALONG_PIXELS * _filled_tiles(_run(s, lanes), lanes)
    if abs(s.out_stride[axis]) != problem.out.itemsize or s.up[axis] & (s.up[axis] - 1):
        along_pixels *= terms / (terms + _TURNING)
    return "pixels" if along_pixels > along_filters else "filters"


cdef str _chosen(Convolution problem):
    """By one sample's geometry, the dtype and the build."""
    cdef const Layer* s = &problem.layer
    if s.filters * s.planes < _FEW_FILTERS and _depthwise.fits(problem):
        return "depthwise"
    if _saves_products(problem):
        return "winograd"
    return _sum_chosen(problem)


cdef int _choose(Convolution problem, algorithm) except -1:
    problem.algorithm = _chosen(problem) if algorithm == "auto" else algorithm
    if problem.algorithm == "depthwise" and not _depthwise.fits(problem):
        raise ValueError("`algorithm`: 'depthwise' is for groups of one channel, and for kernels, strides and "
                         "dilations that are not enormous, got a weight of shape "
                         f"{problem.weight.shape}: (groups, filters, channels, *kernel)")
    if problem.algorithm == "winograd" and not _winograd.fits(problem):
        raise ValueError("`algorithm`: 'winograd' is for kernels that end in 3 x 3 or 1 x 3, without stride and "
                         "dilation, of float32, float64 or their complex numbers, and for at most a thousand channels, "
                         f"got a weight of shape {problem.weight.shape}: (groups, filters, channels, *kernel), for "
                         f"{problem.dtype}")
    return 0


cdef bint _meets_x(const Layer* s, int axis, Py_ssize_t tap):
    """Whether any output meets an element of x at a tap."""
    cdef Py_ssize_t way = tap * s.dilation[axis] - s.offset[axis], step = s.stride[axis]
    cdef Py_ssize_t o = (-way + step - 1) // step if way < 0 else 0
    return o < s.out_size[axis] and o * step + way < s.x_size[axis]


cdef bint _ends_meet_x(const Layer* s):
    """Whether all taps do, the first and the last along each axis."""
    cdef int axis
    for axis in range(s.rank):
        if not (_meets_x(s, axis, 0) and _meets_x(s, axis, s.kernel_size[axis] - 1)):
            return False
    return True


cdef tuple _taps_on_x(const Layer* s):
    """The first and the last tap along each axis at which outputs meet more than padding."""
    cdef list taps = []
    cdef int axis
    cdef Py_ssize_t first, last
    for axis in range(s.rank):
        first, last = 0, s.kernel_size[axis] - 1
        while first < last and not _meets_x(s, axis, first):
            first += 1
        while first < last and not _meets_x(s, axis, last):
            last -= 1
        taps.append((first, last))
    return tuple(taps)


cdef bint _is_plain(const Layer* s):
    """Whether all outputs meet the same taps of the same filters."""
    cdef int axis
    for axis in range(s.rank):
        if s.up[axis] > 1 or s.banks.tiles[axis] > 1:
            return False
    return True


cdef tuple _crop(Convolution problem, dict packed):
    """Leaves out the taps that lie on padding for all outputs: most weights of a small image. Returns the others.

    Weights that are not finite are kept: their products with zeros are not numbers.
    """
    cdef Layer* s = &problem.layer
    cdef tuple taps
    cdef double part = 1
    if s.boundary != FILL or not problem.work or _ends_meet_x(s) or not _is_plain(s):
        return None
    taps = _taps_on_x(s)
    for axis, (first, last) in enumerate(taps):
        part *= (last - first + 1) / <double> s.kernel_size[<int> axis]
    if packed is not None and "finite" not in packed:
        packed["finite"] = _gemm.finite(problem)
    if packed is not None and not packed["finite"] or not _gemm.crop(problem, taps, packed is not None):
        return None
    problem.terms, problem.work = problem.terms * part, problem.work * part
    problem.weight_bytes *= part
    return taps


cdef int _pack(Convolution problem, Py_ssize_t workers, dict packed) except -1:
    """Packs the weights, or finds them packed, if that is worth while before the layer runs."""
    kernel = _winograd if problem.algorithm == "winograd" else _gemm
    if packed is not None:
        key = problem.algorithm, problem.dtype, problem.taps
        if key not in packed:
            packed[key] = kernel.packed(problem, workers)
        problem.keep(packed[key])
    elif _ahead(problem):
        problem.keep(kernel.packed(problem, workers))
    return 0


cdef bint _ahead(Convolution problem):
    """Whether weights that are not kept are packed before the layer runs."""
    if problem.algorithm == "winograd":    # they are 16/9 of the layer's at most
        return problem.pixels > _ONE_BLOCK and problem.weight_bytes * 16 / 9 <= _LARGE_WEIGHTS
    return problem.weight_bytes <= (
        _LARGE_WEIGHTS if problem.pixels > _MANY_PIXELS or problem.algorithm == "pixels" else _SMALL_WEIGHTS)


cdef int _sum(Convolution problem, Py_ssize_t workers, dict packed) except -1:
    _pack(problem, workers, packed)
    _gemm.convolve(problem, workers)
    return 0


cdef int _save_products(Convolution problem, Py_ssize_t workers, dict packed) except -1:
    """By Winograd's algorithm; samples whose results are not finite, which it does not know, by the plain sum."""
    cdef bytearray not_finite = bytearray(problem.samples())
    cdef bint weights_are_finite
    cdef Convolution sample
    _pack(problem, workers, packed)
    weights_are_finite = problem.layer.packed == NULL or problem.layer.skips_padding    # or results tell
    if weights_are_finite:
        _winograd.convolve(problem, not_finite, workers)
    if packed is None and problem.weight_bytes <= _LARGE_WEIGHTS:
        packed = {}    # once for all samples
    for i in range(len(not_finite)):
        if not_finite[i] or not weights_are_finite:
            sample = problem.sample(i)
            sample.algorithm = _sum_chosen(sample)
            _sum(sample, workers, packed)
    return 0


def run_layers(list problems, algorithm, workers, dict packed=None):
    """Compute the records' outputs. `packed` keeps weights from call to call."""
    cdef Convolution problem
    for problem in problems:
        problem.taps = _crop(problem, packed) if algorithm != "winograd" else None    # which is for whole kernels
        _choose(problem, algorithm)
    for problem in problems:
        count = threads(workers, 1 + int(_seconds(problem.work, problem.dtype) / _SECONDS_A_THREAD))
        if not problem.work:
            continue
        if problem.algorithm == "depthwise":
            _depthwise.convolve(problem, count)
        elif problem.algorithm == "winograd":
            _save_products(problem, count, packed)
        else:
            _sum(problem, count, packed)


# ---------------------------------------------------------------- transposed layers

cdef str _arrangement(Transposed layer, algorithm):
    """How its outputs are shared out to layers without stride; what is not their phases only the plain sums can."""
    cdef tuple stride = layer.window.stride, kernel = layer.window.kernel
    cdef int last = layer.window.rank - 1
    if max(stride) == 1 or algorithm == "winograd" or algorithm == "depthwise":
        return "phases"
    if layer.bundles():
        return "bundled"
    if algorithm != "auto":
        return "woven"
    if layer.weight.shape[2] == 1:    # one channel
        return "phases"
    if kernel[last] <= 2 * stride[last]:    # no phase has three columns
        return "woven"
    for phase in layer.layers("phases"):
        if _chosen(phase) == "winograd":
            return "phases"
    return "woven"


cdef int _check_each(layers, algorithm) except -1:
    """An error if an algorithm that not every layer can take is asked for, and one of `layers()` cannot."""
    if algorithm == "winograd" or algorithm == "depthwise":
        for layer in layers():
            _choose(layer, algorithm)
    return 0


cdef int _run_each(layers, algorithm, workers) except -1:
    """One record after the other, each forgotten when it is done."""
    for layer in layers:
        run_layers([layer], algorithm, workers)
    return 0


def _fill(Transposed layer):
    """Outputs that meet no input, and others on the way: those are written over."""
    record, value = layer.fill()
    run_layers([record], "auto", 1)
    if not value.any():    # all elements are alike, however they lie
        layer.out.fill(0)
    else:
        layer.out[...] = value


def run_transposed(Transposed layer, algorithm, workers):
    """Compute a transposed layer, or a gradient by an input."""
    _check_each(partial(layer.layers, "phases"), algorithm)
    if not layer.out.size:
        return
    how = _arrangement(layer, algorithm) if layer.finite() else "inside"
    if not layer.covers(how):
        _fill(layer)
    _run_each(layer.layers(how), "auto" if how == "inside" else algorithm, workers)


# ---------------------------------------------------------------- tiled layers

_unshared = kernels("unshared")
# Outputs of a sample that share a bank of filters, from which on a plain layer for each bank wins.
# By one sample's geometry, so that a batch keeps its bits: 64 to 64 3x3 at 56 x 56 with 9 outputs a bank, banks in turn
# take 0.4 of the time for one sample, and 2.5 times it for 32; with 16, 0.25 and 1.35.
cdef Py_ssize_t _FEW_OUTPUTS = 16


cdef bint _banks_take_turns(Convolution problem):
    """Whether one layer with its banks in turn wins over a layer for each bank."""
    cdef const Layer* s = &problem.layer
    return not (s.filters * s.planes < _FEW_FILTERS and _depthwise.fits(problem)) and (
        _sum_chosen(problem) == "filters")


def run_tiled(Tiled tiled, algorithm, workers, out=None):
    """Compute a tiled layer or its gradient."""
    few = algorithm == "unshared" or algorithm == "auto" and 1 < tiled.banks and tiled.outputs_of_a_bank <= _FEW_OUTPUTS
    if few and tiled.products:
        seconds = _seconds(tiled.products, tiled.dtype)
        count = threads(workers, 1 + int(max(seconds / _SECONDS_A_THREAD, tiled.weight_bytes / _BYTES_A_THREAD)))
        if tiled.wanted == INPUT:    # shares are added
            tiled.result.fill(0)
        _unshared.compute(tiled.unshared(), tiled.wanted, count)
    elif tiled.wanted == RESULT:
        layers = tiled.banked_layers() if tiled.banks > 1 else []
        if layers and (algorithm == "filters" or algorithm == "auto" and _banks_take_turns(layers[0])):
            run_layers(layers, "filters", workers)    # what banks see in common is gathered once
        else:
            _check_each(tiled.plain_layers, algorithm)
            _run_each(tiled.plain_layers(), "auto" if few else algorithm, workers)
    else:
        _run_each(tiled.plain_layers(), "auto", workers)
    return tiled.finished(out)


# ---------------------------------------------------------------- pooling

_reduce = kernels("pool").reduce
# One core reads some 20 GB/s: one more thread for every 20 microseconds of that, as above.
cdef double _BYTES_A_THREAD = 4e5


def run_pools(list problems, workers):
    """Compute the records' outputs."""
    cdef Pooling problem
    for problem in problems:
        if problem.work:
            _reduce(problem, threads(workers, 1 + int(problem.bytes / _BYTES_A_THREAD)))


def put(y, at, x, bint add, workers):
    """Values to where indices say, in arrays (items, elements)."""
    spread.put(*spread.as_numbers(y, at, x), spread.way(y.dtype, add),
               threads(workers, 1 + int(x.nbytes / _BYTES_A_THREAD)))


def spread_slopes(Pooling norms, chosen, dy, dx):
    """Adds the derivatives of the chosen norms, which are contiguous as all others are, to dx."""
    spread_windows(norms, chosen.view("u1").reshape(-1), dy.reshape(-1), dx.reshape(-1))


def round_quotients(high, low, divisor, Py_ssize_t inner, out, workers):
    """Exact means from sums in two words; a quotient takes as long as some 200 bytes."""
    quotients.round_quotients(high, low, divisor, inner, out, threads(workers, 1 + int(out.size / 2e3)))
