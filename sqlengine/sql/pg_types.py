"""PostgreSQL's types of a catalog query's expressions, as far as DuckDB does not keep them apart.

DuckDB knows one text and one whole number of 32 bits without sign, where PostgreSQL has name, "char", text, oid, xid
and the reg* types, and clients decode by these.  A type is found by where a value comes from: a column of a base table,
a cast, a function, a branch of CASE.  None: not known here, so DuckDB's answer stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field

from sqlglot import exp

from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.lower_query import output_name
from sqlengine.sql.lower_values import fold, parts_of
from sqlengine.sql.references import is_cte
from sqlengine.sql.rewrite_pg import ARRAY_SUFFIX, PG_TYPE

Columns = Callable[[tuple[str, ...]], Mapping[str, str | None] | None]
"""The columns of a base table by its name's parts, and their types; None for an unknown table."""
Outputs = list[tuple[str, str | None]]
Sources = dict[str, Outputs]


@dataclass
class Typer:
    """Types of one tree; `functions`: (name, number of arguments) -> the type a function gives, None if unknown."""

    columns: Columns
    functions: Callable[[str, int], str | None]
    ctes: dict[int, Outputs] = field(default_factory=dict)
    known: dict[int, str | None] = field(default_factory=dict)

    def outputs(self, query: exp.Expr, outer: Sequence[Sources] = ()) -> Outputs:
        """The columns of a query; every expression in it is typed on the way."""
        if isinstance(query, (exp.Subquery, exp.Paren)):
            self._with(query, outer)
            return self.outputs(query.this, outer)
        if isinstance(query, exp.SetOperation):
            self._with(query, outer)
            left, right = self.outputs(query.this, outer), self.outputs(query.expression, outer)
            both = zip(left, right, _nulls(query.this, len(left)), strict=False)
            return [
                (name, other if null or kind == other else kind if other is None else None)
                for (name, kind), (_, other), null in both
            ]
        if isinstance(query, exp.Values):
            return self._values(query, outer)
        return self._select(query, outer) if isinstance(query, exp.Select) else []

    def _with(self, query: exp.Expr, outer: Sequence[Sources]) -> None:
        with_ = query.args.get("with_")
        for cte in with_.expressions if with_ is not None else ():
            body = cte.this
            if isinstance(body, exp.SetOperation):  # a recursive one reads itself: its first part tells the types
                self.ctes[id(cte)] = _renamed(self.outputs(body.this, outer), cte)
            self.ctes[id(cte)] = _renamed(self.outputs(body, outer), cte)

    def _values(self, query: exp.Values, outer: Sequence[Sources]) -> Outputs:
        first = query.expressions[0] if query.expressions else None
        items = first.expressions if isinstance(first, exp.Tuple) else [first] if first is not None else []
        return [(f"column{i + 1}", self.of(item, outer)) for i, item in enumerate(items)]

    # ------------------------------------------------------------ FROM

    def _select(self, select: exp.Select, outer: Sequence[Sources]) -> Outputs:
        self._with(select, outer)
        sources: Sources = {}
        scopes = [sources, *outer]
        first = select.args.get("from_")
        joins = [*(select.args.get("joins") or ()), *(select.args.get("laterals") or ())]
        items = [first.this] if first is not None else []
        for item in [*items, *(j.this if isinstance(j, exp.Join) else j for j in joins)]:
            self._source(item, sources, scopes)
        found: Outputs = []
        for item in select.expressions:
            found += self._item(item, scopes)
        for key, value in select.args.items():
            if key not in ("expressions", "from_", "laterals", "with_"):
                for node in value if isinstance(value, list) else [value]:
                    if isinstance(node, exp.Expr):
                        self._visit(node.args.get("on") if isinstance(node, exp.Join) else node, scopes)
        return found

    def _visit(self, node: exp.Expr | None, scopes: Sequence[Sources]) -> None:
        """Type every expression below a node, sub-queries included."""
        if node is not None:
            self.of(node, scopes)

    def _source(self, item: exp.Expr, sources: Sources, scopes: Sequence[Sources]) -> None:
        """One relation of FROM under its alias; what stands in parentheses brings several."""
        for join in item.args.get("joins") or ():
            self._source(join.this, sources, scopes)
            self._visit(join.args.get("on"), scopes)
        alias = item.args.get("alias")
        name = fold(alias.this) if alias is not None and alias.this is not None else ""
        if isinstance(item, exp.Lateral):
            self._lateral(item, name, sources, scopes)
        elif isinstance(item, exp.Subquery) and isinstance(item.this, exp.Table):
            self._source(item.this, sources, scopes)
        elif isinstance(item, exp.Subquery):
            sources[name or f"#{len(sources)}"] = _renamed(self.outputs(item, scopes[1:]), item)
        elif isinstance(item, exp.Values):
            sources[name or f"#{len(sources)}"] = _renamed(self._values(item, scopes), item)
        elif isinstance(item, exp.Unnest):
            sources[name or "unnest"] = self._unnest(item, name, scopes)
        elif isinstance(item, exp.Table) and isinstance(item.this, exp.Identifier):
            sources[name or fold(item.this)] = _renamed(self._table(item), item)
        elif isinstance(item, exp.Table):
            sources[name or item.this.name.lower()] = self._function(item, name, scopes)

    def _lateral(self, item: exp.Lateral, name: str, sources: Sources, scopes: Sequence[Sources]) -> None:
        inner = item.this
        if isinstance(inner, exp.Subquery):
            sources[name or f"#{len(sources)}"] = _renamed(self.outputs(inner, scopes), item)
        elif isinstance(inner, exp.Unnest):
            sources[name or "unnest"] = _renamed(self._unnest(inner, name, scopes), item)
        else:
            sources[name or f"#{len(sources)}"] = _renamed([(name, self.of(inner, scopes))], item)

    def _table(self, item: exp.Table) -> Outputs:
        parts = parts_of(item)
        if len(parts) == 1 and is_cte(parts[0], item):
            return next((o for c, o in self._visible(item) if c == parts[0]), [])
        return list((self.columns(tuple(parts)) or {}).items())

    def _visible(self, item: exp.Expr) -> Iterator[tuple[str, Outputs]]:
        """The WITH queries that a place sees and whose columns are known, innermost first."""
        above = item.parent
        while above is not None:
            with_ = above if isinstance(above, exp.With) else above.args.get("with_")
            for cte in with_.expressions if with_ is not None else ():
                if id(cte) in self.ctes:
                    yield fold(cte.args["alias"].this), self.ctes[id(cte)]
            above = above.parent

    def _unnest(self, item: exp.Unnest, name: str, scopes: Sequence[Sources]) -> Outputs:
        made: Outputs = []
        for array in item.expressions:
            kind = self.of(array, scopes)
            made.append((name or "unnest", element(kind)))
        if item.args.get("offset"):
            made.append(("ordinality", None))
        return _renamed(made, item)

    def _function(self, item: exp.Table, name: str, scopes: Sequence[Sources]) -> Outputs:
        call = item.this
        of = self.columns((f"{call.name.lower()}()",)) if not call.expressions else None
        if of is not None:
            return _renamed(list(of.items()), item)
        for argument in call.expressions:
            self.of(argument, scopes)
        if call.name.lower() == "generate_series" and all(map(_is_small, call.expressions)):
            return _renamed([(name or "generate_series", "int4")], item)
        kind = self.functions(call.name.lower(), len(call.expressions))
        return _renamed([(name or call.name.lower(), kind)], item)

    # ------------------------------------------------------------ select list

    def _item(self, item: exp.Expr, scopes: Sequence[Sources]) -> Outputs:
        sources = scopes[0]
        if isinstance(item, exp.Star):
            return [column for outputs in sources.values() for column in outputs]
        if isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
            return list(sources.get(item.table.lower(), sources.get(item.table, ())))
        inner = item.this if isinstance(item, exp.Alias) else item
        return [(output_name(item), self.of(inner, scopes))]

    # ------------------------------------------------------------ expressions

    def of(self, node: exp.Expr, scopes: Sequence[Sources]) -> str | None:
        """The type of an expression; those of all below it are remembered in `known`."""
        kind = self._of(node, scopes)
        self.known[id(node)] = kind
        return kind

    def _of(self, node: exp.Expr, scopes: Sequence[Sources]) -> str | None:
        if isinstance(node, (exp.Select, exp.SetOperation, exp.Values)):
            outputs = self.outputs(node, scopes)
            return outputs[0][1] if len(outputs) == 1 else None
        if isinstance(node, exp.Subquery):
            return self.of(node.this, scopes)
        below = [self.of(child, scopes) for child in _children(node)]
        if isinstance(node, exp.Column):
            found = _column(node, scopes)
            return "name" if found is None and is_bare(node) else found
        if isinstance(node, exp.Cast):
            return type_name(node.to)
        if isinstance(node, (exp.Paren, exp.Alias, exp.Collate, exp.Order, exp.Filter, exp.Window)):
            return self.known.get(id(node.this))
        if isinstance(node, exp.Distinct):
            return below[0] if below else None
        if isinstance(node, exp.Case):
            branches = [self.known.get(id(i.args["true"])) for i in node.args["ifs"]]
            return _common([*branches, self.known.get(id(node.args.get("default")))])
        if isinstance(node, exp.Array):
            return _array(_common(below)) if below else None
        if isinstance(node, exp.Bracket):
            return element(self.known.get(id(node.this)))
        if isinstance(node, (exp.Unnest, exp.Explode)):
            return element(below[0]) if below else None
        if type(node) in NODES:
            return NODES[type(node)]
        if isinstance(node, (exp.Coalesce, exp.Nullif)):
            return _common(below)
        return self._call(node, below) if isinstance(node, exp.Anonymous) else None

    def _call(self, node: exp.Anonymous, below: Sequence[str | None]) -> str | None:
        name = node.name.lower()
        first = below[0] if below else None
        if name in _LIKE_FIRST:
            return first
        if name == "array_agg":
            return _array(first)
        if name == "unnest":
            return element(first)
        if name in ("pg_typeof", "format"):
            return {"pg_typeof": "regtype", "format": "text"}[name]
        if name in ("coalesce", "nullif", "greatest", "least"):
            return _common(below)
        return self.functions(name, len(node.expressions))


