# The kernel's one body, compiled for x86-64-v4 (AVX-512).
include "../unshared.pyx"
