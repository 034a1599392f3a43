"""Appends numbered rows to a storage in three directories until it is killed, deleting one directory on the way; prints
each acknowledgement. Run by test_replicas_crash.py.
"""

from __future__ import annotations

import random
import shutil
import sys
import threading
import time

import pyarrow as pa

import storage

SCHEMA = pa.schema([("n", pa.int64()), ("s", pa.string())])


def delete_soon(path: str, delay_s: float) -> None:
    """Delete a directory after some time."""
    time.sleep(delay_s)
    shutil.rmtree(path, ignore_errors=True)
    print("deleted", path, flush=True)


def main(root: str, durability: str, victim: str, seed: str) -> None:
    """Append for ever."""
    rng = random.Random(seed)
    opened = storage.Storage.open(f"{root}/a", replicas=[f"{root}/b", f"{root}/c"])
    known = [topic.name for topic in opened.topics()]
    config = storage.TopicConfig(durability=durability, segment_bytes=16384)
    log = (opened.topic("t") if "t" in known else opened.create_topic("t", SCHEMA, config)).partitions[0]
    print("open", log.start_offset, log.end_offset, flush=True)
    if victim:
        threading.Thread(target=delete_soon, args=(f"{root}/{victim}", rng.random() / 5), daemon=True).start()
    while True:
        first = log.end_offset
        batch = pa.record_batch([list(range(first, first + 5)), [str(n) * 9 for n in range(first, first + 5)]], SCHEMA)
        base = log.append(batch)
        print("ack", base, flush=True)
        if first % 100 == 0:
            opened.offsets.commit("g", {("t", 0): first})
            print("commit", first, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
