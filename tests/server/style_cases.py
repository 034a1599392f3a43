"""Values in a session's styles, and the file of how PostgreSQL 15 writes them.

`python -m tests.server.style_cases postgresql://...` asks a PostgreSQL and writes the file anew: a line a case, of the
settings, the query and the text of its one value.
"""

from __future__ import annotations

import sys
from ast import literal_eval
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).with_name("postgres_styles.txt")
MOMENTS = [
    "DATE '2024-02-29'", "DATE '0044-03-15 BC'", "DATE 'infinity'", "DATE '12345-06-07'",
    "TIMESTAMP '2024-02-29 12:34:56.789'", "TIMESTAMP '1999-12-31 23:59:59.999999'", "TIMESTAMP '0044-03-15 10:00 BC'",
    "TIMESTAMP '-infinity'", "TIMESTAMPTZ '2024-02-29 12:34:56.5+00'", "TIMESTAMPTZ '2024-07-29 12:00:00+00'",
    "TIMESTAMPTZ 'infinity'", "TIMESTAMPTZ '1950-01-01 00:00+00'", "TIMESTAMPTZ '2090-07-01 00:00+00'",
    "ARRAY[TIMESTAMP '2024-02-29 12:34:56']", "ARRAY[DATE '2024-02-29', NULL]",
]  # fmt: skip
INTERVALS = [
    "0 seconds", "1 year 2 mons 3 days 04:05:06.789", "-1 year -2 mons +3 days -04:05:06", "1 day", "-1 day", "2 years",
    "1 mon", "00:00:01", "-00:00:01", "00:00:00.5", "25:00:00", "-1 mon +1 day", "1 day -1 hour", "1 year", "-3 mons",
    "00:01:00", "1 microsecond", "10 days 00:00:01", "-10 days -00:00:01.25", "-1 year +1 sec",
]  # fmt: skip
FLOATS = ["0.1::float8", "1.0::float8 / 3", "123456789012345678::float8", "1e-7::float8", "0.1::float4",
          "16777217::float4", "'NaN'::float8", "'-Infinity'::float8", "1e300::float8", "100000::float8",
          "ARRAY[0.1::float8, NULL]"]  # fmt: skip
BYTES = [r"'\x00ff41'::bytea", r"'\x5c'::bytea", "''::bytea", r"'\x7e7f20'::bytea", r"ARRAY['\x00'::bytea, NULL]"]
ZONES = ["2", "-5", "5.5", "'+3'", "LOCAL", "DEFAULT", "'Europe/Berlin'", "INTERVAL '+02:00' HOUR TO MINUTE",
         "INTERVAL '-03:30' HOUR TO MINUTE", "INTERVAL '-8' HOUR", "INTERVAL '2 hours'", "'<+02>-02'", "'utc'",
         "'EST5EDT'"]  # fmt: skip


def cases() -> list[tuple[str, str]]:
    """(settings, query of one value)."""
    styles = [f"SET datestyle = '{style}, {order}'" for style in ("ISO", "SQL", "Postgres") for order in ("MDY", "DMY")]
    styles += ["SET datestyle = German", "SET datestyle = 'SQL, YMD'", "SET datestyle = 'Postgres, YMD'"]
    zoned = [f"{style}; SET timezone = '{zone}'" for style in styles for zone in ("UTC", "Europe/Berlin")]
    zoned += ["SET datestyle = SQL; SET TIME ZONE 2", "SET datestyle = Postgres; SET TIME ZONE -3.5"]
    forms = ("postgres", "postgres_verbose", "sql_standard", "iso_8601")
    digits = (3, 1, 0, -1, -5, -15)
    return [
        *[(style, f"SELECT {moment}") for style in zoned for moment in MOMENTS],
        *[(f"SET intervalstyle = {form}", f"SELECT INTERVAL '{text}'") for form in forms for text in INTERVALS],
        *[(f"SET extra_float_digits = {count}", f"SELECT {value}") for count in digits for value in FLOATS],
        *[(f"SET bytea_output = {form}", f"SELECT {value}") for form in ("hex", "escape") for value in BYTES],
        *[(f"SET TIME ZONE {zone}", query) for zone in ZONES for query in ("SHOW timezone", f"SELECT {MOMENTS[8]}")],
        *[(f"SET datestyle = '{style}'", "SHOW datestyle")
          for style in ("German", "German, MDY", "SQL", "dmy", "postgres, euro", "ISO, US", "default", "sql,ymd")],
    ]  # fmt: skip


def answer(connection: Any, settings: str, query: str) -> str:
    """The text of the one value."""
    for setting in settings.split("; "):
        connection.execute(setting)
    result = connection.pgconn.exec_(query.encode())
    text = result.get_value(0, 0)
    connection.execute("RESET ALL")
    return text.decode() if text is not None else result.error_message.decode()


def recorded() -> list[tuple[str, str, str]]:
    """(settings, query, text) of each case of the file."""
    return [literal_eval(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Ask all."""
    import psycopg

    with psycopg.connect(sys.argv[1], autocommit=True) as connection:
        connection.prepare_threshold = None
        lines = [repr((*case, answer(connection, *case))) for case in cases()]
    RECORDED.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