NODES: dict[type[exp.Expr], str] = {
    exp.CurrentUser: "name",
    exp.SessionUser: "name",
    exp.CurrentCatalog: "name",
    exp.CurrentSchema: "name",
}
"""Functions that sqlglot reads into classes of their own, and what they give."""
_LIKE_FIRST = frozenset("max min any_value first last first_value last_value lag lead".split())


def _children(node: exp.Expr) -> Iterator[exp.Expr]:
    for value in node.args.values():
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, exp.Expr) and not isinstance(child, (exp.DataType, exp.Identifier)):
                yield child


def _is_small(node: exp.Expr) -> bool:
    """Whether it is a whole number of 32 bits, or the length of an array."""
    if isinstance(node, exp.Literal) and not node.is_string:
        return str(node.this).isdigit() and int(node.this) < 2**31
    return isinstance(node, exp.Anonymous) and node.name.lower() in (
        "len",
        "array_length",
        "array_upper",
        "array_lower",
    )


BARE = frozenset(("current_role", "user"))


def is_bare(node: exp.Column) -> bool:
    """Whether a column's name is that of a function without parentheses."""
    named = isinstance(node.this, exp.Identifier) and not node.this.quoted and not node.table
    return named and node.name.lower() in BARE


def _column(node: exp.Column, scopes: Sequence[Sources]) -> str | None:
    name, table = fold(node.this), fold(node.args["table"]) if node.args.get("table") is not None else ""
    for sources in scopes:
        if table:
            if table in sources:
                return next((kind for column, kind in sources[table] if column == name), None)
            continue
        for outputs in sources.values():
            for column, kind in outputs:
                if column == name:
                    return kind
    return None


