"""Aggregates computed from the array of a group's values: percentiles, histograms, n-grams; and from other aggregates.

sql/hive/aggregates.py writes them around `array_agg` and the like, so that they are kept up to date as those are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.functions.hive.lists import Ints, flat, row_nulls
from sqlengine.functions.hive.math import java_doubles
from sqlengine.functions.registry import Function, Kernel, scalar
from sqlengine.functions.signature import Arg

# ---------------------------------------------------------------- percentiles


def _percentile_type(args: Sequence[Arg]) -> pa.DataType:
    """Of an array of fractions an array."""
    return pa.list_(pa.float64()) if pa.types.is_list(args[1].type) else pa.float64()


def _ordered(values: pa.ListArray) -> tuple[np.ndarray, Ints, Ints]:
    """(values in order group by group, where each group begins, how many it has); NULLs left out."""
    parents, items, _ = flat(values)
    known = pc.is_valid(items).to_numpy(zero_copy_only=False)
    parents, numbers = parents[known], items.filter(pa.array(known)).to_numpy(zero_copy_only=False)
    counts = np.bincount(parents, minlength=len(values))
    return numbers[np.lexsort((numbers, parents))], np.cumsum(counts) - counts, counts


def _interpolated(numbers: np.ndarray, start: Ints, count: Ints, p: np.ndarray) -> np.ndarray:
    """Between the two values around place (n - 1) * p (UDAFPercentile)."""
    place = (np.maximum(count, 1) - 1) * p
    low, high = np.floor(place), np.ceil(place)
    below, above = (numbers[start + n.astype(np.int64)] for n in (low, high))
    return np.where(low == high, below, (high - place) * below + (place - low) * above)


def _discrete(numbers: np.ndarray, start: Ints, count: Ints, p: np.ndarray) -> np.ndarray:
    """The first value whose share of the values up to it is at least p."""
    place = np.maximum(np.ceil(p * count).astype(np.int64) - 1, 0)
    return numbers[start + place]  # type: ignore[no-any-return]


def _percentiles(pick: Any) -> Kernel:
    def make(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        many = pa.types.is_list(result)

        def kernel(values: pa.ListArray, fractions: pa.Array) -> pa.Array:
            numbers, starts, counts = _ordered(values)
            if many:
                rows, asked, _ = flat(fractions)
            else:
                rows, asked = np.arange(len(values)), fractions
            p = asked.to_numpy(zero_copy_only=False).astype(np.float64)
            wrong = ~((p >= 0) & (p <= 1)) | (counts[rows] == 0)
            padded = np.append(numbers, 0.0)
            start = np.where(wrong, len(numbers), starts[rows])
            found = pick(padded, start, np.where(wrong, 1, counts[rows]), np.where(wrong, 0.0, p))
            made = pa.array(found, pa.float64(), mask=wrong)
            if not many:
                return made
            empty = counts == 0
            unknown = row_nulls(fractions)
            mask = pa.array(empty if unknown is None else empty | unknown)
            return pa.ListArray.from_arrays(_offsets(rows, len(values)), made, type=result, mask=mask)

        return kernel

    return make


def _offsets(parents: Ints, rows: int) -> pa.Array:
    return pa.array(np.append(0, np.cumsum(np.bincount(parents, minlength=rows))).astype(np.int32))


def _percentile(name: str, pick: Any, description: str) -> Function:
    return scalar(
        f"hive${name}(x double precision[], p double precision) -> double precision;"
        f"hive${name}(x double precision[], p double precision[]) -> double precision[]",
        description,
        factory=True,
        broadcast=True,
        strict=False,
        result_type=_percentile_type,
    )(_percentiles(pick))


percentile_of = _percentile("percentile_of", _interpolated, "an interpolated percentile of an array, or several")
percentile_disc_of = _percentile("percentile_disc_of", _discrete, "the value at a percentile of an array, or several")


# ---------------------------------------------------------------- moments


def _moment(name: str, power: int, of: Any, description: str) -> Function:
    """A figure of the sums of squares and of another power of the deviations (Spark's CentralMomentAgg)."""

    def kernel(values: pa.ListArray) -> pa.Array:
        numbers, _, counts = _ordered(values)
        parents = np.repeat(np.arange(len(values)), counts)
        with np.errstate(all="ignore"):
            mean = np.bincount(parents, numbers, len(values)) / counts
            away = numbers - mean[parents]
            squares, others = (np.bincount(parents, away**n, len(values)) for n in (2, power))
            made = of(counts, squares, others)
        return pa.array(made, mask=(counts == 0) | (squares == 0))

    signature = f"hive${name}(x double precision[]) -> double precision"
    return scalar(signature, description, broadcast=True, strict=False)(kernel)


skewness_of = _moment("skewness_of", 3, lambda n, s, c: np.sqrt(n) * c / np.sqrt(s**3), "the skewness of an array")
kurtosis_of = _moment("kurtosis_of", 4, lambda n, s, f: n * f / (s * s) - 3.0, "the excess kurtosis of an array")

# ---------------------------------------------------------------- histograms

_BINS = pa.list_(pa.struct([("x", pa.float64()), ("y", pa.float64())]))


@scalar(
    "hive$histogram_numeric_of(x double precision[], bins integer) -> struct<x double precision, y double precision>[]",
    "at most so many bins with centres x and heights y (Ben-Haim and Tom-Tov, A streaming parallel decision tree)",
    broadcast=True,
    strict=False,
)
def histogram_numeric_of(values: pa.ListArray, bins: pa.Array) -> pa.Array:
    groups = zip(values.to_pylist(), bins.to_pylist(), strict=True)
    made = [_histogram(v, n) if v and n is not None and n >= 2 else None for v, n in groups]
    return pa.array(made, _BINS)


def _histogram(values: list[float | None], limit: int) -> list[dict[str, float]]:
    """Values one by one: equal ones add up, and when there are too many bins the two nearest become one.

    Of equally near pairs one is drawn as Hive draws it, with java.util.Random(31183)."""
    xs: list[float] = []
    ys: list[float] = []
    drawn = 0
    known = java_doubles(31183, 64)
    for value in values:
        if value is None:
            continue
        place = int(np.searchsorted(xs, value))
        if place < len(xs) and xs[place] == value:
            ys[place] += 1
            continue
        xs.insert(place, value)
        ys.insert(place, 1.0)
        if len(xs) <= limit:
            continue
        gaps = np.diff(xs)
        nearest = 0
        smallest, ties = gaps[0], 1
        for i in range(1, len(gaps)):
            if gaps[i] < smallest:
                smallest, ties, nearest = gaps[i], 1, i
            elif gaps[i] == smallest:
                ties += 1
                if drawn >= len(known):
                    known = java_doubles(31183, 2 * len(known))
                nearest = i if known[drawn] <= 1.0 / ties else nearest
                drawn += 1
        both = ys[nearest] + ys[nearest + 1]
        xs[nearest] = (xs[nearest] * ys[nearest] + xs[nearest + 1] * ys[nearest + 1]) / both
        ys[nearest] = both
        del xs[nearest + 1], ys[nearest + 1]
    return [{"x": x, "y": y} for x, y in zip(xs, ys, strict=True)]


# ---------------------------------------------------------------- n-grams

_GRAMS = pa.list_(pa.struct([("ngram", pa.list_(pa.string())), ("estfrequency", pa.float64())]))


def _sentences(value: Any) -> list[list[str | None]]:
    """Arrays of words in a value, which is one or an array of such."""
    if not value:
        return []
    return [s for s in value if s] if isinstance(next((v for v in value if v is not None), None), list) else [value]


def _most(found: Counter[tuple[str, ...]], count: int) -> list[dict[str, Any]]:
    """The most frequent first, of equally frequent ones the least."""
    best = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:count]
    return [{"ngram": list(gram), "estfrequency": float(n)} for gram, n in best]


