"""Stage: the rows of one partition of a sink that are taken but not yet shown, in a log of frames.

A frame is a tick's rows, with a checksum: what a crash has cut off is cut off here, too, and comes again. `START` names
the partition and the last tick that is shown; `INTENT`, on disk before files get their names, says which names: after a
crash a temporary file that is still there is renamed, and one that is gone has been.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import field
from hashlib import sha256
from pathlib import Path

import pyarrow as pa

from sqlengine.arrow_ipc import from_ipc, to_ipc
from sqlengine.connectors.base import Moment
from sqlengine.connectors.file.writer import sync
from sqlengine.errors import DataCorrupted
from sqlengine.quick_dataclass import dataclass

EXTENSION = ".stage"
_RECORD = struct.Struct("<4scxxxIQqqqq")
"""Magic, kind, CRC-32 of what follows it, length of the payload; tick, fence, time, rows."""
_CRC_AT, _CRC_END = 8, 12
_MAGIC = b"SES1"
START, FRAME, INTENT = b"S", b"F", b"I"


@dataclass(frozen=True, slots=True)
class Frame:
    """A tick's rows at `offset`. `fence`: the last tick, this one included, that a restart could not repeat: nothing
    may be shown before a checkpoint has that. `time_us`: of the tick."""

    tick: int
    fence: int
    time_us: int
    rows: int
    offset: int
    length: int


@dataclass(slots=True)
class Stage:
    """`directory`: the partition's, in the sink's; `shown`: the last tick whose rows are in files; `intent`: (temporary
    name, name) of files that are complete but may not have their names yet."""

    path: Path
    directory: str
    shown: int = -1
    frames: list[Frame] = field(default_factory=list)
    intent: list[tuple[str, str]] = field(default_factory=list)
    end: int = 0
    is_synced: bool = True

    @classmethod
    def of(cls, folder: Path, directory: str) -> Stage:
        """A new one in `folder`; nothing is written before there are rows."""
        return cls(folder / (sha256(directory.encode()).hexdigest()[:16] + EXTENSION), directory)

    @property
    def name(self) -> str:
        """A word for it."""
        return self.path.stem

    @property
    def told(self) -> int:
        """The last tick whose rows it has, shown or not."""
        return self.frames[-1].tick if self.frames else self.shown

    @property
    def num_bytes(self) -> int:
        """Of the rows not shown."""
        return sum(frame.length for frame in self.frames)

    @property
    def num_rows(self) -> int:
        """Not shown."""
        return sum(frame.rows for frame in self.frames)

    # ------------------------------------------------------------ writing; OSError

    def append(self, moment: Moment, fence: int, batch: pa.RecordBatch) -> None:
        """Add a tick's rows; on an error nothing is added."""
        payload = memoryview(to_ipc(batch))
        head = _record(FRAME, moment.tick, fence, moment.now_us, batch.num_rows, payload)
        offset = self._write(head, payload)
        self.frames.append(Frame(moment.tick, fence, moment.now_us, batch.num_rows, offset, len(payload)))

    def intend(self, names: Sequence[tuple[str, str]]) -> None:
        """Files with all the rows are complete under their temporary names: they get their names, whatever happens."""
        payload = json.dumps(names).encode()
        self._write(_record(INTENT, self.told, 0, 0, 0, payload), payload)
        self.sync()
        self.intent = [(temporary, name) for temporary, name in names]

    def all_shown(self) -> None:
        """The files have their names: begin anew behind the rows that were staged."""
        shown = self.told
        fresh = self.path.with_suffix(".new")
        with open(fresh, "wb") as out:
            payload = self.directory.encode()
            end = out.write(_record(START, shown, 0, 0, 0, payload)) + out.write(payload)
            out.flush()
            os.fsync(out.fileno())
        os.replace(fresh, self.path)
        sync(str(self.path.parent))
        self.shown, self.frames, self.intent, self.end, self.is_synced = shown, [], [], end, True

    def cut_from(self, frame: Frame) -> None:
        """Take away the frame and all behind it: they come again."""
        self.end = frame.offset - _RECORD.size
        self.frames = [each for each in self.frames if each.offset < frame.offset]
        os.truncate(self.path, self.end)
        self.is_synced = False

    def sync(self) -> None:
        """Make all of it durable."""
        if not self.is_synced:
            self.is_synced = True
            try:
                sync(str(self.path))
            except FileNotFoundError:
                if self.frames:
                    raise self._gone() from None
            except BaseException:
                self.is_synced = False
                raise

    def remove(self) -> None:
        """Take the log away."""
        self.path.unlink(missing_ok=True)

    def _write(self, head: bytes, payload: bytes | memoryview) -> int:
        """Append a record; where its payload begins."""
        if self.frames and not self.path.exists():
            raise self._gone()
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch()
            sync(str(self.path.parent))
            self.end = 0
        with open(self.path, "r+b") as out:
            if out.seek(0, os.SEEK_END) < self.end:
                raise damaged(self.path, "it has become shorter")
            out.truncate(self.end)  # an earlier attempt may have left a part of a record
            out.seek(self.end)
            if not self.end:
                start = self.directory.encode()
                head = _record(START, self.shown, 0, 0, 0, start) + start + head
            out.write(head)
            out.write(payload)
        offset = self.end + len(head)
        self.end = offset + len(payload)
        self.is_synced = False
        return offset

    def _gone(self) -> DataCorrupted:
        return damaged(self.path, "it is gone, and with it rows that were in no file yet")

    # ------------------------------------------------------------ reading

    def batches(self, frames: Sequence[Frame]) -> Iterator[pa.RecordBatch]:
        """Their rows; DataCorrupted (XX001) when the log has been damaged."""
        try:
            source = pa.memory_map(str(self.path))
        except FileNotFoundError:
            raise self._gone() from None
        with source:
            for frame in frames:
                source.seek(frame.offset - _RECORD.size)
                head, payload = source.read(_RECORD.size), source.read_buffer(frame.length)
                if len(head) < _RECORD.size or not _is_whole(head, payload):
                    raise damaged(self.path, f"at position {frame.offset}")
                yield from from_ipc(payload).to_batches()


