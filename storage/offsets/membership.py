"""Membership: who is in a consumer group, and which partition is whose. A state machine: told the time, no I/O.

The protocol is that of Kafka's KIP-848 rather than of its older consumer protocol: the group computes what each
member shall have (its target) whenever members come or go or partitions are added, and members move there one by
one, so that who keeps a partition goes on reading it meanwhile (what KIP-429 calls incremental cooperative). A
partition is granted to its next owner only when the one before has said that it gave it up, or is out of the group:
no two members ever have the same. What differs: there is one number, the generation of the target, instead of an
epoch per group and per member; what a member may commit is decided by what it owns, not by a number it sends.

Members live in this process, so nothing of this is stored: after a restart groups are empty, with their offsets.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from storage.errors import GroupInUse, MemberFenced
from storage.offsets.assignment import ASSIGNORS, TopicPartition

_REMEMBERED_REASONS = 100
_TIMED_OUT = "its session timed out"
_POLL_MORE = "poll more often, or give the consumer a longer session_timeout_ms"


@dataclass(frozen=True)
class Grant:
    """What a member may have as of now, by a target of that generation; it must give up all else it has.

    `settled`: it has all of its target, so there is nothing to wait for.
    """

    generation: int
    partitions: frozenset[TopicPartition]
    settled: bool


@dataclass
class _Member:
    """One consumer; it is out of the group at `deadline_us`. `owned` it may read and commit."""

    topics: frozenset[str]
    timeout_us: int
    deadline_us: int
    instance: str | None
    owned: set[TopicPartition] = field(default_factory=set)


class Membership:
    """The members of one group. Times are microseconds of any clock that does not go back."""

    def __init__(self, group: str) -> None:
        self.group = group
        self.generation = 0
        # Goes up whenever a heartbeat could bring a member something new.
        self.changes = 0
        self._members: dict[str, _Member] = {}
        self._target: dict[str, frozenset[TopicPartition]] = {}
        self._assignor = ""
        self._partitions: dict[str, int] = {}
        self._first_partitions: dict[str, int] = {}
        self._gone: dict[str, str] = {}

    # --- asking ---

    @property
    def state(self) -> str:
        """`empty`, `rebalancing` while partitions change hands, else `stable`."""
        if not self._members:
            return "empty"
        settled = all(member.owned == self._target[name] for name, member in self._members.items())
        return "stable" if settled else "rebalancing"

    @property
    def topics(self) -> set[str]:
        """All topics that a member subscribes to."""
        return {topic for member in self._members.values() for topic in member.topics}

    def owners(self) -> dict[TopicPartition, str]:
        """Member by partition, for partitions that have one."""
        return {each: name for name, member in self._members.items() for each in member.owned}

    def check_commit(self, name: str, partitions: Iterable[TopicPartition]) -> None:
        """MemberFenced unless the member has these partitions."""
        lost = sorted(set(partitions) - self._member(name).owned)
        if lost:
            raise MemberFenced(
                f'member "{name}" of consumer group "{self.group}" does not have partition {lost[0]}',
                hint="the partition went to another member; it continues from the last commit",
            )

    def require_empty(self, action: str) -> None:
        """GroupInUse if there are members."""
        if self._members:
            raise GroupInUse(
                f'cannot {action} consumer group "{self.group}" while it has {len(self._members)} members',
                hint="close its consumers first",
            )

    # --- what members do ---

    def join(
        self,
        name: str,
        topics: Collection[str],
        *,
        assignor: str,
        timeout_us: int,
        now_us: int,
        instance: str | None = None,
    ) -> None:
        """Add a member of a new name.

        A member with the same `instance` is replaced: it is fenced and what it had is the new one's, without a
        rebalance (Kafka's static membership, KIP-345). GroupInUse if the group's members use another assignor.
        """
        if self._members and assignor != self._assignor:
            raise GroupInUse(
                f'consumer group "{self.group}" assigns by {self._assignor}, not by {assignor}',
                hint="give all consumers of a group the same assignor",
            )
        self._assignor = assignor
        member = _Member(frozenset(topics), timeout_us, now_us + timeout_us, instance)
        before = self._of_instance(instance)
        if before is not None:
            self._gone_for(before, f'another consumer joined as instance "{instance}"')
            replaced, self._target[name] = self._members.pop(before), self._target.pop(before)
            member.owned = replaced.owned
        self._members[name] = member
        if before is None or replaced.topics != member.topics:
            self._rebalance()

    def _of_instance(self, instance: str | None) -> str | None:
        """The member of an instance."""
        if instance is None:
            return None
        return next((name for name, member in self._members.items() if member.instance == instance), None)

    def heartbeat(self, name: str, owned: Collection[TopicPartition], now_us: int) -> Grant:
        """The member lives and has `owned`; what it may have from now on. MemberFenced if it is not in the group."""
        member = self._member(name)
        member.deadline_us = now_us + member.timeout_us
        if not member.owned <= set(owned):
            member.owned &= set(owned)
            self.changes += 1
        target = self._target[name]
        if not target <= member.owned:
            taken = self.owners()
            member.owned |= {each for each in target if each not in taken}
        return Grant(self.generation, frozenset(member.owned & target), member.owned == target)

    def leave(self, name: str) -> None:
        """The member goes by itself; no error if it is gone."""
        if name in self._members:
            self._remove([name], "it left")

    def expire(self, now_us: int) -> None:
        """Put out members that gave no sign of life in time."""
        late = [name for name, member in self._members.items() if member.deadline_us <= now_us]
        if late:
            self._remove(late, _TIMED_OUT)

    def next_deadline_us(self) -> int | None:
        """When the next member is out unless it gives a sign of life."""
        return min((member.deadline_us for member in self._members.values()), default=None)

    def set_partitions(self, partitions: Mapping[str, int]) -> None:
        """Numbers of partitions of the group's topics as they are now; a missing topic has none."""
        if partitions != self._partitions:
            self._partitions = dict(partitions)
            for topic, count in partitions.items():
                self._first_partitions.setdefault(topic, count)
            self._rebalance()

    def is_late(self, each: TopicPartition) -> bool:
        """Whether the partition was added while the group read its topic."""
        return each.partition >= self._first_partitions.get(each.topic, each.partition + 1)

    # --- inside ---

    def _member(self, name: str) -> _Member:
        """The member, or MemberFenced with the reason why it is none."""
        member = self._members.get(name)
        if member is None:
            reason = self._gone.get(name, "it never joined")
            raise MemberFenced(
                f'member "{name}" is not in consumer group "{self.group}": {reason}',
                hint=_POLL_MORE if reason == _TIMED_OUT else None,
                may_rejoin=reason == _TIMED_OUT,
            )
        return member

    def _remove(self, names: list[str], reason: str) -> None:
        """Take members out."""
        for name in names:
            del self._members[name]
            self._gone_for(name, reason)
        self._rebalance()

    def _gone_for(self, name: str, reason: str) -> None:
        """Remember why a member is gone, for its error message."""
        self._gone[name] = reason
        while len(self._gone) > _REMEMBERED_REASONS:
            del self._gone[next(iter(self._gone))]

    def _rebalance(self) -> None:
        """Compute the target anew, from what members have."""
        self.generation += 1
        self.changes += 1
        if not self._members:
            self._target = {}
            return
        subscribed = {name: member.topics for name, member in self._members.items()}
        owned = {name: member.owned for name, member in self._members.items()}
        result = ASSIGNORS[self._assignor](subscribed, self._partitions, owned)
        self._target = {name: frozenset(mine) for name, mine in result.items()}
