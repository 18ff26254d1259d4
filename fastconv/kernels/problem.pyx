"""The frozen record of one call. See problem.pxd, which declares it for the gate and the kernels."""
from libc.stdlib cimport free

import numpy as np


cdef class Problem:

    def __dealloc__(self):
        free(self.weights)

    @property
    def kernel(self):
        """The kernel as it slides along `x`."""
        return np.flip(self.given_kernel) if self.reverse_kernel else self.given_kernel

    @property
    def offset(self):
        """How far ahead of output 0 the kernel starts, per axis of `x`."""
        cdef int rank = self.x.ndim, front = self.sliding.rank - rank, i
        return tuple([self.sliding.offset[i + front] for i in range(rank)])

    def finish(self):
        """What the caller gets, once `out` is computed."""
        out = self.out if self.back is None else self.out.transpose(self.back)
        if self.result is None:
            return out if out.ndim else out[()]
        if not self.in_out:
            with np.errstate(all="ignore"):
                np.copyto(self.result, out, casting="same_kind")
        return self.result
