"""What samples see of x at the positions of a run, for `unshared`: their patches, as they are and transposed, and rows
of terms. Inline, for each build's vectors.
"""
from libc.string cimport memcpy

from fastconv.kernels.banks cimport Plan, Task
from fastconv.kernels.dots cimport TERMS_OF_TILE
from fastconv.kernels.patch cimport Cut, Patch, gather, tap_offset
from fastconv.kernels.simd cimport V, ZEROS, element_size, turn, vdouble, vfloat, vint32, vint64, vlongdouble


# ---------------------------------------------------------------- where terms are

cdef inline Py_ssize_t position_offset(const Task* t, Py_ssize_t position) noexcept nogil:
    """Of a position of the place, in a patch."""
    cdef const Patch* patch = &t.p.patch
    return t.patch_row * patch.rows.out_step * patch.row_pitch + position * patch.columns.out_step * patch.column_pitch


cdef inline void list_lines(Task* t) noexcept nogil:
    """Where the rows of the kernel begin in a patch, in the order of the weights."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t c, outer, row, column, n = 0
    for c in range(t.cut.channels // p.planes):
        for outer in range(t.cut.outers):
            for row in range(t.cut.rows):
                t.lines[n] = c * p.planes * p.patch.channel_pitch + tap_offset(&p.patch, outer, row, 0)
                n += 1
    t.n_lines, t.adjacent = n, True
    for column in range(t.cut.columns):
        t.columns[column] = tap_offset(&p.patch, 0, 0, column) - tap_offset(&p.patch, 0, 0, 0)
        t.adjacent = t.adjacent and t.columns[column] == column * p.size


cdef inline void list_terms(Task* t, Py_ssize_t channel_pitch, Py_ssize_t scale) noexcept nogil:
    """Where all terms are, and the last once more for a tile of them."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t c, outer, row, column, n = 0, i
    for c in range(t.cut.channels):
        for outer in range(t.cut.outers):
            for row in range(t.cut.rows):
                for column in range(t.cut.columns):
                    t.terms[n] = (c * channel_pitch + tap_offset(&p.patch, outer, row, column)) * scale
                    n += 1
    for i in range(TERMS_OF_TILE):
        t.terms[n + i] = t.terms[n - 1]


# ---------------------------------------------------------------- patches

cdef inline void turn_rows(V* to, const char* rows, Py_ssize_t n, Py_ssize_t pitch) noexcept nogil:
    """`turn` of vectors of numbers."""
    if V is vfloat or V is vint32:
        turn(<vint32*> to, <const vint32*> rows, n, pitch // <Py_ssize_t> sizeof(V))
    elif V is vdouble or V is vint64:
        turn(<vint64*> to, <const vint64*> rows, n, pitch // <Py_ssize_t> sizeof(V))


cdef inline void turn_samples(V* like, const Task* t, Py_ssize_t first, Py_ssize_t lane, char* to) noexcept nogil:
    """Up to 8 samples of a slice become lanes of its elements. Lanes to spare are samples once more."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t size = element_size(like), pitch = p.slice_bytes, step = t.vectors * sizeof(V), e = 0, i, n
    cdef Py_ssize_t elements = p.slice_pitch
    cdef V rows[8]
    cdef const char* from_ = t.slices + min(first, t.aside - 1) * pitch
    n = max(1, min(min(8, p.lanes - lane), t.aside - first))
    while e < elements:
        turn_rows(rows, from_ + e * size, n, pitch)
        for i in range(min(p.lanes, elements - e)):
            memcpy(to + (e + i) * step, <char*> rows + 8 * i * size, min(8, p.lanes) * size)
        e += p.lanes


cdef inline void gather_by_samples(V* like, Task* t) noexcept nogil:
    """The transposed patches, slice by slice."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t i, vector, lane, size = element_size(like)
    cdef Cut cut = t.cut
    cdef char* to = t.turned
    if p.slices > 1:
        cut.channels = 1
    for _ in range(t.cut.channels if p.slices > 1 else 1):
        for i in range(t.aside):
            gather(&p.patch, &cut, t.group, (t.sample + i) * p.outers + t.place.outer, t.place.row, t.place.column,
                   t.slices + i * p.slice_bytes)
        for vector in range(t.vectors):
            for lane in range(0, p.lanes, 8):
                turn_samples(like, t, vector * p.lanes + lane, lane, to + (vector * p.lanes + lane) * size)
        to += p.slice_pitch * t.vectors * sizeof(V)
        cut.channel += 1
    list_terms(t, p.patch.channel_pitch if p.slices == 1 else p.slice_pitch * size, t.vectors * p.lanes)


cdef inline void gather_samples(V* like, Task* t) noexcept nogil:
    """What all samples see of a part of the sum."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t i
    if t.vectors:
        gather_by_samples(like, t)
    for i in range(t.samples - t.aside):
        gather(&p.patch, &t.cut, t.group, (t.sample + t.aside + i) * p.outers + t.place.outer, t.place.row,
               t.place.column, t.patches + i * p.patch.item_pitch)
    if p.by_positions:
        list_terms(t, p.patch.channel_pitch, 1)
    list_lines(t)


# ---------------------------------------------------------------- rows

cdef inline void copy_line(V* like, char* to, const char* line, const Task* t) noexcept nogil:
    """A row of the kernel. What is copied too far is written over."""
    cdef Py_ssize_t i = 0, size = element_size(like), bytes = t.cut.columns * size
    if t.adjacent:
        while i < bytes:
            (<volatile V*> (to + i))[0] = (<const V*> (line + i))[0]
            i += sizeof(V)
    else:
        for i in range(t.cut.columns):
            memcpy(to + i * size, line + t.columns[i], size)


cdef inline void copy_pairs(V* like, char* real, char* imaginary, const char* line, const Task* t) noexcept nogil:
    """A row of the kernel of complex numbers: as (re, -im), and as (im, re)."""
    cdef Py_ssize_t i, size = element_size(like)
    cdef const char* re
    cdef const char* im
    for i in range(t.cut.columns):
        re = line + t.columns[i]
        im = re + t.p.patch.channel_pitch
        memcpy(real + 2 * i * size, re, size)
        memcpy(imaginary + 2 * i * size, im, size)
        memcpy(imaginary + (2 * i + 1) * size, re, size)
        if V is vfloat:
            (<float*> real)[2 * i + 1] = -(<const float*> im)[0]
        elif V is vdouble:
            (<double*> real)[2 * i + 1] = -(<const double*> im)[0]
        elif V is vlongdouble:
            (<long double*> real)[2 * i + 1] = -(<const long double*> im)[0]


cdef inline void see(V* like, const Task* t, Py_ssize_t position, char* to) noexcept nogil:
    """The rows of the samples that are in no vector, at a position of the run."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t k, size = element_size(like), bytes = t.cut.columns * size * p.planes, at
    cdef const char* patch = t.patches + position_offset(t, position)
    for _ in range(t.samples - t.aside):
        at = 0
        for k in range(t.n_lines):
            if p.planes == 1:
                copy_line(like, to + at, patch + t.lines[k], t)
            else:
                copy_pairs(like, to + at, to + p.row + at, patch + t.lines[k], t)
            at += bytes
        for k in range(p.planes):
            (<volatile V*> (to + k * p.row + at))[0] = (<volatile V*> ZEROS)[0]
        to += p.planes * p.row
        patch += p.patch.item_pitch
