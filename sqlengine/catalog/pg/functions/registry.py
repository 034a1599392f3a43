"""PostgreSQL's functions of its catalog as data: the decorator that declares one, and how a call finds it.

Arguments and answers go through the snapshot executor as texts, so that one function of its serves all of these.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from sqlengine.catalog.pg.facts import Facts
from sqlengine.errors import InvalidText
from sqlengine.quick_dataclass import dataclass

Body = Callable[..., Any]
_SHAPE = re.compile(r"(\w+)\((.*)\) -> (.+)")


@dataclass(frozen=True, slots=True)
class PgFunction:
    """One overload: `params` and `result` are PostgreSQL's type names; of `least` arguments the rest may be left out.

    Not strict: NULL arguments reach the body as None.  `volatile`: each row calls it anew.
    """

    name: str
    params: tuple[str, ...]
    names: tuple[str, ...]
    result: str
    body: Body
    description: str
    strict: bool = True
    volatile: bool = False


PG_FUNCTIONS: dict[str, list[PgFunction]] = {}
"""Overloads by name."""


def pg(signatures: str, *, strict: bool = True, volatile: bool = False) -> Callable[[Body], Body]:
    """Declare the decorated body, which is given the Facts and the arguments, as functions of these signatures,
    separated by ";": `f(oid, boolean) -> text`."""

    def declare(body: Body) -> Body:
        parameters = inspect.signature(body).parameters.values()
        names = [p.name for p in parameters if p.name != "facts" and p.kind is not p.VAR_POSITIONAL]
        description = (inspect.getdoc(body) or "").partition("\n")[0].rstrip(".")
        for signature in signatures.split(";"):
            found = _SHAPE.fullmatch(signature.strip())
            assert found is not None, signature
            name, params, result = found.groups()
            kinds = tuple(p.strip() for p in params.split(",") if p.strip())
            made = PgFunction(name, kinds, tuple(names[: len(kinds)]), result, body, description, strict, volatile)
            PG_FUNCTIONS.setdefault(name, []).append(made)
        return body

    return declare


def overload(name: str, count: int) -> PgFunction | None:
    """The function of a name that takes so many arguments."""
    return next((f for f in PG_FUNCTIONS.get(name, ()) if len(f.params) == count), None)


def call(facts: Facts, name: str, arguments: Sequence[str | None]) -> str | None:
    """The answer as text; lists as JSON."""
    function = overload(name, len(arguments))
    assert function is not None, name
    if function.strict and any(a is None for a in arguments):
        return None
    given = [None if a is None else _read(facts, kind, a) for kind, a in zip(function.params, arguments, strict=True)]
    return _written(function.body(facts, *given))


def _read(facts: Facts, kind: str, text: str) -> Any:
    if kind == "regclass":
        return facts.relation_oid(text)
    if kind == "bool":
        return text.lower() in ("true", "t", "1", "on", "yes")
    if kind in ("oid", "int4", "int8", "int2"):
        try:
            return int(text)
        except ValueError:
            raise InvalidText(f'invalid input syntax for type {kind}: "{text}"') from None
    return float(text) if kind in ("float8", "numeric") else text


def _written(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, list) else str(value)
