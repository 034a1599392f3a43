"""The names of Hive 4's built-in functions, as its own SHOW FUNCTIONS lists them, and the arrays' ones of 4.1.

What is known of each is found elsewhere: kernels in this package, forms in expr/hive, aggregates in sql/hive, and
gaps.py for those that are not there.
"""

from __future__ import annotations

_SKETCHES = {
    "cpc": "estimate estimate_bounds sketch stringify union union_f",
    "freq": "frequent_items sketch union",
    "hll": "estimate estimate_bounds sketch stringify union union_f",
    "kll": "cdf n pmf quantile quantiles rank sketch stringify union",
    "quantile_doubles": "cdf k n pmf quantile quantiles sketch stringify union",
    "quantile_strings": "cdf k n pmf quantile quantiles sketch stringify union",
    "theta": "estimate exclude intersect intersect_f sketch union union_f",
    "tuple_arrayofdouble": "estimate estimate_bounds means n_retained quantiles_sketch sketch ttest union values "
    "variances",
    "tuple_doublesummary": "estimate percentile sketch union",
}
"""DataSketches: `ds_` and the kind before each."""
_PLACES = """
aggr_convexhull aggr_union area asbinary asgeojson asjson asshape astext bin binenvelope boundary buffer
centroid contains convexhull coorddim crosses difference dimension disjoint distance endpoint envelope
envintersects equals exteriorring geodesiclengthwgs84 geomcollection geometryn geometryprocessing
geometrytype geomfromgeojson geomfromjson geomfromshape geomfromtext geomfromwkb interiorringn intersection
intersects is3d isclosed isempty ismeasured isring issimple length linefromwkb linestring m maxm maxx maxy
maxz minm minx miny minz mlinefromwkb mpointfromwkb mpolyfromwkb multilinestring multipoint multipolygon
numgeometries numinteriorring numpoints overlaps point pointfromwkb pointn pointz polyfromwkb polygon relate
setsrid srid startpoint symmetricdiff touches union within x y z
"""
"""Geometry: `st_` before each."""
OPERATORS = """
! != % & * + - / < <= <=> <> = == > >= ^ | ~
"""
_OTHERS = """
abs acos add_months aes_decrypt aes_encrypt and approx_distinct array array_contains ascii asin assert_true
assert_true_oom atan avg base64 between bin bloom_filter bround bucket_number buildversion
cardinality_violation case cast_format cbrt ceil ceiling char_length character_length chr coalesce
collect_list collect_set compute_bit_vector_fm compute_bit_vector_hll compute_stats concat concat_ws
context_ngrams conv corr cos count covar_pop covar_samp crc32 create_union cume_dist current_authorizer
current_catalog current_database current_date current_groups current_schema current_timestamp current_user
date_add date_format date_sub datediff datetime_legacy_hybrid_calendar day dayofmonth dayofweek decode
degrees dense_rank deserialize div e elt encode enforce_constraint exception_in_vertex_udaf
exception_in_vertex_udf exp explode extract_union factorial field find_in_set first_value floor floor_day
floor_hour floor_minute floor_month floor_quarter floor_second floor_week floor_year format_number
from_unixtime from_utc_timestamp get_json_object get_llap_splits get_splits get_sql_schema greatest grouping
hash hex histogram_numeric hour if in in_bloom_filter in_file index initcap inline instr internal_interval
is_not_distinct_from isfalse isnotfalse isnotnull isnottrue isnull istrue java_method json_read json_tuple
lag last_day last_value lcase lead least length levenshtein like likeall likeany ln locate log log10 log2
logged_in_user lower lpad ltrim map map_keys map_values mask mask_first_n mask_hash mask_last_n
mask_show_first_n mask_show_last_n matchpath max md5 mid min minute mod month months_between murmur_hash
named_struct ndv_compute_bit_vector negative next_day ngrams noop noopstreaming noopwithmap
noopwithmapstreaming not ntile nullif nvl octet_length or parse_url parse_url_tuple percent_rank percentile
percentile_approx percentile_cont percentile_disc pi pmod posexplode position positive pow power printf
quarter quote radians rand rank reflect reflect2 regexp regexp_extract regexp_replace regr_avgx regr_avgy
regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy repeat replace replicate_rows
restrict_information_schema reverse rlike round row_number rpad rtrim second sentences sha sha1 sha2
shiftleft shiftright shiftrightunsigned sign sin size sort_array sort_array_by soundex space split
split_map_privs sq_count_check sqrt stack std stddev stddev_pop stddev_samp str_to_map struct substr
substring substring_index sum surrogate_key tan to_date to_epoch_milli to_unix_timestamp to_utc_timestamp
translate trim trunc tumbling_window ucase udftoboolean udftobyte udftodouble udftofloat udftointeger
udftolong udftoshort unbase64 unhex unix_timestamp upper uuid validate_acid_sort_order var_pop var_samp
variance version weekofyear when width_bucket windowingtablefunction xpath xpath_boolean xpath_double
xpath_float xpath_int xpath_long xpath_number xpath_short xpath_string year
"""
_NEWER = """
array_append array_distinct array_except array_intersect array_join array_max array_min array_position
array_remove array_slice array_union typeof
"""
SKETCHES = tuple(f"ds_{kind}_{word}" for kind, words in _SKETCHES.items() for word in words.split())
PLACES = tuple(f"st_{word}" for word in _PLACES.split())
NAMES: tuple[str, ...] = tuple(
    sorted({*OPERATORS.split(), "$sum0", *_OTHERS.split(), *_NEWER.split(), *SKETCHES, *PLACES})
)
"""All of them, sorted."""
