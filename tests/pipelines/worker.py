"""The process that is killed: it does what it is told to a database and says what it has done."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import sqlengine
from sqlengine.catalog.objects import STREAM_QUERY, MaterializedView, Sink, Stream, Table
from sqlengine.runtime import fill
from sqlengine.runtime.outputs import ConnectorOutput
from sqlengine.statements import write
from tests.fuzz.limits import small_limits
from tests.fuzz.user_aggregates import register
from tests.pipelines import faults
from tests.pipelines.judge import Row, Shown, row_of

ALLOWED = ("55006", "55000", "2BP01", "42704", "42P01")
"""What a control statement may be refused with: something is under way, or is not there yet."""


@dataclass(frozen=True)
class Life:
    """One process over a database; `fault`: what is planted in it."""

    path: str
    folder: str
    seed: str
    fault: str = ""


def live(life: Life, told: Connection) -> None:
    """Open the database and say what is in it; then, to the end:

    ("do", statements) is answered ("ack", refusal or None), ("show", whole) by ("shown", Shown).
    """
    rng = random.Random(life.seed)
    faults.plant(life.fault)
    with small_limits(rng.randrange(1_000_000)):
        if rng.random() < 0.5:
            fill.STEP_ROWS_MAX, fill.SWITCH_ROWS_MAX = 7, 3
        write.APPEND_ROWS = rng.choice((2, 3, 65_536))
        db = sqlengine.connect(life.path, checkpoint_interval_ms=rng.choice((1, 3, 10, 30, 100, 1000)))
        register(db)
        told.send(("shown", show(db, life.folder, whole=False)))
        while True:
            match told.recv():
                case ("do", statements):
                    told.send(("ack", faults.acknowledging(lambda: do(db, statements))))
                case ("show", whole):
                    faults.acknowledging.finish()
                    if whole:
                        settle(db)
                    told.send(("shown", show(db, life.folder, whole)))


def do(db: sqlengine.Database, statements: tuple[str, ...]) -> str | None:
    """Run a unit; why it was refused."""
    try:
        for statement in statements:
            db.execute(statement)
    except sqlengine.Error as error:
        if error.sqlstate in ALLOWED:
            return f"{error.sqlstate} {error}"
        raise
    return None


def settle(db: sqlengine.Database) -> None:
    """Everything runs, and has taken in all there is."""
    db.execute("WAIT")
    for query in list(db._instance.scheduler.queries.values()):
        if query.status == "paused":
            db.execute(f"RESUME QUERY {query.name.removesuffix(STREAM_QUERY)}")
    db.execute("WAIT; CHECKPOINT")
    for output in db._instance.outputs.values():
        if isinstance(output, ConnectorOutput):
            output.sink.finish(for_good=False)


def show(db: sqlengine.Database, folder: str, whole: bool) -> Shown:
    """What there is; without `whole` the tables alone, and what streams say."""
    instance = db._instance
    with instance.lock:
        instance.catch_up()
        objects = list(instance.catalog)
        written = {o.name.removesuffix(STREAM_QUERY): o for o in objects if isinstance(o, Sink)}
        stored = [o for o in objects if isinstance(o, (Stream, Table)) and o.name not in written]
        tables = {o.name: instance.contents(o) for o in stored}
        made = {name: o for name, o in written.items() if not o.filling}
        topics = {name: stream(db, o.options["topic"]) for name, o in made.items() if o.connector == "topic"}
        streams, ends = ({name: found[i] for name, found in topics.items()} for i in (0, 1))
        if not whole:
            return Shown(tables, streams=streams)
        views = [o for o in objects if isinstance(o, MaterializedView)]
        return Shown(
            tables,
            {o.name: instance.contents(o) for o in views},
            streams,
            {name: files(Path(folder) / name) for name, o in made.items() if o.connector == "file"},
            {o.name: o.query for o in views},
            {
                q.name: f"{q.status} {q.error}"
                for q in instance.scheduler.queries.values()
                if q.status != "running"
            } | {name: str(error) for name, error in instance.waiting.items()},
            ends,
        )  # fmt: skip


def stream(db: sqlengine.Database, topic: str) -> tuple[dict[int, Row], list[int]]:
    """(the rows of a topic by their offsets, where transactions end)."""
    log = db.storage.topic(topic).partitions[0]
    found: dict[int, Row] = {}
    ends: list[int] = []
    position = log.start_offset
    while position < log.last_stable_offset:
        for frame in log.read(position):
            rows = zip(*(column.to_pylist() for column in frame.batch.columns), strict=True)
            found |= dict(zip(frame.offsets().tolist(), map(row_of, rows), strict=True))
            if frame.ends_transaction:
                ends.append(frame.base_offset)
            position = frame.next_offset
    return found, ends


def files(folder: Path) -> dict[str, list[Row]]:
    """The rows of all files that are visible in a directory."""
    return {p.name: _read(p) for p in sorted(folder.glob("[!._]*"))}


def _read(path: Path) -> list[Row]:
    if path.suffix == ".json":
        return [row_of(list(json.loads(line).values())) for line in path.read_text().splitlines()]
    table: Any = pq.read_table(path) if path.suffix == ".parquet" else pa.ipc.open_file(path).read_all()
    return [row_of(row) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]


def serve(life: Life, told: Connection) -> None:
    """`live` until the other side goes away; what it raises is said."""
    try:
        live(life, told)
    except (EOFError, ConnectionError):
        return
    except BaseException as error:
        import traceback

        with suppress(OSError):
            told.send(("broken", f"{type(error).__name__}: {error}\n{traceback.format_exc()}"))
