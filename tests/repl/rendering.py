"""Renders a table into text, for tests."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa

from repl.render import renderer
from repl.render.base import Look, Summary, Target
from repl.terminal import Output, Screen


def render_bytes(
    format_name: str,
    table: pa.Table,
    screen: Screen = Screen(),  # noqa: B008 - frozen
    *,
    batch_rows: int = 2,
    endless: bool = False,
    ended: str | None = None,
    **look: Any,
) -> bytes:
    """What the renderer writes for the table's rows, given in batches of `batch_rows`, after 12.3 ms."""
    stream = io.BytesIO()
    writer = renderer(format_name, Target(Output(stream, screen), table.schema, Look(**look), endless))
    for batch in table.to_batches(max_chunksize=batch_rows):
        writer.write(batch)
    writer.finish(Summary(table.num_rows, 12.3, ended))
    return stream.getvalue()


def render(format_name: str, table: pa.Table, screen: Screen = Screen(), **options: Any) -> str:  # noqa: B008
    """As render_bytes, decoded."""
    return render_bytes(format_name, table, screen, **options).decode()
