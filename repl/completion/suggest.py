"""What may be typed at a place of a text: pure, from the text and the cursor alone.

Statements of our own go by what their grammar accepts next; inside queries and expressions queries.py looks
at clauses; where the grammar wants a name, the words before tell what it is the name of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from repl.completion.queries import FIXED, QUERY_BEGINNINGS, in_expression, in_query, in_string_of_query, keywords
from repl.completion.scope import Scope, Source, from_sources, scope_at, table_at
from repl.completion.wanted import (
    ARGUMENT,
    COLUMN,
    COMMAND,
    FUNCTION,
    JOIN,
    KEYWORD,
    OPTION,
    OPTION_VALUE,
    PATH,
    QUERY_ID,
    RELATION,
    ROLE,
    SCHEMA,
    SETTING,
    SETTING_VALUE,
    TYPE,
    Place,
    Wanted,
)
from sqlengine.errors import Error
from sqlengine.sql import Accepts, Token, Unterminated, accepts, changes_from, lex

_WORD = re.compile(r"[\w$]*$")
_REST_OF_WORD = re.compile(r"[\w$]*")
_LINE_COMMENT = re.compile(r"--[^\n]*$")
_COMMAND_WORD = re.compile(r"\S*$")
SHOW_WORDS = (
    "TOPICS", "STREAMS", "TABLES", "VIEWS", "MATERIALIZED VIEWS", "SINKS", "SUBSCRIPTIONS", "QUERIES", "FUNCTIONS",
    "CONNECTORS", "SETTINGS", "ROLES", "GRANTS", "SCHEMAS", "COLUMNS FROM", "ALL",
)  # fmt: skip
_KINDS = {
    "TOPIC": "topic", "STREAM": "stream", "SOURCE": "stream", "TABLE": "table", "VIEW": "view", "SINK": "sink",
    "SUBSCRIPTION": "subscription",
}  # fmt: skip
_ROLE_FLAGS = ("SUPERUSER", "NOSUPERUSER", "LOGIN", "NOLOGIN", "CREATEROLE", "CREATEDB", "INHERIT", "NOINHERIT")
_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "USAGE", "CREATE", "EXECUTE", "ALL PRIVILEGES")
_FILLERS = frozenset(("IF", "EXISTS", "NOT"))
_NO_COLUMN = frozenset(("WATERMARK", "PRIMARY", "CONSTRAINT", "CHECK"))
"""What an element of a table's list begins with when it is no column."""
_WRITTEN = ("table", "stream", "topic")


def suggest(text: str, cursor: int) -> Place:
    """The place at character `cursor` of a text: a backslash command, or one or more statements."""
    before = text[:cursor]
    if before.lstrip().startswith("\\"):
        return _command(before)
    try:
        tokens, opened = lex(before), None
    except Unterminated as error:
        opened = error.position or 0
        tokens = lex(before[:opened])
    except Error:
        return Place("", cursor)
    if opened is None and _LINE_COMMENT.search(before[tokens[-1].end if tokens else 0 :]):
        return Place("", cursor)
    if opened is not None and before[opened] not in "\"`'eE":
        return Place("", cursor)
    return _in_statement(text, cursor, tokens, opened)


def _command(before: str) -> Place:
    """A backslash command: its name, or an argument."""
    line = before.lstrip()
    found = _COMMAND_WORD.search(line)
    word = found[0] if found else ""
    if " " not in line:
        return Place(word, len(before) - len(word), (Wanted(COMMAND),))
    words = line[: len(line) - len(word)].split()
    return Place(word, len(before) - len(word), (Wanted(ARGUMENT, (words[0], str(len(words) - 1))),))


def _in_statement(text: str, cursor: int, tokens: list[Token], opened: int | None) -> Place:
    """Cut the statement around the cursor out, take off the word being typed, and look at what is left."""
    semicolon = max((k for k, t in enumerate(tokens) if t.kind == "op" and t.value == ";"), default=-1)
    tokens = tokens[semicolon + 1 :]
    upper = _in_capitals(tokens)
    if opened is not None and text[opened] in "'eE":
        start = text.index("'", opened) + 1
        after = _behind(text, cursor + 1 + text[cursor:].find("'")) if "'" in text[cursor:] else []
        return Place(text[start:cursor], start, _string(tokens, after), in_string=True, upper=upper)
    if opened is not None:
        start = opened
    else:
        found = _WORD.search(text[:cursor])
        start = found.start() if found else cursor
        start = start if tokens and tokens[-1].end > start and tokens[-1].kind == "word" else cursor
        tokens = tokens[:-1] if start < cursor else tokens
    rest = _REST_OF_WORD.match(text, cursor)
    after = _behind(text, rest.end() if rest else cursor)
    qualifier: list[str] = []
    while len(tokens) > 1 and tokens[-1].value == "." and tokens[-2].kind in ("word", "quoted"):
        qualifier.insert(0, tokens[-2].value)
        tokens = tokens[:-2]
    word = text[start:cursor]
    upper = word.isupper() if word else upper
    wanted = _statement(tokens, after)
    if qualifier:  # behind a dot there is no keyword and no function
        wanted = tuple(w for w in wanted if w.kind not in (KEYWORD, FUNCTION, JOIN))
    return Place(word, start, wanted, ".".join(qualifier), upper=upper)


