"""Functions of texts and bytes: what PostgreSQL answers, from constants, from columns and in a materialized view."""

from __future__ import annotations

from pathlib import Path

import pytest

import sqlengine
from sqlengine import errors

Case = tuple[str, str, str, str]
"""(type, value, expression over {x}, PostgreSQL's answer)."""


def cases() -> list[Case]:
    lines = Path(__file__).with_name("texts_by_postgresql.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(kind, value, expression, answer) for kind, value, expression, answer in rows]


ANSWERED = [case for case in cases() if not case[3].startswith("!")]
REFUSED = [case for case in cases() if case[3].startswith("!")]


def asked(expression: str, x: str) -> str:
    return f"format('%L', {expression.replace('{x}', x)})"


def table(db: sqlengine.Connection, found: list[Case]) -> None:
    """A stream `s` of one row with the values of the cases side by side."""
    db.execute("CREATE STREAM s (" + ", ".join(f"x{i} {case[0]}" for i, case in enumerate(found)) + ")")
    db.execute("INSERT INTO s SELECT " + ", ".join(f"CAST({case[1]} AS {case[0]})" for case in found))


def test_constants_columns_and_views_answer_as_postgresql() -> None:
    expected = [case[3] for case in ANSWERED]
    with sqlengine.connect() as db:
        table(db, ANSWERED)
        constants = [asked(case[2], f"CAST({case[1]} AS {case[0]})") for case in ANSWERED]
        columns = [asked(case[2], f"x{i}") for i, case in enumerate(ANSWERED)]
        named = ", ".join(f"{column} AS y{i}" for i, column in enumerate(columns))
        db.execute(f"CREATE MATERIALIZED VIEW v AS SELECT {named} FROM s; WAIT")
        for query in (f"SELECT {', '.join(constants)}", f"SELECT {', '.join(columns)} FROM s", "SELECT * FROM v"):
            (row,) = db.execute(query).fetchall()
            wrong = [(*c, got) for c, want, got in zip(ANSWERED, expected, row, strict=True) if got != want]
            assert not wrong, query[:20]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[2]} of {case[1]}")
def test_refusals_are_postgresqls(case: Case) -> None:
    kind, value, expression, answer = case
    with sqlengine.connect() as db:
        table(db, [case])
        constant = asked(expression, f"CAST({value} AS {kind})")
        for query in (f"SELECT {constant}", f"SELECT {constant} FROM s", f"SELECT {asked(expression, 'x0')} FROM s"):
            with pytest.raises(errors.Error) as refused:
                db.execute(query).fetchall()
            assert refused.value.sqlstate == answer[1:], query
