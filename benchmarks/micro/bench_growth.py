"""The longest single call while an index of keys grows, and what a row costs over all calls.

    python benchmarks/micro/bench_growth.py [--keys 5000000] [--batch 1000]

Inserts new keys, a batch a call: scattered keys of one and of two words, keys counted up, keys counted up until one
lies far away, byte strings, and the int64 arrays beside the keys (`Growable`).  The longest call is what a change may
have to wait for.  Processor time, the least of three runs: who else uses the machine is not the question.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from time import thread_time

import numpy as np
import numpy.typing as npt

from benchmarks.side_by_side import report
from sqlengine.kernels import BytesTable, HashIndex
from sqlengine.state.growable import Growable

Ints = npt.NDArray[np.int64]
Call = Callable[[Ints], object]
ROUNDS = 3


def _of_words(width: int) -> Call:
    """Inserts keys of `width` words each."""
    index = HashIndex(width)
    return lambda keys: index.insert(np.ascontiguousarray(np.stack([keys * (j + 1) for j in range(width)], axis=1)))


def _of_strings() -> Call:
    """Inserts keys as strings of 8 bytes."""
    table = BytesTable()
    return lambda keys: table.insert(np.arange(len(keys) + 1) * 8, keys.view(np.uint8))


def cases(keys: int) -> Iterator[tuple[str, Ints, Callable[[], Call]]]:
    """(name, keys, what makes a call that inserts into something new)."""
    scattered = np.random.default_rng(1).integers(0, 2**62, keys)
    counted = np.arange(keys)
    leaving = counted.copy()
    leaving[keys * 3 // 4 :] += 2**40
    yield "1-word keys, scattered", scattered, lambda: _of_words(1)
    yield "2-word keys, scattered", scattered, lambda: _of_words(2)
    yield "1-word keys, counted up", counted, lambda: _of_words(1)
    yield "1-word keys, counted up, then far away", leaving, lambda: _of_words(1)
    yield "strings of 8 bytes", scattered, _of_strings
    yield "array beside the keys", counted, lambda: Growable(-1).append


def measure(name: str, keys: Ints, make: Callable[[], Call], batch: int) -> None:
    """Insert all keys, a batch a call."""
    longest, spent = [], []
    for _ in range(ROUNDS):
        call, calls, began = make(), [], thread_time()
        for start in range(0, len(keys), batch):
            at = thread_time()
            call(keys[start : start + batch])
            calls.append(thread_time() - at)
        spent.append(thread_time() - began)
        longest.append(max(calls))
    report(f"{name}: longest call", "sqlengine", min(longest) * 1000, "ms")
    report(f"{name}: a row", "sqlengine", min(spent) / len(keys) * 1e9, "ns")


def main() -> None:
    """Parse options, measure every case."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys", type=int, default=5_000_000)
    parser.add_argument("--batch", type=int, default=1_000)
    options = parser.parse_args()
    for name, keys, make in cases(options.keys):
        measure(name, keys, make, options.batch)


if __name__ == "__main__":
    main()
