"""ALTER TOPIC ... REPAIR, SET REPLICAS and ELECT UNCLEAN LEADER, as an operator meets them."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

import sqlengine
from storage.log.format import unpack_header

REPLICAS = (
    "SELECT directory, role FROM system.replicas WHERE topic = 's' AND partition = {} ORDER BY role DESC, directory"
)


def open_all(root: Path) -> sqlengine.Database:
    """The database in three directories."""
    return sqlengine.connect(root / "a", replicas=[root / "b", root / "c"])


def rows(db: sqlengine.Database, query: str) -> list[tuple[object, ...]]:
    """All rows of a query."""
    return [tuple(row) for row in db.execute(query).fetchall()]


def places(db: sqlengine.Database, partition: int = 0) -> list[str]:
    """Names of the directories of a partition, the leader's first."""
    return [Path(str(directory)).name for directory, _ in rows(db, REPLICAS.format(partition))]


def until_in(db: sqlengine.Database, wanted: list[str], partition: int = 0) -> None:
    """Wait until a partition lies there, in sync."""
    deadline = time.monotonic() + 60
    while places(db, partition) != wanted or rows(db, "SELECT 1 FROM system.replicas WHERE NOT in_sync"):
        assert time.monotonic() < deadline, rows(db, "SHOW REPLICAS")
        time.sleep(0.05)


def notices(db: sqlengine.Database, statement: str) -> list[str]:
    """What a statement says."""
    return list(db.execute(statement).notices)


def flip(root: Path, name: str, partition: int = 0) -> None:
    """Change a byte of the first record in one directory."""
    (path,) = (root / name).glob(f"topics/s-*/{partition}/*.log")
    data = bytearray(path.read_bytes())
    data[100] ^= 0xFF
    path.write_bytes(data)


def test_repair_finds_what_was_read_before_and_brings_it_back(tmp_path: Path) -> None:
    with open_all(tmp_path) as db:
        db.execute("CREATE STREAM s (v BIGINT) WITH (partitions = 2)")
        for first in (1, 501):  # one partition after the other
            db.execute(f"INSERT INTO s SELECT * FROM generate_series({first}, {first + 499})")
        assert notices(db, "ALTER TOPIC s REPAIR") == []
        flip(tmp_path, "b", 1)
        assert notices(db, "ALTER TOPIC s PARTITION 0 REPAIR") == []
        (told,) = notices(db, "ALTER TOPIC s REPAIR")
        assert told == f'the replica of partition 1 in directory "{tmp_path}/b" was repaired'
        shutil.rmtree(tmp_path / "c")
        assert all("in directory" in told for told in notices(db, "ALTER TOPIC s REPAIR"))
        assert not rows(db, "SELECT 1 FROM system.replicas WHERE NOT in_sync")
        assert (tmp_path / "c" / "replicas").exists()
        assert rows(db, "SELECT count(*), sum(v) FROM s") == [(1000, 500500)]
    for name in ("a", "c"):
        shutil.rmtree(tmp_path / name)
    with open_all(tmp_path) as db:
        assert rows(db, "SELECT count(*), sum(v) FROM s") == [(1000, 500500)]


def test_repair_says_what_it_cannot_do(tmp_path: Path) -> None:
    with open_all(tmp_path) as db:
        db.execute("CREATE STREAM s (v BIGINT)")
        db.execute("INSERT INTO s VALUES (1)")
        shutil.rmtree(tmp_path / "c")
        (tmp_path / "c").write_text("no directory")
        (told,) = notices(db, "ALTER TOPIC s REPAIR")
        assert told.startswith(f'the replica of partition 0 in directory "{tmp_path}/c" is still out of sync: ')


def test_damage_in_the_last_replica_is_told(tmp_path: Path) -> None:
    with open_all(tmp_path) as db:
        db.execute("CREATE STREAM s (v BIGINT) WITH (replication_factor = 1)")
        db.execute("INSERT INTO s VALUES (1)")
        (name,) = places(db)
        flip(tmp_path, name)
        with pytest.raises(sqlengine.Error) as caught:
            db.execute("ALTER TOPIC s REPAIR")
        assert caught.value.sqlstate == "XX001"


def test_a_partition_is_moved_to_the_directories_that_are_named(tmp_path: Path) -> None:
    with open_all(tmp_path) as db:
        db.execute("CREATE STREAM s (v BIGINT) WITH (partitions = 2, replication_factor = 2)")
        db.execute("INSERT INTO s SELECT * FROM generate_series(1, 1000)")
        before = places(db, 1)
        for first, second in (("b", "c"), ("c", "a"), ("a", "b"), ("b", "a")):
            db.execute(f"ALTER TOPIC s PARTITION 0 SET REPLICAS ('{tmp_path}/{first}', '{tmp_path}/{second}')")
            db.execute("INSERT INTO s VALUES (0)")
            deadline = time.monotonic() + 60
            while set(places(db)) != {first, second} or rows(db, "SELECT 1 FROM system.replicas WHERE NOT in_sync"):
                assert time.monotonic() < deadline, rows(db, "SHOW REPLICAS")
                time.sleep(0.05)
        assert places(db, 1) == before
        assert rows(db, "SELECT count(*), sum(v) FROM s") == [(1004, 500500)]


