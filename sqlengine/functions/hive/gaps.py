"""Hive's functions that are not there, and why."""

from __future__ import annotations

from typing import NamedTuple


class Gap(NamedTuple):
    """`word`: notimpl (could be added), never (has no meaning here or is refused); `reason` for people."""

    word: str
    reason: str


GAPS: dict[str, Gap] = {
    "reflect": Gap("never", "it would call any Java method"),
    "reflect2": Gap("never", "it would call any Java method"),
    "java_method": Gap("never", "it would call any Java method"),
    "in_file": Gap("never", "it would read the server's files"),
    "get_splits": Gap("never", "it tells of Hive's own jobs"),
    "get_sql_schema": Gap("never", "it tells of Hive's own compiler"),
}
"""Name -> gap."""
