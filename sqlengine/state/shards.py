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


def deal(keys: Sequence[pa.Array], shards: int) -> list[Ints]:
    """The row numbers of each shard, ascending."""
    lanes = np.zeros(len(keys[0]), dtype=np.uint64)
    for key in keys:
        for word in _words(buffers.plain(key)):
            kernel.fold(lanes, word)
    order, ends = kernel.deal(lanes, shards)
    return np.split(order, ends[:-1])


def in_shard(keys: Sequence[pa.Array], shards: int, shard: int) -> Mask:
    """Which rows belong to one shard."""
    mask = np.zeros(len(keys[0]), dtype=bool)
    mask[deal(keys, shards)[shard]] = True
    return mask


def _words(column: pa.Array) -> list[Ints]:
    codec = flat_codec(column.type)
    if codec is None or codec.dictionary:
        return [np.ascontiguousarray(fingerprints([column], len(column))[:, 0])]
    return [np.ascontiguousarray(word) for word in codec.encode(column, buffers.validity(column))]