def test_what_cannot_be_asked_for_is_refused(tmp_path: Path) -> None:
    with open_all(tmp_path) as db:
        db.execute("CREATE STREAM s (v BIGINT) WITH (replication_factor = 2)")
        one, two = f"'{tmp_path}/a'", f"'{tmp_path}/b'"
        for statement, state, message in (
            (
                f"ALTER TOPIC s PARTITION 0 SET REPLICAS ({one})",
                "22023",
                "replication factor 2, and 1 directory is named",
            ),
            (f"ALTER TOPIC s PARTITION 0 SET REPLICAS ({one}, {one})", "22023", "named twice"),
            (f"ALTER TOPIC s PARTITION 0 SET REPLICAS ({one}, '')", "22023", "empty"),
            (f"ALTER TOPIC s PARTITION 0 SET REPLICAS ({one}, '{tmp_path}/x')", "42704", "none of this storage's"),
            (f"ALTER TOPIC s PARTITION 1 SET REPLICAS ({one}, {two})", "42704", "has no partition 1"),
            (f"ALTER TOPIC s PARTITION 1.5 SET REPLICAS ({one}, {two})", "42601", "invalid partition"),
            ("ALTER TOPIC s PARTITION 0 SET REPLICAS ()", "42601", ""),
            ("ALTER TOPIC s PARTITION 7 REPAIR", "42704", "has no partition 7"),
            ("ALTER TOPIC nowhere REPAIR", "42P01", "does not exist"),
            ("ALTER TOPIC s PARTITION 0 ELECT UNCLEAN LEADER", "55000", "has a leader"),
            ("ALTER TOPIC s ELECT UNCLEAN LEADER", "42601", ""),
            ("ALTER TABLE s REPAIR", "0A000", ""),
        ):
            with pytest.raises(sqlengine.Error) as caught:
                db.execute(statement)
            assert (caught.value.sqlstate, statement) == (state, statement)
            assert message in str(caught.value), statement
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (v BIGINT)")
        for statement in ("ALTER TOPIC s REPAIR", f"ALTER TOPIC s PARTITION 0 SET REPLICAS ({one})"):
            with pytest.raises(sqlengine.Error) as caught:
                db.execute(statement)
            assert (caught.value.sqlstate, caught.value.hint) == (
                "0A000",
                "open it with a list of directories as replicas first",
            )


def set_aside(root: Path, name: str) -> None:
    """Let a directory not be usable."""
    (root / name).rename(root / f"{name} aside")
    (root / name).write_text("no directory")


def bring_back(root: Path, name: str) -> None:
    """Let it be usable again."""
    (root / name).unlink()
    (root / f"{name} aside").rename(root / name)


def test_an_unclean_leader_is_elected_when_it_is_asked_for_and_says_what_is_lost(tmp_path: Path) -> None:
    elect = "ALTER TOPIC s PARTITION 0 ELECT UNCLEAN LEADER"
    with open_all(tmp_path) as db:
        db.execute("CREATE STREAM s (v BIGINT)")
        db.execute("INSERT INTO s SELECT * FROM generate_series(1, 10)")
        after = db.storage.topic("s").partitions[0].end_offset
    set_aside(tmp_path, "c")  # while the others go on
    with open_all(tmp_path) as db:
        db.execute("INSERT INTO s SELECT * FROM generate_series(11, 15)")
    bring_back(tmp_path, "c")
    set_aside(tmp_path, "a")
    damage_header(tmp_path, "b", after)
    with sqlengine.connect(tmp_path / "b") as db:
        for statement in ("SELECT count(*) FROM s", "INSERT INTO s VALUES (16)"):
            with pytest.raises(sqlengine.Error) as caught:
                db.execute(statement)
            assert (caught.value.sqlstate, statement) == ("55000", statement)
        (told,) = notices(db, elect)
        assert f"records from offset {after} on that had been committed are lost" in told
        assert told.endswith(f"cannot be used: {tmp_path}/a")
        assert rows(db, "SELECT count(*), max(v) FROM s") == [(10, 10)]
        db.execute("INSERT INTO s VALUES (16)")
        assert rows(db, "SELECT count(*), max(v) FROM s") == [(11, 16)]
        with pytest.raises(sqlengine.Error, match="has a leader"):
            db.execute(elect)
    bring_back(tmp_path, "a")
    with open_all(tmp_path) as db:  # what only it had does not come back
        until_in(db, sorted(places(db), key=lambda name: name != places(db)[0]))
        assert rows(db, "SELECT count(*), max(v) FROM s") == [(11, 16)]


def damage_header(root: Path, name: str, offset: int) -> None:
    """Change a byte of the header of the frame that begins at an offset, in one directory."""
    (path,) = (root / name).glob("topics/s-*/0/*.log")
    data = bytearray(path.read_bytes())
    position = 0
    while (header := unpack_header(memoryview(bytes(data)), position)) is not None and header.base_offset < offset:
        position += header.frame_size
    assert header is not None and header.base_offset == offset
    data[position] ^= 0xFF
    path.write_bytes(data)
    path.with_suffix(".index").unlink()  # else the header is not looked at before it is read
