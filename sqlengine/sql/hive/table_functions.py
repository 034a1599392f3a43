"""LATERAL VIEW: functions that give rows, as items of FROM.

A function of one row becomes a sub-query of its columns, one of many rows UNNEST of the array that `hive$f_rows` makes
of the arguments, whose elements are structs where there are several columns.
"""

from __future__ import annotations

from sqlglot import exp

from sqlengine import errors
from sqlengine.errors import did_you_mean
from sqlengine.sql.lower_values import fold, position_of

TABLE_FUNCTIONS = (
    "explode",
    "posexplode",
    "inline",
    "explode_outer",
    "posexplode_outer",
    "inline_outer",
    "stack",
    "json_tuple",
    "parse_url_tuple",
    "replicate_rows",
    "get_splits",
)
"""Functions that give rows."""


_OUTER = "_outer"


def is_outer(call: exp.Expr) -> bool:
    """Whether a function gives a row of NULLs where it would give none."""
    return call.name.lower().endswith(_OUTER)


def joined_rows(lateral: exp.Expr) -> exp.Join:
    """`LATERAL VIEW [OUTER] f(...) t AS a, b` as a join with LATERAL rows of f under those names."""
    call = lateral.this
    alias = lateral.args.get("alias")
    if not isinstance(call, exp.Anonymous) or call.name.lower() not in TABLE_FUNCTIONS:
        name = getattr(call, "name", "") or type(call).__name__
        raise errors.UndefinedFunction(
            f"{name.lower()} is no function that gives rows",
            hint=did_you_mean(name.lower(), TABLE_FUNCTIONS),
            position=position_of(call),
        )
    names = [fold(column) for column in (alias.args.get("columns") or [])] if alias is not None else []
    table = fold(alias.this) if alias is not None and alias.this is not None else f"${call.name.lower()}"
    outer = bool(lateral.args.get("outer")) or is_outer(call)
    rows = rows_of(call, names, table)
    if outer:
        return exp.Join(this=rows, side="LEFT", on=exp.true())
    return exp.Join(this=rows, kind="CROSS")


def selected_rows(call: exp.Expr, aliases: list[exp.Expr]) -> tuple[exp.Expr, list[exp.Expr]]:
    """For a call in a select list: (its rows as an item of FROM, its columns)."""
    table = f"${call.name.lower()}"
    names = [fold(alias) for alias in aliases]
    rows = rows_of(call, names, table)
    columns = [exp.column(name, table=table, quoted=True) for name in _names_of(rows)]
    return rows, list(columns)


def _names_of(rows: exp.Expr) -> list[str]:
    """The columns of an item of FROM made by `rows_of`."""
    inner = rows.this
    if isinstance(inner, exp.Subquery):
        return [item.alias for item in inner.this.expressions]
    return [column.name for column in rows.args["alias"].args["columns"]]


def rows_of(call: exp.Expr, names: list[str], table: str) -> exp.Expr:
    """The item of FROM that a call is, its columns under the names given (or Hive's own ones)."""
    name = call.name.lower().removesuffix(_OUTER)
    args = [argument.copy() for argument in call.expressions]
    if name == "explode":
        if len(names) == 2:
            return _structs("explode_map", args, ["key", "value"], names, table, call)
        return _single("explode", args, names or ["col"], table)
    if name == "posexplode":
        if len(names) == 3:
            return _structs("posexplode_map", args, ["pos", "key", "value"], names, table, call)
        return _structs("posexplode", args, ["pos", "val"], names, table, call)
    if name in ("json_tuple", "parse_url_tuple"):
        own = [f"c{i}" for i in range(len(args) - 1)]
        return _one_row(name, args, _checked(own, names, call), table)
    if name == "stack":
        return _stack(call, args, names, table)
    if name == "inline":
        return _inline(call, args, names, table)
    if name == "replicate_rows":
        return _items("replicate_rows", args, _checked([f"col{i}" for i in range(len(args))], names, call), table)
    raise errors.NotSupportedError(f"{name} is not supported in LATERAL VIEW", position=position_of(call))


def _checked(own: list[str], names: list[str], call: exp.Expr) -> list[str]:
    if names and len(names) != len(own):
        raise errors.SyntaxError(
            f"{call.name.lower()} gives {len(own)} columns, and {len(names)} names are given",
            position=position_of(call),
        )
    return names or own


def _alias(table: str, names: list[str]) -> exp.TableAlias:
    return exp.TableAlias(
        this=exp.to_identifier(table, quoted=True), columns=[exp.to_identifier(n, quoted=True) for n in names]
    )


