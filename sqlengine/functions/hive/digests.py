"""Bytes: digests, AES, and bytes written as text and read back."""

from __future__ import annotations

import base64 as base64_module
import hashlib
import re
import zlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from sqlengine.functions.hive import aes
from sqlengine.functions.hive.rows import per_distinct
from sqlengine.functions.registry import Function, Kernel, Value, scalar
from sqlengine.types import is_text

_TEXT, _BYTES = pa.string(), pa.binary()


def _on_bytes(result: pa.DataType, body: Callable[..., Any]) -> Kernel:
    """A kernel of texts (their UTF-8) or bytes."""
    kernel = per_distinct(result, body)
    return lambda *args: kernel(*[_bytes(a) for a in args])


def _bytes(value: Value) -> Value:
    return value.cast(_BYTES) if is_text(value.type) else value


def _digest(name: str, algorithm: str, words: str, example: str) -> Function:
    return scalar(f"hive${name}(s text) -> text; hive${name}(b bytea) -> text", words, example=example)(
        _on_bytes(_TEXT, lambda data: hashlib.new(algorithm, data, usedforsecurity=False).hexdigest())
    )


_SHA1 = "'3c01bdbb26f358bab27f267924aa2c9a03fcfdb8'"
md5 = _digest("md5", "md5", "MD5 in hexadecimal", "md5('ABC') = '902fbdd2b1df0c4f70b4a5d23525e932'")
sha1 = _digest("sha1", "sha1", "SHA-1 in hexadecimal", f"sha1('ABC') = {_SHA1}")
sha = _digest("sha", "sha1", "SHA-1 in hexadecimal", f"sha('ABC') = {_SHA1}")
mask_hash = scalar(
    "hive$mask_hash(s text) -> text", "SHA-256 of the text in hexadecimal", example="length(mask_hash('a')) = 64"
)(_on_bytes(_TEXT, lambda data: hashlib.sha256(data).hexdigest()))
_SHA2 = {0: "sha256", 224: "sha224", 256: "sha256", 384: "sha384", 512: "sha512"}


def _sha2(arg_types: Any, result: pa.DataType) -> Kernel:
    def body(data: bytes, bits: int) -> str | None:
        return hashlib.new(_SHA2[bits], data).hexdigest() if bits in _SHA2 else None

    kernel = per_distinct(result, body)
    return lambda data, bits: kernel(_bytes(data), bits)


sha2 = scalar(
    "hive$sha2(s text, bits integer) -> text; hive$sha2(b bytea, bits integer) -> text",
    "SHA-2 of 224, 256 (also 0), 384 or 512 bits in hexadecimal; NULL of other lengths",
    example="sha2('ABC', 256) = 'b5d4045c3f466fa91fe2cc6abe79232a1a57cdf104f7a26e716e0a1e2789df78'",
    factory=True,
)(_sha2)
crc32 = scalar(
    "hive$crc32(s text) -> bigint; hive$crc32(b bytea) -> bigint",
    "the checksum CRC-32",
    example="crc32('ABC') = 2743272264",
)(_on_bytes(pa.int64(), zlib.crc32))


# ---------------------------------------------------------------- AES

_PAIRS = (("s text", "key text"), ("b bytea", "key bytea"), ("s text", "key bytea"), ("b bytea", "key text"))
aes_encrypt = scalar(
    "; ".join(f"hive$aes_encrypt({a}, {b}) -> bytea" for a, b in _PAIRS),
    "encrypted by AES (ECB, PKCS #7) with a key of 16, 24 or 32 bytes; NULL with another",
    example="base64(aes_encrypt('ABC', '1234567890123456')) = 'y6Ss+zCYObpCbgfWfyNWTw=='",
)(_on_bytes(_BYTES, aes.encrypt))
aes_decrypt = scalar(
    "; ".join(f"hive$aes_decrypt({a}, {b}) -> bytea" for a, b in _PAIRS),
    "decrypted by AES (ECB, PKCS #7); NULL with another key",
    example="aes_decrypt(unbase64('y6Ss+zCYObpCbgfWfyNWTw=='), '1234567890123456') = 'ABC'",
)(_on_bytes(_BYTES, aes.decrypt))