def _in_capitals(tokens: Sequence[Token]) -> bool:
    """Keywords are typed as the first word is; in capitals at first."""
    return not tokens or tokens[0].value.isupper()


def _behind(text: str, at: int) -> list[Token]:
    """The tokens of the statement from `at`, as far as they can be told."""
    try:
        found = lex(text[at:])
    except Unterminated as error:
        found = lex(text[at : at + (error.position or 0)])
    except Error:
        return []
    end = next((k for k, t in enumerate(found) if t.kind == "op" and t.value == ";"), len(found))
    return found[:end]


# ---------------------------------------------------------------- statements


def _statement(tokens: Sequence[Token], after: Sequence[Token]) -> tuple[Wanted, ...]:
    """What may follow `tokens`, the beginning of a statement, when `after` comes behind the cursor."""
    tokens = tokens[changes_from(tokens) :]  # a WITH before a change
    if len(tokens) == 2 and (tokens[0].upper, tokens[1].upper) in _OF_QUERIES:
        return (Wanted(QUERY_ID),)
    accepted = accepts(tokens)
    if accepted is None:
        asks = any(token.upper in QUERY_BEGINNINGS for token in tokens)
        return in_query([*tokens, *after], len(tokens)) if asks else ()
    if accepted.open_slot == "STATEMENT":
        return _statement(tokens[accepted.open_from :], after)
    outside = _targets(tokens, after)
    if accepted.open_slot == "QUERY":
        inner = tokens[accepted.open_from :]
        wanted = in_query([*inner, *after], len(inner), _inserted(tokens, accepted, outside))
        return wanted if tokens[-1].upper in FIXED else _with_more(wanted, accepted.keywords - {"PARTITION"})
    if accepted.open_slot is not None and accepted.open_slot != "TYPE":
        inner = tokens[accepted.open_from :]
        if accepted.open_slot in ("RELATION", "RELATIONS"):
            return _with_more((keywords("AS", "JOIN", "LEFT JOIN"),), accepted.keywords)
        scope = scope_at([*inner, *after], len(inner))
        return _with_more(in_expression(inner, len(inner), scope, outside), accepted.keywords)
    return _slots(tokens, after, accepted, outside)


def _with_more(wanted: tuple[Wanted, ...], more: frozenset[str]) -> tuple[Wanted, ...]:
    """Keywords behind a stretch of text join those inside it, where a keyword could be at all."""
    if not wanted or wanted[0].kind != KEYWORD or not more:
        return wanted
    return (Wanted(KEYWORD, tuple(dict.fromkeys((*wanted[0].words, *sorted(more))))), *wanted[1:])


def _slots(
    tokens: Sequence[Token], after: Sequence[Token], accepted: Accepts, outside: tuple[Source, ...]
) -> tuple[Wanted, ...]:
    """What the grammar accepts: names by their meaning first, then keywords."""
    words = [token.upper or token.value for token in tokens]
    found: list[Wanted] = []
    slots = accepted.slots
    if "IDENT" in slots:
        found += _named(words, tokens, after, accepted)
    if "EXPR" in slots or "CONDITION" in slots:
        found += in_expression((), 0, Scope(), outside)
    if slots & {"RELATION", "RELATIONS"}:
        found.append(Wanted(RELATION))
    if "TYPE" in slots:
        found.append(Wanted(TYPE))
    spelt = set(accepted.keywords)
    if any(wanted.kind == QUERY_ID for wanted in found):  # the word QUERY, not a query
        spelt |= slots & {"QUERY"}
    elif slots & {"QUERY", "STATEMENT"}:
        spelt |= set(QUERY_BEGINNINGS)
    if "STATEMENT" in slots:
        first = accepts(())
        spelt |= first.keywords if first is not None else set()
    if accepted.open_slot == "TYPE" and words[-1:] == ["DOUBLE"]:
        spelt.add("PRECISION")
    return (*found, keywords(*sorted(spelt))) if spelt else tuple(found)


