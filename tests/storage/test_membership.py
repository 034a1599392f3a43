from __future__ import annotations

import random

import pytest

from storage.errors import GroupInUse, MemberFenced
from storage.offsets.assignment import ASSIGNORS, TopicPartition
from storage.offsets.membership import Membership

TIMEOUT_US = 1000


class World:
    """A group, and members as they see themselves: what they have, and whether they still run."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.group = Membership("g")
        self.assignor = self.rng.choice(sorted(ASSIGNORS))
        self.partitions = {"a": 3, "b": 2}
        self.group.set_partitions(self.partitions)
        self.members: dict[str, set[TopicPartition]] = {}
        self.now = 0
        self.joined = 0

    def join(self) -> None:
        name = f"m{self.joined}"
        self.joined += 1
        topics = self.rng.choice((["a", "b"], ["a", "b"], ["a"]))
        self.group.join(name, topics, assignor=self.assignor, timeout_us=TIMEOUT_US, now_us=self.now)
        self.members[name] = set()

    def beat(self, name: str) -> bool:
        """One heartbeat; the member does as it is told. True when it had nothing to do."""
        mine = self.members[name]
        try:
            grant = self.group.heartbeat(name, mine, self.now)
        except MemberFenced as error:
            assert "timed out" in str(error)
            del self.members[name]
            return False
        self.members[name] = set(grant.partitions)
        return grant.settled and mine == grant.partitions

    def check_nothing_is_had_twice(self) -> None:
        """What members believe to have; who was put out and does not know yet may believe what it likes."""
        seen: set[TopicPartition] = set()
        for name, mine in self.members.items():
            try:
                self.group.check_commit(name, mine)
            except MemberFenced as error:
                assert "timed out" in str(error), "a member in the group may commit all it has"
                continue
            assert not mine & seen
            seen |= mine

    def step(self) -> None:
        action = self.rng.random()
        self.now += self.rng.randrange(30)
        self.group.expire(self.now)
        if action < 0.1 and len(self.members) < 6:
            self.join()
        elif action < 0.15 and self.members:
            self.group.leave(name := self.rng.choice(sorted(self.members)))
            del self.members[name]
        elif action < 0.2:
            self.partitions[self.rng.choice("ab")] += 1
            self.group.set_partitions(self.partitions)
        elif action < 0.22:
            self.now += TIMEOUT_US
            self.group.expire(self.now)
        elif self.members:
            self.beat(self.rng.choice(sorted(self.members)))


def test_no_partition_has_two_owners_and_all_have_one_when_members_come_to_rest() -> None:
    for seed in range(150):
        world = World(seed)
        world.join()
        for _ in range(80):
            world.step()
            world.check_nothing_is_had_twice()
        for _ in range(4):
            quiet = [world.beat(name) for name in sorted(world.members)]
        if not world.members:
            assert world.group.state == "empty"
            continue
        assert all(quiet) and world.group.state == "stable", (
            f"seed {seed}: one round to give up, one to say so, one to take, and a quiet one"
        )
        owners = world.group.owners()
        subscribed = world.group.topics
        assert set(owners) == {TopicPartition(t, n) for t in subscribed for n in range(world.partitions[t])}
        for name, mine in world.members.items():
            assert {each for each, owner in owners.items() if owner == name} == mine


def _group(*names: str, topics: tuple[str, ...] = ("t",), partitions: int = 4) -> Membership:
    """A group whose members have what they shall have."""
    group = Membership("g")
    group.set_partitions({"t": partitions})
    mine: dict[str, frozenset[TopicPartition]] = {}
    for name in names:
        group.join(name, topics, assignor="sticky", timeout_us=TIMEOUT_US, now_us=0)
    for _ in range(2):
        for name in names:
            mine[name] = group.heartbeat(name, mine.get(name, ()), 0).partitions
    assert group.state == "stable"
    return group


def test_who_keeps_a_partition_reads_on_while_others_change_hands() -> None:
    group = _group("a", "b")
    (first, second) = sorted(p for p, name in group.owners().items() if name == "a")
    group.join("c", ["t"], assignor="sticky", timeout_us=TIMEOUT_US, now_us=0)
    assert group.state == "rebalancing"
    before = group.heartbeat("c", (), 0)
    assert not before.partitions and not before.settled, "nothing is free yet"
    group.check_commit("a", [first, second])
    grant = group.heartbeat("a", [first, second], 0)
    assert len(grant.partitions) == 1 and not grant.settled
    group.check_commit("a", [first, second])
    assert not group.heartbeat("c", (), 0).partitions, "told to give up is not given up"
    assert group.heartbeat("a", grant.partitions, 0).settled
    assert len(group.heartbeat("c", (), 0).partitions) == 1
    assert group.state == "stable"
    with pytest.raises(MemberFenced, match='member "a" of consumer group "g" does not have partition t-'):
        group.check_commit("a", [first, second])


def test_a_member_that_is_silent_loses_its_partitions_and_is_told_why() -> None:
    group = _group("a", "b")
    assert group.next_deadline_us() == TIMEOUT_US
    group.heartbeat("b", [p for p, name in group.owners().items() if name == "b"], 10)
    group.expire(TIMEOUT_US - 1)
    assert set(group.owners().values()) == {"a", "b"}
    group.expire(TIMEOUT_US)
    assert set(group.owners().values()) == {"b"}
    with pytest.raises(MemberFenced, match="its session timed out") as caught:
        group.heartbeat("a", (), TIMEOUT_US)
    assert "session_timeout_ms" in str(caught.value.hint)
    with pytest.raises(MemberFenced, match="never joined"):
        group.check_commit("z", [])
    assert len(group.heartbeat("b", group.owners(), TIMEOUT_US).partitions) == 4


def test_an_instance_that_comes_back_takes_over_without_a_rebalance() -> None:
    group = _group("a")
    group.join("i1", ["t"], assignor="sticky", timeout_us=TIMEOUT_US, now_us=0, instance="one")
    mine = group.heartbeat("a", group.owners(), 0).partitions
    group.heartbeat("a", mine, 0)
    had = group.heartbeat("i1", (), 0).partitions
    assert len(had) == 2
    generation = group.generation
    group.join("i2", ["t"], assignor="sticky", timeout_us=TIMEOUT_US, now_us=0, instance="one")
    assert group.generation == generation and group.heartbeat("i2", had, 0).partitions == had
    with pytest.raises(MemberFenced, match='another consumer joined as instance "one"'):
        group.heartbeat("i1", had, 0)
    group.join("i3", ["t", "u"], assignor="sticky", timeout_us=TIMEOUT_US, now_us=0, instance="one")
    assert group.generation == generation + 1, "other topics are a change"


def test_members_of_a_group_use_one_assignor_and_a_group_in_use_is_left_alone() -> None:
    group = _group("a")
    with pytest.raises(GroupInUse, match="assigns by sticky, not by range"):
        group.join("b", ["t"], assignor="range", timeout_us=TIMEOUT_US, now_us=0)
    with pytest.raises(GroupInUse, match='cannot drop consumer group "g" while it has 1 members'):
        group.require_empty("drop")
    group.leave("a")
    group.leave("a")
    group.require_empty("drop")
    group.join("b", ["t"], assignor="range", timeout_us=TIMEOUT_US, now_us=0)
    assert len(group.heartbeat("b", (), 0).partitions) == 4


def test_a_topic_that_goes_is_nobodys() -> None:
    group = _group("a", topics=("t", "u"))
    mine = frozenset(group.owners())
    group.set_partitions({})
    grant = group.heartbeat("a", mine, 0)
    assert grant.partitions == frozenset()
    assert group.heartbeat("a", (), 0).settled and group.owners() == {}
