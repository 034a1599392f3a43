"""A query that is run again and again, without a terminal."""

from __future__ import annotations

import pyarrow as pa

from repl.live.lines import plain
from repl.live.watch_screen import WatchScreen


def styles(screen: WatchScreen, now: float) -> dict[str, str]:
    return {text.strip(): style for line in screen.frame(80, 24, now)[4:-2] for style, text in line if text.strip()}


def test_what_differs_flashes() -> None:
    screen = WatchScreen("SELECT * FROM t", 2.0)
    assert "running" in plain(screen.frame(80, 24, 0.0)) and "every 2 s" in plain(screen.frame(80, 24, 0.0))
    screen.tell(pa.table({"name": ["ada", "bob"], "n": [1, 2]}), 1.0)
    assert "changed" not in " ".join(styles(screen, 1.1).values())
    screen.tell(pa.table({"name": ["ada", "bob", "cyd"], "n": [1, 3, 4]}), 3.0)
    shown = styles(screen, 3.1)
    assert shown["3"] == "changed" and "new" in shown["cyd"] and shown["bob"] == ""
    assert "row 1 of 3 · run 2" in plain(screen.frame(80, 24, 3.1))
    assert screen.is_stale(3.2)
    assert set(styles(screen, 4.0).values()) & {"changed", "new"} == set() and not screen.is_stale(4.1)
    screen.tell(pa.table({"other": ["x"]}), 5.0)
    assert "other" in plain(screen.frame(80, 24, 5.0))
    screen.note("column is gone [42703]")
    assert "42703" in plain(screen.frame(80, 24, 5.0))
    screen.press("q")
    assert screen.done
