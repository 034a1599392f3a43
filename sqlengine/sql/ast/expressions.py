"""Expressions as written, names unresolved."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlengine.quick_dataclass import dataclass

if TYPE_CHECKING:
    from sqlengine.sql.ast.queries import Select, SetOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class Expr:
    """Base of unbound expressions; equality ignores positions, so GROUP BY items can be matched structurally."""


@dataclass(frozen=True, slots=True)
class Column(Expr):
    """A column reference: `("price",)` or `("t", "price")`; quoted or folded spelling already applied."""

    parts: tuple[str, ...]
    position: int | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Column) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.parts)


@dataclass(frozen=True, slots=True)
class Literal(Expr):
    """A constant; `type_name` is its SQL type ("integer", "bigint", "numeric", "double precision", "text", "boolean",
    "unknown" for NULL, "timestamp", "date", ...); `value` a Python value (int, Decimal, float, str, bool, bytes,
    None)."""

    value: Any
    type_name: str


@dataclass(frozen=True, slots=True)
class Interval(Expr):
    """INTERVAL: months and days are calendar units and kept apart from microseconds."""

    months: int
    days: int
    microseconds: int


@dataclass(frozen=True, slots=True)
class Param(Expr):
    """`?`, `$1` or `:name`: `key` is the 0-based number or the name."""

    key: int | str


@dataclass(frozen=True, slots=True)
class Unary(Expr):
    """`op` in: "not", "-", "+", "~"."""

    op: str
    arg: Expr


@dataclass(frozen=True, slots=True)
class Binary(Expr):
    """`op` in: + - * / % ^ || = <> < <= > >= and or "is distinct from" "is not distinct from" like ilike
    "similar to" ~ ~* !~ !~* & | # << >> -> ->> #> #>> @> <@ and further operators by their spelling.

    `rules`: the dialect by whose rules operands are converted (expr/dialects.py); "": PostgreSQL's."""

    op: str
    left: Expr
    right: Expr
    position: int | None = None
    rules: str = ""

    def _key(self) -> tuple[Any, ...]:
        return self.op, self.left, self.right, self.rules

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Binary) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, slots=True)
class IsTest(Expr):
    """`arg IS [NOT] test`; test in "null", "true", "false", "unknown"."""

    arg: Expr
    test: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Between(Expr):
    """`arg [NOT] BETWEEN low AND high`."""

    arg: Expr
    low: Expr
    high: Expr
    negated: bool = False


@dataclass(frozen=True, slots=True)
class InList(Expr):
    """`arg [NOT] IN (items)`; `rules` as of Binary."""

    arg: Expr
    items: tuple[Expr, ...]
    negated: bool = False
    rules: str = ""


@dataclass(frozen=True, slots=True)
class Case(Expr):
    """CASE; `operand` set for the simple form; `rules` as of Binary."""

    operand: Expr | None
    whens: tuple[tuple[Expr, Expr], ...]
    default: Expr | None
    rules: str = ""


@dataclass(frozen=True, slots=True)
class Cast(Expr):
    """CAST(arg AS type_name); `safe` = TRY_CAST."""

    arg: Expr
    type_name: str
    safe: bool = False


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One element of ORDER BY; `nulls_first` None = the default of the direction."""

    expr: Expr
    descending: bool = False
    nulls_first: bool | None = None


@dataclass(frozen=True, slots=True)
class FrameBound:
    """One end of a window frame: "unbounded preceding", "preceding", "current row", "following" or "unbounded
    following"; `offset` goes with "preceding" and "following"."""

    kind: str
    offset: Expr | None = None


@dataclass(frozen=True, slots=True)
class FrameClause:
    """`mode`: rows | range | groups; `exclude`: "" | current row | group | ties."""

    mode: str
    start: FrameBound
    end: FrameBound
    exclude: str = ""


