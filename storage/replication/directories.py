"""Directories: the directories that a replicated storage lies in: whose they are, which are in use, who has all of it.

Each has a mark (`marks`), which says which of them were in sync at which generation. The generation grows with every
change of that set, and the change is durable in all that stay before anything else is: so among the directories that
are left, those that the newest mark names have everything.
Must not know what else is in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from uuid import UUID

from storage.config import MAX_REPLICAS
from storage.env import Env, Lock, make_dir
from storage.errors import (
    NO_SPACE,
    CorruptFile,
    DirectoryNeeded,
    DirectoryNotFound,
    DiskFull,
    InvalidConfig,
    LogFailed,
    StorageError,
    StorageLocked,
    translated,
)
from storage.replacing import replace
from storage.replication.marks import MARK, Mark, load_mark, write_mark
from storage.replication.mirror import MirrorEnv
from storage.replication.trees import (
    ROOT_ENTRIES,
    completeness,
    copy_metadata,
    remove_storage,
    topics_in,
)

FORMAT = "FORMAT"
RETRY_US = 1_000_000
"""A directory that was lost is tried again after this time; one that was emptied only in part, after five times it."""


@dataclass
class Directory:
    """One directory; `error` says why it is not in use. `leaving`: it is being dropped, and gets nothing new."""

    id: int
    path: str
    lock: Lock | None = None
    error: StorageError | None = None
    lost_us: int = 0
    leaving: bool = False


@dataclass
class _Found:
    """A directory before it is known whose it is."""

    path: str
    lock: Lock | None = None
    mark: Mark | None = None
    has_storage: bool = False
    damage: CorruptFile | None = None
    error: StorageError | None = None


@dataclass
class Directories:
    """The directories of an open storage by id; `files` is the env for all that is no record."""

    env: Env
    storage: str
    members: dict[int, Directory]
    generation: int
    next_id: int
    files: MirrorEnv = field(init=False)

    # --- which are in use ---

    @property
    def usable(self) -> list[int]:
        """Ids of the directories in use, ascending."""
        return [member.id for member in self.members.values() if member.error is None]

    @property
    def staying(self) -> list[int]:
        """Ids of the directories that are not being dropped, ascending."""
        return [member.id for member in self.members.values() if not member.leaving]

    @property
    def taking(self) -> list[int]:
        """Ids of the directories that can get replicas, ascending."""
        return [member.id for member in self.members.values() if member.error is None and not member.leaving]

    def named(self, path: str) -> Directory:
        """The directory of a path; DirectoryNotFound says which paths are nearest."""
        own = self.env.absolute(path)
        paths = {member.path: member for member in self.members.values()}
        if own not in paths:
            nearest = get_close_matches(own, paths, n=3, cutoff=0.0)
            raise DirectoryNotFound(
                f'directory "{own}" is none of this storage\'s',
                hint="nearest are " + ", ".join(f'"{each}"' for each in nearest),
            )
        return paths[own]

    def path(self, directory: int) -> str | None:
        """The path of a directory in use."""
        member = self.members.get(directory)
        return None if member is None or member.error is not None else member.path

    def _lost(self, root: str, error: OSError) -> None:
        """The mirror has given a directory up: say so in all others before anything more is promised."""
        member = next(member for member in self.members.values() if member.path == root)
        kind = DiskFull if error.errno in NO_SPACE else LogFailed
        member.error = kind(f'directory "{root}" failed: {error.strerror}', hint="it comes back when it can be written")
        member.lost_us = self.env.now_us()
        self.write_marks()

    def write_marks(self) -> None:
        """The next generation, with those in use; who cannot note it falls out itself."""
        self.generation += 1
        for member in list(self.members.values()):
            if member.error is None and member.path in self.files.roots:
                try:
                    self._write_mark(member, self.generation)
                except OSError as error:
                    if not self.files.lose(member.path, error):
                        raise self.failure(member, error) from error
                    return  # the loss has written the marks anew

    def _write_mark(self, member: Directory, generation: int) -> None:
        """Write one mark durably."""
        in_sync = tuple(each.id for each in self.members.values() if each.path in self.files.roots)
        directories = {each.id: each.path for each in self.members.values()}
        write_mark(self.env, member.path, Mark(self.storage, member.id, generation, in_sync, directories, self.next_id))

    @staticmethod
    def failure(member: Directory, error: OSError) -> StorageError:
        """The error of a directory that cannot be written."""
        return LogFailed(f'directory "{member.path}" failed: {error.strerror}')

    def add(self, path: str) -> None:
        """One more directory, which gets all but records at once. Raises InvalidConfig for one that is not empty,
        StorageLocked, DiskFull, LogFailed.
        """
        own = self.env.absolute(path)
        with self.files.mutex:
            self._notice()
            _check_apart([*(member.path for member in self.members.values()), own])
            found = _Found(own)
            _look(self.env, found)
            member = Directory(self.next_id, own, found.lock)
            try:
                if found.error is not None:
                    raise found.error
                if found.has_storage or found.mark is not None or found.damage is not None:
                    raise stranger(own)
                self.next_id += 1
                self.members = {**self.members, member.id: member}
                with translated(f'directory "{own}"'):
                    self.fill(member)
            except BaseException:
                self._forget(member)
                if found.lock is not None:
                    found.lock.release()
                raise
            self.write_marks()

    # --- one less ---

    def drop(self, member: Directory) -> StorageError | None:
        """Let go of a directory in which no partition has a replica, and remove this storage's files there; returns why
        they are left there, if they are. Raises DirectoryNeeded for the last one in use, LogFailed.

        The others note first that it has not everything any more, and forget it when it is empty: what a crash leaves
        in between is a directory that was lost, which is filled again.
        """
        with self.files.mutex:
            self._notice()
            if not self.files.leave(member.path):
                raise DirectoryNeeded(
                    f'directory "{member.path}" is the only one in use', hint="bring another one back first"
                )
            was_lost = member.error is not None
            member.error = member.error or LogFailed(f'directory "{member.path}" is being dropped')
            self.write_marks()
        left = self._emptied(member, was_lost=was_lost)
        with self.files.mutex:
            self._forget(member)
            if member.lock is not None:
                member.lock.release()
                member.lock = None
            self.write_marks()
        return left

    def _forget(self, member: Directory) -> None:
        """Take it out of `members`, which others may be going over."""
        self.members = {number: each for number, each in self.members.items() if number != member.id}

    def _emptied(self, member: Directory, *, was_lost: bool) -> StorageError | None:
        """Remove this storage's files from a directory that is out of step; what went wrong, if anything did.

        Its mark goes last, and says before anything is removed that it has nothing.
        """
        try:
            mark = load_mark(self.env, member.path)
            if mark is None:
                return None
            if (mark.storage, mark.directory) != (self.storage, member.id):
                return stranger(member.path)
            if was_lost:
                self._lock_again(member)
            self._write_mark(member, 0)
            remove_storage(self.env, member.path)
            self.env.remove(f"{member.path}/{MARK}")
            self.env.remove(f"{member.path}/LOCK")
            self.env.sync_dir(member.path)
        except OSError as error:
            return self.failure(member, error)
        except StorageError as error:  # a damaged mark, or another process that has the directory
            return error
        return None

    # --- looking after them ---

    def tend(self) -> None:
        """Notice directories that have vanished, take back those that can be used again."""
        self._notice()
        now_us = self.env.now_us()
        for member in list(self.members.values()):
            if member.error is not None and not member.leaving and self._is_due(member, now_us):
                with self.files.mutex:
                    if not member.leaving and member.id in self.members:
                        self._take_back(member)

    def _notice(self) -> None:
        """Give up the directories in use that have vanished, or of which a part has that all of them have."""
        for member in list(self.members.values()):
            if member.error is None and not self.env.exists(f"{member.path}/{MARK}"):
                self.files.lose(member.path, FileNotFoundError(2, "it has vanished", member.path))
        needed = [name for name in ROOT_ENTRIES if self.files.exists(f"{self.files.root}/{name}")]
        for root in self.files.roots:
            for name in needed:
                if not self.env.exists(f"{root}/{name}"):
                    self.files.lose(root, FileNotFoundError(2, f"{name} has vanished", root))

    def try_again(self) -> None:
        """Let lost directories be tried again at once."""
        for member in self.members.values():
            member.lost_us = min(member.lost_us, self.env.now_us() - 5 * RETRY_US)

    def _is_due(self, member: Directory, now_us: int) -> bool:
        """Whether to try a lost directory again. One that is being emptied by somebody is left alone meanwhile."""
        waited = abs(now_us - member.lost_us)
        is_partial = not self.env.exists(f"{member.path}/{MARK}") and bool(self.env.list(member.path))
        return waited >= (5 * RETRY_US if is_partial else RETRY_US)

    def _take_back(self, member: Directory) -> None:
        """Copy everything but records into a lost directory and use it again; it keeps its error if that fails."""
        try:
            self._lock_again(member)
            self._refuse_strangers(member)
            self.fill(member)
        except (OSError, StorageError) as error:
            member.lost_us = self.env.now_us()
            if isinstance(error, StorageError):
                member.error = error
            return
        member.error = None
        self.write_marks()

    def fill(self, member: Directory) -> None:
        """Copy everything but records into a directory that is locked, and keep it in sync from now on. OSError.

        It is marked first, so that what a crash leaves is known to be this storage's; generation 0 has nothing.
        """
        if not self.env.exists(f"{member.path}/{MARK}"):
            self._write_mark(member, 0)
        self._lose_incomplete()
        self.files.restore(member.path, self._copy)

    def _lose_incomplete(self) -> None:
        """Give up directories in use in which something is missing or damaged, so that nothing is copied from them."""
        worth = {root: completeness(self.env, root) for root in self.files.roots}
        best = max(worth.values())
        for root, found in worth.items():
            if found < best:
                self.files.lose(root, FileNotFoundError(2, "a part of it is damaged or has vanished", root))

    def _copy(self, source: str, target: str) -> None:
        """`copy_metadata`, from a directory that is still there afterwards: one that vanished has nothing to give."""
        self._require_present(source)
        copy_metadata(self.env, source, target)
        self._require_present(source)

    def _require_present(self, path: str) -> None:
        """FileNotFoundError for a directory that has vanished."""
        if not self.env.exists(f"{path}/{MARK}"):
            raise FileNotFoundError(2, "it has vanished", path)

    def _lock_again(self, member: Directory) -> None:
        """Make the directory if need be, and lock it: the lock of one that was removed holds nothing."""
        make_dir(self.env, member.path)
        if member.lock is not None:
            member.lock.release()
            member.lock = None
        member.lock = lock_directory(self.env, member.path)

    def _refuse_strangers(self, member: Directory) -> None:
        """InvalidConfig if another storage lies in the directory by now."""
        try:
            mark = load_mark(self.env, member.path)
        except CorruptFile:
            return  # it was ours when it was opened
        if mark is not None and (mark.storage, mark.directory) != (self.storage, member.id):
            raise stranger(member.path)

    def release(self) -> None:
        """Give all locks up."""
        for member in self.members.values():
            if member.lock is not None:
                member.lock.release()
                member.lock = None


# ---------------------------------------------------------------- opening


def open_directories(env: Env, path: str, replicas: Sequence[str] | None) -> Directories | None:
    """Find out whose the directories are, lock them, and choose those that have everything.

    replicas None: those that the mark in `path` names. None is returned for a directory without a mark then: a storage
    that is not replicated. Raises StorageLocked, InvalidConfig (another storage; a directory twice), CorruptFile.
    """
    paths = _paths(env, path, replicas)
    if paths is None:
        return None
    found = [_Found(each) for each in paths]
    try:
        for each in found:
            _look(env, each)
        return _joined(env, found)
    except BaseException:
        for each in found:
            if each.lock is not None:
                each.lock.release()
        raise


def _paths(env: Env, path: str, replicas: Sequence[str] | None) -> list[str] | None:
    """All paths, absolute, `path` first; None for a storage that is not replicated."""
    own = env.absolute(path)
    if replicas is None:
        mark = load_mark(env, own)
        if mark is None:
            return None
        # A copy of a directory at another place is a storage of its own: it must not touch the original's others.
        is_copy = mark.directories.get(mark.directory) != own
        return [own] if is_copy else [own, *(other for other in mark.directories.values() if other != own)]
    paths = [own, *(env.absolute(replica) for replica in replicas)]
    _check_apart(paths)
    return paths


def _check_apart(paths: list[str]) -> None:
    """InvalidConfig for directories that are not different, lie in one another, or are too many."""
    for number, each in enumerate(paths):
        if each in paths[:number]:
            raise InvalidConfig(f'directory "{each}" is named twice', hint="each replica needs a directory of its own")
        for other in paths:
            if each != other and each.startswith(other.rstrip("/") + "/"):
                raise InvalidConfig(f'directory "{each}" lies in directory "{other}"')
    if len(paths) > MAX_REPLICAS:
        raise InvalidConfig(f"{len(paths)} directories are too many", hint=f"at most {MAX_REPLICAS}")


def _look(env: Env, found: _Found) -> None:
    """Make and lock a directory, and read its mark; one that cannot be used has its error."""
    try:
        make_dir(env, found.path)
        found.lock = lock_directory(env, found.path)
    except OSError as error:
        found.error = LogFailed(f'directory "{found.path}" cannot be used: {error.strerror}')
    else:
        _look_again(env, found)


def _joined(env: Env, found: list[_Found]) -> Directories:
    """The directories of one storage. Who fails while the others are filled is left out if one of them has as much."""
    while True:
        made, source = _begun_with_one(env, found)
        try:
            for member in made.members.values():
                if member is not source and member.error is None:
                    _fill_at_opening(made, member)
            made.write_marks()
        except StorageError as error:
            for each in found:
                if each.path == made.files.roots[0]:
                    each.error = error
                elif each.error is None:  # it may have been told of those that were in sync by then
                    _look_again(env, each)
        else:
            return made


def _look_again(env: Env, found: _Found) -> None:
    """Read what a directory says that is locked already."""
    found.damage = None
    try:
        found.has_storage = env.exists(f"{found.path}/{FORMAT}")
        found.mark = load_mark(env, found.path)
    except OSError as error:
        found.error = LogFailed(f'directory "{found.path}" cannot be used: {error.strerror}')
    except CorruptFile as error:
        found.damage = error


def _begun_with_one(env: Env, found: list[_Found]) -> tuple[Directories, Directory]:
    """The directories of one storage, of which the one that the others are filled from is in use; and that one."""
    marks = [each.mark for each in found if each.mark is not None]
    newest = max(marks, key=lambda mark: mark.generation, default=None)
    for each in found:
        if newest is not None and each.mark is not None and each.mark.storage != newest.storage:
            raise stranger(each.path)
        if each.damage is not None and (newest is None or each.path not in newest.directories.values()):
            raise each.damage
    unmarked = [e for e in found if e.has_storage and e.mark is None and e.damage is None and e.error is None]
    for each in unmarked:
        if each is not found[0] if newest is None else not _is_remnant(env, each, found, newest):
            raise stranger(each.path)
    if all(each.error is not None for each in found):
        error = found[0].error
        assert error is not None
        raise error
    storage = newest.storage if newest is not None else str(UUID(bytes=env.random_bytes(16), version=4))
    members, next_id = _members(found, newest)
    made = Directories(env, storage, members, newest.generation if newest is not None else 0, next_id)
    return made, _begun(env, made, found, newest)


def _is_remnant(env: Env, each: _Found, found: list[_Found], newest: Mark) -> bool:
    """Whether a directory without a mark is what was left of one of ours when somebody began to delete it: it is where
    ours was, and has no topic that the others have not.
    """
    known = set().union(*(topics_in(env, path) for path in _complete(found, newest)))
    return each.path in newest.directories.values() and topics_in(env, each.path) <= known


def _fill_at_opening(made: Directories, member: Directory) -> None:
    """Fill a directory, or note why it cannot be. Tried twice: an error may be that of the directory copied from."""
    for _ in range(2):
        try:
            made.fill(member)
        except OSError as error:
            member.error, member.lost_us = made.failure(member, error), made.env.now_us()
        else:
            member.error = None
            return


def _members(found: list[_Found], newest: Mark | None) -> tuple[dict[int, Directory], int]:
    """Directories by id, and the next free id: that of its mark, else the one that its path had, else a new one."""
    known = {} if newest is None else {path: id_ for id_, path in newest.directories.items()}
    marked = {each.mark.directory for each in found if each.mark is not None}
    # Of a directory that was being added when the process ended only its own mark says that its id is used.
    next_id = max((each.mark.next_id for each in found if each.mark is not None), default=0)
    members: dict[int, Directory] = {}
    for each in found:
        if each.mark is not None:
            number = each.mark.directory
        elif each.path in known and known[each.path] not in marked:
            number = known[each.path]
        else:
            number, next_id = next_id, next_id + 1
        if number in members:
            raise InvalidConfig(
                f'directories "{members[number].path}" and "{each.path}" are copies of one another',
                hint="empty one of them; it is filled from the other",
            )
        members[number] = Directory(number, each.path, each.lock, each.error)
    return dict(sorted(members.items())), next_id


def _begun(env: Env, made: Directories, found: list[_Found], newest: Mark | None) -> Directory:
    """Begin with one directory in use, which has everything but records and can be written, else with one that can be
    read, from which the others may be filled; returns it. The marks stay as they are until then, because those that
    they name still have as much.
    """
    readable: Directory | None = None
    while True:
        try:
            source = _source(env, made, found, newest)
        except StorageError:
            if readable is None:
                raise
            readable.error = None
            made.files = MirrorEnv(env, found[0].path, [readable.path], made._lost)
            return readable
        made.files = MirrorEnv(env, found[0].path, [source.path], made._lost)
        try:
            if newest is None:
                made.write_marks()
            else:
                write_mark(env, source.path, replace(newest, directory=source.id))
        except (OSError, StorageError) as error:  # another may have as much
            source.error = error if isinstance(error, StorageError) else made.failure(source, error)
            source.lost_us = env.now_us()
            readable = readable or source
        else:
            return source


def _source(env: Env, made: Directories, found: list[_Found], newest: Mark | None) -> Directory:
    """A directory that has everything but records. Raises why no directory can be used."""
    able = [member for member in made.members.values() if member.error is None]
    if newest is None:
        complete = sorted(able, key=lambda member: member.path != found[0].path)
    else:
        current = _complete(found, newest)
        complete = [member for member in able if member.path in current]
    if not complete:
        raise next((member.error for member in made.members.values() if member.error is not None), incomplete(able[0]))
    best = max(complete, key=lambda member: completeness(env, member.path))
    if not env.exists(f"{best.path}/topics"):  # those of the others would be taken for dropped
        _require_no_topics(env, best, able)
    return best


def _require_no_topics(env: Env, lacking: Directory, members: list[Directory]) -> None:
    """DirectoryNeeded for a directory that has lost its topics, if another has some."""
    holders = [member.path for member in members if topics_in(env, member.path)]
    if holders:
        raise DirectoryNeeded(
            f'directory "{lacking.path}" has lost its topics',
            hint=f'remove it to open what "{holders[0]}" has, which may not be all',
        )


def _complete(found: list[_Found], newest: Mark) -> set[str]:
    """Paths of the directories that have everything but records: those that the newest mark names.

    The mark of such a directory may be older, if the process ended between the marks of one generation: nothing is
    changed before all are written. One of generation 0 was being filled.
    """
    marks = {each.path: each.mark for each in found if each.mark is not None}
    return {path for path, mark in marks.items() if mark.directory in newest.in_sync and mark.generation > 0}


def incomplete(member: Directory) -> DirectoryNeeded:
    """The error for directories none of which has everything."""
    return DirectoryNeeded(
        f'directory "{member.path}" was being filled or emptied and has not everything',
        hint="name a directory that was in sync as well",
    )


def stranger(path: str) -> InvalidConfig:
    """The error for a directory in which another storage lies."""
    return InvalidConfig(
        f'directory "{path}" belongs to another storage',
        hint="name an empty directory, or one that was a replica of this storage",
    )


def lock_directory(env: Env, path: str) -> Lock:
    """Take the directory's lock; StorageLocked names who has it."""
    try:
        return env.lock(f"{path}/LOCK")
    except BlockingIOError as error:
        holder = str(error.strerror)
        raise StorageLocked(path, int(holder) if holder.isdigit() else None) from error
