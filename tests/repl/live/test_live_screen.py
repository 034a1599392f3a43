"""The live view without a terminal: keys in, lines out."""

from __future__ import annotations

import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from repl.live.changes import OPERATIONS
from repl.live.figures import Figures
from repl.live.lines import Line, plain
from repl.live.live_screen import LiveScreen
from repl.render.width import text_width
from sqlengine.errors import OperationalError
from tests.depth import rounds
from tests.repl.golden import assert_screen
from tests.repl.live.changelogs import SCHEMA, Oracle, batch, random_changelog

CITIES = pa.schema([("op", pa.string()), ("city", pa.string()), ("trips", pa.int64()), ("fare", pa.float64())])
NAMES = ["Aarhus", "Bogotá", "Cusco", "Dakar", "東京", "Florence", "Genoa", "Hanoi", "İzmir", None, "Juneau"]


def of_cities(*rows: tuple[str, str | None, int, float]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([dict(zip(CITIES.names, row)) for row in rows], schema=CITIES)


def city_screen(at: float = 100.0) -> LiveScreen:
    """Eleven cities, of which one has just changed."""
    screen = LiveScreen(
        "SELECT city, count(*) AS trips,\n  sum(fare) AS fare FROM rides GROUP BY city EMIT CHANGES", CITIES
    )
    screen.feed(of_cities(*(("insert", name, 10 * n, n / 4) for n, name in enumerate(NAMES, 1))), at - 5)
    screen.feed(of_cities(("update_before", "Cusco", 30, 0.75), ("update_after", "Cusco", 31, 0.75)), at)
    stamp = datetime.datetime(2026, 5, 1, 12, 30, 5, tzinfo=datetime.UTC)
    screen.tell(Figures(stamp, 1.5, 1_200, 11, 4_120))
    return screen


def texts(screen: LiveScreen, column: int = 0, now: float = 100.1) -> list[str]:
    """The cells of a column of the rows shown."""
    lines = plain(screen.frame(80, 24, now)).splitlines()[4:-2]
    return [line.split("│")[column].strip() for line in lines if "│" in line]


def styles(lines: list[Line], text: str) -> set[str]:
    """The styles of the pieces that read so."""
    return {style for line in lines for style, piece in line if piece.strip() == text}


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 50)])
@pytest.mark.parametrize("mode", ["table", "changes", "help", "bar", "line", "spark"])
def test_the_screens(width: int, height: int, mode: str) -> None:
    screen = city_screen()
    keys = {"table": [], "changes": ["tab"], "help": ["?"], "bar": ["c"], "line": ["c", "c"], "spark": ["c", "c", "c"]}
    for key in keys[mode]:
        screen.press(key)
    lines = screen.frame(width, height, 100.1)
    assert len(lines) == height
    assert {sum(text_width(text) for _, text in line) for line in lines} == {width}
    assert_screen(f"live_{mode}_{width}x{height}", plain(lines))


@pytest.mark.parametrize("width", range(1, 40, 3))
def test_no_size_is_too_small(width: int) -> None:
    for height in (1, 2, 3, 4, 5, 9):
        for keys in ([], ["tab"], ["?"], ["c"], ["c", "c"], ["c", "c", "c"], ["/"], ["right", "right", "right"]):
            screen = city_screen()
            for key in keys:
                screen.press(key)
            lines = screen.frame(width, height, 100.1)
            assert len(lines) == height
            assert {sum(text_width(text) for _, text in line) for line in lines} == {width}


def test_changed_cells_flash_and_only_they() -> None:
    lines = city_screen().frame(80, 24, 100.1)
    assert styles(lines, "31") == {"changed"} and styles(lines, "Cusco") == {""}
    assert styles(city_screen().frame(80, 24, 103.0), "31") == {""}
    screen = city_screen()
    screen.feed(of_cities(("insert", "Kyiv", 1, 0.0)), 100.0)
    assert styles(screen.frame(80, 24, 100.1), "Kyiv") == {"new"}
    assert screen.is_stale(100.2) and not (screen.frame(80, 24, 101.0), screen.is_stale(101.1))[1]


def test_sorting() -> None:
    screen = city_screen()
    screen.press("right")
    screen.press("s")
    assert texts(screen, 1)[:2] == ["10", "20"]
    screen.press("s")
    assert texts(screen, 1)[:2] == ["110", "100"]
    screen.feed(of_cities(("insert", "Zürich", 105, 1.0)), 100.0)
    assert texts(screen, 1)[:3] == ["110", "105", "100"]
    screen.press("s")
    assert texts(screen, 1)[0] == "10"
    screen.press("left")
    screen.press("s")
    assert texts(screen)[-1] == "NULL"


def type_text(screen: LiveScreen, text: str) -> None:
    for char in text:
        screen.press(char)
    screen.press("enter")


def test_searching() -> None:
    screen = city_screen()
    screen.press("/")
    type_text(screen, "NO")
    assert "row 7 of 11" in plain(screen.frame(80, 24, 100.1))
    assert "match" in " ".join(styles(screen.frame(80, 24, 100.1), "Genoa"))
    screen.press("n")
    assert "row 8 of 11" in plain(screen.frame(80, 24, 100.1))
    screen.press("n")
    assert "row 7 of 11" in plain(screen.frame(80, 24, 100.1))
    screen.press("N")
    assert "row 8 of 11" in plain(screen.frame(80, 24, 100.1))
    screen.press("/")
    type_text(screen, "nowhere")
    assert 'no row has "nowhere"' in plain(screen.frame(80, 24, 100.1))


