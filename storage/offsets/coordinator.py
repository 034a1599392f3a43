"""GroupCoordinator: the consumer groups of a storage: their members, and their committed offsets.

Puts together `membership` (who has which partition) and `store` (how far it was read). Consumers are its callers;
a server for remote ones would be another. All methods may be called from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from storage.env import Env
from storage.errors import GroupNotFound, InvalidConfig, OffsetOutOfRange, TopicNotFound
from storage.log.arrivals import Arrivals
from storage.log.log import Log
from storage.offsets.assignment import TopicPartition
from storage.offsets.membership import Grant, Membership
from storage.offsets.places import Place
from storage.offsets.store import OffsetStore

RESERVED_PREFIX = "$"
"""Names of groups that begin so belong to the layer above: connectors keep their positions there."""

_MAX_NAME = 255


class GroupPartition(NamedTuple):
    """One partition of a group. `member` has it now; `committed`, `end` and `lag` are offsets and a number of
    records, None where nothing is committed or the topic is gone; `state` is the group's.
    """

    group: str
    topic: str
    partition: int
    member: str | None
    committed: int | None
    end: int | None
    lag: int | None
    state: str


class GroupMember(NamedTuple):
    """Who commits: a member of a group, or a consumer without members beside it (None)."""

    group: str
    member: str | None = None


class GroupCoordinator:
    """Groups by name; a group exists while it has members or committed offsets."""

    def __init__(
        self, env: Env, offsets: OffsetStore, partitions_of: Callable[[str], Sequence[Log]], arrivals: Arrivals
    ) -> None:
        """`partitions_of` gives the logs of a topic, none for an unknown one."""
        self._env = env
        self._offsets = offsets
        self._partitions_of = partitions_of
        self._arrivals = arrivals
        # Held for moments only, and never while waiting for the offset store, which asks back with its lock held.
        self._lock = threading.RLock()
        self._groups: dict[str, Membership] = {}

    # --- members ---

    def join(
        self,
        group: str,
        topics: Collection[str],
        *,
        client: str,
        assignor: str,
        session_timeout_ms: int,
        instance: str | None = None,
    ) -> str:
        """Become a member that reads `topics`; returns its name, which begins with `client`."""
        check_group_name(group)
        name = f"{client}-{self._env.random_bytes(8).hex()}"
        with self._lock:
            membership = self._groups.setdefault(group, Membership(group))
            timeout_us = session_timeout_ms * 1000
            now_us = self._env.now_us()
            membership.expire(now_us)
            membership.join(name, topics, assignor=assignor, timeout_us=timeout_us, now_us=now_us, instance=instance)
            self._refresh(membership)
        self._arrivals.signal()
        return name

    def heartbeat(self, group: str, member: str, owned: Collection[TopicPartition]) -> Grant:
        """See `Membership.heartbeat`; also notes partitions that were added and members that are silent."""
        with self._lock:
            membership = self._known(group)
            before = membership.changes
            membership.expire(self._env.now_us())
            self._refresh(membership)
            grant = membership.heartbeat(member, owned, self._env.now_us())
            changed = membership.changes != before
        if changed:
            self._arrivals.signal()
        return grant

    def leave(self, group: str, member: str) -> None:
        """The member goes by itself."""
        with self._lock:
            membership = self._known(group)
            membership.leave(member)
            self._refresh(membership)
        self._arrivals.signal()

    def changes(self, group: str) -> int:
        """A number that goes up whenever a heartbeat could bring a member something new."""
        return self._known(group).changes

    def is_late(self, group: str, each: TopicPartition) -> bool:
        """Whether the partition was added while the group read its topic."""
        return self._known(group).is_late(each)

    def _known(self, group: str) -> Membership:
        """The membership of a group; one without members if there was none."""
        return self._groups.get(group) or Membership(group)

    def _refresh(self, membership: Membership) -> None:
        """Tell a group how many partitions its topics have now."""
        counts = {topic: len(self._partitions_of(topic)) for topic in membership.topics}
        membership.set_partitions({topic: count for topic, count in counts.items() if count})

    # --- offsets ---

    def committed(self, group: str) -> dict[TopicPartition, int]:
        """Committed offsets of a group, after all commits that were accepted before."""
        return {TopicPartition(*key): offset for key, offset in self._offsets.fetch(group).items()}

    def commit(self, group: str, member: str | None, positions: Mapping[TopicPartition, int]) -> None:
        """Store the offsets of the next records to read, durably.

        Raises MemberFenced unless the member has all these partitions; without a member GroupInUse if the group
        has any (as Kafka does for consumers that assign themselves); TopicNotFound, OffsetOutOfRange.
        """
        allowed = self.commit_check(GroupMember(group, member), positions)
        allowed()
        if not positions:
            return
        self._offsets.commit(
            group, {(each.topic, each.partition): offset for each, offset in positions.items()}, allowed=allowed
        )

    def commit_check(
        self, who: GroupMember, positions: Mapping[TopicPartition, int], *, reserved: bool = False
    ) -> Callable[[], None]:
        """What raises, now or later, unless `who` may commit the positions; itself raises TopicNotFound and
        OffsetOutOfRange. `reserved`: the group may have a reserved name.
        """
        group, member = who
        if not reserved:
            check_group_name(group)
        for each, offset in positions.items():
            self._check_position(each, offset)

        def allowed() -> None:
            with self._lock:
                membership = self._known(group)
                if member is None:
                    membership.require_empty("commit without a member to")
                else:
                    membership.expire(self._env.now_us())
                    membership.check_commit(member, positions)

        return allowed

    def _check_position(self, each: TopicPartition, offset: int) -> None:
        """Raise unless the partition exists and can have the position."""
        logs = self._partitions_of(each.topic)
        if each.partition >= len(logs):
            raise TopicNotFound(f'topic "{each.topic}" has no partition {each.partition}')
        end = logs[each.partition].end_offset
        if not 0 <= offset <= end:
            raise OffsetOutOfRange(
                f"offset {offset} cannot be committed for partition {each}", hint=f"the partition ends at {end}"
            )

    # --- administration ---

    def names(self) -> list[str]:
        """All groups, sorted; those of the layer above are not told."""
        with self._lock:
            living = {name for name, membership in self._groups.items() if membership.state != "empty"}
        return sorted(n for n in living | set(self._offsets.groups()) if not n.startswith(RESERVED_PREFIX))

    def describe(self) -> list[GroupPartition]:
        """All partitions that a group has committed or that its members have, by group, topic and partition."""
        return [row for group in self.names() for row in self._describe(group)]

    def _describe(self, group: str) -> list[GroupPartition]:
        """The rows of one group."""
        committed = self.committed(group)
        with self._lock:
            membership = self._known(group)
            membership.expire(self._env.now_us())
            owners, state = membership.owners(), membership.state
        rows = []
        for each in sorted({*committed, *owners}):
            logs = self._partitions_of(each.topic)
            end = logs[each.partition].last_stable_offset if each.partition < len(logs) else None
            offset = committed.get(each)
            lag = None if end is None or offset is None else max(end - offset, 0)
            rows.append(GroupPartition(group, *each, owners.get(each), offset, end, lag, state))
        return rows

    def reset(self, group: str, place: Place, topic: str | None = None) -> dict[TopicPartition, int]:
        """Put a group without members to `place` in all partitions of `topic`, or of every topic it has committed
        offsets of; returns the new offsets. GroupInUse, GroupNotFound, TopicNotFound.
        """
        check_group_name(group)
        topics = sorted({each.topic for each in self.committed(group)}) if topic is None else [topic]
        if not topics:
            raise GroupNotFound(
                f'consumer group "{group}" does not exist', hint="name a topic to set the offsets of a new group"
            )
        positions = {
            TopicPartition(name, number): place(log)
            for name in topics
            for number, log in enumerate(self._partitions_of(name))
        }
        if not positions:
            raise TopicNotFound(f'topic "{topics[0]}" does not exist')
        self._offsets.commit(
            group,
            {(each.topic, each.partition): offset for each, offset in positions.items()},
            allowed=lambda: self._require_empty(group, "reset"),
        )
        return positions

    def drop(self, group: str) -> None:
        """Forget a group without members. GroupInUse, GroupNotFound."""
        check_group_name(group)
        self._require_empty(group, "drop")
        if group not in self._offsets.groups():
            raise GroupNotFound(f'consumer group "{group}" does not exist')
        self._offsets.delete(group, allowed=lambda: self._require_empty(group, "drop"))
        with self._lock:
            if self._known(group).state == "empty":
                self._groups.pop(group, None)

    def _require_empty(self, group: str, action: str) -> None:
        """GroupInUse if the group has members."""
        with self._lock:
            membership = self._known(group)
            membership.expire(self._env.now_us())
            membership.require_empty(action)


def check_group_name(group: str) -> None:
    """InvalidConfig for a name that cannot be a group's."""
    if not group or len(group) > _MAX_NAME:
        raise InvalidConfig(f'consumer group name "{group[:60]}" is empty or too long')
    if group.startswith(RESERVED_PREFIX):
        raise InvalidConfig(f'consumer group name "{group}" begins with {RESERVED_PREFIX}, which is reserved')
