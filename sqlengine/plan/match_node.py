"""The plan node of MATCH_RECOGNIZE."""

from __future__ import annotations

import pyarrow as pa

from sqlengine.expr.tree import Expr
from sqlengine.plan.hashed import hashed_once
from sqlengine.plan.nodes import AggregateCall, Forget, Unary
from sqlengine.quick_dataclass import dataclass

CONSUME, SPLIT, JUMP, LOOP, BEGIN, END, ACCEPT = range(7)
"""What an instruction of a program does: take a row of variable `first` (left out of ALL ROWS if `second`); go on at
`first`, else at `second`; go on at `first`; the same, but at `second` when nothing was taken since `first`; go on at
the beginning, or at the end, of the partition only; a match."""


@dataclass(frozen=True, slots=True)
class Program:
    """A row pattern as instructions; paths are tried in the order in which the standard prefers matches (a Thompson
    automaton whose states have an order).  `labels`: of the variables, as CLASSIFIER() shows them; `text`: the pattern,
    for people."""

    ops: tuple[int, ...]
    first: tuple[int, ...]
    second: tuple[int, ...]
    labels: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A value that an expression asks of a match, of the rows of some `variables` (None: of all its rows).

    `kind`: "row": `column` (of the input) of the first or `last` one but `offset`, moved by `step` rows in the
    partition; "aggregate": `call`; "number": the match's number in its partition.  `final`: of the whole match, also
    where the expression stands for one of its rows.
    """

    kind: str
    type: pa.DataType
    variables: tuple[int, ...] | None = None
    column: int = -1
    last: bool = True
    offset: int = 0
    step: int = 0
    final: bool = False
    call: AggregateCall | None = None


@dataclass(frozen=True, slots=True)
class Skip:
    """Where the next match may begin: "past last row", "to next row", "to first" or "to last" of `variables`."""

    kind: str
    variables: tuple[int, ...] = ()


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRecognize(Unary):
    """The matches of a row pattern in each partition: output = `carried` columns of the input, then the measures.

    `order`: ((column, descending, nulls_first), ...); rows it leaves equal are taken in the order of their remaining
    columns.  `defines`: the condition of each variable over the `slots` as columns, None for any row; `measures` are
    expressions over them too.  `classifier`: the input column that stands for the variable of a row.
    `all_rows`: a row for each of a match; `shown` of them: "matches" (and one of each empty match), "rows", "unmatched"
    (every row).  `within_us`: the times (first of `order`) of a match's rows are at most so far apart.  `closing`: rows
    come in the order of their time, and what they decide is told once, and forgotten.  `forget`: see Forget; its column
    is one of the partition's.
    """

    partition: tuple[int, ...]
    order: tuple[tuple[int, bool, bool], ...]
    program: Program
    slots: tuple[Slot, ...]
    defines: tuple[Expr | None, ...]
    measures: tuple[Expr, ...]
    carried: tuple[int, ...]
    classifier: int | None
    all_rows: bool
    shown: str
    skip: Skip
    within_us: int | None
    closing: bool = False
    forget: Forget | None = None

    @property
    def behind(self) -> int:
        """How many rows before a match its expressions may ask for."""
        return max((-slot.step for slot in self.slots), default=0)

    @property
    def ahead(self) -> int:
        """How many rows behind a match they may ask for."""
        return max(0, *(slot.step for slot in self.slots)) if self.slots else 0

    @property
    def counts(self) -> bool:
        """Whether a match's number matters."""
        return any(slot.kind == "number" for slot in self.slots)

    @property
    def is_bounded(self) -> bool:
        """Whether no match has more rows than the pattern says: it has no loop."""
        return LOOP not in self.program.ops and all(
            op != JUMP or to > at for at, (op, to) in enumerate(zip(self.program.ops, self.program.first, strict=True))
        )
