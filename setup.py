"""Builds the optional compiled kernels; everything else is in pyproject.toml.

Without a C compiler, or with one that lacks GCC's vector types, the install succeeds and NumPy
serves.

    AUTOGRAD_CNN_BUILD=none      do not try
    AUTOGRAD_CNN_BUILD=portable  for any machine of this architecture, not just this one
    AUTOGRAD_CNN_BUILD=sanitize  with AddressSanitizer and UndefinedBehaviorSanitizer
"""

import os

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

BUILD = os.environ.get("AUTOGRAD_CNN_BUILD", "native")

# No -ffast-math: NaN and infinity behave as in NumPy.  Contraction only fuses a * b + c.
COMMON = ["-std=gnu11", "-O3", "-ffp-contract=fast", "-fno-math-errno"]
FLAGS = {
    "none": [],
    "native": [["-march=native", "-fopenmp"], ["-fopenmp"], ["-march=native"], []],
    "portable": [["-fopenmp"], []],
    "sanitize": [["-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"]],
}


class BuildKernels(build_ext):
    """Try the fastest flags first; whatever fails, the package is complete without."""

    def build_extension(self, extension):  # noqa: D102
        for flags in FLAGS[BUILD]:
            extension.extra_compile_args = [*COMMON, *flags]
            extension.extra_link_args = [
                f for f in flags if f.startswith(("-fopenmp", "-fsanitize"))
            ]
            try:
                super().build_extension(extension)
            except Exception as error:
                print(f"compiled kernels: {' '.join(flags) or 'no extra flags'}: {error}")
            else:
                return
        print("compiled kernels: not built; the NumPy kernels serve")


setup(
    ext_modules=[
        Extension(
            "autograd_cnn.kernels._compiled",
            sources=["autograd_cnn/kernels/compiled.c"],
            depends=["autograd_cnn/kernels/compiled_loops.h"],
            py_limited_api=True,
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildKernels},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
