"""The statement shell: our tokens -> lark tree, with errors that say what was expected; for any grammar of ours.

lark's LALR parser runs on our own tokens.  The token source looks at the parser's state: a word is a keyword
only where the grammar could accept it there, and where a QUERY, EXPR, RELATIONS or TYPE may stand, the whole
stretch is cut out as one token (for sqlglot or types.py to read).  lark is imported on first use of this
module only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import lark
from lark.lexer import Lexer
from lark.parsers.lalr_analysis import Shift

from sqlengine import errors
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.hints import QUERY_KEYWORDS, nearest_keyword
from sqlengine.sql.lexer import NUMBER, OP, QUERY_STARTS, QUOTED, STRING, WORD, Token

_KINDS = {QUOTED: "IDENT", STRING: "STRING", NUMBER: "NUMBER", WORD: "IDENT"}
_OPENERS = frozenset("([{")
_CLOSERS = frozenset(")]}")
_EMIT_WORDS = frozenset("CHANGES FINAL ON EVERY ALLOWED TIMEOUT AND".split())
_SHOWN = {
    "QUERY": "a query",
    "EXPR": "an expression",
    "CONDITION": "a condition",
    "RELATION": "a table",
    "RELATIONS": "a table",
    "TYPE": "a type",
    "IDENT": "a name",
    "STRING": "a string",
    "NUMBER": "a number",
    "$END": "the end",
    "STATEMENT": "a statement",
    "SOURCE": "FROM or WITH before several INSERTs",
}
_EXPECTED_MAX = 8


class Shell:
    """A parsed statement: lark's tree, whose tokens carry (first, one past last) index of `tokens` in
    line, end_line."""

    def __init__(self, tree: lark.Tree[Any], tokens: Sequence[Token]) -> None:
        self.tree = tree
        self.tokens = tokens


@dataclass(frozen=True, eq=False)
class ShellGrammar:
    """`path`: of the lark file; `regions`: terminals that are whole stretches of text, and where each ends;
    `query_end`: of a query; `statement_starts`: first words of the statements that may stand within others."""

    path: Path
    regions: dict[str, Callable[[Sequence[Token], int], int]]
    query_end: Callable[[Sequence[Token], int], int]
    statement_starts: frozenset[str]

    @cached_property
    def parser(self) -> lark.Lark:
        """Made on first use."""
        source = type("Source", (_Source,), {"grammar": self})
        return lark.Lark(self.path.read_text(encoding="utf-8"), parser="lalr", lexer=source, maybe_placeholders=True)


def parse_shell(tokens: Sequence[Token], grammar: ShellGrammar | None = None) -> Shell:
    """Parse one statement, of our own grammar unless stated.  Raises SyntaxError (42601) with position, expected tokens
    and a hint."""
    grammar = grammar or OURS
    try:
        return Shell(grammar.parser.parse(tokens), tokens)  # type: ignore[arg-type]
    except lark.UnexpectedToken as err:
        raise _unexpected(err, tokens, grammar) from None


def _parser() -> lark.Lark:
    return OURS.parser


@lru_cache(maxsize=1)
def keywords() -> list[str]:
    """All keywords of the shell, for completion."""
    return sorted(_terminals())


@lru_cache(maxsize=1)
def _terminals() -> dict[str, str]:
    """Keyword -> terminal; they differ where a stretch of text has the keyword's name already."""
    names = (term.name for term in _parser().terminals)
    return {_spelling(name): name for name in names if name not in _PUNCTUATION and name not in _SHOWN}


@lru_cache(maxsize=1)
def _all_keywords() -> frozenset[str]:
    return frozenset((*keywords(), *QUERY_KEYWORDS))


def is_keyword(word: str) -> bool:
    """Whether a word is one of the grammar's or of queries', in any case."""
    return word.upper() in _all_keywords()


class Accepts(NamedTuple):
    """What may follow some tokens of a statement.

    `keywords`; `slots`: names of what is no keyword ("IDENT", "STRING", "QUERY", "EXPR", "TYPE", "STATEMENT", ...).
    `open_slot`: the stretch of text in which the tokens end and which may go on, if any, `open_from` the index of its
    first token; `keywords` then tell what may follow that stretch.
    """

    keywords: frozenset[str]
    slots: frozenset[str]
    open_slot: str | None = None
    open_from: int = 0


