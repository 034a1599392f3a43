"""The thread that writes a checkpoint now and then, while ticks go on.

After one that took long it waits the longer, so that checkpoints take a tenth of the time at most.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sqlengine.runtime.checkpoint_writer import Checkpoints
from sqlengine.runtime.clock import Clock
from storage import StorageError

SHARE = 10
"""Checkpoints take one part in so many of the time."""
HISTORY_AFTER_US = 1_000_000
"""So long after the last one there is one for a history that nobody sees before."""
LOOK_S = 0.5
"""How often the interval, which a statement may change, is looked at."""


class Checkpointer:
    """Owns one daemon thread. `interval_ms()`: from one checkpoint to the next, 0 = none but on closing; `tick()`: the
    newest tick's number, without a change of which there is nothing to write."""

    def __init__(
        self, checkpoints: Checkpoints, clock: Clock, interval_ms: Callable[[], int], tick: Callable[[], int]
    ) -> None:
        self._checkpoints = checkpoints
        self._clock = clock
        self._interval_ms = interval_ms
        self._tick = tick
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sqlengine-checkpoint", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it, and for the checkpoint it is writing."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        last_tick, ended_us, took_us = self._tick(), self._clock.now_us(), 0
        interval_us = 0
        while not self._stop.wait(min(LOOK_S, interval_us / 1e6 or LOOK_S)):
            interval_us = self._interval_ms() * 1000
            waited_us = self._clock.now_us() - ended_us
            due = interval_us and waited_us >= max(interval_us, took_us * (SHARE - 1)) and self._tick() != last_tick
            if not due and (waited_us < HISTORY_AFTER_US or not self._checkpoints.has_histories()):
                continue
            began_us, last_tick = self._clock.now_us(), self._tick()
            try:
                self._checkpoints.write(self._stop.wait)
            except StorageError as error:  # the one before serves; the next is tried when its time comes
                logging.getLogger("sqlengine").warning("a checkpoint could not be written: %s", error)
            except Exception:  # views must not lose their checkpoints for one fault of ours
                logging.getLogger("sqlengine").exception("a checkpoint failed")
            ended_us = self._clock.now_us()
            took_us = ended_us - began_us
