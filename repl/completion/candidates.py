"""From kinds and names to the list a user chooses from: what fits the word typed, the likeliest first.  Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from repl.completion import wanted
from repl.completion.names import READABLE, Names
from repl.completion.scope import Source
from repl.completion.wanted import Place, Wanted
from repl.completion.with_options import options_of, values_of
from sqlengine.quick_dataclass import dataclass
from sqlengine.settings import Settings
from sqlengine.sql import quote_identifier

Named = TypeVar("Named")
MOST = 200
"""More than this nobody reads."""
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_TYPES = tuple(
    "BIGINT INTEGER SMALLINT TEXT VARCHAR BOOLEAN NUMERIC REAL TIMESTAMP TIMESTAMPTZ DATE TIME INTERVAL BYTEA JSON UUID"
    .split()
) + ("DOUBLE PRECISION", "TIMESTAMP WITH TIME ZONE")  # fmt: skip
_RESERVED = frozenset(
    "all and any array as asc between by case cast check column constraint create cross current_date current_time "
    "current_timestamp current_user default desc distinct else end except exists false fetch for from full grant group "
    "having in inner intersect into is join lateral left like limit natural not null offset on or order outer primary "
    "references right select some symmetric table then to true union unique user using when where window with".split()
)
_TIER = {
    wanted.JOIN: -1, wanted.COLUMN: 0, wanted.OPTION: 0, wanted.OPTION_VALUE: 0, wanted.SETTING_VALUE: 0,
    wanted.RELATION: 1, wanted.QUERY_ID: 1, wanted.SETTING: 1, wanted.ROLE: 1, wanted.TYPE: 1, wanted.SCHEMA: 2,
    wanted.KEYWORD: 3, wanted.FUNCTION: 4,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """`text` replaces the word typed; `kind` as in wanted.py; `detail` is shown beside it, `help` at the bottom."""

    text: str
    kind: str
    detail: str = ""
    help: str = ""
    key: str = ""
    """What the word is compared with, when that is not the text."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: the place and names, the `word` typed in lower case, its `fuzzy` pattern, and how often words
    were used."""

    place: Place
    names: Names
    word: str
    fuzzy: re.Pattern[str] | None
    counts: Mapping[str, int]

    def likely(self, listed: Iterable[Named], name: Callable[[Named], str]) -> Iterator[Named]:
        """Those of a long list that are worth a look: what fits the word; behind plenty that begin with it only what
        was used before."""
        plenty = MOST
        for item in listed:
            text = name(item).lower()
            if plenty <= 0 and text not in self.counts:
                continue
            match = _match(text, self.word, self.fuzzy)
            if match is not None:
                plenty -= match[0] == 0
                yield item


def candidates(place: Place, names: Names, counts: Mapping[str, int]) -> list[Candidate]:
    """What may be typed at a place, the likeliest first; `counts`: how often each word was used, in lower case."""
    word = place.word.lstrip("\"`'").lower()
    fuzzy = _fuzzy(word)
    asked = Asked(place, names, word, fuzzy, counts)
    ranked: dict[str, tuple[tuple[object, ...], Candidate]] = {}
    for kind in place.wanted:
        for order, candidate in enumerate(_GIVERS[kind.kind](kind, asked) if kind.kind in _GIVERS else ()):
            match = _match((candidate.key or candidate.text).lower().lstrip('"'), word, fuzzy)
            if match is None:
                continue
            used = counts.get(candidate.text.lower(), 0)
            rank = (match[0], _TIER[candidate.kind], -used, match[1], order, candidate.text)
            known = ranked.get(candidate.text)
            if known is None or rank < known[0]:
                ranked[candidate.text] = rank, candidate
    best = sorted(ranked.values(), key=lambda found: found[0])[:MOST]
    return [candidate for _, candidate in best if candidate.text != place.word or len(best) > 1]


def _fuzzy(word: str) -> re.Pattern[str] | None:
    """The letters of a word in their order, with others between; None for words too short to be meant so."""
    return re.compile(".*?".join(map(re.escape, word))) if len(word) >= 2 else None


def _match(text: str, word: str, fuzzy: re.Pattern[str] | None) -> tuple[int, int] | None:
    """(class, spread): 0 begins with the word, 1 a part behind _ does, 2 it is inside, 3 its letters are."""
    if text.startswith(word):
        return 0, 0
    if f"_{word}" in text or f".{word}" in text or f" {word}" in text:
        return 1, 0
    found = fuzzy.search(text) if fuzzy is not None else None
    if found is None:
        return None
    spread = found.end() - found.start()
    return (2, found.start()) if spread == len(word) else (3, spread) if spread <= 4 * len(word) else None


def identifier(name: str) -> str:
    """A name as it must be written."""
    return name if _PLAIN.fullmatch(name) and name not in _RESERVED else quote_identifier(name)


# ---------------------------------------------------------------- what each kind offers


def _keywords(kind: Wanted, asked: Asked) -> Iterator[Candidate]:
    for word in kind.words:
        yield Candidate(word if asked.place.upper else word.lower(), wanted.KEYWORD)


def _relations(kind: Wanted, asked: Asked) -> Iterator[Candidate]:
    """Objects of the kinds asked for; those of other schemas behind their schema's name."""
    for item in kind.sources:
        if not asked.place.qualifier:
            yield Candidate(identifier(item.alias), wanted.RELATION, "with", key=item.alias)
    kinds: Iterable[str] = READABLE if not kind.words else kind.words
    if kind.words == ("view",):
        kinds = ("view", "materialized view")
    schema = asked.place.qualifier.lower() or "public"
    here = (r for r in asked.names.relations if r.schema.lower() == schema and ("*" in kinds or r.kind in kinds))
    for relation in asked.likely(here, lambda r: r.name):
        yield Candidate(identifier(relation.name), wanted.RELATION, relation.kind, key=relation.name)
    if not asked.place.qualifier and (not kind.words or "*" in kinds):
        yield from _schemas(kind, asked)


