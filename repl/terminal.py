"""What the screen can show: width, colour, Unicode; and the byte stream results are written to.

Nothing else in this package asks the operating system about the terminal or writes to standard output.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import termios
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, BinaryIO, TextIO

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.quick_dataclass import dataclass

DIM, RED, BOLD, RESET = "\x1b[2m", "\x1b[31m", "\x1b[1m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Screen:
    """Where text is shown: `width` and `height` in character cells, None when nothing limits them."""

    width: int | None = None
    height: int | None = None
    color: bool = False
    unicode: bool = True

    def paint(self, text: str, style: str) -> str:
        """`text` in an ANSI style, or as it is where there is no colour."""
        return f"{style}{text}{RESET}" if self.color and text else text


def screen_of(stream: TextIO, environ: Mapping[str, str] = os.environ) -> Screen:
    """What `stream` can show: only a terminal has a width, and colour unless NO_COLOR or TERM=dumb says
    no."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    plain = Screen(unicode=encoding.startswith("utf"))
    if not stream.isatty():
        return plain
    size = shutil.get_terminal_size()
    return replace(plain, width=size.columns, height=size.lines, color=has_color(environ))


def has_color(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a terminal is to be coloured: not where NO_COLOR is set or TERM is dumb."""
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


class Keyboard:
    """The terminal keys come from.  `keep` has those typed while a statement runs wait, as they were pressed, for the
    next prompt.

    Why: a terminal that gathers lines swallows a Ctrl-D nobody reads, edits with its own keys what was begun, and
    shows keys in the midst of a result.  Ctrl-C stays a signal.  Before `keep`, and where standard input is no
    terminal, nothing here does anything.
    """

    def __init__(self) -> None:
        self._before: list[Any] | None = None

    def keep(self) -> None:
        """From now on; again after the process was stopped, because shells set the terminal as they like it."""
        try:
            modes = termios.tcgetattr(0)
        except termios.error:
            return
        if self._before is None:
            self._before = list(modes)
        modes[3] &= ~(termios.ICANON | termios.ECHO)
        modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
        termios.tcsetattr(0, termios.TCSANOW, modes)

    def give_back(self) -> None:
        """As it was before `keep`."""
        if self._before is not None:
            termios.tcsetattr(0, termios.TCSANOW, self._before)
            self._before = None

    @contextlib.contextmanager
    def given_back(self) -> Iterator[None]:
        """While a program of the user's has it: an editor, a pager."""
        is_kept = self._before is not None
        self.give_back()
        try:
            yield
        finally:
            if is_kept:
                self.keep()


class Output:
    """Bytes to standard output or a file, with the Screen they end on."""

    def __init__(self, stream: BinaryIO, screen: Screen, encoding: str = "utf-8") -> None:
        self.stream = stream
        self._encoding = encoding
        self.screen = screen

    def write(self, text: str) -> None:
        """Write text; what the terminal's encoding lacks is written as an escape."""
        self.stream.write(text.encode(self._encoding, errors="backslashreplace"))

    def write_lines(self, lines: pa.Array) -> None:
        """Write an Arrow array of texts (no nulls), each with a line end."""
        if self._encoding.lower().replace("-", "") != "utf8":
            self.write("".join(f"{line}\n" for line in lines.cast(pa.string()).to_pylist()))
        elif len(lines):
            self.write_bytes(value_bytes(pc.binary_join_element_wise(lines.cast(pa.binary()), b"\n", b"")))

    def write_bytes(self, data: bytes | memoryview) -> None:
        """Write bytes as they are."""
        self.stream.write(data)

    def flush(self) -> None:
        """Hand everything to the reader now."""
        self.stream.flush()

    def close(self) -> None:
        """Flush and close the stream (never called for standard output)."""
        self.stream.close()


def value_bytes(texts: pa.Array) -> memoryview:
    """The bytes of all values of a `string` or `binary` array one after the other, without a copy."""
    _, offset_buffer, data = texts.buffers()
    offsets = memoryview(offset_buffer).cast("i")
    first, last = offsets[texts.offset], offsets[texts.offset + len(texts)]
    return memoryview(data if data is not None else b"")[first:last]


def standard_output(stream: TextIO) -> Output:
    """The process's standard output, sized anew for each result."""
    return Output(stream.buffer, screen_of(stream), stream.encoding or "utf-8")


def file_output(path: str) -> Output:
    """A file that is written anew; OSError when it cannot be."""
    return Output(open(path, "wb"), Screen())
