"""The FMA peak of one core, measured as directly as Python can: a few bytes of machine code.

A loop of independent fused multiply-adds on registers, the widest that the CPU has, with nothing to load or store.
A matrix product would be the portable way, but it reaches 90 to 99 % of this, depending on BLAS, size and CPU.
"""
import ctypes
import mmap
import os
import platform
from functools import cache
from pathlib import Path

ACCUMULATORS = 12    # independent sums: more than latency x units of any x86-64 CPU


def _flags() -> set[str]:
    """What the CPU can do, in Linux's words; empty elsewhere."""
    info = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not info.exists():
        return set()
    return next((set(line.split()) for line in info.read_text().splitlines() if line.startswith("flags")), set())


def _register_bytes() -> int:
    """The size of the widest registers that multiply and add, and that FASTCONV_ISA allows."""
    flags, isa = _flags(), os.environ.get("FASTCONV_ISA")
    if "fma" not in flags or isa == "baseline":
        raise ImportError("the FMA peak is measured on x86-64 Linux only, and needs fused multiply-adds")
    return 64 if "avx512f" in flags and isa != "x86-64-v3" else 32


WIDTH = _register_bytes()


def _fma(register: int, width: int, double: bool) -> bytes:
    """vfmadd231ps/pd register, register, register (EVEX for 64 bytes, VEX for 32)."""
    high, w = register >= 8, 0x80 if double else 0
    operands = bytes([0xB8, 0xC0 | (register & 7) << 3 | register & 7])
    other = (~register & 15) << 3
    if width == 64:
        return bytes([0x62, 0x52 if high else 0xF2, w | other | 0x05, 0x48]) + operands
    return bytes([0xC4, 0x42 if high else 0xE2, w | other | 0x05]) + operands


@cache
def _loop(width: int, double: bool):
    """A C function of one integer, the number of rounds; a round is one multiply-add on every accumulator."""
    body = b"".join(_fma(register, width, double) for register in range(ACCUMULATORS))
    body += b"\x48\xff\xcf"                                              # dec rdi
    back = (-len(body) - 6).to_bytes(4, "little", signed=True)
    code = b"\xc5\xfc\x77" + body + b"\x0f\x85" + back + b"\xc5\xf8\x77\xc3"    # vzeroall … jnz, vzeroupper, ret
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    function = ctypes.CFUNCTYPE(None, ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    function.page = page    # lives as long as the function
    return function


def multiply_adds(count: int, dtype):
    """A call without arguments that does `count` multiply-adds of that dtype, at the peak."""
    function = _loop(WIDTH, dtype == "float64")
    rounds = max(1, round(count / (ACCUMULATORS * WIDTH // dtype.itemsize)))
    return lambda: function(rounds)
