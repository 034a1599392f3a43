"""Searching with conditions that ask for the match so far: paths are tried one after the other, as the pattern prefers
them, in all partitions side by side, so that their questions are answered many at a time.

Two paths that meet at an instruction need not have the same future here, so that the number of paths has no bound but
the one that is set.  Where no such question can come any more, a path that meets a failed one has failed.
"""

from __future__ import annotations

from array import array
from collections.abc import Generator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sqlengine.errors import TooComplex
from sqlengine.kernels.row_pattern_reference import NO_TIME
from sqlengine.operators.match.conditions import Conditions
from sqlengine.operators.match.rows import Ints, Matches, Rows
from sqlengine.plan.match_node import ACCEPT, BEGIN, CONSUME, JUMP, LOOP, SPLIT, MatchRecognize

Bytes = npt.NDArray[np.uint8]

STEPS_MAX = 1_000_000
"""So many instructions are tried for one beginning of a match."""
FINE, NO_SUCH_ROW, SAME_ROW = range(3)


Path = array  # type: ignore[type-arg]
"""The instructions by which a match took its rows: integers of C."""


class Limits(NamedTuple):
    """As of `kernels/row_pattern.pyx`."""

    times: Ints
    within: int
    horizon: int
    look: int
    ended: bool
    tentative: bool


class _Question(NamedTuple):
    """Whether a match that begins at `start` may have taken the instructions `path` (their bytes), the last of which
    takes a row of `variable`."""

    variable: int
    start: int
    path: bytes
    number: int


class _Found(NamedTuple):
    start: int
    path: Path
    decided: bool


_Search = Generator[_Question, bool, tuple[list[_Found], int, int]]


def search(
    node: MatchRecognize, conditions: Conditions, rows: Rows, accepted: Bytes, limits: Limits, now_us: int
) -> tuple[Ints, Ints, Ints, Bytes, npt.NDArray[np.int32], Ints, int]:
    """As `find_matches` of the kernel."""
    attempts = _Attempts(node, conditions, rows, accepted, limits)
    searches = [attempts.partition(i) for i in range(len(rows.starts))]
    results: list[tuple[list[_Found], int, int]] = [([], 0, FINE)] * len(searches)
    asking = _answered(list(enumerate(searches)), [None] * len(searches), results)
    while asking:
        questions = [q for _, q in asking]
        answers = _answers(node, conditions, rows, [i for i, _ in asking], questions, now_us)
        asking = _answered([(i, searches[i]) for i, _ in asking], answers, results)
    found = [(f.start, len(f.path), i, f.decided) for i, (fs, _, _) in enumerate(results) for f in fs]
    columns = np.array(found, dtype=np.int64).reshape(-1, 4)
    path = [pc for fs, _, _ in results for f in fs for pc in f.path]
    return (
        np.ascontiguousarray(columns[:, 0]),
        np.ascontiguousarray(columns[:, 1]),
        np.ascontiguousarray(columns[:, 2]),
        columns[:, 3].astype(np.uint8),
        np.array(path, dtype=np.int32),
        np.array([frontier for _, frontier, _ in results], dtype=np.int64),
        max((failure for _, _, failure in results), default=FINE),
    )


def _answered(
    searches: list[tuple[int, _Search]],
    answers: list[bool] | list[None],
    results: list[tuple[list[_Found], int, int]],
) -> list[tuple[int, _Question]]:
    """Let searches go on; the questions of those that have not ended."""
    asking = []
    for (i, one), answer in zip(searches, answers, strict=True):
        try:
            asking.append((i, one.send(answer)))  # type: ignore[arg-type]
        except StopIteration as end:
            results[i] = end.value
    return asking


def _answers(
    node: MatchRecognize,
    conditions: Conditions,
    rows: Rows,
    segments: list[int],
    questions: list[_Question],
    now_us: int,
) -> list[bool]:
    """The answers, for each variable at once."""
    answers = [False] * len(questions)
    by_variable: dict[int, list[int]] = {}
    for i, question in enumerate(questions):
        by_variable.setdefault(question.variable, []).append(i)
    variable_of = np.array(node.program.first, dtype=np.int32)
    for variable, places in by_variable.items():
        asked = [questions[i] for i in places]
        made = Matches(
            np.array([q.start for q in asked], dtype=np.int64),
            np.array([len(q.path) for q in asked], dtype=np.int64) // np.dtype(np.intc).itemsize,
            np.array([segments[i] for i in places], dtype=np.int64),
            np.array([q.number for q in asked], dtype=np.int64),
            np.zeros(len(asked), dtype=bool),
            variable_of[np.frombuffer(b"".join([q.path for q in asked]), dtype=np.intc)],
            np.zeros(0, dtype=bool),
        )
        for i, yes in zip(places, conditions.satisfied(variable, rows, made, now_us).tolist(), strict=True):
            answers[i] = yes
    return answers


