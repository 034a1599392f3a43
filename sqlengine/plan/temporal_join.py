"""`FOR SYSTEM_TIME AS OF`: joins of rows with the version a table had at a time.

AS OF proctime(): each row meets the other side as it is when the row comes, and stays as it was (LookupJoin).
AS OF an event time: each row meets the version that was valid then, the one with the greatest time not after it (an
AsofJoin over the other side's versions); a version that comes late corrects what was said.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from sqlengine.catalog.catalog import Catalog
from sqlengine.errors import Error, InvalidDefinition, NotSupportedError
from sqlengine.expr.tree import Call, Case, Const, Expr, InputRef
from sqlengine.plan import build, nodes
from sqlengine.plan.properties import derive
from sqlengine.plan.scope import Relation, Visible
from sqlengine.sql import ast
from storage.replacing import replace

DELETED = "$deleted"
TAKEN_BACK = "FOR SYSTEM_TIME AS OF proctime() needs rows that are never taken back"
Bind = Callable[[ast.Join, Relation, Relation], Relation]
"""Binds a join of two relations that are already bound."""


def is_temporal(rel: ast.Join) -> bool:
    """Whether the right side is read AS OF a time."""
    return isinstance(rel.right, ast.TableRef) and rel.right.as_of is not None


def bind_temporal_join(
    rel: ast.Join, left: Relation, right: Relation, bind: Bind, catalog: Catalog, closing: bool
) -> Relation:
    """`left` JOIN `right` FOR SYSTEM_TIME AS OF the time `rel.right.as_of`; `closing`: windows of the left close."""
    assert isinstance(rel.right, ast.TableRef)
    moment = rel.right.as_of
    if rel.kind not in ("inner", "left"):
        raise NotSupportedError(f"FOR SYSTEM_TIME AS OF in a {rel.kind} join", position=rel.position)
    if moment == "proctime" or (isinstance(moment, ast.Column) and _is_arrival(left, moment, catalog)):
        return _as_lookup(bind(rel, left, right), rel, closing)
    if not isinstance(moment, ast.Column):
        raise NotSupportedError(
            "FOR SYSTEM_TIME AS OF needs a time column of the other side, or proctime(), in a continuous query",
            position=rel.right.position,
        )
    if not right.node.time_columns:
        raise InvalidDefinition(
            f'"{rel.right.parts[-1]}" has no versions: it has no time column',
            hint="declare WATERMARK FOR on it",
            position=rel.right.position,
        )
    return _as_of(rel, moment, left, right, bind)


def _is_arrival(left: Relation, moment: ast.Column, catalog: Catalog) -> bool:
    """Whether a column of the left side is proctime(): of a subquery, or a computed column of a stream."""
    try:
        at = left.resolve(moment).index
    except Error:
        return False  # the name is not the left side's: the ordinary way says what is wrong
    node = left.node
    while isinstance(node, (nodes.Project, nodes.Filter, nodes.AssignWindow)):
        if isinstance(node, nodes.Project):
            expr = node.exprs[at]
            if not isinstance(expr, InputRef):
                return isinstance(expr, Call) and expr.function == "proctime"
            at = expr.index
        node = node.input
        if at >= len(node.schema):
            return False  # a column of a window
    if not isinstance(node, nodes.Scan):
        return False
    obj = catalog.get(tuple(node.source.split(".")))
    info = next(c for c in obj.columns if c.stored_name == node.columns[at])
    return (info.computed or "").replace(" ", "").lower() == "proctime()"


def _as_lookup(joined: Relation, rel: ast.Join, closing: bool) -> Relation:
    """The join bound in the ordinary way, its Join node (maybe below a projection) made a LookupJoin."""
    node = joined.node
    if isinstance(node, nodes.Project) and isinstance(node.input, nodes.Join):
        return joined.on(derive(replace(node, input=_lookup(node.input, rel, closing))))
    assert isinstance(node, nodes.Join)
    return joined.on(_lookup(node, rel, closing))


def _lookup(join: nodes.Join, rel: ast.Join, closing: bool) -> nodes.LookupJoin:
    if not (join.left.append_only or closing):
        raise NotSupportedError(TAKEN_BACK, hint="EMIT ON WINDOW CLOSE takes no window back", position=rel.position)
    return derive(
        nodes.LookupJoin(
            schema=join.schema,
            left=join.left,
            right=join.right,
            kind=join.kind,
            left_keys=join.left_keys,
            right_keys=join.right_keys,
            residual=join.residual,
        )
    )


def _as_of(rel: ast.Join, moment: ast.Column, left: Relation, right: Relation, bind: Bind) -> Relation:
    width, time = len(left.columns), right.node.time_columns[0]
    versioned = _versions(right, time, rel)
    before = ast.Binary(">=", moment, ast.Column((f"#{width + time}",)))
    condition = before if rel.on is None else ast.Binary("and", rel.on, before)
    kind = "asof" if rel.kind == "inner" else "asof_left"
    joined = bind(replace(rel, kind=kind, on=condition), left, versioned)
    return joined if versioned is right else _without_deleted(joined, width, outer=rel.kind == "left")


def _versions(right: Relation, time: int, rel: ast.Join) -> Relation:
    """The right side as rows that only come; itself when it is that already."""
    node = right.node
    if node.append_only:
        return right
    if node.unique_keys is None:
        raise NotSupportedError(
            "FOR SYSTEM_TIME AS OF a time needs a primary key on the versioned side", position=rel.position
        )
    schema = node.schema.append(pa.field(DELETED, pa.bool_()))
    versions = derive(nodes.Versions(schema=schema, input=node, keys=node.unique_keys, time_column=time))
    return Relation(versions, (*right.columns, Visible(None, DELETED)))


def _without_deleted(joined: Relation, width: int, *, outer: bool) -> Relation:
    """Matches with a deletion are no matches; its flag, the last column, goes."""
    node = joined.node
    last = len(node.schema) - 1
    deleted = build.ref(node, last)
    if not outer:
        node = build.filtered(node, Call(pa.bool_(), "not", (deleted,)))
        exprs = build.refs(node)[:last]
    else:
        there = build.refs(node)[:last]
        exprs = [e if i < width else _unless(deleted, e) for i, e in enumerate(there)]
    return Relation(build.projected(node, exprs, node.schema.names[:last]), joined.columns[:last])


def _unless(flag: Expr, expr: Expr) -> Expr:
    return Case(expr.type, ((Call(pa.bool_(), "is_true", (flag,)), Const(expr.type, None)),), expr)
