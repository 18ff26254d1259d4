"""The plan of a pooling: which outputs are a block, and the box that holds what of x they see.

Inline, for the plan to know each build's vectors.
"""
from libc.stdlib cimport malloc

from fastconv.kernels.border cimport share, whole
from fastconv.kernels.finish cimport any_power_leaves, large, longdouble, power, widener
from fastconv.kernels.lines cimport (
    BOOL, FLOAT16, FLOAT32, FLOAT64, INT8, INT16, INT32, INT64, LONGDOUBLE, UINT8, UINT16, UINT32, line_copier,
    line_copy, same_bits,
)
from fastconv.kernels.loops cimport Loops, loops_for
from fastconv.kernels.order cimport TOTAL
from fastconv.kernels.pooling cimport ALL, MEAN, PLACE, ROOT, Pool, by_windows, is_whole
from fastconv.kernels.problem cimport MAX_RANK
from fastconv.kernels.simd cimport STREAMS

cdef enum:
    FEW_TAPS = 7               # of an outer axis that are merged while x is read
    GROUP = 32                 # rows that are summed one after the other; then groups, and so on
    MAX_PASSES = 33            # of windows of less than 2**63 elements, a quarter of the size after the other
    ROW = 64 * 1024            # bytes of a row of the box: half a second-level cache for the rows a window needs
    BOX = 32 * 1024            # half a first-level cache
    # Where windows overlap so far that a smaller one would be read again and again: means of 31x31 s1 on 1024 x 1024
    # take 0.9 of the time that they take in boxes of 512 KiB, on two threads 0.85.
    LARGEST_BOX = 768 * 1024
    SLACK = 512                # bytes: loops may read and write that far beyond a row
    BLOCKS_A_WORKER = 4
    # Bytes of a result, and of a row of it, from which on stores go past the caches: 2x2 s2 on 64 MB of float32 takes
    # 0.92 of the time. Shorter rows would be mostly ends, which are not whole lines.
    STREAMED = 8 * 1024 * 1024
    STREAMED_ROW = 1024

cdef struct Pass:              # windows of some size, merged to larger ones
    Py_ssize_t shift           # taps from one to the next
    Py_ssize_t m               # of them
    Py_ssize_t offset          # taps to single elements, which sums need for the rest
    Py_ssize_t extra           # of those
    Py_ssize_t size            # taps of the windows that come out

cdef struct Passes:
    int n
    Pass of[MAX_PASSES]

cdef struct Plan:
    const Pool* s
    Loops f
    Py_ssize_t u               # elements from one tap of a row to the next
    bint direct[MAX_RANK]
    Passes* passes             # of each axis
    Py_ssize_t outs[MAX_RANK]  # of a block
    Py_ssize_t blocks[MAX_RANK]
    Py_ssize_t box[MAX_RANK]   # positions of the box
    Py_ssize_t pitch[MAX_RANK]  # bytes from one to the next; for the last axis those of an element
    Py_ssize_t box_bytes
    Py_ssize_t row_bytes       # of scratch for a row, whatever is made of it
    Py_ssize_t items
    Py_ssize_t total           # blocks
    bint two_boxes
    bint many_rows
    bint many_at_once
    bint halves                # rows of outputs are made straight of x's rows, and there is no box
    bint halves_to_memory      # and finished on the way
    bint streams               # rows of outputs are stored past the caches
    int chained                # axes
    bint whole                 # each row is one window
    bint may_leave_range       # powers of x: see finish.pxd
    longdouble largest_base    # of those that do not
    bint finds                 # keys are reduced, for the places in them
    bint signs                 # results may be zeros of either sign: see zeros.pyx
    Py_ssize_t value_size      # bytes of what is compared, before it is a key
    bint gathers_alone         # lines of x become lines of elements, and nothing else happens to them
    bint as_it_is              # x's elements need no conversion
    bint reads_in_place        # nor its rows to be gathered
    bint as_lines              # results are lines of what is stored
    bint stores_in_place
    bint x_contiguous          # a row is one line; so is one of out
    bint out_contiguous
    int last_element           # of what is divided and stored
    Py_ssize_t last_size
    line_copy gather
    line_copy scatter

