"""Correlation and convolution with `scipy.signal`'s names, arguments and answers."""
from fastconv._geometry import sliding
from fastconv._route import run


def correlate2d(in1, in2, mode="full", boundary="fill", fillvalue=0, *, out=None, dtype=None, workers=None):
    return run(sliding(in1, in2, mode, boundary, fillvalue, out, dtype, False, True), "auto", workers)


def convolve2d(in1, in2, mode="full", boundary="fill", fillvalue=0, *, out=None, dtype=None, workers=None):
    return run(sliding(in1, in2, mode, boundary, fillvalue, out, dtype, True, True), "auto", workers)


def correlate(in1, in2, mode="full", method="auto", *, boundary="fill", fillvalue=0, out=None, dtype=None,
              workers=None):
    return run(sliding(in1, in2, mode, boundary, fillvalue, out, dtype, False, False), method, workers)


def convolve(in1, in2, mode="full", method="auto", *, boundary="fill", fillvalue=0, out=None, dtype=None,
             workers=None):
    return run(sliding(in1, in2, mode, boundary, fillvalue, out, dtype, True, False), method, workers)
