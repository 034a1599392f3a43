"""Token rewriting before sqlglot: what it cannot parse becomes what it can, positions kept.

Rewritten: parameters (`?`, `$1`, `:name`), JSON keys after arrows, window table functions with TABLE,
DESCRIPTOR and PARTITION BY, ksqlDB's WINDOW and WITHIN clauses, MINUS, ROW<...> types.  Every new token takes
the position of the text it stands for. It must not change what a query means.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlengine import errors
from sqlengine.sql.interval import parse_interval
from sqlengine.sql.json_table import json_tables
from sqlengine.sql.lexer import NUMBER, OP, QUOTED, STRING, WORD, Token
from sqlengine.sql.mutual import mutual_recursions
from sqlengine.sql.rewrite_calls import TRIGGERS, special_calls
from sqlengine.sql.rewrite_hive import lateral_views
from sqlengine.sql.rewrite_ksql import KSQL_KINDS, ksql_window, ksql_within
from sqlengine.sql.rewrite_lambdas import closures, lambda_arrows
from sqlengine.sql.rewrite_match import WORD_OF_IT as MATCH_RECOGNIZE
from sqlengine.sql.rewrite_match import match_clauses, pattern_stretches
from sqlengine.sql.rewrite_pg import TRIGGERS as PG_TRIGGERS
from sqlengine.sql.rewrite_pg import pg_forms
from sqlengine.sql.rewrite_rows import SET_WORDS, rows_from_tokens, values_combined, values_named, without_size_hints
from sqlengine.sql.search_cycle import WORDS_OF_IT as SEARCH_OR_CYCLE
from sqlengine.sql.search_cycle import search_and_cycle
from sqlengine.sql.token_edit import CLOSERS, call, matching, operator, split_arguments, word, words_of

PARAMETER = "$parameter"
"""Function name a parameter is parsed as; its one argument is the text of the key."""

PARTITION = "$partition"
"""Function name of PARTITION BY inside a window table function."""

CHANGELOG = "$changelog"
"""Function name of `c AS CHANGELOG FROM t` in WITH; its one argument is t."""

WINDOW_FUNCTIONS = frozenset(("TUMBLE", "HOP", "CUMULATE", "SESSION"))
_ARROWS = frozenset(("->", "->>"))


def rewrite(tokens: Sequence[Token]) -> list[Token]:
    """All rewrites, each only when its trigger word is there."""
    result = list(tokens)
    words = {token.upper for token in tokens}
    if MATCH_RECOGNIZE in words:
        result = match_clauses(result)
    if words & PG_TRIGGERS:
        result = pg_forms(result)
    if words & {"?", "$", ":"}:
        result = _parameters(result)
    if "JSON_TABLE" in words:
        result = json_tables(result)
        words |= {token.upper for token in result}
    if words & TRIGGERS:
        result = special_calls(result)
    if "|" in words:
        result = closures(result)
    if "=>" in words:
        result = lambda_arrows(result)
    if "INTERVAL" in words:
        result = _interval_texts(result)
    if "::" in words and words & _LITERAL_TYPES:
        result = _typed_literals(result)
    if words & _ARROWS:
        result = _json_keys(result)
    if "ASOF" in words:
        result = _asof_joins(result)
    if {"WITH", "MUTUALLY", "RECURSIVE"} <= words:
        result = mutual_recursions(result)
    if "WITH" in words and words & SEARCH_OR_CYCLE:
        result = search_and_cycle(result)
    if {"WITH", "CHANGELOG"} <= words:
        result = _changelogs(result)
    if "TOP" in words:
        _refuse_top(result)
    if words & {"PIVOT", "UNPIVOT"}:
        result = _pivot_first(result)
    if "MINUS" in words:
        result = _minus(result)
    if "GROUP" in words and words & {"OPTIONS", "OPTION"}:
        result = without_size_hints(result)
    if {"ROWS", "FROM"} <= words:
        result = rows_from_tokens(result)
    if "VALUES" in words and words & SET_WORDS:
        result = values_combined(result)
    if "VALUES" in words:
        result = values_named(result)
    if {"LATERAL", "VIEW"} <= words:
        result = lateral_views(result)
    if {"WITHIN", "JOIN"} <= words:
        result = ksql_within(result)
    if "WINDOW" in words and words & KSQL_KINDS.keys():
        result = ksql_window(result)
    if words & WINDOW_FUNCTIONS or "TABLE" in words:
        result = _table_functions(result)
    if "ROW" in words and "<" in words:
        result = _row_types(result)
    if "MAP" in words:
        result = _map_literals(result)
    if "*" in words and "(" in words:
        result = _fields_of(result)
    if words & {"[", "MAP"}:
        result = _bare_arrays(_indexes(result))
    return result


def streaming_forms(tokens: list[Token]) -> list[Token]:
    """Of the rewrites those that every dialect needs: changelogs in WITH, and window table functions."""
    return _table_functions(_changelogs(tokens))


def _fields_of(tokens: list[Token]) -> list[Token]:
    """`(t.c).*` -> `t.c.*`: all fields of a column."""
    out: list[Token] = []
    for token in tokens:
        out.append(token)
        closes = token.value == "*" and len(out) > 4 and out[-2].value == "." and out[-3].value == ")"
        opener = next((i for i in range(len(out) - 4, max(-1, len(out) - 10), -1) if out[i].value == "("), None)
        if (
            not closes
            or opener is None
            or (opener and out[opener - 1].kind in (WORD, QUOTED) and _is_call(out, opener))
        ):
            continue
        inner = out[opener + 1 : -3]
        names = inner[::2]
        if all(t.kind in (WORD, QUOTED) for t in names) and all(t.value == "." for t in inner[1::2]) and len(inner) % 2:
            out[opener:] = [*inner, *out[-2:]]
    return out


def _is_call(tokens: Sequence[Token], opener: int) -> bool:
    """Whether a name before a parenthesis is that of a function."""
    before = tokens[opener - 1]
    return before.kind == QUOTED or before.upper not in ("SELECT", "DISTINCT", "ALL", "RETURNING")


_LITERAL_TYPES = frozenset(("DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ"))


def _typed_literals(tokens: list[Token]) -> list[Token]:
    """`date 'x'::text`: the type belongs to the string, as `(date 'x')::text` says."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        kind, *rest = tokens[at : at + 3]
        if len(rest) == 2 and kind.upper in _LITERAL_TYPES and rest[0].kind == STRING and rest[1].value == "::":
            out += [operator("(", kind), kind, rest[0], operator(")", kind)]
            at += 2
        else:
            out.append(kind)
            at += 1
    return out


