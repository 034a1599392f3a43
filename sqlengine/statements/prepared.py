"""PREPARE, EXECUTE and DEALLOCATE: statements a session keeps under a name, with $1, $2, ... for values to come."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlengine import sql, types
from sqlengine.errors import DuplicateObject, SyntaxError, UndefinedObject, did_you_mean  # noqa: A004 - SQL's word
from sqlengine.result import Result
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.select import run_snapshot


def prepare(statement: ast.Prepare, context: Context) -> Result:
    """Keep a statement; 42P05 when the name is taken, UndefinedObject (42704) for an unknown type."""
    if isinstance(statement.statement, (ast.Prepare, ast.Execute, ast.Deallocate)):
        raise SyntaxError("PREPARE takes a statement that can be run", position=statement.statement.position)
    for name in statement.types:
        types.from_sql(name)
    if statement.name in context.prepared:
        raise DuplicateObject(
            f'prepared statement "{statement.name}" already exists',
            sqlstate="42P05",
            hint=f"DEALLOCATE {statement.name} forgets it",
        )
    context.prepared[statement.name] = statement
    return Result("PREPARE")


def executed(statement: ast.Execute, context: Context) -> ast.Statement:
    """What an EXECUTE runs, its values in place; 26000 for an unknown name, 42601 for another number of values."""
    found = kept(context, statement.name)
    wanted = max(len(found.types), sql.parameter_count(found.statement.text))
    if wanted != len(statement.arguments):
        raise SyntaxError(
            f'wrong number of parameters for prepared statement "{statement.name}"',
            detail=f"expected {wanted} parameters but got {len(statement.arguments)}",
        )
    values = _values(statement, found, context)
    made = sql.bind_params(found.statement, values) if values else found.statement
    return replace(made, position=statement.position)


def deallocate(statement: ast.Deallocate, context: Context) -> Result:
    """Forget one kept statement, or all."""
    if statement.name is None:
        context.prepared.clear()
        context.protocol_statements.clear()
        return Result("DEALLOCATE ALL")
    if statement.name in context.protocol_statements:
        del context.protocol_statements[statement.name]
        return Result("DEALLOCATE")
    del context.prepared[kept(context, statement.name).name]
    return Result("DEALLOCATE")


def kept(context: Context, name: str) -> ast.Prepare:
    """What PREPARE keeps under a name; UndefinedObject (26000)."""
    if name not in context.prepared:
        raise UndefinedObject(
            f'prepared statement "{name}" does not exist', sqlstate="26000", hint=did_you_mean(name, context.prepared)
        )
    return context.prepared[name]


def _values(statement: ast.Execute, found: ast.Prepare, context: Context) -> list[Any]:
    """The values of the arguments, cast to the types PREPARE named."""
    if not statement.arguments:
        return []
    kinds = [*found.types, *([""] * (len(statement.arguments) - len(found.types)))]
    items = [f"CAST({text} AS {kind})" if kind else text for text, kind in zip(statement.arguments, kinds, strict=True)]
    row = run_snapshot(context, sql.parse_query("SELECT " + ", ".join(items)))
    return [column[0].as_py() for column in row.columns]
