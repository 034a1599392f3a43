"""A Session made for tests of the command: real rows by DuckDB, and statements that misbehave on purpose.

STUBBORN          runs and heeds nothing
SLEEP             runs until cancelled                  ENDLESS n ms     a result without end: n rows, one
every ms NOTICE            a tag and a notice                    BUG              a fault that is no
sqlengine error MISSING           an error with position, detail, hint  BROKEN n         n rows, then an
error CREATE/DROP ...   a tag                                 SHOW ... / DESCRIBE x   lists
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pyarrow as pa

from sqlengine import errors
from sqlengine.advance import Advance, OnProgress
from sqlengine.errors import QueryCanceled, UndefinedColumn, UndefinedTable
from sqlengine.result import Notice
from sqlengine.settings import Settings


class FakeResult:
    """The contract's Result over an iterator of batches."""

    def __init__(
        self,
        tag: str,
        schema: pa.Schema | None = None,
        batches: Iterator[pa.RecordBatch] = iter(()),  # noqa: B008 - an empty iterator keeps nothing
        endless: bool = False,
        notices: tuple[Notice, ...] = (),
    ) -> None:
        self.tag, self.schema, self.endless, self.notices = tag, schema, endless, list(notices)
        self._batches = batches
        self.closed = False

    def batches(self) -> Iterator[pa.RecordBatch]:
        return self._batches

    def to_arrow(self) -> pa.Table:
        return pa.Table.from_batches(list(self._batches), self.schema)

    def close(self) -> None:
        self.closed = True


class FakeSession:
    """The contract's Session."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.executed: list[str] = []
        self.results: list[FakeResult] = []
        self.told: OnProgress | None = None
        self.cancelled = threading.Event()
        self._duck = duckdb.connect()

    def execute(self, sql: str) -> FakeResult:
        self.executed.append(sql)
        self.cancelled.clear()
        result = self._answer(sql)
        self.results.append(result)
        return result

    def on_progress(self, callback: OnProgress | None) -> None:
        self.told = callback

    def cancel(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        self._duck.close()

    def _answer(self, sql: str) -> FakeResult:
        word = sql.split()[0].upper().rstrip(";")
        special: Callable[[str], FakeResult] | None = getattr(self, f"_{word.lower()}", None)
        return special(sql) if special is not None else self._select(sql)

    def _select(self, sql: str) -> FakeResult:
        try:
            table = self._duck.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise errors.SyntaxError(str(error).lower(), position=0) from None
        return FakeResult(f"SELECT {table.num_rows}", table.schema, iter(table.to_batches(max_chunksize=1000)))

    def _sleep(self, sql: str) -> FakeResult:
        if self.told is not None:
            self.told(Advance(0.25, 1_000))
        self._nap(60)
        return FakeResult("SLEEP")

    def _stubborn(self, sql: str) -> FakeResult:
        time.sleep(60)
        return FakeResult("STUBBORN")

    def _nap(self, seconds: float) -> None:
        if self.cancelled.wait(seconds):
            raise QueryCanceled("canceling statement due to user request")

    def _endless(self, sql: str) -> FakeResult:
        rows, pause_ms = (int(n) for n in re.findall(r"\d+", sql))
        schema = pa.schema([("n", pa.int64()), ("name", pa.string())])

        def produce() -> Iterator[pa.RecordBatch]:
            for n in range(rows):
                self._nap(pause_ms / 1000)
                yield pa.record_batch([pa.array([n]), pa.array([f"row {n}"])], schema=schema)
            self._nap(60)

        return FakeResult("SELECT", schema, produce(), endless=True)

    def _broken(self, sql: str) -> FakeResult:
        batch = pa.record_batch([pa.array(list(range(int(re.findall(r"\d+", sql)[0]))))], names=["n"])

        def produce() -> Iterator[pa.RecordBatch]:
            yield batch
            raise UndefinedTable("the rest is gone")

        return FakeResult("SELECT", batch.schema, produce())

    def _notice(self, sql: str) -> FakeResult:
        return FakeResult("CREATE VIEW", notices=(Notice("the view is recomputed as a whole"),))

    def _create(self, sql: str) -> FakeResult:
        return FakeResult(" ".join(sql.split()[:2]).upper())

    _drop = _create

    def _bug(self, sql: str) -> FakeResult:
        raise ValueError("a fault on purpose")

    def _missing(self, sql: str) -> FakeResult:
        at = sql.find("prcie")
        raise UndefinedColumn(
            'column "prcie" does not exist', detail="t has 3 columns", hint='did you mean "price"?',
            position=at if at >= 0 else None,
        )  # fmt: skip

    def _show(self, sql: str) -> FakeResult:
        names = {"STREAMS": ["orders", "clicks"], "TABLES": ["people"]}.get(sql.split()[1].rstrip(";").upper(), [])
        batch = pa.record_batch([pa.array(names, pa.string())], names=["name"])
        return FakeResult("SHOW", batch.schema, iter([batch]))

    def _describe(self, sql: str) -> FakeResult:
        batch = pa.record_batch([pa.array(["price", "quantity"]), pa.array(["bigint", "text"])], names=["name", "type"])
        return FakeResult("DESCRIBE", batch.schema, iter([batch]))


class FakeDatabase:
    """The contract's Database; `connect` below stands in for sqlengine.connect."""

    def __init__(self, path: str, **settings: Any) -> None:
        self.path, self.settings = path, settings
        self.sessions: list[FakeSession] = []

    def session(self) -> FakeSession:
        self.sessions.append(FakeSession())
        return self.sessions[-1]

    def __enter__(self) -> FakeDatabase:
        return self

    def __exit__(self, *_exception: object) -> None:
        pass


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something another thread or process does; AssertionError when it never happens."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)
