"""ksqlDB's clauses as what they stand for: WINDOW as a window table function, WITHIN as a bound between two times."""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine import errors
from sqlengine.sql.lexer import NUMBER, OP, QUOTED, STRING, WORD, Token
from sqlengine.sql.token_edit import CLOSERS, ROWTIME, matching, operator, split_arguments, word

KSQL_KINDS = {"TUMBLING": "TUMBLE", "HOPPING": "HOP", "SESSION": "SESSION"}


def ksql_window(tokens: list[Token]) -> list[Token]:
    """`FROM t [a] WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY k` -> `FROM TUMBLE(t, DESCRIPTOR($rowtime),
    ...) a GROUP BY window_start, window_end, k`; WINDOWSTART and WINDOWEND become the columns' names."""
    for at in range(len(tokens) - 2):
        if tokens[at].upper == "WINDOW" and tokens[at + 1].upper in KSQL_KINDS and tokens[at + 2].value == "(":
            close = matching(tokens, at + 2)
            start, name, alias = _relation_before(tokens, at)
            arguments = _ksql_arguments(tokens[at + 1], tokens[at + 3 : close])
            function = word(KSQL_KINDS[tokens[at + 1].upper], tokens[at + 1])
            descriptor = [
                word("DESCRIPTOR", function),
                operator("(", function),
                Token(QUOTED, ROWTIME, function.start, function.end),
                operator(")", function),
            ]
            keys = _session_keys(function, tokens[close + 1 :])
            relation = [
                function,
                operator("(", function),
                *name,
                *keys,
                operator(",", function),
                *descriptor,
                *arguments,
                operator(")", function),
            ]
            renamed = [_ksql_column(token) for token in (*tokens[:start], *relation, *alias, *tokens[close + 1 :])]
            return ksql_window(_group_by_window(renamed))
    return tokens


def _session_keys(function: Token, tail: Sequence[Token]) -> list[Token]:
    """`PARTITION BY` the columns of GROUP BY: ksqlDB's sessions are those of a key."""
    at = next((i for i in range(len(tail) - 1) if tail[i].upper == "GROUP" and tail[i + 1].upper == "BY"), None)
    if function.upper != "SESSION" or at is None:
        return []
    keys: list[Token] = []
    for token in tail[at + 2 :]:
        if token.upper in _AFTER_GROUP_BY:
            break
        keys.append(token)
    return [word("PARTITION", function), word("BY", function), *keys] if keys else []


_AFTER_GROUP_BY = frozenset("HAVING ORDER LIMIT OFFSET EMIT UNION EXCEPT INTERSECT WINDOW ) ;".split())


def _relation_before(tokens: list[Token], at: int) -> tuple[int, list[Token], list[Token]]:
    """Where the relation before WINDOW begins, its name and its alias."""
    start = next((i for i in range(at - 1, -1, -1) if tokens[i].upper == "FROM"), None)
    body = tokens[start + 1 : at] if start is not None else []
    name_length = 3 if len(body) > 2 and body[1].value == "." else 1
    name, alias = body[:name_length], [token for token in body[name_length:] if token.upper != "AS"]
    if (
        start is None
        or not name
        or len(alias) > 1
        or any(token.kind not in (WORD, QUOTED) for token in (*name[::2], *alias))
    ):
        raise errors.SyntaxError(
            "a WINDOW clause follows the name of a stream",
            hint="write it behind the stream whose time counts, as in FROM a WINDOW TUMBLING (SIZE 1 MINUTE) JOIN t "
            "ON ..., or take windows of the joined rows: FROM TUMBLE((SELECT ... FROM a JOIN b ...) AS j, ts, "
            "INTERVAL '1 minute')",
            position=tokens[at].start,
        )
    return start + 1, name, alias or name[-1:]


_EXAMPLES = {
    "TUMBLING": "SIZE 1 MINUTE",
    "HOPPING": "SIZE 1 MINUTE, ADVANCE BY 20 SECONDS",
    "SESSION": "30 SECONDS",
}


