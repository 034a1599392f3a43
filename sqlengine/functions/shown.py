"""Values of any type as PostgreSQL prints them: `t` and `f`, `\\x12ab`, `{1,NULL,"a b"}`.

Casts to text differ in truth values (`true`), and, in DuckDB, in bytes and arrays; what takes arguments of any type as
texts (format, array_to_string) needs PostgreSQL's output.  DuckDB has it as the macro `shown`.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import duck
from sqlengine.array_text import braces_to_json
from sqlengine.functions.casting import cast_kernel
from sqlengine.functions.registry import Value
from sqlengine.pgtext import join_lists, list_parts, to_text_array

TEXT = pa.string()


def shown(value: Value) -> pa.Array:
    """The values' texts; NULL stays NULL."""
    array = pa.array([value.as_py()], value.type) if isinstance(value, pa.Scalar) else value
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), TEXT)
    if pa.types.is_boolean(array.type):
        return pc.if_else(array, "t", "f")
    return array if array.type == TEXT else cast_kernel(array.type, TEXT)(array)


def shown_items(lists: pa.ListArray) -> pa.ListArray:
    """The elements of each array as texts."""
    return _of_flat(lists, shown(lists.flatten()))


def _of_flat(lists: pa.ListArray, flat: pa.Array) -> pa.ListArray:
    """Arrays of the same lengths over other elements."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array([0, *lengths.cumsum()], pa.int32())
    return pa.ListArray.from_arrays(offsets, flat, mask=lists.is_null() if lists.null_count else None)


def _braces(lists: pa.Array, are_arrays: bool) -> pa.Array:
    """`{1,NULL,"a b"}` of the elements' texts, which are not quoted when they are arrays themselves."""
    if not are_arrays:
        return to_text_array(lists)
    joined = join_lists(lists, list_parts(lists)[1].fill_null("NULL"), ",")
    return pc.binary_join_element_wise("{", joined, "}", "")


def shown_as(lists: pa.ListArray, kinds: pa.Array) -> pa.ListArray:
    """Elements as DuckDB casts them to text (of arrays of `kinds`, one for all) as PostgreSQL prints them."""
    kind = next((k for k in kinds.to_pylist() if k is not None), "")
    if kind.endswith("[][]"):
        inner = pc.replace_substring(pc.replace_substring(lists.flatten(), "[", "{"), "]", "}")
        return _of_flat(lists, pc.replace_substring(inner, ", ", ","))
    wanted = _TYPED.get(kind)
    return lists if wanted is None else _of_flat(lists, shown(lists.flatten().cast(wanted)))


_TYPED = {"BOOLEAN[]": pa.bool_(), "DOUBLE[]": pa.float64(), "FLOAT[]": pa.float32()}


def _shown_lists(lists: pa.Array, kinds: pa.Array) -> pa.Array:
    return _braces(shown_as(lists, kinds), any((k or "").endswith("[][]") for k in kinds.to_pylist()))


duck.at_opening("shown_lists", [pa.list_(TEXT), TEXT], TEXT, _shown_lists)
duck.run_at_opening(
    "CREATE MACRO shown(x) AS CASE WHEN typeof(x) LIKE '%[]' THEN shown_lists(x::VARCHAR[], typeof(x)) "
    "WHEN typeof(x) = 'BOOLEAN' THEN left(x::VARCHAR, 1) "
    "WHEN typeof(x) = 'BLOB' THEN '\\x' || lower(hex(x::BLOB)) ELSE text_of(x) END"
)
duck.at_opening("array_items", [TEXT], TEXT, braces_to_json)
duck.run_at_opening(
    "CREATE MACRO cast_text(x) AS CASE WHEN typeof(x) LIKE '%[]' OR typeof(x) = 'BLOB' THEN shown(x) "
    "ELSE text_of(x) END"
)
