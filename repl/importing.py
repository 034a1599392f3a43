"""What \\import makes of a file: its columns, with names a table can have, and how it is to be read."""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Mapping
from dataclasses import field, replace

import pyarrow as pa

from repl.client_copy import ClientCopy
from sqlengine.connectors.columns import fitting_names
from sqlengine.connectors.file.bytes_in import ByteStream, read_head
from sqlengine.connectors.file.infer import own_schema
from sqlengine.connectors.file.options import FileOptions
from sqlengine.connectors.file.paths import compression_of, files, format_of
from sqlengine.errors import BadCopyFormat
from sqlengine.formats.options import parse
from sqlengine.quick_dataclass import dataclass

_LOOKED_AT_BYTES = 1 << 22
_DELIMITERS = ";\t|"


@dataclass(frozen=True, slots=True)
class Found:
    """`schema`: the columns of the stream; `options`: those COPY needs to read the file; `remarks` for the reader."""

    schema: pa.Schema
    options: Mapping[str, str]
    remarks: list[str] = field(default_factory=list)


def look_into(path: str, options: str = "") -> Found:
    """The columns of a file (or of the first one that a pattern or directory names); `options` as COPY has them, in
    brackets.  Raises as COPY of the file does."""
    given = ClientCopy("file", True, path, options).file_options()
    first = files(given)[0]
    told = _told(given)
    remarks = []
    if format_of(first, given) in ("csv", "json") and not given.encoding:
        encoding = _encoding(_beginning(first, given))
        if encoding is not None:
            told["encoding"] = encoding
            given = replace(given, encoding=encoding)
            remarks.append(f"it is no UTF-8 text, and taken to be {encoding}; (encoding 'NAME') says it better")
    if format_of(first, given) == "csv" and "delimiter" not in told:
        mark = _delimiter(first, given)
        if mark is not None:
            told["delimiter"] = mark
            remarks.append(f"fields are taken to be divided by {'tabs' if mark == chr(9) else mark}")
    made = parse(FileOptions, {"path": path, **told}, "\\import")
    schema = own_schema(first, made)
    if not len(schema):
        raise BadCopyFormat(f'no columns can be found in file "{first}"')
    if format_of(first, made) != "json":
        names = fitting_names(schema.names)
        renamed = [f'"{old}" as "{new}"' for old, new in zip(schema.names, names) if old != new]
        remarks += [f"columns are renamed: {', '.join(renamed)}"] if renamed else []
        schema = pa.schema([f.with_name(name) for f, name in zip(schema, names)])
    return Found(schema, told, remarks)


def _beginning(path: str, options: FileOptions) -> bytes:
    """The first bytes of a text; BadCopyFormat (22P04) for one whose lines cannot be told."""
    with contextlib.closing(ByteStream(path, compression_of(path, options), 0, options.rewriting())) as stream:
        text = b""
        while len(text) < _LOOKED_AT_BYTES and (data := stream.read(_LOOKED_AT_BYTES)):
            text += data
    if b"\r" in text and b"\n" not in text:
        raise BadCopyFormat(
            f'lines of file "{path}" end with carriage returns alone', hint="tr '\\r' '\\n' makes them line feeds"
        )
    return text


def _encoding(text: bytes) -> str | None:
    """What a text that is not UTF-8 is taken to be in; None for one that is."""
    zeros = [text[parity::2].count(0) for parity in (0, 1)]
    if sum(zeros) * 4 > len(text):
        return "UTF16LE" if zeros[1] > zeros[0] else "UTF16BE"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(text)
    except UnicodeDecodeError:
        return "WIN1252"
    return None


def _told(options: FileOptions) -> dict[str, str]:
    """The options that differ from what they are without being told."""
    plain = FileOptions(options.path)
    names = ["format", "compression", "encoding", "header", "skip_lines", "delimiter", "quote", "null_string"]
    names += ["escape", "force_null", "force_not_null"]
    return {n: _text(getattr(options, n)) for n in names if getattr(options, n) != getattr(plain, n)}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _delimiter(path: str, options: FileOptions) -> str | None:
    """What divides the fields of a first line in which there is no comma; None where the usual does."""
    if path.lower().removesuffix(".gz").removesuffix(".zst").endswith(".tsv"):
        return None
    line = read_head(path, compression_of(path, options), options.rewriting()).split(b"\n")[0].decode(errors="replace")
    plain = re.sub('"[^"]*"', "", line)
    best = max(_DELIMITERS, key=plain.count)
    return best if "," not in plain and best in plain else None
