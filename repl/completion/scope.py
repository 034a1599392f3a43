"""Where in a query the cursor is, and which tables' columns can be named there: a scan of tokens, no parser.

A query being typed is seldom one that parses, so this looks only at brackets, clause words and commas.  It is
pure: tokens in, names out; what the names are is for others to look up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import Token

_CLAUSES = frozenset(
    "SELECT FROM JOIN ON USING WHERE GROUP HAVING QUALIFY WINDOW ORDER LIMIT OFFSET VALUES WITH EMIT".split()
)
_SET_WORDS = frozenset(("UNION", "INTERSECT", "EXCEPT"))
_FROM_ENDS = frozenset("WHERE GROUP HAVING QUALIFY WINDOW ORDER LIMIT OFFSET UNION INTERSECT EXCEPT EMIT FETCH".split())
_BEFORE_JOIN = frozenset("INNER LEFT RIGHT FULL OUTER CROSS NATURAL ASOF SEMI ANTI POSITIONAL".split())
_NO_ALIAS = (
    _FROM_ENDS
    | _BEFORE_JOIN
    | frozenset("JOIN ON USING AS FOR TABLESAMPLE SELECT SET RETURNING MATCH_RECOGNIZE WINDOW".split())
)
_WINDOW_COLUMNS = dict.fromkeys(("TUMBLE", "HOP", "CUMULATE", "SESSION"), ("window_start", "window_end", "window_time"))
_QUERY_WORDS = frozenset(("SELECT", "WITH", "VALUES", "FROM"))


@dataclass(frozen=True, slots=True)
class Source:
    """A table of a FROM clause: its `alias` as written, the dotted `name` of what is stored, None for a sub-query;
    `columns` are those the statement itself gives, `stars` the sources of which all columns are taken, too."""

    alias: str
    name: str | None = None
    columns: tuple[str, ...] = ()
    stars: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """`clause`: the clause word before the cursor ("" outside a query); `sources` visible there, the nearest first;
    `nearest`: how many of them are of the query the cursor is in; `items`: the names of WITH items; `outputs`: names
    the select list gives; `function`: the function whose brackets the cursor is in; `argument`: which one, from 0."""

    clause: str = ""
    sources: tuple[Source, ...] = ()
    nearest: int = 0
    items: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    function: str = ""
    argument: int = 0


def scope_at(tokens: Sequence[Token], cursor: int) -> Scope:
    """The scope between tokens[cursor - 1] and tokens[cursor] of a query (or part of a statement)."""
    tokens = _closed(tokens, cursor)
    levels = _query_levels(tokens, cursor)
    items: dict[str, Source] = {}
    found: list[Source] = []
    nearest = 0
    outputs: tuple[str, ...] = ()
    for start, end in levels:
        items |= _with_items(tokens, start, end, items)
        first, last = _segment(tokens, start, end, cursor)
        here = list(from_sources(tokens, first, last, items))
        found = here + [source for source in found if source.alias not in {s.alias for s in here}]
        nearest = len(here)
        outputs = tuple(_outputs(tokens, first, last, here)[0])
    start = levels[-1][0]
    clause = _clause(tokens, start, cursor)
    function, argument = _call(tokens, start, cursor)
    return Scope(clause, tuple(found), nearest, tuple(items), outputs, function, argument)


def from_sources(
    tokens: Sequence[Token], start: int, end: int, items: dict[str, Source] | None = None
) -> Iterator[Source]:
    """The tables of the FROM clause (with its joins) at depth 0 of a stretch; also those behind UPDATE's USING."""
    at = start
    while at < end and not _is_from(tokens, at):
        at = _after(tokens, at, end)
    expects = at < end
    at += 1
    while at < end and tokens[at].upper not in _FROM_ENDS:
        word = tokens[at].upper
        if expects and word not in ("LATERAL", "ONLY", "TABLE"):
            source, at = _source(tokens, at, end, items or {})
            if source is not None:
                yield source
            expects = False
            continue
        expects = expects or word in (",", "JOIN")
        at = at + 1 if expects else _after(tokens, at, end)


