"""Replicas that are damaged at different places have everything together; what none has is named and nothing else."""

from __future__ import annotations

import random
import re
import shutil
from contextlib import closing
from pathlib import Path

import pytest

import storage
from storage.env import RealEnv
from storage.log.durable_point import DurablePoint
from storage.log.format import unpack_header
from storage.replication import union
from tests.depth import rounds
from tests.storage.conftest import numbers, rows
from tests.storage.replicated import NAMES, connect, fill, settle, topic

RECORDS = 200


def log_files(root: Path) -> list[Path]:
    return sorted(root.glob("topics/*/0/*.log"))


def frames(path: Path) -> list[tuple[int, int, int]]:
    """(position, size, base offset) of the frames in a file."""
    data, found, at = path.read_bytes(), [], 0
    while (header := unpack_header(data, at)) is not None and header.record_count:
        found.append((at, header.frame_size, header.base_offset))
        at += header.frame_size
    return found


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0x55
    path.write_bytes(data)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three replicas of a log of a few segments."""
    root = tmp_path_factory.mktemp("original")
    with connect(root) as opened:
        log = topic(opened, segment_bytes=8192)
        fill(log, RECORDS // 10)
        settle(opened)
    return root


def copied(original: Path, root: Path) -> Path:
    """At the same path: directories know theirs."""
    for name in NAMES:
        shutil.rmtree(original / name, ignore_errors=True)
        shutil.copytree(root / name, original / name)
    return original


@pytest.fixture(scope="module")
def kept(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = tmp_path_factory.mktemp("kept")
    for name in NAMES:
        shutil.copytree(original / name, kept / name)
    return kept


def harm(root: Path, kept: Path, name: str, rng: random.Random, used: set[int]) -> None:
    """Damage a frame that is whole in the others: its header, its rows, or the file that it is in."""
    places = [(path, frame) for path in log_files(kept / name) for frame in frames(path) if frame[2] not in used]
    if not places:
        return
    path, (position, size, base) = rng.choice(places)
    in_file = {offset for *_, offset in frames(path)}
    there = root / path.relative_to(kept)
    kind = rng.randrange(8)
    if kind == 0 and not in_file & used:
        used |= in_file
        there.unlink()
        return
    used.add(base)
    if there.exists():
        flip(there, position + (rng.randrange(64) if kind < 5 else rng.randrange(64, size)))


@pytest.mark.parametrize("seed", range(rounds(8, 25)))
def test_damage_at_different_places_loses_nothing(original: Path, kept: Path, seed: int) -> None:
    root, rng, used = copied(original, kept), random.Random(seed), set[int]()
    for name in NAMES:
        for _ in range(rng.randint(1, 3)):
            harm(root, kept, name, rng, used)
    with connect(root) as opened:
        log = opened.topic("t").partitions[0]
        assert numbers(log) == list(range(RECORDS))
        fill(log, 2)
        assert opened.repair_topic("t").broken == ()
    for name in rng.sample(NAMES, 2):
        shutil.rmtree(root / name)
    with connect(root) as opened:
        assert numbers(opened.topic("t").partitions[0]) == list(range(RECORDS + 20))


@pytest.mark.slow
def test_every_byte_of_a_frame(original: Path, kept: Path) -> None:
    """Of one replica any byte is wrong; of the others another frame's header is."""
    (position, size, _), *_ = frames(log_files(kept / NAMES[0])[1])
    for at in [*range(position, position + 64), *range(position + 64, position + size, 61)]:
        root = copied(original, kept)
        flip(log_files(root / NAMES[0])[1], at)
        for number, name in enumerate(NAMES[1:], 1):
            path = log_files(root / name)[1]
            flip(path, frames(path)[number][0] + 20)
        with connect(root) as opened:
            assert numbers(opened.topic("t").partitions[0]) == list(range(RECORDS)), at


def harmed_together(original: Path, kept: Path) -> tuple[Path, int, dict[Path, bytes]]:
    """Replicas that lack a record together, and others each: (root, the first offset that is lacking, files)."""
    root = copied(original, kept)
    for number, name in enumerate(NAMES):
        last, first = log_files(root / name)[-1], log_files(root / name)[0]
        flip(last, frames(last)[0][0] + 20)
        if number:
            flip(first, frames(first)[number][0] + 20)
    lacking = frames(log_files(kept / NAMES[0])[-1])[0][2]
    return root, lacking, {path: path.read_bytes().rstrip(b"\0") for path in root.rglob("*.log")}


