"""The record of one convolutional layer on one array: what the gate fills in and the kernels read."""
from fastconv.kernels.problem cimport MAX_RANK, Boundary

cdef enum Activation:
    IDENTITY, RELU, RELU6, LEAKY_RELU, SIGMOID, TANH, SILU

# What is computed of a layer: its result, or a gradient.
cdef enum Pass:
    RESULT, INPUT, WEIGHT

# Weights that depend on the position: output o uses bank o % tiles, axis by axis. Plain layers have one bank.
cdef struct Banks:
    Py_ssize_t tiles[MAX_RANK]
    Py_ssize_t weight_tile[MAX_RANK]     # bytes from a bank to the next along an axis
    Py_ssize_t bias_bank                 # and from its bias, banks counted in the order of axes; 0 if all share one

# out[n, g, f, o] = activation(bias[g, f]
#     + sum over c, k of x[n, g, c, (o * stride + k * dilation - offset) / up] * weight[g, f, c, k])
# with x continued by the boundary, zeros for FILL. Layouts, flips and transpositions are strides, in bytes.
# Ranks start at 2: a signal is an image of one row.
# `up` is 1 but for transposed layers, along the last two axes, whose stride and dilation are 1 then: there k runs over
# the taps where the index is whole. Outputs of one *phase*, o % up, meet the same taps.
cdef struct Layer:
    int rank
    Py_ssize_t x_size[MAX_RANK]
    Py_ssize_t kernel_size[MAX_RANK]
    Py_ssize_t out_size[MAX_RANK]
    Py_ssize_t offset[MAX_RANK]
    Py_ssize_t stride[MAX_RANK]
    Py_ssize_t dilation[MAX_RANK]
    Py_ssize_t up[MAX_RANK]
    Py_ssize_t x_stride[MAX_RANK]
    Py_ssize_t out_stride[MAX_RANK]
    Py_ssize_t weight_stride[MAX_RANK]
    int leading                          # axes of n
    Py_ssize_t leading_size[MAX_RANK]
    Py_ssize_t x_leading[MAX_RANK]
    Py_ssize_t out_leading[MAX_RANK]
    Py_ssize_t groups
    Py_ssize_t channels                  # of a group
    Py_ssize_t filters                   # of a group
    Py_ssize_t x_group
    Py_ssize_t x_channel
    Py_ssize_t out_group
    Py_ssize_t out_filter
    Py_ssize_t weight_group
    Py_ssize_t weight_filter
    Py_ssize_t weight_channel
    Banks banks
    Boundary boundary
    Activation activation
    double slope                         # of LEAKY_RELU
    int element                          # what is computed with: x and weight are converted to it, out from it
    int x_element
    int weight_element
    int out_element
    int planes                           # 2 if complex: a channel is a real and an imaginary one
    Py_ssize_t x_plane                   # bytes from a real part to its imaginary part
    Py_ssize_t weight_plane
    Py_ssize_t out_plane
    const char* x
    const char* weight
    const char* weight_end               # behind its last byte
    const char* bias                     # [group][plane][filter] in `element`, with a vector to spare; NULL for none
    char* out
    const char* packed                   # the weights as `weights.pyx` packs them, NULL if they are to be packed in use
    bint skips_padding                   # weights are finite: products with the border's zeros may be left out


# Weights in the order of the tiles that read them.
cdef class Packed:
    cdef char* memory
    cdef char* at                            # within it, on a cache line
    cdef bint finite


cdef class Convolution:
    cdef Layer layer
    cdef Packed packed                       # layer.packed's
    cdef readonly object x, weight, bias, out    # the arrays that the record points into
    cdef readonly double work                # products to sum; 0: no sums
    cdef public str algorithm              # by name
    cdef tuple taps                        # those left along each axis, if others lie on padding only
    cdef readonly double terms               # of a sum
    cdef readonly double pixels              # outputs of a filter
    cdef readonly double weight_bytes        # in the type computed with
    cdef readonly Py_ssize_t element_size    # of that type
    cdef readonly object dtype
