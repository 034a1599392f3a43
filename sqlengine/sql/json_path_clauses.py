"""JSON_VALUE, JSON_QUERY and JSON_EXISTS with the clauses of the SQL standard, as plain calls of values.

`JSON_VALUE(j, path PASSING x AS v RETURNING t DEFAULT d ON EMPTY ERROR ON ERROR)` becomes a CASE over what the path
finds (functions/sql_json.py says what each of the plain functions gives).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine.errors import NotSupportedError, SyntaxError  # noqa: A004 - SQL's word
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.lexer import OP, STRING, WORD, Token
from sqlengine.sql.token_edit import CLOSERS, operator, split_arguments, word

PATHS = frozenset(("JSON_VALUE", "JSON_QUERY", "JSON_EXISTS"))
_STARTS = frozenset(
    "PASSING RETURNING NULL ERROR DEFAULT WITH WITHOUT TRUE FALSE UNKNOWN EMPTY KEEP OMIT FORMAT".split()
)
"""Words that begin a clause behind a path."""
_ANSWERS = {
    "JSON_VALUE": ("NULL", "ERROR", "DEFAULT"),
    "JSON_QUERY": ("NULL", "ERROR", "DEFAULT", "EMPTY"),
    "JSON_EXISTS": ("TRUE", "FALSE", "UNKNOWN", "ERROR"),
}
"""What may become of a path that fails, or (not of JSON_EXISTS) leads to nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`word`: null, error, default, true, false, unknown, an empty array or object as text; `default`: its tokens."""

    word: str
    default: tuple[Token, ...] = ()


NULL = Answer("null")


@dataclass(frozen=True, slots=True)
class Clauses:
    """What stands behind a path; `passing`: names and values of its variables; `wrapper`: never, always or several."""

    passing: tuple[tuple[str, tuple[Token, ...]], ...] = ()
    returning: tuple[Token, ...] = ()
    wrapper: str = "never"
    omits_quotes: bool = False
    on_empty: Answer | None = None
    on_error: Answer | None = None


def path_call(name: Token, opener: Token, inner: list[Token], closer: Token) -> list[Token]:
    """Such a call, from its name to its closing parenthesis, as plain ones."""
    at = _end_of_argument(inner, 0)
    second = inner[at + 1 :]
    if at >= len(inner) or not second:
        return [name, opener, *inner, closer]
    document = _without_format(inner[:at])
    end = start_of_clauses(second)
    rest = second[end:]
    if not rest:
        return [name, opener, *document, operator(",", name), *second, closer]
    made = ValueOf(name, document, second[:end], read_clauses(rest, name.upper))
    return made.tokens()


def _end_of_argument(tokens: Sequence[Token], at: int) -> int:
    """The comma that ends an argument, or the end."""
    depth = 0
    for index in range(at, len(tokens)):
        if tokens[index].kind == OP:
            depth += (tokens[index].value in CLOSERS) - (tokens[index].value in ")]}")
            if depth == 0 and tokens[index].value == ",":
                return index
    return len(tokens)


def _without_format(tokens: list[Token]) -> list[Token]:
    """`x FORMAT JSON` is x."""
    return tokens[:-2] if [t.upper for t in tokens[-2:]] == ["FORMAT", "JSON"] else tokens


def start_of_clauses(tokens: Sequence[Token], words: frozenset[str] = _STARTS) -> int:
    """Where the clauses behind an expression begin, or its end."""
    depth = 0
    for at, token in enumerate(tokens):
        if token.kind == OP:
            depth += (token.value in CLOSERS) - (token.value in ")]}")
        elif at and depth == 0 and token.kind == WORD and token.upper in words:
            return at
    return len(tokens)


# ---------------------------------------------------------------- clauses


def read_clauses(tokens: list[Token], function: str) -> Clauses:
    """The clauses of a call; SyntaxError (42601) at the first word that is none."""
    made: dict[str, object] = {}
    rest = tokens
    while rest:
        taken = _clause(rest, function)
        key, value, rest = taken
        if key in made:
            raise SyntaxError(f'conflicting clauses of {function} at "{tokens[0].value}"', position=tokens[0].start)
        made[key] = value
    return Clauses(**made)  # type: ignore[arg-type]


def _clause(rest: list[Token], function: str) -> tuple[str, object, list[Token]]:
    """(field of Clauses, its value, the tokens behind it)."""
    first = rest[0].upper
    words = [t.upper for t in rest[:4]]
    if first == "PASSING":
        end = _end_of_passing(rest)
        return "passing", tuple(_variable(argument) for argument in split_arguments(rest[1:end])), rest[end:]
    if first == "RETURNING":
        end = max(2, start_of_clauses(rest))
        return "returning", tuple(_without_format(rest[1:end])), _behind_format(rest[end:])
    if first in ("WITH", "WITHOUT") and function == "JSON_QUERY":
        return _wrapper(rest)
    if first in ("KEEP", "OMIT") and words[1:2] == ["QUOTES"] and function == "JSON_QUERY":
        end = 5 if [t.upper for t in rest[2:5]] == ["ON", "SCALAR", "STRING"] else 2
        return "omits_quotes", first == "OMIT", rest[end:]
    if first in _ANSWERS[function]:
        return _answer(rest, function)
    raise SyntaxError(f'syntax error at or near "{rest[0].value}"', position=rest[0].start)


def _behind_format(rest: list[Token]) -> list[Token]:
    return rest[2:] if [t.upper for t in rest[:2]] == ["FORMAT", "JSON"] else rest


def _end_of_passing(rest: list[Token]) -> int:
    """The first clause behind variables: a word that begins one, right behind a variable's name."""
    depth = 0
    for at, token in enumerate(rest):
        if token.kind == OP:
            depth += (token.value in CLOSERS) - (token.value in ")]}")
        elif at > 2 and depth == 0 and token.upper in _STARTS and rest[at - 2].upper == "AS":
            return at
    return len(rest)


