"""WITH options as frozen dataclasses: a field is an option, its metadata its help, and one parser reads
them all.

Names are matched without regard to case and with `-`, `.` and `_` equal, so RisingWave's
`nexmark.table.type`, Flink's `rows-per-second` and our own spelling are one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, field, fields
from typing import Any, TypeVar

from sqlengine.errors import InvalidParameter, did_you_mean

T = TypeVar("T")
_TRUE = ("true", "t", "yes", "on", "1")
_FALSE = ("false", "f", "no", "off", "0")
_SEPARATORS = re.compile(r"[-. ]+")


def option(
    default: Any,
    help_text: str,
    *,
    choices: tuple[str, ...] = (),
    aliases: tuple[str, ...] = (),
    unit: str = "",
    minimum: float | None = None,
) -> Any:
    """A dataclass field that is a WITH option.

    `default` MISSING = required.  `aliases`: other spellings, already plain.  A field of type `Mapping`
    collects every option that begins with its name and a separator (`fields.a.kind` -> fields["a.kind"]).
    """
    metadata = {"help": help_text, "choices": choices, "aliases": aliases, "unit": unit, "minimum": minimum}
    if default is MISSING:
        return field(metadata=metadata)
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def plain(name: str) -> str:
    """An option name with case and separators taken out of account."""
    return _SEPARATORS.sub("_", name.strip().lower())


def option_names(options: type[Any]) -> list[str]:
    """The options' own names, in declaration order."""
    return [f.name for f in fields(options)]


def parse(options: type[T], given: Mapping[str, Any], owner: str, position: int | None = None) -> T:
    """`given` names and texts as an instance of the dataclass.

    Raises InvalidParameter (22023): an unknown name (with the nearest ones), a missing or repeated one, a
    value that does not fit its type, choices or minimum.
    """
    by_name = _by_name(options)
    values: dict[str, Any] = {}
    for name, text in given.items():
        found = _find(by_name, name)
        if found is None:
            hint = did_you_mean(plain(name), by_name) or "options: " + ", ".join(option_names(options))
            raise InvalidParameter(f'{owner} has no option "{name}"', hint=hint, position=position)
        spec, rest = found
        if rest:
            values.setdefault(spec.name, {})[rest] = str(text)
        elif spec.name in values:
            raise InvalidParameter(f'option "{spec.name}" of {owner} is given twice', position=position)
        else:
            values[spec.name] = _value(spec, text, position)
    _require(options, values, owner, position)
    try:
        return options(**values)
    except InvalidParameter as error:
        raise error.at(position) from None


def known(options: type[Any], given: Mapping[str, Any], prefixes: Iterable[str] = ()) -> dict[str, Any]:
    """The part of `given` that names options of this dataclass, a leading `<prefix>.` taken away."""
    by_name = _by_name(options)
    part = {}
    for name, value in given.items():
        short = plain(name)
        for prefix in prefixes:
            short = short.removeprefix(plain(prefix) + "_")
        if short in by_name:
            part[short] = value
    return part


def _by_name(options: type[Any]) -> dict[str, Field[Any]]:
    return {name: f for f in fields(options) for name in (f.name, *f.metadata["aliases"])}


def _find(by_name: dict[str, Field[Any]], name: str) -> tuple[Field[Any], str] | None:
    """The field an option name means, and for a collecting field the rest of the name as it is written."""
    short = plain(name)
    if short in by_name and not _collects(by_name[short]):
        return by_name[short], ""
    for head, _, rest in _splits(name):
        if (spec := by_name.get(plain(head))) is not None and _collects(spec) and rest:
            return spec, rest
    return None


def _splits(name: str) -> Iterator[tuple[str, str, str]]:
    return (name.strip().partition(separator) for separator in (".", "-", "_"))


def _collects(spec: Field[Any]) -> bool:
    return str(spec.type).startswith("Mapping")


def _require(options: type[Any], values: dict[str, Any], owner: str, position: int | None) -> None:
    for f in fields(options):
        if f.name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise InvalidParameter(f'{owner} needs option "{f.name}"', hint=f.metadata["help"], position=position)


def _value(spec: Field[Any], text: Any, position: int | None) -> Any:
    try:
        value = _typed(str(spec.type), text)
    except ValueError as error:
        raise InvalidParameter(
            f'invalid value for option "{spec.name}": "{text}"', hint=str(error), position=position
        ) from None
    choices, minimum = spec.metadata["choices"], spec.metadata["minimum"]
    if choices:
        value = str(value).lower()
        if value not in choices:
            hint = did_you_mean(value, choices) or "one of: " + ", ".join(choices)
            raise InvalidParameter(f'invalid value for option "{spec.name}": "{text}"', hint=hint, position=position)
    if minimum is not None and value is not None and value < minimum:
        raise InvalidParameter(f'option "{spec.name}" must be at least {minimum:g}, not {text}', position=position)
    return value


def _typed(kind: str, text: Any) -> Any:
    """A text as the field's type; ValueError says what is expected."""
    plain_kind = kind.split(" | ")[0]
    word = str(text).strip()
    if plain_kind == "bool":
        if word.lower() not in _TRUE + _FALSE:
            raise ValueError("true or false is expected")
        return word.lower() in _TRUE
    if plain_kind == "int":
        try:
            return int(word)
        except ValueError:
            raise ValueError("a whole number is expected") from None
    if plain_kind == "float":
        try:
            return float(word)
        except ValueError:
            raise ValueError("a number is expected") from None
    return str(text)
