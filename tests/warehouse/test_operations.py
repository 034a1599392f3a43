"""LOAD DATA, TRUNCATE, partitions and tables that move, MSCK, ANALYZE, EXPORT and IMPORT, and what has changed."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlengine import errors
from sqlengine.warehouse import (
    DataFile,
    FileInfo,
    Overrides,
    Partition,
    Statistics,
    TableDescription,
    add_partition,
    changes,
    check_partitions,
    commit,
    drop_partitions,
    drop_table,
    exchange_partitions,
    export_table,
    find_partitions,
    from_json,
    import_table,
    load_data,
    matching,
    read_export,
    read_table,
    recover,
    rename_partition,
    rename_table,
    report,
    statistics,
    to_json,
    truncate,
    write_rows,
)
from storage.faults import FaultyEnv
from tests.warehouse.conftest import described, tuples

PIPE = {"field.delim": "|"}
PARTS = [("ds", "string"), ("hr", "int")]


def rows_of(table: TableDescription, **more: Any) -> list[tuple[Any, ...]]:
    return sorted(tuples(list(read_table(table, **more))), key=str)


def plain(path: Path, **more: Any) -> TableDescription:
    return described(path, [("a", "int"), ("b", "string")], serde_properties=PIPE, **more)


def partitioned(path: Path, **more: Any) -> TableDescription:
    return described(path, [("a", "int")], PARTS, **more)


def filled(path: Path, **more: Any) -> TableDescription:
    table = partitioned(path, **more)
    write_rows(table, [pa.record_batch({"a": [1, 2, 3, 4], "ds": ["x", "x", "y", None], "hr": [1, 2, 1, 1]})])
    return table


def names_in(path: Path) -> list[str]:
    return sorted(os.listdir(path)) if path.is_dir() else []


# ---------------------------------------------------------------- LOAD DATA


def test_files_are_copied_or_moved_and_clashes_numbered(tmp_path: Path) -> None:
    table = plain(tmp_path / "t")
    source = tmp_path / "kv.txt"
    source.write_text("1|x\n2|y\n")
    loaded = load_data(table, str(source), is_local=True)
    assert (loaded.files, loaded.num_bytes, loaded.values) == (1, 8, ()) and source.exists()
    load_data(table, str(source), is_local=True)
    load_data(table, str(source))
    assert names_in(tmp_path / "t") == ["kv.txt", "kv_copy_1.txt", "kv_copy_2.txt"] and not source.exists()
    assert rows_of(table) == [(1, "x")] * 3 + [(2, "y")] * 3
    (tmp_path / "000000_0").write_text("7|z\n")
    load_data(table, str(tmp_path / "000000_0"), is_local=True, overwrite=True)
    load_data(table, str(tmp_path / "000000_0"), is_local=True)
    assert names_in(tmp_path / "t") == ["000000_0", "000000_0_copy_1"]
    load_data(table, str(tmp_path / "000000_0"), overwrite=True)
    assert names_in(tmp_path / "t") == ["000000_0"] and rows_of(table) == [(7, "z")]


def test_directories_and_globs(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a1.txt", "a2.txt", "b1.txt", "_SUCCESS", ".hidden"):
        (tmp_path / "in" / name).write_text(f"{len(name)}|{name}\n")
    table = plain(tmp_path / "t")
    assert load_data(table, f"{tmp_path}/in/a*.txt", is_local=True).files == 2
    assert load_data(table, f"{tmp_path}/in", overwrite=True).files == 3
    assert names_in(tmp_path / "t") == ["a1.txt", "a2.txt", "b1.txt"]
    assert names_in(tmp_path / "in") == [".hidden", "_SUCCESS"]
    assert load_data(table, f"{tmp_path}/in").files == 0, "an empty directory brings nothing"
    (tmp_path / "in" / "sub").mkdir()
    with pytest.raises(errors.WrongObjectType, match="sub"):
        load_data(table, f"{tmp_path}/in")
    for nothing in (f"{tmp_path}/none", f"{tmp_path}/none*"):
        with pytest.raises(errors.FileUnavailable, match="no files match"):
            load_data(table, nothing)


def test_files_of_another_file_system_are_copied_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "_device", lambda path: 1 if "/in" in path else 2 if "/else" in path else 0)
    table = partitioned(tmp_path / "t")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "f").write_text("1\n")
    (tmp_path / "else").mkdir()
    overrides = Overrides({("z", "1"): str(tmp_path / "else")})
    load_data(table, f"{tmp_path}/in", static={"ds": "z", "hr": "1"}, overrides=overrides)
    assert names_in(tmp_path / "in") == [] and names_in(tmp_path / "else") == ["f"]
    renamed = rename_partition(table, ("z", "1"), ("y", "1"), overrides)
    assert names_in(Path(renamed.location)) == ["f"] and not (tmp_path / "else").exists()
    assert rows_of(table) == [(1, "y", 1)] and list(tmp_path.rglob(".*")) == []


def test_loading_into_partitions(tmp_path: Path) -> None:
    table = partitioned(tmp_path / "t")
    (tmp_path / "f").write_text("1\n2\n")
    with pytest.raises(errors.InvalidDefinition, match="needs the partition") as caught:
        load_data(table, str(tmp_path / "f"), static={"ds": "x"})
    assert caught.value.hint == "PARTITION (ds = ..., hr = ...)"
    loaded = load_data(table, str(tmp_path / "f"), is_local=True, static={"ds": "x y", "hr": "01"})
    assert loaded.values == ("x y", "1") and rows_of(table) == [(1, "x y", 1), (2, "x y", 1)]
    overrides = Overrides({("z", "1"): str(tmp_path / "else")})
    load_data(table, str(tmp_path / "f"), static={"ds": "z", "hr": "1"}, overrides=overrides)
    assert names_in(tmp_path / "else") == ["f"]


def test_columnar_tables_take_their_own_format_only(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("1|x\n")
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "p")
    for file_format, good in (("parquet", True), ("orc", False), ("avro", False)):
        table = plain(tmp_path / file_format, file_format=file_format)
        with pytest.raises(errors.DatatypeMismatch, match="not (Parquet|ORC|Avro)"):
            load_data(table, str(tmp_path / "f"), is_local=True)
        if good:
            load_data(table, str(tmp_path / "p"), is_local=True)
            assert rows_of(table) == [(1, "x")]


# ---------------------------------------------------------------- tables and partitions


def test_truncate(tmp_path: Path) -> None:
    table = filled(tmp_path / "t")
    truncate(table, matching(find_partitions(table), {0: "x"}))
    assert rows_of(table) == [(3, "y", 1), (4, None, 1)] and len(find_partitions(table)) == 4
    truncate(table, find_partitions(table))
    assert rows_of(table) == []
    external = filled(tmp_path / "e", is_external=True)
    with pytest.raises(errors.WrongObjectType, match="external"):
        truncate(external, find_partitions(external))
    purged = filled(tmp_path / "e", is_external=True, properties={"external.table.purge": "TRUE"})
    truncate(purged, find_partitions(purged))
    assert rows_of(purged) == []


def test_partitions_are_added_and_dropped(tmp_path: Path) -> None:
    table = filled(tmp_path / "t")
    assert add_partition(table, ("n", "5")).location == f"{tmp_path}/t/ds=n/hr=5"
    assert ("n", "5") in [p.values for p in find_partitions(table)]
    reading = read_table(table)
    next(reading)
    drop_partitions(table, matching(find_partitions(table), {0: "x"}))
    assert len(tuples(list(reading))) == 3, "who reads goes on"
    assert names_in(tmp_path / "t") == ["ds=__HIVE_DEFAULT_PARTITION__", "ds=n", "ds=y"], "with directories left empty"
    external = filled(tmp_path / "e", is_external=True)
    drop_partitions(external, find_partitions(external))
    assert len(rows_of(external)) == 4, "files of external tables stay"


def test_partitions_are_renamed(tmp_path: Path) -> None:
    table = filled(tmp_path / "t")
    reading = read_table(table)
    seen = [next(reading)]
    assert rename_partition(table, ("y", "1"), ("new", "9")).values == ("new", "9")
    assert len(tuples([*seen, *reading])) == 4
    assert rows_of(table)[2] == (3, "new", 9)
    with pytest.raises(errors.DuplicateObject, match="ds=x/hr=2"):
        rename_partition(table, ("x", "1"), ("x", "2"))
    with pytest.raises(errors.UndefinedObject, match="ds=q/hr=1"):
        rename_partition(table, ("q", "1"), ("q", "2"))


def test_partitions_are_exchanged(tmp_path: Path) -> None:
    source, target = filled(tmp_path / "s"), partitioned(tmp_path / "t")
    moved = exchange_partitions(source, target, matching(find_partitions(source), {0: "x"}))
    assert [p.values for p in moved] == [("x", "1"), ("x", "2")]
    assert rows_of(target) == [(1, "x", 1), (2, "x", 2)] and rows_of(source) == [(3, "y", 1), (4, None, 1)]
    again = filled(tmp_path / "again")
    with pytest.raises(errors.DuplicateObject, match="ds=x/hr=1"):
        exchange_partitions(again, target, find_partitions(again))
    with pytest.raises(errors.UndefinedObject, match="no such partition"):
        exchange_partitions(source, target, [])
    with pytest.raises(errors.DatatypeMismatch, match="differ"):
        exchange_partitions(source, plain(tmp_path / "p"), find_partitions(source))


def test_tables_are_dropped_and_renamed(tmp_path: Path) -> None:
    table = filled(tmp_path / "db" / "t")
    renamed = rename_table(table, f"{tmp_path}/db/u")
    assert len(rows_of(renamed)) == 4 and names_in(tmp_path / "db") == ["u"]
    (tmp_path / "db" / "v").mkdir()
    with pytest.raises(errors.DuplicateObject, match="v"):
        rename_table(renamed, f"{tmp_path}/db/v")
    reading = read_table(renamed)
    first = next(reading)
    (tmp_path / "else").mkdir()
    drop_table(renamed, Overrides({("o", "1"): str(tmp_path / "else")}))
    assert not (tmp_path / "db" / "u").exists() and not (tmp_path / "else").exists()
    assert len(tuples([first, *reading])) == 4
    assert names_in(tmp_path / "db") == ["v"]
    external = filled(tmp_path / "db" / "e", is_external=True)
    drop_table(external)
    assert len(rows_of(external)) == 4


# ---------------------------------------------------------------- the process ends


class Killed(BaseException):
    pass


Work = Callable[[TableDescription, TableDescription, Path, FaultyEnv], object]
WORKS: dict[str, Work] = {
    "load": lambda t, u, p, env: load_data(t, f"{p}/in", overwrite=True, static={"ds": "x", "hr": "1"}, env=env),
    "truncate": lambda t, u, p, env: truncate(t, find_partitions(t), env),
    "drop": lambda t, u, p, env: drop_partitions(t, matching(find_partitions(t), {0: "x"}), env),
    "rename": lambda t, u, p, env: rename_partition(t, ("x", "1"), ("w", "1"), env=env),
    "exchange": lambda t, u, p, env: exchange_partitions(t, u, matching(find_partitions(t), {0: "x"}), env=env),
    "drop table": lambda t, u, p, env: drop_table(t, env=env),
    "rename table": lambda t, u, p, env: rename_table(t, f"{p}/db/v", env),
    "export": lambda t, u, p, env: export_table(t, f"{p}/out", find_partitions(t), env),
}


@pytest.mark.parametrize("name", WORKS)
def test_whenever_the_process_ends_the_statement_is_whole(tmp_path: Path, name: str) -> None:
    original = tmp_path / "original"
    filled(original / "db" / "t")
    partitioned(original / "db" / "u")
    (original / "in").mkdir()
    for i in range(3):
        (original / "in" / f"f{i}").write_text(f"{i + 70}\n")
    states, nth, died = [], 0, True
    while died:
        nth += 1
        place = tmp_path / "place"
        shutil.copytree(original, place)
        env = FaultyEnv(str(tmp_path / "trash"), seed=nth)

        def end(env: FaultyEnv = env) -> None:
            env.broken = errno.EIO
            raise Killed

        env.plan("any", nth, end)
        table, other = partitioned(place / "db" / "t"), partitioned(place / "db" / "u")
        try:
            WORKS[name](table, other, place, env)
        except (Killed, errors.Error):
            assert env.broken is not None
        died = env.broken is not None
        env.kill()
        for location in (f"{place}/db", table.location, other.location, f"{place}/out"):
            recover(location)
        left = list(place.rglob(".*"))
        assert left == [], f"before change {nth}"
        files = {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()}
        if files not in states:
            states.append(files)
        shutil.rmtree(place)
    assert len(states) == 2 and nth > 5, f"{len(states)} states"


# ---------------------------------------------------------------- MSCK, ANALYZE, EXPORT, changes


def test_msck_tells_what_is_where(tmp_path: Path) -> None:
    table = filled(tmp_path / "t")
    for name in ("odd", "ds=x/odd=1", "ds=q", "_tmp"):
        (tmp_path / "t" / name).mkdir()
    known = [Partition(("x", "1"), f"{tmp_path}/t/ds=x/hr=1"), Partition(("gone", "1"), f"{tmp_path}/t/ds=gone/hr=1")]
    found = check_partitions(table, known)
    assert [p.values for p in found.found] == [(None, "1"), ("x", "2"), ("y", "1")]
    assert [p.values for p in found.missing] == [("gone", "1")]
    assert [os.path.relpath(path, tmp_path / "t") for path in found.odd] == ["ds=q", "ds=x/odd=1", "odd"]
    assert report(table, found) == [
        "Partitions not in metastore:\tt:ds=__HIVE_DEFAULT_PARTITION__/hr=1\tt:ds=x/hr=2\tt:ds=y/hr=1",
        "Partitions missing from filesystem:\tt:ds=gone/hr=1",
    ]
    assert report(table, check_partitions(table, find_partitions(table))) == []
    assert check_partitions(plain(tmp_path / "none"), []) == check_partitions(partitioned(tmp_path / "none"), [])


@pytest.mark.parametrize("file_format", ["textfile", "parquet", "orc", "avro", "jsonfile"])
def test_statistics(tmp_path: Path, file_format: str) -> None:
    table = filled(tmp_path / "t", file_format=file_format)
    found = statistics(table, find_partitions(table))
    assert {v: (s.num_files, s.num_rows) for v, s in found.items()} == {
        ("x", "1"): (1, 1), ("x", "2"): (1, 1), ("y", "1"): (1, 1), (None, "1"): (1, 1),
    }  # fmt: skip
    for values, each in found.items():
        (place,) = [p.location for p in find_partitions(table) if p.values == values]
        assert each.total_bytes == sum(os.path.getsize(f"{place}/{name}") for name in os.listdir(place))
    quick = statistics(table, find_partitions(table)[1:2], counts_rows=False)
    assert quick == {("x", "1"): Statistics(1, found["x", "1"].total_bytes, None)}


def test_export_and_import(tmp_path: Path) -> None:
    table = filled(tmp_path / "t", file_format="orc", properties={"k": "v"}, comment="says what")
    exported = export_table(table, f"{tmp_path}/out", find_partitions(table))
    assert names_in(tmp_path / "out") == ["_metadata", "ds=__HIVE_DEFAULT_PARTITION__", "ds=x", "ds=y"]
    found = read_export(f"{tmp_path}/out")
    assert found == exported and found.description.properties == {"k": "v"}
    target = found.description.at(f"{tmp_path}/u")
    assert len(import_table(found, target)) == 4 and rows_of(target) == rows_of(table)
    with pytest.raises(errors.DuplicateObject, match="hr=1"):
        import_table(found, target)
    with pytest.raises(errors.DatatypeMismatch, match="differs"):
        import_table(found, partitioned(tmp_path / "w"))
    with pytest.raises(errors.ObjectNotReady, match="not empty"):
        export_table(table, f"{tmp_path}/out", [])


def test_a_table_without_partitions_is_exported(tmp_path: Path) -> None:
    table = plain(tmp_path / "t")
    write_rows(table, [pa.record_batch({"a": [1], "b": ["x"]})])
    export_table(table, f"{tmp_path}/out", find_partitions(table))
    assert names_in(tmp_path / "out") == ["_metadata", "data"]
    target = plain(tmp_path / "u")
    import_table(read_export(f"{tmp_path}/out"), target)
    assert rows_of(target) == [(1, "x")]
    with pytest.raises(errors.DuplicateObject, match="rows of"):
        import_table(read_export(f"{tmp_path}/out"), target)


def test_bad_exports(tmp_path: Path) -> None:
    with pytest.raises(errors.FileUnavailable, match="no exported table"):
        read_export(str(tmp_path))
    for text in ("{", "[]", json.dumps({"version": 7}), json.dumps({"version": 1, "table": {}, "partitions": []})):
        (tmp_path / "_metadata").write_text(text)
        with pytest.raises(errors.DataCorrupted):
            read_export(str(tmp_path))


def test_descriptions_are_kept_as_json() -> None:
    table = described(
        "/t", [("a", "struct<x:decimal(5,2),y:varchar(3)>")], [("p", "date")], file_format="textfile",
        serde_properties={"field.delim": "|"}, properties={"k": "v"}, comment="c", is_external=True,
        bucket_columns=["a"], num_buckets=4,
    )  # fmt: skip
    assert from_json(json.loads(json.dumps(to_json(table))), "/t") == table


def test_files_that_come_and_go(tmp_path: Path) -> None:
    table = filled(tmp_path / "t")
    first = changes(table, [])
    assert len(first.appeared) == 4 and first.vanished == () and first.now == first.appeared
    assert changes(table, first.now).appeared == ()
    write_rows(table, [pa.record_batch({"a": [9], "ds": ["x"], "hr": [1]})], mode="overwrite")
    second = changes(table, first.now)
    assert [f.partition.values for f in second.appeared] == [("x", "1")]
    assert [f for f in first.now if f.partition.values == ("x", "1")] == list(second.vanished)
    with Path(second.now[1].file.path).open("a") as more:
        more.write("5\n")
    third = changes(table, second.now)
    assert [f.file.path for f in third.appeared] == [f.file.path for f in third.vanished] == [second.now[1].file.path]
    hidden = Overrides(hidden=frozenset([("y", "1")]))
    assert [f.partition.values for f in changes(table, third.now, hidden).vanished] == [("y", "1")]
    gone = DataFile(Partition((), "/p"), FileInfo("/p/f", 1, 1, 1))
    assert changes(plain(tmp_path / "none"), [gone]).vanished == (gone,)