def test_filtering_goes_on_while_rows_come() -> None:
    screen = city_screen()
    screen.press("f")
    for key in ("x", "c-u", "o", "n", "backspace"):
        screen.press(key)
    assert "only rows with: o" in plain(screen.frame(80, 24, 100.1))
    screen.press("enter")
    assert texts(screen) == ["Bogotá", "Cusco", "Florence", "Genoa", "Hanoi"]
    screen.feed(of_cities(("insert", "Oslo", 1, 1.0), ("delete", "Genoa", 70, 1.75)), 100.0)
    assert texts(screen) == ["Bogotá", "Cusco", "Florence", "Hanoi", "Oslo"]
    screen.press("escape")
    assert len(texts(screen)) == 11
    screen.press("f")
    screen.press("escape")
    assert len(texts(screen)) == 11


def test_pause_holds_what_is_read_while_changes_are_counted() -> None:
    screen = city_screen()
    screen.frame(80, 24, 100.1)
    screen.press(" ")
    before = texts(screen)
    screen.feed(of_cities(("delete", "Aarhus", 10, 0.25), ("insert", "Lima", 5, 5.0)), 101.0)
    assert texts(screen) == before
    assert "2 changes since" in plain(screen.frame(160, 24, 101.0)) and "paused" in plain(screen.frame(80, 24, 101.0))
    screen.press("tab")
    assert "Lima" not in plain(screen.frame(80, 24, 101.0))
    screen.press(" ")
    assert "Lima" in plain(screen.frame(80, 24, 101.0))
    screen.press("tab")
    assert texts(screen)[0] == "Bogotá" and "Lima" in texts(screen)


def test_changes_are_followed_until_the_reader_moves_up() -> None:
    screen = LiveScreen("q", CITIES)
    screen.press("tab")
    for n in range(100):
        screen.feed(of_cities(("insert", f"city {n}", n, 0.0)), 1.0)
    assert texts(screen, 1)[-1] == "city 99"
    screen.press("up")
    shown = texts(screen, 1)
    screen.feed(of_cities(("insert", "city 100", 100, 0.0)), 1.0)
    assert texts(screen, 1) == shown
    screen.press("end")
    assert texts(screen, 1)[-1] == "city 100"
    screen.press("home")
    assert texts(screen, 1)[0] == "city 0"
    screen.press("pagedown")
    assert "row 19 of 101" in plain(screen.frame(80, 24, 1.0))
    screen.press("pageup")
    assert "row 1 of 101" in plain(screen.frame(80, 24, 1.0))


def test_rows_of_a_stream_are_followed_from_the_start_and_rows_of_a_view_are_not() -> None:
    screen = LiveScreen("q", CITIES)
    for n in range(100):
        screen.feed(of_cities(("insert", f"city {n}", n, 0.0)), 1.0)
    assert texts(screen)[-1] == "city 99"
    screen.press("up")
    screen.feed(of_cities(("insert", "city 100", 100, 0.0)), 1.0)
    assert texts(screen)[-1] == "city 99"


def test_copying_and_writing(tmp_path: Path) -> None:
    screen = city_screen()
    screen.press("f")
    type_text(screen, "ak")
    screen.frame(80, 24, 100.1)
    screen.press("y")
    assert screen.clipboard == "city\ttrips\tfare\nDakar\t40\t1\n"
    assert "1 rows copied" in plain(screen.frame(80, 24, 100.1))
    screen.press("w")
    type_text(screen, str(tmp_path / "out.csv"))
    assert (tmp_path / "out.csv").read_text() == "city,trips,fare\nDakar,40,1\n"
    for path, complaint in ((tmp_path / "out.cvs", "did you mean"), (tmp_path / "no" / "x.csv", "no such file")):
        screen.press("w")
        type_text(screen, str(path))
        assert complaint in plain(screen.frame(240, 24, 100.1))


def test_the_end_is_told_and_what_came_stays() -> None:
    screen = city_screen()
    screen.end(OperationalError("the follower was dropped", sqlstate="53400"))
    assert "the follower was dropped [53400]" in plain(screen.frame(160, 24, 100.1))
    assert len(texts(screen)) == 11
    screen.press("q")
    assert screen.done and screen.summary == (11, 13)


@pytest.mark.parametrize("seed", range(rounds(2, 4)))
def test_the_screen_shows_what_the_changelog_adds_up_to(seed: int) -> None:
    screen, oracle = LiveScreen("q", SCHEMA), Oracle()
    for number, (op, row) in enumerate(random_changelog(seed, 400, keyed=True)):
        assert op in OPERATIONS
        screen.feed(batch([(op, row)]), float(number))
        oracle.apply(op, row)
        if number % 50 == 0 and op != "update_before" and oracle.rows:
            screen.press("home")
            lines = plain(screen.frame(80, 300, float(number))).splitlines()[4:-2]
            keys = [int(line.split("│")[0]) for line in lines if line.strip()]
            assert keys == [row[0] for row in oracle.rows]
