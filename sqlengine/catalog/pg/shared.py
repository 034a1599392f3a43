"""What all sessions of a database have in common of PostgreSQL's catalog."""

from __future__ import annotations

from dataclasses import field

import pyarrow as pa

from sqlengine.catalog.pg.locks import AdvisoryLocks
from sqlengine.quick_dataclass import dataclass


@dataclass
class PgShared:
    """`tables`: rows of system relations by name, with what they depended on when they were made."""

    locks: AdvisoryLocks = field(default_factory=AdvisoryLocks)
    tables: dict[str, tuple[object, pa.Table | None]] = field(default_factory=dict)
