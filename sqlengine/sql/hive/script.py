"""A script of Hive's dialect as statements, each with the session as the statements before it leave it.

Text is cut at its semicolons first, then variables are replaced, then the piece is read:
`SET x=1; SELECT ${hiveconf:x}` is one script. What SET, USE and macros change is followed here, statement by statement,
because all statements of a script are read before the first of them runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from sqlengine import errors
from sqlengine.errors import NotSupportedError
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import ast
from sqlengine.sql.dialect import DEFAULT_DATABASE
from sqlengine.sql.hive.lexer import lex_hive
from sqlengine.sql.hive.macros import inlined, macro_of
from sqlengine.sql.hive.variables import (
    SUBSTITUTE,
    Substituted,
    Words,
    is_own_setting,
    substituted,
    variable_name,
)
from sqlengine.sql.lexer import QUOTED, WORD, Piece, Token

_PART = re.compile(
    r"(?P<quoted>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`(?:[^`]|``)*`)|(?P<comment>--[^\n]*|/\*.*?\*/)"
    r"|(?P<escaped>\\;)|(?P<end>;)|(?P<open>['\"`]|/\*)|(?P<other>[^'\"`;\\/-]+|.)",
    re.DOTALL,
)
_BLANK = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_SET = re.compile(r"SET(?:\s+(?P<said>.*))?", re.IGNORECASE | re.DOTALL)
_ASSIGNED = re.compile(r"(?P<name>[\w.:$-]+)\s*=(?P<value>.*)", re.DOTALL)
_OURS = re.compile(r"(?:ROLE|TRANSACTION|TIME|SESSION|LOCAL)\s|[\w.]+\s+TO\s", re.IGNORECASE)
_RESET = re.compile(r"RESET(?:\s+(?P<name>[\w.:-]+))?", re.IGNORECASE)
_RESOURCE = re.compile(
    r"(?P<verb>ADD|LIST|DELETE)\s+(?P<kind>JARS?|FILES?|ARCHIVES?)(?:\s+(?P<path>.*))?", re.IGNORECASE | re.DOTALL
)
_PROMPT = re.compile(r"(?P<what>!|SOURCE\s|DFS\b)", re.IGNORECASE)


@dataclass(frozen=True)
class Written:
    """One statement as it was written: `start` in the script; `text` after substitution and with macros inlined;
    `made`: the statement, where it is read from the text alone, else `tokens`."""

    start: int
    source: Substituted
    words: Words
    tokens: tuple[Token, ...] = ()
    made: ast.Statement | None = None

    @property
    def text(self) -> str:
        """What is read."""
        return self.source.text

    def place(self, error: errors.Error) -> None:
        """Give an error of the text its place in the script."""
        if error.position is not None:
            error.position = self.source.origin(error.position) + self.start


def written(script: str, words: Words) -> Iterator[Written]:
    """The statements of a script; empty ones are left out. Errors have their place in the script."""
    for start, text in cut(script):
        found = Written(start, Substituted(text), words)
        try:
            found = _read(found)
        except errors.Error as error:
            found.place(error)
            raise
        if found.made is not None or found.tokens:
            yield found
            words = after(found)


def cut(script: str) -> Iterator[tuple[int, str]]:
    """(start, text) of what stands between semicolons that are not in quotes, comments, or behind a backslash; without
    blanks and comments at its beginning."""
    for piece in pieces_of(script):
        yield piece.position, piece.text.replace("\\;", ";")


def pieces_of(script: str) -> Iterator[Piece]:
    """The same as it is written; complete: a semicolon ended it, and no quote or comment is open."""
    for start, end, is_open in spans(script, 0):
        text = script[start:end]
        begins = _BLANK.match(text)
        skipped = begins.end() if begins is not None else 0
        kept = text[skipped:].rstrip()
        if kept:
            yield Piece(kept, start + skipped, end < len(script) and not is_open)


def spans(script: str, at: int) -> Iterator[tuple[int, int, bool]]:
    """(start, end, whether a quote or comment in it is never closed) of what stands between semicolons, from a
    position on; the end is that of the script or a semicolon's place."""
    start, is_open = at, False
    while (part := _PART.match(script, at)) is not None:
        is_open |= part.lastgroup == "open"
        if part.lastgroup == "end":
            yield start, at, is_open
            start, is_open = at + 1, False
        at = part.end()
    yield start, len(script), is_open


