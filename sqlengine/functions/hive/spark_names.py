"""The names of Spark SQL's functions that are here and that Hive 4 has not."""

from __future__ import annotations

SPARK_NAMES: tuple[str, ...] = tuple(
    """
acosh aggregate any any_value approx_count_distinct approx_percentile array_agg array_compact array_insert
array_prepend array_repeat array_size array_sort arrays_overlap arrays_zip asinh atan2 atanh bigint binary bit_and
bit_count bit_get bit_length bit_or bit_xor bool_and bool_or boolean btrim cardinality contains cosh cot count_if csc
curdate current_timezone date date_diff date_from_unix_date date_part date_trunc dateadd dayname decimal double
element_at endswith equal_null every exists expm1 extract filter first flatten float forall get getbit hypot iff
ifnull int isnan json_array_length kurtosis last left len log1p make_date make_timestamp map_concat map_contains_key
map_entries map_filter map_from_arrays map_from_entries map_zip_with max_by median min_by mode monthname nanvl now
nullifzero overlay raise_error random reduce regexp_count regexp_extract_all regexp_instr regexp_like regexp_substr
right rint sec sequence signum sinh skewness slice smallint some split_part startswith string tanh timestamp
timestamp_micros timestamp_millis timestamp_seconds timestampadd tinyint to_timestamp transform transform_keys
transform_values try_add try_divide try_element_at try_multiply try_subtract try_to_timestamp unix_date unix_micros
unix_millis unix_seconds url_decode url_encode weekday zeroifnull zip_with
""".split()
)