def _variable(argument: list[Token]) -> tuple[str, tuple[Token, ...]]:
    """`value AS name`."""
    if len(argument) < 3 or argument[-2].upper != "AS":
        near = argument[-1] if argument else None
        raise SyntaxError(
            "PASSING takes values AS names", position=near.start if near else None, hint="PASSING 3 AS least"
        )
    name = argument[-1]
    return name.value.lower() if name.kind == WORD else name.value, tuple(_without_format(argument[:-2]))


def _wrapper(rest: list[Token]) -> tuple[str, object, list[Token]]:
    end = next((at for at, t in enumerate(rest[:4]) if t.upper == "WRAPPER"), None)
    between = {t.upper for t in rest[1:end]} if end is not None else {"?"}
    if end is None or not between <= {"ARRAY", "CONDITIONAL", "UNCONDITIONAL"}:
        raise SyntaxError(f'syntax error at or near "{rest[1].value}"', position=rest[1].start)
    word_of = "several" if "CONDITIONAL" in between else "always"
    return "wrapper", word_of if rest[0].upper == "WITH" else "never", rest[end + 1 :]


def _answer(rest: list[Token], function: str) -> tuple[str, object, list[Token]]:
    """`... ON EMPTY` or `... ON ERROR`."""
    at = next(
        (i for i in range(1, len(rest) - 1) if rest[i].upper == "ON" and rest[i + 1].upper in ("EMPTY", "ERROR")), None
    )
    if at is None:
        raise SyntaxError("ON EMPTY or ON ERROR is expected here", position=rest[-1].end)
    on, first = rest[at + 1].upper, rest[0].upper
    between = [t.upper for t in rest[1:at]]
    if on == "EMPTY" and function == "JSON_EXISTS":
        raise SyntaxError(f'syntax error at or near "{rest[at + 1].value}"', position=rest[at + 1].start)
    made = Answer(first.lower())
    if first == "DEFAULT" and between:
        made = Answer("default", tuple(rest[1:at]))
    elif first == "EMPTY" and between in ([], ["ARRAY"], ["OBJECT"]):
        made = Answer("{}" if between == ["OBJECT"] else "[]")
    elif between or first == "DEFAULT":
        raise SyntaxError(f'syntax error at or near "{rest[1].value}"', position=rest[1].start)
    return ("on_empty" if on == "EMPTY" else "on_error"), made, rest[at + 2 :]


# ---------------------------------------------------------------- plain calls


