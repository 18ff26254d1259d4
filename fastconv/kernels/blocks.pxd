"""How a layer's results are cut into blocks, the units of work. Inline, for each kernel to have its own."""
from fastconv.kernels.border cimport share, whole
from fastconv.kernels.layer cimport Layer

# Filters inside pixels inside groups: neighbours in time share what they see of x, or weights. An item is a sample,
# or an output index along the outer axes; rows and columns are those of outputs, of windows, or of outputs of a phase.
cdef struct Grid:
    Py_ssize_t groups
    Py_ssize_t all_items
    Py_ssize_t all_rows
    Py_ssize_t all_columns
    Py_ssize_t filters             # of a group, those of imaginary parts counted
    Py_ssize_t tile                # columns: blocks hold whole ones, or a whole row
    Py_ssize_t items               # of a block, and its rows and columns
    Py_ssize_t rows
    Py_ssize_t columns
    Py_ssize_t filters_at_once
    Py_ssize_t item_blocks         # blocks along each of these
    Py_ssize_t bands
    Py_ssize_t pieces
    Py_ssize_t filter_blocks

cdef struct Block:
    Py_ssize_t group
    Py_ssize_t first_filter
    Py_ssize_t filters
    Py_ssize_t item
    Py_ssize_t items
    Py_ssize_t row
    Py_ssize_t rows
    Py_ssize_t column
    Py_ssize_t columns


cdef inline void cut_blocks(Grid* g, Py_ssize_t items, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    g.items, g.rows, g.columns = items, rows, min(max(1, g.all_columns), whole(columns, g.tile))
    g.item_blocks = (g.all_items + items - 1) // items
    g.bands = (g.all_rows + rows - 1) // rows
    g.pieces = (g.all_columns + g.columns - 1) // g.columns


cdef inline void take_filters(Grid* g, Py_ssize_t at_once) noexcept nogil:
    g.filters_at_once = at_once
    g.filter_blocks = (g.filters + at_once - 1) // at_once


cdef inline Py_ssize_t of_phase(const Layer* s, int axis, Py_ssize_t phase) noexcept nogil:
    """Outputs of a phase along an axis. The first has as many as any."""
    return (s.out_size[axis] - phase + s.up[axis] - 1) // s.up[axis]


cdef inline Grid grid_of(const Layer* s) noexcept nogil:
    """Of a layer's outputs, not yet cut."""
    cdef Grid g
    cdef int axis
    g.groups, g.filters, g.tile = s.groups, s.filters * s.planes, 1
    g.all_items, g.all_rows, g.all_columns = 1, of_phase(s, s.rank - 2, 0), of_phase(s, s.rank - 1, 0)
    for axis in range(s.leading):
        g.all_items *= s.leading_size[axis]
    for axis in range(s.rank - 2):
        g.all_items *= s.out_size[axis]
    return g


cdef inline bint halve(Grid* g, Py_ssize_t least) noexcept nogil:
    """Smaller blocks; False if they are of one row and not of more than twice the least columns."""
    if g.items > 1:
        cut_blocks(g, share(g.all_items, g.items // 2), g.rows, g.columns)
    elif g.rows > 1:
        cut_blocks(g, 1, share(g.all_rows, g.rows // 2), g.columns)
    elif g.columns > 2 * least:
        cut_blocks(g, 1, 1, share(g.all_columns, g.columns // 2))
    else:
        return False
    return True


cdef inline void halve_filters(Grid* g, Py_ssize_t panel) noexcept nogil:
    """Fewer at once, in whole panels."""
    take_filters(g, share(g.filters_at_once // panel, g.filters_at_once // panel // 2) * panel)


cdef inline Py_ssize_t pixels_of(const Grid* g) noexcept nogil:
    """Of a block, at most."""
    return g.items * g.rows * g.columns


cdef inline Py_ssize_t blocks(const Grid* g) noexcept nogil:
    return g.groups * g.item_blocks * g.bands * g.pieces * g.filter_blocks


cdef inline Block block_at(const Grid* g, Py_ssize_t index) noexcept nogil:
    cdef Block b
    b.first_filter = index % g.filter_blocks * g.filters_at_once
    index //= g.filter_blocks
    b.column = index % g.pieces * g.columns
    index //= g.pieces
    b.row = index % g.bands * g.rows
    index //= g.bands
    b.item = index % g.item_blocks * g.items
    b.group = index // g.item_blocks
    b.filters = min(g.filters_at_once, g.filters - b.first_filter)
    b.columns = min(g.columns, g.all_columns - b.column)
    b.rows = min(g.rows, g.all_rows - b.row)
    b.items = min(g.items, g.all_items - b.item)
    return b


cdef inline char* aligned(char* memory) noexcept nogil:
    """The first cache line within."""
    return memory + (64 - <size_t> memory % 64) % 64
