"""DuckDB macros for functions our SQL has and DuckDB lacks or means otherwise.

Why: snapshot queries and expressions without an Arrow kernel run on DuckDB; with these names defined in its
catalog (and calls spelt by functions/duck_spelling.py) both executors give a function one meaning (held by
tests/functions/test_same_meaning.py). Pure text; nothing runs here.

No parameter has a type: DuckDB chooses among typed overloads before it knows the type of an aggregate, of an alias or
of a parameter, and then fails or takes the wrong one.  `typeof` is folded when binding: a CASE over it costs nothing.
"""

from __future__ import annotations

from sqlengine.duck_sizes import SIZE_MACROS
from sqlengine.pg_settings import VERSION_TEXT


def json_key_path(key: str) -> str:
    """DuckDB text of the path to a field, given that of its name; no path of `$` leads to a field without one."""
    escaped = f"replace(replace({key}, '\\', '\\\\'), '\"', '\\\"')"
    return f"CASE WHEN {key} = '' THEN '/' ELSE '$.\"' || {escaped} || '\"' END"


_OUT_OF_RANGE = "error('input is out of range')::DOUBLE"
_COMPLEX = "error('a negative number raised to a non-integer power yields a complex result')::DOUBLE"
_OUT_OF_POWER = "error('a power of this base is undefined or out of range')::DOUBLE"
_STRING = r'"(?:[^"\\]|\\.)*"'
_NO_POWER = f"CASE WHEN a < 0 THEN {_COMPLEX} ELSE {_OUT_OF_POWER} END"
INTERVAL_PARTS = ("years", "months", "weeks", "days", "hours", "mins", "secs")
"""The parameters of make_interval."""
_DAYS = (
    "to_months((years::BIGINT * 12)::INTEGER)",
    "to_months(months::INTEGER)",
    "to_days((weeks::BIGINT * 7)::INTEGER)",
    "to_days(days::INTEGER)",
)
_CLOCK = (
    "hours::BIGINT * 3600000000",
    "mins::BIGINT * 60000000",
    "system.main.round_even(secs::DOUBLE * 1000000, 0)::BIGINT",
)


def _interval_of(count: int) -> str:
    """make_interval of the first parameters."""
    clock = " + ".join(("0::BIGINT", *_CLOCK[: max(0, count - len(_DAYS))]))
    return f"({', '.join(INTERVAL_PARTS[:count])}) AS {' + '.join((*_DAYS[:count], f'interval_clock({clock})'))}"


