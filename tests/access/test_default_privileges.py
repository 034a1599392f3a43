"""ALTER DEFAULT PRIVILEGES; the answers are those PostgreSQL 15 gave, without the privileges there are none of here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import sqlengine
from tests.access.sessions import refusal, session_of

MADE = "CREATE ROLE r LOGIN; CREATE ROLE w; CREATE SCHEMA s; GRANT CREATE, USAGE ON SCHEMA public TO w"
ENTRIES = """
SELECT defaclrole::regrole::text, coalesce(nspname, ''), defaclobjtype, defaclacl
FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = defaclnamespace ORDER BY 1, 2, 3
"""


@pytest.fixture
def db() -> Iterator[sqlengine.Database]:
    with sqlengine.connect() as made:
        made.execute(MADE)
        yield made


def acl(db: sqlengine.Database, name: str) -> object:
    return db.execute(f"SELECT relacl FROM pg_class WHERE oid = '{name}'::regclass").fetchall()[0][0]


def test_new_objects_allow_what_was_said(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        db.execute(MADE)
        db.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO r")
        db.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT INSERT, SELECT ON TABLES TO w WITH GRANT OPTION")
        db.execute("ALTER DEFAULT PRIVILEGES FOR ROLE w REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
        db.execute("ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO r")
        db.execute("ALTER DEFAULT PRIVILEGES FOR ROLE w GRANT SELECT ON TABLES TO w")  # says nothing new
    with sqlengine.connect(tmp_path) as db:
        assert db.execute(ENTRIES).fetchall() == [
            ("sqlengine", "", "n", ["sqlengine=UC/sqlengine", "r=UC/sqlengine"]),
            ("sqlengine", "", "r", ["sqlengine=arwdDm/sqlengine", "r=r/sqlengine"]),
            ("sqlengine", "s", "r", ["w=a*r*/sqlengine"]),
            ("w", "", "f", ["w=X/w"]),
        ]
        db.execute("CREATE TABLE t (a BIGINT); CREATE TABLE s.t (a BIGINT); CREATE VIEW v AS SELECT 1 AS x")
        db.execute("CREATE STREAM st (a BIGINT); CREATE SCHEMA later; SET ROLE w; CREATE TABLE of_w (a BIGINT)")
        db.execute("RESET ROLE")
        assert acl(db, "t") == ["sqlengine=arwdD/sqlengine", "r=r/sqlengine"]
        assert acl(db, "s.t") == ["sqlengine=arwdD/sqlengine", "r=r/sqlengine", "w=a*r*/sqlengine"]
        assert (acl(db, "v"), acl(db, "of_w")) == (["sqlengine=r/sqlengine", "r=r/sqlengine"], None)
        assert acl(db, "st") == ["sqlengine=arm/sqlengine", "r=r/sqlengine"]
        assert db.execute("SELECT has_schema_privilege('r', 'later', 'CREATE')").fetchall() == [(True,)]
        mine = session_of(db, "r")
        assert [refusal(mine, f"SELECT * FROM {name}") for name in ("t", "v", "st")] == [None] * 3
        assert refusal(mine, "SELECT * FROM of_w") == "permission denied for table of_w"


def test_functions_of_the_program_can_be_closed_to_everybody(db: sqlengine.Database) -> None:
    @db.function
    def twice(x: int) -> int:
        return x + x

    mine = session_of(db, "r")
    assert refusal(mine, "SELECT twice(1)") is None
    db.execute("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
    assert refusal(mine, "SELECT twice(1)") == "permission denied for function twice"
    db.execute("GRANT EXECUTE ON FUNCTION twice TO r")
    assert refusal(mine, "SELECT twice(1)") is None


def test_entries_go_with_their_roles_and_schemas(db: sqlengine.Database) -> None:
    db.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO w, r")
    db.execute("ALTER DEFAULT PRIVILEGES FOR ROLE w GRANT SELECT ON TABLES TO r")
    with pytest.raises(sqlengine.Error, match='"w" cannot be dropped') as error:
        db.execute("DROP ROLE w")
    assert error.value.sqlstate == "2BP01"
    db.execute("DROP OWNED BY w; DROP ROLE w")
    assert db.execute(ENTRIES).fetchall() == [("sqlengine", "s", "r", ["r=r/sqlengine"])]
    db.execute("DROP SCHEMA s")
    assert db.execute(ENTRIES).fetchall() == []


def test_what_is_taken_back_is_as_if_it_had_not_been_said(db: sqlengine.Database) -> None:
    for text in ("GRANT ALL ON TABLES TO r WITH GRANT OPTION", "REVOKE ALL ON TABLES FROM r"):
        db.execute(f"ALTER DEFAULT PRIVILEGES {text}; ALTER DEFAULT PRIVILEGES IN SCHEMA public {text}")
    assert db.execute(ENTRIES).fetchall() == []


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("GRANT DELETE ON SCHEMAS TO r", "0LP01"),
        ("IN SCHEMA s GRANT ALL ON SCHEMAS TO r", "0LP01"),
        ("GRANT SELECT ON TABLES TO PUBLIC WITH GRANT OPTION", "0LP01"),
        ("GRANT SELECT (a) ON TABLES TO r", "0LP01"),
        ("GRANT USAGE ON SEQUENCES TO r", "0A000"),
        ("GRANT SELECT ON CHAIRS TO r", "42601"),
        ("GRANT SELECT ON TABLES TO nobody", "42704"),
        ("IN SCHEMA nowhere GRANT SELECT ON TABLES TO r", "3F000"),
        ("FOR ROLE nobody GRANT SELECT ON TABLES TO r", "42704"),
    ],
)
def test_what_makes_no_sense_is_refused(db: sqlengine.Database, text: str, state: str) -> None:
    with pytest.raises(sqlengine.Error) as error:
        db.execute(f"ALTER DEFAULT PRIVILEGES {text}")
    assert error.value.sqlstate == state


def test_only_the_role_and_its_members_may(db: sqlengine.Database) -> None:
    mine = session_of(db, "r")
    of_another = "ALTER DEFAULT PRIVILEGES FOR ROLE w GRANT SELECT ON TABLES TO r"
    assert refusal(mine, of_another) == 'must be member of role "w"'
    assert refusal(mine, of_another.replace("FOR ROLE w ", "")) is None
    db.execute("GRANT w TO r")
    assert refusal(mine, of_another) is None
