"""LazySimpleSerDe's text. Expected values follow Hive's LazyStruct, LazyArray and LazyMap; random rows are compared
with a reading of them byte by byte, written after those classes."""

from __future__ import annotations

import bz2
import gzip
import itertools
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sqlengine import errors
from sqlengine.warehouse import HiveType, parse_type, read
from sqlengine.warehouse import lines as lines_module
from sqlengine.warehouse.quick_text import QuickReader
from tests.depth import rounds
from tests.warehouse.conftest import ReadBytes, described, tuples

PIPE = {"field.delim": "|"}
TWO = [("a", "int"), ("b", "string")]


def test_missing_fields_are_null_and_further_ones_ignored(read_bytes: ReadBytes) -> None:
    data = b"1|x\n2\n\n|y\n3|z|more|still\nq|w\n"
    expected = [(1, "x"), (2, None), (None, None), (None, "y"), (3, "z"), (None, "w")]
    assert read_bytes(data, TWO, serde_properties=PIPE) == expected


def test_an_empty_text_is_no_null_and_a_row_of_one_column_may_be_empty(read_bytes: ReadBytes) -> None:
    assert read_bytes(b"1|\n2|\\N\n", TWO, serde_properties=PIPE) == [(1, ""), (2, None)]
    assert read_bytes(b"\n\nx\n", [("a", "string")]) == [("",), ("",), ("x",)]
    assert read_bytes(b"", TWO) == []


def test_null_is_what_the_property_says(read_bytes: ReadBytes) -> None:
    properties = {**PIPE, "serialization.null.format": "-"}
    assert read_bytes(b"-|-\n1|\\N\n--|--\n", TWO, serde_properties=properties) == [
        (None, None),
        (1, "\\N"),
        (None, "--"),
    ]
    nothing = {**PIPE, "serialization.null.format": ""}
    assert read_bytes(b"1|\n|x\n", TWO, serde_properties=nothing) == [(1, None), (None, "x")]


@pytest.mark.parametrize("data", [b"1|x\r\n2|y\r\n", b"1|x\r2|y\r", b"1|x\n2|y", b"1|x\r\n2|y", b"1|x\r2|y"])
def test_lines_end_with_newline_return_or_both_and_the_last_with_nothing(read_bytes: ReadBytes, data: bytes) -> None:
    assert read_bytes(data, TWO, serde_properties=PIPE) == [(1, "x"), (2, "y")]
    offsets = read_bytes(data, TWO, ["a", "BLOCK__OFFSET__INSIDE__FILE"], serde_properties=PIPE)
    assert offsets == [(1, 0), (2, data.index(b"2"))]


def test_virtual_columns(read_bytes: ReadBytes, tmp_path: Path) -> None:
    wanted = ["b", "input__file__name", "BLOCK__OFFSET__INSIDE__FILE"]
    path = f"file:{tmp_path}/data"
    assert read_bytes(b"1|x\n22|y\n", TWO, wanted, serde_properties=PIPE) == [("x", path, 0), ("y", path, 4)]
    with pytest.raises(errors.UndefinedColumn, match="nothing"):
        read_bytes(b"1|x\n", TWO, ["nothing"])


def test_no_columns_are_rows_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"1|x\n2|y\n\n")
    batches = list(read(str(tmp_path / "f"), described(tmp_path, TWO), []))
    assert sum(batch.num_rows for batch in batches) == 3


def test_headers_and_footers_are_left_out(read_bytes: ReadBytes) -> None:
    more: dict[str, Any] = {"serde_properties": PIPE}
    for header, footer, expected in (
        ("1", "0", [2, 3, 4]),
        ("0", "1", [1, 2, 3]),
        ("2", "1", [3]),
        ("3", "2", []),
        ("9", "0", []),
    ):
        properties = {"skip.header.line.count": header, "skip.footer.line.count": footer}
        for data in (b"1|x\n2|x\n3|x\n4|x\n", b"1|x\n2|x\n3|x\n4|x", b"1|x\r\n2|x\r\n3|x\r\n4|x\r\n"):
            found = read_bytes(data, TWO, ["a"], properties=properties, **more)
            assert [a for (a,) in found] == expected, (header, footer, data)