def _schemas(kind: Wanted, asked: Asked) -> Iterator[Candidate]:
    for schema in asked.names.schemas:
        if schema != "public" or kind.kind == wanted.SCHEMA:
            yield Candidate(identifier(schema), wanted.SCHEMA, "schema", key=schema)


def _columns(kind: Wanted, asked: Asked) -> Iterator[Candidate]:
    """Columns of the tables in FROM, then the tables' aliases; without a FROM all columns there are."""
    qualifier = asked.place.qualifier.lower()
    sources = [
        s for s in kind.sources if not qualifier or s.alias.lower() == qualifier or (s.name or "").lower() == qualifier
    ]
    listed = [(source, list(columns_of(source, asked.names))) for source in sources]
    times = Counter(name for _, columns in listed for name in {column for column, _ in columns})
    for source, columns in listed:
        for name, column_type in columns:
            several = times[name] > 1 and not qualifier
            text = f"{identifier(source.alias)}.{identifier(name)}" if several else identifier(name)
            yield Candidate(text, wanted.COLUMN, column_type, source.alias, name)
    if qualifier:
        return
    for name in kind.words:
        yield Candidate(identifier(name), wanted.COLUMN, "of the select list", key=name)
    if len(sources) > 1:
        yield from (Candidate(identifier(s.alias), wanted.RELATION, "alias", key=s.alias) for s in sources if s.alias)
    if not sources:
        for name, column_type in asked.likely(asked.names.all_columns, lambda column: column[0]):
            yield Candidate(identifier(name), wanted.COLUMN, column_type, key=name)


def columns_of(source: Source, names: Names, depth: int = 0) -> Iterator[tuple[str, str]]:
    """(name, type) of a source's columns, through the stars of sub-queries; the type is "" where it is not known."""
    if source.name is not None and not source.columns:
        yield from names.columns(source.name)
    yield from ((column, "") for column in source.columns)
    for star in source.stars if depth < 8 else ():
        yield from columns_of(star, names, depth + 1)


