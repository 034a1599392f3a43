"""What transcripts and the simulation do not say of the machine: purity, wrong events, errors in words, epochs."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import StorageError
from storage.replication import controller, machine
from storage.replication import epochs as ep
from storage.replication.election import created
from storage.replication.epochs import EpochStart
from storage.replication.messages import NOBODY, Entry, Refusal, Register, Synced, Tick
from storage.replication.refusals import refusal_error
from storage.replication.state import Clock, LogState, Settings, opened


def test_a_step_leaves_the_state_it_was_given_as_it_was() -> None:
    before = opened(0, Settings(), life=1, log=LogState())
    same = opened(0, Settings(), life=1, log=LogState())
    after, ready = machine.step(before, Tick(10))
    assert before == same and after != before
    assert machine.step(before, Tick(10)) == (after, ready)


def test_events_for_others_are_refused() -> None:
    with pytest.raises(TypeError, match="a replica does not understand Register"):
        machine.step(opened(0, Settings(), life=1, log=LogState()), Register(1, 1))
    with pytest.raises(TypeError, match="the controller does not understand Synced"):
        controller.step(controller.created(Settings(), (0,), 1), Synced(1))


@pytest.mark.parametrize("reason", [reason for reason in Refusal if reason is not Refusal.NONE])
def test_every_refusal_has_an_error(reason: Refusal) -> None:
    error = refusal_error(reason)
    assert isinstance(error, StorageError) and error.hint and len(error.sqlstate) == 5
    assert error.message == error.message.strip(".") and error.message[0].islower()


def test_a_clock_that_jumps_moves_time_little() -> None:
    clock = Clock()
    for wall_ms in (5_000_000, 5_000_050, 9_000_000, 1_000, 1_050):
        clock = clock.ticked(wall_ms, 100)
    assert clock.now_ms == 50 + 100 + 0 + 50


def test_a_controller_knows_after_a_restart_what_it_decided() -> None:
    state = controller.created(Settings(), (0, 1), 1)
    state, ready = controller.step(state, Register(0, 77))
    assert ready.save is not None
    again = controller.reopened(Settings(), ready.save)
    assert again.metadata == created((0, 1), 1)
    _, repeated = controller.step(again, Register(0, 77))
    _, another = controller.step(again, Register(0, 78))
    assert repeated.messages == ready.messages and another.messages != ready.messages


@given(st.integers(0, 2**32))
def test_logs_part_where_comparing_them_entry_by_entry_says(seed: int) -> None:
    """Two logs as leaders would have written them: a shared beginning, then different epochs on each side."""
    rng = random.Random(seed)
    shared = entries(rng, 0, sorted(rng.choices(range(1, 4), k=rng.randint(0, 5))))
    end = shared[-1].next_offset if shared else 0
    ours = [*shared, *entries(rng, end, sorted(rng.choices((4, 6, 8), k=rng.randint(0, 4))))]
    theirs = [*shared, *entries(rng, end, sorted(rng.choices((5, 7), k=rng.randint(0, 4))))]
    epochs, ours_end = ep.after_entries((), tuple(ours)), ours[-1].next_offset if ours else 0
    while True:
        others = ep.after_entries((), tuple(theirs))
        theirs_end = theirs[-1].next_offset if theirs else 0
        apart = ep.divergence(epochs, 0, ours_end, ep.last_epoch(others), theirs_end)
        if apart is None:
            break
        cut = ep.cut_at(others, 0, theirs_end, apart)
        assert cut < theirs_end and all(entry.base_offset >= cut or entry.next_offset <= cut for entry in theirs)
        theirs = [entry for entry in theirs if entry.next_offset <= cut]
    assert theirs == ours[: len(theirs)] and len(theirs) >= len(shared)


def entries(rng: random.Random, offset: int, epochs: list[int]) -> list[Entry]:
    found = []
    for epoch in epochs:
        found.append(Entry(offset, rng.randint(1, 3), epoch, b""))
        offset = found[-1].next_offset
    return found


def test_epochs_of_a_trimmed_log_begin_where_it_begins() -> None:
    known = (EpochStart(1, 0), EpochStart(3, 10), EpochStart(4, 20))
    assert ep.since(known, 12, 30) == (EpochStart(3, 12), EpochStart(4, 20))
    assert ep.since(known, 30, 30) == ()
    assert ep.divergence(ep.since(known, 20, 30), 20, 30, 3, 15) is not None


def test_nobody_leads_when_the_process_of_all_begins() -> None:
    state = controller.created(Settings(), (0, 1), 1)
    saved = replace(controller.saved(state), metadata=replace(state.metadata, leader=1, leader_epoch=4))
    assert controller.reopened(Settings(), saved).metadata.leader == 1
    alone = controller.reopened(Settings(), saved, alone=True).metadata
    assert (alone.leader, alone.leader_epoch, alone.version) == (NOBODY, 4, state.metadata.version + 1)
    assert alone.isr == (0, 1)
