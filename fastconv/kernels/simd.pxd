"""The vector types, and the register tile of each instruction set.

A vector is a GCC or Clang vector type as wide as the build's registers; Cython knows it by the name of its
element's type, so that `a + b * c` is written once for all of them. Compilers without vector types get vectors
of one element. Loads and stores may be unaligned: the types carry their element's alignment.
"""
from libc.string cimport memcpy

cdef extern from * nogil:
    """
    #if defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
      #define FC_BYTES 64    /* 32 registers: 4 x 4 sums, 4 columns of the image, 1 weight */
      #define FC_COLUMNS 4
      #define FC_LINE_COLUMNS 12
      #define FC_FILTER_ROWS 6     /* 6 x 4 sums, 4 columns of weights, pixels spread */
      #define FC_FILTER_COLUMNS 4
      #define FC_PIXEL_ROWS 8      /* 8 x 3 sums, 3 columns of pixels */
      #define FC_PIXEL_COLUMNS 3
      #define FC_TERMS 2           /* gains 6 %; with 16 registers it loses as much */
      #define FC_PAIRS 10          /* a pointer for two pixels: no more is there room for */
      #define FC_ZIP_LOW_32 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
      #define FC_ZIP_HIGH_32 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
      #define FC_ZIP_LOW_64 0, 8, 1, 9, 2, 10, 3, 11
      #define FC_ZIP_HIGH_64 4, 12, 5, 13, 6, 14, 7, 15
    #elif defined(__AVX2__)
      #define FC_BYTES 32    /* 16 registers: 4 x 3 sums, 3 columns of the image, 1 weight */
      #define FC_COLUMNS 3
      #define FC_LINE_COLUMNS 6
      #define FC_FILTER_ROWS 6     /* 6 x 2 sums, 2 columns of weights, 1 pixel */
      #define FC_FILTER_COLUMNS 2
      #define FC_PIXEL_ROWS 4      /* 4 x 3 sums, 3 columns of pixels, 1 weight */
      #define FC_PIXEL_COLUMNS 3
      #define FC_ZIP_LOW_32 0, 8, 1, 9, 2, 10, 3, 11
      #define FC_ZIP_HIGH_32 4, 12, 5, 13, 6, 14, 7, 15
      #define FC_ZIP_LOW_64 0, 4, 1, 5
      #define FC_ZIP_HIGH_64 2, 6, 3, 7
    #elif defined(__aarch64__)
      #define FC_BYTES 16    /* 32 registers */
      #define FC_COLUMNS 4
      #define FC_LINE_COLUMNS 8
      #define FC_FILTER_ROWS 6
      #define FC_FILTER_COLUMNS 4
      #define FC_PIXEL_ROWS 8
      #define FC_PIXEL_COLUMNS 3
    #else
      #define FC_BYTES 16    /* 16 registers */
      #define FC_COLUMNS 3
      #define FC_LINE_COLUMNS 6
      #define FC_FILTER_ROWS 6     /* 6 x 2 sums, 2 columns of weights, 1 pixel */
      #define FC_FILTER_COLUMNS 2
      #define FC_PIXEL_ROWS 4      /* 4 x 3 sums, 3 columns of pixels, 1 weight */
      #define FC_PIXEL_COLUMNS 3
    #endif
    #ifndef FC_TERMS
      #define FC_TERMS 1
    #endif
    #ifndef FC_PAIRS
      #define FC_PAIRS 0
    #endif
    #define FC_THIN_ROWS 10    /* 8 sums is what the latency of a multiply-add asks for; 12 pixels take all registers */
    #if FC_BYTES == 16
      #define FC_ZIP_LOW_32 0, 4, 1, 5
      #define FC_ZIP_HIGH_32 2, 6, 3, 7
      #define FC_ZIP_LOW_64 0, 2
      #define FC_ZIP_HIGH_64 1, 3
    #endif

    #if (defined(__GNUC__) || defined(__clang__)) && !defined(FC_NO_VECTORS)
      #define FC_VECTOR(T, name) \\
        typedef T name __attribute__((vector_size(FC_BYTES), aligned(sizeof(T)), may_alias))
      /* A register tile lives in registers only if every helper is inlined into it. */
      #undef CYTHON_INLINE
      #define CYTHON_INLINE inline __attribute__((always_inline))
    #else
      #define FC_VECTOR(T, name) typedef T name
    #endif

    FC_VECTOR(unsigned char, vbool);
    FC_VECTOR(unsigned short, vint16);
    FC_VECTOR(unsigned int, vint32);
    FC_VECTOR(unsigned long long, vint64);
    FC_VECTOR(float, vfloat);
    FC_VECTOR(double, vdouble);
    typedef long double vlongdouble;
    #if (defined(__GNUC__) || defined(__clang__)) && !defined(FC_NO_VECTORS)
      #define FC_PART(name, T) \\
        static CYTHON_INLINE T name(const char* at, Py_ssize_t bytes) { \\
          return (T) (*(const vbool*) at & *(const vbool*) (fc_part + FC_BYTES - bytes)); }
      static const unsigned char fc_part[2 * FC_BYTES] = {[0 ... FC_BYTES - 1] = 255};
    #else
      #define FC_PART(name, T) \\
        static CYTHON_INLINE T name(const char* at, Py_ssize_t bytes) { (void) bytes; return *(const T*) at; }
    #endif
    #if (defined(__GNUC__) || defined(__clang__)) && !defined(FC_NO_VECTORS)
      #define FC_FINITE(name, T, bits) \\
        static CYTHON_INLINE T name(T v) { return (T) ((bits) v & (bits) (v - v == 0)); }
    #else
      #define FC_FINITE(name, T, bits) static CYTHON_INLINE T name(T v) { return v - v == 0 ? v : 0; }
    #endif
    FC_FINITE(fc_finite_float, vfloat, vint32)
    FC_FINITE(fc_finite_double, vdouble, vint64)
    static CYTHON_INLINE long double fc_finite_longdouble(long double v) { return v - v == 0 ? v : 0; }
    FC_PART(fc_part_bool, vbool)
    FC_PART(fc_part_16, vint16)
    FC_PART(fc_part_32, vint32)
    FC_PART(fc_part_64, vint64)
    FC_PART(fc_part_float, vfloat)
    FC_PART(fc_part_double, vdouble)

    #define FC_ZEROS ((const char*) fc_zeros())
    static CYTHON_INLINE const void* fc_zeros(void) {    /* a vector of them */
      static const long double zeros[FC_BYTES / sizeof(long double) + 1];
      return zeros;
    }

    #if defined(__has_builtin) && !defined(FC_NO_VECTORS)
      #if __has_builtin(__builtin_shufflevector)
        #define FC_CAN_TURN 1
        #define FC_ZIP(name, T, indices) \\
          static CYTHON_INLINE T name(T a, T b) { return __builtin_shufflevector(a, b, indices); }
      #endif
    #endif
    #ifndef FC_CAN_TURN
      #define FC_CAN_TURN 0
      #define FC_ZIP(name, T, indices) static CYTHON_INLINE T name(T a, T b) { (void) b; return a; }
    #endif
    #if defined(__GNUC__) || defined(__clang__)
      #define FC_PREFETCH(at, write) __builtin_prefetch(at, write)
      #define FC_PREFETCH_SECOND(at) __builtin_prefetch(at, 0, 2)
    #else
      #define FC_PREFETCH(at, write) ((void) (at))
      #define FC_PREFETCH_SECOND(at) ((void) (at))
    #endif
    /* A vector to memory of its alignment, past the caches, so that its old content is not read; then, for other
       threads to see it, a fence. */
    #if defined(__SSE2__) && (defined(__GNUC__) || defined(__clang__)) && !defined(FC_NO_VECTORS)
      #include <immintrin.h>
      #define FC_STREAMS 1
      static CYTHON_INLINE void fc_stream(char* to, const char* v) {
      #if FC_BYTES == 64
        _mm512_stream_si512((void*) to, _mm512_loadu_si512((const void*) v));
      #elif FC_BYTES == 32
        _mm256_stream_si256((__m256i*) to, _mm256_loadu_si256((const __m256i*) v));
      #else
        _mm_stream_si128((__m128i*) to, _mm_loadu_si128((const __m128i*) v));
      #endif
      }
      #define FC_FENCE() _mm_sfence()
    #else
      #define FC_STREAMS 0
      #define fc_stream(to, v) memcpy(to, v, FC_BYTES)
      #define FC_FENCE()
    #endif
    FC_ZIP(fc_zip_low_32, vint32, FC_ZIP_LOW_32)
    FC_ZIP(fc_zip_high_32, vint32, FC_ZIP_HIGH_32)
    FC_ZIP(fc_zip_low_64, vint64, FC_ZIP_LOW_64)
    FC_ZIP(fc_zip_high_64, vint64, FC_ZIP_HIGH_64)
    FC_ZIP(fc_zip_low_float, vfloat, FC_ZIP_LOW_32)
    FC_ZIP(fc_zip_high_float, vfloat, FC_ZIP_HIGH_32)
    FC_ZIP(fc_zip_low_double, vdouble, FC_ZIP_LOW_64)
    FC_ZIP(fc_zip_high_double, vdouble, FC_ZIP_HIGH_64)
    """
    ctypedef unsigned char vbool
    ctypedef unsigned short vint16
    ctypedef unsigned int vint32
    ctypedef unsigned long long vint64
    ctypedef float vfloat
    ctypedef double vdouble
    ctypedef long double vlongdouble
    const char* ZEROS "FC_ZEROS"
    enum:
        COLUMNS "FC_COLUMNS"             # vectors side by side in a tile of several rows
        LINE_COLUMNS "FC_LINE_COLUMNS"   # and in a tile of one row
        FILTER_ROWS "FC_FILTER_ROWS"     # pixels in a tile whose vectors run along filters
        FILTER_COLUMNS "FC_FILTER_COLUMNS"
        THIN_ROWS "FC_THIN_ROWS"         # pixels in such a tile if it has one column
        PAIRS "FC_PAIRS"                 # of neighbours in a tile twice as long; 0 where registers are too few
        PIXEL_ROWS "FC_PIXEL_ROWS"       # filters in a tile whose vectors run along pixels
        PIXEL_COLUMNS "FC_PIXEL_COLUMNS"
        TERMS_A_TURN "FC_TERMS"          # of a tile's sums
        CAN_TURN "FC_CAN_TURN"           # whether the compiler shuffles vectors
    void prefetch "FC_PREFETCH"(const char* at, const int write)
    void prefetch_to_second "FC_PREFETCH_SECOND"(const char* at)    # level of the cache, to be read
    enum:
        STREAMS "FC_STREAMS"             # whether `stream` goes past the caches
        VECTOR "FC_BYTES"                # bytes of a vector
    void stream "fc_stream"(char* to, const char* v)
    void fence "FC_FENCE"()
    # a0 b0 a1 b1 ... of the lower and of the upper halves
    vint32 zip_low_32 "fc_zip_low_32"(vint32 a, vint32 b)
    vint32 zip_high_32 "fc_zip_high_32"(vint32 a, vint32 b)
    vint64 zip_low_64 "fc_zip_low_64"(vint64 a, vint64 b)
    vint64 zip_high_64 "fc_zip_high_64"(vint64 a, vint64 b)
    vfloat zip_low_float "fc_zip_low_float"(vfloat a, vfloat b)
    vfloat zip_high_float "fc_zip_high_float"(vfloat a, vfloat b)
    vdouble zip_low_double "fc_zip_low_double"(vdouble a, vdouble b)
    vdouble zip_high_double "fc_zip_high_double"(vdouble a, vdouble b)
    # a vector with zeros in place of what is not finite
    vfloat finite_float "fc_finite_float"(vfloat v)
    vdouble finite_double "fc_finite_double"(vdouble v)
    vlongdouble finite_longdouble "fc_finite_longdouble"(vlongdouble v)
    # a vector of memory with zeros in place of all but its first elements
    vbool first_bool "fc_part_bool"(const char* at, Py_ssize_t bytes)
    vint16 first_16 "fc_part_16"(const char* at, Py_ssize_t bytes)
    vint32 first_32 "fc_part_32"(const char* at, Py_ssize_t bytes)
    vint64 first_64 "fc_part_64"(const char* at, Py_ssize_t bytes)
    vfloat first_float "fc_part_float"(const char* at, Py_ssize_t bytes)
    vdouble first_double "fc_part_double"(const char* at, Py_ssize_t bytes)


