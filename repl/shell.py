"""The heart of the command: runs statements and backslash commands, shows results, reports errors.

The prompt and scripts are two ways to feed it.  It talks to one Session through a Runner; results go to
`output`, everything else to `messages`.
"""

from __future__ import annotations

import dataclasses
import io
import os
import shlex
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TextIO

from repl.commands import run_command
from repl.commands.base import Leave
from repl.last_result import Keeping, LastResult
from repl.render import renderer
from repl.render.base import Look, Renderer, Summary, Target, duration_text
from repl.render.error import error_text
from repl.render.progress import Progress
from repl.runner import Abandoned, Interrupted, Limits, Outcome, Runner
from repl.safety import what_it_loses
from repl.statements import OURS, Statement, read_statements
from repl.terminal import Keyboard, Output, Screen, file_output, screen_of
from repl.variables import substitute, unset
from repl.worker import Worker
from sqlengine.advance import Advance
from sqlengine.errors import Error, FileUnavailable, InternalError, InvalidParameter
from sqlengine.quick_dataclass import dataclass

INTERRUPTED = 130
_PROGRESS_AFTER_S = 0.5
_DEEPEST_INCLUDE = 16
_FRAME_LINES = 8
"""Lines of a table around its rows, and of the prompt above and below it."""


@dataclass(frozen=True, slots=True)
class Display:
    """How results are shown; backslash commands replace it.

    `pager`: which results open in one ("auto": those longer than the screen, "on", "off"); `pager_program`: what it is,
    "" for our own; `ascii_only`: draw with ASCII alone.
    """

    format: str = "table"
    look: Look = Look()
    quiet: bool = False
    progress: str = "never"
    pager: str = "auto"
    pager_program: str = ""
    ascii_only: bool = False


