"""Subscriptions and the past survive: whatever happens, a follower gets each change once, and AS OF TICK tells what
was there after that tick."""

from __future__ import annotations

from contextlib import ExitStack
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.runtime.checkpoint_writer import Checkpoints
from tests.api.subscription_world import FEEDS, World, world
from tests.depth import rounds

KINDS = st.sampled_from(["rows", "rows", "rows", "item", "item", "delete", "time", "replace", "pause", "resume"])
THEN = st.sampled_from(["", "", "checkpoint", "kill", "checkpoint and kill"])
CLIENT = st.sampled_from(["", "receive", "receive one", "acknowledge", "acknowledge", "crash"])


def act(whole: World, name: str, what: str) -> None:
    client = whole.clients[name]
    if what == "crash":
        client.crash()
    elif what:
        client.receive(whole.db, 1 if what == "receive one" else None)
        if what == "acknowledge":
            client.acknowledge()


HOW = st.sampled_from([(0, True), (0, True), (1, True), (1, False), (2, True), (2, False), (3, False), (4, True)])
"""Killed at which change of a step, and whether that is written; 0: not killed."""
STEPS = st.lists(st.tuples(KINDS, HOW, THEN, st.lists(CLIENT, min_size=4, max_size=4)), min_size=3, max_size=10)


@pytest.mark.parametrize("saves", [True, False])
@settings(max_examples=rounds(2, 40))
@given(steps=STEPS)
def test_random_histories(
    tmp_path_factory: pytest.TempPathFactory,
    saves: bool,
    steps: list[tuple[str, tuple[int, bool], str, list[str]]],
) -> None:
    """`saves` False: killed before the checkpoints that statements write, whenever it is killed."""
    with ExitStack() as stack:
        if not saves:
            stack.enter_context(patch.object(Checkpoints, "save", lambda checkpoints: None))
        one = stack.enter_context(world(tmp_path_factory.mktemp("db") / "db"))
        one.db.checkpoint()
        for number, (kind, (at, written), then, clients) in enumerate(steps):
            one.step_killed(number, kind, at, written)
            for name, what in zip(FEEDS, clients, strict=True):
                act(one, name, what)
            if "checkpoint" in then:
                one.db.checkpoint()
            if "kill" in then:
                tick = one.tick
                one.reopen()
                assert one.tick >= tick
                one.check_history()
        one.check_followers()
        one.check_history()
        one.db.close()
        one.reopen()
        one.check_history()
        one.check_followers()
