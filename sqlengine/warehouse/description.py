"""What a table of the warehouse is: columns with Hive types, partition columns, file and row format, place.

Frozen data without a way to the disk. Column names are lower case; partition columns come after the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace

import pyarrow as pa

from sqlengine.errors import (
    DatatypeMismatch,
    DuplicateColumn,
    InvalidDefinition,
    InvalidParameter,
    NotSupportedError,
    UndefinedColumn,
    did_you_mean,
)
from sqlengine.hive_types import STRING, HiveType, parse_type
from sqlengine.quick_dataclass import dataclass
from sqlengine.warehouse.serdes import (
    AVRO,
    CSV,
    FORMATS,
    JSON,
    LAZY_SIMPLE,
    OPEN_CSV,
    ORC,
    PARQUET,
    REGEX,
    serde_of,
    stored_as,
)

FILE_NAME = "input__file__name"
BLOCK_OFFSET = "block__offset__inside__file"
VIRTUAL = {FILE_NAME: pa.string(), BLOCK_OFFSET: pa.int64()}
"""Columns that every table has without declaring them."""

_SERDES_OF_FORMAT = {
    "textfile": (LAZY_SIMPLE, OPEN_CSV, REGEX, JSON),
    "jsonfile": (JSON,),
    "csv": (CSV,),
    "parquet": (PARQUET,),
    "orc": (ORC,),
    "avro": (AVRO,),
}
_LEVELS, _LEVELS_EXTENDED = 8, 24


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `name` in lower case."""

    name: str
    type: HiveType
    comment: str = ""

    @property
    def field(self) -> pa.Field:
        """As a field of an Arrow schema."""
        return pa.field(self.name, self.type.arrow)


@dataclass(frozen=True, slots=True)
class RowFormat:
    """How LazySimpleSerDe writes a row. `separators`: one byte a level, fields first; `escape`: a byte or none; `null`:
    the bytes that mean NULL; `is_last_greedy`: the last column takes the rest of the line; `encoding` of the files."""

    separators: tuple[bytes, ...]
    escape: bytes = b""
    null: bytes = b"\\N"
    is_last_greedy: bool = False
    encoding: str = "utf-8"

    def separator(self, level: int) -> bytes:
        """Of a level of nesting; NotSupportedError (0A000) beyond what the SerDe has."""
        if level >= len(self.separators):
            raise NotSupportedError(
                f"LazySimpleSerDe has separators for {len(self.separators) - 1} levels of nesting",
                hint="hive.serialization.extend.nesting.levels = 'true' as a property of the table",
            )
        return self.separators[level]


@dataclass(frozen=True, slots=True)
class TableDescription:
    """`location`: the directory; `serde`: one of `serdes`; `serde_properties` and `properties` as written;
    `bucket_columns` and `num_buckets` as declared (rows are not placed by them)."""

    name: str
    columns: tuple[Column, ...]
    location: str
    partition_columns: tuple[Column, ...] = ()
    file_format: str = "textfile"
    serde: str = LAZY_SIMPLE
    serde_properties: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    is_external: bool = False
    comment: str = ""
    bucket_columns: tuple[str, ...] = ()
    num_buckets: int = 0

    @property
    def schema(self) -> pa.Schema:
        """Of the rows in files: without the partition columns."""
        return pa.schema([column.field for column in self.columns])

    @property
    def partition_schema(self) -> pa.Schema:
        """Of the partition columns."""
        return pa.schema([column.field for column in self.partition_columns])

    @property
    def row_schema(self) -> pa.Schema:
        """Of the table's rows: columns, then partition columns."""
        return pa.schema([*self.schema, *self.partition_schema])

    def option(self, name: str, default: str = "") -> str:
        """A property of the SerDe, else of the table."""
        return self.serde_properties.get(name, self.properties.get(name, default))

    def is_on(self, name: str) -> bool:
        """Whether a property is set to true."""
        return self.option(name).strip().lower() == "true"

    def count(self, name: str) -> int:
        """A property that is a number of lines; InvalidParameter (22023) when it is none."""
        text = self.option(name, "0").strip()
        if not text.isdecimal():
            raise InvalidParameter(f'property "{name}" must be a number, not "{text}"')
        return int(text)

    @property
    def row_format(self) -> RowFormat:
        """Of LazySimpleSerDe, from the properties."""
        return _row_format(self)

    def column(self, name: str) -> Column:
        """A column or partition column by name, any case; UndefinedColumn (42703)."""
        for column in (*self.columns, *self.partition_columns):
            if column.name == name.lower():
                return column
        names = [column.name for column in (*self.columns, *self.partition_columns)]
        raise UndefinedColumn(
            f'column "{name}" of table "{self.name}" does not exist', hint=did_you_mean(name.lower(), names)
        )

    def at(self, location: str) -> TableDescription:
        """The same table in another place."""
        return replace(self, location=location)


