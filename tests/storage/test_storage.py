from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import storage
from tests.storage.conftest import SCHEMA, numbers, quick, rows

ODD_NAMES = ["a", "A", "a.b", "..", "a/b", "a-b", "näme", "x.deleted", "y.tmp", " ", "%41", "\0"]


def test_topics_are_created_found_listed_and_dropped(opened: storage.Storage) -> None:
    topics = [opened.create_topic(name, SCHEMA) for name in ODD_NAMES]
    assert [topic.name for topic in opened.topics()] == sorted(ODD_NAMES)
    assert len({topic.id for topic in topics}) == len(ODD_NAMES)
    for number, topic in enumerate(topics):
        topic.partitions[0].append(rows(number, 1))
    for number, name in enumerate(ODD_NAMES):
        assert numbers(opened.topic(name).partitions[0]) == [number]
    with pytest.raises(storage.TopicExists):
        opened.create_topic("a", None)
    opened.drop_topic("a")
    with pytest.raises(storage.TopicNotFound):
        opened.topic("a")
    with pytest.raises(storage.StorageClosed):
        topics[0].partitions[0].append(rows(0, 1))


def test_topics_survive_a_restart_with_all_they_are(tmp_path: Path) -> None:
    config = storage.TopicConfig(partitions=3, durability="os", retention_ms=5, segment_bytes=8192, statistics=False)
    schema = pa.schema([pa.field("x", pa.int8(), nullable=False, metadata={"k": "v"})], metadata={"a": "b"})
    with quick(str(tmp_path)) as opened:
        before = {name: opened.create_topic(name, schema, config) for name in ODD_NAMES}
        before["bytes"] = opened.create_topic("bytes", None)
    with quick(str(tmp_path)) as opened:
        assert [topic.name for topic in opened.topics()] == sorted(before)
        for topic in opened.topics():
            old = before[topic.name]
            assert (topic.id, topic.created_ms, topic.config) == (old.id, old.created_ms, old.config)
            assert topic.schema.equals(old.schema, check_metadata=True)
            assert topic.is_bytes == (topic.name == "bytes")


def test_a_topic_made_again_is_empty_and_has_no_positions(opened: storage.Storage) -> None:
    opened.create_topic("t", SCHEMA).partitions[0].append(rows(0, 5))
    opened.offsets.commit("g", {("t", 0): 5, ("u", 0): 7})
    opened.drop_topic("t")
    again = opened.create_topic("t", pa.schema([("other", pa.string())]))
    assert again.partitions[0].end_offset == 0
    assert opened.offsets.fetch("g") == {("u", 0): 7}


def test_truncating_a_topic_keeps_its_offsets_going(opened: storage.Storage) -> None:
    topic = opened.create_topic("t", SCHEMA, storage.TopicConfig(partitions=2))
    for log in topic.partitions:
        log.append(rows(0, 5))
    opened.truncate_topic("t")
    for log in topic.partitions:
        assert (log.start_offset, log.end_offset, numbers(log)) == (5, 5, [])
        assert log.append(rows(5, 1)) == 5


def test_settings_change_while_the_topic_is_used(tmp_path: Path) -> None:
    with quick(str(tmp_path)) as opened:
        topic = opened.create_topic("t", SCHEMA)
        topic.partitions[0].append(rows(0, 5), timestamp_us=0)
        assert opened.maintain() == 0
        opened.alter_topic("t", partitions=3, retention_ms=1000, durability="sync")
        topic.partitions[2].append(rows(7, 1))
        assert opened.maintain() == 1
    with quick(str(tmp_path)) as opened:
        topic = opened.topic("t")
        assert (topic.config.retention_ms, topic.config.durability) == (1000, "sync")
        assert [log.end_offset for log in topic.partitions] == [5, 0, 1]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"partitions": 0}, storage.InvalidConfig),
        ({"partitions": 10**9}, storage.InvalidConfig),
        ({"durability": "never"}, storage.InvalidConfig),
        ({"cleanup": "burn"}, storage.InvalidConfig),
        ({"retention_ms": -1}, storage.InvalidConfig),
        ({"retention_bytes": -1}, storage.InvalidConfig),
        ({"segment_bytes": 1}, storage.InvalidConfig),
        ({"colour": 1}, storage.InvalidConfig),
        ({"replication_factor": 2}, storage.UnsupportedConfig),
        ({"min_insync_replicas": 2}, storage.InvalidConfig),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    opened: storage.Storage, changes: dict[str, object], error: type[storage.StorageError]
) -> None:
    topic = opened.create_topic("t", SCHEMA, storage.TopicConfig(partitions=1))
    with pytest.raises(error) as caught:
        opened.alter_topic("t", **changes)
    assert caught.value.sqlstate in ("22023", "0A000")
    assert topic.config == storage.TopicConfig(replication_factor=1)


