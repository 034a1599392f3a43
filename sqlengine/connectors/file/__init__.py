"""Files as sources and sinks: NDJSON, CSV, Parquet and Arrow IPC.

The only place outside storage and the command that opens files.
"""

from __future__ import annotations

from sqlengine.connectors.file.source import FILE, FileSource
from sqlengine.connectors.file.text_reader import check_header
from sqlengine.connectors.file.writer import write_batches, write_table

__all__ = ["FILE", "FileSource", "check_header", "write_batches", "write_table"]