class ValueOf:
    """The value of a path in a document, by a function of SQL's and its clauses, as an expression."""

    def __init__(self, name: Token, document: Sequence[Token], path: Sequence[Token], clauses: Clauses) -> None:
        self.name = name
        self.function = name.upper
        self.document, self.path = document, path
        self.found_by = [*document, operator(",", name), *path, operator(",", name), *self._variables(clauses)]
        self.clauses = clauses

    def tokens(self) -> list[Token]:
        """The whole expression, in parentheses."""
        clauses, like = self.clauses, self.name
        if self.function == "JSON_EXISTS":
            if clauses.returning:
                raise NotSupportedError("JSON_EXISTS RETURNING is not supported", position=clauses.returning[0].start)
            answer = (clauses.on_error or Answer("false")).word
            plain = not clauses.passing and answer == "false"
            return self._without_clauses("json_exists") if plain else self._call("json_exists", answer)
        value = self._typed(self._plain())
        defaults = {on: self._default(on) for on in ("empty", "error")}
        if not any(defaults.values()):
            return self._open(value)
        state = "json_value_state" if self.function == "JSON_VALUE" else "json_query_state"
        wrapper = () if self.function == "JSON_VALUE" else (clauses.wrapper,)
        whens: list[Token] = []
        for on, default in defaults.items():
            if default:
                whens += [word("WHEN", like), Token(STRING, on, like.start, like.end), word("THEN", like), *default]
        other = [word("ELSE", like), *(self._or_default(value, defaults["error"]))]
        return self._open([word("CASE", like), *self._call(state, *wrapper), *whens, *other, word("END", like)])

    def _or_default(self, value: list[Token], default: list[Token]) -> list[Token]:
        """A value that has no like in the type asked for is an error, too."""
        if not default or not self.clauses.returning:
            return value
        like = self.name
        state = "json_value_state" if self.function == "JSON_VALUE" else "json_query_state"
        wrapper = () if self.function == "JSON_VALUE" else (self.clauses.wrapper,)
        is_value = [*self._call(state, *wrapper), operator("=", like), Token(STRING, "value", like.start, like.end)]
        whens = [word("WHEN", like), *self._open(value), word("IS", like), word("NULL", like), word("AND", like)]
        return self._open(
            [word("CASE", like), *whens, *is_value, word("THEN", like), *default, word("ELSE", like), *value]
            + [word("END", like)]
        )

    def _plain(self) -> list[Token]:
        """The value with NULL in the places of defaults."""
        clauses = self.clauses
        answers = [
            "null" if answer is None or answer.word == "default" else answer.word
            for answer in (clauses.on_empty, clauses.on_error)
        ]
        if self.function == "JSON_VALUE":
            plain = not clauses.passing and answers == ["null", "null"]
            return self._without_clauses("json_value") if plain else self._call("json_value", *answers)
        function = "json_query_text" if clauses.omits_quotes else "json_query"
        return self._call(function, clauses.wrapper, *answers)

    def _typed(self, value: list[Token]) -> list[Token]:
        """In the type asked for; what has no like in it is NULL, unless errors are to be told."""
        clauses, like = self.clauses, self.name
        kind = list(clauses.returning)
        if not kind and clauses.omits_quotes:
            kind = [word("JSON", like)]
        if not kind:
            return value
        if self.function == "JSON_QUERY" and any(token.value == "[" for token in kind):  # arrays are read from texts
            value = [word("CAST", like), *self._open([*value, word("AS", like), word("TEXT", like)])]
        strict = clauses.on_error is not None and clauses.on_error.word == "error"
        return [word("CAST" if strict else "TRY_CAST", like), *self._open([*value, word("AS", like), *kind])]

    def _default(self, on: str) -> list[Token]:
        answer = self.clauses.on_empty if on == "empty" else self.clauses.on_error
        if answer is None or answer.word != "default":
            return []
        like = self.name
        kind = list(self.clauses.returning) or ([word("JSON", like)] if self.function == "JSON_QUERY" else [])
        default = self._open(answer.default)
        return [word("CAST", like), *self._open([*default, word("AS", like), *kind])] if kind else default

    def _variables(self, clauses: Clauses) -> list[Token]:
        like = self.name
        if not clauses.passing:
            return [Token(STRING, "{}", like.start, like.end)]
        pairs: list[Token] = []
        for name, value in clauses.passing:
            pairs += [operator(",", like)] if pairs else []
            pairs += [Token(STRING, name, like.start, like.end), operator(",", like), *value]
        return [word("json_build_object", like), *self._open(pairs)]

    def _without_clauses(self, function: str) -> list[Token]:
        like = self.name
        return [word(function, like), *self._open([*self.document, operator(",", like), *self.path])]

    def _call(self, function: str, *more: str) -> list[Token]:
        like = self.name
        texts = [t for text in more for t in (operator(",", like), Token(STRING, text, like.start, like.end))]
        return [word(function, like), *self._open([*self.found_by, *texts])]

    def _open(self, tokens: Sequence[Token]) -> list[Token]:
        return [operator("(", self.name), *tokens, operator(")", self.name)]
