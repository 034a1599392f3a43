"""What DuckDB's extension `postgres` asks of a database it attaches: `python duckdb_client.py PORT DATABASE`.

Needs the package `duckdb-ext-postgres`, which carries the extension that DuckDB else downloads.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import duckdb_ext
from answers import Answers

QUESTIONS = {
    "a table": "SELECT * FROM pg.public.customers ORDER BY id",
    "a stream": "SELECT * FROM pg.orders ORDER BY id",
    "a view": "SELECT * FROM pg.big_orders",
    "a materialized view": "SELECT * FROM pg.totals ORDER BY customer",
    "another schema": "SELECT * FROM pg.sales.items",
    "what there is": "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
    "WHERE database_name = 'pg' AND schema_name IN ('public', 'sales') ORDER BY ALL",
    "a join": "SELECT o.id, t.n FROM pg.orders AS o JOIN pg.totals AS t USING (customer) WHERE o.amount > 100",
    "a count": "SELECT count(*), sum(amount) FROM pg.orders",
    "some rows": "SELECT name FROM pg.customers WHERE id IN (1, 2) AND name LIKE 'A%' LIMIT 1",
    "a query": "FROM postgres_query('pg', 'SELECT customer, sum(amount) AS s FROM orders GROUP BY 1 ORDER BY 1')",
    "a table of its own": "CREATE TABLE pg.made (a INTEGER, b VARCHAR, c DECIMAL(10,2), d TIMESTAMP, "
    "e BOOLEAN, f DOUBLE, g INTEGER[], h DATE, i BLOB)",
    "rows put in": "INSERT INTO pg.made SELECT range, 'x' || range, range / 4, TIMESTAMP '2024-01-01 01:02:03', "
    "range % 2 = 0, 1.5, [1, NULL], DATE '1999-12-31', '\\x00\\xFF'::BLOB FROM range(5000)",
    "the catalog again": "CALL pg_clear_cache()",
    "rows read back": "SELECT count(*), sum(a), min(b), sum(c), min(d), count_if(e), sum(f), min(g), max(h), min(i) "
    "FROM pg.made",
    "one of them": "SELECT * FROM pg.made WHERE a = 7",
    "a copy of a view": "CREATE TABLE pg.copied AS SELECT customer, n FROM pg.totals",
    "the copy": "SELECT * FROM pg.copied ORDER BY customer",
    "begin": "BEGIN",
    "more rows": "INSERT INTO pg.copied VALUES ('Cy', 7)",
    "rolled back": "ROLLBACK",
    "the copy as before": "SELECT count(*) FROM pg.copied",
    "a command": "CALL postgres_execute('pg', 'INSERT INTO copied VALUES (''D'', 1)')",
    "its row": "SELECT n FROM pg.copied WHERE customer = 'D'",
    "an error of the server": "FROM postgres_query('pg', 'SELECT nope')",
    "dropping": "DROP TABLE pg.made",
    "dropping again": "DROP TABLE pg.copied",
}


def main(port: str, database: str) -> None:
    """Ask everything."""
    answers = Answers()
    (extension,) = [
        found for folder in duckdb_ext.__path__ for found in Path(folder).rglob("postgres_scanner.duckdb_extension")
    ]
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension}'")
    connection.execute(f"ATTACH 'host=127.0.0.1 port={port} user=me dbname={database}' AS pg (TYPE postgres)")
    for name, text in QUESTIONS.items():
        answers.ask(name, lambda text=text: connection.execute(text).fetchall())
    answers.tell()


if __name__ == "__main__":
    main(*sys.argv[1:])