def table_at(tokens: Sequence[Token], at: int) -> Source | None:
    """The table that is named at `at`, with its alias; None where no name stands."""
    if at >= len(tokens) or tokens[at].kind not in ("word", "quoted"):
        return None
    name, behind = _dotted(tokens, at, len(tokens))
    is_list = behind < len(tokens) and tokens[behind].value == "("
    alias = "" if is_list else _alias(tokens, behind, len(tokens))[0]
    return Source(alias or name.rpartition(".")[2], name)


def _is_from(tokens: Sequence[Token], at: int) -> bool:
    """FROM as a clause: not in IS DISTINCT FROM."""
    return tokens[at].upper == "FROM" and not (at and tokens[at - 1].upper == "DISTINCT")


def _source(tokens: Sequence[Token], at: int, end: int, items: dict[str, Source]) -> tuple[Source | None, int]:
    """A table, sub-query or table function at `at`, and what is behind its alias."""
    if tokens[at].value == "(":
        close = _after(tokens, at, end)
        inside = _columns_of(tokens, at + 1, close - 1, items)
        alias, behind, columns = _alias(tokens, close, end)
        if inside is None:  # a join in parentheses: its first table stands for it
            return next(_joined(tokens, at + 1, close - 1, items), None), behind
        return Source(alias or "", None, columns or inside[0], () if columns else inside[1]), behind
    if tokens[at].kind not in ("word", "quoted"):
        return None, at + 1
    if tokens[at].kind == "word" and tokens[at].upper in _NO_ALIAS:
        return None, at + 1 if tokens[at].upper not in _FROM_ENDS else at
    name, behind = _dotted(tokens, at, end)
    if behind < end and tokens[behind].value == "(":
        return _table_function(tokens, name, behind, end)
    alias, behind, columns = _alias(tokens, behind, end)
    item = items.get(name.lower())
    if item is not None:
        return Source(alias or name, None, columns or item.columns, () if columns else item.stars), behind
    return Source(alias or name.rpartition(".")[2], name, columns), behind


def _joined(tokens: Sequence[Token], start: int, end: int, items: dict[str, Source]) -> Iterator[Source]:
    if start < end:
        source, _ = _source(tokens, start, end, items)
        if source is not None:
            yield source


def _table_function(tokens: Sequence[Token], name: str, at: int, end: int) -> tuple[Source | None, int]:
    """TUMBLE(TABLE t, ...): the columns of t and of the window; of other functions only the alias is known."""
    close = _after(tokens, at, end)
    alias, behind, columns = _alias(tokens, close, end)
    inner = at + 1
    while inner < close and tokens[inner].upper in ("TABLE", "(", "TUMBLE", "HOP", "CUMULATE", "SESSION", "DATA", "=>"):
        name = tokens[inner].upper if tokens[inner].upper in _WINDOW_COLUMNS else name
        inner += 1
    window = _WINDOW_COLUMNS.get(name.upper())
    if window is None or inner >= close or tokens[inner].kind not in ("word", "quoted"):
        return Source(alias or name, None, columns), behind
    table, _ = _dotted(tokens, inner, close)
    return Source(alias or table, None, window, (Source(table, table),)), behind


def _alias(tokens: Sequence[Token], at: int, end: int) -> tuple[str, int, tuple[str, ...]]:
    """`[AS] alias [(column, ...)]` at `at`: the alias ("" if there is none), what is behind, and the columns."""
    if at < end and tokens[at].upper == "AS":
        at += 1
    elif at < end and tokens[at].kind == "word" and tokens[at].upper in _NO_ALIAS:
        return "", at, ()
    if at >= end or tokens[at].kind not in ("word", "quoted"):
        return "", at, ()
    alias, at = tokens[at].value, at + 1
    if at < end and tokens[at].value == "(" and tokens[at].kind == "op":
        close = _after(tokens, at, end)
        return alias, close, tuple(t.value for t in tokens[at + 1 : close] if t.kind in ("word", "quoted"))
    return alias, at, ()


