"""Regular expressions of java.util.regex, put into RE2's words where it has them and into Python's always.

RE2 runs in Arrow, over whole columns and in linear time.  What it has no word for (look-around, possessive
quantifiers, atomic groups, back references) is run by Python's `re`, once per distinct value; as in Java, such an
expression can take time exponential in the text.  Both are written so that they mean what Java means: `\\d`, `\\w`,
`\\s` and `(?i)` know ASCII, `.` stops at any line end, POSIX classes such as `\\p{Alpha}` are those of ASCII.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.quick_dataclass import dataclass

_SPACE = r"\t-\r "
_POSIX = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": r"\x00-\x7f",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": r"!-/:-@\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "Blank": r"\t ",
    "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9a-fA-F",
    "Space": _SPACE,
    "javaLowerCase": "Ll",
    "javaUpperCase": "Lu",
}
_SETS = {"d": "0-9", "w": "a-zA-Z0-9_", "s": _SPACE, "h": r"\t \xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000"}
_SETS["v"] = r"\n-\r\x85\u2028\u2029"
_LINE_ENDS = r"\n\r\x85\u2028\u2029"
_LETTERS = {"t": r"\t", "n": r"\n", "r": r"\r", "f": r"\f", "a": r"\x07", "e": r"\x1b"}
_LOOKS = ("(?=", "(?!", "(?<=", "(?<!", "(?>")
_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})([+?]?)")


class BadPattern(ValueError):
    """A text that Java does not compile."""


@dataclass(frozen=True, slots=True)
class JavaPattern:
    """`re2` is None where RE2 has no word for it; `groups` counts capturing groups; `can_be_empty`: it may match
    nothing; `sure_groups`: every group takes part in each match; `at_end`: it has a `$`."""

    re2: str | None
    python: re.Pattern[str]
    groups: int
    can_be_empty: bool
    sure_groups: bool
    at_end: bool

    def in_arrow(self, texts: pa.Array) -> str | None:
        """RE2's expression if it means the same for these texts: Java's `$` stands before a last line end as well."""
        if self.re2 is None or not self.at_end:
            return self.re2
        return None if pc.any(pc.match_substring_regex(texts, rf"[{_LINE_ENDS_RE2}]$")).as_py() else self.re2


_LINE_ENDS_RE2 = r"\n\r\x{85}\x{2028}\x{2029}"


@lru_cache(maxsize=512)
def compiled(pattern: str) -> JavaPattern:
    """The pattern; BadPattern for a text that Java does not compile."""
    reader = _Reader(pattern)
    try:
        reader.run()
        python = re.compile("".join(reader.python), re.ASCII)
    except (re.error, OverflowError, RecursionError, IndexError) as err:
        raise BadPattern(str(err)) from None
    re2 = "".join(reader.re2) if reader.fits else None
    if re2 is not None:
        try:
            pc.match_substring_regex(pa.array([""]), re2)
        except pa.ArrowInvalid:
            re2 = None
    empty = python.match("") is not None or not reader.plain
    return JavaPattern(re2, python, python.groups, empty, reader.sure, reader.at_end)


class _Reader:
    """One pass over a pattern that writes both expressions."""

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0
        self.python: list[str] = []
        self.re2: list[str] = []
        self.fits = self.plain = self.sure = True
        self.at_end = False
        flags = "".join(re.findall(r"\(\?([a-zA-Z]*)", pattern))
        self.dotall = "s" in flags
        self.multiline = "m" in flags
        self.comments = "x" in flags

    def run(self) -> None:
        """Read all of it."""
        while self.at < len(self.text):
            self._next()

    def _both(self, text: str) -> None:
        self.python.append(text)
        self.re2.append(_for_re2(text))

    def _next(self) -> None:
        mark = self.text[self.at]
        if mark == "\\":
            self._escape()
        elif mark == "[":
            self._class()
        elif mark == "(":
            self._group()
        elif mark == "." and not self.dotall:
            self.at += 1
            self._both(f"[^{_LINE_ENDS}]")
        elif mark in "*+?{":
            self._quantifier(mark)
        elif mark in "^$":
            self._edge(mark)
        else:
            self.at += 1
            self.sure &= mark != "|"
            self._both(mark if mark not in "}]" else "\\" + mark)

    def _edge(self, mark: str) -> None:
        self.at += 1
        self.at_end |= mark == "$"
        if mark == "$" and not self.multiline:
            self.python.append(rf"(?=(?:\r\n|[{_LINE_ENDS}])?\Z)")
            self.re2.append("$")
        else:
            self._both(mark)

    def _quantifier(self, mark: str) -> None:
        found = _QUANTIFIER.match(self.text, self.at)
        if found is None:
            raise BadPattern(f"dangling {mark}")
        if self.text[self.at - 1 : self.at] == ")":
            self.sure = False
        self.at = found.end()
        self._both(found.group())
        if found.group(1) == "+":
            self.fits = False

    def _group(self) -> None:
        rest = self.text[self.at :]
        look = next((head for head in sorted(_LOOKS, key=len, reverse=True) if rest.startswith(head)), None)
        named = re.match(r"\(\?<([A-Za-z][A-Za-z0-9]*)>", rest)
        if look is not None:
            self.fits = self.plain = False
            self.at += len(look)
            self.python.append(look)
        elif named is not None:
            self.at += named.end()
            self._both(f"(?P<{named.group(1)}>")
        elif (flags := re.match(r"\(\?([a-zA-Z]*)(?:-([a-zA-Z]*))?([:)])", rest)) is not None:
            self.at += flags.end()
            self._flags(*flags.groups())
        else:
            self.at += 1
            self._both("(")

    def _flags(self, on: str, off: str | None, close: str) -> None:
        if set(on + (off or "")) - set("idmsuxU"):
            raise BadPattern(f"unknown flag in {on}")
        kept, gone = ("".join(f for f in dict.fromkeys(some) if f in "imsx") for some in (on, off or ""))
        if "x" in kept:
            self.fits = False
        minus = f"-{gone}" if gone else ""
        if close == ":":
            self._both(f"(?{kept}{minus}:")
            return
        if not kept and not gone:
            return
        self.re2.append(f"(?{kept}{minus})")
        if gone or self.python:  # Python knows flags for the whole only at its beginning
            rest, at = self.text[self.at :], self.at
            if "|" in rest or rest.count(")") > rest.count("("):
                raise BadPattern("flags within an alternative") if at else BadPattern("flags")
            self.python.append(f"(?{kept}{minus}:")
            self.run()
            self.python.append(")")
        else:
            self.python.append(f"(?{kept})")

    def _escape(self) -> None:
        mark = self.text[self.at + 1 : self.at + 2]
        if mark == "Q":
            end = self.text.find("\\E", self.at)
            literal = self.text[self.at + 2 : end if end >= 0 else len(self.text)]
            self.at = end + 2 if end >= 0 else len(self.text)
            self._both("".join(_literal(c) for c in literal))
        elif mark.isdigit() and mark != "0":
            found = re.compile(r"\d+").match(self.text, self.at + 1)
            assert found is not None
            self.fits = self.plain = False
            self.at = found.end()
            self.python.append(f"(?:\\{found.group()})")
        elif mark == "k":
            found = re.compile(r"\\k<(\w+)>").match(self.text, self.at)
            if found is None:
                raise BadPattern("\\k needs a name")
            self.fits = self.plain = False
            self.at = found.end()
            self.python.append(f"(?P={found.group(1)})")
        elif mark in ("b", "B", "A"):
            self.at += 2
            self._both("\\" + mark)
            self.plain = False
        elif mark in ("z", "Z"):
            self.at += 2
            self.at_end |= mark == "Z"
            self.python.append(r"\Z" if mark == "z" else rf"(?=(?:\r\n|[{_LINE_ENDS}])?\Z)")
            self.re2.append(r"\z")
        elif mark == "R":
            self.at += 2
            self._both(r"(?:\r\n|[\n-\r\x85\u2028\u2029])")
        elif mark in ("G", "X"):
            raise BadPattern(f"\\{mark} is not supported")
        else:
            inner = self._set_or_letter()
            self._both(inner if len(inner) == 1 or inner.startswith("\\") and len(inner) == 2 else f"[{inner}]")

    def _set_or_letter(self) -> str:
        """What an escape stands for within brackets, without them: of a negated set its complement."""
        mark = self.text[self.at + 1 : self.at + 2]
        if not mark:
            raise BadPattern("a backslash at the end")
        self.at += 2
        if mark.lower() in _SETS:
            ranges = _SETS[mark.lower()]
            return ranges if mark.islower() else _complement(ranges)
        if mark in "pP":
            return self._property(mark == "P")
        code = self._code(mark)
        if code is not None:
            return _literal(chr(code))
        if mark in _LETTERS:
            return _LETTERS[mark]
        if mark.isalpha():
            raise BadPattern(f"unknown escape \\{mark}")
        return _literal(mark)

    def _code(self, mark: str) -> int | None:
        shapes = {"x": r"([0-9a-fA-F]{2})|\{([0-9a-fA-F]+)\}", "u": r"([0-9a-fA-F]{4})", "0": r"([0-3]?[0-7]{1,2})"}
        if mark == "c" and self.at < len(self.text):
            self.at += 1
            return ord(self.text[self.at - 1]) ^ 64
        if mark not in shapes:
            return None
        found = re.compile(shapes[mark]).match(self.text, self.at)
        if found is None:
            raise BadPattern(f"bad \\{mark}")
        self.at = found.end()
        return int(next(g for g in found.groups() if g), 8 if mark == "0" else 16)

    def _property(self, negated: bool) -> str:
        found = re.compile(r"\{(\^?)(\w+(?:=\w+)?)\}|(\w)").match(self.text, self.at)
        if found is None:
            raise BadPattern("bad property")
        self.at = found.end()
        name = found.group(2) or found.group(3)
        name = name.partition("=")[2] or name
        ranges = _POSIX.get(name, name)
        if ranges == name or len(ranges) == 2 and ranges.isalpha():
            ranges = _category(ranges)
        return _complement(ranges) if negated != bool(found.group(1)) else ranges

    def _class(self) -> None:
        self._both(f"[{_ranges(self._members())}]")

    def _members(self) -> list[tuple[int, int]]:
        """The characters of a class in brackets, Java's unions and intersections worked out."""
        self.at += 1
        negated = self.text[self.at : self.at + 1] == "^"
        self.at += negated
        found: list[tuple[int, int]] = []
        parts: list[list[tuple[int, int]]] = []
        first = True
        while True:
            mark = self.text[self.at : self.at + 1]
            if not mark:
                raise BadPattern("a class without its end")
            if mark == "]" and not first:
                break
            first = False
            if self.text.startswith("&&", self.at):
                self.at += 2
                parts.append(found)
                found = []
            elif mark == "[":
                found += self._members()
            else:
                found += self._range()
        self.at += 1
        for part in parts:
            found = _both_of(part, found) if found else part
        return _turned(found) if negated else _merged(found)

    def _range(self) -> list[tuple[int, int]]:
        low = self._member()
        dash = self.text[self.at : self.at + 1] == "-"
        after = self.text[self.at + 1 : self.at + 2]
        if not dash or after in ("]", "[", "") or len(low) != 1 or low[0][0] != low[0][1]:
            return low
        self.at += 1
        high = self._member()
        if len(high) != 1 or high[0][0] != high[0][1] or high[0][0] < low[0][0]:
            raise BadPattern("bad range of characters")
        return [(low[0][0], high[0][0])]

    def _member(self) -> list[tuple[int, int]]:
        if self.text[self.at] == "\\":
            return _pairs(self._set_or_letter())
        self.at += 1
        code = ord(self.text[self.at - 1])
        return [(code, code)]


