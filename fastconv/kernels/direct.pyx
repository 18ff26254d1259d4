"""Direct correlation of an N-D array with one kernel.

    out[o] = sum over k of x[o + k - offset] * weights[k]

One row of output is the sum of the kernel's rows slid along as many rows of x. So the unit is a *line*: the
stretch of a row of x that a piece of output rows needs, element type and unit stride as the tile wants them. A
line that lies within the image is read where it is; any other is gathered into scratch with its border and its
conversion, so no large array is ever padded or cast. A row of a "fill" border is one constant line for all.

A *tile* of 4 rows by a few vectors of output stays in registers while the rows of x pass by: row y of x meets
kernel row y - r at output row r, so each vector that is loaded is used by up to 4 sums.

Each output is summed over the kernel in one order, whatever the piece, the tile or the worker: axes outside in,
planes of x within the outer axes, rows, columns.

A long kernel of one row is *folded*: cut into rows as long as a tile is wide, it slides over a line as over an image
whose rows start that far apart, and its tile is four such rows of output. The order of the sum stays.
"""
from cython.parallel cimport parallel, prange, threadid
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from fastconv.kernels.border cimport whole, within
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
    Py_ssize_t groups_at_once  # what of the kernel a gathered piece is summed with at once: all of it,
    Py_ssize_t rows_at_once    # or some groups, or some rows of one, or some columns of one row
    Py_ssize_t columns_at_once
    Py_ssize_t line_bytes      # of a gathered line, whole vectors
    Py_ssize_t constant_bytes  # of the constant line, which stands for lines in place too
    bint in_parts              # not all of it
    Py_ssize_t gathered_bytes
    Py_ssize_t sums_stride     # bytes from row to row of the sums between the parts
    bint store_in_place
    line_copy gather
    line_copy scatter

cdef struct Scratch:
    const char** lines         # [group][row of x]: where each line starts
    char* gathered             # [group][row of x][line_bytes]
    char* constant             # [plane of x][constant_bytes]: the fill value
    char* sums                 # [plane of out][row of a band][width]: between the parts of a kernel not taken at once
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
                      const Plan* p, Py_ssize_t rows, const int columns, const bint folded,
                      const bint resumed) noexcept nogil:
    """`rows` <= ROWS output rows of `columns` vectors; `resumed` ones start from what `out` holds."""
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
    for r in range(ROWS):
        for c in range(columns):
            total[r * columns + c] = (
                (<V*> (<char*> out + r * out_stride))[c] if resumed and r < rows else zero)
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

cdef inline void store(const Plan* p, const char* tile, Py_ssize_t tile_stride, char* out, Py_ssize_t rows,
                       Py_ssize_t columns, Py_ssize_t size) noexcept nogil:
    """A tile's result to rows of out that want conversion, strides, or less than a vector."""
    cdef Py_ssize_t r, axis = p.s.rank - 1
    for r in range(rows):
        p.scatter(out + r * p.s.out_stride[axis - 1], p.s.out_stride[axis], tile + r * tile_stride, size, columns)


cdef void sweep(V* like, const Plan* p, Scratch* scratch, const char* weights, char* out, Py_ssize_t rows,
                Py_ssize_t columns) noexcept nogil:
    """Covers a block with tiles. What is left of a row is a tile moved back over its neighbour: the same bits."""
    cdef Py_ssize_t size = element_size(like), lanes = sizeof(V) // size
    cdef Py_ssize_t height = 1 if p.kh == 1 else ROWS, wide = lanes * (LINE_COLUMNS if p.kh == 1 else COLUMNS)
    cdef Py_ssize_t folded = ROWS * p.fold
    cdef Py_ssize_t out_step = p.s.out_stride[p.s.rank - 1], row_step = p.s.out_stride[p.s.rank - 2]
    cdef Py_ssize_t r = 0, m, c, step, stride
    cdef bint in_place = p.store_in_place and columns >= lanes
    cdef V* to
    while r < rows:
        m = min(height, rows - r)
        c = 0
        while c < columns:
            step = wide if columns >= wide and columns - c > lanes else lanes
            if folded and columns >= folded and columns - c > wide:
                step = folded
            c = max(0, min(c, columns - step))
            to = <V*> (out + r * row_step + c * size) if in_place else <V*> scratch.tile
            stride = row_step if in_place else step * size
            if folded and step == folded:
                tile(to, p.fold * size, scratch.lines + r, c * size, weights, p, ROWS, COLUMNS, True, False)
            elif p.kh == 1 and step == wide:
                row_tile(to, scratch.lines + r, c * size, weights, p, LINE_COLUMNS)
            elif p.kh == 1:
                row_tile(to, scratch.lines + r, c * size, weights, p, 1)
            elif step == wide:
                tile(to, stride, scratch.lines + r, c * size, weights, p, m, COLUMNS, False, False)
            else:
                tile(to, stride, scratch.lines + r, c * size, weights, p, m, 1, False, False)
            if not in_place:
                store(p, scratch.tile, stride, out + r * row_step + c * out_step, m, min(step, columns - c), size)
            c += step
        r += height


