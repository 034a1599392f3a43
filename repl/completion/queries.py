"""What may stand at a place inside a query or an expression: by the clause, and by the word before."""

from __future__ import annotations

from collections.abc import Sequence

from repl.completion.scope import Scope, Source, scope_at
from repl.completion.wanted import COLUMN, FUNCTION, JOIN, KEYWORD, PATH, QUERY_ID, RELATION, TYPE, Wanted
from sqlengine.sql import Token

QUERY_BEGINNINGS = ("SELECT", "WITH", "VALUES", "FROM", "TABLE")
_JOINS = (
    "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "INNER JOIN", "CROSS JOIN", "NATURAL JOIN", "ASOF JOIN",
)  # fmt: skip
_SET_OPERATIONS = ("UNION ALL", "UNION", "INTERSECT", "EXCEPT")
_OPERANDS = ("NOT", "CASE", "CAST", "EXISTS", "NULL", "TRUE", "FALSE", "INTERVAL", "DATE", "TIMESTAMP", "ARRAY")
_OPERATORS = (
    "AND", "OR", "IS", "IS NULL", "IS NOT NULL", "IN", "NOT IN", "LIKE", "ILIKE", "NOT LIKE", "BETWEEN",
    "IS DISTINCT FROM", "AT TIME ZONE", "SIMILAR TO",
)  # fmt: skip
_TAIL = ("ORDER BY", "LIMIT", "OFFSET", *_SET_OPERATIONS, "EMIT CHANGES")
_AFTER_WHERE = ("GROUP BY", "HAVING", "QUALIFY", "WINDOW", *_TAIL)
_AFTER_FROM = ("WHERE", *_AFTER_WHERE)
_BEHIND: dict[str, tuple[str, ...]] = {
    "SELECT": ("AS", "FROM", "OVER", "FILTER", *_OPERATORS, *_SET_OPERATIONS),
    "FROM": ("AS", "TABLESAMPLE", "FOR SYSTEM_TIME AS OF", *_JOINS, *_AFTER_FROM),
    "JOIN": ("AS", "ON", "USING", "FOR SYSTEM_TIME AS OF", *_JOINS, *_AFTER_FROM),
    "ON": (*_OPERATORS, *_JOINS, *_AFTER_FROM),
    "USING": (*_JOINS, *_AFTER_FROM),
    "WHERE": (*_OPERATORS, *_AFTER_WHERE),
    "GROUP": ("HAVING", "QUALIFY", "WINDOW", *_TAIL),
    "HAVING": (*_OPERATORS, "QUALIFY", "WINDOW", *_TAIL),
    "QUALIFY": (*_OPERATORS, "WINDOW", *_TAIL),
    "WINDOW": ("AS", *_TAIL),
    "ORDER": ("ASC", "DESC", "NULLS FIRST", "NULLS LAST", "LIMIT", "OFFSET"),
    "LIMIT": ("OFFSET",),
    "OFFSET": ("LIMIT",),
    "WITH": ("AS",),
    "VALUES": _TAIL,
    "": _OPERATORS,
}
"""By clause: what may follow an operand (or a table) of it."""
_AFTER_WORD: dict[str, tuple[str, ...]] = {
    "GROUP": ("BY",),
    "ORDER": ("BY",),
    "PARTITION": ("BY",),
    "IS": ("NULL", "NOT NULL", "NOT", "TRUE", "FALSE", "DISTINCT FROM", "NOT DISTINCT FROM", "UNKNOWN"),
    "LEFT": ("JOIN", "OUTER JOIN"),
    "RIGHT": ("JOIN", "OUTER JOIN"),
    "FULL": ("JOIN", "OUTER JOIN"),
    "ASOF": ("JOIN", "LEFT JOIN"),
    "INNER": ("JOIN",),
    "CROSS": ("JOIN",),
    "OUTER": ("JOIN",),
    "NATURAL": ("JOIN", "LEFT JOIN", "INNER JOIN"),
    "UNION": ("ALL", "DISTINCT", "SELECT"),
    "INTERSECT": ("ALL", "SELECT"),
    "EXCEPT": ("ALL", "SELECT"),
    "NULLS": ("FIRST", "LAST"),
    "EMIT": ("CHANGES", "FINAL", "ON WINDOW CLOSE", "EVERY", "ALLOWED LATENESS", "TIMEOUT"),
    "ROWS": ("BETWEEN", "UNBOUNDED PRECEDING", "CURRENT ROW"),
    "RANGE": ("BETWEEN", "UNBOUNDED PRECEDING", "CURRENT ROW"),
    "UNBOUNDED": ("PRECEDING", "FOLLOWING"),
    "AT": ("TIME ZONE",),
    "SIMILAR": ("TO",),
    "WITHIN": ("GROUP",),
}
"""What must follow a word, whatever the clause."""
FIXED = frozenset(_AFTER_WORD)
"""Words behind which nothing else can stand."""
_BEFORE_OPERAND = frozenset(
    "SELECT DISTINCT ALL WHERE AND OR NOT ON HAVING QUALIFY BY WHEN THEN ELSE CASE BETWEEN LIKE ILIKE IN RETURNING "
    "ESCAPE ANY SOME LIMIT OFFSET FILTER".split()
)
_BEFORE_TABLE = frozenset(("FROM", "JOIN", ",", "LATERAL", "TABLE", "ONLY"))
_WINDOW_FUNCTIONS = frozenset(("TUMBLE", "HOP", "CUMULATE", "SESSION"))
_NEW_NAME = frozenset(("AS", "RECURSIVE"))