def _literal(mark: str) -> str:
    plain = mark.isascii() and mark.isprintable() and not mark.isspace() and not mark.isalnum()
    return "\\" + mark if plain else _coded(ord(mark))


def _coded(code: int) -> str:
    if code < 128 and chr(code).isalnum():
        return chr(code)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


_CODED = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


def _for_re2(text: str) -> str:
    """Python's spelling of characters in RE2's."""
    return _CODED.sub(lambda m: rf"\x{{{m[1] or m[2] or m[3]}}}", text)


_MEMBER = re.compile(r"\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}|\\.|.", re.DOTALL)


def _pairs(ranges: str) -> list[tuple[int, int]]:
    """Ranges as they are written within brackets, as numbers."""
    out: list[tuple[int, int]] = []
    marks = _MEMBER.findall(ranges)
    at = 0
    while at < len(marks):
        low = _number(marks[at])
        if at + 2 < len(marks) and marks[at + 1] == "-":
            out.append((low, _number(marks[at + 2])))
            at += 3
        else:
            out.append((low, low))
            at += 1
    return out


def _number(mark: str) -> int:
    if len(mark) > 2:
        return int(mark[2:], 16)
    return ord({"t": "\t", "n": "\n", "r": "\r", "f": "\f"}.get(mark[1], mark[1]) if len(mark) == 2 else mark)


