"""Wrong statements, and the file of what PostgreSQL 15 says of them.

`python -m tests.server.error_cases postgresql://...` asks a PostgreSQL and writes the file anew: a line a case, of the
statements, SQLSTATE and message of the last one's error, or ("00000", "") where it is none.
"""

from __future__ import annotations

import sys
from ast import literal_eval
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).with_name("postgres_errors.txt")
SETUP = """
CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT NOT NULL, price NUMERIC(10, 2) CHECK (price >= 0), made DATE,
                    small SMALLINT, tags TEXT[]);
INSERT INTO items VALUES (1, 'one', 1.5, '2024-01-01', 1, '{a,b}'), (2, 'two', 2.5, '2024-01-02', 2, NULL);
CREATE VIEW cheap AS SELECT id, name FROM items WHERE price < 2;
CREATE TABLE other (id BIGINT PRIMARY KEY, item BIGINT);
"""
TEARDOWN = "DROP TABLE IF EXISTS items, other, fresh CASCADE"

SYNTAX = """
SELEC 1
SELECT
SELECT FROM WHERE
SELECT 1 +
SELECT (1
SELECT 1)
SELECT * FORM items
SELECT * FROM
SELECT * FROM items WHERE
SELECT * FROM items GROUP id
SELECT * FROM items ORDER id
SELECT id FROM items LIMIT
SELECT CASE WHEN true THEN 1
SELECT 'abc
SELECT "abc
SELECT $1 +
INSERT items VALUES (1)
INSERT INTO items
INSERT INTO items (id) VALUES
UPDATE items id = 1
DELETE items
CREATE TABLE
CREATE TABLE fresh
CREATE TABLE fresh (
CREATE TABLE fresh (id)
DROP
DROP TABLE
FOO BAR
SELECT 1 FROM items JOIN other
SELECT a.b.c.d.e FROM items
SELECT 1; SELEC 2
SELECT count(DISTINCT) FROM items
SELECT CAST(1 AS)
SELECT 1 AS FROM items
"""

NAMES = """
SELECT * FROM nowhere
SELECT * FROM nowhere.items
SELECT nope FROM items
SELECT items.nope FROM items
SELECT i.id FROM items
SELECT items.id FROM items i
SELECT id FROM items, other
SELECT * FROM items JOIN other USING (nope)
SELECT nope(1)
SELECT lower(1, 2)
SELECT sum('a'::text)
SELECT abs('a'::text)
SELECT 'a'::nope
SELECT CAST(1 AS nope)
INSERT INTO nowhere VALUES (1)
INSERT INTO items (nope) VALUES (1)
INSERT INTO items (id, id) VALUES (3, 3)
UPDATE nowhere SET id = 1
UPDATE items SET nope = 1
UPDATE items SET name = 'a', name = 'b'
DELETE FROM nowhere
DELETE FROM items WHERE nope = 1
DROP TABLE nowhere
DROP VIEW nowhere
DROP VIEW items
DROP TABLE cheap
DROP MATERIALIZED VIEW nowhere
DROP SCHEMA nowhere
DROP FUNCTION nowhere(int)
CREATE TABLE items (id INT)
CREATE VIEW items AS SELECT 1 AS a
CREATE TABLE fresh (id INT, id INT)
CREATE SCHEMA public
CREATE VIEW fresh AS SELECT 1 AS a, 2 AS a
ALTER TABLE nowhere ADD COLUMN a INT
ALTER TABLE items ADD COLUMN name TEXT
ALTER TABLE items DROP COLUMN nope
ALTER TABLE items RENAME COLUMN nope TO x
ALTER TABLE items RENAME COLUMN id TO name
TRUNCATE nowhere
GRANT SELECT ON nowhere TO public
GRANT SELECT ON items TO nobody_there
DROP ROLE nobody_there
SET nope = 1
SHOW nope
RESET nope
SELECT current_setting('nope')
SELECT 'nowhere'::regclass
SELECT 'nope'::regtype
SELECT 'nope'::regproc
SELECT 'nope'::regrole
SELECT 'nope'::regnamespace
WITH a AS (SELECT 1) SELECT * FROM b
WITH a AS (SELECT 1), a AS (SELECT 2) SELECT * FROM a
SELECT * FROM items i, other i
SELECT * FROM items AS i (a, b, c, d, e, f, g, h)
COMMENT ON TABLE nowhere IS 'x'
"""

