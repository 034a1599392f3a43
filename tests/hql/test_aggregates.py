"""Percentiles, covariances and casts beside NumPy and Python, on random values."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.functions.hive import casts, of_values
from sqlengine.types import TIMESTAMP, TIMESTAMPTZ
from tests.depth import rounds

_GROUPS = st.lists(st.lists(st.floats(-1e6, 1e6), max_size=12), min_size=1, max_size=5)


@settings(max_examples=rounds(24, 60), deadline=None)
@given(groups=_GROUPS, p=st.floats(0, 1))
def test_percentiles_are_those_of_numpy(groups: list[list[float]], p: float) -> None:
    values = pa.array(groups, pa.list_(pa.float64()))
    kinds = [values.type, pa.float64()]
    kernel = of_values.percentile_of.kernel
    assert kernel is not None
    got = kernel(kinds, pa.float64())(values, pa.array([p] * len(groups))).to_pylist()
    for group, found in zip(groups, got, strict=True):
        if not group:
            assert found is None
        else:
            assert found == pytest.approx(float(np.percentile(group, p * 100)), rel=1e-9, abs=1e-6)


@settings(max_examples=rounds(24, 60), deadline=None)
@given(groups=_GROUPS, p=st.floats(0.01, 1))
def test_discrete_percentiles_are_those_of_numpy(groups: list[list[float]], p: float) -> None:
    values = pa.array(groups, pa.list_(pa.float64()))
    kernel = of_values.percentile_disc_of.kernel
    assert kernel is not None
    got = kernel([values.type, pa.float64()], pa.float64())(values, pa.array([p] * len(groups))).to_pylist()
    for group, found in zip(groups, got, strict=True):
        assert found == (float(np.quantile(group, p, method="inverted_cdf")) if group else None)


@settings(max_examples=rounds(24, 60), deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000)), min_size=2, max_size=20))
def test_correlation_is_that_of_numpy(pairs: list[tuple[int, int]]) -> None:
    x, y = (np.array(side, float) for side in zip(*pairs, strict=True))
    given_ = [pa.array([v]) for v in (np.var(x + y), np.var(x - y), np.var(x), np.var(y), float(len(x)))]
    kernel = of_values.corr.kernel
    assert kernel is not None
    found = kernel(*given_)[0].as_py()
    if not np.var(x) or not np.var(y):
        assert math.isnan(found)
    else:
        assert found == pytest.approx(float(np.corrcoef(x, y)[0, 1]), abs=1e-9)


_KINDS = [
    *(pa.bool_(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string(), pa.binary()),
    *(pa.decimal128(10, 2), pa.decimal128(38, 0), pa.date32(), TIMESTAMP, TIMESTAMPTZ),
]
_TEXTS = [
    *(
        "",
        " ",
        "0",
        "-1",
        " 12 ",
        "12.7",
        "1e3",
        "1e400",
        "-0",
        "+5",
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "abc",
        "é",
    ),
    *(
        "abc",
        "true",
        "No",
        "2020-01-02",
        "2020-02-30",
        "2020-01-02 03:04:05.6",
        "99999-01-01",
        "0000-01-01",
        "9" * 40,
        ".",
    ),
    *("." + "9" * 50, "1.2.3", "0x10", "1d", "2147483648", "9223372036854775808", "-9223372036854775808", None),
]


@pytest.mark.parametrize("target", _KINDS, ids=str)
@pytest.mark.parametrize("source", _KINDS, ids=str)
def test_no_value_makes_a_cast_raise(source: pa.DataType, target: pa.DataType) -> None:
    """Whatever text can become of one type can be cast to any other there is a cast to; NULLs stay, lengths stay."""
    texts = pa.array(_TEXTS, pa.string())
    values = texts.cast(pa.binary()) if source == pa.binary() else casts.hive_cast(pa.string(), source)(texts)
    if not casts.castable(source, target):
        return
    kernel = casts.hive_cast(source, target)
    made = kernel(values)
    assert made.type == target
    assert len(made) == len(values)
    assert made[-1].as_py() is None
    assert len(kernel(values.slice(0, 0))) == 0
