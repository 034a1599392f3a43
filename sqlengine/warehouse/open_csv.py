"""OpenCSVSerde: quoted text in which every column is a string, as the library opencsv 2.3 splits a line.

Lines without a quote or escape are cut at the separators, lines whose fields are plain or quoted whole go through
Arrow's CSV reader; what is left (escapes, quotes inside of fields, quotes that stay open) is followed character by
character, as opencsv does.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.errors import InvalidParameter
from sqlengine.formats.base import true_mask
from sqlengine.formats.records import Spans, as_text, joined
from sqlengine.quick_dataclass import dataclass
from sqlengine.warehouse.delimited import Splitter
from sqlengine.warehouse.description import RowFormat, TableDescription
from sqlengine.warehouse.text_values import valid_text


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """One character each. `null`: the unquoted text that is NULL, in files of Spark (spark_csv.py), where an escape
    counts inside quotes alone; None: as opencsv has it."""

    separator: str = ","
    quote: str = '"'
    escape: str = "\\"
    null: str | None = None


def csv_format(description: TableDescription) -> CsvFormat:
    """From the properties separatorChar, quoteChar and escapeChar, of which the first character counts. A quote as
    escapeChar means the usual one, as in Hive. InvalidParameter (22023) when two are the same."""
    default = CsvFormat()
    escape = (description.option("escapeChar") or default.escape)[0]
    found = CsvFormat(
        (description.option("separatorChar") or default.separator)[0],
        (description.option("quoteChar") or default.quote)[0],
        default.escape if escape == default.quote else escape,
    )
    if len({found.separator, found.quote, found.escape}) < 3:
        raise InvalidParameter("separatorChar, quoteChar and escapeChar must be three different characters")
    return found


class CsvReader:
    """Cuts lines into `width` columns."""

    def __init__(self, style: CsvFormat, width: int) -> None:
        self._style = style
        self._width = width
        separator, quote, escape = (re.escape(c) for c in (style.separator, style.quote, style.escape))
        outside = f"{separator}{quote}" if style.null is not None else f"{separator}{quote}{escape}"
        plain = f"[^{outside}]*"
        quoted = f"{quote}(?:[^{quote}{escape}]|{quote}{quote})*{quote}"
        self._regular = f"^(?:(?:{plain}|{quoted}){separator})*(?:{plain}|{quoted})$"

    def columns(self, lines: Spans, wanted: list[int]) -> list[pa.Array]:
        """The wanted columns as texts; missing ones are NULL."""
        texts = valid_text(lines.array())
        style = self._style
        if not (style.separator + style.quote + style.escape).isascii():
            return self._one_by_one(texts, wanted)
        specials = style.quote if style.null is not None else style.quote + style.escape
        special = pc.match_substring_regex(texts, f"[{re.escape(specials)}]")
        is_special = true_mask(special)
        if not is_special.any():
            return self._cut(texts, wanted)
        regular = is_special & true_mask(pc.match_substring_regex(texts, self._regular))
        odd = is_special & ~regular
        parts, order = [], []
        for mask, read in ((~is_special, self._cut), (regular, self._quoted), (odd, self._one_by_one)):
            places = np.flatnonzero(mask)
            if len(places):
                parts.append(read(texts.take(pa.array(places)), wanted))
                order.append(places)
        back = pa.array(np.argsort(np.concatenate(order), kind="stable"))
        return [pa.concat_arrays([part[i] for part in parts]).take(back) for i in range(len(wanted))]

    def _cut(self, texts: pa.StringArray, wanted: list[int]) -> list[pa.Array]:
        data = joined(texts.cast(pa.binary()), b"\n").to_pybytes() + b"\n"
        plain = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(plain == 10)
        lines = Spans(plain, np.r_[0, ends[:-1] + 1], ends)
        splitter = Splitter(plain, RowFormat((self._style.separator.encode(),)))
        found = []
        for spans, missing in splitter.fields(lines, 0, wanted, self._width):
            values = as_text(spans.array())
            nulls = pa.array(missing)
            if self._style.null is not None:
                nulls = pc.or_(nulls, pc.equal(values, self._style.null))
            found.append(pc.if_else(nulls, pa.scalar(None, pa.string()), values))
        return found

    def _quoted(self, texts: pa.StringArray, wanted: list[int]) -> list[pa.Array]:
        """Fields that are missing or too many are cut or added first: Arrow wants every line to have as many."""
        # the CSV reader is needed for text alone
        import pyarrow.csv as pv

        separator = self._style.separator
        outside = pc.replace_substring_regex(
            texts, f"{self._style.quote}[^{self._style.quote}]*{self._style.quote}", ""
        )
        count = np.asarray(pc.count_substring(outside, separator))
        most = max(int(count.max()) + 1, self._width)
        ends = pa.array(np.array([separator * i for i in range(most)]), pa.string())
        even = pc.binary_join_element_wise(texts, ends.take(pa.array(most - 1 - count)), "")
        data = joined(even.cast(pa.binary()), b"\n").to_pybytes() + b"\n"
        names = [str(i) for i in range(most)]
        table = pv.read_csv(
            pa.BufferReader(data),
            pv.ReadOptions(column_names=names, block_size=max(len(data) + 1, 64)),
            pv.ParseOptions(delimiter=separator, quote_char=self._style.quote, ignore_empty_lines=False),
            pv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                include_columns=[str(place) for place in wanted],
                null_values=[self._style.null or ""],
                strings_can_be_null=self._style.null is not None,
                quoted_strings_can_be_null=False,
                check_utf8=False,
            ),
        )
        return [
            pc.if_else(pa.array(count < place), pa.scalar(None, pa.string()), table.column(i).combine_chunks())
            for i, place in enumerate(wanted)
        ]

    def _one_by_one(self, texts: pa.StringArray, wanted: list[int]) -> list[pa.Array]:
        split = split_line if self._style.null is None else split_spark_line
        rows = [split(text, self._style) for text in texts.to_pylist()]
        return [pa.array([row[i] if i < len(row) else None for row in rows], pa.string()) for i in wanted]


def split_spark_line(line: str, style: CsvFormat) -> list[str | None]:
    """The fields of one line as Spark has them (spark_csv.py)."""
    fields: list[str | None] = []
    at = 0
    while at <= len(line):
        if line.startswith(style.quote, at):
            value, at = _quoted_value(line, at + 1, style)
            fields.append(value)
        else:
            end = line.find(style.separator, at)
            end = len(line) if end < 0 else end
            fields.append(None if line[at:end] == style.null else line[at:end])
            at = end
        at += 1
    return fields


def _quoted_value(line: str, at: int, style: CsvFormat) -> tuple[str, int]:
    """(a field that begins behind a quote, where the separator behind it is, or the end)."""
    value: list[str] = []
    while at < len(line):
        c, following = line[at], line[at + 1 : at + 2]
        if c == style.escape and following and following in (style.quote, style.escape):
            value.append(following)
            at += 2
        elif c == style.quote and following == style.quote:
            value.append(c)
            at += 2
        elif c == style.quote:
            end = line.find(style.separator, at)
            end = len(line) if end < 0 else end
            return "".join(value) + line[at + 1 : end], end
        else:
            value.append(c)
            at += 1
    return "".join(value), at


def split_line(line: str, style: CsvFormat) -> list[str]:
    """The fields of one line as CSVParser of opencsv 2.3 finds them: a field whose quote stays open is dropped; an
    escape counts inside quotes before a quote or an escape; white space before a quote in the middle of a field
    goes."""
    fields: list[str] = []
    now: list[str] = []
    is_quoted = in_field = False
    at = 0
    while at < len(line):
        c = line[at]
        following = line[at + 1] if at + 1 < len(line) else ""
        if c == style.escape:
            if is_quoted and following and following in (style.quote, style.escape):
                now.append(following)
                at += 1
        elif c == style.quote:
            if (is_quoted or in_field) and following == style.quote:
                now.append(following)
                at += 1
            else:
                if at > 2 and line[at - 1] != style.separator and len(line) > at + 1 and following != style.separator:
                    now = [] if now and not "".join(now).strip() else [*now, c]
                is_quoted = not is_quoted
            in_field = not in_field
        elif c == style.separator and not is_quoted:
            fields.append("".join(now))
            now, in_field = [], False
        else:
            now.append(c)
            in_field = True
        at += 1
    return fields if is_quoted else [*fields, "".join(now)]
