"""What is known of each of Hive's functions: what SHOW FUNCTIONS and DESCRIBE FUNCTION print and the documents list.

Kernels carry their signatures and descriptions; forms, aggregates, window functions and functions that give rows have
theirs here, because they are made by lowering and binding.
"""

from __future__ import annotations

import re
from functools import lru_cache

from sqlengine import errors
from sqlengine.expr.hive.calls import CASTS, FORMS
from sqlengine.expr.hive.spark_words import SPARK_WRITTEN
from sqlengine.functions import BUILTINS
from sqlengine.functions.hive import HIVE
from sqlengine.functions.hive.gaps import GAPS, Gap, gap_of
from sqlengine.functions.hive.hive4 import NAMES
from sqlengine.functions.hive.same import SAME
from sqlengine.functions.hive.spark_names import SPARK_NAMES
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.hive.aggregates import AGGREGATES
from sqlengine.sql.hive.table_functions import TABLE_FUNCTIONS
from sqlengine.types import hive_name

_WINDOWS = "row_number rank dense_rank percent_rank cume_dist ntile lead lag first_value last_value grouping".split()
_OPERATORS = "= == <> != < <= > >= <=> + - * / % & | ^ ~ !".split()
_MORE = ("user", "nvl2", *SPARK_NAMES)
"""What is here though Hive 4 does not list it: Spark's functions in the main."""

