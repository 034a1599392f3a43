"""Flink's statement sets: `EXECUTE STATEMENT SET BEGIN insert; ...; END`, or `BEGIN STATEMENT SET; insert; ...; END`.

A set says which INSERTs Flink runs as one job; here each is carried out by itself, in order.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine import errors
from sqlengine.sql.lexer import Piece, Token

_OPENINGS = (("EXECUTE", "STATEMENT", "SET", "BEGIN"), ("BEGIN", "STATEMENT", "SET"))


def without_statement_sets(found: Sequence[tuple[Piece, list[Token]]]) -> list[tuple[Piece, list[Token]]]:
    """The statements of a script, those of sets among them; SyntaxError (42601) for a set that is never closed."""
    out: list[tuple[Piece, list[Token]]] = []
    opened: Token | None = None
    for piece, tokens in found:
        words = tuple(token.upper for token in tokens[:4])
        opening = next((o for o in _OPENINGS if words[: len(o)] == o), None)
        if opening is not None and opened is None:
            opened, tokens = tokens[0], tokens[len(opening) :]
        elif opened is not None and len(tokens) == 1 and words == ("END",):
            opened = None
            continue
        if opened is not None and tokens and tokens[0].upper != "INSERT":
            raise errors.SyntaxError(
                "a statement set holds INSERT statements only", hint="END closes it", position=tokens[0].start
            )
        if tokens:
            cut = tokens[0].start - piece.position
            out.append((Piece(piece.text[cut:], tokens[0].start, piece.complete), tokens))
    if opened is not None:
        raise errors.SyntaxError("the statement set is never closed", hint="END closes it", position=opened.start)
    return out
