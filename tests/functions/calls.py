"""Random calls of the built-in functions: what the tests that compare two executors share."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import pyarrow as pa

from sqlengine.expr import tree
from sqlengine.functions import Function
from sqlengine.functions.signature import Arg, Signature
from sqlengine.types import INTERVAL, TIMESTAMP, TIMESTAMPTZ, UUID, from_sql, is_json
from tests.functions.values import column, value_of

JSON_PATHS = (
    *(f"jsonb_path_{name}" for name in ("exists", "match", "items", "query_array", "query_first")),
    *("json_value", "json_value_state", "json_query", "json_query_state", "json_query_text", "json_exists"),
)
"""Functions of a document, a path, variables and more."""
PSEUDO: dict[str, list[pa.DataType]] = {
    "anynumber": [pa.int16(), pa.int32(), pa.int64(), pa.float64()],
    "anyint": [pa.int16(), pa.int32(), pa.int64()],
    "numeric": [pa.decimal128(7, 2), pa.decimal128(5, 0)],
    "any": [pa.int64(), pa.string(), TIMESTAMP],
    "anyelement": [
        pa.int64(),
        pa.float64(),
        pa.string(),
        pa.bool_(),
        TIMESTAMP,
        TIMESTAMPTZ,
        pa.date32(),
        INTERVAL,
        pa.decimal128(12, 4),
        UUID,
        pa.time64("us"),
    ],
}
SMALL: dict[tuple[str, int], list[Any]] = {
    ("shift_left", 1): [0, 1, 3],
    ("shift_right", 1): [0, 1, 5],
    ("repeat", 1): [-1, 0, 1, 3],
    ("split_part", 2): [1, 2, -1, 9],
    ("split_index", 2): [0, 1, 5, -1],
    ("split_part", 1): [",", "/", "::"],
    ("split_index", 1): [",", "/", "::"],
    ("string_to_array", 1): [",", "/", "b"],
    ("substring", 1): [-3, 0, 1, 2, 20],
    ("substring", 2): [0, 1, 3, 20],
    ("left", 1): [-3, -1, 0, 1, 4],
    ("right", 1): [-3, -1, 0, 1, 4],
    ("lpad", 1): [0, 1, 5],
    ("rpad", 1): [0, 1, 5],
    ("array_length", 1): [1],
    ("round", 1): [0, 1, 2, -1],
    ("trunc", 1): [0, 1, 2, -1],
    ("date_trunc", 0): [
        "year",
        "quarter",
        "month",
        "week",
        "day",
        "hour",
        "minute",
        "second",
        "milliseconds",
        "decade",
    ],
    ("like", 1): ["%a%", "a%", "%c", "_b_", "a\\_c", "%.%", "", "%é_", "abc"],
    ("ilike", 1): ["%A%", "É%", "_B_"],
    ("regex_match", 1): ["a+", "^é", "[0-9]$", "b|c"],
    ("regex_imatch", 1): ["A+", "^É"],
    ("regexp_like", 1): ["a+", "^$"],
    ("regexp_extract", 1): ["(a)(.)", "([^/]*)/([^&]*)", "(&|^|\\?)channel_id=([^&]*)"],
    ("regexp_extract", 2): [0, 1, 2],
    ("regexp_replace", 1): ["a", "[bc]+", "(.)/"],
    ("regexp_replace", 2): ["x", "", "<\\0>"],
    ("regexp_replace", 3): ["g"],
    ("regexp_replace", 4): [0, 1, 2],
    ("regexp_replace", 5): ["", "i"],
    ("timezone", 0): ["UTC", "Europe/Paris", "America/New_York"],
    ("date_bin", 0): [(0, 0, 900_000_000_000), (0, 1, 0)],
    ("tumble_start", 1): [(0, 0, 900_000_000_000), (0, 7, 0), (1, 0, 0), (3, 0, 0)],
    ("to_timestamp_ltz", 1): [0, 3],
    ("to_char", 1): ["YYYY-MM-DD HH24:MI:SS.MS", "FMMonth DD, YY", "Day Q HH12 am", "US", '"on" DD%', ""],
    ("date_format", 1): ["yyyy-MM-dd'T'HH:mm:ss.SSSSSS", "d MMM yy h a", "EEEE", ""],
    ("to_date", 1): ["YYYY-MM-DD"],
    ("to_timestamp", 1): ["YYYY-MM-DD HH24:MI"],
    ("to_date", 0): ["2024-02-29", "1999-12-31"],
    ("to_timestamp", 0): ["2024-02-29 23:59", "1999-12-31 00:00"],
    ("regexp_match", 1): ["(a)(.)", "b+", "([^/]*)/(x)?"],
    ("strftime", 1): ["%Y-%m-%d", "%H:%M:%S"],
    ("width_bucket", 3): [1, 5],
    ("count_char", 1): ["a", "é", ""],
    ("date_part", 0): ["year", "month", "day", "hour", "minute"],
    ("replace", 2): ["", "x", "é☃"],
    ("trim", 1): ["a", "xé", " "],
    ("chr", 0): [97, 233, 9731],
    ("factorial", 0): [0, 5, 12],
    ("make_date", 0): [1900, 2024],
    ("make_date", 1): [1, 2, 12],
    ("make_date", 2): [1, 28],
    **{(name, 1): ["$.a", "$[0]"] for name in ("json_extract_string", "json_extract")},
    **{(name, 1): ["$.a", "$[*] ? (@ > 1)", "strict $[0]", "$.**.type()"] for name in JSON_PATHS},
    **{(name, 2): ["{}", '{"x": 1}'] for name in JSON_PATHS},
    **{(name, 3): ["never", "always", "several"] for name in ("json_query", "json_query_state", "json_query_text")},
    **{(name, at): ["null", "error"] for name in ("json_query", "json_query_text") for at in (4, 5)},
    **{("json_value", at): ["null", "error"] for at in (3, 4)},
    ("json_exists", 3): ["true", "false", "unknown", "error"],
    ("array_fill", 1): [[0], [2], [3]],
    **{(name, 1): ["UTF-8", "US-ASCII", "UTF-16", "utf-16le"] for name in ("charset_encode", "charset_decode")},
    ("regexp_matches_all", 1): ["a|(b)", "([a-z])([0-9])?"],
    ("regexp_matches_all", 2): ["", "g", "gi"],
    ("jsonpath", 0): ["$.a", "strict $[*] ? (@.b == 1 || exists(@.c))", "-$.x + 1"],
    ("json_get", 1): ["a", "c d"],
    ("json_get_text", 1): ["a", "c d"],
    ("like_escape", 2): ["!"],
    ("regexp_count", 1): ["a", "[bc]"],
    ("regexp_substr", 1): ["[a-z]+"],
    ("regexp_like", 2): ["", "i", "x"],
    **{(name, 2): [1, 2, 9] for name in ("regexp_count", "regexp_instr", "regexp_substr")},
    **{(name, 3): [1, 2] for name in ("regexp_instr", "regexp_substr")},
    ("regexp_count", 3): ["", "i"],
    ("regexp_instr", 1): ["[a-z]+", "b|(c)"],
    ("regexp_instr", 4): [0, 1],
    ("regexp_instr", 5): ["", "i"],
    ("regexp_instr", 6): [0, 1, 2],
    ("regexp_substr", 4): ["", "i"],
    ("regexp_substr", 5): [0, 1, 2],
    ("regexp_split_to_array", 1): [",", "[0-9]"],
    ("similar_to", 1): ["a%", "(a|b)c", "_+"],
    **{
        (name, 0): ["year", "quarter", "month", "week", "day", "hour", "minute", "second"]
        for name in ("timestampadd", "timestampsub", "timestampdiff", "datediff", "date_ceil")
    },
    ("timestampadd", 1): [-13, -1, 0, 1, 25],
    ("timestampsub", 1): [-13, -1, 0, 1, 25],
    ("add_months", 1): [-13, 0, 1, 12],
    ("date_sub", 1): [-40, 0, 1, 400],
    ("from_utc_timestamp", 1): ["UTC", "Europe/Paris"],
    ("to_utc_timestamp", 1): ["UTC", "Europe/Paris"],
    ("convert_tz", 0): ["2024-02-29 12:00:00", "1999-12-31 23:59:59"],
    ("convert_tz", 1): ["UTC", "Europe/Paris"],
    ("convert_tz", 2): ["UTC", "America/New_York"],
    ("array_repeat", 1): [-1, 0, 1, 3],
    ("space", 0): [-1, 0, 3],
    ("substring_index", 1): [",", "/", "b"],
    ("substring_index", 2): [-2, -1, 0, 1, 2],
    ("locate", 2): [-1, 1, 2, 9],
    ("find_in_set", 1): ["a,b,c", "", "abc"],
    ("element_at", 1): [-2, -1, 0, 1, 2, 9],
    ("array_lower", 1): [1, 2],
    ("array_upper", 1): [1, 2],
    ("trim_array", 1): [0, 1, 2],
    ("sequence", 0): [-2, 0, 3],
    ("sequence", 1): [-2, 0, 5],
    ("encode", 1): ["hex", "base64", "escape"],
    ("normalize", 1): ["NFC", "nfkd"],
    ("decode", 0): ["6162", "YWI=", ""],
    ("decode", 1): ["hex", "base64"],
    ("from_base64", 0): ["YWI=", "", "x"],
    ("url_extract_parameter", 0): ["http://x/?a=1&b=two%20words+x", "y", "http://x?b"],
    ("url_extract_parameter", 1): ["a", "b", "c"],
    ("parse_url", 0): ["https://me@example.org:8080/a/b?k=v#top", "http://x", "x"],
    ("parse_url", 1): ["HOST", "PATH", "QUERY", "REF", "PROTOCOL", "AUTHORITY", "FILE", "USERINFO", "NONE"],
    ("from_unixtime", 0): [0, -1, 1_700_000_000, 253_402_300_799],
    ("timestamptostring", 0): [0, -1, 1_700_000_000_123],
    ("from_unixtime", 1): ["yyyy-MM-dd HH:mm:ss", "d MMM yy"],
    ("timestamptostring", 1): ["yyyy-MM-dd HH:mm:ss.SSS"],
    ("parse_timestamp", 0): ["2024-02-29 12:00"],
    ("parse_timestamp", 1): ["yyyy-MM-dd HH:mm"],
    ("parse_date", 0): ["2024-02-29"],
    ("parse_date", 1): ["yyyy-MM-dd"],
    ("stringtotimestamp", 0): ["2024-02-29", "1969-12-31"],
    ("stringtotimestamp", 1): ["yyyy-MM-dd"],
    ("digest", 1): ["md5", "SHA1", "sha224", "sha256", "sha384", "sha512"],
    ("hmac", 2): ["md5", "sha1", "sha256", "sha512"],
    ("sha2", 1): [0, 224, 256, 384, 512, 1],
    ("mask", 1): ["U", "é"],
    ("mask", 2): ["l"],
    ("mask", 3): ["9"],
    ("mask", 4): ["-"],
    **{
        (name, 1): [-1, 0, 1, 3, 50]
        for name in "mask_first_n mask_last_n mask_show_first_n mask_show_last_n mask_left mask_right "
        "mask_keep_left mask_keep_right".split()
    },
    ("next_day", 1): ["MO", "tue", "Wednesday", "SUN", "nonsense"],
    ("date_trunc_unit", 1): ["MM", "year", "Q", "week", "mon", "fortnight"],
    ("conv", 1): [2, 8, 10, 16, 36],
    ("conv", 2): [2, 10, 16, 36, -10],
    ("conv", 0): ["100", "-7", "zz", "", "12x"],
    ("elt", 0): [-1, 0, 1, 2, 9],
    ("justify_days", 0): [(0, 35, 0), (1, -31, 3_600_000_000_000), (0, 0, 0), (-2, 61, -1_000)],
    ("justify_interval", 0): [(1, 0, -3_600_000_000_000), (0, 35, 90_000_000_000_000), (-1, 40, 0), (0, 0, 0)],
    ("format_number", 1): [0, 2, 4],
    ("json_has_any", 1): [["a"], ["b", "c"], []],
    ("json_has_all", 1): [["a"], ["b", "c"], []],
    ("overlay", 2): [1, 2, 3],
    ("overlay", 3): [0, 1, 2],
}
"""Values a parameter is drawn from where most of its type's make no sense or only errors."""

