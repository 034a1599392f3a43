"""SET, RESET, macros, functions and resources as Hive has them."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pyarrow as pa

from sqlengine.errors import (
    FileUnavailable,
    InsufficientPrivilege,
    NotSupportedError,
    UndefinedObject,
    did_you_mean,
)
from sqlengine.errors import SyntaxError as QueryError
from sqlengine.result import Result
from sqlengine.settings import setting_names
from sqlengine.sql import ast
from sqlengine.sql.hive.variables import KNOWN, checked_value, is_own_setting, variable_name
from sqlengine.statements.context import Context
from sqlengine.statements.hive.found import local_path
from sqlengine.statements.pg_catalog import setting_text
from sqlengine.statements.session_state import reset as reset_ours
from sqlengine.statements.session_state import set_ as set_ours


def set_(statement: ast.HiveSet, context: Context) -> Result:
    """SET name=value of a variable of Hive's or a setting of ours; SET name, SET, SET -v tell values."""
    name = statement.name
    if name is None:
        return _told(_everything(context, statement.verbose))
    if statement.value is None:
        return _told([_line(context, name)])
    if is_own_setting(name):
        return set_ours(ast.Set(name=name, value=statement.value), context)
    plain = variable_name(name)
    space, _, rest = plain.partition(":")
    if space in ("env", "system"):
        raise NotSupportedError(f"{space} variables cannot be set", hint="SET hivevar:name=value")
    context.settings.hive[plain] = checked_value(rest, statement.value) if space == "hiveconf" else statement.value
    context.settings.changes += 1
    return Result("SET")


def _told(lines: list[str]) -> Result:
    return Result("SET", pa.table({"set": pa.array(lines, pa.string())}))


def _line(context: Context, name: str) -> str:
    if is_own_setting(name):
        return f"{name}={setting_text(context, name)}"
    plain = variable_name(name)
    space, _, rest = plain.partition(":")
    value = context.settings.hive.get(plain)
    if value is None and space == "hiveconf" and rest in KNOWN:
        value = KNOWN[rest][0]
    if space == "env" and not context.settings.is_remote:
        value = os.environ.get(rest)
    return f"{name} is undefined" if value is None else f"{name}={value}"


def _everything(context: Context, verbose: bool) -> list[str]:
    """What was set; with SET -v also what has its first value."""
    known = {f"hiveconf:{name}": value for name, (value, _) in KNOWN.items()} if verbose else {}
    lines = {**known, **context.settings.hive}
    told = [f"{name.removeprefix('hiveconf:')}={value}" for name, value in lines.items()]
    if verbose:
        told += [f"{name}={setting_text(context, name)}" for name in setting_names()]
    return sorted(told)


def reset(statement: ast.HiveReset, context: Context) -> Result:
    """RESET [name]: variables go, settings of ours are as the session began; the dialect stays."""
    name = statement.name
    if name is None:
        context.settings.hive.clear()
    elif is_own_setting(name):
        return reset_ours(ast.Reset(name=name), context)
    else:
        context.settings.hive.pop(variable_name(name), None)
    context.settings.changes += 1
    return Result("RESET")


# ---------------------------------------------------------------- macros and functions


def create_macro(statement: ast.CreateMacro, context: Context) -> Result:
    """CREATE TEMPORARY MACRO: of this session; calls are replaced where text is read."""
    context.settings.macros[statement.name] = (statement.parameters, statement.body)
    context.settings.changes += 1
    return Result("CREATE MACRO")


def drop_macro(statement: ast.DropMacro, context: Context) -> Result:
    """DROP TEMPORARY MACRO."""
    if context.settings.macros.pop(statement.name, None) is None and not statement.if_exists:
        raise UndefinedObject(f'macro "{statement.name}" does not exist')
    context.settings.changes += 1
    return Result("DROP MACRO")


PYTHON = "python:"


def create_function(statement: ast.CreateHiveFunction, context: Context) -> Result:
    """CREATE FUNCTION name AS 'python:module.function': a function of the program, which says its types itself.

    Java classes are refused: there is no virtual machine here.
    """
    implementation = statement.implementation
    if not implementation.startswith(PYTHON):
        raise NotSupportedError(
            f'the Java class "{implementation}" cannot be called',
            detail="functions run in this process, which is no Java virtual machine",
            hint="write it in Python: CREATE FUNCTION f AS 'python:module.function'",
        )
    if context.settings.is_remote:
        raise InsufficientPrivilege("functions of Python cannot be made over the network")
    module, _, attribute = implementation.removeprefix(PYTHON).rpartition(".")
    try:
        function = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UndefinedObject(f'"{implementation}" cannot be found: {error}') from None
    context.instance.functions.define(_under(statement.name[-1], function))
    return Result("CREATE FUNCTION")


def _under(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, called otherwise."""

    @functools.wraps(function)
    def called(*arguments: Any) -> Any:
        return function(*arguments)

    called.__name__ = name
    return called


def drop_function(statement: ast.DropHiveFunction, context: Context) -> Result:
    """DROP FUNCTION of one that CREATE FUNCTION has made."""
    name = statement.name[-1]
    if context.instance.functions.find(name) is None:
        if statement.if_exists:
            context.notice(f'function "{name}" does not exist, skipping')
            return Result("DROP FUNCTION")
        raise UndefinedObject(f'function "{name}" does not exist')
    raise NotSupportedError("functions of the program cannot be dropped", hint="they go with the process")


def add_resource(statement: ast.AddResource, context: Context) -> Result:
    """ADD, LIST and DELETE FILE: files that scripts find under their plain names (transform.py); refused over the
    network, as everything about JARs is anywhere."""
    what = f"{statement.verb.upper()} {statement.kind.upper()}"
    if statement.verb == "list":
        known = context.settings.resources if statement.kind.startswith("file") else []
        return Result(table=pa.table({"resource": pa.array(known, pa.string())}))
    if context.settings.is_remote:
        raise InsufficientPrivilege(f"{what} is not for sessions over the network")
    if not statement.kind.startswith("file"):
        raise NotSupportedError(
            f"{what} is not supported",
            detail="nothing of a JAR can run here: it is no Java virtual machine"
            if statement.kind.startswith("jar")
            else None,
            hint=None if statement.kind.startswith("jar") else "unpack it, and ADD FILE the directory",
        )
    paths = [os.path.abspath(local_path(_unquoted(path))) for path in _PATHS.findall(statement.path)]
    if not paths:
        raise QueryError(f"{what} takes paths", hint="ADD FILE /path/script.py")
    change = _drop_resources if statement.verb == "delete" else _add_resources
    change(context.settings.resources, paths)
    return Result(what)


_PATHS = re.compile(r"'[^']*'|\"[^\"]*\"|\S+")


def _unquoted(path: str) -> str:
    return path[1:-1] if len(path) > 1 and path[0] == path[-1] and path[0] in "'\"" else path


def _add_resources(known: list[str], paths: list[str]) -> None:
    for path in paths:
        if not os.path.exists(path):
            raise FileUnavailable(f'could not add "{path}": no such file or directory')
    known += [path for path in dict.fromkeys(paths) if path not in known]


def _drop_resources(known: list[str], paths: list[str]) -> None:
    for path in paths:
        if path not in known:
            raise UndefinedObject(f'"{path}" was not added', hint=did_you_mean(path, known))
    for path in paths:
        known.remove(path)
