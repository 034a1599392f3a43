"""The functions a program registers in its database: Python bodies for scalar functions and aggregates.

A signature (`"clamp(x bigint, low bigint) -> bigint"`) or the body's annotations give the SQL types.  A name has one
definition at a time and cannot be a built-in's.  Definitions live as long as the open database: Python code is not
stored.  How they are bound, run or spelt for DuckDB is not known here.
"""

from __future__ import annotations

import datetime as dt
import inspect
import itertools
import threading
import typing
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from types import UnionType
from typing import Any

import pyarrow as pa

from sqlengine import errors, sql
from sqlengine.functions import BUILTINS, aggregates
from sqlengine.functions.registry import Function, python_function, user_error
from sqlengine.functions.signature import Signature, parse
from sqlengine.quick_dataclass import dataclass
from sqlengine.types import to_sql

_ANNOTATED: dict[Any, str] = {
    bool: "boolean",
    int: "bigint",
    float: "double precision",
    str: "text",
    bytes: "bytea",
    Decimal: "numeric(38, 9)",
    dt.datetime: "timestamp",
    dt.date: "date",
    dt.time: "time",
    dt.timedelta: "interval",
}
_serial = itertools.count(1)


@dataclass(frozen=True, slots=True)
class UserAggregate:
    """An aggregate's Python side.

    `make` gives a fresh accumulator object with `add(*values)` and `result()`; with `remove(*values)` it can take rows
    back and with `merge(other)` absorb another.  `over_arrays` instead computes the answer from Arrow arrays holding
    all values of one group, one array per argument.  Rows with a NULL argument take no part.
    """

    name: str
    make: Callable[[], Any] | None
    over_arrays: Callable[..., Any] | None

    def retracts(self) -> bool:
        """Whether accumulator objects can take rows back."""
        return self.make is not None and hasattr(self.make, "remove")

    def merges(self) -> bool:
        """Whether accumulator objects can be merged."""
        return self.make is not None and hasattr(self.make, "merge")

    def answer(self, columns: Sequence[pa.Array]) -> Any:
        """The aggregate of one group's rows (no NULLs among them); DataError 38000 for what the body raises."""
        try:
            if self.over_arrays is not None:
                value = self.over_arrays(*columns)
                return value.as_py() if isinstance(value, pa.Scalar) else value
            assert self.make is not None
            made = self.make()
            for row in zip(*(c.to_pylist() for c in columns), strict=True):
                made.add(*row)
            return made.result()
        except errors.Error:
            raise
        except Exception as err:
            raise user_error(self.name, err) from err


