"""What this CPU can run. Built without instruction-set flags, so that asking is always safe."""

cdef extern from *:
    """
    #if (defined(__x86_64__) || defined(_M_X64)) && (defined(__GNUC__) || defined(__clang__))
      static int fc_runs_v3(void) {
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi")
            && __builtin_cpu_supports("bmi2");
      }
      static int fc_runs_v4(void) {
        return fc_runs_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
            && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq")
            && __builtin_cpu_supports("avx512vl");
      }
    #else
      static int fc_runs_v3(void) { return 0; }
      static int fc_runs_v4(void) { return 0; }
    #endif
    #ifdef __VERSION__
      #define FC_COMPILER __VERSION__
    #else
      #define FC_COMPILER "unknown"
    #endif
    #ifndef FC_OPENMP
      #define FC_OPENMP "unknown"
    #endif
    """
    bint fc_runs_v3() nogil
    bint fc_runs_v4() nogil
    const char* FC_COMPILER
    const char* FC_OPENMP


def runs() -> tuple[str, ...]:
    """The instruction sets whose kernels this CPU runs, best last."""
    return ("baseline",) + ("x86-64-v3",) * fc_runs_v3() + ("x86-64-v4",) * fc_runs_v4()


def compiler() -> str:
    """The version that the compiler gives itself."""
    return FC_COMPILER.decode()


def openmp() -> str:
    """Whether the kernels were built with OpenMP, and why not."""
    return FC_OPENMP.decode()
