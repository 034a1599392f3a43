"""The embedded transport on simulated disks, and the proof that the simulation finds what is wrong with it.

`python -m tests.replication.embedded SEED --trace` shows every step of one seed.
"""

from __future__ import annotations

import pytest

from tests.replication.embedded import Outcome, run_seed
from tests.replication.embedded_mutations import MUTATIONS
from tests.replication.mutations import Mutation

SEEDS = 250
SEEDS_PER_TEST = 25
SEEDS_FOR_MUTATIONS = 250


def told(outcome: Outcome) -> str:
    return f"{outcome.violation}\nrepeat with: python -m tests.replication.embedded {outcome.seed} --trace"


@pytest.mark.sampled(4)
@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
def test_nothing_acknowledged_is_lost_while_one_directory_is_left(first: int) -> None:
    outcomes = [run_seed(seed) for seed in range(first, first + SEEDS_PER_TEST)]
    for outcome in outcomes:
        assert outcome.violation is None, told(outcome)
    assert sum(outcome.acknowledged for outcome in outcomes) > 5 * SEEDS_PER_TEST, "too little happens"
    assert sum(outcome.failed for outcome in outcomes) > 0, "too little goes wrong"


FOUND = {
    771333: "a directory was made again, its name was not durable",
    771467: "the process ended between the marks of a generation, and a directory without topics was copied",
    801730: "a replica that had vanished was left alone",
    803020: "what was committed was not noted when min_insync_replicas grew",
    807545: "a log whose middle was missing was begun behind its beginning",
    3004803: "the life of a replica was kept before it was registered",
    2003399: "the life of a replica was kept by all but itself",
    2001992: "the first segment had vanished while its replica caught up",
    810101: "the damaged last record of a journal was taken for a torn one, and the directory was copied",
    811714: "a durable point had vanished while its replica caught up",
    816545: "a partition was moved to a directory that had vanished",
    6003299: "while nobody led, what was committed under durability os was called durable",
    6000650: "the settings of a topic were equal in a directory that came back, and their file's name was not durable",
    5000803: "the only replica had kept its life although that seemed to fail, and was taken for an old copy",
    3004942: "a directory that was lost when the partition moved away from it came back, and was told nothing",
}
"""Seeds that were violated once, and by what."""


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_once_does_not_come_back(seed: int) -> None:
    outcome = run_seed(seed)
    assert outcome.violation is None, told(outcome)


def test_a_seed_is_a_history() -> None:
    first: list[str] = []
    again: list[str] = []
    assert run_seed(12, first.append) == run_seed(12, again.append)
    assert without_names(first) == without_names(again) and len(first) > 20


def without_names(lines: list[str]) -> list[str]:
    """The lines without the name of the temporary directory."""
    return [line.split("/dev/shm")[0] for line in lines]


FOUND_BY = {
    "keep-in-sync-who-fails": 9,
    "say-nothing-of-lost-directories": 212,
    "do-not-note-what-is-committed": 8,
}
"""Faults that few seeds meet, and one that does: it is tried first."""


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.id)
def test_a_planted_fault_is_found(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutation.module, mutation.name, mutation.replacement)
    seeds = (FOUND_BY.get(mutation.id, 0), *range(SEEDS_FOR_MUTATIONS))
    assert any(run_seed(seed).violation is not None for seed in seeds), (
        f"{SEEDS_FOR_MUTATIONS} seeds do not find out that directories {mutation.breaks}"
    )
