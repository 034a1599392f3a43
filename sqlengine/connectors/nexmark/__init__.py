"""The NEXMark benchmark's events as a source, and as a function."""

from __future__ import annotations

from sqlengine.connectors.nexmark.config import NexmarkConfig
from sqlengine.connectors.nexmark.events import TABLES, events, schema
from sqlengine.connectors.nexmark.source import NEXMARK, NexmarkSource

__all__ = ["NEXMARK", "TABLES", "NexmarkConfig", "NexmarkSource", "events", "schema"]
