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

    def samples(self):
        cdef Py_ssize_t n = 1
        cdef int axis
        for axis in range(self.layer.leading):
            n *= self.layer.leading_size[axis]
        return n

    def sample(self, Py_ssize_t index):
        """The record of one sample alone, its weights not packed."""
        cdef Convolution p = Convolution.__new__(Convolution)
        cdef Layer* s = &p.layer
        cdef int axis
        cdef Py_ssize_t n = self.samples()
        s[0] = self.layer
        for axis in range(s.leading - 1, -1, -1):
            s.x += index % s.leading_size[axis] * s.x_leading[axis]
            s.out += index % s.leading_size[axis] * s.out_leading[axis]
            index //= s.leading_size[axis]
        s.leading = 0
        s.packed = NULL
        s.skips_padding = False
        p.x, p.weight, p.bias, p.out, p.dtype = self.x, self.weight, self.bias, self.out, self.dtype
        p.work, p.pixels, p.terms = self.work / n, self.pixels / n, self.terms
        p.weight_bytes, p.element_size, p.taps = self.weight_bytes, self.element_size, self.taps
        return p