# Integers are unsigned here: sums and products modulo 2**n are the same bits, and overflow is defined.
ctypedef fused V:
    vbool
    vint16
    vint32
    vint64
    vfloat
    vdouble
    vlongdouble


cdef inline Py_ssize_t element_size(V* like) noexcept nogil:
    if V is vbool:
        return sizeof(unsigned char)
    elif V is vint16:
        return sizeof(unsigned short)
    elif V is vint32:
        return sizeof(unsigned int)
    elif V is vint64:
        return sizeof(unsigned long long)
    elif V is vfloat:
        return sizeof(float)
    elif V is vdouble:
        return sizeof(double)
    else:
        return sizeof(long double)


cdef inline V multiply_add(V total, V x, const char* weight) noexcept nogil:
    """`total + x * weight`; for booleans, as in NumPy, `total or (x and weight)`."""
    if V is vbool:
        return total | (x & (<const unsigned char*> weight)[0])
    elif V is vint16:
        return total + x * (<const unsigned short*> weight)[0]
    elif V is vint32:
        return total + x * (<const unsigned int*> weight)[0]
    elif V is vint64:
        return total + x * (<const unsigned long long*> weight)[0]
    elif V is vfloat:
        return total + x * (<const float*> weight)[0]
    elif V is vdouble:
        return total + x * (<const double*> weight)[0]
    else:
        return total + x * (<const long double*> weight)[0]


