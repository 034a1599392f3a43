"""The .case format: text -> steps.  What each step means is told in tests/streams/README.md.

Every step remembers its line, and an `expect` remembers which lines hold its rows, so that a file can be
rewritten in place without touching anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tests.collectors.expected_error import ExpectedError
from tests.collectors.slt_format import FormatError

_UNITS_US = {
    "microsecond": 1, "us": 1, "millisecond": 1_000, "ms": 1_000, "second": 1_000_000, "s": 1_000_000,
    "minute": 60_000_000, "min": 60_000_000, "hour": 3_600_000_000, "h": 3_600_000_000, "day": 86_400_000_000,
}  # fmt: skip
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)\s*([a-z]+)$")
_INPUT = re.compile(
    r"^in\s+(?P<target>[\w.\"]+)\s*(?:\((?P<columns>[^)]*)\))?(?:\s+partition\s+(?P<partition>\d+))?"
    r"(?P<raw>\s+raw)?(?:\s+@\s*(?P<at>.+?))?\s*$"
)
WAYS = ("as_written", "row_by_row", "one_batch", "restored")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing a case does; `line` is 1-based."""

    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sql(Step):
    """Run `text`; it must fail as `error` says when there is one."""

    text: str
    error: ExpectedError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Step):
    """Append `rows` (lines of the file) to `target` as one batch; `at_us` moves the clock there first.

    `raw`: each line is the bytes of one record of a topic.  `partition` None leaves the choice to the engine.
    """

    target: str
    rows: tuple[str, ...]
    columns: tuple[str, ...] = ()
    partition: int | None = None
    raw: bool = False
    at_text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick(Step):
    """Move the virtual clock on by `duration_us` and let the engine notice."""

    duration_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopen(Step):
    """`how`: "checkpoint" (only that), "restart" (close and open again), "crash" (abandon and open again)."""

    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect(Step):
    """`what`: view, topic, query, changes or watermark; `span`: the 0-based lines [from, to) that hold the
    rows."""

    what: str
    name: str
    rows: tuple[str, ...]
    span: tuple[int, int]
    ordered: bool = False
    sql: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Oracle(Step):
    """The view's rows must be those DuckDB gives for `sql` (the view's own query when that is empty)."""

    view: str
    sql: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A parsed file; `skipped` maps a way to the reason why it does not apply."""

    steps: tuple[Step, ...]
    skipped: dict[str, str] = field(default_factory=dict)


def parse(text: str) -> Case:
    """All steps of a file; raises FormatError naming the line."""
    return _Parser(text).case()


def parse_duration_us(text: str, line: int) -> int:
    """`10 seconds`, `1.5 s`, `200ms`, `1 day` in microseconds."""
    found = _DURATION.match(text.strip().lower())
    unit = "" if found is None else found[2]
    scale = _UNITS_US.get(unit) or _UNITS_US.get(unit.removesuffix("s"))
    if found is None or scale is None:
        raise FormatError(f"line {line}: not a duration: {text!r}")
    return round(float(found[1]) * scale)


def replace_rows(text: str, answers: dict[tuple[int, int], list[str]]) -> str:
    """The file's text with the rows of some `expect` blocks (by their span) replaced."""
    lines = text.rstrip("\n").split("\n")
    for (start, end), rows in sorted(answers.items(), reverse=True):
        lines[start:end] = rows
    return "\n".join(lines) + "\n"