TYPES = """
SELECT 'abc'::int
SELECT ''::int
SELECT '1.5'::int
SELECT '99999999999'::int
SELECT '99999999999999999999'::bigint
SELECT 99999::smallint
SELECT 9999999999::int
SELECT 'abc'::numeric
SELECT 'abc'::float8
SELECT '1e400'::float8
SELECT 1e400::float8
SELECT 'maybe'::boolean
SELECT 'abc'::date
SELECT '2024-13-01'::date
SELECT '2024-02-30'::date
SELECT 'abc'::timestamp
SELECT '2024-01-01 25:00'::timestamp
SELECT 'abc'::time
SELECT '25:00'::time
SELECT 'abc'::interval
SELECT 'abc'::uuid
SELECT '{'::json
SELECT '{"a":}'::jsonb
SELECT '{1,2'::int[]
SELECT '{a}'::int[]
SELECT '\\xzz'::bytea
SELECT '\\xabc'::bytea
SELECT 12345.678::numeric(4, 2)
SELECT 1 / 0
SELECT 1 % 0
SELECT 1.0 / 0
SELECT 1::float8 / 0
SELECT 2147483647 + 1
SELECT 9223372036854775807 + 1
SELECT -32768::smallint
SELECT (-32768)::smallint - 1::smallint
SELECT 1 + 'a'
SELECT 1 + true
SELECT true + true
SELECT 'a' || 1 + 1
SELECT 1 = 'a'
SELECT 1 = true
SELECT 'a'::text = 1
SELECT date '2024-01-01' + date '2024-01-01'
SELECT now() + 1
SELECT true::date
SELECT 1::date
SELECT 1::boolean::date
SELECT NOT 1
SELECT 1 AND true
SELECT CASE WHEN 1 THEN 2 END
SELECT CASE WHEN true THEN 1 ELSE 'a' END
SELECT COALESCE(1, 'a')
SELECT ARRAY[1, 'a']
SELECT 1 IN ('a')
SELECT 1 IN (true)
SELECT * FROM items WHERE id
SELECT * FROM items WHERE name
SELECT 1 UNION SELECT 'a'
SELECT 1 UNION SELECT true
SELECT 1 UNION SELECT 1, 2
SELECT * FROM items LIMIT 'a'
SELECT * FROM items LIMIT -1
SELECT * FROM items OFFSET -1
SELECT sqrt(-1)
SELECT ln(0)
SELECT ln(-1)
SELECT power(0, -1)
SELECT power(-1, 0.5)
SELECT 10::numeric ^ 100000000
SELECT substring('abc' FROM 1 FOR -1)
SELECT chr(0)
SELECT to_timestamp('2024', 'nope nope')
SELECT extract(nope FROM now())
SELECT date_trunc('nope', now())
SELECT now() AT TIME ZONE 'Nowhere/Land'
SELECT (ARRAY[1,2])['a']
SELECT ROW(1, 2) = ROW(1)
SELECT (SELECT id FROM items)
SELECT (SELECT id, name FROM items)
SELECT id FROM items WHERE id = (SELECT id FROM items)
SELECT generate_series(1, 10, 0)
SELECT 'a' LIKE 'a' ESCAPE 'ab'
SELECT 'a' ~ '('
SELECT regexp_replace('a', '(', 'b')
SELECT encode('a', 'nope')
SELECT decode('zz', 'hex')
SELECT '1'::int4range
SELECT md5(1)
"""

