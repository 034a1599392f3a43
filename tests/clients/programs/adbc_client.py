"""What ADBC's driver for PostgreSQL asks: `python adbc_client.py PORT DATABASE`."""

from __future__ import annotations

import datetime as dt
import sys
from decimal import Decimal
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
from answers import Answers

TYPES = """
SELECT 1::smallint AS a, 2::int AS b, 3::bigint AS c, 1.5::real AS d, 2.5::double precision AS e, 'x'::text AS f,
       true AS g, '\\xdead'::bytea AS h, date '2024-01-02' AS i, time '01:02:03' AS j,
       timestamp '2024-01-02 03:04:05.6' AS k, timestamptz '2024-01-02 03:04:05.6+00' AS l,
       interval '1 day 2 hours' AS m, 12.34::numeric(10,2) AS n, ARRAY[1, 2, NULL] AS o, ARRAY['a', NULL] AS p,
       '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid AS q, NULL::text AS r
"""
ROWS = pa.table(
    {
        "a": pa.array([1, 2, None], pa.int64()),
        "b": ["x", None, "z"],
        "c": pa.array([1.5, float("inf"), None]),
        "d": pa.array([dt.datetime(2024, 1, 1, 1, 2, 3, 4)] * 3, pa.timestamp("us")),
        "e": [True, False, None],
        "f": [dt.date(1999, 12, 31)] * 3,
        "g": pa.array([[1], [], None], pa.list_(pa.int32())),
        "h": pa.array([b"a\0", b"", None]),
        "i": pa.array([Decimal("1.23"), Decimal("-100.00"), None], pa.decimal128(10, 2)),
    }
)


def main(port: str, database: str) -> None:
    """Ask everything."""
    answers = Answers()
    with adbc.connect(f"postgresql://me@127.0.0.1:{port}/{database}", autocommit=True) as connection:
        with connection.cursor() as cursor:

            def rows(text: str, parameters: Any = None) -> Any:
                cursor.execute(text, parameters)
                table = cursor.fetch_arrow_table()
                return [[str(field.type) for field in table.schema], table.to_pylist()]

            ask = answers.ask
            ask("a table", lambda: rows("SELECT * FROM customers ORDER BY id"))
            ask("a stream", lambda: rows("SELECT * FROM orders ORDER BY id"))
            ask("a materialized view", lambda: rows("SELECT * FROM totals ORDER BY customer"))
            ask("no rows", lambda: rows("SELECT * FROM big_orders WHERE false"))
            ask("every type", lambda: rows(TYPES))
            ask("a parameter", lambda: rows("SELECT name FROM customers WHERE id = $1", (2,)))
            ask("many rows", lambda: rows("SELECT count(*) FROM generate_series(1, 100000) AS g(n)"))
            for mode in ("create", "append", "replace", "create_append"):
                ask(f"rows put in: {mode}", lambda mode=mode: cursor.adbc_ingest("put_in", ROWS, mode=mode))
                ask(f"rows read back: {mode}", lambda: rows("SELECT * FROM put_in ORDER BY a"))
            more = pa.record_batch({"id": [10, 11], "name": ["x", "y"]})
            ask("many parameters", lambda: cursor.executemany("INSERT INTO customers (id, name) VALUES ($1, $2)", more))
            ask("their rows", lambda: rows("SELECT id, name FROM customers WHERE id >= 10 ORDER BY id"))
            ask("taking them out", lambda: cursor.execute("DELETE FROM customers WHERE id >= 10") and None)
            ask("columns of a query", lambda: str(cursor.adbc_execute_schema("SELECT id, name FROM customers")))
            ask("an error", lambda: rows("SELECT nope FROM customers"))
        ask("columns of a table", lambda: str(connection.adbc_get_table_schema("customers")))
        ask("table types", lambda: sorted(connection.adbc_get_table_types()))
        filters = {"db_schema_filter": "public", "table_name_filter": "customers"}
        ask("objects", lambda: objects(connection.adbc_get_objects(depth="all", **filters).read_all().to_pylist()))
    with adbc.connect(f"postgresql://me@127.0.0.1:{port}/{database}") as connection:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM customers")
            connection.rollback()
            cursor.execute("SELECT count(*) FROM customers")
            answers.ask("after a rollback", cursor.fetchone)
            cursor.execute("DROP TABLE put_in")
            connection.commit()
    answers.tell()


def objects(found: list[dict[str, Any]]) -> list[Any]:
    """Of catalogs, schemas, tables and columns what does not depend on names of databases."""
    schemas = [schema for catalog in found for schema in catalog["catalog_db_schemas"] or ()]
    return sorted(
        [schema["db_schema_name"], table["table_name"], table["table_type"], column["column_name"]]
        for schema in schemas
        for table in schema["db_schema_tables"] or ()
        for column in table["table_columns"] or ()
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
