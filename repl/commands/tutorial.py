"""\\tutorial: eight steps, each done in the shell itself; when one has been done the next is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repl.commands.base import Command
from sqlengine.errors import Error, InvalidParameter
from sqlengine.quick_dataclass import dataclass

if TYPE_CHECKING:
    from repl.shell import Shell


@dataclass(frozen=True, slots=True)
class Step:
    """`text` and what to type (`example`); `check`: a query that gives a row once it has been done."""

    text: str
    example: str
    check: str


STEPS = (
    Step("A stream is rows that only come, in order. Make one.",
         "CREATE STREAM lesson (item TEXT, price BIGINT);",
         "SELECT 1 FROM system.streams WHERE name = 'lesson'"),
    Step("Put rows in. Once INSERT has returned, they are kept.",
         "INSERT INTO lesson VALUES ('tea', 3), ('milk', 1), ('tea', 4);",
         "SELECT 1 FROM lesson HAVING count(*) >= 3"),
    Step("A materialized view is a query whose answer is kept up to date.",
         "CREATE MATERIALIZED VIEW lesson_sums AS\n"
         "    SELECT item, sum(price) AS total FROM lesson GROUP BY item;",
         "SELECT 1 FROM system.materialized_views WHERE name = 'lesson_sums'"),
    Step("New rows are in the view as soon as they are in the stream. Look at it\n"
         "(SELECT * FROM lesson_sums;), insert more, and look again.",
         "INSERT INTO lesson VALUES ('bread', 5);",
         "SELECT 1 FROM lesson_sums HAVING count(*) >= 3"),
    Step("A table has a key, and its rows can change.",
         "CREATE TABLE lesson_names (item TEXT PRIMARY KEY, name TEXT);",
         "SELECT 1 FROM system.tables WHERE name = 'lesson_names'"),
    Step("Fill the table; views may join it, and follow its changes too.",
         "INSERT INTO lesson_names VALUES ('tea', 'Darjeeling'), ('milk', 'Oat');",
         "SELECT 1 FROM lesson_names HAVING count(*) >= 2"),
    Step("Join the view with the table: a view over a view.",
         "CREATE MATERIALIZED VIEW lesson_named AS\n"
         "    SELECT name, total FROM lesson_sums JOIN lesson_names USING (item);",
         "SELECT 1 FROM system.materialized_views WHERE name = 'lesson_named'"),
    Step("Change a name, and SELECT * FROM lesson_named: it has followed. SUBSCRIBE\n"
         "lesson_named shows such changes as they come.",
         "UPDATE lesson_names SET name = 'Assam' WHERE item = 'tea';",
         "SELECT 1 FROM lesson_named WHERE name = 'Assam'"),
)  # fmt: skip
_CLEARING = "DROP STREAM lesson CASCADE; DROP TABLE lesson_names CASCADE;"


def _tutorial(shell: Shell, argument: str) -> bool:
    """Go past the steps that have been done, and tell the next one; `restart` begins again."""
    if argument not in ("", "restart"):
        raise InvalidParameter(f'unknown argument "{argument}" of \\tutorial', hint="\\tutorial restart begins again")
    if argument == "restart":
        shell.tutorial_step = None
    if shell.tutorial_step is None and _is_done(shell, STEPS[0]):
        shell.say(f"what an earlier tutorial made is still there; clear it away to begin again:\n\n  {_CLEARING}\n")
    shell.tutorial_step = shell.tutorial_step or 0
    _tell_done(shell)
    _tell_next(shell)
    return True


def go_on(shell: Shell) -> None:
    """At the prompt, behind every statement: tell of a step that it has done, and the next one."""
    if shell.tutorial_step is not None and _tell_done(shell):
        _tell_next(shell)


def _tell_done(shell: Shell) -> bool:
    """Go past the steps that have been done; whether there were any."""
    before = shell.tutorial_step or 0
    step = before
    while step < len(STEPS) and _is_done(shell, STEPS[step]):
        step += 1
        shell.say(f"step {step} is done")
    shell.tutorial_step = step
    return step > before


def _tell_next(shell: Shell) -> None:
    step = shell.tutorial_step or 0
    if step == len(STEPS):
        shell.say(f"\nThat was the tutorial. To clear away what it made:\n\n  {_CLEARING}\n")
        shell.tutorial_step = None
        return
    text, example = STEPS[step].text, STEPS[step].example.replace("\n", "\n  ")
    shell.say(f"\nstep {step + 1} of {len(STEPS)}: {text}\n\n  {example}\n")


def _is_done(shell: Shell, step: Step) -> bool:
    try:
        return bool(shell.ask(step.check).num_rows)
    except Error:
        return False  # what the step makes is not there yet


TUTORIAL_COMMANDS = (Command(("\\tutorial",), "[restart]", "learn it in eight steps", _tutorial, ("restart",)),)