cdef void accumulate(V* like, const Plan* part, const char** lines, const char* weights, char* sums,
                     Py_ssize_t stride, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """Adds a part of the kernel to sums whose rows, like the lines, have room for whole vectors."""
    cdef Py_ssize_t size = element_size(like), lanes = sizeof(V) // size, wide = COLUMNS * lanes, r = 0, m, c
    cdef V* to
    while r < rows:
        m = min(ROWS, rows - r)
        c = 0
        while c < columns:
            to = <V*> (sums + r * stride + c * size)
            if columns - c >= wide:
                tile(to, stride, lines + r, c * size, weights, part, m, COLUMNS, False, True)
                c += wide
            else:
                tile(to, stride, lines + r, c * size, weights, part, m, 1, False, True)
                c += lanes
        r += ROWS


cdef void sum_in_parts(V* like, const Plan* p, Scratch* scratch, char* out, Py_ssize_t outer, Py_ssize_t first,
                       Py_ssize_t rows, Py_ssize_t start, Py_ssize_t columns) noexcept nogil:
    """A gathered block and a kernel so large that its lines would not fit: one part after the other, in order."""
    cdef Py_ssize_t size = element_size(like), stride = p.sums_stride, g = 0, i = 0, j = 0, plane, tap
    cdef Plan part = p[0]
    part.lines = p.band + p.rows_at_once - 1
    memset(scratch.sums, 0, p.s.planes * p.band * stride)
    while g < p.groups:
        part.groups = min(p.groups_at_once, p.groups - g)
        part.kh = min(p.rows_at_once, p.kh - i)
        part.kw = min(p.columns_at_once, p.kw - j)
        find_lines(&part, scratch, g, outer, first + i, rows, start + j, columns, False, size)
        for plane in range(p.s.planes):
            tap = ((plane * p.groups + g) * p.kh + i) * p.kw + j
            accumulate(like, &part, scratch.lines, p.s.weights + tap * size, scratch.sums + plane * p.band * stride,
                       stride, rows, columns)
        j += part.kw
        if j == p.kw:
            j = 0
            i += part.kh
        if i == p.kh:
            i = 0
            g += part.groups
    for plane in range(p.s.planes):
        store(p, scratch.sums + plane * p.band * stride, stride, out + plane * p.s.out_plane, rows, columns, size)


cdef void block(V* like, const Plan* p, Py_ssize_t index, Scratch* scratch) noexcept nogil:
    """Computes one block of the output."""
    cdef Py_ssize_t piece = index % p.pieces, band = index // p.pieces % p.bands, outer = index // p.pieces // p.bands
    cdef Py_ssize_t first = band * p.band, rows = min(p.band, p.s.out_size[p.s.rank - 2] - first), rest = outer
    cdef Py_ssize_t size = element_size(like), start, columns, plane
    cdef const Region* region = p.regions
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
    if p.in_parts and not region.in_place:
        sum_in_parts(like, p, scratch, out, outer, first, rows, start, columns)
        return
    find_lines(p, scratch, 0, outer, first, rows, start, columns, region.in_place, size)
    for plane in range(p.s.planes):
        sweep(like, p, scratch, p.s.weights + plane * p.groups * p.kh * p.kw * size,
              out + plane * p.s.out_plane, rows, columns)


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


cdef void cut_rows(Plan* p, Py_ssize_t size) noexcept nogil:
    """Bands: few rows if their gathered lines should stay in cache, fewer if there would be too few blocks."""
    cdef Py_ssize_t rows = p.s.out_size[p.s.rank - 2], unit = 1 if p.kh == 1 else ROWS
    p.band = min(whole(rows, unit), 64)
    while p.band > unit and (p.groups * (p.band + p.kh - 1) * p.line_bytes > CACHE
                             or p.outer * p.pieces * rows < MIN_BLOCKS * p.band and p.band > 4 * unit):
        p.band = whole(p.band // 2, unit)
    p.bands = (rows + p.band - 1) // p.band
    p.lines = p.band + p.kh - 1


cdef void cut_kernel(Plan* p, Py_ssize_t size, Py_ssize_t lanes) noexcept nogil:
    """What of the kernel to gather lines for at once: all of it, unless it is enormous."""
    cdef Py_ssize_t outputs = p.line_bytes // size - p.kw + 1    # that a gathered line has room for
    p.groups_at_once, p.rows_at_once, p.columns_at_once = p.groups, p.kh, p.kw
    p.in_parts = p.groups * p.lines * p.line_bytes > GATHERED
    if p.in_parts:
        p.groups_at_once = max(1, GATHERED // (p.lines * p.line_bytes))
    if p.lines * p.line_bytes > GATHERED:
        p.rows_at_once = max(1, GATHERED // p.line_bytes - p.band + 1)
    if p.band * p.line_bytes > GATHERED:
        p.columns_at_once = GATHERED // (p.band * size) - outputs
        p.line_bytes = whole((outputs + p.columns_at_once - 1) * size, 64)
    p.gathered_bytes = p.groups_at_once * (p.band + p.rows_at_once - 1) * p.line_bytes
    p.sums_stride = whole(p.width, lanes) * size if p.in_parts else 0
    if not rows_leave_image(p.s):
        p.constant_bytes = p.line_bytes    # the ends of gathered lines are all it is for


cdef Plan planned(const Sliding* s, Py_ssize_t size, Py_ssize_t lanes) noexcept nogil:
    cdef Plan p
    cdef int axis
    p.s = s
    p.kh = s.kernel_size[s.rank - 2]
    p.kw = s.kernel_size[s.rank - 1]
    p.fold = COLUMNS * lanes if p.kh == 1 and p.kw >= 2 * COLUMNS * lanes else 0
    p.groups = s.planes
    p.outer = 1
    for axis in range(s.rank - 2):
        p.groups *= s.kernel_size[axis]
        p.outer *= s.out_size[axis]
    p.store_in_place = writes_in_place(s, size)
    p.gather = line_copier(s.x_element, s.element)
    p.scatter = line_copier(s.element, s.out_element)
    cut_columns(&p, size, lanes)
    cut_rows(&p, size)
    cut_kernel(&p, size, lanes)
    return p


cdef Py_ssize_t scratch_bytes(const Plan* p, Py_ssize_t vector_bytes) noexcept nogil:
    return (whole(p.groups * p.lines * sizeof(char*), 64) + p.gathered_bytes
            + p.s.planes * (p.constant_bytes + p.band * p.sums_stride) + whole(MAX_VECTORS * vector_bytes, 64))


cdef Scratch laid_out(const Plan* p, char* memory, Py_ssize_t size) noexcept nogil:
    """A worker's scratch within its part of the zeroed memory; the constant lines filled."""
    cdef Scratch s
    cdef Py_ssize_t plane, i
    s.lines = <const char**> memory
    s.gathered = memory + whole(p.groups * p.lines * sizeof(char*), 64)
    s.constant = s.gathered + p.gathered_bytes
    s.sums = s.constant + p.s.planes * p.constant_bytes
    s.tile = s.sums + p.s.planes * p.band * p.sums_stride
    if p.s.boundary == FILL and not p.s.fill_is_zero:
        for plane in range(p.s.planes):
            for i in range(p.constant_bytes // size):
                memcpy(s.constant + plane * p.constant_bytes + i * size, p.s.fill + plane * size, size)
    return s


cdef int run(V* like, const Sliding* s, Py_ssize_t workers) noexcept nogil:
    """Returns -1 without memory, before any work."""
    cdef Py_ssize_t size = element_size(like), lanes = sizeof(V) // size, per_worker, blocks, i
    cdef Plan p = planned(s, size, lanes)
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
