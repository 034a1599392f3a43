"""The one interface of physical operators.

An operator is synchronous and deterministic: it never waits, sleeps, opens files or knows the time; it is given
deltas and times and returns deltas.  One method is required.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.quick_dataclass import dataclass
from sqlengine.state.section import NOTHING, Sections

NO_WATERMARK: int = int(np.iinfo(np.int64).min)
"""The watermark before any event: nothing is closed."""

NEVER_HOLDS: int = int(np.iinfo(np.int64).max) - 1
"""The watermark of an input without one (a table, a stream without WATERMARK FOR): it holds nothing back."""

END_OF_TIME: int = int(np.iinfo(np.int64).max)
"""The watermark of an input that will never bring another row: everything is closed."""


def earlier(watermark_us: int, by_us: int) -> int:
    """A watermark moved back; the extremes stay what they are."""
    if watermark_us == END_OF_TIME:
        return END_OF_TIME
    return max(NO_WATERMARK, watermark_us - by_us)


@dataclass(frozen=True, slots=True)
class Times:
    """`watermarks_us`: one per input port, never going back; `now_us`: the tick's timestamp (processing time);
    `history`: the tick brings a piece of what was there before the query."""

    watermarks_us: tuple[int, ...]
    now_us: int
    history: bool = False

    @property
    def watermark_us(self) -> int:
        """The least of the inputs' watermarks; END_OF_TIME without inputs."""
        return min(self.watermarks_us, default=END_OF_TIME)


ChosenKeys = Callable[[Sequence[pa.Array]], npt.NDArray[np.bool_]]
"""Which rows of key columns are meant."""

State = dict[str, pa.Table]
"""State as named Arrow tables."""

NUMBERS = "numbers"
"""The table of an operator's single numbers."""


def of_numbers(numbers: Mapping[str, int]) -> pa.Table:
    """Single numbers as a table of one row."""
    every = pa.array(list(numbers.values()), pa.int64())
    return pa.Table.from_arrays([every.slice(i, 1) for i in range(len(numbers))], names=list(numbers))


def numbers_of(table: pa.Table) -> dict[str, int]:
    """The inverse of `of_numbers`."""
    return {name: column[0].as_py() for name, column in zip(table.column_names, table.columns, strict=True)}


class Operator:
    """Base of all operators.  Subclasses take (node, input schemas) in their constructor."""

    schema: pa.Schema
    net: bool = False
    """Whether no row is both inserted and deleted in a delta it returns, so that nothing cancels; of operators that
    pass rows on (Filter, Project): given deltas of which that is true."""

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        """Take one delta on an input port; return the change of the output it causes, or None."""
        raise AssertionError("process() is the one required method")

    def settle(self) -> Delta | None:
        """Return what the rows since the last call change that process() has not said yet.  `advance` begins with it;
        an owner that cannot wait for a tick's end calls it earlier."""
        return None

    def advance(self, times: Times) -> Delta | None:
        """Once per tick after all deltas of the tick: watermarks may have moved; return what that releases."""
        return None

    def output_watermark(self, times: Times) -> int:
        """The watermark of the output, given the inputs'; held back by operators that delay rows."""
        return times.watermark_us

    def present(self) -> list[Delta] | None:
        """All rows of its output as of the end of the last tick, or None when it cannot tell from its state."""
        return None

    def want_all(self) -> None:
        """Leave nothing out of the output from now on, though the plan says that nobody wants it."""

    def take_late(self) -> list[pa.RecordBatch]:
        """Rows dropped as late since the last call."""
        return []

    def state_size(self) -> Mapping[str, int]:
        """{"rows": kept rows or groups, "bytes": approximate bytes}, for EXPLAIN ANALYZE and system.operators."""
        return {"rows": 0, "bytes": 0}

    def sections(self) -> Sections:
        """State that a checkpoint takes by position, what has changed of it alone."""
        return {}

    def rest(self) -> State:
        """State that is in no section."""
        return {}

    def snapshot(self) -> State:
        """All state as Arrow tables; `restore` of it on a new operator of the same node continues exactly here."""
        return {name: t for s in self.sections().values() for name, t in s.whole().items()} | self.rest()

    def restore(self, state: State) -> None:
        """Replace all state."""

    def continue_from(self, state: State) -> None:
        """`restore` what a checkpoint has of a new operator: sections' tables without rows may be missing."""
        self.restore(self.completed(state))

    def completed(self, state: State) -> State:
        """The same with the sections' tables that have no rows."""
        empty = {name: t for s in self.sections().values() for name, t in s.rows(NOTHING).items()}
        return empty | state

    def continue_in_parts(self, state: State) -> Iterator[None]:
        """`continue_from`, with a stop behind each large part: meanwhile what is there may leave for files."""
        self.continue_from(state)
        yield

    def keep(self, chosen: ChosenKeys) -> None:
        """Forget everything about keys that are not chosen; of operators that are divided (plan/sharding.py) only."""
        raise AssertionError("an operator that is divided forgets keys")
