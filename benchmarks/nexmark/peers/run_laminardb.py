"""LaminarDB, given Arrow batches in memory; its joins look back a while only, so q3 and q20 may answer less."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from benchmarks.nexmark.peers.peer import READS, STANDARD, columns, main

BATCH_ROWS = 65_536
SILENCE_MS = 1_000
PATIENCE = 10
"""Silences before the first row after which there is none."""
TEXTS = {
    "q0": STANDARD["q0"],
    "q1": STANDARD["q1"],
    "q2": "SELECT auction, price FROM bid WHERE auction % 123 = 0",
    "q3": STANDARD["q3"],
    "q20": STANDARD["q20"],
    "q22": "SELECT auction, bidder, price, channel, split_part(url, '/', 4) AS dir1, split_part(url, '/', 5) AS dir2,"
    " split_part(url, '/', 6) AS dir3 FROM bid",
}


def run(folder: Path, query: str, text: str) -> tuple[float, int]:
    """From the first insert to the last row at a subscriber."""
    import laminardb  # in this process: it may not be installed
    import pyarrow.parquet as pq

    connection = laminardb.open(":memory:")
    batches = {}
    for table in READS[query]:
        watermark = "WATERMARK FOR date_time AS date_time - INTERVAL '4' SECOND"
        connection.execute(f"CREATE SOURCE {table} ({columns(table, 'VARCHAR', 'BIGINT')}, {watermark})")
        rows = pq.read_table(folder / "millis" / f"{table}.parquet")
        batches[table] = rows.to_batches(max_chunksize=BATCH_ROWS)
    connection.execute(f"CREATE STREAM answer AS {text}")
    connection.start()
    subscription = connection.subscribe_stream("answer")
    received, last, inserted = 0, time.perf_counter(), threading.Event()

    def receive() -> None:
        nonlocal received, last
        silences = 0
        while True:
            try:
                batch = subscription.next_timeout(SILENCE_MS)
            except laminardb.SubscriptionError:
                silences += 1
                if inserted.is_set() and (received or silences >= PATIENCE):
                    return
                continue
            received += batch.num_rows
            last = time.perf_counter()

    reader = threading.Thread(target=receive)
    reader.start()
    started = time.perf_counter()
    for table, rows in batches.items():
        for batch in rows:
            connection.insert(table, batch)
    inserted.set()
    reader.join()
    connection.close()
    return last - started, received


if __name__ == "__main__":
    main("laminardb", TEXTS, run)
