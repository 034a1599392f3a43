"""The format `markdown`: a pipe table for documents and chat; every row is shown, and a cut result says
so."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from repl.render.base import Summary, Target, footer_text
from repl.render.cells import cell_texts
from sqlengine import types


class MarkdownRenderer:
    """Writes rows as they come."""

    def __init__(self, target: Target) -> None:
        self._target = target
        if target.look.header:
            names = [
                _escaped(cell_texts(pa.array([name]), "", keep_lines=True))[0].as_py() for name in target.schema.names
            ]
            rules = ["---:" if types.is_numeric(f.type) else "---" for f in target.schema]
            target.output.write(f"| {' | '.join(names)} |\n| {' | '.join(rules)} |\n")

    def write(self, batch: pa.RecordBatch) -> None:
        """See base.Renderer."""
        if batch.num_rows == 0 or batch.num_columns == 0:
            return
        look = self._target.look
        texts = [cell_texts(column, look.timezone, keep_lines=True, null=look.null) for column in batch.columns]
        cells = [_escaped(text).fill_null(look.null) for text in texts]
        inner = pc.binary_join_element_wise(*cells, " | ")
        self._target.output.write_lines(pc.binary_join_element_wise("| ", inner, " |", ""))
        if self._target.endless:
            self._target.output.flush()

    def finish(self, summary: Summary) -> None:
        """See base.Renderer."""
        if summary.ended in ("more", "interrupted"):
            self._target.output.write(f"\n{footer_text(summary, self._target.look)}\n")
        self._target.output.flush()


def _escaped(text: pa.Array) -> pa.Array:
    text = pc.replace_substring(pc.replace_substring(text, "\\", "\\\\"), "|", "\\|")
    return pc.replace_substring(text, "\n", "<br>")
