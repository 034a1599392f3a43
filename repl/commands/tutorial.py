"""\\tutorial: eight steps, each done in the shell itself; the next is told when the last has been done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from repl.commands.base import Command
from sqlengine.errors import Error

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
         "CREATE MATERIALIZED VIEW lesson_sums AS SELECT item, sum(price) AS total FROM lesson GROUP BY item;",
         "SELECT 1 FROM system.materialized_views WHERE name = 'lesson_sums'"),
    Step("New rows are in the view as soon as they are in the stream. Insert more, then SELECT * FROM lesson_sums.",
         "INSERT INTO lesson VALUES ('bread', 5);",
         "SELECT 1 FROM lesson_sums HAVING count(*) >= 3"),
    Step("A table has a key, and its rows can change.",
         "CREATE TABLE lesson_names (item TEXT PRIMARY KEY, name TEXT);",
         "SELECT 1 FROM system.tables WHERE name = 'lesson_names'"),
    Step("Fill the table; views may join it, and follow its changes too.",
         "INSERT INTO lesson_names VALUES ('tea', 'Darjeeling'), ('milk', 'Oat');",
         "SELECT 1 FROM lesson_names HAVING count(*) >= 2"),
    Step("Join the view with the table: a view over a view.",
         "CREATE MATERIALIZED VIEW lesson_named AS SELECT name, total FROM lesson_sums JOIN lesson_names USING (item);",
         "SELECT 1 FROM system.materialized_views WHERE name = 'lesson_named'"),
    Step("Change a name, and SELECT * FROM lesson_named: it has followed. SUBSCRIBE shows changes live.",
         "UPDATE lesson_names SET name = 'Assam' WHERE item = 'tea';",
         "SELECT 1 FROM lesson_named WHERE name = 'Assam'"),
)  # fmt: skip


def _tutorial(shell: Shell, argument: str) -> bool:
    """Go past the steps that have been done, and tell the next one; `restart` begins again."""
    if argument == "restart":
        shell.tutorial_step = 0
    while shell.tutorial_step < len(STEPS) and _is_done(shell, STEPS[shell.tutorial_step]):
        shell.say(f"step {shell.tutorial_step + 1} is done")
        shell.tutorial_step += 1
    if shell.tutorial_step == len(STEPS):
        shell.say("That was the tutorial. DROP STREAM lesson CASCADE and DROP TABLE lesson_names clear it away.")
        return True
    step = STEPS[shell.tutorial_step]
    number = shell.tutorial_step + 1
    shell.say(f"step {number} of {len(STEPS)}: {step.text}\n\n  {step.example}\n\nthen type \\tutorial again")
    return True


def _is_done(shell: Shell, step: Step) -> bool:
    try:
        return bool(shell.ask(step.check).num_rows)
    except Error:
        return False  # what the step makes is not there yet


TUTORIAL_COMMANDS = (Command(("\\tutorial",), "[restart]", "learn it in eight steps", _tutorial, ("restart",)),)