ColumnText = tuple[str, str, str]
"""Name, Hive type text, comment."""


def describe(
    name: str,
    columns: Sequence[ColumnText],
    location: str,
    *,
    partition_columns: Sequence[ColumnText] = (),
    file_format: str = "textfile",
    serde_class: str = "",
    serde_properties: Mapping[str, str] | None = None,
    properties: Mapping[str, str] | None = None,
    is_external: bool = False,
    comment: str = "",
    bucket_columns: Sequence[str] = (),
    num_buckets: int = 0,
) -> TableDescription:
    """A checked description of texts as DDL gives them. `file_format`: the word of STORED AS; `serde_class`: the class
    of ROW FORMAT SERDE, "" for the format's own.

    Raises what `parse_type`, `stored_as` and `serde_of` raise, DuplicateColumn (42701), InvalidDefinition (42P17),
    DatatypeMismatch (42804) for a nested partition column or one that a SerDe cannot hold, InvalidParameter (22023).
    """
    stored = stored_as(file_format)
    serde = serde_of(serde_class) if serde_class else stored.serde
    if serde not in _SERDES_OF_FORMAT[stored.name]:
        if stored.name != "textfile" or serde not in FORMATS:
            raise InvalidDefinition(f"files stored as {stored.name} are not read by SerDe {serde_class}")
        stored = FORMATS[serde]
    made = TableDescription(
        name,
        tuple(Column(column.lower(), parse_type(text), said) for column, text, said in columns),
        local_path(location),
        tuple(Column(column.lower(), parse_type(text), said) for column, text, said in partition_columns),
        stored.name,
        serde,
        dict(serde_properties or {}),
        dict(properties or {}),
        is_external,
        comment,
        tuple(column.lower() for column in bucket_columns),
        num_buckets,
    )
    checked = _as_strings(made) if serde == OPEN_CSV else made
    check(checked)
    return checked


def local_path(text: str) -> str:
    """The path of a LOCATION or INPATH: a path, or a URI of the scheme file; without slashes at its end.
    NotSupportedError (0A000) for other schemes."""
    scheme, colon, rest = text.partition(":")
    if colon and scheme.isalnum() and rest.startswith("/"):
        if scheme.lower() != "file":
            raise NotSupportedError(f'"{text}" is not on this machine', hint="paths and file:///path are")
        host, slash, path = rest[2:].partition("/") if rest.startswith("//") else ("", "/", rest[1:])
        if host not in ("", "localhost"):
            raise NotSupportedError(
                f'"{text}" is on the machine "{host}"', hint="paths and file:///path are on this one"
            )
        text = slash + path
    return text.rstrip("/") or text[:1]


def _as_strings(description: TableDescription) -> TableDescription:
    """OpenCSVSerde gives every column as a string, whatever was declared."""
    columns = tuple(replace(column, type=STRING) for column in description.columns)
    return replace(description, columns=columns)


