"""Flink SQL in streaming mode, from CSV files (its wheel reads no Parquet) into its blackhole sink.

Its wheel wants older packages than ours: give the interpreter of another environment, `--python flink=PATH`.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from benchmarks.nexmark.peers.peer import READS, STANDARD, columns, main

CAN = "q0 q1 q2 q3 q4 q5 q7 q8 q9 q11 q15 q16 q17 q18 q19 q20 q22".split()
RESERVED = "day", "minute"


def rendered(text: str) -> str:
    """Our text with Flink's reserved words quoted where they name columns."""
    for word in RESERVED:
        text = text.replace(f" AS {word}", f" AS `{word}`")
    return text


TEXTS = {name: rendered(STANDARD[name]) for name in CAN}
SETTINGS = {
    "pipeline.object-reuse": "true",
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.allow-latency": "1 s",
    "table.exec.mini-batch.size": "65536",
    "table.optimizer.distinct-agg.split.enabled": "true",
    "table.local-time-zone": "UTC",
}


def as_csv(folder: Path, table: str, to: Path) -> None:
    """The table's rows as CSV, times to the millisecond as Flink reads them."""
    import pyarrow as pa
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

    rows = pq.read_table(folder / f"{table}.parquet")
    for i, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            rows = rows.set_column(i, field.name, rows.column(i).cast(pa.timestamp("ms")).cast(pa.string()))
    csv.write_csv(rows, to, csv.WriteOptions(include_header=False))


def run(folder: Path, query: str, text: str) -> tuple[float, None]:
    """From submitting the job to its end, a second of starting included."""
    from pyflink.table import EnvironmentSettings, TableEnvironment  # in this process: it may not be installed

    environment = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    threads = os.environ.get("NEXMARK_THREADS", "1")
    for name, value in {**SETTINGS, "parallelism.default": threads}.items():
        environment.get_config().set(name, value)
    with tempfile.TemporaryDirectory() as work:
        for table in READS[query]:
            path = Path(work) / f"{table}.csv"
            as_csv(folder, table, path)
            environment.execute_sql(
                f"CREATE TABLE {table} ({columns(table, 'STRING', 'TIMESTAMP(3)')},"
                " WATERMARK FOR date_time AS date_time - INTERVAL '4' SECOND)"
                f" WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = 'file://{path}')"
            )
        started = time.perf_counter()
        environment.execute_sql(f"CREATE TABLE answer WITH ('connector' = 'blackhole') AS {text}").wait()
        return time.perf_counter() - started, None


if __name__ == "__main__":
    main("pyflink", TEXTS, run)
