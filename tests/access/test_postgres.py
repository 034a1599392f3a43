"""GRANT, REVOKE, memberships and owners against PostgreSQL: the same random histories, the same SQLSTATEs, and in the
end the same privileges.
"""

from __future__ import annotations

import pytest

import sqlengine
from sqlengine.catalog.authority import Authority, target_of
from tests.access import column_cases
from tests.access.postgres_cases import CASES, HISTORY, SEED, SETUP, STEPS, SUPERUSER, Step, make_case, questions
from tests.access.sessions import session_of

RECORDED = HISTORY.recorded()
OF_COLUMNS = column_cases.HISTORY.recorded()


def test_the_file_is_of_these_cases() -> None:
    assert [[Step(s.actor, s.text) for s in steps] for steps, _ in RECORDED] == [
        make_case(SEED + number) for number in range(CASES)
    ]
    states = [step.state for steps, _ in RECORDED for step in steps]
    assert len(states) == CASES * STEPS
    assert states.count("00000") > 800 and states.count("42501") > 400 and states.count("2BP01") > 2


def run_steps(db: sqlengine.Database, steps: list[Step]) -> None:
    for at, step in enumerate(steps):
        session = session_of(db, "sqlengine" if step.actor == SUPERUSER else step.actor)
        try:
            session.execute(step.text).close()
            state = "00000"
        except sqlengine.Error as error:
            state = error.sqlstate
        assert state == step.state, f"step {at}: {step}"


@pytest.mark.sampled(24)
@pytest.mark.parametrize("number", range(CASES))
def test_a_history_ends_as_in_postgresql(number: int) -> None:
    steps, bits = RECORDED[number]
    with sqlengine.connect() as db:
        for text in SETUP:
            db.execute(text)
        run_steps(db, steps)
        catalog = session_of(db, "sqlengine").context.instance.catalog
        for (role, table, privilege), bit in zip(questions(), bits, strict=True):
            me = Authority(catalog, catalog.roles.get(role).id)
            assert me.has_any(target_of(catalog.get((table,))), privilege) == (bit == "1"), (role, table, privilege)


def test_the_file_of_columns_is_of_these_cases() -> None:
    made = [column_cases.make_case(column_cases.SEED + number) for number in range(column_cases.CASES)]
    assert [[Step(s.actor, s.text) for s in steps] for steps, _ in OF_COLUMNS] == made
    states = [step.state for steps, _ in OF_COLUMNS for step in steps]
    assert states.count("00000") > 800 and states.count("42501") > 400


@pytest.mark.sampled(8)
@pytest.mark.parametrize("number", range(column_cases.CASES))
def test_a_history_of_columns_ends_as_in_postgresql(number: int) -> None:
    steps, bits = OF_COLUMNS[number]
    with sqlengine.connect() as db:
        for text in column_cases.HISTORY.setup:
            db.execute(text)
        run_steps(db, steps)
        asked = column_cases.HISTORY.questions
        (answers,) = db.execute(f"SELECT {', '.join(asked)}").fetchall()
        assert [(q, a) for q, a, b in zip(asked, answers, bits, strict=True) if a != (b == "1")] == []
