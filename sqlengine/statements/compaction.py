"""By which key a topic is compacted: what the stream or table over it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlengine.catalog.objects import STREAM_QUERY, CatalogObject, Stream, Table
from sqlengine.errors import InvalidDefinition, NotSupportedError
from sqlengine.runtime.reader import WEIGHT_COLUMN
from sqlengine.runtime.stored_columns import stored_names
from sqlengine.statements.context import Context
from storage import Topic


def key_of(obj: Stream | Table, context: Context) -> dict[str, Any]:
    """TopicConfig fields for compaction of the object's topic; {} for records, whose own key counts.

    InvalidDefinition (42P17) without a key, NotSupportedError (0A000) where what compaction leaves out is needed.
    """
    if isinstance(obj, Table):
        if not obj.primary_key:
            raise InvalidDefinition(
                f'table "{obj.name}" has no primary key to compact by', hint="declare a PRIMARY KEY, or use retention"
            )
        if obj.key_added:
            raise InvalidDefinition(
                f'table "{obj.name}" cannot be compacted by a primary key that was added when it had been written',
                hint="copy the rows into a table that is made with the key",
            )
        if obj.watermark is not None:
            raise NotSupportedError(
                f'table "{obj.name}" has a watermark: its changelog is the history that FOR SYSTEM_TIME AS OF reads',
                hint="leave the watermark out, or use retention",
            )
        return {"key_columns": _stored(obj, obj.primary_key), "tombstone": WEIGHT_COLUMN}
    if obj.name + STREAM_QUERY in context.instance.catalog:
        raise NotSupportedError(
            f'stream "{obj.name}" is written by a query, which may have to write its last rows again',
            hint="use retention",
        )
    if obj.format != "arrow":
        return {}
    if "key" not in obj.options:
        raise InvalidDefinition(
            f'stream "{obj.name}" has no key to compact by', hint="give it one with the option key = 'column'"
        )
    return {"key_columns": _stored(obj, [name.strip() for name in obj.options["key"].split(",")]), "tombstone": None}


def _stored(obj: Stream | Table, names: Sequence[str]) -> tuple[str, ...]:
    """What columns are called in the topic."""
    was = stored_names(obj.columns)
    return tuple(was.get(name, name) for name in names)


def key_of_topic(topic: Topic, context: Context) -> dict[str, Any]:
    """The same for a topic, from the streams and tables over it, which must agree."""
    found: dict[str, dict[str, Any]] = {}
    for obj in context.instance.catalog:
        if reads_topic(obj, topic.name):
            assert isinstance(obj, (Stream, Table))
            found[obj.name] = key_of(obj, context)
    different = list({repr(key): name for name, key in found.items()}.values())
    if len(different) > 1:
        raise InvalidDefinition(
            f'topic "{topic.name}" has no one key to compact by',
            detail=f"{' and '.join(different)} have different keys",
        )
    return next(iter(found.values()), {})


def reads_topic(obj: CatalogObject, topic: str) -> bool:
    """Whether an object is a stream or table over a topic."""
    return isinstance(obj, (Stream, Table)) and obj.topic == topic
