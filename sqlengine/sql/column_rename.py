"""A query's text after a column of something it reads has got another name.

`with_new_name` writes the name wherever the tree says that the column is meant, and `AS old` where a column of the
result was called after it.  `with_old_names` leaves all as it is and gives the relation its old columns' names:
`t AS t (id, a)`.  Neither knows what `*` and natural joins make of it: whoever asks has to compare what the texts mean.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from sqlglot import exp

from sqlengine.pg_words import quote_ident
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import ast, deep
from sqlengine.sql.lexer import QUOTED, WORD, Token, lex
from sqlengine.sql.lower_query import output_name
from sqlengine.sql.lower_values import alias_of, fold, parts_of, position_of
from sqlengine.sql.nodes import nodes
from sqlengine.sql.references import find, is_cte
from sqlengine.sql.token_edit import edited

ColumnsOf = Callable[[ast.Name], Collection[str] | None]
"""The columns of a relation by its name; None: not known."""
_AFTER_ITEM = frozenset(
    "FROM WHERE GROUP HAVING WINDOW QUALIFY ORDER LIMIT OFFSET FETCH UNION INTERSECT EXCEPT FOR EMIT INTO".split()
)


@dataclass(frozen=True, slots=True)
class Renaming:
    """`old` becomes `new` in the relation that `is_it` knows by its name."""

    is_it: Callable[[ast.Name], bool]
    old: str
    new: str
    columns_of: ColumnsOf


def with_new_name(query: ast.Query, renaming: Renaming) -> str | None:
    """The query's text with the new name; None where a place is not found in it."""
    return deep.run(lambda: _Rewriting(query, renaming).text())


def with_old_names(query: ast.Query, renaming: Renaming, old_names: Sequence[str]) -> str | None:
    """The query's text with the relation under the names its columns had; None where it has no such form."""
    return deep.run(lambda: _under_old_names(query, renaming, old_names))


@dataclass(frozen=True, slots=True)
class _Source:
    """One item of a FROM: what it is called, its columns as far as they are known, whether it is the relation."""

    name: str
    columns: Collection[str]
    is_it: bool = False


class _Rewriting:
    """One text that is rewritten, on a copy of its tree."""

    def __init__(self, query: ast.Query, renaming: Renaming) -> None:
        self._text = query.text
        self._tree = query.tree.copy()
        self._renaming = renaming
        self._tokens = {token.start: at for at, token in enumerate(lex(query.text))}
        self._lexed = lex(query.text)

    def text(self) -> str | None:
        every = nodes(self._tree)
        items = [i for s in every if isinstance(s, exp.Select) for i in s.expressions if not isinstance(i, exp.Alias)]
        called = [output_name(item) for item in items]
        meant = [name for node in every if isinstance(node, exp.Column) and (name := self._meant(node)) is not None]
        places = [self._tokens.get(at) if (at := position_of(name)) is not None else None for name in meant]
        if not meant or any(at is None or _name(self._lexed[at]) != self._renaming.old for at in places):
            return None
        for name in meant:
            name.set("this", self._renaming.new)
            name.set("quoted", True)
        edits = [(token.start, token.end, quote_ident(self._renaming.new)) for at in places if (token := self._at(at))]
        for item, was in zip(items, called, strict=True):
            if output_name(item) == was or isinstance(item, exp.Subquery):
                continue
            first = min(at for n, at in zip(meant, places, strict=True) if at is not None and _is_in(n, item))
            end = self._end_of_item(first)
            edits.append((end, end, f" AS {quote_ident(was)}"))
        return edited(self._text, edits)

    def _at(self, place: int | None) -> Token:
        assert place is not None
        return self._lexed[place]

    def _meant(self, column: exp.Column) -> exp.Identifier | None:
        """The part of a column's name that is the old name of the relation's column."""
        parts = [column.args.get(key) for key in ("catalog", "db", "table", "this")]
        names = [part for part in parts if isinstance(part, exp.Identifier)]
        if all(fold(name) != self._renaming.old for name in names):
            return None
        window = _window_of(column)
        if window is not None:
            is_data = window.this.expressions and window.this.expressions[0] is column
            return names[-1] if not is_data and self._is_data(window) and len(names) == 1 else None
        for select in _selects_above(column):
            sources = list(self._sources(select))
            if len(names) == 1 and _is_output(column, select):
                return None
            for at, name in enumerate(names[:-1]):
                source = next((s for s in sources if s.name == fold(name)), None)
                if source is not None:
                    meant = source.is_it and fold(names[at + 1]) == self._renaming.old
                    return names[at + 1] if meant else None
            if fold(names[0]) == self._renaming.old:
                if any(source.is_it for source in sources):
                    return names[0]
                if any(self._renaming.old in source.columns for source in sources):
                    return None
        return None

    def _sources(self, select: exp.Select) -> Iterator[_Source]:
        first = select.args.get("from_")
        items = [*([first] if first is not None else []), *select.args.get("joins", ())]
        for item in items:
            source = item.this
            if isinstance(source, exp.Table) and isinstance(source.this, exp.Anonymous):
                name = alias_of(source)[0] or (parts_of(data)[-1] if (data := _data_of(source)) is not None else "")
                yield _Source(name, (), self._is_data(source))
            elif isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier):
                yield self._table(source)
            elif isinstance(source, exp.Subquery):
                yield _Source(alias_of(source)[0] or "", _columns_of(source))

    def _table(self, table: exp.Table) -> _Source:
        parts, (alias, renamed) = parts_of(table), alias_of(table)
        name = alias or parts[-1]
        if renamed or (len(parts) == 1 and is_cte(parts[0], table)):
            return _Source(name, renamed)
        if self._renaming.is_it(parts):
            return _Source(name, (self._renaming.old,), True)
        return _Source(name, self._renaming.columns_of(parts) or ())

    def _is_data(self, window: exp.Table) -> bool:
        data = _data_of(window)
        return data is not None and self._renaming.is_it(parts_of(data))

    def _end_of_item(self, place: int) -> int:
        """Where the item of a select list ends that has the token of that number."""
        depth, level = 0, None
        for at in range(place - 1, -1, -1):
            token = self._lexed[at]
            depth += (token.value in ")]") - (token.value in "([") if token.kind not in (WORD, QUOTED) else 0
            if token.upper == "SELECT" and token.kind == WORD and depth <= 0:
                level = depth
                break
        depth = 0
        for at in range(place, len(self._lexed)):
            token = self._lexed[at]
            if token.kind not in (WORD, QUOTED):
                depth += (token.value in "([") - (token.value in ")]")
            is_end = token.kind != QUOTED and (token.value in (",", ";") or token.upper in _AFTER_ITEM)
            if level is None or depth < level or (depth == level and is_end):
                return self._lexed[at - 1].end
        return self._lexed[-1].end


