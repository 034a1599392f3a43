"""Speed of the log, beside plain Arrow IPC files doing the same. Prints one JSON object a line.

    python benchmarks/log/bench_log.py [--quick] [--directory DIR]

Every comparison runs both sides alternately, several rounds, and takes medians; the ratio is the median of the
rounds' ratios. Fields: case, engine, value,
unit, ratio (to the other side), bar (the ratio asked for), met.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import storage
from storage.log import format as frames
from storage.log import message
from storage.log.schema_plan import plan_schema
from storage.log.statistics import encode_statistics

ROWS = 65_536


def main() -> None:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--directory", help="where to write (default: a temporary directory)")
    options = parser.parse_args()
    scale = 1 if options.quick else 10
    root = Path(tempfile.mkdtemp(dir=options.directory))
    try:
        batch = sample_batch(ROWS)
        append_large(root, batch, rounds=scale + 4)
        append_costs(batch, repeats=20 * scale)
        scan_column(root, batch, rounds=2 * scale + 5)
        open_frame(root, batch, repeats=100 * scale)
        os.sync()  # what the cases above left to be written must not slow the next ones down
        small_batches(root, 200 * scale)
        small_appends_beside_write(root, 200 * scale)
        os.sync()
        group_commit(root, 100 * scale)
        os.sync()
        transactions(root, 10 * scale)
        os.sync()
        replicated_appends(root, 100 * scale, rounds=scale + 4)
    finally:
        shutil.rmtree(root)


def replicated_appends(root: Path, count: int, rounds: int) -> None:
    """Batches of 1,000 rows of 100 bytes into three directories, and into one; durability `os` on both sides."""
    batch = pa.record_batch({"text": [f"{n:096d}" for n in range(1000)]})
    one, three = [], []
    for number in range(rounds):
        one.append(append_seconds(root / f"single{number}", [], batch, count))
        three.append(append_seconds(root / f"replicated{number}", ["x", "y"], batch, count))
    rows = count * batch.num_rows
    report(
        "append 1k rows, os, 3 replicas",
        "sqlengine",
        rows / statistics.median(three),
        "rows/s",
        paired_ratio(three, one),
        0.3,
    )
    report("append 1k rows, os, 1 replica", "sqlengine", rows / statistics.median(one), "rows/s")


def append_seconds(path: Path, others: list[str], batch: pa.RecordBatch, count: int) -> float:
    """Seconds for `count` appends to a new topic on all directories, after a few to begin with."""
    replicas = [str(path / name) for name in others] or None
    with storage.Storage.open(str(path / "first"), replicas=replicas) as opened:
        log = opened.create_topic("t", batch.schema, storage.TopicConfig(durability="os")).partitions[0]
        for _ in range(10):
            log.append(batch)
        seconds = timed(lambda: [log.append(batch) for _ in range(count)])
        opened.drop_topic("t")
    shutil.rmtree(path)
    return seconds


def sample_batch(rows: int) -> pa.RecordBatch:
    """Numbers, a timestamp, and two strings: about 60 bytes a row."""
    rng = np.random.default_rng(1)
    names = pa.array([f"carrier-{n}" for n in range(20)])
    return pa.record_batch(
        {
            "id": np.arange(rows),
            "at": pa.array(np.arange(rows) * 1000, pa.timestamp("us")),
            "price": rng.random(rows),
            "quantity": rng.integers(0, 1000, rows, dtype=np.int32),
            "carrier": names.take(pa.array(rng.integers(0, 20, rows))),
            "note": pa.array([f"note number {n}" for n in range(rows)]),
        }
    )


def report(
    case: str, engine: str, value: float, unit: str, ratio: float | None = None, bar: float | None = None
) -> None:
    """Print one result."""
    met = None if ratio is None or bar is None else ratio >= bar
    line = {"case": case, "engine": engine, "value": round(value, 3), "unit": unit}
    line |= {"ratio": None if ratio is None else round(ratio, 3), "bar": bar, "met": met}
    print(json.dumps(line), flush=True)


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def paired_ratio(ours: list[float], theirs: list[float]) -> float:
    """Median over the rounds of their seconds by ours: a slow moment of the machine hits both sides of a round."""
    return statistics.median(their / our for our, their in zip(ours, theirs, strict=True))


def append_large(root: Path, batch: pa.RecordBatch, rounds: int) -> None:
    """64k-row batches into a topic of durability `os`, and the same into an Arrow IPC file; no fsync on
    either side.
    """
    count = 40
    size = batch.get_total_buffer_size() * count / 1e6
    ours, theirs = [], []
    for number in range(rounds):
        path = root / f"append{number}"
        with storage.Storage.open(str(path)) as opened:
            log = opened.create_topic("t", batch.schema, storage.TopicConfig(durability="os")).partitions[0]
            ours.append(timed(lambda log=log: [log.append(batch) for _ in range(count)]))
            opened.drop_topic("t")
            file = root / "plain.arrow"
            theirs.append(timed(lambda file=file: write_ipc(file, batch, count)))
            file.unlink()
        shutil.rmtree(path, ignore_errors=True)
    mine, plain = size / statistics.median(ours), size / statistics.median(theirs)
    report("append 64k rows, os", "sqlengine", mine, "MB/s", paired_ratio(ours, theirs), 0.5)
    report("append 64k rows, os", "pyarrow.ipc file", plain, "MB/s")


def write_ipc(file: Path, batch: pa.RecordBatch, count: int) -> None:
    """The comparison: the batches as an Arrow IPC file."""
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        for _ in range(count):
            writer.write_batch(batch)


def append_costs(batch: pa.RecordBatch, repeats: int) -> None:
    """What an append of 64k rows spends where."""
    plan = plan_schema(batch.schema)
    payload = message.encode(batch, plan)
    parts = {
        "encode": lambda: message.encode(batch, plan),
        "statistics": lambda: encode_statistics(batch, plan),
        "checksum": lambda: frames.checksum(payload.pieces),
    }
    for name, work in parts.items():
        seconds = statistics.median(timed(work) for _ in range(repeats))
        report(f"append 64k rows: {name}", "sqlengine", seconds * 1e6, "us")
        if name == "checksum":
            report("checksum speed", "sqlengine", payload.length / seconds / 1e9, "GB/s")


def scan_column(root: Path, batch: pa.RecordBatch, rounds: int) -> None:
    """Sum of one column over 64 frames, and over an mmapped Arrow IPC file; also right after opening."""
    count = 64
    path, file = root / "scan", root / "scan.arrow"
    write_ipc(file, batch, count)
    with storage.Storage.open(str(path)) as opened:
        log = opened.create_topic("t", batch.schema, storage.TopicConfig(durability="os")).partitions[0]
        for _ in range(count):
            log.append(batch)
    with storage.Storage.open(str(path)) as opened:
        log = opened.topic("t").partitions[0]
        first = timed(lambda: scan_log(log))
        ours, theirs = [], []
        with pa.memory_map(str(file)) as source:
            reader = pa.ipc.open_file(source)
            assert scan_log(log) == scan_ipc(reader)
            for _ in range(rounds):
                ours.append(timed(lambda: scan_log(log)))
                theirs.append(timed(lambda: scan_ipc(reader)))
    rows = count * ROWS / 1e6
    mine, plain = statistics.median(ours), statistics.median(theirs)
    report("scan one column", "sqlengine", rows / mine, "M rows/s", paired_ratio(ours, theirs), 0.8)
    report("scan one column, checksums verified", "sqlengine", rows / first, "M rows/s", plain / first)
    report("scan one column", "pyarrow.ipc mmap", rows / plain, "M rows/s")


def scan_log(log: storage.Log) -> float:
    """Sum of a column of everything."""
    offset, total = log.start_offset, 0.0
    while found := log.read(offset, columns=["price"]):
        total += sum(pc.sum(frame.batch.column(0)).as_py() for frame in found)
        offset = found[-1].next_offset
    return total


def scan_ipc(reader: pa.ipc.RecordBatchFileReader) -> float:
    """The same from a mapped Arrow IPC file."""
    batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
    return sum(pc.sum(batch.column("price")).as_py() for batch in batches)


def open_frame(root: Path, batch: pa.RecordBatch, repeats: int) -> None:
    """From an offset to a decoded batch."""
    with storage.Storage.open(str(root / "open")) as opened:
        log = opened.create_topic("t", batch.schema, storage.TopicConfig(durability="os")).partitions[0]
        for _ in range(8):
            log.append(batch)
        one = statistics.median(timed(lambda: log.read(3 * ROWS, max_rows=ROWS)[0].batch) for _ in range(repeats))
        all_frames = statistics.median(
            timed(lambda: [frame.batch for frame in log.read(0, max_rows=8 * ROWS)]) for _ in range(repeats)
        )
    report("read one frame", "sqlengine", one * 1e6, "us")
    report("read a frame of eight", "sqlengine", all_frames / 8 * 1e6, "us")


def small_batches(root: Path, appends: int) -> None:
    """Appends a second of 1 and 100 rows by one appender."""
    for durability in ("os", "group", "sync"):
        for rows in (1, 100):
            batch = sample_batch(rows)
            config = storage.TopicConfig(durability=durability)
            with storage.Storage.open(str(root / f"small{durability}{rows}")) as opened:
                log = opened.create_topic("t", batch.schema, config).partitions[0]
                seconds = timed(lambda log=log, batch=batch: [log.append(batch) for _ in range(appends)])
            report(f"append {rows} rows, {durability}", "sqlengine", appends / seconds, "appends/s")


def small_appends_beside_write(root: Path, appends: int) -> None:
    """1,000-row batches of 100-byte rows by one producer, and plain write() of the same number of bytes."""
    batch = pa.record_batch({"n": np.arange(1000), "text": ["x" * 88] * 1000})
    data = bytes(batch.get_total_buffer_size())
    ours, theirs = [], []
    with storage.Storage.open(str(root / "rows100")) as opened:
        log = opened.create_topic("t", batch.schema, storage.TopicConfig(durability="os")).partitions[0]
        for number in range(5):
            ours.append(timed(lambda: [log.append(batch) for _ in range(appends)]))
            theirs.append(timed(lambda n=number: plain_writes(root / f"plain{n}", data, appends)))
    mine, plain = appends / statistics.median(ours), appends / statistics.median(theirs)
    report("append 1,000 rows of 100 bytes, os", "sqlengine", mine, "appends/s", paired_ratio(ours, theirs), 0.6)
    report("append 1,000 rows of 100 bytes, os", "write()", plain, "appends/s")


def plain_writes(file: Path, data: bytes, count: int) -> None:
    """The comparison: unbuffered appends to a file."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    for _ in range(count):
        os.write(descriptor, data)
    os.close(descriptor)


