"""Ctrl-C anywhere in an append: the log stays whole, and the append counts wholly or not at all."""

from __future__ import annotations

import linecache
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import storage
from storage.log.commit import GroupCommit
from tests.depth import rounds
from tests.storage.conftest import SCHEMA, numbers, quick, rows

# Modules whose lines are interrupted one after the other.
INTERRUPTED = ("file_log.py", "segment.py", "index.py", "producers.py")


class _Interrupter:
    """A trace function that raises KeyboardInterrupt at the n-th line executed in those modules.

    The line of a `with` is left out: a trace function could raise between the body and the exit, a signal cannot.
    """

    def __init__(self, nth: int, modules: tuple[str, ...] = INTERRUPTED) -> None:
        self.left = nth
        self.modules = modules

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.endswith(self.modules) or frame.f_code.co_name == "_interrupted":
            return None
        if event == "line" and not self._source(frame).startswith("with "):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self

    @staticmethod
    def _source(frame: FrameType) -> str:
        """The line about to run."""
        return linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()


def test_an_append_interrupted_at_any_line_counts_wholly_or_not_at_all(scratch: Path) -> None:
    path = str(scratch / "data")
    opened = quick(path)
    log = opened.create_topic("t", SCHEMA, storage.TopicConfig(segment_bytes=4096)).partitions[0]
    nth, completed = 0, False
    while not completed:
        nth += 1
        before = log.end_offset
        producer = storage.BatchId(1, 0, before)
        interrupter = _Interrupter(nth)
        sys.settrace(interrupter)
        try:
            log.append(rows(before, 5), producer=producer)
            completed = interrupter.left > 0
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        assert log.append(rows(before, 5), producer=producer) == before, f"line {nth}"
        assert log.end_offset == before + 5
        assert numbers(log) == list(range(before + 5))
        if nth % 20 == 0:
            opened.close()
            opened = quick(path)
            log = opened.topic("t").partitions[0]
            assert numbers(log) == list(range(before + 5))
    assert nth > 40
    opened.close()


@pytest.mark.parametrize("outcome", ["commit", "abort"])
def test_a_transaction_interrupted_at_any_line_counts_wholly_or_not_at_all(scratch: Path, outcome: str) -> None:
    """Seen by readers at once, after the next maintenance, and after opening again; and the storage goes on."""
    modules = ("coordinator.py", "transaction.py", "log/transactions.py", *INTERRUPTED)
    path = str(scratch / "data")
    opened = quick(path)
    for name in ("a", "b"):
        opened.create_topic(name, SCHEMA, storage.TopicConfig(segment_bytes=4096))
    nth, completed, known = 0, False, 0
    while not completed:
        nth += rounds(3, 1)
        t = opened.transaction(timeout_ms=10**9)
        interrupter = _Interrupter(nth, modules)
        sys.settrace(interrupter)
        try:
            with t:
                t.append("a", rows(nth, 2))
                t.append("b", rows(nth, 2))
                getattr(t, outcome)()
            completed = interrupter.left > 0
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        if t.phase == "open":  # before its block began
            t.abort()
        opened.maintain()
        assert opened.transactions.unfinished() == []
        logs = [opened.topic(name).partitions[0] for name in ("a", "b")]
        assert numbers(logs[0]) == numbers(logs[1]), f"line {nth}"
        count = len(numbers(logs[0]))
        assert count - known == (2 if t.phase == "committed" else 0), f"line {nth}"
        known = count
        assert all(log.last_stable_offset == log.high_watermark == log.end_offset for log in logs), f"line {nth}"
        if nth % 21 == 0:
            opened.close()
            opened = quick(path)
            assert len(numbers(opened.topic("a").partitions[0])) == known
    assert nth > 100
    opened.close()


def test_a_round_that_is_broken_off_is_run_again_by_the_next_waiter() -> None:
    class Target:
        calls = 0
        entered, go_on = threading.Event(), threading.Event()

        def sync_now(self) -> None:
            self.calls += 1
            if self.calls == 1:
                self.entered.set()
                self.go_on.wait()
                raise KeyboardInterrupt

    target, commit, outcomes = Target(), GroupCommit(lambda: 0), []

    def wait() -> None:
        try:
            commit.wait_durable([target])
            outcomes.append("durable")
        except KeyboardInterrupt:
            outcomes.append("interrupted")

    first, second = threading.Thread(target=wait), threading.Thread(target=wait)
    first.start()
    target.entered.wait()
    second.start()
    target.go_on.set()
    first.join()
    second.join()
    assert sorted(outcomes) == ["durable", "interrupted"] and target.calls == 2


@pytest.mark.parametrize("kind", [MemoryError, KeyboardInterrupt])
def test_a_broken_off_commit_leaves_the_storage_usable(
    scratch: Path, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    with quick(str(scratch)) as opened:
        log = opened.create_topic("t", SCHEMA).partitions[0]
        with monkeypatch.context() as patch:
            patch.setattr(log, "sync_now", lambda: (_ for _ in ()).throw(kind()))
            with pytest.raises(kind):
                log.append(rows(0, 3))
        assert log.append(rows(3, 3)) == 3
        assert numbers(log) == list(range(6))
