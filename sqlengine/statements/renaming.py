"""ALTER ... RENAME TO, SET SCHEMA and SWAP WITH: objects go by other names, and what runs for them goes on.

They are refused while something depends on a name: queries are kept as texts, which say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import STREAM_QUERY, CatalogObject, MaterializedView, Namespace, Sink
from sqlengine.errors import (
    DependentObjects,
    DuplicateTable,
    InvalidDefinition,
    NotSupportedError,
    UndefinedObject,
    did_you_mean,
)
from sqlengine.result import Result
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.drop import KINDS
from sqlengine.statements.indexes import rename_index

V = TypeVar("V")
_SWAPPED = ("table", "view", "materialized view", "stream", "source", "sink")
_MOVED = (*_SWAPPED, "subscription")


def rename(statement: ast.Rename, context: Context) -> Result:
    """ALTER kind name RENAME TO new."""
    if statement.kind == "function":
        raise NotSupportedError("ALTER FUNCTION is not supported", hint="DROP FUNCTION and CREATE FUNCTION")
    with context.instance.lock:
        if statement.kind == "index":
            return rename_index(statement, context)
        obj = context.instance.catalog.get(context.prefer_path(statement.name))
        schema, dot, _ = obj.name.rpartition(".")
        _give_names(context, {obj.name: f"{schema}{dot}{statement.new_name}"})
    return Result(f"ALTER {statement.kind.upper()}")


def set_schema(statement: ast.SetSchema, context: Context) -> Result:
    """ALTER kind name SET SCHEMA schema."""
    _require_kind(statement.kind, _MOVED, "SET SCHEMA")
    catalog = context.instance.catalog
    with context.instance.lock:
        obj = catalog.get_as(KINDS[statement.kind], context.prefer_path(statement.name))
        schema = statement.schema
        if schema != "public" and not isinstance(catalog.find((schema,)), Namespace):
            known = ["public", *(o.name for o in catalog if isinstance(o, Namespace))]
            raise UndefinedObject(
                f'schema "{schema}" does not exist', sqlstate="3F000", hint=did_you_mean(schema, known)
            )
        new_name = object_name((schema, obj.name.rpartition(".")[2]))
        if new_name != obj.name:
            _give_names(context, {obj.name: new_name})
    return Result(f"ALTER {statement.kind.upper()}")


def swap_with(statement: ast.SwapWith, context: Context) -> Result:
    """ALTER kind name SWAP WITH other: each has the name of the other."""
    _require_kind(statement.kind, _SWAPPED, "SWAP WITH")
    catalog = context.instance.catalog
    with context.instance.lock:
        paths = context.prefer_path(statement.name), context.prefer_path(statement.other)
        one, other = (catalog.get_as(KINDS[statement.kind], path) for path in paths)
        if one is other:
            raise InvalidDefinition(f'cannot swap {one.kind} "{one.name}" with itself')
        _give_names(context, {one.name: other.name, other.name: one.name})
    context.instance.checkpoints.save()  # the last one knows contents by their names
    return Result(f"ALTER {statement.kind.upper()}")


def _require_kind(kind: str, kinds: tuple[str, ...], action: str) -> None:
    if kind not in kinds:
        raise NotSupportedError(
            f"ALTER {kind.upper()} ... {action} is not supported", hint=f"one of: {', '.join(kinds)}"
        )


def _give_names(context: Context, names: Mapping[str, str]) -> None:
    """Have objects go by other names, in one step; the lock is held.

    Raises DependentObjects (2BP01), DuplicateTable (42P07).
    """
    instance = context.instance
    whole: dict[str, str] = {}
    objects: dict[str, CatalogObject] = {}
    for old, new in names.items():
        obj = instance.catalog.get(tuple(old.split(".")))
        if new in instance.catalog and new not in names:
            raise DuplicateTable(f'relation "{new}" already exists')
        instance.catalog.refuse_if_needed(obj.name, obj.kind, "rename")
        instance.fills.refuse_change(obj.name)
        if obj.name in instance.ingests:
            raise DependentObjects(f'cannot rename "{obj.name}" while its connector feeds it')
        objects[old], whole[old] = obj, new
        written = instance.catalog.find(tuple((old + STREAM_QUERY).split(".")))
        if written is not None:
            objects[written.name], whole[written.name] = written, new + STREAM_QUERY
    queries = {old: instance.query_of(o) for old, o in objects.items() if isinstance(o, (MaterializedView, Sink))}
    instance.catalog.rename({old: replace(obj, name=whole[old]) for old, obj in objects.items()})
    for old, query in queries.items():
        query.name = whole[old]
    _rekey(instance.scheduler.sources, whole)
    _rekey(instance.identities, whole)
    _rekey(instance.outputs, whole)
    _rekey(instance.scheduler.timers, whole)
    derived = instance.scheduler.derived
    moved = {new for old, new in whole.items() if old in derived}
    derived.difference_update(whole)
    derived.update(moved)


def _rekey(entries: dict[str, V], names: Mapping[str, str]) -> None:
    """Put what is under old names under the new ones, which may be old names of others."""
    entries.update({new: entries.pop(old) for old, new in names.items() if old in entries})
