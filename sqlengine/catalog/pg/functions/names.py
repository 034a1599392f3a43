"""Names and oids of objects: what the reg* types read and write, what is visible, who is who."""

from __future__ import annotations

from sqlengine.catalog.pg import oids
from sqlengine.catalog.pg.facts import Facts, split_name
from sqlengine.catalog.pg.functions.definitions import format_type
from sqlengine.catalog.pg.functions.registry import pg
from sqlengine.catalog.pg.rows.procs import all_functions, functions_by_oid
from sqlengine.catalog.pg.types import BY_NAME, BY_OID, find_type
from sqlengine.errors import Error, UndefinedFunction, UndefinedObject
from sqlengine.pg_words import quote_ident

# ---------------------------------------------------------------- reg*


def type_oid(facts: Facts, text: str) -> int:
    """What `'name'::regtype` means; UndefinedObject (42704)."""
    if text.isdigit() or text == "-":
        return int(text) if text != "-" else 0
    found = find_type(text)
    if found is not None:
        return found.oid
    relation = facts.find_relation(text.removesuffix("[]"))
    if relation is None or relation not in facts.by_oid:
        raise UndefinedObject(f'type "{text}" does not exist')
    return oids.row_array(relation) if text.endswith("[]") else oids.row_type(relation)


def function_oid(facts: Facts, text: str) -> int:
    """What `'name'::regproc` means; UndefinedFunction (42883)."""
    if text.isdigit() or text == "-":
        return int(text) if text != "-" else 0
    name = split_name(text.partition("(")[0])[-1]
    found = next((f for f in all_functions(facts) if f.name == name), None)
    if found is None:
        raise UndefinedFunction(f'function "{text}" does not exist')
    return found.oid


_READ = {
    "regclass": Facts.relation_oid,
    "regtype": type_oid,
    "regproc": function_oid,
    "regprocedure": function_oid,
    "regnamespace": Facts.namespace_oid,
    "regrole": Facts.role_oid,
}
REG_TYPES = frozenset(_READ)
"""The types that are oids and print as names."""


@pg("reg_in(text, text) -> oid")
def reg_in(facts: Facts, kind: str, text: str) -> int:
    """The oid that a name means as one of REG_TYPES."""
    return _READ[kind](facts, text)


@pg("reg_out(text, oid) -> text")
def reg_out(facts: Facts, kind: str, oid: int) -> str:
    """The name that an oid prints as."""
    if kind == "regclass":
        return facts.relation_text(oid)
    if kind == "regtype":
        text = format_type(facts, oid, -1)
        return str(oid) if text in (None, "???") else str(text)
    if kind in ("regproc", "regprocedure"):
        found = functions_by_oid(facts).get(oid)
        return "-" if oid == 0 else str(oid) if found is None else quote_ident(found.name)
    names = facts.namespace_names if kind == "regnamespace" else facts.role_names
    return quote_ident(names[oid]) if oid in names else "-" if oid == 0 else str(oid)


@pg("type_named(text) -> regtype")
def type_named(facts: Facts, name: str) -> int:
    """The type that the executor, or the catalog, knows by a name."""
    plain = name.partition("(")[0].lower().strip('"').removesuffix("[]").rstrip("[]")
    found = find_type(_EXECUTORS_NAMES.get(plain, plain) + ("[]" if name.endswith("[]") else ""))
    return found.oid if found is not None else BY_NAME["json"].oid


_EXECUTORS_NAMES = {
    "varchar": "text",
    "blob": "bytea",
    "uinteger": "oid",
    "hugeint": "bigint",
    "tinyint": "smallint",
    "struct": "record",
    "null": "unknown",
}


def _or_null(kind: str, facts: Facts, text: str) -> int | None:
    try:
        return _READ[kind](facts, text)
    except Error:
        return None