def test_nested_values_take_separators_in_order(read_bytes: ReadBytes) -> None:
    columns = [("a", "array<int>"), ("m", "map<string,int>"), ("s", "struct<x:int,y:array<string>>")]
    data = (
        b"1\x022\x02x\x01k\x035\x02j\x036\x02k\x037\x02\\N\x038\x02alone\x014\x02p\x03q\n"
        b"\x01\x01\n\\N\x01\\N\x01\\N\n1\n7\x01k\x03\\N\x01\\N\x02\\N\n"
    )
    assert read_bytes(data, columns) == [
        ([1, 2, None], [("k", 5), ("j", 6), ("alone", None)], {"x": 4, "y": ["p", "q"]}),
        ([], [], {"x": None, "y": None}),
        (None, None, None),
        ([1], None, None),
        ([7], [("k", None)], {"x": None, "y": None}),
    ]
    deep = [("d", "map<string,array<struct<a:int,b:string>>>")]
    assert read_bytes(b"k\x031\x05x\x042\x05y\x02l\x03\n", deep) == [
        ([("k", [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]), ("l", [])],)
    ]


def test_escapes(read_bytes: ReadBytes) -> None:
    properties = {**PIPE, "escape.delim": "\\", "collection.delim": ","}
    columns = [("a", "string"), ("b", "array<string>")]
    data = b"x\\|y|a\\,b,c\\\\,d\n\\N|\\N\nn\\nr\\rq\\q|end\\\n\\\\|\\|\n"
    assert read_bytes(data, columns, serde_properties=properties) == [
        ("x|y", ["a,b", "c\\", "d"]), (None, None), ("n\nr\rqq", ["end\\"]), ("\\", ["|"]),
    ]  # fmt: skip


def test_the_last_column_may_take_the_rest(read_bytes: ReadBytes) -> None:
    properties = {**PIPE, "serialization.last.column.takes.rest": "true"}
    assert read_bytes(b"1|b|c\n2\n", TWO, serde_properties=properties) == [(1, "b|c"), (2, None)]


def test_bad_utf8_and_other_encodings(read_bytes: ReadBytes) -> None:
    assert read_bytes(b"1|\xff\xfe\n2|ok\n", TWO, serde_properties=PIPE) == [(1, "\ufffd\ufffd"), (2, "ok")]
    latin = {**PIPE, "serialization.encoding": "ISO-8859-1"}
    assert read_bytes("1|é\n2|ü\n".encode("latin-1"), TWO, serde_properties=latin) == [(1, "é"), (2, "ü")]
    wide = {**PIPE, "serialization.encoding": "utf-16"}
    assert read_bytes("1|é\n2|ü\n".encode("utf-16"), TWO, serde_properties=wide) == [(1, "é"), (2, "ü")]


def test_a_byte_order_mark_belongs_to_the_first_field(read_bytes: ReadBytes) -> None:
    assert read_bytes(b"\xef\xbb\xbf1|x\n2|y\n", TWO, serde_properties=PIPE) == [(None, "x"), (2, "y")]


def hadoop_blocks(codec: str, parts: list[list[bytes]]) -> bytes:
    """Hadoop's BlockCompressorStream: the length of a block, then its compressed parts, each behind its length."""
    machine, made = pa.Codec(codec), b""
    for block in parts:
        made += sum(map(len, block)).to_bytes(4, "big")
        for part in block:
            data = machine.compress(part, asbytes=True)
            made += len(data).to_bytes(4, "big") + data
    return made


TEXT = b"1|x\n2|y\n3|z"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.gz", gzip.compress(TEXT[:5]) + gzip.compress(TEXT[5:])),
        ("a.bz2", bz2.compress(TEXT[:5]) + bz2.compress(TEXT[5:])),
        ("a.zst", pa.Codec("zstd").compress(TEXT, asbytes=True)),
        ("a.GZ", gzip.compress(TEXT)),
        ("a.deflate", zlib.compress(TEXT[:5]) + zlib.compress(TEXT[5:])),
        ("a.snappy", hadoop_blocks("snappy", [[TEXT[:3], TEXT[3:5]], [TEXT[5:]]])),
        ("a.lz4", hadoop_blocks("lz4_raw", [[TEXT[:5]], [TEXT[5:]]])),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # gzip's bytes tell the time
)
def test_compressed_files_are_known_by_their_suffix(read_bytes: ReadBytes, name: str, data: bytes) -> None:
    expected = [(1, "x"), (2, "y"), (3, "z")]
    assert read_bytes(data, TWO, name=name, serde_properties=PIPE) == expected
    cut = data[:-3] if name != "a.lz4" else data[:-1]
    with pytest.raises(errors.DataCorrupted, match="not valid"):
        read_bytes(cut if name.lower() != "a.bz2" else b"BZh9" + data[10:], TWO, name=name, serde_properties=PIPE)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(errors.FileUnavailable, match="gone"):
        list(read(str(tmp_path / "gone"), described(tmp_path, TWO)))


