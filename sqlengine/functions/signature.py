"""SQL signatures of scalar functions and how a call's argument types meet them.

`parse("round(x numeric, digits integer) -> numeric")` gives a Signature; `Signature.match` says what a call with given
argument types costs and would yield.  The rules are PostgreSQL's in short: exact types cost nothing, each implicit
promotion costs, literals without a type take the type wanted.  This file must not know any function by name.

Pseudo types: `anyelement`/`anyarray` (one common type), `anynumber` (one common number type), `anyint` (whole number),
`numeric` (any precision and scale), `any` (each argument keeps its type).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sqlengine.quick_dataclass import dataclass
from sqlengine.types import (
    JSON,
    TIMESTAMP,
    TIMESTAMPTZ,
    common_type,
    from_sql,
    is_integer,
    is_json,
    is_numeric,
    is_text,
    split_top_level,
)

_PSEUDO = frozenset({"anyelement", "anyarray", "anynumber", "anyint", "numeric", "any"})
_SHAPE = re.compile(r"^\s*([\w$]+)\((.*)\)\s*->\s*(.+?)\s*$")
_LADDER: dict[pa.DataType, int] = {
    pa.int8(): -1,
    pa.int16(): 0,
    pa.int32(): 1,
    pa.int64(): 2,
    pa.float64(): 4,
    pa.float32(): 5,
}


@dataclass(frozen=True, slots=True)
class Arg:
    """What overload resolution knows of one argument: its type, whether it is a bare literal ('x' or NULL, which takes
    the type wanted), and its value when constant."""

    type: pa.DataType
    literal: bool = False
    constant: bool = False
    value: Any = None


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter: name and SQL or pseudo type."""

    name: str
    type_name: str

    @property
    def exact(self) -> pa.DataType | None:
        """The Arrow type, None for pseudo types."""
        return None if self.type_name in _PSEUDO else from_sql(self.type_name)


@dataclass(frozen=True, slots=True)
class Match:
    """A signature that fits: total cost, the types the arguments are to be cast to, and the result's type."""

    cost: int
    arg_types: tuple[pa.DataType, ...]
    result: pa.DataType


@dataclass(frozen=True, slots=True)
class Signature:
    """`text` is what SHOW FUNCTIONS prints; the last parameter repeats when `variadic`."""

    text: str
    name: str
    params: tuple[Param, ...]
    result: str
    variadic: bool = False

    def param_at(self, index: int) -> Param:
        """The parameter that the index-th argument belongs to."""
        return self.params[min(index, len(self.params) - 1)]

    def match(self, args: Sequence[Arg]) -> Match | None:
        """How the arguments fit, or None when they do not."""
        if len(args) != len(self.params) and not (self.variadic and len(args) >= len(self.params)):
            return None
        bound = self._bind_pseudo(args)
        if bound is None:
            return None
        wanted = [_wanted(self.param_at(i).type_name, arg, bound) for i, arg in enumerate(args)]
        costs = [None if w is None else _cost(arg, w) for arg, w in zip(args, wanted, strict=True)]
        if any(cost is None for cost in costs):
            return None
        types = tuple(w for w in wanted if w is not None)
        return Match(sum(c for c in costs if c is not None), types, self._result(types, bound))

    def _bind_pseudo(self, args: Sequence[Arg]) -> dict[str, pa.DataType] | None:
        """The types the pseudo types stand for in this call; None when arguments contradict each other."""
        bound: dict[str, pa.DataType] = {}
        for index, arg in enumerate(args):
            name = self.param_at(index).type_name
            if name not in ("anyelement", "anyarray", "anynumber", "anyint") or _untyped(arg):
                continue
            candidate = _element(name, arg.type)
            key = "anyelement" if name == "anyarray" else name
            if candidate is not None and key in bound:
                candidate = common_type(bound[key], candidate)
            if candidate is None:
                return None
            bound[key] = candidate
        defaults = {"anyelement": pa.string(), "anynumber": pa.float64(), "anyint": pa.int64()}
        return {**defaults, **bound}

    def _result(self, types: Sequence[pa.DataType], bound: dict[str, pa.DataType]) -> pa.DataType:
        if self.result == "anyarray":
            return pa.list_(bound["anyelement"])
        if self.result in bound:
            return bound[self.result]
        if self.result in ("numeric", "any"):
            return next((t for t in types if pa.types.is_decimal(t)), types[0])
        return from_sql(self.result)


