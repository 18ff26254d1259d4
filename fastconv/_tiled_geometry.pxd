"""What the gate of tiled layers hands on."""
cimport numpy as cnp

from fastconv._layer_geometry cimport Window
from fastconv.kernels.layer cimport Convolution


cdef class Tiled:
    cdef readonly Window window
    cdef readonly tuple tiles, outputs
    cdef readonly int wanted, rank
    cdef readonly object banks               # how many
    cdef readonly object outputs_of_a_bank   # of a sample
    cdef readonly object result              # the array that is computed
    cdef readonly object dtype               # the caller's
    cdef tuple before, activation            # of the window, and of the layer
    cdef object x, weight, bias, out
    cdef object padding_mode                 # None unless `result` has a border, which is to be folded back
    cdef Window border                       # and whose
    cdef bint last                           # channels_last

    cdef Convolution bank(self, tuple place, tuple steps, cnp.ndarray x)
    cdef cnp.ndarray weight_of_phase(self, tuple parts, tuple dilations, tuple offsets)
