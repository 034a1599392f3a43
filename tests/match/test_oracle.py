"""Random patterns over random rows: views after every tick, queries and closing operators against brute force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import sqlengine
from sqlengine import sql
from sqlengine.catalog.objects import PlanningInfo
from sqlengine.delta import Delta
from sqlengine.operators import build_operator
from sqlengine.operators.base import END_OF_TIME, Times
from sqlengine.plan.match_node import MatchRecognize
from sqlengine.plan.nodes import Node
from tests.depth import rounds
from tests.match import oracle
from tests.match.oracle import Path, Query, Row, first, last, places, values

NAMES = "ABCD"


def _less(a: Any, b: Any) -> bool:
    return a is not None and b is not None and a < b


CONDITIONS: dict[str, tuple[str, Callable[[str], oracle.Condition]]] = {
    "falls": ("{v}.x < PREV({v}.x)", lambda v: lambda r, p: _less(last(r, p, v, "x"), last(r, p, v, "x", 0, -1))),
    "rises": ("x > PREV(x)", lambda v: lambda r, p: _less(last(r, p, None, "x", 0, -1), last(r, p, None, "x"))),
    "before rise": ("x < NEXT({v}.x)", lambda v: lambda r, p: _less(last(r, p, v, "x"), last(r, p, v, "x", 0, 1))),
    "small": ("{v}.x < 3", lambda v: lambda r, p: _less(last(r, p, v, "x"), 3)),
    "large": ("{v}.x >= 2", lambda v: lambda r, p: _less(1, last(r, p, v, "x"))),
    "even": (
        "u.x % 2 = 0",
        lambda v: lambda r, p: last(r, p, "AB", "x") is not None and last(r, p, "AB", "x") % 2 == 0,
    ),
    "above first": ("{v}.x > FIRST(x)", lambda v: lambda r, p: _less(first(r, p, None, "x"), last(r, p, v, "x"))),
    "few": ("COUNT({v}.*) <= 2", lambda v: lambda r, p: len(places(p, v)) <= 2),
    "light": ("SUM(x) < 8 OR {v}.x IS NULL", lambda v: lambda r, p: _light(r, p) or last(r, p, v, "x") is None),
    "second": (
        "{v}.x >= 1 AND LAST(A.x, 1) IS NULL",
        lambda v: lambda r, p: _less(0, last(r, p, v, "x")) and last(r, p, "A", "x", 1) is None,
    ),
}


def _light(rows: list[Row], path: Path) -> bool:
    found = values(rows, path, None, "x")
    return bool(found) and sum(found) < 8


def _sum(found: list[Any]) -> Any:
    return sum(found) if found else None


MEASURES: list[tuple[str, Callable[[list[Row], Path, Path, int], Any]]] = [
    ("MATCH_NUMBER()", lambda r, p, w, n: n),
    ("CLASSIFIER()", lambda r, p, w, n: p[-1][1] if p else None),
    ("CLASSIFIER(u)", lambda r, p, w, n: next((v for _, v, _ in p[::-1] if v in "AB"), None)),
    ("FIRST(A.id)", lambda r, p, w, n: first(r, p, "A", "id")),
    ("FIRST(B.id, 1)", lambda r, p, w, n: first(r, p, "B", "id", 1)),
    ("LAST(id)", lambda r, p, w, n: last(r, p, None, "id")),
    ("FINAL LAST(u.id, 1)", lambda r, p, w, n: last(r, w, "AB", "id", 1)),
    ("A.id", lambda r, p, w, n: last(r, p, "A", "id")),
    ("PREV(FIRST(id), 2)", lambda r, p, w, n: first(r, p, None, "id", 0, -2)),
    ("NEXT(LAST(B.id))", lambda r, p, w, n: last(r, p, "B", "id", 0, 1)),
    ("COUNT(*)", lambda r, p, w, n: len(p)),
    ("FINAL COUNT(u.*)", lambda r, p, w, n: len(places(w, "AB"))),
    ("RUNNING SUM(B.x)", lambda r, p, w, n: _sum(values(r, p, "B", "x"))),
    ("MAX(x + 1) - MIN(x)", lambda r, p, w, n: max(f) + 1 - min(f) if (f := values(r, p, None, "x")) else None),
    ("COUNT(DISTINCT u.x)", lambda r, p, w, n: len(set(values(r, p, "AB", "x")))),
    ("STRING_AGG(CLASSIFIER(), '')", lambda r, p, w, n: "".join(v for _, v, _ in p) or None),
    ("COALESCE(LAST(A.x), -1) * 2", lambda r, p, w, n: 2 * (-1 if (v := last(r, p, "A", "x")) is None else v)),
]


@st.composite
def patterns(draw: Any, depth: int = 2) -> tuple[Any, str]:
    """(pattern as the oracle has it, its text).  What is repeated has a row, so that no iteration is empty."""
    kinds = ["var"] if depth == 0 else ["var", "seq", "seq", "alt", "rep", "rep", "out", "permute"]
    kind = draw(st.sampled_from(kinds))
    if kind == "var":
        name = draw(st.sampled_from(NAMES))
        return ("var", name), name
    parts = draw(st.lists(patterns(depth=depth - 1), min_size=2, max_size=3))
    if kind == "rep":
        part, text = parts[0]
        least, most = draw(st.sampled_from([(0, None), (1, None), (0, 1), (2, None), (1, 2), (2, 2), (0, 2)]))
        reluctant = draw(st.booleans())
        assume(not _nullable(part))
        spelt = f"{{{least},{'' if most is None else most}}}"
        spelt = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((least, most), spelt)
        return ("rep", part, least, most, reluctant), f"({text}){spelt}{'?' if reluctant else ''}"
    if kind == "out":
        return ("out", parts[0][0]), f"{{- {parts[0][1]} -}}"
    trees, texts = [p for p, _ in parts], [f"({t})" for _, t in parts]
    text = {"seq": " ".join(texts), "alt": " | ".join(texts), "permute": f"PERMUTE({', '.join(texts)})"}[kind]
    return (kind, *trees), f"({text})" if kind == "alt" else text


def _nullable(pattern: Any) -> bool:
    if pattern[0] == "var":
        return False
    if pattern[0] == "alt":
        return any(map(_nullable, pattern[1:]))
    if pattern[0] == "rep":
        return pattern[2] == 0 or _nullable(pattern[1])
    return all(map(_nullable, pattern[1:])) if pattern[0] != "out" else _nullable(pattern[1])


def _used(pattern: Any) -> set[str]:
    if pattern[0] == "var":
        return {pattern[1]}
    return set().union(*(_used(p) for p in pattern[1:] if isinstance(p, tuple)))


@st.composite
def queries(draw: Any, closing: bool = False) -> tuple[Query, str, list[int], str]:
    """(what the oracle is asked, the clause, which MEASURES it has, how rows are shown)."""
    tree, text = draw(patterns())
    tree, text = ("seq", ("rep", ("var", "A"), 0, 1, True), ("rep", ("var", "B"), 0, 1, True), tree), f"A?? B?? {text}"
    anchor = draw(st.sampled_from(["", "", "", "^", "$"]))
    if anchor == "^":
        tree, text = ("seq", ("begin",), tree), f"^ {text}"
    elif anchor == "$" and not closing:
        tree, text = ("seq", tree, ("end",)), f"{text} $"
    chosen = {v: draw(st.sampled_from([None, *CONDITIONS])) for v in sorted(_used(tree))}
    chosen["A"] = chosen["A"] or "large"
    defines = {v: CONDITIONS[c][1](v) for v, c in chosen.items() if c}
    conditions = ", ".join(f"{v} AS {CONDITIONS[c][0].format(v=v)}" for v, c in chosen.items() if c)
    skip, skip_text = draw(
        st.sampled_from(
            [
                ("past", "PAST LAST ROW"),
                ("next", "TO NEXT ROW"),
                (("first", "B"), "TO FIRST B"),
                (("last", "AB"), "TO LAST u"),
            ]
        )
    )
    within = draw(st.sampled_from([None, None, 3]))
    shown = draw(
        st.sampled_from(
            [
                "ONE ROW PER MATCH",
                "ALL ROWS PER MATCH",
                "ALL ROWS PER MATCH OMIT EMPTY MATCHES",
                "ALL ROWS PER MATCH WITH UNMATCHED ROWS",
            ]
        )
    )
    assume(not (shown.endswith("UNMATCHED ROWS") and "{-" in text))
    measures = draw(st.lists(st.sampled_from(range(len(MEASURES))), min_size=1, max_size=4, unique=True))
    listed = ", ".join(f"{MEASURES[m][0]} AS m{m}" for m in measures)
    clause = (
        f"MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts, id MEASURES {listed} {shown} AFTER MATCH SKIP {skip_text}"
        f" PATTERN ({text}){' WITHIN INTERVAL ' + repr('3 seconds') if within else ''}"
        f" SUBSET u = (A, B) DEFINE {conditions})"
    )
    return Query(tree, defines, skip, within), clause, measures, shown


ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.sampled_from([None, 0, 1, 2, 3, 4])), max_size=9)
"""(partition, how much later, x) of rows in the order of their time."""


def _rows(drawn: list[tuple[int, int, Any]]) -> list[Row]:
    ts, rows = 0, []
    for number, (k, later, x) in enumerate(drawn):
        ts += later
        rows.append({"k": k, "id": number, "ts": ts, "x": x})
    return rows


def expected(query: Query, measures: list[int], shown: str, rows: list[Row]) -> Counter[tuple[Any, ...]]:
    """The rows of the answer, as many times as they are there."""
    out: Counter[tuple[Any, ...]] = Counter()
    for k in {r["k"] for r in rows}:
        own = sorted((r for r in rows if r["k"] == k), key=lambda r: (r["ts"], r["id"]))
        covered = set()
        for number, (start, path) in enumerate(oracle.matches(query, own), 1):
            covered |= {place for place, _, _ in path} or {start}
            if shown == "ONE ROW PER MATCH":
                out[(k, *(MEASURES[m][1](own, path, path, number) for m in measures))] += 1
                continue
            if not path and "OMIT" not in shown:
                out[_whole(own[start], [MEASURES[m][1](own, path, path, number) for m in measures])] += 1
            for i, (place, _, excluded) in enumerate(path):
                if not excluded:
                    found = [MEASURES[m][1](own, path[: i + 1], path, number) for m in measures]
                    out[_whole(own[place], found)] += 1
        if "UNMATCHED" in shown:
            for place, row in enumerate(own):
                if place not in covered:
                    out[_whole(row, [None] * len(measures))] += 1
    return out


def _whole(row: Row, found: list[Any]) -> tuple[Any, ...]:
    return (row["k"], row["ts"], row["id"], *found, row["x"])


def _answer(rows: list[tuple[Any, ...]], shown: str) -> Counter[tuple[Any, ...]]:
    """The engine's rows with times as the oracle has them."""
    if shown == "ONE ROW PER MATCH":
        return Counter(map(tuple, rows))
    return Counter((r[0], int(r[1].timestamp()) if hasattr(r[1], "timestamp") else r[1], *r[2:]) for r in rows)


