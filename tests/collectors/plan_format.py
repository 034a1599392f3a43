"""The plan goldens: a set-up script, then queries with the EXPLAIN text of each stage; told in
tests/plans/README.md."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.collectors.slt_format import FormatError

_STAGE = re.compile(r"^---- (\w+)$")


@dataclass(frozen=True, slots=True)
class Stage:
    """The expected text of one stage and the 0-based lines [from, to) that hold it."""

    name: str
    text: tuple[str, ...]
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class PlanQuery:
    """One query under its heading; `line` is 1-based."""

    name: str
    line: int
    sql: str
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True)
class PlanFile:
    """`setup` is run once before every query."""

    setup: str
    queries: tuple[PlanQuery, ...]


def parse(text: str) -> PlanFile:
    """The set-up (everything before the first `== name`) and the queries; raises FormatError."""
    lines = text.rstrip("\n").split("\n")
    heads = [i for i, line in enumerate(lines) if line.startswith("== ")]
    if not heads:
        raise FormatError("line 1: no query: a query begins with `== name`")
    ends = [*heads[1:], len(lines)]
    setup = "\n".join(line for line in lines[: heads[0]] if not line.startswith("#"))
    return PlanFile(setup.strip(), tuple(_query(lines, start, end) for start, end in zip(heads, ends)))


def _query(lines: list[str], start: int, end: int) -> PlanQuery:
    rules = [i for i in range(start + 1, end) if _STAGE.match(lines[i])]
    if not rules:
        raise FormatError(f"line {start + 1}: the query has no `---- stage`")
    sql = "\n".join(lines[start + 1 : rules[0]]).strip().rstrip(";")
    stages = tuple(_stage(lines, rule, until) for rule, until in zip(rules, [*rules[1:], end]))
    return PlanQuery(lines[start][3:].strip(), start + 1, sql, stages)


def _stage(lines: list[str], rule: int, end: int) -> Stage:
    stop = end
    while stop > rule + 1 and not lines[stop - 1].strip():
        stop -= 1
    found = _STAGE.match(lines[rule])
    assert found is not None
    return Stage(found[1], tuple(lines[rule + 1 : stop]), (rule + 1, stop))
