"""Finding matches in sorted rows: by the kernel where conditions ask for rows alone, else attempt by attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sqlengine.kernels import choose
from sqlengine.operators.match import attempts
from sqlengine.operators.match.conditions import Conditions
from sqlengine.operators.match.rows import Ints, Matches, Rows
from sqlengine.plan.match_node import MatchRecognize

if TYPE_CHECKING:
    from sqlengine.kernels import row_pattern_reference as kernel
else:
    kernel = choose("row_pattern", "row_pattern_reference")

_SKIPS = ("past last row", "to next row", "to first", "to last")


class Finder:
    """The search of one node."""

    def __init__(self, node: MatchRecognize) -> None:
        self._node = node
        self.conditions = Conditions(node)
        program = node.program
        self._program = np.array([program.ops, program.first, program.second], dtype=np.int32)
        self._skip = _SKIPS.index(node.skip.kind)
        self._skip_to = np.zeros(len(program.labels), dtype=np.uint8)
        self._skip_to[list(node.skip.variables)] = 1

    def find(self, rows: Rows, given: tuple[Ints, int, bool], now_us: int) -> tuple[Matches, Ints, int]:
        """(the matches; for each partition where the first search begins that rows to come decide; what became of
        skips); `given`: times, horizon and whether no rows come."""
        node, (times, horizon, ended) = self._node, given
        accepted = self.conditions.accepted(rows, now_us)
        within, tentative = node.within_us or 0, not node.closing
        if self.conditions.asks_matches:
            limits = attempts.Limits(times, within, horizon, node.ahead, ended, tentative)
            found = attempts.search(node, self.conditions, rows, accepted, limits, now_us)
        else:
            parts = np.stack([rows.starts, rows.ends, rows.froms, rows.begins]).astype(np.int64, order="C")
            found = kernel.find_matches(
                self._program, accepted, parts, times, within, horizon, node.ahead, ended, tentative, self._skip,
                self._skip_to,
            )  # fmt: skip
        starts, lengths, segments, decided, path, frontiers, failure = found
        numbers = rows.numbers[segments] + 1 + _place_within(segments)
        variables, excluded = self._program[1][path], self._program[2][path] != 0
        made = Matches(starts, lengths, segments, numbers, decided != 0, variables, excluded)
        return made, frontiers, failure


def _place_within(segments: Ints) -> Ints:
    """Of ascending numbers, the how manieth of its kind each is, from 0."""
    place = np.arange(len(segments))
    begins = np.ones(len(segments), dtype=bool)
    begins[1:] = segments[1:] != segments[:-1]
    return place - np.maximum.accumulate(np.where(begins, place, 0)) if len(place) else place
