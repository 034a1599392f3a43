"""Texts by Hive's rules: places count from 1 and from the end when negative; what has no answer is NULL.

Meanings are those of the classes UDFSubstr, GenericUDFBasePad, GenericUDFUtils.findText and their like (Apache Hive 4).
Characters are code points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.duck_sizes import TEXT_CHARACTERS_MAX, TEXT_TOO_LARGE
from sqlengine.errors import TooLarge
from sqlengine.functions import strings
from sqlengine.functions.arrays_of import text_buffers
from sqlengine.functions.hive.decimal_format import fixed_number, patterned_number
from sqlengine.functions.hive.java_format import java_format
from sqlengine.functions.hive.rows import by_options, per_distinct, spread
from sqlengine.functions.hive.words import capitalized, edits, sentences_of, soundex_of
from sqlengine.functions.registry import Function, Kernel, Value, scalar
from sqlengine.functions.repeated import repeated

_TEXT = pa.string()
_INT = pa.int32()


def _one(value: Value) -> tuple[pa.Array, bool]:
    (array,), alone = spread([value])
    return array, alone


# ---------------------------------------------------------------- case and characters


def _cased(arrow: Callable[[Value], Value], python: Callable[[str], str]) -> Kernel:
    """Arrow for ASCII; other texts as Java's String methods, which know letters that become two."""
    slow = per_distinct(_TEXT, python)

    def kernel(s: Value) -> Value:
        array, alone = _one(s)
        ascii_only = pc.all(pc.string_is_ascii(array), min_count=0).as_py() is not False
        out = arrow(array) if ascii_only else slow(array)
        return out[0] if alone else out

    return kernel


upper = scalar("hive$upper(s text) -> text", "in capitals", example="upper('Facebook') = 'FACEBOOK'")(
    _cased(pc.utf8_upper, str.upper)
)
ucase = scalar("hive$ucase(s text) -> text", "in capitals", example="ucase('Facebook') = 'FACEBOOK'")(
    _cased(pc.utf8_upper, str.upper)
)
lower = scalar("hive$lower(s text) -> text", "in small letters", example="lower('Facebook') = 'facebook'")(
    _cased(pc.utf8_lower, str.lower)
)
lcase = scalar("hive$lcase(s text) -> text", "in small letters", example="lcase('Facebook') = 'facebook'")(
    _cased(pc.utf8_lower, str.lower)
)
initcap = scalar(
    "hive$initcap(s text) -> text",
    "the first letter of each word in capitals, the others small; words end at white space",
    example="initcap('tHe soap') = 'The Soap'",
)(per_distinct(_TEXT, capitalized))


@scalar(
    "hive$ascii(s text) -> integer",
    "the first byte as a number with a sign, 0 of an empty text",
    example="ascii('222') = 50",
    broadcast=True,
)
def ascii_(s: pa.Array) -> pa.Array:
    offsets, data = text_buffers(s)
    raw = np.frombuffer(data, dtype=np.int8) if data is not None and len(data) else np.zeros(1, dtype=np.int8)
    starts = offsets[:-1]
    first = np.where(offsets[1:] > starts, raw[np.minimum(starts, len(raw) - 1)], 0).astype(np.int32)
    return pa.array(first, mask=pc.is_null(s).to_numpy(zero_copy_only=False))


@cache
def _characters() -> pa.Array:
    return pa.array([chr(code) for code in range(256)] + [""], _TEXT)


@scalar(
    "hive$chr(n bigint) -> text",
    "the character of a code from 0 to 255 (the low 16 bits modulo 256); empty of a negative one",
    example="chr('65') = 'A'",
    broadcast=True,
    aliases=("hive$char",),
)
def chr_(n: pa.Array) -> pa.Array:
    codes = pc.fill_null(n, 0).to_numpy(zero_copy_only=False)
    short = codes.astype(np.int16)
    place = np.where((codes < 0) | (short < 0), 256, short % 256)
    return _characters().take(pa.array(place, mask=pc.is_null(n).to_numpy(zero_copy_only=False)))


@scalar("hive$space(n integer) -> text", "so many spaces, none of a negative number", example="length(space(10)) = 10")
def space(n: Value) -> Value:
    return repeated(pa.scalar(" "), n)