class _Attempts:
    def __init__(
        self, node: MatchRecognize, conditions: Conditions, rows: Rows, accepted: Bytes, limits: Limits
    ) -> None:
        self.node, self.rows, self.limits = node, rows, limits
        self.ops, self.first, self.second = node.program.ops, node.program.first, node.program.second
        self.accepted = [row.tolist() for row in accepted]
        self.times = limits.times.tolist()
        self.asks = [conditions.asks_match(v) for v in range(len(node.defines))]
        self.free = self._free()
        self.loops = LOOP in self.ops
        self.touched = False

    def _free(self) -> list[bool]:
        """From which instructions on no question can come."""
        asking = [op == CONSUME and self.asks[v] for op, v in zip(self.ops, self.first, strict=True)]
        while True:
            more = [asking[pc] or any(asking[to] for to in self._next(pc)) for pc in range(len(self.ops))]
            if more == asking:
                return [not a for a in asking]
            asking = more

    def _next(self, pc: int) -> tuple[int, ...]:
        op = self.ops[pc]
        if op in (SPLIT, LOOP):
            return self.first[pc], self.second[pc]
        if op == JUMP:
            return (self.first[pc],)
        return () if op == ACCEPT else (pc + 1,)

    def partition(self, segment: int) -> _Search:
        """The matches of a partition, where the first search begins that rows to come decide, and whether a skip
        failed."""
        at, end = int(self.rows.froms[segment]), int(self.rows.ends[segment])
        number = int(self.rows.numbers[segment])
        found: list[_Found] = []
        frontier, decided = -1, True
        while at < end:
            self.touched = False
            path = yield from self._attempt(segment, at, number + len(found) + 1)
            if self.touched and decided:
                decided, frontier = False, at
                if not self.limits.tentative:
                    break
            if path is None:
                at += 1
                continue
            found.append(_Found(at, path, decided))
            at, failure = self._skipped(at, path)
            if failure != FINE:
                return found, at, failure
        return found, end if decided else frontier, FINE

    def _skipped(self, start: int, path: Path) -> tuple[int, int]:
        """Where the next search begins, and whether there is such a row."""
        skip = self.node.skip
        if not path or skip.kind == "to next row":
            return start + 1, FINE
        if skip.kind == "past last row":
            return start + len(path), FINE
        places = [i for i, pc in enumerate(path) if self.first[pc] in skip.variables]
        if not places:
            return start, NO_SUCH_ROW
        place = places[0] if skip.kind == "to first" else places[-1]
        return start + place, FINE if place else SAME_ROW

    def _attempt(self, segment: int, start: int, number: int) -> Generator[_Question, bool, Path | None]:
        """The path of the preferred match that begins at a row; `touched` says whether rows to come could change it."""
        end = int(self.rows.ends[segment])
        limit = end - self.limits.look
        ops, first, second = self.ops, self.first, self.second
        path: Path = array("i")
        failed: set[tuple[int, int]] = set()
        touched = False
        todo: list[tuple[int, int, dict[int, int]]] = [(0, 0, {})]
        steps = 0
        while todo:
            pc, length, entered = todo.pop()
            del path[length:]
            while True:
                steps += 1
                if steps > STEPS_MAX:
                    raise TooComplex(
                        f"a match of a row pattern was not found in {STEPS_MAX} steps",
                        hint="conditions that ask for the match so far make every path a different one: give them to"
                        " fewer variables, or bound the quantifiers",
                    )
                op = ops[pc]
                pos = start + len(path)
                if self.free[pc] and op in (CONSUME, SPLIT):
                    if (pc, pos) in failed:
                        break
                    failed.add((pc, pos))
                if op == CONSUME:
                    if self._is_over(start, pos, end):
                        break
                    touched = touched or (pos >= limit and not self.limits.ended)
                    variable = first[pc]
                    if pos >= end or not self.accepted[variable][pos]:
                        break
                    path.append(pc)
                    if self.asks[variable] and not (yield _Question(variable, start, path.tobytes(), number)):
                        break
                    pc += 1
                elif op == SPLIT:
                    if self.loops:
                        entered = {**entered, pc: pos}
                    todo.append((second[pc], len(path), entered))
                    pc = first[pc]
                elif op == LOOP:
                    pc = second[pc] if entered.get(first[pc]) == pos else first[pc]
                elif op == JUMP:
                    pc = first[pc]
                elif op == ACCEPT:
                    self.touched = touched
                    return path
                else:
                    if pos != (int(self.rows.begins[segment]) if op == BEGIN else end):
                        break
                    touched = touched or (op != BEGIN and not self.limits.ended)
                    pc += 1
        self.touched = touched
        return None

    def _is_over(self, start: int, pos: int, end: int) -> bool:
        """Whether a row at `pos` can no longer belong to a match that began at `start`."""
        if not self.limits.within:
            return False
        began = self.times[start]
        now = self.times[pos] if pos < end else self.limits.horizon
        if began == NO_TIME or (pos < end and now == NO_TIME):
            return True
        return bool(now - began > self.limits.within)
