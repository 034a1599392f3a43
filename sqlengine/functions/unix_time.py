"""Seconds, milliseconds and days since 1970 as Hive, Spark, Flink and ksqlDB write them, and the texts made of them.

Formats are Java's patterns, zones are UTC unless one is named.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.functions.registry import Kernel, Value, declare, scalar
from sqlengine.functions.time_format import formatter, parsed
from sqlengine.types import TIMESTAMP

DEFAULT_FORMAT = "yyyy-MM-dd HH:mm:ss"


def _of_epoch(per_second: int) -> Kernel:
    """A factory: whole numbers since 1970 as text in a format."""

    def make(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        inner = formatter(True)(arg_types, result)

        def kernel(n: Value, pattern: Value | None = None) -> Value:
            micros = pc.multiply_checked(n.cast(pa.int64()), pa.scalar(1_000_000 // per_second, pa.int64()))
            return inner(micros.cast(TIMESTAMP), pa.scalar(DEFAULT_FORMAT) if pattern is None else pattern)

        return kernel

    return make


from_unixtime = scalar(
    "from_unixtime(seconds bigint, format text) -> text; from_unixtime(seconds bigint) -> text",
    "the moment so many seconds after 1970 as text, yyyy-MM-dd HH:mm:ss without a format (Flink, Hive, Spark)",
    example="from_unixtime(3661) = '1970-01-01 01:01:01'",
    constant_args=(1,),
    factory=True,
    duck="",
)(_of_epoch(1))
timestamptostring = scalar(
    "timestamptostring(milliseconds bigint, format text) -> text",
    "the moment so many milliseconds after 1970 as text (ksqlDB)",
    example="timestamptostring(1000, 'HH:mm:ss.SSS') = '00:00:01.000'",
    constant_args=(1,),
    factory=True,
    duck="",
)(_of_epoch(1000))
unix_timestamp = declare(
    "unix_timestamp(t timestamp) -> bigint; unix_timestamp(t timestamptz) -> bigint; unix_timestamp(s text) -> bigint",
    "whole seconds since 1970, now without an argument (Flink, Hive, Spark)",
    example="unix_timestamp('1970-01-01 00:01:00') = 60",
    aliases=("to_unix_timestamp", "unix_seconds"),
    can_raise=True,
    duck="floor(epoch_us({0}::TIMESTAMPTZ) / 1000000.0::DOUBLE)::BIGINT",
)
unix_timestamp_of_text = scalar(
    "unix_timestamp(s text, format text) -> bigint",
    "whole seconds since 1970 of a text in one of Java's patterns (Flink, Hive, Spark)",
    example="unix_timestamp('02.01.1970', 'dd.MM.yyyy') = 86400",
    aliases=("to_unix_timestamp",),
    constant_args=(1,),
    can_raise=True,
    duck="",
)(lambda s, pattern: pc.floor(pc.divide(parsed(s, pattern).cast(pa.int64()), 1e6)).cast(pa.int64()))
unix_millis = declare(
    "unix_millis(t timestamp) -> bigint; unix_millis(t timestamptz) -> bigint",
    "whole milliseconds since 1970 (Spark)",
    example="unix_millis(timestamp '1970-01-01 00:00:01') = 1000",
    duck="floor(epoch_us({0}::TIMESTAMPTZ) / 1000.0::DOUBLE)::BIGINT",
)
unix_micros = declare(
    "unix_micros(t timestamp) -> bigint; unix_micros(t timestamptz) -> bigint",
    "microseconds since 1970 (Spark)",
    example="unix_micros(timestamp '1970-01-01 00:00:01') = 1000000",
    duck="epoch_us({0}::TIMESTAMPTZ)",
)
timestamp_seconds, timestamp_millis, timestamp_micros = (
    declare(
        f"{name}(n bigint) -> timestamptz",
        f"the moment so many {unit} after 1970 (Spark)",
        example=f"{name}({one}) = timestamptz '1970-01-01 00:00:01'",
        can_raise=True,
        duck=f"make_timestamptz({{0}}::BIGINT * {factor})",
    )
    for name, unit, one, factor in (
        ("timestamp_seconds", "seconds", 1, 1_000_000),
        ("timestamp_millis", "milliseconds", 1000, 1000),
        ("timestamp_micros", "microseconds", 1_000_000, 1),
    )
)
unix_date = declare(
    "unix_date(d date) -> integer",
    "days since 1970 (Spark, ksqlDB)",
    example="unix_date(date '1970-01-03') = 2",
    duck="({0}::DATE - DATE '1970-01-01')::INTEGER",
)
from_days = declare(
    "from_days(days integer) -> date",
    "the date so many days after 1970 (ksqlDB)",
    example="from_days(2) = date '1970-01-03'",
    aliases=("date_from_unix_date",),
    duck="(DATE '1970-01-01' + {0}::INTEGER)",
    can_raise=True,
)
from_utc_timestamp = declare(
    "from_utc_timestamp(t timestamp, zone text) -> timestamp",
    "what a clock in a zone shows when a clock in UTC shows t (Hive, Spark)",
    example="from_utc_timestamp(timestamp '2024-01-01', 'Europe/Paris') = timestamp '2024-01-01 01:00'",
    duck="timezone({1}, timezone('UTC', {0}::TIMESTAMP))",
    can_raise=True,
)
to_utc_timestamp = declare(
    "to_utc_timestamp(t timestamp, zone text) -> timestamp",
    "what a clock in UTC shows when a clock in a zone shows t (Hive, Spark)",
    example="to_utc_timestamp(timestamp '2024-01-01 01:00', 'Europe/Paris') = timestamp '2024-01-01'",
    duck="timezone('UTC', timezone({1}, {0}::TIMESTAMP))",
    can_raise=True,
)
convert_tz = declare(
    "convert_tz(s text, from_zone text, to_zone text) -> text",
    "what a clock in one zone shows when one in another shows s, yyyy-MM-dd HH:mm:ss (Flink)",
    example="convert_tz('2024-01-01 00:00:00', 'UTC', 'Europe/Paris') = '2024-01-01 01:00:00'",
    duck="strftime(timezone({2}, timezone({1}, {0}::TIMESTAMP)), '%Y-%m-%d %H:%M:%S')",
    can_raise=True,
)
