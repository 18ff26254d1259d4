"""What a block of outputs sees of x: gathered into a buffer, so that the tiles find every product by an offset."""
from fastconv.kernels.layer cimport Layer
from fastconv.kernels.lines cimport line_copy

# Part of a sum: some channels, outer taps, kernel rows and kernel columns, each `size` from `start`.
cdef struct Cut:
    Py_ssize_t channel
    Py_ssize_t channels
    Py_ssize_t outer
    Py_ssize_t outers
    Py_ssize_t row
    Py_ssize_t rows
    Py_ssize_t column
    Py_ssize_t columns

# One axis of a patch. Run i holds the input's elements start + i * offset + e * step, e < length.
# Either all taps share what they read (one run; or one for each phase of the stride, so that neighbouring outputs
# read neighbours), or they lie too far apart for that, and each has a run of its own.
cdef struct Span:
    Py_ssize_t runs
    Py_ssize_t length
    Py_ssize_t offset
    Py_ssize_t step
    Py_ssize_t out_step        # stored elements from one output to the next
    bint shared
    Py_ssize_t dilation
    Py_ssize_t phases

cdef struct Patch:
    const Layer* s
    Span rows
    Span columns
    bint channels_inner        # [outer tap][row][column][channel], else [channel][outer tap][row][column]
    Py_ssize_t channel_pitch   # bytes
    Py_ssize_t outer_pitch
    Py_ssize_t row_pitch
    Py_ssize_t column_pitch
    Py_ssize_t item_pitch      # of a sample, or of an output index along the outer axes
    line_copy copy
    Py_ssize_t size            # of an element

cdef Patch patch_of(const Layer* s, Py_ssize_t size, const Cut* cut, Py_ssize_t rows, Py_ssize_t columns,
                    bint phases) noexcept nogil
cdef Py_ssize_t tap_offset(const Patch* p, Py_ssize_t outer, Py_ssize_t row, Py_ssize_t column) noexcept nogil
cdef Py_ssize_t outer_taps(const Layer* s) noexcept nogil
cdef const char* item_origin(const Layer* s, Py_ssize_t item) noexcept nogil
cdef char* item_target(const Layer* s, Py_ssize_t item) noexcept nogil
cdef bint outer_origin(const Layer* s, Py_ssize_t item, Py_ssize_t tap, Py_ssize_t* bytes) noexcept nogil
cdef void gather(const Patch* p, const Cut* cut, Py_ssize_t group, Py_ssize_t item, Py_ssize_t row,
                 Py_ssize_t column, char* to) noexcept nogil
