"""`t MATCH_RECOGNIZE (...)`, of which sqlglot keeps the pattern as text and knows no SUBSET nor WITHIN, as a call:

    $match((SELECT * FROM t), $rows('all', 'matches'), $skip('to last', 'up', 'UP'), $pattern('UP DOWN+', 105), ...)

A clause is a call of its own, so that whoever goes through a query's tokens or its tree (parameters, names, literals)
finds the expressions in it.  FINAL and RUNNING become part of the name of the function they stand before.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine import errors
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.hints import nearest_keyword
from sqlengine.sql.lexer import NUMBER, OP, QUOTED, STRING, WORD, Token
from sqlengine.sql.token_edit import CLOSERS, call, matching, operator, word

WORD_OF_IT = "MATCH_RECOGNIZE"
MATCH = "$match"
"""The function's name; its first argument is the relation, each other one a clause."""
PARTITION, ORDER, MEASURE, ROWS, SKIP, PATTERN, WITHIN, SUBSET, DEFINE = (
    "$partition",
    "$order",
    "$measure",
    "$rows",
    "$skip",
    "$pattern",
    "$within",
    "$subset",
    "$define",
)
SEMANTICS = ("final", "running")
"""Words before a function; `final$last(x)` is FINAL LAST(x)."""

_CLAUSES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("PARTITION", "BY"), PARTITION),
    (("ORDER", "BY"), ORDER),
    (("MEASURES",), MEASURE),
    (("ONE", "ROW", "PER", "MATCH"), ROWS),
    (("ALL", "ROWS", "PER", "MATCH"), ROWS),
    (("AFTER", "MATCH", "SKIP"), SKIP),
    (("PATTERN", "("), PATTERN),
    (("WITHIN", "INTERVAL"), WITHIN),
    (("SUBSET",), SUBSET),
    (("DEFINE",), DEFINE),
)
_SHOWN = {
    "SHOW EMPTY MATCHES": "matches",
    "OMIT EMPTY MATCHES": "rows",
    "WITH UNMATCHED ROWS": "unmatched",
}
_BEFORE_INPUT = frozenset(("FROM", "JOIN", "LATERAL", ",", "USING"))


