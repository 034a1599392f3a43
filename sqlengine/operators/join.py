"""Join: symmetric hash join, kept up to date for inserts, updates and deletes on both sides.

Each arriving row is matched with what the other side holds, then kept itself, so the output at any moment is the join
of the two inputs so far (Wilschut and Apers, 1991).  Both sides share one key index, and a side's rows enter it only
when that pays (state/join_side.py).
Outer, semi and anti joins count each row's matches and say at a tick's end whose count has left or reached zero.
The operator must not order its inputs: rows of a tick may come on either port first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.expr.compile import compile_exprs
from sqlengine.expr.tree import input_columns, remap
from sqlengine.masks import truth
from sqlengine.operators.base import Operator, State, Times
from sqlengine.operators.best_pairs import BestPairs
from sqlengine.operators.room import Room
from sqlengine.operators.row_errors import RowErrors
from sqlengine.plan import nodes
from sqlengine.quick_dataclass import dataclass
from sqlengine.state.arrow_buffers import null_array, validity
from sqlengine.state.join_side import JoinSide
from sqlengine.state.key_columns import meeting
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.row_chains import Pairs, by_probe
from sqlengine.state.section import Sections
from sqlengine.types import is_exact
from sqlengine.workers import ALONE, Workers

Ints = npt.NDArray[np.int64]
LEFT, RIGHT = 0, 1


@dataclass(frozen=True, slots=True)
class JoinKind:
    """What a join emits: matched pairs, and per side the rows alone that have no match (True), have one (False)."""

    pairs: bool = True
    lonely: tuple[bool | None, bool | None] = (None, None)


KINDS: dict[str, JoinKind] = {
    "inner": JoinKind(),
    "left": JoinKind(lonely=(True, None)),
    "right": JoinKind(lonely=(None, True)),
    "full": JoinKind(lonely=(True, True)),
    "semi": JoinKind(pairs=False, lonely=(False, None)),
    "anti": JoinKind(pairs=False, lonely=(True, None)),
}


class JoinOperator(Operator):
    """Any kind of KINDS with equality keys (none: every row meets every row) and a residual condition.

    A side's rows are forgotten by its bound, when neither a match nor a deletion of them can come any more.
    """

    def __init__(self, node: nodes.Join, workers: Workers = ALONE) -> None:
        self.schema = node.schema
        self._workers = workers
        self._kind = KINDS[node.kind]
        self._schemas = (node.left.schema, node.right.schema)
        self._keys = meeting(self._schemas, (node.left_keys, node.right_keys))
        self._twins = (self._twins_of(LEFT), self._twins_of(RIGHT))
        self._names = [*node.left.schema.names, *node.right.schema.names]
        self._residual_columns: list[int] = []
        self.errors: RowErrors | None = None
        if node.residual is not None:
            self._residual_columns = sorted(input_columns(node.residual))
            places = {c: i for i, c in enumerate(self._residual_columns)}
            self.errors = RowErrors(compile_exprs([remap(node.residual, places)]))
        self._inputs = (node.left, node.right)
        self._bounds = (node.left_bound, node.right_bound)
        self._null_safe = node.null_safe
        self._best = None if node.best is None else BestPairs(node.best)
        # a condition that may raise is asked of all pairs: who asked for it is told of each that fails
        self._prunes = self._best is not None and self.errors is not None and not self.errors.can_raise
        self._clear()

    def _twins_of(self, port: int) -> dict[int, int]:
        """Key columns of a side whose values are, where rows match, the very values of a column of the other."""
        pairs = zip(self._keys[port].columns, self._keys[1 - port].columns, strict=True)
        own, other = self._schemas[port], self._schemas[1 - port]
        return {a: b for a, b in pairs if own.field(a).type == other.field(b).type and is_exact(own.field(a).type)}

    def _clear(self) -> None:
        """No rows on either side."""
        if self._best is not None:
            self._best.forget()
        self._index = KeyIndex(self._keys[LEFT].types)
        self._sides = tuple(
            JoinSide(
                self._schemas[port],
                self._keys[port],
                not self._inputs[port].append_only,
                self._inputs[port].unique_keys,
                self._kind.lonely[port] is not None,
                self._bounds[port],
            )
            for port in (LEFT, RIGHT)
        )

    def want_all(self) -> None:
        self._best, self._prunes = None, False

    # ------------------------------------------------------------ data

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        out: list[Delta] = []
        delta = self._without_null_keys(delta, port, out)
        if not delta.num_rows:
            return concat(out)
        keys = self._keys[port].of(delta.batch)
        pending = self._sides[1 - port].prepare(self._index, delta.num_rows)
        at_once = self._sides[port].is_up_to_date(self._index, delta.num_rows)
        slots = (self._index.insert if at_once else self._index.find)(keys, delta.num_rows)
        found = self._sides[1 - port].probe(slots)
        if pending:
            found = by_probe(found, self._sides[1 - port].scan(keys, delta.num_rows, self._workers))
        matches = self._match(delta, found, port, now_us, out)
        self._sides[port].add(delta, slots if at_once else None, self._index.size, matches)
        return concat(out)

    def settle(self) -> Delta | None:
        """Rows that stand alone (or, for a semi join, have a match) and did not before, and the other way round."""
        return concat(
            [
                self._alone(change, port)
                for port, alone in enumerate(self._kind.lonely)
                if alone is not None
                for change in self._sides[port].take_changes(matched=not alone)
            ]
        )

    def advance(self, times: Times) -> Delta | None:
        change = self.settle()
        for port, side in enumerate(self._sides):
            side.expire(times.watermarks_us[1 - port] if self._inputs[port].append_only else times.watermark_us)
            if side.worth_compacting():
                side.compact()
                self._compact_keys()
                if self._best is not None:
                    self._best.forget()
        return change

    def _without_null_keys(self, delta: Delta, port: int, out: list[Delta]) -> Delta:
        """NULL keys never match: such rows are answered at once and not kept."""
        if self._null_safe:
            return delta
        masks = [validity(delta.batch.column(c)) for c in self._keys[port].columns]
        present = [m for m in masks if m is not None]
        if not present:
            return delta
        whole = np.logical_and.reduce(present)
        if self._kind.lonely[port] is True:
            out.append(self._alone(delta.filter(pa.array(~whole)), port))
        return delta.filter(pa.array(whole))

    def _match(self, delta: Delta, found: Pairs, port: int, now_us: int, out: list[Delta]) -> Ints | None:
        """Emit what the delta's matches with the other side change; returns each delta row's match count if kept.

        `found`: pieces of (positions in the delta, rows of the other side) with equal keys.
        """
        other = self._sides[1 - port]
        own_counts = np.zeros(delta.num_rows, dtype=np.int64) if self._kind.lonely[port] is not None else None
        touched: list[tuple[Ints, Ints]] = []
        room = Room("a join")
        for probe, rows in found:
            if self._prunes:
                probe, rows = self._wanted(delta.batch, probe, rows, port, before=True)
            if self.errors is not None:
                kept = self._satisfying(delta.batch, probe, rows, port, now_us)
                probe, rows = probe.take(kept), rows.take(kept)
            if self._best is not None:
                probe, rows = self._wanted(delta.batch, probe, rows, port)
            if not len(probe):
                continue
            theirs = other.weights(rows)
            ours = None if delta.weights is None else delta.weights[probe]
            if own_counts is not None:
                np.add.at(own_counts, probe, 1 if theirs is None else theirs)
            if self._kind.lonely[1 - port] is not None:
                touched.append((rows, np.ones(len(rows), np.int64) if ours is None else ours))
            if self._kind.pairs:
                out.append(Delta(self._joined(delta.batch, probe, rows, port), _product(ours, theirs)))
                room.take(int(out[-1].batch.nbytes))
        if touched:
            rows, by = (np.concatenate(column) for column in zip(*touched, strict=True))
            other.add_matches(rows, by)
        return own_counts

    def _wanted(
        self, batch: pa.RecordBatch, probe: Ints, rows: Ints, port: int, *, before: bool = False
    ) -> tuple[Ints, Ints]:
        """The pairs without those nobody wants; `before` it is known which satisfy the residual."""
        best = self._best
        assert best is not None

        def values(column: int) -> pa.Array:
            return self._column(batch, probe, rows, port, column)

        if best.side == port:
            kept = None if before else best.better(probe, batch.num_rows, values, lasting=False)
        else:
            held = self._sides[1 - port].arena.num_rows
            kept = best.promising(rows, held, values) if before else best.better(rows, held, values, lasting=True)
        return (probe, rows) if kept is None else (probe.take(kept), rows.take(kept))

    def _column(self, batch: pa.RecordBatch, probe: Ints, rows: Ints, port: int, column: int) -> pa.Array:
        """A column of the pairs, counted through left and right."""
        width = len(self._schemas[LEFT])
        side, own = (LEFT, column) if column < width else (RIGHT, column - width)
        if side != port:
            return self._sides[side].arena.take(rows, [own])[0]
        return batch.column(own) if _is_whole(batch, probe) else batch.column(own).take(pa.array(probe))

    def _satisfying(self, batch: pa.RecordBatch, probe: Ints, rows: Ints, port: int, now_us: int) -> Ints:
        """Positions of the pairs for which the residual is true; pairs for which it raises are reported, left out."""
        assert self.errors is not None
        arrays = [self._column(batch, probe, rows, port, column) for column in self._residual_columns]
        names = [self._names[c] for c in self._residual_columns]
        pairs = pa.RecordBatch.from_arrays([*arrays, pa.array(np.arange(len(probe)))], names=[*names, "$pair"])
        (mask,), good = self.errors.evaluate(Delta(pairs), now_us)
        kept = np.flatnonzero(truth(mask))
        return kept if good.batch is pairs else np.asarray(good.batch.column(len(arrays))).take(kept)

    # ------------------------------------------------------------ output

    def _joined(self, batch: pa.RecordBatch, probe: Ints, rows: Ints, port: int) -> pa.RecordBatch:
        """The pairs' columns, left then right."""
        own = batch.columns if _is_whole(batch, probe) else batch.take(pa.array(probe)).columns
        twins = self._twins[1 - port]
        fetched = [c for c in range(len(self._schemas[1 - port])) if c not in twins]
        found = dict(zip(fetched, self._sides[1 - port].arena.take(rows, fetched), strict=True))
        theirs = [found[c] if c in found else own[twins[c]] for c in range(len(self._schemas[1 - port]))]
        columns = [*own, *theirs] if port == LEFT else [*theirs, *own]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _alone(self, delta: Delta, port: int) -> Delta:
        """Rows of one side with NULLs for the other (semi and anti joins have no columns of the other)."""
        columns = delta.batch.columns
        if self._kind.pairs:
            nulls = [null_array(f.type, delta.num_rows) for f in self._schemas[1 - port]]
            columns = [*columns, *nulls] if port == LEFT else [*nulls, *columns]
        return Delta(pa.RecordBatch.from_arrays(columns, schema=self.schema), delta.weights)

    # ------------------------------------------------------------ state

    def _compact_keys(self) -> None:
        """Forget keys neither side holds rows of, when they are the majority."""
        size = self._index.size
        used = self._sides[LEFT].used_slots(size) | self._sides[RIGHT].used_slots(size)
        if 2 * int(used.sum()) < size:
            new_slot = self._index.compact(used)
            for side in self._sides:
                side.renumber_slots(new_slot, self._index.size)

    def state_size(self) -> Mapping[str, int]:
        rows = sum(side.num_rows for side in self._sides)
        beside = self._index.nbytes + (0 if self._best is None else self._best.nbytes)
        return {"rows": rows, "bytes": sum(side.num_bytes for side in self._sides) + beside}

    def sections(self) -> Sections:
        return self._sides[LEFT].sections("left") | self._sides[RIGHT].sections("right")

    def restore(self, state: State) -> None:
        for _ in self._restored(state):
            pass

    def continue_in_parts(self, state: State) -> Iterator[None]:
        return self._restored(self.completed(state))

    def _restored(self, state: State) -> Iterator[None]:
        self._clear()
        for side, name in zip(self._sides, ("left", "right"), strict=True):
            for delta, matches in side.restored(state[name], state.get(f"{name}.marks")):
                slots = self._index.insert(side.keys.of(delta.batch), delta.num_rows) if side.eager else None
                side.add(delta, slots, self._index.size, matches)
                yield
            side.is_restored(state[name].num_rows)
        yield


def _is_whole(batch: pa.RecordBatch, probe: Ints) -> bool:
    """Whether each row of a batch is in one pair, in order."""
    return len(probe) == batch.num_rows and bool((probe == np.arange(len(probe))).all())


def _product(ours: Ints | None, theirs: Ints | None) -> Ints | None:
    """Weights of pairs; None stands for all +1."""
    if ours is None:
        return theirs
    return ours if theirs is None else ours * theirs
