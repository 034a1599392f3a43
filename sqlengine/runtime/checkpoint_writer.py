"""Checkpoints: source positions, operator state, view contents and how far sinks had written, of one tick in one
atomic manifest.

Most is copied while ticks go on (runtime/capture.py); the last hold of the engine's lock copies what is left and makes
all of it the state of one tick. Written is what has changed since the last checkpoint. The manifest (`FORMAT` 2):

- `number`; `tick` and its `time_us`; `journal`: where the ticks after it are in the TickJournal;
- `sources`: topic (its name, and its id: another may have the name by now) and positions of each stream and table that
  is read;
- `queries`: by id the plan's fingerprint, watermarks, the states of its steps and contents, an output's end; the
  `transaction` of a history that nobody has seen yet, and that counts from now on, "" while it has no rows; `held`: how
  far one that stands still has read its sources; `undelivered`: what its output has not taken of a tick; `noted`: what
  a sink tells of the rows that it holds back;
- `hidden`: topics whose histories are still being written: nobody sees anything of them before a later checkpoint;
- `states`: by name the sections (state/stored_section.py) and the names of other tables; tables of a few bytes are in
  the table `small`, one row each, as Arrow IPC streams.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pyarrow as pa

from sqlengine.arrow_ipc import to_ipc
from sqlengine.connectors.base import Sink as ConnectorSink
from sqlengine.operators.base import Operator, State
from sqlengine.quick_dataclass import dataclass
from sqlengine.runtime.capture import (
    LEFT_BYTES_MAX,
    LEFT_ROWS_MAX,
    ROUNDS_MAX,
    SLICE_ROWS_MAX,
    Copier,
    Kept,
    PartFile,
    SectionCapture,
)
from sqlengine.runtime.carried import Carried, carried
from sqlengine.runtime.failures import as_error
from sqlengine.runtime.outputs import ConnectorOutput
from sqlengine.runtime.query import ContinuousQuery, Held
from sqlengine.runtime.rests import Rest, Rests, Seen
from sqlengine.runtime.stored_columns import stored_names
from sqlengine.runtime.subscription import SubscriptionOutput, expire
from sqlengine.runtime.table_output import TableOutput
from sqlengine.runtime.topic_output import TopicOutput
from sqlengine.state.row_store import RowStore
from sqlengine.state.section import NOTHING, Changed, Section, Sections
from sqlengine.state.stored_section import StoredSection
from storage import SnapshotWriter, StorageError, StoredTable

if TYPE_CHECKING:
    from sqlengine.runtime.instance import Instance

NAME = "checkpoint"
FORMAT = 2
SMALL = "small"
LEFT_SETTLED_ROWS = 2_048
"""So many rows that wait to be taken into contents may be left for the last hold of the lock, however slow that is."""
RESTS_AT_ONCE = 16
"""The rests of so many operators are copied within one hold of the lock."""
PAST_KEPT = 100
"""So many checkpoints are told of."""


@dataclass(frozen=True, slots=True)
class CheckpointFigures:
    """One checkpoint; `longest_hold_us`: how long ticks had to wait at most; `bytes_written` of `bytes_total`; `error`:
    why there is none."""

    number: int
    tick: int
    at_us: int
    duration_us: int
    longest_hold_us: int
    bytes_written: int
    bytes_total: int
    error: str | None = None


@dataclass(slots=True)
class _State:
    """One operator or one table's or view's contents in the manifest."""

    sections: Sections
    operator: Operator | None = None
    seen: Seen = ()


class _Undelivered(Operator):
    """What an output could not take, as an operator would keep it."""

    def __init__(self, held: Held) -> None:
        self._held = held

    def rest(self) -> State:
        return self._held.undelivered_state()


@dataclass(slots=True)
class _Writing:
    """What one checkpoint has so far."""

    writer: SnapshotWriter
    copier: Copier
    captures: dict[Changed, SectionCapture] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    """Tables of operators' rests."""
    small: dict[str, pa.Table] = field(default_factory=dict)
    large: dict[str, pa.Table] = field(default_factory=dict)
    left: list[tuple[PartFile, pa.Table]] = field(default_factory=list)
    carried: dict[str, Carried] = field(default_factory=dict)
    """By the query, of those on the move."""
    standing: list[str] = field(default_factory=list)
    """The queries that are about to move."""