def _read(found: Written) -> Written:
    raw = _of_text(found.text)
    if raw is not None:
        source = Substituted(found.text) if _is_about_substitution(raw) else substituted(found.text, found.words)
        return replace(found, source=source, made=_of_text(source.text))
    source = substituted(found.text, found.words)
    found = replace(found, source=source)
    tokens = lex_hive(source.text)
    text = inlined(source.text, tokens, found.words.macros)
    if text is not source.text:
        found = replace(found, source=Substituted(text))
        tokens = lex_hive(text)
    return replace(found, tokens=tuple(tokens))


def _is_about_substitution(made: ast.Statement) -> bool:
    return isinstance(made, ast.HiveSet) and made.name == SUBSTITUTE


def _of_text(text: str) -> ast.Statement | None:
    """A statement whose values are plain text up to its end; None for all others."""
    found = _SET.fullmatch(text)
    if found is not None:
        return _set((found["said"] or "").strip(), text)
    found = _RESET.fullmatch(text)
    if found is not None and (found["name"] or "").upper() not in ("ALL", "ROLE", "SESSION"):
        return ast.HiveReset(name=found["name"])
    found = _RESOURCE.fullmatch(text)
    if found is not None:
        return ast.AddResource(
            verb=found["verb"].lower(), kind=found["kind"].lower(), path=(found["path"] or "").strip()
        )
    found = _PROMPT.match(text)
    if found is not None:
        raise _of_prompt(found["what"].strip().upper())
    return None


def _of_prompt(what: str) -> NotSupportedError:
    if what == "DFS":
        return NotSupportedError(
            "dfs is not supported", hint="the warehouse is an ordinary directory of this machine", position=0
        )
    name = {"!": "! commands of the shell"}.get(what, what)
    return NotSupportedError(
        f"{name} belong to the prompt" if what == "!" else f"{name} belongs to the prompt",
        hint="sqlengine has \\! and \\i there",
        position=0,
    )


def _set(said: str, text: str) -> ast.Statement | None:
    if not said or said.lower() == "-v":
        return ast.HiveSet(name=None, verbose=bool(said))
    found = _ASSIGNED.fullmatch(said)
    if found is not None:
        return ast.HiveSet(name=found["name"], value=_value(found["name"], found["value"].strip()))
    if _OURS.match(said) or re.search(r"\s", said):
        return None
    return ast.HiveSet(name=said)


def _value(name: str, value: str) -> str:
    """Of our own settings a string may stand in quotes; what Hive's variables have is the text as it stands."""
    if is_own_setting(name) and len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value


def after(found: Written) -> Words:
    """The session after a statement."""
    words, made = found.words, found.made
    if isinstance(made, ast.HiveSet) and made.name is not None and made.value is not None:
        if made.name.lower() == "search_path":
            return replace(words, database="" if made.value == "public" else made.value)
        return replace(words, variables={**words.variables, variable_name(made.name): made.value})
    if isinstance(made, ast.HiveReset):
        kept = {} if made.name is None else dict(words.variables)
        if made.name is not None:
            kept.pop(variable_name(made.name), None)
        return replace(words, variables=kept)
    tokens = found.tokens
    if len(tokens) == 2 and tokens[0].upper == "USE" and tokens[1].kind in (WORD, QUOTED):
        name = tokens[1].value.lower()
        return replace(words, database="" if name == DEFAULT_DATABASE else name)
    macro = macro_of(found.text, tokens)
    if macro is not None:
        name, defined = macro
        others = {known: one for known, one in words.macros.items() if known != name}
        return replace(words, macros=others if defined is None else {**others, name: defined})
    return words
