"""The speed at which one core reads memory, measured as directly as Python can: a few bytes of machine code.

A loop of vector loads, with nothing done to what they load. numpy.max and the like come near it, or not, as the dtype
and the version have it.
"""
import ctypes
import mmap
from functools import cache

from peak import _flags

if "avx" not in _flags():
    raise ImportError("reading is measured on x86-64 Linux only, and needs AVX")

STEP = 256    # bytes that one round reads


@cache
def _loop():
    """A C function of the addresses of the first byte and of the first one after the last round."""
    loads = b"".join(b"\xc5\xfc\x10\x87" + at.to_bytes(4, "little") for at in range(0, STEP, 32))    # vmovups
    body = loads + b"\x48\x81\xc7" + STEP.to_bytes(4, "little") + b"\x48\x39\xf7"    # add rdi, STEP; cmp rdi, rsi
    code = body + b"\x0f\x82" + (-len(body) - 6).to_bytes(4, "little", signed=True) + b"\xc5\xf8\x77\xc3"    # jb, ret
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(
        ctypes.addressof(ctypes.c_char.from_buffer(page)))
    function.page = page    # lives as long as the function
    return function


def reader(array):
    """A call without arguments that reads a contiguous array."""
    function, first = _loop(), array.ctypes.data
    last = first + array.nbytes // STEP * STEP
    return lambda: function(first, last) if array.nbytes >= STEP else None    # the array stays alive