FINITE = frozenset(
    "sin cos tan to_timestamp multiply divide asinh acosh atanh width_bucket cot sinh cosh power log add "
    "subtract mod exp ln log10 log2 div sign ".split()
)
"""Functions compared without NaN and infinities: DuckDB raises where PostgreSQL gives NaN, or the reverse."""
EASY: dict[str, list[Any]] = {"shift_left": [0, 1, 2, 7], "gcd": [0, 1, 12, -18], "lcm": [0, 1, 12, -18]}
"""Values for all whole-number arguments: DuckDB refuses what PostgreSQL computes, or widens first."""


def concrete(name: str, r: Random, chosen: dict[str, pa.DataType]) -> pa.DataType:
    """A type for a parameter: pseudo types stand for one random type each in a call."""
    if name == "anyarray":
        return pa.list_(chosen["anyelement"])
    if name in ("any", "numeric"):
        return r.choice(PSEUDO[name][: 3 if name == "any" else 2])
    if name in PSEUDO:
        return chosen.setdefault(name, r.choice(PSEUDO[name]))
    return from_sql(name)


def maker(function: Function, index: int, dtype: pa.DataType, text: str) -> Callable[[Random], Any]:
    """How to make values of one parameter."""
    few = (
        [1, 2, 9]
        if "start integer" in text and dtype == pa.int32() and index == 3 and function.name == "regexp_replace"
        else None
    )
    few = few or SMALL.get((function.name, index)) or (EASY.get(function.name) if pa.types.is_integer(dtype) else None)
    if text.endswith("t time) -> bigint") and function.name == "date_part" and index == 0:
        return lambda r: r.choice(["hour", "minute"])
    if few and isinstance(few[0], tuple) and dtype == INTERVAL:
        return lambda r: pa.MonthDayNano(r.choice(few))
    if (
        few
        and isinstance(few[0], str) == (pa.types.is_string(dtype) or is_json(dtype))
        and not isinstance(few[0], tuple)
    ):
        return lambda r: r.choice(few)
    if dtype == INTERVAL and "timestamptz" in text:  # DuckDB subtracts the clock part before it adds months
        return lambda r: pa.MonthDayNano([0, r.randint(-400, 400), r.randint(-(10**11), 10**11) * 1000])
    if dtype == pa.int32() and "date" in text:  # DuckDB's last day is its infinity
        return lambda r: r.randint(-5000, 5000)
    if dtype == pa.float64() and function.name in FINITE:
        return lambda r: r.choice([0.0, 1.0, -1.0, 0.5, 2.0, round(r.uniform(-1000, 1000), 3)])
    return value_of(dtype)