_WRITTEN: dict[str, tuple[str, str]] = {
    "and": ("a and b", "whether both are true"),
    "or": ("a or b", "whether one is true"),
    "not": ("not a", "the opposite truth value"),
    "between": ("a [not] between low and high", "whether a value lies between two others, these included"),
    "in": ("a [not] in (b, ...)", "whether a value is one of a list or a query"),
    "likeany": ("a like any (pattern, ...)", "whether a text fits one of the patterns"),
    "likeall": ("a like all (pattern, ...)", "whether a text fits all of the patterns"),
    "is_not_distinct_from": ("a <=> b", "whether two values are equal, NULL being equal to NULL"),
    "if": ("if(condition, a[, b])", "a where the condition is true, else b, or NULL without it"),
    "when": ("case when c then a ... [else b] end", "the value beside the first condition that is true"),
    "case": ("case x when v then a ... [else b] end", "the value beside the first of the values that x is"),
    "coalesce": ("coalesce(a, ...)", "the first value that is not NULL"),
    "nvl": ("nvl(a, b)", "a, or b where a is NULL"),
    "nvl2": ("nvl2(a, b, c)", "b where a is not NULL, else c"),
    "nullif": ("nullif(a, b)", "NULL where both are equal, else a"),
    "isnull": ("isnull(a)", "whether a value is NULL"),
    "isnotnull": ("isnotnull(a)", "whether a value is not NULL"),
    "istrue": ("istrue(a)", "whether a is true; false of NULL"),
    "isnottrue": ("isnottrue(a)", "whether a is false or NULL"),
    "isfalse": ("isfalse(a)", "whether a is false; false of NULL"),
    "isnotfalse": ("isnotfalse(a)", "whether a is true or NULL"),
    "index": ("index(a, i)", "a[i]: the i-th value of an array counted from 0, the value of a map's key"),
    **{name: (f"{name}(a)", f"CAST(a AS {hive_name(kind)})") for name, kind in CASTS.items()},
    **SPARK_WRITTEN,
    "concat": ("concat(a, ...)", "texts or binaries joined; NULL when one is NULL"),
    "array": ("array(a, ...)", "an array of values at their common type"),
    "map": ("map(k, v, ...)", "a map of keys and values in turn"),
    "named_struct": ("named_struct(name, a, ...)", "a struct of names and values in turn"),
    "struct": ("struct(a, ...)", "a struct of values, its fields called col1, col2, ..."),
    "sort_array_by": ("sort_array_by(a, field, ...[, 'desc'])", "an array of structs ordered by fields"),
    "json_read": ("json_read(j, type)", "a JSON text as a value of a type; an error when it is none"),
    "typeof": ("typeof(a)", "the name of the value's type"),
    "current_user": ("current_user()", "the role whose privileges the session has"),
    "user": ("user()", "the role whose privileges the session has"),
    "logged_in_user": ("logged_in_user()", "the role that came in"),
    "current_database": ("current_database()", "the database that names belong to"),
    "current_schema": ("current_schema()", "the database that names belong to"),
    "current_catalog": ("current_catalog()", "hive"),
    "version": ("version()", "the version of Hive whose meaning this dialect has"),
    "buildversion": ("buildversion()", "the same as version()"),
    "uuid": ("uuid()", "a random UUID for each row"),
    "count": ("count(*), count(a), count(distinct a, ...)", "how many rows there are, or rows without NULL"),
    "sum": ("sum(a)", "the sum"),
    "avg": ("avg(a)", "the mean: of decimals a decimal, of all else a double"),
    "min": ("min(a)", "the least value"),
    "max": ("max(a)", "the greatest value"),
    "collect_set": ("collect_set(a)", "the distinct values as an array, NULLs left out"),
    "collect_list": ("collect_list(a)", "the values as an array, NULLs left out"),
    **dict.fromkeys(("stddev", "std", "stddev_pop"), ("stddev_pop(a)", "the standard deviation of a population")),
    "stddev_samp": ("stddev_samp(a)", "the standard deviation of a sample"),
    **dict.fromkeys(("variance", "var_pop"), ("var_pop(a)", "the variance of a population")),
    "var_samp": ("var_samp(a)", "the variance of a sample"),
    "corr": ("corr(a, b)", "the coefficient of correlation"),
    "covar_pop": ("covar_pop(a, b)", "the covariance of a population"),
    "covar_samp": ("covar_samp(a, b)", "the covariance of a sample"),
    "regr_slope": ("regr_slope(y, x)", "the slope of the line of least squares"),
    "regr_intercept": ("regr_intercept(y, x)", "where the line of least squares meets the axis"),
    "regr_r2": ("regr_r2(y, x)", "the square of the coefficient of correlation"),
    "regr_count": ("regr_count(y, x)", "how many rows have both numbers"),
    "regr_avgx": ("regr_avgx(y, x)", "the mean of x"),
    "regr_avgy": ("regr_avgy(y, x)", "the mean of y"),
    "regr_sxx": ("regr_sxx(y, x)", "the sum of squared deviations of x"),
    "regr_syy": ("regr_syy(y, x)", "the sum of squared deviations of y"),
    "regr_sxy": ("regr_sxy(y, x)", "the sum of products of deviations"),
    "negative": ("negative(a)", "the number with the other sign"),
    "percentile_disc": ("percentile_disc(a, p)", "the first value that at least a fraction p of them does not exceed"),
    "approx_distinct": ("approx_distinct(a)", "how many distinct values there are"),
    "percentile_cont": ("percentile_cont(a, p)", "as percentile"),
    "percentile": ("percentile(a, p)", "the value below which a fraction p lies, interpolated; p may be an array"),
    "percentile_approx": ("percentile_approx(a, p)", "as percentile, which is exact here"),
    "histogram_numeric": ("histogram_numeric(a, n)", "n bins of a histogram, an array of structs x, y"),
    "ngrams": ("ngrams(a, n, k)", "the k most frequent n-grams of arrays of words"),
    "context_ngrams": ("context_ngrams(a, words, k)", "the k most frequent words in a context of words"),
    "row_number": ("row_number() over (...)", "the row's number in its partition"),
    "rank": ("rank() over (...)", "the row's rank, equal rows sharing one, with gaps behind them"),
    "dense_rank": ("dense_rank() over (...)", "the row's rank without gaps"),
    "percent_rank": ("percent_rank() over (...)", "the rank as a fraction"),
    "cume_dist": ("cume_dist() over (...)", "the fraction of rows up to this one"),
    "ntile": ("ntile(n) over (...)", "which of n equal parts the row is in"),
    "lead": ("lead(a[, n[, default]]) over (...)", "the value n rows later"),
    "lag": ("lag(a[, n[, default]]) over (...)", "the value n rows before"),
    "first_value": ("first_value(a[, true]) over (...)", "the frame's first value; true leaves NULLs out"),
    "last_value": ("last_value(a[, true]) over (...)", "the frame's last value; true leaves NULLs out"),
    "grouping": ("grouping(a, ...)", "which columns a row of grouping sets sums over"),
    "explode": ("explode(a)", "a row for each element of an array, or each key and value of a map"),
    "posexplode": ("posexplode(a)", "as explode, with places counted from 0"),
    "inline": ("inline(a)", "a row for each struct of an array"),
    "stack": ("stack(n, a, ...)", "values as n rows"),
    "json_tuple": ("json_tuple(j, key, ...)", "fields of a JSON object as columns"),
    "parse_url_tuple": ("parse_url_tuple(url, part, ...)", "parts of an address as columns"),
    "replicate_rows": ("replicate_rows(n, a, ...)", "the values n times over"),
}
"""Name -> (how it is written, what it gives) of what has no kernel of its own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`signatures` and `words` are for people; `gap` says why it is not there, and then there are no signatures."""

    name: str
    signatures: tuple[str, ...]
    words: str
    example: str = ""
    gap: Gap | None = None


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """Hive's functions and operators that are here, sorted."""
    kernels = (name.removeprefix("hive$") for name in HIVE.names())
    rows = (name for name in TABLE_FUNCTIONS if name not in GAPS)
    here = {*kernels, *SAME, *FORMS, *AGGREGATES, *_WINDOWS, *rows, *_OPERATORS, "named_struct", "div"}
    return tuple(sorted({name for name in here if name in NAMES and name not in GAPS} | {*_MORE}))


