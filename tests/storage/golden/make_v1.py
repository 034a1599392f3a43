"""Makes the storage directory `v1` beside this file. Not to be run again once a version is released."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

import storage
from storage.env import RealEnv

HERE = Path(__file__).parent


class FixedEnv(RealEnv):
    """The same clock and identifiers on every run."""

    def now_us(self) -> int:
        """See `Env.now_us`."""
        return 1_700_000_000_000_000

    def random_bytes(self, size: int) -> bytes:
        """See `Env.random_bytes`."""
        return bytes(range(size))


def batch(first: int, count: int) -> pa.RecordBatch:
    """Rows of a few types."""
    numbers = list(range(first, first + count))
    return pa.record_batch(
        {
            "n": pa.array(numbers, pa.int64()),
            "f": pa.array([n / 4 for n in numbers]),
            "s": pa.array([None if n % 5 == 0 else f"row {n}" for n in numbers], pa.string()),
            "d": pa.array(["even" if n % 2 == 0 else "odd" for n in numbers]).dictionary_encode(),
            "l": pa.array([[n] * (n % 3) for n in numbers], pa.list_(pa.int32())),
        }
    )


def plain(first: int, count: int) -> pa.RecordBatch:
    """`batch` without the dictionary column."""
    return batch(first, count).drop_columns(["d"])


def main() -> None:
    """Write one of everything."""
    with storage.Storage.open(str(HERE / "v1"), env=FixedEnv()) as opened:
        config = storage.TopicConfig(segment_bytes=16384, durability="os")
        log = opened.create_topic("plain.rows", plain(0, 1).schema, config).partitions[0]
        for first, count in ((0, 3), (3, 2400), (2403, 1), (2404, 300)):
            log.append(plain(first, count), producer=storage.BatchId(9, 1, first))
        log.delete_before(2)
        opened.create_topic("with dictionary", batch(0, 1).schema, config).partitions[0].append(batch(0, 10))
        opened.create_topic("bytes", None, config)
        opened.offsets.commit("group", {("plain.rows", 0): 2404}, "note")
        opened.snapshots.write("state", {"t": pa.table(plain(0, 5))}, {"tick": 3})
        opened.meta.append({"create": "view"})


if __name__ == "__main__":
    main()
