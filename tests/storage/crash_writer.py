"""Appends numbered rows until it is killed; prints each acknowledgement. Run by test_crash.py."""

from __future__ import annotations

import sys
import threading

import pyarrow as pa

import storage

SCHEMA = pa.schema([("n", pa.int64()), ("s", pa.string())])
KEYED = storage.TopicConfig(
    segment_bytes=8192,
    cleanup="compact",
    key_columns=("s",),
    min_dirty_ratio=0.1,
)


def compact_forever(log: storage.Log) -> None:
    """Compaction is always under way, so that a kill finds it at any of its steps; says when it has got further."""
    known = log.compacted_offset
    while True:
        log.flush()  # as maintenance does: what is not durable is not compacted
        log.compact(sys.maxsize // 10_000)
        if log.compacted_offset > known:
            known = log.compacted_offset
            tell("compacted", known)


def tell(*words: object) -> None:
    """A line in one piece, because two threads write."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def put(log: storage.Log, number: int) -> None:
    """One record of a key that comes again soon and one of a key that comes again late; prints what it stored."""
    keys = [f"key {number % 7}", f"late {number % 501}"]
    end = log.end_offset
    base = log.append(pa.record_batch([[end, end + 1], keys], schema=SCHEMA))
    for place, key in enumerate(keys):
        tell("put", base + place, key.replace(" ", "_"))


def main(path: str, durability: str) -> None:
    """Append with an idempotent producer, repeating the batch in flight when an earlier run was killed."""
    config = storage.TopicConfig(segment_bytes=16384, durability=durability)
    opened = storage.Storage.open(path)
    known = [topic.name for topic in opened.topics()]
    log = (opened.topic("t") if "t" in known else opened.create_topic("t", SCHEMA, config)).partitions[0]
    keyed = opened.topic("c") if "c" in known else opened.create_topic("c", SCHEMA, KEYED)
    opened.alter_topic("c", durability=durability)
    tell("open", log.start_offset, log.end_offset)
    threading.Thread(target=compact_forever, args=keyed.partitions, daemon=True).start()
    first = max(log.end_offset // 5 * 5 - 5, 0)
    while True:
        batch = pa.record_batch([list(range(first, first + 5)), [str(n) * 9 for n in range(first, first + 5)]], SCHEMA)
        base = log.append(batch, producer=storage.BatchId(1, 0, first))
        tell("ack", base, first)
        first += 5
        put(keyed.partitions[0], first // 5)
        if first % 1000 == 0:
            opened.offsets.commit("g", {("t", 0): first})
            opened.snapshots.write("s", {"t": pa.Table.from_batches([batch])}, {"end": first})
            tell("commit", first)
            log.delete_before(first - 700)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
