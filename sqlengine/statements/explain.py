"""EXPLAIN [ANALYZE] of a query, a statement with a query, or a running view."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import Any

import pyarrow as pa

from sqlengine import sql
from sqlengine.catalog.objects import STREAM_QUERY, FileTable, MaterializedView, PlanningInfo, Sink, Stream
from sqlengine.catalog.seen import planned_text
from sqlengine.errors import InvalidParameter, NotSupportedError, WrongObjectType
from sqlengine.plan.explain import explain as explain_lines
from sqlengine.plan.explain import to_dot, to_json
from sqlengine.plan.pipeline import Planned
from sqlengine.plan.state import StateAnalysis
from sqlengine.result import Result
from sqlengine.runtime.dataflow import Dataflow
from sqlengine.runtime.figures import Figures, figures
from sqlengine.runtime.one_shot import prepare
from sqlengine.runtime.query import ContinuousQuery
from sqlengine.sql import ast
from sqlengine.sql.dialect import POSTGRES
from sqlengine.statements.context import Context
from sqlengine.statements.planned_select import run_planned
from sqlengine.types import JSON

STAGES = ("bound", "logical", "physical", "running", "sql")


def explain(statement: ast.Explain, context: Context) -> Result:
    """EXPLAIN [ANALYZE] [(stage, format text|json|dot)] statement | object."""
    stage, form = _options(statement)
    if statement.analyze:
        lines = _analyze(statement, context, form)
        return _json("\n".join(lines)) if form == "json" else _text(lines)
    query, emit = _query_of(statement, context)
    if stage == "sql":
        return _text(context.instance.expanded(query).text.splitlines())
    once = _is_answered_once(statement, query)
    with context.instance.lock:
        if once:
            planned = prepare(query, context.instance.planning).planned
        else:
            planned = context.instance.plan(query, emit, _planning_of(statement, context), context.settings.threads)
    node = planned.stages[stage]
    annotate = StateAnalysis(planned.streams).annotate if stage == "physical" else None
    if form == "json":
        return _json(to_json(node, annotate))
    if form == "dot":
        return _text(to_dot(node).splitlines())
    remarks = ["answered once, by the operators of views"] if once else _remarks(planned)
    return _text([*explain_lines(node, annotate), *remarks])


def _is_answered_once(statement: ast.Explain, query: ast.Query) -> bool:
    """Whether it is a SELECT that our own operators answer once, not a query that is followed."""
    inner = statement.statement
    own = query.dialect != POSTGRES or sql.matches_rows(query)
    return isinstance(inner, ast.SelectStatement) and inner.emit is None and own


def _options(statement: ast.Explain) -> tuple[str, str]:
    stage, form = "physical", "text"
    for name, value in statement.options:
        if name == "format" and value.lower() in ("text", "json", "dot"):
            form = value.lower()
        elif name in STAGES and value.lower() in ("", "true", "on"):
            stage = name
        elif name not in ("costs", "verbose", "analyze", "timing", "buffers"):
            raise InvalidParameter(
                f'unrecognized EXPLAIN option "{name}"', sqlstate="42601", hint="one of: format, " + ", ".join(STAGES)
            )
    return stage, form


def _query_of(statement: ast.Explain, context: Context) -> tuple[ast.Query, ast.Emit]:
    if statement.target is not None:
        obj = context.instance.catalog.get(context.prefer_path(statement.target))
        if isinstance(obj, (MaterializedView, Sink)):
            info = obj.emit
            text = obj.query if context.settings.disabled_rules else planned_text(obj)
            return sql.parse_query(text), ast.Emit(info.mode, info.every_us, info.lateness_us, info.timeout_us)
        return sql.parse_query(f"SELECT * FROM {'.'.join(statement.target)}"), ast.Emit()
    inner = statement.statement
    query = getattr(inner, "query", None)
    if isinstance(inner, ast.With):
        raise NotSupportedError(
            "EXPLAIN of data-modifying statements in WITH is not supported",
            hint="explain the queries of its parts",
            position=inner.position,
        )
    if isinstance(inner, ast.Insert):
        query = sql.query_under(inner.with_text, inner.query)
    if not isinstance(query, ast.Query):
        raise WrongObjectType("EXPLAIN needs a query, a view or a statement with a query")
    return query, getattr(inner, "emit", None) or ast.Emit()


def _planning_of(statement: ast.Explain, context: Context) -> PlanningInfo:
    """A view is explained as it was planned."""
    if statement.target is not None:
        obj = context.instance.catalog.get(context.prefer_path(statement.target))
        if isinstance(obj, (MaterializedView, Sink)) and not context.settings.disabled_rules:
            return obj.planning
    return context.planning()


def _remarks(planned: Planned) -> list[str]:
    if planned.reason is None:
        return ["maintained incrementally"]
    return [f"recomputed on every change: {planned.reason} has no incremental operator"]


# ---------------------------------------------------------------- ANALYZE


def _analyze(statement: ast.Explain, context: Context, form: str) -> list[str]:
    """What a running query has done; a query that does not run is run over what is there now, and ends."""
    if statement.target is None and (read := _answered_once(statement, context)) is not None:
        return _analyzed_once(read, context, form)
    with context.instance.lock:
        if statement.target is not None:
            context.instance.catch_up(context.check)
            return _analyzed(_running(statement.target, context), context, form)
        query, emit = _query_of(statement, context)
        planned = context.instance.plan(query, emit, context.planning(), context.settings.threads)
        query_id = context.instance.next_id("explain")
        try:
            once = context.instance.start_query(
                query_id,
                f"${query_id}",
                query.text,
                planned,
                emit,
                keep=False,
                on_progress=context.on_progress,
                check=context.check,
                prepare=_keep_to_itself,
            )
            remarks = [*_remarks(planned), "ran once, over what was there"] if form == "text" else []
            return [*_analyzed(once, context, form), *remarks]
        finally:
            context.instance.stop_query(query_id)


def _answered_once(statement: ast.Explain, context: Context) -> ast.Query | None:
    """The query, where our own operators answer it once: one of Hive's dialect, or one that reads files."""
    query, _ = _query_of(statement, context)
    if getattr(statement.statement, "emit", None) is not None:
        return None
    if query.dialect != POSTGRES:
        return query
    with context.instance.lock:
        found = (context.instance.catalog.find(context.prefer_path(ref.parts)) for ref in sql.tables(query))
        return query if any(isinstance(obj, FileTable) for obj in found) else None