def test_what_no_replica_has_is_named_and_nothing_is_changed(original: Path, kept: Path) -> None:
    root, lacking, before = harmed_together(original, kept)
    for _ in range(2):
        with connect(root) as opened:
            with pytest.raises(storage.StorageError) as caught:
                opened.topic("t").partitions[0].read(0)
            named = rf"none has the records from offset {lacking} to {lacking + 9} whole"
            assert re.search(named, str(caught.value))
            with pytest.raises(storage.StorageError, match=named):
                opened.repair_topic("t")
            with pytest.raises(storage.StorageError, match=named):
                opened.topic("t").partitions[0].append(rows(0, 1))
        assert {path: path.read_bytes().rstrip(b"\0") for path in root.rglob("*.log")} == before


def test_a_replica_that_comes_back_has_what_the_others_lack(original: Path, kept: Path) -> None:
    root, _, _ = harmed_together(original, kept)
    shutil.rmtree(root / NAMES[2])
    with connect(root) as opened:
        with pytest.raises(storage.StorageError, match="none has the records"):
            opened.topic("t").partitions[0].read(0)
        settle(opened, lambda: all(directory.in_use for directory in opened.directories()))
    shutil.rmtree(root / NAMES[2])  # one that was made in its place
    shutil.copytree(kept / NAMES[2], root / NAMES[2])
    with connect(root) as opened:
        assert numbers(opened.topic("t").partitions[0]) == list(range(RECORDS))
        settle(opened)


def test_an_operator_goes_on_with_what_comes_before(original: Path, kept: Path) -> None:
    root, lacking, _ = harmed_together(original, kept)
    with connect(root) as opened:
        assert opened.elect_unclean("t", 0).end_offset == lacking
        log = opened.topic("t").partitions[0]
        assert numbers(log) == list(range(lacking)), "each lacks something before that, together they do not"
        fill(log, 1)
        settle(opened)
    for name in NAMES[:2]:
        shutil.rmtree(root / name)
    with connect(root) as opened:
        assert numbers(opened.topic("t").partitions[0]) == list(range(lacking + 10))


def test_what_one_replica_has_more_was_never_committed(original: Path, kept: Path) -> None:
    """One is damaged behind the end of the other two, which were slower: they lead without it."""
    root = copied(original, kept)
    longer = log_files(root / NAMES[0])[-1]
    flip(longer, frames(longer)[-1][0] + 20)
    for name in NAMES[1:]:
        path = log_files(root / name)[-1]
        data = path.read_bytes()
        position, _, base = frames(path)[-1]
        path.write_bytes(data[:position] + bytes(len(data) - position))
        with closing(RealEnv().open(str(path.parent / "durable"))) as file:
            point = DurablePoint(file)
            known = point.load()
            assert known is not None
            for _ in range(2):
                point.save(known._replace(position=position, offset=base))
        for index in path.parent.glob("*.index"):
            index.unlink()
    with connect(root) as opened:
        log = opened.topic("t").partitions[0]
        assert numbers(log) == list(range(RECORDS - 10))
        fill(log, 1)
        settle(opened)


@pytest.mark.parametrize("left", range(5))
def test_a_crash_on_the_way_leaves_one_of_the_two(tmp_path: Path, left: int) -> None:
    """The directories that each step of taking the place leaves."""
    place = tmp_path / "0"
    old, new = place.with_name("0.replaced"), place.with_name("0.complete")
    steps = [
        {"0.building": "new", "0": "old"},
        {"0.complete": "new", "0": "old"},
        {"0.complete": "new", "0.replaced": "old"},
        {"0": "new", "0.replaced": "old"},
        {"0": "new"},
    ]
    for name, content in steps[left].items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").write_text(content)
    union.finish(RealEnv(), str(place))
    assert (place / "content").read_text() == ("old" if left == 0 else "new")
    assert not old.exists() and not new.exists() and len(list(tmp_path.iterdir())) == 1
