"""A program in a terminal: what is typed, and what stands on the screen."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import pytest

PATIENCE_S = 30.0


class Terminal:
    """Forty lines of 120 columns, as a context; the program is ended with it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        pexpect, pyte = pytest.importorskip("pexpect"), pytest.importorskip("pyte")
        self._timeout, self._eof = pexpect.TIMEOUT, pexpect.EOF
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: the child only executes
            self._child: Any = pexpect.spawn(command[0], list(command[1:]), dimensions=(40, 120), env=dict(environment))
        self._screen: Any = pyte.Screen(120, 40)
        self._stream: Any = pyte.ByteStream(self._screen)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.close(force=True)

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def press(self, keys: str) -> None:
        """Type."""
        self._child.send(keys)

    def shows(self, *wanted: str) -> str:
        """Wait until all of these stand on the screen."""
        end = time.monotonic() + PATIENCE_S
        while not all(word in self.text for word in wanted):
            if time.monotonic() > end or not self._read():
                pytest.fail(f"{wanted} is not on the screen:\n{self.text}")
        return self.text

    def clear(self) -> None:
        """Forget what stands there, so that only what comes counts."""
        self._screen.reset()

    def ends(self) -> int:
        """Wait for the program to end; its exit status."""
        while self._read():
            pass
        self._child.close()
        return int(self._child.exitstatus)

    def _read(self) -> bool:
        try:
            data = self._child.read_nonblocking(65_536, 0.2)
        except self._timeout:
            return True
        except self._eof:
            return False
        if b"\x1b[6n" in data:  # where is the cursor?
            self._child.send(f"\x1b[{self._screen.cursor.y + 1};{self._screen.cursor.x + 1}R")
        self._stream.feed(data)
        return True
