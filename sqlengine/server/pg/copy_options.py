"""The options of a COPY from or to the client, checked in the order and with the words of PostgreSQL 15
(ProcessCopyOptions)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlengine.errors import InvalidParameter, UndefinedColumn, did_you_mean
from sqlengine.errors import SyntaxError as SqlSyntaxError
from sqlengine.formats.csv_format import CsvOptions
from sqlengine.pg_encodings import ENCODINGS_HINT, Encoding, encoding
from sqlengine.sql import ast

_KNOWN = (
    "format", "delimiter", "null", "default", "header", "quote", "escape", "encoding", "on_error", "log_verbosity",
    "freeze", "lend",
)  # fmt: skip
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
        self.encoding = _encoding(options["encoding"]) if "encoding" in options else None
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
        self.default = options.get("default")
        self._is_from = is_from
        self._check_characters(options)
        if self.header == NAMES and self.format != "csv":
            raise _unsupported(f'HEADER "{NAMES}" is available only in CSV mode')
        self._check_default()
        forced = self._forced(options)
        self._force_quote = forced["force_quote"]
        self._force_null, self._force_not_null = forced["force_null"], forced["force_not_null"]
        self.lends = _truth("lend", options.get("lend", "false")) == "true"
        if self.lends and not (is_from and self.format == "arrow"):
            raise _unsupported("LEND is only available using COPY FROM in ARROW mode")
        self._read_on_error(options)

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

    def _check_default(self) -> None:
        """DEFAULT came with PostgreSQL 16."""
        if self.default is None:
            return
        if not self._is_from:
            raise _unsupported("COPY DEFAULT only available using COPY FROM")
        if self.header == NAMES:
            raise _unsupported(f'COPY DEFAULT is not available with HEADER "{NAMES}"')
        if "\r" in self.default or "\n" in self.default:
            raise InvalidParameter("COPY default representation cannot use newline or carriage return")
        if self.delimiter in self.default:
            raise _unsupported("COPY delimiter must not appear in the DEFAULT specification")
        if self.format == "csv" and self.quote in self.default:
            raise _unsupported("CSV quote character must not appear in the DEFAULT specification")
        if self.default == self.null:
            raise _unsupported("NULL specification and DEFAULT specification cannot be the same")

    def _read_on_error(self, options: dict[str, str]) -> None:
        """ON_ERROR and LOG_VERBOSITY came with PostgreSQL 17."""
        self.stops = _word("on_error", options.get("on_error", "stop"), ("stop", "ignore")) == "stop"
        self.verbosity = _word("log_verbosity", options.get("log_verbosity", "default"), _VERBOSITIES)
        if "on_error" in options and not self._is_from:
            raise InvalidParameter("COPY ON_ERROR cannot be used with COPY TO")
        if self.is_binary and not self.stops:
            raise SqlSyntaxError("only ON_ERROR STOP is allowed in BINARY mode")

    def _forced(self, options: dict[str, str]) -> dict[str, list[str]]:
        """What FORCE_QUOTE, FORCE_NULL and FORCE_NOT_NULL list, "*" for all."""
        listed: dict[str, list[str]] = dict.fromkeys(_FORCED, [])
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
            listed[name] = [str(column) for column in json.loads(options[name])]
        return listed

    def quoted(self, names: Sequence[str]) -> list[str]:
        """Which of the columns that are sent FORCE_QUOTE names; UndefinedColumn (42703)."""
        return _among(self._force_quote, names, names, "FORCE_QUOTE")

    def csv(self, names: Sequence[str] = (), known: Sequence[str] = (), relation: str = "") -> CsvOptions:
        """How csv is written or read; `names`: the columns that come, `known`: all of the relation.

        Raises UndefinedColumn (42703; 42P10 for one that does not come) for columns of FORCE_NULL and FORCE_NOT_NULL.
        """
        forced = [
            json.dumps(_among(self._force_null, names, known, "FORCE_NULL", relation)),
            json.dumps(_among(self._force_not_null, names, known, "FORCE_NOT_NULL", relation)),
        ]
        return CsvOptions(self.delimiter, self.quote, self.null, *forced)

    def of_file(self, names: Sequence[str]) -> dict[str, str]:
        """As options of the connector `file`: of csv whose header names its columns."""
        form = self.csv(names, names)
        quoting = {"quote": form.quote, "force_null": form.force_null, "force_not_null": form.force_not_null}
        return {"format": "csv", "delimiter": form.delimiter, "null_string": form.null_string, **quoting}


def _among(
    listed: list[str], names: Sequence[str], known: Sequence[str], option: str, relation: str | None = None
) -> list[str]:
    """The columns an option names, of those of a relation or of a query."""
    of_relation = f' of relation "{relation}"' if relation else ""
    if listed == ["*"]:
        return list(names)
    for name in listed:
        if name not in known:
            raise UndefinedColumn(f'column "{name}"{of_relation} does not exist', hint=did_you_mean(name, known))
        if name not in names:
            raise UndefinedColumn(f'{option} column "{name}" not referenced by COPY', sqlstate="42P10")
    return listed


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
    for name in ("delimiter", "null", "default"):
        if name in options:
            raise SqlSyntaxError(f"cannot specify {name.upper()} in {mode.upper()} mode")
    if has_header:
        raise _unsupported(f"cannot specify HEADER in {mode.upper()} mode")


def _encoding(name: str) -> Encoding:
    found = encoding(name)
    if found is None:
        raise InvalidParameter('argument to option "encoding" must be a valid encoding name', hint=ENCODINGS_HINT)
    return found


_VERBOSITIES = ("default", "verbose", "silent")


def _word(name: str, value: str, words: Sequence[str]) -> str:
    if value.lower() not in words:
        raise InvalidParameter(f'COPY {name.upper()} "{value}" not recognized', hint="one of: " + ", ".join(words))
    return value.lower()


def _unsupported(text: str, hint: str | None = None) -> InvalidParameter:
    return InvalidParameter(text, sqlstate="0A000", hint=hint)
