"""The file connector: every format read and resumed anywhere, tailed, replayed and written."""

from __future__ import annotations

import datetime
import gzip
import json
import pathlib
from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sqlengine import errors
from sqlengine.connectors import connector, parse_options
from sqlengine.connectors.base import BadRecord, Moment, Position, Reader
from sqlengine.connectors.file.infer import infer_schema
from sqlengine.connectors.file.lines import LineBuffer
from sqlengine.connectors.file.source import FileSource
from sqlengine.connectors.file.writer import write_table
from sqlengine.types import TIMESTAMP
from tests.depth import rounds

ROWS = [
    {
        "id": i,
        "name": f"n{i}" if i % 3 else None,
        "price": i / 4,
        "at": datetime.datetime(2024, 1, 1) + datetime.timedelta(seconds=i),
    }
    for i in range(50)
]
SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string()), ("price", pa.float64()), ("at", TIMESTAMP)])
TABLE = pa.Table.from_pylist(ROWS, SCHEMA)


@pytest.fixture(autouse=True)
def closed_readers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every reader that a test opens is closed behind it."""
    opened: list[Reader] = []
    plain = FileSource.open

    def noted(self: FileSource, partition: str, position: Position | None) -> Reader:
        opened.append(plain(self, partition, position))
        return opened[-1]

    monkeypatch.setattr(FileSource, "open", noted)
    yield
    for reader in opened:
        reader.close()


def write(directory: pathlib.Path, kind: str, table: pa.Table = TABLE, stem: str = "rows") -> pathlib.Path:
    path = directory / f"{stem}.{kind}"
    if kind.startswith("json"):
        text = "".join(json.dumps(r, default=str) + "\n" for r in table.to_pylist()).encode()
    elif kind.startswith("csv"):
        out = pa.BufferOutputStream()
        pv.write_csv(table, out)
        text = out.getvalue().to_pybytes()
    elif kind == "parquet":
        pq.write_table(table, path, row_group_size=7)
        return path
    else:
        make = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
        with make(str(path), table.schema) as writer:
            for batch in table.to_batches(max_chunksize=9):
                writer.write_batch(batch)
        return path
    if kind.endswith(".gz"):
        text = gzip.compress(text)
    elif kind.endswith(".zst"):
        text = pa.compress(text, "zstd", asbytes=True)
    path.write_bytes(text)
    return path


def source(path: object, schema: pa.Schema | None = SCHEMA, **options: object) -> FileSource:
    kind = connector("file")
    return kind.source(parse_options(kind, {"path": str(path), **options}), schema)


def drain(reader: Reader, size: int = 1000, now_us: int = 0) -> tuple[list[dict], list[BadRecord]]:
    rows, bad, done = [], [], False
    while not done:
        polled = reader.poll(size, now_us)
        rows += polled.batch.to_pylist() if polled.batch is not None else []
        bad += polled.bad
        done = polled.done or (polled.batch is None and not polled.bad and polled.retry_after_us is not None)
    reader.close()
    return rows, bad


KINDS = ["json", "json.gz", "json.zst", "csv", "csv.gz", "csv.zst", "parquet", "arrow", "arrows"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("declared", [True, False])
def test_reads_all_rows(tmp_path: pathlib.Path, kind: str, declared: bool) -> None:
    files = source(write(tmp_path, kind), SCHEMA if declared else None)
    assert files.schema() == SCHEMA
    (partition,) = files.partitions()
    assert drain(files.open(partition, None), 1000) == (ROWS, [])


@pytest.mark.parametrize("kind", KINDS)
def test_resumes_at_every_position(tmp_path: pathlib.Path, kind: str) -> None:
    files = source(write(tmp_path, kind))
    (partition,) = files.partitions()
    reader, seen, position = files.open(partition, None), 0, None
    while seen < len(ROWS):
        polled = reader.poll(3, 0)
        seen += polled.batch.num_rows if polled.batch is not None else 0
        position = json.loads(json.dumps(polled.position))
        assert drain(files.open(partition, position), 11)[0] == ROWS[seen:]
    assert 0 < (reader.progress() or 1.0) <= 1


def test_duckdb_reads_the_same(tmp_path: pathlib.Path) -> None:
    for kind in ("json", "csv", "parquet"):
        path = write(tmp_path, kind)
        ours = drain(source(path, None).open(str(path), None))[0]
        theirs = duckdb.sql(f"SELECT id, name, price, \"at\" FROM '{path}'").fetchall()
        assert [tuple(r.values()) for r in ours] == theirs


def test_a_directory_and_a_glob_are_partitions_in_order(tmp_path: pathlib.Path) -> None:
    for stem in ("b", "a", "_hidden", ".hidden"):
        write(tmp_path, "json", stem=stem)
    (tmp_path / "notes.txt").write_text("x")
    wanted = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    assert source(tmp_path).partitions() == wanted
    assert source(tmp_path / "[a-z]*.json").partitions() == wanted


def test_bad_records_leave_the_rest(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'{"id":1}\n\n{"id":"x"}\r\nnonsense\n{"id":2}')
    rows, bad = drain(source(path).open(str(path), None))
    assert [r["id"] for r in rows] == [1, 2]
    assert [(b.raw, b.origin) for b in bad] == [(b'{"id":"x"}', f"{path}:10"), (b"nonsense", f"{path}:22")]


def test_csv_with_newlines_in_fields_and_another_column_order(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('extra,NAME,id\n1,"two\nlines",7\n2,,8\n3,"open,9\n')
    rows, bad = drain(source(path, pa.schema([("id", pa.int64()), ("name", pa.string())])).open(str(path), None))
    assert rows == [{"id": 7, "name": "two\nlines"}, {"id": 8, "name": None}]
    assert len(bad) == 1


def test_csv_options(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("1\t'a\tb'\n2\tNULL\n")
    schema = pa.schema([("id", pa.int64()), ("name", pa.string())])
    files = source(path, schema, header="false", delimiter="\\t", quote="'", null_string="NULL")
    assert drain(files.open(str(path), None))[0] == [{"id": 1, "name": "a\tb"}, {"id": 2, "name": None}]


ERRORS = [
    ({"path": "/nowhere/x.json"}, errors.FileUnavailable, "58P01"),
    ({"path": "/nowhere/*.json"}, errors.FileUnavailable, "58P01"),
    ({}, errors.InvalidParameter, "22023"),
    ({"path": ""}, errors.InvalidParameter, "22023"),
    ({"path": "x", "format": "xml"}, errors.InvalidParameter, "22023"),
    ({"path": "x", "speed": "2"}, errors.InvalidParameter, "22023"),
    ({"path": "x", "follow": "perhaps"}, errors.InvalidParameter, "22023"),
    ({"path": "x", "pth": "y"}, errors.InvalidParameter, "22023"),
]


@pytest.mark.parametrize(("options", "kind", "sqlstate"), ERRORS)
def test_errors_of_options(options: dict[str, str], kind: type[errors.Error], sqlstate: str) -> None:
    file = connector("file")
    with pytest.raises(kind) as error:
        file.source(parse_options(file, options), SCHEMA)
    assert error.value.sqlstate == sqlstate
    assert options.get("path", "") in error.value.message or "x" in str(options)


def test_errors_of_files(tmp_path: pathlib.Path) -> None:
    odd = tmp_path / "data.bin"
    odd.write_bytes(b"1234")
    with pytest.raises(errors.InvalidParameter):
        source(odd).open(str(odd), None)
    for kind in ("parquet", "arrow"):
        with pytest.raises(errors.DataCorrupted):
            source(odd, format=kind).open(str(odd), None)
    broken = tmp_path / "x.json.gz"
    broken.write_bytes(gzip.compress(b'{"id":1}\n' * 1000)[:50])
    with pytest.raises(errors.DataCorrupted):
        drain(source(broken).open(str(broken), None))
    with pytest.raises(errors.FileUnavailable) as gone:
        source(odd).open(str(tmp_path / "gone.json"), None)
    assert "gone.json" in gone.value.message
    for kind in ("csv", "parquet"):
        path = write(tmp_path, kind)
        with pytest.raises(errors.UndefinedColumn) as missing:
            drain(source(path, pa.schema([("nam", pa.string())])).open(str(path), None))
        assert "name" in missing.value.hint
    with pytest.raises(errors.DatatypeMismatch):
        path = tmp_path / "rows.parquet"
        source(path, pa.schema([("id", pa.list_(pa.int64()))])).open(str(path), None)


def test_values_that_do_not_fit_a_narrower_column(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, "parquet", pa.table({"id": [1, 100_000, 2]}))
    rows, bad = drain(source(path, pa.schema([("id", pa.int16())])).open(str(path), None))
    assert rows == [{"id": 1}, {"id": 2}]
    assert json.loads(bad[0].raw) == {"id": 100_000}


# --- follow


def test_follow_waits_for_the_end_of_a_line(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'{"id":1}\n{"id"')
    reader = source(path, follow="true").open(str(path), None)
    assert reader.poll(10, 0).batch.column(0).to_pylist() == [1]
    idle = reader.poll(10, 0)
    assert idle.batch is None and not idle.done and idle.retry_after_us
    with path.open("ab") as file:
        file.write(b':2}\n{"id":3}\n{')
    polled = reader.poll(10, 0)
    assert polled.batch.column(0).to_pylist() == [2, 3]
    assert polled.position["offset"] == path.stat().st_size - 1


def test_follow_reads_a_csv_that_begins_empty(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"")
    reader = source(path, pa.schema([("id", pa.int64())]), follow="true").open(str(path), None)
    assert reader.poll(10, 0).batch is None
    path.write_bytes(b"id\n")
    assert reader.poll(10, 0).batch is None
    path.write_bytes(b"id\n5\n")
    assert reader.poll(10, 0).batch.to_pylist() == [{"id": 5}]


@pytest.mark.parametrize("truncated", [True, False])
def test_follow_survives_rotation_and_truncation(tmp_path: pathlib.Path, truncated: bool) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'{"id":1}\n{"id":2}\n{"id":3}')
    reader = source(path, follow="true").open(str(path), None)
    before = reader.poll(10, 0)
    assert before.batch.num_rows == 2
    if not truncated:
        path.rename(tmp_path / "x.json.1")
    path.write_bytes(b'{"id":9}\n')
    rows = [r["id"] for _ in range(4) for p in [reader.poll(10, 0)] if p.batch for r in p.batch.to_pylist()]
    assert rows == [3, 9]
    assert drain(source(path, follow="true").open(str(path), before.position))[0][0]["id"] == 9
    with pytest.raises(errors.DataCorrupted):
        source(path).open(str(path), before.position)


def test_follow_sees_new_files(tmp_path: pathlib.Path) -> None:
    files = source(tmp_path, follow="true")
    assert files.partitions() == []
    path = write(tmp_path, "json")
    assert files.partitions() == [str(path)]


@settings(max_examples=rounds(24, 60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=60).map(lambda b: b.replace(b"a", b"\n").replace(b"b", b'"')),
    st.lists(st.integers(1, 9)),
    st.booleans(),
)
def test_lines_do_not_depend_on_chunks(data: bytes, sizes: list[int], quoted: bool) -> None:
    def cut(chunks: list[bytes]) -> tuple[list[bytes], int]:
        lines, found = LineBuffer(0, '"' if quoted else ""), []
        for chunk in chunks:
            lines.feed(chunk)
            while lines.ready:
                found += lines.take(2).records.to_pylist()
        lines.finish()
        while lines.ready:
            found += lines.take(2).records.to_pylist()
        return found, lines.offset

    chunks, at = [], 0
    for size in sizes:
        chunks.append(data[at : at + size])
        at += size
    assert cut([*chunks, data[at:]]) == cut([data])
    if not quoted:
        wanted = [line.removesuffix(b"\r") for line in data.split(b"\n")]
        assert cut([data]) == ([line for line in wanted if line], len(data))


def test_a_line_without_end_costs_one_record(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlengine.connectors.file.lines.LINE_BYTES_MAX", 100)
    monkeypatch.setattr("sqlengine.connectors.file.bytes_in.CHUNK_BYTES", 64)
    lines = LineBuffer()
    data = b'{"id":1}\n' + b"x" * 500 + b'\n{"id":2}\n'
    found: list[bytes] = []
    reports = []
    for i in range(0, len(data), 64):
        lines.feed(data[i : i + 64])
        while lines.ready:
            taken = lines.take(9)
            found += taken.records.to_pylist()
            reports += taken.too_long
    assert found == [b'{"id":1}', b'{"id":2}']
    assert [at for at, _ in reports] == [9]
    assert lines.offset == len(data)


# --- replay


def test_replay_releases_rows_as_their_times_say(tmp_path: pathlib.Path) -> None:
    write(tmp_path, "json", TABLE.slice(0, 20), "a")
    write(tmp_path, "json", TABLE.slice(20), "b")
    files = source(tmp_path, timestamp="at", speed="10")
    assert files.partitions() == ["replay"]
    reader = files.open("replay", None)
    start = 1_000_000_000
    assert [r["id"] for r in reader.poll(1000, start).batch.to_pylist()] == [0]
    nothing = reader.poll(1000, start + 50_000)
    assert nothing.batch is None and 40_000 < nothing.retry_after_us <= 50_001
    assert [r["id"] for r in reader.poll(1000, start + 300_000).batch.to_pylist()] == [1, 2, 3]
    seen, now = 4, start + 300_000
    while seen < 50:
        now += 100_000
        polled = reader.poll(1000, now)
        seen += polled.batch.num_rows if polled.batch else 0
        assert seen <= (now - start) // 100_000 + 1
        rest = drain(source(tmp_path, timestamp="at").open("replay", json.loads(json.dumps(polled.position))))[0]
        assert [r["id"] for r in rest] == list(range(seen, 50))
    assert polled.done or reader.poll(10, now).done


def test_replay_at_full_speed_and_bad_columns(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, "json")
    assert drain(source(path, timestamp="at").open("replay", None))[0] == ROWS
    with pytest.raises(errors.UndefinedColumn):
        source(path, timestamp="att")
    with pytest.raises(errors.DatatypeMismatch):
        source(path, timestamp="id")


def test_replay_hands_out_each_bad_record_once(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('x\n{"id":1,"at":"2024-01-01 00:00:00"}\n{"id":2,"at":"2024-01-01 00:00:10"}\ny\n')
    reader = source(path, timestamp="at", speed="1").open("replay", None)
    first = reader.poll(10, 0)
    assert first.batch.num_rows == 1 and len(first.bad) == 2
    rows, bad = drain(source(path, timestamp="at").open("replay", first.position))
    assert [r["id"] for r in rows] == [2] and not bad


# --- inference


def test_inference_meets_in_the_middle(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(
        '{"a":1,"b":1,"c":"x","d":[1],"e":{"x":1},"f":null}\nbad\n'
        '{"a":1.5,"b":"x","c":2,"d":[2.5],"e":{"y":"z"},"g":"2024-01-01T00:00:00"}\n'
    )
    options = parse_options(connector("file"), {"path": str(path)})
    assert infer_schema(str(path), options) == pa.schema(
        [
            ("a", pa.float64()),
            ("b", pa.string()),
            ("c", pa.string()),
            ("d", pa.list_(pa.float64())),
            ("e", pa.struct([("x", pa.int64()), ("y", pa.string())])),
            ("f", pa.string()),
            ("g", TIMESTAMP),
        ]
    )
    rows, bad = drain(source(path, None).open(str(path), None))
    assert [r["b"] for r in rows] == ["1", "x"] and len(bad) == 1


def test_inference_of_nothing(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("no\njson\n")
    with pytest.raises(errors.BadCopyFormat):
        source(path, None)


# --- sink


def sink_to(directory: pathlib.Path, **options: object) -> object:
    kind = connector("file")
    return kind.sink(parse_options(kind, {"path": str(directory), **options}), SCHEMA)


@pytest.mark.parametrize(
    "options",
    [{"format": f} for f in ("json", "csv", "parquet", "arrow")]
    + [{"format": "csv", "compression": c} for c in ("gzip", "zstd")]
    + [{"format": "parquet", "compression": c} for c in ("gzip", "zstd")]
    + [{"format": "arrow", "compression": "zstd"}],
)
def test_what_is_shown_can_be_read(tmp_path: pathlib.Path, options: dict[str, str]) -> None:
    sink = sink_to(tmp_path / "out", roll_interval="10 s", **options)
    for tick, batch in enumerate(TABLE.to_batches(max_chunksize=7)):
        sink.write(Moment(tick, tick), batch, None)
    assert read_all(tmp_path / "out") == [] and sink.due_us() == 10_000_000
    sink.show_due(9_999_999)
    assert read_all(tmp_path / "out") == []
    sink.show_due(10_000_000)
    assert read_all(tmp_path / "out") == ROWS and sink.due_us() is None
    sink.finish(for_good=True)
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_what_is_told_again_is_taken_once(tmp_path: pathlib.Path) -> None:
    sink = sink_to(tmp_path, roll_rows=3, roll_interval="none")
    for tick in (1, 2, 2, 3, 3, 2, 1):
        sink.write(Moment(tick, 0), TABLE.slice(tick - 1, 1).to_batches()[0], None)
    assert sink.due_us() == 0
    sink.show_due(0)
    for tick in (3, 4):
        sink.write(Moment(tick, 0), TABLE.slice(tick - 1, 1).to_batches()[0], None)
    assert sink.due_us() is None and read_all(tmp_path) == ROWS[:3]
    sink.finish(for_good=False)
    assert read_all(tmp_path) == ROWS[:4]


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_part_is_complete_by_its_size(tmp_path: pathlib.Path, compression: str) -> None:
    sink = sink_to(tmp_path, roll_size="100 kB", roll_interval="none", format="parquet", compression=compression)
    rows = pa.concat_tables([TABLE] * 40).combine_chunks().to_batches()[0]
    for tick in range(20):
        sink.write(Moment(tick, 0), rows, None)
        if sink.due_us() is not None:
            sink.show_due(0)
    sizes = [pq.read_table(path).num_rows for path in sorted(tmp_path.glob("part-*"))]
    assert len(sizes) > 2 and len(set(sizes)) == 1 and sizes[0] * rows.nbytes > 80_000 * rows.num_rows
    assert all(pq.ParquetFile(path).num_row_groups == 1 for path in tmp_path.glob("part-*"))


def test_rows_wait_for_the_checkpoint_that_makes_them_repeatable(tmp_path: pathlib.Path) -> None:
    sink = sink_to(tmp_path, roll_interval="0")
    batch = TABLE.to_batches()[0]
    sink.write(Moment(5, 0, is_repeatable=False), batch, None)
    sink.write(Moment(6, 0), batch, None)
    assert sink.due_us() is None
    sink.show_due(10**15)
    sink.checkpointed(4, {})
    sink.finish(for_good=False)
    assert read_all(tmp_path) == []
    sink.checkpointed(5, sink.note())
    assert sink.due_us() == 0
    sink.show_due(0)
    assert read_all(tmp_path) == ROWS * 2


def test_what_a_checkpoint_speaks_of_is_found_though_it_was_shown_meanwhile(tmp_path: pathlib.Path) -> None:
    sink = sink_to(tmp_path, roll_interval="0")
    sink.checkpointed(4, sink.note())
    sink.write(Moment(5, 0), TABLE.to_batches()[0], None)
    sink.checkpointed(5, sink.note())
    note = sink.note()
    sink.show_due(0)  # while the next one is being written
    for tick in (6, 7):
        sink.checkpointed(tick, note)
        again = sink_to(tmp_path, roll_interval="0")
        again.restore(tick, note)  # raised "the staged rows are damaged" where the log had been taken away
        again.write(Moment(5, 0), TABLE.to_batches()[0], None)
        again.show_due(0)
        assert read_all(tmp_path) == ROWS
    folder = next(tmp_path.glob(".staging-*"))
    assert list(folder.iterdir())
    for tick in (8, 9):
        sink.checkpointed(tick, sink.note())
    assert not list(folder.iterdir())


@pytest.mark.parametrize("name", ["o.json", "o.csv", "o.csv.gz", "o.parquet", "o.arrow"])
def test_write_table_writes_one_whole_file(tmp_path: pathlib.Path, name: str) -> None:
    write_table(TABLE, tmp_path / name, {"null": ""})
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert read_all(tmp_path) == ROWS
    with pytest.raises(errors.InvalidParameter):
        write_table(TABLE, tmp_path / name, {"format": "xml"})
    with pytest.raises(errors.FileUnavailable):
        write_table(TABLE, tmp_path / "nowhere" / name, {})
    assert [p.name for p in tmp_path.iterdir()] == [name]


def read_all(directory: pathlib.Path) -> list[dict]:
    try:
        files = source(directory)
    except errors.FileUnavailable:
        return []
    return [r for p in files.partitions() for r in drain(files.open(p, None))[0]]


def test_sink_weights(tmp_path: pathlib.Path) -> None:
    sink = sink_to(tmp_path)
    batch = TABLE.to_batches()[0].slice(0, 2)
    sink.write(Moment(0, 0), batch, [2, 1])
    sink.finish(for_good=False)
    assert [r["id"] for r in read_all(tmp_path)] == [0, 0, 1]
    with pytest.raises(errors.NotSupportedError):
        sink.write(Moment(1, 0), batch, [1, -1])
