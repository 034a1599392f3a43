"""Bytes as text and back: base64, hexadecimal, SQL's quotes."""

from __future__ import annotations

from sqlengine.functions.registry import declare

to_base64 = declare(
    "to_base64(s text) -> text; to_base64(b bytea) -> text",
    "the bytes (of a text: its UTF-8) in base64",
    example="to_base64('ab') = 'YWI='",
    duck="system.main.to_base64(CASE typeof({0}) WHEN 'BLOB' THEN {0}::BLOB ELSE system.main.encode({0}::VARCHAR) END)",
    aliases=("base64",),
)
from_base64 = declare(
    "from_base64(s text) -> bytea",
    "the bytes that a text in base64 stands for",
    example="length(from_base64('YWI=')) = 2",
    aliases=("unbase64",),
    can_raise=True,
    duck="from_base64({0})",
)
encode = declare(
    "encode(b bytea, form text) -> text",
    "bytes as text: hex or base64",
    example="encode('ab'::bytea, 'hex') = '6162'",
    duck="CASE {1} WHEN 'hex' THEN lower(hex({0}::BLOB)) WHEN 'base64' THEN system.main.to_base64({0}::BLOB) "
    "ELSE error('the form is hex or base64')::VARCHAR END",
    can_raise=True,
)
decode = declare(
    "decode(s text, form text) -> bytea",
    "the bytes that a text in hex or base64 stands for",
    example="length(decode('6162', 'hex')) = 2",
    duck="CASE {1} WHEN 'hex' THEN unhex({0}) WHEN 'base64' THEN from_base64({0}) "
    "ELSE error('the form is hex or base64')::BLOB END",
    can_raise=True,
)
quote_literal = declare(
    "quote_literal(s text) -> text",
    "the text as a constant of SQL",
    example="length(quote_literal('it''s')) = 7",
    duck="chr(39) || replace({0}, chr(39), chr(39) || chr(39)) || chr(39)",
)


def _in_utf8(made: str, kind: str) -> str:
    """DuckDB text: what is made of the argument, when the encoding named is the only one there is."""
    known = "lower({1}) IN ('utf8', 'utf-8', 'unicode')"
    return f"CASE WHEN {known} THEN {made} WHEN {{1}} IS NOT NULL THEN error('the encoding is UTF8')::{kind} END"


convert_to = declare(
    "convert_to(s text, encoding text) -> bytea",
    "the text's bytes in UTF8",
    example="encode(convert_to('\u00e9', 'UTF8'), 'hex') = 'c3a9'",
    aliases=("to_bytes",),
    can_raise=True,
    duck=_in_utf8("system.main.encode({0})", "BLOB"),
)
convert_from = declare(
    "convert_from(b bytea, encoding text) -> text",
    "the text whose bytes in UTF8 these are",
    example="convert_from('ab'::bytea, 'UTF8') = 'ab'",
    aliases=("from_bytes",),
    can_raise=True,
    duck=_in_utf8("system.main.decode({0}::BLOB)", "VARCHAR"),
)
get_byte = declare(
    "get_byte(b bytea, place integer) -> integer",
    "a byte as a number, counted from 0",
    example="get_byte('ab'::bytea, 1) = 98",
    can_raise=True,
    duck="CASE WHEN {1} BETWEEN 0 AND system.main.octet_length({0}::BLOB) - 1 "
    "THEN ('0x' || substring(hex({0}::BLOB), 2 * {1} + 1, 2))::INTEGER WHEN {0} IS NOT NULL AND {1} IS NOT NULL "
    "THEN error('index out of valid range')::INTEGER END",
)
