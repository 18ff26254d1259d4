# The kernel's one body, compiled for x86-64-v3 (AVX2 and FMA).
include "../unshared.pyx"