class _Parser:
    """Walks the lines once; every directive has a method of its name."""

    def __init__(self, text: str) -> None:
        self.lines = text.rstrip("\n").split("\n")
        self.at = 0
        self.skipped: dict[str, str] = {}

    def case(self) -> Case:
        steps: list[Step] = []
        for step in self._steps():
            if isinstance(step, _FailedWith):
                steps.append(_with_error(steps.pop() if steps else None, step))
            else:
                steps.append(step)
        return Case(tuple(steps), self.skipped)

    def _steps(self) -> Iterator[Step]:
        while self.at < len(self.lines):
            line = self.lines[self.at].strip()
            if not line or line.startswith("#"):
                self.at += 1
                continue
            word = line.split()[0]
            directive = _DIRECTIVES.get(word)
            step = directive(self, line) if directive is not None else self._sql()
            if step is not None:
                yield step

    def _sql(self) -> Step:
        start = self.at
        while self.at < len(self.lines):
            self.at += 1
            if self.lines[self.at - 1].split("--")[0].rstrip().endswith(";"):
                return Sql(line=start + 1, text="\n".join(self.lines[start : self.at]))
        raise FormatError(f"line {start + 1}: the statement does not end with ';'")

    def in_(self, line: str) -> Step:
        """`in target (columns) [partition n] [raw] [@ time]` and its rows."""
        number = self._take()
        found = _INPUT.match(line)
        if found is None:
            raise FormatError(f"line {number}: not an input: {line}")
        _, rows = self._block()
        return Input(
            line=number,
            target=found["target"],
            rows=tuple(rows),
            columns=tuple(name.strip() for name in (found["columns"] or "").split(",") if name.strip()),
            partition=None if found["partition"] is None else int(found["partition"]),
            raw=found["raw"] is not None,
            at_text=found["at"],
        )

    def tick(self, line: str) -> Step:
        """`tick 10 seconds`."""
        number = self._take()
        return Tick(line=number, duration_us=parse_duration_us(line.split(None, 1)[-1], number))

    def reopen(self, line: str) -> Step:
        """`checkpoint`, `restart`, `crash`."""
        return Reopen(line=self._take(), how=line)

    def skip(self, line: str) -> None:
        """`skip <way> <reason>`."""
        number = self._take()
        words = line.split(None, 2)
        if len(words) < 3 or words[1] not in WAYS:
            raise FormatError(f"line {number}: skip takes one of {', '.join(WAYS)} and a reason")
        self.skipped[words[1]] = words[2]

    def oracle(self, line: str) -> Step:
        """`oracle duckdb <view>`, maybe followed by the query DuckDB is to run."""
        number = self._take()
        words = line.split()
        if len(words) != 3 or words[1] != "duckdb":
            raise FormatError(f"line {number}: write `oracle duckdb <view>`")
        _, query = self._block()
        return Oracle(line=number, view=words[2], sql="\n".join(query))

    def expect(self, line: str) -> Step:
        """`expect view|topic|changes|watermark <name> [ordered]`, `expect query [ordered]`, `expect error
        ...`."""
        number = self._take()
        words = line.split()
        what = words[1] if len(words) > 1 else ""
        if what == "error":
            return _FailedWith(line=number, error=ExpectedError.parse(line.split("error", 1)[1]))
        ordered = words[-1] == "ordered"
        names = words[2:-1] if ordered else words[2:]
        if what not in ("view", "topic", "changes", "watermark", "query") or len(names) != (what != "query"):
            raise FormatError(f"line {number}: not an expectation: {line}")
        sql = self._query(number) if what == "query" else ""
        span, rows = self._block()
        name = names[0] if names else ""
        return Expect(line=number, what=what, name=name, rows=tuple(rows), span=span, ordered=ordered, sql=sql)

    def _query(self, number: int) -> str:
        start = self.at
        while self.at < len(self.lines):
            self.at += 1
            if self.lines[self.at - 1] == "----":
                return "\n".join(self.lines[start : self.at - 1])
        raise FormatError(f"line {number}: the query has no ---- line")

    def _block(self) -> tuple[tuple[int, int], list[str]]:
        start = self.at
        while self.at < len(self.lines) and self.lines[self.at].strip():
            self.at += 1
        return (start, self.at), self.lines[start : self.at]

    def _take(self) -> int:
        self.at += 1
        return self.at


@dataclass(frozen=True, slots=True, kw_only=True)
class _FailedWith(Step):
    """`expect error`: folded into the statement before it."""

    error: ExpectedError


def _with_error(before: Step | None, step: _FailedWith) -> Step:
    if not isinstance(before, Sql) or before.error is not None:
        raise FormatError(f"line {step.line}: `expect error` must stand right behind a statement")
    return replace(before, error=step.error)


_DIRECTIVES = {
    "in": _Parser.in_,
    "tick": _Parser.tick,
    "checkpoint": _Parser.reopen,
    "restart": _Parser.reopen,
    "crash": _Parser.reopen,
    "skip": _Parser.skip,
    "oracle": _Parser.oracle,
    "expect": _Parser.expect,
}
