"""The command `sqlengine`: reads the command line, opens the database, hands over to the prompt or a script.

Exit status: 0 all went well, 1 a statement failed, 2 the command line is wrong, 130 ended by Ctrl-C, 141
the reader of standard output went away.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from repl.coldstart import keep_pandas_out
from repl.commands.base import Leave
from repl.commands.display import with_pager
from repl.config import Config, read_config
from repl.late import LateDatabase
from repl.options import Options, is_address, parse_arguments
from repl.render.base import Look
from repl.render.error import error_text
from repl.runner import Limits
from repl.serve import serve
from repl.shell import INTERRUPTED, Display, Shell
from repl.terminal import screen_of, standard_output
from sqlengine import __version__, connect
from sqlengine.errors import Error

MEMORY = ":memory:"
SUCCESS, FAILED, NO_READER = 0, 1, 141
_SHOWN_ROWS = 40


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status (SystemExit for --help and wrong command lines).

    `argv` None: the process is the command's own, and its arguments are sys.argv's.
    """
    if argv is None:
        keep_pandas_out()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments[:1] == ["serve"]:
            return serve(arguments[1:])
        options = parse_arguments(arguments)
        if options.no_color:
            os.environ["NO_COLOR"] = "1"
        if options.version:
            print(f"sqlengine {__version__}")
            return SUCCESS
        return _with_database(options, read_config(Path(options.config) if options.config else None))
    except Error as error:
        sys.stderr.write(error_text(error, None, screen_of(sys.stderr)))
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # what is left in the buffer cannot be written; without this the interpreter complains at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER


def _with_database(options: Options, config: Config) -> int:
    """Open, run, close."""
    options = replace(options, data_dir=config.connections.get(options.data_dir or "", options.data_dir))
    interactive = not options.scripts and sys.stdin.isatty()
    with _open(options.data_dir or MEMORY, options, late=interactive) as database:
        session = database.session()
        set_hive_variables(session, options)
        shell = make_shell(session, options, config, interactive, database.session)
        try:
            if interactive:
                # the prompt is heavy and only people need it
                from repl.app import run_prompt

                return run_prompt(shell, options, config)
            return SUCCESS if _run_scripts(shell, options) else FAILED
        finally:
            shell.close()
            session.close()


def set_hive_variables(session: Any, options: Options) -> None:
    """Have the session begin with the variables of the command line; they are set in Hive's dialect, also for a script
    that goes over to it later."""
    if not options.hive_variables:
        return
    is_foreign = options.dialect == "postgres"
    texts = [f"SET {name}=" + value.replace(";", "\\;") for name, value in options.hive_variables]
    for text in ["SET dialect = 'hive'", *texts, "RESET dialect"] if is_foreign else texts:
        session.execute(text)


def _open(place: str, options: Options, late: bool) -> Any:
    """The database in a directory or in memory (there when something is asked of it, with `late`), or of a server."""
    if is_address(place):
        from repl.remote import RemoteDatabase  # lazy: it brings the server's table of types

        return RemoteDatabase(place, options.dialect)

    def opening() -> Any:
        return connect(place, replicas=options.replicas or None, dialect=options.dialect)

    return LateDatabase(opening, options.dialect) if late else opening()


def make_shell(
    session: Any,
    options: Options,
    config: Config,
    interactive: bool,
    open_session: Callable[[], Any] | None = None,
) -> Shell:
    """A Shell as the options want it, or where they do not say, the configuration."""
    timing = options.timing
    if timing is None:
        timing = config.timing if interactive and config.timing is not None else interactive
    look = Look(
        header=options.header,
        timing=timing,
        shown_rows=_SHOWN_ROWS if interactive else None,
        expanded="auto" if interactive else "off",
    )
    display = Display(
        options.format or (config.format if interactive else None) or "table",
        look,
        options.quiet,
        _progress_mode(options),
    )
    if interactive and config.pager is not None:
        display = with_pager(display, config.pager)
    limits = Limits(options.max_rows, options.timeout_s, options.idle_s)
    shell = Shell(
        session,
        lambda: standard_output(sys.stdout),
        sys.stderr,
        display=display,
        limits=limits,
        keep_going=options.keep_going,
        interactive=interactive,
        open_session=open_session,
        variables={**config.variables, **dict(options.variables)},
    )
    shell.editing, shell.confirms = config.editing, config.confirm
    return shell


def _run_scripts(shell: Shell, options: Options) -> bool:
    """-c and -f in the order typed, or standard input; False if a statement failed."""
    good = True
    try:
        if not options.scripts:
            return shell.run_file("-")
        for script in options.scripts:
            if script.kind == "file":
                good = shell.run_file(script.value) and good
            else:
                good = shell.run_script(script.value.splitlines(keepends=True)) and good
            if not good and not options.keep_going:
                break
    except Leave:
        pass
    return good


def _progress_mode(options: Options) -> str:
    """Whether to draw progress: never over a pager, which shares the terminal and sits behind a pipe."""
    if options.quiet or options.progress == "auto" and stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
        return "never"
    return options.progress


if __name__ == "__main__":
    sys.exit(main())
