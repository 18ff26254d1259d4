"""The vector types of pooling: those of simd.pxd, and signed integers, whose order is not that of unsigned ones.

`merge` is one step of a reduction. NaN is larger and smaller than any number: whoever meets it keeps it. Of zeros of
both signs either is the result: see zeros.pxd.

A pair is two numbers as one, compared as 128 bits: a value, and in the lower bits its place.
"""
from libc.stdint cimport uint64_t

from fastconv.kernels.simd cimport vbool, vdouble, vfloat, vint16, vint32, vint64, vlongdouble

cdef extern from * nogil:
    """
    #if (defined(__GNUC__) || defined(__clang__)) && !defined(FC_NO_VECTORS)
      #define FC_VECTORS 1
    #else
      #define FC_VECTORS 0
    #endif
    FC_VECTOR(signed char, vsigned8);
    FC_VECTOR(short, vsigned16);
    FC_VECTOR(int, vsigned32);
    FC_VECTOR(long long, vsigned64);

    typedef struct { unsigned long long high, low; } vpair;
    #if defined(__GNUC__) || defined(__clang__)
      typedef unsigned int vint32_may __attribute__((may_alias));
      typedef unsigned long long vint64_may __attribute__((may_alias));
    #else
      typedef unsigned int vint32_may;
      typedef unsigned long long vint64_may;
    #endif
    static CYTHON_INLINE vpair fc_choose_vpair(vpair a, vpair b) {
        return a.high > b.high || (a.high == b.high && a.low >= b.low) ? a : b; }

    /* By masks, two or three instructions. Loops over the lanes may become one, but GCC takes apart the vectors that it
       knows from elsewhere: 5 times slower, depending on what stands around them. NaN: a's is kept, b's by itself. */
    #define FC_CHOOSE(V, M, keeps) \\
        static CYTHON_INLINE V fc_choose_##V(V a, V b, int larger) { \\
            M take = (larger ? (M) (a > b) : (M) (a < b)) keeps; return (V) (((M) a & take) | ((M) b & ~take)); }
    #define FC_CHOOSE_ONE(V) \\
        static CYTHON_INLINE V fc_choose_##V(V a, V b, int larger) { \\
            return (larger ? a > b : a < b) || a != a ? a : b; }
    #if FC_VECTORS
      #define FC_ORDER(V, M) FC_CHOOSE(V, M, )
      #define FC_ORDER_FLOAT(V, M) FC_CHOOSE(V, M, | (M) (a != a))
    #else
      #define FC_ORDER(V, M) FC_CHOOSE_ONE(V)
      #define FC_ORDER_FLOAT(V, M) FC_CHOOSE_ONE(V)
    #endif
    FC_ORDER(vbool, vbool)
    FC_ORDER(vsigned8, vsigned8)
    FC_ORDER(vint16, vint16)
    FC_ORDER(vsigned16, vsigned16)
    FC_ORDER(vint32, vint32)
    FC_ORDER(vsigned32, vsigned32)
    FC_ORDER(vint64, vint64)
    FC_ORDER(vsigned64, vsigned64)
    /* Three instructions instead of five. Those for extremes give b of zeros, and where either is NaN. */
    #if FC_VECTORS && FC_STREAMS
      #if FC_BYTES == 64
        #define FC_EXTREME(S, a, b) (larger ? _mm512_max_##S(a, b) : _mm512_min_##S(a, b))
        #define FC_UNLESS_NAN(M, S, a, v) _mm512_mask_mov_##S(v, _mm512_cmp_##S##_mask(a, a, _CMP_UNORD_Q), a)
      #elif FC_BYTES == 32
        #define FC_EXTREME(S, a, b) (larger ? _mm256_max_##S(a, b) : _mm256_min_##S(a, b))
        #define FC_UNLESS_NAN(M, S, a, v) _mm256_blendv_##S(v, a, _mm256_cmp_##S(a, a, _CMP_UNORD_Q))
      #else
        #define FC_EXTREME(S, a, b) (larger ? _mm_max_##S(a, b) : _mm_min_##S(a, b))
        #define FC_UNLESS_NAN(M, S, a, v) (((M) a & (M) (a != a)) | ((M) v & ~(M) (a != a)))
      #endif
      #define FC_CHOOSE_FLOAT(V, M, S) \\
        static CYTHON_INLINE V fc_choose_##V(V a, V b, int larger) { \\
            V v = (V) FC_EXTREME(S, a, b); return (V) FC_UNLESS_NAN(M, S, a, v); }
    #else
      #define FC_CHOOSE_FLOAT(V, M, S) FC_ORDER_FLOAT(V, M)
    #endif
    FC_CHOOSE_FLOAT(vfloat, vsigned32, ps)
    FC_CHOOSE_FLOAT(vdouble, vsigned64, pd)
    FC_CHOOSE_ONE(vlongdouble)

    /* Whether any of n elements is a zero, or -0. */
    #if FC_VECTORS
      #define FC_ANY_ZERO(V, M, T) \\
        static CYTHON_INLINE int fc_any_zero_##V(const char* at, Py_ssize_t n) { \\
            const T* a = (const T*) at; unsigned long long any = 0; \\
            Py_ssize_t lanes = sizeof(V) / sizeof(T), i; M found; \\
            if (n < lanes) { for (i = 0; i < n; i++) any |= a[i] == 0; return any != 0; } \\
            found = (M) (*(const V*) (a + n - lanes) == 0); \\
            for (i = 0; i + lanes <= n; i += lanes) found |= (M) (*(const V*) (a + i) == 0); \\
            for (i = 0; i < (Py_ssize_t) (sizeof(V) / 8); i++) any |= ((const vint64*) &found)[0][i]; \\
            return any != 0; }
    #else
      #define FC_ANY_ZERO(V, M, T) \\
        static CYTHON_INLINE int fc_any_zero_##V(const char* at, Py_ssize_t n) { \\
            const T* a = (const T*) at; for (; n > 0; n--) if (a[n - 1] == 0) return 1; \\
            return 0; }
    #endif
    FC_ANY_ZERO(vfloat, vsigned32, float)
    FC_ANY_ZERO(vdouble, vsigned64, double)
    #define FC_ANY_MINUS_ZERO(V, T, sign) \\
        static int fc_any_minus_zero_##V(const char* at, Py_ssize_t n) { \\
            Py_ssize_t i, part; const T* a = (const T*) at; T any; \\
            for (; n > 0; n -= part, a += part) { \\
                part = n < 4096 ? n : 4096; any = 0; \\
                for (i = 0; i < part; i++) any |= (T) (a[i] == (T) sign); \\
                if (any) return 1; } \\
            return 0; }
    FC_ANY_MINUS_ZERO(vfloat, vint32_may, 1u << 31)
    FC_ANY_MINUS_ZERO(vdouble, vint64_may, 1ull << 63)

    /* The first n elements of one vector, the others of another. */
    static const unsigned char fc_ones_zeros[2 * FC_BYTES] = {
    #define FC_ONES_16 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255
        FC_ONES_16
    #if FC_BYTES >= 32
        , FC_ONES_16
    #endif
    #if FC_BYTES == 64
        , FC_ONES_16, FC_ONES_16
    #endif
    };
    #if FC_VECTORS
      #define FC_FIRST(V, M, T) \\
        static CYTHON_INLINE V fc_first_##V(V a, V rest, int n) { \\
            M m = *(const M*) (fc_ones_zeros + FC_BYTES - n * sizeof(T)); \\
            return (V) (((M) a & m) | ((M) rest & ~m)); }
    #else
      #define FC_FIRST(V, M, T) static CYTHON_INLINE V fc_first_##V(V a, V rest, int n) { return n > 0 ? a : rest; }
    #endif
    FC_FIRST(vbool, vbool, unsigned char)
    FC_FIRST(vsigned8, vsigned8, signed char)
    FC_FIRST(vint16, vint16, unsigned short)
    FC_FIRST(vsigned16, vsigned16, short)
    FC_FIRST(vint32, vint32, unsigned int)
    FC_FIRST(vsigned32, vsigned32, int)
    FC_FIRST(vint64, vint64, unsigned long long)
    FC_FIRST(vsigned64, vsigned64, long long)
    FC_FIRST(vfloat, vsigned32, float)
    FC_FIRST(vdouble, vsigned64, double)

    /* Of two vectors in a row, every second element, and those from the second on. */
    #if FC_CAN_TURN
      #define FC_S2(o) o, o + 2
      #define FC_S4(o) FC_S2(o), FC_S2(o + 4)
      #define FC_S8(o) FC_S4(o), FC_S4(o + 8)
      #define FC_S16(o) FC_S8(o), FC_S8(o + 16)
      #define FC_S32(o) FC_S16(o), FC_S16(o + 32)
      #define FC_S64(o) FC_S32(o), FC_S32(o + 64)
      #if FC_BYTES == 64
        #define FC_HALVE_8(o) FC_S64(o)
        #define FC_HALVE_16(o) FC_S32(o)
        #define FC_HALVE_32(o) FC_S16(o)
        #define FC_HALVE_64(o) FC_S8(o)
      #elif FC_BYTES == 32
        #define FC_HALVE_8(o) FC_S32(o)
        #define FC_HALVE_16(o) FC_S16(o)
        #define FC_HALVE_32(o) FC_S8(o)
        #define FC_HALVE_64(o) FC_S4(o)
      #else
        #define FC_HALVE_8(o) FC_S16(o)
        #define FC_HALVE_16(o) FC_S8(o)
        #define FC_HALVE_32(o) FC_S4(o)
        #define FC_HALVE_64(o) FC_S2(o)
      #endif
      #define FC_N2(o) o, o + 1
      #define FC_N4(o) FC_N2(o), FC_N2(o + 2)
      #define FC_N8(o) FC_N4(o), FC_N4(o + 4)
      #define FC_N16(o) FC_N8(o), FC_N8(o + 8)
      #define FC_N32(o) FC_N16(o), FC_N16(o + 16)
      #define FC_N64(o) FC_N32(o), FC_N32(o + 32)
      #if FC_BYTES == 64
        #define FC_NEXT_8 FC_N64(1)
        #define FC_NEXT_16 FC_N32(1)
        #define FC_NEXT_32 FC_N16(1)
        #define FC_NEXT_64 FC_N8(1)
      #elif FC_BYTES == 32
        #define FC_NEXT_8 FC_N32(1)
        #define FC_NEXT_16 FC_N16(1)
        #define FC_NEXT_32 FC_N8(1)
        #define FC_NEXT_64 FC_N4(1)
      #else
        #define FC_NEXT_8 FC_N16(1)
        #define FC_NEXT_16 FC_N8(1)
        #define FC_NEXT_32 FC_N4(1)
        #define FC_NEXT_64 FC_N2(1)
      #endif
      #define FC_EVERY_SECOND(V, bits) \\
        static CYTHON_INLINE V fc_even_##V(V a, V b) { return __builtin_shufflevector(a, b, FC_HALVE_##bits(0)); } \\
        static CYTHON_INLINE V fc_odd_##V(V a, V b) { return __builtin_shufflevector(a, b, FC_HALVE_##bits(1)); } \\
        static CYTHON_INLINE V fc_next_##V(V a, V b) { return __builtin_shufflevector(a, b, FC_NEXT_##bits); }
    #elif FC_VECTORS
      #define FC_EVERY_SECOND(V, bits) \\
        static CYTHON_INLINE V fc_even_##V(V a, V b) { return fc_second_##V(a, b, 0); } \\
        static CYTHON_INLINE V fc_odd_##V(V a, V b) { return fc_second_##V(a, b, 1); } \\
        static CYTHON_INLINE V fc_next_##V(V a, V b) { return fc_shifted_##V(a, b); }
      #define FC_SECOND(V, T) \\
        static CYTHON_INLINE V fc_second_##V(V a, V b, int from) { \\
            V m; int n = sizeof(V) / sizeof(T) / 2; \\
            for (int i = 0; i < n; i++) { m[i] = a[2 * i + from]; m[i + n] = b[2 * i + from]; } return m; } \\
        static CYTHON_INLINE V fc_shifted_##V(V a, V b) { \\
            V m; int n = sizeof(V) / sizeof(T); \\
            for (int i = 0; i < n; i++) m[i] = i < n - 1 ? a[i + 1] : b[0]; \\
            return m; }
      FC_SECOND(vbool, unsigned char)
      FC_SECOND(vsigned8, signed char)
      FC_SECOND(vint16, unsigned short)
      FC_SECOND(vsigned16, short)
      FC_SECOND(vint32, unsigned int)
      FC_SECOND(vsigned32, int)
      FC_SECOND(vint64, unsigned long long)
      FC_SECOND(vsigned64, long long)
      FC_SECOND(vfloat, float)
      FC_SECOND(vdouble, double)
    #else    /* vectors of one element */
      #define FC_EVERY_SECOND(V, bits) \\
        static CYTHON_INLINE V fc_even_##V(V a, V b) { (void) b; return a; } \\
        static CYTHON_INLINE V fc_odd_##V(V a, V b) { (void) a; return b; } \\
        static CYTHON_INLINE V fc_next_##V(V a, V b) { (void) a; return b; }
    #endif
    FC_EVERY_SECOND(vbool, 8)
    FC_EVERY_SECOND(vsigned8, 8)
    FC_EVERY_SECOND(vint16, 16)
    FC_EVERY_SECOND(vsigned16, 16)
    FC_EVERY_SECOND(vint32, 32)
    FC_EVERY_SECOND(vsigned32, 32)
    FC_EVERY_SECOND(vint64, 64)
    FC_EVERY_SECOND(vsigned64, 64)
    FC_EVERY_SECOND(vfloat, 32)
    FC_EVERY_SECOND(vdouble, 64)
    """
    ctypedef signed char vsigned8
    ctypedef short vsigned16
    ctypedef int vsigned32
    ctypedef long long vsigned64
    ctypedef struct vpair:
        uint64_t high
        uint64_t low
    vpair choose_pair "fc_choose_vpair"(vpair a, vpair b)
    bint any_minus_zero_f "fc_any_minus_zero_vfloat"(const char* a, Py_ssize_t n)
    bint any_minus_zero_d "fc_any_minus_zero_vdouble"(const char* a, Py_ssize_t n)
    bint any_zero_f "fc_any_zero_vfloat"(const char* a, Py_ssize_t n)
    bint any_zero_d "fc_any_zero_vdouble"(const char* a, Py_ssize_t n)
    vbool choose_u8 "fc_choose_vbool"(vbool a, vbool b, int larger)
    vsigned8 choose_s8 "fc_choose_vsigned8"(vsigned8 a, vsigned8 b, int larger)
    vint16 choose_u16 "fc_choose_vint16"(vint16 a, vint16 b, int larger)
    vsigned16 choose_s16 "fc_choose_vsigned16"(vsigned16 a, vsigned16 b, int larger)
    vint32 choose_u32 "fc_choose_vint32"(vint32 a, vint32 b, int larger)
    vsigned32 choose_s32 "fc_choose_vsigned32"(vsigned32 a, vsigned32 b, int larger)
    vint64 choose_u64 "fc_choose_vint64"(vint64 a, vint64 b, int larger)
    vsigned64 choose_s64 "fc_choose_vsigned64"(vsigned64 a, vsigned64 b, int larger)
    vfloat choose_f "fc_choose_vfloat"(vfloat a, vfloat b, int larger)
    vdouble choose_d "fc_choose_vdouble"(vdouble a, vdouble b, int larger)
    vlongdouble choose_g "fc_choose_vlongdouble"(vlongdouble a, vlongdouble b, int larger)
    vbool even_u8 "fc_even_vbool"(vbool a, vbool b)
    vsigned8 even_s8 "fc_even_vsigned8"(vsigned8 a, vsigned8 b)
    vint16 even_u16 "fc_even_vint16"(vint16 a, vint16 b)
    vsigned16 even_s16 "fc_even_vsigned16"(vsigned16 a, vsigned16 b)
    vint32 even_u32 "fc_even_vint32"(vint32 a, vint32 b)
    vsigned32 even_s32 "fc_even_vsigned32"(vsigned32 a, vsigned32 b)
    vint64 even_u64 "fc_even_vint64"(vint64 a, vint64 b)
    vsigned64 even_s64 "fc_even_vsigned64"(vsigned64 a, vsigned64 b)
    vfloat even_f "fc_even_vfloat"(vfloat a, vfloat b)
    vdouble even_d "fc_even_vdouble"(vdouble a, vdouble b)
    vbool odd_u8 "fc_odd_vbool"(vbool a, vbool b)
    vsigned8 odd_s8 "fc_odd_vsigned8"(vsigned8 a, vsigned8 b)
    vint16 odd_u16 "fc_odd_vint16"(vint16 a, vint16 b)
    vsigned16 odd_s16 "fc_odd_vsigned16"(vsigned16 a, vsigned16 b)
    vint32 odd_u32 "fc_odd_vint32"(vint32 a, vint32 b)
    vsigned32 odd_s32 "fc_odd_vsigned32"(vsigned32 a, vsigned32 b)
    vint64 odd_u64 "fc_odd_vint64"(vint64 a, vint64 b)
    vsigned64 odd_s64 "fc_odd_vsigned64"(vsigned64 a, vsigned64 b)
    vfloat odd_f "fc_odd_vfloat"(vfloat a, vfloat b)
    vdouble odd_d "fc_odd_vdouble"(vdouble a, vdouble b)
    vbool next_u8 "fc_next_vbool"(vbool a, vbool b)
    vsigned8 next_s8 "fc_next_vsigned8"(vsigned8 a, vsigned8 b)
    vint16 next_u16 "fc_next_vint16"(vint16 a, vint16 b)
    vsigned16 next_s16 "fc_next_vsigned16"(vsigned16 a, vsigned16 b)
    vint32 next_u32 "fc_next_vint32"(vint32 a, vint32 b)
    vsigned32 next_s32 "fc_next_vsigned32"(vsigned32 a, vsigned32 b)
    vint64 next_u64 "fc_next_vint64"(vint64 a, vint64 b)
    vsigned64 next_s64 "fc_next_vsigned64"(vsigned64 a, vsigned64 b)
    vfloat next_f "fc_next_vfloat"(vfloat a, vfloat b)
    vdouble next_d "fc_next_vdouble"(vdouble a, vdouble b)
    vbool first_u8 "fc_first_vbool"(vbool a, vbool rest, int n)
    vsigned8 first_s8 "fc_first_vsigned8"(vsigned8 a, vsigned8 rest, int n)
    vint16 first_u16 "fc_first_vint16"(vint16 a, vint16 rest, int n)
    vsigned16 first_s16 "fc_first_vsigned16"(vsigned16 a, vsigned16 rest, int n)
    vint32 first_u32 "fc_first_vint32"(vint32 a, vint32 rest, int n)
    vsigned32 first_s32 "fc_first_vsigned32"(vsigned32 a, vsigned32 rest, int n)
    vint64 first_u64 "fc_first_vint64"(vint64 a, vint64 rest, int n)
    vsigned64 first_s64 "fc_first_vsigned64"(vsigned64 a, vsigned64 rest, int n)
    vfloat first_f "fc_first_vfloat"(vfloat a, vfloat rest, int n)
    vdouble first_d "fc_first_vdouble"(vdouble a, vdouble rest, int n)

