"""What the tests of the command share: the command in this process, over the fake session."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass

import pytest

import repl.__main__ as command
from tests.repl.fake import FakeDatabase, FakeSession


@dataclass(frozen=True)
class Run:
    """What one run of the command did."""

    status: int
    out: str
    err: str
    databases: list[FakeDatabase]

    @property
    def session(self) -> FakeSession:
        return self.databases[0].sessions[0]


class Command:
    """Call it with arguments as typed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        self._monkeypatch = monkeypatch
        self._capture = capfdbinary

    def __call__(self, *arguments: str, stdin: str = "") -> Run:
        databases: list[FakeDatabase] = []

        def connect(path: str, **settings: str) -> FakeDatabase:
            databases.append(FakeDatabase(path, **settings))
            return databases[-1]

        self._monkeypatch.setattr(command, "connect", connect)
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        try:
            status = command.main(list(arguments))
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        out, err = self._capture.readouterr()
        return Run(status, out.decode(), err.decode(), databases)


@pytest.fixture
def sqlengine(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Command:
    """The command `sqlengine` over fake sessions."""
    return Command(monkeypatch, capfdbinary)
