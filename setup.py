"""Builds the optional compiled kernels; everything else is in pyproject.toml.

Without a C compiler, or with one that lacks GCC's vector types or has 32-bit longs (Windows), the
install succeeds and the NumPy kernels compute.

    AUTOGRAD_CNN_BUILD=none      do not try
    AUTOGRAD_CNN_BUILD=sanitize  with AddressSanitizer and UndefinedBehaviorSanitizer

The result runs on every machine of the architecture: it picks its instruction set when loaded.
"""

import glob
import os

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

BUILD = os.environ.get("AUTOGRAD_CNN_BUILD", "default")

# No -ffast-math: NaN and infinity behave as in NumPy.  Contraction only fuses a * b + c.
COMMON = [
    "-std=gnu11",
    "-O3",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-pthread",
]
FLAGS = {
    "default": COMMON,
    # -O1 finds the same mistakes and compiles in half the time.  Python's own flags bring -fwrapv,
    # which hides overflow of signed integers.
    "sanitize": [
        *(*COMMON, "-O1", "-g", "-fno-omit-frame-pointer"),
        *("-fsanitize=address,undefined", "-fno-wrapv"),
    ],
}


class BuildKernels(build_ext):
    """Whatever fails, the package is complete without."""

    def build_extension(self, extension):  # noqa: D102
        if BUILD == "none":
            return
        extension.extra_compile_args = FLAGS[BUILD]
        extension.extra_link_args = [
            flag for flag in FLAGS[BUILD] if flag.startswith(("-pthread", "-fsanitize"))
        ]
        try:
            super().build_extension(extension)
        except Exception as error:
            print(f"compiled kernels: not built; the NumPy kernels serve ({error})")


setup(
    ext_modules=[
        Extension(
            "autograd_cnn.kernels._compiled",
            sources=["autograd_cnn/kernels/c/module.c"],
            depends=glob.glob("autograd_cnn/kernels/c/*.h"),
            py_limited_api=True,
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildKernels},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
