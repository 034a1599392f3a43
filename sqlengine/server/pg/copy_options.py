"""The options of a COPY from or to the client, checked in the order and with the words of PostgreSQL 15
(ProcessCopyOptions)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlengine.errors import InvalidParameter, UndefinedColumn, did_you_mean
from sqlengine.errors import SyntaxError as SqlSyntaxError
from sqlengine.sql import ast

_KNOWN = ("format", "delimiter", "null", "header", "quote", "escape", "encoding", "on_error", "freeze", "lend")
_FORCED = ("force_quote", "force_not_null", "force_null")
_FORMATS = ("text", "csv", "binary", "json", "arrow", "parquet")
_OF_FILES = ("json", "arrow", "parquet")
"""Formats PostgreSQL does not have: those of COPY with files."""
_TRUE, _FALSE = ("true", "on", "1"), ("false", "off", "0")
MATCH = "match"
NAMES = "names"
"""Ours: the first line names columns, which come in its order; those it has beside them are passed over."""
_NO_DELIMITERS = "\\.abcdefghijklmnopqrstuvwxyz0123456789"
"""What would not be told from data in the format text."""


class CopyOptions:
    """The options of a COPY by PostgreSQL's names; `is_from`: of rows that come.

    Raises SyntaxError (42601) for an option that is not known, comes twice or lacks its value, InvalidParameter (22023,
    0A000) for a value that cannot be.
    """

    def __init__(self, given: ast.Options, is_from: bool) -> None:
        options = _once_each(given)
        self.format = options.get("format", "text").lower()
        if self.format not in _FORMATS:
            raise InvalidParameter(f'COPY format "{self.format}" not recognized', hint="one of: " + ", ".join(_FORMATS))
        if options.get("encoding", "utf8").lower().replace("-", "") not in ("utf8", "unicode"):
            raise InvalidParameter(f'encoding "{options["encoding"]}" is not supported', hint="send UTF-8")
        _truth("freeze", options.get("freeze", "false"))
        self.header = "false"
        if "header" in options:
            self.header = _header(options["header"], is_from)
        if self.format == "parquet" and not is_from:
            raise _unsupported("COPY TO STDOUT does not write parquet", hint="FORMAT arrow, or COPY ... TO 'file'")
        if self.is_binary or self.is_of_files:
            _refuse_in_binary(options, self.has_header, self.format)
        self.delimiter = options.get("delimiter", "," if self.format == "csv" else "\t")
        self.null = options.get("null", "" if self.format == "csv" else "\\N")
        self.quote = options.get("quote", '"')
        self.escape = options.get("escape", self.quote)
        self._is_from = is_from
        self._check_characters(options)
        if self.header == NAMES and self.format != "csv":
            raise _unsupported(f'HEADER "{NAMES}" is available only in CSV mode')
        self._force_quote = self._forced(options)
        self.lends = _truth("lend", options.get("lend", "false")) == "true"
        if self.lends and not (is_from and self.format == "arrow"):
            raise _unsupported("LEND is only available using COPY FROM in ARROW mode")
        self.stops = _stops(options.get("on_error", "stop"))

    @property
    def is_binary(self) -> bool:
        """Whether rows are in binary."""
        return self.format == "binary"

    @property
    def is_of_files(self) -> bool:
        """Whether rows are in a format of files: NDJSON, the Arrow IPC format (sent as a stream), Parquet."""
        return self.format in _OF_FILES

    @property
    def is_bytes(self) -> bool:
        """Whether what is sent is no text."""
        return self.format in ("binary", "arrow", "parquet")

    @property
    def has_header(self) -> bool:
        """Whether the first line is no row."""
        return self.header != "false"

    def _check_characters(self, options: dict[str, str]) -> None:
        """Those that part fields must be told from what is in them."""
        if len(self.delimiter.encode()) != 1:
            raise _unsupported("COPY delimiter must be a single one-byte character")
        if self.delimiter in "\r\n":
            raise InvalidParameter("COPY delimiter cannot be newline or carriage return")
        if "\r" in self.null or "\n" in self.null:
            raise InvalidParameter("COPY null representation cannot use newline or carriage return")
        is_csv = self.format == "csv"
        if not is_csv and self.delimiter in _NO_DELIMITERS:
            raise InvalidParameter(f'COPY delimiter cannot be "{self.delimiter}"')
        for name in ("quote", "escape"):
            if not is_csv and name in options:
                raise _unsupported(f"COPY {name} available only in CSV mode")
            if is_csv and len(options.get(name, '"').encode()) != 1:
                raise _unsupported(f"COPY {name} must be a single one-byte character")
            if is_csv and name == "quote" and self.delimiter == self.quote:
                raise InvalidParameter("COPY delimiter and quote must be different")
        if self.delimiter in self.null:
            raise _unsupported("COPY delimiter must not appear in the NULL specification")
        if is_csv and self.quote in self.null:
            raise _unsupported("CSV quote character must not appear in the NULL specification")
        if self._is_from and self.escape != self.quote:
            raise _unsupported("an ESCAPE other than the quote is not supported in COPY FROM")

    def _forced(self, options: dict[str, str]) -> list[str]:
        """What FORCE_QUOTE lists, "*" for all."""
        for name in _FORCED:
            if name not in options:
                continue
            words, is_for = name.replace("_", " "), "TO" if name == "force_quote" else "FROM"
            if not options[name].startswith("["):
                raise InvalidParameter(f'argument to option "{name}" must be a list of column names')
            if self.format != "csv":
                raise _unsupported(f"COPY {words} available only in CSV mode")
            if self._is_from != (is_for == "FROM"):
                raise _unsupported(f"COPY {words} only available using COPY {is_for}")
            if self._is_from:
                raise _unsupported(f"COPY {words} is not supported")
        return [str(name) for name in json.loads(options.get("force_quote", "[]"))]

    def quoted(self, names: Sequence[str]) -> list[str]:
        """Which of the columns that are sent FORCE_QUOTE names; UndefinedColumn (42703) for one that is not there."""
        if self._force_quote == ["*"]:
            return list(names)
        for name in self._force_quote:
            if name not in names:
                raise UndefinedColumn(f'column "{name}" does not exist', hint=did_you_mean(name, names))
        return self._force_quote


def _once_each(given: ast.Options) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in given:
        if name not in _KNOWN + _FORCED:
            raise SqlSyntaxError(f'option "{name}" not recognized', hint=did_you_mean(name, _KNOWN + _FORCED))
        if name in options:
            raise SqlSyntaxError("conflicting or redundant options", hint=f'"{name}" is given twice')
        options[name] = value
    return options


def _header(value: str, is_from: bool) -> str:
    """ "true", "false", "match" or "names": whether there is a first line, and what its names are for."""
    if value.lower() == MATCH:
        if not is_from:
            raise _unsupported(f'cannot use "{MATCH}" with HEADER in COPY TO')
        return MATCH
    if value.lower() == NAMES and is_from:
        return NAMES
    return _truth("header", value, ' or "match"')


def _truth(name: str, value: str, others: str = "") -> str:
    if value.lower() not in (*_TRUE, *_FALSE):
        raise SqlSyntaxError(f"{name} requires a Boolean value{others}")
    return "true" if value.lower() in _TRUE else "false"


def _refuse_in_binary(options: dict[str, str], has_header: bool, mode: str) -> None:
    for name in ("delimiter", "null"):
        if name in options:
            raise SqlSyntaxError(f"cannot specify {name.upper()} in {mode.upper()} mode")
    if has_header:
        raise _unsupported(f"cannot specify HEADER in {mode.upper()} mode")


def _stops(value: str) -> bool:
    """PostgreSQL 17's ON_ERROR."""
    if value.lower() not in ("stop", "ignore"):
        raise InvalidParameter(f'COPY ON_ERROR "{value}" not recognized', hint="one of: stop, ignore")
    return value.lower() == "stop"


def _unsupported(text: str, hint: str | None = None) -> InvalidParameter:
    return InvalidParameter(text, sqlstate="0A000", hint=hint)
