"""Addresses to listen on, as they are written."""

from __future__ import annotations

from sqlengine.errors import InvalidParameter


def parse_address(text: str) -> tuple[str, int]:
    """The host and port of "HOST:PORT", "[::1]:PORT" too; InvalidParameter (22023) for anything else."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise InvalidParameter(f'"{text}" is no address to listen on', hint="write HOST:PORT, as in 127.0.0.1:5433")
    return host.strip("[]"), int(port)
