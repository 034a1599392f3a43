"""Which columns of the relations it names a query reads: what privileges on columns are asked for.

Works on the tree, as references.py does.  Where it cannot be told whose column a name is, it counts for every relation
that has one of that name: more may be asked for than is read, never less.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from sqlglot import exp

from sqlengine.sql import ast, deep
from sqlengine.sql.lower_values import alias_of, fold, parts_of
from sqlengine.sql.nodes import nodes
from sqlengine.sql.references import find, is_cte

ColumnsOf = Callable[[ast.Name], Collection[str] | None]
"""The columns of a relation by its name; None: not known."""


def columns_read(query: ast.Query, columns_of: ColumnsOf) -> list[tuple[ast.TableRef, frozenset[str] | None]]:
    """(relation, names of its columns) for each place a relation is named in; None: all its columns, or it cannot be
    told; none at all for `count(*)`."""

    def work() -> list[tuple[ast.TableRef, frozenset[str] | None]]:
        references = [(node, ref) for node, ref in find(query.tree) if isinstance(ref, ast.TableRef)]
        return [(ref, _read(node, ref, columns_of)) for node, ref in references]

    return deep.run(work)


def _read(node: exp.Expr, ref: ast.TableRef, columns_of: ColumnsOf) -> frozenset[str] | None:
    select, known = _select_of(node), columns_of(ref.parts)
    if select is None or known is None:
        return None
    alias, renamed = alias_of(node)
    if renamed:
        return None
    name = alias or ref.parts[-1]
    found: set[str] = set()
    for part in nodes(select):
        if _names_otherwise(part) or (isinstance(part, exp.Star) and _is_of(part, select, name)):
            return None
        if isinstance(part, exp.Join) and part.find_ancestor(exp.Select) is select:
            if part.args.get("method") == "NATURAL":
                return None
            found.update(n for n in map(fold, part.args.get("using") or ()) if n in known)
        if isinstance(part, exp.Column) and not isinstance(part.this, exp.Star):
            parts = parts_of(part)
            if parts == (name,) and name not in known:
                return None  # the row as a value
            column = _column_of(parts, name)
            if column in known and not _is_output(part, select) and not _is_inner(part, parts, select, columns_of):
                found.add(column)
    return frozenset(found)


def _names_otherwise(part: exp.Expr) -> bool:
    """Whether something names columns in a way of its own: by position, pattern or their values."""
    by_pattern = isinstance(part, exp.Anonymous) and part.name.lower() == "columns"
    return by_pattern or isinstance(part, (exp.Pivot, exp.Columns, exp.PositionalColumn))


def _select_of(node: exp.Expr) -> exp.Select | None:
    """The SELECT in whose FROM a relation stands by itself."""
    above = node.parent if isinstance(node, exp.Table) else None
    while isinstance(above, (exp.From, exp.Join, exp.Paren, exp.Table)) or (
        isinstance(above, exp.Subquery) and not above.args.get("alias")
    ):
        above = above.parent
    return above if isinstance(above, exp.Select) else None


def _is_of(star: exp.Star, select: exp.Select, name: str) -> bool:
    """Whether a star stands for the columns of a relation of `select`: plain in its list, or behind the name."""
    above = star.parent
    if isinstance(above, exp.Count) or (isinstance(above, exp.Anonymous) and above.name.lower() == "count"):
        return False
    if isinstance(above, exp.Column) and above.args.get("table") is not None:
        return parts_of(above)[-1] == name
    return star.find_ancestor(exp.Select) is select


def _column_of(parts: tuple[str, ...], relation: str) -> str:
    """The column that a name means if it is one of a relation: `a`, `relation.a`, and a field of one, `a.field`."""
    at = parts.index(relation) + 1 if relation in parts[:-1] else 0
    return parts[at]


def _is_output(column: exp.Column, select: exp.Select) -> bool:
    """Whether a name in ORDER BY is that of a column of the result."""
    ordered = column.parent
    if not isinstance(ordered, exp.Ordered) or column.args.get("table") is not None:
        return False
    aliases = {fold(item.args["alias"]) for item in select.expressions if isinstance(item, exp.Alias)}
    return ordered.find_ancestor(exp.Select) is select and fold(column.this) in aliases


def _is_inner(column: exp.Column, parts: tuple[str, ...], select: exp.Select, columns_of: ColumnsOf) -> bool:
    """Whether a relation of a SELECT further in is known to be meant."""
    inner = column.find_ancestor(exp.Select)
    while inner is not None and inner is not select:
        for name, columns in _sources(inner, columns_of):
            if (len(parts) == 1 and parts[0] in columns) or (len(parts) > 1 and name == parts[-2]):
                return True
        inner = inner.find_ancestor(exp.Select)
    return False


def _sources(select: exp.Select, columns_of: ColumnsOf) -> Iterator[tuple[str, Collection[str]]]:
    """(name, columns as far as they are known) of what stands in a SELECT's FROM."""
    first = select.args.get("from_")
    for item in [*([first] if first is not None else []), *select.args.get("joins", ())]:
        source = item.this
        if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier):
            parts = parts_of(source)
            is_named = len(parts) > 1 or not is_cte(parts[0], source)
            yield alias_of(source)[0] or parts[-1], (columns_of(parts) or ()) if is_named else ()
        elif isinstance(source, exp.Subquery) and source.alias and isinstance(source.this, exp.Select):
            plain = [i for i in source.this.expressions if isinstance(i, (exp.Alias, exp.Column))]
            yield alias_of(source)[0] or "", {i.alias_or_name for i in plain}