# ---------------------------------------------------------------- random rows, byte by byte

KINDS = ["string", "int", "array<string>", "map<string,string>", "struct<x:string,y:array<string>>",
         "array<map<string,string>>"]  # fmt: skip
SEPARATORS = b"|,:;"


def split(data: bytes, separator: int, escape: int | None, start: int = 0) -> list[bytes]:
    """As LazyStruct.parse: a byte behind an escape separates nothing."""
    parts, at, begin = [], start, start
    while at < len(data):
        if escape is not None and data[at] == escape and at + 1 < len(data):
            at += 2
            continue
        if data[at] == separator:
            parts.append(data[begin:at])
            begin = at + 1
        at += 1
    return [*parts, data[begin:]]


def plain(data: bytes, escape: int | None) -> str:
    made, at = bytearray(), 0
    while at < len(data):
        if escape is not None and data[at] == escape and at + 1 < len(data):
            at += 1
            made += {b"n": b"\n", b"r": b"\r"}.get(data[at : at + 1], data[at : at + 1])
        else:
            made.append(data[at])
        at += 1
    return made.decode("utf-8", "replace")


def value(data: bytes | None, hive: HiveType, level: int, escape: int | None) -> Any:
    if data is None or data == b"\\N":
        return None
    if hive.name == "array":
        return (
            [value(p, hive.children[0], level + 1, escape) for p in split(data, SEPARATORS[level], escape)]
            if data
            else []
        )
    if hive.name == "struct":
        parts = split(data, SEPARATORS[level], escape)
        return {
            name: value(parts[i] if i < len(parts) else None, child, level + 1, escape)
            for i, (name, child) in enumerate(hive.fields)
        }
    if hive.name == "map":
        found: dict[Any, Any] = {}
        for entry in split(data, SEPARATORS[level], escape) if data else []:
            head = split(entry, SEPARATORS[level + 1], escape)[0]
            rest = entry[len(head) + 1 :] if len(head) < len(entry) else None
            key = value(head, hive.children[0], level + 2, escape)
            if key is not None and key not in found:
                found[key] = value(rest, hive.children[1], level + 2, escape)
        return list(found.items())
    text = plain(data, escape)
    if hive.name == "int":
        digits = text[1:] if text[:1] in ("+", "-") else text
        ok = digits.isascii() and digits.isdigit() and -(2**31) <= int(text) < 2**31
        return int(text) if ok else None
    return text


LINE = st.text(alphabet="|,:;\\Nnr1a-é", max_size=24).map(str.encode)


@settings(max_examples=rounds(60, 150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(LINE, min_size=1, max_size=8),
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4),
    is_escaped=st.booleans(),
    ending=st.sampled_from([b"", b"\n", b"\r\n"]),
)
def test_random_rows_read_as_byte_by_byte(
    tmp_path: Path, lines: list[bytes], kinds: list[str], is_escaped: bool, ending: bytes
) -> None:
    properties = {"field.delim": "|", "collection.delim": ",", "mapkey.delim": ":"}
    escape = ord("\\") if is_escaped else None
    if is_escaped:
        properties["escape.delim"] = "\\"
    global SEPARATORS
    SEPARATORS = b"|,:\x04\x05\x06"
    columns = [(f"c{i}", kind) for i, kind in enumerate(kinds)]
    data = (ending or b"\n").join(lines) + ending
    if not ending and not lines[-1]:
        lines = lines[:-1]
    (tmp_path / "f").write_bytes(data)
    found = tuples(list(read(str(tmp_path / "f"), described(tmp_path, columns, serde_properties=properties))))
    types = [parse_type(kind) for kind in kinds]
    expected = []
    for line in lines:
        parts = split(line, ord("|"), escape)
        expected.append(
            tuple(value(parts[i] if i < len(parts) else None, hive, 1, escape) for i, hive in enumerate(types))
        )
    assert found == expected