def _grams(values: list[Any] | None, size: int, count: int) -> list[dict[str, Any]] | None:
    found: Counter[tuple[str, ...]] = Counter()
    for value in values or []:
        for words in _sentences(value):
            for i in range(len(words) - size + 1):
                gram = words[i : i + size]
                if None not in gram:
                    found[tuple(str(w) for w in gram)] += 1
    return _most(found, count) or None


@scalar(
    "hive$ngrams_of(x any, n integer, k integer) -> struct<ngram text[], estfrequency double precision>[];"
    "hive$ngrams_of(x any, n integer, k integer, pf integer) -> struct<ngram text[], estfrequency double precision>[]",
    "the k most frequent runs of n words",
    broadcast=True,
    strict=False,
)
def ngrams_of(values: pa.Array, size: pa.Array, count: pa.Array, precision: pa.Array | None = None) -> pa.Array:
    rows = zip(values.to_pylist(), size.to_pylist(), count.to_pylist(), strict=True)
    return pa.array([_grams(v, n, k) if n and k and n > 0 and k > 0 else None for v, n, k in rows], _GRAMS)


def _in_context(values: list[Any] | None, context: list[str | None], count: int) -> list[dict[str, Any]] | None:
    """Words that stand where the context is NULL, wherever its words stand around them."""
    found: Counter[tuple[str, ...]] = Counter()
    for value in values or []:
        for words in _sentences(value):
            for i in range(len(words) - len(context) + 1):
                window = words[i : i + len(context)]
                if all(c is None or c == w for c, w in zip(context, window, strict=True)):
                    free = [w for c, w in zip(context, window, strict=True) if c is None]
                    if None not in free:
                        found[tuple(str(w) for w in free)] += 1
    return _most(found, count) or None