@scalar(
    "hive$quote(s text) -> text",
    "the text in single quotes, those within it behind a backslash",
    example="quote('hi') = '\\'hi\\''",
)
def quote(s: Value) -> Value:
    inner = pc.replace_substring(s, pattern="'", replacement="\\'")
    return pc.binary_join_element_wise(pa.scalar("'"), inner, pa.scalar("'"), "")


# ---------------------------------------------------------------- parts


def _part(length: Callable[[pa.Array], pa.Array], cut: Callable[..., pa.Array], empty: Any) -> Callable[..., pa.Array]:
    def body(s: pa.Array, pos: int, count: int | None = None) -> pa.Array:
        if count is not None and count <= 0:
            return pc.if_else(s.is_valid(), pa.scalar(empty, s.type), pa.scalar(None, s.type))
        if pos >= 0:
            start = max(pos - 1, 0)
            return cut(s, start=start, stop=None if count is None else start + count)
        tail = cut(s, start=pos, stop=None)
        tail = tail if count is None else cut(tail, start=0, stop=count)
        return pc.if_else(pc.less(length(s), -pos), pa.scalar(empty, s.type), tail)

    return body


def _substr(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    if pa.types.is_binary(result):
        return by_options(result, _part(pc.binary_length, pc.binary_slice, b""))
    return by_options(result, _part(pc.utf8_length, pc.utf8_slice_codeunits, ""))


def _substr_named(name: str) -> Function:
    params = ("pos bigint", "pos bigint, len bigint")
    return scalar(
        "; ".join(f"hive${name}({kind}, {p}) -> {kind[2:]}" for kind in ("s text", "b bytea") for p in params),
        "the part from a place on, of so many characters or bytes; empty when the place is outside",
        example=f"{name}('Facebook', -5) = 'ebook'",
        factory=True,
    )(_substr)


substr, substring, mid = _substr_named("substr"), _substr_named("substring"), _substr_named("mid")


def _substring_index(s: str, delim: str, count: int) -> str:
    if not delim or not count:
        return ""
    pieces = s.split(delim)
    return delim.join(pieces[:count] if count > 0 else pieces[count:])


substring_index = scalar(
    "hive$substring_index(s text, delim text, count integer) -> text",
    "what is before the count-th delimiter, counted from the left; behind it, from the right, when negative",
    example="substring_index('www.apache.org', '.', 2) = 'www.apache'",
)(per_distinct(_TEXT, _substring_index))


def trim_function(name: str, arrow: Callable[..., Value], where: str) -> Function:
    """A function that takes spaces, or the characters given, off a text's ends."""
    cut = by_options(_TEXT, lambda s, chars: arrow(s, characters=chars) if chars else s)

    def kernel(s: Value, chars: Value | None = None) -> Value:
        return arrow(s, characters=" ") if chars is None else cut(s, chars)

    return scalar(
        f"hive${name}(s text) -> text; hive${name}(s text, chars text) -> text",
        f"without spaces, or the characters given, {where}",
        example=f"length({name}('   facebook  ')) < 13",
    )(kernel)


trim = trim_function("trim", pc.utf8_trim, "at either end")
ltrim = trim_function("ltrim", pc.utf8_ltrim, "at the start")
rtrim = trim_function("rtrim", pc.utf8_rtrim, "at the end")


def _padded(left: bool) -> Callable[..., pa.Array]:
    def body(s: pa.Array, width: int, pad: str) -> pa.Array:
        if not pad or width < 0:
            return pa.nulls(len(s), _TEXT)
        if width > TEXT_CHARACTERS_MAX:
            raise TooLarge(TEXT_TOO_LARGE)
        cut = pc.utf8_slice_codeunits(s, start=0, stop=width)
        if len(pad) == 1:
            return (pc.utf8_lpad if left else pc.utf8_rpad)(cut, width=width, padding=pad)
        missing = pc.subtract(width, pc.utf8_length(cut))
        whole = pc.binary_repeat(pa.scalar(pad), pc.divide(missing, len(pad)))
        rest = pc.subtract(missing, pc.multiply(pc.divide(missing, len(pad)), len(pad)))
        starts = pa.array([pad[:i] for i in range(len(pad))], _TEXT).take(rest)
        parts = (whole, starts, cut) if left else (cut, whole, starts)
        return pc.binary_join_element_wise(*parts, "")

    return body


lpad = scalar(
    "hive$lpad(s text, len integer, pad text) -> text",
    "filled on the left or cut to a length; NULL when there is nothing to fill with",
    example="lpad('hi', 5, '??') = '???hi'",
)(by_options(_TEXT, _padded(True)))
rpad = scalar(
    "hive$rpad(s text, len integer, pad text) -> text",
    "filled on the right or cut to a length; NULL when there is nothing to fill with",
    example="rpad('hi', 5, '??') = 'hi???'",
)(by_options(_TEXT, _padded(False)))


# ---------------------------------------------------------------- places


def _found(s: pa.Array, part: str) -> pa.Array:
    assert strings.strpos.kernel is not None
    return strings.strpos.kernel(s, pa.scalar(part))  # type: ignore[no-any-return]


instr = scalar(
    "hive$instr(s text, part text) -> integer",
    "the place of the first occurrence, counted from 1, 0 when there is none",
    example="instr('Facebook', 'boo') = 5",
)(by_options(_INT, _found))


def _located(s: pa.Array, part: str, pos: int) -> pa.Array:
    if pos < 1:
        return pc.if_else(s.is_valid(), pa.scalar(0, _INT), pa.scalar(None, _INT))
    if not part:
        return pc.if_else(pc.greater_equal(pc.utf8_length(s), pos - 1), pa.scalar(1, _INT), pa.scalar(0, _INT))
    found = _found(pc.utf8_slice_codeunits(s, start=pos - 1, stop=None), part)
    return pc.if_else(pc.equal(found, 0), found, pc.add(found, pa.scalar(pos - 1, _INT)))


def _locate_named(name: str) -> Function:
    placed = by_options(_INT, _located)

    def kernel(part: Value, s: Value, pos: Value | None = None) -> Value:
        start = pa.scalar(1, _INT) if pos is None else pc.fill_null(pos, pa.scalar(0, _INT))
        return placed(s, part, start)

    return scalar(
        f"hive${name}(part text, s text) -> integer; hive${name}(part text, s text, pos integer) -> integer",
        "the place of the first occurrence from a place on, 0 when there is none or the place is NULL",
        example=f"{name}('bar', 'foobarbar', 5) = 7",
        strict=False,
    )(kernel)


locate, position = _locate_named("locate"), _locate_named("position")


def _in_set(s: str, items: str) -> int:
    if "," in s:
        return 0
    pieces = items.split(",")
    return pieces.index(s) + 1 if s in pieces else 0


find_in_set = scalar(
    "hive$find_in_set(s text, list text) -> integer",
    "the place of a text in a list divided by commas, 0 when it is not there or has a comma",
    example="find_in_set('ab', 'abc,b,ab,c,def') = 3",
)(per_distinct(_INT, _in_set))


def _field(value: pa.Array, *texts: pa.Array) -> pa.Array:
    out = pa.repeat(pa.scalar(0, _INT), len(value))
    for at in range(len(texts), 0, -1):
        same = pc.fill_null(pc.equal(value, texts[at - 1]), False)
        out = pc.if_else(same, pa.scalar(at, _INT), out)
    return out


field = scalar(
    "hive$field(value text, VARIADIC texts text) -> integer",
    "the place of a value among the others, 0 when it is none of them or NULL",
    example="field('world', 'say', 'hello', 'world') = 3",
    strict=False,
    broadcast=True,
)(_field)


# ---------------------------------------------------------------- pieces put together and exchanged


def _joined(lists: pa.ListArray, separator: pa.Array) -> pa.Array:
    """The elements of each array that are not NULL as one text; NULL of a NULL array."""
    values = lists.flatten()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    if values.null_count:
        good = values.is_valid().to_numpy(zero_copy_only=False)
        before = np.concatenate(([0], np.cumsum(good)))
        ends = np.cumsum(lengths)
        lengths = before[ends] - before[ends - lengths]
        values = values.drop_null()
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    bare = pa.ListArray.from_arrays(pa.array(offsets), values, mask=lists.is_null())
    return pc.binary_join(bare, separator)


@scalar(
    "hive$concat_ws(separator text, VARIADIC parts any) -> text",
    "texts and the elements of arrays of texts with a separator between, NULLs left out",
    example="concat_ws('.', 'www', array('facebook', 'com')) = 'www.facebook.com'",
    strict=False,
    broadcast=True,
    result_type=lambda args: _TEXT,
)
def concat_ws(separator: pa.Array, *parts: pa.Array) -> Value:
    assert strings.concat_ws.kernel is not None
    texts = [_joined(p, separator) if pa.types.is_list(p.type) else p for p in parts]
    return strings.concat_ws.kernel(separator, *texts)


def _replaced(s: pa.Array, old: str, new: str) -> pa.Array:
    if not old:  # Java puts the new text between all characters
        return per_distinct(_TEXT, lambda text: text.replace("", new))(s)
    return pc.replace_substring(s, pattern=old, replacement=new)


replace = scalar(
    "hive$replace(s text, old text, new text) -> text",
    "every occurrence of a text replaced",
    example="replace('Hack and Hue', 'H', 'BL') = 'BLack and BLue'",
)(by_options(_TEXT, _replaced))


def _translated(s: pa.Array, old: str, new: str) -> pa.Array:
    table: dict[int, str] = {}
    for at, letter in enumerate(old):
        table.setdefault(ord(letter), new[at] if at < len(new) else "")
    return per_distinct(_TEXT, lambda text: text.translate(table))(s)


translate = scalar(
    "hive$translate(s text, from_chars text, to_chars text) -> text",
    "characters exchanged one for one; those without a counterpart are left out",
    example="translate('abcdef', 'adc', '19') = '1b9ef'",
)(by_options(_TEXT, _translated))


@scalar("hive$repeat(s text, n integer) -> text", "the text so many times over", example="repeat('123', 2) = '123123'")
def repeat(s: Value, n: Value) -> Value:
    return repeated(s, n)


# ---------------------------------------------------------------- words and formats

levenshtein = scalar(
    "hive$levenshtein(a text, b text) -> integer",
    "edits of one character from one text to the other",
    example="levenshtein('kitten', 'sitting') = 3",
)(per_distinct(_INT, edits))


def _edits_within(a: str, b: str, most: int) -> int:
    found = edits(a, b)
    return found if found <= most else -1


levenshtein_within = scalar(
    "hive$levenshtein(a text, b text, most integer) -> integer",
    "edits from one text to the other, -1 when they are more than a number",
    example="levenshtein('kitten', 'sitting', 2) = -1",
)(per_distinct(_INT, _edits_within))
soundex = scalar(
    "hive$soundex(s text) -> text",
    "a letter and three digits that names of the same sound share; NULL when there are letters beyond A to Z",
    example="soundex('Miller') = 'M460'",
)(per_distinct(_TEXT, soundex_of))
sentences = scalar(
    "hive$sentences(s text) -> text[]; hive$sentences(s text, lang text) -> text[]; "
    "hive$sentences(s text, lang text, country text) -> text[]",
    "sentences as arrays of words, without punctuation; the rules are the same for all languages",
    example="sentences('Hello there! I am a UDF.')[1][3] = 'UDF'",
    strict=False,
    result_type=lambda args: pa.list_(pa.list_(_TEXT)),
)(
    per_distinct(
        pa.list_(pa.list_(_TEXT)),
        lambda s, lang=None, country=None: None if s is None else sentences_of(s),
        strict=False,
    )
)
printf = scalar(
    "hive$printf(format text) -> text; hive$printf(format text, VARIADIC args any) -> text",
    "values in the format of java.util.Formatter; NULL when a value does not fit its place in it",
    example="printf('Hello World %d %s', 100, 'days') = 'Hello World 100 days'",
    strict=False,
    result_type=lambda args: _TEXT,
)(per_distinct(_TEXT, lambda text, *args: None if text is None else java_format(text, args), strict=False))


def _format_number(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    return per_distinct(result, patterned_number if pa.types.is_string(arg_types[1]) else fixed_number)


format_number = scalar(
    "; ".join(
        f"hive$format_number(x {kind}, {how}) -> text"
        for kind in ("bigint", "numeric", "double precision")
        for how in ("d integer", "pattern text")
    ),
    "a number with so many digits behind the point and commas, or in a pattern of java.text.DecimalFormat",
    example="format_number(12332.123456, 4) = '12,332.1235'",
    factory=True,
)(_format_number)
