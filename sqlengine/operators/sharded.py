"""Sharded: a keyed operator as several of its kind, each with the rows and the state of its share of the keys.

It begins as one operator.  The first tick that brings many rows divides it, so a view that only ever sees small changes
never pays for shards.  From then on a tick's rows are dealt out by a hash of their keys and, when they are many, the
shards run side by side; a key's rows keep their order, so each shard's answer is what one operator would have said.
Which keys go where is decided by the rows that were there when it divided.  How many shards there are, and which keys
each has, belongs to the state: a checkpoint is continued so, whatever the number of threads.
It must not know what the operators do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.operators.base import Operator, State, Times
from sqlengine.operators.row_errors import Failure
from sqlengine.state.section import Sections, below
from sqlengine.state.shards import Places, balanced, deal, in_shard
from sqlengine.workers import Workers

PIECE_ROWS = 1 << 18
"""So many rows are dealt out before the tick ends."""
SHARD = "shard"
"""States of several shards are called shard0/..., shard1/...; that of one has no such head."""
PLACES = "shards"
"""Beside them: the shard of each bucket of keys. Checkpoints of before have none: the hash alone says the shard."""


class _Failures:
    """As RowErrors, of several operators."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = parts

    def take(self) -> list[Failure]:
        """The failures since the last call."""
        return [failure for part in self._parts for failure in part.take()]


class Sharded(Operator):
    """`make` a new operator; `keys`: the columns that say the shard, () for an operator that is never divided."""

    def __init__(self, make: Callable[[], Operator], keys: tuple[int, ...], workers: Workers) -> None:
        self._make = make
        self._keys = keys
        self._workers = workers
        self._shards = [make()]
        self._places: Places | None = None
        self._arrived: list[Delta] = []
        self._arrived_rows = 0
        self._said: list[Delta] = []
        self._within_tick = False
        self.schema = self._shards[0].schema
        self.net = self._shards[0].net  # rows of different shards differ in the keys

    @property
    def shards(self) -> int:
        """How many operators it is at present."""
        return len(self._shards)

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        assert port == 0, "only operators of one input are divided"
        self._arrived.append(delta)
        self._arrived_rows += delta.num_rows
        if self._arrived_rows >= PIECE_ROWS:
            self._take_in(now_us)
        return None

    def advance(self, times: Times) -> Delta | None:
        many = self._workers.worth(self._arrived_rows) or bool(self._said)
        self._take_in(times.now_us)
        said, self._said = self._said, []
        answers = self._each(lambda shard: self._shards[shard].advance(times), many)
        self._within_tick = False
        return concat([*said, *answers]) if len(self._shards) == 1 else self._together([*said, *answers])

    def _take_in(self, now_us: int) -> None:
        """Give the shards what has arrived; their answers wait for the end of the tick."""
        arrived, self._arrived = self._arrived, []
        many, self._arrived_rows = self._workers.worth(self._arrived_rows), 0
        if many and self._keys and len(self._shards) == 1 and not self._within_tick:
            self._divide(arrived)  # what an operator has yet to say of a tick is not in its state
        self._within_tick = True
        hands = [arrived] if len(self._shards) == 1 else list(zip(*self._deal(arrived, many), strict=True))

        def process(shard: int) -> Delta | None:
            delta = concat(hands[shard])
            return None if delta is None else self._shards[shard].process(delta, 0, now_us)

        if hands:
            self._said += self._each(process, many)

    def _each(self, work: Callable[[int], Delta | None], many: bool) -> list[Delta]:
        """What the shards say to a piece of work, side by side when there is much of it."""
        each = range(len(self._shards))
        answers = self._workers.map(work, each) if many else [work(shard) for shard in each]
        return [answer for answer in answers if answer is not None]

    def _together(self, answers: Sequence[Delta]) -> Delta | None:
        """The output, of what several shards answered."""
        return concat(answers)

    def _changed_shards(self) -> None:
        """There are other shards than before."""

    # ------------------------------------------------------------ dealing out

    def _deal(self, arrived: Sequence[Delta], many: bool) -> list[list[Delta]]:
        """Each delta's rows by shard."""
        if many:
            return self._workers.map(self._hand, arrived)
        together = concat(arrived)
        return [] if together is None else [self._hand(together)]

    def _hand(self, delta: Delta) -> list[Delta]:
        return [delta.take(rows) for rows in deal(self._keys_of(delta), len(self._shards), self._places)]

    def _keys_of(self, delta: Delta) -> list[pa.Array]:
        return [delta.batch.column(k) for k in self._keys]

    def _divide(self, arrived: Sequence[Delta]) -> None:
        """One operator becomes as many as there are threads, each with the state of its keys; `arrived` shows which
        keys have many rows.
        """
        state, count = self._shards[0].snapshot(), self._workers.threads
        places = self._places = balanced([self._keys_of(delta) for delta in arrived], count)

        def part(shard: int) -> Operator:
            operator = self._make()
            operator.restore(state)
            operator.keep(lambda keys: in_shard(keys, count, shard, places))
            return operator

        self._shards = self._workers.map(part, range(count))
        self._changed_shards()

    # ------------------------------------------------------------ all shards as one

    def output_watermark(self, times: Times) -> int:
        return min(shard.output_watermark(times) for shard in self._shards)

    def present(self) -> list[Delta] | None:
        parts = [shard.present() for shard in self._shards]
        if self._within_tick or self._arrived or any(part is None for part in parts):
            return None
        return [delta for part in parts if part is not None for delta in part]

    @property
    def errors(self) -> _Failures | None:
        """The rows on which an expression raised, in any shard; None where operators know no such rows."""
        parts = [errors for shard in self._shards if (errors := getattr(shard, "errors", None)) is not None]
        return _Failures(parts) if parts else None

    def take_late(self) -> list[pa.RecordBatch]:
        return [rows for shard in self._shards for rows in shard.take_late()]

    def state_size(self) -> Mapping[str, int]:
        sizes = [shard.state_size() for shard in self._shards]
        return {what: sum(size[what] for size in sizes) for what in ("rows", "bytes")}

    def sections(self) -> Sections:
        if len(self._shards) == 1:
            return self._shards[0].sections()
        shards = enumerate(self._shards)
        return {n: s for i, shard in shards for n, s in below(f"{SHARD}{i}/", shard.sections()).items()}

    def rest(self) -> State:
        if len(self._shards) == 1:
            return self._shards[0].rest()
        parts = enumerate(shard.rest() for shard in self._shards)
        state = {f"{SHARD}{i}/{name}": table for i, part in parts for name, table in part.items()}
        return state if self._places is None else {PLACES: pa.table({"shard": self._places}), **state}

    def restore(self, state: State) -> None:
        for _ in self.continue_in_parts(state):
            pass

    def continue_in_parts(self, state: State) -> Iterator[None]:
        parts: dict[str, State] = {}
        state = dict(state)
        places = state.pop(PLACES, None)
        self._places = None if places is None else places.column("shard").to_numpy()
        for name, table in state.items():
            head, slash, rest = name.partition("/")
            parts.setdefault(head if slash else "", {})[rest if slash else name] = table
        names = [""] if "" in parts or not parts else [f"{SHARD}{i}" for i in range(len(parts))]
        self._shards = [self._make() for _ in names]
        for shard, name in zip(self._shards, names, strict=True):
            yield from shard.continue_in_parts(parts.pop(name, {}))
        self._changed_shards()

    def continue_from(self, state: State) -> None:
        self.restore(state)
