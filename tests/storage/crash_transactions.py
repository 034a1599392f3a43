"""Writes transactions until it is killed; prints each outcome. Run by test_crash.py.

Two threads work: one commits or aborts rows in all partitions together with a consumer offset, one prepares rows, says
so, and decides in a second step, as whoever takes checkpoints does.
"""

from __future__ import annotations

import sys
import threading

import pyarrow as pa

import storage

SCHEMA = pa.schema([("n", pa.int64()), ("s", pa.string())])


def tell(*words: object) -> None:
    """A line in one piece, because two threads write."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def row(number: int, word: str) -> pa.RecordBatch:
    """One row."""
    return pa.record_batch([[number], [word]], SCHEMA)


def fill(opened: storage.Storage, t: storage.Transaction, number: int, word: str) -> None:
    """A row in each partition, two in the last."""
    for topic in ("a", "b"):
        for partition in range(len(opened.topic(topic).partitions)):
            t.append(topic, row(number, word), partition=partition)


def prepare_forever(opened: storage.Storage, first: int) -> None:
    """Two-phase transactions."""
    number = first
    while True:
        with opened.transaction("checkpoints") as t:
            fill(opened, t, number, "prepared")
            tell("preparing", t.id, number)
            t.prepare()
        tell("prepared", t.id, number)
        if number % 4 == 3:
            opened.transactions.prepared(t.id).abort()
            tell("aborted", number)
        else:
            tell("deciding", number)
            opened.transactions.prepared(t.id).commit()
            tell("committed", number)
        number += 1


def main(path: str, durability: str) -> None:
    """Work until killed."""
    opened = storage.Storage.open(path)
    config = storage.TopicConfig(partitions=2, segment_bytes=8192, durability=durability)
    known = {topic.name for topic in opened.topics()}
    for name in ("a", "b"):
        if name not in known:
            opened.create_topic(name, SCHEMA, config)
    undecided = {info.id for info in opened.transactions.unfinished()}
    tell("open", *sorted(undecided))
    for each in undecided:
        opened.transactions.prepared(each).commit()
    end = opened.topic("a").partitions[0].end_offset
    threading.Thread(target=prepare_forever, args=(opened, 1_000_000 + end), daemon=True).start()
    number = end
    while True:
        with opened.transaction("loader") as t:
            fill(opened, t, number, "once")
            t.commit_offsets("g", {("a", 0): number})
            if number % 4 == 3:
                t.abort()
        tell("aborted" if number % 4 == 3 else "committed", number)
        number += 1
        if number % 50 == 0:
            opened.maintain()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
