"""OpenCSVSerde, RegexSerDe and JsonSerDe. Expected: opencsv 2.3's CSVParser, the log example of Hive's manual for
RegexSerDe, and Hive's documentation of JsonSerDe."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlengine import errors
from sqlengine.warehouse import describe
from sqlengine.warehouse.delimited import lines_of
from sqlengine.warehouse.open_csv import CsvFormat, CsvReader, split_line
from tests.warehouse.conftest import ReadBytes

CSV = {"serde_class": "org.apache.hadoop.hive.serde2.OpenCSVSerde"}
REGEX = "org.apache.hadoop.hive.serde2.RegexSerDe"
THREE = [("a", "string"), ("b", "string"), ("c", "string")]


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("a,b,c", ("a", "b", "c")),
        ('a,"b,c",d', ("a", "b,c", "d")),
        ('"x ""y""",2', ('x "y"', "2", None)),
        ('"a","b","c","d"', ("a", "b", "c")),
        ("", ("", None, None)),
        (",,", ("", "", "")),
        ('"","",""', ("", "", "")),
        ('"open,1', (None, None, None)),
        ('x,"open', ("x", None, None)),
        (r'"e\"f","g\\h",i\j', ('e"f', r"g\h", "ij")),
        ('abc "q" d,z', ('abc "q" d', "z", None)),
        ('   "q",z', ("q", "z", None)),
    ],
)
def test_csv_lines(read_bytes: ReadBytes, line: str, row: tuple[str | None, ...]) -> None:
    assert read_bytes(f"{line}\n".encode(), THREE, **CSV) == [row]
    among = read_bytes(f'1,2,3\n{line}\n"p",q,r\n'.encode(), THREE, **CSV)
    assert among == [("1", "2", "3"), row, ("p", "q", "r")]


def test_csv_with_other_characters(read_bytes: ReadBytes) -> None:
    properties = {"separatorChar": "\t", "quoteChar": "'", "escapeChar": "#"}
    data = b"'a\tb'\tc\n'it#'s'\t\"q\"\n"
    assert read_bytes(data, THREE[:2], serde_properties=properties, **CSV) == [("a\tb", "c"), ("it's", '"q"')]
    with pytest.raises(errors.InvalidParameter, match="three different"):
        read_bytes(b"", THREE, serde_properties={"quoteChar": ","}, **CSV) or read_bytes(
            b"x\n", THREE, serde_properties={"quoteChar": ","}, **CSV
        )


FIELD = st.text(alphabet="ab ,é1", max_size=5)


@given(st.lists(st.lists(FIELD, min_size=1, max_size=4), min_size=1, max_size=6), st.booleans())
def test_what_pythons_csv_writes_is_read(rows: list[list[str]], is_quoted: bool) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL if is_quoted else csv.QUOTE_MINIMAL).writerows(rows)
    columns = CsvReader(CsvFormat(), 3).columns(lines_of(out.getvalue().encode()), [0, 1, 2])
    expected = [[row[i] if i < len(row) else None for row in rows] for i in range(3)]
    assert [column.to_pylist() for column in columns] == expected


LINE = st.text(alphabet='ab ,"\\', max_size=12)


@given(st.lists(LINE, min_size=1, max_size=8))
def test_all_ways_to_split_csv_agree(lines: list[str]) -> None:
    columns = CsvReader(CsvFormat(), 3).columns(lines_of(("\n".join(lines) + "\n").encode()), [2, 0])
    rows = [split_line(line, CsvFormat()) for line in lines]
    assert [c.to_pylist() for c in columns] == [[r[i] if i < len(r) else None for r in rows] for i in (2, 0)]


LOG = (
    '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326\n'
    '10.0.0.7 - - [10/Oct/2000:13:56:00 -0700] "GET / HTTP/1.1" 404 - "http://x/" "Mozilla/4.08 [en]"\n'
    "garbage\n"
)
LOG_REGEX = (
    '([^ ]*) ([^ ]*) ([^ ]*) (-|\\[[^\\]]*\\]) ([^ "]*|"[^"]*") (-|[0-9]*) (-|[0-9]*)(?: ([^ "]*|".*") ([^ "]*|".*"))?'
)


