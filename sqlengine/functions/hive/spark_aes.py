"""Spark's aes_encrypt and aes_decrypt: AES in the modes ECB, CBC (NIST SP 800-38A) and GCM (SP 800-38D).

The result is the initialization vector (16 bytes of CBC, 12 of GCM) before the ciphertext, behind which GCM has its tag
of 16 bytes.  Where no vector is given it is a random one for each row.  Texts count as their UTF-8.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from sqlengine import errors
from sqlengine.catalog.verifier import unguessable
from sqlengine.functions.hive import aes
from sqlengine.functions.hive.aes import BLOCK, KEY_BYTES
from sqlengine.functions.hive.rows import per_distinct, spread
from sqlengine.functions.registry import Kernel, Value, scalar

_BYTES = pa.binary()
_TAG = 16
_REDUCED = 0xE1 << 120
"""The polynomial of GCM's field, its bits in the order of the standard."""
_PADDINGS = {"ECB": ("DEFAULT", "PKCS"), "CBC": ("DEFAULT", "PKCS"), "GCM": ("DEFAULT", "NONE")}
_VECTOR_BYTES = {"CBC": 16, "GCM": 12}

# ---------------------------------------------------------------- modes


def _mode(mode: str, padding: str, key: bytes) -> str:
    found = mode.upper()
    if found not in _PADDINGS:
        raise errors.NotSupportedError(f"AES has no mode '{mode}' here", hint="GCM, CBC or ECB")
    if padding.upper() not in _PADDINGS[found]:
        raise errors.NotSupportedError(
            f"AES in the mode {found} has no padding '{padding}'", hint=" or ".join(_PADDINGS[found])
        )
    if len(key) not in KEY_BYTES:
        raise errors.InvalidParameter(f"a key of AES has 16, 24 or 32 bytes, not {len(key)}")
    return found


def encrypt(data: bytes, key: bytes, mode: str, padding: str, vector: bytes, aad: bytes) -> bytes:
    """The vector, the ciphertext and the tag; `vector` b"": a random one.

    InvalidParameter (22023) for a key or vector of a wrong length, NotSupportedError (0A000) for modes and paddings
    that there are not, and for a vector or authenticated data where the mode has none."""
    found = _mode(mode, padding, key)
    if aad and found != "GCM":
        raise errors.NotSupportedError(f"AES in the mode {found} has no authenticated data")
    if found == "ECB":
        if vector:
            raise errors.NotSupportedError("AES in the mode ECB has no initialization vector")
        made = aes.encrypt(data, key)
        assert made is not None, "the key has a right length"
        return made
    size = _VECTOR_BYTES[found]
    if vector and len(vector) != size:
        raise errors.InvalidParameter(f"the vector of {found} has {size} bytes, not {len(vector)}")
    vector = vector or unguessable(size)
    return vector + (_cbc(data, key, vector) if found == "CBC" else _gcm(data, key, vector, aad))


def decrypt(data: bytes, key: bytes, mode: str, padding: str, aad: bytes) -> bytes:
    """What was encrypted; InvalidText (22P02) for what was not, or with another key."""
    found = _mode(mode, padding, key)
    if aad and found != "GCM":
        raise errors.NotSupportedError(f"AES in the mode {found} has no authenticated data")
    if found == "ECB":
        plain = aes.decrypt(data, key)
    elif found == "CBC":
        plain = _un_cbc(data[16:], key, data[:16])
    else:
        plain = _un_gcm(data[12:], key, data[:12], aad)
    if plain is None:
        raise errors.InvalidText("this was not encrypted so, or with another key", hint="try_aes_decrypt gives NULL")
    return plain


def _cbc(data: bytes, key: bytes, vector: bytes) -> bytes:
    fill = BLOCK - len(data) % BLOCK
    padded = np.frombuffer(data + bytes([fill]) * fill, dtype=np.uint8).reshape(-1, BLOCK)
    before, out = np.frombuffer(vector, dtype=np.uint8), []
    for block in padded:
        before = aes.encrypt_blocks((block ^ before)[None, :], key)[0]
        out.append(before.tobytes())
    return b"".join(out)


def _un_cbc(data: bytes, key: bytes, vector: bytes) -> bytes | None:
    if not data or len(data) % BLOCK:
        return None
    before = np.frombuffer((vector + data)[:-BLOCK], dtype=np.uint8).reshape(-1, BLOCK)
    blocks = np.frombuffer(data, dtype=np.uint8).reshape(-1, BLOCK)
    return unfilled((aes.decrypt_blocks(blocks, key) ^ before).tobytes())


def unfilled(padded: bytes) -> bytes | None:
    """Data without the padding of PKCS #7; None where there is none."""
    fill = padded[-1]
    return padded[:-fill] if 1 <= fill <= BLOCK and padded.endswith(bytes([fill]) * fill) else None


