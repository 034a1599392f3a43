"""sqlglot's tree of `SELECT TRANSFORM(...) USING 'script'` -> `ast.TransformRef`."""

from __future__ import annotations

from sqlglot import exp

from sqlengine import errors
from sqlengine.errors import NotSupportedError
from sqlengine.sql import ast
from sqlengine.sql.lower_values import position_of

_DELIMITERS = {
    "fields": "field.delim",
    "escaped": "escape.delim",
    "collection_items": "collection.delim",
    "map_keys": "mapkey.delim",
    "lines": "line.delim",
    "null": "serialization.null.format",
}
_RECORDS = ("textrecordreader", "textrecordwriter")
_INPUT = ("from_", "joins", "laterals", "where", "group", "having", "windows", "qualify")
"""What of a SELECT makes the rows a script is given; ORDER BY, LIMIT and WITH are about those it writes."""
_OUTPUT = ("with_", "order", "limit", "offset")


def script_of(select: exp.Expr) -> exp.Expr | None:
    """The TRANSFORM of a SELECT, None without one; SyntaxError (42601) unless it stands alone."""
    found = [item for item in select.expressions if isinstance(item.unalias(), exp.QueryTransform)]
    if not found:
        return None
    script = found[0].unalias()
    if len(select.expressions) > 1 or script is not found[0] or select.args.get("distinct"):
        raise errors.SyntaxError(
            "TRANSFORM must be alone in the select list, without DISTINCT", position=position_of(script)
        )
    return script  # type: ignore[no-any-return]


def halves(select: exp.Expr, script: exp.Expr) -> tuple[exp.Expr, exp.Expr]:
    """(the SELECT of the rows a script is given, the one over the rows it writes)."""
    given, written = exp.Select(expressions=[item.copy() for item in script.expressions]), exp.Select()
    for half, keys in ((given, _INPUT), (written, _OUTPUT)):
        for key in keys:
            value = select.args.get(key)
            if value:
                half.set(key, [item.copy() for item in value] if isinstance(value, list) else value.copy())
    written.set("expressions", [exp.Star()])
    return given, written


def transform(script: exp.Expr, given: ast.Select) -> ast.TransformRef:
    """What stands in FROM for the rows that a script writes."""
    for key in ("record_writer", "record_reader"):
        _check_records(script.args.get(key))
    schema = script.args.get("schema")
    return ast.TransformRef(
        given,
        str(script.args["command_script"].this),
        None if schema is None else tuple(_column(item) for item in schema.expressions),
        _format(script.args.get("row_format_before")),
        _format(script.args.get("row_format_after")),
        position_of(script.args["command_script"]),
    )


def _check_records(node: exp.Expr | None) -> None:
    if node is not None and node.name.rpartition(".")[2].lower() not in _RECORDS:
        raise NotSupportedError(
            f"records of {node.name} are not supported",
            hint="scripts read and write lines of text",
            position=position_of(node),
        )


def _column(item: exp.Expr) -> tuple[str, str]:
    """(name, type as Hive writes it) of a column that a script writes."""
    if isinstance(item, exp.ColumnDef):
        kind = item.args.get("kind")
        return item.name.lower(), "string" if kind is None else kind.sql("hive").lower()
    return item.name.lower(), "string"


def _format(node: exp.Expr | None) -> ast.ScriptFormat:
    """(class of the SerDe or "", its properties)."""
    if node is None:
        return "", ()
    if isinstance(node, exp.RowFormatSerdeProperty):
        given = node.args.get("serde_properties")
        pairs = () if given is None else tuple((p.name, str(p.args["value"].this)) for p in given.expressions)
        return node.name, pairs
    said = ((name, node.args.get(key)) for key, name in _DELIMITERS.items())
    return "", tuple((name, value.name) for name, value in said if value is not None)
