"""Names of the files in a topic's directory, and what the format mark of a storage says. Must not touch the files."""

from __future__ import annotations

FORMAT_MARK = b"sqlengine-storage 1\n"
"""The content of the file FORMAT of every storage."""
DESCRIPTION = "topic.json"
SCHEMA_PREFIX = "schema-"


def schema_file(schema_id: int) -> str:
    """File name of a schema."""
    return f"{SCHEMA_PREFIX}{schema_id}.arrow"