def matching(pattern: str | None) -> list[str]:
    """The names that SHOW FUNCTIONS LIKE shows: `%` any characters, `_` one, `|` between patterns, without case."""
    if pattern is None:
        return list(names())
    whole = "|".join(re.escape(p).replace("%", ".*").replace(r"\*", ".*").replace("_", ".") for p in pattern.split("|"))
    return [name for name in names() if re.fullmatch(whole, name, re.IGNORECASE)]


def entry(name: str) -> Entry | None:
    """What is known of a name; None for one that neither Hive has nor this dialect."""
    name = name.lower()
    if name not in names():
        gap = gap_of(name)
        return None if gap is None else Entry(name, (), "", "", gap)
    written = _WRITTEN.get(name)
    if written is not None:
        return Entry(name, (written[0],), written[1])
    if name in _OPERATORS:
        return Entry(name, (f"a {name} b" if name not in "~!" else f"{name}a",), "operator")
    functions = BUILTINS.lookup(f"hive${name}") or BUILTINS.lookup(SAME.get(name, name))
    if not functions:
        return Entry(name, (f"{name}(...)",), "")
    texts = dict.fromkeys(name + s.text[s.text.index("(") :] for f in functions for s in f.signatures)
    return Entry(name, tuple(texts), functions[0].description, functions[0].example)


def described(name: str, extended: bool) -> list[str]:
    """The lines of DESCRIBE FUNCTION [EXTENDED]; UndefinedFunction (42883) for a name nobody has."""
    found = entry(name)
    if found is None:
        raise errors.UndefinedFunction(f"function {name} does not exist", hint=errors.did_you_mean(name, names()))
    if found.gap is not None:
        return [f"{found.name} is not supported: {found.gap.reason}"]
    lines = [f"{signature} - {found.words}" for signature in found.signatures]
    if extended and found.example:
        lines += ["Example:", f"  > SELECT {found.example};", "  true"]
    if extended:
        lines.append("Function type:BUILTIN")
    return lines