def test_the_log_of_hives_manual(read_bytes: ReadBytes) -> None:
    """The table apachelog of Hive's getting started guide."""
    names = ["host", "identity", "user", "time", "request", "status", "size", "referer", "agent"]
    columns = [(name, "int" if name in ("status", "size") else "string") for name in names]
    found = read_bytes(LOG.encode(), columns, serde_class=REGEX, serde_properties={"input.regex": LOG_REGEX})
    assert found == [
        ("127.0.0.1", "-", "frank", "[10/Oct/2000:13:55:36 -0700]", '"GET /apache_pb.gif HTTP/1.0"', 200, 2326, None,
         None),
        ("10.0.0.7", "-", "-", "[10/Oct/2000:13:56:00 -0700]", '"GET / HTTP/1.1"', 404, None, '"http://x/"',
         '"Mozilla/4.08 [en]"'),
        (None,) * 9,
    ]  # fmt: skip


def test_regex_groups(read_bytes: ReadBytes) -> None:
    two = [("a", "int"), ("b", "string")]
    more = {"serde_class": REGEX}
    assert read_bytes(b"12\nx\n\n", two, serde_properties={"input.regex": r"(\d+)|(\w)"}, **more) == [
        (12, None), (None, "x"), (None, None),
    ]  # fmt: skip
    assert read_bytes(b"1 AB\n", two, serde_properties={
        "input.regex": "([0-9]) (ab)", "input.regex.case.insensitive": "true"}, **more) == [(1, "AB")]  # fmt: skip
    assert read_bytes(b"1 x\n", two, serde_properties={"input.regex": r"(?<n>\d) ((?=x)x)"}, **more) == [(1, "x")]
    assert read_bytes(b"1 (x)\n", two, serde_properties={"input.regex": r"([(\d]) (\(x[)])"}, **more) == [(1, "(x)")]
    assert read_bytes(b"t yes\n", [("a", "boolean"), ("b", "boolean")], serde_properties={
        "input.regex": "(.*) (.*)"}, **more) == [(False, False)]  # fmt: skip
    with pytest.raises(errors.InvalidParameter, match="1 groups"):
        read_bytes(b"x\n", two, serde_properties={"input.regex": "(.*)"}, **more)
    with pytest.raises(errors.InvalidParameter, match="cannot be read"):
        read_bytes(b"x\n", two, serde_properties={"input.regex": "(.*) (["}, **more)


JSON_COLUMNS = [
    ("id", "int"), ("userid", "string"), ("price", "decimal(6,2)"), ("at", "timestamp"), ("tags", "array<string>"),
    ("props", "map<string,int>"), ("place", "struct<city:string,since:date>"), ("raw", "binary"), ("f", "varchar(2)"),
]  # fmt: skip


@pytest.mark.parametrize(
    "more",
    [
        {"file_format": "jsonfile"},
        {"serde_class": "org.apache.hive.hcatalog.data.JsonSerDe"},
        {"serde_class": "org.apache.hadoop.hive.serde2.JsonSerDe"},
    ],
)
def test_json_rows(read_bytes: ReadBytes, more: dict[str, str]) -> None:
    good = (
        b'{"id": 1, "userId": "u", "price": 1.005, "at": "2024-01-01 10:00:00", "tags": ["a", null], '
        b'"props": {"k": 5}, "place": {"city": "Bonn", "since": "2024-01-01"}, "raw": "YWJj", "f": "abc", '
        b'"extra": [1]}\n'
    )
    row = (
        1, "u", Decimal("1.01"), dt.datetime(2024, 1, 1, 10), ["a", None], [("k", 5)],
        {"city": "Bonn", "since": dt.date(2024, 1, 1)}, b"abc", "ab",
    )  # fmt: skip
    nothing = (None,) * 9
    assert read_bytes(good, JSON_COLUMNS, **more) == [row]
    data = good + b'{"ID": "12", "f": 7}\nnot json\n\n{"id": "x", "tags": 5, "userid": "still here"}\n[1]\n{}\n' + good
    assert read_bytes(data, JSON_COLUMNS, **more) == [
        row, (12, *nothing[:7], "7"), nothing, nothing, (None, "still here", *nothing[:7]), nothing, nothing, row,
    ]  # fmt: skip
    offsets = read_bytes(data, JSON_COLUMNS, ["id", "block__offset__inside__file"], **more)
    assert offsets[1] == (12, len(good))


def test_a_textfile_can_have_the_json_serde() -> None:
    table = describe("t", [("a", "int", "")], "/t", serde_class="org.apache.hadoop.hive.serde2.JsonSerDe")
    assert (table.file_format, table.serde, table.schema) == ("textfile", "json", pa.schema([("a", pa.int32())]))
