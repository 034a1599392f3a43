"""The last result again: as the table `_`, as a chart, in the pager; and how results look."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from repl.__main__ import main
from repl.last_result import LastResult
from repl.live.grid_screen import GridScreen, result_rows
from repl.live.lines import plain
from tests.repl.golden import assert_screen
from tests.repl.real_terminal import Terminal


def run(capfd: pytest.CaptureFixture[str], *lines: str) -> tuple[int, str, str]:
    status = main([word for line in lines for word in ("-c", line)])
    out, err = capfd.readouterr()
    return status, out, err


NUMBERS = "SELECT n, 'row ' || n AS name, n * n AS square FROM generate_series(1, 5) AS g(n)"


def test_the_last_result_is_a_table(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capfd, NUMBERS, "SELECT sum(square) AS squares FROM _", "SELECT squares + 1 AS more FROM _")
    assert status == 0 and "55" in out and "56" in out


def test_statements_without_rows_leave_it_alone(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capfd, NUMBERS, "CREATE TABLE t (n BIGINT)", "SELECT count(*) + 100 AS n FROM _")
    assert status == 0 and "105" in out


def test_so_many_rows_are_kept() -> None:
    batch = pa.record_batch([pa.array(range(10))], ["n"])
    last = LastResult(batch.schema, "q", rows_max=25)
    for _ in range(4):
        last.add(batch)
    assert (last.total, last.is_whole, last.table().num_rows) == (40, False, 25)
    assert last.table().column(0).to_pylist() == [*range(10), *range(10), *range(5)]


@pytest.mark.parametrize("kind", ["", "bar", "line", "spark"])
def test_charts(capfd: pytest.CaptureFixture[str], kind: str) -> None:
    status, out, _ = run(capfd, NUMBERS, f"\\chart {kind} name square")
    assert status == 0
    assert_screen(f"chart_{kind or 'auto'}", out[out.index("(5 rows)") + len("(5 rows)\n") :])


def test_long_charts_say_what_they_show(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capfd, "SELECT n FROM generate_series(1, 100) AS g(n)", "\\chart")
    assert status == 0 and "the first 40 of 100 rows" in err and out.count("█") > 40


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["\\chart"], "there is no result yet [22023]"),
        (["\\last"], "there is no result yet"),
        ([NUMBERS, "\\chart nmae"], "did you mean"),
        ([NUMBERS, "\\chart pie"], "a kind is one of bar, line, spark"),
        (["SELECT 'a' AS b", "\\chart"], "a chart needs a column of numbers"),
        (["\\pset frmat"], "did you mean"),
        (["\\pset format cvs"], "did you mean"),
        (["\\pset footer maybe"], "footer is on or off"),
        (["\\pset pager no-such-pager"], "is no program that is there"),
    ],
)
def test_mistakes(capfd: pytest.CaptureFixture[str], lines: list[str], complaint: str) -> None:
    status, _, err = run(capfd, *lines)
    assert status == 1 and complaint in err


def test_pset_sets_and_tells(capfd: pytest.CaptureFixture[str]) -> None:
    lines = ["\\pset format csv", "\\pset header off", "\\pset pager on", "\\pset rows 10", "SELECT 1 AS a", "\\pset"]
    status, out, err = run(capfd, *lines)
    assert (status, out) == (0, "1\n")
    told = {line[:12].strip(): line[12:].strip() for line in err.splitlines()[-13:]}
    assert told == {
        "format": "csv", "border": "2", "linestyle": "unicode", "expanded": "off", "null": "'NULL'", "fieldsep": "'|'",
        "title": "", "header": "off", "footer": "on", "tuples_only": "off", "pager": "on", "rows": "10",
        "timing": "off",
    }  # fmt: skip
    _, out, _ = run(capfd, "\\pset footer", "SELECT 1 AS a", "\\pset footer", "\\last")
    assert "(1 row" not in out and out.count("│       1 │") == 2


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 50)])
def test_the_pager(width: int, height: int) -> None:
    table = pa.table(
        {"n": range(1000), "name": [f"row {n}" for n in range(1000)], "half": [n / 2 for n in range(1000)]}
    )
    screen = GridScreen("SELECT * FROM numbers;", result_rows(table))
    screen.press("end")
    assert_screen(f"pager_{width}x{height}", plain(screen.frame(width, height, 0.0)))


def test_long_results_open_in_the_pager_and_leave_head_and_tail(tmp_path: Path) -> None:
    with Terminal(state_home=tmp_path) as terminal:
        terminal.wait_for("sql>")
        terminal.run("SELECT n, n * n AS square FROM generate_series(1, 100000) AS g(n);")
        terminal.wait_for("row 1 of 100,000", "result")
        terminal.press("end")
        terminal.wait_for("10000000000")
        terminal.press("/", *"17994564", "enter")
        terminal.wait_for("row 4,242 of 100,000", "17994564")
        terminal.press("q")
        terminal.wait_for("(100000 rows, 40 shown")
        terminal.run("SELECT max(square) AS largest FROM _;")
        terminal.wait_for("largest", "10000000000", "(1 row")
        terminal.run("\\last")
        terminal.wait_for("row 1 of 1")
        terminal.press("q")
        terminal.run("\\pager off")
        terminal.wait_for("no result opens")
        terminal.run("SELECT n FROM generate_series(1, 100) AS g(n);")
        terminal.wait_for("(100 rows, 40 shown")


def test_a_column_alone_is_labelled(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capfd, "SELECT 7 AS m, 'tea' AS item, 3 AS n", "\\chart bar n")
    assert status == 0 and "tea │█" in out.splitlines()[-1]
