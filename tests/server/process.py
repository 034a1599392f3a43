"""A server as a process of its own, as users run it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.nursery import ROOT
from tests.server.forked import Forked, command


@dataclass
class Served:
    """A server on a port of the loopback interface, perhaps on another for clients of Hive."""

    port: int
    process: Forked | subprocess.Popen[str]
    hive_port: int | None = None

    @property
    def dsn(self) -> str:
        """Where it is, for libpq."""
        return f"host=127.0.0.1 port={self.port} user=me dbname=db"

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Have it end; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def served(*arguments: str | Path, cold: bool = False) -> Iterator[Served]:
    """`sqlengine serve` with arguments, on any free port; `cold`: from nothing, which takes two seconds."""
    line = ("serve", "--pg", "127.0.0.1:0", *map(str, arguments))
    process: Forked | subprocess.Popen[str]
    if cold:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        begun = [sys.executable, "-m", "repl", *line]
        process = subprocess.Popen(begun, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    else:
        process = command(*line)
    assert process.stderr is not None
    try:
        told = process.stderr.readline()
        found = re.search(r":(\d+)", told)
        assert found is not None, told + process.stderr.read()
        hive = re.search(r":(\d+) \(HiveServer2\)", told)
        yield Served(int(found[1]), process, None if hive is None else int(hive[1]))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        process.stderr.close()
