"""A program as a filter: bytes in, bytes out, both at once, within limits. Knows no SQL.

The program's input is written by a thread of its own, its output goes to a file, what it complains of is read by
another thread: whatever it reads or writes first, nobody waits for anybody for ever. It is started from a list of
words, without a shell, as a process group, which is killed as a whole when the program has ended, for whatever reason.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import IO

from sqlengine.errors import ScriptFailed
from sqlengine.quick_dataclass import dataclass

if sys.platform == "linux":
    import resource

_PAUSE_S = 0.01
_TAIL_BYTES = 4096
_AT_ONCE_BYTES = 1 << 16
"""What an empty pipe may have space for; it takes as much as it has."""


@dataclass(frozen=True, slots=True)
class Limits:
    """0: none. `timeout_ms` of the whole run; `memory_bytes` of address space of each process (on Linux);
    `output_bytes` written."""

    timeout_ms: int = 0
    memory_bytes: int = 0
    output_bytes: int = 0


USUAL = Limits()


def run_script(
    name: str,
    words: Sequence[str],
    rows: Iterable[bytes],
    written: IO[bytes],
    now_us: Callable[[], int],
    *,
    directory: str | None = None,
    limits: Limits = USUAL,
    reads_all: bool = True,
    check: Callable[[], None] | None = None,
) -> None:
    """Run a program, which errors call `name`, in a directory (that of this process by default) with `rows` as its
    input; what it writes goes to the file `written`. `now_us`: the clock its time is taken by.

    `reads_all`: it is an error when the program ends before it has read its input; `check` is called every few
    milliseconds, and what it raises ends the program. Raises ScriptFailed (38000) for a program that cannot be started
    or ends with anything but 0, with what it said last as the error's detail, and for one beyond its limits; and what
    `rows` raises.
    """
    with _Input(rows) as given:
        process = _started(name, words, given, written, directory, limits)
        feeder = _Feeder(given)
        listener = _Listener(process)
        try:
            _wait(process, name, written, now_us, limits, check)
        except ScriptFailed as error:
            _kill(process)
            error.detail = listener.said()
            raise
        finally:
            _kill(process)
            feeder.join()
            listener.join()
    if feeder.error is not None:
        raise feeder.error
    if process.returncode:
        raise ScriptFailed(f'script "{name}" {_ending(process.returncode)}', detail=listener.said())
    if reads_all and feeder.is_cut_off:
        raise ScriptFailed(
            f'script "{name}" ended before it had read its input',
            hint="SET hive.exec.script.allow.partial.consumption = true, where that is meant",
        )


class _Input:
    """A pipe into a program that has the first rows already, so that it makes no difference to few rows how soon a
    program ends that does not read them."""

    def __init__(self, rows: Iterable[bytes]) -> None:
        self._rows = iter(rows)
        first = next(self._rows, b"")
        self.read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        self._rest = first[os.write(write_end, first[:_AT_ONCE_BYTES]) :]
        os.set_blocking(write_end, True)
        self._write_end = write_end

    def write_rest(self) -> None:
        """Write what is not in the pipe yet; BrokenPipeError when nobody reads it."""
        for piece in chain([self._rest], self._rows):
            view = memoryview(piece)
            while view:
                view = view[os.write(self._write_end, view) :]

    def close(self) -> None:
        """The program sees the end of its input."""
        if self._write_end >= 0:
            os.close(self._write_end)
        self._write_end = -1

    def hand_over(self) -> None:
        """The program alone reads from here on."""
        if self.read_end >= 0:
            os.close(self.read_end)
        self.read_end = -1

    def __enter__(self) -> _Input:
        return self

    def __exit__(self, *error: object) -> None:
        self.hand_over()
        self.close()


def _started(
    name: str, words: Sequence[str], given: _Input, written: IO[bytes], directory: str | None, limits: Limits
) -> subprocess.Popen[bytes]:
    try:
        process = subprocess.Popen(
            list(words),
            stdin=given.read_end,
            stdout=written,
            stderr=subprocess.PIPE,
            cwd=directory,
            start_new_session=True,
        )
    except OSError as error:
        raise ScriptFailed(
            f'script "{name}" cannot be started: {error.strerror or error}',
            hint="it is looked for among the files added (ADD FILE) and in PATH; no shell reads its words",
        ) from error
    except ValueError as error:  # a NUL in a word
        raise ScriptFailed(f"a script cannot be started: {error}") from error
    given.hand_over()
    if limits.memory_bytes and sys.platform == "linux":
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    return process


def _wait(
    process: subprocess.Popen[bytes],
    name: str,
    written: IO[bytes],
    now_us: Callable[[], int],
    limits: Limits,
    check: Callable[[], None] | None,
) -> None:
    ends_us = now_us() + limits.timeout_ms * 1000 if limits.timeout_ms else None
    while True:
        if check is not None:
            check()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PAUSE_S)
        if limits.output_bytes and os.fstat(written.fileno()).st_size > limits.output_bytes:
            raise ScriptFailed(
                f'script "{name}" has written more than {limits.output_bytes} bytes',
                sqlstate="54000",
                hint="SET script_output_limit",
            )
        if process.returncode is not None:
            return
        if ends_us is not None and now_us() > ends_us:
            raise ScriptFailed(
                f'script "{name}" has not ended within {limits.timeout_ms} ms', hint="SET script_timeout_ms"
            )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the program and what it has started, and wait for it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ending(code: int) -> str:
    if code > 0:
        return f"ended with status {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


class _Feeder(threading.Thread):
    """Writes the input. `error`: what making it has raised; `is_cut_off`: the program did not want all of it."""

    def __init__(self, given: _Input) -> None:
        super().__init__(name="script input", daemon=True)
        self._given = given
        self.error: BaseException | None = None
        self.is_cut_off = False
        self.start()

    def run(self) -> None:
        """Write all, and close."""
        try:
            self._given.write_rest()
        except BrokenPipeError:
            self.is_cut_off = True
        except BaseException as error:  # noqa: BLE001 - told to who waits for the program
            self.error = error
        finally:
            self._given.close()


class _Listener(threading.Thread):
    """Reads what the program complains of, and keeps the last of it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(name="script complaints", daemon=True)
        assert process.stderr is not None, "it is a pipe"
        self._pipe = process.stderr
        self._tail = b""
        self.start()

    def run(self) -> None:
        """Read up to the end."""
        with self._pipe:
            while piece := os.read(self._pipe.fileno(), 1 << 16):
                self._tail = (self._tail + piece)[-_TAIL_BYTES:]

    def said(self) -> str | None:
        """The last of it as text, without blanks around it; None for nothing."""
        self.join(1.0)
        return self._tail.decode("utf-8", "replace").strip() or None