def _gcm(data: bytes, key: bytes, vector: bytes, aad: bytes) -> bytes:
    made = _counted(data, key, vector)
    return made + _tag(made, key, vector, aad)


def _un_gcm(data: bytes, key: bytes, vector: bytes, aad: bytes) -> bytes | None:
    if len(vector) < _VECTOR_BYTES["GCM"] or len(data) < _TAG:
        return None
    body, tag = data[:-_TAG], data[-_TAG:]
    return _counted(body, key, vector) if hmac.compare_digest(tag, _tag(body, key, vector, aad)) else None


def _counted(data: bytes, key: bytes, vector: bytes) -> bytes:
    """The data under the key stream of counters from 2 on."""
    blocks = -(-len(data) // BLOCK)
    counters = np.empty((blocks, BLOCK), dtype=np.uint8)
    counters[:, :12] = np.frombuffer(vector, dtype=np.uint8)
    counters[:, 12:] = np.arange(2, blocks + 2, dtype=">u4").view(np.uint8).reshape(-1, 4)
    stream = aes.encrypt_blocks(counters, key).reshape(-1)[: len(data)]
    return (np.frombuffer(data, dtype=np.uint8) ^ stream).tobytes()


def _tag(body: bytes, key: bytes, vector: bytes, aad: bytes) -> bytes:
    """GHASH over the authenticated data, the ciphertext and both lengths, under the first block of the stream."""
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(body)).to_bytes(8, "big")
    hashed = 0
    tables = _multiples(key)
    for block in _blocks(_whole(aad) + _whole(body) + lengths):
        hashed ^= int.from_bytes(block, "big")
        product = 0
        for table, byte in zip(tables, hashed.to_bytes(BLOCK, "big"), strict=True):
            product ^= table[byte]
        hashed = product
    first = np.frombuffer(vector + (1).to_bytes(4, "big"), dtype=np.uint8)[None, :]
    mask = int.from_bytes(aes.encrypt_blocks(first, key).tobytes(), "big")
    return (hashed ^ mask).to_bytes(_TAG, "big")


def _whole(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def _blocks(data: bytes) -> list[bytes]:
    return [data[at : at + BLOCK] for at in range(0, len(data), BLOCK)]


@lru_cache(maxsize=16)
def _multiples(key: bytes) -> tuple[tuple[int, ...], ...]:
    """Of each of the 16 bytes of a factor and each value it may have the product with the key's H in GCM's field."""
    power = int.from_bytes(aes.encrypt_blocks(np.zeros((1, BLOCK), dtype=np.uint8), key).tobytes(), "big")
    tables = []
    for _ in range(BLOCK):
        table = [0] * 256
        for bit in range(7, -1, -1):
            table[1 << bit] = power
            power = power >> 1 ^ (_REDUCED if power & 1 else 0)
        for value in range(1, 256):
            low = value & -value
            table[value] = table[low] ^ table[value ^ low]
        tables.append(tuple(table))
    return tuple(tables)


# ---------------------------------------------------------------- functions


def _by_distinct(body: Callable[..., bytes | None]) -> Kernel:
    return per_distinct(_BYTES, body)


def _random(data: Value, key: Value, mode: Value, padding: Value, aad: Value) -> Value:
    """Each row with a vector of its own, which rows with the same values must not share."""
    arrays, is_scalar = spread((data, key, mode, padding, aad))
    made: list[bytes | None] = []
    for one, by, how, filled, known in zip(*(array.to_pylist() for array in arrays), strict=True):
        is_null = None in (one, by, how, filled, known)
        made.append(None if is_null else encrypt(one, by, how, filled, b"", known))
    out = pa.array(made, _BYTES)
    return out[0] if is_scalar else out


def _tried(*args: Any) -> bytes | None:
    try:
        return decrypt(*args)
    except errors.InvalidText:
        return None


spark_aes_random = scalar(
    "hive$spark_aes_random(b bytea, key bytea, mode text, padding text, aad bytea) -> bytea",
    "encrypted by AES with a random vector for each row",
    volatility="volatile",
    can_raise=True,
    broadcast=True,
)(_random)
spark_aes_fixed = scalar(
    "hive$spark_aes_fixed(b bytea, key bytea, mode text, padding text, iv bytea, aad bytea) -> bytea",
    "encrypted by AES",
    can_raise=True,
)(_by_distinct(encrypt))
spark_aes_decrypt = scalar(
    "hive$spark_aes_decrypted(b bytea, key bytea, mode text, padding text, aad bytea) -> bytea",
    "decrypted by AES",
    can_raise=True,
)(_by_distinct(decrypt))
try_aes_decrypt = scalar(
    "hive$try_aes_decrypted(b bytea, key bytea, mode text, padding text, aad bytea) -> bytea",
    "decrypted by AES; NULL where that cannot be done",
    can_raise=True,
)(_by_distinct(_tried))
