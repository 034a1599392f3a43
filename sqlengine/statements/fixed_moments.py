"""Constants of a query that outlives its statement, as moments that mean the same in every session.

`'2024-07-01 12:00'` where a timestamptz is expected is read in the time zone of the session that makes the view, as in
PostgreSQL, where the constant is a moment from then on; here the text of the query is kept, so the moment is written
into it. Which constants are moments is asked as drivers ask it of parameters, which take their places.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pyarrow as pa

from sqlengine import duck, sql
from sqlengine.errors import Error
from sqlengine.reading import UTC
from sqlengine.sql import ast
from sqlengine.sql.dialect import POSTGRES
from sqlengine.sql.lexer import STRING, Token, lex
from sqlengine.statements.context import Context
from sqlengine.statements.signature import parameter_types
from sqlengine.types import TIMESTAMPTZ

_DAY = re.compile(r"\s*\d+-\d+-\d+")
_OTHER_TYPES = frozenset(("DATE", "TIME", "TIMESTAMP", "INTERVAL"))
_LASTING = (ast.CreateView, ast.CreateSink, ast.CreateStream, ast.AlterView, ast.Subscribe)


def with_fixed_moments(statement: ast.Statement, context: Context) -> ast.Statement:
    """The statement, with the moments of its query written in UTC if it is one whose query lasts."""
    if context.settings.timezone == UTC:
        return statement
    if isinstance(statement, ast.CommentedView):
        view = with_fixed_moments(statement.view, context)
        assert isinstance(view, ast.CreateView)
        return replace(statement, view=view)
    lasts = isinstance(statement, _LASTING) or (isinstance(statement, ast.SelectStatement) and statement.emit)
    query: ast.Query | None = getattr(statement, "query", None)
    if not lasts or query is None or query.dialect != POSTGRES:
        return statement
    text = _fixed(query.text, context)
    if text == query.text:
        return statement
    made = replace(sql.parse_query(text), position=query.position)
    whole = statement.text.replace(query.text, text, 1)
    return replace(statement, query=made, text=whole)  # type: ignore[call-arg]


def _fixed(text: str, context: Context) -> str:
    tokens = lex(text)
    found = [(i, token) for i, token in enumerate(tokens) if token.kind == STRING and _DAY.match(token.value)]
    named = [token for i, token in found if _type_before(tokens, i) == "TIMESTAMPTZ"]
    open_ = [token for i, token in found if not _type_before(tokens, i)]
    moments = sorted([*named, *_moments(text, open_, context)], key=lambda token: token.start)
    for token in reversed(moments):
        written = _in_utc(token.value)
        if written is not None:
            text = f"{text[: token.start]}'{written}'{text[token.end :]}"
    return text


def _type_before(tokens: list[Token], at: int) -> str:
    """The type a constant is written behind, as in DATE '2024-07-01'; "" where there is none."""
    before = [token.upper for token in tokens[max(0, at - 4) : at]]
    if before[-1:] == ["TIMESTAMPTZ"] or before[-4:] == ["TIMESTAMP", "WITH", "TIME", "ZONE"]:
        return "TIMESTAMPTZ"
    return before[-1] if before and before[-1] in (*_OTHER_TYPES, "ZONE") else ""


def _moments(text: str, tokens: list[Token], context: Context) -> list[Token]:
    """Those of the constants that are taken for timestamptz."""
    asked = text
    for number, token in reversed(list(enumerate(tokens, 1))):
        asked = f"{asked[: token.start]}${number}{asked[token.end :]}"
    try:
        (statement,) = sql.parse(asked, context.settings)
        kinds: tuple[pa.DataType, ...] = parameter_types(statement, (), context)
    except Error:
        return []  # the statement itself is wrong, and its own run says what is
    return [token for token, kind in zip(tokens, kinds, strict=False) if kind == TIMESTAMPTZ]


_IN_UTC = "CAST(timezone('UTC', timestamptz_of(a)) AS VARCHAR)"


def _in_utc(written: str) -> str | None:
    """A moment's text with its offset; None for what is no moment, of which the statement complains."""
    try:
        (moment,) = duck.evaluate([_IN_UTC], {"a": pa.array([written])}, 1)
    except Error:
        return None
    shown = str(moment[0].as_py())
    return None if "(" in shown else f"{shown}+00"
