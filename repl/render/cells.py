"""Columns to the texts a reader sees: PostgreSQL's form, nothing invisible, NULL apart from the text NULL."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from repl.render.width import visible
from sqlengine import types
from sqlengine.pgtext import to_text_array
from sqlengine.text_style import TextStyle

_LINE_BREAK = "\ue000"
"""Stands for a line break while control characters are escaped (a private-use character)."""


def cell_texts(
    column: pa.Array | pa.ChunkedArray, timezone: str, keep_lines: bool = False, null: str = "NULL"
) -> pa.Array:
    """One text per value; NULL stays null, a text like the one that stands for NULL (`null`) is put in quotes, as it is
    inside PostgreSQL's arrays.

    Control characters are written as escapes; line breaks too, unless `keep_lines`.
    """
    text = to_text_array(column, TextStyle(timezone))
    if types.is_numeric(column.type) or pa.types.is_temporal(column.type):
        return text
    same = pc.equal(text, null).fill_null(False)
    if null and pc.any(same).as_py():
        text = pc.if_else(same, f'"{null}"', text)
    if not keep_lines:
        return visible(text)
    return pc.replace_substring(visible(pc.replace_substring(text, "\n", _LINE_BREAK)), _LINE_BREAK, "\n")
