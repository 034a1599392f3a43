"""Sends numbered rows to three partitions until it is killed, and reads them back in a group; prints what is
acknowledged. Run by test_crash.py.
"""

from __future__ import annotations

import sys

import pyarrow as pa

import storage

SCHEMA = pa.schema([("n", pa.int64())])
PARTITIONS = 3


def main(path: str, durability: str) -> None:
    """Go on after the last row of each partition that an earlier run stored, whether it heard of it or not."""
    config = storage.TopicConfig(partitions=PARTITIONS, segment_bytes=16384, durability=durability)
    opened = storage.Storage.open(path)
    topic = opened.topic("p") if opened.topics() else opened.create_topic("p", SCHEMA, config)
    producer = storage.Producer(opened, name="loader")
    consumer = storage.Consumer(opened, group="readers", topics=["p"], auto_commit=False)
    following = [_next_number(producer, log) for log in topic.partitions]
    print("open", *following, flush=True)
    while True:
        sent = [producer.send("p", _rows(following[p], 5), partition=p) for p in range(PARTITIONS)]
        for p, delivery in enumerate(sent):
            (stored,) = delivery.result()
            print("ack", p, stored.base_offset, following[p], flush=True)
            following[p] += 5
        consumer.poll()
        consumer.commit()
        print("commit", *(consumer.position("p", p) for p in range(PARTITIONS)), flush=True)
        for log in topic.partitions:
            log.delete_before(max(log.start_offset, log.end_offset - 400))


def _next_number(producer: storage.Producer, log: storage.Log) -> int:
    """The number after that of the row this producer stored last."""
    end = producer.stored_until("p", log.partition)
    if end is None:
        return 0
    (frame,) = log.read(end - 1, max_rows=1)
    return int(frame.batch.column("n")[0].as_py()) + 1


def _rows(first: int, count: int) -> pa.RecordBatch:
    """Rows numbered from `first` on."""
    return pa.record_batch([list(range(first, first + count))], SCHEMA)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
