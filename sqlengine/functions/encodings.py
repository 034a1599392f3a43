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
