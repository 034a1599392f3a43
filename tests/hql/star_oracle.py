"""The star queries for DuckDB: sqlglot's translation, and what it leaves out of Hive's meaning.

Corrected here, each by Hive's language manual: NULLs come last ascending and first descending
(hive.default.nulls.last), `date_add` and `date_sub` of texts are dates, GROUPING__ID is grouping() of what is grouped
by, and `GROUP BY a, b GROUPING SETS` groups by the sets alone.
"""

from __future__ import annotations

import sqlglot
from sqlglot import exp


def limited(text: str) -> tuple[str, int | None]:
    """A query without the LIMIT at its end, and the limit: which of equal rows it takes is nobody's promise."""
    limit = sqlglot.parse_one(text, read="hive").args.get("limit")
    if limit is None:
        return text, None
    return text[: text.rindex("LIMIT")], int(limit.expression.name)


def for_duckdb(text: str) -> str:
    """The query in DuckDB's SQL."""
    tree = sqlglot.parse_one(text, read="hive")
    for select in list(tree.find_all(exp.Select)):
        _grouping(select)
    for ordered in tree.find_all(exp.Ordered):
        ordered.set("nulls_first", bool(ordered.args.get("desc")))
    for call in list(tree.find_all(exp.TsOrDsAdd)):
        _day_moved(call)
    return tree.sql(dialect="duckdb")


def ordered_by(text: str) -> list[str]:
    """The output columns that the rows are ordered by, as far as the first item that is none."""
    tree = sqlglot.parse_one(text, read="hive")
    order = tree.args.get("order")
    found: list[str] = []
    for item in order.expressions if order is not None else []:
        if not isinstance(item.this, exp.Column) or item.this.name not in tree.named_selects:
            break
        found.append(item.this.name)
    return found


def _grouping(select: exp.Select) -> None:
    group = select.args.get("group")
    if group is None or not (group.args.get("grouping_sets") or group.args.get("rollup")):
        return
    columns = [column.copy() for column in group.expressions]
    group.set("expressions", [])
    if group.args.get("rollup"):
        group.set("rollup", [exp.Rollup(expressions=columns)])
    for name in [c for c in select.find_all(exp.Column) if c.name.lower() == "grouping__id"]:
        name.replace(exp.Anonymous(this="grouping", expressions=[column.copy() for column in columns]))


def _day_moved(call: exp.TsOrDsAdd) -> None:
    date = exp.cast(call.this.copy(), "date")
    moved = exp.Add(this=date, expression=exp.Paren(this=call.expression.copy()))
    call.replace(exp.cast(moved, "date"))