@pg("to_regclass(text) -> regclass")
def to_regclass(facts: Facts, text: str) -> int | None:
    """The relation of a name, NULL when there is none."""
    return _or_null("regclass", facts, text)


@pg("to_regtype(text) -> regtype")
def to_regtype(facts: Facts, text: str) -> int | None:
    """The type of a name, NULL when there is none."""
    return _or_null("regtype", facts, text)


@pg("to_regproc(text) -> regproc; to_regprocedure(text) -> regprocedure")
def to_regproc(facts: Facts, text: str) -> int | None:
    """The function of a name, NULL when there is none."""
    return _or_null("regproc", facts, text)


@pg("to_regnamespace(text) -> regnamespace")
def to_regnamespace(facts: Facts, text: str) -> int | None:
    """The schema of a name, NULL when there is none."""
    return _or_null("regnamespace", facts, text)


@pg("to_regrole(text) -> regrole")
def to_regrole(facts: Facts, text: str) -> int | None:
    """The role of a name, NULL when there is none."""
    return _or_null("regrole", facts, text)


# ---------------------------------------------------------------- visible


@pg("pg_table_is_visible(oid) -> bool")
def pg_table_is_visible(facts: Facts, relation: int) -> bool | None:
    """Whether a relation needs no schema before its name."""
    if relation in facts.indexes:
        return facts.indexes[relation].on.schema in ("pg_catalog", *facts.search_path)
    found = facts.by_oid.get(relation)
    return None if found is None else facts.visible(found.schema, found.name)


@pg("pg_type_is_visible(oid) -> bool")
def pg_type_is_visible(facts: Facts, type_oid: int) -> bool | None:
    """Whether a type needs no schema before its name."""
    if type_oid in BY_OID:
        return True
    found = facts.row_types.get(type_oid)
    return None if found is None else pg_table_is_visible(facts, found[0])


@pg("pg_function_is_visible(oid) -> bool")
def pg_function_is_visible(facts: Facts, function: int) -> bool | None:
    """Whether a function needs no schema before its name."""
    found = functions_by_oid(facts).get(function)
    return None if found is None else found.schema in ("pg_catalog", *facts.search_path)


@pg(
    "pg_operator_is_visible(oid) -> bool; pg_opclass_is_visible(oid) -> bool; pg_opfamily_is_visible(oid) -> bool; "
    "pg_collation_is_visible(oid) -> bool; pg_conversion_is_visible(oid) -> bool; "
    "pg_ts_config_is_visible(oid) -> bool; pg_ts_dict_is_visible(oid) -> bool; pg_ts_parser_is_visible(oid) -> bool; "
    "pg_ts_template_is_visible(oid) -> bool; pg_statistics_obj_is_visible(oid) -> bool"
)
def always_visible(facts: Facts, oid: int) -> bool:
    """True: objects of the kind are in pg_catalog only."""
    return True


# ---------------------------------------------------------------- who and where


@pg("pg_get_userbyid(oid) -> name")
def pg_get_userbyid(facts: Facts, role: int) -> str:
    """The name of a role."""
    return facts.role_names.get(role, f"unknown (OID={role})")


@pg("pg_encoding_to_char(int4) -> name")
def pg_encoding_to_char(facts: Facts, encoding: int) -> str:
    """The name of an encoding."""
    return {0: "SQL_ASCII", 6: "UTF8"}.get(encoding, "")


@pg("pg_char_to_encoding(name) -> int4")
def pg_char_to_encoding(facts: Facts, name: str) -> int:
    """The number of an encoding, -1 for an unknown one."""
    return {"SQL_ASCII": 0, "UTF8": 6, "UTF-8": 6, "UNICODE": 6}.get(name.upper(), -1)


@pg("pg_relation_filenode(regclass) -> oid")
def pg_relation_filenode(facts: Facts, relation: int) -> int | None:
    """The number of what a relation is stored in."""
    found = facts.by_oid.get(relation)
    return relation if found is not None and found.kind in "rm" else None
