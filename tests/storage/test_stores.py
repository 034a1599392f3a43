from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import storage
from storage.env import RealEnv
from storage.journal import FileJournal
from tests.depth import rounds
from tests.storage.conftest import QuickEnv, quick, rows

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x), max_leaves=5)
RECORDS = st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=8)


@given(RECORDS, RECORDS, RECORDS)
@settings(max_examples=rounds(12, 30))
def test_a_journal_replays_what_was_appended_and_rewritten(first: list, second: list, third: list) -> None:
    for path in (None, tempfile.mkdtemp()):
        with quick(path) as opened:
            for record in first:
                opened.meta.append(record)
            assert opened.meta.replay() == first
        with quick(path) as opened:
            base = first if path else []
            assert opened.meta.replay() == base
            for record in second:
                opened.meta.append(record)
            assert opened.meta.replay() == base + second
            opened.meta.rewrite(third)
            opened.meta.append({"last": 1})
            assert opened.meta.replay() == [*third, {"last": 1}]


def _damaged_journals(path: Path, change: Callable[[bytes, int], bytes]) -> list[tuple[int, object]]:
    """(position, records or error) after a change of the file at each position."""
    journal = FileJournal(QuickEnv(), str(path))
    for number in range(3):
        journal.append({"number": number})
    journal.close()
    data = path.read_bytes()
    found: list[tuple[int, object]] = []
    for position in range(len(data)):
        path.write_bytes(change(data, position))
        try:
            journal = FileJournal(QuickEnv(), str(path))
        except storage.CorruptFile as error:
            found.append((position, error))
            assert path.read_bytes() == change(data, position), "corruption must not be touched"
        else:
            found.append((position, [record["number"] for record in journal.replay()]))
            journal.close()
    return found


def test_any_flipped_byte_of_a_journal_is_refused_or_harmless(scratch: Path) -> None:
    def flip(data: bytes, position: int) -> bytes:
        return data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :]

    outcomes = _damaged_journals(scratch / "j", flip)
    for position, outcome in outcomes:
        assert isinstance(outcome, storage.CorruptFile) or outcome == [0, 1, 2], position
    assert sum(isinstance(outcome, storage.CorruptFile) for _, outcome in outcomes) > 80


def test_a_journal_cut_at_any_byte_is_refused(scratch: Path) -> None:
    outcomes = _damaged_journals(scratch / "j", lambda data, position: data[:position])
    for position, outcome in outcomes[1024:]:
        padding_only = position > len(outcomes) - 8 and outcome == [0, 1, 2]
        assert isinstance(outcome, storage.CorruptFile) or padding_only, position


def test_a_torn_last_record_is_dropped(scratch: Path) -> None:
    path = scratch / "j"
    journal = FileJournal(QuickEnv(), str(path))
    journal.append({"number": 0})
    before = path.read_bytes()
    journal.append({"number": 1})
    journal.close()
    after = path.read_bytes()
    for cut in range(len(before), len(after.rstrip(b"\0"))):
        path.write_bytes(before + after[len(before) : cut])
        journal = FileJournal(QuickEnv(), str(path))
        assert journal.replay() == [{"number": 0}]
        journal.append({"number": 2})
        journal.close()
        journal = FileJournal(QuickEnv(), str(path))
        assert journal.replay() == [{"number": 0}, {"number": 2}]
        journal.close()


def test_offsets_are_committed_fetched_and_forgotten(tmp_path: Path) -> None:
    with quick(str(tmp_path)) as opened:
        opened.offsets.commit("g", {("t", 0): 5, ("t", 1): 7}, "first")
        opened.offsets.commit("g", {("t", 1): 9, ("u", 0): 1}, "second")
        opened.offsets.commit("h", {})
        opened.offsets.commit("gone", {("t", 0): 1})
        opened.offsets.delete("gone")
        opened.offsets.delete("never was")
    with quick(str(tmp_path)) as opened:
        assert opened.offsets.fetch("g") == {("t", 0): 5, ("t", 1): 9, ("u", 0): 1}
        assert (opened.offsets.metadata("g"), opened.offsets.metadata("gone")) == ("second", "")
        assert opened.offsets.groups() == ["g", "h"]
        assert opened.offsets.fetch("gone") == {}