FLAT = ["string", "int", "double", "decimal(4,1)", "date", "timestamp", "boolean", "varchar(2)", "char(2)", "tinyint"]
CELLS = ["", "1", "-7", " 1", "1 ", "0x1", "\\N", "1.5", "x", "2024-01-01", "2024-1-1", "2024-01-01 10:00:00", "true",
         "TRUE", "NaN", "inf", "Infinity", "1e400", "99999.5", "999.95", "é", "300", "1970-01-01T10",
         "2024-01-01 10"]  # fmt: skip


@settings(max_examples=rounds(60, 150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(st.sampled_from(CELLS), min_size=1, max_size=4), min_size=1, max_size=6),
    kinds=st.lists(st.sampled_from(FLAT), min_size=1, max_size=3),
)
def test_the_quick_way_reads_the_same(tmp_path: Path, rows: list[list[str]], kinds: list[str]) -> None:
    """With the byte offsets asked for, the quick way is not taken."""
    columns = [(f"c{i}", kind) for i, kind in enumerate(kinds)]
    (tmp_path / "f").write_text("\n".join("|".join(row) for row in rows) + "\n")
    table = described(tmp_path, columns, serde_properties=PIPE)
    names = [name for name, _ in columns]
    quick = [tuple(map(repr, row)) for row in tuples(list(read(str(tmp_path / "f"), table, names)))]
    slow = tuples(list(read(str(tmp_path / "f"), table, [*names, "block__offset__inside__file"])))
    assert quick == [tuple(map(repr, row[:-1])) for row in slow]


def test_the_quick_way_is_taken(tmp_path: Path) -> None:
    table = described(tmp_path, [("a", "int"), ("b", "string"), ("c", "double")], serde_properties=PIPE)
    reader = QuickReader(table.columns, [2, 0], table.row_format)
    found = reader.read(b"1|x|2.5\n2||\n\\N|y|3\n")
    assert found is not None and [column.to_pylist() for column in found] == [[2.5, None, 3.0], [1, 2, None]]
    for refused in (b"1|x\n", b"1|x|2|3\n", b"1|y|2\n\n3|z|4\n", b"1|y|\xff\n"):
        assert reader.read(refused) is None


@settings(max_examples=rounds(48, 120), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(
        st.tuples(st.sampled_from(["", "1|x", "22|yy", "|", "3"]), st.sampled_from(["\n", "\r", "\r\n"])), max_size=9
    ),
    last=st.sampled_from(["", "4|z", "\r"]),
    chunk=st.integers(1, 7),
    header=st.integers(0, 2),
    footer=st.integers(0, 2),
)
def test_any_cut_into_chunks_reads_the_same(
    tmp_path: Path, lines: list[tuple[str, str]], last: str, chunk: int, header: int, footer: int
) -> None:
    """The lines are Python's, for which a return, a newline and both are ends as well."""
    text = "".join(line + end for line, end in lines) + last
    (tmp_path / "f").write_bytes(text.encode())
    properties = {"skip.header.line.count": str(header), "skip.footer.line.count": str(footer)}
    table = described(tmp_path, [("a", "string"), ("b", "string")], serde_properties=PIPE, properties=properties)
    expected = text.splitlines(keepends=True)
    offsets = list(itertools.accumulate(map(len, expected), initial=0))
    kept = range(header, max(len(expected) - footer, header))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines_module, "CHUNK_BYTES", chunk)
        found = tuples(list(read(str(tmp_path / "f"), table, ["a", "b", "block__offset__inside__file"])))
        quick = tuples(list(read(str(tmp_path / "f"), table)))
    fields = [[*expected[i].rstrip("\r\n").split("|"), None][:2] for i in kept]
    assert found == [(*row, offsets[i]) for row, i in zip(fields, kept, strict=True)]
    assert quick == [tuple(row) for row in fields]
