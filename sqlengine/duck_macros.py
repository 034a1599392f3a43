"""DuckDB macros for functions our SQL has and DuckDB lacks or means otherwise.

Why: snapshot queries and expressions without an Arrow kernel run on DuckDB; with these names defined in its
catalog both executors give a function one meaning (held by tests/functions/test_same_meaning.py). Pure text;
nothing runs here.
"""

from __future__ import annotations

MACROS: tuple[str, ...] = (
    # The round of doubles is half to even (PostgreSQL rint); numeric rounds half away from zero.
    "CREATE MACRO round(x DOUBLE) AS round_even(x, 0), (x FLOAT) AS round_even(x::DOUBLE, 0), "
    "(x DECIMAL) AS system.main.round(x), (x BIGINT) AS x::DOUBLE, (x, n) AS system.main.round(x, n)",
    "CREATE MACRO split_index(s, d, i) AS CASE WHEN i >= 0 AND s <> '' THEN string_split(s, d)[i + 1] END",
    "CREATE MACRO count_char(s, c) AS CASE WHEN c = '' THEN 0 * length(s) "
    "ELSE length(s) - length(replace(s, left(c, 1), '')) END",
    "CREATE MACRO char_length(s) AS length(s)",
    "CREATE MACRO character_length(s) AS length(s)",
    "CREATE MACRO octet_length(s VARCHAR) AS strlen(s), (s BLOB) AS system.main.octet_length(s)",
    "CREATE MACRO btrim(s) AS trim(s), (s, c) AS trim(s, c)",
    "CREATE MACRO substr(s, p) AS CASE WHEN p > 0 THEN substring(s, p::BIGINT) ELSE s END, "
    "(s, p, n) AS CASE WHEN n < 0 THEN error('negative substring length not allowed')::VARCHAR "
    "WHEN p > 0 THEN substring(s, p::BIGINT, n::BIGINT) "
    "ELSE substring(s, 1, greatest(0, n::BIGINT + p::BIGINT - 1)) END",
    "CREATE MACRO initcap(s) AS list_aggregate(list_transform(regexp_extract_all(s, '[\\pL\\pN]+|[^\\pL\\pN]+'), "
    "lambda w: upper(w[1]) || lower(w[2:])), 'string_agg', '')",
    "CREATE MACRO if(c, a, b) AS CASE WHEN c THEN a ELSE b END",
    "CREATE MACRO iff(c, a, b) AS CASE WHEN c THEN a ELSE b END",
    "CREATE MACRO nvl(a, b) AS coalesce(a, b)",
    "CREATE MACRO regexp_extract(s, p) AS CASE WHEN regexp_matches(s, p) THEN system.main.regexp_extract(s, p) END, "
    "(s, p, g) AS CASE WHEN regexp_matches(s, p) THEN system.main.regexp_extract(s, p, g) END",
    "CREATE MACRO regexp_like(s, p) AS regexp_matches(s, p)",
    "CREATE MACRO regexp_count(s, p) AS len(regexp_extract_all(s, p))",
    "CREATE MACRO width_bucket(x, lo, hi, n) AS CASE WHEN x + lo + hi + n IS NULL THEN NULL "
    "WHEN x < lo THEN 0 WHEN x >= hi THEN n + 1 "
    "ELSE floor((x - lo) / (hi - lo) * n)::INTEGER + 1 END",
    "CREATE MACRO epoch_ms(t TIMESTAMP) AS epoch_us(t) // 1000, (t TIMESTAMPTZ) AS epoch_us(t) // 1000, "
    "(n BIGINT) AS system.main.epoch_ms(n)",
    # PostgreSQL's parts with fractions of seconds, which DuckDB cuts off.
    "CREATE MACRO date_part_exact(p, t) AS CASE p WHEN 'second' THEN date_part('microseconds', t) / 1000000.0::DOUBLE "
    "WHEN 'milliseconds' THEN date_part('microseconds', t) / 1000.0::DOUBLE ELSE date_part(p, t)::DOUBLE END",
    "CREATE MACRO cardinality(a) AS len(a)",
)
