"""How statements are written, told from the grammar itself in PostgreSQL's notation: [optional], {one | of}, x [, ...].

Parts that are long or used often get a name of their own and are told below (`where column is ...`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_RULE = re.compile(r"^!?([a-z_]+): *(.*(?:\n +\|.*)*)", re.MULTILINE)
_SYMBOL = re.compile(r'"[^"]+"|[A-Za-z_]+')
_SLOTS = {
    "IDENT": "name", "STRING": "'text'", "NUMBER": "number", "QUERY": "query", "EXPR": "expression",
    "CONDITION": "condition", "RELATION": "table", "RELATIONS": "table [, ...]", "TYPE": "type",
    "STATEMENT": "statement",
}  # fmt: skip
_OWN_WORD = frozenset(("name", "number", "interval", "role"))
"""Rules that are told by their name alone."""
_APART = frozenset(("option", "option_value", "assignment"))
"""Short ones that are told below all the same, as they come up often."""
_LONGEST_INLINE = 60
_WORDS_MAX = 5

Rules = dict[str, list[list[str]]]


def statement_words() -> list[str]:
    """The first words of every statement, the shortest way: CREATE STREAM, SHOW, ..."""
    found = set()
    for rule in _statements():
        begun = _beginnings(rule)
        least = min(map(len, begun))
        found |= {" ".join(words) for words in begun if len(words) == least}
    return sorted(found - {""})


def synopsis(words: str) -> list[str]:
    """The statements that begin with some words, each with the parts it names; none where no statement does."""
    typed = tuple(words.upper().split())
    found = []
    for rule in _statements():
        begun = _beginnings(rule)
        if any(b[: len(typed)] == typed or (b and typed[: len(b)] == b) for b in begun):
            told = _Telling()
            text = told.rule(rule)
            found.append("\n".join([text, *told.parts()]))
    return found


def _statements() -> list[str]:
    return [expansion[0] for expansion in _rules()["start"]]


@lru_cache(maxsize=256)
def _beginnings(rule: str) -> frozenset[tuple[str, ...]]:
    """The words a statement can begin with, up to the first that is none (a query is SELECT), at most _WORDS_MAX."""
    return frozenset(words for expansion in _rules()[rule] for words, _ in _leading(expansion, (rule,)))


def _leading(symbols: list[str], within: tuple[str, ...]) -> set[tuple[tuple[str, ...], bool]]:
    """(words, whether something else follows them) for each way symbols can begin."""
    found: set[tuple[tuple[str, ...], bool]] = {((), False)}
    for symbol in symbols:
        following: set[tuple[tuple[str, ...], bool]] = set()
        if symbol.startswith('"'):
            following = {((symbol[1:-1],), not symbol[1:-1].isalpha())}
        elif symbol in _SLOTS:
            following = {(("SELECT",) if symbol == "QUERY" else (), True)}
        elif symbol not in within:
            following = {f for e in _rules()[symbol] for f in _leading(e, (*within, symbol))}
        more = {(words + w, stops) for words, ended in found if not ended for w, stops in following}
        found = {f for f in found if f[1]} | {(w[:_WORDS_MAX], stops or len(w) >= _WORDS_MAX) for w, stops in more}
    return found


@lru_cache(maxsize=1)
def _rules() -> Rules:
    """The grammar's rules as lists of symbols; an empty list is an alternative that says nothing."""
    text = Path(__file__).with_name("statements.lark").read_text(encoding="utf-8")
    text = re.sub(r"\b([A-Z]+)_WORD\b", r'"\1"', text)
    return {
        found[1]: [_SYMBOL.findall(part) for part in re.split(r'(?<!")\|(?!")', found[2])]
        for found in _RULE.finditer(text)
    }


