"""PostgreSQL's functions of its catalog for the snapshot executor: how a call is spelt, and who answers it.

One function of DuckDB serves all of them: it is given a number that stands for the Facts of the running statement, the
function's name and the arguments as texts, and answers a text.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import pyarrow as pa

from sqlengine import duck, sql
from sqlengine.catalog.pg.facts import Facts
from sqlengine.catalog.pg.functions import PgFunction, call, overload
from sqlengine.catalog.pg.functions.names import REG_TYPES, reg_out
from sqlengine.catalog.pg.relations import OID

NOBODY = "0"
"""The number under which nothing is answered but NULL: for describing a query."""

_facts: dict[int, Facts] = {}
_numbers = itertools.count(1)

_DUCK = {
    "bool": "BOOLEAN",
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
    "float8": "DOUBLE",
    "timestamptz": "TIMESTAMPTZ",
    **dict.fromkeys("oid regclass regtype regproc regprocedure regnamespace regrole".split(), "UINTEGER"),
    "xid8": "BIGINT",
}
"""What carries a function's answer in DuckDB; what is not here is text."""


def spelling(function: PgFunction, args: Sequence[str]) -> str:
    """DuckDB text of a call."""
    _register()
    texts = ", ".join(f"CAST({arg} AS VARCHAR)" for arg in args)
    name = "pg_call_each_row" if function.volatile else "pg_call"
    made = f"{name}({sql.STATEMENT}, '{function.name}', CAST([{texts}] AS VARCHAR[]))"
    if function.result.endswith("[]"):
        return f"from_json({made}, '[\"{_DUCK.get(function.result[:-2], 'VARCHAR')}\"]')"
    return f"CAST({made} AS {_DUCK[function.result]})" if function.result in _DUCK else made


@contextmanager
def answering(facts: Facts) -> Iterator[str]:
    """While it lasts, calls in text with this number are answered from the Facts."""
    number = next(_numbers)
    _facts[number] = facts
    try:
        yield str(number)
    finally:
        del _facts[number]


def prints(kind: str | None) -> bool:
    """Whether values of a type are numbers that are shown as names: reg* and arrays of them."""
    return kind is not None and kind.removesuffix("[]") in REG_TYPES


def printed_type(kind: str, dtype: pa.DataType) -> pa.DataType:
    """The Arrow type that a column of one of PostgreSQL's types has in an answer."""
    if kind == "int4" and dtype == pa.int64():
        return pa.int32()
    return dtype if not prints(kind) else pa.list_(pa.string()) if pa.types.is_list(dtype) else pa.string()


def with_oids(kinds: Sequence[str | None], schema: pa.Schema) -> list[str | None]:
    """The types of an answer's columns, where the executor's own tell of oids that the tree did not."""
    found = {OID: "oid", pa.list_(OID): "oid[]"}
    return [found.get(_plain(f.type)) if kind is None else kind for f, kind in zip(schema, kinds, strict=True)]


def _plain(dtype: pa.DataType) -> pa.DataType:
    return pa.list_(dtype.value_type) if pa.types.is_list(dtype) else dtype


def printed(
    table: pa.Table, schema: pa.Schema, kinds: Sequence[str | None], number: str, keeps: Callable[[int], bool]
) -> pa.Table:
    """An answer with names in the places of the numbers behind reg* types; `schema` is as `printed_type` says.

    `keeps`: whether a column, by its position, stays the numbers that PostgreSQL's binary format has.
    """
    is_number = [prints(kind) and c.type != f.type for c, f, kind in zip(table.columns, schema, kinds, strict=True)]
    fields = [f.with_type(c.type) if n else f for c, f, n in zip(table.columns, schema, is_number, strict=True)]
    columns = [c if n else c.cast(f.type) for c, f, n in zip(table.columns, fields, is_number, strict=True)]
    made = pa.Table.from_arrays(columns, schema=pa.schema(fields))
    return named(made, kinds, lambda: _facts[int(number)], keeps) if any(is_number) else made


def named(
    table: pa.Table, kinds: Sequence[str | None], facts: Callable[[], Facts], keeps: Callable[[int], bool]
) -> pa.Table:
    """Rows with names in the places of those numbers behind reg* types that are not kept."""
    for position, (field, kind) in enumerate(zip(table.schema, kinds, strict=True)):
        if kind is None or not prints(kind) or pa.types.is_string(_element(field.type)) or keeps(position):
            continue
        show = partial(_shown, facts(), kind.removesuffix("[]"))
        values = [[show(v) for v in x] if isinstance(x, list) else show(x) for x in table[position].to_pylist()]
        shown = field.with_type(printed_type(kind, field.type))
        table = table.set_column(position, shown, pa.array(values, shown.type))
    return table


def _element(dtype: pa.DataType) -> pa.DataType:
    return dtype.value_type if pa.types.is_list(dtype) else dtype


def _shown(facts: Facts, kind: str, oid: int | None) -> str | None:
    return None if oid is None else reg_out(facts, kind, oid)


def _register() -> None:
    params = [pa.int64(), pa.string(), pa.list_(pa.string())]
    duck.create_function("pg_call", params, pa.string(), _answer, volatile=False)
    duck.create_function("pg_call_each_row", params, pa.string(), _answer, volatile=True)


def _answer(numbers: pa.Array, names: pa.Array, arguments: pa.Array) -> pa.Array:
    """One text a row; rows with the same arguments are asked for once."""
    known: dict[tuple[str, tuple[str | None, ...]], str | None] = {}
    answers: list[str | None] = []
    for number, name, given in zip(numbers.to_pylist(), names.to_pylist(), arguments.to_pylist(), strict=True):
        facts, key = _facts.get(number), (name, tuple(given))
        function = overload(name, len(given))
        if facts is None or function is None:
            answers.append(None)
        elif function.volatile:
            answers.append(call(facts, name, given))
        else:
            if key not in known:
                known[key] = call(facts, name, given)
            answers.append(known[key])
    return pa.array(answers, pa.string())