def test_the_offset_journal_does_not_grow_without_end(tmp_path: Path) -> None:
    with quick(str(tmp_path)) as opened:
        for number in range(3000):
            opened.offsets.commit(f"g{number % 3}", {("t", 0): number}, "m")
    assert (tmp_path / "offsets.journal").stat().st_size < 200_000
    with quick(str(tmp_path)) as opened:
        assert [opened.offsets.fetch(f"g{n}")["t", 0] for n in range(3)] == [2997, 2998, 2999]


def _tables(number: int) -> dict[str, pa.Table]:
    return {"a/b": pa.table(rows(number, 1000)), "empty": pa.table({"x": pa.array([], pa.int8())}), "ü": pa.table({})}


def test_the_newest_snapshot_is_found_again(opened: storage.Storage) -> None:
    assert opened.snapshots.latest("s") is None
    for number in range(5):
        opened.snapshots.write("s", _tables(number), {"tick": number})
        opened.snapshots.write("../x y.z", _tables(7), {})
        found = opened.snapshots.latest("s")
        assert found is not None
        manifest, tables = found.manifest, found.tables
        assert manifest == {"tick": number}
        assert {name: table.to_pydict() for name, table in tables.items()} == {
            name: table.to_pydict() for name, table in _tables(number).items()
        }
    assert opened.snapshots.names() == ["../x y.z", "s"]
    opened.snapshots.delete("s")
    opened.snapshots.delete("s")
    assert opened.snapshots.latest("s") is None and opened.snapshots.latest("../x y.z") is not None


def test_snapshots_survive_a_restart_and_only_two_are_kept(tmp_path: Path) -> None:
    for number in range(4):
        with quick(str(tmp_path)) as opened:
            opened.snapshots.write("s", _tables(number), {"tick": number})
    assert len(list(tmp_path.glob("snapshots/s/*"))) == 2
    with quick(str(tmp_path)) as opened:
        found = opened.snapshots.latest("s")
        assert found is not None and found.manifest == {"tick": 3}
        assert found.tables["a/b"].equals(_tables(3)["a/b"])


@pytest.mark.parametrize("name", ["manifest.json", "0.arrow", "1.arrow"])
def test_a_damaged_snapshot_is_passed_over(tmp_path: Path, name: str) -> None:
    with quick(str(tmp_path)) as opened:
        for number in range(2):
            opened.snapshots.write("s", _tables(number), {"tick": number})
    newest, older = (sorted(tmp_path.glob(f"snapshots/s/*/{name}"))[n] for n in (-1, 0))
    data = newest.read_bytes()
    with quick(str(tmp_path)) as opened:
        for damaged in (data[:-1], b"", data[:60] + bytes([data[60] ^ 1]) + data[61:], None):
            newest.unlink() if damaged is None else newest.write_bytes(damaged)
            found = opened.snapshots.latest("s")
            assert found is not None and found.manifest == {"tick": 0}
        older.write_bytes(b"")
        with pytest.raises(storage.CorruptFile):
            opened.snapshots.latest("s")
        opened.snapshots.write("s", _tables(9), {"tick": 9})
        again = opened.snapshots.latest("s")
        assert again is not None and again.manifest == {"tick": 9}


def test_tables_of_a_snapshot_outlive_it(tmp_path: Path) -> None:
    with quick(str(tmp_path)) as opened:
        opened.snapshots.write("s", _tables(1), {})
        found = opened.snapshots.latest("s")
        assert found is not None
        for number in range(3):
            opened.snapshots.write("s", _tables(number), {})
        opened.snapshots.delete("s")
    assert found.tables["a/b"].equals(_tables(1)["a/b"])


