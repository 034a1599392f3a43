"""Statements about roles and privileges: lark tree -> ast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lark

from sqlengine import errors
from sqlengine.errors import NotSupportedError, did_you_mean
from sqlengine.sql import ast
from sqlengine.sql.build import Node, full_name, ident, kind_of, name_of, string_of
from sqlengine.sql.build_session import set_pair

# ---------------------------------------------------------------- roles

_FLAGS = {
    "superuser": "superuser",
    "login": "login",
    "createrole": "create_role",
    "createdb": "create_db",
    "inherit": "inherit",
}
_NOT_HERE = {"replication", "noreplication", "bypassrls", "nobypassrls"}


def _role(node: Node) -> str:
    found = node.node("role")
    assert found is not None
    return _first_ident(found)


def _first_ident(node: Node) -> str:
    leaf = node.leaf("IDENT")
    assert leaf is not None
    return ident(node, leaf)


def _roles(node: Node | None) -> tuple[str, ...]:
    return () if node is None else tuple(_first_ident(item) for item in node.spread())


def _word(node: Node) -> str:
    found = node.node("role_word")
    assert found is not None
    return str(next(found.flat())).upper()


def create_role(node: Node) -> ast.Statement:
    """CREATE ROLE | USER | GROUP name [[WITH] option ...]."""
    created = node.node("create")
    if created is not None and (created.has("or_replace") or created.has("temporary")):
        raise errors.SyntaxError("a role is made by CREATE ROLE", position=0)
    return ast.CreateRole(
        word=_word(node), name=_role(node), options=_options(node), if_not_exists=node.has("if_not_exists")
    )


def alter_role(node: Node) -> ast.Statement:
    """ALTER ROLE | USER | GROUP name [WITH] option ... | RENAME TO new."""
    rename = node.node("rename")
    if rename is not None:
        return ast.RenameRole(word=_word(node), name=_role(node), new_name=_first_ident(rename))
    return ast.AlterRole(word=_word(node), name=_role(node), options=_options(node))


def alter_role_setting(node: Node) -> ast.Statement:
    """ALTER ROLE | USER name | ALL [IN DATABASE name] SET name = value | RESET name | RESET ALL."""
    role, database = node.node("role"), node.node("in_database")
    given = node.node("role_set") or node.node("role_reset")
    name, value = (None, None) if given is None else set_pair(given)
    return ast.AlterRoleSetting(
        word=_word(node),
        role=None if role is None else _first_ident(role),
        database=None if database is None else _first_ident(database),
        name=name,
        value=value,
        from_current=given is not None and given.has("from_current"),
    )


def drop_role(node: Node) -> ast.Statement:
    """DROP ROLE | USER | GROUP [IF EXISTS] name, ..."""
    return ast.DropRole(word=_word(node), names=_roles(node.node("roles")), if_exists=node.has("if_exists"))


def _options(node: Node) -> ast.RoleOptions:
    """All options; SyntaxError (42601) when one is given twice."""
    values: dict[str, Any] = {}
    for item in node.nodes():
        read = _OPTIONS.get(item.rule)
        for name, value in read(item).items() if read is not None else ():
            if name in values:
                raise errors.SyntaxError("conflicting or redundant options", position=_start(item))
            values[name] = value
    return ast.RoleOptions(**values)


def _start(node: Node) -> int | None:
    return next((leaf.start_pos for leaf in node.tree.scan_values(lambda v: isinstance(v, lark.Token))), None)


def _flag(item: Node) -> dict[str, Any]:
    name = _first_ident(item)
    plain = name.removeprefix("no")
    if name in _NOT_HERE:
        return {"ignored_" + plain: None} if name.startswith("no") else _refuse(name)
    if plain not in _FLAGS:
        known = [word.upper() for flag in _FLAGS for word in (flag, f"no{flag}")]
        hint = did_you_mean(name.upper(), [*known, "PASSWORD", "VALID UNTIL", "CONNECTION LIMIT", "IN ROLE"])
        raise errors.SyntaxError(f'unrecognized role option "{name}"', hint=hint, position=_start(item))
    return {_FLAGS[plain]: plain == name}


def _refuse(name: str) -> dict[str, Any]:
    raise NotSupportedError(f"role option {name.upper()} is not supported")


def _limit(item: Node) -> dict[str, Any]:
    number = item.node("number")
    assert number is not None
    leaf = number.leaf("NUMBER")
    text = ("-" if number.has("minus") else "") + str(leaf)
    try:
        limit = int(text)
    except ValueError:
        limit = -2
    if not -1 <= limit < 2**31:
        raise errors.InvalidParameter(f"invalid connection limit: {text}", position=leaf.start_pos if leaf else None)
    return {"connection_limit": limit}


def _valid_until(item: Node) -> dict[str, Any]:
    leaf = item.leaf("STRING")
    return {"valid_until": string_of(item), "valid_until_position": leaf.start_pos if leaf is not None else None}


_OPTIONS: dict[str, Callable[[Node], dict[str, Any]]] = {
    "flag": _flag,
    "password": lambda item: {"password": string_of(item) or ""},
    "valid_until": _valid_until,
    "connection_limit": _limit,
    "in_roles": lambda item: {"in_roles": _roles(item.node("roles"))},
    "members": lambda item: {"members": _roles(item.node("roles"))},
    "admins": lambda item: {"admins": _roles(item.node("roles"))},
}


# ---------------------------------------------------------------- GRANT and REVOKE


def grant(node: Node) -> ast.Statement:
    """GRANT privileges ON objects TO roles [WITH GRANT OPTION]; GRANT roles TO roles [WITH ADMIN OPTION]."""
    option = node.node("with_option")
    word = str(list(option.flat())[1]).upper() if option is not None else None
    return _changed(node, "ADMIN" if word == "ADMIN" else None if word is None else "GRANT", revoke=False)


def revoke(node: Node) -> ast.Statement:
    """REVOKE [GRANT OPTION FOR] privileges ON objects FROM roles; REVOKE [ADMIN OPTION FOR] roles FROM roles."""
    admin = node.node("admin_for")
    if admin is not None and [ident(admin, leaf) for leaf in admin.flat()] != ["admin", "option"]:
        raise errors.SyntaxError("ADMIN OPTION FOR is expected here", position=_start(admin))
    return _changed(node, "ADMIN" if admin is not None else "GRANT" if node.has("option_for") else None, revoke=True)


def _changed(node: Node, option: str | None, revoke: bool) -> ast.Statement:
    listed, granted_to = node.node("privileges"), node.node("granted_to")
    assert listed is not None and granted_to is not None
    on_columns = tuple(_on_columns(item) for item in listed.spread() if item.has("names"))
    words = [_privilege(item) for item in listed.spread() if not item.has("names")]
    common: dict[str, Any] = {"revoke": revoke, "option": option is not None, "cascade": node.has("cascade")}
    to = _roles(granted_to)
    on, on_all = node.node("on_objects"), node.node("on_all")
    if on is None and on_all is None:
        if option == "GRANT":
            raise errors.SyntaxError("roles are granted WITH ADMIN OPTION", position=_start(listed))
        if on_columns:
            raise errors.SyntaxError("column names are given with privileges ON a relation", position=_start(listed))
        return ast.GrantRoles(roles=tuple(words), members=to, **common)
    if option == "ADMIN":
        raise errors.SyntaxError("privileges are granted WITH GRANT OPTION", position=_start(listed))
    privileges = () if words in (["all"], ["all privileges"]) else tuple(word.upper() for word in words)
    common["on_columns"] = on_columns
    if on is not None:
        objects = on.node("objects")
        assert objects is not None
        names = tuple(name_of(item) for item in objects.spread())
        return ast.GrantPrivileges(privileges=privileges, kind=kind_of(on), names=names, roles=to, **common)
    assert on_all is not None
    schemas = on_all.node("schemas")
    assert schemas is not None
    names = tuple(full_name(item) for item in schemas.spread())
    kind = _plural(on_all)
    return ast.GrantPrivileges(privileges=privileges, kind=kind, names=names, roles=to, in_schemas=True, **common)


def _privilege(item: Node) -> str:
    return " ".join(ident(item, leaf) for leaf in item.flat())


def _on_columns(item: Node) -> tuple[str, tuple[str, ...]]:
    """`SELECT (a, b)`: the privilege and the columns."""
    names = item.node("names")
    assert names is not None
    word = ident(item, item.leaf("IDENT"))
    return word.upper(), tuple(ident(names, leaf) for leaf in names.flat())


_PLURALS = {
    "tables": "table",
    "topics": "topic",
    "streams": "stream",
    "views": "view",
    "materialized views": "materialized view",
    "sinks": "sink",
    "subscriptions": "subscription",
    "functions": "function",
    "routines": "function",
}


def _plural(on_all: Node) -> str:
    found = on_all.node("objects_word")
    assert found is not None
    word = " ".join(ident(found, leaf) for leaf in found.flat())
    if word not in _PLURALS:
        expected: Sequence[str] = [plural.upper() for plural in _PLURALS]
        raise errors.SyntaxError(
            f'syntax error at or near "{word}"', detail="expected one of " + ", ".join(expected), position=_start(found)
        )
    return _PLURALS[word]


_FAMILIES = {"tables": "table", "functions": "function", "routines": "function", "schemas": "schema"}
_NONE_OF = ("sequences", "types")


def default_privileges(node: Node) -> ast.Statement:
    """ALTER DEFAULT PRIVILEGES [FOR ROLE roles] [IN SCHEMA schemas] GRANT ... | REVOKE ..."""
    granted, revoked = node.node("grant_default"), node.node("revoke_default")
    change = granted if granted is not None else revoked
    assert change is not None
    listed, schemas = change.node("privileges"), node.node("schemas")
    option = change.node("with_option")
    if option is not None and str(list(option.flat())[1]).upper() == "ADMIN":
        raise errors.SyntaxError("privileges are granted WITH GRANT OPTION", position=_start(change))
    assert listed is not None
    if any(item.has("names") for item in listed.spread()):
        raise errors.InvalidGrant("default privileges cannot be set for columns")
    words = [_privilege(item) for item in listed.spread()]
    return ast.DefaultPrivileges(
        roles=_roles(node.node("roles")),
        schemas=() if schemas is None else tuple(full_name(item) for item in schemas.spread()),
        change=ast.GrantPrivileges(
            privileges=() if words in (["all"], ["all privileges"]) else tuple(word.upper() for word in words),
            kind=_family(change),
            names=(),
            roles=_roles(change.node("granted_to")),
            revoke=revoked is not None,
            option=option is not None or change.has("option_for"),
            cascade=change.has("cascade"),
        ),
    )


def _family(change: Node) -> str:
    found = change.node("objects_word")
    assert found is not None
    word = " ".join(ident(found, leaf) for leaf in found.flat())
    if word in _NONE_OF:
        raise NotSupportedError(f"{word} have no privileges of their own", position=_start(found))
    if word not in _FAMILIES:
        expected = ", ".join(name.upper() for name in _FAMILIES)
        raise errors.SyntaxError(
            f'syntax error at or near "{word}"', detail=f"expected one of {expected}", position=_start(found)
        )
    return _FAMILIES[word]


def reassign_owned(node: Node) -> ast.Statement:
    """REASSIGN OWNED BY roles TO role."""
    return ast.ReassignOwned(roles=_roles(node.node("roles")), to=_role(node))


def drop_owned(node: Node) -> ast.Statement:
    """DROP OWNED BY roles [CASCADE]."""
    return ast.DropOwned(roles=_roles(node.node("roles")), cascade=node.has("cascade"))


# ---------------------------------------------------------------- the session's role


def set_role(node: Node) -> ast.Statement:
    """SET [SESSION] ROLE name | NONE."""
    if node.tokens[1].upper == "LOCAL":
        raise NotSupportedError("SET LOCAL ROLE is not supported", hint="SET ROLE and RESET ROLE", position=0)
    return ast.SetRole(role=_role_or(node, "none"))


def set_authorization(node: Node) -> ast.Statement:
    """SET SESSION AUTHORIZATION name | DEFAULT."""
    return ast.SetSessionAuthorization(role=_role_or(node, "default"))


def _role_or(node: Node, nobody: str) -> str | None:
    text = string_of(node)
    name = text if text is not None else _role(node)
    return None if name == nobody else name


def reset_role(node: Node) -> ast.Statement:
    """RESET ROLE."""
    return ast.SetRole(role=None)


def reset_authorization(node: Node) -> ast.Statement:
    """RESET SESSION AUTHORIZATION."""
    return ast.SetSessionAuthorization(role=None)