def make_call(function: Function, r: Random) -> tuple[tree.Expr, pa.RecordBatch]:
    """A random call of the function over columns and constants, and a batch for it."""
    plain_ones = [s for s in function.signatures if "jsonb" not in s.text.partition("(")[2]]
    signature: Signature = r.choice(plain_ones or function.signatures)
    count = len(signature.params) + (r.randint(0, 2) if signature.variadic else 0)
    rows = r.choice([0, 1, 3, 25])
    chosen: dict[str, pa.DataType] = {}
    if "anyarray" in signature.text:  # Arrow cannot filter arrays of an extension type
        chosen["anyelement"] = r.choice([t for t in PSEUDO["anyelement"] if t != UUID])
    if function.name in ("greatest", "least"):  # DuckDB orders intervals here by months alone
        chosen["anyelement"] = r.choice([t for t in PSEUDO["anyelement"] if t != INTERVAL])
    args: list[tree.Expr] = []
    columns: list[pa.Array] = []
    for i in range(count):
        dtype = concrete(signature.param_at(i).type_name, r, chosen)
        make = maker(function, i, dtype, signature.text)
        if i in function.constant_args and ((function.name, i) in SMALL or r.random() < 0.5):
            args.append(tree.Const(dtype, make(r)))
            continue
        args.append(tree.InputRef(dtype, len(columns), f"c{len(columns)}"))
        columns.append(column(r, make, dtype, rows))
    found = function.match([Arg(a.type, False, isinstance(a, tree.Const), getattr(a, "value", None)) for a in args])
    assert found is not None, signature.text
    columns.append(pa.array(range(rows), pa.int64()))
    batch = pa.RecordBatch.from_arrays(columns, names=[f"c{i}" for i in range(len(columns))])
    return tree.Call(found.result, function.name, tuple(args)), batch


def plain(array: pa.Array) -> list[Any]:
    """Values as Python has them; dates as numbers, for Python's calendar ends at year 9999."""
    if pa.types.is_date32(array.type):
        return array.cast(pa.int32()).to_pylist()
    return (array.cast(pa.int64()) if pa.types.is_timestamp(array.type) else array).to_pylist()


def equal(a: Any, b: Any, loose: bool) -> bool:
    if isinstance(a, pa.MonthDayNano) and isinstance(b, pa.MonthDayNano):
        return abs(microseconds(a) - microseconds(b)) <= 100
    if loose and a is not None and b is not None:
        a, b = float(a), float(b)
    if isinstance(a, float) and isinstance(b, float):
        if math.isnan(a) or math.isnan(b):
            return math.isnan(a) and math.isnan(b)
        return a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(equal(x, y, loose) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def microseconds(i: pa.MonthDayNano) -> float:
    return (i.months * 30 + i.days) * 86_400e6 + i.nanoseconds / 1000
