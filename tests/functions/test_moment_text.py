"""Texts of dates and times: what PostgreSQL makes of them, in both executors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sqlengine
from sqlengine.errors import DataError, InvalidDatetime
from sqlengine.functions.casting import cast_kernel
from sqlengine.moment_text import is_plain, readable
from sqlengine.pgtext import to_text_array
from sqlengine.reading import reading_in
from sqlengine.types import TIMESTAMP, TIMESTAMPTZ

KINDS = {"date": pa.date32(), "time": pa.time64("us"), "timestamp": TIMESTAMP, "timestamptz": TIMESTAMPTZ}
Case = tuple[str, str, str, str]
"""(order, text, kind, what PostgreSQL answers)."""


def cases() -> list[Case]:
    lines = Path(__file__).with_name("moments_by_postgresql.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [
        (order, text, kind, answer)
        for said, text, *answers in rows
        for order in (("MDY", "DMY", "YMD") if said == "any" else (said,))
        for kind, answer in zip(KINDS, answers, strict=True)
    ]


def by_kernel(order: str, text: str, kind: str) -> str:
    with reading_in("UTC", order):
        try:
            return str(to_text_array(cast_kernel(pa.string(), KINDS[kind])(pa.array([text])))[0].as_py())
        except DataError as error:
            return f"!{error.sqlstate}"


OF_A_MOMENT = frozenset(
    ("January 5 2024 10:00 PM", "2024-01-05T10:00:00Z", "2024-01-05 040506.789", "Fri Jan 5 10:00:00 2024",
     "Fri Jan 5 10:00:00 2024 PST", "2024-01-05 at 10:00", "Jan 5 2024 10:00:00.5 PM",
     "2024-01-05T22:00:00.123456+05:30", "Jan 5 22:00:00 UTC 2024")
)  # fmt: skip
"""PostgreSQL takes a time out of some texts of moments and not out of others; here it is taken out of all."""
NO_TIMES = frozenset(("2024-005", "2024-01", "2024-000"))
"""20:24:00 in PostgreSQL, and a zone; here no time."""
YEAR_0 = frozenset((("0000-01-01", "date"), ("0000-01-01", "timestamp")))
"""The year before 1, as ISO 8601 counts; also `2024-01-05 10`, ten o'clock, is read where all other texts are plain."""


def is_known(text: str, kind: str) -> bool:
    of_time = kind == "time" and text in OF_A_MOMENT | NO_TIMES
    return of_time or (text, kind) in YEAR_0 or (text, kind) == ("2024-01-05 10", "timestamp")


def differing(read: Callable[[str, str, str], str]) -> list[tuple[str, ...]]:
    """Cases that are not answered as PostgreSQL answers; which refusal it is does not count."""
    asked = [case for case in cases() if not is_known(case[1], case[2])]
    found = [(order, text, kind, answer, read(order, text, kind)) for order, text, kind, answer in asked]
    return [case for case in found if case[3] != case[4] and not (case[3][0] == case[4][0] == "!")]


def test_kernels_read_what_postgresql_reads() -> None:
    assert differing(by_kernel) == []


@pytest.mark.parametrize("spelling", ["TRY_CAST(t AS {})", "CASE WHEN TRY_CAST(t AS {0}) IS NOT NULL THEN t::{0} END"])
def test_selects_read_what_postgresql_reads(spelling: str) -> None:
    texts = list(dict.fromkeys(text for _, text, _, _ in cases()))
    read: dict[tuple[str, str, str], str] = {}
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE texts (t TEXT)")
        db.insert("texts", pa.table({"t": texts}))
        for order in ("MDY", "DMY", "YMD"):
            db.execute(f"SET datestyle = 'ISO, {order}'")
            for kind in KINDS:
                for text, value in db.execute(f"SELECT t, ({spelling.format(kind)})::text FROM texts").fetchall():
                    read[order, text, kind] = "!" if value is None else value
    assert differing(lambda *case: read[case]) == []


@given(st.text(max_size=40), st.sampled_from(list(KINDS)), st.sampled_from(["MDY", "DMY", "YMD"]))
def test_no_text_is_too_strange(text: str, kind: str, order: str) -> None:
    try:
        assert is_plain(readable(text, kind, order).replace(" (BC)", ""), kind) or kind == "timestamptz"
    except InvalidDatetime as error:
        assert error.sqlstate in ("22007", "22008", "22009", "22023")


PIECES = "2024 1999 99 3 05 31 Jan march Fri 10:00 1:2:3.4 24:00 PM am BC T Z EST +02 -0330 J2451187 20240105 now at /"


@given(st.lists(st.sampled_from([*PIECES.split(), "-", ".", ",", " "]), max_size=9), st.sampled_from(list(KINDS)))
def test_what_is_read_duckdb_reads(pieces: list[str], kind: str) -> None:
    text = " ".join(pieces)
    try:
        made = readable(text, kind)
    except InvalidDatetime:
        return
    answer = by_kernel("MDY", made, kind)
    assert answer == by_kernel("MDY", text, kind) and (made == text or answer[0] != "!")


def test_selects_say_what_is_wrong_as_kernels_do() -> None:
    with sqlengine.connect() as db:
        for text in (
            "2024-02-30",
            "13/02/2024",
            "Jan 32 2024",
            "2024-01-05 10:00+25 Jan",
            "2024-01-05 10:00 Foo/Bar",
            "x",
        ):
            for kind in ("date", "timestamp", "timestamptz"):
                with pytest.raises(DataError) as refused:
                    db.execute(f"SELECT t::{kind} FROM (VALUES ('{text}')) AS v (t)")
                assert f"!{refused.value.sqlstate}" == by_kernel("MDY", text, kind), (text, kind)


def test_words_of_the_present_are_those_of_the_statement() -> None:
    with sqlengine.connect() as db:
        db.execute("SET timezone = 'Asia/Tokyo'; CREATE TABLE t (d DATE, ts TIMESTAMP, tz TIMESTAMPTZ DEFAULT 'now')")
        db.execute("INSERT INTO t (d, ts) VALUES ('tomorrow', 'yesterday 10:00'), ('Jan 5, 2024', '1/2/2024 1:00 PM')")
        query = "SELECT count(*) FROM t WHERE {} AND tz BETWEEN 'today' AND 'now'"
        for where in (
            "d = current_date + 1 AND ts = (current_date - 1) + time '10:00'",
            "d = 'tomorrow' AND ts = 'yesterday 10:00'",
            "d IN ('Jan 5 2024') AND ts > 'Jan 2, 2024' AND ts < '1/3/2024'",
            "'2024-01-05'::text::date = d AND ts <> 'now'",
        ):
            assert db.execute(query.format(where)).fetchall() == [(1,)], where
        assert (
            db.execute("SELECT $1::date - 'today'::date, 'now'::timestamptz - now()", ["tomorrow"]).fetchall()[0][0]
            == 1
        )


def test_a_view_has_no_present_but_now() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (t TEXT, ts TIMESTAMPTZ)")
        with pytest.raises(InvalidDatetime, match="today") as refused:
            db.execute("CREATE MATERIALIZED VIEW v AS SELECT * FROM s WHERE ts > 'today'")
        assert "current_date" in str(refused.value.hint)
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT TRY_CAST(t AS DATE) AS d FROM s")
        db.execute("INSERT INTO s (t) VALUES ('today'), ('5 Jan 2024')")
        assert set(db.execute("SELECT d::text FROM v").fetchall()) == {(None,), ("2024-01-05",)}
