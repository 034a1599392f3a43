"""MERGE: one query over the target joined with the source says which WHEN each row meets and what it gives.

PostgreSQL's meaning: the first WHEN whose condition holds acts; a row of the target that two rows of the source would
change is an error (21000); all changes are one, or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import duck, sql
from sqlengine.catalog.objects import Table
from sqlengine.errors import DatatypeMismatch, InvalidDefinition, WrongObjectType
from sqlengine.quick_dataclass import dataclass
from sqlengine.result import Result
from sqlengine.runtime.rows import conform
from sqlengine.sql import ast
from sqlengine.statements.change import (
    changeable,
    changed_rows,
    check_assigned,
    conformed,
    last_part,
    refuse_taken_keys,
    spelt,
)
from sqlengine.statements.context import Context
from sqlengine.statements.own_writes import left_alone
from sqlengine.statements.returned import Beside, beside
from sqlengine.statements.select import run_text
from sqlengine.statements.write import append_changes, default_of

_ROW, _SOURCE, _MARK, _WHEN = '"$row"', '"$source"', '"$mark"', "$when"


def merge(statement: ast.Merge, context: Context) -> Result:
    """MERGE INTO target USING source ON condition WHEN ... [RETURNING ...]."""
    table = changeable(context, statement.target, "merge into")
    whens = [_spelt_out(table, when, statement) for when in statement.whens]
    with context.instance.lock:
        others = beside(context, statement, table, statement.source) if statement.returning else []
        found = run_text(context, _question(table, statement, whens, others))
        changes = _changes(context, table, whens, found)
        if not left_alone(context, table, changes.old).all():
            raise _second_change()
        refuse_taken_keys(context, table, changes.old, changes.new)
        weights = np.concatenate([-np.ones(changes.old.num_rows, np.int8), np.ones(changes.new.num_rows, np.int8)])
        append_changes(context, table, pa.concat_tables([changes.old, changes.new]), weights)
    tag = f"MERGE {changes.shown.num_rows}"
    pairs = found.take(pa.array(changes.pairs))
    return changed_rows(context, tag, table, changes.shown, statement, {o: o.of(pairs) for o in others})


# ---------------------------------------------------------------- the question


def _alias_of(table: Table, statement: ast.Merge) -> str:
    return duck.quote(statement.alias or last_part(table))


def _spelt_out(table: Table, when: ast.MergeWhen, statement: ast.Merge) -> ast.MergeWhen:
    """The WHEN with its columns named; an UPDATE gives all columns, those it does not set as they are."""
    names = tuple(c.name for c in table.stored_columns())
    check_assigned(table, when.columns)
    if when.action not in ("insert", "update"):
        return when
    columns, values = when.columns, when.values
    if not values:
        source = _source_name(statement)
        columns, values = names, tuple(f"{source}.{duck.quote(n)}" for n in names)
    if when.action == "insert":
        if len(values) > len(names):
            raise DatatypeMismatch("INSERT has more expressions than target columns", sqlstate="42601")
        return replace(when, columns=columns or names[: len(values)], values=values)
    alias, given = _alias_of(table, statement), dict(zip(columns, values, strict=True))
    kept = tuple(f"({given[n]})" if n in given else f"{alias}.{duck.quote(n)}" for n in names)
    return replace(when, columns=names, values=kept)


def _source_name(statement: ast.Merge) -> str:
    """What the source's columns are qualified with, for `SET *` and `INSERT *`."""
    block = sql.lower(sql.parse_query(f"{statement.with_text} SELECT * FROM {statement.source}"))
    relation = block.from_ if isinstance(block, ast.Select) else None
    name = getattr(relation, "alias", None) or (relation.parts[-1] if isinstance(relation, ast.TableRef) else None)
    if name is None:
        raise InvalidDefinition("* needs a source with a name", hint="USING (query) AS name")
    return duck.quote(str(name))


