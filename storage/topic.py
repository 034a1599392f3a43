"""Topic: a named set of partitions with one sequence of schemas.

Knows the directory of a topic (description, schemas, partitions); must not know other topics.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from storage import checked
from storage.config import TopicConfig
from storage.env import Env, write_file
from storage.errors import CorruptFile, StorageError, UnsupportedConfig
from storage.log import recovery
from storage.log.commit import GroupCommit
from storage.log.file_log import FileLog
from storage.log.log import Log, TopicContext, bytes_context
from storage.log.memory_log import MemoryLog
from storage.topic_files import DESCRIPTION, SCHEMA_PREFIX, schema_file


class Topic(ABC):
    """id (uuid text), name, when it was created (ms since 1970 UTC), and its partitions."""

    def __init__(self, topic_id: str, created_ms: int, context: TopicContext) -> None:
        self.id = topic_id
        self.created_ms = created_ms
        self.context = context
        self.partitions: list[Log] = []

    @property
    def name(self) -> str:
        """Name of the topic."""
        return self.context.name

    @property
    def config(self) -> TopicConfig:
        """The settings in force."""
        return self.context.config

    @property
    def schema(self) -> pa.Schema:
        """The newest schema, which appended batches must have."""
        return self.context.schemas[-1]

    @property
    def is_bytes(self) -> bool:
        """Whether the topic holds keys and values as bytes (BYTES_SCHEMA)."""
        return self.context.bytes_payload

    def evolve(self, schema: pa.Schema) -> int:
        """Make `schema` the newest; returns its id. Older frames keep theirs; an equal schema changes
        nothing.
        """
        if self.is_bytes:
            raise UnsupportedConfig(f'topic "{self.name}" holds bytes, its schema is fixed')
        if not schema.equals(self.schema, check_metadata=True):
            self.context.check_config(self.config, schema)
            self._keep_key_types(schema)
            self._store_schema(len(self.context.schemas), schema)
            self.context.add_schema(schema)
        return len(self.context.schemas) - 1

    def _keep_key_types(self, schema: pa.Schema) -> None:
        """UnsupportedConfig if a column of the key changes its type: old and new records could not be compared."""
        for name in self.config.key_columns:
            if name in schema.names and name in self.schema.names:
                old, new = self.schema.field(name).type, schema.field(name).type
                if old != new:
                    raise UnsupportedConfig(f'key column "{name}" of topic "{self.name}" cannot become {new}')

    def alter(self, config: TopicConfig) -> None:
        """Put new settings in force. Everything is flushed first, so that a stricter durability holds for all
        records.
        """
        self.context.check_config(config)
        self.flush()
        self._store_description(config)
        before, self.context.config = self.context.config, config
        for log in self.partitions:
            log.configure(before)
        for number in range(len(self.partitions), config.partitions):
            self.partitions = [*self.partitions, self._open_partition(number)]
        self.flush()

    def flush(self) -> None:
        """Make everything appended durable."""
        for log in self.partitions:
            log.flush()

    def close(self, *, flush: bool = True) -> None:
        """Close all partitions; raises the first failure after all have been closed."""
        errors = []
        for log in self.partitions:
            try:
                log.close(flush=flush)
            except StorageError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    @abstractmethod
    def _store_schema(self, schema_id: int, schema: pa.Schema) -> None:
        """Keep a schema durably."""

    @abstractmethod
    def _store_description(self, config: TopicConfig) -> None:
        """Keep the settings durably (and make the directories of new partitions)."""

    @abstractmethod
    def _open_partition(self, number: int) -> Log:
        """The log of a partition that is added."""


class MemoryTopic(Topic):
    """A topic without a directory."""

    def __init__(self, topic_id: str, created_ms: int, context: TopicContext) -> None:
        super().__init__(topic_id, created_ms, context)
        self.partitions = [self._open_partition(number) for number in range(context.config.partitions)]

    def _store_schema(self, schema_id: int, schema: pa.Schema) -> None:
        """See `Topic._store_schema`: nothing to keep it in."""

    def _store_description(self, config: TopicConfig) -> None:
        """See `Topic._store_description`: nothing to keep it in."""

    def _open_partition(self, number: int) -> Log:
        """See `Topic._open_partition`."""
        return MemoryLog(self.context, number)


OpenLog = Callable[[TopicContext, int, str, bool], Log]
"""Opens the log of a partition: context, number, directory, whether the partition has just been made."""


def open_file_log(context: TopicContext, number: int, directory: str, is_new: bool) -> Log:
    """A log in one directory. It need not be told whether it is new."""
    return FileLog(context, number, directory)


@dataclasses.dataclass(frozen=True)
class Disk:
    """How a topic's files are reached: its description and schemas through `files`, its partitions by `open_log`."""

    files: Env
    open_log: OpenLog = open_file_log


