"""Ctrl-C while the shell asks something for itself."""

from __future__ import annotations

import pytest

from repl.runner import Interrupted, Runner
from repl.worker import Worker
from tests.repl.fake import FakeSession


def test_ctrl_c_ends_what_the_shell_asks_for_itself() -> None:
    session, worker = FakeSession(), Worker()

    def press(_rows: int) -> None:
        raise KeyboardInterrupt

    runner = Runner(session, worker, on_wait=press)
    with pytest.raises(Interrupted):
        runner.call(lambda asked: asked.execute("SLEEP"))
    assert session.cancelled.is_set()
    assert Runner(session, worker).call(lambda asked: asked.execute("SELECT 1 AS a").to_arrow().num_rows) == 1
    worker.close()
    session.close()
