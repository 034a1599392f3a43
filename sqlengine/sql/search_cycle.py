"""`SEARCH DEPTH | BREADTH FIRST BY ... SET ...` and `CYCLE ... SET ... [TO ... DEFAULT ...] USING ...` behind an item
of WITH RECURSIVE (SQL:1999, PostgreSQL), as columns that the item makes itself.

    s(a, b) AS (first UNION ALL SELECT ... FROM s, g ...) SEARCH DEPTH FIRST BY a SET seq

becomes, PostgreSQL's documentation telling how,

    s AS (SELECT *, ARRAY[ROW(a)] AS seq FROM (first) AS "$first" (a, b)
          UNION ALL SELECT * EXCLUDE (seq), seq || ARRAY[ROW(a)] AS seq FROM (
              SELECT *, ARRAY[ROW(a)] AS seq FROM (first) AS "$first" (a, b) WHERE FALSE
              UNION ALL SELECT ..., s.seq FROM s, g ...) AS "$next")

The branch without rows gives those of the step their names.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine.errors import DatatypeMismatch, DuplicateColumn, NotSupportedError, SyntaxError  # noqa: A004 - SQL's word
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import quote_identifier
from sqlengine.sql.lexer import NUMBER, OP, QUOTED, STRING, WORD, Token, lex
from sqlengine.sql.token_edit import matching, operator, split_arguments
from sqlengine.sql.with_clause import Item, may_read, with_clause

WORDS_OF_IT = frozenset(("SEARCH", "CYCLE"))
_FORM = {
    "SEARCH": "SEARCH DEPTH FIRST BY column, ... SET name",
    "CYCLE": "CYCLE column, ... SET name [TO value DEFAULT value] USING name",
}
_BOOLEAN = "boolean"
_SETS = frozenset(("UNION", "EXCEPT", "INTERSECT", "MINUS"))
_BEHIND_FROM = frozenset(
    "WHERE JOIN LEFT RIGHT FULL INNER CROSS NATURAL ASOF GROUP HAVING ORDER LIMIT OFFSET FETCH ON USING WINDOW"
    " QUALIFY TABLESAMPLE LATERAL FOR".split()
)
"""Words that can stand behind a relation and are no alias of it."""


@dataclass(frozen=True)
class _Made:
    """The columns that a clause makes: `word`: SEARCH or CYCLE; `by`: the columns it names; `kinds`: what each made
    column is called in messages; `names`, `starts`, `steps`: per made column its name, and the SQL of its value in the
    first rows and, over the row before, in those that follow; `goes_on`: the condition for rows to follow a row."""

    word: Token
    by: tuple[str, ...]
    kinds: tuple[str, ...]
    names: tuple[str, ...]
    starts: tuple[str, ...]
    steps: tuple[str, ...]
    goes_on: str


def search_and_cycle(tokens: list[Token]) -> list[Token]:
    """All such clauses, the innermost WITH first.

    Raises SyntaxError (42601), DuplicateColumn (42701) or NotSupportedError (0A000) in PostgreSQL's words.
    """
    for at in reversed(range(len(tokens))):
        if tokens[at].upper == "WITH" and (clause := with_clause(tokens[at:])) is not None:
            if not any(item.tail for item in clause.items):
                continue
            made = list(clause.opening)
            for place, item in enumerate(clause.items):
                made += [operator(",", item.head[0])] if place else []
                made += _rewritten(item, clause.is_recursive) if item.tail else item.whole
            tokens = [*tokens[:at], *made, *clause.rest]
    return tokens


def _rewritten(item: Item, is_recursive: bool) -> list[Token]:
    if not is_recursive or not may_read(item.body, item.name):
        raise SyntaxError("WITH query is not recursive", position=item.tail[0].start)
    above, query = _under_with(item.body)
    first, union, step = _halves(item, _opened(query))
    made = _clauses(item.tail)
    named = item.head[1:-1]
    _check(made, _names(named) if named else _output_names(first))
    like = item.head[0]
    starts = ", ".join(f"{v} AS {quote_identifier(n)}" for m in made for n, v in zip(m.names, m.starts, strict=True))
    steps = ", ".join(f"{v} AS {quote_identifier(n)}" for m in made for n, v in zip(m.names, m.steps, strict=True))
    hidden = ", ".join(quote_identifier(n) for m in made for n in m.names)
    base = [*_text(f"SELECT *, {starts} FROM (", like), *first, *_text(') AS "$first"', like), *named]
    goes_on = " AND ".join(m.goes_on for m in made if m.goes_on)
    return [
        *(like, *_text("AS (", like), *above, *base, *union),
        *_text(f"SELECT * EXCLUDE ({hidden}), {steps} FROM (", like),
        *(*base, *_text("WHERE FALSE UNION ALL", like), *_carrying(item, step, hidden, made)),
        *_text(f') AS "$next" {"WHERE " + goes_on if goes_on else ""})', like),
    ]


def _text(text: str, like: Token) -> list[Token]:
    """SQL of our own, standing where `like` does."""
    return [Token(t.kind, t.value, like.start, like.end) for t in lex(text)]


# ---------------------------------------------------------------- the clauses


def _clauses(tail: Sequence[Token]) -> list[_Made]:
    at = next((i for i, t in enumerate(tail) if t.upper == "CYCLE" and tail[0].upper == "SEARCH"), len(tail))
    made = [_search(tail[:at]) if tail[0].upper == "SEARCH" else _cycle(tail)]
    return [*made, _cycle(tail[at:])] if at < len(tail) else made


def _search(tokens: Sequence[Token]) -> _Made:
    kind = tokens[1].upper if len(tokens) > 1 else ""
    if kind not in ("DEPTH", "BREADTH") or [t.upper for t in tokens[2:4]] != ["FIRST", "BY"]:
        raise _not_of_form(tokens, 1)
    columns, at = _columns(tokens, 4)
    _expect_end(tokens, at + 2)
    name, row = _name(tokens, at + 1), ", ".join(quote_identifier(c) for c in columns)
    own = quote_identifier(name)
    if kind == "DEPTH":
        start, step = f"ARRAY[ROW({row})]", f"{own} || ARRAY[ROW({row})]"
    else:
        start, step = f"ROW(CAST(0 AS BIGINT), {row})", f"ROW(({own}).f1 + 1, {row})"
    return _Made(tokens[0], columns, ("search sequence",), (name,), (start,), (step,), "")


def _cycle(tokens: Sequence[Token]) -> _Made:
    columns, at = _columns(tokens, 1)
    mark = _name(tokens, at + 1)
    at += 2
    ends = [i for i, t in enumerate(tokens) if t.upper in ("TO", "DEFAULT", "USING") and i >= at]
    words = [tokens[i].upper for i in ends]
    if words not in (["USING"], ["TO", "DEFAULT", "USING"]) or ends[0] != at:
        raise _not_of_form(tokens, at)
    _expect_end(tokens, ends[-1] + 2)
    path = _name(tokens, ends[-1] + 1)
    yes, no = "TRUE", "FALSE"
    if len(ends) == 3:
        values = [tokens[a + 1 : b] for a, b in zip(ends, ends[1:], strict=False)]
        yes, no = (_spelt(value, tokens, a) for value, a in zip(values, ends, strict=False))
        _refuse_mixed(values)
    row = f"ROW({', '.join(quote_identifier(c) for c in columns)})"
    own, way = quote_identifier(mark), quote_identifier(path)
    # The default has the type of both values.
    starts = (f"CASE WHEN FALSE THEN {yes} ELSE {no} END", f"ARRAY[{row}]")
    steps = (f"CASE WHEN {row} = ANY ({way}) THEN {yes} ELSE {no} END", f"{way} || ARRAY[{row}]")
    kinds = ("cycle mark", "cycle path")
    return _Made(tokens[0], columns, kinds, (mark, path), starts, steps, f"{own} <> {yes}")


def _columns(tokens: Sequence[Token], at: int) -> tuple[tuple[str, ...], int]:
    """Columns up to SET, and where that is."""
    end = next((i for i in range(at, len(tokens)) if tokens[i].upper == "SET"), None)
    if end is None:
        raise _not_of_form(tokens, len(tokens) - 1)
    names = []
    for part in split_arguments(tokens[at:end]):
        if len(part) != 1 or part[0].kind not in (WORD, QUOTED):
            raise _not_of_form(part or tokens[at:], min(1, len(part) - 1) if part else 0, tokens[0])
        names.append(_folded(part[0]))
    return tuple(names), end


def _name(tokens: Sequence[Token], at: int) -> str:
    if at >= len(tokens) or tokens[at].kind not in (WORD, QUOTED):
        raise _not_of_form(tokens, at)
    return _folded(tokens[at])


def _spelt(value: Sequence[Token], tokens: Sequence[Token], at: int) -> str:
    """A constant as SQL: a literal, its type before it or not."""
    if not value or any(t.kind == OP and t.value not in ("-", "+") for t in value):
        raise _not_of_form(tokens, at + 1)
    return " ".join("'" + t.value.replace("'", "''") + "'" if t.kind == STRING else t.value for t in value)


def _refuse_mixed(values: Sequence[Sequence[Token]]) -> None:
    """PostgreSQL has no type for a truth value and a number."""
    kinds = [_BOOLEAN if v[-1].upper in ("TRUE", "FALSE") else _number(v[-1]) for v in values if v]
    if len(kinds) == 2 and None not in kinds and (_BOOLEAN in kinds) and kinds[0] != kinds[1]:
        raise DatatypeMismatch(f"CYCLE types {kinds[0]} and {kinds[1]} cannot be matched", position=values[1][0].start)


def _number(token: Token) -> str | None:
    if token.kind != NUMBER:
        return None
    return "integer" if token.value.isdigit() else "numeric"


def _expect_end(tokens: Sequence[Token], at: int) -> None:
    if at < len(tokens):
        raise _not_of_form(tokens, at)


def _not_of_form(tokens: Sequence[Token], at: int, clause: Token | None = None) -> SyntaxError:
    found = tokens[min(at, len(tokens) - 1)]
    return SyntaxError(
        f'syntax error at or near "{found.value}"',
        hint=_FORM[(clause or tokens[0]).upper],
        position=found.start,
    )


def _check(made: Sequence[_Made], columns: Sequence[str] | None) -> None:
    """That the columns a clause names are there once, and those that it makes are new; None: columns not known here."""
    for clause in made:
        what, at = clause.word.upper.lower(), clause.word.start
        for i, column in enumerate(clause.by):
            if columns is not None and column not in columns:
                raise SyntaxError(f'{what} column "{column}" not in WITH query column list', position=at)
            if column in clause.by[:i]:
                raise DuplicateColumn(f'{what} column "{column}" specified more than once', position=at)
        for kind, name in zip(clause.kinds, clause.names, strict=True):
            if columns is not None and name in columns:
                message = f'{kind} column name "{name}" already used in WITH query column list'
                raise SyntaxError(message, position=at)
    new = [(kind, name, clause.word) for clause in made for kind, name in zip(clause.kinds, clause.names, strict=True)]
    for i, (kind, name, clause_word) in enumerate(new):
        other = next((k for k, n, _ in new[i + 1 :] if n == name), None)
        if other is not None:
            message = f"{kind} column name and {other} column name are the same"
            raise SyntaxError(message, position=clause_word.start)


# ---------------------------------------------------------------- the item's query


def _under_with(tokens: Sequence[Token]) -> tuple[list[Token], list[Token]]:
    """(The WITH of a query, what stands behind it)."""
    own = with_clause(tokens) if tokens and tokens[0].upper == "WITH" else None
    return (list(tokens[: len(tokens) - len(own.rest)]), own.rest) if own is not None else ([], list(tokens))


def _halves(item: Item, query: Sequence[Token]) -> tuple[list[Token], list[Token], list[Token]]:
    """(first, UNION [ALL], step) of an item's query."""
    sets = [i for i, _ in _at_top(query, _SETS)]
    if not sets or query[sets[-1]].upper != "UNION":
        raise SyntaxError(
            f'recursive query "{item.name}" does not have the form non-recursive-term UNION [ALL] recursive-term',
            sqlstate="42P19",
            position=item.head[0].start,
        )
    at = sets[-1]
    end = at + 1 + (query[at + 1].upper in ("ALL", "DISTINCT"))
    first, step = _opened(query[:at]), _opened(query[end:])
    for side, words in ((first, "left"), (step, "right")):
        if any(True for _ in _at_top(side, _SETS)):
            raise NotSupportedError(
                f"with a SEARCH or CYCLE clause, the {words} side of the UNION must be a SELECT", position=side[0].start
            )
    return first, list(query[at:end]), step