_INTERVAL_FIELDS = frozenset(("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"))
_AMOUNT = re.compile(r"[+-]?\d+(\.\d+)?\s*[a-zA-Z]+")


def _interval_texts(tokens: list[Token]) -> list[Token]:
    """`INTERVAL '10 days 00:00:01'` -> the same in units: behind one amount with a unit sqlglot reads nothing more, and
    the word behind a text without units it takes for one: `INTERVAL '00:00:01' PRECEDING`."""
    out: list[Token] = []
    for at, token in enumerate(tokens):
        is_text = token.kind == STRING and at > 0 and tokens[at - 1].upper == "INTERVAL"
        amounts = len(_AMOUNT.findall(token.value)) if is_text else 0
        followed = at + 1 < len(tokens) and tokens[at + 1].upper in _INTERVAL_FIELDS
        clock = is_text and not amounts and ":" in token.value and not followed
        out.append(_in_units(token) if amounts == 1 or clock else token)
    return out


def _in_units(token: Token) -> Token:
    if _AMOUNT.fullmatch(token.value.strip()) or token.value.lstrip().upper().startswith("P"):
        return token
    found = parse_interval(token.value, None, token.start)
    text = f"{found.months} months {found.days} days {found.microseconds} microseconds"
    return Token(STRING, text, token.start, token.end)


# ---------------------------------------------------------------- parameters


def _parameters(tokens: list[Token]) -> list[Token]:
    out: list[Token] = []
    resume = 0
    for start, end, key in parameter_spans(tokens):
        out += [*tokens[resume:start], *_parameter(key, tokens[start])]
        resume = end
    return [*out, *tokens[resume:]]


def _parameter(key: int | str, like: Token) -> list[Token]:
    kind = NUMBER if isinstance(key, int) else STRING
    return call(PARAMETER, [Token(kind, str(key), like.start, like.end)], like)


