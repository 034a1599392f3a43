"""Hive's types: their text (`array<struct<a:int,b:decimal(10,2)>>`) as a tree, and the Arrow types that hold them.

Lengths of char and varchar have no place in an Arrow type, so the tree is what tables keep.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa

from sqlengine import errors
from sqlengine.errors import DuplicateColumn, InvalidParameter, NotSupportedError, UndefinedObject, did_you_mean
from sqlengine.quick_dataclass import dataclass
from sqlengine.types import HIVE_TYPES, TIMESTAMPTZ, UUID, hive_name, is_json

LTZ = "timestamp with local time zone"
_SIMPLE: dict[str, pa.DataType] = {**HIVE_TYPES, LTZ: TIMESTAMPTZ}
_ALIASES = {
    "integer": "int", "double precision": "double", "dec": "decimal", "numeric": "decimal", "byte": "tinyint",
    "short": "smallint", "long": "bigint", "timestamplocaltz": LTZ, "timestamp_ltz": LTZ, "timestamp_ntz": "timestamp",
}  # fmt: skip
_LENGTH_MAX = {"char": 255, "varchar": 65535}
DECIMAL_DIGITS_MAX = 38
_DECIMAL_DEFAULT = (10, 0)
_NAMES = [*_SIMPLE, *_ALIASES, *_LENGTH_MAX, "decimal", "array", "map", "struct"]
_TOKEN = re.compile(r"\s*(`(?:[^`]|``)*`|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\W]+|[<>():,])")


@dataclass(frozen=True, slots=True)
class HiveType:
    """`name` in lower case; `arguments`: the length of char and varchar, precision and scale of decimal; `fields`: of a
    struct by name, of an array one called "element", of a map "key" and "value"."""

    name: str
    arguments: tuple[int, ...] = ()
    fields: tuple[tuple[str, HiveType], ...] = ()

    @property
    def is_nested(self) -> bool:
        """An array, map or struct."""
        return bool(self.fields)

    @property
    def children(self) -> tuple[HiveType, ...]:
        """The types of the fields."""
        return tuple(child for _, child in self.fields)

    def __str__(self) -> str:
        """As Hive writes it."""
        if self.name == "struct":
            return f"struct<{','.join(f'{name}:{child}' for name, child in self.fields)}>"
        if self.fields:
            return f"{self.name}<{','.join(map(str, self.children))}>"
        return f"{self.name}({','.join(map(str, self.arguments))})" if self.arguments else self.name

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type of its values."""
        if self.name == "array":
            return pa.list_(self.children[0].arrow)
        if self.name == "map":
            return pa.map_(*(child.arrow for child in self.children))
        if self.name == "struct":
            return pa.struct([pa.field(name, child.arrow) for name, child in self.fields])
        if self.name == "decimal":
            return pa.decimal128(*self.arguments)
        return pa.string() if self.name in _LENGTH_MAX else _SIMPLE[self.name]


STRING = HiveType("string")


def parse_type(text: str, *, as_spark: bool = False) -> HiveType:
    """The type of a Hive type text; names of fields come out in lower case.

    `as_spark`: they keep their case, the `:` behind them may be left out, and NOT NULL may stand behind their types.

    Raises SyntaxError (42601), UndefinedObject (42704) with the nearest names, NotSupportedError (0A000) for uniontype
    and intervals, InvalidParameter (22023) for lengths and digits out of range, DuplicateColumn (42701).
    """
    reader = _Reader(text, as_spark)
    found = reader.type()
    reader.finish()
    return found


