"""Guards that run before any parser: statement length, nesting depth, length of IN lists.

Why: recursive-descent parsers overflow on deep nesting (pure Python near 50 parentheses, compiled ones by
killing the process), so a quote- and comment-aware scan refuses first, with SQLSTATE 54001 and a position.
No grammar here.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine.errors import TooComplex
from sqlengine.settings import Settings
from sqlengine.sql.lexer import OP, WORD, Token

_OPEN = {"(": ")", "[": "]", "{": "}"}
_CLOSE = frozenset(_OPEN.values())
_SIGNS = frozenset("-+~")
_JOIN_WORDS = frozenset(("JOIN", "ON", "USING", "SELECT", "WHERE"))
_WAITING_JOINS_MAX = 8


def check_length(text: str, settings: Settings) -> None:
    """Raise TooComplex when the text is longer than `statement_length_max`."""
    limit = settings.statement_length_max
    if len(text) > limit:
        raise TooComplex(
            f"statement is too long: {len(text)} characters, at most {limit} are accepted",
            hint="load data with COPY or the insert() call, or raise the setting statement_length_max",
            position=limit,
        )


def check(tokens: Sequence[Token], settings: Settings) -> None:
    """Raise TooComplex when brackets, CASE or prefix operators nest too deep or an IN list is too long."""
    _Scan(settings).run(tokens)


class _Scan:
    """One pass over tokens; `stack` holds, per open bracket or CASE, the state to go back to.

    `waiting` counts the joins of this level whose ON has not come yet.  sqlglot reads twice what follows a
    join without ON, so `repeats`, how many such joins stand before another one on all open levels, must be
    small: the cost doubles with each.
    """

    def __init__(self, settings: Settings) -> None:
        self.depth_max = settings.nesting_depth_max
        self.list_max = settings.in_list_length_max
        self.stack: list[tuple[str, int, int, int]] = []
        self.waiting = self.repeats = 0
        self.prefixes = 0
        self.commas = -1  # commas of the IN list this level is, or -1

    def run(self, tokens: Sequence[Token]) -> None:
        """Feed every token."""
        previous = ""
        for token in tokens:
            if token.kind == OP:
                self._operator(token, previous)
                previous = token.value
            elif token.kind == WORD:
                word = token.value.upper()
                self._word(token, word, previous)
                previous = word
            else:
                self.prefixes = 0
                previous = ""

    def _operator(self, token: Token, previous: str) -> None:
        value = token.value
        if value in _OPEN:
            self._push(_OPEN[value], token, 0 if previous == "IN" else -1)
        elif value in _CLOSE:
            self._pop(value)
        elif value == "," and self.commas >= 0:
            self._count(token)
        elif value in _SIGNS:
            self._prefix(token)
            return
        self.prefixes = 0

    def _word(self, token: Token, word: str, previous: str) -> None:
        if word == "NOT":
            self._prefix(token)
            return
        self.prefixes = 0
        if word in _JOIN_WORDS:
            self._join(token, word, previous)
        elif word == "CASE":
            self._push("END", token, -1)
        elif word == "END" and self.stack and self.stack[-1][0] == "END":
            self._pop("END")

    def _join(self, token: Token, word: str, previous: str) -> None:
        if word == "JOIN" and previous not in ("CROSS", "NATURAL", "ASOF"):
            self._wait(self.waiting + 1)
        elif word in ("ON", "USING") and self.waiting:
            self._wait(self.waiting - 1)
        elif word in ("SELECT", "WHERE"):
            self._wait(0)
        if self.repeats > _WAITING_JOINS_MAX:
            raise TooComplex(
                f"more than {_WAITING_JOINS_MAX} joins stand before their ON",
                hint="write ON after each join",
                position=token.start,
            )

    def _wait(self, count: int) -> None:
        self.repeats += max(0, count - 1) - max(0, self.waiting - 1)
        self.waiting = count

    def _prefix(self, token: Token) -> None:
        self.prefixes += 1
        self._check_depth(token)

    def _push(self, closer: str, token: Token, commas: int) -> None:
        self.stack.append((closer, self.commas, self.prefixes, self.waiting))
        self.commas = commas
        self.prefixes = self.waiting = 0
        self._check_depth(token)

    def _pop(self, closer: str) -> None:
        if self.stack and self.stack[-1][0] == closer:
            self._wait(0)
            _, self.commas, self.prefixes, self.waiting = self.stack.pop()

    def _check_depth(self, token: Token) -> None:
        if len(self.stack) + self.prefixes > self.depth_max:
            raise TooComplex(
                f"statement is nested too deep: more than {self.depth_max} levels",
                hint="name parts of it in WITH or in a view, or raise the setting nesting_depth_max",
                position=token.start,
            )

    def _count(self, token: Token) -> None:
        self.commas += 1
        if self.commas >= self.list_max:
            raise TooComplex(
                f"IN list is too long: more than {self.list_max} values",
                hint="join with a table of the values instead",
                position=token.start,
            )
