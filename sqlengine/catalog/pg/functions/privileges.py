"""Who may do what: the has_..._privilege functions, which ask `Facts.may`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from sqlengine.catalog.pg.facts import Facts, split_name
from sqlengine.catalog.pg.functions.registry import pg
from sqlengine.catalog.pg.types import find_type
from sqlengine.catalog.privileges import ACL_LETTERS
from sqlengine.errors import InvalidParameter, InvalidText, UndefinedColumn, UndefinedFunction, UndefinedObject


def _may(
    facts: Facts, role: str | None, kind: str, oid: int, privileges: str, column: str | None = None
) -> bool | None:
    """Whether a role (the session's user for None) has any of some privileges, as in 'SELECT, INSERT'; None where the
    object is not there; InvalidParameter (22023) for a word that is no privilege of its kind."""
    for item in privileges.split(","):
        if item.strip().upper().removesuffix("WITH GRANT OPTION").strip() not in _WORDS.get(kind, _WORDS["other"]):
            raise InvalidParameter(f'unrecognized privilege type: "{item.strip()}"')
    return facts.may(_role(facts, role), kind, oid, privileges, column)


_WORDS = {
    "table": frozenset(
        ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN", "RULE")
    ),
    "column": frozenset(("SELECT", "INSERT", "UPDATE", "REFERENCES")),
    "schema": frozenset(("CREATE", "USAGE")),
    "database": frozenset(("CREATE", "CONNECT", "TEMPORARY", "TEMP")),
    "sequence": frozenset(("USAGE", "SELECT", "UPDATE")),
    "function": frozenset(("EXECUTE",)),
    "other": frozenset(("USAGE", "CREATE", "SET", "ALTER SYSTEM")),
}
"""By the kind of an object, what may be asked for."""


def _role(facts: Facts, role: str | None) -> str:
    if role is None:
        return facts.user
    if role.isdigit() and int(role) in facts.role_names:
        return facts.role_names[int(role)]
    if role != "public" and role not in facts.role_oids:
        raise UndefinedObject(f'role "{role}" does not exist')
    return role


@pg("has_table_privilege(regclass, text) -> bool")
def has_table_privilege(facts: Facts, relation: int, privilege: str) -> bool | None:
    """Whether the user may do something with a relation."""
    return _may(facts, None, "table", relation, privilege)


@pg("has_table_privilege(name, regclass, text) -> bool")
def has_table_privilege_of(facts: Facts, role: str, relation: int, privilege: str) -> bool | None:
    """Whether a role may do something with a relation."""
    return _may(facts, role, "table", relation, privilege)


@pg("has_any_column_privilege(regclass, text) -> bool")
def has_any_column_privilege(facts: Facts, relation: int, privilege: str) -> bool | None:
    """Whether the user may do something with some column of a relation."""
    return _may(facts, None, "column", relation, privilege, "")


@pg("has_any_column_privilege(name, regclass, text) -> bool")
def has_any_column_privilege_of(facts: Facts, role: str, relation: int, privilege: str) -> bool | None:
    """Whether a role may do something with some column of a relation."""
    return _may(facts, role, "column", relation, privilege, "")


@pg("has_column_privilege(regclass, text, text) -> bool")
def has_column_privilege(facts: Facts, relation: int, column: str, privilege: str) -> bool | None:
    """Whether the user may do something with a column."""
    return _may_column(facts, None, relation, column, privilege)


@pg("has_column_privilege(name, regclass, text, text) -> bool")
def has_column_privilege_of(facts: Facts, role: str, relation: int, column: str, privilege: str) -> bool | None:
    """Whether a role may do something with a column."""
    return _may_column(facts, role, relation, column, privilege)


def _may_column(facts: Facts, role: str | None, relation: int, column: str, privilege: str) -> bool | None:
    """`column`: a name, or a number counted from 1; UndefinedColumn (42703)."""
    found = facts.by_oid.get(relation)
    names = [] if found is None else [c.name for c in found.columns]
    if found is None:
        return None
    if column.lstrip("-").isdigit():
        if not 1 <= int(column) <= len(names):
            return None
        column = names[int(column) - 1]
    if column not in names:
        raise UndefinedColumn(f'column "{column}" of relation "{found.name}" does not exist')
    return _may(facts, role, "column", relation, privilege, column)


@pg("has_schema_privilege(text, text) -> bool")
def has_schema_privilege(facts: Facts, schema: str, privilege: str) -> bool | None:
    """Whether the user may do something with a schema."""
    return _may(facts, None, "schema", facts.namespace_oid(schema), privilege)


@pg("has_schema_privilege(name, text, text) -> bool")
def has_schema_privilege_of(facts: Facts, role: str, schema: str, privilege: str) -> bool | None:
    """Whether a role may do something with a schema."""
    return _may(facts, role, "schema", facts.namespace_oid(schema), privilege)


@pg("has_database_privilege(text, text) -> bool")
def has_database_privilege(facts: Facts, database: str, privilege: str) -> bool | None:
    """Whether the user may do something with the database."""
    return _may(facts, None, "database", 0, privilege)


@pg("has_database_privilege(name, text, text) -> bool")
def has_database_privilege_of(facts: Facts, role: str, database: str, privilege: str) -> bool | None:
    """Whether a role may do something with the database."""
    return _may(facts, role, "database", 0, privilege)


@pg("has_sequence_privilege(regclass, text) -> bool")
def has_sequence_privilege(facts: Facts, sequence: int, privilege: str) -> bool | None:
    """Whether the user may do something with a sequence."""
    return _may(facts, None, "sequence", sequence, privilege)


@pg("has_sequence_privilege(name, regclass, text) -> bool")
def has_sequence_privilege_of(facts: Facts, role: str, sequence: int, privilege: str) -> bool | None:
    """Whether a role may do something with a sequence."""
    return _may(facts, role, "sequence", sequence, privilege)


@pg("has_function_privilege(text, text) -> bool")
def has_function_privilege(facts: Facts, function: str, privilege: str) -> bool | None:
    """Whether the user may call a function."""
    return _may(facts, None, "function", _function(facts, function), privilege)


@pg("has_function_privilege(name, text, text) -> bool")
def has_function_privilege_of(facts: Facts, role: str, function: str, privilege: str) -> bool | None:
    """Whether a role may call a function."""
    return _may(facts, role, "function", _function(facts, function), privilege)


def _function(facts: Facts, text: str) -> int:
    """The number of a function that is named by it, or as `f(integer)`; UndefinedFunction (42883)."""
    if text.isdigit():
        return int(text)
    name, has_arguments, arguments = text.partition("(")
    parts = split_name(name)
    if not has_arguments:
        raise InvalidText(f'expected a left parenthesis: "{text}"')
    kinds = tuple(_type_name(kind) for kind in arguments.rstrip(") ").split(",") if kind.strip())
    for f in facts.functions:
        if f.name == parts[-1] and (len(parts) == 1 or f.schema == parts[-2]) and f.arguments == kinds:
            return f.oid
    raise UndefinedFunction(f'function "{text}" does not exist')


def _type_name(text: str) -> str:
    """A type's name in pg_type."""
    found = find_type(text.strip())
    if found is None:
        raise UndefinedObject(f'type "{text.strip()}" does not exist')
    return found.name


@pg(
    "has_type_privilege(text, text) -> bool; has_language_privilege(text, text) -> bool; "
    "has_tablespace_privilege(text, text) -> bool; has_foreign_data_wrapper_privilege(text, text) -> bool; "
    "has_server_privilege(text, text) -> bool; has_parameter_privilege(text, text) -> bool"
)
def has_other_privilege(facts: Facts, name: str, privilege: str) -> bool | None:
    """Whether the user may use something that nobody is kept from."""
    return _may(facts, None, "other", 0, privilege)


@pg("acldefault(text, oid) -> aclitem[]")
def acldefault(facts: Facts, kind: str, owner: int) -> list[str]:
    """What an object of a kind allows from the beginning: r relations, s sequences, f functions, n schemas, ..."""
    if kind not in DEFAULTS:
        raise InvalidParameter(f'unrecognized object type abbreviation: "{kind}"', sqlstate="XX000")
    own, public = DEFAULTS[kind]
    name = facts.role_names.get(owner, str(owner))
    return [*([f"={public}/{name}"] if public else []), *([f"{name}={own}/{name}"] if own else [])]


DEFAULTS = {
    "r": ("arwdDm", ""),
    "s": ("rwU", ""),
    "f": ("X", "X"),
    "n": ("UC", ""),
    "c": ("", ""),
    "d": ("CTc", "Tc"),
    "l": ("U", "U"),
    "T": ("U", "U"),
    "L": ("rw", ""),
    "t": ("C", ""),
    "F": ("U", ""),
    "S": ("U", ""),
}
"""By PostgreSQL's letters: the owner's privileges, and everybody's."""


@pg("_acl_privileges(text) -> text")
def acl_privileges(facts: Facts, items: str) -> str:
    """The privileges in ACL items, one a line, as JSON: what aclexplode gives as rows."""
    return json.dumps([row for item in items.splitlines() for row in _exploded(facts, item)])


def _exploded(facts: Facts, item: str) -> Iterator[dict[str, Any]]:
    head, _, grantor = item.rpartition("/")
    grantee, _, letters = head.rpartition("=")
    for letter, star in re.findall(r"([a-zA-Z])(\*?)", letters):
        yield {
            "grantor": facts.role_oids.get(grantor, 0),
            "grantee": facts.role_oids.get(grantee, 0),
            "privilege_type": _PRIVILEGE_OF[letter],
            "is_grantable": bool(star),
        }


_PRIVILEGE_OF = {letter: word for word, letter in ACL_LETTERS.items()} | {
    "x": "REFERENCES",
    "t": "TRIGGER",
    "c": "CONNECT",
    "T": "TEMPORARY",
}


@pg("pg_has_role(text, text) -> bool")
def pg_has_role(facts: Facts, role: str, privilege: str) -> bool:
    """Whether the user is, or is a member of, a role."""
    return _is_member(facts, facts.user, _role(facts, role), privilege)


@pg("pg_has_role(text, text, text) -> bool")
def pg_has_role_of(facts: Facts, member: str, role: str, privilege: str) -> bool:
    """Whether one role is, or is a member of, another."""
    return _is_member(facts, _role(facts, member), _role(facts, role), privilege)


def _is_member(facts: Facts, member: str, role: str, privilege: str) -> bool:
    """USAGE asks for the privileges that a role has by itself, MEMBER for those it can have by SET ROLE."""
    for word in privilege.split(","):
        plain = word.strip().upper().partition(" WITH ")[0]
        if plain not in ("USAGE", "MEMBER", "SET"):
            raise InvalidParameter(f'unrecognized privilege type: "{word.strip()}"')
        if facts.is_member(member, role, plain == "USAGE"):
            return True
    return False
