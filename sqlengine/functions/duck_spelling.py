"""Built-in calls as DuckDB text of the same meaning, for snapshot queries, which DuckDB runs from text alone.

The types of the arguments are not known here, only their texts.  A name whose overloads of that many arguments share
one DuckDB template is spelt by it; formats of dates are translated while they are still text; string constants get the
type of the parameter they stand for.  What depends on the arguments' types is a typed macro (duck_macros.py).  Only
calls are spelt here: clauses and operators are the rendering's business (sql/render*.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

import pyarrow as pa

from sqlengine import duck, errors
from sqlengine.functions import BUILTINS
from sqlengine.functions.patterns import name_groups
from sqlengine.functions.registry import Function
from sqlengine.functions.time import has_fraction
from sqlengine.functions.time_format import strftime_text, strptime_format

_STRING = re.compile(r"'((?:[^']|'')*)'")


def spelling(name: str, args: Sequence[str]) -> str | None:
    """DuckDB text of `name(args)`, or None where the call means the same there as it stands.

    `name` is a function's name or an operator's (`similar to`).  NotSupportedError (0A000) where an argument must be a
    constant and is not.
    """
    special = _SPECIAL.get((name, len(args))) or _SPECIAL.get((name, None))
    if special is not None:
        return special(name, args)
    overloads = _overloads(name, len(args))
    if not overloads:
        return None
    typed = [_typed(arg, overloads, i) for i, arg in enumerate(args)]
    templates = {f.duck for f in overloads}
    if len(templates) == 1 and None not in templates and "" not in templates:
        return overloads[0].duck_text(typed)
    return None if typed == list(args) else f"{name}({', '.join(typed)})"


@lru_cache(maxsize=1024)
def _overloads(name: str, count: int) -> tuple[Function, ...]:
    """The built-ins a call of that many arguments may mean."""
    return tuple(
        f
        for f in BUILTINS.lookup(name) or [f for f in BUILTINS.functions() if f.operator == name]
        if (f.called(name) or f.operator == name)
        and any(len(s.params) == count or (s.variadic and count >= len(s.params)) for s in f.signatures)
    )


def _typed(arg: str, overloads: Sequence[Function], index: int) -> str:
    """A string constant with the type of its parameter, when no overload takes text there; any other text as it is."""
    if constant(arg) is None:
        return arg
    params = [s.param_at(index) for f in overloads for s in f.signatures if index < len(s.params) or s.variadic]
    exact = [p.exact for p in params]
    if not exact or any(t is None or t == pa.string() for t in exact):
        return arg
    return f"CAST({arg} AS {duck.sql_type(exact[0])})"


def constant(arg: str) -> str | None:
    """The value of a string constant in DuckDB text, None for any other expression."""
    found = _STRING.fullmatch(arg.strip())
    return None if found is None else found.group(1).replace("''", "'")


# ---------------------------------------------------------------- calls that no template can spell

_Special = Callable[[str, Sequence[str]], str | None]


def _format(name: str, arg: str, parameter: str) -> str | None:
    """The constant a call insists on; None when it is NULL."""
    if arg.strip().upper() == "NULL":
        return None
    found = constant(arg)
    if found is None:
        raise errors.NotSupportedError(f"argument {parameter} of {name} must be a constant")
    return found


def _written(name: str, args: Sequence[str]) -> str:
    """to_char and date_format."""
    pattern = _format(name, args[1], "format")
    moment = f"CAST({args[0]} AS TIMESTAMP)"
    return "NULL::VARCHAR" if pattern is None else strftime_text(pattern, name == "date_format", moment)


def _read(kind: str) -> _Special:
    """to_date and to_timestamp of a text."""

    def spell(name: str, args: Sequence[str]) -> str:
        pattern = _format(name, args[1], "format")
        if pattern is None:
            return f"NULL::{kind}"
        form = strptime_format(pattern, False).replace("'", "''")
        return f"CAST(strptime({args[0]}, '{form}') AS {kind})"

    return spell


def _groups(name: str, args: Sequence[str]) -> str:
    """regexp_match: the groups of the first match, one by one."""
    pattern = _format(name, args[1], "pattern")
    if pattern is None:
        return "NULL::VARCHAR[]"
    count = name_groups(pattern)[1]
    wanted = range(1, count + 1) if count else range(1)
    groups = ", ".join(f"regexp_extract({args[0]}, {args[1]}, {i})" for i in wanted)
    return f"CASE WHEN regexp_matches({args[0]}, {args[1]}) THEN [{groups}] END"


def _count_nulls(test: str) -> _Special:
    return lambda name, args: "(" + " + ".join(f"({arg} {test})::INTEGER" for arg in args) + ")"


def _part(name: str, args: Sequence[str]) -> str | None:
    """date_part and extract: a fraction only where PostgreSQL has one."""
    part = constant(args[0])
    exact = part is None or has_fraction(part)
    return f"{'date_part_exact' if exact else 'date_part'}({', '.join(args)})"


def _row(name: str, args: Sequence[str]) -> str:
    return "struct_pack(" + ", ".join(f"f{i + 1} := {arg}" for i, arg in enumerate(args)) + ")"


_SPECIAL: dict[tuple[str, int | None], _Special] = {
    ("to_char", 2): _written,
    ("date_format", 2): _written,
    ("to_date", 2): _read("DATE"),
    ("to_timestamp", 2): _read("TIMESTAMPTZ"),
    ("regexp_match", 2): _groups,
    ("num_nulls", None): _count_nulls("IS NULL"),
    ("num_nonnulls", None): _count_nulls("IS NOT NULL"),
    **{(name, 2): _part for name in ("date_part", "extract", "datepart")},
    ("row", None): _row,
}
"""(name, number of arguments or None for any) -> how it is spelt."""