def _named(name: str, args: list[exp.Expr]) -> exp.Anonymous:
    return exp.Anonymous(this=f"hive${name}", expressions=args)


def _row() -> exp.Expr:
    return exp.column(exp.to_identifier("$row", quoted=True))


def _single(name: str, args: list[exp.Expr], names: list[str], table: str) -> exp.Expr:
    return exp.Lateral(this=exp.Unnest(expressions=[_named(f"{name}_rows", args)]), alias=_alias(table, names))


def _structs(
    name: str, args: list[exp.Expr], fields: list[str], names: list[str], table: str, call: exp.Expr
) -> exp.Expr:
    """A sub-query that takes the elements of an array of structs apart."""
    names = _checked(fields, names, call)
    rows = exp.Lateral(this=exp.Unnest(expressions=[_named(f"{name}_rows", args)]), alias=_alias("$rows", ["$row"]))
    element = exp.column(exp.to_identifier("$row", quoted=True))
    items = [
        exp.alias_(
            exp.Dot(this=exp.Paren(this=element.copy()), expression=exp.to_identifier(f, quoted=True)), n, quoted=True
        )
        for f, n in zip(fields, names, strict=True)
    ]
    return exp.Lateral(this=exp.Subquery(this=exp.select(*items).from_(rows)), alias=_alias(table, []))


def _one_row(name: str, args: list[exp.Expr], names: list[str], table: str) -> exp.Expr:
    items = [
        exp.alias_(_named(f"{name}_item", [args[0].copy(), key]), n, quoted=True)
        for key, n in zip(args[1:], names, strict=True)
    ]
    return exp.Lateral(this=exp.Subquery(this=exp.select(*items)), alias=_alias(table, []))


def _stack(call: exp.Expr, args: list[exp.Expr], names: list[str], table: str) -> exp.Expr:
    """`stack(n, v1, ..., vk)`: n rows; the last is filled up with NULL."""
    count = args[0] if args else None
    if not isinstance(count, exp.Literal) or count.is_string or not count.name.isdigit() or int(count.name) < 1:
        raise errors.SyntaxError("stack takes the number of rows as a constant first", position=position_of(call))
    values, rows = args[1:], int(count.name)
    width = -(-len(values) // rows)
    if not width:
        raise errors.SyntaxError("stack takes values behind the number of rows", position=position_of(call))
    names = _checked([f"col{i}" for i in range(width)], names, call)
    values += [exp.null() for _ in range(rows * width - len(values))]
    structs: list[exp.Expr] = [_named("stack_row", values[i * width : (i + 1) * width]) for i in range(rows)]
    fields = [f"col{i + 1}" for i in range(width)]
    return _structs("stack", structs, fields, names, table, call)


def _inline(call: exp.Expr, args: list[exp.Expr], names: list[str], table: str) -> exp.Expr:
    """`inline(array of structs)`: a column a field."""
    names = names or _literal_fields(args)
    if not names:
        raise errors.NotSupportedError(
            "inline needs the names of its columns", hint="LATERAL VIEW inline(a) t AS x, y", position=position_of(call)
        )
    return _items("inline", args, names, table)


def _literal_fields(args: list[exp.Expr]) -> list[str]:
    """The fields of `array(struct(...), ...)` and `array(named_struct('a', ...), ...)`, read from the text."""
    items = args[0].expressions if args and _called(args[0], "array") else []
    if items and _called(items[0], "named_struct"):
        return [name.name for name in items[0].expressions[::2]]
    return [f"col{i + 1}" for i in range(len(items[0].expressions))] if items and _called(items[0], "struct") else []


def _called(node: exp.Expr, name: str) -> bool:
    return (isinstance(node, exp.Anonymous) and node.name.lower() == name) or type(node).__name__.lower() == name


def _items(name: str, args: list[exp.Expr], names: list[str], table: str) -> exp.Expr:
    """A sub-query that takes the fields of structs by their places."""
    rows = exp.Lateral(this=exp.Unnest(expressions=[_named(f"{name}_rows", args)]), alias=_alias("$rows", ["$row"]))
    items = [
        exp.alias_(_named("struct_item", [_row(), exp.Literal.number(i)]), n, quoted=True) for i, n in enumerate(names)
    ]
    return exp.Lateral(this=exp.Subquery(this=exp.select(*items).from_(rows)), alias=_alias(table, []))
