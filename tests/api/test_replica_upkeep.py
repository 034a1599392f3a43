"""ALTER TOPIC ... REPAIR, ADD, DROP and SET REPLICAS, ELECT UNCLEAN LEADER, as an operator meets them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
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


def until(db: sqlengine.Database, wanted: Callable[[], bool]) -> None:
    """Wait until something is true and all replicas are in sync."""
    deadline = time.monotonic() + 60
    while not wanted() or rows(db, "SELECT 1 FROM system.replicas WHERE NOT in_sync"):
        assert time.monotonic() < deadline, rows(db, "SHOW REPLICAS")
        time.sleep(0.05)


def until_in(db: sqlengine.Database, wanted: list[str], partition: int = 0) -> None:
    """Wait until a partition lies there, the leader first."""
    until(db, lambda: places(db, partition) == wanted)


def until_on(db: sqlengine.Database, *wanted: set[str]) -> None:
    """Wait until the partitions lie there, whoever leads."""
    until(db, lambda: [set(places(db, number)) for number in range(len(wanted))] == [*wanted])


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
            until_on(db, {first, second})
        assert places(db, 1) == before
        assert rows(db, "SELECT count(*), sum(v) FROM s") == [(1004, 500500)]


def test_a_topic_is_replicated_to_one_directory_more_or_less(tmp_path: Path) -> None:
    with open_all(tmp_path) as db:
        db.execute("CREATE STREAM s (v BIGINT) WITH (partitions = 3, replication_factor = 1)")
        db.execute("INSERT INTO s SELECT * FROM generate_series(1, 999)")
        one = [places(db, number)[0] for number in range(3)]
        assert sorted(one) == ["a", "b", "c"]  # leaders are spread
        db.execute(f"ALTER TOPIC s ADD REPLICA '{tmp_path}/b'")
        until(db, lambda: all(len(places(db, number)) == 2 for number in range(3)))
        for number in range(3):  # the one that was there already has got another one
            assert {"b", one[number]} <= set(places(db, number))
        assert db.storage.topic("s").config.replication_factor == 2
        with pytest.raises(sqlengine.Error, match="every partition of topic .* has a replica in directory") as caught:
            db.execute(f"ALTER TOPIC s ADD REPLICA '{tmp_path}/b'")
        assert caught.value.sqlstate == "22023"
        for name in ("a", "c"):
            if any(name not in places(db, number) for number in range(3)):
                db.execute(f"ALTER TOPIC s ADD REPLICA '{tmp_path}/{name}'")
                break
        until_on(db, *[{"a", "b", "c"}] * 3)
        with pytest.raises(sqlengine.Error, match="at most 3|as many directories") as caught:
            db.execute(f"ALTER TOPIC s ADD REPLICA '{tmp_path}/c'")
        assert caught.value.sqlstate == "0A000"
        db.execute("INSERT INTO s VALUES (0)")
        for name, left in (("b", {"a", "c"}), ("a", {"c"})):
            db.execute(f"ALTER TOPIC s DROP REPLICA '{tmp_path}/{name}'")
            db.execute("INSERT INTO s VALUES (0)")
            until_on(db, *[left] * 3)
        for name, state, message in (("c", "22023", "at least 1"), ("x", "42704", "none of this storage's")):
            with pytest.raises(sqlengine.Error, match=message) as caught:
                db.execute(f"ALTER TOPIC s DROP REPLICA '{tmp_path}/{name}'")
            assert caught.value.sqlstate == state
        db.execute(f"ALTER TOPIC s ADD REPLICA '{tmp_path}/a'")
        until_on(db, *[{"a", "c"}] * 3)
        with pytest.raises(sqlengine.Error, match="no partition of topic .* has a replica in directory"):
            db.execute(f"ALTER TOPIC s DROP REPLICA '{tmp_path}/b'")
        assert rows(db, "SELECT count(*), sum(v) FROM s") == [(1002, 499500)]
    with open_all(tmp_path) as db:
        until_on(db, *[{"a", "c"}] * 3)
        assert rows(db, "SELECT count(*), sum(v) FROM s") == [(1002, 499500)]


def test_a_lost_directory_is_replaced_by_another_while_the_database_runs(tmp_path: Path) -> None:
    with open_all(tmp_path) as db:
        db.execute("CREATE STREAM s (v BIGINT) WITH (partitions = 2)")
        db.execute("INSERT INTO s SELECT * FROM generate_series(1, 1000)")
        set_aside(tmp_path, "c")
        db.execute("INSERT INTO s VALUES (0)")
        db.execute(f"ALTER SYSTEM ADD REPLICA '{tmp_path}/d'")
        db.execute(f"ALTER SYSTEM DROP REPLICA '{tmp_path}/c'")
        until_on(db, {"a", "b", "d"}, {"a", "b", "d"})
        assert [Path(str(path)).name for path, *_ in rows(db, "SHOW DIRECTORIES")] == ["a", "b", "d"]
    shutil.rmtree(tmp_path / "a")
    shutil.rmtree(tmp_path / "b")
    with sqlengine.connect(tmp_path / "d") as db:
        assert rows(db, "SELECT count(*), sum(v) FROM s") == [(1001, 500500)]


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
            ("ALTER TOPIC s ADD REPLICA ''", "22023", "empty"),
            (f"ALTER TOPIC s ADD REPLICA '{tmp_path}/x'", "42704", "none of this storage's"),
            (f"ALTER TOPIC nowhere ADD REPLICA {one}", "42P01", "does not exist"),
            (f"ALTER TOPIC s DROP REPLICA {one}, {two}", "42601", ""),
            (f"ALTER TABLE s DROP REPLICA {one}", "0A000", ""),
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
