"""Keys of a terminal, through prompt_toolkit, to a screen."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from repl.live.export import CLIPBOARD_BYTES, clipboard_sequence, clipboard_text
from repl.live.fullscreen import show
from repl.live.lines import Line, page
from tests.repl.fake import wait_until
from tests.repl.live.changelogs import batch


class Recorder:
    """A screen that notes what is pressed, and is left with q."""

    def __init__(self) -> None:
        self.done = False
        self.clipboard: str | None = None
        self.pressed: list[str] = []
        self.sizes: set[tuple[int, int]] = set()

    def press(self, key: str) -> None:
        self.pressed.append(key)
        self.done = key in ("q", "!")
        if key == "y":
            self.clipboard = "copied"
        if key == "!":
            raise ValueError("a fault on purpose")

    def frame(self, width: int, height: int, now: float) -> list[Line]:
        self.sizes.add((width, height))
        return page([[("title", "text")]], width, height)

    def is_stale(self, now: float) -> bool:
        return False


class Output(DummyOutput):
    """Keeps what is written raw."""

    def __init__(self) -> None:
        self.raw = ""

    def write_raw(self, data: str) -> None:
        self.raw += data


def shown(*sent: str) -> tuple[Recorder, Output]:
    """A screen to which this was typed, and then q."""
    screen, output = Recorder(), Output()
    with create_pipe_input() as pipe:
        typist = threading.Thread(target=_type, args=(pipe, screen, sent))
        typist.start()
        try:
            show(screen, input=pipe, output=output)
        finally:
            typist.join()
    return screen, output


def _type(pipe: PipeInput, screen: Recorder, sent: Sequence[str]) -> None:
    """Each only when the one before has arrived: Escape and what follows would be another key."""
    for number, text in enumerate((*sent, "q"), 1):
        if screen.done:
            return
        pipe.send_text(text)
        wait_until(lambda number=number: len(screen.pressed) >= number)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        ("\x1b[A", "up"), ("\x1b[B", "down"), ("\x1b[C", "right"), ("\x1b[D", "left"), ("\x1b[H", "home"),
        ("\x1b[F", "end"), ("\x1b[5~", "pageup"), ("\x1b[6~", "pagedown"), ("\t", "tab"), ("\r", "enter"),
        ("\n", "enter"),
        ("\x1b", "escape"), ("\x03", "c-c"), ("\x7f", "backspace"), ("\x08", "backspace"), ("\x15", "c-u"), (" ", " "),
        *((char, char) for char in "abcsfwyrpknNgG?/<>_é東"),
    ],
)  # fmt: skip
def test_every_key_arrives_by_its_name(sent: str, key: str) -> None:
    screen, _ = shown(sent)
    assert screen.pressed == [key, "q"]


def test_it_is_left_at_end_of_input_and_draws_the_size_of_the_terminal() -> None:
    screen, _ = shown("\x04")
    assert screen.pressed == ["q"]
    assert shown("a")[0].sizes == {(80, 40)}


def test_pasted_text_comes_as_characters() -> None:
    screen = Recorder()
    with create_pipe_input() as pipe:
        pipe.send_text("\x1b[200~a b\n\x1b[201~q")
        show(screen, input=pipe, output=DummyOutput())
    assert screen.pressed == ["a", " ", "b", " ", "q"]


def test_the_clipboard_is_set_by_the_terminal() -> None:
    _, output = shown("y", "a")
    assert output.raw.count(clipboard_sequence("copied")) == 1
    assert clipboard_sequence("copied") == "\x1b]52;c;Y29waWVk\x07"


def test_the_clipboard_gets_what_it_can_hold() -> None:
    rows = batch([("insert", (n, "x" * 1_000, None)) for n in range(100)])
    text, count = clipboard_text(rows, "UTC")
    assert len(clipboard_sequence(text)) < CLIPBOARD_BYTES + 20 and 40 < count < 60
    assert text.count("\n") == count + 1 and text.splitlines()[1].endswith("\tNULL")


def test_a_fault_ends_the_screen_and_is_told() -> None:
    with pytest.raises(ValueError, match="on purpose"):
        shown("!")
