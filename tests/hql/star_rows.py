"""Random rows of the star schema, small and the same on every machine; values are those that the queries ask for."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa

from tests.hql.star_queries import CHANNELS, tables

Rows = list[dict[str, Any]]
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ITEMS, CUSTOMERS, ADDRESSES, HOUSEHOLDS, PROMOTIONS, OUTLETS = 30, 150, 40, 20, 8, 6
SALES, RETURNS, STOCK = 2400, 400, 800
BASKETS = 4
"""Orders of many rows, each of one customer's."""
FIRST, LAST = datetime.date(1998, 1, 1), datetime.date(2003, 12, 31)
WEEK_STEP = 3
"""Every third day is there: few enough that items and days meet often."""
LIKELY = (*range(11, 13), *range(1, 5))
"""Months that queries ask for, taken more often."""
BUSY = ((2000, 2), (2001, 1))
"""Months of which queries take many rows."""
TYPES: dict[str, pa.DataType] = {"int": pa.int32(), "bigint": pa.int64(), "date": pa.date32(), "string": pa.string()}


def _type(name: str) -> pa.DataType:
    if name in TYPES:
        return TYPES[name]
    digits, scale = name.removeprefix("decimal(").removesuffix(")").split(",")
    return pa.decimal128(int(digits), int(scale))


def _schema(columns: str) -> pa.Schema:
    parts = [part.strip().split(" ", 1) for part in columns.replace(",2)", ";2)").split(",")]
    return pa.schema([(name, _type(kind.replace(";", ","))) for name, kind in parts])


def _dates() -> Rows:
    made = []
    first = FIRST.toordinal()
    for day in range(first, LAST.toordinal() + 1, WEEK_STEP):
        date = datetime.date.fromordinal(day)
        made.append(
            {
                "d_date_sk": day - first + 1,
                "d_date": date,
                "d_year": date.year,
                "d_moy": date.month,
                "d_qoy": (date.month + 2) // 3,
                "d_dom": date.day,
                "d_week": (day - first) // 7,
                "d_day_name": DAYS[date.weekday()],
            }
        )
    return made