cdef struct Block:
    Py_ssize_t first[MAX_RANK]  # outputs
    Py_ssize_t outs[MAX_RANK]
    Py_ssize_t position[MAX_RANK]    # of the box's first one; along the last axis, of its first element in x
    Py_ssize_t low             # of the row's elements, those inside x
    Py_ssize_t high
    Py_ssize_t elements        # of the row
    Py_ssize_t ahead           # positions before the first of them, where they stand apart
    Py_ssize_t* at             # the outputs along the outer axes that a row is made for
    bint* leaves_range         # whether a power of an element did: see `finish.pxd`
    int* minus_zeros           # whether x has any in what the block sees: -1 if that is not known
    const char* x
    char* out
    char* box
    char* other                # a second one
    char* row                  # rows of scratch
    char* wide
    char* converted
    char* spread
    char* values               # to become keys
    char* levels


cdef inline void add_pass(Passes* p, Py_ssize_t shift, Py_ssize_t m, Py_ssize_t offset, Py_ssize_t extra,
                          Py_ssize_t size) noexcept nogil:
    p.of[p.n] = Pass(shift, m, offset, extra, size)
    p.n += 1


cdef inline void overlapping(Passes* p, Py_ssize_t k) noexcept nogil:
    """Windows of k from ever larger ones, which may overlap."""
    cdef Py_ssize_t size = 1, m
    p.n = 0
    if k <= 5:
        add_pass(p, 1, k, 0, 0, k)
        return
    while size < k:
        m = min(4, k // size)
        if m > 1:
            add_pass(p, size, m, 0, 0, size * m)
            size *= m
        else:
            add_pass(p, k - size, 2, 0, 0, k)
            size = k


cdef inline void adjoining(Passes* p, Py_ssize_t k) noexcept nogil:
    """Windows of k from four that adjoin, and up to three elements; and these in turn."""
    cdef Py_ssize_t size
    cdef Py_ssize_t[MAX_PASSES] parts
    cdef int n = 0
    parts[0] = k
    while parts[n] > 8:
        parts[n + 1] = parts[n] // 4
        n += 1
    p.n = 0
    add_pass(p, 1, parts[n], 0, 0, parts[n])
    while n:
        n -= 1
        size = parts[n + 1]
        add_pass(p, size, 4, 4 * size, parts[n] - 4 * size, parts[n])


cdef inline Py_ssize_t extent(const Pool* s, int axis) noexcept nogil:
    return (s.kernel[axis] - 1) * s.dilation[axis] + 1


cdef inline Py_ssize_t reach(const Pool* s, int axis, Py_ssize_t outs) noexcept nogil:
    """Positions of x that so many outputs see; with a table, the most that any do."""
    cdef Py_ssize_t o = 0, most = 0
    if s.start[axis] == NULL:
        return (outs - 1) * s.stride[axis] + extent(s, axis)
    while o < s.out_size[axis]:
        most = max(most, span(s, axis, o, min(outs, s.out_size[axis] - o)))
        o += outs
    return most


cdef inline Py_ssize_t span(const Pool* s, int axis, Py_ssize_t o, Py_ssize_t outs) noexcept nogil:
    return s.start[axis][o + outs - 1] + s.count[axis][o + outs - 1] - s.start[axis][o]


cdef inline bint is_direct(const Plan* p, int axis) noexcept nogil:
    cdef const Pool* s = p.s
    cdef Py_ssize_t every = s.period[axis], k = (s.kernel[axis] + every - 1) // every
    if (p.halves or s.start[axis] != NULL or k <= s.stride[axis]
            or <double> extent(s, axis) * p.pitch[p.s.rank - 2] > LARGEST_BOX):
        return True
    # By dtypes, never by strides: a sum's bits depend on its order.
    return p.as_it_is and (k <= FEW_TAPS or k <= 2 * s.stride[axis])


cdef inline void lay_out(Plan* p) noexcept nogil:
    """The box's sizes from the outputs of a block."""
    cdef const Pool* s = p.s
    cdef int axis, last = s.rank - 1
    cdef Py_ssize_t seen = reach(s, last, p.outs[last])
    p.box[last] = (seen + s.apart[last] - 1) // s.apart[last]
    p.pitch[last] = p.f.size * p.u
    p.row_bytes = whole(max(seen, p.outs[last]) * p.u * max(p.f.size, p.last_size), 64) + SLACK
    p.box_bytes = whole(p.box[last] * p.pitch[last], 64) + 64
    for axis in range(last - 1, -1, -1):
        p.box[axis] = p.outs[axis] if p.direct[axis] else reach(s, axis, p.outs[axis])
        p.pitch[axis] = p.box_bytes
        p.box_bytes *= p.box[axis]
    p.total = p.items
    for axis in range(s.rank):
        p.blocks[axis] = (s.out_size[axis] + p.outs[axis] - 1) // p.outs[axis]
        p.total *= p.blocks[axis]


cdef inline void cut_row(Plan* p) noexcept nogil:
    """As many outputs along the last axis as keep a row in cache, or two windows."""
    cdef const Pool* s = p.s
    cdef int last = s.rank - 1
    cdef Py_ssize_t n = s.out_size[last], most = max(ROW, 2 * extent(s, last) * p.f.size * p.u)
    p.outs[last] = n
    lay_out(p)
    while p.outs[last] > 1 and max(reach(s, last, p.outs[last]), p.outs[last]) * p.pitch[last] > most:
        n = (n + 1) // 2
        p.outs[last] = share(s.out_size[last], n)
        lay_out(p)


cdef inline void choose_direct(Plan* p) noexcept nogil:
    cdef int axis
    for axis in range(p.s.rank - 1):
        p.direct[axis] = is_direct(p, axis)
    lay_out(p)
    for axis in range(p.s.rank - 1):    # too much for any box: rows are merged one by one
        if not p.direct[axis] and p.box_bytes > LARGEST_BOX:
            p.direct[axis] = True
            lay_out(p)


cdef inline bint takes_all(Plan* p, int axis, Py_ssize_t most, Py_ssize_t workers) noexcept nogil:
    """Twice as many outputs along an axis while their box is no larger; whether that ends with all."""
    cdef Py_ssize_t n = 1, size = p.s.out_size[axis]
    while n < size:
        p.outs[axis] = share(size, 2 * n)
        lay_out(p)
        if p.box_bytes > most or workers > 1 and p.direct[axis] and p.total < BLOCKS_A_WORKER * workers:
            p.outs[axis] = share(size, n)
            lay_out(p)
            return False
        n *= 2
    return True


cdef inline void shape_blocks(Plan* p, Py_ssize_t workers) noexcept nogil:
    """As many outputs a block as keep its box in cache, from the last axis outward."""
    cdef int axis
    for axis in range(p.s.rank):
        p.outs[axis] = 1
        p.direct[axis] = True
    cut_row(p)
    choose_direct(p)
    for axis in range(p.s.rank - 2, -1, -1):
        if not takes_all(p, axis, BOX if p.direct[axis] else LARGEST_BOX, workers):
            return


cdef inline bint same(int a, int b) noexcept nogil:
    """Whether elements can be taken for each other as they are."""
    return a == b or same_bits(a, b) or same_bits(b, a) or a == UINT8 and b == INT8 or a == INT8 and b == UINT8


cdef inline bint in_lines(const Plan* p) noexcept nogil:
    cdef const Pool* s = p.s
    cdef int last = s.rank - 1
    return p.u == 1 and by_windows(s.kernel[last], s.stride[last], s.dilation[last], p.f.size)


cdef inline bint rows_at_once(const Plan* p) noexcept nogil:
    """Whether rows of outputs are made by one loop each, and all divided by one number."""
    cdef const Pool* s = p.s
    cdef int last = s.rank - 1
    if (not p.stores_in_place or s.finish == ROOT or s.divisor[last] != NULL or s.divisor[last - 1] != NULL
            or s.start[last] != NULL or s.apart[last] > 1):
        return False
    if p.u == 1 and s.stride[last] == 2 and s.dilation[last] == 1:
        return s.kernel[last] <= 3
    return s.stride[last] == 1 and p.passes[last].n == 1 and s.kernel[last] <= 8 and (
        not in_lines(p))


cdef inline bint halves_rows(const Plan* p) noexcept nogil:
    """Whether windows are those of `halve`, and nothing is merged but rows and what is in them."""
    cdef const Pool* s = p.s
    cdef int axis, last = s.rank - 1
    for axis in range(s.rank):
        if s.start[axis] != NULL or s.apart[axis] > 1 or s.kernel[axis] > (3 if axis >= last - 1 else 1):
            return False
    # Rows that are converted are converted for each row of outputs. (Sums of floats have other zeros at a border that
    # is filled than where it is left out, as it would be here and not in another layout.)
    return (p.u == 1 and s.stride[last] == 2 and s.dilation[last] == 1 and not p.finds and (
        p.reads_in_place or s.power == 0 and not s.divides_x and (
            s.element < FLOAT16 if s.reduction == TOTAL else s.kernel[last - 1] <= s.stride[last - 1])))


cdef inline bint streams(const Plan* p) noexcept nogil:
    """Whether the result is larger than the caches, and in long rows."""
    cdef const Pool* s = p.s
    cdef double bytes = s.inner * p.last_size
    cdef int axis
    if s.out_size[s.rank - 1] * bytes < STREAMED_ROW:
        return False
    for axis in range(s.leading):
        bytes *= s.leading_size[axis]
    for axis in range(s.rank):
        bytes *= s.out_size[axis]
    return bytes >= STREAMED


cdef inline Py_ssize_t element_size(int element) noexcept nogil:
    if element == BOOL or element == INT8 or element == UINT8: return 1
    if element == INT16 or element == UINT16: return 2
    if element == INT32 or element == UINT32 or element == FLOAT32: return 4
    return sizeof(long double) if element == LONGDOUBLE else 8


cdef inline void read_and_store(Plan* p) noexcept nogil:
    """What elements become on their way."""
    cdef const Pool* s = p.s
    cdef int last = s.rank - 1
    cdef bint as_lines
    p.x_contiguous = (s.inner == 1 or s.x_inner * s.inner == s.x_stride[last]) or s.x_size[last] == 1
    p.out_contiguous = s.inner == 1 or s.out_inner * s.inner == s.out_stride[last] or s.out_size[last] == 1
    p.may_leave_range = s.power != 1 and (s.element == LONGDOUBLE or any_power_leaves(s.x_element, s.power))
    p.largest_base = 0
    if p.may_leave_range:
        p.largest_base = (power(large(p.largest_base), 1 / <longdouble> s.power) if s.element == LONGDOUBLE else
                          power(large(<double> 0), 1 / s.power))
    p.finds = s.finish == PLACE
    p.signs = s.first_zero and s.element >= FLOAT16 and s.x_element >= FLOAT16
    p.value_size = element_size(s.compared) if p.finds else 0
    p.gathers_alone = not p.finds and s.part == ALL and s.power == 0
    p.as_it_is = same(s.x_element, s.element) and s.power == 0 and not s.divides_x and not p.finds and s.part == ALL
    p.reads_in_place = (p.as_it_is and p.x_contiguous
                        and (s.x_inner == p.f.size if s.inner > 1 or s.x_size[last] == 1 else
                             s.x_stride[last] == p.f.size))
    p.last_element, p.last_size = s.element, p.f.size
    if s.finish == MEAN and s.element != FLOAT32 and s.element != FLOAT64 and s.element != LONGDOUBLE:
        p.last_element, p.last_size = FLOAT64, 8
    elif p.finds:
        p.last_element, p.last_size = INT64, 8
    # Booleans may be any byte; stored by lines, they are 0 or 1.
    as_lines = (same(s.out_element, p.last_element) and s.out_element != BOOL and p.out_contiguous
                and (s.out_inner if s.inner > 1 else s.out_stride[last]) == p.last_size)
    p.as_lines = as_lines and p.last_element == s.element
    p.streams = STREAMS and s.element != LONGDOUBLE and as_lines and streams(p)
    p.stores_in_place = as_lines and not p.streams and p.last_element == s.element
    p.gather = widener(s.x_element, s.compared if p.finds else s.element)
    if p.gather == NULL:
        p.gather = line_copier(s.x_element, s.compared if p.finds else s.element)
    p.scatter = line_copier(p.last_element, s.out_element)


cdef inline void make_plan(Plan* p, const Pool* s, Py_ssize_t workers) noexcept nogil:
    cdef int axis, last = s.rank - 1
    p.s, p.u, p.whole = s, s.inner, is_whole(s)
    loops_for(&p.f, s.element, s.reduction)
    read_and_store(p)
    p.items = 1
    for axis in range(s.leading):
        p.items *= s.leading_size[axis]
    p.halves = halves_rows(p)
    if p.halves and p.signs:    # looked at while they are in cache
        p.streams = False
        p.stores_in_place = p.stores_in_place or p.as_lines
    p.halves_to_memory = (p.halves and (p.stores_in_place or p.streams and p.last_element == s.element)
                          and s.finish != ROOT and s.divisor[last] == NULL)
    shape_blocks(p, workers)
    p.two_boxes = p.many_rows = False
    p.chained = 0
    for axis in range(s.rank):
        if s.start[axis] == NULL:
            if s.reduction == TOTAL: adjoining(&p.passes[axis], s.kernel[axis])
            else: overlapping(&p.passes[axis], s.kernel[axis])
        if axis < last and not p.direct[axis]:
            p.chained += 1
            p.two_boxes = p.two_boxes or s.reduction == TOTAL
        if axis < last and p.direct[axis] and s.kernel[axis] > GROUP:
            p.many_rows = True
    p.many_at_once = rows_at_once(p)


cdef inline Plan* new_plan(const Pool* s, Py_ssize_t workers) noexcept nogil:
    """In one piece of memory, not on a thread's small stack; NULL if there is none."""
    cdef Plan* p = <Plan*> malloc(sizeof(Plan) + s.rank * sizeof(Passes))
    if p != NULL:
        p.passes = <Passes*> (p + 1)
        make_plan(p, s, workers)
    return p


cdef inline void go_to_item(const Pool* s, Block* b, Py_ssize_t index) noexcept nogil:
    """Along the axes that nothing is merged along."""
    cdef int axis
    for axis in range(s.leading - 1, -1, -1):
        b.x += index % s.leading_size[axis] * s.x_leading[axis]
        b.out += index % s.leading_size[axis] * s.out_leading[axis]
        index //= s.leading_size[axis]


cdef inline Py_ssize_t element_from(Py_ssize_t position, Py_ssize_t apart) noexcept nogil:
    """The first at a position or behind it."""
    return (position + apart - 1) // apart if position > 0 else -(-position // apart)


cdef inline void place(const Plan* p, Block* b, Py_ssize_t index) noexcept nogil:
    """Which outputs, and what of x they see."""
    cdef const Pool* s = p.s
    cdef int axis, last = s.rank - 1
    cdef Py_ssize_t o, start
    b.x, b.out = s.x, s.out
    for axis in range(last, -1, -1):
        o = index if p.blocks[axis] == 1 else index % p.blocks[axis]
        if p.blocks[axis] == 1:
            o = 0
        else:
            index //= p.blocks[axis]
        b.first[axis] = o * p.outs[axis]
        b.outs[axis] = min(p.outs[axis], s.out_size[axis] - b.first[axis])
        b.position[axis] = b.first[axis] * s.stride[axis] - s.before[axis]
        if s.start[axis] != NULL:
            b.position[axis] = s.start[axis][b.first[axis]]
        b.out += b.first[axis] * s.out_stride[axis]
    go_to_item(s, b, index)
    if s.start[last] != NULL:
        o = span(s, last, b.first[last], b.outs[last])
    else:
        o = (b.outs[last] - 1) * s.stride[last] + extent(s, last)
    start, b.position[last] = b.position[last], element_from(b.position[last], s.apart[last])
    b.elements = element_from(start + o, s.apart[last]) - b.position[last]
    b.ahead = b.position[last] * s.apart[last] - start
    b.low = max(0, -b.position[last])
    b.high = max(b.low, min(b.elements, s.x_size[last] - b.position[last]))


cdef inline Py_ssize_t positions(const Plan* p, const Block* b, int axis) noexcept nogil:
    """Of the box, along an outer axis."""
    return b.outs[axis] if p.direct[axis] else (b.outs[axis] - 1) * p.s.stride[axis] + extent(p.s, axis)
