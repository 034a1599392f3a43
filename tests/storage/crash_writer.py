"""Appends numbered rows until it is killed; prints each acknowledgement. Run by test_crash.py."""

from __future__ import annotations

import sys

import pyarrow as pa

import storage

SCHEMA = pa.schema([("n", pa.int64()), ("s", pa.string())])


def main(path: str, durability: str) -> None:
    """Append with an idempotent producer, repeating the batch in flight when an earlier run was killed."""
    config = storage.TopicConfig(segment_bytes=16384, durability=durability)
    opened = storage.Storage.open(path)
    known = [topic.name for topic in opened.topics()]
    log = (opened.topic("t") if known else opened.create_topic("t", SCHEMA, config)).partitions[0]
    print("open", log.start_offset, log.end_offset, flush=True)
    first = max(log.end_offset // 5 * 5 - 5, 0)
    while True:
        batch = pa.record_batch([list(range(first, first + 5)), [str(n) * 9 for n in range(first, first + 5)]], SCHEMA)
        base = log.append(batch, producer=storage.BatchId(1, 0, first))
        print("ack", base, first, flush=True)
        first += 5
        if first % 1000 == 0:
            opened.offsets.commit("g", {("t", 0): first})
            opened.snapshots.write("s", {"t": pa.Table.from_batches([batch])}, {"end": first})
            print("commit", first, flush=True)
            log.delete_before(first - 700)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
