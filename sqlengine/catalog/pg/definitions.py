"""Objects as the SQL that would make them: what pg_get_viewdef and its like answer."""

from __future__ import annotations

from sqlengine.catalog.objects import CheckInfo, MaterializedView, View
from sqlengine.catalog.pg.facts import (
    FunctionFact,
    Index,
)
from sqlengine.catalog.pg.types import BY_NAME, format_type
from sqlengine.pg_words import quote_ident


def query_text(view: View | MaterializedView) -> str:
    """The query of a view as pg_views has it: with a semicolon behind it."""
    return view.query.strip().rstrip(";") + ";"


def key_columns(index: Index) -> str:
    """The columns of an index in parentheses."""
    return "(" + ", ".join(quote_ident(part) for part in index.columns) + ")"


def index_definition(index: Index) -> str:
    """CREATE INDEX for an index, a primary key's too."""
    name, on = quote_ident(index.name), f"{quote_ident(index.on.schema)}.{quote_ident(index.on.name)}"
    unique = "UNIQUE " if index.unique else ""
    nulls = " NULLS NOT DISTINCT" if index.nulls_equal else ""
    return f"CREATE {unique}INDEX {name} ON {on} USING btree {key_columns(index)}{nulls}"


def check_definition(check: CheckInfo) -> str:
    """The clause of a CHECK constraint."""
    return f"CHECK ({check.expr})"


def arguments(function: FunctionFact) -> str:
    """A function's parameters as psql lists them."""
    parts = []
    for number, kind in enumerate(function.arguments):
        last = number == len(function.arguments) - 1
        name = function.argument_names[number] if number < len(function.argument_names) else ""
        words = ("VARIADIC" if function.variadic and last else "", quote_ident(name) if name else "", _type(kind))
        parts.append(" ".join(word for word in words if word))
    return ", ".join(parts)


def result(function: FunctionFact) -> str:
    """What a function returns."""
    return ("SETOF " if function.returns_set else "") + _type(function.result)


def function_definition(function: FunctionFact) -> str:
    """CREATE FUNCTION for a function; built-in ones have no body but their name."""
    strict = " STRICT" if function.strict else ""
    volatility = {"i": "IMMUTABLE", "s": "STABLE", "v": "VOLATILE"}[function.volatility]
    head = f"CREATE OR REPLACE FUNCTION {quote_ident(function.schema)}.{quote_ident(function.name)}"
    return (
        f"{head}({arguments(function)})\n RETURNS {result(function)}\n LANGUAGE {function.language}\n"
        f" {volatility}{strict}\nAS $function${function.source or function.name}$function$\n"
    )


def _type(name: str) -> str:
    return str(format_type(BY_NAME[name].oid, -1))
