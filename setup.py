"""The one compiled file. Everything else about the build is in pyproject.toml."""

import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

# -ffp-contract=off: a fused multiply-add would round differently from machine to machine.
UNIX_FLAGS = ["-O3", "-ffp-contract=off", "-g0"]

setup(
    ext_modules=cythonize(
        [
            Extension(
                "trunkline.audio._kernels",
                ["src/trunkline/audio/_kernels.pyx"],
                extra_compile_args=[] if sys.platform == "win32" else UNIX_FLAGS,
            )
        ],
        build_dir="build",  # the generated C doesn't belong into the package
    )
)
