"""Appends numbered rows to a storage in four directories, and drops and adds directories meanwhile, until it is killed;
prints each step. Run by test_drop_replica.py.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import threading
from pathlib import Path

import pyarrow as pa

import storage

SCHEMA = pa.schema([("n", pa.int64()), ("s", pa.string())])


def say(line: str) -> None:
    """Print a line in one piece: threads do so at the same time."""
    os.write(1, f"{line}\n".encode())


def append(log: storage.Log) -> None:
    """Append for ever."""
    while True:
        first = log.end_offset
        batch = pa.record_batch([list(range(first, first + 5)), [str(n) * 9 for n in range(first, first + 5)]], SCHEMA)
        say(f"ack {log.partition} {log.append(batch) + 5}")


def main(root: str, seed: str) -> None:
    """Open what the last one has left, and go on."""
    rng = random.Random(seed)
    names = ["b", "c", "d"]
    known = Path(f"{root}/a/replicas").exists()
    opened = storage.Storage.open(f"{root}/a", replicas=None if known else [f"{root}/{name}" for name in names])
    config = storage.TopicConfig(partitions=2, replication_factor=2, segment_bytes=16384)
    created = opened.topic("t") if opened.topics() else opened.create_topic("t", SCHEMA, config)
    say("open")
    for log in created.partitions:
        threading.Thread(target=append, args=(log,), daemon=True).start()
    while True:
        present = {Path(each.path).name for each in opened.directories()}
        for name in sorted(set(names) - present):
            say(f"adding {name}")
            shutil.rmtree(f"{root}/{name}", ignore_errors=True)
            opened.add_replica(f"{root}/{name}")
        name = rng.choice(names)
        say(f"dropping {name}")
        opened.drop_replica(f"{root}/{name}")
        say(f"dropped {name}")
        assert not list(Path(f"{root}/{name}").iterdir())


if __name__ == "__main__":
    main(*sys.argv[1:])