class Checkpoints:
    """Writes them, one at a time, and knows what the last one has."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._mutex = threading.Lock()
        self._known: WeakKeyDictionary[Changed, Kept] = WeakKeyDictionary()
        self._rests = Rests()
        self._carried: dict[str, Carried] = {}
        self._stored: Mapping[str, StoredTable] = {}
        self._number = 0
        self._journal_start = 0
        self.past: list[CheckpointFigures] = []

    # ------------------------------------------------------------ what there is

    def continue_from(self, number: int, journal_start: int, stored: Mapping[str, StoredTable]) -> None:
        """The newest snapshot's number, where the ticks after it are in the journal, and its tables."""
        self._number, self._journal_start, self._stored = number, journal_start, stored

    def is_restored(self, section: Section, kept: Kept) -> None:
        """A section's rows have just been restored from what the newest snapshot has of it; they may have got other
        positions or more columns since."""
        columns = {name: table.column_names for name, table in section.rows(NOTHING).items()}
        same = not kept.stored.size or {n: list(c) for n, c in kept.stored.columns.items()} == columns
        if same and section.changed.generation == 0 and section.size() == kept.stored.size:
            self._known[section.changed] = kept

    # ------------------------------------------------------------ writing

    def save(self) -> None:
        """`write` beside the work, of a directory: what has left the database, and where a query stands still, must be
        known after a restart. Histories of streams that queries write are seen then."""
        if self._instance.path is None:
            with self._instance.lock:
                self._publish(self._prepared())
            return
        self.write(pause=lambda _seconds: None)
        self.save_histories()

    def save_histories(self) -> None:
        """`save`, as long as there are histories to be seen."""
        if self.has_histories():
            self.save()

    def has_histories(self) -> bool:
        """Whether there are histories that a checkpoint would show."""
        with self._instance.lock:
            return bool(self._unpublished())

    def write(self, pause: Callable[[float], object] | None = None) -> CheckpointFigures:
        """Write one of the newest tick, caught up first; or, with a `pause` (see Copier), of a tick that is there when
        most has been copied. Raises DiskFull, LogFailed; the one before stays then."""
        with self._mutex:
            return self._write_next(pause)

    def let_move(self, query: ContinuousQuery) -> tuple[Mapping[str, State], Mapping[str, Any]] | None:
        """Write one that has where a query stands, which the next ones keep of it, because its state is about to change
        without the lock. Where it cannot be written there is none until the query runs again. Of one that has moved
        before and was stopped on the way: (its states as they were where it stood, the watermarks)."""
        with self._mutex:
            if query.is_moving and query.query_id in self._carried:
                return self._as_it_stood(self._carried[query.query_id])
            try:
                if self._instance.path is not None and query.kept_positions is not None:
                    self._write_next(lambda _seconds: None)
            except StorageError as error:
                logging.getLogger("sqlengine").warning("a checkpoint could not be written: %s", error)
            with self._instance.lock:
                query.is_moving = True
        return None

    def has_where_it_stood(self, query: ContinuousQuery) -> bool:
        """Whether a query that was going on can be put back where it stood."""
        return not query.is_moving or query.query_id in self._carried

    def _as_it_stood(self, kept: Carried) -> tuple[Mapping[str, State], Mapping[str, Any]]:
        found = self._instance.storage.snapshots.latest(NAME)
        assert found is not None, "one has written what is carried"
        return {step: kept.state(name, found.tables) for step, name in kept.steps.items()}, kept.marks

    def _write_next(self, pause: Callable[[float], object] | None) -> CheckpointFigures:
        self._number += 1
        clock = self._instance.clock
        began_us = clock.now_us()
        rows_max = self._instance.memory.rows_at_once(SLICE_ROWS_MAX)
        copier = Copier(self._instance.lock, clock, pause, rows_max)

        def told(tick: int, written: int, error: str | None = None) -> CheckpointFigures:
            total, now_us, hold_us = (
                sum(t.num_bytes for t in self._stored.values()),
                clock.now_us(),
                copier.longest_hold_us,
            )
            figures = CheckpointFigures(self._number, tick, now_us, now_us - began_us, hold_us, written, total, error)
            self.past = [*self.past[-PAST_KEPT + 1 :], figures]
            return figures

        try:
            # What is copied under the lock is in memory until it is written: not all state fits.
            manifest, written = self._write(copier, pause is not None or self._instance.memory.bytes > 0)
            figures = told(manifest["tick"], written)
        except Exception as error:
            told(self._instance.scheduler.tick_number, 0, str(error))
            raise
        with self._instance.lock:
            self._publish({q: e["transaction"] for q, e in manifest["queries"].items() if "transaction" in e})
        return figures

    def _write(self, copier: Copier, ahead: bool) -> tuple[dict[str, Any], int]:
        """(the manifest, the bytes written)."""
        writer = self._instance.storage.snapshots.begin(NAME)
        try:
            writing = _Writing(writer, copier)
            manifest = self._capture(writing, ahead)
            self._write_left(writing)
            return manifest, self._commit(writing, manifest)
        except BaseException:
            writer.discard()
            self._known.clear()  # what was taken of the sections has gone nowhere
            self._rests.clear()
            raise

    def _capture(self, writing: _Writing, ahead: bool) -> dict[str, Any]:
        """Copy everything; the manifest. `ahead`: copy until little is left, or what changes cannot be caught up with,
        before that is copied within one hold of the lock."""
        for query in list(self._instance.scheduler.queries.values()):
            assert query.fingerprint, "made here, once, so that it is not made while the lock is held"
        for to_go in reversed(range(ROUNDS_MAX + 1 if ahead else 1)):
            if ahead:
                self._take_in(writing)
                self._copy_rests(writing)
            with writing.copier.hold():
                if not ahead:
                    self._instance.scheduler.catch_up()
                manifest, captures = self._try_to_end(writing, is_last=not to_go)
                if manifest is not None:
                    return manifest
            for capture in captures:
                writing.copier.copy(capture, writing.writer)
        raise AssertionError("the last try ends")

    def _stores(self) -> list[RowStore]:
        """The contents of all views and tables; the lock is held."""
        scheduler = self._instance.scheduler
        stores = [query.store for query in scheduler.queries.values()]
        stores += [source.store for source in scheduler.sources.values()]
        return [store for store in stores if store is not None]

    def _take_in(self, writing: _Writing) -> None:
        """Have contents take in what waits, in parts, and make histories durable."""
        with writing.copier.hold():
            stores, outputs = self._stores(), self._unpublished()
        for _, output in outputs:
            output.flush()
        for store in stores:
            writing.copier.settle(store)

    def _copy_rests(self, writing: _Writing) -> None:
        """Copy what operators have in no section, some at a time: most is the same in the last hold of the lock."""
        with writing.copier.hold():
            states = [(name, state) for name, state in self._describe()[1].items() if state.operator is not None]
        for first in range(0, len(states), RESTS_AT_ONCE):
            with writing.copier.hold():
                for name, state in states[first : first + RESTS_AT_ONCE]:
                    self._rest(name, state)

    def _try_to_end(self, writing: _Writing, is_last: bool) -> tuple[dict[str, Any] | None, list[SectionCapture]]:
        """(the manifest, all copied, or None when that would take long; what to copy then); the lock is held."""
        stores = self._stores()
        waiting = [store.waiting for store in stores]
        settles = sum(size for _, size in waiting) <= LEFT_BYTES_MAX
        settles = settles and sum(rows for rows, _ in waiting) <= max(LEFT_SETTLED_ROWS, writing.copier.settled_rows)
        ends = is_last or settles
        if ends:
            for store in stores:
                store.settle()
        manifest, states = self._describe()
        captures = [
            capture
            for name, state in states.items()
            for capture in self._captures_of(writing, name, state.sections).values()
        ]
        left = {id(capture): capture.left for capture in captures}
        if not is_last:
            ends = ends and sum(left.values()) <= LEFT_ROWS_MAX
            if not ends or sum(capture.weigh(left[id(capture)]) for capture in captures) > LEFT_BYTES_MAX:
                return None, captures
        if self._unpublished():
            prepared = self._prepared()
            manifest, states = self._describe()
            for query_id, transaction in prepared.items():
                manifest["queries"][query_id]["transaction"] = transaction
        for name, state in states.items():
            for capture in self._captures_of(writing, name, state.sections).values():
                rest = writing.copier.rest(capture, writing.writer)
                writing.left += [rest] if rest is not None else []
            manifest["states"][name] = {"rest": self._take_rest(writing, name, state)}
        for name, state in states.items():
            manifest["states"][name]["sections"] = self._captures_of(writing, name, state.sections)
        queries = [self._instance.scheduler.queries[query_id] for query_id in manifest["queries"]]
        writing.carried = {q.query_id: self._carried[q.query_id] for q in queries if q.is_moving}
        writing.standing = [q.query_id for q in queries if q.stands is not None and not q.is_moving]
        for each in writing.carried.values():
            writing.small.update(each.small)
        return manifest, captures

    def _captures_of(self, writing: _Writing, name: str, sections: Sections) -> dict[str, SectionCapture]:
        """The captures of a state's sections, made when first asked for."""
        for key, section in sections.items():
            if section.changed not in writing.captures:
                head = f"{name}/{key}#{self._number}"
                known = self._known.get(section.changed)
                if known is not None and not all(part.name in self._stored for part in known.stored.parts):
                    known = None  # a checkpoint was written meanwhile that had nothing of its query
                row_bytes = None if known is None else self._row_bytes(known.stored)
                writing.captures[section.changed] = SectionCapture(head, section, known, row_bytes=row_bytes)
        return {key: writing.captures[section.changed] for key, section in sections.items()}

    def _row_bytes(self, stored: StoredSection) -> float | None:
        """About how many bytes a row of a section takes, as it was stored last; None when it had none."""
        rows = sum(part.size for part in stored.parts)
        return sum(self._stored[part.name].num_bytes for part in stored.parts) / rows if rows else None

    def _take_rest(self, writing: _Writing, name: str, state: _State) -> dict[str, str]:
        """An operator's tables that are in no section: the names they are stored under, "" in that of small ones."""
        if state.operator is None:
            return {}
        rest = self._rest(name, state)
        writing.large.update(rest.fresh)
        writing.small.update({f"{name}/{key}": table for key, table in rest.small.items()})
        writing.names.update(rest.stored.values())
        return {**rest.stored, **dict.fromkeys(rest.small, "")}

    def _rest(self, name: str, state: _State) -> Rest:
        """Of an operator's state; the lock is held."""
        assert state.operator is not None
        return self._rests.of(state.operator, name, state.seen, self._number, self._stored)

    def _write_left(self, writing: _Writing) -> None:
        """What was copied under the lock."""
        for file, rows in writing.left:
            file.append(rows)
            file.finish(whole=True)
        small = pa.table(
            {
                "name": pa.array(list(writing.small), pa.string()),
                "ipc": pa.array([bytes(to_ipc(table)) for table in writing.small.values()], pa.binary()),
            }
        )
        for name, table in {**writing.large, SMALL: small}.items():
            added = writing.writer.add(name, table.schema)
            for batch in table.to_batches():
                added.append(batch)
            added.finish()

    def _commit(self, writing: _Writing, manifest: dict[str, Any]) -> int:
        """Make it the newest; the bytes written for it."""
        known: dict[Changed, Kept] = {}
        kept = writing.names - set(writing.large)
        for state in manifest["states"].values():
            for key, capture in state["sections"].items():
                known[capture.section.changed] = capture.kept()
                state["sections"][key] = capture.kept().stored.to_json()
                kept |= {part.name for part in capture.parts if part.name in self._stored}
        for each in writing.carried.values():
            manifest["states"].update(each.states)
            kept |= each.stored
        for name in kept:
            writing.writer.keep(name, self._stored[name])
        self._flush_topics(manifest)
        sinks = self._sinks(manifest)
        for sink, _ in sinks:
            sink.sync()
        before, self._stored = self._stored, writing.writer.commit(manifest)
        self._rests.written()
        journal = self._instance.scheduler.journal
        if journal is not None:
            journal.forget(self._journal_start)
            self._journal_start = manifest["journal"]
        for changed, what in known.items():
            self._known[changed] = what
        queries = manifest["queries"]
        self._carried = writing.carried | {q: carried(queries[q], manifest, writing.small) for q in writing.standing}
        for sink, note in sinks:
            sink.checkpointed(manifest["tick"], note)
        self._settle(manifest)
        return sum(table.num_bytes for name, table in self._stored.items() if before.get(name) != table)

    def _settle(self, manifest: dict[str, Any]) -> None:
        """Subscriptions and sinks into tables may let go of what only the checkpoint before needed."""
        for query_id, entry in manifest["queries"].items():
            query = self._instance.scheduler.queries.get(query_id)
            output = None if query is None else self._instance.outputs.get(query.name)
            if isinstance(output, SubscriptionOutput):
                output.settled, output.is_new = entry["end"], False
            elif isinstance(output, TableOutput):
                with self._instance.lock:
                    output.checkpointed(entry["end"])
        with self._instance.lock:
            expire(self._instance.outputs.values(), self._instance.clock.now_us(), settled=False)

    def _flush_topics(self, manifest: dict[str, Any]) -> None:
        """The records up to the positions must outlive what a checkpoint says of them."""
        names = {source["topic"] for source in manifest["sources"].values()} | set(manifest["outputs"])
        for topic in self._instance.storage.topics():
            if topic.name in names:
                for log in topic.partitions:
                    log.flush()

    def _sinks(self, manifest: dict[str, Any]) -> list[tuple[ConnectorSink, Mapping[str, int]]]:
        """Those whose queries are in the manifest, with what it has noted of them."""
        with self._instance.lock:
            return [
                (output.sink, manifest["queries"][query.query_id].get("noted", {}))
                for query in self._instance.scheduler.queries.values()
                if query.query_id in manifest["queries"]
                and isinstance(output := self._instance.outputs.get(query.name), ConnectorOutput)
            ]

    # ------------------------------------------------------------ histories of streams that queries write

    def _unpublished(self) -> list[tuple[ContinuousQuery, TopicOutput]]:
        """The queries that are to be in the manifest, with outputs whose history is not seen yet; the lock is held."""
        outputs, queries = self._instance.outputs.unpublished(), self._instance.scheduler.queries.values()
        kept = [query for query in queries if query.status == "running" or query.kept_positions is not None]
        return [(query, outputs[query.name]) for query in kept if query.name in outputs]

    def _prepared(self) -> dict[str, str]:
        """The transactions of histories that end with the present tick, by query; the lock is held. A query whose
        history cannot be kept fails: nobody has seen anything of it."""
        found: dict[str, str] = {}
        for query, output in self._unpublished():
            try:
                transaction = output.prepare()
            except StorageError as error:
                query.status, query.error = "failed", as_error(error)
            else:
                found[query.query_id] = transaction
        return found

    def _publish(self, prepared: Mapping[str, str]) -> None:
        """Show histories that a checkpoint can go on from; the lock is held. What cannot be shown now is shown with the
        next."""
        scheduler = self._instance.scheduler
        for query_id in prepared:
            query = scheduler.queries.get(query_id)
            output = None if query is None else self._instance.outputs.get(query.name)
            if query is None or not isinstance(output, TopicOutput) or output.history != prepared[query_id]:
                continue
            if output.history:
                scheduler.note_boundary()  # a restart takes nothing back that lies before the marker
            output.publish()
            self._instance.pump.wake()

    # ------------------------------------------------------------ the manifest

    def _describe(self) -> tuple[dict[str, Any], dict[str, _State]]:
        """The manifest without the states, and those by name; the lock is held."""
        scheduler = self._instance.scheduler
        states: dict[str, _State] = {}
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "number": self._number,
            "tick": scheduler.tick_number,
            "time_us": scheduler.tick_time_us,
            "journal": 0 if scheduler.journal is None else scheduler.journal.end,
            "sources": {},
            "queries": {},
            "outputs": [],
            "hidden": [],
            "states": {},
        }
        for name, source in scheduler.sources.items():
            topic, positions = source.reader.topic, list(source.reader.positions)
            manifest["sources"][name] = {"topic": topic.name, "topic_id": topic.id, "positions": positions}
            if source.store is not None:
                states[f"source/{name}"] = _State(source.store.sections())
                if stored := stored_names(source.reader.obj.columns):
                    manifest["sources"][name]["stored"] = stored
        saved = {query.name for query, _ in self._unpublished()}
        unpublished = self._instance.outputs.unpublished()
        manifest["hidden"] = [output.topic for name, output in unpublished.items() if name not in saved]
        owners: dict[int, str] = {}
        names: dict[int, str] = {}
        for query in scheduler.queries.values():
            output = self._instance.outputs.get(query.name)
            held = query.kept_positions
            if (query.store is None and output is None) or (query.status != "running" and held is None):
                continue
            if query.is_moving and query.query_id not in self._carried and not self._is_under_way(query):
                continue
            entry: dict[str, Any] = {"fingerprint": query.fingerprint}
            if held is not None:
                entry["held"] = held
            if held is not None and query.held is not None and query.held.undelivered:
                name, error = f"query/{query.query_id}/undelivered", query.error.message if query.error else ""
                entry["undelivered"] = {"state": name, "tick": query.held.tick, "error": error}
                states[name] = _State({}, _Undelivered(query.held), (query.held.tick,))
            manifest["queries"][query.query_id] = entry
            if isinstance(output, TopicOutput):
                entry["end"] = output.end
                manifest["outputs"].append(output.topic)
            elif output is not None and output.sink.exactly_once:
                entry["noted"] = dict(output.sink.note())
            entry["state"] = owners.setdefault(id(query.dataflow), query.query_id)
            if entry["state"] != query.query_id:
                continue
            entry["marks"], entry["steps"] = self._steps(query, names, states)
            if query.store is not None:
                entry["store"] = f"query/{query.query_id}/store"
                states[entry["store"]] = _State(query.store.sections())
        for query in scheduler.queries.values():
            output = self._instance.outputs.get(query.name)
            if isinstance(output, SubscriptionOutput) and query.query_id in manifest["queries"]:
                manifest["queries"][query.query_id] |= self._followed(query, output, states, owners)
        return manifest, states

    def _is_under_way(self, query: ContinuousQuery) -> bool:
        fill = self._instance.fills.get(query.query_id)
        return fill is not None and fill.status == "backfilling"

    def _steps(
        self, query: ContinuousQuery, names: dict[int, str], states: dict[str, _State]
    ) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """(the watermarks of a query, the names of its steps' states, which are among `states` then)."""
        if query.is_moving:
            if query.query_id not in self._carried:
                raise StorageError(f'"{query.name}" goes on, and no checkpoint has where it stood')
            return self._carried[query.query_id].marks, self._carried[query.query_id].steps
        found: dict[str, str] = {}
        for place, step in enumerate(query.dataflow.steps):
            if step.operator is not None:
                name = found[str(place)] = names.setdefault(id(step.operator), f"query/{query.query_id}/{place}")
                if name not in states:
                    seen = (step.rows_in, step.rows_out, step.batches, step.watermark_us)
                    states[name] = _State(step.operator.sections(), step.operator, seen)
        return query.dataflow.marks(), found

    def _followed(
        self,
        query: ContinuousQuery,
        output: SubscriptionOutput,
        states: dict[str, _State],
        owners: Mapping[int, str],
    ) -> dict[str, Any]:
        """Of a subscription: the state that has the rows of its view (`of`), and which of their columns are its own."""
        scheduler = self._instance.scheduler
        view = scheduler.by_name(query.upstream[0]) if query.upstream else None
        if view is None:
            store, name = scheduler.sources[query.sources[0]].store, f"source/{query.sources[0]}"
        else:
            store, name = view.store, f"query/{owners.get(id(view.dataflow), view.query_id)}/store"
        if store is None or (view is not None and view.status == "failed"):
            return {}
        states.setdefault(name, _State(store.sections()))
        names = store.schema.names if view is None else view.plan.schema.names
        return {"of": name, "columns": [names.index(column) for column in output.columns.names]}
