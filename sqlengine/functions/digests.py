"""Digests and checksums of texts (in hexadecimal, as Flink, Hive, Spark and ksqlDB answer) and of bytes (PostgreSQL).

DuckDB has MD5, SHA-1 and SHA-256 of its own; the others are Python's hashlib and zlib, made known to DuckDB as
functions of Arrow arrays, so that both executors run the same code.
"""

from __future__ import annotations

import hashlib
import hmac as hmac_module
import zlib
from collections.abc import Callable

import pyarrow as pa

from sqlengine import duck, errors
from sqlengine.functions.registry import Function, Value, declare, scalar

BYTES = "_bytes"
"""Ends the DuckDB name of a digest that answers bytes: see sql/render_operators.py."""
_ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
_AS_BYTES = "CASE typeof({0}) WHEN 'BLOB' THEN {0}::BLOB ELSE system.main.encode({0}::VARCHAR) END"
_BITS = {0: "sha256", 224: "sha224", 256: "sha256", 384: "sha384", 512: "sha512"}


def _per_value(result: pa.DataType, body: Callable[..., object]) -> Callable[..., pa.Array]:
    """A kernel that calls `body` for each row without a NULL; texts are given as their UTF-8."""

    def kernel(*args: pa.Array) -> pa.Array:
        columns = [(a.cast(pa.binary()) if pa.types.is_string(a.type) else a).to_pylist() for a in args]
        rows = zip(*columns, strict=True)
        return pa.array([None if None in row else body(*row) for row in rows], type=result)

    return kernel


def _algorithm(name: bytes) -> str:
    found = name.decode().lower()
    if found not in _ALGORITHMS:
        raise errors.InvalidParameter(
            f'cannot use "{found}": no such hash algorithm', hint=f"there are {', '.join(_ALGORITHMS)}"
        )
    return found


def _sha2(data: bytes, bits: int) -> str | None:
    return hashlib.new(_BITS[bits], data).hexdigest() if bits in _BITS else None


def _digest(data: bytes, algorithm: bytes) -> bytes:
    return hashlib.new(_algorithm(algorithm), data).digest()


def _hmac(data: bytes, key: bytes, algorithm: bytes) -> bytes:
    return hmac_module.new(key, data, _algorithm(algorithm)).digest()


_crc32 = _per_value(pa.int64(), zlib.crc32)
_sha2_texts = _per_value(pa.string(), _sha2)
_digests = _per_value(pa.binary(), _digest)
_hmacs = _per_value(pa.binary(), _hmac)


def _known(name: str, params: tuple[pa.DataType, ...], result: pa.DataType, kernel: Callable[..., pa.Array]) -> None:
    duck.at_opening(f"kernel_{name}", params, result, kernel)


_known("crc32", (pa.binary(),), pa.int64(), _crc32)
_known("sha2", (pa.binary(), pa.int32()), pa.string(), _sha2_texts)
_known("digest", (pa.binary(), pa.string()), pa.binary(), _digests)
_known("hmac", (pa.binary(), pa.binary(), pa.string()), pa.binary(), _hmacs)
for _bits in (224, 256, 384, 512):
    duck.run_at_opening(f"CREATE MACRO sha{_bits}{BYTES}(b) AS kernel_digest(b::BLOB, 'sha{_bits}')")
    if _bits != 256:
        duck.run_at_opening(f"CREATE MACRO sha{_bits}(s) AS kernel_sha2({_AS_BYTES.format('s')}, {_bits})")


def _of_text(bits: int, first: str) -> Function:
    """sha224 and its like of a text, in hexadecimal."""
    name = f"sha{bits}"

    def kernel(s: pa.Array) -> Value:
        return _sha2_texts(s, pa.array([bits] * len(s), pa.int32()))

    return scalar(
        f"{name}(s text) -> text",
        f"SHA-{bits} of the text, in hexadecimal",
        example=f"left({name}('a'), 6) = '{first}'",
        broadcast=True,
        duck=f"kernel_sha2({_AS_BYTES}, {bits})",
    )(kernel)


def _of_bytes(bits: int, last: str) -> Function:
    """sha224 and its like of bytes, as bytes."""
    name = f"sha{bits}"

    def kernel(b: pa.Array) -> Value:
        return _digests(b, pa.array([name] * len(b)))

    return scalar(
        f"{name}(b bytea) -> bytea",
        f"SHA-{bits} of bytes, as bytes",
        example=f"right(encode({name}('abc'::bytea), 'hex'), 4) = '{last}'",
        broadcast=True,
        duck=f"{name}{BYTES}({{0}}::BLOB)",
    )(kernel)


sha224, sha224_bytes = _of_text(224, "abd375"), _of_bytes(224, "9da7")
sha256, sha256_bytes = _of_text(256, "ca9781"), _of_bytes(256, "15ad")
sha384, sha384_bytes = _of_text(384, "54a59b"), _of_bytes(384, "25a7")
sha512, sha512_bytes = _of_text(512, "1f40fc"), _of_bytes(512, "a49f")
sha1 = declare(
    "sha1(s text) -> text",
    "SHA-1 of the text, in hexadecimal",
    example="left(sha1('a'), 6) = '86f7e4'",
    aliases=("sha",),
    duck="system.main.sha1({0})",
)
md5 = declare(
    "md5(s text) -> text; md5(b bytea) -> text",
    "MD5 of the text or bytes, in hexadecimal",
    example="md5('a') = '0cc175b9c0f1b6a831c399e269772661'",
    duck="system.main.md5({0})",
)
sha2 = scalar(
    "sha2(s text, bits integer) -> text; sha2(b bytea, bits integer) -> text",
    "SHA-2 of 224, 256 (also 0), 384 or 512 bits, in hexadecimal; NULL of other lengths (Hive, Spark, Flink)",
    example="sha2('a', 256) = sha256('a')",
    broadcast=True,
    duck=f"kernel_sha2({_AS_BYTES}, {{1}}::INTEGER)",
)(_sha2_texts)
crc32 = scalar(
    "crc32(s text) -> bigint; crc32(b bytea) -> bigint",
    "the checksum CRC-32 of the text's UTF-8 or of bytes",
    example="crc32('ABC') = 2743272264",
    broadcast=True,
    duck=f"kernel_crc32({_AS_BYTES})",
)(_crc32)
digest = scalar(
    "digest(s text, algorithm text) -> bytea; digest(b bytea, algorithm text) -> bytea",
    "the digest by md5, sha1, sha224, sha256, sha384 or sha512, as bytes",
    example="encode(digest('abc', 'sha1'), 'hex') = 'a9993e364706816aba3e25717850c26c9cd0d89d'",
    broadcast=True,
    can_raise=True,
    duck=f"kernel_digest({_AS_BYTES}, {{1}})",
)(_digests)
hmac = scalar(
    "hmac(s text, key text, algorithm text) -> bytea; hmac(b bytea, key bytea, algorithm text) -> bytea",
    "the keyed digest (RFC 2104) by one of the algorithms of digest, as bytes",
    example="left(encode(hmac('what do ya want for nothing?', 'Jefe', 'sha256'), 'hex'), 8) = '5bdcc146'",
    broadcast=True,
    can_raise=True,
    duck=f"kernel_hmac({_AS_BYTES}, {_AS_BYTES.replace('{0}', '{1}')}, {{2}})",
)(_hmacs)
