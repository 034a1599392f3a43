"""WITH RECURSIVE whose step reads its own rows more than once, for DuckDB.

There a step sees the rows of the last round alone, so that a join of the rows with themselves would miss what takes
rows of different rounds.  What is meant is the least set of rows that the step adds nothing to (Materialize, Feldera,
and views here).  Each round therefore brings the whole set of rows, under the round's number, until one has no more
rows than the one before it; the last round is the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlglot
from sqlglot import exp

from sqlengine.sql.mutual import ROUNDS_MARK
from sqlengine.sql.nodes import find_all

ROUND = "$round"
ROUNDS_MAX = 1000
"""As in operators/rounds.py."""
_STEP = "$step"
_TEMPLATE = f"""WITH RECURSIVE rounds AS (
  SELECT *, 0 AS "{ROUND}" FROM (SELECT DISTINCT * FROM base) AS "$base"
  UNION ALL
  (WITH rows_so_far AS (SELECT * EXCLUDE ("{ROUND}") FROM rounds),
        "{_STEP}" AS (SELECT * FROM rows_so_far UNION step)
   SELECT *, (SELECT COALESCE(MAX("{ROUND}"), 0) FROM rounds) + 1 FROM "{_STEP}"
   WHERE (SELECT COUNT(*) FROM "{_STEP}") > (SELECT COUNT(*) FROM rows_so_far))
), answer AS (SELECT * EXCLUDE ("{ROUND}") FROM rounds WHERE "{ROUND}" = (SELECT MAX("{ROUND}") FROM rounds))
SELECT 1"""


_LIMIT, _MESSAGE = "7777", "$message"
_REPLACED = f"""WITH RECURSIVE rounds AS (
  SELECT *, 1 AS "{ROUND}" FROM (
    WITH rows_so_far AS (SELECT * FROM (SELECT 1) AS base) SELECT * FROM (SELECT 1) AS step) AS "$first"
  UNION ALL
  (WITH rows_so_far AS (SELECT * EXCLUDE ("{ROUND}") FROM rounds), "{_STEP}" AS (SELECT * FROM (SELECT 1) AS step)
   SELECT *, (SELECT CASE WHEN MAX("{ROUND}") >= {_LIMIT} THEN CAST(error('{_MESSAGE}') AS INTEGER)
     ELSE MAX("{ROUND}") END FROM rounds) + 1
   FROM "{_STEP}" WHERE 0 < (SELECT COUNT(*) FROM (
     (SELECT * FROM "{_STEP}" EXCEPT ALL SELECT * FROM rows_so_far) UNION ALL
     (SELECT * FROM rows_so_far EXCEPT ALL SELECT * FROM "{_STEP}")) AS "$different"))
), answer AS (SELECT * EXCLUDE ("{ROUND}") FROM rounds WHERE "{ROUND}" = (SELECT MAX("{ROUND}") FROM rounds))
SELECT 1"""
"""Of rows that are replaced each round (sql/mutual.py), beginning with the step of none."""


def spell_recursion(tree: exp.Expr) -> None:
    """Rewrite such WITH items in place, the innermost first: those around are made of copies."""
    for with_ in reversed(find_all(tree, exp.With)):
        if with_.args.get("recursive"):
            items = [made for cte in with_.expressions for made in _spelt(cte)]
            with_.set("expressions", items)


def _spelt(cte: exp.CTE) -> list[exp.Expr]:
    """The item, or the two that stand for it: its rounds and its answer."""
    union, name = cte.this, cte.alias
    if _is_replaced(union):
        return _spelt_rounds(cte)
    if not _is_manifold(union, name):
        return [cte]
    made: Any = sqlglot.parse_one(
        _TEMPLATE.replace("UNION step", "UNION SELECT 1 FROM step").replace("FROM base", "FROM (SELECT 1) AS base"),
        dialect="duckdb",
    )
    rounds, answer = made.args["with_"].expressions
    inner = union.args.get("with_")
    base, step = union.this, union.expression
    if inner is not None:
        base.set("with_", inner.copy())
    _put(rounds, "base", base)
    _put_step(rounds, step, inner)
    _rename(rounds, {"rounds": f"$rounds {name}", "rows_so_far": name})
    _rename(answer, {"rounds": f"$rounds {name}", "answer": name})
    columns = cte.args["alias"].args.get("columns")
    if columns:
        names = [column.copy() for column in columns]
        rounds.args["alias"].set("columns", [*names, exp.to_identifier(ROUND, quoted=True)])
    return [rounds, answer]


def _spelt_rounds(cte: exp.CTE) -> list[exp.Expr]:
    """An item whose rows are replaced as its rounds and its answer."""
    union, name = cte.this, cte.alias
    base, step = union.this, union.expression
    limit, returns = _limits(base.args["where"].this.expressions)
    # Its error is raised at the limit whatever WHERE says.
    template = _REPLACED.replace(_LIMIT, str(limit + returns)).replace(
        _MESSAGE, f"recursion did not settle within {limit:,} rounds"
    )
    if returns:
        template = template.replace("WHERE 0 <", f'WHERE (SELECT MAX("{ROUND}") FROM rounds) < {limit} AND 0 <')
    made: Any = sqlglot.parse_one(template, dialect="duckdb")
    rounds, answer = made.args["with_"].expressions
    base.args["where"].set("this", exp.Boolean(this=False))
    for found in find_all(rounds, exp.Subquery):
        if found.alias in ("base", "step"):
            found.set("this", (base if found.alias == "base" else step).copy())
    columns = [column.copy() for column in cte.args["alias"].args["columns"]]
    _rename(rounds, {"rounds": f"$rounds {name}", "rows_so_far": name})
    _rename(answer, {"rounds": f"$rounds {name}", "answer": name})
    rounds.args["alias"].set("columns", [*columns, exp.to_identifier(ROUND, quoted=True)])
    return [rounds, answer]


def _limits(arguments: Sequence[exp.Expr]) -> tuple[int, bool]:
    """(number of rounds, whether the last one's rows are the answer) of the mark's arguments."""
    if not arguments:
        return ROUNDS_MAX, False
    limit, returns = (int(argument.name) for argument in arguments)
    return limit, returns == 1


def _is_replaced(union: exp.Expr) -> bool:
    where = union.this.args.get("where") if isinstance(union, exp.Union) else None
    return where is not None and isinstance(where.this, exp.Anonymous) and where.this.name == ROUNDS_MARK


def _is_manifold(union: exp.Expr, name: str) -> bool:
    """`base UNION step` where a branch of the step reads the rows so far at least twice."""
    if not isinstance(union, exp.Union) or not union.args.get("distinct") or _mentions(union.this, name):
        return False
    if any(union.args.get(key) is not None for key in ("order", "limit", "offset")):
        return False
    return any(_mentions(branch, name) > 1 for branch in _branches(union.expression))


def _branches(query: exp.Expr) -> list[exp.Expr]:
    if isinstance(query, exp.Union):
        return [*_branches(query.this), *_branches(query.expression)]
    if isinstance(query, exp.Subquery) and isinstance(query.this, exp.Query):
        return _branches(query.this)
    return [query]


def _mentions(query: exp.Expr, name: str) -> int:
    return sum(table.name == name and not table.db for table in find_all(query, exp.Table))


def _put(item: exp.Expr, place: str, query: exp.Expr) -> None:
    """A query in place of the sub-query of that alias."""
    found = next(s for s in find_all(item, exp.Subquery) if s.alias == place)
    found.set("this", query)


def _put_step(item: exp.Expr, step: exp.Expr, inner: exp.Expr | None) -> None:
    """The step as the second half of the union in `$step`; the WITH items of the whole query before it."""
    made: Any = next(c for c in find_all(item, exp.CTE) if c.alias == _STEP)
    wrapped = step if isinstance(step, exp.Subquery) else exp.Subquery(this=step)
    made.this.set("expression", wrapped)
    if inner is not None:
        around = made.parent
        so_far, last = around.expressions
        around.set("expressions", [so_far, *(c.copy() for c in inner.expressions), last])


def _rename(item: exp.Expr, names: dict[str, str]) -> None:
    """Names of the template as names nobody writes, or as the item's own."""
    for node in find_all(item, exp.Table, exp.TableAlias):
        this = node.this
        if isinstance(this, exp.Identifier) and not this.args.get("quoted") and this.name in names:
            node.set("this", exp.to_identifier(names[this.name], quoted=True))
