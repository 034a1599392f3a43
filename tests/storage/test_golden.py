from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

import storage
from tests.storage.conftest import SCHEMA, numbers, rows
from tests.storage.golden import make_v1_transactions
from tests.storage.golden.make_v1 import HERE, FixedEnv, batch, main, plain


def _files(path: Path) -> dict[str, bytes]:
    """All files below `path` by name, with the content of those that are all our own (not pyarrow's)."""
    found = [file for file in path.rglob("*") if file.is_file() and file.name != "LOCK"]
    own = {".index", ".journal", ".json", ""}
    plain_files = {file for file in found if file.suffix in own and file.name != "manifest.json"}
    return {str(file.relative_to(path)): file.read_bytes() if file in plain_files else b"" for file in found}


def test_files_of_format_1_are_still_read(tmp_path: Path) -> None:
    shutil.copytree(HERE / "v1", tmp_path / "v1")
    with storage.Storage.open(str(tmp_path / "v1")) as opened:
        log = opened.topic("plain.rows").partitions[0]
        frames = log.read(2)
        assert pa.Table.from_batches([frame.batch for frame in frames]).equals(pa.table(plain(2, 2702)))
        assert frames[1].statistics["n"] == storage.ColumnStatistics(3, 2402, 0)
        assert {frame.append_timestamp_us for frame in frames} == {FixedEnv().now_us()}
        assert log.append(plain(2404, 300), producer=storage.BatchId(9, 1, 2404)) == 2404
        assert log.append(plain(0, 1), producer=storage.BatchId(9, 1, 2704)) == 2704
        assert opened.topic("with dictionary").partitions[0].read(0)[0].batch.equals(batch(0, 10))
        assert opened.topic("bytes").is_bytes
        assert opened.offsets.fetch("group") == {("plain.rows", 0): 2404}
        assert opened.meta.replay() == [{"create": "view"}]
        newest = opened.snapshots.latest("state")
        assert (
            newest is not None and newest.manifest == {"tick": 3} and newest.tables["t"].equals(pa.table(plain(0, 5)))
        )


def test_the_same_work_still_writes_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.storage.golden.make_v1.HERE", tmp_path)
    main()
    assert _files(tmp_path / "v1") == _files(HERE / "v1")


def test_transactions_of_format_1_are_still_read(tmp_path: Path) -> None:
    """Frames, markers and decisions of a killed process: what is open is aborted, what is prepared can be decided."""
    shutil.copytree(HERE / "v1_transactions", tmp_path / "data")
    debits = [*range(5), *range(100, 160), *range(5, 65)]
    with storage.Storage.open(str(tmp_path / "data")) as opened:
        logs = [opened.topic(name).partitions[0] for name in ("debits", "credits")]
        assert [numbers(log) for log in logs] == [debits, [200, 201, 202]]
        everything = [n for f in logs[0].read(0, isolation="read_uncommitted") for n in f.batch.column("n").to_pylist()]
        assert everything == [*range(5), *range(100, 160), *range(300, 360), *range(5, 65), *range(500, 504), 700, 701]
        assert opened.offsets.fetch("group") == {("debits", 0): 5}
        (waiting,) = opened.transactions.unfinished()
        assert (waiting.name, waiting.state) == ("job 7", "prepared")
        logs[0].append(rows(65, 1))
        assert numbers(logs[0]) == debits, "what came after the prepared transaction waits for it"
        opened.transactions.prepared(waiting.id).commit()
        assert [numbers(log) for log in logs] == [[*debits, *range(500, 504), 65], [200, 201, 202, *range(600, 604)]]
    with storage.Storage.open(str(tmp_path / "data")) as opened:
        assert numbers(opened.topic("credits").partitions[0]) == [200, 201, 202, *range(600, 604)]
        assert opened.transactions.unfinished() == [] and opened.topic("debits").schema == SCHEMA


def test_the_same_transactions_still_write_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_v1_transactions, "HERE", tmp_path)
    make_v1_transactions.main()
    assert _files(tmp_path / "v1_transactions") == _files(HERE / "v1_transactions")
