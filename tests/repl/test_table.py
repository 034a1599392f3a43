"""The formats for people: table, vertical, markdown.  Goldens, and properties that hold for any table."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal

import pyarrow as pa
import pytest
import wcwidth
from hypothesis import given, settings
from hypothesis import strategies as st

from repl.terminal import Screen
from tests.depth import rounds
from tests.repl.rendering import render

PEOPLE = pa.table(
    {
        "id": [1, 2, None],
        "name": ["Ada", None, "NULL"],
        "score": pa.array([Decimal("9.50"), None, Decimal("-10.25")], pa.decimal128(6, 2)),
        "born": [datetime.date(1815, 12, 10), None, datetime.date(1906, 12, 9)],
    }
)


def golden(text: str) -> str:
    """A golden without the margin of this file."""
    return re.sub(r"(?m)^ +\|", "", text.strip("\n")).rstrip(" ")


def test_types_under_names_and_numbers_to_the_right() -> None:
    assert render("table", PEOPLE, timing=True) == golden(
        """
        |┌────────┬────────┬──────────────┬────────────┐
        |│     id │ name   │        score │ born       │
        |│ bigint │ text   │ numeric(6,2) │ date       │
        |├────────┼────────┼──────────────┼────────────┤
        |│      1 │ Ada    │         9.50 │ 1815-12-10 │
        |│      2 │ NULL   │         NULL │ NULL       │
        |│   NULL │ "NULL" │       -10.25 │ 1906-12-09 │
        |└────────┴────────┴──────────────┴────────────┘
        |(3 rows, 12 ms)
        """
    )


def test_a_screen_without_unicode_gets_ascii() -> None:
    text = render("table", PEOPLE.slice(0, 1), Screen(unicode=False))
    assert text.isascii()
    assert text.splitlines()[0] == "+--------+------+--------------+------------+"
    assert text.endswith("(1 row)\n")


def test_null_is_dim_where_there_is_colour() -> None:
    text = render("table", PEOPLE.select(["name"]), Screen(color=True))
    assert "\x1b[2mNULL  \x1b[0m" in text
    assert '"NULL"' in text


def test_wide_characters_keep_the_columns_straight() -> None:
    table = pa.table({"都市": ["東京", "Zürich", "🙂🙂", "e\u0301"], "n": [1, 2, 3, 4]})
    assert render("table", table) == golden(
        """
        |┌────────┬────────┐
        |│ 都市   │      n │
        |│ text   │ bigint │
        |├────────┼────────┤
        |│ 東京   │      1 │
        |│ Zürich │      2 │
        |│ 🙂🙂   │      3 │
        |│ e\u0301      │      4 │
        |└────────┴────────┘
        |(4 rows)
        """
    )


def test_long_texts_are_cut_to_the_screen_but_never_numbers() -> None:
    table = pa.table({"n": [123456789012345678], "text": ["x" * 100], "more": ["y" * 30]})
    lines = render("table", table, Screen(width=60)).splitlines()
    assert max(map(len, lines)) == 60
    assert "123456789012345678" in lines[4]
    assert "xxx…" in lines[4] and "yyy…" in lines[4]


def test_a_pipe_gets_everything() -> None:
    table = pa.table({"text": ["x" * 500] * 100})
    text = render("table", table)
    assert text.count("x" * 500) == 100


def test_columns_that_do_not_fit_are_left_out_of_the_middle() -> None:
    table = pa.table({f"column_{i}": [i] for i in range(20)})
    text = render("table", table, Screen(width=50))
    assert text == golden(
        """
        |┌──────────┬──────────┬───┬───────────┐
        |│ column_0 │ column_1 │ … │ column_19 │
        |│   bigint │   bigint │ … │    bigint │
        |├──────────┼──────────┼───┼───────────┤
        |│        0 │        1 │ … │        19 │
        |└──────────┴──────────┴───┴───────────┘
        |(1 row, 20 columns, 3 shown)
        """
    )


def test_auto_turns_vertical_instead() -> None:
    table = pa.table({f"column_{i}": [i] for i in range(20)})
    text = render("table", table, Screen(width=50), expanded="auto")
    assert text.splitlines()[1] == "column_0  │ 0"
    assert len(text.splitlines()) == 22


def test_long_results_show_head_and_tail() -> None:
    table = pa.table({"n": list(range(100))})
    assert render("table", table, Screen(width=80), shown_rows=5) == golden(
        """
        |┌────────┐
        |│      n │
        |│ bigint │
        |├────────┤
        |│      0 │
        |│      1 │
        |│      2 │
        |│      … │
        |│     98 │
        |│     99 │
        |└────────┘
        |(100 rows, 5 shown)
        """
    )


@pytest.mark.parametrize("rows", range(8))
@pytest.mark.parametrize("batch_rows", [1, 2, 3, 10])
def test_how_rows_come_does_not_matter(rows: int, batch_rows: int) -> None:
    table = pa.table({"n": list(range(rows))})
    text = render("table", table, Screen(width=80), shown_rows=4, batch_rows=batch_rows)
    found = [int(n) for n in re.findall(r"│ +(\d+) │", text)]
    assert found == (list(range(rows)) if rows <= 4 else [0, 1, rows - 2, rows - 1])
    assert ("…" in text) == (rows > 4)


def test_an_endless_result_is_written_as_it_comes() -> None:
    text = render("table", PEOPLE.select(["id", "name"]), Screen(width=80), endless=True, ended="interrupted")
    assert text.splitlines()[0] == "┌──────────┬──────────────┐"
    assert text.splitlines()[-1] == "(3 rows, stopped by Ctrl-C)"


def test_empty_results_and_results_without_columns() -> None:
    assert render("table", PEOPLE.slice(0, 0)).splitlines()[-1] == "(0 rows)"
    assert render("table", pa.schema([]).empty_table()).splitlines()[-1] == "(0 rows)"
    assert render("table", pa.schema([("n", pa.int64())]).empty_table(), header=False, footer=False) == "┌───┐\n└───┘\n"


def test_control_characters_cannot_reach_the_terminal() -> None:
    table = pa.table({"t\x1b": ["\x1b[2J", "a\r\nb\t", "\x9b1m", "\u202eabc", "plain"]})
    for name in ("table", "vertical", "markdown"):
        text = render(name, table, endless=True)
        assert not set(text) & set("\x1b\r\t\x9b\u202e")
    assert "a\\r\\nb\\t" in render("table", table, endless=True)
    assert "\\x1b[2J" in render("table", table)


def test_a_plan_is_printed_as_it_is() -> None:
    table = pa.table({"plan": ["Filter\n  Scan t\n"]})
    assert render("table", table).startswith("Filter\n  Scan t\n")


def test_vertical() -> None:
    table = pa.table({"id": [1, 2], "名前": ["two\nlines", None]})
    assert render("vertical", table) == golden(
        """
        |─[ row 1 ]────
        |id   │ 1
        |名前 │ two
        |       lines
        |─[ row 2 ]────
        |id   │ 2
        |名前 │ NULL
        |(2 rows)
        """
    )


def test_markdown() -> None:
    table = pa.table({"a|b": ["x|y", "two\nlines", None], "n": [1.5, None, 3.0]})
    assert render("markdown", table) == golden(
        """
        || a\\|b | n |
        || --- | ---: |
        || x\\|y | 1.5 |
        || two<br>lines | NULL |
        || NULL | 3 |
        """
    )
    assert render("markdown", table, ended="more").endswith("\n(3 rows, more exist)\n")


cells = st.one_of(st.none(), st.text(max_size=20), st.text("日本é🙂a \u0301\u200d\x1b\n", max_size=20))


@settings(max_examples=rounds(24, 60), deadline=None)
@given(
    st.lists(st.tuples(cells, st.integers(-(10**9), 10**9), cells), min_size=1, max_size=5),
    st.integers(12, 100),
    st.booleans(),
)
def test_every_line_has_the_same_width_and_fits(rows: list[tuple[str, int, str]], width: int, header: bool) -> None:
    table = pa.table(
        [pa.array(column, t) for column, t in zip(zip(*rows), (pa.string(), pa.int64(), pa.string()))],
        names=["first", "a number", "a rather long name of a column"],
    )
    lines = render("table", table, Screen(width=width), header=header).split("\n")
    assert len(lines) == len(rows) + (6 if header else 3) + 1
    widths = {wcwidth.wcswidth(line) for line in lines[:-2]}
    assert len(widths) == 1
    assert widths.pop() <= max(width, 16)


SMALL = pa.table({"a": pa.array([1, 22], pa.int64()), "x": [None, "y"]})


def test_borders_titles_and_what_stands_for_null() -> None:
    assert render("table", SMALL, border=0) == golden(
        """
        |     a x
        |bigint text
        |────── ────
        |     1 NULL
        |    22 y
        |(2 rows)
        |"""
    )
    assert render("table", SMALL, border=1, null="∅", title="two") == golden(
        """
        |      two
        |      a │ x
        | bigint │ text
        |────────┼──────
        |      1 │ ∅
        |     22 │ y
        |(2 rows)
        |"""
    )
    assert render("table", SMALL, null="", header=False, footer=False).splitlines()[1] == "│  1 │   │"
    assert render("table", SMALL, Screen(unicode=False), border=1).splitlines()[2] == "--------+------"
    assert "x │ ∅" in render("vertical", SMALL, null="∅")
    assert "| 1 | ∅ |" in render("markdown", SMALL, null="∅")


def test_a_table_without_lines_fits_where_a_box_does_not() -> None:
    wide = pa.table({"a": ["x" * 12], "b": ["y" * 12]})
    assert render("table", wide, Screen(width=25), border=0).splitlines()[3] == f"{'x' * 12} {'y' * 12}"
    for border in (0, 1, 2):
        for width in range(1, 40):
            shown = render("table", wide, Screen(width=width), border=border, footer=False)
            assert width < 12 or max(map(len, shown.splitlines())) <= width


def test_values_divided_by_a_separator() -> None:
    assert render("unaligned", SMALL) == "a|x\n1|NULL\n22|y\n(2 rows)\n"
    assert render("unaligned", SMALL, fieldsep="\t", null="", header=False, footer=False) == "1\t\n22\ty\n"