def _joins(kind: Wanted, asked: Asked) -> Iterator[Candidate]:
    """Conditions of the last table with those before it, over columns of one name and type."""
    *others, last = kind.sources
    mine = dict(columns_of(last, asked.names))
    for other in reversed(others):
        pairs = [name for name, column_type in columns_of(other, asked.names) if mine.get(name) == column_type]
        for name in sorted(pairs, key=lambda n: (not n.lower().endswith("id"), n)):
            left, right = identifier(other.alias), identifier(last.alias)
            text = f"{left}.{identifier(name)} = {right}.{identifier(name)}"
            yield Candidate(text, wanted.JOIN, "join", key=name)


def _functions(kind: Wanted, asked: Asked) -> Iterator[Candidate]:
    for function in asked.names.functions:
        yield Candidate(function.name, wanted.FUNCTION, function.detail, function.help)


def _types(kind: Wanted, asked: Asked) -> Iterator[Candidate]:
    for name in _TYPES:
        yield Candidate(name if asked.place.upper else name.lower(), wanted.TYPE, "type")


def _options(kind: Wanted, asked: Asked) -> Iterator[Candidate]:
    for option in options_of(kind.words[0], kind.words[1]):
        yield Candidate(option.name, wanted.OPTION, option.detail, option.help)


def _option_values(kind: Wanted, asked: Asked) -> Iterator[Candidate]:
    for value in values_of(kind.words[0], kind.words[1]):
        yield Candidate(_as_string(value, asked.place), wanted.OPTION_VALUE, kind.words[0], key=value)


def _settings(kind: Wanted, asked: Asked) -> Iterator[Candidate]:
    for setting in asked.names.settings:
        yield Candidate(setting.name, wanted.SETTING, setting.detail, setting.help)


def _setting_values(kind: Wanted, asked: Asked) -> Iterator[Candidate]:
    from_settings = _setting_choices(kind.words[0])
    for value in (*from_settings, "DEFAULT") if not asked.place.in_string else from_settings:
        text = value if value in ("DEFAULT", "true", "false") else _as_string(value, asked.place)
        yield Candidate(text, wanted.SETTING_VALUE, kind.words[0], key=value)


def _setting_choices(name: str) -> tuple[str, ...]:
    spec = Settings.__dataclass_fields__.get(name)
    return tuple(spec.metadata.get("choices", ())) if spec is not None else ()


def _queries(kind: Wanted, asked: Asked) -> Iterator[Candidate]:
    for query in asked.names.queries:
        yield Candidate(query.name, wanted.QUERY_ID, query.detail, query.help)
        if query.detail:
            name = query.detail if asked.place.in_string else identifier(query.detail)
            yield Candidate(name, wanted.QUERY_ID, query.name, query.help, query.detail)


def _roles(kind: Wanted, asked: Asked) -> Iterator[Candidate]:
    for role in asked.names.roles:
        yield Candidate(identifier(role), wanted.ROLE, "role", key=role)


def _as_string(value: str, place: Place) -> str:
    """A value inside the quotes that are open already, or with quotes of its own."""
    return value if place.in_string else f"'{value}'"


_GIVERS: dict[str, Callable[[Wanted, Asked], Iterator[Candidate]]] = {
    wanted.KEYWORD: _keywords,
    wanted.RELATION: _relations,
    wanted.COLUMN: _columns,
    wanted.JOIN: _joins,
    wanted.FUNCTION: _functions,
    wanted.TYPE: _types,
    wanted.OPTION: _options,
    wanted.OPTION_VALUE: _option_values,
    wanted.SETTING: _settings,
    wanted.SETTING_VALUE: _setting_values,
    wanted.QUERY_ID: _queries,
    wanted.ROLE: _roles,
    wanted.SCHEMA: _schemas,
}
