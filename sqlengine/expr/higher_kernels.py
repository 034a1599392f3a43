"""Functions of arrays and maps that take lambdas: evaluation, all elements of a batch at once.

A body is a function from a batch, of the lambda's parameters and then of what it captures, to an array.  Only aggregate
goes step by step, as often as the longest array has elements, each step over all rows that have one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Evaluate = Callable[[pa.RecordBatch], pa.Array]
Body = tuple[int, Evaluate]
"""How many parameters it takes, and what computes it."""
Kernel = Callable[..., pa.Array]


def higher_kernel(name: str, result: pa.DataType, lists: int, bodies: Sequence[Body]) -> Kernel:
    """The kernel of a function: it takes the function's own arguments, `lists` of them, then what bodies capture."""
    make = _KERNELS[name]

    def kernel(*args: pa.Array) -> pa.Array:
        return make(args[:lists], args[lists:], bodies, result)

    return kernel


def _batch(columns: Sequence[pa.Array]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns), names=[str(i) for i in range(len(columns))])


def _rows(captured: Sequence[pa.Array], at: pa.Array) -> list[pa.Array]:
    return [c.take(at) for c in captured]


def _parents(lists: pa.ListArray) -> pa.Array:
    return pc.list_parent_indices(lists)


def _lengths(lists: pa.Array) -> np.ndarray:
    return pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)  # type: ignore[no-any-return]


def _places(lengths: np.ndarray) -> np.ndarray:
    """Each element's place in its array, from 0."""
    starts = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) - np.repeat(starts, lengths)


def _over(lists: pa.Array, captured: Sequence[pa.Array], body: Body) -> pa.Array:
    """The body's value for each element."""
    params = [lists.flatten(), pa.array(_places(_lengths(lists)), pa.int32())][: body[0]]
    return body[1](_batch([*params, *_rows(captured, _parents(lists))]))


def _listed(lengths: np.ndarray, values: pa.Array, like: pa.Array, result: pa.DataType) -> pa.Array:
    """Arrays of the given lengths out of their elements, NULL where `like` is."""
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    mask = pc.is_null(like) if like.null_count else None
    return pa.ListArray.from_arrays(offsets, values.cast(result.value_type), type=result, mask=mask)


def _transform(
    args: Sequence[pa.Array], captured: Sequence[pa.Array], bodies: Sequence[Body], result: pa.DataType
) -> pa.Array:
    return _listed(_lengths(args[0]), _over(args[0], captured, bodies[0]), args[0], result)


def _filter(
    args: Sequence[pa.Array], captured: Sequence[pa.Array], bodies: Sequence[Body], result: pa.DataType
) -> pa.Array:
    kept = pc.fill_null(_over(args[0], captured, bodies[0]), False)
    lengths = _count(kept, _parents(args[0]), len(args[0]))
    return _listed(lengths, args[0].flatten().filter(kept), args[0], result)


def _count(flags: pa.Array, parents: pa.Array, rows: int) -> np.ndarray:
    """How many of each row's flags are true."""
    chosen = parents.filter(flags).to_numpy(zero_copy_only=False)
    return np.bincount(chosen, minlength=rows).astype(np.int64)


def _exists(
    args: Sequence[pa.Array], captured: Sequence[pa.Array], bodies: Sequence[Body], result: pa.DataType
) -> pa.Array:
    return _three_valued(args[0], _over(args[0], captured, bodies[0]), True)


def _forall(
    args: Sequence[pa.Array], captured: Sequence[pa.Array], bodies: Sequence[Body], result: pa.DataType
) -> pa.Array:
    return _three_valued(args[0], _over(args[0], captured, bodies[0]), False)


def _three_valued(lists: pa.Array, found: pa.Array, deciding: bool) -> pa.Array:
    """What decides when some element has it, NULL when one is unknown, else the other."""
    parents, rows = _parents(lists), len(lists)
    decided = _count(pc.fill_null(found if deciding else pc.invert(found), False), parents, rows) > 0
    unknown = (_count(pc.is_null(found), parents, rows) > 0) & ~decided
    mask = unknown | pc.is_null(lists).to_numpy(zero_copy_only=False)
    return pa.array(decided if deciding else ~decided, pa.bool_(), mask=mask)


