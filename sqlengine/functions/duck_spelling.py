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
from sqlengine.array_text import braces_to_json
from sqlengine.functions import BUILTINS
from sqlengine.functions.interval_text import duck_interval_text
from sqlengine.functions.json import ARRAYS_AS_JSON, JSON_PATHS, OBJECTS, TWO_ARRAYS, odd_arguments
from sqlengine.functions.named_days import trunc_date
from sqlengine.functions.number_format import number_type
from sqlengine.functions.number_text import NUMBERS, duck_number_text
from sqlengine.functions.patterns import name_groups
from sqlengine.functions.registry import Function
from sqlengine.functions.time import has_fraction, unit_name
from sqlengine.functions.time_format import date_format, strftime_text, strptime_format
from sqlengine.functions.unix_time import DEFAULT_FORMAT

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
    _check(overloads[0], args)
    typed = [_typed(arg, overloads, i) for i, arg in enumerate(args)]
    templates = {f.duck for f in overloads}
    if len(templates) == 1 and None not in templates and "" not in templates:
        return overloads[0].duck_text(typed)
    return None if typed == list(args) else f"{name}({', '.join(typed)})"


def _check(function: Function, args: Sequence[str]) -> None:
    """Raises where a constant is wrong for every row."""
    if function.check is not None:
        value = constant(args[function.constant_args[0]])
        if value is not None:
            function.check(value)


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
    if pa.types.is_list(exact[0]) and (value := constant(arg)) is not None and value.lstrip().startswith("{"):
        (spelt,) = braces_to_json(pa.array([value])).to_pylist()
        arg = duck.literal(spelt, pa.string()) + "::JSON"
    return f"CAST({arg} AS {duck.sql_type(exact[0])})"


def constant(arg: str) -> str | None:
    """The value of a string constant in DuckDB text, None for any other expression."""
    found = _STRING.fullmatch(arg.strip())
    return None if found is None else found.group(1).replace("''", "'")


# ---------------------------------------------------------------- calls that no template can spell

_Special = Callable[[str, Sequence[str]], str | None]
_NOT_CONSTANT = "argument {} of {} must be a constant"


def _format(name: str, arg: str, parameter: str) -> str | None:
    """The constant a call insists on; None when it is NULL."""
    if arg.strip().upper() == "NULL":
        return None
    found = constant(arg)
    if found is None:
        raise errors.NotSupportedError(_NOT_CONSTANT.format(parameter, name))
    return found


def _written(moment: str, java: bool = True) -> _Special:
    """A moment as text: to_char, date_format, and what has the default format; `moment` is made of the argument."""

    def spell(name: str, args: Sequence[str]) -> str:
        pattern = _format(name, args[1], "format") if len(args) > 1 else DEFAULT_FORMAT
        return "NULL::VARCHAR" if pattern is None else strftime_text(pattern, java, moment.format(args[0]))

    return spell


def _to_char(name: str, args: Sequence[str]) -> str | None:
    """A moment, a number, or an interval, which alone may have another pattern in each row."""
    value, form = args
    if form.strip().upper() != "NULL" and constant(form) is None:
        refused = f"error('{_NOT_CONSTANT.format('format', name)}')"
        return f"CASE WHEN typeof({value}) = 'INTERVAL' THEN {duck_interval_text(value, form)} ELSE {refused} END"
    of_moment = _written("CAST({} AS TIMESTAMP)", java=False)(name, args)
    is_number = f"typeof({value}) IN ({NUMBERS}) OR typeof({value}) LIKE 'DECIMAL%'"
    return (
        f"CASE WHEN {is_number} THEN {duck_number_text(value, form)} WHEN typeof({value}) = 'INTERVAL' "
        f"THEN {duck_interval_text(value, form)} ELSE {of_moment} END"
    )


def _read(kind: str, java: bool = False, around: str = "{}") -> _Special:
    """A text as a moment of a kind, or what is made of that."""

    def spell(name: str, args: Sequence[str]) -> str:
        pattern = _format(name, args[1], "format")
        if pattern is None:
            return around.format(f"NULL::{kind}")
        form = strptime_format(pattern, java).replace("'", "''")
        return around.format(f"CAST(strptime({args[0]}, '{form}') AS {kind})")

    return spell


def _number(name: str, args: Sequence[str]) -> str:
    """to_number: of as many digits behind the point as the pattern has."""
    kind = duck.sql_type(number_type(constant(args[1])))
    return f"CAST(number_read({', '.join(args)}) AS {kind})"


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


def _truncated(name: str, args: Sequence[str]) -> str | None:
    """date_trunc to centuries and millennia, which begin with the years 1, 101, ..., 1001 (0, 100, ... there)."""
    unit, moment = args[0], args[1]
    named = constant(unit)
    is_era = named is None or unit_name(named) in ("century", "millennium")
    if len(args) == 3:
        name = "date_trunc_era" if is_era else "date_trunc"
        return f"timezone({args[2]}, {name}({unit}, timezone({args[2]}, {moment}::TIMESTAMPTZ)))"
    if not is_era:
        return None
    return (
        f"CASE typeof({moment}) WHEN 'INTERVAL' THEN date_trunc({unit}, {moment}) "
        f"ELSE date_trunc_era({unit}, {moment}) END"
    )


def _truncated_date(name: str, args: Sequence[str]) -> str | None:
    """trunc(date, 'MM'), told from trunc(number, digits) by the text."""
    unit = constant(args[1])
    return None if unit is None else trunc_date.duck_text(args)


