"""What DuckDB says of wrong values, types and clauses, as PostgreSQL says it: the same words, the same SQLSTATE.

`reworded` knows the complaints that both have; duck_errors.py sorts the others into classes by their own words.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlengine import errors
from sqlengine.duck_sizes import TEXT_TOO_LARGE

_TYPES = {
    "INT8": "smallint", "INT16": "smallint", "INT32": "integer", "INT64": "bigint", "INT128": "bigint",
    "TINYINT": "smallint", "SMALLINT": "smallint", "INTEGER": "integer", "BIGINT": "bigint", "HUGEINT": "bigint",
    "BOOL": "boolean", "BOOLEAN": "boolean", "FLOAT": "real", "DOUBLE": "double precision", "VARCHAR": "text",
    "BLOB": "bytea", "DATE": "date", "TIME": "time without time zone", "TIMESTAMP": "timestamp without time zone",
    "TIMESTAMP_NS": "timestamp without time zone", "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "INTERVAL": "interval", "UUID": "uuid", "JSON": "json", "INTEGER_LITERAL": "integer", "STRING_LITERAL": "unknown",
    "INT2": "smallint", "INT4": "integer", "NULL": "unknown", '"NULL"': "unknown",
}  # fmt: skip
_INTEGERS = ("smallint", "integer", "bigint")
_WHOLE = re.compile(r"\s*[+-]?\d+\s*")
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


def type_name(duck: str) -> str:
    """PostgreSQL's name of a type DuckDB names."""
    if duck.endswith("[]"):
        return type_name(duck[:-2]) + "[]"
    if duck.startswith("DECIMAL"):
        return "numeric"
    return _TYPES.get(duck, duck.lower())


def reworded(head: str) -> errors.Error | None:
    """The error of the first line of a complaint, without DuckDB's prefix; None where only DuckDB has words for it."""
    for pattern, make in _RULES:
        found = pattern.search(head)
        if found is not None:
            return make(found)
    return None


def _no_value(found: re.Match[str]) -> errors.Error:
    value, kind = found[1], type_name(found[2].upper())
    if kind in _INTEGERS and _WHOLE.fullmatch(value):
        return errors.OutOfRange(f'value "{value}" is out of range for type {kind}')
    if kind == "interval":
        return errors.InvalidDatetime(f'invalid input syntax for type interval: "{value}"')
    if kind == "numeric" and _NUMBER.fullmatch(value):
        return errors.OutOfRange("numeric field overflow")
    return errors.InvalidText(f'invalid input syntax for type {kind}: "{value}"')


def _no_array(found: re.Match[str]) -> errors.Error:
    return errors.InvalidText(f'malformed array literal: "{found[1]}"')


def _too_large(found: re.Match[str]) -> errors.Error:
    kind = type_name(found[1])
    return errors.OutOfRange("numeric field overflow" if kind == "numeric" else f"{kind} out of range")


def _no_moment(found: re.Match[str]) -> errors.Error:
    kind, value = found[1].lower(), found[2]
    if kind == "time" and not re.match(r"\s*\d+:\d", value):
        return errors.InvalidDatetime(f'invalid input syntax for type time: "{value}"')
    return errors.InvalidDatetime(f'date/time field value out of range: "{value}"', sqlstate="22008")


def _no_day(found: re.Match[str]) -> errors.Error:
    """What moment_text.py says, whose SQLSTATE and hint DuckDB loses."""
    hint = 'perhaps you need a different "datestyle" setting' if _SHORT_DATE.match(found[2]) else None
    return errors.InvalidDatetime(found[1], sqlstate="22008", hint=hint)


_SHORT_DATE = re.compile(r"\s*\d{1,2}[./-]\d{1,2}[./-]\d")
"""A date that begins with its day or its month."""


def _no_format(found: re.Match[str]) -> errors.Error:
    return errors.InvalidDatetime(f'invalid input syntax for type {found[1].lower()}: "{found[2]}"')


def _no_function(found: re.Match[str]) -> errors.Error:
    name, given = found[1], [type_name(part.strip()) for part in _split(found[2])]
    if re.fullmatch(r"\W+", name):
        shown = f"{given[0]} {name} {given[1]}" if len(given) == 2 else f"{name} {given[0]}"
        return errors.UndefinedFunction(f"operator does not exist: {shown}")
    return errors.UndefinedFunction(f"function {name}({', '.join(given)}) does not exist")


def _split(text: str) -> list[str]:
    """At commas outside parentheses: DECIMAL(3,1) is one type."""
    return [part for part in re.split(r",\s*(?![^()]*\))", text) if part]


def _cannot_cast(found: re.Match[str]) -> errors.Error:
    return errors.CannotCoerce(f"cannot cast type {type_name(found[1])} to {type_name(found[2])}")


