"""jsonb taken apart, compared and changed: the overloads of JSON's operators and functions whose answer is jsonb.

Each works on the values that the canonical texts stand for (json_canonical.py) and writes its answer in that form, so
no digit of a number is lost on the way.  `->` and `->>` leave plain cases to DuckDB, because they are asked of every
row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import duck, json_at_path
from sqlengine.errors import DataError
from sqlengine.functions import json, json_changes, json_paths
from sqlengine.functions.registry import Function, Kernel, declare, scalar
from sqlengine.json_canonical import (
    normal,
    normal_texts,
    order_keys,
    plain_text,
    same_number,
    sorted_object,
    stored_value,
    text_of,
)
from sqlengine.types import JSONB

_TEXTS = pa.list_(pa.string())


def _kernel(body: Callable[..., Any], result: pa.DataType) -> Kernel:
    """A kernel over values: jsonb comes and goes as what its text stands for."""

    def kernel(*columns: pa.Array) -> pa.Array:
        values = [_values(column) for column in columns]
        rows = zip(*values, strict=True)
        return _array([None if any(v is None for v in row) else body(*map(_opened, row)) for row in rows], result)

    return kernel


class _Stored(str):
    """A canonical text that stands for its value."""

    __slots__ = ()


def _values(column: pa.Array) -> list[Any]:
    if column.type == JSONB:
        return [None if text is None else _Stored(text) for text in column.storage.to_pylist()]
    return column.to_pylist()  # type: ignore[no-any-return]


def _opened(value: Any) -> Any:
    return stored_value(value) if type(value) is _Stored else value


def _array(answers: list[Any], result: pa.DataType) -> pa.Array:
    if result == JSONB:
        return pa.ExtensionArray.from_storage(JSONB, pa.array(answers, pa.string()))
    if pa.types.is_list(result) and result.value_type == JSONB:
        lists = pa.array(answers, _TEXTS)
        values = pa.ExtensionArray.from_storage(JSONB, lists.values)
        return pa.ListArray.from_arrays(lists.offsets, values, mask=lists.is_null() if lists.null_count else None)
    return pa.array(answers, result)


def _of_jsonb(like: Function, signature: str, body: Callable[..., Any], result: pa.DataType, example: str) -> Function:
    """The overload of a function of JSON, by its body over values."""
    return _overload(like, signature, _kernel(body, result), example)


def _overload(like: Function, signature: str, kernel: Kernel, example: str) -> Function:
    """The overload of a function of JSON; DuckDB's text stays its own, for queries that DuckDB runs."""
    return scalar(
        signature,
        like.description,
        example=example,
        operator=like.operator,
        aliases=like.aliases,
        duck=like.duck,
        broadcast=True,
        can_raise=True,
    )(kernel)


# ---------------------------------------------------------------- parts


def _get(value: Any, key: Any) -> str | None:
    found = _part(value, key)
    return None if found is _NOTHING else text_of(found)


_NOTHING = object()


def _part(value: Any, key: Any) -> Any:
    """What is under a key of an object, or at a place of an array."""
    if isinstance(key, str):
        return value.get(key, _NOTHING) if isinstance(value, dict) else _NOTHING
    if isinstance(value, list) and -len(value) <= key < len(value):
        return value[key]
    return _NOTHING


def _get_text(value: Any, key: Any) -> str | None:
    found = _part(value, key)
    return None if found is _NOTHING else plain_text(found)


_INEXACT = r"[0-9]{16}|0[.]0000|[.][0-9]*0([^0-9]|$)|[\\]u"
"""Texts in which DuckDB may write a number or an escape in another way."""
_SPACED = r"""rtrim(regexp_replace(x, '((?:"(?:[^"\\]|\\.)*"|[^",:])*)([,:]|$)', '\1\2 ', 'g'), ' ')"""
"""DuckDB text: the canonical one of a JSON text without blanks."""
_FEW = 200
"""For so many rows a query of DuckDB's costs more than it brings."""