GROUPS = """
SELECT id, count(*) FROM items
SELECT id FROM items GROUP BY name
SELECT * FROM items GROUP BY name
SELECT count(*) FROM items WHERE count(*) > 1
SELECT sum(count(*)) FROM items
SELECT id FROM items HAVING id > 1
SELECT id FROM items GROUP BY 2
SELECT id FROM items ORDER BY 2
SELECT id FROM items GROUP BY count(*)
SELECT DISTINCT id FROM items ORDER BY name
SELECT row_number() FROM items
SELECT id FROM items WHERE row_number() OVER () = 1
SELECT sum(id) OVER (PARTITION BY nope) FROM items
SELECT rank() OVER w FROM items
SELECT count(*) FILTER (WHERE 1) FROM items
SELECT 1 HAVING 1
SELECT id FROM items UNION SELECT id FROM other ORDER BY name
SELECT max(id) FROM items FOR UPDATE
"""

CHANGES = """
INSERT INTO items VALUES (1, 'again', 1)
INSERT INTO items VALUES (3, NULL, 1)
INSERT INTO items (id) VALUES (3)
INSERT INTO items (name) VALUES ('x')
INSERT INTO items VALUES (3, 'x', -1)
INSERT INTO items VALUES (3, 'x', 12345678901)
INSERT INTO items VALUES ('a', 'x', 1)
INSERT INTO items VALUES (3, 'x', 'a')
INSERT INTO items VALUES (3, 'x', 1, 'yesterdayish')
INSERT INTO items VALUES (3, 'x', 1, '2024-02-30')
INSERT INTO items VALUES (3, 'x', 1, 5)
INSERT INTO items VALUES (3, 'x', 1, NULL, 99999)
INSERT INTO items VALUES (3, 'x', 1, NULL, 1, '{a')
INSERT INTO items VALUES (3, 'x', 1, NULL, 1, '{a}', 7)
INSERT INTO items (id, name) VALUES (3)
INSERT INTO items (id) VALUES (3, 'x')
INSERT INTO items SELECT 1
INSERT INTO items VALUES (3, 'x'), (4)
INSERT INTO items VALUES (3, 'x', 1), (3, 'y', 1)
UPDATE items SET id = 1
UPDATE items SET id = 2 WHERE id = 1
UPDATE items SET name = NULL
UPDATE items SET price = -1
UPDATE items SET price = 'a'
UPDATE items SET small = 99999
UPDATE items SET id = true
UPDATE items SET price = 1 / 0
DELETE FROM items WHERE 1 / (id - 1) = 1
DELETE FROM items WHERE id = 'a'
INSERT INTO items VALUES (1, 'a', 1) ON CONFLICT (name) DO NOTHING
INSERT INTO items VALUES (1, 'a', 1) ON CONFLICT (nope) DO NOTHING
INSERT INTO items VALUES (3, 'a', 1), (3, 'b', 1) ON CONFLICT (id) DO UPDATE SET name = excluded.name
INSERT INTO cheap VALUES (1)
"""

SESSION = """
COMMIT; SELECT 1 / 0
BEGIN; SELECT 1 / 0 |; SELECT 1
BEGIN; SELECT 1 / 0 |; COMMIT
BEGIN; SELECT nope |; SAVEPOINT s
SAVEPOINT s
ROLLBACK TO s
RELEASE s
BEGIN; ROLLBACK TO s
BEGIN; RELEASE s
FETCH c
FETCH ALL FROM c
CLOSE c
MOVE c
DECLARE c CURSOR FOR SELECT 1
BEGIN; DECLARE c CURSOR FOR SELECT 1; DECLARE c CURSOR FOR SELECT 1
BEGIN; DECLARE c NO SCROLL CURSOR FOR SELECT 1; FETCH BACKWARD 1 FROM c
BEGIN; DECLARE c SCROLL NO SCROLL CURSOR FOR SELECT 1
EXECUTE p
PREPARE p AS SELECT 1; PREPARE p AS SELECT 1
PREPARE q AS SELECT $1::int; EXECUTE q
PREPARE r AS SELECT $1::int; EXECUTE r(1, 2)
PREPARE s AS SELECT $1::int; EXECUTE s('a')
PREPARE t AS SELECT nope
PREPARE u AS SELECT $1
DEALLOCATE nope
PREPARE v AS CREATE TABLE fresh (id INT)
SET statement_timeout = 'abc'
SET statement_timeout = -1
SET DateStyle = 'nope'
SET client_encoding = 'nope'
SET TimeZone = 'Nowhere/Land'
SET extra_float_digits = 100
SET IntervalStyle = 'nope'
SET bytea_output = 'nope'
SET search_path
SET server_version = '9'
SET shared_buffers = 1
SET default_transaction_isolation = 'nope'
SET TRANSACTION ISOLATION LEVEL nope
DISCARD nope
BEGIN; DISCARD ALL
LISTEN
NOTIFY
LOCK TABLE nowhere
SELECT pg_cancel_backend('a')
SELECT set_config('nope', '1', false)
SET ROLE nobody_there
SET SESSION AUTHORIZATION nobody_there
ALTER ROLE nobody_there NOLOGIN
EXPLAIN
EXPLAIN (NOPE) SELECT 1
EXPLAIN SELECT nope
VACUUM nowhere
ANALYZE nowhere
"""