cdef inline V add(V a, V b) noexcept nogil:
    if V is vbool:
        return a | b
    else:
        return a + b


cdef inline V add_spread(V total, const char* value) noexcept nogil:
    """`total` and one value added to all its elements."""
    if V is vbool:
        return total | (<const unsigned char*> value)[0]
    elif V is vint16:
        return total + (<const unsigned short*> value)[0]
    elif V is vint32:
        return total + (<const unsigned int*> value)[0]
    elif V is vint64:
        return total + (<const unsigned long long*> value)[0]
    elif V is vfloat:
        return total + (<const float*> value)[0]
    elif V is vdouble:
        return total + (<const double*> value)[0]
    else:
        return total + (<const long double*> value)[0]


cdef inline V multiply_add_vectors(V total, V a, V b) noexcept nogil:
    """`total + a * b`, element by element."""
    if V is vbool:
        return total | (a & b)
    else:
        return total + a * b


cdef inline V finite_or_zero(V v) noexcept nogil:
    """A vector with zeros in place of what is not finite."""
    if V is vfloat:
        return finite_float(v)
    elif V is vdouble:
        return finite_double(v)
    elif V is vlongdouble:
        return finite_longdouble(v)
    else:
        return v


cdef inline void add_elements(V* like, char* to, Py_ssize_t to_step, const char* values, Py_ssize_t step,
                              Py_ssize_t n) noexcept nogil:
    """Adds one after the other, `step` bytes apart, to those at `to`."""
    for _ in range(n):
        if V is vbool:
            (<unsigned char*> to)[0] |= (<const unsigned char*> values)[0]
        elif V is vint16:
            (<unsigned short*> to)[0] += (<const unsigned short*> values)[0]
        elif V is vint32:
            (<unsigned int*> to)[0] += (<const unsigned int*> values)[0]
        elif V is vint64:
            (<unsigned long long*> to)[0] += (<const unsigned long long*> values)[0]
        elif V is vfloat:
            (<float*> to)[0] += (<const float*> values)[0]
        elif V is vdouble:
            (<double*> to)[0] += (<const double*> values)[0]
        else:
            (<long double*> to)[0] += (<const long double*> values)[0]
        to += to_step
        values += step


