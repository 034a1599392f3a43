"""Files of Hive tables next to DuckDB: delimited text loaded into Parquet, and rows overwritten into many
partitions.

    python benchmarks/hql/bench_files.py [--quick] [--directory DIR] [--rounds N]

`load`: a table of 1 GB of text (fields of all usual types behind `|`) is read and written to a Parquet table, as
INSERT OVERWRITE does; DuckDB copies `read_csv` of the same file, columns declared, to one Parquet file.
`partitions`: 5 million rows, in memory before the clock starts, are written to a table of 100 dynamic partitions;
DuckDB's is COPY with PARTITION_BY of the same rows. Both engines use as many threads as there are cores, at most
four, and Snappy. Ours is on disk when it is done, DuckDB's in the system's cache. Sums over what was written are
compared. Rounds alternate; medians are told. Bars: 0.7 of DuckDB's speed.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.side_by_side import report
from sqlengine.warehouse import OVERWRITE, TableDescription, describe, read_table, write_rows
from sqlengine.workers import default_threads

BAR = 0.7
TEXT_BYTES = 1 << 30
ROW_BYTES = 108
PARTITION_ROWS = 5_000_000
PARTITIONS = 100
COLUMNS = [
    ("id", "bigint"), ("k", "int"), ("name", "string"), ("price", "decimal(10,2)"), ("day", "date"),
    ("at", "timestamp"), ("hash", "string"), ("x", "double"),
]  # fmt: skip
MADE = """
    SELECT i AS id, ((i * 7919) % 1000)::INT AS k, 'name-' || (i % 5000) AS name,
           ((i * 31) % 100000 / 100)::DECIMAL(10, 2) AS price, DATE '2020-01-01' + (i % 1000)::INT AS day,
           TIMESTAMP '2024-01-01' + INTERVAL 1 SECOND * i AS at, md5(i::VARCHAR) AS hash, (i % 97) / 7.0 AS x
    FROM range({rows}) t(i)
"""
SUMS = (
    "SELECT count(*), sum(id), sum(k), sum(length(name)), "
    "sum(price::DECIMAL(12, 2)), min({last}), max({last}) FROM {source}"
)


def table(directory: Path, columns: list[tuple[str, str]], keys: list[tuple[str, str]], kind: str) -> TableDescription:
    """A table of the benchmark."""
    return describe(
        directory.name,
        [(name, hive, "") for name, hive in columns],
        str(directory),
        partition_columns=[(name, hive, "") for name, hive in keys],
        file_format=kind,
        serde_properties={"field.delim": "|"} if kind == "textfile" else {},
    )


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def alternate(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Medians of both, after one round that is not counted."""
    timed(ours), timed(theirs)
    pairs = [(timed(ours), timed(theirs)) for _ in range(rounds)]
    first, second = zip(*pairs, strict=True)
    return statistics.median(first), statistics.median(second)


def check(connection: duckdb.DuckDBPyConnection, last: str, *sources: str) -> None:
    """The same sums over what both have written."""
    answers = {repr(connection.execute(SUMS.format(last=last, source=source)).fetchall()) for source in sources}
    if len(answers) != 1:
        raise SystemExit(f"the answers differ: {answers}")


def load(connection: duckdb.DuckDBPyConnection, directory: Path, size: int, rounds: int) -> None:
    """Text into Parquet."""
    source = table(directory / "text", COLUMNS, [], "textfile")
    os.makedirs(source.location)
    path = f"{source.location}/data"
    connection.execute(
        f"COPY ({MADE.format(rows=size // ROW_BYTES)}) TO '{path}' "
        "(FORMAT csv, DELIMITER '|', HEADER false, NULLSTR '\\N')"
    )
    target = table(directory / "ours", COLUMNS, [], "parquet")
    kinds = {"string": "varchar"}
    declared = ", ".join(f"'{name}': '{kinds.get(hive, hive)}'" for name, hive in COLUMNS)
    read = f"read_csv('{path}', delim = '|', header = false, nullstr = '\\N', columns = {{{declared}}})"

    def ours() -> None:
        write_rows(target, read_table(source), mode=OVERWRITE)

    def theirs() -> None:
        connection.execute(f"COPY (FROM {read}) TO '{directory}/theirs.parquet' (FORMAT parquet)")

    mine, other = alternate(ours, theirs, rounds)
    check(connection, '"at"', f"'{target.location}/*.parquet'", f"'{directory}/theirs.parquet'")
    megabytes = os.path.getsize(path) / 1e6
    report("load text into Parquet", "duckdb", megabytes / other, "MB/s")
    report("load text into Parquet", "ours", megabytes / mine, "MB/s", other / mine, BAR)


def partitions(connection: duckdb.DuckDBPyConnection, directory: Path, rows: int, rounds: int) -> None:
    """Rows into many partitions."""
    columns = [("id", "bigint"), ("k", "int"), ("name", "string"), ("price", "double")]
    connection.execute(
        "CREATE TABLE made AS SELECT id, k, name, price::DOUBLE AS price, "
        f"'d' || lpad(((id * 31) % {PARTITIONS})::VARCHAR, 3, '0') AS ds FROM ({MADE.format(rows=rows)})"
    )
    batches: list[pa.RecordBatch] = connection.sql("FROM made").to_arrow_table(batch_size=122_880).to_batches()
    target = table(directory / "parts", columns, [("ds", "string")], "parquet")
    theirs_at = directory / "their_parts"

    def ours() -> None:
        write_rows(target, batches, mode=OVERWRITE)

    def theirs() -> None:
        connection.execute(f"COPY made TO '{theirs_at}' (FORMAT parquet, PARTITION_BY (ds), OVERWRITE_OR_IGNORE)")

    mine, other = alternate(ours, theirs, rounds)
    check(connection, "ds", f"'{target.location}/*/*.parquet'", f"'{theirs_at}/*/*.parquet'")
    report(f"overwrite {PARTITIONS} dynamic partitions", "duckdb", rows / other / 1e6, "M rows/s")
    report(f"overwrite {PARTITIONS} dynamic partitions", "ours", rows / mine / 1e6, "M rows/s", other / mine, BAR)


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, one round")
    parser.add_argument("--directory", help="where files are made; a temporary directory unless stated")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    share, rounds = (10, 1) if arguments.quick else (1, arguments.rounds)
    directory = Path(tempfile.mkdtemp(prefix="hql-files-", dir=arguments.directory))
    try:
        with duckdb.connect(config={"threads": default_threads()}) as connection:
            load(connection, directory, TEXT_BYTES // share, rounds)
            partitions(connection, directory, PARTITION_ROWS // share, rounds)
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
