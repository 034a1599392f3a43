"""The background thread: ticks when data came or time is due, retention now and then, sleeps otherwise.  When nothing
comes for a while, repeated texts are packed and memory a back-fill has left is given back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sqlengine.runtime.memory import give_back
from sqlengine.runtime.scheduler import Scheduler

IDLE_WAIT_S = 0.5
"""The longest sleep when nothing is known to be due; `wake()` ends it at once."""

MAINTAIN_INTERVAL_US = 30_000_000
"""How often retention looks for segments to delete."""

FEEDER_WAIT_S = 0.01
"""The sleep while connectors feed topics and nothing came."""


BRAKE_WAIT_S = 0.01
"""The sleep while a follower has much to read: rows wait in their topics, connectors are not asked for more."""

LINGER_SHARE, LINGER_MAX_US, LINGER_BEHIND_US = 0.5, 1_500, 20_000
"""When something comes so soon behind a tick, more is on its way: what is written to several streams at once.  The
next tick then waits for this share of the time a tick takes, as Nagle's algorithm does for packets (RFC 896): one tick
instead of two, and the writer is not kept from the interpreter by the first."""

LINGER_PAUSE = 15
"""So many times there is no waiting behind one in vain: rows that come alone are not to be late for nothing."""

FAULT_WAIT_S = 1.0
"""The sleep after a fault, so that one that stays does not keep a processor busy."""


class Pump:
    """Owns one daemon thread; `wake()` after every append, `stop()` before the storage closes."""

    def __init__(self, scheduler: Scheduler, maintain: Callable[[], object]) -> None:
        self._scheduler = scheduler
        self._maintain = maintain
        self._maintained_us = scheduler.clock.now_us()
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._tick_us = 0.0
        """How long a tick takes, the latest ones above all."""
        self._ticked_us = 0
        self._not_lingering = 0
        self._thread = threading.Thread(target=self._run, name="sqlengine-pump", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Something was written or declared."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread and wait for it; called without the scheduler's lock held."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            began_us = self._scheduler.clock.now_us()
            try:
                wait_s = self._turn()
            except Exception:  # the views must not stand still for one fault of ours
                logging.getLogger("sqlengine").exception("the background thread goes on after a fault")
                wait_s = FAULT_WAIT_S
            if not wait_s:
                self._ticked_us = self._scheduler.clock.now_us()
                self._tick_us += (self._ticked_us - began_us - self._tick_us) / 5
            elif self._wake.wait(wait_s):
                self._linger()
            elif wait_s == IDLE_WAIT_S:
                self._give_back()

    def _linger(self) -> None:
        """Let what comes with what has come come, where that has lately been so."""
        if self._scheduler.clock.now_us() - self._ticked_us >= LINGER_BEHIND_US:
            return
        if self._not_lingering:
            self._not_lingering -= 1
            return
        self._wake.clear()
        self._stopping.wait(min(LINGER_MAX_US, LINGER_SHARE * self._tick_us) / 1e6)
        if not self._wake.is_set():
            self._not_lingering = LINGER_PAUSE

    def _turn(self) -> float:
        """Do what is due; how many seconds to sleep, 0 when there may be more."""
        scheduler = self._scheduler
        if scheduler.is_held_back():
            return BRAKE_WAIT_S
        wakeup = scheduler.next_wakeup_us()
        now_us = scheduler.clock.now_us()
        if wakeup is not None and now_us >= wakeup:
            scheduler.run_timers()
            return 0.0
        if scheduler.tick():
            return 0.0
        if now_us - self._maintained_us >= MAINTAIN_INTERVAL_US:
            self._maintained_us = now_us
            self._maintain()
            self._give_back()
        wait_s = FEEDER_WAIT_S if scheduler.feeders else IDLE_WAIT_S
        return wait_s if wakeup is None else min(wait_s, max(0.001, (wakeup - now_us) / 1e6))

    def _give_back(self) -> None:
        while not self._wake.is_set() and self._scheduler.pack():
            self._scheduler.spare_memory = True
        if self._scheduler.spare_memory:
            self._scheduler.spare_memory = False
            give_back()
