"""The options of WITH (...) by statement and connector, as completion offers them: from the code that reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields

from repl.completion.names import Described
from sqlengine.catalog.options import STREAM_OPTIONS, TOPIC_OPTIONS
from sqlengine.connectors import CONNECTORS, Connector

FORMATS = ("json", "csv", "raw")
_HELP = {
    "topic": "the topic it reads, if not one of its own",
    "format": "how records are written: " + ", ".join(FORMATS),
    "key": "column that chooses a row's partition",
    "start": "where to begin in a topic: earliest, latest",
    "idle_timeout": "a partition without rows for so long holds no watermark back",
    "late_topic": "topic for rows that come behind the watermark",
    "error_topic": "topic for records that cannot be read",
    "on_error": "what becomes of records that cannot be read",
    "connector": "where rows come from or go to",
    "partitions": "how many partitions",
    "replication_factor": "on how many directories each partition lies",
    "min_insync_replicas": "a record counts when so many replicas have it",
    "durability": "when an append is acknowledged",
    "retention": "how long what is older is kept",
    "retention_bytes": "bytes a partition may take",
    "cleanup_policy": "drop what is old, keep the latest of each key, or both",
    "delete_retention": "how long deletions can be read after compaction",
    "min_compaction_lag": "younger records are not compacted",
    "min_dirty_ratio": "compaction waits for this share of new bytes",
    "segment_bytes": "size at which files are begun anew",
    "snapshot": "begin with the rows there are",
    "progress": "tell of ticks without changes, too",
    "timeout": "how long to wait for rows",
    "backfill_rate_limit": "rows of history read a second",
    "delimiter": "one character between fields",
    "header": "the first line names the columns",
    "null": "what stands for NULL",
    "quote": "the character around fields",
    "escape": "the character before a quote inside a field",
    "encoding": "UTF8",
}
_VALUES = {
    "format": FORMATS,
    "start": ("earliest", "latest"),
    "on_error": ("dead_letter", "skip", "fail"),
    "durability": ("group", "sync", "os"),
    "cleanup_policy": ("delete", "compact", "compact,delete"),
    "snapshot": ("true", "false"),
    "progress": ("true", "false"),
    "header": ("true", "false"),
    "retention": ("forever", "7 days"),
}
_COPY = ("format", "header", "delimiter", "null", "quote", "escape", "encoding", "on_error")
_COPY_FORMATS = ("csv", "json", "parquet", "arrow", "text")
_BY_STATEMENT: dict[str, tuple[str, ...]] = {
    "topic": TOPIC_OPTIONS,
    "stream": (*STREAM_OPTIONS, *TOPIC_OPTIONS),
    "table": ("topic", *TOPIC_OPTIONS),
    "sink": ("connector", "format"),
    "view": ("backfill_rate_limit",),
    "subscription": ("retention",),
    "subscribe": ("snapshot", "progress"),
    "fetch": ("timeout",),
    "copy": _COPY,
}


def options_of(statement: str, connector: str) -> Iterator[Described]:
    """The options of a statement ("stream", "topic", ...) and of a connector, if one is named."""
    kind = _connector(connector)
    own = {spec.name: spec for spec in fields(kind.options)} if kind is not None else {}
    for name in _BY_STATEMENT.get(statement, ()):
        if name not in own:
            yield Described(name, "option", _HELP.get(name, ""))
    for spec in own.values():
        needed = spec.default is MISSING and spec.default_factory is MISSING
        yield Described(spec.name, "required" if needed else connector, spec.metadata.get("help", ""))


def values_of(option: str, connector: str) -> tuple[str, ...]:
    """The words an option takes; none where any text or number will do."""
    option = option.lower().replace("-", "_").replace(".", "_")
    if option == "connector":
        return tuple(kind.name for kind in CONNECTORS)
    if connector == "copy" and option == "format":
        return _COPY_FORMATS
    kind = _connector(connector)
    for spec in fields(kind.options) if kind is not None else ():
        if option == spec.name or option in spec.metadata.get("aliases", ()):
            choices = tuple(spec.metadata.get("choices", ()))
            return choices or (("true", "false") if spec.type in ("bool", bool) else ())
    return _VALUES.get(option, ())


def _connector(name: str) -> Connector | None:
    return next((kind for kind in CONNECTORS if kind.name == name), None)