def parameter_spans(tokens: Sequence[Token]) -> list[tuple[int, int, int | str]]:
    """Parameters as (first token, one past the last, key): `?` numbered from 0 in order, `$1` -> 0,
    `:name` -> name."""
    spans: list[tuple[int, int, int | str]] = []
    brackets: list[str] = []
    marks = 0
    patterns = pattern_stretches(tokens)
    for at, token in enumerate(tokens):
        if token.kind != OP or any(first <= at < end for first, end in patterns):
            continue
        if token.value in CLOSERS:
            brackets.append(token.value)
        elif token.value in ")]}" and brackets:
            brackets.pop()
        elif token.value == "?" and not (_ends_operand(tokens, at) and _begins_operand(tokens, at + 1)):
            spans.append((at, at + 1, marks))
            marks += 1
        elif token.value == "$" and _adjacent(tokens, at, NUMBER) and tokens[at + 1].value.isdigit():
            spans.append((at, at + 2, _dollar_key(tokens[at + 1])))
        elif token.value == ":" and _adjacent(tokens, at, WORD) and (not brackets or brackets[-1] == "("):
            spans.append((at, at + 2, tokens[at + 1].value))
    return spans


def _dollar_key(token: Token) -> int:
    if len(token.value) > 5 or int(token.value) == 0:
        raise errors.SyntaxError(f"there is no parameter ${token.value}", position=token.start)
    return int(token.value) - 1


def _adjacent(tokens: Sequence[Token], at: int, kind: str) -> bool:
    return at + 1 < len(tokens) and tokens[at + 1].kind == kind and tokens[at + 1].start == tokens[at].end


_NO_OPERAND = frozenset(
    "SELECT WHERE AND OR NOT ON HAVING QUALIFY BY LIMIT OFFSET FETCH FIRST NEXT WHEN THEN ELSE CASE IN LIKE "
    "ILIKE BETWEEN IS FROM "
    "TO INTERVAL VALUES SET DISTINCT ALL ANY SOME RETURNING AS USING ESCAPE ZONE FOR PRECEDING FOLLOWING "
    "DATE TIMESTAMP TIME".split()
)


def _ends_operand(tokens: Sequence[Token], at: int) -> bool:
    if at == 0:
        return False
    before = tokens[at - 1]
    if before.kind == OP:
        return before.value in ")]}"
    return before.upper not in _NO_OPERAND


def _begins_operand(tokens: Sequence[Token], at: int) -> bool:
    """After the JSON operator `?` comes a key."""
    if at >= len(tokens):
        return False
    return tokens[at].kind in (STRING, QUOTED) or tokens[at].value == "("


# ---------------------------------------------------------------- JSON keys and types


def _json_keys(tokens: list[Token]) -> list[Token]:
    """`a -> 'x.y'` -> `a -> ('x.y')`: sqlglot would read a bare string as a path of two keys."""
    out: list[Token] = []
    for at, token in enumerate(tokens):
        if token.kind in (STRING, NUMBER) and at and tokens[at - 1].kind == OP and tokens[at - 1].value in _ARROWS:
            out += [operator("(", token), token, operator(")", token)]
        else:
            out.append(token)
    return out


def _row_types(tokens: list[Token]) -> list[Token]:
    """`ROW<a INT>` -> `STRUCT<a INT>`."""

    def is_type(at: int) -> bool:
        return tokens[at].upper == "ROW" and at + 1 < len(tokens) and tokens[at + 1].value == "<"

    return [word("STRUCT", token) if is_type(at) else token for at, token in enumerate(tokens)]


def _map_literals(tokens: list[Token]) -> list[Token]:
    """`MAP {k: v}` and `MAP[k, v]` -> `map(ARRAY[k], ARRAY[v])`."""
    for at in range(len(tokens) - 1):
        opener = tokens[at + 1]
        if tokens[at].upper == "MAP" and opener.kind == OP and opener.value in "{[" and opener.value:
            close = matching(tokens, at + 1)
            separators = (",",) if opener.value == "[" else (",", ":")
            entries = split_arguments(tokens[at + 2 : close], separators)
            if len(entries) % 2:
                raise errors.SyntaxError("a map has a value for each key", position=opener.start)
            keys, values = _array(entries[::2], opener), _array(entries[1::2], opener)
            built = call("map", [*keys, operator(",", opener), *values], tokens[at])
            return [*tokens[:at], *built, *_map_literals(tokens[close + 1 :])]
    return tokens