def group_commit(root: Path, appends: int) -> None:
    """Acknowledged appends of one row a second, by 1 to 64 appenders, beside one appender with its own
    fsyncs.

    All share one partition, and take turns over several rounds, so that a slow moment of the disk hits all.
    """
    batch = sample_batch(1)
    cases = [("sync", 1), ("group", 1), ("group", 8), ("group", 16), ("group", 64)]
    rates: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
    with storage.Storage.open(str(root / "group")) as opened:
        topics = {
            each: opened.create_topic(each, batch.schema, storage.TopicConfig(durability=each))
            for each in ("sync", "group")
        }
        for _ in range(5):
            for durability, threads in cases:
                each = max(appends // (4 * threads), 5)
                logs = topics[durability].partitions
                seconds = timed(lambda logs=logs, n=threads, each=each: hammer(logs, batch, n, each))
                rates[durability, threads].append(threads * each / seconds)
    alone = statistics.median(rates["sync", 1])
    for (durability, threads), found in rates.items():
        rate, bar = statistics.median(found), 20.0 if threads == 16 else None
        report(f"{durability} commit, {threads} appenders", "sqlengine", rate, "appends/s", rate / alone, bar)


def transactions(root: Path, commits: int) -> None:
    """Ten appends of 1,000 rows over four partitions, as a transaction, beside the same appends that are waited for
    together but are none; both are durable.
    """
    batch, appends, partitions = sample_batch(1000), 10, 4
    seconds: dict[str, list[float]] = {"transaction": [], "append_many": []}
    with storage.Storage.open(str(root / "transactions")) as opened:
        config = storage.TopicConfig(partitions=partitions)
        logs = {each: opened.create_topic(each, batch.schema, config).partitions for each in seconds}
        writes = {each: [(logs[each][n % partitions], batch) for n in range(appends)] for each in seconds}
        for _ in range(commits):
            seconds["transaction"].append(timed(lambda: write_in_transaction(opened, writes["transaction"])))
            seconds["append_many"].append(timed(lambda: opened.append_many(writes["append_many"])))
    ratio = paired_ratio(seconds["transaction"], seconds["append_many"])
    for each, found in seconds.items():
        rate = appends * batch.num_rows / statistics.median(found)
        report("10 appends over 4 partitions", each, rate, "rows/s", ratio if each == "transaction" else None)


def write_in_transaction(opened: storage.Storage, writes: list[tuple[storage.Log, pa.RecordBatch]]) -> None:
    """All of it, or nothing."""
    with opened.transaction() as transaction:
        for log, batch in writes:
            transaction.write(log, batch)


def hammer(logs: list[storage.Log], batch: pa.RecordBatch, threads: int, each: int) -> None:
    """Let `threads` appenders append `each` times, on one partition after the other."""

    def work(number: int) -> None:
        for _ in range(each):
            logs[number % len(logs)].append(batch)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()
