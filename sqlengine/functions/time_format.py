"""Dates as text and text as dates: to_char (PostgreSQL's patterns), date_format (Java's, as Flink and Hive write them).

A format is cut into pieces once; each piece is one vectorised column of text, joined at the end.  Names of months and
days are English.  Numbers: number_text.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import duck, errors
from sqlengine.functions.arrays_of import from_int64s, int64s, nulls
from sqlengine.functions.registry import Kernel, Value, declare, scalar
from sqlengine.types import TIMESTAMP, TIMESTAMPTZ

Piece = Callable[[Value], Value]

_PG: dict[str, str] = {
    "YYYY": "%Y",
    "YY": "%y",
    "IYYY": "%G",
    "MM": "%m",
    "DDD": "%j",
    "DD": "%d",
    "HH24": "%H",
    "HH12": "%I",
    "HH": "%I",
    "MI": "%M",
    "SS": "%S",
    "MS": "<ms>",
    "US": "<us>",
    "AM": "%p",
    "PM": "%p",
    "am": "<ampm>",
    "pm": "<ampm>",
    "Month": "%B",
    "MONTH": "<upper>%B",
    "month": "<lower>%B",
    "Mon": "%b",
    "MON": "<upper>%b",
    "mon": "<lower>%b",
    "Day": "%A",
    "DAY": "<upper>%A",
    "day": "<lower>%A",
    "Dy": "%a",
    "DY": "<upper>%a",
    "dy": "<lower>%a",
    "IW": "%V",
    "ID": "%u",
    "Q": "<q>",
}
_PG.update({word.lower(): field for word, field in _PG.items() if word.isupper() and word.lower() not in _PG})
"""Patterns of numbers may be written in small letters, too; the letters of the others say how names are written."""
_JAVA: dict[str, str] = {
    "yyyy": "%Y",
    "uuuu": "%Y",
    "yy": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "M": "<trim>%m",
    "dd": "%d",
    "d": "<trim>%d",
    "DDD": "%j",
    "HH": "%H",
    "H": "<trim>%H",
    "hh": "%I",
    "h": "<trim>%I",
    "mm": "%M",
    "m": "<trim>%M",
    "ss": "%S",
    "s": "<trim>%S",
    "SSSSSS": "<us>",
    "SSS": "<ms>",
    "a": "%p",
    "EEEE": "%A",
    "EEE": "%a",
    "E": "%a",
}
_PADDED = {"Month": 9, "MONTH": 9, "month": 9, "Day": 9, "DAY": 9, "day": 9}


def _scanner(words: dict[str, str], quote: str) -> re.Pattern[str]:
    longest = sorted(words, key=len, reverse=True)
    return re.compile(f"{quote}([^{quote}]*){quote}|(FM)?({'|'.join(longest)})|(.)", re.DOTALL)


_PG_SCAN = _scanner(_PG, '"')
_JAVA_SCAN = _scanner(_JAVA, "'")


@lru_cache(maxsize=256)
def tokens(pattern: str, java: bool) -> tuple[tuple[str, bool], ...]:
    """A format as (text, is a field): fields are strftime specs or the words in <> this file adds."""
    scan, words = (_JAVA_SCAN, _JAVA) if java else (_PG_SCAN, _PG)
    out: list[tuple[str, bool]] = []
    for m in scan.finditer(pattern):
        quoted, bare_fm, word, other = m.groups()
        if word is None:
            out.append(((quoted or "'" if java and m.group() == "''" else quoted) if other is None else other, False))
            continue
        width = _PADDED.get(word) if not java and bare_fm is None else None
        trim = "<trim>" if bare_fm and words[word] in ("%m", "%d", "%H", "%I", "%M", "%S", "%j") else ""
        out.append((f"<pad{width}>{words[word]}" if width else trim + words[word], True))
    return tuple(out)


def _fraction(digits: int) -> Piece:
    def piece(t: Value) -> Value:
        micros = pc.add(pc.multiply(pc.millisecond(t), pa.scalar(1000)), pc.microsecond(t))
        number = micros if digits == 6 else pc.millisecond(t)
        return pc.utf8_lpad(number.cast(pa.string()), width=digits, padding="0")

    return piece


def _strftime(spec: str) -> Piece:
    unit = pa.timestamp("s")
    return lambda t: pc.strftime(_floor_second(t).cast(unit), format=spec, locale="C")


def _floor_second(t: Value) -> Value:
    """Rounded down (a cast would round moments before 1970 up)."""
    return pc.floor_temporal(t.cast(TIMESTAMP), unit="second")


def _field(spec: str) -> Piece:
    """The column of text a field makes of timestamps."""
    mark, _, rest = spec.partition(">")
    if not mark.startswith("<"):
        return _strftime(spec)
    special: dict[str, Piece] = {
        "<ms": _fraction(3),
        "<us": _fraction(6),
        "<q": lambda t: pc.quarter(t).cast(pa.string()),
        "<ampm": lambda t: pc.ascii_lower(_strftime("%p")(t)),
        "<trim": lambda t: pc.replace_substring_regex(_strftime(rest)(t), pattern="^0+(.)", replacement="\\1"),
        "<upper": lambda t: pc.ascii_upper(_strftime(rest)(t)),
        "<lower": lambda t: pc.ascii_lower(_strftime(rest)(t)),
    }
    if mark.startswith("<pad"):
        return lambda t: pc.utf8_rpad(_field(rest)(t), width=int(mark[4:]))
    return special[mark]


@lru_cache(maxsize=256)
def _runs(pattern: str, java: bool) -> tuple[tuple[str, str], ...]:
    """A format as (kind, text): kind "text" is constant, "strftime" a spec of neighbouring plain fields, "field" one
    field of this file's own."""
    out: list[tuple[str, str]] = []
    run = ""
    for text, is_field in (*tokens(pattern, java), ("<end>", True)):
        if not is_field or not text.startswith("<"):
            run += text if is_field else text.replace("%", "%%")
            continue
        if run:
            plain = not re.search("%[^%]", run.replace("%%", ""))
            out.append(("text", run.replace("%%", "%")) if plain else ("strftime", run))
        run = ""
        if text != "<end>":
            out.append(("field", text))
    return tuple(out)


