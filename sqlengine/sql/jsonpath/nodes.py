"""A path as a tree: expressions give sequences of items, predicates are true, false or unknown."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

from sqlengine.quick_dataclass import dataclass

Number: TypeAlias = int | Decimal
LAST_LEVEL = -1
"""The level `last` of `.**{...}`: without a bound at the end of a range, at its beginning the leaves."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, a number, true, false or null."""

    value: str | Number | bool | None


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name`: a field of the object of variables."""

    name: str


@dataclass(frozen=True, slots=True)
class Root:
    """`$`: the document."""


@dataclass(frozen=True, slots=True)
class Current:
    """`@`: the item that the nearest filter asks about."""


@dataclass(frozen=True, slots=True)
class Last:
    """`last`: the last place of the nearest array."""


@dataclass(frozen=True, slots=True)
class Member:
    """`.key`."""

    key: str


@dataclass(frozen=True, slots=True)
class AnyMember:
    """`.*`."""


@dataclass(frozen=True, slots=True)
class AnyElement:
    """`[*]`."""


@dataclass(frozen=True, slots=True)
class Elements:
    """`[1, 3 to last]`: ranges of places counted from 0; the end of a single place is None."""

    ranges: tuple[tuple[Expr, Expr | None], ...]


@dataclass(frozen=True, slots=True)
class Descend:
    """`.**{first to last}`: everything so many levels below, 0 being the item itself."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Filter:
    """`? (predicate)`."""

    predicate: Predicate


@dataclass(frozen=True, slots=True)
class Method:
    """`.name(arguments)`; its arguments are constants."""

    name: str
    arguments: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps from one item on."""

    head: Expr | Predicate
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """`+x`, `-x`: of each number in a sequence."""

    op: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary:
    """`+ - * / %` of two single numbers."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Compare:
    """`== != < <= > >=`: whether they hold for any pair of items."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class StartsWith:
    """`x starts with "abc"`."""

    whole: Expr
    beginning: Expr


@dataclass(frozen=True, slots=True)
class LikeRegex:
    """`x like_regex "pattern" flag "letters"`."""

    text: Expr
    pattern: str
    flags: str


@dataclass(frozen=True, slots=True)
class Exists:
    """`exists(path)`."""

    path: Expr


@dataclass(frozen=True, slots=True)
class Not:
    """`!(predicate)`."""

    operand: Predicate


@dataclass(frozen=True, slots=True)
class IsUnknown:
    """`(predicate) is unknown`."""

    operand: Predicate


@dataclass(frozen=True, slots=True)
class Logic:
    """`&&` and `||`."""

    op: str
    left: Predicate
    right: Predicate


Step: TypeAlias = Member | AnyMember | AnyElement | Elements | Descend | Filter | Method
Predicate: TypeAlias = Compare | StartsWith | LikeRegex | Exists | Not | IsUnknown | Logic
Expr: TypeAlias = Literal | Variable | Root | Current | Last | Chain | Unary | Binary
PREDICATES = (Compare, StartsWith, LikeRegex, Exists, Not, IsUnknown, Logic)


@dataclass(frozen=True, slots=True)
class Path:
    """A whole path; `strict`: what is not there is an error, and arrays are not taken apart on the way."""

    strict: bool
    body: Expr | Predicate