def _ksql_arguments(kind: Token, body: list[Token]) -> list[Token]:
    """`, INTERVAL ..` arguments in our order (HOP: slide before size)."""
    parts: dict[str, list[Token]] = {}
    for clause in split_arguments(body):
        words = [token.upper for token in clause]
        length = (
            2 if words[:2] in (["GRACE", "PERIOD"], ["ADVANCE", "BY"]) else int(words[:1] in (["SIZE"], ["RETENTION"]))
        )
        parts[" ".join(words[:length])] = clause[length:]
    wanted = {"TUMBLING": ("SIZE",), "HOPPING": ("ADVANCE BY", "SIZE"), "SESSION": ("",)}[kind.upper]
    out: list[Token] = []
    for name in wanted:
        value = parts.get(name)
        if not value or len(value) != 2:
            raise errors.SyntaxError(
                f"{name or 'a gap'} of a number and a unit is expected in WINDOW {kind.upper}",
                hint=f"for example WINDOW {kind.upper} ({_EXAMPLES[kind.upper]})",
                position=kind.start,
            )
        out += [
            operator(",", value[0]),
            word("INTERVAL", value[0]),
            Token(STRING, value[0].value, *value[0][2:]),
            value[1],
        ]
    return out


def _ksql_column(token: Token) -> Token:
    renamed = {"WINDOWSTART": "window_start", "WINDOWEND": "window_end"}.get(token.upper)
    return token._replace(value=renamed) if renamed else token


def _group_by_window(tokens: list[Token]) -> list[Token]:
    """In ksqlDB a window is part of the key without being named in GROUP BY."""
    for at in range(len(tokens) - 1):
        if tokens[at].upper == "GROUP" and tokens[at + 1].upper == "BY":
            like = tokens[at + 1]
            names = [
                word("window_start", like),
                operator(",", like),
                word("window_end", like),
                operator(",", like),
            ]
            return [*tokens[: at + 2], *names, *tokens[at + 2 :]]
    return tokens


def ksql_grace(tokens: Sequence[Token]) -> tuple[str, str] | None:
    """The (number, unit) of GRACE PERIOD in a WINDOW clause, or None."""
    for at in range(len(tokens) - 3):
        if tokens[at].upper == "GRACE" and tokens[at + 1].upper == "PERIOD" and tokens[at + 2].kind == NUMBER:
            return tokens[at + 2].value, tokens[at + 3].value
    return None


# ---------------------------------------------------------------- WITHIN


def ksql_within(tokens: list[Token]) -> list[Token]:
    """`a JOIN b WITHIN 10 SECONDS [GRACE PERIOD ...] ON c` -> `a JOIN b ON (c) AND b.$rowtime >= a.$rowtime - INTERVAL
    '10' SECONDS AND b.$rowtime <= a.$rowtime + INTERVAL '10' SECONDS`; `WITHIN (before, after)` gives each its own."""
    for at in range(len(tokens) - 1):
        if tokens[at].upper != "WITHIN" or not (tokens[at + 1].kind == NUMBER or _is_pair(tokens, at + 1)):
            continue
        before, after, on = _distances(tokens, at)
        if on >= len(tokens) or tokens[on].upper != "ON":
            raise errors.SyntaxError("ON is expected after WITHIN", position=tokens[min(on, len(tokens) - 1)].start)
        end = _condition_end(tokens, on + 1)
        *left, right = _joined_names(tokens, at)
        like = tokens[at]
        bound = [*_rowtime(right, like), operator(">=", like), *_latest(left, like), operator("-", like), *before]
        bound += [word("AND", like), *_rowtime(right, like), operator("<=", like)]
        bound += [*_latest(left, like), operator("+", like), *after]
        condition = [operator("(", like), *tokens[on + 1 : end], operator(")", like), word("AND", like), *bound]
        return ksql_within([*tokens[:at], tokens[on], *condition, *tokens[end:]])
    return tokens


def _is_pair(tokens: Sequence[Token], at: int) -> bool:
    return tokens[at].value == "(" and at + 1 < len(tokens) and tokens[at + 1].kind == NUMBER


