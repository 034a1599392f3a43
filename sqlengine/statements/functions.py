"""CREATE FUNCTION in SQL, and the names of functions in DROP and COMMENT."""

from __future__ import annotations

from sqlengine import errors, sql
from sqlengine.catalog.objects import CALL, SqlFunction, View
from sqlengine.errors import (
    DependentObjects,
    DuplicateFunction,
    InvalidDefinition,
    NotSupportedError,
    UndefinedFunction,
)
from sqlengine.functions.user import UserFunction
from sqlengine.result import Result
from sqlengine.runtime.sql_functions import load_functions, sql_function
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.types import from_sql, to_sql


def create_function(statement: ast.CreateFunction, context: Context) -> Result:
    """CREATE [OR REPLACE] FUNCTION name (...) RETURNS type LANGUAGE sql."""
    if statement.language != "sql":
        raise NotSupportedError(
            f'language "{statement.language}" is not supported',
            hint="LANGUAGE sql; Python functions are registered with @db.function",
        )
    instance = context.instance
    with instance.lock:
        name = function_name(statement.name)
        known, replaced = instance.functions.find(name), instance.catalog.find((name + CALL,))
        obj = SqlFunction(
            name=name + CALL,
            params=statement.params,
            returns=statement.returns,
            body=statement.body,
            strict=statement.strict,
            inputs=called_in(statement.body, context),
            comment=None if replaced is None else replaced.comment,
            created_us=instance.clock.now_us(),
            sql=statement.text,
        )
        made = sql_function(obj, instance.functions)
        if known is not None:
            _check_replacement(statement, known, made, obj, context)
        instance.catalog.add(context.owned(obj, replaced), replace_existing=known is not None)
        load_functions(instance)  # those that call it have the new body too
    return Result("CREATE FUNCTION")


def _check_replacement(
    statement: ast.CreateFunction, known: UserFunction, made: UserFunction, obj: SqlFunction, context: Context
) -> None:
    """A function can be replaced by one that is called alike, while no query runs with it."""
    if known.body is None or not statement.or_replace:
        raise DuplicateFunction(
            f'function "{known.name}" already exists',
            detail=f"it is declared as {known.signature.text}",
            hint="CREATE OR REPLACE FUNCTION" if known.body is not None else "the program has registered it",
        )
    if (known.params, known.returns) != (made.params, made.returns):
        raise InvalidDefinition(
            "cannot change the parameters or the type of an existing function",
            detail=f"it is declared as {known.signature.text}",
            hint=f"DROP FUNCTION {known.name} first",
            sqlstate="42P13",
        )
    over = context.instance.catalog.dependents(obj.name)
    if {obj.name, *(o.name for o in over)} & set(obj.inputs):
        raise InvalidDefinition(f'function "{known.name}" calls itself', sqlstate="42P13")
    running = [o for o in over if not isinstance(o, (SqlFunction, View))]
    if running:
        raise DependentObjects(
            f"cannot replace function {obj.name} because running queries use it",
            detail="\n".join(f"{o.kind} {o.name} uses function {obj.name}" for o in running),
            hint="give the new function another name, and replace the queries",
        )


def called_in(body: str, context: Context) -> tuple[str, ...]:
    """The functions in SQL that a body calls, as the catalog knows them."""
    query = sql.parse_query(body if body.lstrip().lower().startswith("select") else f"SELECT {body}")
    return functions_of(query, context)


def functions_of(query: ast.Query, context: Context) -> tuple[str, ...]:
    """The functions in SQL that a query calls, as the catalog knows them."""
    names = (name + CALL for name in sql.called_functions(query))
    return tuple(name for name in names if name in context.instance.catalog)


def function_name(name: ast.Name) -> str:
    """What calls it: functions are in schema public."""
    if len(name) > 1 and name[:-1] != ("public",):
        raise NotSupportedError("functions are in schema public", hint=f"leave {'.'.join(name[:-1])} out")
    return name[-1]


def function_object(name: ast.Name, arguments: tuple[str, ...] | None, context: Context) -> SqlFunction:
    """The function that DROP or COMMENT names; UndefinedFunction (42883) when it takes other arguments."""
    called = function_name(name)
    known = context.instance.functions.find(called)
    if known is not None and known.body is None:
        raise NotSupportedError("functions of the program cannot be dropped", hint="they go with the process")
    found = context.instance.catalog.find((called + CALL,))
    given = None if arguments is None else tuple(from_sql(kind) for kind in arguments)
    if known is None or not isinstance(found, SqlFunction) or (given is not None and given != known.params):
        shown = "" if given is None else ", ".join(map(to_sql, given))
        hint = errors.did_you_mean(called, [f.name for f in context.instance.functions.all()])
        if known is not None:
            hint = f"it is declared as {known.signature.text}"
        raise UndefinedFunction(f"function {called}({shown}) does not exist", hint=hint)
    return found