MACROS: tuple[str, ...] = (
    *SIZE_MACROS,
    # The round of doubles is half to even (PostgreSQL rint); numeric rounds half away from zero.
    "CREATE MACRO round(x) AS system.main.round(x) - CASE WHEN typeof(x) IN ('DOUBLE', 'FLOAT') "
    "AND abs(x - trunc(x)) = 0.5 AND system.main.round(x) % 2 <> 0 THEN sign(x) ELSE 0 END, "
    "(x, n) AS system.main.round(x, n)",
    "CREATE MACRO split_index(s, d, i) AS CASE WHEN i >= 0 AND s <> '' THEN string_split(s, d)[i + 1] END",
    "CREATE MACRO count_char(s, c) AS CASE WHEN c = '' THEN 0 * strlen(s) "
    "ELSE (length(s) - length(replace(s, left(c, 1), '')))::BIGINT END",
    "CREATE MACRO char_length(s) AS length(s)",
    "CREATE MACRO character_length(s) AS length(s)",
    "CREATE MACRO octet_length(s) AS CASE typeof(s) WHEN 'BLOB' THEN system.main.octet_length(s::BLOB) "
    "ELSE strlen(s::VARCHAR) END::INTEGER",
    "CREATE MACRO btrim(s) AS trim(s), (s, c) AS trim(s, c)",
    "CREATE MACRO substr(s, p) AS CASE WHEN p > 0 THEN substring(s, p::BIGINT) WHEN p <= 0 THEN s END, "
    "(s, p, n) AS CASE WHEN n < 0 THEN error('negative substring length not allowed')::VARCHAR "
    "WHEN p > 0 THEN substring(s, p::BIGINT, n::BIGINT) "
    "WHEN n + p IS NOT NULL THEN substring(s, 1, greatest(0, n::BIGINT + p::BIGINT - 1)) END",
    "CREATE MACRO initcap(s) AS list_aggregate(list_transform(regexp_extract_all(s, '[\\pL\\pN]+|[^\\pL\\pN]+'), "
    "lambda w: upper(w[1]) || lower(w[2:])), 'string_agg', '')",
    # What clients ask of PostgreSQL before they speak to it.
    f"CREATE MACRO version() AS '{VERSION_TEXT}'",
    "CREATE MACRO if(c, a, b) AS CASE WHEN c THEN a ELSE b END",
    "CREATE MACRO iff(c, a, b) AS CASE WHEN c THEN a ELSE b END",
    "CREATE MACRO nvl(a, b) AS coalesce(a, b)",
    "CREATE MACRO regexp_extract(s, p) AS CASE WHEN regexp_matches(s, p) THEN system.main.regexp_extract(s, p) END, "
    "(s, p, g) AS CASE WHEN regexp_matches(s, p) THEN system.main.regexp_extract(s, p, g) END",
    "CREATE MACRO regexp_like(s, p) AS regexp_matches(s, p)",
    "CREATE MACRO regexp_count(s, p) AS len(regexp_extract_all(s, p))",
    "CREATE MACRO width_bucket(x, lo, hi, n) AS CASE WHEN x + lo + hi + n IS NULL THEN NULL "
    "WHEN x < lo THEN 0 WHEN x >= hi THEN n + 1 "
    "ELSE floor((x - lo)::DOUBLE / (hi - lo) * n)::INTEGER + 1 END",
    "CREATE MACRO epoch_ms(t) AS epoch_us(t) // 1000",
    # PostgreSQL's parts with fractions of seconds, which DuckDB cuts off.
    "CREATE MACRO date_part_exact(p, t) AS CASE p WHEN 'second' THEN date_part('microseconds', t) / "
    "1000000.0::DOUBLE "
    "WHEN 'milliseconds' THEN date_part('microseconds', t) / 1000.0::DOUBLE ELSE date_part(p, t)::DOUBLE END",
    # The first of a histogram; of equally frequent values the least.
    "CREATE MACRO most_frequent(h, k) AS list_transform(list_sort(list_transform(map_entries(h), "
    "lambda e: {'rare': -(e.value::BIGINT), 'key': e.key}))[1:k], lambda e: e.key)",
    # Of the number's own type.
    "CREATE MACRO sign(x) AS CASE WHEN x IS NULL THEN x ELSE system.main.sign(x) END",
    # The whole root where there is one: a library's power of 1/3 misses it.
    "CREATE MACRO cbrt(x) AS CASE WHEN system.main.round(system.main.cbrt(x::DOUBLE)) ** 3 = x::DOUBLE "
    "THEN system.main.round(system.main.cbrt(x::DOUBLE)) ELSE system.main.cbrt(x::DOUBLE) END",
    "CREATE MACRO truncate(x) AS trunc(x), (x, n) AS trunc(x, n)",
    "CREATE MACRO mode_of(h) AS most_frequent(h, 1)[1]",
    "CREATE MACRO mode_of_list(l) AS mode_of(list_aggr(l, 'histogram'))",
    # JSON changed at a path: functions/json_paths.py. A lambda takes all branches of a CASE: hence TRY_CAST.
    "CREATE MACRO json_step(c, k) AS CASE json_type(c) WHEN 'ARRAY' THEN list_extract(json_extract(c, '$[*]'), "
    "CASE WHEN "
    "k LIKE '-%' THEN TRY_CAST(k AS BIGINT) ELSE TRY_CAST(k AS BIGINT) + 1 END) WHEN 'OBJECT' THEN element_at(c::MAP("
    "VARCHAR, JSON), k)[1] END",
    "CREATE MACRO json_set_at(j, p, v) AS kernel_json_set(j::JSON::VARCHAR, p::VARCHAR[], v::JSON::VARCHAR, "
    "true)::JSON, (j, p, v, made) AS kernel_json_set(j::JSON::VARCHAR, p::VARCHAR[], v::JSON::VARCHAR, made)::JSON",
    "CREATE MACRO json_insert_at(j, p, v) AS kernel_json_insert(j::JSON::VARCHAR, p::VARCHAR[], v::JSON::VARCHAR, "
    "false)::JSON, (j, p, v, behind) AS kernel_json_insert(j::JSON::VARCHAR, p::VARCHAR[], v::JSON::VARCHAR, "
    "behind)::JSON",
    "CREATE MACRO json_delete_at(j, p) AS kernel_json_delete(j::JSON::VARCHAR, p::VARCHAR[])::JSON",
    # What ?, ?| and ?& look at: keys of an object, strings of an array, a string itself.
    "CREATE MACRO json_strings(j) AS CASE WHEN j IS NOT NULL THEN CASE json_type(j::JSON) WHEN 'OBJECT' THEN "
    "system.main.json_keys(j::JSON) WHEN 'ARRAY' THEN list_transform(list_filter("
    "json_extract(j::JSON, '$[*]')::JSON[], lambda strings_e: json_type(strings_e) = 'VARCHAR'), "
    "lambda strings_e: json_extract_string(strings_e, '$')) "
    "WHEN 'VARCHAR' THEN [json_extract_string(j::JSON, '$')] ELSE []::VARCHAR[] END END",
    "CREATE MACRO json_has(j, k) AS list_contains(json_strings(j), k)",
    # An object of texts: keys and values side by side, or in turn; arrays of two are keys with their values.
    "CREATE MACRO json_of_texts(k, v) AS CASE WHEN k IS NULL OR v IS NULL THEN NULL WHEN len(k) <> len(v) THEN "
    "error('mismatched array dimensions')::JSON WHEN list_count(k) < len(k) THEN "
    "error('null value not allowed for object key')::JSON ELSE to_json(map_of(k, v)) END",
    "CREATE MACRO json_of_items(t) AS CASE WHEN len(t) % 2 = 1 THEN "
    "error('array must have even number of elements')::JSON ELSE json_of_texts(list_slice(t, 1, len(t), 2), "
    "list_slice(t, 2, len(t), 2)) END",
    "CREATE MACRO json_of_pairs(j) AS CASE WHEN json_type(j, '$[0]') IS DISTINCT FROM 'ARRAY' THEN "
    "json_of_items(json_extract_string(j, '$[*]')::VARCHAR[]) WHEN json_array_length(j, '$[0]') <> 2 THEN "
    "error('array must have two columns')::JSON ELSE json_of_items(json_extract_string(j, '$[*][*]')::VARCHAR[]) END",
    "CREATE MACRO json_of_two(k, v) AS CASE WHEN typeof(k) LIKE '%[]' THEN json_of_texts(to_json(k)::VARCHAR[], "
    "to_json(v)::VARCHAR[]) ELSE json_object(text_of(k), v) END",
    # Over the text, at any depth: spaces between tokens, fields that are null, the commas these leave. A string is
    # always taken whole, so that nothing inside of one is found.
    f"CREATE MACRO json_without_nulls(j) AS regexp_replace(regexp_replace(regexp_replace(j::JSON::VARCHAR, "
    f"'({_STRING})|\\s+', '\\1', 'g'), '{_STRING}:null,?|({_STRING})', '\\1', 'g'), "
    f"'({_STRING})|,(\\}})', '\\1\\2', 'g')::JSON",
    # What is written of intervals holds nanoseconds.
    "CREATE MACRO interval_clock(us) AS CASE WHEN abs(us) > 9223372036854775 THEN "
    "error('interval out of range')::INTERVAL ELSE to_microseconds(us) END",
    "CREATE MACRO make_interval" + ", ".join(_interval_of(count) for count in range(len(INTERVAL_PARTS) + 1)),
    # Whether one, or all, of the values hold, as OR and AND of them.
    "CREATE MACRO any_of(l) AS CASE WHEN list_contains(l, true) THEN true WHEN len(l) = list_count(l) THEN false END",
    "CREATE MACRO all_of(l) AS CASE WHEN list_contains(l, false) THEN false WHEN len(l) = list_count(l) THEN true END",
    # The digits of a number in base b that a text begins with, and their number.
    "CREATE MACRO digits_of(s, b) AS regexp_extract(lower(trim(s)), '^[' || "
    "left('0123456789abcdefghijklmnopqrstuvwxyz', b) "
    "|| ']*')",
    "CREATE MACRO number_of(s, b) AS CASE WHEN digits_of(s, b::BIGINT) <> '' THEN "
    "list_reduce(list_transform(string_split("
    "digits_of(s, b::BIGINT), ''), lambda c: (strpos('0123456789abcdefghijklmnopqrstuvwxyz', c) - 1)::BIGINT), "
    "lambda a, d: a * b::BIGINT + d) END",
    # Numbers as PostgreSQL writes them: no point without digits behind it, an exponent from 10^15 on.
    "CREATE MACRO text_of(x) AS CASE WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN "
    "CASE x::VARCHAR WHEN 'nan' THEN 'NaN' WHEN 'inf' THEN 'Infinity' WHEN '-inf' THEN '-Infinity' ELSE "
    "regexp_replace(regexp_replace(regexp_replace(x::VARCHAR, '^(-?[0-9])([0-9]{15})\\.0$', '\\1.\\2e+15'), "
    "'\\.0$', ''), '\\.?0*e\\+15$', 'e+15') END WHEN typeof(x) IN ('DATE', 'TIMESTAMP', 'TIMESTAMP WITH TIME "
    "ZONE') THEN "
    "regexp_replace(x::VARCHAR, '^([^ ]*) \\(BC\\)(.*)$', '\\1\\2 BC') "
    "WHEN typeof(x) = 'INTERVAL' THEN interval_text(x::VARCHAR) ELSE x::VARCHAR END",
    # Of DuckDB's text of an interval: mons, plurals of all but 1, a plus behind a field that is negative.
    "CREATE MACRO interval_text(s) AS regexp_replace(regexp_replace(regexp_replace(s, 'month', 'mon', 'g'), "
    "'-1 (year|mon|day)( |$)', '-1 \\1s\\2', 'g'), '(-[0-9]+ [a-z]+) ([0-9])', '\\1 +\\2', 'g')",
    # Centuries and millennia begin with the years 1, 101, ..., 1001; DuckDB's with 0, 100, ..., 1000.
    "CREATE MACRO era_years(u) AS CASE WHEN lower(u) IN ('century', 'centuries', 'cent', 'c') THEN 100 "
    "WHEN lower(u) IN ('millennium', 'millennia', 'mil', 'mils') THEN 1000 END",
    "CREATE MACRO date_trunc_era(u, t) AS CASE WHEN era_years(u) IS NULL THEN date_trunc(u, t) "
    "ELSE date_trunc('year', t) - to_years((((date_part('year', t) - 1) % era_years(u) + era_years(u)) % "
    "era_years(u))::INTEGER) END",
    "CREATE MACRO to_timestamp(s) AS CASE typeof(s) WHEN 'VARCHAR' THEN s::VARCHAR::TIMESTAMPTZ "
    "ELSE system.main.to_timestamp(s::DOUBLE) END",
    # What is compared with mz_now(): milliseconds, no later than in the year 9999, or a moment.
    "CREATE MACRO mz_moment(x) AS CASE WHEN typeof(x) IN ('SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'FLOAT', "
    "'DOUBLE') OR starts_with(typeof(x), 'DECIMAL') THEN system.main.to_timestamp("
    "least(try_cast(x::VARCHAR AS DOUBLE), 253402300799999 + 0 * try_cast(x::VARCHAR AS DOUBLE)) / 1000) "
    "ELSE x::VARCHAR::TIMESTAMPTZ END",
    # How many dimensions an array has, and how many elements: in one of them, and in all.
    "CREATE MACRO array_levels(a) AS len(regexp_extract(typeof(a), '(\\[\\])*$')) // 2",
    "CREATE MACRO array_size_at(a, n) AS CASE WHEN n = 1 THEN len(a) WHEN n > 1 AND n <= array_levels(a) THEN "
    "json_array_length(to_json(a), '$' || repeat('[0]', n::BIGINT - 1))::BIGINT END",
    "CREATE MACRO cardinality(a) AS CASE WHEN array_levels(a) > 1 THEN CASE WHEN a IS NOT NULL THEN "
    "len(json_extract(to_json(a), '$' || repeat('[*]', array_levels(a)))) END ELSE len(a) END::INTEGER",
    # A map of keys and values side by side; a key that comes again takes the later value.
    "CREATE MACRO map_of(k, v) AS CASE WHEN k IS NOT NULL THEN map_from_entries(list_filter("
    "list_transform(k, lambda x, i: {'k': x, 'v': v[i], 'last': NOT list_contains(k[i + 1:], x)}), "
    "lambda e: e['last']).list_transform(lambda e: {'k': e.k, 'v': e.v})) END",
    # At most n elements of one end.
    "CREATE MACRO list_first(a, n) AS a[1:n]",
    "CREATE MACRO list_last(a, n) AS list_reverse(list_reverse(a)[1:n])",
    # Maps and structs under the names of Spark, Hive and ksqlDB.
    "CREATE MACRO map_union(a, b) AS map_concat(a, b)",
    "CREATE MACRO map_from_arrays(k, v) AS map(k, v)",
    "CREATE MACRO as_map(k, v) AS map(k, v)",
    "CREATE MACRO map_from_key_values(k, v) AS map(k, v)",
    "CREATE MACRO map_contains_key(m, k) AS map_contains(m, k)",
    "CREATE MACRO str_to_map(s, d := ',', e := '=') AS map_from_entries(list_transform(string_split(s, d), lambda p: "
    "{'k': string_split(p, e)[1], 'v': CASE WHEN contains(p, e) THEN substring(p, strpos(p, e) + length(e)) END}))",
    "CREATE MACRO splittomap(s, d, e) AS map_from_entries(list_transform(list_filter(string_split(s, d), "
    "lambda p: contains(p, e)), lambda p: {'k': string_split(p, e)[1], 'v': substring(p, strpos(p, e) + "
    "length(e))}))",
    # Positions before the first are NULL, not counted from the end.
    "CREATE MACRO subscript(a, i) AS CASE WHEN typeof(a) LIKE '%[]' AND TRY_CAST(i AS BIGINT) <= 0 THEN NULL "
    "ELSE a[i] END",
    # What PostgreSQL raises outside their domain.
    f"CREATE MACRO acosh(x) AS CASE WHEN x < 1 THEN {_OUT_OF_RANGE} ELSE system.main.acosh(x) END",
    f"CREATE MACRO atanh(x) AS CASE WHEN abs(x) >= 1 THEN {_OUT_OF_RANGE} ELSE system.main.atanh(x) END",
    *(
        f"CREATE MACRO {name}(a, b) AS CASE WHEN isfinite(a::DOUBLE) AND isfinite(b::DOUBLE) AND NOT "
        f"isfinite(system.main.power(a, b)) THEN {_NO_POWER} ELSE system.main.power(a, b) END"
        for name in ("power", "pow")
    ),
    # Operators DuckDB has not for these types; sql/render_operators.py finds where they stand.
    "CREATE MACRO time_difference(a, b) AS to_microseconds(date_diff('microsecond', b, a))",
    "CREATE MACRO interval_divide(a, b) AS a * (1.0::DOUBLE / b)",
    # The arrows of JSON: keys are names, never paths.
    *(
        f"CREATE MACRO {name}(j, k) AS {function}(j, CASE typeof(k) WHEN 'VARCHAR' "
        f"THEN {json_key_path('k::VARCHAR')} "
        "ELSE '$[' || CASE WHEN starts_with(k::VARCHAR, '-') THEN '#' ELSE '' END || k || ']' END)"
        for name, function in (("json_get", "json_extract"), ("json_get_text", "json_extract_string"))
    ),
    # Last, for the macros above use DuckDB's while they are made.
    "CREATE MACRO length(s) AS CASE typeof(s) WHEN 'BLOB' THEN system.main.octet_length(s::BLOB) "
    "WHEN 'VARCHAR' THEN system.main.length(s::VARCHAR) ELSE system.main.length(s::VARCHAR[]) END::INTEGER",
)
