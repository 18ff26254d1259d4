"""Long sums by K blocks: compensated addition of block sums, whose error does not grow with the number of blocks.

A block of terms is summed from zero in registers. Its sum is added to the total by two-sum (Knuth), which also gives
the rounding error of that addition; the errors are added up beside the total and enter the result at the end (Neumaier
1974). What remains is the rounding error within single blocks. Integers and booleans are exact and need none of this.

A sum is cut by its own shape, the kernel's and the channels', so that neither workers nor blocks of outputs, layouts or
strides change a bit. Inline, for each build's vectors.
"""
from fastconv.kernels.border cimport share
from fastconv.kernels.simd cimport V, add, finite_or_zero, vdouble, vfloat, vlongdouble

cdef enum:
    K_BLOCK = 1024             # terms


cdef inline bint rounds(V* like) noexcept nogil:
    """Whether sums are rounded, so that long ones are cut into K blocks."""
    return V is vfloat or V is vdouble or V is vlongdouble


cdef inline void add_block(V* totals, V* errors, const V* block, Py_ssize_t n) noexcept nogil:
    """Adds the sums of a block to n vectors of totals, and the errors of that to `errors`."""
    cdef Py_ssize_t i
    cdef V a, b, total, added
    for i in range(n):
        if V is vfloat or V is vdouble or V is vlongdouble:
            a, b = totals[i], block[i]
            total = a + b
            added = total - a
            errors[i] = errors[i] + ((a - (total - added)) + (b - added))
            totals[i] = total
        else:
            totals[i] = add(totals[i], block[i])


cdef inline void compensate(V* totals, const V* errors, Py_ssize_t n) noexcept nogil:
    """The result of n vectors of totals. The error of an infinite total is not a number, and left out."""
    cdef Py_ssize_t i
    for i in range(n):
        if V is vfloat or V is vdouble or V is vlongdouble:
            totals[i] = totals[i] + finite_or_zero(errors[i])


# ---------------------------------------------------------------- K blocks of a kernel

# So much of a kernel: some groups of rows, some rows of one group, or some columns of one row.
cdef struct Extent:
    Py_ssize_t groups
    Py_ssize_t rows
    Py_ssize_t columns

# A part of a kernel, and where it begins: its first group, its first row and column in that.
cdef struct Part:
    Py_ssize_t group
    Py_ssize_t row
    Py_ssize_t column
    Extent n


cdef inline Extent k_block_of(const Extent* kernel) noexcept nogil:
    """The largest K block of a sum over a kernel, which is cut evenly."""
    cdef Extent k
    k.columns = share(kernel.columns, K_BLOCK)
    k.rows = share(kernel.rows, K_BLOCK // k.columns)
    k.groups = share(kernel.groups, K_BLOCK // (k.columns * k.rows))
    return k


cdef inline Part part_from(const Part* at, const Extent* kernel, const Extent* most) noexcept nogil:
    """The part of at most so much that begins at a place of a kernel."""
    return Part(at.group, at.row, at.column, Extent(
        min(most.groups, kernel.groups - at.group), min(most.rows, kernel.rows - at.row),
        min(most.columns, kernel.columns - at.column)))


cdef inline bint next_part(Part* at, const Extent* kernel) noexcept nogil:
    """Goes on to where the part ends, in the order of the sum; False at the end of the kernel."""
    at.column += at.n.columns
    if at.column == kernel.columns:
        at.column = 0
        at.row += at.n.rows
    if at.row == kernel.rows:
        at.row = 0
        at.group += at.n.groups
    return at.group < kernel.groups