cdef enum Reduction:
    LARGEST, SMALLEST, TOTAL

ctypedef fused Ordered:
    vbool
    vsigned8
    vint16
    vsigned16
    vint32
    vsigned32
    vint64
    vsigned64
    vfloat
    vdouble
    vlongdouble
    vpair


cdef inline Py_ssize_t element_bytes(Ordered* like) noexcept nogil:
    if Ordered is vbool or Ordered is vsigned8:
        return 1
    elif Ordered is vint16 or Ordered is vsigned16:
        return 2
    elif Ordered is vint32 or Ordered is vsigned32 or Ordered is vfloat:
        return 4
    elif Ordered is vint64 or Ordered is vsigned64 or Ordered is vdouble:
        return 8
    elif Ordered is vpair:
        return sizeof(vpair)
    else:
        return sizeof(long double)


cdef inline Ordered merge(Ordered a, Ordered b, const int how) noexcept nogil:
    if Ordered is vpair:    # the larger, which is all that pairs are for
        return choose_pair(a, b)
    elif how == TOTAL:
        return a + b
    if Ordered is vbool: return choose_u8(a, b, how == LARGEST)
    elif Ordered is vsigned8: return choose_s8(a, b, how == LARGEST)
    elif Ordered is vint16: return choose_u16(a, b, how == LARGEST)
    elif Ordered is vsigned16: return choose_s16(a, b, how == LARGEST)
    elif Ordered is vint32: return choose_u32(a, b, how == LARGEST)
    elif Ordered is vsigned32: return choose_s32(a, b, how == LARGEST)
    elif Ordered is vint64: return choose_u64(a, b, how == LARGEST)
    elif Ordered is vsigned64: return choose_s64(a, b, how == LARGEST)
    elif Ordered is vfloat: return choose_f(a, b, how == LARGEST)
    elif Ordered is vdouble: return choose_d(a, b, how == LARGEST)
    elif Ordered is vlongdouble: return choose_g(a, b, how == LARGEST)


