"""What only Hive says, put into forms with a word in `ast`; on sqlglot's trees, in place, before they are lowered.

LATERAL VIEWs become joins with the rows of a function (table_functions.py); SORT BY and CLUSTER BY order the whole,
which is one of the orders they allow; DISTRIBUTE BY says nothing where there is one process.
"""

from __future__ import annotations

import re

from sqlglot import exp

from sqlengine import errors
from sqlengine.sql.hive.table_functions import TABLE_FUNCTIONS, is_outer, joined_rows, selected_rows
from sqlengine.sql.lower_pivot import ANY_KNOWN
from sqlengine.sql.lower_values import position_of
from sqlengine.sql.nodes import find_all, nodes, of_types


def settle(tree: exp.Expr, patterns: bool = False) -> None:
    """Rewrite every SELECT of a tree; `patterns`: quoted names may be regular expressions over columns."""
    found = nodes(tree)
    sampled = [table for table in of_types(found, exp.Table, exp.Subquery) if table.args.get("sample") is not None]
    for table in sampled:
        _bucket_sample(table)
    found = nodes(tree) if sampled else found
    for pivot in of_types(found, exp.Pivot):
        pivot.meta[ANY_KNOWN] = True
    for select in of_types(found, exp.Select):
        if patterns:
            _columns_by_pattern(select)
        _selected_rows(select)
        _lateral_views(select)
        _order(select)
        _group(select)


def _selected_rows(select: exp.Expr) -> None:
    """`SELECT explode(a) AS (k, v) FROM t`: the function's rows joined to those of t, and its columns selected."""
    called = [item for item in select.expressions if _table_function(item) is not None]
    if not called:
        return
    call = _table_function(called[0])
    assert call is not None
    if len(select.expressions) > 1:
        raise errors.SyntaxError(
            f"{call.name.lower()} must be alone in the select list",
            hint="LATERAL VIEW joins its rows to others",
            position=position_of(call),
        )
    item = called[0]
    aliases = item.expressions if isinstance(item, exp.Aliases) else [a for a in [item.args.get("alias")] if a]
    rows, columns = selected_rows(call, aliases)
    select.set("expressions", columns)
    if select.args.get("from_") is None and not is_outer(call):
        select.set("from_", exp.From(this=rows))
        return
    if select.args.get("from_") is None:
        one = exp.select(exp.alias_(exp.Literal.number(1), "$one", quoted=True))
        select.set("from_", exp.From(this=one.subquery("$one")))
    laterals = select.args.get("laterals") or []
    select.set("joins", [*(select.args.get("joins") or []), *(joined_rows(lateral) for lateral in laterals)])
    select.set("laterals", None)
    joined = {"side": "LEFT", "on": exp.true()} if is_outer(call) else {"kind": "CROSS"}
    select.append("joins", exp.Join(this=rows, **joined))


def _table_function(item: exp.Expr) -> exp.Expr | None:
    call = item.this if isinstance(item, (exp.Alias, exp.Aliases)) else item
    return call if isinstance(call, exp.Anonymous) and call.name.lower() in TABLE_FUNCTIONS else None


def _lateral_views(select: exp.Expr) -> None:
    laterals = select.args.get("laterals") or []
    source = select.args.get("from_")
    if not laterals or source is None:
        return
    joins = list(select.args.get("joins") or [])
    for lateral in laterals:
        joins.append(joined_rows(lateral))
    select.set("laterals", None)
    select.set("joins", joins)


_PATTERN = re.compile(r"[*+?|()\[\]^$]")
"""Signs that no column's name has: a quoted name with one of them is a regular expression of names."""


def _columns_by_pattern(select: exp.Expr) -> None:
    """ "`(ds|hr)?+.+`" stands for all columns whose whole names match (hive.support.quoted.identifiers = none)."""
    for item in list(select.expressions):
        name = item.this if isinstance(item, exp.Column) and not item.args.get("table") else None
        if isinstance(name, exp.Identifier) and name.args.get("quoted") and _PATTERN.search(name.name):
            item.replace(exp.Anonymous(this="columns", expressions=[exp.Literal.string(f"(?i)^(?:{name.name})$")]))


