"""Objects as text: types, views, indexes, constraints, expressions, functions, comments."""

from __future__ import annotations

import re

from sqlengine.catalog.objects import MaterializedView, Table, View
from sqlengine.catalog.pg import definitions, oids
from sqlengine.catalog.pg.facts import Facts, split_name
from sqlengine.catalog.pg.functions.registry import pg
from sqlengine.catalog.pg.rows import classes
from sqlengine.catalog.pg.rows.procs import functions_by_oid
from sqlengine.catalog.pg.types import format_type as spelt
from sqlengine.pg_words import quote_ident, quote_text


@pg("format_type(oid, int4) -> text", strict=False)
def format_type(facts: Facts, type_oid: int | None, typmod: int | None) -> str | None:
    """A type as SQL spells it."""
    if type_oid in facts.row_types:
        relation, is_array = facts.row_types[type_oid]
        return facts.relation_text(relation) + ("[]" if is_array else "")
    return spelt(type_oid, typmod)


@pg("pg_get_viewdef(regclass) -> text; pg_get_viewdef(regclass, text) -> text")
def pg_get_viewdef(facts: Facts, view: int, pretty: str = "") -> str | None:
    """The query of a view."""
    relation = facts.by_oid.get(view)
    if relation is None or not isinstance(relation.obj, (View, MaterializedView)):
        return None
    return " " + definitions.query_text(relation.obj)


@pg("pg_get_ruledef(oid) -> text; pg_get_ruledef(oid, bool) -> text")
def pg_get_ruledef(facts: Facts, rule: int, pretty: bool = False) -> str | None:
    """The rule that makes a view one."""
    relation = facts.by_oid.get(rule - 4)
    if relation is None or not isinstance(relation.obj, (View, MaterializedView)):
        return None
    on = f"{quote_ident(relation.schema)}.{quote_ident(relation.name)}"
    return f'CREATE RULE "_RETURN" AS\n    ON SELECT TO {on} DO INSTEAD {definitions.query_text(relation.obj)}'


@pg("pg_get_indexdef(regclass) -> text; pg_get_indexdef(regclass, int4, bool) -> text")
def pg_get_indexdef(facts: Facts, index: int, column: int = 0, pretty: bool = False) -> str | None:
    """CREATE INDEX of an index, or one of its columns."""
    found = facts.indexes.get(index)
    if found is None:
        return None
    if column == 0:
        return definitions.index_definition(found)
    return quote_ident(found.columns[column - 1]) if column <= len(found.columns) else ""


@pg("pg_get_constraintdef(oid) -> text; pg_get_constraintdef(oid, bool) -> text")
def pg_get_constraintdef(facts: Facts, constraint: int, pretty: bool = False) -> str | None:
    """The clause of a constraint."""
    for index in facts.indexes.values():
        if constraint == index.constraint:
            nulls = " NULLS NOT DISTINCT" if index.nulls_equal else ""
            return f"{'PRIMARY KEY' if index.primary else 'UNIQUE'}{nulls} {definitions.key_columns(index)}"
    for relation in facts.user_relations:
        if isinstance(relation.obj, Table):
            for number, check in enumerate(relation.obj.checks):
                if constraint == oids.check(relation.oid, number):
                    return definitions.check_definition(check)
    return None


@pg("pg_get_expr(text, oid) -> text; pg_get_expr(text, oid, bool) -> text")
def pg_get_expr(facts: Facts, expression: str, relation: int, pretty: bool = False) -> str:
    """An expression of pg_attrdef or its like, which is kept as text."""
    return expression


@pg(
    "pg_get_triggerdef(oid) -> text; pg_get_triggerdef(oid, bool) -> text; pg_get_partkeydef(oid) -> text; "
    "pg_get_statisticsobjdef(oid) -> text; pg_get_statisticsobjdef_columns(oid) -> text; "
    "pg_get_partition_constraintdef(oid) -> text"
)
def no_definition(facts: Facts, oid: int, pretty: bool = False) -> None:
    """NULL: there are no objects of the kind."""


# ---------------------------------------------------------------- functions


@pg("pg_get_functiondef(oid) -> text")
def pg_get_functiondef(facts: Facts, function: int) -> str | None:
    """CREATE FUNCTION of a function."""
    found = functions_by_oid(facts).get(function)
    return None if found is None else definitions.function_definition(found)


