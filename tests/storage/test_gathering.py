"""Whom a round of group commit waits for."""

from __future__ import annotations

import threading
from collections import Counter

from storage.log.commit import GroupCommit
from storage.log.gathering import LONGEST_WAIT_US, MOST_SKIPPED, Gathering


def served(gathering: Gathering, count: int, took_us: int = 1000) -> None:
    """A round for `count` who are here already."""
    for _ in range(count):
        gathering.arrive()
    gathering.begin()
    gathering.end(took_us)


def test_nobody_is_waited_for_who_was_never_seen() -> None:
    gathering = Gathering()
    gathering.arrive()
    assert not gathering.is_worth_it()  # the first round of all
    gathering.begin()
    gathering.end(1000)
    gathering.arrive()
    assert not gathering.is_worth_it()  # one appender is all there is


def test_those_who_were_served_are_waited_for_until_all_are_here() -> None:
    gathering = Gathering()
    served(gathering, 3)
    gathering.arrive()
    assert gathering.is_worth_it() and gathering.wait_us == 500
    assert [gathering.arrive(), gathering.arrive()] == [False, True]
    gathering.stop()
    gathering.begin()
    gathering.end(1000)
    gathering.arrive()
    assert gathering.is_worth_it()  # it was not in vain


def test_who_came_during_a_round_counts_as_well() -> None:
    gathering = Gathering()
    gathering.arrive()
    gathering.begin()
    gathering.arrive()
    gathering.end(1000)
    assert gathering.is_worth_it()
    assert gathering.arrive()


def test_waiting_in_vain_is_tried_ever_less() -> None:
    gathering = Gathering()
    skipped = []
    for _ in range(9):
        count = 0
        served(gathering, 3)
        gathering.arrive()
        while not gathering.is_worth_it():
            count += 1
            assert count <= MOST_SKIPPED
        gathering.stop()
        skipped.append(count)
    assert skipped == [0, 1, 3, 7, 15, 31, 63, 63, 63]


def test_the_wait_is_half_a_round_at_most_and_none_if_the_clock_stands_or_goes_back() -> None:
    gathering = Gathering()
    for took_us, wait_us in ((1000, 500), (10**9, LONGEST_WAIT_US), (0, 0), (-5000, 0)):
        served(gathering, 2, took_us)
        assert gathering.wait_us == wait_us
    assert not gathering.is_worth_it()


class Target:
    """Counts; the first sync of all tells the others to come."""

    def __init__(self) -> None:
        self.written = self.synced = 0
        self.mutex = threading.Lock()

    def sync_now(self) -> None:
        with self.mutex:
            self.synced = self.written


def test_every_waiter_is_synced_whether_or_not_it_was_waited_for() -> None:
    """A clock on which each round takes ten seconds makes every leader wait as long as it can."""
    clock = iter(range(0, 10**12, 10**7))
    commit, target, outcomes = GroupCommit(lambda: next(clock)), Target(), Counter[bool]()

    def work(turns: int) -> None:
        for _ in range(turns):
            with target.mutex:
                target.written += 1
                mine = target.written
            commit.wait_durable([target])
            outcomes[target.synced >= mine] += 1

    threads = [threading.Thread(target=work, args=(turns,)) for turns in (1, 5, 20, 40, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == Counter({True: 106})
