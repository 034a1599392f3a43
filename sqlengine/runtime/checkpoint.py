"""Checkpoints: source positions, operator state, view contents and how far sinks had written, of one tick in one
atomic manifest.

Taken when a database closes and on demand.  On opening, the newest complete one is used for every query whose plan is
still the same; everything else is rebuilt from the topics.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from sqlengine.catalog.objects import STREAM_QUERY, MaterializedView, Sink, Stream, Table
from sqlengine.errors import DataCorrupted
from sqlengine.operators.base import State
from sqlengine.plan.explain import explain
from sqlengine.plan.nodes import Node
from sqlengine.plan.pipeline import Planned
from sqlengine.runtime.instance import Instance
from sqlengine.runtime.sources import make_store
from sqlengine.runtime.stored_expressions import widened
from sqlengine.sql import ast
from sqlengine.state.row_store import RowStore
from storage import CorruptFile

NAME = "checkpoint"
FORMAT = 1


def fingerprint(plan: Node) -> str:
    """Equal for equal plans, across processes."""
    text = "\n".join([*explain(plan), str(plan.schema)])
    return hashlib.sha256(text.encode()).hexdigest()


def write_checkpoint(instance: Instance) -> int:
    """Write one of the present tick (caught up first); returns the bytes of state written."""
    with instance.lock:
        instance.scheduler.catch_up()
        tables: dict[str, pa.Table] = {}
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "tick": instance.scheduler.tick_number,
            "sources": {},
            "queries": {},
        }
        for name, source in instance.scheduler.sources.items():
            manifest["sources"][name] = {"topic": source.reader.topic.name, "positions": list(source.reader.positions)}
            if source.store is not None:
                _put(tables, f"source/{name}", source.store.snapshot())
        owners: dict[int, str] = {}
        written: dict[int, str] = {}
        for query in instance.scheduler.queries.values():
            output = instance.outputs.get(query.name)
            if (query.store is None and output is None) or query.status != "running":
                continue
            entry: dict[str, Any] = {"fingerprint": fingerprint(query.plan)}
            if output is not None:
                entry["end"] = output.end
            manifest["queries"][query.query_id] = entry
            entry["state"] = owners.setdefault(id(query.dataflow), query.query_id)
            if entry["state"] != query.query_id:
                continue
            entry["marks"] = query.dataflow.marks()
            for step, operator in query.dataflow.operators().items():
                own = f"{query.query_id}/{step}"
                where = written.setdefault(id(operator), own)
                if where == own:
                    _put(tables, f"query/{own}", operator.snapshot())
                else:
                    entry.setdefault("shared", {})[step] = where
            if query.store is not None:
                _put(tables, f"query/{query.query_id}/store", query.store.snapshot())
        instance.storage.snapshots.write(NAME, tables, manifest)
        return sum(t.nbytes for t in tables.values())


def _put(tables: dict[str, pa.Table], head: str, state: Mapping[str, pa.Table]) -> None:
    tables.update({f"{head}/{name}": table for name, table in state.items()})


class Checkpoint:
    """What a database is revived from; empty when there is no usable one."""

    def __init__(self, instance: Instance, manifest: dict[str, Any], tables: Mapping[str, pa.Table]) -> None:
        self._instance = instance
        self._manifest = manifest
        self._tables = tables
        self._anew: set[str] = set()

    def still_current(self) -> bool:
        """Whether the shared sources stand where it was taken."""
        scheduler = self._instance.scheduler
        known = [name for name in self._manifest["sources"] if name in self._instance.catalog]
        return bool(scheduler.tick_number == self._manifest["tick"]) and all(n in scheduler.sources for n in known)

    def without_state(self) -> Checkpoint:
        """The same without any query's state."""
        return Checkpoint(self._instance, {**self._manifest, "queries": {}}, {})

    def _state(self, head: str) -> State:
        return {k.removeprefix(head + "/"): t for k, t in self._tables.items() if k.startswith(head + "/")}

    def table(self, obj: Table) -> tuple[RowStore | None, list[int] | None]:
        """A table's contents and the positions they stand for."""
        known = self._manifest["sources"].get(obj.name)
        state = self._state(f"source/{obj.name}")
        if known is None or not state:
            return None, None
        store = make_store(obj)
        store.restore({name: widened(rows, obj) for name, rows in state.items()})
        return store, known["positions"]

    def place_sources(self) -> None:
        """Shared readers of streams stand where the checkpoint was taken."""
        scheduler = self._instance.scheduler
        scheduler.tick_number = self._manifest["tick"]
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
            self._make_anew(obj)
            return False
        owner = known.get("state", obj.query_id)
        head = f"query/{owner}"
        store = self._state(f"{head}/store")
        states: dict[str, State] = {}
        for key, table in self._state(head).items():
            step, _, name = key.partition("/")
            if step != "store":
                states.setdefault(step, {})[name] = table
        for step, where in self._manifest["queries"][owner].get("shared", {}).items():
            states[step] = self._state(f"query/{where}")
        marks = self._manifest["queries"][owner]["marks"]
        if isinstance(obj, Sink):
            self._instance.continue_sink(obj, planned, emit, states, marks, known["end"])
        else:
            self._instance.continue_view(obj, planned, emit, states, marks, store)
        return True

    def _make_anew(self, obj: MaterializedView | Sink) -> None:
        """Whoever reads the object has seen rows that will come again."""
        name = obj.name
        if isinstance(obj, Sink) and obj.connector == "topic":
            name = obj.name.removesuffix(STREAM_QUERY)
            self._instance.scheduler.sources.pop(name, None)
        self._anew.add(name)


def load_checkpoint(instance: Instance) -> Checkpoint:
    """The newest checkpoint whose files are whole and whose positions the topics still have, else an empty one.

    Without one everything is rebuilt from the topics.  DataCorrupted (XX001) when the only ones are damaged and
    retention or compaction has already deleted part of what a rebuild would need.
    """
    try:
        found = instance.storage.snapshots.latest(NAME)
    except CorruptFile as error:
        if any(
            log.start_offset or log.compacted_offset for topic in instance.storage.topics() for log in topic.partitions
        ):
            raise DataCorrupted(
                f"the checkpoint is damaged: {error}",
                hint="restore the file; or delete the directory snapshots/checkpoint to rebuild every view from what "
                "the topics still hold",
            ) from error
        found = None
    empty = Checkpoint(instance, {"tick": 0, "sources": {}, "queries": {}}, {})
    if found is None:
        return empty
    manifest, tables = found
    topics = {t.name: t for t in instance.storage.topics()}
    for known in manifest["sources"].values():
        topic = topics.get(known["topic"])
        if topic is None or any(
            p > log.end_offset for p, log in zip(known["positions"], topic.partitions, strict=False)
        ):
            return empty
    return Checkpoint(instance, manifest, tables)
