"""Descriptions of tables: separators as LazySerDeParameters of Hive's sources has them, and what is refused."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sqlengine import errors
from sqlengine.warehouse import describe, local_path, serde_class, serde_of, stored_as, stored_by_classes


def test_columns_come_before_partition_columns() -> None:
    table = describe("t", [("A", "int", "first"), ("b", "string", "")], "/t", partition_columns=[("DS", "date", "")])
    assert table.schema == pa.schema([("a", pa.int32()), ("b", pa.string())])
    assert table.row_schema.names == ["a", "b", "ds"]
    assert table.column("Ds").type.arrow == pa.date32()
    with pytest.raises(errors.UndefinedColumn) as caught:
        table.column("aa")
    assert caught.value.hint == 'did you mean "a"?'


def test_separators_by_default_and_as_stated() -> None:
    table = describe("t", [("a", "int", "")], "/t")
    assert table.row_format.separators == (b"\1", b"\2", b"\3", b"\4", b"\5", b"\6", b"\7", b"\x08")
    assert (table.row_format.escape, table.row_format.null) == (b"", b"\\N")
    properties = {
        "field.delim": "|", "collection.delim": "44", "mapkey.delim": "-1", "escape.delim": "\\",
        "serialization.null.format": "", "hive.serialization.extend.nesting.levels": "true",
    }  # fmt: skip
    stated = describe("t", [("a", "int", "")], "/t", serde_properties=properties).row_format
    assert stated.separators[:4] == (b"|", b",", b"\xff", b"\4") and len(stated.separators) == 24
    assert stated.separators[8:10] == (b"\x0b", b"\x0e"), "tabs, newlines and returns are left out"
    assert (stated.escape, stated.null) == (b"\\", b"")
    old = describe("t", [("a", "int", "")], "/t", serde_properties={"serialization.format": "9"})
    assert old.row_format.separators[0] == b"\t"


def test_nesting_deeper_than_the_separators_is_refused() -> None:
    deep = "array<" * 8 + "int" + ">" * 8
    with pytest.raises(errors.NotSupportedError, match="7 levels") as caught:
        describe("t", [("a", deep, "")], "/t")
    assert "extend.nesting" in (caught.value.hint or "")
    more = {"hive.serialization.extend.nesting.levels": "true"}
    assert str(describe("t", [("a", deep, "")], "/t", serde_properties=more).columns[0].type) == deep
    assert describe("t", [("a", deep, "")], "/t", file_format="parquet")


def test_csv_columns_are_strings() -> None:
    table = describe(
        "t", [("a", "int", ""), ("b", "map<string,int>", "")], "/t",
        serde_class="org.apache.hadoop.hive.serde2.OpenCSVSerde",
    )  # fmt: skip
    assert [str(column.type) for column in table.columns] == ["string", "string"]


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"columns": []}, errors.InvalidDefinition, "no columns"),
        ({"columns": [("a", "int", ""), ("A", "int", "")]}, errors.DuplicateColumn, '"a"'),
        ({"partition_columns": [("a", "int", "")]}, errors.DuplicateColumn, '"a"'),
        ({"partition_columns": [("p", "array<int>", "")]}, errors.DatatypeMismatch, "array<int>"),
        ({"columns": [("INPUT__FILE__NAME", "string", "")]}, errors.InvalidDefinition, "virtual"),
        ({"file_format": "sequencefile"}, errors.NotSupportedError, "sequencefile"),
        ({"file_format": "RCFILE"}, errors.NotSupportedError, "rcfile"),
        ({"file_format": "parkuet"}, errors.UndefinedObject, "parkuet"),
        ({"serde_class": "com.example.MySerDe"}, errors.NotSupportedError, "MySerDe"),
        ({"serde_class": "org.apache.hadoop.hive.serde2.RegexSerDe"}, errors.InvalidParameter, "input.regex"),
        ({"file_format": "parquet", "serde_class": "org.apache.hadoop.hive.serde2.OpenCSVSerde"},
         errors.InvalidDefinition, "parquet"),
        ({"properties": {"skip.header.line.count": "one"}}, errors.InvalidParameter, "skip.header"),
        ({"serde_properties": {"line.delim": "|"}}, errors.NotSupportedError, "newlines"),
        ({"serde_properties": {"serialization.encoding": "klingon"}}, errors.InvalidParameter, "klingon"),
        ({"serde_properties": {"timestamp.formats": "millis"}}, errors.NotSupportedError, "timestamp.formats"),
        ({"bucket_columns": ["z"], "num_buckets": 4}, errors.UndefinedColumn, '"z"'),
    ],
)  # fmt: skip
def test_bad_descriptions(changes: dict, error: type[errors.Error], says: str) -> None:
    arguments = {"columns": [("a", "int", "")], **changes}
    with pytest.raises(error, match=says):
        describe("t", location="/t", **arguments)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/a/b/", "/a/b"), ("a/b", "a/b"), ("/", "/"), ("file:///a/b", "/a/b"), ("file:/a", "/a"),
        ("FILE:///a%20/", "/a%20"),
        ("file://localhost/a", "/a"), ("ds=2024-01-01 10:00/x", "ds=2024-01-01 10:00/x"), ("", ""),
    ],
)  # fmt: skip
def test_places(text: str, path: str) -> None:
    assert local_path(text) == path
    assert describe("t", [("a", "int", "")], text).location == path


@pytest.mark.parametrize("text", ["hdfs://namenode/a", "s3a://bucket/a", "file://elsewhere/a"])
def test_places_on_other_machines_are_refused(text: str) -> None:
    with pytest.raises(errors.NotSupportedError):
        local_path(text)


def test_words_and_classes() -> None:
    assert stored_as("TextFile").serde == "lazysimple"
    assert stored_as("ORC").input_format == "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat"
    assert stored_by_classes("org.apache.hadoop.mapred.TextInputFormat").name == "textfile"
    with pytest.raises(errors.NotSupportedError, match="sequencefile"):
        stored_by_classes("org.apache.hadoop.mapred.SequenceFileInputFormat")
    with pytest.raises(errors.NotSupportedError, match="Mine"):
        stored_by_classes("Mine")
    for name in ("lazysimple", "opencsv", "regex", "json", "avro", "parquet", "orc"):
        assert serde_of(serde_class(name)) == name