def _says(kind: type[errors.Error], text: str, sqlstate: str | None = None) -> Callable[[re.Match[str]], errors.Error]:
    """An error whose text may hold groups of the match as \\1."""
    return lambda found: kind(found.expand(text), sqlstate=sqlstate)


def _rule(
    pattern: str, make: Callable[[re.Match[str]], errors.Error]
) -> tuple[re.Pattern[str], Callable[[re.Match[str]], errors.Error]]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL), make


_RULES = (
    _rule(r"""^could not convert string ['"](.*)['"] to ([A-Z0-9_]+(?: WITH TIME ZONE)?)""", _no_value),
    _rule(r"^type VARCHAR with value '(.*)' can't be cast to the destination type .*\[\]", _no_array),
    _rule(r"can't be cast because the value is out of range for the destination type (\w+)", _too_large),
    _rule(r"^casting value .* to type (\w+).* failed: value is out of range", _too_large),
    _rule(r"^overflow in \w+ of (\w+)", _too_large),
    _rule(r'^(date/time field value out of range: "(.*)")$', _no_day),
    _rule(r'^(time zone displacement out of range: ".*")$', _says(errors.InvalidDatetime, r"\1", "22009")),
    _rule(r'^(time zone ".*" not recognized)$', _says(errors.InvalidDatetime, r"\1", "22023")),
    _rule(r'^(date|time|timestamp) field value out of range: "([^"]*)"', _no_moment),
    _rule(r'^invalid (date|time|timestamp) field format: "([^"]*)"', _no_format),
    _rule(r"^no function matches the given name and argument types '(.+?)\((.*)\)'", _no_function),
    _rule(r"^unimplemented type for cast \((.+) -> (.+)\)", _cannot_cast),
    _rule(r"^more than one row returned by a subquery", _says(
        errors.DataError, "more than one row returned by a subquery used as an expression", "21000")),
    _rule(r"^subquery returns \d+ columns", _says(errors.SyntaxError, "subquery must return only one column")),
    _rule(r"^set operations can only apply to expressions with the same number", _says(
        errors.SyntaxError, "each UNION query must have the same number of columns")),
    _rule(r"^VALUES lists must all be the same length", _says(
        errors.SyntaxError, "VALUES lists must all be the same length")),
    _rule(r"^(requested length too large|array size exceeds the maximum allowed .*)", _says(errors.TooLarge, r"\1")),
    _rule(r'^could not ORDER BY column "(?:[^"]*\.)?"?([^"]+)"+', _says(
        errors.UndefinedColumn, r'column "\1" does not exist')),
    _rule(r'^malformed JSON at byte (\d+) of input: (.*?)\.  Input: ', lambda found: errors.InvalidText(
        "invalid input syntax for type json", detail=f"byte {found[1]}: {found[2]}")),
    _rule(r"^null character not permitted", _says(errors.TooLarge, "null character not permitted")),
    _rule(r"^a negative number raised to a non-integer power yields a complex result", _says(
        errors.OutOfRange, "a negative number raised to a non-integer power yields a complex result", "2201F")),
    _rule(r"cannot create a string of size|maximum total string size for regular string buffers", _says(
        errors.TooLarge, TEXT_TOO_LARGE)),
    _rule(r"^(?:step size cannot equal zero|interval cannot be 0)", _says(
        errors.InvalidParameter, "step size cannot equal zero")),
    _rule(r"^LIMIT/OFFSET cannot be negative", _says(errors.DataError, "LIMIT must not be negative", "2201W")),
    _rule(r"^(cannot take square root of a negative number|zero raised to a negative power is undefined)", _says(
        errors.OutOfRange, r"\1", "2201F")),
    _rule(r"^(cannot take logarithm of (?:zero|a negative number))", _says(errors.OutOfRange, r"\1", "2201E")),
    _rule(r"^negative substring length not allowed", _says(
        errors.DataError, "negative substring length not allowed", "22011")),
    _rule(r'^extract specifier "(.*)" not recognized', _says(
        errors.DataError, r'unit "\1" not recognized', "22023")),
    _rule(r"^(null values cannot be formatted as an SQL identifier)", _says(errors.DataError, r"\1", "22004")),
    _rule(r'^((?:invalid value for parameter "|invalid regular expression option: |regexp_\w+\(\) does not support|'
          r"un\w+ format\(\) type|too few arguments for format|format specifies argument 0).*)", _says(
        errors.DataError, r"\1", "22023")),
    _rule(r"^(argument \w+ of \w+ must be a constant)", _says(errors.NotSupportedError, r"\1")),
    _rule(r"^(SQL regular expression may not contain .*)", _says(errors.DataError, r"\1", "2200C")),
    _rule(r"^(index -?\d+ out of valid range, .*)", _says(errors.DataError, r"\1", "2202E")),
    _rule(r"^(invalid Unicode (?:escape|surrogate).*)", _says(errors.DataError, r"\1", "42601")),
    _rule(r"^(invalid normalization form: .*)", _says(errors.DataError, r"\1", "22023")),
    _rule(r"^(invalid regular expression: .*)", _says(errors.DataError, r"\1", "2201B")),
    _rule(r"^(unrecognized encoding: .*)", _says(errors.DataError, r"\1", "22023")),
    _rule(r"^invalid input for hex digit: (.)", _says(errors.DataError, r'invalid hexadecimal digit: "\1"', "22023")),
    _rule(r"^invalid hex escape code encountered in string -> blob", _says(
        errors.DataError, "invalid hexadecimal digit", "22023")),
    _rule(r"^(mismatched array dimensions|array must have (?:even number of elements|two columns))", _says(
        errors.DataError, r"\1", "2202E")),
    _rule(r"^(path element is not an integer: .*)", _says(errors.InvalidText, r"\1")),
    _rule(r"^(cannot delete path in scalar)", _says(errors.DataError, r"\1", "22023")),
    _rule(r"^(dimension array or low bound array cannot be null)", _says(errors.DataError, r"\1", "22004")),
    _rule(r"^(dimension values cannot be null)", _says(errors.DataError, r"\1", "22004")),
    _rule(r"^(array_fill takes several dimensions .*)", _says(errors.DataError, r"\1", "0A000")),
    _rule(r"^(element takes an array of one element)", _says(errors.DataError, r"\1", "21000")),
    _rule(r"^(interval out of range)", _says(errors.OutOfRange, r"\1", "22008")),
    _rule(r"^(null value not allowed for object key)", _says(errors.DataError, r"\1", "22004")),
    _rule(r"^unknown TimeZone '(.*)'", _says(errors.DataError, r'time zone "\1" not recognized', "22023")),
    _rule(r"^invalid escape string", _says(errors.DataError, "invalid escape string", "22025")),
    _rule(r"^missing [)(]: ", _says(
        errors.DataError, "invalid regular expression: parentheses () not balanced", "2201B")),
    _rule(r"^missing \]: ", _says(errors.DataError, "invalid regular expression: brackets [] not balanced", "2201B")),
    _rule(r"^no argument for repetition operator", _says(
        errors.DataError, "invalid regular expression: quantifier operand invalid", "2201B")),
    _rule(r"^trailing \\ at end of regexp|^invalid escape sequence: ", _says(
        errors.DataError, r"invalid regular expression: invalid escape \\ sequence", "2201B")),
    _rule(r"^(GROUP BY|ORDER) (?:BY )?term out of range - should be between 1 and (\d+)", lambda found: (
        errors.ProgrammingError(
            f"{found[1].removesuffix(' BY')} BY position is not in select list",
            sqlstate="42P10", hint=f"positions are 1 to {found[2]}"))),
    _rule(r"^aggregate function calls cannot be nested", _says(
        errors.GroupingError, "aggregate function calls cannot be nested")),
    _rule(r"^(WHERE|GROUP BY|HAVING|JOIN) clause cannot contain aggregates", _says(
        errors.GroupingError, r"aggregate functions are not allowed in \1")),
    _rule(r"^(WHERE|GROUP BY|HAVING|JOIN) clause cannot contain window functions", _says(
        errors.WindowingError, r"window functions are not allowed in \1")),
    _rule(r'^column "(.*?)" must appear in the GROUP BY clause', _says(
        errors.GroupingError, r'column "\1" must appear in the GROUP BY clause or be used in an aggregate function')),
    _rule(r'^window "(.*)" does not exist', _says(errors.UndefinedObject, r'window "\1" does not exist')),
    _rule(r'^duplicate CTE name "(.*)"', _says(
        errors.DuplicateAlias, r'WITH query name "\1" specified more than once')),
    _rule(r'^ambiguous reference to table "(.*?)" \(duplicate alias', _says(
        errors.DuplicateAlias, r'table name "\1" specified more than once')),
    _rule(r'^(table "(.*)" has \d+ columns available but \d+ columns specified)', _says(
        errors.ProgrammingError, r"\1", "42P10")),
    _rule(r'^column "(.*)" does not exist on (left|right) side of join', _says(
        errors.UndefinedColumn, r'column "\1" specified in USING clause does not exist in \2 table')),
    _rule(r'^ambiguous reference to column name "(.*?)"', _says(
        errors.AmbiguousColumn, r'column reference "\1" is ambiguous')),
)  # fmt: skip