def _untyped(arg: Arg) -> bool:
    return arg.literal or pa.types.is_null(arg.type)


def _element(name: str, dtype: pa.DataType) -> pa.DataType | None:
    """The element type an argument offers for a pseudo type; None when it is of the wrong kind."""
    if name == "anyarray":
        return dtype.value_type if pa.types.is_list(dtype) else None
    if name == "anynumber":
        return dtype if is_numeric(dtype) else None
    if name == "anyint":
        return dtype if is_integer(dtype) else None
    return dtype


def _wanted(name: str, arg: Arg, bound: dict[str, pa.DataType]) -> pa.DataType | None:
    """The type an argument is to be cast to for a parameter; None when it cannot."""
    if name == "anyarray":
        return pa.list_(bound["anyelement"])
    if name in bound:
        return bound[name]
    if name == "any":
        return pa.string() if _untyped(arg) else arg.type
    if name == "numeric":
        return _as_numeric(arg)
    return from_sql(name)


def _as_numeric(arg: Arg) -> pa.DataType | None:
    if pa.types.is_decimal(arg.type):
        return arg.type
    if is_integer(arg.type):
        return pa.decimal128({8: 3, 16: 5, 32: 10}.get(arg.type.bit_width, 19), 0)
    return pa.decimal128(38, 9) if _untyped(arg) else None


def _cost(arg: Arg, wanted: pa.DataType) -> int | None:
    """0 for the same type, more for each promotion, None when there is no implicit way."""
    if arg.type == wanted:
        return 0
    if _untyped(arg):
        return 0 if is_text(wanted) else 1
    step = _promotion(arg.type, wanted)
    if step is not None:
        return step
    if pa.types.is_list(arg.type) and pa.types.is_list(wanted):
        return _cost(Arg(arg.type.value_type), wanted.value_type)
    return 1 if pa.types.is_null(arg.type) else None


def _promotion(source: pa.DataType, target: pa.DataType) -> int | None:
    if is_numeric(source) and is_numeric(target):
        low, high = _rung(source), _rung(target)
        if source == pa.float32() and target == pa.float64():
            return 1
        if source == pa.float64() and target == pa.float32():
            return None
        if low == high:
            return 1
        return high - low if high > low else None
    if is_json(source) and is_json(target):
        return 1 if target == JSON else 2
    moments = [pa.date32(), TIMESTAMP, TIMESTAMPTZ]
    if source in moments and target in moments:
        gap = moments.index(target) - moments.index(source)
        return gap if gap > 0 else None
    return None


def _rung(dtype: pa.DataType) -> int:
    return 3 if pa.types.is_decimal(dtype) else _LADDER[dtype]


def implicit(source: pa.DataType, target: pa.DataType) -> bool:
    """Whether a value of `source` may stand where `target` is wanted, without a written cast."""
    return _cost(Arg(source), target) is not None


def parse(text: str) -> Signature:
    """A Signature from `name(p type, ...) -> type`; ValueError for text of another shape."""
    shape = _SHAPE.match(text)
    if shape is None:
        raise ValueError(f"not a signature: {text!r}")
    name, inner, result = shape.groups()
    parts = [part.strip() for part in split_top_level(inner)] if inner.strip() else []
    variadic = bool(parts) and parts[-1].lower().startswith("variadic ")
    if variadic:
        parts[-1] = parts[-1][len("variadic ") :].strip()
    params = tuple(Param(*part.split(None, 1)) for part in parts)
    return Signature(text.strip(), name, params, result, variadic)