@pg("pg_get_function_arguments(oid) -> text; pg_get_function_identity_arguments(oid) -> text")
def pg_get_function_arguments(facts: Facts, function: int) -> str | None:
    """The parameters of a function."""
    found = functions_by_oid(facts).get(function)
    return None if found is None else definitions.arguments(found)


@pg("pg_get_function_result(oid) -> text")
def pg_get_function_result(facts: Facts, function: int) -> str | None:
    """What a function returns."""
    found = functions_by_oid(facts).get(function)
    return None if found is None else definitions.result(found)


@pg("pg_get_function_sqlbody(oid) -> text; pg_get_function_arg_default(oid, int4) -> text")
def no_body(facts: Facts, function: int, argument: int = 0) -> None:
    """NULL: no function is kept as SQL."""


# ---------------------------------------------------------------- comments


@pg("obj_description(oid) -> text; obj_description(oid, name) -> text")
def obj_description(facts: Facts, oid: int, catalog: str = "") -> str | None:
    """The comment on an object."""
    kind = facts.find_relation(f"pg_catalog.{catalog}") if catalog else None
    return classes.comments(facts, kind).get((oid, 0))


@pg("col_description(oid, int4) -> text")
def col_description(facts: Facts, relation: int, column: int) -> str | None:
    """The comment on a column."""
    return classes.comments(facts, classes.CLASS_OID).get((relation, column))


@pg("shobj_description(oid, name) -> text")
def shobj_description(facts: Facts, oid: int, catalog: str) -> None:
    """NULL: databases and roles have no comments."""


@pg("pg_get_serial_sequence(text, text) -> text")
def pg_get_serial_sequence(facts: Facts, table: str, column: str) -> str | None:
    """The sequence of an identity column."""
    oid = facts.relation_oid(table)
    for relation, found in classes.identities(facts):
        if relation.oid == oid and found.name == column:
            return f"{quote_ident(relation.schema)}.{quote_ident(classes.sequence_name(relation, found))}"
    return None


@pg("pg_describe_object(oid, oid, int4) -> text")
def pg_describe_object(facts: Facts, catalog: int, oid: int, column: int) -> str | None:
    """An object in words."""
    if catalog == classes.CLASS_OID and oid in facts.by_oid:
        kind = {"v": "view", "m": "materialized view"}.get(facts.by_oid[oid].kind, "table")
        words = f"{kind} {facts.relation_text(oid)}"
        return words if column == 0 else f"column {facts.by_oid[oid].columns[column - 1].name} of {words}"
    if catalog == classes.NAMESPACE_OID and oid in facts.namespace_names:
        return f"schema {facts.namespace_names[oid]}"
    if catalog == classes.PROC_OID and oid in functions_by_oid(facts):
        return f"function {functions_by_oid(facts)[oid].name}({definitions.arguments(functions_by_oid(facts)[oid])})"
    return None


# ---------------------------------------------------------------- quoting


@pg("quote_ident(text) -> text")
def quoted_ident(facts: Facts, text: str) -> str:
    """A name as SQL writes it."""
    return quote_ident(text)


@pg("parse_ident(text) -> text[]; parse_ident(text, bool) -> text[]")
def parse_ident(facts: Facts, text: str, strict: bool = True) -> list[str]:
    """The parts of a dotted name."""
    return split_name(text)


@pg("quotequote_text(text) -> text")
def quotedquote_text(facts: Facts, text: str) -> str:
    """A text as SQL writes it."""
    return quote_text(text)


@pg("quote_nullable(text) -> text", strict=False)
def quoted_nullable(facts: Facts, text: str | None) -> str:
    """A text as SQL writes it, NULL as the word."""
    return "NULL" if text is None else quote_text(text)


ARGUMENTS_MAX = 8
"""How many arguments format takes here."""


@pg("; ".join(f"pg_format({', '.join(['text'] * n)}) -> text" for n in range(1, ARGUMENTS_MAX + 2)), strict=False)
def pg_format(facts: Facts, template: str | None, *arguments: str | None) -> str | None:
    """format('%s %I %L %%', ...): text, a name, a literal; %1$s takes an argument by its number."""
    if template is None:
        return None
    waiting = iter(arguments)

    def written(found: re.Match[str]) -> str:
        number, kind = found.groups()
        if kind == "%":
            return "%"
        value = arguments[int(number) - 1] if number else next(waiting, None)
        if kind == "I":
            return quote_ident(value or "")
        return (value or "") if kind == "s" else "NULL" if value is None else quote_text(value)

    return _PLACE.sub(written, template)


_PLACE = re.compile(r"%(?:(\d+)\$)?([sIL%])")
