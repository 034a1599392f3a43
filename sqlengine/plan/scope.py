"""Name resolution: which column of a relation an unbound name means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import pyarrow as pa

from sqlengine.errors import AmbiguousColumn, UndefinedColumn, UndefinedTable, did_you_mean
from sqlengine.expr.tree import InputRef
from sqlengine.plan.columns import columns_of
from sqlengine.plan.nodes import Node
from sqlengine.plan.properties import own_time
from sqlengine.plan.rewrite import transform
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import ROWTIME, ast

HIDDEN = 1 << 20
"""The depth of columns nobody can name."""


@dataclass(frozen=True, slots=True)
class Visible:
    """One column a query can name; `merged` columns (the right side of USING) need their table's name.

    `depth`: how many queries further out it comes from: nearer ones hide it, and `*` leaves it out.  `handle`: a name
    of its own that nothing hides.  `key`: it is in its table's primary key.  `virtual`: only who names it gets it.
    """

    table: str | None
    name: str
    merged: bool = False
    depth: int = 0
    handle: str | None = None
    key: bool = False
    virtual: bool = False


class _Places:
    """The place of what a relation knows of its names."""

    __slots__ = ("_places",)
    _places: dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class Relation(_Places):
    """A node and the names of its columns, position by position."""

    node: Node
    columns: tuple[Visible, ...]

    @property
    def places(self) -> dict[str, list[int]]:
        """Where the columns of a name or handle are, whatever their table."""
        try:
            return self._places
        except AttributeError:
            places: dict[str, list[int]] = {}
            for at, column in enumerate(self.columns):
                places.setdefault(column.name, []).append(at)
                if column.handle is not None and column.handle != column.name:
                    places.setdefault(column.handle, []).append(at)
            object.__setattr__(self, "_places", places)
            return places

    def resolve(self, column: ast.Column) -> InputRef:
        """UndefinedColumn (42703), UndefinedTable (42P01) or AmbiguousColumn (42702) when it cannot be."""
        if column.parts[0].startswith("#"):
            return self.at(int(column.parts[0][1:]))
        if column.parts[-1] == ROWTIME:
            return self._own_time(column)
        *qualifier, name = column.parts
        table = qualifier[-1] if qualifier else None
        found = []
        for at in self.places.get(name, ()):
            c = self.columns[at]
            if c.name == name and (c.table == table if table is not None else not c.merged) or c.handle == name:
                found.append(at)
        if len(found) > 1:
            nearest = min(self.columns[i].depth for i in found)
            found = [i for i in found if self.columns[i].depth == nearest]
        if len(found) == 1:
            return self.at(found[0])
        if found:
            raise AmbiguousColumn(f'column reference "{name}" is ambiguous', position=column.position)
        raise self._unknown(column, table, name)

    def at(self, index: int) -> InputRef:
        """A reference by position."""
        return InputRef(
            type=columns_of(self.node.schema).fields[index].type, index=index, name=self.columns[index].name
        )

    def _own_time(self, column: ast.Column) -> InputRef:
        table = column.parts[0] if len(column.parts) > 1 else None
        if table is not None and all(c.table != table for c in self.columns):
            raise self._unknown(column, table, ROWTIME)
        at = own_time(self.node, lambda i: table is None or self.columns[i].table == table)
        if at is None:
            raise UndefinedColumn(
                "this window needs a time column, and its input has none"
                if table is None
                else f'WITHIN needs a time column, and "{table}" has none',
                hint="declare WATERMARK FOR on the stream, or name the column in the window function",
                position=column.position,
            )
        return self.at(at)

    def _unknown(self, column: ast.Column, table: str | None, name: str) -> UndefinedColumn | UndefinedTable:
        tables = {c.table for c in self.columns if c.table}
        if table is not None and table not in tables:
            return UndefinedTable(
                f'missing FROM-clause entry for table "{table}"',
                hint=did_you_mean(table, tables),
                position=column.position,
            )
        spelt = ".".join(column.parts)
        names = [c.name for c in self.columns if table is None or c.table == table]
        shown = spelt if len(column.parts) > 1 else f'"{spelt}"'
        return UndefinedColumn(
            f"column {shown} does not exist", hint=did_you_mean(name, names), position=column.position
        )

    def under(self, alias: str | None, column_aliases: Sequence[str] = ()) -> Relation:
        """The same relation under another table name, its first columns renamed."""
        if not column_aliases and (alias is None or all(c.table == alias and not c.merged for c in self.columns)):
            return self
        names = [*column_aliases, *(c.name for c in self.columns[len(column_aliases) :])]
        columns = tuple(
            Visible(
                alias if alias is not None else c.table,
                n,
                False if alias else c.merged,
                c.depth,
                c.handle,
                c.key,
                c.virtual,
            )
            for c, n in zip(self.columns, names, strict=True)
        )
        return Relation(self.node, columns)

    def on(self, node: Node) -> Relation:
        """The same names over another node with the same columns (a filter, say)."""
        return Relation(node, self.columns)


def named(node: Node, table: str | None) -> Relation:
    """A relation whose visible names are its node's."""
    return Relation(node, tuple(Visible(table, n) for n in columns_of(node.schema).names))


T = TypeVar("T")


def _field(column: ast.Column, relation: Relation) -> ast.Expr | None:
    """`s.x` or `t.s.x.y` as fields of the struct column `s`; None where it is a column, or nothing."""
    if _found(column, relation) is not None or column.parts[0].startswith(("#", "$")):
        return None
    for end in range(len(column.parts) - 1, 0, -1):
        of = ast.Column(column.parts[:end], column.position)
        found = _found(of, relation)
        if found is not None and pa.types.is_nested(found.type):
            made: ast.Expr = of
            for name in column.parts[end:]:
                made = ast.FieldAccess(made, name)
            return made
    return None


def _found(column: ast.Column, relation: Relation) -> InputRef | None:
    try:
        return relation.resolve(column)
    except (UndefinedColumn, UndefinedTable, AmbiguousColumn):
        return None


def whole_rows(node: T, relation: Relation) -> T:
    """Expressions in which the name of a table, where no column has it, is a struct of the table's columns, and dotted
    names, where no column has them, are fields of a struct's column."""

    def row(expr: ast.Expr) -> ast.Expr | None:
        if not isinstance(expr, ast.Column):
            return None
        if len(expr.parts) != 1:
            return _field(expr, relation)
        name = expr.parts[0]
        if name in relation.places:
            return None
        own = [(i, c.name) for i, c in enumerate(relation.columns) if c.table == name and c.depth == 0]
        return ast.Row(tuple(ast.Column((f"#{i}",)) for i, _ in own), tuple(n for _, n in own)) if own else None

    rewritten: T = transform(node, row)
    return rewritten