def _part_at(path: str) -> Kernel:
    """The kernel of `->`: what holds nothing inexact is DuckDB's own business."""
    exact = _kernel(_get, JSONB)
    part = f"json_extract(a, {path.replace('{1}', 'b')})::VARCHAR"
    spaced = f"CASE WHEN starts_with(x, '{{') OR starts_with(x, '[') THEN {_SPACED} ELSE x END"
    text = f"list_transform([{part}], lambda x: {spaced})[1]"

    def kernel(docs: pa.Array, keys: pa.Array) -> pa.Array:
        if len(docs) <= _FEW:
            return exact(docs, keys)
        made = duck.evaluate([text], {"a": docs, "b": keys}, len(docs))[0]
        inexact = pc.fill_null(pc.match_substring_regex(docs.storage, _INEXACT), False)
        if inexact.true_count:
            made = pc.replace_with_mask(made, inexact, exact(docs.filter(inexact), keys.filter(inexact)).storage)
        return pa.ExtensionArray.from_storage(JSONB, made)

    return kernel


def _text_at(name: str, key: pa.DataType, path: str) -> str:
    """DuckDB text of `->>`: what is a text, true or a number that a double keeps is DuckDB's own business."""
    exact = _kernel(_get_text, pa.string())
    duck.at_opening(name, [JSONB, key], pa.string(), exact)
    return (
        f"CASE WHEN regexp_matches({{0}}::VARCHAR, '{_INEXACT.replace('{', '{{').replace('}', '}}')}') "
        f"OR json_type({{0}}, {path}) IN ('OBJECT', 'ARRAY') "
        f"THEN {name}({{0}}, {{1}}) ELSE json_extract_string({{0}}, {path}) END"
    )


get_key = _overload(
    json.get_key, "json_get(j jsonb, key text) -> jsonb", _part_at(json.KEY_PATH),
    "('{\"a\": {\"b\": 1.50}}'::jsonb -> 'a')::text = '{\"b\": 1.50}'",
)  # fmt: skip
get_item = _overload(
    json.get_item,
    "json_get(j jsonb, i bigint) -> jsonb",
    _part_at(json.PLACE_PATH),
    "('[1, [2,3]]'::jsonb -> -1)::text = '[2, 3]'",
)
get_key_text = declare(
    "json_get_text(j jsonb, key text) -> text",
    json.get_key_text.description,
    operator="->>",
    example="('{\"a\": [1,2]}'::jsonb ->> 'a') = '[1, 2]'",
    duck=_text_at("jsonb_text_of_key", pa.string(), json.KEY_PATH),
)
get_item_text = declare(
    "json_get_text(j jsonb, i bigint) -> text",
    json.get_item_text.description,
    operator="->>",
    example="('[1, [2,3]]'::jsonb ->> 1) = '[2, 3]'",
    duck=_text_at("jsonb_text_of_item", pa.int64(), json.PLACE_PATH),
)
element = _of_jsonb(
    json_paths.json_element, "jsonb_array_element(j jsonb, i bigint) -> jsonb", _get, JSONB,
    "jsonb_array_element('[1, 2]'::jsonb, -1) = '2'",
)  # fmt: skip


def _wrong(message: str) -> DataError:
    return DataError(message, sqlstate="22023")


def _not(kind: str, what: str) -> DataError:
    return _wrong(f"cannot {what} of a JSON value that is not an {kind}")


