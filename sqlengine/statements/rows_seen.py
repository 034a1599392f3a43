"""The rows of stored and of computed objects, as a session sees them at this moment."""

from __future__ import annotations

import pyarrow as pa

from sqlengine.catalog.objects import CatalogObject, Table
from sqlengine.catalog.system import SystemTable
from sqlengine.runtime.reader import Confined
from sqlengine.statements.context import Context
from sqlengine.statements.own_writes import own_change, rows_with
from sqlengine.statements.system_rows import system_rows


def plain_contents(context: Context, obj: CatalogObject, confined: Confined | None = None) -> pa.Table:
    """An object's rows, no text of them as a dictionary; `confined`: as of `Instance.contents`."""
    if isinstance(obj, SystemTable):
        return system_rows(context, obj)
    return context.instance.contents(obj, confined=confined) if confined else as_seen(context, obj)


def as_seen(context: Context, obj: CatalogObject, *, packed: bool = False, rows: int | None = None) -> pa.Table:
    """An object's rows; of a table also what the session's open transaction has made of them."""
    if context.transaction and isinstance(obj, Table):
        own = own_change(context.transaction[: context.seen], obj, context.instance.catalog.oid(obj.name))
        if own is not None:
            return rows_with(own, context.instance.contents(obj), obj)
    return context.instance.contents(obj, packed=packed, rows=rows)
