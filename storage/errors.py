"""Errors of the storage package: one tree, each with a SQLSTATE.

The messages are lower case without a final stop, as PostgreSQL writes them, so that a SQL layer above can
hand them on unchanged. This module must not import anything of the package: every other module imports it.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class StorageError(Exception):
    """Base of every error raised by this package. `hint` says what the caller can do about it."""

    sqlstate = "58000"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class StorageLocked(StorageError):
    """Another process (or another `Storage` of this one) has the directory open. `pid` is the holder, if
    known.
    """

    sqlstate = "55006"

    def __init__(self, path: str, pid: int | None) -> None:
        holder = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            f'storage directory "{path}" is in use by {holder}',
            hint="close the other process or open a different directory",
        )
        self.path = path
        self.pid = pid


class StorageClosed(StorageError):
    """The storage, topic or log was used after it had been closed or dropped."""

    sqlstate = "55000"


class UnknownVersion(StorageError):
    """The files were written by a newer version of the format than this code knows."""

    sqlstate = "0A000"


class CorruptFile(StorageError):
    """A file of the storage (topic description, schema, journal, snapshot) does not match its checksum."""

    sqlstate = "XX001"

    def __init__(self, message: str, *, file: str, position: int = 0) -> None:
        super().__init__(message, hint="restore the file from a backup or a replica; nothing was changed on disk")
        self.file = file
        self.position = position


class CorruptLog(CorruptFile):
    """Bytes below the durable offset are missing or wrong.

    `file` is the segment's path, `position` the byte in it, `offset` the first record that cannot be trusted.
    """

    def __init__(self, reason: str, *, file: str, position: int, offset: int) -> None:
        super().__init__(
            f'log is corrupt at offset {offset}: {reason} in file "{file}" at position {position}',
            file=file,
            position=position,
        )
        self.offset = offset
        self.reason = reason


class LogFailed(StorageError):
    """A write or fsync of this log failed; the log stays stopped until the storage is opened again."""

    sqlstate = "58030"


class ReadFailed(StorageError):
    """A file could not be read or mapped; the same read may succeed later."""

    sqlstate = "58030"


class DiskFull(StorageError):
    """The device has no space left; the append was rolled back, reads and later appends go on."""

    sqlstate = "53100"


class OffsetOutOfRange(StorageError):
    """A read or truncation names an offset below the start or beyond the end of the log."""

    sqlstate = "22003"


class TopicExists(StorageError):
    """A topic of that name exists already."""

    sqlstate = "42710"


class TopicNotFound(StorageError):
    """No topic has that name."""

    sqlstate = "42704"


class SchemaMismatch(StorageError):
    """A batch does not have the topic's newest schema."""

    sqlstate = "42804"


class InvalidConfig(StorageError):
    """A topic setting has a value that makes no sense, or a name cannot be used."""

    sqlstate = "22023"


class UnsupportedConfig(StorageError):
    """A topic setting asks for something this storage cannot give."""

    sqlstate = "0A000"


class MissingKey(StorageError):
    """A record for a compacted topic has no key: a part of it is NULL."""

    sqlstate = "23502"


class BatchTooLarge(StorageError):
    """A batch does not fit into one frame (4 GiB)."""

    sqlstate = "54000"


class BufferFull(StorageError):
    """A producer has more on its way than its buffer holds, and nothing of it was stored in time."""

    sqlstate = "53000"


class OutOfOrderSequence(StorageError):
    """An idempotent producer skipped a sequence number or repeated one that is no longer remembered."""

    sqlstate = "55000"


class MemberFenced(StorageError):
    """A consumer is no longer a member of its group (its session timed out, or another took its place), or no
    longer has the partition it commits. `may_rejoin`: nobody took its place, it may join again.
    """

    sqlstate = "55000"

    def __init__(self, message: str, *, hint: str | None = None, may_rejoin: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.may_rejoin = may_rejoin


class ConsumerBusy(StorageError):
    """Two threads used one consumer at the same time."""

    sqlstate = "55006"


class DirectoryNotFound(StorageError):
    """No directory of the storage has that path."""

    sqlstate = "42704"


class DirectoryInUse(StorageError):
    """A directory cannot be dropped: the storage was opened by it, or is dropping it already."""

    sqlstate = "55006"


class DirectoryNeeded(StorageError):
    """A directory cannot be dropped now, because what lies in it cannot get elsewhere."""

    sqlstate = "55000"


class GroupInUse(StorageError):
    """A consumer group cannot be changed so while it has members, or has members that read otherwise."""

    sqlstate = "55006"


class GroupNotFound(StorageError):
    """No consumer group has that name."""

    sqlstate = "42704"


class ProducerFenced(StorageError):
    """A newer epoch of the same producer id has written to the log."""

    sqlstate = "55000"


class TransactionAborted(StorageError):
    """A transaction was aborted by somebody else: it was open too long, or its storage was closed."""

    sqlstate = "40000"


class TransactionFinished(StorageError):
    """A transaction was used after its commit, abort or prepare."""

    sqlstate = "25000"


class TransactionInDoubt(StorageError):
    """A transaction is prepared, or whether its commit became durable is not known; it waits for its decision."""

    sqlstate = "55000"


class TransactionNotFound(StorageError):
    """No transaction of that id is prepared."""

    sqlstate = "42704"


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn an OSError of a file operation on `what` into DiskFull or LogFailed."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise DiskFull(f"no space left on device for {what}", hint="free space and repeat") from error
        raise LogFailed(f"writing {what} failed: {error.strerror}") from error
