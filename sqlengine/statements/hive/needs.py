"""What Hive's statements need of a role; see statements/access.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from sqlengine.catalog.authority import Target, target_of
from sqlengine.catalog.catalog import DEFAULT_SCHEMA
from sqlengine.catalog.objects import CatalogObject
from sqlengine.catalog.roles import READ_FILES, WRITE_FILES
from sqlengine.errors import InsufficientPrivilege
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.hive.found import is_inside, local_path


class Asking(Protocol):
    """The part of check.Check this file needs."""

    context: Context
    authority: Any

    def create_in(self, name: ast.Name) -> None: ...  # noqa: D102 - as in check.Check
    def owned(self, name: ast.Name) -> None: ...  # noqa: D102
    def named(self, name: ast.Name) -> CatalogObject | None: ...  # noqa: D102
    def privilege(self, target: Target, privilege: str) -> None: ...  # noqa: D102
    def read(self, query: ast.Query | None) -> None: ...  # noqa: D102
    def read_object(self, obj: CatalogObject | None) -> None: ...  # noqa: D102
    def write(self, name: ast.Name, privileges: Any) -> None: ...  # noqa: D102
    def superuser(self, doing: str, predefined: str | None = None) -> None: ...  # noqa: D102


Need = Callable[[Any, Asking], None]


def _nothing(statement: ast.Statement, check: Asking) -> None:
    """Everybody may, or the handler decides."""


def _place(location: str, check: Asking) -> None:
    """To have a place of one's own for files: within the warehouse it is nothing special."""
    if location and not is_inside(local_path(location), check.context.instance.warehouse.location):
        check.superuser("read server files", READ_FILES)
        check.superuser("write server files", WRITE_FILES)


def _create_database(statement: ast.CreateDatabase, check: Asking) -> None:
    if not check.context.instance.catalog.roles.by_id(check.authority.role).create_db:
        raise InsufficientPrivilege("permission denied to create schema", hint="a role with CREATEDB may do so")
    _place(statement.location, check)


def _alter_database(statement: ast.AlterDatabase, check: Asking) -> None:
    if statement.name != DEFAULT_SCHEMA:
        check.owned((statement.name,))
    _place(statement.location or "", check)


def _create_table(statement: ast.CreateFileTable, check: Asking) -> None:
    check.create_in(statement.name)
    check.read(statement.query)
    if statement.like is not None:
        check.read_object(check.named(statement.like))
    if statement.like_file is not None:
        check.superuser("read server files", READ_FILES)
    _place(statement.location, check)
    if statement.source is not None:
        _place(dict(statement.source.options).get("path", ""), check)


def _alter_table(statement: ast.AlterFileTable, check: Asking) -> None:
    check.owned(statement.name)
    change = statement.change
    if change.verb == "rename_to" and change.new_name is not None:
        check.create_in(change.new_name)
    if change.verb == "exchange" and change.new_name is not None:
        check.owned(change.new_name)
    if change.verb == "set_location":
        _place(change.text, check)
    for _, location in change.partitions:
        _place(location, check)


def _insert(statement: ast.HiveInsert, check: Asking) -> None:
    for target in statement.targets:
        check.read(target.query)
        if target.directory is not None:
            check.superuser("write server files", WRITE_FILES)
            continue
        needed: dict[str, Any] = {"INSERT": target.columns or None}
        if target.overwrite:
            needed["DELETE"] = None
        check.write(target.name, needed)


def _load(statement: ast.Load, check: Asking) -> None:
    check.write(statement.name, {"INSERT": None, **({"DELETE": None} if statement.overwrite else {})})
    check.superuser("load server files", READ_FILES)


def _truncate(statement: ast.TruncateFiles, check: Asking) -> None:
    if (found := check.named(statement.name)) is not None:
        check.privilege(target_of(found), "TRUNCATE")


def _export(statement: ast.Export, check: Asking) -> None:
    check.read_object(check.named(statement.name))
    check.superuser("write server files", WRITE_FILES)


def _import(statement: ast.Import, check: Asking) -> None:
    check.superuser("read server files", READ_FILES)
    if statement.name is not None:
        found = check.named(statement.name)
        check.create_in(statement.name) if found is None else check.write(statement.name, {"INSERT": None})
    _place(statement.location, check)


def _owned(statement: Any, check: Asking) -> None:
    check.owned(statement.name)


def _function(statement: Any, check: Asking) -> None:
    check.superuser("create functions")


def _cache(statement: ast.CacheTable, check: Asking) -> None:
    if statement.query is None:
        check.read_object(check.named(statement.name))
        return
    check.create_in(statement.name)
    check.read(statement.query)


def _uncache(statement: ast.UncacheTable, check: Asking) -> None:
    if statement.name and check.named(statement.name) is not None:
        check.owned(statement.name)


def _refresh(statement: ast.RefreshTable, check: Asking) -> None:
    if statement.path is None:
        check.read_object(check.named(statement.name))


def _commented(statement: ast.CommentedView, check: Asking) -> None:
    check.create_in(statement.view.name)
    check.read(statement.view.query)
    if statement.view.or_replace:
        check.owned(statement.view.name)


HIVE_NEEDS: dict[type[ast.Statement], Need] = {
    ast.AddResource: _nothing,
    ast.AlterDatabase: _alter_database,
    ast.AlterFileTable: _alter_table,
    ast.Analyze: _owned,
    ast.CommentedView: _commented,
    ast.CreateDatabase: _create_database,
    ast.CreateFileTable: _create_table,
    ast.CreateHiveFunction: _function,
    ast.CreateMacro: _nothing,
    ast.DropHiveFunction: _function,
    ast.DropMacro: _nothing,
    ast.DropTable: _owned,
    ast.Export: _export,
    ast.HiveDescribe: _nothing,
    ast.HiveInsert: _insert,
    ast.HiveReset: _nothing,
    ast.HiveSet: _nothing,
    ast.HiveShow: _nothing,
    ast.Import: _import,
    ast.Load: _load,
    ast.Msck: _owned,
    ast.TruncateFiles: _truncate,
    ast.CacheTable: _cache,
    ast.UncacheTable: _uncache,
    ast.RefreshTable: _refresh,
    ast.Use: _nothing,
}
"""By the class of a statement."""
