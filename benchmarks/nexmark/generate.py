"""Write NEXMark events to files, or measure how fast they are made.

    python benchmarks/nexmark/generate.py --events 5000000 --format parquet data/       #
    data/{person,auction,bid}.parquet python benchmarks/nexmark/generate.py --events 5000000
    # rows per second of each table

Events are a function of (seed, number): the same arguments write the same bytes.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from sqlengine.connectors.file.options import FileOptions
from sqlengine.connectors.file.writer import FileWriter
from sqlengine.connectors.nexmark import NexmarkConfig, events, schema

TABLES = ("person", "auction", "bid")
STEP_EVENTS = 500_000


def batches(table: str, count: int, config: NexmarkConfig) -> Iterator[pa.RecordBatch]:
    """The table's rows among the first `count` events."""
    for first in range(0, count, STEP_EVENTS):
        yield events(table, first, min(first + STEP_EVENTS, count), config)


def write(directory: Path, kind: str, count: int, config: NexmarkConfig) -> None:
    """One file per table."""
    directory.mkdir(parents=True, exist_ok=True)
    for table in TABLES:
        path = directory / f"{table}.{kind}"
        made = FileWriter(str(path), kind, "none", schema(table, config.naming), FileOptions(path=str(path)))
        with contextlib.closing(made) as writer:
            for batch in batches(table, count, config):
                writer.write(batch)
        print(f"{path}: {path.stat().st_size:,} bytes")


def measure(count: int, config: NexmarkConfig, rounds: int = 3) -> None:
    """Rows per second of each table, the best of some rounds."""
    for table in (*TABLES, "all"):
        seconds, rows = float("inf"), 0
        for _ in range(rounds):
            start = time.perf_counter()
            rows = sum(b.num_rows for b in batches(table, count, config))
            seconds = min(seconds, time.perf_counter() - start)
        print(
            f"{table:8} {rows:>10,} rows  {rows / seconds / 1e6:6.2f} M rows/s  {count / seconds / 1e6:6.2f} M events/s"
        )


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=Path)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--format", choices=("json", "csv", "parquet", "arrow"), default="parquet")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--naming", choices=("snake", "camel"), default="snake")
    arguments = parser.parse_args()
    config = NexmarkConfig(seed=arguments.seed, naming=arguments.naming)
    if arguments.directory is None:
        measure(arguments.events, config)
    else:
        write(arguments.directory, arguments.format, arguments.events, config)


if __name__ == "__main__":
    main()