@scalar(
    "hive$context_ngrams_of(x any, context text[], k integer)"
    " -> struct<ngram text[], estfrequency double precision>[];"
    "hive$context_ngrams_of(x any, context text[], k integer, pf integer)"
    " -> struct<ngram text[], estfrequency double precision>[]",
    "the k most frequent words at the NULLs of a context",
    broadcast=True,
    strict=False,
)
def context_ngrams_of(
    values: pa.Array, context: pa.Array, count: pa.Array, precision: pa.Array | None = None
) -> pa.Array:
    rows = zip(values.to_pylist(), context.to_pylist(), count.to_pylist(), strict=True)
    return pa.array([_in_context(v, c, k) if c and None in c and k and k > 0 else None for v, c, k in rows], _GRAMS)


# ---------------------------------------------------------------- of pairs


def _pairs(name: str, args: str, compute: Any, description: str) -> Function:
    """A function of aggregates of pairs; its arguments are doubles, NULL where there is no pair."""

    def kernel(*arrays: pa.Array) -> pa.Array:
        given = [pc.fill_null(a.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False) for a in arrays]
        with np.errstate(all="ignore"):
            made, unknown = compute(*given)
        missing = row_nulls(*arrays)
        return pa.array(made, pa.float64(), mask=unknown if missing is None else unknown | missing)

    shown = ", ".join(f"{a} double precision" for a in args.split())
    return scalar(f"hive${name}({shown}) -> double precision", description, broadcast=True, strict=False)(kernel)


def _cov(plus: np.ndarray, minus: np.ndarray) -> np.ndarray:
    return (plus - minus) / 4.0


def _correlated(plus: np.ndarray, minus: np.ndarray, x: np.ndarray, y: np.ndarray, n: np.ndarray) -> Any:
    flat_ = (x == 0) | (y == 0)
    made = np.where(flat_, np.nan, np.clip(_cov(plus, minus) / np.sqrt(x) / np.sqrt(y), -1.0, 1.0))
    return made, n < 2


covar_pop = _pairs("covar_pop_of", "plus minus", lambda p, m: (_cov(p, m), np.isnan(p)), "covariance of the population")
covar_samp = _pairs(
    "covar_samp_of", "plus minus n", lambda p, m, n: (_cov(p, m) * n / (n - 1), n < 2), "covariance of the sample"
)
corr = _pairs("corr_of", "plus minus x y n", _correlated, "Pearson's coefficient of correlation")
slope = _pairs("slope_of", "plus minus x", lambda p, m, x: (_cov(p, m) / x, x == 0), "slope of the fitted line")
intercept = _pairs(
    "intercept_of",
    "plus minus x meanx meany",
    lambda p, m, x, mx, my: (my - _cov(p, m) / x * mx, x == 0),
    "where the fitted line meets the axis",
)
r2 = _pairs(
    "r2_of",
    "plus minus x y",
    lambda p, m, x, y: (np.where(y == 0, 1.0, _cov(p, m) ** 2 / (x * y)), x == 0),
    "how much of the variance the fitted line explains",
)
sxy = _pairs("sxy_of", "plus minus n", lambda p, m, n: (_cov(p, m) * n, n < 1), "sum of the products of deviations")
sxx = _pairs("sxx_of", "x n", lambda x, n: (x * n, n < 1), "sum of the squares of deviations")