def _array(items: list[list[Token]], like: Token) -> list[Token]:
    out = [word("ARRAY", like), operator("[", like)]
    for number, item in enumerate(items):
        out += [operator(",", like)] if number else []
        out += _map_literals(item)
    return [*out, operator("]", like)]


def _indexes(tokens: list[Token]) -> list[Token]:
    """`a[i]` -> `a[i, 0]`: sqlglot shifts a lone index by one where it takes it for a whole number, at the
    price of typing everything before it.  glot.py drops the second again.  Types and array literals are
    left alone."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.kind == OP and token.value == "[" and _is_subscript(tokens, at):
            close = matching(tokens, at)
            inner = _indexes(tokens[at + 1 : close])
            padding = [operator(",", token), Token(NUMBER, "0", token.start, token.end)] if inner else []
            out += [token, *inner, *padding, tokens[close]]
            at = close + 1
        else:
            out.append(token)
            at += 1
    return out


def _bare_arrays(tokens: list[Token]) -> list[Token]:
    """`ARRAY[1]` -> `[1]`: with the word, sqlglot tries a type first and takes twice as long for each
    level of nesting."""

    def is_literal(at: int) -> bool:
        typed = at > 0 and tokens[at - 1].upper in ("::", "AS")
        return tokens[at].upper == "ARRAY" and not typed and at + 1 < len(tokens) and tokens[at + 1].value == "["

    return [token for at, token in enumerate(tokens) if not is_literal(at)]


def _is_subscript(tokens: Sequence[Token], at: int) -> bool:
    before = tokens[at - 1] if at else None
    if before is None or before.kind in (STRING, NUMBER):
        return False
    if before.kind == WORD and at > 1 and tokens[at - 2].upper in ("::", "AS"):
        return False
    return before.value in ")]}" if before.kind == OP else before.upper != "ARRAY" and before.upper not in _NO_OPERAND


# ---------------------------------------------------------------- ASOF joins


def _asof_joins(tokens: list[Token]) -> list[Token]:
    """`LEFT ASOF JOIN` (Feldera) -> `ASOF LEFT JOIN`; `MATCH_CONDITION (a) [ON b]` (Snowflake) -> `ON (a) [AND b]`."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        token, after = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else None
        if token.upper == "LEFT" and after is not None and after.upper == "ASOF":
            out += [after, token]
            at += 2
        elif token.upper == "MATCH_CONDITION" and after is not None and after.value == "(":
            close = matching(tokens, at + 1)
            out += [word("ON", token), *tokens[at + 1 : close + 1]]
            at = close + 1
            if at < len(tokens) and tokens[at].upper == "ON":
                out.append(word("AND", tokens[at]))
                at += 1
        else:
            out.append(token)
            at += 1
    return out


# ---------------------------------------------------------------- MINUS and TOP


def _refuse_top(tokens: Sequence[Token]) -> None:
    """SyntaxError (42601) for `SELECT TOP n`, whose n would stand far from where it is written."""
    for at in range(1, len(tokens) - 1):
        counts = tokens[at].upper == "TOP" and tokens[at + 1].kind == NUMBER
        if counts and tokens[at - 1].upper in ("SELECT", "DISTINCT", "ALL"):
            raise errors.SyntaxError(
                "SELECT TOP is not supported",
                hint=f"write LIMIT {tokens[at + 1].value} behind ORDER BY",
                position=tokens[at].start,
            )


def _minus(tokens: list[Token]) -> list[Token]:
    """`query MINUS query` (Oracle, Spark, Hive) -> `query EXCEPT query`; elsewhere it is a name."""

    def begins_query(at: int) -> bool:
        while at < len(tokens) and (tokens[at].upper in ("ALL", "DISTINCT") or tokens[at].value == "("):
            at += 1
        return at < len(tokens) and tokens[at].upper in ("SELECT", "VALUES", "WITH", "TABLE")

    def is_operator(at: int) -> bool:
        return tokens[at].kind == WORD and tokens[at].upper == "MINUS" and begins_query(at + 1)

    return [word("EXCEPT", token) if is_operator(at) else token for at, token in enumerate(tokens)]


