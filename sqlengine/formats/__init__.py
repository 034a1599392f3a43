"""Record formats: bytes of a topic or file to typed rows and back, whole batches at a time.

`decoder` and `encoder` are the two doors; FORMATS names what there is.  This package does no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from sqlengine.errors import InvalidParameter, did_you_mean
from sqlengine.formats.base import Decoded, Decoder, Encoder
from sqlengine.formats.csv_format import CsvDecoder, CsvOptions
from sqlengine.formats.encode import CsvEncoder, JsonEncoder
from sqlengine.formats.json_format import JsonDecoder
from sqlengine.formats.options import known, parse
from sqlengine.formats.raw_format import RawDecoder, RawEncoder
from sqlengine.quick_dataclass import dataclass

__all__ = ["FORMATS", "Decoded", "Decoder", "Encoder", "Format", "decoder", "encoder"]


@dataclass(frozen=True, slots=True)
class NoOptions:
    """A format without options."""


@dataclass(frozen=True, slots=True)
class Format:
    """One entry of FORMATS: `options` is the frozen dataclass of what can be set."""

    name: str
    description: str
    options: type[Any]


FORMATS: tuple[Format, ...] = (
    Format("json", "one JSON object per record", NoOptions),
    Format("csv", "one line of delimited fields per record", CsvOptions),
    Format("raw", "the record is the value of the one column", NoOptions),
)


def decoder(name: str, schema: pa.Schema, options: Mapping[str, str] | None = None) -> Decoder:
    """A decoder of records into rows of `schema`.

    Of `options` those that are the format's own (bare or behind `<format>.`) are used.  Raises
    InvalidParameter (22023) for an unknown format or a bad option value, NotSupportedError (0A000) for a
    column type the format cannot carry.
    """
    chosen = _options(name, options)
    if isinstance(chosen, CsvOptions):
        return CsvDecoder(schema, chosen)
    return JsonDecoder(schema) if name.lower() == "json" else RawDecoder(schema)


def encoder(name: str, schema: pa.Schema, options: Mapping[str, str] | None = None) -> Encoder:
    """An encoder of rows of `schema` into records; the arguments and errors of `decoder`."""
    chosen = _options(name, options)
    if isinstance(chosen, CsvOptions):
        return CsvEncoder(schema, chosen)
    return JsonEncoder(schema) if name.lower() == "json" else RawEncoder(schema)


def _options(name: str, options: Mapping[str, str] | None) -> Any:
    by_name = {f.name: f for f in FORMATS}
    found = by_name.get(name.lower())
    if found is None:
        hint = did_you_mean(name.lower(), by_name) or "formats: " + ", ".join(by_name)
        raise InvalidParameter(f'unknown format "{name}"', hint=hint)
    return parse(found.options, known(found.options, options or {}, (found.name,)), f"format {found.name}")
