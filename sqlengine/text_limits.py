"""VARCHAR(n) and CHAR(n): texts of limited length, as columns keep them and casts make them.

Values are plain texts to everything else. A CHAR(n) is kept without its trailing blanks: PostgreSQL shows it padded to
n, but neither compares nor counts them, nor has them as text.
"""

from __future__ import annotations

import re
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.errors import InvalidParameter, StringTooLong
from sqlengine.quick_dataclass import dataclass

Texts = TypeVar("Texts", pa.Array, pa.ChunkedArray)
LENGTH_MAX = 10_485_760
"""Characters, as in PostgreSQL."""
_VARYING = re.compile(r"\s*(?:varchar|(?:character|char)\s+varying)\s*\(\s*(\d+)\s*\)\s*", re.IGNORECASE)
_FIXED = re.compile(r"\s*(?:char|character)\s*(?:\(\s*(\d+)\s*\))?\s*|\s*bpchar\s*\(\s*(\d+)\s*\)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TextLimit:
    """At most `length` characters; `fixed`: of CHAR(n)."""

    length: int
    fixed: bool = False

    @property
    def sql(self) -> str:
        """The type as PostgreSQL spells it."""
        return f"character{'' if self.fixed else ' varying'}({self.length})"

    def too_long(self, texts: Texts) -> Texts:
        """Which values have more characters than blanks at the end can be cut off; NULL of NULL."""
        kept = pc.utf8_rtrim(texts, characters=" ")
        return pc.greater(pc.utf8_length(kept), self.length)

    def stored(self, texts: Texts) -> Texts:
        """The values as a column keeps them; StringTooLong (22001) when there is one too long."""
        if pc.any(pc.greater(pc.utf8_length(texts), self.length)).as_py() and pc.any(self.too_long(texts)).as_py():
            raise StringTooLong(f"value too long for type {self.sql}")
        return self.cut(texts)

    def cut(self, texts: Texts) -> Texts:
        """The values as an explicit cast makes them."""
        if self.fixed:
            return pc.utf8_rtrim(pc.utf8_slice_codeunits(texts, 0, self.length), characters=" ")
        if not pc.any(pc.greater(pc.utf8_length(texts), self.length)).as_py():
            return texts
        return pc.utf8_slice_codeunits(texts, 0, self.length)

    def padded(self, texts: Texts) -> Texts:
        """The values of a CHAR(n) as Hive shows them: filled up with blanks."""
        return pc.utf8_rpad(texts, self.length, " ")

    @property
    def hive(self) -> str:
        """The type as Hive spells it."""
        return f"{'char' if self.fixed else 'varchar'}({self.length})"


_KEY = b"text_limit"


def with_limit(field: pa.Field, limit: TextLimit | None) -> pa.Field:
    """The field of an answer, saying what its texts are limited to."""
    return field if limit is None else field.with_metadata({_KEY: limit.sql.encode()})


def limit_in(field: pa.Field) -> TextLimit | None:
    """What `with_limit` has noted."""
    noted = (field.metadata or {}).get(_KEY)
    return None if noted is None else limit_of(noted.decode())


def as_shown(table: pa.Table) -> pa.Table:
    """An answer whose values of CHAR(n) are filled up with blanks."""
    for at, field in enumerate(table.schema):
        limit = limit_in(field)
        if limit is not None and limit.fixed:
            table = table.set_column(at, field, limit.padded(table.column(at)))
    return table


def limit_of(type_name: str, position: int | None = None) -> TextLimit | None:
    """What a type's name limits texts to; None of other types. CHAR alone is CHAR(1).

    InvalidParameter (22023) for a length that cannot be.
    """
    found = _VARYING.fullmatch(type_name) or _FIXED.fullmatch(type_name)
    if found is None:
        return None
    length = int(next((group for group in found.groups() if group is not None), "1"))
    name = "varchar" if found.re is _VARYING else "char"
    if length < 1:
        raise InvalidParameter(f"length for type {name} must be at least 1", position=position)
    if length > LENGTH_MAX:
        raise InvalidParameter(f"length for type {name} cannot exceed {LENGTH_MAX}", position=position)
    return TextLimit(length, found.re is _FIXED)
