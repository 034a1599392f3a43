"""Made-up rows: sequences and seeded random values of any type."""

from __future__ import annotations

from sqlengine.connectors.datagen.source import DATAGEN, DatagenSource

__all__ = ["DATAGEN", "DatagenSource"]