def test_partitions_cannot_be_taken_away(opened: storage.Storage) -> None:
    opened.create_topic("t", SCHEMA, storage.TopicConfig(partitions=2))
    with pytest.raises(storage.InvalidConfig):
        opened.alter_topic("t", partitions=1)


@pytest.mark.parametrize("name", ["", "x" * 1000])
def test_names_that_cannot_be_a_topics_are_refused(opened: storage.Storage, name: str) -> None:
    with pytest.raises(storage.InvalidConfig):
        opened.create_topic(name, SCHEMA)


def test_a_second_process_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    script = f"import storage; storage.Storage.open({str(tmp_path)!r})"
    environment = os.environ | {"PYTHONPATH": str(Path(storage.__file__).parents[1])}
    command = [sys.executable, "-c", script]
    with quick(str(tmp_path)) as opened:
        opened.create_topic("t", SCHEMA)
        second = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert second.returncode == 1
        assert f"StorageLocked: storage directory" in second.stderr  # noqa: F541
        assert f"is in use by process {os.getpid()}" in second.stderr
        with pytest.raises(storage.StorageLocked) as caught:
            quick(str(tmp_path))
        assert (caught.value.pid, caught.value.sqlstate) == (os.getpid(), "55006")
        opened.topic("t").partitions[0].append(rows(0, 1))
    assert subprocess.run(command, env=environment).returncode == 0


def test_a_directory_of_another_format_is_refused(tmp_path: Path) -> None:
    quick(str(tmp_path)).close()
    (tmp_path / "FORMAT").write_text("sqlengine-storage 9\n")
    with pytest.raises(storage.UnknownVersion, match="sqlengine-storage 9"):
        quick(str(tmp_path))
    (tmp_path / "FORMAT").write_text("sqlengine-storage 1\n")
    quick(str(tmp_path)).close()


@pytest.mark.parametrize("name", ["topic.json", "schema-0.arrow"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_description_keeps_only_its_topic_from_opening(tmp_path: Path, name: str, damage: str) -> None:
    with quick(str(tmp_path)) as opened:
        for topic in ("a.b", "other"):
            opened.create_topic(topic, SCHEMA).partitions[0].append(rows(0, 2))
    file = next(tmp_path.glob(f"topics/a%2Eb-*/{name}"))
    data = file.read_bytes()
    if damage == "remove":
        file.unlink()
    else:
        file.write_bytes(data[:-9] if damage == "cut" else data[:40] + bytes([data[40] ^ 1]) + data[41:])
    with quick(str(tmp_path)) as opened:
        assert list(opened.damaged) == ["a.b"]
        for attempt in (lambda: opened.topic("a.b"), lambda: opened.create_topic("a.b", SCHEMA)):
            with pytest.raises(storage.CorruptFile) as caught:
                attempt()
            assert caught.value.file == str(file)
        assert numbers(opened.topic("other").partitions[0]) == [0, 1]
    file.write_bytes(data)
    with quick(str(tmp_path)) as opened:
        assert numbers(opened.topic("a.b").partitions[0]) == [0, 1]


def test_a_closed_storage_says_so(opened: storage.Storage) -> None:
    opened.create_topic("t", SCHEMA)
    opened.close()
    opened.close()
    for attempt in (lambda: opened.topic("t"), lambda: opened.create_topic("u", SCHEMA)):
        with pytest.raises(storage.StorageClosed):
            attempt()


def test_bytes_topics_take_keys_values_timestamps_and_headers(opened: storage.Storage) -> None:
    log = opened.create_topic("t", None).partitions[0]
    headers = [[{"name": "h", "value": b"\xff"}], [], None]
    columns = [[b"k", None, b""], [b"v", b"\x00" * 300, None], [1, None, 3], headers]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, storage.BYTES_SCHEMA, strict=True)]
    batch = pa.RecordBatch.from_arrays(arrays, schema=storage.BYTES_SCHEMA)
    log.append(batch)
    assert log.read(0)[0].batch.equals(batch)
    with pytest.raises(storage.UnsupportedConfig):
        opened.topic("t").evolve(SCHEMA)


def test_every_error_has_a_sqlstate_and_belongs_to_the_tree() -> None:
    errors = [getattr(storage, name) for name in storage.__all__]
    errors = [each for each in errors if isinstance(each, type) and issubclass(each, Exception)]
    assert len(errors) > 15
    for error in errors:
        assert issubclass(error, storage.StorageError)
        assert len(error.sqlstate) == 5 and error.sqlstate == error.sqlstate.upper()


def test_the_package_stands_alone() -> None:
    script = (
        "import sys, storage; storage.Storage.open(None).create_topic('t', None)\n"
        "print(sorted({'sqlengine', 'duckdb', 'sqlglot', 'lark', 'pandas', 'polars'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(storage.__file__).parents[1])}
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert found.stdout == "[]\n"


def test_settings_are_plain_frozen_values() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        storage.TopicConfig().partitions = 2  # type: ignore[misc]
