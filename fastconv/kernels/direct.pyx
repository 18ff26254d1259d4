"""Direct correlation of an N-D array with one kernel.

    out[o] = sum over k of x[o + k - offset] * weights[k]

One row of output is the sum of the kernel's rows slid along as many rows of x. So the unit is a *line*: the
stretch of a row of x that a piece of output rows needs, element type and unit stride as the tile wants them. A
line that lies within the image is read where it is; any other is gathered into scratch with its border and its
conversion, so no large array is ever padded or cast. A row of a "fill" border is one constant line for all.

A *tile* of 4 rows by a few vectors of output stays in registers while the rows of x pass by: row y of x meets
kernel row y - r at output row r, so each vector that is loaded is used by up to 4 sums.

Each output is summed over the kernel in one order, whatever the piece, the tile or the worker: axes outside in,
planes of x within the outer axes, rows, columns. A long sum is cut into K blocks, each over a stretch of the kernel's
weights: a block of outputs is swept once for each, and its totals wait in scratch (see compensated.pxd).

A long kernel of one row is *folded*: cut into rows as long as a tile is wide, it slides over a line as over an image
whose rows start that far apart, and its tile is four such rows of output. The order of the sum stays.
"""
from cython.parallel cimport parallel, prange, threadid
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from fastconv.kernels.border cimport whole, within
from fastconv.kernels.compensated cimport (
    Extent, Part, add_block, compensate, k_block_of, next_part, part_from, rounds,
)
from fastconv.kernels.lines cimport (
    BOOL, UINT16, UINT32, UINT64, FLOAT32, FLOAT64, LONGDOUBLE, line_copier, line_copy, same_bits,
)
from fastconv.kernels.problem cimport FILL, Problem, Sliding
from fastconv.kernels.simd cimport (
    COLUMNS, LINE_COLUMNS, V, element_size,
    vbool, vdouble, vfloat, vint16, vint32, vint64, vlongdouble,
)

from fastconv.kernels.slide cimport SLIDE_ROWS as ROWS, pass_row, pass_rows

cdef enum:
    MAX_VECTORS = 16           # a tile's sums
    CACHE = 256 * 1024         # bytes of x that a row of tiles passes over: a quarter of a second-level cache
    GATHERED = 2 * 1024 * 1024  # bytes of x gathered at once, at most, however large the kernel
    TOTALS = 256 * 1024        # bytes of totals that wait between K blocks, for which blocks have fewer rows
    MIN_BLOCKS = 16            # for an even split among workers

# Output columns [start, stop): cut into `pieces`, their lines read in place or gathered.
cdef struct Region:
    Py_ssize_t start
    Py_ssize_t stop
    Py_ssize_t pieces
    bint in_place

# How the output is cut into blocks: outer indices x bands of rows x pieces of columns.
cdef struct Plan:
    const Sliding* s
    Py_ssize_t groups          # of kernel rows: the kernel's outer axes x the planes of x
    Py_ssize_t kh
    Py_ssize_t kw
    Py_ssize_t fold            # row length of a folded kernel; 0 if it is not
    Py_ssize_t outer           # output indices over the outer axes
    Py_ssize_t band            # output rows of a block
    Py_ssize_t bands
    Py_ssize_t width           # output columns of a piece, at most
    Region regions[3]
    Py_ssize_t pieces
    Py_ssize_t lines           # rows of x a block reads, per group
    Extent k_block             # of the kernel, what is summed from zero: all of it, unless the sum is long and rounded
    Extent at_once             # and for what lines are gathered at once, whole K blocks
    Py_ssize_t line_bytes      # of a gathered line, whole vectors
    Py_ssize_t constant_bytes  # of the constant line, which stands for lines in place too
    bint in_blocks             # the sum is cut
    bint in_parts              # or not all lines are gathered at once
    Py_ssize_t gathered_bytes
    Py_ssize_t totals_stride   # bytes from row to row of the totals of a block; 0 if nothing waits
    Py_ssize_t totals_bytes    # of a plane
    bint store_in_place
    line_copy gather
    line_copy scatter