def accepts(tokens: Sequence[Token]) -> Accepts | None:
    """What the grammar accepts behind the tokens; None where they are no beginning of a statement."""
    interactive = _parser().parse_interactive(tokens)  # type: ignore[arg-type]
    try:
        read = list(interactive.iter_parse())
    except lark.UnexpectedToken:
        return None
    last = read[-1] if read else None
    accepted = _Accepted(interactive.parser_state)
    keywords_now = frozenset(word for word, terminal in _terminals().items() if terminal in accepted)
    slots = frozenset(name for name in _SHOWN if name != "$END" and name in accepted)
    if last is not None and last.type in _STRETCHES and last.end_line == len(tokens):
        return Accepts(keywords_now, slots, last.type, last.line or 0)
    return Accepts(keywords_now, slots)


# ---------------------------------------------------------------- tokens for lark


class _Source(Lexer):
    """Gives lark one token at a time, chosen by what its state accepts."""

    __future_interface__ = 2
    grammar: ShellGrammar

    def __init__(self, lexer_conf: Any) -> None:
        self.by_text = {term.pattern.value.upper(): term.name for term in lexer_conf.terminals}

    def lex(self, lexer_state: Any, parser_state: Any) -> Iterator[lark.Token]:
        """Tokens until the statement's end; the parser's state advances between two of them."""
        tokens: Sequence[Token] = lexer_state.text
        accepted = _Accepted(parser_state)
        at = 0
        while at < len(tokens):
            kind, end = self._choose(tokens, at, accepted)
            yield _token(kind, tokens, at, end)
            at = end

    def _choose(self, tokens: Sequence[Token], at: int, accepted: _Accepted) -> tuple[str, int]:
        """(terminal, one past its last token)."""
        token = tokens[at]
        if begins_query(tokens, at) and "QUERY" in accepted:
            return "QUERY", self.grammar.query_end(tokens, at)
        if "STATEMENT" in accepted and self._begins_statement(tokens, at):
            return "STATEMENT", len(tokens)
        keyword = self._keyword(token, accepted)
        if keyword is not None and not ("IDENT" in accepted and _lacks_value(keyword, tokens, at)):
            return keyword, at + 1
        for region, find in self.grammar.regions.items():
            if region in accepted:
                end = find(tokens, at)
                if end > at:
                    return region, end
        if token.kind == OP:
            return self.by_text.get(token.value, "OTHER"), at + 1
        plain = _KINDS.get(token.kind, "OTHER")
        if plain not in accepted and token.kind == WORD:
            return self.by_text.get(token.value.upper(), plain), at + 1
        return plain, at + 1

    def _begins_statement(self, tokens: Sequence[Token], at: int) -> bool:
        return tokens[at].upper in self.grammar.statement_starts or begins_query(tokens, at)

    def _keyword(self, token: Token, accepted: _Accepted) -> str | None:
        name = self.by_text.get(token.upper) if token.upper else None
        return name if name in accepted else None


class _Accepted:
    """`terminal in accepted`: whether the parser, as it stands, could take that terminal."""

    def __init__(self, parser_state: Any) -> None:
        self.parser_state = parser_state
        self.states = parser_state.parse_conf.parse_table.states

    def __contains__(self, terminal: str | None) -> bool:
        """Follows the reductions the terminal would set off; a table entry alone may promise too much."""
        stack = self.parser_state.state_stack
        if terminal not in self.states[stack[-1]]:
            return False
        stack = list(stack)
        while True:
            entry = self.states[stack[-1]].get(terminal)
            if entry is None:
                return False
            action, rule = entry
            if action is Shift:
                return True
            if rule.expansion:
                del stack[-len(rule.expansion) :]
            stack.append(self.states[stack[-1]][rule.origin.name][1])
            if terminal == "$END" and stack[-1] == self.parser_state.parse_conf.end_state:
                return True


_VALUE_AFTER = {"REPLICA": STRING, "PARTITIONS": NUMBER}


def _lacks_value(keyword: str, tokens: Sequence[Token], at: int) -> bool:
    """Whether what stands at `at` is a keyword only before a value, and is not: a column may be called like that."""
    value = _VALUE_AFTER.get(keyword)
    return value is not None and (at + 1 == len(tokens) or tokens[at + 1].kind != value)


def _token(kind: str, tokens: Sequence[Token], at: int, end: int) -> lark.Token:
    start, stop = tokens[at].start, tokens[end - 1].end
    value = tokens[at].value if end == at + 1 else ""
    return lark.Token(kind, value, start_pos=start, line=at, column=0, end_line=end, end_column=0, end_pos=stop)


# ---------------------------------------------------------------- stretches of text


def begins_query(tokens: Sequence[Token], at: int) -> bool:
    """Whether a query starts here; a parenthesis counts only when a query's word follows it."""
    while at < len(tokens) and tokens[at].kind == OP and tokens[at].value == "(":
        at += 1
    return at < len(tokens) and tokens[at].upper in QUERY_STARTS and not _is_options(tokens, at)


