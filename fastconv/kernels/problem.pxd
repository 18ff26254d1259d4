"""The frozen record of one call: what the gate fills in and the kernels read."""

cdef enum:
    MAX_RANK = 64    # NumPy's own

cdef enum Boundary:
    FILL, WRAP, SYMMETRIC, REFLECT, EDGE

# out[o] = sum over k of x[o + k - offset] * weights[k], with x continued by the boundary.
# Ranks start at 2: a signal is an image of one row. Strides are in bytes.
cdef struct Sliding:
    int rank
    Py_ssize_t x_size[MAX_RANK]
    Py_ssize_t kernel_size[MAX_RANK]
    Py_ssize_t out_size[MAX_RANK]
    Py_ssize_t offset[MAX_RANK]
    Py_ssize_t x_stride[MAX_RANK]
    Py_ssize_t out_stride[MAX_RANK]
    Boundary boundary
    bint fill_is_zero
    int element          # what is computed with: x's lines are converted to it, out's from it
    int x_element
    int out_element
    int planes           # 2 if complex: real and imaginary parts are planes of x and of out
    Py_ssize_t x_plane   # bytes from a real part to its imaginary part
    Py_ssize_t out_plane
    const char* x
    char* out
    const char* weights  # [plane of out][kernel, but for its last two axes][plane of x][kernel's rows][columns]
    char fill[32]        # [plane of x], two of the largest element


cdef class Problem:
    cdef Sliding sliding
    cdef char* weights                       # sliding.weights, owned
    cdef readonly object x
    cdef object given_kernel                 # `kernel` before it is reversed
    cdef bint reverse_kernel
    cdef readonly object out, result         # what is computed into; the caller's `out`, if there is one
    cdef bint in_out                         # whether these are the same memory
    cdef object back                         # the order of the axes of `out` in which they are the caller's, or None
    cdef readonly object dtype, fill         # of the computation; the border's value in that dtype
    cdef readonly str boundary               # numpy.pad's name for it
    cdef readonly double work                # products to sum, and 8 an output for its way through memory; 0: no sums
    # whose imaginary parts change sign: correlation conjugates the kernel, swapped inputs the image
    cdef readonly bint conjugate_x, conjugate_kernel
    cdef readonly bint from_integers         # whether an input holds them, whatever the dtype
    cdef readonly bint planar                # of the two-dimensional pair, whose integer sums are always direct