class _Reader:
    """Goes through the words of one type text."""

    def __init__(self, text: str, as_spark: bool) -> None:
        self._text = text
        self._as_spark = as_spark
        self._words = list(self._split(text))
        self._at = 0

    def _split(self, text: str) -> Iterator[str]:
        at = 0
        while at < len(text.rstrip()):
            word = _TOKEN.match(text, at)
            if word is None:
                raise errors.SyntaxError(f'type "{text}" cannot be read at "{text[at:].strip()[:20]}"')
            yield word[1]
            at = word.end()

    def type(self) -> HiveType:
        """One type."""
        name = self._name()
        if name in ("array", "map", "struct"):
            return self._nested(name)
        if name == "uniontype":
            raise NotSupportedError(
                "uniontype is not supported", hint="a struct with a field for each type holds the same"
            )
        if name == "interval":
            raise NotSupportedError("intervals cannot be stored in a table")
        if name == "decimal":
            return HiveType(name, _decimal(self._arguments()))
        if name in _LENGTH_MAX:
            return HiveType(name, _length(name, self._arguments()))
        if name not in _SIMPLE:
            raise UndefinedObject(f'type "{name}" does not exist', hint=did_you_mean(name, _NAMES))
        return HiveType(name)

    def _name(self) -> str:
        name = self._next().lower()
        for more in (["precision"], ["with", "local", "time", "zone"], ["with", "time", "zone"]):
            rest = [word.lower() for word in self._words[self._at : self._at + len(more)]]
            if rest == more and name == ("double" if len(more) == 1 else "timestamp"):
                self._at += len(more)
                name = " ".join([name, *more])
        if name == "timestamp with time zone":
            raise NotSupportedError("timestamp with time zone is not supported", hint=f"{LTZ} is")
        return _ALIASES.get(name, name)

    def _nested(self, name: str) -> HiveType:
        self._expect("<")
        fields: list[tuple[str, HiveType]] = []
        while True:
            label = {"array": ["element"], "map": ["key", "value"]}.get(name, [])
            if name == "struct":
                key = _unquoted(self._next())
                key = key if self._as_spark else key.lower()
                if not self._as_spark or self._peek() == ":":
                    self._expect(":")
            else:
                if len(fields) == len(label):
                    raise self._unexpected()
                key = label[len(fields)]
            if any(key == known for known, _ in fields):
                raise DuplicateColumn(f'field "{key}" is there twice in "{self._text}"')
            fields.append((key, self.type()))
            if self._as_spark and [word.lower() for word in self._words[self._at : self._at + 2]] == ["not", "null"]:
                self._at += 2
            if self._peek().lower() == "comment":
                self._at += 2
            if self._peek() != ",":
                break
            self._at += 1
        if name == "map" and (len(fields) != 2 or fields[0][1].is_nested):
            raise errors.SyntaxError(
                f'type "{self._text}": a map has a simple type for its keys and a type for its values'
            )
        self._expect(">")
        return HiveType(name, fields=tuple(fields))

    def _arguments(self) -> tuple[int, ...]:
        if self._peek() != "(":
            return ()
        numbers = []
        while self._peek() != ")":
            self._at += 1
            word = self._next()
            if not word.isdecimal():
                raise errors.SyntaxError(f'type "{self._text}": a number is expected, not "{word}"')
            numbers.append(int(word))
            if self._peek() not in (",", ")"):
                raise self._unexpected()
        self._at += 1
        return tuple(numbers)

    def _peek(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def _next(self) -> str:
        word = self._peek()
        if not word:
            raise errors.SyntaxError(f'type "{self._text}" ends too early')
        self._at += 1
        return word

    def _expect(self, wanted: str) -> None:
        if self._peek() != wanted:
            raise self._unexpected(wanted)
        self._at += 1

    def _unexpected(self, wanted: str = "") -> errors.SyntaxError:
        hint = f'"{wanted}" is expected' if wanted else None
        found = f'"{self._peek()}" is not expected' if self._peek() else "it ends too early"
        return errors.SyntaxError(f'type "{self._text}": {found}', hint=hint)

    def finish(self) -> None:
        """Nothing may follow."""
        if self._at < len(self._words):
            raise self._unexpected()


def _unquoted(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name


def _decimal(arguments: tuple[int, ...]) -> tuple[int, int]:
    precision, scale = (*arguments, *_DECIMAL_DEFAULT[len(arguments) :]) if len(arguments) <= 2 else (0, 0)
    if not 1 <= precision <= DECIMAL_DIGITS_MAX or scale > precision:
        raise InvalidParameter(
            "decimal has 1 to 38 digits, of which at most all stand behind the point", hint="decimal(10,2)"
        )
    return precision, scale


def _length(name: str, arguments: tuple[int, ...]) -> tuple[int]:
    if len(arguments) != 1 or not 1 <= arguments[0] <= _LENGTH_MAX[name]:
        raise InvalidParameter(f"{name} needs a length from 1 to {_LENGTH_MAX[name]}", hint=f"{name}(10)")
    return (arguments[0],)


def from_arrow(dtype: pa.DataType) -> HiveType:
    """The Hive type that holds values of an Arrow type; NotSupportedError (0A000) when there is none."""
    if is_json(dtype) or dtype == UUID or pa.types.is_null(dtype):
        return STRING
    if pa.types.is_dictionary(dtype):
        return from_arrow(dtype.value_type)
    if pa.types.is_map(dtype):
        return HiveType("map", fields=(("key", from_arrow(dtype.key_type)), ("value", from_arrow(dtype.item_type))))
    if pa.types.is_struct(dtype):
        return HiveType("struct", fields=tuple((f.name.lower(), from_arrow(f.type)) for f in dtype))
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype) or pa.types.is_fixed_size_list(dtype):
        return HiveType("array", fields=(("element", from_arrow(dtype.value_type)),))
    if pa.types.is_decimal(dtype):
        return HiveType("decimal", (min(dtype.precision, DECIMAL_DIGITS_MAX), dtype.scale))
    if pa.types.is_timestamp(dtype):
        return HiveType(LTZ if dtype.tz else "timestamp")
    name = hive_name(dtype)
    if name is not None:
        return HiveType(name, (20, 0) if name == "decimal" else ())
    raise NotSupportedError(f"Hive has no type for values of type {dtype}", hint="cast the column to string")
