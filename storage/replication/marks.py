"""Marks: what a directory of a replicated storage says of itself and of the others.

A mark is a checked file, `replicas`: the storage's id, the directory's own id, all directories, and which of them were
in sync at which generation. Generation 0 is of a directory that has not everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from storage import checked
from storage.env import Env, write_file

MARK = "replicas"


@dataclass(frozen=True)
class Mark:
    """What a directory says of itself and the others. `directories`: path by id. next_id: no id from it on was used."""

    storage: str
    directory: int
    generation: int
    in_sync: tuple[int, ...]
    directories: dict[int, str]
    next_id: int


def write_mark(env: Env, path: str, mark: Mark) -> None:
    """Write the mark of a directory durably. OSError."""
    content: dict[str, Any] = {
        "storage": mark.storage,
        "directory": mark.directory,
        "generation": mark.generation,
        "in_sync": list(mark.in_sync),
        "directories": {str(number): place for number, place in mark.directories.items()},
        "next_id": mark.next_id,
    }
    write_file(env, f"{path}/{MARK}", [checked.seal_json(content)])


def load_mark(env: Env, path: str) -> Mark | None:
    """The mark of a directory, None if it has none; CorruptFile if it is damaged."""
    if not env.exists(f"{path}/{MARK}"):
        return None
    found = checked.load_json(env, f"{path}/{MARK}")
    directories = {int(number): place for number, place in found["directories"].items()}
    in_sync = tuple(found["in_sync"])
    return Mark(found["storage"], found["directory"], found["generation"], in_sync, directories, found["next_id"])
