"""How far records were known to be committed, kept beside a replica's log.

While the in-sync replicas are fewer than min_insync_replicas nobody can tell by comparing logs what was committed
(KIP-966): what was acknowledged before is known by this note. It is written before readers and appenders hear of a
commit, without an fsync of its own: after the end of a process it is exact, after a power failure it may lag.

It names the leader epoch in which it was true. Where a log has entries of later epochs since, these took the place of
others (an unclean election, records that were taken back), and it says nothing of them.
"""

from __future__ import annotations

import contextlib

from storage.env import Env, File
from storage.errors import translated
from storage.log.durable_point import FILE_BYTES, SlotPair
from storage.replication import epochs as ep
from storage.replication.state import LogState

COMMITTED_FILE = "committed"


def still_committed(log: LogState, epoch: int, offset: int) -> int:
    """Up to where a log has what was committed before `offset` in the log of the leader of `epoch`."""
    return max(log.start, min(offset, ep.end_of(log.epochs, epoch, log.start, log.end).offset))


class CommittedNote:
    """The file of one replica; `noted` is the (epoch, offset) that was noted last, None before anything was."""

    def __init__(self, env: Env, directory: str) -> None:
        self._env = env
        self._directory = directory
        self._path = f"{directory}/{COMMITTED_FILE}"
        self._slots: SlotPair | None = None
        self._file: File | None = None
        self.noted: tuple[int, int] | None = None

    def known(self, log: LogState) -> int:
        """How much of a log the note says is committed; its start if there is no note (that can be read)."""
        try:
            with contextlib.closing(self._env.open(self._path)) as file:
                found = _slots(file).load_values()
        except OSError:
            return log.start
        if found is None:
            return log.start
        return still_committed(log, *found)

    def save(self, epoch: int, offset: int, *, sync: bool = False) -> None:
        """Note that all records before `offset` are committed in the log of the leader of `epoch`; nothing is done if
        that was noted last. `sync`: wait until it is durable itself. Raises StorageError.
        """
        if self.noted == (epoch, offset):
            return
        with translated(f'"{self._path}"'):
            self._opened().save_values((epoch, offset), sync=sync)
        self.noted = epoch, offset

    def _opened(self) -> SlotPair:
        """The slots, to be written. OSError."""
        if self._slots is None:
            is_new = not self._env.exists(self._path)
            file = self._file = self._env.open(self._path, create=True)
            if file.size() < FILE_BYTES:
                file.resize(FILE_BYTES)
            if is_new:
                self._env.sync_dir(self._directory)
            slots = _slots(file)
            slots.load_values()
            self._slots = slots
        return self._slots

    def renew(self) -> None:
        """Let the next note be written to another file if somebody has removed this one."""
        if self._file is not None and not self._env.exists(self._path):
            self.release()
            self.noted = None

    def sync(self) -> None:
        """Make the last note durable. Raises StorageError."""
        if self._file is not None:
            with translated(f'"{self._path}"'):
                self._file.sync()

    def release(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        self._slots = self._file = None


def _slots(file: File) -> SlotPair:
    """The two integers: epoch, offset."""
    return SlotPair(file, b"SEC1", 2)