def _bucket_sample(table: exp.Expr) -> None:
    """`t TABLESAMPLE (BUCKET x OUT OF y ON e)`: the rows whose hash is x - 1 modulo y, as buckets of version 2 have
    them; without ON by the columns the table is clustered by, which binding knows."""
    sample = table.args["sample"]
    if not sample.args.get("bucket_numerator"):
        return
    which, of = sample.args["bucket_numerator"], sample.args["bucket_denominator"]
    if not (which.name.isdigit() and of.name.isdigit() and 1 <= int(which.name) <= int(of.name)):
        raise errors.SyntaxError("TABLESAMPLE (BUCKET x OUT OF y) takes 1 <= x <= y", position=position_of(which))
    by = sample.args.get("bucket_field")
    if by is None:
        return
    table.set("sample", None)
    alias = table.args.get("alias")
    values = by.expressions if isinstance(by, exp.Tuple) else [by]
    hashed = exp.Anonymous(this="murmur_hash", expressions=[value.copy() for value in values])
    kept = exp.BitwiseAnd(this=hashed, expression=exp.Literal.number(2**31 - 1))
    chosen = exp.EQ(this=exp.Mod(this=kept, expression=of.copy()), expression=exp.Literal.number(int(which.name) - 1))
    inner = table.copy()
    whole = exp.Subquery(this=exp.select("*").from_(inner).where(chosen))
    name = alias.this if alias is not None else table.this if isinstance(table, exp.Table) else None
    if name is not None:
        whole.set("alias", exp.TableAlias(this=name.copy()))
    for key in ("joins", "laterals"):
        if inner.args.get(key):
            whole.set(key, inner.args[key])
            inner.set(key, None)
    table.replace(whole)


def _order(select: exp.Expr) -> None:
    ways = [key for key in ("order", "sort", "cluster") if select.args.get(key)]
    if len(ways) > 1 or ("cluster" in ways and select.args.get("distribute")):
        raise errors.SyntaxError(
            "ORDER BY, SORT BY and CLUSTER BY exclude one another", position=position_of(select.args[ways[0]])
        )
    for key in ("sort", "cluster"):
        found = select.args.get(key)
        if found is not None:
            select.set(key, None)
            select.set("order", exp.Order(expressions=found.expressions))
    select.set("distribute", None)


_KEYS = ("grouping_sets", "rollup", "cube")


def _group(select: exp.Expr) -> None:
    """`GROUP BY a, b GROUPING SETS (...)`: the sets alone say what is grouped; GROUPING__ID is grouping() of all."""
    group = select.args.get("group")
    if group is None:
        return
    group.set("expressions", [_cube(item) for item in group.expressions])
    if any(group.args.get(key) for key in _KEYS) or any(isinstance(e, _SETS) for e in group.expressions):
        _grouping_id(select, _grouped_by(group))
    if group.args.get("grouping_sets"):
        group.set("expressions", [])


def _cube(item: exp.Expr) -> exp.Expr:
    """`CUBE (a, b)`, which is read as a call."""
    called = isinstance(item, exp.Anonymous) and item.name.lower() == "cube"
    return exp.Cube(expressions=item.expressions) if called else item


_SETS = (exp.GroupingSets, exp.Cube, exp.Rollup, exp.Tuple, exp.Paren)


def _grouped_by(group: exp.Expr) -> list[exp.Expr]:
    """What is grouped by, each once, in order: the columns before WITH or GROUPING SETS, and those of the sets."""
    found: list[exp.Expr] = []
    todo = [*group.expressions, *(item for key in _KEYS for item in group.args.get(key) or [])]
    while todo:
        item = todo.pop(0)
        if isinstance(item, _SETS):
            todo = [*(item.expressions or ([item.this] if item.this else [])), *todo]
        elif item not in found:
            found.append(item)
    return found


def _grouping_id(select: exp.Expr, columns: list[exp.Expr]) -> None:
    """GROUPING__ID: a bit a column, the first the highest, 1 where it is not grouped by (Hive since 2.3)."""
    places = [*select.expressions, *(select.args[k] for k in ("having", "order", "qualify") if select.args.get(k))]
    for place in places:
        for call in find_all(place, exp.Anonymous):
            if call.name.lower() == "grouping_id" and not call.expressions:  # Spark's, of all that is grouped by
                call.set("expressions", [c.copy() for c in columns])
        for column in find_all(place, exp.Column):
            if column.name.lower() == "grouping__id" and not column.table:
                made = exp.Anonymous(this="grouping", expressions=[c.copy() for c in columns])
                named = column is place and place in select.expressions
                column.replace(exp.alias_(made, "grouping__id", quoted=True) if named else made)
