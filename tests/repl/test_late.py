"""The prompt is there before the engine is, and nobody who uses it can tell."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

import sqlengine
from repl.late import LateDatabase
from sqlengine.errors import ObjectInUse
from tests.repl.real_terminal import Terminal


class Opening:
    """Opens a database when it is let."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.count = 0

    def __call__(self) -> Any:
        self.count += 1
        assert self.may.wait(60)
        return sqlengine.connect(dialect="hive")


def test_what_is_known_before_is_told_at_once_and_the_rest_waits() -> None:
    opening, hears = Opening(), lambda *_: None
    with LateDatabase(opening, "hive") as database:
        sessions = [database.session() for _ in range(3)]
        assert not any(session.is_remote for session in sessions) and opening.count == 0
        assert [session.settings.dialect for session in sessions] == ["hive"] * 3
        sessions[0].on_progress(hears)
        answers: list[Any] = []
        asking = [threading.Thread(target=lambda s=s: answers.append(s.execute("SELECT 1"))) for s in sessions]
        for thread in asking:
            thread.start()
        time.sleep(0.05)
        assert not answers and sessions[1].settings.dialect == "hive"
        opening.may.set()
        for thread in asking:
            thread.join()
        assert [answer.fetchall() for answer in answers] == [[(1,)]] * 3 and opening.count == 1
        sessions[0].execute("SET dialect = postgres")
        assert [session.settings.dialect for session in sessions] == ["postgres", "hive", "hive"]
        for session in sessions:
            session.close()


def test_what_was_never_asked_is_never_opened() -> None:
    opening = Opening()
    with LateDatabase(opening, "postgres") as database:
        database.session().close()
    assert opening.count == 0


def test_who_leaves_before_the_engine_is_there_leaves_in_order(tmp_path: Path) -> None:
    """A thread that is in native code when the interpreter ends would end the process by a signal."""
    for _ in range(2):
        with Terminal(state_home=tmp_path, cold=True) as terminal:
            terminal.wait_for("sql>")
            terminal.press("c-d")
            assert terminal.exit_status() == 0


def test_who_types_ahead_is_answered(tmp_path: Path) -> None:
    with Terminal(state_home=tmp_path, cold=True) as terminal:
        terminal.wait_for("sql>")
        terminal.run("SELECT 40 + 2 AS answer;")
        terminal.wait_for("42")
        terminal.run("\\q")


def test_a_directory_is_opened_behind_the_prompt(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path / "data") as database:
        database.execute("CREATE TABLE t (a int)")
        database.execute("INSERT INTO t VALUES (7)")
    for typed in ("SELECT a * 6 FROM t;", "SELECT sum(a) FROM t WHERE a > 1;"):
        with Terminal(str(tmp_path / "data"), state_home=tmp_path, cold=True) as terminal:
            terminal.wait_for("sql>")
            terminal.run(typed)
            terminal.wait_for("(1 row")
            terminal.run("\\q")
            assert terminal.exit_status() == 0


def test_a_directory_that_does_not_open_takes_the_prompt_back(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database")
    with sqlengine.connect(tmp_path / "data"):
        for place, told in (("data", "55006"), ("file/below", "58030")):
            with Terminal(str(tmp_path / place), state_home=tmp_path, cold=True) as terminal:
                terminal.wait_for(told)
                assert terminal.exit_status() == 1


def test_what_is_typed_over_a_directory_that_does_not_open_is_not_run(tmp_path: Path) -> None:
    with (
        sqlengine.connect(tmp_path / "data"),
        Terminal(str(tmp_path / "data"), state_home=tmp_path, cold=True) as terminal,
    ):
        terminal.wait_for("sql>")
        terminal.run("SELECT 6 * 7 AS answer;")
        assert terminal.exit_status() == 1
        assert "55006" in terminal.text and "42" not in terminal.text


def test_an_opening_that_failed_is_not_tried_again() -> None:
    count = 0

    def opening() -> Any:
        nonlocal count
        count += 1
        raise ObjectInUse("busy")

    with LateDatabase(opening, "postgres") as database:
        session = database.session()
        for _ in range(3):
            with pytest.raises(ObjectInUse):
                session.execute("SELECT 1")
        session.close()
    assert count == 1
