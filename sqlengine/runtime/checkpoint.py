"""Reviving a database from its newest complete checkpoint (runtime/checkpoint_writer.py says what one is).

It is used for every query whose plan is still the same; everything else is rebuilt from the topics.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import pyarrow as pa

from sqlengine.arrow_ipc import from_ipc
from sqlengine.catalog.objects import STREAM_QUERY, MaterializedView, Sink, Stream, Subscription, Table
from sqlengine.errors import DataCorrupted, Error, NotSupportedError
from sqlengine.operators.base import State
from sqlengine.plan.fingerprint import fingerprint
from sqlengine.plan.pipeline import Planned
from sqlengine.runtime.capture import Kept
from sqlengine.runtime.checkpoint_writer import FORMAT, NAME, SMALL
from sqlengine.runtime.instance import Instance
from sqlengine.runtime.query import ContinuousQuery
from sqlengine.runtime.sources import make_store
from sqlengine.runtime.stored_columns import widened
from sqlengine.runtime.subscription import SubscriptionOutput
from sqlengine.runtime.tick_journal import TickRecord, is_internal
from sqlengine.runtime.topic_output import TopicOutput, is_hidden_from, settle_histories
from sqlengine.sql import ast
from sqlengine.state.row_store import RowStore
from sqlengine.state.section import Sections
from sqlengine.state.stored_section import StoredSection, from_json, put_together
from storage import CorruptFile, Snapshot

EMPTY: dict[str, Any] = {"tick": 0, "time_us": 0, "sources": {}, "queries": {}, "states": {}}


class Checkpoint:
    """What a database is revived from; empty when there is no usable one. `records`: the ticks after it."""

    def __init__(
        self,
        instance: Instance,
        manifest: dict[str, Any],
        tables: Mapping[str, pa.Table],
        records: Sequence[TickRecord] = (),
        replaced: Collection[str] = (),
    ) -> None:
        """`replaced`: streams and tables that are others by now than those of their names in the manifest."""
        self.records = records
        self._instance = instance
        self._manifest = manifest
        self._tables = tables
        self._anew = set(replaced)
        self._sections: dict[str, dict[str, StoredSection]] = {}
        self._small = _small_tables(tables)

    def still_current(self) -> bool:
        """Whether the shared sources stand where it was taken."""
        scheduler = self._instance.scheduler
        known = [name for name in self._manifest["sources"] if name in self._instance.catalog]
        return bool(scheduler.tick_number == self._manifest["tick"]) and all(n in scheduler.sources for n in known)

    def without_state(self) -> Checkpoint:
        """The same without any query's state."""
        return Checkpoint(self._instance, {**self._manifest, "queries": {}, "states": {}}, {})

    def _state(self, name: str) -> State:
        """All tables of a state."""
        entry = self._manifest["states"][name]
        stored = self._sections[name] = {k: from_json(e, self._tables) for k, e in entry["sections"].items()}
        memory = self._instance.memory
        kept = memory.kept if memory.bytes else None
        state = {t: table for s in stored.values() for t, table in put_together(s, self._tables, kept).items()}
        for table, at in entry["rest"].items():
            state[table] = self._tables[at] if at else self._small[f"{name}/{table}"]
        return state

    def _continued(self, name: str, sections: Sections) -> None:
        """A state's sections hold what the checkpoint has: the next one need not write that again."""
        for key, section in sections.items():
            if key in self._sections.get(name, {}):
                self._instance.checkpoints.is_restored(section, Kept(self._sections[name][key], 0))

    def table(self, obj: Table) -> tuple[RowStore | None, list[int] | None]:
        """A table's contents and the positions they stand for."""
        known, name = self._manifest["sources"].get(obj.name), f"source/{obj.name}"
        if known is None or name not in self._manifest["states"]:
            return None, None
        store = make_store(obj)
        state = self._state(name)
        rows = widened(state["rows"], obj, known.get("stored", {})) if "rows" in state else None
        store.restore(state if rows is None else {**state, "rows": rows})
        if rows is None or rows is state["rows"]:
            self._continued(name, store.sections())
        return store, known["positions"]

    def place_sources(self) -> None:
        """Shared readers of streams stand where the checkpoint was taken."""
        scheduler = self._instance.scheduler
        scheduler.tick_number, scheduler.tick_time_us = self._manifest["tick"], self._manifest["time_us"]
        for name, known in self._manifest["sources"].items():
            if name in scheduler.sources or name not in self._instance.catalog:
                continue
            obj = self._instance.catalog.get(tuple(name.split(".")))
            if isinstance(obj, Stream):
                scheduler.add_source(name, self._instance.reader(obj, known["positions"]), None)

    def restore_query(self, obj: MaterializedView | Sink, planned: Planned, emit: ast.Emit) -> bool:
        """Continue a view or sink from its state; False when the checkpoint has none that fits, or when what it
        reads is made anew."""
        known = self._manifest["queries"].get(obj.query_id)
        stale = any(name in self._anew for name in planned.sources())
        if stale or known is None or known["fingerprint"] != fingerprint(planned.physical):
            self.make_anew(obj)
            return False
        owner = self._manifest["queries"][known["state"]]
        states = {step: self._state(name) for step, name in owner["steps"].items()}

        def restored(query: ContinuousQuery) -> None:
            for step, operator in query.dataflow.operators().items():
                self._continued(owner["steps"][step], operator.sections())
            if query.store is not None:
                self._continued(owner["store"], query.store.sections())

        told = self.records[-1].tick if self.records else 0
        if isinstance(obj, Sink):
            end, told, is_hidden = self._told(obj, known)
            if isinstance(obj, Subscription) and self.is_irregular:
                end, told = None, sys.maxsize
            held = known.get("held")
            noted = (self._manifest["tick"], known["noted"]) if "noted" in known else None
            self._instance.continue_sink(
                obj, planned, emit, states, owner["marks"], end, told, restored, held, noted, is_hidden
            )
            output = self._instance.outputs[obj.name]
            if isinstance(output, SubscriptionOutput):
                output.settled = known["end"]
                output.told = max(output.told, output.last_tick())
        else:
            told = self.records[-1].tick if self.records and "held" not in known else 0
            contents, held = self._state(owner["store"]), known.get("held")
            self._instance.continue_view(obj, planned, emit, states, owner["marks"], contents, told, restored, held)
        self._take_undelivered(obj, known)
        return True

    def subscribed(self, subscription: Subscription, output: SubscriptionOutput) -> tuple[pa.Table, int] | None:
        """(the rows of a subscription's view when it was written, the end of its changes then); None when it does not
        know, or the changes do not reach back to it."""
        known = self._manifest["queries"].get(subscription.query_id, {})
        kept = output.kept
        if "of" not in known or kept is None or kept.floor > self._manifest["tick"] or known["end"] > output.end:
            return None
        state, names = self._state(known["of"]), output.columns.names
        if "rows" not in state:
            return output.columns.empty_table(), known["end"]
        store = RowStore(state["rows"].schema, None)
        store.restore(state)
        rows = store.snapshot_table()
        picked = [rows.column(at) for at in known["columns"]]
        return pa.table(picked, names=names).cast(output.columns), known["end"]

    def _take_undelivered(self, obj: MaterializedView | Sink, known: Mapping[str, Any]) -> None:
        """What the outputs of its query had not taken waits again."""
        query = self._instance.scheduler.queries[obj.query_id]
        if query.held is not None and "undelivered" in known:
            found = known["undelivered"]
            query.held.take_undelivered(self._state(found["state"]), query.plan.schema, found["tick"])
            query.error = Error(found["error"])

    def _told(self, sink: Sink, known: Mapping[str, Any]) -> tuple[int | None, int, bool]:
        """(up to where a topic holds what its query has said of ticks that were over, the first tick it has to tell
        again: those of the last tick it was at work in; whether nobody has seen anything of it, so that it has to tell
        its topic all of them)."""
        topic = sink.options.get("topic", "")
        last = next((r for r in reversed(self.records) if topic in r.ends), None) if "held" not in known else None
        if sink.connector != "topic":
            return None, self.records[-1].tick if self.records and "held" not in known else 0, False
        if known.get("transaction") == "" and is_hidden_from(self._instance.storage, topic, known["end"]):
            return known["end"], self.records[-1].tick if self.records else 0, True
        return (known["end"], 0, False) if last is None else (last.ends[topic], last.tick, False)

    def take_back(self) -> None:
        """What queries have written of the last tick to topics for rows set aside, which may be written in part."""
        outputs = {obj.options.get("topic") for obj in self._instance.catalog if isinstance(obj, Sink)}
        topics = {t.name: t for t in self._instance.storage.topics() if t.name not in outputs}
        for name, end in self.records[-1].ends.items() if self.records else ():
            if name in topics:
                log = topics[name].partitions[0]
                log.truncate_to(min(log.end_offset, max(log.start_offset, end)))

    def settle_histories(self) -> None:
        """What becomes of histories that were about to be seen."""
        saved = {entry.get("transaction") for entry in self._manifest["queries"].values()}
        settle_histories(self._instance.storage, saved)

    def run_again(self) -> None:
        """The ticks after the checkpoint, as they were."""
        for record in self.records:
            self._instance.scheduler.run_again(record)
        for output in self._instance.outputs.values():
            if isinstance(output, TopicOutput):
                output.told_again()
        if self._manifest["tick"]:
            self._instance.scheduler.resume()

    @cached_property
    def is_irregular(self) -> bool:
        """Whether views come to where they stood by other steps: there were ticks that cannot be run again, or some
        were paused or resumed meanwhile. Subscriptions are not told again then, but the difference in the end."""
        if any(record.positions is None for record in self.records):
            return True
        views = [obj for obj in self._instance.catalog if isinstance(obj, MaterializedView)]
        known = self._manifest["queries"]
        return any(view.paused != ("held" in known[view.query_id]) for view in views if view.query_id in known)

    def make_anew(self, obj: MaterializedView | Sink) -> str:
        """Whoever reads the object has seen rows that will come again, unless it was hidden; returns the name it is
        read by, then and else empty."""
        name = obj.name
        if isinstance(obj, Sink) and obj.connector == "topic":
            if obj.options["topic"] in self._manifest.get("hidden", ()):
                return ""
            name = obj.name.removesuffix(STREAM_QUERY)
            self._instance.scheduler.sources.pop(name, None)
        self._anew.add(name)
        return name


