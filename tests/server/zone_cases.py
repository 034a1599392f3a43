"""Moments whose text names no zone, in sessions of several zones: statements, and the file of what PostgreSQL 15
answers.

`python -m tests.server.zone_cases postgresql://...` asks a PostgreSQL and writes the file anew: a line a step.
"""

from __future__ import annotations

import sys
from ast import literal_eval
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).with_name("postgres_zones.txt")
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC")
TEARDOWN = "DROP VIEW IF EXISTS late; DROP TABLE IF EXISTS moments"
SETUP = "CREATE TABLE moments (id INT PRIMARY KEY, ts TIMESTAMPTZ, l TIMESTAMP, d DATE, t TEXT)"
COPIED = (
    "{0}1\t2024-03-31 02:30\t2024-07-01 12:00\t2024-07-01\t2024-07-01 00:15\n{0}2\t2024-07-01 12:00+05\t\\N\t\\N\t\\N\n"
)
"""Rows of COPY, of which {0} is the number of the zone; the first is in Berlin's lost hour."""

QUERIES = (
    "SELECT '2024-07-01 12:00'::timestamptz::text",
    "SELECT TIMESTAMPTZ '2024-10-27 02:30' = '2024-10-27 01:30+00'",
    "SELECT CAST('2024-07-01' AS TIMESTAMP WITH TIME ZONE)::text",
    "SELECT '2024-07-01 12:00'::timestamptz AT TIME ZONE 'UTC'",
    "SELECT '2024-07-01 12:00'::timestamp AT TIME ZONE 'Asia/Tokyo'",
    "SELECT date_trunc('day', '2024-07-01 00:30'::timestamptz)",
    "SELECT date_trunc('month', '2024-06-30 23:30+00'::timestamptz)",
    "SELECT '2024-07-01 23:30+00'::timestamptz::date, '2024-07-01 23:30+00'::timestamptz::time",
    "SELECT '2024-07-01 12:00'::timestamp::timestamptz, '2024-07-01'::date::timestamptz",
    "SELECT '2024-07-01 12:00+00'::timestamptz::timestamp",
    "SELECT extract(hour from '2024-07-01 23:30+00'::timestamptz)::int",
    "SELECT '2024-03-30 12:00'::timestamptz + interval '1 day'",
    "SELECT to_char('2024-07-01 23:30+00'::timestamptz, 'YYYY-MM-DD HH24:MI')",
    "SELECT '{2024-07-01 12:00,2024-01-01 12:00}'::timestamptz[]",
    "SELECT id, ts, ts::text, ts::date FROM moments ORDER BY id",
    "SELECT id FROM moments WHERE ts > '2024-07-01 12:00' ORDER BY id",
    "SELECT id FROM moments WHERE ts < d ORDER BY id",
    "SELECT id, t::timestamptz FROM moments WHERE t IS NOT NULL ORDER BY id",
    "SELECT id, ts::date, count(*) OVER (PARTITION BY date_trunc('day', ts)) FROM moments ORDER BY id",
)
VIEW = (
    "CREATE VIEW late AS SELECT id, ts > '2024-07-01 12:00' AS is_late, "
    "'2024-07-01 12:00'::timestamptz AS at FROM moments"
)


def answers(connection: Any) -> list[Any]:
    """What a server answers, in text, step by step."""
    found: list[Any] = []
    connection.execute(SETUP)
    for number, zone in enumerate(ZONES, 1):
        connection.execute(f"SET TimeZone = '{zone}'")
        with connection.cursor().copy("COPY moments FROM STDIN") as copy:
            copy.write(COPIED.format(number))
        at = 10 * number + 3
        connection.execute(f"INSERT INTO moments (id, ts) VALUES ({at}, '2024-07-01 12:00')")
        connection.execute(f"INSERT INTO moments (id, ts) SELECT {at + 1}, l FROM moments WHERE id = {10 * number + 1}")
        connection.execute("INSERT INTO moments (id, ts) VALUES (%s, %s)", [at + 2, "2024-07-01 12:00"])
        connection.execute(f"UPDATE moments SET l = ts, d = ts WHERE id = {at + 2}")
        if number == 1:
            connection.execute(VIEW)
        for query in (*QUERIES, "SELECT * FROM late ORDER BY id"):
            found.append((zone, query, _texts(connection, query, [])))
        found.append((zone, "%s", _texts(connection, "SELECT %s::timestamptz", ["2024-07-01 12:00"])))
        with connection.cursor().copy("COPY moments TO STDOUT") as copy:
            found.append((zone, "COPY", sorted(b"".join(copy).decode().splitlines())))
    return found


def _texts(connection: Any, query: str, parameters: list[str]) -> list[tuple[str | None, ...]]:
    """The rows as the server writes them."""
    cursor = connection.execute(query, parameters)
    result = cursor.pgresult
    cells = [[result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)]
    return [tuple(None if cell is None else cell.decode() for cell in row) for row in cells]


def recorded() -> list[Any]:
    """PostgreSQL's."""
    return [literal_eval(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Write the file anew."""
    import psycopg

    with psycopg.connect(sys.argv[1], autocommit=True) as connection:
        connection.execute(TEARDOWN)
        lines = [repr(step) for step in answers(connection)]
        connection.execute(TEARDOWN)
    RECORDED.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
