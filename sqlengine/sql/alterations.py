"""ALTER TABLE name action, action, ...: cut into statements of one action each, which the grammar knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlengine import errors
from sqlengine.sql import ast
from sqlengine.sql.lexer import Token

Parse = Callable[[list[Token]], list[ast.Statement]]
_OPEN, _CLOSE = frozenset("(["), frozenset(")]")
_OF_A_LIST = (
    ast.AddColumn,
    ast.AddCheck,
    ast.AddUnique,
    ast.AddPrimaryKey,
    ast.DropConstraint,
    ast.SetDefault,
    ast.SetNotNull,
)


def alterations(text: str, tokens: Sequence[Token], parse: Parse) -> ast.AlterTable | None:
    """The statement, if it is one of several actions; `parse` makes one of the tokens of one action.

    SyntaxError (42601) for an action that stands alone only, NotSupportedError (0A000) for a CASCADE among others.
    """
    if [token.upper for token in tokens[:2]] != ["ALTER", "TABLE"]:
        return None
    commas = _commas(tokens)
    if not commas:
        return None
    head = list(tokens[: _head_length(tokens)])
    ends = [*commas, len(tokens)]
    starts = [len(head), *(at + 1 for at in commas)]
    actions = []
    for start, end in zip(starts, ends, strict=True):
        part = list(tokens[start:end])
        if not part:
            at = tokens[end].start if end < len(tokens) else len(text)
            raise errors.SyntaxError("an action of ALTER TABLE is expected here", position=at)
        (made,) = parse([*head, *part])
        _check(made, part[0])
        written = f"{text[head[0].start : head[-1].end]} {text[part[0].start : part[-1].end]}"
        actions.append(replace(made, text=written))
    first = actions[0]
    name = first.name if isinstance(first, ast.AlterColumn) else first.table  # type: ignore[attr-defined]
    return ast.AlterTable(name=name, actions=tuple(actions))


def _commas(tokens: Sequence[Token]) -> list[int]:
    """The places of commas outside parentheses and brackets."""
    found, depth = [], 0
    for at, token in enumerate(tokens):
        depth += (token.upper in _OPEN) - (token.upper in _CLOSE)
        if token.upper == "," and depth == 0:
            found.append(at)
    return found


def _head_length(tokens: Sequence[Token]) -> int:
    """How many tokens come before the first action."""
    at = 2 + 2 * ([token.upper for token in tokens[2:4]] == ["IF", "EXISTS"])
    at += 1
    while at < len(tokens) and tokens[at].upper == ".":
        at += 2
    return at


def _check(made: ast.Statement, first: Token) -> None:
    if isinstance(made, ast.DropColumn) and made.cascade:
        raise errors.NotSupportedError(
            "DROP COLUMN ... CASCADE is not supported among other actions",
            hint="give it a statement of its own",
            position=first.start,
        )
    if not isinstance(made, (*_OF_A_LIST, ast.DropColumn, ast.SetType)):
        raise errors.SyntaxError(f'syntax error at or near "{first.value}"', position=first.start)
