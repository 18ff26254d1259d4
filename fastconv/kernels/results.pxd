"""Results of a run of positions, for `unshared`: bias, activation, and the way from sums to out; and back, where out is
the gradient by them. Inline, for each build's vectors.
"""
from libc.string cimport memcpy

from fastconv.kernels.activation cimport activate
from fastconv.kernels.banks cimport Plan, Task, run_pitch
from fastconv.kernels.layer cimport Layer
from fastconv.kernels.lines cimport same_bits
from fastconv.kernels.patch cimport item_target
from fastconv.kernels.seen cimport turn_rows
from fastconv.kernels.simd cimport V, add_elements, add_spread, element_size, prefetch

# How a sample's results of a run are walked: lines along whichever of positions and filters lie nearer in out.
cdef struct Walk:
    Py_ssize_t lines
    Py_ssize_t n               # results of a line
    Py_ssize_t out_line        # bytes in out from a line to the next
    Py_ssize_t out_step        # and within one
    Py_ssize_t line            # results, as they are kept, from a line to the next
    Py_ssize_t step


cdef inline Walk walk_of(const Task* t) noexcept nogil:
    cdef Py_ssize_t position = t.p.s.out_stride[t.p.s.rank - 1], filter = t.p.s.out_filter
    cdef Py_ssize_t by_position = 1 if t.p.by_positions else t.filters
    cdef Py_ssize_t by_filter = run_pitch(t.p) if t.p.by_positions else 1
    if max(position, -position) <= max(filter, -filter):
        return Walk(t.filters, t.place.n, filter, position, by_filter, by_position)
    return Walk(t.place.n, t.filters, position, filter, by_position, by_filter)


cdef inline char* results_at(const Task* t, Py_ssize_t sample, Py_ssize_t plane) noexcept nogil:
    """In memory: a sample's first filter at the first position."""
    cdef const Layer* s = t.p.s
    return (item_target(s, (t.sample + sample) * t.p.outers + t.place.outer) + t.group * s.out_group
            + t.filter * s.out_filter + plane * s.out_plane + t.place.row * s.out_stride[s.rank - 2]
            + t.place.column * s.out_stride[s.rank - 1])


cdef inline void move_results(const Task* t, bint back) noexcept nogil:
    """From sums to out, or back, of the samples that are in no vector."""
    cdef const Plan* p = t.p
    cdef Walk w = walk_of(t)
    cdef Py_ssize_t i, k
    cdef char* out
    cdef char* sums = t.sums
    for i in range((t.samples - t.aside) * p.planes):
        out = results_at(t, t.aside + i // p.planes, i % p.planes)
        for k in range(w.lines):
            if back:
                p.copy_out_back(sums + k * w.line * p.size, w.step * p.size, out + k * w.out_line, w.out_step, w.n)
            else:
                p.copy_out(out + k * w.out_line, w.out_step, sums + k * w.line * p.size, w.step * p.size, w.n)
        sums += p.pitch


cdef inline void store_turned(V* like, const Task* t, const Walk* w, char** out, const char* sums, Py_ssize_t samples,
                              Py_ssize_t line) noexcept nogil:
    """A line of results of a vector of samples, transposed eight at a time."""
    cdef const Plan* p = t.p
    cdef Py_ssize_t size = element_size(like), step = w.step * t.vectors * sizeof(V), k = 0, i, n
    cdef bint dense = same_bits(p.s.out_element, p.s.element) and w.out_step == size
    cdef V rows[8]
    while k < w.n:
        n = min(8, w.n - k)
        turn_rows(rows, sums + k * step, n, step)
        for i in range(samples):
            if dense and n == 8:
                memcpy(out[i] + line + k * size, <char*> rows + 8 * i * size, 8 * size)
            else:
                p.copy_out(out[i] + line + k * w.out_step, w.out_step, <char*> rows + 8 * i * size, size, n)
        k += 8


cdef inline void fetch_line(char** out, Py_ssize_t samples, Py_ssize_t line, Py_ssize_t bytes) noexcept nogil:
    """Asks for what will be stored next."""
    cdef Py_ssize_t i, at
    for i in range(samples):
        for at in range(0, bytes, 64):
            prefetch(out[i] + line + at, 1)


cdef inline void store_by_samples(V* like, const Task* t) noexcept nogil:
    """The results of samples in vectors."""
    cdef const Plan* p = t.p
    cdef Walk w = walk_of(t)
    cdef Py_ssize_t vector, i, k, samples, pitch = t.vectors * sizeof(V)
    cdef bint dense = w.out_step == element_size(like)
    cdef char* out[64]
    for vector in range(t.vectors):
        samples = min(p.lanes, t.aside - vector * p.lanes)
        for i in range(samples):
            out[i] = results_at(t, vector * p.lanes + i, 0)
        for k in range(w.lines):
            if k + 1 < w.lines and dense:
                fetch_line(out, samples, (k + 1) * w.out_line, w.n * p.size)
            store_turned(like, t, &w, out, t.sums_by_samples + vector * sizeof(V) + k * w.line * pitch, samples,
                         k * w.out_line)


cdef inline const char* bias_at(const Task* t, Py_ssize_t position, Py_ssize_t plane) noexcept nogil:
    cdef const Plan* p = t.p
    return (p.s.bias + (t.place.bank + position) * p.banks.bias_bank
            + ((t.group * p.planes + plane) * p.s.filters + t.filter) * p.size)


cdef inline void add_bias(V* like, const Task* t) noexcept nogil:
    cdef const Plan* p = t.p
    cdef Py_ssize_t i, q, f
    cdef V* sums = <V*> t.sums_by_samples
    for q in range(t.place.n):
        for i in range((t.samples - t.aside) * p.planes):
            add_elements(like, t.sums + i * p.pitch + q * t.filters * p.size, p.size, bias_at(t, q, i % p.planes),
                         p.size, t.filters)
        for f in range(t.filters):
            for _ in range(t.vectors):
                sums[0] = add_spread(sums[0], bias_at(t, q, 0) + f * p.size)
                sums += 1


cdef inline void finish(V* like, const Task* t) noexcept nogil:
    """Bias and activation."""
    cdef const Layer* s = t.p.s
    cdef Py_ssize_t i, n = t.place.n * t.filters
    if s.bias != NULL:
        add_bias(like, t)
    activate(t.sums_by_samples, n * t.vectors * t.p.lanes, s.element, s.out_element, s.activation, s.slope)
    for i in range((t.samples - t.aside) * t.p.planes):
        activate(t.sums + i * t.p.pitch, n, s.element, s.out_element, s.activation, s.slope)
