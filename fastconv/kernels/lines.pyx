"""Lines of an array, copied with whatever conversion and strides it takes.

Kernels compute on contiguous lines of a few element types; these functions bring any array there and back, a
line at a time, while the line is in cache.
"""
ctypedef long double longdouble

# Structures, because Cython takes two names of one C type for the same type.
ctypedef struct boolean:
    uint8_t byte

ctypedef struct half:
    uint16_t bits


ctypedef fused Source:
    boolean
    int8_t
    uint8_t
    int16_t
    uint16_t
    int32_t
    uint32_t
    int64_t
    uint64_t
    half
    float
    double
    longdouble

ctypedef fused Target:
    boolean
    int8_t
    uint8_t
    int16_t
    uint16_t
    int32_t
    uint32_t
    int64_t
    uint64_t
    half
    float
    double
    longdouble

cdef union Bits:
    float value
    uint32_t bits


cdef inline float widened(half h) noexcept nogil:
    """IEEE binary16 to binary32. A product with 2**112 moves the exponent's bias, subnormals included."""
    cdef Bits f
    f.bits = <uint32_t> (h.bits & 0x7FFF) << 13
    if (h.bits & 0x7C00) == 0x7C00:
        f.bits |= 0x7F800000
    else:
        f.value *= 5192296858534827628530496329220096.0
    f.bits |= <uint32_t> (h.bits & 0x8000) << 16
    return f.value


cdef inline half narrowed(float value) noexcept nogil:
    """IEEE binary32 to binary16, rounded to nearest even."""
    cdef Bits f, magic
    cdef uint32_t sign
    cdef half h
    f.value = value
    sign = (f.bits >> 16) & 0x8000
    f.bits &= 0x7FFFFFFF
    if f.bits > 0x7F800000:
        f.bits = 0x7E00
    elif f.bits >= 0x47800000:    # 65536 and more, infinity too
        f.bits = 0x7C00
    elif f.bits < 0x38800000:     # subnormal: adding 1/2 leaves the rounded value in the lowest bits
        magic.bits = 126 << 23
        f.value += magic.value
        f.bits -= magic.bits
    else:
        f.bits = (f.bits + 0xFFF + ((f.bits >> 13) & 1) - (112 << 23)) >> 13
    h.bits = <uint16_t> (sign | f.bits)
    return h


cdef inline Target converted(Source value, Target* like) noexcept nogil:
    cdef Target result
    if Source is boolean and Target is boolean:
        result.byte = value.byte != 0
    elif Source is Target:
        result = value
    elif Source is boolean and Target is half:
        result = narrowed(value.byte != 0)
    elif Source is boolean:
        result = <Target> (value.byte != 0)
    elif Source is half and Target is boolean:
        result.byte = (value.bits & 0x7FFF) != 0
    elif Source is half:
        result = <Target> widened(value)
    elif Target is half:
        result = narrowed(<float> value)
    elif Target is boolean:
        result.byte = value != 0
    else:
        result = <Target> value
    return result


cdef void copy(Target* to, Py_ssize_t to_stride, const Source* source, Py_ssize_t stride,
               Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    if stride == sizeof(Source) and to_stride == sizeof(Target):    # the compiler vectorises this one
        for i in range(n):
            to[i] = converted[Source, Target](source[i], to)
    elif Source is Target and stride == 2 * sizeof(Source) and to_stride == sizeof(Target):    # every second element
        for i in range(n):
            to[i] = converted[Source, Target](source[2 * i], to)
    else:
        for i in range(n):
            (<Target*> (<char*> to + i * to_stride))[0] = converted[Source, Target](
                (<const Source*> (<const char*> source + i * stride))[0], to)


cdef line_copy copier_to(Source* source_type, int to) noexcept nogil:
    if to == BOOL: return <line_copy> copy[boolean, Source]
    if to == INT8: return <line_copy> copy[int8_t, Source]
    if to == UINT8: return <line_copy> copy[uint8_t, Source]
    if to == INT16: return <line_copy> copy[int16_t, Source]
    if to == UINT16: return <line_copy> copy[uint16_t, Source]
    if to == INT32: return <line_copy> copy[int32_t, Source]
    if to == UINT32: return <line_copy> copy[uint32_t, Source]
    if to == INT64: return <line_copy> copy[int64_t, Source]
    if to == UINT64: return <line_copy> copy[uint64_t, Source]
    if to == FLOAT16: return <line_copy> copy[half, Source]
    if to == FLOAT32: return <line_copy> copy[float, Source]
    if to == FLOAT64: return <line_copy> copy[double, Source]
    if to == LONGDOUBLE: return <line_copy> copy[longdouble, Source]
    return NULL


cdef line_copy line_copier(int source, int to) noexcept nogil:
    if source == BOOL: return copier_to[boolean](NULL, to)
    if source == INT8: return copier_to[int8_t](NULL, to)
    if source == UINT8: return copier_to[uint8_t](NULL, to)
    if source == INT16: return copier_to[int16_t](NULL, to)
    if source == UINT16: return copier_to[uint16_t](NULL, to)
    if source == INT32: return copier_to[int32_t](NULL, to)
    if source == UINT32: return copier_to[uint32_t](NULL, to)
    if source == INT64: return copier_to[int64_t](NULL, to)
    if source == UINT64: return copier_to[uint64_t](NULL, to)
    if source == FLOAT16: return copier_to[half](NULL, to)
    if source == FLOAT32: return copier_to[float](NULL, to)
    if source == FLOAT64: return copier_to[double](NULL, to)
    if source == LONGDOUBLE: return copier_to[longdouble](NULL, to)
    return NULL