def _dotted(tokens: Sequence[Token], at: int, end: int) -> tuple[str, int]:
    parts = [tokens[at].value]
    at += 1
    while at + 1 < end and tokens[at].value == "." and tokens[at + 1].kind in ("word", "quoted"):
        parts.append(tokens[at + 1].value)
        at += 2
    return ".".join(parts), at


# ---------------------------------------------------------------- levels


def _after(tokens: Sequence[Token], at: int, end: int) -> int:
    """One past the token at `at`, or past the bracket that closes it (`end` when none does)."""
    if tokens[at].kind != "op" or tokens[at].value not in "([{":
        return at + 1
    depth = 0
    for place in range(at, end):
        if tokens[place].kind == "op" and tokens[place].value in ("(", "[", "{", ")", "]", "}"):
            depth += 1 if tokens[place].value in "([{" else -1
            if depth == 0:
                return place + 1
    return end


def _open_brackets(tokens: Sequence[Token], start: int, cursor: int) -> list[int]:
    """The brackets that are open at the cursor, the outermost first."""
    opened: list[int] = []
    for at in range(start, cursor):
        if tokens[at].kind == "op" and tokens[at].value in ("(", "[", "{"):
            opened.append(at)
        elif tokens[at].kind == "op" and tokens[at].value in (")", "]", "}") and opened:
            opened.pop()
    return opened


def _closed(tokens: Sequence[Token], cursor: int) -> Sequence[Token]:
    """The tokens with the brackets closed at the cursor that are being typed: `SELECT f(a, | FROM t`."""
    opened = _open_brackets(tokens, 0, cursor)
    missing = len(_open_brackets(tokens, 0, len(tokens)))
    inner = 0
    while inner < len(opened) and not _opens_query(tokens, opened[-1 - inner], cursor):
        inner += 1
    place = tokens[cursor - 1].end if cursor else 0
    closing = [Token("op", ")", place, place)] * min(inner, missing)
    return [*tokens[:cursor], *closing, *tokens[cursor:]] if closing else tokens


def _opens_query(tokens: Sequence[Token], at: int, cursor: int) -> bool:
    return tokens[at].value == "(" and at + 1 < cursor and tokens[at + 1].upper in _QUERY_WORDS


def _query_levels(tokens: Sequence[Token], cursor: int) -> list[tuple[int, int]]:
    """Token ranges of the queries the cursor is in, the outermost first."""
    levels = [(0, len(tokens))]
    for at in _open_brackets(tokens, 0, cursor):
        if _opens_query(tokens, at, cursor):
            close = _after(tokens, at, len(tokens))
            closed = tokens[close - 1].value == ")" and close > at + 1
            levels.append((at + 1, close - 1 if closed else close))
    return levels


def _segment(tokens: Sequence[Token], start: int, end: int, cursor: int) -> tuple[int, int]:
    """The part between set operations that the cursor is in."""
    first, at = start, start
    while at < end:
        if tokens[at].upper in _SET_WORDS:
            if at >= cursor:
                return first, at
            first = at + 1
        at = _after(tokens, at, end)
    return first, end


def _with_items(tokens: Sequence[Token], start: int, end: int, known: dict[str, Source]) -> dict[str, Source]:
    """The items of a query's WITH, by lower-case name."""
    items: dict[str, Source] = {}
    at = start
    if at < end and tokens[at].upper != "WITH":
        at = next((k for k in range(start, end) if tokens[k].upper == "WITH" and _begins_items(tokens, k, end)), end)
    at += 1
    while at < end and tokens[at].upper in ("RECURSIVE", "MUTUALLY"):
        at += 1
    while at < end and tokens[at].kind in ("word", "quoted") and tokens[at].upper not in _QUERY_WORDS:
        name, at, columns = _alias(tokens, at, end)
        while at < end and tokens[at].value != "(":
            if tokens[at].upper not in ("AS", "NOT", "MATERIALIZED"):
                return items
            at += 1
        if at >= end:
            return items
        close = _after(tokens, at, end)
        inside = _columns_of(tokens, at + 1, close - 1, known | items) or ((), ())
        items[name.lower()] = Source(name, None, columns or inside[0], () if columns else inside[1])
        at = close
        if at >= end or tokens[at].value != ",":
            return items
        at += 1
    return items


