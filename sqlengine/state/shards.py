"""Which shard a row belongs to, by its keys: equal keys (as in GROUP BY) are in the same one.

NULL is a key like any other.  What is nested or text goes by its fingerprint, the rest by its words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.kernels import choose
from sqlengine.state import arrow_buffers as buffers
from sqlengine.state.codec import flat_codec
from sqlengine.state.fingerprint import fingerprints

if TYPE_CHECKING:
    from sqlengine.kernels import deal_reference as kernel
else:
    kernel = choose("deal", "deal_reference")

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.uint8]


BUCKETS = 256
"""Keys are put into so many buckets, and these onto shards by how many rows they have: a few keys with most of the rows
would else meet in one shard by chance."""


def deal(keys: Sequence[pa.Array], shards: int, places: Places | None = None) -> list[Ints]:
    """The row numbers of each shard, ascending. `places`: the shard of each bucket (without: by the hash alone)."""
    order, ends = kernel.deal(_lanes(keys), shards, places)
    return np.split(order, ends[:-1])


def in_shard(keys: Sequence[pa.Array], shards: int, shard: int, places: Places | None = None) -> Mask:
    """Which rows belong to one shard."""
    mask = np.zeros(len(keys[0]), dtype=bool)
    mask[deal(keys, shards, places)[shard]] = True
    return mask


def balanced(samples: Sequence[Sequence[pa.Array]], shards: int) -> Places:
    """uint8[BUCKETS]: buckets to shards so that each has about as many of the sampled rows (the keys of some batches).

    The largest first, each to the shard with the fewest rows so far (Graham 1969).
    """
    rows = np.zeros(BUCKETS, dtype=np.int64)
    for keys in samples:
        _, ends = kernel.deal(_lanes(keys), BUCKETS, None)
        rows += np.diff(ends, prepend=0)
    places, load = np.zeros(BUCKETS, dtype=np.uint8), np.zeros(shards, dtype=np.int64)
    for bucket in np.argsort(-rows, kind="stable"):
        shard = int(np.argmin(load))
        places[bucket] = shard
        load[shard] += rows[bucket] + 1  # empty ones are spread as well
    return places


def _lanes(keys: Sequence[pa.Array]) -> npt.NDArray[np.uint64]:
    """The hash of each row's keys."""
    lanes = np.zeros(len(keys[0]), dtype=np.uint64)
    for key in keys:
        for word in _words(buffers.plain(key)):
            kernel.fold(lanes, word)
    return lanes


def _words(column: pa.Array) -> list[Ints]:
    codec = flat_codec(column.type)
    if codec is None or codec.dictionary:
        return [np.ascontiguousarray(fingerprints([column], len(column))[:, 0])]
    return [np.ascontiguousarray(word) for word in codec.encode(column, buffers.validity(column))]
