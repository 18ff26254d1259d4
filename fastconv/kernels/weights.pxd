"""Weights in the order in which the tiles read them."""
from fastconv.kernels.layer cimport Layer
from fastconv.kernels.patch cimport Cut

cdef bint pack_panel(const Layer* s, Py_ssize_t size, Py_ssize_t group, const Cut* cut, Py_ssize_t first,
                     Py_ssize_t width, char* to) noexcept nogil
