"""Hive's functions that are not there, and why."""

from __future__ import annotations

from typing import NamedTuple


class Gap(NamedTuple):
    """`word`: notimpl (could be added), never (has no meaning here or is refused); `reason` for people."""

    word: str
    reason: str


GAPS: dict[str, Gap] = {
    "bloom_filter": Gap("notimpl", "Hive writes it for its own joins"),
    "in_bloom_filter": Gap("notimpl", "Hive writes it for its own joins"),
    "compute_stats": Gap("notimpl", "ANALYZE TABLE keeps statistics"),
    "compute_bit_vector_hll": Gap("notimpl", "ANALYZE TABLE keeps statistics"),
    "ndv_compute_bit_vector": Gap("notimpl", "ANALYZE TABLE keeps statistics"),
    "ewah_bitmap": Gap("notimpl", "it belongs to Hive's indexes, which Hive 3 dropped"),
    "ewah_bitmap_and": Gap("notimpl", "it belongs to Hive's indexes, which Hive 3 dropped"),
    "ewah_bitmap_or": Gap("notimpl", "it belongs to Hive's indexes, which Hive 3 dropped"),
    "ewah_bitmap_empty": Gap("notimpl", "it belongs to Hive's indexes, which Hive 3 dropped"),
    "create_union": Gap("notimpl", "there is no type for a choice of types"),
    "extract_union": Gap("notimpl", "there is no type for a choice of types"),
    "internal_interval": Gap("never", "Hive's compiler writes it; INTERVAL is the literal"),
    "reflect": Gap("never", "it would call any Java method"),
    "reflect2": Gap("never", "it would call any Java method"),
    "java_method": Gap("never", "it would call any Java method"),
    "in_file": Gap("never", "it would read the server's files"),
    "get_splits": Gap("never", "it tells of Hive's own jobs"),
    "get_sql_schema": Gap("never", "it tells of Hive's own compiler"),
}
"""Name -> gap."""
