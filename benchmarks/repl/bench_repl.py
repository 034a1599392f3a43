"""What a user of the prompt waits for: its first line, and a menu of completions with 5,000 objects in the catalog.

The bars are absolute (1.0 s, 30 ms, 0.3 s), so `ratio` is the bar divided by what was measured: 1 or more meets it.
"""

from __future__ import annotations

import json
import os
import pty
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from repl.completion.completer import SqlCompleter
from repl.completion.names import fetch_names
from repl.remote import RemoteDatabase
from repl.render import renderer
from repl.render.base import Look, Summary, Target
from repl.terminal import Output, Screen
from sqlengine import connect

ROOT = Path(__file__).resolve().parents[2]
OBJECTS, ROUNDS, ROWS = 5_000, 7, 100_000
TEN_COLUMNS = (
    "SELECT range AS a, range * 2 AS b, range / 3.0 AS c, 'row ' || range AS d, range % 7 = 0 AS e, "
    "timestamp '2024-01-01' + interval '1 second' * range AS f, (range % 100)::numeric(10, 2) AS g, "
    f"'x' || (range % 10) AS h, date '2024-01-01' AS i, range::int AS j FROM range({ROWS})"
)
TYPED = (
    "SELECT column_1, a.column_2, count(*) FROM table_4711 a JOIN table_12 o ON a.column_1 = o.column_1 WHERE col",
    "CREATE STREAM s (a bigint, b text) WITH (connector = 'datagen', rows_per_second = 5, fields.a.kind = 'sequence')",
    "INSERT INTO table_99 SELECT * FROM table_100 WHERE column_2 IS NOT NULL",
)  # fmt: skip


def case(name: str, value: float, unit: str, bar: float) -> None:
    """Print one measurement."""
    ratio = bar / value
    told = {"case": f"repl: {name}", "engine": "sqlengine", "value": round(value, 4), "unit": unit}
    print(json.dumps({**told, "ratio": round(ratio, 3), "bar": 1.0, "met": ratio >= 1.0}))


def seconds_to_prompt() -> float:
    """From process start until the prompt stands on a terminal, in memory."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        pid, terminal = pty.fork()
        if pid == 0:
            environ = {"PYTHONPATH": str(ROOT), "HOME": folder, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
            os.execve(sys.executable, [sys.executable, "-m", "repl"], {**environ, "PATH": "/usr/bin:/bin"})
        shown = b""
        while b"sql>" not in shown and select.select([terminal], [], [], 60)[0]:
            shown += os.read(terminal, 65_536)
        took = time.perf_counter() - began
        os.write(terminal, b"\x04")
        while select.select([terminal], [], [], 10)[0]:
            try:
                if not os.read(terminal, 65_536):
                    break
            except OSError:  # the terminal's other end is closed: the command has left
                break
        os.waitpid(pid, 0)
        os.close(terminal)
        return took


def keystrokes(completer: SqlCompleter) -> Iterator[float]:
    """Milliseconds for the menu after every key of some statements."""
    for text in TYPED:
        for cursor in range(1, len(text) + 1):
            began = time.perf_counter()
            list(completer.get_completions(Document(text[:cursor], cursor), CompleteEvent()))
            yield (time.perf_counter() - began) * 1000


def first_page() -> float:
    """Seconds for 100,000 rows as a table of the terminal's height."""
    with connect() as database:
        result = database.execute(f"SELECT range AS n, 'row ' || range AS name, range / 3.0 AS x FROM range({ROWS})")
        table = result.to_arrow()
        began = time.perf_counter()
        written(table.schema, table.to_batches())
        return time.perf_counter() - began


def written(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write rows as a table of the terminal's height."""
    with open(os.devnull, "wb") as nowhere:
        screen = Screen(120, 40, color=True)
        writer = renderer("table", Target(Output(nowhere, screen), schema, Look(shown_rows=40)))
        for batch in batches:
            writer.write(batch)
        writer.finish(Summary(ROWS, 0.0))


def first_pages_of_a_server() -> Iterator[float]:
    """Seconds from a statement to its 100,000 rows of ten columns as a table, in a server of its own process."""
    command = [sys.executable, "-m", "repl", "serve", "--pg", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stderr is not None
        port = server.stderr.readline().split(":")[1].split(",")[0].strip()
        session = RemoteDatabase(f"postgresql://sqlengine@127.0.0.1:{port}/sqlengine").session()
        for _ in range(ROUNDS):
            began = time.perf_counter()
            result = session.execute(TEN_COLUMNS)
            written(result.schema, result.batches())
            yield time.perf_counter() - began
        session.close()
        server.terminate()


def main() -> None:
    """Measure each."""
    seconds_to_prompt()
    case("prompt ready", statistics.median(seconds_to_prompt() for _ in range(ROUNDS)), "s", 1.0)
    with connect() as database:
        session = database.session()
        for number in range(OBJECTS):
            session.execute(f"CREATE TABLE table_{number} (column_1 bigint, column_2 text, other_{number} text)")
        names = fetch_names(session)
        session.close()
    completer = SqlCompleter(lambda: names)
    list(keystrokes(completer))
    measured = sorted(took for _ in range(5) for took in keystrokes(completer))
    case(f"completion, {OBJECTS:,} objects, median", measured[len(measured) // 2], "ms", 30.0)
    case(f"completion, {OBJECTS:,} objects, p99", measured[int(len(measured) * 0.99)], "ms", 30.0)
    case(f"first page of {ROWS:,} rows", statistics.median(first_page() for _ in range(ROUNDS)), "s", 0.3)
    case(
        f"first page of {ROWS:,} rows of a server, query included",
        statistics.median(first_pages_of_a_server()),
        "s",
        0.3,
    )


if __name__ == "__main__":
    main()
