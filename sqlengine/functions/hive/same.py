"""Hive's functions that mean what a function of ours means: Hive's name -> ours."""

from __future__ import annotations

SAME: dict[str, str] = {
    **{name: name for name in "reverse elt octet_length".split()},
    **dict.fromkeys(("rand", "random"), "random"),
    "timestampadd": "timestampadd",  # Spark's DATEADD(DAY, 1, d)
    **dict.fromkeys(("length", "char_length", "character_length", "len"), "length"),
}
