"""Where a sketch answers an approximate aggregate, and where the values themselves do.

A sketch cannot take a value back.  It is chosen where the rows of a node's input are proven to stay; elsewhere, and for
values that a sketch cannot hold, the exact variant keeps the values.  Operators and EXPLAIN ask here, so they agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine import types
from sqlengine.plan.nodes import AggregateCall, GroupAggregate, SessionAggregate, WindowAggregate
from sqlengine.sql import approximate


def sketch_of(call: AggregateCall, kinds: Sequence[pa.DataType], append_only: bool) -> str | None:
    """The sketch that answers a call over arguments of these types; "" when the values themselves do, None for a call
    that is not an approximate one."""
    if call.function not in approximate.NAMES:
        return None
    if not append_only or call.distinct:
        return ""
    if call.function in approximate.DISTINCT_COUNTS:
        return "hyperloglog"
    if call.function in approximate.QUANTILES:
        exact = approximate.quantiles_of(call.function, call.constants).accuracy is None
        return "t-digest" if not exact and _has_means(types.storage_type(kinds[0])) else ""
    return "misra-gries"


def note(node: GroupAggregate | WindowAggregate | SessionAggregate, call: AggregateCall) -> str:
    """For EXPLAIN: ` by hyperloglog`, ` by values` or nothing."""
    kinds = [node.input.schema.field(c).type for c in call.args]
    sketch = sketch_of(call, kinds, node.input.append_only or isinstance(node, SessionAggregate))
    return "" if sketch is None else f" by {sketch or 'values'}"


def _has_means(kind: pa.DataType) -> bool:
    """Whether values of a type can be averaged, as centroids are: numbers, dates and times."""
    return types.is_numeric(kind) or (pa.types.is_temporal(kind) and not pa.types.is_interval(kind))
