"""Runs the scripts in peers/: the files they read, a process for each query, and why one was left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.nexmark.streams import TABLES, table_rows
from sqlengine.connectors.nexmark.config import NexmarkConfig

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {path.stem.removeprefix("run_"): path for path in sorted((Path(__file__).parent / "peers").glob("run_*.py"))}
PEERS = tuple(SCRIPTS)
START_SECONDS = 30
"""What a process may take besides the time the engine is given: imports, a JVM, reading and writing files."""


def write_tables(folder: Path, count: int) -> None:
    """The three tables as Parquet, event times as timestamps, and as milliseconds in folder/millis."""
    (folder / "millis").mkdir(parents=True)
    for table in TABLES:
        rows = table_rows(table, 0, count, NexmarkConfig())
        pq.write_table(rows, folder / f"{table}.parquet", compression="none", row_group_size=65_536)
        for i, field in enumerate(rows.schema):
            if pa.types.is_timestamp(field.type):
                millis = rows.column(i).cast(pa.timestamp("ms")).cast(pa.int64())
                rows = rows.set_column(i, field.name, millis)
        pq.write_table(rows, folder / "millis" / f"{table}.parquet", compression="none", row_group_size=65_536)


class PeerRuns:
    """One engine; after it turned out not to be installed nothing more is tried."""

    def __init__(self, peer: str, python: str, folder: Path, threads: int, limit_seconds: float) -> None:
        self.peer = peer
        self._command = [python, str(SCRIPTS[peer]), str(folder)]
        self._threads = threads
        self._limit_seconds = limit_seconds
        self._installed = True

    def seconds(self, query: str, answer_rows: int) -> float | None:
        """The engine's own time for a query; None, and a line that says why, when it has none that counts."""
        line = self.line(query)
        if line is None:
            return None
        if line["rows"] not in (None, answer_rows):
            self._skip(query, f"it answers {line['rows']:,} rows, not {answer_rows:,}")
            return None
        return float(line["seconds"])

    def line(self, query: str) -> dict[str, Any] | None:
        """What the runner printed: seconds, rows and grown_bytes; None, and a line that says why, when it failed."""
        if not self._installed:
            return None
        line = self._run(query)
        if "reason" in line:
            self._installed = "not installed" not in line["reason"]
            self._skip(query if self._installed else "all queries", line["reason"])
            return None
        return line

    def _run(self, query: str) -> dict[str, Any]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "NEXMARK_THREADS": str(self._threads)}
        limit = START_SECONDS + self._limit_seconds
        try:
            done = subprocess.run(
                [*self._command, query], capture_output=True, text=True, timeout=limit, env=environment, check=False
            )
        except subprocess.TimeoutExpired:
            return {"reason": f"it takes more than {limit:g} s"}
        printed = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if printed:
            return dict(json.loads(printed[-1]))
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        errors = [line for line in said if "Error" in line or "Exception" in line] or said
        return {"reason": errors[-1].strip()[:200]}

    def _skip(self, what: str, reason: str) -> None:
        print(f"{self.peer}: {what} left out: {reason}", file=sys.stderr)