@lru_cache(maxsize=256)
def _pieces(pattern: str, java: bool) -> tuple[Piece | str, ...]:
    """Fields and constant text; neighbouring plain strftime fields share one call."""
    make: dict[str, Callable[[str], Piece | str]] = {"text": str, "strftime": _strftime, "field": _field}
    return tuple(make[kind](text) for kind, text in _runs(pattern, java))


def strftime_text(pattern: str, java: bool, moment: str) -> str:
    """DuckDB text of a timestamp (its text) in a format: what the kernels of to_char and date_format compute."""

    def call(spec: str) -> str:
        return f"strftime({moment}, {duck.literal(spec, pa.string())})"

    def field(mark: str) -> str:
        head, _, rest = mark.partition(">")
        if head.startswith("<pad"):
            return f"rpad({field(rest) if rest.startswith('<') else call(rest)}, {head[4:]}, ' ')"
        return {
            "<ms": call("%g"),
            "<us": call("%f"),
            "<q": f"CAST(quarter({moment}) AS VARCHAR)",
            "<ampm": f"lower({call('%p')})",
            "<trim": f"regexp_replace({call(rest)}, '^0+(.)', '\\1')",
            "<upper": f"upper({call(rest)})",
            "<lower": f"lower({call(rest)})",
        }[head]

    parts = [call(text.replace("%", "%%")) if kind == "text" else call(text) if kind == "strftime" else field(text)
             for kind, text in _runs(pattern, java)]  # fmt: skip
    return "(" + " || ".join(parts or [f"left({call('%Y')}, 0)"]) + ")"


