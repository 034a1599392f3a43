"""EXPLAIN [ANALYZE] of a query, a statement with a query, or a running view."""

from __future__ import annotations

import pyarrow as pa

from sqlengine import sql
from sqlengine.catalog.objects import MaterializedView, Sink
from sqlengine.errors import InvalidParameter, WrongObjectType
from sqlengine.plan.explain import explain as explain_lines
from sqlengine.plan.explain import to_dot, to_json
from sqlengine.plan.nodes import Node
from sqlengine.plan.pipeline import Planned
from sqlengine.result import Result
from sqlengine.runtime.query import ContinuousQuery
from sqlengine.sql import ast
from sqlengine.statements.context import Context

STAGES = ("bound", "logical", "physical", "running", "sql")


def explain(statement: ast.Explain, context: Context) -> Result:
    """EXPLAIN [ANALYZE] [(stage, format text|json|dot)] statement | object."""
    stage, form = _options(statement)
    if statement.analyze:
        return _text(_analyze(statement, context))
    query, emit = _query_of(statement, context)
    if stage == "sql":
        return _text(context.instance.expanded(query).text.splitlines())
    with context.instance.lock:
        planned = context.instance.plan(query, emit, context.settings.disabled_rules)
    node = planned.stages[stage]
    if form == "json":
        return _text(to_json(node).splitlines())
    if form == "dot":
        return _text(to_dot(node).splitlines())
    return _text([*explain_lines(node), *_remarks(planned)])


def _options(statement: ast.Explain) -> tuple[str, str]:
    stage, form = "physical", "text"
    for name, value in statement.options:
        if name == "format" and value.lower() in ("text", "json", "dot"):
            form = value.lower()
        elif name in STAGES and value.lower() in ("", "true", "on"):
            stage = name
        elif name not in ("costs", "verbose", "analyze", "timing", "buffers"):
            raise InvalidParameter(f'unrecognized EXPLAIN option "{name}"', hint="one of: format, " + ", ".join(STAGES))
    return stage, form


def _query_of(statement: ast.Explain, context: Context) -> tuple[ast.Query, ast.Emit]:
    if statement.target is not None:
        obj = context.instance.catalog.get(context.prefer_path(statement.target))
        if isinstance(obj, (MaterializedView, Sink)):
            info = obj.emit
            return sql.parse_query(obj.query), ast.Emit(info.mode, info.every_us, info.lateness_us, info.timeout_us)
        return sql.parse_query(f"SELECT * FROM {'.'.join(statement.target)}"), ast.Emit()
    inner = statement.statement
    query = getattr(inner, "query", None)
    if not isinstance(query, ast.Query):
        raise WrongObjectType("EXPLAIN needs a query, a view or a statement with a query")
    return query, getattr(inner, "emit", None) or ast.Emit()


def _remarks(planned: Planned) -> list[str]:
    if planned.reason is None:
        return ["maintained incrementally"]
    return [f"recomputed on every change: {planned.reason} has no incremental operator"]


def _analyze(statement: ast.Explain, context: Context) -> list[str]:
    target = statement.target
    if target is None:
        raise WrongObjectType(
            "EXPLAIN ANALYZE tells of running queries", hint="EXPLAIN ANALYZE name-of-a-materialized-view"
        )
    with context.instance.lock:
        context.instance.catch_up(context.check)
        obj = context.instance.catalog.get(context.prefer_path(target))
        if not isinstance(obj, (MaterializedView, Sink)):
            raise WrongObjectType(f'"{obj.name}" is a {obj.kind}: it does not run')
        return analyzed(context.instance.query_of(obj))


def analyzed(query: ContinuousQuery) -> list[str]:
    """A running query's operators with what each has done: rows, batches, state, time."""
    steps = {step.node: step for step in query.dataflow.steps}

    def annotate(node: Node) -> str:
        step = steps[node]
        size = step.operator.state_size() if step.operator is not None else {"rows": 0, "bytes": 0}
        parts = [
            f"in {step.rows_in}",
            f"out {step.rows_out}",
            f"batches {step.batches}",
            f"{step.busy_ns / 1e6:.1f} ms",
        ]
        if step.busy_ns and step.rows_in:
            parts.append(f"{step.rows_in / step.busy_ns * 1e9:,.0f} rows/s")
        if size["rows"]:
            parts.append(f"state {size['rows']} rows {size['bytes']} bytes")
        return ", ".join(parts)

    counters = query.counters
    return [
        *explain_lines(query.dataflow.plan, annotate),
        f"ticks {counters.ticks}, rows in {counters.rows_in}, rows out {counters.rows_out}, "
        f"late rows {counters.late_rows}, errors {counters.errors}",
    ]


def _text(lines: list[str]) -> Result:
    return Result("EXPLAIN", pa.table({"QUERY PLAN": pa.array(lines, pa.string())}))
