"""The format `vertical`: one line per value, for rows that are wider than the screen."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from repl.render.base import Summary, Target, footer_text, write_title
from repl.render.cells import cell_texts
from repl.render.width import fit_text, text_width, visible_text
from repl.terminal import DIM

_CHUNK_ROWS = 4096


class VerticalRenderer:
    """Writes rows as they come."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._rows = 0
        write_title(target)

    def write(self, batch: pa.RecordBatch) -> None:
        """See base.Renderer."""
        self._rows = _write(self._target, batch, self._rows)
        if self._target.endless:
            self._target.output.flush()

    def finish(self, summary: Summary) -> None:
        """See base.Renderer."""
        if self._target.look.footer:
            self._target.output.write(footer_text(summary, self._target.look) + "\n")
        self._target.output.flush()


def write_records(target: Target, tables: Sequence[pa.Table], left_out: int) -> None:
    """Head and tail of a result, with `left_out` rows between them that are not shown."""
    number = 0
    for table in tables:
        for batch in table.to_batches():
            number = _write(target, batch, number)
        if left_out and table is tables[0]:
            target.output.write(target.screen.paint(f"... {left_out} rows ...", DIM) + "\n")
            number += left_out


def _write(target: Target, batch: pa.RecordBatch, number: int) -> int:
    for start in range(0, batch.num_rows, _CHUNK_ROWS):
        number = _write_chunk(target, batch.slice(start, _CHUNK_ROWS), number)
    return number


def _write_chunk(target: Target, batch: pa.RecordBatch, number: int) -> int:
    """Records `number` + 1 and on; the lines of each are joined by Arrow, a column at a time."""
    bar = "│" if target.screen.unicode else "|"
    null = target.screen.paint(target.look.null, DIM)
    names = [visible_text(name) for name in batch.schema.names]
    width = max((text_width(name) for name in names), default=0)
    rule = "─" if target.screen.unicode else "-"
    titles = [_title(n, rule, width) for n in range(number + 1, number + batch.num_rows + 1)]
    lines = [pa.array([target.screen.paint(title, DIM) for title in titles], pa.string())]
    for name, column in zip(names, batch.columns):
        label = f"{fit_text(name, width)} {bar} " if target.look.header else ""
        text = _lines_under(cell_texts(column, target.look.timezone, keep_lines=True, null=target.look.null), label)
        lines.append(pc.binary_join_element_wise(label, text, "").fill_null(label + null))
    target.output.write_lines(pc.binary_join_element_wise(*lines, "\n"))
    return number + batch.num_rows


def _lines_under(text: pa.Array, label: str) -> pa.Array:
    """Later lines of a value begin under its first."""
    return pc.replace_substring(text, "\n", "\n" + " " * text_width(label))


def _title(number: int, rule: str, width: int) -> str:
    return f"{rule}[ row {number} ]".ljust(width + 10, rule)
