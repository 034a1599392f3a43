"""Who may do what: the has_..._privilege functions, which ask `Facts.may`."""

from __future__ import annotations

from sqlengine.catalog.pg.facts import Facts
from sqlengine.catalog.pg.functions.registry import pg
from sqlengine.errors import InvalidParameter, UndefinedObject


def _may(facts: Facts, role: str | None, kind: str, oid: int, privileges: str) -> bool:
    """Whether a role (the session's user for None) has any of some privileges, as in 'SELECT, INSERT'."""
    return facts.may(_role(facts, role), kind, oid, privileges)


def _role(facts: Facts, role: str | None) -> str:
    if role is None:
        return facts.user
    if role.isdigit() and int(role) in facts.role_names:
        return facts.role_names[int(role)]
    if role != "public" and role not in facts.role_oids:
        raise UndefinedObject(f'role "{role}" does not exist')
    return role


@pg("has_table_privilege(regclass, text) -> bool; has_any_column_privilege(regclass, text) -> bool")
def has_table_privilege(facts: Facts, relation: int, privilege: str) -> bool:
    """Whether the user may do something with a relation."""
    return _may(facts, None, "table", relation, privilege)


@pg("has_table_privilege(name, regclass, text) -> bool; has_any_column_privilege(name, regclass, text) -> bool")
def has_table_privilege_of(facts: Facts, role: str, relation: int, privilege: str) -> bool:
    """Whether a role may do something with a relation."""
    return _may(facts, role, "table", relation, privilege)


@pg("has_column_privilege(regclass, text, text) -> bool")
def has_column_privilege(facts: Facts, relation: int, column: str, privilege: str) -> bool:
    """Whether the user may do something with a column."""
    return _may(facts, None, "column", relation, privilege)


@pg("has_column_privilege(name, regclass, text, text) -> bool")
def has_column_privilege_of(facts: Facts, role: str, relation: int, column: str, privilege: str) -> bool:
    """Whether a role may do something with a column."""
    return _may(facts, role, "column", relation, privilege)


@pg("has_schema_privilege(text, text) -> bool")
def has_schema_privilege(facts: Facts, schema: str, privilege: str) -> bool:
    """Whether the user may do something with a schema."""
    return _may(facts, None, "schema", facts.namespace_oid(schema), privilege)


@pg("has_schema_privilege(name, text, text) -> bool")
def has_schema_privilege_of(facts: Facts, role: str, schema: str, privilege: str) -> bool:
    """Whether a role may do something with a schema."""
    return _may(facts, role, "schema", facts.namespace_oid(schema), privilege)


@pg("has_database_privilege(text, text) -> bool")
def has_database_privilege(facts: Facts, database: str, privilege: str) -> bool:
    """Whether the user may do something with the database."""
    return _may(facts, None, "database", 0, privilege)


@pg("has_database_privilege(name, text, text) -> bool")
def has_database_privilege_of(facts: Facts, role: str, database: str, privilege: str) -> bool:
    """Whether a role may do something with the database."""
    return _may(facts, role, "database", 0, privilege)


@pg("has_sequence_privilege(regclass, text) -> bool")
def has_sequence_privilege(facts: Facts, sequence: int, privilege: str) -> bool:
    """Whether the user may do something with a sequence."""
    return _may(facts, None, "sequence", sequence, privilege)


@pg("has_function_privilege(text, text) -> bool")
def has_function_privilege(facts: Facts, function: str, privilege: str) -> bool:
    """Whether the user may call a function."""
    return _may(facts, None, "function", int(function) if function.isdigit() else 0, privilege)


@pg("has_function_privilege(name, text, text) -> bool")
def has_function_privilege_of(facts: Facts, role: str, function: str, privilege: str) -> bool:
    """Whether a role may call a function."""
    return _may(facts, role, "function", int(function) if function.isdigit() else 0, privilege)


@pg(
    "has_type_privilege(text, text) -> bool; has_language_privilege(text, text) -> bool; "
    "has_tablespace_privilege(text, text) -> bool; has_foreign_data_wrapper_privilege(text, text) -> bool; "
    "has_server_privilege(text, text) -> bool; has_parameter_privilege(text, text) -> bool"
)
def has_other_privilege(facts: Facts, name: str, privilege: str) -> bool:
    """Whether the user may use something that nobody is kept from."""
    return _may(facts, None, "other", 0, privilege)


@pg("acldefault(text, oid) -> aclitem[]")
def acldefault(facts: Facts, kind: str, owner: int) -> None:
    """NULL: privileges are not kept as lists beside objects."""


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
