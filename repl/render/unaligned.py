"""The format `unaligned`: values divided by a separator, a row a line; what psql writes with -A."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from repl.render.base import Summary, Target, footer_text, write_title
from repl.render.cells import cell_texts
from sqlengine.pgtext import to_text_array
from sqlengine.text_style import TextStyle


class UnalignedRenderer:
    """Writes rows as they come; what could drive a terminal is written as escapes there, and as it is elsewhere."""

    def __init__(self, target: Target) -> None:
        self._target = target
        write_title(target)
        if target.look.header:
            names = self._texts(pa.array(target.schema.names, pa.string())).to_pylist()
            target.output.write(target.look.fieldsep.join(names) + "\n")

    def _texts(self, column: pa.Array) -> pa.Array:
        zone = self._target.look.timezone
        is_shown = self._target.screen.width is not None
        if is_shown:
            return cell_texts(column, zone, keep_lines=True, null="")
        return to_text_array(column, TextStyle(zone))

    def write(self, batch: pa.RecordBatch) -> None:
        """See base.Renderer."""
        if batch.num_rows and batch.num_columns:
            cells = [self._texts(column).fill_null(self._target.look.null) for column in batch.columns]
            self._target.output.write_lines(pc.binary_join_element_wise(*cells, self._target.look.fieldsep))
        if self._target.endless:
            self._target.output.flush()

    def finish(self, summary: Summary) -> None:
        """See base.Renderer."""
        if self._target.look.footer:
            self._target.output.write(footer_text(summary, self._target.look) + "\n")
        self._target.output.flush()
