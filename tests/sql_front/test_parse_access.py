"""Statements about roles and privileges: text in, frozen data out."""

from __future__ import annotations

from typing import Any

import pytest

from sqlengine import errors, sql
from sqlengine.sql import ast


def one(text: str) -> Any:
    return sql.parse_one(text)


def test_create_role() -> None:
    text = (
        "create user \"Bob\" with encrypted password 'x' nosuperuser createdb noinherit valid until '2030-01-01' "
        "connection limit -1 in role a, b role c admin d, e"
    )
    made = one(text)
    assert (made.word, made.name, made.if_not_exists) == ("USER", "Bob", False)
    assert made.options == ast.RoleOptions(
        superuser=False,
        create_db=True,
        inherit=False,
        password="x",
        valid_until="2030-01-01",
        valid_until_position=text.index("'2030"),
        connection_limit=-1,
        in_roles=("a", "b"),
        members=("c",),
        admins=("d", "e"),
    )
    assert one("CREATE ROLE IF NOT EXISTS r").if_not_exists
    assert one("CREATE GROUP r").options == ast.RoleOptions()
    assert one("CREATE ROLE password LOGIN").name == "password"


def test_alter_and_drop_role() -> None:
    assert one("ALTER USER current_user PASSWORD NULL").options.password == ""
    assert one("ALTER ROLE r WITH LOGIN CONNECTION LIMIT 3").options == ast.RoleOptions(login=True, connection_limit=3)
    renamed = one("ALTER ROLE r RENAME TO s")
    assert isinstance(renamed, ast.RenameRole) and (renamed.name, renamed.new_name) == ("r", "s")
    assert (one("DROP ROLE IF EXISTS r, s").names, one("DROP USER r").word) == (("r", "s"), "USER")


def test_memberships() -> None:
    made = one("GRANT a, b TO c WITH ADMIN OPTION")
    assert (made.roles, made.members, made.option, made.revoke) == (("a", "b"), ("c",), True, False)
    assert one("GRANT admin TO bob").roles == ("admin",)
    made = one("REVOKE admin FROM bob CASCADE")
    assert (made.roles, made.members, made.option, made.cascade) == (("admin",), ("bob",), False, True)
    made = one("REVOKE ADMIN OPTION FOR r FROM bob")
    assert (made.roles, made.option, made.revoke) == (("r",), True, True)


@pytest.mark.parametrize(
    ("text", "privileges", "kind", "names", "in_schemas"),
    [
        ("GRANT SELECT, insert ON a, s.b TO r", ("SELECT", "INSERT"), "", (("a",), ("s", "b")), False),
        ("GRANT ALL ON TABLE a TO r", (), "table", (("a",),), False),
        ("GRANT ALL PRIVILEGES ON MATERIALIZED VIEW a TO r", (), "materialized view", (("a",),), False),
        ("GRANT USAGE, CREATE ON SCHEMA s TO GROUP r", ("USAGE", "CREATE"), "schema", (("s",),), False),
        ("GRANT EXECUTE ON FUNCTION f(bigint, text[]), g() TO r", ("EXECUTE",), "function", (("f",), ("g",)), False),
        ("GRANT SELECT ON ALL TABLES IN SCHEMA s, t TO r", ("SELECT",), "table", (("s",), ("t",)), True),
        ("GRANT ALL ON ALL MATERIALIZED VIEWS IN SCHEMA s TO r", (), "materialized view", (("s",),), True),
        ("GRANT INSERT ON TOPIC t TO r", ("INSERT",), "topic", (("t",),), False),
    ],
)
def test_privileges(
    text: str, privileges: tuple[str, ...], kind: str, names: tuple[tuple[str, ...], ...], in_schemas: bool
) -> None:
    made = one(text)
    assert (made.privileges, made.kind, made.names, made.in_schemas) == (privileges, kind, names, in_schemas)
    assert (made.roles, made.revoke, made.option) == (("r",), False, False)
    taken = one(text.replace("GRANT", "REVOKE GRANT OPTION FOR", 1).replace(" TO ", " FROM ") + " CASCADE")
    assert (taken.privileges, taken.kind, taken.names) == (privileges, kind, names)
    assert (taken.revoke, taken.option, taken.cascade) == (True, True, True)
    assert one(text + ", public WITH GRANT OPTION").roles == ("r", "public")


def test_privileges_on_columns() -> None:
    made = one('GRANT SELECT (a, "B"), INSERT, all (c) ON t TO r')
    assert (made.privileges, made.on_columns) == (("INSERT",), (("SELECT", ("a", "B")), ("ALL", ("c",))))
    assert (one("REVOKE UPDATE (a) ON t FROM r").privileges, made.kind) == ((), "")


