"""Hive's functions that are not there, and why."""

from __future__ import annotations

from typing import NamedTuple

from sqlengine.functions.hive.hive4 import NAMES, PLACES, SKETCHES


class Gap(NamedTuple):
    """`word`: notimpl (could be added), never (has no meaning here or is refused); `reason` for people."""

    word: str
    reason: str


_JAVA = Gap("never", "it would call any Java method")
_INSIDE = Gap("never", "Hive's compiler puts it into its own plans; no query calls it")
_JOBS = Gap("never", "it tells of Hive's own jobs")
_GRANTS = Gap("never", "it asks Hive's own authorization")
_PTF = Gap("never", "it tests Hive's partitioned table functions")
_SKETCH = Gap("notimpl", "DataSketches; approx_distinct and percentile_approx answer such questions")
_PLACE = Gap("notimpl", "geometry is not a type here")
_INTERNAL = """
$sum0 bucket_number cardinality_violation cast_format compute_bit_vector_fm compute_bit_vector_hll compute_stats
datetime_legacy_hybrid_calendar deserialize enforce_constraint exception_in_vertex_udaf exception_in_vertex_udf
internal_interval ndv_compute_bit_vector sq_count_check validate_acid_sort_order windowingtablefunction
"""
GAPS: dict[str, Gap] = {
    **dict.fromkeys(("reflect", "reflect2", "java_method"), _JAVA),
    **dict.fromkeys(
        ("ewah_bitmap", "ewah_bitmap_and", "ewah_bitmap_or", "ewah_bitmap_empty"),
        Gap("never", "it belongs to Hive's indexes, which Hive 3 dropped"),
    ),
    "in_file": Gap("never", "it would read the server's files"),
    **dict.fromkeys(("get_splits", "get_llap_splits"), _JOBS),
    "get_sql_schema": Gap("never", "it tells of Hive's own compiler"),
    **dict.fromkeys(_INTERNAL.split(), _INSIDE),
    **dict.fromkeys(
        ("current_authorizer", "current_groups", "restrict_information_schema", "split_map_privs"), _GRANTS
    ),
    **dict.fromkeys(("noop", "noopstreaming", "noopwithmap", "noopwithmapstreaming"), _PTF),
    **dict.fromkeys(SKETCHES, _SKETCH),
    **dict.fromkeys(PLACES, _PLACE),
    "surrogate_key": Gap("never", "it numbers rows by the writes of Hive's ACID tables; uuid() names rows"),
    "matchpath": Gap("notimpl", "patterns of rows are not matched"),
    **dict.fromkeys(("create_union", "extract_union"), Gap("notimpl", "UNIONTYPE is not a type here")),
    **dict.fromkeys(("bloom_filter", "in_bloom_filter"), Gap("never", "Hive's optimizer puts it into its own plans")),
}
"""Name -> gap."""
_FILES = Gap("notimpl", "CREATE TABLE ... USING csv reads and writes such lines")
_VARIANT = Gap("notimpl", "VARIANT is not a type here; from_json and get_json_object read JSON")
_XML = Gap("notimpl", "xpath and its like read XML")
SPARK_GAPS: dict[str, Gap] = {
    **dict.fromkeys(("from_csv", "to_csv", "schema_of_csv"), _FILES),
    **dict.fromkeys(("from_xml", "to_xml", "schema_of_xml"), _XML),
    **dict.fromkeys(
        "parse_json try_parse_json is_variant_null variant_get try_variant_get schema_of_variant "
        "schema_of_variant_agg to_variant_object variant_explode variant_explode_outer".split(),
        _VARIANT,
    ),
    **dict.fromkeys(
        ("hll_sketch_agg", "hll_sketch_estimate", "hll_union", "hll_union_agg", "count_min_sketch"), _SKETCH
    ),
    **dict.fromkeys(
        ("from_avro", "to_avro", "from_protobuf", "to_protobuf"), Gap("notimpl", "streams and tables have formats")
    ),
    **dict.fromkeys(
        ("input_file_block_start", "input_file_block_length"),
        Gap("never", "files are not read in blocks; BLOCK__OFFSET__INSIDE__FILE says where a row begins"),
    ),
    "window_time": Gap("notimpl", "window_end less a microsecond is that time"),
    "sql_keywords": Gap("never", "it tells of Spark's own parser; pg_get_keywords() tells of this one"),
    "range": Gap("notimpl", "explode(sequence(start, stop)) gives the numbers as rows"),
    "try_reflect": _JAVA,
}
"""Name -> gap, of what Spark has and Hive has not."""
GAPS |= SPARK_GAPS
_UNWRITTEN = Gap("notimpl", "it is not written yet")


def gap_of(name: str) -> Gap | None:
    """Why a function that is not known is not there; None for a name Hive does not have either."""
    return GAPS.get(name) or (_UNWRITTEN if name in NAMES else None)
