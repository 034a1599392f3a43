"""Writes postgres_values.txt: how a real PostgreSQL sends values, in text and in binary.

python -m tests.server.record_values postgresql://localhost:5432/postgres > tests/server/postgres_values.txt
"""

from __future__ import annotations

import sys

import psycopg

VALUES: dict[str, list[str]] = {
    "bool": ["true", "false"],
    "int2": ["0", "1", "-1", "32767", "-32768"],
    "int4": ["0", "1", "-1", "2147483647", "-2147483648"],
    "int8": ["0", "1", "-1", "9223372036854775807", "-9223372036854775808"],
    "float4": ["0", "-0", "1.5", "1e10", "1e-7", "3.4028235e38", "1e-45", "NaN", "Infinity", "-Infinity", "16777216"],
    "float8": ["0", "-0", "0.1", "1e15", "1e16", "123456789012.5", "1e-5", "1.7976931348623157e308", "5e-324", "NaN",
               "Infinity", "-Infinity"],
    "numeric(20,6)": ["0", "1", "-1", "0.000001", "-0.000001", "12345678901234.567891", "10000", "9999.9999", "0.1",
                      "100000000", "-99990000.000100"],
    "numeric(38,0)": ["0", "1", "-12345678901234567890123456789012345678", "10000", "99999999", "100000000"],
    "numeric(10,10)": ["0", "0.0000000001", "-0.9999999999", "0.0001", "0.00010000"],
    "numeric(5,1)": ["9999.9", "-0.1", "10", "0"],
    "text": ["", "a", "naïve ☃ 𝄞", "NULL", "a\tb\nc\\d", "{}"],
    "bytea": ["\\x", "\\x00ff10", "\\x5c"],
    "date": ["2000-01-01", "1999-12-31", "1970-01-01", "0001-01-01", "9999-12-31", "0044-03-15 BC", "5874897-12-31",
             "infinity", "-infinity"],
    "time": ["00:00:00", "23:59:59.999999", "12:34:56.5", "24:00:00"],
    "timestamp": ["2000-01-01", "1999-12-31 23:59:59.999999", "1970-01-01", "0001-01-01", "2024-02-29 12:34:56.789",
                  "9999-12-31 23:59:59.999999", "infinity", "-infinity"],
    "timestamptz": ["2000-01-01 00:00:00+00", "2024-07-01 12:00:00+02", "1900-01-01 00:00:00+00", "infinity"],
    "interval": ["0", "1 year 2 mons 3 days 04:05:06.789", "-1 mons +2 days -00:00:01", "25:00:00", "-1 day",
                 "100 years", "1 microsecond", "-00:00:00.5"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "550e8400-e29b-41d4-a716-446655440000",
             "ffffffff-ffff-ffff-ffff-ffffffffffff"],
    "json": ['{"a": [1, 2.5, null]}', '"x"', "null"],
    "int4[]": ["{}", "{1}", "{1,NULL,-3}", "{{1,2},{3,4}}"],
    "int8[]": ["{9223372036854775807}"],
    "text[]": ["{}", '{a,"b c","",NULL,"NULL","d\\"e\\\\f"}', '{"{}","a,b"}'],
    "float8[]": ["{1.5,NaN}"],
    "bool[]": ["{t,f,NULL}"],
    "timestamp[]": ['{"2024-01-01 00:00:00",NULL}'],
    "numeric(10,2)[]": ["{1.50,-0.01,0,NULL}"],
    "uuid[]": ["{550e8400-e29b-41d4-a716-446655440000}"],
    "date[]": ["{2000-01-02}"],
}  # fmt: skip


def main() -> None:
    """Ask, and print a line a value: type, literal, text sent, bytes sent in hexadecimal, oid and modifier."""
    with psycopg.connect(sys.argv[1]) as connection:
        connection.execute("SET timezone = 'UTC'")
        for kind, literals in VALUES.items():
            for literal in literals:
                query = f"SELECT E'{literal.replace(chr(92), chr(92) * 2)}'::{kind}".encode()
                told = [connection.pgconn.exec_params(query, [], result_format=code) for code in (0, 1)]
                text, raw = (result.get_value(0, 0) for result in told)
                print(repr((kind, literal, text.decode(), raw.hex(), told[0].ftype(0), told[0].fmod(0))))


if __name__ == "__main__":
    main()