def _is_options(tokens: Sequence[Token], at: int) -> bool:
    return tokens[at].upper == "WITH" and at + 1 < len(tokens) and tokens[at + 1].value == "("


def query_end(tokens: Sequence[Token], start: int) -> int:
    """One past the last token of the query that starts at `start`."""
    compared = tokens[start].upper in ("VALUES", "(")

    def stops(at: int) -> bool:
        word, following = tokens[at].upper, tokens[at + 1].upper if at + 1 < len(tokens) else ""
        if word == "EMIT":
            return following in _EMIT_WORDS
        if word == "WITH":
            return following == "(" and at > start
        if word == "ON":
            return following == "CONFLICT"
        if word == "PARTITION":  # ksqlDB, behind a whole query
            return following == "BY"
        if word == "AS":
            return following == "OF" and at + 2 < len(tokens) and tokens[at + 2].upper in ("TICK", "TIMESTAMP")
        return word == "RETURNING" or (word == "=" and compared)

    return stretch(tokens, start, stops)


_EXPR_STOPS = frozenset("WHERE RETURNING PRIMARY METADATA COMMENT KEY GENERATED CONSTRAINT UNIQUE".split())


def _expression_end(tokens: Sequence[Token], start: int) -> int:
    def stops(at: int) -> bool:
        word, before = tokens[at].upper, tokens[at - 1].upper if at else ""
        if word == ",":
            return True
        if word == "NOT" and before != "IS":
            return at > start and at + 1 < len(tokens) and tokens[at + 1].upper in ("NULL", "ENFORCED")
        if word == "FROM":
            return before != "DISTINCT"
        if word == "CHECK":
            return at > start and tokens[at + 1 : at + 2] != [] and tokens[at + 1].value == "("
        if word == "WHEN":
            return _words(tokens, at + 1, 2) in _MATCHES and not _in_case(tokens, start, at)
        return word in _EXPR_STOPS and at > start

    return stretch(tokens, start, stops)


_MATCHES = frozenset(
    [("MATCHED", "AND"), ("MATCHED", "THEN"), ("NOT", "MATCHED")],
)


def _in_case(tokens: Sequence[Token], start: int, at: int) -> bool:
    """Whether a CASE has begun since `start` and not ended."""
    words = [token.upper for token in tokens[start:at]]
    return words.count("CASE") > words.count("END")


def _condition_end(tokens: Sequence[Token], start: int) -> int:
    return stretch(tokens, start, lambda at: tokens[at].upper == "THEN" and not _in_case(tokens, start, at))


def _relation_end(tokens: Sequence[Token], start: int) -> int:
    return stretch(tokens, start, lambda at: tokens[at].upper == "ON")


def _relations_end(tokens: Sequence[Token], start: int) -> int:
    return stretch(tokens, start, lambda at: tokens[at].upper in ("WHERE", "RETURNING"))


def stretch(tokens: Sequence[Token], start: int, stops: Callable[[int], bool]) -> int:
    """The first index at bracket depth 0 that closes an outer bracket or `stops`."""
    depth = 0
    for at in range(start, len(tokens)):
        token = tokens[at]
        if token.kind == OP and token.value in _OPENERS:
            depth += 1
        elif token.kind == OP and token.value in _CLOSERS:
            if depth == 0:
                return at
            depth -= 1
        elif depth == 0 and not _names_parameter(tokens, at) and stops(at):
            return at
    return len(tokens)


def _names_parameter(tokens: Sequence[Token], at: int) -> bool:
    """Whether the token is the name in `:name`, which may be a keyword."""
    return at > 0 and tokens[at - 1].value == ":" and tokens[at - 1].end == tokens[at].start


_TYPE_PHRASES = {"DOUBLE": ("PRECISION",), "CHARACTER": ("VARYING",), "CHAR": ("VARYING",)}
_ZONES = (("WITH", "TIME", "ZONE"), ("WITHOUT", "TIME", "ZONE"), ("WITH", "LOCAL", "TIME", "ZONE"))


def type_end(tokens: Sequence[Token], start: int) -> int:
    """One past a type such as `NUMERIC(10,2)`, `ROW<a INT>[]`, `TIMESTAMP(3) WITH TIME ZONE`; `start` when
    none begins."""
    if tokens[start].kind not in (WORD, QUOTED) or tokens[start].upper in ("AS", "METADATA"):
        return start
    at = start + 1
    if tokens[start].upper in _TYPE_PHRASES and _words(tokens, at, 1) == _TYPE_PHRASES[tokens[start].upper]:
        at += 1
    if at < len(tokens) and tokens[at].value in ("(", "<") and tokens[at].kind == OP:
        at = _type_arguments_end(tokens, at)
    for zone in _ZONES:
        if _words(tokens, at, len(zone)) == zone:
            at += len(zone)
    if _words(tokens, at, 1) == ("ARRAY",):
        at += 1
    while at < len(tokens) and tokens[at].kind == OP and tokens[at].value == "[":
        at = _type_arguments_end(tokens, at)
    return at


