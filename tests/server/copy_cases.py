"""Options of COPY and headers of its data, and the file of what PostgreSQL 15 says of them.

`python -m tests.server.copy_cases postgresql://...` asks a PostgreSQL and writes the file anew: a line a case, of the
statement, the data, and SQLSTATE and message of the error, or the tag.
"""

from __future__ import annotations

import sys
from ast import literal_eval
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).with_name("postgres_copy.txt")
TABLE = 'CREATE TABLE copied (id BIGINT, "a b" TEXT, "na""me" TEXT)'
IN, OUT = "COPY copied FROM STDIN", "COPY copied TO STDOUT"
MATCH, CSV_MATCH = f"{IN} (HEADER MATCH)", f"{IN} (FORMAT csv, HEADER MATCH)"

OPTIONS = [
    "(HEADER)", "(HEADER true)", "(HEADER ON)", "(HEADER 1)", "(HEADER 0)", "(HEADER off)", "(HEADER MATCH)",
    "(HEADER 'match')", "(HEADER matches)", "(HEADER 2)", "(FORMAT binary, HEADER)", "(FORMAT binary, HEADER false)",
    "(FORMAT binary, HEADER match)", "(FORMAT csv, HEADER match)", "(FORMAT csv, FORMAT csv)", "(HEADER, HEADER)",
    "(DELIMITER ',', DELIMITER ',')", "(FORMAT nope)", "(NOPE)", "(NOPE 1)", "(DELIMITER ',,')", "(DELIMITER '')",
    "(DELIMITER 'a')", "(DELIMITER '1')", "(DELIMITER '.')", "(DELIMITER E'\\n')", "(DELIMITER E'\\\\')",
    "(FORMAT csv, DELIMITER 'a')", "(FORMAT csv, DELIMITER '\"')", "(FORMAT binary, DELIMITER ',')",
    "(FORMAT binary, NULL 'x')", "(NULL E'a\\nb')", "(NULL E'a\\tb')", "(FORMAT csv, NULL 'a,b')",
    "(FORMAT csv, NULL 'a\"b')", "(FORMAT csv, NULL E'a\\rb')", "(QUOTE '''')", "(ESCAPE '''')",
    "(FORMAT csv, QUOTE '''')", "(FORMAT csv, QUOTE 'ab')", "(FORMAT csv, QUOTE '')", "(FORMAT csv, ESCAPE 'ab')",
    "(FORMAT binary, QUOTE '''')", "(FREEZE false)", "(FREEZE maybe)", "(ENCODING 'UTF8')",
]  # fmt: skip

HEADERS = [
    (MATCH, 'id\ta b\tna"me\n1\tx\ty\n'),
    (MATCH, 'id\ta b\tna"me\r\n1\tx\ty\r\n'),
    (MATCH, 'id\ta b\tna"me'),
    (MATCH, ""),
    (MATCH, "\n"),
    (MATCH, 'ID\ta b\tna"me\n'),
    (MATCH, "id\ta b\n1\tx\n"),
    (MATCH, 'id\ta b\tna"me\tmore\n'),
    (MATCH, 'id\t\\N\tna"me\n'),
    (MATCH, 'id\ta\\x20b\tna\\"me\n1\tx\ty\n'),
    (MATCH, 'na"me\ta b\tid\n'),
    (MATCH, "1\tx\ty\n"),
    (f"{IN} (HEADER MATCH, DELIMITER ';', NULL 'nil')", 'id;a b;na"me\n1;nil;y\n'),
    (f"{IN} (HEADER MATCH, DELIMITER ';', NULL 'nil')", 'id;nil;na"me\n1;nil;y\n'),
    ('COPY copied ("na""me", id) FROM STDIN (HEADER MATCH)', 'na"me\tid\nx\t1\n'),
    ('COPY copied ("na""me", id) FROM STDIN (HEADER MATCH)', 'id\tna"me\nx\t1\n'),
    (CSV_MATCH, 'id,a b,"na""me"\n1,x,y\n'),
    (CSV_MATCH, '"id","a b","na""me"\r\n1,x,y\r\n'),
    (CSV_MATCH, 'id,a" "b,na"""me"\n1,x,y\n'),
    (CSV_MATCH, 'id,a b,"na""me",\n1,x,y\n'),
    (CSV_MATCH, 'id,,"na""me"\n1,x,y\n'),
    (CSV_MATCH, 'id,"","na""me"\n1,x,y\n'),
    (CSV_MATCH, 'id,"a\nb","na""me"\n1,x,y\n'),
    (CSV_MATCH, ""),
    (CSV_MATCH, "id\n"),
    (CSV_MATCH, 'id, a b,"na""me"\n'),
    (CSV_MATCH, 'Id,a b,"na""me"\n'),
    (f"{IN} (FORMAT csv, HEADER MATCH, QUOTE '''', NULL 'a b')", "id,'a b',na\"me\n1,a b,y\n"),
    (f"{IN} (FORMAT csv, HEADER MATCH, QUOTE '''', NULL 'a b')", "id,a b,na\"me\n1,a b,y\n"),
    (f"{IN} (FORMAT csv, HEADER MATCH, DELIMITER E'\\t')", 'id\ta b\t"na""me"\n1\tx\ty\n'),
    (f"{IN} (FORMAT csv, HEADER)", 'what,ever\n1,x,y\n'),
    (f"{IN} (HEADER)", "what\n1\tx\ty\n"),
    (f"{IN} (FORMAT csv, HEADER false)", "1,x,y\n"),
]  # fmt: skip


def cases() -> list[tuple[str, str]]:
    """(statement, data), the data empty where the client is to read."""
    return [(f"{way} {option}", "") for option in OPTIONS for way in (IN, OUT)] + HEADERS


def answer(connection: Any, statement: str, data: str) -> tuple[str, str]:
    """(SQLSTATE, message) of the error, or ("00000", tag) with what was copied out."""
    import psycopg

    try:
        with connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                if "FROM STDIN" in statement:
                    copy.write(data.encode())
                    said = ""
                else:
                    said = b"".join(map(bytes, copy)).decode("latin-1")
            return "00000", f"{cursor.statusmessage} {said}".rstrip(" ")
    except psycopg.Error as error:
        return error.diag.sqlstate or "", error.diag.message_primary or ""


def recorded() -> list[tuple[str, str, str, str]]:
    """(statement, data, SQLSTATE, message or tag) of each case of the file."""
    return [literal_eval(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Ask all, each of an empty table."""
    import psycopg

    with psycopg.connect(sys.argv[1], autocommit=True) as connection:
        connection.execute(f"DROP TABLE IF EXISTS copied; {TABLE}")
        lines = []
        for statement, data in cases():
            connection.execute("TRUNCATE copied")
            lines.append(repr((statement, data, *answer(connection, statement, data))))
        connection.execute("DROP TABLE copied")
    RECORDED.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
