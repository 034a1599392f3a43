"""Functions that give rows as UNNEST of the arrays they go through: PostgreSQL's of JSON, texts and arrays, and
`ROWS FROM (f(a), g(b))`, which has the rows of several side by side.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from sqlengine import errors
from sqlengine.errors import NotSupportedError
from sqlengine.sql.lower_values import fold, position_of
from sqlengine.sql.nodes import find_all
from sqlengine.sql.rewrite_rows import ROWS_FROM

ROWS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
"""Function that gives rows -> (functions of the arrays it goes through, names of its columns; none: its own)."""
for _prefix in ("json", "jsonb"):
    ROWS[f"{_prefix}_array_elements"] = (("json_elements",), ("value",))
    ROWS[f"{_prefix}_array_elements_text"] = (("json_elements_text",), ("value",))
    ROWS[f"{_prefix}_object_keys"] = (("json_keys",), ())
    ROWS[f"{_prefix}_each"] = (("json_keys", "json_values"), ("key", "value"))
    ROWS[f"{_prefix}_each_text"] = (("json_keys", "json_values_text"), ("key", "value"))
ROWS["generate_subscripts"] = (("array_subscripts",), ())
ROWS["regexp_split_to_table"] = (("regexp_split_to_array",), ())
ROWS["string_to_table"] = (("string_to_array",), ())
ROWS["jsonb_path_query"] = (("jsonb_path_items",), ())
ROWS["regexp_matches"] = (("regexp_matches_all",), ())
_MORE_ARGUMENTS = frozenset(("generate_subscripts", "regexp_split_to_table", "string_to_table"))
"""Those of them that take more than the array or text they go through."""
_ARGUMENTS = {"jsonb_path_query": (2, 3, 4), "regexp_matches": (2, 3)}
"""How many arguments others take, where not one."""


def call(name: str, *arguments: Any) -> exp.Anonymous:
    """A plain call."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def as_rows(node: exp.Expr, name: str) -> None:
    """A call of one of ROWS, in FROM or a select list, in place."""
    if isinstance(node.parent, exp.Anonymous) and node.parent.name == ROWS_FROM:
        return
    functions, columns = ROWS[name]
    if len(node.expressions) not in _ARGUMENTS.get(name, (1,)) and name not in _MORE_ARGUMENTS:
        return
    above, arguments = node.parent, node.expressions
    if name.startswith("jsonb_") and isinstance(arguments[0], exp.Literal):
        arguments[0].replace(exp.Cast(this=arguments[0].copy(), to=exp.DataType.build("jsonb", dialect="postgres")))
        arguments = node.expressions
    lists = [call(function, *(a if len(functions) == 1 else a.copy() for a in arguments)) for function in functions]
    if isinstance(above, (exp.Table, exp.Lateral)) and above.this is node:
        _in_from(above, lists, columns or (name,), name)
    elif len(lists) > 1:
        raise NotSupportedError(
            f"{name} in a select list is not supported",
            hint=f"write it in FROM: FROM t, {name}(t.j)",
            position=position_of(node),
        )
    else:
        made = exp.Explode(this=lists[0])
        named = isinstance(above, exp.Select) and node.arg_key == "expressions"
        node.replace(exp.Alias(this=made, alias=exp.to_identifier(name, quoted=True)) if named else made)


def _in_from(item: exp.Expr, lists: list[exp.Anonymous], columns: tuple[str, ...], name: str) -> None:
    """FROM f(j) [WITH ORDINALITY] [AS a [(b, ...)]] as UNNEST of its arrays under the names f's columns have."""
    alias = item.args.get("alias")
    table = alias.this if alias is not None and alias.this is not None else exp.to_identifier(name, quoted=True)
    given = [c.copy() for c in (alias.args.get("columns") or ())] if alias is not None else []
    single = len(lists) == 1 and not given
    if single and columns == (name,) and alias is not None and alias.this is not None:
        columns = (fold(table),)
    ordinality = bool(item.args.get("ordinality"))
    names = [*columns, "ordinality"] if ordinality else list(columns)
    names_made = [*given, *(exp.to_identifier(n, quoted=True) for n in names[len(given) :])]
    if single and fold(table) != columns[0]:
        _value_of_alias(item, fold(table), columns[0])
    offset = names_made.pop() if ordinality else None
    made = exp.Unnest(expressions=lists, alias=exp.TableAlias(this=table.copy(), columns=names_made), offset=offset)
    item.replace(made)


def _value_of_alias(item: exp.Expr, table: str, column: str) -> None:
    """The alias of such a function by itself is its value: `e ->> 'a'` of `jsonb_array_elements(t.j) AS e`."""
    block = item.find_ancestor(exp.Select)
    if block is None:
        return
    for found in find_all(block, exp.Column):
        if not found.table and fold(found.this) == table:
            found.set("this", exp.to_identifier(column, quoted=True))
            found.set("table", exp.to_identifier(table, quoted=True))


# ---------------------------------------------------------------- ROWS FROM


def rows_from(node: exp.Expr) -> None:
    """ROWS FROM as UNNEST of all arrays that its functions go through, in place; any other UNNEST stays."""
    marked = node.expressions[0] if len(node.expressions) == 1 else None
    if not isinstance(marked, exp.Anonymous) or marked.name != ROWS_FROM:
        return
    lists: list[exp.Expr] = []
    names: list[str] = []
    for function in marked.expressions:
        arrays, columns = _arrays_of(function)
        lists += arrays
        names += columns
    if not lists:
        raise errors.SyntaxError("ROWS FROM needs functions", position=position_of(marked))
    alias, offset = node.args.get("alias"), node.args.get("offset")
    given = list(alias.args.get("columns") or ()) if alias is not None else []
    given += [offset] if isinstance(offset, exp.Identifier) else []
    table = alias.this if alias is not None and alias.this is not None else None
    if len(lists) == 1 and table is not None and names[0] in ("generate_series", "unnest"):
        names = [fold(table)]
    names += ["ordinality"] if offset else []
    made = [*given, *(exp.to_identifier(name, quoted=True) for name in names[len(given) :])]
    node.set("expressions", lists)
    node.set("offset", made.pop() if offset else None)
    default = marked.expressions[0].name if len(marked.expressions) == 1 else "rows_from"
    node.set("alias", exp.TableAlias(this=table or exp.to_identifier(default or names[0], quoted=True), columns=made))


def _arrays_of(function: exp.Expr) -> tuple[list[exp.Expr], tuple[str, ...]]:
    """(the arrays a function that gives rows goes through, the names of its columns)."""
    if isinstance(function, exp.Explode):
        return [function.this], ("unnest",)
    name = function.name.lower() if isinstance(function, exp.Anonymous) else ""
    if name == "generate_series":
        return [function], (name,)
    if name not in ROWS:
        raise NotSupportedError(
            f"{name or 'this function'} in ROWS FROM is not supported",
            hint="generate_series, unnest, and the functions of JSON, texts and arrays that give rows may stand there",
            position=position_of(function),
        )
    functions, columns = ROWS[name]
    arguments = function.expressions
    return [call(each, *(a.copy() for a in arguments)) for each in functions], columns or (name,)
