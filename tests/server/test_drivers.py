"""Other clients against a server: asyncpg, SQLAlchemy, psql, node-postgres; more are in tests/clients."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.process import Served, served

psycopg = pytest.importorskip("psycopg")

SETUP = """
CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, n NUMERIC(10, 2), at TIMESTAMP, a INT[]);
CREATE MATERIALIZED VIEW named AS SELECT name, count(*) AS c FROM t GROUP BY name;
CREATE STREAM clicks (who TEXT, at TIMESTAMP);
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as made:
        with psycopg.connect(made.dsn, autocommit=True) as first:
            first.execute(SETUP)
        yield made


# ---------------------------------------------------------------- asyncpg


def with_asyncpg(server: Served, work: Any) -> None:
    asyncpg = pytest.importorskip("asyncpg")

    async def run() -> None:
        connection = await asyncpg.connect(host="127.0.0.1", port=server.port, user="me", database="db", timeout=20)
        try:
            await connection.execute("DELETE FROM t")
            await asyncio.wait_for(work(connection), 60)
        finally:
            await connection.close()

    asyncio.run(run())


def test_asyncpg_prepares_and_reads_arrays(server: Served) -> None:
    async def work(connection: Any) -> None:
        rows = [(i, str(i % 3), [i, None]) for i in range(10)]
        await connection.executemany("INSERT INTO t (id, name, a) VALUES ($1, $2, $3)", rows)
        found = await connection.fetch("SELECT id, name, a FROM t WHERE id = ANY($1) ORDER BY id", [1, 2])
        assert [tuple(row) for row in found] == rows[1:3]
        statement = await connection.prepare("SELECT n FROM t WHERE id = $1")
        assert [p.name for p in statement.get_parameters()] == ["int8"]
        assert await statement.fetchval(1) is None

    with_asyncpg(server, work)


def test_asyncpg_reads_names_of_objects(server: Served) -> None:
    async def work(connection: Any) -> None:
        query = """SELECT 't'::regclass, 'int4'::regtype, 'int4in'::regproc, 'int4in'::regprocedure,
            'public'::regnamespace, 'sqlengine'::regrole, NULL::regclass, ARRAY['int4'::regtype], 't'::regclass::oid"""
        *named, number = await connection.fetchrow(query)
        assert named == ["t", "integer", "int4in", "int4in", "public", "sqlengine", None, ["integer"]]
        assert await connection.fetchval("SELECT oid FROM pg_class WHERE relname = 't'") == number
        assert await connection.fetchval("SELECT relname FROM pg_class WHERE oid = $1::regclass", "t") == "t"
        assert await connection.fetchval("SELECT ARRAY[oid] FROM pg_class WHERE oid = $1", number) == [number]

    with_asyncpg(server, work)


def test_asyncpg_reads_a_cursor_in_pieces(server: Served) -> None:
    async def work(connection: Any) -> None:
        await connection.execute("INSERT INTO t (id) SELECT range FROM range(10)")
        async with connection.transaction():
            found = [row["id"] async for row in connection.cursor("SELECT id FROM t ORDER BY id", prefetch=3)]
        assert found == list(range(10))

    with_asyncpg(server, work)


def test_asyncpg_copies_both_ways(server: Served) -> None:
    async def work(connection: Any) -> None:
        rows = [(i, "x", None, None, [1]) for i in range(1_000)]
        assert await connection.copy_records_to_table("t", records=rows) == "COPY 1000"
        out = io.BytesIO()
        await connection.copy_from_query("SELECT id FROM t ORDER BY id LIMIT 3", output=out, format="csv")
        assert out.getvalue() == b"0\n1\n2\n"

    with_asyncpg(server, work)


def test_asyncpg_pools_and_hears_of_changes(server: Served) -> None:
    asyncpg = pytest.importorskip("asyncpg")

    async def work(connection: Any) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        await connection.add_listener("named", lambda *told: heard.put_nowait(told[2]))
        settings = {"host": "127.0.0.1", "port": server.port, "user": "me", "database": "db"}
        async with asyncpg.create_pool(**settings, min_size=1, max_size=4) as pool:
            found = await asyncio.gather(*[pool.fetchval("SELECT $1::int + 1", i) for i in range(20)])
            assert found == list(range(1, 21))
            await pool.execute("INSERT INTO t (id, name) VALUES (1, 'z')")
        assert await asyncio.wait_for(heard.get(), 20)

    with_asyncpg(server, work)


# ---------------------------------------------------------------- SQLAlchemy


