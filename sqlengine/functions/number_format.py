"""to_number: numbers out of texts by PostgreSQL's patterns, as its formatting.c reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import pyarrow as pa

from sqlengine import duck
from sqlengine.errors import DataError, InvalidPattern, InvalidText
from sqlengine.functions.registry import Value, scalar
from sqlengine.functions.signature import Arg
from sqlengine.quick_dataclass import dataclass
from sqlengine.types import DEFAULT_NUMERIC

_KEYWORDS = ("FM", "MI", "PL", "PR", "RN", "SG", "SP", "TH", "EEEE", ",", ".", "0", "9", "B", "D", "G", "L", "S", "V")
_NODE = re.compile("|".join(map(re.escape, _KEYWORDS)) + r'|"(?:[^"\\]|\\.)*"|.', re.IGNORECASE | re.DOTALL)
_DATA = frozenset("0123456789.,+-")
_DIGITS_MAX = 38


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern's nodes, and how many digits it has before and behind its point."""

    nodes: tuple[str, ...]
    whole: int
    scale: int

    def has(self, *words: str) -> bool:
        """Whether one of the words is in it."""
        return any(node in words for node in self.nodes)


def nodes_of(form: str) -> tuple[str, ...]:
    """A pattern's words, as they are written, and what stands between them."""
    return tuple(_NODE.findall(form))


@lru_cache(maxsize=256)
def pattern(form: str) -> Pattern:
    """A pattern read; DataError (0A000) for RN, V and EEEE, InvalidPattern (42601) for one with two points or more
    digits than a number has."""
    nodes = tuple(node.upper() if node.upper() in _KEYWORDS else node for node in nodes_of(form))
    refused = next((node for node in nodes if node in ("RN", "V", "EEEE")), None)
    if refused is not None:
        raise DataError(f'"{refused}" is not supported for input', sqlstate="0A000")
    points = [at for at, node in enumerate(nodes) if node in (".", "D")]
    if len(points) > 1:
        raise InvalidPattern("multiple decimal points")
    cut = points[0] if points else len(nodes)
    whole, scale = (sum(node in ("0", "9") for node in part) for part in (nodes[:cut], nodes[cut:]))
    if whole + scale > _DIGITS_MAX:
        raise InvalidPattern(f"a pattern of more than {_DIGITS_MAX} digits")
    return Pattern(nodes, whole, scale)


class _Reading:
    """One text on its way through a pattern."""

    def __init__(self, text: str, form: Pattern) -> None:
        self.text, self.form, self.at = text, form, 0
        self.sign, self.digits, self.behind = "", "", 0
        self.has_point = False

    @property
    def next(self) -> str:
        return self.text[self.at : self.at + 1]

    def run(self) -> str:
        for node in self.form.nodes:
            if self.at >= len(self.text):
                break
            taken = self._takes(node)
            self.at += taken
        if not any(c.isdigit() for c in self.digits):
            raise InvalidText(f'invalid input syntax for type numeric: "{self.text}"')
        whole, _, behind = self.digits.partition(".")
        return f"{'-' if self.sign == '-' else ''}{whole or '0'}{'.' + behind if behind else ''}"

    def _takes(self, node: str) -> bool:
        """Whether the pattern's node has taken the character that comes."""
        if node in ("0", "9", ".", "D"):
            self._digit(node)
            return True
        if node in (",", "G"):
            return self.next == ","
        if node in ("MI", "PL", "SG") and self.next in {"MI": "-", "PL": "+", "SG": "+-"}[node]:
            self.sign = self.next
            return True
        if node in ("MI", "PL", "SG", "L", "TH") or node not in _KEYWORDS:
            self._skip({"TH": 2}.get(node, len(node.strip('"')) if node.startswith('"') else 1))
        return False

    def _skip(self, count: int) -> None:
        while count and self.at < len(self.text) and self.next not in _DATA:
            self.at, count = self.at + 1, count - 1

    def _digit(self, node: str) -> None:
        if self.next == " ":
            self.at += 1
        if not self.sign and not self.digits.strip(".") and node in ("0", "9"):
            if self.next and (self.next in "+-" or (self.form.has("PR") and self.next == "<")):
                self.sign = "-" if self.next in "-<" else "+"
                self.at += 1
        is_read = False
        if self.next.isdigit():
            if self.has_point and self.behind == self.form.scale:
                return
            self.digits += self.next
            self.behind += self.has_point
            is_read = True
        elif self.next == "." and self.form.has(".", "D") and not self.has_point:
            self.digits += "."
            self.has_point = is_read = True
        if not self.sign and self.digits.strip("."):
            self._sign_behind(is_read)

    def _sign_behind(self, is_read: bool) -> None:
        behind = self.text[self.at + 1 : self.at + 2]
        if self.form.has("S"):
            if is_read and behind and behind in "+-":
                self.sign = behind
                self.at += 1
        elif not is_read and self.form.has("PL", "MI", "SG") and self.next and self.next in "+-":
            self.sign = self.next


def _read(texts: pa.Array, forms: pa.Array) -> pa.Array:
    """Each text as the digits its pattern finds in it."""
    found = texts.dictionary_encode() if len(texts) else None
    patterns = forms.unique().drop_null() if found is not None else []
    if found is None or len(patterns) != 1 or forms.null_count:
        pairs = zip(texts.to_pylist(), forms.to_pylist(), strict=True)
        return pa.array([None if t is None or f is None else read_number(t, f) for t, f in pairs], pa.string())
    made = [read_number(text, patterns[0].as_py()) for text in found.dictionary.to_pylist()]
    return pa.array(made, pa.string()).take(found.indices)


def read_number(text: str, form: str) -> str:
    """The digits, point and sign that a pattern finds in a text; InvalidText (22P02) where there is no digit."""
    return _Reading(text, pattern(form)).run()


duck.at_opening("number_read", [pa.string(), pa.string()], pa.string(), _read)


def number_type(form: str | None) -> pa.DataType:
    """The type of what a pattern reads; `numeric` for one that is not known yet."""
    return DEFAULT_NUMERIC if form is None else pa.decimal128(_DIGITS_MAX, pattern(form).scale)


def _kind(args: Sequence[Arg]) -> pa.DataType:
    return number_type(args[1].value if isinstance(args[1].value, str) else None)


@scalar(
    "to_number(s text, form text) -> numeric",
    "the number in a text, by a pattern of 9, 0, `.`, D, `,`, G, S, MI, PL, SG, PR, L, TH and FM",
    example="to_number('1,234.5-', '9,999.9S') = -1234.5",
    constant_args=(1,),
    result_type=_kind,
    can_raise=True,
    duck=f"CAST(number_read({{*}}) AS {duck.sql_type(DEFAULT_NUMERIC)})",
)
def to_number(s: Value, form: Value) -> Value:
    kind = number_type(form.as_py())
    if isinstance(s, pa.Scalar):
        return _read(pa.array([s.as_py()], pa.string()), pa.array([form.as_py()], pa.string())).cast(kind)[0]
    return _read(s, pa.repeat(pa.scalar(form.as_py(), pa.string()), len(s))).cast(kind)
