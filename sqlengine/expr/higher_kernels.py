"""Functions of arrays and maps that take lambdas: evaluation, all elements of a batch at once.

A body is a function from a batch, of the lambda's parameters and then of what it captures, to an array.  Only aggregate
goes step by step, as often as the longest array has elements, each step over all rows that have one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.errors import InvalidParameter

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


def _map_zip_with(
    args: Sequence[pa.Array], captured: Sequence[pa.Array], bodies: Sequence[Body], result: pa.DataType
) -> pa.Array:
    """The keys of the first map in its order, then those that only the second one has."""
    (keys, values, lists), (more_keys, more_values, more_lists) = map(_entries, args)
    known = pa.array(~(_is_null(args[0]) | _is_null(args[1])))
    parents = np.concatenate([np.asarray(_parents(lists)), np.asarray(_parents(more_lists))])
    both = pa.concat_arrays([keys, more_keys.cast(keys.type)])
    codes = np.asarray(both.dictionary_encode().indices)
    side = np.repeat([0, 1], [len(keys), len(more_keys)])
    kept = np.flatnonzero(np.asarray(known)[parents])
    pair = parents[kept] * max(len(both), 1) + codes[kept]
    _, first, member = np.unique(pair, return_index=True, return_inverse=True)
    places = [np.full(len(first), -1), np.full(len(first), -1)]
    for which in (0, 1):
        on_side = side[kept] == which
        places[which][member[on_side]] = kept[on_side] - (len(keys) if which else 0)
    order = np.lexsort((first, parents[kept][first]))
    rows = parents[kept][first][order]
    sides = [
        column.take(pa.array(place[order], pa.int64(), mask=place[order] < 0))
        for column, place in zip((values, more_values), places, strict=True)
    ]
    chosen = both.take(pa.array(kept[first][order]))
    params = [chosen, *sides][: bodies[0][0]]
    made = bodies[0][1](_batch([*params, *_rows(captured, pa.array(rows))]))
    lengths = np.bincount(rows, minlength=len(args[0])).astype(np.int64)
    return _map_of(lengths, chosen, made, pc.if_else(known, True, pa.scalar(None, pa.bool_())), result)


def _is_null(values: pa.Array) -> np.ndarray:
    return pc.is_null(values).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _array_sort(
    args: Sequence[pa.Array], captured: Sequence[pa.Array], bodies: Sequence[Body], result: pa.DataType
) -> pa.Array:
    """Merge sort, of all arrays side by side: runs of 1, 2, 4, ... are merged, an element of each pair of runs at a
    step, so the lambda is evaluated about as often as twice the longest array has elements."""
    lists, body = args[0], bodies[0]
    values, parents, lengths = lists.flatten(), np.asarray(_parents(lists)), _lengths(lists)
    starts = np.cumsum(lengths) - lengths

    def is_right_first(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        params = [values.take(pa.array(left)), values.take(pa.array(right))][: body[0]]
        said = body[1](_batch([*params, *_rows(captured, pa.array(parents[left]))]))
        if said.null_count:
            raise InvalidParameter("the lambda of array_sort has given NULL", hint="it gives -1, 0 or 1")
        return np.asarray(said) > 0

    order, size = np.arange(len(values)), 1
    while size < int(lengths.max(initial=0)):
        order = _merged(order, starts, lengths, size, is_right_first)
        size *= 2
    return _listed(lengths, values.take(pa.array(order)), lists, result)


def _merged(
    order: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    size: int,
    is_right_first: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Neighbouring runs of `size` elements of each array merged."""
    pairs = -(-lengths // (2 * size))
    begin = np.repeat(starts, pairs) + 2 * size * _places(pairs)
    ends = np.repeat(starts + lengths, pairs)
    middle, end = np.minimum(begin + size, ends), np.minimum(begin + 2 * size, ends)
    left, right, out = begin.copy(), middle.copy(), begin.copy()
    made = order.copy()
    active = np.flatnonzero(right < end)  # a run alone stays as it is
    while len(active):
        goes_right = left[active] >= middle[active]
        both = np.flatnonzero((left[active] < middle[active]) & (right[active] < end[active]))
        at = active[both]
        goes_right[both] = is_right_first(order[left[at]], order[right[at]])
        taken = np.where(goes_right, right[active], left[active])
        made[out[active]] = order[taken]
        right[active] += goes_right
        left[active] += ~goes_right
        out[active] += 1
        active = active[out[active] < end[active]]
    return made


_KERNELS = {
    "array_sort": _array_sort,
    "map_zip_with": _map_zip_with,
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
