"""The compiled loops that write numbers and times beside their reference of Arrow's casts, byte for byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sqlengine.kernels import choose
from sqlengine.kernels import value_text_reference as reference
from tests.depth import rounds

kernel: Any = choose("value_text", "value_text_reference")
if kernel is reference:  # it takes a compiler of C++17; the other kernels do with one of C
    pytest.skip("THE COMPILED TEXT OF VALUES IS NOT TESTED: it was not built", allow_module_level=True)
INT64, INT32 = np.iinfo(np.int64), np.iinfo(np.int32)
ints = st.integers(INT64.min, INT64.max)
fewer = settings(max_examples=rounds(60, 150), deadline=None)


def texts(made: tuple[Any, Any]) -> list[bytes]:
    data, bounds = made
    assert bounds.dtype == np.int32 and bounds[0] == 0 and bounds[-1] == len(data)
    contents = data.tobytes()
    return [contents[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


def masks(draw: Any, count: int) -> Any:
    """None, or which values are there."""
    given_mask = draw(st.none() | st.lists(st.integers(0, 1), min_size=count, max_size=count))
    return None if given_mask is None else np.array(given_mask, np.uint8)


@fewer
@given(st.lists(ints), st.data())
def test_integers(values: list[int], data: st.DataObject) -> None:
    column = np.array(values, np.int64)
    valid = masks(data.draw, len(values))
    found = texts(kernel.integers(column, valid))
    assert found == texts(reference.integers(column, valid))
    assert found == [b"" if valid is not None and not valid[i] else b"%d" % v for i, v in enumerate(values)]


@fewer
@given(st.lists(st.floats()), st.data())
@example([0.0, -0.0, 1e14, 1e15, 123456789012345.6, 1e-4, 9.99e-5, 5e-324, -1.5, 1e22, 100.0, 1e300], None)
def test_doubles(values: list[float], data: st.DataObject | None) -> None:
    column = np.array(values, np.float64)
    valid = masks(data.draw, len(values)) if data is not None else None
    for limit in (6, 15):
        found = texts(kernel.floats(column, valid, limit))
        assert found == texts(reference.floats(column, valid, limit))
    if data is None:
        assert found[:3] == [b"0", b"-0", b"100000000000000"]


@fewer
@given(st.lists(st.floats(width=32)), st.data())
@example([0.1, 1e5, 1e6, 16777216.0, 1e-4, 9.99e-5, 3.4e38, float("inf"), float("-inf"), float("nan")], None)
def test_reals(values: list[float], data: st.DataObject | None) -> None:
    column = np.array(values, np.float32)
    valid = masks(data.draw, len(values)) if data is not None else None
    assert texts(kernel.floats(column, valid, 6)) == texts(reference.floats(column, valid, 6))


@fewer
@given(st.lists(st.integers(INT32.min, INT32.max) | st.integers(-800_000, 3_000_000)), st.data())
@example([INT32.min, -INT32.max, INT32.max, -719_163, -719_162, 11_248_737, 11_248_738, 0, 11_016, 2_932_896], None)
def test_dates(values: list[int], data: st.DataObject | None) -> None:
    column = np.array(values, np.int32)
    valid = masks(data.draw, len(values)) if data is not None else None
    assert texts(kernel.dates(column, valid)) == texts(reference.dates(column, valid))


ZONES = st.integers(-15 * 3600, 15 * 3600)


@pytest.mark.sampled(2)
@fewer
@pytest.mark.parametrize("per_second", [1, 1_000, 1_000_000, 1_000_000_000])
@given(st.data())
def test_timestamps(per_second: int, data: st.DataObject) -> None:
    near = st.integers(-(2**40), 2**40).map(lambda s: max(min(s * per_second, INT64.max), INT64.min))
    ends = st.sampled_from([INT64.min, INT64.min + 1, INT64.min + 2, INT64.max, INT64.max - 1, 0, -1])
    small = st.integers(-5 * 10**9, 5 * 10**9)
    values = data.draw(st.lists(near | small | ends | st.integers(INT64.min, INT64.max)))
    column = np.array(values, np.int64)
    valid = masks(data.draw, len(values))
    none: list[int] = []
    zone = data.draw(st.just(none) | st.lists(ZONES, min_size=1, max_size=1))
    if len(values) > 1:
        zone = data.draw(st.just(zone) | st.lists(ZONES, min_size=len(values), max_size=len(values)))
    offsets = np.array(zone, np.int32)
    found = texts(kernel.timestamps(column, valid, per_second, offsets))
    assert found == texts(reference.timestamps(column, valid, per_second, offsets))


def test_nothing() -> None:
    empty = np.empty(0, np.int64)
    zone = np.empty(0, np.int32)
    for module in (kernel, reference):
        assert texts(module.integers(empty, None)) == []
        assert texts(module.floats(empty.astype(np.float64), None, 15)) == []
        assert texts(module.dates(zone, None)) == []
        assert texts(module.timestamps(empty, None, 1, zone)) == []