def keywords(*words: str) -> Wanted:
    """A Wanted of keywords."""
    return Wanted(KEYWORD, words)


def in_query(tokens: Sequence[Token], cursor: int, outside: Sequence[Source] = ()) -> tuple[Wanted, ...]:
    """What may stand between tokens[cursor - 1] and tokens[cursor] of a query; `outside`: tables of the statement
    around it, whose columns can be named, too."""
    if cursor == 0:
        return (keywords(*QUERY_BEGINNINGS),)
    scope = scope_at(tokens, cursor)
    last = tokens[cursor - 1]
    word = last.upper
    before = tokens[cursor - 2].upper if cursor > 1 else ""
    sources = (*scope.sources, *outside)
    if word in _AFTER_WORD and before not in (".", "AS"):
        return (keywords(*_AFTER_WORD[word]),)
    if word == "(" and before in ("", "(", ",", "AS", "IN", "EXISTS", "FROM", "JOIN", "ALL", "ANY", "MATERIALIZED"):
        return (keywords("SELECT", "WITH", "VALUES"), *_opened(scope, before, sources))
    if word in _NEW_NAME and scope.clause != "":
        return _after_as(scope)
    if scope.clause in ("FROM", "JOIN", "USING", "UNION", "WITH"):
        found = _in_from(scope, word, sources)
        if found is not None:
            return found
    return in_expression(tokens, cursor, scope, outside)


def _opened(scope: Scope, before: str, sources: Sequence[Source]) -> tuple[Wanted, ...]:
    if before in _BEFORE_TABLE and scope.clause in ("FROM", "JOIN"):
        return (_relations(scope),)
    return _operand(scope, sources) if before == "IN" or before in ("(", ",") else ()


def _after_as(scope: Scope) -> tuple[Wanted, ...]:
    """A name of the user's own comes; but CAST(x AS a type)."""
    if scope.function in ("CAST", "TRY_CAST"):
        return (Wanted(TYPE),)
    return (keywords("MATERIALIZED", "NOT MATERIALIZED"),) if scope.clause == "WITH" else ()


def _around_items(word: str) -> tuple[Wanted, ...]:
    """What a WITH goes on with between its items, and behind them."""
    if word == "WITH":
        return (keywords("RECURSIVE"),)
    changes = ("INSERT INTO", "UPDATE", "DELETE FROM", "MERGE INTO") if word == ")" else ()
    return (keywords("AS", "SELECT", *changes),) if word != "," else ()


def _in_from(scope: Scope, word: str, sources: Sequence[Source]) -> tuple[Wanted, ...] | None:
    if scope.clause == "UNION":
        return (keywords("SELECT", "VALUES", "FROM"),)
    if scope.clause == "WITH":
        return _around_items(word)
    if scope.clause == "USING":
        return (Wanted(COLUMN, (), tuple(sources)),) if word in ("(", ",") else None
    if scope.function in _WINDOW_FUNCTIONS and scope.argument == 0 and word in ("(", "TABLE"):
        return (_relations(scope), keywords("TABLE"))
    if scope.function in (*_WINDOW_FUNCTIONS, "DESCRIPTOR"):
        more = () if scope.function == "DESCRIPTOR" else (keywords("DESCRIPTOR", "INTERVAL"),)
        return (Wanted(COLUMN, (), tuple(sources)), *more)
    if word in _BEFORE_TABLE:
        return (_relations(scope), keywords("LATERAL", "TUMBLE", "HOP", "CUMULATE", "UNNEST", "TABLE"))
    return None


