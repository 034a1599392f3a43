"""Characters and bytes written with backslashes, and Unicode's normal forms: unistr, the form `escape` of encode and
decode, normalize.  The kernels are Python's, in both executors."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

import pyarrow as pa

from sqlengine import duck
from sqlengine.errors import DataError, InvalidText
from sqlengine.functions.registry import per_row, scalar

_TEXT, _BYTES = pa.string(), pa.binary()
_OCTAL = re.compile(rb"\\(?:([0-3][0-7]{2})|(\\)|)")
_UNICODE = re.compile(r"\\(?:(\\)|([0-9a-fA-F]{4})|\+([0-9a-fA-F]{6})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|)")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LONE = re.compile("[\ud800-\udfff]")


def _escaped(data: bytes) -> str:
    """Zero and the bytes above 127 in octal digits, a backslash doubled."""
    return "".join("\\\\" if b == 92 else chr(b) if 0 < b < 128 else f"\\{b:03o}" for b in data)


def _unescaped(text: str) -> bytes:
    def one(found: re.Match[bytes]) -> bytes:
        octal, backslash = found.groups()
        if octal is None and backslash is None:
            raise InvalidText("invalid input syntax for type bytea")
        return bytes((int(octal, 8),)) if octal else b"\\"

    return _OCTAL.sub(one, text.encode())


duck.at_opening("bytes_escaped", [_BYTES], _TEXT, per_row(_TEXT, _escaped))
duck.at_opening("bytes_unescaped", [_TEXT], _BYTES, per_row(_BYTES, _unescaped))


def _character(found: re.Match[str]) -> str:
    backslash, *digits = found.groups()
    if backslash:
        return backslash
    code = next((d for d in digits if d), None)
    if code is None:
        raise DataError("invalid Unicode escape", sqlstate="42601")
    if not 0 < int(code, 16) <= 0x10FFFF:
        raise DataError("invalid Unicode escape value", sqlstate="42601")
    return chr(int(code, 16))


def _unistr(text: str) -> str:
    characters = _UNICODE.sub(_character, text)
    made = _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), characters)
    if _LONE.search(made):
        raise DataError("invalid Unicode surrogate pair", sqlstate="42601")
    return made


def _normalized(text: str, form: str = "NFC") -> str:
    known = next((name for name in _FORMS if name == form.upper()), None)
    if known is None:
        raise DataError(f"invalid normalization form: {form}", sqlstate="22023")
    return unicodedata.normalize(known, text)


_FORMS: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")
_of_escapes, _in_form = per_row(_TEXT, _unistr), per_row(_TEXT, _normalized)
duck.at_opening("text_unistr", [_TEXT], _TEXT, _of_escapes)
duck.at_opening("text_nfc", [_TEXT], _TEXT, _in_form)
duck.at_opening("text_in_form", [_TEXT, _TEXT], _TEXT, _in_form)

_UTF16 = {"utf-16": "utf-16-be"}


def _encoded(text: str, charset: str) -> bytes:
    """As Java has it: UTF-16 begins with its mark, the high byte first; what a set lacks is a question mark."""
    name = charset.lower()
    mark = b"\xfe\xff" if name in _UTF16 else b""
    return mark + text.encode(_UTF16.get(name, _known(name)), "replace")


def _decoded(data: bytes, charset: str) -> str:
    """As Java has it: UTF-16 without a mark has the high byte first; what is no character is the sign for it."""
    name = charset.lower()
    if name in _UTF16:
        return data.decode("utf-16" if data[:2] in (b"\xfe\xff", b"\xff\xfe") else "utf-16-be", "replace")
    return data.decode(_known(name), "replace")


def _known(name: str) -> str:
    if name not in ("us-ascii", "iso-8859-1", "utf-8", "utf-16", "utf-16be", "utf-16le"):
        raise DataError(f'unrecognized encoding: "{name}"', sqlstate="22023")
    return name


_encodes, _decodes = per_row(_BYTES, _encoded), per_row(_TEXT, _decoded)
duck.at_opening("text_in_charset", [_TEXT, _TEXT], _BYTES, _encodes)
duck.at_opening("text_of_charset", [_BYTES, _TEXT], _TEXT, _decodes)
charset_encode = scalar(
    "charset_encode(s text, charset text) -> bytea",
    "the bytes of a text in one of Java's character sets; encode(s, 'UTF-8') and its like mean this (Flink)",
    example="encode(encode('é', 'UTF-16BE'), 'hex') = '00e9'",
    broadcast=True,
    can_raise=True,
    duck="text_in_charset({0}, {1})",
)(_encodes)
charset_decode = scalar(
    "charset_decode(b bytea, charset text) -> text",
    "the text that bytes are in one of Java's character sets; decode(b, 'UTF-8') and its like mean this (Flink)",
    example="decode(encode('é', 'UTF-8'), 'ISO-8859-1') = 'Ã©'",
    broadcast=True,
    can_raise=True,
    duck="text_of_charset({0}::BLOB, {1})",
)(_decodes)
unistr = scalar(
    "unistr(s text) -> text",
    "the text with \\XXXX, \\+XXXXXX, \\uXXXX and \\UXXXXXXXX as the characters of these code points",
    example="unistr('d\\0061t\\+000061') = 'data'",
    broadcast=True,
    can_raise=True,
    duck="text_unistr({0})",
)(_of_escapes)
normalize = scalar(
    "normalize(s text) -> text",
    "the text in Unicode's normal form NFC",
    example="length(normalize(unistr('a\\0308'))) = 1",
    broadcast=True,
    duck="text_nfc({0})",
)(_in_form)
normalize_form = scalar(
    "normalize(s text, form text) -> text",
    "the text in one of Unicode's normal forms: NFC, NFD, NFKC, NFKD",
    example="length(normalize(unistr('\\00e4'), NFD)) = 2",
    broadcast=True,
    can_raise=True,
    duck="text_in_form({0}, {1})",
)(_in_form)
