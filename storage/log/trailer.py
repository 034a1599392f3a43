"""The trailer of a frame: sections that a reader may skip, and the one that compaction adds (FORMAT.md section 3).

Pure functions over bytes; must not do I/O nor know what a payload means.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.log.format import ALIGNMENT, MAX_TRAILER, padding

KIND_STATISTICS = 1
KIND_KEPT = 2
NO_HORIZON = -1

# Offsets a compacted frame can cover: their bitmap must fit into the trailer, with statistics beside it.
MAX_COMPACTED_SPAN = MAX_TRAILER // 2 * 8

_SECTION = struct.Struct("<HHI")
_HORIZON = struct.Struct("<q")


def section(kind: int, count: int, content: bytes) -> bytes:
    """The bytes of one section, aligned to 8 so that another may follow."""
    packed = _SECTION.pack(kind, count, len(content)) + content
    return packed + bytes(-len(packed) % 8)


def sections(trailer: Any) -> Iterator[tuple[int, int, int]]:
    """(kind, count, position of content) of each section; a kind of 0 is padding and ends the trailer."""
    position = 0
    while position + _SECTION.size <= len(trailer):
        kind, count, length = _SECTION.unpack_from(trailer, position)
        if kind == 0:
            return
        yield kind, count, position + _SECTION.size
        position = (position + _SECTION.size + length + 7) & -8


def encode_kept(kept: npt.NDArray[np.bool_], horizon_us: int, statistics: bytes) -> bytes:
    """The trailer of a compacted frame: which of the offsets it covers still have a record, until when tombstones
    stay (NO_HORIZON: there are none), and `statistics`.
    """
    bitmap = np.packbits(kept, bitorder="little").tobytes()
    trailer = section(KIND_KEPT, 0, _HORIZON.pack(horizon_us) + bitmap) + statistics
    return trailer + padding(len(trailer))


def kept_span(places: npt.NDArray[np.int64], span: int) -> npt.NDArray[np.bool_]:
    """bool[span]: True at `places`."""
    kept = np.zeros(span, dtype=bool)
    kept[places] = True
    return kept


def decode_kept(trailer: Any, span: int) -> tuple[npt.NDArray[np.int64], int]:
    """(places, ascending, among the `span` offsets that still have a record; delete horizon in us or NO_HORIZON).

    A trailer without the section belongs to a frame that has no record left.
    """
    for kind, _, start in sections(trailer):
        if kind == KIND_KEPT:
            bits = np.frombuffer(trailer, np.uint8, count=(span + 7) // 8, offset=start + _HORIZON.size)
            kept = np.flatnonzero(np.unpackbits(bits, count=span, bitorder="little"))
            return kept.astype(np.int64, copy=False), _HORIZON.unpack_from(trailer, start)[0]
    return np.zeros(0, np.int64), NO_HORIZON


assert MAX_TRAILER % ALIGNMENT == 0