class Source:
    """Random values of one seed; `maybe` is NULL in one of twenty."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.dates = _dates()
        self.likely = [date for date in self.dates if date["d_moy"] in LIKELY and date["d_year"] < 2003]

        self.busy = [date for date in self.dates if (date["d_year"], date["d_moy"]) in BUSY]

    def maybe(self, value: Any) -> Any:
        return None if self.random.random() < 0.05 else value

    def key(self, count: int) -> int | None:
        """A key of a table with that many rows, small keys more often, now and then one that is not there."""
        return self.maybe(1 + int((count + 1) * self.random.random() ** 1.5))  # type: ignore[no-any-return]

    def date(self) -> int | None:
        chance = self.random.random()
        of = self.busy if chance < 0.2 else self.likely if chance < 0.7 else self.dates
        return self.maybe(self.random.choice(of)["d_date_sk"])  # type: ignore[no-any-return]

    def money(self, low: int, high: int) -> Decimal | None:
        return self.maybe(Decimal(self.random.randint(low * 100, high * 100)) / 100)  # type: ignore[no-any-return]

    def of(self, *values: str) -> str | None:
        return self.maybe(self.random.choice(values))  # type: ignore[no-any-return]


def _item(s: Source, at: int) -> dict[str, Any]:
    words = ("strong", "lamps", "and", "old", "chairs", "the", "running", "Größe", "paper")
    return {
        "i_item_sk": at,
        "i_item_id": f"item{at // 2:04}",
        "i_item_desc": s.maybe(" ".join(s.random.choices(words, k=4)) + ("." if at % 3 else "  ")),
        "i_brand_id": 1 + at % 5,
        "i_brand": f"brand {1 + at % 5}",
        "i_class": s.of("a", "b", "c"),
        "i_category": s.of("Sports", "Books", "Home", "Electronics"),
        "i_manufact_id": (128, 977, 5, 7)[at % 4],
        "i_current_price": s.maybe(Decimal(s.random.choice(("0.99", "1.20", "1.49", "2.50", "4.00")))),
        "i_color": s.of("red", "blue"),
        "i_size": s.of("small", "large"),
    }


def _customer(s: Source, at: int) -> dict[str, Any]:
    return {
        "c_customer_sk": at,
        "c_customer_id": f"customer{at:04}",
        "c_first_name": s.of("Ann", "Bo", "Cy", "Zoë"),
        "c_last_name": s.of("Abel", "Brand", "Cole"),
        "c_birth_year": s.maybe(s.random.randint(1930, 2000)),
        "c_address_sk": s.key(ADDRESSES),
        "c_hdemo_sk": s.key(HOUSEHOLDS),
        "c_email": s.maybe(f"{at}@example.com"),
        "c_preferred": s.of("Y", "Y", "Y", "N"),
    }


def _address(s: Source, at: int) -> dict[str, Any]:
    return {
        "ca_address_sk": at,
        "ca_city": s.of("Fairview", "Midway"),
        "ca_county": s.of("Rush County", "Toole County", "Jefferson County", "24 County"),
        "ca_state": s.of("TX", "TX", "CA", "CA", "MS", "IN", "KY"),
        "ca_zip": s.of("24128", "24128", "76232", "85669", "10001"),
        "ca_country": s.of("United States", "United States", "Canada"),
        "ca_gmt_offset": Decimal("-5.00"),
    }


def _household(s: Source, at: int) -> dict[str, Any]:
    return {
        "hd_demo_sk": at,
        "hd_dep_count": s.random.choice((1, 3, 5)),
        "hd_vehicle_count": s.random.choice((0, 1, 1, 2)),
        "hd_buy_potential": s.of(">10000", ">10000", "Unknown", "0-500"),
    }


def _promotion(s: Source, at: int) -> dict[str, Any]:
    return {
        "p_promo_sk": at,
        "p_name": f"promotion {at}",
        "p_channel_email": s.of("Y", "N"),
        "p_channel_event": s.of("Y", "N"),
    }


def _outlet(s: Source, at: int) -> dict[str, Any]:
    return {
        "o_outlet_sk": at,
        "o_outlet_id": f"outlet{at}",
        "o_name": f"outlet {at // 2}",
        "o_state": s.of("TN", "TN", "KY"),
        "o_county": s.of("24 County", "24 County", "Rush County"),
        "o_gmt_offset": Decimal("-5.00"),
    }


def _stock(s: Source, at: int) -> dict[str, Any]:
    near = [d["d_date_sk"] for d in s.dates if datetime.date(2000, 2, 5) < d["d_date"] < datetime.date(2000, 4, 15)]
    return {
        "inv_date_sk": s.random.choice(near),
        "inv_item_sk": s.key(ITEMS),
        "inv_outlet_sk": s.key(OUTLETS),
        "inv_quantity": s.maybe(s.random.randint(0, 50)),
    }


def _sale(p: str) -> Callable[[Source, int], dict[str, Any]]:
    def made(s: Source, at: int) -> dict[str, Any]:
        basket = s.random.randint(1, BASKETS) if at % 2 else None
        return {
            f"{p}_date_sk": s.date(),
            f"{p}_time_sk": s.key(1000),
            f"{p}_item_sk": s.key(ITEMS),
            f"{p}_customer_sk": s.maybe(basket) if basket else s.key(CUSTOMERS),
            f"{p}_promo_sk": s.key(PROMOTIONS),
            f"{p}_outlet_sk": s.key(OUTLETS),
            f"{p}_address_sk": s.key(ADDRESSES),
            f"{p}_hdemo_sk": s.key(HOUSEHOLDS),
            f"{p}_order": basket or BASKETS + at // 6,
            f"{p}_quantity": s.maybe(s.random.randint(0, 45)),
            f"{p}_list_price": s.money(1, 200),
            f"{p}_price": s.money(1, 190),
            f"{p}_amount": s.money(1, 3000),
            f"{p}_paid": s.money(1, 3000),
            f"{p}_profit": s.money(-300, 900),
        }

    return made


def _return(r: str, sales: Rows, p: str) -> Callable[[Source, int], dict[str, Any]]:
    def made(s: Source, at: int) -> dict[str, Any]:
        sold = s.random.choice(sales)
        return {
            f"{r}_date_sk": s.date(),
            f"{r}_item_sk": sold[f"{p}_item_sk"],
            f"{r}_customer_sk": sold[f"{p}_customer_sk"],
            f"{r}_outlet_sk": s.key(OUTLETS),
            f"{r}_order": sold[f"{p}_order"],
            f"{r}_quantity": s.maybe(s.random.randint(0, 5)),
            f"{r}_amount": s.money(1, 300),
            f"{r}_loss": s.money(0, 90),
        }

    return made


def star_rows(seed: int) -> dict[str, pa.Table]:
    """Every table's rows."""
    s = Source(seed)

    def many(count: int, make: Callable[[Source, int], dict[str, Any]]) -> Rows:
        return [make(s, at) for at in range(1, count + 1)]

    made: dict[str, Rows] = {
        "date_dim": s.dates,
        "item": many(ITEMS, _item),
        "customer": many(CUSTOMERS, _customer),
        "customer_address": many(ADDRESSES, _address),
        "household": many(HOUSEHOLDS, _household),
        "promotion": many(PROMOTIONS, _promotion),
        "outlet": many(OUTLETS, _outlet),
        "inventory": many(STOCK, _stock),
    }
    for channel, (p, r) in CHANNELS.items():
        sales = many(SALES, _sale(p))
        made[f"{channel}_sales"] = sales
        made[f"{channel}_returns"] = many(RETURNS, _return(r, sales, p))
    return {name: pa.Table.from_pylist(made[name], _schema(columns)) for name, columns in tables().items()}
