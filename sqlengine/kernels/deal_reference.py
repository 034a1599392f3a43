"""Dealing rows out to shards as `deal.pyx` does, in plain NumPy: same functions, same answers.

Why: runs where there is no compiled extension, and says in readable form what the compiled loops must do.
It must not grow features of its own; a property test holds the two together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Lanes = npt.NDArray[np.uint64]

_M = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


def fold(lanes: Lanes, words: Ints) -> None:
    """Mix one word per row into the rows' lanes."""
    mixed = (lanes ^ words.view(np.uint64)) * _M
    lanes[:] = mixed ^ (mixed >> _HALF)


def deal(lanes: Lanes, shards: int, places: npt.NDArray[np.uint8] | None = None) -> tuple[Ints, Ints]:
    """(row numbers by shard and in order within it, int64[n]; where each shard's rows end, int64[shards]).

    `places` says the shard of each bucket, of as many as it is long; without it a bucket is a shard.
    """
    buckets = shards if places is None else len(places)
    bucket = (((lanes * _M) >> _HALF) * np.uint64(buckets) >> _HALF).view(np.int64)
    shard = bucket if places is None else places[bucket].astype(np.int64)
    return np.argsort(shard, kind="stable"), np.cumsum(np.bincount(shard, minlength=shards))