def _targets(tokens: Sequence[Token], after: Sequence[Token]) -> tuple[Source, ...]:
    """The tables whose columns the statement's own expressions name: those of UPDATE, DELETE, MERGE and INSERT, or the
    columns that CREATE TABLE and CREATE STREAM have listed so far."""
    words = [token.upper for token in tokens]
    if words[:1] == ["CREATE"]:
        listed = _listed_columns(tokens)
        return (Source("", None, listed),) if listed else ()
    place = {"UPDATE": 0, "DELETE": 1, "MERGE": 1, "INSERT": 1, "COPY": 0}.get(words[0] if words else "")
    if place is None:
        return ()
    place += words[place + 1 : place + 2] == ["TABLE"]
    whole = [*tokens, *after]
    table = table_at(whole, place + 1)
    joined = next((k for k in range(place + 1, len(whole)) if whole[k].upper in ("USING", "FROM")), len(whole))
    others = [Token("word", "FROM", 0, 0), *whole[joined + 1 :]]
    return (*((table,) if table is not None else ()), *from_sources(others, 0, len(others)))


def _listed_columns(tokens: Sequence[Token]) -> tuple[str, ...]:
    depth, names = 0, []
    for at, token in enumerate(tokens):
        if token.kind == "op" and token.value in "()":
            depth += 1 if token.value == "(" else -1
        begins = at > 0 and tokens[at - 1].value in ("(", ",") and depth == 1
        if (
            begins
            and token.kind in ("word", "quoted")
            and token.upper not in ("WATERMARK", "PRIMARY", "CONSTRAINT", "CHECK")
        ):
            names.append(token.value)
    return tuple(names)


def _inserted(tokens: Sequence[Token], accepted: Accepts, outside: tuple[Source, ...]) -> tuple[Source, ...]:
    """A query that is inserted does not see the table it goes to."""
    return () if tokens and tokens[0].upper in ("INSERT", "COPY", "CREATE") else outside


# ---------------------------------------------------------------- names


def _named(words: Sequence[str], tokens: Sequence[Token], after: Sequence[Token], accepted: Accepts) -> list[Wanted]:
    """What a name at the end of `words` is the name of; nothing for one that the user makes up."""
    plain = [word for word in words if word not in _FILLERS]
    first, last = plain[0] if plain else "", plain[-1] if plain else ""
    bracket = _open_bracket(words)
    if bracket is not None:
        return _in_brackets(words, tokens, after, bracket)
    if first == "CREATE":
        return _of_create(plain)
    if first in ("DROP", "ALTER", "COMMENT", "TRUNCATE", "REFRESH"):
        return _of_change(plain, last)
    if first in ("GRANT", "REVOKE", "REASSIGN"):
        return _of_grant(first, plain, last)
    if first in ("SET", "RESET", "SHOW"):
        return _of_setting(first, plain, last)
    if first == "UPDATE" and last in ("SET", ","):
        return [Wanted(COLUMN, (), _targets(tokens, after)[:1])]
    known = _BY_LAST.get((first, last)) or _BY_LAST.get(("", last) if len(plain) > 1 else (first, ""))
    return [known] if known is not None else []