def _begins_items(tokens: Sequence[Token], at: int, end: int) -> bool:
    """WITH of a query: no options, no TIME ZONE, and the beginning of what is behind a word such as AS."""
    return (
        at + 1 < end
        and tokens[at + 1].kind in ("word", "quoted")
        and tokens[at + 1].upper not in ("TIME", "TIES", "ORDINALITY", "LOCAL", "GRANT", "ADMIN", "HOLD")
    )


def _columns_of(
    tokens: Sequence[Token], start: int, end: int, items: dict[str, Source]
) -> tuple[tuple[str, ...], tuple[Source, ...]] | None:
    """What a query gives: its columns' names, and the sources of which it takes all; None if it is no query."""
    if start >= end or tokens[start].upper not in _QUERY_WORDS:
        return None
    items = items | _with_items(tokens, start, end, items) if tokens[start].upper == "WITH" else items
    first, last = _segment(tokens, start, end, start)
    names, stars = _outputs(tokens, first, last, list(from_sources(tokens, first, last, items)))
    return tuple(names), tuple(stars)


def _outputs(
    tokens: Sequence[Token], start: int, end: int, sources: Sequence[Source]
) -> tuple[list[str], list[Source]]:
    """Names that a select list gives, and sources of its stars."""
    at = start
    while at < end and tokens[at].upper != "SELECT":
        at = _after(tokens, at, end)
    if at >= end:
        return [], list(sources) if start < end and tokens[start].upper == "FROM" else []
    at += 1
    names: list[str] = []
    stars: list[Source] = []
    item: list[Token] = []
    while at <= end:
        ends = at == end or tokens[at].value == "," and tokens[at].kind == "op" or _is_from(tokens, at)
        if ends:
            _output(item, sources, names, stars)
            item = []
            if at == end or tokens[at].upper == "FROM":
                break
            at += 1
            continue
        behind = _after(tokens, at, end)
        item.append(tokens[at])
        if behind > at + 1:
            item.append(tokens[behind - 1])
        at = behind
    return names, stars


def _output(item: list[Token], sources: Sequence[Source], names: list[str], stars: list[Source]) -> None:
    """One item of a select list; what is in brackets has been left out of it."""
    if not item:
        return
    last = item[-1]
    if last.value == "*" and last.kind == "op":
        qualifier = item[-3].value.lower() if len(item) > 2 and item[-2].value == "." else None
        stars += [s for s in sources if qualifier is None or s.alias.lower() == qualifier]
    elif last.kind in ("word", "quoted") and last.upper != "END":
        names.append(last.value)
    elif last.value == ")" and len(item) >= 3 and item[-3].kind == "word":
        names.append(item[-3].value.lower())


def _clause(tokens: Sequence[Token], start: int, cursor: int) -> str:
    """The last clause word at depth 0 between a query's start and the cursor."""
    clause, at = "", start
    while at < cursor:
        word = tokens[at].upper
        if word in _SET_WORDS:
            clause = "UNION"
        elif word in _CLAUSES and (word != "FROM" or _is_from(tokens, at)):
            if not (word == "WITH" and clause) and not (at and tokens[at - 1].value == "."):
                clause = word
        behind = _after(tokens, at, cursor)
        at = behind if behind < cursor or behind == at + 1 else cursor
    return clause


def _call(tokens: Sequence[Token], start: int, cursor: int) -> tuple[str, int]:
    """The word before the innermost open parenthesis, and how many commas have been behind it."""
    opened = _open_brackets(tokens, start, cursor)
    if not opened or tokens[opened[-1]].value != "(" or opened[-1] <= start:
        return "", 0
    commas, at = 0, opened[-1] + 1
    while at < cursor:
        commas += tokens[at].value == "," and tokens[at].kind == "op"
        at = _after(tokens, at, cursor)
    return tokens[opened[-1] - 1].upper, commas
