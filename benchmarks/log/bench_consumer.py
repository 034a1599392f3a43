"""Speed of consumers and producers. Prints one JSON object a line, as bench_log.py does.

    python benchmarks/log/bench_consumer.py [--quick] [--directory DIR]

Rows are 100 bytes. Polls read a file in the page cache, in a storage opened for the round, so that checksums are
verified; the other side reads the same batches from a mapped Arrow IPC file. Both sum a column, so that rows are looked
at. Rates in seconds of the processor stand beside those of the clock: on a machine that others use only these hold.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import storage
from benchmarks.log.bench_log import paired_ratio, report

WANTED_ROWS_PER_S = 5e6
"""The bar for a poll."""


class Spent(NamedTuple):
    """Seconds of the clock and of the processor."""

    wall: float
    cpu: float


def main() -> None:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--directory", help="where to write (default: a temporary directory)")
    options = parser.parse_args()
    rows = 400_000 if options.quick else 4_000_000
    root = Path(tempfile.mkdtemp(dir=options.directory))
    try:
        for frame_rows in (1_000, 65_536):
            poll_beside_ipc(root, rows, frame_rows, rounds=5)
        send_beside_append(root, rows // 4, rounds=5)
        commits(root, 100 if options.quick else 1000)
    finally:
        shutil.rmtree(root)


def measured(work: Callable[[], object]) -> Spent:
    """What `work` takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - wall, time.process_time() - cpu)


def hundred_byte_rows(count: int) -> pa.RecordBatch:
    """A number and a text of 88 bytes with its offset."""
    return pa.record_batch({"n": np.arange(count), "text": pa.array(["x" * 88] * count)})


def report_rates(case: str, engine: str, rows: int, spent: list[Spent], ratio: float | None = None) -> float:
    """Rows a second, by both clocks; returns that of the processor."""
    wall, cpu = (rows / statistics.median(each) / 1e6 for each in zip(*spent, strict=True))
    report(case, engine, wall, "M rows/s", ratio)
    report(f"{case}, processor time", engine, cpu, "M rows/s")
    return cpu


# ---------------------------------------------------------------- polls


def poll_beside_ipc(root: Path, rows: int, frame_rows: int, rounds: int) -> None:
    """A group reads four partitions; the other side reads an Arrow IPC file of the same batches."""
    path, file = root / f"poll{frame_rows}", root / f"poll{frame_rows}.arrow"
    batch, count = hundred_byte_rows(frame_rows), rows // frame_rows
    with storage.Storage.open(str(path)) as opened:
        config = storage.TopicConfig(partitions=4, durability="os")
        topic = opened.create_topic("t", batch.schema, config)
        for number in range(count):
            topic.partitions[number % 4].append(batch)
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        for _ in range(count):
            writer.write_batch(batch)
    ours, theirs = [], []
    for number in range(rounds):
        with storage.Storage.open(str(path)) as opened:
            totals: list[int] = []
            ours.append(measured(lambda s=opened, n=number, t=totals: t.append(sum_of(polled(s, f"g{n}")))))
        with pa.memory_map(str(file)) as source:
            reader = pa.ipc.open_file(source)
            theirs.append(measured(lambda r=reader: sum_of(r.get_batch(i) for i in range(r.num_record_batches))))
            assert totals == [sum_of(reader.get_batch(i) for i in range(reader.num_record_batches))]
    case = f"poll, batches of {frame_rows:,} rows"
    ratio = paired_ratio([each.cpu for each in ours], [each.cpu for each in theirs])
    rate = report_rates(case, "sqlengine", count * frame_rows, ours, ratio)
    report_rates(case, "pyarrow.ipc mmap", count * frame_rows, theirs)
    met = rate * 1e6 / WANTED_ROWS_PER_S
    report(f"{case}, to 5 M rows/s of processor time", "sqlengine", rate, "M rows/s", met, 1.0)


def polled(opened: storage.Storage, group: str) -> Iterator[pa.RecordBatch]:
    """All batches, as a member of a group gets them."""
    with storage.Consumer(opened, group=group, topics=["t"]) as consumer:
        while received := consumer.poll():
            for each in received:
                yield each.batch


def sum_of(batches: Iterator[pa.RecordBatch]) -> int:
    """Sum of the first column of all."""
    return sum(pc.sum(batch.column(0)).as_py() for batch in batches)


# ---------------------------------------------------------------- sends


def send_beside_append(root: Path, rows: int, rounds: int) -> None:
    """1,000-row batches sent, and the same appended one by one; by key to four partitions; and one by one rows."""
    batch, count = hundred_byte_rows(1000), rows // 1000
    for durability in ("os", "group"):
        sent, appended, keyed = [], [], []
        for number in range(rounds):
            path = root / f"send{durability}{number}"
            with storage.Storage.open(str(path)) as opened:
                config = storage.TopicConfig(durability=durability)
                opened.create_topic("sent", batch.schema, config)
                log = opened.create_topic("appended", batch.schema, config).partitions[0]
                opened.create_topic("keyed", batch.schema, storage.TopicConfig(durability=durability, partitions=4))
                sent.append(measured(lambda s=opened: send_all(s, "sent", batch, count, None)))
                appended.append(measured(lambda log=log: [log.append(batch) for _ in range(count)]))
                keyed.append(measured(lambda s=opened: send_all(s, "keyed", batch, count // 10, "n")))
            shutil.rmtree(path)
        case = f"send 1,000 rows, {durability}"
        ratio = paired_ratio([each.wall for each in sent], [each.wall for each in appended])
        report_rates(case, "sqlengine", rows, sent, ratio)
        report_rates(case, "sqlengine, append by append", rows, appended)
        report_rates(f"{case}, by key to 4 partitions", "sqlengine", rows // 10, keyed)


def send_all(opened: storage.Storage, topic: str, batch: pa.RecordBatch, count: int, key: str | None) -> None:
    """Send `count` times and wait for all."""
    with storage.Producer(opened) as producer:
        for _ in range(count):
            producer.send(topic, batch, key=key)


def commits(root: Path, count: int) -> None:
    """Committed offsets a second, one by one: each waits for an fsync."""
    with storage.Storage.open(str(root / "commits")) as opened:
        batch = hundred_byte_rows(count)
        opened.create_topic("t", batch.schema).partitions[0].append(batch)
        with storage.Consumer(opened, group="g", topics=["t"], auto_commit=False) as consumer:
            consumer.poll(1)
            spent = measured(lambda: [consumer.commit({("t", 0): n}) for n in range(count)])
    report("commit an offset", "sqlengine", count / spent.wall, "commits/s")


if __name__ == "__main__":
    main()