def test_default_privileges() -> None:
    made = one(
        "ALTER DEFAULT PRIVILEGES FOR USER a, b IN SCHEMA s GRANT ALL ON ROUTINES TO r, public WITH GRANT OPTION"
    )
    assert (made.roles, made.schemas, made.change.kind) == (("a", "b"), (("s",),), "function")
    assert (made.change.privileges, made.change.roles, made.change.option) == ((), ("r", "public"), True)
    taken = one("ALTER DEFAULT PRIVILEGES REVOKE GRANT OPTION FOR SELECT, INSERT ON TABLES FROM r CASCADE")
    assert (taken.roles, taken.schemas, taken.change.kind) == ((), (), "table")
    assert (taken.change.revoke, taken.change.option, taken.change.cascade) == (True, True, True)


def test_owners_and_sessions() -> None:
    made = one("ALTER MATERIALIZED VIEW s.v OWNER TO bob")
    assert (made.kind, made.name, made.role) == ("materialized view", ("s", "v"), "bob")
    assert one("ALTER TOPIC t OWNER TO bob") == ast.SetOwner(
        text="ALTER TOPIC t OWNER TO bob", kind="topic", name=("t",), role="bob"
    )
    assert (one("REASSIGN OWNED BY a, b TO c").roles, one("DROP OWNED BY a CASCADE").cascade) == (("a", "b"), True)
    roles = [one(t).role for t in ("SET ROLE a", "set role = a", "SET SESSION ROLE 'a'", "SET ROLE NONE", "RESET ROLE")]
    assert roles == ["a", "a", "a", None, None]
    assert one("SET SESSION AUTHORIZATION 'Bob'").role == "Bob"
    assert one("SET SESSION AUTHORIZATION DEFAULT").role is one("RESET SESSION AUTHORIZATION").role is None
    assert one("SET SESSION search_path = 'x'").name == "search_path"


@pytest.mark.parametrize(
    ("text", "sqlstate"),
    [
        ("CREATE ROLE", "42601"),
        ("CREATE ROLE r LOGIN LOGIN", "42601"),
        ("CREATE ROLE r LOGIN NOLOGIN", "42601"),
        ("CREATE ROLE r LOGGIN", "42601"),
        ("CREATE ROLE r REPLICATION", "0A000"),
        ("CREATE ROLE r CONNECTION LIMIT 1.5", "22023"),
        ("CREATE ROLE r CONNECTION LIMIT -2", "22023"),
        ("CREATE OR REPLACE ROLE r", "42601"),
        ("GRANT SELECT () ON t TO r", "42601"),
        ("ALTER DEFAULT PRIVILEGES", "42601"),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES", "42601"),
        ("GRANT SELECT ON t TO r WITH ADMIN OPTION", "42601"),
        ("GRANT a TO r WITH GRANT OPTION", "42601"),
        ("GRANT SELECT ON ALL BANANAS IN SCHEMA s TO r", "42601"),
        ("GRANT SELECT ON t", "42601"),
        ("REVOKE OPTION ADMIN FOR a FROM r", "42601"),
        ("SET LOCAL ROLE r", "0A000"),
        ("DROP OWNED", "42601"),
    ],
)
def test_bad_statements(text: str, sqlstate: str) -> None:
    with pytest.raises(errors.Error) as caught:
        one(text)
    assert caught.value.sqlstate == sqlstate


def test_a_mistyped_option_is_named() -> None:
    with pytest.raises(errors.SyntaxError) as caught:
        one("CREATE ROLE r SUPERUSR")
    assert (caught.value.hint, caught.value.position) == ('did you mean "SUPERUSER" or "NOSUPERUSER"?', 14)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE ROLE r PASSWORT 'hunter2'",
        "CREATE ROLE r PASSWORD 'x' 'hunter2'",
        "CREATE ROLE r PASSWORD hunter2",
        "ALTER USER r LOGIN 'hunter2'",
        "PREPARE p AS CREATE ROLE r PASSWORD 'x', 'hunter2'",
    ],
)
def test_errors_do_not_repeat_passwords(text: str) -> None:
    with pytest.raises(errors.SyntaxError) as caught:
        one(text)
    assert "hunter2" not in f"{caught.value!r} {caught.value.message} {caught.value.detail} {caught.value.hint}"
    made = one("CREATE ROLE r PASSWORD 'hunter2'")
    assert "hunter2" not in repr(made)
