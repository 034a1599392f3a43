"""Runs the records of an .slt file on an executor and tells where they differ from what is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa

from sqlengine.types import JsonbType, storage_type
from tests.collectors.executor import Answer, Executor, Failure, row_lines
from tests.collectors.slt_format import Record

_LETTERS: tuple[tuple[str, Callable[[pa.DataType], bool]], ...] = (
    ("J", lambda t: isinstance(t, (pa.JsonType, JsonbType))),
    ("U", lambda t: isinstance(t, pa.UuidType)),
    ("B", pa.types.is_boolean),
    ("I", pa.types.is_integer),
    ("R", pa.types.is_floating),
    ("N", pa.types.is_decimal),
    ("D", pa.types.is_date),
    ("C", pa.types.is_time),
    ("Z", lambda t: pa.types.is_timestamp(t) and t.tz is not None),
    ("S", pa.types.is_timestamp),
    ("V", lambda t: pa.types.is_interval(t) or pa.types.is_duration(t)),
    ("X", lambda t: pa.types.is_binary(t) or pa.types.is_large_binary(t)),
    ("A", lambda t: pa.types.is_list(t) or pa.types.is_large_list(t)),
    ("O", lambda t: pa.types.is_struct(t) or pa.types.is_map(t)),
)


def type_letter(dtype: pa.DataType) -> str:
    """The letter of a column's type, T (text) for what has none of its own."""
    for letter, matches in _LETTERS:
        if matches(dtype):
            return letter
    plain = storage_type(dtype)
    return "T" if plain == dtype else type_letter(plain)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A record that did not behave: its line, its SQL and why."""

    line: int
    sql: str
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}\n\n{self.sql}\n"


def run(records: list[Record], executor: Executor) -> Mismatch | None:
    """Run until the first record that does not behave; None when all do."""
    for record in _live(records):
        if record.runs_on(executor.name) and (reason := _check(record, executor)) is not None:
            return Mismatch(record.line, record.sql, reason)
    return None


def rewrite(records: list[Record], executor: Executor) -> list[Record]:
    """The records with the expectations that the executor's answers fulfil; a failing `ok` becomes an
    error."""
    written = []
    live = {record.line for record in _live(records)}
    for record in records:
        wanted = record.line in live and record.kind != "text" and record.runs_on(executor.name)
        written.append(_rewritten(record, executor) if wanted else record)
    return written


def _live(records: list[Record]) -> list[Record]:
    halts = [i for i, record in enumerate(records) if record.kind == "halt"]
    return records[: halts[0]] if halts else records


def _check(record: Record, executor: Executor) -> str | None:
    if record.kind == "text":
        return None
    try:
        answer = executor.execute(record.sql)
    except Failure as failure:
        return record.error.mismatch(failure) if record.error is not None else f"failed with {failure}"
    if record.error is not None:
        return f"succeeded, but should have failed with {record.error or 'an error'}"
    return _check_rows(record, answer) if record.kind == "query" else None


def _check_rows(record: Record, answer: Answer) -> str | None:
    types = "".join(type_letter(dtype) for dtype in answer.types)
    if not _types_agree(record.types, types):
        names = ", ".join(f"{n} {t}" for n, t in zip(answer.names, answer.types))
        return f"expected column types {record.types}, got {types} ({names})"
    expected, actual = list(record.rows), _sorted(row_lines(answer.rows), record.sort)
    if _sorted(expected, record.sort) == actual:
        return None
    return "rows differ\n" + difference(expected, actual)


def _types_agree(wanted: str, actual: str) -> bool:
    return len(wanted) == len(actual) and all(w in ("?", a) for w, a in zip(wanted, actual))


def _sorted(lines: list[str], sort: str) -> list[str]:
    return sorted(lines) if sort == "rowsort" else lines


def difference(expected: list[str], actual: list[str]) -> str:
    """The two lists of lines, marked `-` where only expected and `+` where only got; long common runs are
    left out."""
    import difflib  # lazy: only a failing test needs it

    lines = list(difflib.unified_diff(expected, actual, "expected", "got", lineterm="", n=3))
    return "\n".join(lines[:200]) if lines else "(the same rows in another order)"


def _rewritten(record: Record, executor: Executor) -> Record:
    try:
        answer = executor.execute(record.sql)
    except Failure as failure:
        if record.error is not None and record.error.mismatch(failure) is None:
            return record
        return replace(record, kind="error", head=f"statement error {failure.sqlstate}", rows=(), types="")
    if record.kind == "error":
        return replace(record, kind="ok", head="statement ok")
    if record.kind != "query":
        return record
    types = "".join(type_letter(dtype) for dtype in answer.types)
    kept = record.types if _types_agree(record.types, types) else types
    return record.with_rows(kept, tuple(_sorted(row_lines(answer.rows), record.sort)))
