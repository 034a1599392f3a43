"""WITH before statements that change rows, or with such statements among its items -> Statement.

Without items that write, the WITH's text goes with the statement, whose queries and expressions are all put under it.
Where items write, every item up to the last that does is a statement of its own: it is run once, and whatever stands
behind it reads its rows, which is what its item in their WITH says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from sqlengine import errors
from sqlengine.sql import ast, quote_identifier
from sqlengine.sql.glot import parse_query
from sqlengine.sql.lexer import NUMBER, QUOTED, Token
from sqlengine.sql.token_edit import operator, word
from sqlengine.sql.with_clause import WRITES, Clause, Item, may_read, read_at, refuse_writing_items, with_clause

Parse = Callable[[list[Token]], list[ast.Statement]]


def statement_under(clause: Clause, text: str, parse: Parse) -> ast.Statement:
    """The statement behind a WITH that changes rows or has items that do; `parse` makes one of tokens of `text`."""
    writing = [at for at, item in enumerate(clause.items) if item.writes]
    apart = writing[-1] + 1 if writing else 0
    above, items = _Above(clause.is_recursive, []), []
    for at, item in enumerate(clause.items[:apart]):
        behind = [token for other in clause.items[at + 1 :] for token in other.body] + clause.rest
        made = _written(above, item, text, parse) if item.writes else _asked(above, item, text)
        is_read = may_read(behind, item.name)
        items.append(ast.WithItem(item.name, _rows(item), item.columns, made, is_read, item.head[0].start))
        if item.writes:
            _refuse_reading(item, made, behind)
            _refuse_recursion(item, clause.items[at:] if clause.is_recursive else [])
        if items[-1].is_read and (not item.writes or _returns(made)):
            above = above.with_items([_lent(item, text)])
    above = above.with_items([_typed(item, text) for item in clause.items[apart:]])
    if not writing:
        return _changing(above, clause.rest, text, parse)
    return _main(above, tuple(items), clause.rest, text, parse)


# ---------------------------------------------------------------- the items above a statement


class _Part(NamedTuple):
    """An item as it stands above a statement."""

    name: str
    tokens: list[Token]
    text: str


class _Above(NamedTuple):
    """The WITH of a statement."""

    is_recursive: bool
    parts: list[_Part]

    def with_items(self, more: Sequence[_Part]) -> _Above:
        """With items behind those there are, which hide those of their names."""
        hidden = {part.name for part in more}
        return self._replace(parts=[*(part for part in self.parts if part.name not in hidden), *more])

    @property
    def text(self) -> str:
        """As it is written; "" for none."""
        words = "WITH RECURSIVE" if self.is_recursive else "WITH"
        return f"{words} {', '.join(part.text for part in self.parts)}" if self.parts else ""

    def tokens(self, like: Token) -> list[Token]:
        """The same as tokens, words standing where `like` does."""
        made = [word("WITH", like), *([word("RECURSIVE", like)] if self.is_recursive else [])]
        for at, part in enumerate(self.parts):
            made += [operator(",", like), *part.tokens] if at else part.tokens
        return made


def _typed(item: Item, text: str) -> _Part:
    return _Part(item.name, item.whole, text[item.whole[0].start : item.whole[-1].end])


def _rows(item: Item) -> str:
    """The name of an item's rows, which no table can have by accident."""
    return f"${item.name}"


def _lent(item: Item, text: str) -> _Part:
    """An item that has been run: its rows, under its names; a query has given them their names already."""
    first = item.head[0]
    head = item.head if item.writes else [first, word("AS", first)]
    spelt = text[first.start : item.head[-1].end] if item.writes else f"{quote_identifier(item.name)} AS"
    rows = Token(QUOTED, _rows(item), first.start, first.end)
    read = [word("SELECT", first), operator("*", first), word("FROM", first), rows]
    tokens = [*head, operator("(", first), *read, operator(")", first)]
    return _Part(item.name, tokens, f"{spelt} (SELECT * FROM {quote_identifier(_rows(item))})")


# ---------------------------------------------------------------- statements under them


def _changing(above: _Above, tokens: list[Token], text: str, parse: Parse) -> ast.Statement:
    """An INSERT, UPDATE, DELETE or MERGE."""
    _check(above, tokens[0], text)
    (made,) = parse(tokens)
    if isinstance(made, (ast.Insert, ast.Update, ast.Delete, ast.Merge)):
        return replace(made, with_text=above.text)
    return made


def _check(above: _Above, like: Token, text: str) -> None:
    """What is wrong with items is told when they are read, and where it is."""
    for part in above.parts:
        refuse_writing_items(part.tokens, is_top=False)
    if above.parts:
        parse_query([*above.tokens(like), word("SELECT", like), Token(NUMBER, "1", like.start, like.end)], text)


def _written(above: _Above, item: Item, text: str, parse: Parse) -> ast.Statement:
    """An item that changes rows; a WITH of its own comes behind the items before it."""
    own = with_clause(item.body) if item.body[0].upper == "WITH" else None
    if own is None:
        return _changing(above._replace(is_recursive=False), item.body, text, parse)
    inner = _Above(own.is_recursive, above.parts).with_items([_typed(each, text) for each in own.items])
    return _changing(inner, own.rest, text, parse)


def _asked(above: _Above, item: Item, text: str) -> ast.Statement:
    """An item that is a query."""
    refuse_writing_items(item.body, is_top=False)
    first, above = item.head[0], above.with_items([_typed(item, text)])
    read = [word("SELECT", first), operator("*", first), word("FROM", first)]
    tokens = [*above.tokens(first), *read, Token(QUOTED, item.name, first.start, first.end)]
    spelt = f"{above.text} SELECT * FROM {quote_identifier(item.name)}"
    return ast.SelectStatement(query=ast.Query(spelt, parse_query(tokens, text), first.start))


def _main(
    above: _Above, items: tuple[ast.WithItem, ...], tokens: list[Token], text: str, parse: Parse
) -> ast.Statement:
    """What is behind items of which some change rows."""
    first = tokens[0]
    if first.upper in WRITES:
        return ast.With(items=items, with_text="", statement=_changing(above, tokens, text, parse))
    _check(above, first, text)
    (made,) = parse(tokens)
    if not isinstance(made, ast.SelectStatement) or made.emit is not None or made.as_of:
        raise errors.NotSupportedError(
            "a query with EMIT or AS OF cannot have data-modifying statements in WITH", position=first.start
        )
    return ast.With(items=items, with_text=above.text, statement=made)


def _returns(statement: ast.Statement) -> bool:
    return bool(getattr(statement, "returning", ()))


def _refuse_reading(item: Item, made: ast.Statement, behind: Sequence[Token]) -> None:
    """NotSupportedError (0A000) where a statement without RETURNING is read."""
    at = None if _returns(made) else read_at(behind, item.name)
    if at is not None:
        raise errors.NotSupportedError(
            f'WITH query "{item.name}" does not have a RETURNING clause', position=at.start, hint="add RETURNING *"
        )


def _refuse_recursion(item: Item, others: Sequence[Item]) -> None:
    """SyntaxError (42P19) where a statement reads itself, NotSupportedError (0A000) where it reads one behind it."""
    for other in others:
        at = read_at(item.body, other.name)
        if at is not None and other is item:
            raise errors.SyntaxError(
                f'recursive query "{item.name}" must not contain data-modifying statements',
                sqlstate="42P19",
                position=item.head[0].start,
            )
        if at is not None:
            raise errors.NotSupportedError(
                f'"{item.name}" cannot read WITH query "{other.name}", which stands behind it',
                position=at.start,
                hint=f"write {other.name} before it",
            )
