"""Follows a result without end on the whole screen: reads it on the session's thread, until the reader leaves."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import Any

from repl.live.figures import read_figures
from repl.live.fullscreen import show
from repl.live.live_screen import LiveScreen
from repl.live.repeater import Repeater
from repl.live.watching import seeing_latest
from repl.runner import Runner
from sqlengine.errors import Error

OpenSession = Callable[[], Any]


def follow(
    runner: Runner,
    result: Any,
    title: str,
    open_session: OpenSession | None,
    *,
    timezone: str = "UTC",
    unicode: bool = True,
    null: str = "NULL",
    **terminal: Any,
) -> tuple[int, int]:
    """Show `result` (endless) until it is left; (rows there are, changes that came).

    `open_session` makes the session that asks for watermark and state, None: nobody does.  Raises what ended the
    result, if it was an error.
    """
    screen = LiveScreen(title, result.schema, timezone=timezone, unicode=unicode, null=null)
    failures: list[Error] = []

    def read(session: Any) -> None:
        try:
            for batch in result.batches():
                screen.feed(batch, time.monotonic())
                if screen.done:
                    break
            screen.end(None)
        except Error as error:
            if not screen.done:
                failures.append(error)
            screen.end(error)

    backend = _backend(runner) if open_session is not None else None
    figures = _ask(open_session, backend, screen) if open_session is not None and backend is not None else None
    job = runner.begin(read)
    try:
        show(screen, **terminal)
    finally:
        screen.done = True
        runner.abort(job)
        if figures is not None:
            figures.close()
    if failures:
        raise failures[0]
    return screen.summary


def _backend(runner: Runner) -> int | None:
    """The number by which the session's query can be found; None when the session does not know it."""
    known = runner.call(lambda session: getattr(session, "backend_pid", None))
    if known is not None:  # a connection that follows can be asked nothing else
        return int(known)
    try:
        found = runner.call(lambda session: session.execute("SELECT pg_backend_pid()").to_arrow().to_pylist())
    except Error:
        return None
    return int(next(iter(found[0].values())))


def _ask(open_session: OpenSession, backend: int, screen: LiveScreen) -> Repeater:
    """Tells a screen once a second what the engine says of its query."""
    return Repeater(
        seeing_latest(open_session),
        lambda session: screen.tell(read_figures(session, backend, datetime.datetime.now(datetime.UTC))),
        lambda error: screen.note(f"no figures: {error.message}"),
    )
