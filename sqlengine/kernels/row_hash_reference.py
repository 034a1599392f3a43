"""The row fingerprint of `row_hash.pyx` in plain NumPy: same functions, same bits, several times slower.

Why: runs where there is no compiled extension, and says in readable form what the compiled loops must do.
It must not grow features of its own; a property test holds the two together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]

_M1, _M2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_N1, _N2 = np.uint64(0xD6E8FEB86659FD93), np.uint64(0xA0761D6478BD642F)
_F1, _F2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_S29, _S32, _S33 = np.uint64(29), np.uint64(32), np.uint64(33)


def _step(state: Words, rows: npt.NDArray[np.bool_], word: Words, by: tuple[np.uint64, np.uint64]) -> None:
    """One lane step on the chosen rows with one word each."""
    a = (state[rows, 0] ^ word) * by[0]
    b = (state[rows, 1] + word) * by[1]
    state[rows, 0] = a ^ (a >> _S29)
    state[rows, 1] = b ^ (b >> _S32)


def _fold_nulls(state: Words, valid: Bytes) -> npt.NDArray[np.bool_]:
    """Fold the NULL step where invalid; returns the mask of rows that hold a value."""
    if not len(valid):
        return np.ones(len(state), dtype=bool)
    null = valid == 0
    a = (state[null, 0] ^ _M2) * _N1
    b = (state[null, 1] + _M1) * _N2
    state[null, 0] = a ^ (a >> _S29)
    state[null, 1] = b ^ (b >> _S32)
    return ~null


def fold_words(state: Words, words: Offsets, valid: Bytes) -> None:
    """Fold one 64-bit word per row; `valid` uint8[n], or length 0 when no value is NULL."""
    rows = _fold_nulls(state, valid)
    _step(state, rows, words[rows].view(np.uint64), (_M1, _M2))


def fold_bytes(state: Words, offsets: Offsets, data: Bytes, valid: Bytes) -> None:
    """Fold the byte string data[offsets[i]:offsets[i + 1]] of each row: its 8-byte words, then its length."""
    present = _fold_nulls(state, valid)
    lengths = np.diff(offsets)
    for start in range(0, int(lengths[present].max(initial=0)), 8):
        rows = present & (lengths > start)
        at = offsets[:-1][rows, None] + start + np.arange(8)
        inside = at < offsets[1:][rows, None]
        chunk = np.where(inside, data[np.minimum(at, len(data) - 1)], np.uint8(0))
        _step(state, rows, np.ascontiguousarray(chunk).view("<u8")[:, 0], (_M1, _M2))
    _step(state, present, lengths[present].view(np.uint64), (_M1, _M2))


def finish(state: Words) -> None:
    """Final avalanche (the finaliser of MurmurHash3, Appleby 2011) and exchange between the lanes, in place."""
    a, b = state[:, 0].copy(), state[:, 1].copy()
    a = (a ^ (a >> _S33)) * _F1
    a = (a ^ (a >> _S33)) * _F2
    b = (b ^ (b >> _S33)) * _F1
    b = (b ^ (b >> _S33)) * _F2
    a = a + (b ^ (b >> _S33))
    state[:, 0] = a
    state[:, 1] = b + (a ^ (a >> _S33))
