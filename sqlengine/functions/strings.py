"""Text functions over Arrow's UTF-8 kernels.

Positions count characters from 1, as in PostgreSQL.  Patterns are in patterns.py, pieces of text in splitting.py.
Where a kernel needs a constant argument (Arrow takes it as an option) the function names it in `constant_args`, and
DuckDB evaluates the calls in which it is not one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import errors
from sqlengine.duck_sizes import TEXT_CHARACTERS_MAX, TEXT_TOO_LARGE
from sqlengine.functions.arrays_of import nulls, text_buffers
from sqlengine.functions.registry import Function, Value, declare, scalar
from sqlengine.functions.repeated import repeated
from sqlengine.functions.shown import shown

_TEXT = pa.string()


def _text(name: str, arrow: str, result: str, description: str, example: str, **options: Any) -> Function:
    """A function of one text, computed by the Arrow function of the given name."""
    function = pc.get_function(arrow)
    return scalar(f"{name}(s text) -> {result}", description, example=example, **options)(lambda s: function.call([s]))


upper = _text("upper", "utf8_upper", "text", "in capitals", "upper('ab') = 'AB'")
lower = _text("lower", "utf8_lower", "text", "in small letters", "lower('AB') = 'ab'")
reverse = _text("reverse", "utf8_reverse", "text", "the characters from last to first", "reverse('abc') = 'cba'")
length = _text(
    "length",
    "utf8_length",
    "integer",
    "number of characters",
    "length('héé') = 3",
    aliases=("char_length", "character_length", "len"),
    duck="length({0})::INTEGER",
)
octet_length = _text(
    "octet_length",
    "binary_length",
    "integer",
    "number of bytes",
    "octet_length('é') = 2",
    duck="strlen({0})::INTEGER",
)
bytes_length = scalar(
    "length(s bytea) -> integer; octet_length(s bytea) -> integer",
    "number of bytes",
    aliases=("octet_length",),
    example="length('abc'::bytea) = 3",
    duck="octet_length({0})::INTEGER",
)(lambda s: pc.binary_length(s))
bit_length = scalar(
    "bit_length(s text) -> integer",
    "number of bits",
    example="bit_length('a') = 8",
    duck="bit_length({0})::INTEGER",
)(lambda s: pc.multiply(pc.binary_length(s), pa.scalar(8, pa.int32())))


@scalar(
    "concat_op(a text, b text) -> text",
    "both texts joined; NULL when either is",
    example="'a' || 'b' = 'ab'",
    operator="||",
    duck="({0} || {1})",
)
def concat_op(a: Value, b: Value) -> Value:
    return pc.binary_join_element_wise(a, b, "")


@scalar(
    "concat(VARIADIC parts any) -> text",
    "all arguments, as they are printed, as one text, NULLs left out",
    example="concat('a', NULL, 'b') = 'ab'",
    strict=False,
)
def concat(*parts: Value) -> Value:
    return pc.binary_join_element_wise(*map(_printed, parts), "", null_handling="replace", null_replacement="")


def _printed(value: Value) -> Value:
    return shown(value)[0] if isinstance(value, pa.Scalar) else shown(value)


@scalar(
    "concat_ws(separator text, VARIADIC parts any) -> text",
    "arguments, as they are printed, with a separator between, NULLs left out",
    example="concat_ws('-', 'a', NULL, 'b') = 'a-b'",
    strict=False,
)
def concat_ws(separator: Value, *parts: Value) -> Value:
    joined, *others = map(_printed, parts)
    for part in others:  # Arrow's own null_handling="skip" loses rows in which nothing is left to join
        both = pc.binary_join_element_wise(joined, separator, part, "")
        joined = pc.coalesce(both, joined, part)
    return pc.if_else(pc.is_valid(separator), pc.coalesce(joined, pa.scalar("")), _null_text())


def _constant(value: Value) -> Any:
    """The Python value of a constant argument."""
    return value.as_py()


def _null_text() -> pa.Scalar:
    return pa.scalar(None, _TEXT)


@scalar(
    "substring(s text, start integer) -> text",
    "the text from a position on",
    example="substring('hello', 2) = 'ello'",
    aliases=("substr",),
    constant_args=(1,),
    duck="substr({0}, {1})",
)
def substring_from(s: Value, start: Value) -> Value:
    first = _constant(start)
    if first is None:
        return _null_text()
    return pc.utf8_slice_codeunits(s, start=max(0, first - 1), stop=None)


@scalar(
    "substring(s text, start integer, count integer) -> text",
    "`count` characters from a position on",
    example="substring('hello', 2, 3) = 'ell'",
    aliases=("substr",),
    constant_args=(1, 2),
    can_raise=True,
    duck="substr({0}, {1}, {2})",
)
def substring(s: Value, start: Value, count: Value) -> Value:
    first, size = _constant(start), _constant(count)
    if first is None or size is None:
        return _null_text()
    if size < 0:
        raise errors.DataError("negative substring length not allowed", sqlstate="22011")
    begin, end = max(0, first - 1), max(0, first - 1 + size)
    return pc.utf8_slice_codeunits(s, start=begin, stop=max(begin, end))


@scalar(
    "left(s text, count integer) -> text",
    "the first characters; without the last -count when negative",
    example="left('hello', 2) = 'he'",
    constant_args=(1,),
)
def left(s: Value, count: Value) -> Value:
    size = _constant(count)
    return _null_text() if size is None else pc.utf8_slice_codeunits(s, start=0, stop=size)


@scalar(
    "right(s text, count integer) -> text",
    "the last characters; without the first -count when negative",
    example="right('hello', 2) = 'lo'",
    constant_args=(1,),
)
def right(s: Value, count: Value) -> Value:
    size = _constant(count)
    if size is None:
        return _null_text()
    if size == 0:
        return pc.utf8_slice_codeunits(s, start=0, stop=0)
    return pc.utf8_slice_codeunits(s, start=-size, stop=None)


@scalar(
    "replace(s text, old text, new text) -> text",
    "every occurrence of a text replaced",
    example="replace('abab', 'b', 'x') = 'axax'",
    constant_args=(1, 2),
)
def replace(s: Value, old: Value, new: Value) -> Value:
    pattern, with_ = _constant(old), _constant(new)
    if pattern is None or with_ is None:
        return _null_text()
    return s if pattern == "" else pc.replace_substring(s, pattern=pattern, replacement=with_)


def _trim(name: str, arrow: str, where: str, **options: Any) -> tuple[Function, Function]:
    function = getattr(pc, arrow)
    blanks = scalar(
        f"{name}(s text) -> text",
        f"without spaces {where}",
        example=f"length({name}(' a ')) < 3",
        duck=f"{name}({{0}}, ' ')",
        **options,
    )(lambda s: function(s, characters=" "))

    def characters(s: Value, chars: Value) -> Value:
        wanted = _constant(chars)
        if wanted is None:
            return _null_text()
        return function(s, characters=wanted) if wanted else s

    given = scalar(
        f"{name}(s text, characters text) -> text",
        f"without any of the characters {where}",
        example=f"{name}('xax', 'x') LIKE '%a%'",
        constant_args=(1,),
        **options,
    )(characters)
    return blanks, given


trim, trim_characters = _trim("trim", "utf8_trim", "at either end", aliases=("btrim",))
ltrim, ltrim_characters = _trim("ltrim", "utf8_ltrim", "at the start")
rtrim, rtrim_characters = _trim("rtrim", "utf8_rtrim", "at the end")


@scalar(
    "strpos(s text, part text) -> integer",
    "position of the first occurrence, 0 when there is none",
    example="strpos('hello', 'l') = 3",
    constant_args=(1,),
    aliases=("instr",),
    duck="instr({0}, {1})::INTEGER",
)
def strpos(s: Value, part: Value) -> Value:
    wanted = _constant(part)
    if wanted is None:
        return pa.scalar(None, pa.int32())
    found = pc.find_substring(s, pattern=wanted)
    if wanted.isascii() and _all_ascii(s):
        return pc.add(found, pa.scalar(1, pa.int32()))
    return _characters_before(s, found)


def _all_ascii(s: Value) -> bool:
    if isinstance(s, pa.Scalar):
        return s.as_py() is None or bool(s.as_py().isascii())
    return bool(pc.all(pc.string_is_ascii(s), min_count=0).as_py())


def _characters_before(s: Value, found: Value) -> Value:
    """Character positions (from 1) for byte offsets `found` (-1 = none) into texts that are not all ASCII.

    Characters are counted as bytes that do not continue one (10xxxxxx), by a running sum over the whole data buffer.
    """
    texts = pa.array([s.as_py()], _TEXT) if isinstance(s, pa.Scalar) else s
    offsets = pa.array([found.as_py()], pa.int32()) if isinstance(found, pa.Scalar) else found
    starts, data = text_buffers(texts)
    begins = (np.frombuffer(data, dtype=np.uint8)[: starts[-1]] & 0xC0) != 0x80
    running = np.concatenate(([0], np.cumsum(begins)))
    bytes_in = pc.fill_null(offsets, 0).to_numpy(zero_copy_only=False)
    places = running[starts[:-1] + np.maximum(bytes_in, 0)] - running[starts[:-1]] + 1
    out = pa.array(np.where(bytes_in < 0, 0, places).astype(np.int32), mask=nulls(offsets))
    return out[0] if isinstance(s, pa.Scalar) else out


position = declare(
    "position(part text, s text) -> integer",
    "position of the first occurrence, 0 when there is none",
    example="position('l' IN 'hello') = 3",
    duck="instr({1}, {0})::INTEGER",
)


def _test(name: str, arrow: str, description: str, example: str, also: tuple[str, ...] = ()) -> Function:
    function = getattr(pc, arrow)

    def kernel(s: Value, part: Value) -> Value:
        wanted = _constant(part)
        return pa.scalar(None, pa.bool_()) if wanted is None else function(s, pattern=wanted)

    return scalar(
        f"{name}(s text, part text) -> boolean",
        description,
        example=example,
        constant_args=(1,),
        aliases=also,
        duck=f"{name}({{0}}, {{1}})",
    )(kernel)


starts_with = _test(
    "starts_with", "starts_with", "whether the text begins so", "starts_with('abc', 'ab')", ("startswith",)
)
ends_with = _test("ends_with", "ends_with", "whether the text ends so", "ends_with('abc', 'bc')", ("endswith",))
contains = _test("contains", "match_substring", "whether the text has this in it", "contains('abc', 'b')")


@scalar(
    "count_char(s text, character text) -> bigint",
    "how often a character occurs",
    constant_args=(1,),
    example="count_char('banana', 'a') = 3",
    duck="count_char({0}, {1})",
)
def count_char(s: Value, character: Value) -> Value:
    wanted = _constant(character)
    if wanted is None:
        return pa.scalar(None, pa.int64())
    if wanted == "":
        return pc.if_else(pc.is_valid(s), pa.scalar(0, pa.int64()), pa.scalar(None, pa.int64()))
    return pc.count_substring(s, pattern=wanted[0]).cast(pa.int64())


@scalar(
    "repeat(s text, count integer) -> text",
    "the text so many times over",
    example="repeat('ab', 2) = 'abab'",
    can_raise=True,
    duck="text_repeat({0}, {1})",
)
def repeat(s: Value, count: Value) -> Value:
    return repeated(s, count)


def _pad(name: str, arrow: str, side: str, example: str) -> tuple[Function, Function]:
    function = getattr(pc, arrow)

    def padded(s: Value, width: Value, fill: Value | None = None) -> Value:
        size, text = _constant(width), " " if fill is None else _constant(fill)
        if size is None or text is None:
            return _null_text()
        if size > TEXT_CHARACTERS_MAX:
            raise errors.TooLarge(TEXT_TOO_LARGE)
        cut = pc.utf8_slice_codeunits(s, start=0, stop=max(0, size))
        return function(cut, width=size, padding=text) if len(text) == 1 else cut

    blanks = scalar(
        f"{name}(s text, width integer) -> text",
        f"filled with spaces {side} or cut to the width",
        example=example,
        constant_args=(1,),
        can_raise=True,
        duck=f"text_{name}({{0}}, {{1}}, ' ')",
    )(padded)
    return blanks, declare(
        f"{name}(s text, width integer, fill text) -> text",
        f"filled {side} or cut to the width",
        example=f"length({name}('a', 3, 'xy')) = 3",
        can_raise=True,
        duck=f"text_{name}({{*}})",
    )


lpad, lpad_fill = _pad("lpad", "utf8_lpad", "on the left", "lpad('a', 3) = '  a'")
rpad, rpad_fill = _pad("rpad", "utf8_rpad", "on the right", "rpad('a', 3) = 'a  '")

initcap = declare("initcap(s text) -> text", "each word with a capital", example="initcap('two wOrds') = 'Two Words'")
translate = declare(
    "translate(s text, from_chars text, to_chars text) -> text",
    "characters replaced one for one",
    example="translate('abc', 'ab', 'x') = 'xc'",
    aliases=("translate3",),
    duck="translate({0}, {1}, {2})",
)
ascii_ = declare("ascii(s text) -> integer", "code point of the first character", example="ascii('a') = 97")
chr_ = declare(
    "chr(code integer) -> text",
    "the character of a code point",
    example="chr(97) = 'a'",
    can_raise=True,
    duck="CASE WHEN {0} = 0 THEN error('null character not permitted')::VARCHAR ELSE chr({0}) END",
)
to_hex = declare(
    "to_hex(n integer) -> text; to_hex(n bigint) -> text",
    "in hexadecimal, a negative number as its two's complement of 32 or 64 bits",
    example="to_hex(-1) = 'ffffffff'",
    duck="right(lower(to_hex({0}::BIGINT)), CASE WHEN typeof({0}) IN ('INTEGER', 'SMALLINT') THEN 8 ELSE 16 END)",
)
overlay = declare(
    "overlay(s text, new text, start integer, count integer) -> text; overlay(s text, new text, start integer) -> text",
    "part of a text replaced by position",
    example="overlay('abcd', 'x', 2, 2) = 'axd'",
    duck="overlay({*})",
)
hash_ = declare(
    "hash64(s text) -> text",
    "a 64-bit hash of the text, as a number in text",
    example="hash64('a') = hash64('a')",
    duck="hash({0})::VARCHAR",
)
space = declare(
    "space(count integer) -> text",
    "so many spaces",
    example="length(space(3)) = 3",
    can_raise=True,
    duck="text_repeat(' ', {0})",
)
is_digit = declare(
    "is_digit(s text) -> boolean",
    "whether the text is digits and nothing else (Flink)",
    example="is_digit('12')",
    duck="regexp_full_match({0}, '[0-9]+')",
)
is_alpha = declare(
    "is_alpha(s text) -> boolean",
    "whether the text is letters and nothing else (Flink)",
    example="is_alpha('ab')",
    duck="regexp_full_match({0}, '\\pL+')",
)
is_decimal = declare(
    "is_decimal(s text) -> boolean",
    "whether the text is a number (Flink)",
    example="is_decimal('-1.5e3')",
    duck="regexp_full_match({0}, '[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]+)?')",
)
quote_ident = declare(
    "quote_ident(s text) -> text",
    "the text as a name of SQL, in quotes where it needs them",
    example="quote_ident('A b') = '\"A b\"'",
    duck="CASE WHEN regexp_full_match({0}, '[a-z_][a-z0-9_$]*') THEN {0} "
    "ELSE '\"' || replace({0}, '\"', '\"\"') || '\"' END",
)
quote_nullable = declare(
    "quote_nullable(s text) -> text",
    "the text as a constant of SQL, NULL as the word",
    example="quote_nullable(NULL) = 'NULL'",
    strict=False,
    duck="coalesce(chr(39) || replace({0}, chr(39), chr(39) || chr(39)) || chr(39), 'NULL')",
)
unaccent = declare(
    "unaccent(s text) -> text",
    "the text without accents",
    example="unaccent('\u00e9a') = 'ea'",
    duck="strip_accents({0})",
)


@scalar(
    "elt(place bigint, VARIADIC texts text) -> text",
    "the text at a place, counted from 1; NULL where there is none (Flink, Hive)",
    example="elt(2, 'a', 'b') = 'b'",
    strict=False,
    broadcast=True,
    duck="",
)
def elt(place: pa.Array, *texts: pa.Array) -> pa.Array:
    there = pc.and_(pc.greater(place, 0), pc.less_equal(place, len(texts)))
    return pc.choose(pc.if_else(there, pc.subtract(place, 1), pa.scalar(None, pa.int64())), *texts)


strcmp = declare(
    "strcmp(a text, b text) -> integer",
    "-1, 0 or 1 where the first comes before, is, or comes after the second",
    example="strcmp('a', 'b') = -1",
    duck="CASE WHEN {0} < {1} THEN -1 WHEN {0} > {1} THEN 1 WHEN {0} = {1} THEN 0 END",
)
format_number = declare(
    "format_number(x double precision, digits bigint) -> text",
    "a number with commas between thousands and so many digits behind the point (Flink, Hive)",
    example="format_number(12332.123456, 4) = '12,332.1235'",
    duck="CASE WHEN {1} BETWEEN 0 AND 30 THEN format('{{:,.' || {1} || 'f}}', {0}::DOUBLE) END",
)