def read_stage(path: Path) -> Stage | None:
    """A log as a crash has left it, up to the first record that is not whole; None when it has not begun."""
    data = memoryview(path.read_bytes())
    stage: Stage | None = None
    at = 0
    while at + _RECORD.size <= len(data):
        head = data[at : at + _RECORD.size]
        _, kind, _, length, tick, fence, time_us, rows = _RECORD.unpack(head)
        offset = at + _RECORD.size
        payload = data[offset : offset + length]
        if len(payload) < length or not _is_whole(head, payload) or (kind == START) != (at == 0):
            break
        if kind == START:
            stage = Stage(path, bytes(payload).decode(), shown=tick)
        else:
            assert stage is not None
            if kind == FRAME:
                stage.frames.append(Frame(tick, fence, time_us, rows, offset, length))
            else:
                stage.intent = [(temporary, name) for temporary, name in json.loads(bytes(payload))]
        at = offset + length
    if stage is not None:
        stage.end, stage.is_synced = at, False
    return stage


def damaged(path: Path, why: str) -> DataCorrupted:
    """XX001."""
    return DataCorrupted(
        f'the staged rows in "{path}" are damaged: {why}',
        hint="what was shown stays; drop the sink, and create it again to write everything anew elsewhere",
    )


def _record(kind: bytes, tick: int, fence: int, time_us: int, rows: int, payload: bytes | memoryview) -> bytes:
    """The head of a record."""
    head = _RECORD.pack(_MAGIC, kind, 0, len(payload), tick, fence, time_us, rows)
    return head[:_CRC_AT] + struct.pack("<I", _checksum(head, payload)) + head[_CRC_END:]


def _checksum(head: bytes | memoryview, payload: bytes | memoryview | pa.Buffer) -> int:
    return zlib.crc32(payload, zlib.crc32(head[_CRC_END:], zlib.crc32(head[:_CRC_AT])))


def _is_whole(head: bytes | memoryview, payload: bytes | memoryview | pa.Buffer) -> bool:
    (crc,) = struct.unpack("<I", head[_CRC_AT:_CRC_END])
    return bytes(head[:4]) == _MAGIC and _checksum(head, payload) == crc