def _distances(tokens: Sequence[Token], at: int) -> tuple[list[Token], list[Token], int]:
    """How long before and after the left row's time the right's may be; where what follows WITHIN begins."""
    if tokens[at + 1].kind == NUMBER:
        texts, end = [list(tokens[at + 1 : at + 3])] * 2, at + 3
    else:
        close = matching(tokens, at + 1)
        texts, end = split_arguments(tokens[at + 2 : close]), close + 1
    if len(texts) != 2 or any(len(text) != 2 or text[1].kind != WORD or text[1].upper == "ON" for text in texts):
        raise errors.SyntaxError(
            "WITHIN takes one distance in time or two",
            hint="write WITHIN 10 SECONDS or WITHIN (5 SECONDS, 1 MINUTE)",
            position=tokens[at + 1].start,
        )
    if [token.upper for token in tokens[end : end + 2]] == ["GRACE", "PERIOD"]:
        end += 4
    before, after = (_interval(*text) for text in texts)
    return before, after, end


def _interval(number: Token, unit: Token) -> list[Token]:
    return [word("INTERVAL", number), Token(STRING, number.value, *number[2:]), unit]


_AFTER_ON = frozenset(
    "JOIN INNER CROSS FULL NATURAL ASOF LEFT RIGHT WHERE GROUP HAVING QUALIFY WINDOW PARTITION ORDER LIMIT OFFSET "
    "FETCH EMIT UNION EXCEPT INTERSECT MINUS ) , ;".split()
)


def _condition_end(tokens: Sequence[Token], at: int) -> int:
    """One past the condition of ON that begins at `at`."""
    while at < len(tokens):
        token = tokens[at]
        called = at + 1 < len(tokens) and tokens[at + 1].value == "("
        if token.kind in (WORD, OP) and token.upper in _AFTER_ON and not (token.upper in ("LEFT", "RIGHT") and called):
            return at
        at = matching(tokens, at) + 1 if token.kind == OP and token.value in CLOSERS else at + 1
    return at


_JOIN_WORDS = frozenset("JOIN INNER LEFT RIGHT FULL OUTER CROSS NATURAL ASOF ON USING ,".split())


def _joined_names(tokens: Sequence[Token], within: int) -> list[Token]:
    """The names of the relations from FROM to the last before WITHIN, in order."""
    names: list[Token] = []
    relation: list[Token] = []
    at, collecting = _from_before(tokens, within) + 1, True
    while at <= within:
        token = tokens[at]
        if at == within or token.upper in _JOIN_WORDS and token.kind != QUOTED:
            names += relation[-1:]
            relation, collecting = [], token.upper in ("JOIN", ",")
        elif collecting:
            relation.append(token)
        at = matching(tokens, at) + 1 if token.kind == OP and token.value in CLOSERS else at + 1
    unnamed = next((name for name in names if name.kind not in (WORD, QUOTED)), None)
    if len(names) < 2 or unnamed is not None:
        like = unnamed or tokens[within]
        raise errors.SyntaxError("WITHIN stands in a join of relations that have names", position=like.start)
    return names


def _from_before(tokens: Sequence[Token], at: int) -> int:
    """The FROM whose list a place is in; -1 when there is none."""
    depth = 0
    for index in range(at - 1, -1, -1):
        token = tokens[index]
        if token.kind == OP:
            depth += (token.value in CLOSERS.values()) - (token.value in CLOSERS)
        if depth == 0 and token.upper == "FROM":
            return index
    return -1


def _rowtime(name: Token, like: Token) -> list[Token]:
    return [name._replace(start=like.start, end=like.end), operator(".", like), Token(QUOTED, ROWTIME, *like[2:])]


def _latest(names: Sequence[Token], like: Token) -> list[Token]:
    """The time of a joined row: the latest of those it is made of."""
    if len(names) == 1:
        return _rowtime(names[0], like)
    times = [part for name in names for part in (operator(",", like), *_rowtime(name, like))]
    return [word("GREATEST", like), operator("(", like), *times[1:], operator(")", like)]
