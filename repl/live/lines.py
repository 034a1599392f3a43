"""What a screen consists of: lines of styled pieces, and cutting and padding them to a width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from repl.render.width import cut_text, fit_text, text_width

Piece: TypeAlias = tuple[str, str]
"""(styles, text): styles are names separated by blanks, such as "cursor changed"."""
Line: TypeAlias = list[Piece]

STYLES = {
    "title": "bold reverse",
    "header": "bold",
    "chosen": "bold underline",
    "dim": "ansibrightblack",
    "null": "ansibrightblack italic",
    "new": "ansigreen bold",
    "changed": "ansiblack bg:ansiyellow",
    "come": "ansigreen",
    "gone": "ansired",
    "match": "ansiblack bg:ansicyan",
    "cursor": "reverse",
    "status": "bold",
    "bad": "ansired bold",
    "key": "bold",
}
"""How each style looks, in prompt_toolkit's words; terminals without colour keep bold, reverse and underline."""


def plain(lines: Iterable[Line]) -> str:
    """The text alone, without blanks at the ends of lines."""
    return "\n".join("".join(text for _, text in line).rstrip() for line in lines)


def fitted(line: Line, width: int) -> Line:
    """A line of exactly `width` cells."""
    left, pieces = width, []
    for style, text in line:
        if left <= 0:
            break
        size = text_width(text)
        if size > left:
            text = cut_text(text, left)
            size = text_width(text)
        pieces.append((style, text))
        left -= size
    return [*pieces, ("", " " * left)] if left > 0 else pieces


def page(lines: Sequence[Line], width: int, height: int) -> list[Line]:
    """Exactly `height` lines of `width` cells: cut, or filled with blank ones."""
    shown = [fitted(line, width) for line in lines[:height]]
    return shown + [[("", " " * width)]] * (height - len(shown))


def ends(left: str, right: str, width: int, style: str) -> Line:
    """One text at either end of a line; the right one is kept when there is no room for both."""
    right = cut_text(right, width)
    return [
        (style, fit_text(left, max(0, width - text_width(right) - 1)) + " " * min(1, width - text_width(right)) + right)
    ]


def key_line(keys: Sequence[tuple[str, str]], width: int) -> Line:
    """`q leave  Space pause ...`: as many as fit, whole."""
    pieces: Line = [("", " ")]
    left = width - 1
    for key, meaning in keys:
        size = text_width(key) + text_width(meaning) + 3
        if size - 2 > left:
            break
        pieces += [("key", key), ("dim", f" {meaning}  ")]
        left -= size
    return fitted(pieces, width)