@dataclass(frozen=True, slots=True)
class WindowFrame:
    """OVER (...): `frame` is None for the default; `frame_text` is its text for the snapshot executor."""

    partition_by: tuple[Expr, ...]
    order_by: tuple[OrderItem, ...]
    frame_text: str | None = None
    frame: FrameClause | None = None


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """A function call, name lower-case as written (`count`, `date_trunc`, `tumble`); star for `count(*)`.

    `user` is set before binding when the database has a function of its own by that name.  `rules` as of Binary, of an
    aggregate's result.
    """

    name: str
    args: tuple[Expr, ...]
    distinct: bool = False
    star: bool = False
    filter: Expr | None = None
    order_by: tuple[OrderItem, ...] = ()
    within_group: tuple[OrderItem, ...] = ()
    over: WindowFrame | None = None
    position: int | None = None
    user: Any = None
    ignore_nulls: bool = False
    rules: str = ""

    def _key(self) -> tuple[Any, ...]:
        return (
            self.name,
            self.rules,
            self.args,
            self.distinct,
            self.star,
            self.filter,
            self.order_by,
            self.within_group,
            self.over,
            self.ignore_nulls,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, slots=True)
class LambdaParam(Expr):
    """A parameter of a lambda around it."""

    name: str


@dataclass(frozen=True, slots=True)
class Lambda(Expr):
    """`(params) -> body`, an argument of a function of arrays or maps."""

    params: tuple[str, ...]
    body: Expr
    position: int | None = None


@dataclass(frozen=True, slots=True)
class FieldAccess(Expr):
    """`(struct).name`."""

    arg: Expr
    name: str


@dataclass(frozen=True, slots=True)
class Subscript(Expr):
    """`array[i]` (1-based, PostgreSQL) or `map['k']`."""

    arg: Expr
    index: Expr


@dataclass(frozen=True, slots=True)
class ArrayLiteral(Expr):
    """`ARRAY[items]`."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Row(Expr):
    """`(a, b)` or `ROW(a, b)`; names when given (`struct(a := 1)`). `rules`: the dialect whose typing counts."""

    items: tuple[Expr, ...]
    names: tuple[str, ...] = ()
    rules: str = ""


@dataclass(frozen=True, slots=True)
class Star(Expr):
    """`*` or `t.*` in a select list; `except_` and `replace` as DuckDB and BigQuery have them."""

    table: str | None = None
    except_: tuple[str, ...] = ()
    replace: tuple[tuple[str, Expr], ...] = ()


@dataclass(frozen=True, slots=True)
class FieldsOf(Expr):
    """`(struct).*` in a select list: each field a column."""

    arg: Expr


@dataclass(frozen=True, slots=True)
class Subquery(Expr):
    """`kind`: "scalar", "array", "exists", "in", "any", "all"; `arg` and `op` for in/any/all; `rules` as of Binary."""

    kind: str
    query: Select | SetOperation
    arg: Expr | None = None
    op: str | None = None
    negated: bool = False
    rules: str = ""


SPELT = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"(?:\."(?:[^"]|"")*")*""")
"""A string, or a quoted and perhaps qualified name, in DuckDB text."""


def quoted(parts: tuple[str, ...]) -> str:
    """A qualified name as it stands in an Opaque's text."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


@dataclass(frozen=True, slots=True)
class Opaque(Expr):
    """An expression the planner has no word for; `text` is DuckDB SQL with columns spelt as they were, `calls`
    the functions in it, as (name, number of arguments)."""

    text: str
    columns: tuple[Column, ...]
    calls: tuple[tuple[str, int], ...] = ()

    def over(self, columns: tuple[Column, ...]) -> Opaque:
        """The same with other names of its columns."""
        spelt = {quoted(old.parts): quoted(new.parts) for old, new in zip(self.columns, columns, strict=True)}
        return Opaque(SPELT.sub(lambda m: spelt.get(m.group(), m.group()), self.text), columns, self.calls)
