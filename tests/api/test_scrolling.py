"""FETCH and MOVE, both ways."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

import sqlengine
from tests.depth import rounds

IDS = [1, 2, 3, 4, 5]


@pytest.fixture
def db() -> Iterator[sqlengine.Database]:
    with sqlengine.connect() as made:
        made.execute("CREATE TABLE t (id BIGINT PRIMARY KEY)")
        made.execute("INSERT INTO t VALUES " + ", ".join(f"({i})" for i in IDS))
        yield made


class Steps:
    """What a cursor does, a step at a time: it stands before the first row, on one, or behind the last."""

    def __init__(self) -> None:
        self.at = 0

    def step(self, by: int) -> int | None:
        """The row it comes to."""
        self.at = max(0, min(len(IDS) + 1, self.at + by))
        return IDS[self.at - 1] if 0 < self.at <= len(IDS) else None

    def along(self, count: int) -> list[int]:
        """The rows it comes by, and where it stands when there are no more."""
        if count == 0:
            here = self.step(0)
            return [] if here is None else [here]
        found = [self.step(1 if count > 0 else -1) for _ in range(abs(count))]
        return [row for row in found if row is not None]

    def fetch(self, way: str, count: int) -> list[int]:
        """As PostgreSQL's documentation of FETCH says."""
        if way == "ABSOLUTE":
            self.at = 0 if count >= 0 else len(IDS) + 1
            found = [self.step(1 if count > 0 else -1) for _ in range(abs(count))]
        elif way == "RELATIVE" and count:
            found = [self.step(1 if count > 0 else -1) for _ in range(abs(count))]
        else:
            return self.along(-count if way == "BACKWARD" else count)
        return [] if not found or found[-1] is None else [found[-1]]


WORDS = {
    "NEXT": ("FORWARD", 1),
    "PRIOR": ("BACKWARD", 1),
    "FIRST": ("ABSOLUTE", 1),
    "LAST": ("ABSOLUTE", -1),
    "ALL": ("FORWARD", 10),
    "FORWARD ALL": ("FORWARD", 10),
    "BACKWARD ALL": ("BACKWARD", 10),
    "": ("FORWARD", 1),
    "FORWARD": ("FORWARD", 1),
    "BACKWARD": ("BACKWARD", 1),
    "3": ("FORWARD", 3),
    "-2": ("FORWARD", -2),
}


@pytest.mark.parametrize("seed", range(rounds(6, 20)))
def test_it_goes_as_one_who_takes_single_steps(db: sqlengine.Database, seed: int) -> None:
    draw, model = random.Random(seed), Steps()
    db.execute(f"BEGIN; DECLARE c {draw.choice(['', 'SCROLL'])} CURSOR FOR SELECT id FROM t ORDER BY id")
    for _ in range(60):
        if draw.random() < 0.5:
            text = draw.choice(list(WORDS))
            way, count = WORDS[text]
        else:
            way, count = draw.choice(["FORWARD", "BACKWARD", "ABSOLUTE", "RELATIVE"]), draw.randint(-7, 7)
            text = f"{way} {count}"
        verb = draw.choice(["FETCH", "MOVE"])
        result = db.execute(f"{verb} {text} {draw.choice(['FROM', 'IN'])} c")
        expected = model.fetch(way, count)
        assert result.tag == f"{verb} {len(expected)}", (text, model.at)
        assert verb == "MOVE" or [row[0] for row in result.fetchall()] == expected, (text, model.at)
        assert (result.schema is None) == (verb == "MOVE")


BACK = ["PRIOR", "BACKWARD 1", "BACKWARD ALL", "ABSOLUTE 1", "ABSOLUTE 2", "ABSOLUTE -1", "RELATIVE -1", "-1", "LAST"]


@pytest.mark.parametrize("where", [*BACK, "FIRST", "0", "RELATIVE 0"])
def test_no_scroll_goes_forward_only(db: sqlengine.Database, where: str) -> None:
    db.execute("DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT id FROM t ORDER BY id; FETCH ABSOLUTE 2 FROM c")
    with pytest.raises(sqlengine.Error, match="cursor can only scan forward") as caught:
        db.execute(f"FETCH {where} FROM c")
    assert (caught.value.sqlstate, "SCROLL" in str(caught.value.hint)) == ("55000", True)
    assert db.execute("MOVE 0 FROM c").tag == "MOVE 1"
    assert db.execute("FETCH RELATIVE 2 FROM c").fetchall() == [(4,)]
    assert db.execute("FETCH ABSOLUTE 5 FROM c").fetchall() == [(5,)]
    assert db.execute("FETCH ABSOLUTE 9 FROM c").fetchall() == []


def test_changes_are_passed_and_never_come_back(db: sqlengine.Database) -> None:
    db.execute("DECLARE c CURSOR FOR SUBSCRIBE t")
    timeout = "WITH (timeout = '10 s')"
    assert db.execute(f"MOVE 2 FROM c {timeout}").tag == "MOVE 2"
    assert db.execute(f"FETCH RELATIVE 2 FROM c {timeout}").to_arrow()["id"].to_pylist() == [4]
    for where in [*BACK, "FIRST"]:
        with pytest.raises(sqlengine.Error, match="cursor can only scan forward") as caught:
            db.execute(f"FETCH {where} FROM c")
        assert caught.value.sqlstate == "55000"
    assert db.execute(f"FETCH ALL FROM c {timeout}").to_arrow()["id"].to_pylist() == [5]
    db.execute("CLOSE c")


@pytest.mark.parametrize(
    ("text", "sqlstate"),
    [
        ("DECLARE c SCROLL CURSOR FOR SUBSCRIBE t", "0A000"),
        ("DECLARE c SCROLL CURSOR FOR SELECT * FROM t EMIT CHANGES", "0A000"),
        ("DECLARE c SCROLL NO SCROLL CURSOR FOR SELECT 1", "42P11"),
        ("MOVE nope", "34000"),
        ("FETCH ABSOLUTE FROM c", "42601"),
        ("FETCH 1.5 FROM c", "42601"),
        ("FETCH BACKWARD 9999999999999999999 FROM c", "42601"),
        ("MOVE FORWARD 1 FROM", "42601"),
    ],
)
def test_what_cannot_be_is_refused(db: sqlengine.Database, text: str, sqlstate: str) -> None:
    with pytest.raises(sqlengine.Error) as caught:
        db.execute(text)
    assert caught.value.sqlstate == sqlstate
