"""The command in a real terminal of a given size: a pseudo-terminal whose output an emulator (pyte) draws."""

from __future__ import annotations

import contextlib
import copy
import fcntl
import os
import select
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pexpect
import pyte

from tests.repl.warm import warm

KEYS = {
    "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "home": "\x1b[H", "end": "\x1b[F",
    "pageup": "\x1b[5~", "pagedown": "\x1b[6~", "tab": "\t", "enter": "\r", "escape": "\x1b", "c-c": "\x03",
    "c-d": "\x04",
}  # fmt: skip
_PATIENCE_S = 60.0
_SECOND_SCREEN = 1049


class _Screen(pyte.Screen):
    """Knows the second screen that full-screen programs draw on (mode 1049), as terminals do."""

    _first: Any = None

    def set_mode(self, *modes: int, **options: Any) -> None:
        if _SECOND_SCREEN in modes and self._first is None:
            self._first = copy.deepcopy((self.buffer, self.cursor))
            self.erase_in_display(2)
        super().set_mode(*modes, **options)

    def reset_mode(self, *modes: int, **options: Any) -> None:
        super().reset_mode(*modes, **options)
        if _SECOND_SCREEN in modes and self._first is not None:
            (self.buffer, self.cursor), self._first = self._first, None
            self.dirty.update(range(self.lines))


class _Cold:
    """A program from its file, as users start it."""

    def __init__(self, program: Sequence[str], environment: dict[str, str], height: int, width: int) -> None:
        self._process = pexpect.spawn(
            program[0], list(program[1:]), dimensions=(height, width), env=environment, timeout=None
        )
        self.handle: int = self._process.child_fd

    def ended(self) -> bool:
        return not self._process.isalive()

    @property
    def status(self) -> int | None:
        status: int | None = self._process.exitstatus
        return status

    def close(self) -> None:
        try:
            self._process.close(force=True)
        except pexpect.ExceptionPexpect:  # on a busy machine a killed process takes its time
            self._process.ptyproc.delayafterterminate = 5.0
            self._process.close(force=True)


class _Warm:
    """`sqlengine` as a fork of a process that has loaded it: a third of the time until it is there."""

    def __init__(self, arguments: Sequence[str], environment: dict[str, str], height: int, width: int) -> None:
        self.handle, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self._process = warm().start(list(arguments), environment, theirs)
        os.close(theirs)

    def ended(self) -> bool:
        return self._process.ended(0)

    @property
    def status(self) -> int | None:
        return self._process.status

    def close(self) -> None:
        self._process.close()
        os.close(self.handle)


class Terminal:
    """`width` x `height` cells; the command runs with the arguments and ends with the block.

    `command`: a script in its place; `cold`: from its file, where what is tested is how it starts or ends.
    """

    def __init__(
        self,
        *arguments: str,
        width: int = 80,
        height: int = 24,
        state_home: Path,
        environ: Mapping[str, str] | None = None,
        command: Sequence[str] = (),
        cold: bool = False,
    ) -> None:
        self._screen = _Screen(width, height)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self.received = b""
        self._is_over = False
        environment = os.environ | {"XDG_STATE_HOME": str(state_home), "TERM": "xterm-256color", **(environ or {})}
        self._process: _Cold | _Warm
        if command or cold or not hasattr(os, "pidfd_open"):
            program = [sys.executable, *(command or ("-m", "repl")), *arguments]
            self._process = _Cold(program, environment, height, width)
        else:
            self._process = _Warm(arguments, environment, height, width)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        self._reader.join(_PATIENCE_S)
        self._process.close()

    def _read(self) -> None:
        """Draw what the command writes; answer when it asks where the cursor is."""
        while not self._is_over:
            if not select.select([self._process.handle], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self._process.handle, 65_536)
            except OSError:  # the command has left
                return
            if not data:
                return
            with self._lock:
                self.received += data
                self._stream.feed(data)
                for _ in range(data.count(b"\x1b[6n")):
                    self._send(f"\x1b[{self._screen.cursor.y + 1};{self._screen.cursor.x + 1}R")

    @property
    def handle(self) -> int:
        """The user's end of the terminal."""
        return self._process.handle

    def exit_status(self) -> int | None:
        """The status the command has ended with; waits for it."""
        end = time.monotonic() + _PATIENCE_S
        while not self._process.ended():
            assert time.monotonic() < end, f"it does not end; the screen shows\n{self.text}"
            time.sleep(0.05)
        self._reader.join(1.0)
        return self._process.status

    def _send(self, text: str) -> None:
        with contextlib.suppress(OSError):  # it has left
            data = text.encode()
            while data:
                data = data[os.write(self._process.handle, data) :]

    @property
    def text(self) -> str:
        """What the terminal shows, without blanks at the ends of lines."""
        with self._lock:
            return "\n".join(line.rstrip() for line in self._screen.display)

    def colors(self, row: int) -> set[str]:
        """The colours of texts in a line of the screen (0 = the first)."""
        with self._lock:
            return {cell.fg for cell in self._screen.buffer[row].values()}

    def type(self, text: str) -> None:
        """Send text as typed."""
        self._send(text)

    def press(self, *keys: str) -> None:
        """Send keys by name, or characters; each by itself, as a person would."""
        for key in keys:
            self._send(KEYS.get(key, key))
            time.sleep(0.02)

    def run(self, statement: str) -> None:
        """Type a statement or command at the prompt and send it."""
        self.type(statement)
        self.press("enter")

    def wait(self, condition: Callable[[str], bool]) -> str:
        """The screen once a condition holds of it; AssertionError when it never does."""
        end = time.monotonic() + _PATIENCE_S
        while not condition(text := self.text):
            assert time.monotonic() < end, f"it never happened; the screen shows\n{text}"
            time.sleep(0.02)
        return text

    def wait_for(self, *texts: str) -> str:
        """The screen once it shows all of the texts."""
        return self.wait(lambda screen: all(text in screen for text in texts))
