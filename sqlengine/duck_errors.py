"""What DuckDB complains of, as errors of ours."""

from __future__ import annotations

import re

from sqlengine import errors
from sqlengine.duck_wording import reworded

_UNKNOWN_COLUMN = re.compile(r'referenced column "([^"]+)" (?:was )?not found', re.IGNORECASE)
_UNKNOWN_FIELD = re.compile(r'^[\w ]+ "([^"]+)" does not have a column named "([^"]+)"', re.IGNORECASE)
_UNKNOWN_TABLE = re.compile(r'referenced table "([^"]+)" not found', re.IGNORECASE)
_CANDIDATES = re.compile(r"candidate (?:bindings|tables): (?:: )?(.+)", re.IGNORECASE)
_SUGGESTION = re.compile(r'did you mean "([^"]+)"', re.IGNORECASE)

_RULES: tuple[tuple[str, type[errors.Error]], ...] = (
    (r"division by zero", errors.DivisionByZero),
    (r"(date|time|timestamp) field value out of range|invalid (date|time|timestamp) field", errors.InvalidDatetime),
    (r"ambiguous reference to column", errors.AmbiguousColumn),
    (r"table function with name .* does not exist", errors.UndefinedFunction),
    (r"table with name .* does not exist", errors.UndefinedTable),
    (
        r"function with name .* does not exist|no function matches|could not choose a best candidate",
        errors.UndefinedFunction,
    ),
    (r"type with name .* does not exist", errors.UndefinedObject),
    (
        r"must appear in the group by|aggregates? .*not (allowed|supported)|cannot contain aggregates",
        errors.GroupingError,
    ),
    (r"window functions? .*not (allowed|supported)|cannot contain window functions", errors.WindowingError),
    (r"cannot compare values of type|cannot mix values of type", errors.DatatypeMismatch),
    (
        r"out of range for the destination|overflow|out of range\b(?!.*(date|time) field)"
        r"|cannot take|undefined outside",
        errors.OutOfRange,
    ),
    (r"unknown timezone|date ?part specifier", errors.DataError),
    (r"recursion did not settle", errors.TooComplex),
    (r"no files found|cannot open file", errors.FileUnavailable),
)

_BY_CLASS: tuple[tuple[str, type[errors.Error]], ...] = (
    ("ParserException", errors.SyntaxError),
    ("SyntaxException", errors.SyntaxError),
    ("ConversionException", errors.InvalidText),
    ("OutOfRangeException", errors.OutOfRange),
    ("InterruptException", errors.QueryCanceled),
    ("OutOfMemoryException", errors.OutOfMemory),
    ("NotImplementedException", errors.NotSupportedError),
    ("BinderException", errors.ProgrammingError),
    ("CatalogException", errors.UndefinedObject),
    ("ConstraintException", errors.IntegrityError),
    ("TypeMismatchException", errors.DatatypeMismatch),
    ("IOException", errors.OperationalError),
    ("InvalidInputException", errors.DataError),
    ("InternalException", errors.InternalError),
)


_raised: dict[tuple[str, str], errors.Error] = {}
_RAISED_MAX = 256


def remember(err: errors.Error) -> None:
    """An error of ours that a function raises within DuckDB, which passes on its class and message alone."""
    if len(_raised) >= _RAISED_MAX:
        _raised.clear()
    _raised[type(err).__name__, err.message] = err


def _as_raised(kind: str, message: str) -> errors.Error | None:
    """Such an error with its SQLSTATE, detail and hint."""
    found = _raised.get((kind, message))
    if found is None:
        return None
    return type(found)(found.message, detail=found.detail, hint=found.hint, sqlstate=found.sqlstate)


def translate_error(err: Exception) -> errors.Error:
    """One of our errors with SQLSTATE for a `duckdb.Error`; message without DuckDB's prefix and source excerpt.

    One that is ours already, such as that of a statement whose time is up as DuckDB begins, stays as it is.
    """
    if isinstance(err, errors.Error):
        return err
    failed = _USER_CODE.search(str(err))
    if failed is not None:
        raised, message = failed.groups()
        if raised and (exactly := _as_raised(raised, message.strip())) is not None:
            return exactly
        if raised and (known := reworded(message.strip())) is not None:
            return known
        kind = getattr(errors, raised or "", None)  # what the engine's own functions raise; a program's, DataError
        if kind is not None and kind is not errors.DataError:
            return kind(message.strip())  # type: ignore[no-any-return]
        return errors.DataError(message.strip(), sqlstate="38000", hint="the error comes from a Python function")
    body = re.split(r"\n\s*\n?LINE \d+:", str(err))[0]
    body = re.sub(r"^[A-Z][A-Za-z ]*(Error|Exception): ?", "", body).strip()
    head, _, rest = body.partition("\n")
    message = _plain(head)
    if (known := reworded(message)) is not None:
        return known
    candidates = _CANDIDATES.search(rest)
    nearest = f"did you mean {candidates.group(1).strip()}?" if candidates else None
    if (m := _UNKNOWN_COLUMN.search(head) or _UNKNOWN_FIELD.search(head)) is not None:
        named = f'"{m[1]}"' if len(m.groups()) == 1 else ".".join(m.groups())
        return errors.UndefinedColumn(f"column {named} does not exist", hint=nearest)
    if (m := _UNKNOWN_TABLE.search(head)) is not None:
        return errors.UndefinedTable(f'missing FROM-clause entry for table "{m.group(1)}"', hint=nearest)
    suggestion = _SUGGESTION.search(rest)
    hint_text = f'did you mean "{suggestion.group(1)}"?' if suggestion else None
    return _error_class(err, head)(message, hint=hint_text)


def _error_class(err: Exception, head: str) -> type[errors.Error]:
    for pattern, found in _RULES:
        if re.search(pattern, head, re.IGNORECASE):
            return found
    names = {cls.__name__ for cls in type(err).__mro__}
    return next((found for name, found in _BY_CLASS if name in names), errors.DatabaseError)


_USER_NAME = re.compile(r"\buser_(\w+)_\d+(?=\()")
"""What functions/user.py calls a database's own function in DuckDB."""
_USER_CODE = re.compile(r"exception occurred while executing the UDF: (?:(\w+): )?(.*)", re.DOTALL)
_RESPELT = (
    (r"^(?:Scalar |Table |Aggregate )?Function with name (\S+) does not exist", r"function \1 does not exist"),
    (r"^Table with name (\S+) does not exist", r'relation "\1" does not exist'),
)


def _plain(head: str) -> str:
    """Lower-case start, no final stop, none of DuckDB's advice about its own settings."""
    text = re.split(r" Use TRY\(| You might need to|\. In order to", head)[0].strip().rstrip(".!")
    if text.lower().startswith("division by zero"):
        return "division by zero"
    text = _USER_NAME.sub(r"\1", text)
    text = re.sub(
        r"^Type with name (\S+) does not exist", lambda found: f'type "{found[1].lower()}" does not exist', text
    )
    for pattern, plain in _RESPELT:
        text = re.sub(pattern, plain, text)
    return text[:1].lower() + text[1:] if not text[:2].isupper() else text
