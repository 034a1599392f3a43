"""A statement of several parts that is one: all of them see what was there before it, and what they write is written
together or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pyarrow as pa

from sqlengine.catalog.objects import Stream, Table
from sqlengine.catalog.system import lent_table
from sqlengine.errors import InvalidDefinition
from sqlengine.result import Result
from sqlengine.sql import ast
from sqlengine.statements.context import Context, Pending
from sqlengine.statements.followed_files import level
from sqlengine.statements.write import commit, flush

Handler = Callable[[Any, Context], Result]


@contextmanager
def one_statement(context: Context) -> Iterator[None]:
    """Within, queries see the moment at which it began and nothing written since; at its end that is appended, or left
    to the transaction that is open. The lock is held all the while: no tick comes between."""
    if context.seen is not None:
        yield
        return
    instance = context.instance
    with instance.lock:
        if context.settings.read_consistency == "strict":
            level(instance)
        stored = [obj for obj in instance.catalog if isinstance(obj, (Stream, Table))]
        with instance.one_moment(stored, context.check), _apart(context):
            yield


@contextmanager
def _apart(context: Context) -> Iterator[None]:
    """What is written waits for the end; an error takes it back."""
    alone = context.transaction is None
    transaction = [] if context.transaction is None else context.transaction
    context.transaction, context.seen = transaction, len(transaction)
    context.moment_us = context.now_us
    try:
        yield
    except BaseException:
        del transaction[context.seen :]
        raise
    finally:
        context.seen = context.moment_us = None
        if alone:
            context.transaction = None
    if alone:
        commit(context, transaction)


@contextmanager
def lending(context: Context, tables: Mapping[str, pa.Table]) -> Iterator[None]:
    """Within, the session's queries read rows under names that nothing else has."""
    before = dict(context.lent)
    context.lent |= {name: lent_table(name, rows) for name, rows in tables.items()}
    try:
        yield
    finally:
        context.lent.clear()
        context.lent |= before


def lending_item(context: Context, item: ast.WithItem, rows: pa.Table) -> AbstractContextManager[None]:
    """`lending` of what an item of WITH gives; InvalidDefinition (42P10) where it names more columns than there are."""
    if item.columns > rows.num_columns:
        raise InvalidDefinition(
            f'WITH query "{item.name}" has {rows.num_columns} columns available but {item.columns} columns specified',
            sqlstate="42P10",
            position=item.position,
        )
    return lending(context, {item.rows: rows})


_READS = re.compile(r"\b(?:select|table|values|from)\b", re.IGNORECASE)


def asks_more(texts: Iterable[str]) -> bool:
    """Whether expressions may read tables in subqueries."""
    return any(_READS.search(text) for text in texts)


_PLAIN = re.compile(r"""(?:[\w.]+|"[^"]*"|'[^']*'|[-+*/|]|\s)*""")


def computes(texts: Iterable[str]) -> bool:
    """Whether expressions may be more than names, literals and arithmetic, which DuckDB has the same words for: the
    translation of a query takes as long as a small change does."""
    return not all(_PLAIN.fullmatch(text) for text in texts)


def as_one(handler: Handler) -> Handler:
    """A handler of statements that change rows, for which RETURNING and ON CONFLICT read what was there before, and
    which change nothing where RETURNING fails."""

    def run(statement: Any, context: Context) -> Result:
        texts = [*statement.returning, *(text for _, text in getattr(statement, "conflict_set", ()))]
        if not asks_more(texts):
            return _answered_first(handler, statement, context) if statement.returning else handler(statement, context)
        with one_statement(context):
            return handler(statement, context)

    return run


def _answered_first(handler: Handler, statement: Any, context: Context) -> Result:
    """What a handler writes waits until it has answered; nobody changes what it has seen meanwhile."""
    if context.transaction is not None:
        return handler(statement, context)
    pending: list[Pending] = []
    with context.instance.lock:
        context.transaction = pending
        try:
            result = handler(statement, context)
        finally:
            context.transaction = None
        flush(context, pending)
    return result
