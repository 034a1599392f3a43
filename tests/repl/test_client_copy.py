"""\\copy and \\import of files of all kinds, into an embedded database and over the wire alike."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from repl.__main__ import main
from repl.client_copy import cut_copy
from sqlengine import connect
from sqlengine.connectors.columns import column_index, fitting_names
from sqlengine.errors import Error

TABLE = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int64()),
        "item": ["tea", None, "milk, fresh"],
        "tags": [["a", "b"], [], None],
        "made": pa.array(["2024-01-01 10:00:00", None, "2024-01-02 11:30:00.25"]).cast(pa.timestamp("us")),
    }
)
CREATE = "CREATE STREAM goods (id BIGINT, item TEXT, tags TEXT[], made TIMESTAMP)"
SHOW = "SELECT * FROM goods ORDER BY id"
AS_CSV = (
    'id,item,tags,made\n1,tea,"[""a"",""b""]",2024-01-01 10:00:00\n2,,[],\n3,"milk, fresh",,2024-01-02 11:30:00.25\n'
)


@pytest.fixture(params=["embedded", "remote"])
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    """What the command is told to open."""
    if request.param == "embedded":
        yield ""
        return
    with connect() as database, database.serve(host="127.0.0.1", port=0) as server:
        yield f"postgresql://sqlengine@127.0.0.1:{server.port}/sqlengine"


class Outcome:
    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


Command = Callable[..., Outcome]


@pytest.fixture
def run(place: str, capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs lines and commands of one session."""

    def command(*lines: str) -> Outcome:
        words = [word for line in lines for word in ("-c", line)]
        status = main([*([place] if place else []), "--format", "csv", *words])
        told = capfd.readouterr()
        return Outcome(status, told.out, told.err)

    return command


def written(folder: Path, name: str) -> Path:
    """A file of the name's kind with the rows of TABLE."""
    path = folder / name
    rows = [{**row, "made": row["made"] and str(row["made"])} for row in TABLE.to_pylist()]
    texts = {
        "csv": AS_CSV, "ndjson": "".join(json.dumps(row) + "\n" for row in rows), "json": json.dumps(rows, indent=2),
        "tsv": 'made\ttags\titem\tmore\tid\n2024-01-01 10:00:00\t"{a,b}"\ttea\tx\t1\n\t{}\t\tx\t2\n'
               "2024-01-02 11:30:00.25\t\tmilk, fresh\tx\t3\n",
    }  # fmt: skip
    kind = name.split(".")[1]
    if kind == "parquet":
        pq.write_table(TABLE, path)
    elif kind == "arrow":
        with pa.ipc.new_file(path, TABLE.schema) as writer:
            writer.write_table(TABLE)
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(texts[kind].encode()))
    else:
        path.write_text(texts[kind])
    return path


KINDS = ("a.csv", "a.tsv", "a.ndjson", "a.json", "a.parquet", "a.arrow", "a.csv.gz", "a.json.gz", "a.tsv.gz")


@pytest.mark.parametrize("name", KINDS)
def test_files_of_every_kind_go_in(run: Command, tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name)
    done = run(CREATE, f"\\copy goods FROM '{path}'", SHOW)
    assert (done.status, done.out) == (0, AS_CSV), done.err
    assert "COPY 3" in done.err
    imported = run(
        f"\\import {path} things", "SELECT id, item, tags, CAST(made AS timestamp) AS made FROM things ORDER BY id"
    )
    assert imported.status == 0 and imported.out.count("\n") == 4, imported.err


@pytest.mark.parametrize("name", ["b.csv", "b.ndjson", "b.parquet", "b.arrow", "b.csv.gz"])
def test_files_of_every_kind_come_out(run: Command, tmp_path: Path, name: str) -> None:
    source, target = written(tmp_path, "a.parquet"), tmp_path / name
    out, back = f"\\copy (SELECT * FROM goods ORDER BY id) to {target}", f"\\copy again from {target}"
    again = CREATE.replace("goods", "again")
    done = run(CREATE, f"\\copy goods from {source}", out, again, back, SHOW.replace("goods", "again"))
    assert (done.status, done.out) == (0, AS_CSV), done.err
    if name == "b.csv":
        assert target.read_text() == AS_CSV
    if name == "b.parquet":
        assert pq.read_table(target).to_pylist() == TABLE.to_pylist()