def _name(token: Token) -> str:
    return token.value.lower() if token.kind == WORD else token.value


def _is_in(node: exp.Expr, above: exp.Expr) -> bool:
    at: exp.Expr | None = node
    while at is not None and at is not above:
        at = at.parent
    return at is above


def _selects_above(node: exp.Expr) -> Iterator[exp.Select]:
    select = node.find_ancestor(exp.Select)
    while select is not None:
        yield select
        select = select.find_ancestor(exp.Select)


def _window_of(column: exp.Column) -> exp.Table | None:
    """The window function's call in FROM of which a name is an argument."""
    table = column.find_ancestor(exp.Table, exp.Select)
    return table if isinstance(table, exp.Table) and isinstance(table.this, exp.Anonymous) else None


def _data_of(window: exp.Table) -> exp.Expr | None:
    """The name of a window function's input."""
    return next((node for node, ref in find(window) if isinstance(ref, ast.TableRef)), None)


def _columns_of(source: exp.Subquery) -> Collection[str]:
    renamed = alias_of(source)[1]
    if renamed or not isinstance(source.this, exp.Select):
        return renamed
    return {output_name(item) for item in source.this.expressions}


def _is_output(column: exp.Column, select: exp.Select) -> bool:
    """Whether a name in ORDER BY is that of a column of the result."""
    ordered = column.parent
    order = ordered.parent if isinstance(ordered, exp.Ordered) else None
    if order is None or order.parent is not select:
        return False
    return fold(column.this) in {output_name(item) for item in select.expressions}


def _under_old_names(query: ast.Query, renaming: Renaming, old_names: Sequence[str]) -> str | None:
    tokens = lex(query.text)
    starts = {token.start: at for at, token in enumerate(tokens)}
    names = f" ({', '.join(map(quote_ident, old_names))})"
    edits = []
    for node, ref in find(query.tree):
        if not isinstance(ref, ast.TableRef) or not renaming.is_it(ref.parts):
            continue
        at = starts.get(ref.position) if ref.position is not None else None
        if at is None or not isinstance(node, exp.Table):
            return None
        if ref.column_aliases:
            if len(ref.column_aliases) <= list(old_names).index(renaming.old):
                return None
            continue
        at += 2 * (len(ref.parts) - 1)
        if ref.alias is None:
            edits.append((tokens[at].end, tokens[at].end, f" AS {quote_ident(ref.parts[-1])}{names}"))
            continue
        at += 2 if at + 1 < len(tokens) and tokens[at + 1].upper == "AS" else 1
        if at >= len(tokens) or _name(tokens[at]) != ref.alias:
            return None
        edits.append((tokens[at].end, tokens[at].end, names))
    return edited(query.text, edits) if edits else None
