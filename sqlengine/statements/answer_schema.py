"""The columns that a query answers with, before it is run."""

from __future__ import annotations

import pyarrow as pa

from sqlengine.errors import NotSupportedError
from sqlengine.expr.session_facts import session_facts
from sqlengine.runtime.one_shot import prepare
from sqlengine.snapshot.expand import Expanded, OwnOperators
from sqlengine.sql import ast
from sqlengine.sql.dialect import POSTGRES
from sqlengine.statements.context import Context
from sqlengine.statements.planned_select import facts_of


def answer_schema(query: ast.Query, context: Context, *, makes_rows: bool = True) -> pa.Schema:
    """Names and types as whoever answers the query gives them; binding errors as errors.Error. `makes_rows`: see
    `prepare`."""
    with context.instance.lock:
        if query.dialect == POSTGRES:
            try:
                expanded = context.instance.expanded(query, context.lent)
            except OwnOperators:
                pass
            else:
                return _of_jsonb(query, context, expanded) or expanded.describe()
        with session_facts(facts_of(context)):
            return prepare(query, context.instance.planning, makes_rows=makes_rows).schema


def _of_jsonb(query: ast.Query, context: Context, expanded: Expanded) -> pa.Schema | None:
    """The columns of a query that asks of jsonb; None where DuckDB answers it (statements/select.py)."""
    if not expanded.jsonb or context.lent:
        return None
    try:
        with session_facts(facts_of(context)):
            return prepare(query, context.instance.planning).schema
    except NotSupportedError:
        return None
