"""The screens that ask the engine again and again: the dashboard, a pipeline, a query run every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from repl.live.dashboard import Dashboard
from repl.live.fullscreen import show
from repl.live.repeater import Repeater
from repl.live.snapshot import read_snapshot
from repl.live.watch_screen import WatchScreen
from repl.runner import Runner
from sqlengine.errors import Error

OpenSession = Callable[[], Any]


def seeing_latest(open_session: OpenSession) -> OpenSession:
    """The same sessions, which see the newest finished tick and wait for none."""

    def open_latest() -> Any:
        session = open_session()
        session.execute("SET read_consistency = 'latest'")
        return session

    return open_latest


def borrowed(runner: Runner) -> OpenSession:
    """The prompt's own session, which has nothing to do while a screen is shown."""
    return lambda: _Borrowed(runner)


class _Borrowed:
    """A session whose statements run where all others of the prompt do."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def execute(self, sql: str) -> Any:
        """As the session's own, from any one thread."""
        job = self._runner.begin(lambda session: session.execute(sql))
        job.wait(None)
        return job.result()

    def close(self) -> None:
        """It stays open: it was borrowed."""


def show_dashboard(open_session: OpenSession, screen: Dashboard, **terminal: Any) -> None:
    """Show what runs until it is left; keys may pause, resume and cancel queries."""

    def work(session: Any) -> None:
        while not screen.wishes.empty():
            _carry_out(session, screen.wishes.get(), screen)
        screen.tell(read_snapshot(session, time.monotonic()))

    repeater = Repeater(open_session, work, lambda error: screen.note(error.message))
    screen.on_wish = repeater.poke
    try:
        show(screen, **terminal)
    finally:
        repeater.close()


def _carry_out(session: Any, statement: str, screen: Dashboard) -> None:
    try:
        session.execute(statement)
        screen.note(f"{statement.lower()}: done")
    except Error as error:
        screen.note(f"{error.message} [{error.sqlstate}]")


def show_again(open_session: OpenSession, query: str, every_s: float, screen: WatchScreen, **terminal: Any) -> None:
    """Run a query every so many seconds and show its rows until it is left."""

    def work(session: Any) -> None:
        try:
            screen.tell(session.execute(query).to_arrow(), time.monotonic())
        except Error as error:
            screen.note(f"{error.message} [{error.sqlstate}]")

    repeater = Repeater(open_session, work, lambda error: screen.note(error.message), every_s)
    try:
        show(screen, **terminal)
    finally:
        repeater.close()
