"""COPY's HEADER MATCH: a first line that must name the columns in their order, with PostgreSQL's words where not."""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine.errors import BadCopyFormat


def match_header(found: Sequence[str | None], names: Sequence[str], null: str) -> None:
    """BadCopyFormat (22P04) unless the fields `found`, None where one is NULL's text `null`, are `names`."""
    if len(found) != len(names):
        raise _mismatch(f"wrong number of fields in header line: got {len(found)}, expected {len(names)}")
    for at, (field, name) in enumerate(zip(found, names, strict=True), 1):
        if field != name:
            shown = f'null value ("{null}")' if field is None else f'"{field}"'
            raise _mismatch(f'column name mismatch in header line field {at}: got {shown}, expected "{name}"')


def _mismatch(text: str) -> BadCopyFormat:
    return BadCopyFormat(text, hint="HEADER true passes over the first line, whatever it says")