def test_sqlalchemy_maps_and_reflects(server: Served) -> None:
    sa = pytest.importorskip("sqlalchemy")
    orm = pytest.importorskip("sqlalchemy.orm")
    engine = sa.create_engine(f"postgresql+psycopg://me@127.0.0.1:{server.port}/db")
    base = orm.declarative_base()

    class User(base):
        __tablename__ = "users"
        id = sa.Column(sa.Integer, primary_key=True, autoincrement=False)
        name = sa.Column(sa.String, nullable=False)

    base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add_all([User(id=i, name=f"u{i}") for i in range(5)])
        session.commit()
        assert session.scalars(sa.select(User.name).where(User.id > 2).order_by(User.id)).all() == ["u3", "u4"]
        session.get(User, 1).name = "changed"
        session.commit()
        assert session.scalar(sa.select(sa.func.count()).where(User.name == "changed")) == 1
    inspector = sa.inspect(engine)
    assert {"t", "users"} <= set(inspector.get_table_names())
    assert inspector.get_materialized_view_names() == ["named"]
    assert inspector.get_pk_constraint("users")["constrained_columns"] == ["id"]
    columns = {c["name"]: (str(c["type"]), c["nullable"]) for c in inspector.get_columns("t")}
    assert columns["n"] == ("NUMERIC(10, 2)", True) and columns["id"] == ("BIGINT", False)
    reflected = sa.MetaData()
    reflected.reflect(engine, views=True)
    assert {"t", "users", "named"} <= set(reflected.tables)
    engine.dispose()


# ---------------------------------------------------------------- programs


def ran(*command: str, text: str | None = None) -> str:
    """What a program writes; it must succeed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0].upper()} IS NOT TESTED: it is not installed")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, input=text, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_psql_runs_scripts_and_copies(server: Served) -> None:
    script = (
        'DELETE FROM t;\n\\copy t (id, name) from stdin csv\n1,one\n2,"two, or so"\n\\.\n'
        "SELECT id, name FROM t ORDER BY id;\n\\copy (SELECT id FROM t ORDER BY id) to stdout\n"
    )
    got = ran("psql", server.dsn, "-XqAt", "-v", "ON_ERROR_STOP=1", text=script)
    assert got.splitlines() == ["1|one", "2|two, or so", "1", "2"]


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("\\d", "named"), ("\\d t", '"t_pkey" PRIMARY KEY'), ("\\dt+", "clicks"), ("\\dm", "named"), ("\\dv", ""),
        ("\\d+ named", "SELECT name, count(*) AS c FROM t GROUP BY name"), ("\\df abs", "abs"), ("\\du", "sqlengine"),
        ("\\l", "UTF8"), ("\\dn", "public"), ("\\di", "t_pkey"), ("\\dT", ""), ("\\dp", "Access privileges"),
        ("\\conninfo", "db"), ("\\ds", ""), ("\\dx", ""), ("\\sf abs", ""),
    ][:-1],
)  # fmt: skip
def test_psql_describes(server: Served, command: str, shown: str) -> None:
    assert shown in ran("psql", server.dsn, "-X", "-c", command)


NODE = """
const { Client, Pool } = require('pg');
const Cursor = require('pg-cursor');
(async () => {
  const client = new Client({ host: '127.0.0.1', port: Number(process.argv[2]), user: 'me', database: 'db' });
  await client.connect();
  await client.query('DELETE FROM t');
  await client.query('INSERT INTO t (id, name, n, a) VALUES ($1, $2, $3, $4)', [1, "o'ne", '1.50', [1, null]]);
  const named = { name: 'by-key', text: 'SELECT * FROM t WHERE id = $1', values: [1] };
  const found = [await client.query(named), await client.query(named)];
  const failed = await client.query('SELECT nope FROM t').catch((error) => error.code);
  await client.query('LISTEN news');
  const heard = new Promise((resolve) => client.on('notification', (told) => resolve(told.payload)));
  await client.query("NOTIFY news, 'hello'");
  const answers = [found[1].rows, found[0].rowCount, failed, await heard];
  const cursor = client.query(new Cursor('SELECT n FROM generate_series(1, $1::int) AS g(n)', [25]));
  const pieces = [];
  for (let rows = await cursor.read(10); rows.length; rows = await cursor.read(10)) pieces.push(rows.length);
  await cursor.close();
  answers.push(pieces);
  await client.query('BEGIN');
  await client.query('DELETE FROM t');
  await client.query('ROLLBACK');
  const many = await client.query('SELECT 1 AS a; SELECT count(*) AS n FROM t');
  answers.push(many.map((result) => result.rows[0]));
  await client.end();
  const pool = new Pool({ host: '127.0.0.1', port: Number(process.argv[2]), user: 'me', database: 'db', max: 3 });
  const sums = await Promise.all([...Array(9).keys()].map((i) => pool.query('SELECT $1::int + 1 AS n', [i])));
  answers.push(sums.map((result) => result.rows[0].n));
  await pool.end();
  console.log(JSON.stringify(answers));
})();
"""


def test_node_postgres(server: Served, tmp_path: Path) -> None:
    modules = Path(__file__).resolve().parents[2] / ".node" / "node_modules"
    if not (modules / "pg-cursor").is_dir():
        pytest.skip("NODE-POSTGRES IS NOT TESTED: it is not installed (npm install --prefix .node pg pg-cursor)")
    script = tmp_path / "client.js"
    script.write_text(NODE)
    command = ["node", str(script), str(server.port)]
    environment = {**os.environ, "NODE_PATH": str(modules)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    row = {"id": "1", "name": "o'ne", "n": "1.50", "at": None, "a": [1, None]}
    later = [[10, 10, 5], [{"a": 1}, {"n": "1"}], list(range(1, 10))]
    assert json.loads(done.stdout) == [[row], 1, "42703", "hello", *later]