def _row(name: str, args: Sequence[str]) -> str:
    return "struct_pack(" + ", ".join(f"f{i + 1} := {arg}" for i, arg in enumerate(args)) + ")"


def _json_path(as_text: bool) -> _Special:
    """json_extract_path: one key or place after the other."""

    def spell(name: str, args: Sequence[str]) -> str | None:
        if len(args) < 2:
            return None
        found, *steps = args
        for i, step in enumerate(steps):
            last = "json_get_text" if as_text and i == len(steps) - 1 else "json_get"
            key = constant(step)
            found = f"{last}({found}, {key if key is not None and key.lstrip('-').isdigit() else step})"
        return found

    return spell


def _named_struct(name: str, args: Sequence[str]) -> str:
    names = [constant(arg) for arg in args[::2]]
    if not names or len(args) % 2 or None in names:
        raise errors.SyntaxError("named_struct takes names, as constants, and values in turn")
    return (
        "struct_pack("
        + ", ".join(f"{duck.quote(n or '')} := {v}" for n, v in zip(names, args[1::2], strict=True))
        + ")"
    )


def _of_texts(name: str, args: Sequence[str]) -> str:
    """concat and concat_ws: the arguments as PostgreSQL prints them."""
    return f"{name}({', '.join(arg if constant(arg) is not None else f'shown({arg})' for arg in args)})"


def _in_places(name: str, args: Sequence[str]) -> str | None:
    """format: the arguments as PostgreSQL prints them."""
    if not args:
        return None
    values = ", ".join(f"shown({arg})" for arg in args[1:])
    return f"text_format({args[0]}, [{values}]::VARCHAR[])"


def _replaced_from(name: str, args: Sequence[str]) -> str | None:
    """regexp_replace(s, p, r, start), told from flags by the text."""
    return f"regexp_replace_4({', '.join(args)})" if re.fullmatch(r"\(?-?\d+\)?", args[3].strip()) else None


def _object(name: str, args: Sequence[str]) -> str | None:
    """json_build_object: keys of any type as texts."""
    if len(args) % 2:
        raise odd_arguments(name)
    if name == TWO_ARRAYS and len(args) == 2:
        key = constant(args[0])
        if key is None or key.lstrip().startswith("{"):
            return spelling(ARRAYS_AS_JSON, args) if key is not None else f"json_of_two({', '.join(args)})"
    pairs = zip(args[::2], args[1::2], strict=True)
    keyed = ((k if constant(k) is not None else f"text_of({k})", v) for k, v in pairs)
    return f"json_object({', '.join(part for pair in keyed for part in pair)})"


def _pairs(name: str, args: Sequence[str]) -> str:
    """jsonb_object of one array; as a constant it may be one of pairs."""
    text = constant(args[0])
    if text is None:
        return f"json_of_pairs(to_json({args[0]}))"
    (spelt,) = braces_to_json(pa.array([text])).to_pylist()
    return f"json_of_pairs({duck.literal(spelt, pa.string())}::JSON)"


_JAVA_TEXTS = ("date_format", *date_format.aliases)


def _chosen(name: str, args: Sequence[str]) -> str:
    """One of several texts, by its place."""
    texts = " ".join(f"WHEN {at} THEN {text}" for at, text in enumerate(args[1:], 1))
    return f"CASE ({args[0]}) {texts or 'WHEN NULL THEN NULL::VARCHAR'} END"


_SPECIAL: dict[tuple[str, int | None], _Special] = {
    ("elt", None): _chosen,
    ("to_char", 2): _to_char,
    **{(name, 2): _written("CAST({} AS TIMESTAMP)") for name in _JAVA_TEXTS},
    **{("from_unixtime", count): _written("make_timestamp({}::BIGINT * 1000000)") for count in (1, 2)},
    ("timestamptostring", 2): _written("make_timestamp({}::BIGINT * 1000)"),
    ("to_number", 2): _number,
    ("to_date", 2): _read("DATE"),
    ("to_timestamp", 2): _read("TIMESTAMPTZ"),
    **{(name, 2): _read("DATE", java=True) for name in ("parse_date", "parsedate")},
    **{(name, 2): _read("TIMESTAMPTZ", java=True) for name in ("parse_timestamp", "parsetimestamp")},
    **{(name, None): _json_path(name.endswith("text")) for name in JSON_PATHS},
    ("parse_time", 2): _read("TIME", java=True),
    **{
        (name, 2): _read("TIMESTAMP", True, "floor(epoch_us({}) / 1000000.0::DOUBLE)::BIGINT")
        for name in ("unix_timestamp", "to_unix_timestamp")
    },
    ("date_trunc", 2): _truncated,
    ("date_trunc", 3): _truncated,
    ("trunc", 2): _truncated_date,
    ("stringtotimestamp", 2): _read("TIMESTAMP", True, "(epoch_us({}) // 1000)"),
    ("regexp_replace", 4): _replaced_from,
    ("regexp_match", 2): _groups,
    ("num_nulls", None): _count_nulls("IS NULL"),
    ("num_nonnulls", None): _count_nulls("IS NOT NULL"),
    **{(name, 2): _part for name in ("date_part", "extract", "datepart")},
    ("row", None): _row,
    **{(name, None): _object for name in OBJECTS},
    ("format", None): _in_places,
    **{(name, 1): _pairs for name in (ARRAYS_AS_JSON, "jsonb_object")},
    ("concat", None): _of_texts,
    ("concat_ws", None): _of_texts,
    ("named_struct", None): _named_struct,
}
"""(name, number of arguments or None for any) -> how it is spelt."""
