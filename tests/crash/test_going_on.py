"""A query that goes on after it stood still, and is killed or canceled on the way, goes on from where it stood."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

import sqlengine
import storage
from sqlengine.runtime import fill
from tests.crash.test_left_for_later import copied

ROWS = 40
MADE = {
    "sink": "CREATE SINK made AS SELECT id FROM v WITH (connector = 'file', path = '{folder}', format = 'arrow', "
    "roll_interval = '0')",
    "stream": "CREATE STREAM made AS SELECT id FROM v",
    "view": "CREATE MATERIALIZED VIEW made AS SELECT id, count(*) AS n FROM v GROUP BY id",
}


def paused_with_rows_to_take_in(db: sqlengine.Database, kind: str, folder: Path) -> None:
    """Half of the rows came before it was paused, half after."""
    db.execute("CREATE STREAM v (id BIGINT)")
    db.insert("v", pa.table({"id": range(ROWS)}))
    db.execute(MADE[kind].format(folder=folder))
    db.execute("WAIT; CHECKPOINT; PAUSE QUERY made")
    db.insert("v", pa.table({"id": range(ROWS, 2 * ROWS)}))
    db.execute("WAIT")  # rows no tick has read yet are none it has missed


def ids(db: sqlengine.Database, kind: str, folder: Path) -> Counter[int]:
    """What the query has said of each row."""
    if kind == "sink":
        files = [pa.ipc.open_file(path).read_all() for path in folder.glob("[!._]*")]
        return Counter(i for file in files for i in file.column("id").to_pylist())
    if kind == "view":
        return Counter(dict(db.execute("SELECT id, n FROM made").fetchall()))
    return Counter(i for (i,) in db.execute("SELECT id FROM made").fetchall())


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("kind", list(MADE))
def test_nothing_is_said_twice(kind: str, background: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "STEP_ROWS_MAX", 7)
    monkeypatch.setattr(fill, "SWITCH_ROWS_MAX", 3)
    database, folder = tmp_path / "one" / "database", tmp_path / "one" / "files"
    copies: list[Path] = []
    step = fill.Fill.step

    def stepped(self: fill.Fill) -> bool:
        ended = step(self)
        if not ended:
            db._instance.checkpoints.save()
            copies.append(tmp_path / f"copy{len(copies)}")
            copied(db, tmp_path / "one", copies[-1])
        return ended

    with sqlengine.connect(database) as db:
        paused_with_rows_to_take_in(db, kind, folder)
        monkeypatch.setattr(fill.Fill, "step", stepped)
        db.execute(f"SET background_ddl = {background}; RESUME QUERY made; WAIT; CHECKPOINT")
        assert ids(db, kind, folder) == Counter(range(2 * ROWS))
    monkeypatch.setattr(fill.Fill, "step", step)
    assert len(copies) > 3
    for copy in (copies[0], copies[-1]):
        shutil.rmtree(tmp_path / "one")
        copy.rename(tmp_path / "one")
        with sqlengine.connect(database) as db:
            if not background:  # there it was acknowledged, and is known after a restart
                db.execute("RESUME QUERY made")
            db.execute("WAIT; CHECKPOINT")
            assert ids(db, kind, folder) == Counter(range(2 * ROWS))


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("kind", list(MADE))
def test_going_on_that_was_interrupted_begins_where_it_stood(
    kind: str, reopened: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "STEP_ROWS_MAX", 7)
    monkeypatch.setattr(fill, "SWITCH_ROWS_MAX", 3)
    folder = tmp_path / "files"
    step, steps = fill.Fill.step, 0

    def stepped(self: fill.Fill) -> bool:
        nonlocal steps
        steps += 1
        if not steps % 3:
            raise KeyboardInterrupt
        return step(self)

    with sqlengine.connect(tmp_path / "one") as db:
        paused_with_rows_to_take_in(db, kind, folder)
        monkeypatch.setattr(fill.Fill, "step", stepped)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                db.execute("RESUME QUERY made")
            db.execute("CHECKPOINT")
        monkeypatch.setattr(fill.Fill, "step", step)
        if reopened:
            db.close()
            db = sqlengine.connect(tmp_path / "one")
        db.execute("RESUME QUERY made; WAIT; CHECKPOINT")
        assert ids(db, kind, folder) == Counter(range(2 * ROWS))
        db.close()


@pytest.mark.parametrize("kind", list(MADE))
def test_where_no_checkpoint_can_be_written_before_it_moves_there_is_none_until_it_has_gone_on(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "STEP_ROWS_MAX", 7)
    monkeypatch.setattr(fill, "SWITCH_ROWS_MAX", 3)
    database, folder = tmp_path / "one" / "database", tmp_path / "one" / "files"
    step, refused = fill.Fill.step, 0

    def full(*_: object) -> None:
        raise storage.DiskFull("no space is left")

    def stepped(self: fill.Fill) -> bool:
        nonlocal refused
        beginning.undo()  # there is space again
        ended = step(self)
        if not ended:
            with pytest.raises(storage.StorageError, match="no checkpoint has where it stood"):
                db._instance.checkpoints.save()
            refused += 1
            if refused == 2:
                copied(db, tmp_path / "one", tmp_path / "copy")
        return ended

    with sqlengine.connect(database, checkpoint_interval_ms=0) as db:
        paused_with_rows_to_take_in(db, kind, folder)
        monkeypatch.setattr(fill.Fill, "step", stepped)
        with pytest.MonkeyPatch.context() as beginning:
            beginning.setattr(type(db._instance.storage.snapshots), "begin", full)
            db.execute("RESUME QUERY made")
        db.execute("CHECKPOINT")
        assert refused > 3 and ids(db, kind, folder) == Counter(range(2 * ROWS))
    monkeypatch.setattr(fill.Fill, "step", step)
    shutil.rmtree(tmp_path / "one")
    (tmp_path / "copy").rename(tmp_path / "one")
    with sqlengine.connect(database) as db:
        db.execute("RESUME QUERY made; WAIT; CHECKPOINT")
        assert ids(db, kind, folder) == Counter(range(2 * ROWS))
