"""The live view under a million changes a second: frames per second, and how long keys wait for their frame.

A thread feeds updates of 100,000 rows, as fast as a million changes a second or as they are taken; keys come
through prompt_toolkit's own input every 50 ms.  Also: the first page of a result of 100,000 rows in the pager.
`ratio` is the figure over its bar, or the bar over the figure where less is better: 1 or more meets it.
"""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from repl.live.fullscreen import show
from repl.live.grid_screen import GridScreen, result_rows
from repl.live.lines import Line
from repl.live.live_screen import LiveScreen

ROWS = 100_000
UPDATES = 10_000
CHANGES_PER_SECOND = 1_000_000
SECONDS = 8.0
FRAMES_BAR, KEY_BAR_MS, PAGE_BAR_S = 10.0, 250.0, 0.3
SCHEMA = pa.schema(
    [("op", pa.string()), ("id", pa.int64()), ("name", pa.string()), ("total", pa.int64()), ("mean", pa.float64())]
)


class Timed(LiveScreen):
    """Notes when frames were made, and how long keys waited for the frame that shows their effect."""

    def __init__(self) -> None:
        super().__init__("SELECT id, name, sum(x), avg(x) FROM s GROUP BY id, name EMIT CHANGES", SCHEMA)
        self.frames: list[float] = []
        self.waited_ms: list[float] = []
        self.sent: list[float] = []
        self._taken = 0

    def press(self, key: str) -> None:
        """See Screen."""
        super().press(key)
        self._taken += key in ("up", "down")

    def frame(self, width: int, height: int, now: float) -> list[Line]:
        """See Screen."""
        lines = super().frame(width, height, now)
        done = time.monotonic()
        self.frames.append(done)
        while len(self.waited_ms) < self._taken:
            self.waited_ms.append((done - self.sent[len(self.waited_ms)]) * 1000)
        return lines


def batches() -> Iterator[pa.RecordBatch]:
    """All rows once, then updates of rows at random, two changes each."""
    random = np.random.default_rng(1)
    names = pa.array([f"customer {n}" for n in range(ROWS)])
    totals = np.zeros(ROWS, np.int64)
    everyone = np.arange(ROWS)
    insert = pa.array(["insert"]).take(pa.array(np.zeros(ROWS, np.int64)))
    yield rows_of(insert, everyone, names, totals)
    operations = pa.array(["update_before", "update_after"]).take(pa.array(np.tile([0, 1], UPDATES)))
    while True:
        chosen = random.permutation(ROWS)[:UPDATES]
        values = np.repeat(totals[chosen], 2)
        totals[chosen] += random.integers(1, 9, UPDATES)
        values[1::2] = totals[chosen]
        yield rows_of(operations, np.repeat(chosen, 2), names, values)


def rows_of(operations: pa.Array, ids: np.ndarray, names: pa.Array, totals: np.ndarray) -> pa.RecordBatch:
    """A batch of the changelog."""
    columns = [operations, pa.array(ids), names.take(pa.array(ids)), pa.array(totals.copy()), pa.array(totals / 3)]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def run(keys: Sequence[str]) -> tuple[float, float, list[float]]:
    """(changes per second that were taken, frames per second, milliseconds that keys waited)."""
    screen = Timed()
    over = threading.Event()
    source = batches()
    screen.feed(next(source), time.monotonic())
    prepared = [next(source) for _ in range(60)]
    fed = 0

    def feed() -> None:
        nonlocal fed
        began = time.monotonic()
        while not over.is_set():
            batch = prepared[fed // (2 * UPDATES) % len(prepared)]
            screen.feed(batch, time.monotonic())
            fed += batch.num_rows
            ahead = fed / CHANGES_PER_SECOND - (time.monotonic() - began)
            if ahead > 0:
                time.sleep(ahead)

    with create_pipe_input() as pipe:

        def type_keys() -> None:
            for key in keys:
                pipe.send_text(key)
                time.sleep(0.2)
            end = time.monotonic() + SECONDS
            turn = 0
            while time.monotonic() < end:
                screen.sent.append(time.monotonic())
                pipe.send_text("\x1b[A" if turn % 20 >= 10 else "\x1b[B")
                turn += 1
                time.sleep(0.05)
            over.set()
            pipe.send_text("q")

        threads = [threading.Thread(target=feed), threading.Thread(target=type_keys)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        show(screen, input=pipe, output=DummyOutput())
        seconds = time.monotonic() - began
        for thread in threads:
            thread.join()
    return fed / seconds, len(screen.frames) / seconds, sorted(screen.waited_ms)


def first_page() -> float:
    """Seconds from a result of 100,000 rows to its first page."""
    numbers = np.arange(100_000)
    names = pa.array([f"row {n}" for n in numbers])
    table = pa.table({f"n{i}": numbers * i for i in range(8)} | {"name": names, "text": names})
    began = time.perf_counter()
    GridScreen("SELECT * FROM t", result_rows(table)).frame(160, 50, 0.0)
    return time.perf_counter() - began


def tell(case: str, value: float, unit: str, ratio: float) -> None:
    """One case of benchmarks/run.py."""
    figures = {"value": round(value, 3), "unit": unit, "ratio": round(ratio, 2), "bar": 1.0, "met": ratio >= 1}
    print(json.dumps({"case": f"repl: {case}", "engine": "sqlengine", **figures}), flush=True)


def main() -> None:
    """Each way of looking at it for eight seconds."""
    for name, keys in (("table", []), ("table, sorted", ["\x1b[C", "\x1b[C", "s", "s"]), ("changes", ["\t"])):
        changes, frames, waited_ms = run(keys)
        p99 = waited_ms[int(len(waited_ms) * 0.99)]
        tell(f"live {name}: changes taken", changes / 1e6, "M/s", changes / CHANGES_PER_SECOND / 0.95)
        tell(f"live {name}: frames", frames, "frames/s", frames / FRAMES_BAR)
        tell(
            f"live {name}: key to frame, p50",
            statistics.median(waited_ms),
            "ms",
            KEY_BAR_MS / statistics.median(waited_ms),
        )
        tell(f"live {name}: key to frame, p99", p99, "ms", KEY_BAR_MS / p99)
    page_s = statistics.median(first_page() for _ in range(5))
    tell("first page of 100,000 rows", page_s, "s", PAGE_BAR_S / page_s)


if __name__ == "__main__":
    main()
