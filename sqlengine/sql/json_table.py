"""JSON_TABLE(document, path COLUMNS (...)) in FROM, as a query over the rows of its pattern.

`json_table_rows` gives one array of items a row (functions/jsonpath/table.py); each column is JSON_VALUE, JSON_QUERY or
JSON_EXISTS of one of these items, with the column's own clauses.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from sqlengine.errors import DuplicateAlias, SyntaxError  # noqa: A004 - SQL's word
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.hints import QUERY_KEYWORDS, nearest_keyword
from sqlengine.sql.json_path_clauses import Clauses, ValueOf, read_clauses
from sqlengine.sql.lexer import NUMBER, OP, QUOTED, STRING, WORD, Token
from sqlengine.sql.token_edit import matching, operator, split_arguments, word

_ROWS, _ROW = "json$rows", "json$row"
_TYPE_ENDS = frozenset(
    ("PATH", "FORMAT", "EXISTS", "KEEP", "OMIT", "NULL", "ERROR", "DEFAULT", "EMPTY", "TRUE", "FALSE", "UNKNOWN")
)
_NESTING = ("{", "[", "<")
_AS_JSON = ("JSON", "JSONB", "STRUCT", "ROW", "MAP", "ARRAY", "VARIANT")


def json_tables(tokens: list[Token]) -> list[Token]:
    """Every JSON_TABLE of a statement as such a query, the innermost first."""
    out = list(tokens)
    for at in reversed(range(len(out) - 1)):
        if out[at].kind == WORD and out[at].upper == "JSON_TABLE" and out[at + 1].value == "(":
            close = matching(out, at + 1)
            made = _Table(out[at], out[at + 2 : close]).tokens()
            start = at - 1 if at and out[at - 1].upper == "LATERAL" else at
            named = close + 1 < len(out) and _is_alias(out[close + 1])
            alias = [] if named else [word("AS", out[at]), Token(QUOTED, "json_table", out[at].start, out[at].end)]
            out[start : close + 1] = [*made, *alias]
    return out


def _is_alias(token: Token) -> bool:
    return token.kind == QUOTED or (token.kind == WORD and (token.upper == "AS" or token.upper not in QUERY_KEYWORDS))


@dataclass(frozen=True, slots=True)
class _Column:
    """One column: which pattern's item it reads, and the rest of its definition behind the name."""

    name: Token
    pattern: int
    definition: tuple[Token, ...]