def _small_tables(tables: Mapping[str, pa.Table]) -> State:
    """The tables that have no file of their own."""
    if SMALL not in tables:
        return {}
    names, streams = (tables[SMALL].column(column).to_pylist() for column in ("name", "ipc"))
    return {name: from_ipc(stream) for name, stream in zip(names, streams, strict=True)}


def load_checkpoint(instance: Instance) -> Checkpoint:
    """The newest checkpoint whose files are whole and whose positions the topics still have, else an empty one.

    Without one everything is rebuilt from the topics.  DataCorrupted (XX001) when the only ones are damaged and
    retention or compaction has already deleted part of what a rebuild would need; NotSupportedError (0A000) when a
    later version has written it.
    """
    found = _latest(instance)
    if found is None or found.manifest["format"] < FORMAT:
        return Checkpoint(instance, EMPTY, {})
    if found.manifest["format"] > FORMAT:
        raise NotSupportedError(
            f"the checkpoint has format {found.manifest['format']}, this version reads formats up to {FORMAT}",
            hint="open the database with the version that wrote it, or a later one",
        )
    manifest = found.manifest
    instance.checkpoints.continue_from(manifest["number"], manifest["journal"], found.stored)
    topics = {t.name: t for t in instance.storage.topics()}
    replaced = set()
    for name, known in manifest["sources"].items():
        topic = topics.get(known["topic"])
        obj = instance.catalog.find(tuple(name.split(".")))
        other = isinstance(obj, (Stream, Table)) and obj.topic != known["topic"]
        if topic is None or other or known.get("topic_id", topic.id) != topic.id:
            replaced.add(name)
        elif any(p > log.end_offset for p, log in zip(known["positions"], topic.partitions, strict=False)):
            return Checkpoint(instance, EMPTY, {})
    manifest = {**manifest, "sources": {n: s for n, s in manifest["sources"].items() if n not in replaced}}
    journal = instance.scheduler.journal
    records = journal.read(manifest["journal"]) if journal is not None else ()
    return Checkpoint(instance, manifest, found.tables, records, replaced)


def _latest(instance: Instance) -> Snapshot | None:
    try:
        return instance.storage.snapshots.latest(NAME)
    except CorruptFile as error:
        topics = [topic for topic in instance.storage.topics() if not is_internal(topic.name)]
        if any(log.start_offset or log.compacted_offset for topic in topics for log in topic.partitions):
            raise DataCorrupted(
                f"the checkpoint is damaged: {error}",
                hint="restore the file; or delete the directory snapshots/checkpoint to rebuild every view from what "
                "the topics still hold",
            ) from error
        return None
