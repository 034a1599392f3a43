"""The block cipher AES (FIPS 197) over many blocks at once, and its mode ECB with the padding of PKCS #7.

Hive's aes_encrypt is Java's `AES`, which is `AES/ECB/PKCS5Padding`: equal blocks give equal ciphertext, and the time
depends on tables in memory.  It is here for data that Hive wrote; nothing of this program's own relies on it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
KEY_BYTES = (16, 24, 32)
BLOCK = 16


def _doubled(values: Bytes) -> Bytes:
    """Times x in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1."""
    return ((values << 1) ^ np.where(values & 0x80, 0x1B, 0)).astype(np.uint8)


def _times(values: Bytes, factor: int) -> Bytes:
    out = np.zeros_like(values)
    while factor:
        if factor & 1:
            out ^= values
        values = _doubled(values)
        factor >>= 1
    return out


def _boxes() -> tuple[Bytes, Bytes]:
    """The S-box (section 5.1.1) and its inverse."""
    box = np.zeros(256, dtype=np.uint8)
    p = q = 1
    while True:
        p ^= ((p << 1) ^ (0x1B if p & 0x80 else 0)) & 0xFF
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 0xFF
        q ^= 0x09 if q & 0x80 else 0
        turned = [((q << n) | (q >> (8 - n))) & 0xFF for n in range(5)]
        box[p] = turned[0] ^ turned[1] ^ turned[2] ^ turned[3] ^ turned[4] ^ 0x63
        if p == 1:
            break
    box[0] = 0x63
    inverse = np.zeros(256, dtype=np.uint8)
    inverse[box] = np.arange(256, dtype=np.uint8)
    return box, inverse


_BOX, _INVERSE = _boxes()
_ALL = np.arange(256, dtype=np.uint8)
_MULTIPLES = {factor: _times(_ALL, factor) for factor in (2, 3, 9, 11, 13, 14)}
_SHIFT = np.array([(4 * ((column + row) % 4)) + row for column in range(4) for row in range(4)])
_SHIFT_BACK = np.argsort(_SHIFT)


@lru_cache(maxsize=64)
def _round_keys(key: bytes) -> Bytes:
    """Key expansion (section 5.2): uint8[rounds + 1, 16]."""
    words = [list(key[i : i + 4]) for i in range(0, len(key), 4)]
    length, constant = len(words), 1
    for at in range(length, 4 * (length + 7)):
        word = list(words[at - 1])
        if at % length == 0:
            word = [int(_BOX[b]) for b in word[1:] + word[:1]]
            word[0] ^= constant
            constant = (constant << 1) ^ (0x11B if constant & 0x80 else 0)
        elif length > 6 and at % length == 4:
            word = [int(_BOX[b]) for b in word]
        words.append([a ^ b for a, b in zip(words[at - length], word, strict=True)])
    return np.array(words, dtype=np.uint8).reshape(-1, BLOCK)


def _mixed(state: Bytes, factors: tuple[int, int, int, int]) -> Bytes:
    columns = state.reshape(-1, 4)
    out = np.zeros_like(columns)
    for row in range(4):
        for at in range(4):
            factor = factors[(at - row) % 4]
            part = columns[:, at]
            out[:, row] ^= part if factor == 1 else _MULTIPLES[factor][part]
    return out.reshape(-1, BLOCK)


def encrypt_blocks(blocks: Bytes, key: bytes) -> Bytes:
    """Each of the blocks, uint8[n, 16], encrypted."""
    keys = _round_keys(key)
    state = blocks ^ keys[0]
    for one in keys[1:-1]:
        state = _mixed(_BOX[state][:, _SHIFT], (2, 3, 1, 1)) ^ one
    return _BOX[state][:, _SHIFT] ^ keys[-1]  # type: ignore[no-any-return]


def decrypt_blocks(blocks: Bytes, key: bytes) -> Bytes:
    """Each of the blocks, uint8[n, 16], decrypted."""
    keys = _round_keys(key)
    state = blocks ^ keys[-1]
    for one in keys[-2:0:-1]:
        state = _mixed(_INVERSE[state[:, _SHIFT_BACK]] ^ one, (14, 11, 13, 9))
    return _INVERSE[state[:, _SHIFT_BACK]] ^ keys[0]  # type: ignore[no-any-return]


def encrypt(data: bytes, key: bytes) -> bytes | None:
    """The data encrypted; None for a key that is not of 16, 24 or 32 bytes."""
    if len(key) not in KEY_BYTES:
        return None
    fill = BLOCK - len(data) % BLOCK
    padded = np.frombuffer(data + bytes([fill]) * fill, dtype=np.uint8).reshape(-1, BLOCK)
    return encrypt_blocks(padded, key).tobytes()


def decrypt(data: bytes, key: bytes) -> bytes | None:
    """The data decrypted; None for a key of another length, or when the data was not encrypted with it."""
    if len(key) not in KEY_BYTES or not data or len(data) % BLOCK:
        return None
    plain = decrypt_blocks(np.frombuffer(data, dtype=np.uint8).reshape(-1, BLOCK), key).tobytes()
    fill = plain[-1]
    return plain[:-fill] if 1 <= fill <= BLOCK and plain.endswith(bytes([fill]) * fill) else None
