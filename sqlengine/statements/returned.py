"""What RETURNING sees beside the rows of the target: the columns of FROM, of USING, and of the source of MERGE.

The query that finds the rows to change answers with those columns as well, so that each changed row has them beside it;
RETURNING is then a query of the changed rows joined with them by their places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from sqlengine import duck, sql
from sqlengine.catalog.objects import Table
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import ast
from sqlengine.statements.answer_schema import answer_schema
from sqlengine.statements.context import Context
from sqlengine.statements.one_statement import lending
from sqlengine.statements.select import run_text

CHANGED = "$changed"
"""The name of the rows of a change, for RETURNING."""
_BESIDE, _ROW = "$beside", "$row"
_WHOLE = re.compile(r"""\s*(?:("(?:[^"]|"")*"|\w+)\s*\.\s*)?\*\s*""")

Changing = ast.Update | ast.Delete | ast.Merge


@dataclass(frozen=True)
class Beside:
    """A relation whose columns RETURNING may name; `place`: its number among those of the statement."""

    name: str
    columns: pa.Schema
    place: int

    def items(self) -> list[str]:
        """Its columns in a select list, under names that nothing else has."""
        quoted = duck.quote(self.name)
        return [
            f"{quoted}.{duck.quote(column)} AS {duck.quote(self._name(number))}"
            for number, column in enumerate(self.columns.names)
        ]

    def of(self, rows: pa.Table) -> pa.Table:
        """Its columns out of what a query with `items` has answered."""
        names = [self._name(number) for number in range(len(self.columns))]
        if not names:
            return pa.table({"$none": pa.nulls(rows.num_rows)})
        return rows.select(names).rename_columns(self.columns.names)

    def _name(self, number: int) -> str:
        return f"{_BESIDE}_{self.place}_{number}"


def beside(context: Context, statement: Changing, target: Table, relations: str) -> list[Beside]:
    """What `relations`, the FROM or USING of a statement with RETURNING, have; raises what binding them raises."""
    if isinstance(statement, ast.Merge):
        from_text = relations
    else:
        from_text = f"{sql.whole_name(target.name)} AS {_alias(statement, target)}, {relations}"
    block = sql.lower(sql.parse_query(f"{statement.with_text} SELECT 1 FROM {from_text}"))
    leaves = list(_leaves(block.from_)) if isinstance(block, ast.Select) else []
    found: list[Beside] = []
    for leaf in leaves if isinstance(statement, ast.Merge) else leaves[1:]:
        name = getattr(leaf, "alias", None) or (leaf.parts[-1] if isinstance(leaf, ast.TableRef) else None)
        name = name or (leaf.name if isinstance(leaf, ast.FunctionRef) else None)
        if name is None:
            continue
        text = f"{statement.with_text} SELECT {duck.quote(name)}.* FROM {from_text}"
        found.append(Beside(name, answer_schema(sql.parse_query(text), context), len(found)))
    return found


def _leaves(relation: object) -> Iterator[ast.Relation]:
    """The relations of a FROM, in the order written."""
    if isinstance(relation, ast.Join):
        yield from _leaves(relation.left)
        yield from _leaves(relation.right)
    elif isinstance(relation, ast.Relation):
        yield relation


def _alias(statement: Changing, target: Table) -> str:
    return duck.quote(statement.alias or target.name.rpartition(".")[2])


def with_beside(
    context: Context, statement: Changing, target: Table, rows: pa.Table, others: Mapping[Beside, pa.Table]
) -> pa.Table:
    """What RETURNING answers of changed rows with what is beside each of them."""
    with lending(context, _lent(rows, others)):
        return run_text(context, _text(statement, target, list(others)))


def schema_beside(context: Context, statement: Changing, target: Table, others: Sequence[Beside]) -> pa.Schema:
    """The columns that `with_beside` answers with."""
    rows = pa.schema([pa.field(c.name, c.type) for c in target.columns]).empty_table()
    with lending(context, _lent(rows, {other: other.columns.empty_table() for other in others})):
        return answer_schema(sql.parse_query(_text(statement, target, others)), context)


def _lent(rows: pa.Table, others: Mapping[Beside, pa.Table]) -> dict[str, pa.Table]:
    numbers = pa.array(np.arange(rows.num_rows))
    lent = {f"{_BESIDE}_{other.place}": found for other, found in others.items()}
    return {name: table.append_column(_ROW, numbers) for name, table in {CHANGED: rows, **lent}.items()}


def _text(statement: Changing, target: Table, others: Sequence[Beside]) -> str:
    alias, row = _alias(statement, target), duck.quote(_ROW)
    columns = {alias: [column.name for column in target.columns]}
    joined = f"{duck.quote(CHANGED)} AS {alias}"
    for other in others:
        name = duck.quote(other.name)
        columns[name] = list(other.columns.names)
        joined += f" JOIN {duck.quote(f'{_BESIDE}_{other.place}')} AS {name} ON {name}.{row} = {alias}.{row}"
    if isinstance(statement, ast.Merge):  # PostgreSQL's order of *
        columns[alias] = columns.pop(alias)
    items = ", ".join(text for item in statement.returning for text in _spelt_out(item, columns))
    return f"{statement.with_text} SELECT {items} FROM {joined} ORDER BY {alias}.{row}"


def _spelt_out(item: str, columns: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """An item of RETURNING; `*` and `name.*` as the columns they stand for."""
    found = _WHOLE.fullmatch(item)
    if found is None:
        yield item
        return
    given = found[1]
    name = None if given is None else given if given.startswith('"') else duck.quote(given.lower())
    if name is not None and name not in columns:
        yield item
    for relation, names in columns.items():
        if name in (None, relation):
            yield from (f"{relation}.{duck.quote(column)}" for column in names)
