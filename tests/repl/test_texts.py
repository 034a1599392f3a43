"""Charts, progress lines, error texts, and cutting scripts into statements."""

from __future__ import annotations

import datetime
import io
import math

import pyarrow as pa
import pytest
import wcwidth
from hypothesis import given, settings
from hypothesis import strategies as st

from repl.options import parse_arguments, seconds
from repl.render.base import duration_text
from repl.render.chart import bars, chart, line, sparkline
from repl.render.error import error_text
from repl.render.progress import Progress, bar_text, count_text, time_text
from repl.statements import Statement, needs_more, read_statements
from repl.terminal import Screen, screen_of
from sqlengine import errors
from tests.depth import rounds

modest = settings(max_examples=rounds(40, 100), deadline=None)
numbers = st.none() | st.floats(-1e12, 1e12) | st.sampled_from([0.0, math.inf, -math.inf, math.nan])


# ---------------------------------------------------------------- charts


def test_bars() -> None:
    assert bars(["UA", "日本", "DL"], [100, None, 25], 20) == [
        "UA   │██████████  100",
        "日本 │           NULL",
        "DL   │██▌          25",
    ]
    assert bars(["a", "b"], [2, -1], 22, unicode=False) == ["a |     ###########  2", "b |#####            -1"]
    assert bars([], []) == ["(no rows)"]


def test_negative_bars_reach_left_of_zero() -> None:
    first, second = bars(["a", "b"], [20, -10], 40)
    zero = first.index("█")
    assert second.index("█") < zero and second.rindex("█") == zero - 1
    assert first.count("█") == 2 * second.count("█")


@modest
@given(
    st.lists(st.tuples(st.text("ab日🙂", max_size=40), numbers), min_size=1, max_size=8),
    st.integers(40, 120),
    st.booleans(),
)
def test_bars_fit_their_width(rows: list[tuple[str, float]], width: int, unicode: bool) -> None:
    lines = bars([r[0] for r in rows], [r[1] for r in rows], width, unicode)
    assert {wcwidth.wcswidth(text) for text in lines} == {max(map(wcwidth.wcswidth, lines))}
    assert wcwidth.wcswidth(lines[0]) <= width


@modest
@given(st.lists(numbers, max_size=300), st.integers(30, 120), st.integers(2, 12), st.booleans())
def test_lines_fit_their_width(values: list[float], width: int, height: int, unicode: bool) -> None:
    lines = line([str(i) for i in range(len(values))], values, width, height, unicode)
    assert max(map(len, lines)) <= width
    assert len(lines) in (1, height + 1)
    assert unicode or "".join(lines).isascii()


def test_a_line_rises_with_its_values() -> None:
    lines = line(["a", "b", "c", "d"], [0, 1, 2, 4], 15, 4)
    assert lines == [
        "4 ┤         ███",
        "  ┤         ███",
        "2 ┤      ██████",
        "0 ┤   █████████",
        "   a          d",
    ]


def test_sparkline() -> None:
    assert sparkline([0, 1, None, 7]) == "▁▂ █"
    assert sparkline([5, 5]) == "▁▁"
    assert sparkline(list(range(100)), 10, unicode=False).isascii()
    assert len(sparkline(list(range(100)), 10)) == 10
    assert sparkline([math.nan, None]) == "  "


def test_a_chart_of_a_result() -> None:
    table = pa.table({"carrier": ["UA", "B6"], "flights": [2, 1], "delay": [1.5, 3.0]})
    lines = chart(table, width=40)
    assert lines[0] == "flights" and lines[3] == "delay" and len(lines) == 6
    hours = [datetime.datetime(2013, 1, 1) + datetime.timedelta(hours=h) for h in range(30)]
    over_time = chart(pa.table({"hour": hours, "n": list(range(30))}), width=60, height=5)
    assert len(over_time) == 7 and "2013-01-01 00:00:00" in over_time[-1]
    assert chart(pa.table({"n": [1, 2]}), width=30)[1].startswith("2 ")
    assert chart(pa.table({"x": [10, 20], "n": [1, 2]}), width=30)[1].startswith("20 ")
    with pytest.raises(errors.InvalidParameter, match="column of numbers"):
        chart(pa.table({"a": ["x"]}))