_BY_LAST: dict[tuple[str, str], Wanted] = {
    ("INSERT", "INTO"): Wanted(RELATION, ("table", "stream")),
    ("INSERT", "TABLE"): Wanted(RELATION, ("table", "stream")),
    ("UPDATE", "UPDATE"): Wanted(RELATION, ("table",)),
    ("DELETE", "FROM"): Wanted(RELATION, ("table",)),
    ("MERGE", "INTO"): Wanted(RELATION, ("table",)),
    ("COPY", "COPY"): Wanted(RELATION),
    ("DESCRIBE", "DESCRIBE"): Wanted(RELATION, ("*",)),
    ("DESCRIBE", "EXTENDED"): Wanted(RELATION, ("*",)),
    ("DESC", "DESC"): Wanted(RELATION, ("*",)),
    ("DESC", "EXTENDED"): Wanted(RELATION, ("*",)),
    ("SUBSCRIBE", "SUBSCRIBE"): Wanted(RELATION),
    ("SUBSCRIBE", "TO"): Wanted(RELATION),
    ("EXPLAIN", "EXPLAIN"): Wanted(RELATION, ("*",)),
    ("EXPLAIN", "ANALYZE"): Wanted(QUERY_ID),
    ("EXPLAIN", ")"): Wanted(RELATION, ("*",)),
    ("ACKNOWLEDGE", "ACKNOWLEDGE"): Wanted(RELATION, ("subscription",)),
    ("DECLARE", "FOR"): Wanted(RELATION, ("subscription",)),
    ("PAUSE", "PAUSE"): Wanted(QUERY_ID),
    ("PAUSE", "QUERY"): Wanted(QUERY_ID),
    ("RESUME", "RESUME"): Wanted(QUERY_ID),
    ("RESUME", "QUERY"): Wanted(QUERY_ID),
    ("CANCEL", "CANCEL"): Wanted(QUERY_ID),
    ("CANCEL", "QUERY"): Wanted(QUERY_ID),
    ("PRINT", "PRINT"): Wanted(RELATION, ("topic",)),
    ("DISCARD", "DISCARD"): keywords("ALL", "PLANS", "SEQUENCES", "TEMP"),
}
"""(first word, last word) -> what the name there is of."""


_OF_QUERIES = frozenset(key for key, what in _BY_LAST.items() if what.kind == QUERY_ID and key[1] == "QUERY")
"""Where the grammar's word QUERY is meant and no query."""


def _of_create(plain: Sequence[str]) -> list[Wanted]:
    if plain[-1] == "FROM":
        made = "view" if "SUBSCRIPTION" in plain else ""
        return [Wanted(RELATION, (made,) if made else ())]
    if plain[1:2] in (["ROLE"], ["USER"], ["GROUP"]) and len(plain) > 2:
        return [keywords(*_ROLE_FLAGS)] if plain[-1] not in ("ROLE", "ADMIN", ",") else [Wanted(ROLE)]
    if plain[-1] == "LANGUAGE":
        return [keywords("SQL")]
    if plain[-1] == "FORMAT" or plain[-1] == "ENCODE":
        return [keywords("PLAIN", "APPEND") if plain[-1] == "FORMAT" else keywords("JSON", "CSV")]
    return []


def _of_change(plain: Sequence[str], last: str) -> list[Wanted]:
    if plain[-2:] == ["OWNER", "TO"] or last in ("ROLE", "USER") or plain[:3] == ["DROP", "OWNED", "BY"]:
        return [Wanted(ROLE)]
    if plain[-2:] == ["FOR", "TOPIC"]:
        return [Wanted(RELATION, ("topic",))]
    if last == "SET":
        return [Wanted(OPTION, (_KINDS.get(plain[1], ""), ""))]
    if last == ",":
        last = next((word for word in plain[1:] if word in (*_KINDS, "SCHEMA", "FUNCTION", "ROLE")), "")
    if last in ("SCHEMA", "DATABASE"):
        return [Wanted(SCHEMA)]
    if last == "FUNCTION":
        return [Wanted(FUNCTION)]
    if last == "TRUNCATE":
        return [Wanted(RELATION, _WRITTEN)]
    kind = _KINDS.get(last)
    kind = "materialized view" if kind == "view" and "MATERIALIZED" in plain else kind
    return [Wanted(RELATION, (kind,))] if kind is not None else []


def _of_grant(first: str, plain: Sequence[str], last: str) -> list[Wanted]:
    if last in ("TO", "BY", "GROUP") or last == "FROM" and first == "REVOKE":
        return [Wanted(ROLE)]
    if last == "ON" or "ON" in plain and last in (*_KINDS, ","):
        return [Wanted(RELATION, (_KINDS[last],) if last in _KINDS else ("*",))]
    if last == "SCHEMA":
        return [Wanted(SCHEMA)]
    return [keywords(*_PRIVILEGES), Wanted(ROLE)] if last in (first, ",", "FOR") and "ON" not in plain else []


def _of_setting(first: str, plain: Sequence[str], last: str) -> list[Wanted]:
    if last == "ROLE":
        return [Wanted(ROLE)]
    if first == "SHOW" and "CREATE" in plain or last in ("FROM", "FOR", "IN") and len(plain) > 1:
        kind = _KINDS.get(last)
        return [Wanted(RELATION, (kind,) if kind else ("*",))]
    if first == "SHOW":
        return [keywords(*SHOW_WORDS), Wanted(SETTING)] if last == "SHOW" else []
    if last in ("=", "TO") and len(plain) > 2:
        name = next(word for word in plain[1:] if word not in ("LOCAL", "SESSION"))
        return [Wanted(SETTING_VALUE, (name.lower(),))]
    return [Wanted(SETTING)] if last in ("SET", "RESET", "LOCAL", "SESSION") else []