# ---------------------------------------------------------------- parts of vectors, and sums across them

cdef inline V first_elements(V* like, const char* at, Py_ssize_t bytes, const char* end) noexcept nogil:
    """The first `bytes` of a vector, and zeros; nothing is read from `end` on."""
    cdef V part = (<volatile V*> ZEROS)[0]
    if at + sizeof(V) > end:
        memcpy(&part, at, bytes)
        return part
    if V is vbool:
        return first_bool(at, bytes)
    elif V is vint16:
        return first_16(at, bytes)
    elif V is vint32:
        return first_32(at, bytes)
    elif V is vint64:
        return first_64(at, bytes)
    elif V is vfloat:
        return first_float(at, bytes)
    elif V is vdouble:
        return first_double(at, bytes)
    else:
        return (<const V*> at)[0]


cdef inline bint adds_across(V* like) noexcept nogil:
    """Whether `add_across` does."""
    if V is vfloat or V is vdouble or V is vint32 or V is vint64:
        return CAN_TURN and sizeof(V) > <size_t> element_size(like)
    else:
        return False


cdef inline void fold_in_pairs(V* totals, const int n) noexcept nogil:
    """The upper half of each added to the lower; those of a vector and of the n-th from it take turns."""
    cdef int i
    for i in range(n):
        if V is vfloat:
            totals[i] = zip_low_float(totals[i], totals[i + n]) + zip_high_float(totals[i], totals[i + n])
        elif V is vdouble:
            totals[i] = zip_low_double(totals[i], totals[i + n]) + zip_high_double(totals[i], totals[i + n])
        elif V is vint32:
            totals[i] = zip_low_32(totals[i], totals[i + n]) + zip_high_32(totals[i], totals[i + n])
        elif V is vint64:
            totals[i] = zip_low_64(totals[i], totals[i + n]) + zip_high_64(totals[i], totals[i + n])


