"""Choices: the greatest and least value, assertions, and values made anew for each row."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import errors
from sqlengine.catalog.verifier import unguessable
from sqlengine.functions.registry import Function, Value, scalar


def _extreme(name: str, arrow: Callable[..., Value], word: str, example: str) -> Function:
    """NULL when an argument is NULL; of texts by their bytes."""

    def kernel(*values: pa.Array) -> Value:
        if not pa.types.is_string(values[0].type):
            return arrow(*values, skip_nulls=False)
        best = values[0]
        for other in values[1:]:
            wins = (pc.greater if name == "greatest" else pc.less)(other, best)
            best = pc.if_else(wins, other, best)
        return best

    return scalar(
        f"hive${name}(VARIADIC values anyelement) -> anyelement",
        f"the {word} of the values; NULL when one is NULL",
        example=example,
        broadcast=True,
    )(kernel)


greatest = _extreme("greatest", pc.max_element_wise, "greatest", "greatest(2, 3, 1) = 3")
least = _extreme("least", pc.min_element_wise, "least", "least(2, 3, 1) = 1")


def _assertion(name: str) -> Function:
    def kernel(condition: pa.Array) -> Value:
        if not pc.all(pc.fill_null(condition, False), min_count=0).as_py():
            raise errors.DataError(f"{name}(): assertion failed", sqlstate="P0004")
        return pa.nulls(len(condition), pa.string())

    return scalar(
        f"hive${name}(condition boolean) -> text",
        "NULL, or an error when the condition is not true",
        example=f"{name}(1 < 2) IS NULL",
        strict=False,
        broadcast=True,
        can_raise=True,
    )(kernel)


assert_true, assert_true_oom = _assertion("assert_true"), _assertion("assert_true_oom")


@scalar(
    "hive$uuid_of(rows integer) -> text",
    "a random UUID (RFC 9562, version 4) for each row",
    volatility="volatile",
    broadcast=True,
)
def uuid_of(rows: pa.Array) -> pa.Array:
    raw = unguessable(16 * len(rows))
    return pa.array([str(uuid.UUID(bytes=raw[at : at + 16], version=4)) for at in range(0, len(raw), 16)], pa.string())
