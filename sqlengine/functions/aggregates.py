"""The aggregate functions SQL knows: names, argument types, result types, one line of description each.

The literal table AGGREGATES is the only list of them; `operators/aggregates/` has one accumulator factory per name
(a test holds the two together).  This file must not know how an aggregate is computed.

Result types where systems differ: sum of whole numbers is bigint (22003 when it does not fit), sum of real is double
precision, sum of numeric(p, s) is numeric(38, s); avg, variances and percentile_cont are double precision for every
numeric argument, as the snapshot executor computes them (PostgreSQL answers numeric for numeric arguments).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from sqlengine import types
from sqlengine.errors import UndefinedFunction
from sqlengine.quick_dataclass import dataclass

ResultType = Callable[[Sequence[pa.DataType]], pa.DataType | None]
"""From the argument types to the result type, or None when the arguments do not fit."""


@dataclass(frozen=True, slots=True)
class AggregateFunction:
    """One aggregate: `arguments` for people, `result` for the planner; `distinct_ok`: DISTINCT has a meaning."""

    name: str
    arguments: str
    result: ResultType
    description: str
    distinct_ok: bool = True

    def result_type(self, arg_types: Sequence[pa.DataType], distinct: bool = False) -> pa.DataType:
        """The Arrow type of the result; UndefinedFunction (42883) when the arguments or DISTINCT do not fit."""
        kinds = [types.storage_type(t) if isinstance(t, pa.BaseExtensionType) else t for t in arg_types]
        found = self.result(kinds)
        if found is None or (distinct and not (self.distinct_ok and arg_types)):
            word = "DISTINCT " if distinct else ""
            spelt = ", ".join(types.to_sql(t) for t in arg_types)
            raise UndefinedFunction(
                f"function {self.name}({word}{spelt}) does not exist",
                hint=f"the arguments are {self.name}({self.arguments})",
            )
        if isinstance(arg_types[0] if arg_types else None, pa.BaseExtensionType):
            return {kinds[0]: arg_types[0], pa.list_(kinds[0]): pa.list_(arg_types[0])}.get(found, found)
        return found


def _count(args: Sequence[pa.DataType]) -> pa.DataType | None:
    return pa.int64() if len(args) <= 1 else None


def _any_to_bigint(args: Sequence[pa.DataType]) -> pa.DataType | None:
    return pa.int64() if len(args) == 1 else None


def _number(args: Sequence[pa.DataType], others: int = 0) -> pa.DataType | None:
    """The single numeric argument; NULL of unknown type counts as double precision."""
    if len(args) != 1 + others:
        return None
    if pa.types.is_null(args[0]):
        return pa.float64()
    return args[0] if types.is_numeric(args[0]) else None


def _sum(args: Sequence[pa.DataType]) -> pa.DataType | None:
    number = _number(args)
    if number is None or pa.types.is_floating(number):
        return None if number is None else pa.float64()
    if pa.types.is_decimal(number):
        return pa.decimal128(38, number.scale)
    return pa.int64()


def _double(args: Sequence[pa.DataType]) -> pa.DataType | None:
    return None if _number(args) is None else pa.float64()


def _bool(args: Sequence[pa.DataType]) -> pa.DataType | None:
    return pa.bool_() if len(args) == 1 and (pa.types.is_boolean(args[0]) or pa.types.is_null(args[0])) else None


def _same(args: Sequence[pa.DataType]) -> pa.DataType | None:
    return args[0] if len(args) == 1 else None


def _ordered(args: Sequence[pa.DataType]) -> pa.DataType | None:
    """The argument's own type, if its values have an order."""
    return args[0] if len(args) == 1 and is_orderable(args[0]) else None


def _ordered_list(args: Sequence[pa.DataType]) -> pa.DataType | None:
    kind = _ordered(args)
    return None if kind is None else pa.list_(kind)


def _picked(args: Sequence[pa.DataType]) -> pa.DataType | None:
    """arg_min(x, by): x's type; `by` must have an order."""
    return args[0] if len(args) == 2 and is_orderable(args[1]) else None


def _list(args: Sequence[pa.DataType]) -> pa.DataType | None:
    return pa.list_(args[0]) if len(args) == 1 else None


def _text(args: Sequence[pa.DataType]) -> pa.DataType | None:
    return pa.string() if len(args) == 1 and (types.is_text(args[0]) or pa.types.is_null(args[0])) else None