class Shell:
    """Feeds statements to a session until one fails (or to the end, with `keep_going`).

    `open_session` opens another session of the same database; `variables` are those of scripts; `confirms`: ask
    before what loses data; `editing` is the prompt's mode, `last_text` what was run there last, `next_text` what is to
    stand there next time; `tutorial_step`: how many steps of \\tutorial are done, None where nobody follows it.
    """

    def __init__(
        self,
        session: Any,
        output: Callable[[], Output],
        messages: TextIO,
        *,
        display: Display = Display(),  # noqa: B008 - frozen
        limits: Limits = Limits(),  # noqa: B008 - frozen
        keep_going: bool = False,
        interactive: bool = False,
        open_session: Callable[[], Any] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.display = display
        self.interactive = interactive
        self.changed_catalog = True
        self.last_query: str | None = None
        self.last: LastResult | None = None
        self._coming: LastResult | None = None
        self._title = ""
        self.terminal: dict[str, Any] = {}
        self.keyboard = Keyboard()
        self.confirms = True
        self.read_answer: Callable[[], str] = input
        self.open_session = open_session
        self.variables = dict(variables or {})
        self.editing = "emacs"
        self.last_text = ""
        self.next_text = ""
        self.tutorial_step: int | None = None
        self._session = session
        self._standard_output = output
        self._file_output: Output | None = None
        self._messages = messages
        self.limits = limits
        self._keep_going = keep_going
        self._depth = 0
        self._progress: Progress | None = None
        self._advance: Advance | None = None
        session.on_progress(self.hear_progress)
        self._worker = Worker()
        self.runner = Runner(session, self._worker, self._show_progress, self._clear_progress)

    @property
    def dialect(self) -> str:
        """The SQL dialect of the text that follows."""
        return str(getattr(self._session.settings, "dialect", OURS))

    # ------------------------------------------------------------ statements

    def run_script(self, lines: Iterable[str], name: str | None = None) -> bool:
        """Run every statement of a script; False if one failed (the rest is then left out unless
        keep_going)."""
        good = True
        for statement in read_statements(lines, name, lambda: self.dialect):
            good = self.run(statement) and good
            if not good and not self._keep_going:
                return False
        return good

    def run_file(self, path: str) -> bool:
        """Run a script file; `-` is standard input.  False if it cannot be read or a statement failed."""
        if self._depth >= _DEEPEST_INCLUDE:
            self.report(InvalidParameter(f'scripts include one another too deeply at "{path}"'))
            return False
        self._depth += 1
        try:
            if path == "-":
                return self.run_script(sys.stdin)
            with open(os.path.expanduser(path), encoding="utf-8-sig") as lines:
                return self.run_script(lines, path)
        except OSError as error:
            self.report(FileUnavailable(f'cannot read "{path}": {(error.strerror or str(error)).lower()}'))
        except UnicodeDecodeError as error:
            self.report(FileUnavailable(f'cannot read "{path}": not UTF-8 text', detail=str(error)))
        finally:
            self._depth -= 1
        return False

    def run(self, statement: Statement, carry_out: Callable[[Any], Any] | None = None) -> bool:
        """Run one statement or backslash command; False if it failed, which has then been reported.

        `carry_out(session)` does what the statement says where the session's own execute does not.

        Raises Leave for \\q, KeyboardInterrupt when Ctrl-C ended it and this is no prompt.
        """
        try:
            if statement.is_command:
                self._progress = self._new_progress()
                return run_command(self, substitute(statement.text, self.variables))
            statement = self._filled_in(statement)
            if self.interactive and self.confirms and not self._is_confirmed(statement.text):
                self.say("not done")
                return False
            self._progress = self._new_progress()
            show = self._live(statement.text)
            outcome = self.runner.run(statement.text, self._renderer, self.limits, show, carry_out)
            self._conclude(outcome)
            if outcome.is_repeatable:
                self.last_query = statement.text
            if outcome.interrupted and not self.interactive:
                raise KeyboardInterrupt
            return True
        except Interrupted:
            if not self.interactive:
                raise KeyboardInterrupt from None
            self.say("cancelled")
            return False
        except Abandoned:
            self._abandon()
        except Error as error:
            self.report(_of_variables(error, statement), statement)
        except (BrokenPipeError, Leave):
            raise
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the prompt and the next statement must live
            self.report(_internal(error), statement)
        return False

    def wait_for(self, work: Callable[[Any], Any]) -> Any:
        """`work(session)`, however long it takes, with its progress; raises as it does, and Interrupted."""
        self._progress = self._new_progress()
        try:
            return self.runner.call(work)
        except Abandoned:
            self._abandon()

    def _abandon(self) -> NoReturn:
        """Leave at once: the session does not answer, so nothing can be closed in order; what was acknowledged is on
        disk."""
        self.say("the statement does not stop; leaving without it")
        os._exit(INTERRUPTED)

    def _filled_in(self, statement: Statement) -> Statement:
        """The statement with its variables replaced."""
        text = substitute(statement.text, self.variables, self.dialect)
        if text == statement.text:
            return statement
        return Statement(text, line=statement.locate(0)[0], name=statement.name)

    def _is_confirmed(self, text: str) -> bool:
        """Whether a statement loses nothing, or the user says that it may."""
        loss = what_it_loses(text, self.dialect)
        return loss is None or self.asks_whether(f"{loss}. Go on?")

    def asks_whether(self, question: str) -> bool:
        """Ask the user; anything but y or yes, Ctrl-C and Ctrl-D mean no."""
        self._clear_progress()
        self._messages.write(f"{question} [y/N] ")
        self._messages.flush()
        try:
            with self.keyboard.given_back():
                return self.read_answer().strip().lower() in ("y", "yes")
        except (EOFError, KeyboardInterrupt):
            self._messages.write("\n")
            return False

    def ask(self, sql: str) -> Any:
        """The rows of a short query as an Arrow table, for the shell's own use; raises as the session
        does."""
        return self.runner.call(lambda session: session.execute(sql).to_arrow())

    def _conclude(self, outcome: Outcome) -> None:
        """Notices and the tag of a statement that went well; its rows become the last result."""
        if self._coming is not None:
            self._keep(self._coming)
        if outcome.tag.split(" ")[0] in ("CREATE", "DROP", "ALTER"):
            self.changed_catalog = True
        if self.display.quiet:
            return
        for notice in outcome.notices:
            self.say(f"{notice.severity}: {notice}")
        if not outcome.has_rows:
            timing = f" ({duration_text(outcome.elapsed_ms)})" if self.display.look.timing else ""
            self.say(f"{outcome.tag}{timing}")

    def _live(self, title: str) -> Callable[[Any], None] | None:
        """Shows a result without end on the whole screen; None where rows are to be written as they come."""
        self._title, self._coming = title, None
        if not self.has_screen or self.display.format != "table":
            return None

        def show(result: Any) -> None:
            from repl.live.following import follow  # only a live view needs it

            rows, changes = follow(
                self.runner,
                result,
                title,
                self.open_session,
                timezone=self.timezone,
                unicode=self.unicode,
                null=self.display.look.null,
                **self.terminal,
            )
            self.say(f"{changes:,} changes, {rows:,} rows")

        return show

    def _keep(self, last: LastResult) -> None:
        """Have a result charted, read as `_`, and opened in the pager if it does not fit."""
        self.last, self._coming = last, None
        table = last.table()
        self.runner.call(lambda session: session.lend("_", table) if hasattr(session, "lend") else None)
        if self.display.pager == "off" or self.display.format != "table" or not self.has_screen:
            return
        height = self._output().screen.height or 0
        if self.display.pager == "on" or last.total + _FRAME_LINES > height:
            self.page(last)

    def page(self, last: LastResult) -> None:
        """Open a result in the pager."""
        if self.display.pager_program:
            self._page_text(self._whole_text(last))
            return
        # only people at a terminal have one, and prompt_toolkit is heavy
        from repl.live.fullscreen import show
        from repl.live.grid_screen import GridScreen, result_rows

        screen = GridScreen(last.title, result_rows(last.table()), timezone=self.timezone, unicode=self.unicode)
        screen.grid.null = self.display.look.null
        if not last.is_whole:
            screen.message = f"the first rows of {last.total:,}: no more are kept"
        show(screen, **self.terminal)

    def _whole_text(self, last: LastResult) -> bytes:
        """A result in the present format, nothing cut or left out."""
        stream = io.BytesIO()
        output = Output(stream, Screen(unicode=self.unicode))
        look = dataclasses.replace(
            self.display.look, shown_rows=None, timing=False, timezone=self.timezone, hive_header=self.hive_header
        )
        writer = renderer(self._format_name(look), Target(output, last.schema, look))
        for batch in last.table().to_batches():
            writer.write(batch)
        writer.finish(Summary(last.total, 0.0))
        return stream.getvalue()

    def _page_text(self, text: bytes) -> None:
        """Have the pager's program show a text; FileUnavailable (58P01) where it cannot be run."""
        program = self.display.pager_program
        try:
            with self.keyboard.given_back():
                subprocess.run(shlex.split(program), input=text, check=False)
        except BrokenPipeError:
            return  # it was left before it had read everything
        except OSError as error:
            raise FileUnavailable(
                f'cannot run the pager "{program}": {(error.strerror or str(error)).lower()}'
            ) from None

    # ------------------------------------------------------------ output

    def say_long(self, text: str) -> None:
        """Lines for the reader that are no data: through the pager where they are more than the screen has."""
        height = self._output().screen.height or 0
        if not self.has_screen or self.display.pager == "off" or text.count("\n") + 3 <= height:
            self.say(text)
        elif self.display.pager_program:
            self._page_text(text.encode() + b"\n")
        else:
            # as in page()
            from repl.live.fullscreen import show
            from repl.live.text_screen import TextScreen

            show(TextScreen(text.split("\n")), **self.terminal)

    def say(self, text: str) -> None:
        """A line for the reader that is no data."""
        self._clear_progress()
        self._messages.write(text + "\n")
        self._messages.flush()

    def report(self, error: Error, statement: Statement | None = None) -> None:
        """Show an error."""
        self._clear_progress()
        self._messages.write(error_text(error, statement, screen_of(self._messages)))
        self._messages.flush()

    def show(self, table: Any, title: str | None = None) -> None:
        """An Arrow table of the shell's own (\\d and the like), in the current format."""
        look = dataclasses.replace(self.display.look, timing=False, footer=False)
        output = self._output()
        if title and self.display.format in ("table", "vertical"):
            output.write(f"{title}\n")
        target = Target(output, table.schema, look)
        writer = renderer(self.display.format, target)
        for batch in table.to_batches():
            writer.write(batch)
        writer.finish(Summary(table.num_rows, 0.0))

    def send_to(self, path: str | None) -> None:
        """Write results to a file from now on, or (None) to standard output again; OSError if it cannot be
        written."""
        fresh = file_output(os.path.expanduser(path)) if path else None
        if self._file_output is not None:
            self._file_output.close()
        self._file_output = fresh

    def close(self) -> None:
        """Close what \\o opened and end the worker; the session stays with its owner."""
        self.send_to(None)
        self._worker.close()

    @property
    def is_remote(self) -> bool:
        """Whether the database is a server's, whose files are not those here."""
        return bool(getattr(self._session, "is_remote", False))

    @property
    def timezone(self) -> str:
        """Where timestamptz is shown."""
        return str(getattr(getattr(self._session, "settings", None), "timezone", "UTC"))

    @property
    def hive_header(self) -> bool:
        """Whether the format hive has the names of columns."""
        variables = getattr(getattr(self._session, "settings", None), "hive", {})
        return str(variables.get("hiveconf:hive.cli.print.header", "false")).lower() == "true"

    @property
    def has_screen(self) -> bool:
        """Whether somebody sits before a terminal that results go to."""
        return self.interactive and self._output().screen.width is not None

    @property
    def width(self) -> int | None:
        """Cells of a line where results go; None when nothing limits them."""
        return self._output().screen.width

    @property
    def unicode(self) -> bool:
        """Whether results may have characters beyond ASCII."""
        return self._output().screen.unicode

    def write(self, text: str) -> None:
        """Text of the shell's own where results go."""
        output = self._output()
        output.write(text)
        output.flush()

    def _output(self) -> Output:
        output = self._file_output or self._standard_output()
        if self.display.ascii_only:
            output.screen = dataclasses.replace(output.screen, unicode=False)
        return output

    def _format_name(self, look: Look) -> str:
        return "vertical" if self.display.format == "table" and look.expanded == "on" else self.display.format

    def _renderer(self, result: Any) -> Renderer:
        output, display = self._output(), self.display
        if display.format == "arrow" and output.screen.width is not None:
            raise InvalidParameter(
                "arrow results are bytes and would garble the terminal", hint="redirect them, or use \\o FILE"
            )
        look = display.look
        if output.screen.width is None:
            look = dataclasses.replace(look, shown_rows=None)
        footer = look.footer and not display.quiet
        look = dataclasses.replace(look, timezone=self.timezone, footer=footer, hive_header=self.hive_header)
        writer = renderer(self._format_name(look), Target(output, result.schema, look, bool(result.endless)))
        if result.endless or not result.tag.startswith("SELECT"):
            return writer
        self._coming = LastResult(result.schema, self._title)
        return Keeping(writer, self._coming)

    # ------------------------------------------------------------ progress

    def _new_progress(self) -> Progress | None:
        self._advance = None
        if self.display.progress == "never":
            return None
        plain = self.display.progress == "always"
        return Progress(self._messages, plain=plain, after_s=_PROGRESS_AFTER_S)

    def _show_progress(self, rows: int) -> None:
        """Called while a statement runs: draws how far the session says it is, or only that it runs."""
        if self._progress is None:
            return
        told = self._advance
        if told is None:
            self._progress.update(rows, note="running, Ctrl-C ends it")
        else:
            note = "nearly done" if told.fraction == 1.0 else ""
            self._progress.update(told.done, unit=told.unit, share=told.fraction, note=note)

    def hear_progress(self, told: Advance) -> None:
        """Called by whoever works, on the worker's thread."""
        self._advance = told

    def _clear_progress(self) -> None:
        if self._progress is not None:
            self._progress.clear()


def _of_variables(error: Error, statement: Statement) -> Error:
    """Where a parameter has no value, here a variable is missing."""
    name = unset(statement.text, error.position, error.sqlstate) if error.position is not None else None
    if name is None:
        return error
    hint = f"\\set {name} VALUE, or -v {name}=VALUE at the start"
    return Error(f'variable "{name}" is not set', sqlstate=error.sqlstate, position=error.position, hint=hint)


def _internal(error: Exception) -> Error:
    """Our own fault, told as such; SQLENGINE_DEBUG=1 adds where."""
    debug = os.environ.get("SQLENGINE_DEBUG")
    return InternalError(
        f"internal error: {type(error).__name__}: {error}",
        detail="".join(traceback.format_exception(error)) if debug else None,
        hint=None if debug else "this is a fault of sqlengine; SQLENGINE_DEBUG=1 shows where",
    )
