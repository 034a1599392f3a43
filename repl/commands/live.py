"""Full-screen views: \\live, \\watch, \\top and \\graph."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from repl.commands.base import Command
from repl.live.graph import graph_lines
from repl.live.lines import plain
from repl.live.snapshot import query_table, read_snapshot
from repl.statements import Statement
from sqlengine.errors import InvalidParameter, UndefinedObject, did_you_mean

if TYPE_CHECKING:
    from repl.live.dashboard import Dashboard
    from repl.shell import Shell

_USUAL_S = 2.0


def _live(shell: Shell, what: str) -> bool:
    if not what:
        raise InvalidParameter("\\live needs the name of a view, stream or table, or a query")
    query = f"({what})" if what.split()[0].upper() in ("SELECT", "WITH", "VALUES", "TABLE") else what
    return shell.run(Statement(f"SUBSCRIBE {query}"))


def _watch(shell: Shell, argument: str) -> bool:
    every_s, times = _period(argument)
    query = shell.last_query
    if query is None:
        raise InvalidParameter("\\watch repeats the last query, and there is none yet")
    if times is None and shell.has_screen:
        # prompt_toolkit is heavy, and a script needs none
        from repl.live.watch_screen import WatchScreen
        from repl.live.watching import borrowed, show_again

        screen = WatchScreen(query, every_s, timezone=shell.timezone, unicode=shell.unicode)
        screen.grid.null = shell.display.look.null
        show_again(borrowed(shell.runner), query, every_s, screen, **shell.terminal)
        return True
    end = None if shell.limits.timeout_s is None else time.monotonic() + shell.limits.timeout_s
    runs = 0
    while shell.run(Statement(query)):
        runs += 1
        if runs == times or (end is not None and time.monotonic() + every_s > end):
            return True
        time.sleep(every_s)
    return False


def _period(argument: str) -> tuple[float, int | None]:
    """`2.5 10`: every 2.5 seconds, ten times."""
    words = argument.split()
    try:
        every_s = float(words[0]) if words else _USUAL_S
        times = int(words[1]) if len(words) > 1 else None
    except ValueError:
        every_s, times = -1.0, None
    if not 0 < every_s <= 86_400 or (times is not None and times < 1) or len(words) > 2:
        raise InvalidParameter(f'\\watch takes seconds and how often, not "{argument}"', hint="\\watch 2 10")
    return every_s, times


def _top(shell: Shell, _argument: str) -> bool:
    if not shell.has_screen:
        snapshot = shell.runner.call(lambda session: read_snapshot(session, time.monotonic()))
        shell.show(query_table(snapshot, None).drop_columns(["in/s", "out/s", "busy %"]))
        return True
    # prompt_toolkit is heavy, and a script needs none
    from repl.live.dashboard import Dashboard

    _show(shell, Dashboard(timezone=shell.timezone, unicode=shell.unicode))
    return True


def _show(shell: Shell, screen: Dashboard) -> None:
    # as in _top
    from repl.live.watching import borrowed, seeing_latest, show_dashboard

    opener = borrowed(shell.runner) if shell.open_session is None else seeing_latest(shell.open_session)
    show_dashboard(opener, screen, **shell.terminal)


def _graph(shell: Shell, name: str) -> bool:
    snapshot = shell.runner.call(lambda session: read_snapshot(session, time.monotonic()))
    known = {row[kind]: row["query_id"] for kind in ("query_id", "name") for row in snapshot.queries}
    query_id = known.get(name) or known.get(name.lower())
    if query_id is None:
        hint = did_you_mean(name, list(known)) or "\\top lists what runs"
        missing = f'no query "{name}" is running' if name else "\\graph needs the name of a view, sink or query"
        raise UndefinedObject(missing, hint=hint) if name else InvalidParameter(missing, hint=hint)
    if shell.has_screen:
        # as in _top
        from repl.live.dashboard import Dashboard

        screen = Dashboard(timezone=shell.timezone, unicode=shell.unicode)
        screen.tell(snapshot)
        screen.open(query_id, str((snapshot.query(query_id) or {})["name"]))
        _show(shell, screen)
        return True
    shell.write(plain(graph_lines(snapshot, None, query_id, shell.unicode)) + "\n")
    return True


LIVE_COMMANDS = (
    Command(
        ("\\live",),
        "NAME|QUERY",
        "follow a view, stream, table or query on the whole screen",
        _live,
        ("relation", "sql"),
    ),
    Command(("\\watch",), "[S [N]]", "the last query again every S seconds (2), N times", _watch),
    Command(("\\top",), "", "what runs: rates, lag, state, errors; pause, resume, cancel", _top),
    Command(("\\graph",), "NAME", "the pipeline of a view, sink or query", _graph, ("query",)),
)