cdef inline Ordered even(Ordered a, Ordered b) noexcept nogil:
    """Elements 0, 2, 4, ... of a followed by b."""
    if Ordered is vbool: return even_u8(a, b)
    elif Ordered is vsigned8: return even_s8(a, b)
    elif Ordered is vint16: return even_u16(a, b)
    elif Ordered is vsigned16: return even_s16(a, b)
    elif Ordered is vint32: return even_u32(a, b)
    elif Ordered is vsigned32: return even_s32(a, b)
    elif Ordered is vint64: return even_u64(a, b)
    elif Ordered is vsigned64: return even_s64(a, b)
    elif Ordered is vfloat: return even_f(a, b)
    elif Ordered is vdouble: return even_d(a, b)
    else: return a


cdef inline Ordered odd(Ordered a, Ordered b) noexcept nogil:
    """Elements 1, 3, 5, ... of a followed by b."""
    if Ordered is vbool: return odd_u8(a, b)
    elif Ordered is vsigned8: return odd_s8(a, b)
    elif Ordered is vint16: return odd_u16(a, b)
    elif Ordered is vsigned16: return odd_s16(a, b)
    elif Ordered is vint32: return odd_u32(a, b)
    elif Ordered is vsigned32: return odd_s32(a, b)
    elif Ordered is vint64: return odd_u64(a, b)
    elif Ordered is vsigned64: return odd_s64(a, b)
    elif Ordered is vfloat: return odd_f(a, b)
    elif Ordered is vdouble: return odd_d(a, b)
    else: return b    # of vectors of one element


