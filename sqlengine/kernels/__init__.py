"""Hot loops: Cython modules (.pyx), each beside its plain NumPy reference, and the choice between the two.

`COMPILED` says which one runs.  The environment variable SQLENGINE_PURE=1 forces the references, so that both are
tested; without a C compiler at install time they are all there is.  Kernels know arrays of numbers and bytes; they
must not know SQL, plans or operators, and they never wait.
"""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

COMPILED: bool
"""True when the compiled kernels are in use."""


def _compiled(name: str) -> ModuleType | None:
    """The compiled kernel module, or None when it was not built or SQLENGINE_PURE asks for the references."""
    if os.environ.get("SQLENGINE_PURE", "") not in ("", "0"):
        return None
    try:
        return import_module(f"sqlengine.kernels.{name}")
    except ImportError:
        return None


def choose(compiled: str, reference: str) -> ModuleType:
    """The compiled kernel module of that name, else its reference."""
    return _compiled(compiled) or import_module(f"sqlengine.kernels.{reference}")


if TYPE_CHECKING:
    from sqlengine.kernels import group_reference as group
    from sqlengine.kernels import reference as hashing
else:
    hashing = choose("hash_index", "reference")
    group = choose("group", "group_reference")

# One may be missing alone: a build goes on without what its compiler refuses.
COMPILED = all(_compiled(name) is not None for name in ("hash_index", "gather"))

HashIndex = hashing.HashIndex
BytesTable = hashing.BytesTable