def _values(rows: list[Row]) -> str:
    return ", ".join(
        f"({r['k']}, {r['id']}, TIMESTAMP '1970-01-01' + INTERVAL '{r['ts']} seconds', "
        f"{'NULL' if r['x'] is None else r['x']})"
        for r in rows
    )


@pytest.mark.slow
@given(asked=queries(), drawn=ROWS, order=st.randoms(use_true_random=False), batches=st.integers(1, 4))
@settings(max_examples=rounds(25, 400), deadline=None, suppress_health_check=list(HealthCheck))
def test_views_over_rows_in_any_order_with_deletions(asked: Any, drawn: Any, order: Any, batches: int) -> None:
    query, clause, measures, shown = asked
    rows = _rows(drawn)
    order.shuffle(rows)
    gone = [r for r in rows if order.random() < 0.3]
    try:
        for end in range(len(rows) + 1):
            expected(query, measures, shown, rows[:end])
        left = [r for r in rows if r not in gone]
        wanted_after = expected(query, measures, shown, left)
    except oracle.SkipError:
        assume(False)
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (k INT, id INT PRIMARY KEY, ts TIMESTAMP, x INT)")
        db.execute(f"CREATE MATERIALIZED VIEW v AS SELECT * FROM t {clause}")
        size = max(1, -(-len(rows) // batches))
        for start in range(0, len(rows), size):
            db.execute(f"INSERT INTO t VALUES {_values(rows[start : start + size])}")
            wanted = expected(query, measures, shown, rows[: start + size])
            assert _answer(_utc(db.execute("SELECT * FROM v").fetchall()), shown) == wanted, clause
        for row in gone:
            db.execute(f"DELETE FROM t WHERE id = {row['id']}")
        assert _answer(_utc(db.execute("SELECT * FROM v").fetchall()), shown) == wanted_after, clause
        once = db.execute(f"SELECT * FROM t {clause}").fetchall()
        assert _answer(_utc(once), shown) == wanted_after, clause


def _utc(rows: list[Any]) -> list[tuple[Any, ...]]:
    return [tuple(v.replace(tzinfo=UTC) if isinstance(v, datetime) else v for v in row) for row in rows]


def _match_node(plan: Node) -> MatchRecognize:
    if isinstance(plan, MatchRecognize):
        return plan
    return _match_node(plan.inputs[0])


@pytest.mark.slow
@given(asked=queries(closing=True), drawn=ROWS, batches=st.integers(1, 5), restored=st.booleans())
@settings(max_examples=rounds(30, 500), deadline=None, suppress_health_check=list(HealthCheck))
def test_closing_operators_say_once_what_brute_force_says(asked: Any, drawn: Any, batches: int, restored: bool) -> None:
    query, clause, measures, shown = asked
    rows = _rows(drawn)
    try:
        wanted = expected(query, measures, shown, rows)
    except oracle.SkipError:
        assume(False)
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM t (k INT, id INT, ts TIMESTAMP, x INT, WATERMARK FOR ts AS ts)")
        instance = db._session.context.instance
        parsed = sql.parse_query(f"SELECT * FROM t {clause}")
        plan = instance.plan(parsed, sql.ast.Emit(mode="final"), PlanningInfo())
    node = _match_node(plan.physical)
    operator = build_operator(node)
    told: list[tuple[Any, ...]] = []
    shown_names = [f.name for f in plan.physical.schema]
    size = max(1, -(-len(rows) // batches))
    steps = [rows[i : i + size] for i in range(0, len(rows), size)]
    for step in [*steps, None]:
        if step:
            columns = {
                f.name: pa.array([r.get(f.name) if f.name != "ts" else r["ts"] * 1_000_000 for r in step]).cast(f.type)
                if f.name in "k id ts x".split()
                else _computed(f, step)
                for f in node.input.schema
            }
            batch = pa.RecordBatch.from_arrays(list(columns.values()), schema=node.input.schema)
            assert operator.process(Delta(batch), 0, 0) is None
        mark = END_OF_TIME if step is None else step[-1]["ts"] * 1_000_000
        out = operator.advance(Times((mark,), 0))
        assert out is None or out.weights is None
        if out is not None:
            own = pa.table(out.batch.columns, names=out.batch.schema.names).select(shown_names)
            told += [tuple(r.values()) for r in own.to_pylist()]
        if restored:
            state = operator.snapshot()
            operator = build_operator(node)
            operator.restore(state)
    assert not operator.errors.take()
    assert _answer(_utc(told), shown) == wanted, clause


def _computed(field: pa.Field, step: list[Row]) -> pa.Array:
    """Columns that the planner computes below: x + 1, and what stands for CLASSIFIER()."""
    if field.name == "$classifier" or pa.types.is_string(field.type):
        return pa.array(["$classifier"] * len(step), field.type)
    return pa.array([None if r["x"] is None else r["x"] + 1 for r in step]).cast(field.type)