def _opened(query: Sequence[Token]) -> list[Token]:
    """Without parentheses around all of it."""
    found = list(query)
    while found and found[0].value == "(" and found[0].kind == OP and matching(found, 0) == len(found) - 1:
        found = found[1:-1]
    return found


def _at_top(tokens: Sequence[Token], words: frozenset[str]) -> list[tuple[int, Token]]:
    """Where words stand outside of all brackets."""
    found, at = [], 0
    while at < len(tokens):
        if tokens[at].kind == OP and tokens[at].value in ("(", "["):
            at = matching(tokens, at)
        elif tokens[at].upper in words and tokens[at].kind == WORD:
            found.append((at, tokens[at]))
        at += 1
    return found


def _carrying(item: Item, step: Sequence[Token], hidden: str, made: Sequence[_Made]) -> list[Token]:
    """The step with the made columns of the row before behind its own."""
    above, query = _under_with(step)
    begin = next((i for i, _ in _at_top(query, frozenset(("FROM",)))), None)
    if begin is None or query[0].upper != "SELECT" or (alias := _alias(query, begin, item.name)) is None:
        raise NotSupportedError(
            f'with a SEARCH or CYCLE clause, the recursive reference to WITH query "{item.name}" must be at the top'
            " level of its right-hand SELECT",
            position=(query or item.tail)[0].start,
        )
    values = []
    for value in split_arguments(query[1:begin]):
        star = value[-1].kind == OP and value[-1].value == "*"
        own = star and (len(value) == 1 or value[-2].value != "." or _folded(value[-3]) == _folded(alias))
        values += [*value, *(_text(f"EXCLUDE ({hidden})", value[-1]) if own else ()), operator(",", value[-1])]
    for name in (n for m in made for n in m.names):
        values += [alias, *_text(f".{quote_identifier(name)},", alias)]
    return [*above, query[0], *values[:-1], *query[begin:]]


