"""Is this JSON?  Arrow's own parser answers, for whole batches, so both ways of decoding agree on what is
well formed.

Two traps of that parser are kept away from it here: it crashes when the first text is a bare `null`, and it
reads `{"a":1}{"a":2}` in one record as two rows.  Only texts that begin with `{` and end with `}` may reach
it, and the rows are counted: with those ends, an object can neither stay open past its record (an opening
brace behind a closing one is an error inside an object, a newline is one inside a string) nor hide another
one from the count.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.json as pj

from sqlengine.formats.base import Mask
from sqlengine.formats.records import joined, spans_of

BYTES_MAX = 1 << 30
"""Most bytes given to the parser at once (its blocks are counted in 32 bits)."""
_PIECE = 512
_ROW = re.compile(r" in row (\d+)$")
_NOTHING = pa.schema([])


def read_objects(objects: pa.BinaryArray, schema: pa.Schema) -> pa.Table:
    """One row per object, of the schema's fields; others are ignored.  Raises pa.ArrowInvalid; the caller
    has made sure of the first and last bytes."""
    buffer = joined(objects)
    if buffer.size > BYTES_MAX:
        raise pa.ArrowInvalid("too many bytes for one block")
    table = pj.read_json(
        pa.BufferReader(buffer),
        read_options=pj.ReadOptions(use_threads=False, block_size=max(buffer.size + 1, 64)),
        parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    if table.num_rows != len(objects):
        raise pa.ArrowInvalid("more than one JSON value in a record")
    return table


def object_shaped(objects: pa.BinaryArray) -> Mask:
    """Where a (trimmed) text begins and ends with braces; null is not."""
    spans = spans_of(objects)
    return (spans.first() == ord("{")) & (spans.last() == ord("}")) & (spans.end - spans.start >= 2)


def malformed(objects: pa.BinaryArray) -> dict[int, str]:
    """Position -> the parser's complaint, for each of the (object-shaped) texts that is not one JSON object.

    The complaint names a row, so the texts before it are checked once more alone and the search goes on
    behind it; where no row is named, the range is halved.  Pieces are short, so that one malformed text
    costs a piece, not a batch.
    """
    found: dict[int, str] = {}
    todo = [(low, min(low + _PIECE, len(objects))) for low in range(0, len(objects), _PIECE)]
    while todo:
        low, high = todo.pop()
        complaint = _complaint(objects.slice(low, high - low))
        if complaint is None:
            continue
        if high - low == 1:
            found[low] = _ROW.sub("", complaint).rstrip(".")
            continue
        named = _ROW.search(complaint)
        at = low + int(named[1]) if named else high
        if low < at < high - 1:
            todo += [(at + 1, high), (at, at + 1), (low, at)]
        elif at == low:
            todo += [(low + 1, high), (low, low + 1)]
        else:
            middle = (low + high) // 2
            todo += [(middle, high), (low, middle)]
    return found


def _complaint(objects: pa.BinaryArray) -> str | None:
    try:
        read_objects(objects, _NOTHING)
    except pa.ArrowInvalid as error:
        return str(error).removeprefix("JSON parse error: ").lower()
    return None


def malformed_mask(objects: pa.BinaryArray) -> Mask:
    """`malformed` as a mask."""
    bad = np.zeros(len(objects), dtype=bool)
    bad[list(malformed(objects))] = True
    return bad
