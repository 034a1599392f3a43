from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.offsets.assignment import ASSIGNORS, Assignment, TopicPartition, assign_sticky
from tests.depth import rounds

Owned = Mapping[str, Collection[TopicPartition]]
Question = tuple[dict[str, list[str]], dict[str, int], Assignment]


@st.composite
def questions(draw: st.DrawFn, same_topics: bool = False, most: int = 9) -> Question:
    """Members with topics, partitions by topic, and who owns what (also what is gone, or no longer subscribed)."""
    partitions = {f"t{i}": draw(st.integers(0, most)) for i in range(draw(st.integers(1, 3)))}
    names = [f"m{i}" for i in range(draw(st.integers(1, 5)))]
    some = st.lists(st.sampled_from([*partitions, "gone"]), unique=True)
    members = {name: list(partitions) if same_topics else draw(some) for name in names}
    owned: Assignment = {}
    for topic, count in partitions.items():
        for number in range(count + draw(st.integers(0, 1))):
            owner = draw(st.sampled_from([None, "left", *names]))
            if owner is not None:
                owned.setdefault(owner, []).append(TopicPartition(topic, number))
    return members, partitions, owned


@pytest.mark.parametrize("assignor", ASSIGNORS)
@given(questions(), st.randoms(use_true_random=False))
@settings(max_examples=rounds(60, 150))
def test_every_partition_is_at_exactly_one_member_that_subscribes(assignor: str, question: Question, rng) -> None:  # type: ignore[no-untyped-def]
    members, partitions, owned = question
    result = ASSIGNORS[assignor](members, partitions, owned)
    wanted = {topic for topics in members.values() for topic in topics}
    given_out = sorted(each for mine in result.values() for each in mine)
    assert given_out == sorted(TopicPartition(t, n) for t in wanted & set(partitions) for n in range(partitions[t]))
    assert set(result) == set(members)
    assert all(each.topic in members[member] for member, mine in result.items() for each in mine)
    assert all(mine == sorted(mine) for mine in result.values())
    shuffled = rng.sample(sorted(members.items()), len(members))
    assert ASSIGNORS[assignor](dict(shuffled), partitions, owned) == result, "the order of the question is no matter"


@pytest.mark.parametrize("assignor", ["round_robin", "sticky"])
@given(questions(same_topics=True))
@settings(max_examples=rounds(60, 150))
def test_counts_differ_by_at_most_one_when_all_subscribe_to_the_same(assignor: str, question: Question) -> None:
    counts = [len(mine) for mine in ASSIGNORS[assignor](*question).values()]
    assert max(counts) - min(counts) <= 1


@given(questions(same_topics=True))
@settings(max_examples=rounds(40, 100))
def test_range_gives_consecutive_partitions_and_counts_differ_by_one_a_topic(question: Question) -> None:
    members, partitions, owned = question
    result = ASSIGNORS["range"](members, partitions, owned)
    for topic, count in partitions.items():
        runs = [[each.partition for each in mine if each.topic == topic] for _, mine in sorted(result.items())]
        assert [number for run in runs for number in run] == list(range(count))
        assert [len(run) for run in runs] == sorted((len(run) for run in runs), reverse=True)
        assert max(map(len, runs)) - min(map(len, runs)) <= 1


@given(questions())
@settings(max_examples=rounds(80, 200))
def test_sticky_is_balanced_as_kip_54_defines_it_and_does_not_move_without_need(question: Question) -> None:
    members, partitions, owned = question
    result = assign_sticky(members, partitions, owned)
    for (source, mine), (target, theirs) in itertools.permutations(result.items(), 2):
        movable = [each for each in mine if each.topic in members[target]]
        assert len(mine) - len(theirs) <= 1 or not movable, f"{source} could give {movable} to {target}"
    assert assign_sticky(members, partitions, result) == result, "what is balanced stays"


