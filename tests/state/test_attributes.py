"""Attributes survive the way through a checkpoint's text, bit by bit; what is not plain is refused."""

from __future__ import annotations

import datetime as dt
from collections import Counter, OrderedDict, deque
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlengine.state.attributes import from_text, to_text

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.datetimes()
) | (st.dates() | st.times() | st.timedeltas() | st.uuids() | st.decimals(allow_nan=False))
KEYS = st.integers() | st.text() | st.tuples(st.integers(), st.text())
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner) | st.sets(KEYS),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), VALUES))
def test_plain_values_come_back_equal_and_of_the_same_type(attributes):
    back = from_text(to_text(attributes))
    assert back == attributes
    assert {k: type(v) for k, v in back.items()} == {k: type(v) for k, v in attributes.items()}


def test_collections_keep_their_kind():
    given = {"c": Counter("aab"), "o": OrderedDict(b=1, a=2), "d": deque([1, 2], 5), "f": frozenset({(1, 2)})}
    back = from_text(to_text(given))
    assert back == given and back["d"].maxlen == 5 and list(back["o"]) == ["b", "a"]
    assert str(from_text(to_text({"x": float("nan"), "y": float("-inf")}))) == "{'x': nan, 'y': -inf}"
    others = {"t": dt.timedelta(days=-1, microseconds=7), "n": Decimal("1.10"), "u": UUID(int=7)}
    assert from_text(to_text(others)) == others


@pytest.mark.parametrize("value", [object(), lambda: 1, type, dt.UTC, [open]])
def test_what_is_not_plain_is_refused_by_the_name_of_its_class(value):
    with pytest.raises(TypeError, match="is not plain data"):
        to_text({"x": value})


@pytest.mark.parametrize("text", ["[]", "7", '{"$":"os.system","v":"ls"}', '{"$":"tuple","v":[1]}', "{}"])
def test_other_text_is_no_set_of_attributes(text):
    with pytest.raises(ValueError):
        from_text(text)
