"""Small descriptive files with a checksum: a first line with the CRC-32C in hex, then the content.

Used for topic descriptions, schemas and snapshot manifests. Must not decide what a damaged file means.
"""

from __future__ import annotations

import json
from typing import Any

from storage.env import Env, read_file
from storage.errors import CorruptFile
from storage.log.format import checksum

_PREFIX = b"sqlengine-checked 1 "


def seal(content: bytes) -> bytes:
    """The bytes to store for `content`."""
    return _PREFIX + f"{checksum([content]):08x}\n".encode() + content


def seal_json(value: Any) -> bytes:
    """The bytes to store for a JSON value."""
    return seal(json.dumps(value, indent=1).encode())


def load(env: Env, path: str) -> bytes:
    """The content of a checked file; CorruptFile if it is missing, cut or changed."""
    try:
        data = read_file(env, path)
    except FileNotFoundError:
        raise CorruptFile(f'file "{path}" is missing', file=path) from None
    head, _, content = data.partition(b"\n")
    if head != _PREFIX + f"{checksum([content]):08x}".encode():
        raise CorruptFile(f'file "{path}" does not match its checksum', file=path)
    return content


def load_json(env: Env, path: str) -> Any:
    """The value of a checked JSON file; CorruptFile as for `load`."""
    return json.loads(load(env, path))
