"""Builds the extension modules: each kernel once for each instruction set that the compiler can produce."""
import os
import platform
import tempfile
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ONCE = [
    "fastconv._geometry", "fastconv._layer_geometry", "fastconv._phases", "fastconv._pool_geometry", "fastconv._route",
    "fastconv._tiled_geometry", "fastconv.kernels.add", "fastconv.kernels.cpu", "fastconv.kernels.layer",
    "fastconv.kernels.lines", "fastconv.kernels.norms", "fastconv.kernels.pooling", "fastconv.kernels.problem",
    "fastconv.kernels.quotients", "fastconv.kernels.spread", "fastconv.kernels.threads", "fastconv.kernels.zeros",
]
KERNELS = ["depthwise", "direct", "gemm", "pool", "unshared", "winograd"]
# By instruction set: its flags, and a macro that shows that the compiler took them. (GCC splits 512-bit vectors in its
# own loops unless told; the kernels choose their width themselves.)
LEVELS = {
    "v3": (["-march=x86-64-v3"], "__AVX2__"),
    "v4": (["-march=x86-64-v4", "-mprefer-vector-width=512"], "__AVX512BW__"),
}
COMMON = ["-O3", "-fwrapv", "-g0"]    # Python's own flags would add megabytes of debug information
GATE = ["-O2"]                        # after COMMON: for what has no loops over data, or few, to be smaller
SMALL = ["-Os"]                       # where a tenth of a microsecond does not count
LEAN = ["-fno-ipa-cp-clone"]          # for kernels: constant-propagation clones made them a sixth larger and no faster
STRIPPED = ["-Wl,-s"]                 # without the names of functions that nothing outside calls
OPENMP = [(["-fopenmp"], ["-fopenmp"]), (["-Xpreprocessor", "-fopenmp"], ["-lomp"]), (["/openmp"], [])]


def modules():
    """Every module from one source; those of an instruction set from a stub that includes it."""
    names = ONCE + [f"fastconv.kernels.{kernel}" for kernel in KERNELS]
    if platform.machine().lower() in ("x86_64", "amd64"):
        names += [f"fastconv.kernels.{level}.{kernel}" for level in LEVELS for kernel in KERNELS]
    return [Extension(name, [name.replace(".", "/") + ".pyx"], include_dirs=[numpy.get_include()],
                      define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")]) for name in names]


class BuildExt(build_ext):
    """Asks the compiler what it can do by compiling and linking a few lines, and drops what it cannot."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()    # the kernels are many, and each takes a while

    def builds(self, compile_args, link_args=(), source="int main(void) { return 0; }"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "probe.c")
            path.write_text(source)
            try:
                objects = self.compiler.compile([str(path)], output_dir=folder, extra_postargs=list(compile_args))
                self.compiler.link_executable(objects, "probe", output_dir=folder, extra_postargs=list(link_args))
            except Exception:    # every compiler class raises its own
                return False
        return True

    def openmp(self):
        """Compile and link arguments, and what show_config will say."""
        if os.environ.get("FASTCONV_OPENMP", "1") == "0":
            return [], [], "no: switched off by FASTCONV_OPENMP=0 at build time"
        source = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }"
        for compile_args, link_args in OPENMP:
            if self.builds(compile_args, link_args, source):
                return compile_args, link_args, "yes"
        return [], [], "no: the compiler could not build a program with it"

    def build_extensions(self):
        compile_args, link_args, told = self.openmp()
        common = COMMON if self.builds(COMMON) else []
        gate, small = (GATE, SMALL) if common else ([], [])
        lean = LEAN if self.builds(LEAN) else []
        stripped = STRIPPED if self.builds((), STRIPPED) else []
        levels = {
            level: flags for level, (flags, macro) in LEVELS.items()
            if self.builds(flags, source=f"#ifndef {macro}\n#error\n#endif\nint main(void) {{ return 0; }}")
        }
        kept = []
        for extension in self.extensions:
            level = extension.name.split(".")[-2]
            if level in LEVELS and level not in levels:
                continue
            name = extension.name.split(".")[-1]
            more = (small if name == "_tiled_geometry"
                    else gate if name.startswith("_") or name in ("norms", "quotients", "spread")
                    else lean if name in ("pool", "depthwise", "gemm", "unshared") else [])
            extension.extra_compile_args = common + more + compile_args + levels.get(level, [])
            extension.extra_link_args = link_args + stripped
            extension.define_macros.append(("FC_OPENMP", f'"{told}"'))
            kept.append(extension)
        self.extensions = kept
        super().build_extensions()


setup(
    ext_modules=cythonize(
        modules(),
        nthreads=0 if os.name == "nt" else os.cpu_count(),
        compiler_directives={
            "language_level": 3, "boundscheck": False, "wraparound": False, "cdivision": True,
            "initializedcheck": False, "freethreading_compatible": True, "embedsignature": False, "autotestdict": False,
        },
    ),
    cmdclass={"build_ext": BuildExt},
)
