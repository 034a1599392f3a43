"""Hive's functions that mean what a function of ours means: Hive's name -> ours."""

from __future__ import annotations

SAME: dict[str, str] = {
    **{name: name for name in "reverse elt octet_length".split()},
    "rand": "random",
    "length": "length",
    "char_length": "length",
    "character_length": "length",
}
