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
    "bytes as text: hex, base64 or escape",
    example="encode('ab'::bytea, 'hex') = '6162'",
    duck="CASE {1} WHEN 'hex' THEN lower(hex({0}::BLOB)) WHEN 'base64' THEN system.main.to_base64({0}::BLOB) "
    "WHEN 'escape' THEN bytes_escaped({0}::BLOB) "
    "ELSE error('unrecognized encoding: ' || chr(34) || {1} || chr(34))::VARCHAR END",
    can_raise=True,
)
decode = declare(
    "decode(s text, form text) -> bytea",
    "the bytes that a text in hex, base64 or escape stands for",
    example="length(decode('6162', 'hex')) = 2",
    duck="CASE {1} WHEN 'hex' THEN unhex({0}) WHEN 'base64' THEN from_base64({0}) "
    "WHEN 'escape' THEN bytes_unescaped({0}) "
    "ELSE error('unrecognized encoding: ' || chr(34) || {1} || chr(34))::BLOB END",
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
conv = declare(
    "conv(digits text, base bigint, other bigint) -> text; conv(number bigint, base bigint, other bigint) -> text",
    "a whole number, not negative, written in another base; bases are 2 to 36; digits behind the first that is "
    "none are "
    "left out, and without one it is NULL (Hive, Flink)",
    example="conv('ff', 16, 2) = '11111111'",
    duck="CASE WHEN {1} BETWEEN 2 AND 36 AND {2} BETWEEN 2 AND 36 THEN to_base(number_of({0}::VARCHAR, {1}), "
    "{2}::INTEGER) "
    "END",
)
to_bin = declare(
    "to_bin(n bigint) -> text",
    "a number in binary digits",
    example="to_bin(10) = '1010'",
    duck="system.main.bin({0})",
)
inet_aton = declare(
    "inet_aton(address text) -> bigint",
    "an IPv4 address as a number, NULL of another text",
    example="inet_aton('1.2.3.4') = 16909060",
    duck="CASE WHEN regexp_full_match({0}, '((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(\\.|$)){{4}}') AND {0} NOT "
    "LIKE '%.' THEN "
    "list_reduce(list_transform(string_split({0}, '.'), lambda x: TRY_CAST(x AS BIGINT)), lambda a, x: a * 256 "
    "+ x) END",
)
inet_ntoa = declare(
    "inet_ntoa(number bigint) -> text",
    "the IPv4 address that a number stands for, NULL of one that stands for none",
    example="inet_ntoa(16909060) = '1.2.3.4'",
    duck="CASE WHEN {0} BETWEEN 0 AND 4294967295 THEN concat_ws('.', {0} >> 24, ({0} >> 16) & 255, ({0} >> 8) & 255, "
    "{0} & 255) END",
)
