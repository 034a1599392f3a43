"""The scalar expressions of NEXMark's queries over a few bids, against values worked out by hand."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from sqlengine.types import TIMESTAMP
from tests.expr.scope import batch_of, values

BIDS = batch_of(
    auction=pa.array([123, 1007, None]),
    price=pa.array([1000, 1_500_000, 7]),
    channel=pa.array(["apple", "channel-9", "Google"]),
    url=pa.array(
        [
            "https://www.nexmark.com/aa/bb/cc/item.htm?query=1",
            "https://www.nexmark.com/a/b/c/item.htm?query=1&channel_id=805306368",
            None,
        ]
    ),
    date_time=pa.array(
        [
            datetime.datetime(2015, 7, 15, 0, 0, 2),
            datetime.datetime(2015, 7, 15, 9, 59),
            datetime.datetime(2015, 7, 15, 23),
        ],
        TIMESTAMP,
    ),
    extra=pa.array(["ccbc", "", None]),
)
EXPRESSIONS: dict[str, list[Any]] = {
    "0.908 * price": [Decimal("908.000"), Decimal("1362000.000"), Decimal("6.356")],
    "MOD(auction, 123) = 0": [True, False, None],
    "auction % 123 = 0 OR auction = 1007": [True, True, None],
    "DATE_FORMAT(date_time, 'yyyy-MM-dd')": ["2015-07-15"] * 3,
    "DATE_FORMAT(date_time, 'HH:mm')": ["00:00", "09:59", "23:00"],
    "TO_CHAR(date_time, 'YYYY-MM-DD HH24:MI:SS')": [
        "2015-07-15 00:00:02",
        "2015-07-15 09:59:00",
        "2015-07-15 23:00:00",
    ],
    "CASE WHEN HOUR(date_time) >= 8 AND HOUR(date_time) <= 18 THEN 'dayTime' WHEN HOUR(date_time) <= 6 OR "
    "HOUR(date_time) >= 20 THEN 'nightTime' ELSE 'otherTime' END": ["nightTime", "dayTime", "nightTime"],
    "EXTRACT(HOUR FROM date_time)": [0, 9, 23],
    "count_char(extra, 'c')": [3, 0, None],
    "0.908 * price > 1000000 AND 0.908 * price < 50000000": [False, True, False],
    "CASE WHEN lower(channel) = 'apple' THEN '0' WHEN lower(channel) = 'google' THEN '1' "
    "ELSE REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2) END": ["0", "805306368", "1"],
    "(REGEXP_MATCH(url, '(&|^)channel_id=([^&]*)'))[2]": [None, "805306368", None],
    "lower(channel) IN ('apple', 'google', 'facebook', 'baidu')": [True, False, True],
    "SPLIT_INDEX(url, '/', 3)": ["aa", "a", None],
    "SPLIT_PART(url, '/', 5)": ["bb", "b", None],
    "date_time BETWEEN timestamp '2015-07-15' AND timestamp '2015-07-15' + INTERVAL '10' SECOND": [True, False, False],
    "date_trunc('day', date_time)": [datetime.datetime(2015, 7, 15)] * 3,
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expression(text: str) -> None:
    assert values(text, BIDS) == EXPRESSIONS[text]