cdef inline Ordered after_first(Ordered a, Ordered b) noexcept nogil:
    """Elements 1, 2, 3, ... of a followed by b, as many as a vector has."""
    if Ordered is vbool: return next_u8(a, b)
    elif Ordered is vsigned8: return next_s8(a, b)
    elif Ordered is vint16: return next_u16(a, b)
    elif Ordered is vsigned16: return next_s16(a, b)
    elif Ordered is vint32: return next_u32(a, b)
    elif Ordered is vsigned32: return next_s32(a, b)
    elif Ordered is vint64: return next_u64(a, b)
    elif Ordered is vsigned64: return next_s64(a, b)
    elif Ordered is vfloat: return next_f(a, b)
    elif Ordered is vdouble: return next_d(a, b)
    else: return b    # of vectors of one element


cdef inline Ordered head(Ordered a, Ordered rest, int n) noexcept nogil:
    """The first n elements of a, and the others of rest."""
    if Ordered is vbool: return first_u8(a, rest, n)
    elif Ordered is vsigned8: return first_s8(a, rest, n)
    elif Ordered is vint16: return first_u16(a, rest, n)
    elif Ordered is vsigned16: return first_s16(a, rest, n)
    elif Ordered is vint32: return first_u32(a, rest, n)
    elif Ordered is vsigned32: return first_s32(a, rest, n)
    elif Ordered is vint64: return first_u64(a, rest, n)
    elif Ordered is vsigned64: return first_s64(a, rest, n)
    elif Ordered is vfloat: return first_f(a, rest, n)
    elif Ordered is vdouble: return first_d(a, rest, n)
    else: return a if n > 0 else rest
