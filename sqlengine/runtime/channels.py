"""Channels: LISTEN and NOTIFY, and word of every view that changes to whoever listens to its name."""

from __future__ import annotations

import threading
from collections.abc import Callable

Receiver = Callable[[int, str, str], None]
"""Told (who has sent it: a session's pid, 0 the engine; the channel; the payload), from any thread; returns at once."""


class Channels:
    """Who listens to what, in one database."""

    def __init__(self) -> None:
        self._receivers: dict[str, list[Receiver]] = {}
        self._lock = threading.Lock()

    def listen(self, channel: str, receiver: Receiver) -> None:
        """Have a receiver told of a channel, once however often it asks."""
        with self._lock:
            there = self._receivers.get(channel, [])
            if receiver not in there:
                self._receivers[channel] = [*there, receiver]

    def unlisten(self, receiver: Receiver, channel: str | None = None) -> None:
        """Have it told no more of a channel, or of any."""
        with self._lock:
            for name in [channel] if channel is not None else list(self._receivers):
                left = [r for r in self._receivers.get(name, ()) if r != receiver]
                if left:
                    self._receivers[name] = left
                else:
                    self._receivers.pop(name, None)

    def notify(self, channel: str, payload: str, sender: int) -> None:
        """Tell all who listen to a channel."""
        for receiver in self._receivers.get(channel, ()):
            receiver(sender, channel, payload)

    def changed(self, view: str, tick: int) -> None:
        """A view has changed in a tick: the payload is its number."""
        if view in self._receivers:
            self.notify(view, str(tick), 0)
