"""The ways a stream case is run: pure rewritings of its steps that must not change its final answer.

as_written; row_by_row (every row a batch of its own); one_batch (inputs wait and go in together); restored
(checkpoints up to one input, crash behind the next, open again), once for every input boundary in the long run;
restored_always (checkpoint, crash and open again behind every input); in_shards (restored half way, every operator that
can be divided divided); in_files (restored half way, all state in files after every tick).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from tests.collectors.case_format import Case, Expect, Input, Oracle, Reopen, Sql, Step, Tick
from tests.depth import DEEP

IN_SHARDS = "in_shards"
IN_FILES = "in_files"
_NO_BARRIER = re.compile(
    r"^\s*(create\s+(or\s+replace\s+)?((materialized|temporary|temp)\s+)?(view|topic|stream|source|sink|function)"
    r"|set|show|explain|describe)\b",
    re.IGNORECASE,
)


def ways(case: Case, each_boundary: bool = DEEP, turn: int | None = None) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """(name of the way, its steps) for every way that applies to the case; of those that restore, which cost most, only
    the one whose turn it is, unless every boundary is asked for."""
    if "as_written" not in case.skipped:
        yield "as_written", case.steps
    if "row_by_row" not in case.skipped:
        yield "row_by_row", tuple(row_by_row(without_changes(case.steps)))
    if "one_batch" not in case.skipped:
        yield "one_batch", tuple(one_batch(without_changes(case.steps)))
    if "restored" not in case.skipped:
        for boundary in boundaries(case.steps) if each_boundary else ():
            yield f"restored_after_{boundary}", tuple(restored(without_changes(case.steps), boundary))
        middle = sum(isinstance(step, Input) for step in case.steps) // 2
        restoring = (
            ("restored_always", lambda: restored_always(without_changes(case.steps))),
            (IN_SHARDS, lambda: restored(without_changes(case.steps), middle)),
            (IN_FILES, lambda: restored(without_changes(case.steps), middle)),
        )
        for number, (name, made) in enumerate(restoring):
            if each_boundary or turn is None or number == turn % len(restoring):
                yield name, tuple(made())


def without_changes(steps: Iterable[Step]) -> list[Step]:
    """Without `expect changes`: what is said on the way depends on how the input came, only the end does
    not."""
    return [s for s in steps if not (isinstance(s, Expect) and s.what == "changes")]


def row_by_row(steps: Iterable[Step]) -> Iterator[Step]:
    """Every row of every input as a batch of its own; the clock moves before the first."""
    for step in steps:
        if not isinstance(step, Input):
            yield step
            continue
        for i, row in enumerate(step.rows):
            yield replace(step, rows=(row,), line=step.line + 1 + i, at_text=step.at_text if i == 0 else None)


def one_batch(steps: Iterable[Step]) -> Iterator[Step]:
    """Inputs of one target wait for one another, past new views, up to a step that could see the difference.

    What is expected before the last input is left out, because the order of inputs and views has changed
    there.
    """
    listed = list(steps)
    last_input = max((i for i, s in enumerate(listed) if isinstance(s, Input)), default=-1)
    waiting: dict[tuple[object, ...], Input] = {}
    for i, step in enumerate(listed):
        if isinstance(step, Input) and step.at_text is None:
            key = (step.target, step.columns, step.partition, step.raw)
            before = waiting.get(key)
            waiting[key] = step if before is None else replace(before, rows=before.rows + step.rows)
            continue
        looks = isinstance(step, (Expect, Oracle))
        if looks and i < last_input:
            continue
        if looks or _is_barrier(step):
            yield from waiting.values()
            waiting.clear()
        yield step
    yield from waiting.values()


def _is_barrier(step: Step) -> bool:
    if isinstance(step, Sql):
        return step.error is not None or _NO_BARRIER.match(_without_comments(step.text)) is None
    return isinstance(step, (Tick, Reopen, Input))


def _without_comments(sql: str) -> str:
    return "\n".join(line.split("--")[0] for line in sql.split("\n"))


def boundaries(steps: Iterable[Step]) -> list[int]:
    """Behind which inputs (counted from 0 = before the first) a checkpoint is taken that a restart goes on from with
    the input after it: the first and the middle one, as `restored_always` takes all of them, one after the other."""
    count = sum(isinstance(step, Input) for step in steps)
    return [0, 1] if count == 1 else sorted({0, count // 2})


def restored(steps: Iterable[Step], boundary: int) -> Iterator[Step]:
    """A checkpoint behind each input up to number `boundary`, a crash behind the one after it (or at once behind the
    last)."""
    listed = list(steps)
    count = sum(isinstance(step, Input) for step in listed)
    seen = 0
    for step in listed:
        if isinstance(step, Input) and seen == 0:
            yield Reopen(line=step.line, how="checkpoint")
        yield step
        if not isinstance(step, Input):
            continue
        seen += 1
        if seen <= boundary:
            yield Reopen(line=step.line, how="checkpoint")
        if seen == min(boundary + 1, count):
            yield Reopen(line=step.line, how="crash")


def restored_always(steps: Iterable[Step]) -> Iterator[Step]:
    """A checkpoint and a crash behind each input."""
    for step in steps:
        yield step
        if isinstance(step, Input):
            yield Reopen(line=step.line, how="checkpoint")
            yield Reopen(line=step.line, how="crash")