def _merged(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for low, high in sorted(pairs):
        if out and low <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], high))
        else:
            out.append((low, high))
    return out


def _turned(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    out, start = [], 0
    for low, high in _merged(pairs):
        if low > start:
            out.append((start, low - 1))
        start = high + 1
    if start <= sys.maxunicode:
        out.append((start, sys.maxunicode))
    return out


def _both_of(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return _turned(_turned(one) + _turned(other))


def _ranges(pairs: list[tuple[int, int]]) -> str:
    if not pairs:
        return r"^\x00-\U0010ffff"
    return "".join(_coded(a) if a == b else f"{_coded(a)}-{_coded(b)}" for a, b in pairs)


def _complement(ranges: str) -> str:
    return _ranges(_turned(_pairs(ranges)))


_NAMED = {"IsAlphabetic": "L", "IsLetter": "L", "IsDigit": "Nd", "IsUppercase": "Lu", "IsLowercase": "Ll",
          "IsPunctuation": "P", "IsWhite_Space": "Z"}  # fmt: skip


@lru_cache(maxsize=64)
def _category(name: str) -> str:
    """The characters of a general category (`L`, `Lu`, `IsL`) as ranges; BadPattern for another name."""
    wanted = _NAMED.get(name, name.removeprefix("Is"))
    if not re.fullmatch(r"[CLMNPSZ][a-z]?", wanted):
        raise BadPattern(f"unknown property {name}")
    pairs: list[tuple[int, int]] = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)).startswith(wanted):
            if pairs and pairs[-1][1] == code - 1:
                pairs[-1] = (pairs[-1][0], code)
            else:
                pairs.append((code, code))
    if not pairs:
        raise BadPattern(f"unknown property {name}")
    return _ranges(pairs)
