"""What \\import makes of a file: its columns, with names a table can have, and how it is to be read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from repl.client_copy import ClientCopy
from sqlengine.connectors.columns import same_name
from sqlengine.connectors.file.bytes_in import read_head
from sqlengine.connectors.file.infer import infer_schema
from sqlengine.connectors.file.options import FileOptions
from sqlengine.connectors.file.paths import compression_of, files, format_of
from sqlengine.errors import BadCopyFormat
from sqlengine.formats.options import parse

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
    if format_of(first, given) == "csv" and "delimiter" not in told:
        mark = _delimiter(first, given)
        if mark is not None:
            told["delimiter"] = mark
            remarks.append(f"fields are taken to be divided by {'tabs' if mark == chr(9) else mark}")
    made = parse(FileOptions, {"path": path, **told}, "\\import")
    schema = infer_schema(first, made)
    if not len(schema):
        raise BadCopyFormat(f'no columns can be found in file "{first}"')
    names = fit_names(schema.names)
    if names != schema.names and format_of(first, made) == "csv" and made.header:
        renamed = [f'"{old}" as "{new}"' for old, new in zip(schema.names, names) if old != new]
        remarks.append(f"columns are renamed: {', '.join(renamed)}")
        told |= {"header": "false", "skip_lines": str(made.skip_lines + 1)}
        schema = pa.schema([f.with_name(name) for f, name in zip(schema, names)])
    return Found(schema, told, remarks)


def _told(options: FileOptions) -> dict[str, str]:
    """The options that differ from what they are without being told."""
    plain = FileOptions(options.path)
    names = ("format", "compression", "header", "skip_lines", "delimiter", "quote", "null_string")
    return {n: _text(getattr(options, n)) for n in names if getattr(options, n) != getattr(plain, n)}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _delimiter(path: str, options: FileOptions) -> str | None:
    """What divides the fields of a first line in which there is no comma; None where the usual does."""
    if path.lower().removesuffix(".gz").removesuffix(".zst").endswith(".tsv"):
        return None
    line = read_head(path, compression_of(path, options)).split(b"\n")[0].decode(errors="replace")
    plain = re.sub('"[^"]*"', "", line)
    best = max(_DELIMITERS, key=plain.count)
    return best if "," not in plain and best in plain else None


def fit_names(names: list[str]) -> list[str]:
    """Names that a table can have, as many: none empty, and none that comes down to the same as another."""
    made: list[str] = []
    seen: Counter[str] = Counter()
    for number, name in enumerate(names, 1):
        wanted = name.strip() or f"column_{number}"
        fitting, again = wanted, 2
        while seen[same_name(fitting)]:
            fitting, again = f"{wanted}_{again}", again + 1
        seen[same_name(fitting)] += 1
        made.append(fitting)
    return made
