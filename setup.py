"""Build of the optional Cython kernels; everything else about the package is in pyproject.toml.

Without a C compiler or Cython the install still succeeds: the extension is `optional`, and the NumPy references in
`sqlengine/kernels/` take over at run time.  `python setup.py build_ext --inplace` compiles it for a checkout.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNELS = Path(__file__).resolve().parent / "sqlengine" / "kernels"


def kernel_extensions() -> list[Extension]:
    """One optional extension per .pyx file of the kernels folder; none when Cython is missing."""
    try:
        from Cython.Build import cythonize  # lazy: only a build needs it, and a build may go without
    except ImportError:
        return []
    level = os.environ.get("SQLENGINE_OPTIMIZE", "3")  # less for whoever only wants to see that it builds
    flags = ["/O2"] if sys.platform == "win32" else [f"-O{level}", "-g0", "-fno-math-errno", "-fwrapv"]
    sources = sorted(KERNELS.glob("*.pyx"))
    extensions = [
        Extension(
            f"sqlengine.kernels.{path.stem}",
            [str(path.relative_to(KERNELS.parent.parent))],
            include_dirs=[str(KERNELS.relative_to(KERNELS.parent.parent))],
            depends=[str(header.relative_to(KERNELS.parent.parent)) for header in KERNELS.glob("*.h")],
            extra_compile_args=flags,
            optional=True,
        )
        for path in sources
    ]
    made = list(cythonize(extensions, nthreads=_translators(), language_level=3, quiet=True))
    for extension in made:
        extension.optional = True  # cythonize makes new objects and forgets it
    return made


def _translators() -> int:
    """How many processes translate side by side: those that are not forked would run this file again."""
    return os.cpu_count() or 1 if multiprocessing.get_start_method() == "fork" else 0


class ParallelBuild(build_ext):
    """Compiles as many kernels at a time as there are processors, unless told otherwise."""

    def finalize_options(self) -> None:
        super().finalize_options()
        if self.parallel is None:
            self.parallel = os.cpu_count() or 1


setup(ext_modules=kernel_extensions(), cmdclass={"build_ext": ParallelBuild})
