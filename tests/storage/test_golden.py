from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

import storage
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
