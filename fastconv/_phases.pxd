"""Phases of a transposed layer, for the gates."""

cdef list phases_of_axis(Py_ssize_t n, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation, Py_ssize_t before,
                         Py_ssize_t tiles=*)
cdef list bundles_of_axis(Py_ssize_t n, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation, Py_ssize_t before)
cdef list inside(tuple part, Py_ssize_t n, Py_ssize_t inputs, Py_ssize_t step=*)
cdef Py_ssize_t outputs_of(list parts, Py_ssize_t n)
