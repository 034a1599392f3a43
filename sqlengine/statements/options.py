"""WITH options of topics: text to values, checked."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlengine.catalog.measures import duration_us, size_bytes
from sqlengine.catalog.options import STREAM_OPTIONS, TOPIC_OPTIONS, as_ours
from sqlengine.errors import InvalidParameter, ReservedName, did_you_mean
from sqlengine.runtime.tick_journal import is_internal
from storage import TopicConfig


def refuse_reserved(name: str) -> None:
    """ReservedName (42939) for a topic's name that users may not give."""
    if is_internal(name):
        raise ReservedName(f'unacceptable topic name "{name}"', hint="names that begin with $ are the engine's own")


def topic_changes(options: dict[str, str]) -> dict[str, Any]:
    """TopicConfig fields from WITH options; InvalidParameter (22023) for unknown names and bad values."""
    changes: dict[str, Any] = {}
    known = {f.name for f in fields(TopicConfig)}
    for name, text in as_ours(options).items():
        if name not in TOPIC_OPTIONS:
            raise InvalidParameter(f'unrecognized topic option "{name}"', hint=did_you_mean(name, TOPIC_OPTIONS))
        if name == "retention":
            changes["retention_ms"] = None if text.lower() in ("none", "forever") else duration_us(text) // 1000
        elif name in ("retention_bytes", "segment_bytes"):
            changes[name] = None if text.lower() == "none" else size_bytes(text, name)
        elif name in ("delete_retention", "min_compaction_lag"):
            changes[f"{name}_ms"] = duration_us(text) // 1000
        elif name == "min_dirty_ratio":
            changes[name] = share(text, name)
        elif name == "cleanup_policy":
            changes["cleanup"] = cleanup(text)
        elif name == "durability":
            changes[name] = text.lower()
        elif name in known:
            changes[name] = whole_number(text, name)
    return changes


def whole_number(text: str, name: str) -> int:
    """A whole number option."""
    try:
        return int(text)
    except ValueError:
        raise InvalidParameter(
            f'invalid value for option "{name}": "{text}"', hint="a whole number is expected"
        ) from None


def share(text: str, name: str) -> float:
    """An option between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise InvalidParameter(
            f'invalid value for option "{name}": "{text}"', hint="a number between 0 and 1 is expected"
        )
    return value


def cleanup(text: str) -> str:
    """The option `cleanup_policy` as topics write it: 'delete', 'compact', or both in either order."""
    policies = sorted(part.strip().lower() for part in text.split(","))
    if policies not in (["delete"], ["compact"], ["compact", "delete"]):
        raise InvalidParameter(
            f'invalid value for option "cleanup_policy": "{text}"', hint="one of: delete, compact, compact,delete"
        )
    return ",".join(policies)


def split_options(options: dict[str, str]) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """(topic's, stream's, the connector's and format's) options."""
    options = as_ours(options)
    topic = {k: v for k, v in options.items() if k in TOPIC_OPTIONS}
    stream = {k: v for k, v in options.items() if k in STREAM_OPTIONS}
    for name in ("topic", "late_topic", "error_topic"):
        refuse_reserved(stream.get(name, ""))
    rest = {k: v for k, v in options.items() if k not in topic and k not in stream}
    return topic, stream, rest
