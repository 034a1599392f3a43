"""The replication machine in simulated worlds, and the proof that the simulation finds what is wrong with a machine.

`python -m tests.replication.simulation SEED --trace` shows every event of one seed.
"""

from __future__ import annotations

import pytest

from tests.replication.mutations import MUTATIONS, Mutation
from tests.replication.simulation import Outcome, run_seed

SEEDS = 300
SEEDS_PER_TEST = 25
SEEDS_FOR_MUTATIONS = 1000


def told(outcome: Outcome) -> str:
    return f"{outcome.violation}\nrepeat with: python -m tests.replication.simulation {outcome.seed} --trace"


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
def test_nothing_committed_is_lost_and_all_ends_well(first: int) -> None:
    outcomes = [run_seed(seed) for seed in range(first, first + SEEDS_PER_TEST)]
    for outcome in outcomes:
        assert outcome.violation is None, told(outcome)
    assert sum(outcome.acknowledged for outcome in outcomes) > 20 * SEEDS_PER_TEST, "too little happens"
    assert sum(outcome.elections for outcome in outcomes) > 2 * SEEDS_PER_TEST, "too little goes wrong"
    assert sum(outcome.was_beyond for outcome in outcomes) < SEEDS_PER_TEST / 2, "too much is destroyed"


def test_a_seed_is_a_history() -> None:
    first: list[str] = []
    again: list[str] = []
    assert run_seed(7, first.append) == run_seed(7, again.append)
    assert first == again and len(first) > 1000


FOUND_BY = {
    "let-any-incarnation-join": 424,
    "commit-without-the-proposed": 229,
    "grant-proposals-of-old-versions": 171,
    "cut-at-answers-of-the-past": 166,
    "keep-all-eligible": 33,
    "let-a-leader-go-before-the-others-have-it": 22,
    "compare-offsets-without-epochs": 21,
    "leave-before-the-others-have-it": 20,
    "append-while-leaving": 18,
    "resign-before-all-is-committed": 14,
    "commit-below-min_insync": 8,
    "join-before-catching-up": 7,
}
"""The seed to begin with, where it is not among the first."""


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.id)
def test_a_planted_fault_is_found(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutation.module, mutation.name, mutation.replacement)
    seeds = (FOUND_BY.get(mutation.id, 0), *range(SEEDS_FOR_MUTATIONS))
    assert any(run_seed(seed).violation is not None for seed in seeds), (
        f"{SEEDS_FOR_MUTATIONS} seeds do not find out that replicas {mutation.breaks}"
    )
