"""Which key of a JSON object is a column's: the one spelt exactly so, else the one that differs in case only.

SQL folds unquoted names to lower case while JSON keeps `userId`; without this rule such a key would never be seen.
The exact key always wins, a key that is exactly another column's belongs to that one, and two keys that differ from
the column in case only are ambiguous: the column is NULL then.  Each record is judged alone.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.formats.json_structure import members
from sqlengine.formats.records import as_text


def foldable(names: list[str]) -> frozenset[str]:
    """The columns that may be found under another case: those no other column differs from in case only."""
    folds = [name.lower() for name in names]
    return frozenset(name for name, fold in zip(names, folds, strict=True) if folds.count(fold) == 1)


def other_spelling(objects: pa.BinaryArray, names: list[str], name: str) -> str | None:
    """A key that stands for the column in some of these objects without being spelt like it; None when none does.

    `names` are all columns.  Escapes in keys are not looked into: whoever writes `\\u0055` means it.
    """
    texts = as_text(objects)
    maybe = pc.and_(
        pc.match_substring(texts, f'"{name}"', ignore_case=True), pc.invert(pc.match_substring(texts, f'"{name}"'))
    )
    if not pc.any(maybe).as_py():
        return None
    keys = members(objects.filter(maybe)).keys
    assert keys is not None
    spelt = as_text(keys.array())
    same = pc.and_(pc.equal(pc.utf8_lower(spelt), name.lower()), pc.invert(pc.is_in(spelt, pa.array(names))))
    found = spelt.filter(same)
    return str(found[0].as_py()) if len(found) else None


def only_spelling(objects: pa.BinaryArray, name: str, spelt: str) -> bool:
    """Whether no object has the column's key more than once, or spelt otherwise than `spelt`."""
    texts = as_text(objects)
    any_case = pc.count_substring(texts, f'"{name}"', ignore_case=True)
    exactly = pc.count_substring(texts, f'"{spelt}"')
    most = pc.max(any_case).as_py()
    return bool(most is None or (most <= 1 and np.array_equal(any_case.to_numpy(), exactly.to_numpy())))
