"""The encodings a client may have its text in, by PostgreSQL's names, and text to and from them.

Everything inside is UTF-8; what a client sends is made UTF-8 when it comes, what it is sent is converted when it goes.
The table is that of PostgreSQL's manual, "Character Set Support", as far as Python has the codecs.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from sqlengine.errors import InvalidText
from sqlengine.quick_dataclass import dataclass

_CODECS = {
    "UTF8": "utf-8", "SQL_ASCII": "utf-8", "LATIN1": "iso8859-1", "LATIN2": "iso8859-2", "LATIN3": "iso8859-3",
    "LATIN4": "iso8859-4", "LATIN5": "iso8859-9", "LATIN6": "iso8859-10", "LATIN7": "iso8859-13",
    "LATIN8": "iso8859-14", "LATIN9": "iso8859-15", "LATIN10": "iso8859-16", "ISO_8859_5": "iso8859-5",
    "ISO_8859_6": "iso8859-6", "ISO_8859_7": "iso8859-7", "ISO_8859_8": "iso8859-8", "KOI8R": "koi8-r",
    "KOI8U": "koi8-u", "WIN866": "cp866", "WIN874": "cp874", "WIN1250": "cp1250", "WIN1251": "cp1251",
    "WIN1252": "cp1252", "WIN1253": "cp1253", "WIN1254": "cp1254", "WIN1255": "cp1255", "WIN1256": "cp1256",
    "WIN1257": "cp1257", "WIN1258": "cp1258", "EUC_JP": "euc_jp", "EUC_JIS_2004": "euc_jis_2004", "EUC_CN": "gb2312",
    "EUC_KR": "euc_kr", "SJIS": "cp932", "SHIFT_JIS_2004": "shift_jis_2004", "BIG5": "cp950", "GBK": "gbk",
    "GB18030": "gb18030", "UHC": "cp949", "JOHAB": "johab",
}  # fmt: skip
"""SQL_ASCII stands for text that is taken and given as it is, which is UTF-8 here."""

_ALIASES = {
    "UNICODE": "UTF8", "ISO88591": "LATIN1", "ISO88592": "LATIN2", "ISO88593": "LATIN3", "ISO88594": "LATIN4",
    "ISO88599": "LATIN5", "ISO885910": "LATIN6", "ISO885913": "LATIN7", "ISO885914": "LATIN8", "ISO885915": "LATIN9",
    "ISO885916": "LATIN10", "KOI8": "KOI8R", "WIN": "WIN1251", "ALT": "WIN866", "TCVN": "WIN1258",
    "TCVN5712": "WIN1258",
    "ABC": "WIN1258", "VSCII": "WIN1258", "MSKANJI": "SJIS", "SHIFTJIS": "SJIS", "WIN932": "SJIS", "WINDOWS932": "SJIS",
    "WIN949": "UHC", "WINDOWS949": "UHC", "WIN950": "BIG5", "WINDOWS950": "BIG5", "WIN936": "GBK", "WINDOWS936": "GBK",
    **{f"WINDOWS{page}": f"WIN{page}" for page in (866, 874, *range(1250, 1259))},
}  # fmt: skip
ENCODINGS_HINT = "one of: " + ", ".join(_CODECS)
Convert = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Encoding:
    """One of them: `name` as PostgreSQL writes it."""

    name: str
    codec: str

    @property
    def is_utf8(self) -> bool:
        """Whether nothing has to be converted."""
        return self.codec == "utf-8"

    def decode(self, data: bytes) -> str:
        """A client's bytes as text; InvalidText (22021)."""
        try:
            return data.decode(self.codec)
        except UnicodeDecodeError as error:
            raise self._invalid(error) from None

    def encode(self, text: str) -> bytes:
        """Text for the client; InvalidText (22P05) for a character that the encoding does not have."""
        try:
            return text.encode(self.codec)
        except UnicodeEncodeError as error:
            raise self._untranslatable(text[error.start]) from None

    def encode_message(self, text: str) -> bytes:
        """Text of a message, in which a question mark stands for what cannot be said."""
        return text.encode(self.codec, "replace")

    def to_utf8(self) -> Convert:
        """Converts a stream of a client's text piece by piece, the last one being empty; InvalidText (22021)."""
        if self.is_utf8:
            return bytes
        decoder = codecs.getincrementaldecoder(self.codec)()

        def convert(data: bytes) -> bytes:
            try:
                return decoder.decode(data, not data).encode()
            except UnicodeDecodeError as error:
                raise self._invalid(error) from None

        return convert

    def encoded(self, array: pa.Array) -> pa.Array:
        """Text (string) as binary in this encoding, all at once; of ASCII the array as it is.  InvalidText (22P05)."""
        if self.is_utf8 or not len(array):
            return array
        valid, offset_buffer, data = array.buffers()
        bounds = np.frombuffer(offset_buffer, np.int32)[array.offset : array.offset + len(array) + 1]
        raw = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]] if data is not None else np.empty(0, np.uint8)
        if not (raw & 0x80).any():
            return array
        text = raw.tobytes().decode()
        written = self.encode(text)
        begins = (raw & 0xC0) != 0x80  # the first byte of each character
        counts = np.concatenate([[0], np.cumsum(begins)])[bounds - bounds[0]]
        if len(written) != len(text):
            sizes = np.fromiter(map(len, map(self.encode, text)), np.int64, len(text))
            counts = np.concatenate([[0], np.cumsum(sizes)])[counts]
        mask = array.is_null() if array.null_count else None
        offsets = pa.array(counts.astype(np.int32), mask=None)
        made = pa.Array.from_buffers(pa.binary(), len(array), [None, offsets.buffers()[1], pa.py_buffer(written)])
        return made if mask is None else pa.compute.if_else(mask, None, made)

    def _invalid(self, error: UnicodeDecodeError) -> InvalidText:
        if self.is_utf8:
            return InvalidText(utf8_fault(error.object), sqlstate="22021")
        shown = _shown(error.object[error.start : error.end])
        return InvalidText(f'invalid byte sequence for encoding "{self.name}": {shown}', sqlstate="22021")

    def _untranslatable(self, character: str) -> InvalidText:
        shown = _shown(character.encode())
        return InvalidText(
            f'character with byte sequence {shown} in encoding "UTF8" has no equivalent in encoding "{self.name}"',
            sqlstate="22P05",
        )


def utf8_fault(data: bytes) -> str:
    """What PostgreSQL says of bytes that are no UTF-8: the wrong ones, as many as their first one announces."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        first = data[error.start]
        size = 1 if first < 0xC0 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4 if first < 0xF8 else 1
        return f'invalid byte sequence for encoding "UTF8": {_shown(data[error.start : error.start + size])}'
    return 'invalid byte sequence for encoding "UTF8"'


def _shown(data: bytes) -> str:
    return " ".join(f"0x{byte:02x}" for byte in data)


def encoding(name: str) -> Encoding | None:
    """The encoding of a name, of which letters and digits alone count, as PostgreSQL compares them."""
    plain = "".join(filter(str.isalnum, name.upper()))
    found = _BY_PLAIN.get(_ALIASES.get(plain, plain).replace("_", ""))
    return None if found is None else Encoding(found, _CODECS[found])


_BY_PLAIN = {name.replace("_", ""): name for name in _CODECS}
UTF8 = Encoding("UTF8", "utf-8")
