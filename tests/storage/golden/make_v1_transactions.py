"""Makes the storage directory `v1_transactions` beside this file: what a process leaves that is killed with one
transaction committed, one aborted, one prepared and one open. Not to be run again once a version is released.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import storage
from tests.storage.conftest import SCHEMA, rows
from tests.storage.golden.make_v1 import HERE, FixedEnv


def main() -> None:
    """Write one of everything."""
    with tempfile.TemporaryDirectory() as place, storage.Storage.open(f"{place}/data", env=FixedEnv()) as opened:
        config = storage.TopicConfig(segment_bytes=4096)
        for name in ("debits", "credits"):
            opened.create_topic(name, SCHEMA, config)
        work(opened)
        shutil.copytree(Path(place) / "data", HERE / "v1_transactions", ignore=shutil.ignore_patterns("LOCK"))


def work(opened: storage.Storage) -> None:
    """Offsets 0..4 of debits are plain; then come a committed and an aborted transaction with their markers, in more
    than one segment; then a prepared one, in both topics, and an open one.
    """
    debits = opened.topic("debits").partitions[0]
    debits.append(rows(0, 5))
    with opened.transaction("transfer") as committed:
        committed.append("debits", rows(100, 60))
        committed.append("credits", rows(200, 3))
        committed.commit_offsets("group", {("debits", 0): 5})
    aborted = opened.transaction()
    aborted.append("debits", rows(300, 60))
    aborted.append("credits", rows(400, 3))
    aborted.abort()
    debits.append(rows(5, 60))
    prepared = opened.transaction("job 7")
    prepared.append("debits", rows(500, 4))
    prepared.append("credits", rows(600, 4))
    prepared.prepare()
    left_open = opened.transaction()
    left_open.append("debits", rows(700, 2))
    for name in ("debits", "credits"):
        opened.topic(name).partitions[0].flush()


if __name__ == "__main__":
    main()
