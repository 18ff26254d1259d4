"""The record of one pooling on one array. See pooling.pxd, which declares it for the gate and the kernels."""
cimport cython


@cython.auto_pickle(False)    # which would copy the pointers
cdef class Pooling:
    pass