cdef struct Scratch:
    const char** lines         # [group][row of x]: where each line starts
    char* gathered             # [group][row of x][line_bytes]
    char* constant             # [plane of x][constant_bytes]: the fill value
    char* totals               # [plane of out][row of a band][width]: between K blocks, or parts of the kernel
    char* errors               # likewise
    char* sums                 # [row of a band][width]: of a K block
    char* tile                 # [ROWS][tile's columns]: a tile's result on its way to a converted or partial row


# ---------------------------------------------------------------- tiles: vectors only

cdef inline void row_tile(V* out, const char** lines, Py_ssize_t at, const char* weights, const Plan* p,
                          const int columns) noexcept nogil:
    """One output row of `columns` vectors, for kernels of one row."""
    cdef V total[MAX_VECTORS]
    cdef V zero
    cdef Py_ssize_t g
    cdef int c
    memset(&zero, 0, sizeof(zero))
    for c in range(columns):
        total[c] = zero
    for g in range(p.groups):
        pass_row(total, lines[g * p.lines] + at, NULL, weights + g * p.kw * element_size(out), 0, p.kw, p.kw,
                 (columns - 1) * sizeof(V), 0, 1, columns)
    for c in range(columns):
        out[c] = total[c]


cdef inline void tile(V* out, Py_ssize_t out_stride, const char** lines, Py_ssize_t at, const char* weights,
                      const Plan* p, Py_ssize_t rows, const int columns, const bint folded) noexcept nogil:
    """`rows` <= ROWS output rows of `columns` vectors."""
    cdef V total[MAX_VECTORS]
    cdef V zero
    cdef Py_ssize_t size = element_size(out)
    # the kernel as it is, or folded: its rows, their length, and the length of the last
    cdef Py_ssize_t kh = (p.kw + p.fold - 1) // p.fold if folded else p.kh
    cdef Py_ssize_t kw = p.fold if folded else p.kw
    cdef Py_ssize_t tail = p.kw - (kh - 1) * kw if folded else kw
    cdef Py_ssize_t g, y, first, last, end = (columns - 1) * sizeof(V)
    cdef int r, c
    cdef const char* x
    cdef const char* w
    memset(&zero, 0, sizeof(zero))
    for r in range(ROWS * columns):
        total[r] = zero
    for g in range(p.groups):
        for y in range(rows + kh - 1):
            x = lines[g * p.lines] + y * kw * size + at if folded else lines[g * p.lines + y] + at
            w = weights + ((g * p.kw + y * kw) * size if folded else (g * kh + y) * (kw * size))
            first, last = max(0, y - kh + 1), min(rows, y + 1)
            if folded and y >= kh - 1:    # the folded kernel's last row, at output row `first`, ends before the others
                pass_rows(total, x, NULL, w, 0, tail, kw, end, first, last, columns)
                pass_rows(total, x, NULL, w, tail, kw, kw, end, first + 1, last, columns)
            else:
                pass_rows(total, x, NULL, w, 0, kw, kw, end, first, last, columns)
    for r in range(ROWS):
        if r < rows:
            for c in range(columns):
                (<V*> (<char*> out + r * out_stride))[c] = total[r * columns + c]


# ---------------------------------------------------------------- lines: borders and conversion

cdef inline void gather_ends(const Plan* p, const char* row, Py_ssize_t stride, Py_ssize_t start,
                             Py_ssize_t stop, char* to, Py_ssize_t size) noexcept nogil:
    """Border elements start..stop-1 of a row, all outside the image."""
    cdef Py_ssize_t i, axis = p.s.rank - 1
    for i in range(start, stop):
        p.gather(to, size, row + within(i, p.s.x_size[axis], p.s.boundary) * stride, stride, 1)
        to += size


cdef void gather_line(const Plan* p, const char* row, Py_ssize_t start, Py_ssize_t n, const char* constant,
                      char* to, Py_ssize_t size) noexcept nogil:
    """Elements start..start+n-1 of a continued row."""
    cdef Py_ssize_t axis = p.s.rank - 1, stride = p.s.x_stride[axis]
    cdef Py_ssize_t left = min(max(start, 0), start + n)
    cdef Py_ssize_t right = max(left, min(start + n, p.s.x_size[axis]))
    if p.s.boundary == FILL:
        memcpy(to, constant, (left - start) * size)
        memcpy(to + (right - start) * size, constant, (start + n - right) * size)
    else:
        gather_ends(p, row, stride, start, left, to, size)
        gather_ends(p, row, stride, right, start + n, to + (right - start) * size, size)
    if right > left:
        p.gather(to + (left - start) * size, size, row + left * stride, stride, right - left)


