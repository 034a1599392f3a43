"""The kernel of `row_pattern.pyx` in plain Python: same function, same answers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Shorts = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

CONSUME, SPLIT, JUMP, LOOP, BEGIN, END, ACCEPT = range(7)
PAST_LAST, TO_NEXT, TO_FIRST, TO_LAST = range(4)
NO_TIME = int(np.iinfo(np.int64).max)
"""The time of a row that has none: it is within no distance of any other."""
FINE, NO_SUCH_ROW, SAME_ROW = range(3)
"""What became of AFTER MATCH SKIP: the row it names is not in the match, or is its first."""

Found = tuple[Ints, Ints, Ints, Bytes, Shorts, Ints, int]


def find_matches(
    program: Shorts,
    accepted: Bytes,
    segments: Ints,
    times: Ints,
    within: int,
    horizon: int,
    look: int,
    ended: bool,
    tentative: bool,
    skip: int,
    skip_to: Bytes,
) -> Found:
    """The matches of a pattern in sorted rows; see `row_pattern.pyx`."""
    search = _Search(program, accepted, times, within, horizon, look, ended)
    found: list[tuple[int, int, int, int]] = []
    paths: list[int] = []
    frontiers = np.zeros(segments.shape[1], dtype=np.int64)
    failure = FINE
    for segment in range(segments.shape[1]):
        end, at = int(segments[1, segment]), int(segments[2, segment])
        frontiers[segment] = end
        decided = True
        while at < end and failure == FINE:
            match, open_from = search.next(at, end, int(segments[3, segment]))
            if open_from >= 0 and decided:
                decided, frontiers[segment] = False, open_from
                if not tentative:
                    break
            if match is None:
                break
            start, path = match
            found.append((start, len(path), segment, int(decided)))
            paths += path
            at, failure = _skipped(program, start, path, skip, skip_to)
            if decided and failure == FINE:
                frontiers[segment] = min(at, end)
    columns = np.array(found, dtype=np.int64).reshape(-1, 4)
    return (
        np.ascontiguousarray(columns[:, 0]),
        np.ascontiguousarray(columns[:, 1]),
        np.ascontiguousarray(columns[:, 2]),
        columns[:, 3].astype(np.uint8),
        np.array(paths, dtype=np.int32),
        frontiers,
        failure,
    )


def _skipped(program: Shorts, start: int, path: list[int], skip: int, skip_to: Bytes) -> tuple[int, int]:
    """Where the next search begins, and whether there is such a row."""
    if not path or skip == TO_NEXT:
        return start + 1, FINE
    if skip == PAST_LAST:
        return start + len(path), FINE
    places = [i for i, pc in enumerate(path) if skip_to[program[1, pc]]]
    if not places:
        return start, NO_SUCH_ROW
    place = places[0] if skip == TO_FIRST else places[-1]
    return start + place, FINE if place else SAME_ROW


class _Search:
    """Threads by preference: (instruction, where its match began, last node of its path)."""

    def __init__(
        self, program: Shorts, accepted: Bytes, times: Ints, within: int, horizon: int, look: int, ended: bool
    ) -> None:
        self.ops, self.first, self.second = (row.tolist() for row in program)
        self.accepted, self.times, self.within, self.horizon = accepted, times, within, horizon
        self.look, self.ended = look, ended
        self.nodes: list[tuple[int, int]] = []

    def next(self, at: int, end: int, begin: int) -> tuple[tuple[int, list[int]] | None, int]:
        """(the first match from a row on: where it begins, instructions of its rows; the first row whose fate later
        rows decide, or -1)."""
        if not self.within:
            return self._from(at, end, begin, alone=False)
        open_from = -1
        for start in range(at, end):
            match, still = self._from(start, end, begin, alone=True)
            open_from = still if open_from < 0 else open_from
            if match is not None:
                return match, open_from
        return None, open_from

    def _from(self, at: int, end: int, begin: int, alone: bool) -> tuple[tuple[int, list[int]] | None, int]:
        self.nodes.clear()
        self.open_from = -1
        matched: tuple[int, int] | None = None
        limit = max(at, end - self.look)
        threads: list[tuple[int, int, int]] = []
        seen: set[int] = set()
        for pos in range(at, end + 1):
            if matched is None and pos < end and (pos == at or not alone):
                self._add(threads, seen, 0, pos, -1, pos, end, begin)
            for place, (pc, start, node) in enumerate(threads):
                if self.ops[pc] == ACCEPT:
                    matched = (start, node)
                    del threads[place:]
                    break
            if self.within and threads and self._is_over(at, pos, end):
                threads = []
            if not self.ended and pos >= limit and threads and self.open_from < 0:
                self.open_from = threads[0][1]
            if pos == end or (not threads and (matched is not None or alone)):
                break
            stepped: list[tuple[int, int, int]] = []
            seen = set()
            for pc, start, node in threads:
                if self.accepted[self.first[pc], pos]:
                    self.nodes.append((pc, node))
                    self._add(stepped, seen, pc + 1, start, len(self.nodes) - 1, pos + 1, end, begin)
            threads = stepped
        if matched is None:
            return None, self.open_from
        path = []
        start, node = matched
        while node >= 0:
            pc, node = self.nodes[node]
            path.append(pc)
        return (start, path[::-1]), self.open_from

    def _is_over(self, start: int, pos: int, end: int) -> bool:
        """Whether a row at `pos` can no longer belong to a match that began at `start`."""
        began = int(self.times[start])
        now = int(self.times[pos]) if pos < end else self.horizon
        if began == NO_TIME or (pos < end and now == NO_TIME):
            return True
        return now - began > self.within

    def _add(
        self,
        threads: list[tuple[int, int, int]],
        seen: set[int],
        pc: int,
        start: int,
        node: int,
        pos: int,
        end: int,
        begin: int,
    ) -> None:
        """Follow instructions that take no row, the preferred ones first."""
        todo = [pc]
        while todo:
            pc = todo.pop()
            op = self.ops[pc]
            if pc in seen:
                continue
            seen.add(pc)
            if op in (CONSUME, ACCEPT):
                threads.append((pc, start, node))
            elif op == SPLIT:
                todo += [self.second[pc], self.first[pc]]
            elif op == JUMP:
                todo.append(self.first[pc])
            elif op == LOOP:
                todo.append(self.second[pc] if self.first[pc] in seen else self.first[pc])
            elif op == BEGIN and pos == begin:
                todo.append(pc + 1)
            elif op == END and pos == end:
                if not self.ended and self.open_from < 0:
                    self.open_from = start
                todo.append(pc + 1)
