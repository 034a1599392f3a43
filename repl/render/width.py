"""Display widths: how many character cells a text takes, and cutting and padding by cells.

Columns of ASCII text are handled whole by Arrow kernels; only texts with other characters are measured one
by one (wcwidth knows wide, combining and emoji characters).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

_CONTROL = "[\\x00-\\x1f\\x7f\u0080-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
_JOINER = "\u200d"
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: pa.Array) -> pa.Array:
    """Control characters (which could move the cursor or reorder the line) as escapes such as \\n and
    \\x1b."""
    odd = pc.match_substring_regex(text, _CONTROL).fill_null(False)
    if not pc.any(odd).as_py():
        return text
    escaped = [visible_text(value) for value in text.filter(odd).to_pylist()]
    return pc.replace_with_mask(text, odd, pa.array(escaped, pa.string()))


def visible_text(text: str) -> str:
    """As `visible`, for one text."""
    return "".join(c if c.isprintable() or c == " " else _escape(c) for c in text)


def _escape(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    if char > "\x9f" and not ("\u2028" <= char <= "\u202e" or "\u2066" <= char <= "\u2069"):
        return char  # unassigned or private, but harmless
    return f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}"


@functools.cache
def _measure() -> Callable[[str], int]:
    import wcwidth  # only text beyond ASCII needs it, and it costs 50 ms to load

    return wcwidth.wcswidth


def text_width(text: str) -> int:
    """Cells of one visible text."""
    return len(text) if text.isascii() else max(0, _measure()(text))


def widest(text: pa.Array) -> int:
    """Cells of the widest text, 0 for none; NULL does not count."""
    if _is_ascii(text):
        return pc.max(pc.binary_length(text)).as_py() or 0
    return max((text_width(t) for t in text.to_pylist() if t is not None), default=0)


def fit(text: pa.Array, width: int, right: bool, ellipsis: str) -> pa.Array:
    """Every text exactly `width` cells wide: padded (on the left when `right`), or cut and marked with
    `ellipsis`."""
    if not _is_ascii(text):
        cells = [None if t is None else fit_text(t, width, right, ellipsis) for t in text.to_pylist()]
        return pa.array(cells, pa.string())
    length = pc.binary_length(text)
    if (pc.max(length).as_py() or 0) > width:
        kept = pc.utf8_slice_codeunits(text, 0, max(0, width - len(ellipsis)))
        text = pc.if_else(pc.greater(length, width), pc.binary_join_element_wise(kept, ellipsis[:width], ""), text)
    return pc.utf8_lpad(text, width) if right else pc.utf8_rpad(text, width)


def fit_text(text: str, width: int, right: bool = False, ellipsis: str = "…") -> str:
    """As `fit`, for one text."""
    text = text.rstrip(_JOINER)  # it would join the blank behind it
    size = text_width(text)
    if size > width:
        text = cut_text(text, max(0, width - len(ellipsis))) + ellipsis[:width]
        size = text_width(text)
    pad = " " * (width - size)
    return pad + text if right else text + pad


def cut_text(text: str, width: int) -> str:
    """The longest beginning of `text` that takes at most `width` cells, whole characters only."""
    kept = text[:width] if text.isascii() else text
    while text_width(kept) > width:
        kept = kept[: max(0, min(len(kept) - 1, width))] if len(kept) > width else kept[:-1]
    return kept.rstrip(_JOINER)


def _is_ascii(text: pa.Array) -> bool:
    return pc.all(pc.string_is_ascii(text)).as_py() is not False
