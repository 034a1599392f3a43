"""Reading the pattern of MATCH_RECOGNIZE: text to the tree of `ast.RowPattern`."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import lark

from sqlengine import errors
from sqlengine.sql import ast

MOST_TIMES = 1_000
"""A quantifier counts no further."""
_GRAMMAR = Path(__file__).with_suffix(".lark")
_COUNTS = re.compile(r"\{\s*(\d*)\s*(,?)\s*(\d*)\s*\}")
_SHOWN = {
    "NAME": "a variable",
    "QUOTED": "a variable",
    "PERMUTE": "PERMUTE",
    "QUANTIFIER": "a quantifier",
    "LPAR": "(",
    "RPAR": ")",
    "VBAR": "|",
    "COMMA": ",",
    "BEGIN": "^",
    "END": "$",
    "OPEN_EXCLUSION": "{-",
    "$END": "the end of the pattern",
}


def parse_row_pattern(text: str, start: int) -> ast.RowPattern:
    """The tree of a pattern whose text begins at position `start`; comments are blanks in it already.

    Raises SyntaxError (42601) with what was expected, and for quantifiers that no number of rows satisfies.
    """
    try:
        tree = _parser().parse(text)
    except lark.UnexpectedInput as err:
        raise _unexpected(err, text, start) from None
    return _made(tree.children[0], start)


@cache
def _parser() -> lark.Lark:
    return lark.Lark(_GRAMMAR.read_text(encoding="utf-8"), parser="lalr", propagate_positions=True)


def _unexpected(err: lark.UnexpectedInput, text: str, start: int) -> errors.SyntaxError:
    at = err.pos_in_stream
    ended = at is None or at < 0 or at >= len(text) or getattr(getattr(err, "token", None), "type", "") == "$END"
    wanted = getattr(err, "accepts", None) or getattr(err, "expected", None) or getattr(err, "allowed", None) or ()
    shown = sorted({_SHOWN.get(str(name), '"-}"') for name in wanted})
    detail = f"expected {', '.join(shown)}" if shown else None
    if ended or at is None:
        return errors.SyntaxError("syntax error at end of pattern", detail=detail, position=start + len(text))
    near = re.match(r"\w+|.", text[at:])
    assert near is not None
    return errors.SyntaxError(f'syntax error in pattern at or near "{near[0]}"', detail=detail, position=start + at)


def _made(node: Any, start: int) -> ast.RowPattern:
    return _MAKERS[node.data](node, start)


def _alternation(node: Any, start: int) -> ast.RowPattern:
    choices = tuple(_made(child, start) for child in node.children)
    return choices[0] if len(choices) == 1 else ast.PatternAlternation(choices)


def _sequence(node: Any, start: int) -> ast.RowPattern:
    parts = tuple(_made(child, start) for child in node.children)
    return parts[0] if len(parts) == 1 else ast.PatternSequence(parts)


def _factor(node: Any, start: int) -> ast.RowPattern:
    part = _made(node.children[0], start)
    if len(node.children) == 1:
        return part
    quantifier = node.children[1]
    text = str(quantifier)
    position = start + quantifier.start_pos
    reluctant = len(text) > 1 and text.endswith("?")
    least, most = _counts(text, position)
    return ast.PatternQuantified(part, least, most, reluctant)


def _counts(text: str, position: int) -> tuple[int, int | None]:
    if not text.startswith("{"):
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[text[0]]  # type: ignore[return-value]
    found = _COUNTS.match(text)
    assert found is not None
    low, comma, high = found.groups()
    least, most = int(low or 0), (int(high) if high else None) if comma else int(low)
    if most is not None and (most < least or most == 0):
        what = "must be greater than zero" if most == 0 else "is less than its lower one"
        raise errors.SyntaxError(f"the upper bound of a quantifier {what}", position=position)
    if max(least, most or 0) > MOST_TIMES:
        raise errors.TooComplex(f"a quantifier counts to {MOST_TIMES} at most", position=position)
    return least, most


def _variable(node: Any, start: int) -> ast.RowPattern:
    token = node.children[0]
    return ast.PatternVariable(str(token).lower(), str(token).upper(), start + token.start_pos)


def _quoted(node: Any, start: int) -> ast.RowPattern:
    token = node.children[0]
    name = str(token)[1:-1].replace('""', '"')
    return ast.PatternVariable(name, name, start + token.start_pos)


def _anchor(node: Any, start: int) -> ast.RowPattern:
    return ast.PatternAnchor(node.data == "begin", start + node.children[0].start_pos)


def _empty(node: Any, start: int) -> ast.RowPattern:
    return ast.PatternSequence(())


def _group(node: Any, start: int) -> ast.RowPattern:
    return _made(node.children[0], start)


def _excluded(node: Any, start: int) -> ast.RowPattern:
    return ast.PatternExcluded(_made(node.children[1], start), start + node.children[0].start_pos)


def _permuted(node: Any, start: int) -> ast.RowPattern:
    first, *parts = node.children
    return ast.PatternPermutation(tuple(_made(part, start) for part in parts), start + first.start_pos)


_MAKERS: dict[str, Callable[[Any, int], ast.RowPattern]] = {
    "alternation": _alternation,
    "sequence": _sequence,
    "factor": _factor,
    "variable": _variable,
    "quoted": _quoted,
    "begin": _anchor,
    "end": _anchor,
    "empty": _empty,
    "group": _group,
    "excluded": _excluded,
    "permuted": _permuted,
}