def typed_answers(name: str, answers: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """What a program answered, as a column of the declared type; DataError 38000 when it is of another."""
    try:
        return pa.array(answers, type=kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as err:
        raise errors.DataError(f"function {name} did not answer its declared type: {err}", sqlstate="38000") from None


@dataclass(frozen=True, slots=True, eq=False)
class SqlBody:
    """What a function written in SQL computes: `expr`, bound over its parameters by position (expr/tree.py), of the
    text `source`.  `uses`: the parameter of each place where one stands.  `at`, of one that asks for now(): the body
    over arrays of its arguments and, behind them, the time in microseconds since 1970."""

    source: str
    expr: Any
    uses: tuple[int, ...]
    at: Callable[..., pa.Array] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class UserFunction:
    """One definition: exactly one of `function` and `aggregate` is set; `duck_name` is what DuckDB knows it by; `body`
    of a function that is written in SQL."""

    signature: Signature
    params: tuple[pa.DataType, ...]
    returns: pa.DataType
    duck_name: str
    description: str
    function: Function | None = None
    aggregate: UserAggregate | None = None
    body: SqlBody | None = None

    @property
    def name(self) -> str:
        """The name in SQL."""
        return self.signature.name


class UserFunctions:
    """The definitions of one database; safe to use from several threads."""

    def __init__(self) -> None:
        self._by_name: dict[str, UserFunction] = {}
        self.version = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._by_name)

    def find(self, name: str) -> UserFunction | None:
        """The definition of a lower-case name, or None."""
        return self._by_name.get(name)

    def all(self) -> list[UserFunction]:
        """All definitions, by name."""
        return [self._by_name[n] for n in sorted(self._by_name)]

    def define(
        self,
        body: Callable[..., Any],
        signature: str | None = None,
        *,
        vectorised: bool = False,
        strict: bool = True,
        volatility: str = "immutable",
    ) -> UserFunction:
        """Define a scalar function.

        `vectorised`: the body takes and returns Arrow arrays; else it is called row by row.  `strict`: NULL for any
        NULL argument, without a call.  `volatility`: immutable, stable or volatile.
        """
        if volatility not in ("immutable", "stable", "volatile"):
            raise errors.InvalidParameter(f'volatility is immutable, stable or volatile, not "{volatility}"')
        made = self._typed(body, signature)
        scalar = python_function(
            made.signature,
            made.returns,
            body,
            vectorised=vectorised,
            strict=strict,
            volatility=volatility,
            description=made.description,
        )
        return self._put(replace(made, function=scalar))

    def define_aggregate(self, body: Any, signature: str | None = None) -> UserFunction:
        """Define an aggregate: a class with `add` and `result`, or a function over Arrow arrays (see UserAggregate)."""
        if inspect.isclass(body):
            kind: Any = body
            missing = [n for n in ("add", "result") if not callable(getattr(body, n, None))]
            if missing:
                raise errors.InvalidDefinition(
                    f"aggregate class {body.__name__} needs a method {missing[0]}",
                    hint="an aggregate class has add(*values) and result(), and maybe remove(*values) and merge(other)",
                )
            made = self._typed(body, signature, arguments=kind.add, result=kind.result, skip_self=True)
            return self._put(replace(made, aggregate=UserAggregate(made.name, body, None)))
        made = self._typed(body, signature)
        return self._put(replace(made, aggregate=UserAggregate(made.name, None, body)))

    def of_sql(
        self,
        name: str,
        params: Sequence[tuple[str, pa.DataType]],
        returns: pa.DataType,
        body: SqlBody,
        kernel: Callable[..., Any],
        *,
        strict: bool,
        volatility: str,
    ) -> UserFunction:
        """A scalar function written in SQL, not yet known (`put`); `kernel`: the body over arrays of arguments."""
        _refuse_built_in(name)
        spelt = ", ".join(f"{param} {to_sql(kind)}" for param, kind in params)
        signature = parse(f"{name}({spelt}) -> {to_sql(returns)}")
        scalar = python_function(
            signature, returns, kernel, strict=strict, volatility=volatility, description="function in SQL"
        )
        duck_name = f"user_{name}_{next(_serial)}"
        kinds = tuple(kind for _, kind in params)
        return UserFunction(signature, kinds, returns, duck_name, scalar.description, function=scalar, body=body)

    def _typed(
        self, body: Any, signature: str | None, *, arguments: Any = None, result: Any = None, skip_self: bool = False
    ) -> UserFunction:
        if not callable(body):
            raise errors.InterfaceError(f"a function needs a Python callable, not {type(body).__name__}")
        text = signature or _annotated(body, arguments or body, result or body, skip_self)
        try:
            parsed = parse(text)
        except ValueError:
            raise errors.InvalidDefinition(
                f"not a function signature: {text}", hint='for example "clamp(x bigint, low bigint) -> bigint"'
            ) from None
        parsed = replace(parsed, name=parsed.name.lower())
        _refuse_built_in(parsed.name)
        params = tuple(_exact(p.exact, p.type_name) for p in parsed.params)
        returns = _exact(_returned(parsed), parsed.result)
        spelt = ", ".join(f"{p.name} {to_sql(t)}" for p, t in zip(parsed.params, params, strict=True))
        parsed = replace(parsed, text=f"{parsed.name}({spelt}) -> {to_sql(returns)}")
        description = (getattr(body, "__doc__", None) or "Python function").strip().partition("\n")[0]
        return UserFunction(parsed, params, returns, f"user_{parsed.name}_{next(_serial)}", description)

    def _put(self, made: UserFunction) -> UserFunction:
        """Of the program."""
        known = self._by_name.get(made.name)
        if known is not None and known.body is not None:
            raise errors.DuplicateFunction(f'function "{made.name}" is written in SQL', hint="DROP FUNCTION first")
        self.put(made)
        return made

    def put(self, made: UserFunction) -> None:
        """Know a definition, in the place of one of its name."""
        with self._lock:
            self._by_name = {**self._by_name, made.name: made}
            self.version += 1

    def forget(self, name: str) -> None:
        """Know no definition of the name."""
        with self._lock:
            self._by_name = {known: made for known, made in self._by_name.items() if known != name}
            self.version += 1


def _returned(signature: Signature) -> pa.DataType | None:
    return replace(signature.params[0], type_name=signature.result).exact if signature.params else _no_params(signature)


def _no_params(signature: Signature) -> pa.DataType | None:
    return parse(f"f(x {signature.result}) -> {signature.result}").params[0].exact


def _exact(dtype: pa.DataType | None, spelt: str) -> pa.DataType:
    if dtype is None:
        raise errors.InvalidDefinition(
            f'"{spelt}" is not the type of a Python function\'s value', hint="name one SQL type, such as numeric(38, 9)"
        )
    return dtype


def _refuse_built_in(name: str) -> None:
    known = any(f.called(name) for f in BUILTINS.lookup(name)) or aggregates.aggregate(name) is not None
    if known or sql.has_own_form(name):
        raise errors.DuplicateFunction(
            f'function "{name}" is built in and cannot be replaced', hint="give it another name"
        )


def _annotated(named: Any, arguments: Any, result: Any, skip_self: bool) -> str:
    """A signature from annotations; InvalidDefinition when one is missing or has no SQL type."""
    names = list(inspect.signature(arguments).parameters)[1 if skip_self else 0 :]
    hints, answers = typing.get_type_hints(arguments), typing.get_type_hints(result)
    params = [f"{n} {_sql_name(hints.get(n), named.__name__, n)}" for n in names]
    return f"{named.__name__}({', '.join(params)}) -> {_sql_name(answers.get('return'), named.__name__, 'its result')}"


def _sql_name(annotation: Any, function: str, what: str) -> str:
    if isinstance(annotation, UnionType) or typing.get_origin(annotation) is typing.Union:
        kinds = [a for a in typing.get_args(annotation) if a is not type(None)]
        annotation = kinds[0] if len(kinds) == 1 else None
    if typing.get_origin(annotation) is list:
        return _sql_name(typing.get_args(annotation)[0], function, what) + "[]"
    found = _ANNOTATED.get(annotation)
    if found is None:
        raise errors.InvalidDefinition(
            f"function {function} does not say the SQL type of {what}",
            hint=f'annotate it, or give a signature: "{function}(x bigint) -> bigint"',
        )
    return found
