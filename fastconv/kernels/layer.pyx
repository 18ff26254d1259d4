"""The record of one convolutional layer on one array. See layer.pxd, which declares it for the gate and the kernels."""
cimport cython
from libc.stdlib cimport free


@cython.auto_pickle(False)    # which would copy the pointer
cdef class Packed:

    def __dealloc__(self):
        free(self.memory)


@cython.auto_pickle(False)
cdef class Convolution:

    def keep(self, Packed weights):
        """Read the weights from there."""
        self.packed = weights
        self.layer.packed = weights.at
        self.layer.skips_padding = weights.finite
