"""DEFAULT among the values of INSERT and UPDATE: what a column takes where none is given.

A column for which every row of an INSERT says DEFAULT is left out; elsewhere DEFAULT becomes the constant that the
column's default is now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlengine import pgtext, types
from sqlengine.catalog.objects import ColumnInfo, Stream, Table
from sqlengine.errors import SyntaxError  # noqa: A004 - SQL's word
from sqlengine.sql import ast
from sqlengine.sql.default_values import default_places, with_values
from sqlengine.statements.context import Context
from sqlengine.statements.write import default_of


def without_defaults(context: Context, target: Stream | Table, statement: ast.Insert) -> ast.Insert:
    """The statement with values in place of every DEFAULT."""
    places, rows, width = default_places(statement.query)
    if not places:
        return statement
    infos = {c.name: c for c in target.stored_columns()}
    named = list(statement.columns or infos)[:width]
    if width > len(named) or max(j for _, j in places) >= width:
        raise SyntaxError("INSERT has more expressions than target columns", position=statement.query.position)
    left_out = {j for j in range(width) if sum(at == j for _, at in places) == rows}
    if len(left_out) == width:
        left_out.remove(0)
        if all(name in infos for name in named):
            named[0] = next((name for name, info in infos.items() if info.identity is None), named[0])
    texts: dict[tuple[int, int], str] = {}
    for column in {j for _, j in places} - left_out:
        cells = [place for place in places if place[1] == column]
        info = infos.get(named[column])  # a name that is no column's is told where the rows are written
        texts |= zip(cells, ["NULL"] * len(cells) if info is None else _texts(context, target, info, len(cells)))
    kept = tuple(name for j, name in enumerate(named) if j not in left_out)
    return replace(statement, columns=kept, query=with_values(statement.query, left_out, texts))


def with_defaults(context: Context, table: Table, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """SET's columns and expressions, with values in place of DEFAULT."""
    infos = {c.name: c for c in table.stored_columns()}
    made = dict(pairs)
    for name, text in pairs:
        if text.strip().upper() == "DEFAULT" and name in infos:
            (made[name],) = _texts(context, table, infos[name], 1)
    return made


def _texts(context: Context, target: Stream | Table, info: ColumnInfo, count: int) -> list[str]:
    """So many defaults of a column, as expressions."""
    kind = types.to_sql(info.type)
    values = pgtext.to_text(default_of(context, target)(info, count))
    return ["NULL" if text is None else f"CAST({_quoted(text)} AS {kind})" for text in values]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
