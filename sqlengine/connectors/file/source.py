"""The `file` source: one partition per file, or all files as one partition for a replay."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine.connectors.base import Connector, Position, Reader
from sqlengine.connectors.file.columnar_reader import ColumnarReader
from sqlengine.connectors.file.infer import infer_schema
from sqlengine.connectors.file.options import FileOptions
from sqlengine.connectors.file.paths import files, format_of
from sqlengine.connectors.file.replay import ChainReader, ReplayReader, check_replay_column
from sqlengine.connectors.file.sink import FileSink
from sqlengine.connectors.file.text_reader import TextReader
from sqlengine.errors import FileUnavailable

REPLAY = "replay"
"""The one partition's name when rows are replayed by their times."""


class FileSource:
    """See connectors.base.Source; without declared columns the first file's are taken."""

    def __init__(self, options: FileOptions, schema: pa.Schema | None = None) -> None:
        self.options = options
        found = files(options)
        if schema is None:
            if not found:
                raise FileUnavailable(f'no file in "{options.path}" to take the columns from')
            schema = infer_schema(found[0], options)
        self._schema = schema
        self._replay_column = check_replay_column(schema, options.timestamp) if options.timestamp else None

    @property
    def bounded(self) -> bool:
        """False when files are followed: they may always grow."""
        return not self.options.follow

    def schema(self) -> pa.Schema:
        """As declared, or as inferred."""
        return self._schema

    def partitions(self) -> Sequence[str]:
        """The files' paths in the order of their names; new ones appear when `follow` is set."""
        return [REPLAY] if self._replay_column else files(self.options)

    def open(self, partition: str, position: Position | None) -> Reader:
        """A reader of one file, or of the replay."""
        if self._replay_column is None:
            return self._open_file(partition, position)
        return ReplayReader(self._open_chain, self._replay_column, self.options.speed, position)

    def _open_chain(self, position: Position | None) -> Reader:
        return ChainReader(lambda: files(self.options), self._open_file, position, self.options.follow)

    def _open_file(self, path: str, position: Position | None) -> Reader:
        kind = format_of(path, self.options)
        if kind in ("json", "csv"):
            return TextReader(path, kind, self._schema, self.options, position)
        return ColumnarReader(path, kind, self._schema, position)


FILE = Connector(
    "file",
    "NDJSON, CSV, Parquet and Arrow IPC files, read once, tailed or replayed; part files written",
    FileOptions,
    source=FileSource,
    sink=FileSink,
    reach="files",
)