COPY = """
COPY nowhere TO STDOUT
COPY nowhere FROM STDIN
COPY items (nope) TO STDOUT
COPY items (nope) FROM STDIN
COPY items (id, id) FROM STDIN
COPY items FROM STDIN (FORMAT nope)
COPY items TO STDOUT (NOPE)
COPY (SELECT nope FROM items) TO STDOUT
COPY (SELECT 1 / 0) TO STDOUT
COPY (INSERT INTO items VALUES (1)) TO STDOUT
COPY cheap FROM STDIN
COPY items FROM '/nowhere/at/all.csv'
COPY items FROM STDIN (FORMAT csv, FORCE_NULL (nope))
COPY items (id) FROM STDIN (FORMAT csv, FORCE_NOT_NULL (name))
COPY items TO STDOUT (FORMAT csv, FORCE_QUOTE (nope))
COPY items FROM STDIN (FORCE_NULL (name))
COPY items TO STDOUT (FORMAT csv, FORCE_NULL (name))
COPY items FROM STDIN (FORMAT csv, FORCE_QUOTE (name))
COPY items FROM STDIN (FORMAT csv, FORCE_NULL name)
COPY items FROM STDIN (ENCODING 'nope')
COPY items FROM STDIN CSV FORCE NULL nope
COPY items TO STDOUT CSV FORCE QUOTE nope
COPY items TO STDOUT CSV FORCE NOPE name
"""


def cases() -> list[str]:
    """Each wrong statement, or several of which the last is wrong."""
    groups = (SYNTAX, NAMES, TYPES, GROUPS, CHANGES, SESSION, COPY)
    return [line for group in groups for line in group.strip().splitlines()]


def answer(connection: Any, statements: str) -> tuple[str, str]:
    """(SQLSTATE, message) of the error of the last; a bar parts what is sent apart."""
    import psycopg

    found = ("00000", "")
    connection.prepare_threshold = None
    with connection.cursor() as cursor:
        for text in statements.split("|"):
            found = ("00000", "")
            try:
                if text.startswith("COPY"):
                    with cursor.copy(text) as copy:
                        for _ in copy if "TO STDOUT" in text else ():
                            pass
                else:
                    cursor.execute(text.strip(" ;").encode())
            except psycopg.Error as error:
                found = (error.diag.sqlstate or "", error.diag.message_primary or "")
        cursor.execute("ROLLBACK")
        cursor.execute("DISCARD ALL")
    return found


def recorded() -> list[tuple[str, str, str]]:
    """(statements, SQLSTATE, message) of each case of the file."""
    return [literal_eval(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Ask all."""
    import psycopg

    with psycopg.connect(sys.argv[1], autocommit=True) as connection:
        connection.execute(TEARDOWN)
        connection.execute(SETUP)
        lines = [repr((statements, *answer(connection, statements))) for statements in cases()]
        connection.execute(TEARDOWN)
    RECORDED.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
