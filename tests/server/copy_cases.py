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
CONTENTS_OF = "COPY (SELECT * FROM copied ORDER BY 1, 2, 3) TO STDOUT (FORMAT csv, FORCE_QUOTE *)"
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
    "(ENCODING 'nope')", "(ENCODING 'latin1')", "(FORMAT csv, FORCE_NULL (id))", "(FORMAT csv, FORCE_NOT_NULL (id))",
    "(FORMAT csv, FORCE_QUOTE (id))", "(FORMAT csv, FORCE_QUOTE *)", "(FORCE_NULL (id))", "(FORCE_NOT_NULL (id))",
    "(FORCE_QUOTE (id))", "(FORMAT csv, FORCE_NULL (nope))", "(FORMAT csv, FORCE_NULL id)",
    "(FORMAT csv, FORCE_NULL (id), FORCE_NULL (id))", "CSV FORCE QUOTE id", "CSV FORCE NULL id",
    "CSV FORCE NOT NULL id", "CSV FORCE NOPE id", "CSV FORCE QUOTE",
    "WITH CSV HEADER QUOTE '\"' ESCAPE AS '\\' NULL AS 'x'",
    "WITH DELIMITER AS ';' NULL AS ''", "BINARY", "WITH BINARY", "CSV CSV", "DELIMITERS ','",
    "WITH CSV ENCODING 'UTF8'",
]  # fmt: skip

FORCED = "(FORMAT csv, NULL 'nil', {})"
ROWS = '1,nil,"nil"\n2,"nil",nil\n3,"",\n4,x,"y"\n'
ESCAPED = r"""1,"a\"b","c\\d"
2,a\b,"e\f"
3,"a""b","g\"
\"h"
4,"","\"\"\\\""
"""

CONTENTS = [
    (f"{IN} {FORCED.format(option)}", ROWS)
    for option in ("HEADER false", 'FORCE_NULL ("a b")', 'FORCE_NULL ("na""me")', 'FORCE_NULL ("a b", "na""me")',
                   'FORCE_NOT_NULL ("a b")', 'FORCE_NOT_NULL ("a b", "na""me")',
                   'FORCE_NULL ("a b"), FORCE_NOT_NULL ("na""me")', 'FORCE_NULL ("a b"), FORCE_NOT_NULL ("a b")')
] + [
    (f"{IN} (FORMAT csv, FORCE_NULL (id))", '"",x,y\n'),
    (f"{IN} (FORMAT csv, FORCE_NOT_NULL (id))", ",x,y\n"),
    (f'COPY copied ("a b") {IN[12:]} (FORMAT csv, FORCE_NULL (id))', "x\n"),
    (f'{IN} CSV FORCE NULL "a b", "na""me"', '1,"",""\n'),
    (f'{IN} WITH CSV FORCE NOT NULL "a b"', "1,,\n"),
    (f"{IN} (FORMAT csv, ESCAPE E'\\\\')", ESCAPED),
    (f"{IN} (FORMAT csv, ESCAPE E'\\\\')", '1,"a\\"\n'),
    (f"{IN} (FORMAT csv, ESCAPE E'\\\\', HEADER MATCH)", 'id,a b,"na\\"me"\n1,"\\"",x\n'),
    (f"{IN} (FORMAT csv, QUOTE '''', ESCAPE '^')", "1,'a^'b','c^^d^e'\n"),
    (f"{IN} (FORMAT csv, QUOTE '''', ESCAPE 'a')", "1,'aa','a''\n2,a,b\n"),
    (f"{IN} WITH CSV HEADER QUOTE '\"' ESCAPE AS E'\\\\' NULL AS 'x'", 'h,h,h\n1,"\\"",x\n'),
    (f"{IN} (FORMAT csv)", "1,a\n"),
    (f"{IN} (FORMAT csv)", "1,a,b,c\n"),
    (f"{IN} (FORMAT csv)", "x,a,b\n"),
    (f"{IN} (FORMAT csv)", "1,a,b\n\n2,c,d\n"),
    (f"{IN} (FORMAT csv)", '1,"a,b\n'),
    (f'COPY copied ("a b") {IN[12:]} (FORMAT csv)', "a\n\nb\n"),
    (f'COPY copied ("a b") {IN[12:]}', "a\n\nb\n"),
    (f"{IN}", "1\ta\n"),
    (f"{IN}", "1\ta\tb\tc\n"),
    (f"{IN}", "x\ta\tb\n"),
    (f"{IN}", "1\ta\\tb\t\\\\N\n\\.\n"),
    (f"{IN} (ENCODING 'latin1')", "1\t\u00e9\t\u00c3\n"),
    (f"{IN} (FORMAT csv, ENCODING 'EUC_JP')", "1,\u00a4\u00a2,x\n"),
    (f"{IN} (ENCODING 'UTF8')", "1\t\u00e9\tx\n"),
]  # fmt: skip
"""With what is sent as bytes of LATIN1; a good one is followed by what the table then has."""

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
    return [(f"{way} {option}", "") for option in OPTIONS for way in (IN, OUT)] + HEADERS + CONTENTS


def answer(connection: Any, statement: str, data: str) -> tuple[str, str]:
    """(SQLSTATE, message) of the error, or ("00000", tag) with what was copied out."""
    import psycopg

    try:
        with connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                if "FROM STDIN" in statement:
                    copy.write(data.encode("latin-1"))
                    said = ""
                else:
                    said = b"".join(map(bytes, copy)).decode("latin-1")
            tag = cursor.statusmessage
            if data:
                with cursor.copy(CONTENTS_OF) as copy:
                    said = b"".join(map(bytes, copy)).decode()
            return "00000", f"{tag} {said}".rstrip(" ")
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