@given(questions(same_topics=True, most=2))
@settings(max_examples=rounds(60, 150), deadline=None)
def test_sticky_moves_as_little_as_any_balanced_assignment(question: Question) -> None:
    members, partitions, owned = question
    everything = [TopicPartition(t, n) for t, count in sorted(partitions.items()) for n in range(count)]
    best = 0
    for choice in itertools.product(sorted(members), repeat=len(everything)):
        counts = [choice.count(member) for member in members]
        if max(counts) - min(counts) <= 1:
            best = max(best, _kept(zip(choice, everything, strict=True), owned))
    result = assign_sticky(members, partitions, owned)
    assert _kept(((m, each) for m, mine in result.items() for each in mine), owned) == best


def _kept(pairs, owned: Owned) -> int:  # type: ignore[no-untyped-def]
    """How many partitions are where they were."""
    return sum(each in owned.get(member, ()) for member, each in pairs)


@given(questions(same_topics=True, most=30), st.booleans())
@settings(max_examples=rounds(40, 100))
def test_sticky_leaves_others_alone_when_a_member_comes_or_goes(question: Question, comes: bool) -> None:
    members, partitions, owned = question
    before = assign_sticky(members, partitions, owned)
    changed = members | {"new": list(partitions)} if comes else dict(list(members.items())[1:])
    if not changed:
        return
    after = assign_sticky(changed, partitions, before)
    for member in set(members) & set(changed):
        lost, won = set(before[member]) - set(after[member]), set(after[member]) - set(before[member])
        assert not (lost if not comes else won), f"{member} loses {lost} and wins {won}"


def test_examples_of_kip_54() -> None:
    """The two examples of the proposal: three members of four topics of two partitions, one of which leaves; and
    members with different subscriptions.
    """
    two = {f"t{i}": 2 for i in range(4)}
    first = assign_sticky({f"C{i}": list(two) for i in range(3)}, two, {})
    assert sorted(map(len, first.values())) == [2, 3, 3]
    second = assign_sticky({"C0": list(two), "C2": list(two)}, two, first)
    assert set(first["C0"]) <= set(second["C0"]) and set(first["C2"]) <= set(second["C2"])
    assert [len(mine) for mine in second.values()] == [4, 4]
    counts = {"t0": 1, "t1": 2, "t2": 3}
    members = {"C0": ["t0"], "C1": ["t0", "t1"], "C2": ["t0", "t1", "t2"]}
    assert {m: len(mine) for m, mine in assign_sticky(members, counts, {}).items()} == {"C0": 1, "C1": 2, "C2": 3}
    result = assign_sticky({"C1": ["t0", "t1"], "C2": ["t0", "t1", "t2"]}, counts, {})
    assert {m: len(mine) for m, mine in result.items()} == {"C1": 3, "C2": 3}


def test_examples_of_kafkas_documentation() -> None:
    """Those of the Javadoc of RangeAssignor and RoundRobinAssignor."""

    def short(assignor: str, members: dict[str, list[str]], partitions: dict[str, int]) -> dict[str, str]:
        result = ASSIGNORS[assignor](members, partitions, {})
        return {member: " ".join(f"{t}p{n}" for t, n in mine) for member, mine in result.items()}

    both, threes = {"C0": ["t0", "t1"], "C1": ["t0", "t1"]}, {"t0": 3, "t1": 3}
    assert short("range", both, threes) == {"C0": "t0p0 t0p1 t1p0 t1p1", "C1": "t0p2 t1p2"}
    assert short("round_robin", both, threes) == {"C0": "t0p0 t0p2 t1p1", "C1": "t0p1 t1p0 t1p2"}
    members = {"C0": ["t0"], "C1": ["t0", "t1"], "C2": ["t0", "t1", "t2"]}
    found = short("round_robin", members, {"t0": 1, "t1": 2, "t2": 3})
    assert found == {"C0": "t0p0", "C1": "t1p0", "C2": "t1p1 t2p0 t2p1 t2p2"}