@lru_cache(maxsize=256)
def _granule(pattern: str, java: bool) -> int:
    """Microseconds within which the format gives one text, 0 when every microsecond may differ."""
    fields = " ".join(text for text, is_field in tokens(pattern, java) if is_field)
    if "<us>" in fields or "<ms>" in fields:
        return 0
    for marks, granule in (("%S", 1), ("%M", 60), ("%H|%I|%p|<ampm>", 3600)):
        if re.search(marks, fields):
            return granule * 1_000_000
    return 86_400_000_000


def formatter(java: bool) -> Callable[[Sequence[pa.DataType], pa.DataType], Kernel]:
    """A factory of kernels (moments, pattern) -> text."""

    def make(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        def kernel(t: Value, pattern: Value) -> Value:
            text = pattern.as_py()
            if text is None:
                return pa.scalar(None, pa.string())
            granule = _granule(text, java)
            if isinstance(t, pa.Scalar) or not granule:
                return _formatted(t, text, java)
            return _formatted_once_each(t, text, java, granule)

        return kernel

    return make


def _formatted_once_each(t: pa.Array, text: str, java: bool, granule: int) -> pa.Array:
    """Format each distinct second, minute, hour or day once: a batch of a stream has few of them."""
    starts = from_int64s(np.floor_divide(int64s(t), granule) * granule, t.type, nulls(t))
    encoded = starts.dictionary_encode()
    return _formatted(encoded.dictionary, text, java).take(encoded.indices)


def _formatted(t: Value, text: str, java: bool) -> Value:
    parts = [p if isinstance(p, str) else p(t) for p in _pieces(text, java)]
    if all(isinstance(p, str) for p in parts):
        return pc.if_else(pc.is_valid(t), pa.scalar("".join(parts)), pa.scalar(None, pa.string()))
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "")


def parsed(s: Value, pattern: Value) -> Value:
    """Texts in one of Java's patterns as timestamps; InvalidDatetime (22007) for one that is not."""
    return _parse(s, pattern, TIMESTAMP, java=True)


to_char = scalar(
    "to_char(t timestamp, format text) -> text; to_char(t timestamptz, format text) -> text",
    "a date or time as text: YYYY MM DD HH24 MI SS MS US Mon Month Dy Day Q IW AM, FM drops padding",
    example="to_char(timestamp '2024-01-02 03:04:05', 'YYYY-MM-DD HH24:MI:SS') = '2024-01-02 03:04:05'",
    constant_args=(1,),
    factory=True,
    duck="",
)(formatter(False))
date_format = scalar(
    "date_format(t timestamp, format text) -> text; date_format(t timestamptz, format text) -> text",
    "a date or time as text, in Java's patterns (Flink, Hive, Spark): yyyy MM dd HH mm ss SSS",
    example="date_format(timestamp '2024-01-02 03:04:05', 'yyyy-MM-dd HH:mm') = '2024-01-02 03:04'",
    constant_args=(1,),
    factory=True,
    duck="",
    aliases=("format_timestamp", "formattimestamp", "format_date", "formatdate"),
)(formatter(True))


@lru_cache(maxsize=256)
def strptime_format(pattern: str, java: bool) -> str:
    """The strptime format that reads what a to_char or date_format pattern writes."""
    names = {"<ms>": "%g", "<us>": "%f", "<ampm>": "%p"}
    out = []
    for text, is_field in tokens(pattern, java):
        spec = re.sub("<(trim|upper|lower|pad[0-9]+)>", "", text) if is_field else text.replace("%", "%%")
        out.append(names.get(spec, spec))
    return "".join(out)


def _parse(s: Value, pattern: Value, result: pa.DataType, java: bool = False) -> Value:
    text = pattern.as_py()
    if text is None:
        return pa.scalar(None, result)
    array = pa.array([s.as_py()], pa.string()) if isinstance(s, pa.Scalar) else s
    spec = duck.literal(strptime_format(text, java), pa.string())
    try:
        parsed = duck.evaluate([f"strptime(a, {spec})"], {"a": array}, len(array))[0]
    except errors.DataError as err:
        raise errors.InvalidDatetime(err.message, hint=f'the format is "{text}"') from err
    out = parsed.cast(result)
    return out[0] if isinstance(s, pa.Scalar) else out