# ---------------------------------------------------------------- progress


class FakeTerminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    now = [0.0]
    stream = FakeTerminal()
    progress = Progress(stream, "loading", clock=lambda: now[0])
    for done in range(0, 1001, 100):
        now[0] = done / 100
        progress.update(done, 1000)
    now[0] += 0.01
    progress.update(999, 1000)  # too soon to be drawn
    drawn = stream.getvalue().split("\r\x1b[K")
    assert drawn[6] == "loading  ██████████            50%  500 of 1,000 rows  100 rows/s  ETA 5.0 s"
    assert len(drawn) == 12
    progress.finish(1000)
    assert stream.getvalue().endswith("\r\x1b[Kloading: 1,000 rows in 10 s, 99.9 rows/s\n")


def test_progress_of_a_share_tells_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    now = [0.0]
    stream = FakeTerminal()
    progress = Progress(stream, clock=lambda: now[0])
    for second, share in ((2.0, 0.25), (6.0, 0.5), (8.0, 1.0)):
        now[0] = second
        progress.update(round(share * 4_000_000), unit="bytes" if second == 6.0 else "rows", share=share)
    now[0] = 10.0
    progress.update(1_500, share=None)
    assert [line.strip() for line in stream.getvalue().split("\r\x1b[K")[1:]] == [
        "█████                 25%  1,000,000 rows  500k rows/s  ETA 6.0 s",
        "██████████            50%  2 MB  333 kB/s  ETA 6.0 s",
        "████████████████████ 100%  4,000,000 rows  500k rows/s  8.0 s",
        "1,500 rows  150 rows/s  10 s",
    ]


def test_progress_elsewhere_is_silent_or_plain_lines() -> None:
    now = [0.0]
    silent, plain = io.StringIO(), io.StringIO()
    for stream, forced in ((silent, False), (plain, True)):
        now[0] = 0.0
        progress = Progress(stream, "loading", plain=forced, after_s=1.0, clock=lambda: now[0])
        for second in range(13):
            now[0] = float(second)
            progress.update(second * 10)
        progress.clear()
        progress.finish(120)
    assert silent.getvalue() == ""
    assert plain.getvalue().splitlines() == [
        "loading  10 rows  10 rows/s  1.0 s", "loading  60 rows  10 rows/s  6.0 s",
        "loading  110 rows  10 rows/s  11 s", "loading: 120 rows in 12 s, 10 rows/s",
    ]  # fmt: skip


@modest
@given(st.floats(0, 1), st.integers(1, 50), st.booleans())
def test_bars_of_progress_have_their_width(share: float, width: int, unicode: bool) -> None:
    assert len(bar_text(share, width, unicode)) == width


def test_numbers_at_a_glance() -> None:
    assert [count_text(n) for n in (0, 870, 12_345, 1_234_567, 5e9)] == ["0", "870", "12.3k", "1.23M", "5G"]
    assert [time_text(s) for s in (0.2, 45, 125, 3780)] == ["0.2 s", "45 s", "2 min 5 s", "63 min 0 s"]
    assert time_text(7300) == "2 h 1 min"
    assert [duration_text(ms) for ms in (0.42, 12.3, 1520, 125_000)] == ["0.4 ms", "12 ms", "1.52 s", "2 min 5 s"]
    assert [seconds(t) for t in ("30", "1.5s", "500ms", "2m", "1h")] == [30, 1.5, 0.5, 120, 3600]


def test_colour_only_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    assert screen_of(FakeTerminal(), {}) == Screen(70, screen_of(FakeTerminal(), {}).height, True, True)
    assert not screen_of(FakeTerminal(), {"NO_COLOR": "1"}).color
    assert not screen_of(FakeTerminal(), {"TERM": "dumb"}).color
    assert screen_of(io.StringIO(), {}).width is None


