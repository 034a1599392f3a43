"""What keeps a log in order: compaction by key, recovery after a kill, and how long an acknowledgement takes.

    python benchmarks/log/bench_keep.py [--quick] [--directory DIR]

Prints one JSON object a line, as bench_log.py does; processor time is that of this process, which a machine that others
use lengthens less than the clock. `--quick`: a tenth of the records, and no topic of 10 GB.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import storage
from benchmarks.side_by_side import report

RECORDS, KEYS, STEP = 10_000_000, 1_000_000, 10_000


def main() -> None:
    """Run all cases, or (as `--fill PATH BYTES`) be the process that is killed."""
    if sys.argv[1:2] == ["--fill"]:
        fill_and_die(sys.argv[2], int(sys.argv[3]))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the records, no topic of 10 GB")
    parser.add_argument("--directory", help="where to write (default: a temporary directory)")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(dir=options.directory))
    try:
        acknowledgements(root, 300 if options.quick else 3000)
        compaction(root / "compaction", RECORDS // 10 if options.quick else RECORDS)
        for size in (10**8, 10**9) if options.quick else (10**8, 10**9, 10**10):
            recovery(root / "recovery", size)
    finally:
        shutil.rmtree(root)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """(seconds by the clock, seconds of processor) that `work` takes."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


def compaction(path: Path, records: int) -> None:
    """Records of about 100 bytes whose keys are drawn at random; one pass, not slowed down."""
    rng = np.random.default_rng(1)
    schema = pa.schema([("k", pa.int64()), ("v", pa.int64()), ("text", pa.string())])
    config = storage.TopicConfig(durability="os", cleanup="compact", key_columns=("k",))
    text = pa.array(["x" * 80] * STEP)
    with storage.Storage.open(str(path)) as opened:
        log = opened.create_topic("t", schema, config).partitions[0]
        for first in range(0, records, STEP):
            keys = rng.integers(0, KEYS, STEP)
            log.append(pa.record_batch([keys, np.arange(first, first + STEP), text], schema=schema))
        # The newest segment is never compacted: a batch that does not fit into it makes all before it sealed.
        filler = ["x" * 80] * (config.segment_bytes // 80)
        columns = [np.full(len(filler), -1), np.arange(len(filler)), filler]
        log.append(pa.record_batch(columns, schema=schema))
        log.flush()
        removed: list[int] = []
        clock, cpu = timed(lambda: removed.append(log.compact(time.time_ns() // 10**6 + 1)))
        rate = records / clock / 1e6
        report(f"compaction, {records:,} records", "sqlengine", rate, "M records/s", rate, 1.0)
        report(f"compaction, {records:,} records, processor time", "sqlengine", cpu, "s")
        report("compaction: records removed", "sqlengine", removed[0], "records")
    shutil.rmtree(path)


def fill_and_die(path: str, size: int) -> None:
    """A topic of `size` durable bytes and about 16 MB that are not, then SIGKILL."""
    batch = pa.record_batch({"n": np.arange(65536), "x": np.random.default_rng(1).random(65536)})
    log = storage.Storage.open(path).create_topic("t", batch.schema, storage.TopicConfig(durability="os")).partitions[0]
    while log.size_bytes < size:
        log.append(batch)
    log.flush()
    for _ in range(16):
        log.append(batch)
    os.kill(os.getpid(), signal.SIGKILL)


def recovery(path: Path, size: int) -> None:
    """Opening a topic of `size` bytes after its writer was killed; 16 MB of it were not flushed."""
    times = []
    for number in range(3):
        place = f"{path}{number}"
        subprocess.run([sys.executable, __file__, "--fill", place, str(size)], check=False)
        opened: list[storage.Storage] = []
        times.append(timed(lambda place=place, opened=opened: opened.append(storage.Storage.open(place))))
        log = opened[0].topic("t").partitions[0]
        assert log.failure is None and log.size_bytes > size, "the topic must be whole"
        opened[0].close()
        shutil.rmtree(place)
    clock, cpu = (statistics.median(column) for column in zip(*times, strict=True))
    report(f"recovery after a kill, {size / 1e9:g} GB", "sqlengine", clock * 1000, "ms")
    report(f"recovery after a kill, {size / 1e9:g} GB, processor time", "sqlengine", cpu * 1000, "ms")


def acknowledgements(root: Path, appends: int) -> None:
    """fdatasync alone, then acknowledgements under `group` at 1,000 appends a second by 1 and by 10 appenders."""
    alone = sorted(fdatasyncs(root / "probe", 500))
    median_us = alone[len(alone) // 2] * 1e6
    report("fdatasync alone, median", "fdatasync", median_us, "us")
    report("fdatasync alone, p99", "fdatasync", alone[len(alone) * 99 // 100] * 1e6, "us")
    apart = sorted(fdatasyncs(root / "probe", appends, pause_s=0.001))
    report("fdatasync alone at 1,000/s, p99", "fdatasync", apart[len(apart) * 99 // 100] * 1e6, "us")
    batch = pa.record_batch({"n": [1], "s": ["x" * 80]})
    with storage.Storage.open(str(root / "group")) as opened:
        log = opened.create_topic("t", batch.schema).partitions[0]
        for appenders in (1, 10):
            waits = sorted(paced(lambda: log.append(batch), appenders, appends // appenders))
            for name, share in (("median", 50), ("p99", 99)):
                value = waits[len(waits) * share // 100] * 1e6
                within = 2 * median_us / value if name == "p99" else None
                case = f"acknowledgement at 1,000/s, {appenders} appenders, {name}"
                report(case, "sqlengine", value, "us", within, None if within is None else 1.0)


def fdatasyncs(file: Path, count: int, pause_s: float = 0.0) -> list[float]:
    """Seconds of each fdatasync after a small write, one every `pause_s` seconds."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
    os.ftruncate(descriptor, 1 << 24)
    seconds = []
    began = time.perf_counter()
    for number in range(count):
        time.sleep(max(0.0, began + number * pause_s - time.perf_counter()))
        os.pwrite(descriptor, b"x" * 512, number * 512)
        seconds.append(timed(lambda: os.fdatasync(descriptor))[0])
    os.close(descriptor)
    return seconds


def paced(what: Callable[[], object], appenders: int, each: int) -> list[float]:
    """Seconds that something takes, done 1,000 times a second by so many threads in turn."""
    waits: list[float] = []
    start = time.perf_counter() + 0.05

    def work(number: int) -> None:
        for turn in range(each):
            time.sleep(max(start + (turn * appenders + number) / 1000 - time.perf_counter(), 0))
            waits.append(timed(what)[0])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(appenders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits


if __name__ == "__main__":
    main()
