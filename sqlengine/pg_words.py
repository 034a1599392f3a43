"""PostgreSQL's words that need quotes as names, and names and texts as it writes them in SQL."""

from __future__ import annotations

import re

RESERVED = frozenset(
    "all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation "
    "column concurrently constraint create cross current_catalog current_date current_role current_schema "
    "current_time current_timestamp current_user default deferrable desc distinct do else end except false fetch for "
    "foreign freeze from full grant group having ilike in initially inner intersect into is isnull join lateral "
    "leading left like limit localtime localtimestamp natural not notnull null offset on only or order outer overlaps "
    "placing primary references returning right select session_user similar some symmetric table tablesample then to "
    "trailing true union unique user using variadic verbose when where window with".split()
)
"""Words that are no names without quotes."""
_IN_QUOTES = RESERVED | frozenset(
    "between bigint bit boolean char character coalesce dec decimal exists extract float greatest grouping inout int "
    "integer interval least national nchar none normalize nullif numeric out overlay position precision real row "
    "setof smallint substring time timestamp treat trim values varchar xmlattributes xmlconcat xmlelement xmlexists "
    "xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable".split()
)
"""Those, and words that name columns but neither functions nor types."""
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_$]*")


def quote_ident(name: str) -> str:
    """A name as PostgreSQL writes it: in quotes only where it needs them."""
    if _PLAIN_NAME.fullmatch(name) and name not in _IN_QUOTES:
        return name
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """A text as a constant of SQL, as PostgreSQL's quote_literal writes it."""
    plain = text.replace("'", "''")
    return f"E'{plain}'".replace("\\", "\\\\") if "\\" in text else f"'{plain}'"
