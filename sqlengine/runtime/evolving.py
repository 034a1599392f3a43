"""A stream or table whose columns change while it is read and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlengine.catalog.objects import Stream, Table
from sqlengine.delta import Delta
from sqlengine.runtime.sources import make_store, topic_schema
from sqlengine.runtime.stored_columns import stored_names, widened
from sqlengine.state.row_store import RowStore

if TYPE_CHECKING:
    from sqlengine.runtime.instance import Instance


def evolved(instance: Instance, new: Stream | Table) -> RowStore | None:
    """The contents of a table under its `new` columns; None of what has none. The caller has caught up and holds the
    lock. DataError where a row has no value of a new type."""
    source = instance.scheduler.sources.get(new.name)
    if source is None or source.store is None:
        return None
    assert isinstance(new, Table)
    store = make_store(new)
    was = stored_names(source.reader.obj.columns)
    for batch in widened(source.store.snapshot_table(), new, was, strict=True).to_batches():
        store.apply(Delta(batch))
    return store


def evolve(instance: Instance, new: Stream | Table, store: RowStore | None) -> None:
    """Go on, from where the reading stands, with a stream or table that the catalog knows under `new` columns; `store`:
    as of `evolved`."""
    settle_topic(instance, new)
    source = instance.scheduler.sources.get(new.name)
    if source is not None:
        source.reader, source.store = instance.reader(new, source.reader.positions), store


def settle_topic(instance: Instance, obj: Stream | Table) -> None:
    """The topic takes the columns its object has by now: it did not yet when a crash came between."""
    if isinstance(obj, Stream) and not obj.owns_topic:
        return
    topic, wanted = instance.topic_of(obj), topic_schema(obj)
    has_changed = bool(obj.retired) or set(topic.schema.names) != set(wanted.names)
    if not topic.is_bytes and has_changed and topic.schema != wanted:
        topic.evolve(wanted)
