"""The database's own functions made known to DuckDB: the same Python bodies, called with the same Arrow arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import duck
from sqlengine.functions.user import UserAggregate, UserFunction, typed_answers


def register(user: UserFunction) -> None:
    """Make it callable from DuckDB text under `duck_name`; an aggregate takes one list per argument."""
    if user.function is not None:
        kernel = user.function.kernel
        assert kernel is not None
        volatile = user.function.volatility == "volatile"
        duck.create_function(user.duck_name, user.params, user.returns, kernel, volatile=volatile)
        return
    assert user.aggregate is not None
    lists = [pa.list_(p) for p in user.params]
    duck.create_function(user.duck_name, lists, user.returns, _over_lists(user.aggregate, user.returns), volatile=False)


def _over_lists(aggregate: UserAggregate, returns: pa.DataType) -> Callable[..., pa.Array]:
    def kernel(*columns: pa.Array) -> pa.Array:
        groups = (_complete_rows([c[i].values for c in columns], columns) for i in range(len(columns[0])))
        return typed_answers(aggregate.name, [aggregate.answer(group) for group in groups], returns)

    return kernel


def _complete_rows(values: Sequence[pa.Array | None], lists: Sequence[pa.Array]) -> list[pa.Array]:
    """One group's columns without the rows that have a NULL in any of them; empty for a group without rows."""
    columns = [v if v is not None else pa.array([], t.type.value_type) for v, t in zip(values, lists, strict=True)]
    if not any(c.null_count for c in columns):
        return columns
    whole = np.logical_and.reduce([pc.is_valid(c).to_numpy(zero_copy_only=False) for c in columns])
    return [c.filter(pa.array(whole)) for c in columns]
