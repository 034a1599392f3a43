"""A PostgreSQL to be measured beside: made in a temporary directory, gone when the benchmark ends."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


@contextmanager
def postgres() -> Iterator[str | None]:
    """Where it is, for libpq; None where there is none on this machine."""
    found = next((str(p) for p in _PLACES if (p / "initdb").exists()), None) or _of_path()
    if found is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="beside-"))
    folder.chmod(0o777)
    port = _free_port()
    settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c shared_buffers=512MB"
    try:
        _run(found, "initdb", "-D", str(folder / "data"), "-A", "trust", "-E", "UTF8", "-U", "me")
        _run(found, "pg_ctl", "-D", str(folder / "data"), "-o", settings, "-w", "-l", str(folder / "log"), "start")
        try:
            yield f"host=127.0.0.1 port={port} user=me dbname=postgres"
        finally:
            _run(found, "pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _of_path() -> str | None:
    initdb = shutil.which("initdb")
    return None if initdb is None else str(Path(initdb).parent)


def _run(folder: str, program: str, *arguments: str) -> None:
    """Run a program of PostgreSQL, which refuses to be run by root."""
    command = [f"{folder}/{program}", *arguments]
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
