"""Bystanders: the directories in use in which no replica of a partition takes part. They know of its decisions too.

A directory may be the only one that can be opened later. If it was told nothing since its replica was lost, or left,
that replica would still believe to be in sync, and show old records as if they were all. Must not decide anything, nor
touch a replica that takes part.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from storage.env import Env
from storage.errors import StorageError, translated
from storage.replacing import replace
from storage.replication.controller import Saved
from storage.replication.local_replica import RETRY_US, Locate, Place, stand_by
from storage.replication.state_file import STATE_FILE, StateFile


class Bystanders:
    """`directories` gives the ids of those in use. An error of one is nobody else's: it is told by a later call, and
    until then it is like one that was away.
    """

    def __init__(self, env: Env, locate: Locate, directories: Callable[[], Collection[int]]) -> None:
        self._env = env
        self._locate = locate
        self._directories = directories
        self._told: dict[int, Saved] = {}
        self._failed_us: dict[int, int] = {}

    def tell(self, saved: Saved, taking_part: Collection[int]) -> None:
        """Let every directory in use keep decisions, but those whose replica takes part, which keeps them itself."""
        for number in taking_part:
            self._told.pop(number, None)
        for number in self._directories():
            if number not in taking_part and not self._is_waiting(number):
                place = self._locate(number)
                if place is not None and not self._knows(place, saved):
                    self._tell(place, saved)

    def _is_waiting(self, number: int) -> bool:
        """Whether a directory failed a short time ago."""
        failed_us = self._failed_us.get(number)
        return failed_us is not None and abs(self._env.now_us() - failed_us) < RETRY_US

    def _knows(self, place: Place, saved: Saved) -> bool:
        """Whether a directory was told these decisions, and has not been removed since."""
        return self._told.get(place.id) == saved and place.env.exists(f"{place.directory}/{STATE_FILE}")

    def _tell(self, place: Place, saved: Saved) -> None:
        """Let a directory keep decisions."""
        try:
            tell(place, saved)
        except StorageError:
            self._failed_us[place.id] = self._env.now_us()
            self._told.pop(place.id, None)
        else:
            self._failed_us.pop(place.id, None)
            self._told[place.id] = saved


def tell(place: Place, saved: Saved) -> None:
    """Keep decisions in a directory whose replica does not take part, durably. Raises StorageError.

    What it says of its replica stays as it was, if the partition still has one there: it is to be opened again. One
    that was lost with all it said is left as it is, so that it is not taken for one that may have records.
    """
    if place.id not in saved.metadata.replicas:
        stand_by(place, saved)
        return
    file = StateFile(place.env, place.directory)
    with translated(f'directory "{place.directory}"'):
        kept = file.load()
        if kept is not None:
            file.save(replace(kept, saved=saved))