def _relations(scope: Scope) -> Wanted:
    return Wanted(RELATION, (), tuple(Source(item) for item in scope.items))


def in_expression(
    tokens: Sequence[Token], cursor: int, scope: Scope, outside: Sequence[Source] = ()
) -> tuple[Wanted, ...]:
    """What may stand inside an expression of that scope."""
    sources = (*scope.sources, *outside)
    last = tokens[cursor - 1] if cursor else None
    word = last.upper if last is not None else ""
    case_open = _open_cases(tokens, cursor)
    if last is None or expects_operand(tokens, cursor):
        joined: tuple[Wanted, ...] = ()
        if word == "ON" and len(scope.sources) > 1:
            joined = (Wanted(JOIN, (), scope.sources[: scope.nearest]),)
        return (*joined, *_operand(scope, sources, word, case_open))
    if scope.function in ("CAST", "TRY_CAST"):
        return (keywords("AS"),)
    behind = _OPERATORS if scope.function and scope.clause != "FROM" else _BEHIND.get(scope.clause, _OPERATORS)
    if scope.function == "OVER":
        behind = ("PARTITION BY", "ORDER BY", "ROWS", "RANGE", "ASC", "DESC", "NULLS LAST")
    if scope.function == "EXTRACT":
        behind = ("FROM",)
    return (keywords(*behind, *(("WHEN", "THEN", "ELSE", "END") if case_open else ())),)


def _operand(scope: Scope, sources: Sequence[Source], word: str = "", case_open: bool = False) -> tuple[Wanted, ...]:
    more: tuple[str, ...] = ("DISTINCT", "ALL") if word == "SELECT" else ("WHEN",) if case_open else ()
    if word == "(" and scope.function == "OVER":
        return (keywords("PARTITION BY", "ORDER BY", "ROWS", "RANGE"),)
    if word == "(" and scope.function == "FILTER":
        return (keywords("WHERE"),)
    if word == "(" and scope.function == "EXTRACT":
        return (keywords("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "EPOCH", "DOW", "DOY", "WEEK", "QUARTER"),)
    if word == "(" and scope.function in ("COUNT", "SUM", "AVG", "MIN", "MAX", "ARRAY_AGG", "STRING_AGG"):
        more = ("DISTINCT",)
    if scope.function in _WINDOW_FUNCTIONS:
        more = ("INTERVAL",)
    names = scope.outputs if scope.clause in ("ORDER", "GROUP", "HAVING", "QUALIFY") else ()
    return (Wanted(COLUMN, names, tuple(sources)), Wanted(FUNCTION), keywords(*more, *_OPERANDS))


def expects_operand(tokens: Sequence[Token], cursor: int) -> bool:
    """Whether a value must come, and not an operator or the next clause."""
    last = tokens[cursor - 1]
    if last.kind != "op":
        after_dot = cursor > 1 and tokens[cursor - 2].value == "."
        from_distinct = last.upper == "FROM" and cursor > 1 and tokens[cursor - 2].upper == "DISTINCT"
        return last.kind == "word" and not after_dot and (last.upper in _BEFORE_OPERAND or from_distinct)
    if last.value == "*":
        before = tokens[cursor - 2].upper if cursor > 1 else ""
        return before not in ("SELECT", ",", ".", "(", "DISTINCT", "ALL", "RETURNING")
    return last.value not in (")", "]", "}", ".")


def _open_cases(tokens: Sequence[Token], cursor: int) -> bool:
    words = [token.upper for token in tokens[:cursor]]
    return words.count("CASE") > words.count("END")


def in_string_of_query(tokens: Sequence[Token]) -> tuple[Wanted, ...]:
    """`FROM '...'` reads a file; `query_id = '...'` and `system.state('...'` name a query."""
    last = [token.value.lower() for token in tokens[-2:]]
    if last in (["query_id", "="], ["state", "("]):
        return (Wanted(QUERY_ID),)
    return (Wanted(PATH),) if tokens and tokens[-1].upper in ("FROM", "JOIN") else ()