def _write(opened: storage.Storage, number: int, kept: storage.Snapshot | None, fresh: str) -> storage.Snapshot:
    """A snapshot with one fresh table beside all tables of an earlier one."""
    writer = opened.snapshots.begin("s")
    for table, stored in ({} if kept is None else kept.stored).items():
        writer.keep(table, stored)
    added = writer.add(fresh, rows(0, 1).schema)
    for first in range(3):
        added.append(rows(number + first, 2))
    added.finish()
    writer.commit({"tick": number})
    found = opened.snapshots.latest("s")
    assert found is not None and found.manifest == {"tick": number}
    return found


def test_a_snapshot_shares_the_tables_it_keeps(opened: storage.Storage) -> None:
    found = None
    for number in range(6):
        found = _write(opened, number, found, f"t{number}")
        assert sorted(found.tables) == [f"t{n}" for n in range(number + 1)]
        for n in range(number + 1):
            batches = [rows(n + first, 2) for first in range(3)]
            assert found.tables[f"t{n}"].equals(pa.Table.from_batches(batches))


def test_files_that_no_kept_snapshot_has_are_removed(tmp_path: Path) -> None:
    home = tmp_path / "snapshots/s"
    with quick(str(tmp_path)) as opened:
        found = None
        for number in range(5):
            found = _write(opened, number, found, f"t{number}")
        assert found is not None
        assert len(list(home.glob("*/manifest.json"))) == 2 and len(list(home.glob("*/*.arrow"))) == 5
        alone = dataclasses.replace(found, stored={"t1": found.stored["t1"]})
        for number in (5, 6):
            _write(opened, number, alone, f"t{number}")
        assert len(list(home.glob("*/*.arrow"))) == 3 and len(list(home.glob("*"))) == 3
    with quick(str(tmp_path)) as opened:
        again = opened.snapshots.latest("s")
        assert again is not None and sorted(again.tables) == ["t1", "t6"]
        assert again.tables["t1"].equals(found.tables["t1"])


def test_a_snapshot_that_is_discarded_leaves_nothing(tmp_path: Path) -> None:
    with quick(str(tmp_path)) as opened:
        found = _write(opened, 1, None, "a")
        writer = opened.snapshots.begin("s")
        writer.keep("a", found.stored["a"])
        added = writer.add("b", rows(0, 1).schema)
        added.append(rows(0, 5))
        writer.discard()
        assert len(list((tmp_path / "snapshots/s").glob("*"))) == 1
        again = opened.snapshots.latest("s")
        assert again is not None and sorted(again.tables) == ["a"]


def test_a_table_written_again_takes_the_place_of_the_first(opened: storage.Storage) -> None:
    writer = opened.snapshots.begin("s")
    for first in (0, 7):
        added = writer.add("a", rows(0, 1).schema)
        added.append(rows(first, 5))
        added.finish()
    writer.commit({})
    found = opened.snapshots.latest("s")
    assert found is not None and found.tables["a"].equals(pa.table(rows(7, 5)))


def test_a_name_with_files_but_no_manifest_is_damaged(tmp_path: Path) -> None:
    with quick(str(tmp_path)) as opened:
        _write(opened, 1, None, "a")
        for manifest in tmp_path.glob("snapshots/s/*/manifest.json"):
            manifest.unlink()
        with pytest.raises(storage.CorruptFile):
            opened.snapshots.latest("s")


def test_the_real_env_says_what_is_missing(tmp_path: Path) -> None:
    env = RealEnv()
    with pytest.raises(FileNotFoundError):
        env.open(str(tmp_path / "nothing"))
    assert env.list(str(tmp_path / "nothing")) == []
    env.remove(str(tmp_path / "nothing"))
    assert len(env.random_bytes(16)) == 16 and env.now_us() > 1_600_000_000_000_000
