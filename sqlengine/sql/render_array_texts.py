"""Texts in braces beside arrays, in place: PostgreSQL reads `coalesce(a, '{}')`, `a = '{1,2}'` and the like as arrays,
DuckDB as arrays too but in brackets: `[1, 2]`.

As with operators (render_operators.py), a text stays where nothing shows that an array stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from sqlengine.sql.literal_casts import array_of_text, in_braces
from sqlengine.sql.nodes import find_all
from sqlengine.sql.render_operators import COMPARED, ColumnType, kind_of

_ALIKE = frozenset("coalesce nullif greatest least ifnull nvl".split())
"""Functions whose arguments have one type."""
_NESTED = (exp.Paren, exp.Subquery, exp.Alias)


def spell_array_texts(tree: exp.Expr, column_type: ColumnType) -> None:
    """Rewrite all of a tree's; innermost first, as a CASE of arrays is one."""
    for node in reversed(find_all(tree, *COMPARED, exp.DPipe, exp.Case, exp.Anonymous)):
        values = list(_alike(node))
        texts = [value for value in values if isinstance(value, exp.Literal) and value.is_string]
        others = [value for value in values if not (isinstance(value, exp.Literal) and value.is_string)]
        if not texts or not any(_is_array(other, column_type) for other in others):
            continue
        for literal in texts:
            items = in_braces(literal.name)
            if items is not None:
                _replace(literal, items, others[0] if isinstance(node, exp.DPipe) else None, column_type)


def _alike(node: exp.Expr) -> Iterator[exp.Expr]:
    """The values that have one type in a node."""
    if isinstance(node, exp.Case):
        yield from (branch.args["true"] for branch in node.args["ifs"])
        if node.args.get("default") is not None:
            yield node.args["default"]
    elif not isinstance(node, exp.Anonymous):
        yield from (node.args[key] for key in ("this", "expression", "low", "high") if node.args.get(key) is not None)
        yield from node.expressions
    elif node.name.lower() in _ALIKE:
        yield from node.expressions


def _is_array(node: exp.Expr, column_type: ColumnType) -> bool:
    if isinstance(node, _NESTED):
        return _is_array(node.this, column_type)
    if isinstance(node, exp.Select):
        return len(node.expressions) == 1 and _is_array(node.expressions[0], column_type)
    if isinstance(node, exp.SetOperation):
        return _is_array(node.this, column_type)
    if isinstance(node, exp.Case) or (isinstance(node, exp.Anonymous) and node.name.lower() in _ALIKE):
        return any(_is_array(value, column_type) for value in _alike(node))
    return kind_of(node, column_type) == "array"


def _replace(literal: exp.Expr, items: list[object], joined: exp.Expr | None, column_type: ColumnType) -> None:
    """The text of an array as DuckDB casts it; `joined`: what it is joined to by ||, whose type it has to name."""
    made = exp.Literal.string(_bracketed(items))
    if joined is None:
        literal.replace(made)
        return
    if isinstance(joined, exp.Array) and joined.expressions:
        literal.replace(array_of_text(literal.name, joined.expressions[0]) or literal)
        return
    named = column_type(joined) if isinstance(joined, exp.Column) else None
    kind = joined.to if isinstance(joined, exp.Cast) else None
    if named is not None and named.endswith("[]"):
        kind = exp.DataType.build(named, dialect="duckdb")
    if kind is not None:
        literal.replace(exp.Cast(this=made, to=kind.copy()))


def _bracketed(item: object) -> str:
    if isinstance(item, list):
        return f"[{', '.join(map(_bracketed, item))}]"
    if item is None:
        return "NULL"
    escaped = str(item).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
