"""Rows out of a screen: to a file, and as text for the clipboard."""

from __future__ import annotations

import base64
import os

import pyarrow as pa
import pyarrow.compute as pc

from repl.render import FORMATS, renderer
from repl.render.base import Look, Summary, Target
from repl.terminal import file_output
from sqlengine.errors import FileUnavailable, InvalidParameter, did_you_mean
from sqlengine.pgtext import to_text_array
from sqlengine.text_style import TextStyle

CLIPBOARD_BYTES = 74_000
"""Terminals take so much in one sequence, and many take no more."""
_SUFFIXES = {"txt": "table", "md": "markdown", "jsonl": "ndjson"}


def write_file(table: pa.Table, path: str, timezone: str) -> int:
    """Write rows to a file in the format that its name's ending says; returns how many.

    InvalidParameter (22023) for another ending, FileUnavailable (58030) when it cannot be written.
    """
    suffix = os.path.splitext(path)[1].removeprefix(".").lower()
    name = _SUFFIXES.get(suffix, suffix)
    if name not in FORMATS:
        known = [*_SUFFIXES, *FORMATS]
        hint = did_you_mean(suffix, known) or f"the ending says the format: {', '.join(known)}"
        raise InvalidParameter(f'"{path}" has no ending that says a format', hint=hint)
    try:
        output = file_output(os.path.expanduser(path))
        try:
            writer = renderer(name, Target(output, table.schema, Look(footer=False, timezone=timezone)))
            for batch in table.to_batches():
                writer.write(batch)
            writer.finish(Summary(table.num_rows, 0.0))
        finally:
            output.close()
    except OSError as error:
        raise FileUnavailable(f'cannot write "{path}": {(error.strerror or str(error)).lower()}') from None
    return table.num_rows


def clipboard_text(rows: pa.RecordBatch, timezone: str) -> tuple[str, int]:
    """(names and values divided by tabs, a row a line; how many rows they are: as many as fit the clipboard)."""
    texts = [_one_line(to_text_array(column, TextStyle(timezone))) for column in rows.columns]
    lines = pc.binary_join_element_wise(*texts, "\t").to_pylist() if texts else []
    kept, size = ["\t".join(rows.schema.names)], 0
    for line in lines:
        size += len(line.encode()) + 1
        if size > CLIPBOARD_BYTES * 3 // 4:
            break
        kept.append(line)
    return "\n".join(kept) + "\n", len(kept) - 1


def _one_line(texts: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(texts.fill_null("NULL"), "[\t\r\n]", " ")


def clipboard_sequence(text: str) -> str:
    """What tells a terminal to put a text on the clipboard (OSC 52)."""
    return f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\x07"