def _zip_with(
    args: Sequence[pa.Array], captured: Sequence[pa.Array], bodies: Sequence[Body], result: pa.DataType
) -> pa.Array:
    left, right = args
    lengths = np.maximum(_lengths(left), _lengths(right))
    known = ~(pc.is_null(left).to_numpy(zero_copy_only=False) | pc.is_null(right).to_numpy(zero_copy_only=False))
    lengths = np.where(known, lengths, 0)
    parents, places = np.repeat(np.arange(len(left)), lengths), _places(lengths)
    params = [_at(side, parents, places) for side in (left, right)]
    values = bodies[0][1](_batch([*params[: bodies[0][0]], *_rows(captured, pa.array(parents))]))
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, values, type=result, mask=pa.array(~known))


def _at(lists: pa.Array, rows: np.ndarray, places: np.ndarray) -> pa.Array:
    """The element at a place of a row's array, NULL behind its end."""
    lengths = _lengths(lists)
    starts = np.cumsum(lengths) - lengths
    inside = places < lengths[rows]
    return lists.flatten().take(pa.array(np.where(inside, starts[rows] + places, 0), pa.int64(), mask=~inside))


def _aggregate(
    args: Sequence[pa.Array], captured: Sequence[pa.Array], bodies: Sequence[Body], result: pa.DataType
) -> pa.Array:
    lists, state = args
    lengths = _lengths(lists)
    for place in range(int(lengths.max(initial=0))):
        rows = np.flatnonzero(lengths > place)
        at = pa.array(rows)
        params = [state.take(at), _at(lists, rows, np.full(len(rows), place))]
        step = bodies[0][1](_batch([*params[: bodies[0][0]], *_rows(captured, at)]))
        chosen = np.arange(len(state))
        chosen[rows] = len(state) + np.arange(len(rows))
        state = pa.concat_arrays([state, step.cast(state.type)]).take(pa.array(chosen))
    if len(bodies) > 1:
        state = bodies[1][1](_batch([state, *captured]))
    return pc.if_else(pc.is_valid(lists), state, pa.scalar(None, state.type)) if lists.null_count else state


def _entries(maps: pa.MapArray) -> tuple[pa.Array, pa.Array, pa.ListArray]:
    """(keys, values, the maps as arrays of entries)."""
    kind = pa.struct([pa.field("key", maps.type.key_type), pa.field("value", maps.type.item_type)])
    lists = maps.cast(pa.list_(kind))
    flat = lists.flatten()
    return flat.field(0), flat.field(1), lists


def _map_of(lengths: np.ndarray, keys: pa.Array, values: pa.Array, maps: pa.Array, result: pa.DataType) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    missing = np.append(pc.is_null(maps).to_numpy(zero_copy_only=False), False)
    made = pa.MapArray.from_arrays(pa.array(offsets, pa.int32(), mask=missing), keys, values)
    return made.cast(result)


def _map_filter(
    args: Sequence[pa.Array], captured: Sequence[pa.Array], bodies: Sequence[Body], result: pa.DataType
) -> pa.Array:
    keys, values, lists = _entries(args[0])
    kept = pc.fill_null(_of_entries(keys, values, lists, captured, bodies[0]), False)
    lengths = _count(kept, _parents(lists), len(lists))
    return _map_of(lengths, keys.filter(kept), values.filter(kept), args[0], result)


def _of_entries(
    keys: pa.Array, values: pa.Array, lists: pa.Array, captured: Sequence[pa.Array], body: Body
) -> pa.Array:
    return body[1](_batch([*[keys, values][: body[0]], *_rows(captured, _parents(lists))]))


def _transform_values(
    args: Sequence[pa.Array], captured: Sequence[pa.Array], bodies: Sequence[Body], result: pa.DataType
) -> pa.Array:
    keys, values, lists = _entries(args[0])
    made = _of_entries(keys, values, lists, captured, bodies[0])
    return _map_of(_lengths(lists), keys, made, args[0], result)


def _transform_keys(
    args: Sequence[pa.Array], captured: Sequence[pa.Array], bodies: Sequence[Body], result: pa.DataType
) -> pa.Array:
    keys, values, lists = _entries(args[0])
    made = _of_entries(keys, values, lists, captured, bodies[0])
    return _map_of(_lengths(lists), made, values, args[0], result)


_KERNELS = {
    "transform": _transform,
    "filter": _filter,
    "exists": _exists,
    "forall": _forall,
    "zip_with": _zip_with,
    "aggregate": _aggregate,
    "map_filter": _map_filter,
    "transform_keys": _transform_keys,
    "transform_values": _transform_values,
}
