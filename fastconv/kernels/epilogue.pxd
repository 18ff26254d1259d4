"""A tile's end: bias, activation, and the way to where its sums belong. Inline, for each build's vectors."""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from fastconv.kernels.activation cimport activate
from fastconv.kernels.layer cimport Layer
from fastconv.kernels.lines cimport line_copier, line_copy, same_bits
from fastconv.kernels.patch cimport copy_row
from fastconv.kernels.simd cimport (
    CAN_TURN, FILTER_ROWS, V, Word, add, add_spread, element_size, turn_to, vint32, vint64, zip_high_32, zip_high_64,
    zip_low_32, zip_low_64,
)

cdef enum:
    TURNED = 8                 # pixels that are transposed at once

cdef struct Epilogue:
    const Layer* s
    Py_ssize_t size            # of an element
    Py_ssize_t lanes
    Py_ssize_t filters         # of a group, those of imaginary parts counted
    bint same_bytes            # results are stored as they are
    bint store_in_place        # and side by side, along pixels
    Py_ssize_t step            # bytes from a result to its neighbour of the same bank
    Py_ssize_t woven           # phases that take turns along a row
    line_copy scatter
    line_copy weave


cdef inline Epilogue epilogue_of(const Layer* s, Py_ssize_t size, Py_ssize_t lanes) noexcept nogil:
    cdef Epilogue e
    e.s, e.size, e.lanes = s, size, lanes
    e.filters = s.filters * s.planes
    e.same_bytes = same_bits(s.out_element, s.element)
    e.store_in_place = e.same_bytes and s.planes == 1 and s.out_stride[s.rank - 1] == size
    e.step = s.out_stride[s.rank - 1] * s.banks.tiles[s.rank - 1]
    e.woven = s.up[s.rank - 1]
    e.scatter, e.weave = line_copier(s.element, s.out_element), line_copier(s.element, s.element)
    return e


cdef inline Py_ssize_t filter_offset(const Layer* s, Py_ssize_t filter) noexcept nogil:
    if filter < s.filters:
        return filter * s.out_filter
    return s.out_plane + (filter - s.filters) * s.out_filter


# ---------------------------------------------------------------- bias and activation

cdef inline void finish(V* sums, const Epilogue* e, Py_ssize_t group, Py_ssize_t bank, Py_ssize_t filter,
                        Py_ssize_t rows, Py_ssize_t columns, const bint along_pixels) noexcept nogil:
    cdef const char* bias = e.s.bias + bank * e.s.banks.bias_bank + (group * e.filters + filter) * e.size
    cdef Py_ssize_t r, c
    if e.s.bias != NULL:
        for r in range(rows):
            for c in range(columns):
                if along_pixels:
                    sums[r * columns + c] = add_spread(sums[r * columns + c], bias + r * e.size)
                else:
                    sums[r * columns + c] = add(sums[r * columns + c], (<const V*> bias)[c])
    activate(<char*> sums, rows * columns * e.lanes, e.s.element, e.s.out_element, e.s.activation, e.s.slope)


# ---------------------------------------------------------------- a tile whose rows are pixels

ctypedef fused Scalar:
    uint32_t
    uint64_t


cdef inline void store_turned(const Epilogue* e, const Scalar* turned, char* out, Py_ssize_t filter, Py_ssize_t n,
                              const int rows, const int width) noexcept nogil:
    """The pixels of a transposed tile, whose rows hold `width`, filter by filter."""
    cdef Py_ssize_t f, step = e.step
    cdef char* to
    cdef int r
    for f in range(n):
        to = out + filter_offset(e.s, filter + f)
        if step == sizeof(turned[0]):
            memcpy(to, turned + f * width, rows * sizeof(turned[0]))
        else:
            for r in range(rows):
                (<Scalar*> (to + r * step))[0] = turned[f * width + r]


cdef inline void turn_rows(const Epilogue* e, char* turned, const char* sums, char* out, Py_ssize_t filter,
                           Py_ssize_t n, Py_ssize_t columns, Py_ssize_t size, const int rows,
                           const int width) noexcept nogil:
    """Some pixels of a tile, evenly spaced in out. Constant rows: their copies are a few instructions."""
    cdef Py_ssize_t c
    for c in range(columns):
        if size == 4:
            turn_to(<vint32*> turned + c * width, <const vint32*> sums + c, rows, columns, width)
        else:
            turn_to(<vint64*> turned + c * width, <const vint64*> sums + c, rows, columns, width)
    if size == 4:
        store_turned(e, <const uint32_t*> turned, out, filter, n, rows, width)
    else:
        store_turned(e, <const uint64_t*> turned, out, filter, n, rows, width)


cdef inline Py_ssize_t pixels_to_turn(Py_ssize_t left) noexcept nogil:
    """How many of the pixels left are transposed at once, of the numbers that `turn_and_store` knows."""
    if left >= TURNED:
        return TURNED
    return FILTER_ROWS if left == FILTER_ROWS else (4 if left >= 4 else (2 if left >= 2 else 1))


cdef inline void turn_and_store(const Epilogue* e, char* turned, const char* sums, char* out, Py_ssize_t filter,
                                Py_ssize_t n, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t size) noexcept nogil:
    if rows == TURNED: turn_rows(e, turned, sums, out, filter, n, columns, size, TURNED, TURNED)
    elif rows == FILTER_ROWS: turn_rows(e, turned, sums, out, filter, n, columns, size, FILTER_ROWS, TURNED)
    elif rows == 4: turn_rows(e, turned, sums, out, filter, n, columns, size, 4, 4)
    else: turn_rows(e, turned, sums, out, filter, n, columns, size, 2, 2)