def _elements(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _not("array", "extract elements")
    return value


def _fields(value: Any) -> list[Any]:
    if not isinstance(value, dict):
        raise _not("object", "take values")
    return list(value.values())


def _all_of(like: Function, parts: Callable[[Any], list[Any]], example: str) -> Function:
    """The function that gives all elements, or all values, as an array of jsonb or of texts."""
    as_text = like.name.endswith("_text")
    written = plain_text if as_text else text_of
    result = _TEXTS if as_text else pa.list_(JSONB)
    signature = f"{like.name}(j jsonb) -> {'text' if as_text else 'jsonb'}[]"
    return _of_jsonb(like, signature, lambda value: [written(part) for part in parts(value)], result, example)


elements, elements_text, values, values_text = (
    _all_of(like, parts, example)
    for like, parts, example in (
        (json_changes.json_elements, _elements, "cardinality(json_elements('[1, 2]'::jsonb)) = 2"),
        (
            json_changes.json_elements_text,
            _elements,
            "json_elements_text('[[1,2], \"a\"]'::jsonb) = ARRAY['[1, 2]', 'a']",
        ),
        (json_changes.json_values, _fields, 'cardinality(json_values(\'{"a": 1, "b": 2}\'::jsonb)) = 2'),
        (json_changes.json_values_text, _fields, "json_values_text('{\"a\": [1,2]}'::jsonb) = ARRAY['[1, 2]']"),
    )
)

# ---------------------------------------------------------------- comparison


def _includes(whole: Any, part: Any) -> bool:
    """PostgreSQL's containment: an array holds what each of the other's elements is held by, in any order and number;
    at the top an array also holds an element that stands alone."""
    if isinstance(whole, list) and not isinstance(part, (list, dict)):
        return any(_same(item, part) for item in whole)
    return _holds(whole, part)


def _holds(whole: Any, part: Any) -> bool:
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(key in whole and _holds(whole[key], item) for key, item in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        return all(any(_holds(item, wanted) for item in whole) for wanted in part)
    return _same(whole, part)


def _same(left: Any, right: Any) -> bool:
    """Whether two scalars are one value; to Python true is 1."""
    if isinstance(left, (dict, list)) or isinstance(right, (dict, list)):
        return False
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        return same_number(left, right)
    return type(left) is type(right) and bool(left == right)


_NUMBERS = frozenset((int, float, Decimal))


_exactly_includes = _kernel(_includes, pa.bool_())


def _includes_all(whole: pa.Array, part: pa.Array) -> pa.Array:
    """The kernel of `@>`: of many rows and one part, only those are read whose texts have all its names and values."""
    if len(whole) <= _FEW or not part[0].is_valid or not pc.all(pc.equal(part.storage, part.storage[0])).as_py():
        return _exactly_includes(whole, part)
    maybe = whole.is_valid()
    for piece in _pieces(stored_value(part.storage[0].as_py())):
        maybe = pc.and_kleene(maybe, pc.match_substring(whole.storage, piece))
    maybe = pc.fill_null(maybe, False)
    found = _exactly_includes(whole.filter(maybe), part.filter(maybe))
    none = pc.if_else(whole.is_valid(), False, pa.scalar(None, pa.bool_()))
    return pc.replace_with_mask(none, maybe, found)


def _pieces(part: Any, name: str = "") -> Iterator[str]:
    """Texts that are in the canonical text of whatever includes a value: its scalars, behind the names they have; of
    numbers the digits that all of one value begin with."""
    if isinstance(part, dict):
        for key, item in part.items():
            yield from _pieces(item, f"{text_of(key)}: ")
    elif isinstance(part, list):
        for item in part:
            yield from _pieces(item)
    else:
        yield name + normal(text_of(part))


contains = _overload(
    json_changes.contains, "array_includes(j jsonb, part jsonb) -> boolean", _includes_all,
    '\'{"a": [1, 2], "b": 3}\'::jsonb @> \'{"a": [2.0]}\'::jsonb',
)  # fmt: skip


@scalar(
    "jsonb_normal(j jsonb) -> jsonb",
    "the value without zeros behind the points of numbers that say nothing, as groups and DISTINCT answer with it",
    example="jsonb_normal('[1.10, 2.0]')::text = '[1.1, 2]'",
    broadcast=True,
)
def jsonb_normal(values: pa.Array) -> pa.Array:
    return pa.ExtensionArray.from_storage(JSONB, normal_texts(values.storage))


@scalar(
    "jsonb_key(j jsonb) -> text",
    "a text that is equal where the values are, by which they are joined",
    example="jsonb_key('1.0') = jsonb_key('1')",
    broadcast=True,
)
def jsonb_key(values: pa.Array) -> pa.Array:
    return normal_texts(values.storage)


@scalar(
    "jsonb_order(j jsonb) -> bytea",
    "bytes that sort as the values do: null, texts, numbers, false, true, arrays, objects",
    example="jsonb_order('10') > jsonb_order('9.5')",
    broadcast=True,
)
def jsonb_order(values: pa.Array) -> pa.Array:
    return order_keys(values.storage)


# ---------------------------------------------------------------- changes


def _joined(left: Any, right: Any) -> str:
    if isinstance(left, dict) and isinstance(right, dict):
        return text_of(sorted_object({**left, **right}))
    return text_of([*_as_list(left), *_as_list(right)])


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


concat = _of_jsonb(
    json_changes.concat, "concat_op(a jsonb, b jsonb) -> jsonb", _joined, JSONB,
    '(\'{"b": 1}\'::jsonb || \'{"a": 2}\'::jsonb)::text = \'{"a": 2, "b": 1}\'',
)  # fmt: skip


def _without(value: Any, key: Any) -> str:
    """Without a key or a text, without each of several, or without an element."""
    if not isinstance(value, (dict, list)):
        raise _wrong("cannot delete from scalar")
    if isinstance(key, int):
        if isinstance(value, dict):
            raise _wrong("cannot delete from object using integer index")
        at = key + len(value) if key < 0 else key
        return text_of([item for place, item in enumerate(value) if place != at])
    gone = {key} if isinstance(key, str) else {item for item in key if item is not None}
    if isinstance(value, dict):
        return text_of({name: item for name, item in value.items() if name not in gone})
    return text_of([item for item in value if not (isinstance(item, str) and item in gone)])


_WITHOUT = (
    ("key text", "('{\"a\": 1, \"b\": 2}'::jsonb - 'a')::text = '{\"b\": 2}'"),
    ("i bigint", "('[1, 2]'::jsonb - -1)::text = '[1]'"),
    ("keys text[]", "('{\"a\": 1, \"b\": 2}'::jsonb - ARRAY['a', 'b'])::text = '{}'"),
)
without_key, without_item, without_keys = (
    _of_jsonb(json_changes.without, f"subtract(j jsonb, {what}) -> jsonb", _without, JSONB, example)
    for what, example in _WITHOUT
)


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stripped(item) for key, item in value.items() if item is not None}
    return [_stripped(item) for item in value] if isinstance(value, list) else value


strip_nulls = _of_jsonb(
    json.json_strip_nulls, "json_strip_nulls(j jsonb) -> jsonb", lambda value: text_of(_stripped(value)), JSONB,
    'json_strip_nulls(\'[{"a": null, "b": 1}, null]\'::jsonb)::text = \'[{"b": 1}, null]\'',
)  # fmt: skip


def _at_path(like: Function, body: Callable[..., Any], more: str, example: str) -> Function:
    name = like.name
    plain = f"{name}(j jsonb, path text[]{more.partition(';')[0]}) -> jsonb"
    further = more.partition(";")[2]
    whole = f"{plain}; {name}(j jsonb, path text[]{further}) -> jsonb" if further else plain
    return _of_jsonb(like, whole, body, JSONB, example)


set_at = _at_path(
    json_paths.json_set, json_at_path.with_value, ", value jsonb;, value jsonb, create boolean",
    "jsonb_set('{\"a\": [1, 2]}'::jsonb, ARRAY['a', '0'], '7'::jsonb) ->> 'a' = '[7, 2]'",
)  # fmt: skip
insert_at = _at_path(
    json_paths.json_insert, json_at_path.with_inserted, ", value jsonb;, value jsonb, after boolean",
    "jsonb_insert('{\"a\": [1, 2]}'::jsonb, ARRAY['a', '0'], '7'::jsonb) ->> 'a' = '[7, 1, 2]'",
)  # fmt: skip
delete_at = _at_path(
    json_paths.json_delete,
    json_at_path.without,
    "",
    "jsonb_delete_path('{\"a\": [1, 2]}'::jsonb, ARRAY['a', '0'])::text = '{\"a\": [2]}'",
)