def _pivot_first(tokens: list[Token]) -> list[Token]:
    """DuckDB's `PIVOT t ON ... ORDER BY x` as a query of its own -> `SELECT * FROM (PIVOT t ON ...) ORDER BY x`."""
    first = tokens[0]
    if first.upper not in ("PIVOT", "UNPIVOT"):
        return tokens
    end, depth = len(tokens), 0
    for at, token in enumerate(tokens):
        depth += (token.value in CLOSERS) - (token.value in CLOSERS.values()) if token.kind == OP else 0
        if depth == 0 and token.upper in ("ORDER", "LIMIT", "OFFSET", "UNION", "INTERSECT", "EXCEPT", "MINUS"):
            end = at
            break
    if not any(token.upper in ("ON", "USING", "GROUP") for token in tokens[:end]):
        found, position = ("end of input", tokens[end - 1].end)
        if end < len(tokens):
            found, position = (f'or near "{tokens[end].value}"', tokens[end].start)
        detail = f"{first.upper} needs ON and the columns"
        raise errors.SyntaxError(f"syntax error at {found}", detail=detail, position=position)
    select = [word("SELECT", first), operator("*", first), word("FROM", first)]
    return [*select, operator("(", first), *tokens[:end], operator(")", tokens[end - 1]), *tokens[end:]]


# ---------------------------------------------------------------- AS CHANGELOG FROM


def _changelogs(tokens: list[Token]) -> list[Token]:
    """`WITH c AS CHANGELOG FROM t` -> `WITH c AS (SELECT * FROM $changelog(t))`; elsewhere it is a column's alias."""
    if "WITH" not in words_of(tokens):
        return tokens
    out: list[Token] = []
    copied = 0
    for start, end in _changelog_spans(tokens):
        like, name = tokens[start], tokens[start + 2 : end]
        read = call(CHANGELOG, name, like)
        query = [word("SELECT", like), operator("*", like), word("FROM", like), *read]
        out += [*tokens[copied:start], operator("(", like), *query, operator(")", like)]
        copied = end
    return [*out, *tokens[copied:]]


def _changelog_spans(tokens: list[Token]) -> list[tuple[int, int]]:
    """(the word CHANGELOG, one past the name behind FROM) of every such item of a WITH list."""
    spans: list[tuple[int, int]] = []
    for at, token in enumerate(tokens):
        if token.upper != "WITH":
            continue
        item = at + (2 if at + 1 < len(tokens) and tokens[at + 1].upper == "RECURSIVE" else 1)
        while (body := _with_body(tokens, item)) is not None:
            if tokens[body].value == "(":
                end = matching(tokens, body) + 1
            elif [t.upper for t in tokens[body : body + 2]] == ["CHANGELOG", "FROM"]:
                end = _name_end(tokens, body + 2)
                spans.append((body, end))
            else:
                break
            if end >= len(tokens) or tokens[end].value != ",":
                break
            item = end + 1
    return sorted(spans)


def _with_body(tokens: list[Token], item: int) -> int | None:
    """Where the query of the WITH item that begins at `item` begins; None when there is no such item."""
    if item + 1 >= len(tokens) or tokens[item].kind not in (WORD, QUOTED):
        return None
    at = item + 1
    if tokens[at].value == "(":
        at = matching(tokens, at) + 1
    if at + 1 >= len(tokens) or tokens[at].upper != "AS":
        return None
    at += 1
    while tokens[at].upper in ("NOT", "MATERIALIZED") and at + 1 < len(tokens):
        at += 1
    return at


def _name_end(tokens: list[Token], at: int) -> int:
    """One past the dotted name that begins at `at`; SyntaxError (42601) when there is none."""
    if at >= len(tokens) or tokens[at].kind not in (WORD, QUOTED):
        raise errors.SyntaxError("the name of a table or view is expected", position=tokens[at - 1].end)
    end = at + 1
    while end + 1 < len(tokens) and tokens[end].value == "." and tokens[end + 1].kind in (WORD, QUOTED):
        end += 2
    return end