def _words(tokens: Sequence[Token], at: int, count: int) -> tuple[str, ...]:
    return tuple(token.upper for token in tokens[at : at + count])


_ANGLES = {"(": 1, "<": 1, "[": 1, ")": -1, ">": -1, "]": -1, ">>": -2, "<<": 2}


def _type_arguments_end(tokens: Sequence[Token], start: int) -> int:
    depth = 0
    for at in range(start, len(tokens)):
        depth += _ANGLES.get(tokens[at].value, 0) if tokens[at].kind == OP else 0
        if depth <= 0:
            return at + 1
    return len(tokens)


STATEMENT_STARTS = frozenset(
    "CREATE ALTER DROP TRUNCATE COMMENT INSERT UPDATE DELETE MERGE COPY SUBSCRIBE EXPLAIN SHOW DESCRIBE DESC SET "
    "RESET BEGIN START "
    "COMMIT END ROLLBACK ABORT SAVEPOINT RELEASE PAUSE RESUME CANCEL PRINT ASSERT FLUSH WAIT SELECT WITH VALUES "
    "TABLE FROM PREPARE EXECUTE DEALLOCATE GRANT REVOKE REASSIGN DECLARE FETCH MOVE CLOSE ACKNOWLEDGE "
    "LISTEN UNLISTEN NOTIFY VACUUM".split()
)
"""First words of the statements of this grammar."""

_REGIONS: dict[str, Callable[[Sequence[Token], int], int]] = {
    "EXPR": _expression_end,
    "CONDITION": _condition_end,
    "RELATION": _relation_end,
    "RELATIONS": _relations_end,
    "TYPE": type_end,
}
OURS = ShellGrammar(Path(__file__).with_name("statements.lark"), _REGIONS, query_end, STATEMENT_STARTS)

_STRETCHES = frozenset((*_REGIONS, "QUERY", "STATEMENT"))

# ---------------------------------------------------------------- errors


def _unexpected(err: lark.UnexpectedToken, tokens: Sequence[Token], grammar: ShellGrammar) -> errors.SyntaxError:
    accepted = _Accepted(err.state)
    expected = sorted(name for name in set(err.expected) if name in accepted)
    names = [_SHOWN.get(name) or _spelling(name, grammar) for name in expected]
    detail = (
        "expected " + (", ".join(names[:-1]) + " or " + names[-1] if len(names) > 1 else "".join(names))
        if names
        else None
    )
    if len(names) > _EXPECTED_MAX:
        detail = "expected one of " + ", ".join(names[:_EXPECTED_MAX]) + ", ..."
    if err.token.type == "$END":
        end = tokens[-1].end if tokens else 0
        return errors.SyntaxError("syntax error at end of input", detail=detail, position=end)
    at = err.token.line or 0
    token = tokens[at]
    words = [_spelling(name, grammar) for name in expected if name not in _SHOWN and name not in _PUNCTUATION]
    words = [*words, *QUERY_STARTS] if at == 0 else words
    meant = nearest_keyword(token.value, words) if token.kind == WORD else None
    near = token.value if token.kind != STRING else f"'{token.value}'"
    near = "..." if _may_be_password(tokens, at) else near
    hint = f"did you mean {meant}?" if meant else None
    return errors.SyntaxError(f'syntax error at or near "{near}"', detail=detail, hint=hint, position=token.start)


def _may_be_password(tokens: Sequence[Token], at: int) -> bool:
    """Whether an error must not repeat a token: strings in statements about roles, and whatever follows PASSWORD."""
    about_roles = any(token.upper in ("ROLE", "USER", "PASSWORD") for token in tokens[:at])
    return (about_roles and tokens[at].kind == STRING) or (at > 0 and tokens[at - 1].upper == "PASSWORD")


def _spelling(terminal: str, grammar: ShellGrammar | None = None) -> str:
    terminal = terminal.removesuffix("_WORD")
    if terminal.isalpha() and terminal.upper() == terminal and terminal not in _PUNCTUATION:
        return terminal
    found = next((term for term in (grammar or OURS).parser.terminals if term.name == terminal), None)
    return f'"{found.pattern.value}"' if found is not None else terminal


_PUNCTUATION = frozenset(("LPAR", "RPAR", "COMMA", "DOT", "EQUAL", "STAR", "MINUS", "PLUS"))
