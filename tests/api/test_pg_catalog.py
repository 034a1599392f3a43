"""pg_catalog and information_schema by themselves: oids that last, types, settings, roles, locks, other sessions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import sqlengine
from sqlengine.catalog.pg.facts import Activity
from tests.access.sessions import session_of


@pytest.fixture
def db() -> Iterator[sqlengine.Database]:
    with sqlengine.connect() as opened:
        opened.execute("CREATE STREAM s (a bigint, b text)")
        opened.execute(
            "CREATE TABLE t (k integer PRIMARY KEY, v numeric(8, 3) DEFAULT 1, CONSTRAINT low CHECK (v > 0))"
        )
        opened.execute("CREATE VIEW v AS SELECT a FROM s")
        opened.execute("CREATE MATERIALIZED VIEW m AS SELECT b, count(*) AS n FROM s GROUP BY b")
        yield opened


def rows(db: Any, text: str) -> list[tuple[Any, ...]]:
    return db.execute(text).fetchall()  # type: ignore[no-any-return]


def refusal(db: Any, text: str) -> str:
    with pytest.raises(sqlengine.Error) as raised:
        db.execute(text)
    return raised.value.sqlstate


def kinds(db: Any) -> list[tuple[Any, ...]]:
    return rows(db, "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1")


def test_every_kind_of_object_has_its_relkind(db: sqlengine.Database) -> None:
    assert kinds(db) == [("m", "m"), ("s", "r"), ("t", "r"), ("t_pkey", "i"), ("v", "v")]
    listed = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
    assert rows(db, listed) == [("s", "BASE TABLE"), ("t", "BASE TABLE"), ("v", "VIEW")]
    assert rows(db, "SELECT matviewname, ispopulated FROM pg_matviews") == [("m", True)]


def test_both_catalogs_tell_of_the_same_columns(db: sqlengine.Database) -> None:
    ours = """SELECT c.relname, a.attname, format_type(a.atttypid, NULL), NOT a.attnotnull FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid WHERE c.relkind IN ('r', 'v') AND a.attnum > 0 ORDER BY 1, a.attnum"""
    standard = """SELECT table_name, column_name, CASE data_type WHEN 'ARRAY' THEN '' ELSE data_type END,
        is_nullable = 'YES' FROM information_schema.columns ORDER BY 1, ordinal_position"""
    arrays = [(a, b, "" if c.endswith("[]") else c, d) for a, b, c, d in rows(db, ours)]
    assert sorted(arrays) == sorted(rows(db, standard))
    assert len(arrays) > 2000


def test_oids_last_as_long_as_their_objects(tmp_path: Path) -> None:
    def oids(db: sqlengine.Database) -> dict[str, int]:
        return dict(rows(db, "SELECT relname, oid FROM pg_class WHERE oid >= 16384 AND relkind <> 'v' ORDER BY 1"))

    with sqlengine.connect(str(tmp_path / "data")) as db:
        for name in ("a", "b", "c"):
            db.execute(f"CREATE TABLE {name} (x integer PRIMARY KEY)")
        db.execute("CREATE MATERIALIZED VIEW m AS SELECT x FROM a")
        before = oids(db)
        db.execute("DROP TABLE b")
        db.execute("ALTER TABLE c RENAME TO d")
        db.execute("CREATE OR REPLACE MATERIALIZED VIEW m AS SELECT x + 1 AS x FROM a")
        db.execute("COMMENT ON TABLE a IS 'first'")
        db.execute("CREATE TABLE b (x integer)")
        after = oids(db)
        assert (after["a"], after["d"], after["m"]) == (before["a"], before["c"], before["m"])
        assert after["d_pkey"] == before["c_pkey"]
        assert after["b"] not in before.values()
    with sqlengine.connect(str(tmp_path / "data")) as db:
        assert oids(db) == after
        db.execute("CREATE TABLE e (x integer)")
        assert oids(db)["e"] not in after.values()


def test_every_oid_is_one_objects(db: sqlengine.Database) -> None:
    for relation in ("pg_class", "pg_type", "pg_proc", "pg_constraint", "pg_attrdef", "pg_namespace", "pg_authid"):
        assert rows(db, f"SELECT oid, count(*) FROM {relation} GROUP BY oid HAVING count(*) > 1") == []


def test_what_is_named_by_a_number_is_there(db: sqlengine.Database) -> None:
    """Foreign keys of the catalog itself: each points to a row, or is 0."""
    for relation, column, target in (
        ("pg_class", "relnamespace", "pg_namespace"),
        ("pg_class", "reltype", "pg_type"),
        ("pg_class", "relowner", "pg_authid"),
        ("pg_class", "relam", "pg_am"),
        ("pg_attribute", "attrelid", "pg_class"),
        ("pg_attribute", "atttypid", "pg_type"),
        ("pg_attribute", "attcollation", "pg_collation"),
        ("pg_type", "typnamespace", "pg_namespace"),
        ("pg_type", "typelem", "pg_type"),
        ("pg_type", "typarray", "pg_type"),
        ("pg_type", "typrelid", "pg_class"),
        ("pg_type", "typinput", "pg_proc"),
        ("pg_type", "typreceive", "pg_proc"),
        ("pg_proc", "prorettype", "pg_type"),
        ("pg_proc", "prolang", "pg_language"),
        ("pg_index", "indexrelid", "pg_class"),
        ("pg_index", "indrelid", "pg_class"),
        ("pg_constraint", "conrelid", "pg_class"),
        ("pg_constraint", "conindid", "pg_class"),
        ("pg_attrdef", "adrelid", "pg_class"),
        ("pg_rewrite", "ev_class", "pg_class"),
    ):
        lost = f"SELECT {column} FROM {relation} WHERE {column} <> 0 AND {column} NOT IN (SELECT oid FROM {target})"
        assert rows(db, lost) == [], (relation, column)


def test_names_become_numbers_and_numbers_names(db: sqlengine.Database) -> None:
    assert rows(db, "SELECT 't'::regclass, 'public.t'::regclass::text, 't'::regclass::oid = 't'::regclass") == [
        ("t", "t", True)
    ]
    assert rows(db, "SELECT 'numeric(3,1)'::regtype, 'text[]'::regtype::oid, 1700::regtype") == [
        ("numeric", 1009, "numeric")
    ]
    assert rows(db, "SELECT to_regclass('none'), to_regtype('none'), 'pg_class'::regclass::oid") == [(None, None, 1259)]
    assert rows(db, "SELECT relname FROM pg_class WHERE oid = ANY('{1259,1247}'::oid[]) ORDER BY 1") == [
        ("pg_class",),
        ("pg_type",),
    ]
    assert refusal(db, "SELECT 'none'::regclass") == "42P01"
    assert refusal(db, "SELECT 'none'::regtype") == "42704"
    assert refusal(db, "SELECT 'none'::regproc") == "42883"
    assert refusal(db, "SELECT has_table_privilege('t', 'FLY')") == "22023"


def test_definitions_can_be_read_again(db: sqlengine.Database) -> None:
    (definition,) = rows(db, "SELECT pg_get_viewdef('v'::regclass)")[0]
    db.execute(f"CREATE VIEW w AS {definition}")
    found = rows(
        db, "SELECT conname, pg_get_constraintdef(oid), contype FROM pg_constraint WHERE conrelid = 't'::regclass"
    )
    assert sorted(found) == [("low", "CHECK (v > 0)", "c"), ("t_pkey", "PRIMARY KEY (k)", "p")]
    read = """SELECT DISTINCT w.relname, r.relname FROM pg_depend d JOIN pg_rewrite q ON q.oid = d.objid
        JOIN pg_class w ON w.oid = q.ev_class JOIN pg_class r ON r.oid = d.refobjid
        WHERE d.deptype = 'n' AND d.classid = 'pg_rewrite'::regclass ORDER BY 1"""
    assert rows(db, read) == [("m", "s"), ("v", "s"), ("w", "s")]


def test_catalog_and_tables_meet_in_one_query(db: sqlengine.Database) -> None:
    db.execute("INSERT INTO t VALUES (1, 2), (2, 3)")
    joined = "SELECT t.k, c.relname FROM t JOIN pg_class c ON c.relname = 't' ORDER BY 1"
    assert rows(db, joined) == [(1, "t"), (2, "t")]
    db.execute("CREATE VIEW names AS SELECT relname, oid FROM pg_class WHERE relkind = 'm'")
    result = db.execute("SELECT * FROM names").to_arrow()
    assert [f.metadata[b"pg_type"] for f in result.schema] == [b"name", b"oid"]
    assert refusal(db, "CREATE MATERIALIZED VIEW x AS SELECT relname FROM pg_class") == "42809"


def test_parameters_have_the_types_of_what_stands_beside_them(db: sqlengine.Database) -> None:
    session = db.session()
    for text, kinds in (
        ("SELECT 1 FROM pg_type WHERE oid = any($1::oid[])", [pa.list_(pa.uint32())]),
        ("SELECT 1 FROM pg_class WHERE oid = $1 AND relname = $2", [pa.uint32(), pa.string()]),
        ("SELECT 1 FROM pg_attribute WHERE attnum > $1 AND attcollation != $2::integer", [pa.int16(), pa.int32()]),
        ("SELECT 1 FROM pg_class WHERE relkind IN ($1, $2)", [pa.string(), pa.string()]),
        ("SELECT oid FROM pg_class WHERE oid = any($1)", [pa.list_(pa.uint32())]),
        ("SELECT current_setting($1), pg_table_is_visible($2)", [pa.string(), pa.uint32()]),
        ("SELECT $1::regclass::oid", [pa.string()]),
    ):
        (statement,) = session.parse(text)
        assert list(session.parameter_types(statement, [])) == kinds, text


# ---------------------------------------------------------------- settings


def test_settings_of_postgresql(db: sqlengine.Database) -> None:
    db.execute("SET work_mem = '64MB'")
    assert rows(db, "SHOW work_mem") == [("64MB",)]
    assert rows(db, "SELECT setting, source FROM pg_settings WHERE name = 'work_mem'") == [("65536", "session")]
    assert rows(db, "SELECT set_config('app.user', 'x', false), current_setting('app.user')") == [("x", "x")]
    for text, state in (
        ("SET server_version = '1'", "55P02"),
        ("SET client_encoding = 'EUC_TW'", "0A000"),
        ("SET client_encoding = 'LATIN11'", "22023"),
        ("SET DateStyle = 'Klingon'", "22023"),
        ("SET extra_float_digits = 9", "22023"),
        ("SET enable_sort = 'perhaps'", "22023"),
        ("SET no_such_setting = 1", "42704"),
        ("SHOW no_such_setting", "42704"),
        ("SELECT current_setting('no_such_setting')", "42704"),
    ):
        assert refusal(db, text) == state, text
    for text in ("SET client_encoding = '''utf-8'''", "SET client_encoding TO unicode", "SET DateStyle = 'iso,mdy'"):
        db.execute(text)
    db.execute("DISCARD ALL")
    assert rows(db, "SHOW work_mem") == [("4MB",)]


def test_local_settings_end_with_their_transaction(db: sqlengine.Database) -> None:
    db.execute("BEGIN")
    db.execute("SET LOCAL work_mem = '8MB'")
    db.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY")
    assert rows(db, "SHOW transaction_isolation") == [("serializable",)]
    assert rows(db, "SHOW work_mem") == [("8MB",)]
    db.execute("ROLLBACK")
    assert rows(db, "SHOW work_mem") == [("4MB",)]
    assert rows(db, "SHOW TRANSACTION ISOLATION LEVEL") == [("read committed",)]


# ---------------------------------------------------------------- sessions


def test_roles_and_privileges_are_those_of_the_database(db: sqlengine.Database) -> None:
    db.execute("CREATE ROLE reader LOGIN")
    db.execute("CREATE ROLE team")
    db.execute("GRANT team TO reader")
    db.execute("GRANT SELECT ON TABLE t TO team")
    reader = session_of(db, "reader")
    asked = """SELECT current_user, has_table_privilege('t', 'SELECT'), has_table_privilege('t', 'INSERT'),
        has_table_privilege('s', 'SELECT'), pg_has_role('team', 'MEMBER'), pg_has_role('sqlengine', 'MEMBER')"""
    assert rows(reader, asked) == [("reader", True, False, False, True, False)]
    assert rows(reader, "SHOW is_superuser") == [("off",)]
    assert rows(db, "SELECT has_table_privilege('reader', 't', 'SELECT, INSERT')") == [(True,)]
    acl = rows(db, "SELECT relacl FROM pg_class WHERE relname = 't'")[0][0]
    assert "team=r/sqlengine" in acl
    assert rows(reader, "SELECT count(*) FROM pg_get_keywords()")[0][0] > 50
    assert refusal(reader, "SELECT set_config('checkpoint_interval_ms', '0', false)") == "42501"
    members = """SELECT m.rolname, g.rolname FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member
        JOIN pg_roles g ON g.oid = a.roleid"""
    assert rows(db, members) == [("reader", "team")]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("'ISO, DMY'", "ISO, DMY"),
        ("'iso,ymd'", "ISO, YMD"),
        ("ISO, DMY", "ISO, DMY"),
        ("'European'", "ISO, DMY"),
        ("'US'", "ISO, MDY"),
        ("'NonEuropean, ISO'", "ISO, MDY"),
        ("ISO", "ISO, YMD"),
        ("'DMY, ISO, EURO'", "ISO, DMY"),
        ("''", "ISO, YMD"),
        ("DEFAULT", "ISO, MDY"),
    ],
)
def test_datestyle_shows_what_was_set(db: sqlengine.Database, given: str, shown: str) -> None:
    db.execute("SET datestyle = 'YMD'")
    db.execute(f"SET datestyle = {given}")
    assert rows(db, "SHOW datestyle") == rows(db, "SELECT current_setting('DateStyle')") == [(shown,)]


@pytest.mark.parametrize(
    ("given", "sqlstate"),
    [("ISO, XYZ", "22023"), ("DMY, MDY", "22023"), ("ISO MDY", "22023"), ("ISO, SQL", "22023")],
)
def test_a_datestyle_that_does_not_exist_is_refused(db: sqlengine.Database, given: str, sqlstate: str) -> None:
    assert refusal(db, f"SET datestyle = '{given}'") == sqlstate
    assert rows(db, "SHOW datestyle") == [("ISO, MDY",)]


@pytest.mark.parametrize(
    ("style", "text", "day"),
    [
        ("MDY", "01/02/2024", "2024-01-02"),
        ("DMY", "01/02/2024", "2024-02-01"),
        ("YMD", "01/02/2024", "22008"),
        ("MDY", "13/02/2024", "22008"),
        ("DMY", "13.02.2024", "2024-02-13"),
        ("YMD", "24-02-01", "2024-02-01"),
    ],
)
def test_the_order_of_datestyle_says_what_stands_first(db: sqlengine.Database, style: str, text: str, day: str) -> None:
    db.execute(f"SET datestyle = '{style}'")
    for kind in ("date", "timestamp"):
        query = f"SELECT '{text}'::{kind}::date::text"
        if day.isdigit():
            assert refusal(db, query) == day
        else:
            assert rows(db, query) == [(day,)]
    assert rows(db, "SELECT ('2024-02-01'::date)::text") == [("2024-02-01",)]


def test_sessions_are_shown_and_ended_through_the_server(db: sqlengine.Database) -> None:
    db.execute("CREATE ROLE other LOGIN")
    ended: list[int] = []

    def end(pid: int) -> bool:
        ended.append(pid)
        return pid == 7

    session = session_of(db, "other")
    backend = session.context.backend
    backend.pid = 5
    backend.terminate = backend.cancel = end
    backend.activity = lambda: [
        Activity(pid=5, user="other", database="sqlengine", state="active"),
        Activity(pid=7, user="other", database="sqlengine", state="idle", application_name="psql"),
        Activity(pid=9, user="sqlengine", database="sqlengine", state="idle"),
    ]
    shown = "SELECT pid, usename, state FROM pg_stat_activity WHERE pid <> pg_backend_pid() ORDER BY pid"
    assert rows(session, shown) == [(7, "other", "idle"), (9, "sqlengine", None)]
    assert rows(session, "SELECT pg_terminate_backend(7), pg_cancel_backend(7), pg_cancel_backend(8)") == [
        (True, True, False)
    ]
    assert sorted(ended) == [7, 7, 8]
    assert refusal(session, "SELECT pg_terminate_backend(9)") == "42501"
    assert 9 not in ended


def test_advisory_locks_are_held_by_sessions(db: sqlengine.Database) -> None:
    one, two = db.session(), db.session()
    assert rows(one, "SELECT pg_try_advisory_lock(1), pg_try_advisory_lock_shared(2)") == [(True, True)]
    assert rows(two, "SELECT pg_try_advisory_lock(1), pg_try_advisory_lock_shared(2)") == [(False, True)]
    assert rows(two, "SELECT pg_advisory_unlock(1)") == [(False,)]
    assert rows(one, "SELECT pg_advisory_unlock(1)") == [(True,)]
    assert rows(two, "SELECT pg_try_advisory_lock(1)") == [(True,)]
    two.execute("SELECT pg_advisory_unlock_all()")
    one.execute("BEGIN")
    one.execute("SELECT pg_advisory_xact_lock(3)")
    assert rows(two, "SELECT pg_try_advisory_lock(3)") == [(False,)]
    one.execute("COMMIT")
    assert rows(two, "SELECT pg_try_advisory_lock(3)") == [(True,)]
    two.close()
    assert rows(one, "SELECT pg_try_advisory_lock(3)") == [(True,)]
