"""Builds the optional compiled kernels; everything else is in pyproject.toml.

Without a C compiler, or with one that lacks GCC's vector types or has 32-bit longs (Windows), the
install succeeds and the NumPy kernels compute.

    AUTOGRAD_CNN_BUILD=none      do not try
    AUTOGRAD_CNN_BUILD=sanitize  with AddressSanitizer and UndefinedBehaviorSanitizer

The result runs on every machine of the architecture: it picks its instruction set when loaded.
With SOURCE_DATE_EPOCH set, two builds give the same bytes (`.ci/distributions`).
"""

import glob
import gzip
import os
import tarfile

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

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
    "default": [*COMMON, "-g0"],  # what debuggers read names the folder of the build
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
        extension.extra_compile_args = FLAGS[BUILD]
        extension.extra_link_args = [
            flag for flag in FLAGS[BUILD] if flag.startswith(("-pthread", "-fsanitize"))
        ]
        try:
            super().build_extension(extension)
        except Exception as error:
            print(f"compiled kernels: not built; the NumPy kernels serve ({error})")


class SourceArchive(sdist):
    """The source distribution, without what differs between machines: owners, modes and times."""

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, **_):  # noqa: D102
        when = int(os.environ.get("SOURCE_DATE_EPOCH") or os.path.getmtime("pyproject.toml"))

        def plain(member):
            member.mode = 0o755 if member.mode & 0o100 else 0o644
            member.uid = member.gid = 0
            member.uname, member.gname, member.mtime = "", "", when
            return member

        path = f"{base_name}.tar.gz"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with (
            open(path, "wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=when) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            archive.add(base_dir, filter=plain)  # in the order of names
        return path


KERNELS = Extension(
    "autograd_cnn.kernels._compiled",
    sources=["autograd_cnn/kernels/c/module.c"],
    depends=glob.glob("autograd_cnn/kernels/c/*.h"),
    py_limited_api=True,
    optional=True,
)
compiles = BUILD != "none"

setup(
    ext_modules=[KERNELS] if compiles else [],
    cmdclass={"build_ext": BuildKernels, "sdist": SourceArchive},
    options={"bdist_wheel": {"py_limited_api": "cp311"} if compiles else {}},
)
