"""WITH options of the `file` connector."""

from __future__ import annotations

import dataclasses

from sqlengine.catalog.measures import duration_us, size_bytes
from sqlengine.connectors.file.recode import Chain, Recoding, Rewriting, codec_of
from sqlengine.errors import InvalidParameter
from sqlengine.formats.csv_escapes import EscapesDoubled
from sqlengine.formats.csv_format import FORCE_NOT_NULL_HELP, FORCE_NULL_HELP, CsvOptions
from sqlengine.formats.options import option
from sqlengine.quick_dataclass import dataclass

FORMATS = ("json", "csv", "parquet", "arrow")
_SAME = {"ndjson": "json", "jsonl": "json", "ipc": "arrow", "feather": "arrow"}


NO_LIMIT = ("none", "0", "")


@dataclass(frozen=True, slots=True)
class Rolling:
    """When a sink's part is complete: with so many bytes (as Arrow holds them) or rows, or after so long; None: never
    for that reason."""

    size_bytes: int | None
    interval_us: int | None
    rows: int | None


@dataclass(frozen=True, slots=True)
class FileOptions:
    """A source reads what `path` names; a sink writes part files into the directory `path`."""

    path: str = option(dataclasses.MISSING, "a file, a glob or a directory", aliases=("file_path", "location"))
    format: str = option(
        "", "json (an object a line, or one array of them), csv, parquet or arrow; by default what the extension says"
    )
    compression: str = option(
        "auto",
        "of text files, and in Parquet and Arrow files that are written (Arrow: zstd); auto = what the extension says",
        choices=("auto", "none", "gzip", "zstd"),
    )
    header: bool = option(True, "csv: the first line names the columns")
    skip_lines: int = option(
        0, "csv: so many lines at the beginning of a file are passed over, not counting blank ones", minimum=0
    )
    delimiter: str = option(
        "",
        "csv: one character between fields (\\t for a tab); by default a comma, and a tab in files that end with .tsv",
        aliases=("field_delimiter",),
    )
    quote: str = option('"', "csv: one character around fields that hold the delimiter", aliases=("quote_character",))
    null_string: str = option("", "csv: what an unquoted field holds for NULL", aliases=("null_literal",))
    encoding: str = option(
        "",
        "what text files that are read are in, by PostgreSQL's names (LATIN1, WIN1252, ...), or UTF16; by default what "
        "a byte order mark tells, else UTF8",
    )
    escape: str = option("", "csv: what stands before quotes within quotes; by default the quote itself")
    force_null: str = option("", f"csv: {FORCE_NULL_HELP}")
    force_not_null: str = option("", f"csv: {FORCE_NOT_NULL_HELP}")
    force_quote: str = option("", "sink, csv: columns whose values are always in quotes: a, b or *")
    follow: bool = option(False, "go on with what is appended to files and with new files, as tail -F does")
    timestamp: str = option("", "replay: the column whose times set the pace; files are read one after another")
    speed: float = option(0.0, "replay: how many times faster than the times say; 0 = as fast as possible", minimum=0)

    partition_by: str = option(
        "",
        "sink: columns whose values make directories (column=value), and year, month, day or hour of a column",
        aliases=("partitioned_by", "partition_columns"),
    )
    roll_size: str = option(
        "32 MB",
        "sink: a part is complete when its rows take so much memory; none = no limit",
        aliases=("sink_rolling_policy_file_size", "rolling_policy_file_size", "file_size_bytes", "max_file_size"),
    )
    roll_interval: str = option(
        "1 minute",
        "sink: a part is complete after so long; 0 = with the tick that brings its rows; none = never",
        aliases=("sink_rolling_policy_rollover_interval", "rolling_policy_rollover_interval", "rollover_seconds"),
    )
    roll_rows: int = option(
        0, "sink: a part is complete with so many rows; 0 = no limit", aliases=("max_row_count",), minimum=0
    )

    def __post_init__(self) -> None:
        if not self.path:
            raise InvalidParameter('option "path" of connector file is empty')
        object.__setattr__(self, "format", _SAME.get(self.format.lower(), self.format.lower()))
        if self.format and self.format not in FORMATS:
            raise InvalidParameter(f'unknown file format "{self.format}"', hint="one of: " + ", ".join(FORMATS))
        if self.speed and not self.timestamp:
            raise InvalidParameter('option "speed" needs option "timestamp"', hint="name the column to replay by")

        if self.escape and len(self.escape.encode()) != 1:
            raise InvalidParameter('option "escape" must be one single-byte character')
        if self.encoding:
            codec_of(self.encoding)
        self.rolling()

    def rolling(self) -> Rolling:
        """When parts are complete; InvalidParameter (22023) for what is no size or length of time."""
        size = None if self.roll_size.strip().lower() in NO_LIMIT else size_bytes(self.roll_size, "roll_size")
        interval = None if self.roll_interval.strip().lower() == "none" else duration_us(self.roll_interval)
        if interval is not None and interval < 0:
            raise InvalidParameter(f'option "roll_interval" must be at least 0, not {self.roll_interval}')
        return Rolling(size, interval, self.roll_rows or None)

    def csv(self) -> CsvOptions:
        """The csv format's own part."""
        tabs = self.path.lower().removesuffix(".gz").removesuffix(".zst").endswith(".tsv")
        delimiter = self.delimiter or ("\t" if tabs else ",")
        return CsvOptions(delimiter, self.quote, self.null_string, self.force_null, self.force_not_null)

    @property
    def is_utf8(self) -> bool:
        """Whether no other encoding was named."""
        return not self.encoding or codec_of(self.encoding) == "utf-8"

    def rewriting(self) -> Rewriting | None:
        """What makes text UTF-8 and escapes doubled quotes; None where they are."""
        doubled = EscapesDoubled(self.quote, self.escape) if self.escape not in ("", self.quote) else None
        if self.is_utf8:
            return doubled
        recoding = Recoding(codec_of(self.encoding))
        return recoding if doubled is None else Chain(recoding, doubled)
