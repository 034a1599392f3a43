"""The rows of the last result, kept to be charted, opened again, and read as the table `_`."""

from __future__ import annotations

import pyarrow as pa

from repl.render.base import Renderer, Summary

ROWS_MAX = 1_000_000


class LastResult:
    """The first `ROWS_MAX` rows of a result; `total` counts all of them."""

    def __init__(self, schema: pa.Schema, title: str, rows_max: int = ROWS_MAX) -> None:
        self.schema = schema
        self.title = title
        self.total = 0
        self._rows_max = rows_max
        self._batches: list[pa.RecordBatch] = []
        self._kept = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """The next rows."""
        self.total += batch.num_rows
        piece = batch.slice(0, self._rows_max - self._kept)
        if piece.num_rows:
            self._batches.append(piece)
            self._kept += piece.num_rows

    @property
    def is_whole(self) -> bool:
        """Whether all rows are kept."""
        return self._kept == self.total

    def table(self) -> pa.Table:
        """The rows that are kept."""
        return pa.Table.from_batches(self._batches, self.schema)


class Keeping:
    """A renderer that keeps what another one writes."""

    def __init__(self, renderer: Renderer, result: LastResult) -> None:
        self._renderer = renderer
        self._result = result

    def write(self, batch: pa.RecordBatch) -> None:
        """See base.Renderer."""
        self._result.add(batch)
        self._renderer.write(batch)

    def finish(self, summary: Summary) -> None:
        """See base.Renderer."""
        self._renderer.finish(summary)