def _question(table: Table, statement: ast.Merge, whens: Sequence[ast.MergeWhen], others: Sequence[Beside]) -> str:
    """Of each pair of rows that a WHEN acts on: the target's columns and row number, the WHEN, what it gives, and what
    RETURNING sees of the source."""
    alias = _alias_of(table, statement)
    numbered = f"(SELECT *, row_number() OVER () AS {_ROW} FROM {spelt(table)}) AS {alias}"
    marked = f"(SELECT true AS {_SOURCE}) AS {_MARK} CROSS JOIN {statement.source}"
    kind = "FULL" if any(when.match == "not matched by source" for when in whens) else "LEFT"
    chosen = "CASE " + " ".join(f"WHEN {_met(when)} THEN {i}" for i, when in enumerate(whens)) + " END"
    items = [f"{alias}.{duck.quote(c.name)} AS {duck.quote('$old_' + c.name)}" for c in table.stored_columns()]
    items += [_ROW, f'{chosen} AS "{_WHEN}"']
    for i, when in enumerate(whens):
        for name, value in zip(when.columns, when.values, strict=True):
            items.append(f"CASE WHEN ({chosen}) = {i} THEN {value} END AS {duck.quote(f'${i}_{name}')}")
    items += [item for other in others for item in other.items()]
    pairs = f"SELECT {', '.join(items)} FROM {marked} {kind} JOIN {numbered} ON {statement.condition}"
    return f'{statement.with_text} SELECT * FROM ({pairs}) AS pairs WHERE "{_WHEN}" IS NOT NULL'


def _met(when: ast.MergeWhen) -> str:
    """When a pair of rows, one of which may be missing, is for a WHEN."""
    match = {
        "matched": f"{_ROW} IS NOT NULL AND {_SOURCE} IS NOT NULL",
        "not matched": f"{_ROW} IS NULL",
        "not matched by source": f"{_SOURCE} IS NULL",
    }[when.match]
    return f"({match})" if when.condition is None else f"({match} AND ({when.condition}))"


# ---------------------------------------------------------------- the answer


@dataclass(frozen=True)
class _Changes:
    """Rows of the target: `old` go and `new` come; `shown` is what RETURNING sees, deleted rows as they were, `pairs`
    the places of the pairs that it is made of."""

    old: pa.Table
    new: pa.Table
    shown: pa.Table
    pairs: npt.NDArray[np.int64]


def _changes(context: Context, table: Table, whens: Sequence[ast.MergeWhen], found: pa.Table) -> _Changes:
    """What the pairs that were found ask for."""
    names = [c.name for c in table.stored_columns()]
    _refuse_second_change(whens, found)
    nothing = conformed(table, found.slice(0, 0).select([f"$old_{n}" for n in names]).rename_columns(names))
    old, new, shown, pairs = [nothing], [nothing], [nothing], [np.zeros(0, np.int64)]
    chosen = np.asarray(found.column(_WHEN))
    for i, when in enumerate(whens):
        at = np.flatnonzero(chosen == i)
        rows = found.take(pa.array(at))
        if when.action != "nothing":
            pairs.append(at)
        if when.action in ("update", "delete"):
            old.append(conformed(table, rows.select([f"$old_{n}" for n in names]).rename_columns(names)))
        if when.action == "delete":
            shown.append(old[-1])
        if when.action in ("update", "insert"):
            given = rows.select([f"${i}_{n}" for n in when.columns]).rename_columns(list(when.columns))
            default = default_of(context, table)
            new.append(conform(given, table.stored_columns(), when.columns, default, table.name, table.key_columns))
            shown.append(new[-1])
    old_rows, new_rows, shown_rows = (pa.concat_tables(parts) for parts in (old, new, shown))
    return _Changes(old_rows, new_rows, shown_rows, np.concatenate(pairs))


def _refuse_second_change(whens: Sequence[ast.MergeWhen], found: pa.Table) -> None:
    """WrongObjectType (21000) if a row of the target is to be changed twice."""
    changing = pa.array([i for i, when in enumerate(whens) if when.action in ("update", "delete")], pa.int32())
    chosen = found.column(_WHEN).cast(pa.int32())
    rows = found.column("$row").filter(pc.is_in(chosen, value_set=changing))
    if pc.count_distinct(rows).as_py() < len(rows):
        raise _second_change()


def _second_change() -> WrongObjectType:
    return WrongObjectType(
        "MERGE command cannot affect row a second time",
        sqlstate="21000",
        hint="ensure that not more than one source row matches any one target row",
    )
