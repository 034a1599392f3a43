"""Accumulators of all aggregate functions, one file per family, and the table from name to accumulator."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from sqlengine.operators.aggregates.base import Accumulator, Spec
from sqlengine.operators.aggregates.counts import Count, Truth
from sqlengine.operators.aggregates.distinct import Distinct, inner_spec
from sqlengine.operators.aggregates.distributions import Mode, MostFrequent, PercentileCont, PercentileDisc
from sqlengine.operators.aggregates.extremes import extreme_of
from sqlengine.operators.aggregates.frequent import MisraGries
from sqlengine.operators.aggregates.hyperloglog import HyperLogLog
from sqlengine.operators.aggregates.lists import array_agg, ordered_arg, ordered_pick, string_agg
from sqlengine.operators.aggregates.moments import Moments
from sqlengine.operators.aggregates.picks import Pick, Rule
from sqlengine.operators.aggregates.sums import sum_of
from sqlengine.operators.aggregates.tdigest import TDigest
from sqlengine.operators.aggregates.user import user_aggregate
from sqlengine.plan.nodes import AggregateCall
from sqlengine.plan.sketches import sketch_of
from sqlengine.sql.approximate import frequent_of, quantiles_of
from sqlengine.state.order_codes import has_order_codes
from sqlengine.types import storage_type

Factory = Callable[[Spec], Accumulator]


def _first(spec: Spec, last: bool = False, skip_null: bool = False) -> Accumulator:
    """first or last: by arrival, or by ORDER BY."""
    order = spec.call.order_by
    if spec.append_only and not order:
        return Pick(spec, Rule(largest=last, skip_null_value=skip_null))
    if spec.append_only and len(order) == 1 and has_order_codes(storage_type(spec.types[-1])):
        by, descending, nulls_first = order[0]
        rule = Rule(by, descending != last, last, skip_null, null_by_last=descending == nulls_first)
        return Pick(spec, rule)
    return ordered_pick(spec, last, skip_null)


def _arg(spec: Spec, largest: bool) -> Accumulator:
    """arg_min or arg_max: rows with a NULL in either argument take no part."""
    if spec.append_only and has_order_codes(storage_type(spec.types[1])):
        return Pick(spec, Rule(spec.call.args[1], largest, skip_null_value=True, skip_null_by=True))
    return ordered_arg(spec, largest)


def _approx_count_distinct(spec: Spec) -> Accumulator:
    if sketch_of(spec.call, spec.types, spec.append_only):
        return HyperLogLog(spec)
    return Distinct(spec, Count(inner_spec(spec)), keep_nulls=False)


def _approx_quantile(spec: Spec) -> Accumulator:
    if sketch_of(spec.call, spec.types, spec.append_only):
        return TDigest(spec)
    asked = quantiles_of(spec.call.function, spec.call.constants)
    return PercentileDisc(spec, asked.fractions, asked.listed)


def _approx_top_k(spec: Spec) -> Accumulator:
    asked = frequent_of(spec.call.function, spec.call.constants)
    if sketch_of(spec.call, spec.types, spec.append_only):
        return MisraGries(spec, asked)
    return MostFrequent(spec, asked.k)


FACTORIES: dict[str, Factory] = {
    "count": Count,
    "sum": lambda spec: sum_of(spec, mean=False),
    "avg": lambda spec: sum_of(spec, mean=True),
    "mean": lambda spec: sum_of(spec, mean=True),
    "min": lambda spec: extreme_of(spec, largest=False),
    "max": lambda spec: extreme_of(spec, largest=True),
    "stddev": lambda spec: Moments(spec, sample=True, root=True),
    "stddev_samp": lambda spec: Moments(spec, sample=True, root=True),
    "stddev_pop": lambda spec: Moments(spec, sample=False, root=True),
    "variance": lambda spec: Moments(spec, sample=True, root=False),
    "var_samp": lambda spec: Moments(spec, sample=True, root=False),
    "var_pop": lambda spec: Moments(spec, sample=False, root=False),
    "bool_and": lambda spec: Truth(spec, every=True),
    "bool_or": lambda spec: Truth(spec, every=False),
    "every": lambda spec: Truth(spec, every=True),
    "array_agg": array_agg,
    "string_agg": string_agg,
    "listagg": string_agg,
    "first": _first,
    "last": lambda spec: _first(spec, last=True),
    "first_value": _first,
    "last_value": lambda spec: _first(spec, last=True),
    "any_value": lambda spec: _first(spec, skip_null=True),
    "arg_min": lambda spec: _arg(spec, largest=False),
    "arg_max": lambda spec: _arg(spec, largest=True),
    "min_by": lambda spec: _arg(spec, largest=False),
    "max_by": lambda spec: _arg(spec, largest=True),
    "median": PercentileCont,
    "mode": Mode,
    "percentile_cont": PercentileCont,
    "percentile_disc": PercentileDisc,
    "quantile_cont": PercentileCont,
    "quantile_disc": PercentileDisc,
    "approx_percentile": _approx_quantile,
    "approx_quantile": _approx_quantile,
    "approx_top_k": _approx_top_k,
    "approx_count_distinct": _approx_count_distinct,
}

DISTINCT_IS_IDLE = {"min", "max", "bool_and", "bool_or", "every"}
"""Aggregates whose answer is the same with and without DISTINCT."""

KEEP_NULLS = {"array_agg"}
"""Aggregates for which NULL is a value."""


def accumulator(call: AggregateCall, schema: pa.Schema, append_only: bool) -> Accumulator:
    """A new accumulator of a call over rows of `schema`."""
    columns = (*call.args, *(c for c, _, _ in call.order_by))
    spec = Spec(call, tuple(schema.field(c).type for c in columns), append_only)
    factory = user_aggregate if call.user is not None else FACTORIES[call.function]
    if not call.distinct or call.function in DISTINCT_IS_IDLE or not call.args:
        return factory(spec)
    return Distinct(spec, factory(inner_spec(spec)), call.function in KEEP_NULLS)