def _open_bracket(words: Sequence[str]) -> int | None:
    opened: list[int] = []
    for at, word in enumerate(words):
        if word == "(":
            opened.append(at)
        elif word == ")" and opened:
            opened.pop()
    return opened[-1] if opened else None


def _in_brackets(words: Sequence[str], tokens: Sequence[Token], after: Sequence[Token], bracket: int) -> list[Wanted]:
    """Names in a list: options, or columns of the statement's table."""
    before = words[bracket - 1] if bracket else ""
    begins = words[-1] in ("(", ",")
    if before in ("WITH", "SET") and words[0] in ("CREATE", "ALTER", "SUBSCRIBE", "FETCH"):
        return [_option(words, tokens, bracket)] if begins else _option_value(words, tokens, bracket)
    if words[0] == "EXPLAIN":
        if words[-1] == "FORMAT":
            return [keywords("TEXT", "JSON", "DOT")]
        return [keywords("FORMAT", "BOUND", "LOGICAL", "PHYSICAL", "RUNNING", "SQL")] if begins else []
    if words[0] == "COPY" and ("FROM" in words[:bracket] or "TO" in words[:bracket]):
        return [Wanted(OPTION, ("copy", ""))] if begins else [Wanted(OPTION_VALUE, (words[-1].lower(), "copy"))]
    if words[0] in ("INSERT", "COPY", "UPDATE", "MERGE"):
        return [Wanted(COLUMN, (), _targets(tokens, after)[:1])]
    listed = _targets(tokens, after)
    if words[0] == "CREATE" and before in ("KEY", "BY") or words[-1] == "FOR":
        return [Wanted(COLUMN, (), listed)]
    return []


def _option(words: Sequence[str], tokens: Sequence[Token], bracket: int) -> Wanted:
    """An option's name: by the statement's kind, and by the connector that stands in the list."""
    kind = next((_KINDS[word] for word in words[:bracket] if word in _KINDS), words[0].lower())
    return Wanted(OPTION, (kind, _connector(tokens, bracket)))


def _option_value(words: Sequence[str], tokens: Sequence[Token], bracket: int) -> list[Wanted]:
    if words[-1] != "=":
        return []
    start = max(k for k in range(bracket, len(words)) if words[k] in ("(", ",")) + 1
    name = "".join(token.value for token in tokens[start : len(words) - 1]).lower()
    return [Wanted(OPTION_VALUE, (name, _connector(tokens, bracket)))]


def _connector(tokens: Sequence[Token], bracket: int) -> str:
    for at in range(bracket, len(tokens) - 2):
        if tokens[at].value.lower() == "connector" and tokens[at + 1].value == "=":
            return tokens[at + 2].value.lower()
    return ""


# ---------------------------------------------------------------- strings


def _string(tokens: Sequence[Token], after: Sequence[Token]) -> tuple[Wanted, ...]:
    """What a string that begins behind `tokens` is: a path, an option's or setting's value, a name."""
    words = [token.upper or token.value for token in tokens]
    first, last = words[0] if words else "", words[-1] if words else ""
    bracket = _open_bracket(words)
    if bracket is not None and last == "=" and first in ("CREATE", "ALTER", "SUBSCRIBE", "FETCH"):
        if words[bracket - 1] in ("WITH", "SET"):
            return _paths_first(_option_value(words, tokens, bracket), _connector([*tokens, *after], bracket))
    if first == "COPY" and last in ("FROM", "TO") or first == "ALTER" and last in ("REPLICA", "(", ","):
        return (Wanted(PATH),)
    if first == "SET" and last in ("=", "TO"):
        return tuple(_of_setting(first, words, last))
    known = _BY_LAST.get((first, last))
    if known is not None and known.kind in (QUERY_ID, RELATION):
        return (known,)
    return in_string_of_query(tokens)


_PATH_OPTIONS = frozenset(("path", "file_path", "location"))


def _paths_first(wanted: list[Wanted], connector: str) -> tuple[Wanted, ...]:
    """Options that name files; the others with the connector of the whole list, also behind the cursor."""
    if wanted and wanted[0].words[0] in _PATH_OPTIONS:
        return (Wanted(PATH),)
    return tuple(Wanted(w.kind, (w.words[0], connector)) for w in wanted)