def _analyzed_once(query: ast.Query, context: Context, form: str) -> list[str]:
    """The operators with what each has done, of a query that is run to its end."""
    lines: list[str] = []

    def watch(flow: Dataflow) -> None:
        lines.extend(_with_figures(flow, context, form))

    answers, _ = run_planned(context, [query], watch=watch)
    rows = sum(answer.num_rows for answer in answers)
    remarks = [f"rows {rows}", "answered once, by the operators of views"] if form == "text" else []
    return [*lines, *remarks]


def _keep_to_itself(query: ContinuousQuery) -> None:
    """Late rows and rows that raised are counted and written nowhere."""
    query.on_late = query.on_failure = None


def _running(target: tuple[str, ...], context: Context) -> ContinuousQuery:
    """The query behind a view, a sink, a stream AS or an id of SHOW QUERIES."""
    instance = context.instance
    if target[-1] in instance.scheduler.queries:
        return instance.scheduler.queries[target[-1]]
    obj = instance.catalog.get(context.prefer_path(target))
    if isinstance(obj, Stream):
        obj = instance.catalog.find((obj.name + STREAM_QUERY,)) or obj
    if not isinstance(obj, (MaterializedView, Sink)):
        raise WrongObjectType(f'"{obj.name}" is a {obj.kind}: it does not run')
    return instance.query_of(obj)


def _analyzed(query: ContinuousQuery, context: Context, form: str) -> list[str]:
    """The query's operators with what each has done and keeps."""
    lines, counters = _with_figures(query.dataflow, context, form), query.counters
    if form != "text":
        return lines
    return [
        *lines,
        f"ticks {counters.ticks}, rows in {counters.rows_in}, rows out {counters.rows_out}, "
        f"late rows {counters.late_rows}, errors {counters.errors}",
    ]


def _with_figures(flow: Dataflow, context: Context, form: str) -> list[str]:
    known = {f.node: f for f in figures(flow, context.instance.clock.now_us())}
    if form == "json":
        return to_json(flow.plan, figures=lambda node: _as_json(known[node])).splitlines()
    if form == "dot":
        return to_dot(flow.plan, lambda node: _as_text(known[node])).splitlines()
    return explain_lines(flow.plan, lambda node: _as_text(known[node]))


def _as_text(f: Figures) -> str:
    parts = [f"in {f.rows_in}", f"out {f.rows_out}", f"batches {f.batches}"]
    if f.shared:
        parts.append("shared")
    if f.skipped:
        parts.append(f"skipped {f.skipped} batches")
    if f.state_rows:
        parts.append(f"state {f.state_rows} rows {f.state_bytes} bytes")
    if f.late_rows:
        parts.append(f"late {f.late_rows}")
    if f.watermark_us is not None and f.lag_us is not None:
        parts.append(f"watermark {_stamp(f.watermark_us)} lag {timedelta(seconds=f.lag_us // 1_000_000)}")
    parts.append(f"{f.busy_ms:.1f} ms {f.busy_share:.0%}")
    if f.rows_per_second is not None:
        parts.append(f"{f.rows_per_second:,.0f} rows/s")
    return ", ".join(parts)


def _as_json(f: Figures) -> dict[str, Any]:
    values = {field.name: getattr(f, field.name) for field in fields(f) if field.name not in ("node", "inputs")}
    watermark_us = values.pop("watermark_us")
    return {**values, "watermark": None if watermark_us is None else _stamp(watermark_us)}


def _stamp(micros: int) -> str:
    return str(pa.scalar(micros, pa.timestamp("us")))


def _json(plan: str) -> Result:
    """One row, as PostgreSQL's."""
    return Result("EXPLAIN", pa.table({"QUERY PLAN": pa.ExtensionArray.from_storage(JSON, pa.array([plan]))}))


def _text(lines: list[str]) -> Result:
    return Result("EXPLAIN", pa.table({"QUERY PLAN": pa.array(lines, pa.string())}))
