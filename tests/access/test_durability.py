"""Roles and grants survive, and passwords are nowhere."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

import sqlengine
from sqlengine.catalog.catalog import Catalog
from sqlengine.catalog.verifier import make_verifier, parse_verifier
from sqlengine.session import Session
from tests.access.postgres_cases import SETUP, SUPERUSER, make_case
from tests.access.sessions import refusal, session_of

PASSWORD = "hunter2-in-the-clear"


def state(db: sqlengine.Database) -> tuple[Any, ...]:
    roles = db.execute("SELECT * FROM system.roles").fetchall()
    catalog = session_of(db, "sqlengine").context.instance.catalog
    return roles, db.execute("SELECT * FROM system.privileges").fetchall(), [r.password for r in catalog.roles]


def catalog_of(session: Session) -> Catalog:
    return session.context.instance.catalog


@pytest.mark.parametrize("way", ["close", "crash"])
def test_everything_is_there_after_a_restart(tmp_path: Path, way: str) -> None:
    db = sqlengine.connect(tmp_path / "db")
    for text in SETUP:
        db.execute(text)
    db.execute("CREATE TOPIC raw")
    db.execute("GRANT SELECT ON TOPIC raw TO a")
    db.execute("ALTER TOPIC raw OWNER TO b")
    db.execute(f"CREATE USER ann PASSWORD '{PASSWORD}' VALID UNTIL '2030-01-01' IN ROLE c")
    for step in make_case(7):
        try:
            session_of(db, "sqlengine" if step.actor == SUPERUSER else step.actor).execute(step.text)
        except sqlengine.Error:
            continue
    before, secret = state(db), catalog_of(db.session()).secret()
    getattr(db, way)()
    with sqlengine.connect(tmp_path / "db") as again:
        assert state(again) == before
        catalog = catalog_of(again.session())
        assert catalog.secret() == secret
        rebuilt = Catalog.load(catalog.records(), lambda record: None)
        assert rebuilt.records() == catalog.records()
        assert refusal(session_of(again, "ann"), "DROP TABLE t") == "must be owner of table t"


def test_a_number_is_never_given_to_two_roles(tmp_path: Path) -> None:
    """A session of a dropped role must not become somebody else's."""
    with sqlengine.connect(tmp_path / "db") as db:
        db.execute("CREATE ROLE ann")
        session = session_of(db, "ann")
        db.execute("DROP ROLE ann")
        db.execute("CREATE ROLE ann SUPERUSER")
        with pytest.raises(sqlengine.Error, match="^role with OID [0-9]+ does not exist$"):
            session.execute("SELECT 1")
        with pytest.raises(sqlengine.Error, match="does not exist"):
            session.execute("RESET ROLE; SELECT 1")
        first = catalog_of(session).roles.get("ann").id
        db.execute("DROP ROLE ann")
    with sqlengine.connect(tmp_path / "db") as db:
        db.execute("CREATE ROLE ann")
        assert catalog_of(db.session()).roles.get("ann").id > first
        rebuilt = Catalog.load(catalog_of(db.session()).records(), lambda record: None)
        assert rebuilt.roles.next_id() == catalog_of(db.session()).roles.next_id()


def test_a_password_is_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    db = sqlengine.connect(tmp_path / "db")
    session = db.session()
    for text in (
        f"CREATE ROLE ann LOGIN PASSWORD '{PASSWORD}'",
        f"CREATE ROLE ann LOGIN PASSWORD '{PASSWORD}'",
        f"ALTER ROLE ann PASSWORD '{PASSWORD}'",
        f"ALTER ROLE nobody PASSWORD '{PASSWORD}'",
        f"CREATE ROLE x PASSWORD '{PASSWORD}' LOGIN '{PASSWORD}'",
        f"CREATE ROLE x LOGIN PASSWORT '{PASSWORD}'",
        f"PREPARE p AS ALTER ROLE ann PASSWORD '{PASSWORD}'",
        "EXECUTE p",
        f"EXPLAIN ALTER ROLE ann PASSWORD '{PASSWORD}'",
        "CREATE TABLE t (a BIGINT)",
        "INSERT INTO t VALUES (1)",
        "CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM t",
        "CHECKPOINT",
    ):
        try:
            result = session.execute(text)
            shown += [repr(result), *result.notices]
        except sqlengine.Error as error:
            shown += [repr(error), error.message, str(error.detail), str(error.hint)]
    for table in ("roles", "privileges", "queries", "settings", "errors", "tables"):
        shown.append(repr(session.execute(f"SELECT * FROM system.{table}").fetchall()))
    role = catalog_of(session).roles.get("ann")
    shown += [repr(role), repr(session.context), repr(catalog_of(session).roles.get("ann").member_of)]
    verifier = parse_verifier(role.password or "")
    assert verifier is not None and verifier == make_verifier(PASSWORD, verifier.salt)
    assert not [text for text in (*shown, caplog.text) if PASSWORD in text or (role.password or "") in text]
    db.crash()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    kept = {path: path.read_bytes() for path in files}
    assert [path for path, data in kept.items() if (role.password or "").encode() in data], "the verifier is kept"
    assert not [path for path, data in kept.items() if PASSWORD.encode() in data]


def test_a_verifier_can_be_given_for_a_password() -> None:
    made = make_verifier(PASSWORD)
    with sqlengine.connect() as db:
        roles = catalog_of(db.session()).roles
        db.execute(f"CREATE USER ann PASSWORD '{made.text()}'")
        assert roles.get("ann").password == made.text()
        with pytest.raises(sqlengine.Error, match="MD5"):
            db.execute(f"ALTER USER ann PASSWORD 'md5{'0' * 32}'")
        db.execute("ALTER USER ann PASSWORD NULL")
        assert roles.get("ann").password is None


def test_objects_keep_owner_and_grants_when_they_change() -> None:
    with sqlengine.connect() as db:
        for text in (
            "CREATE ROLE ann; CREATE ROLE ben; CREATE TABLE t (a BIGINT PRIMARY KEY)",
            "CREATE VIEW v AS SELECT a FROM t; CREATE MATERIALIZED VIEW m AS SELECT a FROM t",
            "CREATE STREAM s (a BIGINT)",
            "ALTER VIEW v OWNER TO ann; GRANT SELECT ON v, m, t, s TO ben; GRANT CREATE ON SCHEMA public TO ann",
            "CREATE OR REPLACE VIEW v AS SELECT a, a + 1 AS b FROM t",
            "CREATE OR REPLACE MATERIALIZED VIEW m AS SELECT a, a + 1 AS b FROM t",
            "CREATE OR REPLACE STREAM s (a BIGINT, b BIGINT)",
            "ALTER TABLE t ADD COLUMN b BIGINT",
            "ALTER VIEW v RENAME TO w",
        ):
            db.execute(text)
        found = db.execute(
            "SELECT object, owner FROM system.privileges WHERE grantee = 'ben' ORDER BY object"
        ).fetchall()
        assert found == [("m", "sqlengine"), ("s", "sqlengine"), ("t", "sqlengine"), ("w", "ann")]
