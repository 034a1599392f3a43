"""The names of Spark SQL's functions that are here and that Hive 4 has not."""

from __future__ import annotations

SPARK_NAMES: tuple[str, ...] = tuple(
    """
acosh aggregate any any_value approx_count_distinct approx_percentile array_agg array_compact array_insert
array_prepend array_repeat array_size array_sort arrays_overlap arrays_zip asinh atan2 atanh bigint binary bit_and
bit_count bit_get bit_length bit_or bit_xor bitmap_bit_position bitmap_bucket_number bitmap_construct_agg bitmap_count
bitmap_or_agg bool_and bool_or boolean btrim cardinality cast char contains convert_timezone cosh cot count_if csc
curdate current_timezone date date_diff date_from_unix_date date_part date_trunc dateadd datepart dayname dayofyear
decimal double element_at endswith equal_null every exists explode_outer expm1 extract filter first flatten float
forall format_string from_json get getbit grouping_id hypot iff ifnull ilike inline_outer input_file_name int
is_valid_utf8 isnan json_array_length json_object_keys kurtosis last left len listagg localtimestamp log1p luhn_check
make_date make_dt_interval make_interval make_timestamp make_timestamp_ltz make_timestamp_ntz make_ym_interval
map_concat map_contains_key map_entries map_filter map_from_arrays map_from_entries map_zip_with max_by mean median
min_by mode monotonically_increasing_id monthname nanvl now nth_value nullifzero overlay posexplode_outer raise_error
randn random reduce regexp_count regexp_extract_all regexp_instr regexp_like regexp_substr right rint schema_of_json
sec sequence session_window shuffle signum sinh skewness slice smallint some spark_partition_id split_part startswith
string string_agg tanh timestamp timestamp_micros timestamp_millis timestamp_seconds timestampadd tinyint to_binary
to_char to_json to_number to_timestamp to_timestamp_ltz to_timestamp_ntz to_varchar transform transform_keys
transform_values try_add try_aes_decrypt try_avg try_divide try_element_at try_mod try_multiply try_subtract try_sum
try_to_binary try_to_number try_to_timestamp try_url_decode unix_date unix_micros unix_millis unix_seconds
url_decode url_encode weekday window xxhash64 zeroifnull zip_with
""".split()
)