cdef inline void scatter_filters(const Epilogue* e, char* out, const char* sums, Py_ssize_t filter,
                                 Py_ssize_t n) noexcept nogil:
    """One pixel's results."""
    cdef Py_ssize_t m
    while n > 0:
        m = min(n, (e.s.filters if filter < e.s.filters else e.filters) - filter)
        e.scatter(out + filter_offset(e.s, filter), e.s.out_filter, sums, e.size, m)
        filter += m
        sums += m * e.size
        n -= m


cdef inline bint in_step(char* const* out, Py_ssize_t n, Py_ssize_t step) noexcept nogil:
    """Whether results are evenly spaced in out, none missing. The last one does not tell: rows and samples may make up
    for each other."""
    cdef Py_ssize_t i
    for i in range(n):
        if out[i] == NULL or out[i] != out[0] + i * step:
            return False
    return True


cdef inline void store_pixels(const V* sums, const Epilogue* e, char* turned, char** out, Py_ssize_t filter,
                              Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """Result r goes to out[r], if there is one; `turned` is room for the tile transposed, TURNED pixels of it."""
    cdef Py_ssize_t r = 0, m, n = min(columns * e.lanes, e.filters - filter), step = e.step
    cdef bint turns = e.same_bytes and CAN_TURN and e.size >= 4 and e.lanes > 1 and e.s.out_filter > step
    while r < rows:
        m = pixels_to_turn(rows - r)
        if turns and m > 1 and in_step(out + r, m, step):
            turn_and_store(e, turned, <const char*> (sums + r * columns), out[r], filter, n, m, columns,
                           element_size(sums))
        else:
            m = 1
            if out[r] != NULL:
                scatter_filters(e, out[r], <const char*> (sums + r * columns), filter, n)
        r += m


# ---------------------------------------------------------------- a tile whose rows are filters

cdef inline void zip_halves(const Word* half, Word* to, Py_ssize_t n) noexcept nogil:
    """Elements of n vectors and of n more, in turn."""
    cdef Py_ssize_t i
    for i in range(n):
        if Word is vint32:
            to[2 * i], to[2 * i + 1] = zip_low_32(half[i], half[n + i]), zip_high_32(half[i], half[n + i])
        else:
            to[2 * i], to[2 * i + 1] = zip_low_64(half[i], half[n + i]), zip_high_64(half[i], half[n + i])


cdef inline const char* weave(const Epilogue* e, char* sums, char* room, Py_ssize_t rows,
                              Py_ssize_t columns) noexcept nogil:
    """Rows of `columns` vectors of each phase become rows of their elements in turn, in `room` or in place.

    Phases are halved, and the halves zipped, as often as that can be: a perfect shuffle each time.
    """
    cdef Py_ssize_t n = columns * e.lanes, bytes = e.woven * n * e.size, parts = e.woven, r, phase
    if not (CAN_TURN and e.lanes > 1 and (e.size == 4 or e.size == 8) and e.woven & (e.woven - 1) == 0):
        for r in range(rows):
            for phase in range(e.woven):
                e.weave(room + r * bytes + phase * e.size, e.woven * e.size, sums + r * bytes + phase * n * e.size,
                        e.size, n)
        return room
    while parts > 1:
        for r in range(rows):
            if e.size == 4:
                zip_halves(<const vint32*> (sums + r * bytes), <vint32*> (room + r * bytes), e.woven * columns // 2)
            else:
                zip_halves(<const vint64*> (sums + r * bytes), <vint64*> (room + r * bytes), e.woven * columns // 2)
        sums, room = room, sums
        parts //= 2
    return sums


# Where the pixels of a tile are in out.
cdef struct Rows:
    Py_ssize_t left            # pixels of the first row; others are in rows below
    Py_ssize_t pixels          # of a whole row
    Py_ssize_t results         # of a whole row, of all phases: the last pixel may lack some
    Py_ssize_t step            # bytes from a row to the next


cdef inline void store_filters(V* sums, const Epilogue* e, const Rows* out_rows, char* room, char* out,
                               Py_ssize_t filter, Py_ssize_t pixels, Py_ssize_t rows,
                               Py_ssize_t columns) noexcept nogil:
    """Of `columns` vectors of each phase; `room` is as large as the tile."""
    cdef Py_ssize_t step = e.s.out_stride[e.s.rank - 1], left = out_rows.left, pitch = columns * e.woven, before, n, r
    cdef const char* row = weave(e, <char*> sums, room, rows, columns) if e.woven > 1 else <char*> sums
    while pixels > 0:
        before = (out_rows.pixels - left) * e.woven
        n = min(min(pixels, left) * e.woven, out_rows.results - before)
        for r in range(rows):
            if e.store_in_place:
                copy_row(out + filter_offset(e.s, filter + r), row + r * pitch * sizeof(V), n * e.size)
            else:
                e.scatter(out + filter_offset(e.s, filter + r), step, row + r * pitch * sizeof(V), e.size, n)
        out += out_rows.step - before * step
        row += left * e.woven * e.size
        pixels -= left
        left = out_rows.pixels
