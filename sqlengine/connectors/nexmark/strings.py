"""The text columns of NEXMark events without a Python string per row.

Filler text is a window that slides over a fixed pool of random letters: row k's text begins where row k -
1's ended, and lengths repeat after a while, so where row k begins is arithmetic, and a batch's text is a
slice of the pool, not a copy.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.connectors.nexmark.config import CHANNELS, HOT_CHANNELS
from sqlengine.connectors.noise import I64, below, noise, start_of, upper

_POOL_BYTES = 1 << 22
_PERIOD = 4093
"""Lengths repeat after so many rows: a prime, so that they do not keep step with the rounds of events."""
_LETTERS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", dtype=np.uint8)
_SPACED = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz  ", dtype=np.uint8)


@functools.lru_cache(maxsize=8)
def _pool(seed: int, spaced: bool) -> bytes:
    """Letters, twice over, so that a window of a whole pool fits from any beginning."""
    alphabet = _SPACED if spaced else _LETTERS
    drawn = below(noise(start_of(seed, 101 + spaced), np.arange(_POOL_BYTES)), len(alphabet))
    return alphabet[drawn].tobytes() * 2


@functools.lru_cache(maxsize=16)
def _lengths(seed: int, mean: int) -> tuple[I64, I64]:
    """The lengths of one period, from 0.8 to 1.2 times the mean, and their running sums from 0."""
    spread = round(mean * 0.2)
    lengths = mean - spread + below(noise(start_of(seed, 103 + mean), np.arange(_PERIOD)), 2 * spread)
    return lengths, np.concatenate([[0], np.cumsum(lengths)])


def extra(seed: int, mean: int, first: int, last: int) -> pa.StringArray:
    """Rows first..last of a filler column with `mean` letters on average."""
    lengths, sums = _lengths(seed, mean)
    rows = np.arange(first, last + 1)
    begins = rows // _PERIOD * int(sums[-1]) + sums[rows % _PERIOD]
    return _windows(seed, begins, spaced=False)


def fixed(seed: int, length: int, first: int, last: int) -> pa.StringArray:
    """Rows first..last of a column of words, `length` letters and spaces each."""
    return _windows(seed, np.arange(first, last + 1) * length, spaced=True)


def _windows(seed: int, begins: I64, spaced: bool) -> pa.StringArray:
    """Text i is pool[begins[i]:begins[i+1]], the pool going on for ever; zero-copy while the whole fits
    into it."""
    pool = _pool(seed, spaced)
    start, total = int(begins[0]) % _POOL_BYTES, int(begins[-1] - begins[0])
    data = pa.py_buffer(pool)
    if total > _POOL_BYTES:
        one = pool[:_POOL_BYTES]
        data = pa.py_buffer((one * (-(-(start + total) // _POOL_BYTES)))[start : start + total])
        start = 0
    offsets = (begins - begins[0] + start).astype(np.int32)
    return pa.Array.from_buffers(pa.string(), len(begins) - 1, [None, pa.py_buffer(offsets), data])


def words(choice: I64, table: tuple[str, ...]) -> pa.StringArray:
    """The chosen words."""
    return pa.array(table).take(pa.array(choice))


def patterned(
    rows: int, template: bytes, places: list[int], symbols: bytes, bits: npt.NDArray[np.uint64]
) -> pa.StringArray:
    """`template` once per row with the bytes at `places` drawn from `symbols` (`bits`: uint64[rows,
    len(places)])."""
    texts = np.tile(np.frombuffer(template, dtype=np.uint8), (rows, 1))
    texts[:, places] = np.frombuffer(symbols, dtype=np.uint8)[below(bits, len(symbols))]
    offsets = np.arange(0, (rows + 1) * len(template), len(template), dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(texts.tobytes())])


@functools.lru_cache(maxsize=4)
def channel_tables(seed: int) -> tuple[pa.StringArray, pa.StringArray]:
    """Names and URLs of the 10,000 channels, then of the four hot ones; 9 in 10 of the former carry a
    channel_id."""
    total = CHANNELS + len(HOT_CHANNELS)
    numbers = np.arange(total)
    bits = [noise(start_of(seed, 201 + i), numbers) for i in range(3)]
    parts = ["https://www.nexmark.com/", *(p for b in bits for p in (_folder(b), "/")), "item.htm?query=1"]
    base = pc.binary_join_element_wise(*parts, "")
    carries = below(noise(start_of(seed, 204), numbers), 10) > 0
    carries[CHANNELS:] = False
    ids = pa.array([str(abs(_reversed_bits(n))) for n in range(total)])
    suffix = pc.if_else(pa.array(carries), pc.binary_join_element_wise("&channel_id=", ids, ""), "")
    names = pa.array([*(f"channel-{n}" for n in range(CHANNELS)), *HOT_CHANNELS])
    return names, pc.binary_join_element_wise(base, suffix, "")


def _folder(bits: npt.NDArray[np.uint64]) -> pa.StringArray:
    """Three or four letters, now and then an underscore."""
    symbols = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz__", dtype=np.uint8)
    letters = symbols[np.stack([below(bits >> np.uint64(8 * i), len(symbols)) for i in range(4)], axis=1)]
    text = pa.array([row.tobytes().decode() for row in letters])
    return pc.if_else(pa.array(below(upper(bits), 2) == 0), pc.utf8_slice_codeunits(text, 0, 3), text)


def _reversed_bits(number: int) -> int:
    """The 32 bits in reverse order, read as a signed number (Java's Integer.reverse)."""
    value = int(f"{number:032b}"[::-1], 2)
    return value - 2**32 if value >= 2**31 else value