def test_until_idle_may_stand_alone() -> None:
    assert parse_arguments(["--until-idle", "data"]).idle_s == 1.0
    assert parse_arguments(["--until-idle", "3s", "data"]).data_dir == "data"
    assert parse_arguments(["data", "--until-idle"]).idle_s == 1.0
    assert parse_arguments([]).idle_s is None


# ---------------------------------------------------------------- errors


def shown(sql: str, position: int | None, width: int | None = None) -> list[str]:
    error = errors.UndefinedColumn("no such column", position=position)
    return error_text(error, Statement(sql), Screen(width)).splitlines()


def test_the_caret_stands_under_the_whole_word() -> None:
    assert shown("SELECT prcie FROM t", 7) == [
        "error: no such column [42703]", "  at line 1:8", "1 | SELECT prcie FROM t", "  |        ^^^^^",
    ]  # fmt: skip
    assert shown('SELECT "a b", x', 7)[-1] == "  |        ^^^^^"
    assert shown("SELECT 1 >>> 2", 9)[-1] == "  |          ^^^"
    assert shown("SELECT", 6)[-1] == "  |       ^"
    assert shown("SELECT", 99)[-1] == "  |       ^"
    assert shown("SELECT x", None) == ["error: no such column [42703]"]


def test_the_caret_knows_wide_characters_and_tabs() -> None:
    assert shown("SELECT '東京',\tx", 13)[2:] == ["1 | SELECT '東京',    x", "  |                   ^"]


def test_lines_are_counted() -> None:
    assert shown("SELECT\n\n  x\nFROM t", 10)[1:] == ["  at line 3:3", "3 |   x", "  |   ^"]


@modest
@given(st.integers(0, 400), st.integers(30, 100))
def test_a_long_line_is_shown_around_the_word(position: int, width: int) -> None:
    sql = "x" + " 日ab" * 100
    lines = shown(sql, position, width)
    assert all(wcwidth.wcswidth(text) <= width for text in lines)
    assert "^" in lines[-1]
    caret = lines[-1].index("^")
    assert wcwidth.wcswidth(lines[-2]) >= caret


# ---------------------------------------------------------------- statements


def pieces(text: str) -> list[str]:
    return [s.text.strip().rstrip(";").strip() for s in read_statements(text.splitlines(keepends=True))]


def test_scripts_are_cut_where_statements_end() -> None:
    assert pieces("SELECT 1; SELECT ';';\nSELECT\n2") == ["SELECT 1", "SELECT ';'", "SELECT\n2"]
    assert pieces("-- one; two\nSELECT 1; -- more\n") == ["SELECT 1"]
    assert pieces("SELECT $$a;\nb$$; SELECT 2;") == ["SELECT $$a;\nb$$", "SELECT 2"]
    assert pieces("\n\n") == pieces("-- nothing") == pieces("") == []


def test_backslash_commands_stand_on_lines_of_their_own() -> None:
    assert pieces("-- c\n\\d x\nSELECT '\n\\q\n';\n  \\timing\n") == ["\\d x", "SELECT '\n\\q\n'", "\\timing"]


def test_an_open_quote_is_a_statement_too() -> None:
    assert pieces("SELECT 1;\nSELECT 'abc") == ["SELECT 1", "SELECT 'abc"]


def test_every_statement_knows_its_place() -> None:
    script = "SELECT 1;\n\nSELECT 2; SELECT\n  x;\n"
    found = list(read_statements(script.splitlines(keepends=True), "f.sql"))
    for statement in found:
        for at in range(len(statement.text)):
            row, column, text = statement.locate(at)
            assert script.splitlines()[row - 1] == text
            assert statement.text[at] == "\n" or text[column - 1] == statement.text[at]


def test_when_the_prompt_goes_on() -> None:
    assert needs_more("SELECT 1") and needs_more("SELECT 'a;") and needs_more("SELECT 1; SELECT")
    assert not any(map(needs_more, ("SELECT 1;", "", "  ", "\\d", "quit", "-- only a comment")))