def test_options_of_copy(run: Command, tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("1;'a;b';-\n2;-;x\n")
    options = "(FORMAT csv, HEADER false, DELIMITER ';', QUOTE '''', NULL '-')"
    out = f"\\copy t TO '{tmp_path / 'out.csv'}' (DELIMITER '|', HEADER false)"
    back = f"\\copy t (id, a, b) FROM '{path}' {options}"
    done = run("CREATE TABLE t (id INT, a TEXT, b TEXT)", back, "SELECT * FROM t ORDER BY id", out)
    assert (done.status, done.out) == (0, "id,a,b\n1,a;b,\n2,,x\n"), done.err
    assert sorted((tmp_path / "out.csv").read_text().splitlines()) == ["1|a;b|", "2||x"]


def test_malformed_records_are_set_aside(run: Command, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("id,item\n1,tea\nx,milk\n3,a,b\n4,bread\n")
    done = run("CREATE STREAM t (id BIGINT, item TEXT)", f"\\copy t FROM '{path}'", "SELECT * FROM t ORDER BY id",
               "SELECT raw FROM system.errors ORDER BY raw")  # fmt: skip
    assert (done.status, done.out) == (0, 'id,item\n1,tea\n4,bread\nraw\n"3,a,b"\n"x,milk"\n'), done.err
    assert "2 malformed records" in done.err and "COPY 2" in done.err


def test_several_files_are_one_copy(run: Command, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"part{number}.csv").write_text(f"id\n{number}\n")
    done = run(
        "CREATE TABLE t (id BIGINT PRIMARY KEY)", f"\\copy t FROM '{tmp_path}/part*.csv'", "SELECT count(*) FROM t"
    )
    assert done.status == 0 and "COPY 3" in done.err and done.out.endswith("\n3\n"), done.err
    (tmp_path / "part1.csv").write_text("id\n0\n")
    again = run("CREATE TABLE u (id BIGINT PRIMARY KEY)", f"\\copy u FROM '{tmp_path}/part*.csv'")
    assert again.status == 1 and "[23505]" in again.err
    if "42P07" not in again.err:
        left = run("CREATE TABLE IF NOT EXISTS u (id BIGINT PRIMARY KEY)", "SELECT count(*) FROM u")
        assert left.out.endswith("\n0\n")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("\\copy goods FROM 'nowhere.csv'", "58P01"),
        ("\\copy goods FROM 'nowhere'", "58P01"),
        ("\\copy goods TO '/nowhere/x.csv'", "58P01"),
        ("\\copy goods TO 'x.unknown'", "cannot be told from its name"),
        ("\\copy nothing TO '{0}/x.csv'", "42P01"),
        ("\\copy nothing FROM '{0}/good.csv'", "42P01"),
        ("\\copy (SELECT x FROM goods) TO '{0}/x.csv'", "42703"),
        ("\\copy goods (nope) FROM '{0}/good.csv'", "42703"),
        ("\\copy goods FROM '{0}/good.csv' (SPEED 3)", "22023"),
        ("\\copy goods FROM '{0}/good.csv' (FORMAT cvs)", "unknown file format"),
        ("\\copy goods FROM '{0}/text.parquet'", "is not a valid parquet file"),
        ("\\copy goods FROM '{0}/text.csv.gz'", "XX001"),
        ("\\copy goods FROM '{0}/other.csv'", "42703"),
        ("\\copy goods", "FROM or TO"),
        ("\\copy", "FROM or TO"),
        ("\\copy goods FROM", "FROM or TO"),
        ("\\import '{0}/empty.csv'", "no columns can be found"),
        ("\\import '{0}/empty.json'", "no columns can be found"),
        ("\\import '{0}/text.json'", "no columns can be found"),
        ("\\import '{0}/text.parquet'", "is not a valid parquet file"),
        ("\\import '{0}/nowhere.csv'", "58P01"),
        ("\\import '{0}/text.unknown'", "cannot be told from its name"),
        ("\\import '{0}/text.csv.gz'", "XX001"),
        ("\\import", "takes a file"),
        ("\\import a b c", "takes a file"),
        ("\\import 'a", "no closing quotation"),
    ],
)
def test_mistakes(run: Command, tmp_path: Path, line: str, complaint: str) -> None:
    for name in ("text.parquet", "text.json", "text.csv.gz", "text.unknown"):
        (tmp_path / name).write_text("nothing of the kind\n")
    for name in ("empty.csv", "empty.json"):
        (tmp_path / name).write_text("")
    (tmp_path / "good.csv").write_text(AS_CSV)
    (tmp_path / "other.csv").write_text("x,y\n1,2\n")
    done = run(CREATE, line.format(tmp_path), SHOW)
    assert done.status == 1 and complaint in done.err, done.err
    assert "sqlengine-copy" not in done.err, "no names of the server's own files"
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize(
    ("content", "columns", "remark"),
    [
        ("id,,id,a b\n1,2,3,4\n", '"id","column_2","id_2","a b"', "renamed"),
        ("a;b\n1;2\n", '"a","b"', "divided by ;"),
        ("a\tb\n1\t2\n", '"a","b"', "divided by tabs"),
        ("Größe,select,ID\n1,2,3\n", '"Größe","select","ID"', ""),
        ("\ufeffid,b\n1,2\n", '"id","b"', ""),
        ("a_b,ab\n1,2\n", '"a_b","ab_2"', "renamed"),
        ("only\n1\n", '"only"', ""),
    ],
)
def test_odd_headers(run: Command, tmp_path: Path, content: str, columns: str, remark: str) -> None:
    path = tmp_path / "odd-1.csv"
    path.write_text(content)
    done = run(f"\\import {path}", f"SELECT {columns} FROM odd_1")
    assert done.status == 0 and remark in done.err, done.err
    assert done.out.splitlines()[1] == ",".join("1234"[: columns.count('"') // 2])


def test_a_header_alone_makes_an_empty_stream(run: Command, tmp_path: Path) -> None:
    (tmp_path / "head.csv").write_text("a,b\n")
    done = run(f"\\import {tmp_path / 'head.csv'}", "SELECT count(*) AS n FROM head")
    assert (done.status, done.out) == (0, "n\n0\n"), done.err


def test_options_of_import(run: Command, tmp_path: Path) -> None:
    (tmp_path / "plain.csv").write_text("# made by hand\n1|x\n2|y\n")
    done = run(
        f"\\import {tmp_path}/plain.csv p (header false, skip_lines 1, delimiter '|')", "SELECT * FROM p ORDER BY 1"
    )
    assert (done.status, done.out) == (0, "f0,f1\n1,x\n2,y\n"), done.err


def test_files_in_other_encodings(run: Command, tmp_path: Path) -> None:
    text = "name,n\nBogotá,1\n“x”,2\n"
    wanted = "Bogotá,1\n“x”,2\n"
    files = {
        "mark": text.encode("utf-8-sig"), "wide": text.encode("utf-16"), "low": text.encode("utf-16-le"),
        "high": text.encode("utf-16-be"), "western": text.encode("cp1252"),
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / f"{name}.csv").write_bytes(content)
    (tmp_path / "object.json").write_bytes('{"name": "Bogotá", "n": 1}\n'.encode("utf-8-sig"))
    (tmp_path / "greek.tsv").write_bytes("name\tn\nΆρτα\t1\n".encode("iso8859-7"))
    (tmp_path / "east.csv.gz").write_bytes(gzip.compress("a;b\nŁódź;1\n".encode("iso8859-2")))
    imported = [line for name in files for line in (f"\\import {tmp_path}/{name}.csv", f"SELECT name, n FROM {name}")]
    done = run(
        *imported, f"\\import {tmp_path}/object.json", "SELECT name, n FROM object",
        f"\\import {tmp_path}/greek.tsv greek (encoding 'ISO_8859_7')", "SELECT name, n FROM greek",
        f"\\import {tmp_path}/east.csv.gz east (encoding LATIN2)", "SELECT a AS name, b AS n FROM east",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert done.out == ("name,n\n" + wanted) * len(files) + "name,n\nBogotá,1\nname,n\nΆρτα,1\nname,n\nŁódź,1\n"
    assert done.err.count("taken to be WIN1252") == 1 and done.err.count("taken to be UTF16LE") == 1
    for path, option, complaint in (
        ("western.csv", "(encoding 'morse')", 'unknown encoding "morse"'),
        ("mac.csv", "", "carriage returns alone"),
        ("nothing.csv", "", "no columns can be found"),
        ("nothing.json", "", "no columns can be found"),
        ("nothing.parquet", "", "is not a valid parquet file"),
        ("nothing.arrow", "", "is not a valid arrow file"),
    ):
        if path != "western.csv":
            (tmp_path / path).write_bytes(b"a,b\r1,2\r" if path == "mac.csv" else b"")
        done = run(f"\\import {tmp_path}/{path} other {option}")
        assert done.status == 1 and complaint in done.err, done.err
    done = run(f"COPY (SELECT 1 AS a) TO '{tmp_path}/out.csv' (ENCODING 'LATIN1')")
    assert done.status == 1 and "UTF8 alone" in done.err


def test_columns_whose_names_come_again(run: Command, tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1, 2]), pa.array(["x", None]), pa.array([0.5, 1.5])], ["a", "a", "A"])
    pq.write_table(table, tmp_path / "again.parquet")
    with pa.ipc.new_file(tmp_path / "again.arrow", table.schema) as writer:
        writer.write_table(table)
    with (tmp_path / "again.csv").open("w") as file:
        file.write("a,a,A\n1,x,0.5\n2,,1.5\n")
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "none.parquet")
    for kind in ("parquet", "arrow", "csv"):
        done = run(
            f"\\import {tmp_path}/again.{kind}", 'SELECT a, a_2, "A_3" FROM again ORDER BY a', "DROP STREAM again"
        )
        assert (done.status, done.out) == (0, "a,a_2,A_3\n1,x,0.5\n2,,1.5\n"), done.err
        assert 'columns are renamed: "a" as "a_2", "A" as "A_3"' in done.err
    done = run(f"\\import {tmp_path}/none.parquet", "SELECT count(*) AS n FROM none")
    assert (done.status, done.out) == (0, "n\n0\n"), done.err


