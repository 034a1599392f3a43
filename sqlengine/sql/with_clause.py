"""The WITH that a statement begins with, as tokens: its items, which of them write, and what stands behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlengine.errors import DuplicateAlias, Error, NotSupportedError, SyntaxError  # noqa: A004 - SQL's word
from sqlengine.sql.lexer import OP, QUERY_STARTS, QUOTED, WORD, Token
from sqlengine.sql.token_edit import matching

_SECOND_WORDS = {"INSERT": "INTO", "DELETE": "FROM", "MERGE": "INTO"}
WRITES = frozenset((*_SECOND_WORDS, "UPDATE"))
"""First words of the statements that change rows."""
_CLAUSES = frozenset("SELECT FROM JOIN USING WHERE ON SET BY HAVING VALUES RETURNING LIMIT WITH AS".split())
_ELSEWHERE = {
    ("MATERIALIZED", "VIEW"): "materialized views must not use data-modifying statements in WITH",
    ("VIEW",): "views must not contain data-modifying statements in WITH",
    ("SINK",): "sinks must not use data-modifying statements in WITH",
    ("CURSOR",): "DECLARE CURSOR must not contain data-modifying statements in WITH",
}
"""PostgreSQL's words for where they cannot be, by words of the statement's beginning; of sinks in its way."""
_HINT = "run the statements one after the other between BEGIN and COMMIT: nobody sees a part of what they do"


class Item(NamedTuple):
    """An item: `name`; `head`: the tokens up to AS; `body`: those in its parentheses; `whole`: all of them;
    `tail`: SEARCH and CYCLE."""

    name: str
    head: list[Token]
    body: list[Token]
    whole: list[Token]
    tail: list[Token]

    @property
    def columns(self) -> int:
        """How many columns it names."""
        return sum(token.kind in (WORD, QUOTED) for token in self.head[1:-1])

    @property
    def writes(self) -> bool:
        """Whether it is a statement that changes rows, with a WITH of its own or without."""
        rest = self.body
        if rest and rest[0].upper == "WITH" and (own := with_clause(rest)) is not None:
            rest = own.rest
        return bool(rest) and rest[0].upper in WRITES


class Clause(NamedTuple):
    """`opening`: WITH or WITH RECURSIVE; `rest`: the statement that the items are for."""

    opening: list[Token]
    items: list[Item]
    rest: list[Token]

    @property
    def is_recursive(self) -> bool:
        """Whether items may read themselves."""
        return len(self.opening) > 1


def with_clause(tokens: Sequence[Token]) -> Clause | None:
    """The WITH that tokens begin with; None where it is none of SQL's common form, or nothing follows it.

    Raises DuplicateAlias (42712) for a name that two items have, SyntaxError (42601) for what cannot be under a WITH.
    """
    at = 2 if [t.upper for t in tokens[1:2]] == ["RECURSIVE"] and [t.upper for t in tokens[2:3]] != ["AS"] else 1
    opening, items = list(tokens[:at]), []
    while True:
        end = _item_end(tokens, at)
        if end is None or end >= len(tokens):
            return None
        items.append(_item(tokens, at, end))
        if tokens[end].value != "," or tokens[end].kind != OP:
            break
        at = end + 1
    _refuse_repeated(items)
    clause = Clause(opening, items, list(tokens[end:]))
    for begins in (*(item.body for item in items), clause.rest):
        _expect_statement(begins, tokens[end])
    return clause


def _expect_statement(tokens: Sequence[Token], behind: Token) -> None:
    """SyntaxError (42601) for what neither asks nor changes rows."""
    first = tokens[0] if tokens else behind
    if first.upper not in QUERY_STARTS and first.upper not in WRITES and first.value != "(":
        raise SyntaxError(
            f'syntax error at or near "{first.value}"',
            detail="expected a query, INSERT, UPDATE, DELETE or MERGE",
            position=first.start,
        )


def changes_from(tokens: Sequence[Token]) -> int:
    """Where a statement that changes rows begins behind the WITH that tokens begin with; 0 where there is none."""
    try:
        clause = with_clause(tokens) if tokens and tokens[0].upper == "WITH" else None
    except Error:  # a statement that is not ready
        return 0
    return len(tokens) - len(clause.rest) if clause is not None and clause.rest[0].upper in WRITES else 0


def writes_under_with(clause: Clause) -> bool:
    """Whether a statement behind a WITH changes rows, by itself or by an item."""
    return clause.rest[0].upper in WRITES or any(item.writes for item in clause.items)


def refuse_writing_items(tokens: Sequence[Token], is_top: bool = True) -> None:
    """NotSupportedError (0A000) for an item that changes rows where none can be; `is_top`: the tokens are all of a
    statement, whose beginning says what it is."""
    if is_top and tokens[0].upper in ("EXPLAIN", "PREPARE"):
        return  # what is explained or prepared is looked at by itself
    for at in _writing_items(tokens):
        begin = [token.upper for token in tokens[:8]]
        made = begin[:1] in (["CREATE"], ["ALTER"], ["DECLARE"]) and is_top
        words = next((said for key, said in _ELSEWHERE.items() if made and set(key) <= set(begin)), None)
        raise writes_elsewhere(tokens[at].start, words)


def writes_elsewhere(position: int, words: str | None = None) -> NotSupportedError:
    """For an item that changes rows where none can be."""
    said = words or "WITH clause containing a data-modifying statement must be at the top level"
    return NotSupportedError(said, hint=_HINT, position=position)


def _writing_items(tokens: Sequence[Token]) -> Iterator[int]:
    """Where items that change rows begin, wherever in a statement."""
    for at, token in enumerate(tokens):
        if token.upper not in WRITES or at < 2 or tokens[at - 1].value != "(":
            continue
        before = at - 2
        before -= tokens[before].upper == "MATERIALIZED"
        before -= tokens[before].upper == "NOT"
        second = tokens[at + 1] if at + 1 < len(tokens) else None
        if tokens[before].upper != "AS" or second is None:
            continue
        wanted = _SECOND_WORDS.get(token.upper)
        # a WINDOW may be made AS (update PARTITION BY ...), of another one by that name
        if second.upper == wanted or (wanted is None and second.kind in (WORD, QUOTED) and _sets(tokens, at)):
            yield at


def _sets(tokens: Sequence[Token], at: int) -> bool:
    return "SET" in (token.upper for token in tokens[at : matching(tokens, at - 1)])


# ---------------------------------------------------------------- items


def _item(tokens: Sequence[Token], at: int, end: int) -> Item:
    opened = _body_start(tokens, at)
    assert opened is not None
    head = list(tokens[at:opened])
    while head[-1].upper != "AS":
        head.pop()
    close = matching(tokens, opened)
    body, tail = list(tokens[opened + 1 : close]), list(tokens[close + 1 : end])
    first = head[0]
    return Item(first.value.lower() if first.kind == WORD else first.value, head, body, list(tokens[at:end]), tail)


def _body_start(tokens: Sequence[Token], at: int) -> int | None:
    """The parenthesis behind `name [(columns)] AS [[NOT] MATERIALIZED]`; None where there is no such thing."""
    if at >= len(tokens) or tokens[at].kind not in (WORD, QUOTED):
        return None
    at += 1
    if at < len(tokens) and tokens[at].value == "(":
        at = matching(tokens, at) + 1
    for word, needed in (("AS", True), ("NOT", False), ("MATERIALIZED", False)):
        if at < len(tokens) and tokens[at].upper == word:
            at += 1
        elif needed:
            return None
    return at if at < len(tokens) and tokens[at].kind == OP and tokens[at].value == "(" else None


def _item_end(tokens: Sequence[Token], at: int) -> int | None:
    """One past an item, its SEARCH and CYCLE included."""
    opened = _body_start(tokens, at)
    if opened is None:
        return None
    end = matching(tokens, opened) + 1
    if end < len(tokens) and tokens[end].upper in ("SEARCH", "CYCLE"):
        starts = QUERY_STARTS | WRITES
        while end < len(tokens) and tokens[end].upper not in starts and tokens[end].value != "(":
            if tokens[end].value == "," and _body_start(tokens, end + 1) is not None:
                break
            end += 1
    return end


def _refuse_repeated(items: Sequence[Item]) -> None:
    seen: set[str] = set()
    for item in items:
        if item.name in seen:
            message = f'WITH query name "{item.name}" specified more than once'
            raise DuplicateAlias(message, position=item.head[0].start)
        seen.add(item.name)


# ---------------------------------------------------------------- who reads what


_BEFORE_RELATIONS = frozenset(("FROM", "JOIN", "USING", "TABLE", "ONLY", "PIVOT", "UNPIVOT", "(", ","))


def may_read(tokens: Sequence[Token], name: str) -> bool:
    """Whether tokens have that name where a relation's may be; columns in lists and calls are taken for one too."""
    return any(
        _is_name(token, name) and before.upper in _BEFORE_RELATIONS
        for before, token in zip(tokens, tokens[1:], strict=False)
    )


def read_at(tokens: Sequence[Token], name: str) -> Token | None:
    """Where tokens surely read a relation of that name: behind FROM, JOIN, USING or a comma after one of these."""
    for at, token in enumerate(tokens):
        if _is_name(token, name) and at and not (at + 1 < len(tokens) and tokens[at + 1].value in ("(", ".")):
            if tokens[at - 1].upper in ("FROM", "JOIN", "USING", "TABLE"):
                return token
            if tokens[at - 1].value == "," and _clause_of(tokens, at) in ("FROM", "JOIN", "USING"):
                return token
    return None


def _is_name(token: Token, name: str) -> bool:
    return (token.kind == WORD and token.value.lower() == name) or (token.kind == QUOTED and token.value == name)


def _clause_of(tokens: Sequence[Token], at: int) -> str:
    """The word that begins the clause in which a token stands, in the same parentheses."""
    depth = 0
    for token in reversed(tokens[:at]):
        if token.kind == OP and token.value in (")", "("):
            depth += 1 if token.value == ")" else -1
            if depth < 0:
                return ""
        elif depth == 0 and token.upper in _CLAUSES and token.upper not in ("AS", "ON"):
            return token.upper
    return ""
