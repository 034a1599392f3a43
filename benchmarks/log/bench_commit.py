"""Group commit on disks whose fdatasync takes a given time: how many appends a second, and how long each waits.

    python benchmarks/log/bench_commit.py [--quick] [--directory DIR]

What `group` is worth depends on how long the disk takes: from 0.1 ms (flash whose cache survives a power failure) over
0.5 and 1 ms (flash without), 3 ms (a disk in a cloud) to 10 ms (a disk that turns). So the disk is modelled: an `Env`
whose files are real and whose fdatasync sleeps for that time instead, one at a time, as a disk has one cache to empty.
The fdatasync of this machine comes last. Prints one JSON object a line, as bench_log.py does.

The bars: 16 appenders of `group` do 20 times what one of `sync` does; at 1,000 appends a second 99 of 100 are
acknowledged within twice the median fdatasync and the commit window, which is half an fdatasync
(storage/log/gathering.py). Appenders that wait for each append cannot do more than 16 times: one fdatasync for all of
them. Those with several on the way can.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import storage
from benchmarks.log.bench_keep import fdatasyncs, paced
from benchmarks.log.bench_log import sample_batch
from benchmarks.side_by_side import report
from storage.env import File, RealEnv, RealFile

LATENCIES_MS = (0.1, 0.5, 1.0, 3.0, 10.0)
APPENDERS = 16
ROUNDS = 5


class ModelledEnv(RealEnv):
    """The real machine, but for its disk: an fdatasync takes `seconds`, and so does a sync of a directory."""

    def __init__(self, seconds: float) -> None:
        self._pause = max(seconds - overslept(), 0.0)
        self._disk = threading.Lock()

    def empty_cache(self) -> None:
        """Wait for the disk."""
        with self._disk:
            time.sleep(self._pause)

    def open(self, path: str, *, create: bool = False) -> File:
        """See `Env.open`."""
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        return ModelledFile(self, path, os.open(path, flags, 0o644))

    def sync_dir(self, path: str) -> None:
        """See `Env.sync_dir`."""
        self.empty_cache()


class ModelledFile(RealFile):
    """A file on the modelled disk."""

    def __init__(self, env: ModelledEnv, path: str, descriptor: int) -> None:
        super().__init__(path, descriptor)
        self._env = env

    def sync(self) -> None:
        """See `File.sync`."""
        self._env.empty_cache()


def overslept() -> float:
    """Seconds by which a short sleep is too long."""
    excess = []
    for _ in range(200):
        began = time.perf_counter()
        time.sleep(0.0001)
        excess.append(time.perf_counter() - began - 0.0001)
    return statistics.median(excess)


def main() -> None:
    """Run all disks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the work")
    parser.add_argument("--directory", help="where to write (default: a temporary directory)")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(dir=options.directory))
    seconds = 0.2 if options.quick else 1.0
    try:
        for latency_ms in LATENCIES_MS:
            env = ModelledEnv(latency_ms / 1000)
            took = sorted(modelled_fdatasyncs(env, 200))
            measure(root / f"disk{latency_ms}", env, f"disk of {latency_ms:g} ms", took, seconds)
        measure(root / "real", RealEnv(), "this disk", sorted(fdatasyncs(root / "probe", 500)), seconds)
    finally:
        shutil.rmtree(root)


def modelled_fdatasyncs(env: ModelledEnv, count: int) -> list[float]:
    """Seconds of each."""
    found = []
    for _ in range(count):
        began = time.perf_counter()
        env.empty_cache()
        found.append(time.perf_counter() - began)
    return found


def measure(root: Path, env: storage.Env, disk: str, took: list[float], seconds: float) -> None:
    """One disk, whose fdatasync alone took `took` (ascending)."""
    median_s = statistics.median(took)
    report(f"{disk}: fdatasync alone, median", "fdatasync", median_s * 1e6, "us")
    with storage.Storage.open(str(root), env=env) as opened:
        rates(opened, disk, median_s, seconds)
        # So many that each is idle for most of the time: else they could not keep the pace.
        for appenders in (1, 10) if median_s < 0.0005 else (max(10, int(median_s * 8000)),):
            acknowledgements(opened, disk, median_s, appenders, seconds)


def rates(opened: storage.Storage, disk: str, median_s: float, seconds: float) -> None:
    """Appends of one row a second, by one appender of `sync` and by 16 of `group`, in turn; these wait for each append,
    or have up to four on the way.
    """
    batch = sample_batch(1)
    cases = (("sync", 1, 1), ("group", APPENDERS, 1), ("group", APPENDERS, 4))
    found: dict[tuple[str, int, int], list[float]] = {case: [] for case in cases}
    logs = {
        durability: opened.create_topic(durability, batch.schema, storage.TopicConfig(durability=durability)).partitions  # type: ignore[arg-type]
        for durability in ("sync", "group")
    }
    for _ in range(ROUNDS):
        for durability, appenders, pending in cases:
            each = max(int(seconds / ROUNDS / (median_s + 0.0003)), 5) * pending
            work = functools.partial(append_ahead, logs[durability][0], batch, pending, each)
            began = time.perf_counter()
            at_once([work] * appenders)
            found[durability, appenders, pending].append(appenders * each / (time.perf_counter() - began))
    alone = found[cases[0]]
    report(f"{disk}: sync, 1 appender", "sqlengine", statistics.median(alone), "appends/s")
    for case in cases[1:]:
        ratio = statistics.median(group / sync for group, sync in zip(found[case], alone, strict=True))
        name = f"{disk}: group, {APPENDERS} appenders, {case[2]} on the way"
        report(name, "sqlengine", statistics.median(found[case]), "appends/s", ratio, 20.0)


def append_ahead(log: storage.Log, batch: pa.RecordBatch, pending: int, count: int) -> None:
    """Append `count` times; `pending` appends at most are not acknowledged."""
    ends: deque[int] = deque()
    for _ in range(count):
        ends.append(log.write(batch) + batch.num_rows)
        if len(ends) == pending:
            log.acknowledge(ends.popleft())
    while ends:
        log.acknowledge(ends.popleft())


def at_once(work: list[Callable[[], None]]) -> None:
    """Do it all, in a thread each."""
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def acknowledgements(opened: storage.Storage, disk: str, median_s: float, appenders: int, seconds: float) -> None:
    """How long an append waits, at 1,000 a second; beside it a sleep of one fdatasync in as many threads at that pace,
    which tells what the machine adds. Of three runs each, in turn, the best: others may use the machine as well.
    """
    batch = sample_batch(1)
    log = opened.topic("group").partitions[0]
    work = {"sqlengine": lambda: log.append(batch), "sleep": lambda: time.sleep(median_s)}
    found: dict[str, list[list[float]]] = {engine: [] for engine in work}
    for _ in range(3):
        for engine, each in work.items():
            found[engine].append(sorted(paced(each, appenders, int(1000 * seconds) // appenders)))
    case = f"{disk}: acknowledgement at 1,000/s, {appenders} appenders"
    for engine, runs in found.items():
        p99_s = min(waits[len(waits) * 99 // 100] for waits in runs)
        is_ours = engine == "sqlengine"
        report(f"{case}, median", engine, min(statistics.median(waits) for waits in runs) * 1e6, "us")
        report(f"{case}, p99", engine, p99_s * 1e6, "us", 2.5 * median_s / p99_s, 1.0 if is_ours else None)


if __name__ == "__main__":
    main()
