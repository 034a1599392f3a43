"""WITH options of the `file` connector."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from sqlengine.errors import InvalidParameter
from sqlengine.formats.csv_format import CsvOptions
from sqlengine.formats.options import option

FORMATS = ("json", "csv", "parquet", "arrow")
_SAME = {"ndjson": "json", "jsonl": "json", "ipc": "arrow", "feather": "arrow"}


@dataclass(frozen=True, slots=True)
class FileOptions:
    """A source reads what `path` names; a sink writes part files into the directory `path`."""

    path: str = option(dataclasses.MISSING, "a file, a glob or a directory", aliases=("file_path", "location"))
    format: str = option("", "json (one object per line), csv, parquet or arrow; by default what the extension says")
    compression: str = option(
        "auto", "of text files; auto = what the extension says", choices=("auto", "none", "gzip", "zstd")
    )
    header: bool = option(True, "csv: the first line names the columns")
    delimiter: str = option(",", "csv: one character between fields (\\t for a tab)", aliases=("field_delimiter",))
    quote: str = option('"', "csv: one character around fields that hold the delimiter", aliases=("quote_character",))
    null_string: str = option("", "csv: what an unquoted field holds for NULL", aliases=("null_literal",))
    follow: bool = option(False, "go on with what is appended to files and with new files, as tail -F does")
    timestamp: str = option("", "replay: the column whose times set the pace; files are read one after another")
    speed: float = option(0.0, "replay: how many times faster than the times say; 0 = as fast as possible", minimum=0)

    def __post_init__(self) -> None:
        if not self.path:
            raise InvalidParameter('option "path" of connector file is empty')
        object.__setattr__(self, "format", _SAME.get(self.format.lower(), self.format.lower()))
        if self.format and self.format not in FORMATS:
            raise InvalidParameter(f'unknown file format "{self.format}"', hint="one of: " + ", ".join(FORMATS))
        if self.speed and not self.timestamp:
            raise InvalidParameter('option "speed" needs option "timestamp"', hint="name the column to replay by")

    def csv(self) -> CsvOptions:
        """The csv format's own part."""
        return CsvOptions(self.delimiter, self.quote, self.null_string)
