"""Texts as bytes and bits, by Spark's rules: to_binary, padded binaries, UTF-8, Luhn numbers and bitmaps.

A bitmap is 4096 bytes, the bits of 32768 numbers from one that a multiple of that begins at (Spark's bitmap functions).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import errors
from sqlengine.functions.hive.rows import per_distinct
from sqlengine.functions.hive.spark_text import decoded_url
from sqlengine.functions.registry import Function, Kernel, scalar

_TEXT, _BYTES = pa.string(), pa.binary()
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def _of_hex(text: str) -> bytes:
    return bytes.fromhex(text.zfill(len(text) + len(text) % 2)) if re.fullmatch("[0-9a-fA-F]*", text) else _no(text)


def _of_base64(text: str) -> bytes:
    plain = "".join(text.split())
    if not _BASE64.fullmatch(plain):
        _no(text)
    bare = plain.rstrip("=")
    padded = bare + "=" * (-len(bare) % 4)
    if plain != bare and plain != padded:
        _no(text)
    return base64.b64decode(padded, validate=True)  # its error is a ValueError


def _no(text: str) -> Any:
    raise ValueError(text)


_FORMATS: dict[str, Callable[[str], bytes]] = {
    "hex": _of_hex,
    "base64": _of_base64,
    **dict.fromkeys(("utf-8", "utf8"), lambda text: text.encode()),
}


def _to_bytes(text: str, form: str = "hex") -> bytes:
    reader = _FORMATS.get(form.lower())
    if reader is None:
        raise errors.InvalidParameter(f"to_binary has no format '{form}'", hint="hex, utf-8 or base64")
    try:
        return reader(text)
    except ValueError:
        raise errors.InvalidText(f"'{text}' is not {form}", hint="try_to_binary gives NULL") from None


def _try_to_bytes(text: str, form: str = "hex") -> bytes | None:
    try:
        return _to_bytes(text, form)
    except errors.Error:
        return None


def _binary(name: str, body: Callable[..., Any], more: str, raises: bool) -> Function:
    return scalar(
        f"hive${name}(s text) -> bytea; hive${name}(s text, format text) -> bytea",
        "the bytes of a text in hex, utf-8 or base64" + more,
        example=f"{name}('YWJj', 'base64') = {name}('abc', 'utf-8')",
        can_raise=raises,
    )(per_distinct(_BYTES, body))


to_binary = _binary("to_binary", _to_bytes, "", True)
try_to_binary = _binary("try_to_binary", _try_to_bytes, "; NULL for what is none", False)


def _padded(data: Any, length: int, pad: Any, left: bool) -> Any:
    """A text or bytes."""
    if length <= len(data) or not pad:
        return data[: max(length, 0)]
    missing = length - len(data)
    filling = (pad * (missing // len(pad) + 1))[:missing]
    return filling + data if left else data + filling


def _padding(name: str, where: str) -> Function:
    def factory(_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        return per_distinct(result, lambda data, length, pad: _padded(data, length, pad, name == "lpad"))

    return scalar(
        f"hive$spark_{name}(s text, len integer, pad text) -> text;"
        f"hive$spark_{name}(b bytea, len integer, pad bytea) -> bytea",
        f"Spark's {name}(): a text or bytes filled on the {where} or cut; the dialect spark calls it {name}",
        factory=True,
    )(factory)


lpad, rpad = _padding("lpad", "left"), _padding("rpad", "right")


def _try_url(text: str) -> str | None:
    try:
        return decoded_url(text)
    except errors.Error:
        return None


try_url_decode = scalar(
    "hive$try_url_decode(s text) -> text",
    "a text in application/x-www-form-urlencoded as it was; NULL for what is none",
    example="try_url_decode('https%3A%2F%2Fspark.apache.org') = 'https://spark.apache.org'",
)(per_distinct(_TEXT, _try_url))


def _is_utf8(data: bytes | str) -> bool:
    if isinstance(data, str):
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


is_valid_utf8 = scalar(
    "hive$is_valid_utf8(s text) -> boolean; hive$is_valid_utf8(b bytea) -> boolean",
    "whether bytes are UTF-8",
    example="is_valid_utf8('Spark')",
)(per_distinct(pa.bool_(), _is_utf8))


def _luhn(text: str) -> bool:
    if not re.fullmatch("[0-9]+", text):
        return False
    total = 0
    for at, digit in enumerate(reversed(text)):
        value = int(digit) * (1 + at % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


luhn_check = scalar(
    "hive$luhn_check(s text) -> boolean",
    "whether the digits of a text have the check digit of Luhn's rule",
    example="luhn_check('8112189876')",
)(per_distinct(pa.bool_(), _luhn))

# ---------------------------------------------------------------- bitmaps

_BITS = 8 * 4096


def _numbers(n: pa.Array) -> np.ndarray:
    return n.fill_null(0).to_numpy(zero_copy_only=False)


def _with_nulls(values: np.ndarray, like: pa.Array) -> pa.Array:
    return pc.if_else(like.is_valid(), pa.array(values, pa.int64()), pa.scalar(None, pa.int64()))


@scalar(
    "hive$bitmap_bit_position(n bigint) -> bigint",
    "which bit of its bitmap a number is, from 0",
    example="bitmap_bit_position(123) = 122",
    broadcast=True,
)
def bitmap_bit_position(n: pa.Array) -> pa.Array:
    values = _numbers(n)
    return _with_nulls(np.where(values > 0, (values - 1) % _BITS, -values % _BITS), n)


@scalar(
    "hive$bitmap_bucket_number(n bigint) -> bigint",
    "which bitmap a number is in",
    example="bitmap_bucket_number(32769) = 2",
    broadcast=True,
)
def bitmap_bucket_number(n: pa.Array) -> pa.Array:
    values = _numbers(n)
    return _with_nulls(np.where(values > 0, 1 + (values - 1) // _BITS, -((-values) // _BITS)), n)


bitmap_count = scalar(
    "hive$bitmap_count(b bytea) -> bigint",
    "how many bits of a bitmap are set",
    example="bitmap_count(unhex('1010')) = 2",
)(per_distinct(pa.int64(), lambda data: int.from_bytes(data, "little").bit_count()))


def _built(places: list[int]) -> bytes:
    found = np.array(places, dtype=np.int64)
    if ((found < 0) | (found >= _BITS)).any():
        raise errors.OutOfRange(f"a bit of a bitmap is from 0 to {_BITS - 1}", hint="bitmap_bit_position(n) is one")
    bits = np.zeros(_BITS, dtype=np.uint8)
    bits[found] = 1
    return np.packbits(bits, bitorder="little").tobytes()


def _united(maps: list[bytes]) -> bytes:
    total = 0
    for data in maps:
        total |= int.from_bytes(data[: _BITS // 8], "little")
    return total.to_bytes(_BITS // 8, "little")


def _per_list(body: Callable[[list[Any]], bytes]) -> Callable[[pa.Array], pa.Array]:
    return lambda lists: pa.array([body(items or []) for items in lists.to_pylist()], _BYTES)


bitmap_construct = scalar(
    "hive$bitmap_of(places bigint[]) -> bytea", "a bitmap with these bits", broadcast=True, strict=False, can_raise=True
)(_per_list(_built))
bitmap_or = scalar(
    "hive$bitmap_united(maps bytea[]) -> bytea", "a bitmap of the bits of all", broadcast=True, strict=False
)(_per_list(_united))
