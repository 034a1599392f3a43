"""Scalar functions: one decorated function each, by family, and the registry of the built-in ones.

FAMILIES names every module that declares functions; `BUILTINS` is the registry a database layers its own over.
Aggregates are in aggregates.py.  Nothing here binds or evaluates; that is expr/.
"""

from __future__ import annotations

from importlib import import_module

from sqlengine.functions import (
    aggregates,
    angles,
    array_sets,
    arrays,
    bytes_parts,
    clock,
    conditional,
    digests,
    encodings,
    escapes,
    format_text,
    interval_make,
    interval_text,
    joined,
    json,
    json_changes,
    json_path_calls,
    json_paths,
    jsonb,
    jsonb_made,
    likeness,
    maps,
    masks,
    math,
    named_days,
    nth_matches,
    number_format,
    number_text,
    operators,
    patterns,
    places,
    splitting,
    sql_json,
    sql_regex,
    strings,
    time,
    time_arithmetic,
    time_format,
    time_units,
    unix_time,
    urls,
)
from sqlengine.functions.registry import Function, Registry, collect

FAMILIES = (
    operators,
    math,
    angles,
    strings,
    format_text,
    likeness,
    masks,
    splitting,
    places,
    patterns,
    nth_matches,
    sql_regex,
    encodings,
    escapes,
    bytes_parts,
    number_format,
    number_text,
    digests,
    urls,
    time,
    time_arithmetic,
    time_format,
    clock,
    interval_make,
    interval_text,
    time_units,
    named_days,
    unix_time,
    conditional,
    arrays,
    array_sets,
    joined,
    maps,
    json,
    json_changes,
    json_paths,
    jsonb,
    jsonb_made,
    json_path_calls,
    sql_json,
)


class _BuiltIn(Registry):
    """The built-in functions; those of other dialects, whose names have a `$`, are loaded when the first is wanted."""

    def lookup(self, name: str) -> tuple[Function, ...]:
        if "$" not in name:
            return super().lookup(name)
        found: Registry = import_module("sqlengine.functions.hive").HIVE  # only who speaks Hive pays for it
        return found.lookup(name)


BUILTINS: Registry = collect(FAMILIES, _BuiltIn())


def scalar(name: str) -> tuple[Function, ...]:
    """The built-in overloads of a name; empty for an unknown one."""
    return BUILTINS.lookup(name)


def names() -> list[str]:
    """The names of the built-in scalar functions, sorted."""
    return BUILTINS.names()


def listing(registry: Registry = BUILTINS) -> list[tuple[str, str, str, str]]:
    """(name, signature, kind, description) of every function, for SHOW FUNCTIONS; kind: scalar, operator, aggregate."""
    rows = [
        (f.name, "; ".join(s.text for s in f.signatures), "scalar" if f.operator is None else "operator", f.description)
        for f in registry.functions()
    ]
    found = (aggregates.aggregate(name) for name in aggregates.names())
    rows += [(f.name, f"{f.name}({f.arguments})", "aggregate", f.description) for f in found if f is not None]
    return sorted(rows)


__all__ = ["BUILTINS", "FAMILIES", "Function", "Registry", "listing", "names", "scalar"]
