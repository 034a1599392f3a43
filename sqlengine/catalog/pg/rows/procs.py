"""pg_proc, pg_aggregate and pg_operator: the functions there are, and those of PostgreSQL's types by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from sqlengine.catalog.pg import oids
from sqlengine.catalog.pg.facts import Facts, FunctionFact
from sqlengine.catalog.pg.types import BY_NAME, PG_TYPES

LANGUAGES = {"internal": 12, "c": 13, "sql": 14, "python": 15}


@cache
def _io_functions() -> dict[str, FunctionFact]:
    """The functions that read and write PostgreSQL's types: pg_type names them, nobody calls them."""
    names: dict[str, tuple[tuple[str, ...], str]] = {}
    for kind in PG_TYPES:
        for name, arguments, result in (
            (kind.input, ("cstring",), kind.name),
            (kind.output, (kind.name,), "cstring"),
            (kind.receive, ("internal",), kind.name),
            (kind.send, (kind.name,), "bytea"),
            (kind.mod_in, ("_cstring",), "int4"),
            (kind.mod_out, ("int4",), "cstring"),
            (kind.subscript, ("internal",), "internal"),
        ):
            if name != "-":
                names.setdefault(name, (arguments, result))
    return {
        name: FunctionFact(
            oid=oids.BUILT_IN_FUNCTIONS + number,
            name=name,
            arguments=names[name][0],
            argument_names=(),
            result=names[name][1],
        )
        for number, name in enumerate(sorted(names))
    }


@cache
def function_oid(name: str) -> int:
    """The oid of one of the functions that pg_type and its like name; 0 of "-" and of what is not there."""
    found = _io_functions().get(name)
    return 0 if found is None else found.oid


def all_functions(facts: Facts) -> list[FunctionFact]:
    """Every row of pg_proc."""
    return [*_io_functions().values(), *facts.functions]


def functions_by_oid(facts: Facts) -> dict[int, FunctionFact]:
    """Every row of pg_proc by its oid."""
    made: dict[int, FunctionFact] = facts.kept("functions by oid", lambda: {f.oid: f for f in all_functions(facts)})
    return made


def procs(facts: Facts) -> Iterator[dict[str, Any]]:
    """pg_proc."""
    for f in all_functions(facts):
        yield {
            "oid": f.oid,
            "proname": f.name,
            "pronamespace": facts.namespaces[f.schema],
            "proowner": facts.owner,
            "prolang": LANGUAGES[f.language],
            "procost": 1.0,
            "prorows": 1000.0 if f.returns_set else 0.0,
            "provariadic": BY_NAME[f.arguments[-1]].oid if f.variadic else 0,
            "prokind": f.kind,
            "proisstrict": f.strict,
            "proretset": f.returns_set,
            "provolatile": f.volatility,
            "proparallel": "s",
            "pronargs": len(f.arguments),
            "prorettype": BY_NAME[f.result].oid,
            "proargtypes": [BY_NAME[a].oid for a in f.arguments],
            "proargnames": list(f.argument_names) or None,
            "proargmodes": ["i"] * (len(f.arguments) - 1) + ["v"] if f.variadic else None,
            "prosrc": f.source or f.name,
        }


def aggregates(facts: Facts) -> Iterator[dict[str, Any]]:
    """pg_aggregate."""
    for f in facts.functions:
        if f.kind == "a":
            yield {"aggfnoid": f.oid, "aggkind": "n", "aggmfinalmodify": "r", "aggfinalmodify": "r"}


ROWS: dict[str, Callable[[Facts], Iterable[dict[str, Any]]]] = {
    "pg_catalog.pg_proc": procs,
    "pg_catalog.pg_aggregate": aggregates,
}
