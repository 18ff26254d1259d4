"""The gate's tools, for the gates of other families."""
cimport numpy as cnp

from fastconv.kernels.lines cimport ELEMENTS

cdef int[64] PART
cdef int[<int> ELEMENTS] COMPUTED
cdef Py_ssize_t[<int> ELEMENTS] SIZE

cdef int check_size(tuple shape, double itemsize, str name, str what) except -1
cdef int named(dict choices, object value, str name) except -1
cdef cnp.ndarray as_array(object value, str name)
cdef int check_dtype(cnp.dtype dtype, str name) except -1
cdef object own_order(object dtype)
cdef object given_dtype(object dtype)
cdef cnp.ndarray cast(cnp.ndarray a, object dtype)
cdef bint reads_by_lines(cnp.ndarray a, object dtype)
cdef bint along_memory(cnp.ndarray a, int lead, int rank)
cdef cnp.ndarray rows_in_memory(cnp.ndarray a, int lead, int rank)
cdef int check_out(object out, tuple shape, object dtype) except -1
cdef bint may_overlap(cnp.ndarray a, cnp.ndarray b)
cdef bint computes_into(cnp.ndarray out, object dtype, cnp.ndarray a, cnp.ndarray b)
