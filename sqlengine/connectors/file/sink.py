"""The `file` sink: part files in a directory, by partition, each visible as a whole or not at all, each row once.

Rows are staged in logs (stage.py) in the hidden directory `.staging-<identity>`; when a partition's are enough, or old
enough, they become files there, and then get their names: `part-<first tick>-<last tick>-<identity>.<extension>`. A
partition knows the last tick it has, staged or shown, so whatever comes again after a restart is taken once. Rows of a
tick that cannot come again (a history, what came while a query stood still) are shown when a checkpoint has them.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from sqlengine.connectors.base import Moment, Sink
from sqlengine.connectors.file.options import FileOptions
from sqlengine.connectors.file.partitioning import Partitioning
from sqlengine.connectors.file.stage import EXTENSION, Frame, Stage, damaged, read_stage
from sqlengine.connectors.file.writer import FileWriter, check_writable, disk, sync
from sqlengine.errors import NotSupportedError
from sqlengine.quick_dataclass import dataclass

_EXTENSIONS = {"gzip": ".gz", "zstd": ".zst"}
GROUP_ROWS = 1 << 17
"""A file's rows are written in groups of about so many."""


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """`noted`: the names of the stages that it speaks of."""

    tick: int
    noted: frozenset[str] = frozenset()


_NONE = _Checkpoint(-1)


