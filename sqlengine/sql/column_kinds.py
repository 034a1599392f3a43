"""The kinds of columns that WITH items and sub-queries have, as far as their text and base tables show them.

A kind is what `render_operators.kind` says of an expression.  One of a name that is of several kinds is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlglot import exp

Kinds = dict[tuple[str, str], str | None]
"""(table's name or "", column) -> kind; None where it is not known."""
KindOf = Callable[[exp.Expr, Kinds], str | None]
"""The kind of an expression over columns of these kinds."""

_FIRST = ("with_", "from_", "joins", "laterals", "this")
"""Parts of a query that what follows them names."""


def learn_kinds(tree: exp.Expr, kinds: Kinds, kind_of: KindOf) -> None:
    """Add the columns of all WITH items and sub-queries of a tree to those of its base tables."""
    _Learner(kinds, kind_of).visit(tree)


def remember(kinds: Kinds, table: str, columns: Mapping[str, str | None]) -> None:
    """A table's columns under its name and under none; None where two tables disagree, "array" where they do in the
    elements of arrays."""
    for name, kind in columns.items():
        for key in ((table, name), ("", name)):
            known = kinds.get(key, kind)
            kinds[key] = kind if known == kind else "array" if _is_array(known) and _is_array(kind) else None


def _is_array(kind: str | None) -> bool:
    return kind is not None and (kind == "array" or kind.endswith("[]"))


class _Learner:
    def __init__(self, kinds: Kinds, kind_of: KindOf) -> None:
        self._kinds = kinds
        self._kind_of = kind_of
        self._items: dict[str, dict[str, str | None]] = {}

    def visit(self, node: exp.Expr) -> None:
        """Learn from a node, what is inside of it first and in the order in which names become known."""
        if isinstance(node, exp.CTE):
            self._item(node)
            return
        names = [*(n for n in _FIRST if n in node.args), *(n for n in node.args if n not in _FIRST)]
        for child in (c for name in names for c in _listed(node.args[name])):
            self.visit(child)
        alias = node.args.get("alias")
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Query):
            self._remember(alias, "", self._outputs(node.this))
        elif isinstance(node, exp.Table) and node.name in self._items and not node.db:
            self._remember(alias, node.name, self._items[node.name])

    def _item(self, cte: exp.CTE) -> None:
        """A WITH item: the first half of a union tells the columns that its second half may read."""
        body: Any = cte.this
        halves = [body.this, body.expression] if isinstance(body, exp.Union) else [body]
        if isinstance(body, exp.Union) and body.args.get("with_") is not None:
            self.visit(body.args["with_"])
        for half in halves:
            self.visit(half)
            self._items.setdefault(cte.alias, _named(cte.args["alias"], self._outputs(half)))

    def _remember(self, alias: exp.Expr | None, name: str, columns: Mapping[str, str | None]) -> None:
        known = alias is not None and alias.this is not None
        remember(self._kinds, alias.this.name if known else name, _named(alias, columns))  # type: ignore[union-attr]

    def _outputs(self, query: exp.Expr) -> dict[str, str | None]:
        """The columns a query has; those of its first half, if it is a set operation, unless both halves disagree."""
        if isinstance(query, (exp.Subquery, exp.Paren)) and isinstance(query.this, exp.Query):
            return self._outputs(query.this)
        if isinstance(query, exp.SetOperation):
            return self._outputs(query.this)
        if not isinstance(query, exp.Select):
            return {}
        found: dict[str, str | None] = {}
        for item in query.expressions:
            if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
                found |= self._star(query, item.table if isinstance(item, exp.Column) else None)
            else:
                inner = item.this if isinstance(item, exp.Alias) else item
                found[item.alias_or_name] = self._kind_of(inner, self._kinds)
        return found

    def _star(self, query: exp.Select, table: str | None) -> dict[str, str | None]:
        """What a star stands for, as far as it is known."""
        read = [query.args.get("from_"), *(query.args.get("joins") or ())]
        names = [table] if table else [item.this.alias_or_name for item in read if item is not None]
        return {column: kind for (owner, column), kind in self._kinds.items() if owner and owner in names}


def _named(alias: exp.Expr | None, columns: Mapping[str, str | None]) -> dict[str, str | None]:
    """The columns under the names that an alias gives them."""
    given = [column.name for column in (alias.args.get("columns") or ())] if alias is not None else []
    names = list(columns)
    return dict(zip([*given, *names[len(given) :]], columns.values(), strict=False))


def _listed(value: Any) -> list[exp.Expr]:
    return [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, exp.Expr)]