def test_all_options_of_csv(run: Command, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text('# one\n# two\na|b|c\n1|"x\\"y"|""\n2|z|\n')
    options = "(delimiter '|', skip_lines 2, escape '\\', force_null (c))"
    done = run(
        "CREATE STREAM odd (a BIGINT, b TEXT, c TEXT)", f"\\copy odd FROM {tmp_path}/odd.csv {options}",
        "SELECT a, b, c IS NULL AS none FROM odd ORDER BY a",
    )  # fmt: skip
    assert (done.status, done.out) == (0, 'a,b,none\n1,"x""y",t\n2,z,t\n'), done.err
    assert "malformed" not in done.err


def test_what_stands_behind_copy_is_cut() -> None:
    cut = cut_copy("t (a, b) from data/x.csv with (format csv)")
    assert (cut.subject, cut.is_from, cut.path, cut.options) == ("t (a, b)", True, "data/x.csv", "with (format csv)")
    cut = cut_copy("(SELECT 'to' FROM t) TO 'it''s.csv';")
    assert (cut.subject, cut.is_from, cut.path, cut.options) == ("(SELECT 'to' FROM t)", False, "it's.csv", "")
    assert cut.statement() == "COPY (SELECT 'to' FROM t) TO 'it''s.csv'"
    assert cut_copy("t to stdout (format csv)").statement() == "COPY t TO STDOUT (format csv)"
    with pytest.raises(Error):
        cut_copy("from 'x'")


def test_names_fit() -> None:
    cases = [
        (["a", "", "a", "A", " b "], ["a", "column_2", "a_2", "A_3", "b"]),
        (["a", "a", "a_2"], ["a", "a_3", "a_2"]),
        ([" b ", "b"], ["b_2", "b"]),
        (["", "column_1"], ["column_1_2", "column_1"]),
        (["dateTime", "date_time"], ["dateTime", "date_time_2"]),
    ]
    for names, fitting in cases:
        assert fitting_names(names) == fitting
        assert [column_index(names, name) for name in fitting] == list(range(len(names)))
    assert column_index(["dateTime", "n"], "date_time") == 0 and column_index(["a"], "b") is None
