"""Runs the steps of a stream case on an engine and tells the first one that does not hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from tests.collectors.case_engine import CaseEngine
from tests.collectors.case_format import Expect, Input, Oracle, Reopen, Sql, Step, Tick
from tests.collectors.case_rows import SEPARATOR, input_table
from tests.collectors.clock import move_to
from tests.collectors.executor import Answer, Failure, answer_of, row_lines
from tests.collectors.oracle import rows_differ, view_answer
from tests.collectors.slt_run import difference


class CaseFailure(Exception):
    """A step does not hold; the message names its line."""


@dataclass
class Run:
    """One run of one way.  With `answers` set, `expect` blocks note what they got instead of checking it."""

    engine: CaseEngine
    answers: dict[tuple[int, int], list[str]] | None = None
    statements: list[str] = field(default_factory=list)

    def steps(self, steps: Iterable[Step]) -> None:
        """Run all; raises CaseFailure at the first that does not hold."""
        listed = list(steps)
        followed = [s.name for s in listed if isinstance(s, Expect) and s.what == "changes"]
        for step in listed:
            try:
                self._step(step)
            except Failure as failure:
                raise CaseFailure(f"line {step.line}: failed with {failure}") from failure
            if isinstance(step, (Sql, Reopen)):
                for view in followed:
                    self.engine.follow(view)

    def _step(self, step: Step) -> None:
        match step:
            case Sql():
                self._sql(step)
            case Input():
                self._input(step)
            case Tick():
                self.engine.settle()  # what came before is seen at the time it came, as a running engine would
                self.engine.clock.advance(step.duration_us)
                self.engine.settle()
            case Reopen():
                self.engine.reopen(step.how)
            case Expect():
                self._expect(step)
            case Oracle():
                self._oracle(step)

    def _sql(self, step: Sql) -> None:
        text = step.text.rstrip().rstrip(";")
        if step.error is None:
            self.engine.execute(text)
            self.statements.append(text)
            return
        try:
            self.engine.execute(text)
        except Failure as failure:
            if (reason := step.error.mismatch(failure)) is not None:
                raise CaseFailure(f"line {step.line}: {reason}") from failure
            return
        raise CaseFailure(f"line {step.line}: succeeded, but should have failed with {step.error}")

    def _input(self, step: Input) -> None:
        if step.at_text is not None:
            move_to(self.engine.clock, step.at_text)
        schema = pa.schema([]) if step.raw else self.engine.schema(step.target)
        table = input_table(step, schema)
        if step.raw or step.partition is not None:
            self.engine.append(step.target, table, step.partition or 0)
        else:
            self.engine.insert(step.target, table)

    def _expect(self, step: Expect) -> None:
        lines = self._actual(step)
        if self.answers is not None:
            self.answers[step.span] = lines
            return
        expected = [_spaced(row) for row in step.rows]
        if not step.ordered and step.what != "changes":
            expected = sorted(expected)
        if expected != lines:
            title = " ".join(part for part in (step.what, step.name) if part)
            raise CaseFailure(f"line {step.line}: {title} differs\n" + difference(expected, lines))

    def _actual(self, step: Expect) -> list[str]:
        if step.what == "changes":
            return row_lines(self.engine.changes(step.name), SEPARATOR)
        lines = row_lines(self._answer(step).rows, SEPARATOR)
        return lines if step.ordered else sorted(lines)

    def _answer(self, step: Expect) -> Answer:
        if step.what == "query":
            return self.engine.execute(step.sql.rstrip().rstrip(";"))
        if step.what == "watermark":
            shown = self.engine.execute("SHOW WATERMARKS")
            return Answer(shown.names[1:4], shown.types[1:4], tuple(r[1:4] for r in shown.rows if r[0] == step.name))
        return answer_of(self.engine.relation(step.name))

    def _oracle(self, step: Oracle) -> None:
        actual = answer_of(self.engine.relation(step.view)).rows
        expected = view_answer(self.statements, step.view, step.sql, self.engine.relation).rows
        if (reason := rows_differ(expected, actual)) is not None:
            raise CaseFailure(f"line {step.line}: {step.view} is not what DuckDB answers\n{reason}")


def needs_disk(steps: Sequence[Step]) -> bool:
    """Whether a run opens its database again."""
    return any(isinstance(step, Reopen) for step in steps)


def _spaced(row: str) -> str:
    return SEPARATOR.join(cell.strip() for cell in re.split(r"(?<!\\)\|", row))
