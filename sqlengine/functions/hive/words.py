"""Words: capitals, Soundex, edit distance, and the sentences and words of a text."""

from __future__ import annotations

import re

_BLANK = re.compile(r"(\s+)")


def capitalized(text: str) -> str:
    """Each word's first character in title case, the others small; words are divided by white space (Apache Commons'
    WordUtils.capitalizeFully)."""
    return "".join(part[:1].title() + part[1:].lower() for part in _BLANK.split(text))


def edits(one: str, other: str) -> int:
    """The Levenshtein distance: insertions, deletions and exchanges of one character."""
    if len(one) < len(other):
        one, other = other, one
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        before, row[0] = row[0], at
        for place, mark in enumerate(other, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (letter != mark))
    return row[-1]


_SOUNDS = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "01230120022455012623010202", strict=True))


def soundex_of(text: str) -> str | None:
    """The code of Apache Commons' Soundex.US_ENGLISH: H and W divide nothing; None for a letter it has no code for."""
    letters = [c for c in text.upper() if c.isalpha()]
    if any(c not in _SOUNDS for c in letters):
        return None
    if not letters:
        return ""
    out, last = letters[0], _SOUNDS[letters[0]]
    for letter in letters[1:]:
        if letter in "HW":
            continue
        code = _SOUNDS[letter]
        if code != "0" and code != last:
            out += code
        last = code
    return out[:4].ljust(4, "0")


_END = re.compile(r"""[.!?\u2026]+[)\]"'\u2019\u201d]*(\s*)""")
_WORD = re.compile(
    r"[^\W_](?:[^\W_]|[\u0300-\u036f]"
    r"|(?<=[^\W\d_])[-\u2010\u2011\u00ad\u2027'\u2019\".](?=[^\W\d_])"
    r"|(?<=\d)[.,'\u066b](?=\d))*"
)


def sentences_of(text: str) -> list[list[str]]:
    """The words of each sentence.

    As java.text.BreakIterator cuts English: ! and ? end a sentence, a full stop does when white space and no small
    letter follow; hyphens, apostrophes and points within a word belong to it.
    """
    out, start = [], 0
    for found in _END.finditer(text):
        if _ends(found, text):
            out.append(text[start : found.end()])
            start = found.end()
    if text[start:]:
        out.append(text[start:])
    return [_WORD.findall(sentence) for sentence in out]


def _ends(found: re.Match[str], text: str) -> bool:
    after = text[found.end() : found.end() + 1]
    if after in (",", ":", ";", "-"):
        return False
    if "!" in found.group() or "?" in found.group() or not after:
        return True
    return bool(found.group(1)) and not after.islower()
