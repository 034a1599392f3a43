"""Names of the WITH options of topics and streams, and how other systems spell them."""

from __future__ import annotations

from collections.abc import Mapping

TOPIC_OPTIONS = (
    "partitions",
    "replication_factor",
    "min_insync_replicas",
    "durability",
    "retention",
    "retention_bytes",
    "cleanup_policy",
    "delete_retention",
    "min_compaction_lag",
    "min_dirty_ratio",
    "segment_bytes",
)
STREAM_OPTIONS = (
    "topic",
    "format",
    "key",
    "start",
    "idle_timeout",
    "late_topic",
    "error_topic",
    "on_error",
    "connector",
)
"""Those that belong to the stream and not to its connector (`format` belongs to both)."""

_SPELLINGS = {
    "kafka_topic": "topic",  # ksqlDB
    "value_format": "format",  # ksqlDB, Flink
    "scan_startup_mode": "start",  # Flink, RisingWave
    "scan_watermark_idle_timeout": "idle_timeout",  # Flink
    "cleanup": "cleanup_policy",  # as `retention` stands for Kafka's retention.ms
}
_STARTS = {"earliest-offset": "earliest", "latest-offset": "latest"}


def as_ours(options: Mapping[str, str]) -> dict[str, str]:
    """The options under our names; what has two names with us keeps its own."""
    made: dict[str, str] = {}
    for name, text in options.items():
        ours = _SPELLINGS.get(name.replace(".", "_").replace("-", "_"), name)
        ours = name if ours in options else ours
        made[ours] = _STARTS.get(text.lower(), text) if ours == "start" else text
    return made