def _alias(query: Sequence[Token], begin: int, name: str) -> Token | None:
    """What the step's FROM calls the item."""
    at, before = begin + 1, query[begin]
    while at < len(query):
        token = query[at]
        if token.kind == OP and token.value in ("(", "["):
            at = matching(query, at)
        elif token.kind in (WORD, QUOTED) and _folded(token) == name and before.upper in ("FROM", "JOIN", ","):
            behind = list(query[at + 1 : at + 3])
            if behind and behind[0].upper == "AS":
                behind = behind[1:]
            named = behind and behind[0].kind in (WORD, QUOTED) and behind[0].upper not in _BEHIND_FROM
            return behind[0] if named else token
        elif token.upper in ("WHERE", "GROUP", "HAVING", "ORDER", "LIMIT"):
            return None
        at, before = at + 1, token
    return None


def _names(tokens: Sequence[Token]) -> list[str]:
    return [_folded(t) for t in tokens if t.kind in (WORD, QUOTED)]


def _output_names(query: Sequence[Token]) -> list[str] | None:
    """The names of a query's columns, where its text tells all of them."""
    _, select = _under_with(query)
    if not select or select[0].upper != "SELECT":
        return None
    end = next((i for i, _ in _at_top(select, frozenset(("FROM", "WHERE")))), len(select))
    last = [value[-1] for value in split_arguments(select[1:end]) if value]
    return [_folded(t) for t in last] if all(t.kind in (WORD, QUOTED) for t in last) else None


def _folded(token: Token) -> str:
    return token.value.lower() if token.kind == WORD else token.value