cdef const char* outer_row(const Plan* p, Py_ssize_t out_index, Py_ssize_t tap) noexcept nogil:
    """Where x starts for an output index and a tap, both flat over the outer axes; NULL in the fill border."""
    cdef const char* at = p.s.x
    cdef Py_ssize_t i
    cdef int axis
    for axis in range(p.s.rank - 3, -1, -1):
        i = within(out_index % p.s.out_size[axis] + tap % p.s.kernel_size[axis] - p.s.offset[axis],
                   p.s.x_size[axis], p.s.boundary)
        if i < 0:
            return NULL
        at += i * p.s.x_stride[axis]
        out_index //= p.s.out_size[axis]
        tap //= p.s.kernel_size[axis]
    return at


cdef void find_lines(const Plan* p, Scratch* scratch, Py_ssize_t group, Py_ssize_t outer, Py_ssize_t first,
                     Py_ssize_t rows, Py_ssize_t start, Py_ssize_t columns, bint in_place,
                     Py_ssize_t size) noexcept nogil:
    """Points scratch.lines at the rows of x that groups group.. of the kernel meet, gathered if need be.

    They are those behind output rows first.. and columns start..
    """
    cdef Py_ssize_t g, y, i, plane, axis = p.s.rank - 2
    cdef Py_ssize_t column = start - p.s.offset[axis + 1], n = columns + p.kw - 1
    cdef const char* origin
    cdef const char* row
    cdef const char* constant
    cdef char* to
    for g in range(p.groups):
        plane = (group + g) % p.s.planes
        origin = outer_row(p, outer, (group + g) // p.s.planes)
        constant = scratch.constant + plane * p.constant_bytes
        for y in range(rows + p.kh - 1):
            i = within(first + y - p.s.offset[axis], p.s.x_size[axis], p.s.boundary)
            if origin == NULL or i < 0:
                scratch.lines[g * p.lines + y] = constant
                continue
            row = origin + i * p.s.x_stride[axis] + plane * p.s.x_plane
            if in_place:
                scratch.lines[g * p.lines + y] = row + column * size
            else:
                to = scratch.gathered + (g * p.lines + y) * p.line_bytes
                gather_line(p, row, column, n, constant, to, size)
                scratch.lines[g * p.lines + y] = to


# ---------------------------------------------------------------- blocks

# Where the sums of a block go: rows of out, or of totals, with room for whole vectors.
cdef struct Target:
    char* at
    Py_ssize_t row             # bytes from a row to the next, and from a column
    Py_ssize_t column
    bint in_place


cdef inline void store(const Plan* p, const char* tile, Py_ssize_t tile_stride, char* out, Py_ssize_t rows,
                       Py_ssize_t columns, Py_ssize_t size) noexcept nogil:
    """Results to rows of out that want conversion, strides, or less than a vector."""
    cdef Py_ssize_t r, axis = p.s.rank - 1
    for r in range(rows):
        p.scatter(out + r * p.s.out_stride[axis - 1], p.s.out_stride[axis], tile + r * tile_stride, size, columns)


cdef void sweep(V* like, const Plan* p, Scratch* scratch, const char** lines, Py_ssize_t start, const char* weights,
                const Target* out, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """Covers a block with tiles, whose lines begin `start` bytes from where `lines` says.

    What is left of a row is a tile moved back over its neighbour: the same bits."""
    cdef Py_ssize_t size = element_size(like), lanes = sizeof(V) // size
    cdef Py_ssize_t height = 1 if p.kh == 1 else ROWS, wide = lanes * (LINE_COLUMNS if p.kh == 1 else COLUMNS)
    cdef Py_ssize_t folded = ROWS * p.fold, r = 0, m, c, step, stride
    cdef V* to
    while r < rows:
        m = min(height, rows - r)
        c = 0
        while c < columns:
            step = wide if columns >= wide and columns - c > lanes else lanes
            if folded and columns >= folded and columns - c > wide:
                step = folded
            c = max(0, min(c, columns - step))
            to = <V*> (out.at + r * out.row + c * size) if out.in_place else <V*> scratch.tile
            stride = out.row if out.in_place else step * size
            if folded and step == folded:
                tile(to, p.fold * size, lines + r, start + c * size, weights, p, ROWS, COLUMNS, True)
            elif p.kh == 1 and step == wide:
                row_tile(to, lines + r, start + c * size, weights, p, LINE_COLUMNS)
            elif p.kh == 1:
                row_tile(to, lines + r, start + c * size, weights, p, 1)
            elif step == wide:
                tile(to, stride, lines + r, start + c * size, weights, p, m, COLUMNS, False)
            else:
                tile(to, stride, lines + r, start + c * size, weights, p, m, 1, False)
            if not out.in_place:
                store(p, scratch.tile, stride, out.at + r * out.row + c * out.column, m, min(step, columns - c), size)
            c += step
        r += height


# ---------------------------------------------------------------- long sums, and kernels not taken at once

cdef void add_k_block(V* like, const Plan* p, Scratch* scratch, Py_ssize_t plane, bint first, Py_ssize_t rows,
                      Py_ssize_t columns) noexcept nogil:
    """Adds the sums of a K block to the totals of a plane; the first was summed in their place."""
    cdef Py_ssize_t r, at = plane * p.totals_bytes, n = (columns * element_size(like) + sizeof(V) - 1) // sizeof(V)
    for r in range(rows):
        if first:
            memset(scratch.errors + at, 0, n * sizeof(V))
        else:
            add_block(<V*> (scratch.totals + at), <V*> (scratch.errors + at),
                      <const V*> (scratch.sums + r * p.totals_stride), n)
        at += p.totals_stride


cdef void sum_part(V* like, const Plan* p, const Part* part, Scratch* scratch, Py_ssize_t plane, Py_ssize_t rows,
                   Py_ssize_t columns) noexcept nogil:
    """Adds a part of the kernel, whose lines are found, to the totals of a plane, K block by K block."""
    cdef Py_ssize_t size = element_size(like), lanes = sizeof(V) // size, tap
    cdef Plan k = p[0]
    cdef Part at = Part(0, 0, 0, p.k_block)
    cdef bint first, more = True
    cdef Target to = Target(NULL, p.totals_stride, size, True)
    k.lines = p.band + part.n.rows - 1
    while more:
        at = part_from(&at, &part.n, &p.k_block)
        k.groups, k.kh, k.kw, k.fold = at.n.groups, at.n.rows, at.n.columns, fold_of(at.n.rows, at.n.columns, lanes)
        tap = (((plane * p.groups + part.group + at.group) * p.kh + part.row + at.row) * p.kw
               + part.column + at.column)
        first = tap == plane * p.groups * p.kh * p.kw
        to.at = scratch.totals + plane * p.totals_bytes if first else scratch.sums
        sweep(like, &k, scratch, scratch.lines + at.group * k.lines + at.row, at.column * size,
              p.s.weights + tap * size, &to, rows, columns)
        add_k_block(like, p, scratch, plane, first, rows, columns)
        more = next_part(&at, &part.n)


cdef void sum_in_parts(V* like, const Plan* p, Scratch* scratch, char* out, Py_ssize_t outer, Py_ssize_t first,
                       Py_ssize_t rows, Py_ssize_t start, Py_ssize_t columns, bint in_place) noexcept nogil:
    """A block whose sums are long, or whose lines would not all fit: one part of the kernel after the other."""
    cdef Py_ssize_t size = element_size(like), plane, r, at
    cdef Plan found = p[0]
    cdef Extent kernel = Extent(p.groups, p.kh, p.kw)
    cdef Part part = Part(0, 0, 0, kernel)
    cdef bint more = True
    while more:
        part = part_from(&part, &kernel, &kernel if in_place else &p.at_once)
        found.groups, found.kh, found.kw = part.n.groups, part.n.rows, part.n.columns
        found.lines = p.band + part.n.rows - 1
        find_lines(&found, scratch, part.group, outer, first + part.row, rows, start + part.column, columns, in_place,
                   size)
        for plane in range(p.s.planes):
            sum_part(like, p, &part, scratch, plane, rows, columns)
        more = next_part(&part, &kernel)
    for plane in range(p.s.planes):
        for r in range(rows):
            at = plane * p.totals_bytes + r * p.totals_stride
            compensate(<V*> (scratch.totals + at), <const V*> (scratch.errors + at),
                       (columns * size + sizeof(V) - 1) // sizeof(V))
        store(p, scratch.totals + plane * p.totals_bytes, p.totals_stride, out + plane * p.s.out_plane, rows, columns,
              size)


cdef void block(V* like, const Plan* p, Py_ssize_t index, Scratch* scratch) noexcept nogil:
    """Computes one block of the output."""
    cdef Py_ssize_t piece = index % p.pieces, band = index // p.pieces % p.bands, outer = index // p.pieces // p.bands
    cdef Py_ssize_t first = band * p.band, rows = min(p.band, p.s.out_size[p.s.rank - 2] - first), rest = outer
    cdef Py_ssize_t size = element_size(like), start, columns, plane
    cdef const Region* region = p.regions
    cdef Target to
    cdef char* out = p.s.out
    cdef int axis = p.s.rank - 1
    while piece >= region.pieces:
        piece -= region.pieces
        region += 1
    start = region.start + piece * p.width
    columns = min(p.width, region.stop - start)
    out += first * p.s.out_stride[axis - 1] + start * p.s.out_stride[axis]
    for axis in range(p.s.rank - 3, -1, -1):
        out += rest % p.s.out_size[axis] * p.s.out_stride[axis]
        rest //= p.s.out_size[axis]
    if p.in_blocks or p.in_parts and not region.in_place:
        sum_in_parts(like, p, scratch, out, outer, first, rows, start, columns, region.in_place)
        return
    find_lines(p, scratch, 0, outer, first, rows, start, columns, region.in_place, size)
    axis = p.s.rank - 1
    for plane in range(p.s.planes):
        to = Target(out + plane * p.s.out_plane, p.s.out_stride[axis - 1], p.s.out_stride[axis],
                    p.store_in_place and columns * size >= <Py_ssize_t> sizeof(V))
        sweep(like, p, scratch, scratch.lines, 0, p.s.weights + plane * p.groups * p.kh * p.kw * size, &to, rows,
              columns)


# ---------------------------------------------------------------- the plan

cdef inline bint reads_in_place(const Sliding* s, Py_ssize_t size) noexcept nogil:
    # a boolean may be stored as any byte: never computed with before conversion
    return (same_bits(s.x_element, s.element) and s.element != BOOL and s.planes == 1
            and s.x_stride[s.rank - 1] == size)


cdef inline bint writes_in_place(const Sliding* s, Py_ssize_t size) noexcept nogil:
    return same_bits(s.out_element, s.element) and s.planes == 1 and s.out_stride[s.rank - 1] == size


cdef inline bint rows_leave_image(const Sliding* s) noexcept nogil:
    """Whether some rows of the continued image are all border."""
    cdef int axis
    for axis in range(s.rank - 1):
        if s.offset[axis] > 0 or s.out_size[axis] + s.kernel_size[axis] - 1 - s.offset[axis] > s.x_size[axis]:
            return True
    return False


cdef void cut_columns(Plan* p, Py_ssize_t size, Py_ssize_t lanes) noexcept nogil:
    """Regions and pieces: what the image's lines cover is read in place, the ends of its rows are gathered."""
    cdef int axis = p.s.rank - 1, i
    cdef Py_ssize_t n = p.s.out_size[axis], offset = p.s.offset[axis]
    cdef Py_ssize_t wide = lanes * (LINE_COLUMNS if p.kh == 1 else COLUMNS)
    cdef Py_ssize_t inner = max(0, offset), stop = min(n, p.s.x_size[axis] - p.kw + 1 + offset), gathered = 0
    p.width = max(CACHE // (size * p.groups * (p.kh if p.kh == 1 else p.kh + ROWS - 1) * wide), 1) * wide
    # ends of whole tiles, and between them a vector at least in each piece
    inner, stop = max(inner, wide), min(stop, n - wide)
    if reads_in_place(p.s, size) and stop - inner >= lanes:
        if (stop - inner) % p.width < lanes:
            stop -= (stop - inner) % p.width
    else:
        inner = stop = n
    p.regions[0] = Region(0, inner, 0, False)
    p.regions[1] = Region(inner, stop, 0, True)
    p.regions[2] = Region(stop, n, 0, False)
    p.pieces = 0
    for i in range(3):
        p.regions[i].pieces = (p.regions[i].stop - p.regions[i].start + p.width - 1) // p.width
        p.pieces += p.regions[i].pieces
        if not p.regions[i].in_place:
            gathered = max(gathered, min(p.width, p.regions[i].stop - p.regions[i].start))
    # gathered lines have room for whole vectors of output
    p.line_bytes = whole((whole(gathered, lanes) + p.kw - 1) * size, 64) if gathered else 0
    p.constant_bytes = whole((whole(min(p.width, n), lanes) + p.kw - 1) * size, 64)


cdef inline Py_ssize_t fold_of(Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t lanes) noexcept nogil:
    """The row length to which a kernel is folded; 0 if it is not."""
    return COLUMNS * lanes if rows == 1 and columns >= 2 * COLUMNS * lanes else 0


cdef void cut_sum(Plan* p, bint rounded, Py_ssize_t size, Py_ssize_t lanes) noexcept nogil:
    """K blocks, by the kernel alone."""
    cdef Extent kernel = Extent(p.groups, p.kh, p.kw)
    p.k_block = k_block_of(&kernel) if rounded else kernel
    p.in_blocks = p.k_block.groups < p.groups or p.k_block.rows < p.kh or p.k_block.columns < p.kw
    p.totals_stride = whole(min(p.width, p.s.out_size[p.s.rank - 1]), lanes) * size


cdef void cut_rows(Plan* p, Py_ssize_t size) noexcept nogil:
    """Bands: few rows if their gathered lines or their totals should stay in cache, fewer if there would be too few
    blocks."""
    cdef Py_ssize_t rows = p.s.out_size[p.s.rank - 2], unit = 1 if p.kh == 1 else ROWS
    p.band = min(whole(rows, unit), 64)
    while p.band > unit and (p.groups * (p.band + p.kh - 1) * p.line_bytes > CACHE
                             or p.in_blocks and p.band * p.totals_stride > TOTALS
                             or p.outer * p.pieces * rows < MIN_BLOCKS * p.band and p.band > 4 * unit):
        p.band = whole(p.band // 2, unit)
    p.bands = (rows + p.band - 1) // p.band
    p.lines = p.band + p.kh - 1


cdef void cut_kernel(Plan* p, Py_ssize_t size) noexcept nogil:
    """What of the kernel to gather lines for at once: all of it, unless it is enormous; else whole K blocks."""
    cdef Py_ssize_t outputs = p.line_bytes // size - p.kw + 1    # that a gathered line has room for
    cdef Extent* n = &p.at_once
    cdef const Extent* k = &p.k_block
    n.groups, n.rows, n.columns = p.groups, p.kh, p.kw
    p.in_parts = p.groups * p.lines * p.line_bytes > GATHERED
    if p.in_parts:
        n.groups = max(1, GATHERED // (p.lines * p.line_bytes))
    if p.lines * p.line_bytes > GATHERED:
        n.rows = max(1, GATHERED // p.line_bytes - p.band + 1)
    if p.band * p.line_bytes > GATHERED:
        n.columns = GATHERED // (p.band * size) - outputs
    if p.in_blocks:
        n.groups = max(1, n.groups // k.groups) * k.groups
        n.rows = max(1, n.rows // k.rows) * k.rows
        n.columns = max(1, n.columns // k.columns) * k.columns
    p.line_bytes = min(p.line_bytes, whole((outputs + n.columns - 1) * size, 64))
    p.gathered_bytes = min(n.groups, p.groups) * (p.band + min(n.rows, p.kh) - 1) * p.line_bytes
    if not (p.in_blocks or p.in_parts):
        p.totals_stride = 0
    p.totals_bytes = p.band * p.totals_stride
    if not rows_leave_image(p.s):
        p.constant_bytes = p.line_bytes    # the ends of gathered lines are all it is for


cdef Plan planned(const Sliding* s, bint rounded, Py_ssize_t size, Py_ssize_t lanes) noexcept nogil:
    cdef Plan p
    cdef int axis
    p.s = s
    p.kh = s.kernel_size[s.rank - 2]
    p.kw = s.kernel_size[s.rank - 1]
    p.fold = fold_of(p.kh, p.kw, lanes)
    p.groups = s.planes
    p.outer = 1
    for axis in range(s.rank - 2):
        p.groups *= s.kernel_size[axis]
        p.outer *= s.out_size[axis]
    p.store_in_place = writes_in_place(s, size)
    p.gather = line_copier(s.x_element, s.element)
    p.scatter = line_copier(s.element, s.out_element)
    cut_columns(&p, size, lanes)
    cut_sum(&p, rounded, size, lanes)
    cut_rows(&p, size)
    cut_kernel(&p, size)
    return p


cdef Py_ssize_t scratch_bytes(const Plan* p, Py_ssize_t vector_bytes) noexcept nogil:
    return (whole(p.groups * p.lines * sizeof(char*), 64) + p.gathered_bytes
            + p.s.planes * p.constant_bytes + (2 * p.s.planes + 1) * p.totals_bytes
            + whole(MAX_VECTORS * vector_bytes, 64))


cdef Scratch laid_out(const Plan* p, char* memory, Py_ssize_t size) noexcept nogil:
    """A worker's scratch within its part of the zeroed memory; the constant lines filled."""
    cdef Scratch s
    cdef Py_ssize_t plane, i
    s.lines = <const char**> memory
    s.gathered = memory + whole(p.groups * p.lines * sizeof(char*), 64)
    s.constant = s.gathered + p.gathered_bytes
    s.totals = s.constant + p.s.planes * p.constant_bytes
    s.errors = s.totals + p.s.planes * p.totals_bytes
    s.sums = s.errors + p.s.planes * p.totals_bytes
    s.tile = s.sums + p.totals_bytes
    if p.s.boundary == FILL and not p.s.fill_is_zero:
        for plane in range(p.s.planes):
            for i in range(p.constant_bytes // size):
                memcpy(s.constant + plane * p.constant_bytes + i * size, p.s.fill + plane * size, size)
    return s


cdef int run(V* like, const Sliding* s, Py_ssize_t workers) noexcept nogil:
    """Returns -1 without memory, before any work."""
    cdef Py_ssize_t size = element_size(like), lanes = sizeof(V) // size, per_worker, blocks, i
    cdef Plan p = planned(s, rounds(like), size, lanes)
    cdef Scratch scratch
    cdef char* memory
    blocks = p.outer * p.bands * p.pieces
    workers = max(1, min(workers, blocks))
    per_worker = whole(scratch_bytes(&p, sizeof(V)), 64) + 64    # no cache line of two workers
    memory = <char*> calloc(workers, per_worker)
    if memory == NULL:
        return -1
    if workers == 1:
        scratch = laid_out(&p, memory, size)
        for i in range(blocks):
            block(like, &p, i, &scratch)
    else:
        with parallel(num_threads=<int> workers):
            scratch = laid_out(&p, memory + threadid() * per_worker, size)
            for i in prange(blocks, schedule="dynamic"):
                block(like, &p, i, &scratch)
    free(memory)
    return 0


def correlate(Problem problem, Py_ssize_t workers):
    """Computes `problem.out` on `workers` threads. A sum of nothing is zero."""
    cdef const Sliding* s = &problem.sliding
    cdef int failed = -1
    if problem.work == 0:
        problem.out[...] = 0
        return
    with nogil:
        if s.element == BOOL: failed = run(<vbool*> NULL, s, workers)
        elif s.element == UINT16: failed = run(<vint16*> NULL, s, workers)
        elif s.element == UINT32: failed = run(<vint32*> NULL, s, workers)
        elif s.element == UINT64: failed = run(<vint64*> NULL, s, workers)
        elif s.element == FLOAT32: failed = run(<vfloat*> NULL, s, workers)
        elif s.element == FLOAT64: failed = run(<vdouble*> NULL, s, workers)
        elif s.element == LONGDOUBLE: failed = run(<vlongdouble*> NULL, s, workers)
    if failed:
        raise MemoryError(f"no memory for the scratch of {workers} workers")
