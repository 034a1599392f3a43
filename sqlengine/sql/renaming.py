"""A name in a text replaced by another, all else left as it was typed."""

from __future__ import annotations

from sqlengine.sql.lexer import QUOTED, WORD, Token, lex


def with_name_replaced(text: str, old: str, new: str) -> str:
    """The text with a folded name replaced wherever a column can stand: not behind a dot, nor before a parenthesis.

    It judges no meaning: whoever asks has to compare what both texts say.
    """
    tokens = lex(text)
    spelt = '"' + new.replace('"', '""') + '"'
    for at in reversed(range(len(tokens))):
        token = tokens[at]
        if token.kind in (WORD, QUOTED) and _folded(token) == old and _may_be_column(tokens, at):
            text = text[: token.start] + spelt + text[token.end :]
    return text


def _folded(token: Token) -> str:
    return token.value.lower() if token.kind == WORD else token.value


def _may_be_column(tokens: list[Token], at: int) -> bool:
    before = tokens[at - 1].value if at else ""
    after = tokens[at + 1].value if at + 1 < len(tokens) else ""
    return before != "." and after != "("