# ---------------------------------------------------------------- window table functions


def _table_functions(tokens: list[Token]) -> list[Token]:
    """`TABLE(f(...))` -> `f(...)`, and the arguments of window functions made plain."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        opens = at + 1 < len(tokens) and tokens[at + 1].kind == OP and tokens[at + 1].value == "("
        if opens and token.upper == "TABLE" and _in_from(tokens, at):
            close = matching(tokens, at + 1)
            inner = tokens[at + 2 : close]
            called = inner and inner[0].upper == "UNNEST" and tokens[at - 1].upper != "LATERAL"
            out += [word("LATERAL", token)] if called else []
            out += _table_functions([tokens[at - 1], *inner])[1:]
            at = close + 1
        elif opens and token.upper in WINDOW_FUNCTIONS and _in_from(tokens, at):
            close = matching(tokens, at + 1)
            out += [token, tokens[at + 1], *_window_arguments(tokens[at + 2 : close]), tokens[close]]
            at = close + 1
        else:
            out.append(token)
            at += 1
    return out


_FROM_WORDS = frozenset(("FROM", "JOIN", "LATERAL", ",", "("))


def _in_from(tokens: Sequence[Token], at: int) -> bool:
    return at > 0 and tokens[at - 1].upper in _FROM_WORDS


def _window_arguments(tokens: list[Token]) -> list[Token]:
    out: list[Token] = []
    for argument in _time_apart(split_arguments(tokens)):
        if out:
            out.append(operator(",", argument[0] if argument else out[-1]))
        out += _window_argument(argument)
    return out


def _time_apart(arguments: list[list[Token]]) -> list[list[Token]]:
    """`t PARTITION BY k, ts` and an interval behind it: the last column is the time, not a key."""
    out: list[list[Token]] = []
    for at, argument in enumerate(arguments):
        keyed = _partition_at(argument) < len(argument)
        follows = arguments[at + 1][0].upper if at + 1 < len(arguments) and arguments[at + 1] else ""
        comma = _last_comma(argument)
        if keyed and follows == "INTERVAL" and comma is not None and argument[comma + 1].upper != "DESCRIPTOR":
            out += [argument[:comma], argument[comma + 1 :]]
        else:
            out.append(argument)
    return out


def _last_comma(tokens: Sequence[Token]) -> int | None:
    """The last comma outside brackets that something follows."""
    depth, found = 0, None
    for at, token in enumerate(tokens[:-1]):
        if token.kind == OP:
            depth += (token.value in CLOSERS) - (token.value in ")]}")
            found = at if token.value == "," and depth == 0 else found
    return found


def _partition_at(tokens: Sequence[Token]) -> int:
    """Where PARTITION BY and its like begin in a window's input; its length when they do not."""
    depth = 0
    for at, token in enumerate(tokens):
        if token.kind == OP:
            depth += (token.value in CLOSERS) - (token.value in ")]}")
        if depth == 0 and token.upper in ("PARTITION", "ORDER", "DISTRIBUTE"):
            return at
    return len(tokens)


def _window_argument(argument: list[Token]) -> list[Token]:
    """One argument: the word TABLE left out, PARTITION BY moved to an argument of its own."""
    start = 2 if len(argument) > 2 and argument[1].value == "=>" else 0
    head, rest = argument[:start], argument[start:]
    cut = _partition_at(rest)
    if not rest or (rest[0].upper != "TABLE" and cut == len(rest)):
        return [*head, *_table_functions(rest)] if rest else head
    if rest[0].upper == "TABLE":
        rest, cut = rest[1:], cut - 1
    relation, tail = rest[:cut], rest[cut:]
    out = [*head, *_table_functions(relation)]
    if tail:
        keys = _partition_keys(tail)
        out += [operator(",", tail[0]), *call(PARTITION, keys, tail[0])]
    return out


def _partition_keys(tail: list[Token]) -> list[Token]:
    if tail[0].upper == "ORDER" or len(tail) < 3 or tail[1].upper != "BY":
        raise errors.SyntaxError("expected PARTITION BY and column names", position=tail[0].start)
    keys = tail[2:]
    if keys[0].value == "(" and matching(keys, 0) == len(keys) - 1:
        keys = keys[1:-1]
    return keys