def match_clauses(tokens: list[Token]) -> list[Token]:
    """The tokens with each MATCH_RECOGNIZE behind a relation as a call that takes the relation."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        if not _begins(tokens, at):
            out.append(tokens[at])
            at += 1
            continue
        close = matching(tokens, at + 1)
        first = _input_start(out)
        relation, out = out[first:], out[:first]
        if not relation:
            raise errors.SyntaxError(
                "MATCH_RECOGNIZE stands behind the table whose rows it matches", position=tokens[at].start
            )
        out += _as_call(relation, tokens[at], match_clauses(tokens[at + 2 : close]), tokens[close])
        at = close + 1
    return out


def pattern_stretches(tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """[first, end) of the tokens between the parentheses of each PATTERN, where `?` and `$` are no parameters."""
    if not any(token.upper == WORD_OF_IT for token in tokens):
        return []
    found = []
    for at in range(len(tokens)):
        if _begins(tokens, at):
            end = matching(tokens, at + 1)
            for place in range(at + 2, end):
                if _clause_at(tokens, place) == PATTERN:
                    found.append((place + 2, matching(tokens, place + 1)))
    return found


def _begins(tokens: Sequence[Token], at: int) -> bool:
    called = at + 1 < len(tokens) and tokens[at + 1].kind == OP and tokens[at + 1].value == "("
    return called and tokens[at].upper == WORD_OF_IT


def _input_start(tokens: Sequence[Token]) -> int:
    """Where the relation begins that ends with the tokens."""
    depth, at = 0, len(tokens)
    while at > 0:
        token = tokens[at - 1]
        if token.kind == OP and token.value in CLOSERS.values():
            depth += 1
        elif token.kind == OP and token.value in CLOSERS:
            if depth == 0:
                break
            depth -= 1
        elif depth == 0 and token.upper in _BEFORE_INPUT:
            break
        at -= 1
    return at


# ---------------------------------------------------------------- clauses


@dataclass(frozen=True, slots=True)
class _Clause:
    """`head`: its keywords, the parenthesis of PATTERN excluded; `body`: what is behind them."""

    name: str
    head: list[Token]
    body: list[Token]


def _as_call(relation: list[Token], like: Token, body: list[Token], close: Token) -> list[Token]:
    first = relation[0]
    read = [operator("(", first), word("SELECT", first), operator("*", first), word("FROM", first), *relation]
    arguments = [*read, operator(")", first)]
    for clause in _split(body, close):
        for part in _MAKERS[clause.name](clause):
            arguments += [operator(",", like), *part]
    return call(MATCH, arguments, like)


def _split(body: list[Token], close: Token) -> list[_Clause]:
    """The clauses in their order; SyntaxError (42601) for what is none, comes twice, or lacks."""
    starts = []
    depth = 0
    for at, token in enumerate(body):
        if depth == 0 and (name := _clause_at(body, at)) is not None:
            starts.append((at, name))
        if token.kind == OP:
            depth += (token.value in CLOSERS) - (token.value in CLOSERS.values())
    if body and (not starts or starts[0][0] != 0):
        raise _stray(body[0])
    clauses: list[_Clause] = []
    for (at, name), (end, _) in zip(starts, [*starts[1:], (len(body), "")], strict=True):
        if any(other.name == name for other in clauses):
            raise errors.SyntaxError(f"{_spelt(name)} is there twice", position=body[at].start)
        length = next(len(words) for words, own in _CLAUSES if own == name and _spells(body, at, words))
        length -= name in (PATTERN, WITHIN)
        clauses.append(_Clause(name, body[at : at + length], body[at + length : end]))
    for needed in (PATTERN, DEFINE):
        if not any(clause.name == needed for clause in clauses):
            raise errors.SyntaxError(
                f"MATCH_RECOGNIZE needs {_spelt(needed)}",
                hint="MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES ... PATTERN (A B+) DEFINE B AS ...)",
                position=close.start,
            )
    return clauses


def _clause_at(tokens: Sequence[Token], at: int) -> str | None:
    before = tokens[at - 1] if at else None
    if before is not None and (before.value == "." or before.upper == "AS"):
        return None
    return next((name for words, name in _CLAUSES if _spells(tokens, at, words)), None)


def _spells(tokens: Sequence[Token], at: int, words: tuple[str, ...]) -> bool:
    return tuple(token.upper for token in tokens[at : at + len(words)]) == words


def _spelt(name: str) -> str:
    return next(" ".join(words).removesuffix(" (").removesuffix(" INTERVAL") for words, own in _CLAUSES if own == name)


def _stray(token: Token) -> errors.SyntaxError:
    hint = nearest_keyword(token.value, [words[0] for words, _ in _CLAUSES]) if token.kind == WORD else None
    return errors.SyntaxError(
        f'syntax error at or near "{token.value}"',
        detail="expected a clause of MATCH_RECOGNIZE",
        hint=hint,
        position=token.start,
    )


# ---------------------------------------------------------------- one clause each


def _text(value: str, like: Token) -> Token:
    return Token(STRING, value, like.start, like.end)


def _listed(parts: Sequence[Sequence[Token]], like: Token) -> list[Token]:
    """Arguments with commas between."""
    out: list[Token] = []
    for number, part in enumerate(parts):
        out += [operator(",", like)] if number else []
        out += part
    return out


def _items(clause: _Clause) -> list[list[Token]]:
    """The body cut at its commas; SyntaxError (42601) for an item without text."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in clause.body:
        if token.kind == OP:
            depth += (token.value in CLOSERS) - (token.value in CLOSERS.values())
        if depth == 0 and token.kind == OP and token.value == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    last = clause.head[-1]
    for part in parts:
        if not part:
            raise errors.SyntaxError(
                f"something is missing in {_spelt(clause.name)}", position=(clause.body or [last])[-1].end
            )
        last = part[-1]
    return parts


def _partition(clause: _Clause) -> list[list[Token]]:
    return [call(PARTITION, _listed(_items(clause), clause.head[0]), clause.head[0])]


def _order(clause: _Clause) -> list[list[Token]]:
    _items(clause)
    head = clause.head[0]
    return [call(ORDER, [word("NULL", head), *clause.head, *clause.body], head)]


def _measures(clause: _Clause) -> list[list[Token]]:
    made = []
    for item in _items(clause):
        if len(item) < 2 or item[-1].kind not in (WORD, QUOTED):
            raise errors.SyntaxError("a measure needs a name", hint="expression AS name", position=item[0].start)
        expr, name = item[:-1], item[-1]
        expr = expr[:-1] if expr[-1].upper == "AS" else expr
        if not expr or expr[-1].value == ".":
            raise errors.SyntaxError("a measure needs a name", hint="expression AS name", position=item[0].start)
        made.append(call(MEASURE, [*_semantics(expr), operator(",", name), _text(_folded(name), name)], item[0]))
    return made