class _Table:
    """One JSON_TABLE, taken apart."""

    def __init__(self, name: Token, inner: list[Token]) -> None:
        self.name = name
        self.columns: list[_Column] = []
        self.patterns = 1
        head, columns, behind = self._parts(inner)
        document = split_arguments(head)
        if len(document) < 2:
            raise SyntaxError("JSON_TABLE takes a document, a path and COLUMNS (...)", position=name.start)
        first = document[0]
        rest = head[len(first) + 1 :]
        end = next((at for at, t in enumerate(rest) if at and t.upper in ("AS", "PASSING")), len(rest))
        self.path = rest[:end]
        rest = rest[end:]
        if rest and rest[0].upper == "AS":
            rest = rest[2:]
        self.passing = read_clauses(rest, "JSON_EXISTS").passing if rest else ()
        self.document = first
        self.nested = self._read_columns(columns, 0)
        self.on_error = self._on_error(behind)
        self._check_names()

    def _parts(self, inner: list[Token]) -> tuple[list[Token], list[Token], list[Token]]:
        """What stands before COLUMNS, in its parentheses, and behind them."""
        depth = 0
        for at, token in enumerate(inner[:-1]):
            if token.kind == OP:
                depth += (token.value in "([{") - (token.value in ")]}")
            elif depth == 0 and token.upper == "COLUMNS" and inner[at + 1].value == "(":
                close = matching(inner, at + 1)
                return inner[:at], inner[at + 2 : close], inner[close + 1 :]
        raise SyntaxError("JSON_TABLE needs COLUMNS (...)", position=self.name.start)

    def _on_error(self, behind: list[Token]) -> str:
        words = [t.upper for t in behind]
        if words in ([], ["EMPTY", "ON", "ERROR"], ["EMPTY", "ARRAY", "ON", "ERROR"]):
            return "null"
        if words == ["ERROR", "ON", "ERROR"]:
            return "error"
        raise SyntaxError(f'syntax error at or near "{behind[0].value}"', position=behind[0].start)

    def _check_names(self) -> None:
        seen: set[str] = set()
        for column in self.columns:
            name = column.name.value if column.name.kind == QUOTED else column.name.value.lower()
            if name in seen:
                raise DuplicateAlias(f'duplicate JSON_TABLE column or path name: "{name}"', position=column.name.start)
            seen.add(name)

    # ------------------------------------------------------------ columns

    def _read_columns(self, tokens: list[Token], pattern: int) -> list[list[object]]:
        """Takes in the columns; the nested patterns, `[path, [patterns below]]` each."""
        below: list[list[object]] = []
        for definition in split_arguments(tokens):
            if not definition:
                raise SyntaxError("a column is expected here", position=self.name.start)
            is_nested = definition[0].upper == "NESTED" and (
                len(definition) > 1 and (definition[1].upper == "PATH" or definition[1].kind == STRING)
            )
            if is_nested:
                below.append(self._nested(definition))
            else:
                self.columns.append(_Column(definition[0], pattern, tuple(definition[1:])))
        return below

    def _nested(self, definition: list[Token]) -> list[object]:
        rest = definition[2:] if definition[1].upper == "PATH" else definition[1:]
        if not rest or rest[0].kind != STRING:
            raise SyntaxError("NESTED PATH takes a path, as a constant", position=definition[0].start)
        text = rest[0].value
        rest = rest[3:] if len(rest) > 2 and rest[1].upper == "AS" else rest[1:]
        if len(rest) < 2 or rest[0].upper != "COLUMNS" or rest[1].value != "(":
            raise SyntaxError("NESTED PATH needs COLUMNS (...)", position=definition[0].start)
        pattern, self.patterns = self.patterns, self.patterns + 1
        return [text, self._read_columns(rest[2 : matching(rest, 1)], pattern)]

    # ------------------------------------------------------------ tokens

    def tokens(self) -> list[Token]:
        """`LATERAL (SELECT ... FROM UNNEST(json_table_rows(...)) AS rows(row))`."""
        like = self.name
        selected: list[Token] = []
        for column in self.columns:
            selected += [operator(",", like)] if selected else []
            selected += [*self._value(column), word("AS", like), column.name]
        found_by = ValueOf(like, self.document, self.path, Clauses(passing=self.passing)).found_by
        texts = [json.dumps(self.nested, ensure_ascii=False), self.on_error]
        more = [t for text in texts for t in (operator(",", like), self._text(text))]
        rows = [word("json_table_rows", like), *self._open([*found_by, *more])]
        alias = [word("AS", like), self._quoted(_ROWS), *self._open([self._quoted(_ROW)])]
        unnested = [word("UNNEST", like), *self._open(rows), *alias]
        query = [word("SELECT", like), *selected, word("FROM", like), *unnested]
        return [word("LATERAL", like), *self._open(query)]

    def _value(self, column: _Column) -> list[Token]:
        like, definition = column.name, list(column.definition)
        if [t.upper for t in definition] == ["FOR", "ORDINALITY"]:
            number = [*self._place(column.pattern), operator("->>", like), Token(NUMBER, "1", like.start, like.end)]
            return [word("CAST", like), *self._open([*self._open(number), word("AS", like), word("INTEGER", like)])]
        end = _type_end(definition)
        kind, rest = definition[:end], definition[end:]
        if not kind:
            raise SyntaxError(f'column "{like.value}" needs a type', position=like.start)
        _refuse_text_in_type(kind)
        exists = bool(rest) and rest[0].upper == "EXISTS"
        as_json = [t.upper for t in rest[:2]] == ["FORMAT", "JSON"]
        rest = rest[1:] if exists else rest[2:] if as_json else rest
        if len(rest) > 1 and rest[0].upper == "PATH":
            path, rest = [rest[1]], rest[2:]
        else:
            name = like.value if like.kind == QUOTED else like.value.lower()
            path = [self._text("$." + json.dumps(name, ensure_ascii=False))]
        item = [
            *self._open([*self._place(column.pattern), operator("->", like), Token(NUMBER, "0", like.start, like.end)])
        ]
        return self._of_item(
            column, kind, item, path, rest, "JSON_EXISTS" if exists else "JSON_QUERY" if as_json else ""
        )

    def _of_item(
        self, column: _Column, kind: list[Token], item: list[Token], path: list[Token], rest: list[Token], function: str
    ) -> list[Token]:
        like = column.name
        if not function:
            shaped = kind[0].upper in _AS_JSON or any(t.value in _NESTING for t in kind)
            written = {t.upper for t in rest} & {"WRAPPER", "QUOTES"}
            function = "JSON_QUERY" if shaped or written else "JSON_VALUE"
        clauses = replace(read_clauses(rest, function), passing=self.passing)
        plain = kind[0].upper in ("JSON", "JSONB") and len(kind) == 1
        if function == "JSON_EXISTS":
            value = ValueOf(word(function, like), item, path, clauses).tokens()
            if [t.upper for t in kind] in (["BOOLEAN"], ["BOOL"]):
                return value
            return [word("CAST", like), *self._open([*value, word("AS", like), *kind])]
        returning = () if plain and function == "JSON_QUERY" else tuple(kind)
        return ValueOf(word(function, like), item, path, replace(clauses, returning=returning)).tokens()

    def _place(self, pattern: int) -> list[Token]:
        like = self.name
        number = Token(NUMBER, str(pattern), like.start, like.end)
        return self._open([self._quoted(_ROWS), operator(".", like), self._quoted(_ROW), operator("->", like), number])

    def _text(self, text: str) -> Token:
        return Token(STRING, text, self.name.start, self.name.end)

    def _quoted(self, name: str) -> Token:
        return Token(QUOTED, name, self.name.start, self.name.end)

    def _open(self, tokens: Sequence[Token]) -> list[Token]:
        return [operator("(", self.name), *tokens, operator(")", self.name)]


def _refuse_text_in_type(kind: list[Token]) -> None:
    """SyntaxError (42601) for `INT pth '$.a'`: no type ends in a text."""
    if len(kind) > 2 and kind[-1].kind == STRING:
        wrong = kind[-2]
        meant = nearest_keyword(wrong.value, ("PATH",))
        hint = f"did you mean {meant}?" if meant else "a column's path is written name type PATH '$.key'"
        raise SyntaxError(f'syntax error at or near "{wrong.value}"', hint=hint, position=wrong.start)


def _type_end(definition: list[Token]) -> int:
    """Where a column's type ends; WITH TIME ZONE belongs to it."""
    depth = 0
    for at, token in enumerate(definition):
        if token.kind == OP:
            depth += (token.value in "([<") - (token.value in ")]>")
        elif (
            depth == 0
            and at
            and (
                token.upper in _TYPE_ENDS
                or (token.upper in ("WITH", "WITHOUT") and [t.upper for t in definition[at + 1 : at + 2]] != ["TIME"])
            )
        ):
            return at
    return len(definition)
