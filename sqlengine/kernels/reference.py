"""The hash tables of `hash_index.pyx` in plain Python and NumPy: same classes, same answers, several times slower.

Why: runs where there is no compiled extension, and says in readable form what the compiled loops must do.
Batches are reduced to their distinct keys by NumPy first, so that the Python dictionary sees each key once a batch.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]


def _assign(known: dict[Hashable, int], keys: list[Hashable], first: Int64s, add: bool) -> Int64s:
    """Slots of distinct `keys`; unknown ones are added in order of `first` appearance, or -1 unless `add`."""
    slots = np.array([known.get(k, -1) for k in keys], dtype=np.int64)
    if not add:
        return slots
    new = np.flatnonzero(slots < 0)
    for i in new[np.argsort(first[new], kind="stable")].tolist():
        slots[i] = known[keys[i]] = len(known)
    return slots


class HashIndex:
    """Keys of `width` >= 1 int64 words to dense slots in order of first appearance."""

    def __init__(self, width: int) -> None:
        if width < 1:
            raise ValueError("width must be at least 1")
        self.width = width
        self._slots: dict[Hashable, int] = {}
        self._words: list[Int64s] = []

    @property
    def size(self) -> int:
        """Number of keys."""
        return len(self._slots)

    @property
    def nbytes(self) -> int:
        """Bytes of the table and the keys, roughly."""
        return sys.getsizeof(self._slots) + self.size * (40 + 8 * self.width)

    def insert(self, codes: Int64s) -> Int64s:
        """Slots (int64[n]) of the keys codes[n, width]; a new key gets the next slot."""
        before = self.size
        slots = self._look_up(codes, add=True)
        if self.size > before:
            rows = np.empty(self.size - before, dtype=np.int64)
            new = np.flatnonzero(slots >= before)
            rows[slots[new] - before] = new
            self._words.append(np.array(codes[rows]))
        return slots

    def find(self, codes: Int64s) -> Int64s:
        """Slots (int64[n]) of the keys codes[n, width]; -1 for a key that is absent."""
        return self._look_up(codes, add=False)

    def keys(self) -> Int64s:
        """All keys by slot: int64[size, width]."""
        if len(self._words) != 1:
            self._words = [np.concatenate([np.empty((0, self.width), dtype=np.int64), *self._words])]
        return self._words[0].copy()

    def take(self, slots: Int64s) -> Int64s:
        """The keys of the given slots, int64[n, width]; slots must be in range."""
        if len(self._words) != 1:
            self.keys()
        return np.ascontiguousarray(self._words[0][slots])

    def compact(self, keep: npt.NDArray[np.bool_]) -> Int64s:
        """Keep the slots where keep (bool[size]) is true, in order; returns old slot -> new slot or -1, int64[size]."""
        if len(keep) != self.size:
            raise ValueError("keep must have one entry per key")
        kept = self.keys()[keep]
        self._slots, self._words = {}, []
        self.insert(kept)
        moved = np.cumsum(keep, dtype=np.int64) - 1
        moved[~np.asarray(keep, dtype=bool)] = -1
        return moved

    def _look_up(self, codes: Int64s, add: bool) -> Int64s:
        if codes.shape[1] != self.width:
            raise ValueError(f"expected {self.width} words a key, got {codes.shape[1]}")
        if not len(codes):
            return np.empty(0, dtype=np.int64)
        if self.width == 1:
            flat: npt.NDArray[Any] = np.ascontiguousarray(codes[:, 0])
        else:
            flat = np.ascontiguousarray(codes).view(np.dtype((np.void, 8 * self.width)))[:, 0]
        values, first, inverse = np.unique(flat, return_index=True, return_inverse=True)
        keys = values.tolist()
        return _assign(self._slots, keys, first, add)[inverse]


class BytesTable:
    """Byte strings to dense codes in order of first appearance."""

    def __init__(self) -> None:
        self._codes: dict[Hashable, int] = {}
        self._strings: list[bytes] = []

    @property
    def size(self) -> int:
        """Number of distinct byte strings."""
        return len(self._strings)

    @property
    def nbytes(self) -> int:
        """Bytes of the dictionary and its strings, roughly."""
        return sys.getsizeof(self._codes) + sum(map(sys.getsizeof, self._strings))

    def insert(self, offsets: npt.NDArray[np.integer], data: npt.NDArray[np.uint8], add: bool = True) -> Int64s:
        """Codes (int64[n]) of data[offsets[i]:offsets[i + 1]]; unknown strings are added, or -1 unless `add`."""
        raw = data.tobytes()
        bounds = offsets.tolist()
        strings = [raw[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]
        if not add:
            return np.array([self._codes.get(s, -1) for s in strings], dtype=np.int64)
        out = np.empty(len(strings), dtype=np.int64)
        for i, string in enumerate(strings):
            code = self._codes.setdefault(string, len(self._strings))
            if code == len(self._strings):
                self._strings.append(string)
            out[i] = code
        return out

    def take(self, codes: Int64s) -> tuple[Int64s, npt.NDArray[np.uint8]]:
        """(offsets int64[n + 1], data uint8[...]) of the byte strings of the codes; -1 gives an empty string."""
        strings = [self._strings[c] if c >= 0 else b"" for c in codes.tolist()]
        offsets = np.zeros(len(strings) + 1, dtype=np.int64)
        np.cumsum([len(s) for s in strings], out=offsets[1:])
        return offsets, np.frombuffer(b"".join(strings), dtype=np.uint8)
