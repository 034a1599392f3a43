"""PostgreSQL's text of an array, `{1,NULL,"a b",{2}}`, as JSON: what drivers send and CSV files hold.

The grammar is that of PostgreSQL's manual, section 8.15.6 (Array Input and Output Syntax), without lower bounds.
"""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc


def braces_to_json(texts: pa.StringArray) -> pa.StringArray:
    """The texts with those that begin with a brace as JSON arrays of text; one that is no array stays as it is."""
    in_braces = pc.match_substring_regex(texts, pattern=r"^\s*\{")
    if not pc.any(in_braces).as_py():
        return texts
    return pa.array([_json(t) if b else t for t, b in zip(texts.to_pylist(), in_braces.to_pylist(), strict=True)])


def _json(text: str) -> str:
    try:
        items, end = _items(text, text.index("{") + 1)
    except (ValueError, IndexError):
        return text
    return text if text[end:].strip() else json.dumps(items)


def _items(text: str, at: int) -> tuple[list[object], int]:
    """(the elements of an array from behind its brace on, where its text ends); ValueError, IndexError if malformed."""
    found: list[object] = []
    at = _skipped(text, at)
    if text[at] == "}":
        return found, at + 1
    while True:
        item, at = _item(text, _skipped(text, at))
        found.append(item)
        at = _skipped(text, at)
        if text[at] == "}":
            return found, at + 1
        if text[at] != ",":
            raise ValueError(text)
        at += 1


def _item(text: str, at: int) -> tuple[object, int]:
    """One element and where it ends."""
    if text[at] == "{":
        return _items(text, at + 1)
    quoted = text[at] == '"'
    at += quoted
    parts = []
    while text[at] != '"' if quoted else text[at] not in ',{}"':
        at += text[at] == "\\"
        parts.append(text[at])
        at += 1
    if quoted:
        return "".join(parts), at + 1
    word = "".join(parts).strip()
    if not word:
        raise ValueError(text)
    return None if word.upper() == "NULL" else word, at


def _skipped(text: str, at: int) -> int:
    while text[at].isspace():
        at += 1
    return at
