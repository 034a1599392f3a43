"""The one consistent cut a query begins with: where it reads topics from, what tables and views hold, what running
queries have in common with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from sqlengine.catalog.objects import Stream, Table
from sqlengine.delta import Delta
from sqlengine.runtime.feed import Feed
from sqlengine.runtime.fill import Cut
from sqlengine.runtime.query import ContinuousQuery
from sqlengine.runtime.reader import TopicReader
from sqlengine.runtime.shared_part import PartBehind
from sqlengine.runtime.sharing import adopt_parts
from sqlengine.runtime.tap import Tap

if TYPE_CHECKING:
    from sqlengine.runtime.instance import Instance


def make_cut(instance: Instance, queries: Sequence[ContinuousQuery], snapshot: bool) -> Cut:
    """The cut for queries that begin, of which later ones may read earlier ones; the caller holds the lock and has let
    the ticks catch up.  `snapshot` False: nothing of what is there, only what comes.
    """
    own = {query.name for query in queries}
    parts = [part for query in queries if snapshot for part in _adopted(instance, query, own)]
    sources = {name for query in queries for name in query.sources}
    read = {name for query in queries for name in query.dataflow.reads} - own
    begin_to_read(instance, sources)
    readers: dict[str, TopicReader] = {}
    contents: dict[str, Feed] = {}
    schemas: dict[str, pa.Schema] = {}
    for name in sorted(read & sources):
        obj = instance.stored(name)
        source = instance.scheduler.sources[name]
        if source.store is not None and obj.watermark is None:
            rows = _as_deltas(source.store.snapshot_table()) if snapshot else []
            contents[name] = Feed(deltas=rows, names=source.reader.renamed)
            schemas[name] = source.store.schema
        else:
            readers[name] = instance.reader(obj, None if snapshot else source.reader.positions)
    for name in sorted(read - sources):
        view = instance.scheduler.by_name(name)
        assert view is not None and view.store is not None
        rows = _as_deltas(view.contents()) if snapshot else []
        contents[name] = Feed(deltas=rows, watermark_us=view.dataflow.watermark_us)
        schemas[name] = view.plan.schema
    return Cut(readers, contents, Tap(schemas, parts, sources))


def begin_to_read(instance: Instance, names: Collection[str]) -> None:
    """The ticks read these streams and tables from now on, all from one moment's ends."""
    fresh = [instance.stored(name) for name in sorted(names) if name not in instance.scheduler.sources]
    _, ends = instance.scheduler.ends_beside([instance.topic_of(obj) for obj in fresh])
    for obj, positions in zip(fresh, ends, strict=True):
        instance.scheduler.add_source(obj.name, instance.reader(obj, positions), None)


def whole_histories(instance: Instance, query: ContinuousQuery) -> set[str]:
    """Of what a query reads, that of which whoever begins to read it now sees what all others have seen."""
    return {name for name in query.sources if _has_whole_history(instance.stored(name), instance)} | set(query.upstream)


def _has_whole_history(obj: Stream | Table, instance: Instance) -> bool:
    earliest = obj.options.get("start", "earliest").strip() == "earliest"
    logs = instance.topic_of(obj).partitions
    return earliest and not any(log.start_offset or log.compacted_offset for log in logs)


def _adopted(instance: Instance, query: ContinuousQuery, own: set[str]) -> list[PartBehind]:
    """The parts left to running queries: none that reads what begins together with it."""
    running: Mapping[str, ContinuousQuery] = instance.scheduler.queries
    others = [other for other in running.values() if other.status == "running"]
    return adopt_parts(query.dataflow, others, whole_histories(instance, query) - own)


def _as_deltas(table: pa.Table) -> list[Delta]:
    return [Delta(batch) for batch in table.to_batches() if batch.num_rows]
