"""Columns that depend on a grouped primary key: PostgreSQL lets them stand alone, DuckDB wants them grouped, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.nodes import find_all


@dataclass(frozen=True)
class KeyedTable:
    """A table in FROM under its name there, with its columns and its primary key, empty when it has none."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]


def group_dependents(select: exp.Select, tables: Sequence[KeyedTable]) -> None:
    """Group also by the mentioned columns of tables whose whole primary key is grouped by; all names are folded."""
    group = select.args.get("group")
    if group is None or any(group.args.get(sets) for sets in ("grouping_sets", "rollup", "cube", "all")):
        return
    keys = {_owner(key, tables) for key in _meant(select, group)}
    for table in tables:
        if not table.key or any((table.name, part) not in keys for part in table.key):
            continue
        mentioned = _mentioned(select, table, tables)
        for name in table.columns:
            if name in mentioned and (table.name, name) not in keys:
                group.append("expressions", exp.column(name, table.name, quoted=True))


def _meant(select: exp.Select, group: exp.Expr) -> list[exp.Expr]:
    """The grouping expressions, positions and output names spelt out."""
    items = [item.unalias() for item in select.expressions]
    named = {item.alias: item.unalias() for item in select.expressions if isinstance(item, exp.Alias)}
    meant: list[exp.Expr] = []
    for key in group.expressions:
        if isinstance(key, exp.Literal) and str(key.this).isdigit() and 0 < int(key.this) <= len(items):
            meant.append(items[int(key.this) - 1])
        elif isinstance(key, exp.Column) and not key.table and key.name in named:
            meant += [key, named[key.name]]
        else:
            meant.append(key)
    return meant


def _owner(column: Any, tables: Sequence[KeyedTable]) -> tuple[str, str] | None:
    """(table, name) of a column of one of the tables."""
    if not isinstance(column, exp.Column) or isinstance(column.this, exp.Star):
        return None
    if column.table:
        return column.table, column.name
    owner = next((table for table in tables if column.name in table.columns), None)
    return None if owner is None else (owner.name, column.name)


def _mentioned(select: exp.Select, table: KeyedTable, tables: Sequence[KeyedTable]) -> set[str]:
    """The table's columns that the block names, or means by a star."""
    found: set[str] = set()
    for key in ("expressions", "having", "qualify", "order"):
        value = select.args.get(key)
        for part in value if isinstance(value, list) else [value] if value is not None else []:
            if _is_star_of(part, table):
                found |= set(table.columns)
            owners = (_owner(column, tables) for column in find_all(part, exp.Column))
            found |= {owner[1] for owner in owners if owner is not None and owner[0] == table.name}
    return found


def _is_star_of(item: exp.Expr, table: KeyedTable) -> bool:
    if isinstance(item, exp.Star):
        return True
    return isinstance(item, exp.Column) and isinstance(item.this, exp.Star) and item.table == table.name
