"""Which member of a consumer group reads which partition: range, round robin, sticky. Pure functions.

All take the subscriptions (member -> topics), the number of partitions of each topic, and what each member has
now; all return what each member shall have: every partition of a subscribed topic exactly once, at members that
subscribe to its topic, the same answer for the same question whatever the order it is asked in. Must not know
offsets, time, or how a partition changes hands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple


class TopicPartition(NamedTuple):
    """A partition of a topic, by name and number."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


Subscriptions = Mapping[str, Collection[str]]
"""Topics by member."""

Assignment = dict[str, list[TopicPartition]]
"""Partitions by member, each list sorted; members without partitions are there, too."""

Assign = Callable[[Subscriptions, Mapping[str, int], Mapping[str, Collection[TopicPartition]]], Assignment]


def assign_range(
    members: Subscriptions, partitions: Mapping[str, int], owned: Mapping[str, Collection[TopicPartition]]
) -> Assignment:
    """Topic by topic, consecutive partitions to the members in the order of their names.

    The first members get one more where the division leaves a rest. As Kafka's RangeAssignor: partitions of the
    same number of topics with as many partitions meet at one member, which is what joins by key want.
    """
    result: Assignment = {member: [] for member in sorted(members)}
    for topic in _topics(members, partitions):
        readers = [member for member in result if topic in members[member]]
        each, rest = divmod(partitions[topic], len(readers))
        first = 0
        for place, member in enumerate(readers):
            end = first + each + (place < rest)
            result[member] += (TopicPartition(topic, number) for number in range(first, end))
            first = end
    return result


def assign_round_robin(
    members: Subscriptions, partitions: Mapping[str, int], owned: Mapping[str, Collection[TopicPartition]]
) -> Assignment:
    """All partitions in order, dealt to the members in turn; who does not subscribe to the topic is passed over.

    As Kafka's RoundRobinAssignor: counts differ by at most one when all subscribe to the same topics.
    """
    result: Assignment = {member: [] for member in sorted(members)}
    names = list(result)
    turn = 0
    for topic in _topics(members, partitions):
        for number in range(partitions[topic]):
            while topic not in members[names[turn % len(names)]]:
                turn += 1
            result[names[turn % len(names)]].append(TopicPartition(topic, number))
            turn += 1
    return result


def assign_sticky(
    members: Subscriptions, partitions: Mapping[str, int], owned: Mapping[str, Collection[TopicPartition]]
) -> Assignment:
    """As balanced as may be, then as few partitions as may be change hands: KIP-54's two promises.

    Balanced: no partition could go to a member that has two or more fewer than its owner. What a member owns it
    keeps; what nobody owns goes to who has the fewest; then partitions go one by one from who has the most to who
    has the fewest of those who can take one. When all subscribe to the same topics no balanced assignment moves
    fewer (the tests try them all). Unlike Kafka's, which remembers ownership by generation to settle claims of two
    members to one partition, this is told what each member really owns, which never overlaps.
    """
    result = _kept(members, partitions, owned)
    readers = {topic: [m for m in result if topic in members[m]] for topic in _topics(members, partitions)}
    given = {each for mine in result.values() for each in mine}
    free = [TopicPartition(t, number) for t in readers for number in range(partitions[t])]
    # Topics with few readers first: their partitions have the least choice.
    for each in sorted((p for p in free if p not in given), key=lambda p: (len(readers[p.topic]), p)):
        result[min(readers[each.topic], key=lambda m: len(result[m]))].append(each)
    while (move := _improvement(result, readers)) is not None:
        source, target, each = move
        result[source].remove(each)
        result[target].append(each)
    return {member: sorted(mine) for member, mine in result.items()}


def _kept(
    members: Subscriptions, partitions: Mapping[str, int], owned: Mapping[str, Collection[TopicPartition]]
) -> Assignment:
    """What members own of the partitions that exist and that they still subscribe to."""
    return {
        member: sorted(
            each
            for each in owned.get(member, ())
            if each.topic in members[member] and each.partition < partitions.get(each.topic, 0)
        )
        for member in sorted(members)
    }


def _improvement(result: Assignment, readers: Mapping[str, list[str]]) -> tuple[str, str, TopicPartition] | None:
    """(from, to, partition) of a move that makes `result` more balanced, None if it is balanced.

    Of all such moves one from the member with the most; its latest partition, so that the early ones stay.
    """
    for source in sorted(result, key=lambda m: -len(result[m])):
        topics = {each.topic for each in result[source]}
        takers = {taker for topic in topics for taker in readers[topic]}
        fitting = [t for t in sorted(takers) if len(result[t]) + 2 <= len(result[source])]
        if fitting:
            target = min(fitting, key=lambda m: len(result[m]))
            return source, target, max(each for each in result[source] if target in readers[each.topic])
    return None


def _topics(members: Subscriptions, partitions: Mapping[str, int]) -> list[str]:
    """The topics that exist and that somebody subscribes to, sorted."""
    wanted = {topic for topics in members.values() for topic in topics}
    return sorted(topic for topic in wanted if partitions.get(topic))


ASSIGNORS: dict[str, Assign] = {
    "range": assign_range,
    "round_robin": assign_round_robin,
    "sticky": assign_sticky,
}
"""By the name a consumer asks for."""