def is_orderable(dtype: pa.DataType) -> bool:
    """Whether ORDER BY, min and max work on a type: everything flat but intervals."""
    dtype = types.storage_type(dtype)
    return not (pa.types.is_nested(dtype) or pa.types.is_interval(dtype))


AGGREGATES: tuple[AggregateFunction, ...] = (
    AggregateFunction("count", "* | any", _count, "number of rows, or of values that are not NULL"),
    AggregateFunction("sum", "number", _sum, "sum of the values; NULL of none"),
    AggregateFunction("avg", "number", _double, "mean of the values"),
    AggregateFunction("mean", "number", _double, "the same as avg"),
    AggregateFunction("min", "any ordered", _ordered, "least value"),
    AggregateFunction("max", "any ordered", _ordered, "greatest value"),
    AggregateFunction("stddev", "number", _double, "the same as stddev_samp"),
    AggregateFunction("stddev_samp", "number", _double, "sample standard deviation; NULL of fewer than two values"),
    AggregateFunction("stddev_pop", "number", _double, "population standard deviation"),
    AggregateFunction("variance", "number", _double, "the same as var_samp"),
    AggregateFunction("var_samp", "number", _double, "sample variance; NULL of fewer than two values"),
    AggregateFunction("var_pop", "number", _double, "population variance"),
    AggregateFunction("bool_and", "boolean", _bool, "true when no value is false"),
    AggregateFunction("bool_or", "boolean", _bool, "true when some value is true"),
    AggregateFunction("every", "boolean", _bool, "the same as bool_and"),
    AggregateFunction("array_agg", "any", _list, "all values, NULLs too, in ORDER BY or arrival order"),
    AggregateFunction("string_agg", "text, separator", _text, "the texts with the separator between them"),
    AggregateFunction("listagg", "text [, separator]", _text, "the same as string_agg, the separator may be left out"),
    AggregateFunction("first", "any", _same, "value of the row that arrived first", distinct_ok=False),
    AggregateFunction("last", "any", _same, "value of the row that arrived last", distinct_ok=False),
    AggregateFunction(
        "first_value", "any", _same, "the same as first; ORDER BY says what comes first", distinct_ok=False
    ),
    AggregateFunction("last_value", "any", _same, "the same as last; ORDER BY says what comes last", distinct_ok=False),
    AggregateFunction("any_value", "any", _same, "value that is not NULL of the earliest such row", distinct_ok=False),
    AggregateFunction("arg_min", "any, by", _picked, "value of the row whose `by` is least", distinct_ok=False),
    AggregateFunction("arg_max", "any, by", _picked, "value of the row whose `by` is greatest", distinct_ok=False),
    AggregateFunction("min_by", "any, by", _picked, "the same as arg_min", distinct_ok=False),
    AggregateFunction("max_by", "any, by", _picked, "the same as arg_max", distinct_ok=False),
    AggregateFunction("median", "number", _double, "middle value, interpolated"),
    AggregateFunction("mode", "any ordered", _ordered, "most frequent value; of several the least", distinct_ok=False),
    AggregateFunction("percentile_cont", "number, fraction", _double, "interpolated percentile"),
    AggregateFunction("percentile_disc", "any ordered, fraction", _ordered, "first value at or above the percentile"),
    AggregateFunction("quantile_cont", "number, fraction", _double, "the same as percentile_cont"),
    AggregateFunction("quantile_disc", "any ordered, fraction", _ordered, "the same as percentile_disc"),
    AggregateFunction(
        "approx_percentile",
        "any ordered, fraction or array of them [, accuracy]",
        _ordered,
        "about percentile_disc; a list for an array of fractions",
    ),
    AggregateFunction(
        "approx_quantile",
        "any ordered, fraction or array of them [, accuracy]",
        _ordered,
        "the same as approx_percentile",
    ),
    AggregateFunction(
        "approx_count_distinct",
        "any [, standard error]",
        _any_to_bigint,
        "about the number of distinct values",
    ),
    AggregateFunction(
        "approx_top_k",
        "any ordered [, k [, reserved]]",
        _ordered_list,
        "about the k (5) most frequent values, the most frequent first; of equally frequent ones the least first",
        distinct_ok=False,
    ),
)

_BY_NAME = {function.name: function for function in AGGREGATES}


def aggregate(name: str) -> AggregateFunction | None:
    """The aggregate of a lower-case name, or None."""
    return _BY_NAME.get(name)


def names() -> tuple[str, ...]:
    """The names of all aggregates, in the table's order."""
    return tuple(_BY_NAME)