# ---------------------------------------------------------------- bytes as text

base64 = scalar(
    "hive$base64(b bytea) -> text; hive$base64(s text) -> text", "bytes in base64", example="base64('ab') = 'YWI='"
)(_on_bytes(_TEXT, lambda data: base64_module.b64encode(data).decode()))


def _from_base64(text: str) -> bytes | None:
    """Characters that are no digits of base64 are left out (Apache Commons' Base64)."""
    digits = re.sub(r"[^A-Za-z0-9+/]", "", text.translate({45: "+", 95: "/"}).partition("=")[0])
    digits = digits[:-1] if len(digits) % 4 == 1 else digits
    return base64_module.b64decode(digits + "=" * (-len(digits) % 4))


unbase64 = scalar(
    "hive$unbase64(s text) -> bytea", "the bytes that base64 stands for", example="length(unbase64('YWI=')) = 2"
)(per_distinct(_BYTES, _from_base64))


def _hex(arg_types: Any, result: pa.DataType) -> Kernel:
    if arg_types[0] == pa.int64():
        return per_distinct(result, lambda n: format(n & 0xFFFFFFFFFFFFFFFF, "X"))
    return _on_bytes(result, lambda data: data.hex().upper())


hex_ = scalar(
    "hive$hex(n bigint) -> text; hive$hex(b bytea) -> text; hive$hex(s text) -> text",
    "a number, bytes or a text's bytes in hexadecimal",
    example="hex('Facebook') = '46616365626F6F6B'",
    factory=True,
)(_hex)
_HEX = re.compile(r"[0-9A-Fa-f]*")
unhex = scalar(
    "hive$unhex(s text) -> bytea",
    "the bytes that pairs of hexadecimal digits stand for, a 0 before an odd number of them; NULL of other characters",
    example="decode(unhex('4D7953514C'), 'UTF-8') = 'MySQL'",
)(per_distinct(_BYTES, lambda s: bytes.fromhex("0" * (len(s) % 2) + s) if _HEX.fullmatch(s) else None))
_CHARSETS = {
    "US-ASCII": "ascii",
    "ISO-8859-1": "latin-1",
    "UTF-8": "utf-8",
    "UTF-16BE": "utf-16-be",
    "UTF-16LE": "utf-16-le",
    "UTF-16": "utf-16",
}
"""The names Hive's manual gives."""


def _decoded(data: bytes, charset: str) -> str | None:
    name = _CHARSETS.get(charset.upper())
    if name == "utf-16" and data[:2] not in (b"\xfe\xff", b"\xff\xfe"):
        name = "utf-16-be"  # Java's UTF-16 without a byte order mark
    try:
        return None if name is None else data.decode(name)
    except UnicodeDecodeError:
        return None


def _encoded(text: str, charset: str) -> bytes | None:
    name = _CHARSETS.get(charset.upper())
    try:
        if name == "utf-16":
            return b"\xfe\xff" + text.encode("utf-16-be")
        return None if name is None else text.encode(name)
    except UnicodeEncodeError:
        return None


def _charset(body: Callable[..., Any]) -> Callable[[Any, pa.DataType], Kernel]:
    return lambda arg_types, result: per_distinct(result, body)


decode = scalar(
    "hive$decode(b bytea, charset text) -> text",
    "the text whose bytes these are in US-ASCII, ISO-8859-1, UTF-8, UTF-16BE, UTF-16LE or UTF-16; NULL when they "
    "are none",
    example="decode(encode('Facebook', 'UTF-16'), 'UTF-16') = 'Facebook'",
    factory=True,
)(_charset(_decoded))
encode = scalar(
    "hive$encode(s text, charset text) -> bytea",
    "the text's bytes in one of the character sets of decode; NULL when it has others",
    example="hex(encode('a', 'UTF-16BE')) = '0061'",
    factory=True,
)(_charset(_encoded))
