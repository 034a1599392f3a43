"""Shows a Screen on the whole terminal: the only file that draws with prompt_toolkit beside the prompt.

Two threads: prompt_toolkit's loop takes keys and paints the last frame; a thread of its own makes frames, at
most FRAMES_PER_SECOND of them, so that neither a million changes nor a large sort keeps a key waiting.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import Layout, Window
from prompt_toolkit.layout.controls import UIContent, UIControl
from prompt_toolkit.styles import Style

from repl.live.export import clipboard_sequence
from repl.live.lines import STYLES, Line
from repl.live.screen import Screen

FRAMES_PER_SECOND = 15
_ESCAPE_S = 0.05
_NAMES = {
    "c-m": "enter", "c-j": "enter", "c-i": "tab", "c-h": "backspace", "escape": "escape", "c-c": "c-c", "c-d": "q",
    "up": "up", "down": "down", "left": "left", "right": "right", "pageup": "pageup", "pagedown": "pagedown",
    "home": "home", "end": "end", "c-u": "c-u", "s-tab": "tab",
}  # fmt: skip
"""prompt_toolkit's names of keys, and ours."""


class _Painter:
    """Makes frames on a thread of its own."""

    def __init__(self, screen: Screen, app: Application[None]) -> None:
        self._screen = screen
        self._app = app
        self._keys: queue.SimpleQueue[tuple[str, KeyPress | None] | None] = queue.SimpleQueue()
        self.unread: list[KeyPress] = []
        self._size = (0, 0)
        self.lines: list[Line] = []
        self.frames = 0
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="sqlengine-painter", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def press(self, key: str, pressed: KeyPress | None) -> None:
        """Called by the loop; `pressed` is what prompt_toolkit calls the key."""
        self._keys.put((key, pressed))

    def resize(self, width: int, height: int) -> None:
        """Called by the loop each time it paints."""
        if self._size != (width, height):
            self._size = (width, height)
            self._keys.put(("", None))

    def close(self) -> None:
        """End the thread; keys that came after the last one the screen took are in `unread`."""
        self._keys.put(None)
        self._thread.join()
        while not self._keys.empty():
            self._leave_unread([self._keys.get()])

    def _leave_unread(self, keys: Iterable[tuple[str, KeyPress | None] | None]) -> None:
        self.unread += [key[1] for key in keys if key is not None and key[1] is not None]

    def _run(self) -> None:
        try:
            while self._wait():
                self._paint()
        except BaseException as error:  # noqa: BLE001 - handed to the caller of show()
            self.failure = error
        self._end_app()

    def _wait(self) -> bool:
        """Until a frame is due, having taken all keys; False when it is over."""
        began = time.monotonic()
        while True:
            try:
                keys = [self._keys.get(timeout=1 / FRAMES_PER_SECOND)]
            except queue.Empty:
                keys = []
            while not self._keys.empty():
                keys.append(self._keys.get())
            for number, key in enumerate(keys):
                if key is None or self._screen.done:
                    self._leave_unread(keys[number:])
                    return False
                if key[0]:
                    self._screen.press(key[0])
            if self._screen.done:
                return False
            if keys or (self._screen.is_stale(time.monotonic()) and time.monotonic() - began >= 1 / FRAMES_PER_SECOND):
                return True

    def _paint(self) -> None:
        width, height = self._size
        if width and height:
            self.lines = self._screen.frame(width, height, time.monotonic())
            self.frames += 1
            self._app.invalidate()

    def _end_app(self) -> None:
        loop = self._app.loop
        if loop is not None and self._app.is_running:
            loop.call_soon_threadsafe(lambda: self._app.exit() if not self._app.is_done else None)


class _Control(UIControl):
    """Hands the painter's last frame to prompt_toolkit."""

    def __init__(self) -> None:
        self.painter: _Painter | None = None

    def create_content(self, width: int, height: int) -> UIContent:
        """See prompt_toolkit."""
        assert self.painter is not None
        self.painter.resize(width, height)
        lines = self.painter.lines
        return UIContent(lambda i: [(_class(style), text) for style, text in lines[i]], len(lines), show_cursor=False)


def _class(style: str) -> str:
    return " ".join(f"class:{name}" for name in style.split())


def show(screen: Screen, **terminal: Any) -> None:
    """Show until the screen is done.  `terminal`: prompt_toolkit's input and output, for tests."""
    control = _Control()
    app: Application[None] = Application(
        Layout(Window(control, always_hide_cursor=True)),
        key_bindings=_bindings(control),
        style=Style.from_dict(STYLES),
        full_screen=True,
        min_redraw_interval=1 / (2 * FRAMES_PER_SECOND),
        max_render_postpone_time=0.02,
        **terminal,
    )
    app.ttimeoutlen = app.timeoutlen = _ESCAPE_S
    painter = control.painter = _Painter(screen, app)

    def send_clipboard(_app: Application[None]) -> None:
        if screen.clipboard is not None:
            text, screen.clipboard = screen.clipboard, None
            app.output.write_raw(clipboard_sequence(text))
            app.output.flush()

    app.after_render += send_clipboard
    try:
        app.run(pre_run=painter.start, handle_sigint=False)
    finally:
        painter.close()
        # what was typed behind the last key belongs to the prompt, before what has come since
        store_typeahead(app.input, [*painter.unread, *get_typeahead(app.input)])
    if painter.failure is not None:
        raise painter.failure


def _bindings(control: _Control) -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add(Keys.Any)
    def _any(event: KeyPressEvent) -> None:
        assert control.painter is not None
        for press in event.key_sequence:
            key = press.data if len(press.data) == 1 and press.data.isprintable() else press.key
            control.painter.press(key, press)

    for name, ours in _NAMES.items():
        bindings.add(name, eager=True)(_presser(control, ours))

    @bindings.add(Keys.BracketedPaste)
    def _paste(event: KeyPressEvent) -> None:
        assert control.painter is not None
        for char in event.data:
            control.painter.press(char if char.isprintable() else " ", KeyPress(char))

    return bindings


def _presser(control: _Control, key: str) -> Any:
    def press(event: KeyPressEvent) -> None:
        assert control.painter is not None
        control.painter.press(key, event.key_sequence[-1])

    return press