def _semantics(tokens: list[Token]) -> list[Token]:
    """`FINAL LAST(x)` -> `final$last(x)`."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        names = at + 2 < len(tokens) and tokens[at + 1].kind == WORD and tokens[at + 2].value == "("
        if token.kind == WORD and token.value.lower() in SEMANTICS and names:
            name = f"{token.value.lower()}${tokens[at + 1].value.lower()}"
            out.append(Token(QUOTED, name, token.start, tokens[at + 1].end))
            at += 2
        else:
            out.append(token)
            at += 1
    return out


def _rows(clause: _Clause) -> list[list[Token]]:
    head = clause.head[0]
    words = " ".join(token.upper for token in clause.body)
    if head.upper == "ONE" and not clause.body:
        return [call(ROWS, [_text("one", head), operator(",", head), _text("matches", head)], head)]
    if head.upper == "ALL" and (not words or words in _SHOWN):
        shown = _SHOWN.get(words, "matches")
        return [call(ROWS, [_text("all", head), operator(",", head), _text(shown, head)], head)]
    raise errors.SyntaxError(
        f'syntax error at or near "{clause.body[0].value}"',
        detail=f"expected {', '.join(_SHOWN)} or a clause of MATCH_RECOGNIZE",
        position=clause.body[0].start,
    )


def _skip(clause: _Clause) -> list[list[Token]]:
    words = [token.upper for token in clause.body]
    kind, named = "", None
    if words in (["PAST", "LAST", "ROW"], ["TO", "NEXT", "ROW"]):
        kind = " ".join(words).lower()
    elif words[:1] == ["TO"] and 2 <= len(words) <= 3 and clause.body[-1].kind in (WORD, QUOTED):
        if len(words) == 2:
            kind = "to last"
        elif words[1] in ("FIRST", "LAST"):
            kind = f"to {words[1].lower()}"
        named = clause.body[-1]
    if not kind:
        raise errors.SyntaxError(
            "syntax error in AFTER MATCH SKIP",
            hint="SKIP PAST LAST ROW, SKIP TO NEXT ROW, SKIP TO FIRST v or SKIP TO LAST v",
            position=(clause.body or clause.head)[0].start,
        )
    head = clause.head[0]
    names = [] if named is None else [operator(",", head), *_named(named)]
    return [call(SKIP, [_text(kind, named or head), *names], named or head)]


def _named(name: Token) -> list[Token]:
    """A variable as two strings: its name, and its label (see ast.PatternVariable)."""
    label = name.value.upper() if name.kind == WORD else name.value
    return [_text(_folded(name), name), operator(",", name), _text(label, name)]


def _folded(name: Token) -> str:
    return name.value.lower() if name.kind == WORD else name.value


def _pattern(clause: _Clause) -> list[list[Token]]:
    """The text between the parentheses, blanks for comments, and where it begins."""
    end = matching(clause.body, 0)
    if end + 1 < len(clause.body):
        raise _stray(clause.body[end + 1])
    start, inner = clause.body[0].end, clause.body[1:end]
    text = ""
    for token in inner:
        quoted = '"' + token.value.replace('"', '""') + '"' if token.kind == QUOTED else token.value
        text = text.ljust(token.start - start) + quoted
    head = clause.head[0]
    begins = Token(NUMBER, str(start), head.start, head.end)
    return [call(PATTERN, [_text(text, head), operator(",", head), begins], head)]


def _within(clause: _Clause) -> list[list[Token]]:
    return [call(WITHIN, clause.body, clause.head[0])]


def _subset(clause: _Clause) -> list[list[Token]]:
    made = []
    for item in _items(clause):
        inner = item[3:-1]
        well = len(item) > 4 and item[1].value == "=" and item[2].value == "(" and item[-1].value == ")"
        members = [t for t in inner if t.value != ","]
        if not well or len(inner) != 2 * len(members) - 1 or any(m.kind not in (WORD, QUOTED) for m in members):
            raise errors.SyntaxError("syntax error in SUBSET", hint="SUBSET u = (a, b)", position=item[0].start)
        names = [[_text(_folded(m), m)] for m in members]
        made.append(call(SUBSET, [*_named(item[0]), operator(",", item[0]), *_listed(names, item[0])], item[0]))
    return made


def _define(clause: _Clause) -> list[list[Token]]:
    made = []
    for item in _items(clause):
        if len(item) < 3 or item[0].kind not in (WORD, QUOTED) or item[1].upper != "AS":
            raise errors.SyntaxError(
                "syntax error in DEFINE", hint="DEFINE variable AS condition", position=item[0].start
            )
        condition = _semantics(item[2:])
        made.append(call(DEFINE, [*condition, operator(",", item[0]), *_named(item[0])], item[0]))
    return made


_MAKERS = {
    PARTITION: _partition,
    ORDER: _order,
    MEASURE: _measures,
    ROWS: _rows,
    SKIP: _skip,
    PATTERN: _pattern,
    WITHIN: _within,
    SUBSET: _subset,
    DEFINE: _define,
}
