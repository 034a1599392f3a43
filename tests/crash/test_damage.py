"""Damaged checkpoint files: a view is rebuilt from its topics, or an error says which file; never a wrong answer."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import sqlengine
import storage
from tests.depth import rounds

VIEWS = {
    "counts": "SELECT k, count(*) AS c, max(x) AS m FROM s GROUP BY k",
    "joined": "SELECT s.x, t.name FROM s JOIN t ON s.k = t.k",
    "best": "SELECT k, c FROM counts ORDER BY c DESC, k LIMIT 2",
}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a checkpoint and, after it, changes that only the topics have."""
    path = tmp_path_factory.mktemp("original")
    with sqlengine.connect(path) as db:
        db.execute("CREATE STREAM s (k TEXT, x BIGINT); CREATE TABLE t (k TEXT PRIMARY KEY, name TEXT)")
        for name, query in VIEWS.items():
            db.execute(f"CREATE MATERIALIZED VIEW {name} AS {query}")
        db.insert("s", [("abcdef"[i % 6], i) for i in range(200)])
        db.execute("INSERT INTO t VALUES ('a', 'ann'), ('b', 'bo')")
    db = sqlengine.connect(path)
    db.insert("s", [("z", 1), ("z", 2)])
    db.execute("UPDATE t SET name = 'bob' WHERE k = 'b'")
    db.crash()
    return path


def checkpoint_files(path: Path) -> list[Path]:
    """The files of the newest checkpoint."""
    return sorted(p.relative_to(path) for p in path.rglob("*") if p.is_file() and "snapshots" in p.parts)


def damaged(data: bytes, rng: random.Random) -> Iterator[bytes]:
    """Versions of a file's bytes: cut, grown, zeroed, and with single bits turned over."""
    yield b""
    yield data[: len(data) // 2]
    yield data[:-1]
    yield data + b"\0"
    yield bytes(len(data))
    for _ in range(rounds(1, 6)):
        at = rng.randrange(len(data))
        yield data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


@pytest.mark.slow
def test_every_damage_is_healed_or_named(original: Path, tmp_path: Path) -> None:
    files = checkpoint_files(original)
    assert len(files) > 5, "the test must find the checkpoint"
    rng = random.Random(7)
    healed = refused = 0
    for file in files:
        for data in damaged((original / file).read_bytes(), rng):
            copy = tmp_path / "copy"
            shutil.copytree(original, copy)
            (copy / file).write_bytes(data)
            try:
                check(copy)
                healed += 1
            except sqlengine.Error as error:
                assert error.sqlstate in ("XX001", "58030"), error
                refused += 1
            shutil.rmtree(copy)
    assert healed > refused, (healed, refused)


def check(path: Path) -> None:
    """The database opens, its views are their queries, and it takes new rows."""
    with sqlengine.connect(path) as db:
        for _ in range(2):
            for name, query in VIEWS.items():
                got = sorted(db.execute(f"SELECT * FROM {name}").fetchall())
                assert got == sorted(db.execute(query).fetchall()), name
            db.insert("s", [("new", 5)])


def test_damage_that_history_cannot_heal_is_refused(original: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    with storage.Storage.open(str(copy)) as opened:
        log = opened.topic("s").partitions[0]
        log.delete_before(log.end_offset)
    file = next(f for f in checkpoint_files(copy) if f.suffix == ".arrow")
    (copy / file).write_bytes(b"")
    with pytest.raises(sqlengine.Error, match=file.name) as caught:
        sqlengine.connect(copy)
    assert caught.value.sqlstate == "XX001"
    assert "snapshots/checkpoint" in (caught.value.hint or "")
    shutil.rmtree(copy / "snapshots" / "checkpoint")
    with sqlengine.connect(copy) as db:
        assert db.execute("SELECT count(*) FROM s").fetchone() == (0,)


def test_a_missing_checkpoint_file_is_healed(original: Path, tmp_path: Path) -> None:
    for file in checkpoint_files(original):
        copy = tmp_path / "copy"
        shutil.copytree(original, copy)
        (copy / file).unlink()
        check(copy)
        shutil.rmtree(copy)