class FileTopic(Topic):
    """A topic in a directory."""

    def __init__(
        self, topic_id: str, created_ms: int, context: TopicContext, directory: str, disk: Disk, *, is_new: bool
    ) -> None:
        super().__init__(topic_id, created_ms, context)
        self.directory = directory
        self._disk = disk
        self.partitions = [self._opened(number, is_new) for number in range(context.config.partitions)]

    def _store_schema(self, schema_id: int, schema: pa.Schema) -> None:
        """See `Topic._store_schema`."""
        write_schema(self._disk.files, self.directory, schema_id, schema)

    def _store_description(self, config: TopicConfig) -> None:
        """See `Topic._store_description`."""
        for number in range(len(self.partitions), config.partitions):
            recovery.create_log(self._disk.files, f"{self.directory}/{number}")
        description = describe(self.id, self.created_ms, self.context, config)
        write_description(self._disk.files, self.directory, description)

    def _open_partition(self, number: int) -> Log:
        """See `Topic._open_partition`."""
        return self._opened(number, is_new=True)

    def _opened(self, number: int, is_new: bool) -> Log:
        """The log of a partition."""
        return self._disk.open_log(self.context, number, f"{self.directory}/{number}", is_new)


def describe(topic_id: str, created_ms: int, context: TopicContext, config: TopicConfig) -> dict[str, Any]:
    """What a topic's description file says."""
    return {
        "id": topic_id,
        "name": context.name,
        "created_ms": created_ms,
        "payload": "bytes" if context.bytes_payload else "arrow",
        "config": _written_settings(config),
    }


# Settings that every description names; later ones are written where they differ from their defaults.
_FIRST_SETTINGS = frozenset(
    {
        "partitions",
        "replication_factor",
        "min_insync_replicas",
        "durability",
        "retention_ms",
        "retention_bytes",
        "cleanup",
        "segment_bytes",
        "statistics",
    }
)


def _written_settings(config: TopicConfig) -> dict[str, Any]:
    """The settings as a description holds them."""
    defaults = TopicConfig(replication_factor=1)
    settings = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    return {
        name: value for name, value in settings.items() if name in _FIRST_SETTINGS or value != getattr(defaults, name)
    }


def write_description(env: Env, directory: str, description: dict[str, Any]) -> None:
    """Replace the description file atomically."""
    write_file(env, f"{directory}/{DESCRIPTION}", [checked.seal_json(description)])


def write_schema(env: Env, directory: str, schema_id: int, schema: pa.Schema) -> None:
    """Write a schema as the IPC schema message that the frames of that id leave out."""
    write_file(env, f"{directory}/{schema_file(schema_id)}", [checked.seal(schema.serialize().to_pybytes())])


def create_directory(env: Env, directory: str, description: dict[str, Any], schema: pa.Schema | None) -> None:
    """Make a topic's directory appear whole: built under a temporary name, then renamed."""
    temporary = f"{directory}.tmp"
    env.remove(temporary)
    env.mkdir(temporary)
    for number in range(description["config"]["partitions"]):
        recovery.create_log(env, f"{temporary}/{number}")
    if schema is not None:
        write_schema(env, temporary, 0, schema)
    write_description(env, temporary, description)
    env.rename(temporary, directory)
    env.sync_dir(directory.rpartition("/")[0])


def load_topic(env: Env, directory: str, commit: GroupCommit, disk: Disk) -> FileTopic:
    """Open a topic; CorruptFile if its description or a schema is damaged (damaged partitions fail on their
    own).
    """
    description = checked.load_json(disk.files, f"{directory}/{DESCRIPTION}")
    config = TopicConfig(**description["config"])
    if description["payload"] == "bytes":
        context = bytes_context(env, description["name"], config, commit)
    else:
        context = TopicContext(env, description["name"], config, commit)
        for schema in _load_schemas(disk.files, directory):
            context.add_schema(schema)
    return FileTopic(description["id"], description["created_ms"], context, directory, disk, is_new=False)


def _load_schemas(env: Env, directory: str) -> list[pa.Schema]:
    """All schemas by id."""
    count = sum(name.startswith(SCHEMA_PREFIX) and name.endswith(".arrow") for name in env.list(directory))
    if count == 0:
        raise CorruptFile(f'topic directory "{directory}" has no schema', file=f"{directory}/{schema_file(0)}")
    contents = [checked.load(env, f"{directory}/{schema_file(number)}") for number in range(count)]
    return [pa.ipc.read_schema(pa.py_buffer(content)) for content in contents]
