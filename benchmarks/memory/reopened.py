"""A database that `limited.py` has left is opened again under its limit: `python -m benchmarks.memory.reopened ...`

Tells, as JSON, the peak of the process until it is open, what of that is in no file, the seconds and the view's rows.
"""

from __future__ import annotations

import argparse
import json
import threading
import time

import sqlengine
from benchmarks.memory.limited import status_bytes

SAMPLE_S = 0.002


def run(path: str, limit: int) -> dict[str, int | float]:
    """Open it and count the view's rows; `own` is sampled."""
    with sqlengine.connect() as small:
        small.execute("SELECT 1").fetchall()  # what is loaded once is no state
    base, own_base = status_bytes("VmRSS"), status_bytes("RssAnon")
    own, done = 0, threading.Event()

    def sample() -> None:
        nonlocal own
        while not done.wait(SAMPLE_S):
            own = max(own, status_bytes("RssAnon") - own_base)

    sampler = threading.Thread(target=sample)
    sampler.start()
    began = time.perf_counter()
    try:
        with sqlengine.connect(path, memory_limit=limit) as db:
            seconds, peak = time.perf_counter() - began, status_bytes("VmHWM")
            done.set()
            ((rows, keys),) = db.execute("SELECT count(*), sum(k) FROM answer").fetchall()
    finally:
        done.set()
        sampler.join()
    return {"base": base, "peak": peak, "own": own, "seconds": seconds, "rows": rows, "keys": int(keys)}


def main() -> None:
    """Parse options, run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path")
    parser.add_argument("--limit", type=int, required=True)
    options = parser.parse_args()
    print(json.dumps(run(options.path, options.limit)))


if __name__ == "__main__":
    main()
