"""The vector types, and the register tile of each instruction set.

A vector is a GCC or Clang vector type as wide as the build's registers; Cython knows it by the name of its
element's type, so that `a + b * c` is written once for all of them. Compilers without vector types get vectors
of one element. Loads and stores may be unaligned: the types carry their element's alignment.
"""

cdef extern from * nogil:
    """
    #if defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
      #define FC_BYTES 64    /* 32 registers: 4 x 4 sums, 4 columns of the image, 1 weight */
      #define FC_COLUMNS 4
      #define FC_LINE_COLUMNS 12
    #elif defined(__AVX2__)
      #define FC_BYTES 32    /* 16 registers: 4 x 3 sums, 3 columns of the image, 1 weight */
      #define FC_COLUMNS 3
      #define FC_LINE_COLUMNS 6
    #elif defined(__aarch64__)
      #define FC_BYTES 16    /* 32 registers */
      #define FC_COLUMNS 4
      #define FC_LINE_COLUMNS 8
    #else
      #define FC_BYTES 16    /* 16 registers */
      #define FC_COLUMNS 3
      #define FC_LINE_COLUMNS 6
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
    """
    ctypedef unsigned char vbool
    ctypedef unsigned short vint16
    ctypedef unsigned int vint32
    ctypedef unsigned long long vint64
    ctypedef float vfloat
    ctypedef double vdouble
    ctypedef long double vlongdouble
    enum:
        COLUMNS "FC_COLUMNS"             # vectors side by side in a tile of several rows
        LINE_COLUMNS "FC_LINE_COLUMNS"   # and in a tile of one row


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
