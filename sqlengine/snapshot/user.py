"""The database's own functions made known to DuckDB: the same Python bodies, called with the same Arrow arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import duck, sql
from sqlengine.functions.user import UserAggregate, UserFunction, typed_answers


def register(user: UserFunction) -> None:
    """Make it callable from DuckDB text under `duck_name`; an aggregate takes one list per argument."""
    if user.function is not None:
        volatile = user.function.volatility == "volatile"
        duck.create_function(user.duck_name, _params(user), user.returns, _kernel(user), volatile=volatile)
        return
    assert user.aggregate is not None
    lists = [pa.list_(p) for p in user.params]
    duck.create_function(user.duck_name, lists, user.returns, _over_lists(user.aggregate, user.returns), volatile=False)


def called(user: UserFunction, args: Sequence[str]) -> str:
    """DuckDB text of a call over texts; a function that asks for the time is told it."""
    register(user)
    more = [f"epoch_us({sql.NOW})"] if _at(user) is not None else ["true"] if not args else []
    return f"{user.duck_name}({', '.join([*args, *more])})"


def _params(user: UserFunction) -> tuple[pa.DataType, ...]:
    """What DuckDB hands over; never nothing, for it would not say of how many rows."""
    if _at(user) is not None:
        return (*user.params, pa.int64())
    return user.params or (pa.bool_(),)


def _kernel(user: UserFunction) -> Callable[..., pa.Array]:
    assert user.function is not None
    kernel, at = user.function.kernel, _at(user)
    assert kernel is not None
    if at is not None:
        return at
    return kernel if user.params else lambda rows: pa.repeat(kernel(), len(rows))


def _at(user: UserFunction) -> Callable[..., pa.Array] | None:
    return user.body.at if user.body is not None else None


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
