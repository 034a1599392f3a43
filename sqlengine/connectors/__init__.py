"""Ways in and out: one entry of CONNECTORS each.

`connector` finds one by name, `parse_options` reads its WITH options.  Nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlengine.connectors.base import Connector
from sqlengine.connectors.blackhole import BLACKHOLE
from sqlengine.connectors.datagen import DATAGEN
from sqlengine.connectors.file import FILE
from sqlengine.connectors.nexmark import NEXMARK
from sqlengine.connectors.printer import PRINT
from sqlengine.errors import InvalidParameter, did_you_mean
from sqlengine.formats.options import option_names, parse

__all__ = ["CONNECTORS", "Connector", "connector", "option_names", "parse_options"]

CONNECTORS: tuple[Connector, ...] = (FILE, DATAGEN, NEXMARK, BLACKHOLE, PRINT)


def connector(name: str, position: int | None = None) -> Connector:
    """The connector of that name; InvalidParameter (22023) with the nearest names."""
    by_name = {c.name: c for c in CONNECTORS}
    found = by_name.get(name.lower())
    if found is None:
        hint = did_you_mean(name.lower(), by_name) or "connectors: " + ", ".join(by_name)
        raise InvalidParameter(f'unknown connector "{name}"', hint=hint, position=position)
    return found


def parse_options(kind: Connector, given: Mapping[str, Any], position: int | None = None) -> Any:
    """WITH options (without `connector` itself) as the connector's dataclass; see formats.options.parse."""
    return parse(kind.options, given, f"connector {kind.name}", position)
