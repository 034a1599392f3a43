"""to_char of numbers: what PostgreSQL makes of them, in both executors."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sqlengine
from sqlengine.errors import DataError, InvalidPattern
from sqlengine.functions.number_text import number_text

KINDS = {"numeric": Decimal, "double precision": float, "bigint": int}
Case = tuple[str, str, str, str]
"""(type, number, pattern, PostgreSQL's answer)."""


def cases() -> list[Case]:
    lines = Path(__file__).with_name("numbers_by_postgresql.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [
        (kind, number, form, answer)
        for said, number, form, answer in rows
        for kind in (KINDS if said == "any" else (said,))
        if not (kind == "bigint" and "." in number) and not is_known(form, answer)
    ]


def is_known(form: str, answer: str) -> bool:
    """PostgreSQL 15 writes 9.99 as 10e+00."""
    return form.endswith("EEEE") and answer.startswith((" 10e", " 10.00e"))


def written(kind: str, number: str, form: str) -> str:
    try:
        return number_text(KINDS[kind](number), form)
    except DataError as error:
        return f"!{error.sqlstate}"


def test_kernels_write_what_postgresql_writes() -> None:
    assert [(*case, got) for case in cases() if (got := written(*case[:3])) != case[3]] == []


def test_selects_and_views_write_what_kernels_write() -> None:
    asked = [case for case in cases() if not case[3].startswith("!")]
    forms = list(dict.fromkeys(form for _, _, form, _ in asked))
    columns = ", ".join(f"to_char(x, '{form}')" for form in forms)
    named = ", ".join(f"to_char(x, '{form}') AS c{i}" for i, form in enumerate(forms))
    with sqlengine.connect() as db:
        for kind in KINDS:
            numbers = list(dict.fromkeys(number for k, number, _, _ in asked if k == kind))
            db.execute(f"DROP STREAM IF EXISTS s CASCADE; CREATE STREAM s (t TEXT, x {kind})")
            rows = ", ".join(f"('{number}', {number})" for number in numbers)
            db.execute(f"INSERT INTO s VALUES {rows}; CREATE MATERIALIZED VIEW v AS SELECT t, {named} FROM s; WAIT")
            selected = sorted(db.execute(f"SELECT t, {columns} FROM s").fetchall())
            assert sorted(db.execute("SELECT * FROM v").fetchall()) == selected
            answers = {(number, form): answer for k, number, form, answer in asked if k == kind}
            for number, *texts in selected:
                for form, text in zip(forms, texts, strict=True):
                    assert text == answers.get((number, form), text), (kind, number, form)


@pytest.mark.parametrize("query", ["SELECT to_char(1, '9.9.9')", "SELECT to_char(x, '9PR9') FROM s"])
def test_patterns_that_contradict_themselves_are_refused(query: str) -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (x NUMERIC(5, 2)); INSERT INTO s VALUES (1.5)")
        with pytest.raises(InvalidPattern) as refused:
            db.execute(query)
        assert refused.value.sqlstate == "42601"
        assert db.execute("SELECT to_char(x, NULL), to_char(NULL::int, '9') FROM s").fetchall() == [(None, None)]


WORDS = ["9", "0", ".", "D", ",", "G", "FM", "S", "MI", "PL", "SG", "PR", "TH", "V", "L", "EEEE", "RN", "x", '"q', "\\"]


@given(
    st.one_of(st.decimals(allow_nan=True, allow_infinity=True), st.floats(), st.integers(-(2**63), 2**63 - 1)),
    st.lists(st.sampled_from(WORDS), max_size=8).map("".join),
)
def test_no_pattern_is_too_strange(number: Decimal | float | int, form: str) -> None:
    try:
        assert isinstance(number_text(number, form), str)
    except InvalidPattern:
        pass
