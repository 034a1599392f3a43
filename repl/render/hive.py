"""The format `hive`: what Hive's command line prints. Values between tabs, NULL for NULL, no lines about the result;
the names of columns only when hive.cli.print.header is true."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from repl.render.base import Summary, Target, write_title
from repl.render.cells import cell_texts
from sqlengine.warehouse.shown_texts import to_hive_text


class HiveRenderer:
    """Writes rows as they come; what could drive a terminal is written as escapes there, and as it is elsewhere."""

    def __init__(self, target: Target) -> None:
        self._target = target
        write_title(target)
        if target.look.hive_header and target.look.header:
            names = self._texts(pa.array(target.schema.names, pa.string())).to_pylist()
            target.output.write("\t".join(names) + "\n")

    def _texts(self, column: pa.Array) -> pa.Array:
        zone = self._target.look.timezone
        texts = to_hive_text(column, zone).fill_null("NULL")
        is_shown = self._target.screen.width is not None
        return cell_texts(texts, zone, keep_lines=True, null="") if is_shown else texts

    def write(self, batch: pa.RecordBatch) -> None:
        """See base.Renderer."""
        if batch.num_rows and batch.num_columns:
            cells = [self._texts(column).cast(pa.string()) for column in batch.columns]
            self._target.output.write_lines(pc.binary_join_element_wise(*cells, "\t"))
        if self._target.endless:
            self._target.output.flush()

    def finish(self, summary: Summary) -> None:
        """See base.Renderer."""
        self._target.output.flush()