def _renamed(outputs: Outputs, item: exp.Expr) -> Outputs:
    """Columns under the names that the alias gives them."""
    alias = item.args.get("alias")
    names = [fold(c) for c in (alias.args.get("columns") or ())] if alias is not None else []
    return [(names[i] if i < len(names) else name, kind) for i, (name, kind) in enumerate(outputs)]


def _common(kinds: Sequence[str | None]) -> str | None:
    """The type that branches agree on; literals and NULL have none and agree with any."""
    found = {kind for kind in kinds if kind is not None}
    return found.pop() if len(found) == 1 else "text" if found and found <= TEXTS else None


TEXTS = frozenset(("text", "name", "varchar", "char"))


def _nulls(query: exp.Expr, count: int) -> list[bool]:
    """Which of a query's columns are a bare NULL, which has any type."""
    items = query.expressions if isinstance(query, exp.Select) else []
    return [isinstance(item.unalias(), exp.Null) for item in items] if len(items) == count else [False] * count


def _array(kind: str | None) -> str | None:
    return None if kind is None else f"{kind}[]"


def element(kind: str | None) -> str | None:
    """The type of an array's elements."""
    if kind is None:
        return None
    return {"int2vector": "int2", "oidvector": "oid"}.get(kind, kind[:-2] if kind.endswith("[]") else None)


def type_name(kind: exp.Expr) -> str | None:
    """PostgreSQL's name of a cast's target, where it is one that DuckDB does not keep."""
    name = user_type(kind)
    if name.startswith(PG_TYPE):
        plain = name.removeprefix(PG_TYPE)
        return plain.removesuffix(ARRAY_SUFFIX) + "[]" if plain.endswith(ARRAY_SUFFIX) else plain
    if isinstance(kind, exp.DataType) and kind.this == exp.DType.ARRAY and kind.expressions:
        return _array(type_name(kind.expressions[0]))
    return _PLAIN.get(kind.this) if isinstance(kind, exp.DataType) else None


_PLAIN = {exp.DType.NAME: "name", exp.DType.TEXT: "text", exp.DType.VARCHAR: "varchar"}


def user_type(kind: exp.Expr) -> str:
    """The name of a type that sqlglot does not know, else ""."""
    if not isinstance(kind, exp.DataType) or kind.this != exp.DType.USERDEFINED:
        return ""
    named = kind.args.get("kind")
    return str(named.name if isinstance(named, exp.Expr) else named)


__all__ = ["Columns", "Outputs", "TEXTS", "Typer", "element", "is_bare", "type_name", "user_type"]
