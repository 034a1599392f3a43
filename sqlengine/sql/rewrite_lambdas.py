"""Lambdas as other systems write them, as sqlglot reads them: ksqlDB's `x => x + 1` and RisingWave's `|x| x + 1`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine.sql.lambdas import takes_lambda
from sqlengine.sql.lexer import OP, QUOTED, WORD, Token
from sqlengine.sql.token_edit import CLOSERS, operator


def lambda_arrows(tokens: list[Token]) -> list[Token]:
    """`transform(a, x => x + 1)` (ksqlDB) -> `transform(a, x -> x + 1)`; elsewhere `=>` names an argument."""
    out: list[Token] = []
    around: list[str] = []
    for at, token in enumerate(tokens):
        if token.kind == OP and token.value in CLOSERS:
            around.append(tokens[at - 1].value if at and token.value == "(" and tokens[at - 1].kind == WORD else "")
        elif token.kind == OP and token.value in ")]}" and around:
            around.pop()
        arrow = token.kind == OP and token.value == "=>"
        out.append(operator("->", token) if arrow and around and takes_lambda(around[-1]) else token)
    return out


def closures(tokens: list[Token]) -> list[Token]:
    """`transform(a, |x| x + 1)` (RisingWave) -> `transform(a, x -> x + 1)`; no operand begins with a bar."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        closer = _closing_bar(tokens, at) if at and tokens[at - 1].value == "," and tokens[at].value == "|" else None
        if closer is None:
            out.append(tokens[at])
            at += 1
            continue
        names, first = tokens[at + 1 : closer], tokens[at]
        out += names if len(names) == 1 else [operator("(", first), *names, operator(")", first)]
        out.append(operator("->", tokens[closer]))
        at = closer + 1
    return out


def _closing_bar(tokens: Sequence[Token], opener: int) -> int | None:
    """The bar behind the names of a closure; None where there are none."""
    for at in range(opener + 1, len(tokens)):
        token, is_name = tokens[at], (at - opener) % 2 == 1
        if is_name and token.kind not in (WORD, QUOTED):
            return None
        if not is_name and token.value != ",":
            return at if token.kind == OP and token.value == "|" else None
    return None