def check(description: TableDescription) -> None:
    """Raise as `describe` says unless the description can be read and written by."""
    names = [column.name for column in (*description.columns, *description.partition_columns)]
    for name in names:
        if names.count(name) > 1:
            raise DuplicateColumn(f'column "{name}" is there twice in table "{description.name}"')
        if name in VIRTUAL:
            raise InvalidDefinition(f'column "{name}" is a virtual column that every table has')
    if not description.columns:
        raise InvalidDefinition(f'table "{description.name}" has no columns')
    for column in description.partition_columns:
        if column.type.is_nested or column.type.name == "binary":
            raise DatatypeMismatch(f'partition column "{column.name}" cannot be of type {column.type}')
    for name in description.bucket_columns:
        description.column(name)
    _check_serde(description)


def _check_serde(description: TableDescription) -> None:
    if description.serde == LAZY_SIMPLE:
        for column in description.columns:
            _check_levels(column.type, description.row_format, 1)
    if description.serde == CSV:
        for column in description.columns:
            if column.type.is_nested or column.type.name == "binary":
                raise DatatypeMismatch(f'csv files cannot hold column "{column.name}" of type {column.type}')
    if description.serde == REGEX:
        for column in description.columns:
            if column.type.is_nested or column.type.name == "binary":
                raise DatatypeMismatch(f'RegexSerDe cannot hold column "{column.name}" of type {column.type}')
        if not description.option("input.regex"):
            raise InvalidParameter('RegexSerDe needs the property "input.regex"')
    if description.serde in (LAZY_SIMPLE, OPEN_CSV, REGEX, JSON, CSV):
        description.count("skip.header.line.count")
        description.count("skip.footer.line.count")
        if description.option("line.delim", "\n") not in ("\n", "10"):
            raise NotSupportedError("lines are terminated by newlines only", hint=r"LINES TERMINATED BY '\n'")
        if description.option("timestamp.formats"):
            raise NotSupportedError('the property "timestamp.formats" is not supported')


def _check_levels(column: HiveType, row_format: RowFormat, level: int) -> None:
    if not column.is_nested:
        return
    used = 2 if column.name == "map" else 1
    row_format.separator(level + used - 1)
    for child in column.children:
        _check_levels(child, row_format, level + used)


def _row_format(description: TableDescription) -> RowFormat:
    """Separators beyond the third are control characters that text rarely has, in Hive's order."""
    first = _byte(description.option("field.delim") or description.option("serialization.format"), 1)
    second = _byte(description.option("collection.delim") or description.option("colelction.delim"), 2)
    third = _byte(description.option("mapkey.delim"), 3)
    further = [*range(4, 9), 11, *range(14, 27), *range(28, 32), *range(128, 256)]
    levels = _LEVELS
    if description.is_on("hive.serialization.extend.additional.nesting.levels"):
        levels = 3 + len(further)
    elif description.is_on("hive.serialization.extend.nesting.levels"):
        levels = _LEVELS_EXTENDED
    separators = [first, second, third, *further][:levels]
    escape = description.option("escape.delim")
    encoding = description.option("serialization.encoding", "utf-8")
    try:
        "".encode(encoding)
    except LookupError:
        raise InvalidParameter(f'encoding "{encoding}" is not known') from None
    return RowFormat(
        tuple(bytes([code]) for code in separators),
        bytes([_byte(escape, ord("\\"))]) if escape else b"",
        description.option("serialization.null.format", "\\N").encode(),
        description.is_on("serialization.last.column.takes.rest"),
        encoding,
    )


def _byte(text: str, default: int) -> int:
    """A separator is a number from -128 to 127 or a character, of which the first byte counts."""
    if not text:
        return default
    try:
        number = int(text)
    except ValueError:
        return ord(text[0]) & 0xFF
    return number & 0xFF if -128 <= number <= 127 else ord(text[0])