@scalar(
    "to_timestamp(s text, format text) -> timestamptz",
    "text in the given format as a moment (UTC)",
    example="to_timestamp('02.01.2024', 'DD.MM.YYYY') = timestamptz '2024-01-02'",
    constant_args=(1,),
    can_raise=True,
    duck="",
)
def to_timestamp_text(s: Value, pattern: Value) -> Value:
    return _parse(s, pattern, TIMESTAMPTZ)


@scalar(
    "to_date(s text, format text) -> date",
    "text in the given format as a date",
    example="to_date('02.01.2024', 'DD.MM.YYYY') = date '2024-01-02'",
    constant_args=(1,),
    can_raise=True,
    duck="",
)
def to_date(s: Value, pattern: Value) -> Value:
    return _parse(s, pattern, TIMESTAMP).cast(pa.date32())


to_timestamp_plain = declare(
    "to_timestamp(s text) -> timestamptz",
    "text as SQL writes timestamps as a moment (UTC; Flink, Spark)",
    example="to_timestamp('2024-01-02 03:04:05') = timestamptz '2024-01-02 03:04:05'",
    can_raise=True,
    duck="to_timestamp({0})",
)
to_date_plain = declare(
    "to_date(s text) -> date",
    "text as SQL writes dates as a date (Flink, Hive, Spark)",
    example="to_date('2024-01-02') = date '2024-01-02'",
    can_raise=True,
    duck="CAST({0} AS DATE)",
)
parse_timestamp = scalar(
    "parse_timestamp(s text, format text) -> timestamptz",
    "text in one of Java's patterns as a moment (UTC; ksqlDB)",
    example="parse_timestamp('02.01.2024', 'dd.MM.yyyy') = timestamptz '2024-01-02'",
    constant_args=(1,),
    can_raise=True,
    duck="",
    aliases=("parsetimestamp",),
)(lambda s, pattern: _parse(s, pattern, TIMESTAMPTZ, java=True))
parse_date = scalar(
    "parse_date(s text, format text) -> date",
    "text in one of Java's patterns as a date (ksqlDB)",
    example="parse_date('02.01.2024', 'dd.MM.yyyy') = date '2024-01-02'",
    constant_args=(1,),
    can_raise=True,
    duck="",
    aliases=("parsedate",),
)(lambda s, pattern: _parse(s, pattern, TIMESTAMP, java=True).cast(pa.date32()))
stringtotimestamp = scalar(
    "stringtotimestamp(s text, format text) -> bigint",
    "text in one of Java's patterns as milliseconds since 1970 (ksqlDB)",
    example="stringtotimestamp('01.01.1970', 'dd.MM.yyyy') = 0",
    constant_args=(1,),
    can_raise=True,
    duck="",
)(lambda s, pattern: pc.divide(_parse(s, pattern, TIMESTAMP, java=True).cast(pa.int64()), pa.scalar(1000)))
parse_time = scalar(
    "parse_time(s text, format text) -> time",
    "text in one of Java's patterns as a time of day (ksqlDB)",
    example="parse_time('10.05', 'HH.mm') = time '10:05'",
    constant_args=(1,),
    can_raise=True,
    duck="",
)(lambda s, pattern: parsed(s, pattern).cast(pa.time64("us")))
strftime = scalar(
    "strftime(t timestamp, format text) -> text",
    "a moment as text in strftime's patterns",
    example="strftime(timestamp '2024-01-02', '%d/%m/%Y') = '02/01/2024'",
    constant_args=(1,),
)(lambda t, pattern: pa.scalar(None, pa.string()) if pattern.as_py() is None else _strftime(pattern.as_py())(t))
