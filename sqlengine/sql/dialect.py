"""In which dialect a query's text is written: another one than our own SQL says so in a comment before it.

Why in the text: views, subscriptions and prepared statements keep queries as text, and whoever reads it must know, also
what the session had said that the meaning depends on: the database of names without one, where NULLs are ordered.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from sqlengine.quick_dataclass import dataclass

POSTGRES, HIVE, SPARK = "postgres", "hive", "spark"
HIVE_FAMILY = (HIVE, SPARK)
DEFAULT_DATABASE = "default"
"""What Hive calls the schema that one begins in."""
_MARK = re.compile(r"/\* (hive|spark)((?: \w+=[^ ]*)*) \*/ ")


@dataclass(frozen=True, slots=True)
class Dialect:
    """`name`; `nulls_low`: NULLs are the least values in ORDER BY, as in Hive up to 3.1, else the largest; `database`:
    where names without one are looked for, "" for the one that sessions begin in; `quoted`: what backquotes mean
    (hive.support.quoted.identifiers), "none": regular expressions over column names; `zone`: the session's time zone,
    whose clock from_unixtime and unix_timestamp mean (hive.local.time.zone)."""

    name: str = POSTGRES
    nulls_low: bool = False
    database: str = ""
    quoted: str = "column"
    zone: str = "UTC"

    @property
    def is_hive(self) -> bool:
        """Hive's or Spark's."""
        return self.name in HIVE_FAMILY


OURS = Dialect()


def marked(text: str, dialect: Dialect) -> str:
    """The text with its dialect's mark."""
    if not dialect.is_hive:
        return text
    facts = {"nulls": "low" if dialect.nulls_low else "", "in": quote(dialect.database, safe="")}
    facts["quoted"] = "" if dialect.quoted == "column" else dialect.quoted
    facts["zone"] = "" if dialect.zone == "UTC" else quote(dialect.zone, safe="/")
    said = "".join(f" {key}={value}" for key, value in facts.items() if value)
    return f"/* {dialect.name}{said} */ {text}"


def dialect_of(text: str) -> tuple[Dialect, str]:
    """(dialect, the text without its mark)."""
    mark = _MARK.match(text)
    if mark is None:
        return OURS, text
    facts = dict(fact.split("=", 1) for fact in mark[2].split())
    nulls_low, database = facts.get("nulls") == "low", unquote(facts.get("in", ""))
    quoted, zone = facts.get("quoted", "column"), unquote(facts.get("zone", "UTC"))
    return Dialect(mark[1], nulls_low, database, quoted, zone), text[mark.end() :]
