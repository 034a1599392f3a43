"""What only Hive says, put into forms with a word in `ast`; on sqlglot's trees, in place, before they are lowered.

LATERAL VIEWs become joins with the rows of a function (table_functions.py); SORT BY and CLUSTER BY order the whole,
which is one of the orders they allow; DISTRIBUTE BY says nothing where there is one process.
"""

from __future__ import annotations

from sqlglot import exp

from sqlengine import errors
from sqlengine.sql.hive.table_functions import joined_rows
from sqlengine.sql.lower_values import position_of


def settle(tree: exp.Expr) -> None:
    """Rewrite every SELECT of a tree."""
    for select in list(tree.find_all(exp.Select)):
        _lateral_views(select)
        _order(select)
        _group(select)


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


def _group(select: exp.Expr) -> None:
    """`GROUP BY a, b GROUPING SETS (...)`: the sets alone say what is grouped."""
    group = select.args.get("group")
    if group is not None and group.args.get("grouping_sets"):
        group.set("expressions", [])