cdef inline V add_across(V* totals) noexcept nogil:
    """The sum of each vector's elements, of as many vectors as those are: three operations a sum. All in one order."""
    cdef Py_ssize_t lanes = sizeof(V) // element_size(totals)
    if lanes >= 16:
        fold_in_pairs(totals, 8)
    if lanes >= 8:
        fold_in_pairs(totals, 4)
    if lanes >= 4:
        fold_in_pairs(totals, 2)
    fold_in_pairs(totals, 1)
    return totals[0]


# Vectors of any type, by the width of their elements.
ctypedef fused Word:
    vint32
    vint64


cdef inline void turn_to(Word* to, const Word* rows, Py_ssize_t n, Py_ssize_t step, const int width) noexcept nogil:
    """Transposes n <= width vectors, `step` apart, to rows of 2, 4 or 8 elements: 1, 2 or 3 perfect shuffles."""
    cdef Word a[8]
    cdef Word b[8]
    cdef int i, half = width // 2
    for i in range(width):
        a[i] = rows[(i if i < n else 0) * step]
    for _ in range(3 if width == 8 else (2 if width == 4 else 1)):
        for i in range(half):
            if Word is vint32:
                b[2 * i] = zip_low_32(a[i], a[i + half])
                b[2 * i + 1] = zip_high_32(a[i], a[i + half])
            else:
                b[2 * i] = zip_low_64(a[i], a[i + half])
                b[2 * i + 1] = zip_high_64(a[i], a[i + half])
        for i in range(width):
            a[i] = b[i]
    for i in range(width):
        to[i] = a[i]


cdef inline void turn(Word* to, const Word* rows, Py_ssize_t n, Py_ssize_t step) noexcept nogil:
    """To rows of 8."""
    turn_to(to, rows, n, step, 8)
