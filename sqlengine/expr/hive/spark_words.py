"""What is said of Spark's functions that have no kernel of their own (see catalogue.py)."""

from __future__ import annotations

from sqlengine.expr.hive.spark_forms import SPARK_CASTS
from sqlengine.types import hive_name

SPARK_WRITTEN: dict[str, tuple[str, str]] = {
    **{name: (f"{name}(a)", f"CAST(a AS {hive_name(kind) or name})") for name, kind in SPARK_CASTS.items()},
    "element_at": (
        "element_at(a, i)",
        "the i-th element from 1, from the end when negative, or the value of a map's key",
    ),
    "try_element_at": ("try_element_at(a, i)", "the same as element_at"),
    "get": ("get(a, i)", "the i-th element of an array counted from 0; NULL where there is none"),
    "cardinality": ("cardinality(a)", "how many elements an array or a map has; -1 of NULL"),
    "flatten": ("flatten(a)", "an array of arrays as one array; NULL when one of them is NULL"),
    "sequence": (
        "sequence(start, stop[, step])",
        "whole numbers, dates or timestamps from one to another, both included",
    ),
    "arrays_zip": ("arrays_zip(a, ...)", "an array of structs of the elements at the same places"),
    "map_from_arrays": ("map_from_arrays(keys, vals)", "a map of an array of keys and one of values"),
    "map_from_entries": ("map_from_entries(a)", "a map of an array of structs, key and value"),
    "map_entries": ("map_entries(m)", "the entries of a map as an array of structs, key and value"),
    "map_concat": ("map_concat(m, ...)", "the entries of all maps as one map"),
    "ifnull": ("ifnull(a, b)", "a, or b where a is NULL"),
    "iff": ("iff(condition, a, b)", "a where the condition is true, else b"),
    "equal_null": ("equal_null(a, b)", "whether two values are equal, NULL being equal to NULL"),
    "nullifzero": ("nullifzero(a)", "NULL where a is 0, else a"),
    "zeroifnull": ("zeroifnull(a)", "0 where a is NULL, else a"),
    "try_add": ("try_add(a, b)", "a + b; NULL where it does not fit"),
    "try_subtract": ("try_subtract(a, b)", "a - b; NULL where it does not fit"),
    "try_multiply": ("try_multiply(a, b)", "a * b; NULL where it does not fit"),
    "try_divide": ("try_divide(a, b)", "a / b; NULL where b is 0"),
    "date_part": ("date_part(field, a)", "a field of a time or an interval, seconds with their fraction"),
    "extract": ("extract(field from a)", "in Spark's dialect the same as date_part"),
    "current_timezone": ("current_timezone()", "the session's time zone"),
    "any_value": ("any_value(a[, true])", "some row's value; true passes over NULL"),
    "first": ("first(a[, true])", "the value of the row that arrived first; true passes over NULL"),
    "last": ("last(a[, true])", "the value of the row that arrived last; true passes over NULL"),
    "max_by": ("max_by(a, b)", "the value beside the greatest b"),
    "min_by": ("min_by(a, b)", "the value beside the least b"),
    "median": ("median(a)", "the middle value, between two interpolated"),
    "mode": ("mode(a)", "the most frequent value"),
    **{name: (f"{name}(a)", "whether no value is false") for name in ("bool_and", "every")},
    **{name: (f"{name}(a)", "whether some value is true") for name in ("bool_or", "some", "any")},
    "cast": ("cast(a as type)", "the value as another type, NULL where it has none"),
    "grouping_id": ("grouping_id([a, ...])", "a bit for each column, 1 where it is not grouped by"),
    "ilike": ("a ilike pattern", "LIKE without regard to case"),
    "nth_value": ("nth_value(a, n) over (...)", "the frame's n-th value"),
    "window": ("window(t, size[, slide[, offset]])", "the window of time a row is in, to be grouped by"),
    "session_window": ("session_window(t, gap)", "the session a row is in, to be grouped by"),
    **{name: (f"{name}(a)", "the mean, as avg") for name in ("mean", "try_avg")},
    "try_sum": ("try_sum(a)", "the sum; NULL where it does not fit"),
    "try_mod": ("try_mod(a, b)", "the remainder; NULL where b is 0"),
    "from_json": (
        "from_json(j, schema[, options])",
        "the values of a JSON text; a schema is `a INT, b STRING` or a type, options are a map",
    ),
    "to_json": ("to_json(a[, options])", "a struct, array or map as a JSON text"),
    "schema_of_json": ("schema_of_json(j[, options])", "the type of a constant JSON text, as from_json takes it"),
    **{
        name: (
            f"{name}(x, format)",
            "a number in a format of digits ($, ., D, G, S, MI, PR), a moment in one of Java's",
        )
        for name in ("to_char", "to_varchar")
    },
    "to_number": ("to_number(s, format)", "the number of a text in a format of digits ($, ., D, G, S, MI, PR)"),
    "try_to_number": ("try_to_number(s, format)", "as to_number; NULL for a text that is not in the format"),
    "format_string": ("format_string(format, a, ...)", "the same as printf"),
    "shuffle": ("shuffle(a)", "the elements in random order"),
    "randn": ("randn()", "a random number of the standard normal distribution"),
    "convert_timezone": ("convert_timezone([zone, ]zone, t)", "a timestamp of one zone's clock (UTC) by another's"),
    "try_aes_decrypt": (
        "try_aes_decrypt(b, key[, mode[, padding[, aad]]])",
        "decrypted by AES (GCM unless stated); NULL where that cannot be done",
    ),
    "datepart": ("datepart(field, a)", "the same as date_part"),
    "localtimestamp": ("localtimestamp()", "this moment in the session's zone"),
    **{
        name: (f"{name}(year, month, day, hour, minute, second[, zone])", "a timestamp of its parts")
        for name in ("make_timestamp_ltz", "make_timestamp_ntz")
    },
    "make_interval": ("make_interval([years, months, weeks, days, hours, mins, secs])", "an interval of its parts"),
    "make_dt_interval": ("make_dt_interval([days, hours, mins, secs])", "an interval of its parts"),
    "make_ym_interval": ("make_ym_interval([years, months])", "an interval of its parts"),
    "explode_outer": ("explode_outer(a)", "as explode; a row of NULLs where there would be none"),
    "posexplode_outer": ("posexplode_outer(a)", "as posexplode; a row of NULLs where there would be none"),
    "inline_outer": ("inline_outer(a)", "as inline; a row of NULLs where there would be none"),
    "monotonically_increasing_id": ("monotonically_increasing_id()", "the number of the row from 0"),
    "spark_partition_id": ("spark_partition_id()", "0: there is one partition here"),
    "input_file_name": ("input_file_name()", "the file a row of a table over files comes from"),
    **{name: (f"{name}(a[, separator])", "the texts that are not NULL, joined") for name in ("string_agg", "listagg")},
    "bitmap_construct_agg": ("bitmap_construct_agg(a)", "a bitmap with the bits at these places"),
    "bitmap_or_agg": ("bitmap_or_agg(a)", "a bitmap of the bits of all"),
    "count_if": ("count_if(a)", "in how many rows a is true"),
    "approx_count_distinct": ("approx_count_distinct(a)", "about how many distinct values there are"),
    "approx_percentile": ("approx_percentile(a, p[, accuracy])", "the value that a fraction p does not exceed; exact"),
    "array_agg": ("array_agg(a)", "the values as an array, NULLs left out"),
    "bit_and": ("bit_and(a)", "the bits that are set in all values"),
    "bit_or": ("bit_or(a)", "the bits that are set in some value"),
    "bit_xor": ("bit_xor(a)", "the bits that are set in an odd number of values"),
    "kurtosis": ("kurtosis(a)", "the excess kurtosis of a population"),
    "skewness": ("skewness(a)", "the skewness of a population"),
    "transform": (
        "transform(a, x -> ...)",
        "what a function makes of each element; (x, i) -> is told its place from 0",
    ),
    "filter": ("filter(a, x -> ...)", "the elements for which a condition is true"),
    "exists": ("exists(a, x -> ...)", "whether a condition is true of an element"),
    "forall": ("forall(a, x -> ...)", "whether a condition is true of all elements"),
    **{
        name: (
            f"{name}(a, start, (sum, x) -> ...[, sum -> ...])",
            "what is left of a start and one element after another",
        )
        for name in ("aggregate", "reduce")
    },
    "zip_with": ("zip_with(a, b, (x, y) -> ...)", "what a function makes of the elements at the same places"),
    "map_filter": ("map_filter(m, (k, v) -> ...)", "the entries for which a condition is true"),
    "map_zip_with": (
        "map_zip_with(m, n, (k, v, w) -> ...)",
        "what a function makes of the values of each key of either",
    ),
    "transform_keys": ("transform_keys(m, (k, v) -> ...)", "a map of what a function makes of keys"),
    "transform_values": ("transform_values(m, (k, v) -> ...)", "a map of what a function makes of values"),
}
"""Name -> (how it is written, what it gives)."""