class _Telling:
    """One statement being told: parts too long to stand in their place wait for theirs."""

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._within: list[str] = []

    def parts(self) -> Iterator[str]:
        """`where x is ...` of every part, in the order they came up."""
        at = 0
        while at < len(self._waiting):
            name = self._waiting[at]
            yield f"where {_shown(name)} is {self.rule(name)}"
            at += 1

    def rule(self, name: str) -> str:
        """The text of a rule, with its alternatives."""
        expansions = _rules()[name]
        own = [e for e in expansions if name not in e]
        self._within.append(name)
        told = [text for e in own if e if (text := self._sequence(e))]
        self._within.pop()
        told = _joined(list(dict.fromkeys(part for text in told for part in split_alternatives(_unbraced(text)))))
        text = " | ".join(told)
        if len(told) > 1 and (len(own) < len(expansions) or self._within):
            text = "{" + text + "}"
        repeated = next((e[1:] for e in expansions if e[:1] == [name]), None)
        if repeated is not None:
            text = self._repeated(text, repeated, own)
        if [] in expansions and text:
            text = f"[{_unbraced(text)}]"
        return text

    def _repeated(self, text: str, more: list[str], own: list[list[str]]) -> str:
        """`text` and what may follow it again and again."""
        first = [e for e in own if e]
        if more in first:
            return f"{text} [...]"
        if more[1:] in first and more[0].startswith('"'):
            return f"{text} [{more[0][1:-1]} ...]"
        again = self._sequence(more)
        return f"{text} [{again} ...]" if text else f"{again} [...]"

    def _sequence(self, symbols: list[str]) -> str:
        text = " ".join(part for symbol in symbols if (part := self._symbol(symbol)))
        text = text.replace(" . ", ".").replace("( ", "(")
        return re.sub(r" ([,)])", r"\1", text)

    def _symbol(self, symbol: str) -> str:
        if symbol.startswith('"'):
            return symbol[1:-1]
        if symbol in _SLOTS:
            return _SLOTS[symbol]
        if symbol in _OWN_WORD:
            return _shown(symbol)
        if symbol in self._within or symbol in self._waiting:
            return _shown(symbol)
        before = len(self._waiting)
        text = self.rule(symbol)
        is_short = len(text) <= _LONGEST_INLINE and symbol not in _APART
        if is_short or not self._within[1:] and symbol.startswith("_"):
            return text
        del self._waiting[before:]
        self._waiting.append(symbol)
        return f"[{_shown(symbol)}]" if [] in _rules()[symbol] else _shown(symbol)


def _joined(told: list[str]) -> list[str]:
    """Alternatives, those that begin or end as a shorter one does told together with it: `a | a b` as `a [b]`."""
    made = list(told)
    in_brackets = next((text for text in made if re.fullmatch(r"\([^()]+\)", text)), None)
    if "()" in made and in_brackets is not None:
        made[made.index(in_brackets)] = f"([{in_brackets[1:-1]}])"
        made.remove("()")
    for text in sorted(made, key=len):
        if text not in made:
            continue
        longer = [other for other in made if other.startswith(f"{text} ")]
        if longer:
            rest = " | ".join(_joined([other[len(text) + 1 :] for other in longer]))
            at = min(made.index(other) for other in [text, *longer])
            kept = [other for other in made if other != text and other not in longer]
            made = [*kept[:at], f"{text} [{_unbraced(rest)}]", *kept[at:]]
            continue
        for other in [other for other in made if other.endswith(f" {text}") and other[: -len(text)].strip().isalpha()]:
            made.remove(text)
            made[made.index(other)] = f"[{other[: -len(text) - 1]}] {text}"
            break
    return made


def split_alternatives(text: str) -> list[str]:
    """What `|` divides outside all brackets."""
    parts, depth, begin = [], 0, 0
    for found in re.finditer(r"[\[{(]|[\]})]| \| ", text):
        mark = found[0]
        if mark == " | " and depth == 0:
            parts.append(text[begin : found.start()])
            begin = found.end()
        elif mark != " | ":
            depth += 1 if mark in "[{(" else -1
    return [*parts, text[begin:]]


def _unbraced(text: str) -> str:
    return text[1:-1] if _is_braced(text) else text


def _is_braced(text: str) -> bool:
    """Whether one pair of braces holds all of it."""
    if not (text.startswith("{") and text.endswith("}")):
        return False
    depth = 0
    for at, char in enumerate(text):
        depth += (char == "{") - (char == "}")
        if depth == 0:
            return at == len(text) - 1
    return False


def _shown(rule: str) -> str:
    return rule.strip("_")