class FileSink(Sink):
    """See connectors.base.Sink; takes inserts only."""

    exactly_once: ClassVar[bool] = True

    def __init__(self, options: FileOptions, schema: pa.Schema, identity: str = "0") -> None:
        self.options = options
        self._partitioning = Partitioning(options.partition_by, schema)
        self._schema = self._partitioning.schema
        self._kind = options.format or "json"
        check_writable(self._kind, self._compression, self._schema)
        self._rolling = options.rolling()
        self._identity = identity
        self._directory = Path(os.path.expanduser(options.path))
        self._folder = self._directory / f".staging-{identity}"
        with disk(options.path):
            os.makedirs(self._directory, exist_ok=True)
        self._lock = threading.RLock()
        self._stages: dict[str, Stage] = {}
        self._waiting: dict[str, Stage] = {}
        """Those with rows, by directory, the oldest first."""
        self._full: dict[str, Stage] = {}
        self._fence = -1
        self._checkpoints: tuple[_Checkpoint, _Checkpoint] = (_NONE, _NONE)
        """The last but one and the last."""

    # ------------------------------------------------------------ taking rows

    def write(self, moment: Moment, batch: pa.RecordBatch | None, weights: Any | None) -> None:
        """Stage rows; NotSupportedError (0A000) for deletions, FileUnavailable (58P01), DiskFull (53100)."""
        with self._lock, disk(self.options.path):
            if not moment.is_repeatable:
                self._fence = moment.tick
            if batch is None or not batch.num_rows:
                return
            for directory, rows in self._partitioning.split(_repeated(batch, weights)):
                self._stage(moment, directory, rows)

    def _stage(self, moment: Moment, directory: str, rows: pa.RecordBatch) -> None:
        stage = self._stages.get(directory)
        if stage is None:
            stage = self._stages[directory] = Stage.of(self._folder, directory)
        if moment.tick <= stage.told:
            return  # it has them: the tick is told again
        self._complete(stage)
        stage.append(moment, self._fence, rows)
        self._waiting.setdefault(directory, stage)
        limits, size = self._rolling, stage.num_bytes
        if (limits.size_bytes and size >= limits.size_bytes) or (limits.rows and stage.num_rows >= limits.rows):
            self._full[directory] = stage

    # ------------------------------------------------------------ showing rows

    @property
    def _is_fenced(self) -> bool:
        return self._fence > self._checkpoints[1].tick

    def due_us(self) -> int | None:
        """See connectors.base.Sink."""
        with self._lock:
            if self._is_fenced or not self._waiting:
                return None
            oldest = next(iter(self._waiting.values())).frames[0].time_us
            if self._full:
                return oldest
            return None if self._rolling.interval_us is None else oldest + self._rolling.interval_us

    def show_due(self, now_us: int) -> None:
        """See connectors.base.Sink; FileUnavailable (58P01), DiskFull (53100), DataCorrupted (XX001)."""
        with self._lock:
            if self._is_fenced:
                return
            for stage in list(self._full.values()):
                self._show(stage)
            interval_us = self._rolling.interval_us
            for stage in list(self._waiting.values()):
                if interval_us is None or stage.frames[0].time_us + interval_us > now_us:
                    break
                self._show(stage)

    def _show(self, stage: Stage) -> None:
        """A partition's staged rows become files."""
        with disk(self.options.path):
            self._complete(stage)
            if stage.frames:
                folder = self._directory / stage.directory
                os.makedirs(folder, exist_ok=True)
                names: list[tuple[str, str]] = []
                try:
                    for frames in self._parts(stage.frames):
                        names.append((f"{stage.name}.{frames[0].tick}.tmp", self._free_name(stage, frames)))
                        self._write_part(self._folder / names[-1][0], stage, frames)
                    sync(str(self._folder))
                except BaseException:
                    for temporary, _ in names:
                        (self._folder / temporary).unlink(missing_ok=True)
                    raise
                stage.intend(names)
                self._complete(stage)

    def _complete(self, stage: Stage) -> None:
        """Files that are complete get their names."""
        if stage.intent:
            folder = self._directory / stage.directory
            os.makedirs(folder, exist_ok=True)
            for temporary, name in stage.intent:
                with contextlib.suppress(FileNotFoundError):  # it has its name already
                    os.rename(self._folder / temporary, folder / name)
            for parent in [folder, *folder.parents][: stage.directory.count("/") + 2 if stage.directory else 1]:
                sync(str(parent))
            stage.all_shown()
            self._waiting.pop(stage.directory, None)
            self._full.pop(stage.directory, None)

    def _parts(self, frames: Sequence[Frame]) -> Iterator[list[Frame]]:
        """The frames of each file: no more than make a part full."""
        part: list[Frame] = []
        for frame in frames:
            part.append(frame)
            size, rows = sum(f.length for f in part), sum(f.rows for f in part)
            limits = self._rolling
            if (limits.size_bytes and size >= limits.size_bytes) or (limits.rows and rows >= limits.rows):
                yield part
                part = []
        if part:
            yield part

    def _write_part(self, path: Path, stage: Stage, frames: Sequence[Frame]) -> None:
        with contextlib.closing(
            FileWriter(str(path), self._kind, self._compression, self._schema, self.options)
        ) as writer:
            group: list[pa.RecordBatch] = []
            for batch in stage.batches(frames):
                group.append(batch)
                if sum(b.num_rows for b in group) >= GROUP_ROWS:
                    writer.write(pa.concat_batches(group))
                    group = []
            if group:
                writer.write(pa.concat_batches(group))

    def _free_name(self, stage: Stage, frames: Sequence[Frame]) -> str:
        """A part's name; nothing that is there is replaced, whoever has put it there."""
        stem = f"part-{frames[0].tick:010d}-{frames[-1].tick:010d}-{self._identity}"
        extension = f".{self._kind}{_EXTENSIONS.get(self._compression, '') if self._kind in ('json', 'csv') else ''}"
        name, number = stem + extension, 0
        while (self._directory / stage.directory / name).exists():
            number += 1
            name = f"{stem}-{number}{extension}"
        return name

    @property
    def _compression(self) -> str:
        return "none" if self.options.compression == "auto" else self.options.compression

    def finish(self, *, for_good: bool) -> None:
        """See connectors.base.Sink; raises as `show_due`."""
        with self._lock:
            if for_good or not self._is_fenced:
                for stage in list(self._waiting.values()):
                    self._show(stage)
            if for_good:
                self.clear()

    # ------------------------------------------------------------ checkpoints

    def sync(self) -> None:
        """See connectors.base.Sink."""
        with self._lock:
            stages = list(self._waiting.values())
        with disk(self.options.path):
            for stage in stages:
                stage.sync()

    def note(self) -> Mapping[str, int]:
        """The last tick staged of each partition that has rows staged."""
        with self._lock:
            return {stage.name: stage.told for stage in self._waiting.values()}

    def checkpointed(self, tick: int, note: Mapping[str, int]) -> None:
        """See connectors.base.Sink."""
        with self._lock:
            before = self._checkpoints = (self._checkpoints[1], _Checkpoint(tick, frozenset(note)))
            # the last but one may serve when the last is damaged: what is shown must be known until then, and what
            # either has noted must be found, though it may have been shown while the last was being written
            for directory, stage in list(self._stages.items()):
                is_noted = any(stage.name in each.noted for each in before)
                if not stage.frames and not stage.intent and stage.shown <= before[0].tick and not is_noted:
                    stage.remove()
                    del self._stages[directory]

    def restore(self, tick: int, note: Mapping[str, int]) -> None:
        """See connectors.base.Sink; DataCorrupted (XX001) when rows are gone that were staged."""
        with self._lock, disk(self.options.path):
            self._stages, self._waiting, self._full = {}, {}, {}
            self._fence, self._checkpoints = -1, (_NONE, _Checkpoint(tick, frozenset(note)))
            self._read(note)
            found = [stage for stage in self._stages.values() if stage.frames]
            for stage in sorted(found, key=lambda stage: stage.frames[0].time_us):
                self._waiting[stage.directory] = stage
            for stage in found:
                self._complete(stage)
                again = next((frame for frame in stage.frames if frame.fence > tick), None)
                if again is not None:
                    stage.cut_from(again)
                if not stage.frames:
                    self._waiting.pop(stage.directory, None)

    def _read(self, note: Mapping[str, int]) -> None:
        """The logs as they were left, and what no log speaks of taken away."""
        told = {}
        for path in sorted(self._folder.glob("*" + EXTENSION)):
            stage = read_stage(path)
            if stage is not None:
                self._stages[stage.directory] = stage
                told[stage.name] = stage.told
        for name, tick in note.items():
            if told.get(name, -1) < tick:
                raise damaged(self._folder / (name + EXTENSION), f"they end before tick {tick}")
        intended = {temporary for stage in self._stages.values() for temporary, _ in stage.intent}
        for path in self._folder.glob("*"):
            if path.suffix in (".tmp", ".new") and path.name not in intended:
                path.unlink(missing_ok=True)

    def clear(self) -> None:
        """See connectors.base.Sink: what is shown stays."""
        with self._lock, disk(self.options.path):
            self._stages, self._waiting, self._full = {}, {}, {}
            self._fence = -1
            for path in self._folder.glob("*"):
                path.unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                self._folder.rmdir()


def _repeated(batch: pa.RecordBatch, weights: Any | None) -> pa.RecordBatch:
    """Each row as often as it comes."""
    if weights is None:
        return batch
    counts = np.asarray(weights)
    if (counts < 0).any():
        raise NotSupportedError("the file sink cannot take deletions", hint="sink an append-only query")
    return batch.take(pa.array(np.repeat(np.arange(batch.num_rows), counts)))
